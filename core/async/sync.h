/* sync.h - what events, locks, semaphores, conditions, barriers and queues share: they live on their loop's
 * allocator and hold a reference, so that they may be freed after it. */
#ifndef EVL_CORE_SYNC_H
#define EVL_CORE_SYNC_H

#include "waitq.h"

/* Zeroed, with a reference to the loop. EVL_EINVAL, EVL_ENOMEM, and those of evl_enter. */
int evl_sync_new(evl_loop *loop, size_t size, void **out);
void evl_sync_free(evl_loop *loop, void *object, size_t size);

/* An operation of an object that waits in the object's line, and leaves it there when cancelled. `waiters` is
 * the first member of every such object. */
void evl_sync_leave(evl_operation *op);

/* lock.c, for conditions: puts a pending operation in line for a lock, or gives it the lock. */
void evl_lock_grant(evl_lock *lock, evl_operation *op);
void evl_lock_keep(evl_lock *lock); /* its memory, until */
void evl_lock_let_go(evl_lock *lock);
bool evl_lock_has_owner(const evl_lock *lock);
evl_loop *evl_lock_loop(const evl_lock *lock);
void evl_lock_leave(evl_lock *lock, evl_operation *op);

#endif
