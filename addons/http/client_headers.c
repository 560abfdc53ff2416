/* client_headers.c - the headers of a response, in the order in which they came. */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_headers_clear(evl_http_request *r) {
    r->headers_count = 0;
    r->texts.from = r->texts.end = 0;
    r->head_over = r->headers_over = false;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static bool add_text(evl_http_request *r, const char *text, size_t len, size_t *at) {
    while (len != 0 && is_space(*text))
        text++, len--;
    while (len != 0 && is_space(text[len - 1]))
        len--;
    *at = r->texts.end;
    return http_bytes_add(&r->texts, text, len) && http_bytes_add(&r->texts, "", 1);
}

static bool add(evl_http_request *r, const char *line, size_t len) {
    const char *colon = memchr(line, ':', len);
    if (!colon)
        return true;
    if (r->headers_count == r->headers_cap) {
        size_t cap = r->headers_cap ? r->headers_cap * 2 : 16;
        http_header *headers = realloc(r->headers, cap * sizeof *headers);
        if (!headers)
            return false;
        r->headers = headers;
        r->headers_cap = cap;
    }
    http_header *h = &r->headers[r->headers_count];
    if (!add_text(r, line, (size_t)(colon - line), &h->name) ||
        !add_text(r, colon + 1, len - (size_t)(colon - line) - 1, &h->value))
        return false;
    r->headers_count++;
    return true;
}

/* "HTTP/1.1 200 OK": of a redirect, of 100 Continue, or of the response. */
static void begin(evl_http_request *r, const char *line, size_t len) {
    const char *space = memchr(line, ' ', len);
    char digits[4] = "";
    http_headers_clear(r);
    if (space && len - (size_t)(space - line) > 3)
        memcpy(digits, space + 1, 3);
    r->status = (int32_t)strtol(digits, NULL, 10);
}

static bool leads_on(const evl_http_request *r) {
    return r->status < 200 ||
           (r->follows && r->status >= 300 && r->status < 400 && evl_http_header(r, "Location"));
}

/* An empty line. */
static void end(evl_http_request *r) {
    r->head_over = true;
    if (r->headers_over || leads_on(r))
        return;
    r->headers_over = true;
    if (r->streamed) {
        (void)evl_op_close(&r->left);
        (void)evl_waitq_wake(&r->fetching, -1, r->status);
    }
}

static size_t on_header(char *line, size_t size, size_t n, void *arg) {
    evl_http_request *r = arg;
    size_t len = size * n;
    http_touch(r);
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0 && !r->headers_over)
        begin(r, line, len);
    else if (len == 0 || line[0] == '\r' || line[0] == '\n')
        end(r);
    else if (!add(r, line, len)) {
        r->own_error = EVL_ENOMEM;
        return 0;
    }
    return len;
}

void http_headers_prepare(evl_http_request *r) {
    (void)curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    (void)curl_easy_setopt(r->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* --- what came back --------------------------------------------------------------------------- */

int32_t evl_http_status(const evl_http_request *r) { return r ? r->status : 0; }

int32_t evl_http_header_count(const evl_http_request *r) { return r ? (int32_t)r->headers_count : 0; }

int32_t evl_http_header_at(const evl_http_request *r, int32_t index, const char **name, const char **value) {
    if (!r || index < 0 || (size_t)index >= r->headers_count)
        return EVL_ENOENT;
    if (name)
        *name = r->texts.data + r->headers[index].name;
    if (value)
        *value = r->texts.data + r->headers[index].value;
    return 0;
}

const char *evl_http_header(const evl_http_request *r, const char *name) {
    for (size_t i = 0; r && name && i < r->headers_count; i++)
        if (strcasecmp(r->texts.data + r->headers[i].name, name) == 0)
            return r->texts.data + r->headers[i].value;
    return NULL;
}
