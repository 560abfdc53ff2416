/* evloop/wall.h - timers that follow the wall clock: "at 03:00", also when somebody sets the clock.
 *
 * Times are nanoseconds since 1970-01-01 UTC. A loop with a virtual clock has a virtual wall clock, which
 * runs with it and starts at 0. */
#ifndef EVLOOP_WALL_H
#define EVLOOP_WALL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct evl_handle evl_wall;

/* Makes a wall-clock timer that is not started. fn gets the number of expirations; fn NULL: records. It runs
 * when the wall clock has reached its deadline, however it got there, and after ordinary timers of the same
 * pass. Where the platform does not tell of a changed clock (all but Linux), a loop with a started one looks
 * at the clock at least once a minute.
 * Errors: EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE. @since 0.1 */
EVL_API int32_t evl_wall_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_wall **out);

/* Starts or moves it. repeat 0: once; else every repeat ns of wall-clock time, what was missed being counted.
 * EVL_NEVER stops it. Errors: EVL_EINVAL (negative repeat). @since 0.1 */
EVL_API int32_t evl_wall_start(evl_wall *wall, int64_t unix_ns, int64_t repeat_ns);

/* Stops it; takes back an expiration already due. @since 0.1 */
EVL_API int32_t evl_wall_stop(evl_wall *wall);

/* The next deadline, or EVL_NEVER when it is not started. @since 0.1 */
EVL_API int64_t evl_wall_deadline(const evl_wall *wall);

/* The wall clock of the loop, read afresh. @since 0.1 */
EVL_API int64_t evl_wall_time(const evl_loop *loop);

/* Sets a virtual wall clock, forwards or backwards. Errors: EVL_ENOTSUP (a real clock). @since 0.1 */
EVL_API int32_t evl_wall_set(evl_loop *loop, int64_t unix_ns);

#ifdef __cplusplus
}
#endif
#endif
