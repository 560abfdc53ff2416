// scenarios.cpp - what the walks play, each from making a loop on. A scenario goes on after an error as a
// program would that wants to live: with what it has got.
#include "child.hpp"
#include "inject.hpp"
#include "stage.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <thread>
#include <unistd.h>

namespace faults {
namespace {

using support::Pair;
using support::Pipe;

constexpr int64_t us = 1000;

// A timer that could be made can be started.
void start_in(evl_timer *timer, int64_t delay, int64_t repeat = 0) {
    if (timer) {
        EXPECT_EQ(evl_timer_start_in(timer, delay, repeat), 0);
    }
}

// --- watchers ---------------------------------------------------------------------------------------------

// Two watchers on one fd and one on another: add, report, change, pause and resume, hand over, close.
void watchers(Stage &s) {
    Pipe &pipe = s.pipe();
    Pair &pair = s.pair();
    if (!s.make())
        return;
    Ear *first = s.ear(), *second = s.ear(), *both = s.ear();
    evl_io *a = s.io(pipe.r, EVL_READ, first);
    evl_io *b = s.io(pipe.r, EVL_READ, second);
    evl_io *c = s.io(pair.a, EVL_READ | EVL_WRITE, both);
    pipe.w.put();
    s.run_until([&] { return first->times && second->times && both->times; });
    s.expect(first->last == EVL_READ && second->last == EVL_READ && both->last == EVL_WRITE,
             "all three report");

    // Written alone at first, then with what can be read, then nothing at all.
    if (c && evl_io_fd(c) >= 0)
        s.attempt([&] { return evl_io_set(c, EVL_READ); });
    s.nowait();
    int before = both->times;
    s.nowait();
    s.expect(both->times == before, "nothing to read");
    pair.b.put();
    s.run_until([&] { return both->times > before; });
    s.expect(both->last == EVL_READ, "something to read");
    if (c && evl_io_fd(c) >= 0)
        s.attempt([&] { return evl_io_set(c, EVL_READ | EVL_WRITE); });
    before = both->times;
    s.run_until([&] { return both->times > before; });
    s.expect(both->last == (EVL_READ | EVL_WRITE), "written as well");

    // A change that cancels out, and one that does not.
    if (a && evl_io_fd(a) >= 0) {
        s.attempt([&] { return evl_io_set(a, 0); });
        s.attempt([&] { return evl_io_set(a, EVL_READ); });
    }
    if (c && evl_io_fd(c) >= 0)
        s.attempt([&] { return evl_io_set(c, 0); });
    s.nowait();
    if (c && evl_io_fd(c) >= 0)
        s.attempt([&] { return evl_io_set(c, EVL_READ); });
    before = both->times;
    s.run_until([&] { return both->times > before; });
    s.expect(both->times > before, "resumed");

    // The first watcher of the fd goes, the second stands for it.
    EXPECT_EQ(evl_close(a), 0);
    before = second->times;
    s.run_until([&] { return second->times > before; });
    s.expect(second->times > before, "the second goes on alone");
    EXPECT_EQ(evl_close(b), 0);
}

void oneshot(Stage &s) {
    Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    Ear *once = s.ear(), *ended = s.ear();
    ended->may_end = true;
    evl_io *io = s.io(pipe.r, EVL_READ, once, EVL_IO_ONESHOT);
    pipe.w.put();
    s.run_until([&] { return once->times == 1; });
    s.nowait();
    s.expect(once->times == 1, "heard once");
    if (io && evl_io_fd(io) >= 0)
        s.attempt([&] { return evl_io_set(io, EVL_READ); });
    s.run_until([&] { return once->times == 2; });
    s.expect(once->times == 2, "armed again");
    EXPECT_EQ(evl_close(io), 0);

    s.io(pipe.r, EVL_READ, ended);
    int32_t n = s.attempt_on_fd([&] { return evl_fd_closing(s.loop, pipe.r); });
    s.expect(n == 1, "one watcher ends");
    s.run_until([&] { return ended->ended; });
    s.expect(ended->last == EVL_ECLOSED, "and is told");
}

// Made without a mask, so that the fd is added and taken off again.
void paused_from_the_start(Stage &s) {
    Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    Ear *first = s.ear(), *second = s.ear();
    evl_io *a = s.io(pipe.r, 0, first);
    s.io(pipe.r, 0, second);
    pipe.w.put();
    s.nowait();
    s.expect(first->times == 0 && second->times == 0, "nothing is wanted");
    if (a && evl_io_fd(a) >= 0)
        s.attempt([&] { return evl_io_set(a, EVL_READ); });
    s.run_until([&] { return first->times > 0; });
    s.expect(first->times > 0 && second->times == 0, "one is");
}

// The kernel finds out that a number is another file's now.
void number_used_again(Stage &s) {
    Pipe &pipe = s.pipe(), &other = s.pipe();
    if (!s.make())
        return;
    Ear *old = s.ear(), *fresh = s.ear();
    old->may_end = true;
    int number = s.dup(pipe.r);
    s.io(number, EVL_READ, old);
    s.nowait();
    ASSERT_EQ(::dup2(other.r, number), number);
    pipe.w.put();
    other.w.put();
    s.io(number, EVL_READ, fresh);
    s.run_until([&] { return old->ended && fresh->times > 0; });
    s.expect(old->last == EVL_EBADF, "the old one is told");
    s.expect(fresh->last == EVL_READ, "the new one works");
    other.r.drain();
}

// An entry that the kernel will not delete, since the file lives on under another number: the queue is made
// anew.
void stale_entry(Stage &s) {
    Pipe &pipe = s.pipe(), &other = s.pipe();
    if (!s.make())
        return;
    Ear *gone = s.ear(), *stays = s.ear();
    int number = s.dup(pipe.r);
    evl_io *io = s.io(number, EVL_READ, gone);
    s.io(other.r, EVL_READ, stays);
    s.nowait();
    evl_wall *wall = nullptr; // it has a place in the queue too
    s.attempt([&] { return evl_wall_new(s.loop, Stage::hear, s.ear(), &wall); });
    s.close_number(number);
    EXPECT_EQ(evl_close(io), 0);
    pipe.w.put();
    s.nowait();
    other.w.put();
    s.run_until([&] { return stays->times > 0; });
    s.expect(gone->times == 0 && stays->last == EVL_READ, "only the living report");
}

// --- time -------------------------------------------------------------------------------------------------

void timers(Stage &s) {
    if (!s.make())
        return;
    Ear *once = s.ear(), *again = s.ear(), *never = s.ear();
    evl_timer *a = s.timer(once), *b = s.timer(again), *c = s.timer(never);
    int64_t begin = evl_time(s.loop);
    start_in(a, 200 * us);
    start_in(b, 90 * us, 90 * us);
    start_in(c, 100 * us);
    if (c) {
        EXPECT_EQ(evl_timer_stop(c), 0);
    }
    s.wait_until([&] { return (!a || once->times) && (!b || again->total >= 2); });
    EXPECT_EQ(once->times, a ? 1 : 0);
    EXPECT_EQ(never->times, 0);
    if (a) {
        EXPECT_GE(evl_time(s.loop), begin + 200 * us);
    }
    EXPECT_EQ(evl_close(b), 0);
}

// Deadlines of the wall clock, on a loop that the kernel tells when the clock is set.
void walls(Stage &s) {
    if (!s.make())
        return;
    Ear *once = s.ear(), *never = s.ear();
    evl_wall *soon = nullptr, *late = nullptr;
    s.attempt([&] { return evl_wall_new(s.loop, Stage::hear, once, &soon); });
    s.attempt([&] { return evl_wall_new(s.loop, Stage::hear, never, &late); });
    int64_t deadline = evl_wall_time(s.loop) + 200 * us;
    if (soon) {
        EXPECT_EQ(evl_wall_start_at(soon, deadline, 0), 0);
    }
    if (late) {
        EXPECT_EQ(evl_wall_start_at(late, deadline, 0), 0);
        EXPECT_EQ(evl_wall_stop(late), 0);
    }
    s.wait_until([&] { return !soon || once->times; });
    EXPECT_EQ(once->times, soon ? 1 : 0);
    EXPECT_EQ(never->times, 0);
}

// --- other threads ----------------------------------------------------------------------------------------

void wait_until(const std::function<bool()> &condition) {
    while (!condition())
        std::this_thread::yield();
}

// Each post finds the loop asleep.
void posts(Stage &s) {
    if (!s.make())
        return;
    Ear *ear = s.ear();
    std::atomic<bool> quit{false};
    std::atomic<int> heard{0}, accepted{0};
    struct Counted {
        std::atomic<int> *heard;
        static void run(void *arg) { ++*static_cast<Counted *>(arg)->heard; }
    } counted{&heard};
    ASSERT_EQ(evl_loop_hold(s.loop), 0);
    int32_t refused = 0;
    std::thread thread([&] {
        for (int i = 0; i < 3; i++) {
            wait_until([&] { return quit || (heard == accepted && waiting()); });
            int32_t rc = evl_post(s.loop, Counted::run, &counted);
            if (rc == 0)
                accepted++;
            else
                refused = rc;
        }
        int32_t rc = s.post_owned(ear);
        if (rc != 0)
            refused = rc;
        EXPECT_EQ(evl_loop_unhold(s.loop), 0);
    });
    int32_t rc = evl_loop_run(s.loop, EVL_RUN_DEFAULT);
    quit = true;
    thread.join();
    if (refused < 0)
        s.tell(refused);
    if (rc < 0) {
        s.tell_run(rc);
        rc = evl_loop_run(s.loop, EVL_RUN_DEFAULT);
    }
    EXPECT_EQ(rc, EVL_RUN_DONE);
    EXPECT_EQ(heard.load(), accepted.load()) << "an accepted post is lost";
    s.expect(accepted == 3 && ear->times == 1, "all are accepted");
}

void wakes(Stage &s) {
    if (!s.make())
        return;
    ASSERT_EQ(evl_loop_hold(s.loop), 0);
    std::atomic<int> returned{0};
    std::thread thread([&] {
        for (int i = 0; i < 2; i++) {
            wait_until([&] { return returned > i || waiting(); });
            EXPECT_EQ(evl_wake(s.loop), 0);
            wait_until([&] { return returned > i; });
        }
    });
    for (int i = 0; i < 2; i++) {
        s.tell_run(evl_loop_run(s.loop, EVL_RUN_ONCE));
        returned++;
    }
    thread.join();
    EXPECT_EQ(evl_loop_unhold(s.loop), 0);
}

// --- signals ----------------------------------------------------------------------------------------------

void signals(Stage &s) {
    std::string before = dispositions();
    if (!s.make())
        return;
    Ear *ear = s.ear();
    evl_signal *one = s.signal(SIGUSR1, ear);
    evl_signal *two = s.signal(SIGUSR1, s.ear());
    if (one) {
        EXPECT_EQ(evl_keep_alive(one, 1), 0);
        pthread_t self = ::pthread_self();
        std::atomic<bool> quit{false};
        std::thread thread([&] {
            wait_until([&] { return quit || waiting(); });
            ::pthread_kill(self, SIGUSR1);
        });
        for (int i = 0; i < 8 && ear->times == 0; i++) {
            int32_t rc = evl_loop_run(s.loop, EVL_RUN_ONCE);
            s.tell_run(rc);
            quit = quit || rc < 0;
        }
        thread.join();
        EXPECT_EQ(ear->total, 1) << "a delivery is lost";
    }
    EXPECT_EQ(evl_close(one), 0);
    EXPECT_EQ(evl_close(two), 0);
    heal_signals(s, before, SIGUSR1);
}

// --- living in a host -------------------------------------------------------------------------------------

// What a host does: sleep on the fd, dispatch.
void host_until(Stage &s, int fd, const std::function<bool()> &done) {
    for (int i = 0; i < 100 && !done(); i++) {
        pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
        if (!s.troubled()) {
            EXPECT_EQ(::poll(&p, 1, 10'000), 1) << "work that the fd does not show";
        }
        s.tell_run(evl_loop_dispatch(s.loop, nullptr, 0));
        if (s.troubled())
            std::this_thread::yield();
    }
}

void embedded(Stage &s) {
    Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    if (!(evl_backend_caps(s.loop) & EVL_CAP_LOOP_FD)) {
        EXPECT_EQ(evl_loop_fd(s.loop), EVL_ENOTSUP);
        return;
    }
    Ear *due = s.ear(), *in = s.ear(), *called = s.ear(), *posted = s.ear();
    int fd = s.attempt([&] { return evl_loop_fd(s.loop); });
    evl_timer *timer = s.timer(due);
    start_in(timer, 200 * us);
    // A timer cannot be refused and its alarm may be, so a host in trouble has only the deadline to go by.
    host_until(s, fd,
               [&] { return due->times == 1 || (s.troubled() && evl_timer_deadline(timer) == EVL_NEVER); });
    evl_io *io = s.io(pipe.r, EVL_READ, in);
    pipe.w.put();
    host_until(s, fd, [&] { return in->times > 0; });
    pipe.r.drain();
    s.expect(in->times > 0, "a pipe shows");
    if (io && evl_io_fd(io) >= 0)
        s.attempt([&] { return evl_io_set(io, 0); });
    s.call_owned(called);
    host_until(s, fd, [&] { return called->times == 1; });
    s.expect(called->times == 1, "a call shows");
    std::thread([&] {
        int32_t rc = s.post_owned(posted);
        if (rc < 0)
            s.tell(rc);
    }).join();
    host_until(s, fd, [&] { return posted->times == 1; });
    s.expect(posted->times == 1, "a post shows");
}

void rows(Stage &s) {
    Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    Ear *due = s.ear(), *in = s.ear();
    s.io(pipe.r, EVL_READ, in, EVL_IO_ONESHOT);
    evl_timer *timer = s.timer(due);
    start_in(timer, 200 * us);
    pipe.w.put();
    for (int i = 0; i < 1000 && (in->times == 0 || due->times == 0); i++) {
        evl_poll_row table[8];
        int64_t timeout = 0;
        int32_t n = s.attempt_on_fd([&] { return evl_loop_prepare(s.loop, table, 8, &timeout); });
        ASSERT_LE(n, 8);
        n = std::max(n, 0);
        pollfd fds[8];
        for (int32_t k = 0; k < n; k++)
            fds[k] = {.fd = table[k].fd, .events = static_cast<short>(table[k].wanted), .revents = 0};
        // In trouble there may be nothing left to wait for.
        timespec ts{.tv_sec = 0, .tv_nsec = std::clamp<int64_t>(timeout, 0, 999'999'999)};
        bool for_ever = timeout < 0 && !s.troubled();
        ::ppoll(fds, static_cast<nfds_t>(n), for_ever ? nullptr : &ts, nullptr);
        for (int32_t k = 0; k < n; k++)
            table[k].reported = static_cast<uint32_t>(fds[k].revents);
        s.tell_run(evl_loop_dispatch(s.loop, table, n));
    }
    s.expect(in->times > 0 && due->times == 1, "both are heard");
}

// --- records ----------------------------------------------------------------------------------------------

void records(Stage &s) {
    Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    evl_io *io = nullptr;
    evl_timer *timer = nullptr;
    evl_op op;
    EXPECT_EQ(evl_op_init(&op, nullptr, nullptr, 0), 0);
    s.attempt([&] { return evl_io_new(s.loop, pipe.r, EVL_READ, EVL_IO_ONESHOT, nullptr, nullptr, &io); });
    s.attempt([&] { return evl_timer_new(s.loop, nullptr, nullptr, &timer); });
    start_in(timer, 200 * us);
    s.attempt([&] { return evl_call_soon(s.loop, nullptr, nullptr); });
    s.attempt([&] { return evl_post(s.loop, nullptr, nullptr); });
    s.attempt([&] { return evl_defer(s.loop, &op); });
    pipe.w.put();
    int seen[EVL_KIND_DROP + 1] = {};
    auto all = [&] {
        return seen[EVL_KIND_IO] && seen[EVL_KIND_TIMER] && seen[EVL_KIND_CALL] && seen[EVL_KIND_POST] &&
               seen[EVL_KIND_OP];
    };
    for (int i = 0; i < 200 && !all() && evl_loop_alive(s.loop); i++) {
        evl_record out[2];
        int32_t n = evl_loop_records(s.loop, out, 2, -1);
        s.tell_run(n);
        for (int32_t k = 0; k < n; k++) {
            seen[out[k].kind]++;
            if (out[k].result < 0)
                s.tell(out[k].result);
        }
    }
    s.expect(all(), "a record of each kind");
    if (timer) {
        EXPECT_EQ(seen[EVL_KIND_TIMER], 1);
    }
    EXPECT_EQ(evl_op_close(&op), 0);
}

// --- the rest ---------------------------------------------------------------------------------------------

// Everything that takes an argument with a drop or a name, and hooks.
void odds_and_ends(Stage &s) {
    if (!s.make(EVL_CLOCK_JUMP))
        return;
    Ear *ear = s.ear();
    evl_hook *hook = nullptr;
    s.attempt([&] { return evl_hook_new(s.loop, EVL_HOOK_BEFORE_POLL, Stage::hear_plain, ear, &hook); });
    evl_timer *timer = s.timer(s.ear());
    if (timer) {
        s.set_drop(timer);
        s.attempt([&] { return evl_set_name(timer, "a name"); });
    }
    if (hook)
        s.attempt([&] { return evl_set_name(hook, "another"); });
    s.call_owned(s.ear());
    int32_t rc = s.post_owned(s.ear());
    if (rc < 0)
        s.tell(rc);
    if (timer)
        s.attempt([&] { return evl_close_later(s.loop, evl_id(timer)); });
    evl_op op;
    EXPECT_EQ(evl_op_init(&op, Stage::hear, s.ear(), 0), 0);
    EXPECT_EQ(evl_defer(s.loop, &op), 0);
    EXPECT_EQ(evl_op_cancel(&op), 1);
    EXPECT_EQ(evl_op_close(&op), 0);
    s.run_until([&] { return !hook || ear->times > 0; });
    s.expect(ear->times > 0, "the hook ran");
}

void destroyed_with_everything_on_it(Stage &s) {
    Pipe &pipe = s.pipe(), &other = s.pipe();
    std::string before = dispositions();
    if (!s.make())
        return;
    s.io(pipe.r, EVL_READ, s.ear());
    s.io(pipe.r, EVL_READ, s.ear());
    s.io(other.w, EVL_WRITE, s.ear());
    evl_timer *timer = s.timer(s.ear());
    if (timer) {
        s.set_drop(timer);
        EXPECT_EQ(evl_timer_start_in(timer, 0, 0), 0);
    }
    s.signal(SIGUSR1, s.ear());
    s.call_owned(s.ear());
    int32_t rc = s.post_owned(s.ear());
    if (rc < 0)
        s.tell(rc);
    pipe.w.put();
    s.destroy();
    heal_signals(s, before, SIGUSR1);
}

// What the child does, in the child; the parent only looks whether anything has changed for it.
void repair(Stage &s, Pipe &pipe, Ear *in, Ear *due) {
    int64_t code = 0;
    for (int i = 0; i < 3 && (code = s.attempt_on_fd([&] { return evl_loop_fork(s.loop); })) != 0; i++) {
        EXPECT_EQ(evl_loop_run(s.loop, EVL_RUN_NOWAIT), EVL_EFORK);
    }
    EXPECT_EQ(code, 0) << "trying again does not help";
    pipe.w.put();
    s.run_until([&] { return in->times > 0; });
    s.wait_until([&] { return due->times > 0; });
    s.expect(in->times > 0, "the child's watcher goes on");
    EXPECT_EQ(due->times, 1);
    s.close_all();
    EXPECT_EQ(s.memory.bytes(), 0u);
}

void fork_repair(Stage &s) {
    Pipe &pipe = s.pipe(), &childs = s.pipe();
    Ear *in = s.ear(), *other = s.ear(), *due = s.ear();
    evl_wall *wall = nullptr;
    int fds = support::open_fds();
    uint64_t fail_at = std::exchange(s.fail_at, 0);
    {
        // What comes before the fork is walked elsewhere.
        Paused paused;
        ASSERT_TRUE(s.make());
        s.io(childs.r, EVL_READ, in);
        s.io(pipe.r, EVL_READ, other);
        EXPECT_EQ(evl_timer_start_in(s.timer(due), 200 * us, 0), 0);
        EXPECT_EQ(evl_wall_new(s.loop, Stage::hear, s.ear(), &wall), 0);
    }
    s.fail_at = fail_at;
    s.arm_memory();
    support::in_child([&] {
        repair(s, childs, in, due);
        EXPECT_LE(support::open_fds(), fds) << "fds in the child"; // Valgrind closes some of its own there
    });
    pipe.w.put();
    s.wait_until([&] { return other->times > 0 && due->times > 0; });
    EXPECT_EQ(other->last, EVL_READ) << "the parent is not what it was";
    EXPECT_EQ(due->times, 1);
    childs.r.drain();
}

// --- allocations only -------------------------------------------------------------------------------------

// Enough of everything for each table to grow more than once.
void crowd(Stage &s) {
    Pipe &pipe = s.pipe();
    if (!s.make(EVL_CLOCK_JUMP))
        return;
    constexpr int kMany = 200;
    Ear *in = s.ear(), *due = s.ear(), *called = s.ear(), *posted = s.ear();
    int watchers = 0, started = 0;
    for (int i = 0; i < kMany; i++) {
        watchers += s.io(s.dup(pipe.r), EVL_READ, in) != nullptr;
        if (evl_timer *timer = s.timer(due)) {
            started++;
            EXPECT_EQ(evl_timer_start_at(timer, i % 7, 0), 0);
        }
        s.call_owned(called);
        if (int32_t rc = s.post_owned(posted); rc < 0)
            s.tell(rc);
        evl_hook *hook;
        s.attempt([&] { return evl_hook_new(s.loop, i % 3, Stage::hear_plain, s.ear(), &hook); });
    }
    pipe.w.put();
    s.run_until([&] { return in->times >= watchers; });
    pipe.r.drain(); // the clock jumps when nothing is ready
    s.wait_until([&] { return due->times == started; });
    s.expect(in->times >= kMany && due->times == kMany && called->times == kMany && posted->times == kMany,
             "all of them are heard");
    EXPECT_EQ(due->times, started);
}

} // namespace

const std::vector<Scenario> &scenarios() {
    static const std::vector<Scenario> list = {
#define FAULTS_SCENARIO(name) {#name, name}
        FAULTS_SCENARIO(watchers),
        FAULTS_SCENARIO(oneshot),
        FAULTS_SCENARIO(paused_from_the_start),
        FAULTS_SCENARIO(number_used_again),
        FAULTS_SCENARIO(stale_entry),
        FAULTS_SCENARIO(timers),
        FAULTS_SCENARIO(walls),
        FAULTS_SCENARIO(posts),
        FAULTS_SCENARIO(wakes),
        FAULTS_SCENARIO(signals),
        FAULTS_SCENARIO(embedded),
        FAULTS_SCENARIO(rows),
        FAULTS_SCENARIO(records),
        FAULTS_SCENARIO(odds_and_ends),
        FAULTS_SCENARIO(destroyed_with_everything_on_it),
        FAULTS_SCENARIO(fork_repair),
        FAULTS_SCENARIO(datagrams),
        FAULTS_SCENARIO(connections),
        FAULTS_SCENARIO(unix_connections),
        FAULTS_SCENARIO(piped),
        FAULTS_SCENARIO(fds_passed),
        FAULTS_SCENARIO(inherited),
        FAULTS_SCENARIO(spliced),
        FAULTS_SCENARIO(servers),
        FAULTS_SCENARIO(servers_by_callback),
        FAULTS_SCENARIO(servers_by_record),
        FAULTS_SCENARIO(passed_sockets),
        FAULTS_SCENARIO(connects),
        FAULTS_SCENARIO(look_ups),
        FAULTS_SCENARIO(paths),
        FAULTS_SCENARIO(children),
        FAULTS_SCENARIO(children_without_pidfd),
        FAULTS_SCENARIO(children_by_signal),
    };
    return list;
}

const std::vector<Scenario> &larger_scenarios() {
    static const std::vector<Scenario> list = {FAULTS_SCENARIO(crowd)};
    return list;
#undef FAULTS_SCENARIO
}

bool is_only_one() { return std::getenv("EVLOOP_FAULTS") != nullptr; }

bool is_wanted(const Scenario &scenario) {
    return !is_only_one() || std::strcmp(std::getenv("EVLOOP_FAULTS"), scenario.name) == 0;
}

} // namespace faults
