#include "peek.h"

#include "loop/loop.h"
#include "loop/timer.h"

uint32_t peek_order(const evl_loop *loop) { return loop->timers.next_order; }

void poke_order(evl_loop *loop, uint32_t order) { loop->timers.next_order = order; }

int peek_in_storm(const evl_loop *loop) { return loop->timers.run_pos < loop->timers.run_len; }

static int is_before(const evl_timer_entry *a, const evl_timer_entry *b) {
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

/* How many of the entries speak for their timers; -1 if one of those is later than its timer. */
static int64_t count_live(const evl_timer_queue *q, const evl_timer_entry *entries, uint32_t n) {
    int64_t live = 0;
    for (uint32_t i = 0; i < n; i++) {
        const evl_timer_key *timer = q->find(q->ctx, entries[i].slot);
        if (timer->entry_order != entries[i].order || timer->deadline == EVL_NEVER)
            continue;
        if (entries[i].deadline > timer->deadline)
            return -1;
        live++;
    }
    return live;
}

static int64_t count_started(const evl_loop *loop) {
    const evl_slab *slab = &loop->handles[EVL_KIND_TIMER];
    int64_t started = 0;
    for (uint32_t slot = 0; slot < evl_slab_slots(slab); slot++) {
        const evl_timer_handle *timer = evl_slab_at(slab, slot);
        started += timer->base.node.kind != 0 && timer->key.deadline != EVL_NEVER;
    }
    return started;
}

const char *peek_fault(const evl_loop *loop) {
    const evl_timer_queue *q = &loop->timers;
    for (uint32_t i = EVL_HEAP_ROOT + 1; i < q->size; i++)
        if (is_before(&q->heap[i], &q->heap[i / 4 + 2]))
            return "the heap is none";
    for (uint32_t i = q->run_pos + 1; i < q->run_len; i++)
        if (is_before(&q->run[i], &q->run[i - 1]))
            return "the storm is not sorted";
    int64_t in_heap =
        q->size > EVL_HEAP_ROOT ? count_live(q, q->heap + EVL_HEAP_ROOT, q->size - EVL_HEAP_ROOT) : 0;
    int64_t in_storm = peek_in_storm(loop) ? count_live(q, q->run + q->run_pos, q->run_len - q->run_pos) : 0;
    if (in_heap < 0 || in_storm < 0)
        return "an entry is later than its timer";
    if (in_heap + in_storm != count_started(loop))
        return "a started timer has not exactly one live entry";
    return NULL;
}
