// evloop/tls.hpp - TLS for coroutines: evloop/tls.h as objects.
//
//     evloop::tls::context trusted; // a client's: whom the system trusts, every default
//     evloop::stream s = co_await evloop::tls::open_connection(trusted, "example.org", "443");
//     s.write("GET / HTTP/1.0\r\n\r\n");
//     std::string page = co_await s.read_all();
//
// A server's handler makes its streams ones of TLS: s = evloop::tls::upgrade(std::move(s), context). What
// they are then is still an evloop::stream. Part of libevloop-tls.
#pragma once

#include <evloop.hpp>
#include <evloop/tls.h>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace tls {

// evl_tls_context_options, for designated initializers. Empty texts are its NULL.
struct context_options {
    std::uint32_t flags = 0;      // EVL_TLS_*
    std::string certificate{};    // file of the own certificate, in PEM
    std::string key{};            // file of its key; empty: in the same file
    std::string ca_file{};        // file of those who are trusted
    std::string ca_path{};        // directory of them; both empty: the system's
    std::string alpn{};           // "h2,http/1.1"
    std::string ciphers{};        // of TLS 1.2
    std::int32_t min_version = 0; // EVL_TLS_1_2, EVL_TLS_1_3
    std::int32_t max_version = 0; // likewise
};

// What many connections have in common. Copies refer to the same one.
class context {
  public:
#if EVLOOP_EXCEPTIONS
    // Throws what evl_tls_context_new returns.
    context(const context_options &options = {}) : context(make(options).value()) {}
#endif
    // The same without exceptions. Errors: those of evl_tls_context_new.
    static result<context> make(const context_options &options = {}) noexcept {
        const auto text = [](const std::string &s) { return s.empty() ? nullptr : s.c_str(); };
        evl_tls_context_options c{};
        c.struct_size = sizeof c;
        c.flags = options.flags;
        c.certificate = text(options.certificate);
        c.key = text(options.key);
        c.ca_file = text(options.ca_file);
        c.ca_path = text(options.ca_path);
        c.alpn = text(options.alpn);
        c.ciphers = text(options.ciphers);
        c.min_version = options.min_version;
        c.max_version = options.max_version;
        evl_tls_context *made = nullptr;
        if (const std::int32_t rc = evl_tls_context_new(&c, &made); rc < 0)
            return fail(rc);
        return context(made);
    }
    // Takes over a reference.
    explicit context(evl_tls_context *made) noexcept : context_(made) {}
    context(const context &other) noexcept : context_(evl_tls_context_ref(other.context_)) {}
    context(context &&other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
    context &operator=(context other) noexcept {
        std::swap(context_, other.context_);
        return *this;
    }
    ~context() { evl_tls_context_unref(context_); }

    // A server's certificate for another name; see evl_tls_context_add_name.
    status add_name(const std::string &name, const context &other) {
        return check(evl_tls_context_add_name(context_, name.c_str(), other.context_));
    }
    evl_tls_context *c() const noexcept { return context_; }

  private:
    evl_tls_context *context_ = nullptr;
};

// How to connect.
struct connect_options {
    std::string_view server_name{};      // whom the certificate must name; empty: the host
    std::chrono::nanoseconds timeout{0}; // for connecting and handshake together; 0: no limit
};

// Awaited: the stream, when the handshake is over. Cancelled, it ends everything at once.
class [[nodiscard("co_await it")]] connect_awaitable : public op_awaitable<connect_awaitable, stream> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "TLS connect";
    connect_awaitable(context with, std::string host, std::string service, const connect_options &options)
        : context_(std::move(with)), host_(std::move(host)), service_(std::move(service)),
          server_name_(options.server_name), timeout_(options.timeout) {}
    connect_awaitable(connect_awaitable &&other) noexcept
        : op_awaitable(), context_(std::move(other.context_)), host_(std::move(other.host_)),
          service_(std::move(other.service_)), server_name_(std::move(other.server_name_)),
          timeout_(other.timeout_), future_(std::exchange(other.future_, nullptr)) {}
    ~connect_awaitable() {
        if (future_)
            (void)evl_future_cancel(future_);
        evl_future_unref(future_);
    }

    // For the task that awaits it.
    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        evl_tls_options c{};
        c.struct_size = sizeof c;
        c.server_name = server_name_.empty() ? nullptr : server_name_.c_str();
        c.timeout_ns = timeout_.count();
        std::int32_t rc = 0;
        if (!future_)
            rc = evl_tls_connect(loop, context_.c(), host_.c_str(), service_.c_str(), &c, &future_);
        return rc < 0 ? rc : evl_future_wait(future_, op);
    }
    // Likewise: what the future has, 0 or its error.
    std::int64_t settle(std::int64_t) noexcept {
        void *value = nullptr;
        return evl_future_pointer(future_, &value);
    }
    // Likewise.
    bool cancel() noexcept { return evl_future_cancel(future_) == 1; }
    // Likewise.
    stream finish(std::int64_t) noexcept {
        void *value = nullptr;
        (void)evl_future_take(future_, &value);
        return stream(static_cast<evl_stream *>(value));
    }

  private:
    context context_;
    std::string host_, service_, server_name_;
    std::chrono::nanoseconds timeout_;
    evl_future *future_ = nullptr;
};

// Connects to a host and a service, and shakes hands. Errors: those of evl_tls_connect's future.
inline connect_awaitable open_connection(context with, std::string host, std::string service,
                                         const connect_options &options = {}) {
    return {std::move(with), std::move(host), std::move(service), options};
}
// The same with a port number.
inline connect_awaitable open_connection(context with, std::string host, std::uint16_t port,
                                         const connect_options &options = {}) {
    return {std::move(with), std::move(host), std::to_string(port), options};
}

// Turns a stream into one of TLS: a connection that a server has taken, or after STARTTLS. A client says whom
// the certificate must name. The handshake begins; what is written and read waits for it. Errors: those of
// evl_tls_upgrade, with which the stream was closed.
inline result<stream> try_upgrade(stream plain, const context &with, const std::string &server_name = {}) {
    struct taken : stream {
        explicit taken(stream &&s) noexcept : stream(std::move(s)) {}
        using stream::closed; // by C
    } from(std::move(plain));
    evl_tls_options c{};
    c.struct_size = sizeof c;
    c.server_name = server_name.empty() ? nullptr : server_name.c_str();
    evl_stream *made = nullptr;
    const std::int32_t rc = evl_tls_upgrade(from.c(), with.c(), &c, &made);
    if (rc == 0 || (rc == EVL_ENOMEM && from))
        from.closed();
    if (rc < 0)
        return fail(rc);
    return stream(made);
}
#if EVLOOP_EXCEPTIONS
// The same, and throws.
inline stream upgrade(stream plain, const context &with, const std::string &server_name = {}) {
    return try_upgrade(std::move(plain), with, server_name).value();
}
#endif

// Awaited: until the handshake is over. Errors: those of evl_tls_handshake.
inline stream_awaitable handshake(const stream &s) noexcept { return {s.c(), evl_tls_handshake}; }

// What was agreed on; see evl_tls_info.
struct info {
    bool ready = false;       // the handshake is over, and the rest is set
    std::int32_t version = 0; // EVL_TLS_1_2, EVL_TLS_1_3
    bool resumed = false;     // a session was resumed
    bool verified = false;    // the peer has a certificate, and it was verified
    std::int32_t error = 0;   // why reading failed, else writing, or 0
    std::string cipher;       // as OpenSSL writes it
    std::string alpn;         // the application protocol, or nothing
    std::string server_name;  // what the client asked for, or nothing
    std::string reason;       // why a handshake failed, in OpenSSL's words, or nothing
};

// What was agreed on with a stream's peer; of one that is not of TLS, nothing.
inline info info_of(const stream &s) {
    evl_tls_info c{};
    c.struct_size = sizeof c;
    if (evl_tls_get_info(s.c(), &c) < 0)
        return {};
    return {c.ready != 0, c.version, c.resumed != 0, c.verified != 0, c.error,
            c.cipher,     c.alpn,    c.server_name,  c.reason};
}

} // namespace tls
} // namespace evloop::inline EVLOOP_CPP_ABI
