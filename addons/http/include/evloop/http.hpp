// evloop/http.hpp - HTTP for coroutines: evloop/http.h as objects.
//
//     evloop::http::session web({.max_fetches = 20});
//     evloop::http::response r = co_await web.get("https://example.org/");
//     if (r.status() == 200)
//         use(std::string(r.body()));
//
//     r = co_await web.open("https://example.org/large"); // its headers are there
//     auto pieces = r.pieces();
//     while (std::string *piece = co_await pieces.next())
//         use(*piece);
//
// An await that fails throws std::system_error with the C code, such as EVL_ETLS_EXPIRED; one that is
// cancelled, or destroyed, ends its fetch. Part of libevloop-http.
#pragma once

#include <evloop.hpp>
#include <evloop/http.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace http {

// evl_http_session_options, for designated initializers. Of texts nullptr is the default.
struct session_options {
    std::uint32_t flags = 0;                     // EVL_HTTP_COOKIES, ...
    std::uint32_t max_fetches = 0;               // at once; 0: no limit
    std::uint32_t max_connections = 0;           // likewise
    std::uint32_t max_host_connections = 0;      // to one host and port; likewise
    std::uint32_t max_idle = 0;                  // connections kept for later; 0: libcurl's default
    const char *proxy = nullptr;                 // "http://proxy:3128"; "": none
    const char *no_proxy = nullptr;              // hosts that are reached without
    const char *ca_file = nullptr;               // file of those who are trusted, in PEM
    const char *ca_path = nullptr;               // directory of them
    const char *certificate = nullptr;           // file of the own certificate
    const char *key = nullptr;                   // file of its key
    const char *user_agent = nullptr;            // "": none
    std::chrono::nanoseconds connect_timeout{0}; // for a request that has none of its own
    std::chrono::nanoseconds stall_timeout{0};   // likewise
    std::chrono::nanoseconds timeout{0};         // likewise
    std::uint64_t max_body = 0;                  // likewise
    std::int32_t max_redirects = 0;              // likewise
};

// evl_http_request_options without the URL. Everything is copied by the call that gets them.
struct request_options {
    std::uint32_t flags = 0;        // EVL_HTTP_STREAM, EVL_HTTP_UPLOAD
    const char *method = nullptr;   // nullptr: GET, or POST with a body
    std::string_view headers{};     // lines: "Accept: text/html\nRange: bytes=0-99"
    std::string_view body{};        // to be sent
    std::uint64_t body_size = 0;    // with EVL_HTTP_UPLOAD: how much will be written; 0: unknown
    std::int32_t max_redirects = 0; // 0: the session's, or 10; -1: none
    std::uint64_t max_body = 0;     // 0: the session's, or 64 MiB
    std::chrono::nanoseconds connect_timeout{
        0};                                    // finding the host, connecting, TLS; 0: the session's, or 30 s
    std::chrono::nanoseconds stall_timeout{0}; // to the first byte, and between two; 0: the session's
    std::chrono::nanoseconds timeout{0};       // the whole fetch; 0: the session's
};

// Awaits the next bytes of a body: how many there are, 0 at its end.
class wait_awaitable : public op_awaitable<wait_awaitable, std::size_t> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP body";
    explicit wait_awaitable(evl_http_request *request) noexcept : request_(request) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_http_wait(request_, op); }
    std::size_t finish(std::int64_t n) noexcept { return static_cast<std::size_t>(n); }

  private:
    evl_http_request *request_;
};

// Awaits room for more of a request's body.
class drain_awaitable : public op_awaitable<drain_awaitable> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP drain";
    explicit drain_awaitable(evl_http_request *request) noexcept : request_(request) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_http_drain(request_, op); }

  private:
    evl_http_request *request_;
};

// Awaits a fetch: its status.
class status_awaitable : public op_awaitable<status_awaitable, std::int32_t> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP fetch";
    explicit status_awaitable(evl_http_request *request) noexcept : request_(request) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_http_fetch(request_, op); }
    std::int32_t finish(std::int64_t n) noexcept { return static_cast<std::int32_t>(n); }

  private:
    evl_http_request *request_;
};

// What came back. What it returns as a view is valid until it is destroyed, moved to or consumed.
class response {
  public:
    response() = default;
    // Takes over a request of C.
    explicit response(evl_http_request *request) noexcept : request_(request) {}
    response(response &&other) noexcept : request_(std::exchange(other.request_, nullptr)) {}
    response &operator=(response &&other) noexcept {
        response old(std::move(other));
        std::swap(request_, old.request_);
        return *this;
    }
    ~response() { evl_http_request_free(request_); }

    explicit operator bool() const noexcept { return request_ != nullptr; }
    evl_http_request *c() const noexcept { return request_; }

    // The status: 200. 0: there is none yet.
    std::int32_t status() const noexcept { return evl_http_status(request_); }
    // The first header with this name, in any case; empty: there is none.
    std::string_view header(const char *field) const noexcept {
        const char *value = evl_http_header(request_, field);
        return value ? std::string_view(value) : std::string_view();
    }
    // All of them, in the order in which they came.
    std::vector<std::pair<std::string_view, std::string_view>> headers() const {
        std::vector<std::pair<std::string_view, std::string_view>> all;
        const char *field = nullptr, *value = nullptr;
        for (std::int32_t i = 0; evl_http_header_at(request_, i, &field, &value) == 0; i++)
            all.emplace_back(field, value);
        return all;
    }
    // The body; of one in pieces, what has come and was not consumed.
    std::string_view body() const noexcept {
        std::size_t len = 0;
        const char *data = evl_http_body(request_, &len);
        return {data, len};
    }
    // How the fetch went; see evl_http_info.
    evl_http_info info() const noexcept {
        evl_http_info info{};
        info.struct_size = sizeof info;
        (void)evl_http_get_info(request_, &info);
        return info;
    }

    // Awaited: how many bytes of a body in pieces can be read, 0 at its end. Errors: those of evl_http_wait.
    wait_awaitable wait() const noexcept { return wait_awaitable(request_); }
    // Removes bytes from the front of the body.
    void consume(std::size_t n) const noexcept { (void)evl_http_consume(request_, n); }
#if EVLOOP_EXCEPTIONS
    // The rest of the body, piece by piece, of a response of open(); that of get() has its body() already,
    // and fails with EVL_EINVAL. This object has to stay.
    async_generator<std::string> pieces() const { return pieces_of(request_); }
#endif
    // Ends a fetch that is under way.
    void abort() const noexcept { evl_http_abort(request_); }

  private:
#if EVLOOP_EXCEPTIONS
    static async_generator<std::string> pieces_of(evl_http_request *request) {
        while (co_await wait_awaitable(request) != 0) {
            std::size_t len = 0;
            const char *data = evl_http_body(request, &len);
            std::string piece(data, len);
            (void)evl_http_consume(request, len);
            co_yield std::move(piece);
        }
    }
#endif
    evl_http_request *request_ = nullptr;
};

// A request that is fetched more than once, or whose body is written in pieces; and what came back.
class request : public response {
  public:
    using response::response;

    // Awaited: the status. Errors: those of evl_http_fetch.
    status_awaitable fetch() const noexcept { return status_awaitable(c()); }
    // Queues a piece of the body; how much is queued now. Errors: those of evl_http_write.
    std::int64_t write(bytes piece) const {
        return check_number(evl_http_write(c(), piece.data(), piece.size()));
    }
    // Ends the body.
    evloop::status write_eof() const { return check(evl_http_write_eof(c())); }
    // Awaited: until less than 64 KiB is queued.
    drain_awaitable drain() const noexcept { return drain_awaitable(c()); }
};

// Awaited: the response. Cancelled or destroyed, it ends the fetch.
class fetch_awaitable : public op_awaitable<fetch_awaitable, response> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "HTTP fetch";
    explicit fetch_awaitable(evloop::result<request> made) noexcept : code_(made.code()) {
        if (made)
            response_ = *std::move(made);
    }
    // For the task that awaits it.
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        if (code_ < 0)
            return code_;
        return response_ ? evl_http_fetch(response_.c(), op) : EVL_EALREADY;
    }
    // Likewise.
    response finish(std::int64_t) noexcept { return std::move(response_); }

  private:
    response response_;
    std::int32_t code_;
};

// What requests have in common: connections that are kept, limits, cookies.
class session {
  public:
#if EVLOOP_EXCEPTIONS
    // On the loop of the running coroutine. Throws what evl_http_session_new returns.
    explicit session(const session_options &options = {}) : session(this_loop(), options) {}
    explicit session(loop_ref loop, const session_options &options = {})
        : session(make(loop, options).value()) {}
#endif
    // The same without exceptions. Errors: those of evl_http_session_new.
    static evloop::result<session> make(loop_ref loop, const session_options &options = {}) noexcept {
        evl_http_session_options c{};
        c.struct_size = sizeof c;
        c.flags = options.flags;
        c.max_fetches = options.max_fetches;
        c.max_connections = options.max_connections;
        c.max_host_connections = options.max_host_connections;
        c.max_idle = options.max_idle;
        c.proxy = options.proxy;
        c.no_proxy = options.no_proxy;
        c.ca_file = options.ca_file;
        c.ca_path = options.ca_path;
        c.certificate = options.certificate;
        c.key = options.key;
        c.user_agent = options.user_agent;
        c.connect_timeout_ns = options.connect_timeout.count();
        c.stall_timeout_ns = options.stall_timeout.count();
        c.timeout_ns = options.timeout.count();
        c.max_body = options.max_body;
        c.max_redirects = options.max_redirects;
        evl_http_session *made = nullptr;
        if (const std::int32_t rc = evl_http_session_new(loop, &c, &made); rc < 0)
            return fail(rc);
        return session(made);
    }
    // Takes over a session of C.
    explicit session(evl_http_session *made) noexcept : session_(made) {}
    session(session &&other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
    session &operator=(session &&other) noexcept {
        session old(std::move(other));
        std::swap(session_, old.session_);
        return *this;
    }
    ~session() { close(); }

    evl_http_session *c() const noexcept { return session_; }
    // Ends its fetches, which fail with EVL_ECLOSED.
    void close() noexcept { evl_http_session_close(std::exchange(session_, nullptr)); }

    // Awaited: the response, with its body. Errors: those of evl_http_request_new and evl_http_fetch.
    fetch_awaitable fetch(const char *url, const request_options &options = {}) const noexcept {
        return fetch_awaitable(try_prepare(url, options));
    }
    fetch_awaitable fetch(const std::string &url, const request_options &options = {}) const noexcept {
        return fetch(url.c_str(), options);
    }
    // The same by its usual names.
    fetch_awaitable get(const char *url, const request_options &options = {}) const noexcept {
        return fetch(url, options);
    }
    fetch_awaitable get(const std::string &url, const request_options &options = {}) const noexcept {
        return fetch(url.c_str(), options);
    }
    fetch_awaitable post(const char *url, std::string_view body,
                         const request_options &options = {}) const noexcept {
        request_options with = options;
        with.method = "POST";
        with.body = body;
        return fetch(url, with);
    }
    fetch_awaitable post(const std::string &url, std::string_view body,
                         const request_options &options = {}) const noexcept {
        return post(url.c_str(), body, options);
    }
    // Awaited: the response when its headers are there; its body comes in pieces.
    fetch_awaitable open(const char *url, const request_options &options = {}) const noexcept {
        request_options with = options;
        with.flags |= EVL_HTTP_STREAM;
        return fetch(url, with);
    }
    fetch_awaitable open(const std::string &url, const request_options &options = {}) const noexcept {
        return open(url.c_str(), options);
    }

    // A request to be fetched later. Errors: those of evl_http_request_new.
    evloop::result<request> try_prepare(const char *url, const request_options &options = {}) const {
        std::string text(options.headers); // each line ended by a 0
        const std::vector<const char *> headers = lines_of(text);
        evl_http_request_options c{};
        c.struct_size = sizeof c;
        c.flags = options.flags;
        c.url = url;
        c.method = options.method;
        c.headers = headers.data();
        c.headers_count = static_cast<std::uint32_t>(headers.size());
        c.max_redirects = options.max_redirects;
        c.body = options.body.empty() ? nullptr : options.body.data();
        c.body_size = options.body.empty() ? options.body_size : options.body.size();
        c.max_body = options.max_body;
        c.connect_timeout_ns = options.connect_timeout.count();
        c.stall_timeout_ns = options.stall_timeout.count();
        c.timeout_ns = options.timeout.count();
        evl_http_request *made = nullptr;
        if (const std::int32_t rc = evl_http_request_new(session_, &c, &made); rc < 0)
            return fail(rc);
        return request(made);
    }
#if EVLOOP_EXCEPTIONS
    // The same, and throws.
    request prepare(const char *url, const request_options &options = {}) const {
        return try_prepare(url, options).value();
    }
#endif

  private:
    static std::vector<const char *> lines_of(std::string &text) {
        std::vector<const char *> all;
        for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
            end = std::min(text.find('\n', at), text.size());
            text[end] = '\0'; // that behind the last one is one
            if (end > at && text[end - 1] == '\r')
                text[end - 1] = '\0';
            if (text[at] != '\0')
                all.push_back(text.c_str() + at);
        }
        return all;
    }
    evl_http_session *session_ = nullptr;
};

} // namespace http
} // namespace evloop::inline EVLOOP_CPP_ABI
