// udp_send_test.cpp - datagrams that go out: in batches, through the queue; and errors.
#include "udp.hpp"

using namespace udp;

namespace {

// --- batches ----------------------------------------------------------------------------------------------

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

// What has gone makes room for what comes: the queue does not grow by being used.
// A connected socket reports what became of an earlier datagram when the next is sent, which then was not.
TEST(Udp, AnEarlierErrorDropsNothingFromTheQueue) {
    for (bool receives : {false, true}) {
        World w;
        Unix pair(w);
        int n = pair.fill();
        Sys sys;
        int64_t told = 0;
        char buf[10];
        evl_op *op = w.op([&](int64_t rc) { told = rc; });
        if (receives) {
            EXPECT_EQ(evl_udp_receive(pair.u, op, buf, sizeof buf, nullptr, nullptr), 0);
        } else {
            EXPECT_EQ(evl_udp_flush(pair.u, op), 0);
        }
        sys.fail(Call::sendmmsg, ECONNREFUSED);
        for (int i = 0; i < n;) {
            std::string text = pair.receive();
            if (text == "-") {
                w.nowait();
                continue;
            }
            ASSERT_EQ(text, std::to_string(i++));
        }
        w.nowait();
        EXPECT_EQ(told, EVL_ECONNREFUSED);
        EXPECT_EQ(evl_op_close(op), 0);
    }
}

TEST(Udp, AQueueThatIsNeverEmpty) {
    World w;
    Unix pair(w);
    int n = pair.fill();
    size_t bytes = w.memory.bytes();
    for (int i = 0; i < 3000; i++) {
        ASSERT_EQ(pair.receive(), std::to_string(i));
        EXPECT_GT(send(pair.u, std::to_string(n++)), 0);
        w.nowait();
        ASSERT_GT(evl_udp_queued(pair.u), 0);
    }
    EXPECT_EQ(w.memory.bytes(), bytes);
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

// 32 go in a pass: fewer than the high mark are left then, and more than the low one.
TEST(Udp, DrainWaitsForTheLowMark) {
    World w;
    Sys sys;
    Peer peer;
    evl_udp *u = open(w);
    constexpr uint32_t each = EVL_UDP_OVERHEAD + 1;
    EXPECT_EQ(evl_udp_set_marks(u, 40 * each, 10 * each, 0), 0);
    sys.fail(Call::sendto, EAGAIN);
    evl_op *drain = w.op(w.says("drained"));
    for (int i = 0; i < 60; i++)
        EXPECT_EQ(send(u, "x", peer.address), 1);
    EXPECT_EQ(evl_udp_drain(u, drain), 0);
    w.nowait();
    EXPECT_EQ(evl_udp_queued(u), 28 * each);
    EXPECT_EQ(w.log(), "");
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "drained");
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

} // namespace
