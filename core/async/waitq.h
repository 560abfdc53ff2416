/* waitq.h - wait lists from the inside: futures, locks and queues each contain one. */
#ifndef EVL_CORE_WAITQ_H
#define EVL_CORE_WAITQ_H

#include "../op/op.h"

typedef struct evl_waiters {
    evl_link line; /* evl_operation.node */
    evl_loop *loop;
    uint32_t count;
    uint32_t handed; /* how often evl_waiters_handed is still to come: it keeps the memory of the object */
    uint32_t freed_size; /* not 0: the object is freed, and its memory goes when `handed` is 0 */
} evl_waiters;

static inline void evl_waiters_init(evl_waiters *w, evl_loop *loop) {
    evl_list_init(&w->line);
    w->loop = loop;
    w->count = w->handed = w->freed_size = 0;
}

/* The operation that has waited longest, or NULL. */
static inline evl_operation *evl_waiters_first(const evl_waiters *w) {
    return evl_list_empty(&w->line) ? NULL : evl_operation_at(w->line.next);
}

/* Puts a pending operation at the end of the line. */
static inline void evl_waiters_add(evl_waiters *w, evl_operation *op) {
    evl_list_append(&w->line, &op->node.link);
    w->count++;
}

static inline void evl_waiters_remove(evl_waiters *w, evl_operation *op) {
    evl_list_remove(&op->node.link);
    w->count--;
}

/* Wakes the first waiter; false if nothing waits. */
static inline bool evl_waiters_wake(evl_waiters *w, int64_t result) {
    evl_operation *op = evl_waiters_first(w);
    if (!op)
        return false;
    evl_waiters_remove(w, op);
    evl_op_complete(op, result);
    return true;
}

static inline uint32_t evl_waiters_wake_all(evl_waiters *w, int64_t result) {
    uint32_t woken = 0;
    while (evl_waiters_wake(w, result))
        woken++;
    return woken;
}

#endif
