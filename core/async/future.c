/* future.c - a result that is not there yet. */
#include "future.h"
#include "../loop/access.h"
#include "../loop/deferred.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "../loop/node_type.h"
#include "../loop/part.h"
#include "../loop/pass.h"
#include "../loop/post.h"
#include "../loop/report.h"

static evl_future *of_op(const evl_operation *op) { return EVL_OWNER(op, evl_future, op); }

/* --- life ------------------------------------------------------------------------------------- */

#define ID_SLOT_BITS 28

uint64_t evl_future_id(const evl_future *future) {
    return future ? (uint64_t)future->gen << 32 | (uint64_t)EVL_KIND_FUTURE << ID_SLOT_BITS |
                        future->op.node.slot
                  : 0;
}

static const evl_part futures_part;

/* The loop's memory stays while there is a future: finalizers of other languages come late. */
int evl_future_make(evl_loop *loop, const evl_combinator *kind, evl_future **out) {
    evl_combinator *maker = NULL;
    if (kind) {
        maker = evl_mem_zalloc(&loop->mem, kind->size);
        if (!maker)
            return EVL_ENOMEM;
        *maker = *kind;
    }
    evl_futures *all = evl_part_need(loop, &futures_part);
    evl_node *node = all ? evl_slab_take(&all->slab, &loop->mem) : NULL;
    if (!node) {
        evl_mem_free(&loop->mem, maker, kind ? kind->size : 0);
        return EVL_ENOMEM;
    }
    if (all->slab.live == 1)
        (void)evl_loop_ref(loop);
    evl_future *future = EVL_OWNER(node, evl_future, op.node);
    (void)evl_op_init((evl_op *)(void *)&future->op, NULL, NULL, 0);
    future->op.node.type = EVL_NODE_OP_FUTURE;
    future->loop = loop;
    evl_list_init(&future->line);
    evl_list_init(&future->dones);
    evl_list_init(&future->watches);
    future->turn.next = NULL;
    future->cancelled_for = NULL;
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

int evl_future_undo(evl_future **out, int error) {
    evl_future_unref(*out);
    *out = NULL;
    return error;
}

int32_t evl_future_new(evl_loop *loop, evl_future **out) {
    if (out)
        *out = NULL;
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
static void give_slot(evl_loop *loop, evl_node *node) {
    evl_futures *all = evl_futures_of(loop);
    bool closed = evl_is_shut(loop) && !evl_is_forked(loop);
    if (closed)
        (void)pthread_mutex_lock(&loop->lock);
    evl_slab_give(&all->slab, node);
    bool last = all->slab.live == 0;
    if (closed)
        (void)pthread_mutex_unlock(&loop->lock);
    if (last)
        evl_loop_unref(loop);
}

/* What user code has to be run for is queued, carried by the node of the future's own operation, which has
 * nothing else to do any more: the drop of a value, or an error that was not retrieved. Once the loop is
 * gone there is no later: then this is the last act of whoever gave up the last reference. */
static void run_end(evl_loop *loop, evl_node *node) {
    const evl_future *future = EVL_OWNER(node, evl_future, op.node);
    evl_fn *drop = node->fn.plain;
    void *value = node->arg;
    int32_t error = future->error;
    if (!drop)
        evl_copy_name(loop->metrics.error_name, future->name);
    give_slot(loop, node);
    if (drop)
        drop(value);
    else
        evl_unhandled(loop, error);
}

static void forget_end(evl_loop *loop, evl_node *node, evl_link *drops) {
    if (node->fn.plain)
        evl_list_append(drops, &node->link);
    else
        give_slot(loop, node);
}

static void leave_end(evl_future *future) {
    evl_loop *loop = future->loop;
    evl_node *node = &future->op.node;
    bool failed = future->state == EVL_FUTURE_ERROR && !future->looked_at && !evl_is_closed(loop);
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
        give_slot(loop, node);
}

/* It gives up its references to those it looked at, which may be the last ones. */
static void free_one(evl_future *future) {
    release_maker(future);
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

/* Whoever takes the list has it alone. Each has one reference left, which is the list's. */
static uint32_t take_left(evl_loop *loop, void *state) {
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
        (void)take_left(loop, all);
    else
        evl_notify(loop);
}

static bool take_unref(evl_loop *loop, const evl_post_item *item) {
    (void)loop;
    evl_future_unref(item->arg);
    return true;
}

/* The last reference is handed to the loop's thread, and not given up here: the future never stands there
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
    if (future->maker && !evl_is_shut(loop))
        free_chain(evl_futures_of(loop), future);
    else
        free_one(future);
}

/* --- completing ------------------------------------------------------------------------------- */

/* Those that wait, in the order in which they came: operations complete, callbacks are queued. Then those
 * that watch from inside. */
static inline void tell_one(evl_future *future) {
    while (!evl_list_empty(&future->line)) {
        evl_node *node = evl_node_of(evl_list_shift(&future->line));
        node->u.result = future->state;
        if (node->type == EVL_NODE_FUTURE)
            evl_ready(future->loop, node);
        else
            evl_op_complete(EVL_OWNER(node, evl_operation, node), future->state);
    }
    while (!evl_list_empty(&future->watches)) {
        evl_watch *watch = EVL_OWNER(evl_list_shift(&future->watches), evl_watch, link);
        watch->done(watch, future);
    }
}

static void tell(evl_future *future) {
    evl_futures *all = evl_futures_of(future->loop);
    if (all->telling) {
        evl_list_append(&all->to_tell, &evl_future_ref(future)->turn);
        return;
    }
    all->telling = true;
    tell_one(future);
    while (!evl_list_empty(&all->to_tell)) {
        evl_future *first = EVL_OWNER(evl_list_shift(&all->to_tell), evl_future, turn);
        tell_one(first);
        evl_future_unref(first);
    }
    all->telling = false;
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
    release_maker(future);
    if (!evl_list_empty(&future->line) || !evl_list_empty(&future->watches))
        tell(future);
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

/* Cancels one future, or returns the next one that has to be cancelled for it. */
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

/* --- from other threads ----------------------------------------------------------------------- */

static bool take_result(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    (void)loop;
    if (item->number == EVL_ECANCELED)
        (void)evl_future_cancel(future);
    else if (item->number < 0)
        (void)evl_future_fail(future, (int32_t)item->number);
    else
        (void)evl_future_resolve(future, item->number);
    evl_future_unref(future);
    return true;
}

static bool take_value(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    (void)loop;
    (void)evl_future_resolve(future, item->number);
    evl_future_unref(future);
    return true;
}

/* Too late for the value: it is dropped later, and at once only where the loop is gone. */
static bool refuse_pointer(evl_loop *loop, const evl_post_item *item) {
    if (!evl_is_shut(loop))
        return evl_drop_later(loop, item->drop, item->pointer);
    if (item->drop)
        item->drop(item->pointer);
    return true;
}

static bool take_pointer(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    int rc = evl_future_resolve_owned(future, item->pointer, item->drop);
    if (rc != 0 && !refuse_pointer(loop, item))
        return false;
    evl_future_unref(future);
    return true;
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
    evl_node *node = evl_slab_take(&evl_futures_of(loop)->dones, &loop->mem);
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

/* Off all lists, node given back; the future's reference is the caller's to give up. */
static evl_future *detach_done(evl_loop *loop, evl_done *done) {
    evl_future *future = done->future;
    evl_list_unlink(&done->node.link);
    evl_list_remove(&done->peers);
    evl_slab_give(&evl_futures_of(loop)->dones, &done->node);
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

/* The reference goes last: it may be the future's last, and its loop's. */
static void run_done(evl_loop *loop, evl_node *node) {
    evl_done_fn *fn = node->fn.done;
    void *arg = node->arg;
    int64_t state = node->u.result;
    evl_future *future = detach_done(loop, EVL_OWNER(node, evl_done, node));
    fn(arg, state);
    evl_future_unref(future);
}

static bool record_done(evl_loop *loop, evl_node *node, evl_record *out) {
    out->id = evl_future_id(EVL_OWNER(node, evl_done, node)->future);
    out->extra = out->result = (int32_t)node->u.result;
    evl_future_unref(detach_done(loop, EVL_OWNER(node, evl_done, node)));
    return true;
}

static void forget_done(evl_loop *loop, evl_node *node, evl_link *drops) {
    (void)drops;
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
static void op_started(evl_operation *op) { (void)evl_future_ref(of_op(op)); }

static void op_forgotten(evl_operation *op) { evl_future_unref(of_op(op)); }

static void op_finished(evl_operation *op, int64_t result) {
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

static void run_op(evl_loop *loop, evl_node *node) {
    evl_operation *op = EVL_OWNER(node, evl_operation, node);
    int64_t result;
    (void)loop;
    if (evl_op_settle(op, &result))
        op_finished(op, result);
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

/* --- what a loop has of them ------------------------------------------------------------------ */

static bool open(evl_loop *loop, void *state) {
    static const evl_node_type done = {run_done, record_done, forget_done};
    static const evl_node_type end = {.run = run_end, .forget = forget_end};
    static const evl_op_target target = {.node = {.run = run_op, .forget = evl_op_node_forget},
                                         .started = op_started,
                                         .finished = op_finished,
                                         .forgotten = op_forgotten,
                                         .counts = true};
    evl_futures *all = state;
    all->slab.size = sizeof(evl_future);
    all->dones.size = sizeof(evl_done);
    evl_list_init(&all->to_tell);
    evl_list_init(&all->to_free);
    evl_node_know(loop, EVL_NODE_FUTURE, &done);
    evl_node_know(loop, EVL_NODE_FUTURE_END, &end);
    evl_node_know(loop, EVL_NODE_OP_FUTURE, &target.node);
    return true;
}

/* No callback is called any more, and what is pending is cancelled, so that nothing holds on to anything. */
static void cancel_all(evl_loop *loop, void *state) {
    const evl_slab *slab = &((evl_futures *)state)->slab;
    for (uint32_t slot = 0; slot < evl_slab_slots(slab); slot++) {
        evl_future *future = evl_slab_at(slab, slot);
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

static void free_slabs(evl_loop *loop, void *state) {
    evl_slab_free(&((evl_futures *)state)->slab, &loop->mem);
    evl_slab_free(&((evl_futures *)state)->dones, &loop->mem);
}

static const evl_part futures_part = {.place = EVL_PART_FUTURES,
                                      .size = sizeof(evl_futures),
                                      .open = open,
                                      .stop = cancel_all,
                                      .free = free_slabs,
                                      .collect = take_left};
