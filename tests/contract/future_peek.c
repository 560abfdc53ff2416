/* future_peek.c - C, because the library's own headers are. */
#include "future_peek.h"
#include "async/future.h"

uint32_t peek_futures(const evl_loop *loop) { return evl_futures_of(loop)->slab.live; }

int32_t peek_refs(const evl_future *future) { return atomic_load(&((evl_future *)(uintptr_t)future)->refs); }

int32_t peek_watches(const evl_future *future) {
    int32_t n = 0;
    for (const evl_link *link = future->watches.next; link != &future->watches; link = link->next)
        n++;
    for (const evl_link *link = future->dones.next; link != &future->dones; link = link->next)
        n++;
    return n;
}
