/* sync.h - what events, locks, semaphores, conditions, barriers and queues share: they live on their loop's
 * allocator and hold a reference, so that they may be freed after it. */
#ifndef EVL_CORE_SYNC_H
#define EVL_CORE_SYNC_H

#include "waitq.h"

/* Zeroed, with a reference to the loop. EVL_EINVAL, EVL_ENOMEM, and those of evl_enter. */
int evl_sync_new(evl_loop *loop, size_t size, void **out);
void evl_sync_free(evl_loop *loop, void *object, size_t size);

/* A lock, a permit, an item: what is handed over belongs to the waiter before it completes, which is in a
 * later pass, and the object must not go before. Each of these counts in `handed`, and delivering or
 * refusing what was handed over calls evl_sync_handed; a waiter that was cancelled had nothing. */
bool evl_sync_hand(evl_waiters *waiters); /* to the first waiter, with 0; false if there is none */
void evl_sync_handed(evl_waiters *waiters);

/* As evl_op_start_done with 0, for an operation that gets its share at once. */
int evl_sync_start_done(evl_waiters *waiters, evl_op *op, const evl_op_type *type);

static inline bool evl_sync_is_freed(const evl_waiters *waiters) { return waiters->freed_size != 0; }

/* For evl_op_type.deliver where there is nothing to take: EVL_ECLOSED if the object has been freed since. */
void evl_sync_deliver(evl_operation *op);

/* An operation of an object that waits in the object's line, and leaves it there when cancelled. `waiters` is
 * the first member of every such object. */
void evl_sync_leave(evl_operation *op);

/* lock.c, for conditions: appends a pending operation to a lock's waiters, or gives it the lock. */
void evl_lock_grant(evl_lock *lock, evl_operation *op);
void evl_lock_keep(evl_lock *lock); /* its memory, until */
void evl_lock_let_go(evl_lock *lock);
void evl_lock_refuse(evl_lock *lock);  /* what was granted goes on to the next */
void evl_lock_granted(evl_lock *lock); /* what was granted has been delivered */
bool evl_lock_has_owner(const evl_lock *lock);
evl_loop *evl_lock_loop(const evl_lock *lock);
void evl_lock_leave(evl_lock *lock, evl_operation *op);

#endif
