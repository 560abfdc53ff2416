#include "sync.h"

int evl_sync_new(evl_loop *loop, size_t size, void **out) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out)
        return EVL_EINVAL;
    void *object = evl_mem_zalloc(&loop->mem, size);
    if (!object)
        return EVL_ENOMEM;
    evl_waiters_init(object, evl_loop_ref(loop));
    *out = object;
    return 0;
}

void evl_sync_free(evl_loop *loop, void *object, size_t size) {
    if (!evl_is_closed(loop))
        (void)evl_waiters_wake_all(object, EVL_ECLOSED);
    evl_waiters *waiters = object;
    waiters->handed++;
    waiters->freed_size = (uint32_t)size;
    evl_waiters_told(waiters);
}

void evl_waiters_told(evl_waiters *waiters) {
    if (--waiters->handed != 0 || waiters->freed_size == 0)
        return;
    evl_loop *loop = waiters->loop;
    evl_mem_free(&loop->mem, waiters, waiters->freed_size);
    evl_loop_unref(loop);
}

void evl_sync_leave(evl_operation *op) { evl_waiters_remove(op->owner, op); }
