/* stream_info.c - queries and options of a stream. */
#include "../loop/access.h"
#include "option.h"
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* --- queries ---------------------------------------------------------------------------------- */

int32_t evl_stream_get_info(const evl_stream *stream, evl_stream_info *out) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    if (rc != 0)
        return rc;
    if (!out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    const evl_stream_handle *s = evl_s_of(stream);
    int family = evl_s_has(s, EVL_S_SOCKET) && s->io.fd >= 0 ? evl_socket_family(s->io.fd) : 0;
    evl_stream_info info = {.struct_size = out->struct_size,
                            .fd = s->io.fd,
                            .family = family > 0 ? family : 0,
                            .error = s->read_error != 0 ? s->read_error : s->write_error,
                            .bytes_in = s->bytes_in,
                            .bytes_out = s->bytes_out,
                            .queued = evl_stream_queue_size(s),
                            .unread = evl_s_buffered(s),
                            .last_in_ns = s->last_in,
                            .last_out_ns = s->last_out,
                            .eof = evl_s_has(s, EVL_S_EOF),
                            .write_closed = evl_s_has(s, EVL_S_SHUT_ASKED),
                            .timed_out = s->more ? s->more->timeouts.over : 0,
                            .linger_ns = s->more ? s->more->linger : 0,
                            .held_fds = evl_stream_held_fds(s)};
    memcpy(out, &info, out->struct_size < sizeof info ? out->struct_size : sizeof info);
    return 0;
}

static int32_t address(const evl_stream *stream, int (*call)(int, struct sockaddr *, socklen_t *), void *out,
                       uint32_t cap) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    if (rc != 0)
        return rc;
    const evl_stream_handle *s = evl_s_of(stream);
    if (!out && cap > 0)
        return EVL_EINVAL;
    return evl_s_has(s, EVL_S_SOCKET) ? evl_socket_address(s->io.fd, call, out, cap) : EVL_ENOTSOCK;
}

int32_t evl_stream_local(const evl_stream *stream, void *out, uint32_t cap) {
    return address(stream, evl_sys.getsockname, out, cap);
}

int32_t evl_stream_peer(const evl_stream *stream, void *out, uint32_t cap) {
    return address(stream, evl_sys.getpeername, out, cap);
}

static int set_keep_alive(int fd, int seconds) {
    int rc = evl_socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, seconds != 0);
#if defined(TCP_KEEPIDLE)
    if (rc == 0 && seconds != 0)
        rc = evl_socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
#elif defined(TCP_KEEPALIVE)
    if (rc == 0 && seconds != 0)
        rc = evl_socket_set(fd, IPPROTO_TCP, TCP_KEEPALIVE, seconds);
#endif
    return rc;
}

static bool is_buffer_size(int32_t option) {
    return option == EVL_STREAM_OPT_SEND_BUFFER || option == EVL_STREAM_OPT_RECEIVE_BUFFER;
}

static int buffer_name(int32_t option) {
    return option == EVL_STREAM_OPT_SEND_BUFFER ? SO_SNDBUF : SO_RCVBUF;
}

/* Over a transport EVL_S_TCP is never set, for what it says of reads and writes does not hold there. */
static bool is_tcp(const evl_stream_handle *s) {
    int family = evl_s_has(s, EVL_S_CUSTOM) ? evl_socket_family(s->io.fd) : 0;
    return evl_s_has(s, EVL_S_TCP) || family == AF_INET || family == AF_INET6;
}

/* Whether the stream has the option: 0, EVL_EINVAL, EVL_ENOTSUP. */
static int check_option(const evl_stream_handle *s, int32_t option) {
    if (option < EVL_STREAM_OPT_NODELAY || option > EVL_STREAM_OPT_RECEIVE_BUFFER)
        return EVL_EINVAL;
    bool has = is_tcp(s) || (is_buffer_size(option) && evl_s_has(s, EVL_S_SOCKET));
    return has ? 0 : EVL_ENOTSUP;
}

int32_t evl_stream_set_option(evl_stream *stream, int32_t option, int32_t value) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    const evl_stream_handle *s = evl_s_of(stream);
    if (value < 0 || (value == 0 && is_buffer_size(option)))
        return EVL_EINVAL;
    rc = check_option(s, option);
    if (rc != 0)
        return rc;
    if (is_buffer_size(option))
        return evl_socket_set(s->io.fd, SOL_SOCKET, buffer_name(option), value);
    return option == EVL_STREAM_OPT_NODELAY ? evl_socket_set(s->io.fd, IPPROTO_TCP, TCP_NODELAY, value != 0)
                                            : set_keep_alive(s->io.fd, value);
}

static int get_keep_alive(int fd, int *seconds) {
    int rc = evl_socket_get(fd, SOL_SOCKET, SO_KEEPALIVE, seconds);
    if (rc != 0 || *seconds == 0)
        return rc;
#if defined(TCP_KEEPIDLE)
    rc = evl_socket_get(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
#elif defined(TCP_KEEPALIVE)
    rc = evl_socket_get(fd, IPPROTO_TCP, TCP_KEEPALIVE, seconds);
#endif
    return rc;
}

int32_t evl_stream_get_option(const evl_stream *stream, int32_t option) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    if (rc != 0)
        return rc;
    const evl_stream_handle *s = evl_s_of(stream);
    int value = 0;
    rc = check_option(s, option);
    if (rc != 0)
        return rc;
    if (is_buffer_size(option))
        rc = evl_socket_get(s->io.fd, SOL_SOCKET, buffer_name(option), &value);
    else if (option == EVL_STREAM_OPT_KEEPALIVE)
        rc = get_keep_alive(s->io.fd, &value);
    else {
        rc = evl_socket_get(s->io.fd, IPPROTO_TCP, TCP_NODELAY, &value);
        value = value != 0; /* some systems return another number */
    }
    return rc != 0 ? rc : value;
}

evl_fd evl_stream_fd(const evl_stream *stream) {
    int rc = evl_enter_to_read(stream, EVL_KIND_STREAM);
    return rc != 0 ? rc : evl_s_of(stream)->io.fd >= 0 ? evl_s_of(stream)->io.fd : EVL_EBADF;
}
