// call_later_test.cpp - one call at a later time, and the id that takes it back.
#include "world.hpp"

#include <csignal>

using namespace support;

namespace {

uint64_t later(World &w, int64_t delay, Action action, std::function<void()> drop = {}) {
    uint64_t id = 0;
    bool owned = drop != nullptr;
    void *arg = w.arg(std::move(action), std::move(drop));
    EXPECT_EQ(owned ? evl_call_later_owned(w.loop, delay, World::plain(), arg, World::drop, &id)
                    : evl_call_later(w.loop, delay, World::plain(), arg, &id),
              0);
    EXPECT_NE(id, 0u);
    return id;
}

int32_t take_back(World &w, uint64_t id) { return evl_close(evl_lookup(w.loop, id)); }

size_t open_handles(World &w) { return static_cast<size_t>(evl_loop_walk(w.loop, nullptr, 0)); }

TEST(CallLater, RunsOnceAtItsTimeAndLeavesNothing) {
    World w;
    int64_t begin = evl_time(w.loop);
    int64_t at = 0;
    uint64_t id = later(w, 5 * EVL_MS, [&] { at = evl_now(w.loop), w.note("call"); });
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(evl_kind(evl_lookup(w.loop, id)), EVL_KIND_TIMER);
    EXPECT_EQ(evl_timer_deadline(evl_lookup(w.loop, id)), begin + 5 * EVL_MS);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(at, begin + 5 * EVL_MS);
    EXPECT_EQ(w.nowait(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "call");
    EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
    EXPECT_EQ(take_back(w, id), 0);
    EXPECT_EQ(open_handles(w), 0u);
    EXPECT_EQ(w.close(), 0);
}

TEST(CallLater, StandsInOneLineWithTimers) {
    World w({.clock = EVL_CLOCK_MANUAL});
    later(w, 2 * EVL_MS, w.says("2"));
    w.timer_in(1 * EVL_MS, w.says("timer1"));
    later(w, 1 * EVL_MS, w.says("1"));
    w.timer_in(1 * EVL_MS, w.says("timer1b"));
    later(w, -5, w.says("past"));
    EXPECT_EQ(w.log(), ""); // never inside the call
    w.nowait();
    EXPECT_EQ(w.log(), "past");
    evl_clock_advance(w.loop, 2 * EVL_MS);
    w.nowait();
    EXPECT_EQ(w.log(), "past timer1 1 timer1b 2");
}

TEST(CallLater, NeverDoesNotRunAndKeepsNothingAlive) {
    World w;
    uint64_t id = later(w, EVL_NEVER, w.says("never"));
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_NE(evl_lookup(w.loop, id), nullptr);
    EXPECT_EQ(w.log(), "");
}

TEST(CallLater, IsTakenBackBeforeItIsDueAndWhenItIsQueued) {
    World w({.clock = EVL_CLOCK_MANUAL, .cap = 8});
    uint64_t waiting = later(w, 5, w.says("waiting"));
    uint64_t queued = 0;
    later(w, 1, [&] { EXPECT_EQ(take_back(w, queued), 0); });
    queued = later(w, 1, w.says("queued"));
    EXPECT_EQ(take_back(w, waiting), 0);
    evl_clock_advance(w.loop, 10);
    while (w.nowait() == EVL_RUN_ALIVE)
        ;
    // A record that was handed out in the same batch cannot be taken back any more.
    EXPECT_EQ(w.log(), records() ? "queued" : "");
    EXPECT_EQ(open_handles(w), 0u);
}

TEST(CallLater, MayBeMovedByItsHandle) {
    World w({.clock = EVL_CLOCK_MANUAL});
    uint64_t id = later(w, 5, w.says("call"));
    EXPECT_EQ(evl_timer_start_in(evl_lookup(w.loop, id), 50, 10), 0);
    evl_clock_advance(w.loop, 49);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    evl_clock_advance(w.loop, 100);
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "call"); // once, whatever it was to repeat
}

TEST(CallLater, IsClosedWhenItsFunctionRuns) {
    World w;
    uint64_t id = 0;
    id = later(w, 1, [&] {
        EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
        w.note("first");
        id = later(w, 1, w.says("second"));
    });
    w.run();
    EXPECT_EQ(w.log(), "first second");
}

TEST(CallLater, ARecordHasTheIdAndTheArgument) {
    World w({.clock = EVL_CLOCK_MANUAL});
    uint64_t id = 0;
    int arg = 0;
    ASSERT_EQ(evl_call_later(w.loop, 1, nullptr, &arg, &id), 0);
    evl_clock_advance(w.loop, 1);
    evl_record record{};
    ASSERT_EQ(evl_loop_records(w.loop, &record, 1, 0), 1);
    EXPECT_EQ(record.kind, EVL_KIND_TIMER);
    EXPECT_EQ(record.id, id);
    EXPECT_EQ(record.result, 1);
    EXPECT_EQ(record.extra, 1);
    EXPECT_EQ(record.user_data, reinterpret_cast<uintptr_t>(&arg));
    EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
}

TEST(CallLater, TheFunctionMayCloseAndDestroyTheLoop) {
    for (bool queued_behind : {false, true}) {
        World w;
        int drops = 0;
        Action ends_the_loop = [&] {
            w.note("call");
            EXPECT_EQ(w.destroy(), 0);
        };
        later(w, 1, std::move(ends_the_loop), [&] { drops++; });
        if (queued_behind)
            later(w, 1, w.says("behind"), [&] { drops++; });
        w.run();
        EXPECT_EQ(w.log(), "call");
        EXPECT_EQ(drops, queued_behind ? 2 : 1);
    }
}

// --- drops
// ------------------------------------------------------------------------------------------------

TEST(CallLater, DropRunsOnceAfterTheFunction) {
    World w;
    later(w, 1, w.says("call"), [&] { w.note("drop"); });
    w.run();
    w.nowait();
    EXPECT_EQ(w.log(), "call drop");
}

TEST(CallLater, DropRunsInsteadOfTheFunction) {
    World w;
    int drops = 0;
    uint64_t id = later(w, 1, w.says("call"), [&] { drops++; });
    take_back(w, id);
    EXPECT_EQ(drops, 0); // later, as all drops
    w.run();
    EXPECT_EQ(drops, 1);
    later(w, 1, w.says("call"), [&] { drops++; });
    EXPECT_EQ(w.destroy(), 0); // waiting, and without a run
    EXPECT_EQ(drops, 2);
    EXPECT_EQ(w.log(), "");
}

TEST(CallLater, DropDoesNotRunWithoutMemory) {
    int32_t rc = EVL_ENOMEM;
    for (uint64_t nth = 1; rc != 0 && nth < 10; nth++) {
        World w({.clock = EVL_CLOCK_MANUAL});
        int drops = 0;
        void *arg = w.arg([] {}, [&] { drops++; });
        uint64_t id = 1;
        w.memory.fail(nth);
        rc = evl_call_later_owned(w.loop, 1, World::plain(), arg, World::drop, &id);
        bool failed = w.memory.failed();
        w.memory.fail(0);
        EXPECT_EQ(rc, failed ? EVL_ENOMEM : 0);
        EXPECT_EQ(id == 0, failed);
        evl_clock_advance(w.loop, 1);
        w.nowait();
        w.nowait();
        EXPECT_EQ(drops, failed ? 0 : 1);
        EXPECT_EQ(open_handles(w), 0u);
    }
    EXPECT_EQ(rc, 0);
}

TEST(CallLater, BadInput) {
    World w;
    uint64_t id = 1;
    EXPECT_EQ(evl_call_later(nullptr, 0, nullptr, nullptr, &id), EVL_EINVAL);
    EXPECT_EQ(id, 0u);
    EXPECT_EQ(evl_call_later_owned(nullptr, 0, nullptr, nullptr, World::drop, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_call_later(w.loop, 0, World::plain(), w.arg(w.says("no id")), nullptr), 0);
    w.run();
    EXPECT_EQ(w.log(), "no id");
}

// --- what goes on around it
// ------------------------------------------------------------------------------

TEST(CallLater, IsABlockerAndMayBeLetGo) {
    World w;
    uint64_t id = later(w, 1 * EVL_HOUR, w.says("call"));
    evl_blocker blocker{};
    ASSERT_EQ(evl_loop_blockers(w.loop, &blocker, 1), 1);
    EXPECT_EQ(blocker.kind, EVL_KIND_TIMER);
    EXPECT_EQ(blocker.id, id);
    EXPECT_EQ(w.close(), EVL_EBUSY);
    evl_keep_alive(evl_lookup(w.loop, id), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "");
}

TEST(CallLater, GoesOnInAChild) {
    World w;
    uint64_t taken_back = later(w, 5, w.says("taken back"));
    later(w, 5, w.says("call"));
    in_child([&] {
        EXPECT_EQ(evl_call_later(w.loop, 5, World::plain(), nullptr, nullptr), EVL_EFORK);
        EXPECT_EQ(take_back(w, taken_back), 0);
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        w.run();
        EXPECT_EQ(w.log(), "call");
    });
    w.run();
    EXPECT_EQ(w.log(), "taken back call");
}

TEST(CallLater, AnotherThreadIsRefused) {
    World w;
    uint64_t id = 1;
    w.call_inside([&] {
        on_thread([&] { EXPECT_EQ(evl_call_later(w.loop, 1, World::plain(), nullptr, &id), EVL_ETHREAD); });
    });
    w.run();
    EXPECT_EQ(id, 0u);
}

// Slots of closed handles are used again, but for builds that find stale pointers.
#if !defined(EVLOOP_CHECKS)
TEST(CallLater, AWarmLoopAllocatesNothing) {
    World w({.cap = 128});
    uint64_t before = 0;
    static int ignored;
    for (int round = 0; round < 5; round++) {
        if (round == 2)
            before = w.memory.calls();
        for (int i = 0; i < 100; i++)
            evl_call_later_owned(w.loop, i, [](void *) {}, &ignored, [](void *) {}, nullptr);
        w.run();
    }
    EXPECT_EQ(w.memory.calls(), before);
}
#endif

TEST(CallLater, ASlowOneIsCountedWithItsId) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    evl_set_slow_callback(w.loop, 1 * EVL_MS, nullptr, nullptr);
    uint64_t id = 0;
    ASSERT_EQ(evl_call_later(w.loop, 0, World::always, w.arg([&] { sys.advance(2 * EVL_MS); }), &id), 0);
    evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    EXPECT_EQ(w.metrics().slow_callbacks, 1u);
    EXPECT_EQ(w.metrics().longest_id, id);
}

} // namespace
