/* future.c - a result that is not there yet. */
#include "future.h"

static evl_future *of_op(const evl_operation *op) { return EVL_OWNER(op, evl_future, op); }

/* --- life ------------------------------------------------------------------------------------- */

#define ID_SLOT_BITS 28

uint64_t evl_future_id(const evl_future *future) {
    return future ? (uint64_t)future->gen << 32 | (uint64_t)EVL_KIND_FUTURE << ID_SLOT_BITS |
                        future->op.node.slot
                  : 0;
}

/* The loop's memory stays while there is a future: finalizers of other languages come late. */
int evl_future_make(evl_loop *loop, const evl_combinator *kind, evl_future **out) {
    evl_combinator *maker = NULL;
    if (kind) {
        maker = evl_mem_zalloc(&loop->mem, kind->size);
        if (!maker)
            return EVL_ENOMEM;
        *maker = *kind;
    }
    evl_node *node = evl_slab_take(&loop->futures, &loop->mem);
    if (!node) {
        evl_mem_free(&loop->mem, maker, kind ? kind->size : 0);
        return EVL_ENOMEM;
    }
    if (loop->futures.live == 1)
        (void)evl_loop_ref(loop);
    evl_future *future = EVL_OWNER(node, evl_future, op.node);
    (void)evl_op_init((evl_op *)(void *)&future->op, NULL, NULL, 0);
    future->op.flags = EVL_OP_IN_FUTURE;
    future->loop = loop;
    evl_list_init(&future->line);
    evl_list_init(&future->dones);
    evl_list_init(&future->watches);
    future->settled.next = NULL;
    future->above = NULL;
    future->maker = maker;
    future->source = NULL;
    future->drop = NULL;
    future->value.number = 0;
    atomic_store_explicit(&future->refs, 1, memory_order_relaxed);
    future->error = 0;
    future->gen++;
    future->state = EVL_FUTURE_PENDING;
    future->is_pointer = future->looked_at = future->taken = false;
    future->name[0] = '\0';
    *out = future;
    return 0;
}

int32_t evl_future_new(evl_loop *loop, evl_future **out) {
    int rc = evl_enter(loop);
    if (rc == 0)
        rc = out ? evl_future_make(loop, NULL, out) : EVL_EINVAL;
    return rc;
}

evl_future *evl_future_ref(evl_future *future) {
    if (future)
        atomic_fetch_add_explicit(&future->refs, 1, memory_order_relaxed);
    return future;
}

static void release_maker(evl_future *future) {
    evl_combinator *maker = future->maker;
    if (!maker)
        return;
    future->maker = NULL;
    if (maker->release)
        maker->release(maker);
    evl_mem_free(&future->loop->mem, maker, maker->size);
}

/* On a closed loop no thread owns the slab. */
void evl_future_give(evl_loop *loop, evl_node *node) {
    bool closed = evl_is_closed(loop) && !evl_is_forked(loop);
    if (closed)
        (void)pthread_mutex_lock(&loop->lock);
    evl_slab_give(&loop->futures, node);
    bool last = loop->futures.live == 0;
    if (closed)
        (void)pthread_mutex_unlock(&loop->lock);
    if (last)
        evl_loop_unref(loop);
}

/* The drop of a value is user code: it runs later, carried by the node of the future's own operation. Where
 * the loop is gone it runs here. */
static void bury(evl_future *future) {
    evl_loop *loop = future->loop;
    evl_fn *drop = future->taken ? NULL : future->drop;
    void *value = future->value.pointer;
    release_maker(future);
    evl_future_unref(future->source);
    if (future->state == EVL_FUTURE_ERROR && !future->looked_at && !evl_is_closed(loop)) {
        evl_copy_name(loop->metrics.error_name, future->name);
        evl_unhandled(loop, future->error);
    }
    if (!drop || evl_is_closed(loop)) {
        evl_future_give(loop, &future->op.node);
        if (drop)
            drop(value);
        return;
    }
    evl_node *node = &future->op.node;
    node->fn.plain = drop;
    node->arg = value;
    node->u.drop = NULL;
    node->kind = EVL_KIND_FUTURE;
    node->sink = EVL_SINK_CALL;
    node->call = EVL_CALL_ONCE;
    evl_ready(loop, node);
    evl_touch(loop);
}

/* It lets go of those it looked at, which may be the end of them too: one after another, since a chain of
 * futures may be long. */
static void bury_chain(evl_loop *loop, evl_future *future) {
    evl_list_append(&loop->dying, &future->settled);
    if (loop->burying)
        return;
    loop->burying = true;
    while (!evl_list_empty(&loop->dying)) {
        evl_future *first = EVL_OWNER(loop->dying.next, evl_future, settled);
        evl_list_remove(&first->settled);
        bury(first);
    }
    loop->burying = false;
}

static void take_unref(evl_loop *loop, const evl_post_item *item) {
    (void)loop;
    evl_future_unref(item->arg);
}

void evl_future_unref(evl_future *future) {
    if (!future || atomic_fetch_sub_explicit(&future->refs, 1, memory_order_acq_rel) != 1)
        return;
    evl_loop *loop = future->loop;
    if (EVL_UNLIKELY(!evl_is_closed(loop) && !evl_is_home(loop))) {
        /* Back to the loop's thread; what cannot be posted stays until the loop is destroyed. */
        atomic_store(&future->refs, 1);
        (void)evl_post_internal(loop, (evl_post_item){.act = take_unref, .arg = future});
        return;
    }
    if (future->maker && !evl_is_closed(loop))
        bury_chain(loop, future);
    else
        bury(future);
}

/* --- completing ------------------------------------------------------------------------------- */

/* Queues whoever waits: operations complete, callbacks become due. */
static void wake_line(evl_future *future) {
    while (!evl_list_empty(&future->line)) {
        evl_node *node = evl_node_of(future->line.next);
        evl_list_remove(&node->link);
        if (node->call == EVL_CALL_OP) {
            evl_op_complete(EVL_OWNER(node, evl_operation, node), future->state);
            continue;
        }
        node->u.result = future->state;
        evl_ready(future->loop, node);
    }
}

/* Tells those inside. A list instead of calls within calls: a chain of futures may be long. */
static void settle(evl_future *future) {
    evl_loop *loop = future->loop;
    bool outermost = evl_list_empty(&loop->settled);
    evl_list_append(&loop->settled, &evl_future_ref(future)->settled);
    while (outermost && !evl_list_empty(&loop->settled)) {
        evl_future *first = EVL_OWNER(loop->settled.next, evl_future, settled);
        while (!evl_list_empty(&first->watches)) {
            evl_watch *watch = EVL_OWNER(first->watches.next, evl_watch, link);
            evl_list_remove(&watch->link);
            watch->done(watch, first);
        }
        evl_list_remove(&first->settled);
        evl_future_unref(first);
    }
}

void evl_future_finish(evl_future *future, int state, int64_t value) {
    (void)evl_future_ref(future); /* closing its operation may give up the last one */
    future->state = (uint8_t)state;
    if (state == EVL_FUTURE_VALUE && !future->is_pointer)
        future->value.number = value;
    else if (state != EVL_FUTURE_VALUE)
        future->error = state == EVL_FUTURE_ERROR ? (int32_t)value : EVL_ECANCELED;
    if (future->op.state != EVL_OP_IDLE)
        evl_op_forget(&future->op);
    wake_line(future);
    release_maker(future);
    if (!evl_list_empty(&future->watches))
        settle(future);
    evl_touch(future->loop);
    evl_future_unref(future);
}

/* Of the pointer. */
static evl_future *owner_of(evl_future *future) { return future->source ? future->source : future; }

void evl_future_copy(evl_future *future, evl_future *from) {
    from->looked_at = true;
    if (from->state == EVL_FUTURE_VALUE && from->is_pointer) {
        future->is_pointer = true;
        future->value.pointer = from->value.pointer;
        future->source = evl_future_ref(owner_of(from)); /* the pointer is borrowed from it */
    }
    evl_future_finish(future, from->state,
                      from->state == EVL_FUTURE_ERROR ? from->error : from->value.number);
}

static int check_pending(const evl_future *future) {
    int rc = future ? evl_enter(future->loop) : EVL_EINVAL;
    return rc == 0 && evl_future_is_done(future) ? EVL_EALREADY : rc;
}

int32_t evl_future_resolve(evl_future *future, int64_t value) {
    int rc = check_pending(future);
    if (rc == 0)
        evl_future_finish(future, EVL_FUTURE_VALUE, value);
    return rc;
}

int32_t evl_future_resolve_owned(evl_future *future, void *value, evl_fn *drop) {
    int rc = check_pending(future);
    if (rc != 0)
        return rc;
    future->is_pointer = true;
    future->value.pointer = value;
    future->drop = drop;
    evl_future_finish(future, EVL_FUTURE_VALUE, 0);
    return 0;
}

int32_t evl_future_fail(evl_future *future, int32_t error) {
    int rc = check_pending(future);
    if (rc == 0 && error >= 0)
        rc = EVL_EINVAL;
    if (rc == 0)
        evl_future_finish(future, EVL_FUTURE_ERROR, error);
    return rc;
}

/* Cancels one future, or answers the next one that has to be cancelled for it. */
static evl_future *cancel_step(evl_future *future) {
    evl_future *inner = NULL;
    if (evl_future_is_done(future))
        return NULL;
    bool later = future->maker && future->maker->cancel && future->maker->cancel(future, &inner);
    if (!later)
        evl_future_finish(future, EVL_FUTURE_CANCELLED, 0);
    return inner;
}

/* Depth first, as calls within calls would do it, but futures may be nested deeper than a stack has room. One
 * that is being cancelled already, further up or by who called us, is left to them. */
static void cancel_inside(evl_future *future) {
    evl_future *top = evl_future_ref(future);
    for (top->above = top; top;) {
        evl_future *inner = cancel_step(top);
        if (inner && !inner->above) {
            inner->above = top;
            top = evl_future_ref(inner);
        } else if (!inner) {
            evl_future *above = top->above == top ? NULL : top->above;
            top->above = NULL;
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
    if (!future->above)
        cancel_inside(future);
    return 1;
}

/* --- from other threads ----------------------------------------------------------------------- */

static void take_result(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    (void)loop;
    if (item->number == EVL_ECANCELED)
        (void)evl_future_cancel(future);
    else if (item->number < 0)
        (void)evl_future_fail(future, (int32_t)item->number);
    else
        (void)evl_future_resolve(future, item->number);
    evl_future_unref(future);
}

static void take_value(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    (void)loop;
    (void)evl_future_resolve(future, item->number);
    evl_future_unref(future);
}

static void take_pointer(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    if (evl_future_resolve_owned(future, item->pointer, item->drop) != 0)
        evl_drop_later(loop, item->drop, item->pointer);
    evl_future_unref(future);
}

static int32_t post(evl_future *future, evl_post_item item) {
    item.arg = evl_future_ref(future);
    int rc = evl_post_internal(future->loop, item);
    if (rc != 0)
        atomic_fetch_sub(&future->refs, 1); /* never the last one: the caller has one */
    return rc;
}

int32_t evl_future_post(evl_future *future, int64_t result) {
    return future ? post(future, (evl_post_item){.act = take_result, .number = result}) : EVL_EINVAL;
}

int32_t evl_future_post_value(evl_future *future, int64_t value) {
    return future ? post(future, (evl_post_item){.act = take_value, .number = value}) : EVL_EINVAL;
}

int32_t evl_future_post_owned(evl_future *future, void *value, evl_fn *drop) {
    return future ? post(future, (evl_post_item){.act = take_pointer, .pointer = value, .drop = drop})
                  : EVL_EINVAL;
}

/* --- looking at it ---------------------------------------------------------------------------- */

int32_t evl_future_state(const evl_future *future) { return future ? future->state : EVL_EINVAL; }

evl_loop *evl_future_loop(const evl_future *future) { return future ? future->loop : NULL; }

int32_t evl_future_value(evl_future *future, int64_t *value) {
    if (!future)
        return EVL_EINVAL;
    if (future->state == EVL_FUTURE_PENDING)
        return EVL_EAGAIN;
    future->looked_at = true;
    if (future->state != EVL_FUTURE_VALUE)
        return future->error;
    if (value)
        *value = future->is_pointer ? (int64_t)(intptr_t)future->value.pointer : future->value.number;
    return 0;
}

int32_t evl_future_pointer(evl_future *future, void **value) {
    int rc = evl_future_value(future, NULL);
    if (rc == 0 && (!value || !future->is_pointer))
        rc = EVL_EINVAL;
    if (rc == 0 && owner_of(future)->taken)
        rc = EVL_EALREADY;
    if (rc == 0)
        *value = future->value.pointer;
    return rc;
}

int32_t evl_future_take(evl_future *future, void **value) {
    int rc = evl_future_pointer(future, value);
    if (rc == 0)
        owner_of(future)->taken = true;
    return rc;
}

int32_t evl_future_set_name(evl_future *future, const char *name) {
    if (!future)
        return EVL_EINVAL;
    evl_copy_name(future->name, name);
    return 0;
}

/* --- done callbacks --------------------------------------------------------------------------- */

int32_t evl_future_on_done(evl_future *future, evl_done_fn *fn, void *arg) {
    int rc = future ? evl_enter(future->loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    evl_loop *loop = future->loop;
    evl_node *node = evl_slab_take(&loop->dones, &loop->mem);
    if (!node)
        return EVL_ENOMEM;
    evl_done *done = EVL_OWNER(node, evl_done, node);
    evl_node_set(node, EVL_KIND_FUTURE, fn, arg);
    node->call = EVL_CALL_FUTURE;
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

/* Off all lists, node given back; the future's reference is the caller's to give up. */
static evl_future *detach_done(evl_loop *loop, evl_done *done) {
    evl_future *future = done->future;
    evl_list_unlink(&done->node.link);
    evl_list_remove(&done->peers);
    evl_slab_give(&loop->dones, &done->node);
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
        evl_future_unref(detach_done(future->loop, done));
        count++;
    }
    evl_future_unref(future);
    return count;
}

void evl_done_run(evl_loop *loop, evl_node *node) {
    evl_done_fn *fn = node->fn.done;
    void *arg = node->arg;
    int64_t state = node->u.result;
    evl_future *future = detach_done(loop, EVL_OWNER(node, evl_done, node));
    fn(arg, state);
    evl_future_unref(future);
}

void evl_done_forget(evl_loop *loop, evl_node *node) {
    evl_future_unref(detach_done(loop, EVL_OWNER(node, evl_done, node)));
}

/* --- waiting ---------------------------------------------------------------------------------- */

static const evl_op_type waiting = {.name = "future"};

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
    evl_list_append(&future->line, &evl_op_park(future->loop, op, &waiting, future)->node.link);
    return 0;
}

/* --- the operation inside --------------------------------------------------------------------- */

evl_op *evl_future_op(evl_future *future) {
    if (check_pending(future) != 0)
        return NULL;
    return (evl_op *)(void *)&future->op;
}

/* An operation has been started in the future: the loop keeps it until the operation is done. */
void evl_future_op_started(evl_operation *op) { (void)evl_future_ref(of_op(op)); }

void evl_future_op_forgotten(evl_operation *op) { evl_future_unref(of_op(op)); }

void evl_future_op_done(evl_operation *op, int64_t result) {
    evl_future *future = of_op(op);
    if (!evl_future_is_done(future)) {
        if (future->maker && future->maker->expired)
            future->maker->expired(future);
        else if (result >= 0)
            evl_future_finish(future, EVL_FUTURE_VALUE, result);
        else
            evl_future_finish(future, result == EVL_ECANCELED ? EVL_FUTURE_CANCELLED : EVL_FUTURE_ERROR,
                              result);
    }
    evl_future_unref(future);
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

/* --- running until ---------------------------------------------------------------------------- */

static void reached(void *arg, int64_t state) {
    (void)state;
    ((evl_loop *)arg)->reached = true;
}

/* Ends by a done callback, so that those that were added before have run. */
static int32_t run_until(evl_loop *loop) {
    while (!loop->reached) {
        if (!evl_is_alive(loop))
            return EVL_EDEADLK;
        int32_t rc = evl_run_passes(loop, EVL_RUN_ONCE);
        if (loop->was_stopped) /* and rc is what the stop was given */
            return loop->reached ? 0 : EVL_ECANCELED;
        if (rc < 0 || (rc == EVL_RUN_RECORDS && !loop->reached))
            return rc;
    }
    return 0;
}

int32_t evl_loop_run_until(evl_loop *loop, evl_future *future, int64_t *value) {
    if (!loop || !future || future->loop != loop)
        return EVL_EINVAL;
    int rc = evl_own(loop);
    if (rc != 0)
        return rc;
    loop->reached = false; /* not on the stack, which a child of a fork by another thread has not got */
    (void)evl_future_ref(future);
    rc = evl_future_on_done(future, reached, loop);
    if (rc == 0)
        rc = run_until(loop);
    (void)evl_future_off_done(future, reached, loop);
    if (rc != EVL_ECLOSED && evl_future_is_done(future))
        rc = evl_future_value(future, value);
    evl_future_unref(future);
    evl_disown(loop);
    return rc;
}

/* --- the loop goes down ----------------------------------------------------------------------- */

/* Nobody is called any more, and what is pending is cancelled, so that nothing holds on to anything. */
void evl_futures_cancel_all(evl_loop *loop) {
    for (uint32_t slot = 0; slot < evl_slab_slots(&loop->futures); slot++) {
        evl_future *future = evl_slab_at(&loop->futures, slot);
        if (future->op.node.kind != EVL_KIND_OP)
            continue;
        (void)evl_future_ref(future);
        while (!evl_list_empty(&future->dones))
            evl_future_unref(detach_done(loop, EVL_OWNER(future->dones.next, evl_done, peers)));
        if (!evl_future_is_done(future))
            evl_future_finish(future, EVL_FUTURE_CANCELLED, 0);
        evl_future_unref(future);
    }
}
