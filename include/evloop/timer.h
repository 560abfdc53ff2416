/* evloop/timer.h - timers, and the loop's time.
 *
 *     evl_timer_new(loop, done, arg, &timer);
 *     evl_timer_start_in(timer, 5 * EVL_SECOND, 0);           // 5 s from now, once
 *     evl_timer_start_at(timer, evl_now(loop) + ns, EVL_MS);  // at a time, then every millisecond
 *
 * Time is int64_t nanoseconds on a monotonic clock that belongs to the loop. A timer never runs while
 * evl_time is before its deadline. Timers run in the order of their deadlines; timers with equal deadlines
 * in the order in which they were started. Sums saturate at EVL_NEVER. For times of day see wall.h, for a
 * single call evl_call_later (call.h), for a single wait evl_sleep (op.h). */
#ifndef EVLOOP_TIMER_H
#define EVLOOP_TIMER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A deadline that never comes. */
#define EVL_NEVER INT64_MAX

/* Returns the loop's time: cached once a poll while the loop runs, read from the clock otherwise. @since
 * 0.1 */
EVL_API int64_t evl_now(const evl_loop *loop);

/* Returns the loop's time, read from the clock. @since 0.1 */
EVL_API int64_t evl_time(const evl_loop *loop);

/* Advances the virtual clock of a loop that was made with EVL_CLOCK_MANUAL or EVL_CLOCK_JUMP, by ns
 * nanoseconds. What is due then runs in the next pass.
 * Errors:
 * - EVL_EINVAL: ns is negative.
 * - EVL_ENOTSUP: the loop has a real clock.
 * @since 0.1 */
EVL_API int32_t evl_clock_advance(evl_loop *loop, int64_t ns);

/* Makes a timer that is not started: fn(arg, n) runs with n, the number of expirations, which is more than
 * 1 for a repeating timer after a stall. Memory for starting it is reserved here. fn NULL produces records
 * of EVL_KIND_TIMER.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_timer_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_timer **out);

/* Starts or moves a timer to an absolute time of the loop's clock (evl_now).
 *
 * - `deadline_ns`: a time in the past expires in the next pass, never inside this call. EVL_NEVER stops
 *   the timer.
 * - `repeat_ns`: 0 expires once; otherwise the timer expires again every repeat_ns after the deadline,
 *   without drift, and after a stall runs once with the number of missed expirations.
 *
 * An expiration that is already queued is cancelled. Does not read the clock, and cannot run out of
 * memory.
 * Errors:
 * - EVL_EINVAL: repeat_ns is negative.
 * @since 0.1 */
EVL_API int32_t evl_timer_start_at(evl_timer *timer, int64_t deadline_ns, int64_t repeat_ns);

/* As evl_timer_start_at, with a deadline delay_ns from now, which is evl_now: inside a callback the time at
 * which its pass began. After a long computation, start it at evl_time(loop) + delay_ns instead. A negative
 * delay is a deadline in the past.
 * @since 0.1 */
EVL_API int32_t evl_timer_start_in(evl_timer *timer, int64_t delay_ns, int64_t repeat_ns);

/* Lets a timer run up to slack_ns late, so that it shares a wakeup with others. From its next start on
 * each deadline is rounded up to a multiple of the largest power of two that is not above slack_ns. 0, as
 * unless set, does not round. A repeating timer does not drift by it.
 * Errors:
 * - EVL_EINVAL: slack_ns is negative.
 * @since 0.1 */
EVL_API int32_t evl_timer_set_slack(evl_timer *timer, int64_t slack_ns);

/* Stops a timer and cancels an expiration that is already queued. Stopping a stopped timer is no error.
 * @since 0.1 */
EVL_API int32_t evl_timer_stop(evl_timer *timer);

/* Returns the next deadline, slack included; EVL_NEVER when the timer is not started, and for NULL or a
 * closed handle, since a negative number is a valid time. @since 0.1 */
EVL_API int64_t evl_timer_deadline(const evl_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
