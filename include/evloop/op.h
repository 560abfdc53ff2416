/* evloop/op.h - operations: things that happen once, in memory that the caller owns.
 *
 * An evl_op may be embedded anywhere and be used again after it completed. It completes exactly once for each
 * start, from the loop, never inside the call that started or cancelled it. Its memory must stay until it has
 * completed, or until evl_op_close. */
#ifndef EVLOOP_OP_H
#define EVLOOP_OP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 128 bytes, opaque, and of this size for as long as the soname stays. */
typedef struct evl_op {
    uint64_t opaque[16];
} evl_op;

/* evl_op_init flags. */
enum {
    EVL_OP_SYNC = 1 /* starts may answer 1: done already, result in evl_op_result, and fn is not called */
};

/* Makes the memory an operation that is not active. fn NULL: a record of EVL_KIND_OP with `arg` as user_data.
 * Initialising an active operation is undefined. Errors: EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_op_init(evl_op *op, evl_done_fn *fn, void *arg, uint32_t flags);

/* Takes back an active operation: 1, and it completes with EVL_ECANCELED; 0 when it is too late and the real
 * completion is queued; EVL_EALREADY when it is not active. EVL_EINVAL when it was never initialised.
 * @since 0.1 */
EVL_API int32_t evl_op_cancel(evl_op *op);

/* For destructors: whatever state the operation is in, it becomes inactive in silence, and the memory is the
 * caller's. NULL: 0. @since 0.1 */
EVL_API int32_t evl_op_close(evl_op *op);

/* 1 from a start until the completion is delivered, else 0. @since 0.1 */
EVL_API int32_t evl_op_active(const evl_op *op);

/* The result of the last completion; EVL_EAGAIN while active or never started. @since 0.1 */
EVL_API int64_t evl_op_result(const evl_op *op);

/* sizeof(evl_op) of the library, for bindings to check. @thread any. @since 0.1 */
EVL_API int32_t evl_op_size(void);

/* Gives an active operation a deadline, in the loop's time: if it is still pending then, it completes with
 * EVL_ETIMEDOUT. A deadline that has passed counts from the next pass on. A second call replaces the first,
 * and EVL_NEVER takes it away; it ends with the operation. Whichever of deadline and completion is queued
 * first wins. Errors: EVL_EALREADY (not active), EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_op_deadline(evl_op *op, int64_t deadline_ns);

/* Completes with 0 when the time has come: ns from now (the clock is read), or at a deadline. Runs in one
 * order with timers. Not before the next pass. Errors: EVL_EBUSY, EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_sleep(evl_loop *loop, evl_op *op, int64_t ns);
EVL_API int32_t evl_sleep_until(evl_loop *loop, evl_op *op, int64_t deadline_ns);

/* Completes with a mask when fd can be read or written (io.h), once; any number may wait for one fd. One
 * system call; none when it completes and is started again in the same pass. Completes with EVL_EBADF when
 * the fd was closed, EVL_ECLOSED after evl_fd_closing. Errors: as evl_io_new, EVL_EBUSY, EVL_EINVAL (mask 0).
 * @since 0.1 */
EVL_API int32_t evl_wait_fd(evl_loop *loop, evl_op *op, evl_fd fd, uint32_t mask);

/* Completes with the number of deliveries when a signal comes (signal.h), once. Errors: EVL_EBUSY,
 * EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_wait_signal(evl_loop *loop, evl_op *op, int32_t signo);

/* A deferred call that can be taken back: completes with 0 in the next pass, FIFO with evl_call_soon.
 * Allocates nothing. Errors: EVL_EBUSY (active), EVL_EINVAL (not initialised). @since 0.1 */
EVL_API int32_t evl_defer(evl_loop *loop, evl_op *op);

#ifdef __cplusplus
}
#endif
#endif
