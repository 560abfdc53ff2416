/* poll.c - poll, select and their kin: waiting for any of several fds. */
#include "blocking.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

typedef int ppoll_fn(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);
typedef int select_fn(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout);
NEXT(poll_fn *, poll)
NEXT(ppoll_fn *, ppoll)
NEXT(select_fn *, select)

poll_fn *blocking_next_poll(void) { return next_poll(); }

enum { FEW = 8 };
#define LOOK_EVERY (10 * EVL_MS)

/* The operations of one call: one for each fd, and a sleep. If the fiber is killed they end as its cleanup.
 */
typedef struct waits {
    evl_op few[FEW + 1];
    evl_op *ops[FEW + 1];
    evl_op *many; /* in place of few */
    evl_op **all; /* in place of ops */
    int32_t count;
} waits;

static void end(void *arg) {
    waits *w = arg;
    for (int32_t i = 0; i < w->count; i++)
        (void)evl_op_close(w->all[i]);
    if (w->many) {
        free(w->many);
        free(w->all);
    }
}

static int32_t begin(waits *w, nfds_t n) {
    w->many = NULL;
    w->all = w->ops;
    w->count = 0;
    if (n <= FEW)
        return 0;
    w->many = malloc((n + 1) * sizeof *w->many);
    w->all = malloc((n + 1) * sizeof(evl_op *));
    if (w->many && w->all)
        return 0;
    free(w->many);
    free(w->all);
    return EVL_ENOMEM;
}

static evl_op *add(waits *w) {
    evl_op *op = (w->many ? w->many : w->few) + w->count;
    (void)evl_fiber_op_init(op);
    w->all[w->count++] = op;
    return op;
}

/* 0: for hang-ups and the like alone, which the loop reports with input only. */
static uint32_t mask_of(short events) {
    uint32_t mask = 0;
    if (events & (POLLIN | POLLRDNORM))
        mask |= EVL_READ;
    if (events & (POLLOUT | POLLWRNORM))
        mask |= EVL_WRITE;
    if ((events & POLLPRI) && (evl_backend_caps(evl_fiber_loop(NULL)) & EVL_CAP_PRI))
        mask |= EVL_PRI;
    return mask;
}

/* Input that is there and not asked about would end every wait: instead such fds are looked at now and then.
 */
static int32_t start(waits *w, const struct pollfd *fds, nfds_t n, int64_t until) {
    evl_loop *loop = evl_fiber_loop(NULL);
    int64_t look = evl_time(loop) + LOOK_EVERY;
    for (nfds_t i = 0; i < n; i++) {
        uint32_t mask = mask_of(fds[i].events);
        if (fds[i].fd >= 0 && mask == 0)
            until = until < look ? until : look;
        if (fds[i].fd < 0 || mask == 0)
            continue;
        int32_t rc = evl_wait_fd(loop, add(w), fds[i].fd, mask);
        if (rc < 0)
            return rc;
    }
    return until == EVL_NEVER ? 0 : evl_sleep_until(loop, add(w), until);
}

/* Until something may be ready, or it is time. */
static int32_t wait(const struct pollfd *fds, nfds_t n, int64_t until) {
    waits w;
    evl_fiber_cleanup cleanup;
    int32_t rc = begin(&w, n);
    if (rc != 0)
        return rc;
    (void)evl_fiber_cleanup_push(&cleanup, end, &w);
    rc = start(&w, fds, n, until);
    if (rc >= 0)
        rc = w.count ? evl_await_any(w.all, w.count) : evl_fiber_sleep(EVL_NEVER);
    (void)evl_fiber_cleanup_pop(&cleanup, 1);
    return rc;
}

static int poll_in_fiber(struct pollfd *fds, nfds_t n, int64_t ns) {
    evl_loop *loop = evl_fiber_loop(NULL);
    int64_t now = evl_time(loop), until = ns < 0 || ns > EVL_NEVER - now ? EVL_NEVER : now + ns;
    for (;;) {
        int ready = next_poll()(fds, n, 0);
        if (ready != 0 || ns == 0 || (until != EVL_NEVER && evl_time(loop) >= until))
            return ready;
        int32_t rc = wait(fds, n, until);
        if (rc < 0)
            return blocking_fail(rc == EVL_ECANCELED ? EVL_EINTR : rc);
    }
}

BLOCKING_API int poll(struct pollfd *fds, nfds_t n, int timeout) {
    if (!IN_FIBER())
        return next_poll()(fds, n, timeout);
    return poll_in_fiber(fds, n, timeout < 0 ? -1 : timeout * EVL_MS);
}

/* What programs call that were compiled with _FORTIFY_SOURCE. */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
BLOCKING_API int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room) {
    if (room / sizeof *fds < n)
        __builtin_trap();
    if (!IN_FIBER())
        return next_poll()(fds, n, timeout);
    return poll_in_fiber(fds, n, timeout < 0 ? -1 : timeout * EVL_MS);
}

/* -1: not a time, which the C library refuses. */
static int64_t in_ns(const struct timespec *t) { return t ? blocking_ns(t->tv_sec, t->tv_nsec) : EVL_NEVER; }

BLOCKING_API int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask) {
    int64_t ns = in_ns(timeout);
    if (mask || ns < 0 || !IN_FIBER())
        return next_ppoll()(fds, n, timeout, mask);
    return poll_in_fiber(fds, n, ns);
}

/* --- select ----------------------------------------------------------------------------------- */

static short events_of(int fd, const fd_set *in, const fd_set *out, const fd_set *except) {
    return (short)((in && FD_ISSET(fd, in) ? POLLIN : 0) | (out && FD_ISSET(fd, out) ? POLLOUT : 0) |
                   (except && FD_ISSET(fd, except) ? POLLPRI : 0));
}

static int store(fd_set *set, const struct pollfd *row, short wanted, short bits) {
    if (!set || !(row->events & wanted))
        return 0;
    if (row->revents & bits)
        return 1;
    FD_CLR(row->fd, set);
    return 0;
}

static int select_in_fiber(int n, fd_set *in, fd_set *out, fd_set *except, int64_t ns) {
    struct pollfd rows[FD_SETSIZE];
    nfds_t count = 0;
    for (int fd = 0; fd < n && fd < FD_SETSIZE; fd++) {
        short events = events_of(fd, in, out, except);
        if (events)
            rows[count++] = (struct pollfd){.fd = fd, .events = events};
    }
    int rc = poll_in_fiber(rows, count, ns);
    if (rc < 0)
        return rc;
    int found = 0;
    for (nfds_t i = 0; i < count; i++) {
        if (rows[i].revents & POLLNVAL) {
            errno = EBADF;
            return -1;
        }
        found += store(in, &rows[i], POLLIN, POLLIN | POLLHUP | POLLERR);
        found += store(out, &rows[i], POLLOUT, POLLOUT | POLLERR);
        found += store(except, &rows[i], POLLPRI, POLLPRI);
    }
    return found;
}

/* The microseconds may be more than a second of them. */
static int64_t of_select(const struct timeval *t) {
    const int64_t most = EVL_NEVER / EVL_SECOND, us = EVL_SECOND / EVL_US;
    if (!t)
        return EVL_NEVER;
    return t->tv_sec >= most
               ? EVL_NEVER
               : blocking_ns(t->tv_sec < 0 ? -1 : t->tv_sec + t->tv_usec / us, t->tv_usec % us * EVL_US);
}

BLOCKING_API int select(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout) {
    int64_t ns = of_select(timeout);
    if (ns < 0 || !IN_FIBER())
        return next_select()(n, in, out, except, timeout);
    return select_in_fiber(n, in, out, except, ns);
}
