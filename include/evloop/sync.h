/* evloop/sync.h - meeting points of operations on one loop: event, lock, semaphore, condition, barrier.
 *
 * All are for one thread, that of their loop; nothing here is atomic. Whoever waits does so through an
 * operation and in line: first come, first served. An operation that is cancelled, times out or is closed
 * while it waits has changed nothing; one that is closed after it was served, before it was told, hands on
 * what it had been given. A result of 0 or more means that the caller has it.
 *
 * Each is made by _new and ended by _free: who still waits then completes with EVL_ECLOSED. They may be freed
 * after their loop was destroyed. */
#ifndef EVLOOP_SYNC_H
#define EVLOOP_SYNC_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct evl_event evl_event;
typedef struct evl_lock evl_lock;
typedef struct evl_semaphore evl_semaphore;
typedef struct evl_condition evl_condition;
typedef struct evl_barrier evl_barrier;

/* --- event: a flag that can be waited for ----------------------------------------------------- */

/* Makes an event that is not set. Errors: EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_event_new(evl_loop *loop, evl_event **out);
/* Ends it. NULL: nothing. @since 0.1 */
EVL_API void evl_event_free(evl_event *event);
/* Completes with 0 when the event is set; all who wait at that moment are served, also if it is cleared
 * before they run. May answer 1 (EVL_OP_SYNC). Errors: EVL_EBUSY, EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_event_wait(evl_event *event, evl_op *op);
/* Sets and clears. @since 0.1 */
EVL_API int32_t evl_event_set(evl_event *event);
EVL_API int32_t evl_event_clear(evl_event *event);
/* 1 if it is set, else 0. @since 0.1 */
EVL_API int32_t evl_event_is_set(const evl_event *event);

/* --- lock
 * --------------------------------------------------------------------------------------------------- */

/* Makes a lock that nobody has. Errors: EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_lock_new(evl_loop *loop, evl_lock **out);
/* Ends it. NULL: nothing. @since 0.1 */
EVL_API void evl_lock_free(evl_lock *lock);
/* Completes with 0 when the lock is the caller's. May answer 1 (EVL_OP_SYNC). Errors: EVL_EBUSY (the
 * operation is active), EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_lock_acquire(evl_lock *lock, evl_op *op);
/* Takes it if it is free: 0, or EVL_EAGAIN. @since 0.1 */
EVL_API int32_t evl_lock_try(evl_lock *lock);
/* Hands the lock to the next in line. EVL_EPERM when nobody has it. @since 0.1 */
EVL_API int32_t evl_lock_release(evl_lock *lock);
/* 1 if somebody has it, else 0. @since 0.1 */
EVL_API int32_t evl_lock_is_held(const evl_lock *lock);

/* --- semaphore
 * ------------------------------------------------------------------------------------------------ */

/* Makes a semaphore with `value` permits. limit 0: none; otherwise releasing beyond it answers EVL_ERANGE.
 * Errors: EVL_EINVAL (value above limit), EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_semaphore_new(evl_loop *loop, uint32_t value, uint32_t limit, evl_semaphore **out);
/* Ends it. NULL: nothing. @since 0.1 */
EVL_API void evl_semaphore_free(evl_semaphore *semaphore);
/* Completes with 0 when a permit is the caller's. May answer 1 (EVL_OP_SYNC). Errors: EVL_EBUSY, EVL_EINVAL.
 * @since 0.1 */
EVL_API int32_t evl_semaphore_acquire(evl_semaphore *semaphore, evl_op *op);
/* Takes a permit if there is one: 0, or EVL_EAGAIN. @since 0.1 */
EVL_API int32_t evl_semaphore_try(evl_semaphore *semaphore);
/* Gives a permit to the next in line, or back. Errors: EVL_ERANGE. @since 0.1 */
EVL_API int32_t evl_semaphore_release(evl_semaphore *semaphore);
/* Permits that can be had now. @since 0.1 */
EVL_API int32_t evl_semaphore_value(const evl_semaphore *semaphore);

/* --- condition
 * ------------------------------------------------------------------------------------------------ */

/* Makes a condition over a lock, which must stay while the condition is used. Errors: EVL_ENOMEM. @since 0.1
 */
EVL_API int32_t evl_condition_new(evl_lock *lock, evl_condition **out);
/* Ends it; who has been notified still gets the lock. NULL: nothing. @since 0.1 */
EVL_API void evl_condition_free(evl_condition *condition);
/* Releases the lock and waits to be notified; completes with 0 when the lock is the caller's again. With an
 * error (cancelled, timed out, closed) the caller does not have the lock, at once. Check what you waited for
 * again. Errors: EVL_EPERM (nobody has the lock), EVL_EBUSY, EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_condition_wait(evl_condition *condition, evl_op *op);
/* Notifies up to n who wait, oldest first; negative: all. Answers how many. Errors: EVL_EPERM (nobody has the
 * lock). @since 0.1 */
EVL_API int32_t evl_condition_notify(evl_condition *condition, int32_t n);

/* --- barrier
 * -------------------------------------------------------------------------------------------------- */

/* Makes a barrier for `parties` operations. Errors: EVL_EINVAL (0), EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_barrier_new(evl_loop *loop, uint32_t parties, evl_barrier **out);
/* Ends it. NULL: nothing. @since 0.1 */
EVL_API void evl_barrier_free(evl_barrier *barrier);
/* Completes when all parties wait, with the place in order of arrival, 0 for the first. EVL_EBROKEN when the
 * barrier is broken meanwhile. Errors: EVL_EBROKEN (it is broken now), EVL_EBUSY, EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_barrier_wait(evl_barrier *barrier, evl_op *op);
/* Who waits completes with EVL_EBROKEN, and the barrier can be used afresh. @since 0.1 */
EVL_API int32_t evl_barrier_reset(evl_barrier *barrier);
/* The same, and the barrier stays broken until it is reset. @since 0.1 */
EVL_API int32_t evl_barrier_abort(evl_barrier *barrier);
/* How many wait; 1 or 0 for broken. @since 0.1 */
EVL_API int32_t evl_barrier_waiting(const evl_barrier *barrier);
EVL_API int32_t evl_barrier_is_broken(const evl_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
