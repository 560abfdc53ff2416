/* context.h - switching stacks, by Boost.Context's fcontext, and telling the sanitizers.
 *
 * Inline, all of it: after a switch the processor predicts every return wrongly, so that each function that
 * is left behind a switch costs as much as the switch itself. */
#ifndef EVLOOP_FIBER_CONTEXT_H
#define EVLOOP_FIBER_CONTEXT_H

#include "internal.h"

#if defined(__has_feature)
#    define FIBER_HAS_FEATURE(feature) __has_feature(feature)
#else
#    define FIBER_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || FIBER_HAS_FEATURE(address_sanitizer)
#    include <sanitizer/common_interface_defs.h>
#    define FIBER_ASAN 1
#else
#    define FIBER_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || FIBER_HAS_FEATURE(thread_sanitizer)
#    include <sanitizer/tsan_interface.h>
#    define FIBER_TSAN 1
#else
#    define FIBER_TSAN 0
#endif

/* boost/context/detail/fcontext.hpp in C. */
typedef struct fiber_transfer {
    void *from;
    void *data;
} fiber_transfer;
fiber_transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*fn)(fiber_transfer));

/* The running fiber of this thread: read before a switch, for a fiber may go on on another thread. */
#if defined(__GLIBC__) /* which keeps room for this in libraries that are loaded later */
extern _Thread_local evl_fiber *fiber_now __attribute__((tls_model("initial-exec")));
#else
extern _Thread_local evl_fiber *fiber_now;
#endif

/* libstdc++'s and libc++'s; not there in a program in C. */
extern fiber_exceptions *__cxa_get_globals(void) __attribute__((weak));

/* Of a fiber that may wait inside a catch block: its exceptions for those of whatever runs otherwise. */
static inline __attribute__((always_inline)) void fiber_swap_exceptions(evl_fiber *fiber) {
    if (!(fiber->flags & EVL_FIBER_EXCEPTIONS) || !__cxa_get_globals)
        return;
    fiber_exceptions *now = __cxa_get_globals(), then = *now;
    *now = fiber->exceptions;
    fiber->exceptions = then;
}

static inline __attribute__((always_inline)) void fiber_leaving(fiber_context *from,
                                                                const fiber_context *to) {
#if FIBER_ASAN
    __sanitizer_start_switch_fiber(from->ended ? NULL : &from->fake, to->stack, to->size);
#endif
#if FIBER_TSAN
    if (!from->tsan)
        from->tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)from, (void)to;
}

static inline __attribute__((always_inline)) void fiber_arrived(fiber_context *here, fiber_transfer t) {
    fiber_context *left = t.data;
#if FIBER_ASAN
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

/* Leaves `from`, goes on in `to`, and returns when something comes back. */
static inline __attribute__((always_inline)) void fiber_jump(fiber_context *from, fiber_context *to) {
    fiber_leaving(from, to);
    fiber_arrived(from, jump_fcontext(to->at, from));
}

/* Runs a fiber until it waits, parks or ends. */
static inline __attribute__((always_inline)) void fiber_resume(evl_fiber *fiber) {
    fiber_hub hub = {.switching = false};
    evl_fiber *outer = fiber_now;
    fiber->hub = &hub;
    fiber->state = EVL_FIBER_RUNNING;
    fiber_now = fiber;
    fiber_jump(&hub.context, &fiber->context);
    fiber_now = outer;
}

/* The running fiber goes back to its hub, and returns when it is resumed. */
static inline __attribute__((always_inline)) void fiber_suspend(evl_fiber *self, int state) {
    fiber_hub *hub = self->hub;
    self->state = (uint8_t)state;
    fiber_swap_exceptions(self);
    fiber_jump(&self->context, &hub->context);
    fiber_swap_exceptions(self);
}

/* The running fiber becomes `state`, and another one, which has not to wait, goes on in its place. */
static inline __attribute__((always_inline)) void fiber_give_way(evl_fiber *self, int state,
                                                                 evl_fiber *next) {
    self->state = (uint8_t)state;
    next->hub = self->hub;
    next->state = EVL_FIBER_RUNNING;
    fiber_now = next;
    fiber_swap_exceptions(self);
    fiber_jump(&self->context, &next->context);
    fiber_swap_exceptions(self);
}

#endif
