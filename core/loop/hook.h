/* hook.h - functions around the loop's polls. */
#ifndef EVL_CORE_HOOK_H
#define EVL_CORE_HOOK_H

#include "handle.h"

/* node.link is the hook's place among the hooks of its kind: hooks are never ready. */
typedef struct evl_hook_handle {
    evl_handle base;
    int32_t when;
} evl_hook_handle;

extern const evl_handle_type evl_hook_type;
int evl_hooks_run(evl_loop *loop, int when); /* 0, or what evl_still says behind one of them */

#endif
