/* stream_splice.c - copying from one stream to another.
 *
 * Small amounts are read and written: two calls, and the read shows whether there is more. When a read has
 * filled the buffer there is a lot, and splice(2) moves it inside the kernel.
 *
 * splice(2) needs a pipe. What was moved into the pipe must reach the destination, so the pipe becomes a
 * chunk of its send queue: it keeps its place among what is written, is sent when there is room, and stays
 * when the operation ends. */
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream.h"

#include <errno.h>
#include <string.h>

#define PIECE    65536 /* bytes: the default capacity of a pipe */
#define WORTH_IT 16384 /* bytes; if a splice moves less, the next piece is copied */

typedef struct evl_splice_pipe {
    evl_loop *loop;
    uint32_t refs; /* held by the operation and by the chunk */
    int fds[2];    /* the pipe; -1 before the first use */
    bool may_pipe; /* splice(2) has not failed as unsupported */
    bool plenty;   /* the last read filled the buffer */
    int64_t total;
    uint64_t to; /* id of the destination, which may be closed first */
} evl_splice_pipe;

static evl_stream_handle *destination_of(const evl_splice_pipe *pipe) {
    evl_handle *handle = evl_handle_find(pipe->loop, pipe->to);
    return handle ? evl_s_of(handle) : NULL;
}

void evl_splice_pipe_unref(evl_splice_pipe *pipe) {
    if (--pipe->refs != 0)
        return;
    for (int i = 0; i < 2; i++)
        if (pipe->fds[i] >= 0)
            (void)evl_sys.close(pipe->fds[i]);
    evl_mem_free(&pipe->loop->mem, pipe, sizeof *pipe);
}

static int64_t result_of(ssize_t n) {
    return n >= 0 ? n : errno == EAGAIN ? EVL_EAGAIN : evl_err_from_errno(errno);
}

int64_t evl_splice_pipe_send(evl_stream_handle *s, evl_splice_pipe *pipe, size_t len) {
    ssize_t n;
    do
        n = evl_sys.splice_out(pipe->fds[0], s->io.fd, len);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

static int64_t fill_pipe(evl_splice_pipe *pipe, int from) {
    ssize_t n;
    do
        n = evl_sys.splice(from, pipe->fds[1], PIECE);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

int64_t evl_splice_pipe_read(evl_splice_pipe *pipe, char *buf, size_t len) {
    ssize_t n;
    do
        n = evl_sys.read(pipe->fds[0], buf, len);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : evl_err_from_errno(errno);
}

/* --- one step --------------------------------------------------------------------------------- */

/* How much to read: all of it must fit into the queue of the destination, which is empty now. */
static size_t room_in(const evl_stream_handle *to) {
    uint32_t hard = to->more ? to->more->hard : 0;
    return hard != 0 && hard < EVL_READ_MAX ? hard : EVL_READ_MAX;
}

static int64_t move_by_copy(evl_stream_handle *from, evl_stream_handle *to, evl_splice_pipe *pipe) {
    char *buf = evl_net_shared_buf(evl_s_net(from));
    evl_s_loop(from)->borrower = NULL;
    if (!buf)
        return EVL_ENOMEM;
    int64_t n = evl_stream_pull(from, buf, room_in(to));
    pipe->plenty = n == EVL_READ_MAX;
    if (n <= 0)
        return n;
    int64_t taken = evl_stream_write(&to->io.base, buf, (size_t)n);
    if (taken < n) { /* put back what the destination did not accept */
        int rc = evl_stream_unread(&from->io.base, buf + (taken > 0 ? taken : 0),
                                   (size_t)(n - (taken > 0 ? taken : 0)));
        return taken < 0 ? taken : rc != 0 ? rc : EVL_ENOMEM;
    }
    return n;
}

/* The chunk is allocated first, since bytes in the pipe must not be lost. Returns 0 if nothing was moved:
 * splice(2) also stops at an urgent mark, so only a read can tell whether that is the end of file. */
static int64_t move_by_kernel(evl_stream_handle *from, evl_stream_handle *to, evl_splice_pipe *pipe) {
    evl_chunk *chunk = evl_stream_new_splice_chunk(to);
    if (!chunk)
        return EVL_ENOMEM;
    int64_t n = fill_pipe(pipe, from->io.fd);
    bool unable = n == EVL_EINVAL || n == EVL_ENOSYS;
    pipe->may_pipe = !unable;
    pipe->plenty = n >= WORTH_IT;
    n = unable || n == EVL_EAGAIN || n == 0 ? 0 : evl_stream_note_read(from, n, (size_t)(n > 0 ? n : 0));
    if (n > 0) {
        pipe->refs++;
        chunk->pipe = pipe;
        chunk->file = pipe->fds[0];
    }
    evl_stream_queue_splice_chunk(to, chunk, n > 0 ? (size_t)n : 0);
    return n;
}

static bool has_pipe(evl_splice_pipe *pipe) {
    if (pipe->fds[0] < 0 && evl_sys.pipe_cloexec(pipe->fds) != 0) {
        pipe->fds[0] = pipe->fds[1] = -1;
        pipe->may_pipe = false;
    }
    return pipe->may_pipe;
}

static bool has_no_transport(const evl_stream_handle *s) { return !evl_s_has(s, EVL_S_CUSTOM); }

static int64_t move(evl_stream_handle *from, evl_stream_handle *to, evl_splice_pipe *pipe) {
    bool fds = evl_s_has(from, EVL_S_FDS); /* which splice(2) would discard */
    bool pipes = pipe->plenty && pipe->may_pipe && !from->in && !fds && has_pipe(pipe);
    int64_t n = pipes ? move_by_kernel(from, to, pipe) : 0;
    return n == 0 ? move_by_copy(from, to, pipe) : n;
}

/* --- operation -------------------------------------------------------------------------------- */

bool evl_splice_awaits_room(const evl_operation *op) {
    const evl_stream_handle *to = destination_of(op->value);
    return to && evl_s_is_sending(to);
}

void evl_splice_end(evl_operation *op) {
    evl_stream_handle *from = op->owner;
    if (op->state == EVL_OP_PENDING)
        evl_list_remove(&op->node.link);
    from->reader = NULL;
    evl_splice_pipe_unref(op->value);
}

void evl_splice_leave(evl_operation *op) {
    evl_stream_handle *to = destination_of(op->value);
    evl_splice_end(op);
    if (to)
        evl_stream_wake_waiters(to);
    evl_stream_interest(op->owner);
}

static int64_t splice_attempt(evl_stream_handle *from, evl_stream_handle *to, evl_splice_pipe *pipe) {
    if (evl_s_has(to, EVL_S_WRITE_FAILED))
        return to->write_error;
    if (evl_s_is_sending(to))
        return EVL_EAGAIN;
    if (!from->in && !evl_s_has(from, EVL_S_CAN_READ)) {
        int64_t end = evl_stream_empty_result(from);
        return end == 0 ? pipe->total : end;
    }
    int64_t n = move(from, to, pipe);
    if (n <= 0)
        return n == 0 ? pipe->total : n;
    pipe->total += n;
    return evl_s_is_sending(to) ? EVL_EAGAIN : EVL_EINPROGRESS;
}

static void splice_deliver(evl_operation *op) {
    evl_stream_handle *from = op->owner;
    evl_splice_pipe *pipe = op->value;
    evl_stream_handle *to = destination_of(pipe);
    int64_t n = to ? splice_attempt(from, to, pipe) : EVL_ECLOSED;
    if (n == EVL_EAGAIN && !evl_stream_wait_for_room(to, op))
        n = EVL_ENOMEM;
    op->node.u.result = n;
    if (n != EVL_EAGAIN && n != EVL_EINPROGRESS)
        evl_splice_end(op);
    if (!evl_s_has(from, EVL_S_EDGE))
        evl_stream_interest(from);
    evl_stream_update_waiting(from);
}

const evl_op_type evl_stream_splicing = {
    .name = "splice", .leave = evl_splice_leave, .deliver = splice_deliver, .tries = true};

static evl_splice_pipe *new_pipe(evl_stream_handle *from, evl_stream_handle *to) {
    evl_loop *loop = evl_s_loop(from);
    evl_splice_pipe *pipe = evl_mem_zalloc(&loop->mem, sizeof *pipe);
    if (!pipe)
        return NULL;
    *pipe = (evl_splice_pipe){.loop = loop, .refs = 1, .fds = {-1, -1}, .to = evl_handle_id(&to->io.base)};
    pipe->may_pipe = has_no_transport(from) && has_no_transport(to);
    return pipe;
}

int32_t evl_stream_splice(evl_stream *from, evl_op *op, evl_stream *to) {
    int rc = evl_check_kind(from, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_check_kind(to, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_op_check_start(from->loop, op);
    if (rc != 0)
        return rc;
    if (from == to || from->loop != to->loop)
        return EVL_EINVAL;
    evl_stream_handle *source = evl_s_of(from), *destination = evl_s_of(to);
    rc = evl_stream_check_idle(source);
    if (rc == 0)
        rc = evl_stream_check_write(destination);
    if (rc != 0)
        return rc;
    evl_splice_pipe *pipe = new_pipe(source, destination);
    if (!pipe)
        return EVL_ENOMEM;
    evl_operation *self = evl_op_park(from->loop, op, &evl_stream_splicing, source);
    self->value = pipe;
    source->reader = self;
    if (evl_s_has(source, EVL_S_TIMEOUTS))
        evl_stream_note_read_start(source);
    evl_op_try(self);
    return 0;
}
