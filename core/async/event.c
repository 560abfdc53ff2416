/* event.c - a flag that can be waited for. */
#include "../loop/access.h"
#include "sync.h"

struct evl_event {
    evl_waiters waiters;
    bool set;
};

static const evl_op_type waiting = {.name = "event", .leave = evl_sync_leave};

int32_t evl_event_new(evl_loop *loop, evl_event **out) {
    if (out)
        *out = NULL;
    return evl_sync_new(loop, sizeof **out, (void **)out);
}

void evl_event_free(evl_event *event) {
    if (event)
        evl_sync_free(event->waiters.loop, event, sizeof *event);
}

int32_t evl_event_wait(evl_event *event, evl_op *op) {
    if (!event)
        return EVL_EINVAL;
    int rc = evl_op_check_start(event->waiters.loop, op);
    if (rc != 0)
        return rc;
    if (event->set)
        return evl_op_start_done(event->waiters.loop, op, &waiting, event, 0);
    evl_waiters_add(&event->waiters, evl_op_park(event->waiters.loop, op, &waiting, event));
    return 0;
}

int32_t evl_event_set(evl_event *event) {
    int rc = event ? evl_enter(event->waiters.loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    event->set = true;
    (void)evl_waiters_wake_all(&event->waiters, 0);
    return 0;
}

int32_t evl_event_clear(evl_event *event) {
    int rc = event ? evl_enter(event->waiters.loop) : EVL_EINVAL;
    if (rc == 0)
        event->set = false;
    return rc;
}

int32_t evl_event_is_set(const evl_event *event) { return event && event->set; }
