// streams.hpp - streams with their other ends, reads with their buffers, and what tests of both share.
#pragma once

#include "world.hpp"

#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace streams {

using namespace support;

constexpr int64_t pending = INT64_MIN;

// The fd, which is nobody's from now on.
inline int give(Fd &fd) {
    int given = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    fd.close();
    return given;
}

inline evl_stream *open(World &w, Fd &fd, uint32_t flags = 0) {
    evl_stream *s = nullptr;
    EXPECT_EQ(evl_stream_open(w.loop, give(fd), flags, &s), 0);
    return s;
}

inline void put(const Fd &fd, std::string_view text) {
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

// What is there, without waiting.
inline std::string got(const Fd &fd) {
    std::string all;
    char bytes[65536];
    for (ssize_t n; (n = ::read(fd, bytes, sizeof bytes)) > 0;)
        all.append(bytes, static_cast<size_t>(n));
    return all;
}

// Whether the end of file or an error is next; errno has the error, or 0.
inline bool at_end(const Fd &fd) {
    char byte;
    errno = 0;
    ssize_t n = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

// Passes until the condition holds.
inline void pump(World &w, const std::function<bool()> &condition) {
    while (!condition() && !::testing::Test::HasFatalFailure()) {
        int32_t rc = w.nowait();
        if (rc < 0) {
            ADD_FAILURE() << evl_err_name(rc);
            return;
        }
    }
}

// A few passes, after which what can happen has.
inline void passes(World &w, int n = 6) {
    for (int i = 0; i < n; i++)
        w.nowait();
}

enum class Kind { tcp, local };
constexpr Kind kinds[] = {Kind::tcp, Kind::local};

// A stream and its other end.
struct Link {
    explicit Link(World &world, Kind kind = Kind::tcp) : w(world) {
        if (kind == Kind::tcp) {
            Tcp pair;
            adopt(pair.a, pair.b);
        } else {
            Pair pair;
            adopt(pair.a, pair.b);
        }
    }
    // Small buffers, so that a test soon fills them.
    void adopt(Fd &mine, Fd &others) {
        int size = 65536;
        ::setsockopt(mine, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        ::setsockopt(others, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        peer = std::move(others);
        s = open(w, mine);
    }
    void say(std::string_view text) const { put(peer, text); }
    World &w;
    evl_stream *s = nullptr;
    Fd peer;
};

// A read with its buffer and its result.
struct Read {
    explicit Read(World &world, size_t cap = 100, uint32_t flags = 0)
        : w(world), buf(cap, '\0'), op(world.op([this](int64_t n) { result = n; }, flags)) {}
    Read(const Read &) = delete;
    ~Read() { EXPECT_EQ(evl_op_close(op), 0); }

    int32_t some(evl_stream *s) { return start(evl_stream_read(s, op, buf.data(), buf.size())); }
    int32_t exactly(evl_stream *s, size_t n) { return start(evl_stream_read_exactly(s, op, buf.data(), n)); }
    int32_t line(evl_stream *s) { return start(evl_stream_read_line(s, op, buf.data(), buf.size())); }
    int32_t all(evl_stream *s) { return start(evl_stream_read_all(s, op, buf.data(), buf.size())); }
    int32_t until(evl_stream *s, const std::vector<evl_buf> &separators) {
        return start(evl_stream_read_until(s, op, buf.data(), buf.size(), separators.data(),
                                           static_cast<int32_t>(separators.size())));
    }
    bool done() const { return result != pending; }
    std::string text() const { return result < 0 ? "" : buf.substr(0, static_cast<size_t>(result)); }

    World &w;
    std::string buf;
    int64_t result = pending;
    evl_op *op;

  private:
    int32_t start(int32_t rc) {
        result = rc == 1 ? evl_op_result(op) : pending;
        return rc;
    }
};

// An operation that only has a result.
struct Wait {
    explicit Wait(World &world, uint32_t flags = 0)
        : op(world.op([this](int64_t n) { result = n; }, flags)) {}
    Wait(const Wait &) = delete;
    ~Wait() { EXPECT_EQ(evl_op_close(op), 0); }
    bool done() const { return result != pending; }
    int64_t result = pending;
    evl_op *op;
};

inline int64_t write(evl_stream *s, std::string_view text) {
    return evl_stream_write(s, text.data(), text.size());
}

inline std::string peek(evl_stream *s) {
    const void *data = nullptr;
    int64_t n = evl_stream_peek(s, &data);
    EXPECT_GE(n, 0);
    return n > 0 ? std::string(static_cast<const char *>(data), static_cast<size_t>(n)) : "";
}

inline evl_stream_info info(const evl_stream *s) {
    evl_stream_info i{};
    i.struct_size = sizeof i;
    EXPECT_EQ(evl_stream_get_info(s, &i), 0);
    return i;
}

// n bytes that show what is missing, twice or out of place.
inline std::string pattern(size_t n) {
    std::string text(n, '\0');
    for (size_t i = 0; i < n; i++)
        text[i] = static_cast<char>((i * 2654435761U) >> 13 ^ i >> 16);
    return text;
}

} // namespace streams
