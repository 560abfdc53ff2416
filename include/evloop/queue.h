/* evloop/queue.h - a queue between producers and consumers on one loop.
 *
 *     evl_queue_new(loop, 100, EVL_QUEUE_FIFO, free, &queue);
 *     evl_queue_put(queue, &put_op, item, 0);        // completes when there is room
 *     evl_queue_get(queue, &get_op, &item);          // completes when there is an item
 *
 * As asyncio.Queue. Not for several threads: use evl_post (call.h) to pass something from another thread.
 * Waiting operations are served in FIFO order. An operation that is cancelled, times out or is closed has
 * neither added nor removed anything, with the exceptions stated below. */
#ifndef EVLOOP_QUEUE_H
#define EVLOOP_QUEUE_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A queue of pointers; opaque. */
typedef struct evl_queue evl_queue;

/* The order in which items are removed. */
enum {
    EVL_QUEUE_FIFO = 0,
    EVL_QUEUE_LIFO = 1,
    EVL_QUEUE_PRIORITY = 2 /* smallest priority first; equal priorities in FIFO order */
};

/* Makes a queue of at most maxsize items; 0 means no limit.
 *
 * drop(item) is called for items that are still in the queue at evl_queue_free or at an immediate
 * shutdown, from that call. It may be NULL. Ends with evl_queue_free.
 * Errors:
 * - EVL_EINVAL: order is none of EVL_QUEUE_*.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_queue_new(evl_loop *loop, uint32_t maxsize, int32_t order, evl_fn *drop, evl_queue **out);

/* Frees a queue. Operations that wait complete with EVL_ECLOSED. NULL is allowed. May be called after the
 * loop was destroyed. @since 0.1 */
EVL_API void evl_queue_free(evl_queue *queue);

/* Adds an item; waits while the queue is full.
 *
 * Items are added in call order. Completes with 0 once the item is in the queue. May return 1
 * (EVL_OP_SYNC). priority is used with EVL_QUEUE_PRIORITY only.
 *
 * Ownership. The queue owns the item from the moment it is added. If this call returns an error or the
 * operation completes with one, the item was not added and is the caller's. evl_op_cancel returns 0 if the
 * item was added already. Where the completion is not reported, because the operation was closed or its loop
 * destroyed, evl_op_result says which: 0 if the item was added and stays in the queue, negative if it is the
 * caller's.
 * Errors:
 * - EVL_ESHUTDOWN: evl_queue_shutdown was called.
 * - EVL_EBUSY: the operation is active.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_queue_put(evl_queue *queue, evl_op *op, void *item, int64_t priority);

/* Adds an item without waiting. Returns 0.
 * Errors:
 * - EVL_EAGAIN: the queue is full, or other operations already wait for room.
 * - EVL_ESHUTDOWN: evl_queue_shutdown was called.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_queue_try_put(evl_queue *queue, void *item, int64_t priority);

/* Removes an item; waits while the queue is empty.
 *
 * Completes with 0 after storing the item in *item, which must stay valid until then. The item is removed
 * right before the operation is delivered, so one that is cancelled or closed before that has removed
 * nothing. May return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_ESHUTDOWN: evl_queue_shutdown was called and the queue is empty.
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_queue_get(evl_queue *queue, evl_op *op, void **item);

/* Removes an item without waiting. Returns 0 and stores it in *item.
 * Errors:
 * - EVL_EAGAIN: the queue is empty, or its items are reserved for operations that wait.
 * - EVL_ESHUTDOWN: evl_queue_shutdown was called and the queue is empty.
 * @since 0.1 */
EVL_API int32_t evl_queue_try_get(evl_queue *queue, void **item);

/* Marks the work on one removed item as done (see evl_queue_join).
 * Errors:
 * - EVL_ERANGE: called more often than items were added.
 * @since 0.1 */
EVL_API int32_t evl_queue_task_done(evl_queue *queue);

/* Completes with 0 when evl_queue_task_done was called for every item that was added. May return 1
 * (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_queue_join(evl_queue *queue, evl_op *op);

/* Ends adding. Puts return EVL_ESHUTDOWN from now on, and waiting puts complete with it. Gets do so when
 * the queue is empty. With `immediate` not 0 the queue is emptied now: drop is called for its items, which
 * count as done.
 * @since 0.1 */
EVL_API int32_t evl_queue_shutdown(evl_queue *queue, int32_t immediate);

/* As evl_queue_shutdown, with an error of the caller's in place of EVL_ESHUTDOWN: why no more will come. What
 * the queue holds can still be taken, unless `immediate` is not 0. The error of the first call counts.
 * Errors:
 * - EVL_EINVAL: error is not negative, or is EVL_EAGAIN.
 * @since 0.1 */
EVL_API int32_t evl_queue_fail(evl_queue *queue, int32_t error, int32_t immediate);

/* Returns the number of items in the queue. @since 0.1 */
EVL_API int32_t evl_queue_size(const evl_queue *queue);

#ifdef __cplusplus
}
#endif
#endif
