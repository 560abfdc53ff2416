/* timer_queue.h - which timer is due next.
 *
 * A 4-ary heap of immutable 16-byte entries. The timer itself holds the truth: its deadline and the order
 * number of its last start. An entry is only a promise to look at a timer again not later than its deadline:
 *
 *   - stopping writes the timer, moving it later writes the timer; the entry stays where it is;
 *   - moving it earlier pushes a second entry and abandons the first;
 *   - an entry that comes to the top and does not agree with its timer is re-keyed or dropped.
 *
 * So start, move and stop touch one timer and at most one path of the heap, and nothing needs to know where
 * in the heap a timer is. Room for two entries per timer is reserved when timers are made; when it is used
 * up, at least half of the entries are dead, and they are swept out. */
#ifndef EVL_CORE_TIMER_QUEUE_H
#define EVL_CORE_TIMER_QUEUE_H

#include "mem.h"
#include <evloop/timer.h>
#include <stdbool.h>

/* Sorted by deadline, then by order of start. */
typedef struct evl_timer_entry {
    int64_t deadline;
    uint32_t order;
    uint32_t slot;
} evl_timer_entry;

/* The part of a timer that the queue needs. */
typedef struct evl_timer_key {
    int64_t deadline;     /* EVL_NEVER: stopped */
    int64_t key;          /* the deadline of its live entry */
    uint32_t order;       /* of the last start */
    uint32_t entry_order; /* the order of its live entry; 0: it has none */
} evl_timer_key;

/* Where a slot's key is. */
typedef evl_timer_key *evl_timer_find(void *ctx, uint32_t slot);

typedef struct evl_timer_queue {
    evl_timer_entry *heap; /* the root is at EVL_HEAP_ROOT; aligned so that siblings share a cache line */
    uint32_t size;         /* one past the last entry */
    uint32_t cap;          /* entries that fit, those below the root included */
    uint32_t next_order;   /* never 0 */
    void *block;           /* what was allocated; heap lies in it */

    /* A storm: what was due at once, sorted, and consumed bit by bit beside the heap. */
    evl_timer_entry *run;
    uint32_t run_pos, run_len, run_cap;

    evl_timer_find *find;
    void *ctx;
} evl_timer_queue;

#define EVL_HEAP_ROOT 3

void evl_tq_init(evl_timer_queue *q, evl_timer_find *find, void *ctx);
void evl_tq_free(evl_timer_queue *q, evl_mem *mem);

/* Room for `timers` timers. EVL_ENOMEM and nothing changed, or 0. */
int evl_tq_reserve(evl_timer_queue *q, evl_mem *mem, uint32_t timers);

/* Starts or moves a timer; deadline is not EVL_NEVER. */
void evl_tq_start(evl_timer_queue *q, evl_timer_key *timer, uint32_t slot, int64_t deadline);

/* The same when it takes no more than writing the timer: its entry comes up early enough. Otherwise false. */
static inline bool evl_tq_postpone(evl_timer_queue *q, evl_timer_key *timer, int64_t deadline) {
    if (timer->entry_order == 0 || timer->key > deadline || q->next_order == UINT32_MAX)
        return false;
    timer->deadline = deadline;
    timer->order = q->next_order++;
    return true;
}

/* Whether something may be due at `now`. An entry never comes up late, and so false is certain. */
static inline bool evl_tq_may_be_due(const evl_timer_queue *q, int64_t now) {
    return (q->size > EVL_HEAP_ROOT && q->heap[EVL_HEAP_ROOT].deadline <= now) ||
           (q->run_pos < q->run_len && q->run[q->run_pos].deadline <= now);
}

/* The earliest deadline, exact; EVL_NEVER if there is none. */
int64_t evl_tq_settle(evl_timer_queue *q);

static inline int64_t evl_tq_next(evl_timer_queue *q) {
    bool empty = q->size == EVL_HEAP_ROOT && q->run_pos == q->run_len;
    return empty ? EVL_NEVER : evl_tq_settle(q);
}

/* To be called before a series of evl_tq_pop: if a large part of a large heap is due, takes it out and sorts
 * it at once, which is cheaper than popping it. */
void evl_tq_gather(evl_timer_queue *q, evl_mem *mem, int64_t now);

/* Takes out the first timer that is due at `now`, marked as stopped, with its deadline in *deadline. False if
 * none is. */
bool evl_tq_pop(evl_timer_queue *q, int64_t now, uint32_t *slot, int64_t *deadline);

#endif
