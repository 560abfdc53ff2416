// parts_of_pass_test.cpp - passes that leave something out, ends that leave something queued, and fetching
// with a reason.
#include "world.hpp"

#include <cerrno>
#include <thread>

using namespace support;

namespace {

// What is always a callback, so that the run itself is seen.
void call(World &w, Action action) {
    EXPECT_EQ(evl_call_soon(w.loop, World::always, w.arg(std::move(action))), 0);
}
void post(World &w, Action action) {
    EXPECT_EQ(evl_post(w.loop, World::always, w.arg(std::move(action))), 0);
}
void done(void *arg, int64_t) { World::always(arg); }
evl_timer *timer_now(World &w, Action action) {
    evl_timer *timer = nullptr;
    EXPECT_EQ(evl_timer_new(w.loop, done, w.arg(std::move(action)), &timer), 0);
    EXPECT_EQ(evl_timer_start_in(timer, -1, 0), 0);
    return timer;
}
evl_io *io(World &w, const Fd &fd, Action action) {
    evl_io *handle = nullptr;
    EXPECT_EQ(evl_io_new(w.loop, fd, EVL_READ, EVL_IO_ONESHOT, done, w.arg(std::move(action)), &handle), 0);
    return handle;
}
int32_t run(World &w, int32_t mode) { return evl_loop_run(w.loop, mode); }

// --- fds only -------------------------------------------------------------------------------------------

TEST(PartsOfPass, EventsLeaveTheRestInItsPlace) {
    World w;
    Pair p;
    call(w, w.says("call"));
    post(w, w.says("post"));
    timer_now(w, w.says("timer"));
    io(w, p.a, w.says("io"));
    EXPECT_EQ(run(w, EVL_RUN_EVENTS), EVL_RUN_ALIVE); // nothing is there, and nothing waits
    EXPECT_EQ(w.log(), "");
    p.b.put();
    EXPECT_EQ(run(w, EVL_RUN_EVENTS), EVL_RUN_ALIVE);
    EXPECT_EQ(w.log(), "io");
    EXPECT_EQ(run(w, EVL_RUN_NOWAIT), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "io call post timer");
}

TEST(PartsOfPass, EventsServeStreamsAndOperations) {
    World w;
    Pair p, q;
    evl_stream *stream = nullptr;
    char buf[8];
    evl_op read, wait;
    evl_op_init(&read, done, w.arg(w.says("read")), 0);
    evl_op_init(&wait, done, w.arg(w.says("wait")), 0);
    ASSERT_EQ(evl_stream_open(w.loop, p.a, EVL_STREAM_KEEP_FD, &stream), 0);
    ASSERT_EQ(evl_stream_read(stream, &read, buf, sizeof buf), 0);
    ASSERT_EQ(evl_wait_fd(w.loop, &wait, q.a, EVL_READ), 0);
    EXPECT_EQ(run(w, EVL_RUN_NOWAIT), EVL_RUN_ALIVE);
    call(w, w.says("call"));
    p.b.put();
    q.b.put();
    for (int i = 0; i < 3; i++) // the operation completes in the pass of its event, or in the next
        run(w, EVL_RUN_EVENTS);
    std::string log = w.log();
    EXPECT_TRUE(log == "read wait" || log == "wait read") << log;
    run(w, EVL_RUN_NOWAIT);
    EXPECT_EQ(w.log(), log + " call");
}

TEST(PartsOfPass, EventsHaveTheirHooks) {
    World w;
    w.hook(EVL_HOOK_BEFORE_POLL, w.says("before"));
    w.hook(EVL_HOOK_AFTER_POLL, w.says("after"));
    run(w, EVL_RUN_EVENTS);
    EXPECT_EQ(w.log(), "before after");
    run(w, EVL_RUN_QUEUED);
    EXPECT_EQ(w.log(), "before after");
}

TEST(PartsOfPass, ACallbackOfEventsMayEndTheLoop) {
    World w;
    Pair p, q;
    for (const Pair *each : {&p, &q}) {
        each->b.put();
        io(w, each->a, [&] { w.note("io"), w.destroy(); });
    }
    call(w, w.says("call"));
    EXPECT_EQ(run(w, EVL_RUN_EVENTS), EVL_ECLOSED);
    EXPECT_EQ(w.log(), "io");
}

TEST(PartsOfPass, EventsWithoutFunctionAreRecords) {
    World w;
    Pair p;
    evl_io *watcher = nullptr;
    ASSERT_EQ(evl_io_new(w.loop, p.a, EVL_READ, EVL_IO_ONESHOT, nullptr, nullptr, &watcher), 0);
    p.b.put();
    EXPECT_EQ(run(w, EVL_RUN_EVENTS), EVL_RUN_RECORDS);
    evl_record record;
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 0), 1);
    EXPECT_EQ(record.id, evl_id(watcher));
}

// --- no poll --------------------------------------------------------------------------------------------

TEST(PartsOfPass, QueuedDoesNotAskTheKernel) {
    World w;
    Pair p;
    p.b.put();
    io(w, p.a, w.says("io"));
    call(w, [&] {
        w.note("call");
        call(w, w.says("next"));
    });
    post(w, w.says("post"));
    timer_now(w, w.says("timer"));
    uint64_t polls = w.metrics().polls;
    EXPECT_EQ(run(w, EVL_RUN_QUEUED), EVL_RUN_ALIVE);
    EXPECT_EQ(w.log(), "call post timer");
    EXPECT_EQ(run(w, EVL_RUN_QUEUED), EVL_RUN_ALIVE);
    EXPECT_EQ(run(w, EVL_RUN_QUEUED), EVL_RUN_ALIVE);
    EXPECT_EQ(w.log(), "call post timer next");
    EXPECT_EQ(w.metrics().polls, polls);
    run(w, EVL_RUN_NOWAIT);
    EXPECT_EQ(w.log(), "call post timer next io");
}

TEST(PartsOfPass, OtherModesAreRefused) {
    World w;
    EXPECT_EQ(run(w, -1), EVL_EINVAL);
    EXPECT_EQ(run(w, EVL_RUN_QUEUED + 1), EVL_EINVAL);
    EXPECT_EQ(run(w, EVL_RUN_EVENTS), EVL_RUN_DONE);
    EXPECT_EQ(run(w, EVL_RUN_QUEUED), EVL_RUN_DONE);
    call(w, [&] {
        EXPECT_EQ(run(w, EVL_RUN_EVENTS), EVL_ERUNNING);
        EXPECT_EQ(run(w, EVL_RUN_QUEUED), EVL_ERUNNING);
        w.note("call");
    });
    run(w, EVL_RUN_QUEUED);
    EXPECT_EQ(w.log(), "call");
}

// --- an end at once -------------------------------------------------------------------------------------

TEST(StopNow, LeavesTheRestOfThePassInItsPlace) {
    World w;
    call(w, w.says("a"));
    call(w, [&] {
        w.note("stop");
        call(w, w.says("later"));
        EXPECT_EQ(evl_stop_now(w.loop, 7), 0);
    });
    call(w, w.says("b"));
    timer_now(w, w.says("timer"));
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), 7);
    EXPECT_EQ(w.log(), "a stop");
    call(w, w.says("last"));
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "a stop b timer later last");
}

TEST(StopNow, LeavesTheRestOfTheBatchOfPosts) {
    World w;
    int drops = 0;
    auto owned = [&](Action action) {
        EXPECT_EQ(
            evl_post_owned(w.loop, World::always, w.arg(std::move(action), [&] { drops++; }), World::drop),
            0);
    };
    owned([&] { w.note("stop"), evl_stop_now(w.loop, 1); });
    owned(w.says("p1"));
    owned([&] { w.note("again"), evl_stop_now(w.loop, 2); });
    owned(w.says("p2"));
    call(w, w.says("call"));
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), 1);
    EXPECT_EQ(w.log(), "stop");
    EXPECT_EQ(drops, 1); // with its function
    post(w, w.says("new"));
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), 2);
    EXPECT_EQ(w.log(), "stop p1 again");
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "stop p1 again p2 call new");
    EXPECT_EQ(drops, 4);
}

TEST(StopNow, FromAHookNothingOfThePassRuns) {
    for (int32_t when : {EVL_HOOK_BEFORE_POLL, EVL_HOOK_AFTER_POLL, EVL_HOOK_IDLE}) {
        World w({.poll_interval = 1});
        Pair p;
        io(w, p.a, w.says("io"));
        evl_hook *hook = nullptr;
        hook = w.hook(when, [&] {
            p.b.put();
            evl_close(hook);
            EXPECT_EQ(evl_stop_now(w.loop, 3), 0);
        });
        if (when == EVL_HOOK_AFTER_POLL)
            call(w, w.says("call"));
        EXPECT_EQ(run(w, EVL_RUN_ONCE), 3);
        EXPECT_EQ(w.log(), "");
        EXPECT_EQ(run(w, EVL_RUN_NOWAIT), EVL_RUN_DONE);
        EXPECT_EQ(run(w, EVL_RUN_NOWAIT), EVL_RUN_DONE);
        EXPECT_EQ(w.log(), when == EVL_HOOK_AFTER_POLL ? "call io" : "io"); // none was lost
    }
}

TEST(StopNow, InADispatchAndInAPassOfEvents) {
    for (bool dispatched : {true, false}) {
        World w;
        Pair p, q;
        for (const Pair *each : {&p, &q}) {
            each->b.put();
            io(w, each->a, [&] { w.note("io"), evl_stop_now(w.loop, 4); });
        }
        auto pass = [&] {
            return dispatched ? evl_loop_dispatch(w.loop, nullptr, 0) : run(w, EVL_RUN_EVENTS);
        };
        EXPECT_EQ(pass(), 4);
        EXPECT_EQ(w.log(), "io");
        EXPECT_EQ(run(w, EVL_RUN_NOWAIT), 4);
        EXPECT_EQ(w.log(), "io io");
    }
}

TEST(StopNow, WhatIsLeftMayBeCancelledOrDestroyed) {
    World w;
    int drops = 0;
    evl_op op;
    evl_op_init(&op, done, w.arg(w.says("op")), 0);
    call(w, [&] { evl_stop_now(w.loop, 5); });
    evl_timer *timer = timer_now(w, w.says("timer"));
    evl_defer(w.loop, &op);
    evl_call_soon_owned(w.loop, World::always, w.arg(w.says("call"), [&] { drops++; }), World::drop);
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), 5);
    EXPECT_EQ(evl_op_close(&op), 0);
    EXPECT_EQ(evl_close(timer), 0);
    EXPECT_EQ(w.close(), EVL_EBUSY);
    w.destroy();
    EXPECT_EQ(drops, 1);
    EXPECT_EQ(w.log(), "");
}

TEST(StopNow, OutsideOfARunItIsAStop) {
    World w;
    call(w, w.says("call"));
    EXPECT_EQ(evl_stop_now(w.loop, 6), 0);
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), 6);
    EXPECT_EQ(w.log(), "call");
    EXPECT_EQ(evl_stop_now(nullptr, 0), EVL_EINVAL);
    call(w, [&] { on_thread([&] { EXPECT_EQ(evl_stop_now(w.loop, 1), EVL_ETHREAD); }); });
    EXPECT_EQ(run(w, EVL_RUN_DEFAULT), EVL_RUN_DONE);
}

// --- fetching -------------------------------------------------------------------------------------------

struct Fetch {
    evl_record rows[4] = {};
    evl_record_batch batch = {rows, 4, -1, -1, 0};
    int32_t operator()(World &w, int64_t timeout) {
        int32_t reason = evl_loop_fetch(w.loop, &batch, timeout);
        EXPECT_EQ(reason, batch.reason);
        EXPECT_EQ(reason == EVL_FETCH_RECORDS, batch.count > 0);
        return reason;
    }
};

TEST(Fetch, TellsWhyThereIsNothing) {
    World w({.clock = EVL_CLOCK_REAL});
    Fetch fetch;
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_IDLE);
    EXPECT_EQ(fetch(w, 1000 * sec), EVL_FETCH_IDLE); // at once
    evl_loop_hold(w.loop);
    EXPECT_EQ(fetch(w, 0), EVL_FETCH_TIMEOUT);
    EXPECT_EQ(fetch(w, 1 * ms), EVL_FETCH_TIMEOUT);
    evl_wake(w.loop);
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_WAKE);
    evl_call_soon(w.loop, nullptr, &w);
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_RECORDS);
    EXPECT_EQ(fetch.batch.count, 1);
    EXPECT_EQ(fetch.rows[0].kind, EVL_KIND_CALL);
    evl_loop_unhold(w.loop); // which wakes
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_WAKE);
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_IDLE);
}

TEST(Fetch, TellsOfASignalAndOfErrors) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    Fetch fetch;
    evl_loop_hold(w.loop);
    sys.fail_wait(EINTR);
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_SIGNAL);
    sys.fail_wait(ENOMEM);
    EXPECT_EQ(fetch(w, -1), EVL_ENOMEM);
    EXPECT_EQ(evl_loop_fetch(w.loop, nullptr, 0), EVL_EINVAL);
    fetch.batch.reserved = 1;
    EXPECT_EQ(evl_loop_fetch(w.loop, &fetch.batch, 0), EVL_EINVAL);
    fetch.batch.reserved = 0;
    fetch.batch.cap = 0;
    EXPECT_EQ(fetch(w, 0), EVL_EINVAL);
    EXPECT_EQ(evl_loop_fetch(nullptr, &fetch.batch, 0), EVL_EINVAL);
    evl_loop_unhold(w.loop);
}

TEST(Fetch, TheLastHandleThatEndsMeanwhileIsIdle) {
    World w({.clock = EVL_CLOCK_REAL});
    Fetch fetch;
    ASSERT_EQ(evl_call_later(w.loop, 1 * ms, nullptr, nullptr, nullptr), 0);
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_RECORDS);
    EXPECT_EQ(fetch(w, -1), EVL_FETCH_IDLE);
}

// A host that works on records outside of the loop may fetch more in the middle of that.
TEST(Fetch, NestsInAHostsOwnDispatch) {
    World w;
    std::vector<int> args(6);
    for (int &arg : args)
        evl_call_soon(w.loop, nullptr, &arg);
    std::string order;
    std::function<void(int)> dispatch = [&](int depth) {
        evl_record rows[2];
        evl_record_batch batch = {rows, 2, 0, 0, 0};
        if (evl_loop_fetch(w.loop, &batch, 0) != EVL_FETCH_RECORDS)
            return;
        for (int32_t i = 0; i < batch.count; i++) {
            order += std::to_string(reinterpret_cast<int *>(rows[i].user_data) - args.data());
            if (depth < 2 && i == 0)
                dispatch(depth + 1); // as a modal dialog does
        }
    };
    dispatch(0);
    EXPECT_EQ(order, "024531");
}

} // namespace
