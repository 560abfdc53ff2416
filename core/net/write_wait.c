/* write_wait.c - waiting for the send queue: drain, flush, shutdown; the marks; the end of writing. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "write_queue.h"

enum { WAIT_DRAIN, WAIT_FLUSH, WAIT_SHUTDOWN, WAIT_SPLICE };

/* --- waiters ---------------------------------------------------------------------------------- */

/* Whether no more input will come. A terminal cannot be shut down, and so sends no end of file in return: it
 * counts as ended. */
static bool is_ended(const evl_stream_handle *s) {
    bool both_ways = !evl_s_has(s, EVL_S_SOCKET | EVL_S_NO_READ | EVL_S_NO_WRITE);
    return evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_NO_READ) || both_ways;
}

/* Whether the condition that an operation waits for holds. */
static inline bool is_met(const evl_stream_handle *s, int what) {
    if (what == WAIT_DRAIN)
        return !evl_s_has(s, EVL_S_CHOKED);
    bool flushed = !evl_s_is_sending(s);
    if (what == WAIT_SPLICE)
        return flushed;
    return what == WAIT_FLUSH ? flushed : !evl_s_is_unfinished(s) && is_ended(s);
}

void evl_stream_update_choked(evl_stream_handle *s) {
    size_t queued = evl_stream_queue_size(s);
    if (queued > s->high)
        s->flags |= EVL_S_CHOKED;
    else if (queued <= evl_s_low(s))
        s->flags &= ~(uint32_t)EVL_S_CHOKED;
}

void evl_stream_wake_waiters(evl_stream_handle *s) {
    evl_stream_update_choked(s);
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
        evl_op_complete(op, failed ? s->read_error : 0);
    }
    evl_outq_drop_empty(s);
}

bool evl_stream_awaits_end(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_DISCARD) && s->out && !evl_list_empty(&s->out->waiters) &&
           !evl_s_is_unfinished(s);
}

/* An operation that waits for the sending, or NULL. With nothing to send a splice waits for input instead. */
static evl_operation *first_waiting(const evl_stream_handle *s) {
    if (!s->out)
        return NULL;
    for (evl_link *link = s->out->waiters.next; link != &s->out->waiters; link = link->next)
        if (evl_operation_at(link)->count != WAIT_SPLICE || evl_s_is_sending(s))
            return evl_operation_at(link);
    for (evl_link *link = s->out->chunks.next; link != &s->out->chunks; link = link->next)
        if (EVL_OWNER(link, evl_chunk, link)->op)
            return EVL_OWNER(link, evl_chunk, link)->op;
    return NULL;
}

bool evl_stream_expire_waiters(evl_stream_handle *s) {
    bool any = false;
    for (evl_operation *op; (op = first_waiting(s)) != NULL; any = true)
        evl_op_expired(op, 0);
    return any;
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
}

/* The files stay queued without their operations; if one cannot, the stream is aborted. */
static void keep_files(evl_stream_handle *s, int error) {
    for (evl_link *link = s->out->chunks.next; link != &s->out->chunks; link = link->next) {
        evl_chunk *c = EVL_OWNER(link, evl_chunk, link);
        evl_operation *op = c->op;
        if (!op)
            continue;
        if (!evl_chunk_keep_file(s, c))
            s->flags |= EVL_S_ABORT;
        c->op = NULL;
        evl_op_complete(op, error);
    }
}

void evl_stream_end_waiting(evl_stream_handle *s) {
    if (!s->out)
        return;
    end_waiters(s, EVL_ECLOSED);
    keep_files(s, EVL_ECLOSED);
    evl_outq_drop_empty(s);
}

void evl_stream_drop_queue(evl_stream_handle *s, int error) {
    if (!s->out)
        return;
    end_waiters(s, error);
    while (!evl_list_empty(&s->out->chunks)) {
        evl_chunk *c = EVL_OWNER(s->out->chunks.next, evl_chunk, link);
        evl_operation *op = c->op;
        if (c->file < 0 && !c->uncounted)
            s->out->queued -= c->len;
        evl_chunk_free(s, c);
        if (op)
            evl_op_complete(op, error);
    }
    evl_outq_drop_empty(s);
    evl_stream_update_choked(s);
}

void evl_stream_end_writing(evl_stream_handle *s, int error) {
    if (!evl_s_has(s, EVL_S_WRITE_FAILED))
        s->write_error = error;
    s->flags = (s->flags | EVL_S_WRITE_FAILED) & ~(uint32_t)EVL_S_HELD;
    evl_stream_drop_queue(s, error);
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
        return evl_op_start_done(stream->loop, op, &waiting, s, s->write_error);
    if (EVL_LIKELY(is_met(s, what)))
        return evl_op_start_done(stream->loop, op, &waiting, s, 0);
    evl_outq *q = evl_outq_get(s);
    if (!q)
        return EVL_ENOMEM;
    evl_operation *self = evl_op_park(stream->loop, op, &waiting, s);
    self->count = (uint16_t)what;
    evl_list_append(&q->waiters, &self->node.link);
    evl_stream_update_state(s);
    return 0;
}

static void wait_leave(evl_operation *op) {
    evl_list_remove(&op->node.link);
    evl_outq_drop_empty(op->owner);
    evl_stream_update_state(op->owner);
}

static const evl_op_type waiting = {.name = "drain", .leave = wait_leave};

int32_t evl_stream_drain(evl_stream *stream, evl_op *op) { return wait_for(stream, op, WAIT_DRAIN); }
int32_t evl_stream_flush(evl_stream *stream, evl_op *op) { return wait_for(stream, op, WAIT_FLUSH); }

int32_t evl_stream_shutdown(evl_stream *stream, evl_op *op) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_op_check_start(stream->loop, op);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (s->reader || evl_s_pushes(s))
        return EVL_EBUSY;
    if (!evl_outq_get(s)) /* allocated for the operation, so that nothing can fail after the shutdown */
        return EVL_ENOMEM;
    s->flags |= EVL_S_DISCARD | (evl_s_has(s, EVL_S_SOCKET) ? EVL_S_SHUT_ASKED : 0U);
    evl_stream_try_shutdown(s);
    rc = wait_for(stream, op, WAIT_SHUTDOWN);
    evl_outq_drop_empty(s);
    if (rc == 0 && evl_s_has(s, EVL_S_CAN_READ))
        evl_stream_discard_soon(s);
    evl_stream_interest(s);
    evl_touch(stream->loop);
    return rc;
}

bool evl_stream_wait_for_room(evl_stream_handle *s, evl_operation *op) {
    evl_outq *q = evl_outq_get(s);
    if (!q)
        return false;
    op->count = WAIT_SPLICE;
    evl_list_append(&q->waiters, &op->node.link);
    return true;
}

/* --- shutdown --------------------------------------------------------------------------------- */

void evl_stream_try_shutdown(evl_stream_handle *s) {
    bool asked = (s->flags & (EVL_S_SHUT_ASKED | EVL_S_SHUT | EVL_S_WRITE_FAILED)) == EVL_S_SHUT_ASKED;
    if (!asked || evl_s_is_sending(s) || s->io.fd < 0)
        return;
    int rc = evl_transport_shutdown(s);
    if (rc == EVL_EAGAIN) {
        evl_stream_want_write(s);
        return;
    }
    s->flags |= EVL_S_SHUT;
    if (evl_s_has(s, EVL_S_HELD))
        evl_stream_want_write(s);
    else if (evl_s_has(s, EVL_S_CUSTOM))
        evl_stream_unwant_write(s); /* it may have waited for writability because of this */
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
    evl_stream_update_state(s);
    evl_touch(stream->loop);
    return !failed && evl_s_has(s, EVL_S_WRITE_FAILED) ? s->write_error : 0;
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
    if (hard != 0 || low != high / 4 || s->more) {
        evl_stream_more *more = evl_stream_more_of(s);
        if (!more)
            return EVL_ENOMEM;
        more->hard = hard;
        more->low = low;
    }
    s->high = high;
    evl_stream_wake_waiters(s);
    return 0;
}

int64_t evl_stream_queued(const evl_stream *stream) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    return rc != 0 ? rc : (int64_t)evl_stream_queue_size(evl_s_of(stream));
}
