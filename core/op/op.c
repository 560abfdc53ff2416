/* op.c - what all operations have in common: starting, cancelling, deadlines, closing, delivery. */
#include "../async/future.h"
#include "../async/waitq.h"

int32_t evl_op_init(evl_op *op, evl_done_fn *fn, void *arg, uint32_t flags) {
    if (!op || (flags & ~(uint32_t)EVL_OP_SYNC) != 0)
        return EVL_EINVAL;
    evl_operation *self = evl_operation_of(op);
    self->node.link.next = NULL;
    evl_node_set(&self->node, EVL_KIND_OP, fn, arg);
    self->node.call = EVL_CALL_OP;
    self->node.u.result = EVL_EAGAIN;
    self->loop = NULL;
    self->timer = NULL;
    self->magic = EVL_OP_MAGIC;
    self->state = EVL_OP_IDLE;
    self->flags = (uint8_t)flags;
    return 0;
}

int32_t evl_op_active(const evl_op *op) {
    int rc = evl_op_check(op);
    return rc != 0 ? rc : evl_operation_of(op)->state != EVL_OP_IDLE;
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

static inline void count(const evl_operation *self, int change) {
    if (EVL_UNLIKELY(self->flags & EVL_OP_CHORE))
        return;
    self->loop->alive += change;
    self->loop->ops += change;
}

void evl_op_activate_special(evl_operation *self) {
    count(self, 1);
    if (self->flags & EVL_OP_IN_FUTURE)
        evl_future_op_started(self);
}

static inline void deactivate(evl_operation *self) {
    self->state = EVL_OP_IDLE;
    count(self, -1);
}

static EVL_COLD void give_timer(evl_operation *self) {
    evl_handle_detach(self->timer);
    evl_handle_give(self->timer);
    self->timer = NULL;
}

static inline void drop_timer(evl_operation *self) {
    if (EVL_UNLIKELY(self->timer != NULL))
        give_timer(self);
}

int evl_op_unpark(evl_operation *self, int error) {
    evl_list_remove(&self->peers);
    drop_timer(self);
    deactivate(self);
    if (self->flags & EVL_OP_IN_FUTURE)
        evl_future_op_forgotten(self);
    return error;
}

/* --- completing ------------------------------------------------------------------------------- */

void evl_op_make_ready(evl_operation *self, int64_t result) {
    self->state = EVL_OP_READY;
    self->node.u.result = result;
    if (self->type->counted)
        ((evl_waiters *)self->owner)->handed++;
    if (EVL_UNLIKELY(self->flags & EVL_OP_CHORE) || (self->type->tries && self->flags & EVL_OP_IN_FUTURE)) {
        evl_list_append(&self->loop->chores, &self->node.link);
        evl_touch(self->loop);
        return;
    }
    if (self->flags & EVL_OP_IN_FUTURE) { /* the future is who is told, at once; it tells the others later */
        if (evl_op_settle(self, &result))
            evl_future_op_done(self, result);
        return;
    }
    evl_ready(self->loop, &self->node);
    evl_touch(self->loop);
}

void evl_op_complete(evl_operation *self, int64_t result) {
    evl_list_remove(&self->peers);
    drop_timer(self);
    evl_op_make_ready(self, result);
}

int evl_op_try_now(evl_operation *op) {
    if ((op->flags & (EVL_OP_SYNC | EVL_OP_IN_FUTURE)) != EVL_OP_SYNC ||
        op->loop->sync_in_row >= EVL_SYNC_IN_ROW) {
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

/* Whether the object that served the operation has been freed since. */
static bool orphaned(const evl_operation *self) {
    return self->type->counted && ((const evl_waiters *)self->owner)->freed_size != 0;
}

static void told(const evl_operation *self) {
    if (self->type->counted)
        evl_waiters_told(self->owner);
}

static int set_timer(evl_operation *self);

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
            wait_again(self);
            return false;
        }
    }
    return settled(self);
}

/* Takes, becomes inactive, and node.u.result is how it ended. False: there was nothing to take. */
static inline bool settle(evl_operation *self) {
    if (self->type->tries)
        return settle_tried(self);
    if (orphaned(self) && self->node.u.result >= 0)
        self->node.u.result = EVL_ECLOSED;
    if (self->type->deliver && self->node.u.result >= 0)
        self->type->deliver(self);
    told(self);
    return settled(self);
}

bool evl_op_settle(evl_operation *self, int64_t *result) {
    bool over = settle(self);
    *result = self->node.u.result;
    return over;
}

/* What is delivered is given up before the callback, which may start, close or free the operation. */
void evl_op_run(evl_loop *loop, evl_node *node) {
    loop->sync_in_row = 0;
    if (EVL_LIKELY(settle(EVL_OWNER(node, evl_operation, node))))
        node->fn.done(node->arg, node->u.result);
}

/* What is added meanwhile waits for the next pass, as everything does. */
void evl_chores_run(evl_loop *loop) {
    evl_link now;
    evl_list_init(&now);
    evl_list_splice(&now, &loop->chores);
    while (!evl_list_empty(&now)) {
        evl_operation *op = evl_operation_at(evl_list_shift(&now));
        int64_t result;
        evl_done_fn *fn = op->node.fn.done;
        void *arg = op->node.arg;
        if (!evl_op_settle(op, &result))
            continue;
        if (op->flags & EVL_OP_CHORE)
            fn(arg, result);
        else
            evl_future_op_done(op, result);
    }
}

/* --- ending it early -------------------------------------------------------------------------- */

static const evl_op_type deferred;

int32_t evl_op_cancel(evl_op *op) {
    int rc = evl_op_check(op);
    if (rc != 0)
        return rc;
    evl_operation *self = evl_operation_of(op);
    if (self->state == EVL_OP_IDLE)
        return EVL_EALREADY;
    rc = evl_enter_child(self->loop);
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

void evl_op_forget(evl_operation *self) {
    bool stands = self->state == EVL_OP_READY && self->type->stands;
    if (self->state == EVL_OP_PENDING) {
        leave(self);
        evl_list_remove(&self->peers);
        drop_timer(self);
    } else {
        evl_list_unlink(&self->node.link);
        if (self->type->tries && self->node.u.result >= 0)
            leave(self);
        else if (self->type->refuse && self->node.u.result >= 0 && !orphaned(self))
            self->type->refuse(self);
        drop_timer(self);
        told(self);
    }
    if (!stands)
        self->node.u.result = EVL_ECANCELED;
    deactivate(self);
    if (self->flags & EVL_OP_IN_FUTURE)
        evl_future_op_forgotten(self);
}

void evl_ops_fork(evl_loop *loop) {
    for (evl_link *link = loop->pending.next, *next; link != &loop->pending; link = next) {
        evl_operation *self = EVL_OWNER(link, evl_operation, peers);
        next = link->next;
        if (!self->type->threaded)
            continue;
        leave(self);
        evl_op_complete(self, EVL_EFORK);
    }
}

int32_t evl_op_close(evl_op *op) {
    if (!op)
        return 0;
    int rc = evl_op_check(op);
    if (rc != 0)
        return rc;
    evl_operation *self = evl_operation_of(op);
    if (self->state == EVL_OP_IDLE)
        return 0;
    rc = evl_enter_child(self->loop);
    if (rc == 0)
        evl_op_forget(self);
    return rc;
}

/* --- time ------------------------------------------------------------------------------------- */

static int set_timer(evl_operation *self) {
    int64_t until = self->type->timed ? self->until : EVL_NEVER;
    int64_t at = until < self->deadline ? until : self->deadline;
    if (at == EVL_NEVER) {
        drop_timer(self);
        return 0;
    }
    if (!self->timer) {
        self->timer = evl_timer_for_op(self->loop, self);
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

void evl_op_expired(evl_operation *self) {
    if (self->state == EVL_OP_READY)
        return; /* if it has to wait again, that looks at the time */
    bool slept = self->type->timed && self->until <= self->deadline;
    leave(self);
    evl_op_complete(self, slept ? 0 : EVL_ETIMEDOUT);
}

static const evl_op_type sleeping = {.name = "sleep", .timed = true};

static int sleep_until(evl_loop *loop, evl_op *op, int64_t deadline) {
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    evl_operation *self = evl_op_park(loop, op, &sleeping, NULL);
    rc = evl_op_set_until(self, deadline);
    if (rc != 0)
        return evl_op_unpark(self, rc);
    evl_touch(loop);
    return 0;
}

int32_t evl_sleep_until(evl_loop *loop, evl_op *op, int64_t deadline_ns) {
    return sleep_until(loop, op, deadline_ns);
}

int32_t evl_sleep(evl_loop *loop, evl_op *op, int64_t ns) {
    int rc = evl_op_check_start(loop, op);
    return rc != 0 ? rc : sleep_until(loop, op, evl_saturated_add(evl_clock_read(&loop->clock), ns));
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
