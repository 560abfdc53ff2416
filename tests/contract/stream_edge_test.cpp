// stream_edge_test.cpp - what hangs a stream that trusts a short read or an edge: each ends a read early, or
// comes without a new event.
#include "streams.hpp"

#include <pty.h>
#include <termios.h>

using namespace streams;

namespace {

// Reads byte blocks until `want` bytes have come.
struct Sink {
    Sink(World &world, evl_stream *stream) : w(world), s(stream) {
        op = w.op([this](int64_t n) {
            result = n;
            if (n > 0) {
                text.append(buf, static_cast<size_t>(n));
                EXPECT_EQ(evl_stream_read(s, op, buf, sizeof buf), 0);
            }
        });
        EXPECT_EQ(evl_stream_read(s, op, buf, sizeof buf), 0);
    }
    Sink(const Sink &) = delete;
    ~Sink() { evl_op_close(op); }
    World &w;
    evl_stream *s;
    evl_op *op = nullptr;
    char buf[1000];
    std::string text;
    int64_t result = pending;
};

TEST(StreamEdge, AnUrgentByteBetweenData) {
    for (bool before : {false, true}) {
        World w;
        Link link(w);
        if (!before)
            passes(w);
        link.say("before");
        ASSERT_EQ(::send(link.peer, "!", 1, MSG_OOB), 1);
        link.say("behind");
        if (before)
            passes(w);
        Sink sink(w, link.s);
        pump(w, [&] { return sink.text.size() >= 12; });
        EXPECT_EQ(sink.text, "beforebehind");
        ASSERT_EQ(::send(link.peer, "!", 1, MSG_OOB), 1);
        link.say("more");
        pump(w, [&] { return sink.text.size() >= 16; });
        EXPECT_EQ(sink.text, "beforebehindmore");
    }
}

TEST(StreamEdge, APassedFdBetweenData) {
    for (bool before : {false, true}) {
        World w;
        Link link(w, Kind::local);
        auto pass_fd = [&](const char *text) {
            Pipe pipe;
            char control[CMSG_SPACE(sizeof(int))] = {};
            iovec iov{const_cast<char *>(text), std::strlen(text)};
            msghdr msg{};
            msg.msg_iov = &iov;
            msg.msg_iovlen = 1;
            msg.msg_control = control;
            msg.msg_controllen = sizeof control;
            cmsghdr *c = CMSG_FIRSTHDR(&msg);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int));
            int fd = pipe.r;
            std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
            EXPECT_EQ(::sendmsg(link.peer, &msg, 0), static_cast<ssize_t>(iov.iov_len));
        };
        if (!before)
            passes(w);
        link.say("one ");
        pass_fd("two ");
        link.say("three ");
        pass_fd("four");
        if (before)
            passes(w);
        Sink sink(w, link.s);
        pump(w, [&] { return sink.text.size() >= 18; });
        EXPECT_EQ(sink.text, "one two three four");
    }
}

TEST(StreamEdge, AnEndBehindData) {
    for (Kind kind : kinds) {
        for (bool before : {false, true}) {
            for (bool half : {false, true}) {
                World w;
                Link link(w, kind);
                if (!before)
                    passes(w);
                link.say("the last");
                if (half)
                    ::shutdown(link.peer, SHUT_WR);
                else
                    link.peer.close();
                if (before)
                    passes(w);
                Sink sink(w, link.s);
                pump(w, [&] { return sink.result == 0; });
                EXPECT_EQ(sink.text, "the last");
            }
        }
    }
}

TEST(StreamEdge, LinesOfATerminal) {
    World w;
    int controller = -1, line = -1;
    ASSERT_EQ(::openpty(&controller, &line, nullptr, nullptr, nullptr), 0);
    Fd master(controller), terminal(line);
    termios mode{};
    ASSERT_EQ(::tcgetattr(terminal, &mode), 0);
    mode.c_lflag |= ICANON;
    mode.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ASSERT_EQ(::tcsetattr(terminal, TCSANOW, &mode), 0);
    ::fcntl(master, F_SETFL, O_NONBLOCK);
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, terminal, EVL_STREAM_KEEP_FD, &s), 0);
    EXPECT_EQ(::fcntl(terminal, F_GETFL) & O_NONBLOCK, 0) << "who shares it is not disturbed";
    put(master, "one\ntwo\nthree\n"); // a read gets one line
    {
        Sink sink(w, s);
        pump(w, [&] { return sink.text.size() >= 14; });
        EXPECT_EQ(sink.text, "one\ntwo\nthree\n");
        put(master, "four\n");
        pump(w, [&] { return sink.text.size() >= 19; });
        EXPECT_EQ(sink.text, "one\ntwo\nthree\nfour\n");
    }
    EXPECT_EQ(write(s, "out\n"), 4);
    pump(w, [&] { return got(master) == "out\r\n"; });
    evl_close(s);
    EXPECT_EQ(::fcntl(terminal, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(terminal, F_GETFD), 0) << "it is the caller's";
    passes(w);
}

TEST(StreamEdge, ABudgetSpentWithDataLeft) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        std::string sent = pattern(50000), seen;
        link.say(sent);
        passes(w);
        char buf[1000];
        evl_op *op = w.op([](int64_t) {});
        for (int i = 0; i < 50; i++) { // each read leaves some, and no event comes any more
            EXPECT_EQ(evl_stream_read(link.s, op, buf, sizeof buf), 0);
            pump(w, [&] { return evl_op_active(op) == 0; });
            seen.append(buf, static_cast<size_t>(evl_op_result(op)));
        }
        EXPECT_TRUE(seen == sent);
    }
}

TEST(StreamEdge, PushedWithMoreThanOneReadHolds) {
    for (Kind kind : kinds) {
        World w;
        Tcp tcp;
        Pair pair;
        int size = 1 << 20;
        for (int fd : {static_cast<int>(pair.a), static_cast<int>(pair.b)})
            ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        Fd &peer = kind == Kind::tcp ? tcp.b : pair.b;
        size_t sent = static_cast<size_t>(peer.put(190000));
        evl_stream *s = open(w, kind == Kind::tcp ? tcp.a : pair.a);
        size_t seen = 0;
        EXPECT_EQ(evl_stream_on_data(s, World::done(), w.arg([&](int64_t n) {
                      seen += n > 0 ? static_cast<size_t>(n) : 0;
                      if (records()) {
                          EXPECT_EQ(evl_stream_consume(s, static_cast<size_t>(n)), 0);
                      }
                  })),
                  0);
        EXPECT_GT(sent, 65536u);
        pump(w, [&] { return seen == sent; });
    }
}

TEST(StreamEdge, NoNeedlessWakesWithEachMessage) {
    for (Kind kind : kinds) {
        World w;
        Sys sys;
        Link link(w, kind);
        int count = 0;
        EXPECT_EQ(evl_stream_on_data(link.s, World::done(), w.arg([&](int64_t n) {
                      const void *data = nullptr;
                      EXPECT_GE(evl_stream_peek(link.s, &data), n);
                      EXPECT_EQ(evl_stream_write(link.s, data, static_cast<size_t>(n)), n);
                      if (records()) {
                          EXPECT_EQ(evl_stream_consume(link.s, static_cast<size_t>(n)), 0);
                      }
                      count++;
                  })),
                  0);
        // Once more is written than fits, so that room was waited for.
        std::string much(600000, 'x');
        write(link.s, much);
        size_t drained = 0;
        pump(w, [&] { return (drained += got(link.peer).size()) == much.size(); });
        passes(w);
        uint64_t events = w.metrics().events;
        uint64_t changes = sys.changes();
        for (int i = 0; i < 100; i++) {
            link.say("m");
            pump(w, [&] { return count == i + 1; });
            EXPECT_EQ(got(link.peer), "m"); // which is an edge of room on a Unix socket
            passes(w, 2);
        }
        uint64_t more = w.metrics().events - events;
        EXPECT_LE(more, kind == Kind::local || w.on("select") ? 100u : 100u) << "one for each message";
        if (!w.on("select")) {
            EXPECT_EQ(sys.changes() - changes, 0u) << "and no system call of interest";
        }
        evl_stream_abort(link.s);
    }
}

TEST(StreamEdge, AnIdleStreamThatNobodyReadsDoesNotSpin) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        link.say("unread");
        passes(w);
        uint64_t events = w.metrics().events;
        passes(w, 20);
        EXPECT_EQ(w.metrics().events - events, 0u);
        link.peer.close();
        passes(w);
        events = w.metrics().events;
        passes(w, 20);
        EXPECT_EQ(w.metrics().events - events, 0u);
    }
}

TEST(StreamEdge, AfterTheEndItDoesNotSpin) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Sink sink(w, link.s);
        ::shutdown(link.peer, SHUT_WR);
        pump(w, [&] { return sink.result == 0; });
        passes(w);
        uint64_t events = w.metrics().events;
        passes(w, 20);
        EXPECT_EQ(w.metrics().events - events, 0u);
        write(link.s, std::string(600000, 'x'));
        size_t n = 0;
        pump(w, [&] { return (n += got(link.peer).size()) == 600000; });
    }
}

TEST(StreamOpen, WhatIsNoStream) {
    World w;
    evl_stream *s = nullptr;
    Fd file = regular_file();
    Fd datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Pair pair;
    EXPECT_EQ(evl_stream_open(w.loop, -1, 0, &s), EVL_EBADF);
    EXPECT_EQ(evl_stream_open(w.loop, 9999, 0, &s), EVL_EBADF);
    EXPECT_EQ(evl_stream_open(w.loop, file, 0, &s), EVL_EPERM);
    EXPECT_EQ(evl_stream_open(w.loop, datagrams, 0, &s), EVL_EPROTOTYPE);
    EXPECT_EQ(evl_stream_open(w.loop, pair.a, 0x80, &s), EVL_EINVAL);
    EXPECT_EQ(evl_stream_open(w.loop, pair.a, 0, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_open(nullptr, pair.a, 0, &s), EVL_EINVAL);
    evl_io *io = w.io(pair.a, EVL_READ, [] {});
    EXPECT_EQ(evl_stream_open(w.loop, pair.a, 0, &s), EVL_EEXIST);
    evl_close(io);
    ASSERT_EQ(evl_stream_open(w.loop, pair.a, EVL_STREAM_KEEP_FD, &s), 0);
    EXPECT_EQ(evl_io_new(w.loop, pair.a, EVL_READ, 0, World::done(), w.arg([] {}), &io), EVL_EEXIST);
    evl_stream *second = nullptr;
    EXPECT_EQ(evl_stream_open(w.loop, pair.a, 0, &second), EVL_EEXIST);
    evl_close(s);
    EXPECT_EQ(::fcntl(pair.a, F_GETFD), FD_CLOEXEC) << "kept";
}

TEST(StreamOpen, ABlockingSocketIsBlockingAgainAfterwards) {
    World w;
    Pair pair;
    ::fcntl(pair.a, F_SETFL, 0);
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, pair.a, EVL_STREAM_KEEP_FD, &s), 0);
    EXPECT_NE(::fcntl(pair.a, F_GETFL) & O_NONBLOCK, 0);
    evl_close(s);
    EXPECT_EQ(::fcntl(pair.a, F_GETFL) & O_NONBLOCK, 0);
    ASSERT_EQ(evl_stream_open(w.loop, pair.a, EVL_STREAM_KEEP_FD, &s), 0);
    Fd same(evl_stream_detach(s, nullptr, 0, nullptr));
    EXPECT_EQ(static_cast<int>(same), static_cast<int>(pair.a));
    pair.a.close();
    same = Fd();
}

TEST(StreamInfo, AddressesAndOptionsAndCounts) {
    World w;
    Link tcp(w), local(w, Kind::local);
    char address[128];
    EXPECT_EQ(evl_stream_local(tcp.s, address, sizeof address), 16);
    EXPECT_EQ(evl_stream_peer(tcp.s, address, 4), 16) << "which is more than there was room for";
    EXPECT_EQ(evl_stream_peer(tcp.s, nullptr, 4), EVL_EINVAL);
    EXPECT_GT(evl_stream_local(local.s, address, sizeof address), 0);
    Pipe pipe;
    evl_stream *p = open(w, pipe.r);
    EXPECT_EQ(evl_stream_local(p, address, sizeof address), EVL_ENOTSOCK);
    EXPECT_EQ(evl_stream_set_option(tcp.s, EVL_STREAM_OPT_NODELAY, 1), 0);
    EXPECT_EQ(evl_stream_set_option(tcp.s, EVL_STREAM_OPT_KEEPALIVE, 30), 0);
    EXPECT_EQ(evl_stream_set_option(tcp.s, EVL_STREAM_OPT_KEEPALIVE, 0), 0);
    EXPECT_EQ(evl_stream_set_option(tcp.s, 99, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_set_option(tcp.s, EVL_STREAM_OPT_NODELAY, -1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_set_option(local.s, EVL_STREAM_OPT_NODELAY, 1), EVL_ENOTSUP);
    evl_stream_info i{};
    EXPECT_EQ(evl_stream_get_info(tcp.s, &i), EVL_EINVAL) << "struct_size 0";
    EXPECT_EQ(evl_stream_get_info(tcp.s, nullptr), EVL_EINVAL);
    i.struct_size = 8;
    i.family = 77;
    EXPECT_EQ(evl_stream_get_info(tcp.s, &i), 0);
    EXPECT_EQ(i.family, 77) << "beyond its size nothing is written";
    EXPECT_EQ(info(tcp.s).family, AF_INET);
    EXPECT_EQ(info(local.s).family, AF_UNIX);
    EXPECT_EQ(info(p).family, 0);
    w.timer_in(sec, [] {});
    w.once();
    Read r(w);
    tcp.say("abc");
    EXPECT_EQ(r.some(tcp.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(info(tcp.s).bytes_in, 3u);
    EXPECT_EQ(info(tcp.s).last_in_ns, evl_time(w.loop));
    EXPECT_LT(info(tcp.s).last_out_ns, evl_time(w.loop));
    EXPECT_EQ(info(tcp.s).eof, 0);
    EXPECT_EQ(info(tcp.s).write_closed, 0);
}

} // namespace
