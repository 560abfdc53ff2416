/* op.c - operations in the caller's memory. The first is the deferred call that can be taken back. */
#include "loop.h"

#include <string.h>

#define OP_MAGIC UINT32_C(0x65766c6f) /* says that the memory has been initialised */

enum { OP_IDLE = 0, OP_QUEUED = 1, OP_CANCELED = 2 };

typedef struct op {
    evl_node node;
    evl_loop *loop;
    uint32_t magic;
    uint32_t state;
    uint32_t flags;
} op;

_Static_assert(sizeof(op) <= sizeof(evl_op), "evl_op never grows");

static op *op_of(const evl_op *public) { return (op *)(void *)(uintptr_t)public; }

static int check(const evl_op *public) { return public && op_of(public)->magic == OP_MAGIC ? 0 : EVL_EINVAL; }

int32_t evl_op_init(evl_op *public, evl_done_fn *fn, void *arg, uint32_t flags) {
    if (!public || (flags & ~(uint32_t)EVL_OP_SYNC) != 0)
        return EVL_EINVAL;
    op *self = op_of(public);
    self->node.link.next = NULL;
    evl_node_set(&self->node, EVL_KIND_OP, fn, arg);
    self->node.call = EVL_CALL_OP;
    self->node.u.result = EVL_EAGAIN;
    self->loop = NULL;
    self->magic = OP_MAGIC;
    self->state = OP_IDLE;
    self->flags = flags;
    return 0;
}

static void end(evl_loop *loop, op *self) {
    self->state = OP_IDLE;
    loop->alive--;
}

int64_t evl_op_end(evl_loop *loop, evl_node *node) {
    end(loop, EVL_OWNER(node, op, node));
    return node->u.result;
}

void evl_op_run(evl_loop *loop, evl_node *node) {
    evl_done_fn *fn = node->fn.done;
    void *arg = node->arg;
    int64_t result = evl_op_end(loop, node);
    fn(arg, result);
}

/* A deferred call is pending until it is delivered, so that cancelling one that is due takes it back. */
int32_t evl_op_cancel(evl_op *public) {
    int rc = check(public);
    if (rc != 0)
        return rc;
    op *self = op_of(public);
    if (self->state == OP_IDLE)
        return EVL_EALREADY;
    rc = evl_enter_child(self->loop);
    if (rc != 0)
        return rc;
    if (self->state == OP_CANCELED)
        return 0;
    self->state = OP_CANCELED;
    self->node.u.result = EVL_ECANCELED;
    return 1;
}

int32_t evl_op_close(evl_op *public) {
    if (!public)
        return 0;
    int rc = check(public);
    if (rc != 0)
        return rc;
    op *self = op_of(public);
    if (self->state == OP_IDLE)
        return 0;
    rc = evl_enter_child(self->loop);
    if (rc != 0)
        return rc;
    evl_list_unlink(&self->node.link);
    self->node.u.result = EVL_ECANCELED;
    end(self->loop, self);
    return 0;
}

int32_t evl_op_active(const evl_op *public) {
    int rc = check(public);
    return rc != 0 ? rc : op_of(public)->state != OP_IDLE;
}

int64_t evl_op_result(const evl_op *public) {
    int rc = check(public);
    if (rc != 0)
        return rc;
    const op *self = op_of(public);
    return self->state == OP_IDLE ? self->node.u.result : EVL_EAGAIN;
}

int32_t evl_op_size(void) { return (int32_t)sizeof(evl_op); }

int32_t evl_defer(evl_loop *loop, evl_op *public) {
    int rc = check(public);
    if (rc == 0)
        rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    op *self = op_of(public);
    if (self->state != OP_IDLE)
        return EVL_EBUSY;
    self->loop = loop;
    self->state = OP_QUEUED;
    self->node.u.result = 0;
    loop->alive++;
    evl_ready(loop, &self->node);
    evl_touch(loop);
    return 0;
}
