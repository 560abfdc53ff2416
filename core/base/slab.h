/* slab.h - objects of one size that all begin with an evl_node, found by slot number.
 *
 * Chunks stay where they are until the loop is gone, so that a stale pointer still points at an object of its
 * type. The free list is LIFO: the next object taken is the one that is warm. */
#ifndef EVL_CORE_SLAB_H
#define EVL_CORE_SLAB_H

#include "mem.h"
#include "node.h"

#define EVL_CHUNK_SHIFT 6
#define EVL_CHUNK       (UINT32_C(1) << EVL_CHUNK_SHIFT)

typedef struct evl_slab {
    evl_link *free; /* through link.next */
    char **chunks;
    uint32_t size;  /* of an object */
    uint32_t count; /* chunks */
    uint32_t cap;
    uint32_t live; /* objects taken */
} evl_slab;

/* NULL when out of memory. The object is as it was given back, or 0; kind is the caller's to set. */
evl_node *evl_slab_grow(evl_slab *slab, evl_mem *mem);

static inline evl_node *evl_slab_alloc(evl_slab *slab, evl_mem *mem) {
    evl_link *link = slab->free;
    if (!link)
        return evl_slab_grow(slab, mem);
    slab->free = link->next;
    link->next = NULL;
    slab->live++;
    return evl_node_of(link);
}

static inline void evl_slab_release(evl_slab *slab, evl_node *node) {
    node->kind = 0;
    node->link.next = slab->free;
    slab->free = &node->link;
    slab->live--;
}

static inline void *evl_slab_at(const evl_slab *slab, uint32_t slot) {
    return slab->chunks[slot >> EVL_CHUNK_SHIFT] + (size_t)(slot & (EVL_CHUNK - 1)) * slab->size;
}

static inline uint32_t evl_slab_slots(const evl_slab *slab) { return slab->count << EVL_CHUNK_SHIFT; }

/* Once another object is taken. */
static inline uint32_t evl_slab_slots_then(const evl_slab *slab) {
    return evl_slab_slots(slab) + (slab->free ? 0 : EVL_CHUNK);
}

void evl_slab_free(evl_slab *slab, evl_mem *mem);

#endif
