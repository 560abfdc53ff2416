/* evloop/async.h - waking a loop from any thread or signal handler, with a callback that coalesces.
 *
 *     evl_async_new(loop, work_came, pool, &async); // work_came(pool, n) on the loop's thread
 *     evl_async_send(async);                        // from any thread, from a signal handler
 *
 * As uv_async_t: several sends may be one callback, which then looks for itself what there is to do. For
 * functions of which each runs once see evl_post (call.h). */
#ifndef EVLOOP_ASYNC_H
#define EVLOOP_ASYNC_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes an async handle: fn(arg, n) runs with n, the number of sends since it last ran, at least 1.
 *
 * fn NULL produces records of EVL_KIND_ASYNC. Does not keep the loop alive unless evl_keep_alive is called.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_async_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_async **out);

/* Has the handle's function run in the next pass, and wakes the loop if it waits. What the calling thread
 * wrote before is visible to the function.
 *
 * Allocates nothing and takes no lock; safe in signal handlers. A send to a closed handle is refused, and one
 * that comes while it is being closed may be lost, but as with every handle the pointer must not be used
 * later than that: its memory is the next handle's. Until then the loop's memory has to be valid; a thread
 * that sends holds a reference (evl_loop_ref), or the loop outlives it.
 *
 * A child of a fork that has repaired the loop has the handle and the sends that had not been reported. What
 * it sends wakes its own loop only.
 * Errors:
 * - EVL_ESTALE: the handle was closed.
 * - EVL_ECLOSED: the loop was closed or destroyed.
 * - EVL_EFORK: this process is a forked child that has not repaired the loop.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_async_send(evl_async *async);

#ifdef __cplusplus
}
#endif
#endif
