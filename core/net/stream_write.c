/* stream_write.c - writing: sends at once what the kernel accepts and queues the rest. */
#include "../loop/access.h"
#include "../loop/deferred.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "write_queue.h"

#define BUFS_MAX 1024

/* --- writing ---------------------------------------------------------------------------------- */

int evl_stream_check_write(const evl_stream_handle *s) {
    if (EVL_UNLIKELY(evl_s_has(s, EVL_S_NO_WRITE | EVL_S_SHUT_ASKED | EVL_S_WRITE_FAILED))) {
        if (evl_s_has(s, EVL_S_WRITE_FAILED))
            return s->write_error;
        return evl_s_has(s, EVL_S_SHUT_ASKED) ? EVL_EPIPE : EVL_EBADF;
    }
    return 0;
}

bool evl_stream_is_too_much(const evl_stream_handle *s, size_t len) {
    uint32_t hard = s->more ? s->more->hard : 0;
    size_t max =
        hard != 0 ? hard : PTRDIFF_MAX; /* references to one buffer can add up to more than fits a size_t */
    return len > max || evl_stream_queue_size(s) > max - len;
}

/* After bytes were queued. If the kernel was not found full, no edge may come, so the next pass sends
 * instead. */
void evl_stream_finish_queueing(evl_stream_handle *s, bool full) {
    evl_stream_update_choked(s);
    evl_handle_set_active(&s->io.base, true);
    evl_stream_update_waiting(s);
    /* A write-only stream watches EVL_WRITE from the start. */
    bool armed = evl_s_has(s, EVL_S_OUT | EVL_S_NO_READ | EVL_S_CUSTOM);
    if (full || !armed)
        evl_stream_want_write(s);
    else
        evl_stream_send_soon(s);
    evl_touch(evl_s_loop(s));
}

/* Returns how many bytes were sent, or an error, which ends writing. */
static int64_t note_sent(evl_stream_handle *s, int64_t rc) {
    if (EVL_LIKELY(rc > 0)) {
        evl_stream_count_sent(s, (size_t)rc);
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

/* Nothing of a write was accepted: the kernel was found full, or there is a queue. Until one of them has
 * room, evl_stream_drain waits. Returns the error. */
EVL_COLD int evl_stream_refuse_write(evl_stream_handle *s, int error) {
    s->flags |= EVL_S_CHOKED;
    if (!evl_s_is_sending(s))
        evl_stream_want_write(s);
    evl_touch(evl_s_loop(s));
    return error;
}

int64_t evl_stream_queue_rest(evl_stream_handle *s, const evl_buf *bufs, int n, size_t out, size_t total) {
    uint32_t hard = s->more ? s->more->hard : 0;
    if (hard != 0 && total - out > hard) /* the kernel accepted a part, and the rest exceeds the hard limit */
        return out > 0 ? (int64_t)out : evl_stream_refuse_write(s, EVL_ENOBUFS);
    int rc = evl_outq_enqueue(s, bufs, n, out, total);
    if (rc != 0)
        return out > 0 ? (int64_t)out : evl_stream_refuse_write(s, rc);
    evl_stream_finish_queueing(s, out == 0);
    return (int64_t)total;
}

/* After a write was accepted, some of which may be in the queue or in the transport. */
static void finish_write(evl_stream_handle *s, bool full) {
    int rc = evl_transport_flush(s);
    if (rc == EVL_EAGAIN || (rc == 0 && evl_s_has_chunks(s)))
        evl_stream_finish_queueing(s, full || rc == EVL_EAGAIN);
    else if (rc != 0) /* the next call returns the error */
        evl_stream_end_writing(s, rc);
}

/* A transport may already have encoded bytes for which it returned EVL_EAGAIN, and must get the same ones
 * again. So room for all of them is allocated before it is called. */
static int64_t write_custom(evl_stream_handle *s, const evl_buf *bufs, int n, size_t total) {
    if (evl_stream_is_too_much(s, total))
        return EVL_ENOBUFS;
    evl_chunk *rest = evl_chunk_new_copy(s, total);
    if (!rest)
        return EVL_ENOMEM;
    int64_t out = send_now(s, bufs, n < EVL_PIECES_MAX ? n : EVL_PIECES_MAX);
    if (out >= 0 && (size_t)out < total) {
        evl_chunk_copy(rest, bufs, n, (size_t)out);
        evl_outq_append(s, rest);
    } else
        evl_chunk_discard(s, rest);
    if (out < 0)
        return out;
    finish_write(s, out == 0);
    return (int64_t)total;
}

static int64_t write_pieces(evl_stream_handle *s, const evl_buf *bufs, int n, size_t total) {
    int rc = evl_stream_check_write(s);
    if (EVL_UNLIKELY(rc != 0))
        return rc;
    if (EVL_UNLIKELY(total == 0))
        return 0;
    for (; bufs->len == 0; bufs++) /* a call that offers nothing does not say whether the kernel is full */
        n--;
    int64_t out = 0;
    if (EVL_UNLIKELY(evl_s_is_sending(s))) {
        if (evl_stream_is_too_much(s, total))
            return evl_stream_refuse_write(s, EVL_ENOBUFS);
    } else if (EVL_UNLIKELY(evl_s_has(s, EVL_S_CUSTOM)))
        return write_custom(s, bufs, n, total);
    else {
        out = send_now(s, bufs, n < EVL_PIECES_MAX ? n : EVL_PIECES_MAX);
        if (EVL_LIKELY(out < 0 || (size_t)out == total))
            return out;
    }
    return evl_stream_queue_rest(s, bufs, n, (size_t)out, total);
}

/* The common case: an open plain socket with nothing queued. */
static inline bool may_send(const evl_stream_handle *s) {
    const uint32_t wrong = EVL_S_NO_WRITE | EVL_S_SHUT_ASKED | EVL_S_WRITE_FAILED | EVL_S_CUSTOM;
    return s && s->io.base.node.kind == EVL_KIND_STREAM && evl_enter(s->io.base.loop) == 0 &&
           (s->flags & (wrong | EVL_S_SOCKET)) == EVL_S_SOCKET && !s->out;
}

static EVL_COLD int64_t write_general(evl_stream *stream, const void *data, size_t len) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    if ((!data && len > 0) || len > PTRDIFF_MAX)
        return EVL_EINVAL;
    return write_pieces(evl_s_of(stream), &(evl_buf){data, len}, 1, len);
}

static EVL_COLD int64_t write_remaining(evl_stream_handle *s, const void *data, size_t len, int64_t n) {
    n = note_sent(s, n);
    return n < 0 ? n : evl_stream_queue_rest(s, &(evl_buf){data, len}, 1, (size_t)n, len);
}

int64_t evl_stream_write(evl_stream *stream, const void *data, size_t len) {
    evl_stream_handle *s = evl_s_of(stream);
    if (EVL_UNLIKELY(!may_send(s) || !data || len - 1 >= EVL_SEND_MAX))
        return write_general(stream, data, len);
    int64_t n = evl_transport_send(s, data, len);
    if (EVL_UNLIKELY(n != (int64_t)len))
        return write_remaining(s, data, len, n);
    evl_stream_count_sent(s, len);
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

/* A chunk that refers to the data, with the node reserved that will run `release`. */
static evl_chunk *new_reference(evl_stream_handle *s, const char *data, size_t len, evl_fn *release,
                                void *arg) {
    evl_chunk *c = evl_chunk_new(s, 0);
    if (!c)
        return NULL;
    c->data = data;
    c->len = len;
    if (!release)
        return c;
    c->release = evl_drop_reserve(evl_s_loop(s), release, arg);
    if (c->release)
        return c;
    evl_chunk_free(s, c);
    return NULL;
}

int64_t evl_stream_write_ref(evl_stream *stream, const void *data, size_t len, evl_fn *release, void *arg) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    rc = (!data && len > 0) || len > PTRDIFF_MAX ? EVL_EINVAL : evl_stream_check_write(s);
    if (rc == 0 && evl_stream_is_too_much(s, len))
        rc = evl_s_is_sending(s) ? evl_stream_refuse_write(s, EVL_ENOBUFS) : EVL_ENOBUFS;
    if (rc != 0)
        return rc;
    evl_chunk *c = new_reference(s, data, len, release, arg);
    if (!c || !evl_outq_get(s)) {
        if (c)
            evl_chunk_discard(s, c);
        return EVL_ENOMEM;
    }
    int64_t out = 0;
    if (!evl_s_is_sending(s) && len > 0)
        out = send_now(s, &(evl_buf){data, len}, 1);
    if (out < 0) {
        evl_chunk_discard(s, c);
        return out;
    }
    c->data += out;
    c->len -= (size_t)out;
    if (c->len == 0) {
        evl_chunk_free(s, c);
        evl_outq_drop_empty(s);
    } else
        evl_outq_append(s, c);
    finish_write(s, out == 0);
    return (int64_t)len;
}
