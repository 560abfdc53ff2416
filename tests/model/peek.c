#include "peek.h"
#include "queue_fault.h"

#include "loop/loop.h"
#include "loop/timer.h"

uint64_t peek_order(const evl_loop *loop) { return loop->timers.next_order; }

void poke_order(evl_loop *loop, uint64_t order) { loop->timers.next_order = order; }

uint64_t peek_last_order(void) { return EVL_TIMER_ORDER_MAX; }

int peek_is_dividing(const evl_loop *loop) { return loop->timers.dividing != 0; }

const char *peek_fault(const evl_loop *loop) {
    const evl_timer_queue *q = &loop->timers;
    const evl_slab *slab = &loop->handles[EVL_KIND_TIMER];
    for (uint32_t slot = 0; slot < evl_slab_slots(slab); slot++)
        if (((const evl_node *)evl_slab_at(slab, slot))->kind == 0 && q->places[slot] != 0)
            return "a closed timer has an entry";
    return queue_fault(q);
}
