/* deferred.c - deferred calls. Their nodes come from a slab and go back to it before the function runs, so
 * that a chain of calls uses one node. */
#include "deferred.h"
#include "access.h"
#include "embed.h"
#include "loop.h"
#include "post.h"

static int call_later(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop) {
    evl_node *node = evl_slab_alloc(&loop->calls, &loop->mem);
    if (EVL_UNLIKELY(!node))
        return EVL_ENOMEM;
    node->fn.plain = fn;
    node->arg = arg;
    node->u.drop = drop;
    node->kind = EVL_KIND_CALL;
    node->sink = fn ? EVL_SINK_CALL : EVL_SINK_RECORD;
    node->type = EVL_NODE_ONCE;
    evl_posts_before(loop);
    evl_ready(loop, node);
    evl_touch(loop);
    return 0;
}

int32_t evl_call_soon(evl_loop *loop, evl_fn *fn, void *arg) {
    return evl_call_soon_owned(loop, fn, arg, NULL);
}

int32_t evl_call_soon_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop) {
    int rc = evl_enter(loop);
    return EVL_UNLIKELY(rc != 0) ? rc : call_later(loop, fn, arg, drop);
}

static void release_node(evl_loop *loop, evl_node *node) {
    evl_slab_release(node->kind == EVL_KIND_DROP ? &loop->extras : &loop->calls, node);
}

/* The loop may be gone after fn, so nothing of it is needed then. */
static void call_run(evl_loop *loop, evl_node *node) {
    evl_fn *fn = node->fn.plain, *drop = node->u.drop;
    void *arg = node->arg;
    release_node(loop, node);
    fn(arg);
    if (drop)
        drop(arg);
}

static void nothing(void *arg) { (void)arg; }

/* What is left of a deferred call that was not run is its drop: a call of nothing with that drop. False: it
 * has none. */
static bool leave_the_drop(evl_loop *loop, evl_node *node) {
    if (node->kind == EVL_KIND_DROP)
        return true;
    if (node->u.drop) {
        node->fn.plain = nothing;
        node->sink = EVL_SINK_CALL;
        return true;
    }
    evl_slab_release(&loop->calls, node);
    return false;
}

/* Its argument was handed out, which is in the record already. */
static bool call_record(evl_loop *loop, evl_node *node, evl_record *out) {
    (void)out;
    if (leave_the_drop(loop, node))
        evl_ready(loop, node);
    return true;
}

static void call_forget(evl_loop *loop, evl_node *node, evl_link *drops) {
    if (leave_the_drop(loop, node))
        evl_list_append(drops, &node->link);
}

const evl_node_type evl_call_node = {call_run, call_record, call_forget};

evl_node *evl_drop_reserve(evl_loop *loop, evl_fn *drop, void *value) {
    evl_node *node = evl_slab_alloc(&loop->calls, &loop->mem);
    if (!node)
        return NULL;
    node->fn.plain = nothing;
    node->arg = value;
    node->u.drop = drop;
    node->kind = EVL_KIND_CALL;
    node->sink = EVL_SINK_CALL;
    node->type = EVL_NODE_ONCE;
    return node;
}

void evl_drop_reserved(evl_loop *loop, evl_node *node) {
    evl_ready(loop, node);
    evl_touch(loop);
}

void evl_drop_unreserve(evl_loop *loop, evl_node *node) { evl_slab_release(&loop->calls, node); }

/* For a value that is not taken: a deferred call that is all drop, so that a loop which is destroyed first
 * drops it too. */
bool evl_drop_later(evl_loop *loop, evl_fn *drop, void *value) {
    return !drop || call_later(loop, nothing, value, drop) == 0;
}
