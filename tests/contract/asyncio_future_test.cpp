// asyncio_future_test.cpp - futures as asyncio has them; the numbers are those of docs/asyncio.md.
#include "../asyncio/async.hpp"

using namespace support;

namespace {

TEST(Asyncio, Asyncio_015_RunUntilStopsWithTheFutureAndLeavesNoCallbackBehind) {
    World w;
    Future done(w), late(w);
    int64_t value = 0;
    w.call_inside([&] { done.resolve(7); });
    EXPECT_EQ(evl_loop_run_until(w.loop, done, &value), 0);
    EXPECT_EQ(value, 7);

    w.call_inside([&] { EXPECT_EQ(evl_stop(w.loop, 1), 0); });
    EXPECT_EQ(evl_loop_run_until(w.loop, late, &value), EVL_ECANCELED); // the loop stopped first
    EXPECT_EQ(late.resolve(8), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0); // nobody is told any more
}

TEST(Asyncio, Asyncio_041_CompletesOnce) {
    World w;
    Future value(w), error(w), cancelled(w);
    EXPECT_EQ(value.resolve(1), 0);
    EXPECT_EQ(error.fail(EVL_EIO), 0);
    EXPECT_EQ(cancelled.cancel(), 1);
    int drops = 0;
    for (evl_future *future : Futures{value, error, cancelled}) {
        EXPECT_EQ(evl_future_resolve(future, 2), EVL_EALREADY);
        EXPECT_EQ(evl_future_fail(future, EVL_EPIPE), EVL_EALREADY);
        EXPECT_EQ(evl_future_resolve_owned(future, &drops, count_drop), EVL_EALREADY);
        EXPECT_EQ(evl_future_op(future), nullptr);
    }
    EXPECT_EQ(value.outcome(), "value 1");
    EXPECT_EQ(error.outcome(), "error -5");
    EXPECT_EQ(cancelled.outcome(), "cancelled");
    w.run();
    EXPECT_EQ(drops, 0); // what was refused is the caller's
}

TEST(Asyncio, Asyncio_042_CallbacksAreNeverInline) {
    World w;
    Future future(w);
    on_done(w, future, [&](int64_t state) {
        w.note("before" + std::to_string(state));
        on_done(w, future, w.says("inside"));
        w.note("added");
    });
    future.resolve(0);
    on_done(w, future, w.says("after"));
    EXPECT_EQ(w.log(), "");
    w.nowait();
    EXPECT_EQ(w.log(), "before1 added after"); // and what is added in a pass waits for the next
    w.run();
    EXPECT_EQ(w.log(), "before1 added after inside");
}

TEST(Asyncio, Asyncio_043_CallbacksRunInTheOrderInWhichTheyWereAdded) {
    World w;
    Future future(w);
    on_done(w, future, w.says("a"));
    evl_future_wait(future, says_result(w, "b"));
    on_done(w, future, [&] {
        w.note("c");
        on_done(w, future, w.says("f"));
    });
    evl_op *leaves = says_result(w, "never");
    evl_future_wait(future, leaves);
    on_done(w, future, w.says("d"));
    w.call([&] {
        future.cancel();
        evl_op_close(leaves);
        w.call(w.says("e"));
    });
    w.run();
    EXPECT_EQ(w.log(), "a b c d e f");
}

TEST(Asyncio, Asyncio_044_OffDoneTakesBackEveryEqualEntry) {
    World w;
    Future future(w);
    void *twice = w.arg(w.says("twice")), *due = w.arg(w.says("due"));
    for (int i = 0; i < 2; i++)
        evl_future_on_done(future, World::done(), twice);
    evl_future_on_done(future, World::done(), due);
    on_done(w, future, w.says("stays"));
    EXPECT_EQ(evl_future_off_done(future, World::done(), twice), 2);
    EXPECT_EQ(evl_future_off_done(future, World::done(), twice), 0);
    future.resolve(0);
    EXPECT_EQ(evl_future_off_done(future, World::done(), due), 1); // stronger: asyncio could not
    w.run();
    EXPECT_EQ(w.log(), "stays");
}

TEST(Asyncio, Asyncio_045_CancelIsAtOnceAndItsCallbacksAreQueued) {
    World w;
    Future future = sleeping(w, sec), value(w);
    on_done(w, future, [&](int64_t state) { w.note("done" + std::to_string(state)); });
    EXPECT_EQ(future.cancel(), 1);
    EXPECT_EQ(future.outcome(), "cancelled");
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(future.cancel(), 0);
    value.resolve(1);
    EXPECT_EQ(value.cancel(), 0);
    EXPECT_EQ(value.outcome(), "value 1");
    int64_t before = evl_time(w.loop);
    w.run();
    EXPECT_EQ(w.log(), "done3");
    EXPECT_LT(evl_time(w.loop) - before, sec); // the sleep in it is gone
}

TEST(Asyncio, Asyncio_046_TheResultOfPendingAndCancelled) {
    World w;
    Future future(w);
    int64_t value = 5;
    void *pointer = &value;
    EXPECT_EQ(evl_future_value(future, &value), EVL_EAGAIN);
    EXPECT_EQ(evl_future_pointer(future, &pointer), EVL_EAGAIN);
    EXPECT_EQ(evl_future_take(future, &pointer), EVL_EAGAIN);
    future.cancel();
    EXPECT_EQ(evl_future_value(future, &value), EVL_ECANCELED);
    EXPECT_EQ(evl_future_pointer(future, &pointer), EVL_ECANCELED);
    EXPECT_EQ(evl_future_take(future, &pointer), EVL_ECANCELED);
    EXPECT_EQ(value, 5);
    EXPECT_EQ(pointer, &value);
}

TEST(Asyncio, Asyncio_047_AnErrorThatNobodyLookedAtIsReported) {
    World w;
    hear_errors(w);
    Future seen(w), unseen(w), cancelled(w), waited(w);
    evl_future_set_name(unseen, "unseen");
    seen.fail(EVL_EPIPE);
    EXPECT_EQ(evl_future_value(seen, nullptr), EVL_EPIPE);
    unseen.fail(EVL_EIO);
    cancelled.cancel();
    evl_future_wait(waited, says_result(w, "waited")); // who is told of an error has not looked at it
    waited.fail(EVL_ENOENT);
    w.run();
    EXPECT_EQ(w.log(), "waited");
    w.clear();
    for (Future *future : {&seen, &cancelled, &unseen})
        future->drop();
    w.run();
    EXPECT_EQ(w.log(), "unhandled-5");
    EXPECT_STREQ(w.metrics().error_name, "unseen");
    waited.drop();
    w.run();
    EXPECT_EQ(w.log(), "unhandled-5 unhandled-2");
}

TEST(Asyncio, Asyncio_048_WhoCompletesAFutureTooLateDoesNoHarm) {
    World w;
    Future slept = sleeping(w, ms), posted(w), number(w);
    int drops = 0;
    slept.resolve(5);
    for (evl_future *future : Futures{posted, number})
        evl_future_cancel(future);
    on_thread([&] {
        EXPECT_EQ(evl_future_post_owned(posted, &drops, count_drop), 0);
        EXPECT_EQ(evl_future_post(number, 1), 0);
        EXPECT_EQ(evl_future_post(slept, EVL_ECANCELED), 0);
    });
    w.timer_in(2 * ms, [] {});
    w.run();
    EXPECT_EQ(slept.outcome(), "value 5");
    EXPECT_EQ(posted.outcome(), "cancelled");
    EXPECT_EQ(number.outcome(), "cancelled");
    EXPECT_EQ(drops, 1); // given up, not leaked
}

TEST(Asyncio, Asyncio_049_AFutureBelongsToOneLoop) {
    World w, other;
    Future ours(w), theirs(other);
    Futures both{ours, theirs};
    evl_future *out[2] = {};
    EXPECT_EQ(evl_gather(w.loop, both.data(), 2, 0, out), EVL_EINVAL);
    EXPECT_EQ(evl_wait_futures(w.loop, both.data(), 2, EVL_WAIT_ALL, -1, out), EVL_EINVAL);
    EXPECT_EQ(evl_as_completed(w.loop, both.data(), 2, -1, out), EVL_EINVAL);
    EXPECT_EQ(evl_any(w.loop, both.data(), 2, out), EVL_EINVAL);
    EXPECT_EQ(evl_future_follow(ours, theirs), EVL_EINVAL);
    EXPECT_EQ(evl_loop_run_until(w.loop, theirs, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_loop(theirs), other.loop);
    evl_op *op = says_result(w, "op");
    evl_future_wait(ours, op);
    EXPECT_EQ(evl_future_wait(theirs, op), EVL_EBUSY);
    EXPECT_EQ(evl_future_wait(ours, evl_future_op(ours)), EVL_EDEADLK);
    evl_op_close(op);
}

TEST(Asyncio, Asyncio_051_WhoWaitsCostsNoMemory) {
    World w;
    Future future(w);
    std::vector<evl_op *> ops;
    for (int i = 0; i < 100; i++)
        ops.push_back(w.op([](int64_t state) { EXPECT_EQ(state, EVL_FUTURE_VALUE); }));
    uint64_t before = w.memory.calls();
    for (evl_op *op : ops)
        EXPECT_EQ(evl_future_wait(future, op), 0);
    future.resolve(0);
    w.run();
    EXPECT_EQ(w.memory.calls(), before);
}

} // namespace
