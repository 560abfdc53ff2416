/* deferred.c - deferred calls. Their nodes come from a slab and go back to it before the function runs, so
 * that a chain of calls uses one node. */
#include "../async/future.h"

static int call(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop) {
    int rc = evl_enter(loop);
    if (EVL_UNLIKELY(rc != 0))
        return rc;
    evl_node *node = evl_slab_take(&loop->calls, &loop->mem);
    if (EVL_UNLIKELY(!node))
        return EVL_ENOMEM;
    node->fn.plain = fn;
    node->arg = arg;
    node->u.drop = drop;
    node->kind = EVL_KIND_CALL;
    node->sink = fn ? EVL_SINK_CALL : EVL_SINK_RECORD;
    node->call = EVL_CALL_ONCE;
    evl_posts_before(loop);
    evl_ready(loop, node);
    evl_touch(loop);
    return 0;
}

int32_t evl_call_soon(evl_loop *loop, evl_fn *fn, void *arg) { return call(loop, fn, arg, NULL); }

int32_t evl_call_soon_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop) {
    return call(loop, fn, arg, drop);
}

static void go_home(evl_loop *loop, evl_node *node) {
    if (node->kind == EVL_KIND_FUTURE)
        evl_future_give(loop, node);
    else
        evl_slab_give(node->kind == EVL_KIND_DROP ? &loop->extras : &loop->calls, node);
}

/* The loop may be gone after fn, so nothing of it is needed then. */
void evl_call_run(evl_loop *loop, evl_node *node) {
    evl_fn *fn = node->fn.plain, *drop = node->u.drop;
    void *arg = node->arg;
    go_home(loop, node);
    fn(arg);
    if (drop)
        drop(arg);
}

void evl_call_drop(evl_loop *loop, evl_node *node) {
    evl_fn *drop = node->kind == EVL_KIND_CALL ? node->u.drop : node->fn.plain;
    void *arg = node->arg;
    go_home(loop, node);
    if (drop)
        drop(arg);
}

static void nothing(void *arg) { (void)arg; }

evl_node *evl_drop_reserve(evl_loop *loop, evl_fn *drop, void *value) {
    evl_node *node = evl_slab_take(&loop->calls, &loop->mem);
    if (!node)
        return NULL;
    node->fn.plain = nothing;
    node->arg = value;
    node->u.drop = drop;
    node->kind = EVL_KIND_CALL;
    node->sink = EVL_SINK_CALL;
    node->call = EVL_CALL_ONCE;
    return node;
}

void evl_drop_reserved(evl_loop *loop, evl_node *node) {
    evl_ready(loop, node);
    evl_touch(loop);
}

void evl_drop_unreserve(evl_loop *loop, evl_node *node) { evl_slab_give(&loop->calls, node); }

/* For a value that nobody took: a deferred call that is all drop, so that a loop which is destroyed first
 * drops it too. Without room for one it is dropped here: better early than never. */
void evl_drop_later(evl_loop *loop, evl_fn *drop, void *value) {
    if (drop && call(loop, nothing, value, drop) != 0)
        drop(value);
}
