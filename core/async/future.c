/* future.c - a result that is not there yet. */
#include "future.h"
#include "../loop/access.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/part.h"

/* --- making ----------------------------------------------------------------------------------- */

uint64_t evl_future_id(const evl_future *future) {
    return future ? (uint64_t)future->gen << 32 | (uint64_t)EVL_KIND_FUTURE << EVL_ID_SLOT_BITS |
                        future->op.node.slot
                  : 0;
}

static const evl_part futures_part;

/* The loop's memory stays while there is a future: finalizers of other languages come late. */
int evl_future_make(evl_loop *loop, const evl_combinator *kind, evl_future **out) {
    evl_combinator *combinator = NULL;
    if (kind) {
        combinator = evl_mem_zalloc(&loop->mem, kind->size);
        if (!combinator)
            return EVL_ENOMEM;
        *combinator = *kind;
    }
    evl_futures *all = evl_part_need(loop, &futures_part);
    evl_node *node = all ? evl_slab_alloc(&all->slab, &loop->mem) : NULL;
    if (!node) {
        evl_mem_free(&loop->mem, combinator, kind ? kind->size : 0);
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
    future->combinator = combinator;
    future->source = NULL;
    future->drop = NULL;
    future->value.number = 0;
    atomic_store_explicit(&future->refs, 1, memory_order_relaxed);
    future->error = 0;
    future->gen++;
    future->state = EVL_FUTURE_PENDING;
    future->is_pointer = future->retrieved = future->taken = false;
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

/* --- completing ------------------------------------------------------------------------------- */

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

int32_t evl_future_fail_owned(evl_future *future, int32_t error, void *what, evl_done_fn *end) {
    int rc = check_pending(future);
    if (rc == 0 && error >= 0)
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    future->is_pointer = true;
    future->value.pointer = what;
    future->end = end;
    evl_future_finish(future, EVL_FUTURE_ERROR, error);
    return 0;
}

/* --- looking at it ---------------------------------------------------------------------------- */

int32_t evl_future_state(const evl_future *future) { return future ? future->state : EVL_EINVAL; }

evl_loop *evl_future_loop(const evl_future *future) { return future ? future->loop : NULL; }

int32_t evl_future_value(evl_future *future, int64_t *value) {
    if (!future)
        return EVL_EINVAL;
    if (future->state == EVL_FUTURE_PENDING)
        return EVL_EAGAIN;
    future->retrieved = true;
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
    if (rc == 0 && evl_future_owner_of(future)->taken)
        rc = EVL_EALREADY;
    if (rc == 0)
        *value = future->value.pointer;
    return rc;
}

int32_t evl_future_take(evl_future *future, void **value) {
    int rc = evl_future_pointer(future, value);
    if (rc == 0)
        evl_future_owner_of(future)->taken = true;
    return rc;
}

int32_t evl_future_error(evl_future *future, evl_done_fn *end, void **what) {
    int rc = !future || !what ? EVL_EINVAL : evl_future_is_done(future) ? 0 : EVL_EAGAIN;
    if (rc != 0)
        return rc;
    evl_future *owner = evl_future_owner_of(future);
    if (!owner->is_pointer || owner->state != EVL_FUTURE_ERROR || owner->end != end)
        return EVL_EINVAL;
    future->retrieved = true;
    *what = owner->value.pointer;
    return 0;
}

int32_t evl_future_set_name(evl_future *future, const char *name) {
    if (!future)
        return EVL_EINVAL;
    evl_copy_name(future->name, name);
    return 0;
}

/* --- the operation inside --------------------------------------------------------------------- */

static evl_future *of_op(const evl_operation *op) { return EVL_OWNER(op, evl_future, op); }

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
        if (future->combinator && future->combinator->expired)
            future->combinator->expired(future);
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

/* --- what a loop has of them ------------------------------------------------------------------ */

static bool open(evl_loop *loop, void *state) {
    static const evl_op_target target = {.node = {.run = run_op, .forget = evl_op_node_forget},
                                         .started = op_started,
                                         .finished = op_finished,
                                         .forgotten = op_forgotten,
                                         .counts = true};
    evl_futures *all = state;
    all->slab.size = sizeof(evl_future);
    all->dones.size = sizeof(evl_done);
    evl_list_init(&all->to_notify);
    evl_list_init(&all->to_free);
    evl_node_know(loop, EVL_NODE_FUTURE, &evl_done_node);
    evl_node_know(loop, EVL_NODE_FUTURE_END, &evl_future_end_node);
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
            evl_future_unref(evl_done_detach(loop, EVL_OWNER(future->dones.next, evl_done, peers)));
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
                                      .collect = evl_futures_take_left};
