// left_behind_test.cpp - what the kernel keeps although the loop has done with it, and what a child shares
// with its parent.
#include "child.hpp"
#include "inject.hpp"
#include "stage.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace faults {
namespace {

using support::Pipe;

constexpr int64_t ms = 1'000'000;

// How many passes a loop makes until a timer of 2 ms fires.
int passes_in_2ms(Stage &s) {
    Ear *due = s.ear();
    evl_timer *timer = s.timer(due);
    EXPECT_EQ(evl_timer_start_in(timer, 2 * ms, 0), 0);
    int passes = 0;
    for (; passes < 1000 && due->times == 0; passes++)
        EXPECT_GE(evl_loop_run(s.loop, EVL_RUN_ONCE), 0);
    EXPECT_EQ(evl_close(timer), 0);
    return passes;
}

// A number is closed while a duplicate keeps the file open: epoll goes on reporting it and refuses to forget
// it.
TEST(LeftBehind, AWatcherThatHasEndedDoesNotKeepTheLoopAwake) {
    Stage s;
    Pipe &pipe = s.pipe();
    ASSERT_TRUE(s.make());
    Ear *ear = s.ear();
    ear->may_end = true;
    int number = s.dup(pipe.r);
    evl_io *io = s.io(number, EVL_READ, ear);
    s.nowait();
    s.close_number(number);
    EXPECT_EQ(evl_io_set(io, EVL_READ | EVL_WRITE), 0);
    s.run_until([&] { return ear->ended; });
    EXPECT_EQ(ear->last, EVL_EBADF);
    pipe.w.put();
    EXPECT_LE(passes_in_2ms(s), 20) << "the watcher is still open, but it has ended";
}

TEST(LeftBehind, NeitherDoesOneWhoseNumberIsWatchedAgain) {
    Stage s;
    Pipe &pipe = s.pipe(), &other = s.pipe();
    ASSERT_TRUE(s.make());
    Ear *old = s.ear(), *fresh = s.ear();
    old->may_end = true;
    int number = s.dup(pipe.r);
    s.io(number, EVL_READ, old);
    s.nowait();
    ASSERT_EQ(::dup2(other.r, number), number);
    s.io(number, EVL_READ, fresh);
    pipe.w.put();
    s.run_until([&] { return old->ended; });
    EXPECT_LE(passes_in_2ms(s), 20);
    other.w.put();
    s.run_until([&] { return fresh->times > 0; });
    EXPECT_EQ(fresh->last, EVL_READ);
}

// A new queue would take whatever has a number now for what was watched under it.
TEST(LeftBehind, ANewQueueTakesOverOnlyWhatIsStillThere) {
    Stage s;
    Pipe &ghost = s.pipe(), &pipe = s.pipe(), &other = s.pipe();
    ASSERT_TRUE(s.make());
    if (!(evl_backend_caps(s.loop) & EVL_CAP_HUP))
        return; // select has nothing but numbers, as its manual page says
    Ear *moved = s.ear(), *stays = s.ear();
    moved->may_end = true;
    int number = s.dup(pipe.r), haunts = s.dup(ghost.r);
    s.io(number, EVL_READ, moved);
    s.io(other.r, EVL_READ, stays);
    evl_io *closed = s.io(haunts, EVL_READ, s.ear());
    s.nowait();
    s.close_number(haunts);
    EXPECT_EQ(evl_close(closed), 0);
    ghost.w.put();
    ASSERT_EQ(::dup2(other.r, number), number);
    other.w.put();
    for (int i = 0; i < 5; i++)
        s.nowait();
    EXPECT_EQ(moved->total, 0) << "another file is reported to it";
    EXPECT_GT(stays->times, 0);
}

// What is closed between the poll and the look at what it found is no ghost: the queue is not made anew for
// it.
TEST(LeftBehind, ClosingWhatWasJustReportedCostsNoNewQueue) {
    Injector injector;
    Stage s;
    Pipe &pipe = s.pipe();
    ASSERT_TRUE(s.make());
    struct Closer {
        evl_handle *victim;
        static void run(void *arg) { evl_close(std::exchange(static_cast<Closer *>(arg)->victim, nullptr)); }
    } closer{nullptr};
    evl_hook *hook = nullptr;
    EXPECT_EQ(evl_hook_new(s.loop, EVL_HOOK_AFTER_POLL, Closer::run, &closer, &hook), 0);
    pipe.w.put();
    Ear *silent = s.ear(), *goes_on = s.ear();
    injector.arm_nothing();
    for (int i = 0; i < 20; i++) {
        closer.victim = s.io(pipe.r, EVL_READ, silent); // closed by a hook
        s.nowait();
        evl_io *later = s.io(pipe.r, EVL_READ, silent); // and by a post
        EXPECT_EQ(evl_close_later(s.loop, evl_id(later)), 0);
        evl_io *stays = s.io(pipe.r, EVL_READ, goes_on);
        s.run_until([&] { return goes_on->times > i; });
        EXPECT_EQ(evl_close(stays), 0);
    }
    EXPECT_EQ(silent->times, 0);
    if (evl_backend_caps(s.loop) &
        EVL_CAP_EDGE) { // what is not reported again is not lost with the first's tag
        closer.victim = s.io(pipe.r, EVL_READ, silent, EVL_IO_EDGE);
        Ear *second = s.ear();
        s.io(pipe.r, EVL_READ, second, EVL_IO_EDGE);
        s.run_until([&] { return second->times > 0; });
        EXPECT_EQ(second->last, EVL_READ);
    }
#if EVL_HAVE_EPOLL
    EXPECT_EQ(injector.calls(Call::epoll_create1), 0u);
#endif
}

// Closing, stopping and destroying in a child touch memory only; the alarm and the wake are the parent's too.
TEST(LeftBehind, Contract_11_AChildLeavesTheParentsAlarmAlone) {
    Stage s;
    ASSERT_TRUE(s.make());
    if (!(evl_backend_caps(s.loop) & EVL_CAP_LOOP_FD)) {
        EXPECT_EQ(evl_loop_fd(s.loop), EVL_ENOTSUP);
        return;
    }
    int fd = evl_loop_fd(s.loop);
    Ear *due = s.ear();
    evl_timer *timer = s.timer(due), *stopped = s.timer(s.ear());
    EXPECT_EQ(evl_timer_start_in(stopped, 1000 * ms, 0), 0);
    EXPECT_EQ(evl_timer_start_in(timer, 20 * ms, 0), 0);
    support::in_child([&] {
        EXPECT_EQ(evl_timer_stop(stopped), 0);
        EXPECT_EQ(evl_timer_stop(timer), 0);
        EXPECT_EQ(evl_close(timer), 0);
        EXPECT_EQ(evl_loop_destroy(s.loop), 0);
    });
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    for (int i = 0; i < 10 && due->times == 0; i++) {
        ASSERT_EQ(::poll(&p, 1, 5000), 1) << "the parent's alarm is gone";
        EXPECT_GE(evl_loop_dispatch(s.loop, nullptr, 0), 0);
    }
    EXPECT_EQ(due->times, 1);
}

// A child that comes back from the callback in which it was made finds a run that ends at once: the queue is
// the parent's.
TEST(LeftBehind, Contract_11_AForkInACallbackEndsTheRunInTheChild) {
    Stage s;
    Pipe &pipe = s.pipe();
    ASSERT_TRUE(s.make());
    struct Forker {
        Stage *stage;
        pid_t child = -1;
        static void run(void *arg) { static_cast<Forker *>(arg)->child = ::fork(); }
    } forker{&s};
    Ear *in = s.ear();
    s.io(pipe.r, EVL_READ, in);
    EXPECT_EQ(evl_call_soon(s.loop, Forker::run, &forker), 0);
    s.call_owned(s.ear());
    ::alarm(20);
    int32_t rc = evl_loop_run(s.loop, EVL_RUN_ONCE);
    if (forker.child == 0) {
        bool right = rc == EVL_EFORK && in->times == 0 && evl_loop_destroy(s.loop) == 0;
        ::_exit(right ? 0 : 1);
    }
    EXPECT_EQ(rc, EVL_RUN_ALIVE);
    int status = -1;
    EXPECT_EQ(::waitpid(forker.child, &status, 0), forker.child);
    EXPECT_EQ(status, 0) << "the child's run did not answer EVL_EFORK";
    pipe.w.put();
    s.run_until([&] { return in->times > 0; });
    EXPECT_EQ(in->last, EVL_READ);
}

} // namespace
} // namespace faults
