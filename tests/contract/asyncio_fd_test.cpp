// asyncio_fd_test.cpp - waiting for an fd once, as asyncio's socket operations do; the numbers are those of
// docs/asyncio.md.
#include "../asyncio/async.hpp"

using namespace support;

namespace {

TEST(Asyncio, Asyncio_037_CancelDeregistersAtOnceAndTakesNothing) {
    World w;
    Pipe pipe;
    evl_op *op = says_result(w, "readable");
    EXPECT_EQ(evl_wait_fd(w.loop, op, pipe.r, EVL_READ), 0);
    EXPECT_EQ(evl_op_cancel(op), 1);
    pipe.w.put(3);
    w.run();
    EXPECT_EQ(w.log(), "readable-125");
    EXPECT_EQ(pipe.r.drain(), 3);
}

TEST(Asyncio, Asyncio_038_CancellingOneLeavesTheOtherOfTheSamePass) {
    World w;
    Pipe pipe;
    evl_op *first = says_result(w, "first"), *second = says_result(w, "second");
    w.call([&] {
        EXPECT_EQ(evl_wait_fd(w.loop, first, pipe.r, EVL_READ), 0);
        EXPECT_EQ(evl_op_cancel(first), 1);
        EXPECT_EQ(evl_wait_fd(w.loop, second, pipe.r, EVL_READ), 0);
    });
    w.call([&] { pipe.w.put(); });
    w.run();
    EXPECT_EQ(w.log(), "first-125 second");
}

} // namespace
