/* fiber.c - making fibers, references, and what can be asked of one. */
#include "context.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static void copy_name(char *to, const char *name) {
    size_t length = name ? strnlen(name, 31) : 0;
    if (length != 0)
        memcpy(to, name, length);
    to[length] = 0;
}

/* --- making ----------------------------------------------------------------------------------- */

static int32_t read_options(const evl_fiber_options *given, evl_fiber_options *out) {
    const uint32_t known = EVL_FIBER_UNWINDS | EVL_FIBER_NO_GUARD | EVL_FIBER_EXCEPTIONS;
    memset(out, 0, sizeof *out);
    if (given) {
        if (given->struct_size < sizeof given->struct_size)
            return EVL_EINVAL;
        memcpy(out, given, given->struct_size < sizeof *out ? given->struct_size : sizeof *out);
    }
    if (out->stack == 0)
        out->stack = FIBER_STACK;
    return (out->flags & ~known) == 0 && out->stack <= 1 << 30 ? 0 : EVL_EINVAL;
}

static int32_t make(fiber_scheduler *scheduler, evl_fiber_fn *fn, const evl_fiber_options *options,
                    evl_fiber **out) {
    static atomic_uint_fast64_t ids;
    evl_fiber *fiber = calloc(1, sizeof *fiber);
    if (!fiber)
        return EVL_ENOMEM;
    int32_t rc = evl_waitq_init(&fiber->joiners, scheduler->loop, NULL, NULL);
    if (rc == 0)
        rc = fiber_stack_new((size_t)options->stack, !(options->flags & EVL_FIBER_NO_GUARD), &fiber->stack);
    if (rc != 0) {
        free(fiber);
        return rc;
    }
    (void)evl_op_init(&fiber->op, fiber_woken, fiber, EVL_OP_SYNC);
    fiber->loop = evl_loop_ref(scheduler->loop);
    fiber->fn = fn;
    fiber->flags = options->flags;
    fiber->refs = 1;
    fiber->result = EVL_EAGAIN;
    fiber->id = 1 + atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed);
    copy_name(fiber->name, options->name);
    fiber_prepare(fiber);
    fiber_scheduler_add(scheduler, fiber);
    *out = fiber;
    return 0;
}

static int32_t make_on(evl_loop *loop, evl_fiber_fn *fn, const evl_fiber_options *given, bool switches,
                       evl_fiber **out) {
    evl_fiber_options options;
    fiber_scheduler *scheduler;
    int32_t rc = read_options(given, &options);
    if (!loop || !fn || rc != 0 || (switches && options.drop))
        return EVL_EINVAL;
    rc = fiber_scheduler_of(loop, &scheduler);
    if (rc != 0)
        return rc;
    rc = make(scheduler, fn, &options, out);
    if (rc != 0)
        fiber_scheduler_settle(scheduler);
    return rc;
}

int32_t evl_fiber_spawn(evl_loop *loop, evl_fiber_fn *fn, void *arg, const evl_fiber_options *options,
                        evl_fiber **out) {
    evl_fiber *fiber;
    if (out)
        *out = NULL;
    int32_t rc = make_on(loop, fn, options, false, &fiber);
    if (rc != 0)
        return rc;
    rc = evl_defer(loop, &fiber->op);
    if (rc != 0) {
        evl_fiber_unref(fiber);
        return rc;
    }
    fiber->arg = arg;
    fiber->drop = options && options->struct_size >= sizeof *options ? options->drop : NULL;
    fiber->state = EVL_FIBER_READY;
    if (out)
        *out = evl_fiber_ref(fiber);
    return 0;
}

int32_t evl_fiber_new(evl_loop *loop, evl_fiber_fn *fn, const evl_fiber_options *options, evl_fiber **out) {
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    int32_t rc = make_on(loop, fn, options, true, out);
    if (rc == 0) {
        evl_fiber *self = fiber_current();
        (*out)->switches = true;
        (*out)->parent = self && self->loop == loop ? evl_fiber_ref(self) : NULL;
    }
    return rc;
}

/* --- references ------------------------------------------------------------------------------- */

evl_fiber *evl_fiber_ref(evl_fiber *fiber) {
    if (fiber)
        fiber->refs++;
    return fiber;
}

/* Its parent may go with it, and that one's. */
void evl_fiber_unref(evl_fiber *fiber) {
    while (fiber && --fiber->refs == 0) {
        evl_fiber *parent = fiber->parent;
        if (fiber->scheduler)
            fiber_discard(fiber);
        evl_loop_unref(fiber->loop);
        free(fiber);
        fiber = parent;
    }
}

static void free_stack(evl_fiber *fiber) {
    fiber_unprepare(fiber);
    fiber_stack_free(&fiber->stack);
}

void fiber_discard(evl_fiber *fiber) {
    (void)evl_op_close(&fiber->op);
    free_stack(fiber);
    fiber->state = EVL_FIBER_DONE;
    fiber_scheduler_remove(fiber);
}

void fiber_reap(evl_fiber *fiber) {
    free_stack(fiber);
    evl_fiber_unref(fiber);
}

/* --- running ---------------------------------------------------------------------------------- */

void fiber_woken(void *arg, int64_t unused) {
    evl_fiber *fiber = arg;
    (void)unused;
    bool due = fiber->state == EVL_FIBER_READY     ? !evl_op_active(&fiber->op)
               : fiber->state == EVL_FIBER_WAITING ? fiber->waits_any || !evl_op_active(fiber->waits_for)
                                                   : false;
    if (!due)
        return;
    if (fiber->killed && !fiber->started)
        fiber_end_unrun(fiber, EVL_ECANCELED);
    else
        fiber_resume(fiber);
}

/* --- asking ----------------------------------------------------------------------------------- */

static const evl_fiber *self_for_null(const evl_fiber *fiber) { return fiber ? fiber : fiber_current(); }

evl_fiber *evl_fiber_self(void) { return fiber_current(); }

evl_loop *evl_fiber_loop(const evl_fiber *fiber) {
    fiber = self_for_null(fiber);
    return fiber ? fiber->loop : NULL;
}

int32_t evl_fiber_state(const evl_fiber *fiber) { return fiber ? fiber->state : EVL_EINVAL; }

int64_t evl_fiber_result(const evl_fiber *fiber) {
    if (!fiber)
        return EVL_EINVAL;
    return fiber->state == EVL_FIBER_DONE ? fiber->result : EVL_EAGAIN;
}

int32_t evl_fiber_set_name(evl_fiber *fiber, const char *name) {
    if (!fiber)
        fiber = fiber_current();
    if (!fiber)
        return EVL_EPERM;
    copy_name(fiber->name, name);
    return 0;
}

const char *evl_fiber_name(const evl_fiber *fiber) {
    fiber = self_for_null(fiber);
    return fiber ? fiber->name : "";
}

int64_t evl_fiber_stack_used(const evl_fiber *fiber) {
    fiber = self_for_null(fiber);
    if (!fiber)
        return EVL_EPERM;
    return fiber->state == EVL_FIBER_DONE ? EVL_ESRCH : fiber_stack_used(&fiber->stack);
}
