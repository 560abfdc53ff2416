/* metrics.c - counters, errors nobody took, and callbacks that take too long. */
#include "../loop/loop.h"

#include <string.h>

void evl_copy_name(char to[EVL_NAME_SIZE], const char *from) {
    size_t len = 0;
    for (; from && from[len] != '\0' && len < EVL_NAME_SIZE - 1; len++)
        to[len] = from[len];
    memset(to + len, 0, EVL_NAME_SIZE - len);
}

int32_t evl_loop_metrics(const evl_loop *loop, evl_metrics *out) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    evl_metrics all = loop->metrics;
    size_t size = out->struct_size < sizeof all ? out->struct_size : sizeof all;
    all.struct_size = out->struct_size;
    for (int kind = EVL_KIND_IO; kind < EVL_HANDLES; kind++)
        all.handles += loop->handles[kind].live;
    all.handles -= loop->internal;
    all.bytes = atomic_load_explicit(&loop->mem.bytes, memory_order_relaxed);
    memcpy(out, &all, size);
    return 0;
}

/* --- errors ----------------------------------------------------------------------------------- */

/* A hook that fails itself is not asked about that, and whoever pulls records wants no user code to run. */
void evl_unhandled(evl_loop *loop, int32_t error) {
    loop->metrics.errors++;
    if (loop->error_fn && !loop->in_error_hook && !loop->pulling) {
        (void)evl_loop_ref(loop); /* the hook may destroy the loop */
        loop->in_error_hook = true;
        loop->error_fn(loop->error_arg, error);
        loop->in_error_hook = false;
        evl_loop_unref(loop);
    } else if (loop->error == 0)
        loop->error = error;
}

int32_t evl_set_error_hook(evl_loop *loop, evl_done_fn *fn, void *arg) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    loop->error_fn = fn;
    loop->error_arg = arg;
    return 0;
}

int32_t evl_loop_report(evl_loop *loop, int32_t error) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (error >= 0)
        return EVL_EINVAL;
    evl_unhandled(loop, error);
    return 0;
}

int32_t evl_loop_error(evl_loop *loop) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    int32_t first = loop->error;
    loop->error = 0;
    return first;
}

/* --- slow callbacks --------------------------------------------------------------------------- */

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
