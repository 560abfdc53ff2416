// server_test.cpp - listening and accepting.
#include "streams.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

using namespace streams;

namespace {

evl_server *listen(World &w, const char *host = "127.0.0.1") {
    evl_server *server = nullptr;
    EXPECT_EQ(evl_server_listen(w.loop, host, "0", nullptr, &server), 0);
    return server;
}

Fd connected(const evl_server *server, int32_t n = 0) {
    sockaddr_storage address{};
    int32_t length = evl_server_local(server, n, &address, sizeof address);
    EXPECT_GT(length, 0);
    Fd client(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr *>(&address), static_cast<socklen_t>(length)), 0);
    return client;
}

TEST(Server, ACallbackHearsOfAConnectionAndTakesIt) {
    World w;
    evl_server *server = listen(w);
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_server_on_connection(server, World::done(), w.arg([&](int64_t n) {
                  EXPECT_EQ(n, 1);
                  EXPECT_EQ(evl_server_accept(server, &s), 0);
              })),
              0);
    Fd client = connected(server);
    pump(w, [&] { return s != nullptr; });
    EXPECT_EQ(evl_server_connections(server), 1);
}

} // namespace
