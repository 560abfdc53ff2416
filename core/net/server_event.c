/* server_event.c - when a server watches its sockets, and which waiter is notified of an event. */
#include "../loop/backoff.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"
#include "server.h"

#define BACKOFF_MAX (INT64_C(1000) * 1000000)

/* --- interest, waiters, backoff --------------------------------------------------------------- */

static bool wants_connections(const evl_server_state *sv) {
    bool wanted = sv->pushes || sv->ready_op || !evl_list_empty(&sv->waiters);
    return wanted && !sv->paused && !sv->stopped && !evl_server_is_full(sv) && !evl_server_is_backing_off(sv);
}

void evl_server_update(evl_server_state *sv) {
    uint32_t mask = wants_connections(sv) ? EVL_READ : 0;
    for (evl_listener *l = sv->first; l; l = l->next)
        evl_io_want(&l->io, mask);
    evl_handle_set_active(&sv->first->io.base, sv->pushes && !sv->stopped);
    evl_touch(sv->loop);
}

void evl_server_notify(evl_server_state *sv) {
    evl_node *node = &sv->first->io.base.node;
    if (sv->ready_op)
        return;
    if (!evl_list_empty(&sv->waiters)) {
        sv->ready_op = evl_operation_at(evl_list_shift(&sv->waiters));
        evl_op_try(sv->ready_op);
    } else if (sv->pushes && !evl_linked(&node->link)) {
        evl_ready(sv->loop, node);
        evl_touch(sv->loop);
    }
}

void evl_server_back_off(evl_server_state *sv) {
    evl_backoff_begin(sv->loop, &sv->backoff, sv->backoff_ns);
    sv->backoff_ns = sv->backoff_ns * 2 < BACKOFF_MAX ? sv->backoff_ns * 2 : BACKOFF_MAX;
    evl_server_update(sv);
}

int evl_server_open_spare(void) { return evl_sys.socket(AF_UNIX, SOCK_STREAM, 0); }

void evl_server_retry(void *arg) {
    evl_server_state *sv = arg;
    if (sv->options.at_fd_limit == EVL_ACCEPT_SHED && sv->spare < 0)
        sv->spare = evl_server_open_spare(); /* when it was closed, another thread took the number */
    if (evl_server_has_leftover(sv))
        evl_server_notify(sv);
    evl_server_update(sv);
}

/* --- events ----------------------------------------------------------------------------------- */

bool evl_server_may_find(const evl_server_state *sv) {
    bool found = evl_server_has_leftover(sv);
    for (const evl_listener *l = sv->first; l; l = l->next)
        found |= l->may_accept;
    return found;
}

void evl_server_fail_waiters(evl_server_state *sv, int error) {
    while (!evl_list_empty(&sv->waiters))
        evl_op_complete(evl_operation_at(evl_list_shift(&sv->waiters)), error);
    evl_operation *op = sv->ready_op;
    sv->ready_op = NULL;
    if (op)
        evl_op_fail(op, error);
}

void evl_server_wake_idle(evl_server_state *sv, int error) {
    while (!evl_list_empty(&sv->idle_waiters))
        evl_op_complete(evl_operation_at(evl_list_shift(&sv->idle_waiters)), error);
}

static void lose_socket(evl_listener *l, int fd, int error) {
    evl_server_state *sv = l->of;
    if (error != EVL_EBADF && error != EVL_ECLOSED) { /* still open, but not watched */
        evl_listener_remove_path(l);
        (void)evl_sys.close(fd);
    }
    bool left = false;
    for (const evl_listener *other = sv->first; other; other = other->next)
        left |= other->io.fd >= 0;
    l->may_accept = false;
    if (left && error != EVL_ECLOSED) { /* EVL_ECLOSED: the program said so itself */
        sv->socket_error = error;
        evl_server_notify(sv);
    }
    if (left)
        return;
    sv->stopped = true;
    sv->error = error;
    evl_server_fail_waiters(sv, error);
    evl_server_notify(sv);
    evl_server_update(sv);
    if (sv->live == 0)
        evl_server_wake_idle(sv, 0);
}

void evl_server_event(evl_handle *handle, uint32_t mask, int error) {
    evl_listener *l = evl_listener_of(handle);
    if (error != 0) {
        lose_socket(l, (int)mask, error);
        return;
    }
    l->may_accept = true;
    evl_server_notify(l->of);
}

/* Right before the callback is called or the record handed out. False: nothing is left to report. */
bool evl_server_take(evl_handle *handle, int64_t *result) {
    evl_server_state *sv = evl_server_of(handle);
    if (sv->error != 0) {
        *result = sv->error;
        sv->error = 0;
        sv->pushes = false;
        evl_server_update(sv);
        return true;
    }
    *result = 1;
    return sv->pushes && !sv->paused && !sv->stopped && !evl_server_is_full(sv) &&
           !evl_server_is_backing_off(sv) && evl_server_may_find(sv);
}

int32_t evl_server_on_connection(evl_server *handle, evl_done_fn *fn, void *arg) {
    int rc = evl_server_enter(handle);
    if (rc != 0)
        return rc;
    evl_server_state *sv = evl_server_of(handle);
    if (sv->stopped)
        return EVL_ECLOSED;
    evl_node *node = &handle->node;
    evl_list_unlink(&node->link);
    evl_node_set(node, EVL_KIND_SERVER, fn, arg);
    node->type = EVL_NODE_TAKE;
    sv->pushes = true;
    evl_server_update(sv);
    if (evl_server_may_find(sv))
        evl_server_notify(sv);
    return 0;
}
