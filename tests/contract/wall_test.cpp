// wall_test.cpp - timers that follow the wall clock, also when somebody sets it.
#include "world.hpp"

#include <cerrno>
#include <poll.h>

using namespace support;

namespace {

constexpr int64_t hour = 3600 * sec;

Action counts(World &w, std::string name) {
    return [&w, name](int64_t n) { w.note(name + std::to_string(n)); };
}

TEST(Wall, AVirtualWallClockStartsAtZeroAndRunsWithTheLoops) {
    World w({.clock = EVL_CLOCK_MANUAL});
    EXPECT_EQ(evl_wall_time(w.loop), 0);
    evl_clock_advance(w.loop, 5 * sec);
    EXPECT_EQ(evl_wall_time(w.loop), 5 * sec);
    EXPECT_EQ(evl_wall_set(w.loop, 3 * hour), 0);
    EXPECT_EQ(evl_wall_time(w.loop), 3 * hour);
    evl_clock_advance(w.loop, 1);
    EXPECT_EQ(evl_wall_time(w.loop), 3 * hour + 1);
}

TEST(Wall, RunsWhenTheWallClockHasReachedItsDeadline) {
    World w;
    evl_wall *wall = w.wall_at(3 * hour, counts(w, "wall"));
    EXPECT_EQ(evl_active(wall), 1);
    EXPECT_EQ(evl_wall_deadline(wall), 3 * hour);
    w.timer_in(2 * hour, w.says("timer"));
    EXPECT_EQ(w.run(), EVL_RUN_DONE); // the clock jumps
    EXPECT_EQ(w.log(), "timer wall1");
    EXPECT_EQ(evl_wall_time(w.loop), 3 * hour);
    EXPECT_EQ(evl_active(wall), 0);
    EXPECT_EQ(evl_wall_deadline(wall), EVL_NEVER);
}

TEST(Wall, SetForwardsItIsDueAtOnceWithWhatWasMissed) {
    World w({.clock = EVL_CLOCK_MANUAL});
    evl_wall *wall = w.wall_at(1 * hour, counts(w, "wall"), 1 * hour);
    evl_wall_set(w.loop, 1 * hour - 1);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    evl_wall_set(w.loop, 5 * hour + 7);
    EXPECT_EQ(w.log(), ""); // never inside the call
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "wall5");
    EXPECT_EQ(evl_wall_deadline(wall), 6 * hour);
}

TEST(Wall, SetBackwardsItWaitsLonger) {
    World w;
    int64_t start = evl_time(w.loop);
    w.wall_at(10 * sec, counts(w, "wall"));
    w.timer_in(5 * sec, [&] { evl_wall_set(w.loop, -5 * sec); });
    w.run();
    EXPECT_EQ(w.log(), "wall1");
    EXPECT_EQ(evl_time(w.loop) - start, 20 * sec);
}

TEST(Wall, DeadlineOrderThenStartOrderAndAfterTheOrdinaryTimersOfThePass) {
    World w({.clock = EVL_CLOCK_MANUAL});
    w.wall_at(2 * sec, w.says("c"));
    w.wall_at(1 * sec, w.says("a"));
    evl_wall *moved = w.wall_at(2 * sec, w.says("d"));
    w.wall_at(1 * sec, w.says("b"));
    evl_wall_start_at(moved, 2 * sec, 0);
    w.timer_in(3 * sec, w.says("timer"));
    evl_clock_advance(w.loop, 3 * sec);
    w.nowait();
    EXPECT_EQ(w.log(), "timer a b c d");
}

TEST(Wall, StopAndMoveTakeBackWhatIsDue) {
    World w({.clock = EVL_CLOCK_MANUAL});
    evl_wall *stopped = nullptr, *moved = nullptr;
    w.wall_at(1, [&] {
        w.note("first");
        EXPECT_EQ(evl_wall_stop(stopped), 0);
        EXPECT_EQ(evl_wall_start_at(moved, 1 * hour, 0), 0);
    });
    stopped = w.wall_at(2, w.says("stopped"));
    moved = w.wall_at(3, w.says("moved"));
    evl_clock_advance(w.loop, 10);
    w.nowait();
    EXPECT_EQ(w.log(), "first");
    EXPECT_EQ(evl_wall_start_at(moved, EVL_NEVER, 0), 0);
    EXPECT_EQ(evl_active(moved), 0);
    evl_clock_advance(w.loop, 2 * hour);
    w.nowait();
    EXPECT_EQ(w.log(), "first");
}

TEST(Wall, OnTheRealClockAWaitIsAsLongAsTheWallClockSays) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    sys.set_wall(1'000'000 * hour);
    EXPECT_EQ(evl_wall_time(w.loop), 1'000'000 * hour);
    w.wall_at(1'000'000 * hour + 10 * sec, counts(w, "wall"));
    sys.forget_waits();
    w.once();
    ASSERT_FALSE(sys.waits().empty());
    EXPECT_EQ(sys.waits()[0], 10 * sec);
    w.nowait();
    EXPECT_EQ(w.log(), "wall1");
    EXPECT_EQ(evl_wall_set(w.loop, 0), EVL_ENOTSUP);
}

TEST(Wall, OnTheRealClockAChangeIsSeenWhicheverWay) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    sys.set_wall(1'000'000 * hour);
    w.wall_at(1'000'000 * hour + 10 * hour, counts(w, "wall"));
    sys.set_wall(999'999 * hour); // somebody sets it back
    sys.advance(10 * hour + 1);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    sys.set_wall(1'000'011 * hour); // and forwards
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "wall1");
}

TEST(Wall, ShowsOnTheLoopsFd) {
    World w({.clock = EVL_CLOCK_REAL});
    if (!(w.caps() & EVL_CAP_LOOP_FD)) {
        int64_t timeout = 0;
        w.wall_at(evl_wall_time(w.loop) + 1 * hour, [] {});
        EXPECT_GE(evl_loop_prepare(w.loop, nullptr, 0, &timeout), 0);
        EXPECT_GT(timeout, 59 * 60 * sec);
        EXPECT_LE(timeout, 1 * hour);
        return;
    }
    pollfd row{evl_loop_fd(w.loop), POLLIN, 0};
    int64_t deadline = evl_wall_time(w.loop) + 5 * ms;
    w.wall_at(deadline, counts(w, "wall"));
    while (w.log().empty()) {
        ASSERT_EQ(::poll(&row, 1, 10'000), 1);
        w.dispatch();
    }
    EXPECT_EQ(w.log(), "wall1");
    EXPECT_GE(evl_wall_time(w.loop), deadline);
}

TEST(Wall, Contract_03_AnIdleLoopWithAFarWallTimerMakesNoWakeups) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    evl_keep_alive(w.wall_at(evl_wall_time(w.loop) + 1 * hour, [] {}), 0);
    w.timer_in(20 * ms, w.says("timer"));
    w.run();
    uint64_t sleeps = 0;
    for (int64_t ns : sys.waits())
        sleeps += ns != 0;
    EXPECT_EQ(sleeps, 1u);
}

TEST(Wall, BadInput) {
    World w;
    evl_wall *out = nullptr;
    EXPECT_EQ(evl_wall_new(nullptr, nullptr, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_wall_new(w.loop, nullptr, nullptr, nullptr), EVL_EINVAL);
    evl_wall *wall = w.wall_at(1 * hour, [] {});
    EXPECT_EQ(evl_wall_start_at(wall, 0, -1), EVL_EINVAL);
    EXPECT_EQ(evl_wall_deadline(wall), 1 * hour); // nothing changed
    EXPECT_EQ(evl_wall_start_at(nullptr, 0, 0), EVL_EINVAL);
    EXPECT_EQ(evl_wall_stop(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_wall_deadline(nullptr), EVL_NEVER);
    EXPECT_EQ(evl_wall_set(nullptr, 0), EVL_EINVAL);
    evl_clock_advance(w.loop, 1);
    EXPECT_EQ(evl_wall_set(w.loop, INT64_MIN), 0); // saturates
    EXPECT_LT(evl_wall_time(w.loop), 0);
}

TEST(Wall, Contract_13_OutOfFdsIsACodeAndLeavesNothing) {
#if EVL_HAVE_EPOLL
    for (int err : {EMFILE, ENFILE}) {
        Sys sys;
        World w({.clock = EVL_CLOCK_REAL});
        evl_wall *out = nullptr;
        int fds = open_fds();
        sys.fail(Call::timerfd_create, err);
        EXPECT_EQ(evl_wall_new(w.loop, nullptr, nullptr, &out), -err);
        EXPECT_EQ(out, nullptr);
        EXPECT_EQ(open_fds(), fds);
        EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
    }
#endif
}

#if EVL_HAVE_EPOLL
// An alarm that expires would be armed again in every pass: a busy loop from January 2038 on.
TEST(Wall, TheAlarmForAChangedClockExpiresInNoLifetime) {
    if (sizeof(time_t) < 8)
        GTEST_SKIP() << "a time_t that ends in 2038 itself";
    static int64_t latest;
    static evl_sys_table real;
    latest = 0;
    real = evl_sys;
    evl_sys.timerfd_settime = [](int fd, int flags, const itimerspec *value, itimerspec *old) {
        if (flags & TFD_TIMER_CANCEL_ON_SET)
            latest = value->it_value.tv_sec;
        return real.timerfd_settime(fd, flags, value, old);
    };
    {
        World w({.clock = EVL_CLOCK_REAL});
        w.wall_at(evl_wall_time(w.loop) + hour, [] {});
        w.nowait();
        w.destroy();
    }
    evl_sys.timerfd_settime = real.timerfd_settime;
    EXPECT_GT(latest, int64_t{200} * 365 * 86400);
}
#endif

} // namespace
