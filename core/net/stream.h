/* stream.h - private header of streams: stream.c (lifetime), stream_open.c, stream_event.c, stream_linger.c,
 * stream_info.c, stream_timeout.c, stream_fds.c; stream_input.c, stream_read.c, stream_push.c and
 * read_buffer.c; stream_write.c and write_*.c; stream_splice.c; transport.c. */
#ifndef EVL_CORE_STREAM_H
#define EVL_CORE_STREAM_H

#include "../loop/access.h"
#include "../loop/handle.h"
#include "../loop/watcher.h"
#include "shared.h"

#include <sys/socket.h>

#if !defined(MSG_NOSIGNAL)
#    define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE is set there */
#endif

enum {
    EVL_S_CAN_READ = 1,      /* an event was reported, and no read has emptied the fd since */
    EVL_S_ALONE = 2,         /* that event was EVL_READ alone */
    EVL_S_SOCKET = 4,        /* a socket: has two directions, takes MSG_NOSIGNAL */
    EVL_S_TCP = 8,           /* a TCP socket: a short read has emptied it */
    EVL_S_NO_READ = 0x10,    /* not open for reading */
    EVL_S_NO_WRITE = 0x20,   /* not open for writing */
    EVL_S_EOF = 0x40,        /* the peer has closed its side */
    EVL_S_SHUT_ASKED = 0x80, /* to be shut down for writing when the queue is sent */
    EVL_S_SHUT = 0x100,      /* it is shut down */
    EVL_S_PUSH = 0x200,      /* push mode: a data callback or records */
    EVL_S_PAUSED = 0x400,
    EVL_S_OUT = 0x800,     /* EVL_WRITE is watched */
    EVL_S_CHOKED = 0x1000, /* the queue exceeded the high mark and has not reached the low one since */
    EVL_S_KEEP_FD = 0x2000,
    EVL_S_UNBLOCK = 0x4000, /* O_NONBLOCK was set here and is cleared at the end */
    EVL_S_READ_FAILED = 0x8000,
    EVL_S_WRITE_FAILED = 0x10000,
    EVL_S_DISCARD = 0x20000,     /* input is read and discarded */
    EVL_S_EDGE = 0x40000,        /* edge-triggered; otherwise EVL_READ is watched only while a reader waits */
    EVL_S_ABORT = 0x80000,       /* close with a reset */
    EVL_S_CUSTOM = 0x100000,     /* bytes go through a transport of the program */
    EVL_S_HELD = 0x200000,       /* the transport may hold bytes it has accepted: flush it */
    EVL_S_FOREIGN = 0x400000,    /* a socket the program opened: it may have sent bytes before */
    EVL_S_INHERITED = 0x800000,  /* a forked child's: the parent has the open socket too */
    EVL_S_TIMEOUTS = 0x1000000,  /* has a timeout: evl_stream_more.timeouts */
    EVL_S_TIMED_OUT = 0x2000000, /* push mode: a timeout is reported next */
    EVL_S_LEAST = 0x4000000,     /* push mode waits for evl_stream_more.least bytes */
    EVL_S_FDS = 0x8000000        /* fds are received, into evl_stream_more.held */
};

/* Bytes that were read and not consumed. */
typedef struct evl_inbuf {
    size_t cap;
    size_t start, len;
    size_t seen; /* leading bytes of `len` already searched in vain, or reported in a record */
    char bytes[];
} evl_inbuf;

/* One entry of the send queue. */
typedef struct evl_chunk {
    evl_link link;
    const char *data; /* the bytes not sent yet */
    size_t len;
    size_t size;                  /* of the allocation; SIZE_BLOCK, SIZE_HEAD: pooled */
    evl_node *release;            /* of data that is referred to: runs when the chunk is freed, or NULL */
    evl_operation *op;            /* of a file: completes when it is sent, or NULL */
    int64_t offset;               /* of the next byte in the file */
    int64_t sent;                 /* bytes of the file that were sent or copied */
    struct evl_splice_pipe *pipe; /* of a splice: its pipe, `file` is the end to read; or NULL */
    struct evl_chunk_fds *fds;    /* go with the first byte; or NULL */
    int file;                     /* fd to send from, or -1 */
    bool owns_file;               /* it is closed with the chunk */
    bool by_copy;                 /* the kernel cannot send this file to this fd: read it */
    bool uncounted;               /* copied from a file: not counted in evl_outq.queued */
    char bytes[];                 /* data that was copied */
} evl_chunk;

/* The send queue and the operations that wait for it. It is allocated while it holds any of the two. */
typedef struct evl_outq {
    evl_link chunks;
    evl_link waiters; /* evl_operation.node: drain, flush, shutdown, splice */
    evl_link again;   /* in evl_net.writing */
    struct evl_stream_handle *stream;
    size_t queued; /* bytes that the program has written and are not sent; files do not count */
} evl_outq;

enum { EVL_TIMEOUT_READ, EVL_TIMEOUT_WRITE, EVL_TIMEOUT_IDLE, EVL_TIMEOUTS };

/* While the stream has EVL_S_TIMEOUTS. */
typedef struct evl_stream_timeouts {
    evl_handle *timer;           /* internal; looks at all of them */
    int64_t limit[EVL_TIMEOUTS]; /* EVL_NEVER: none */
    int64_t since[EVL_TIMEOUTS]; /* when the period began, unless bytes were moved since */
    bool reads, writes;          /* input is awaited; sending is: as last noted */
    uint32_t over;               /* EVL_READ, EVL_WRITE: what the last one was for; stays */
} evl_stream_timeouts;

/* State that few streams need. */
typedef struct evl_stream_more {
    const struct evl_transport *transport; /* NULL: the fd itself */
    void *self;
    uint8_t want_read, want_write; /* events that its last read, its last write waits for */
    bool broken;                   /* it returned an impossible value: only its close is called from now on */
    bool flush_waits;              /* its last flush returned EVL_EAGAIN */
    uint8_t again_for;             /* EVL_READ, EVL_WRITE: the sides to call again, while `again` is linked */
    uint8_t turns;                 /* how often they were called again without progress or an event */
    evl_link again;                /* in evl_net.crossing */
    struct evl_stream_handle *stream;
    evl_buf *separators;    /* of the pending read_until: copies, their bytes follow the array */
    size_t separators_size; /* of the allocation */
    int64_t linger;         /* linger time in ns; 0: the loop's; negative: none */
    uint32_t low;           /* the low mark; a stream without evl_stream_more has high / 4 */
    uint32_t hard;
    uint32_t least;            /* with EVL_S_LEAST */
    struct evl_held_fds *held; /* received and not taken, or NULL */
    evl_stream_timeouts timeouts;
} evl_stream_more;

/* 192 bytes. An idle connection has no other memory. */
typedef struct evl_stream_handle {
    evl_watcher io;
    evl_operation *reader;
    evl_inbuf *in;
    evl_outq *out;
    evl_stream_more *more;
    evl_link peers;  /* in the server's clients; while it lingers, in evl_net.lingering */
    uint64_t server; /* the id of the server that accepted it, or 0 */
    uint64_t bytes_in, bytes_out;
    int64_t last_in;  /* time of the last byte; while it lingers, the deadline */
    int64_t last_out; /* time of the last byte; while it lingers, of its last progress */
    uint32_t high;
    uint32_t flags;
    int32_t read_error, write_error; /* with EVL_S_READ_FAILED and EVL_S_WRITE_FAILED */
} evl_stream_handle;

static inline bool evl_s_has(const evl_stream_handle *s, uint32_t flags) { return (s->flags & flags) != 0; }

static inline evl_stream_handle *evl_s_of(const evl_handle *handle) {
    return (evl_stream_handle *)(void *)(uintptr_t)handle;
}

static inline int evl_stream_enter(const evl_stream *stream) {
    return evl_enter_handle(stream, EVL_KIND_STREAM);
}

static inline evl_loop *evl_s_loop(const evl_stream_handle *s) { return s->io.base.loop; }
static inline evl_net *evl_s_net(const evl_stream_handle *s) { return evl_net_at(s->io.base.loop); }
static inline bool evl_s_lingers(const evl_stream_handle *s) {
    return s->io.base.node.kind == EVL_KIND_LINGERING;
}

/* In push mode and not paused. */
static inline bool evl_s_pushes(const evl_stream_handle *s) {
    return (s->flags & (EVL_S_PUSH | EVL_S_PAUSED)) == EVL_S_PUSH;
}

/* Another process uses the open socket too: closing the fd is all that may be done to it. */
static inline bool evl_s_is_shared(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_INHERITED) || evl_is_forked(s->io.base.loop);
}

static inline size_t evl_s_buffered(const evl_stream_handle *s) { return s->in ? s->in->len : 0; }
static inline bool evl_s_has_chunks(const evl_stream_handle *s) {
    return s->out && !evl_list_empty(&s->out->chunks);
}

/* Whether written bytes are still in the queue or in the transport. */
static inline bool evl_s_is_sending(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_HELD) || evl_s_has_chunks(s);
}

/* Whether written bytes, or the shutdown that was asked for, have not reached the kernel. */
static inline bool evl_s_is_unfinished(const evl_stream_handle *s) {
    const uint32_t end = EVL_S_SHUT_ASKED | EVL_S_SHUT | EVL_S_WRITE_FAILED;
    return evl_s_is_sending(s) || (s->flags & end) == EVL_S_SHUT_ASKED;
}

static inline uint32_t evl_s_low(const evl_stream_handle *s) { return s->more ? s->more->low : s->high / 4; }

/* Most bytes of one write: some kernels refuse INT_MAX and more. */
#define EVL_WRITE_MAX ((size_t)1 << 30)

/* Most bytes given to send(2) in one piece: Linux sends a part of what is more. */
#if defined(__linux__)
#    define EVL_SEND_MAX ((size_t)PTRDIFF_MAX)
#else
#    define EVL_SEND_MAX EVL_WRITE_MAX
#endif

/* transport.c: one attempt each. They return a byte count (0 of a read: end of file), EVL_EAGAIN or another
 * error. */
int64_t evl_transport_read(evl_stream_handle *s, void *buf, size_t cap);
int64_t evl_transport_write(evl_stream_handle *s, const void *data, size_t len);
int64_t evl_transport_writev(evl_stream_handle *s, const evl_buf *bufs, int n);
int evl_transport_flush(evl_stream_handle *s); /* 0: it holds no bytes any more */
int evl_transport_shutdown(evl_stream_handle *s);
void evl_transport_close(evl_stream_handle *s, bool abort);
void evl_transport_continue(struct evl_stream_more *more); /* calls the sides again that `again_for` names */

/* The plain socket, inline; and the handling of a failed system call. */
int64_t evl_transport_read_failed(evl_stream_handle *s, void *buf, size_t cap);
int64_t evl_transport_write_failed(evl_stream_handle *s, const void *data, size_t len);

static inline int64_t evl_transport_recv(evl_stream_handle *s, void *buf, size_t cap) {
    ssize_t n = evl_sys.recv(s->io.fd, buf, cap, MSG_DONTWAIT);
    return EVL_LIKELY(n >= 0) ? n : evl_transport_read_failed(s, buf, cap);
}

static inline int64_t evl_transport_send(evl_stream_handle *s, const void *data, size_t len) {
    ssize_t n = evl_sys.send(s->io.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return EVL_LIKELY(n >= 0) ? n : evl_transport_write_failed(s, data, len);
}

/* stream.c */
int evl_stream_make(evl_loop *loop, int fd, uint32_t flags, int64_t linger, evl_stream_handle **out);
evl_stream_more *evl_stream_more_of(evl_stream_handle *s); /* allocates it; NULL: out of memory */
void evl_stream_finish(evl_stream_handle *s);              /* closes and frees it, without lingering */

/* stream_event.c */
bool evl_stream_has_reader(const evl_stream_handle *s); /* a read, push mode or discarding wants input */
uint32_t evl_stream_wanted(const evl_stream_handle *s); /* the events to watch */
void evl_stream_interest(evl_stream_handle *s);         /* updates which events are watched */
void evl_stream_update_unusual(evl_stream_handle *s);   /* updates which events call evl_stream_event */
void evl_stream_event(evl_handle *handle, uint32_t mask, int error);

/* stream_linger.c */

/* At a close: whether the stream lingers from now on. */
bool evl_stream_lingers(evl_handle *handle);

/* Of a lingering stream: when its next time limit ends. */
int64_t evl_stream_linger_until(const evl_stream_handle *s);
bool evl_stream_set_linger_ns(evl_stream_handle *s, int64_t ns); /* false: out of memory */

/* After a change of either side: updates whether the handle is active; frees a lingering stream when done. */
void evl_stream_update_state(evl_stream_handle *s);

/* stream_timeout.c */

/* With EVL_S_TIMEOUTS, after what is awaited may have changed; and after a read has started, before which no
 * silence counts. */
void evl_stream_note_waiting(evl_stream_handle *s);
void evl_stream_note_read_start(evl_stream_handle *s);
void evl_stream_end_timeouts(evl_stream_handle *s);

static inline void evl_stream_update_waiting(evl_stream_handle *s) {
    if (EVL_UNLIKELY(evl_s_has(s, EVL_S_TIMEOUTS)))
        evl_stream_note_waiting(s);
}

/* stream_fds.c: one read of a stream with EVL_S_FDS, and how many fds it holds; closing those. */
int64_t evl_stream_recv_fds(evl_stream_handle *s, void *buf, size_t cap);
uint32_t evl_stream_held_fds(const evl_stream_handle *s);
void evl_stream_drop_fds(evl_stream_handle *s);

/* stream_input.c, stream_read.c, stream_push.c, read_buffer.c; stream_input.h has what only these use */

/* Reads once and updates the state. */
int64_t evl_stream_fetch(evl_stream_handle *s, void *buf, size_t cap);

/* Updates the state after a read of at most `cap` bytes returned n. Returns n. */
int64_t evl_stream_note_read(evl_stream_handle *s, int64_t n, size_t cap);

/* Takes buffered bytes, or reads once. */
int64_t evl_stream_pull(evl_stream_handle *s, void *buf, size_t cap);

/* The result of a read that gets no bytes: EVL_EAGAIN, an error, or 0 at the end of file. */
int64_t evl_stream_empty_result(const evl_stream_handle *s);

/* Whether a read may start: 0, EVL_EBADF, EVL_EBUSY. */
int evl_stream_check_idle(const evl_stream_handle *s);

/* Makes the pending read, or the data callback, ready; or discards the input. */
void evl_stream_readable(evl_stream_handle *s);
void evl_stream_discard(evl_stream_handle *s);

/* Discards in the next pass: a callback may still use the shared buffer. */
void evl_stream_discard_soon(evl_stream_handle *s);

/* The pending read, or the data callback, gets the error. */
void evl_stream_end_reading(evl_stream_handle *s, int error);

/* Cancels a queued data callback. The data stays. */
void evl_stream_cancel_push(evl_stream_handle *s);
bool evl_stream_take(evl_handle *handle, int64_t *result);
void evl_inbuf_free(evl_net *net, evl_inbuf *in);

/* stream_splice.c */
extern const evl_op_type evl_stream_splicing;
int64_t evl_splice_pipe_send(evl_stream_handle *s, struct evl_splice_pipe *pipe, size_t len);
int64_t evl_splice_pipe_read(struct evl_splice_pipe *pipe, char *buf, size_t len);
void evl_splice_pipe_unref(struct evl_splice_pipe *pipe);
bool evl_splice_awaits_room(const evl_operation *op); /* rather than input */
void evl_splice_end(evl_operation *op);   /* removes it from both streams; the caller completes it */
void evl_splice_leave(evl_operation *op); /* also updates the waiters of the destination */

/* stream_write.c, write_*.c; write_queue.h has what only these use */
int evl_stream_check_write(const evl_stream_handle *s); /* whether a write is allowed: 0 or an error */

/* Lets a splice wait until the queue is empty. False: out of memory. */
bool evl_stream_wait_for_room(evl_stream_handle *s, evl_operation *op);

/* A chunk for the pipe of a splice, NULL without memory; and queueing it. len 0: it is freed instead. */
evl_chunk *evl_stream_new_splice_chunk(evl_stream_handle *s);
void evl_stream_queue_splice_chunk(evl_stream_handle *s, evl_chunk *c, size_t len);

void evl_stream_send_queue(evl_stream_handle *s);

/* Frees the queue. Its waiters complete with the error. */
void evl_stream_drop_queue(evl_stream_handle *s, int error);
void evl_stream_end_writing(evl_stream_handle *s, int error); /* and writes fail from now on */

/* At a close: the waiters complete with EVL_ECLOSED. The queue stays. */
void evl_stream_end_waiting(evl_stream_handle *s);

/* A shutdown waits for the peer's end; all is sent. */
bool evl_stream_awaits_end(const evl_stream_handle *s);

/* A timeout is over: the waiters and the sends of files complete with it. False: there are none. */
bool evl_stream_expire_waiters(evl_stream_handle *s);

/* Completes the waiters whose condition holds. */
void evl_stream_wake_waiters(evl_stream_handle *s);
void evl_stream_try_shutdown(evl_stream_handle *s); /* if it was asked for and the queue is empty */
size_t evl_stream_queue_size(const evl_stream_handle *s);

#endif
