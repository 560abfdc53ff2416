// failure_test.cpp - each failure by its name.
#include "http.hpp"

using namespace http;

namespace {

const Options real{.clock = EVL_CLOCK_REAL};

struct Failure {
    const char *name;
    int32_t code;
    Server::Serve serve;
    What what{};
};

// Sends, and closes.
Server::Serve says(std::string text) {
    return [text](Peer &peer) {
        peer.head();
        peer.send(text);
    };
}
// Sends, and waits for the client to give up.
Server::Serve stops_after(std::string text) {
    return [text](Peer &peer) {
        peer.head();
        peer.send(text);
        peer.wait_for_end();
    };
}

std::vector<Failure> failures() {
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    return {
        {"nothing", EVL_EHTTP_TRUNCATED, says("")},
        {"a part of the headers", EVL_EHTTP_TRUNCATED, says("HTTP/1.1 200 OK\r\nContent-Le")},
        {"less than it said", EVL_EHTTP_TRUNCATED, says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")},
        {"a chunk without its end", EVL_EHTTP_TRUNCATED, says(chunked + "5\r\nhel")},
        {"chunks without the last", EVL_EHTTP_TRUNCATED, says(chunked + "5\r\nhello\r\n")},
        {"no chunk", EVL_EHTTP_PROTOCOL, says(chunked + "what?\r\n")},
        {"no HTTP", EVL_EHTTP_PROTOCOL, says("220 ready when you are\r\n")},
        {"a length that is none", EVL_EHTTP_PROTOCOL, says("HTTP/1.1 200 OK\r\nContent-Length: few\r\n\r\n")},
        {"not compressed", EVL_EHTTP_ENCODING, says(response("plain text", "Content-Encoding: gzip\r\n"))},
        {"too large, and it says so",
         EVL_EHTTP_TOO_LARGE,
         stops_after(response(std::string(1001, 'x'))),
         {.max_body = 1000}},
        {"too large, in chunks",
         EVL_EHTTP_TOO_LARGE,
         stops_after(chunked + "3e9\r\n" + std::string(1001, 'x') + "\r\n"),
         {.max_body = 1000}},
        {"round and round", EVL_EHTTP_REDIRECTS,
         each([](const std::string &) { return response("", "Location: /again\r\n", "302 Found"); })},
        {"one too many",
         EVL_EHTTP_REDIRECTS,
         each([](const std::string &) { return response("", "Location: /again\r\n", "302 Found"); }),
         {.max_redirects = 1}},
        {"a redirect elsewhere", EVL_EHTTP_URL,
         says(response("", "Location: file:///etc/passwd\r\n", "302 Found"))},
        {"reset", EVL_ECONNRESET,
         [](Peer &peer) {
             peer.head();
             peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
             peer.reset();
         }},
        {"silence, in all", EVL_ETIMEDOUT, stops_after(""), {.total = 20 * ms}},
        {"silence before the first byte", EVL_ETIMEDOUT, stops_after(""), {.stall = 20 * ms}},
        {"silence in the headers", EVL_ETIMEDOUT, stops_after("HTTP/1.1 200 OK\r\n"), {.stall = 20 * ms}},
        {"silence in the body",
         EVL_ETIMEDOUT,
         stops_after("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
         {.stall = 20 * ms}},
    };
}

TEST(HttpFailure, HasAName) {
    for (const Failure &failure : failures()) {
        SCOPED_TRACE(failure.name);
        Server server(failure.serve);
        World w(real);
        Session session(w);
        What what = failure.what;
        what.url = server.url();
        Fetch f(w, session, what);
        EXPECT_EQ(f.run(), failure.code) << evl_err_name(f.result) << ": " << evl_http_reason(f.request);
        EXPECT_EQ(f.info().error, failure.code);
        session.close();
        EXPECT_EQ(w.run(), 0);
    }
}

// The same when the body is read in pieces: the fetch fails, or what waits for the body does.
TEST(HttpFailure, InPieces) {
    for (const Failure &failure : failures()) {
        SCOPED_TRACE(failure.name);
        Server server(failure.serve);
        World w(real);
        Session session(w);
        What what = failure.what;
        what.url = server.url();
        what.flags = EVL_HTTP_STREAM;
        Fetch f(w, session, what);
        int64_t result = f.run();
        while (result > 0) {
            result = Fetch::running;
            evl_http_consume(f.request, f.body().size());
            EXPECT_EQ(evl_http_wait(f.request, w.op([&](int64_t rc) { result = rc; })), 0);
            until(w, [&] { return result != Fetch::running; });
        }
        EXPECT_EQ(result, failure.code) << evl_err_name(result) << ": " << evl_http_reason(f.request);
        session.close();
    }
}

TEST(HttpFailure, AProxyThatIsNone) {
    Server server([](Peer &peer) {
        peer.head();
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    World w(real);
    const std::string proxy = server.url("");
    evl_http_session_options options{};
    options.proxy = proxy.c_str();
    Session session(w, options);
    Fetch plain(w, session, "http://localhost:1/");
    EXPECT_EQ(plain.run(), 403) << "what the proxy says";
    Fetch tunnel(w, session, "https://localhost:1/");
    EXPECT_EQ(tunnel.run(), EVL_EHTTP_PROXY) << evl_http_reason(tunnel.request);
}

TEST(HttpFailure, OfTheCall) {
    World w(real);
    evl_http_session *session = nullptr;
    evl_http_session_options bad{};
    EXPECT_EQ(evl_http_session_new(w.loop, &bad, &session), EVL_EINVAL) << "struct_size";
    bad.struct_size = sizeof bad;
    bad.flags = 1u << 20;
    EXPECT_EQ(evl_http_session_new(w.loop, &bad, &session), EVL_EINVAL);
    EXPECT_EQ(evl_http_session_new(nullptr, nullptr, &session), EVL_EINVAL);
    EXPECT_EQ(evl_http_session_new(w.loop, nullptr, nullptr), EVL_EINVAL);
    Session good(w);
    const char *two_lines = "X: 1\r\nY: 2", *no_colon = "X", *no_name = ": x", *none = nullptr;
    const struct {
        const char *url, *method;
        const char **header;
        int32_t code;
    } rows[] = {
        {nullptr, nullptr, nullptr, EVL_EINVAL},          {"no url", nullptr, nullptr, EVL_EHTTP_URL},
        {"example.org", nullptr, nullptr, EVL_EHTTP_URL}, {"ftp://x/", nullptr, nullptr, EVL_EHTTP_URL},
        {"http://x/", "GE T", nullptr, EVL_EINVAL},       {"http://x/", "", nullptr, EVL_EINVAL},
        {"http://x/", nullptr, &two_lines, EVL_EINVAL},   {"http://x/", nullptr, &no_colon, EVL_EINVAL},
        {"http://x/", nullptr, &no_name, EVL_EINVAL},     {"http://x/", nullptr, &none, EVL_EINVAL},
    };
    for (auto &row : rows) {
        evl_http_request_options options{};
        options.struct_size = sizeof options;
        options.url = row.url;
        options.method = row.method;
        options.headers = row.header;
        options.headers_count = row.header ? 1 : 0;
        auto *request = reinterpret_cast<evl_http_request *>(1);
        EXPECT_EQ(evl_http_request_new(good, &options, &request), row.code) << (row.url ? row.url : "no URL");
        EXPECT_EQ(request, nullptr);
    }
    Fetch f(w, good, "http://127.0.0.1:1/");
    EXPECT_EQ(evl_http_wait(f.request, f.op), EVL_EINVAL) << "not in pieces";
    EXPECT_EQ(evl_http_drain(f.request, f.op), EVL_EINVAL) << "nothing to write";
    EXPECT_EQ(evl_http_write(f.request, "x", 1), EVL_EINVAL);
    good.close();
    EXPECT_EQ(evl_http_fetch(f.request, f.op), EVL_ECLOSED);
}

} // namespace
