#include "bare_queue.h"
#include "queue_fault.h"

#include <stdlib.h>

struct bare_queue {
    evl_timer_queue queue;
    evl_mem mem;
};

bare_queue *bare_queue_new(evl_realloc_fn *fn, void *ctx) {
    bare_queue *q = malloc(sizeof *q);
    if (!q)
        abort();
    evl_mem_init(&q->mem, fn, ctx);
    evl_tq_init(&q->queue);
    return q;
}

void bare_queue_free(bare_queue *q) {
    evl_tq_free(&q->queue, &q->mem);
    free(q);
}

int bare_queue_reserve(bare_queue *q, uint32_t timers, uint32_t slots) {
    return evl_tq_reserve(&q->queue, &q->mem, timers, slots);
}

void bare_queue_trim(bare_queue *q, uint32_t timers) { evl_tq_trim(&q->queue, &q->mem, timers); }

void bare_queue_start(bare_queue *q, uint32_t slot, int64_t deadline) {
    evl_tq_start(&q->queue, slot, deadline);
}

void bare_queue_stop(bare_queue *q, uint32_t slot) { evl_tq_stop(&q->queue, slot); }

int64_t bare_queue_next(bare_queue *q) { return evl_tq_next(&q->queue); }

int64_t bare_queue_deadline(const bare_queue *q, uint32_t slot) { return evl_tq_deadline(&q->queue, slot); }

int bare_queue_is_due(bare_queue *q, int64_t now) { return evl_tq_is_due(&q->queue, now); }

uint32_t bare_queue_pop(bare_queue *q, int64_t *deadline) {
    evl_timer_entry entry = evl_tq_pop(&q->queue);
    *deadline = entry.deadline;
    return evl_timer_slot(&entry);
}

void bare_queue_use_up_orders(bare_queue *q, uint64_t left) {
    if (q->queue.next_order < EVL_TIMER_ORDER_MAX - left)
        q->queue.next_order = EVL_TIMER_ORDER_MAX - left;
}

uint64_t bare_queue_order(const bare_queue *q) { return q->queue.next_order; }

int bare_queue_is_dividing(const bare_queue *q) { return q->queue.dividing != 0; }

const char *bare_queue_fault(const bare_queue *q) { return queue_fault(&q->queue); }
