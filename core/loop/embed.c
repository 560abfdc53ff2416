/* embed.c - living in a host's loop: an fd that is readable when there is work, or rows to wait for. */
#include "embed.h"
#include "access.h"
#include "backoff.h"
#include "host_lock.h"
#include "loop.h"
#include "pass.h"
#include "post.h"
#include "report.h"
#include "timer.h"
#include "wall.h"
#include "watcher.h"

/* A virtual clock does not move by waiting. */
int64_t evl_embed_alarm(evl_loop *loop) {
    int64_t deadline = evl_backoffs_until(loop);
    if (loop->clock.mode != EVL_CLOCK_REAL)
        return deadline;
    int64_t timer = evl_tq_next(&loop->timers);
    deadline = timer < deadline ? timer : deadline;
    if (loop->handles[EVL_KIND_WALL].live != 0) {
        int64_t now = evl_monotonic(), wall = evl_saturated_add(now, evl_wall_wait(loop));
        deadline = wall < deadline ? wall : deadline;
    }
    return deadline;
}

/* How long there is nothing to dispatch: 0, nanoseconds, or -1 for ever. */
static int64_t host_timeout(evl_loop *loop) {
    if (evl_is_ready(loop) || evl_is_asked(loop))
        return 0;
    int64_t wait = evl_wait_time(loop, evl_clock_read(&loop->clock), -1);
    if (loop->clock.mode != EVL_CLOCK_JUMP || wait == 0)
        return evl_backoffs_wait(loop, wait);
    bool may_jump = atomic_load(&loop->holds) == 0 && loop->awaited == 0 &&
                    evl_time_left(loop, loop->clock.virtual_) != EVL_NEVER;
    return may_jump ? 0 : evl_backoffs_wait(loop, -1);
}

/* Outside of run the host waits: what a dispatch would do now shows by a wake, what it will do later by the
 * backend's alarm, changed interest by being sent at once. A deadline that has passed needs the wake: the
 * last poll may have taken the alarm's expiry, and an alarm that is set to the same time again does not
 * expire. */
void evl_embed_update(evl_loop *loop) {
    if (evl_is_forked(loop))
        return; /* the host's fd is the parent's */
    if (loop->waits_outside & EVL_WAITS_RELEASED) {
        evl_host_lock_update(loop);
        return;
    }
    evl_io_flush(loop);
    if (host_timeout(loop) == 0) {
        evl_notify(loop);
        return;
    }
    int rc = loop->backend->arm(loop->state, evl_embed_alarm(loop));
    if (rc == 0)
        return;
    evl_report_later(loop, rc);
    evl_notify(loop); /* better too often than never */
}

void evl_embed_begin(evl_loop *loop) {
    if (atomic_load(&loop->owner) != 0)
        return; /* it begins when the run ends */
    atomic_store(&loop->sleeping, true);
    evl_embed_update(loop);
}

evl_fd evl_loop_fd(evl_loop *loop) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!(loop->backend->caps & EVL_CAP_LOOP_FD))
        return EVL_ENOTSUP;
    evl_fd fd = loop->backend->fd(loop->state);
    if (fd < 0 || (loop->waits_outside & EVL_WAITS_HOST))
        return fd;
    /* The alarm is made now, so that starting a timer later has nothing left to fail at. */
    rc = loop->backend->arm(loop->state, EVL_NEVER);
    if (rc != 0)
        return rc;
    loop->waits_outside |= EVL_WAITS_HOST;
    evl_embed_begin(loop);
    return fd;
}

int32_t evl_loop_prepare(evl_loop *loop, evl_poll_row *rows, int32_t cap, int64_t *timeout_ns) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (cap < 0 || (cap > 0 && !rows))
        return EVL_EINVAL;
    if (atomic_load(&loop->owner) != 0)
        return EVL_ERUNNING;
    if (evl_is_released(loop))
        return EVL_ETHREAD;
    evl_io_flush(loop);
    atomic_store(&loop->sleeping, true); /* before the look at what others left: see sleep_in_kernel */
    if (timeout_ns)
        *timeout_ns = host_timeout(loop);
    if (loop->backend->rows)
        return loop->backend->rows(loop->state, rows, cap);
    evl_fd fd = loop->backend->fd(loop->state);
    if (fd >= 0 && cap > 0)
        rows[0] = (evl_poll_row){.fd = fd, .wanted = EVL_READ};
    return fd < 0 ? fd : 1;
}

static int host_pass(evl_loop *loop, const evl_poll_row *rows, int32_t count) {
    int rc = evl_before_poll(loop, false);
    if (rc != 0)
        return rc;
    int n;
    if (rows && loop->backend->take) {
        n = loop->backend->take(loop->state, rows, count, loop->events, loop->events_cap);
        loop->now = evl_clock_read(&loop->clock);
    } else
        n = evl_poll_nowait(loop);
    loop->metrics.passes++;
    rc = evl_after_poll(loop, n);
    if (rc != 0)
        return rc;
    if (!evl_is_ready(loop) && evl_jump(loop, -1)) /* the rows may be no more than the wake that said so */
        evl_timers_due(loop);
    evl_run_ready(loop);
    return n;
}

static int32_t dispatch(evl_loop *loop, const evl_poll_row *rows, int32_t count) {
    int n = host_pass(loop, rows, count);
    if (n < 0 && n != EVL_EINTR)
        return n;
    int rc = evl_still(loop);
    if (rc != 0)
        return rc;
    if (atomic_load(&loop->stop_asked)) {
        atomic_store(&loop->stop_asked, false);
        return atomic_load(&loop->stop_result);
    }
    return n == loop->events_cap || n == EVL_EINTR || host_timeout(loop) == 0;
}

int32_t evl_loop_dispatch(evl_loop *loop, const evl_poll_row *rows, int32_t n) {
    if (!loop || n < 0 || (n > 0 && !rows))
        return EVL_EINVAL;
    int rc = evl_own(loop);
    if (rc != 0)
        return rc;
    int32_t result = dispatch(loop, rows, n);
    evl_disown(loop);
    return result;
}
