/* evloop/op.h - operations: something that happens once, with one result, one deadline and one cancel.
 *
 *     static void slept(void *arg, int64_t result) { puts(result == 0 ? arg : "cancelled"); }
 *
 *     evl_op op;
 *     evl_op_init(&op, slept, "slept", 0);
 *     evl_sleep(loop, &op, EVL_SECOND);
 *
 * Functions that take an evl_op start it: evl_sleep and the others here, reads (stream.h), connects
 * (connect.h), locks (sync.h), queues (queue.h), jobs (executor.h), look-ups (names.h). Futures (future.h)
 * combine them.
 *
 * Model. An operation is idle, pending (it waits) or ready (its result is queued). It completes exactly
 * once for each start: its function runs in a later pass, never inside the call that started, cancelled or
 * caused it. Its function runs after it became idle again, so it may start or free the operation.
 *
 * Lifetime. The caller owns the memory, usually as a member of a structure of its own. It must stay valid
 * until the operation has completed or evl_op_close has returned. */
#ifndef EVLOOP_OP_H
#define EVLOOP_OP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An operation: 128 bytes of the caller's memory, opaque, of this size for as long as the soname stays. */
typedef struct evl_op {
    uint64_t opaque[16];
} evl_op;

/* Flags of evl_op_init. */
enum {
    EVL_OP_SYNC = 1 /* a start may return 1: completed already, see evl_op_result; no callback */
};

/* Initialises memory as an idle operation whose function is fn(arg, result).
 *
 * fn NULL produces a record of EVL_KIND_OP with `arg` as user_data. Initialising an active operation is
 * undefined.
 * Errors:
 * - EVL_EINVAL: op is NULL or a flag is unknown.
 * @since 0.1 */
EVL_API int32_t evl_op_init(evl_op *op, evl_done_fn *fn, void *arg, uint32_t flags);

/* Cancels an active operation.
 *
 * A cancelled operation completes with EVL_ECANCELED in the next pass: its function still runs, and its
 * memory must stay valid until then. Use evl_op_close to end an operation without a callback. Reads,
 * receives and accepts take data only when they are delivered; until then they can be cancelled and have
 * consumed nothing. A job that already runs on a thread is not interrupted. Cancelling the operation inside a
 * future (evl_future_op) cancels the future, in this call or, for those that take data, in the next pass.
 * Allowed in a forked child.
 *
 * Returns 1 if the operation was cancelled, 0 if its result is queued and will be delivered.
 * Errors:
 * - EVL_EALREADY: the operation is not active.
 * - EVL_EINVAL: op is NULL or was never initialised.
 * @since 0.1 */
EVL_API int32_t evl_op_cancel(evl_op *op);

/* Ends an operation in any state without calling its function; for destructors.
 *
 * Afterwards the operation is idle and its memory is the caller's. A result that was queued is given back:
 * a lock passes to the next operation, data stays in its stream. NULL is allowed. @since 0.1 */
EVL_API int32_t evl_op_close(evl_op *op);

/* Declines the result of an operation that evl_op_cancel found completed, or takes that back.
 *
 * A declined operation completes with EVL_ECANCELED when its result would have been delivered, and only then
 * is the result given back as by evl_op_close. Until then on == 0 restores the result. For layers in which a
 * cancellation can be taken back, such as tasks.
 *
 *   on   1 declines, 0 takes that back
 *
 * Returns 1, or 0 and changes nothing: the operation is still pending, completes with an error, or has done
 * what cannot be given back (see evl_queue_put).
 * Errors:
 * - EVL_EALREADY: the operation is not active.
 * - EVL_EINVAL: op is NULL or was never initialised.
 * @since 0.1 */
EVL_API int32_t evl_op_decline(evl_op *op, int32_t on);

/* Returns 1 from the start of an operation until its completion is delivered, else 0. @since 0.1 */
EVL_API int32_t evl_op_active(const evl_op *op);

/* Returns the result of the last completion; EVL_EAGAIN while the operation is active or was never started.
 * After evl_op_close EVL_ECANCELED, unless what was queued cannot be given back (see evl_queue_put).
 * @since 0.1 */
EVL_API int64_t evl_op_result(const evl_op *op);

/* Returns sizeof(evl_op) of the library, for bindings to check. @thread any. @since 0.1 */
EVL_API int32_t evl_op_size(void);

/* Gives an active operation a deadline, an absolute time of the loop's clock (evl_now): when it is still
 * pending then, it completes with EVL_ETIMEDOUT.
 *
 * A deadline in the past takes effect in the next pass. A second call replaces the first and EVL_NEVER
 * removes the deadline. The deadline ends with the operation; the next start has none. If deadline and
 * completion fall into one pass, the one that was queued first counts. An operation that needs several
 * passes, as a read of many bytes does, ends at its deadline however much it still finds.
 * Errors:
 * - EVL_EALREADY: the operation is not active.
 * - EVL_ENOMEM: out of memory; the operation goes on without a deadline.
 * @since 0.1 */
EVL_API int32_t evl_op_deadline(evl_op *op, int64_t deadline_ns);

/* As evl_op_deadline, timeout_ns nanoseconds from now (reads the clock). Negative is a deadline in the past,
 * EVL_NEVER removes the deadline.
 * Errors: those of evl_op_deadline.
 * @since 0.1 */
EVL_API int32_t evl_op_timeout(evl_op *op, int64_t timeout_ns);

/* Completes with 0 after ns nanoseconds, counted from now (reads the clock), not before the next pass.
 *
 * Sleeps and timers run in one order: by deadline, then by start.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_sleep(evl_loop *loop, evl_op *op, int64_t ns);

/* As evl_sleep, until an absolute time of the loop's clock (evl_now). @since 0.1 */
EVL_API int32_t evl_sleep_until(evl_loop *loop, evl_op *op, int64_t deadline_ns);

/* Completes once with the mask of what fd is ready for (io.h). Any number of operations may wait for one
 * fd.
 *
 * Costs one system call; none when it completes and is started again in the same pass. Completes with
 * EVL_ECLOSED after evl_fd_closing. With EVL_EBADF when the loop notices that the fd was closed while the
 * operation waits: select notices in the next pass; epoll and kqueue report nothing for a closed fd, and
 * the loop notices when the number is used again. Call evl_fd_closing before close().
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_EINVAL: the mask is 0 or has unknown bits.
 * - and those of evl_io_new.
 * @since 0.1 */
EVL_API int32_t evl_wait_fd(evl_loop *loop, evl_op *op, evl_fd fd, uint32_t mask);

/* Completes with the number of deliveries when a signal arrives (signal.h) after this call.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_EINVAL: there is no such signal, or it cannot be caught.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_wait_signal(evl_loop *loop, evl_op *op, int32_t signo);

/* A deferred call that can be cancelled: completes with 0 in the next pass, in FIFO order with
 * evl_call_soon. Allocates nothing.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_defer(evl_loop *loop, evl_op *op);

#ifdef __cplusplus
}
#endif
#endif
