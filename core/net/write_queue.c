/* write_queue.c - the send queue of a stream, and sending it. */
#include "write_queue.h"
#include "../loop/deferred.h"
#include "../loop/loop.h"

#include <string.h>

size_t evl_stream_queue_size(const evl_stream_handle *s) { return s->out ? s->out->queued : 0; }

/* --- the queue -------------------------------------------------------------------------------- */

evl_outq *evl_outq_get(evl_stream_handle *s) {
    if (s->out)
        return s->out;
    evl_outq *q = evl_pool_alloc(evl_s_net(s), &evl_s_net(s)->queues);
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

void evl_outq_drop_empty(evl_stream_handle *s) {
    evl_outq *q = s->out;
    if (!q || !evl_list_empty(&q->chunks) || !evl_list_empty(&q->waiters))
        return;
    evl_list_unlink(&q->again);
    s->out = NULL;
    evl_pool_release(evl_s_net(s), &evl_s_net(s)->queues, q);
}

enum { SIZE_BLOCK = 0, SIZE_HEAD = 1 };

evl_chunk *evl_chunk_new(evl_stream_handle *s, size_t room) {
    evl_net *net = evl_s_net(s);
    size_t size = sizeof(evl_chunk) + room;
    evl_chunk *c;
    if (room == 0)
        c = evl_pool_alloc(net, &net->heads);
    else if (size <= EVL_BLOCK)
        c = evl_pool_alloc(net, &net->blocks);
    else
        c = evl_mem_resize(&net->loop->mem, NULL, 0, size);
    if (!c)
        return NULL;
    *c = (evl_chunk){.data = c->bytes, .file = -1};
    c->size = room == 0 ? SIZE_HEAD : size <= EVL_BLOCK ? SIZE_BLOCK : size;
    return c;
}

void evl_chunk_free(evl_stream_handle *s, evl_chunk *c) {
    evl_net *net = evl_s_net(s);
    evl_list_unlink(&c->link);
    if (c->release)
        evl_drop_reserved(net->loop, c->release);
    if (c->pipe)
        evl_splice_pipe_unref(c->pipe);
    if (c->owns_file)
        (void)evl_sys.close(c->file);
    if (c->fds)
        evl_chunk_close_fds(s, c);
    if (c->size == SIZE_BLOCK)
        evl_pool_release(net, &net->blocks, c);
    else if (c->size == SIZE_HEAD)
        evl_pool_release(net, &net->heads, c);
    else
        evl_mem_free(&net->loop->mem, c, c->size);
}

/* Free space behind the bytes of the last chunk. */
static size_t tail_room(const evl_outq *q) {
    if (evl_list_empty(&q->chunks))
        return 0;
    const evl_chunk *c = EVL_OWNER(q->chunks.prev, evl_chunk, link);
    if (c->size != SIZE_BLOCK || c->file >= 0 || c->uncounted)
        return 0;
    return (size_t)((const char *)c + EVL_BLOCK - (c->data + c->len));
}

void evl_outq_append(evl_stream_handle *s, evl_chunk *c) {
    evl_list_append(&s->out->chunks, &c->link);
    s->out->queued += c->len;
}

evl_chunk *evl_chunk_new_copy(evl_stream_handle *s, size_t room) {
    size_t least = EVL_BLOCK - sizeof(evl_chunk);
    evl_chunk *c = evl_outq_get(s) ? evl_chunk_new(s, room < least ? least : room) : NULL;
    if (!c)
        evl_outq_drop_empty(s);
    return c;
}

/* Copies the buffers without their first `skip` bytes: first into `tail`, which has `room` bytes, then into
 * `fresh`. */
static void copy_pieces(evl_chunk *tail, size_t room, evl_chunk *fresh, const evl_buf *bufs, int n,
                        size_t skip) {
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
}

void evl_chunk_copy(evl_chunk *c, const evl_buf *bufs, int n, size_t skip) {
    copy_pieces(NULL, 0, c, bufs, n, skip);
}

int evl_outq_enqueue(evl_stream_handle *s, const evl_buf *bufs, int n, size_t skip, size_t total) {
    evl_outq *q = evl_outq_get(s);
    if (!q)
        return EVL_ENOMEM;
    size_t left = total - skip, room = tail_room(q);
    evl_chunk *tail = room > 0 ? EVL_OWNER(q->chunks.prev, evl_chunk, link) : NULL;
    evl_chunk *fresh = NULL;
    if (left > room) {
        fresh = evl_chunk_new_copy(s, left - room);
        if (!fresh)
            return EVL_ENOMEM;
        evl_outq_append(s, fresh);
    }
    copy_pieces(tail, room, fresh, bufs, n, skip);
    q->queued += left;
    return 0;
}

void evl_chunk_discard(evl_stream_handle *s, evl_chunk *c) {
    if (c->release)
        evl_drop_unreserve(evl_s_loop(s), c->release);
    c->release = NULL;
    evl_chunk_free(s, c);
    evl_outq_drop_empty(s);
}

/* --- sending ---------------------------------------------------------------------------------- */

void evl_stream_want_write(evl_stream_handle *s) {
    if (evl_s_has(s, EVL_S_OUT) && !evl_s_has(s, EVL_S_CUSTOM))
        return;
    s->flags |= EVL_S_OUT;
    evl_stream_interest(s);
}

/* A Unix socket would report EVL_WRITE after every message that the peer reads. */
void evl_stream_unwant_write(evl_stream_handle *s) {
    bool stays = (s->flags & (EVL_S_TCP | EVL_S_EDGE)) == (EVL_S_TCP | EVL_S_EDGE);
    if (stays || !evl_s_has(s, EVL_S_OUT))
        return;
    s->flags &= ~(uint32_t)EVL_S_OUT;
    evl_stream_interest(s);
}

void evl_stream_send_soon(evl_stream_handle *s) {
    evl_list_unlink(&s->out->again);
    evl_list_append(&evl_s_net(s)->writing, &s->out->again);
    evl_net_again(evl_s_net(s));
}

static void remove_sent(evl_stream_handle *s, size_t n) {
    evl_outq *q = s->out;
    evl_stream_count_sent(s, n);
    while (n > 0) {
        evl_chunk *c = EVL_OWNER(q->chunks.next, evl_chunk, link);
        size_t part = n < c->len ? n : c->len;
        c->data += part;
        c->len -= part;
        n -= part;
        if (!c->uncounted)
            q->queued -= part;
        if (c->len == 0)
            evl_chunk_free(s, c);
    }
}

/* Sends the chunks in front of the first file, or of the next ones with fds. A socket that did not accept all
 * is full: EVL_EAGAIN without a second call. */
static int64_t send_pieces(evl_stream_handle *s) {
    evl_buf bufs[EVL_PIECES_MAX];
    size_t total = 0;
    int n = 0;
    for (evl_link *link = s->out->chunks.next; link != &s->out->chunks && n < EVL_PIECES_MAX;
         link = link->next) {
        const evl_chunk *c = EVL_OWNER(link, evl_chunk, link);
        if (c->file >= 0 || (c->fds && n > 0) || c->len > EVL_WRITE_MAX - total)
            break;
        bufs[n++] = (evl_buf){c->data, c->len};
        total += c->len;
    }
    evl_chunk *first = EVL_OWNER(s->out->chunks.next, evl_chunk, link);
    if (EVL_UNLIKELY(n == 0))
        bufs[n++] = (evl_buf){first->data, total = EVL_WRITE_MAX};
    bool is_socket = (s->flags & (EVL_S_SOCKET | EVL_S_CUSTOM)) == EVL_S_SOCKET;
    int64_t rc = EVL_UNLIKELY(first->fds != NULL) ? evl_chunk_send_fds(s, first, bufs, n)
                                                  : evl_transport_writev(s, bufs, n);
    if (rc > 0)
        remove_sent(s, (size_t)rc);
    return rc == 0 || (rc > 0 && (size_t)rc < total && is_socket) ? EVL_EAGAIN : rc;
}

/* Sends the first chunk or chunks. A transport that holds bytes is flushed first and gets no more until it
 * holds none. */
static int64_t send_front(evl_stream_handle *s) {
    int64_t n = 1;
    if (!evl_s_has(s, EVL_S_HELD)) {
        evl_chunk *c = EVL_OWNER(s->out->chunks.next, evl_chunk, link);
        n = c->file >= 0 ? evl_stream_send_file(s, c) : send_pieces(s);
    }
    if (EVL_LIKELY(!evl_s_has(s, EVL_S_HELD)) || (n < 0 && n != EVL_EAGAIN))
        return n;
    int rc = evl_transport_flush(s);
    return rc != 0 ? rc : n;
}

void evl_stream_send_queue(evl_stream_handle *s) {
    int64_t n = 0;
    for (int i = 0; i < EVL_WRITES_MAX && evl_s_is_sending(s) && n >= 0; i++)
        n = send_front(s);
    if (n < 0 && n != EVL_EAGAIN) {
        evl_stream_end_writing(s, (int)n);
        evl_stream_update_state(s);
        return;
    }
    if (n == EVL_EAGAIN)
        evl_stream_want_write(s);
    else if (evl_s_is_sending(s))
        evl_stream_send_soon(s);
    else
        evl_stream_unwant_write(s);
    evl_stream_wake_waiters(s);
    evl_stream_try_shutdown(s);
    evl_stream_update_state(s);
}
