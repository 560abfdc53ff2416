/* evloop/call.h - run a function later: from the loop's thread or from any other.
 *
 *     evl_call_soon(loop, refresh, view);        // in the next pass, from the loop's thread
 *     evl_post(loop, finished, job);             // in the next pass, from any thread
 *
 * A call that may have to be cancelled is evl_defer (op.h); a call at a later time is a timer (timer.h). */
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
 * host's wait ends. Calls no function; several wakes may be reported as one. Safe in signal handlers.
 * Errors:
 * - EVL_EFORK: this process is a forked child that has not repaired the loop.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_wake(evl_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
