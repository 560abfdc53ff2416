/* evloop/waitq.h - a wait queue: the list of waiting operations on which locks, events and queues are
 * built, for building your own.
 *
 *     evl_waitq_init(&q, loop, NULL, NULL);
 *     evl_waitq_park(&q, &op);          // op waits
 *     evl_waitq_wake(&q, 1, 42);        // the oldest operation completes with 42 in the next pass */
#ifndef EVLOOP_WAITQ_H
#define EVLOOP_WAITQ_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A wait queue: 64 bytes of the caller's memory, opaque, of this size for as long as the soname stays. It
 * must not move or be freed while operations wait in it, or before those that evl_waitq_wake with n of 0 or
 * more chose have been delivered. After a wake of all it may be freed at once. */
typedef struct evl_waitq {
    uint64_t opaque[8];
} evl_waitq;

/* Initialises memory of the caller as an empty wait queue of `loop`.
 *
 * refused(arg, result) is called when evl_waitq_wake chose an operation with a result of 0 or more, and
 * the operation was closed before it was delivered, so that the resource that the wake stood for can be
 * returned. It runs at the end of evl_op_close, when the operation is inactive and unlinked. It is not
 * called for a wake of all (n < 0), for a negative result, or by evl_loop_destroy. With refused NULL such
 * a wake passes to the next waiting operation, if there is one.
 * Errors:
 * - EVL_EINVAL: q or loop is NULL.
 * @since 0.1 */
EVL_API int32_t evl_waitq_init(evl_waitq *q, evl_loop *loop, evl_done_fn *refused, void *arg);

/* Makes an operation wait, behind those that wait already. It completes with the result of its wake, with
 * EVL_ECANCELED or with EVL_ETIMEDOUT.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_waitq_park(evl_waitq *q, evl_op *op);

/* Wakes up to n operations, oldest first; a negative n wakes all. They complete with `result` in the next
 * pass: 0 or more, or an error. Returns the number of operations that it woke. @since 0.1 */
EVL_API int32_t evl_waitq_wake(evl_waitq *q, int32_t n, int64_t result);

/* Completes when an operation leaves the queue without a wake, because it was cancelled, timed out or
 * closed: with the number of those that still wait, and before that one does. So that work for which nothing
 * waits any more can be ended, which only its owner knows how to do. One operation can wait for this at a
 * time; it does not count as one of the queue's, and must be closed before the queue's memory is freed.
 * Errors:
 * - EVL_EBUSY: the operation is active, or another one waits for this already.
 * @since 0.1 */
EVL_API int32_t evl_waitq_on_leave(evl_waitq *q, evl_op *op);

/* Returns the number of operations that wait. @since 0.1 */
EVL_API int32_t evl_waitq_count(const evl_waitq *q);

/* Returns sizeof(evl_waitq) of the library, for bindings to check. @thread any. @since 0.1 */
EVL_API int32_t evl_waitq_size(void);

#ifdef __cplusplus
}
#endif
#endif
