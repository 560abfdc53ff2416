// connect_test.cpp - connecting with the handshake, servers that accept, and every way to end it before.
#include "tls.hpp"

#include <arpa/inet.h>

using namespace tls;

namespace {

// A listening socket's port.
std::string port_of(evl_server *server) {
    sockaddr_in address{};
    EXPECT_GT(evl_server_local(server, 0, &address, sizeof address), 0);
    return std::to_string(ntohs(address.sin_port));
}

// A server that takes every connection and echoes.
struct Echo {
    Echo(World &world, evl_tls_context *with) : w(world), context(with) {
        EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &server), 0);
        EXPECT_EQ(evl_server_on_connection(server, accept, this), 0);
        port = port_of(server);
    }
    Echo(const Echo &) = delete;
    ~Echo() {
        for (evl_stream *s : streams)
            evl_stream_abort(s);
        EXPECT_EQ(evl_close(server), 0);
    }
    static void accept(void *arg, int64_t) {
        auto self = static_cast<Echo *>(arg);
        evl_stream *s = nullptr;
        while (evl_tls_accept(self->server, self->context, nullptr, &s) == 0) {
            self->streams.push_back(s);
            evl_stream_on_data(
                s,
                [](void *stream, int64_t n) {
                    auto to = static_cast<evl_stream *>(stream);
                    if (n > 0)
                        write(to, peek(to));
                },
                s);
        }
    }
    World &w;
    evl_tls_context *context;
    evl_server *server = nullptr;
    std::string port;
    std::vector<evl_stream *> streams;
};

// A future with how it ends.
struct Connecting {
    Connecting(World &world, evl_tls_context *context, const std::string &port,
               const char *host = "localhost", int64_t timeout = 0, const char *name = nullptr)
        : w(world) {
        evl_tls_options options = named(name);
        options.timeout_ns = timeout;
        EXPECT_EQ(evl_tls_connect(w.loop, context, host, port.c_str(), &options, &future), 0);
    }
    explicit Connecting(World &world) : w(world) {}
    Connecting(const Connecting &) = delete;
    ~Connecting() {
        evl_future_unref(future);
        EXPECT_EQ(evl_stream_abort(stream), 0);
    }
    bool done() const { return evl_future_state(future) != EVL_FUTURE_PENDING; }
    int32_t result() {
        pump(w, [&] { return done(); });
        void *value = nullptr;
        int32_t rc = evl_future_take(future, &value);
        stream = static_cast<evl_stream *>(value);
        return rc;
    }
    World &w;
    evl_future *future = nullptr;
    evl_stream *stream = nullptr;
};

TEST(TlsConnect, AndEcho) {
    World w({.clock = EVL_CLOCK_REAL});
    Context s({EVL_TLS_SERVER, "server"}), c({});
    Echo echo(w, s);
    for (int i = 0; i < 3; i++) {
        Connecting connecting(w, c, echo.port);
        ASSERT_EQ(connecting.result(), 0);
        EXPECT_EQ(tls_info(connecting.stream).resumed, i > 0);
        Read r(w);
        EXPECT_EQ(write(connecting.stream, "hello"), 5);
        EXPECT_EQ(r.exactly(connecting.stream, 5), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "hello");
    }
}

// What it has accepted is the server's to count and to end.
TEST(TlsAccept, TheServerCountsIt) {
    World w({.clock = EVL_CLOCK_REAL});
    Context s({EVL_TLS_SERVER, "server"}), c({});
    Echo echo(w, s);
    Connecting connecting(w, c, echo.port);
    ASSERT_EQ(connecting.result(), 0);
    EXPECT_EQ(evl_server_connections(echo.server), 1);
    Wait idle(w);
    EXPECT_EQ(evl_server_on_idle(echo.server, idle.op), 0);
    EXPECT_EQ(evl_server_stop(echo.server), 0);
    passes(w);
    EXPECT_FALSE(idle.done());
    EXPECT_EQ(evl_server_abort_clients(echo.server), 1);
    echo.streams.clear();
    pump(w, [&] { return idle.done(); });
    EXPECT_EQ(idle.result, 0);
}

TEST(TlsConnect, Errors) {
    World w({.clock = EVL_CLOCK_REAL});
    Context s({EVL_TLS_SERVER, "server"}), expired({EVL_TLS_SERVER, "expired"}), c({});
    Echo echo(w, s), old(w, expired);
    EXPECT_EQ(Connecting(w, c, old.port).result(), EVL_ETLS_EXPIRED);
    EXPECT_EQ(Connecting(w, c, echo.port, "127.0.0.1", 0, "example.com").result(), EVL_ETLS_NAME);
    EXPECT_EQ(Connecting(w, c, echo.port, "127.0.0.1", 0, "www.example.org").result(), 0);
    std::string port;
    {
        Echo gone(w, s);
        port = gone.port;
    }
    EXPECT_EQ(Connecting(w, c, port).result(), EVL_ECONNREFUSED);
    EXPECT_EQ(Connecting(w, c, "no-port", "127.0.0.1").result(), EVL_EAI_SERVICE);
    passes(w);
}

// A server that accepts, and says nothing.
struct Silent {
    explicit Silent(World &world) : w(world) {
        EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &server), 0);
        port = port_of(server);
    }
    Silent(const Silent &) = delete;
    ~Silent() { EXPECT_EQ(evl_close(server), 0); }
    World &w;
    evl_server *server = nullptr;
    std::string port;
};

TEST(TlsConnect, ATimeLimit) {
    World w({.clock = EVL_CLOCK_REAL});
    Context c({});
    Silent silent(w);
    Connecting connecting(w, c, silent.port, "localhost", 20 * ms);
    while (!connecting.done())
        ASSERT_GE(w.once(), 0);
    EXPECT_EQ(connecting.result(), EVL_ETIMEDOUT);
}

TEST(TlsConnect, CancelledAtEachPass) {
    for (int n = 0; n < 12; n++) {
        World w({.clock = EVL_CLOCK_REAL});
        Context s({EVL_TLS_SERVER, "server"}), c({});
        Echo echo(w, s);
        Connecting connecting(w, c, echo.port);
        passes(w, n);
        int32_t expected = evl_future_cancel(connecting.future) == 1 ? EVL_ECANCELED : 0;
        EXPECT_EQ(connecting.result(), expected);
        passes(w);
    }
}

TEST(TlsConnect, DestroyedAtEachPass) {
    for (int n = 0; n < 12; n++) {
        World w({.clock = EVL_CLOCK_REAL});
        Context c({});
        evl_future *future = nullptr;
        Silent silent(w);
        ASSERT_EQ(evl_tls_connect(w.loop, c, "127.0.0.1", silent.port.c_str(), nullptr, &future), 0);
        passes(w, n);
        silent.server = nullptr;
        EXPECT_EQ(w.destroy(), 0);
        evl_future_unref(future);
    }
}

// Every handle that is there, the inner ones included.
TEST(TlsConnect, ClosedByAWalkAtEachPass) {
    for (int n = 0; n < 12; n++) {
        World w({.clock = EVL_CLOCK_REAL});
        Context c({});
        Silent silent(w);
        evl_future *future = nullptr;
        ASSERT_EQ(evl_tls_connect(w.loop, c, "127.0.0.1", silent.port.c_str(), nullptr, &future), 0);
        passes(w, n);
        uint64_t ids[32];
        int32_t count = evl_loop_walk(w.loop, ids, 32);
        for (int32_t i = 0; i < count; i++)
            EXPECT_EQ(evl_close(evl_lookup(w.loop, ids[i])), 0);
        silent.server = nullptr;
        passes(w);
        EXPECT_NE(evl_future_state(future), EVL_FUTURE_PENDING);
        EXPECT_LT(evl_future_value(future, nullptr), 0);
        evl_future_unref(future);
        passes(w);
    }
}

TEST(TlsConnect, AFutureThatOutlivesTheLoop) {
    World w({.clock = EVL_CLOCK_REAL});
    Context s({EVL_TLS_SERVER, "server"}), c({});
    auto echo = std::make_unique<Echo>(w, s);
    evl_future *future = nullptr;
    ASSERT_EQ(evl_tls_connect(w.loop, c, "localhost", echo->port.c_str(), nullptr, &future), 0);
    pump(w, [&] { return evl_future_state(future) != EVL_FUTURE_PENDING; });
    echo.reset();
    EXPECT_EQ(w.destroy(), 0);
    evl_future_unref(future);
}

// They are the program's again as soon as it has cancelled.
TEST(TlsConnect, ErrorsThatGoWithTheFuture) {
    for (int n = 0; n < 4; n++) {
        World w({.clock = EVL_CLOCK_REAL});
        Context c({});
        Silent silent(w);
        auto errors = std::make_unique<int32_t[]>(4);
        evl_connect_options connect{};
        connect.struct_size = sizeof connect;
        connect.errors = errors.get();
        connect.errors_cap = 4;
        connect.linger_ns = 5 * ms;
        evl_tls_options options = named(nullptr);
        options.connect = &connect;
        evl_future *future = nullptr;
        ASSERT_EQ(evl_tls_connect(w.loop, c, "127.0.0.1", "1", &options, &future), 0);
        passes(w, n);
        (void)evl_future_cancel(future);
        errors.reset();
        passes(w);
        (void)evl_future_value(future, nullptr);
        evl_future_unref(future);
    }
    World w({.clock = EVL_CLOCK_REAL});
    Context s({EVL_TLS_SERVER, "server"}), c({});
    Echo echo(w, s);
    int32_t errors[2] = {7, 7};
    evl_connect_options connect{};
    connect.struct_size = sizeof connect;
    connect.errors = errors;
    connect.errors_cap = 2;
    connect.linger_ns = 5 * ms;
    evl_tls_options options = named("localhost");
    options.connect = &connect;
    Connecting connecting(w);
    ASSERT_EQ(evl_tls_connect(w.loop, c, "127.0.0.1", echo.port.c_str(), &options, &connecting.future), 0);
    EXPECT_EQ(connecting.result(), 0);
    EXPECT_EQ(errors[0], 0);
    EXPECT_EQ(info(connecting.stream).linger_ns, 5 * ms);
}

// A stream that nobody took goes with its future.
TEST(TlsConnect, NotTaken) {
    World w({.clock = EVL_CLOCK_REAL});
    Context s({EVL_TLS_SERVER, "server"}), c({});
    Echo echo(w, s);
    {
        Connecting connecting(w, c, echo.port);
        pump(w, [&] { return connecting.done(); });
    }
    pump(w, [&] { return !echo.streams.empty(); });
    Read r(w);
    EXPECT_EQ(evl_stream_pause(echo.streams[0]), 0);
    EXPECT_EQ(r.some(echo.streams[0]), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_TRUE(r.result == EVL_ETLS_TRUNCATED || r.result == EVL_ECONNRESET) << r.result;
}

TEST(TlsConnect, WithoutMemory) {
    for (uint64_t n = 1;; n++) {
        World w({.clock = EVL_CLOCK_REAL});
        Context c({});
        Silent silent(w);
        evl_future *future = nullptr;
        w.memory.fail(n);
        int32_t rc = evl_tls_connect(w.loop, c, "127.0.0.1", silent.port.c_str(), nullptr, &future);
        EXPECT_EQ(future == nullptr, rc != 0);
        if (rc == 0)
            passes(w, 20);
        bool enough = !w.memory.failed();
        w.memory.fail(0);
        evl_future_unref(future);
        if (enough)
            break;
        EXPECT_TRUE(rc == 0 || rc == EVL_ENOMEM) << rc;
    }
}

} // namespace
