// queue_fail_test.cpp - a queue that ends with an error of the program's.
#include "world.hpp"

using namespace support;

namespace {

struct Queue {
    explicit Queue(World &w, uint32_t maxsize = 0) {
        EXPECT_EQ(evl_queue_new(w.loop, maxsize, EVL_QUEUE_FIFO, nullptr, &q), 0);
    }
    Queue(const Queue &) = delete;
    ~Queue() { evl_queue_free(q); }
    evl_queue *q = nullptr;
};

TEST(QueueFail, EndsPutsAndGetsWithTheError) {
    World w;
    Queue full(w, 1), empty(w);
    int item = 0;
    void *out = nullptr;
    int64_t put = 1, get = 1;
    evl_op *putting = w.op([&](int64_t n) { put = n; }), *getting = w.op([&](int64_t n) { get = n; });
    EXPECT_EQ(evl_queue_try_put(full.q, &item, 0), 0);
    EXPECT_EQ(evl_queue_put(full.q, putting, &item, 0), 0);
    EXPECT_EQ(evl_queue_get(empty.q, getting, &out), 0);
    EXPECT_EQ(evl_queue_fail(full.q, EVL_EPROTO, 0), 0);
    EXPECT_EQ(evl_queue_fail(empty.q, EVL_EUSER, 0), 0);
    w.nowait();
    EXPECT_EQ(put, EVL_EPROTO);
    EXPECT_EQ(get, EVL_EUSER);
    EXPECT_EQ(evl_queue_try_put(full.q, &item, 0), EVL_EPROTO);
    EXPECT_EQ(evl_queue_put(full.q, putting, &item, 0), EVL_EPROTO);
    EXPECT_EQ(evl_queue_try_get(full.q, &out), 0) << "what is there can be had";
    EXPECT_EQ(out, &item);
    EXPECT_EQ(evl_queue_try_get(full.q, &out), EVL_EPROTO);
    EXPECT_EQ(evl_queue_get(full.q, getting, &out), EVL_EPROTO);
}

TEST(QueueFail, TheFirstErrorCounts) {
    World w;
    Queue queue(w);
    void *out = nullptr;
    EXPECT_EQ(evl_queue_fail(queue.q, 0, 0), EVL_EINVAL);
    EXPECT_EQ(evl_queue_fail(queue.q, 5, 0), EVL_EINVAL);
    EXPECT_EQ(evl_queue_fail(queue.q, EVL_EAGAIN, 0), EVL_EINVAL);
    EXPECT_EQ(evl_queue_fail(nullptr, EVL_EPROTO, 0), EVL_EINVAL);
    EXPECT_EQ(evl_queue_try_get(queue.q, &out), EVL_EAGAIN) << "it is open yet";
    EXPECT_EQ(evl_queue_fail(queue.q, EVL_EPROTO, 0), 0);
    EXPECT_EQ(evl_queue_fail(queue.q, EVL_EIO, 1), 0);
    EXPECT_EQ(evl_queue_shutdown(queue.q, 0), 0);
    EXPECT_EQ(evl_queue_try_get(queue.q, &out), EVL_EPROTO);
}

// A getter that was woken for an item finds it gone.
TEST(QueueFail, AtOnceEmptiesIt) {
    World w;
    Queue queue(w);
    int item = 0;
    void *out = nullptr;
    int64_t get = 1;
    evl_op *getting = w.op([&](int64_t n) { get = n; });
    EXPECT_EQ(evl_queue_get(queue.q, getting, &out), 0);
    EXPECT_EQ(evl_queue_try_put(queue.q, &item, 0), 0);
    EXPECT_EQ(evl_queue_fail(queue.q, EVL_EPROTO, 1), 0);
    w.nowait();
    EXPECT_EQ(get, EVL_EPROTO);
    EXPECT_EQ(evl_queue_size(queue.q), 0);
}

} // namespace
