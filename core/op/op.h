/* op.h - operations from the inside.
 *
 * An operation is idle, pending (it waits somewhere), or ready (its completion is queued). What kind of
 * operation it is, is a table of functions; cancelling, deadlines, closing and delivery are the same code for
 * all. */
#ifndef EVL_CORE_OP_H
#define EVL_CORE_OP_H

#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "../loop/node_type.h"
#include "../loop/part.h"

typedef struct evl_operation evl_operation;

typedef struct evl_op_type {
    const char *name;

    /* Pending: take it out of where it waits. NULL: unlink its node from the list it is in. */
    void (*leave)(evl_operation *op);

    /* Right before the callback: take what was waited for; may set another result. NULL: the result stands.
     * Of a type that tries, EVL_EAGAIN: there is nothing to take, and it has to wait again; EVL_EINPROGRESS:
     * it took something, and is to try again in the next pass. */
    void (*deliver)(evl_operation *op);

    /* It was ready with a result >= 0 and is closed before it was delivered, or its loop goes down: hand back
     * or on what it was given. It is inactive already, and its result is not there any more. NULL: nothing to
     * do.
     */
    void (*refuse)(evl_operation *op);

    /* Ready only means that it is worth trying: nothing is taken before the delivery, and so it can be
     * cancelled until then. It stays where it waits meanwhile. Always has a deliver. */
    bool tries;

    /* A thread of the process works on it, and does not in a forked child. */
    bool threaded;

    /* What it did when it became ready stays done, also when it is closed before that is delivered: its
     * result stands. Else a closed one has EVL_ECANCELED. */
    bool stands;

    /* The operation's `until` is a time at which it completes with 0. */
    bool timed;
} evl_op_type;

/* What an operation completes to: the caller (EVL_NODE_OP), or a part of the library. The first member
 * makes it a node type; which one it is says node.type. None of these runs user code. */
typedef struct evl_op_target {
    evl_node_type node;
    void (*started)(evl_operation *op);                  /* NULL: need not know */
    void (*finished)(evl_operation *op, int64_t result); /* it is inactive already, and may be freed */
    void (*forgotten)(evl_operation *op); /* taken down, or its start failed; NULL: need not know */
    bool counts;     /* in evl_loop.alive and ops; what it is a part of counts otherwise */
    bool at_collect; /* run while the loop collects; otherwise, unless its type tries, inside the completing
                        call */
} evl_op_target;

enum { EVL_OP_IDLE = 0, EVL_OP_PENDING = 1, EVL_OP_READY = 2 };

/* Lies in the caller's evl_op. */
struct evl_operation {
    evl_node node;  /* in the list it waits in, or in a ready list */
    evl_link peers; /* pending: in evl_loop.pending */
    evl_loop *loop;
    const evl_op_type *type;
    void *owner;       /* what it waits for */
    void *value;       /* the type's own */
    evl_handle *timer; /* of its deadline or its sleep; NULL: none, as when it is idle */
    int64_t until;     /* when a sleep is over; else the type's own */
    int64_t deadline;
    uint32_t magic;
    uint8_t state;
    uint8_t flags;  /* EVL_OP_* of the public header */
    uint16_t count; /* the type's own */
};

_Static_assert(sizeof(evl_operation) <= sizeof(evl_op), "evl_op never grows");

static inline evl_operation *evl_operation_of(const evl_op *op) {
    return (evl_operation *)(void *)(uintptr_t)op;
}

static inline evl_operation *evl_operation_at(evl_link *link) {
    return EVL_OWNER(link, evl_operation, node.link);
}

/* An internal operation: part of something else. fn runs no user code and is called while the loop collects.
 */
static inline void evl_op_init_internal(evl_op *op, evl_done_fn *fn, void *arg) {
    (void)evl_op_init(op, fn, arg, 0);
    evl_operation_of(op)->node.type = EVL_NODE_OP_INTERNAL;
}

/* It completes to the caller, which needs no target. */
static inline bool evl_op_is_plain(const evl_operation *op) {
    return EVL_LIKELY(op->node.type == EVL_NODE_OP);
}

/* Says that the memory has been initialised. */
#define EVL_OP_MAGIC UINT32_C(0x65766c6f)

static inline int evl_op_check(const evl_op *op) {
    return EVL_LIKELY(op && evl_operation_of(op)->magic == EVL_OP_MAGIC) ? 0 : EVL_EINVAL;
}

/* 0, or why the operation cannot be started on this loop: EVL_EINVAL, EVL_EBUSY, and those of evl_enter. */
static inline int evl_op_check_start(const evl_loop *loop, const evl_op *op) {
    int rc = evl_op_check(op);
    if (rc == 0)
        rc = evl_enter(loop);
    return rc == 0 && evl_operation_of(op)->state != EVL_OP_IDLE ? EVL_EBUSY : rc;
}

/* Active from now on: counts, if it does, and its target is notified. */
void evl_op_activate_special(evl_operation *op);

static inline evl_operation *evl_op_activate(evl_loop *loop, evl_op *op, const evl_op_type *type, void *owner,
                                             int state) {
    evl_operation *self = evl_operation_of(op);
    self->loop = loop;
    self->type = type;
    self->owner = owner;
    self->until = self->deadline = EVL_NEVER;
    self->state = (uint8_t)state;
    if (evl_op_is_plain(self)) {
        loop->alive++;
        loop->ops++;
    } else
        evl_op_activate_special(self);
    return self;
}

/* Makes it pending. The caller has checked, and puts it where it waits. */
static inline evl_operation *evl_op_park(evl_loop *loop, evl_op *op, const evl_op_type *type, void *owner) {
    evl_operation *self = evl_op_activate(loop, op, type, owner, EVL_OP_PENDING);
    self->node.u.result = EVL_EAGAIN;
    evl_list_append(&loop->pending, &self->peers);
    return self;
}

/* Ends a start that failed after evl_op_park; returns `error`. */
int evl_op_unpark(evl_operation *op, int error);

/* Pending, and already out of where it waited: queues the completion. */
void evl_op_complete(evl_operation *op, int64_t result);

/* Queues the completion of one that is not pending any more, in the way of its target. */
void evl_op_make_ready(evl_operation *op, int64_t result);

/* Of a type that tries, if it is pending: its delivery may find something now. */
static inline void evl_op_try(evl_operation *op) {
    if (EVL_UNLIKELY(op->state != EVL_OP_PENDING))
        return;
    evl_list_remove(&op->peers);
    if (!evl_op_is_plain(op)) {
        evl_op_make_ready(op, 0);
        return;
    }
    op->state = EVL_OP_READY;
    op->node.u.result = 0;
    evl_ready(op->loop, &op->node);
    evl_touch(op->loop);
}

/* The same in the call that starts it. Returns 1 if it may be tried at once and has found something
 * (EVL_OP_SYNC, and not too often in a row), else 0. */
int evl_op_try_now(evl_operation *op);

/* Active, of a type that tries: it is over with an error. The caller has taken it out of where it waited. */
void evl_op_fail(evl_operation *op, int64_t error);

/* Starts completed at once before one has to wait a pass, so that no operation keeps the loop busy. */
#define EVL_SYNC_IN_ROW 64

/* It completes in the next pass. */
int evl_op_start_done_later(evl_loop *loop, evl_op *op, const evl_op_type *type, void *owner, int64_t result);

/* Starts an operation that has its result already: returns 1 if it may say so at once (EVL_OP_SYNC, and not
 * too often in a row), else 0, and it completes in the next pass. */
static inline int evl_op_start_done(evl_loop *loop, evl_op *op, const evl_op_type *type, void *owner,
                                    int64_t result) {
    evl_operation *self = evl_operation_of(op);
    if (EVL_UNLIKELY(!(self->flags & EVL_OP_SYNC) || loop->sync_in_row >= EVL_SYNC_IN_ROW))
        return evl_op_start_done_later(loop, op, type, owner, result);
    loop->sync_in_row++;
    self->node.u.result = result;
    return 1;
}

/* Pending: sets until and the timer for it. EVL_ENOMEM. */
int evl_op_set_until(evl_operation *op, int64_t until);

/* Without a callback: inactive, and out of wherever it is. */
void evl_op_forget(evl_operation *op);

/* Before it completes: takes, becomes inactive, and says what the result is. False: there was nothing to
 * take, and it waits again. */
bool evl_op_settle(evl_operation *op, int64_t *result);

void evl_op_node_forget(evl_loop *loop, evl_node *node, evl_link *drops); /* every target's */

/* What its timer calls: it is over, with 0 if that was its `until`, else with EVL_ETIMEDOUT. */
void evl_op_expired(void *op, int64_t unused);

/* Of the library's own: over, in whatever state it is. */
static inline void evl_op_end(evl_op *op) {
    if (evl_operation_of(op)->state != EVL_OP_IDLE)
        evl_op_forget(evl_operation_of(op));
}

extern const evl_part evl_ops_part;

#endif
