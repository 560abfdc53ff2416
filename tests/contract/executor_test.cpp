// executor_test.cpp - pools of threads: jobs that never return, bounds, closing, and loops that go first.
#include "sandbox.hpp"
#include "world.hpp"

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <thread>

using namespace support;

namespace {

// Jobs that begin, and end when the test says so.
struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool is_open = false;
    int begun = 0;
    std::atomic<int> dropped = 0;

    static void job(void *arg) {
        auto *gate = static_cast<Gate *>(arg);
        std::unique_lock lock(gate->mutex);
        gate->begun++;
        gate->changed.notify_all();
        gate->changed.wait(lock, [&] { return gate->is_open; });
    }
    static void drop(void *arg) { static_cast<Gate *>(arg)->dropped++; }
    void wait_begun(int n) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return begun >= n; });
    }
    void open() {
        std::lock_guard lock(mutex);
        is_open = true;
        changed.notify_all();
    }
};

void quick(void *arg) { ++*static_cast<std::atomic<int> *>(arg); }

evl_executor *pool_of(World &w, uint32_t threads, uint32_t limit) {
    evl_executor *pool = nullptr;
    EXPECT_EQ(evl_executor_new(w.loop, threads, limit, "a pool with a long name", &pool), 0);
    return pool;
}

evl_executor_info info_of(evl_executor *pool) {
    evl_executor_info i{};
    i.struct_size = sizeof i;
    EXPECT_EQ(evl_executor_stats(pool, &i), 0);
    return i;
}

struct Scene {
    int before = threads();
    World w{{.clock = EVL_CLOCK_REAL}};
    Gate gate;
    std::vector<int64_t> results;
    evl_op *op() {
        return w.op([this](int64_t rc) { results.push_back(rc); });
    }
    int32_t submit(evl_executor *pool, evl_op *op, uint32_t flags = 0) {
        return evl_executor_submit(pool, w.loop, op, Gate::job, &gate, Gate::drop, flags);
    }
    // A thread that was left behind frees what it needs, and ends.
    void all_gone() {
        until([this] { return threads() <= before; });
        (void)w.memory.bytes(); // locks: what they did is seen from here on
    }
    void pump(size_t n) {
        while (results.size() < n)
            w.once();
    }
};

TEST(Executor, BadInput) {
    Scene t;
    evl_executor *pool = nullptr, *ours = pool_of(t.w, 1, 1);
    evl_op *op = t.op();
    evl_executor_info i{};
    EXPECT_EQ(evl_executor_new(nullptr, 1, 0, nullptr, &pool), EVL_EINVAL);
    EXPECT_EQ(evl_executor_new(t.w.loop, 0, 0, nullptr, &pool), EVL_EINVAL);
    EXPECT_EQ(evl_executor_new(t.w.loop, 1, 0, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_executor_submit(ours, t.w.loop, op, nullptr, &t, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_executor_submit(ours, nullptr, op, quick, &t, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_executor_submit(ours, t.w.loop, nullptr, quick, &t, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_executor_submit(ours, t.w.loop, op, quick, &t, nullptr, 2), EVL_EINVAL);
    EXPECT_EQ(evl_executor_close(ours, 2, 0), EVL_EINVAL);
    EXPECT_EQ(evl_executor_close(nullptr, EVL_CLOSE_DRAIN, -1), 0);
    EXPECT_EQ(evl_executor_stats(nullptr, &i), EVL_EINVAL);
    EXPECT_EQ(evl_executor_stats(ours, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_executor_stats(ours, &i), EVL_EINVAL) << "no struct_size";
    EXPECT_EQ(info_of(ours).accepted, 0u);
    EXPECT_EQ(info_of(ours).threads, 0u) << "none that nobody asked for";
    EXPECT_EQ(evl_executor_close(ours, EVL_CLOSE_DRAIN, -1), 0);
}

TEST(Executor, RunsJobsAndTellsTheLoop) {
    Scene t;
    std::atomic<int> ran = 0;
    for (uint32_t limit : {1000u, EVL_UNBOUNDED}) {
        ran = 0;
        t.results.clear();
        evl_executor *pool = pool_of(t.w, 4, limit);
        for (int i = 0; i < 500; i++)
            ASSERT_EQ(evl_executor_submit(pool, t.w.loop, t.op(), quick, &ran, Gate::drop, 0), 0);
        EXPECT_TRUE(t.results.empty()) << "never inside";
        t.w.run(); // a job keeps the loop alive
        EXPECT_EQ(t.results, std::vector<int64_t>(500, 0));
        EXPECT_EQ(ran, 500);
        EXPECT_EQ(info_of(pool).accepted, 500u);
        EXPECT_EQ(info_of(pool).finished, 500u);
        EXPECT_LE(info_of(pool).threads, 4u);
        EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
    }
}

TEST(Executor, ThreadsHaveTheNameAndNoSignals) {
    struct Seen {
        char name[16] = {};
        bool blocked = false;
    } seen;
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 1);
    auto look = [](void *arg) {
        auto *seen = static_cast<Seen *>(arg);
        pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        seen->blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1;
    };
    ASSERT_EQ(evl_executor_submit(pool, t.w.loop, t.op(), look, &seen, nullptr, 0), 0);
    t.pump(1);
    EXPECT_STREQ(seen.name, "a pool with a l");
    EXPECT_TRUE(seen.blocked);
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

// Cancel, deadline and close of a job that never returns are prompt, and what it leaves is dropped once.
TEST(Executor, AJobThatNeverReturns) {
    Scene t;
    evl_executor *pool = pool_of(t.w, 3, 0);
    evl_op *cancelled = t.op(), *late = t.op(), *closed = t.op();
    for (evl_op *op : {cancelled, late, closed})
        ASSERT_EQ(t.submit(pool, op), 0);
    t.gate.wait_begun(3);
    EXPECT_EQ(evl_op_cancel(cancelled), 1);
    EXPECT_EQ(evl_op_deadline(late, 0), 0);
    EXPECT_EQ(evl_op_close(closed), 0);
    t.pump(2);
    EXPECT_EQ(t.results, (std::vector<int64_t>{EVL_ECANCELED, EVL_ETIMEDOUT}));
    t.w.run();
    EXPECT_EQ(evl_loop_alive(t.w.loop), 0) << "it waits for nobody";
    EXPECT_EQ(info_of(pool).running, 3u);
    EXPECT_EQ(t.gate.dropped, 0) << "the jobs still use it";
    t.gate.open();
    until([&] { return info_of(pool).late == 3; });
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
    until([&] {
        t.w.nowait();
        return t.gate.dropped == 3;
    });
    t.w.run();
    EXPECT_EQ(t.gate.dropped, 3);
    EXPECT_EQ(t.results.size(), 2u);
}

TEST(Executor, AbandonedWhileAJobRuns) {
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 5);
    ASSERT_EQ(t.submit(pool, t.op()), 0);
    t.gate.wait_begun(1);
    ASSERT_EQ(t.submit(pool, t.op()), 0); // waits for the thread
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_ABANDON, 0), EVL_ETIMEDOUT);
    t.pump(1);
    EXPECT_EQ(t.results, std::vector<int64_t>{EVL_ECANCELED}) << "the one that had not begun";
    t.w.nowait();
    EXPECT_EQ(t.gate.dropped, 1);
    t.gate.open(); // the other one is still wanted
    t.pump(2);
    EXPECT_EQ(t.results.back(), 0);
    EXPECT_EQ(t.gate.dropped, 1);
    t.all_gone();
}

TEST(Executor, DrainedWithAndWithoutTime) {
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 5);
    for (int i = 0; i < 3; i++)
        ASSERT_EQ(t.submit(pool, t.op()), 0);
    t.gate.open();
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
    EXPECT_TRUE(t.results.empty()) << "delivered by the loop, as ever";
    t.pump(3);
    EXPECT_EQ(t.results, std::vector<int64_t>(3, 0));

    Scene slow_one;
    pool = pool_of(slow_one.w, 1, 5);
    for (int i = 0; i < 3; i++)
        ASSERT_EQ(slow_one.submit(pool, slow_one.op()), 0);
    slow_one.gate.wait_begun(1);
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, ms), EVL_ETIMEDOUT);
    slow_one.pump(2);
    EXPECT_EQ(slow_one.results, std::vector<int64_t>(2, EVL_ECANCELED));
    slow_one.gate.open();
    slow_one.pump(3);
    EXPECT_EQ(slow_one.results.back(), 0);
    slow_one.all_gone();
}

TEST(Executor, FullAnswersOrWaits) {
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 1);
    ASSERT_EQ(t.submit(pool, t.op()), 0);
    t.gate.wait_begun(1);
    ASSERT_EQ(t.submit(pool, t.op()), 0);
    evl_op *full = t.op();
    EXPECT_EQ(t.submit(pool, full), EVL_EAGAIN);
    EXPECT_EQ(evl_op_active(full), 0);
    EXPECT_EQ(t.submit(pool, full, EVL_SUBMIT_WAIT), 0);
    EXPECT_EQ(t.submit(pool, full, EVL_SUBMIT_WAIT), EVL_EBUSY);
    EXPECT_EQ(info_of(pool).queued, 2u);
    t.gate.open();
    t.pump(3);
    EXPECT_EQ(t.gate.dropped, 0) << "all were delivered, and refused ones are the caller's";
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

// A thread that has told of its job is free for the next one.
TEST(Executor, WithoutAQueueAFreeThreadTakesTheNextJob) {
    Scene t;
    std::atomic<int> ran = 0;
    evl_executor *pool = pool_of(t.w, 1, 0);
    int64_t n = slow() ? 200 : 3000;
    for (int64_t i = 1; i <= n; i++) {
        ASSERT_EQ(evl_executor_submit(pool, t.w.loop, t.op(), quick, &ran, nullptr, 0), 0) << i;
        t.pump(static_cast<size_t>(i));
    }
    EXPECT_EQ(ran, n);
    EXPECT_EQ(info_of(pool).threads, 1u);
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

TEST(Executor, OneThatHasNotBegunNeverRuns) {
    Scene t;
    std::atomic<int> ran = 0;
    evl_executor *pool = pool_of(t.w, 1, 10);
    ASSERT_EQ(t.submit(pool, t.op()), 0);
    t.gate.wait_begun(1);
    evl_op *op = t.op();
    ASSERT_EQ(evl_executor_submit(pool, t.w.loop, op, quick, &ran, nullptr, 0), 0);
    EXPECT_EQ(evl_op_cancel(op), 1);
    EXPECT_EQ(info_of(pool).canceled, 1u);
    t.gate.open();
    t.pump(2);
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
    EXPECT_EQ(ran, 0);
}

TEST(Executor, TheLoopIsGoneBeforeTheJobIsDone) {
    for (int order = 0; order < 2; order++) {
        Scene t;
        evl_executor *pool = pool_of(t.w, 1, 1);
        ASSERT_EQ(t.submit(pool, t.op()), 0);
        t.gate.wait_begun(1);
        ASSERT_EQ(t.submit(pool, t.op()), 0);
        EXPECT_EQ(t.w.close(), EVL_EBUSY);
        EXPECT_EQ(t.w.destroy(), 0) << "promptly";
        EXPECT_EQ(t.gate.dropped, 1) << "the one that had not begun";
        if (order == 0)
            t.gate.open();
        int32_t rc = evl_executor_close(pool, EVL_CLOSE_ABANDON, 0);
        EXPECT_TRUE(rc == 0 || rc == EVL_ETIMEDOUT);
        t.gate.open();
        until([&] { return t.gate.dropped == 2; }); // on the job's thread
        t.all_gone();
        EXPECT_TRUE(t.results.empty());
    }
}

TEST(Executor, Contract_12_ALateResultDoesNotHoldUpTheEnd) {
    Gate next;
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 1);
    evl_op *late = t.op(), *later = t.op();
    ASSERT_EQ(t.submit(pool, late), 0);
    t.gate.wait_begun(1);
    EXPECT_EQ(evl_op_close(late), 0);
    ASSERT_EQ(evl_executor_submit(pool, t.w.loop, later, Gate::job, &next, Gate::drop, 0), 0);
    t.gate.open();
    next.wait_begun(1); // and so the first has been handed to the loop, which has not looked
    EXPECT_EQ(evl_op_close(later), 0);
    EXPECT_EQ(t.gate.dropped, 0);
    EXPECT_EQ(evl_loop_blockers(t.w.loop, nullptr, 0), 0);
    EXPECT_EQ(t.w.close(), 0);
    EXPECT_EQ(t.gate.dropped, 1);
    next.open();
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, INT64_MAX), 0);
    until([&] { return next.dropped == 1; });
    t.all_gone();
}

// The threads stay with the parent: what they worked on ends in a repaired child, which starts its own.
TEST(Executor, Contract_11_AChildHearsThatNobodyWorksForIt) {
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 1);
    std::atomic<int> ran = 0;
    ASSERT_EQ(evl_executor_submit(nullptr, t.w.loop, t.op(), quick, &ran, nullptr, 0), 0);
    t.pump(1);
    t.results.clear();
    ASSERT_EQ(t.submit(pool, t.op()), 0);
    t.gate.wait_begun(1);
    ASSERT_EQ(t.submit(pool, t.op()), 0);
    in_child([&] {
        ASSERT_EQ(evl_loop_fork(t.w.loop), 0);
        t.pump(2);
        EXPECT_EQ(t.results, (std::vector<int64_t>{EVL_EFORK, EVL_EFORK}));
        t.w.run();
        EXPECT_EQ(t.gate.dropped, 2);
        EXPECT_EQ(t.submit(pool, t.op()), EVL_EFORK);
        EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
        if (child_may_start_threads) {
            ASSERT_EQ(evl_executor_submit(nullptr, t.w.loop, t.op(), quick, &ran, nullptr, 0), 0);
            t.pump(3);
            EXPECT_EQ(t.results[2], 0);
            EXPECT_EQ(ran, 2);
        }
        EXPECT_EQ(t.w.close(), 0);
    });
    t.gate.open();
    t.pump(2);
    EXPECT_EQ(t.results, (std::vector<int64_t>{0, 0}));
    EXPECT_EQ(t.gate.dropped, 0);
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

TEST(Executor, TheDefaultPoolGoesWithItsLoop) {
    std::atomic<int> ran = 0;
    {
        Scene t;
        for (int i = 0; i < 50; i++)
            ASSERT_EQ(evl_executor_submit(nullptr, t.w.loop, t.op(), quick, &ran, nullptr, 0), 0);
        t.pump(50);
        EXPECT_EQ(t.w.close(), 0);
    }
    Scene t;
    ASSERT_EQ(t.submit(nullptr, t.op()), 0);
    t.gate.wait_begun(1);
    EXPECT_EQ(t.w.destroy(), 0) << "promptly";
    t.gate.open();
    until([&] { return t.gate.dropped == 1; });
    t.all_gone();
}

TEST(Executor, ServesSeveralLoopsOnSeveralThreads) {
    Scene home;
    evl_executor *pool = pool_of(home.w, 4, EVL_UNBOUNDED);
    std::atomic<int> ran = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&] {
            Scene t;
            for (int k = 0; k < 100; k++)
                EXPECT_EQ(evl_executor_submit(pool, t.w.loop, t.op(), quick, &ran, nullptr, 0), 0);
            t.pump(100);
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(ran, 300);
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

TEST(Executor, InAFuture) {
    Scene t;
    std::atomic<int> ran = 0;
    evl_future *f = nullptr;
    ASSERT_EQ(evl_future_new(t.w.loop, &f), 0);
    ASSERT_EQ(evl_executor_submit(nullptr, t.w.loop, evl_future_op(f), quick, &ran, nullptr, 0), 0);
    while (evl_future_state(f) == EVL_FUTURE_PENDING)
        t.w.once();
    EXPECT_EQ(evl_future_value(f, nullptr), 0);
    EXPECT_EQ(ran, 1);
    evl_future_unref(f);
}

TEST(Executor, Contract_11_InAForkedChild) {
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 5);
    evl_op *running = t.op();
    ASSERT_EQ(t.submit(pool, running), 0);
    t.gate.wait_begun(1);
    {
        Child child([&] {
            EXPECT_EQ(t.submit(pool, t.op()), EVL_EFORK);
            EXPECT_EQ(evl_op_cancel(running), 1);
            EXPECT_EQ(evl_loop_fork(t.w.loop), 0);
            EXPECT_EQ(t.submit(pool, t.op()), EVL_EFORK) << "its threads are the parent's";
            t.w.nowait();
            EXPECT_EQ(t.results, std::vector<int64_t>{EVL_ECANCELED});
            EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0) << "at once";
            EXPECT_EQ(t.w.destroy(), 0);
        });
    }
    t.gate.open();
    t.pump(1);
    EXPECT_EQ(t.results, std::vector<int64_t>{0}) << "the parent is untouched";
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

TEST(Executor, OutOfMemoryChangesNothing) {
    Scene t;
    std::atomic<int> ran = 0;
    evl_executor *pool = pool_of(t.w, 1, 5);
    evl_op *op = t.op();
    for (uint64_t nth = 1; nth <= 2; nth++) {
        t.w.memory.fail(nth);
        EXPECT_EQ(evl_executor_submit(pool, t.w.loop, op, quick, &ran, Gate::drop, 0), EVL_ENOMEM);
        t.w.memory.fail(0);
        EXPECT_EQ(evl_op_active(op), 0);
        EXPECT_EQ(evl_loop_alive(t.w.loop), 0);
    }
    ASSERT_EQ(evl_executor_submit(pool, t.w.loop, op, quick, &ran, nullptr, 0), 0);
    t.pump(1);
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

// A loop may be closed as soon as it has the job of a pool that is not its own, whose thread is then done
// with it; and as soon as a thread has released its hold.
TEST(Executor, TheLoopIsClosedOnceItHasTheJob) {
    Scene t;
    evl_executor *pool = pool_of(t.w, 1, 1);
    std::atomic<int> ran = 0;
    for (int i = 0; i < (slow() ? 100 : 1000); i++) {
        World other({.clock = EVL_CLOCK_REAL});
        ASSERT_EQ(evl_executor_submit(pool, other.loop, other.op([] {}), quick, &ran, nullptr, 0), 0);
        while (evl_loop_alive(other.loop))
            ASSERT_GE(other.nowait(), 0);
        EXPECT_EQ(other.close(), 0);
    }
    for (int i = 0; i < (slow() ? 100 : 1000); i++) {
        World other({.clock = EVL_CLOCK_REAL});
        EXPECT_EQ(evl_loop_hold(other.loop), 0);
        std::thread holder([loop = other.loop] { EXPECT_EQ(evl_loop_unhold(loop), 0); });
        while (evl_loop_alive(other.loop))
            ASSERT_GE(other.nowait(), 0);
        EXPECT_EQ(other.close(), 0);
        holder.join();
    }
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

// The loop of a job is gone when the job returns: its drop runs on the pool's thread, which is as busy with
// it as with the job. It may close the pool.
TEST(Executor, ADropThatClosesItsPool) {
    for (int64_t timeout : {int64_t{-1}, int64_t{0}}) {
        struct State {
            Gate gate;
            evl_executor *pool = nullptr;
            int64_t timeout = 0;
            std::atomic<int32_t> closed = 1;
            evl_executor_info during{};
        } state;
        int before = threads();
        World home({.clock = EVL_CLOCK_REAL}), w({.clock = EVL_CLOCK_REAL});
        state.timeout = timeout;
        ASSERT_EQ(evl_executor_new(home.loop, 1, 1, nullptr, &state.pool), 0);
        auto job = [](void *arg) { Gate::job(&static_cast<State *>(arg)->gate); };
        auto drop = [](void *arg) {
            auto *s = static_cast<State *>(arg);
            s->during = info_of(s->pool);
            s->closed = evl_executor_close(s->pool, EVL_CLOSE_ABANDON, s->timeout);
        };
        ASSERT_EQ(evl_executor_submit(state.pool, w.loop, w.op([] {}), job, &state, drop, 0), 0);
        state.gate.wait_begun(1);
        EXPECT_EQ(w.destroy(), 0);
        state.gate.open();
        until([&] { return state.closed != 1; });
        EXPECT_EQ(state.during.running, 1u);
        EXPECT_EQ(state.closed, timeout < 0 ? EVL_EDEADLK : EVL_ETIMEDOUT);
        if (timeout < 0) {
            EXPECT_EQ(evl_executor_close(state.pool, EVL_CLOSE_DRAIN, -1), 0);
        }
        until([&] { return threads() <= before; });
        (void)home.memory.bytes();
        (void)w.memory.bytes();
    }
}

TEST(Executor, AJobThatClosesItsOwnPoolDoesNotWaitForItself) {
    World w({.clock = EVL_CLOCK_REAL});
    static evl_executor *pool;
    static std::atomic<int32_t> closed;
    ASSERT_EQ(evl_executor_new(w.loop, 1, 1, nullptr, &pool), 0);
    for (int32_t how : {EVL_CLOSE_DRAIN, EVL_CLOSE_ABANDON}) {
        static int32_t given;
        given = how;
        auto job = [](void *) { closed = evl_executor_close(pool, given, -1); };
        ASSERT_EQ(evl_executor_submit(pool, w.loop, w.op(w.says("done")), job, nullptr, nullptr, 0), 0);
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(closed, EVL_EDEADLK);
    }
    EXPECT_EQ(w.log(), "done done");
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

} // namespace
