/* stream_fds.c - fds that come over a Unix socket with what is read, until the program takes them. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "fds.h"
#include "option.h"

#include <errno.h>
#include <string.h>

#define HELD_MAX 1024 /* most fds that a program may let a stream hold */

#if defined(MSG_CMSG_CLOEXEC)
#    define RECEIVE_FLAGS (MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
#else
#    define RECEIVE_FLAGS MSG_DONTWAIT
#endif

/* --- receiving -------------------------------------------------------------------------------- */

static int fds_in(const struct cmsghdr *head) {
    bool rights = head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS;
    return rights ? (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
}

static int fds_of(struct msghdr *msg) {
    int count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head))
        count += fds_in(head);
    return count;
}

static void hold(evl_held_fds *held, int fd) {
#if !defined(MSG_CMSG_CLOEXEC)
    (void)evl_sys.set_cloexec(fd);
#endif
    held->fds[held->count++] = fd;
}

/* Keeps all fds of a message or none. What is read after missing fds would be taken for something else, so
 * reading ends then. */
static int keep_fds(evl_stream_handle *s, struct msghdr *msg) {
    evl_held_fds *held = s->more->held;
    int came = fds_of(msg);
    bool fit = came == 0 || came <= (int)held->max - (int)held->count;
    bool complete = (msg->msg_flags & MSG_CTRUNC) == 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head))
        for (int i = 0; i < fds_in(head); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + (size_t)i * sizeof fd, sizeof fd);
            if (fit && complete)
                hold(held, fd);
            else
                (void)evl_sys.close(fd);
        }
    return !complete ? EVL_EMFILE : fit ? 0 : EVL_ENOBUFS;
}

int64_t evl_stream_recv_fds(evl_stream_handle *s, void *buf, size_t cap) {
    evl_fds_control control;
    struct iovec iov = {buf, cap};
    struct msghdr msg;
    ssize_t n;
    do {
        msg = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof control.bytes;
        n = evl_sys.recvmsg(s->io.fd, &msg, RECEIVE_FLAGS);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(errno);
    int rc = keep_fds(s, &msg);
    return rc != 0 ? rc : n;
}

/* --- what is held ----------------------------------------------------------------------------- */

static size_t held_size(uint32_t cap) { return sizeof(evl_held_fds) + cap * sizeof(int); }

void evl_stream_drop_fds(evl_stream_handle *s) {
    evl_held_fds *held = s->more ? s->more->held : NULL;
    s->flags &= ~(uint32_t)EVL_S_FDS;
    if (!held)
        return;
    for (uint32_t i = 0; i < held->count; i++)
        (void)evl_sys.close(held->fds[i]);
    evl_mem_free(&evl_s_loop(s)->mem, held, held_size(held->cap));
    s->more->held = NULL;
}

uint32_t evl_stream_held_fds(const evl_stream_handle *s) {
    return s->more && s->more->held ? s->more->held->count : 0;
}

int evl_stream_check_passing(const evl_stream_handle *s) {
    const uint32_t kind = EVL_S_SOCKET | EVL_S_TCP | EVL_S_CUSTOM;
    int family = (s->flags & kind) == EVL_S_SOCKET ? evl_socket_family(s->io.fd) : AF_UNSPEC;
    return family == AF_UNIX ? 0 : family < 0 ? family : EVL_ENOTSUP;
}

/* Room for `max` fds, allocated here so that no read can fail for want of it. */
static int make_room(evl_stream_handle *s, uint32_t max) {
    evl_held_fds *held = s->more->held;
    if (!held || held->cap < max) {
        held = evl_mem_resize(&evl_s_loop(s)->mem, held, held ? held_size(held->cap) : 0, held_size(max));
        if (!held)
            return EVL_ENOMEM;
        if (!s->more->held)
            held->count = 0;
        held->cap = max;
        s->more->held = held;
    }
    held->max = max;
    return 0;
}

int32_t evl_stream_receive_fds(evl_stream *stream, uint32_t max) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (max > HELD_MAX)
        return EVL_EINVAL;
    rc = evl_stream_check_passing(s);
    if (rc != 0)
        return rc;
    if (max == 0) {
        s->flags &= ~(uint32_t)EVL_S_FDS;
        return 0;
    }
    rc = evl_stream_more_of(s) ? make_room(s, max) : EVL_ENOMEM;
    if (rc == 0)
        s->flags |= EVL_S_FDS;
    return rc;
}

evl_fd evl_stream_take_fd(evl_stream *stream) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    const evl_stream_handle *s = evl_s_of(stream);
    if (evl_stream_held_fds(s) == 0)
        return EVL_EAGAIN;
    evl_held_fds *held = s->more->held;
    int fd = held->fds[0];
    held->count--;
    memmove(held->fds, held->fds + 1, held->count * sizeof fd);
    return fd;
}
