/* evloop/stream.h - streams of bytes: TCP and Unix sockets, pipes, terminals.
 *
 *     evl_stream_open(loop, fd, 0, &stream);             // or evl_connect, evl_server_accept
 *     evl_stream_write(stream, "hello\n", 6);            // sends at once, queues the rest, never blocks
 *     evl_op_init(&op, done, conn, 0);
 *     evl_stream_read_line(stream, &op, buf, sizeof buf); // done(conn, bytes)
 *     evl_close(stream);                                 // loses nothing that was written
 *
 * A stream owns its fd. Reading is done by operations, one at a time, or in push mode by a callback.
 * Writing is a plain call; to limit what is queued, wait with evl_stream_drain (little is queued) or
 * evl_stream_flush (nothing is).
 *
 * Closing. evl_close ends the stream for the caller at once: pending operations complete with EVL_ECLOSED.
 * If something is owed to the peer (bytes that are queued, or that it may not have read yet), the loop
 * keeps the fd for a while: the stream lingers. It goes on sending, announces the end, and discards input
 * until the peer has closed its side or the linger time is up (10 seconds unless set,
 * evl_stream_set_linger). Without that the kernel would reply to further input with a reset, which
 * destroys what the peer has not read. evl_stream_abort discards everything at once.
 *
 * A lingering stream keeps evl_loop_run going while it has bytes to send, and a quarter of a second
 * longer. A peer that stays silent beyond that is waited for only while the loop runs for another reason;
 * evl_loop_close then closes its socket. Lingering streams appear in evl_loop_dump, evl_loop_walk and the
 * metrics with their name and id, and in evl_loop_blockers (EVL_KIND_LINGERING) while they keep the loop
 * going; evl_lookup does not find them. To know that the peer has received everything, call
 * evl_stream_shutdown before evl_close. evl_loop_destroy does not wait: only what the kernel has accepted
 * by then arrives.
 *
 * Fork. After evl_loop_fork a child shares the sockets of the streams it inherited with its parent, which
 * goes on using them. There evl_close, evl_stream_abort and evl_loop_destroy only close the fd: nothing
 * lingers, is reset, shut down or set back to blocking mode, and what is queued is discarded (wait with
 * evl_stream_flush). A transport is closed with abort 1, and one that was in the middle of a write fails all
 * writes with EVL_EFORK. To take a connection over, detach it in both processes (evl_stream_detach): the
 * child opens its fd as a stream of its own, and the parent closes its fd. */
#ifndef EVLOOP_STREAM_H
#define EVLOOP_STREAM_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the caller's; laid out as POSIX's struct iovec. */
typedef struct evl_buf {
    const void *data; /* may be NULL when len is 0 */
    size_t len;       /* bytes */
} evl_buf;

/* Flags of evl_stream_open. */
enum {
    /* evl_close does not close the fd. It stays the caller's, and after evl_close the loop leaves it
     * alone: it is not shut down, and nothing more is read or written. What is queued then is discarded:
     * wait for evl_stream_flush. */
    EVL_STREAM_KEEP_FD = 1
};

/* Makes a stream of an open fd: a connected stream socket, a pipe, a terminal.
 *
 * Where the fd is in blocking mode, a pipe or a terminal (but not the master of a pseudo terminal) is
 * opened a second time, so that other users of it are not disturbed; otherwise non-blocking mode is set,
 * and restored at the end. On an error the fd is untouched and the caller's.
 * Errors:
 * - EVL_EBADF: the fd is not open.
 * - EVL_EPERM: a regular file, or a device that cannot be waited for.
 * - EVL_EEXIST: the fd is watched already.
 * - EVL_EPROTOTYPE: a socket, but not a stream socket.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_open(evl_loop *loop, evl_fd fd, uint32_t flags, evl_stream **out);

/* --- reading by operations ---
 *
 * Each read completes with a number of bytes or with an error. `buf` must stay valid until then; with buf
 * NULL the bytes stay in the stream's buffer for evl_stream_peek and evl_stream_consume. Data is taken
 * when the completion is delivered: a read that is cancelled, closed or times out has consumed nothing.
 * Reads complete with EVL_ECLOSED when the stream is closed, and with what the kernel reports:
 * EVL_ECONNRESET, EVL_ETIMEDOUT and so on. All may return 1 (EVL_OP_SYNC).
 * Errors of all:
 * - EVL_EBUSY: the operation is active, another read is pending, the stream is in push mode, or
 *   evl_stream_shutdown was called.
 * - EVL_EBADF: the stream is not open for reading.
 * - EVL_ENOMEM: out of memory. */

/* Completes with the bytes that are there: at least one, at most cap (and 64 KiB); 0 is end of file.
 * Errors: those of all, and
 * - EVL_EINVAL: cap is 0.
 * @since 0.1 */
EVL_API int32_t evl_stream_read(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Reads exactly len bytes. Completes with EVL_EEOF when the stream ends before; what came stays in the
 * stream's buffer.
 * @since 0.1 */
EVL_API int32_t evl_stream_read_exactly(evl_stream *stream, evl_op *op, void *buf, size_t len);

/* Reads up to and including a separator; of n separators, the one that ends first. They are copied.
 *
 * Completes with EVL_EMSGSIZE when cap bytes contain no separator, and with EVL_EEOF when the stream ends
 * before one; in both cases everything stays in the stream's buffer. @since 0.1 */
EVL_API int32_t evl_stream_read_until(evl_stream *stream, evl_op *op, void *buf, size_t cap,
                                      const evl_buf *separators, int32_t n);

/* Reads a line with its newline; at the end of the stream the rest without one, and then 0. Completes with
 * EVL_EMSGSIZE when the line is longer than cap; it stays in the stream's buffer. @since 0.1 */
EVL_API int32_t evl_stream_read_line(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Reads to the end of the stream. Completes with EVL_EMSGSIZE when there are more than cap bytes; they
 * stay in the stream's buffer. @since 0.1 */
EVL_API int32_t evl_stream_read_all(evl_stream *stream, evl_op *op, void *buf, size_t cap);

/* Reads without waiting: from the stream's buffer, else by one read of the fd. Returns the number of
 * bytes; 0 is end of file.
 *
 * Works in push mode too. In the callback it takes first what the callback is called with, then what has
 * come since; outside of it what would have been pushed. What it takes is not pushed any more, but the end
 * and errors are.
 * Errors:
 * - EVL_EAGAIN: there is nothing to read.
 * - EVL_EBUSY: a read is pending, or evl_stream_shutdown was called.
 * - EVL_EBADF: the stream is not open for reading.
 * - EVL_EINVAL: buf is NULL, or cap is 0.
 * - and what the kernel reports.
 * @since 0.1 */
EVL_API int64_t evl_stream_try_read(evl_stream *stream, void *buf, size_t cap);

/* Returns the number of bytes in the stream's buffer, and points *data at them until the next call that
 * reads or consumes.
 *
 * In the callback of push mode these are the bytes that it is called with. They count as consumed when the
 * callback returns, whether or not evl_stream_consume was called. As soon as the callback itself puts
 * bytes back or reads into the stream's buffer, evl_stream_peek and evl_stream_consume refer to that
 * buffer; the bytes of the callback stay valid until it returns. @since 0.1 */
EVL_API int64_t evl_stream_peek(evl_stream *stream, const void **data);

/* Removes len bytes from the front of what evl_stream_peek shows.
 * Errors:
 * - EVL_EINVAL: there are not so many.
 * @since 0.1 */
EVL_API int32_t evl_stream_consume(evl_stream *stream, size_t len);

/* Puts bytes back, to be read first; they are copied.
 *
 * In push mode a callback that puts back what it cannot use yet, such as half a line, is called again when
 * more has arrived, with the old bytes in front of the new ones. At the end, or when reading fails, it is
 * called with 0 or the error, and evl_stream_peek shows what is left. Bytes that are put back outside of the
 * stream's own callback are delivered in the next pass with all that is in the buffer; a record reports the
 * bytes that were put back alone. After the end was reported nothing is called: the bytes are there for
 * evl_stream_peek, for reads, and for a new evl_stream_on_data. To be called with what is in the buffer
 * although nothing came, pause and resume.
 *
 * What is put back over and over is copied each time: limit how much may come without what you look for.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_unread(evl_stream *stream, const void *data, size_t len);

/* --- receiving fds --- */

/* Lets fds come in that the peer of a Unix socket sends with its bytes (evl_stream_write_fds, SCM_RIGHTS).
 * Without this the kernel closes them. Call it before anything is read.
 *
 * Fds come with the read that returns the byte they were sent with, in any mode of reading. The stream holds
 * them until evl_stream_take_fd; closing it closes the rest. At most `max` are held, 1024 at most. A read
 * that would bring more fails with EVL_ENOBUFS, one for which the process has no fds left with EVL_EMFILE:
 * reading has ended then, and the fds of that read are closed. 0 turns receiving off; what is held stays.
 *
 * A splice from the stream copies, and leaves the fds with it. evl_stream_shutdown and a lingering stream
 * discard fds with the input.
 * Errors:
 * - EVL_ENOTSUP: not a Unix socket, or a stream over a transport.
 * - EVL_EINVAL: max is above 1024.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_receive_fds(evl_stream *stream, uint32_t max);

/* Takes the oldest of the fds that came, and returns it: close-on-exec, and the caller's to close.
 * Errors:
 * - EVL_EAGAIN: none is held.
 * @since 0.1 */
EVL_API evl_fd evl_stream_take_fd(evl_stream *stream);

/* --- push mode --- */

/* Starts push mode: fn(arg, n) runs whenever data arrives, instead of reads by operations.
 *
 * - n above 0: n bytes were read. evl_stream_peek gives access to them until fn returns; then they count
 *   as consumed. What comes too early is put back with evl_stream_unread, until there is more.
 * - n = 0: end of file. Reported once; fn is not called again.
 * - n = EVL_ENOMEM: out of memory. The stream is paused and intact; evl_stream_resume goes on.
 * - n = EVL_ETIMEDOUT, and evl_stream_info.error is 0: a timeout of the stream, see there. Push mode goes on.
 * - other n below 0: reading failed. Reported once; fn is not called again.
 *
 * The bytes lie in a buffer that all streams of the loop share, so that an idle stream holds no buffer. A
 * second call replaces fn and arg and resumes a paused stream. `arg` is fn's alone; the handle's own
 * argument (evl_arg), which a drop gets, is another.
 *
 * fn NULL produces records of EVL_KIND_STREAM with n as result and arg as user_data. The bytes then stay
 * in the stream's buffer until evl_stream_consume, and nothing more is read while 64 KiB lie there.
 * Errors:
 * - EVL_EBUSY: a read is pending, or evl_stream_shutdown was called.
 * - EVL_EBADF: the stream is not open for reading.
 * @since 0.1 */
EVL_API int32_t evl_stream_on_data(evl_stream *stream, evl_done_fn *fn, void *arg);

/* Sets the low-water mark of push mode: fn is not called before so many bytes are there, as when a message's
 * length is known. 0 and 1, as unless set: for every byte. The bytes that came lie in the stream's buffer and
 * are pushed together, with what came beyond the mark; put back with evl_stream_unread they count again, and
 * more must come as ever. The end, errors and timeouts do not wait for the mark: what came before them stays
 * in the buffer for evl_stream_peek. May be called in the callback, and may be more than 64 KiB.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_set_read_mark(evl_stream *stream, uint32_t bytes);

/* Pauses push mode: nothing is read, a callback that is queued is cancelled, and operations may read.
 * Pausing twice is no error. @since 0.1 */
EVL_API int32_t evl_stream_pause(evl_stream *stream);

/* Resumes push mode. Bytes that lie unread in the stream's buffer are reported again, all of them by one
 * callback or record. Resuming twice is no error.
 * Errors:
 * - EVL_EINVAL: evl_stream_on_data was not called.
 * - EVL_EBUSY: a read is pending, or evl_stream_shutdown was called.
 * @since 0.1 */
EVL_API int32_t evl_stream_resume(evl_stream *stream);

/* --- writing ---
 *
 * A write sends at once what the kernel takes, queues the rest and returns: it never waits and needs no
 * operation. What is written arrives in order. evl_stream_drain waits until little enough is queued,
 * evl_stream_flush until nothing is.
 *
 * Errors of all writes, after which nothing was accepted:
 * - EVL_ENOBUFS: the queue would exceed the hard limit (evl_stream_set_marks).
 * - EVL_EPIPE: evl_stream_write_eof or evl_stream_shutdown was called, or the peer has closed.
 * - EVL_EBADF: the stream is not open for writing.
 * - EVL_EINVAL: a NULL pointer with bytes to write, or more bytes than memory can hold.
 * - EVL_ENOMEM: out of memory.
 * - and the error with which writing failed before, such as EVL_ECONNRESET: one that was found after a
 *   call had returned is reported by the next write, and by pending drains and flushes. Reading has errors
 *   of its own. */

/* Writes len bytes; what cannot be sent at once is copied, so that `data` may be reused when the call
 * returns.
 *
 * Returns how many bytes were accepted: len, or fewer if some were sent at once and then the hard limit or
 * the memory did not allow to queue the rest; wait with evl_stream_drain and write that again. This works
 * for blocks above the hard limit, too: the kernel takes them in parts. Over a transport (transport.h) it is
 * len or an error, and a block above the hard limit is always refused.
 * @since 0.1 */
EVL_API int64_t evl_stream_write(evl_stream *stream, const void *data, size_t len);

/* As evl_stream_write, of n pieces one behind the other; n is at most 1024, else EVL_EINVAL. @since 0.1 */
EVL_API int64_t evl_stream_writev(evl_stream *stream, const evl_buf *bufs, int32_t n);

/* Writes without copying.
 *
 * The library borrows data until it calls release(arg): exactly once, on the loop's thread, in a later
 * pass, when the bytes were sent or given up. release never runs inside this call, even if everything was
 * sent at once. evl_loop_destroy runs it before it returns. With release NULL data must stay valid until
 * it is sent; use static storage.
 *
 * Returns len. On an error nothing was accepted and release does not run. EVL_ENOBUFS also if len alone is
 * above the hard limit. @since 0.1 */
EVL_API int64_t evl_stream_write_ref(evl_stream *stream, const void *data, size_t len, evl_fn *release,
                                     void *arg);

/* Writes len bytes, and with the first of them `count` open fds, to the process at the other end of a Unix
 * socket (SCM_RIGHTS): uv_write2. The peer gets fds of the same open files. The caller keeps its own, and may
 * close them when the call returns: if the write has to wait, duplicates wait with it, and go or are closed
 * with it. Order is kept among all writes, with fds or without. len is at least 1, count at least 1 and at
 * most 253.
 *
 * Returns how many bytes were accepted, as evl_stream_write; the fds go with them.
 * Errors, after which neither bytes nor fds were accepted: those of all writes, and
 * - EVL_ENOTSUP: not a Unix socket, or a stream over a transport.
 * - EVL_EBADF: one of the fds is not open, or the stream is not open for writing.
 * - EVL_EMFILE: the write has to wait, and there is no fd left for a duplicate.
 * - EVL_ENOBUFS: also when too many fds are on their way (ETOOMANYREFS).
 * - EVL_EINVAL: also when len or count is out of range.
 * @since 0.1 */
EVL_API int64_t evl_stream_write_fds(evl_stream *stream, const void *data, size_t len, const evl_fd *fds,
                                     int32_t count);

/* Sends len bytes (0: up to its end) of a regular file from offset on, behind what is queued and in front
 * of what is written later. The kernel does it without copying where it can. The file's position is not
 * used.
 *
 * Completes with the number of bytes: fewer than len if the file is shorter, and never more than
 * PTRDIFF_MAX, which is 2 GiB - 1 where a pointer has 32 bits. If reading the file fails it completes with
 * that error; in both cases what was written behind the file follows.
 *
 * The file must stay open until the operation has completed; then it may be closed. An operation that is
 * cancelled, closed or times out, or whose stream is closed, ends at once, but the file is still sent,
 * from a duplicate of its fd: what follows it never takes its place. If that cannot be, because there is
 * no fd left or the file is shorter by then, writing fails and closing the stream resets the connection.
 * To stop sending use evl_stream_abort.
 *
 * Errors: those of all writes, except EVL_ENOBUFS, for a file is not limited, and
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
 * end itself is not passed on: call evl_stream_write_eof(to). Meanwhile `from` is being read (EVL_EBUSY
 * for other reads), and writing to `to` goes on working. Cancelled, closed or timed out, what was moved
 * stays moved and nothing is lost. Urgent bytes of TCP are not data and are left out.
 *
 * Completes with the error of either, EVL_ECLOSED when one is closed.
 * Errors: those of starting a read of `from` and of writing to `to`, and
 * - EVL_EINVAL: both are the same stream, or belong to different loops.
 * @since 0.1 */
EVL_API int32_t evl_stream_splice(evl_stream *from, evl_op *op, evl_stream *to);

/* Completes with 0 when writing may go on: at once while no more than the high mark is queued, else when
 * the queue has sunk to the low mark. After a write that was refused with EVL_ENOBUFS or EVL_ENOMEM, when
 * the queue has sunk to the low mark and the kernel has taken something, or would take something if nothing
 * is queued. Completes with the error that writing met. Any number of operations may wait. May return 1
 * (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_drain(evl_stream *stream, evl_op *op);

/* As evl_stream_drain, but completes when everything written has been handed to the kernel, files
 * included. @since 0.1 */
EVL_API int32_t evl_stream_flush(evl_stream *stream, evl_op *op);

/* A quarter of the high mark: evl_stream_set_marks. */
#define EVL_AUTO UINT32_MAX

/* Sets marks and limit of the queue, in bytes. Takes effect at once.
 *
 * - `high`: above it evl_stream_drain waits; 64 KiB unless set.
 * - `low`: what evl_stream_drain waits for; EVL_AUTO, as unless set: a quarter of high.
 * - `hard`: more is never queued (EVL_ENOBUFS); 0, as unless set: no limit.
 * Errors:
 * - EVL_EINVAL: low is above high.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_set_marks(evl_stream *stream, uint32_t high, uint32_t low, uint32_t hard);

/* Returns the number of bytes that are queued by writes, without files and without what a transport holds.
 * @since 0.1 */
EVL_API int64_t evl_stream_queued(const evl_stream *stream);

/* --- timeouts ---
 *
 * How long a stream waits for its peer: for input, for the peer to take output, and for either. Whatever
 * waits is told with EVL_ETIMEDOUT; nothing is lost or closed, and the stream goes on: what is queued stays
 * queued, a new read may start, push mode stays on. A deadline (evl_op_deadline) belongs to one operation and
 * ends it however much comes; a timeout belongs to the stream and begins anew with every byte. An operation
 * may have both.
 *
 * Time is the loop's (evl_now) and counts only while something waits:
 * - for input: a read, a splice from the stream, push mode unless it is paused, a shutdown that waits for
 *   the peer's end. Each read begins a new period, and so does evl_stream_resume.
 * - for sending: as long as something is queued, or the kernel was found full.
 *
 * What is over is reported to, and then its next period begins:
 * - of the read timeout: the read or splice, which has consumed nothing; the callback or record of push
 *   mode, with n = EVL_ETIMEDOUT, again after every such period; the shutdown.
 * - of the write timeout: every drain, flush, shutdown, splice to the stream and evl_stream_sendfile (whose
 *   file is still sent). Where none waits, whatever waits for input.
 * - of the idle timeout: both.
 * evl_stream_info.timed_out tells them apart. Without anything that waits nothing is reported. The kernel
 * has an EVL_ETIMEDOUT of its own, for a connection that is lost: it sets evl_stream_info.error.
 *
 * Over a transport the bytes of the program count, not those of the fd: a handshake is no progress. Closing,
 * aborting and detaching the stream end its timeouts; while it lingers the linger time counts. A forked child
 * goes on with them. They need one timer a stream, and per message neither memory nor a system call. */

/* Sets how long no byte may come, in nanoseconds; 0 and EVL_NEVER: for ever, as unless set. Counts from the
 * call on.
 * Errors:
 * - EVL_EINVAL: ns is negative.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_set_read_timeout(evl_stream *stream, int64_t ns);

/* As evl_stream_set_read_timeout, how long the kernel may take no byte of those to be sent. @since 0.1 */
EVL_API int32_t evl_stream_set_write_timeout(evl_stream *stream, int64_t ns);

/* As evl_stream_set_read_timeout, how long no byte may move in either direction. @since 0.1 */
EVL_API int32_t evl_stream_set_idle_timeout(evl_stream *stream, int64_t ns);

/* --- ending --- */

/* Ends writing: behind everything queued the peer sees end of file. Reading goes on. This is shutdown(fd,
 * SHUT_WR) behind the queue, what libuv calls uv_shutdown and asyncio write_eof.
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
 * also what was read and not taken; reads return EVL_EBUSY from now on. Completes with 0 when everything
 * is sent and the peer has ended too, or with what went wrong. Of a pipe that is only written to, and of a
 * terminal, it waits for the sending alone; of a pipe that is only read, for its writer's end. Give it a
 * deadline: a peer may never end. The handle is still to be closed, which then is done at once.
 *
 * Errors:
 * - EVL_EBUSY: op is active, a read is pending, or data is pushed (evl_stream_pause first).
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_shutdown(evl_stream *stream, evl_op *op);

/* Closes a stream and discards what was not sent; a TCP peer sees a reset. The handle is closed. NULL is
 * allowed and returns 0. @since 0.1 */
EVL_API int32_t evl_stream_abort(evl_stream *stream);

/* Sets how long the stream may linger after evl_close, in nanoseconds. 0 and less: closing aborts if
 * something is owed. EVL_NEVER: as long as it takes. Unless set it is the linger_ns of the server that
 * accepted it, of the connect, or of the loop; 10 seconds if none is set.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_set_linger(evl_stream *stream, int64_t ns);

/* Takes the fd out of the stream and closes the handle: for another loop or another library. Returns the
 * fd.
 *
 * Up to cap unread bytes are copied to `buf`, and their number to *len, which may be NULL: those in the
 * stream's buffer; in the callback of push mode, those of its bytes that evl_stream_consume has not removed
 * (as evl_stream_peek shows them). A server that accepted the stream
 * no longer counts it: neither max_connections nor evl_server_on_idle nor evl_server_close_clients include
 * it, even when a stream is opened on the fd again.
 * Errors, after which nothing has changed:
 * - EVL_EBUSY: something is queued or pending, or fds came that were not taken.
 * - EVL_ENOBUFS: there are more than cap unread bytes; their number is in *len.
 * - EVL_ENOTSUP: the stream has a transport of the program's.
 * - EVL_EBADF: the fd was closed by another part of the program.
 * @since 0.1 */
EVL_API evl_fd evl_stream_detach(evl_stream *stream, void *buf, size_t cap, size_t *len);

/* --- queries and options --- */

/* State and counters of a stream. Set struct_size before the call. */
typedef struct evl_stream_info {
    uint32_t struct_size;
    evl_fd fd;            /* the stream's own */
    int32_t family;       /* AF_* of a socket, else 0 */
    int32_t error;        /* error of reading, else of writing, or 0 */
    uint64_t bytes_in;    /* read from the kernel */
    uint64_t bytes_out;   /* accepted by the kernel */
    uint64_t queued;      /* to be sent */
    uint64_t unread;      /* in the stream's buffer */
    int64_t last_in_ns;   /* when bytes were last read, in the loop's time; if never, when it was made */
    int64_t last_out_ns;  /* when bytes were last written, likewise */
    int32_t eof;          /* 1: the peer has closed its side */
    int32_t write_closed; /* 1: this side is closed */
    uint32_t timed_out;   /* which timeout of the stream the last one was: EVL_READ, EVL_WRITE, both: idle; 0:
                             none yet */
    int64_t linger_ns;    /* its own linger time; 0: the loop's; negative: it does not linger */
    uint32_t held_fds;    /* received and not taken: evl_stream_take_fd */
    uint32_t reserved;
} evl_stream_info;

/* Stores the stream's state in *out.
 * Errors:
 * - EVL_EINVAL: struct_size is too small to hold itself.
 * @since 0.1 */
EVL_API int32_t evl_stream_get_info(const evl_stream *stream, evl_stream_info *out);

/* Writes the socket's own address, a struct sockaddr, to `address`, at most cap bytes. Returns its length,
 * which may be more than cap.
 * Errors:
 * - EVL_ENOTSOCK: not a socket.
 * @since 0.1 */
EVL_API int32_t evl_stream_local(const evl_stream *stream, void *address, uint32_t cap);

/* As evl_stream_local, the peer's address.
 * Errors:
 * - EVL_ENOTSOCK, EVL_ENOTCONN: not a socket, or not connected.
 * @since 0.1 */
EVL_API int32_t evl_stream_peer(const evl_stream *stream, void *address, uint32_t cap);

/* Returns the fd, which stays the stream's. The stream reads from it by itself: what was read already lies in
 * the stream's buffer. Do not read, write or close it.
 * Errors:
 * - EVL_EBADF: another part of the program has closed it.
 * @since 0.1 */
EVL_API evl_fd evl_stream_fd(const evl_stream *stream);

/* Options of evl_stream_set_option: the first two of a TCP socket, the others of any socket. */
enum {
    EVL_STREAM_OPT_NODELAY = 1,     /* send small writes at once; 1 for every TCP stream that evloop makes */
    EVL_STREAM_OPT_KEEPALIVE = 2,   /* seconds of silence before the peer is probed; 0: never */
    EVL_STREAM_OPT_SEND_BUFFER = 3, /* bytes that the kernel holds for sending; it may round */
    EVL_STREAM_OPT_RECEIVE_BUFFER = 4 /* bytes that the kernel holds for reading; it may round */
};

/* Sets an option of a socket.
 * Errors:
 * - EVL_ENOTSUP: not a socket, or not TCP.
 * - EVL_EINVAL: there is no such option, or the value is out of range.
 * @since 0.1 */
EVL_API int32_t evl_stream_set_option(evl_stream *stream, int32_t option, int32_t value);

/* Returns the value of an option as the kernel has it: Linux reports twice the buffer sizes that were set.
 * Errors: those of evl_stream_set_option.
 * @since 0.1 */
EVL_API int32_t evl_stream_get_option(const evl_stream *stream, int32_t option);

#ifdef __cplusplus
}
#endif
#endif
