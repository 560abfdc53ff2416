/* future_watch.c - what waits for a future: done callbacks, operations that wait, and watches from inside. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "../loop/node_type.h"
#include "future.h"

/* --- done callbacks --------------------------------------------------------------------------- */

int32_t evl_future_on_done(evl_future *future, evl_done_fn *fn, void *arg) {
    int rc = future ? evl_enter(future->loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    evl_loop *loop = future->loop;
    evl_node *node = evl_slab_alloc(&evl_futures_of(loop)->dones, &loop->mem);
    if (!node)
        return EVL_ENOMEM;
    evl_done *done = EVL_OWNER(node, evl_done, node);
    evl_node_set(node, EVL_KIND_FUTURE, fn, arg);
    node->type = EVL_NODE_FUTURE;
    done->future = evl_future_ref(future);
    evl_list_append(&future->dones, &done->peers);
    if (!evl_future_is_done(future)) {
        evl_list_append(&future->line, &node->link);
        return 0;
    }
    node->u.result = future->state;
    evl_ready(loop, node);
    evl_touch(loop);
    return 0;
}

evl_future *evl_done_detach(evl_loop *loop, evl_done *done) {
    evl_future *future = done->future;
    evl_list_unlink(&done->node.link);
    evl_list_remove(&done->peers);
    evl_slab_release(&evl_futures_of(loop)->dones, &done->node);
    return future;
}

int32_t evl_future_off_done(evl_future *future, evl_done_fn *fn, void *arg) {
    int rc = future ? evl_enter_child(future->loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    int32_t count = 0;
    (void)evl_future_ref(future);
    for (evl_link *link = future->dones.next, *next; link != &future->dones; link = next) {
        evl_done *done = EVL_OWNER(link, evl_done, peers);
        next = link->next;
        if (done->node.fn.done != fn || done->node.arg != arg)
            continue;
        evl_future_unref(evl_done_detach(future->loop, done));
        count++;
    }
    evl_future_unref(future);
    return count;
}

/* The reference goes last: it may be the future's last, and its loop's. */
static void run_done(evl_loop *loop, evl_node *node) {
    evl_done_fn *fn = node->fn.done;
    void *arg = node->arg;
    int64_t state = node->u.result;
    evl_future *future = evl_done_detach(loop, EVL_OWNER(node, evl_done, node));
    fn(arg, state);
    evl_future_unref(future);
}

static bool record_done(evl_loop *loop, evl_node *node, evl_record *out) {
    out->id = evl_future_id(EVL_OWNER(node, evl_done, node)->future);
    out->extra = out->result = (int32_t)node->u.result;
    evl_future_unref(evl_done_detach(loop, EVL_OWNER(node, evl_done, node)));
    return true;
}

static void forget_done(evl_loop *loop, evl_node *node, evl_link *drops) {
    (void)drops;
    evl_future_unref(evl_done_detach(loop, EVL_OWNER(node, evl_done, node)));
}

const evl_node_type evl_done_node = {run_done, record_done, forget_done};

/* --- waiting ---------------------------------------------------------------------------------- */

/* Pending, it holds a reference to the future, which the end of the future gives up too: see notify_one. */
static void leave(evl_operation *op) {
    evl_list_unlink(&op->node.link);
    evl_future_unref(op->owner);
}

static const evl_op_type waiting = {.name = "future", .leave = leave};

int32_t evl_future_wait(evl_future *future, evl_op *op) {
    if (!future)
        return EVL_EINVAL;
    int rc = evl_op_check_start(future->loop, op);
    if (rc == 0 && evl_operation_of(op) == &future->op)
        rc = EVL_EDEADLK;
    if (rc != 0)
        return rc;
    if (evl_future_is_done(future))
        return evl_op_start_done(future->loop, op, &waiting, future, future->state);
    evl_operation *self = evl_op_park(future->loop, op, &waiting, evl_future_ref(future));
    evl_list_append(&future->line, &self->node.link);
    return 0;
}

/* --- watching from inside --------------------------------------------------------------------- */

void evl_watch_start(evl_watch *watch, evl_future *subject, void (*done)(evl_watch *, evl_future *)) {
    watch->subject = evl_future_ref(subject);
    watch->done = done;
    if (evl_future_is_done(subject)) {
        watch->link.next = NULL;
        done(watch, subject);
        return;
    }
    evl_list_append(&subject->watches, &watch->link);
}

void evl_watch_stop(evl_watch *watch) {
    evl_future *subject = watch->subject;
    if (!subject)
        return;
    evl_list_unlink(&watch->link);
    watch->subject = NULL;
    evl_future_unref(subject);
}
