/* condition.c - waiting for something that a lock protects. A waiter stands first in the condition's line,
 * and, notified, in the lock's; op->count says in which. Until it has completed, one that was notified keeps
 * the memory of both: it gets the lock also if the condition is freed meanwhile. */
#include "../loop/access.h"
#include "sync.h"

enum { IN_CONDITION = 0, IN_LOCK = 1 };

struct evl_condition {
    evl_waiters waiters;
    evl_lock *lock;
};

static bool notify_one(evl_condition *condition) {
    evl_operation *op = evl_waiters_first(&condition->waiters);
    if (!op)
        return false;
    evl_waiters_remove(&condition->waiters, op);
    op->count = IN_LOCK;
    condition->waiters.handed++;
    evl_lock_keep(condition->lock);
    evl_lock_grant(condition->lock, op);
    return true;
}

/* A notified one leaves the line of the lock, or has completed. */
static void let_go(evl_operation *op) {
    evl_condition *condition = op->owner;
    evl_lock_let_go(condition->lock);
    evl_sync_handed(&condition->waiters);
}

static void deliver(evl_operation *op) {
    evl_lock_granted(((evl_condition *)op->owner)->lock);
    let_go(op);
}

/* A notified operation that leaves passes the notification on. */
static void leave(evl_operation *op) {
    evl_condition *condition = op->owner;
    if (op->count == IN_CONDITION) {
        evl_waiters_remove(&condition->waiters, op);
        return;
    }
    evl_lock_leave(condition->lock, op);
    (void)notify_one(condition);
    let_go(op);
}

static void refuse(evl_operation *op) {
    evl_condition *condition = op->owner;
    (void)notify_one(condition);
    evl_lock_refuse(condition->lock);
    let_go(op);
}

static const evl_op_type waiting = {
    .name = "condition", .leave = leave, .deliver = deliver, .refuse = refuse};

int32_t evl_condition_new(evl_lock *lock, evl_condition **out) {
    if (out)
        *out = NULL;
    if (!lock)
        return EVL_EINVAL;
    int rc = evl_sync_new(evl_lock_loop(lock), sizeof **out, (void **)out);
    if (rc == 0)
        (*out)->lock = lock;
    return rc;
}

void evl_condition_free(evl_condition *condition) {
    if (condition)
        evl_sync_free(condition->waiters.loop, condition, sizeof *condition);
}

int32_t evl_condition_wait(evl_condition *condition, evl_op *op) {
    if (!condition)
        return EVL_EINVAL;
    int rc = evl_op_check_start(condition->waiters.loop, op);
    if (rc == 0 && !evl_lock_has_owner(condition->lock))
        rc = EVL_EPERM;
    if (rc != 0)
        return rc;
    evl_operation *self = evl_op_park(condition->waiters.loop, op, &waiting, condition);
    self->count = IN_CONDITION;
    evl_waiters_add(&condition->waiters, self);
    return evl_lock_release(condition->lock);
}

int32_t evl_condition_notify(evl_condition *condition, int32_t n) {
    int rc = condition ? evl_enter(condition->waiters.loop) : EVL_EINVAL;
    if (rc == 0 && !evl_lock_has_owner(condition->lock))
        rc = EVL_EPERM;
    if (rc != 0)
        return rc;
    int32_t notified = 0;
    while ((n < 0 || notified < n) && notify_one(condition))
        notified++;
    return notified;
}
