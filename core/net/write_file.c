/* write_file.c - what is sent from a file or from another stream, in its place in the queue. */
#include "write_queue.h"

#include <errno.h>
#include <sys/stat.h>

/* --- sending ---------------------------------------------------------------------------------- */

/* Where the kernel has no sendfile for this pair of files. */
static int64_t send_file_by_copy(evl_stream_handle *s, evl_chunk *c) {
    char *buf = evl_net_lend(evl_s_net(s));
    evl_s_loop(s)->lent_to = NULL;
    if (!buf)
        return EVL_ENOMEM;
    size_t want = c->len < EVL_READ_MAX ? c->len : EVL_READ_MAX;
    ssize_t got;
    do
        got = evl_sys.pread(c->file, buf, want, c->offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got == 0 ? 0 : evl_err_from_errno(errno);
    int64_t n = evl_transport_writev(s, &(evl_buf){buf, (size_t)got}, 1);
    if (n > 0)
        c->offset += n;
    return n;
}

/* The kernel would not splice to this fd: what the pipe holds becomes a chunk that is copied. 0: this chunk
 * is done with. */
static int64_t copy_conduit(evl_stream_handle *s, evl_chunk *c) {
    evl_chunk *copy = evl_chunk_new(s, c->len);
    if (!copy)
        return EVL_ENOMEM;
    for (int64_t n; copy->len < c->len; copy->len += (size_t)n) {
        n = evl_conduit_read(c->conduit, copy->bytes + copy->len, c->len - copy->len);
        if (n <= 0) {
            evl_chunk_free(s, copy);
            return n < 0 ? n : EVL_EPIPE;
        }
    }
    s->out->queued += copy->len;
    evl_list_insert(c->link.next, &copy->link);
    return 0;
}

static int64_t send_file(evl_stream_handle *s, evl_chunk *c) {
    bool plain = (s->flags & (EVL_S_CUSTOM | EVL_S_SOCKET)) == EVL_S_SOCKET;
    int64_t n = EVL_ENOSYS;
    if (c->conduit)
        n = evl_conduit_send(s, c->conduit, c->len);
    else if (plain && c->op->count == 0) {
        ssize_t rc;
        do
            rc = evl_sys.sendfile(s->io.fd, c->file, &c->offset, c->len);
        while (rc < 0 && errno == EINTR);
        n = rc >= 0 ? rc : errno == EAGAIN ? EVL_EAGAIN : evl_err_from_errno(errno);
        if (n == EVL_EINVAL || n == EVL_ENOSYS)
            c->op->count = 1; /* remembered */
    }
    if (n == EVL_ENOSYS || n == EVL_EINVAL)
        n = c->conduit ? copy_conduit(s, c) : send_file_by_copy(s, c);
    if (n > 0) {
        evl_stream_count_sent(s, (size_t)n);
        c->sent += n;
        c->len -= (size_t)n;
    }
    return n;
}

static bool is_socket_error(int64_t error) {
    return error == EVL_EPIPE || error == EVL_ECONNRESET || error == EVL_ETIMEDOUT || error == EVL_ENOTCONN;
}

/* The next chunk is a file. True: go on with what follows. */
bool evl_stream_step_file(evl_stream_handle *s, evl_chunk *c, int64_t *result) {
    evl_operation *op = c->op;
    int64_t n = send_file(s, c);
    *result = n;
    if (n == EVL_EAGAIN || is_socket_error(n) || (n < 0 && !op)) /* a conduit's bytes are owed */
        return false;
    if (n > 0 && c->len > 0)
        return true;
    int64_t total = n < 0 ? n : c->sent;
    evl_chunk_free(s, c);
    if (op)
        evl_op_complete(op, total);
    *result = 1;
    return true;
}

/* --- files ------------------------------------------------------------------------------------ */

static void leave_file(evl_operation *op) {
    evl_stream_handle *s = op->owner;
    evl_chunk_free(s, op->value);
    if (!evl_s_is_sending(s))
        evl_stream_unwant_write(s);
    evl_stream_told(s);
    evl_stream_try_shutdown(s);
    evl_stream_settle(s);
}

static const evl_op_type sending_file = {.name = "sendfile", .leave = leave_file};

static int file_rest(int file, int64_t offset, size_t *len) {
    struct stat st;
    if (evl_sys.fstat(file, &st) != 0)
        return evl_err_from_errno(errno);
    if (!S_ISREG(st.st_mode) || offset < 0)
        return EVL_EINVAL;
    int64_t rest = st.st_size > offset ? st.st_size - offset : 0;
    if (rest > PTRDIFF_MAX)
        rest = PTRDIFF_MAX;
    if (*len == 0 || *len > (size_t)rest)
        *len = (size_t)rest;
    return 0;
}

int32_t evl_stream_sendfile(evl_stream *stream, evl_op *op, evl_fd file, int64_t offset, size_t len) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_op_check_start(stream->loop, op);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    rc = evl_stream_check_write(s);
    if (rc == 0)
        rc = file_rest(file, offset, &len);
    if (rc != 0)
        return rc;
    if (len == 0)
        return evl_op_start_done(stream->loop, op, &sending_file, s, 0);
    evl_chunk *c = evl_chunk_new(s, 0);
    if (!c || !evl_outq_get(s)) {
        if (c)
            evl_chunk_discard(s, c);
        return EVL_ENOMEM;
    }
    evl_operation *self = evl_op_park(stream->loop, op, &sending_file, s);
    c->file = file;
    c->offset = offset;
    c->len = len;
    c->op = self;
    self->value = c;
    self->count = 0;
    evl_list_append(&s->out->chunks, &c->link);
    evl_handle_set_active(stream, true);
    if (s->out->chunks.next == &c->link) { /* nothing is in front of it: the next pass begins */
        evl_stream_send_soon(s);
    }
    evl_touch(stream->loop);
    return 0;
}

/* --- from another stream ---------------------------------------------------------------------- */

evl_chunk *evl_stream_new_conduit(evl_stream_handle *s) {
    evl_chunk *c = evl_chunk_new(s, 0);
    if (c && !evl_outq_get(s)) {
        evl_chunk_free(s, c);
        c = NULL;
    }
    return c;
}

void evl_stream_queue_conduit(evl_stream_handle *s, evl_chunk *c, size_t len) {
    if (len == 0) {
        evl_chunk_free(s, c);
        evl_outq_drop_empty(s);
        return;
    }
    c->len = len;
    evl_list_append(&s->out->chunks, &c->link);
    evl_handle_set_active(&s->io.base, true);
    evl_stream_send_queue(s);
}
