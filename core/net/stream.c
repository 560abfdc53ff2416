/* stream.c - the life of a stream: opening, events, closing, lingering, and what can be asked of it. */
#include "stream.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HIGH_MARK 65536
#define PATIENCE  (INT64_C(250) * 1000000) /* a peer keeps a loop that has nothing else to do */

evl_stream_more *evl_stream_more_of(evl_stream_handle *s) {
    if (!s->more) {
        s->more = evl_pool_take(evl_s_net(s), &evl_s_net(s)->mores);
        if (s->more) {
            memset(s->more, 0, sizeof *s->more);
            s->more->low = s->high / 4;
        }
    }
    return s->more;
}

/* --- what is wanted of the kernel ------------------------------------------------------------- */

static uint32_t readable_mask(const evl_stream_handle *s) {
    return EVL_READ | (evl_s_loop(s)->backend->caps & EVL_CAP_PRI ? EVL_PRI : 0U);
}

static bool somebody_reads(const evl_stream_handle *s) {
    bool pushed = evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_PAUSED);
    return s->reader || pushed || evl_s_has(s, EVL_S_DISCARD);
}

/* A transport may need any direction for either side, and so gets no edges. */
static uint32_t custom_wanted(const evl_stream_handle *s) {
    bool over = evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_CAN_READ);
    const evl_stream_more *more = s->more;
    uint32_t mask = more && evl_s_has(s, EVL_S_OUT) ? more->want_write : 0U;
    return mask | (more && somebody_reads(s) && !over ? more->want_read : 0U);
}

/* With edges a stream registers once, and WRITE joins when it is first needed. Without, READ is there while
 * somebody waits, for it would be reported again and again. */
static uint32_t wanted(const evl_stream_handle *s) {
    uint32_t mask = evl_s_has(s, EVL_S_OUT) ? EVL_WRITE : 0;
    if (evl_s_has(s, EVL_S_CUSTOM))
        return custom_wanted(s);
    if (evl_s_has(s, EVL_S_NO_READ))
        return evl_s_has(s, EVL_S_EDGE) ? EVL_WRITE : mask;
    if (evl_s_has(s, EVL_S_EDGE))
        return mask | readable_mask(s);
    bool over = evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_CAN_READ);
    return mask | (somebody_reads(s) && !over ? (uint32_t)EVL_READ : 0);
}

/* Data that is pushed makes the node ready like a watcher's, with READ as its result, and
 * evl_stream_take knows it by that. */
static void set_odd(evl_stream_handle *s) {
    const uint32_t state = EVL_S_EDGE | EVL_S_PUSH | EVL_S_PAUSED | EVL_S_DISCARD | EVL_S_CUSTOM;
    bool straight = (s->flags & state) == (EVL_S_EDGE | EVL_S_PUSH);
    s->io.odd = straight ? ~(uint32_t)EVL_READ : UINT32_MAX;
}

void evl_stream_interest(evl_stream_handle *s) {
    set_odd(s);
    if (s->io.fd >= 0)
        evl_io_want(&s->io, wanted(s));
}

/* --- events ----------------------------------------------------------------------------------- */

/* The fd is not ours any more: it was closed behind our back, or is about to be, or the kernel would not have
 * it. */
static EVL_COLD void lose(evl_stream_handle *s, int fd, int error) {
    if (error != EVL_EBADF && error != EVL_ECLOSED && !evl_s_has(s, EVL_S_KEEP_FD))
        (void)evl_sys.close(fd); /* the kernel would not watch it */
    s->flags |= EVL_S_KEEP_FD;
    s->flags &= ~(uint32_t)EVL_S_UNBLOCK;
    s->flags &= ~(uint32_t)EVL_S_DISCARD; /* there is nothing left to discard */
    evl_stream_end_reading(s, error);
    evl_stream_end_writing(s, error);
    evl_stream_settle(s);
}

/* Anything but data for a callback or an operation. */
static EVL_COLD void odd_event(evl_stream_handle *s, uint32_t mask) {
    bool both = evl_s_has(s, EVL_S_CUSTOM);
    bool reads = (mask & ~(uint32_t)EVL_WRITE) != 0 || both;
    if (EVL_LIKELY(reads && !evl_s_has(s, EVL_S_NO_READ))) {
        s->io.base.node.u.result = 0; /* whatever it was ready for, it is not data alone */
        uint32_t alone = mask == EVL_READ ? EVL_S_ALONE : 0U;
        s->flags = (s->flags & ~(uint32_t)EVL_S_ALONE) | EVL_S_CAN_READ | alone;
        evl_stream_readable(s);
    }
    bool writes = (mask & (EVL_WRITE | EVL_ERR | EVL_HUP)) != 0;
    if (EVL_UNLIKELY(both) ? s->io.fd >= 0 : EVL_UNLIKELY(writes) && s->out)
        evl_stream_send_queue(s);
}

static void event(evl_handle *handle, uint32_t mask, int error) {
    evl_stream_handle *s = evl_s_of(handle);
    bool waited = s->reader && !evl_s_has(s, EVL_S_DISCARD | EVL_S_CUSTOM);
    if (EVL_UNLIKELY(error != 0))
        lose(s, (int)mask, error);
    else if (EVL_UNLIKELY(mask != EVL_READ || !waited || s->reader->type == &evl_stream_splicing))
        odd_event(s, mask);
    else {
        s->flags |= EVL_S_CAN_READ | EVL_S_ALONE;
        evl_op_try(s->reader);
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

static void detach(evl_handle *handle);
static bool lingers(evl_handle *handle);

static void describe(const evl_handle *handle, char *buf, size_t cap) {
    const evl_stream_handle *s = evl_s_of(handle);
    (void)snprintf(buf, cap, "stream id=%llu fd=%d in=%llu out=%llu queued=%zu%s%s%s",
                   (unsigned long long)evl_handle_id(handle), s->io.fd, (unsigned long long)s->bytes_in,
                   (unsigned long long)s->bytes_out, evl_stream_queue_size(s),
                   evl_s_has(s, EVL_S_EOF) ? " eof" : "", s->reader ? " reading" : "",
                   evl_s_lingers(s) ? " lingering" : "");
}

static const evl_handle_type stream_type = {.size = sizeof(evl_stream_handle),
                                            .detach = detach,
                                            .lingers = lingers,
                                            .event = event,
                                            .pushes = true,
                                            .take = evl_stream_take,
                                            .describe = describe};

static const evl_handle_type lingering_type = {.size = sizeof(evl_stream_handle),
                                               .detach = detach,
                                               .event = event,
                                               .pushes = true,
                                               .describe = describe};

static int know(evl_loop *loop) {
    if (EVL_LIKELY(loop->types[EVL_KIND_STREAM] != NULL))
        return 0;
    int rc = evl_net_get(loop);
    if (rc != 0)
        return rc;
    evl_handle_know(loop, EVL_KIND_STREAM, &stream_type);
    evl_handle_know(loop, EVL_KIND_LINGERING, &lingering_type);
    return 0;
}

static bool set_linger(evl_stream_handle *s, int64_t ns) {
    evl_stream_more *more = evl_stream_more_of(s);
    if (more)
        more->linger = ns;
    return more != NULL;
}

static void free_parts(evl_stream_handle *s);

int evl_stream_make(evl_loop *loop, int fd, uint32_t flags, int64_t linger, evl_stream_handle **out) {
    int rc = know(loop);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(evl_handle_take(loop, EVL_KIND_STREAM, NULL, NULL));
    if (!s)
        return EVL_ENOMEM;
    s->io.base.node.type = EVL_NODE_TAKE;
    s->io.odd = UINT32_MAX;
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
    if (linger != 0 && !set_linger(s, linger))
        rc = EVL_ENOMEM;
    if (rc == 0)
        rc = evl_io_own(&s->io, fd, wanted(s), edge);
    if (rc != 0) {
        free_parts(s);
        evl_handle_give(&s->io.base);
        return rc;
    }
    *out = s;
    return 0;
}

static int socket_option(int fd, int name, int *value) {
    socklen_t len = sizeof *value;
    return evl_sys.getsockopt(fd, SOL_SOCKET, name, value, &len) == 0 ? 0 : evl_err_from_errno(errno);
}

static int family_of(int fd) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    return evl_sys.getsockname(fd, (struct sockaddr *)&address, &len) == 0 ? address.ss_family : AF_UNSPEC;
}

/* What is known about an fd that somebody else has opened. */
static int look_at(int fd, uint32_t *flags, int *status) {
    struct stat st;
    int type = SOCK_STREAM;
    if (evl_sys.fstat(fd, &st) != 0)
        return evl_err_from_errno(errno);
    *status = evl_sys.get_fd_flags(fd);
    if (*status < 0)
        return evl_err_from_errno(errno);
    int access = *status & O_ACCMODE;
    *flags |= access == O_WRONLY ? EVL_S_NO_READ : access == O_RDONLY ? EVL_S_NO_WRITE : 0U;
    if (!S_ISSOCK(st.st_mode))
        return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? EVL_EPERM : 0;
    int rc = socket_option(fd, SO_TYPE, &type);
    if (rc != 0 || type != SOCK_STREAM)
        return rc != 0 ? rc : EVL_EPROTOTYPE;
    int family = family_of(fd);
    *flags |= EVL_S_SOCKET | EVL_S_FOREIGN | (family == AF_INET || family == AF_INET6 ? EVL_S_TCP : 0U);
    return 0;
}

/* The flag belongs to what was opened, and so to everyone who shares it: a shell and its children share the
 * terminal. A pipe or terminal is opened once more where that is possible. */
static int unblock(int *fd, uint32_t *flags, int status) {
    if (status & O_NONBLOCK)
        return 0;
    if (!(*flags & EVL_S_SOCKET)) {
        int again = evl_sys.reopen(*fd, (status & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (again >= 0) {
            *fd = again;
            return 0;
        }
    }
    if (evl_sys.set_fd_flags(*fd, status | O_NONBLOCK) < 0)
        return evl_err_from_errno(errno);
    *flags |= EVL_S_UNBLOCK;
    return 0;
}

static void undo_unblock(int fd, int given, uint32_t flags, int status) {
    if (fd != given)
        (void)evl_sys.close(fd);
    else if (flags & EVL_S_UNBLOCK)
        (void)evl_sys.set_fd_flags(fd, status);
}

int32_t evl_stream_open(evl_loop *loop, evl_fd given, uint32_t options, evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || (options & ~(uint32_t)EVL_STREAM_KEEP_FD) != 0)
        return EVL_EINVAL;
    evl_stream_handle *s;
    uint32_t flags = 0;
    int fd = given, status = 0;
    rc = look_at(fd, &flags, &status);
    if (rc == 0)
        rc = unblock(&fd, &flags, status);
    if (rc != 0)
        return rc;
    if (fd == given && (options & EVL_STREAM_KEEP_FD))
        flags |= EVL_S_KEEP_FD;
    rc = evl_stream_make(loop, fd, flags, 0, &s);
    if (rc != 0) {
        undo_unblock(fd, given, flags, status);
        return rc;
    }
    if (fd != given && !(options & EVL_STREAM_KEEP_FD))
        (void)evl_sys.close(given);
    *out = &s->io.base;
    evl_touch(loop);
    return 0;
}

static bool is_complete(const evl_transport *t) {
    return t && t->struct_size >= offsetof(evl_transport, flush) && t->try_read && t->try_write && t->want &&
           t->shutdown && t->close;
}

int32_t evl_stream_open_on(evl_loop *loop, evl_fd fd, const evl_transport *transport, void *self,
                           evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || !is_complete(transport))
        return EVL_EINVAL;
    evl_stream_handle *s;
    rc = evl_stream_make(loop, fd, EVL_S_SOCKET | EVL_S_FOREIGN | EVL_S_CAN_READ | EVL_S_CUSTOM, 0, &s);
    if (rc != 0)
        return rc;
    if (!evl_stream_more_of(s)) {
        evl_io_disown(&s->io);
        evl_handle_give(&s->io.base);
        return EVL_ENOMEM;
    }
    s->more->transport = transport;
    s->more->self = self;
    evl_stream_interest(s);
    *out = &s->io.base;
    evl_touch(loop);
    return 0;
}

/* --- ending ----------------------------------------------------------------------------------- */

static void leave_server(evl_stream_handle *s) {
    evl_list_unlink(&s->peers);
    if (s->server)
        evl_server_left(evl_s_loop(s), s->server, evl_s_lingers(s));
    s->server = 0;
}

static void free_parts(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    if (s->in)
        evl_inbuf_give(net, s->in);
    if (s->more) {
        evl_mem_free(&net->loop->mem, s->more->separators, s->more->separators_size);
        evl_pool_give(net, &net->mores, s->more);
    }
    s->in = NULL;
    s->more = NULL;
    if (net->loop->lent_to == &s->io.base)
        net->loop->lent_to = NULL;
}

static void detach(evl_handle *handle) {
    evl_stream_handle *s = evl_s_of(handle);
    bool abort = evl_s_has(s, EVL_S_ABORT) || evl_s_is_unfinished(s); /* a clean end would be a lie */
    s->flags &= ~(uint32_t)(EVL_S_PUSH | EVL_S_DISCARD);
    evl_stream_end_reading(s, EVL_ECLOSED);
    evl_stream_end_writing(s, EVL_ECLOSED);
    evl_list_unlink(&handle->node.link);
    leave_server(s);
    evl_transport_close(s, abort);
    free_parts(s);
    if (evl_s_lingers(s)) {
        if (evl_list_empty(&evl_s_net(s)->lingering)) /* nobody is to be woken for what is over */
            evl_timer_set(evl_s_net(s)->sweep_timer, EVL_NEVER);
        evl_handle_set_active(handle, false);
        handle->node.kind = EVL_KIND_STREAM; /* whose slot it has */
    }
}

static void finish(evl_stream_handle *s) {
    detach(&s->io.base);
    evl_handle_give(&s->io.base);
}

/* Whether something would be lost if the fd were closed now: what is queued, and what the other end has not
 * read yet, which a reset would destroy that anything it still sends would provoke. */
static bool is_owed(const evl_stream_handle *s) {
    if (evl_s_is_unfinished(s))
        return true;
    bool quiet = !evl_s_has(s, EVL_S_SOCKET) || evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED);
    return !quiet && (s->bytes_out != 0 || evl_s_has(s, EVL_S_FOREIGN));
}

static bool has_unread_input(const evl_stream_handle *s) {
    char byte;
    return evl_sys.recv(s->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* What was written to the socket before it became a stream is only known to the kernel, which is asked when
 * it matters: at the end. Without unread input closing is no reset. */
static void settle_foreign(evl_stream_handle *s) {
    if (evl_s_has(s, EVL_S_FOREIGN) && s->bytes_out == 0 && s->io.fd >= 0) {
        int rc = evl_sys.unconfirmed(s->io.fd);
        bool known = rc == 0 || (rc < 0 && errno != ENOSYS);
        if (known && !has_unread_input(s))
            s->flags &= ~(uint32_t)EVL_S_FOREIGN;
    }
}

static int64_t linger_of(const evl_stream_handle *s) {
    return s->more && s->more->linger != 0 ? s->more->linger : evl_s_loop(s)->linger_ns;
}

/* Everything is with the kernel, and only the peer can go on. How long that may hold up a loop that has
 * nothing else to do. */
static int64_t patience_ends(const evl_stream_handle *s) {
    return evl_s_is_unfinished(s) ? EVL_NEVER : evl_saturated_add(s->last_out, PATIENCE);
}

static bool keeps_alive(const evl_stream_handle *s) { return patience_ends(s) > evl_s_loop(s)->now; }

int64_t evl_stream_linger_until(const evl_stream_handle *s) {
    int64_t patience = patience_ends(s);
    return keeps_alive(s) && patience < s->last_in ? patience : s->last_in;
}

static bool lingers(evl_handle *handle) {
    evl_stream_handle *s = evl_s_of(handle);
    evl_loop *loop = handle->loop;
    evl_stream_unready(s);
    int64_t linger = linger_of(s);
    bool ends = evl_s_has(s, EVL_S_READ_FAILED | EVL_S_WRITE_FAILED | EVL_S_KEEP_FD | EVL_S_ABORT);
    if (ends || evl_is_forked(loop) || s->io.fd < 0)
        return false;
    settle_foreign(s);
    bool owed = is_owed(s);
    if (linger < 0 && owed)
        s->flags |= EVL_S_ABORT;
    if (evl_s_has(s, EVL_S_ABORT) || (!owed && !evl_s_has(s, EVL_S_CUSTOM)))
        return false; /* closing says all that there is to say */
    s->flags &= ~(uint32_t)(EVL_S_PUSH | EVL_S_DISCARD);
    evl_stream_end_reading(s, EVL_ECLOSED);
    evl_stream_end_waiting(s);
    s->flags &= ~(uint32_t)EVL_S_READ_FAILED;
    s->read_error = 0;
    s->flags |= EVL_S_DISCARD | (evl_s_has(s, EVL_S_SOCKET) ? EVL_S_SHUT_ASKED : 0U);
    evl_stream_try_shutdown(s);
    if (!is_owed(s) || evl_s_has(s, EVL_S_WRITE_FAILED | EVL_S_ABORT))
        return false;
    evl_list_unlink(&s->peers);
    if (s->server)
        evl_server_lingers(loop, s->server);
    s->last_out = evl_clock_read(&loop->clock);
    s->last_in = evl_saturated_add(s->last_out, linger);
    evl_list_append(&evl_net_at(loop)->lingering, &s->peers);
    evl_timer_first(evl_net_at(loop)->sweep_timer, evl_stream_linger_until(s));
    evl_stream_interest(s);
    if (evl_s_has(s, EVL_S_CAN_READ))
        evl_stream_discard_soon(s);
    return true;
}

void evl_stream_settle(evl_stream_handle *s) {
    bool lingering = evl_s_lingers(s);
    bool over = !is_owed(s) || evl_s_has(s, EVL_S_WRITE_FAILED | EVL_S_ABORT) || s->io.fd < 0;
    if (lingering && over) {
        finish(s);
        return;
    }
    bool pushed = evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_PAUSED);
    evl_handle_set_active(&s->io.base, pushed || evl_s_is_unfinished(s) || (lingering && keeps_alive(s)));
    if (lingering)
        evl_timer_first(evl_s_net(s)->sweep_timer, evl_stream_linger_until(s));
    if (evl_s_has(s, EVL_S_EDGE))
        set_odd(s);
    else
        evl_stream_interest(s);
}

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

int32_t evl_stream_set_linger(evl_stream *stream, int64_t ns) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    return set_linger(evl_s_of(stream), ns > 0 ? ns : -1) ? 0 : EVL_ENOMEM;
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
    if (s->reader || s->out)
        return EVL_EBUSY;
    size_t unread = evl_s_buffered(s);
    if (unread > cap || (unread > 0 && !buf))
        return EVL_ENOBUFS;
    if (unread > 0)
        memcpy(buf, s->in->bytes + s->in->start, unread);
    if (len)
        *len = unread;
    int fd = s->io.fd;
    s->flags |= EVL_S_KEEP_FD;
    finish(s);
    return fd;
}

/* --- looking at it ---------------------------------------------------------------------------- */

int32_t evl_stream_get_info(const evl_stream *stream, evl_stream_info *out) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    if (rc != 0)
        return rc;
    if (!out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    const evl_stream_handle *s = evl_s_of(stream);
    evl_stream_info info = {.struct_size = out->struct_size,
                            .fd = s->io.fd,
                            .family = evl_s_has(s, EVL_S_SOCKET) && s->io.fd >= 0 ? family_of(s->io.fd) : 0,
                            .error = s->read_error != 0 ? s->read_error : s->write_error,
                            .bytes_in = s->bytes_in,
                            .bytes_out = s->bytes_out,
                            .queued = evl_stream_queue_size(s),
                            .unread = evl_s_buffered(s),
                            .last_in_ns = s->last_in,
                            .last_out_ns = s->last_out,
                            .eof = evl_s_has(s, EVL_S_EOF),
                            .write_closed = evl_s_has(s, EVL_S_SHUT_ASKED)};
    memcpy(out, &info, out->struct_size < sizeof info ? out->struct_size : sizeof info);
    return 0;
}

static int32_t address(const evl_stream *stream, int (*ask)(int, struct sockaddr *, socklen_t *), void *out,
                       size_t cap) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    if (rc != 0)
        return rc;
    const evl_stream_handle *s = evl_s_of(stream);
    socklen_t len = cap > INT32_MAX ? INT32_MAX : (socklen_t)cap;
    if (!out && cap > 0)
        return EVL_EINVAL;
    if (!evl_s_has(s, EVL_S_SOCKET))
        return EVL_ENOTSOCK;
    return ask(s->io.fd, out, &len) == 0 ? (int32_t)len : evl_err_from_errno(errno);
}

int32_t evl_stream_local(const evl_stream *stream, void *out, size_t cap) {
    return address(stream, evl_sys.getsockname, out, cap);
}

int32_t evl_stream_peer(const evl_stream *stream, void *out, size_t cap) {
    return address(stream, evl_sys.getpeername, out, cap);
}

static int set(int fd, int level, int name, int value) {
    return evl_sys.setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : evl_err_from_errno(errno);
}

static int set_keep_alive(int fd, int seconds) {
    int rc = set(fd, SOL_SOCKET, SO_KEEPALIVE, seconds != 0);
#if defined(TCP_KEEPIDLE)
    if (rc == 0 && seconds != 0)
        rc = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
#elif defined(TCP_KEEPALIVE)
    if (rc == 0 && seconds != 0)
        rc = set(fd, IPPROTO_TCP, TCP_KEEPALIVE, seconds);
#endif
    return rc;
}

int32_t evl_stream_set_option(evl_stream *stream, int32_t option, int32_t value) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    const evl_stream_handle *s = evl_s_of(stream);
    if (value < 0 || (option != EVL_STREAM_OPT_NODELAY && option != EVL_STREAM_OPT_KEEPALIVE))
        return EVL_EINVAL;
    if (!evl_s_has(s, EVL_S_TCP))
        return EVL_ENOTSUP;
    return option == EVL_STREAM_OPT_NODELAY ? set(s->io.fd, IPPROTO_TCP, TCP_NODELAY, value != 0)
                                            : set_keep_alive(s->io.fd, value);
}
