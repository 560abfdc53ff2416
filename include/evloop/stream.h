/* evloop/stream.h - streams of bytes: TCP and Unix sockets, pipes, terminals.
 *
 * A stream owns its fd. Reading is pulled by operations, one at a time, or pushed through a callback. Writing
 * is no operation: evl_stream_write sends what the kernel takes and copies the rest, and what one waits for
 * is evl_stream_drain (little enough is left) or evl_stream_flush (nothing is).
 *
 * Closing never loses what was written. evl_close ends the stream for the caller at once; if something is
 * owed to the peer, bytes that are queued or that it may not have read yet, the loop keeps the fd for a
 * while: the stream lingers. It goes on sending, then announces the end, and discards what still comes in,
 * until the peer has ended its side or the linger time is up (10 seconds, evl_stream_set_linger). That is
 * because the kernel answers with a reset what comes in on a socket that is closed, and a reset destroys what
 * the peer has not read.
 *
 * While it lingers, a stream keeps evl_loop_run going as long as it has bytes to send, and a quarter of a
 * second longer. A peer that stays silent beyond that is waited for only while the loop runs for another
 * reason; evl_loop_close then closes its socket. It shows in evl_loop_dump, evl_loop_walk and the metrics
 * with its name and the id it had, and in evl_loop_blockers (EVL_KIND_LINGERING) while it keeps the loop
 * going; evl_lookup does not find it. Who wants to know that the peer has got everything uses
 * evl_stream_shutdown before evl_close; evl_stream_abort discards everything at once. */
#ifndef EVLOOP_STREAM_H
#define EVLOOP_STREAM_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Some bytes of the caller's; laid out as POSIX's struct iovec. */
typedef struct evl_buf {
    const void *data; /* may be NULL when len is 0 */
    size_t len;       /* bytes */
} evl_buf;

/* evl_stream_open flags. */
enum {
    EVL_STREAM_KEEP_FD = 1 /* the fd stays the caller's, and from evl_close on the loop leaves it alone: it is
                              not closed, not shut down, nothing more is read or written. What is queued then
                              is dropped: wait for evl_stream_flush before */
};

/* Makes a stream of an open fd: a connected stream socket, a pipe, a terminal. Where the fd is not
 * non-blocking, a pipe or terminal (not the master of a pseudo terminal) is opened once more, so that whoever
 * shares it is not disturbed, or else the flag is set and, at the end, restored. On an error the fd is
 * untouched and the caller's. Errors: EVL_EBADF, EVL_EPERM (a regular file, or a device that cannot be waited
 * for), EVL_EEXIST (somebody watches the fd), EVL_EPROTOTYPE (a socket that is no stream), EVL_EINVAL,
 * EVL_ENOMEM. @since 0.1 */
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

/* Up to and with the first separator; of several, the one that ends first. The separators are copied. At most
 * cap bytes: EVL_EMSGSIZE when there is none in cap bytes, EVL_EEOF when the stream ends before one; in both
 * cases everything stays in the stream's buffer. @since 0.1 */
EVL_API int32_t evl_stream_read_until(evl_stream *stream, evl_op *op, void *buf, size_t cap,
                                      const evl_buf *separators, int32_t n);

/* A line with its '\n'; at the end of the stream what is left, and then 0. EVL_EMSGSIZE as above. @since 0.1
 */
EVL_API int32_t evl_stream_read_line(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Everything up to the end of the stream, at most cap bytes (EVL_EMSGSIZE, and it stays in the stream's
 * buffer). @since 0.1 */
EVL_API int32_t evl_stream_read_all(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Takes what is there without waiting: the stream's buffer, else one read. Returns the number of bytes, 0 at
 * the end of file, EVL_EAGAIN when there is nothing, EVL_EBUSY while a read is pending, and also while data
 * is pushed (evl_stream_on_data) and not paused: then evl_stream_peek and evl_stream_consume take. @since 0.1
 */
EVL_API int64_t evl_stream_try_read(evl_stream *stream, void *buf, size_t cap);

/* The bytes that were read and not taken yet: returns how many, and *data points at them until the next call
 * that reads or consumes.
 *
 * Inside a push callback it is what the callback is called with. That counts as taken: it is gone when the
 * callback returns, whatever was consumed. As soon as the callback itself puts bytes back or reads into the
 * stream's buffer, evl_stream_peek and evl_stream_consume are about that buffer; what was lent before stays
 * readable until the callback returns. @since 0.1 */
EVL_API int64_t evl_stream_peek(evl_stream *stream, const void **data);

/* Takes len bytes away from the front of what evl_stream_peek shows. EVL_EINVAL: there are not so many.
 * @since 0.1 */
EVL_API int32_t evl_stream_consume(evl_stream *stream, size_t len);

/* Puts bytes back, to be read first; they are copied. Where data is pushed they are pushed again: a callback
 * is called once more, in the next pass; a record reports them alone. Errors: EVL_ENOMEM, EVL_EINVAL. @since
 * 0.1 */
EVL_API int32_t evl_stream_unread(evl_stream *stream, const void *data, size_t len);

/* --- being pushed ------------------------------------------------------------------------------ */

/* From now on fn(arg, n) is called whenever n bytes have come; evl_stream_peek lends them until the callback
 * returns, and they count as taken. They lie in a buffer of the loop's, so that an idle stream holds none. n
 * is 0, once, at the end of file, or an error, once; nothing comes after it. EVL_ENOMEM pauses it instead.
 * fn NULL: records of EVL_KIND_STREAM with n as result and `arg` as user_data; the bytes stay in the stream's
 * buffer until evl_stream_consume, and while 64 KiB lie there nothing more is read. The handle's own argument
 * (evl_arg), which a drop gets, is another and stays as it is.
 * Errors: EVL_EBUSY (a read is pending, or evl_stream_shutdown is discarding), EVL_EBADF (not open for
 * reading), EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_on_data(evl_stream *stream, evl_done_fn *fn, void *arg);

/* Pauses and resumes pushing: while it is paused nothing is read, a push that was due is taken back, and
 * operations may read. What lies unread in the stream's buffer is reported again after a pause, by a callback
 * or a record with all of it. Calling them twice is no error. Resuming needs evl_stream_on_data: EVL_EINVAL,
 * and returns EVL_EBUSY as that does. @since 0.1 */
EVL_API int32_t evl_stream_pause(evl_stream *stream);
EVL_API int32_t evl_stream_resume(evl_stream *stream);

/* --- writing -----------------------------------------------------------------------------------
 *
 * A write sends at once what the kernel takes, queues the rest and returns: it never waits and needs no
 * operation. What is written arrives in order. evl_stream_drain waits until little enough is queued,
 * evl_stream_flush until nothing is.
 *
 * Errors of all writes, with nothing accepted:
 *   EVL_ENOBUFS  the queue would exceed the hard limit (evl_stream_set_marks)
 *   EVL_EPIPE    evl_stream_write_eof or evl_stream_shutdown was called, or the peer has closed
 *   EVL_EBADF    the stream is not open for writing
 *   EVL_EINVAL   a NULL pointer with bytes to write, or more bytes than memory can hold
 *   EVL_ENOMEM   out of memory
 *   and the error with which writing failed before, e.g. EVL_ECONNRESET: one that was found after a call had
 *   returned is reported by the next write, and by pending drains and flushes. Reading has errors of its own.
 */

/* Writes len bytes; what cannot be sent at once is copied.
 *
 * Returns how many bytes were accepted: len, or fewer if some were sent at once and then the hard limit or
 * the memory did not allow to queue the rest. Over a transport (transport.h) it is len or an error.
 * @since 0.1 */
EVL_API int64_t evl_stream_write(evl_stream *stream, const void *data, size_t len);

/* As evl_stream_write, of n pieces one behind the other; n is at most 1024, else EVL_EINVAL. @since 0.1 */
EVL_API int64_t evl_stream_writev(evl_stream *stream, const evl_buf *bufs, int32_t n);

/* Writes without copying.
 *
 * The library borrows data until it calls release(arg): exactly once, on the loop's thread, in a later pass,
 * when the bytes were sent or given up. release never runs inside this call, even if everything was sent at
 * once. With release == NULL data must stay valid until it is sent; use static storage.
 *
 * Returns len. On an error nothing was accepted and release does not run. EVL_ENOBUFS also if len alone is
 * above the hard limit. @since 0.1 */
EVL_API int64_t evl_stream_write_ref(evl_stream *stream, const void *data, size_t len, evl_fn *release,
                                     void *arg);

/* Sends len bytes (0: up to its end) of a regular file from offset on, behind what is queued and in front of
 * what is written later. The kernel does it without copying where it can. The file's position is not used.
 *
 * Completes with the number of bytes: fewer than len if the file is shorter, and never more than PTRDIFF_MAX,
 * which is 2 GiB - 1 where a pointer has 32 bits. If reading the file fails it
 * completes with that error; in both cases what was written behind the file follows.
 *
 * The file must stay open until the operation has completed; then it may be closed. An operation that is
 * cancelled, closed or times out, or whose stream is closed, ends at once, but the file is still sent, from a
 * duplicate of its fd: what follows it never takes its place. If that cannot be, because there is no fd left
 * or the file is shorter by then, writing fails and closing the stream resets the connection. To stop sending
 * use evl_stream_abort.
 *
 * Errors: those of all writes, except EVL_ENOBUFS, for a file is not limited; and
 * - EVL_EBUSY: op is active.
 * - EVL_EINVAL: file is no regular file, or offset is negative.
 * - EVL_EBADF: file is not open.
 * @since 0.1 */
EVL_API int32_t evl_stream_sendfile(evl_stream *stream, evl_op *op, evl_fd file, int64_t offset, size_t len);

/* Moves everything that comes from one stream to another, until the end of `from`. A little at a time is
 * copied; where there is much, the kernel moves it without copying it through this process, if it can.
 * Nothing is read from `from` before `to` has sent all it was given.
 *
 * Completes with the number of bytes when `from` has ended and all of them are sent or queued in `to`. The
 * end itself is not passed on: call evl_stream_write_eof(to). Meanwhile `from` is being read (EVL_EBUSY for
 * other reads), and writing to `to` goes on working. Cancelled, closed or timed out, what was moved stays
 * moved and nothing is lost. Urgent bytes of TCP are not data and are left out.
 *
 * Errors: those of starting a read of `from` and of writing to `to`, and EVL_EINVAL (the same stream twice,
 * or of two loops). Completes with the error of either, EVL_ECLOSED when one is closed. @since 0.1 */
EVL_API int32_t evl_stream_splice(evl_stream *from, evl_op *op, evl_stream *to);

/* Completes with 0 when writing may go on: at once while no more than the high mark is queued, else when it
 * has sunk to the low mark. Or with the error that writing met, or EVL_ECLOSED. Any number may wait.
 * Errors: EVL_EBUSY, EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_drain(evl_stream *stream, evl_op *op);

/* Completes with 0 when everything written has been handed to the kernel, files included. Errors as
 * evl_stream_drain. @since 0.1 */
EVL_API int32_t evl_stream_flush(evl_stream *stream, evl_op *op);

/* In place of a number: the usual one. */
#define EVL_AUTO UINT32_MAX

/* Marks and limit in bytes. high: above it evl_stream_drain waits (64 KiB); low: what it waits for (a quarter
 * of high; EVL_AUTO: a quarter); hard: more is never queued, 0: no limit. Takes effect at once.
 * Errors: EVL_EINVAL (low above high), EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_stream_set_marks(evl_stream *stream, uint32_t high, uint32_t low, uint32_t hard);

/* How many bytes are queued: those of writes, without files and what a transport holds. @since 0.1 */
EVL_API int64_t evl_stream_queued(const evl_stream *stream);

/* --- ending ------------------------------------------------------------------------------------
 *
 * evl_close (handle.h) ends a stream for the caller: pending operations complete with EVL_ECLOSED, and the
 * loop sees to the rest. What is still to be done keeps evl_loop_run going. */

/* Ends writing: behind everything queued the peer sees end of file. Reading goes on. This is
 * shutdown(fd, SHUT_WR) behind the queue, what libuv calls uv_shutdown and asyncio write_eof.
 *
 * Returns 0; calling it twice is no error.
 * Errors: what the kernel or the transport returned, if it was done at once, and
 * - EVL_ENOTSUP: a pipe or terminal, which has no half that could be ended.
 * @since 0.1 */
EVL_API int32_t evl_stream_write_eof(evl_stream *stream);

/* Ends the whole stream and waits for it: the close that one can wait for. NOT the shutdown of a half, and
 * not uv_shutdown; for that, and to read an answer, use evl_stream_write_eof.
 *
 * It ends writing (as evl_stream_write_eof, where there is a half), and then DISCARDS what still comes in,
 * also what was read and not taken; reads return EVL_EBUSY from now on. Completes with 0 when everything is
 * sent and the peer has ended too, or with what went wrong. Of a pipe that is only written to, and of a
 * terminal, it waits for the sending alone; of a pipe that is only read, for its writer's end. Give it a
 * deadline: a peer may never end. The handle is still to be closed, which then is done at once.
 *
 * Errors:
 * - EVL_EBUSY: op is active, a read is pending, or data is pushed (evl_stream_pause first).
 * - EVL_EINVAL, EVL_ENOMEM.
 * @since 0.1 */
EVL_API int32_t evl_stream_shutdown(evl_stream *stream, evl_op *op);

/* Closes and discards what was not sent; a TCP peer sees a reset. The handle is dead. NULL: 0. @since 0.1 */
EVL_API int32_t evl_stream_abort(evl_stream *stream);

/* How long the stream may linger once it is closed, in ns; unless set it is that of the server that accepted
 * it, of the connect, or of the loop (linger_ns in their options), and 10 seconds if none says anything. 0
 * and less: closing is aborting if something is owed. EVL_NEVER: as long as it takes. Errors: EVL_ENOMEM.
 * @since 0.1 */
EVL_API int32_t evl_stream_set_linger(evl_stream *stream, int64_t ns);

/* Takes the fd out of the stream, and closes the handle: for another loop, or another library. Up to cap
 * unread bytes are copied to buf and *len is how many there were (EVL_ENOBUFS, and nothing happened, if there
 * are more). Returns the fd. A server that accepted the stream no longer counts it: neither max_connections
 * nor evl_server_on_idle nor evl_server_close_clients know of it any more, also not when a stream is opened
 * on the fd. Errors: EVL_EBUSY (something is queued or pending), EVL_ENOTSUP (a transport of the program's),
 * EVL_EBADF.
 * @since 0.1 */
EVL_API evl_fd evl_stream_detach(evl_stream *stream, void *buf, size_t cap, size_t *len);

/* --- looking at it ----------------------------------------------------------------------------- */

/* Set struct_size before the call. */
typedef struct evl_stream_info {
    uint32_t struct_size;
    evl_fd fd;            /* the stream's own */
    int32_t family;       /* AF_*, or 0: no socket */
    int32_t error;        /* with what reading failed, else writing, or 0 */
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

/* Names for evl_stream_set_option. */
enum {
    EVL_STREAM_OPT_NODELAY = 1,  /* small writes are not collected; 1 for every TCP stream evloop makes */
    EVL_STREAM_OPT_KEEPALIVE = 2 /* seconds of silence before the other end is asked; 0: never */
};

/* EVL_ENOTSUP (not TCP), EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_stream_set_option(evl_stream *stream, int32_t option, int32_t value);

#ifdef __cplusplus
}
#endif
#endif
