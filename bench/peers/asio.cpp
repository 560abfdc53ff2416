// asio.cpp - the echo server of Asio, by callbacks and by coroutines.
#include "../peers.h"

#if BENCH_ASIO

#    include <array>
#    include <asio.hpp>
#    include <memory>
#    include <unistd.h>
#    include <vector>

namespace {

using asio::ip::tcp;

// It closes the sockets it is given: these are duplicates.
tcp::socket socket_of(asio::io_context &context, int fd) {
    return tcp::socket(context, tcp::v4(), ::dup(fd));
}

class session {
  public:
    session(asio::io_context &context, int fd) : socket_(socket_of(context, fd)) {}

    void read() {
        socket_.async_read_some(asio::buffer(buf_), [this](const asio::error_code &error, std::size_t n) {
            if (error)
                socket_.close();
            else
                write(n);
        });
    }

  private:
    void write(std::size_t n) {
        asio::async_write(socket_, asio::buffer(buf_, n), [this](const asio::error_code &error, std::size_t) {
            BENCH_CHECK(!error);
            echo_done();
            read();
        });
    }

    tcp::socket socket_;
    std::array<char, ROOM> buf_;
};

asio::awaitable<void> echo(tcp::socket socket) {
    char buf[ROOM];
    asio::error_code error;
    for (;;) {
        const std::size_t n = co_await socket.async_read_some(
            asio::buffer(buf), asio::redirect_error(asio::use_awaitable, error));
        if (error)
            break;
        co_await asio::async_write(socket, asio::buffer(buf, n), asio::use_awaitable);
        echo_done();
    }
}

} // namespace

void serve_asio(const int *fds, int n) {
    asio::io_context context(1);
    std::vector<std::unique_ptr<session>> sessions;
    for (int i = 0; i < n; i++)
        sessions.push_back(std::make_unique<session>(context, fds[i]));
    for (auto &session : sessions)
        session->read();
    echo_begin();
    context.run();
}

void serve_asio_coroutine(const int *fds, int n) {
    asio::io_context context(1);
    for (int i = 0; i < n; i++)
        asio::co_spawn(context, echo(socket_of(context, fds[i])), asio::detached);
    context.poll(); // they wait for their first messages
    echo_begin();
    context.run();
}
#endif
