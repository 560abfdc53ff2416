// connect_test.cpp - making connections.
#include "streams.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

using namespace streams;

namespace {

TEST(Connect, ToAnAddressThatListens) {
    World w;
    evl_server *server = nullptr;
    ASSERT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &server), 0);
    sockaddr_in address{};
    ASSERT_EQ(evl_server_local(server, 0, &address, sizeof address), static_cast<int>(sizeof address));
    evl_stream *s = nullptr;
    Wait made(w);
    ASSERT_EQ(evl_connect_to(w.loop, made.op, &address, sizeof address, nullptr, &s), 0);
    EXPECT_FALSE(made.done());
    pump(w, [&] { return made.done(); });
    EXPECT_EQ(made.result, 0);
    EXPECT_EQ(info(s).family, AF_INET);
}

} // namespace
