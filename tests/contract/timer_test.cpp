// timer_test.cpp - timers: starting, moving, stopping, repeating, slack.
#include "world.hpp"

#include <random>

using namespace support;

namespace {

TEST(Timer, StartsOnceStopsAndTellsItsDeadline) {
    World w;
    evl_timer *timer = w.timer([&](int64_t n) { w.note("fired" + std::to_string(n)); });
    EXPECT_EQ(evl_active(timer), 0);
    EXPECT_EQ(evl_timer_deadline(timer), EVL_NEVER);
    EXPECT_EQ(evl_timer_stop(timer), 0); // also when it was not started
    int64_t at = evl_now(w.loop) + 5 * ms;
    EXPECT_EQ(evl_timer_start_at(timer, at, 0), 0);
    EXPECT_EQ(evl_active(timer), 1);
    EXPECT_EQ(evl_timer_deadline(timer), at);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "fired1");
    EXPECT_EQ(evl_active(timer), 0);
    EXPECT_EQ(evl_timer_deadline(timer), EVL_NEVER);
    EXPECT_EQ(evl_timer_start_in(timer, 5 * ms, 0), 0); // and again
    EXPECT_EQ(evl_timer_stop(timer), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "fired1");
}

TEST(Timer, RepeatsWithoutDrift) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    int64_t start = sys.now();
    std::vector<int64_t> at;
    evl_timer *timer = w.timer_in(
        10 * ms,
        [&](int64_t n) {
            EXPECT_EQ(n, 1);
            at.push_back((evl_now(w.loop) - start) / us);
            sys.advance(3 * ms); // the callback takes time
            EXPECT_EQ(evl_timer_deadline(timer), start + static_cast<int64_t>(at.size() + 1) * 10 * ms);
            EXPECT_EQ(evl_active(timer), 1);
            if (at.size() == 5)
                evl_timer_stop(timer);
        },
        10 * ms);
    w.run();
    EXPECT_EQ(at, (std::vector<int64_t>{10'000, 20'000, 30'000, 40'000, 50'000}));
}

void one_expiration_after_a_stall() {
    World w({.clock = EVL_CLOCK_MANUAL});
    int64_t start = evl_now(w.loop);
    evl_timer *timer = w.timer_in(10, [&](int64_t n) { w.note(std::to_string(n)); }, 10);
    evl_clock_advance(w.loop, 10);
    w.nowait();
    evl_clock_advance(w.loop, 35); // 20, 30 and 40 are missed
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "1 3");
    EXPECT_EQ(evl_timer_deadline(timer), start + 50); // still on the grid
    evl_clock_advance(w.loop, 5);
    w.nowait();
    EXPECT_EQ(w.log(), "1 3 1");
    evl_clock_advance(w.loop, 3600 * sec);
    w.nowait();
    EXPECT_EQ(w.log(), "1 3 1 360000000000");
}

TEST(Timer, AStallIsOneCallWithTheNumberOfExpirations) { one_expiration_after_a_stall(); }

TEST(Timer, RepeatIsCountedFromADeadlineInThePast) {
    World w({.clock = EVL_CLOCK_MANUAL});
    int64_t now = evl_now(w.loop);
    evl_timer *timer = w.timer_at(now - 25, [&](int64_t n) { w.note(std::to_string(n)); }, 10);
    w.nowait();
    EXPECT_EQ(w.log(), "3"); // at -25, -15 and -5
    EXPECT_EQ(evl_timer_deadline(timer), now + 5);
}

// What is already due in this pass is taken back by a move or a stop.
TEST(Timer, MovingOrStoppingTakesBackWhatIsDue) {
    World w;
    evl_timer *moved = nullptr, *stopped = nullptr;
    int64_t now = evl_now(w.loop);
    w.timer_at(now - 3, [&] {
        evl_timer_start_at(moved, now + 1 * sec, 0);
        evl_timer_stop(stopped);
        w.note("first");
    });
    moved = w.timer_at(now - 2, w.says("moved"));
    stopped = w.timer_at(now - 1, w.says("stopped"));
    w.nowait();
    EXPECT_EQ(w.log(), "first");
    EXPECT_EQ(evl_active(stopped), 0);
    EXPECT_EQ(evl_timer_deadline(moved), now + 1 * sec);
    w.run();
    EXPECT_EQ(w.log(), "first moved");
}

TEST(Timer, MovedEarlierAndLaterManyTimes) {
    World w;
    int64_t now = evl_now(w.loop);
    evl_timer *timer = w.timer([&] {
        EXPECT_EQ(evl_now(w.loop), now + 77);
        w.note("fired");
    });
    for (int i = 0; i < 1000; i++)
        evl_timer_start_at(timer, now + (i * 7919) % 1000, 0);
    evl_timer_start_at(timer, now + 77, 0);
    w.run();
    EXPECT_EQ(w.log(), "fired");
}

// A timer that restarts itself for now, or for the past, runs once a pass and lets others in.
void restart_in_own_callback() {
    World w;
    int fired = 0;
    evl_timer *timer = nullptr;
    timer = w.timer([&] {
        fired++;
        evl_timer_start_at(timer, evl_now(w.loop) - 1, 0);
    });
    evl_timer_start_at(timer, evl_now(w.loop) - 1, 0);
    for (int i = 1; i <= 5; i++) {
        w.nowait();
        EXPECT_EQ(fired, i);
    }
    evl_timer_stop(timer);
    w.nowait();
    EXPECT_EQ(fired, 5);
}

TEST(Timer, ZeroDelayInOwnCallbackWaitsForTheNextPass) { restart_in_own_callback(); }

TEST(Timer, SlackRoundsUpToAGridAndNeverDown) {
    World w;
    const struct {
        int64_t slack, grid;
    } table[] = {{0, 1}, {1, 1}, {3, 2}, {1000, 512}, {1024, 1024}, {50 * ms, 1 << 25}, {1 << 30, 1 << 30}};
    for (auto &row : table)
        for (int64_t deadline :
             std::initializer_list<int64_t>{1'000'000'007, 1 << 30, (1 << 30) + 1, -1'000'001}) {
            evl_timer *timer = w.timer([] {});
            EXPECT_EQ(evl_timer_set_slack(timer, row.slack), 0);
            EXPECT_EQ(evl_timer_start_at(timer, deadline, 0), 0);
            int64_t rounded = evl_timer_deadline(timer);
            EXPECT_GE(rounded, deadline);
            EXPECT_LT(rounded, deadline + row.grid);
            EXPECT_EQ(rounded % row.grid, 0) << row.slack;
            evl_close(timer);
        }
}

TEST(Timer, SlackSharesAWakeup) {
    World w;
    int64_t base = (evl_now(w.loop) / sec + 1) * sec;
    std::vector<int64_t> at;
    for (int64_t i = 0; i < 20; i++) {
        evl_timer *timer = w.timer([&] { at.push_back(evl_now(w.loop)); });
        EXPECT_EQ(evl_timer_set_slack(timer, 100 * ms), 0);
        evl_timer_start_at(timer, base + i * ms, 0);
    }
    w.run();
    EXPECT_EQ(at.size(), 20u);
    EXPECT_LE(at.back() - at.front(), 1 << 26); // two ticks of the grid of 2^26 ns at most
}

TEST(Timer, SlackCountsFromTheNextStartAndDoesNotMakeARepeatDrift) {
    World w;
    int64_t start = evl_now(w.loop);
    std::vector<int64_t> late;
    evl_timer *timer = nullptr;
    timer = w.timer_at(
        start + 100,
        [&] {
            int64_t exact = start + 100 + static_cast<int64_t>(late.size()) * 1000;
            late.push_back(evl_now(w.loop) - exact);
            if (late.size() == 50)
                evl_timer_stop(timer);
        },
        1000);
    EXPECT_EQ(evl_timer_set_slack(timer, 64), 0);
    EXPECT_EQ(evl_timer_deadline(timer), start + 100); // it was started before
    evl_timer_start_at(timer, start + 100, 1000);
    w.run();
    ASSERT_EQ(late.size(), 50u);
    for (int64_t ns : late) {
        EXPECT_GE(ns, 0);
        EXPECT_LT(ns, 64);
    }
    EXPECT_EQ(evl_timer_set_slack(timer, 0), 0);
    evl_timer_start_at(timer, start + 1'000'001, 0);
    EXPECT_EQ(evl_timer_deadline(timer), start + 1'000'001);
    EXPECT_EQ(evl_timer_set_slack(timer, -1), EVL_EINVAL);
    EXPECT_EQ(evl_timer_set_slack(nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_timer_set_slack(timer, INT64_MAX), 0);
    EXPECT_EQ(evl_timer_start_at(timer, INT64_MAX - 5, 0), 0); // saturates
    EXPECT_GE(evl_timer_deadline(timer), INT64_MAX - 5);
}

TEST(Timer, BadInput) {
    World w;
    Pipe p;
    evl_timer *timer = w.timer([] {});
    evl_io *io = w.io(p.r, EVL_READ, [] {});
    evl_timer *out = nullptr;
    EXPECT_EQ(evl_timer_new(nullptr, nullptr, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_timer_new(w.loop, nullptr, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_timer_start_at(timer, 0, -1), EVL_EINVAL);
    EXPECT_EQ(evl_timer_start_in(timer, 0, INT64_MIN), EVL_EINVAL);
    EXPECT_EQ(evl_active(timer), 0); // nothing changed
    for (evl_timer *wrong : {static_cast<evl_timer *>(nullptr), io}) {
        EXPECT_EQ(evl_timer_start_at(wrong, 0, 0), EVL_EINVAL);
        EXPECT_EQ(evl_timer_start_in(wrong, 0, 0), EVL_EINVAL);
        EXPECT_EQ(evl_timer_stop(wrong), EVL_EINVAL);
        EXPECT_EQ(evl_timer_deadline(wrong), EVL_NEVER);
    }
}

void never_allocates_after_new() {
    World w;
    std::vector<evl_timer *> timers;
    for (int i = 0; i < 1000; i++)
        timers.push_back(w.timer([] {}));
    w.memory.fail(1, UINT64_MAX / 2);
    int64_t now = evl_now(w.loop);
    std::mt19937 random(1);
    for (int i = 0; i < 20'000; i++) {
        evl_timer *timer = timers[random() % timers.size()];
        int64_t at = now + random() % 1000;
        EXPECT_EQ(i % 3 ? evl_timer_start_at(timer, at, 0) : evl_timer_stop(timer), 0);
    }
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    for (evl_timer *timer : timers)
        EXPECT_EQ(evl_close(timer), 0);
    EXPECT_FALSE(w.memory.failed());
    w.memory.fail(0);
}

TEST(Timer, Contract_13_StartMoveStopAndCloseCannotRunOutOfMemory) { never_allocates_after_new(); }

TEST(Timer, Contract_16_AWarmTimerStormAllocatesNothing) {
    World w({.cap = 256});
    std::vector<evl_timer *> timers;
    for (int i = 0; i < 5000; i++)
        timers.push_back(w.timer([] {}));
    uint64_t before = 0;
    for (int round = 0; round < 4; round++) {
        if (round == 1)
            before = w.memory.calls();
        for (size_t i = 0; i < timers.size(); i++)
            evl_timer_start_in(timers[i], static_cast<int64_t>((i * 7919) % 5000) * us, 0);
        w.run();
    }
    EXPECT_EQ(w.memory.calls(), before);
}

TEST(Timer, ManyWithTheSameDeadline) {
    World w({.cap = 1024});
    const size_t n = 10'000;
    int64_t at = evl_now(w.loop) + 1 * sec;
    size_t next = 0;
    for (size_t i = 0; i < n; i++)
        w.timer_at(at, [&, i] { EXPECT_EQ(i, next++); });
    w.run();
    EXPECT_EQ(next, n);
}

// --- traps and asyncio
// ----------------------------------------------------------------------------------------------

TEST(Trap, Trap_06_RestartInOwnCallbackWaitsATurnAndStopTakesBackWhatIsDue) { restart_in_own_callback(); }

TEST(Trap, Trap_07_NeitherDriftNorBurst) { one_expiration_after_a_stall(); }

TEST(Asyncio, Asyncio_006_NegativeDelaysAreNotClamped) {
    World w;
    w.timer_in(-1 * sec, w.says("a"));
    w.timer_in(-2 * sec, w.says("b"));
    w.timer_in(-2 * sec, w.says("c")); // a tie: fifo, which asyncio leaves open
    w.run();
    EXPECT_EQ(w.log(), "b c a");
}

// asyncio's None has no counterpart; what is no deadline here is a negative repeat, and EVL_NEVER is an
// answer.
TEST(Asyncio, Asyncio_007_AbsoluteDeadlinesAreOnTheLoopsClock) {
    World w;
    evl_clock_advance(w.loop, 12345);
    int64_t at = evl_time(w.loop) + 100;
    evl_timer *timer = w.timer_at(at, [&] {
        EXPECT_EQ(evl_time(w.loop), at);
        w.note("fired");
    });
    EXPECT_EQ(evl_timer_deadline(timer), at);
    EXPECT_EQ(evl_timer_start_at(timer, at, -1), EVL_EINVAL);
    EXPECT_EQ(evl_timer_deadline(timer), at); // nothing changed
    w.run();
    EXPECT_EQ(w.log(), "fired");
}

TEST(Asyncio, Asyncio_008_StoppedTimersNeverFireAndMemoryStaysBounded) {
    World w;
    w.timer_in(3600 * sec, [] {});
    size_t peak = 0;
    int64_t now = evl_now(w.loop);
    evl_timer *churned = w.timer(w.says("stopped"));
    for (int i = 0; i < 200'000; i++) {
        evl_timer_start_at(churned, now + 1'000'000 - i, 0); // ever earlier
        evl_timer_stop(churned);
        if (i == 100)
            peak = w.memory.bytes();
    }
    EXPECT_LE(w.memory.bytes(), peak + 4096);
    evl_timer *one = w.timer([] {});
    evl_close(one);
    bool reused = w.timer([] {}) == one; // not where EVLOOP_CHECKS keeps every slot to itself
    for (int i = 0; i < 20'000; i++) {
        evl_timer *timer = nullptr;
        ASSERT_EQ(evl_timer_new(w.loop, nullptr, nullptr, &timer), 0);
        evl_timer_start_in(timer, 10 * sec, 0);
        evl_close(timer);
    }
    if (reused) {
        EXPECT_LE(w.memory.bytes(), peak + 4096);
    }
    w.run();
    EXPECT_EQ(w.log(), "");
}

} // namespace
