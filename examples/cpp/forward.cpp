// forward.cpp - a port forwarder, a coroutine for each connection.
//     forward PORT HOST SERVICE      port 0: the kernel chooses; it is printed either way
//
// The bytes go from one socket to the other inside the kernel where it can do that. A half that ends is
// passed on, and so is a reset. A connection that is silent for ten minutes ends.
#include <evloop.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace std::chrono_literals;
using evloop::stream;
using evloop::task;

static task<> one_way(stream &from, stream &to) {
    co_await from.splice(to);
    to.write_eof();
}

static task<> forward(stream client, std::string host, std::string service) {
    stream server;
    try {
        server = co_await evloop::timeout(30s, evloop::open_connection(host, service));
        client.set_idle_timeout(10min);
        co_await evloop::gather(one_way(client, server), one_way(server, client));
    } catch (...) { // both see a reset
        client.abort();
        server.abort();
        throw;
    }
}

static task<> serve(std::uint16_t port, std::string host, std::string service) {
    evloop::server server = evloop::listen("127.0.0.1", port);
    server.on_error([](const evloop::unhandled_error &error) {
        std::fprintf(stderr, "forward: %s\n", evloop::describe(error).c_str());
    });
    std::printf("listening on 127.0.0.1 port %d\n", server.port());
    std::fflush(stdout);
    co_await evloop::when_any(server.serve(forward, host, service), evloop::wait_signal(SIGINT),
                              evloop::wait_signal(SIGTERM));
}

int main(int argc, char **argv) {
    if (argc != 4)
        return std::fputs("usage: forward PORT HOST SERVICE\n", stderr), 2;
    return evloop::run_main(serve(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], argv[3]));
}
