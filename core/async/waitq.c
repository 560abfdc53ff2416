/* waitq.c - the public wait list. */
#include "waitq.h"
#include "../loop/access.h"

typedef struct waitq {
    evl_waiters waiters;
    evl_done_fn *refused;
    void *arg;
    evl_operation *watch; /* of evl_waitq_on_leave, while it is pending */
} waitq;

_Static_assert(sizeof(waitq) <= sizeof(evl_waitq), "evl_waitq never grows");

static waitq *of(const evl_waitq *q) { return (waitq *)(void *)(uintptr_t)q; }

static void leave(evl_operation *op) {
    waitq *q = op->owner;
    evl_operation *watch = q->watch;
    evl_waiters_remove(&q->waiters, op);
    q->watch = NULL;
    if (watch)
        evl_op_complete(watch, q->waiters.count);
}

/* To the first waiter. `until` is what refuse hands on. */
static void hand(waitq *q, bool counts, int64_t result) {
    evl_operation *op = evl_waiters_first(&q->waiters);
    op->count = counts;
    op->until = result;
    (void)evl_waiters_wake(&q->waiters, result);
}

/* Only what was handed over is handed on: a wake of all was meant for those that waited then. A loop that
 * goes down has no waiter to hand it to. */
static void refuse(evl_operation *op) {
    waitq *q = op->owner;
    if (op->count == 0 || evl_is_closed(op->loop))
        return;
    int64_t result = op->until;
    if (q->refused)
        q->refused(q->arg, result);
    else if (evl_waiters_first(&q->waiters))
        hand(q, 1, result);
}

static const evl_op_type parked = {.name = "waitq", .leave = leave, .refuse = refuse};

int32_t evl_waitq_init(evl_waitq *public, evl_loop *loop, evl_done_fn *refused, void *arg) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!public)
        return EVL_EINVAL;
    waitq *q = of(public);
    evl_waiters_init(&q->waiters, loop);
    q->refused = refused;
    q->arg = arg;
    q->watch = NULL;
    return 0;
}

int32_t evl_waitq_park(evl_waitq *public, evl_op *op) {
    if (!public)
        return EVL_EINVAL;
    waitq *q = of(public);
    int rc = evl_op_check_start(q->waiters.loop, op);
    if (rc != 0)
        return rc;
    evl_operation *self = evl_op_park(q->waiters.loop, op, &parked, q);
    self->count = 0;
    evl_waiters_add(&q->waiters, self);
    return 0;
}

int32_t evl_waitq_wake(evl_waitq *public, int32_t n, int64_t result) {
    if (!public)
        return EVL_EINVAL;
    waitq *q = of(public);
    int rc = evl_enter(q->waiters.loop);
    if (rc != 0)
        return rc;
    int32_t woken = 0;
    for (; (n < 0 || woken < n) && evl_waiters_first(&q->waiters); woken++)
        hand(q, n >= 0, result);
    return woken;
}

static void leave_watch(evl_operation *op) { ((waitq *)op->owner)->watch = NULL; }

static const evl_op_type watching = {.name = "waitq watch", .leave = leave_watch};

int32_t evl_waitq_on_leave(evl_waitq *public, evl_op *op) {
    if (!public)
        return EVL_EINVAL;
    waitq *q = of(public);
    int rc = evl_op_check_start(q->waiters.loop, op);
    if (rc == 0 && q->watch)
        rc = EVL_EBUSY;
    if (rc == 0)
        q->watch = evl_op_park(q->waiters.loop, op, &watching, q);
    return rc;
}

int32_t evl_waitq_count(const evl_waitq *public) {
    return public ? (int32_t)of(public)->waiters.count : EVL_EINVAL;
}

int32_t evl_waitq_size(void) { return (int32_t)sizeof(evl_waitq); }
