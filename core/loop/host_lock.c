/* host_lock.c - a wait without an owner. The host has a lock that every use of the loop is made under, as an
 * interpreter has; while the kernel waits the loop gives that back, and with it itself, so that the host's
 * other threads may use it. Whatever they change comes by evl_touch, and ends the wait if that would be too
 * long, or blind, otherwise.
 *
 * Between give_up and take_again this thread uses nothing of the loop that another may change. epoll's wait
 * is like that. Elsewhere poll(2) waits for what a host's own loop would wait for, and the backend is asked
 * afterwards. */
#include "host_lock.h"
#include "../base/leaf.h"
#include "access.h"
#include "embed.h"
#include "pass.h"
#include "post.h"
#include "watcher.h"

#include <errno.h>
#include <limits.h>

int evl_host_lock_make(evl_loop *loop, const evl_options *options) {
    if (!options->host_unlock)
        return 0;
    evl_host_lock *host = evl_mem_zalloc(&loop->mem, sizeof *host);
    if (!host)
        return EVL_ENOMEM;
    host->unlock = options->host_unlock;
    host->lock = options->host_lock;
    host->arg = options->host_arg;
    loop->host_lock = host;
    return 0;
}

void evl_host_lock_free(evl_loop *loop) {
    evl_host_lock *host = loop->host_lock;
    if (!host)
        return;
    evl_mem_free(&loop->mem, host->rows, host->rows_cap * sizeof *host->rows);
    evl_mem_free(&loop->mem, host->fds, host->fds_cap * sizeof *host->fds);
    evl_mem_free(&loop->mem, host, sizeof *host);
}

/* --- the lock --------------------------------------------------------------------------------- */

static void call_host(evl_loop *loop, evl_fn *fn) {
    const evl_mem *outer = evl_leaf_begin(&loop->mem);
    fn(loop->host_lock->arg);
    evl_leaf_end(outer);
}

static void give_up(evl_loop *loop) {
    loop->host_lock->touched = false;
    loop->waits_outside |= EVL_WAITS_RELEASED;
    atomic_store(&loop->owner, 0);
    call_host(loop, loop->host_lock->unlock);
}

static void take_again(evl_loop *loop) {
    call_host(loop, loop->host_lock->lock);
    atomic_store(&loop->owner, evl_self());
    loop->waits_outside &= (uint8_t)~EVL_WAITS_RELEASED;
}

/* --- by poll(2) ------------------------------------------------------------------------------- */

static int ask_for_rows(evl_loop *loop) {
    evl_host_lock *host = loop->host_lock;
    if (loop->backend->rows)
        return loop->backend->rows(loop->state, host->rows, (int)host->rows_cap);
    evl_fd fd = loop->backend->fd(loop->state);
    if (fd >= 0 && host->rows_cap > 0)
        host->rows[0] = (evl_poll_row){.fd = fd, .wanted = EVL_READ};
    return fd < 0 ? fd : 1;
}

static int reserve(evl_loop *loop, uint32_t n) {
    evl_host_lock *host = loop->host_lock;
    int rc = evl_mem_reserve(&loop->mem, (void **)&host->rows, &host->rows_cap, n, sizeof *host->rows);
    return rc != 0 ? rc
                   : evl_mem_reserve(&loop->mem, (void **)&host->fds, &host->fds_cap, n, sizeof *host->fds);
}

/* How many fds there are to poll. */
static int fill_rows(evl_loop *loop) {
    evl_host_lock *host = loop->host_lock;
    int rc, n = ask_for_rows(loop);
    if (n < 0)
        return n;
    if ((uint32_t)n > host->rows_cap || (uint32_t)n > host->fds_cap) {
        rc = reserve(loop, (uint32_t)n);
        n = rc != 0 ? rc : ask_for_rows(loop);
    }
    for (int i = 0; i < n; i++) {
        uint32_t mask = host->rows[i].wanted;
        int wanted = (mask & EVL_READ ? POLLIN : 0) | (mask & EVL_WRITE ? POLLOUT : 0) |
                     (mask & EVL_PRI ? POLLPRI : 0);
        host->fds[i] = (struct pollfd){.fd = host->rows[i].fd, .events = (short)wanted};
    }
    return n;
}

static int poll_fds(struct pollfd *fds, int n, int64_t timeout_ns) {
    int64_t ms = timeout_ns < 0 ? -1 : timeout_ns / EVL_MS + (timeout_ns % EVL_MS != 0);
    int rc = evl_sys.poll(fds, (nfds_t)n, ms > INT_MAX ? INT_MAX : (int)ms);
    return rc >= 0 ? rc : evl_err_from_errno(errno);
}

/* What poll found may be of files that have gone from the loop since: then the backend looks for itself. */
static int take_found(evl_loop *loop, int n) {
    evl_host_lock *host = loop->host_lock;
    if (!loop->backend->take || host->touched)
        return evl_wait_rows(loop, 0);
    for (int i = 0; i < n; i++) {
        int found = host->fds[i].revents;
        host->rows[i].reported = (found & POLLIN ? EVL_READ : 0U) | (found & POLLOUT ? EVL_WRITE : 0U) |
                                 (found & POLLPRI ? EVL_PRI : 0U) | (found & POLLERR ? EVL_ERR : 0U) |
                                 (found & POLLHUP ? EVL_HUP : 0U) | (found & POLLNVAL ? EVL_NVAL : 0U);
    }
    return loop->backend->take(loop->state, host->rows, n, loop->events, loop->events_cap);
}

static int wait_by_poll(evl_loop *loop, int64_t timeout_ns) {
    int n = fill_rows(loop);
    if (n < 0)
        return n;
    struct pollfd *fds = loop->host_lock->fds;
    give_up(loop);
    int found = poll_fds(fds, n, timeout_ns);
    take_again(loop);
    return found > 0 ? take_found(loop, n) : found;
}

/* --- the wait --------------------------------------------------------------------------------- */

static int wait_once(evl_loop *loop, int64_t timeout_ns) {
    if (!loop->backend->waits_apart)
        return wait_by_poll(loop, timeout_ns);
    give_up(loop);
    int n = evl_wait_rows(loop, timeout_ns);
    take_again(loop);
    return n;
}

/* What a wake alone leads to is found elsewhere. */
static bool has_event(const evl_loop *loop, int n) {
    return n > 1 || (n == 1 && EVL_EVENT_TAG(&loop->events[0]) != evl_io_tag(&loop->wake_watcher));
}

/* Nothing is left that the loop was waiting for. */
static bool has_died(const evl_loop *loop) { return loop->host_lock->was_alive && !evl_is_alive(loop); }

static bool is_over(const evl_loop *loop, int n) {
    return n < 0 || has_event(loop, n) || loop->clock.mode != EVL_CLOCK_REAL || evl_is_ready(loop) ||
           evl_is_asked(loop) || has_died(loop);
}

/* A change that only moves the end of the wait is not the end of it. */
int evl_host_wait(evl_loop *loop, int64_t timeout_ns, int64_t limit_ns) {
    evl_host_lock *host = loop->host_lock;
    int64_t now = evl_monotonic(), end = limit_ns < 0 ? EVL_NEVER : evl_saturated_add(now, limit_ns);
    int n = 0;
    host->was_alive = evl_is_alive(loop);
    if (timeout_ns == 0)
        return evl_wait_rows(loop, 0);
    do {
        host->until = timeout_ns < 0 ? EVL_NEVER : evl_saturated_add(now, timeout_ns);
        n = wait_once(loop, timeout_ns);
        if (is_over(loop, n))
            break;
        now = evl_monotonic();
        timeout_ns = now >= end ? 0 : evl_sleep_time(loop, now, end == EVL_NEVER ? -1 : end - now);
        atomic_store(&loop->sleeping, true); /* before the last look: see sleep_in_kernel */
    } while (timeout_ns != 0 && !evl_is_asked(loop));
    return n;
}

/* A backend that has copied what is wanted has to copy it again after a change. */
static bool matters(evl_loop *loop) {
    return loop->backend->rows || loop->clock.mode != EVL_CLOCK_REAL || evl_is_ready(loop) ||
           has_died(loop) || evl_embed_alarm(loop) < loop->host_lock->until;
}

void evl_host_lock_update(evl_loop *loop) {
    evl_io_flush(loop);
    loop->host_lock->touched = true;
    if (atomic_load(&loop->sleeping) && matters(loop))
        evl_notify(loop);
}
