/* fork.h - noticing, at the price of a load, that this process is a forked child.
 *
 * Two words of the process live in a page that the kernel wipes in a child. The first holds the generation of
 * this process's loops, and 0 means: forked since. The second counts the signal handlers in flight. */
#ifndef EVL_CORE_FORK_H
#define EVL_CORE_FORK_H

#include <stdatomic.h>
#include <stdint.h>

extern atomic_uint *evl_fork_word; /* the first of the two */

/* Makes the word valid for this process and returns its generation, never 0. EVL_ENOMEM if it cannot be had.
 */
int evl_fork_generation(uint32_t *out);

static inline uint32_t evl_fork_now(void) {
    return atomic_load_explicit(evl_fork_word, memory_order_relaxed);
}

/* May be used when evl_fork_generation has returned 0 once. */
static inline atomic_uint *evl_fork_handlers(void) { return evl_fork_word + 1; }

#endif
