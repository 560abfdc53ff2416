/* evloop/call.h - run a function later: from this thread, or from any other. */
#ifndef EVLOOP_CALL_H
#define EVLOOP_CALL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs fn(arg) in the next pass. FIFO. Never inside this call. A call that may have to be taken back is
 * evl_defer (op.h). fn NULL: a record with `arg` as user_data. Errors: EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_call_soon(evl_loop *loop, evl_fn *fn, void *arg);

/* The same, and drop(arg) runs exactly once: after fn, or instead of it when the loop is destroyed first.
 * With fn NULL drop runs when the record has been taken. On an error it does not run. @since 0.1 */
EVL_API int32_t evl_call_soon_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop);

/* evl_call_soon from any thread. FIFO over all threads, never coalesced; what the poster wrote before is seen
 * by fn. Allocates nothing when warm, and makes no system call while the loop is awake. The poster holds a
 * reference (evl_loop_ref) or knows otherwise that the loop is there.
 * Errors, after which arg still is the caller's: EVL_ECLOSED, EVL_ENOMEM, EVL_EFORK, EVL_ENOTSUP
 * (EVL_LOOP_NOPOST). @thread any. @since 0.1 */
EVL_API int32_t evl_post(evl_loop *loop, evl_fn *fn, void *arg);
EVL_API int32_t evl_post_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop);

/* Makes a waiting loop return from its poll: run(ONCE), records and a host's wait end. Several wakes may be
 * one. Safe in signal handlers. Errors: EVL_EFORK. @thread any. @since 0.1 */
EVL_API int32_t evl_wake(evl_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
