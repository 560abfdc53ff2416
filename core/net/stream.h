/* stream.h - streams from the inside: stream.c (their life), stream_open.c, stream_event.c, stream_linger.c,
 * stream_info.c; stream_input.c, stream_read.c, stream_push.c and read_buffer.c; stream_write.c and
 * write_*.c; stream_splice.c; transport.c. */
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
    EVL_S_CAN_READ = 1,      /* a read may find something: there was an event, and no end of it seen since */
    EVL_S_ALONE = 2,         /* that event said nothing but READ */
    EVL_S_SOCKET = 4,        /* has two halves, takes MSG_NOSIGNAL */
    EVL_S_TCP = 8,           /* a read that comes up short has read everything */
    EVL_S_NO_READ = 0x10,    /* not open for it */
    EVL_S_NO_WRITE = 0x20,   /* likewise */
    EVL_S_EOF = 0x40,        /* the other end is through */
    EVL_S_SHUT_ASKED = 0x80, /* write_eof, behind what is queued */
    EVL_S_SHUT = 0x100,      /* and done */
    EVL_S_PUSH = 0x200,      /* data is pushed */
    EVL_S_PAUSED = 0x400,
    EVL_S_OUT = 0x800,     /* WRITE is wanted of the kernel */
    EVL_S_CHOKED = 0x1000, /* more than the high mark was queued, and not yet the low one */
    EVL_S_KEEP_FD = 0x2000,
    EVL_S_UNBLOCK = 0x4000, /* O_NONBLOCK is ours and goes at the end */
    EVL_S_READ_FAILED = 0x8000,
    EVL_S_WRITE_FAILED = 0x10000,
    EVL_S_DISCARD = 0x20000, /* what comes in is thrown away */
    EVL_S_EDGE = 0x40000,    /* the kernel reports changes; else it is asked when somebody waits */
    EVL_S_ABORT = 0x80000,   /* to be closed with a reset */
    EVL_S_CUSTOM = 0x100000, /* bytes go through a transport of the program's */
    EVL_S_HELD = 0x200000,   /* which may hold some that it has taken: it is to be flushed */
    EVL_S_FOREIGN = 0x400000 /* a socket that was open before: bytes of it may be on their way */
};

/* What came in and was not taken. */
typedef struct evl_inbuf {
    size_t cap;
    size_t start, len;
    size_t seen; /* of len: searched without a find, or told in a record */
    char bytes[];
} evl_inbuf;

/* A piece of what is to go out. */
typedef struct evl_chunk {
    evl_link link;
    const char *data; /* what is left of it */
    size_t len;
    size_t size;                 /* of the allocation; 0: a pooled block, 1: a pooled head */
    evl_node *release;           /* referred to: runs when it is gone */
    evl_operation *op;           /* a file: what waits for it, NULL when nothing does any more */
    int64_t offset;              /* in the file */
    int64_t sent;                /* of the file, or copied */
    struct evl_conduit *conduit; /* what comes through a pipe, whose end is `file` */
    int file;                    /* its fd, or -1 */
    bool owns_file;              /* which is closed with the chunk */
    bool by_copy;                /* the kernel cannot send this file to this fd */
    bool uncounted;              /* copied from a file: no part of evl_outq.queued */
    char bytes[];                /* copied */
} evl_chunk;

/* What is to go out, and who waits for that. There is one while there is either. */
typedef struct evl_outq {
    evl_link chunks;
    evl_link waiters; /* evl_operation.node: drain, flush, shutdown */
    evl_link again;   /* in evl_net.writing */
    struct evl_stream_handle *stream;
    size_t queued; /* bytes in memory that a write has brought */
} evl_outq;

/* What few streams have. */
typedef struct evl_stream_more {
    const struct evl_transport *transport; /* NULL: the fd itself */
    void *self;
    uint8_t want_read, want_write; /* what the transport waits for, for the one and the other */
    bool broken;                   /* it returned what cannot be: it is not called again, except to close */
    evl_buf *separators;           /* of the pending read: copies, with their bytes behind them */
    size_t separators_size;        /* of the allocation */
    int64_t linger;                /* 0: the loop's; negative: none */
    uint32_t low;                  /* a quarter of the high mark unless there is one of these */
    uint32_t hard;
} evl_stream_more;

/* 192 bytes: an idle connection holds nothing else. */
typedef struct evl_stream_handle {
    evl_watcher io;
    evl_operation *reader;
    evl_inbuf *in;
    evl_outq *out;
    evl_stream_more *more;
    evl_link peers;  /* in its server's clients; of a lingering one, in evl_net.lingering */
    uint64_t server; /* the id of the server that accepted it, or 0 */
    uint64_t bytes_in, bytes_out;
    int64_t last_in;  /* of a lingering one: until when */
    int64_t last_out; /* of a lingering one: when it last had something to do */
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

static inline size_t evl_s_buffered(const evl_stream_handle *s) { return s->in ? s->in->len : 0; }
static inline bool evl_s_has_chunks(const evl_stream_handle *s) {
    return s->out && !evl_list_empty(&s->out->chunks);
}

/* Whether anything that was written has not reached the kernel. */
static inline bool evl_s_is_sending(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_HELD) || evl_s_has_chunks(s);
}

/* Likewise, or the end of it has not been announced though it was asked for. */
static inline bool evl_s_is_unfinished(const evl_stream_handle *s) {
    const uint32_t end = EVL_S_SHUT_ASKED | EVL_S_SHUT | EVL_S_WRITE_FAILED;
    return evl_s_is_sending(s) || (s->flags & end) == EVL_S_SHUT_ASKED;
}

static inline uint32_t evl_s_low(const evl_stream_handle *s) { return s->more ? s->more->low : s->high / 4; }

/* No write is larger: there are kernels that refuse INT_MAX and more. */
#define EVL_WRITE_MAX ((size_t)1 << 30)

/* transport.c: one attempt each. EVL_EAGAIN, an error, or a count; a read counts 0 at the end. */
int64_t evl_transport_read(evl_stream_handle *s, void *buf, size_t cap);
int64_t evl_transport_write(evl_stream_handle *s, const void *data, size_t len);
int64_t evl_transport_writev(evl_stream_handle *s, const evl_buf *bufs, int n);
int evl_transport_flush(evl_stream_handle *s); /* 0: it holds nothing */
int evl_transport_shutdown(evl_stream_handle *s);
void evl_transport_close(evl_stream_handle *s, bool abort);

/* A socket's fd itself, without a call in between; and what to make of an answer below 0. */
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
evl_stream_more *evl_stream_more_of(evl_stream_handle *s); /* NULL: out of memory */
void evl_stream_finish(evl_stream_handle *s);              /* closes it for good, without lingering */

/* stream_event.c */
uint32_t evl_stream_wanted(const evl_stream_handle *s);
void evl_stream_interest(evl_stream_handle *s); /* tells the kernel what is wanted now */
void evl_stream_update_slow_mask(evl_stream_handle *s);
void evl_stream_event(evl_handle *handle, uint32_t mask, int error);

/* stream_linger.c */
bool evl_stream_lingers(evl_handle *handle);
int64_t evl_stream_linger_until(const evl_stream_handle *s); /* when a lingering one changes by time alone */
bool evl_stream_set_linger_ns(evl_stream_handle *s, int64_t ns); /* false: out of memory */
void evl_stream_settle(evl_stream_handle *s); /* after a change of either side: is it active, is it over */

/* stream_input.c, stream_read.c, stream_push.c, read_buffer.c; what only these share is in stream_input.h */
int64_t evl_stream_fetch(evl_stream_handle *s, void *buf, size_t cap); /* a read, and what follows from it */
int64_t evl_stream_noted(evl_stream_handle *s, int64_t n, size_t cap); /* what a read answered */
int64_t evl_stream_pull(evl_stream_handle *s, void *buf, size_t cap);  /* what is there, or one read */
int64_t
evl_stream_standing(const evl_stream_handle *s); /* with nothing to read: EVL_EAGAIN, an error, 0: the end */
int evl_stream_check_idle(const evl_stream_handle *s); /* may a read be started? */
void evl_stream_readable(evl_stream_handle *s);
void evl_stream_discard(evl_stream_handle *s);
void evl_stream_discard_soon(evl_stream_handle *s);           /* in the next pass: what is lent now stays */
void evl_stream_end_reading(evl_stream_handle *s, int error); /* whoever reads hears of it */
void evl_stream_unready(evl_stream_handle *s); /* takes back a push that is due; what it was for stays */
bool evl_stream_take(evl_handle *handle, int64_t *result);
void evl_inbuf_give(evl_net *net, evl_inbuf *in);

/* stream_splice.c */
extern const evl_op_type evl_stream_splicing;
int64_t evl_conduit_send(evl_stream_handle *s, struct evl_conduit *conduit, size_t len);
int64_t evl_conduit_read(struct evl_conduit *conduit, char *buf, size_t len);
void evl_conduit_unref(struct evl_conduit *conduit);
void evl_splice_end(evl_operation *op);   /* takes it out of both streams; it is then to be completed */
void evl_splice_leave(evl_operation *op); /* and the other stream sees to its own */

/* stream_write.c, write_*.c; what only these share is in write_queue.h */
int evl_stream_check_write(const evl_stream_handle *s);
bool evl_stream_wait_for_room(evl_stream_handle *s, evl_operation *op); /* a splice; false: out of memory */
evl_chunk *evl_stream_new_conduit(evl_stream_handle *s);                /* NULL: out of memory */
void evl_stream_queue_conduit(evl_stream_handle *s, evl_chunk *c, size_t len); /* len 0: it is not needed */
void evl_stream_send_queue(evl_stream_handle *s);
void evl_stream_end_writing(evl_stream_handle *s, int error); /* drops the queue; who waits hears of it */
void evl_stream_end_waiting(evl_stream_handle *s);            /* the stream is closed for them */
void evl_stream_told(evl_stream_handle *s);                   /* completes the waiters whose time has come */
void evl_stream_try_shutdown(evl_stream_handle *s);
size_t evl_stream_queue_size(const evl_stream_handle *s);

#endif
