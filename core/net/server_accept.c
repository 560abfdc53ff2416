/* server_accept.c - taking connections, at once and by operations, and what happens at the limits. */
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "server.h"
#include "stream.h"

#include <errno.h>

#define ACCEPT_MAX 32 /* in a pass */

/* --- accepting -------------------------------------------------------------------------------- */

static bool is_limit(int error) {
    return error == EVL_EMFILE || error == EVL_ENFILE || error == EVL_ENOBUFS || error == EVL_ENOMEM;
}

/* What a connection that failed while it waited looks like on Linux: the next one may be good. */
static bool is_passing(int error) {
    return error == EVL_ECONNABORTED || error == EVL_EINTR || error == EVL_EPROTO || error == EVL_EPERM ||
           error == EVL_ENETDOWN || error == EVL_EHOSTDOWN || error == EVL_EHOSTUNREACH ||
           error == EVL_ENETUNREACH || error == EVL_ENOPROTOOPT || error == EVL_ENOTSUP;
}

/* An fd, or an error. */
static int ask(evl_listener *l) {
    int fd = evl_sys.accept(l->io.fd, NULL, NULL);
    if (fd >= 0)
        return fd;
    int error = errno == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(errno);
    if (error == EVL_EAGAIN)
        l->may_accept = false;
    return error;
}

/* Takes one connection with the fd that was kept back, and hangs up. 0, or an error: at the limit the kernel
 * says so whether or not somebody waits. */
static int shed(evl_server_state *sv, evl_listener *l) {
    (void)evl_sys.close(sv->spare);
    int fd = ask(l);
    if (fd >= 0)
        (void)evl_sys.close(fd);
    sv->spare = evl_server_open_spare();
    return fd < 0 ? fd : 0;
}

/* An fd, EVL_EAGAIN, or an error. */
static int accept_from(evl_server_state *sv, evl_listener *l) {
    for (int i = 0; i < ACCEPT_MAX; i++) {
        int rc = ask(l);
        if (is_limit(rc) && sv->options.at_fd_limit == EVL_ACCEPT_SHED && sv->spare >= 0) {
            rc = shed(sv, l);
            if (rc == 0)
                continue;
        }
        if (!is_passing(rc))
            return rc;
    }
    return EVL_EAGAIN;
}

static int next_fd(evl_server_state *sv, bool *tcp) {
    if (sv->parked >= 0) {
        int fd = sv->parked;
        sv->parked = -1;
        *tcp = sv->parked_tcp;
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

static int take_lost(evl_server_state *sv) {
    int error = sv->lost;
    sv->lost = 0;
    return error;
}

static int take_stream(evl_server_state *sv, evl_stream **out) {
    evl_stream_handle *s;
    bool tcp = false;
    if (sv->stopped)
        return EVL_ECLOSED;
    if (sv->paused || evl_server_is_full(sv) || is_budget_spent(sv) || evl_server_is_backing_off(sv))
        return EVL_EAGAIN;
    if (sv->lost != 0)
        return take_lost(sv);
    int fd = next_fd(sv, &tcp);
    int rc = fd < 0 ? fd
                    : evl_stream_make(sv->loop, fd, EVL_S_SOCKET | (tcp ? EVL_S_TCP : 0U),
                                      sv->options.linger_ns, &s);
    if (rc != 0 && fd >= 0) { /* it is not to be lost */
        sv->parked = fd;
        sv->parked_tcp = tcp;
    }
    if (is_limit(rc) || (rc != 0 && fd >= 0)) {
        if (sv->options.at_fd_limit == EVL_ACCEPT_REPORT) {
            if (sv->parked >= 0)
                evl_server_notify(sv); /* no event will speak of it */
            return rc;
        }
        evl_server_back_off(sv);
        return EVL_EAGAIN;
    }
    if (rc != 0)
        return rc;
    sv->backoff_ns = EVL_SERVER_BACKOFF_MIN;
    sv->accepted++;
    sv->live++;
    s->server = evl_handle_id(&sv->first->io.base);
    evl_list_append(&sv->clients, &s->peers);
    if (evl_server_is_full(sv))
        evl_server_update(sv);
    *out = &s->io.base;
    return 0;
}

int32_t evl_server_accept(evl_server *handle, evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_server_enter(handle);
    if (rc != 0)
        return rc;
    return out ? take_stream(evl_server_of(handle), out) : EVL_EINVAL;
}

/* --- accepting by operations ------------------------------------------------------------------ */

static void leave_accept(evl_operation *op) {
    evl_server_state *sv = op->owner;
    if (op->state == EVL_OP_PENDING)
        evl_list_remove(&op->node.link);
    else
        sv->trying = NULL;
    if (evl_server_has_leftover(sv))
        evl_server_notify(sv); /* no event will speak of it to the next one */
    evl_server_update(sv);
}

static void deliver_accept(evl_operation *op) {
    evl_server_state *sv = op->owner;
    int rc = take_stream(sv, op->value);
    sv->trying = NULL;
    op->node.u.result = rc;
    if (rc == EVL_EAGAIN) {
        evl_list_prepend(&sv->waiting, &op->node.link);
        return;
    }
    if (!evl_list_empty(&sv->waiting)) /* the next in line tries too */
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
    evl_list_append(&sv->waiting, &self->node.link);
    evl_server_update(sv);
    if (evl_server_has_leftover(sv))
        evl_server_notify(sv);
    return 0;
}
