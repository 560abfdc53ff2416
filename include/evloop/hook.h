/* evloop/hook.h - other logic around the loop's polls. */
#ifndef EVLOOP_HOOK_H
#define EVLOOP_HOOK_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* When a hook runs. Polls are skipped while the loop is busy (see evl_options.poll_interval), and so are
 * hooks. */
enum {
    EVL_HOOK_BEFORE_POLL = 0, /* before the kernel is asked; may still change interest and start timers */
    EVL_HOOK_AFTER_POLL = 1,  /* when the kernel has answered, before anything of it runs */
    EVL_HOOK_IDLE = 2         /* once, before a wait that has nothing ready; never prevents it by itself */
};

/* Makes a hook. Hooks of one kind run in the order in which they were made. They do not keep the loop alive.
 * evl_loop_records runs no user code and so no hooks.
 * Errors: EVL_EINVAL (fn NULL included: a record could only tell that a poll is over), EVL_ENOMEM. @since 0.1
 */
EVL_API int32_t evl_hook_new(evl_loop *loop, int32_t when, evl_fn *fn, void *arg, evl_hook **out);

#ifdef __cplusplus
}
#endif
#endif
