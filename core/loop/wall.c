/* wall.c - wall-clock timers: a second timer queue whose deadlines are wall-clock times, so that nothing has
 * to be recomputed when the clock is set. What it takes is to wake up then. */
#include "wall.h"
#include "access.h"
#include "embed.h"
#include "loop.h"
#include "report.h"
#include "timer.h"
#include "watcher.h"

#include <errno.h>

#define CHECK_AT_LEAST INT64_C(60000000000) /* ns, where the platform does not notify of a changed clock */

static evl_wall_handle *wall_of(const evl_handle *handle) { return EVL_OWNER(handle, evl_wall_handle, base); }

static int64_t read_wall(const evl_loop *loop) {
    if (loop->clock.mode != EVL_CLOCK_REAL)
        return evl_saturated_add(loop->clock.virtual_, loop->wall_offset);
    struct timespec ts = {0, 0};
    (void)evl_sys.clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t evl_wall_time(const evl_loop *loop) { return loop ? read_wall(loop) : EVL_EINVAL; }

int32_t evl_wall_set(evl_loop *loop, int64_t unix_ns) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (loop->clock.mode == EVL_CLOCK_REAL)
        return EVL_ENOTSUP;
    loop->wall_offset = evl_saturated_add(unix_ns, -loop->clock.virtual_);
    evl_touch(loop);
    return 0;
}

/* --- notification of a changed clock ---------------------------------------------------------- */

#if EVL_HAVE_EPOLL
/* As late as a time_t can say: INT32_MAX seconds are over in January 2038, and what has expired when it is
 * armed would be armed again in every pass. The kernel takes more than it can count as its latest time. */
#    define ALARM_SECONDS (sizeof(time_t) > 4 ? INT64_MAX / 1000000000 : INT32_MAX)

/* A timerfd that never expires, but ends with ECANCELED when the clock is set. */
static int arm_alarm(int fd) {
    struct itimerspec never = {{0, 0}, {.tv_sec = (time_t)ALARM_SECONDS, .tv_nsec = 0}};
    int rc = evl_sys.timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
    return rc == 0 || errno == ECANCELED ? 0 : evl_err_from_errno(errno); /* set meanwhile; it is armed */
}

static int watch_alarm(evl_loop *loop, int fd) {
    return loop->backend->add(loop->state, fd, EVL_READ, evl_io_tag(&loop->wall_watcher));
}

static int open_alarm(evl_loop *loop) {
    if (loop->wall_watcher.fd >= 0 || loop->clock.mode != EVL_CLOCK_REAL)
        return 0;
    int fd = evl_sys.timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return evl_err_from_errno(errno);
    int rc = arm_alarm(fd);
    if (rc == 0)
        rc = watch_alarm(loop, fd);
    if (rc != 0)
        (void)evl_sys.close(fd);
    else
        loop->wall_watcher.fd = fd;
    return rc;
}

/* A child opens one of its own: arming the inherited one would disarm the parent's. */
void evl_wall_requeue(evl_loop *loop, bool forked) {
    int fd = loop->wall_watcher.fd;
    if (fd < 0)
        return;
    loop->wall_watcher.fd = -1;
    int rc = forked ? open_alarm(loop) : watch_alarm(loop, fd);
    if (rc == 0 && !forked)
        loop->wall_watcher.fd = fd;
    else
        (void)evl_sys.close(fd);
    if (rc != 0)
        evl_report_later(loop, rc); /* and the clock is looked at once a minute from now on */
}

/* The read consumes the notification; the timers are looked at in the pass that is going on. */
void evl_wall_changed(evl_loop *loop) {
    uint64_t count;
    (void)!evl_sys.read(loop->wall_watcher.fd, &count, sizeof count);
    int rc = arm_alarm(loop->wall_watcher.fd);
    if (rc != 0)
        evl_report_later(loop, rc);
}
#else
static int open_alarm(evl_loop *loop) {
    (void)loop;
    return 0;
}

void evl_wall_changed(evl_loop *loop) { (void)loop; }

void evl_wall_requeue(evl_loop *loop, bool forked) {
    (void)loop;
    (void)forked;
}
#endif

void evl_wall_close(evl_loop *loop) {
    if (loop->wall_watcher.fd >= 0 && !evl_is_forked(loop))
        (void)evl_sys.close(loop->wall_watcher.fd);
    loop->wall_watcher.fd = -1;
}

/* --- for the pass ----------------------------------------------------------------------------- */

/* Time from now to the next wall-clock deadline, at most what may pass without a look at the clock. */
int64_t evl_wall_wait(evl_loop *loop) {
    int64_t deadline = evl_tq_next(&loop->walls);
    if (deadline == EVL_NEVER)
        return EVL_NEVER;
    int64_t now = read_wall(loop);
    if (deadline <= now)
        return 0;
    int64_t left = now < 0 && deadline > INT64_MAX + now ? INT64_MAX - 1 : deadline - now;
    bool is_notified = loop->wall_watcher.fd >= 0 || loop->clock.mode != EVL_CLOCK_REAL;
    return is_notified || left < CHECK_AT_LEAST ? left : CHECK_AT_LEAST;
}

static void expire(evl_loop *loop, evl_wall_handle *wall, int64_t deadline, int64_t now) {
    evl_expiry next = evl_next_expiry(deadline, wall->repeat, now);
    if (next.deadline == EVL_NEVER)
        evl_handle_set_active(&wall->base, false);
    else
        evl_tq_start(&loop->walls, wall->base.node.slot, next.deadline);
    evl_report_count(loop, &wall->base.node, next.count);
}

void evl_walls_due(evl_loop *loop) {
    if (evl_tq_next(&loop->walls) == EVL_NEVER)
        return;
    int64_t now = read_wall(loop);
    for (int left = EVL_DUE_MAX; left > 0 && evl_tq_is_due(&loop->walls, now); left--) {
        evl_timer_entry due = evl_tq_pop(&loop->walls);
        expire(loop, evl_slab_at(&loop->handles[EVL_KIND_WALL], evl_timer_slot(&due)), due.deadline, now);
        loop->metrics.timers++;
    }
}

/* --- the timers ------------------------------------------------------------------------------- */

static int reserve(evl_loop *loop) {
    const evl_slab *slab = &loop->handles[EVL_KIND_WALL];
    return evl_tq_reserve(&loop->walls, &loop->mem, slab->live + 1, evl_slab_slots_then(slab));
}

int32_t evl_wall_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_wall **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0 && !out)
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = reserve(loop);
    if (rc == 0)
        rc = open_alarm(loop);
    if (rc != 0)
        return rc;
    evl_handle *handle = evl_handle_alloc(loop, EVL_KIND_WALL, fn, arg);
    if (!handle)
        return EVL_ENOMEM;
    wall_of(handle)->repeat = 0;
    *out = handle;
    return 0;
}

static void stop(evl_handle *handle) {
    evl_tq_stop(&handle->loop->walls, handle->node.slot);
    evl_handle_set_active(handle, false);
    evl_list_unlink(&handle->node.link);
}

static void detach(evl_handle *handle) {
    evl_loop *loop = handle->loop;
    stop(handle);
    evl_tq_trim(&loop->walls, &loop->mem, loop->handles[EVL_KIND_WALL].live);
}

const evl_handle_type evl_wall_type = {.size = sizeof(evl_wall_handle), .detach = detach};

int32_t evl_wall_start_at(evl_wall *handle, int64_t unix_ns, int64_t repeat_ns) {
    int rc = evl_enter_handle(handle, EVL_KIND_WALL);
    if (rc != 0)
        return rc;
    if (repeat_ns < 0)
        return EVL_EINVAL;
    stop(handle);
    wall_of(handle)->repeat = repeat_ns;
    if (unix_ns != EVL_NEVER) {
        evl_tq_start(&handle->loop->walls, handle->node.slot, unix_ns);
        evl_handle_set_active(handle, true);
    }
    evl_touch(handle->loop);
    return 0;
}

int32_t evl_wall_stop(evl_wall *handle) {
    int rc = evl_check_kind(handle, EVL_KIND_WALL);
    if (rc == 0)
        rc = evl_enter_child(handle->loop);
    if (rc != 0)
        return rc;
    stop(handle);
    evl_touch(handle->loop);
    return 0;
}

int64_t evl_wall_deadline(const evl_wall *handle) {
    return evl_check_kind(handle, EVL_KIND_WALL) != 0
               ? EVL_NEVER
               : evl_tq_deadline(&handle->loop->walls, handle->node.slot);
}
