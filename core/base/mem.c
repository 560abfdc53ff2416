#include "mem.h"
#include "leaf.h"

#include <evloop/errors.h>
#include <stdlib.h>
#include <string.h>

static void *libc_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size) {
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

void evl_mem_init(evl_mem *mem, evl_realloc_fn *fn, void *ctx) {
    mem->fn = fn ? fn : libc_realloc;
    mem->ctx = ctx;
    atomic_init(&mem->bytes, 0);
}

void *evl_mem_resize(evl_mem *mem, void *ptr, size_t old_size, size_t new_size) {
    const evl_mem *outer = evl_leaf_begin(mem);
    void *fresh = mem->fn(mem->ctx, ptr, old_size, new_size);
    evl_leaf_end(outer);
    if (!fresh && new_size != 0)
        return NULL;
    /* Unsigned wrap-around makes one addition of growing and shrinking. */
    atomic_fetch_add_explicit(&mem->bytes, new_size - old_size, memory_order_relaxed);
    return fresh;
}

void *evl_mem_zalloc(evl_mem *mem, size_t size) {
    void *ptr = evl_mem_resize(mem, NULL, 0, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

void evl_mem_free(evl_mem *mem, void *ptr, size_t size) {
    if (ptr)
        evl_mem_resize(mem, ptr, size, 0);
}

int evl_mem_reserve(evl_mem *mem, void **items, uint32_t *cap, uint32_t want, size_t size) {
    if (want <= *cap)
        return 0;
    if (*cap > UINT32_MAX / 2)
        return EVL_ENOMEM;
    uint32_t room = *cap ? *cap * 2 : 16;
    if (room < want)
        room = want;
    if ((size_t)room > SIZE_MAX / size)
        return EVL_ENOMEM;
    char *fresh = evl_mem_resize(mem, *items, *cap * size, room * size);
    if (!fresh)
        return EVL_ENOMEM;
    memset(fresh + *cap * size, 0, (room - *cap) * size);
    *items = fresh;
    *cap = room;
    return 0;
}
