/* evloop/transport.h - streams over something else than the fd itself: TLS, compression, a tunnel.
 *
 * A transport moves bytes over an fd without ever waiting. The stream does the rest: operations, deadlines,
 * queueing, backpressure, closing. All of stream.h works on such a stream, except evl_stream_detach and the
 * passing of fds, which return EVL_ENOTSUP. examples/tls_echo.c is TLS by OpenSSL. */
#ifndef EVLOOP_TRANSPORT_H
#define EVLOOP_TRANSPORT_H

#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of a transport. All are required, except flush. Each is called with the `self` that was given
 * to evl_stream_open_on, on the loop's thread, from inside the loop or a call for the stream. None may call
 * the stream or its loop, nor wait; a library built with EVLOOP_CHECKS ends the process where one calls them.
 * Other loops, and evl_wake, may be called.
 *
 * A call that cannot go on returns EVL_EAGAIN. Right after that `want` is called to learn what this call
 * waits for, and the call is repeated when the fd is ready: reading and writing wait independently, so each
 * may wait for either direction, and for another one every time. As readiness belongs to the fd, both sides
 * may be called although only one waited.
 *
 * The two sides may share a state, and what one does may let the other go on: a read takes the end of a
 * handshake off the fd, a write or a flush takes input. So behind a call of one side the other is called
 * again, in the next pass and without an event, if it waits for EVL_READ. A side that still cannot go on
 * returns EVL_EAGAIN.
 *
 * Errors are negative EVL_E* codes of the transport's choice (EVL_EPROTO, EVL_EUSER, ...). An error of
 * try_read ends reading, one of the others ends writing; evl_stream_info.error and the stream's operations
 * report it. A return value that cannot be (more bytes than were offered, a number where 0 is the only
 * success) ends the stream with EVL_EIO: the transport is called once more, to close. */
typedef struct evl_transport {
    uint32_t struct_size; /* sizeof(evl_transport) */

    /* Reads up to cap bytes into buf; cap is at least 1 and at most 64 KiB. It is called until it has
     * returned what is wanted, or EVL_EAGAIN: bytes that wait inside the transport are found without any
     * event.
     *
     * Returns how many bytes, 0 at the end of what the peer sends, EVL_EAGAIN, or an error. */
    int64_t (*try_read)(void *self, void *buf, size_t cap);

    /* Takes as many bytes as it can of n pieces, 1 <= n <= 64, of which any may be empty.
     *
     * What it returns is gone from the stream's queue. What it does not take is offered again, by a later
     * call that begins with the same bytes and offers at least as many; whatever happens to the write or the
     * file that they came from, and although other calls come in between. They may lie elsewhere, and be cut
     * into pieces differently; a piece that was not taken at all is never cut shorter. So a transport may
     * keep what it has made of them while it returns EVL_EAGAIN (OpenSSL: SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
     * and SSL_MODE_ENABLE_PARTIAL_WRITE).
     *
     * A transport without flush returns only what has reached the kernel. One with flush may return more.
     *
     * Returns how many bytes it took, EVL_EAGAIN for none, or an error. */
    int64_t (*try_write)(void *self, const evl_buf *bufs, int32_t n);

    /* What the call that has just returned EVL_EAGAIN waits for: EVL_READ, EVL_WRITE or both. Do not add
     * EVL_READ for a call that only waits for room: while nothing is read, the loop would spin over what
     * comes in. 0: no event of the fd helps, only a call of the other side. */
    uint32_t (*want)(void *self);

    /* Announces the end of what is written (TLS: close_notify). It is called when everything written was
     * taken and flushed, and again as long as it returns EVL_EAGAIN; an evl_close meanwhile waits for it as
     * long as the stream lingers.
     *
     * Returns 0, EVL_EAGAIN, or an error. */
    int32_t (*shutdown)(void *self);

    /* Ends the transport: it is not called again, and its memory is the caller's. It closes the fd, if that
     * is the transport's to close.
     *
     *   abort   0: everything was sent, and shutdown has returned 0. 1: not so (an error, a linger time that
     *           was over, evl_stream_abort, the loop was destroyed, a forked child): the peer must not take
     *           this for a clean end. */
    void (*close)(void *self, int32_t abort);

    /* Sends bytes that the transport still holds: those it returned from try_write (memory BIOs, rustls,
     * compression) and its own (handshakes, alerts, key updates). NULL: it never holds any.
     *
     * It is called after each try_read, try_write and shutdown, unless it waits already, and again when the
     * fd is as wanted. So those three need not send anything themselves. While it returns EVL_EAGAIN nothing
     * more is offered to try_write, writes are queued, evl_stream_flush and evl_stream_shutdown wait, and a
     * closed stream lingers. evl_stream_queued does not count what a transport holds.
     *
     * Returns 0 when nothing is left, EVL_EAGAIN, or an error. */
    int32_t (*flush)(void *self);
} evl_transport;

/* Makes a stream over a transport of the caller's. fd is what the loop watches for it: non-blocking, and not
 * watched by anything else.
 *
 * `transport` and `self` are borrowed until transport->close was called. On an error close is not called, and
 * everything is the caller's.
 *
 * A stream with a hard limit (evl_stream_set_marks) takes a write only if all of it fits under the limit.
 *
 * Errors:
 * - EVL_EINVAL: out or transport is NULL, struct_size is too small, or a required function is missing.
 * - EVL_EBADF: fd is not open.
 * - EVL_EPERM: fd cannot be waited for.
 * - EVL_EEXIST: something watches fd.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_stream_open_on(evl_loop *loop, evl_fd fd, const evl_transport *transport, void *self,
                                   evl_stream **out);

/* Makes a stream over a transport in place of a plain one, whose fd it goes on with: for a stream that a
 * server accepted, or a protocol that begins in the clear. `plain` is closed. The server that accepted it
 * counts the new one in its place (max_connections, evl_server_on_idle, evl_server_close_clients), and its
 * linger time is kept; marks and timeouts are to be set anew. Bytes that were read and not taken are
 * discarded: take them before (evl_stream_peek), for the transport.
 *
 * On an error everything is the caller's and `plain` is as it was; only if there is no memory even for that,
 * it has lost its fd, and reports EVL_ENOMEM.
 * Errors:
 * - EVL_EINVAL, EVL_ENOMEM: those of evl_stream_open_on.
 * - EVL_EBUSY: something of `plain` is queued or pending, or fds came that were not taken.
 * - EVL_ENOTSUP: `plain` is over a transport itself.
 * - EVL_EBADF: its fd was closed by another part of the program.
 * @since 0.1 */
EVL_API int32_t evl_stream_open_over(evl_stream *plain, const evl_transport *transport, void *self,
                                     evl_stream **out);

/* Returns the `self` of a stream that was opened on this transport; NULL for any other stream, and once the
 * stream was closed. @since 0.1 */
EVL_API void *evl_stream_transport(const evl_stream *stream, const evl_transport *transport);

#ifdef __cplusplus
}
#endif
#endif
