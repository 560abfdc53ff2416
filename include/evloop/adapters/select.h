/* evloop/adapters/select.h - evloop hosted by a select(2) loop of the program's own.
 *
 *     fd_set r, w, x;
 *     int nfds = 0;                                                  // as select wants it
 *     int64_t timeout_ns = -1;
 *     evl_select_host guest;
 *     evl_select_host_init(&guest, loop);
 *     for (;;) {
 *         fill(&r, &w, &x, &nfds, &timeout_ns);                      // the program's own
 *         evl_select_host_prepare(&guest, &r, &w, &x, &nfds, &timeout_ns);
 *         struct timeval t, *timeout = evl_select_host_timeout(timeout_ns, &t);
 *         int n = select(nfds, &r, &w, &x, timeout);
 *         evl_select_host_dispatch(&guest, n, &r, &w, &x);
 *     }
 *
 * Works with every backend. Where the backend has EVL_CAP_LOOP_FD one fd is added, else all of the loop's.
 * Only this header. */
#ifndef EVLOOP_ADAPTERS_SELECT_H
#define EVLOOP_ADAPTERS_SELECT_H

#include <evloop.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/time.h>

/* A loop in a loop of select(2); its members are the adapter's. */
typedef struct evl_select_host {
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    evl_poll_row *rows;
    int32_t n, cap;
    evl_fd fd; /* EVL_ENOTSUP: by rows */
} evl_select_host;

/* Prepares to host a loop. Errors:
 * - EVL_EINVAL: loop is NULL.
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or fds. */
static inline int32_t evl_select_host_init(evl_select_host *h, evl_loop *loop) {
    h->loop = NULL;
    h->rows = NULL;
    h->n = h->cap = 0;
    if (!loop)
        return EVL_EINVAL;
    h->fd = evl_loop_fd(loop);
    if (h->fd < 0 && h->fd != EVL_ENOTSUP)
        return h->fd;
    h->loop = evl_loop_ref(loop);
    return 0;
}

static inline int32_t evl_select_host_fit(evl_select_host *h, int64_t *wait) {
    int32_t n = evl_loop_prepare(h->loop, h->rows, h->cap, wait);
    while (n > h->cap) {
        evl_poll_row *rows = (evl_poll_row *)realloc(h->rows, (size_t)n * sizeof *rows);
        if (!rows)
            return EVL_ENOMEM;
        h->rows = rows;
        h->cap = n;
        n = evl_loop_prepare(h->loop, h->rows, h->cap, wait);
    }
    return n;
}

/* One row for the loop's own fd, or the rows of all of its. */
static inline int32_t evl_select_host_rows(evl_select_host *h, int64_t *wait) {
    *wait = -1;
    if (h->fd < 0)
        return evl_select_host_fit(h, wait);
    if (h->cap == 0 && (h->rows = (evl_poll_row *)calloc(1, sizeof *h->rows)) == NULL)
        return EVL_ENOMEM;
    h->cap = 1;
    h->fd = evl_loop_fd(h->loop); /* of a forked child another */
    h->rows[0].fd = h->fd;
    h->rows[0].wanted = EVL_READ;
    return h->fd < 0 ? h->fd : 1;
}

/* Adds what the loop waits for to the sets and to *nfds, and lowers *timeout_ns (-1 is for ever) to what the
 * loop allows. Returns 0. Errors:
 * - EVL_ECLOSED: the loop was closed or destroyed; nothing was added.
 * - EVL_ERUNNING: called in a callback of the loop.
 * - EVL_EMFILE: an fd is FD_SETSIZE or above, where select cannot have it; nothing was added.
 * - EVL_ENOMEM: out of memory. */
static inline int32_t evl_select_host_prepare(evl_select_host *h, fd_set *r, fd_set *w, fd_set *x, int *nfds,
                                              int64_t *timeout_ns) {
    int64_t wait;
    int32_t n = evl_select_host_rows(h, &wait);
    h->n = 0;
    for (int32_t i = 0; i < n; i++)
        if (h->rows[i].fd >= FD_SETSIZE)
            return EVL_EMFILE;
    if (n < 0)
        return n;
    h->n = n;
    for (int32_t i = 0; i < n; i++) {
        const evl_poll_row *row = &h->rows[i];
        if (row->wanted & EVL_READ)
            FD_SET(row->fd, r);
        if (row->wanted & EVL_WRITE)
            FD_SET(row->fd, w);
        if (row->wanted & EVL_PRI)
            FD_SET(row->fd, x);
        if (row->fd >= *nfds)
            *nfds = row->fd + 1;
    }
    if (wait >= 0 && (*timeout_ns < 0 || wait < *timeout_ns))
        *timeout_ns = wait;
    return 0;
}

/* Stores a time in *t, rounded up to a microsecond, and returns t, or NULL for ever, as select wants it. */
static inline struct timeval *evl_select_host_timeout(int64_t timeout_ns, struct timeval *t) {
    if (timeout_ns < 0)
        return NULL;
    int64_t us = timeout_ns / EVL_US + (timeout_ns % EVL_US != 0);
    t->tv_sec = (time_t)(us / 1000000);
    t->tv_usec = (suseconds_t)(us % 1000000);
    return t;
}

/* Runs what is due, with the sets as select has left them and `found`, what it has returned: with -1 or 0 the
 * sets are not looked at. Returns as evl_loop_dispatch, and EVL_ECLOSED once the loop is gone. */
static inline int32_t evl_select_host_dispatch(evl_select_host *h, int found, fd_set *r, fd_set *w,
                                               fd_set *x) {
    int any = 0;
    for (int32_t i = 0; i < h->n; i++) {
        evl_poll_row *row = &h->rows[i];
        row->reported = 0;
        if (found > 0)
            row->reported = (FD_ISSET(row->fd, r) ? row->wanted & EVL_READ : 0u) |
                            (FD_ISSET(row->fd, w) ? row->wanted & EVL_WRITE : 0u) |
                            (FD_ISSET(row->fd, x) ? row->wanted & EVL_PRI : 0u);
        any |= row->reported != 0;
    }
    if (h->fd >= 0)
        return any ? evl_loop_dispatch(h->loop, NULL, 0) : 0;
    return evl_loop_dispatch(h->loop, h->rows, h->n);
}

/* Frees what the host has; before or after the loop. */
static inline void evl_select_host_free(evl_select_host *h) {
    free(h->rows);
    evl_loop_unref(h->loop);
    h->rows = NULL;
    h->loop = NULL;
    h->n = h->cap = 0;
}

#endif
