// udp_test.cpp - datagrams: sending, receiving in every way, queueing, errors, and the contracts for them.
#include "udp.hpp"

#include <fcntl.h>

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

struct Rows {
    explicit Rows(size_t n, size_t cap = 16) : data(n, std::vector<char>(cap)), from(n), rows(n) {
        for (size_t i = 0; i < n; i++)
            rows[i] = {
                .data = data[i].data(), .cap = cap, .address = from[i].bytes, .length = 0, .result = 0};
    }
    std::string text(size_t i) const {
        return rows[i].result < 0 ? std::to_string(rows[i].result)
                                  : std::string(data[i].data(), static_cast<size_t>(rows[i].result));
    }
    std::vector<std::vector<char>> data;
    std::vector<Address> from;
    std::vector<evl_udp_in> rows;
};

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

std::vector<evl_udp_out> rows_to(const std::vector<std::string> &texts, const Address *to) {
    std::vector<evl_udp_out> rows;
    for (const std::string &text : texts)
        rows.push_back({.data = text.data(),
                        .len = text.size(),
                        .address = to ? to->bytes : nullptr,
                        .length = to ? to->length : 0,
                        .reserved = 0});
    return rows;
}

void sends_many(bool batches) {
    World w;
    Sys sys;
    if (!batches)
        sys.fail(Call::sendmmsg, ENOSYS);
    Peer peer;
    evl_udp *u = open(w);
    std::vector<std::string> texts;
    for (int i = 0; i < 100; i++)
        texts.push_back(i == 50 ? "" : std::to_string(i));
    auto rows = rows_to(texts, &peer.address);
    EXPECT_EQ(evl_udp_send_many(u, rows.data(), 100), 100);
    for (const std::string &text : texts)
        EXPECT_EQ(peer.receive(), text);
    EXPECT_EQ(peer.receive(), "-");
    EXPECT_EQ(sys.calls(Call::sendmmsg), batches ? 4u : 1u);
    EXPECT_EQ(sys.calls(Call::sendto), batches ? 0u : 100u);
    EXPECT_EQ(evl_udp_send_many(u, nullptr, 0), 0);

    rows.resize(5);
    rows[2].address = nullptr;
    EXPECT_EQ(evl_udp_send_many(u, rows.data(), 5), 2) << "up to the one that cannot go";
    EXPECT_EQ(evl_udp_send_many(u, rows.data() + 2, 3), EVL_EDESTADDRREQ);
    EXPECT_EQ(evl_udp_send_many(u, rows.data() + 3, 2), 2);
    for (const char *text : {"0", "1", "3", "4", "-"})
        EXPECT_EQ(peer.receive(), text);
}

TEST(Udp, SendsManyAtOnce) { sends_many(true); }
TEST(Udp, SendsManyWithoutTheSystemsBatches) { sends_many(false); }

TEST(Udp, SendsManyBehindWhatIsQueued) {
    World w;
    Unix pair(w);
    std::vector<std::string> texts;
    for (int i = 0; i < 1000; i++)
        texts.push_back(std::to_string(i));
    auto rows = rows_to(texts, nullptr);
    EXPECT_EQ(evl_udp_send_many(pair.u, rows.data(), 1000), 1000);
    EXPECT_GT(evl_udp_queued(pair.u), 0);
    for (int i = 0; i < 1000;) {
        std::string text = pair.receive();
        if (text == "-") {
            w.nowait();
            continue;
        }
        ASSERT_EQ(text, std::to_string(i));
        i++;
    }
    EXPECT_EQ(evl_udp_queued(pair.u), 0);
    EXPECT_EQ(pair.receive(), "-");
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
    for (int i = 0; i < 8; i++)
        peer.send(a, large);
    w.nowait();
    EXPECT_EQ(heard_a, 4) << "64 KiB";
    w.nowait();
    EXPECT_EQ(heard_a, 8);
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
}

// --- sending and queueing ---------------------------------------------------------------------------------

TEST(Udp, TheOrderIsKeptThroughTheQueue) {
    World w;
    Unix pair(w);
    int n = pair.fill();
    for (int i = 0; i < n;) {
        std::string text = pair.receive();
        if (text == "-") {
            w.nowait();
            continue;
        }
        ASSERT_EQ(text, std::to_string(i++));
        if (n < 500 && i % 2) { // and what is sent meanwhile goes behind it
            EXPECT_GT(send(pair.u, std::to_string(n++)), 0);
        }
    }
    EXPECT_EQ(evl_udp_queued(pair.u), 0);
}

TEST(Udp, DrainAndFlush) {
    World w;
    Unix pair(w);
    evl_op *drain = w.op([&](int64_t rc) { w.note("drain" + std::to_string(rc)); });
    evl_op *flush = w.op([&](int64_t rc) { w.note("flush" + std::to_string(rc)); });
    EXPECT_EQ(evl_udp_flush(pair.u, flush), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "flush0") << "at once";
    w.clear();
    EXPECT_EQ(evl_udp_set_marks(pair.u, 3 * EVL_UDP_OVERHEAD, EVL_UDP_OVERHEAD + 8, 0), 0);
    pair.fill();
    EXPECT_EQ(evl_udp_drain(pair.u, drain), 0);
    EXPECT_EQ(evl_udp_flush(pair.u, flush), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    while (w.log().empty()) {
        pair.receive();
        w.nowait();
    }
    if (evl_udp_queued(pair.u) > 0) {
        EXPECT_EQ(w.log(), "drain0");
    }
    EXPECT_LE(evl_udp_queued(pair.u), EVL_UDP_OVERHEAD + 8);
    while (evl_udp_queued(pair.u) > 0) {
        EXPECT_EQ(w.log(), "drain0");
        pair.receive();
        w.nowait();
    }
    EXPECT_EQ(w.log(), "drain0 flush0");
    evl_op *sync = w.op([] { FAIL(); }, EVL_OP_SYNC);
    EXPECT_EQ(evl_udp_drain(pair.u, sync), 1);
    EXPECT_EQ(evl_op_result(sync), 0);
}

TEST(Udp, WaitersAreCancelledTimeOutAndEndWithTheSocket) {
    World w(Options{.clock = EVL_CLOCK_MANUAL});
    Unix pair(w);
    pair.fill();
    auto op = [&](const std::string &name) {
        evl_op *made = w.op([&w, name](int64_t rc) { w.note(name + std::to_string(rc)); });
        EXPECT_EQ(evl_udp_flush(pair.u, made), 0);
        return made;
    };
    evl_op *a = op("a"), *b = op("b"), *c = op("c");
    op("d");
    EXPECT_EQ(evl_op_cancel(a), 1);
    EXPECT_EQ(evl_op_deadline(b, evl_now(w.loop)), 0);
    EXPECT_EQ(evl_op_close(c), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "a-125 b-110");
    EXPECT_EQ(evl_close(pair.u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "a-125 b-110 d-1000");
}

TEST(Udp, ChangedMarksCountAtOnce) {
    World w;
    Unix pair(w);
    pair.fill();
    EXPECT_EQ(evl_udp_set_marks(pair.u, 1, 2, 0), EVL_EINVAL);
    EXPECT_EQ(evl_udp_set_marks(pair.u, 10, 0, 0), 0);
    evl_op *drain = w.op(w.says("drained"));
    EXPECT_EQ(evl_udp_drain(pair.u, drain), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(evl_udp_set_marks(pair.u, 65536, UINT32_MAX, 0), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "drained");
}

TEST(Udp, TheHardLimitIsNeverExceeded) {
    World w;
    Unix pair(w);
    EXPECT_EQ(evl_udp_set_marks(pair.u, 100, 50, 1000), 0);
    pair.fill();
    int64_t rc = 0;
    for (int i = 0; i < 100 && rc >= 0; i++)
        rc = send(pair.u, std::string(100, 'x'));
    EXPECT_EQ(rc, EVL_ENOBUFS);
    EXPECT_LE(evl_udp_queued(pair.u), 1000);
    EXPECT_GT(evl_udp_queued(pair.u), 1000 - 100 - EVL_UDP_OVERHEAD);
    auto rows = rows_to({"", std::string(900, 'x')}, nullptr);
    int64_t queued = evl_udp_queued(pair.u);
    bool fits = queued + EVL_UDP_OVERHEAD <= 1000;
    EXPECT_EQ(evl_udp_send_many(pair.u, rows.data(), 2), fits ? 1 : EVL_ENOBUFS);
    EXPECT_EQ(evl_udp_send_many(pair.u, rows.data() + 1, 1), EVL_ENOBUFS);
}

TEST(Udp, ClosingTriesOnceToSendWhatIsQueued) {
    World w;
    Unix pair(w);
    int n = pair.fill();
    for (int i = 0; i < n - 2; i++)
        if (pair.receive() == "-")
            break;
    EXPECT_GT(evl_udp_queued(pair.u), 0);
    EXPECT_EQ(evl_close(pair.u), 0);
    std::string last;
    for (std::string text; (text = pair.receive()) != "-";)
        last = text;
    EXPECT_EQ(last, std::to_string(n - 1));
}

// What has no room when the socket is closed is dropped, and the loop ends.
TEST(Udp, WhatClosingCannotSendIsDropped) {
    World w;
    Unix pair(w);
    pair.fill();
    EXPECT_EQ(evl_close(pair.u), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
}

TEST(Udp, ABudgetForSendingToo) {
    World w;
    Sys sys;
    Peer peer;
    evl_udp *u = open(w);
    sys.fail(Call::sendto, EAGAIN);
    for (int i = 0; i < 100; i++)
        EXPECT_GT(send(u, std::to_string(i), peer.address), 0);
    EXPECT_EQ(evl_udp_queued(u), 190 + 100 * EVL_UDP_OVERHEAD);
    for (int i = 1; i <= 4; i++) {
        w.nowait();
        EXPECT_EQ(sys.calls(Call::sendmmsg), static_cast<uint64_t>(i));
    }
    EXPECT_EQ(evl_udp_queued(u), 0);
    for (int i = 0; i < 100; i++)
        EXPECT_EQ(peer.receive(), std::to_string(i));
}

// --- errors -----------------------------------------------------------------------------------------------

// A queued datagram cannot be sent. Whoever receives is told, and the ones behind it go out.
class QueuedError {
  public:
    QueuedError() : u(open(w)) {}
    void queue() {
        sys.fail(Call::sendto, EAGAIN);
        for (const char *text : {"1", "2", "3"})
            EXPECT_EQ(send(u, text, peer.address), 1);
        sys.fail(Call::sendmmsg, EACCES);
    }
    void check_rest() {
        EXPECT_EQ(peer.receive(), "2");
        EXPECT_EQ(peer.receive(), "3");
        EXPECT_EQ(peer.receive(), "-");
        EXPECT_EQ(evl_udp_queued(u), 0);
    }
    World w;
    Sys sys;
    Peer peer;
    evl_udp *u;
};

TEST(Udp, AQueuedErrorIsToldToTheReceive) {
    QueuedError q;
    Box box(q.w);
    EXPECT_EQ(box.start(q.u), 0);
    q.queue();
    for (int i = 0; i < 3; i++)
        q.w.nowait();
    EXPECT_EQ(q.w.log(), "-13");
    q.check_rest();
    EXPECT_EQ(box.start(q.u), 0);
    q.peer.send(q.u, "on");
    q.w.nowait();
    EXPECT_EQ(q.w.log(), "-13 on");
}

TEST(Udp, AQueuedErrorIsToldByThePush) {
    QueuedError q;
    push(q.w, q.u, notes(q.w));
    q.queue();
    for (int i = 0; i < 3; i++)
        q.w.nowait();
    EXPECT_EQ(q.w.log(), "-13");
    q.check_rest();
    q.peer.send(q.u, "on");
    q.w.nowait();
    EXPECT_EQ(q.w.log(), "-13 on");
}

TEST(Udp, AQueuedErrorIsToldToWhoWaits) {
    QueuedError q;
    evl_op *flush = q.w.op([&](int64_t rc) { q.w.note("flush" + std::to_string(rc)); });
    q.queue();
    EXPECT_EQ(evl_udp_flush(q.u, flush), 0);
    for (int i = 0; i < 3; i++)
        q.w.nowait();
    EXPECT_EQ(q.w.log(), "flush-13");
    q.check_rest();
    EXPECT_EQ(evl_udp_flush(q.u, flush), 0);
    q.w.nowait();
    EXPECT_EQ(q.w.log(), "flush-13 flush0") << "once";
}

TEST(Udp, AQueuedErrorWaitsForSomebody) {
    QueuedError q;
    q.queue();
    for (int i = 0; i < 3; i++)
        q.w.nowait();
    q.check_rest();
    char buf[4];
    EXPECT_EQ(evl_udp_try_receive(q.u, buf, 4, nullptr, nullptr), EVL_EACCES);
    EXPECT_EQ(evl_udp_try_receive(q.u, buf, 4, nullptr, nullptr), EVL_EAGAIN);
}

TEST(Udp, TheKernelIsFullOrInterrupted) {
    World w;
    Sys sys;
    Peer peer;
    evl_udp *u = open(w);
    sys.fail(Call::sendto, EINTR, 0, 3);
    EXPECT_EQ(send(u, "a", peer.address), 1);
    sys.fail(Call::sendto, ENOBUFS);
    EXPECT_EQ(send(u, "b", peer.address), EVL_ENOBUFS);
    EXPECT_EQ(evl_udp_queued(u), 0);
    EXPECT_EQ(peer.receive(), "a");
    EXPECT_EQ(peer.receive(), "-");
    sys.fail(Call::recvmsg, EINTR, 0, 3);
    peer.send(u, "c");
    char buf[4];
    EXPECT_EQ(evl_udp_try_receive(u, buf, 4, nullptr, nullptr), 1);
}

TEST(Udp, TooLarge) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    std::string most(65507, 'x');
    EXPECT_EQ(send(u, most, peer.address), 65507);
    EXPECT_EQ(peer.receive(), most);
    EXPECT_EQ(send(u, most + "x", peer.address), EVL_EMSGSIZE);
    EXPECT_EQ(send(u, std::string(70000, 'x'), peer.address), EVL_EMSGSIZE);
    Box box(w, 65536);
    EXPECT_EQ(box.start(u), 0);
    peer.send(u, most);
    w.nowait();
    EXPECT_EQ(w.log(), most);
}

// --- opening, addresses, options --------------------------------------------------------------------------

TEST(Udp, Contract_06_BadInput) {
    World w;
    Tcp tcp;
    Pipe pipe;
    Address any("127.0.0.1"), elsewhere("192.0.2.1");
    evl_udp *u = nullptr;
    EXPECT_EQ(evl_udp_open(nullptr, any.bytes, any.length, 0, &u), EVL_EINVAL);
    EXPECT_EQ(evl_udp_open(w.loop, any.bytes, any.length, 0, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_udp_open(w.loop, any.bytes, any.length, 1024, &u), EVL_EINVAL);
    EXPECT_EQ(evl_udp_open(w.loop, any.bytes, any.length, EVL_UDP_KEEP_FD, &u), EVL_EINVAL);
    EXPECT_EQ(evl_udp_open(w.loop, any.bytes, 1, 0, &u), EVL_EINVAL);
    EXPECT_EQ(evl_udp_open(w.loop, any.bytes, 1000, 0, &u), EVL_EINVAL);
    EXPECT_EQ(evl_udp_open(w.loop, elsewhere.bytes, elsewhere.length, 0, &u), EVL_EADDRNOTAVAIL);
    EXPECT_EQ(evl_udp_open_fd(w.loop, -1, 0, &u), EVL_EBADF);
    EXPECT_EQ(evl_udp_open_fd(w.loop, pipe.r, 0, &u), EVL_ENOTSOCK);
    EXPECT_EQ(evl_udp_open_fd(w.loop, tcp.a, 0, &u), EVL_EPROTOTYPE);
    EXPECT_EQ(evl_udp_open_fd(w.loop, tcp.a, 1, &u), EVL_EINVAL);
    EXPECT_EQ(u, nullptr);

    u = open(w);
    Address taken = local(u);
    evl_udp *other = nullptr;
    EXPECT_EQ(evl_udp_open(w.loop, taken.bytes, taken.length, 0, &other), EVL_EADDRINUSE);
    evl_op op;
    char buf[4];
    EXPECT_EQ(evl_op_init(&op, World::done(), nullptr, 0), 0);
    EXPECT_EQ(evl_udp_receive(u, &op, nullptr, 4, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_udp_receive(u, nullptr, buf, 4, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_udp_receive(nullptr, &op, buf, 4, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_udp_try_receive(u, nullptr, 4, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_udp_try_receive_many(u, nullptr, 4), EVL_EINVAL);
    EXPECT_EQ(evl_udp_send(u, nullptr, 4, any.bytes, any.length), EVL_EINVAL);
    EXPECT_EQ(evl_udp_send(u, "x", 1, any.bytes, 1), EVL_EINVAL);
    EXPECT_EQ(evl_udp_send(u, "x", 1, any.bytes, 129), EVL_EINVAL);
    EXPECT_EQ(evl_udp_send(u, "x", 1, nullptr, 0), EVL_EDESTADDRREQ);
    EXPECT_EQ(evl_udp_send_many(u, nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_udp_send_many(u, nullptr, -1), EVL_EINVAL);
    EXPECT_EQ(evl_udp_connect(u, any.bytes, 1), EVL_EINVAL);
    EXPECT_EQ(evl_udp_local(u, nullptr, 4), EVL_EINVAL);
    EXPECT_EQ(evl_udp_peer(u, buf, 4), EVL_ENOTCONN);
    evl_timer *timer = w.timer([] {});
    EXPECT_EQ(evl_udp_send(timer, "x", 1, any.bytes, any.length), EVL_EINVAL) << "another kind of handle";
    EXPECT_EQ(evl_udp_fd(timer), EVL_EINVAL);
    EXPECT_EQ(evl_op_active(&op), 0);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 2);
    EXPECT_EQ(evl_close(nullptr), 0);
}

TEST(Udp, ConnectedAndNotAnyMore) {
    World w;
    Peer peer, stranger;
    evl_udp *u = open(w);
    EXPECT_EQ(evl_udp_connect(u, nullptr, 0), 0) << "it is not";
    EXPECT_EQ(evl_udp_connect(u, peer.address.bytes, peer.address.length), 0);
    Address a;
    a.length = static_cast<uint32_t>(evl_udp_peer(u, a.bytes, sizeof a.bytes));
    EXPECT_EQ(a.text(), peer.address.text());
    EXPECT_EQ(send(u, "hi"), 2);
    EXPECT_EQ(peer.receive(), "hi");
    Box box(w);
    EXPECT_EQ(box.start(u), 0);
    stranger.send(u, "not for you");
    peer.send(u, "for you");
    w.nowait();
    EXPECT_EQ(w.log(), "for you");
    EXPECT_EQ(evl_udp_connect(u, stranger.address.bytes, stranger.address.length), 0);
    EXPECT_EQ(send(u, "ho"), 2);
    EXPECT_EQ(stranger.receive(), "ho");
    EXPECT_EQ(evl_udp_connect(u, nullptr, 0), 0);
    EXPECT_EQ(send(u, "x"), EVL_EDESTADDRREQ);
    EXPECT_EQ(evl_udp_peer(u, a.bytes, sizeof a.bytes), EVL_ENOTCONN);
    EXPECT_EQ(send(u, "x", peer.address), 1);
    EXPECT_EQ(peer.receive(), "x");
}

TEST(Udp, NoOtherPeerWhileSomethingIsQueued) {
    World w;
    Sys sys;
    Peer peer, other;
    evl_udp *u = open(w);
    EXPECT_EQ(evl_udp_connect(u, peer.address.bytes, peer.address.length), 0);
    sys.fail(Call::sendto, EAGAIN);
    EXPECT_EQ(send(u, "x"), 1);
    EXPECT_EQ(evl_udp_connect(u, other.address.bytes, other.address.length), EVL_EBUSY);
    w.nowait();
    EXPECT_EQ(evl_udp_connect(u, other.address.bytes, other.address.length), 0);
    EXPECT_EQ(peer.receive(), "x");
}

TEST(Udp, OpenedWithoutAnAddress) {
    World w;
    Peer four, six("::1");
    evl_udp *u4 = nullptr, *u6 = nullptr;
    EXPECT_EQ(evl_udp_open(w.loop, nullptr, 0, 0, &u4), 0);
    EXPECT_EQ(evl_udp_open(w.loop, nullptr, 0, EVL_UDP_IPV6, &u6), 0);
    EXPECT_EQ(send(u4, "4", four.address), 1);
    EXPECT_EQ(send(u6, "6", six.address), 1);
    EXPECT_EQ(four.receive(), "4");
    EXPECT_EQ(six.receive(), "6");
}

TEST(Udp, OneSocketForBothFamiliesOrForOne) {
    World w;
    Peer four;
    Address six("::");
    evl_udp *both = open(w, 0, "::"), *only = open(w, EVL_UDP_V6ONLY, "::");
    Box box(w);
    EXPECT_EQ(box.start(both), 0);
    Address to("127.0.0.1", static_cast<uint32_t>(evl_address_port(local(both).bytes, local(both).length)));
    four.send(to, "four");
    w.nowait();
    EXPECT_EQ(w.log(), "four");
    Address mapped("::ffff:127.0.0.1", 9);
    EXPECT_LT(send(only, "x", mapped), 0);
}

TEST(Udp, SeveralSocketsOnOnePort) {
    for (uint32_t flag : {EVL_UDP_REUSEADDR, EVL_UDP_REUSEPORT}) {
        World w;
        Peer peer;
        evl_udp *a = open(w, flag), *b = nullptr;
        Address there = local(a);
        ASSERT_EQ(evl_udp_open(w.loop, there.bytes, there.length, flag, &b), 0);
        int heard = 0;
        for (evl_udp *u : {a, b})
            push(w, u, [&](int64_t, const std::string &, const Address &) { heard++; });
        for (int i = 0; i < 20; i++)
            peer.send(there, "x");
        w.nowait();
        EXPECT_EQ(heard, 20);
    }
}

TEST(Udp, TakesOverAnFdAndGivesItBack) {
    World w;
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    Fd a(fds[0]), b(fds[1]);
    evl_udp *u = nullptr;
    ASSERT_EQ(evl_udp_open_fd(w.loop, a, EVL_UDP_KEEP_FD, &u), 0);
    EXPECT_EQ(evl_udp_fd(u), a);
    EXPECT_NE(::fcntl(a, F_GETFL) & O_NONBLOCK, 0);
    evl_udp *again = nullptr;
    EXPECT_EQ(evl_udp_open_fd(w.loop, a, EVL_UDP_KEEP_FD, &again), EVL_EEXIST);
    EXPECT_NE(::fcntl(a, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(send(u, "hi"), 2) << "it was connected";
    EXPECT_EQ(evl_close(u), 0);
    EXPECT_EQ(::fcntl(a, F_GETFL) & O_NONBLOCK, 0) << "as it was";
    char buf[4];
    EXPECT_EQ(::recv(b, buf, 4, 0), 2);
}

TEST(Udp, Contract_07_ItsFdsAreCloseOnExecAndAPeerThatHasGoneRaisesNothing) {
    World w;
    evl_udp *u = open(w);
    EXPECT_NE(::fcntl(evl_udp_fd(u), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(evl_udp_fd(u), F_GETFL) & O_NONBLOCK, 0);
    Unix pair(w);
    pair.peer.close();
    EXPECT_LT(send(pair.u, "x"), 0);
    EXPECT_LT(send(pair.u, "x"), 0);
    EXPECT_EQ(evl_loop_error(w.loop), 0);
}

TEST(Udp, UnixSocketsWithNames) {
    World w;
    std::string name = "@evloop-udp-test-" + std::to_string(::getpid());
    evl_udp *server = open(w, 0, (name + "-a").c_str()), *client = open(w, 0, (name + "-b").c_str());
    EXPECT_EQ(send(client, "hello", local(server)), 5);
    Box box(w);
    EXPECT_EQ(box.start(server), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "hello");
    EXPECT_EQ(box.from.text(), name + "-b");
    EXPECT_EQ(evl_udp_set_option(server, EVL_UDP_OPT_TTL, 3), EVL_ENOTSUP);
    std::string large(100000, 'x');
    EXPECT_EQ(send(client, large, local(server)), 100000) << "larger than IP's";
    Box big(w, 100000);
    EXPECT_EQ(big.start(server), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "hello " + large);
}

int option(const evl_udp *u, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    EXPECT_EQ(::getsockopt(evl_udp_fd(u), level, name, &value, &len), 0);
    return value;
}

TEST(Udp, Options) {
    World w;
    evl_udp *four = open(w, EVL_UDP_BROADCAST), *six = open(w, 0, "::1");
    EXPECT_EQ(option(four, SOL_SOCKET, SO_BROADCAST), 1);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_BROADCAST, 0), 0);
    EXPECT_EQ(option(four, SOL_SOCKET, SO_BROADCAST), 0);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_TTL, 7), 0);
    EXPECT_EQ(evl_udp_set_option(six, EVL_UDP_OPT_TTL, 8), 0);
    EXPECT_EQ(option(four, IPPROTO_IP, IP_TTL), 7);
    EXPECT_EQ(option(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 8);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_MULTICAST_TTL, 0), 0);
    EXPECT_EQ(evl_udp_set_option(six, EVL_UDP_OPT_MULTICAST_TTL, 255), 0);
    EXPECT_EQ(option(four, IPPROTO_IP, IP_MULTICAST_TTL), 0);
    EXPECT_EQ(option(six, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 255);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_MULTICAST_LOOP, 0), 0);
    EXPECT_EQ(evl_udp_set_option(six, EVL_UDP_OPT_MULTICAST_LOOP, 0), 0);
    EXPECT_EQ(option(four, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
    EXPECT_EQ(option(six, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), 0);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_RECEIVE_BUFFER, 20000), 0);
    EXPECT_GE(option(four, SOL_SOCKET, SO_RCVBUF), 20000);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_SEND_BUFFER, 20000), 0);
    EXPECT_GE(option(four, SOL_SOCKET, SO_SNDBUF), 20000);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_TTL, 0), EVL_EINVAL);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_TTL, 256), EVL_EINVAL);
    EXPECT_EQ(evl_udp_set_option(four, EVL_UDP_OPT_BROADCAST, 2), EVL_EINVAL);
    EXPECT_EQ(evl_udp_set_option(four, 0, 1), EVL_EINVAL);
    EXPECT_EQ(evl_udp_set_option(four, 8, 1), EVL_EINVAL);
}

// Over the loopback, by its index.
TEST(Udp, Multicast) {
    World w;
    Address group("239.7.7.7");
    evl_udp *sender = open(w), *member = open(w, 0, "0.0.0.0");
    Address bound = local(member);
    Address there("239.7.7.7", static_cast<uint32_t>(evl_address_port(bound.bytes, bound.length)));
    auto lo = ::if_nametoindex("lo");
    Box box(w);
    ASSERT_EQ(evl_udp_join(member, group.bytes, group.length, lo, nullptr, 0), 0);
    EXPECT_EQ(evl_udp_join(member, group.bytes, group.length, lo, nullptr, 0), EVL_EADDRINUSE);
    ASSERT_EQ(evl_udp_set_option(sender, EVL_UDP_OPT_MULTICAST_INTERFACE, static_cast<int32_t>(lo)), 0);
    EXPECT_EQ(evl_udp_set_option(sender, EVL_UDP_OPT_MULTICAST_LOOP, 1), 0);
    EXPECT_EQ(box.start(member), 0);
    EXPECT_EQ(send(sender, "all", there), 3);
    w.nowait();
    EXPECT_EQ(w.log(), "all");
    EXPECT_EQ(evl_udp_leave(member, group.bytes, group.length, lo, nullptr, 0), 0);
    EXPECT_EQ(evl_udp_leave(member, group.bytes, group.length, lo, nullptr, 0), EVL_EADDRNOTAVAIL);

    // From one source only.
    Address from = local(sender), stranger("192.0.2.7");
    ASSERT_EQ(evl_udp_join(member, group.bytes, group.length, lo, stranger.bytes, stranger.length), 0);
    EXPECT_EQ(box.start(member), 0);
    EXPECT_EQ(send(sender, "not", there), 3);
    w.nowait();
    EXPECT_EQ(w.log(), "all");
    ASSERT_EQ(evl_udp_join(member, group.bytes, group.length, lo, from.bytes, from.length), 0);
    EXPECT_EQ(send(sender, "some", there), 4);
    w.nowait();
    EXPECT_EQ(w.log(), "all some");
    EXPECT_EQ(evl_udp_leave(member, group.bytes, group.length, lo, from.bytes, from.length), 0);
}

// Membership only: the loopback interface need not have a route for IPv6's groups.
TEST(Udp, MulticastMembershipIpv6) {
    World w;
    Address group("ff15::7:7:7"), source("2001:db8::7");
    evl_udp *member = open(w, 0, "::");
    auto lo = ::if_nametoindex("lo");
    for (const Address *from :
         {static_cast<const Address *>(nullptr), static_cast<const Address *>(&source)}) {
        const void *bytes = from ? from->bytes : nullptr;
        uint32_t length = from ? from->length : 0;
        EXPECT_EQ(evl_udp_join(member, group.bytes, group.length, lo, bytes, length), 0);
        EXPECT_LT(evl_udp_join(member, group.bytes, group.length, lo, bytes, length), 0);
        EXPECT_EQ(evl_udp_leave(member, group.bytes, group.length, lo, bytes, length), 0);
        EXPECT_LT(evl_udp_leave(member, group.bytes, group.length, lo, bytes, length), 0);
    }
    EXPECT_EQ(evl_udp_set_option(member, EVL_UDP_OPT_MULTICAST_INTERFACE, static_cast<int32_t>(lo)), 0);
    EXPECT_EQ(option(member, IPPROTO_IPV6, IPV6_MULTICAST_IF), static_cast<int>(lo));
}

TEST(Udp, MulticastBadInput) {
    World w;
    Address group("239.7.7.7"), six("ff15::7"), plain("127.0.0.1");
    evl_udp *u = open(w);
    EXPECT_EQ(evl_udp_join(u, nullptr, 0, 0, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_udp_join(u, group.bytes, 1, 0, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_udp_join(u, six.bytes, six.length, 0, nullptr, 0), EVL_EINVAL) << "another family";
    EXPECT_EQ(evl_udp_join(u, group.bytes, group.length, 0, six.bytes, six.length), EVL_EINVAL);
    EXPECT_EQ(evl_udp_join(u, plain.bytes, plain.length, 0, nullptr, 0), EVL_EINVAL) << "no group";
    EXPECT_EQ(evl_udp_join(u, group.bytes, group.length, 99999, nullptr, 0), EVL_ENODEV);
    Unix pair(w);
    EXPECT_EQ(evl_udp_join(pair.u, group.bytes, group.length, 0, nullptr, 0), EVL_ENOTSUP);
}

// --- the loop's contracts ---------------------------------------------------------------------------------

TEST(Udp, Contract_09_BelongsToTheThreadInsideRun) {
    World w;
    evl_udp *u = open(w);
    Address there = local(u);
    w.call_inside([&] {
        on_thread([&] {
            EXPECT_EQ(send(u, "x", there), EVL_ETHREAD);
            EXPECT_EQ(evl_udp_on_data(u, World::done(), nullptr), EVL_ETHREAD);
            EXPECT_EQ(evl_udp_pause(u), EVL_ETHREAD);
            EXPECT_EQ(evl_close(u), EVL_ETHREAD);
        });
    });
    w.nowait();
}

TEST(Udp, Contract_10_AnotherSocketWithTheSameNumberHearsNothingOfTheOldOne) {
    World w;
    Peer peer;
    evl_udp *old = open(w), *fresh = nullptr;
    int number = evl_udp_fd(old);
    push(w, old, [&](int64_t, const std::string &, const Address &) { w.note("old"); });
    w.nowait();
    peer.send(old, "x");
    auto swap = [&] {
        if (fresh)
            return;
        EXPECT_EQ(evl_close(old), 0);
        fresh = open(w);
        EXPECT_EQ(evl_udp_fd(fresh), number);
        push(w, fresh, [&](int64_t, const std::string &text, const Address &) { w.note("new" + text); });
    };
    if (records())
        swap();
    else
        w.hook(EVL_HOOK_AFTER_POLL, swap); // the event of the old one is in hand
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "");
    ASSERT_NE(fresh, nullptr);
    peer.send(fresh, "!");
    w.nowait();
    EXPECT_EQ(w.log(), "new!");
}

TEST(Udp, Contract_10_ClosedBehindItsBack) {
    for (bool pushed : {false, true}) {
        World w;
        evl_udp *u = open(w);
        Box box(w);
        if (pushed)
            push(w, u, notes(w));
        else
            EXPECT_EQ(box.start(u), 0);
        w.nowait();
        int number = evl_udp_fd(u);
        EXPECT_EQ(evl_fd_closing(w.loop, number), 1);
        ::close(number);
        w.nowait();
        EXPECT_EQ(w.log(), std::to_string(EVL_ECLOSED));
        w.nowait();
        EXPECT_EQ(w.log(), std::to_string(EVL_ECLOSED)) << "once";
        EXPECT_EQ(evl_udp_fd(u), -1);
        EXPECT_EQ(box.start(u), EVL_ECLOSED);
        EXPECT_EQ(send(u, "x", nobody()), EVL_ECLOSED);
        EXPECT_EQ(evl_udp_resume(u), EVL_ECLOSED);
        EXPECT_EQ(evl_active(u), 0);
        Fd other(::dup(STDERR_FILENO)); // has the number now
        EXPECT_EQ(other, number);
        EXPECT_EQ(evl_close(u), 0);
        EXPECT_GE(::fcntl(other, F_GETFD), 0) << "not ours to close";
    }
}

// The kernel refuses a change of what is wanted: that is told, and the fd is closed all the same.
TEST(Udp, TheKernelWillNotHaveItAnyMore) {
    World w;
    Sys sys;
    Unix pair(w);
    push(w, pair.u, notes(w));
    w.nowait();
    pair.fill();
    bool epoll = w.on("epoll");
    if (epoll)
        sys.fail(Call::epoll_ctl, ENOMEM);
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), epoll ? std::to_string(EVL_ENOMEM) : "");
    EXPECT_EQ(evl_udp_fd(pair.u) < 0, epoll);
    EXPECT_EQ(evl_close(pair.u), 0); // the sandbox counts the fds
}

TEST(Udp, Contract_11_InAForkedChild) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    Box box(w);
    push(w, u, notes(w));
    Unix pair(w);
    pair.fill();
    w.nowait();
    in_child([&] {
        EXPECT_EQ(send(u, "x", peer.address), EVL_EFORK);
        EXPECT_EQ(box.start(u), EVL_EFORK);
        EXPECT_EQ(evl_udp_pause(u), 0) << "stopping works";
        int64_t queued = evl_udp_queued(pair.u);
        EXPECT_GT(queued, 0);
        EXPECT_EQ(evl_close(pair.u), 0);
        EXPECT_EQ(w.destroy(), 0);
    });
    EXPECT_EQ(peer.receive(), "-");
    peer.send(u, "still");
    w.nowait();
    EXPECT_EQ(w.log(), "still") << "the parent is untouched";
    in_child([&] {
        w.clear();
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        peer.send(u, "child");
        w.nowait();
        EXPECT_EQ(w.log(), "child");
        w.destroy();
    });
}

TEST(Udp, Contract_12_TheLoopGoesWithEverythingOnIt) {
    World w;
    Peer peer;
    evl_udp *a = open(w), *b = open(w), *c = open(w);
    EXPECT_EQ(evl_set_name(a, "dns"), 0);
    Box pending(w), due(w);
    EXPECT_EQ(pending.start(a), 0);
    peer.send(b, "x");
    peer.send(b, "y");
    EXPECT_EQ(due.start(b), 0);
    w.nowait();
    EXPECT_EQ(due.start(b), 0); // due already
    peer.send(c, "x");
    push(w, c, notes(w));
    Unix pair(w);
    pair.fill();
    evl_op *flush = w.op(w.says("flush"));
    EXPECT_EQ(evl_udp_flush(pair.u, flush), 0);
    EXPECT_EQ(w.close(), EVL_EBUSY);
    evl_blocker blockers[8];
    ASSERT_GE(evl_loop_blockers(w.loop, blockers, 8), 4);
    EXPECT_EQ(blockers[0].kind, EVL_KIND_UDP);
    EXPECT_STREQ(blockers[0].name, "dns");
    w.clear();
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(evl_op_active(pending.op), 0);
    EXPECT_EQ(evl_op_active(due.op), 0);
    EXPECT_EQ(evl_op_active(flush), 0);
}

TEST(Udp, Contract_13_OutOfMemoryChangesNothing) {
    World w;
    evl_udp *u = nullptr;
    Address any("127.0.0.1");
    for (uint64_t n = 1;; n++) {
        w.memory.fail(n);
        int32_t rc = evl_udp_open(w.loop, any.bytes, any.length, 0, &u);
        if (rc == 0)
            break;
        EXPECT_EQ(rc, EVL_ENOMEM);
        EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
    }
    w.memory.fail(1);
    if (!records()) {
        EXPECT_EQ(evl_udp_on_data(u, World::done(), nullptr), EVL_ENOMEM);
        EXPECT_EQ(evl_active(u), 0);
    }
    Sys sys;
    sys.fail(Call::sendto, EAGAIN);
    w.memory.fail(1);
    EXPECT_EQ(send(u, "x", any), EVL_ENOMEM);
    EXPECT_EQ(evl_udp_queued(u), 0);
    w.memory.fail(0);
}

TEST(Udp, Contract_16_SteadyStateAllocatesNothing) {
    World w;
    Peer peer;
    evl_udp *u = open(w), *pushed = open(w);
    Unix pair(w);
    Rows in(40);
    int heard = 0;
    push(w, pushed, [&](int64_t, const std::string &, const Address &) { heard++; });
    Address there = local(u), push_to = local(pushed);
    evl_op *op = nullptr;
    char buf[100];
    bool waiting = false;
    op = w.op([&](int64_t) { waiting = false; });
    auto round = [&] {
        if (!std::exchange(waiting, true)) {
            EXPECT_EQ(evl_udp_receive(u, op, buf, sizeof buf, nullptr, nullptr), 0);
        }
        for (int i = 0; i < 3; i++) {
            peer.send(there, "ping");
            peer.send(push_to, "push");
        }
        pair.fill();
        for (int i = 0; i < 4; i++)
            w.nowait();
        while (evl_udp_queued(pair.u) > 0 || pair.receive() != "-") {
            pair.receive();
            w.nowait();
        }
    };
    for (int i = 0; i < 20; i++)
        round();
    uint64_t before = w.memory.calls();
    for (int i = 0; i < 100; i++)
        round();
    EXPECT_EQ(w.memory.calls(), before);
    EXPECT_EQ(heard, 360);
}

TEST(Udp, Contract_17_ShowsInTheLoopsFd) {
    World w(Options{.clock = EVL_CLOCK_REAL});
    evl_fd fd = evl_loop_fd(w.loop);
    if (!(w.caps() & EVL_CAP_LOOP_FD)) {
        EXPECT_EQ(fd, EVL_ENOTSUP);
        return;
    }
    Peer peer;
    evl_udp *u = open(w);
    push(w, u, notes(w));
    while (w.dispatch() == 1) {
    }
    peer.send(u, "x");
    EXPECT_GE(w.dispatch(), 0);
    EXPECT_EQ(w.log(), "x");
}

TEST(Udp, Contract_18_WhatKeepsTheLoopGoing) {
    World w;
    evl_udp *u = open(w);
    EXPECT_EQ(evl_loop_alive(w.loop), 0) << "an idle socket does not";
    Box box(w);
    EXPECT_EQ(box.start(u), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(evl_op_close(box.op), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    push(w, u, notes(w));
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(evl_keep_alive(u, 0), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    EXPECT_EQ(evl_keep_alive(u, 1), 0);
    EXPECT_EQ(evl_udp_pause(u), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    Unix pair(w);
    pair.fill();
    EXPECT_EQ(evl_loop_alive(w.loop), 1) << "something is to be sent";
    while (evl_udp_queued(pair.u) > 0) {
        pair.receive();
        w.nowait();
    }
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

// Nobody waits, and there is something: an idle loop sleeps all the same.
TEST(Udp, Contract_03_NoWakeupsForWhatNobodyWants) {
    World w;
    Peer peer;
    evl_udp *u = open(w);
    peer.send(u, "x");
    w.nowait();
    uint64_t before = w.metrics().events;
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.metrics().events, before);
    Box box(w);
    EXPECT_EQ(box.start(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "x") << "and yet it is not forgotten";
}

TEST(Udp, InTheDump) {
    World w;
    evl_udp *u = open(w);
    push(w, u, notes(w));
    char text[2000];
    ASSERT_LT(evl_loop_dump(w.loop, text, sizeof text), 2000);
    EXPECT_NE(std::string(text).find("udp id=" + std::to_string(evl_id(u))), std::string::npos) << text;
}

} // namespace
