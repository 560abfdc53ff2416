/* timer_queue.h - which timer is due next.
 *
 * One array of 16-byte entries, one entry for each started timer. It is divided into regions, and every entry
 * of a region is earlier than all entries of the regions behind it:
 *
 *     | heap | region 1 | region 2 | ... | last region |
 *
 * The heap is small and exact; its root is the next timer. The other regions are not sorted. So most timers
 * are started, moved and stopped by writing one entry, and only those that are due soon are compared with
 * each other. When the heap runs empty it takes over the region behind it, or the earliest part of that;
 * when it has become large, its later half becomes a region.
 *
 * A large region is divided before it is needed, a few entries with every operation: no operation looks at
 * all timers at once. A second array knows the place of each timer's entry. Room for both is reserved when
 * timers are made, so that starting one cannot fail. */
#ifndef EVL_CORE_TIMER_QUEUE_H
#define EVL_CORE_TIMER_QUEUE_H

#include "compiler.h"
#include "mem.h"
#include <evloop/timer.h>
#include <stdbool.h>

#define EVL_TIMER_SLOT_BITS 28
#define EVL_TIMER_ORDER_MAX ((UINT64_C(1) << (64 - EVL_TIMER_SLOT_BITS)) - 1)

#define EVL_TIMER_ROOT    3  /* of the heap: so siblings share a cache line */
#define EVL_TIMER_REGIONS 12 /* the heap included */

/* Sorted by deadline, then by order of start. No two are equal. */
typedef struct evl_timer_entry {
    int64_t deadline;
    uint64_t tag; /* the order of its start, and in the lowest EVL_TIMER_SLOT_BITS the slot */
} evl_timer_entry;

typedef struct evl_timer_queue {
    evl_timer_entry *entries; /* from EVL_TIMER_ROOT on */
    uint32_t *places;         /* by slot: the index of its entry, 0: it is not started */

    uint32_t last;                           /* number of the last region, never 0 */
    uint32_t end[EVL_TIMER_REGIONS];         /* one past the last entry of each region */
    evl_timer_entry upto[EVL_TIMER_REGIONS]; /* no entry of the region is later; not used of the last */
    uint32_t heap_max;                       /* the heap has become large */

    uint32_t dividing; /* the region that is being divided, 0: none */
    uint32_t chance;
    uint64_t next_order;

    void *block; /* what was allocated; entries lies in it */
    uint32_t cap;
    uint32_t places_cap;
} evl_timer_queue;

void evl_tq_init(evl_timer_queue *q);
void evl_tq_free(evl_timer_queue *q, evl_mem *mem);

/* Room for `timers` started timers with slots below `slots`. EVL_ENOMEM and nothing lost, or 0. */
int evl_tq_reserve(evl_timer_queue *q, evl_mem *mem, uint32_t timers, uint32_t slots);

/* Gives memory back that `timers` timers do not need, if it is much. */
void evl_tq_trim(evl_timer_queue *q, evl_mem *mem, uint32_t timers);

/* Starts or moves a timer; deadline is not EVL_NEVER. */
void evl_tq_start(evl_timer_queue *q, uint32_t slot, int64_t deadline);

/* Also if it is not started. */
void evl_tq_stop(evl_timer_queue *q, uint32_t slot);

static inline bool evl_tq_is_empty(const evl_timer_queue *q) { return q->end[q->last] == EVL_TIMER_ROOT; }

static inline bool evl_tq_heap_is_empty(const evl_timer_queue *q) { return q->end[0] == EVL_TIMER_ROOT; }

int64_t evl_tq_settle(evl_timer_queue *q); /* what evl_tq_next has to do when only the heap is empty */

/* The earliest deadline; EVL_NEVER if there is none. */
static inline int64_t evl_tq_next(evl_timer_queue *q) {
    if (!evl_tq_heap_is_empty(q))
        return q->entries[EVL_TIMER_ROOT].deadline;
    return EVL_LIKELY(evl_tq_is_empty(q)) ? EVL_NEVER : evl_tq_settle(q);
}

static inline uint32_t evl_timer_slot(const evl_timer_entry *entry) {
    return (uint32_t)entry->tag & ((UINT32_C(1) << EVL_TIMER_SLOT_BITS) - 1);
}

/* EVL_NEVER: it is not started. */
static inline int64_t evl_tq_deadline(const evl_timer_queue *q, uint32_t slot) {
    return q->places[slot] == 0 ? EVL_NEVER : q->entries[q->places[slot]].deadline;
}

/* Whether there is one, and it has been reached. */
static inline bool evl_tq_is_due(evl_timer_queue *q, int64_t now) {
    return evl_tq_next(q) <= now && !evl_tq_is_empty(q);
}

/* A slot that may well be the next to be popped. */
static inline uint32_t evl_tq_soon(const evl_timer_queue *q) {
    return evl_timer_slot(&q->entries[EVL_TIMER_ROOT]);
}

/* Takes out the first timer, after evl_tq_next has returned its deadline. */
evl_timer_entry evl_tq_pop(evl_timer_queue *q);

#endif
