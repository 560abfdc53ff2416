// servers.hpp - servers with what they accept, and the clients that tests send them.
#pragma once

#include "streams.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

namespace servers {

using namespace streams;

inline evl_server_options with(uint32_t flags = 0) {
    evl_server_options options{};
    options.struct_size = sizeof options;
    options.flags = flags;
    return options;
}

struct SocketAddress {
    sockaddr_storage bytes{};
    socklen_t length = 0;

    SocketAddress() = default;
    SocketAddress(const char *host, uint16_t port) {
        uint32_t n = 0;
        EXPECT_EQ(evl_address_parse(host, port, &bytes, sizeof bytes, &n), 0) << host;
        length = n;
    }
    explicit SocketAddress(const evl_server *server, int32_t n = 0) {
        int32_t rc = evl_server_local(server, n, &bytes, sizeof bytes);
        EXPECT_GT(rc, 0);
        length = rc > 0 ? static_cast<socklen_t>(rc) : 0;
    }
    const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&bytes); }
    int32_t port() const { return evl_address_port(&bytes, length); }
    std::string host() const {
        char text[EVL_ADDRESS_TEXT] = "";
        EXPECT_GE(evl_address_host(&bytes, length, text, sizeof text), 0);
        return text;
    }
};

// A plain client: connected, or -1 with errno.
inline Fd client(const SocketAddress &to) {
    Fd fd(::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd, to.get(), to.length) != 0)
        return Fd();
    EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

// A server on one loopback port, and what came of it.
struct Server {
    explicit Server(World &world, const evl_server_options *options = nullptr, const char *host = "127.0.0.1")
        : w(world) {
        EXPECT_EQ(evl_server_listen(w.loop, host, "0", options, &s), 0);
    }
    Server(World &world, evl_server *made) : w(world), s(made) {}
    Server(const Server &) = delete;

    Fd connect(int32_t n = 0) const {
        Fd fd = client(SocketAddress(s, n));
        EXPECT_GE(fd, 0);
        return fd;
    }
    std::vector<Fd> connect_all(int n) const {
        std::vector<Fd> all;
        for (int i = 0; i < n; i++)
            all.push_back(connect());
        return all;
    }
    // Takes whatever comes; how many a call took stands in `takes`, errors in `errors`.
    void take() {
        EXPECT_EQ(evl_server_on_connection(s, World::done(), w.arg([this](int64_t n) {
                      if (n != 1) {
                          errors.push_back(n);
                          return;
                      }
                      int count = 0, rc;
                      for (evl_stream *stream = nullptr; (rc = evl_server_accept(s, &stream)) == 0; count++)
                          streams.push_back(stream);
                      takes.push_back(count);
                      if (rc != EVL_EAGAIN)
                          errors.push_back(rc);
                  })),
                  0);
    }
    // Passes until n were taken.
    void take(size_t n) {
        pump(w, [&] { return streams.size() >= n; });
        EXPECT_EQ(streams.size(), n);
    }

    World &w;
    evl_server *s = nullptr;
    std::vector<evl_stream *> streams;
    std::vector<int> takes;
    std::vector<int64_t> errors;
};

// A wait for a connection, and the connection.
struct Accept : Wait {
    explicit Accept(World &world) : Wait(world) {}
    int32_t start(evl_server *server) {
        result = pending;
        return evl_server_accept_op(server, op, &stream);
    }
    evl_stream *stream = nullptr;
};

} // namespace servers
