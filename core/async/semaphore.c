/* semaphore.c - permits, handed over as locks are. */
#include "../loop/access.h"
#include "sync.h"

struct evl_semaphore {
    evl_waiters waiters;
    uint32_t value;
    uint32_t limit;
};

static void give(evl_semaphore *semaphore) {
    if (!evl_sync_hand(&semaphore->waiters))
        semaphore->value++;
}

static void refuse(evl_operation *op) {
    evl_semaphore *semaphore = op->owner;
    if (!evl_sync_is_freed(&semaphore->waiters))
        give(semaphore);
    evl_sync_handed(&semaphore->waiters);
}

static const evl_op_type acquiring = {
    .name = "semaphore", .leave = evl_sync_leave, .deliver = evl_sync_deliver, .refuse = refuse};

int32_t evl_semaphore_new(evl_loop *loop, uint32_t value, uint32_t limit, evl_semaphore **out) {
    if (out)
        *out = NULL;
    if (value > INT32_MAX || (limit != 0 && value > limit))
        return EVL_EINVAL;
    int rc = evl_sync_new(loop, sizeof **out, (void **)out);
    if (rc != 0)
        return rc;
    (*out)->value = value;
    (*out)->limit = limit == 0 || limit > INT32_MAX ? INT32_MAX : limit;
    return 0;
}

void evl_semaphore_free(evl_semaphore *semaphore) {
    if (semaphore)
        evl_sync_free(semaphore->waiters.loop, semaphore, sizeof *semaphore);
}

int32_t evl_semaphore_acquire(evl_semaphore *semaphore, evl_op *op) {
    if (!semaphore)
        return EVL_EINVAL;
    evl_loop *loop = semaphore->waiters.loop;
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    if (semaphore->value > 0) { /* nothing waits then: permits are handed over */
        semaphore->value--;
        return evl_sync_start_done(&semaphore->waiters, op, &acquiring);
    }
    evl_waiters_add(&semaphore->waiters, evl_op_park(loop, op, &acquiring, semaphore));
    return 0;
}

int32_t evl_semaphore_try(evl_semaphore *semaphore) {
    int rc = semaphore ? evl_enter(semaphore->waiters.loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    if (semaphore->value == 0)
        return EVL_EAGAIN;
    semaphore->value--;
    return 0;
}

int32_t evl_semaphore_release(evl_semaphore *semaphore) {
    int rc = semaphore ? evl_enter(semaphore->waiters.loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    if (semaphore->value >= semaphore->limit)
        return EVL_ERANGE;
    give(semaphore);
    return 0;
}

int32_t evl_semaphore_value(const evl_semaphore *semaphore) {
    return semaphore ? (int32_t)semaphore->value : EVL_EINVAL;
}
