/* request.c - a request as it comes, and what the program asks about it. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- what the parser finds -------------------------------------------------------------------- */

static bool text(httpd_connection *c, const char *data, size_t len, size_t *where) {
    *where = c->texts.end;
    return httpd_bytes_add(&c->texts, data, len) && httpd_bytes_add(&c->texts, "", 1);
}

static int on_line(void *arg, const char *method, size_t method_len, const char *target, size_t target_len,
                   int version) {
    httpd_connection *c = arg;
    c->version = version;
    c->head = method_len == 4 && memcmp(method, "HEAD", 4) == 0;
    if (!text(c, method, method_len, &c->method) || !text(c, target, target_len, &c->target))
        return 500;
    return c->texts.end > c->server->o.max_header_bytes ? 414 : 0;
}

static bool one_more_header(httpd_connection *c) {
    if (c->headers_count < c->headers_cap)
        return true;
    uint32_t cap = c->headers_cap != 0 ? c->headers_cap * 2 : 16;
    httpd_header *headers = realloc(c->headers, cap * sizeof *headers);
    if (!headers)
        return false;
    c->headers = headers;
    c->headers_cap = cap;
    return true;
}

static int on_field(void *arg, const char *name, size_t name_len, const char *value, size_t value_len,
                    int trailer) {
    httpd_connection *c = arg;
    const evl_http_server_options *o = &c->server->o;
    if (c->headers_count >= o->max_headers || c->texts.end + name_len + value_len > o->max_header_bytes)
        return 431;
    if (!one_more_header(c))
        return 500;
    httpd_header *h = &c->headers[c->headers_count];
    if (!text(c, name, name_len, &h->name) || !text(c, value, value_len, &h->value))
        return 500;
    h->trailer = trailer != 0;
    c->headers_count++;
    if (!trailer && name_len == 4 && strcasecmp(c->texts.data + h->name, "host") == 0)
        c->hosts++;
    return 0;
}

static int on_body(void *arg, const char *data, size_t len) {
    httpd_connection *c = arg;
    return httpd_bytes_add(&c->body, data, len) ? 0 : 500;
}

const httpd_events httpd_request_events = {on_line, on_field, on_body};

void httpd_request_reset(httpd_connection *c) {
    const evl_http_server_options *o = &c->server->o;
    httpd_bytes_clear(&c->texts);
    httpd_bytes_clear(&c->body);
    c->headers_count = c->hosts = 0;
    c->begun = c->timed = c->head_over = c->body_over = c->expects = false;
    httpd_parser_reset(c->parser, o->max_header_bytes, o->max_body);
}

int httpd_request_check(httpd_connection *c) {
    if (c->hosts > 1 || (c->version >= 11 && c->hosts == 0))
        return 400;
    const char *expect = c->version >= 11 ? httpd_request_find(c, "Expect", false) : NULL;
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return 417;
    c->expects = expect && httpd_parser_has_body(c->parser);
    return 0;
}

/* Something of the body has come, or its end. */
void httpd_request_wake(httpd_connection *c) {
    size_t size = httpd_bytes_size(&c->body);
    if (size != 0 || c->body_over)
        (void)evl_waitq_wake(&c->reading, -1, (int64_t)size);
}

/* --- what the program asks -------------------------------------------------------------------- */

const char *httpd_request_find(const httpd_connection *c, const char *name, bool trailer) {
    for (uint32_t i = 0; i < c->headers_count; i++)
        if (c->headers[i].trailer == trailer && strcasecmp(c->texts.data + c->headers[i].name, name) == 0)
            return c->texts.data + c->headers[i].value;
    return NULL;
}

const char *evl_http_exchange_method(const evl_http_exchange *c) {
    return c ? c->texts.data + c->method : "";
}

const char *evl_http_exchange_target(const evl_http_exchange *c) {
    return c ? c->texts.data + c->target : "";
}

int32_t evl_http_exchange_version(const evl_http_exchange *c) { return c ? c->version : 0; }

const char *evl_http_exchange_header(const evl_http_exchange *c, const char *name) {
    return c && name ? httpd_request_find(c, name, false) : NULL;
}

const char *evl_http_exchange_trailer(const evl_http_exchange *c, const char *name) {
    return c && name && c->body_over ? httpd_request_find(c, name, true) : NULL;
}

int32_t evl_http_exchange_header_count(const evl_http_exchange *c) {
    return c ? (int32_t)c->headers_count : 0;
}

int32_t evl_http_exchange_header_at(const evl_http_exchange *c, int32_t i, const char **name,
                                    const char **value) {
    if (!c || i < 0 || (uint32_t)i >= c->headers_count)
        return EVL_ENOENT;
    if (name)
        *name = c->texts.data + c->headers[i].name;
    if (value)
        *value = c->texts.data + c->headers[i].value;
    return 0;
}

const char *evl_http_exchange_body(const evl_http_exchange *c, size_t *len) {
    size_t size = c ? httpd_bytes_size(&c->body) : 0;
    if (len)
        *len = size;
    return size != 0 ? c->body.data + c->body.from : "";
}

int32_t evl_http_exchange_wait(evl_http_exchange *c, evl_op *op) {
    if (!c || !op)
        return EVL_EINVAL;
    int32_t rc = evl_waitq_park(&c->reading, op);
    if (rc != 0)
        return rc;
    size_t size = httpd_bytes_size(&c->body);
    if (size != 0 || c->body_over)
        (void)evl_waitq_wake(&c->reading, -1, (int64_t)size);
    else if (!c->stream || c->eof)
        (void)evl_waitq_wake(&c->reading, -1, c->stream ? EVL_EEOF : c->error);
    else
        httpd_response_continue(c);
    return 0;
}

int64_t evl_http_exchange_consume(evl_http_exchange *c, size_t n) {
    size_t size = c ? httpd_bytes_size(&c->body) : 0;
    if (n > size)
        n = size;
    if (n != 0)
        httpd_bytes_drop(&c->body, n);
    if (c && !c->body_over && size >= HTTPD_MARK && size - n < HTTPD_MARK)
        httpd_connection_go_on(c);
    return (int64_t)n;
}

int32_t evl_http_exchange_gone(evl_http_exchange *c, evl_op *op) {
    if (!c || !op)
        return EVL_EINVAL;
    int32_t rc = evl_waitq_park(&c->gone, op);
    if (rc == 0 && (!c->stream || c->eof))
        (void)evl_waitq_wake(&c->gone, -1, c->stream ? 0 : c->error);
    return rc;
}

evl_stream *evl_http_exchange_stream(const evl_http_exchange *c) { return c ? c->stream : NULL; }

int32_t evl_http_exchange_wants_upgrade(const evl_http_exchange *c) {
    return c && httpd_parser_is_upgrade(c->parser) && httpd_request_find(c, "Upgrade", false);
}
