/* connect.c - connecting and accepting. */
#include "blocking.h"

#include <fcntl.h>

typedef int connect_fn(int fd, const struct sockaddr *address, socklen_t length);
typedef int accept4_fn(int fd, struct sockaddr *address, socklen_t *length, int flags);
NEXT(connect_fn *, connect)
NEXT(accept4_fn *, accept4)

/* While something is tried, the socket must not block. Its flags, or -1: it does not anyway. */
static int unblock(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK) || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return flags;
}

static void block_again(int fd, int flags) {
    int saved = errno;
    (void)fcntl(fd, F_SETFL, flags);
    errno = saved;
}

static int outcome(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -1;
    errno = error;
    return error == 0 ? 0 : -1;
}

/* By their symbols: glibc declares these with a union in the place of the address. */
BLOCKING_API int blocking_connect(int fd, const struct sockaddr *address,
                                  socklen_t length) __asm__("connect");
BLOCKING_API int blocking_connect(int fd, const struct sockaddr *address, socklen_t length) {
    int flags = IN_FIBER() ? unblock(fd) : -1;
    if (flags < 0)
        return next_connect()(fd, address, length);
    int rc = next_connect()(fd, address, length);
    block_again(fd, flags);
    while (rc != 0 && errno == EAGAIN) { /* a Unix server whose backlog is full, which nothing reports */
        if (evl_fiber_sleep(EVL_MS) != 0)
            return blocking_fail(EVL_ECANCELED);
        flags = unblock(fd);
        rc = next_connect()(fd, address, length);
        block_again(fd, flags);
    }
    if (rc == 0 || errno != EINPROGRESS)
        return rc;
    if (blocking_wait(fd, EVL_WRITE, SO_SNDTIMEO) != 0) {
        if (errno == EAGAIN)
            errno = EINPROGRESS; /* as the kernel's when SO_SNDTIMEO is over */
        return -1;
    }
    return outcome(fd);
}

static int accept_one(int fd, struct sockaddr *address, socklen_t *length, int how) {
    for (;;) {
        int flags = unblock(fd);
        if (flags < 0)
            return next_accept4()(fd, address, length, how);
        int got = next_accept4()(fd, address, length, how);
        block_again(fd, flags);
        if (got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK) ||
            blocking_wait(fd, EVL_READ, SO_RCVTIMEO) != 0)
            return got;
    }
}

BLOCKING_API int blocking_accept4(int fd, struct sockaddr *address, socklen_t *length,
                                  int flags) __asm__("accept4");
BLOCKING_API int blocking_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    return IN_FIBER() ? accept_one(fd, address, length, flags) : next_accept4()(fd, address, length, flags);
}

BLOCKING_API int blocking_accept(int fd, struct sockaddr *address, socklen_t *length) __asm__("accept");
BLOCKING_API int blocking_accept(int fd, struct sockaddr *address, socklen_t *length) {
    return IN_FIBER() ? accept_one(fd, address, length, 0) : next_accept4()(fd, address, length, 0);
}
