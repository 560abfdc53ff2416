/* io.c - the common waits, each as one call. */
#include "internal.h"

#include <string.h>

int32_t evl_fiber_yield(void) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    return (int32_t)fiber_await_own(self, evl_defer(self->loop, &self->op), "yield", FIBER_HERE);
}

int32_t evl_fiber_sleep(int64_t ns) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    return (int32_t)fiber_await_own(self, evl_sleep(self->loop, &self->op, ns), "sleep", FIBER_HERE);
}

int64_t evl_fiber_wait_fd(evl_fd fd, uint32_t mask, int64_t timeout_ns) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    int32_t rc = evl_wait_fd(self->loop, &self->op, fd, mask);
    if (rc == 0 && timeout_ns != EVL_NEVER) {
        rc = evl_op_timeout(&self->op, timeout_ns);
        if (rc != 0)
            (void)evl_op_close(&self->op);
    }
    return fiber_await_own(self, rc, "fd", FIBER_HERE);
}

int64_t evl_fiber_read(evl_stream *stream, void *buf, size_t cap) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    return fiber_await_own(self, evl_stream_read(stream, &self->op, buf, cap), "read", FIBER_HERE);
}

static int64_t drain(evl_fiber *self, evl_stream *stream, void *where) {
    return fiber_await_own(self, evl_stream_drain(stream, &self->op), "write", where);
}

int64_t evl_fiber_write_all(evl_stream *stream, const void *data, size_t len) {
    evl_fiber *self = fiber_current();
    void *where = FIBER_HERE;
    if (!self)
        return EVL_EPERM;
    for (size_t done = 0;;) {
        int64_t n = evl_stream_write(stream, (const char *)data + done, len - done);
        bool full = n == EVL_ENOBUFS && evl_stream_queued(stream) > 0;
        if (n < 0 && !full)
            return n;
        done += full ? 0 : (size_t)n;
        if (done == len && evl_stream_queued(stream) == 0)
            return (int64_t)len;
        n = drain(self, stream, where);
        if (n < 0)
            return n;
        if (done == len)
            return (int64_t)len;
    }
}

int32_t evl_fiber_connect(const char *host, const char *service, const evl_connect_options *options,
                          evl_stream **out) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    return (int32_t)fiber_await_own(self, evl_connect(self->loop, &self->op, host, service, options, out),
                                    "connect", FIBER_HERE);
}

int32_t evl_fiber_accept(evl_server *server, evl_stream **out) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    return (int32_t)fiber_await_own(self, evl_server_accept_op(server, &self->op, out), "accept", FIBER_HERE);
}
