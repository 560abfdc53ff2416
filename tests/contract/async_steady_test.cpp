// async_steady_test.cpp - once warm, operations, locks, queues and futures make no call to the allocator.
#include "scale.hpp"

#include <string_view>

using namespace support;

namespace {

// Runs n rounds to warm up, then many more, in which nothing may be allocated.
void steady(World &w, const std::function<void()> &round) {
    for (int i = 0; i < 1000; i++)
        round();
    uint64_t before = w.memory.calls();
    bool stand_in = evl_loop_backend(w.loop) == std::string_view("kqueue"); // each poll of it costs several
    for (int64_t i = scaled(stand_in ? 20000 : 200000); i > 0 && !testing::Test::HasFailure(); i--)
        round();
    EXPECT_EQ(w.memory.calls(), before);
}

void count(void *arg, int64_t) { ++*static_cast<int64_t *>(arg); }

struct Counted {
    Counted() { EXPECT_EQ(evl_op_init(&op, count, &done, 0), 0); }
    evl_op op;
    int64_t done = 0;
};

TEST(Steady, Contract_16_Sleeps) {
    World w;
    Counted a, b;
    int64_t rounds = 0;
    steady(w, [&] {
        rounds++;
        evl_sleep(w.loop, &a.op, us);
        evl_sleep(w.loop, &b.op, sec);
        evl_op_deadline(&b.op, evl_now(w.loop) + 2 * us);
        evl_loop_run(w.loop, EVL_RUN_DEFAULT);
    });
    EXPECT_EQ(a.done, rounds);
    EXPECT_EQ(b.done, rounds);
}

TEST(Steady, Contract_16_LockHandOvers) {
    World w;
    Counted a, b;
    evl_lock *lock = nullptr;
    ASSERT_EQ(evl_lock_new(w.loop, &lock), 0);
    ASSERT_EQ(evl_lock_try(lock), 0);
    evl_lock_acquire(lock, &a.op);
    Counted *next = &a, *other = &b;
    steady(w, [&] {
        evl_lock_acquire(lock, &other->op);
        evl_lock_release(lock);
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
        EXPECT_EQ(evl_op_active(&next->op), 0);
        std::swap(next, other);
    });
    evl_op_close(&next->op);
    evl_lock_free(lock);
}

TEST(Steady, Contract_16_QueueItems) {
    for (int32_t order : {EVL_QUEUE_FIFO, EVL_QUEUE_LIFO, EVL_QUEUE_PRIORITY}) {
        World w;
        Counted put, get;
        void *item = nullptr;
        evl_queue *q = nullptr;
        ASSERT_EQ(evl_queue_new(w.loop, 2, order, nullptr, &q), 0);
        steady(w, [&] {
            item = nullptr;
            evl_queue_get(q, &get.op, &item);
            evl_queue_put(q, &put.op, &w, 0);
            evl_loop_run(w.loop, EVL_RUN_NOWAIT);
            evl_queue_task_done(q);
            EXPECT_EQ(item, &w);
        });
        evl_queue_free(q);
    }
}

TEST(Steady, Contract_16_Futures) {
    World w;
    int64_t done = 0, rounds = 0;
    steady(w, [&] {
        evl_future *f = nullptr;
        rounds++;
        evl_future_new(w.loop, &f);
        evl_future_on_done(f, count, &done);
        evl_future_resolve(f, 1);
        evl_future_unref(f);
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    });
    EXPECT_EQ(done, rounds);
}

TEST(Steady, Contract_16_WaitsForAnFd) {
    World w;
    Pipe pipe;
    Counted a;
    pipe.w.put();
    steady(w, [&] {
        evl_wait_fd(w.loop, &a.op, pipe.r, EVL_READ);
        evl_loop_run(w.loop, EVL_RUN_ONCE);
        EXPECT_EQ(evl_op_active(&a.op), 0);
    });
}

} // namespace
