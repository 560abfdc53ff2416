// asyncio_combine_test.cpp - gather, wait, wait_for, shield and as_completed as asyncio has them; the numbers
// are those of docs/asyncio.md.
#include "../asyncio/async.hpp"

using namespace support;

namespace {

// Nothing of evloop's holds on to the future: its error goes to the hook with the last reference.
void expect_free(World &w, Future &future) {
    EXPECT_EQ(future.fail(EVL_EIO), 0);
    future.drop();
    w.run();
    EXPECT_EQ(w.log(), "unhandled-5");
    w.clear();
}

TEST(Asyncio, Asyncio_071_GatherOfNoneAndOfTheSameTwice) {
    World w;
    EXPECT_EQ(gather(w, {}).outcome(), "value 0"); // done already
    Future a(w), b(w);
    Future all = gather(w, {a, b, a});
    b.resolve(2);
    EXPECT_EQ(all.outcome(), "pending");
    a.resolve(1);
    EXPECT_EQ(all.outcome(), "value 3");
}

TEST(Asyncio, Asyncio_072_GatherFailsAtOnceAndTheOthersGoOn) {
    World w;
    hear_errors(w);
    Future a(w), b(w), c(w);
    Future all = gather(w, {a, b, c});
    b.fail(EVL_EPIPE);
    EXPECT_EQ(all.outcome(), "error -32");
    EXPECT_TRUE(a.pending() && c.pending());
    a.fail(EVL_EIO); // counts as looked at
    EXPECT_EQ(c.resolve(3), 0);
    for (Future *future : {&a, &b, &c, &all})
        future->drop();
    w.run();
    EXPECT_EQ(w.log(), "");
}

TEST(Asyncio, Asyncio_073_GatherTakesErrorsAsResultsWhenAsked) {
    World w;
    hear_errors(w);
    Future a(w), b(w), c(w);
    Future all = gather(w, {a, b, c}, EVL_GATHER_ERRORS);
    a.fail(EVL_EIO);
    b.cancel();
    EXPECT_EQ(all.outcome(), "pending");
    c.resolve(3);
    EXPECT_EQ(all.outcome(), "value 3");
    EXPECT_EQ(b.outcome(), "cancelled");
    a.drop();
    w.run();
    EXPECT_EQ(w.log(), "");
}

TEST(Asyncio, Asyncio_074_ACancelledChildIsAnErrorOfGather) {
    World w;
    Future a(w), b(w);
    Future all = gather(w, {a, b});
    EXPECT_EQ(a.cancel(), 1);
    EXPECT_EQ(evl_future_state(all), EVL_FUTURE_ERROR); // not cancelled itself
    EXPECT_EQ(evl_future_value(all, nullptr), EVL_ECANCELED);
    EXPECT_TRUE(b.pending());
}

TEST(Asyncio, Asyncio_075_CancellingGatherCancelsThoseThatArePending) {
    for (uint32_t flags : {0u, static_cast<uint32_t>(EVL_GATHER_ERRORS)}) {
        World w;
        Future a(w), b(w), c(w);
        Future inner = gather(w, {a, b}, flags);
        Future all = gather(w, {inner, c}, flags);
        a.resolve(1);
        EXPECT_EQ(all.cancel(), 1);
        EXPECT_EQ(a.outcome(), "value 1");
        EXPECT_EQ(b.outcome(), "cancelled");
        EXPECT_EQ(c.outcome(), "cancelled");
        EXPECT_EQ(inner.outcome(), "cancelled");
        EXPECT_EQ(all.outcome(), "cancelled");
    }
}

TEST(Asyncio, Asyncio_076_CancellingADoneGatherTouchesNothing) {
    World w;
    Future a(w), b(w);
    Future all = gather(w, {a, b});
    a.fail(EVL_EIO);
    EXPECT_EQ(all.cancel(), 0);
    EXPECT_EQ(all.outcome(), "error -5");
    EXPECT_TRUE(b.pending());
}

TEST(Asyncio, Asyncio_077_GatherOfWhatIsDoneIsDone) {
    World w;
    hear_errors(w);
    Future a(w), b(w), pending(w);
    a.resolve(1);
    b.fail(EVL_EIO);
    EXPECT_EQ(gather(w, {a, a}).outcome(), "value 2");
    EXPECT_EQ(gather(w, {a, pending, b}).outcome(), "error -5");
    EXPECT_EQ(gather(w, {b, a}, EVL_GATHER_ERRORS).outcome(), "value 2");
    EXPECT_TRUE(pending.pending());
    b.drop();
    w.run();
    EXPECT_EQ(w.log(), "");
}

TEST(Asyncio, Asyncio_078_WaitNeverCancelsAndNeverFails) {
    World w;
    evl_future *out = nullptr;
    EXPECT_EQ(evl_wait_futures(w.loop, nullptr, 0, EVL_WAIT_ALL, -1, &out), EVL_EINVAL);
    Future a(w), b(w), c = sleeping(w, sec);
    Future timed = wait_futures(w, {a, b, c}, EVL_WAIT_ALL, ms);
    Future first = wait_futures(w, {a, b, c}, EVL_WAIT_FIRST);
    Future all = wait_futures(w, {a, b, c}, EVL_WAIT_ALL);
    w.timer_in(2 * ms, [&] {
        EXPECT_EQ(timed.outcome(), "value 0"); // none was done, and no error
        EXPECT_TRUE(a.pending() && b.pending() && c.pending() && first.pending());
        // b is done by the same call as a, and before the waiting looks.
        EXPECT_EQ(evl_future_follow(b, a), 0);
        Future both = wait_futures(w, {a, b}, EVL_WAIT_FIRST);
        a.fail(EVL_EIO);
        EXPECT_EQ(both.outcome(), "value 2");
        EXPECT_EQ(first.outcome(), "value 1");
        EXPECT_EQ(wait_futures(w, {a, b, c}, EVL_WAIT_FIRST).outcome(), "value 2");
        EXPECT_EQ(wait_futures(w, {c, a, a}, EVL_WAIT_ALL, 0).outcome(), "value 2");
    });
    w.run();
    EXPECT_EQ(all.outcome(), "value 3");
    EXPECT_EQ(a.outcome(), "error -5");
}

TEST(Asyncio, Asyncio_079_ACancelledFutureIsNoErrorForWait) {
    World w;
    Future a(w), b(w), c(w), d(w);
    Future failed = wait_futures(w, {a, b, c}, EVL_WAIT_FIRST_ERROR);
    Future ended = wait_futures(w, {a, d}, EVL_WAIT_FIRST_ERROR);
    a.cancel();
    EXPECT_TRUE(failed.pending() && ended.pending());
    EXPECT_TRUE(wait_futures(w, {a, b}, EVL_WAIT_FIRST_ERROR).pending());
    b.fail(EVL_EIO);
    EXPECT_EQ(failed.outcome(), "value 2");
    EXPECT_EQ(wait_futures(w, {b, c}, EVL_WAIT_FIRST_ERROR).outcome(), "value 1");
    d.resolve(0);
    EXPECT_EQ(ended.outcome(), "value 2"); // none has failed, but all are done
    EXPECT_TRUE(c.pending());
    EXPECT_EQ(b.outcome(), "error -5");
}

TEST(Asyncio, Asyncio_080_CancellingWaitLeavesTheFuturesAlone) {
    World w;
    hear_errors(w);
    Future a(w), b(w);
    Future out = wait_futures(w, {a, b}, EVL_WAIT_ALL, sec);
    EXPECT_EQ(out.cancel(), 1);
    EXPECT_EQ(out.outcome(), "cancelled");
    EXPECT_TRUE(a.pending() && b.pending());
    EXPECT_EQ(evl_loop_alive(w.loop), 0); // its timeout is gone
    expect_free(w, a);
    expect_free(w, b);
}

TEST(Asyncio, Asyncio_081_WaitForWithoutTime) {
    World w;
    Future never(w), done(w), pending(w);
    Future patient = wait_for(never, -1);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    never.resolve(1);
    EXPECT_EQ(patient.outcome(), "value 1");
    done.fail(EVL_EIO);
    EXPECT_EQ(wait_for(done, 0).outcome(), "error -5");
    EXPECT_EQ(wait_for(pending, 0).outcome(), "error -110");
    EXPECT_EQ(pending.outcome(), "cancelled");
}

TEST(Asyncio, Asyncio_082_WaitForCancelsWhatTakesTooLong) {
    World w;
    Future slow = sleeping(w, sec), failing(w), cancelled(w), outside(w);
    Future late = wait_for(slow, ms), in_time = wait_for(failing, sec);
    Future inner = wait_for(cancelled, sec), given_up = wait_for(outside, sec);
    failing.fail(EVL_EPIPE);
    EXPECT_EQ(in_time.outcome(), "error -32"); // its own
    cancelled.cancel();
    EXPECT_EQ(inner.outcome(), "cancelled"); // not a timeout
    EXPECT_EQ(given_up.cancel(), 1);
    EXPECT_EQ(given_up.outcome(), "cancelled");
    EXPECT_EQ(outside.outcome(), "cancelled");
    int64_t before = evl_time(w.loop);
    w.run();
    EXPECT_EQ(late.outcome(), "error -110");
    EXPECT_EQ(slow.outcome(), "cancelled");
    EXPECT_LT(evl_time(w.loop) - before, sec); // the other timers are gone
}

TEST(Asyncio, Asyncio_083_ShieldKeepsCancellationOut) {
    World w;
    hear_errors(w);
    Future done(w), inner(w), cancelled(w);
    done.resolve(1);
    EXPECT_EQ(static_cast<evl_future *>(shield(done)), static_cast<evl_future *>(done));
    Future kept = shield(inner), outer = shield(inner);
    EXPECT_EQ(outer.cancel(), 1);
    EXPECT_EQ(outer.outcome(), "cancelled");
    EXPECT_TRUE(inner.pending() && kept.pending());
    Future follows = shield(cancelled);
    cancelled.cancel();
    EXPECT_EQ(follows.outcome(), "cancelled");
    kept.cancel();
    expect_free(w, inner); // nobody is left to hear of its error but the hook
}

TEST(Asyncio, Asyncio_084_AsCompletedGivesThemInTheOrderOfTheirEnds) {
    World w;
    Future a(w), b = sleeping(w, 2 * ms), c = sleeping(w, ms), never(w);
    a.resolve(0);
    evl_future *outs[4];
    ASSERT_EQ(evl_as_completed(w.loop, Futures{c, b, a, never}.data(), 4, 5 * ms, outs), 0);
    std::vector<Future> order;
    for (evl_future *out : outs)
        order.emplace_back(out);
    EXPECT_EQ(order[0].outcome(), "value 2");
    EXPECT_TRUE(order[1].pending());
    w.run();
    EXPECT_EQ(order[1].outcome(), "value 0");
    EXPECT_EQ(order[2].outcome(), "value 1");
    EXPECT_EQ(order[3].outcome(), "error -110");
    EXPECT_TRUE(never.pending()); // and is not cancelled
}

} // namespace
