/* context.c - switching stacks, by Boost.Context's fcontext, and telling the sanitizers. */
#include "internal.h"

#if defined(__has_feature)
#    define HAS_FEATURE(feature) __has_feature(feature)
#else
#    define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#    include <sanitizer/common_interface_defs.h>
#    define ASAN 1
#else
#    define ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#    include <sanitizer/tsan_interface.h>
#    define TSAN 1
#else
#    define TSAN 0
#endif

/* boost/context/detail/fcontext.hpp in C. */
typedef struct transfer {
    void *from;
    void *data;
} transfer;
transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*fn)(transfer));

static _Thread_local evl_fiber *current;

evl_fiber *fiber_current(void) { return current; }
void fiber_set_current(evl_fiber *fiber) { current = fiber; }

/* libstdc++'s and libc++'s; not there in a program in C. */
extern fiber_exceptions *__cxa_get_globals(void) __attribute__((weak));

/* Of a fiber that may wait inside a catch block: its exceptions for those of whatever runs otherwise. */
static void swap_exceptions(evl_fiber *fiber) {
    if (!(fiber->flags & EVL_FIBER_EXCEPTIONS) || !__cxa_get_globals)
        return;
    fiber_exceptions *now = __cxa_get_globals(), then = *now;
    *now = fiber->exceptions;
    fiber->exceptions = then;
}

static inline void leaving(fiber_context *from, const fiber_context *to) {
#if ASAN
    __sanitizer_start_switch_fiber(from->ended ? NULL : &from->fake, to->stack, to->size);
#endif
#if TSAN
    if (!from->tsan)
        from->tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)from, (void)to;
}

static inline void arrived(fiber_context *here, transfer t) {
    fiber_context *left = t.data;
#if ASAN
    const void *stack;
    size_t size;
    __sanitizer_finish_switch_fiber(here->fake, &stack, &size);
    left->stack = (void *)(uintptr_t)stack;
    left->size = size;
#endif
    (void)here;
    left->at = t.from;
    if (left->ended)
        fiber_reap(left->ended);
}

void fiber_jump(fiber_context *from, fiber_context *to) {
    leaving(from, to);
    arrived(from, jump_fcontext(to->at, from));
}

/* What a stack begins with. */
static void begin(transfer t) {
    evl_fiber *self = fiber_current();
    arrived(&self->context, t);
    swap_exceptions(self);
    self->started = true;
    fiber_finish(self, self->fn(self->arg));
}

void fiber_prepare(evl_fiber *fiber) {
    fiber->context.stack = fiber->stack.low;
    fiber->context.size = fiber->stack.size;
    fiber->context.at = make_fcontext(fiber->stack.low + fiber->stack.size, fiber->stack.size, begin);
#if TSAN
    fiber->context.tsan = __tsan_create_fiber(0);
#endif
}

void fiber_unprepare(evl_fiber *fiber) {
#if TSAN
    __tsan_destroy_fiber(fiber->context.tsan);
#endif
    (void)fiber;
}

void fiber_resume(evl_fiber *fiber) {
    fiber_hub hub = {.switching = false};
    evl_fiber *outer = fiber_current();
    fiber->hub = &hub;
    fiber->state = EVL_FIBER_RUNNING;
    fiber_set_current(fiber);
    fiber_jump(&hub.context, &fiber->context);
    fiber_set_current(outer);
}

void fiber_suspend(evl_fiber *self, int state) {
    fiber_hub *hub = self->hub;
    self->state = (uint8_t)state;
    swap_exceptions(self);
    fiber_jump(&self->context, &hub->context);
    swap_exceptions(self);
}

void fiber_give_way(evl_fiber *self, int state, evl_fiber *next) {
    self->state = (uint8_t)state;
    next->hub = self->hub;
    next->state = EVL_FIBER_RUNNING;
    fiber_set_current(next);
    swap_exceptions(self);
    fiber_jump(&self->context, &next->context);
    swap_exceptions(self);
}
