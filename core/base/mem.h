/* mem.h - a loop's allocator: the caller's function, or realloc. */
#ifndef EVL_CORE_MEM_H
#define EVL_CORE_MEM_H

#include <evloop/loop.h>
#include <stdatomic.h>

typedef struct evl_mem {
    evl_realloc_fn *fn;
    void *ctx;
    atomic_size_t bytes; /* allocated now; posts allocate on foreign threads */
} evl_mem;

void evl_mem_init(evl_mem *mem, evl_realloc_fn *fn, void *ctx);

/* NULL when out of memory, and ptr is then as it was. */
void *evl_mem_resize(evl_mem *mem, void *ptr, size_t old_size, size_t new_size);

/* All bytes 0, or NULL. */
void *evl_mem_zalloc(evl_mem *mem, size_t size);

void evl_mem_free(evl_mem *mem, void *ptr, size_t size);

/* Makes room for at least `want` items of `size` bytes in the array *items of *cap items, at least doubling
 * it. New items are 0. EVL_ENOMEM and nothing changed, or 0. */
int evl_mem_reserve(evl_mem *mem, void **items, uint32_t *cap, uint32_t want, size_t size);

#endif
