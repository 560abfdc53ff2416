/* udp_receive.c - receiving datagrams: by operations, at once, in batches, in push mode. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "udp.h"

#include <errno.h>
#include <string.h>

#define BATCH 64 /* rows of one system call */

/* --- from the kernel -------------------------------------------------------------------------- */

static int64_t drained(evl_udp_socket *u, int64_t failure) {
    if (failure == EVL_EAGAIN)
        u->flags &= ~(uint32_t)EVL_U_CAN_READ;
    return failure;
}

static struct msghdr message(void *address, struct iovec *room) {
    return (struct msghdr){
        .msg_name = address, .msg_namelen = address ? EVL_ADDRESS_SIZE : 0, .msg_iov = room, .msg_iovlen = 1};
}

static int64_t outcome(const struct msghdr *msg, int64_t n) {
    return msg->msg_flags & MSG_TRUNC ? EVL_EMSGSIZE : n;
}

static int64_t fetch(evl_udp_socket *u, void *buf, size_t cap, void *address, uint32_t *length) {
    int error = evl_udp_take_error(u);
    if (EVL_UNLIKELY(error != 0))
        return error;
    struct iovec room = {.iov_base = buf, .iov_len = cap};
    struct msghdr msg = message(address, &room);
    ssize_t n;
    do
        n = evl_sys.recvmsg(u->io.fd, &msg, MSG_DONTWAIT);
    while (EVL_UNLIKELY(n < 0) && errno == EINTR);
    if (n < 0)
        return drained(u, evl_udp_failure());
    if (length)
        *length = msg.msg_namelen;
    return outcome(&msg, n);
}

static int fetch_rows(evl_udp_socket *u, evl_mmsg *rows, int n) {
    int got;
    do
        got = evl_sys.recvmmsg(u->io.fd, rows, (unsigned)n, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == ENOSYS)
        u->flags |= EVL_U_ONE_BY_ONE;
    return got;
}

/* One system call. Returns how many were received, or an error. */
static int64_t fetch_some(evl_udp_socket *u, evl_udp_in *out, int n) {
    evl_mmsg rows[BATCH];
    struct iovec rooms[BATCH];
    if (u->error != 0 || evl_u_has(u, EVL_U_ONE_BY_ONE)) {
        int64_t one = fetch(u, out->data, out->cap, out->address, &out->length);
        out->result = (int32_t)one;
        return one >= 0 || one == EVL_EMSGSIZE ? 1 : one;
    }
    n = n < BATCH ? n : BATCH;
    for (int i = 0; i < n; i++) {
        rooms[i] = (struct iovec){.iov_base = out[i].data, .iov_len = out[i].cap};
        rows[i] = (evl_mmsg){.msg = message(out[i].address, &rooms[i])};
    }
    int got = fetch_rows(u, rows, n);
    if (got < 0)
        return errno == ENOSYS ? fetch_some(u, out, 1) : drained(u, evl_udp_failure());
    for (int i = 0; i < got; i++) {
        out[i].length = rows[i].msg.msg_namelen;
        out[i].result = (int32_t)outcome(&rows[i].msg, rows[i].len);
    }
    return got;
}

/* --- push mode -------------------------------------------------------------------------------- */

static void push_later(evl_udp_socket *u) {
    u->burst = u->burst_bytes = 0;
    evl_node *node = &u->io.base.node;
    if (!evl_linked(&node->link))
        evl_ready(u->io.base.loop, node);
}

void evl_udp_readable(evl_udp_socket *u) {
    if (u->reader)
        evl_op_try(u->reader);
    else if (evl_u_pushes(u) && !evl_u_has(u, EVL_U_REPORTED))
        push_later(u);
}

/* There may be more. While the budget lasts it is taken next, in front of what else is ready in this pass. */
static void push_on(evl_udp_socket *u, int64_t n) {
    evl_loop *loop = u->io.base.loop;
    u->burst++;
    u->burst_bytes += n > 0 ? (uint32_t)n : 0;
    if (u->burst < EVL_UDP_BURST && u->burst_bytes < EVL_UDP_BYTES)
        evl_list_prepend(&loop->running, &u->io.base.node.link);
    else
        push_later(u);
}

static bool push_datagram(evl_udp_socket *u, int64_t *result) {
    evl_net *net = evl_net_at(u->io.base.loop);
    char *room = evl_net_shared_buf(net);
    int64_t n = fetch(u, room, EVL_READ_MAX, &u->from, &u->from_len);
    *result = n;
    if (n == EVL_EAGAIN)
        return false;
    net->loop->borrower = n >= 0 || n == EVL_EMSGSIZE ? &u->io.base : NULL;
    net->shared_data = room;
    net->shared_len = n >= 0 ? (size_t)n : EVL_READ_MAX;
    push_on(u, n);
    return true;
}

/* Allocates the shared buffer, so that pushing cannot fail. A callback that uses it now can continue to. */
static int reserve_shared_buf(evl_loop *loop) {
    int rc = evl_net_get(loop);
    if (rc != 0 || evl_net_at(loop)->shared_buf)
        return rc;
    evl_net_at(loop)->shared_buf = evl_mem_resize(&loop->mem, NULL, 0, EVL_READ_MAX);
    return evl_net_at(loop)->shared_buf ? 0 : EVL_ENOMEM;
}

static void end_sharing(const evl_udp_socket *u) {
    evl_net *net = evl_net_at(u->io.base.loop);
    if (net && net->loop->borrower == &u->io.base)
        net->loop->borrower = NULL;
}

/* A record says that there are datagrams. The next one comes after a receive was tried. */
static void report_record(evl_udp_socket *u, int64_t *result) {
    *result = evl_udp_take_error(u);
    if (*result != 0) {
        if (evl_u_has(u, EVL_U_CAN_READ))
            push_later(u);
        return;
    }
    *result = EVL_READ;
    u->flags |= EVL_U_REPORTED;
    evl_udp_update_state(u);
}

bool evl_udp_take(evl_handle *handle, int64_t *result) {
    evl_udp_socket *u = evl_u_of(handle);
    if (EVL_UNLIKELY(u->lost != 0)) {
        u->flags &= ~(uint32_t)EVL_U_PUSH;
        end_sharing(u);
        evl_udp_update_state(u);
        *result = u->lost;
        return true;
    }
    if (handle->node.fn.done)
        return push_datagram(u, result);
    report_record(u, result);
    return true;
}

static void end_report(evl_udp_socket *u) {
    if (!evl_u_has(u, EVL_U_REPORTED))
        return;
    u->flags &= ~(uint32_t)EVL_U_REPORTED;
    if (evl_u_pushes(u) && evl_u_has(u, EVL_U_CAN_READ))
        push_later(u);
    evl_udp_update_state(u);
    evl_touch(u->io.base.loop);
}

int32_t evl_udp_on_data(evl_udp *udp, evl_done_fn *fn, void *arg) {
    int rc = evl_udp_enter(udp);
    if (rc != 0)
        return rc;
    evl_udp_socket *u = evl_u_of(udp);
    if (u->reader)
        return EVL_EBUSY;
    rc = fn ? reserve_shared_buf(udp->loop) : 0;
    if (rc != 0)
        return rc;
    evl_list_unlink(&udp->node.link);
    evl_node_set(&udp->node, EVL_KIND_UDP, fn, arg);
    udp->node.type = EVL_NODE_TAKE;
    u->flags = (u->flags & ~(uint32_t)EVL_U_REPORTED) | EVL_U_PUSH | EVL_U_PAUSED;
    return evl_udp_resume(udp);
}

int32_t evl_udp_pause(evl_udp *udp) {
    int rc = evl_check_kind(udp, EVL_KIND_UDP);
    if (rc == 0)
        rc = evl_enter_child(udp->loop);
    if (rc != 0)
        return rc;
    evl_udp_socket *u = evl_u_of(udp);
    evl_list_unlink(&udp->node.link);
    u->flags = (u->flags & ~(uint32_t)EVL_U_REPORTED) | EVL_U_PAUSED;
    evl_udp_update_state(u);
    evl_touch(udp->loop);
    return 0;
}

int32_t evl_udp_resume(evl_udp *udp) {
    int rc = evl_udp_enter(udp);
    if (rc != 0)
        return rc;
    evl_udp_socket *u = evl_u_of(udp);
    if (!evl_u_has(u, EVL_U_PUSH))
        return EVL_EINVAL;
    if (u->reader)
        return EVL_EBUSY;
    u->flags &= ~(uint32_t)EVL_U_PAUSED;
    if ((u->error != 0 || evl_u_has(u, EVL_U_CAN_READ)) && !evl_u_has(u, EVL_U_REPORTED))
        push_later(u);
    evl_udp_update_state(u);
    evl_touch(udp->loop);
    return 0;
}

int64_t evl_udp_peek(const evl_udp *udp, const void **data, const void **address, uint32_t *length) {
    int rc = evl_enter_to_read(udp, EVL_KIND_UDP);
    if (rc != 0)
        return rc;
    const evl_udp_socket *u = evl_u_of(udp);
    const evl_net *net = evl_net_at(udp->loop);
    if (!net || net->loop->borrower != udp)
        return EVL_EAGAIN;
    if (data)
        *data = net->shared_data;
    if (address)
        *address = &u->from;
    if (length)
        *length = u->from_len;
    return (int64_t)net->shared_len;
}

/* --- receiving -------------------------------------------------------------------------------- */

static void receive_leave(evl_operation *op) {
    evl_udp_socket *u = op->owner;
    u->reader = NULL;
    evl_udp_update_state(u);
}

static void receive_deliver(evl_operation *op) {
    evl_udp_socket *u = op->owner;
    op->node.u.result = fetch(u, op->value, (size_t)op->until, u->reader_address, u->reader_length);
    if (op->node.u.result != EVL_EAGAIN)
        receive_leave(op);
}

static const evl_op_type receiving = {
    .name = "udp receive", .leave = receive_leave, .deliver = receive_deliver, .tries = true};

void evl_udp_end_receiving(evl_udp_socket *u, int error) {
    evl_operation *op = u->reader;
    u->reader = NULL;
    end_sharing(u);
    if (op)
        evl_op_fail(op, error);
}

int32_t evl_udp_receive(evl_udp *udp, evl_op *op, void *buf, size_t cap, void *address, uint32_t *length) {
    int rc = evl_udp_enter(udp);
    if (rc == 0)
        rc = evl_op_check_start(udp->loop, op);
    if (rc != 0)
        return rc;
    evl_udp_socket *u = evl_u_of(udp);
    if (!buf && cap > 0)
        return EVL_EINVAL;
    if (u->reader || evl_u_pushes(u))
        return EVL_EBUSY;
    evl_operation *self = evl_op_park(udp->loop, op, &receiving, u);
    self->value = buf;
    self->until = cap < INT32_MAX ? (int64_t)cap : INT32_MAX;
    u->reader = self;
    u->reader_address = address;
    u->reader_length = length;
    evl_udp_update_state(u);
    if (u->error != 0 || evl_u_has(u, EVL_U_CAN_READ))
        rc = evl_op_try_now(self);
    evl_touch(udp->loop);
    return rc;
}

static int enter_to_try(const evl_udp *udp) {
    int rc = evl_udp_enter(udp);
    return rc == 0 && evl_u_of(udp)->reader ? EVL_EBUSY : rc;
}

int64_t evl_udp_try_receive(evl_udp *udp, void *buf, size_t cap, void *address, uint32_t *length) {
    int rc = enter_to_try(udp);
    if (rc != 0 || (!buf && cap > 0))
        return rc != 0 ? rc : EVL_EINVAL;
    evl_udp_socket *u = evl_u_of(udp);
    int64_t n = fetch(u, buf, cap, address, length);
    end_report(u);
    return n;
}

int32_t evl_udp_try_receive_many(evl_udp *udp, evl_udp_in *rows, int32_t n) {
    int rc = enter_to_try(udp);
    if (rc != 0 || n < 0 || (n > 0 && !rows))
        return rc != 0 ? rc : EVL_EINVAL;
    evl_udp_socket *u = evl_u_of(udp);
    int32_t count = 0;
    int64_t got = 0;
    while (count < n && (got = fetch_some(u, rows + count, n - count)) > 0)
        count += (int32_t)got;
    if (got < 0 && got != EVL_EAGAIN && count > 0)
        u->error = (int32_t)got; /* the next receive returns it */
    end_report(u);
    return count > 0 || n == 0 ? count : (int32_t)got;
}
