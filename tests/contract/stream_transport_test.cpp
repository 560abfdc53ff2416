// stream_transport_test.cpp - what a transport may do, and what it may rely on.
#include "transports.hpp"

using namespace streams;

namespace {

// Takes whatever it gets, as a memory BIO does, and sends nothing before it is flushed.
struct Holding : Own {
    explicit Holding(World &world, Kind kind = Kind::local) : Own(world, kind) {
        on_read = [this](void *buf, size_t cap) {
            last_want = EVL_READ;
            return recv(buf, cap);
        };
        on_write = [this](const evl_buf *bufs, int32_t n) {
            EXPECT_TRUE(held.empty()) << "nothing is offered before";
            std::string text = text_of(bufs, n);
            held += text;
            return static_cast<int64_t>(text.size());
        };
        on_flush = [this]() -> int32_t {
            while (!held.empty()) {
                int64_t n = send(held.data(), held.size());
                if (n < 0) {
                    last_want = EVL_WRITE;
                    return static_cast<int32_t>(n);
                }
                held.erase(0, static_cast<size_t>(n));
            }
            return 0;
        };
        on_want = [this] { return last_want; };
        // One step to say it, and once that is out, one more.
        on_shutdown = [this]() -> int32_t {
            if (!said) {
                said = true;
                held += "<end>";
                return EVL_EAGAIN;
            }
            EXPECT_TRUE(held.empty());
            return ::shutdown(fd, SHUT_WR) == 0 ? 0 : -errno;
        };
    }
    std::string held;
    uint32_t last_want = 0;
    bool said = false;
};

TEST(StreamTransport, WhatItHoldsIsFlushed) {
    for (Kind kind : kinds) {
        World w;
        Holding t(w, kind);
        evl_stream *s = t.open();
        std::string text = pattern(1000000);
        Wait flush(w);
        EXPECT_EQ(write(s, text), 1000000);
        EXPECT_EQ(evl_stream_queued(s), 0) << "the transport has taken all of it";
        EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
        passes(w);
        EXPECT_FALSE(t.held.empty());
        EXPECT_FALSE(flush.done());
        EXPECT_EQ(evl_loop_alive(w.loop), 1);
        EXPECT_EQ(write(s, "queued"), 6);
        EXPECT_EQ(evl_stream_queued(s), 6) << "one thing after the other";
        EXPECT_TRUE(t.all(text.size() + 6) == text + "queued");
        pump(w, [&] { return flush.done(); });
        EXPECT_EQ(flush.result, 0);
        EXPECT_EQ(w.run(), EVL_RUN_DONE) << "nothing is left to do";
    }
}

TEST(StreamTransport, AClosedOneSendsWhatItHolds) {
    World w;
    Holding t(w);
    std::string text = pattern(300000);
    EXPECT_EQ(write(t.open(), text), 300000);
    EXPECT_EQ(evl_close(t.s), 0);
    t.leave();
    EXPECT_TRUE(t.all(text.size() + 5) == text + "<end>");
    t.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(t.aborted, 0);
}

TEST(StreamTransport, TheEndIsAnnouncedInSteps) {
    for (bool full : {false, true}) {
        World w;
        Holding t(w);
        evl_stream *s = t.open();
        std::string text = pattern(full ? 300000 : 3);
        Wait shutdown(w);
        EXPECT_EQ(write(s, text), static_cast<int64_t>(text.size()));
        EXPECT_EQ(evl_stream_shutdown(s, shutdown.op), 0);
        EXPECT_EQ(t.said, !full) << "behind everything else";
        std::string seen = t.all(text.size() + 5);
        EXPECT_TRUE(seen == text + "<end>");
        pump(w, [&] { return at_end(t.peer); });
        EXPECT_FALSE(shutdown.done());
        t.peer.close();
        pump(w, [&] { return shutdown.done(); });
        EXPECT_EQ(shutdown.result, 0);
    }
}

// The peer has ended, and still has to hear that we do.
TEST(StreamTransport, TheEndIsAnnouncedBehindThePeers) {
    World w;
    Holding t(w);
    evl_stream *s = t.open();
    Read r(w);
    ::shutdown(t.peer, SHUT_WR);
    EXPECT_EQ(r.some(s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, 0);
    std::string text = pattern(300000);
    EXPECT_EQ(write(s, text), 300000);
    EXPECT_EQ(evl_close(s), 0);
    t.leave();
    EXPECT_TRUE(t.all(text.size() + 5) == text + "<end>");
    pump(w, [&] { return t.closed == 1; });
    EXPECT_TRUE(at_end(t.peer));
    EXPECT_EQ(t.aborted, 0);
}

TEST(StreamTransport, HasToSaySomethingWhileReading) {
    for (size_t size : {5u, 300000u}) {
        World w;
        Holding t(w);
        std::string answer = pattern(size);
        auto read = t.on_read;
        t.on_read = [&](void *buf, size_t cap) {
            int64_t n = read(buf, cap);
            if (n > 0)
                t.held += answer;
            return n;
        };
        evl_stream *s = t.open();
        Read r(w);
        put(t.peer, "hello");
        EXPECT_EQ(r.some(s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "hello");
        EXPECT_TRUE(t.all(size) == answer) << "nobody has written";
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
    }
}

TEST(StreamTransport, WhatGoesWrongWhenItIsFlushed) {
    World w;
    Holding t(w);
    evl_stream *s = t.open();
    Wait flush(w);
    EXPECT_EQ(write(s, pattern(300000)), 300000);
    EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
    t.on_flush = [] { return EVL_EPROTO; };
    got(t.peer);
    pump(w, [&] { return flush.done(); });
    EXPECT_EQ(flush.result, EVL_EPROTO);
    EXPECT_EQ(write(s, "x"), EVL_EPROTO);
    EXPECT_EQ(info(s).error, EVL_EPROTO);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(StreamTransport, WhetherItsEndIsClean) {
    for (int how = 0; how < 3; how++) {
        World w;
        Holding t(w);
        EXPECT_EQ(write(t.open(), pattern(300000)), 300000);
        if (how == 0)
            EXPECT_EQ(evl_stream_abort(t.s), 0);
        else if (how == 1)
            EXPECT_EQ(w.destroy(), 0);
        else {
            EXPECT_EQ(evl_stream_set_linger(t.s, 0), 0);
            EXPECT_EQ(evl_close(t.s), 0);
        }
        t.leave();
        EXPECT_EQ(t.closed, 1);
        EXPECT_EQ(t.aborted, 1) << how;
    }
}

// One variable for what it waits for, as with SSL_get_error: the call that was last writes it.
TEST(StreamTransport, EachSideWaitsForItsOwn) {
    World w;
    Own t(w);
    uint32_t last = 0;
    t.on_read = [&](void *buf, size_t cap) {
        last = EVL_READ;
        return t.recv(buf, cap);
    };
    t.on_write = [&](const evl_buf *bufs, int32_t) {
        last = EVL_WRITE;
        return t.send(bufs[0].data, bufs[0].len);
    };
    t.on_want = [&] { return last; };
    evl_stream *s = t.open();
    Read r(w);
    EXPECT_EQ(r.some(s), 0);
    passes(w);
    std::string text = pattern(300000);
    EXPECT_EQ(write(s, text), 300000);
    passes(w);
    EXPECT_GT(evl_stream_queued(s), 0) << "the peer does not read";
    put(t.peer, "both directions");
    int turns = 0;
    pump(w, [&] { return r.done() || turns++ > 1000; });
    EXPECT_EQ(r.text(), "both directions");
    EXPECT_TRUE(t.all(text.size()) == text);
    EXPECT_EQ(r.some(s), 0);
    passes(w);
    put(t.peer, "still");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "still");
}

// A handshake: writing waits for what comes, reading for room.
TEST(StreamTransport, EitherSideMayWaitForTheOtherDirection) {
    World w;
    Own t(w);
    bool greeted = false, answered = false;
    uint32_t last = 0;
    t.on_read = [&](void *buf, size_t cap) -> int64_t {
        last = EVL_READ;
        int64_t n = greeted ? t.recv(buf, cap) : int64_t{EVL_EAGAIN};
        if (!greeted || (n > 0 && !answered)) { // it has to say something first, and there is no room
            char bytes[512] = {};
            int64_t sent = t.send(bytes, sizeof bytes);
            greeted = sent > 0;
            last = greeted ? EVL_READ : EVL_WRITE;
        }
        return n;
    };
    t.on_write = [&](const evl_buf *bufs, int32_t) -> int64_t {
        char byte;
        last = EVL_READ;
        if (!answered && ::recv(t.fd, &byte, 1, 0) != 1)
            return EVL_EAGAIN;
        answered = true;
        last = EVL_WRITE;
        return t.send(bufs[0].data, bufs[0].len);
    };
    t.on_want = [&] { return last; };
    std::string full(100, 'f');
    size_t before = 0;
    for (ssize_t n; (n = ::send(t.fd, full.data(), full.size(), MSG_NOSIGNAL)) > 0;)
        before += static_cast<size_t>(n);
    evl_stream *s = t.open();
    Read r(w);
    EXPECT_EQ(r.some(s), 0);
    passes(w);
    EXPECT_FALSE(greeted);
    EXPECT_EQ(t.all(before + 512).size(), before + 512) << "reading waited for room";
    EXPECT_EQ(write(s, "question"), 8);
    passes(w);
    EXPECT_EQ(got(t.peer), "");
    put(t.peer, "!");
    EXPECT_EQ(t.all(8), "question") << "writing waited for what came";
    put(t.peer, "answer");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "answer");
}

// Remembers what it has refused, as OpenSSL does with a record that is on its way.
struct Remembering : Own {
    explicit Remembering(World &world) : Own(world) {
        on_write = [this](const evl_buf *bufs, int32_t n) -> int64_t {
            std::string text = text_of(bufs, n);
            calls++;
            EXPECT_TRUE(text.starts_with(refused)) << "it begins with the same bytes, and is no shorter";
            EXPECT_TRUE(refused.empty() || bufs[0].len >= first) << "nor is its first piece";
            size_t part = std::min<size_t>(text.size(), 1000);
            int64_t sent = room > 0 ? send(text.data(), part) : int64_t{EVL_EAGAIN};
            room--;
            refused = sent < 0 ? text : "";
            first = sent < 0 ? bufs[0].len : 0;
            return sent;
        };
    }
    std::string refused;
    size_t first = 0;
    int calls = 0, room = 1000000;
};

TEST(StreamTransport, IsOfferedTheSameBytesAgain) {
    World w;
    Remembering t(w);
    evl_stream *s = t.open();
    std::string text = pattern(900000), seen, expected;
    Fd file = regular_file();
    ASSERT_EQ(::pwrite(file, text.data(), text.size(), 0), 900000);
    unsigned random = 7;
    for (int i = 0; i < 60; i++) {
        random = random * 1103515245U + 12345U;
        size_t at = random / 65536U % 10000U, n = 1 + random / 3U % (i % 3 == 0 ? 60000U : 900U);
        std::string part = text.substr(at, n);
        Wait op(w);
        if (i % 5 == 0) {
            EXPECT_EQ(evl_stream_sendfile(s, op.op, file, static_cast<int64_t>(at), n), 0);
            passes(w, i % 2);
            EXPECT_GE(evl_op_cancel(op.op), 0);
        } else if (i % 5 == 1) {
            evl_buf bufs[] = {{part.data(), n / 3}, {part.data() + n / 3, n - n / 3}};
            EXPECT_EQ(evl_stream_writev(s, bufs, 2), static_cast<int64_t>(n));
        } else if (i % 5 == 2) {
            EXPECT_EQ(evl_stream_write_ref(s, text.data() + at, n, nullptr, nullptr),
                      static_cast<int64_t>(n));
        } else {
            EXPECT_EQ(write(s, part), static_cast<int64_t>(n));
        }
        expected += part;
        if (i % 4 == 3)
            seen += got(t.peer);
        passes(w, i % 3);
    }
    seen += t.all(expected.size() - seen.size());
    EXPECT_TRUE(seen == expected) << seen.size() << " of " << expected.size();
}

TEST(StreamTransport, IsNotAskedForWhatCannotBeKept) {
    World w;
    Remembering t(w);
    evl_stream *s = t.open();
    std::string text = pattern(1200);
    EXPECT_EQ(evl_stream_set_marks(s, 500, EVL_AUTO, 1000), 0);
    EXPECT_EQ(write(s, text), EVL_ENOBUFS);
    evl_buf bufs[] = {{text.data(), 600}, {text.data() + 600, 600}};
    EXPECT_EQ(evl_stream_writev(s, bufs, 2), EVL_ENOBUFS);
    EXPECT_EQ(evl_stream_write_ref(s, text.data(), text.size(), nullptr, nullptr), EVL_ENOBUFS);
    EXPECT_EQ(t.calls, 0);
    t.room = 0;
    EXPECT_EQ(write(s, text.substr(0, 1000)), 1000);
    EXPECT_EQ(write(s, "x"), EVL_ENOBUFS);
    t.room = 1000000;
    EXPECT_EQ(t.all(1000), text.substr(0, 1000));
    for (int nth = 1;; nth++) {
        int calls = t.calls;
        t.room = 0;
        w.memory.fail(static_cast<uint64_t>(nth), 1000);
        int64_t n = evl_stream_write(s, text.data(), 900);
        bool failed = w.memory.failed();
        w.memory.fail(0);
        t.room = 1000000;
        EXPECT_EQ(n, failed ? EVL_ENOMEM : 900);
        EXPECT_EQ(t.calls, failed ? calls : calls + 1);
        if (!failed)
            break;
    }
    EXPECT_EQ(t.all(900), text.substr(0, 900));
}

TEST(StreamTransport, WhatItCannotReturn) {
    const int64_t much = 1 << 20;
    for (int64_t wrong : {much, static_cast<int64_t>(EVL_EINPROGRESS), INT64_MIN, INT64_C(-5000000000)}) {
        for (int how = 0; how < 3; how++) {
            World w;
            Own t(w);
            auto wrong_again = [&](auto...) { return wrong; };
            if (how == 0)
                t.on_read = wrong_again;
            else if (how == 1)
                t.on_write = wrong_again;
            evl_stream *s = t.open();
            Read r(w);
            if (how == 0) {
                EXPECT_EQ(r.some(s), 0);
            } else if (how == 1) {
                EXPECT_EQ(write(s, "word"), EVL_EIO);
                EXPECT_EQ(r.some(s), 0);
            } else {
                int64_t pushed = 1;
                t.on_read = wrong_again;
                evl_stream_on_data(s, World::done(), w.arg([&](int64_t n) { pushed = n; }));
                pump(w, [&] { return pushed < 0; });
                EXPECT_EQ(pushed, EVL_EIO);
                r.result = EVL_EIO;
            }
            pump(w, [&] { return r.done(); });
            EXPECT_EQ(r.result, EVL_EIO) << wrong << " " << how;
            EXPECT_EQ(write(s, "word"), EVL_EIO);
            EXPECT_EQ(evl_close(s), 0);
            t.leave();
            EXPECT_EQ(w.run(), EVL_RUN_DONE);
            EXPECT_EQ(t.closed, 1);
        }
    }
    for (int how = 0; how < 2; how++) {
        World w;
        Own t(w);
        (how == 0 ? t.on_flush : t.on_shutdown) = [] { return 1; };
        evl_stream *s = t.open();
        Wait flush(w);
        EXPECT_EQ(write(s, "word"), 4);
        EXPECT_EQ(evl_stream_write_eof(s), how == 0 ? 0 : EVL_EIO);
        EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
        pump(w, [&] { return flush.done(); });
        EXPECT_EQ(flush.result, EVL_EIO);
    }
}

TEST(StreamTransport, ACancelledFileIsSent) {
    World w;
    Holding t(w);
    evl_stream *s = t.open();
    std::string text = pattern(300000);
    {
        Fd file = regular_file();
        ASSERT_EQ(::pwrite(file, text.data(), text.size(), 0), 300000);
        Wait op(w);
        EXPECT_EQ(evl_stream_sendfile(s, op.op, file, 0, 0), 0);
        passes(w);
        EXPECT_EQ(evl_op_cancel(op.op), 1);
        passes(w);
        EXPECT_EQ(op.result, EVL_ECANCELED);
    }
    EXPECT_EQ(write(s, "behind"), 6);
    EXPECT_TRUE(t.all(text.size() + 6) == text + "behind");
}

TEST(StreamTransport, SplicedIntoOneWithALimit) {
    World w;
    Own t(w);
    Pair source;
    evl_stream *to = t.open(), *from = open(w, source.a);
    EXPECT_EQ(evl_stream_set_marks(to, 500, EVL_AUTO, 1000), 0);
    Wait splice(w);
    EXPECT_EQ(evl_stream_splice(from, splice.op, to), 0);
    std::string text = pattern(50000);
    put(source.b, text);
    source.b.close();
    EXPECT_TRUE(t.all(text.size()) == text);
    pump(w, [&] { return splice.done(); });
    EXPECT_EQ(splice.result, 50000);
    evl_stream_abort(from);
}

// Those who were made before there was a flush say so by their size.
TEST(StreamTransport, WithoutFlush) {
    World w;
    Own t(w);
    t.on_flush = []() -> int32_t {
        ADD_FAILURE() << "it is not there";
        return 0;
    };
    t.table.struct_size = static_cast<uint32_t>(offsetof(evl_transport, flush));
    std::string text = pattern(300000);
    EXPECT_EQ(write(t.open(), text), 300000);
    EXPECT_TRUE(t.all(text.size()) == text);
}

} // namespace
