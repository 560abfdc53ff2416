/* sync.c - what events, locks, semaphores, conditions, barriers and queues share: their memory. */
#include "sync.h"
#include "../loop/access.h"
#include "../loop/loop.h"

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
    evl_sync_handed(waiters);
}

bool evl_sync_hand(evl_waiters *waiters) {
    if (!evl_waiters_first(waiters))
        return false;
    waiters->handed++;
    return evl_waiters_wake(waiters, 0);
}

int evl_sync_start_done(evl_waiters *waiters, evl_op *op, const evl_op_type *type) {
    waiters->handed++;
    int rc = evl_op_start_done(waiters->loop, op, type, waiters, 0);
    if (rc == 1) /* it has been delivered */
        waiters->handed--;
    return rc;
}

void evl_sync_deliver(evl_operation *op) {
    evl_waiters *waiters = op->owner;
    if (evl_sync_is_freed(waiters))
        op->node.u.result = EVL_ECLOSED;
    evl_sync_handed(waiters);
}

void evl_sync_handed(evl_waiters *waiters) {
    if (--waiters->handed != 0 || waiters->freed_size == 0)
        return;
    evl_loop *loop = waiters->loop;
    evl_mem_free(&loop->mem, waiters, waiters->freed_size);
    evl_loop_unref(loop);
}

void evl_sync_leave(evl_operation *op) { evl_waiters_remove(op->owner, op); }
