// lifetime_test.cpp - limits of time, ends of every kind, and what the program holds then.
#include "httpd.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace httpd;

namespace {

constexpr const char *get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// Where a clock jumps, waiting for the client is waiting for the next deadline.
std::string waited(World &w, Client &client, int64_t ns) {
    const int64_t until = evl_now(w.loop) + ns;
    bool over = false;
    evl_timer *timer = w.timer_at(until, [&] { over = true; });
    while (!over)
        w.once();
    evl_close(timer);
    return client.take();
}

TEST(HttpdTime, SlowHeaders) {
    World w;
    Server server(w, echo, {.header_timeout = 2 * sec});
    Client client(server);
    client.ask("GET / HTTP/1.1\r\n");
    for (int i = 0; i < 3; i++) { // a byte now and then does not help
        EXPECT_EQ(waited(w, client, 600 * ms), "");
        EXPECT_EQ(client.ask("X"), "");
    }
    EXPECT_EQ(status_of(waited(w, client, 600 * ms)), 408);
    EXPECT_TRUE(client.ended());
    EXPECT_EQ(server.calls, 0);
}

TEST(HttpdTime, NothingAtAll) {
    World w;
    Server server(w, echo, {.header_timeout = 2 * sec, .idle_timeout = 5 * sec});
    Client silent(server), idle(server);
    EXPECT_EQ(status_of(idle.ask(get)), 200);
    EXPECT_EQ(waited(w, silent, 3 * sec), "");
    EXPECT_TRUE(silent.ended());
    EXPECT_EQ(idle.take(), "");
    EXPECT_FALSE(idle.ended());
    EXPECT_EQ(waited(w, idle, 3 * sec), "");
    EXPECT_TRUE(idle.ended());
}

TEST(HttpdTime, SlowBody) {
    World w;
    Server server(w, echo, {.body_timeout = 2 * sec});
    Client client(server);
    client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    for (int i = 0; i < 2; i++) { // it may be slow, but not silent
        EXPECT_EQ(waited(w, client, 1500 * ms), "");
        EXPECT_EQ(client.ask("b"), "");
    }
    EXPECT_EQ(status_of(waited(w, client, 2500 * ms)), 408);
    EXPECT_TRUE(client.ended());
}

TEST(HttpdTime, WithoutLimits) {
    World w;
    Server server(w, echo,
                  {.header_timeout = EVL_NEVER,
                   .body_timeout = EVL_NEVER,
                   .idle_timeout = EVL_NEVER,
                   .write_timeout = EVL_NEVER});
    Client client(server);
    EXPECT_EQ(waited(w, client, 3600 * sec), "");
    EXPECT_EQ(status_of(client.ask(get)), 200);
    EXPECT_EQ(waited(w, client, 3600 * sec), "");
    EXPECT_EQ(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"), "");
    EXPECT_EQ(waited(w, client, 3600 * sec), "");
    EXPECT_EQ(status_of(client.ask("abc")), 200);
    EXPECT_FALSE(client.ended());
}

// It was held up, and sends nothing more when it may.
TEST(HttpdTime, SlowBodyBehindBackpressure) {
    World w;
    evl_http_exchange *x = nullptr;
    Server server(w, [&](evl_http_exchange *exchange) { x = exchange; },
                  {.flags = EVL_HTTP_SERVER_STREAM, .body_timeout = 2 * sec});
    Client client(server);
    client.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + std::string(70000, 'p'));
    ASSERT_NE(x, nullptr);
    EXPECT_EQ(waited(w, client, 5 * sec), "") << "the program takes its time";
    EXPECT_FALSE(client.ended());
    size_t got = 0;
    for (int64_t n; (n = evl_http_exchange_consume(x, SIZE_MAX)) > 0; client.go_on())
        got += static_cast<size_t>(n);
    EXPECT_EQ(got, 70000u);
    int64_t result = 0;
    EXPECT_EQ(evl_http_exchange_wait(x, w.op([&](int64_t n) { result = n; })), 0);
    EXPECT_EQ(status_of(waited(w, client, 3 * sec)), 408);
    EXPECT_EQ(result, EVL_ETIMEDOUT);
    EXPECT_TRUE(client.ended());
    evl_http_exchange_abort(x);
}

// The body is not read any more, so that it has no limit either.
TEST(HttpdTime, AFileInsteadOfTheBody) {
    World w;
    evl_http_exchange *x = nullptr;
    Server server(w, [&](evl_http_exchange *exchange) { x = exchange; },
                  {.flags = EVL_HTTP_SERVER_STREAM, .body_timeout = 2 * sec});
    Client client(server);
    client.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody");
    ASSERT_NE(x, nullptr);
    FILE *file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    constexpr off_t size = 8 << 20; /* more than sockets hold */
    EXPECT_EQ(::ftruncate(::fileno(file), size), 0);
    EXPECT_EQ(evl_http_exchange_send_file(x, 200, ::fileno(file), 0, 0), 0);
    bool over = false;
    evl_timer *timer = w.timer_at(evl_now(w.loop) + 5 * sec, [&] { over = true; });
    while (!over) // it does not read meanwhile
        w.once();
    evl_close(timer);
    EXPECT_GT(client.take().size(), static_cast<size_t>(size));
    std::fclose(file);
}

TEST(HttpdTime, AClientThatDoesNotRead) {
    World w;
    const std::string large(8 << 20, 'x');
    int64_t result = -1;
    evl_http_exchange *x = nullptr;
    Server server(w, [&](evl_http_exchange *exchange) { x = exchange; }, {.write_timeout = 2 * sec});
    Client client(server);
    client.ask(get);
    evl_op *op = w.op([&](int64_t n) { result = n; });
    EXPECT_EQ(evl_http_exchange_begin(x, 200, EVL_HTTP_CHUNKED), 0);
    EXPECT_EQ(evl_http_exchange_write(x, large.data(), large.size()), static_cast<int64_t>(large.size()));
    EXPECT_EQ(evl_http_exchange_drain(x, op), 0);
    while (result == -1)
        w.once();
    EXPECT_EQ(result, EVL_ETIMEDOUT);
    client.go_on();
    EXPECT_EQ(evl_http_server_connections(server), 0);
    EXPECT_EQ(evl_http_exchange_write(x, "a", 1), EVL_ETIMEDOUT);
    EXPECT_EQ(evl_http_exchange_end(x), EVL_ETIMEDOUT);
}

TEST(HttpdLimits, RequestsOfAConnection) {
    World w;
    Server server(w, echo, {.max_requests = 2});
    Client client(server);
    EXPECT_EQ(without_date(client.ask(std::string(get) + get + get)),
              ok("GET / ") + ok("GET / ", "Connection: close\r\n"));
    EXPECT_TRUE(client.ended());
}

TEST(HttpdLimits, Connections) {
    World w;
    Server server(w, echo, {.max_connections = 1});
    evl_server *listener = nullptr;
    const std::string path = "@httpd-" + std::to_string(::getpid());
    ASSERT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &listener), 0);
    ASSERT_EQ(evl_http_server_serve(server, listener), 0);
    evl_stream *a = nullptr, *b = nullptr;
    int connected = 0;
    evl_op *first = w.op([&](int64_t) { connected++; });
    evl_op *second = w.op([&](int64_t) { connected++; });
    ASSERT_EQ(evl_connect_unix(w.loop, first, path.c_str(), &a), 0);
    ASSERT_EQ(evl_connect_unix(w.loop, second, path.c_str(), &b), 0);
    while (connected < 2)
        w.once();
    for (int i = 0; i < 10; i++)
        w.nowait();
    EXPECT_EQ(evl_http_server_connections(server), 1);
    EXPECT_EQ(evl_http_server_connections(server), 1);
    evl_close(a);
    for (int i = 0; i < 10; i++)
        w.nowait();
    EXPECT_EQ(evl_http_server_connections(server), 1) << "the second";
    evl_close(b);
}

TEST(HttpdEnd, TheClientGoes) {
    World w;
    evl_http_exchange *x = nullptr;
    Server server(w, [&](evl_http_exchange *exchange) { x = exchange; });
    Client client(server);
    int64_t gone = -1;
    evl_op *op = w.op([&](int64_t n) { gone = n; });
    client.ask(get);
    EXPECT_EQ(evl_http_exchange_gone(x, op), 0);
    client.go_on();
    EXPECT_EQ(gone, -1);
    client.close();
    client.go_on();
    EXPECT_EQ(gone, 0);
    EXPECT_EQ(evl_http_exchange_respond(x, 200, "late", 4), EVL_EPIPE);
    client.go_on();
    EXPECT_EQ(evl_http_server_connections(server), 0);
}

TEST(HttpdEnd, TheClientGoesInABody) {
    World w;
    evl_http_exchange *x = nullptr;
    Server server(w, [&](evl_http_exchange *exchange) { x = exchange; }, {.flags = EVL_HTTP_SERVER_STREAM});
    Client client(server);
    int64_t result = -1;
    evl_op *op = w.op([&](int64_t n) { result = n; });
    client.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc");
    EXPECT_EQ(evl_http_exchange_consume(x, 9), 3);
    EXPECT_EQ(evl_http_exchange_wait(x, op), 0);
    client.end();
    client.go_on();
    EXPECT_EQ(result, EVL_EEOF);
    evl_http_exchange_abort(x);
    EXPECT_EQ(status_of(client.take()), 500);
    EXPECT_TRUE(client.ended());
}

TEST(HttpdEnd, RefusedWhileTheProgramHasTheExchange) {
    struct Case {
        const char *rest; // of a body in chunks
        int status;
        int32_t error;
    };
    for (const Case &row :
         {Case{"zz\r\n", 400, EVL_EPROTO}, Case{"ff\r\n", 413, EVL_EPROTO}, Case{"", 408, EVL_ETIMEDOUT}}) {
        for (const int how : {0, 1, 2, 3, 4}) { // each of those that end an exchange
            World w;
            evl_http_exchange *x = nullptr;
            int64_t result = 0;
            evl_op *op = w.op([&](int64_t n) { result = n; });
            Server server(w, [&](evl_http_exchange *exchange) { x = exchange; },
                          {.flags = EVL_HTTP_SERVER_STREAM, .max_body = 10, .body_timeout = 2 * sec});
            Client client(server);
            client.ask("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            ASSERT_NE(x, nullptr);
            EXPECT_EQ(evl_http_exchange_wait(x, op), 0);
            std::string got = client.ask(row.rest);
            got += waited(w, client, 3 * sec);
            EXPECT_EQ(status_of(got), row.status);
            EXPECT_TRUE(client.ended());
            EXPECT_EQ(result, row.error);
            evl_stream *stream = nullptr;
            if (how == 0)
                EXPECT_EQ(evl_http_exchange_respond(x, 200, "hi", 2), row.error);
            else if (how == 1)
                EXPECT_EQ(evl_http_exchange_end(x), row.error);
            else if (how == 2)
                EXPECT_EQ(evl_http_exchange_upgrade(x, 101, &stream), row.error);
            else if (how == 3) {
                const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
                EXPECT_EQ(evl_http_exchange_send_file(x, 200, file, 0, 0), row.error);
                ::close(file);
            } else
                evl_http_exchange_abort(x);
        }
    }
}

TEST(HttpdEnd, BeginningEndsNothing) {
    for (const bool end : {true, false}) {
        World w;
        evl_http_exchange *x = nullptr;
        Server server(w, [&](evl_http_exchange *exchange) { x = exchange; });
        Client client(server);
        client.ask(get);
        client.close();
        for (int i = 0; i < 10; i++)
            w.nowait();
        EXPECT_EQ(evl_http_exchange_begin(x, 200, EVL_HTTP_CHUNKED), EVL_EPIPE);
        for (int i = 0; i < 10; i++)
            w.nowait();
        EXPECT_EQ(evl_http_exchange_write(x, "a", 1), EVL_EPIPE);
        EXPECT_EQ(evl_http_exchange_begin(x, 200, 5), EVL_EPIPE);
        if (end)
            EXPECT_EQ(evl_http_exchange_end(x), EVL_EPIPE);
        else
            EXPECT_EQ(evl_http_exchange_respond(x, 200, "late", 4), EVL_EPIPE);
    }
}

TEST(HttpdEnd, TheHandlerClosesTheServer) {
    World w;
    for (const bool before : {true, false}) {
        Server *which = nullptr;
        Server server(w, [&](evl_http_exchange *x) {
            if (before)
                which->close();
            const int32_t rc = evl_http_exchange_respond(x, 200, "hi", 2);
            EXPECT_EQ(rc, before ? EVL_ECLOSED : 0);
            if (!before)
                which->close();
        });
        which = &server;
        Client client(server);
        const std::string got = client.ask(std::string(get) + get);
        EXPECT_EQ(without_date(got), before ? "" : ok("hi")) << "what was given arrives";
        EXPECT_EQ(server.calls, 1);
        EXPECT_TRUE(client.ended());
    }
}

TEST(HttpdEnd, TheLoopIsDestroyed) {
    for (const bool inside : {true, false}) {
        World w;
        evl_http_exchange *x = nullptr;
        Server server(w, [&](evl_http_exchange *exchange) {
            x = exchange;
            if (inside)
                w.destroy();
        });
        Client client(server), idle(server);
        client.send(get);
        w.nowait();
        w.nowait();
        if (!inside)
            w.destroy();
        ASSERT_NE(x, nullptr);
        EXPECT_EQ(evl_http_exchange_respond(x, 200, "hi", 2), EVL_ECLOSED);
        server.close();
    }
}

// What is not taken over is as it was.
TEST(HttpdEnd, AStreamThatIsBusy) {
    World w;
    Server server(w, echo);
    int ends[2], dropped = 0;
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    evl_stream *stream = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, ends[1], 0, &stream), 0);
    EXPECT_EQ(evl_set_arg(stream, &dropped), 0);
    EXPECT_EQ(evl_set_drop(stream, [](void *arg) { ++*static_cast<int *>(arg); }), 0);
    char byte;
    EXPECT_EQ(evl_stream_read(stream, w.op([](int64_t) {}), &byte, 1), 0);
    EXPECT_EQ(evl_http_server_add(server, stream), EVL_EBUSY);
    EXPECT_EQ(evl_http_server_connections(server), 0);
    evl_close(stream);
    w.nowait();
    EXPECT_EQ(dropped, 1);
    ::close(ends[0]);
}

TEST(HttpdEnd, Aborted) {
    World w;
    bool begun = false;
    Server server(w, [&](evl_http_exchange *x) {
        if (begun)
            evl_http_exchange_begin(x, 200, 100);
        evl_http_exchange_abort(x);
    });
    Client first(server), second(server);
    EXPECT_EQ(status_of(first.ask(get)), 500);
    EXPECT_TRUE(first.ended());
    begun = true;
    second.ask(get);
    EXPECT_TRUE(second.ended());
    evl_http_exchange_abort(nullptr);
}

TEST(HttpdEnd, OfAnotherLoop) {
    World w, other;
    Server server(w, echo);
    evl_server *listener = nullptr;
    evl_stream *stream = nullptr;
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    ASSERT_EQ(evl_stream_open(other.loop, ends[0], 0, &stream), 0);
    ASSERT_EQ(evl_server_listen(other.loop, "127.0.0.1", "0", nullptr, &listener), 0);
    EXPECT_EQ(evl_http_server_serve(server, listener), EVL_EINVAL);
    EXPECT_EQ(evl_http_server_add(server, stream), EVL_EINVAL);
    EXPECT_EQ(evl_close(listener), 0) << "it is still the caller's";
    EXPECT_EQ(evl_close(stream), 0);
    ::close(ends[1]);
}

TEST(HttpdEnd, Gracefully) {
    World w;
    evl_http_exchange *x = nullptr;
    Server server(w, [&](evl_http_exchange *exchange) { x = exchange; });
    Client busy(server), idle(server);
    busy.ask(get);
    int64_t stopped = -1;
    evl_op *op = w.op([&](int64_t n) { stopped = n; });
    EXPECT_EQ(evl_http_server_stop(server, op), 0);
    EXPECT_EQ(idle.take(), "");
    EXPECT_TRUE(idle.ended());
    EXPECT_FALSE(busy.ended());
    EXPECT_EQ(stopped, -1);
    echo(x);
    EXPECT_EQ(without_date(busy.take()), ok("GET / ", "Connection: close\r\n"));
    EXPECT_TRUE(busy.ended());
    EXPECT_EQ(stopped, 0);
    evl_stream *stream = nullptr;
    EXPECT_EQ(evl_http_server_add(server, stream), EVL_EINVAL);
    EXPECT_EQ(evl_http_server_stop(server, op), 0) << "again";
    server.close();
    idle.go_on();
    EXPECT_EQ(stopped, 0);
}

} // namespace
