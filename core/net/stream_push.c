/* stream_push.c - push mode: data for a callback, which reads it in the shared buffer, or for records, which
 * leave it in the buffer of the stream. */
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream_input.h"

/* --- push mode -------------------------------------------------------------------------------- */

static void share(evl_stream_handle *s, const char *data, size_t len) {
    evl_net *net = evl_s_net(s);
    net->loop->borrower = &s->io.base;
    net->shared_data = data;
    net->shared_len = len;
}

/* Bytes that a read operation left in the buffer of the stream, or the callback has put back, come first. */
static int64_t share_own_buffer(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    if (!evl_net_shared_buf(net))
        return EVL_ENOMEM;
    net->shared_in = s->in;
    s->in = NULL;
    share(s, net->shared_in->bytes + net->shared_in->start, net->shared_in->len);
    return (int64_t)net->shared_in->len;
}

/* What the callback has put back is for it when there is more, which comes behind it. Without more, at the
 * end, it stays in the buffer. */
static int64_t push_callback(evl_stream_handle *s) {
    if (EVL_UNLIKELY(s->in && s->in->seen < s->in->len))
        return share_own_buffer(s);
    if (EVL_UNLIKELY(!evl_s_may_fetch(s)))
        return evl_stream_empty_result(s);
    if (EVL_UNLIKELY(s->in != NULL)) {
        int64_t more = evl_stream_fetch_more(s, EVL_READ_MAX);
        return more > 0 ? share_own_buffer(s) : more;
    }
    char *buf = evl_net_shared_buf(evl_s_net(s));
    if (EVL_UNLIKELY(!buf))
        return EVL_ENOMEM;
    int64_t n = evl_stream_fetch(s, buf, EVL_READ_MAX);
    share(s, buf, n > 0 ? (size_t)n : 0);
    return n;
}

/* Reads until so many bytes are there as push mode waits for, and more than were reported. Returns
 * EVL_EAGAIN if there is nothing to report yet. */
static int64_t gather(evl_stream_handle *s) {
    size_t least = evl_s_least(s);
    int64_t n = EVL_EAGAIN;
    for (int i = 0; i < EVL_READS_MAX; i++) {
        size_t have = evl_s_buffered(s);
        if (have >= least && s->in->seen < have)
            return (int64_t)have;
        if (!evl_s_may_fetch(s))
            return evl_stream_empty_result(s);
        n = evl_stream_fetch_more(s, have < least ? least - have : EVL_READ_MAX);
        if (n <= 0 && n != EVL_EAGAIN)
            return n;
    }
    evl_ready(evl_s_loop(s), &s->io.base.node); /* goes on in the next pass */
    return EVL_EAGAIN;
}

static int64_t push_least(evl_stream_handle *s) {
    int64_t n = gather(s);
    if (n <= 0)
        return n;
    if (!evl_s_is_record(s))
        return share_own_buffer(s);
    n -= (int64_t)s->in->seen;
    s->in->seen = s->in->len;
    return n;
}

static int64_t push_record(evl_stream_handle *s) {
    size_t reported = s->in ? s->in->seen : 0;
    int64_t n = evl_stream_empty_result(s);
    if (reported == evl_s_buffered(s) && evl_s_may_fetch(s) && evl_s_has_room(s))
        n = evl_stream_fetch_more(s, EVL_READ_MAX);
    if (evl_s_buffered(s) == reported)
        return n;
    s->in->seen = s->in->len;
    return (int64_t)(s->in->len - reported);
}

/* Updates the stream after n, and makes it ready again if there may be more. False: nothing to report. */
static bool finish_take(evl_stream_handle *s, int64_t n, int64_t *result);
static bool take_general(evl_stream_handle *s, int64_t *result);
static bool take_uncommon(evl_stream_handle *s, int64_t n, int64_t *result);

/* The common case: a plain socket has data, and the stream has no buffer. */
static inline bool is_plain_push(const evl_stream_handle *s) {
    const uint32_t yes = EVL_S_PUSH | EVL_S_CAN_READ | EVL_S_SOCKET | EVL_S_EDGE;
    const uint32_t no = EVL_S_PAUSED | EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_CUSTOM | EVL_S_TIMED_OUT |
                        EVL_S_LEAST | EVL_S_FDS;
    return (s->flags & (yes | no)) == yes && !s->in;
}

/* Reads into a block that the stream keeps until all of it is consumed. */
static EVL_APART bool take_plain_record(evl_stream_handle *s, evl_net *net, int64_t *result) {
    evl_inbuf *in = evl_pool_alloc(net, &net->blocks);
    if (EVL_UNLIKELY(!in))
        return finish_take(s, EVL_ENOMEM, result);
    int64_t n = evl_stream_fetch_plain(s, in->bytes, EVL_INBUF_POOLED);
    if (EVL_UNLIKELY(n <= 0)) {
        evl_pool_release(net, &net->blocks, in);
        return finish_take(s, n, result);
    }
    in->cap = EVL_INBUF_POOLED;
    in->start = 0;
    in->len = in->seen = (size_t)n;
    s->in = in;
    *result = n;
    return EVL_LIKELY(!evl_s_has(s, EVL_S_CAN_READ)) || finish_take(s, n, result);
}

/* Takes over an event that made the node ready without calling this file: EVL_READ alone. */
static inline void take_report(evl_stream_handle *s) {
    if (EVL_LIKELY(s->io.base.node.u.result == EVL_READ)) {
        s->io.base.node.u.result = 0;
        s->flags |= EVL_S_CAN_READ | EVL_S_ALONE;
    }
}

void evl_stream_cancel_push(evl_stream_handle *s) {
    take_report(s);
    s->flags &= ~(uint32_t)EVL_S_TIMED_OUT;
    evl_list_unlink(&s->io.base.node.link);
}

bool evl_stream_take(evl_handle *handle, int64_t *result) {
    evl_stream_handle *s = evl_s_of(handle);
    evl_net *net = evl_net_at(handle->loop);
    take_report(s);
    if (EVL_UNLIKELY(!is_plain_push(s)))
        return take_general(s, result);
    if (evl_s_is_record(s))
        return take_plain_record(s, net, result);
    if (EVL_UNLIKELY(!net->shared_buf || net->shared_in))
        return take_general(s, result);
    int64_t n = evl_stream_fetch_plain(s, net->shared_buf, EVL_READ_MAX);
    if (EVL_UNLIKELY(n <= 0 || evl_s_has(s, EVL_S_CAN_READ)))
        return take_uncommon(s, n, result);
    handle->loop->borrower = handle;
    net->shared_data = net->shared_buf;
    net->shared_len = (size_t)n;
    *result = n;
    return true;
}

/* No data, end of file, an error, or data that more may follow. */
static EVL_COLD bool take_uncommon(evl_stream_handle *s, int64_t n, int64_t *result) {
    share(s, evl_s_net(s)->shared_buf, n > 0 ? (size_t)n : 0);
    return finish_take(s, n, result);
}

/* What came meanwhile is reported behind it. */
static EVL_COLD bool take_timeout(evl_stream_handle *s, int64_t *result) {
    s->flags &= ~(uint32_t)EVL_S_TIMED_OUT;
    *result = EVL_ETIMEDOUT;
    if (evl_s_may_find(s))
        evl_ready(evl_s_loop(s), &s->io.base.node);
    return true;
}

static EVL_COLD bool take_general(evl_stream_handle *s, int64_t *result) {
    if (EVL_UNLIKELY(!evl_s_pushes(s)))
        return false;
    if (evl_s_has(s, EVL_S_TIMED_OUT))
        return take_timeout(s, result);
    if (evl_s_has(s, EVL_S_LEAST))
        return finish_take(s, push_least(s), result);
    return finish_take(s, evl_s_is_record(s) ? push_record(s) : push_callback(s), result);
}

static EVL_COLD bool finish_take(evl_stream_handle *s, int64_t n, int64_t *result) {
    *result = n;
    if (EVL_LIKELY(n > 0)) {
        if (evl_s_has_room(s) && (evl_s_is_record(s) ? evl_s_may_fetch(s) : evl_s_may_find(s)))
            evl_ready(evl_s_loop(s), &s->io.base.node);
    } else if (n == EVL_ENOMEM && !evl_s_has(s, EVL_S_READ_FAILED))
        s->flags |= EVL_S_PAUSED;
    else if (n != EVL_EAGAIN)
        s->flags &= ~(uint32_t)EVL_S_PUSH;
    if (EVL_UNLIKELY(n <= 0 || !evl_s_has(s, EVL_S_EDGE)))
        evl_stream_update_state(s);
    return n != EVL_EAGAIN;
}

int32_t evl_stream_on_data(evl_stream *stream, evl_done_fn *fn, void *arg) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (evl_s_has(s, EVL_S_NO_READ))
        return EVL_EBADF;
    if (s->reader || evl_s_has(s, EVL_S_DISCARD))
        return EVL_EBUSY;
    evl_node *node = &stream->node;
    evl_stream_cancel_push(s);
    evl_node_set(node, EVL_KIND_STREAM, fn, arg);
    node->type = EVL_NODE_TAKE;
    s->flags |= EVL_S_PUSH;
    if (s->in)
        s->in->seen = 0;
    return evl_stream_resume(stream);
}

int32_t evl_stream_pause(evl_stream *stream) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    s->flags |= EVL_S_PAUSED;
    if (evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_DISCARD)) /* else the node is in evl_net.reading */
        evl_stream_cancel_push(s);
    evl_stream_update_state(s);
    evl_touch(stream->loop);
    return 0;
}

int32_t evl_stream_resume(evl_stream *stream) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (!evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED))
        return EVL_EINVAL;
    if (s->reader || evl_s_has(s, EVL_S_DISCARD))
        return EVL_EBUSY;
    bool was_paused = evl_s_has(s, EVL_S_PAUSED);
    s->flags &= ~(uint32_t)EVL_S_PAUSED;
    /* A record may have been fetched before the pause and not handled: all that is buffered is reported
     * again. */
    if (was_paused && s->in)
        s->in->seen = 0;
    if (evl_s_may_find(s))
        evl_stream_readable(s);
    evl_stream_update_state(s);
    evl_touch(stream->loop);
    return 0;
}

void evl_stream_continue_push(evl_stream_handle *s) {
    if (evl_s_pushes(s) && evl_s_may_find(s))
        evl_stream_readable(s);
}

int32_t evl_stream_set_read_mark(evl_stream *stream, uint32_t bytes) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (bytes > 1) {
        if (!evl_stream_more_of(s))
            return EVL_ENOMEM;
        s->more->least = bytes;
        s->flags |= EVL_S_LEAST;
    } else
        s->flags &= ~(uint32_t)EVL_S_LEAST;
    evl_stream_continue_push(s);
    evl_touch(stream->loop);
    return 0;
}
