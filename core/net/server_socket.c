/* server_socket.c - making, binding and closing the sockets of a server, and the path of a Unix socket. */
#include "../loop/access.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"
#include "option.h"
#include "server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

/* --- making and binding ----------------------------------------------------------------------- */

static int set_socket_options(int fd, int family, uint32_t flags) {
    if (family == AF_UNIX)
        return 0;
    int rc = evl_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && family == AF_INET6)
        rc = evl_socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (rc == 0 && (flags & EVL_SERVER_REUSE_PORT))
        rc = evl_socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0)
        (void)evl_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* accepted sockets inherit it */
    return rc;
}

/* Whether the path is a socket file that no process has open. Connecting a socket of another type tests that
 * without reaching a live server: it fails with EPROTOTYPE if the socket is open, with ECONNREFUSED if it is
 * not. */
static bool is_stale(const evl_sockaddr *address) {
    struct stat st;
    if (evl_sys.lstat(address->u.path.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = evl_sys.socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return false;
    int rc;
    do
        rc = evl_sys.connect(fd, &address->u.any, address->length);
    while (rc != 0 && errno == EINTR);
    bool refused = rc != 0 && errno == ECONNREFUSED;
    (void)evl_sys.close(fd);
    return refused;
}

static bool is_path(const evl_sockaddr *address) {
    return address->u.any.sa_family == AF_UNIX && address->u.path.sun_path[0] != '\0';
}

static int bind_to(int fd, const evl_sockaddr *address) {
    if (evl_sys.bind(fd, &address->u.any, address->length) == 0)
        return 0;
    int error = evl_err_from_errno(errno);
    if (error != EVL_EADDRINUSE || !is_path(address) || !is_stale(address))
        return error;
    (void)evl_sys.unlink(address->u.path.sun_path);
    return evl_sys.bind(fd, &address->u.any, address->length) == 0 ? 0 : evl_err_from_errno(errno);
}

/* Absolute, since the current directory may change before the path is removed. */
static int remember_path(const evl_server_state *sv, evl_listener *l, const evl_sockaddr *address) {
    char before[4096] = "";
    const char *path = address->u.path.sun_path;
    struct stat st;
    if (!is_path(address) || (sv->options.flags & EVL_SERVER_KEEP_PATH) || evl_sys.lstat(path, &st) != 0)
        return 0;
    if (path[0] != '/' && evl_sys.getcwd(before, sizeof before) != 0)
        before[0] = '\0';
    l->path_size = strlen(before) + strlen(path) + 2;
    l->path = evl_mem_zalloc(&sv->loop->mem, l->path_size);
    if (!l->path)
        return EVL_ENOMEM;
    (void)snprintf(l->path, l->path_size, "%s%s%s", before, before[0] ? "/" : "", path);
    l->path_dev = st.st_dev;
    l->path_ino = st.st_ino;
    return 0;
}

int evl_server_listen_at(evl_server_state *sv, const evl_sockaddr *address) {
    int family = address->u.any.sa_family;
    int fd = evl_sys.socket(family, SOCK_STREAM, 0);
    if (fd < 0)
        return evl_err_from_errno(errno);
    int rc = set_socket_options(fd, family, sv->options.flags);
    if (rc == 0)
        rc = bind_to(fd, address);
    bool bound = rc == 0;
    evl_listener *l;
    if (rc == 0 && evl_sys.listen(fd, sv->options.backlog) != 0)
        rc = evl_err_from_errno(errno);
    if (rc == 0)
        rc = evl_server_add(sv, fd, family != AF_UNIX, &l);
    if (rc != 0) {
        if (bound && is_path(address))
            (void)evl_sys.unlink(address->u.path.sun_path);
        (void)evl_sys.close(fd);
        return rc;
    }
    rc = remember_path(sv, l, address);
    if (rc != 0) /* the caller frees the listener with the server */
        (void)evl_sys.unlink(address->u.path.sun_path);
    return rc;
}

/* --- closing ---------------------------------------------------------------------------------- */

void evl_listener_forget_path(evl_listener *l) {
    if (l->path)
        evl_mem_free(&l->of->loop->mem, l->path, l->path_size);
    l->path = NULL;
}

/* Unless another server has put its own socket there since. */
void evl_listener_remove_path(evl_listener *l) {
    struct stat st;
    if (l->path && !evl_is_forked(l->of->loop) && evl_sys.lstat(l->path, &st) == 0 &&
        st.st_ino == l->path_ino && st.st_dev == l->path_dev)
        (void)evl_sys.unlink(l->path);
    evl_listener_forget_path(l);
}

void evl_listener_close(evl_listener *l) {
    int fd = l->io.fd;
    evl_listener_remove_path(l);
    if (fd < 0)
        return;
    evl_io_disown(&l->io);
    l->may_accept = false;
    (void)evl_sys.close(fd);
}
