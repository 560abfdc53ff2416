/* embed.h - a host's loop waits for this one. */
#ifndef EVL_CORE_EMBED_H
#define EVL_CORE_EMBED_H

#include "loop.h"

/* A change was made outside of run; make it show in the loop's fd. */
void evl_embed_update(evl_loop *loop);
int64_t evl_embed_alarm(evl_loop *loop); /* when it is to look again, of evl_monotonic; EVL_NEVER */
void evl_embed_begin(evl_loop *loop);    /* the host waits from now on, unless a run is around us */

static inline void evl_touch(evl_loop *loop) {
    if (EVL_UNLIKELY(loop->waits_outside) && atomic_load_explicit(&loop->owner, memory_order_relaxed) == 0)
        evl_embed_update(loop);
}

#endif
