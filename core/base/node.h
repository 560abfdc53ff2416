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

/* How a node is called. Anything but EVL_CALL_DONE has work to do around the call. */
enum {
    EVL_CALL_DONE = 0,   /* fn.done(arg, u.result) and nothing else */
    EVL_CALL_ONCE = 1,   /* fn.plain(arg), then u.drop(arg); the node goes back to its slab first */
    EVL_CALL_OP = 2,     /* fn.done, after the operation around it has become inactive */
    EVL_CALL_FUTURE = 3, /* fn.done, after the done callback has left its future */
    EVL_CALL_TAKE = 4    /* fn.done with what evl_handle_type.take takes, if it takes anything */
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
    uint8_t call;  /* EVL_CALL_* */
    uint8_t kind;  /* EVL_KIND_*, 0 while free */
    uint8_t flags; /* EVL_F_* */
    uint32_t slot; /* its place in the slab it comes from */
} evl_node;

static inline evl_node *evl_node_of(evl_link *link) { return EVL_OWNER(link, evl_node, link); }

#endif
