/* await.c - waiting for operations. */
#include "context.h"

int32_t evl_fiber_op_init(evl_op *op) {
    evl_fiber *self = fiber_now;
    return self ? evl_op_init(op, fiber_woken, self, EVL_OP_SYNC) : EVL_EPERM;
}

/* It was killed: it leaves, or its wait is over and so is every later one. */
static int64_t end(evl_fiber *self, evl_op *op) {
    (void)evl_op_close(op);
    if (!(self->flags & EVL_FIBER_UNWINDS))
        fiber_leave(self, self->result);
    return EVL_ECANCELED;
}

static void begin(evl_fiber *self, const char *what, void *where) {
    self->what = what;
    self->where = where;
    self->since = evl_now(self->loop);
}

int64_t fiber_await(evl_fiber *self, evl_op *op, const char *what, void *where) {
    if (!evl_op_active(op))
        return evl_op_result(op);
    if (self->killed) {
        (void)evl_op_close(op);
        return EVL_ECANCELED;
    }
    begin(self, what, where);
    if (self->must_cancel && evl_op_cancel(op) == 1)
        self->must_cancel = false, self->cancel_sent = true;
    self->waits_for = op;
    do
        fiber_suspend(self, EVL_FIBER_WAITING);
    while (evl_op_active(op) && !self->killed);
    self->waits_for = NULL;
    self->cancel_sent = false;
    return self->killed ? end(self, op) : evl_op_result(op);
}

int64_t evl_await(evl_op *op) {
    evl_fiber *self = fiber_now;
    return self ? fiber_await(self, op, "operation", FIBER_HERE) : EVL_EPERM;
}

/* --- any of several --------------------------------------------------------------------------- */

/* The index of one that is over, or -1. */
static int32_t first_over(evl_op *const *ops, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (ops[i] && !evl_op_active(ops[i]))
            return i;
    return -1;
}

/* Of a list of NULLs nothing would ever be over. */
static bool has_any(evl_op *const *ops, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (ops[i])
            return true;
    return false;
}

int32_t evl_await_any(evl_op *const *ops, int32_t n) {
    evl_fiber *self = fiber_now;
    if (!self)
        return EVL_EPERM;
    if (!ops || !has_any(ops, n))
        return EVL_EINVAL;
    int32_t over = first_over(ops, n);
    if (over >= 0)
        return over;
    if (self->killed)
        return EVL_ECANCELED;
    begin(self, "any of several operations", FIBER_HERE);
    if (self->must_cancel) {
        self->must_cancel = false;
        return EVL_ECANCELED;
    }
    self->waits_any = true;
    do {
        fiber_suspend(self, EVL_FIBER_WAITING);
        over = first_over(ops, n);
    } while (over < 0 && !self->killed && !self->cancel_sent);
    self->waits_any = false;
    if (self->killed)
        return (int32_t)end(self, &self->op);
    (void)evl_op_close(&self->op);
    if (over >= 0 && self->cancel_sent)
        self->must_cancel = true; /* too late for this one */
    self->cancel_sent = false;
    return over >= 0 ? over : EVL_ECANCELED;
}
