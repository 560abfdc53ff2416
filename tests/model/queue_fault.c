#include "queue_fault.h"

static int is_before(const evl_timer_entry *a, const evl_timer_entry *b) {
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->tag < b->tag);
}

/* What was not looked at, when a region is divided, belongs to the two regions in front of it. */
static const char *region_fault(const evl_timer_queue *q, uint32_t region) {
    uint32_t begin = region == 0 ? EVL_TIMER_ROOT : q->end[region - 1];
    uint32_t in_front = region != 0 && region == q->dividing ? region - 2 : region;
    if (q->end[region] < begin)
        return "a region ends before it begins";
    for (uint32_t i = begin; i < q->end[region]; i++) {
        if (is_before(&q->upto[region], &q->entries[i]))
            return "an entry is too late for its region";
        if (in_front > 0 && !is_before(&q->upto[in_front - 1], &q->entries[i]))
            return "an entry is too early for its region";
    }
    return NULL;
}

static const char *place_fault(const evl_timer_queue *q) {
    uint32_t started = 0;
    for (uint32_t slot = 0; slot < q->places_cap; slot++) {
        uint32_t place = q->places[slot];
        if (place == 0)
            continue;
        started++;
        if (place < EVL_TIMER_ROOT || place >= q->end[q->last] || evl_timer_slot(&q->entries[place]) != slot)
            return "a timer does not know the place of its entry";
    }
    return started == q->end[q->last] - EVL_TIMER_ROOT ? NULL : "an entry belongs to no timer";
}

const char *queue_fault(const evl_timer_queue *q) {
    const char *fault = place_fault(q);
    for (uint32_t i = EVL_TIMER_ROOT + 1; i < q->end[0]; i++)
        if (is_before(&q->entries[i], &q->entries[i / 4 + 2]))
            fault = "the heap is none";
    for (uint32_t region = 0; !fault && region <= q->last; region++)
        fault = region_fault(q, region);
    return fault;
}
