/* evloop/call.h - run a function later: from the loop's thread or from any other.
 *
 *     evl_call_soon(loop, refresh, view);        // in the next pass, from the loop's thread
 *     evl_post(loop, finished, job);             // in the next pass, from any thread
 *     evl_call_later(loop, 5 * EVL_SECOND, give_up, job, &id); // once, in 5 s
 *
 * A call in the next pass that may have to be cancelled is evl_defer (op.h); one that is moved or repeated is
 * a timer (timer.h). */
#ifndef EVLOOP_CALL_H
#define EVLOOP_CALL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs fn(arg) in the next pass, in FIFO order with all deferred calls and with what was posted before this
 * call; never inside this call.
 *
 * fn NULL produces a record of EVL_KIND_CALL with `arg` as user_data.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_call_soon(evl_loop *loop, evl_fn *fn, void *arg);

/* As evl_call_soon, and drop(arg) runs exactly once: after fn, or instead of it when the loop is destroyed
 * first. With fn NULL, drop runs after the record was fetched. On an error drop does not run.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_call_soon_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop);

/* Runs fn(arg) once, delay_ns nanoseconds from now (reads the clock), not before the next pass. A negative
 * delay is a time in the past; EVL_NEVER never comes, and keeps nothing alive.
 *
 * It is a timer that closes itself right before fn runs, and so keeps the loop alive until then, runs in one
 * order with all timers, and shows in dumps and blockers. *id is its id (handle.h), 0 on an error; id may be
 * NULL. Until fn runs evl_lookup finds it, and evl_close takes it back; afterwards there is nothing to find
 * and the same line does nothing:
 *
 *     evl_close(evl_lookup(loop, id));
 *
 * fn NULL produces a record of EVL_KIND_TIMER with that id and `arg` as user_data, and the timer is closed
 * when it is fetched. In steady state nothing is allocated.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_call_later(evl_loop *loop, int64_t delay_ns, evl_fn *fn, void *arg, uint64_t *id);

/* As evl_call_later, and drop(arg) runs exactly once: in the pass after fn, or instead of it when the call is
 * taken back or the loop destroyed. On an error drop does not run.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_call_later_owned(evl_loop *loop, int64_t delay_ns, evl_fn *fn, void *arg, evl_fn *drop,
                                     uint64_t *id);

/* Runs fn(arg) on the loop's thread; may be called from any thread.
 *
 * Posts run in FIFO order over all threads and are never coalesced: each runs once. What the posting
 * thread wrote before the call is visible to fn. In steady state a post allocates nothing, and makes no
 * system call while the loop is awake. The posting thread must hold a reference (evl_loop_ref) or know
 * otherwise that the loop's memory is valid. fn NULL produces a record of EVL_KIND_POST with `arg` as
 * user_data.
 *
 * On an error arg is still the caller's.
 * Errors:
 * - EVL_ECLOSED: the loop was closed or destroyed.
 * - EVL_ENOMEM: out of memory.
 * - EVL_EFORK: this process is a forked child that has not repaired the loop.
 * - EVL_ENOTSUP: the loop was made with EVL_LOOP_NOPOST.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_post(evl_loop *loop, evl_fn *fn, void *arg);

/* As evl_post, and drop(arg) runs exactly once on the loop's thread: after fn, or instead of it when the
 * loop is destroyed first. On an error drop does not run. Errors: those of evl_post. @thread any. @since
 * 0.1 */
EVL_API int32_t evl_post_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop);

/* Makes a waiting loop return from its poll, so that evl_loop_run(EVL_RUN_ONCE), evl_loop_records or a
 * host's wait ends. Calls no function (evl_async_send does); several wakes may be reported as one. Safe in
 * signal handlers. Errors:
 * - EVL_EFORK: this process is a forked child that has not repaired the loop.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_wake(evl_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
