/* switch.c - switching from fiber to fiber by the program's own decision, as greenlet has it. */
#include "context.h"

/* What a fiber finds that was switched to. */
static int32_t receive(evl_fiber *self, void **received) {
    if (self->killed) {
        if (!(self->flags & EVL_FIBER_UNWINDS))
            fiber_leave(self, self->result);
        return EVL_ECANCELED;
    }
    if (received)
        *received = self->value;
    return self->error;
}

static void give(evl_fiber *target, void *value, int32_t error) {
    if (target->state == EVL_FIBER_NEW) {
        (void)evl_fiber_ref(target); /* its own, until its end */
        target->arg = value;
    }
    target->value = value;
    target->error = error;
}

/* To the program's own stack. */
static inline __attribute__((always_inline)) int32_t to_program(evl_fiber *self, void *value, int32_t error,
                                                                void **received) {
    if (!self) {
        if (received)
            *received = value;
        return error;
    }
    fiber_hub *hub = self->hub;
    if (!hub->switching)
        return EVL_EINVAL;
    hub->value = value;
    hub->error = error;
    hub->received = true;
    fiber_suspend(self, EVL_FIBER_PARKED);
    return receive(self, received);
}

/* From the program's own stack. */
static inline __attribute__((always_inline)) int32_t from_program(evl_fiber *target, void **received) {
    fiber_hub hub = {.switching = true};
    target->hub = &hub;
    target->state = EVL_FIBER_RUNNING;
    fiber_now = target;
    fiber_jump(&hub.context, &target->context);
    fiber_now = NULL;
    if (!hub.received)
        return EVL_EINPROGRESS;
    if (received)
        *received = hub.value;
    return hub.error;
}

static int32_t check(const evl_fiber *self, evl_fiber *target) {
    if (self && self->loop != target->loop)
        return EVL_EINVAL;
    if (target->state == EVL_FIBER_DONE)
        return EVL_ESRCH;
    if (target->state != EVL_FIBER_NEW && target->state != EVL_FIBER_PARKED)
        return EVL_EBUSY;
    if (self)
        return self->killed ? EVL_ECANCELED : 0;
    int32_t rc = fiber_enter(target);
    return rc < 0 ? rc : 0;
}

static inline __attribute__((always_inline)) int32_t transfer(evl_fiber *target, void *value, int32_t error,
                                                              void **received) {
    evl_fiber *self = fiber_now;
    if (received)
        *received = NULL;
    if (!target)
        return to_program(self, value, error, received);
    if (target == self) {
        if (received)
            *received = value;
        return error;
    }
    int32_t rc = check(self, target);
    if (rc != 0)
        return rc;
    give(target, value, error);
    if (!self)
        return from_program(target, received);
    fiber_give_way(self, EVL_FIBER_PARKED, target);
    return receive(self, received);
}

int32_t evl_fiber_switch(evl_fiber *target, void *value, void **received) {
    return transfer(target, value, 0, received);
}

int32_t evl_fiber_throw(evl_fiber *target, int32_t error, void **received) {
    if (error >= 0)
        return EVL_EINVAL;
    if (!target || target->state != EVL_FIBER_NEW)
        return transfer(target, NULL, error, received);
    int32_t rc = check(fiber_now, target);
    if (rc != 0)
        return rc;
    evl_fiber *parent = target->parent;
    while (parent && parent->state == EVL_FIBER_DONE)
        parent = parent->parent;
    fiber_end_unrun(target, error);
    return transfer(parent, NULL, error, received);
}

evl_fiber *evl_fiber_parent(const evl_fiber *fiber) { return fiber ? fiber->parent : NULL; }

int32_t evl_fiber_set_parent(evl_fiber *fiber, evl_fiber *parent) {
    if (!fiber || (parent && parent->loop != fiber->loop))
        return EVL_EINVAL;
    for (const evl_fiber *above = parent; above; above = above->parent)
        if (above == fiber)
            return EVL_EINVAL;
    evl_fiber *old = fiber->parent;
    fiber->parent = evl_fiber_ref(parent);
    evl_fiber_unref(old);
    return 0;
}
