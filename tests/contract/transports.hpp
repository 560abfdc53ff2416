// transports.hpp - a transport whose functions are the test's.
#pragma once

#include "streams.hpp"

#include <cerrno>
#include <unistd.h>

namespace streams {

inline int64_t rc_of(ssize_t n) {
    return n >= 0 ? n : errno == EAGAIN ? EVL_EAGAIN : evl_err_from_errno(errno);
}

// An fd with a small buffer and a transport for it: what the test sets is done instead of what a plain one
// does.
struct Own {
    explicit Own(World &world, Kind kind = Kind::local) : w(world) {
        Tcp tcp;
        Pair pair;
        Fd &mine = kind == Kind::tcp ? tcp.a : pair.a, &others = kind == Kind::tcp ? tcp.b : pair.b;
        int size = kind == Kind::tcp ? 65536 : 4096;
        ::setsockopt(mine, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        ::setsockopt(others, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        fd = give(mine);
        peer = std::move(others);
    }
    Own(const Own &) = delete;
    ~Own() {
        EXPECT_EQ(evl_stream_abort(s), 0); // NULL: it was closed
        EXPECT_EQ(closed, 1);
    }
    evl_stream *open() {
        EXPECT_EQ(evl_stream_open_on(w.loop, fd, &table, this, &s), 0);
        return s;
    }
    void leave() { s = nullptr; } // it was closed

    int64_t recv(void *buf, size_t cap) const { return rc_of(::recv(fd, buf, cap, 0)); }
    int64_t send(const void *buf, size_t len) const { return rc_of(::send(fd, buf, len, MSG_NOSIGNAL)); }
    static std::string text_of(const evl_buf *bufs, int32_t n) {
        std::string all;
        for (int32_t i = 0; i < n; i++)
            if (bufs[i].len > 0)
                all.append(static_cast<const char *>(bufs[i].data), bufs[i].len);
        return all;
    }
    // Everything the peer gets until `n` bytes have come.
    std::string all(size_t n) {
        std::string text;
        pump(w, [&] { return (text += got(peer)).size() >= n; });
        return text;
    }

    std::function<int64_t(void *, size_t)> on_read = [this](void *buf, size_t cap) { return recv(buf, cap); };
    std::function<int64_t(const evl_buf *, int32_t)> on_write = [this](const evl_buf *bufs, int32_t n) {
        std::string text = text_of(bufs, n);
        return send(text.data(), text.size());
    };
    std::function<uint32_t()> on_want = [] { return EVL_WRITE; };
    std::function<int32_t()> on_shutdown = [this] { return ::shutdown(fd, SHUT_WR) == 0 ? 0 : -errno; };
    std::function<int32_t()> on_flush = [] { return 0; };

    static Own *of(void *self) { return static_cast<Own *>(self); }
    evl_transport table = {
        sizeof(evl_transport),
        [](void *self, void *buf, size_t cap) { return of(self)->on_read(buf, cap); },
        [](void *self, const evl_buf *bufs, int32_t n) { return of(self)->on_write(bufs, n); },
        [](void *self) { return of(self)->on_want(); },
        [](void *self) { return of(self)->on_shutdown(); },
        [](void *self, int32_t abort) {
            of(self)->closed++;
            of(self)->aborted += abort;
            ::close(of(self)->fd);
        },
        [](void *self) { return of(self)->on_flush(); },
    };

    World &w;
    int fd;
    Fd peer;
    evl_stream *s = nullptr;
    int closed = 0, aborted = 0;
};

} // namespace streams
