/* stream_input.h - private header of the reading side: stream_input.c, stream_read.c, stream_push.c,
 * read_buffer.c. */
#ifndef EVL_CORE_STREAM_INPUT_H
#define EVL_CORE_STREAM_INPUT_H

#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream.h"

#define EVL_INBUF_POOLED (EVL_BLOCK - offsetof(evl_inbuf, bytes))

/* Free space behind the buffered bytes; also that in front of them, if moving them copies no more bytes than
 * were consumed. */
static inline size_t evl_inbuf_room(const evl_inbuf *in) {
    return in->len <= in->start ? in->cap - in->len : in->cap - in->start - in->len;
}

/* The stream gets a buffer of its own while its data callback runs: from now on peek returns that one. */
static inline void evl_stream_end_sharing(const evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    if (net->loop->borrower != &s->io.base)
        return;
    net->loop->borrower = &net->unshared;
    net->unshared_stream = &s->io.base;
}

static inline bool evl_s_is_in_callback(const evl_stream_handle *s) {
    const evl_net *net = evl_s_net(s);
    const evl_handle *borrower = net->loop->borrower;
    return borrower == &s->io.base || (borrower == &net->unshared && net->unshared_stream == &s->io.base);
}

/* Whether the fd may have bytes to read. */
static inline bool evl_s_may_fetch(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_CAN_READ) && !evl_s_has(s, EVL_S_READ_FAILED | EVL_S_EOF);
}

/* Whether a read may return something other than EVL_EAGAIN. */
static inline bool evl_s_may_find(const evl_stream_handle *s) {
    return s->in || evl_s_has(s, EVL_S_CAN_READ | EVL_S_EOF | EVL_S_READ_FAILED);
}

static inline bool evl_s_is_record(const evl_stream_handle *s) {
    return s->io.base.node.sink == EVL_SINK_RECORD;
}

/* How many bytes push mode waits for. */
static inline size_t evl_s_least(const evl_stream_handle *s) {
    return EVL_UNLIKELY(evl_s_has(s, EVL_S_LEAST)) ? s->more->least : 1;
}

static inline bool evl_s_has_room(const evl_stream_handle *s) {
    return !evl_s_is_record(s) || evl_s_buffered(s) < EVL_READ_MAX || evl_s_buffered(s) < evl_s_least(s);
}

/* From a plain socket. The common case: the bytes fit, and the socket is empty then. */
static inline int64_t evl_stream_fetch_plain(evl_stream_handle *s, void *buf, size_t cap) {
    const uint32_t yes = EVL_S_TCP | EVL_S_ALONE | EVL_S_EDGE, no = EVL_S_DISCARD; /* it may linger */
    int64_t n = evl_transport_recv(s, buf, cap);
    if (EVL_UNLIKELY(n <= 0 || (size_t)n == cap || (s->flags & (yes | no)) != yes))
        return evl_stream_note_read(s, n, cap);
    s->flags &= ~(uint32_t)EVL_S_CAN_READ;
    s->bytes_in += (uint64_t)n;
    s->last_in = evl_s_loop(s)->now;
    return n;
}

static inline bool evl_s_is_bare_socket(const evl_stream_handle *s) {
    return (s->flags & (EVL_S_SOCKET | EVL_S_CUSTOM | EVL_S_FDS)) == EVL_S_SOCKET;
}

static inline int64_t evl_stream_fetch_inline(evl_stream_handle *s, void *buf, size_t cap) {
    return EVL_LIKELY(evl_s_is_bare_socket(s))
               ? evl_stream_fetch_plain(s, buf, cap)
               : evl_stream_note_read(s, evl_transport_read(s, buf, cap), cap);
}

/* read_buffer.c */
evl_inbuf *evl_inbuf_new(evl_net *net, size_t cap); /* NULL: out of memory */
char *evl_inbuf_reserve(evl_stream_handle *s, size_t want);
void evl_inbuf_consume(evl_stream_handle *s, size_t len); /* frees the buffer when it is empty */
size_t evl_inbuf_copy_out(evl_stream_handle *s, void *buf, size_t cap);
size_t evl_shared_copy_out(evl_net *net, void *buf, size_t cap); /* of what the running callback is lent */

/* stream_input.c */
/* Reads once into the stream's own buffer, behind what it holds. */
int64_t evl_stream_fetch_more(evl_stream_handle *s, size_t want);

/* stream_push.c: after the program has taken bytes itself, or has made room. */
void evl_stream_continue_push(evl_stream_handle *s);

#endif
