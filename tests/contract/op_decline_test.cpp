// op_decline_test.cpp - results that are declined before they are delivered, and taken after all.
#include "streams.hpp"

using namespace streams;

namespace {

std::string text(int64_t rc) { return std::to_string(rc); }

// A lock that has just been handed to `first`; `second` stands behind it.
struct Handed {
    World w;
    evl_lock *lock = nullptr;
    evl_op *first, *second;

    Handed() {
        first = w.op([this](int64_t rc) { w.note("first" + text(rc)); });
        second = w.op([this](int64_t rc) { w.note("second" + text(rc)); });
        EXPECT_EQ(evl_lock_new(w.loop, &lock), 0);
        EXPECT_EQ(evl_lock_try(lock), 0);
        EXPECT_EQ(evl_lock_acquire(lock, first), 0);
        EXPECT_EQ(evl_lock_acquire(lock, second), 0);
        EXPECT_EQ(evl_lock_release(lock), 0);
        EXPECT_EQ(evl_op_cancel(first), 0) << "it has the lock already";
    }
    ~Handed() { evl_lock_free(lock); }
    void free() {
        evl_lock_free(lock);
        lock = nullptr;
    }
};

TEST(OpDecline, HandsOnWhenItWouldBeDelivered) {
    Handed h;
    EXPECT_EQ(evl_op_decline(h.first, 1), 1);
    EXPECT_EQ(evl_op_decline(h.first, 1), 1);
    EXPECT_EQ(evl_op_active(h.second), 1);
    h.w.run();
    EXPECT_EQ(h.w.log(), "first-125 second0");
    EXPECT_EQ(evl_op_result(h.first), EVL_ECANCELED);
    EXPECT_EQ(evl_op_active(h.first), 0);
    EXPECT_EQ(evl_lock_is_held(h.lock), 1);
}

TEST(OpDecline, TakenBackTheResultStands) {
    Handed h;
    EXPECT_EQ(evl_op_decline(h.first, 1), 1);
    EXPECT_EQ(evl_op_decline(h.first, 0), 1);
    h.w.nowait();
    EXPECT_EQ(h.w.log(), "first0");
    EXPECT_EQ(evl_op_active(h.second), 1);
}

TEST(OpDecline, TheOwnerGoesMeanwhile) {
    for (int back = 0; back < 2; back++) {
        Handed h;
        EXPECT_EQ(evl_op_decline(h.first, 1), 1);
        h.free();
        if (back) {
            EXPECT_EQ(evl_op_decline(h.first, 0), 1);
        }
        h.w.run();
        const std::string first = "first" + text(back ? EVL_ECLOSED : EVL_ECANCELED);
        const std::string second = "second" + text(EVL_ECLOSED);
        const std::string log = h.w.log();
        EXPECT_TRUE(log == first + " " + second || log == second + " " + first) << log;
    }
}

TEST(OpDecline, ClosedItIsAsAnyOtherAndStartsAnew) {
    Handed h;
    EXPECT_EQ(evl_op_decline(h.first, 1), 1);
    EXPECT_EQ(evl_op_close(h.first), 0);
    EXPECT_EQ(evl_op_decline(h.first, 0), EVL_EALREADY);
    h.w.run();
    EXPECT_EQ(h.w.log(), "second0");
    h.w.clear();
    EXPECT_EQ(evl_defer(h.w.loop, h.first), 0);
    h.w.run();
    EXPECT_EQ(h.w.log(), "first0");
}

TEST(OpDecline, TheLoopIsDestroyed) {
    Handed h;
    EXPECT_EQ(evl_op_decline(h.first, 1), 1);
    EXPECT_EQ(h.w.destroy(), 0);
    EXPECT_EQ(h.w.log(), "");
    EXPECT_EQ(evl_op_active(h.first), 0);
}

TEST(OpDecline, WhatHasNothingToHandOnEndsAtOnce) {
    World w;
    evl_event *event = nullptr;
    ASSERT_EQ(evl_event_new(w.loop, &event), 0);
    evl_op *op = w.op([&](int64_t rc) { w.note(text(rc)); });
    evl_event_wait(event, op);
    EXPECT_EQ(evl_op_decline(op, 1), 0) << "it waits";
    evl_event_set(event);
    EXPECT_EQ(evl_op_decline(op, 1), 1);
    w.call(w.says("behind"));
    w.nowait();
    EXPECT_EQ(w.log(), "-125 behind");
    evl_event_free(event);
}

TEST(OpDecline, NothingToDecline) {
    World w;
    EXPECT_EQ(evl_op_decline(nullptr, 1), EVL_EINVAL);
    evl_op *op = w.op([&](int64_t rc) { w.note(text(rc)); });
    EXPECT_EQ(evl_op_decline(op, 1), EVL_EALREADY);
    evl_defer(w.loop, op);
    EXPECT_EQ(evl_op_cancel(op), 1);
    EXPECT_EQ(evl_op_decline(op, 1), 0) << "it is an error already";
    w.run();
    EXPECT_EQ(w.log(), "-125");
    w.clear();

    evl_queue *queue = nullptr;
    int item = 0;
    ASSERT_EQ(evl_queue_new(w.loop, 0, EVL_QUEUE_FIFO, nullptr, &queue), 0);
    EXPECT_EQ(evl_queue_put(queue, op, &item, 0), 0);
    EXPECT_EQ(evl_op_decline(op, 1), 0) << "the item is in";
    w.run();
    EXPECT_EQ(w.log(), "0");
    evl_queue_free(queue);
}

// The item stays, and the next that waits gets it.
TEST(OpDecline, AnItemGoesToTheNext) {
    World w;
    evl_queue *queue = nullptr;
    int item = 0;
    void *got[2] = {};
    ASSERT_EQ(evl_queue_new(w.loop, 0, EVL_QUEUE_FIFO, nullptr, &queue), 0);
    evl_op *ops[2];
    for (int i = 0; i < 2; i++) {
        ops[i] = w.op([&w, i](int64_t rc) { w.note(text(i) + ":" + text(rc)); });
        EXPECT_EQ(evl_queue_get(queue, ops[i], &got[i]), 0);
    }
    EXPECT_EQ(evl_queue_try_put(queue, &item, 0), 0);
    EXPECT_EQ(evl_op_decline(ops[0], 1), 1);
    w.run();
    EXPECT_EQ(w.log(), "0:-125 1:0");
    EXPECT_EQ(got[0], nullptr);
    EXPECT_EQ(got[1], &item);
    evl_queue_free(queue);
}

// A read takes its bytes when it is delivered, and not at all if it is declined.
TEST(OpDecline, AReadHasTakenNothing) {
    World w;
    Pair pair;
    evl_stream *s = open(w, pair.a);
    put(pair.b, "abc");
    char bytes[8] = {};
    evl_op *op = w.op([&](int64_t rc) { w.note("read" + text(rc)); });
    int32_t declined = 0;
    EXPECT_EQ(evl_stream_read(s, op, bytes, sizeof bytes), 0);
    std::function<void()> decline = [&] { // ahead of the read in every pass
        declined = evl_op_decline(op, 1);
        if (declined == 0)
            w.call_inside(decline);
    };
    w.call_inside(decline);
    pump(w, [&] { return evl_op_active(op) == 0; });
    EXPECT_EQ(declined, 1);
    EXPECT_EQ(w.log(), "read-125");
    EXPECT_STREQ(bytes, "");
    w.clear();
    EXPECT_EQ(evl_stream_read(s, op, bytes, sizeof bytes), 0);
    pump(w, [&] { return evl_op_active(op) == 0; });
    EXPECT_EQ(w.log(), "read3");
    EXPECT_STREQ(bytes, "abc");
    evl_close(s);
}

// What was given up is user code's to take, which may do anything to the operation.
struct Refused {
    World w;
    evl_waitq line;
    evl_op *op;
    std::function<void()> act = [] {};
    static void refused(void *arg, int64_t result) {
        auto *self = static_cast<Refused *>(arg);
        self->w.note("refused" + text(result));
        self->act();
    }
    Refused() {
        op = w.op([this](int64_t rc) { w.note("op" + text(rc)); });
        EXPECT_EQ(evl_waitq_init(&line, w.loop, refused, this), 0);
        EXPECT_EQ(evl_waitq_park(&line, op), 0);
        EXPECT_EQ(evl_waitq_wake(&line, 1, 9), 1);
        EXPECT_EQ(evl_op_decline(op, 1), 1);
    }
};

TEST(OpDecline, UserCodeTakesWhatWasDeclined) {
    Refused r;
    r.w.run();
    EXPECT_EQ(r.w.log(), "refused9 op-125");
}

TEST(OpDecline, UserCodeClosesTheOperation) {
    Refused r;
    r.act = [&] { EXPECT_EQ(evl_op_close(r.op), 0); };
    r.w.run();
    EXPECT_EQ(r.w.log(), "refused9");
}

TEST(OpDecline, UserCodeDestroysTheLoop) {
    Refused r;
    r.act = [&] { r.w.destroy(); };
    r.w.run();
    EXPECT_EQ(r.w.log(), "refused9");
}

} // namespace
