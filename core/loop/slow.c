/* slow.c - callbacks that take too long. */
#include "loop.h"

#include <string.h>

int32_t evl_set_slow_callback(evl_loop *loop, int64_t threshold_ns, evl_done_fn *fn, void *arg) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    loop->slow_ns = threshold_ns;
    loop->slow_fn = fn;
    loop->slow_arg = arg;
    return 0;
}

/* The handle may be gone after the call: who it was is noted before. */
void evl_run_timed(evl_loop *loop, evl_node *node) {
    uint64_t id = 0;
    char name[EVL_NAME_SIZE] = "";
    if (node->kind < EVL_HANDLES) {
        const evl_handle *handle = EVL_OWNER(node, evl_handle, node);
        id = evl_handle_id(handle);
        if (handle->extra)
            evl_copy_name(name, handle->extra->name);
    }
    int64_t begin = evl_monotonic();
    evl_run_node(loop, node);
    int64_t took = evl_monotonic() - begin;
    evl_metrics *m = &loop->metrics;
    if ((uint64_t)took >= m->longest_ns) {
        m->longest_ns = (uint64_t)took;
        m->longest_id = id;
        memcpy(m->longest_name, name, sizeof name);
    }
    if (loop->slow_ns < 0 || took < loop->slow_ns || evl_is_closed(loop))
        return;
    m->slow_callbacks++;
    if (loop->slow_fn)
        loop->slow_fn(loop->slow_arg, took);
}
