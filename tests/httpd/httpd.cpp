#include "httpd.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

namespace httpd {

Server::Server(World &world, Handler handler, const With &with) : w(world), handler_(std::move(handler)) {
    evl_http_server_options options{};
    options.struct_size = sizeof options;
    options.flags = with.flags;
    options.max_headers = with.max_headers;
    options.max_body = with.max_body;
    options.max_requests = with.max_requests;
    options.max_connections = with.max_connections;
    options.header_timeout_ns = with.header_timeout;
    options.body_timeout_ns = with.body_timeout;
    options.idle_timeout_ns = with.idle_timeout;
    options.write_timeout_ns = with.write_timeout;
    const auto call = [](void *arg, evl_http_exchange *exchange) {
        auto *self = static_cast<Server *>(arg);
        self->calls++;
        self->handler_(exchange);
    };
    EXPECT_EQ(evl_http_server_new(w.loop, &options, call, this, &server_), 0);
}

Client::Client(Server &server) : w_(server.w) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    fd_ = ends[0];
    evl_stream *stream = nullptr;
    EXPECT_EQ(evl_stream_open(w_.loop, ends[1], 0, &stream), 0);
    EXPECT_EQ(evl_http_server_add(server, stream), 0);
}

void Client::close() {
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

void Client::send(std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            go_on();
        else if (n < 0)
            return;
        text.remove_prefix(n > 0 ? static_cast<size_t>(n) : 0);
    }
}

void Client::end() { ::shutdown(fd_, SHUT_WR); }

void Client::go_on() {
    for (int i = 0; i < 6; i++) {
        char buffer[65536];
        w_.nowait();
        for (ssize_t n; fd_ >= 0 && (n = ::recv(fd_, buffer, sizeof buffer, 0)) != -1;) {
            if (n == 0) {
                ended_ = true;
                break;
            }
            got_.append(buffer, static_cast<size_t>(n));
            i = 0;
        }
    }
}

std::string Client::take() {
    go_on();
    return std::exchange(got_, {});
}

std::string Client::ask(std::string_view text) {
    send(text);
    return take();
}

std::string without_date(std::string text) {
    for (size_t at; (at = text.find("Date: ")) != text.npos;) {
        EXPECT_EQ(text.substr(at + 31, 6), " GMT\r\n") << text;
        text.erase(at, 37);
    }
    return text;
}

int status_of(const std::string &text) {
    return text.starts_with("HTTP/1.1 ") ? std::stoi(text.substr(9, 3)) : 0;
}

std::string body_of(evl_http_exchange *exchange) {
    size_t len = 0;
    const char *data = evl_http_exchange_body(exchange, &len);
    return {data, len};
}

void echo(evl_http_exchange *exchange) {
    std::string text = evl_http_exchange_method(exchange);
    text.append(" ").append(evl_http_exchange_target(exchange)).append(" ").append(body_of(exchange));
    EXPECT_EQ(evl_http_exchange_respond(exchange, 200, text.data(), text.size()), 0);
}

std::string ok(std::string_view body, std::string_view headers) {
    std::string text = "HTTP/1.1 200 OK\r\n";
    text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    return text.append(headers).append("\r\n").append(body);
}

} // namespace httpd
