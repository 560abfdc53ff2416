/* evloop/sync.h - synchronisation between operations of one loop: event, lock, semaphore, condition,
 * barrier.
 *
 *     evl_lock_new(loop, &lock);
 *     evl_lock_acquire(lock, &op);        // completes when the lock is the caller's
 *     evl_lock_release(lock);             // passes it to the operation that waits longest
 *
 * As asyncio's. They order work on one thread, the loop's; they are not for several threads.
 *
 * Model. Operations wait in FIFO order. One that is cancelled, times out or is closed while it waits has
 * changed nothing. One that is closed after it was served but before it was delivered passes on what it
 * was given. A result of 0 or more means that the caller has it.
 *
 * Lifetime. Each object is made by _new and freed by _free, which completes waiting operations with
 * EVL_ECLOSED. It may be freed after its loop was destroyed. */
#ifndef EVLOOP_SYNC_H
#define EVLOOP_SYNC_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A flag that can be waited for; opaque. */
typedef struct evl_event evl_event;
/* A mutual exclusion lock; opaque. */
typedef struct evl_lock evl_lock;
/* A counter of permits; opaque. */
typedef struct evl_semaphore evl_semaphore;
/* A condition variable; opaque. */
typedef struct evl_condition evl_condition;
/* A meeting point of a fixed number of operations; opaque. */
typedef struct evl_barrier evl_barrier;

/* --- event: a flag that can be waited for --- */

/* Makes an event that is not set.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_event_new(evl_loop *loop, evl_event **out);

/* Frees an event. NULL is allowed. @since 0.1 */
EVL_API void evl_event_free(evl_event *event);

/* Completes with 0 when the event is set. Every operation that waits at that moment completes, even if the
 * event is cleared before their functions run. May return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_event_wait(evl_event *event, evl_op *op);

/* Sets an event. Returns 0. @since 0.1 */
EVL_API int32_t evl_event_set(evl_event *event);

/* Clears an event. Returns 0. @since 0.1 */
EVL_API int32_t evl_event_clear(evl_event *event);

/* Returns 1 if the event is set, else 0. @since 0.1 */
EVL_API int32_t evl_event_is_set(const evl_event *event);

/* --- lock: one holder at a time --- */

/* Makes a lock that is free.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_lock_new(evl_loop *loop, evl_lock **out);

/* Frees a lock. NULL is allowed. @since 0.1 */
EVL_API void evl_lock_free(evl_lock *lock);

/* Completes with 0 when the caller holds the lock. May return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_lock_acquire(evl_lock *lock, evl_op *op);

/* Acquires the lock if it is free. Returns 0.
 * Errors:
 * - EVL_EAGAIN: the lock is held.
 * @since 0.1 */
EVL_API int32_t evl_lock_try(evl_lock *lock);

/* Releases the lock and passes it to the operation that waits longest. Which operation holds the lock is
 * not recorded: any part of the program may release it.
 * Errors:
 * - EVL_EPERM: the lock is not held.
 * @since 0.1 */
EVL_API int32_t evl_lock_release(evl_lock *lock);

/* Returns 1 if the lock is held, else 0. @since 0.1 */
EVL_API int32_t evl_lock_is_held(const evl_lock *lock);

/* --- semaphore: a number of permits --- */

/* Makes a semaphore with `value` permits and at most `limit`; limit 0 means no limit, which is INT32_MAX.
 * Errors:
 * - EVL_EINVAL: value is above limit, or above INT32_MAX.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_semaphore_new(evl_loop *loop, uint32_t value, uint32_t limit, evl_semaphore **out);

/* Frees a semaphore. NULL is allowed. @since 0.1 */
EVL_API void evl_semaphore_free(evl_semaphore *semaphore);

/* Completes with 0 when the caller has a permit. May return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_semaphore_acquire(evl_semaphore *semaphore, evl_op *op);

/* Takes a permit if there is one. Returns 0.
 * Errors:
 * - EVL_EAGAIN: there is none.
 * @since 0.1 */
EVL_API int32_t evl_semaphore_try(evl_semaphore *semaphore);

/* Returns a permit: it passes to the operation that waits longest, or back to the semaphore.
 * Errors:
 * - EVL_ERANGE: the semaphore has `limit` permits already.
 * @since 0.1 */
EVL_API int32_t evl_semaphore_release(evl_semaphore *semaphore);

/* Returns the number of permits that are free. @since 0.1 */
EVL_API int32_t evl_semaphore_value(const evl_semaphore *semaphore);

/* --- condition: wait for a change of something that a lock protects --- */

/* Makes a condition over a lock, which must not be freed before the condition.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_condition_new(evl_lock *lock, evl_condition **out);

/* Frees a condition. Operations that were notified still get the lock. NULL is allowed. @since 0.1 */
EVL_API void evl_condition_free(evl_condition *condition);

/* Releases the condition's lock and waits to be notified.
 *
 * Completes with 0 once the operation was notified and holds the lock again; check the predicate again
 * then. If it completes with an error (EVL_ECANCELED, EVL_ETIMEDOUT, EVL_ECLOSED) the lock is not acquired
 * again, unlike pthread_cond_timedwait. An operation that was notified and ends before it has the lock
 * passes the notification on.
 * Errors:
 * - EVL_EPERM: the lock is not held.
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_condition_wait(evl_condition *condition, evl_op *op);

/* Notifies up to n waiting operations, oldest first; a negative n notifies all. Returns how many it
 * notified.
 * Errors:
 * - EVL_EPERM: the lock is not held.
 * @since 0.1 */
EVL_API int32_t evl_condition_notify(evl_condition *condition, int32_t n);

/* --- barrier: a number of operations wait for each other --- */

/* Makes a barrier for `parties` operations.
 * Errors:
 * - EVL_EINVAL: parties is 0.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_barrier_new(evl_loop *loop, uint32_t parties, evl_barrier **out);

/* Frees a barrier. NULL is allowed. @since 0.1 */
EVL_API void evl_barrier_free(evl_barrier *barrier);

/* Completes when `parties` operations wait, with the order of arrival as result: 0 for the first.
 * Completes with EVL_EBROKEN when the barrier is reset or aborted meanwhile. An operation that ends early
 * (cancelled, timed out, closed) no longer counts.
 * Errors:
 * - EVL_EBROKEN: the barrier is broken.
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_barrier_wait(evl_barrier *barrier, evl_op *op);

/* Completes waiting operations with EVL_EBROKEN and makes the barrier usable again. @since 0.1 */
EVL_API int32_t evl_barrier_reset(evl_barrier *barrier);

/* Completes waiting operations with EVL_EBROKEN and breaks the barrier until it is reset. @since 0.1 */
EVL_API int32_t evl_barrier_abort(evl_barrier *barrier);

/* Returns the number of operations that wait. @since 0.1 */
EVL_API int32_t evl_barrier_waiting(const evl_barrier *barrier);

/* Returns 1 if the barrier is broken, else 0. @since 0.1 */
EVL_API int32_t evl_barrier_is_broken(const evl_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
