#include "slab.h"

#include <string.h>

#define SLOT_MAX (UINT32_C(1) << 28) /* an id has 28 bits for the slot */

evl_node *evl_slab_grow(evl_slab *slab, evl_mem *mem) {
    uint32_t first = evl_slab_slots(slab);
    size_t bytes = (size_t)slab->size << EVL_CHUNK_SHIFT;
    if (first >= SLOT_MAX ||
        evl_mem_reserve(mem, (void **)&slab->chunks, &slab->cap, slab->count + 1, sizeof *slab->chunks) != 0)
        return NULL;
    char *chunk = evl_mem_zalloc(mem, bytes);
    if (!chunk)
        return NULL;
    slab->chunks[slab->count++] = chunk;
    for (uint32_t i = EVL_CHUNK; i-- > 0;) {
        evl_node *node = (evl_node *)(void *)(chunk + (size_t)i * slab->size);
        node->slot = first + i;
        node->link.next = slab->free;
        slab->free = &node->link;
    }
    return evl_slab_alloc(slab, mem);
}

void evl_slab_free(evl_slab *slab, evl_mem *mem) {
    for (uint32_t i = 0; i < slab->count; i++)
        evl_mem_free(mem, slab->chunks[i], (size_t)slab->size << EVL_CHUNK_SHIFT);
    evl_mem_free(mem, slab->chunks, slab->cap * sizeof *slab->chunks);
    memset(slab, 0, sizeof *slab);
}
