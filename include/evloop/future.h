/* evloop/future.h - a result that is not there yet, shared by all who wait for it, and combinations of
 * several.
 *
 *     evl_future_new(loop, &future);
 *     evl_future_wait(future, &op);               // any number of operations and callbacks may wait
 *     evl_future_resolve(future, 42);             // they are called in the next pass
 *     evl_future_unref(future);
 *
 *     evl_sleep(loop, evl_future_op(future), ns); // or let any operation complete the future
 *
 * Use a future where several parts of a program want one result, or to combine results (evl_gather,
 * evl_wait_for, evl_any ...). For a single consumer an operation (op.h) is cheaper and allocates nothing.
 *
 * Model. A future is pending, and then exactly one of: value, error, cancelled. Operations and done
 * callbacks that wait run in a pass after the future completed, never inside the call that completed it.
 *
 * Lifetime. Futures are reference counted. evl_future_new and the combinators give the caller one
 * reference, to be released with evl_future_unref. A future that is waited for, or has an active operation
 * in it, is kept by the loop.
 *
 * Unretrieved errors. An error that is never retrieved (by a waiting operation, a callback,
 * evl_future_value or a combinator) is reported to the loop's error hook (metrics.h) when the last
 * reference is released. */
#ifndef EVLOOP_FUTURE_H
#define EVLOOP_FUTURE_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A future; opaque. */
typedef struct evl_future evl_future;

/* States of a future: evl_future_state, and the result that waiting operations and done callbacks get. */
enum { EVL_FUTURE_PENDING = 0, EVL_FUTURE_VALUE = 1, EVL_FUTURE_ERROR = 2, EVL_FUTURE_CANCELLED = 3 };

/* Makes a pending future with one reference.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_future_new(evl_loop *loop, evl_future **out);

/* Adds a reference. Returns its argument. NULL is allowed. @since 0.1 */
EVL_API evl_future *evl_future_ref(evl_future *future);

/* Releases a reference. With the last one the value's drop runs, in a later pass, and an error that was
 * never retrieved is reported to the error hook. NULL is allowed. @thread any. @since 0.1 */
EVL_API void evl_future_unref(evl_future *future);

/* Completes a future with a number.
 * Errors:
 * - EVL_EALREADY: the future is not pending.
 * @since 0.1 */
EVL_API int32_t evl_future_resolve(evl_future *future, int64_t value);

/* Completes a future with a pointer, which the future owns from now on: drop(value) runs after the last
 * reference was released, unless evl_future_take was called. drop may be NULL. On an error the value is
 * still the caller's.
 * Errors:
 * - EVL_EALREADY: the future is not pending.
 * @since 0.1 */
EVL_API int32_t evl_future_resolve_owned(evl_future *future, void *value, evl_fn *drop);

/* Completes a future with an error, a negative code.
 * Errors:
 * - EVL_EALREADY: the future is not pending.
 * - EVL_EINVAL: error is not negative.
 * @since 0.1 */
EVL_API int32_t evl_future_fail(evl_future *future, int32_t error);

/* As evl_future_fail, with a pointer that says more about the error, such as an exception of another
 * language, and is read by evl_future_error. On an error of this call the pointer is still the caller's.
 *
 * end(what, retrieved) is called on the loop's thread after the last reference was released; end may be NULL.
 * `retrieved` is 1, or 0 if the error was never retrieved: such an error is not reported to the error hook,
 * which is left to end.
 * Errors:
 * - EVL_EALREADY: the future is not pending.
 * - EVL_EINVAL: error is not negative.
 * @since 0.1 */
EVL_API int32_t evl_future_fail_owned(evl_future *future, int32_t error, void *what, evl_done_fn *end);

/* Cancels a future. An operation in it is closed. A future that a combinator made passes the cancellation
 * on as the combinator's comment says. Returns 1 if the future was pending and is cancelled now, 0 if it
 * was done already.
 * @since 0.1 */
EVL_API int32_t evl_future_cancel(evl_future *future);

/* Completes a future from any thread, in a later pass of its loop.
 *
 * A negative result is an error; EVL_ECANCELED cancels. A future that is done by then stays as it is. The
 * thread must hold a reference to the future. It does not keep the loop alive: use evl_loop_hold while a
 * thread is going to post.
 * Errors:
 * - EVL_ECLOSED: the loop was closed or destroyed.
 * - EVL_ENOMEM: out of memory.
 * - EVL_ENOTSUP: the loop was made with EVL_LOOP_NOPOST.
 * - EVL_EFORK: this process is a forked child that has not repaired the loop.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_future_post(evl_future *future, int64_t result);

/* As evl_future_post, with a number that is never an error, whatever its sign, as evl_future_resolve takes
 * it. Errors: those of evl_future_post.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_future_post_value(evl_future *future, int64_t value);

/* As evl_future_post, with a pointer as evl_future_resolve_owned takes it. If the future is done by then,
 * or the loop destroyed, drop(value) runs. On an error the value is still the caller's. Errors: those of
 * evl_future_post.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_future_post_owned(evl_future *future, void *value, evl_fn *drop);

/* Returns the future's state, EVL_FUTURE_*. @since 0.1 */
EVL_API int32_t evl_future_state(const evl_future *future);

/* Returns the outcome, as asyncio's result(): 0 after storing the number in *value (value may be NULL), or
 * the error of a failed future, or EVL_ECANCELED. Marks an error as retrieved.
 * Errors:
 * - EVL_EAGAIN: the future is pending.
 * @since 0.1 */
EVL_API int32_t evl_future_value(evl_future *future, int64_t *value);

/* Stores the pointer of evl_future_resolve_owned in *value; it stays the future's and is valid while the
 * caller has a reference. Returns as evl_future_value.
 * Errors:
 * - EVL_EAGAIN: the future is pending.
 * - EVL_EALREADY: the pointer was taken (evl_future_take).
 * - EVL_EINVAL: the value is a number.
 * @since 0.1 */
EVL_API int32_t evl_future_pointer(evl_future *future, void **value);

/* As evl_future_pointer, and the pointer is the caller's: drop does not run. @since 0.1 */
EVL_API int32_t evl_future_take(evl_future *future, void **value);

/* Stores the pointer of evl_future_fail_owned in *what, also of a future that follows or was made from the
 * one that failed; it stays the future's and is valid while the caller has a reference. `end` is the one
 * given to the call that failed the future, and says whose pointer it is. Returns 0, and marks the error as
 * retrieved. Errors:
 * - EVL_EAGAIN: the future is pending.
 * - EVL_EINVAL: the future has no such pointer, or one with another end.
 * @since 0.1 */
EVL_API int32_t evl_future_error(evl_future *future, evl_done_fn *end, void **what);

/* Adds a done callback: fn(arg, state) runs in a pass after the future is done, also when it is done
 * already. Callbacks run in the order in which they were added. fn NULL produces a record of
 * EVL_KIND_FUTURE.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_future_on_done(evl_future *future, evl_done_fn *fn, void *arg);

/* Removes every done callback with this fn and arg that has not run, even if it is queued. Returns how
 * many it removed.
 * @since 0.1 */
EVL_API int32_t evl_future_off_done(evl_future *future, evl_done_fn *fn, void *arg);

/* Completes with the state, EVL_FUTURE_*, when the future is done. Any number of operations may wait.
 * Cancelling the operation does not affect the future. May return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_EDEADLK: op is the future's own operation.
 * @since 0.1 */
EVL_API int32_t evl_future_wait(evl_future *future, evl_op *op);

/* Returns the operation inside the future: start anything with it, and its result becomes the future's. A
 * negative result is an error; EVL_ECANCELED cancels. A start that fails leaves the future pending. NULL
 * when the future is done. @since 0.1 */
EVL_API evl_op *evl_future_op(evl_future *future);

/* Returns the future's id, a number that no other future of this loop has or will have: evl_record.id.
 * @since 0.1 */
EVL_API uint64_t evl_future_id(const evl_future *future);

/* Names a future, for dumps and errors that were never retrieved. The name is copied, at most 31 bytes of
 * it.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_future_set_name(evl_future *future, const char *name);

/* Returns the loop of the future. @since 0.1 */
EVL_API evl_loop *evl_future_loop(const evl_future *future);

/* --- one future out of another --- */

/* Chains a continuation: stores in *out a future that completes after on_value or on_error has run.
 *
 * - future has a value: on_value(arg, value) runs, then *out gets that value (a pointer as its address).
 * - future has an error: on_error(arg, error) runs, then *out gets 0; the error counts as handled.
 * - future is cancelled: neither runs, and *out is cancelled.
 *
 * A NULL function passes the outcome on unchanged. A function may itself complete *out, or redirect it
 * with evl_future_follow; that outcome then stands. The functions run in a pass after future completed,
 * never inside this call. Cancelling *out removes the functions and does not affect `future`: to cancel a
 * whole chain, cancel its first future.
 *
 * *out has one reference, the caller's. The chain holds its own references until the functions have run,
 * so that the caller may release both futures at once.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_future_then(evl_future *future, evl_done_fn *on_value, evl_done_fn *on_error, void *arg,
                                evl_future **out);

/* Makes a pending future complete as `other` does. A pointer is borrowed from `other`, which is kept.
 * Cancelling `future` cancels `other`.
 * Errors:
 * - EVL_EALREADY: the future is not pending, or follows another one already.
 * - EVL_EDEADLK: both are the same future, or `other` follows `future`, directly or through others.
 * - EVL_EINVAL: they belong to different loops (evl_future_across).
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_future_follow(evl_future *future, evl_future *other);

/* Makes a future of `loop` that completes as `other` does, which belongs to another loop and its thread.
 *
 * Called on the thread of `loop`, with a reference to `other`. Outcome and cancellation are exchanged by
 * posts. Cancelling *out cancels `other`. Numbers and errors are passed on; a pointer is passed as its
 * address.
 * Errors:
 * - EVL_ECLOSED: one of the loops was closed or destroyed.
 * - EVL_EFORK: this process is a forked child that has not repaired both loops.
 * - EVL_ENOTSUP: one of the loops was made with EVL_LOOP_NOPOST.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_future_across(evl_loop *loop, evl_future *other, evl_future **out);

/* --- one future out of several ---
 *
 * The combinators below keep references to the futures given to them until they are done themselves, and
 * complete in the same step as the last future that they wait for. All futures must belong to `loop`, else
 * EVL_EINVAL. The same future may be given twice. */

/* Flags of evl_gather. */
enum {
    EVL_GATHER_ERRORS = 1 /* errors and cancellations count as results: *out does not fail because of them */
};

/* Waits for all futures: *out gets the value n when all are done; ask each for its outcome.
 *
 * Without EVL_GATHER_ERRORS, *out fails at once with the first error, or with the error EVL_ECANCELED if
 * one is cancelled. The others go on, and their errors count as retrieved. Cancelling *out cancels all
 * that are pending; *out is cancelled when all are done. With n 0 it is done at once.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_gather(evl_loop *loop, evl_future *const *futures, uint32_t n, uint32_t flags,
                           evl_future **out);

/* When evl_wait_futures completes. */
enum {
    EVL_WAIT_ALL = 0,        /* all are done */
    EVL_WAIT_FIRST = 1,      /* one is done, with any outcome */
    EVL_WAIT_FIRST_ERROR = 2 /* one has failed (being cancelled does not count), or all are done */
};

/* Waits for some futures: *out gets the number of those that are done (a future given twice counts twice)
 * when `mode` holds or timeout_ns nanoseconds have passed (negative: no limit). Neither the time limit nor
 * cancelling *out cancels a future.
 * Errors:
 * - EVL_EINVAL: n is 0.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_wait_futures(evl_loop *loop, evl_future *const *futures, uint32_t n, int32_t mode,
                                 int64_t timeout_ns, evl_future **out);

/* Waits for a future with a time limit: *out completes as `future` does.
 *
 * After timeout_ns nanoseconds (0: in this call, unless it is done; negative: no limit) `future` is
 * cancelled, and once it is done *out fails with EVL_ETIMEDOUT. If `future` completes with a value in spite
 * of the cancellation, *out gets that value. Cancelling *out cancels `future`.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_wait_for(evl_future *future, int64_t timeout_ns, evl_future **out);

/* Stores n futures in outs: outs[i] gets the index of the i-th future to be done. Those that are not done
 * after timeout_ns nanoseconds (negative: no limit) leave futures that fail with EVL_ETIMEDOUT. Cancelling
 * one of outs affects it alone.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_as_completed(evl_loop *loop, evl_future *const *futures, uint32_t n, int64_t timeout_ns,
                                 evl_future **outs);

/* Protects a future from cancellation: *out completes as `future` does, and cancelling *out does not
 * affect `future`. If `future` is done, *out is `future` itself with one more reference.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_shield(evl_future *future, evl_future **out);

/* Waits for the first value: *out gets the index of the first future that completes with a value. If none
 * does, it fails with the last error. The others go on. Cancelling *out does not affect them.
 * Errors:
 * - EVL_EINVAL: n is 0.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_any(evl_loop *loop, evl_future *const *futures, uint32_t n, evl_future **out);

/* Runs the loop until the future is done, and returns as evl_future_value.
 *
 * Returns EVL_RUN_RECORDS (positive) if records are ready and the future is not done.
 * Errors:
 * - EVL_EDEADLK: the future is pending and nothing is alive that could complete it. A thread that is going
 *   to post its result does not count: use evl_loop_hold.
 * - EVL_ECANCELED: evl_stop was called and the future is not done.
 * - and those of evl_loop_run.
 * @since 0.1 */
EVL_API int32_t evl_loop_run_until(evl_loop *loop, evl_future *future, int64_t *value);

#ifdef __cplusplus
}
#endif
#endif
