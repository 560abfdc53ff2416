/* transport.c - how a stream moves bytes: through its fd, or through a transport of the program. */
#include "../base/leaf.h"
#include "../loop/access.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"
#include "option.h"
#include "stream.h"

#include <errno.h>
#include <unistd.h>

/* --- a transport of the program --------------------------------------------------------------- */

static const evl_transport *custom(const evl_stream_handle *s) { return s->more ? s->more->transport : NULL; }

void *evl_stream_transport(const evl_stream *stream, const evl_transport *transport) {
    if (!transport || evl_enter_to_read(stream, EVL_KIND_STREAM) != 0)
        return NULL;
    const evl_stream_handle *s = evl_s_of(stream);
    return custom(s) == transport ? s->more->self : NULL;
}

static bool has_flush(const evl_transport *t) {
    return t->struct_size >= offsetof(evl_transport, flush) + sizeof t->flush && t->flush;
}

/* Around each of its functions, none of which may call its loop. */
static const evl_mem *begin(const evl_stream_handle *s) { return evl_leaf_begin(&evl_s_loop(s)->mem); }

/* The two sides share the state of the transport, and each call may change it: a read takes the end of the
 * handshake that a write waits for, a write takes input off the fd that a read waits for. No event reports
 * either, so the side that waits is called again in the next pass. Two sides that only find each other
 * waiting must not go on like that: after TURNS_MAX calls without progress or an event the read waits for an
 * event. The write is called behind every read, so that no read is the last to have taken anything off the
 * fd. */
#define TURNS_MAX 2

static void call_again(evl_stream_handle *s, uint8_t side) {
    evl_net *net = evl_s_net(s);
    s->more->again_for |= side;
    if (!evl_linked(&s->more->again))
        evl_list_append(&net->crossing, &s->more->again);
    evl_net_again(net);
}

static bool may_read(const evl_stream_handle *s) { return !evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED); }

static void after_read(evl_stream_handle *s, int64_t n) {
    evl_stream_more *more = s->more;
    if (n != EVL_EAGAIN)
        more->turns = 0;
    if (evl_s_is_unfinished(s) && (more->want_write & EVL_READ || more->want_write == 0))
        call_again(s, EVL_WRITE);
}

/* Without a reader the flag alone makes the next one try at once. */
static void after_write(evl_stream_handle *s, int64_t rc) {
    evl_stream_more *more = s->more;
    if (!may_read(s) || evl_s_has(s, EVL_S_CAN_READ))
        return;
    if (!evl_stream_has_reader(s))
        s->flags |= EVL_S_CAN_READ;
    else if (rc != EVL_EAGAIN || more->turns++ < TURNS_MAX)
        call_again(s, EVL_READ);
}

/* The writing side comes last: it may free a stream that lingers. */
void evl_transport_continue(evl_stream_more *more) {
    evl_stream_handle *s = more->stream;
    uint8_t sides = more->again_for;
    more->again_for = 0;
    if (s->io.fd < 0)
        return;
    if ((sides & EVL_READ) && may_read(s) && evl_stream_has_reader(s)) {
        s->flags |= EVL_S_CAN_READ;
        evl_stream_readable(s);
    }
    if ((sides & EVL_WRITE) && evl_s_is_unfinished(s))
        evl_stream_send_queue(s);
}

/* Checks what a function of the transport returned. One that returns more than it was given has lost count,
 * or has written outside the buffer: it is not called again. */
static int64_t checked(evl_stream_handle *s, int64_t rc, uint64_t most) {
    bool possible = rc >= 0 ? (uint64_t)rc <= most : rc >= INT32_MIN && rc != EVL_EINPROGRESS;
    if (EVL_LIKELY(possible))
        return rc;
    s->more->broken = true;
    s->flags |= may_read(s) ? EVL_S_CAN_READ : 0U;
    call_again(s, EVL_READ | EVL_WRITE); /* both sides end, whichever is asked next */
    return EVL_EIO;
}

/* Called right after the function that returned EVL_EAGAIN, so the result is about that call alone: reading
 * and writing may wait for different events. */
static uint8_t wanted_by(const evl_stream_handle *s) {
    const evl_mem *outer = begin(s);
    uint32_t mask = custom(s)->want(s->more->self);
    evl_leaf_end(outer);
    return (uint8_t)(mask & (EVL_READ | EVL_WRITE));
}

static int64_t call_flush(evl_stream_handle *s) {
    const evl_mem *outer = begin(s);
    int32_t rc = custom(s)->flush(s->more->self);
    evl_leaf_end(outer);
    return checked(s, rc, 0);
}

static int64_t call_read(evl_stream_handle *s, void *buf, size_t cap) {
    const evl_mem *outer = begin(s);
    int64_t n = custom(s)->try_read(s->more->self, buf, cap);
    evl_leaf_end(outer);
    return checked(s, n, cap);
}

static int64_t call_write(evl_stream_handle *s, const evl_buf *bufs, int n, uint64_t total) {
    const evl_mem *outer = begin(s);
    int64_t rc = custom(s)->try_write(s->more->self, bufs, n);
    evl_leaf_end(outer);
    return checked(s, rc, total);
}

static int call_shutdown(evl_stream_handle *s) {
    const evl_mem *outer = begin(s);
    int32_t rc = custom(s)->shutdown(s->more->self);
    evl_leaf_end(outer);
    return (int)checked(s, rc, 0);
}

static void call_close(evl_stream_handle *s, bool abort) {
    const evl_mem *outer = begin(s);
    custom(s)->close(s->more->self, abort || evl_s_is_shared(s));
    evl_leaf_end(outer);
}

/* Any call may have left bytes in the transport. */
static void hold(evl_stream_handle *s) {
    if (has_flush(custom(s)))
        s->flags |= EVL_S_HELD;
}

int evl_transport_flush(evl_stream_handle *s) {
    evl_stream_more *more = s->more;
    if (!evl_s_has(s, EVL_S_HELD))
        return 0;
    int64_t rc = more->broken ? EVL_EIO : call_flush(s);
    bool has_waited = more->flush_waits;
    more->flush_waits = rc == EVL_EAGAIN;
    if (rc == 0)
        s->flags &= ~(uint32_t)EVL_S_HELD;
    else
        more->want_write = rc == EVL_EAGAIN ? wanted_by(s) : EVL_WRITE;
    if (rc == 0 && has_waited) /* one that ends a handshake may have taken input off the fd */
        after_write(s, 0);
    return (int)rc;
}

/* A read may have produced output: a handshake, a close notify. If it cannot be sent now, or fails, the
 * writing side sends it or reports the error when the fd is writable. */
static void flush_behind_read(evl_stream_handle *s) {
    if (s->more->broken || evl_s_has(s, EVL_S_HELD | EVL_S_WRITE_FAILED))
        return;
    hold(s);
    if (evl_transport_flush(s) == 0)
        return;
    s->flags |= EVL_S_OUT;
    evl_handle_set_active(&s->io.base, true);
    evl_stream_interest(s);
}

static int64_t custom_read(evl_stream_handle *s, void *buf, size_t cap) {
    evl_stream_more *more = s->more;
    if (more->broken)
        return EVL_EIO;
    int64_t n = call_read(s, buf, cap);
    if (n == EVL_EAGAIN)
        more->want_read = wanted_by(s);
    flush_behind_read(s);
    after_read(s, n);
    return n;
}

static int64_t custom_write(evl_stream_handle *s, const evl_buf *bufs, int n) {
    evl_stream_more *more = s->more;
    uint64_t total = 0;
    for (int i = 0; i < n; i++)
        total += bufs[i].len;
    if (more->broken)
        return EVL_EIO;
    int64_t rc = call_write(s, bufs, n, total);
    if (rc == EVL_EAGAIN || rc == 0)
        more->want_write = wanted_by(s);
    hold(s);
    after_write(s, rc == 0 ? EVL_EAGAIN : rc);
    return rc;
}

/* The transport may produce its last bytes in the first call, leave them to its flush, and want a second call
 * then. */
static int custom_shutdown(evl_stream_handle *s) {
    evl_stream_more *more = s->more;
    for (int turn = 0;; turn++) {
        int rc = more->broken ? EVL_EIO : call_shutdown(s);
        if (rc == EVL_EAGAIN)
            more->want_write = wanted_by(s);
        after_write(s, rc);
        if (rc != 0 && rc != EVL_EAGAIN)
            return rc;
        hold(s);
        int flushed = evl_transport_flush(s);
        if (flushed != 0 && flushed != EVL_EAGAIN)
            return flushed;
        if (rc == 0 || flushed != 0 || turn == 1 || !has_flush(custom(s)))
            return rc;
    }
}

/* --- reading and writing ---------------------------------------------------------------------- */

static int64_t failure(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(errno);
}

int64_t evl_transport_read(evl_stream_handle *s, void *buf, size_t cap) {
    if (EVL_UNLIKELY(s->more != NULL) && custom(s))
        return custom_read(s, buf, cap);
    if (EVL_UNLIKELY((s->flags & (EVL_S_FDS | EVL_S_DISCARD)) == EVL_S_FDS))
        return evl_stream_recv_fds(s, buf, cap);
    ssize_t n;
    do
        n = evl_s_has(s, EVL_S_SOCKET) ? evl_sys.recv(s->io.fd, buf, cap, MSG_DONTWAIT)
                                       : evl_sys.read(s->io.fd, buf, cap);
    while (EVL_UNLIKELY(n < 0) && errno == EINTR);
    return EVL_LIKELY(n >= 0) ? n : failure();
}

int64_t evl_transport_read_failed(evl_stream_handle *s, void *buf, size_t cap) {
    return errno == EINTR ? evl_transport_read(s, buf, cap) : failure();
}

int64_t evl_transport_write_failed(evl_stream_handle *s, const void *data, size_t len) {
    return errno == EINTR ? evl_transport_write(s, data, len) : failure();
}

int64_t evl_transport_write(evl_stream_handle *s, const void *data, size_t len) {
    if (EVL_UNLIKELY(!evl_s_has(s, EVL_S_SOCKET) || s->more != NULL || len > EVL_WRITE_MAX))
        return evl_transport_writev(s, &(evl_buf){data, len}, 1);
    ssize_t n;
    do
        n = evl_sys.send(s->io.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (EVL_UNLIKELY(n < 0) && errno == EINTR);
    return EVL_LIKELY(n >= 0) ? n : failure();
}

_Static_assert(sizeof(evl_buf) == sizeof(struct iovec) &&
                   offsetof(evl_buf, data) == offsetof(struct iovec, iov_base) &&
                   offsetof(evl_buf, len) == offsetof(struct iovec, iov_len),
               "pieces go to the kernel as they are");

/* How many buffers fit into one call: some kernels refuse a total of INT_MAX and more. 0: the first alone is
 * too long. */
static int within_limit(const evl_buf *bufs, int n) {
    size_t left = EVL_WRITE_MAX;
    for (int i = 0; i < n; i++) {
        if (bufs[i].len > left)
            return i;
        left -= bufs[i].len;
    }
    return n;
}

int64_t evl_transport_writev(evl_stream_handle *s, const evl_buf *bufs, int n) {
    evl_buf part = {bufs->data, EVL_WRITE_MAX};
    int within = within_limit(bufs, n);
    if (EVL_UNLIKELY(within == 0)) {
        bufs = &part;
        within = 1;
    }
    if (custom(s))
        return custom_write(s, bufs, within);
    struct iovec *iov = (struct iovec *)(uintptr_t)bufs;
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)within};
    ssize_t sent;
    do
        sent = evl_s_has(s, EVL_S_SOCKET) ? evl_sys.sendmsg(s->io.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
                                          : evl_sys.write_pipe(s->io.fd, iov, within);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? sent : failure();
}

/* A socket whose peer has gone (ENOTCONN) counts as shut down. */
int evl_transport_shutdown(evl_stream_handle *s) {
    if (custom(s))
        return custom_shutdown(s);
    int rc = evl_sys.shutdown(s->io.fd, SHUT_WR);
    return rc == 0 || errno == ENOTCONN ? 0 : evl_err_from_errno(errno);
}

void evl_transport_close(evl_stream_handle *s, bool abort) {
    int fd = s->io.fd;
    evl_io_disown(&s->io);
    if (custom(s)) {
        call_close(s, abort);
        return;
    }
    if (fd < 0)
        return;
    if (evl_s_has(s, EVL_S_UNBLOCK) && !evl_s_is_shared(s))
        evl_socket_restore_blocking(fd);
    if (evl_s_has(s, EVL_S_KEEP_FD))
        return;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (abort && evl_s_has(s, EVL_S_TCP) && !evl_s_is_shared(s))
        (void)evl_sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)evl_sys.close(fd);
}
