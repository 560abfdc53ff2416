/* stream_input.h - what the files of the reading side share: stream_input.c, stream_read.c, stream_push.c and
 * read_buffer.c. */
#ifndef EVL_CORE_STREAM_INPUT_H
#define EVL_CORE_STREAM_INPUT_H

#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream.h"

#define EVL_INBUF_POOLED (EVL_BLOCK - offsetof(evl_inbuf, bytes))

/* How much fits behind those that are there; moving them to the front must not cost more than was taken. */
static inline size_t evl_inbuf_room(const evl_inbuf *in) {
    return in->len <= in->start ? in->cap - in->len : in->cap - in->start - in->len;
}

/* The stream gets a buffer of its own while its push callback runs: from now on that is what is peeked at. */
static inline void evl_stream_end_loan(const evl_stream_handle *s) {
    if (evl_s_loop(s)->lent_to == &s->io.base)
        evl_s_loop(s)->lent_to = NULL;
}

static inline bool evl_s_may_fetch(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_CAN_READ) && !evl_s_has(s, EVL_S_READ_FAILED | EVL_S_EOF);
}

static inline bool evl_s_may_find(const evl_stream_handle *s) {
    return s->in || evl_s_has(s, EVL_S_CAN_READ | EVL_S_EOF | EVL_S_READ_FAILED);
}

static inline bool evl_s_is_record(const evl_stream_handle *s) {
    return s->io.base.node.sink == EVL_SINK_RECORD;
}

static inline bool evl_s_has_room(const evl_stream_handle *s) {
    return !evl_s_is_record(s) || evl_s_buffered(s) < EVL_READ_MAX;
}

/* From a socket. Nearly always it is data that fits, and all that there was. */
static inline int64_t evl_stream_fetch_plain(evl_stream_handle *s, void *buf, size_t cap) {
    const uint32_t yes = EVL_S_TCP | EVL_S_ALONE | EVL_S_EDGE, no = EVL_S_DISCARD; /* it may linger */
    int64_t n = evl_transport_recv(s, buf, cap);
    if (EVL_UNLIKELY(n <= 0 || (size_t)n == cap || (s->flags & (yes | no)) != yes))
        return evl_stream_noted(s, n, cap);
    s->flags &= ~(uint32_t)EVL_S_CAN_READ;
    s->bytes_in += (uint64_t)n;
    s->last_in = evl_s_loop(s)->now;
    return n;
}

static inline bool evl_s_is_bare_socket(const evl_stream_handle *s) {
    return (s->flags & (EVL_S_SOCKET | EVL_S_CUSTOM)) == EVL_S_SOCKET;
}

static inline int64_t evl_stream_fetch_inline(evl_stream_handle *s, void *buf, size_t cap) {
    return EVL_LIKELY(evl_s_is_bare_socket(s)) ? evl_stream_fetch_plain(s, buf, cap)
                                               : evl_stream_noted(s, evl_transport_read(s, buf, cap), cap);
}

/* read_buffer.c */
evl_inbuf *evl_inbuf_new(evl_net *net, size_t cap);
char *evl_inbuf_reserve(evl_stream_handle *s, size_t want);
void evl_inbuf_consume(evl_stream_handle *s, size_t len);
size_t evl_inbuf_copy_out(evl_stream_handle *s, void *buf, size_t cap);

/* stream_input.c */
int64_t evl_stream_fetch_more(evl_stream_handle *s, size_t want);

#endif
