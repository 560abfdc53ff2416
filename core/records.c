/* records.c - the other sink: flat records in the caller's array. Nothing here runs user code. */
#include "loop.h"

static int32_t clamp(int64_t value) {
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

/* What was handed out of a deferred call is its argument, and its drop becomes due. */
static void after_call(evl_loop *loop, evl_node *node) {
    if (!node->u.drop) {
        evl_slab_give(&loop->calls, node);
        return;
    }
    node->fn.plain = node->u.drop;
    node->u.drop = NULL;
    node->sink = EVL_SINK_CALL;
    evl_ready(loop, node);
}

static evl_record take(evl_loop *loop, evl_node *node) {
    evl_record record = {.user_data = (uintptr_t)node->arg, .kind = node->kind};
    evl_list_remove(&node->link);
    if (node->call == EVL_CALL_ONCE) {
        after_call(loop, node);
        return record;
    }
    int64_t result = node->call == EVL_CALL_OP ? evl_op_end(loop, node) : node->u.result;
    record.result = clamp(result);
    record.extra = result;
    if (node->kind < EVL_HANDLES)
        record.id = evl_handle_id(EVL_OWNER(node, evl_handle, node));
    if (node->kind == EVL_KIND_IO)
        record.extra = EVL_OWNER(node, evl_watcher, base.node)->fd;
    return record;
}

static int32_t hand_out(evl_loop *loop, evl_record *out, int32_t cap) {
    evl_link *head = &loop->sinks[EVL_SINK_RECORD];
    evl_node *posts = &loop->posts[EVL_POST_RECORD].node;
    int32_t count = 0;
    while (count < cap && !evl_list_empty(head)) {
        evl_node *node = evl_node_of(head->next);
        if (node == posts)
            count += evl_posts_record(loop, out + count, cap - count);
        else
            out[count++] = take(loop, node);
    }
    loop->since_poll += (uint32_t)count;
    loop->metrics.callbacks += (uint64_t)count;
    return count;
}

/* What is said about the loop itself comes last, and only if it fits. */
static int32_t hand_out_notices(evl_loop *loop, evl_record *out, int32_t cap) {
    int32_t count = 0;
    if (cap > 0 && atomic_load(&loop->stop_asked)) {
        atomic_store(&loop->stop_asked, false);
        out[count++] = (evl_record){.kind = EVL_KIND_STOP, .result = atomic_load(&loop->stop_result)};
        out[0].extra = out[0].result;
    }
    if (count < cap && !evl_list_empty(&loop->sinks[EVL_SINK_CALL]))
        out[count++] = (evl_record){.kind = EVL_KIND_CALLBACKS};
    return count;
}

/* The clock that the caller's patience is measured by: a manual clock does not move while one waits. */
static int64_t patience_clock(const evl_loop *loop) {
    return loop->clock.mode == EVL_CLOCK_JUMP ? loop->clock.virtual_ : evl_monotonic();
}

static int32_t pull(evl_loop *loop, evl_record *out, int32_t cap, int64_t timeout_ns) {
    int64_t limit = timeout_ns > 0 ? evl_saturated_add(patience_clock(loop), timeout_ns) : 0;
    for (;;) {
        if (timeout_ns < 0 && evl_is_alive(loop) && evl_time_is_up(loop))
            return EVL_EDEADLK;
        int64_t left = timeout_ns > 0 ? limit - patience_clock(loop) : timeout_ns;
        bool may_wait = evl_is_alive(loop) && (timeout_ns < 0 || left > 0);
        int rc = evl_collect(loop, may_wait ? left : 0);
        if (rc != 0)
            return rc == EVL_EINTR ? 0 : rc;
        int32_t count = hand_out(loop, out, cap);
        count += hand_out_notices(loop, out + count, cap - count);
        if (count != 0 || loop->woken || !may_wait || evl_is_closed(loop))
            return count;
    }
}

int32_t evl_loop_records(evl_loop *loop, evl_record *out, int32_t cap, int64_t timeout_ns) {
    if (!loop || !out || cap < 1)
        return EVL_EINVAL;
    int rc = evl_own(loop);
    if (rc != 0)
        return rc;
    loop->pulling = true;
    int32_t count = pull(loop, out, cap, timeout_ns);
    loop->pulling = false;
    evl_disown(loop);
    return count;
}

int32_t evl_record_size(void) { return (int32_t)sizeof(evl_record); }
