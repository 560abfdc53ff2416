/* leaf.h - functions of the program that are called inside internals, where nothing of the loop may be used:
 * the allocator's and those of a transport. Builds with EVLOOP_CHECKS find those that call their loop all the
 * same, and end the process with a message: what such a call would find is not in order.
 *
 * It is noted for the thread, not for the loop: posts allocate on any thread while the loop's own goes on. */
#ifndef EVL_CORE_LEAF_H
#define EVL_CORE_LEAF_H

#include "compiler.h"
#include "mem.h"

#if defined(EVLOOP_CHECKS)

extern _Thread_local const evl_mem *evl_leaf; /* of the loop whose function this thread is in, or NULL */

EVL_COLD void evl_leaf_broken(void); /* does not return */

static inline const evl_mem *evl_leaf_begin(const evl_mem *mem) {
    const evl_mem *outer = evl_leaf;
    evl_leaf = mem;
    return outer;
}

static inline void evl_leaf_end(const evl_mem *outer) { evl_leaf = outer; }

/* What every call of the API does that is not for signal handlers. */
static inline void evl_leaf_check(const evl_mem *mem) {
    if (EVL_UNLIKELY(evl_leaf == mem))
        evl_leaf_broken();
}

#else

static inline const evl_mem *evl_leaf_begin(const evl_mem *mem) { return mem; }
static inline void evl_leaf_end(const evl_mem *outer) { (void)outer; }
static inline void evl_leaf_check(const evl_mem *mem) { (void)mem; }

#endif
#endif
