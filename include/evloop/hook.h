/* evloop/hook.h - functions that run around the loop's polls, for programs that combine evloop with other
 * logic.
 *
 *     evl_hook_new(loop, EVL_HOOK_IDLE, collect_garbage, vm, &hook);
 *
 * Like libuv's prepare, check and idle handles, except that a hook never keeps the loop from waiting. */
#ifndef EVLOOP_HOOK_H
#define EVLOOP_HOOK_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* When a hook runs. While the loop is busy polls are skipped (evl_options.poll_interval), and so are
 * hooks. */
enum {
    EVL_HOOK_BEFORE_POLL = 0, /* before the kernel is polled; may still change interest and start timers */
    EVL_HOOK_AFTER_POLL = 1,  /* after the kernel was polled, before any callback runs; also after a poll that
                                 a signal ended or that failed: one for each poll */
    EVL_HOOK_IDLE = 2         /* once, before a poll that will wait because no callback is ready */
};

/* Makes a hook: fn(arg) runs at every `when`, until evl_close.
 *
 * Hooks of one kind run in the order in which they were made. They do not keep the loop alive.
 * evl_loop_records runs no user code and so no hooks.
 * Errors:
 * - EVL_EINVAL: fn is NULL, or `when` is none of EVL_HOOK_*.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_hook_new(evl_loop *loop, int32_t when, evl_fn *fn, void *arg, evl_hook **out);

#ifdef __cplusplus
}
#endif
#endif
