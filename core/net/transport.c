/* transport.c - how a stream moves bytes: over its fd, or over what the program brought. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const evl_transport *custom(const evl_stream_handle *s) { return s->more ? s->more->transport : NULL; }

static int64_t failure(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(errno);
}

int64_t evl_transport_read(evl_stream_handle *s, void *buf, size_t cap) {
    if (EVL_UNLIKELY(s->more != NULL) && custom(s))
        return custom(s)->try_read(s->more->self, buf, cap);
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
    if (EVL_UNLIKELY(!evl_s_has(s, EVL_S_SOCKET) || s->more != NULL))
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

int64_t evl_transport_writev(evl_stream_handle *s, const evl_buf *bufs, int n) {
    if (custom(s))
        return custom(s)->try_write(s->more->self, bufs, n);
    struct iovec *iov = (struct iovec *)(uintptr_t)bufs;
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    ssize_t sent;
    do
        sent = evl_s_has(s, EVL_S_SOCKET) ? evl_sys.sendmsg(s->io.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
                                          : evl_sys.write_pipe(s->io.fd, iov, n);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? sent : failure();
}

/* A socket whose other end has gone is as shut down as can be. */
int evl_transport_shutdown(evl_stream_handle *s) {
    if (custom(s))
        return custom(s)->shutdown(s->more->self);
    int rc = evl_sys.shutdown(s->io.fd, SHUT_WR);
    return rc == 0 || errno == ENOTCONN ? 0 : evl_err_from_errno(errno);
}

static void restore_blocking(int fd) {
    int flags = evl_sys.get_fd_flags(fd);
    if (flags >= 0)
        (void)evl_sys.set_fd_flags(fd, flags & ~O_NONBLOCK);
}

void evl_transport_close(evl_stream_handle *s, bool abort) {
    int fd = s->io.fd;
    evl_io_disown(&s->io);
    if (custom(s)) {
        custom(s)->close(s->more->self, abort);
        return;
    }
    if (fd < 0)
        return;
    if (evl_s_has(s, EVL_S_UNBLOCK) && !evl_is_forked(evl_s_loop(s)))
        restore_blocking(fd);
    if (evl_s_has(s, EVL_S_KEEP_FD))
        return;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (abort && evl_s_has(s, EVL_S_TCP) && !evl_is_forked(evl_s_loop(s)))
        (void)evl_sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)evl_sys.close(fd);
}
