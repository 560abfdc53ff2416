/* stream_open.c - opening a stream over an fd or a transport of the program. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/watcher.h"
#include "option.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Type and access mode of an fd that the program opened. */
static int inspect_fd(int fd, uint32_t *flags, int *status) {
    struct stat st;
    int type = SOCK_STREAM;
    if (evl_sys.fstat(fd, &st) != 0)
        return evl_err_from_errno(errno);
    *status = evl_sys.get_fd_flags(fd);
    if (*status < 0)
        return evl_err_from_errno(errno);
    int access = *status & O_ACCMODE;
    *flags |= access == O_WRONLY ? EVL_S_NO_READ : access == O_RDONLY ? EVL_S_NO_WRITE : 0U;
    if (!S_ISSOCK(st.st_mode))
        return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? EVL_EPERM : 0;
    int rc = evl_socket_get(fd, SOL_SOCKET, SO_TYPE, &type);
    if (rc != 0 || type != SOCK_STREAM)
        return rc != 0 ? rc : EVL_EPROTOTYPE;
    int family = evl_socket_family(fd);
    *flags |= EVL_S_SOCKET | EVL_S_FOREIGN | (family == AF_INET || family == AF_INET6 ? EVL_S_TCP : 0U);
    return 0;
}

/* O_NONBLOCK belongs to the open file, which other processes may share: a shell and its children share the
 * terminal. So a pipe or terminal is opened a second time where that is possible. */
static int unblock(int *fd, uint32_t *flags, int status) {
    if (status & O_NONBLOCK)
        return 0;
    if (!(*flags & EVL_S_SOCKET)) {
        int again = evl_sys.reopen(*fd, (status & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (again >= 0) {
            *fd = again;
            return 0;
        }
    }
    if (evl_sys.set_fd_flags(*fd, status | O_NONBLOCK) < 0)
        return evl_err_from_errno(errno);
    *flags |= EVL_S_UNBLOCK;
    return 0;
}

static void undo_unblock(int fd, int given, uint32_t flags, int status) {
    if (fd != given)
        (void)evl_sys.close(fd);
    else if (flags & EVL_S_UNBLOCK)
        (void)evl_sys.set_fd_flags(fd, status);
}

int32_t evl_stream_open(evl_loop *loop, evl_fd given, uint32_t options, evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || (options & ~(uint32_t)EVL_STREAM_KEEP_FD) != 0)
        return EVL_EINVAL;
    evl_stream_handle *s;
    uint32_t flags = 0;
    int fd = given, status = 0;
    rc = inspect_fd(fd, &flags, &status);
    if (rc == 0)
        rc = unblock(&fd, &flags, status);
    if (rc != 0)
        return rc;
    if (fd == given && (options & EVL_STREAM_KEEP_FD))
        flags |= EVL_S_KEEP_FD;
    rc = evl_stream_make(loop, fd, flags, 0, &s);
    if (rc != 0) {
        undo_unblock(fd, given, flags, status);
        return rc;
    }
    if (fd != given && !(options & EVL_STREAM_KEEP_FD))
        (void)evl_sys.close(given);
    *out = &s->io.base;
    evl_touch(loop);
    return 0;
}

static bool is_complete(const evl_transport *t) {
    return t && t->struct_size >= offsetof(evl_transport, flush) && t->try_read && t->try_write && t->want &&
           t->shutdown && t->close;
}

static int make_custom(evl_loop *loop, int fd, const evl_transport *transport, void *self, int64_t linger,
                       evl_stream_handle **out) {
    evl_stream_handle *s;
    int rc =
        evl_stream_make(loop, fd, EVL_S_SOCKET | EVL_S_FOREIGN | EVL_S_CAN_READ | EVL_S_CUSTOM, linger, &s);
    if (rc != 0)
        return rc;
    if (!evl_stream_more_of(s)) {
        evl_io_disown(&s->io);
        evl_handle_release(&s->io.base);
        return EVL_ENOMEM;
    }
    s->more->transport = transport;
    s->more->self = self;
    evl_stream_interest(s);
    *out = s;
    return 0;
}

int32_t evl_stream_open_on(evl_loop *loop, evl_fd fd, const evl_transport *transport, void *self,
                           evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    evl_stream_handle *s;
    rc = out && is_complete(transport) ? make_custom(loop, fd, transport, self, 0, &s) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    *out = &s->io.base;
    evl_touch(loop);
    return 0;
}

static int check_replaceable(const evl_stream_handle *s) {
    if (s->io.fd < 0)
        return EVL_EBADF;
    if (evl_s_has(s, EVL_S_CUSTOM))
        return EVL_ENOTSUP;
    return s->reader || s->out || evl_stream_held_fds(s) > 0 ? EVL_EBUSY : 0;
}

/* Watches the fd again that was disowned. */
static void take_back(evl_stream_handle *s, int fd) {
    int rc = evl_io_own(&s->io, fd, evl_stream_wanted(s), evl_s_has(s, EVL_S_EDGE));
    if (rc != 0)
        evl_stream_event(&s->io.base, (uint32_t)fd, rc);
}

/* The server counts the second in place of the first. */
static void replace_client(evl_stream_handle *first, evl_stream_handle *second) {
    if (first->server == 0)
        return;
    second->server = first->server;
    first->server = 0;
    evl_list_insert(&first->peers, &second->peers);
    evl_list_unlink(&first->peers);
}

int32_t evl_stream_open_over(evl_stream *stream, const evl_transport *transport, void *self,
                             evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    if (!out || !is_complete(transport))
        return EVL_EINVAL;
    evl_stream_handle *plain = evl_s_of(stream), *s;
    rc = check_replaceable(plain);
    if (rc != 0)
        return rc;
    evl_loop *loop = stream->loop;
    int fd = plain->io.fd;
    evl_io_disown(&plain->io);
    rc = make_custom(loop, fd, transport, self, plain->more ? plain->more->linger : 0, &s);
    if (rc != 0) {
        take_back(plain, fd);
        return rc;
    }
    replace_client(plain, s);
    evl_stream_finish(plain); /* which has no fd any more */
    *out = &s->io.base;
    evl_touch(loop);
    return 0;
}
