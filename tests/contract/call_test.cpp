// call_test.cpp - deferred calls, and drops.
#include "world.hpp"

using namespace support;

namespace {

TEST(Call, RunsOnceInTheNextPass) {
    World w;
    w.call(w.says("call"));
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.nowait(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "call");
}

TEST(Call, TheArgumentTravelsWithTheFunction) {
    World w;
    static void *seen;
    seen = &w;
    evl_call_soon(w.loop, [](void *arg) { seen = arg; }, nullptr);
    w.run();
    EXPECT_EQ(seen, nullptr);
}

TEST(Call, BadInput) {
    World w;
    EXPECT_EQ(evl_call_soon(nullptr, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_call_soon_owned(nullptr, nullptr, nullptr, World::drop), EVL_EINVAL);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

// --- 8: the drop that travels with an argument
// --------------------------------------------------------------------

TEST(Call, Contract_08_DropRunsOnceAfterTheFunction) {
    World w;
    w.call_owned(w.says("call"), [&] { w.note("drop"); });
    EXPECT_EQ(w.log(), "");
    w.run();
    w.nowait();
    EXPECT_EQ(w.log(), "call drop");
}

TEST(Call, Contract_08_DropRunsInsteadOfTheFunctionWhenTheLoopIsDestroyed) {
    World w;
    int drops = 0;
    w.call_owned(w.says("call"), [&] { drops++; });
    w.post_owned(w.says("post"), [&] { drops++; });
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(drops, 2);
    EXPECT_EQ(w.log(), "");
}

TEST(Call, Contract_08_DropDoesNotRunWhenTheCallFails) {
    World w;
    int drops = 0;
    void *arg = w.arg([] {}, [&] { drops++; });
    EXPECT_EQ(evl_call_soon_owned(nullptr, World::plain(), arg, World::drop), EVL_EINVAL);
    int32_t rc = 0;
    int queued = -1;
    w.memory.fail(1);
    for (; rc == 0 && queued < 100'000; queued++) // what is warm is used up first
        rc = evl_call_soon_owned(w.loop, World::plain(), arg, World::drop);
    EXPECT_EQ(rc, EVL_ENOMEM);
    EXPECT_EQ(drops, 0);
    w.memory.fail(0);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(drops, queued);
}

TEST(Call, Contract_08_ADropMayUseTheLoop) {
    World w;
    w.call_owned([] {}, [&] { w.call(w.says("from drop")); });
    w.run();
    EXPECT_EQ(w.log(), "from drop");
    evl_timer *timer = nullptr;
    timer = w.timer([] {});
    w.call_owned([] {}, [&] { evl_close(timer), w.note("closed"); });
    w.run();
    EXPECT_EQ(w.log(), "from drop closed");
}

TEST(Call, Contract_16_AWarmLoopAllocatesNothingForCalls) {
    World w({.cap = 128});
    uint64_t before = 0;
    for (int round = 0; round < 5; round++) {
        if (round == 2)
            before = w.memory.calls();
        for (int i = 0; i < 100; i++) {
            static int ignored;
            evl_call_soon(w.loop, [](void *) {}, &ignored);
        }
        w.run();
    }
    EXPECT_EQ(w.memory.calls(), before);
}

// --- asyncio
// ------------------------------------------------------------------------------------------------------------

// A call that may have to be taken back is an operation: cancelling tells, closing is silent.
TEST(Asyncio, Asyncio_009_CancelIsIdempotentAndTheCallDoesNotRun) {
    World w;
    evl_op *op = w.defer([&](int64_t rc) { w.note("op" + std::to_string(rc)); });
    EXPECT_EQ(evl_op_cancel(op), 1);
    EXPECT_EQ(evl_op_cancel(op), 0);
    w.run();
    EXPECT_EQ(evl_op_cancel(op), EVL_EALREADY);
    EXPECT_EQ(w.log(), "op-125");
}

TEST(Asyncio, Asyncio_010_WhatWasTakenBackIsSkipped) {
    World w;
    evl_op *second = nullptr;
    w.call([&] { evl_op_close(second), w.note("first"); });
    second = w.defer(w.says("second"));
    w.call(w.says("third"));
    w.run();
    EXPECT_EQ(w.log(), "first third");
}

} // namespace
