/* evloop/adapters/libuv.h - evloop hosted by libuv: a uv_poll_t whose callback runs what is due on a loop.
 *
 *     evl_uv_attach(uv, loop, &attached);
 *     uv_run(uv, UV_RUN_DEFAULT); // runs both
 *     evl_uv_detach(attached);
 *     uv_run(uv, UV_RUN_DEFAULT); // as ever in libuv: until its handles are closed
 *
 * For programs and add-ons of libuv, such as those of Node.js. Needs a backend with EVL_CAP_LOOP_FD, which
 * epoll and kqueue have. Only this header: link libuv 1 and evloop. */
#ifndef EVLOOP_ADAPTERS_LIBUV_H
#define EVLOOP_ADAPTERS_LIBUV_H

#include <evloop.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

/* A loop in a libuv loop; its members are the adapter's. */
typedef struct evl_uv {
    uv_poll_t poll;
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    int fd;         /* a duplicate of the loop's fd, so that it outlives the loop */
} evl_uv;

static inline int evl_uv_dup(int fd) {
#ifdef F_DUPFD_CLOEXEC
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
#else /* strict C */
    fd = dup(fd);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
#endif
}

static inline void evl_uv_free(evl_uv *u) {
    close(u->fd);
    evl_loop_unref(u->loop);
    free(u);
}

static inline void evl_uv_closed(uv_handle_t *handle) { evl_uv_free((evl_uv *)handle->data); }

static inline void evl_uv_ready(uv_poll_t *poll, int status, int events) {
    evl_uv *u = (evl_uv *)poll->data;
    (void)status, (void)events;
    if (evl_loop_dispatch(u->loop, NULL, 0) < 0 && !uv_is_closing((uv_handle_t *)poll))
        (void)uv_poll_stop(poll); /* the loop was destroyed */
}

/* Lets a libuv loop run an evloop. What is ready on the evloop runs in libuv's poll phase, one pass at a
 * time.
 *
 * Until evl_uv_detach it keeps uv_run from returning, whatever is alive on the evloop; uv_unref of
 * (uv_handle_t *)&attached->poll changes that. evl_stop has no effect. Either may end first: with its loop
 * destroyed it does nothing any more, and evl_loop_close does not mind it. In a forked child, after
 * uv_loop_fork and evl_loop_fork, detach and attach again. Errors:
 * - EVL_EINVAL: a NULL pointer.
 * - EVL_ENOTSUP: the loop's backend has no EVL_CAP_LOOP_FD.
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or fds. */
static inline int32_t evl_uv_attach(uv_loop_t *uv, evl_loop *loop, evl_uv **out) {
    *out = NULL;
    if (!uv || !loop)
        return EVL_EINVAL;
    evl_fd fd = evl_loop_fd(loop);
    if (fd < 0)
        return fd;
    evl_uv *u = (evl_uv *)calloc(1, sizeof *u);
    if (!u)
        return EVL_ENOMEM;
    u->fd = evl_uv_dup(fd);
    if (u->fd < 0) {
        free(u);
        return EVL_EMFILE;
    }
    u->loop = evl_loop_ref(loop);
    u->poll.data = u;
    int rc = uv_poll_init(uv, &u->poll, u->fd);
    if (rc != 0) {
        evl_uv_free(u);
        return rc == UV_ENOMEM ? EVL_ENOMEM : EVL_EIO;
    }
    (void)uv_poll_start(&u->poll, UV_READABLE, evl_uv_ready);
    *out = u;
    return 0;
}

/* Takes the evloop out of its host, also in a callback of either. Frees the memory in a later iteration of
 * the libuv loop, as uv_close does. NULL is allowed. */
static inline void evl_uv_detach(evl_uv *attached) {
    if (attached)
        uv_close((uv_handle_t *)&attached->poll, evl_uv_closed);
}

#endif
