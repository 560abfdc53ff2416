/* write_fds.c - sending fds over a Unix socket, with the first byte of a write. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "fds.h"
#include "write_queue.h"

#include <errno.h>
#include <string.h>

/* --- one attempt ------------------------------------------------------------------------------ */

static int64_t send_with(evl_stream_handle *s, const evl_buf *bufs, int n, const int *fds, int count) {
    evl_fds_control control;
    memset(&control, 0, sizeof control); /* the padding goes to the kernel, too */
    size_t size = (size_t)count * sizeof *fds;
    struct iovec *iov = (struct iovec *)(uintptr_t)bufs;
    struct msghdr msg = {.msg_iov = iov, .msg_control = control.bytes};
    msg.msg_iovlen = (size_t)n;
    msg.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(head), fds, size);
    ssize_t sent;
    do
        sent = evl_sys.sendmsg(s->io.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return EVL_EAGAIN;
    return errno == ETOOMANYREFS ? EVL_ENOBUFS : evl_err_from_errno(errno);
}

/* --- in the queue ----------------------------------------------------------------------------- */

static size_t size_of(int count) { return sizeof(evl_chunk_fds) + (size_t)count * sizeof(int); }

void evl_chunk_close_fds(evl_stream_handle *s, evl_chunk *c) {
    evl_chunk_fds *own = c->fds;
    for (int i = 0; i < own->count; i++)
        (void)evl_sys.close(own->fds[i]);
    c->fds = NULL;
    evl_mem_free(&evl_s_loop(s)->mem, own, size_of(own->count));
}

int64_t evl_chunk_send_fds(evl_stream_handle *s, evl_chunk *c, const evl_buf *bufs, int n) {
    int64_t sent = send_with(s, bufs, n, c->fds->fds, c->fds->count);
    if (sent > 0)
        evl_chunk_close_fds(s, c);
    return sent;
}

/* Gives the chunk duplicates: the caller may close its own before they are sent. */
static int keep_fds(evl_stream_handle *s, evl_chunk *c, const int *fds, int count) {
    evl_chunk_fds *own = evl_mem_resize(&evl_s_loop(s)->mem, NULL, 0, size_of(count));
    if (!own)
        return EVL_ENOMEM;
    for (own->count = 0; own->count < count; own->count++) {
        int fd = evl_sys.dup_above(fds[own->count], 3);
        if (fd < 0)
            break;
        own->fds[own->count] = fd;
    }
    if (own->count == count) {
        c->fds = own;
        return 0;
    }
    int error = evl_err_from_errno(errno);
    for (int i = 0; i < own->count; i++)
        (void)evl_sys.close(own->fds[i]);
    evl_mem_free(&evl_s_loop(s)->mem, own, size_of(count));
    return error;
}

static int queue(evl_stream_handle *s, const evl_buf *buf, const int *fds, int count) {
    evl_chunk *c = evl_chunk_new_copy(s, buf->len);
    if (!c)
        return EVL_ENOMEM;
    int rc = keep_fds(s, c, fds, count);
    if (rc != 0) {
        evl_chunk_discard(s, c);
        return rc;
    }
    evl_chunk_copy(c, buf, 1, 0);
    evl_outq_append(s, c);
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The socket's own, which end writing; all others are about the fds, or about memory. */
static bool is_socket_error(int64_t error) {
    return error == EVL_EPIPE || error == EVL_ECONNRESET || error == EVL_ETIMEDOUT || error == EVL_ENOTCONN;
}

static int64_t write_fds(evl_stream_handle *s, const evl_buf *buf, const int *fds, int count) {
    bool behind = evl_s_is_sending(s);
    int64_t out = EVL_EAGAIN;
    if (!behind)
        out = send_with(s, &(evl_buf){buf->data, buf->len < EVL_WRITE_MAX ? buf->len : EVL_WRITE_MAX}, 1, fds,
                        count);
    if (is_socket_error(out))
        evl_stream_end_writing(s, (int)out);
    if (out > 0)
        evl_stream_count_sent(s, (size_t)out);
    if (out != EVL_EAGAIN)
        return out > 0 && (size_t)out < buf->len ? evl_stream_queue_rest(s, buf, 1, (size_t)out, buf->len)
                                                 : out;
    int rc = evl_stream_is_too_much(s, buf->len) ? EVL_ENOBUFS : queue(s, buf, fds, count);
    if (rc != 0)
        return rc == EVL_ENOBUFS || rc == EVL_ENOMEM ? evl_stream_refuse_write(s, rc) : rc;
    evl_stream_finish_queueing(s, true);
    return (int64_t)buf->len;
}

int64_t evl_stream_write_fds(evl_stream *stream, const void *data, size_t len, const evl_fd *fds,
                             int32_t count) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (!data || len == 0 || len > PTRDIFF_MAX || !fds || count <= 0 || count > EVL_FDS_MAX)
        return EVL_EINVAL;
    rc = evl_stream_check_write(s);
    if (rc == 0)
        rc = evl_stream_check_passing(s);
    return rc != 0 ? rc : write_fds(s, &(evl_buf){data, len}, fds, count);
}
