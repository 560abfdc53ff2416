/* records.c - the other sink: flat records in the caller's array. Nothing here runs user code. */
#include "records.h"
#include "access.h"
#include "handle.h"
#include "loop.h"
#include "pass.h"
#include "post.h"
#include "watcher.h"

int32_t evl_clamp_result(int64_t value) {
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

/* A handle, or a notice of the loop's own. False: there was nothing to take after all. */
static bool settle(evl_loop *loop, evl_node *node, evl_record *out) {
    int64_t result = node->u.result;
    if (node->type == EVL_NODE_TAKE &&
        !loop->types[node->kind]->take(EVL_OWNER(node, evl_handle, node), &result))
        return false;
    if (node->kind == EVL_KIND_STOP) {
        atomic_store(&loop->stop_asked, false);
        result = atomic_load(&loop->stop_result);
    }
    out->result = evl_clamp_result(result);
    out->extra = result;
    if (node->kind < EVL_HANDLES)
        out->id = evl_handle_id(EVL_OWNER(node, evl_handle, node));
    if (node->kind == EVL_KIND_IO)
        out->extra = EVL_OWNER(node, evl_watcher, base.node)->fd;
    return true;
}

/* False: it is no record after all. */
static bool take(evl_loop *loop, evl_node *node, evl_record *out) {
    *out = (evl_record){.user_data = (uintptr_t)node->arg, .kind = node->kind};
    evl_list_remove(&node->link);
    return node->type <= EVL_NODE_TAKE ? settle(loop, node, out)
                                       : loop->node_types[node->type]->record(loop, node, out);
}

static int32_t hand_out(evl_loop *loop, evl_record *out, int32_t cap) {
    evl_link *head = &loop->sinks[EVL_SINK_RECORD];
    int32_t count = 0;
    while (count < cap && !evl_list_empty(head)) {
        evl_node *node = evl_node_of(head->next);
        if (node->kind == EVL_KIND_POST)
            count += evl_posts_record(node, out + count, cap - count);
        else
            count += take(loop, node, &out[count]);
    }
    loop->since_poll += (uint32_t)count;
    loop->metrics.callbacks += (uint64_t)count;
    return count;
}

/* A record about the loop itself has its place in the queue too: behind what was ready when it happened, and
 * never behind what came later, however few records are fetched at a time. */
static void queue_notices(evl_loop *loop) {
    evl_node *stop = &loop->stop_notice, *call = &loop->call_notice;
    if (atomic_load(&loop->stop_asked) && !evl_linked(&stop->link))
        evl_ready(loop, stop);
    if (!evl_list_empty(&loop->sinks[EVL_SINK_CALL]) && !evl_linked(&call->link))
        evl_ready(loop, call);
}

/* The clock that the caller's patience is measured by: a manual clock does not move while one waits. */
static int64_t patience_clock(const evl_loop *loop) {
    return loop->clock.mode == EVL_CLOCK_JUMP ? loop->clock.virtual_ : evl_monotonic();
}

/* EVL_FETCH_* or an error. */
static int32_t pull(evl_loop *loop, evl_record *out, int32_t cap, int64_t timeout_ns, int32_t *count) {
    int64_t limit = timeout_ns > 0 ? evl_saturated_add(patience_clock(loop), timeout_ns) : 0;
    for (;;) {
        bool alive = evl_is_alive(loop);
        if (timeout_ns < 0 && alive && evl_time_is_up(loop))
            return EVL_EDEADLK;
        int64_t left = timeout_ns > 0 ? limit - patience_clock(loop) : timeout_ns;
        bool may_wait = alive && (timeout_ns < 0 || left > 0);
        int rc = evl_collect(loop, may_wait ? left : 0);
        if (rc != 0)
            return rc == EVL_EINTR ? EVL_FETCH_SIGNAL : rc;
        queue_notices(loop);
        *count = hand_out(loop, out, cap);
        if (*count != 0)
            return EVL_FETCH_RECORDS;
        if (loop->woken)
            return EVL_FETCH_WAKE;
        if (!may_wait || evl_is_closed(loop))
            return alive ? EVL_FETCH_TIMEOUT : EVL_FETCH_IDLE;
    }
}

static int32_t fetch(evl_loop *loop, evl_record *out, int32_t cap, int64_t timeout_ns, int32_t *count) {
    *count = 0;
    if (!loop || !out || cap < 1)
        return EVL_EINVAL;
    int rc = evl_own(loop);
    if (rc != 0)
        return rc;
    loop->pulling = true;
    rc = pull(loop, out, cap, timeout_ns, count);
    evl_disown(loop);
    return rc;
}

int32_t evl_loop_records(evl_loop *loop, evl_record *out, int32_t cap, int64_t timeout_ns) {
    int32_t count, rc = fetch(loop, out, cap, timeout_ns, &count);
    return rc < 0 ? rc : count;
}

int32_t evl_loop_fetch(evl_loop *loop, evl_record_batch *batch, int64_t timeout_ns) {
    if (!batch || batch->reserved != 0)
        return EVL_EINVAL;
    batch->reason = fetch(loop, batch->records, batch->cap, timeout_ns, &batch->count);
    return batch->reason;
}

int32_t evl_record_size(void) { return (int32_t)sizeof(evl_record); }
