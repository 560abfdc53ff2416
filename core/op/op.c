/* op.c - what all operations have in common: starting, cancelling, deadlines, closing, delivery. */
#include "op.h"
#include "../base/leaf.h"
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/node_type.h"
#include "../loop/part.h"
#include "../loop/post.h"
#include "../loop/records.h"
#include "../loop/timer.h"

int32_t evl_op_init(evl_op *op, evl_done_fn *fn, void *arg, uint32_t flags) {
    if (!op || (flags & ~(uint32_t)EVL_OP_SYNC) != 0)
        return EVL_EINVAL;
    evl_operation *self = evl_operation_of(op);
    self->node.link.next = NULL;
    evl_node_set(&self->node, EVL_KIND_OP, fn, arg);
    self->node.type = EVL_NODE_OP;
    self->node.u.result = EVL_EAGAIN;
    self->loop = NULL;
    self->timer = NULL;
    self->magic = EVL_OP_MAGIC;
    self->state = EVL_OP_IDLE;
    self->flags = (uint8_t)flags;
    return 0;
}

int32_t evl_op_active(const evl_op *op) {
    return evl_op_check(op) == 0 && evl_operation_of(op)->state != EVL_OP_IDLE;
}

int64_t evl_op_result(const evl_op *op) {
    int rc = evl_op_check(op);
    if (rc != 0)
        return rc;
    const evl_operation *self = evl_operation_of(op);
    return self->state == EVL_OP_IDLE ? self->node.u.result : EVL_EAGAIN;
}

int32_t evl_op_size(void) { return (int32_t)sizeof(evl_op); }

/* --- starting --------------------------------------------------------------------------------- */

static const evl_op_target *target_of(const evl_operation *self) {
    return (const evl_op_target *)(const void *)self->loop->node_types[self->node.type];
}

static inline void count(const evl_operation *self, int change) {
    if (!evl_op_is_plain(self) && !target_of(self)->counts)
        return;
    self->loop->alive += change;
    self->loop->ops += change;
}

void evl_op_activate_special(evl_operation *self) {
    count(self, 1);
    if (target_of(self)->started)
        target_of(self)->started(self);
}

/* The operation may be gone afterwards. */
static inline void report_forgotten(evl_operation *self) {
    if (!evl_op_is_plain(self) && target_of(self)->forgotten)
        target_of(self)->forgotten(self);
}

static inline void deactivate(evl_operation *self) {
    self->state = EVL_OP_IDLE;
    count(self, -1);
}

static EVL_COLD void release_timer(evl_operation *self) {
    evl_handle_detach(self->timer);
    evl_handle_release(self->timer);
    self->timer = NULL;
}

static inline void drop_timer(evl_operation *self) {
    if (EVL_UNLIKELY(self->timer != NULL))
        release_timer(self);
}

int evl_op_unpark(evl_operation *self, int error) {
    evl_list_remove(&self->peers);
    drop_timer(self);
    deactivate(self);
    report_forgotten(self);
    return error;
}

/* --- completing ------------------------------------------------------------------------------- */

static void make_ready_special(evl_operation *self) {
    const evl_op_target *target = target_of(self);
    int64_t result;
    if (target->at_collect || self->type->tries) {
        evl_list_append(&self->loop->at_collect, &self->node.link);
        evl_touch(self->loop);
    } else if (evl_op_settle(self, &result))
        target->finished(self, result);
}

void evl_op_make_ready(evl_operation *self, int64_t result) {
    self->state = EVL_OP_READY;
    self->node.u.result = result;
    if (evl_op_is_plain(self)) {
        evl_ready(self->loop, &self->node);
        evl_touch(self->loop);
    } else
        make_ready_special(self);
}

void evl_op_complete(evl_operation *self, int64_t result) {
    evl_list_remove(&self->peers);
    drop_timer(self);
    evl_op_make_ready(self, result);
}

int evl_op_try_now(evl_operation *op) {
    if (!(op->flags & EVL_OP_SYNC) || op->loop->sync_in_row >= EVL_SYNC_IN_ROW) {
        evl_op_try(op);
        return 0;
    }
    evl_list_remove(&op->peers);
    op->state = EVL_OP_READY;
    op->node.u.result = 0;
    int64_t result;
    if (!evl_op_settle(op, &result))
        return 0;
    op->loop->sync_in_row++;
    return 1;
}

void evl_op_fail(evl_operation *op, int64_t error) {
    if (op->state == EVL_OP_PENDING)
        evl_op_complete(op, error);
    else
        op->node.u.result = error;
}

int evl_op_start_done_later(evl_loop *loop, evl_op *op, const evl_op_type *type, void *owner,
                            int64_t result) {
    evl_op_make_ready(evl_op_activate(loop, op, type, owner, EVL_OP_READY), result);
    return 0;
}

static void leave(evl_operation *self) {
    if (self->type->leave)
        self->type->leave(self);
    else
        evl_list_unlink(&self->node.link);
}

static int set_timer(evl_operation *self);

/* The deadline has passed while it was ready, and so this attempt was the last. An operation that finds
 * something in every pass, and never enough, would have no end otherwise. */
static bool is_late(const evl_operation *self) { return self->timer && !evl_handle_is_active(self->timer); }

/* It waits somewhere again if it found nothing. */
static EVL_COLD void expire(evl_operation *self) {
    if (self->node.u.result == EVL_EAGAIN)
        self->state = EVL_OP_PENDING;
    leave(self);
    self->node.u.result = EVL_ETIMEDOUT;
}

/* Nothing was there to take, or there is more to come. The timer has stayed, so that this cannot fail. */
static void wait_again(evl_operation *self) {
    bool again = self->node.u.result == EVL_EINPROGRESS;
    self->state = EVL_OP_PENDING;
    evl_list_append(&self->loop->pending, &self->peers);
    if (self->timer)
        (void)set_timer(self);
    if (again)
        evl_op_try(self);
}

static inline bool settled(evl_operation *self) {
    drop_timer(self);
    deactivate(self);
    return true;
}

static inline bool settle_tried(evl_operation *self) {
    if (EVL_LIKELY(self->node.u.result >= 0)) {
        self->type->deliver(self);
        if (EVL_UNLIKELY(self->node.u.result == EVL_EAGAIN || self->node.u.result == EVL_EINPROGRESS)) {
            if (!is_late(self)) {
                wait_again(self);
                return false;
            }
            expire(self);
        }
    }
    return settled(self);
}

/* Takes, becomes inactive, and node.u.result is how it ended. False: there was nothing to take. */
static inline bool settle(evl_operation *self) {
    if (self->type->tries)
        return settle_tried(self);
    if (self->type->deliver && self->node.u.result >= 0)
        self->type->deliver(self);
    return settled(self);
}

bool evl_op_settle(evl_operation *self, int64_t *result) {
    bool over = settle(self);
    *result = self->node.u.result;
    return over;
}

/* --- targets ---------------------------------------------------------------------------------- */

/* The caller. What is delivered is released before the callback, which may start, close or free the
 * operation.
 */
static void run(evl_loop *loop, evl_node *node) {
    loop->sync_in_row = 0;
    if (EVL_LIKELY(settle(EVL_OWNER(node, evl_operation, node))))
        node->fn.done(node->arg, node->u.result);
}

static bool record(evl_loop *loop, evl_node *node, evl_record *out) {
    (void)loop;
    if (!settle(EVL_OWNER(node, evl_operation, node)))
        return false;
    out->result = evl_clamp_result(node->u.result);
    out->extra = node->u.result;
    return true;
}

void evl_op_node_forget(evl_loop *loop, evl_node *node, evl_link *drops) {
    (void)loop;
    (void)drops;
    evl_op_forget(EVL_OWNER(node, evl_operation, node));
}

/* A declined one: false when its end is queued again, behind what it hands back. That may be user code's to
 * take, which may free the operation or destroy the loop, and comes last. */
static bool hand_back(evl_operation *self) {
    const evl_op_type *type = self->type;
    self->node.type = EVL_NODE_OP;
    if (self->node.u.result < 0)
        return true;
    self->node.u.result = EVL_ECANCELED;
    if (type->tries)
        leave(self);
    if (!type->refuse)
        return true;
    evl_ready(self->loop, &self->node);
    evl_touch(self->loop);
    type->refuse(self);
    return false;
}

static void run_declined(evl_loop *loop, evl_node *node) {
    if (hand_back(EVL_OWNER(node, evl_operation, node)))
        run(loop, node);
}

static bool record_declined(evl_loop *loop, evl_node *node, evl_record *out) {
    return hand_back(EVL_OWNER(node, evl_operation, node)) && record(loop, node, out);
}

/* What the operation is a part of, whose function may free it. */
static void run_internal(evl_loop *loop, evl_node *node) {
    evl_done_fn *fn = node->fn.done;
    void *arg = node->arg;
    int64_t result;
    (void)loop;
    if (evl_op_settle(EVL_OWNER(node, evl_operation, node), &result))
        fn(arg, result);
}

/* --- ending it early -------------------------------------------------------------------------- */

static const evl_op_type deferred;

/* What can be done to an active operation, in a forked child too. */
static int enter_active(evl_op *op, evl_operation **out) {
    int rc = evl_op_check(op);
    if (rc != 0)
        return rc;
    *out = evl_operation_of(op);
    return (*out)->state == EVL_OP_IDLE ? EVL_EALREADY : evl_enter_child((*out)->loop);
}

int32_t evl_op_cancel(evl_op *op) {
    evl_operation *self = NULL;
    int rc = enter_active(op, &self);
    if (rc != 0)
        return rc;
    if (self->state == EVL_OP_PENDING) {
        leave(self);
        evl_op_complete(self, EVL_ECANCELED);
        return 1;
    }
    if (self->node.u.result < 0)
        return 0;
    /* A deferred call is queued from the start, and can be taken back until it is delivered. */
    if (self->type->tries)
        leave(self);
    else if (self->type != &deferred)
        return 0;
    self->node.u.result = EVL_ECANCELED;
    return 1;
}

int32_t evl_op_decline(evl_op *op, int32_t on) {
    evl_operation *self = NULL;
    int rc = enter_active(op, &self);
    if (rc != 0)
        return rc;
    if (self->state != EVL_OP_READY || self->node.u.result < 0 || self->type->stands)
        return 0;
    self->node.type = on ? EVL_NODE_OP_DECLINED : EVL_NODE_OP;
    return 1;
}

/* What was given to it and has to go on may be user code's to take, which may free the operation or destroy
 * the loop: so that comes last. An operation in a future is never ready with something. */
void evl_op_forget(evl_operation *self) {
    const evl_op_type *type = self->type;
    bool has_result = self->state == EVL_OP_READY && self->node.u.result >= 0;
    bool stands = self->state == EVL_OP_READY && type->stands;
    if (self->node.type == EVL_NODE_OP_DECLINED)
        self->node.type = EVL_NODE_OP;
    if (self->state == EVL_OP_PENDING) {
        leave(self);
        evl_list_remove(&self->peers);
    } else {
        evl_list_unlink(&self->node.link);
        if (type->tries && has_result)
            leave(self);
    }
    drop_timer(self);
    if (!stands)
        self->node.u.result = EVL_ECANCELED;
    deactivate(self);
    if (has_result && type->refuse)
        type->refuse(self);
    else
        report_forgotten(self);
}

int32_t evl_op_close(evl_op *op) {
    if (!op)
        return 0;
    int rc = evl_op_check(op);
    if (rc != 0)
        return rc;
    evl_operation *self = evl_operation_of(op);
    if (self->state == EVL_OP_IDLE) /* as all are once their loop is closed */
        return 0;
    evl_loop *loop = self->loop;
    evl_leaf_check(&loop->mem);
    rc = evl_is_foreign(loop) ? evl_enter_foreign(loop) : 0;
    if (rc != 0)
        return rc;
    bool released = evl_is_released(loop); /* and then it cannot be destroyed by what the next may call */
    evl_op_forget(self);
    if (released)
        evl_touch(loop);
    return 0;
}

/* --- the loop's end, and a child -------------------------------------------------------------- */

/* The ready ones give their timers back like the others; what else is queued stays where it was. */
static void forget_ready(evl_link *list) {
    evl_link all;
    evl_list_init(&all);
    evl_list_splice(&all, list);
    while (!evl_list_empty(&all)) {
        evl_node *node = evl_node_of(evl_list_shift(&all));
        if (node->kind == EVL_KIND_OP)
            evl_op_forget(EVL_OWNER(node, evl_operation, node));
        else
            evl_list_append(list, &node->link);
    }
}

static void stop(evl_loop *loop, void *state) {
    (void)state;
    while (!evl_list_empty(&loop->pending))
        evl_op_forget(EVL_OWNER(loop->pending.next, evl_operation, peers));
    forget_ready(&loop->running);
    forget_ready(&loop->at_collect);
    forget_ready(&loop->sinks[EVL_SINK_CALL]);
    forget_ready(&loop->sinks[EVL_SINK_RECORD]);
}

/* No thread works any more on those that threads worked on. */
static void fork_ops(evl_loop *loop, void *state) {
    (void)state;
    for (evl_link *link = loop->pending.next, *next; link != &loop->pending; link = next) {
        evl_operation *self = EVL_OWNER(link, evl_operation, peers);
        next = link->next;
        if (!self->type->threaded)
            continue;
        leave(self);
        evl_op_complete(self, EVL_EFORK);
    }
}

static bool open(evl_loop *loop, void *state) {
    (void)state;
    static const evl_node_type caller = {run, record, evl_op_node_forget};
    static const evl_op_target internal = {.node = {.run = run_internal, .forget = evl_op_node_forget},
                                           .at_collect = true};
    static const evl_node_type declined = {run_declined, record_declined, evl_op_node_forget};
    evl_node_know(loop, EVL_NODE_OP, &caller);
    evl_node_know(loop, EVL_NODE_OP_DECLINED, &declined);
    evl_node_know(loop, EVL_NODE_OP_INTERNAL, &internal.node);
    return true;
}

/* What comes in without a handle that says so. */
static bool awaits(const evl_loop *loop, const void *state) {
    (void)state;
    for (const evl_link *link = loop->pending.next; link != &loop->pending; link = link->next)
        if (EVL_OWNER(link, evl_operation, peers)->type->tries)
            return true;
    return false;
}

const evl_part evl_ops_part = {
    .place = EVL_PART_OPS, .open = open, .stop = stop, .fork = fork_ops, .awaits = awaits};

/* --- time ------------------------------------------------------------------------------------- */

void evl_op_expired(void *arg, int64_t unused) {
    evl_operation *self = arg;
    (void)unused;
    if (self->state == EVL_OP_READY) {
        evl_handle_set_active(self->timer, false); /* if it has to wait again: see is_late */
        return;
    }
    bool slept = self->type->timed && self->until <= self->deadline;
    leave(self);
    evl_op_complete(self, slept ? 0 : EVL_ETIMEDOUT);
}

static int set_timer(evl_operation *self) {
    int64_t until = self->type->timed ? self->until : EVL_NEVER;
    int64_t at = until < self->deadline ? until : self->deadline;
    if (at == EVL_NEVER) {
        drop_timer(self);
        return 0;
    }
    if (!self->timer) {
        self->timer = evl_timer_internal(self->loop, evl_op_expired, self);
        if (!self->timer)
            return EVL_ENOMEM;
    }
    evl_timer_set(self->timer, at);
    return 0;
}

int evl_op_set_until(evl_operation *self, int64_t until) {
    self->until = until;
    return set_timer(self);
}

int32_t evl_op_deadline(evl_op *op, int64_t deadline_ns) {
    int rc = evl_op_check(op);
    if (rc != 0)
        return rc;
    evl_operation *self = evl_operation_of(op);
    if (self->state == EVL_OP_IDLE)
        return EVL_EALREADY;
    rc = evl_enter(self->loop);
    bool is_over = self->state == EVL_OP_READY && !(self->type->tries && self->node.u.result >= 0);
    if (rc != 0 || is_over)
        return rc;
    int64_t before = self->deadline;
    self->deadline = deadline_ns;
    rc = set_timer(self);
    if (rc != 0)
        self->deadline = before;
    evl_touch(self->loop);
    return rc;
}

int32_t evl_op_timeout(evl_op *op, int64_t timeout_ns) {
    int rc = evl_op_check(op);
    if (rc != 0)
        return rc;
    const evl_operation *self = evl_operation_of(op);
    if (self->state == EVL_OP_IDLE)
        return EVL_EALREADY;
    return evl_op_deadline(op, evl_saturated_add(evl_clock_read(&self->loop->clock), timeout_ns));
}

/* --- the deferred call ------------------------------------------------------------------------ */

static const evl_op_type deferred = {.name = "defer"};

int32_t evl_defer(evl_loop *loop, evl_op *op) {
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    evl_posts_before(loop);
    evl_op_make_ready(evl_op_activate(loop, op, &deferred, NULL, EVL_OP_READY), 0);
    return 0;
}
