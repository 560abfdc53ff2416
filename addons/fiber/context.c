/* context.c - the beginning of a stack. */
#include "context.h"

_Thread_local evl_fiber *fiber_now;

evl_fiber *fiber_current(void) { return fiber_now; }

/* What a stack begins with. */
static void begin(fiber_transfer t) {
    evl_fiber *self = fiber_current();
    fiber_arrived(&self->context, t);
    fiber_swap_exceptions(self);
    self->started = true;
    fiber_finish(self, self->fn(self->arg));
}

void fiber_prepare(evl_fiber *fiber) {
    fiber->context.stack = fiber->stack.low;
    fiber->context.size = fiber->stack.size;
    fiber->context.at = make_fcontext(fiber->stack.low + fiber->stack.size, fiber->stack.size, begin);
#if FIBER_TSAN
    fiber->context.tsan = __tsan_create_fiber(0);
#endif
}

void fiber_unprepare(evl_fiber *fiber) {
#if FIBER_TSAN
    __tsan_destroy_fiber(fiber->context.tsan);
#endif
    (void)fiber;
}
