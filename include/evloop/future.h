/* evloop/future.h - a result that is not there yet, and what can be made of several.
 *
 * A future is pending, then exactly one of: value, error, cancelled. Whoever wants to know waits with an
 * operation (evl_future_wait) or leaves a callback (evl_future_on_done); neither runs inside the call that
 * completes the future. Futures are counted: _new and the combinators give the caller one reference. */
#ifndef EVLOOP_FUTURE_H
#define EVLOOP_FUTURE_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct evl_future evl_future;

/* evl_future_state, and the result that waiting operations and done callbacks get. */
enum { EVL_FUTURE_PENDING = 0, EVL_FUTURE_VALUE = 1, EVL_FUTURE_ERROR = 2, EVL_FUTURE_CANCELLED = 3 };

/* Makes a pending future with one reference. Errors: EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_future_new(evl_loop *loop, evl_future **out);

/* Adds and gives up a reference. With the last one the value is dropped, and an error that nobody has looked
 * at goes to the loop's error hook. A future that is waited for, or has an active operation in it, is kept by
 * the loop. evl_future_ref answers its argument. evl_future_unref: @thread any. @since 0.1 */
EVL_API evl_future *evl_future_ref(evl_future *future);
EVL_API void evl_future_unref(evl_future *future);

/* Completes a future with a number. Errors: EVL_EALREADY (it is not pending). @since 0.1 */
EVL_API int32_t evl_future_resolve(evl_future *future, int64_t value);

/* Completes a future with a pointer that belongs to it from now on: drop(value) runs when the last reference
 * is given up, unless evl_future_take was called. drop may be NULL. On an error the value still is the
 * caller's. Errors: EVL_EALREADY. @since 0.1 */
EVL_API int32_t evl_future_resolve_owned(evl_future *future, void *value, evl_fn *drop);

/* Completes a future with an error, a negative code. Errors: EVL_EALREADY, EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_future_fail(evl_future *future, int32_t error);

/* Cancels a future: 1, and it is cancelled at once; an operation in it is closed. 0: it was done already. A
 * future made by a combinator passes the cancellation on as its comment says. @since 0.1 */
EVL_API int32_t evl_future_cancel(evl_future *future);

/* Completes a future from any thread: a negative result is an error (EVL_ECANCELED cancels). A future that is
 * done by then stays as it is. Errors: EVL_ECLOSED, EVL_ENOMEM, EVL_ENOTSUP, EVL_EFORK. @thread any. @since
 * 0.1 */
EVL_API int32_t evl_future_post(evl_future *future, int64_t result);

/* The same with a pointer; if the future is done by then, or the loop gone, the value is dropped. On an error
 * the value still is the caller's. @thread any. @since 0.1 */
EVL_API int32_t evl_future_post_owned(evl_future *future, void *value, evl_fn *drop);

/* EVL_FUTURE_*. @since 0.1 */
EVL_API int32_t evl_future_state(const evl_future *future);

/* The outcome, as asyncio's result(): 0 and the number in *value (which may be NULL); the error;
 * EVL_ECANCELED; or EVL_EAGAIN while it is pending. Counts as having looked at the error. @since 0.1 */
EVL_API int32_t evl_future_value(evl_future *future, int64_t *value);

/* The pointer of evl_future_resolve_owned, borrowed: valid while the caller has a reference. Errors as
 * evl_future_value, EVL_EINVAL when the value is a number. @since 0.1 */
EVL_API int32_t evl_future_pointer(evl_future *future, void **value);

/* The same, and the value is the caller's: nothing is dropped. EVL_EALREADY when it was taken before. @since
 * 0.1 */
EVL_API int32_t evl_future_take(evl_future *future, void **value);

/* fn(arg, state) runs in the next pass after the future is done, or now if it is done already. Callbacks run
 * in the order in which they were added. fn NULL: a record of EVL_KIND_FUTURE. Errors: EVL_ENOMEM. @since 0.1
 */
EVL_API int32_t evl_future_on_done(evl_future *future, evl_done_fn *fn, void *arg);

/* Takes back every callback with this fn and arg that has not run yet, also if it is due. Answers how many.
 * @since 0.1 */
EVL_API int32_t evl_future_off_done(evl_future *future, evl_done_fn *fn, void *arg);

/* Completes with EVL_FUTURE_* when the future is done. Any number may wait. An operation that is cancelled
 * leaves the future as it is. May answer 1 (EVL_OP_SYNC). Errors: EVL_EBUSY, EVL_EINVAL, EVL_EDEADLK (the
 * future's own operation).
 * @since 0.1 */
EVL_API int32_t evl_future_wait(evl_future *future, evl_op *op);

/* The operation in the future: start anything with it, and its result becomes the future's, a negative one as
 * error (EVL_ECANCELED: cancelled). NULL when the future is done. @since 0.1 */
EVL_API evl_op *evl_future_op(evl_future *future);

/* A number that no other future of this loop has or will have: the id of its records. @since 0.1 */
EVL_API uint64_t evl_future_id(const evl_future *future);

/* Names a future for dumps and unhandled errors; copied, its first 31 bytes. @since 0.1 */
EVL_API int32_t evl_future_set_name(evl_future *future, const char *name);

/* The loop of the future. @since 0.1 */
EVL_API evl_loop *evl_future_loop(const evl_future *future);

/* --- one future out of another
 * ------------------------------------------------------------------------------- */

/* What comes after: with a value on_value(arg, value) runs, with an error on_error(arg, error). *out is
 * pending until then. Either function may complete *out, or make it follow another future; if it does
 * neither, *out gets the value after on_value, and 0 after on_error: the error has been dealt with. A NULL
 * function passes the outcome on as it is, and so is cancellation. Cancelling *out takes the functions back
 * and leaves `future` alone. Errors: EVL_ENOMEM, EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_future_then(evl_future *future, evl_done_fn *on_value, evl_done_fn *on_error, void *arg,
                                evl_future **out);

/* Makes a pending future complete as another does; a pointer is borrowed from `other`, which is kept.
 * Cancelling `future` cancels `other`. Errors: EVL_EALREADY (not pending, or following already), EVL_EDEADLK
 * (itself), EVL_ENOMEM, EVL_EINVAL (another loop's). @since 0.1 */
EVL_API int32_t evl_future_follow(evl_future *future, evl_future *other);

/* A future of `loop` that completes as `other` does, which belongs to another loop and thread; cancelling it
 * cancels `other`. The outcome and the cancellation cross by posts; only numbers and errors cross, a pointer
 * as its address. Called on the thread of `loop`, with a reference to `other`. Errors: EVL_ENOMEM,
 * EVL_ECLOSED. @since 0.1 */
EVL_API int32_t evl_future_across(evl_loop *loop, evl_future *other, evl_future **out);

/* --- one future out of several
 * --------------------------------------------------------------------------------
 *
 * They keep the futures they look at until they are done themselves, and complete at once with the last of
 * what they wait for. The futures belong to `loop`, else EVL_EINVAL. A future may be given twice. Errors of
 * all: EVL_ENOMEM. */

enum {
    EVL_GATHER_ERRORS = 1 /* errors and cancellations are results: *out never fails because of them */
};

/* *out gets the value n when all are done; look at each for its outcome. Without EVL_GATHER_ERRORS it fails
 * at once with the first error, or with EVL_ECANCELED as an error if one is cancelled; the others go on, and
 * errors of theirs count as looked at. Cancelling *out cancels all that are pending; it completes, cancelled,
 * when all are done. n 0: done already. @since 0.1 */
EVL_API int32_t evl_gather(evl_loop *loop, evl_future *const *futures, uint32_t n, uint32_t flags,
                           evl_future **out);

enum {
    EVL_WAIT_ALL = 0,
    EVL_WAIT_FIRST = 1,      /* one is done, however */
    EVL_WAIT_FIRST_ERROR = 2 /* one has failed (cancelled does not count), or all are done */
};

/* *out gets the number of those that are done (a future given twice counts twice) when `mode` holds or
 * timeout_ns has passed (negative: never). Nothing is cancelled, neither by the time nor by cancelling *out.
 * EVL_EINVAL for n 0.
 * @since 0.1 */
EVL_API int32_t evl_wait_futures(evl_loop *loop, evl_future *const *futures, uint32_t n, int32_t mode,
                                 int64_t timeout_ns, evl_future **out);

/* *out completes as `future` does, or fails with EVL_ETIMEDOUT after timeout_ns: `future` is then cancelled,
 * and *out waits for its end; one that ends with a value all the same passes it on. timeout_ns 0 does so at
 * once if it is not done; negative: never. Cancelling *out cancels `future`. @since 0.1 */
EVL_API int32_t evl_wait_for(evl_future *future, int64_t timeout_ns, evl_future **out);

/* outs[i] gets the index of the future that is the i-th to be done; what is not done after timeout_ns
 * (negative: never) leaves outs that fail with EVL_ETIMEDOUT. Cancelling one of outs affects it alone. @since
 * 0.1 */
EVL_API int32_t evl_as_completed(evl_loop *loop, evl_future *const *futures, uint32_t n, int64_t timeout_ns,
                                 evl_future **outs);

/* *out completes as `future` does; cancelling *out leaves `future` alone. A future that is done is answered
 * itself, with a reference more. @since 0.1 */
EVL_API int32_t evl_shield(evl_future *future, evl_future **out);

/* *out gets the index of the first future that has a value; if none will, it fails with the last error. The
 * others go on. Cancelling *out leaves them alone. EVL_EINVAL for n 0. @since 0.1 */
EVL_API int32_t evl_any(evl_loop *loop, evl_future *const *futures, uint32_t n, evl_future **out);

/* Runs the loop until the future is done; answers as evl_future_value. EVL_EDEADLK: nothing is alive that
 * could complete it. EVL_RUN_RECORDS (positive): records wait, and it is not done. A stop answers
 * EVL_ECANCELED unless the future is done. Other errors as evl_loop_run. @since 0.1 */
EVL_API int32_t evl_loop_run_until(evl_loop *loop, evl_future *future, int64_t *value);

#ifdef __cplusplus
}
#endif
#endif
