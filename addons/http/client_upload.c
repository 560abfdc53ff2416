/* client_upload.c - the body of a request: from memory, or as the program writes it piece by piece. */
#include "client.h"

#include <stdio.h>
#include <string.h>

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t send_written(evl_http_request *r, char *data, size_t len) {
    size_t there = http_bytes_size(&r->upload);
    if (there == 0 && !r->upload_ended) {
        r->send_paused = true;
        http_stall_off(r);
        return CURL_READFUNC_PAUSE;
    }
    len = smaller(len, there);
    if (len != 0)
        memcpy(data, r->upload.data + r->upload.from, len);
    http_bytes_drop(&r->upload, len);
    if (there - len < HTTP_MARK)
        (void)evl_waitq_wake(&r->draining, -1, 0);
    return len;
}

static size_t on_read(char *data, size_t size, size_t n, void *arg) {
    evl_http_request *r = arg;
    http_touch(r);
    if (r->uploaded)
        return send_written(r, data, size * n);
    size_t len = smaller(size * n, http_bytes_size(&r->upload) - r->sent);
    if (len != 0)
        memcpy(data, r->upload.data + r->sent, len);
    r->sent += len;
    return len;
}

/* A redirect, or a connection that was closed before it was used again. What was written is not kept. */
static int on_seek(void *arg, curl_off_t offset, int origin) {
    evl_http_request *r = arg;
    if (r->uploaded || origin != SEEK_SET || (uint64_t)offset > http_bytes_size(&r->upload))
        return CURL_SEEKFUNC_CANTSEEK;
    r->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

void http_upload_prepare(evl_http_request *r) {
    (void)curl_easy_setopt(r->easy, CURLOPT_READFUNCTION, on_read);
    (void)curl_easy_setopt(r->easy, CURLOPT_READDATA, r);
    (void)curl_easy_setopt(r->easy, CURLOPT_SEEKFUNCTION, on_seek);
    (void)curl_easy_setopt(r->easy, CURLOPT_SEEKDATA, r);
}

static int32_t check(const evl_http_request *r) {
    if (!r || !r->uploaded)
        return EVL_EINVAL;
    return r->upload_ended || r->state == HTTP_OVER ? EVL_EPIPE : 0;
}

static void more(evl_http_request *r) {
    if (!r->send_paused)
        return;
    r->send_paused = false;
    http_resume(r);
}

int64_t evl_http_write(evl_http_request *r, const void *data, size_t size) {
    int32_t rc = check(r);
    if (rc == 0 && !data && size != 0)
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    if (!http_bytes_add(&r->upload, data, size))
        return EVL_ENOMEM;
    if (size != 0)
        more(r);
    return (int64_t)http_bytes_size(&r->upload);
}

int32_t evl_http_write_eof(evl_http_request *r) {
    int32_t rc = check(r);
    if (rc != 0)
        return rc;
    r->upload_ended = true;
    more(r);
    return 0;
}

int32_t evl_http_drain(evl_http_request *r, evl_op *op) {
    if (!r || !r->uploaded)
        return EVL_EINVAL;
    int32_t rc = evl_waitq_park(&r->draining, op);
    if (rc == 0 && r->state == HTTP_OVER)
        (void)evl_waitq_wake(&r->draining, -1, r->error != 0 ? r->error : EVL_EPIPE);
    else if (rc == 0 && http_bytes_size(&r->upload) < HTTP_MARK)
        (void)evl_waitq_wake(&r->draining, -1, 0);
    return rc;
}
