// stream_test.cpp - what streams promise, over TLS.
#include "tls.hpp"

#include <openssl/ssl.h>

using namespace tls;

namespace {

// A pair that has shaken hands, for each version and kind of socket.
void for_all(const std::function<void(World &, Both &)> &body) {
    for (int32_t version : {EVL_TLS_1_2, EVL_TLS_1_3})
        for (Kind kind : kinds) {
            World w;
            Context s({EVL_TLS_SERVER, "server"}), c({.max = version});
            Both both(w, s, c, "localhost", kind);
            EXPECT_EQ(both.shake(), Codes(0, 0));
            body(w, both);
        }
}

TEST(TlsStream, MuchInBothDirections) {
    for_all([](World &w, Both &t) {
        std::string text = pattern(1000000);
        Read there(w, text.size()), back(w, text.size());
        EXPECT_EQ(write(t.near, text), 1000000);
        EXPECT_EQ(write(t.far, text), 1000000);
        EXPECT_EQ(back.exactly(t.near, text.size()), 0);
        EXPECT_EQ(there.exactly(t.far, text.size()), 0);
        pump(w, [&] { return there.done() && back.done(); });
        EXPECT_TRUE(there.text() == text && back.text() == text);
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
    });
}

TEST(TlsStream, Pushed) {
    for_all([](World &w, Both &t) {
        struct Sink {
            evl_stream *s;
            std::string text;
            int64_t end = 1;
        } sink{t.far, {}};
        EXPECT_EQ(evl_stream_on_data(
                      t.far,
                      [](void *arg, int64_t n) {
                          auto to = static_cast<Sink *>(arg);
                          if (n > 0)
                              to->text += peek(to->s);
                          else
                              to->end = n;
                      },
                      &sink),
                  0);
        std::string text = pattern(500000);
        for (size_t at = 0; at < text.size(); at += 5000)
            EXPECT_EQ(write(t.near, std::string_view(text).substr(at, 5000)), 5000);
        EXPECT_EQ(evl_stream_write_eof(t.near), 0);
        pump(w, [&] { return sink.end <= 0; });
        EXPECT_EQ(sink.end, 0);
        EXPECT_TRUE(sink.text == text);
    });
}

// A limit that is met, and the connection lives.
TEST(TlsStream, AHardLimit) {
    for_all([](World &w, Both &t) {
        EXPECT_EQ(evl_stream_set_marks(t.near, 500, EVL_AUTO, 1000), 0);
        EXPECT_EQ(write(t.near, std::string(1200, 'x')), EVL_ENOBUFS);
        std::string expected;
        for (int i = 0, refused = 0; i < 5000 && refused < 20; i++) {
            std::string part(300 + static_cast<size_t>(i) % 300, static_cast<char>('a' + i % 26));
            int64_t n = write(t.near, part);
            EXPECT_TRUE(n == static_cast<int64_t>(part.size()) || n == EVL_ENOBUFS) << n;
            if (n > 0)
                expected += part;
            else if (refused++ % 3 == 0)
                w.nowait();
        }
        Read r(w, expected.size());
        EXPECT_EQ(r.exactly(t.far, expected.size()), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_TRUE(r.text() == expected);
        EXPECT_EQ(t.through(t.near, t.far, "more"), "more");
    });
}

TEST(TlsStream, AFileThatIsCancelled) {
    for_all([](World &w, Both &t) {
        std::string text = pattern(300000);
        Fd file = regular_file();
        ASSERT_EQ(::pwrite(file, text.data(), text.size(), 0), 300000);
        Wait sent(w);
        EXPECT_EQ(evl_stream_sendfile(t.near, sent.op, file, 0, 0), 0);
        EXPECT_EQ(evl_op_cancel(sent.op), 1);
        EXPECT_EQ(write(t.near, "and more"), 8);
        Read r(w, text.size() + 8);
        EXPECT_EQ(r.exactly(t.far, text.size() + 8), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_TRUE(r.text() == text + "and more");
    });
}

// Half a close, an answer, and the whole.
TEST(TlsStream, TheEndInSteps) {
    for_all([](World &w, Both &t) {
        Read all(w, 1000);
        Wait shut(w);
        EXPECT_EQ(write(t.near, "question"), 8);
        EXPECT_EQ(evl_stream_write_eof(t.near), 0);
        EXPECT_EQ(all.all(t.far), 0);
        pump(w, [&] { return all.done(); });
        EXPECT_EQ(all.text(), "question");
        EXPECT_EQ(t.through(t.far, t.near, "answer"), "answer");
        EXPECT_EQ(write(t.near, "x"), EVL_EPIPE);
        EXPECT_EQ(evl_stream_shutdown(t.far, shut.op), 0);
        EXPECT_EQ(t.read(t.near), 0) << "close_notify";
        pump(w, [&] { return shut.done(); });
        EXPECT_EQ(shut.result, 0);
    });
}

// What was written before a close arrives, although the peer reads late, and with a clean end.
TEST(TlsStream, ClosedWithMuchUnsent) {
    for_all([](World &w, Both &t) {
        std::string text = pattern(400000);
        EXPECT_EQ(write(t.near, text), 400000);
        EXPECT_EQ(evl_close(t.near), 0);
        t.near = nullptr;
        passes(w);
        Read r(w, text.size() + 1);
        EXPECT_EQ(r.all(t.far), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_TRUE(r.text() == text);
        EXPECT_EQ(evl_close(t.far), 0);
        t.far = nullptr;
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
    });
}

TEST(TlsStream, CutOffIsNoEnd) {
    for_all([](World &w, Both &t) {
        Read r(w);
        EXPECT_EQ(t.through(t.far, t.near, "x"), "x"); // what is unread makes the kernel reset the connection
        EXPECT_EQ(r.some(t.far), 0);
        EXPECT_EQ(::shutdown(info(t.near).fd, SHUT_WR), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, EVL_ETLS_TRUNCATED);
        EXPECT_STREQ(evl_err_name(EVL_ETLS_TRUNCATED), "EVL_ETLS_TRUNCATED");
        EXPECT_EQ(tls_info(t.far).error, EVL_ETLS_TRUNCATED);
    });
}

// Who aborts discards what the kernel has, too.
TEST(TlsStream, AnAbortResets) {
    World w;
    Context s({EVL_TLS_SERVER, "server"}), c({});
    Both both(w, s, c, "localhost", Kind::tcp);
    EXPECT_EQ(both.shake(), Codes(0, 0));
    EXPECT_EQ(both.through(both.far, both.near, "x"), "x");
    EXPECT_EQ(evl_stream_abort(both.near), 0);
    both.near = nullptr;
    EXPECT_EQ(both.read(both.far), EVL_ECONNRESET);
}

TEST(TlsStream, Options) {
    World w;
    Context s({EVL_TLS_SERVER, "server"}), c({});
    Both tcp(w, s, c, "localhost", Kind::tcp), local(w, s, c);
    EXPECT_EQ(evl_stream_set_option(tcp.near, EVL_STREAM_OPT_KEEPALIVE, 30), 0);
    EXPECT_EQ(evl_stream_get_option(tcp.near, EVL_STREAM_OPT_KEEPALIVE), 30);
    EXPECT_EQ(evl_stream_set_option(tcp.near, EVL_STREAM_OPT_NODELAY, 1), 0);
    EXPECT_EQ(evl_stream_set_option(local.near, EVL_STREAM_OPT_NODELAY, 1), EVL_ENOTSUP);
}

TEST(TlsStream, NamesThatCannotBe) {
    World w;
    Context c({});
    Tcp tcp;
    evl_stream *plain = open(w, tcp.a), *out = nullptr;
    std::string longest(256, 'x');
    for (const char *name : {"", longest.c_str()}) {
        evl_tls_options options = named(name);
        EXPECT_EQ(evl_tls_upgrade(plain, c, &options, &out), EVL_EINVAL);
        EXPECT_EQ(evl_tls_open(w.loop, tcp.b, c, &options, &out), EVL_EINVAL);
        evl_future *future = nullptr;
        EXPECT_EQ(evl_tls_connect(w.loop, c, "localhost", "1", &options, &future), EVL_EINVAL);
    }
    EXPECT_EQ(write(plain, "still there"), 11);
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    Fd in(fds[0]), end(fds[1]);
    evl_stream *pipe = open(w, in);
    evl_tls_options options = named("localhost");
    EXPECT_EQ(evl_tls_upgrade(pipe, c, &options, &out), EVL_EPROTOTYPE);
    EXPECT_EQ(evl_close(pipe), 0);
}

TEST(TlsStream, DestroyedInTheMiddle) {
    for_all([](World &w, Both &t) {
        EXPECT_EQ(write(t.near, pattern(100000)), 100000);
        passes(w, 3);
        EXPECT_EQ(w.destroy(), 0);
        t.near = t.far = nullptr;
    });
}

// The child says nothing of its own on a connection that its parent goes on using.
TEST(TlsStream, Forked) {
    for_all([](World &w, Both &t) {
        in_child([&] {
            EXPECT_EQ(evl_loop_fork(w.loop), 0);
            EXPECT_EQ(evl_close(t.near), 0);
            EXPECT_EQ(w.destroy(), 0);
            t.near = t.far = nullptr;
        });
        EXPECT_EQ(t.through(t.near, t.far, "hello"), "hello");
        EXPECT_EQ(t.through(t.far, t.near, "hello"), "hello");
    });
}

// A protocol that begins in the clear.
struct Plain {
    explicit Plain(World &w) {
        Tcp tcp;
        near = open(w, tcp.a);
        far = open(w, tcp.b);
    }
    evl_stream *near, *far;
};

TEST(TlsStream, Upgraded) {
    for (bool early : {false, true}) { // whether the client's first bytes are read with the last plain ones
        World w;
        Context s({EVL_TLS_SERVER, "server"}), c({});
        Plain plain(w);
        evl_tls_options options = named("localhost");
        evl_stream *near = nullptr, *far = nullptr;
        Read command(w);
        EXPECT_EQ(write(plain.near, "STARTTLS\n"), 9);
        if (early) {
            EXPECT_EQ(evl_tls_upgrade(plain.near, c, &options, &near), 0);
        }
        passes(w);
        EXPECT_EQ(command.line(plain.far), 0);
        EXPECT_EQ(evl_tls_upgrade(plain.far, s, nullptr, &far), EVL_EBUSY) << "a read is pending";
        pump(w, [&] { return command.done(); });
        EXPECT_EQ(command.text(), "STARTTLS\n");
        EXPECT_EQ(info(plain.far).unread > 0, early);
        EXPECT_EQ(evl_tls_upgrade(plain.far, s, nullptr, &far), 0);
        if (!early) {
            EXPECT_EQ(evl_tls_upgrade(plain.near, c, &options, &near), 0);
        }
        Read r(w);
        EXPECT_EQ(r.some(far), 0);
        EXPECT_EQ(write(near, "secret"), 6);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "secret");
        EXPECT_EQ(evl_tls_upgrade(near, c, &options, &far), EVL_ENOTSUP);
        EXPECT_EQ(far, nullptr);
    }
}

// What was sent in the clear behind the command does not come out as if it were encrypted.
TEST(TlsStream, NothingIsInjected) {
    World w;
    Context s({EVL_TLS_SERVER, "server"});
    Plain plain(w);
    evl_stream *far = nullptr;
    Read command(w);
    Wait shaken(w);
    EXPECT_EQ(write(plain.near, "STARTTLS\nDELETE everything\n"), 27);
    EXPECT_EQ(command.line(plain.far), 0);
    pump(w, [&] { return command.done(); });
    EXPECT_EQ(evl_tls_upgrade(plain.far, s, nullptr, &far), 0);
    Read r(w);
    EXPECT_EQ(r.some(far), 0);
    EXPECT_EQ(evl_tls_handshake(far, shaken.op), 0);
    pump(w, [&] { return r.done() && shaken.done(); });
    EXPECT_EQ(r.result, EVL_ETLS_PROTOCOL);
    EXPECT_EQ(shaken.result, EVL_ETLS_PROTOCOL);
}

TEST(TlsStream, BadArguments) {
    World w;
    Context s({EVL_TLS_SERVER, "server"}), c({});
    evl_stream *out = nullptr, *plain = nullptr;
    evl_future *future = nullptr;
    Pair pair;
    evl_tls_options none = named(nullptr), flags = named("x"), small = named("x");
    flags.flags = 1;
    small.struct_size = 4;
    for (evl_tls_options *o : {static_cast<evl_tls_options *>(nullptr), &none, &flags, &small})
        EXPECT_EQ(evl_tls_open(w.loop, pair.a, c, o, &out), EVL_EINVAL);
    evl_tls_options good = named("x");
    EXPECT_EQ(evl_tls_open(w.loop, pair.a, nullptr, &good, &out), EVL_EINVAL);
    EXPECT_EQ(evl_tls_open(nullptr, pair.a, c, &good, &out), EVL_EINVAL);
    EXPECT_EQ(evl_tls_open(w.loop, pair.a, c, &good, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_tls_open(w.loop, -1, c, &good, &out), EVL_EBADF);
    EXPECT_EQ(evl_tls_upgrade(nullptr, c, &good, &out), EVL_EINVAL);
    EXPECT_EQ(evl_tls_connect(w.loop, s, "localhost", "1", nullptr, &future), EVL_EINVAL);
    EXPECT_EQ(evl_tls_connect(w.loop, c, nullptr, "1", nullptr, &future), EVL_EINVAL);
    EXPECT_EQ(evl_tls_connect(w.loop, c, "localhost", "1", &flags, &future), EVL_EINVAL);
    EXPECT_EQ(evl_tls_accept(nullptr, s, nullptr, &out), EVL_EINVAL);
    plain = open(w, pair.a);
    Wait wait(w);
    evl_tls_info info{};
    info.struct_size = sizeof info;
    EXPECT_EQ(evl_tls_handshake(plain, wait.op), EVL_EINVAL);
    EXPECT_EQ(evl_tls_get_info(plain, &info), EVL_EINVAL);
    EXPECT_EQ(evl_tls_peer_certificate(plain, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_tls_native(plain), nullptr);
    EXPECT_EQ(evl_stream_transport(plain, nullptr), nullptr);
}

TEST(TlsContext, BadArguments) {
    evl_tls_context *out = nullptr;
    std::string server = pki::file("server"), other = pki::file("client");
    auto with = [&](const std::function<void(evl_tls_context_options &)> &set) {
        evl_tls_context_options o{};
        o.struct_size = sizeof o;
        set(o);
        out = reinterpret_cast<evl_tls_context *>(1);
        int32_t rc = evl_tls_context_new(&o, &out);
        EXPECT_EQ(out == nullptr, rc != 0);
        evl_tls_context_unref(out);
        return rc;
    };
    EXPECT_EQ(with([](auto &) {}), 0);
    EXPECT_EQ(with([](auto &o) { o.struct_size = 8; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.flags = 1024; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.flags = EVL_TLS_REQUEST_CLIENT; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.flags = EVL_TLS_SERVER | EVL_TLS_INSECURE; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.flags = EVL_TLS_SERVER; }), EVL_ETLS_CERTIFICATE);
    EXPECT_EQ(with([](auto &o) { o.min_version = 11; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.min_version = EVL_TLS_1_3, o.max_version = EVL_TLS_1_2; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.alpn = "h2,"; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.alpn = ""; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.ciphers = "no such thing"; }), EVL_EINVAL);
    EXPECT_EQ(with([](auto &o) { o.ca_file = "/nowhere"; }), EVL_ENOENT);
    EXPECT_EQ(with([](auto &o) { o.certificate = "/nowhere"; }), EVL_ENOENT);
    EXPECT_EQ(with([](auto &o) { o.certificate = "/dev/null"; }), EVL_ETLS_CERTIFICATE);
    EXPECT_EQ(with([&](auto &o) { o.certificate = server.c_str(), o.key = other.c_str(); }),
              EVL_ETLS_CERTIFICATE);
    std::string locked = pki::file("locked");
    EXPECT_EQ(with([&](auto &o) { o.certificate = locked.c_str(); }), EVL_ETLS_CERTIFICATE)
        << "and nobody is asked for the passphrase";
    EXPECT_EQ(with([&](auto &o) { o.certificate = server.c_str(), o.flags = EVL_TLS_SERVER; }), 0);
    EXPECT_EQ(evl_tls_context_new(nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_tls_context_new(nullptr, &out), 0) << "the system's roots";
    EXPECT_NE(evl_tls_context_native(out), nullptr);
    evl_tls_context_unref(out);
    EXPECT_EQ(evl_tls_context_native(nullptr), nullptr);
    EXPECT_EQ(evl_tls_context_ref(nullptr), nullptr);
    evl_tls_context_unref(nullptr);
}

} // namespace
