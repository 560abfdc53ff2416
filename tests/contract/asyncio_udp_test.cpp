// asyncio_udp_test.cpp - datagrams as asyncio's endpoints have them; the numbers are those of
// docs/asyncio.md.
#include "udp.hpp"

using namespace udp;

namespace {

// error_received: the connected address is nobody's, and answers so.
TEST(Asyncio, Asyncio_125_UdpAnErrorIsToldAndTheSocketLives) {
    World w;
    evl_udp *u = open(w);
    Address gone = nobody();
    EXPECT_EQ(evl_udp_connect(u, gone.bytes, gone.length), 0);
    push(w, u, notes(w));
    w.nowait();
    EXPECT_EQ(send(u, "anybody?"), 8);
    w.nowait();
    EXPECT_EQ(w.log(), "-111");
    Peer peer;
    EXPECT_EQ(evl_udp_connect(u, peer.address.bytes, peer.address.length), 0);
    EXPECT_EQ(send(u, "and you?"), 8);
    EXPECT_EQ(peer.receive(), "and you?");
    peer.send(u, "yes");
    w.nowait();
    EXPECT_EQ(w.log(), "-111 yes");
}

// The same told by the operation, by the next send, and by the look without waiting.
TEST(Asyncio, Asyncio_125_UdpAnErrorIsToldOnce) {
    World w;
    evl_udp *u = open(w);
    Address gone = nobody();
    EXPECT_EQ(evl_udp_connect(u, gone.bytes, gone.length), 0);
    Box box(w);
    EXPECT_EQ(box.start(u), 0);
    EXPECT_EQ(send(u, "x"), 1);
    w.nowait();
    EXPECT_EQ(w.log(), "-111");
    EXPECT_EQ(box.start(u), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "-111") << "once";
    EXPECT_EQ(evl_op_close(box.op), 0);
    EXPECT_EQ(send(u, "x"), 1);
    EXPECT_EQ(send(u, "x"), EVL_ECONNREFUSED);
    EXPECT_EQ(send(u, "x"), 1);
    char buf[4];
    EXPECT_EQ(evl_udp_try_receive(u, buf, 4, nullptr, nullptr), EVL_ECONNREFUSED);
    EXPECT_EQ(evl_udp_try_receive(u, buf, 4, nullptr, nullptr), EVL_EAGAIN);
}

TEST(Asyncio, Asyncio_125_UdpAnotherAddressThanTheConnectedOneIsAnError) {
    World w;
    Sys sys;
    Peer peer, other;
    evl_udp *u = open(w);
    EXPECT_EQ(evl_udp_connect(u, peer.address.bytes, peer.address.length), 0);
    EXPECT_EQ(send(u, "a", other.address), EVL_EISCONN);
    EXPECT_EQ(send(u, "b", peer.address), 1) << "the same address is none";
    EXPECT_EQ(send(u, "c"), 1);
    sys.fail(Call::sendto, EAGAIN);
    EXPECT_EQ(send(u, "d", peer.address), 1);
    EXPECT_EQ(send(u, "e", other.address), EVL_EISCONN) << "also while something is queued";
    w.nowait();
    EXPECT_EQ(other.receive(), "-");
    for (const char *text : {"b", "c", "d", "-"})
        EXPECT_EQ(peer.receive(), text);
}

TEST(Asyncio, Asyncio_125_UdpEmptyDatagramsAreSent) {
    World w;
    Sys sys;
    Peer peer;
    evl_udp *u = open(w);
    EXPECT_EQ(send(u, "", peer.address), 0);
    EXPECT_EQ(peer.receive(), "");
    EXPECT_EQ(peer.receive(), "-");
    sys.fail(Call::sendto, EAGAIN);
    EXPECT_EQ(send(u, "", peer.address), 0);
    EXPECT_EQ(send(u, "", peer.address), 0);
    EXPECT_EQ(evl_udp_queued(u), 2 * EVL_UDP_OVERHEAD) << "nor are they free";
    w.nowait();
    EXPECT_EQ(peer.receive(), "");
    EXPECT_EQ(peer.receive(), "");
    EXPECT_EQ(peer.receive(), "-");
    Box box(w);
    EXPECT_EQ(box.start(u), 0);
    peer.send(u, "");
    w.nowait();
    EXPECT_EQ(w.log(), "empty");
}

// What counts for more than its bytes on the way in counts for as much on the way out: else the queue is full
// for ever one day.
TEST(Asyncio, Asyncio_125_UdpTheOverheadIsAddedAndSubtracted) {
    World w;
    Unix pair(w);
    EXPECT_EQ(evl_udp_set_marks(pair.u, 200, 100, 1000), 0);
    evl_op *drain = w.op(w.says("drained"));
    for (int round = 0; round < 200; round++) {
        pair.fill();
        EXPECT_EQ(evl_udp_queued(pair.u) % EVL_UDP_OVERHEAD > 0, true) << "and its bytes";
        EXPECT_EQ(evl_udp_set_marks(pair.u, 100, 20, 1000), 0);
        EXPECT_EQ(evl_udp_drain(pair.u, drain), 0);
        for (int i = 0; i < 1000 && w.log().empty(); i++) {
            pair.receive();
            w.nowait();
        }
        ASSERT_EQ(w.log(), "drained");
        w.clear();
        while (pair.receive() != "-")
            w.nowait();
        w.nowait();
        ASSERT_EQ(evl_udp_queued(pair.u), 0);
    }
}

} // namespace
