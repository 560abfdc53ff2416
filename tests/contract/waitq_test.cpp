// waitq_test.cpp - wait queues: their owner learns that an operation has left one.
#include "world.hpp"

using namespace support;

namespace {

struct QueueLeft {
    QueueLeft() { EXPECT_EQ(evl_waitq_init(&q, w.loop, nullptr, nullptr), 0); }
    // What was noted since the last call.
    std::string news() {
        const std::string all = w.log(), fresh = all.substr(std::min(told, all.size()));
        told = all.size() + 1;
        return fresh;
    }
    evl_op *parked(const char *name) {
        evl_op *op = w.op([this, name](int64_t rc) { w.note(name + std::to_string(rc)); });
        EXPECT_EQ(evl_waitq_park(&q, op), 0);
        return op;
    }
    evl_op *watching() {
        evl_op *op = w.op([this](int64_t rc) { w.note("left" + std::to_string(rc)); });
        EXPECT_EQ(evl_waitq_on_leave(&q, op), 0);
        return op;
    }
    World w;
    evl_waitq q;
    size_t told = 0;
};

TEST(WaitqOnLeave, CancelledTimedOutClosed) {
    for (const char *how : {"cancelled", "timed out", "closed"}) {
        SCOPED_TRACE(how);
        QueueLeft t;
        evl_op *leaves = t.parked("a"), *stays = t.parked("b");
        evl_op *watch = t.watching();
        if (how[1] == 'a') {
            EXPECT_EQ(evl_op_cancel(leaves), 1);
        } else if (*how == 't') {
            EXPECT_EQ(evl_op_timeout(leaves, ms), 0);
        } else {
            EXPECT_EQ(evl_op_close(leaves), 0);
        }
        while (evl_op_active(watch))
            t.w.once();
        EXPECT_GE(t.w.nowait(), 0);
        EXPECT_EQ(t.news(), *how == 't'     ? "left1 a" + std::to_string(EVL_ETIMEDOUT)
                            : how[1] == 'a' ? "left1 a" + std::to_string(EVL_ECANCELED)
                                            : "left1")
            << "the owner learns it first";
        EXPECT_EQ(evl_waitq_count(&t.q), 1);
        EXPECT_EQ(evl_op_close(stays), 0) << "once for each start";
        EXPECT_EQ(t.w.nowait() >= 0, true);
        EXPECT_EQ(t.news(), "");
    }
}

TEST(WaitqOnLeave, AWakeIsNone) {
    QueueLeft t;
    t.parked("a");
    evl_op *b = t.parked("b"), *watch = t.watching();
    EXPECT_EQ(evl_waitq_wake(&t.q, 1, 5), 1);
    EXPECT_EQ(t.w.nowait() >= 0, true);
    EXPECT_EQ(t.news(), "a5");
    EXPECT_EQ(evl_waitq_wake(&t.q, -1, 6), 1);
    EXPECT_EQ(evl_op_close(b), 0) << "it has been woken, and has left before";
    EXPECT_EQ(t.w.nowait() >= 0, true);
    EXPECT_EQ(t.news(), "");
    EXPECT_EQ(evl_op_close(watch), 0);
    EXPECT_EQ(t.w.run(), 0);
}

TEST(WaitqOnLeave, OneAtATime) {
    QueueLeft t;
    evl_op *first = t.watching(), *second = t.w.op([](int64_t) {});
    EXPECT_EQ(evl_waitq_count(&t.q), 0) << "it is none of the queue's";
    EXPECT_EQ(evl_waitq_on_leave(&t.q, second), EVL_EBUSY);
    EXPECT_EQ(evl_waitq_on_leave(&t.q, first), EVL_EBUSY);
    EXPECT_EQ(evl_waitq_on_leave(nullptr, second), EVL_EINVAL);
    EXPECT_EQ(evl_op_close(first), 0);
    EXPECT_EQ(evl_waitq_on_leave(&t.q, second), 0);
    EXPECT_EQ(evl_op_cancel(second), 1);
    EXPECT_EQ(t.w.run(), 0);
}

// The queue may go with its memory in the callback.
TEST(WaitqOnLeave, FreedAfterAWakeOfAll) {
    World w;
    int64_t result = 0;
    auto q = std::make_unique<evl_waitq>();
    EXPECT_EQ(evl_waitq_init(q.get(), w.loop, nullptr, nullptr), 0);
    evl_op *op = w.op([&](int64_t rc) { result = rc; }), *closed = w.op([&](int64_t) { ADD_FAILURE(); });
    EXPECT_EQ(evl_waitq_park(q.get(), op), 0);
    EXPECT_EQ(evl_waitq_park(q.get(), closed), 0);
    EXPECT_EQ(evl_waitq_wake(q.get(), -1, 3), 2);
    q.reset();
    EXPECT_EQ(evl_op_close(closed), 0);
    EXPECT_EQ(w.run(), 0);
    EXPECT_EQ(result, 3);
}

} // namespace
