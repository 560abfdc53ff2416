/* node.h - what can be ready: one intrusive node that carries the function and its argument.
 *
 * Handles, operations, deferred calls and batches of posts all begin with or contain one. While it is linked
 * it is due; unlinking takes it back. */
#ifndef EVL_CORE_NODE_H
#define EVL_CORE_NODE_H

#include "list.h"
#include <evloop/base.h>
#include <stdint.h>

/* Where a node goes when it is ready. */
enum {
    EVL_SINK_CALL = 0,  /* it has a function: a run calls it */
    EVL_SINK_RECORD = 1 /* it has none: evl_loop_records hands it out */
};

/* What a queued node is. All but the first two are dealt with by evl_loop.node_types. */
enum {
    EVL_NODE_DONE = 0, /* a handle or a notice: fn.done(arg, u.result) and nothing else */
    EVL_NODE_TAKE = 1, /* a handle: fn.done with what evl_handle_type.take takes, if it takes anything */
    EVL_NODE_ONCE = 2, /* fn.plain(arg), then u.drop(arg); the node goes back to its slab first */
    EVL_NODE_OP = 3,   /* an operation that completes to the caller */
    EVL_NODE_OP_INTERNAL = 4,  /* an operation of the library's own, see evl_op_target */
    EVL_NODE_OP_FUTURE = 5,    /* an operation that lies in a future */
    EVL_NODE_FUTURE = 6,       /* a done callback of a future */
    EVL_NODE_FUTURE_END = 7,   /* what a future leaves: a value to drop, or an error that was not retrieved */
    EVL_NODE_JOB = 8,          /* the argument that a job leaves, to drop */
    EVL_NODE_REPORT = 9,       /* an error of the loop's own, for the hook */
    EVL_NODE_LATER = 10,       /* a timer that closes itself and then runs fn.plain(arg) */
    EVL_NODE_OP_DECLINED = 11, /* EVL_NODE_OP, whose result is handed back in place of its delivery */
    EVL_NODE_TYPES = 12
};

/* evl_node.flags; the meaning of the upper ones is the kind's. */
enum {
    EVL_F_ACTIVE = 1, /* can still produce something */
    EVL_F_KEEP = 2,   /* keeps the loop alive while active */
    EVL_F_OWN = 4     /* first of the kind's own flags */
};

typedef struct evl_node {
    evl_link link;
    union {
        evl_done_fn *done;
        evl_fn *plain;
    } fn;
    void *arg;
    union {
        int64_t result;
        evl_fn *drop;
    } u;
    uint8_t sink;  /* EVL_SINK_* */
    uint8_t type;  /* EVL_NODE_* */
    uint8_t kind;  /* EVL_KIND_*, 0 while free */
    uint8_t flags; /* EVL_F_* */
    uint32_t slot; /* its place in the slab it comes from */
} evl_node;

static inline evl_node *evl_node_of(evl_link *link) { return EVL_OWNER(link, evl_node, link); }

#endif
