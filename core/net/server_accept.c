/* server_accept.c - accepting connections, at once or by operations, and the fd, memory and connection
 * limits. */
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "server.h"
#include "stream.h"

#include <errno.h>

#define ACCEPT_MAX 32 /* connections of a server in one pass */

/* --- one connection --------------------------------------------------------------------------- */

static bool is_limit(int error) {
    return error == EVL_EMFILE || error == EVL_ENFILE || error == EVL_ENOBUFS || error == EVL_ENOMEM;
}

/* accept on Linux also returns the error of a connection that failed in the backlog: the next one may
 * succeed. */
static bool is_transient(int error) {
    return error == EVL_ECONNABORTED || error == EVL_EINTR || error == EVL_EPROTO || error == EVL_EPERM ||
           error == EVL_ENETDOWN || error == EVL_EHOSTDOWN || error == EVL_EHOSTUNREACH ||
           error == EVL_ENETUNREACH || error == EVL_ENOPROTOOPT || error == EVL_ENOTSUP;
}

/* Returns an fd or an error. */
static int accept_one(evl_listener *l) {
    int fd = evl_sys.accept(l->io.fd, NULL, NULL);
    if (fd >= 0)
        return fd;
    int error = errno == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(errno);
    if (error == EVL_EAGAIN)
        l->may_accept = false;
    return error;
}

/* Accepts one connection in place of the reserve fd and closes it. Returns 0 or an error: EVL_EAGAIN too,
 * since at the limit the kernel returns EMFILE even when no connection waits. */
static int shed(evl_server_state *sv, evl_listener *l) {
    (void)evl_sys.close(sv->spare);
    int fd = accept_one(l);
    if (fd >= 0)
        (void)evl_sys.close(fd);
    sv->spare = evl_server_open_spare();
    return fd < 0 ? fd : 0;
}

/* Returns an fd, EVL_EAGAIN or another error. */
static int accept_from(evl_server_state *sv, evl_listener *l) {
    for (int i = 0; i < ACCEPT_MAX; i++) {
        int rc = accept_one(l);
        if (is_limit(rc) && sv->options.at_fd_limit == EVL_ACCEPT_SHED && sv->spare >= 0) {
            rc = shed(sv, l);
            if (rc == 0)
                continue;
        }
        if (!is_transient(rc))
            return rc;
    }
    return EVL_EAGAIN;
}

static int next_fd(evl_server_state *sv, bool *tcp) {
    if (sv->held_fd >= 0) {
        int fd = sv->held_fd;
        sv->held_fd = -1;
        *tcp = sv->held_tcp;
        return fd;
    }
    for (evl_listener *l = sv->first; l; l = l->next) {
        if (!l->may_accept || l->io.fd < 0)
            continue;
        int fd = accept_from(sv, l);
        *tcp = l->tcp;
        if (fd != EVL_EAGAIN)
            return fd;
    }
    return EVL_EAGAIN;
}

static bool is_budget_spent(evl_server_state *sv) {
    uint64_t pass = sv->loop->metrics.passes;
    if (sv->pass != pass) {
        sv->pass = pass;
        sv->accepted = 0;
    }
    return sv->accepted >= ACCEPT_MAX;
}

static int take_socket_error(evl_server_state *sv) {
    int error = sv->socket_error;
    sv->socket_error = 0;
    return error;
}

/* Without fds or memory: reports that, or accepts again after a while. */
static int at_limit(evl_server_state *sv, int error) {
    if (sv->options.at_fd_limit != EVL_ACCEPT_REPORT) {
        evl_server_back_off(sv);
        return EVL_EAGAIN;
    }
    if (sv->held_fd >= 0)
        evl_server_notify(sv); /* the kernel reports no event for it */
    return error;
}

static void add_client(evl_server_state *sv, evl_stream_handle *s) {
    sv->backoff_ns = EVL_SERVER_BACKOFF_MIN;
    sv->accepted++;
    sv->live++;
    s->server = evl_handle_id(&sv->first->io.base);
    evl_list_append(&sv->clients, &s->peers);
    if (evl_server_is_full(sv))
        evl_server_update(sv);
}

static int accept_stream(evl_server_state *sv, evl_stream **out) {
    evl_stream_handle *s;
    bool tcp = false;
    if (sv->stopped)
        return EVL_ECLOSED;
    if (sv->paused || evl_server_is_full(sv) || is_budget_spent(sv) || evl_server_is_backing_off(sv))
        return EVL_EAGAIN;
    if (sv->socket_error != 0)
        return take_socket_error(sv);
    int fd = next_fd(sv, &tcp);
    int rc = fd < 0 ? fd
                    : evl_stream_make(sv->loop, fd, EVL_S_SOCKET | (tcp ? EVL_S_TCP : 0U),
                                      sv->options.linger_ns, &s);
    if (rc != 0 && fd >= 0) { /* without memory the connection is kept for the next accept */
        sv->held_fd = fd;
        sv->held_tcp = tcp;
    }
    if (rc != 0)
        return fd >= 0 || is_limit(rc) ? at_limit(sv, rc) : rc;
    add_client(sv, s);
    *out = &s->io.base;
    return 0;
}

int32_t evl_server_accept(evl_server *handle, evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_server_enter(handle);
    if (rc != 0)
        return rc;
    return out ? accept_stream(evl_server_of(handle), out) : EVL_EINVAL;
}

/* --- operations ------------------------------------------------------------------------------- */

static void leave_accept(evl_operation *op) {
    evl_server_state *sv = op->owner;
    if (op->state == EVL_OP_PENDING)
        evl_list_remove(&op->node.link);
    else
        sv->ready_op = NULL;
    if (evl_server_has_leftover(sv))
        evl_server_notify(sv); /* the kernel reports no event for it: the next waiter is notified here */
    evl_server_update(sv);
}

static void deliver_accept(evl_operation *op) {
    evl_server_state *sv = op->owner;
    int rc = accept_stream(sv, op->value);
    sv->ready_op = NULL;
    op->node.u.result = rc;
    if (rc == EVL_EAGAIN) {
        evl_list_prepend(&sv->waiters, &op->node.link);
        return;
    }
    if (!evl_list_empty(&sv->waiters)) /* there may be a connection for the next one too */
        evl_server_notify(sv);
    evl_server_update(sv);
}

static const evl_op_type accepting = {
    .name = "accept", .leave = leave_accept, .deliver = deliver_accept, .tries = true};

int32_t evl_server_accept_op(evl_server *handle, evl_op *op, evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_check_kind(handle, EVL_KIND_SERVER);
    if (rc == 0)
        rc = evl_op_check_start(handle->loop, op);
    if (rc != 0)
        return rc;
    evl_server_state *sv = evl_server_of(handle);
    if (!out)
        return EVL_EINVAL;
    if (sv->stopped)
        return EVL_ECLOSED;
    evl_operation *self = evl_op_park(handle->loop, op, &accepting, sv);
    self->value = out;
    evl_list_append(&sv->waiters, &self->node.link);
    evl_server_update(sv);
    if (evl_server_has_leftover(sv))
        evl_server_notify(sv);
    return 0;
}
