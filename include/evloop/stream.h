/* evloop/stream.h - streams of bytes: TCP and Unix sockets, pipes, terminals.
 *
 * A stream owns its fd. Reading is pulled by operations, one at a time, or pushed through a callback. Writing
 * is no operation: evl_stream_write sends what the kernel takes and copies the rest, and what one waits for
 * is evl_stream_drain (little enough is left) or evl_stream_flush (nothing is).
 *
 * Closing never loses what was written: the loop goes on flushing, shuts its side down and discards what
 * still comes in until the other end is through or the linger time is up. evl_stream_abort discards. */
#ifndef EVLOOP_STREAM_H
#define EVLOOP_STREAM_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Some bytes of the caller's; laid out as POSIX's struct iovec. */
typedef struct evl_buf {
    const void *data;
    size_t len;
} evl_buf;

/* evl_stream_open flags. */
enum {
    EVL_STREAM_KEEP_FD = 1 /* the fd stays the caller's: closing the stream does not close it */
};

/* Makes a stream of an open fd: a connected stream socket, a pipe, a terminal. Where the fd is not
 * non-blocking, a pipe or terminal is opened once more, so that whoever shares it is not disturbed, or else
 * the flag is set and, at the end, restored. On an error the fd is untouched and the caller's.
 * Errors: EVL_EBADF, EVL_EPERM (a regular file, or a device that cannot be waited for), EVL_EEXIST (somebody
 * watches the fd), EVL_EPROTOTYPE (a socket that is no stream), EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_open(evl_loop *loop, evl_fd fd, uint32_t flags, evl_stream **out);

/* --- pulling -----------------------------------------------------------------------------------
 *
 * Each completes with a number of bytes, or an error. Taking happens when the completion is delivered: a read
 * that is cancelled, closed or times out has taken nothing. buf must stay until then. buf NULL leaves the
 * bytes in the stream's own buffer, for evl_stream_peek and evl_stream_consume.
 * Errors of all: EVL_EBUSY (another read is pending, or data is pushed), EVL_EBADF (not open for reading),
 * EVL_EINVAL, EVL_ENOMEM. They complete with EVL_ECLOSED when the stream is closed, and with what the kernel
 * answered: EVL_ECONNRESET, EVL_ETIMEDOUT, ... */

/* Whatever there is, at least one byte and at most cap (and 64 KiB). 0: end of file. @since 0.1 */
EVL_API int32_t evl_stream_read(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Exactly len bytes. EVL_EEOF when the stream ends before: what came stays in the stream's buffer. @since 0.1
 */
EVL_API int32_t evl_stream_read_exactly(evl_stream *stream, evl_op *op, void *buf, size_t len);

/* Up to and with the first separator; of several, the one that ends first. The n separators must stay until
 * completion. At most cap bytes: EVL_EMSGSIZE when there is none in cap bytes, EVL_EEOF when the stream ends
 * before one; in both cases everything stays in the stream's buffer. @since 0.1 */
EVL_API int32_t evl_stream_read_until(evl_stream *stream, evl_op *op, void *buf, size_t cap,
                                      const evl_buf *separators, int32_t n);

/* A line with its '\n'; at the end of the stream what is left, and then 0. EVL_EMSGSIZE as above. @since 0.1
 */
EVL_API int32_t evl_stream_read_line(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Everything up to the end of the stream, at most cap bytes (EVL_EMSGSIZE, and it stays in the stream's
 * buffer). @since 0.1 */
EVL_API int32_t evl_stream_read_all(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Takes what is there without waiting: the stream's buffer, else one read. Answers 0 at the end of file,
 * EVL_EAGAIN when there is nothing, EVL_EBUSY while a read is pending. @since 0.1 */
EVL_API int64_t evl_stream_try_read(evl_stream *stream, void *buf, size_t cap);

/* The bytes that were read and not taken yet: how many, and *data points at them until the next call that
 * reads or consumes. Inside a push callback: what it is told of. @since 0.1 */
EVL_API int64_t evl_stream_peek(evl_stream *stream, const void **data);

/* Takes len bytes away from the front of them. EVL_EINVAL: there are not so many. @since 0.1 */
EVL_API int32_t evl_stream_consume(evl_stream *stream, size_t len);

/* Puts bytes back, to be read first; they are copied. EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_unread(evl_stream *stream, const void *data, size_t len);

/* --- being pushed ------------------------------------------------------------------------------ */

/* From now on fn(arg, n) is called whenever n bytes have come; evl_stream_peek lends them until the callback
 * returns, and they count as taken. They lie in a buffer of the loop's, so that an idle stream holds none. n
 * is 0, once, at the end of file, or an error, once; nothing comes after it. EVL_ENOMEM pauses it instead.
 * fn NULL: records of EVL_KIND_STREAM with n as result and `arg` as user_data; the bytes stay in the stream's
 * buffer until evl_stream_consume, and while 64 KiB lie there nothing more is read.
 * Errors: EVL_EBUSY (a read is pending), EVL_EBADF (not open for reading), EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_on_data(evl_stream *stream, evl_done_fn *fn, void *arg);

/* Pauses and resumes pushing: while it is paused nothing is read, a push that was due is taken back, and
 * operations may read. Calling them twice is no error. Resuming needs evl_stream_on_data: EVL_EINVAL.
 * @since 0.1 */
EVL_API int32_t evl_stream_pause(evl_stream *stream);
EVL_API int32_t evl_stream_resume(evl_stream *stream);

/* --- writing -----------------------------------------------------------------------------------
 *
 * All three send at once what the kernel takes and queue the rest, and answer how many bytes were accepted:
 * all of them, or fewer when memory or the hard limit ended it after some were sent. They never wait, and the
 * order is kept. Errors, with nothing accepted: EVL_ENOBUFS (the hard limit), EVL_EPIPE (after
 * evl_stream_write_eof, or the other end has gone), EVL_EBADF (not open for writing), EVL_ECONNRESET and what
 * else the kernel answers, EVL_ENOMEM. An error that is found later is told by the next call, drain or flush.
 */

/* data is copied where it has to be. @since 0.1 */
EVL_API int64_t evl_stream_write(evl_stream *stream, const void *data, size_t len);

/* Several pieces as one. n is at most 1024. @since 0.1 */
EVL_API int64_t evl_stream_writev(evl_stream *stream, const evl_buf *bufs, int32_t n);

/* Never copied: data must stay until release(arg) is called, from the loop, exactly once, when it has been
 * sent or given up. On an error release does not run. release NULL: the data is static. EVL_ENOBUFS also when
 * len alone is above the hard limit. @since 0.1 */
EVL_API int64_t evl_stream_write_ref(evl_stream *stream, const void *data, size_t len, evl_fn *release,
                                     void *arg);

/* Sends len bytes (0: up to its end) of a regular file from offset on, behind what is queued, without copying
 * where the kernel can. Completes with the number of bytes; fewer than len if the file is shorter, and never
 * more than PTRDIFF_MAX, 2 GiB - 1 where a pointer has 32 bits. The file must stay open until then; what is
 * written meanwhile follows it. Cancelled, closed or timed out, what was sent stays sent. Errors: EVL_EBUSY,
 * EVL_EPIPE, EVL_EBADF, EVL_EINVAL, EVL_ENOMEM; completes with those of reading the file or of sending.
 * @since 0.1 */
EVL_API int32_t evl_stream_sendfile(evl_stream *stream, evl_op *op, evl_fd file, int64_t offset, size_t len);

/* Moves everything that comes from one stream to another until its end, as far as the kernel can without
 * copying it through this process; one waits for the other. Completes with the number of bytes, all of them
 * handed over to `to`, whose end is not announced: that is evl_stream_write_eof. Meanwhile `from` is being
 * read; writing to `to` goes on working. Cancelled, closed or timed out, what was moved stays moved and
 * nothing is lost. Errors: those of reading `from` and of writing to `to`, and EVL_EINVAL (the same stream,
 * two loops); it completes with the error of either, EVL_ECLOSED when one is closed. @since 0.1 */
EVL_API int32_t evl_stream_splice(evl_stream *from, evl_op *op, evl_stream *to);

/* Completes with 0 when writing may go on: at once while no more than the high mark is queued, else when it
 * has sunk to the low mark. Or with the error that writing met, or EVL_ECLOSED. Any number may wait.
 * Errors: EVL_EBUSY, EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_drain(evl_stream *stream, evl_op *op);

/* Completes with 0 when everything has been handed to the kernel. Likewise. @since 0.1 */
EVL_API int32_t evl_stream_flush(evl_stream *stream, evl_op *op);

/* Marks and limit in bytes. high: above it evl_stream_drain waits (64 KiB); low: what it waits for (a quarter
 * of high; EVL_AUTO: a quarter); hard: more is never queued, 0: no limit. Takes effect at once.
 * Errors: EVL_EINVAL (low above high), EVL_ENOMEM. @since 0.1 */
#define EVL_AUTO UINT32_MAX
EVL_API int32_t evl_stream_set_marks(evl_stream *stream, uint32_t high, uint32_t low, uint32_t hard);

/* How many bytes are queued. @since 0.1 */
EVL_API int64_t evl_stream_queued(const evl_stream *stream);

/* --- ending ------------------------------------------------------------------------------------
 *
 * evl_close (handle.h) ends a stream for the caller: pending operations complete with EVL_ECLOSED, and the
 * loop sees to the rest. What is still to be done keeps evl_loop_run going. */

/* The end of what is written: the other side sees end of file behind everything queued. A pipe or terminal
 * has no half: EVL_ENOTSUP. Calling it twice is no error. Also answers what the kernel or a transport did.
 * @since 0.1 */
EVL_API int32_t evl_stream_write_eof(evl_stream *stream);

/* The close that one can wait for: evl_stream_write_eof (if there is one), then what still comes in is
 * discarded; completes with 0 when the other end is through and everything is sent, or with what went wrong.
 * Give it a deadline. The handle is still to be closed, which then is done at once. Errors: EVL_EBUSY (a read
 * is pending, or data is pushed), EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_shutdown(evl_stream *stream, evl_op *op);

/* Closes and discards what was not sent; a TCP peer sees a reset. The handle is dead. NULL: 0. @since 0.1 */
EVL_API int32_t evl_stream_abort(evl_stream *stream);

/* How long a closed stream may go on, in ns; 10 seconds unless set. 0: closing is aborting. EVL_NEVER: as
 * long as it takes. EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_set_linger(evl_stream *stream, int64_t ns);

/* Takes the fd out of the stream, and closes the handle: for another loop, or another library. Up to cap
 * unread bytes are copied to buf and *len is how many there were (EVL_ENOBUFS, and nothing happened, if there
 * are more). Answers the fd. Errors: EVL_EBUSY (something is queued or pending), EVL_EBADF. @since 0.1 */
EVL_API evl_fd evl_stream_detach(evl_stream *stream, void *buf, size_t cap, size_t *len);

/* --- looking at it ----------------------------------------------------------------------------- */

/* Set struct_size before the call. */
typedef struct evl_stream_info {
    uint32_t struct_size;
    evl_fd fd;
    int32_t family;       /* AF_*, or 0: no socket */
    int32_t error;        /* what went wrong so far, or 0 */
    uint64_t bytes_in;    /* read from the kernel */
    uint64_t bytes_out;   /* taken by the kernel */
    uint64_t queued;      /* to be sent */
    uint64_t unread;      /* in the stream's buffer */
    int64_t last_in_ns;   /* when bytes were last read, in the loop's time; when it was made, if never */
    int64_t last_out_ns;  /* and written */
    int32_t eof;          /* 1: the other end is through */
    int32_t write_closed; /* 1: this end is */
} evl_stream_info;

/* Errors: EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_stream_get_info(const evl_stream *stream, evl_stream_info *out);

/* The socket's own address and the other end's, as a struct sockaddr of up to cap bytes. Answers its length,
 * which may be more. EVL_ENOTSOCK, EVL_ENOTCONN. @since 0.1 */
EVL_API int32_t evl_stream_local(const evl_stream *stream, void *address, size_t cap);
EVL_API int32_t evl_stream_peer(const evl_stream *stream, void *address, size_t cap);

/* evl_stream_set_option names. */
enum {
    EVL_STREAM_NODELAY = 1,  /* small writes are not collected; 1 for every TCP stream evloop makes */
    EVL_STREAM_KEEPALIVE = 2 /* seconds of silence before the other end is asked; 0: never */
};

/* EVL_ENOTSUP (not TCP), EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_stream_set_option(evl_stream *stream, int32_t option, int32_t value);

#ifdef __cplusplus
}
#endif
#endif
