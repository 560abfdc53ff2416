// evloop/http_server.hpp - HTTP servers for coroutines: evloop/http_server.h as objects.
//
//     evloop::http::server web([](evloop::http::exchange x) -> evloop::task<> {
//         co_await evloop::sleep(10ms);
//         x.add_header("Content-Type", "text/plain");
//         x.respond(200, "hello\n");
//     });
//     web.serve(evloop::listen("127.0.0.1", 8080));
//     co_await web.stop(); // gracefully
//
// Part of libevloop-httpd.
#pragma once

#include <evloop.hpp>
#include <evloop/http_server.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace http {

// evl_http_server_options, for designated initializers; 0 is the default.
struct server_options {
    std::uint32_t flags = 0;                    // EVL_HTTP_SERVER_STREAM
    std::uint32_t max_header_bytes = 0;         // of a request's line and headers; 16 KiB
    std::uint32_t max_headers = 0;              // how many; 100
    std::uint64_t max_body = 0;                 // bytes; 1 MiB
    std::uint32_t max_requests = 0;             // of one connection; no limit
    std::uint32_t max_connections = 0;          // at a time; no limit
    std::chrono::nanoseconds header_timeout{0}; // to the end of the headers; 10 s
    std::chrono::nanoseconds body_timeout{0};   // without a byte of a body that is being read; 30 s
    std::chrono::nanoseconds idle_timeout{0};   // between requests; 60 s
    std::chrono::nanoseconds write_timeout{0};  // without a byte that the client takes; 30 s
};

// Awaits the next bytes of a request's body: how many there are, 0 at its end.
class body_awaitable : public op_awaitable<body_awaitable, std::size_t> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP request body";
    explicit body_awaitable(evl_http_exchange *exchange) noexcept : exchange_(exchange) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_http_exchange_wait(exchange_, op); }
    std::size_t finish(std::int64_t n) noexcept { return static_cast<std::size_t>(n); }

  private:
    evl_http_exchange *exchange_;
};

// Awaits room for more of a response.
class room_awaitable : public op_awaitable<room_awaitable> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP response drain";
    explicit room_awaitable(evl_http_exchange *exchange) noexcept : exchange_(exchange) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_http_exchange_drain(exchange_, op); }

  private:
    evl_http_exchange *exchange_;
};

// Awaits that the client goes.
class gone_awaitable : public op_awaitable<gone_awaitable> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP client gone";
    explicit gone_awaitable(evl_http_exchange *exchange) noexcept : exchange_(exchange) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_http_exchange_gone(exchange_, op); }

  private:
    evl_http_exchange *exchange_;
};

// Awaits the last response of a server that is stopped.
class stopped_awaitable : public op_awaitable<stopped_awaitable> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP server stop";
    explicit stopped_awaitable(evl_http_server *server) noexcept : server_(server) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_http_server_stop(server_, op); }

  private:
    evl_http_server *server_;
};

// A request and its response. Destroyed without a response it is one with status 500. What it returns as a
// view is valid until it has ended.
class exchange {
  public:
    exchange() = default;
    // Takes over an exchange of C.
    explicit exchange(evl_http_exchange *made) noexcept : exchange_(made) {}
    exchange(exchange &&other) noexcept : exchange_(std::exchange(other.exchange_, nullptr)) {}
    exchange &operator=(exchange &&other) noexcept {
        exchange old(std::move(other));
        std::swap(exchange_, old.exchange_);
        return *this;
    }
    ~exchange() { abort(); }

    // Whether it has not ended.
    explicit operator bool() const noexcept { return exchange_ != nullptr; }
    evl_http_exchange *c() const noexcept { return exchange_; }

    // As "GET".
    std::string_view method() const noexcept { return evl_http_exchange_method(exchange_); }
    // As "/path?query".
    std::string_view target() const noexcept { return evl_http_exchange_target(exchange_); }
    // The first header with this name, in any case; empty: there is none.
    std::string_view header(const char *field) const noexcept {
        const char *value = evl_http_exchange_header(exchange_, field);
        return value ? std::string_view(value) : std::string_view();
    }
    // Likewise of what followed a chunked body.
    std::string_view trailer(const char *field) const noexcept {
        const char *value = evl_http_exchange_trailer(exchange_, field);
        return value ? std::string_view(value) : std::string_view();
    }
    // The body; of one that is read in pieces, what has come and was not consumed.
    std::string_view body() const noexcept {
        std::size_t len = 0;
        const char *data = evl_http_exchange_body(exchange_, &len);
        return {data, len};
    }
    // Awaited: how many bytes of the body can be read, 0 at its end. Errors: those of evl_http_exchange_wait.
    body_awaitable wait() const noexcept { return body_awaitable(exchange_); }
    // Removes bytes from the front of the body.
    void consume(std::size_t n) const noexcept { (void)evl_http_exchange_consume(exchange_, n); }
    // Awaited: until the client has closed its side. Errors: those of evl_http_exchange_gone.
    gone_awaitable gone() const noexcept { return gone_awaitable(exchange_); }
    bool wants_upgrade() const noexcept { return evl_http_exchange_wants_upgrade(exchange_) == 1; }

    // Adds a header to the response, or a trailer. Errors: those of evl_http_exchange_add_header.
    evloop::status add_header(const char *field, const char *value) const {
        return check(evl_http_exchange_add_header(exchange_, field, value));
    }
    evloop::status add_header(const char *field, const std::string &value) const {
        return add_header(field, value.c_str());
    }
    // Responds at once, and ends the exchange. Errors: those of evl_http_exchange_respond.
    evloop::status respond(std::int32_t status, std::string_view body = {}) {
        return ended(evl_http_exchange_respond(exchange_, status, body.data(), body.size()));
    }
    // A part of a file; 0: up to its end. Likewise. Errors: those of evl_http_exchange_send_file.
    evloop::status send_file(std::int32_t status, evl_fd file, std::int64_t offset = 0, std::size_t len = 0) {
        const std::int32_t rc = evl_http_exchange_send_file(exchange_, status, file, offset, len);
        return rc == EVL_EBADF || rc == EVL_EMFILE ? check(rc) : ended(rc);
    }
    // Begins a response in pieces. Errors: those of evl_http_exchange_begin.
    evloop::status begin(std::int32_t status, std::int64_t length = EVL_HTTP_CHUNKED) {
        return failed(evl_http_exchange_begin(exchange_, status, length));
    }
    // Errors: those of evl_http_exchange_write.
    evloop::status write(std::string_view piece) const {
        const std::int64_t rc = evl_http_exchange_write(exchange_, piece.data(), piece.size());
        return check(rc < 0 ? static_cast<std::int32_t>(rc) : 0);
    }
    // Awaited: until little is queued.
    room_awaitable drain() const noexcept { return room_awaitable(exchange_); }
    // Ends the response, and the exchange. Errors: those of evl_http_exchange_end.
    evloop::status end() { return ended(evl_http_exchange_end(exchange_)); }

    // Another protocol: the connection. Errors: those of evl_http_exchange_upgrade.
    evloop::result<stream> upgrade(std::int32_t status = 101) {
        evl_stream *made = nullptr;
        const std::int32_t rc = evl_http_exchange_upgrade(exchange_, status, &made);
        if (rc != EVL_EINVAL)
            exchange_ = nullptr;
        if (rc < 0)
            return fail(rc);
        return stream(made);
    }
    // Ends it without a proper response.
    void abort() noexcept { evl_http_exchange_abort(std::exchange(exchange_, nullptr)); }

  private:
    // What ends it has done so with every error but a wrong argument.
    evloop::status ended(std::int32_t rc) {
        if (rc != EVL_EINVAL)
            exchange_ = nullptr;
        return check(rc);
    }
    evloop::status failed(std::int32_t rc) { return rc == 0 ? check(0) : ended(rc); }

    evl_http_exchange *exchange_ = nullptr;
};

// A server whose handler is a function that gives a task: handler(exchange). Each task runs until it awaits
// inside the call of C, so that one that does not await costs no pass. What a task throws goes to the loop's
// error hook. Destroying the server destroys its tasks and closes its connections.
class server {
  public:
    // What is called.
    using handler = std::function<task<>(exchange)>;

#if EVLOOP_EXCEPTIONS
    // On the loop of the running coroutine. Throws what evl_http_server_new returns.
    explicit server(handler fn, const server_options &options = {})
        : server(this_loop(), std::move(fn), options) {}
    server(loop_ref loop, handler fn, const server_options &options = {})
        : server(make(loop, std::move(fn), options).value()) {}
#endif
    // The same without exceptions. Errors: those of evl_http_server_new.
    static evloop::result<server> make(loop_ref loop, handler fn, const server_options &options = {}) {
        evl_http_server_options c{};
        c.struct_size = sizeof c;
        c.flags = options.flags;
        c.max_header_bytes = options.max_header_bytes;
        c.max_headers = options.max_headers;
        c.max_body = options.max_body;
        c.max_requests = options.max_requests;
        c.max_connections = options.max_connections;
        c.header_timeout_ns = options.header_timeout.count();
        c.body_timeout_ns = options.body_timeout.count();
        c.idle_timeout_ns = options.idle_timeout.count();
        c.write_timeout_ns = options.write_timeout.count();
        auto state = std::make_unique<shared>(loop, std::move(fn));
        if (const std::int32_t rc = evl_http_server_new(loop, &c, call, state.get(), &state->server); rc < 0)
            return fail(rc);
        return server(std::move(state));
    }
    server(server &&) noexcept = default;
    server &operator=(server &&) noexcept = default;

    evl_http_server *c() const noexcept { return state_ ? state_->server : nullptr; }
    // Serves what a server of streams accepts, which is taken over. Errors: those of evl_http_server_serve.
    evloop::status serve(evloop::server listener) const {
        given<evloop::server> owner(std::move(listener));
        const std::int32_t rc = evl_http_server_serve(c(), owner.c());
        if (rc == 0)
            owner.taken();
        return check(rc);
    }
    // Serves a connection, which is taken over. Errors: those of evl_http_server_add.
    evloop::status add(stream connection) const {
        given<stream> owner(std::move(connection));
        const std::int32_t rc = evl_http_server_add(c(), owner.c());
        if (rc == 0)
            owner.taken();
        return check(rc);
    }
    // Awaited: lets what is under way be finished. Give it a time limit.
    stopped_awaitable stop() const noexcept { return stopped_awaitable(c()); }
    std::int32_t connections() const noexcept { return evl_http_server_connections(c()); }
    // Ends its tasks and connections.
    void close() noexcept { state_.reset(); }

  private:
    // An owner that hands over what it has. (Not in a namespace detail, which would hide evloop's.)
    template <class Kind>
    class given : public Kind {
      public:
        explicit given(Kind owner) noexcept : Kind(std::move(owner)) {}
        // After C has taken it.
        void taken() noexcept {
            if (*this)
                this->closed();
        }
    };
    struct shared {
        shared(loop_ref loop, handler function) : fn(std::move(function)), tasks(loop) {}
        shared(const shared &) = delete;
        ~shared() { evl_http_server_close(server); }
        handler fn;
        scope tasks; // its connections are closed before
        evl_http_server *server = nullptr;
    };

    explicit server(std::unique_ptr<shared> state) noexcept : state_(std::move(state)) {}

    static task<> run(handler &fn, exchange x) { co_await fn(std::move(x)); }
    static void call(void *arg, evl_http_exchange *c) noexcept {
        auto *state = static_cast<shared *>(arg);
#if EVLOOP_EXCEPTIONS
        try {
            state->tasks.spawn(run(state->fn, exchange(c)), begin::now).detach();
        } catch (...) { // no memory: the exchange is aborted
        }
#else
        state->tasks.spawn(run(state->fn, exchange(c)), begin::now).detach();
#endif
    }

    std::unique_ptr<shared> state_;
};

} // namespace http
} // namespace evloop::inline EVLOOP_CPP_ABI
