/* spawn_stdio.c - the fds that a child gets: those of the parent, and those opened for it. */
#include "spawn.h"

#include <errno.h>
#include <evloop/errors.h>
#include <fcntl.h>
#include <stdbool.h>

/* fds[mine] is the parent's and becomes non-blocking; the other end becomes blocking. */
static int share_pair(const int fds[2], int mine) {
    for (int i = 0; i < 2; i++) {
        int flags = evl_sys.get_fd_flags(fds[i]);
        int wanted = i == mine ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        if (flags < 0 || (wanted != flags && evl_sys.set_fd_flags(fds[i], wanted) < 0)) {
            int rc = evl_err_from_errno(errno);
            (void)evl_sys.close(fds[0]);
            (void)evl_sys.close(fds[1]);
            return rc;
        }
    }
    return 0;
}

static int make_pair(int action, int32_t *theirs, int32_t *ours) {
    int fds[2], mine = action == EVL_STDIO_PIPE_TO;
    int rc = action == EVL_STDIO_SOCKET ? evl_sys.socketpair_cloexec(fds) : evl_sys.pipe_cloexec(fds);
    if (rc != 0)
        return evl_err_from_errno(errno);
    rc = share_pair(fds, mine);
    if (rc == 0) {
        *ours = fds[mine];
        *theirs = fds[!mine];
    }
    return rc;
}

static int open_null(int32_t *out) {
    do
        *out = evl_sys.open_cloexec("/dev/null", O_RDWR);
    while (*out < 0 && errno == EINTR);
    return *out < 0 ? evl_err_from_errno(errno) : 0;
}

/* What is opened for the child alone goes into `own`: the parent closes it later. */
static int give_one(const evl_stdio *wish, int32_t n, int32_t *sources, int32_t *own, int32_t *ours) {
    int rc = 0;
    switch (wish->action) {
    case EVL_STDIO_INHERIT:
        sources[n] = n;
        return 0;
    case EVL_STDIO_CLOSED:
        return 0;
    case EVL_STDIO_FD:
        sources[n] = wish->fd;
        return 0;
    case EVL_STDIO_LIKE:
        if (wish->fd < 0 || wish->fd >= n)
            return EVL_EINVAL;
        sources[n] = sources[wish->fd];
        return 0;
    case EVL_STDIO_NULL:
        rc = open_null(&own[n]);
        break;
    case EVL_STDIO_PIPE_TO:
    case EVL_STDIO_PIPE_FROM:
    case EVL_STDIO_SOCKET:
        rc = make_pair(wish->action, &own[n], ours);
        break;
    default:
        return EVL_EINVAL;
    }
    sources[n] = own[n];
    return rc;
}

/* Before anything is opened: a new fd could get the number of one that is closed. */
static int check_given(const evl_process_options *options) {
    for (uint32_t i = 0; i < options->stdio_count; i++) {
        const evl_stdio *wish = &options->stdio[i];
        int fd = wish->action == EVL_STDIO_INHERIT ? (int)i : wish->fd;
        bool given = wish->action == EVL_STDIO_INHERIT || wish->action == EVL_STDIO_FD;
        if (given && evl_sys.get_fd_flags(fd) < 0)
            return evl_err_from_errno(errno);
    }
    return 0;
}

int evl_stdio_open(const evl_process_options *options, int32_t count, int32_t *sources, int32_t *own,
                   int32_t *ours) {
    static const evl_stdio nothing = {.action = EVL_STDIO_NULL};
    for (int32_t i = 0; i < count; i++)
        sources[i] = own[i] = -1;
    int rc = check_given(options);
    if (rc != 0)
        return rc;
    for (int32_t i = 0; i < count; i++) {
        const evl_stdio *wish = (uint32_t)i < options->stdio_count ? &options->stdio[i] : &nothing;
        rc = give_one(wish, i, sources, own, &ours[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}
