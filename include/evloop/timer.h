/* evloop/timer.h - timers and the loop's time.
 *
 * Time is int64_t nanoseconds on a monotonic clock that belongs to the loop. A timer never runs while
 * evl_time is before its deadline. Timers run in deadline order; those with equal deadlines in the order in
 * which they were started. INT64_MAX is never. Sums saturate. */
#ifndef EVLOOP_TIMER_H
#define EVLOOP_TIMER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A time that does not come. */
#define EVL_NEVER INT64_MAX

/* The loop's time: cached per poll inside run, and read afresh outside of it. @since 0.1 */
EVL_API int64_t evl_now(const evl_loop *loop);

/* The loop's time, read afresh. @since 0.1 */
EVL_API int64_t evl_time(const evl_loop *loop);

/* Moves the virtual clock of a loop made with EVL_CLOCK_MANUAL or EVL_CLOCK_JUMP. What is due then runs in
 * the next pass. Errors: EVL_EINVAL (negative), EVL_ENOTSUP (a real clock). @since 0.1 */
EVL_API int32_t evl_clock_advance(evl_loop *loop, int64_t ns);

/* Makes a timer that is not started. fn gets the number of expirations: 1, or more for a repeating timer
 * after a stall. fn NULL: records. Room for starting it is reserved here. Errors: EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_timer_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_timer **out);

/* Starts or moves a timer to an absolute deadline; does not read the clock. A deadline that has passed fires
 * in the next pass, never inside this call. repeat 0: once. repeat > 0: then every repeat ns from the
 * deadline on, without drift, and after a stall once with the number of expirations. EVL_NEVER stops it. An
 * expiration already due is taken back. Cannot run out of memory. Errors: EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_timer_start_at(evl_timer *timer, int64_t deadline_ns, int64_t repeat_ns);

/* The same, delay ns from now (the clock is read). A negative delay is a deadline in the past. @since 0.1 */
EVL_API int32_t evl_timer_start_in(evl_timer *timer, int64_t delay_ns, int64_t repeat_ns);

/* Lets a timer run up to slack ns late, so that it shares a wakeup with others: from its next start on, each
 * deadline is rounded up to a multiple of the largest power of two that is not above slack. 0, the default:
 * none. The deadlines of a repeating timer do not drift by it. Errors: EVL_EINVAL (negative). @since 0.1 */
EVL_API int32_t evl_timer_set_slack(evl_timer *timer, int64_t slack_ns);

/* Stops a timer; takes back an expiration already due. 0 also when it was not started. @since 0.1 */
EVL_API int32_t evl_timer_stop(evl_timer *timer);

/* The next deadline, slack included, or EVL_NEVER when it is not started; negative errors cannot be told from
 * deadlines before time 0, so NULL and closed handles answer EVL_NEVER too. @since 0.1 */
EVL_API int64_t evl_timer_deadline(const evl_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
