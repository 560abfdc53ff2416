// asyncio_thread_test.cpp - executors, and two loops on two threads, as asyncio has them; the numbers are
// those of docs/asyncio.md.
#include "../asyncio/async.hpp"

#include <atomic>
#include <semaphore>
#include <thread>

using namespace support;

namespace {

// A job that says that it has begun, and returns when it may.
struct Job {
    std::binary_semaphore begun{0}, may_end{0};
    std::atomic<int> runs{0}, drops{0};

    static void run(void *arg) {
        auto *job = static_cast<Job *>(arg);
        job->runs++;
        job->begun.release();
        job->may_end.acquire();
    }
    static void drop(void *arg) { static_cast<Job *>(arg)->drops++; }

    int32_t submit(World &w, evl_executor *executor, evl_op *op) {
        return evl_executor_submit(executor, w.loop, op, run, this, drop, 0);
    }
};

evl_executor *pool(World &w, uint32_t threads) {
    evl_executor *executor = nullptr;
    EXPECT_EQ(evl_executor_new(w.loop, threads, EVL_UNBOUNDED, "asyncio", &executor), 0);
    return executor;
}

evl_executor_info stats(evl_executor *executor) {
    evl_executor_info info{};
    info.struct_size = sizeof info;
    EXPECT_EQ(evl_executor_stats(executor, &info), 0);
    return info;
}

TEST(Asyncio, Asyncio_027_AJobRunsElsewhereAndEndsHere) {
    World w;
    std::thread::id ran, told;
    auto job = [](void *arg) { *static_cast<std::thread::id *>(arg) = std::this_thread::get_id(); };
    evl_op *op = w.op([&](int64_t rc) {
        w.note("done" + std::to_string(rc));
        told = std::this_thread::get_id();
    });
    EXPECT_EQ(evl_executor_submit(nullptr, w.loop, op, job, &ran, nullptr, 0), 0);
    w.run();
    EXPECT_EQ(w.log(), "done0");
    EXPECT_NE(ran, std::thread::id());
    EXPECT_NE(ran, told);
    EXPECT_EQ(told, std::this_thread::get_id());
}

TEST(Asyncio, Asyncio_027_AJobThatHasNotBegunIsCancelled) {
    World w;
    evl_executor *executor = pool(w, 1);
    Job running, queued;
    evl_op *first = says_result(w, "first"), *second = says_result(w, "second");
    EXPECT_EQ(running.submit(w, executor, first), 0);
    running.begun.acquire();
    EXPECT_EQ(queued.submit(w, executor, second), 0);
    EXPECT_EQ(evl_op_cancel(second), 1);
    running.may_end.release();
    w.run();
    EXPECT_EQ(w.log(), "second-125 first");
    EXPECT_EQ(queued.runs, 0);
    EXPECT_EQ(queued.drops, 1);
    EXPECT_EQ(running.drops, 0); // what it left is for who waited
    EXPECT_EQ(stats(executor).canceled, 1u);
    EXPECT_EQ(evl_executor_close(executor, EVL_CLOSE_DRAIN, -1), 0);
}

TEST(Asyncio, Asyncio_027_ALateResultIsDropped) {
    World w;
    evl_executor *executor = pool(w, 1);
    Job job;
    evl_op *op = says_result(w, "op");
    EXPECT_EQ(job.submit(w, executor, op), 0);
    job.begun.acquire();
    EXPECT_EQ(evl_op_cancel(op), 1);
    w.nowait();
    EXPECT_EQ(w.log(), "op-125"); // at once, and the job goes on
    EXPECT_EQ(job.drops, 0);
    job.may_end.release();
    EXPECT_EQ(evl_executor_close(executor, EVL_CLOSE_DRAIN, -1), 0);
    until([&] {
        w.nowait();
        return job.drops > 0;
    });
    EXPECT_EQ(w.log(), "op-125");
    EXPECT_EQ(job.drops, 1);
}

TEST(Asyncio, Asyncio_027_AResultAfterTheLoopHasGoneIsDropped) {
    World w;
    Job job;
    EXPECT_EQ(job.submit(w, nullptr, says_result(w, "never")), 0);
    job.begun.acquire();
    EXPECT_EQ(w.destroy(), 0); // does not wait for it
    EXPECT_EQ(job.drops, 0);
    job.may_end.release();
    until([&] { return job.drops == 1; });
    EXPECT_EQ(w.log(), "");
    until([&] { return w.memory.bytes() == 0; });
}

TEST(Asyncio, Asyncio_028_ClosingAnExecutorWaitsForItsJobsOrTheTime) {
    World w;
    evl_executor *executor = pool(w, 1);
    Job stuck, queued, drained;
    EXPECT_EQ(stuck.submit(w, executor, says_result(w, "stuck")), 0);
    stuck.begun.acquire();
    EXPECT_EQ(queued.submit(w, executor, says_result(w, "queued")), 0);
    EXPECT_EQ(evl_executor_close(executor, EVL_CLOSE_DRAIN, ms), EVL_ETIMEDOUT);
    stuck.may_end.release();
    w.run();
    EXPECT_EQ(w.log(), "queued-125 stuck"); // what has not begun never will, the other one still tells
    EXPECT_EQ(queued.runs, 0);
    EXPECT_EQ(queued.drops, 1);

    executor = pool(w, 1);
    for (Job *job : {&drained, &queued}) {
        EXPECT_EQ(job->submit(w, executor, says_result(w, "drained")), 0);
        job->may_end.release();
    }
    EXPECT_EQ(evl_executor_close(executor, EVL_CLOSE_DRAIN, -1), 0);
    w.clear();
    w.run();
    EXPECT_EQ(w.log(), "drained drained");
    EXPECT_EQ(w.destroy(), 0);
    until([&] { return w.memory.bytes() == 0; }); // the thread that was left behind has gone too
}

// A loop on a thread of its own, with a future, until the test is over.
struct Far {
    World w{{.clock = EVL_CLOCK_REAL}};
    Future future{w};
    std::thread thread;

    Far() {
        evl_loop_hold(w.loop);
        thread = std::thread([this] { w.run(); });
    }
    Far(const Far &) = delete;
    ~Far() { end(); }
    void end() {
        if (!thread.joinable())
            return;
        evl_loop_unhold(w.loop);
        evl_wake(w.loop);
        thread.join();
    }
    // The state of the future after what was posted to its thread so far.
    std::string outcome() {
        end();
        return future.outcome();
    }
};

Future across(World &w, evl_future *other) {
    evl_future *out = nullptr;
    EXPECT_EQ(evl_future_across(w.loop, other, &out), 0);
    return Future(out);
}

TEST(Asyncio, Asyncio_029_AnOutcomeCrossesThreads) {
    for (int64_t result : {int64_t{7}, int64_t{EVL_EIO}, int64_t{EVL_ECANCELED}}) {
        World w({.clock = EVL_CLOCK_REAL});
        evl_loop_hold(w.loop);
        Far far;
        Future here = across(w, far.future);
        bool told = false;
        on_done(w, here, [&] { told = true; });
        EXPECT_EQ(evl_future_post(far.future, result), 0);
        while (!told)
            w.once();
        EXPECT_EQ(here.outcome(), result == 7               ? "value 7"
                                  : result == EVL_ECANCELED ? "cancelled"
                                                            : "error " + std::to_string(result));
        evl_loop_unhold(w.loop);
    }
}

TEST(Asyncio, Asyncio_029_ACancellationCrossesBack) {
    World w({.clock = EVL_CLOCK_REAL});
    Far far;
    Future here = across(w, far.future);
    EXPECT_EQ(here.cancel(), 1);
    EXPECT_EQ(here.outcome(), "cancelled"); // this end at once
    EXPECT_EQ(far.outcome(), "cancelled");
    w.nowait();
    EXPECT_EQ(here.outcome(), "cancelled");
}

TEST(Asyncio, Asyncio_029_ALoopThatIsGoneIsNotTold) {
    World w({.clock = EVL_CLOCK_REAL});
    Far far;
    across(w, far.future).drop();
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(evl_future_post(far.future, 3), 0);
    EXPECT_EQ(far.outcome(), "value 3");
}

} // namespace
