// records_test.cpp - the pulling side by itself: what a record says, what does not fit, and both sinks on one
// loop. These tests make records and callbacks themselves, whichever sink the others are written for.
#include "world.hpp"

#include <csignal>
#include <thread>

using namespace support;

namespace {

void *tag(uintptr_t value) { return reinterpret_cast<void *>(value); }

std::vector<evl_record> pull(World &w, int32_t cap, int64_t timeout = 0) {
    std::vector<evl_record> out(static_cast<size_t>(cap));
    int32_t n = evl_loop_records(w.loop, out.data(), cap, timeout);
    EXPECT_GE(n, 0);
    EXPECT_LE(n, cap);
    out.resize(static_cast<size_t>(std::max(n, 0)));
    return out;
}

// "kind:user_data" of each.
std::string text(const std::vector<evl_record> &records) {
    std::string all;
    for (const evl_record &record : records)
        all +=
            (all.empty() ? "" : " ") + std::to_string(record.kind) + ":" + std::to_string(record.user_data);
    return all;
}

int called;
void count_call(void *) { called++; }

TEST(Records, HaveTheSameSizeForEverybody) {
    EXPECT_EQ(sizeof(evl_record), 32u);
    EXPECT_EQ(evl_record_size(), 32);
}

TEST(Records, SayWhatACallbackWouldHaveBeenTold) {
    World w({.clock = EVL_CLOCK_MANUAL});
    Pair p;
    evl_io *io = nullptr;
    evl_timer *timer = nullptr;
    evl_signal *signal = nullptr;
    evl_op op;
    ASSERT_EQ(evl_io_new(w.loop, p.a, EVL_READ | EVL_WRITE, EVL_IO_ONESHOT, nullptr, tag(1), &io), 0);
    ASSERT_EQ(evl_timer_new(w.loop, nullptr, tag(2), &timer), 0);
    ASSERT_EQ(evl_signal_new(w.loop, SIGUSR1, nullptr, tag(3), &signal), 0);
    ASSERT_EQ(evl_op_init(&op, nullptr, tag(4), 0), 0);
    evl_timer_start_in(timer, 0, 10);
    evl_clock_advance(w.loop, 25);
    raise(SIGUSR1);
    raise(SIGUSR1);
    p.b.put();
    evl_defer(w.loop, &op);
    evl_call_soon(w.loop, nullptr, tag(5));
    evl_post(w.loop, nullptr, tag(6));
    evl_record seen[7] = {};
    auto records = pull(w, 20);
    for (auto more = records; !more.empty(); records.insert(records.end(), more.begin(), more.end()))
        more = pull(w, 20);
    EXPECT_EQ(records.size(), 6u);
    for (const evl_record &record : records) {
        ASSERT_LE(record.user_data, 6u);
        seen[record.user_data] = record;
    }
    const evl_record expected[] = {
        {},
        {1, evl_id(io), EVL_KIND_IO, EVL_READ | EVL_WRITE, p.a},
        {2, evl_id(timer), EVL_KIND_TIMER, 3, 3},
        {3, evl_id(signal), EVL_KIND_SIGNAL, 2, 2},
        {4, 0, EVL_KIND_OP, 0, 0},
        {5, 0, EVL_KIND_CALL, 0, 0},
        {6, 0, EVL_KIND_POST, 0, 0},
    };
    for (size_t i = 1; i <= 6; i++) {
        SCOPED_TRACE(i);
        EXPECT_EQ(seen[i].user_data, expected[i].user_data);
        EXPECT_EQ(seen[i].id, expected[i].id);
        EXPECT_EQ(seen[i].kind, expected[i].kind);
        EXPECT_EQ(seen[i].result, expected[i].result);
        EXPECT_EQ(seen[i].extra, expected[i].extra);
    }
    EXPECT_EQ(evl_op_active(&op), 0); // fetched: it may be started again
    EXPECT_EQ(evl_op_result(&op), 0);
    EXPECT_EQ(evl_defer(w.loop, &op), 0);
    EXPECT_EQ(evl_op_cancel(&op), 1);
    EXPECT_EQ(pull(w, 1).at(0).result, EVL_ECANCELED);
}

TEST(Records, ResultsAreClampedTo32BitsAndWholeInExtra) {
    World w({.clock = EVL_CLOCK_MANUAL});
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_timer_new(w.loop, nullptr, nullptr, &timer), 0);
    evl_timer_start_in(timer, 0, 1);
    evl_clock_advance(w.loop, 3600 * sec);
    auto records = pull(w, 1);
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].result, INT32_MAX);
    EXPECT_EQ(records[0].extra, 3600 * sec + 1);
}

TEST(Records, ErrorsOfAWatcherAreItsResult) {
    World w;
    Pair p;
    evl_io *io = nullptr;
    ASSERT_EQ(evl_io_new(w.loop, p.a, EVL_READ, 0, nullptr, tag(1), &io), 0);
    evl_fd_closing(w.loop, p.a);
    auto records = pull(w, 5);
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].kind, EVL_KIND_IO);
    EXPECT_EQ(records[0].result, EVL_ECLOSED);
    EXPECT_EQ(records[0].id, evl_id(io));
}

TEST(Records, WhatDoesNotFitStaysFirstInLine) {
    World w;
    for (uintptr_t i = 1; i <= 5; i++)
        evl_call_soon(w.loop, nullptr, tag(i));
    EXPECT_EQ(text(pull(w, 2)), "17:1 17:2");
    evl_call_soon(w.loop, nullptr, tag(6));
    evl_post(w.loop, nullptr, tag(7));
    EXPECT_EQ(text(pull(w, 1)), "17:3");
    EXPECT_EQ(text(pull(w, 100)), "17:4 17:5 17:6 18:7");
    EXPECT_EQ(text(pull(w, 100)), "");
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(Records, ManyPostsInSmallBites) {
    World w;
    for (uintptr_t i = 0; i < 1000; i++)
        ASSERT_EQ(evl_post(w.loop, nullptr, tag(i)), 0);
    uintptr_t next = 0;
    for (int32_t cap = 1; next < 1000; cap = cap % 7 + 1)
        for (const evl_record &record : pull(w, cap))
            EXPECT_EQ(record.user_data, next++);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
}

TEST(Records, AClosedHandlesRecordIsTakenBackUnlessItWasFetched) {
    World w;
    std::vector<Pair> pairs(3);
    std::vector<evl_io *> ios(3);
    for (size_t i = 0; i < 3; i++) {
        pairs[i].b.put();
        ASSERT_EQ(evl_io_new(w.loop, pairs[i].a, EVL_READ, 0, nullptr, tag(i), &ios[i]), 0);
    }
    auto first = pull(w, 1);
    ASSERT_EQ(first.size(), 1u);
    for (evl_io *io : ios)
        EXPECT_EQ(evl_close(io), 0); // the first one's record is ours all the same
    EXPECT_EQ(text(pull(w, 10)), "");
}

TEST(Records, TimeoutsAndEndsOfAWait) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    evl_record record;
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, -1), 0); // nothing is alive: for ever would be too long
    evl_loop_hold(w.loop);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 0), 0);
    std::jthread waker([&] {
        until([&] { return !sys.waits().empty() && sys.waits().back() == -1; });
        evl_wake(w.loop);
    });
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, -1), 0); // the wake
    waker.join();
    sys.freeze_time();
    sys.forget_waits();
    int64_t before = sys.now();
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 30 * ms), 0); // the time is up
    EXPECT_EQ(sys.now() - before, 30 * ms);
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_timer_new(w.loop, nullptr, tag(9), &timer), 0);
    evl_timer_start_in(timer, 10 * ms, 0);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 5 * ms), 0);
    EXPECT_EQ(sys.now() - before, 35 * ms);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 3600 * sec), 1); // the deadline comes first
    EXPECT_EQ(sys.now() - before, 40 * ms);
    EXPECT_EQ(record.user_data, 9u);
    sys.fail_wait(EINTR);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 5 * ms), 0); // a signal
    evl_loop_unhold(w.loop);
}

TEST(Records, AStopIsARecord) {
    World w;
    evl_call_soon(w.loop, nullptr, tag(1));
    EXPECT_EQ(evl_stop(w.loop, 42), 0);
    auto records = pull(w, 10, -1);
    ASSERT_EQ(text(records), "17:1 21:0"); // what was ready first, and it does not wait
    EXPECT_EQ(records[1].result, 42);
    EXPECT_EQ(text(pull(w, 10)), ""); // once
    EXPECT_EQ(evl_stop(w.loop, EVL_EUSER), 0);
    records = pull(w, 1, -1);
    ASSERT_EQ(text(records), "21:0");
    EXPECT_EQ(records[0].result, EVL_EUSER);
}

// --- both sinks on one loop
// -------------------------------------------------------------------------------------------------

TEST(Records, CallbacksWantATurnAndAreNotRun) {
    World w;
    called = 0;
    evl_call_soon(w.loop, count_call, nullptr);
    evl_call_soon(w.loop, nullptr, tag(1));
    std::string seen = text(pull(w, 10, -1));
    EXPECT_TRUE(seen == "17:1 20:0" || seen == "20:0 17:1") << seen;
    EXPECT_EQ(called, 0);                     // no user code
    EXPECT_EQ(text(pull(w, 10, -1)), "20:0"); // they still want it: no wait
    EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_NOWAIT), EVL_RUN_DONE);
    EXPECT_EQ(called, 1);
    EXPECT_EQ(text(pull(w, 10)), "");
}

TEST(Records, RunAnswersThatRecordsWait) {
    World w;
    called = 0;
    for (int32_t mode : {EVL_RUN_DEFAULT, EVL_RUN_ONCE, EVL_RUN_NOWAIT, EVL_RUN_FOREVER}) {
        evl_call_soon(w.loop, count_call, nullptr);
        evl_call_soon(w.loop, nullptr, tag(1));
        EXPECT_EQ(evl_loop_run(w.loop, mode), EVL_RUN_RECORDS) << mode;
        EXPECT_EQ(called, mode + 1);                                    // the callbacks of the pass have run
        EXPECT_EQ(evl_loop_run(w.loop, mode), EVL_RUN_RECORDS) << mode; // and the record still waits
        EXPECT_EQ(text(pull(w, 10)), "17:1");
    }
}

TEST(Records, NothingOfTheOtherSideIsLostWhileTheyTakeTurns) {
    World w;
    std::vector<Pair> pairs(20);
    int by_callback = 0, by_record = 0;
    for (size_t i = 0; i < pairs.size(); i++) {
        pairs[i].b.put();
        evl_io *io = nullptr;
        if (i % 2) {
            ASSERT_EQ(evl_io_new(w.loop, pairs[i].a, EVL_READ, EVL_IO_ONESHOT, nullptr, nullptr, &io), 0);
        } else {
            auto count = [](void *arg, int64_t) { ++*static_cast<int *>(arg); };
            ASSERT_EQ(evl_io_new(w.loop, pairs[i].a, EVL_READ, EVL_IO_ONESHOT, count, &by_callback, &io), 0);
        }
    }
    for (int turn = 0; turn < 40 && evl_loop_alive(w.loop); turn++)
        for (const evl_record &record : pull(w, 3, -1)) {
            by_record += record.kind == EVL_KIND_IO;
            if (record.kind == EVL_KIND_CALLBACKS) {
                EXPECT_GE(evl_loop_run(w.loop, EVL_RUN_NOWAIT), 0);
            }
        }
    EXPECT_EQ(by_callback, 10);
    EXPECT_EQ(by_record, 10);
}

TEST(Records, Contract_08_DropsAreUserCodeAndWaitForATurn) {
    World w;
    called = 0;
    evl_timer *timer = nullptr;
    evl_call_soon_owned(w.loop, nullptr, tag(1), count_call);
    evl_post_owned(w.loop, nullptr, tag(2), count_call);
    ASSERT_EQ(evl_timer_new(w.loop, nullptr, nullptr, &timer), 0);
    evl_set_drop(timer, count_call);
    evl_close(timer);
    bool turn = false;
    std::string seen;
    for (int i = 0; i < 6; i++)
        for (const evl_record &record : pull(w, 1)) {
            turn |= record.kind == EVL_KIND_CALLBACKS;
            if (record.kind != EVL_KIND_CALLBACKS)
                seen += std::to_string(record.user_data);
        }
    EXPECT_EQ(seen, "12");
    EXPECT_EQ(called, 0);
    EXPECT_TRUE(turn);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    for (int i = 0; i < 2; i++)
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    EXPECT_EQ(called, 3);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(Records, Contract_08_ADropWaitsUntilItsRecordHasBeenTaken) {
    World w;
    called = 0;
    evl_call_soon_owned(w.loop, nullptr, tag(1), count_call);
    EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_NOWAIT), EVL_RUN_RECORDS);
    EXPECT_EQ(called, 0);
    EXPECT_EQ(pull(w, 1).size(), 1u);
    for (int i = 0; i < 2; i++)
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    EXPECT_EQ(called, 1);
}

TEST(Records, BadInput) {
    World w({.clock = EVL_CLOCK_MANUAL});
    evl_record record;
    EXPECT_EQ(evl_loop_records(nullptr, &record, 1, 0), EVL_EINVAL);
    EXPECT_EQ(evl_loop_records(w.loop, nullptr, 1, 0), EVL_EINVAL);
    EXPECT_EQ(evl_loop_records(w.loop, &record, -1, 0), EVL_EINVAL);
    w.timer_in(1, [] {});
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, -1), EVL_EDEADLK);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 0), 0);
}

TEST(Records, Contract_16_AWarmLoopPullsWithoutAllocating) {
    World w;
    evl_record out[64];
    uint64_t before = 0;
    for (int round = 0; round < 6; round++) {
        if (round == 3)
            before = w.memory.calls();
        for (uintptr_t i = 0; i < 64; i++)
            i % 2 ? evl_post(w.loop, nullptr, tag(i)) : evl_call_soon(w.loop, nullptr, tag(i));
        int32_t n = 0;
        while (n < 64)
            n += evl_loop_records(w.loop, out, 64, 0);
    }
    EXPECT_EQ(w.memory.calls(), before);
}

} // namespace
