/* peek.h - looks inside the timer queue of a loop. In C, whose atomics are not C++20's. */
#ifndef EVLOOP_TESTS_PEEK_H
#define EVLOOP_TESTS_PEEK_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order number that the next start gets. */
uint32_t peek_order(const evl_loop *loop);
void poke_order(evl_loop *loop, uint32_t order);

/* Whether a storm is being worked off. */
int peek_in_storm(const evl_loop *loop);

/* NULL, or what is wrong: the heap is a heap, the storm is sorted, each started timer has exactly one live
 * entry, and that is not later than the timer. */
const char *peek_fault(const evl_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
