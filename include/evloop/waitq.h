/* evloop/waitq.h - the place where operations wait: what locks, events and queues are built on, and what you
 * build your own on. */
#ifndef EVLOOP_WAITQ_H
#define EVLOOP_WAITQ_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 64 bytes of the caller's memory, opaque, never growing. It must stay where it is while operations wait in
 * it, and until those that were woken by evl_waitq_wake have been delivered. */
typedef struct evl_waitq {
    uint64_t opaque[8];
} evl_waitq;

/* Makes the memory an empty wait list of `loop`. `refused(arg, result)` hears of a wake whose operation was
 * closed before the wake was delivered, so that what the wake stood for is not lost; it runs inside
 * evl_op_close. NULL: the wake goes to the next in line, if there is one. Errors: EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_waitq_init(evl_waitq *q, evl_loop *loop, evl_done_fn *refused, void *arg);

/* Puts an operation at the end of the line. It completes with the result of its wake, or with EVL_ECANCELED
 * or EVL_ETIMEDOUT. Errors: EVL_EBUSY (active), EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_waitq_park(evl_waitq *q, evl_op *op);

/* Wakes up to n operations, oldest first, with a result (0 or more, or an error); negative n: all. Answers
 * how many there were. @since 0.1 */
EVL_API int32_t evl_waitq_wake(evl_waitq *q, int32_t n, int64_t result);

/* How many wait. @since 0.1 */
EVL_API int32_t evl_waitq_count(const evl_waitq *q);

/* sizeof(evl_waitq) of the library, for bindings to check. @thread any. @since 0.1 */
EVL_API int32_t evl_waitq_size(void);

#ifdef __cplusplus
}
#endif
#endif
