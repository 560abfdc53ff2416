/* stream_write.c - writing: what the kernel does not take at once is queued, and goes out when it can. */
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PIECES_MAX 64
#define BUFS_MAX   1024

enum { WAIT_DRAIN, WAIT_FLUSH, WAIT_SHUTDOWN, WAIT_SPLICE };

size_t evl_stream_queue_size(const evl_stream_handle *s) { return s->out ? s->out->queued : 0; }

/* --- the queue -------------------------------------------------------------------------------- */

static evl_outq *queue_of(evl_stream_handle *s) {
    if (s->out)
        return s->out;
    evl_outq *q = evl_pool_take(evl_s_net(s), &evl_s_net(s)->queues);
    if (!q)
        return NULL;
    evl_list_init(&q->chunks);
    evl_list_init(&q->waiters);
    q->again.next = NULL;
    q->stream = s;
    q->queued = 0;
    s->out = q;
    return q;
}

static void drop_empty(evl_stream_handle *s) {
    evl_outq *q = s->out;
    if (!q || !evl_list_empty(&q->chunks) || !evl_list_empty(&q->waiters))
        return;
    evl_list_unlink(&q->again);
    s->out = NULL;
    evl_pool_give(evl_s_net(s), &evl_s_net(s)->queues, q);
}

enum { SIZE_BLOCK = 0, SIZE_HEAD = 1 };

static evl_chunk *new_chunk(evl_stream_handle *s, size_t room) {
    evl_net *net = evl_s_net(s);
    size_t size = sizeof(evl_chunk) + room;
    evl_chunk *c;
    if (room == 0)
        c = evl_pool_take(net, &net->heads);
    else if (size <= EVL_BLOCK)
        c = evl_pool_take(net, &net->blocks);
    else
        c = evl_mem_resize(&net->loop->mem, NULL, 0, size);
    if (!c)
        return NULL;
    *c = (evl_chunk){.data = c->bytes, .file = -1};
    c->size = room == 0 ? SIZE_HEAD : size <= EVL_BLOCK ? SIZE_BLOCK : size;
    return c;
}

static void free_chunk(evl_stream_handle *s, evl_chunk *c) {
    evl_net *net = evl_s_net(s);
    evl_list_unlink(&c->link);
    if (c->release)
        evl_drop_reserved(net->loop, c->release);
    if (c->conduit)
        evl_conduit_unref(c->conduit);
    if (c->size == SIZE_BLOCK)
        evl_pool_give(net, &net->blocks, c);
    else if (c->size == SIZE_HEAD)
        evl_pool_give(net, &net->heads, c);
    else
        evl_mem_free(&net->loop->mem, c, c->size);
}

/* Room behind the bytes of the last chunk. */
static size_t tail_room(const evl_outq *q) {
    if (evl_list_empty(&q->chunks))
        return 0;
    const evl_chunk *c = EVL_OWNER(q->chunks.prev, evl_chunk, link);
    if (c->size != SIZE_BLOCK || c->file >= 0)
        return 0;
    return (size_t)((const char *)c + EVL_BLOCK - (c->data + c->len));
}

static void append(evl_stream_handle *s, evl_chunk *c) {
    evl_list_append(&s->out->chunks, &c->link);
    s->out->queued += c->len;
}

/* The pieces from `skip` bytes on, behind what is queued. All or nothing. */
static int enqueue(evl_stream_handle *s, const evl_buf *bufs, int n, size_t skip, size_t total) {
    evl_outq *q = queue_of(s);
    if (!q)
        return EVL_ENOMEM;
    size_t left = total - skip, room = tail_room(q);
    evl_chunk *tail = room > 0 ? EVL_OWNER(q->chunks.prev, evl_chunk, link) : NULL;
    evl_chunk *fresh = NULL;
    if (left > room) {
        size_t most = EVL_BLOCK - sizeof(evl_chunk);
        fresh = new_chunk(s, left - room < most ? most : left - room);
        if (!fresh) {
            drop_empty(s);
            return EVL_ENOMEM;
        }
        append(s, fresh);
    }
    for (int i = 0; i < n; i++) {
        const char *from = bufs[i].data;
        size_t len = bufs[i].len;
        size_t over = skip < len ? skip : len;
        from += over, len -= over, skip -= over;
        size_t first = len < room ? len : room;
        if (first > 0) {
            memcpy((char *)(uintptr_t)tail->data + tail->len, from, first);
            tail->len += first;
            room -= first;
        }
        if (len > first) {
            memcpy(fresh->bytes + fresh->len, from + first, len - first);
            fresh->len += len - first;
        }
    }
    q->queued += left;
    return 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void sent(evl_stream_handle *s, size_t n) {
    s->bytes_out += n;
    s->last_out = evl_s_loop(s)->now;
}

static void arm(evl_stream_handle *s) {
    if (evl_s_has(s, EVL_S_OUT) && !evl_s_has(s, EVL_S_CUSTOM))
        return;
    s->flags |= EVL_S_OUT;
    evl_stream_interest(s);
}

/* A Unix socket would wake us with every message the other end reads. */
static void disarm(evl_stream_handle *s) {
    bool stays = (s->flags & (EVL_S_TCP | EVL_S_EDGE)) == (EVL_S_TCP | EVL_S_EDGE);
    if (stays || !evl_s_has(s, EVL_S_OUT))
        return;
    s->flags &= ~(uint32_t)EVL_S_OUT;
    evl_stream_interest(s);
}

/* The next pass goes on. */
static void send_soon(evl_stream_handle *s) {
    evl_list_unlink(&s->out->again);
    evl_list_append(&evl_s_net(s)->writing, &s->out->again);
    evl_net_again(evl_s_net(s));
}

static void take_sent(evl_stream_handle *s, size_t n) {
    evl_outq *q = s->out;
    sent(s, n);
    q->queued -= n;
    while (n > 0) {
        evl_chunk *c = EVL_OWNER(q->chunks.next, evl_chunk, link);
        size_t part = n < c->len ? n : c->len;
        c->data += part;
        c->len -= part;
        n -= part;
        if (c->len == 0)
            free_chunk(s, c);
    }
}

static int64_t send_pieces(evl_stream_handle *s) {
    evl_buf bufs[PIECES_MAX];
    int n = 0;
    for (evl_link *link = s->out->chunks.next; link != &s->out->chunks && n < PIECES_MAX; link = link->next) {
        const evl_chunk *c = EVL_OWNER(link, evl_chunk, link);
        if (c->file >= 0)
            break;
        bufs[n++] = (evl_buf){c->data, c->len};
    }
    int64_t rc = evl_transport_writev(s, bufs, n);
    if (rc > 0)
        take_sent(s, (size_t)rc);
    return rc == 0 ? EVL_EAGAIN : rc;
}

/* Where the kernel has no sendfile for this pair of files. */
static int64_t send_file_by_copy(evl_stream_handle *s, evl_chunk *c) {
    char *buf = evl_net_lend(evl_s_net(s));
    evl_s_loop(s)->lent_to = NULL;
    if (!buf)
        return EVL_ENOMEM;
    size_t want = c->len < EVL_READ_MAX ? c->len : EVL_READ_MAX;
    ssize_t got;
    do
        got = evl_sys.pread(c->file, buf, want, c->offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got == 0 ? 0 : evl_err_from_errno(errno);
    int64_t n = evl_transport_writev(s, &(evl_buf){buf, (size_t)got}, 1);
    if (n > 0)
        c->offset += n;
    return n;
}

/* The kernel would not splice to this fd: what the pipe holds becomes a chunk that is copied. 0: this chunk
 * is done with. */
static int64_t copy_conduit(evl_stream_handle *s, evl_chunk *c) {
    evl_chunk *copy = new_chunk(s, c->len);
    if (!copy)
        return EVL_ENOMEM;
    for (int64_t n; copy->len < c->len; copy->len += (size_t)n) {
        n = evl_conduit_read(c->conduit, copy->bytes + copy->len, c->len - copy->len);
        if (n <= 0) {
            free_chunk(s, copy);
            return n < 0 ? n : EVL_EPIPE;
        }
    }
    s->out->queued += copy->len;
    evl_list_insert(c->link.next, &copy->link);
    return 0;
}

static int64_t send_file(evl_stream_handle *s, evl_chunk *c) {
    bool plain = (s->flags & (EVL_S_CUSTOM | EVL_S_SOCKET)) == EVL_S_SOCKET;
    int64_t n = EVL_ENOSYS;
    if (c->conduit)
        n = evl_conduit_send(s, c->conduit, c->len);
    else if (plain && c->op->count == 0) {
        ssize_t rc;
        do
            rc = evl_sys.sendfile(s->io.fd, c->file, &c->offset, c->len);
        while (rc < 0 && errno == EINTR);
        n = rc >= 0 ? rc : errno == EAGAIN ? EVL_EAGAIN : evl_err_from_errno(errno);
        if (n == EVL_EINVAL || n == EVL_ENOSYS)
            c->op->count = 1; /* remembered */
    }
    if (n == EVL_ENOSYS || n == EVL_EINVAL)
        n = c->conduit ? copy_conduit(s, c) : send_file_by_copy(s, c);
    if (n > 0) {
        sent(s, (size_t)n);
        c->sent += n;
        c->len -= (size_t)n;
    }
    return n;
}

static bool is_socket_error(int64_t error) {
    return error == EVL_EPIPE || error == EVL_ECONNRESET || error == EVL_ETIMEDOUT || error == EVL_ENOTCONN;
}

/* The next chunk is a file. True: go on with what follows. */
static bool step_file(evl_stream_handle *s, evl_chunk *c, int64_t *result) {
    evl_operation *op = c->op;
    int64_t n = send_file(s, c);
    *result = n;
    if (n == EVL_EAGAIN || is_socket_error(n) || (n < 0 && !op)) /* a conduit's bytes are owed */
        return false;
    if (n > 0 && c->len > 0)
        return true;
    int64_t total = n < 0 ? n : c->sent;
    free_chunk(s, c);
    if (op)
        evl_op_complete(op, total);
    *result = 1;
    return true;
}

void evl_stream_send_queue(evl_stream_handle *s) {
    int64_t n = 0;
    for (int i = 0; i < EVL_WRITES_MAX && evl_s_is_sending(s) && n >= 0; i++) {
        evl_chunk *c = EVL_OWNER(s->out->chunks.next, evl_chunk, link);
        if (c->file < 0)
            n = send_pieces(s);
        else if (!step_file(s, c, &n))
            break;
    }
    if (n < 0 && n != EVL_EAGAIN) {
        evl_stream_end_writing(s, (int)n);
        evl_stream_settle(s);
        return;
    }
    if (n == EVL_EAGAIN)
        arm(s);
    else if (evl_s_is_sending(s)) {
        send_soon(s);
    } else
        disarm(s);
    evl_stream_told(s);
    evl_stream_try_shutdown(s);
    evl_stream_settle(s);
}

/* --- who waits -------------------------------------------------------------------------------- */

static bool is_ended(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED) || !evl_s_has(s, EVL_S_SOCKET);
}

/* Whether what an operation waits for is there. */
static inline bool is_met(const evl_stream_handle *s, int what) {
    if (what == WAIT_DRAIN)
        return !evl_s_has(s, EVL_S_CHOKED);
    bool flushed = !evl_s_is_sending(s);
    if (what == WAIT_SPLICE)
        return flushed;
    return what == WAIT_FLUSH ? flushed : flushed && is_ended(s);
}

static void update_choked(evl_stream_handle *s) {
    size_t queued = evl_stream_queue_size(s);
    if (queued > s->high)
        s->flags |= EVL_S_CHOKED;
    else if (queued <= s->low)
        s->flags &= ~(uint32_t)EVL_S_CHOKED;
}

void evl_stream_told(evl_stream_handle *s) {
    update_choked(s);
    if (!s->out)
        return;
    for (evl_link *link = s->out->waiters.next, *next; link != &s->out->waiters; link = next) {
        evl_operation *op = evl_operation_at(link);
        next = link->next;
        if (!is_met(s, op->count))
            continue;
        evl_list_remove(link);
        if (op->count == WAIT_SPLICE) {
            evl_op_try(op);
            continue;
        }
        bool failed = op->count == WAIT_SHUTDOWN && evl_s_has(s, EVL_S_READ_FAILED);
        evl_op_complete(op, failed ? s->error : 0);
    }
    drop_empty(s);
}

static void end_waiters(evl_stream_handle *s, int error) {
    evl_outq *q = s->out;
    while (!evl_list_empty(&q->waiters)) {
        evl_operation *op = evl_operation_at(q->waiters.next);
        if (op->count == WAIT_SPLICE)
            evl_splice_end(op);
        else
            evl_list_remove(&op->node.link);
        evl_op_complete(op, error);
    }
    for (evl_link *link = q->chunks.next, *next; link != &q->chunks; link = next) {
        evl_chunk *c = EVL_OWNER(link, evl_chunk, link);
        next = link->next;
        if (!c->op)
            continue;
        evl_operation *op = c->op;
        free_chunk(s, c);
        evl_op_complete(op, error);
    }
}

void evl_stream_end_waiting(evl_stream_handle *s) {
    if (!s->out)
        return;
    end_waiters(s, EVL_ECLOSED);
    drop_empty(s);
}

void evl_stream_end_writing(evl_stream_handle *s, int error) {
    s->flags |= EVL_S_WRITE_FAILED;
    if (s->error == 0)
        s->error = error;
    if (!s->out)
        return;
    end_waiters(s, error);
    while (!evl_list_empty(&s->out->chunks)) {
        evl_chunk *c = EVL_OWNER(s->out->chunks.next, evl_chunk, link);
        if (c->file < 0)
            s->out->queued -= c->len;
        free_chunk(s, c);
    }
    drop_empty(s);
    update_choked(s);
}

static const evl_op_type waiting;

static inline int wait_for(evl_stream *stream, evl_op *op, int what) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_op_check_start(stream->loop, op);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (EVL_UNLIKELY(evl_s_has(s, EVL_S_WRITE_FAILED)))
        return evl_op_start_done(stream->loop, op, &waiting, s, s->error);
    if (EVL_LIKELY(is_met(s, what)))
        return evl_op_start_done(stream->loop, op, &waiting, s, 0);
    evl_outq *q = queue_of(s);
    if (!q)
        return EVL_ENOMEM;
    evl_operation *self = evl_op_park(stream->loop, op, &waiting, s);
    self->count = (uint16_t)what;
    evl_list_append(&q->waiters, &self->node.link);
    return 0;
}

static void leave(evl_operation *op) {
    evl_list_remove(&op->node.link);
    drop_empty(op->owner);
}

static const evl_op_type waiting = {.name = "drain", .leave = leave};

int32_t evl_stream_drain(evl_stream *stream, evl_op *op) { return wait_for(stream, op, WAIT_DRAIN); }
int32_t evl_stream_flush(evl_stream *stream, evl_op *op) { return wait_for(stream, op, WAIT_FLUSH); }

int32_t evl_stream_shutdown(evl_stream *stream, evl_op *op) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_op_check_start(stream->loop, op);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    bool pushed = evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_PAUSED);
    if (s->reader || pushed)
        return EVL_EBUSY;
    if (!queue_of(s)) /* for the operation, so that nothing fails once the end is announced */
        return EVL_ENOMEM;
    s->flags |= EVL_S_DISCARD | (evl_s_has(s, EVL_S_SOCKET) ? EVL_S_SHUT_ASKED : 0U);
    evl_stream_try_shutdown(s);
    rc = wait_for(stream, op, WAIT_SHUTDOWN);
    drop_empty(s);
    if (rc == 0 && evl_s_has(s, EVL_S_CAN_READ))
        evl_stream_discard_soon(s);
    evl_stream_interest(s);
    evl_touch(stream->loop);
    return rc;
}

/* --- the end of what is written --------------------------------------------------------------- */

void evl_stream_try_shutdown(evl_stream_handle *s) {
    bool asked = (s->flags & (EVL_S_SHUT_ASKED | EVL_S_SHUT | EVL_S_WRITE_FAILED)) == EVL_S_SHUT_ASKED;
    if (!asked || evl_s_is_sending(s) || s->io.fd < 0)
        return;
    int rc = evl_transport_shutdown(s);
    if (rc == EVL_EAGAIN) {
        arm(s);
        return;
    }
    s->flags |= EVL_S_SHUT;
    if (evl_s_has(s, EVL_S_CUSTOM))
        disarm(s); /* it may have been waiting for this */
    if (rc != 0)
        evl_stream_end_writing(s, rc);
}

int32_t evl_stream_write_eof(evl_stream *stream) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (!evl_s_has(s, EVL_S_SOCKET))
        return EVL_ENOTSUP;
    bool failed = evl_s_has(s, EVL_S_WRITE_FAILED);
    s->flags |= EVL_S_SHUT_ASKED;
    evl_stream_try_shutdown(s);
    return !failed && evl_s_has(s, EVL_S_WRITE_FAILED) ? s->error : 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

int evl_stream_check_write(const evl_stream_handle *s) {
    if (EVL_UNLIKELY(evl_s_has(s, EVL_S_NO_WRITE | EVL_S_SHUT_ASKED | EVL_S_WRITE_FAILED))) {
        if (evl_s_has(s, EVL_S_WRITE_FAILED))
            return s->error;
        return evl_s_has(s, EVL_S_SHUT_ASKED) ? EVL_EPIPE : EVL_EBADF;
    }
    return 0;
}

static bool is_too_much(const evl_stream_handle *s, size_t len) {
    uint32_t hard = s->more ? s->more->hard : 0;
    size_t max = hard != 0 ? hard : PTRDIFF_MAX; /* what is lent repeatedly can add up to more than memory */
    return len > max || evl_stream_queue_size(s) > max - len;
}

/* What could not be sent at once has been queued. Unless the kernel was found full, there may be no edge to
 * wait for. */
static void queued(evl_stream_handle *s, bool full) {
    update_choked(s);
    evl_handle_set_active(&s->io.base, true);
    /* What is only written to has WRITE from the start. */
    bool armed = evl_s_has(s, EVL_S_OUT | EVL_S_NO_READ | EVL_S_CUSTOM);
    if (full || !armed)
        arm(s);
    else
        send_soon(s);
    evl_touch(evl_s_loop(s));
}

/* Sends pieces that nothing is queued in front of. How much went out, or an error. */
static int64_t note_sent(evl_stream_handle *s, int64_t rc) {
    if (EVL_LIKELY(rc > 0)) {
        sent(s, (size_t)rc);
        return rc;
    }
    if (rc == EVL_EAGAIN || rc == 0)
        return 0;
    evl_stream_end_writing(s, (int)rc);
    return rc;
}

static int64_t send_now(evl_stream_handle *s, const evl_buf *bufs, int n) {
    return note_sent(s, n == 1 ? evl_transport_write(s, bufs->data, bufs->len)
                               : evl_transport_writev(s, bufs, n));
}

/* Queues what is left when `out` bytes went out. */
static int64_t queue_rest(evl_stream_handle *s, const evl_buf *bufs, int n, size_t out, size_t total) {
    uint32_t hard = s->more ? s->more->hard : 0;
    if (hard != 0 && total - out > hard) /* the kernel took a part, and the rest is more than may be queued */
        return out > 0 ? (int64_t)out : EVL_ENOBUFS;
    int rc = enqueue(s, bufs, n, out, total);
    if (rc != 0)
        return out > 0 ? (int64_t)out : rc;
    queued(s, out == 0);
    return (int64_t)total;
}

static int64_t write_pieces(evl_stream_handle *s, const evl_buf *bufs, int n, size_t total) {
    int rc = evl_stream_check_write(s);
    if (EVL_UNLIKELY(rc != 0))
        return rc;
    if (EVL_UNLIKELY(total == 0))
        return 0;
    int64_t out = 0;
    if (EVL_UNLIKELY(evl_s_is_sending(s))) {
        if (is_too_much(s, total))
            return EVL_ENOBUFS;
    } else {
        out = send_now(s, bufs, n < PIECES_MAX ? n : PIECES_MAX);
        if (EVL_LIKELY(out < 0 || (size_t)out == total))
            return out;
    }
    return queue_rest(s, bufs, n, (size_t)out, total);
}

/* A socket that nothing stands in the way of. */
static inline bool may_send(const evl_stream_handle *s) {
    const uint32_t wrong = EVL_S_NO_WRITE | EVL_S_SHUT_ASKED | EVL_S_WRITE_FAILED | EVL_S_CUSTOM;
    return s && s->io.base.node.kind == EVL_KIND_STREAM && evl_enter(s->io.base.loop) == 0 &&
           (s->flags & (wrong | EVL_S_SOCKET)) == EVL_S_SOCKET && !s->out;
}

static EVL_COLD int64_t write_slowly(evl_stream *stream, const void *data, size_t len) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    if ((!data && len > 0) || len > PTRDIFF_MAX)
        return EVL_EINVAL;
    return write_pieces(evl_s_of(stream), &(evl_buf){data, len}, 1, len);
}

static EVL_COLD int64_t write_rest(evl_stream_handle *s, const void *data, size_t len, int64_t n) {
    n = note_sent(s, n);
    return n < 0 ? n : queue_rest(s, &(evl_buf){data, len}, 1, (size_t)n, len);
}

int64_t evl_stream_write(evl_stream *stream, const void *data, size_t len) {
    evl_stream_handle *s = evl_s_of(stream);
    if (EVL_UNLIKELY(!may_send(s) || !data || len - 1 >= PTRDIFF_MAX))
        return write_slowly(stream, data, len);
    int64_t n = evl_transport_send(s, data, len);
    if (EVL_UNLIKELY(n != (int64_t)len))
        return write_rest(s, data, len, n);
    sent(s, len);
    return n;
}

int64_t evl_stream_writev(evl_stream *stream, const evl_buf *bufs, int32_t n) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    if (n < 0 || n > BUFS_MAX || (n > 0 && !bufs))
        return EVL_EINVAL;
    size_t total = 0;
    for (int32_t i = 0; i < n; i++) {
        if ((!bufs[i].data && bufs[i].len > 0) || bufs[i].len > PTRDIFF_MAX - total)
            return EVL_EINVAL;
        total += bufs[i].len;
    }
    return write_pieces(evl_s_of(stream), bufs, n, total);
}

/* A chunk that refers to the data, and the node that will carry its release. */
static evl_chunk *new_reference(evl_stream_handle *s, const char *data, size_t len, evl_fn *release,
                                void *arg) {
    evl_chunk *c = new_chunk(s, 0);
    if (!c)
        return NULL;
    c->data = data;
    c->len = len;
    if (!release)
        return c;
    c->release = evl_drop_reserve(evl_s_loop(s), release, arg);
    if (c->release)
        return c;
    free_chunk(s, c);
    return NULL;
}

/* Undoes new_reference: nothing is released. */
static void forget_reference(evl_stream_handle *s, evl_chunk *c) {
    if (c->release)
        evl_drop_unreserve(evl_s_loop(s), c->release);
    c->release = NULL;
    free_chunk(s, c);
    drop_empty(s);
}

int64_t evl_stream_write_ref(evl_stream *stream, const void *data, size_t len, evl_fn *release, void *arg) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    rc = (!data && len > 0) || len > PTRDIFF_MAX ? EVL_EINVAL : evl_stream_check_write(s);
    if (rc == 0 && is_too_much(s, len))
        rc = EVL_ENOBUFS;
    if (rc != 0)
        return rc;
    evl_chunk *c = new_reference(s, data, len, release, arg);
    if (!c || !queue_of(s)) {
        if (c)
            forget_reference(s, c);
        return EVL_ENOMEM;
    }
    int64_t out = 0;
    if (!evl_s_is_sending(s) && len > 0)
        out = send_now(s, &(evl_buf){data, len}, 1);
    if (out < 0) {
        forget_reference(s, c);
        return out;
    }
    c->data += out;
    c->len -= (size_t)out;
    if (c->len == 0) {
        free_chunk(s, c);
        drop_empty(s);
        return (int64_t)len;
    }
    append(s, c);
    queued(s, out == 0);
    return (int64_t)len;
}

/* --- files ------------------------------------------------------------------------------------ */

static void leave_file(evl_operation *op) {
    evl_stream_handle *s = op->owner;
    free_chunk(s, op->value);
    if (!evl_s_is_sending(s))
        disarm(s);
    evl_stream_told(s);
    evl_stream_try_shutdown(s);
    evl_stream_settle(s);
}

static const evl_op_type sending_file = {.name = "sendfile", .leave = leave_file};

static int file_rest(int file, int64_t offset, size_t *len) {
    struct stat st;
    if (evl_sys.fstat(file, &st) != 0)
        return evl_err_from_errno(errno);
    if (!S_ISREG(st.st_mode) || offset < 0)
        return EVL_EINVAL;
    int64_t rest = st.st_size > offset ? st.st_size - offset : 0;
    if (rest > PTRDIFF_MAX)
        rest = PTRDIFF_MAX;
    if (*len == 0 || *len > (size_t)rest)
        *len = (size_t)rest;
    return 0;
}

int32_t evl_stream_sendfile(evl_stream *stream, evl_op *op, evl_fd file, int64_t offset, size_t len) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_op_check_start(stream->loop, op);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    rc = evl_stream_check_write(s);
    if (rc == 0)
        rc = file_rest(file, offset, &len);
    if (rc != 0)
        return rc;
    if (len == 0)
        return evl_op_start_done(stream->loop, op, &sending_file, s, 0);
    evl_chunk *c = new_chunk(s, 0);
    if (!c || !queue_of(s)) {
        if (c)
            forget_reference(s, c);
        return EVL_ENOMEM;
    }
    evl_operation *self = evl_op_park(stream->loop, op, &sending_file, s);
    c->file = file;
    c->offset = offset;
    c->len = len;
    c->op = self;
    self->value = c;
    self->count = 0;
    evl_list_append(&s->out->chunks, &c->link);
    evl_handle_set_active(stream, true);
    if (s->out->chunks.next == &c->link) { /* nothing is in front of it: the next pass begins */
        send_soon(s);
    }
    evl_touch(stream->loop);
    return 0;
}

/* --- from another stream ---------------------------------------------------------------------- */

bool evl_stream_wait_for_room(evl_stream_handle *s, evl_operation *op) {
    evl_outq *q = queue_of(s);
    if (!q)
        return false;
    op->count = WAIT_SPLICE;
    evl_list_append(&q->waiters, &op->node.link);
    return true;
}

evl_chunk *evl_stream_new_conduit(evl_stream_handle *s) {
    evl_chunk *c = new_chunk(s, 0);
    if (c && !queue_of(s)) {
        free_chunk(s, c);
        c = NULL;
    }
    return c;
}

void evl_stream_queue_conduit(evl_stream_handle *s, evl_chunk *c, size_t len) {
    if (len == 0) {
        free_chunk(s, c);
        drop_empty(s);
        return;
    }
    c->len = len;
    evl_list_append(&s->out->chunks, &c->link);
    evl_handle_set_active(&s->io.base, true);
    evl_stream_send_queue(s);
}

/* --- marks ------------------------------------------------------------------------------------ */

int32_t evl_stream_set_marks(evl_stream *stream, uint32_t high, uint32_t low, uint32_t hard) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    if (low == EVL_AUTO)
        low = high / 4;
    if (low > high)
        return EVL_EINVAL;
    evl_stream_handle *s = evl_s_of(stream);
    if (hard != 0 || s->more) {
        evl_stream_more *more = evl_stream_more_of(s);
        if (!more)
            return EVL_ENOMEM;
        more->hard = hard;
    }
    s->high = high;
    s->low = low;
    evl_stream_told(s);
    return 0;
}

int64_t evl_stream_queued(const evl_stream *stream) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    return rc != 0 ? rc : (int64_t)evl_stream_queue_size(evl_s_of(stream));
}
