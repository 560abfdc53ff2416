// echo_server.cpp - the echo server, a coroutine for each client.
//     echo_server [PORT]      without a port, or with 0, the kernel chooses; the port is printed either way
//
// A client that does not read what it is sent is not read either, until it has caught up; one that ends its
// half gets everything.
#include <evloop.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>

using evloop::stream;
using evloop::task;

static task<> echo(stream client) {
    try {
        for (;;) {
            const std::string data = co_await client.read();
            if (data.empty())
                co_return;
            client.write(data);
            co_await client.drain();
        }
    } catch (const std::system_error &) { // the client has gone
    }
}

static task<> accept(evloop::server &server, unsigned long &accepted) {
    for (;;) {
        stream client = co_await server.accept();
        accepted++;
        evloop::spawn(echo(std::move(client))).detach();
    }
}

static task<> serve(std::uint16_t port) {
    evloop::server server = evloop::listen("localhost", port);
    unsigned long accepted = 0;
    auto accepting = evloop::spawn(accept(server, accepted));
    std::printf("listening on localhost port %d, %d sockets\n", server.port(), server.sockets());
    std::fflush(stdout);
    co_await evloop::when_any(evloop::wait_signal(SIGINT), evloop::wait_signal(SIGTERM));
    std::printf("stopped after %lu connections\n", accepted);
}

int main(int argc, char **argv) {
    try {
        return evloop::run(serve(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0)));
    } catch (const std::system_error &error) {
        std::fprintf(stderr, "echo_server: %s\n", error.code().message().c_str());
        return 1;
    }
}
