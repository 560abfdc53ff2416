/* option.c - options of a socket, and what the system knows about it. */
#include "option.h"
#include "../base/sys.h"

#include <errno.h>
#include <evloop/errors.h>
#include <fcntl.h>
#include <string.h>

int evl_socket_set(int fd, int level, int name, int value) {
    return evl_sys.setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : evl_err_from_errno(errno);
}

int evl_socket_get(int fd, int level, int name, int *value) {
    socklen_t len = sizeof *value;
    return evl_sys.getsockopt(fd, level, name, value, &len) == 0 ? 0 : evl_err_from_errno(errno);
}

int evl_socket_family(int fd) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    return evl_sys.getsockname(fd, (struct sockaddr *)&address, &len) == 0 ? address.ss_family
                                                                           : evl_err_from_errno(errno);
}

int32_t evl_socket_address(int fd, int (*call)(int, struct sockaddr *, socklen_t *), void *out, size_t cap) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (call(fd, (struct sockaddr *)&address, &len) != 0)
        return evl_err_from_errno(errno);
    size_t known = len < sizeof address ? len : sizeof address; /* some systems have longer Unix paths */
    if (cap > 0)
        memcpy(out, &address, known < cap ? known : cap);
    return (int32_t)len;
}

void evl_socket_restore_blocking(int fd) {
    int flags = evl_sys.get_fd_flags(fd);
    if (flags >= 0)
        (void)evl_sys.set_fd_flags(fd, flags & ~O_NONBLOCK);
}
