// fetch_test.cpp - what comes back, and how each failure is named.
#include "http.hpp"

using namespace http;

namespace {

const Options real{.clock = EVL_CLOCK_REAL};

TEST(HttpFetch, APage) {
    Server server(each([](const std::string &head) {
        return response(head, "Content-Type: text/plain\r\nX-Two: 1\r\nx-two: 2\r\n");
    }));
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url("/path?query"));
    EXPECT_EQ(f.run(), 200);
    EXPECT_TRUE(f.body().starts_with("GET /path?query HTTP/1.1\r\n")) << f.body();
    EXPECT_EQ(f.header("content-type"), "text/plain");
    EXPECT_EQ(f.header("X-TWO"), "1") << "the first";
    EXPECT_EQ(f.header("X-Three"), "(none)");
    const char *name = nullptr, *value = nullptr;
    EXPECT_EQ(evl_http_header_count(f.request), 4);
    EXPECT_EQ(evl_http_header_at(f.request, 3, &name, &value), 0);
    EXPECT_EQ(std::string(name) + "=" + value, "x-two=2") << "in their order, as they were written";
    EXPECT_EQ(evl_http_header_at(f.request, 4, &name, &value), EVL_ENOENT);
    const evl_http_info info = f.info();
    EXPECT_EQ(info.version, 11);
    EXPECT_EQ(info.connections, 1);
    EXPECT_EQ(info.error, 0);
    EXPECT_EQ(info.port, server.port());
    EXPECT_STREQ(info.address, "127.0.0.1");
    EXPECT_EQ(info.url, server.url("/path?query"));
    EXPECT_EQ(info.received, f.body().size());
    EXPECT_GT(info.total_ns, 0);
    EXPECT_STREQ(evl_http_reason(f.request), "");
}

TEST(HttpFetch, AConnectionIsUsedAgain) {
    Server server(each([](const std::string &) { return response("here"); }));
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url());
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(f.run(), 200);
        EXPECT_EQ(f.info().connections, i == 0);
    }
    EXPECT_EQ(server.connections(), 1);
}

TEST(HttpFetch, TheLongestTimes) {
    Server server(each([](const std::string &) { return response("here"); }));
    World w(real);
    Session session(w);
    constexpr int64_t most = EVL_NEVER - 1;
    Fetch f(w, session, What{.url = server.url(), .connect = most, .stall = most, .total = most});
    EXPECT_EQ(f.run(), 200);
}

// A line end in it would begin another header.
TEST(HttpFetch, AUserAgentIsOneLine) {
    World w(real);
    evl_http_session *session = nullptr;
    evl_http_session_options options{};
    options.struct_size = sizeof options;
    options.user_agent = "tests\r\nX-More: 1";
    EXPECT_EQ(evl_http_session_new(w.loop, &options, &session), EVL_EINVAL);
    EXPECT_EQ(session, nullptr);
    evl_http_session_close(session);
}

TEST(HttpFetch, Refused) {
    uint16_t port = Server([](Peer &) {}).port();
    World w(real);
    Session session(w);
    Fetch f(w, session, "http://127.0.0.1:" + std::to_string(port) + "/");
    EXPECT_EQ(f.run(), EVL_ECONNREFUSED);
    EXPECT_STRNE(evl_http_reason(f.request), "");
    EXPECT_EQ(f.info().error, EVL_ECONNREFUSED);
}

TEST(HttpFetch, CancelledAtOnce) {
    Server server(each([](const std::string &) { return response("here"); }));
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url());
    f.start();
    EXPECT_EQ(evl_op_cancel(f.op), 1);
    EXPECT_EQ(f.wait(), EVL_ECANCELED);
    EXPECT_EQ(w.run(), 0) << "nothing is left";
    EXPECT_EQ(f.run(), 200) << "and again";
}

} // namespace
