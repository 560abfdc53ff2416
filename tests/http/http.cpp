#include "http.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace http {

// --- servers ---------------------------------------------------------------------------------------

bool Peer::more() {
    char buffer[16384];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0)
        seen_.append(buffer, static_cast<size_t>(n));
    return n > 0;
}

std::string Peer::head() {
    size_t end;
    while ((end = seen_.find("\r\n\r\n")) == std::string::npos)
        if (!more())
            return "";
    return take(end + 4);
}

std::string Peer::take(size_t n) {
    while (seen_.size() < n)
        if (!more())
            return "";
    std::string text = seen_.substr(0, n);
    seen_.erase(0, n);
    return text;
}

bool Peer::send(std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
}

void Peer::wait_for_end() {
    while (more())
        seen_.clear();
}

void Peer::reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// Where it listens.
static sockaddr_in listen_with(int &fd, int backlog) {
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr *>(&address), len), 0);
    EXPECT_EQ(::listen(fd, backlog), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr *>(&address), &len), 0);
    return address;
}

Full::Full() {
    const sockaddr_in address = listen_with(fds_[0], 0);
    port_ = ntohs(address.sin_port);
    for (int i = 1; i < 4; i++) {
        fds_[i] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)::connect(fds_[i], reinterpret_cast<const sockaddr *>(&address), sizeof address);
    }
}

Full::~Full() {
    for (const int fd : fds_)
        ::close(fd);
}

Server::Server(Serve serve) : serve_(std::move(serve)) {
    const sockaddr_in address = listen_with(listening_, 128);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
}

Server::~Server() {
    ::shutdown(listening_, SHUT_RDWR); // accept fails
    thread_.join();
    for (std::thread &thread : serving_)
        thread.join();
    ::close(listening_);
}

void Server::run() {
    for (int fd; (fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        connections_++;
        serving_.emplace_back([this, fd] {
            Peer peer(fd);
            serve_(peer);
            ::close(fd);
        });
    }
}

std::string response(std::string_view body, std::string_view headers, std::string_view status) {
    std::string text = "HTTP/1.1 ";
    text.append(status).append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n");
    return text.append(headers).append("\r\n").append(body);
}

Server::Serve each(std::function<std::string(const std::string &)> reply) {
    return [reply = std::move(reply)](Peer &peer) {
        for (std::string head; !(head = peer.head()).empty();)
            if (!peer.send(reply(head)))
                return;
    };
}

void Gate::open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
}

void Gate::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
}

// --- clients ---------------------------------------------------------------------------------------

Session::Session(World &world, evl_http_session_options options) {
    options.struct_size = sizeof options;
    EXPECT_EQ(evl_http_session_new(world.loop, &options, &session_), 0);
}

Fetch::Fetch(World &world, evl_http_session *session, const What &what) : w(world) {
    evl_http_request_options options{};
    options.struct_size = sizeof options;
    options.flags = what.flags;
    options.url = what.url.c_str();
    options.method = what.method;
    options.headers = what.headers.data();
    options.headers_count = static_cast<uint32_t>(what.headers.size());
    options.body = what.body.empty() ? nullptr : what.body.data();
    options.body_size = what.body.size();
    options.max_body = what.max_body;
    options.max_redirects = what.max_redirects;
    options.connect_timeout_ns = what.connect;
    options.stall_timeout_ns = what.stall;
    options.timeout_ns = what.total;
    EXPECT_EQ(evl_http_request_new(session, &options, &request), 0);
    op = w.op([this](int64_t rc) { result = rc; });
}

int32_t Fetch::start() {
    result = running;
    const int32_t rc = evl_http_fetch(request, op);
    EXPECT_EQ(rc, 0);
    return rc;
}

int64_t Fetch::wait() {
    until(w, [&] { return done(); });
    return result;
}

std::string Fetch::body() const {
    size_t len = 0;
    const char *data = evl_http_body(request, &len);
    return {data, len};
}

std::string Fetch::header(const char *name) const {
    const char *value = evl_http_header(request, name);
    return value ? value : "(none)";
}

evl_http_info Fetch::info() const {
    evl_http_info info{};
    info.struct_size = sizeof info;
    EXPECT_EQ(evl_http_get_info(request, &info), 0);
    return info;
}

void until(World &world, const std::function<bool()> &holds) {
    while (!holds() && !testing::Test::HasFatalFailure()) {
        const int32_t rc = world.once();
        ASSERT_TRUE(rc >= 0) << rc;
        ASSERT_TRUE(holds() || evl_loop_alive(world.loop)) << "nothing is left that could go on";
    }
}

} // namespace http
