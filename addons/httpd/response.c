/* response.c - what is sent back. */
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *reason_of(int status) {
    static const struct {
        int status;
        const char *reason;
    } all[] = {
        {200, "OK"},
        {101, "Switching Protocols"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].status == status)
            return all[i].reason;
    return "";
}

/* --- the end of an exchange ------------------------------------------------------------------- */

void httpd_response_reset(httpd_connection *c) {
    httpd_bytes_clear(&c->lines);
    c->responding = c->chunked = c->no_body = c->own_date = false;
    c->left = 0;
}

/* For the next request. */
static void begin_again(httpd_connection *c) {
    httpd_request_reset(c);
    httpd_response_reset(c);
    httpd_connection_deadline(c, c->server->o.idle_timeout_ns);
    if (!c->in_data || c->out.end > HTTPD_MARK)
        (void)httpd_connection_send(c);
    httpd_connection_go_on(c);
}

/* The response is complete, and the program has let go of the exchange. */
static void finish(httpd_connection *c) {
    c->held = c->finishing = false;
    (void)evl_waitq_wake(&c->reading, -1, EVL_ECLOSED);
    (void)evl_waitq_wake(&c->gone, -1, EVL_ECLOSED);
    if (c->stream && c->keep && c->body_over)
        begin_again(c);
    else
        httpd_connection_close(c, EVL_ECLOSED, false);
    httpd_connection_unref(c);
}

static int32_t fail(httpd_connection *c, int32_t error) {
    httpd_connection_close(c, error, true);
    finish(c);
    return error;
}

/* --- headers ---------------------------------------------------------------------------------- */

static bool is_token(const char *name) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    const char *p = name;
    for (; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z');
        if (!plain && !strchr(others, *p))
            return false;
    }
    return p != name;
}

static bool is_value(const char *value) {
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if ((*p < 32 && *p != '\t') || *p == 127)
            return false;
    return true;
}

static bool is_ours(const char *name, const char *value) {
    if (strcasecmp(name, "connection") == 0)
        return strcasecmp(value, "close") != 0;
    return strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0;
}

int32_t evl_http_exchange_add_header(evl_http_exchange *c, const char *name, const char *value) {
    if (!c || !name || !value || !c->held || !is_token(name) || !is_value(value) || is_ours(name, value))
        return EVL_EINVAL;
    if (c->responding && c->sized)
        return EVL_EINVAL;
    if (strcasecmp(name, "connection") == 0) {
        c->keep = false;
        return 0;
    }
    c->own_date = c->own_date || strcasecmp(name, "date") == 0;
    size_t end = c->lines.end;
    bool good = httpd_bytes_text(&c->lines, name) && httpd_bytes_add(&c->lines, ": ", 2) &&
                httpd_bytes_text(&c->lines, value) && httpd_bytes_add(&c->lines, "\r\n", 2);
    if (!good)
        c->lines.end = end;
    return good ? 0 : EVL_ENOMEM;
}

static bool add_line(httpd_connection *c, int status) {
    char line[64];
    int n = snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    return httpd_bytes_add(&c->out, line, (size_t)n) &&
           (c->own_date || httpd_bytes_text(&c->out, httpd_date(c->server)));
}

static bool add_length(httpd_connection *c, int64_t length) {
    char line[64];
    if (c->chunked)
        return httpd_bytes_text(&c->out, "Transfer-Encoding: chunked\r\n");
    if (length < 0)
        return true;
    int n = snprintf(line, sizeof line, "Content-Length: %lld\r\n", (long long)length);
    return httpd_bytes_add(&c->out, line, (size_t)n);
}

static bool add_connection(httpd_connection *c) {
    if (!c->keep)
        return httpd_bytes_text(&c->out, "Connection: close\r\n");
    return c->version >= 11 || httpd_bytes_text(&c->out, "Connection: keep-alive\r\n");
}

/* Up to the empty line. length: EVL_HTTP_CHUNKED if it is not known. */
static bool add_head(httpd_connection *c, int status, int64_t length) {
    bool without = status == 204 || status == 304;
    c->responding = true;
    c->no_body = without || c->head;
    c->chunked = length < 0 && c->version >= 11 && !without;
    if ((length < 0 && !c->chunked && !c->no_body) || !c->body_over || c->server->stopping)
        c->keep = false;
    c->sized = length >= 0;
    c->left = length < 0 || c->no_body ? 0 : (uint64_t)length;
    bool good = add_line(c, status) && httpd_bytes_add(&c->out, c->lines.data, c->lines.end) &&
                add_length(c, without ? -1 : length) && add_connection(c) &&
                httpd_bytes_add(&c->out, "\r\n", 2);
    httpd_bytes_clear(&c->lines); /* from now on of trailers */
    return good;
}

/* A connection that is lost comes before what was begun on it: one call that ends the exchange is enough,
 * whichever it is, also when the server itself has refused the rest of a request. */
static bool is_allowed(const httpd_connection *c, int32_t status) {
    return c && c->held && (!c->responding || !c->stream) && status >= 200 && status <= 999;
}

/* --- at once ---------------------------------------------------------------------------------- */

/* What is in `out`, and a piece that is not copied if it can be sent. */
static int32_t send_with(httpd_connection *c, const void *data, size_t len, const char *behind) {
    evl_buf bufs[3] = {{c->out.data, c->out.end}, {data, len}, {behind, strlen(behind)}};
    int64_t rc = evl_stream_writev(c->stream, bufs, 3);
    httpd_bytes_clear(&c->out);
    return rc < 0 ? (int32_t)rc : httpd_connection_send(c);
}

/* A body, or a piece of one. */
static int32_t put(httpd_connection *c, const void *data, size_t len, const char *behind) {
    if (len > HTTPD_COPY_MAX)
        return send_with(c, data, len, behind);
    if (!httpd_bytes_add(&c->out, data, len) || !httpd_bytes_text(&c->out, behind))
        return EVL_ENOMEM;
    return c->in_data && c->out.end <= HTTPD_MARK ? 0 : httpd_connection_send(c);
}

int32_t evl_http_exchange_respond(evl_http_exchange *c, int32_t status, const void *body, size_t len) {
    if (!is_allowed(c, status) || (!body && len != 0))
        return EVL_EINVAL;
    if (!c->stream)
        return fail(c, c->error);
    if (!add_head(c, status, (int64_t)len))
        return fail(c, EVL_ENOMEM);
    int32_t rc = c->no_body || len == 0 ? 0 : put(c, body, len, "");
    if (rc != 0)
        return fail(c, rc);
    finish(c);
    return 0;
}

/* --- in pieces -------------------------------------------------------------------------------- */

/* Outside of the stream's callback, which sends at its end. */
static int32_t send_now(httpd_connection *c) { return c->in_data ? 0 : httpd_connection_send(c); }

int32_t evl_http_exchange_begin(evl_http_exchange *c, int32_t status, int64_t length) {
    if (!is_allowed(c, status) || length < EVL_HTTP_CHUNKED)
        return EVL_EINVAL;
    if (!c->stream)
        return c->error;
    int32_t rc = add_head(c, status, length) ? send_now(c) : EVL_ENOMEM;
    if (rc != 0)
        httpd_connection_close(c, rc, true);
    return rc;
}

int64_t evl_http_exchange_write(evl_http_exchange *c, const void *data, size_t len) {
    char line[32];
    int32_t rc;
    if (!c || !c->held || (!data && len != 0))
        return EVL_EINVAL;
    if (!c->stream)
        return c->error;
    if (!c->responding)
        return EVL_EINVAL;
    if (c->no_body || len == 0)
        return (int64_t)len;
    if (c->chunked) {
        int n = snprintf(line, sizeof line, "%zx\r\n", len);
        rc = httpd_bytes_add(&c->out, line, (size_t)n) ? put(c, data, len, "\r\n") : EVL_ENOMEM;
    } else {
        if (c->sized && len > c->left)
            return EVL_EINVAL;
        c->left -= c->sized ? len : 0;
        rc = put(c, data, len, "");
    }
    if (rc != 0)
        httpd_connection_close(c, rc, true);
    return rc != 0 ? rc : (int64_t)len;
}

int32_t evl_http_exchange_drain(evl_http_exchange *c, evl_op *op) {
    if (!c || !op)
        return EVL_EINVAL;
    int32_t rc = httpd_connection_send(c);
    return rc != 0 ? rc : evl_stream_drain(c->stream, op);
}

int32_t evl_http_exchange_end(evl_http_exchange *c) {
    if (!c || !c->held || (!c->responding && c->stream))
        return EVL_EINVAL;
    if (!c->stream)
        return fail(c, c->error);
    if (c->left != 0)
        c->keep = false;
    if (c->chunked && !c->no_body) {
        bool good = httpd_bytes_add(&c->out, "0\r\n", 3) &&
                    httpd_bytes_add(&c->out, c->lines.data, c->lines.end) &&
                    httpd_bytes_add(&c->out, "\r\n", 2);
        int32_t rc = good ? send_now(c) : EVL_ENOMEM;
        if (rc != 0)
            return fail(c, rc);
    }
    finish(c);
    return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static void on_file(void *arg, int64_t result) {
    httpd_connection *c = arg;
    httpd_response_file_off(c);
    if (result == c->file_len)
        finish(c);
    else /* which finishes it */
        httpd_connection_close(c, result < 0 ? (int32_t)result : EVL_EIO, true);
}

int32_t httpd_response_init(httpd_connection *c) { return evl_op_init(&c->file, on_file, c, 0); }

void httpd_response_file_off(httpd_connection *c) {
    (void)evl_op_close(&c->file);
    if (c->file_fd >= 0)
        (void)close(c->file_fd);
    c->file_fd = -1;
}

/* How much of it there is; negative: an error. */
static int64_t part_of(evl_fd file, int64_t offset, size_t len) {
    struct stat st;
    if (fstat(file, &st) != 0)
        return EVL_EBADF;
    if (!S_ISREG(st.st_mode) || offset < 0 || offset > st.st_size)
        return EVL_EINVAL;
    uint64_t rest = (uint64_t)(st.st_size - offset);
    if (len > rest)
        return EVL_EINVAL;
    return len != 0 ? (int64_t)len : (int64_t)rest;
}

static int32_t start_file(httpd_connection *c, int64_t offset, int64_t len) {
    int32_t rc = httpd_connection_send(c);
    if (rc == 0)
        rc = evl_stream_sendfile(c->stream, &c->file, c->file_fd, offset, (size_t)len);
    if (rc != 0)
        return fail(c, rc);
    c->file_len = len;
    c->held = false;
    c->finishing = true;
    httpd_connection_wait(c);
    return 0;
}

int32_t evl_http_exchange_send_file(evl_http_exchange *c, int32_t status, evl_fd file, int64_t offset,
                                    size_t len) {
    if (!is_allowed(c, status))
        return EVL_EINVAL;
    int64_t part = part_of(file, offset, len);
    if (part < 0)
        return (int32_t)part;
    evl_fd copy = fcntl(file, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return EVL_EMFILE;
    c->file_fd = copy;
    if (!c->stream || !add_head(c, status, part)) {
        httpd_response_file_off(c);
        return fail(c, c->stream ? EVL_ENOMEM : c->error);
    }
    if (!c->no_body && part != 0)
        return start_file(c, offset, part);
    httpd_response_file_off(c);
    finish(c);
    return 0;
}

/* --- without the program ---------------------------------------------------------------------- */

void httpd_response_continue(httpd_connection *c) {
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!c->expects)
        return;
    c->expects = false;
    if (c->responding || httpd_bytes_size(&c->body) != 0)
        return;
    if (!httpd_bytes_add(&c->out, line, sizeof line - 1))
        httpd_connection_close(c, EVL_ENOMEM, true);
    else if (!c->in_data)
        (void)httpd_connection_send(c);
}

void httpd_response_refuse(httpd_connection *c, int status) {
    char text[64];
    int n = snprintf(text, sizeof text, "%d %s\n", status, reason_of(status));
    int32_t error = status == 408 ? EVL_ETIMEDOUT : EVL_EPROTO;
    if (c->responding) {
        httpd_connection_close(c, error, true);
        return;
    }
    c->keep = c->own_date = c->head = false;
    httpd_bytes_clear(&c->lines);
    bool good = httpd_bytes_text(&c->lines, "Content-Type: text/plain\r\n") && add_head(c, status, n) &&
                httpd_bytes_add(&c->out, text, (size_t)n);
    httpd_connection_close(c, error, !good);
}

/* --- other ends ------------------------------------------------------------------------------- */

int32_t evl_http_exchange_upgrade(evl_http_exchange *c, int32_t status, evl_stream **out) {
    if (out)
        *out = NULL;
    if (!out || !c || !c->held || (status != 101 && (status < 200 || status > 299)))
        return EVL_EINVAL;
    if (!c->stream)
        return fail(c, c->error);
    if (c->responding || !c->body_over)
        return EVL_EINVAL;
    bool good = add_line(c, status) && httpd_bytes_add(&c->out, c->lines.data, c->lines.end) &&
                (status != 101 || httpd_bytes_text(&c->out, "Connection: Upgrade\r\n")) &&
                httpd_bytes_add(&c->out, "\r\n", 2);
    if (!good)
        return fail(c, EVL_ENOMEM);
    int32_t rc = httpd_connection_send(c);
    if (rc == 0 && c->in_data && c->input_len != 0)
        rc = evl_stream_unread(c->stream, c->input, c->input_len);
    if (rc != 0)
        return fail(c, rc);
    *out = c->stream;
    httpd_connection_detach(c);
    finish(c);
    return 0;
}

void evl_http_exchange_abort(evl_http_exchange *c) {
    if (!c || !c->held)
        return;
    if (!c->responding && c->stream) {
        c->keep = false;
        (void)evl_http_exchange_respond(c, 500, "500 Internal Server Error\n", 26);
    } else
        (void)fail(c, EVL_ECANCELED);
}
