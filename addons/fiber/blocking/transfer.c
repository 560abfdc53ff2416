/* transfer.c - reading and writing sockets; reading whatever else can be waited for. */
#include "blocking.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

typedef ssize_t read_fn(int fd, void *buf, size_t size);
typedef ssize_t write_fn(int fd, const void *buf, size_t size);
typedef ssize_t readv_fn(int fd, const struct iovec *iov, int n);
typedef ssize_t recv_fn(int fd, void *buf, size_t size, int flags);
typedef ssize_t recvfrom_fn(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
                            socklen_t *length);
typedef ssize_t recvmsg_fn(int fd, struct msghdr *message, int flags);
typedef ssize_t send_fn(int fd, const void *buf, size_t size, int flags);
typedef ssize_t sendto_fn(int fd, const void *buf, size_t size, int flags, const struct sockaddr *to,
                          socklen_t length);
typedef ssize_t sendmsg_fn(int fd, const struct msghdr *message, int flags);
typedef int close_fn(int fd);
NEXT(read_fn *, read)
NEXT(write_fn *, write)
NEXT(readv_fn *, readv)
NEXT(readv_fn *, writev)
NEXT(recv_fn *, recv)
NEXT(recvfrom_fn *, recvfrom)
NEXT(recvmsg_fn *, recvmsg)
NEXT(send_fn *, send)
NEXT(sendto_fn *, sendto)
NEXT(sendmsg_fn *, sendmsg)
NEXT(close_fn *, close)

static bool would_block(ssize_t n) { return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK); }

/* --- receiving -------------------------------------------------------------------------------- */

static ssize_t receive_message(int fd, struct msghdr *message, int flags) {
    socklen_t name = message->msg_namelen;
    size_t control = message->msg_controllen;
    for (;;) {
        ssize_t n = next_recvmsg()(fd, message, flags | MSG_DONTWAIT);
        if (!would_block(n) || (flags & MSG_DONTWAIT) || blocking_wait(fd, EVL_READ, SO_RCVTIMEO) != 0)
            return n;
        message->msg_namelen = name;
        message->msg_controllen = control;
    }
}

static ssize_t receive_some(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
                            socklen_t *length) {
    for (;;) {
        ssize_t n = next_recvfrom()(fd, buf, size, flags | MSG_DONTWAIT, from, length);
        if (!would_block(n) || (flags & MSG_DONTWAIT) || blocking_wait(fd, EVL_READ, SO_RCVTIMEO) != 0)
            return n;
    }
}

static ssize_t receive(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
    if (!(flags & MSG_WAITALL) || (flags & MSG_PEEK))
        return receive_some(fd, buf, size, flags, from, length);
    size_t all = 0;
    while (all < size) {
        ssize_t n = receive_some(fd, (char *)buf + all, size - all, flags & ~MSG_WAITALL, from, length);
        if (n <= 0)
            return all ? (ssize_t)all : n;
        all += (size_t)n;
    }
    return (ssize_t)all;
}

/* A pipe, a terminal and so on: 0 when it is worth reading. */
static int wait_for_bytes(int fd) {
    struct pollfd row = {.fd = fd, .events = POLLIN};
    while (blocking_next_poll()(&row, 1, 0) == 0)
        if (blocking_wait(fd, EVL_READ, 0) != 0)
            return errno == EAGAIN ? 0 : -1; /* it is non-blocking: it says so itself */
    return 0;
}

static ssize_t read_fd(int fd, void *buf, size_t size) {
    if (size != 0) {
        ssize_t n = receive_some(fd, buf, size, 0, NULL, NULL);
        if (n >= 0 || errno != ENOTSOCK)
            return n;
        if (wait_for_bytes(fd) != 0)
            return -1;
    }
    return next_read()(fd, buf, size);
}

BLOCKING_API ssize_t read(int fd, void *buf, size_t size) {
    return IN_FIBER() ? read_fd(fd, buf, size) : next_read()(fd, buf, size);
}

BLOCKING_API ssize_t readv(int fd, const struct iovec *iov, int n) {
    if (!IN_FIBER())
        return next_readv()(fd, iov, n);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    ssize_t got = receive_message(fd, &message, 0);
    if (got >= 0 || errno != ENOTSOCK)
        return got;
    return wait_for_bytes(fd) != 0 ? -1 : next_readv()(fd, iov, n);
}

BLOCKING_API ssize_t recv(int fd, void *buf, size_t size, int flags) {
    return IN_FIBER() ? receive(fd, buf, size, flags, NULL, NULL) : next_recv()(fd, buf, size, flags);
}

/* By its symbol: glibc declares it with a union in the place of the address. */
BLOCKING_API ssize_t blocking_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
                                       socklen_t *length) __asm__("recvfrom");
BLOCKING_API ssize_t blocking_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
                                       socklen_t *length) {
    return IN_FIBER() ? receive(fd, buf, size, flags, from, length)
                      : next_recvfrom()(fd, buf, size, flags, from, length);
}

BLOCKING_API ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    return IN_FIBER() ? receive_message(fd, message, flags) : next_recvmsg()(fd, message, flags);
}

/* What programs call that were compiled with _FORTIFY_SOURCE. The check has been made where it can fail. */
ssize_t __read_chk(int fd, void *buf, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t size, size_t room, int flags, struct sockaddr *from,
                       socklen_t *length);

BLOCKING_API ssize_t __read_chk(int fd, void *buf, size_t size, size_t room) {
    if (size > room)
        __builtin_trap();
    return IN_FIBER() ? read_fd(fd, buf, size) : next_read()(fd, buf, size);
}

BLOCKING_API ssize_t __recv_chk(int fd, void *buf, size_t size, size_t room, int flags) {
    if (size > room)
        __builtin_trap();
    return IN_FIBER() ? receive(fd, buf, size, flags, NULL, NULL) : next_recv()(fd, buf, size, flags);
}

BLOCKING_API ssize_t __recvfrom_chk(int fd, void *buf, size_t size, size_t room, int flags,
                                    struct sockaddr *from, socklen_t *length) {
    if (size > room)
        __builtin_trap();
    return IN_FIBER() ? receive(fd, buf, size, flags, from, length)
                      : next_recvfrom()(fd, buf, size, flags, from, length);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* All of it, as a blocking socket sends. */
static ssize_t send_all(int fd, const void *buf, size_t size, int flags, const struct sockaddr *to,
                        socklen_t length) {
    size_t all = 0;
    do {
        ssize_t n = next_sendto()(fd, (const char *)buf + all, size - all, flags | MSG_DONTWAIT, to, length);
        if (n >= 0)
            all += (size_t)n;
        else if (!would_block(n) || (flags & MSG_DONTWAIT) || blocking_wait(fd, EVL_WRITE, SO_SNDTIMEO) != 0)
            return all ? (ssize_t)all : -1;
    } while (all < size && !(flags & MSG_DONTWAIT));
    return (ssize_t)all;
}

static ssize_t send_message(int fd, const struct msghdr *message, int flags) {
    for (;;) {
        ssize_t n = next_sendmsg()(fd, message, flags | MSG_DONTWAIT);
        if (!would_block(n) || (flags & MSG_DONTWAIT) || blocking_wait(fd, EVL_WRITE, SO_SNDTIMEO) != 0)
            return n;
    }
}

/* Of a non-blocking socket as much as goes. */
static bool blocks(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && !(flags & O_NONBLOCK);
}

BLOCKING_API ssize_t send(int fd, const void *buf, size_t size, int flags) {
    if (!IN_FIBER() || !blocks(fd))
        return next_send()(fd, buf, size, flags);
    return send_all(fd, buf, size, flags, NULL, 0);
}

BLOCKING_API ssize_t blocking_sendto(int fd, const void *buf, size_t size, int flags,
                                     const struct sockaddr *to, socklen_t length) __asm__("sendto");
BLOCKING_API ssize_t blocking_sendto(int fd, const void *buf, size_t size, int flags,
                                     const struct sockaddr *to, socklen_t length) {
    if (!IN_FIBER() || !blocks(fd))
        return next_sendto()(fd, buf, size, flags, to, length);
    return send_all(fd, buf, size, flags, to, length);
}

BLOCKING_API ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return IN_FIBER() ? send_message(fd, message, flags) : next_sendmsg()(fd, message, flags);
}

BLOCKING_API ssize_t write(int fd, const void *buf, size_t size) {
    if (!IN_FIBER() || size == 0 || !blocks(fd))
        return next_write()(fd, buf, size);
    ssize_t n = send_all(fd, buf, size, 0, NULL, 0);
    return n >= 0 || errno != ENOTSOCK ? n : next_write()(fd, buf, size);
}

BLOCKING_API ssize_t writev(int fd, const struct iovec *iov, int n) {
    if (!IN_FIBER() || !blocks(fd))
        return next_writev()(fd, iov, n);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    ssize_t sent = send_message(fd, &message, 0);
    return sent >= 0 || errno != ENOTSOCK ? sent : next_writev()(fd, iov, n);
}

/* --- closing ---------------------------------------------------------------------------------- */

/* The loop forgets the number first; others that wait for it get EBADF. */
BLOCKING_API int close(int fd) {
    if (IN_FIBER())
        (void)evl_fd_closing(evl_fiber_loop(NULL), fd);
    return next_close()(fd);
}
