// executor_wait_test.cpp - how long jobs wait for a thread, and the figures of the loop's own pool.
#include "world.hpp"

#include <semaphore>
#include <time.h>

using namespace support;

namespace {

struct Gate {
    std::binary_semaphore entered{0}, open{0};
    static void job(void *arg) {
        auto *gate = static_cast<Gate *>(arg);
        gate->entered.release();
        gate->open.acquire();
    }
};

void quick(void *) {}

int64_t real_now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * sec + t.tv_nsec;
}

TEST(ExecutorWait, JobsBehindABusyThread) {
    World w({.clock = EVL_CLOCK_REAL});
    evl_executor *pool = nullptr;
    evl_executor_info info{};
    info.struct_size = sizeof info;
    ASSERT_EQ(evl_executor_new(w.loop, 1, EVL_UNBOUNDED, nullptr, &pool), 0);
    Gate gate;
    int done = 0;
    auto op = [&] { return w.op([&](int64_t) { done++; }); };
    EXPECT_EQ(evl_executor_submit(pool, w.loop, op(), Gate::job, &gate, nullptr, 0), 0);
    gate.entered.acquire();
    EXPECT_EQ(evl_executor_stats(pool, &info), 0);
    EXPECT_EQ(info.wait_ns, info.wait_max_ns) << "of the first";
    uint64_t before = info.wait_ns;
    int64_t begin = real_now();
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(evl_executor_submit(pool, w.loop, op(), quick, nullptr, nullptr, 0), 0);
    int64_t submitted = real_now();
    EXPECT_EQ(evl_executor_stats(pool, &info), 0);
    EXPECT_EQ(info.queued, 2u);
    EXPECT_EQ(info.wait_ns, before) << "they have not begun";
    until([&] { return real_now() - submitted >= 2 * ms; });
    int64_t opened = real_now();
    gate.open.release();
    w.run();
    int64_t end = real_now();
    EXPECT_EQ(done, 3);
    EXPECT_EQ(evl_executor_stats(pool, &info), 0);
    EXPECT_EQ(info.finished, 3u);
    EXPECT_GE(info.wait_ns - before, static_cast<uint64_t>(2 * (opened - submitted)));
    EXPECT_LE(info.wait_ns - before, static_cast<uint64_t>(2 * (end - begin)));
    EXPECT_GE(info.wait_max_ns, static_cast<uint64_t>(opened - submitted));
    EXPECT_LE(info.wait_max_ns, static_cast<uint64_t>(std::max(end - begin, static_cast<int64_t>(before))));
    EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
}

TEST(ExecutorWait, TheLoopsOwnPool) {
    World w({.clock = EVL_CLOCK_REAL});
    evl_executor_info info{};
    EXPECT_EQ(evl_loop_executor_stats(w.loop, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_executor_stats(w.loop, &info), EVL_EINVAL) << "no struct_size";
    info.struct_size = sizeof info;
    EXPECT_EQ(evl_loop_executor_stats(nullptr, &info), EVL_EINVAL);
    info.accepted = 9;
    EXPECT_EQ(evl_loop_executor_stats(w.loop, &info), 0);
    EXPECT_EQ(info.accepted, 0u);
    EXPECT_EQ(evl_executor_submit(nullptr, w.loop, w.op([](int64_t) {}), quick, nullptr, nullptr, 0), 0);
    w.run();
    EXPECT_EQ(evl_loop_executor_stats(w.loop, &info), 0);
    EXPECT_EQ(info.accepted, 1u);
    EXPECT_EQ(info.finished, 1u);
    EXPECT_GE(info.threads, 1u);
}

} // namespace
