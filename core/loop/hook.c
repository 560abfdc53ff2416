/* hook.c - functions around the loop's polls. */
#include "hook.h"
#include "access.h"
#include "loop.h"

/* Hooks have no result, and so they use the other callback type; a node keeps either. */
int32_t evl_hook_new(evl_loop *loop, int32_t when, evl_fn *fn, void *arg, evl_hook **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!fn || !out || when < EVL_HOOK_BEFORE_POLL || when > EVL_HOOK_IDLE)
        return EVL_EINVAL;
    evl_handle *handle = evl_handle_alloc(loop, EVL_KIND_HOOK, NULL, arg);
    if (!handle)
        return EVL_ENOMEM;
    handle->node.fn.plain = fn;
    handle->node.sink = EVL_SINK_CALL;
    handle->node.flags = 0;
    ((evl_hook_handle *)handle)->when = when;
    evl_handle_set_active(handle, true);
    evl_list_append(&loop->hooks[when], &handle->node.link);
    *out = handle;
    return 0;
}

static void detach(evl_handle *handle) {
    evl_link *link = &handle->node.link;
    if (handle->loop->next_hook == link)
        handle->loop->next_hook = link->next;
    evl_list_unlink(link);
}

const evl_handle_type evl_hook_type = {.size = sizeof(evl_hook_handle), .detach = detach};

/* In the order in which they were made, and any may close itself or any other. Those made meanwhile stand
 * behind the mark and run from the next poll on. */
int evl_hooks_run(evl_loop *loop, int when) {
    int rc = 0;
    if (loop->pulling)
        return 0;
    evl_link mark;
    evl_list_append(&loop->hooks[when], &mark);
    loop->next_hook = loop->hooks[when].next;
    while (rc == 0 && loop->next_hook != &mark) {
        evl_node *node = evl_node_of(loop->next_hook);
        loop->next_hook = loop->next_hook->next;
        node->fn.plain(node->arg);
        rc = evl_still(loop);
    }
    loop->next_hook = NULL;
    evl_list_remove(&mark);
    return rc;
}
