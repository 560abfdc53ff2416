/* evloop/adapters/poll.h - evloop hosted by a poll(2) loop of the program's own.
 *
 *     struct pollfd fds[100];
 *     evl_poll_host guest;
 *     evl_poll_host_init(&guest, loop);
 *     for (;;) {
 *         int own = fill(fds), timeout_ms = -1;                      // the program's own, and how long it
 * may wait int n = evl_poll_host_prepare(&guest, fds + own, 100 - own, &timeout_ms); poll(fds, (nfds_t)(own +
 * n), timeout_ms); work(fds, own); evl_poll_host_dispatch(&guest, fds + own, n);
 *     }
 *
 * Works with every backend. Where the backend has EVL_CAP_LOOP_FD one fd is added, else all of the loop's.
 * Only this header. */
#ifndef EVLOOP_ADAPTERS_POLL_H
#define EVLOOP_ADAPTERS_POLL_H

#include <evloop.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

/* A loop in a loop of poll(2); its members are the adapter's. */
typedef struct evl_poll_host {
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    evl_poll_row *rows;
    int32_t cap;
    evl_fd fd; /* EVL_ENOTSUP: by rows */
} evl_poll_host;

/* Prepares to host a loop. Errors:
 * - EVL_EINVAL: loop is NULL.
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or fds. */
static inline int32_t evl_poll_host_init(evl_poll_host *h, evl_loop *loop) {
    h->loop = NULL;
    h->rows = NULL;
    h->cap = 0;
    if (!loop)
        return EVL_EINVAL;
    h->fd = evl_loop_fd(loop);
    if (h->fd < 0 && h->fd != EVL_ENOTSUP)
        return h->fd;
    h->loop = evl_loop_ref(loop);
    return 0;
}

static inline short evl_poll_host_events(uint32_t wanted) {
    return (short)((wanted & EVL_READ ? POLLIN : 0) | (wanted & EVL_WRITE ? POLLOUT : 0) |
                   (wanted & EVL_PRI ? POLLPRI : 0));
}

static inline uint32_t evl_poll_host_reported(int revents) {
    return (revents & POLLIN ? (uint32_t)EVL_READ : 0u) | (revents & POLLOUT ? (uint32_t)EVL_WRITE : 0u) |
           (revents & POLLPRI ? (uint32_t)EVL_PRI : 0u) | (revents & POLLERR ? (uint32_t)EVL_ERR : 0u) |
           (revents & POLLHUP ? (uint32_t)EVL_HUP : 0u) | (revents & POLLNVAL ? (uint32_t)EVL_NVAL : 0u);
}

/* Stores what the loop waits for in `fds`, lowers *timeout_ms (-1 is for ever) to what the loop allows, and
 * returns how many there are: above cap, make room and call again. Errors:
 * - EVL_ECLOSED: the loop was closed or destroyed; there is nothing to wait for.
 * - EVL_ERUNNING: called in a callback of the loop.
 * - EVL_ENOMEM: out of memory. */
static inline int32_t evl_poll_host_prepare(evl_poll_host *h, struct pollfd *fds, int32_t cap,
                                            int *timeout_ms) {
    if (h->fd >= 0) {
        h->fd = evl_loop_fd(h->loop); /* of a forked child another */
        if (h->fd >= 0 && cap > 0) {
            fds[0].fd = h->fd;
            fds[0].events = POLLIN;
            fds[0].revents = 0;
        }
        return h->fd < 0 ? h->fd : 1;
    }
    if (cap > h->cap) {
        evl_poll_row *rows = (evl_poll_row *)realloc(h->rows, (size_t)cap * sizeof *rows);
        if (!rows)
            return EVL_ENOMEM;
        h->rows = rows;
        h->cap = cap;
    }
    int64_t wait;
    int32_t n = evl_loop_prepare(h->loop, h->rows, cap, &wait);
    for (int32_t i = 0; i < n && i < cap; i++) {
        fds[i].fd = h->rows[i].fd;
        fds[i].events = evl_poll_host_events(h->rows[i].wanted);
        fds[i].revents = 0;
    }
    if (n >= 0 && wait >= 0) {
        int64_t ms = wait / EVL_MS + (wait % EVL_MS != 0); /* never too short */
        if (*timeout_ms < 0 || ms < *timeout_ms)
            *timeout_ms = ms < INT_MAX ? (int)ms : INT_MAX;
    }
    return n;
}

/* Runs what is due, with the n entries of `fds` that evl_poll_host_prepare has stored and poll(2) has filled
 * in; after an error of poll with their revents at 0. Returns as evl_loop_dispatch, and EVL_ECLOSED once the
 * loop is gone. */
static inline int32_t evl_poll_host_dispatch(evl_poll_host *h, const struct pollfd *fds, int32_t n) {
    if (h->fd >= 0)
        return n > 0 && fds[0].revents == 0 ? 0 : evl_loop_dispatch(h->loop, NULL, 0);
    for (int32_t i = 0; i < n; i++)
        h->rows[i].reported = evl_poll_host_reported(fds[i].revents);
    return evl_loop_dispatch(h->loop, h->rows, n);
}

/* Frees what the host has; before or after the loop. */
static inline void evl_poll_host_free(evl_poll_host *h) {
    free(h->rows);
    evl_loop_unref(h->loop);
    h->rows = NULL;
    h->loop = NULL;
    h->cap = 0;
}

#endif
