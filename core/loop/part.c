/* part.c - making the parts of a loop, and calling them in the order of their places. */
#include "part.h"
#include "loop.h"

void *evl_part_make(evl_loop *loop, const evl_part *part) {
    void *state = part->size != 0 ? evl_mem_zalloc(&loop->mem, part->size) : loop;
    if (!state)
        return NULL;
    if (part->open && !part->open(loop, state)) {
        evl_mem_free(&loop->mem, state, part->size);
        return NULL;
    }
    loop->parts[part->place] = state;
    loop->part_types[part->place] = part;
    loop->parts_collecting |= part->collect != NULL;
    return state;
}

/* Calls one function of every part that there is and that has it. */
#define CALL_EACH(loop, function)                                                                            \
    for (int place = 0; place < EVL_PARTS; place++)                                                          \
        if ((loop)->parts[place] && (loop)->part_types[place]->function)                                     \
    (loop)->part_types[place]->function((loop), (loop)->parts[place])

void evl_parts_stop(evl_loop *loop) { CALL_EACH(loop, stop); }

void evl_parts_end(evl_loop *loop) { CALL_EACH(loop, end); }

void evl_parts_fork(evl_loop *loop) { CALL_EACH(loop, fork); }

uint32_t evl_parts_collect(evl_loop *loop) {
    uint32_t count = 0;
    for (int place = 0; place < EVL_PARTS; place++)
        if (loop->parts[place] && loop->part_types[place]->collect)
            count += loop->part_types[place]->collect(loop, loop->parts[place]);
    return count;
}

void evl_parts_free(evl_loop *loop) {
    CALL_EACH(loop, free);
    for (int place = 0; place < EVL_PARTS; place++)
        if (loop->parts[place] && loop->part_types[place]->size != 0)
            evl_mem_free(&loop->mem, loop->parts[place], loop->part_types[place]->size);
}

bool evl_parts_await(const evl_loop *loop) {
    for (int place = 0; place < EVL_PARTS; place++) {
        const evl_part *part = loop->part_types[place];
        if (part && part->awaits && part->awaits(loop, loop->parts[place]))
            return true;
    }
    return false;
}
