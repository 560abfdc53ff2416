/* close.c - the end of a loop.
 *
 *   gate = CLOSING    calls are refused; other threads may still post
 *   parts, stop       operations leave what they wait in, while it is there; pools; futures
 *   handles
 *   parts, end
 *   gate = SHUT       now other threads are refused too
 *   queues            what was queued is forgotten; what has a drop goes to one list
 *   finish            the drops, the first user code; then the creator's reference
 *
 * Every step leaves the loop consistent, and none but the last runs user code. Where a run is around us, the
 * last one is that run's, on its way out. */
#include "access.h"
#include "blockers.h"
#include "embed.h"
#include "handle.h"
#include "loop.h"
#include "part.h"
#include "post.h"

/* Under the lock of the posts, unless a fork may have left it locked by a thread that is not here. */
static void shut(evl_loop *loop) {
    bool locked = !evl_is_forked(loop);
    if (locked)
        (void)pthread_mutex_lock(&loop->lock);
    atomic_store(&loop->gate, EVL_GATE_SHUT);
    if (locked)
        (void)pthread_mutex_unlock(&loop->lock);
}

static void close_handles(evl_loop *loop) {
    for (int kind = EVL_KIND_IO; kind < EVL_HANDLES; kind++)
        for (uint32_t slot = 0; slot < evl_slab_slots(&loop->handles[kind]); slot++) {
            evl_handle *handle = evl_slab_at(&loop->handles[kind], slot);
            if (handle->node.kind == 0)
                continue;
            evl_handle_detach(handle);
            evl_handle_release(handle);
        }
}

/* Nothing of what was queued runs. What has a drop stays queued until evl_finish_close. */
static void empty_queues(evl_loop *loop) {
    evl_link queued, *drops = &loop->sinks[EVL_SINK_CALL];
    evl_list_init(&queued);
    evl_list_splice(&queued, &loop->running);
    evl_list_splice(&queued, &loop->at_collect);
    evl_list_splice(&queued, drops);
    evl_list_splice(&queued, &loop->sinks[EVL_SINK_RECORD]);
    while (!evl_list_empty(&queued)) {
        evl_node *node = evl_node_of(evl_list_shift(&queued));
        if (node->type > EVL_NODE_TAKE)
            loop->node_types[node->type]->forget(loop, node, drops);
    }
}

/* One may release what another is for: that comes at the end. */
static void run_drops(evl_loop *loop) {
    evl_link *drops = &loop->sinks[EVL_SINK_CALL];
    while (!evl_list_empty(drops)) {
        evl_node *node = evl_node_of(evl_list_shift(drops));
        loop->node_types[node->type]->run(loop, node);
    }
}

void evl_finish_close(evl_loop *loop) {
    atomic_store(&loop->owner, evl_self());
    run_drops(loop);
    evl_posts_drop(loop);
    (void)evl_parts_collect(loop);
    run_drops(loop);
    atomic_store(&loop->owner, 0);
    evl_loop_unref(loop);
}

static void take_down(evl_loop *loop) {
    atomic_store(&loop->gate, EVL_GATE_CLOSING);
    evl_parts_stop(loop);
    close_handles(loop);
    evl_parts_end(loop);
    shut(loop);
    empty_queues(loop);
    if (atomic_load(&loop->owner) == 0)
        evl_finish_close(loop);
}

/* What is given up on another thread than the loop's last, as this one may be, comes as a post: it is not in
 * the way of a close. */
static void take_in_posts(evl_loop *loop) {
    if (evl_is_forked(loop))
        return;
    atomic_store_explicit(&loop->home, evl_self(), memory_order_relaxed);
    evl_posts_act(loop);
    evl_touch(loop);
}

int32_t evl_loop_close(evl_loop *loop) {
    if (!loop)
        return 0;
    int rc = evl_enter_child(loop);
    if (rc != 0)
        return rc;
    if (atomic_load(&loop->owner) != 0)
        return EVL_ERUNNING;
    if (evl_is_released(loop))
        return EVL_ETHREAD;
    take_in_posts(loop);
    if (evl_count_blockers(loop) != 0)
        return EVL_EBUSY;
    take_down(loop);
    return 0;
}

int32_t evl_loop_destroy(evl_loop *loop) {
    if (!loop)
        return 0;
    int rc = evl_enter_child(loop);
    if (rc != 0)
        return rc;
    if (evl_is_released(loop))
        return EVL_ETHREAD;
    take_down(loop);
    return 0;
}
