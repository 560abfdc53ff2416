// udp.hpp - datagram sockets of the loop and of the test's own, and both sinks' ways to have data pushed.
#pragma once

#include "world.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace udp {

using namespace support;

struct Address {
    alignas(8) unsigned char bytes[EVL_ADDRESS_SIZE] = {};
    uint32_t length = 0;

    Address() = default;
    explicit Address(const char *text, uint32_t port = 0) {
        EXPECT_EQ(evl_address_parse(text, port, bytes, sizeof bytes, &length), 0) << text;
    }
    std::string text() const {
        char out[EVL_ADDRESS_TEXT];
        int32_t rc = evl_address_text(bytes, length, out, sizeof out);
        return rc < 0 ? evl_err_name(rc) : out;
    }
    const sockaddr *raw() const { return reinterpret_cast<const sockaddr *>(bytes); }
};

inline Address local(const evl_udp *u) {
    Address a;
    int32_t rc = evl_udp_local(u, a.bytes, sizeof a.bytes);
    EXPECT_GT(rc, 0);
    a.length = static_cast<uint32_t>(rc);
    return a;
}

// The other side: a plain socket, bound to the loopback.
class Peer {
  public:
    explicit Peer(const char *host = "127.0.0.1") {
        Address any(host);
        fd = Fd(::socket(any.raw()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::bind(fd, any.raw(), any.length), 0);
        socklen_t len = sizeof address.bytes;
        EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr *>(address.bytes), &len), 0);
        address.length = len;
    }
    void send(const evl_udp *to, const std::string &data) const { send(local(to), data); }
    void send(const Address &to, const std::string &data) const {
        EXPECT_EQ(::sendto(fd, data.data(), data.size(), 0, to.raw(), to.length),
                  static_cast<ssize_t>(data.size()));
    }
    // What came first, or "-" if nothing has.
    std::string receive() const {
        char buf[70000];
        ssize_t n = ::recv(fd, buf, sizeof buf, 0);
        return n < 0 ? "-" : std::string(buf, static_cast<size_t>(n));
    }
    Fd fd;
    Address address;
};

// A port on the loopback that nobody has.
inline Address nobody() { return Peer().address; }

inline evl_udp *open(World &w, uint32_t flags = 0, const char *host = "127.0.0.1") {
    evl_udp *u = nullptr;
    Address any(host);
    EXPECT_EQ(evl_udp_open(w.loop, any.bytes, any.length, flags, &u), 0);
    return u;
}

inline int64_t send(evl_udp *u, const std::string &data, const Address &to) {
    return evl_udp_send(u, data.data(), data.size(), to.bytes, to.length);
}

inline int64_t send(evl_udp *u, const std::string &data) {
    return evl_udp_send(u, data.data(), data.size(), nullptr, 0);
}

// A pair of connected Unix datagram sockets, one of them the loop's. What is not read fills it up soon.
struct Unix {
    explicit Unix(World &w) {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        peer = Fd(fds[1]);
        EXPECT_EQ(evl_udp_open_fd(w.loop, fds[0], 0, &u), 0);
    }
    // Sends "0", "1", ... until a few are queued; answers how many.
    int fill() {
        int n = 0;
        while (evl_udp_queued(u) < 4 * EVL_UDP_OVERHEAD && n < 10000) {
            std::string text = std::to_string(n++);
            EXPECT_EQ(send(u, text), static_cast<int64_t>(text.size()));
        }
        return n;
    }
    std::string receive() const {
        char buf[70000];
        ssize_t n = ::recv(peer, buf, sizeof buf, 0);
        return n < 0 ? "-" : std::string(buf, static_cast<size_t>(n));
    }
    evl_udp *u = nullptr;
    Fd peer;
};

// Room for many.
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

// One and the same address for all; NULL: the connected one.
inline std::vector<evl_udp_out> rows_to(const std::vector<std::string> &texts, const Address *to) {
    std::vector<evl_udp_out> rows;
    for (const std::string &text : texts)
        rows.push_back({.data = text.data(),
                        .len = text.size(),
                        .address = to ? to->bytes : nullptr,
                        .length = to ? to->length : 0,
                        .reserved = 0});
    return rows;
}

// A receive and room for it, of which the outcome is noted: "hello", "-111".
struct Box {
    explicit Box(World &w, size_t cap = 2000, uint32_t flags = 0) : data(cap) {
        op = w.op([this, &w](int64_t n) { w.note(outcome(n)); }, flags);
    }
    std::string outcome(int64_t n) const {
        return n < 0    ? std::to_string(n)
               : n == 0 ? "empty"
                        : std::string(data.data(), static_cast<size_t>(n));
    }
    int32_t start(evl_udp *u) {
        return evl_udp_receive(u, op, data.data(), data.size(), from.bytes, &from.length);
    }
    std::vector<char> data;
    Address from;
    evl_op *op;
};

// Has data pushed in either sink: fn(result, datagram, from) for each one.
using Pushed = std::function<void(int64_t, std::string, Address)>;

inline void drain_into(evl_udp *u, const Pushed &fn) {
    char data[2000];
    for (;;) {
        Address from;
        int64_t n = evl_udp_try_receive(u, data, sizeof data, from.bytes, &from.length);
        if (n == EVL_EAGAIN)
            return;
        fn(n, n > 0 ? std::string(data, static_cast<size_t>(n)) : "", from);
    }
}

inline void push(World &w, evl_udp *u, Pushed fn) {
    void *arg = w.arg([u, fn](int64_t result) {
        if (records()) {
            if (result == EVL_READ)
                drain_into(u, fn);
            else
                fn(result, "", Address());
            return;
        }
        const void *data, *address;
        Address from;
        std::string text;
        if (result >= 0) {
            EXPECT_EQ(evl_udp_peek(u, &data, &address, &from.length), result);
            std::memcpy(from.bytes, address, from.length);
            text.assign(static_cast<const char *>(data), static_cast<size_t>(result));
        }
        fn(result, text, from);
    });
    EXPECT_EQ(evl_udp_on_data(u, World::done(), arg), 0);
}

inline Pushed notes(World &w) {
    return [&w](int64_t n, const std::string &text, const Address &) {
        w.note(n < 0 ? std::to_string(n) : n == 0 ? "empty" : text);
    };
}

} // namespace udp
