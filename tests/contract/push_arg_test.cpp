// push_arg_test.cpp - a handle's own argument and that of its push function are two.
#include "servers.hpp"

using namespace servers;

namespace {

struct Own {
    int dropped = 0;
    static void drop(void *arg) { static_cast<Own *>(arg)->dropped++; }
};

void count(void *arg, int64_t) { ++*static_cast<int *>(arg); }

using Start = int32_t(evl_handle *handle, evl_done_fn *fn, void *arg);

// Whatever the order, a drop gets the handle's own argument and the function its own.
void check(World &w, evl_handle *handle, Start *start, const std::function<void()> &happen) {
    Own own;
    int first = 0, second = 0;
    EXPECT_EQ(evl_arg(handle), nullptr);
    EXPECT_EQ(evl_set_arg(handle, &own), 0);
    EXPECT_EQ(evl_set_drop(handle, Own::drop), 0);
    EXPECT_EQ(start(handle, count, &first), 0);
    EXPECT_EQ(evl_arg(handle), &own);
    happen();
    pump(w, [&] { return first > 0; });
    EXPECT_EQ(evl_set_push_arg(handle, &second), 0);
    EXPECT_EQ(evl_arg(handle), &own);
    happen();
    pump(w, [&] { return second > 0; });
    EXPECT_EQ(evl_close(handle), 0);
    pump(w, [&] { return own.dropped > 0; });
    EXPECT_EQ(own.dropped, 1);
    EXPECT_EQ(evl_set_push_arg(handle, &second), EVL_ESTALE);
}

TEST(PushArg, Streams) {
    World w;
    Link link(w);
    check(w, link.s, evl_stream_on_data, [&] { link.say("x"); });
}

TEST(PushArg, Servers) {
    World w;
    Server server(w);
    std::vector<Fd> clients;
    check(w, server.s, evl_server_on_connection, [&] { clients.push_back(server.connect()); });
}

TEST(PushArg, DatagramSockets) {
    World w;
    SocketAddress any("127.0.0.1", 0);
    evl_udp *udp = nullptr;
    ASSERT_EQ(evl_udp_open(w.loop, any.get(), any.length, 0, &udp), 0);
    SocketAddress to;
    int32_t n = evl_udp_local(udp, &to.bytes, sizeof to.bytes);
    ASSERT_GT(n, 0);
    check(w, udp, evl_udp_on_data,
          [&] { EXPECT_EQ(evl_udp_send(udp, "x", 1, to.get(), static_cast<uint32_t>(n)), 1); });
}

TEST(PushArg, HandlesThatAreMadeWithAFunctionHaveOne) {
    World w;
    int fired = 0, later = 0;
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_timer_new(w.loop, count, &fired, &timer), 0);
    EXPECT_EQ(evl_arg(timer), &fired);
    EXPECT_EQ(evl_set_push_arg(timer, &later), EVL_EINVAL);
    EXPECT_EQ(evl_set_arg(timer, &later), 0);
    EXPECT_EQ(evl_arg(timer), &later);
    EXPECT_EQ(evl_close(timer), 0);
    EXPECT_EQ(evl_set_push_arg(nullptr, &later), EVL_EINVAL);
}

} // namespace
