/* evloop/queue.h - a queue between producers and consumers on one loop. */
#ifndef EVLOOP_QUEUE_H
#define EVLOOP_QUEUE_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct evl_queue evl_queue;

/* The order in which items come out. */
enum {
    EVL_QUEUE_FIFO = 0,
    EVL_QUEUE_LIFO = 1,
    EVL_QUEUE_PRIORITY = 2 /* smallest priority first, equal ones in the order in which they went in */
};

/* Makes a queue of at most maxsize items; 0: no limit. `drop` is called, from the call that caused it, with
 * items that nobody will get: those left at _free and at an immediate shutdown; NULL: none. Errors:
 * EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_queue_new(evl_loop *loop, uint32_t maxsize, int32_t order, evl_fn *drop, evl_queue **out);

/* Ends it; who still waits completes with EVL_ECLOSED. NULL: nothing. @since 0.1 */
EVL_API void evl_queue_free(evl_queue *queue);

/* Puts an item in; completes with 0 when it is in, at once or when there is room. Items go in in the order of
 * the calls. With an error the item still is the caller's. evl_op_cancel answers 0 when the item has just
 * gone in and the completion is on its way; evl_op_close, being silent, does not tell: the item then stays
 * in. `priority` counts in EVL_QUEUE_PRIORITY only. May answer 1 (EVL_OP_SYNC). Errors: EVL_ESHUTDOWN,
 * EVL_ENOMEM, EVL_EBUSY, EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_queue_put(evl_queue *queue, evl_op *op, void *item, int64_t priority);

/* The same without waiting: 0, or EVL_EAGAIN when it is full or others wait for room. @since 0.1 */
EVL_API int32_t evl_queue_try_put(evl_queue *queue, void *item, int64_t priority);

/* Completes with 0 when an item is the caller's: it has been stored in *item, which must stay until then. It
 * is taken out right before the operation is delivered, so one that is cancelled or closed has taken nothing.
 * May answer 1 (EVL_OP_SYNC). Errors: EVL_ESHUTDOWN (and nothing is left), EVL_EBUSY, EVL_EINVAL. @since 0.1
 */
EVL_API int32_t evl_queue_get(evl_queue *queue, evl_op *op, void **item);

/* The same without waiting: 0, or EVL_EAGAIN when what is in it is for those who wait. @since 0.1 */
EVL_API int32_t evl_queue_try_get(evl_queue *queue, void **item);

/* Says that the work on an item that was got is done. EVL_ERANGE when there were not so many. @since 0.1 */
EVL_API int32_t evl_queue_task_done(evl_queue *queue);

/* Completes with 0 when the work on every item that went in is done. May answer 1 (EVL_OP_SYNC). @since 0.1
 */
EVL_API int32_t evl_queue_join(evl_queue *queue, evl_op *op);

/* Ends putting: puts answer EVL_ESHUTDOWN from now on, those waiting too, and gets do when nothing is left.
 * immediate not 0: nothing is left now; items are dropped and count as done. @since 0.1 */
EVL_API int32_t evl_queue_shutdown(evl_queue *queue, int32_t immediate);

/* How many items are in it. @since 0.1 */
EVL_API int32_t evl_queue_size(const evl_queue *queue);

#ifdef __cplusplus
}
#endif
#endif
