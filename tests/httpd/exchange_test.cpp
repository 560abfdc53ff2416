// exchange_test.cpp - requests and their responses.
#include "httpd.hpp"

#include <fcntl.h>
#include <unistd.h>

using namespace httpd;

namespace {

constexpr const char *get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(Httpd, KeepsAConnection) {
    World w;
    Server server(w, echo);
    Client client(server);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(without_date(client.ask("GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n")), ok("GET /a?b "));
    EXPECT_FALSE(client.ended());
    EXPECT_EQ(evl_http_server_connections(server), 1);
    EXPECT_EQ(without_date(client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")),
              ok("GET / ", "Connection: close\r\n"));
    EXPECT_TRUE(client.ended());
    EXPECT_EQ(evl_http_server_connections(server), 0);
}

TEST(Httpd, OneZero) {
    World w;
    Server server(w, echo);
    Client client(server), closed(server);
    const std::string kept = client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(without_date(kept), ok("GET / ", "Connection: keep-alive\r\n"));
    EXPECT_FALSE(client.ended());
    EXPECT_EQ(without_date(closed.ask("GET / HTTP/1.0\r\n\r\n")), ok("GET / ", "Connection: close\r\n"));
    EXPECT_TRUE(closed.ended());
}

TEST(Httpd, ByteByByte) {
    World w;
    Server server(w, echo);
    Client client(server);
    const std::string text = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n";
    for (int round = 0; round < 2; round++) {
        std::string got;
        for (const char c : text)
            got += client.ask({&c, 1});
        EXPECT_EQ(without_date(got), ok("POST /x abcde"));
    }
}

TEST(Httpd, Pipelined) {
    World w;
    Server server(w, echo);
    Client client(server);
    std::string all, expected;
    for (int i = 0; i < 500; i++) {
        const std::string n = std::to_string(i);
        all += i % 2 ? "GET /" + n + " HTTP/1.1\r\nHost: a\r\n\r\n"
                     : "POST /" + n + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
        expected += ok(i % 2 ? "GET /" + n + " " : "POST /" + n + " hi");
    }
    EXPECT_EQ(without_date(client.ask(all)), expected);
}

TEST(Httpd, PipelinedAndLater) {
    World w;
    std::vector<evl_http_exchange *> waiting;
    Server server(w, [&](evl_http_exchange *x) { waiting.push_back(x); });
    Client client(server);
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.ask("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    client.end();
    EXPECT_EQ(client.take(), "");
    for (int i = 1; i <= 3; i++) {
        ASSERT_EQ(waiting.size(), 1u) << "one at a time";
        evl_http_exchange *x = waiting.back();
        waiting.clear();
        echo(x);
        EXPECT_TRUE(waiting.empty()) << "not inside the call";
        EXPECT_EQ(without_date(client.take()), ok("GET /" + std::to_string(i) + " "));
    }
    EXPECT_TRUE(client.ended()) << "nothing more can come";
}

TEST(Httpd, HeadersAreFound) {
    World w;
    Server server(w, [](evl_http_exchange *x) {
        const char *name = nullptr, *value = nullptr;
        EXPECT_STREQ(evl_http_exchange_method(x), "PURGE");
        EXPECT_EQ(evl_http_exchange_version(x), 11);
        EXPECT_STREQ(evl_http_exchange_header(x, "x-a"), "1");
        EXPECT_EQ(evl_http_exchange_header(x, "X-B"), nullptr);
        EXPECT_EQ(evl_http_exchange_header_count(x), 3);
        EXPECT_EQ(evl_http_exchange_header_at(x, 2, &name, &value), 0);
        EXPECT_EQ(std::string(name) + "=" + value, "x-a=two words");
        EXPECT_EQ(evl_http_exchange_header_at(x, 3, &name, &value), EVL_ENOENT);
        EXPECT_NE(evl_http_exchange_stream(x), nullptr);
        echo(x);
    });
    Client client(server);
    client.ask("PURGE / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:  two words \r\n\r\n");
    EXPECT_EQ(server.calls, 1);
}

TEST(Httpd, HeadersOfTheResponse) {
    World w;
    Server server(w, [](evl_http_exchange *x) {
        EXPECT_EQ(evl_http_exchange_add_header(x, "X-A", "b c"), 0);
        EXPECT_EQ(evl_http_exchange_add_header(x, "X-A", "b\r\nX-B: c"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_add_header(x, "X-A", "b\nc"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_add_header(x, "X A", "b"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_add_header(x, "", "b"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_add_header(x, "X:", "b"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_add_header(x, "content-length", "7"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_add_header(x, "Transfer-Encoding", "chunked"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_add_header(x, "Connection", "keep-alive"), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_respond(x, 100, "", 0), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_write(x, "a", 1), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_end(x), EVL_EINVAL);
        EXPECT_EQ(evl_http_exchange_respond(x, 404, "none", 4), 0);
    });
    Client client(server);
    EXPECT_EQ(without_date(client.ask(get)),
              "HTTP/1.1 404 Not Found\r\nX-A: b c\r\nContent-Length: 4\r\n\r\nnone");
}

TEST(Httpd, WithoutABody) {
    World w;
    int status = 200;
    Server server(w, [&](evl_http_exchange *x) { evl_http_exchange_respond(x, status, "body", 4); });
    Client client(server);
    const std::string head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(without_date(client.ask(head)), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    status = 204;
    EXPECT_EQ(without_date(client.ask(get)), "HTTP/1.1 204 No Content\r\n\r\n");
    status = 304;
    EXPECT_EQ(without_date(client.ask(get)), "HTTP/1.1 304 Not Modified\r\n\r\n");
    status = 200;
    EXPECT_EQ(without_date(client.ask(get)), ok("body"));
}

TEST(Httpd, InPieces) {
    World w;
    Server server(w, [](evl_http_exchange *x) {
        EXPECT_EQ(evl_http_exchange_begin(x, 200, EVL_HTTP_CHUNKED), 0);
        EXPECT_EQ(evl_http_exchange_write(x, "hello", 5), 5);
        EXPECT_EQ(evl_http_exchange_write(x, "", 0), 0);
        EXPECT_EQ(evl_http_exchange_write(x, " world 1234", 11), 11);
        EXPECT_EQ(evl_http_exchange_add_header(x, "X-Sum", "7"), 0);
        EXPECT_EQ(evl_http_exchange_end(x), 0);
    });
    Client client(server);
    EXPECT_EQ(without_date(client.ask(get)), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                             "5\r\nhello\r\nb\r\n world 1234\r\n0\r\nX-Sum: 7\r\n\r\n");
    EXPECT_EQ(without_date(client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
              "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world 1234");
    EXPECT_TRUE(client.ended());
}

TEST(Httpd, OfAKnownLength) {
    World w;
    bool all = true;
    Server server(w, [&](evl_http_exchange *x) {
        EXPECT_EQ(evl_http_exchange_begin(x, 200, 6), 0);
        EXPECT_EQ(evl_http_exchange_write(x, "hel", 3), 3);
        EXPECT_EQ(evl_http_exchange_write(x, "hello", 5), EVL_EINVAL);
        if (all) {
            EXPECT_EQ(evl_http_exchange_write(x, "lo!", 3), 3);
        }
        EXPECT_EQ(evl_http_exchange_end(x), 0);
    });
    Client client(server);
    EXPECT_EQ(without_date(client.ask(get)), ok("hello!"));
    EXPECT_FALSE(client.ended());
    all = false;
    client.ask(get);
    EXPECT_TRUE(client.ended()) << "so that the client knows";
}

TEST(Httpd, ALargeBodyAndAFile) {
    World w;
    std::string large(3 << 20, 'x');
    char path[] = "/tmp/httpd-XXXXXX";
    const int file = ::mkstemp(path);
    ::unlink(path);
    ASSERT_EQ(::write(file, large.data(), large.size()), static_cast<ssize_t>(large.size()));
    bool by_file = false;
    Server server(w, [&](evl_http_exchange *x) {
        if (by_file) {
            EXPECT_EQ(evl_http_exchange_send_file(x, 200, file, 0, 0), 0);
        } else {
            EXPECT_EQ(evl_http_exchange_respond(x, 200, large.data(), large.size()), 0);
        }
    });
    Client client(server);
    for (int i = 0; i < 2; i++) {
        EXPECT_TRUE(without_date(client.ask(std::string(get) + get)) == ok(large) + ok(large));
        by_file = true;
    }
    ::close(file);
}

TEST(Httpd, HundredContinue) {
    World w;
    Server server(w, echo);
    Client client(server);
    const std::string head =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    EXPECT_EQ(client.ask(head), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(without_date(client.ask("hi")), ok("POST / hi"));
    EXPECT_EQ(status_of(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n"
                                   "Expect: 100-continue\r\n\r\n")),
              413)
        << "before it is sent";
    EXPECT_TRUE(client.ended());
}

TEST(Httpd, AStreamedBodyWithBackpressure) {
    World w;
    evl_http_exchange *x = nullptr;
    Server server(w, [&](evl_http_exchange *exchange) { x = exchange; },
                  {.flags = EVL_HTTP_SERVER_STREAM, .max_body = 64 << 20});
    Client client(server);
    int64_t result = -1;
    evl_op *op = w.op([&](int64_t n) { result = n; });
    EXPECT_EQ(client.ask("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n"),
              "");
    ASSERT_NE(x, nullptr);
    EXPECT_EQ(evl_http_exchange_wait(x, op), 0);
    EXPECT_EQ(client.take(), "HTTP/1.1 100 Continue\r\n\r\n");
    const std::string piece(10000, 'p');
    size_t sent = 0, got = 0;
    for (int i = 0; i < 40; i++) { // 400 kB: less than what sockets hold
        client.ask("2710\r\n" + piece + "\r\n");
        sent += piece.size();
        EXPECT_LT(body_of(x).size(), 200000u);
        if (i % 8 == 7)
            got += static_cast<size_t>(evl_http_exchange_consume(x, SIZE_MAX));
    }
    client.send("0\r\nX-T: 1\r\n\r\n");
    EXPECT_GT(result, 0);
    while (result != 0) {
        got += static_cast<size_t>(evl_http_exchange_consume(x, SIZE_MAX));
        ASSERT_EQ(evl_http_exchange_wait(x, op), 0);
        client.go_on();
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_EQ(got, sent);
    EXPECT_STREQ(evl_http_exchange_trailer(x, "x-t"), "1");
    EXPECT_EQ(evl_http_exchange_header(x, "X-T"), nullptr);
    EXPECT_EQ(evl_http_exchange_respond(x, 200, "done", 4), 0);
    EXPECT_EQ(without_date(client.take()), ok("done"));
}

TEST(Httpd, Upgrade) {
    World w;
    evl_stream *stream = nullptr;
    Server server(w, [&](evl_http_exchange *x) {
        EXPECT_EQ(evl_http_exchange_wants_upgrade(x), 1);
        EXPECT_EQ(evl_http_exchange_add_header(x, "Upgrade", "echo"), 0);
        EXPECT_EQ(evl_http_exchange_upgrade(x, 101, &stream), 0);
    });
    Client client(server);
    EXPECT_EQ(
        without_date(client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
                                "first\n")),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
    ASSERT_NE(stream, nullptr);
    server.close();
    char line[32] = "";
    int64_t result = -1;
    evl_op *op = w.op([&](int64_t n) { result = n; });
    EXPECT_EQ(evl_stream_read_line(stream, op, line, sizeof line), 0);
    client.go_on();
    EXPECT_EQ(result, 6);
    EXPECT_STREQ(line, "first\n");
    EXPECT_EQ(evl_stream_read_line(stream, op, line, sizeof line), 0);
    client.ask("second\n");
    EXPECT_EQ(result, 7);
    EXPECT_EQ(evl_close(stream), 0);
}

} // namespace
