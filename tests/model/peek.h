/* peek.h - looks inside the timer queue of a loop. In C, whose atomics are not C++20's. */
#ifndef EVLOOP_TESTS_PEEK_H
#define EVLOOP_TESTS_PEEK_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order number that the next start gets. */
uint64_t peek_order(const evl_loop *loop);
void poke_order(evl_loop *loop, uint64_t order);
uint64_t peek_last_order(void); /* at which the timers are numbered afresh */

/* Whether a region is being divided. */
int peek_is_dividing(const evl_loop *loop);

/* NULL, or what is wrong: the heap is a heap, no entry of a region is earlier than one of the region in front
 * of it, each started timer has exactly one entry and knows its place. */
const char *peek_fault(const evl_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
