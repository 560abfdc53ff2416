/* write_file.c - chunks of the send queue that come from a file, or from the pipe of a splice. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "write_queue.h"

#include <errno.h>
#include <sys/stat.h>

/* --- sending ---------------------------------------------------------------------------------- */

#define COPIES_MAX 4 /* blocks of a file read at once */

/* If the kernel cannot send the file: reads some of it into chunks in front of it, which are sent like any
 * other. So the bytes that a transport was given are still there when it is called again. Returns how many
 * were read; 0: the file is shorter. */
static int64_t read_file(evl_stream_handle *s, evl_chunk *c) {
    const size_t room = EVL_BLOCK - sizeof(evl_chunk);
    int64_t copied = 0;
    for (int i = 0; i < COPIES_MAX && c->len > 0; i++) {
        evl_chunk *copy = evl_chunk_new(s, room);
        if (!copy)
            return copied > 0 ? copied : EVL_ENOMEM;
        ssize_t got;
        do
            got = evl_sys.pread(c->file, copy->bytes, c->len < room ? c->len : room, c->offset);
        while (got < 0 && errno == EINTR);
        if (got <= 0) {
            evl_chunk_free(s, copy);
            return copied > 0 ? copied : got == 0 ? 0 : evl_err_from_errno(errno);
        }
        copy->len = (size_t)got;
        copy->uncounted = true;
        evl_list_insert(&c->link, &copy->link);
        c->offset += got;
        c->sent += got;
        c->len -= (size_t)got;
        copied += got;
    }
    return copied;
}

static int64_t send_by_kernel(evl_stream_handle *s, evl_chunk *c) {
    ssize_t n;
    do
        n = evl_sys.sendfile(s->io.fd, c->file, &c->offset, c->len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? EVL_EAGAIN : evl_err_from_errno(errno);
    evl_stream_count_sent(s, (size_t)n);
    c->sent += n;
    c->len -= (size_t)n;
    return n;
}

static bool is_unable(int64_t error) { return error == EVL_ENOSYS || error == EVL_EINVAL; }

static bool is_socket_error(int64_t error) {
    return error == EVL_EPIPE || error == EVL_ECONNRESET || error == EVL_ETIMEDOUT || error == EVL_ENOTCONN;
}

/* The file is sent or cannot be read. Completes its operation. Without one, a file that is incomplete ends
 * the stream: what was written behind it must not follow a gap. */
static int64_t end_file(evl_stream_handle *s, evl_chunk *c, int64_t error) {
    evl_operation *op = c->op;
    int64_t result = error != 0 ? error : c->sent;
    if (!op && c->len > 0) {
        s->flags |= EVL_S_ABORT;
        return error != 0 ? error : EVL_EIO;
    }
    evl_chunk_free(s, c);
    if (op)
        evl_op_complete(op, result);
    return 1;
}

static int64_t send_file(evl_stream_handle *s, evl_chunk *c) {
    if (c->len == 0)
        return end_file(s, c, 0);
    int64_t n = c->by_copy ? EVL_ENOSYS : send_by_kernel(s, c);
    if (n == EVL_EAGAIN || is_socket_error(n))
        return n;
    if (is_unable(n)) {
        c->by_copy = true;
        n = read_file(s, c);
        return n > 0 ? n : end_file(s, c, n);
    }
    return n > 0 && c->len > 0 ? n : end_file(s, c, n < 0 ? n : 0);
}

/* The kernel cannot splice to this fd: copies the content of the pipe into a chunk. */
static int64_t copy_pipe(evl_stream_handle *s, evl_chunk *c) {
    evl_chunk *copy = evl_chunk_new(s, c->len);
    if (!copy)
        return EVL_ENOMEM;
    for (int64_t n; copy->len < c->len; copy->len += (size_t)n) {
        n = evl_splice_pipe_read(c->pipe, copy->bytes + copy->len, c->len - copy->len);
        if (n <= 0) {
            evl_chunk_free(s, copy);
            return n < 0 ? n : EVL_EPIPE;
        }
    }
    s->out->queued += copy->len;
    evl_list_insert(c->link.next, &copy->link);
    evl_chunk_free(s, c);
    return 1;
}

static int64_t send_pipe(evl_stream_handle *s, evl_chunk *c) {
    int64_t n = evl_splice_pipe_send(s, c->pipe, c->len);
    if (is_unable(n))
        return copy_pipe(s, c);
    if (n < 0)
        return n;
    evl_stream_count_sent(s, (size_t)n);
    c->len -= (size_t)n;
    if (n == 0 || c->len == 0)
        evl_chunk_free(s, c);
    return 1;
}

int64_t evl_stream_send_file(evl_stream_handle *s, evl_chunk *c) {
    return c->pipe ? send_pipe(s, c) : send_file(s, c);
}

/* --- sendfile --------------------------------------------------------------------------------- */

/* What was written behind the file must not take its place, so the file is sent although its operation has
 * ended. It needs an fd of its own, since the caller may close the other one now. */
bool evl_chunk_keep_file(evl_stream_handle *s, evl_chunk *c) {
    int fd = evl_is_forked(evl_s_loop(s)) ? -1 : evl_sys.dup_above(c->file, 3);
    if (fd < 0)
        return false;
    c->op = NULL;
    c->file = fd;
    c->owns_file = true;
    return true;
}

static void leave_file(evl_operation *op) {
    evl_stream_handle *s = op->owner;
    evl_chunk *c = op->value;
    if (evl_chunk_keep_file(s, c))
        return;
    c->op = NULL;
    s->flags |= EVL_S_ABORT;
    evl_stream_end_writing(s, EVL_ECANCELED);
    evl_stream_update_state(s);
}

static const evl_op_type sending_file = {.name = "sendfile", .leave = leave_file};

static int file_remaining(int file, int64_t offset, size_t *len) {
    struct stat st;
    if (evl_sys.fstat(file, &st) != 0)
        return evl_err_from_errno(errno);
    if (!S_ISREG(st.st_mode) || offset < 0)
        return EVL_EINVAL;
    int64_t remaining = st.st_size > offset ? st.st_size - offset : 0;
    if (remaining > PTRDIFF_MAX)
        remaining = PTRDIFF_MAX;
    if (*len == 0 || *len > (size_t)remaining)
        *len = (size_t)remaining;
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
        rc = file_remaining(file, offset, &len);
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
    c->by_copy = (s->flags & (EVL_S_CUSTOM | EVL_S_SOCKET)) != EVL_S_SOCKET;
    self->value = c;
    evl_list_append(&s->out->chunks, &c->link);
    evl_handle_set_active(stream, true);
    evl_stream_update_waiting(s);
    if (s->out->chunks.next == &c->link) /* it is the first chunk: the next pass sends it */
        evl_stream_send_soon(s);
    evl_touch(stream->loop);
    return 0;
}

/* --- splice ----------------------------------------------------------------------------------- */

evl_chunk *evl_stream_new_splice_chunk(evl_stream_handle *s) {
    evl_chunk *c = evl_chunk_new(s, 0);
    if (c && !evl_outq_get(s)) {
        evl_chunk_free(s, c);
        c = NULL;
    }
    return c;
}

void evl_stream_queue_splice_chunk(evl_stream_handle *s, evl_chunk *c, size_t len) {
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
