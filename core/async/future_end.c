/* future_end.c - the last reference to a future, on whatever thread it is released. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "../loop/node_type.h"
#include "../loop/post.h"
#include "../loop/report.h"
#include "future.h"

/* On a closed loop no thread owns the slab. */
static void release_slot(evl_loop *loop, evl_node *node) {
    evl_futures *all = evl_futures_of(loop);
    bool closed = evl_is_shut(loop) && !evl_is_forked(loop);
    if (closed)
        (void)pthread_mutex_lock(&loop->lock);
    evl_slab_release(&all->slab, node);
    bool last = all->slab.live == 0;
    if (closed)
        (void)pthread_mutex_unlock(&loop->lock);
    if (last)
        evl_loop_unref(loop);
}

/* What user code has to be run for is queued, carried by the node of the future's own operation, which has
 * nothing else to do any more: the drop of a value, or an error that was not retrieved. Once the loop is
 * gone there is no later: then this is the last act of the call that released the last reference. */
static void run_end(evl_loop *loop, evl_node *node) {
    const evl_future *future = EVL_OWNER(node, evl_future, op.node);
    evl_fn *drop = evl_future_has_end(future) ? NULL : node->fn.plain;
    evl_done_fn *end = evl_future_has_end(future) ? future->end : NULL;
    void *value = node->arg;
    int32_t error = future->error;
    bool retrieved = future->retrieved;
    if (!drop && !end)
        evl_copy_name(loop->metrics.error_name, future->name);
    (void)evl_loop_ref(loop); /* the future's may be the last, and the value a handle of this loop */
    release_slot(loop, node);
    if (end)
        end(value, retrieved);
    else if (drop)
        drop(value);
    else
        evl_unhandled(loop, error);
    evl_loop_unref(loop);
}

static void forget_end(evl_loop *loop, evl_node *node, evl_link *drops) {
    if (node->fn.plain)
        evl_list_append(drops, &node->link);
    else
        release_slot(loop, node);
}

static void leave_end(evl_future *future) {
    evl_loop *loop = future->loop;
    evl_node *node = &future->op.node;
    bool failed = future->state == EVL_FUTURE_ERROR && !future->retrieved && !evl_is_closed(loop) &&
                  !evl_future_has_end(future);
    if (evl_future_has_end(future))
        node->fn.done = future->end;
    else
        node->fn.plain = future->taken ? NULL : future->drop;
    node->arg = future->value.pointer;
    node->type = EVL_NODE_FUTURE_END;
    node->kind = EVL_KIND_FUTURE;
    node->sink = EVL_SINK_CALL;
    if (evl_takes_more(loop) ? failed && !evl_has_error_hook(loop) : node->fn.plain != NULL)
        run_end(loop, node); /* which stores the error: there is no hook to call */
    else if (node->fn.plain || failed) {
        evl_ready(loop, node);
        evl_touch(loop);
    } else
        release_slot(loop, node);
}

const evl_node_type evl_future_end_node = {.run = run_end, .forget = forget_end};

/* It releases its references to those it watched, which may be the last ones. */
static void free_one(evl_future *future) {
    evl_future_release_combinator(future);
    if (future->source && future->state == EVL_FUTURE_ERROR && !future->retrieved) {
        future->source->retrieved = false; /* its pointer says more */
        future->retrieved = true;
    }
    evl_future_unref(future->source);
    leave_end(future);
}

static void free_chain(evl_futures *all, evl_future *future) {
    evl_list_append(&all->to_free, &future->turn);
    if (all->freeing)
        return;
    all->freeing = true;
    while (!evl_list_empty(&all->to_free))
        free_one(EVL_OWNER(evl_list_shift(&all->to_free), evl_future, turn));
    all->freeing = false;
}

/* --- released by another thread --------------------------------------------------------------- */

/* The thread that takes the list has it alone. Each has one reference left, which is the list's. */
uint32_t evl_futures_take_left(evl_loop *loop, void *state) {
    evl_future *future = atomic_exchange(&((evl_futures *)state)->left, NULL);
    uint32_t count = 0;
    (void)loop;
    for (; future; count++) {
        evl_future *next = future->next_left;
        evl_future_unref(future);
        future = next;
    }
    return count;
}

/* Without memory: the future is the list's element. The loop may be shut meanwhile, and then nothing looks
 * there any more but us. */
static void leave_on_list(evl_loop *loop, evl_future *future) {
    evl_futures *all = evl_futures_of(loop);
    atomic_fetch_add(&loop->posted, 1);
    future->next_left = atomic_load(&all->left);
    while (!atomic_compare_exchange_weak(&all->left, &future->next_left, future))
        ;
    if (evl_is_shut(loop))
        (void)evl_futures_take_left(loop, all);
    else
        evl_notify(loop);
}

static bool take_unref(evl_loop *loop, const evl_post_item *item) {
    (void)loop;
    evl_future_unref(item->arg);
    return true;
}

/* The last reference is handed to the loop's thread, and not released here: the future never stands there
 * without one, where the end of the loop would find it. */
static EVL_COLD void unref_elsewhere(evl_loop *loop, evl_future *future) {
    int refs = atomic_load(&future->refs);
    while (refs > 1)
        if (atomic_compare_exchange_weak(&future->refs, &refs, refs - 1))
            return;
    (void)evl_loop_ref(loop); /* which the future has held until now */
    if (evl_post_internal(loop, (evl_post_item){.act = take_unref, .arg = future}) != 0)
        leave_on_list(loop, future);
    evl_loop_unref(loop);
}

void evl_future_unref(evl_future *future) {
    if (!future)
        return;
    evl_loop *loop = future->loop;
    if (EVL_UNLIKELY(!evl_is_home(loop)) && !evl_is_shut(loop)) {
        unref_elsewhere(loop, future);
        return;
    }
    if (atomic_fetch_sub_explicit(&future->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (future->combinator && !evl_is_shut(loop))
        free_chain(evl_futures_of(loop), future);
    else
        free_one(future);
}
