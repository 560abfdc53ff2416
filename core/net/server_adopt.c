/* server_adopt.c - servers over fds that listen already, from the program or from the process that started
 * it. */
#include "option.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>

/* Adds an fd of the caller to the server. After an error it has its blocking mode back. */
static int adopt(evl_server_state *sv, int fd) {
    int listens = 0, type = 0;
    int rc = evl_socket_get(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens);
    if (rc == 0)
        rc = evl_socket_get(fd, SOL_SOCKET, SO_TYPE, &type);
    if (rc != 0)
        return rc;
    if (!listens || type != SOCK_STREAM)
        return EVL_EINVAL;
    int family = evl_socket_family(fd);
    if (family < 0)
        return family;
    int flags = evl_sys.get_fd_flags(fd);
    bool blocking = flags >= 0 && !(flags & O_NONBLOCK);
    if (flags < 0 || (blocking && evl_sys.set_fd_flags(fd, flags | O_NONBLOCK) < 0))
        return evl_err_from_errno(errno);
    evl_listener *l;
    rc = evl_server_add(sv, fd, family != AF_UNIX, &l);
    if (rc == 0)
        l->was_blocking = blocking;
    else if (blocking)
        evl_socket_restore_blocking(fd);
    return rc;
}

int32_t evl_server_listen_fds(evl_loop *loop, const evl_fd *fds, int32_t n, const evl_server_options *options,
                              evl_server **out) {
    if (out)
        *out = NULL;
    evl_server_state *sv;
    int rc = evl_server_check_new(loop, out);
    if (rc == 0 && (!fds || n <= 0))
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = evl_server_new(loop, options, &sv);
    if (rc != 0)
        return rc;
    for (int32_t i = 0; i < n && rc == 0; i++)
        rc = adopt(sv, fds[i]);
    if (rc != 0)
        return evl_server_abandon(sv, true, rc);
    *out = &sv->first->io.base;
    return 0;
}
