// udp_receive_test.cpp - datagrams that come in: by operations, in batches, pushed.
#include "udp.hpp"

using namespace udp;

namespace {

// --- receiving --------------------------------------------------------------------------------------------

TEST(Udp, ReceivesWithTheAddress) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    Box box(w);
    EXPECT_EQ(box.start(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    peer.send(u, "hello");
    w.nowait();
    EXPECT_EQ(w.log(), "hello");
    EXPECT_EQ(box.from.text(), peer.address.text());
    EXPECT_EQ(send(u, "back", box.from), 4);
    EXPECT_EQ(peer.receive(), "back");
}

// One after the other, whether they were there before or come while it waits.
TEST(Udp, EachReceiveGetsOneDatagramInOrder) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    for (const char *text : {"1", "2", "3"})
        peer.send(u, text);
    Box box(w);
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(box.start(u), 0);
        w.nowait();
        if (i >= 2)
            peer.send(u, std::to_string(i + 2));
    }
    EXPECT_EQ(w.log(), "1 2 3 4 5");
}

TEST(Udp, TheRestOfADatagramIsLostAndTold) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    Box small(w, 3), none(w, 0);
    EXPECT_EQ(small.start(u), 0);
    peer.send(u, "abcdef");
    peer.send(u, "next");
    peer.send(u, "xyz");
    w.nowait();
    EXPECT_EQ(w.log(), std::to_string(EVL_EMSGSIZE));
    EXPECT_EQ(std::string(small.data.data(), 3), "abc");
    EXPECT_EQ(small.from.text(), peer.address.text());
    w.clear();
    EXPECT_EQ(evl_udp_receive(u, none.op, nullptr, 0, nullptr, nullptr), 0);
    w.nowait();
    EXPECT_EQ(w.log(), std::to_string(EVL_EMSGSIZE)) << "no room at all";
    w.clear();
    EXPECT_EQ(small.start(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "xyz") << "exactly as much as there is room for";
}

TEST(Udp, Contract_02_CompletesFromTheLoopUnlessAskedOtherwise) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    Box box(w), sync(w, 2000, EVL_OP_SYNC);
    EXPECT_EQ(sync.start(u), 0) << "nothing has been seen yet";
    peer.send(u, "0");
    peer.send(u, "1");
    peer.send(u, "2");
    w.nowait();
    EXPECT_EQ(w.log(), "0");
    EXPECT_EQ(box.start(u), 0);
    EXPECT_EQ(w.log(), "0");
    w.nowait();
    EXPECT_EQ(w.log(), "0 1");
    EXPECT_EQ(sync.start(u), 1);
    EXPECT_EQ(evl_op_result(sync.op), 1);
    EXPECT_EQ(sync.outcome(1), "2");
    EXPECT_EQ(w.log(), "0 1");
    EXPECT_EQ(sync.start(u), 0) << "and nothing is left";
    EXPECT_EQ(evl_op_close(sync.op), 0);
}

TEST(Udp, AtMost64AnswersInARowAtOnce) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    Box sync(w, 2000, EVL_OP_SYNC);
    for (int i = 0; i < 100; i++)
        peer.send(u, "x");
    EXPECT_EQ(sync.start(u), 0);
    w.nowait();
    int at_once = 0;
    while (sync.start(u) == 1)
        at_once++;
    EXPECT_EQ(at_once, 64);
    w.nowait();
    EXPECT_EQ(w.log(), "x x");
}

TEST(Udp, Contract_05_WhatIsCancelledClosedOrTimedOutHasTakenNothing) {
    World w(Options{.clock = EVL_CLOCK_MANUAL});
    Peer peer;
    evl_udp *u = open(w);
    Box a(w), b(w);
    // Pending.
    EXPECT_EQ(a.start(u), 0);
    EXPECT_EQ(evl_op_cancel(a.op), 1);
    w.nowait();
    EXPECT_EQ(a.start(u), 0);
    EXPECT_EQ(evl_op_close(a.op), 0);
    EXPECT_EQ(a.start(u), 0);
    EXPECT_EQ(evl_op_deadline(a.op, evl_now(w.loop) + ms), 0);
    EXPECT_EQ(evl_clock_advance(w.loop, ms), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "-125 -110");
    w.clear();
    // Due: somebody in front of it in the same pass thinks better of it.
    peer.send(u, "kept");
    EXPECT_EQ(b.start(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "kept");
    w.clear();
    peer.send(u, "first");
    for (int how = 0; how < 2; how++) {
        EXPECT_EQ(a.start(u), 0); // there was no end of the datagrams yet: it is due at once
        EXPECT_EQ(how == 0 ? evl_op_cancel(a.op) : evl_op_close(a.op), how == 0 ? 1 : 0);
        w.nowait();
    }
    EXPECT_EQ(w.log(), "-125");
    EXPECT_EQ(b.start(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "-125 first");
}

// A pipe that is reported before the sockets of the same poll, in either sink.
struct Before {
    Before(World &w, Action action) {
        w.io(pipe.r, EVL_READ, [this, action = std::move(action)] {
            pipe.r.drain();
            action(0);
        });
    }
    void fire() const { pipe.w.put(); }
    Pipe pipe;
};

// The event has come, the completion is queued, and what runs before it cancels it.
TEST(Udp, Contract_05_CancelledBetweenTheEventAndTheDelivery) {
    World w;
    Peer peer;
    Box box(w);
    Before before(w, [&] { EXPECT_EQ(evl_op_cancel(box.op), 1); });
    evl_udp *u = open(w);
    EXPECT_EQ(box.start(u), 0);
    w.nowait();
    before.fire();
    peer.send(u, "stays");
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "-125");
    char buf[10];
    EXPECT_EQ(evl_udp_try_receive(u, buf, sizeof buf, nullptr, nullptr), 5);
}

TEST(Udp, ASecondReceiveIsRefused) {
    World w;
    evl_udp *u = open(w);
    Box a(w), b(w);
    EXPECT_EQ(a.start(u), 0);
    EXPECT_EQ(b.start(u), EVL_EBUSY);
    char buf[4];
    EXPECT_EQ(evl_udp_try_receive(u, buf, sizeof buf, nullptr, nullptr), EVL_EBUSY);
    EXPECT_EQ(evl_udp_on_data(u, World::done(), nullptr), EVL_EBUSY);
    EXPECT_EQ(evl_op_close(a.op), 0);
    EXPECT_EQ(b.start(u), 0);
    EXPECT_EQ(evl_op_close(b.op), 0);
    push(w, u, notes(w));
    EXPECT_EQ(b.start(u), EVL_EBUSY) << "data is pushed";
    EXPECT_EQ(evl_udp_pause(u), 0);
    EXPECT_EQ(b.start(u), 0);
    EXPECT_EQ(evl_udp_resume(u), EVL_EBUSY);
    EXPECT_EQ(evl_op_close(b.op), 0);
}

TEST(Udp, InAFuture) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    evl_future *future = nullptr;
    char buf[10];
    EXPECT_EQ(evl_future_new(w.loop, &future), 0);
    EXPECT_EQ(evl_udp_receive(u, evl_future_op(future), buf, sizeof buf, nullptr, nullptr), 0);
    peer.send(u, "abc");
    w.nowait();
    w.nowait();
    int64_t value = 0;
    EXPECT_EQ(evl_future_value(future, &value), 0);
    EXPECT_EQ(value, 3);
    evl_future_unref(future);
}

// --- batches ----------------------------------------------------------------------------------------------

// With the system's batches and without.
void receives_many(bool batches) {
    World w;
    Sys sys;
    if (!batches)
        sys.fail(Call::recvmmsg, ENOSYS);
    Peer peer, other;
    evl_udp *u = open(w);
    Rows in(200);
    EXPECT_EQ(evl_udp_try_receive_many(u, in.rows.data(), 200), EVL_EAGAIN);
    for (int i = 0; i < 100; i++)
        (i % 2 ? other : peer).send(u, std::to_string(i));
    peer.send(u, "longer than there is room for");
    peer.send(u, "");
    ASSERT_EQ(evl_udp_try_receive_many(u, in.rows.data(), 30), 30);
    ASSERT_EQ(evl_udp_try_receive_many(u, in.rows.data() + 30, 170), 72);
    for (size_t i = 0; i < 100; i++) {
        EXPECT_EQ(in.text(i), std::to_string(i));
        in.from[i].length = in.rows[i].length;
        EXPECT_EQ(in.from[i].text(), (i % 2 ? other : peer).address.text());
    }
    EXPECT_EQ(in.rows[100].result, EVL_EMSGSIZE);
    EXPECT_EQ(std::string(in.data[100].data(), 16), "longer than ther");
    EXPECT_EQ(in.rows[101].result, 0);
    EXPECT_EQ(evl_udp_try_receive_many(u, in.rows.data(), 200), EVL_EAGAIN);
    EXPECT_EQ(evl_udp_try_receive_many(u, nullptr, 0), 0);
    if (batches) {
        EXPECT_LE(sys.calls(Call::recvmmsg), 8u);
    } else {
        EXPECT_EQ(sys.calls(Call::recvmmsg), 1u) << "asked once";
    }
}

TEST(Udp, ReceivesManyAtOnce) { receives_many(true); }
TEST(Udp, ReceivesManyWithoutTheSystemsBatches) { receives_many(false); }

TEST(Udp, AnErrorBehindABatchIsToldByTheNext) {
    World w;
    Sys sys;
    Peer peer;
    evl_udp *u = open(w);
    Rows in(10);
    peer.send(u, "a");
    sys.fail(Call::recvmmsg, ECONNREFUSED, 1);
    EXPECT_EQ(evl_udp_try_receive_many(u, in.rows.data(), 10), 1);
    EXPECT_EQ(evl_udp_try_receive_many(u, in.rows.data(), 10), EVL_ECONNREFUSED);
    EXPECT_EQ(evl_udp_try_receive_many(u, in.rows.data(), 10), EVL_EAGAIN);
}

// --- being pushed -----------------------------------------------------------------------------------------

TEST(Udp, PushesEachDatagramWithItsAddress) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    Address from;
    push(w, u, [&](int64_t n, const std::string &text, const Address &sender) {
        w.note(n == 0 ? "empty" : text);
        from = sender;
    });
    w.nowait();
    for (const char *text : {"a", "b", "", "c"})
        peer.send(u, text);
    w.nowait();
    EXPECT_EQ(w.log(), "a b empty c");
    EXPECT_EQ(from.text(), peer.address.text());
    peer.send(u, "d");
    w.nowait();
    EXPECT_EQ(w.log(), "a b empty c d");
}

TEST(Udp, NothingIsLentOutsideOfPushing) {
    World w;
    evl_udp *u = open(w);
    EXPECT_EQ(evl_udp_peek(u, nullptr, nullptr, nullptr), EVL_EAGAIN);
}

TEST(Udp, PausedAndResumed) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    EXPECT_EQ(evl_udp_resume(u), EVL_EINVAL) << "nothing to resume";
    push(w, u, notes(w));
    EXPECT_EQ(evl_udp_pause(u), 0);
    EXPECT_EQ(evl_udp_pause(u), 0);
    peer.send(u, "a");
    w.nowait();
    EXPECT_EQ(w.log(), "");
    Box box(w);
    EXPECT_EQ(box.start(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "a") << "an operation may receive";
    peer.send(u, "b");
    w.nowait();
    EXPECT_EQ(evl_udp_resume(u), 0);
    EXPECT_EQ(evl_udp_resume(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "a b");
}

// From inside, with more to come: nothing comes any more.
void stops_inside(void (*stop)(evl_udp *)) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    for (int i = 0; i < 10; i++)
        peer.send(u, "x");
    int heard = 0;
    void *arg = w.arg([&](int64_t) {
        if (++heard == 3)
            stop(u);
        char buf[10];
        if (records() && heard < 3) {
            EXPECT_EQ(evl_udp_try_receive(u, buf, sizeof buf, nullptr, nullptr), 1);
        }
    });
    EXPECT_EQ(evl_udp_on_data(u, World::done(), arg), 0);
    for (int i = 0; i < 10; i++)
        w.nowait();
    EXPECT_EQ(heard, 3);
}

TEST(Udp, PausedFromInside) {
    stops_inside([](evl_udp *u) { EXPECT_EQ(evl_udp_pause(u), 0); });
}
TEST(Udp, Contract_04_ClosedFromInside) {
    stops_inside([](evl_udp *u) { EXPECT_EQ(evl_close(u), 0); });
}

// A push that is due is taken back.
TEST(Udp, PausedAndClosedWhileAPushIsDue) {
    for (bool close : {false, true}) {
        World w;
        Peer peer;
        evl_udp *u = nullptr;
        Before before(w, [&] { EXPECT_EQ(close ? evl_close(u) : evl_udp_pause(u), 0); });
        u = open(w);
        push(w, u, notes(w));
        w.nowait();
        before.fire();
        peer.send(u, "x");
        w.nowait();
        w.nowait();
        EXPECT_EQ(w.log(), "");
    }
}

TEST(Udp, Contract_14_ABudgetForEachPass) {
    World w(Options{.poll_interval = 1});
    Peer peer;
    evl_udp *a = open(w), *b = open(w);
    for (int i = 0; i < 100; i++) {
        peer.send(a, "a");
        peer.send(b, "b");
    }
    if (records()) { // whoever fetches decides how many: one record for each look
        push(w, a, notes(w));
        w.nowait();
        EXPECT_EQ(w.log().size(), 199u);
        return;
    }
    int heard_a = 0, heard_b = 0, passes = 0;
    push(w, a, [&](int64_t, const std::string &, const Address &) { heard_a++; });
    push(w, b, [&](int64_t, const std::string &, const Address &) { heard_b++; });
    for (int i = 1; i <= 3; i++) {
        evl_call_soon(w.loop, World::always, w.arg([&] { passes++; }));
        w.nowait();
        EXPECT_EQ(heard_a, 32 * i);
        EXPECT_EQ(heard_b, 32 * i);
        EXPECT_EQ(passes, i);
    }
    w.nowait();
    EXPECT_EQ(heard_a, 100);
    EXPECT_EQ(heard_b, 100);

    heard_a = 0;
    std::string large(20000, 'x');
    for (int i = 0; i < 5; i++) // few enough for the kernel's buffer
        peer.send(a, large);
    w.nowait();
    EXPECT_EQ(heard_a, 4) << "64 KiB";
    w.nowait();
    EXPECT_EQ(heard_a, 5);
}

// One record says that there is something, and the next comes after somebody has looked.
TEST(Udp, ARecordForEachLook) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    EXPECT_EQ(evl_udp_on_data(u, nullptr, u), 0);
    evl_record out[8];
    auto pull = [&] { return evl_loop_records(w.loop, out, 8, 0); };
    EXPECT_EQ(pull(), 0);
    peer.send(u, "a");
    ASSERT_EQ(pull(), 1);
    EXPECT_EQ(out[0].kind, EVL_KIND_UDP);
    EXPECT_EQ(out[0].result, EVL_READ);
    EXPECT_EQ(out[0].id, evl_id(u));
    EXPECT_EQ(out[0].user_data, reinterpret_cast<uintptr_t>(u));
    peer.send(u, "b");
    EXPECT_EQ(pull(), 0) << "nobody has looked";
    char buf[4];
    EXPECT_EQ(evl_udp_try_receive(u, buf, 4, nullptr, nullptr), 1);
    EXPECT_EQ(pull(), 1) << "there is another";
    EXPECT_EQ(evl_udp_try_receive(u, buf, 4, nullptr, nullptr), 1);
    EXPECT_EQ(evl_udp_try_receive(u, buf, 4, nullptr, nullptr), EVL_EAGAIN);
    pull(); // there may have been one
    EXPECT_EQ(evl_udp_try_receive(u, buf, 4, nullptr, nullptr), EVL_EAGAIN);
    EXPECT_EQ(pull(), 0);
    peer.send(u, "c");
    EXPECT_EQ(pull(), 1);
    EXPECT_EQ(pull(), 0);
    EXPECT_EQ(evl_udp_pause(u), 0);
    EXPECT_EQ(evl_udp_resume(u), 0);
    EXPECT_EQ(pull(), 1) << "who begins anew is told anew";
}

} // namespace
