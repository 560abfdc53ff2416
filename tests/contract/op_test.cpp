// op_test.cpp - operations: once, in the caller's memory, cancelled promptly, closed in silence.
#include "world.hpp"

#include <cstring>

using namespace support;

namespace {

TEST(Op, IsOpaqueAndOf128Bytes) {
    EXPECT_EQ(sizeof(evl_op), 128u);
    EXPECT_EQ(evl_op_size(), 128);
}

TEST(Op, Contract_04_CompletesOnceForEachStart) {
    World w;
    evl_op *op = w.op([&](int64_t rc) { w.note("op" + std::to_string(rc)); });
    EXPECT_EQ(evl_op_active(op), 0);
    EXPECT_EQ(evl_op_result(op), EVL_EAGAIN); // never started
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(evl_defer(w.loop, op), 0);
        EXPECT_EQ(evl_op_active(op), 1);
        EXPECT_EQ(evl_op_result(op), EVL_EAGAIN);
        EXPECT_EQ(evl_defer(w.loop, op), EVL_EBUSY);
        w.run();
        EXPECT_EQ(evl_op_active(op), 0);
        EXPECT_EQ(evl_op_result(op), 0);
    }
    w.nowait();
    EXPECT_EQ(w.log(), "op0 op0 op0");
}

TEST(Op, Contract_04_CancelIsPromptAndThreeValued) {
    World w;
    evl_op *op = w.op([&](int64_t rc) { w.note("op" + std::to_string(rc)); });
    EXPECT_EQ(evl_op_cancel(op), EVL_EALREADY);
    evl_defer(w.loop, op);
    EXPECT_EQ(evl_op_cancel(op), 1);
    EXPECT_EQ(evl_op_cancel(op), 0); // its completion is queued
    EXPECT_EQ(evl_op_active(op), 1);
    EXPECT_EQ(evl_defer(w.loop, op), EVL_EBUSY);
    EXPECT_EQ(w.log(), "");
    w.run();
    EXPECT_EQ(w.log(), "op-125");
    EXPECT_EQ(evl_op_result(op), EVL_ECANCELED);
    EXPECT_EQ(evl_op_cancel(op), EVL_EALREADY);
}

TEST(Op, Contract_04_CloseIsSilentInEveryState) {
    const char *const states[] = {"idle", "pending", "cancelled", "completed", "closed", "due in this pass"};
    for (int state = 0; state < 6; state++) {
        SCOPED_TRACE(states[state]);
        World w;
        evl_op *op = nullptr;
        if (state == 5)
            w.call([&] { EXPECT_EQ(evl_op_close(op), 0); });
        op = w.op(w.says("op"));
        if (state != 0)
            evl_defer(w.loop, op);
        if (state == 2)
            evl_op_cancel(op);
        if (state == 3)
            w.run();
        if (state == 4)
            evl_op_close(op);
        if (state == 5)
            w.run();
        w.clear();
        EXPECT_EQ(evl_op_close(op), 0);
        EXPECT_EQ(evl_op_active(op), 0);
        w.run();
        EXPECT_EQ(w.log(), "");
        EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
        EXPECT_EQ(evl_defer(w.loop, op), 0); // and may be used again
        w.run();
        EXPECT_EQ(w.log(), "op");
    }
}

TEST(Op, Contract_04_RestartedInItsOwnCallback) {
    World w;
    evl_op *op = nullptr;
    int left = 3;
    op = w.op([&](int64_t) {
        EXPECT_EQ(evl_op_active(op), 0);
        w.note("op");
        if (--left > 0) {
            EXPECT_EQ(evl_defer(w.loop, op), 0);
        }
    });
    evl_defer(w.loop, op);
    w.nowait();
    EXPECT_EQ(w.log(), "op"); // never inside the same pass
    w.run();
    EXPECT_EQ(w.log(), "op op op");
}

TEST(Op, Contract_04_FreedInItsOwnCallback) {
    World w;
    auto op = std::make_unique<evl_op>();
    auto other = std::make_unique<evl_op>();
    void *slot = w.arg([&] {
        memset(op.get(), 0xdd, sizeof(evl_op)); // the loop touches it no more
        op.reset();
        EXPECT_EQ(evl_op_close(other.get()), 0); // due in this very pass
        memset(other.get(), 0xdd, sizeof(evl_op));
        other.reset();
        w.note("freed");
    });
    ASSERT_EQ(evl_op_init(op.get(), World::done(), slot, 0), 0);
    ASSERT_EQ(evl_op_init(other.get(), World::done(), w.arg(w.says("other")), 0), 0);
    evl_defer(w.loop, op.get());
    evl_defer(w.loop, other.get());
    w.call(w.says("call"));
    w.run();
    EXPECT_EQ(w.log(), "freed call");
}

TEST(Op, Contract_16_NeverAllocates) {
    World w;
    w.memory.fail(1, UINT64_MAX / 2);
    evl_op ops[100];
    int done = 0;
    for (evl_op &op : ops) {
        ASSERT_EQ(evl_op_init(&op, [](void *arg, int64_t) { ++*static_cast<int *>(arg); }, &done, 0), 0);
        ASSERT_EQ(evl_defer(w.loop, &op), 0);
    }
    for (int i = 0; i < 10; i++)
        evl_op_cancel(&ops[i]);
    for (int i = 10; i < 20; i++)
        evl_op_close(&ops[i]);
    w.run();
    EXPECT_EQ(done, 90);
    EXPECT_FALSE(w.memory.failed());
    w.memory.fail(0);
}

// With EVL_OP_SYNC a start may answer 1: done already, and then there is no callback. A deferred call never
// is.
TEST(Op, ASynchronousOperationStillDefers) {
    World w;
    evl_op *op = w.op(w.says("op"), EVL_OP_SYNC);
    EXPECT_EQ(evl_defer(w.loop, op), 0);
    w.run();
    EXPECT_EQ(w.log(), "op");
}

TEST(Op, BadInput) {
    World w;
    evl_op op, zero{};
    EXPECT_EQ(evl_op_init(nullptr, nullptr, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_op_init(&op, nullptr, nullptr, 2), EVL_EINVAL);
    EXPECT_EQ(evl_defer(w.loop, &zero), EVL_EINVAL); // never initialised
    EXPECT_EQ(evl_defer(w.loop, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_op_cancel(&zero), EVL_EINVAL);
    EXPECT_EQ(evl_op_cancel(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_op_close(nullptr), 0);
    ASSERT_EQ(evl_op_init(&op, nullptr, nullptr, 0), 0);
    EXPECT_EQ(evl_defer(nullptr, &op), EVL_EINVAL);
    EXPECT_EQ(evl_op_active(&op), 0);
}

TEST(Op, FromOneLoopToAnother) {
    World a, b;
    int done = 0;
    evl_op op;
    ASSERT_EQ(evl_op_init(&op, [](void *arg, int64_t) { ++*static_cast<int *>(arg); }, &done, 0), 0);
    EXPECT_EQ(evl_defer(a.loop, &op), 0);
    EXPECT_EQ(evl_defer(b.loop, &op), EVL_EBUSY);
    a.run();
    EXPECT_EQ(evl_defer(b.loop, &op), 0);
    b.run();
    EXPECT_EQ(done, 2);
}

} // namespace
