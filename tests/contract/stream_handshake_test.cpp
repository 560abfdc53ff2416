// stream_handshake_test.cpp - transports whose two sides share a state: what one side has done lets the other
// go on.
#include "transports.hpp"

using namespace streams;

namespace {

// Nothing goes through before an 'H' has come, which either side takes off the fd; and either side takes all
// that is there, as one that reads ahead does.
struct Handshake : Own {
    explicit Handshake(World &world) : Own(world) {
        on_read = [this](void *buf, size_t cap) -> int64_t {
            reads++;
            if (!shake_hands())
                return EVL_EAGAIN;
            size_t n = std::min(cap, ahead.size());
            std::memcpy(buf, ahead.data(), n);
            ahead.erase(0, n);
            return n > 0 || ended ? static_cast<int64_t>(n) : int64_t{EVL_EAGAIN};
        };
        on_write = [this](const evl_buf *bufs, int32_t n) -> int64_t {
            writes++;
            std::string text = text_of(bufs, n);
            return shake_hands() ? send(text.data(), text.size()) : int64_t{EVL_EAGAIN};
        };
        on_want = [] { return EVL_READ; };
        on_shutdown = [this]() -> int32_t {
            if (!shake_hands())
                return EVL_EAGAIN;
            return ::shutdown(fd, SHUT_WR) == 0 ? 0 : -errno;
        };
    }
    bool shake_hands() {
        char some[64];
        int64_t n;
        while ((n = recv(some, sizeof some)) > 0)
            ahead.append(some, static_cast<size_t>(n));
        ended = ended || n == 0;
        if (!greeted && !ahead.empty()) {
            EXPECT_EQ(ahead[0], 'H');
            ahead.erase(0, 1);
            greeted = true;
        }
        return greeted;
    }

    bool greeted = false, ended = false;
    std::string ahead;
    int reads = 0, writes = 0;
};

// The first call behind the peer's part reads, and the write that waits for it goes on, whoever reads.
TEST(StreamHandshake, AReadLetsTheWriteGoOn) {
    const std::pair<const char *, void (*)(World &, evl_stream *, Read &)> readers[] = {
        {"try_read",
         [](World &, evl_stream *s, Read &r) {
             EXPECT_EQ(evl_stream_try_read(s, r.buf.data(), r.buf.size()), EVL_EAGAIN);
         }},
        {"read", [](World &, evl_stream *s, Read &r) { EXPECT_EQ(r.some(s), 0); }},
        {"a cancelled read",
         [](World &w, evl_stream *s, Read &r) {
             EXPECT_EQ(r.some(s), 0);
             passes(w, 1);
             EXPECT_EQ(evl_op_cancel(r.op), 1);
         }},
        {"push", [](World &, evl_stream *s,
                    Read &) { EXPECT_EQ(evl_stream_on_data(s, [](void *, int64_t) {}, nullptr), 0); }},
        {"shutdown", [](World &, evl_stream *s, Read &r) { EXPECT_EQ(evl_stream_shutdown(s, r.op), 0); }},
        {"nothing", [](World &, evl_stream *, Read &) {}},
    };
    for (bool flushes : {false, true})
        for (bool late : {false, true})
            for (auto &[name, start] : readers) {
                SCOPED_TRACE(name);
                World w;
                Handshake t(w);
                std::string held;
                if (flushes) { // the bytes are in the transport then
                    t.on_write = [&](const evl_buf *bufs, int32_t n) {
                        held += t.text_of(bufs, n);
                        return static_cast<int64_t>(t.text_of(bufs, n).size());
                    };
                    t.on_flush = [&]() -> int32_t {
                        if (!held.empty() && !t.shake_hands())
                            return EVL_EAGAIN;
                        (void)t.send(held.data(), held.size());
                        held.clear();
                        return 0;
                    };
                }
                evl_stream *s = t.open();
                Read r(w);
                EXPECT_EQ(write(s, "hello"), 5);
                if (late)
                    passes(w);
                put(t.peer, "H");
                start(w, s, r);
                EXPECT_EQ(t.all(5), "hello");
                EXPECT_EQ(evl_stream_queued(s), 0);
                EXPECT_EQ(evl_stream_abort(s), 0);
                t.leave();
            }
}

// The handshake is the flush's, and what comes behind it the read's.
TEST(StreamHandshake, AFlushLetsTheReadGoOn) {
    for (bool pushed : {false, true}) {
        World w;
        Handshake t(w);
        t.on_flush = [&]() -> int32_t { return t.shake_hands() ? 0 : EVL_EAGAIN; };
        auto plain = t.on_read;
        t.on_read = [&](void *buf, size_t cap) -> int64_t {
            return t.greeted ? plain(buf, cap) : int64_t{EVL_EAGAIN};
        };
        evl_stream *s = t.open();
        EXPECT_EQ(evl_stream_transport(s, &t.table), &t);
        Own other(w);
        EXPECT_EQ(evl_stream_transport(s, &other.table), nullptr);
        other.open();
        Read r(w);
        std::string text;
        std::function<void()> take = [&] { text += peek(s); };
        if (pushed) {
            EXPECT_EQ(
                evl_stream_on_data(
                    s, [](void *arg, int64_t) { (*static_cast<std::function<void()> *>(arg))(); }, &take),
                0);
        } else {
            EXPECT_EQ(r.some(s), 0);
        }
        passes(w);
        put(t.peer, "Hello");
        passes(w, 10);
        EXPECT_EQ(pushed ? text : r.text(), "ello");
        EXPECT_EQ(evl_stream_abort(s), 0);
        t.leave();
    }
}

TEST(StreamHandshake, AClosedOneGoesOn) {
    World w;
    Handshake t(w);
    EXPECT_EQ(write(t.open(), "hello"), 5);
    passes(w);
    EXPECT_EQ(evl_close(t.s), 0);
    t.leave();
    passes(w);
    put(t.peer, "H");
    EXPECT_EQ(t.all(5), "hello");
    t.peer.close();
    pump(w, [&] { return t.closed == 1; });
    EXPECT_EQ(t.aborted, 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

// A write takes input off the fd: no event reports it any more.
TEST(StreamHandshake, AWriteLetsTheReadGoOn) {
    for (int how = 0; how < 3; how++) {
        World w;
        Handshake t(w);
        evl_stream *s = t.open();
        Read r(w);
        std::string pushed;
        if (how == 0) {
            EXPECT_EQ(r.some(s), 0);
        } else if (how == 1) {
            auto fn = [&](int64_t n) {
                if (n > 0)
                    pushed += peek(s);
                EXPECT_EQ(evl_stream_consume(s, n > 0 ? static_cast<size_t>(n) : 0), 0);
            };
            EXPECT_EQ(evl_stream_on_data(s, World::done(), w.arg(fn)), 0);
        }
        passes(w, 3);
        put(t.peer, "Hdata");
        EXPECT_EQ(write(s, "hello"), 5);
        EXPECT_EQ(t.ahead, "data") << "the write has taken it";
        if (how == 2) {
            EXPECT_GE(r.some(s), 0); // it begins afterwards
        }
        pump(w, [&] { return how == 1 ? pushed.size() == 4 : r.done(); });
        EXPECT_EQ(how == 1 ? pushed : r.text(), "data");
        EXPECT_EQ(t.all(5), "hello");
    }
}

// Both wait for the peer: neither is called over and over because of the other.
TEST(StreamHandshake, BothSidesMayWait) {
    World w;
    Handshake t(w);
    evl_stream *s = t.open();
    Read r(w);
    EXPECT_EQ(r.some(s), 0);
    EXPECT_EQ(write(s, "hello"), 5);
    passes(w, 100);
    EXPECT_LE(t.reads, 5);
    EXPECT_LE(t.writes, 5);
    put(t.peer, "Hdata");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "data");
    EXPECT_EQ(t.all(5), "hello");
}

// A return value that cannot be, of either side, ends both.
TEST(StreamHandshake, WhatCannotBeEndsBothSides) {
    {
        World w;
        Own t(w);
        t.on_write = [](const evl_buf *, int32_t) { return 1 << 20; };
        evl_stream *s = t.open();
        Read r(w);
        EXPECT_EQ(r.some(s), 0);
        passes(w);
        EXPECT_EQ(write(s, "word"), EVL_EIO);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, EVL_EIO);
    }
    {
        World w;
        Own t(w);
        t.on_write = [](const evl_buf *, int32_t) { return EVL_EAGAIN; };
        t.on_want = [] { return EVL_READ; };
        evl_stream *s = t.open();
        Wait flush(w);
        EXPECT_EQ(write(s, "word"), 4);
        EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
        passes(w);
        t.on_read = [](void *, size_t cap) { return static_cast<int64_t>(cap) + 1; };
        char byte;
        EXPECT_EQ(evl_stream_try_read(s, &byte, 1), EVL_EIO);
        pump(w, [&] { return flush.done(); });
        EXPECT_EQ(flush.result, EVL_EIO);
    }
}

// Only a stream whose end was announced, and whose every byte was taken, has a clean end.
TEST(StreamHandshake, AnEndThatWasNotAnnouncedIsNotClean) {
    for (int how = 0; how < 6; how++) {
        World w;
        Own t(w);
        t.on_write = [](const evl_buf *bufs, int32_t) { return static_cast<int64_t>(bufs[0].len); };
        bool announced = false;
        t.on_shutdown = [&]() -> int32_t {
            announced = true;
            return how == 3 ? EVL_EPROTO : 0;
        };
        evl_stream *s = t.open();
        char byte;
        if (how == 1) { // reading fails
            t.on_read = [](void *, size_t) { return EVL_EPROTO; };
            EXPECT_EQ(evl_stream_try_read(s, &byte, 1), EVL_EPROTO);
        } else if (how == 2) { // writing fails with bytes in the queue
            t.on_write = [](const evl_buf *, int32_t) { return EVL_EAGAIN; };
            EXPECT_EQ(write(s, "word"), 4);
            t.on_write = [](const evl_buf *, int32_t) { return EVL_EPROTO; };
            pump(w, [&] { return evl_stream_queued(s) == 0; });
        } else if (how == 3) { // announcing it fails
            EXPECT_EQ(evl_stream_write_eof(s), EVL_EPROTO);
        } else if (how == 5) {
            EXPECT_EQ(write(s, "word"), 4);
        }
        t.peer.close();
        if (how == 0 || how == 5) {
            EXPECT_EQ(w.destroy(), 0);
        } else {
            EXPECT_EQ(evl_close(s), 0);
            EXPECT_EQ(w.run(), EVL_RUN_DONE);
        }
        t.leave();
        EXPECT_EQ(t.closed, 1);
        EXPECT_EQ(t.aborted, how == 4 ? 0 : 1) << how;
        EXPECT_EQ(announced, how == 3 || how == 4) << how;
    }
}

} // namespace
