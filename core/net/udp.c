/* udp.c - lifetime of a datagram socket: opening, events, closing; connecting. */
#include "udp.h"
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"

#include "address.h"
#include "option.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int evl_udp_enter(const evl_udp *udp) {
    int rc = evl_enter_handle(udp, EVL_KIND_UDP);
    return rc != 0 ? rc : evl_u_of(udp)->lost;
}

int64_t evl_udp_failure(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(errno);
}

int evl_udp_take_error(evl_udp_socket *u) {
    int error = u->error;
    u->error = 0;
    return error;
}

/* --- interest --------------------------------------------------------------------------------- */

/* Edge-triggered, EVL_READ is always watched. Level-triggered, only while a receiver waits: it would be
 * reported in every pass otherwise. EVL_WRITE is watched while datagrams are queued: it is reported after
 * every datagram sent. */
static uint32_t wanted_mask(const evl_udp_socket *u) {
    uint32_t mask = u->queued != 0 ? EVL_WRITE : 0;
    bool waits = u->reader || (evl_u_pushes(u) && !evl_u_has(u, EVL_U_REPORTED));
    return waits || evl_u_has(u, EVL_U_EDGE) ? mask | EVL_READ : mask;
}

void evl_udp_update_state(evl_udp_socket *u) {
    evl_io_want(&u->io, wanted_mask(u));
    evl_handle_set_active(&u->io.base, u->reader || evl_u_pushes(u) || u->queued != 0);
}

/* --- events ----------------------------------------------------------------------------------- */

/* The fd is not watched any more: another part of the program closed it, or announced that it will, or the
 * backend refused it. In push mode the callback gets the error. */
static void lose_fd(evl_udp_socket *u, int error) {
    u->lost = error;
    u->flags &= ~(uint32_t)EVL_U_REPORTED;
    if (error == EVL_EBADF || error == EVL_ECLOSED)
        u->fd = -1;
    evl_udp_end_receiving(u, error);
    evl_udp_end_sending(u, error);
    evl_udp_readable(u);
    evl_udp_update_state(u);
}

static void event(evl_handle *handle, uint32_t mask, int error) {
    evl_udp_socket *u = evl_u_of(handle);
    if (EVL_UNLIKELY(error != 0)) {
        lose_fd(u, error);
        return;
    }
    if ((mask & ~(uint32_t)EVL_WRITE) != 0) {
        u->flags |= EVL_U_CAN_READ;
        evl_udp_readable(u);
    }
    if ((mask & (EVL_WRITE | EVL_ERR | EVL_HUP)) != 0)
        evl_udp_writable(u);
}

/* --- closing ---------------------------------------------------------------------------------- */

static void close_socket(evl_udp_socket *u) {
    evl_io_disown(&u->io);
    if (u->fd >= 0 && evl_u_has(u, EVL_U_UNBLOCK) && !evl_is_forked(u->io.base.loop))
        evl_socket_restore_blocking(u->fd);
    if (u->fd >= 0 && !evl_u_has(u, EVL_U_KEEP_FD))
        (void)evl_sys.close(u->fd);
    u->fd = -1;
}

static void udp_detach(evl_handle *handle) {
    evl_udp_socket *u = evl_u_of(handle);
    u->flags &= ~(uint32_t)EVL_U_PUSH;
    evl_udp_end_receiving(u, EVL_ECLOSED);
    if (u->lost == 0 && !evl_is_forked(handle->loop))
        evl_udp_send_last(u);
    evl_udp_end_sending(u, EVL_ECLOSED);
    close_socket(u);
}

static void udp_describe(const evl_handle *handle, char *buf, size_t cap) {
    const evl_udp_socket *u = evl_u_of(handle);
    (void)snprintf(buf, cap, "udp id=%llu fd=%d queued=%zu%s%s", (unsigned long long)evl_handle_id(handle),
                   u->io.fd, u->queued, u->reader ? " receiving" : "", evl_u_pushes(u) ? " pushed" : "");
}

static const evl_handle_type udp_type = {.size = sizeof(evl_udp_socket),
                                         .detach = udp_detach,
                                         .event = event,
                                         .pushes = true,
                                         .take = evl_udp_take,
                                         .describe = udp_describe};

/* --- opening ---------------------------------------------------------------------------------- */

static int make_socket(evl_loop *loop, int fd, uint32_t flags, evl_udp **out) {
    int rc = evl_net_get(loop);
    if (rc != 0)
        return rc;
    if (!loop->types[EVL_KIND_UDP])
        evl_handle_know(loop, EVL_KIND_UDP, &udp_type);
    evl_udp_socket *u = evl_u_of(evl_handle_alloc(loop, EVL_KIND_UDP, NULL, NULL));
    if (!u)
        return EVL_ENOMEM;
    u->io.base.node.type = EVL_NODE_TAKE;
    u->fd = fd;
    u->flags = flags | (loop->backend->caps & EVL_CAP_EDGE ? EVL_U_EDGE : 0U);
    u->error = u->lost = 0;
    u->reader = NULL;
    evl_udp_init_sending(u);
    rc = evl_io_own(&u->io, fd, wanted_mask(u), true);
    if (rc != 0) {
        evl_handle_release(&u->io.base);
        return rc;
    }
    *out = &u->io.base;
    evl_touch(loop);
    return 0;
}

static int set_reuse_port(int fd) {
#if defined(SO_REUSEPORT_LB)
    return evl_socket_set(fd, SOL_SOCKET, SO_REUSEPORT_LB, 1);
#elif defined(SO_REUSEPORT)
    return evl_socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
    (void)fd;
    return EVL_ENOTSUP;
#endif
}

/* Clearing IPV6_V6ONLY fails on systems without dual-stack sockets, which matters only if the caller asked
 * for it. */
static int set_open_options(int fd, int family, uint32_t flags) {
    int rc = flags & EVL_UDP_REUSEADDR ? evl_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) : 0;
    if (rc == 0 && (flags & EVL_UDP_REUSEPORT))
        rc = set_reuse_port(fd);
    if (rc == 0 && (flags & EVL_UDP_BROADCAST))
        rc = evl_socket_set(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (rc == 0 && family == AF_INET6) {
        int only = evl_socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, (flags & EVL_UDP_V6ONLY) != 0);
        rc = flags & EVL_UDP_V6ONLY ? only : 0;
    }
    return rc;
}

int32_t evl_udp_open(evl_loop *loop, const void *given, uint32_t length, uint32_t flags, evl_udp **out) {
    if (out)
        *out = NULL;
    evl_sockaddr address = {.u.any.sa_family = flags & EVL_UDP_IPV6 ? AF_INET6 : AF_INET};
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || (flags & ~(uint32_t)(EVL_UDP_KEEP_FD - 1)) != 0)
        return EVL_EINVAL;
    if (given) {
        if (length < offsetof(struct sockaddr, sa_data) || length > sizeof address.u)
            return EVL_EINVAL;
        memcpy(&address.u, given, length);
    }
    int family = address.u.any.sa_family;
    int fd = evl_sys.socket(family, SOCK_DGRAM, 0);
    if (fd < 0)
        return evl_err_from_errno(errno);
    rc = set_open_options(fd, family, flags);
    if (rc == 0 && given && evl_sys.bind(fd, &address.u.any, length) != 0)
        rc = evl_err_from_errno(errno);
    if (rc == 0)
        rc = make_socket(loop, fd, family == AF_UNIX ? EVL_U_LARGE : 0, out);
    if (rc != 0)
        (void)evl_sys.close(fd);
    return rc;
}

/* Type, family and state of an fd that the program opened. */
static int inspect_socket(int fd, uint32_t *flags, int *status) {
    evl_sockaddr address;
    int type = 0;
    socklen_t len = sizeof type;
    *status = evl_sys.get_fd_flags(fd);
    if (*status < 0 || evl_sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
        return evl_err_from_errno(errno);
    if (type != SOCK_DGRAM)
        return EVL_EPROTOTYPE;
    len = sizeof address.u;
    if (evl_sys.getsockname(fd, &address.u.any, &len) != 0)
        return evl_err_from_errno(errno);
    *flags |= address.u.any.sa_family == AF_UNIX ? EVL_U_LARGE : 0U;
    len = sizeof address.u;
    if (evl_sys.getpeername(fd, &address.u.any, &len) == 0)
        *flags |= EVL_U_CONNECTED;
    else if (errno != ENOTCONN)
        return evl_err_from_errno(errno);
    return 0;
}

int32_t evl_udp_open_fd(evl_loop *loop, evl_fd fd, uint32_t options, evl_udp **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || (options & ~(uint32_t)EVL_UDP_KEEP_FD) != 0)
        return EVL_EINVAL;
    uint32_t flags = options ? EVL_U_KEEP_FD : 0U;
    int status = 0;
    rc = inspect_socket(fd, &flags, &status);
    if (rc != 0)
        return rc;
    bool blocks = !(status & O_NONBLOCK);
    if (blocks && evl_sys.set_fd_flags(fd, status | O_NONBLOCK) < 0)
        return evl_err_from_errno(errno);
    rc = make_socket(loop, fd, flags | (blocks && options ? EVL_U_UNBLOCK : 0U), out);
    if (rc != 0 && blocks)
        (void)evl_sys.set_fd_flags(fd, status);
    return rc;
}

/* --- the connected address -------------------------------------------------------------------- */

static int disconnect(evl_udp_socket *u) {
    struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    if (!evl_u_has(u, EVL_U_CONNECTED))
        return 0;
    if (evl_sys.connect(u->io.fd, &unspecified, sizeof unspecified) != 0 && errno != EAFNOSUPPORT &&
        errno != EINVAL)
        return evl_err_from_errno(errno);
    u->flags &= ~(uint32_t)EVL_U_CONNECTED;
    return 0;
}

int32_t evl_udp_connect(evl_udp *udp, const void *given, uint32_t length) {
    int rc = evl_udp_enter(udp);
    if (rc != 0)
        return rc;
    evl_udp_socket *u = evl_u_of(udp);
    evl_sockaddr address;
    if (given && (length < offsetof(struct sockaddr, sa_data) || length > sizeof address.u))
        return EVL_EINVAL;
    if (u->queued != 0)
        return EVL_EBUSY;
    if (!given)
        return disconnect(u);
    memcpy(&address.u, given, length);
    do
        rc = evl_sys.connect(u->io.fd, &address.u.any, length);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return (int32_t)evl_udp_failure();
    u->flags |= EVL_U_CONNECTED;
    return 0;
}
