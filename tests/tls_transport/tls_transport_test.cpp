// tls_transport_test.cpp - TLS by OpenSSL over the fd and over memory: the two kinds of transport that there
// are.
#include "../contract/streams.hpp"

#include <csignal>
#include <unistd.h>

extern "C" {
#include "tls_transport.h"
}

using namespace streams;

namespace {

constexpr tls_way ways[] = {TLS_OVER_FD, TLS_OVER_MEMORY};

// Two streams that talk TLS, each in its own way.
struct Tls {
    Tls(World &world, tls_way near_way, tls_way far_way, Kind kind = Kind::local) : w(world) {
        std::signal(SIGPIPE, SIG_IGN);
        server = tls_self_signed();
        client = SSL_CTX_new(TLS_client_method());
        EXPECT_TRUE(server && client);
        Tcp tcp;
        Pair pair;
        int size = kind == Kind::tcp ? 65536 : 4096;
        Fd *ends[] = {kind == Kind::tcp ? &tcp.a : &pair.a, kind == Kind::tcp ? &tcp.b : &pair.b};
        for (Fd *end : ends) {
            ::setsockopt(*end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            ::setsockopt(*end, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        }
        EXPECT_EQ(tls_open(w.loop, give(*ends[0]), client, TLS_CLIENT, near_way, &near), 0);
        EXPECT_EQ(tls_open(w.loop, give(*ends[1]), server, TLS_SERVER, far_way, &far), 0);
    }
    Tls(const Tls &) = delete;
    ~Tls() {
        EXPECT_EQ(evl_stream_abort(near), 0);
        EXPECT_EQ(evl_stream_abort(far), 0);
        SSL_CTX_free(client);
        SSL_CTX_free(server);
        std::signal(SIGPIPE, SIG_DFL);
    }
    // What the far end gets until there are n bytes of it.
    std::string all(size_t n) {
        std::string text;
        while (text.size() < n && !::testing::Test::HasFailure()) {
            Read r(w, 65536);
            EXPECT_GE(r.some(far), 0);
            pump(w, [&] { return r.done(); });
            EXPECT_GT(r.result, 0);
            text += r.text();
        }
        return text;
    }
    // The handshake is over.
    void greet() {
        EXPECT_EQ(write(near, "hello"), 5);
        EXPECT_EQ(all(5), "hello");
    }

    World &w;
    SSL_CTX *server, *client;
    evl_stream *near = nullptr, *far = nullptr;
};

void for_all(const std::function<void(World &, Tls &)> &body,
             std::initializer_list<Kind> kinds = {Kind::local}) {
    for (tls_way near : ways)
        for (tls_way far : ways)
            for (Kind kind : kinds) {
                World w;
                Tls t(w, near, far, kind);
                body(w, t);
            }
}

TEST(TlsTransport, MuchInBothDirections) {
    for_all(
        [](World &w, Tls &t) {
            std::string text = pattern(1000000), back(text.size(), '\0');
            EXPECT_EQ(write(t.near, text), 1000000);
            EXPECT_EQ(write(t.far, text), 1000000);
            Wait read(w);
            EXPECT_EQ(evl_stream_read_exactly(t.near, read.op, back.data(), back.size()), 0);
            EXPECT_TRUE(t.all(text.size()) == text);
            pump(w, [&] { return read.done(); });
            EXPECT_TRUE(back == text);
            EXPECT_EQ(w.run(), EVL_RUN_DONE);
        },
        {Kind::local, Kind::tcp});
}

// The server speaks first, and the client only reads.
TEST(TlsTransport, OnlyTheServerWrites) {
    for_all([](World &w, Tls &t) {
        Read r(w);
        EXPECT_EQ(r.line(t.near), 0);
        EXPECT_EQ(write(t.far, "220 ready\n"), 10);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "220 ready\n");
    });
}

// A limit that is met, and the connection lives.
TEST(TlsTransport, AHardLimit) {
    for_all([](World &w, Tls &t) {
        t.greet();
        EXPECT_EQ(evl_stream_set_marks(t.near, 500, EVL_AUTO, 1000), 0);
        EXPECT_EQ(write(t.near, std::string(1200, 'x')), EVL_ENOBUFS);
        std::string expected;
        int refused = 0;
        for (int i = 0; i < 2000 && refused < 20; i++) {
            std::string part(300 + static_cast<size_t>(i) % 300, static_cast<char>('a' + i % 26));
            int64_t n = write(t.near, part);
            EXPECT_TRUE(n == static_cast<int64_t>(part.size()) || n == EVL_ENOBUFS) << n;
            if (n > 0)
                expected += part;
            else if (refused++ % 3 == 0)
                w.nowait();
        }
        EXPECT_GE(refused, 20);
        EXPECT_TRUE(t.all(expected.size()) == expected);
        EXPECT_EQ(write(t.near, "more"), 4);
        EXPECT_EQ(t.all(4), "more");
    });
}

TEST(TlsTransport, FilesAndCancelling) {
    for_all([](World &w, Tls &t) {
        t.greet();
        std::string text = pattern(300000);
        {
            Fd file = regular_file();
            ASSERT_EQ(::pwrite(file, text.data(), text.size(), 0), 300000);
            Wait sent(w);
            EXPECT_EQ(evl_stream_sendfile(t.near, sent.op, file, 0, 0), 0);
            passes(w);
            EXPECT_EQ(evl_op_cancel(sent.op), 1);
            EXPECT_EQ(write(t.near, "and more"), 8);
            passes(w);
        }
        EXPECT_TRUE(t.all(text.size() + 8) == text + "and more");
    });
}

TEST(TlsTransport, SplicedAndCancelled) {
    for_all([](World &w, Tls &t) {
        t.greet();
        Pair source;
        std::string text;
        for (int i = 0; i < 600; i++)
            text += "word" + std::to_string(i % 10);
        Fd in = std::move(source.b);
        evl_stream *from = open(w, source.a);
        Wait splice(w);
        EXPECT_EQ(evl_stream_splice(from, splice.op, t.near), 0);
        std::string expected, seen;
        for (int i = 0; i < 20; i++) {
            put(in, text);
            passes(w);
            expected += text;
        }
        EXPECT_EQ(evl_op_cancel(splice.op), 1);
        EXPECT_EQ(write(t.near, "!"), 1) << "the connection lives";
        while (!seen.ends_with("!"))
            seen += t.all(1);
        EXPECT_GT(seen.size(), 3000u);
        EXPECT_TRUE((expected + "!").starts_with(seen.substr(0, seen.size() - 1)));
        evl_stream_abort(from);
    });
}

// Half a close, an answer, and the whole.
TEST(TlsTransport, TheEndInSteps) {
    for_all([](World &w, Tls &t) {
        Read all(w, 1000), answer(w, 1000);
        Wait shut(w);
        EXPECT_EQ(write(t.near, "question"), 8);
        EXPECT_EQ(evl_stream_write_eof(t.near), 0);
        EXPECT_EQ(all.all(t.far), 0);
        pump(w, [&] { return all.done(); });
        EXPECT_EQ(all.text(), "question");
        EXPECT_EQ(write(t.far, "answer"), 6);
        EXPECT_EQ(answer.some(t.near), 0);
        pump(w, [&] { return answer.done(); });
        EXPECT_EQ(answer.text(), "answer");
        EXPECT_EQ(evl_stream_shutdown(t.far, shut.op), 0);
        EXPECT_EQ(answer.some(t.near), 0);
        pump(w, [&] { return answer.done() && shut.done(); });
        EXPECT_EQ(answer.result, 0) << "close_notify";
        EXPECT_EQ(shut.result, 0);
    });
}

// What was written before a close arrives, although the peer reads late, and with a clean end.
TEST(TlsTransport, ClosedWithMuchUnsent) {
    for_all([](World &w, Tls &t) {
        t.greet();
        std::string text = pattern(400000);
        EXPECT_EQ(write(t.near, text), 400000);
        EXPECT_EQ(evl_close(t.near), 0);
        t.near = nullptr;
        passes(w);
        EXPECT_TRUE(t.all(text.size()) == text);
        Read r(w);
        EXPECT_EQ(r.some(t.far), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, 0);
        EXPECT_EQ(evl_close(t.far), 0);
        t.far = nullptr;
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
    });
}

TEST(TlsTransport, CutOffIsNoEnd) {
    for_all([](World &w, Tls &t) {
        t.greet();
        Read r(w);
        EXPECT_EQ(r.some(t.far), 0);
        EXPECT_EQ(evl_stream_abort(t.near), 0);
        t.near = nullptr;
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, EVL_ECONNRESET);
    });
}

TEST(TlsTransport, DestroyedInTheMiddle) {
    for_all([](World &w, Tls &t) {
        EXPECT_EQ(write(t.near, pattern(100000)), 100000);
        passes(w, 3);
        EXPECT_EQ(w.destroy(), 0);
        t.near = t.far = nullptr;
    });
}

} // namespace
