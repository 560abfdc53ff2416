/* server.c - lifetime of a server: creation, pause, stop, close; its connections; queries. */
#include "server.h"
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"
#include "option.h"
#include "stream.h"

#include <stdio.h>
#include <string.h>

#define BACKLOG 511

/* --- pause, stop, close ----------------------------------------------------------------------- */

int32_t evl_server_pause(evl_server *handle) {
    int rc = evl_server_enter(handle);
    if (rc != 0)
        return rc;
    evl_server_state *sv = evl_server_of(handle);
    sv->paused = true;
    if (sv->error == 0)
        evl_list_unlink(&handle->node.link);
    evl_server_update(sv);
    return 0;
}

int32_t evl_server_resume(evl_server *handle) {
    int rc = evl_server_enter(handle);
    if (rc != 0)
        return rc;
    evl_server_state *sv = evl_server_of(handle);
    sv->paused = false;
    evl_server_update(sv);
    if (evl_server_may_find(sv))
        evl_server_notify(sv);
    return 0;
}

static void stop_server(evl_server_state *sv) {
    sv->stopped = true;
    evl_list_unlink(&sv->backoff.link);
    for (evl_listener *l = sv->first; l; l = l->next)
        evl_listener_close(l);
    int *fds[] = {&sv->held_fd, &sv->spare};
    for (int i = 0; i < 2; i++) {
        if (*fds[i] >= 0)
            (void)evl_sys.close(*fds[i]);
        *fds[i] = -1;
    }
    evl_list_unlink(&sv->first->io.base.node.link);
    evl_server_fail_waiters(sv, EVL_ECLOSED);
    evl_handle_set_active(&sv->first->io.base, false);
    if (sv->live == 0)
        evl_server_wake_idle(sv, 0);
}

int32_t evl_server_stop(evl_server *handle) {
    int rc = evl_server_enter(handle);
    if (rc == 0) {
        stop_server(evl_server_of(handle));
        evl_touch(handle->loop);
    }
    return rc;
}

/* The streams stay open, without a server. */
static void release_clients(evl_server_state *sv) {
    while (!evl_list_empty(&sv->clients)) {
        evl_stream_handle *s = EVL_OWNER(evl_list_shift(&sv->clients), evl_stream_handle, peers);
        s->server = 0;
    }
}

static void free_server(evl_server_state *sv) { evl_mem_free(&sv->loop->mem, sv, sizeof *sv); }

static void remove_hidden(evl_server_state *sv, evl_listener *l) {
    evl_listener **at = &sv->first;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    evl_listener_close(l);
}

static void server_detach(evl_handle *handle) {
    evl_listener *l = evl_listener_of(handle);
    evl_server_state *sv = l->of;
    if (l != sv->first) { /* an internal listener: the loop is being destroyed */
        remove_hidden(sv, l);
        return;
    }
    stop_server(sv);
    evl_server_wake_idle(sv, EVL_ECLOSED);
    release_clients(sv);
    for (evl_listener *hidden; (hidden = l->next);) {
        remove_hidden(sv, hidden);
        evl_handle_release(&hidden->io.base);
    }
    free_server(sv);
}

/* Accepts again if the server was at its connection limit and is not any more. */
static void accept_below_limit(evl_server_state *sv, bool was_full) {
    if (!was_full || evl_server_is_full(sv) || sv->stopped)
        return;
    evl_server_update(sv);
    if (evl_server_may_find(sv))
        evl_server_notify(sv);
}

void evl_server_lingers(evl_loop *loop, uint64_t id) {
    evl_handle *handle = evl_handle_find(loop, id);
    if (!handle)
        return;
    evl_server_state *sv = evl_server_of(handle);
    bool was_full = evl_server_is_full(sv);
    sv->lingering++;
    accept_below_limit(sv, was_full);
}

void evl_server_left(evl_loop *loop, uint64_t id, bool lingered) {
    evl_handle *handle = evl_handle_find(loop, id);
    if (!handle)
        return;
    evl_server_state *sv = evl_server_of(handle);
    bool was_full = evl_server_is_full(sv);
    sv->live--;
    sv->lingering -= lingered;
    if (sv->stopped && sv->live == 0)
        evl_server_wake_idle(sv, 0);
    accept_below_limit(sv, was_full);
}

static int32_t end_clients(evl_server *handle, int32_t (*end)(evl_handle *)) {
    int rc = evl_server_enter(handle);
    if (rc != 0)
        return rc;
    evl_server_state *sv = evl_server_of(handle);
    int32_t count = 0;
    for (; !evl_list_empty(&sv->clients); count++)
        (void)end(&EVL_OWNER(sv->clients.next, evl_stream_handle, peers)->io.base);
    return count;
}

int32_t evl_server_close_clients(evl_server *handle) { return end_clients(handle, evl_close); }
int32_t evl_server_abort_clients(evl_server *handle) { return end_clients(handle, evl_stream_abort); }

static const evl_op_type idling = {.name = "server_idle"};

int32_t evl_server_on_idle(evl_server *handle, evl_op *op) {
    int rc = evl_check_kind(handle, EVL_KIND_SERVER);
    if (rc == 0)
        rc = evl_op_check_start(handle->loop, op);
    if (rc != 0)
        return rc;
    evl_server_state *sv = evl_server_of(handle);
    if (sv->stopped && sv->live == 0)
        return evl_op_start_done(handle->loop, op, &idling, sv, 0);
    evl_list_append(&sv->idle_waiters, &evl_op_park(handle->loop, op, &idling, sv)->node.link);
    return 0;
}

/* --- queries ---------------------------------------------------------------------------------- */

static const evl_listener *nth_open(const evl_server_state *sv, int32_t n) {
    const evl_listener *l = sv->first;
    for (; l && (n > 0 || l->io.fd < 0); l = l->next)
        n -= l->io.fd >= 0;
    return n < 0 ? NULL : l;
}

int32_t evl_server_sockets(const evl_server *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    if (rc != 0)
        return rc;
    int32_t n = 0;
    for (const evl_listener *l = evl_server_of(handle)->first; l; l = l->next)
        n += l->io.fd >= 0;
    return n;
}

evl_fd evl_server_fd(const evl_server *handle, int32_t n) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    if (rc != 0)
        return rc;
    const evl_listener *l = nth_open(evl_server_of(handle), n);
    return l ? l->io.fd : EVL_EINVAL;
}

int32_t evl_server_local(const evl_server *handle, int32_t n, void *address, uint32_t cap) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    if (rc != 0)
        return rc;
    const evl_listener *l = nth_open(evl_server_of(handle), n);
    if (!l || (!address && cap > 0))
        return EVL_EINVAL;
    return evl_socket_address(l->io.fd, evl_sys.getsockname, address, cap);
}

int32_t evl_server_connections(const evl_server *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    return rc != 0 ? rc : (int32_t)evl_server_of(handle)->live;
}

static void server_describe(const evl_handle *handle, char *buf, size_t cap) {
    const evl_server_state *sv = evl_server_of(handle);
    (void)snprintf(buf, cap, "server id=%llu sockets=%d connections=%u%s%s%s",
                   (unsigned long long)evl_handle_id(handle), evl_server_sockets(handle), sv->live,
                   sv->paused ? " paused" : "", sv->stopped ? " stopped" : "",
                   evl_server_is_backing_off(sv) ? " at_limit" : "");
}

/* --- creation --------------------------------------------------------------------------------- */

static const evl_handle_type server_type = {.size = sizeof(evl_listener),
                                            .detach = server_detach,
                                            .event = evl_server_event,
                                            .pushes = true,
                                            .take = evl_server_take,
                                            .describe = server_describe};

static int read_options(const evl_server_options *given, evl_server_options *out) {
    memset(out, 0, sizeof *out);
    if (given && given->struct_size < sizeof given->struct_size)
        return EVL_EINVAL;
    if (given)
        memcpy(out, given, given->struct_size < sizeof *out ? given->struct_size : sizeof *out);
    if ((out->flags & ~(uint32_t)(EVL_SERVER_REUSE_PORT | EVL_SERVER_KEEP_PATH | EVL_SERVER_SHARED)) != 0 ||
        out->reserved != 0 || out->backlog < 0 || out->at_fd_limit < EVL_ACCEPT_PAUSE ||
        out->at_fd_limit > EVL_ACCEPT_REPORT)
        return EVL_EINVAL;
    if (out->backlog == 0)
        out->backlog = BACKLOG;
    return 0;
}

int evl_server_new(evl_loop *loop, const evl_server_options *given, evl_server_state **out) {
    evl_server_options options;
    int rc = read_options(given, &options);
    if (rc == 0)
        rc = evl_net_get(loop);
    if (rc != 0)
        return rc;
    if (!loop->types[EVL_KIND_SERVER])
        evl_handle_know(loop, EVL_KIND_SERVER, &server_type);
    evl_server_state *sv = evl_mem_zalloc(&loop->mem, sizeof *sv);
    if (!sv)
        return EVL_ENOMEM;
    sv->loop = loop;
    sv->options = options;
    sv->backoff_ns = EVL_SERVER_BACKOFF_MIN;
    sv->spare = sv->held_fd = -1;
    evl_list_init(&sv->clients);
    evl_list_init(&sv->waiters);
    evl_list_init(&sv->idle_waiters);
    sv->backoff.fn = evl_server_retry;
    sv->backoff.arg = sv;
    if (options.at_fd_limit == EVL_ACCEPT_SHED)
        sv->spare = evl_server_open_spare();
    *out = sv;
    return 0;
}

int evl_server_add(evl_server_state *sv, int fd, bool tcp, evl_listener **out) {
    evl_handle *handle = sv->first ? evl_handle_alloc_internal(sv->loop, EVL_KIND_SERVER, NULL, NULL)
                                   : evl_handle_alloc(sv->loop, EVL_KIND_SERVER, NULL, NULL);
    if (!handle)
        return EVL_ENOMEM;
    evl_listener *l = evl_listener_of(handle);
    handle->node.type = EVL_NODE_TAKE;
    l->of = sv;
    l->next = NULL;
    l->tcp = tcp;
    l->may_accept = false;
    l->was_blocking = false;
    l->path = NULL;
    if (sv->options.flags & EVL_SERVER_SHARED)
        handle->node.flags |= EVL_F_EXCLUSIVE;
    int rc = evl_io_own(&l->io, fd, 0, false);
    if (rc != 0) {
        evl_handle_release(handle);
        return rc;
    }
    evl_listener **end = &sv->first;
    while (*end)
        end = &(*end)->next;
    *end = l;
    *out = l;
    return 0;
}

int evl_server_abandon(evl_server_state *sv, bool keep_fds, int error) {
    for (evl_listener *l = sv->first; l && keep_fds; l = l->next) {
        if (l->was_blocking)
            evl_socket_restore_blocking(l->io.fd);
        evl_io_disown(&l->io);
    }
    evl_listener *first = sv->first;
    if (first) {
        server_detach(&first->io.base);
        evl_handle_release(&first->io.base);
        return error;
    }
    if (sv->spare >= 0)
        (void)evl_sys.close(sv->spare);
    free_server(sv);
    return error;
}
