/* async.c - handles that other threads and signal handlers send to. What they use of a handle is its loop,
 * which stays, and three words that are atomic. */
#include "async.h"
#include "access.h"
#include "loop.h"
#include "post.h"
#include "timer.h"

#include <stdio.h>

/* evl_async_handle.state; of a handle of another kind it is neither. */
#define OPEN   UINT32_C(0x6173796e)
#define CLOSED UINT32_C(0x6173796f)

static evl_async_handle *async_of(evl_handle *handle) { return (evl_async_handle *)handle; }

int32_t evl_async_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_async **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0 && !out)
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    evl_handle *handle = evl_handle_alloc(loop, EVL_KIND_ASYNC, fn, arg);
    if (!handle)
        return EVL_ENOMEM;
    evl_async_handle *self = async_of(handle);
    handle->node.flags = 0; /* does not keep the loop alive */
    evl_handle_set_active(handle, true);
    evl_list_append(&loop->asyncs, &self->peers);
    atomic_store(&self->sends, 0);
    atomic_store(&self->state, OPEN);
    *out = handle;
    return 0;
}

static void detach(evl_handle *handle) {
    atomic_store(&async_of(handle)->state, CLOSED);
    evl_list_remove(&async_of(handle)->peers);
}

static void describe(const evl_handle *handle, char *buf, size_t cap) {
    (void)snprintf(buf, cap, "async id=%llu", (unsigned long long)evl_handle_id(handle));
}

const evl_handle_type evl_async_type = {
    .size = sizeof(evl_async_handle), .detach = detach, .describe = describe};

/* The count comes before the word that has the loop look, and that before the look whether it sleeps. */
int32_t evl_async_send(evl_async *handle) {
    if (!handle)
        return EVL_EINVAL;
    evl_async_handle *self = async_of(handle);
    evl_loop *loop = handle->loop;
    uint32_t state = atomic_load(&self->state);
    if (state != OPEN)
        return state != CLOSED ? EVL_EINVAL : evl_is_closed(loop) ? EVL_ECLOSED : EVL_ESTALE;
    if (evl_is_forked(loop))
        return EVL_EFORK;
    atomic_fetch_add(&self->sends, 1);
    atomic_store(&loop->signal_seen, true);
    evl_notify(loop);
    return 0;
}

void evl_asyncs_due(evl_loop *loop) {
    for (evl_link *link = loop->asyncs.next; link != &loop->asyncs; link = link->next) {
        evl_async_handle *self = EVL_OWNER(link, evl_async_handle, peers);
        uint32_t sends = atomic_exchange(&self->sends, 0);
        if (sends != 0)
            evl_report_count(loop, &self->base.node, sends);
    }
}
