/* evloop/transport.h - what a stream stands on, for those who bring their own: TLS, compression, a tunnel.
 *
 * A transport moves bytes over an fd without ever waiting. The stream does the rest: operations, deadlines,
 * queueing, backpressure, closing. */
#ifndef EVLOOP_TRANSPORT_H
#define EVLOOP_TRANSPORT_H

#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every function gets `self`, is called on the loop's thread, and may not call the stream. */
typedef struct evl_transport {
    uint32_t struct_size;

    /* Reads up to cap bytes. Answers how many, 0 at the end, EVL_EAGAIN when there is nothing now, or an
     * error, which ends the stream. */
    int64_t (*try_read)(void *self, void *buf, size_t cap);

    /* Takes as much as it can of n pieces, n <= 64. Answers how many bytes, EVL_EAGAIN, or an error. */
    int64_t (*try_write)(void *self, const evl_buf *bufs, int32_t n);

    /* What it waits for on the fd after an EVL_EAGAIN: EVL_READ, EVL_WRITE or both. */
    uint32_t (*want)(void *self);

    /* The end of what is written. 0, EVL_EAGAIN (to be called again when the fd is as wanted), or an error.
     */
    int32_t (*shutdown)(void *self);

    /* The stream is over; the transport is not used again. It closes the fd, if that is its to close.
     * `abort`: 1 if what it still holds is to be discarded. */
    void (*close)(void *self, int32_t abort);
} evl_transport;

/* A stream over a transport of the caller's, which is served when fd, a non-blocking one, is ready.
 * `transport` must stay while the stream lives. On an error the transport is not closed. Errors: as
 * evl_stream_open.
 * @since 0.1 */
EVL_API int32_t evl_stream_open_on(evl_loop *loop, evl_fd fd, const evl_transport *transport, void *self,
                                   evl_stream **out);

#ifdef __cplusplus
}
#endif
#endif
