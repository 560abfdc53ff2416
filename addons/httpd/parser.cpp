// parser.cpp - Boost.Beast's parser of requests, as C; and what it lets pass that two programs could read in
// two ways is refused here.
#include "parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <cstring>
#include <new>
#include <optional>
#include <string_view>

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using view = boost::beast::string_view;

class Request : public http::basic_parser<true> {
  public:
    Request(const httpd_events &events, void *arg) : events_(events), arg_(arg) {}

    // Where that ends which is being parsed.
    void ends(const char *to) { to_ = to; }
    // Why a callback has refused it, or 0.
    int status() const { return status_; }

  private:
    void refuse(int status, error_code &ec) {
        if (status == 0)
            return;
        status_ = status;
        ec = http::error::bad_value;
    }
    static bool all_digits(view value) {
        for (const char c : value)
            if (c < '0' || c > '9')
                return false;
        return !value.empty();
    }

    void on_request_impl(http::verb, view method, view target, int version, error_code &ec) override {
        version_ = version;
        refuse(events_.line(arg_, method.data(), method.size(), target.data(), target.size(), version), ec);
    }
    void on_response_impl(int, view, int, error_code &) override {}

    // Whether the line of a header is followed by one that begins with white space.
    bool is_folded(view name) const {
        const char *at = name.data() + name.size();
        at = static_cast<const char *>(std::memchr(at, '\n', static_cast<std::size_t>(to_ - at)));
        return !at || at + 1 == to_ || at[1] == ' ' || at[1] == '\t';
    }
    // Beast joins folded lines, lets equal lengths be repeated, and takes a request with an unknown transfer
    // coding for one without a body.
    int judge(http::field known, view name, view value) {
        if (is_folded(name))
            return 400;
        if (known == http::field::content_length)
            return length_seen_++ != 0 || !all_digits(value) ? 400 : 0;
        if (known != http::field::transfer_encoding)
            return 0;
        if (version_ < 11 || coding_seen_++ != 0)
            return 400;
        return boost::beast::iequals(value, "chunked") ? 0 : 501;
    }
    void on_field_impl(http::field known, view name, view value, error_code &ec) override {
        int status = judge(known, name, value);
        if (status == 0)
            status = events_.field(arg_, name.data(), name.size(), value.data(), value.size(), head_over_);
        refuse(status, ec);
    }
#if BOOST_VERSION >= 108800
    void on_trailer_field_impl(http::field known, view name, view value, error_code &ec) override {
        on_field_impl(known, name, value, ec);
    }
#endif
    void on_header_impl(error_code &) override { head_over_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t> &, error_code &) override {}
    std::size_t on_body_impl(view body, error_code &ec) override {
        refuse(events_.body(arg_, body.data(), body.size()), ec);
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, view, error_code &) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, view body, error_code &ec) override {
        return on_body_impl(body, ec);
    }
    void on_finish_impl(error_code &) override {}

    const httpd_events &events_;
    void *arg_;
    const char *to_ = nullptr;
    int status_ = 0, version_ = 0, length_seen_ = 0, coding_seen_ = 0;
    bool head_over_ = false;
};

// A version that is well formed and not ours, as "HTTP/2.0".
bool is_other_version(std::string_view data) {
    const std::string_view line = data.substr(0, data.find('\r'));
    const std::size_t at = line.rfind(' ');
    if (at == line.npos)
        return false;
    const std::string_view v = line.substr(at + 1);
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return v.size() == 8 && v.starts_with("HTTP/") && digit(v[5]) && v[6] == '.' && digit(v[7]) &&
           v != "HTTP/1.0" && v != "HTTP/1.1";
}

int status_of(const error_code &ec, bool in_line, std::string_view data) {
    if (ec == http::error::header_limit)
        return in_line ? 414 : 431;
    if (ec == http::error::body_limit)
        return 413;
    if (ec == http::error::bad_version && is_other_version(data))
        return 505;
    return 400;
}

} // namespace

struct httpd_parser {
    httpd_events events;
    void *arg;
    std::optional<Request> request;
    bool line_over, head_over;
};

namespace {

// As far as one call of Beast's goes.
int put_once(httpd_parser *p, const char *data, std::size_t len, std::size_t *used) {
    error_code ec;
    p->request->ends(data + len);
    *used = p->request->put(boost::asio::const_buffer(data, len), ec);
    if (p->request->status() != 0)
        return p->request->status();
    p->line_over = p->line_over || *used != 0;
    if (ec == http::error::need_more)
        return HTTPD_MORE;
    return ec ? status_of(ec, !p->line_over, {data, len}) : HTTPD_DONE;
}

} // namespace

httpd_parser *httpd_parser_new(const httpd_events *events, void *arg) {
    return new (std::nothrow) httpd_parser{*events, arg, std::nullopt, false, false};
}

void httpd_parser_free(httpd_parser *p) { delete p; }

void httpd_parser_reset(httpd_parser *p, uint32_t header_limit, uint64_t body_limit) {
    p->request.emplace(p->events, p->arg);
    p->request->header_limit(header_limit);
    p->request->body_limit(body_limit);
    p->line_over = p->head_over = false;
}

int httpd_parser_put(httpd_parser *p, const char *data, size_t len, size_t *used) {
    *used = 0;
    try {
        while (*used < len && !p->request->is_done()) {
            size_t n = 0;
            const int result = put_once(p, data + *used, len - *used, &n);
            *used += n;
            if (result != HTTPD_DONE)
                return result;
            if (p->request->is_header_done() && !p->head_over) {
                p->head_over = true;
                return HTTPD_HEAD;
            }
        }
    } catch (...) {
        return 500;
    }
    return p->request->is_done() ? HTTPD_DONE : HTTPD_MORE;
}

int httpd_parser_is_done(const httpd_parser *p) { return p->request->is_done(); }
int httpd_parser_keep_alive(const httpd_parser *p) { return p->request->keep_alive(); }
int httpd_parser_is_upgrade(const httpd_parser *p) { return p->request->upgrade(); }
int httpd_parser_has_body(const httpd_parser *p) { return !p->request->is_done(); }
