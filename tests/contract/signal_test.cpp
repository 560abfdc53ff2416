// signal_test.cpp - signals as callbacks: several loops and watchers, chained and restored dispositions.
#include "world.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

using namespace support;

namespace {

Action counts(World &w, std::string name) {
    return [&w, name](int64_t n) { w.note(name + std::to_string(n)); };
}

// Installs a disposition for a test and puts the old one back.
class Disposition {
  public:
    Disposition(int signo, const struct sigaction &action) : signo_(signo) {
        ::sigaction(signo, &action, &old_);
    }
    Disposition(int signo, void (*handler)(int)) : signo_(signo) {
        struct sigaction action{};
        action.sa_handler = handler;
        ::sigaction(signo, &action, &old_);
    }
    ~Disposition() { ::sigaction(signo_, &old_, nullptr); }

  private:
    int signo_;
    struct sigaction old_;
};

struct sigaction current(int signo) {
    struct sigaction action{};
    ::sigaction(signo, nullptr, &action);
    return action;
}

std::atomic<int> chained;
void count_chained(int) { chained++; }

TEST(Signal, IsACallbackWithTheNumberOfDeliveries) {
    World w;
    evl_signal *signal = w.signal(SIGUSR1, counts(w, "usr1 x"));
    EXPECT_EQ(evl_signal_number(signal), SIGUSR1);
    EXPECT_EQ(evl_active(signal), 1);
    raise(SIGUSR1);
    EXPECT_EQ(w.log(), "");
    w.nowait();
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "usr1 x1 usr1 x3");
}

TEST(Signal, WakesAWaitingLoop) {
    Sys sys;
    World w;
    evl_signal *signal = w.signal(SIGUSR1, w.says("signal"));
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    EXPECT_EQ(evl_keep_alive(signal, 1), 0);
    std::jthread other([&] {
        until([&] { return !sys.waits().empty() && sys.waits().back() != 0; });
        ::kill(::getpid(), SIGUSR1); // to the process: any thread may get it
    });
    while (w.log().empty())
        EXPECT_EQ(w.once(), EVL_RUN_ALIVE);
    EXPECT_EQ(w.log(), "signal");
}

TEST(Signal, SeveralWatchersOnSeveralLoops) {
    World a, b;
    evl_signal *first = a.signal(SIGUSR1, a.says("first"));
    a.signal(SIGUSR1, a.says("second"));
    a.signal(SIGUSR2, a.says("other"));
    b.signal(SIGUSR1, b.says("b"));
    raise(SIGUSR1);
    a.nowait();
    b.nowait();
    EXPECT_EQ(a.log(), "first second");
    EXPECT_EQ(b.log(), "b");
    evl_close(first);
    raise(SIGUSR1);
    raise(SIGUSR2);
    a.nowait();
    b.nowait();
    EXPECT_EQ(b.log(), "b b");
    EXPECT_EQ(a.log().find("first second "), 0u);
    EXPECT_EQ(a.log().size(), std::string("first second second other").size()) << a.log();
    a.destroy();
    raise(SIGUSR1);
    b.nowait();
    EXPECT_EQ(b.log(), "b b b");
}

TEST(Signal, AWatcherThatWasNotThereHearsNothing) {
    World w;
    evl_signal *first = w.signal(SIGUSR1, w.says("first"));
    raise(SIGUSR1);
    w.signal(SIGUSR1, w.says("late"));
    w.nowait();
    EXPECT_EQ(w.log(), "first");
    raise(SIGUSR1);
    evl_close(first); // with a delivery on its way
    w.nowait();
    EXPECT_EQ(w.log(), "first late");
}

TEST(Signal, DeliveredWhileTheLoopDoesNotRun) {
    World w;
    w.signal(SIGUSR1, counts(w, "x"));
    for (int i = 0; i < 1000; i++)
        raise(SIGUSR1);
    w.nowait();
    EXPECT_EQ(w.log(), "x1000");
}

// --- 7: dispositions
// ----------------------------------------------------------------------------------------------------

TEST(Signal, Contract_07_ThePreviousHandlerIsChainedToAndRestored) {
    chained = 0;
    Disposition mine(SIGUSR1, count_chained);
    World a, b;
    evl_signal *x = a.signal(SIGUSR1, a.says("a")), *y = b.signal(SIGUSR1, b.says("b"));
    EXPECT_NE(current(SIGUSR1).sa_handler, count_chained);
    raise(SIGUSR1);
    EXPECT_EQ(chained, 1); // in signal context, at once, and once for both loops
    a.nowait();
    b.nowait();
    EXPECT_EQ(a.log() + b.log(), "ab");
    evl_close(x);
    EXPECT_NE(current(SIGUSR1).sa_handler, count_chained);
    evl_close(y);
    EXPECT_EQ(current(SIGUSR1).sa_handler, count_chained);
    raise(SIGUSR1);
    EXPECT_EQ(chained, 2);
}

std::atomic<int> told_signo;
std::atomic<pid_t> told_pid;

TEST(Signal, Contract_07_AHandlerThatWantsSiginfoGetsIt) {
    struct sigaction action{};
    action.sa_sigaction = [](int signo, siginfo_t *info, void *context) {
        told_signo = context ? signo : -1;
        told_pid = info->si_pid;
    };
    action.sa_flags = SA_SIGINFO;
    Disposition mine(SIGUSR1, action);
    World w;
    evl_signal *signal = w.signal(SIGUSR1, w.says("w"));
    ::kill(::getpid(), SIGUSR1);
    until([] { return told_signo.load() != 0; });
    EXPECT_EQ(told_signo, SIGUSR1);
    EXPECT_EQ(told_pid, ::getpid());
    evl_close(signal);
    EXPECT_TRUE(current(SIGUSR1).sa_flags & SA_SIGINFO);
}

TEST(Signal, Contract_07_DefaultAndIgnoreAreNotChainedToButRestored) {
    for (auto handler : {SIG_IGN, SIG_DFL}) {
        Disposition mine(SIGUSR1, handler);
        World w;
        w.signal(SIGUSR1, w.says("w"));
        raise(SIGUSR1); // its default would end the process
        w.nowait();
        EXPECT_EQ(w.log(), "w");
        w.destroy(); // as good as a close
        EXPECT_EQ(current(SIGUSR1).sa_handler, handler);
    }
}

TEST(Signal, Contract_07_AHandlerThatSomebodyElseInstalledSinceIsLeftAlone) {
    Disposition before(SIGUSR1, SIG_IGN);
    World w;
    evl_signal *signal = w.signal(SIGUSR1, w.says("w"));
    {
        Disposition theirs(SIGUSR1, count_chained);
        evl_close(signal);
        EXPECT_EQ(current(SIGUSR1).sa_handler, count_chained);
    } // takes theirs away, and what it found there was ours
    raise(SIGUSR1);
    w.signal(SIGUSR1, w.says("again"));
    raise(SIGUSR1);
    w.nowait();
    EXPECT_EQ(w.log(), "again");
    w.destroy(); // now it can be removed
    EXPECT_EQ(current(SIGUSR1).sa_handler, SIG_IGN);
}

TEST(Signal, Contract_07_AWatcherAfterSomebodyElsesHandlerIsGone) {
    Disposition before(SIGUSR1, SIG_IGN);
    World w;
    evl_signal *signal = w.signal(SIGUSR1, [] {});
    {
        Disposition theirs(SIGUSR1, SIG_DFL); // not a handler that could call ours
        evl_close(signal);
        EXPECT_EQ(current(SIGUSR1).sa_handler, SIG_DFL);
        w.signal(SIGUSR1, w.says("again"));
        raise(SIGUSR1); // its default would end the process
        w.nowait();
        EXPECT_EQ(w.log(), "again");
        w.destroy();
        EXPECT_EQ(current(SIGUSR1).sa_handler, SIG_DFL);
    }
}

TEST(Signal, Contract_07_NothingButTheWatchedSignalIsTouched) {
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, nullptr, &before);
    void (*handlers[NSIG])(int) = {};
    for (int signo = 1; signo < NSIG; signo++)
        handlers[signo] = current(signo).sa_handler;
    World w;
    w.signal(SIGUSR1, [] {});
    for (int signo = 1; signo < NSIG; signo++)
        EXPECT_EQ(current(signo).sa_handler == handlers[signo], signo != SIGUSR1) << signo;
    EXPECT_TRUE(current(SIGUSR1).sa_flags & SA_RESTART); // the program's system calls are not interrupted
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (int signo = 1; signo < NSIG; signo++)
        EXPECT_EQ(sigismember(&before, signo), sigismember(&after, signo)); // nor is anything blocked
}

TEST(Signal, Contract_07_ErrnoSurvivesTheHandler) {
    Sys sys;
    World w;
    w.signal(SIGUSR1, [] {});
    sys.fail(Call::write, EAGAIN, 0, 1000);
    errno = 77;
    raise(SIGUSR1);
    EXPECT_EQ(errno, 77);
    w.nowait();
}

TEST(Signal, BadInput) {
    World w;
    evl_signal *out = nullptr;
    for (int signo : {0, -1, NSIG, 1000, SIGKILL, SIGSTOP})
        EXPECT_EQ(evl_signal_new(w.loop, signo, nullptr, nullptr, &out), EVL_EINVAL) << signo;
    EXPECT_EQ(evl_signal_new(nullptr, SIGUSR1, nullptr, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_signal_new(w.loop, SIGUSR1, nullptr, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_signal_number(nullptr), EVL_EINVAL);
    EXPECT_EQ(out, nullptr);
    EXPECT_EQ(current(SIGUSR1).sa_handler, SIG_DFL);
}

TEST(Signal, WhenTheHandlerCannotBeInstalledNothingIsLeft) {
    Sys sys;
    World w;
    evl_signal *out = nullptr;
    sys.fail(Call::sigaction, EINVAL);
    EXPECT_EQ(evl_signal_new(w.loop, SIGUSR1, nullptr, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(out, nullptr);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
    w.signal(SIGUSR1, w.says("signal")); // and the next one works
    raise(SIGUSR1);
    w.nowait();
    EXPECT_EQ(w.log(), "signal");
}

// Handlers on other threads are in flight while watchers and whole loops come and go.
void signals_race_with_close() {
    Disposition ignored(SIGUSR1, SIG_IGN); // for the moments when nobody watches
    std::atomic<bool> done{false};
    std::jthread sender([&] {
        while (!done)
            pthread_kill(pthread_self(), SIGUSR1);
    });
    for (int i = 0; i < (slow() ? 50 : 300); i++) {
        World w;
        evl_signal *signal = w.signal(SIGUSR1, [] {});
        evl_signal *other = w.signal(SIGUSR1, [] {});
        w.nowait();
        evl_close(signal);
        w.nowait();
        if (i % 2)
            evl_close(other);
        w.destroy();
    }
    done = true;
}

TEST(Signal, Contract_07_HandlersInFlightWhileLoopsGo) { signals_race_with_close(); }

// The last wait goes with a signal that came before the watcher, which has joined its subscription by then.
TEST(Signal, AWatcherIsMadeWhileTheSignalOfAWaitIsUndelivered) {
    Disposition counting(SIGUSR1, count_chained);
    World w;
    chained = 0;
    auto counted = [&] { return [&w](int64_t n) { w.note("wait x" + std::to_string(n)); }; };
    EXPECT_EQ(evl_wait_signal(w.loop, w.op(counted()), SIGUSR1), 0);
    raise(SIGUSR1);
    evl_signal *signal = w.signal(SIGUSR1, counts(w, "watcher x"));
    w.nowait();
    EXPECT_EQ(w.log(), "wait x1");
    raise(SIGUSR1);
    w.nowait();
    EXPECT_EQ(w.log(), "wait x1 watcher x1");
    EXPECT_NE(current(SIGUSR1).sa_handler, count_chained);
    evl_close(signal);
    EXPECT_EQ(current(SIGUSR1).sa_handler, count_chained);
    EXPECT_EQ(chained, 2);
}

TEST(Signal, AWaitReportsOnlyWhatComesAfterItsStart) {
    World w;
    evl_signal *signal = w.signal(SIGUSR1, counts(w, "watcher x"));
    raise(SIGUSR1);
    evl_op *op = w.op([&](int64_t n) { w.note("wait x" + std::to_string(n)); });
    EXPECT_EQ(evl_wait_signal(w.loop, op, SIGUSR1), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "watcher x1");
    raise(SIGUSR1);
    w.nowait();
    EXPECT_EQ(w.log(), "watcher x1 watcher x1 wait x1");
    evl_close(signal);
}

TEST(Signal, LoopsOnThreadsWatchTheSameSignal) {
    std::vector<std::jthread> threads;
    std::atomic<int> ready{0}, heard{0};
    for (int t = 0; t < 3; t++)
        threads.emplace_back([&] {
            World w;
            evl_keep_alive(w.signal(SIGUSR2, [&] { heard++, evl_stop(w.loop, 5); }), 1);
            ready++;
            EXPECT_EQ(w.forever(), 5);
            until([&] { return heard == 3; });
        });
    until([&] { return ready == 3; });
    ::kill(::getpid(), SIGUSR2);
    for (auto &thread : threads)
        thread.join();
    EXPECT_EQ(heard, 3);
}

// The kernel looks at the handler alone: SIG_IGN and SIG_DFL are no functions, whatever the flags say.
TEST(Signal, WhatIsIgnoredWithSiginfoIsNotCalled) {
    for (auto previous : {SIG_IGN, SIG_DFL}) {
        struct sigaction action{};
        action.sa_handler = previous;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        Disposition disposition(SIGUSR1, action);
        World w;
        w.signal(SIGUSR1, counts(w, "x"));
        raise(SIGUSR1);
        w.nowait();
        EXPECT_EQ(w.log(), "x1");
        w.destroy();
        EXPECT_EQ(current(SIGUSR1).sa_handler, previous);
    }
}

// --- traps
// ----------------------------------------------------------------------------------------------------------------

TEST(Trap, Trap_10_TheHandlerRunsOnAnyThread) {
    World w;
    w.signal(SIGUSR1, counts(w, "x"));
    on_thread([] {
        errno = 33;
        for (int i = 0; i < 3; i++)
            pthread_kill(pthread_self(), SIGUSR1);
        EXPECT_EQ(errno, 33);
    });
    w.nowait();
    EXPECT_EQ(w.log(), "x3");
    signals_race_with_close();
}

TEST(Trap, Trap_11_NothingHasToBeBlocked) {
    World w;
    w.signal(SIGUSR1, w.says("signal"));
    sigset_t mask;
    on_thread([&] {
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
    });
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
    raise(SIGUSR1);
    w.nowait();
    EXPECT_EQ(w.log(), "signal");
}

} // namespace
