/* call_later.c - one call at a later time: a timer that closes itself. What may be left of it afterwards is
 * an id, which finds nothing. */
#include "access.h"
#include "deferred.h"
#include "handle.h"
#include "loop.h"

/* Closed before its function runs, which may do anything. The drop is queued by that. */
static void finish(evl_node *node) {
    evl_handle *handle = EVL_OWNER(node, evl_handle, node);
    evl_handle_detach(handle);
    evl_handle_release(handle);
}

static void run(evl_loop *loop, evl_node *node) {
    evl_fn *fn = node->fn.plain;
    void *arg = node->arg;
    (void)loop;
    finish(node);
    fn(arg);
}

static bool record(evl_loop *loop, evl_node *node, evl_record *out) {
    (void)loop;
    out->id = evl_handle_id(EVL_OWNER(node, evl_handle, node));
    out->result = 1; /* expirations */
    out->extra = 1;
    finish(node);
    return true;
}

/* Handles are closed, and so taken off the queues, before the queues are emptied. */
static void forget(evl_loop *loop, evl_node *node, evl_link *drops) { (void)loop, (void)node, (void)drops; }

const evl_node_type evl_later_node = {run, record, forget};

int32_t evl_call_later(evl_loop *loop, int64_t delay_ns, evl_fn *fn, void *arg, uint64_t *id) {
    return evl_call_later_owned(loop, delay_ns, fn, arg, NULL, id);
}

int32_t evl_call_later_owned(evl_loop *loop, int64_t delay_ns, evl_fn *fn, void *arg, evl_fn *drop,
                             uint64_t *id) {
    evl_handle *timer;
    if (id)
        *id = 0;
    int rc = evl_timer_new(loop, NULL, arg, &timer);
    if (rc != 0)
        return rc;
    timer->node.fn.plain = fn;
    timer->node.sink = fn ? EVL_SINK_CALL : EVL_SINK_RECORD;
    timer->node.type = EVL_NODE_LATER;
    rc = evl_set_drop(timer, drop);
    if (rc != 0) {
        (void)evl_close(timer);
        return rc;
    }
    (void)evl_timer_start_at(timer, evl_saturated_add(evl_clock_read(&loop->clock), delay_ns), 0);
    if (id)
        *id = evl_handle_id(timer);
    return 0;
}
