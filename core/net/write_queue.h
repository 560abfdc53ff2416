/* write_queue.h - the writing side of a stream from the inside: write_queue.c, write_wait.c, write_file.c and
 * stream_write.c. */
#ifndef EVL_CORE_WRITE_QUEUE_H
#define EVL_CORE_WRITE_QUEUE_H

#include "../loop/loop.h"
#include "stream.h"

#define EVL_PIECES_MAX 64 /* of one system call */

/* write_queue.c: the queue and its chunks */
evl_outq *evl_outq_get(evl_stream_handle *s);   /* makes it when there is none; NULL: out of memory */
void evl_outq_drop_empty(evl_stream_handle *s); /* frees it when nothing is queued and nothing waits */
void evl_outq_append(evl_stream_handle *s, evl_chunk *c);

/* Copies the pieces from `skip` bytes on behind what is queued: all of them, or EVL_ENOMEM. */
int evl_outq_enqueue(evl_stream_handle *s, const evl_buf *bufs, int n, size_t skip, size_t total);
evl_chunk *evl_chunk_new(evl_stream_handle *s, size_t room);      /* NULL: out of memory */
evl_chunk *evl_chunk_new_copy(evl_stream_handle *s, size_t room); /* likewise, and there is a queue */
void evl_chunk_copy(evl_chunk *c, const evl_buf *bufs, int n, size_t skip);
void evl_chunk_free(evl_stream_handle *s, evl_chunk *c);
/* Of a chunk that was never queued: its release does not run. */
void evl_chunk_discard(evl_stream_handle *s, evl_chunk *c);

/* write_queue.c: when to send */
void evl_stream_want_write(evl_stream_handle *s);   /* the kernel says when */
void evl_stream_unwant_write(evl_stream_handle *s); /* there is nothing to wait for */
void evl_stream_send_soon(evl_stream_handle *s);    /* the next pass goes on */

static inline void evl_stream_count_sent(evl_stream_handle *s, size_t n) {
    s->bytes_out += n;
    s->last_out = evl_s_loop(s)->now;
}

/* write_wait.c */
void evl_stream_update_choked(evl_stream_handle *s);

/* write_file.c */
int64_t evl_stream_send_file(evl_stream_handle *s, evl_chunk *c); /* which is in front; above 0: go on */
bool evl_chunk_keep_file(evl_stream_handle *s, evl_chunk *c); /* without its operation; false: no fd for it */

#endif
