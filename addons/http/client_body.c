/* client_body.c - the body of a response: collected, or in pieces. */
#include "client.h"

#include <limits.h>

static size_t stop(evl_http_request *r, int32_t error) {
    r->own_error = error;
    return CURL_WRITEFUNC_ERROR;
}

/* Nothing waits for it any more, and the end of the fetch is queued. */
static bool is_left(const evl_http_request *r) {
    return !(r->streamed && r->headers_over) && evl_waitq_count(&r->fetching) <= 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg) {
    evl_http_request *r = arg;
    size_t len = size * n;
    if (is_left(r))
        return stop(r, EVL_ECANCELED);
    if (r->streamed && http_bytes_size(&r->body) >= HTTP_MARK) {
        r->receive_paused = true;
        http_stall_off(r);
        return CURL_WRITEFUNC_PAUSE;
    }
    http_touch(r);
    r->body_seen += len;
    if (r->body_seen > r->max_body)
        return stop(r, EVL_EHTTP_TOO_LARGE);
    if (!http_bytes_add(&r->body, data, len))
        return stop(r, EVL_ENOMEM);
    if (r->streamed)
        (void)evl_waitq_wake(&r->reading, -1, (int64_t)http_bytes_size(&r->body));
    return len;
}

void http_body_prepare(evl_http_request *r) {
    (void)curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    /* One that says how large it is ends before it is read. */
    (void)curl_easy_setopt(r->easy, CURLOPT_MAXFILESIZE_LARGE,
                           (curl_off_t)(r->max_body > INT64_MAX ? 0 : r->max_body));
}

int32_t evl_http_wait(evl_http_request *r, evl_op *op) {
    if (!r || !r->streamed || r->state == HTTP_IDLE)
        return EVL_EINVAL;
    int32_t rc = evl_waitq_park(&r->reading, op);
    if (rc != 0)
        return rc;
    if (http_bytes_size(&r->body) != 0)
        (void)evl_waitq_wake(&r->reading, -1, (int64_t)http_bytes_size(&r->body));
    else if (r->state == HTTP_OVER)
        (void)evl_waitq_wake(&r->reading, -1, r->error);
    return 0;
}

const char *evl_http_body(const evl_http_request *r, size_t *len) {
    size_t size = evl_http_body_size(r);
    if (len)
        *len = size;
    return size != 0 ? r->body.data + r->body.from : "";
}

size_t evl_http_body_size(const evl_http_request *r) { return r ? http_bytes_size(&r->body) : 0; }

int64_t evl_http_consume(evl_http_request *r, size_t n) {
    size_t size = evl_http_body_size(r);
    if (n > size)
        n = size;
    if (n != 0)
        http_bytes_drop(&r->body, n);
    if (r && r->receive_paused && size - n < HTTP_MARK / 2) {
        r->receive_paused = false;
        http_resume(r);
    }
    return (int64_t)n;
}
