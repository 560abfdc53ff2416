// coroutine_test.cpp - HTTP for coroutines.
#include "http.hpp"

#include <evloop/http.hpp>

using namespace std::chrono_literals;
using evloop::task;

namespace {

http::Server::Serve head_as_body() {
    return http::each([](const std::string &head) { return http::response(head, "X-Head: yes\r\n"); });
}

TEST(HttpCoroutine, AResponse) {
    http::Server server(head_as_body());
    auto main = [&]() -> task<> {
        evloop::http::session web({.max_fetches = 2});
        const evloop::http::response r =
            co_await web.get(server.url(), {.headers = "X-Asked: 1\nAccept: text/plain\n", .timeout = 10s});
        EXPECT_EQ(r.status(), 200);
        EXPECT_EQ(r.header("x-head"), "yes");
        EXPECT_EQ(r.headers().size(), 2u);
        EXPECT_NE(r.body().find("X-Asked: 1\r\nAccept: text/plain\r\n"), r.body().npos) << r.body();
        EXPECT_EQ(r.info().version, 11);
    };
    evloop::run(main());
}

TEST(HttpCoroutine, ErrorsAreThrownByName) {
    http::Server server([](http::Peer &peer) { peer.head(); });
    auto main = [&]() -> task<> {
        evloop::http::session web;
        const auto cut = co_await evloop::as_result(web.get(server.url()));
        EXPECT_EQ(cut.code(), EVL_EHTTP_TRUNCATED);
        try {
            (void)co_await web.get("ftp://127.0.0.1/");
            ADD_FAILURE();
        } catch (const std::system_error &error) {
            EXPECT_EQ(error.code().value(), EVL_EHTTP_URL);
        }
    };
    evloop::run(main());
}

} // namespace
