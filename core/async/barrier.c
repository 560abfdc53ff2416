/* barrier.c - no operation goes on until all are there. */
#include "../loop/access.h"
#include "sync.h"

struct evl_barrier {
    evl_waiters waiters;
    uint32_t parties;
    bool broken;
};

static const evl_op_type waiting = {.name = "barrier", .leave = evl_sync_leave};

int32_t evl_barrier_new(evl_loop *loop, uint32_t parties, evl_barrier **out) {
    if (out)
        *out = NULL;
    if (parties == 0 || parties > INT32_MAX)
        return EVL_EINVAL;
    int rc = evl_sync_new(loop, sizeof **out, (void **)out);
    if (rc == 0)
        (*out)->parties = parties;
    return rc;
}

void evl_barrier_free(evl_barrier *barrier) {
    if (barrier)
        evl_sync_free(barrier->waiters.loop, barrier, sizeof *barrier);
}

int32_t evl_barrier_wait(evl_barrier *barrier, evl_op *op) {
    if (!barrier)
        return EVL_EINVAL;
    evl_loop *loop = barrier->waiters.loop;
    int rc = evl_op_check_start(loop, op);
    if (rc == 0 && barrier->broken)
        rc = EVL_EBROKEN;
    if (rc != 0)
        return rc;
    evl_waiters_add(&barrier->waiters, evl_op_park(loop, op, &waiting, barrier));
    if (barrier->waiters.count < barrier->parties)
        return 0;
    for (int64_t place = 0; evl_waiters_wake(&barrier->waiters, place);)
        place++;
    return 0;
}

static int32_t end(evl_barrier *barrier, bool broken) {
    int rc = barrier ? evl_enter(barrier->waiters.loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    barrier->broken = broken;
    (void)evl_waiters_wake_all(&barrier->waiters, EVL_EBROKEN);
    return 0;
}

int32_t evl_barrier_reset(evl_barrier *barrier) { return end(barrier, false); }

int32_t evl_barrier_abort(evl_barrier *barrier) { return end(barrier, true); }

int32_t evl_barrier_waiting(const evl_barrier *barrier) {
    return barrier ? (int32_t)barrier->waiters.count : EVL_EINVAL;
}

int32_t evl_barrier_is_broken(const evl_barrier *barrier) { return barrier && barrier->broken; }
