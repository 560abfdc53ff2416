// coroutine_test.cpp - HTTP servers for coroutines.
#include "httpd.hpp"

#include <evloop/http_server.hpp>
#include <sys/socket.h>

using namespace std::chrono_literals;
using evloop::task;

namespace {

std::pair<evloop::stream, evloop::stream> ends() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return {evloop::stream(evloop::this_loop(), fds[0]), evloop::stream(evloop::this_loop(), fds[1])};
}

// One request, and all that comes until the end.
task<std::string> ask(evloop::stream client, std::string text) {
    client.write(text);
    co_return co_await client.read_all(1 << 20);
}

constexpr const char *get = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

TEST(HttpdCoroutine, LaterAndInPieces) {
    auto main = []() -> task<> {
        evloop::http::server web([](evloop::http::exchange x) -> task<> {
            const std::string target(x.target());
            co_await evloop::sleep(1ms);
            x.add_header("X-Target", target);
            x.begin(200);
            for (const char *piece : {"one", "two"}) {
                x.write(piece);
                co_await x.drain();
            }
            x.end();
            EXPECT_FALSE(x);
        });
        auto [mine, its] = ends();
        web.add(std::move(its));
        const std::string got = co_await ask(std::move(mine), get);
        EXPECT_TRUE(got.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")) << got;
        EXPECT_NE(got.find("X-Target: /x\r\n"), got.npos) << got;
        co_await web.stop();
    };
    evloop::run(main());
}

TEST(HttpdCoroutine, AHandlerThatForgets) {
    auto main = []() -> task<> {
        evloop::http::server web([](evloop::http::exchange) -> task<> { co_return; });
        auto [mine, its] = ends();
        web.add(std::move(its));
        EXPECT_EQ(httpd::status_of(co_await ask(std::move(mine), get)), 500);
    };
    evloop::run(main());
}

TEST(HttpdCoroutine, TheServerGoesWithItsTasks) {
    bool destroyed = false;
    auto main = [&]() -> task<> {
        struct Mark {
            bool &what;
            ~Mark() { what = true; }
        };
        bool called = false;
        evloop::http::server web([&](evloop::http::exchange x) -> task<> {
            Mark mark{destroyed};
            called = true;
            co_await evloop::sleep(1h);
            x.respond(200);
        });
        auto [mine, its] = ends();
        web.add(std::move(its));
        mine.write(std::string_view(get));
        while (!called)
            co_await evloop::sleep(0ms);
        web.close();
        EXPECT_TRUE(destroyed);
    };
    evloop::run(main());
}

} // namespace
