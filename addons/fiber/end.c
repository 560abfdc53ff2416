/* end.c - how fibers end, and waiting for it. */
#include "context.h"

/* --- ending ----------------------------------------------------------------------------------- */

/* Out of its loop, and known to be over. What runs here is the program's, on the fiber's stack. */
static void close_down(evl_fiber *fiber, int64_t result) {
    fiber->killed = true; /* nothing waits from here on */
    fiber_drop_locals(fiber);
    evl_fn *drop = fiber->drop;
    fiber->drop = NULL; /* it may leave by evl_fiber_exit, and this runs again */
    if (drop)
        drop(fiber->arg);
    (void)evl_op_close(&fiber->op);
    fiber->result = result;
    fiber->state = EVL_FIBER_DONE;
    fiber_scheduler_remove(fiber);
    (void)evl_waitq_wake(&fiber->joiners, -1, 0);
}

static void release(void *fiber) { evl_fiber_unref(fiber); }

/* Who goes on behind a fiber that switches: its parent that waits for a switch, or the program's stack. */
static evl_fiber *heir(const evl_fiber *self) {
    evl_fiber *parent = self->parent;
    while (parent && parent->state == EVL_FIBER_DONE)
        parent = parent->parent;
    return parent;
}

static void *as_value(int64_t result) { return (void *)(intptr_t)result; }

_Noreturn void fiber_finish(evl_fiber *self, int64_t result) {
    int32_t error = result < 0 ? (int32_t)result : 0;
    bool inherited = self->switches && !self->scheduler->down;
    close_down(self, result);
    evl_fiber *next = inherited ? heir(self) : NULL;
    self->context.ended = self;
    if (next && next->state == EVL_FIBER_PARKED) {
        next->value = error ? NULL : as_value(result);
        next->error = error;
        fiber_give_way(self, EVL_FIBER_DONE, next);
    }
    if (inherited && !next && self->hub->switching) {
        self->hub->value = error ? NULL : as_value(result);
        self->hub->error = error;
        self->hub->received = true;
    }
    fiber_suspend(self, EVL_FIBER_DONE);
    __builtin_unreachable();
}

_Noreturn void fiber_leave(evl_fiber *self, int64_t result) {
    self->killed = true;
    while (self->cleanups) {
        fiber_cleanup *cleanup = self->cleanups;
        self->cleanups = cleanup->next;
        cleanup->fn(cleanup->arg);
    }
    fiber_finish(self, result);
}

void fiber_end_unrun(evl_fiber *fiber, int64_t result) {
    if (fiber->switches) /* it would have got one with its first step */
        (void)evl_fiber_ref(fiber);
    close_down(fiber, result);
    fiber_reap(fiber);
}

void fiber_end_now(evl_fiber *fiber) {
    fiber->killed = true;
    fiber->result = EVL_ECLOSED;
    if (fiber->started)
        fiber_resume(fiber);
    else
        fiber_end_unrun(fiber, EVL_ECLOSED);
}

/* What it waits for is given up at once, and the next pass does the rest. */
static int32_t end_later(evl_fiber *fiber) {
    if (fiber->state == EVL_FIBER_WAITING && !fiber->waits_any)
        (void)evl_op_close(fiber->waits_for);
    if (!evl_op_active(&fiber->op)) {
        int32_t rc = evl_defer(fiber->loop, &fiber->op);
        if (rc != 0)
            return rc;
    }
    fiber->killed = true;
    fiber->result = EVL_ECANCELED;
    fiber->state = EVL_FIBER_READY;
    return 1;
}

int32_t evl_fiber_kill(evl_fiber *fiber) {
    if (!fiber)
        return EVL_EINVAL;
    if (fiber->state == EVL_FIBER_DONE)
        return 0;
    int32_t rc = fiber_enter(fiber);
    if (rc < 0)
        return rc;
    if (fiber->state == EVL_FIBER_RUNNING)
        return EVL_EBUSY;
    if (fiber->state != EVL_FIBER_NEW)
        return end_later(fiber);
    fiber_end_unrun(fiber, EVL_ECANCELED);
    return 1;
}

int32_t evl_fiber_exit(int64_t result) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    fiber_leave(self, result);
}

/* --- cleanups --------------------------------------------------------------------------------- */

_Static_assert(sizeof(fiber_cleanup) <= sizeof(evl_fiber_cleanup), "evl_fiber_cleanup never grows");

int32_t evl_fiber_cleanup_push(evl_fiber_cleanup *public, evl_fn *fn, void *arg) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    if (!public || !fn)
        return EVL_EINVAL;
    fiber_cleanup *cleanup = (void *)public;
    *cleanup = (fiber_cleanup){self->cleanups, fn, arg};
    self->cleanups = cleanup;
    return 0;
}

int32_t evl_fiber_cleanup_pop(evl_fiber_cleanup *public, int32_t run) {
    evl_fiber *self = fiber_current();
    fiber_cleanup *cleanup = (void *)public;
    if (!self)
        return EVL_EPERM;
    if (!cleanup || self->cleanups != cleanup)
        return EVL_EINVAL;
    self->cleanups = cleanup->next;
    if (run)
        cleanup->fn(cleanup->arg);
    return 0;
}

/* --- cancelling ------------------------------------------------------------------------------- */

/* True if its wait ends by this. */
static bool end_wait(evl_fiber *fiber) {
    if (fiber->state != EVL_FIBER_WAITING || fiber->cancel_sent)
        return false;
    if (fiber->waits_any)
        return evl_op_active(&fiber->op) || evl_defer(fiber->loop, &fiber->op) == 0;
    return evl_op_cancel(fiber->waits_for) == 1;
}

int32_t evl_fiber_cancel(evl_fiber *fiber) {
    if (!fiber)
        return EVL_EINVAL;
    if (fiber->state == EVL_FIBER_DONE)
        return 0;
    fiber->requests++;
    if (end_wait(fiber))
        fiber->cancel_sent = true;
    else if (!fiber->cancel_sent)
        fiber->must_cancel = true;
    return 1;
}

int32_t evl_fiber_uncancel(evl_fiber *fiber) {
    if (!fiber)
        return EVL_EINVAL;
    if (fiber->requests > 0 && --fiber->requests == 0)
        fiber->must_cancel = false;
    return (int32_t)fiber->requests;
}

int32_t evl_fiber_cancelling(const evl_fiber *fiber) { return fiber ? (int32_t)fiber->requests : EVL_EINVAL; }

/* --- joining ---------------------------------------------------------------------------------- */

int32_t evl_fiber_wait(evl_fiber *fiber, evl_op *op) {
    if (!fiber || !op)
        return EVL_EINVAL;
    int32_t rc = evl_waitq_park(&fiber->joiners, op);
    if (rc == 0 && fiber->state == EVL_FIBER_DONE)
        (void)evl_waitq_wake(&fiber->joiners, -1, 0);
    return rc;
}

/* At most until `deadline`. */
static int32_t wait_for_end(evl_fiber *self, evl_fiber *fiber, int64_t deadline) {
    int32_t rc = evl_fiber_wait(fiber, &self->op);
    if (rc == 0 && deadline != EVL_NEVER) {
        rc = evl_op_deadline(&self->op, deadline);
        if (rc != 0)
            (void)evl_op_close(&self->op);
    }
    return (int32_t)fiber_await_own(self, rc, "join", FIBER_HERE);
}

static int32_t join(evl_fiber *fiber, int64_t deadline) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    if (self == fiber)
        return EVL_EDEADLK;
    evl_fiber_cleanup cleanup; /* the reference, if this one is killed meanwhile */
    (void)evl_fiber_cleanup_push(&cleanup, release, evl_fiber_ref(fiber));
    int32_t rc = wait_for_end(self, fiber, deadline);
    (void)evl_fiber_cleanup_pop(&cleanup, 1);
    return rc;
}

static int64_t deadline_in(const evl_fiber *fiber, int64_t ns) {
    int64_t now = ns == EVL_NEVER ? 0 : evl_time(fiber->loop);
    return ns > EVL_NEVER - now ? EVL_NEVER : now + ns;
}

int32_t evl_fiber_join(evl_fiber *fiber, int64_t timeout_ns, int64_t *result) {
    if (!fiber)
        return EVL_EINVAL;
    if (fiber->state != EVL_FIBER_DONE) {
        int32_t rc = join(fiber, deadline_in(fiber, timeout_ns));
        if (rc < 0)
            return rc;
    }
    if (result)
        *result = fiber->result;
    return 0;
}

int32_t evl_fiber_join_all(evl_fiber *const *fibers, int32_t n, int64_t timeout_ns) {
    if (n < 0 || (n > 0 && !fibers))
        return EVL_EINVAL;
    int64_t deadline = INT64_MIN;
    for (int32_t i = 0; i < n; i++) {
        if (!fibers[i] || fibers[i]->state == EVL_FIBER_DONE)
            continue;
        if (deadline == INT64_MIN)
            deadline = deadline_in(fibers[i], timeout_ns);
        int32_t rc = join(fibers[i], deadline);
        if (rc < 0)
            return rc;
    }
    return 0;
}
