/* stream.c - lifetime of a stream: creation, close, abort, detach. */
#include "stream.h"
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/timer.h"
#include "../loop/watcher.h"
#include "server.h"

#include <stdio.h>
#include <string.h>

#define HIGH_MARK 65536

evl_stream_more *evl_stream_more_of(evl_stream_handle *s) {
    if (!s->more) {
        s->more = evl_pool_alloc(evl_s_net(s), &evl_s_net(s)->mores);
        if (s->more) {
            memset(s->more, 0, sizeof *s->more);
            s->more->low = s->high / 4;
            s->more->stream = s;
        }
    }
    return s->more;
}

/* --- close ------------------------------------------------------------------------------------ */

static void leave_server(evl_stream_handle *s) {
    evl_list_unlink(&s->peers);
    if (s->server)
        evl_server_left(evl_s_loop(s), s->server, evl_s_lingers(s));
    s->server = 0;
}

static void free_parts(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    if (s->in)
        evl_inbuf_free(net, s->in);
    evl_stream_end_timeouts(s);
    evl_stream_drop_fds(s);
    if (s->more) {
        evl_list_unlink(&s->more->again);
        evl_mem_free(&net->loop->mem, s->more->separators, s->more->separators_size);
        evl_pool_release(net, &net->mores, s->more);
    }
    s->in = NULL;
    s->more = NULL;
    if (net->loop->borrower == &s->io.base)
        net->loop->borrower = NULL;
    if (net->unshared_stream == &s->io.base)
        net->unshared_stream = NULL;
}

/* Whether the peer must not take the end for a clean one: it would claim that all was sent. The fd of a plain
 * stream announces its end by closing, a transport only by its shutdown. */
static bool ends_early(const evl_stream_handle *s) {
    bool announced = (s->flags & (EVL_S_SHUT | EVL_S_WRITE_FAILED)) == EVL_S_SHUT;
    return evl_s_has(s, EVL_S_ABORT) || evl_s_is_unfinished(s) || (evl_s_has(s, EVL_S_CUSTOM) && !announced);
}

static void stream_detach(evl_handle *handle) {
    evl_stream_handle *s = evl_s_of(handle);
    bool abort = ends_early(s);
    s->flags &= ~(uint32_t)(EVL_S_PUSH | EVL_S_DISCARD);
    evl_stream_end_reading(s, EVL_ECLOSED);
    evl_stream_end_writing(s, EVL_ECLOSED);
    evl_list_unlink(&handle->node.link);
    leave_server(s);
    evl_transport_close(s, abort);
    free_parts(s);
    if (evl_s_lingers(s)) {
        if (evl_list_empty(&evl_s_net(s)->lingering)) /* no other stream needs the timer */
            evl_timer_set(evl_s_net(s)->sweep_timer, EVL_NEVER);
        evl_handle_set_active(handle, false);
        handle->node.kind = EVL_KIND_STREAM; /* the slot is one of that kind */
    }
}

void evl_stream_finish(evl_stream_handle *s) {
    stream_detach(&s->io.base);
    evl_handle_release(&s->io.base);
}

/* --- creation --------------------------------------------------------------------------------- */

static void stream_describe(const evl_handle *handle, char *buf, size_t cap) {
    const evl_stream_handle *s = evl_s_of(handle);
    (void)snprintf(buf, cap, "stream id=%llu fd=%d in=%llu out=%llu queued=%zu%s%s%s",
                   (unsigned long long)evl_handle_id(handle), s->io.fd, (unsigned long long)s->bytes_in,
                   (unsigned long long)s->bytes_out, evl_stream_queue_size(s),
                   evl_s_has(s, EVL_S_EOF) ? " eof" : "", s->reader ? " reading" : "",
                   evl_s_lingers(s) ? " lingering" : "");
}

static const evl_handle_type stream_type = {.size = sizeof(evl_stream_handle),
                                            .detach = stream_detach,
                                            .lingers = evl_stream_lingers,
                                            .event = evl_stream_event,
                                            .pushes = true,
                                            .take = evl_stream_take,
                                            .describe = stream_describe};

static const evl_handle_type lingering_type = {.size = sizeof(evl_stream_handle),
                                               .detach = stream_detach,
                                               .event = evl_stream_event,
                                               .pushes = true,
                                               .describe = stream_describe};

static int know_types(evl_loop *loop) {
    if (EVL_LIKELY(loop->types[EVL_KIND_STREAM] != NULL))
        return 0;
    int rc = evl_net_get(loop);
    if (rc != 0)
        return rc;
    evl_handle_know(loop, EVL_KIND_STREAM, &stream_type);
    evl_handle_know(loop, EVL_KIND_LINGERING, &lingering_type);
    return 0;
}

int evl_stream_make(evl_loop *loop, int fd, uint32_t flags, int64_t linger, evl_stream_handle **out) {
    int rc = know_types(loop);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(evl_handle_alloc(loop, EVL_KIND_STREAM, NULL, NULL));
    if (!s)
        return EVL_ENOMEM;
    s->io.base.node.type = EVL_NODE_TAKE;
    s->io.unusual = UINT32_MAX;
    s->reader = NULL;
    s->in = NULL;
    s->out = NULL;
    s->more = NULL;
    s->peers.next = NULL;
    s->server = 0;
    s->bytes_in = s->bytes_out = 0;
    s->last_in = s->last_out = loop->now;
    s->high = HIGH_MARK;
    bool edge = (loop->backend->caps & EVL_CAP_EDGE) && !(flags & EVL_S_CUSTOM);
    s->flags = flags | (edge ? EVL_S_EDGE : 0U);
    s->read_error = s->write_error = 0;
    if (linger != 0 && !evl_stream_set_linger_ns(s, linger))
        rc = EVL_ENOMEM;
    if (rc == 0)
        rc = evl_io_own(&s->io, fd, evl_stream_wanted(s), edge);
    if (rc != 0) {
        free_parts(s);
        evl_handle_release(&s->io.base);
        return rc;
    }
    *out = s;
    return 0;
}

/* --- abort, detach ---------------------------------------------------------------------------- */

int32_t evl_stream_abort(evl_stream *stream) {
    if (!stream)
        return 0;
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_enter_child(stream->loop);
    if (rc != 0)
        return rc;
    evl_s_of(stream)->flags |= EVL_S_ABORT;
    return evl_close(stream);
}

evl_fd evl_stream_detach(evl_stream *stream, void *buf, size_t cap, size_t *len) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (s->io.fd < 0)
        return EVL_EBADF;
    if (evl_s_has(s, EVL_S_CUSTOM))
        return EVL_ENOTSUP;
    if (s->reader || s->out || evl_stream_held_fds(s) > 0)
        return EVL_EBUSY;
    const void *data;
    size_t unread = (size_t)evl_stream_peek(stream, &data); /* in a data callback: what it has not consumed */
    if (len)
        *len = unread;
    if (unread > cap || (unread > 0 && !buf))
        return EVL_ENOBUFS;
    if (unread > 0)
        memcpy(buf, data, unread);
    evl_loop *loop = stream->loop;
    int fd = s->io.fd;
    s->flags |= EVL_S_KEEP_FD;
    evl_stream_finish(s);
    evl_touch(loop);
    return fd;
}
