/* udp_send.c - sending datagrams: at once if the kernel accepts them, else through a queue. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "udp.h"

#include <errno.h>
#include <string.h>

#if !defined(MSG_NOSIGNAL)
#    define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE is set there */
#endif

#define HIGH_MARK 65536
#define KEPT_MAX  262144 /* a larger queue is freed when it is empty */
#define IP_MAX    65535
#define FLAGS     (MSG_DONTWAIT | MSG_NOSIGNAL)

/* --- system calls ----------------------------------------------------------------------------- */

static int64_t send_one(evl_udp_socket *u, const void *data, size_t len, const void *address,
                        uint32_t length) {
    ssize_t n;
    do
        n = evl_sys.sendto(u->io.fd, data, len, FLAGS, address, length);
    while (EVL_UNLIKELY(n < 0) && errno == EINTR);
    return EVL_LIKELY(n >= 0) ? (int64_t)len : evl_udp_failure();
}

static void fill_row(evl_mmsg *row, struct iovec *piece, const void *data, size_t len, const void *address,
                     uint32_t length) {
    *piece = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    *row = (evl_mmsg){.msg = {.msg_name = (void *)(uintptr_t)address,
                              .msg_namelen = length,
                              .msg_iov = piece,
                              .msg_iovlen = 1}};
}

/* One system call. Returns how many were sent, or an error. */
static int send_rows(evl_udp_socket *u, evl_mmsg *rows, int n) {
    int sent = -1;
    if (!evl_u_has(u, EVL_U_ONE_BY_ONE)) {
        do
            sent = evl_sys.sendmmsg(u->io.fd, rows, (unsigned)n, FLAGS);
        while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno == ENOSYS)
            u->flags |= EVL_U_ONE_BY_ONE;
        else
            return sent < 0 ? (int)evl_udp_failure() : sent;
    }
    const struct msghdr *msg = &rows[0].msg;
    int64_t rc = send_one(u, msg->msg_iov->iov_base, msg->msg_iov->iov_len, msg->msg_name, msg->msg_namelen);
    return rc < 0 ? (int)rc : 1;
}

/* --- the queue -------------------------------------------------------------------------------- */

/* Precedes each queued datagram; its address and its bytes follow, each padded to 8 bytes. */
typedef struct header {
    uint32_t len;
    uint32_t address_len;
} header;

static size_t rounded(size_t n) { return (n + 7) & ~(size_t)7; }

static size_t size_of(const header *h) { return sizeof *h + rounded(h->address_len) + rounded(h->len); }

static const char *address_of(const header *h) { return h->address_len ? (const char *)(h + 1) : NULL; }

static const char *bytes_of(const header *h) { return (const char *)(h + 1) + rounded(h->address_len); }

static const header *datagram_at(const evl_udp_socket *u, size_t position) {
    return (const header *)(const void *)(u->bytes + position);
}

static void free_queue(evl_udp_socket *u) {
    evl_mem_free(&u->io.base.loop->mem, u->bytes, u->cap);
    u->bytes = NULL;
    u->head = u->tail = u->cap = u->queued = 0;
}

/* Makes room at the end: moves the datagrams to the front if at least half of the allocation is free, else
 * grows it. */
static int reserve_bytes(evl_udp_socket *u, size_t size) {
    if (u->tail + size <= u->cap)
        return 0;
    size_t used = u->tail - u->head, cap = u->cap ? u->cap : 4096;
    if (used + size > u->cap / 2) {
        while (cap / 2 < used + size)
            cap *= 2;
        char *fresh = evl_mem_resize(&u->io.base.loop->mem, u->bytes, u->cap, cap);
        if (!fresh)
            return EVL_ENOMEM;
        u->bytes = fresh;
        u->cap = cap;
    }
    memmove(u->bytes, u->bytes + u->head, used);
    u->head = 0;
    u->tail = used;
    return 0;
}

static void pop(evl_udp_socket *u) {
    const header *h = datagram_at(u, u->head);
    u->head += size_of(h);
    u->queued -= (size_t)h->len + EVL_UDP_OVERHEAD;
    if (u->queued != 0)
        return;
    u->head = u->tail = 0;
    if (u->cap > KEPT_MAX)
        free_queue(u);
}

static const evl_op_type sending;

/* After an error nothing has changed. */
static int64_t enqueue(evl_udp_socket *u, const void *data, size_t len, const void *address,
                       uint32_t length) {
    if (u->hard != 0 && u->queued + len + EVL_UDP_OVERHEAD > u->hard)
        return EVL_ENOBUFS;
    header h = {.len = (uint32_t)len, .address_len = length};
    int rc = reserve_bytes(u, size_of(&h));
    if (rc != 0)
        return rc;
    char *to = u->bytes + u->tail;
    memcpy(to, &h, sizeof h);
    if (length > 0)
        memcpy(to + sizeof h, address, length);
    if (len > 0)
        memcpy(to + sizeof h + rounded(length), data, len);
    u->tail += size_of(&h);
    u->queued += len + EVL_UDP_OVERHEAD;
    if (evl_op_active(&u->sender) == 0)
        (void)evl_op_park(u->io.base.loop, &u->sender, &sending, u);
    evl_udp_update_state(u);
    return (int64_t)len;
}

/* --- waiters ---------------------------------------------------------------------------------- */

static const evl_op_type draining = {.name = "udp drain"};
static const evl_op_type flushing = {.name = "udp flush"};

static void complete(evl_operation *op, int error) {
    evl_list_remove(&op->node.link);
    evl_op_complete(op, error);
}

static void wake_waiters(evl_udp_socket *u) {
    for (evl_link *link = u->waiters.next, *next; link != &u->waiters; link = next) {
        evl_operation *op = evl_operation_at(link);
        next = link->next;
        if (u->queued <= (op->type == &draining ? u->low : 0))
            complete(op, 0);
    }
}

static void fail_waiters(evl_udp_socket *u, int error) {
    while (!evl_list_empty(&u->waiters))
        complete(evl_operation_at(u->waiters.next), error);
}

/* A queued datagram could not be sent: the receiver gets the error, or without one the waiters. */
static void report_error(evl_udp_socket *u, int error) {
    if (u->error == 0)
        u->error = error;
    if (u->reader || evl_u_pushes(u))
        evl_udp_readable(u);
    else if (!evl_list_empty(&u->waiters))
        fail_waiters(u, evl_udp_take_error(u));
}

static int32_t wait_until(evl_udp *udp, evl_op *op, const evl_op_type *type) {
    int rc = evl_udp_enter(udp);
    if (rc == 0)
        rc = evl_op_check_start(udp->loop, op);
    if (rc != 0)
        return rc;
    evl_udp_socket *u = evl_u_of(udp);
    bool has_receiver = u->reader || evl_u_pushes(u);
    int error = has_receiver ? 0 : evl_udp_take_error(u);
    if (error != 0 || u->queued <= (type == &draining ? u->high : 0))
        return evl_op_start_done(udp->loop, op, type, u, error);
    evl_operation *self = evl_op_park(udp->loop, op, type, u);
    evl_list_append(&u->waiters, &self->node.link);
    return 0;
}

int32_t evl_udp_drain(evl_udp *udp, evl_op *op) { return wait_until(udp, op, &draining); }

int32_t evl_udp_flush(evl_udp *udp, evl_op *op) { return wait_until(udp, op, &flushing); }

int32_t evl_udp_set_marks(evl_udp *udp, uint32_t high, uint32_t low, uint32_t hard) {
    int rc = evl_udp_enter(udp);
    if (rc != 0)
        return rc;
    low = low == UINT32_MAX ? high / 4 : low;
    if (low > high)
        return EVL_EINVAL;
    evl_udp_socket *u = evl_u_of(udp);
    u->high = high;
    u->low = low;
    u->hard = hard;
    wake_waiters(u);
    return 0;
}

int64_t evl_udp_queued(const evl_udp *udp) {
    int rc = evl_enter_to_read(udp, EVL_KIND_UDP);
    return rc != 0 ? rc : (int64_t)evl_u_of(udp)->queued;
}

/* --- sending the queue ------------------------------------------------------------------------ */

/* One system call for up to `max` datagrams. Returns how many have left the queue, one of which may have
 * failed, or EVL_EAGAIN. A connected socket also returns, once, the error of an earlier datagram, and has
 * sent nothing then: so a failed call is repeated. */
static int send_front(evl_udp_socket *u, int max, size_t *bytes) {
    evl_mmsg rows[EVL_UDP_BURST];
    struct iovec pieces[EVL_UDP_BURST];
    int n = 0;
    for (size_t p = u->head; n < max && p < u->tail && (n == 0 || *bytes < EVL_UDP_BYTES); n++) {
        const header *h = datagram_at(u, p);
        fill_row(&rows[n], &pieces[n], bytes_of(h), h->len, address_of(h), h->address_len);
        *bytes += h->len;
        p += size_of(h);
    }
    int sent = send_rows(u, rows, n);
    if (sent < 0 && sent != EVL_EAGAIN && evl_u_has(u, EVL_U_CONNECTED)) {
        int first = sent;
        sent = send_rows(u, rows, n);
        if (sent >= 0 || sent == EVL_EAGAIN)
            report_error(u, first);
    }
    if (sent == EVL_EAGAIN)
        return sent;
    for (int i = 0; i < sent; i++)
        pop(u);
    if (sent > 0)
        return sent;
    pop(u);
    report_error(u, sent);
    return 1;
}

/* Sends within the budget of an event. Returns 0 if the queue is empty, EVL_EAGAIN if the kernel is full,
 * EVL_EINPROGRESS if the budget is spent. */
static int send_queued(evl_udp_socket *u) {
    int budget = EVL_UDP_BURST, rc = 0;
    size_t bytes = 0;
    while (u->queued != 0 && budget > 0 && bytes < EVL_UDP_BYTES) {
        rc = send_front(u, budget, &bytes);
        if (rc < 0)
            break;
        budget -= rc;
    }
    wake_waiters(u);
    evl_udp_update_state(u);
    return u->queued == 0 ? 0 : rc < 0 ? rc : EVL_EINPROGRESS;
}

static void send_leave(evl_operation *op) { (void)op; }

static void send_deliver(evl_operation *op) { op->node.u.result = send_queued(op->owner); }

static const evl_op_type sending = {
    .name = "udp send", .leave = send_leave, .deliver = send_deliver, .tries = true};

static void ignore_result(void *arg, int64_t result) { (void)arg, (void)result; }

void evl_udp_init_sending(evl_udp_socket *u) {
    u->bytes = NULL;
    u->head = u->tail = u->cap = u->queued = 0;
    u->high = HIGH_MARK;
    u->low = HIGH_MARK / 4;
    u->hard = 0;
    evl_list_init(&u->waiters);
    evl_op_init_internal(&u->sender, ignore_result, u);
}

void evl_udp_writable(evl_udp_socket *u) {
    if (u->queued != 0)
        evl_op_try(evl_operation_of(&u->sender));
}

void evl_udp_send_last(evl_udp_socket *u) {
    int rc;
    do
        rc = u->queued != 0 ? send_queued(u) : 0;
    while (rc == EVL_EINPROGRESS);
}

void evl_udp_end_sending(evl_udp_socket *u, int error) {
    if (evl_op_active(&u->sender) == 1)
        evl_op_forget(evl_operation_of(&u->sender));
    free_queue(u);
    fail_waiters(u, error);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Returns 0 if it is the connected address, or EVL_EISCONN. */
static int compare_to_peer(const evl_udp_socket *u, const void *address, uint32_t length) {
    struct sockaddr_storage peer;
    socklen_t peer_length = sizeof peer;
    char a[EVL_ADDRESS_TEXT], b[EVL_ADDRESS_TEXT];
    if (evl_sys.getpeername(u->io.fd, (struct sockaddr *)&peer, &peer_length) != 0)
        return evl_err_from_errno(errno);
    bool same = evl_address_text(&peer, peer_length, a, sizeof a) >= 0 &&
                evl_address_text(address, length, b, sizeof b) >= 0 && strcmp(a, b) == 0;
    return same ? 0 : EVL_EISCONN;
}

/* Checks a datagram and its address. The connected address is removed: some kernels refuse it on a connected
 * socket. */
static int check_row(const evl_udp_socket *u, evl_udp_out *row) {
    bool connected = evl_u_has(u, EVL_U_CONNECTED);
    if (!row->data && row->len > 0)
        return EVL_EINVAL;
    if (row->len > (evl_u_has(u, EVL_U_LARGE) ? INT32_MAX : IP_MAX))
        return EVL_EMSGSIZE;
    if (!row->address) {
        row->length = 0;
        return connected ? 0 : EVL_EDESTADDRREQ;
    }
    if (row->length < sizeof(sa_family_t) || row->length > EVL_ADDRESS_SIZE)
        return EVL_EINVAL;
    if (!connected)
        return 0;
    int rc = compare_to_peer(u, row->address, row->length);
    row->address = NULL;
    row->length = 0;
    return rc;
}

int64_t evl_udp_send(evl_udp *udp, const void *data, size_t len, const void *address, uint32_t length) {
    int64_t rc = evl_udp_enter(udp);
    if (rc != 0)
        return rc;
    evl_udp_socket *u = evl_u_of(udp);
    evl_udp_out row = {.data = data, .len = len, .address = address, .length = length};
    rc = check_row(u, &row);
    if (rc != 0)
        return rc;
    rc = u->queued == 0 ? send_one(u, data, len, row.address, row.length) : EVL_EAGAIN;
    if (rc == EVL_EAGAIN) {
        rc = enqueue(u, data, len, row.address, row.length);
        evl_touch(udp->loop);
    }
    return rc;
}

/* One system call for the rows in front of the first invalid one. Returns how many were sent, or an error. */
static int send_batch(evl_udp_socket *u, const evl_udp_out *out, int n) {
    evl_mmsg rows[EVL_UDP_BURST];
    struct iovec pieces[EVL_UDP_BURST];
    int count = 0, rc = 0;
    for (; count < n && count < EVL_UDP_BURST; count++) {
        evl_udp_out row = out[count];
        rc = check_row(u, &row);
        if (rc != 0)
            break;
        fill_row(&rows[count], &pieces[count], row.data, row.len, row.address, row.length);
    }
    return count > 0 ? send_rows(u, rows, count) : rc;
}

static int64_t enqueue_row(evl_udp_socket *u, const evl_udp_out *out) {
    evl_udp_out row = *out;
    int rc = check_row(u, &row);
    return rc != 0 ? rc : enqueue(u, row.data, row.len, row.address, row.length);
}

int32_t evl_udp_send_many(evl_udp *udp, const evl_udp_out *rows, int32_t n) {
    int rc = evl_udp_enter(udp);
    if (rc != 0 || n < 0 || (n > 0 && !rows))
        return rc != 0 ? rc : EVL_EINVAL;
    evl_udp_socket *u = evl_u_of(udp);
    int32_t done = 0;
    int64_t got = 0;
    while (done < n && got >= 0) {
        got = u->queued == 0 ? send_batch(u, rows + done, n - done) : EVL_EAGAIN;
        if (got > 0) {
            done += (int32_t)got;
            continue;
        }
        if (got == EVL_EAGAIN) {
            got = enqueue_row(u, &rows[done]);
            done += got >= 0;
        }
    }
    evl_touch(udp->loop);
    return done > 0 ? done : (int32_t)got;
}
