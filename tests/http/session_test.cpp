// session_test.cpp - what requests share, and bodies in both directions.
#include "http.hpp"

using namespace http;

namespace {

const Options real{.clock = EVL_CLOCK_REAL};

// --- bodies ----------------------------------------------------------------------------------------

int64_t next_piece(Fetch &f) {
    int64_t n = Fetch::running;
    EXPECT_EQ(evl_http_wait(f.request, f.w.op([&](int64_t rc) { n = rc; })), 0);
    until(f.w, [&] { return n != Fetch::running; });
    return n;
}

// A reader that falls behind holds up the server, and gets every byte.
TEST(HttpBody, InPiecesWithBackpressure) {
    const size_t size = 20 << 20;
    Server server([&](Peer &peer) {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
        std::string part(1 << 16, ' ');
        for (size_t i = 0; i < size; i += part.size()) {
            for (size_t j = 0; j < part.size(); j++)
                part[j] = static_cast<char>((i + j) % 251);
            if (!peer.send(part))
                return;
        }
    });
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url(), EVL_HTTP_STREAM);
    EXPECT_EQ(f.run(), 200);
    EXPECT_EQ(evl_http_status(f.request), 200);
    until(w, [&] { return f.body().size() >= 65536; });
    EXPECT_EQ(w.run(), 0) << "held up, it keeps nothing alive";
    EXPECT_LT(f.body().size(), 65536u + 32768u);
    size_t got = 0, wrong = 0;
    for (int64_t n; (n = next_piece(f)) > 0;) {
        const std::string piece = f.body();
        EXPECT_GE(piece.size(), static_cast<size_t>(n));
        for (const char c : piece)
            wrong += c != static_cast<char>(got++ % 251);
        EXPECT_EQ(evl_http_consume(f.request, piece.size()), static_cast<int64_t>(piece.size()));
    }
    EXPECT_EQ(got, size);
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(next_piece(f), 0) << "and stays at the end";
    EXPECT_EQ(f.info().error, 0);
    EXPECT_EQ(evl_http_consume(f.request, 10), 0);
}

// A paused transfer has no time limit for a stall: the program has to read.
TEST(HttpBody, APauseIsNoStall) {
    Server server([&](Peer &peer) {
        peer.head();
        peer.send(response(std::string(10 << 20, 'x')));
        peer.wait_for_end();
    });
    World w(real);
    Session session(w);
    Fetch f(w, session, What{.url = server.url(), .flags = EVL_HTTP_STREAM, .stall = 60 * sec});
    EXPECT_EQ(f.run(), 200);
    until(w, [&] { return f.body().size() >= 65536; });
    EXPECT_EQ(w.run(), 0) << "no timer is left";
    size_t got = 0;
    for (int64_t n; (n = next_piece(f)) > 0; got += static_cast<size_t>(n))
        evl_http_consume(f.request, static_cast<size_t>(n));
    EXPECT_EQ(got, 10u << 20);
}

std::string echo(const std::string &head, Peer &peer) {
    const size_t at = head.find("Content-Length: ");
    std::string body;
    if (at != head.npos)
        body = peer.take(std::stoul(head.substr(at + 16)));
    else if (head.find("chunked") != head.npos)
        for (size_t n = 1; n != 0;) {
            std::string line;
            while (!line.ends_with("\r\n"))
                line += peer.take(1);
            n = std::stoul(line, nullptr, 16);
            body += peer.take(n);
            peer.take(2);
        }
    return head.substr(0, head.find(' ')) + " " + body;
}
Server::Serve echoes() {
    return [](Peer &peer) {
        for (std::string head; !(head = peer.head()).empty();)
            peer.send(response(echo(head, peer)));
    };
}

TEST(HttpBody, OfARequest) {
    Server server(echoes());
    World w(real);
    Session session(w);
    const struct {
        const char *method;
        std::string body, expected;
    } rows[] = {
        {nullptr, "", "GET "},
        {nullptr, "some", "POST some"},
        {"POST", "", "POST "},
        {"PUT", "other", "PUT other"},
        {"PATCH", "p", "PATCH p"},
        {"DELETE", "", "DELETE "},
        {"POST", std::string(300000, 'y'), "POST " + std::string(300000, 'y')},
    };
    for (auto &row : rows) {
        Fetch f(w, session, What{.url = server.url(), .method = row.method, .body = row.body});
        for (int twice = 0; twice < 2; twice++) {
            EXPECT_EQ(f.run(), 200);
            EXPECT_EQ(f.body(), row.expected);
        }
    }
    Fetch head(w, session, What{.url = server.url(), .method = "HEAD"});
    EXPECT_EQ(head.run(), 200);
    EXPECT_EQ(head.header("content-length"), "5");
    EXPECT_EQ(head.body(), "");
    EXPECT_EQ(server.connections(), 1);
}

// Of unknown length, with a writer that waits for room.
TEST(HttpBody, Written) {
    Server server(echoes());
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url(), EVL_HTTP_UPLOAD);
    std::string all;
    EXPECT_GT(evl_http_write(f.request, "first,", 6), 0) << "before the fetch";
    all = "first,";
    f.start();
    for (int i = 0; i < 200; i++) {
        const std::string piece(10000, static_cast<char>('a' + i % 26));
        all += piece;
        const int64_t queued = evl_http_write(f.request, piece.data(), piece.size());
        EXPECT_GT(queued, 0);
        if (queued < 65536)
            continue;
        int64_t drained = 1;
        EXPECT_EQ(evl_http_drain(f.request, w.op([&](int64_t rc) { drained = rc; })), 0);
        until(w, [&] { return drained != 1; });
        EXPECT_EQ(drained, 0);
    }
    EXPECT_EQ(w.nowait() >= 0, true);
    EXPECT_EQ(evl_http_write_eof(f.request), 0);
    EXPECT_EQ(evl_http_write(f.request, "x", 1), EVL_EPIPE);
    EXPECT_EQ(f.wait(), 200);
    EXPECT_EQ(f.body() == "POST " + all, true) << f.body().size() << " of " << all.size();
    EXPECT_GE(f.info().sent, all.size());
    EXPECT_EQ(evl_http_write(f.request, "x", 1), EVL_EPIPE);
}

// The program has nothing to write: that is no stall, and nothing is alive; what is written wakes it.
TEST(HttpBody, WrittenWithAPause) {
    Server server(echoes());
    World w(real);
    Session session(w);
    Fetch f(w, session, What{.url = server.url(), .flags = EVL_HTTP_UPLOAD, .stall = 60 * sec});
    f.start();
    until(w, [&] { return f.info().connect_ns != 0; });
    for (int i = 0; i < 5; i++)
        EXPECT_GE(w.nowait(), 0);
    EXPECT_EQ(evl_http_write(f.request, "late", 4), 4);
    EXPECT_EQ(evl_http_write_eof(f.request), 0);
    EXPECT_EQ(f.wait(), 200);
    EXPECT_EQ(f.body(), "POST late");
}

TEST(HttpBody, WrittenCannotBeSentAgain) {
    Server server([](Peer &peer) {
        const std::string head = peer.head();
        (void)echo(head, peer);
        peer.send(response("", "Location: /elsewhere\r\n", "307 Temporary Redirect"));
        while (!peer.head().empty())
            peer.send(response("there"));
    });
    World w(real);
    Session session(w);
    Fetch written(w, session, server.url(), EVL_HTTP_UPLOAD);
    EXPECT_EQ(evl_http_write(written.request, "body", 4), 4);
    EXPECT_EQ(evl_http_write_eof(written.request), 0);
    EXPECT_EQ(written.run(), EVL_EHTTP_RESEND) << evl_http_reason(written.request);
    int64_t drained = 1;
    EXPECT_EQ(evl_http_drain(written.request, w.op([&](int64_t rc) { drained = rc; })), 0);
    until(w, [&] { return drained != 1; });
    EXPECT_EQ(drained, EVL_EHTTP_RESEND);
}

TEST(HttpBody, Compressed) {
    const std::string text(10000, 'z');
    const unsigned char gzip[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1,
                                  0x01, 0x0d, 0x00, 0x00, 0x00, 0xc2, 0xa0, 0xde, 0x4f, 0x6f, 0x0e, 0x37,
                                  0xa0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe0, 0xdf,
                                  0x00, 0x8c, 0xd6, 0x20, 0xdc, 0x10, 0x27, 0x00, 0x00};
    const std::string packed(reinterpret_cast<const char *>(gzip), sizeof gzip);
    Server server(each([&](const std::string &head) {
        const bool asked = head.find("Accept-Encoding: ") != head.npos;
        return response(packed,
                        std::string("Content-Encoding: gzip\r\nX-Asked: ") + (asked ? "1\r\n" : "0\r\n"));
    }));
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url());
    EXPECT_EQ(f.run(), 200);
    EXPECT_EQ(f.body() == text, true);
    EXPECT_EQ(f.header("X-Asked"), "1");
    EXPECT_EQ(f.info().received, packed.size());
    Fetch bomb(w, session, What{.url = server.url(), .max_body = 9999});
    EXPECT_EQ(bomb.run(), EVL_EHTTP_TOO_LARGE) << "as it is unpacked";
    evl_http_session_options options{};
    options.flags = EVL_HTTP_PLAIN;
    Session plain(w, options);
    Fetch as_it_is(w, plain, server.url());
    EXPECT_EQ(as_it_is.run(), 200);
    EXPECT_EQ(as_it_is.body() == packed, true);
    EXPECT_EQ(as_it_is.header("X-Asked"), "0");
}

// --- what requests share ---------------------------------------------------------------------------

TEST(HttpSession, Redirects) {
    Server server([](Peer &peer) {
        for (std::string head; !(head = peer.head()).empty();) {
            (void)echo(head, peer);
            peer.send(head.find("/start") != head.npos
                          ? response("not this", "Location: /next?a=b\r\n", "301 Moved Permanently")
                          : response(head.substr(0, head.find("\r\n"))));
        }
    });
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url("/start"));
    EXPECT_EQ(f.run(), 200);
    EXPECT_EQ(f.body(), "GET /next?a=b HTTP/1.1");
    EXPECT_EQ(f.header("location"), "(none)") << "of the last response";
    EXPECT_EQ(f.info().redirects, 1);
    EXPECT_EQ(f.info().url, server.url("/next?a=b"));
    Fetch post(w, session, What{.url = server.url("/start"), .body = "b"});
    EXPECT_EQ(post.run(), 200);
    EXPECT_EQ(post.body(), "GET /next?a=b HTTP/1.1") << "as browsers do";
    Fetch none(w, session, What{.url = server.url("/start"), .max_redirects = -1});
    EXPECT_EQ(none.run(), 301);
    EXPECT_EQ(none.body(), "not this");
    EXPECT_EQ(none.header("location"), "/next?a=b");
    Fetch pieces(w, session, server.url("/start"), EVL_HTTP_STREAM);
    EXPECT_EQ(pieces.run(), 200) << "of the last response";
    EXPECT_GT(next_piece(pieces), 0);
}

TEST(HttpSession, Cookies) {
    Server server(each([](const std::string &head) {
        const size_t at = head.find("Cookie: ");
        return response(at == head.npos ? "none" : head.substr(at, head.find("\r\n", at) - at),
                        "Set-Cookie: who=me\r\n");
    }));
    World w(real);
    for (const bool kept : {false, true}) {
        evl_http_session_options options{};
        options.flags = kept ? EVL_HTTP_COOKIES : 0;
        Session session(w, options);
        Fetch first(w, session, server.url()), second(w, session, server.url());
        EXPECT_EQ(first.run(), 200);
        EXPECT_EQ(first.body(), "none");
        EXPECT_EQ(second.run(), 200);
        EXPECT_EQ(second.body(), kept ? "Cookie: who=me" : "none");
    }
}

TEST(HttpSession, HeadersAreSent) {
    Server server(each([](const std::string &head) { return response(head); }));
    World w(real);
    evl_http_session_options options{};
    options.user_agent = "tests/1";
    Session session(w, options);
    Fetch f(w, session, What{.url = server.url(), .headers = {"X-Mine: 1", "Accept:", "Host: example.org"}});
    EXPECT_EQ(f.run(), 200);
    for (const char *there : {"X-Mine: 1\r\n", "Host: example.org\r\n", "User-Agent: tests/1\r\n"})
        EXPECT_NE(f.body().find(there), std::string::npos) << there << "in " << f.body();
    EXPECT_EQ(f.body().find("Accept:"), std::string::npos);
}

// The rest wait in line, in their order, and so do their time limits.
TEST(HttpSession, Limits) {
    std::atomic<int> now = 0, most = 0;
    std::string order;
    Server server([&](Peer &peer) {
        for (std::string head; !(head = peer.head()).empty();) {
            const int n = ++now;
            for (int seen = most; n > seen && !most.compare_exchange_weak(seen, n);) {
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            now--;
            peer.send(response("here"));
        }
    });
    World w(real);
    for (const char *which : {"fetches", "connections", "of a host"}) {
        SCOPED_TRACE(which);
        evl_http_session_options options{};
        (*which == 'f'   ? options.max_fetches
         : *which == 'c' ? options.max_connections
                         : options.max_host_connections) = 3;
        Session session(w, options);
        std::vector<std::unique_ptr<Fetch>> all;
        most = 0;
        const int before = server.connections();
        for (int i = 0; i < 20; i++) {
            all.push_back(std::make_unique<Fetch>(
                w, session, What{.url = server.url(), .total = *which == 'f' ? 60 * sec : 0}));
            all.back()->start();
        }
        for (auto &f : all)
            EXPECT_EQ(f->wait(), 200);
        EXPECT_LE(most, 3);
        EXPECT_LE(server.connections() - before, 3);
    }
}

// A server that closes a connection which is kept: the next fetch makes another one.
TEST(HttpSession, AKeptConnectionThatIsGone) {
    Server server([](Peer &peer) {
        peer.head();
        peer.send(response("here"));
    });
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url());
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(f.run(), 200);
    EXPECT_EQ(server.connections(), 3);
    Fetch post(w, session, What{.url = server.url(), .body = "again"});
    EXPECT_EQ(post.run(), 200);
}

TEST(HttpSession, CompletesAFuture) {
    Server server(each([](const std::string &) { return response("here"); }));
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url());
    evl_future *future = nullptr;
    EXPECT_EQ(evl_future_new(w.loop, &future), 0);
    EXPECT_EQ(evl_http_fetch(f.request, evl_future_op(future)), 0);
    until(w, [&] { return evl_future_state(future) != EVL_FUTURE_PENDING; });
    int64_t value = 0;
    EXPECT_EQ(evl_future_value(future, &value), 0);
    EXPECT_EQ(value, 200);
    evl_future_unref(future);
}

TEST(HttpSession, TwoOnOneLoop) {
    Server server(each([](const std::string &) { return response("here"); }));
    World w(real);
    Session one(w), two(w);
    Fetch a(w, one, server.url()), b(w, two, server.url());
    a.start();
    b.start();
    one.close();
    EXPECT_EQ(a.wait(), EVL_ECLOSED);
    EXPECT_EQ(b.wait(), 200);
}

TEST(HttpSession, AsALibrary) {
    World w(real);
    evl_http_session_close(nullptr);
    evl_http_request_free(nullptr);
    Session session(w);
    EXPECT_EQ(evl_http_session_loop(session), w.loop);
    EXPECT_EQ(evl_http_session_fork(session), 0) << "no child";
    EXPECT_EQ(evl_http_status(nullptr), 0);
    EXPECT_STREQ(evl_http_body(nullptr, nullptr), "");
    EXPECT_STREQ(evl_http_reason(nullptr), "");
    EXPECT_EQ(evl_http_header(nullptr, "x"), nullptr);
    EXPECT_EQ(w.run(), 0) << "a session keeps nothing alive";
}

} // namespace
