// udp_test.cpp - datagram sockets: opening, addresses, options, groups, and the contracts for them.
#include "udp.hpp"

#include <fcntl.h>

using namespace udp;

namespace {

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
