/* stream_input.c - one read from the fd or the transport, and what becomes ready when input or an error is
 * reported. */
#include "stream_input.h"
#include "../loop/handle.h"
#include "../loop/loop.h"

/* --- one read --------------------------------------------------------------------------------- */

int64_t evl_stream_note_read(evl_stream_handle *s, int64_t n, size_t cap) {
    if (EVL_LIKELY(n > 0)) {
        s->bytes_in += (uint64_t)n;
        if (EVL_LIKELY(!evl_s_lingers(s)))
            s->last_in = evl_s_loop(s)->now;
        /* A short read has emptied a TCP socket if nothing but data was reported. Other fds also end a read
         * at a passed fd, an urgent byte or a line, and no new edge reports what is behind. */
        bool drained = !evl_s_has(s, EVL_S_EDGE | EVL_S_CUSTOM) ||
                       (s->flags & (EVL_S_TCP | EVL_S_ALONE)) == (EVL_S_TCP | EVL_S_ALONE);
        if ((size_t)n < cap && drained)
            s->flags &= ~(uint32_t)EVL_S_CAN_READ;
        return n;
    }
    s->flags &= ~(uint32_t)EVL_S_CAN_READ;
    if (n == 0)
        s->flags |= EVL_S_EOF;
    else if (n != EVL_EAGAIN) {
        s->flags |= EVL_S_READ_FAILED;
        s->read_error = (int32_t)n;
    } else if (evl_s_has(s, EVL_S_CUSTOM))
        evl_stream_interest(s);
    return n;
}

int64_t evl_stream_fetch(evl_stream_handle *s, void *buf, size_t cap) {
    return evl_stream_fetch_inline(s, buf, cap);
}

/* Into a new buffer of the stream. */
static int64_t fetch_first(evl_stream_handle *s) {
    evl_inbuf *in = evl_inbuf_new(evl_s_net(s), EVL_INBUF_POOLED);
    if (EVL_UNLIKELY(!in))
        return EVL_ENOMEM;
    int64_t n = evl_stream_fetch_inline(s, in->bytes, EVL_INBUF_POOLED);
    if (EVL_LIKELY(n > 0)) {
        in->len = (size_t)n;
        s->in = in;
        evl_stream_end_sharing(s);
    } else
        evl_inbuf_free(evl_s_net(s), in);
    return n;
}

int64_t evl_stream_fetch_more(evl_stream_handle *s, size_t want) {
    if (!s->in)
        return fetch_first(s);
    size_t room = want < 1024 ? 1024 : want > EVL_READ_MAX ? EVL_READ_MAX : want;
    size_t left = evl_inbuf_room(s->in);
    room = left >= 1024 && left < room ? left : room; /* use what is free before the buffer grows */
    char *at = evl_inbuf_reserve(s, room);
    if (!at)
        return EVL_ENOMEM;
    evl_inbuf *in = s->in;
    room = in->cap - in->start - in->len;
    int64_t n = evl_stream_fetch_inline(s, at, room < EVL_READ_MAX ? room : EVL_READ_MAX);
    if (n > 0)
        in->len += (size_t)n;
    return n;
}

int64_t evl_stream_empty_result(const evl_stream_handle *s) {
    if (evl_s_has(s, EVL_S_READ_FAILED))
        return s->read_error;
    return evl_s_has(s, EVL_S_EOF) ? 0 : EVL_EAGAIN;
}

/* --- input, discarded input, the end ---------------------------------------------------------- */

void evl_stream_readable(evl_stream_handle *s) {
    evl_node *node = &s->io.base.node;
    if (EVL_UNLIKELY(evl_s_has(s, EVL_S_DISCARD)))
        evl_stream_discard_soon(s); /* a callback may be using the shared buffer */
    else if (s->reader) {
        if (EVL_UNLIKELY(s->reader->type == &evl_stream_splicing) && s->reader->state == EVL_OP_PENDING)
            evl_list_remove(&s->reader->node.link); /* it waits for the destination */
        evl_op_try(s->reader);
    } else if (EVL_LIKELY(evl_s_pushes(s))) {
        if (EVL_LIKELY(!evl_linked(&node->link)) && (evl_s_has_room(s) || s->in->seen < s->in->len))
            evl_ready(evl_s_loop(s), node);
    } else if (!evl_s_has(s, EVL_S_EDGE))
        evl_stream_interest(s);
}

void evl_stream_discard(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    char *waste = evl_net_shared_buf(net);
    char small[512];
    if (s->in) {
        evl_inbuf_free(net, s->in);
        s->in = NULL;
    }
    net->loop->borrower = NULL;
    for (int i = 0; i < EVL_READS_MAX && evl_s_may_fetch(s); i++)
        (void)evl_stream_fetch(s, waste ? waste : small, waste ? EVL_READ_MAX : sizeof small);
    if (evl_s_may_fetch(s)) {
        evl_stream_discard_soon(s);
        return;
    }
    evl_stream_wake_waiters(s);
    evl_stream_update_state(s);
}

void evl_stream_discard_soon(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    evl_list_unlink(&s->io.base.node.link);
    evl_list_append(&net->reading, &s->io.base.node.link);
    evl_net_again(net);
}

void evl_stream_end_reading(evl_stream_handle *s, int error) {
    evl_operation *op = s->reader;
    if (!evl_s_has(s, EVL_S_READ_FAILED)) {
        s->flags |= EVL_S_READ_FAILED;
        s->read_error = error;
    }
    if (op) {
        s->reader = NULL;
        if (op->type == &evl_stream_splicing)
            evl_splice_leave(op);
        evl_op_fail(op, error);
    }
    evl_stream_readable(s);
}
