/* future_finish.c - how a future is completed or cancelled, and what is notified of it. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "future.h"

/* Those that wait, in the order in which they came: operations complete, callbacks are queued. Then those
 * that watch from inside. */
static inline void notify_one(evl_future *future) {
    while (!evl_list_empty(&future->line)) {
        evl_node *node = evl_node_of(evl_list_shift(&future->line));
        node->u.result = future->state;
        if (node->type == EVL_NODE_FUTURE)
            evl_ready(future->loop, node);
        else {
            evl_op_complete(EVL_OWNER(node, evl_operation, node), future->state);
            evl_future_unref(future); /* the operation's */
        }
    }
    while (!evl_list_empty(&future->watches)) {
        evl_watch *watch = EVL_OWNER(evl_list_shift(&future->watches), evl_watch, link);
        watch->done(watch, future);
    }
}

static void notify(evl_future *future) {
    evl_futures *all = evl_futures_of(future->loop);
    if (all->notifying) {
        evl_list_append(&all->to_notify, &evl_future_ref(future)->turn);
        return;
    }
    all->notifying = true;
    notify_one(future);
    while (!evl_list_empty(&all->to_notify)) {
        evl_future *first = EVL_OWNER(evl_list_shift(&all->to_notify), evl_future, turn);
        notify_one(first);
        evl_future_unref(first);
    }
    all->notifying = false;
}

void evl_future_finish(evl_future *future, int state, int64_t value) {
    (void)evl_future_ref(future); /* closing its operation may release the last one */
    future->state = (uint8_t)state;
    if (state == EVL_FUTURE_VALUE && !future->is_pointer)
        future->value.number = value;
    else if (state != EVL_FUTURE_VALUE)
        future->error = state == EVL_FUTURE_ERROR ? (int32_t)value : EVL_ECANCELED;
    if (future->op.state != EVL_OP_IDLE)
        evl_op_forget(&future->op);
    evl_future_release_combinator(future);
    if (!evl_list_empty(&future->line) || !evl_list_empty(&future->watches))
        notify(future);
    evl_touch(future->loop);
    evl_future_unref(future);
}

void evl_future_copy(evl_future *future, evl_future *from) {
    from->retrieved = true;
    if (from->is_pointer) {
        future->is_pointer = true;
        future->value.pointer = from->value.pointer;
        future->source = evl_future_ref(evl_future_owner_of(from)); /* the pointer is borrowed from it */
    }
    evl_future_finish(future, from->state,
                      from->state == EVL_FUTURE_ERROR ? from->error : from->value.number);
}

/* --- cancelling ------------------------------------------------------------------------------- */

/* Cancels one future, or returns the next one that has to be cancelled for it. */
static evl_future *cancel_step(evl_future *future) {
    evl_future *inner = NULL;
    if (evl_future_is_done(future))
        return NULL;
    bool later =
        future->combinator && future->combinator->cancel && future->combinator->cancel(future, &inner);
    if (!later)
        evl_future_finish(future, EVL_FUTURE_CANCELLED, 0);
    return inner;
}

/* Depth first, as calls within calls would do it, but futures may be nested deeper than a stack has room. One
 * that is being cancelled already, further up or by a caller, is left to that. */
static void cancel_inside(evl_future *future) {
    evl_future *top = evl_future_ref(future);
    for (top->cancelled_for = top; top;) {
        evl_future *inner = cancel_step(top);
        if (inner && !inner->cancelled_for) {
            inner->cancelled_for = top;
            top = evl_future_ref(inner);
        } else if (!inner) {
            evl_future *above = top->cancelled_for == top ? NULL : top->cancelled_for;
            top->cancelled_for = NULL;
            evl_future_unref(top);
            top = above;
        }
    }
}

int32_t evl_future_cancel(evl_future *future) {
    int rc = future ? evl_enter_child(future->loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    if (evl_future_is_done(future))
        return 0;
    if (!future->cancelled_for)
        cancel_inside(future);
    return 1;
}
