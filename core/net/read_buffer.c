/* read_buffer.c - the bytes of a stream that were read and not consumed; peek, consume, unread. */
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream_input.h"

#include <string.h>

/* --- the buffer ------------------------------------------------------------------------------- */

void evl_inbuf_free(evl_net *net, evl_inbuf *in) {
    if (in->cap == EVL_INBUF_POOLED)
        evl_pool_release(net, &net->blocks, in);
    else
        evl_mem_free(&net->loop->mem, in, offsetof(evl_inbuf, bytes) + in->cap);
}

evl_inbuf *evl_inbuf_new(evl_net *net, size_t cap) {
    bool pooled = cap <= EVL_INBUF_POOLED;
    evl_inbuf *in = pooled ? evl_pool_alloc(net, &net->blocks)
                           : evl_mem_resize(&net->loop->mem, NULL, 0, offsetof(evl_inbuf, bytes) + cap);
    if (!in)
        return NULL;
    *in = (evl_inbuf){.cap = pooled ? EVL_INBUF_POOLED : cap};
    return in;
}

/* Makes room for `want` bytes behind the buffered ones and returns where it begins. NULL: out of memory. */
char *evl_inbuf_reserve(evl_stream_handle *s, size_t want) {
    evl_inbuf *in = s->in;
    if (in && in->cap - in->start - in->len >= want)
        return in->bytes + in->start + in->len;
    size_t len = in ? in->len : 0;
    if (in && evl_inbuf_room(in) >= want) {
        memmove(in->bytes, in->bytes + in->start, len);
        in->start = 0;
        return in->bytes + len;
    }
    if (want > SIZE_MAX / 4 - len)
        return NULL;
    size_t cap = len == 0 || !in || len + want <= in->cap / 2 ? len + want : (len + want) * 2;
    evl_inbuf *fresh = evl_inbuf_new(evl_s_net(s), cap);
    if (!fresh)
        return NULL;
    if (in) {
        memcpy(fresh->bytes, in->bytes + in->start, len);
        fresh->len = len;
        fresh->seen = in->seen;
        evl_inbuf_free(evl_s_net(s), in);
    } else
        evl_stream_end_sharing(s);
    s->in = fresh;
    return fresh->bytes + len;
}

static void free_if_empty(evl_stream_handle *s) {
    if (!s->in || s->in->len != 0)
        return;
    evl_inbuf_free(evl_s_net(s), s->in);
    s->in = NULL;
}

void evl_inbuf_consume(evl_stream_handle *s, size_t len) {
    evl_inbuf *in = s->in;
    if (len == 0)
        return;
    in->start += len;
    in->len -= len;
    in->seen -= in->seen < len ? in->seen : len;
    free_if_empty(s);
}

size_t evl_inbuf_copy_out(evl_stream_handle *s, void *buf, size_t cap) {
    size_t n = s->in->len < cap ? s->in->len : cap;
    memcpy(buf, s->in->bytes + s->in->start, n);
    evl_inbuf_consume(s, n);
    return n;
}

/* --- peek, consume, unread -------------------------------------------------------------------- */

static EVL_APART int64_t peek_own(const evl_stream *stream, const void **data) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (EVL_UNLIKELY(rc != 0 || !data))
        return rc != 0 ? rc : EVL_EINVAL;
    const evl_stream_handle *s = evl_s_of(stream);
    *data = s->in ? s->in->bytes + s->in->start : NULL;
    return (int64_t)evl_s_buffered(s);
}

int64_t evl_stream_peek(evl_stream *stream, const void **data) {
    if (EVL_UNLIKELY(!stream || !data) || stream->loop->borrower != stream)
        return peek_own(stream, data);
    const evl_net *net = evl_net_at(stream->loop);
    *data = net->shared_data;
    return (int64_t)net->shared_len;
}

/* The data of a callback counts as consumed already: only what peek returns next is moved. */
static int consume_shared(evl_net *net, size_t len) {
    if (len > net->shared_len)
        return EVL_EINVAL;
    net->shared_data += len;
    net->shared_len -= len;
    return 0;
}

size_t evl_shared_copy_out(evl_net *net, void *buf, size_t cap) {
    size_t n = net->shared_len < cap ? net->shared_len : cap;
    memcpy(buf, net->shared_data, n);
    (void)consume_shared(net, n);
    return n;
}

int32_t evl_stream_consume(evl_stream *stream, size_t len) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (stream->loop->borrower == stream)
        return consume_shared(evl_s_net(s), len);
    if (len > evl_s_buffered(s))
        return EVL_EINVAL;
    evl_inbuf_consume(s, len);
    evl_stream_continue_push(s);
    evl_touch(stream->loop);
    return 0;
}

/* Which bytes are new. To a record only those that were put back: what it reported is not reported again. To
 * a callback all of them, unless it has put them back itself: then it waits for more. */
static void note_unread(evl_stream_handle *s) {
    if (!evl_s_pushes(s))
        s->in->seen = 0;
    else if (!evl_s_is_record(s))
        s->in->seen = evl_s_is_in_callback(s) ? s->in->len : 0;
}

int32_t evl_stream_unread(evl_stream *stream, const void *data, size_t len) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    if (!data && len > 0)
        return EVL_EINVAL;
    evl_stream_handle *s = evl_s_of(stream);
    if (len == 0)
        return 0;
    if (!evl_inbuf_reserve(s, len))
        return EVL_ENOMEM;
    evl_inbuf *in = s->in;
    memmove(in->bytes + in->start + len, in->bytes + in->start, in->len);
    memcpy(in->bytes + in->start, data, len);
    in->len += len;
    note_unread(s);
    if (s->reader)
        evl_op_try(s->reader);
    else if (in->seen < in->len)
        evl_stream_continue_push(s);
    evl_touch(stream->loop);
    return 0;
}
