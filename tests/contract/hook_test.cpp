// hook_test.cpp - logic around the loop's polls. Hooks are always callbacks, so these tests run the loop
// themselves.
#include "world.hpp"

#include <cerrno>

using namespace support;

namespace {

int32_t nowait(World &w) { return evl_loop_run(w.loop, EVL_RUN_NOWAIT); }
int32_t once(World &w) { return evl_loop_run(w.loop, EVL_RUN_ONCE); }

void callback(World &w, std::string word) {
    EXPECT_EQ(evl_call_soon(w.loop, World::always, w.arg(w.says(std::move(word)))), 0);
}

TEST(Hook, RunInTheOrderOfTheirKindsAndOfTheirMaking) {
    World w;
    w.hook(EVL_HOOK_AFTER_POLL, w.says("after1"));
    w.hook(EVL_HOOK_BEFORE_POLL, w.says("before1"));
    w.hook(EVL_HOOK_IDLE, w.says("idle1"));
    w.hook(EVL_HOOK_BEFORE_POLL, w.says("before2"));
    w.hook(EVL_HOOK_AFTER_POLL, w.says("after2"));
    w.hook(EVL_HOOK_IDLE, w.says("idle2"));
    evl_timer *timer = nullptr;
    auto fired = [](void *arg, int64_t) { World::always(arg); };
    ASSERT_EQ(evl_timer_new(w.loop, fired, w.arg(w.says("timer")), &timer), 0);
    evl_timer_start_in(timer, 1 * sec, 0);
    once(w);
    EXPECT_EQ(w.log(), "before1 before2 idle1 idle2 after1 after2 timer");
}

TEST(Hook, BeforePollMayStillChangeWhatIsPolled) {
    World w;
    Pair p;
    p.b.put();
    evl_io *io = nullptr;
    auto read = [](void *arg, int64_t) { World::always(arg); };
    ASSERT_EQ(evl_io_new(w.loop, p.a, 0, EVL_IO_ONESHOT, read, w.arg(w.says("io")), &io), 0);
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_timer_new(w.loop, read, w.arg(w.says("timer")), &timer), 0);
    w.hook(EVL_HOOK_BEFORE_POLL, [&] {
        evl_io_set(io, EVL_READ);
        evl_timer_start_in(timer, -1, 0);
    });
    nowait(w);
    EXPECT_EQ(w.log(), "io timer");
}

TEST(Hook, AfterPollRunsBeforeAnythingOfThePoll) {
    World w({.poll_interval = 1});
    Pair p;
    p.b.put();
    evl_io *io = nullptr;
    auto read = [](void *arg, int64_t) { World::always(arg); };
    ASSERT_EQ(evl_io_new(w.loop, p.a, EVL_READ, 0, read, w.arg(w.says("io")), &io), 0);
    w.hook(EVL_HOOK_AFTER_POLL, w.says("after"));
    callback(w, "call");
    nowait(w);
    EXPECT_EQ(w.log(), "after call io");
}

// A host language gives its lock back before the poll and takes it after: one for each poll, however it ends.
TEST(Hook, EachPollHasOneBeforeAndOneAfter) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    w.hook(EVL_HOOK_BEFORE_POLL, w.says("before"));
    w.hook(EVL_HOOK_AFTER_POLL, w.says("after"));
    for (int err : {EINTR, ENOMEM}) {
        w.clear();
        sys.fail_wait(err);
        EXPECT_EQ(nowait(w), err == EINTR ? 0 : evl_err_from_errno(err));
        EXPECT_EQ(w.log(), "before after");
        sys.fail_wait(err);
        int32_t rc = evl_loop_dispatch(w.loop, nullptr, 0);
        EXPECT_EQ(rc, err == EINTR ? 1 : evl_err_from_errno(err)); // 1: dispatch again
        EXPECT_EQ(w.log(), "before after before after");
    }
}

TEST(Hook, IdleRunsOnceBeforeAWaitAndPreventsNothing) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    w.hook(EVL_HOOK_IDLE, w.says("idle"));
    auto fired = [](void *arg, int64_t) { World::always(arg); };
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_timer_new(w.loop, fired, w.arg(w.says("timer")), &timer), 0);
    callback(w, "call");
    nowait(w); // ready: no wait, no idling
    EXPECT_EQ(w.log(), "call");
    nowait(w); // nothing ready, but no wait either
    EXPECT_EQ(w.log(), "call");
    evl_timer_start_in(timer, 5 * sec, 0);
    sys.forget_waits();
    once(w);
    EXPECT_EQ(w.log(), "call idle timer");
    EXPECT_EQ(sys.waits(), std::vector<int64_t>{5 * sec});
}

TEST(Hook, WhatAnIdleHookMakesReadyEndsTheWaitBeforeItBegins) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    evl_loop_hold(w.loop);
    evl_hook *hook = nullptr;
    hook = w.hook(EVL_HOOK_IDLE, [&] {
        w.note("idle");
        callback(w, "call");
        evl_close(hook);
    });
    once(w);
    EXPECT_EQ(w.log(), "idle call");
    EXPECT_EQ(sys.waits().back(), 0);
    evl_loop_unhold(w.loop);
}

TEST(Hook, AreSkippedWhenPollsAreSkipped) {
    World w({.poll_interval = 1000});
    int polls = 0, left = 500;
    w.hook(EVL_HOOK_BEFORE_POLL, [&] { polls++; });
    std::function<void()> chain = [&] {
        if (--left > 0)
            evl_call_soon(w.loop, World::always, w.arg([&] { chain(); }));
    };
    chain();
    EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    EXPECT_EQ(left, 0);
    EXPECT_LE(polls, 2);
}

TEST(Hook, RecordsRunNoHooks) {
    World w;
    for (int32_t when : {EVL_HOOK_BEFORE_POLL, EVL_HOOK_AFTER_POLL, EVL_HOOK_IDLE})
        w.hook(when, w.says("hook"));
    evl_record record;
    evl_call_soon(w.loop, nullptr, nullptr);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 0), 1);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 0), 0);
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_timer_new(w.loop, nullptr, nullptr, &timer), 0);
    evl_timer_start_in(timer, 1 * sec, 0);
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, -1), 1);
    EXPECT_EQ(w.log(), "");
}

TEST(Hook, DoNotKeepTheLoopAlive) {
    World w;
    w.hook(EVL_HOOK_IDLE, w.says("hook"));
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "");
}

TEST(Hook, MayCloseThemselvesAndEachOther) {
    World w;
    evl_hook *hooks[4] = {};
    for (int i = 0; i < 4; i++)
        hooks[i] = w.hook(EVL_HOOK_BEFORE_POLL, [&, i] {
            w.note(std::to_string(i));
            if (i == 1) {
                EXPECT_EQ(evl_close(hooks[1]), 0);
                EXPECT_EQ(evl_close(hooks[2]), 0);
                EXPECT_EQ(evl_close(hooks[0]), 0);
                w.hook(EVL_HOOK_BEFORE_POLL, w.says("new"));
            }
        });
    nowait(w);
    EXPECT_EQ(w.log().substr(0, 5), "0 1 3"); // whether the new one runs already is open
    w.clear();
    nowait(w);
    EXPECT_EQ(w.log(), "3 new");
}

TEST(Hook, MayStopAndDestroyTheLoop) {
    World w;
    evl_hook *hook = w.hook(EVL_HOOK_BEFORE_POLL, [&] { evl_stop(w.loop, 66); });
    EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_FOREVER), 66);
    evl_close(hook);
    for (int32_t when : {EVL_HOOK_BEFORE_POLL, EVL_HOOK_AFTER_POLL, EVL_HOOK_IDLE}) {
        World other;
        other.timer_in(1 * sec, other.says("timer"));
        other.hook(when, [&] { other.destroy(); });
        other.hook(when, other.says("second"));
        EXPECT_EQ(evl_loop_run(other.loop, EVL_RUN_DEFAULT), EVL_ECLOSED);
        EXPECT_EQ(other.log(), "");
    }
}

TEST(Hook, BadInput) {
    World w;
    evl_hook *out = nullptr;
    EXPECT_EQ(evl_hook_new(nullptr, 0, World::always, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_hook_new(w.loop, 0, World::always, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_hook_new(w.loop, 0, nullptr, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_hook_new(w.loop, -1, World::always, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_hook_new(w.loop, 3, World::always, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(out, nullptr);
}

} // namespace
