/* write_queue.h - private header of the writing side: write_queue.c, write_wait.c, write_file.c, write_fds.c,
 * stream_write.c. */
#ifndef EVL_CORE_WRITE_QUEUE_H
#define EVL_CORE_WRITE_QUEUE_H

#include "../loop/loop.h"
#include "stream.h"

#define EVL_PIECES_MAX 64 /* buffers of one system call */

/* write_queue.c: the queue and its chunks */
evl_outq *evl_outq_get(evl_stream_handle *s);   /* allocates it if there is none; NULL: out of memory */
void evl_outq_drop_empty(evl_stream_handle *s); /* frees it if it has no chunks and no waiters */
void evl_outq_append(evl_stream_handle *s, evl_chunk *c);

/* Appends copies of the buffers, without their first `skip` bytes: all of them, or none and EVL_ENOMEM. */
int evl_outq_enqueue(evl_stream_handle *s, const evl_buf *bufs, int n, size_t skip, size_t total);

/* A chunk with `room` bytes behind it; new_copy also allocates the queue. NULL: out of memory. */
evl_chunk *evl_chunk_new(evl_stream_handle *s, size_t room);
evl_chunk *evl_chunk_new_copy(evl_stream_handle *s, size_t room);
void evl_chunk_copy(evl_chunk *c, const evl_buf *bufs, int n, size_t skip);
void evl_chunk_free(evl_stream_handle *s, evl_chunk *c);

/* Frees a chunk that was never queued, without running its release. */
void evl_chunk_discard(evl_stream_handle *s, evl_chunk *c);

/* write_queue.c: when to send */
void evl_stream_want_write(evl_stream_handle *s);   /* watches EVL_WRITE */
void evl_stream_unwant_write(evl_stream_handle *s); /* nothing is left to send */
void evl_stream_send_soon(evl_stream_handle *s);    /* in the next pass */

static inline void evl_stream_count_sent(evl_stream_handle *s, size_t n) {
    s->bytes_out += n;
    s->last_out = evl_s_loop(s)->now;
}

/* write_wait.c */
void evl_stream_update_choked(evl_stream_handle *s);

/* stream_write.c */
bool evl_stream_is_too_much(const evl_stream_handle *s, size_t len); /* for the hard limit */
int evl_stream_refuse_write(evl_stream_handle *s, int error);        /* drains wait; returns the error */
void evl_stream_finish_queueing(evl_stream_handle *s, bool full);

/* Queues what is left after the first `out` bytes. Returns how many bytes were accepted in all, or an error.
 */
int64_t evl_stream_queue_rest(evl_stream_handle *s, const evl_buf *bufs, int n, size_t out, size_t total);

/* write_fds.c: sends the fds of the first chunk with the buffers, which begin with it; closes its fds. */
int64_t evl_chunk_send_fds(evl_stream_handle *s, evl_chunk *c, const evl_buf *bufs, int n);
void evl_chunk_close_fds(evl_stream_handle *s, evl_chunk *c);

/* write_file.c */

/* Sends from the first chunk, which has a file. Above 0: continue; else EVL_EAGAIN or another error. */
int64_t evl_stream_send_file(evl_stream_handle *s, evl_chunk *c);

/* Keeps a file queued whose operation ends. False: there is no fd for that. */
bool evl_chunk_keep_file(evl_stream_handle *s, evl_chunk *c);

#endif
