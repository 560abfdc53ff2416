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

TEST(HttpCoroutine, Pieces) {
    const std::string large(5 << 20, 'x');
    http::Server server([&](http::Peer &peer) {
        peer.head();
        peer.send(http::response(large));
    });
    auto main = [&]() -> task<> {
        evloop::http::session web;
        const evloop::http::response r = co_await web.open(server.url());
        EXPECT_EQ(r.header("Content-Length"), std::to_string(large.size()));
        std::size_t got = 0, count = 0;
        auto pieces = r.pieces();
        while (const std::string *piece = co_await pieces.next()) {
            got += piece->size();
            if (count++ % 16 == 0)
                co_await evloop::sleep(1ms); // others have a turn; more comes meanwhile
        }
        EXPECT_EQ(got, large.size());
        EXPECT_GT(count, 10u);
        EXPECT_EQ(r.info().error, 0);
    };
    evloop::run(main());
}

TEST(HttpCoroutine, PiecesThatAreCut) {
    http::Server server([](http::Peer &peer) {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    auto main = [&]() -> task<> {
        evloop::http::session web;
        const evloop::http::response r = co_await web.open(server.url());
        std::string got;
        std::int32_t code = 0;
        auto pieces = r.pieces();
        try {
            while (const std::string *piece = co_await pieces.next())
                got += *piece;
        } catch (const std::system_error &error) {
            code = error.code().value();
        }
        EXPECT_EQ(got, "half") << "first what came";
        EXPECT_EQ(code, EVL_EHTTP_TRUNCATED);
    };
    evloop::run(main());
}

TEST(HttpCoroutine, ABodyThatIsWritten) {
    http::Server server([](http::Peer &peer) {
        peer.head();
        peer.send(http::response(peer.take(300000)));
    });
    auto main = [&]() -> task<> {
        evloop::http::session web;
        const evloop::http::request r = web.prepare(
            server.url().c_str(), {.flags = EVL_HTTP_UPLOAD, .method = "PUT", .body_size = 300000});
        auto writing = evloop::spawn([](const evloop::http::request &to) -> task<> {
            for (int i = 0; i < 30; i++) {
                to.write(std::string(10000, static_cast<char>('a' + i % 26)));
                co_await to.drain();
            }
            to.write_eof();
        }(r));
        EXPECT_EQ(co_await r.fetch(), 200);
        co_await writing;
        EXPECT_EQ(r.body().size(), 300000u);
        EXPECT_EQ(r.body().substr(9999, 2), "ab");
    };
    evloop::run(main());
}

TEST(HttpCoroutine, CancelledTooLateAndAbandoned) {
    http::Server server([](http::Peer &peer) {
        if (!peer.head().empty())
            peer.wait_for_end();
    });
    auto main = [&]() -> task<> {
        evloop::http::session web;
        auto get = [&]() -> task<> { (void)co_await web.get(server.url()); };
        auto waiting = evloop::spawn(get());
        co_await evloop::sleep(5ms);
        waiting.cancel();
        try {
            co_await waiting;
            ADD_FAILURE();
        } catch (const evloop::cancelled &) {
        }
        const auto late = co_await evloop::as_result(evloop::timeout(5ms, web.get(server.url())));
        EXPECT_EQ(late.code(), EVL_ETIMEDOUT);
        const auto slow = co_await evloop::as_result(web.get(server.url(), {.stall_timeout = 5ms}));
        EXPECT_EQ(slow.code(), EVL_ETIMEDOUT);
        {
            auto abandoned = evloop::spawn(get());
            co_await evloop::sleep(5ms);
        } // it is destroyed with its fetch
        const auto open = co_await evloop::as_result(web.open(server.url(), {.timeout = 5ms}));
        EXPECT_EQ(open.code(), EVL_ETIMEDOUT);
        const evloop::http::response none;
        EXPECT_FALSE(none);
        EXPECT_EQ(none.status(), 0);
        EXPECT_EQ(none.body(), "");
    };
    evloop::run(main());
}

// The session goes first: what is under way fails.
TEST(HttpCoroutine, ASessionThatIsClosed) {
    http::Server server([](http::Peer &peer) {
        if (!peer.head().empty())
            peer.wait_for_end();
    });
    auto main = [&]() -> task<> {
        evloop::http::session web;
        auto waiting = evloop::spawn([](const evloop::http::session &with, std::string url) -> task<> {
            (void)co_await with.get(url);
        }(web, server.url()));
        co_await evloop::sleep(5ms);
        web.close();
        EXPECT_EQ((co_await evloop::as_result(waiting)).code(), EVL_ECLOSED);
        EXPECT_EQ((co_await evloop::as_result(web.get(server.url()))).code(), EVL_EINVAL) << "there is none";
    };
    evloop::run(main());
}

} // namespace
