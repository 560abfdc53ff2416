/* embed.c - living in a host's loop: an fd that tells when there is work, or rows to wait for. */
#include "loop.h"

/* A virtual clock does not move by waiting. */
static int64_t next_alarm(evl_loop *loop) {
    int64_t deadline = evl_rests_until(loop);
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

/* Outside of run the host waits: deferred calls show by a wake, deadlines by the backend's alarm, changed
 * interest by being sent at once. */
void evl_embed_update(evl_loop *loop) {
    if (evl_is_forked(loop))
        return; /* the host's fd is the parent's */
    evl_io_flush(loop);
    if (evl_is_ready(loop) || evl_is_asked(loop))
        evl_notify(loop);
    int64_t deadline = next_alarm(loop);
    if (deadline == loop->armed)
        return;
    int rc = loop->backend->arm(loop->state, deadline);
    if (rc == 0)
        loop->armed = deadline;
    else
        evl_unhandled(loop, rc);
}

evl_fd evl_loop_fd(evl_loop *loop) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!(loop->backend->caps & EVL_CAP_LOOP_FD))
        return EVL_ENOTSUP;
    if (!loop->embedded) {
        /* The alarm is made now, so that starting a timer later has nothing left to fail at. */
        rc = loop->backend->arm(loop->state, EVL_NEVER);
        if (rc != 0)
            return rc;
        loop->armed = EVL_NEVER;
        loop->embedded = true;
        if (atomic_load(&loop->owner) == 0) {
            atomic_store(&loop->sleeping, true);
            evl_embed_update(loop);
        }
    }
    return loop->backend->fd(loop->state);
}

static int64_t host_timeout(evl_loop *loop) {
    if (evl_is_ready(loop) || evl_is_asked(loop))
        return 0;
    int64_t wait = evl_wait_time(loop, evl_clock_read(&loop->clock), -1);
    if (loop->clock.mode != EVL_CLOCK_JUMP || wait == 0)
        return evl_rests_wait(loop, wait);
    bool may_jump = atomic_load(&loop->holds) == 0 && loop->jobs == 0 &&
                    evl_time_left(loop, loop->clock.virtual_) != EVL_NEVER;
    return may_jump ? 0 : evl_rests_wait(loop, -1);
}

int32_t evl_loop_prepare(evl_loop *loop, evl_poll_row *rows, int32_t cap, int64_t *timeout_ns) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (cap < 0 || (cap > 0 && !rows))
        return EVL_EINVAL;
    if (atomic_load(&loop->owner) != 0)
        return EVL_ERUNNING;
    evl_io_flush(loop);
    atomic_store(&loop->sleeping, true); /* before the look at what others left: see sleep_in_kernel */
    if (timeout_ns)
        *timeout_ns = host_timeout(loop);
    if (loop->backend->rows)
        return loop->backend->rows(loop->state, rows, cap);
    if (cap > 0)
        rows[0] = (evl_poll_row){.fd = loop->backend->fd(loop->state), .wanted = EVL_READ};
    return 1;
}

static int host_pass(evl_loop *loop, const evl_poll_row *rows, int32_t count) {
    evl_kernel_event events[EVL_EVENT_MAX];
    int rc = evl_before_poll(loop, false);
    if (rc != 0)
        return rc;
    int n;
    if (rows && loop->backend->take) {
        n = loop->backend->take(loop->state, rows, count, events, EVL_EVENT_MAX);
        loop->now = evl_clock_read(&loop->clock);
    } else
        n = evl_glance(loop, events);
    if (n < 0)
        return n;
    if (n == 0 && !evl_is_ready(loop) && loop->clock.mode == EVL_CLOCK_JUMP)
        (void)evl_jump(loop, -1);
    loop->metrics.passes++;
    rc = evl_after_poll(loop, events, n);
    if (rc != 0)
        return rc;
    evl_run_ready(loop);
    return n;
}

static int32_t dispatch(evl_loop *loop, const evl_poll_row *rows, int32_t count) {
    int n = host_pass(loop, rows, count);
    if (n < 0 && n != EVL_EINTR)
        return n;
    if (evl_is_closed(loop))
        return EVL_ECLOSED;
    if (atomic_load(&loop->stop_asked)) {
        atomic_store(&loop->stop_asked, false);
        return atomic_load(&loop->stop_result);
    }
    bool more = n == EVL_EVENT_MAX || n == EVL_EINTR || evl_is_ready(loop) || evl_is_asked(loop) ||
                evl_wait_time(loop, loop->now, -1) == 0 || evl_rests_wait(loop, -1) == 0;
    return more ? 1 : 0;
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
