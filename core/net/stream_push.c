/* stream_push.c - data that is pushed: to a callback, which is lent it, or as records. */
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream_input.h"

/* --- pushing ---------------------------------------------------------------------------------- */

static void lend(evl_stream_handle *s, const char *data, size_t len) {
    evl_net *net = evl_s_net(s);
    net->loop->lent_to = &s->io.base;
    net->lent_data = data;
    net->lent_len = len;
}

/* Bytes that an operation left in the stream's buffer go first. */
static int64_t lend_buffer(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    if (!evl_net_lend(net))
        return EVL_ENOMEM;
    net->lent_in = s->in;
    s->in = NULL;
    lend(s, net->lent_in->bytes + net->lent_in->start, net->lent_in->len);
    return (int64_t)net->lent_in->len;
}

static int64_t push_callback(evl_stream_handle *s) {
    if (EVL_UNLIKELY(s->in != NULL))
        return lend_buffer(s);
    if (EVL_UNLIKELY(!evl_s_may_fetch(s)))
        return evl_stream_standing(s);
    char *buf = evl_net_lend(evl_s_net(s));
    if (EVL_UNLIKELY(!buf))
        return EVL_ENOMEM;
    int64_t n = evl_stream_fetch(s, buf, EVL_READ_MAX);
    lend(s, buf, n > 0 ? (size_t)n : 0);
    return n;
}

static int64_t push_record(evl_stream_handle *s) {
    size_t told = s->in ? s->in->seen : 0;
    int64_t n = evl_stream_standing(s);
    if (told == evl_s_buffered(s) && evl_s_may_fetch(s) && evl_s_has_room(s))
        n = evl_stream_fetch_more(s, EVL_READ_MAX);
    if (evl_s_buffered(s) == told)
        return n;
    s->in->seen = s->in->len;
    return (int64_t)(s->in->len - told);
}

static bool took(evl_stream_handle *s, int64_t n, int64_t *result);
static bool take_slowly(evl_stream_handle *s, int64_t *result);
static bool take_rest(evl_stream_handle *s, int64_t n, int64_t *result);

/* Nearly every push: data on a socket, read once, and nothing lies in the stream's buffer. */
static inline bool is_plain(const evl_stream_handle *s) {
    const uint32_t yes = EVL_S_PUSH | EVL_S_CAN_READ | EVL_S_SOCKET | EVL_S_EDGE;
    const uint32_t no = EVL_S_PAUSED | EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_CUSTOM;
    return (s->flags & (yes | no)) == yes && !s->in;
}

/* Into a block that the stream has until everything in it is consumed. */
static EVL_APART bool take_plain_record(evl_stream_handle *s, evl_net *net, int64_t *result) {
    evl_inbuf *in = evl_pool_take(net, &net->blocks);
    if (EVL_UNLIKELY(!in))
        return took(s, EVL_ENOMEM, result);
    int64_t n = evl_stream_fetch_plain(s, in->bytes, EVL_INBUF_POOLED);
    if (EVL_UNLIKELY(n <= 0)) {
        evl_pool_give(net, &net->blocks, in);
        return took(s, n, result);
    }
    in->cap = EVL_INBUF_POOLED;
    in->start = 0;
    in->len = in->seen = (size_t)n;
    s->in = in;
    *result = n;
    return EVL_LIKELY(!evl_s_has(s, EVL_S_CAN_READ)) || took(s, n, result);
}

/* The kernel has reported READ alone, and that made the node ready. */
static inline bool take_report(evl_stream_handle *s) {
    bool reported = s->io.base.node.u.result == EVL_READ;
    if (EVL_LIKELY(reported)) {
        s->io.base.node.u.result = 0;
        s->flags |= EVL_S_CAN_READ | EVL_S_ALONE;
    }
    return reported;
}

void evl_stream_unready(evl_stream_handle *s) {
    (void)take_report(s);
    evl_list_unlink(&s->io.base.node.link);
}

bool evl_stream_take(evl_handle *handle, int64_t *result) {
    evl_stream_handle *s = evl_s_of(handle);
    evl_net *net = evl_net_at(handle->loop);
    (void)take_report(s);
    if (EVL_UNLIKELY(!is_plain(s)))
        return take_slowly(s, result);
    if (evl_s_is_record(s))
        return take_plain_record(s, net, result);
    if (EVL_UNLIKELY(!net->lent || net->lent_in))
        return take_slowly(s, result);
    int64_t n = evl_stream_fetch_plain(s, net->lent, EVL_READ_MAX);
    if (EVL_UNLIKELY(n <= 0 || evl_s_has(s, EVL_S_CAN_READ)))
        return take_rest(s, n, result);
    handle->loop->lent_to = handle;
    net->lent_data = net->lent;
    net->lent_len = (size_t)n;
    *result = n;
    return true;
}

/* Nothing, the end, an error, or data behind which there may be more. */
static EVL_COLD bool take_rest(evl_stream_handle *s, int64_t n, int64_t *result) {
    lend(s, evl_s_net(s)->lent, n > 0 ? (size_t)n : 0);
    return took(s, n, result);
}

static EVL_COLD bool take_slowly(evl_stream_handle *s, int64_t *result) {
    if (EVL_UNLIKELY((s->flags & (EVL_S_PUSH | EVL_S_PAUSED)) != EVL_S_PUSH))
        return false;
    return took(s, evl_s_is_record(s) ? push_record(s) : push_callback(s), result);
}

static EVL_COLD bool took(evl_stream_handle *s, int64_t n, int64_t *result) {
    *result = n;
    if (EVL_LIKELY(n > 0)) {
        if (EVL_UNLIKELY(evl_s_may_find(s) && evl_s_has_room(s) && !evl_s_is_record(s)) ||
            (evl_s_is_record(s) && evl_s_may_fetch(s) && evl_s_has_room(s)))
            evl_ready(evl_s_loop(s), &s->io.base.node);
    } else if (n == EVL_ENOMEM && !evl_s_has(s, EVL_S_READ_FAILED))
        s->flags |= EVL_S_PAUSED;
    else if (n != EVL_EAGAIN)
        s->flags &= ~(uint32_t)EVL_S_PUSH;
    if (EVL_UNLIKELY(n <= 0 || !evl_s_has(s, EVL_S_EDGE)))
        evl_stream_settle(s);
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
    evl_stream_unready(s);
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
    if (evl_s_has(s, EVL_S_PUSH))
        evl_stream_unready(s);
    evl_stream_settle(s);
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
    if (was_paused && s->in)
        s->in->seen = 0; /* a record that was fetched before the pause may not have been acted on */
    if (evl_s_may_find(s))
        evl_stream_readable(s);
    evl_stream_settle(s);
    evl_touch(stream->loop);
    return 0;
}
