/* lock.c - a lock that is handed over: while an operation waits it is never free, so a newcomer cannot
 * overtake.
 */
#include "../loop/access.h"
#include "sync.h"

struct evl_lock {
    evl_waiters waiters;
    bool held;
};

static void hand_over(evl_lock *lock) {
    if (!evl_sync_hand(&lock->waiters))
        lock->held = false;
}

void evl_lock_refuse(evl_lock *lock) {
    if (!evl_sync_is_freed(&lock->waiters))
        hand_over(lock);
    evl_sync_handed(&lock->waiters);
}

static void refuse(evl_operation *op) { evl_lock_refuse(op->owner); }

static const evl_op_type acquiring = {
    .name = "lock", .leave = evl_sync_leave, .deliver = evl_sync_deliver, .refuse = refuse};

int32_t evl_lock_new(evl_loop *loop, evl_lock **out) {
    if (out)
        *out = NULL;
    return evl_sync_new(loop, sizeof **out, (void **)out);
}

/* Of a condition: it leaves as if it were cancelled, and the one that it notifies in its stead is the next.
 */
static void end_waiters(evl_lock *lock) {
    for (evl_operation *op; (op = evl_waiters_first(&lock->waiters));) {
        op->type->leave(op);
        evl_op_complete(op, EVL_ECLOSED);
    }
}

void evl_lock_free(evl_lock *lock) {
    if (!lock)
        return;
    if (!evl_is_closed(lock->waiters.loop))
        end_waiters(lock);
    evl_sync_free(lock->waiters.loop, lock, sizeof *lock);
}

int32_t evl_lock_acquire(evl_lock *lock, evl_op *op) {
    if (!lock)
        return EVL_EINVAL;
    int rc = evl_op_check_start(lock->waiters.loop, op);
    if (rc != 0)
        return rc;
    if (!lock->held) {
        lock->held = true;
        return evl_sync_start_done(&lock->waiters, op, &acquiring);
    }
    evl_waiters_add(&lock->waiters, evl_op_park(lock->waiters.loop, op, &acquiring, lock));
    return 0;
}

int32_t evl_lock_try(evl_lock *lock) {
    int rc = lock ? evl_enter(lock->waiters.loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    if (lock->held)
        return EVL_EAGAIN;
    lock->held = true;
    return 0;
}

int32_t evl_lock_release(evl_lock *lock) {
    int rc = lock ? evl_enter(lock->waiters.loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    if (!lock->held)
        return EVL_EPERM;
    hand_over(lock);
    return 0;
}

int32_t evl_lock_is_held(const evl_lock *lock) { return lock && lock->held; }

/* --- for conditions --------------------------------------------------------------------------- */

bool evl_lock_has_owner(const evl_lock *lock) { return lock->held; }

evl_loop *evl_lock_loop(const evl_lock *lock) { return lock->waiters.loop; }

void evl_lock_grant(evl_lock *lock, evl_operation *op) {
    if (lock->held) {
        evl_waiters_add(&lock->waiters, op);
        return;
    }
    lock->held = true;
    lock->waiters.handed++;
    evl_op_complete(op, 0);
}

void evl_lock_keep(evl_lock *lock) { lock->waiters.handed++; }

void evl_lock_let_go(evl_lock *lock) { evl_sync_handed(&lock->waiters); }

void evl_lock_granted(evl_lock *lock) { evl_sync_handed(&lock->waiters); }

void evl_lock_leave(evl_lock *lock, evl_operation *op) { evl_waiters_remove(&lock->waiters, op); }
