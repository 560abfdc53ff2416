// http_hello.cpp - a small HTTP server for coroutines: a task for each request.
//     http_hello [PORT]      without a port, or with 0, the kernel chooses; the port is printed either way
//
// Then: curl -N localhost:PORT/count. SIGINT or SIGTERM stops it: responses that are under way have five
// seconds.
#include <evloop.hpp>
#include <evloop/http_server.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace std::chrono_literals;
using evloop::task;
namespace http = evloop::http;

// A line every tenth of a second, for as long as the client is there.
static task<> count(http::exchange exchange) {
    exchange.begin(200);
    for (int i = 1; i <= 10; i++) {
        exchange.write(std::to_string(i) + "\n");
        co_await exchange.drain();
        co_await evloop::sleep(100ms);
    }
    exchange.end();
}

static task<> handle(http::exchange exchange) {
    exchange.add_header("Content-Type", "text/plain");
    try {
        if (exchange.target() == "/count")
            co_await count(std::move(exchange));
        else
            exchange.respond(200, "hello\n");
    } catch (const std::system_error &) { // the client has gone
    }
}

static task<> serve(std::uint16_t port) {
    http::server web(handle);
    evloop::server listener = evloop::listen("localhost", port);
    std::printf("listening on localhost port %d\n", listener.port());
    std::fflush(stdout);
    web.serve(std::move(listener));
    co_await evloop::when_any(evloop::wait_signal(SIGINT), evloop::wait_signal(SIGTERM));
    const auto stopped = co_await evloop::as_result(evloop::timeout(5s, web.stop()));
    std::printf("stopped: %s\n", stopped ? "all done" : "time is up");
}

int main(int argc, char **argv) {
    try {
        return evloop::run(serve(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0)));
    } catch (const std::system_error &error) {
        std::fprintf(stderr, "http_hello: %s\n", error.code().message().c_str());
        return 1;
    }
}
