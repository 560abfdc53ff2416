/* bare_queue.h - a timer queue without a loop. In C, whose atomics are not C++20's. */
#ifndef EVLOOP_TESTS_BARE_QUEUE_H
#define EVLOOP_TESTS_BARE_QUEUE_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bare_queue bare_queue;

bare_queue *bare_queue_new(evl_realloc_fn *fn, void *ctx);
void bare_queue_free(bare_queue *q);

int bare_queue_reserve(bare_queue *q, uint32_t timers, uint32_t slots);
void bare_queue_trim(bare_queue *q, uint32_t timers);
void bare_queue_start(bare_queue *q, uint32_t slot, int64_t deadline);
void bare_queue_stop(bare_queue *q, uint32_t slot);
int64_t bare_queue_next(bare_queue *q);
int64_t bare_queue_deadline(const bare_queue *q, uint32_t slot);
int bare_queue_is_due(bare_queue *q, int64_t now);
uint32_t bare_queue_pop(bare_queue *q, int64_t *deadline); /* the slot */
void bare_queue_use_up_orders(bare_queue *q, uint64_t left);
uint64_t bare_queue_order(const bare_queue *q);
int bare_queue_is_dividing(const bare_queue *q);
const char *bare_queue_fault(const bare_queue *q); /* NULL: none */

#ifdef __cplusplus
}
#endif
#endif
