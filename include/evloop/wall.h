/* evloop/wall.h - timers that follow the wall clock: "at 03:00", also when the clock is set.
 *
 * Use it for times of day; for durations use timer.h, which no change of the clock affects.
 *
 * Times are nanoseconds since 1970-01-01 UTC. A loop with a virtual clock has a virtual wall clock, which
 * advances with it and starts at 0. */
#ifndef EVLOOP_WALL_H
#define EVLOOP_WALL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A wall-clock timer. */
typedef struct evl_handle evl_wall;

/* Makes a wall-clock timer that is not started: fn(arg, n) runs with n, the number of expirations.
 *
 * The timer expires when the wall clock has reached its deadline, whether by passing time or by being set,
 * and runs after the ordinary timers of the same pass. On Linux a change of the clock is noticed at once;
 * elsewhere a loop with a started wall-clock timer wakes once a minute to check the clock. fn NULL
 * produces records of EVL_KIND_WALL.
 * Errors:
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or file descriptors.
 * @since 0.1 */
EVL_API int32_t evl_wall_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_wall **out);

/* Starts or moves a wall-clock timer to the time unix_ns. With repeat_ns above 0 it expires again every
 * repeat_ns of wall-clock time, and missed expirations are counted; 0 expires once. EVL_NEVER stops it.
 * Errors:
 * - EVL_EINVAL: repeat_ns is negative.
 * @since 0.1 */
EVL_API int32_t evl_wall_start_at(evl_wall *wall, int64_t unix_ns, int64_t repeat_ns);

/* Stops a wall-clock timer and cancels an expiration that is already queued. @since 0.1 */
EVL_API int32_t evl_wall_stop(evl_wall *wall);

/* Returns the next deadline, or EVL_NEVER when it is not started. @since 0.1 */
EVL_API int64_t evl_wall_deadline(const evl_wall *wall);

/* Reads the loop's wall clock. @since 0.1 */
EVL_API int64_t evl_wall_time(const evl_loop *loop);

/* Sets a virtual wall clock, forwards or backwards.
 * Errors:
 * - EVL_ENOTSUP: the loop has a real clock.
 * @since 0.1 */
EVL_API int32_t evl_wall_set(evl_loop *loop, int64_t unix_ns);

#ifdef __cplusplus
}
#endif
#endif
