// time_test.cpp - the loop's time: cached and fresh, never early, waits that round up, virtual clocks.
#include "world.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

static_assert(EVL_MS == 1000 * EVL_US && EVL_SECOND == 1000 * EVL_MS && EVL_MINUTE == 60 * EVL_SECOND &&
              EVL_HOUR == 60 * EVL_MINUTE && sizeof EVL_US == sizeof(int64_t));

// --- 3
// --------------------------------------------------------------------------------------------------------

TEST(Time, Contract_03_NowIsCachedInsideAndFreshOutside) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    EXPECT_EQ(evl_now(w.loop), sys.now());
    sys.advance(5);
    EXPECT_EQ(evl_now(w.loop), sys.now());
    w.call_inside([&] {
        int64_t before = evl_now(w.loop);
        sys.advance(1 * sec);
        EXPECT_EQ(evl_now(w.loop), before);
        EXPECT_EQ(evl_time(w.loop), before + 1 * sec);
    });
    w.run();
    EXPECT_EQ(evl_now(w.loop), sys.now());
}

TEST(Time, Contract_03_TheClockIsMonotonic) {
    World w({.clock = EVL_CLOCK_REAL});
    timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t before = ts.tv_sec * sec + ts.tv_nsec;
    int64_t time = evl_time(w.loop);
    clock_gettime(CLOCK_MONOTONIC, &ts);
    EXPECT_LE(before, time);
    EXPECT_LE(time, ts.tv_sec * sec + ts.tv_nsec);
}

// After a callback that works for 50 ms.
void relative_call_reads_the_clock() {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    int64_t due = 0;
    w.call([&] {
        sys.advance(50 * ms);
        due = sys.now() + 10 * ms;
        EXPECT_EQ(evl_call_later(w.loop, 10 * ms, World::plain(), w.arg(w.says("called")), nullptr), 0);
    });
    w.run();
    EXPECT_EQ(w.log(), "called");
    EXPECT_EQ(sys.now(), due);
}

TEST(Time, Contract_03_RelativeCallReadsTheClock) { relative_call_reads_the_clock(); }

TEST(Time, Contract_03_RelativeStartIsFromThePassesTimeAndReadsNoClockInIt) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    evl_timer *timer = w.timer([&] { w.note("fired"); });
    w.call([&] {
        int64_t began = evl_now(w.loop);
        sys.advance(5 * ms);            // a callback that works for 5 ms
        int64_t from = evl_now(w.loop); // records are worked on between two passes, where it is fresh
        uint64_t before = sys.calls(Call::clock_gettime);
        evl_timer_start_in(timer, 10 * ms, 0);
        if (from == began) {
            EXPECT_EQ(sys.calls(Call::clock_gettime), before);
        }
        EXPECT_EQ(evl_timer_deadline(timer), from + 10 * ms);
    });
    w.run();
    EXPECT_EQ(w.log(), "fired");
    sys.advance(50 * ms); // outside of run it is fresh
    evl_timer_start_in(timer, 10 * ms, 0);
    EXPECT_EQ(evl_timer_deadline(timer), sys.now() + 10 * ms);
}

TEST(Time, Contract_03_AbsoluteStartDoesNotReadTheClock) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    evl_timer *timer = w.timer([] {});
    uint64_t before = sys.calls(Call::clock_gettime);
    for (int i = 0; i < 100; i++)
        evl_timer_start_at(timer, INT64_MAX - 1 - i, i);
    evl_timer_stop(timer);
    EXPECT_EQ(sys.calls(Call::clock_gettime), before);
}

// On the real clock and the real kernel: odd delays, some of them below a backend's unit.
void never_early() {
    World w({.clock = EVL_CLOCK_REAL});
    int fired = 0;
    for (int64_t delay : {1l, 999l, 1000l, 50'001l, 300'007l, 999'999l, 1'000'001l, 2'500'003l, 7'000'009l}) {
        int64_t deadline = evl_time(w.loop) + delay;
        w.timer_at(deadline, [&, deadline] {
            EXPECT_GE(evl_time(w.loop), deadline);
            EXPECT_GE(evl_now(w.loop), deadline);
            fired++;
        });
    }
    w.run();
    EXPECT_EQ(fired, 9);
}

TEST(Time, Contract_03_NeverEarly) { never_early(); }

// A kernel that returns too soon gets another wait for the rest.
TEST(Time, Contract_03_NeverEarlyWhenTheWaitEndsTooSoon) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    sys.shorten_waits();
    int64_t deadline = sys.now() + 10 * ms;
    w.timer_at(deadline, [&] {
        EXPECT_GE(evl_time(w.loop), deadline);
        w.note("fired");
    });
    w.run();
    EXPECT_EQ(w.log(), "fired");
    EXPECT_GE(sys.waits().size(), 2u);
}

void waits_round_up() {
    for (int missing : {0, ENOSYS, EPERM}) {
        Sys sys;
        World w({.clock = EVL_CLOCK_REAL});
        sys.freeze_time();
#if EVL_HAVE_EPOLL
        if (missing)
            sys.fail(Call::epoll_pwait2, missing, 0, 1'000'000);
#endif
        for (int64_t delay : {1l, 1'001l, 999'999l, 1'000'001l, 12'345'678l}) {
            sys.forget_waits();
            w.timer_in(delay, [] {});
            w.once();
            ASSERT_FALSE(sys.waits().empty());
            EXPECT_GE(sys.waits()[0], delay);
            EXPECT_LT(sys.waits()[0], delay + 1 * ms);
            EXPECT_EQ(w.nowait(), EVL_RUN_DONE); // one wait was enough
        }
    }
}

TEST(Time, Contract_03_WaitsRoundUp) { waits_round_up(); }

TEST(Time, Contract_03_SumsSaturateAndNeverIsNever) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    evl_timer *timer = w.timer(w.says("fired"));
    EXPECT_EQ(evl_timer_start_in(timer, INT64_MAX, 0), 0);
    EXPECT_EQ(evl_timer_deadline(timer), EVL_NEVER);
    EXPECT_EQ(evl_active(timer), 0); // never is not started
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_timer_start_in(timer, INT64_MAX - sys.now() - 1, 0), 0);
    EXPECT_EQ(evl_timer_deadline(timer), INT64_MAX - 1);
    EXPECT_EQ(evl_timer_start_at(timer, EVL_NEVER, 1), 0);
    EXPECT_EQ(evl_active(timer), 0);
    EXPECT_EQ(evl_timer_start_at(timer, sys.now(), INT64_MAX), 0); // its second expiration is never
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "fired");
    EXPECT_EQ(evl_timer_start_in(timer, INT64_MIN, 0), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "fired fired");
}

TEST(Time, Contract_03_NegativeTimeoutIsForEver) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    evl_loop_hold(w.loop);
    std::jthread other([&] {
        until([&] { return !sys.waits().empty() && sys.waits().back() == -1; });
        evl_loop_unhold(w.loop);
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

// Real time: one wait per deadline, however the timers were moved before.
void idle_loop_makes_no_wakeups() {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    Pipe quiet;
    evl_keep_alive(w.io(quiet.r, EVL_READ, [] {}), 0);
    evl_timer *timer = w.timer_in(1 * ms, w.says("fired"));
    evl_timer *stopped = w.timer_in(2 * ms, w.says("stopped"));
    evl_timer_start_in(timer, 60 * ms, 0); // moved later before the loop slept
    evl_timer_stop(stopped);
    evl_timer *never = w.timer_in(3 * ms, w.says("never"));
    evl_timer_start_in(never, 3600 * sec, 0);
    evl_keep_alive(never, 0);
    w.run();
    EXPECT_EQ(w.log(), "fired");
    uint64_t sleeps = 0;
    for (int64_t ns : sys.waits())
        sleeps += ns != 0;
    EXPECT_EQ(sleeps, 1u);
    EXPECT_EQ(w.metrics().empty_polls, w.metrics().polls);
    EXPECT_EQ(w.metrics().wakeups, 0u);
}

TEST(Time, Contract_03_IdleLoopMakesNoWakeups) { idle_loop_makes_no_wakeups(); }

TEST(Time, Contract_03_MovedWhileTheLoopRunsMakesNoWakeup) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    evl_timer *timeout = w.timer_in(5 * sec, w.says("timeout"));
    int activity = 0;
    w.timer_in(
        2 * sec,
        [&] {
            if (++activity < 10)
                evl_timer_start_in(timeout, 5 * sec, 0); // a connection's idle timeout, pushed back
        },
        2 * sec);
    sys.forget_waits();
    for (int i = 0; i < 10; i++)
        w.once();
    EXPECT_EQ(activity, 10);
    EXPECT_EQ(w.log(), "");
    for (int64_t ns : sys.waits())
        EXPECT_TRUE(ns == 0 || ns == 2 * sec) << ns;
}

// --- virtual clocks
// ---------------------------------------------------------------------------------------------

TEST(Time, Contract_03_ManualClockMovesOnlyByAdvance) {
    World w({.clock = EVL_CLOCK_MANUAL});
    int64_t start = evl_time(w.loop);
    evl_timer *timer = w.timer_in(10 * ms, w.says("timer"));
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    EXPECT_EQ(evl_clock_advance(w.loop, 10 * ms - 1), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(evl_clock_advance(w.loop, 1), 0);
    EXPECT_EQ(w.log(), ""); // in the next pass, not inline
    EXPECT_EQ(w.nowait(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "timer");
    EXPECT_EQ(evl_time(w.loop), start + 10 * ms);
    EXPECT_EQ(evl_now(w.loop), start + 10 * ms);
    evl_timer_start_in(timer, 1, 0);
    w.call([&] {
        EXPECT_EQ(evl_clock_advance(w.loop, 1), 0);
        EXPECT_EQ(evl_time(w.loop), start + 10 * ms + 1);
    });
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "timer timer");
}

TEST(Time, Contract_03_ManualClockThatOnlyItsAdvanceCouldMoveIsADeadlock) {
    World w({.clock = EVL_CLOCK_MANUAL});
    evl_timer *timer = w.timer_in(1, w.says("timer"));
    EXPECT_EQ(w.run(), EVL_EDEADLK);
    EXPECT_EQ(w.once(), EVL_EDEADLK);
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    EXPECT_EQ(evl_active(timer), 1); // nothing changed
    Pipe p;
    p.w.put();
    w.io(p.r, EVL_READ, w.says("io"), EVL_IO_ONESHOT);
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE); // an event can go on
    EXPECT_EQ(w.run(), EVL_EDEADLK);
    evl_clock_advance(w.loop, 1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "io timer");
}

TEST(Time, Contract_03_WhatTheKernelMayEndIsNoDeadlock) {
    World w({.clock = EVL_CLOCK_MANUAL});
    w.timer_in(1, w.says("timer"));
    Pair pair;
    evl_stream *stream = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, ::dup(pair.a), 0, &stream), 0);
    char byte = 0;
    ASSERT_EQ(evl_stream_read(stream, w.op(w.says("read")), &byte, 1), 0);
    pair.b.put();
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE);
    EXPECT_EQ(w.once(), EVL_EDEADLK);
    evl_server *server = nullptr;
    ASSERT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &server), 0);
    evl_stream *accepted = nullptr;
    evl_op *accept = w.op(w.says("accepted"));
    ASSERT_EQ(evl_server_accept_op(server, accept, &accepted), 0);
    sockaddr_storage to{};
    int32_t length = evl_server_local(server, 0, &to, sizeof to);
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr *>(&to), static_cast<socklen_t>(length)), 0);
    while (evl_op_active(accept))
        ASSERT_EQ(w.once(), EVL_RUN_ALIVE);
    EXPECT_EQ(w.once(), EVL_EDEADLK);
    EXPECT_EQ(w.log(), "read accepted");
    EXPECT_EQ(w.destroy(), 0);
}

// Also what keeps no loop alive may end the wait.
TEST(Time, Contract_03_ASignalThatIsWatchedIsNoDeadlock) {
    Sys sys;
    World w({.clock = EVL_CLOCK_MANUAL});
    w.timer_in(1, w.says("timer"));
    evl_signal *signal = w.signal(SIGUSR1, [&] { w.note("signal"), evl_clock_advance(w.loop, 1); });
    std::thread sender([&] {
        until([&] { return !sys.waits().empty(); });
        ::kill(::getpid(), SIGUSR1);
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    sender.join();
    EXPECT_EQ(w.log(), "signal timer");
    evl_close(signal);
}

// A wait for ever is no way to pass idle time.
TEST(Time, Contract_03_AJumpingClockThatHasNowhereToJumpIsADeadlock) {
    World w;
    evl_event *event = nullptr;
    ASSERT_EQ(evl_event_new(w.loop, &event), 0);
    ASSERT_EQ(evl_event_wait(event, w.op(w.says("set"))), 0);
    w.timer_in(3600 * sec, w.says("timer"));
    EXPECT_EQ(w.run(), EVL_EDEADLK);
    EXPECT_EQ(w.once(), EVL_EDEADLK);
    EXPECT_EQ(w.log(), "timer");
    evl_loop_hold(w.loop);
    std::thread poster([&] {
        evl_post(w.loop, [](void *e) { evl_event_set(static_cast<evl_event *>(e)); }, event);
        evl_loop_unhold(w.loop);
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    poster.join();
    EXPECT_EQ(w.log(), "timer set");
    evl_event_free(event);
}

TEST(Time, Contract_03_AHoldIsNoDeadlock) {
    World w({.clock = EVL_CLOCK_MANUAL});
    w.timer_in(1, w.says("timer"));
    evl_loop_hold(w.loop);
    std::thread other([&] {
        w.post([&] {
            evl_clock_advance(w.loop, 1);
            evl_loop_unhold(w.loop);
        });
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    other.join();
    EXPECT_EQ(w.log(), "timer");
}

TEST(Time, Contract_03_JumpGoesToTheNextDeadlineInNoTime) {
    World w;
    int64_t start = evl_time(w.loop);
    auto at = [&](const char *word) {
        return [&, word] { w.note(word + std::to_string((evl_now(w.loop) - start) / sec)); };
    };
    w.timer_in(3600 * sec, at("hour"));
    w.timer_in(24 * 3600 * sec, at("day"));
    w.timer_in(1 * sec, at("second"));
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "second1 hour3600 day86400");
    EXPECT_EQ(evl_time(w.loop), start + 24 * 3600 * sec);
    EXPECT_EQ(evl_clock_advance(w.loop, 5), 0);
    EXPECT_EQ(evl_time(w.loop), start + 24 * 3600 * sec + 5);
}

TEST(Time, Contract_03_JumpOnlyWhenNothingIsReadyAndAPollFoundNothing) {
    World w({.poll_interval = 1'000'000});
    int64_t start = evl_time(w.loop);
    Pipe p;
    w.timer_in(1 * sec, w.says("timer"));
    int left = 500;
    std::function<void()> chain = [&] {
        EXPECT_EQ(evl_time(w.loop), start);
        if (--left > 0)
            w.call([&] { chain(); });
        else
            p.w.put();
    };
    w.io(
        p.r, EVL_READ,
        [&] {
            EXPECT_EQ(evl_time(w.loop), start);
            w.note("io");
            w.post([&] {
                EXPECT_EQ(evl_time(w.loop), start);
                w.note("post");
            });
        },
        EVL_IO_ONESHOT);
    w.call([&] { chain(); });
    w.run();
    EXPECT_EQ(w.log(), "io post timer");
}

TEST(Time, Contract_03_NoJumpUnderAHold) {
    Sys sys;
    World w;
    w.timer_in(1 * sec, w.says("timer"));
    EXPECT_EQ(evl_loop_hold(w.loop), 0);
    std::thread other([&] {
        // The loop is asleep, or about to be; either way it may not jump.
        until([&] { return !sys.waits().empty(); });
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        w.post([&] {
            w.note("post");
            evl_loop_unhold(w.loop);
        });
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    other.join();
    EXPECT_EQ(w.log(), "post timer");
}

TEST(Time, Contract_03_APassThatDoesNotWaitDoesNotJump) {
    World w;
    int64_t start = evl_time(w.loop);
    w.timer_in(1 * sec, w.says("timer"));
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    EXPECT_EQ(evl_time(w.loop), start);
    EXPECT_EQ(w.once(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "timer");
}

TEST(Time, Contract_03_AdvanceRefusesWhatMakesNoSense) {
    World real({.clock = EVL_CLOCK_REAL}), manual({.clock = EVL_CLOCK_MANUAL});
    EXPECT_EQ(evl_clock_advance(real.loop, 1), EVL_ENOTSUP);
    EXPECT_EQ(evl_clock_advance(manual.loop, -1), EVL_EINVAL);
    EXPECT_EQ(evl_clock_advance(nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_clock_advance(manual.loop, 0), 0);
    int64_t now = evl_time(manual.loop);
    EXPECT_EQ(evl_clock_advance(manual.loop, INT64_MAX), 0); // saturates
    EXPECT_GE(evl_time(manual.loop), now);
}

// --- traps and asyncio
// ----------------------------------------------------------------------------------------------

TEST(Trap, Trap_08_WaitsRoundUpAndNothingIsEarly) {
    waits_round_up();
    never_early();
}

TEST(Trap, Trap_16_InterruptedWaitKeepsTheAbsoluteDeadline) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    int64_t start = sys.now();
    w.timer_in(10 * sec, [&] { EXPECT_EQ(evl_now(w.loop), start + 10 * sec); });
    for (int i = 0; i < 4; i++) {
        sys.fail_wait(EINTR);
        w.once();
        sys.advance(2 * sec);
    }
    sys.forget_waits();
    w.run();
    ASSERT_FALSE(sys.waits().empty());
    EXPECT_EQ(sys.waits()[0], 2 * sec);
}

TEST(Trap, Trap_17_AClockThatJumpedRunsWhatIsDueOnceAndInOrder) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    w.timer_in(3 * sec, w.says("b"));
    w.timer_in(2 * sec, w.says("a"));
    w.timer_in(1 * sec, [&](int64_t n) { w.note("tick" + std::to_string(n)); }, 1 * sec);
    sys.advance(3600 * sec); // a laptop that slept
    w.nowait();
    EXPECT_EQ(w.log(), "tick3600 a b");
}

TEST(Trap, Trap_24_HugeTimeoutsWait) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
#if EVL_HAVE_EPOLL
    sys.fail(Call::epoll_pwait2, ENOSYS, 0, 1'000'000); // milliseconds in an int, the narrowest of all
#endif
    int64_t start = sys.now(), delay = 200 * 24 * 3600 * sec;
    w.timer_in(delay, [&] {
        EXPECT_GE(evl_now(w.loop), start + delay);
        w.note("fired");
    });
    w.run();
    EXPECT_EQ(w.log(), "fired");
    EXPECT_LE(sys.waits().size(), 400u); // a day at a time at worst, no spinning
    for (int64_t ns : sys.waits())
        EXPECT_GE(ns, 0);
}

TEST(Trap, Trap_29_Pwait2MissingAtRunTime) {
#if EVL_HAVE_EPOLL
    for (int err : {ENOSYS, EPERM}) {
        Sys sys;
        World w({.clock = EVL_CLOCK_REAL});
        sys.fail(Call::epoll_pwait2, err, 0, 1'000'000);
        w.timer_in(1, w.says("a"));
        w.timer_in(1 * ms, w.says("b"));
        w.run();
        EXPECT_EQ(w.log(), "a b");
        EXPECT_LE(sys.calls(Call::epoll_pwait2), 1u); // and remembered
    }
#endif
}

TEST(Trap, Trap_31_NoPeriodicWakeups) { idle_loop_makes_no_wakeups(); }

// asyncio fires up to one clock tick early; evloop never does, and rounds waits up so that it does not spin
// either.
TEST(Asyncio, Asyncio_005_ShortTimersAreNeverEarlyAndDoNotSpin) {
    World w({.clock = EVL_CLOCK_REAL});
    for (int64_t delay : {100'000l, 50'000l, 10'000l, 5'000l, 1'000l}) {
        int64_t deadline = evl_time(w.loop) + delay;
        w.timer_at(deadline, [&, deadline] { EXPECT_GE(evl_time(w.loop), deadline); });
    }
    w.run();
    EXPECT_LE(w.metrics().polls, 20u);
}

TEST(Asyncio, Asyncio_018_TimeIsFreshAndRelativeTimersUseIt) { relative_call_reads_the_clock(); }

} // namespace
