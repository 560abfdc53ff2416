/* stream_splice.c - from one stream to another.
 *
 * A little is copied: one call to read it, which also says whether there is more, and one to write it. When a
 * read has filled the buffer there is a lot, and the kernel moves that without it passing through this
 * process.
 *
 * The kernel moves bytes only into and out of a pipe. What has been moved into it is owed to the other
 * stream, and so the pipe stands in that one's queue as a chunk like any other: it keeps its place among what
 * is written, is sent when there is room, and survives the operation. */
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream.h"

#include <errno.h>
#include <string.h>

#define PIECE    65536 /* what a pipe takes */
#define WORTH_IT 16384 /* less is copied the next time */

typedef struct evl_conduit {
    evl_loop *loop;
    uint32_t refs; /* the operation's, the chunk's */
    int fds[2];    /* the pipe, once there was a lot to move, or -1 */
    bool may_pipe; /* the kernel might be able to */
    bool plenty;   /* the last read found as much as fits */
    int64_t total;
    uint64_t to; /* the id of the stream that gets it */
} evl_conduit;

static evl_stream_handle *sink_of(const evl_conduit *conduit) {
    evl_handle *handle = evl_handle_find(conduit->loop, conduit->to);
    return handle ? evl_s_of(handle) : NULL;
}

void evl_conduit_unref(evl_conduit *conduit) {
    if (--conduit->refs != 0)
        return;
    for (int i = 0; i < 2; i++)
        if (conduit->fds[i] >= 0)
            (void)evl_sys.close(conduit->fds[i]);
    evl_mem_free(&conduit->loop->mem, conduit, sizeof *conduit);
}

static int64_t result_of(ssize_t n) {
    return n >= 0 ? n : errno == EAGAIN ? EVL_EAGAIN : evl_err_from_errno(errno);
}

int64_t evl_conduit_send(evl_stream_handle *s, evl_conduit *conduit, size_t len) {
    ssize_t n;
    do
        n = evl_sys.splice_out(conduit->fds[0], s->io.fd, len);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

static int64_t fill(evl_conduit *conduit, int from) {
    ssize_t n;
    do
        n = evl_sys.splice(from, conduit->fds[1], PIECE);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

int64_t evl_conduit_read(evl_conduit *conduit, char *buf, size_t len) {
    ssize_t n;
    do
        n = evl_sys.read(conduit->fds[0], buf, len);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : evl_err_from_errno(errno);
}

/* --- one turn --------------------------------------------------------------------------------- */

/* What the other stream would queue: it is empty now, and all that is read must fit. */
static size_t room_in(const evl_stream_handle *to) {
    uint32_t hard = to->more ? to->more->hard : 0;
    return hard != 0 && hard < EVL_READ_MAX ? hard : EVL_READ_MAX;
}

static int64_t move_by_copy(evl_stream_handle *from, evl_stream_handle *to, evl_conduit *conduit) {
    char *buf = evl_net_lend(evl_s_net(from));
    evl_s_loop(from)->lent_to = NULL;
    if (!buf)
        return EVL_ENOMEM;
    int64_t n = evl_stream_pull(from, buf, room_in(to));
    conduit->plenty = n == EVL_READ_MAX;
    if (n <= 0)
        return n;
    int64_t taken = evl_stream_write(&to->io.base, buf, (size_t)n);
    if (taken < n) { /* what the other stream would not have stays with this one */
        int rc = evl_stream_unread(&from->io.base, buf + (taken > 0 ? taken : 0),
                                   (size_t)(n - (taken > 0 ? taken : 0)));
        return taken < 0 ? taken : rc != 0 ? rc : EVL_ENOMEM;
    }
    return n;
}

/* The chunk is made first: what is in the pipe must not be lost. 0: nothing was moved, which proves nothing,
 * for a splice also ends in front of an urgent mark; a read knows. */
static int64_t move_by_kernel(evl_stream_handle *from, evl_stream_handle *to, evl_conduit *conduit) {
    evl_chunk *chunk = evl_stream_new_conduit(to);
    if (!chunk)
        return EVL_ENOMEM;
    int64_t n = fill(conduit, from->io.fd);
    bool unable = n == EVL_EINVAL || n == EVL_ENOSYS;
    conduit->may_pipe = !unable;
    conduit->plenty = n >= WORTH_IT;
    n = unable || n == EVL_EAGAIN || n == 0 ? 0 : evl_stream_noted(from, n, (size_t)(n > 0 ? n : 0));
    if (n > 0) {
        conduit->refs++;
        chunk->conduit = conduit;
        chunk->file = conduit->fds[0];
    }
    evl_stream_queue_conduit(to, chunk, n > 0 ? (size_t)n : 0);
    return n;
}

static bool has_pipe(evl_conduit *conduit) {
    if (conduit->fds[0] < 0 && evl_sys.pipe_cloexec(conduit->fds) != 0) {
        conduit->fds[0] = conduit->fds[1] = -1;
        conduit->may_pipe = false;
    }
    return conduit->may_pipe;
}

static bool is_plain(const evl_stream_handle *s) { return !evl_s_has(s, EVL_S_CUSTOM); }

static int64_t move(evl_stream_handle *from, evl_stream_handle *to, evl_conduit *conduit) {
    bool pipes = conduit->plenty && conduit->may_pipe && !from->in && has_pipe(conduit);
    int64_t n = pipes ? move_by_kernel(from, to, conduit) : 0;
    return n == 0 ? move_by_copy(from, to, conduit) : n;
}

/* --- the operation ---------------------------------------------------------------------------- */

void evl_splice_end(evl_operation *op) {
    evl_stream_handle *from = op->owner;
    if (op->state == EVL_OP_PENDING)
        evl_list_remove(&op->node.link);
    from->reader = NULL;
    evl_conduit_unref(op->value);
}

void evl_splice_leave(evl_operation *op) {
    evl_stream_handle *to = sink_of(op->value);
    evl_splice_end(op);
    if (to)
        evl_stream_told(to);
    evl_stream_interest(op->owner);
}

static int64_t attempt(evl_stream_handle *from, evl_stream_handle *to, evl_conduit *conduit) {
    if (evl_s_has(to, EVL_S_WRITE_FAILED))
        return to->write_error;
    if (evl_s_is_sending(to))
        return EVL_EAGAIN;
    if (!from->in && !evl_s_has(from, EVL_S_CAN_READ)) {
        int64_t end = evl_stream_standing(from);
        return end == 0 ? conduit->total : end;
    }
    int64_t n = move(from, to, conduit);
    if (n <= 0)
        return n == 0 ? conduit->total : n;
    conduit->total += n;
    return evl_s_is_sending(to) ? EVL_EAGAIN : EVL_EINPROGRESS;
}

static void deliver(evl_operation *op) {
    evl_stream_handle *from = op->owner;
    evl_conduit *conduit = op->value;
    evl_stream_handle *to = sink_of(conduit);
    int64_t n = to ? attempt(from, to, conduit) : EVL_ECLOSED;
    if (n == EVL_EAGAIN && !evl_stream_wait_for_room(to, op))
        n = EVL_ENOMEM;
    op->node.u.result = n;
    if (n != EVL_EAGAIN && n != EVL_EINPROGRESS)
        evl_splice_end(op);
    if (!evl_s_has(from, EVL_S_EDGE))
        evl_stream_interest(from);
}

const evl_op_type evl_stream_splicing = {
    .name = "splice", .leave = evl_splice_leave, .deliver = deliver, .tries = true};

static evl_conduit *new_conduit(evl_stream_handle *from, evl_stream_handle *to) {
    evl_loop *loop = evl_s_loop(from);
    evl_conduit *conduit = evl_mem_zalloc(&loop->mem, sizeof *conduit);
    if (!conduit)
        return NULL;
    *conduit = (evl_conduit){.loop = loop, .refs = 1, .fds = {-1, -1}, .to = evl_handle_id(&to->io.base)};
    conduit->may_pipe = is_plain(from) && is_plain(to);
    return conduit;
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
    evl_stream_handle *source = evl_s_of(from), *sink = evl_s_of(to);
    rc = evl_stream_check_idle(source);
    if (rc == 0)
        rc = evl_stream_check_write(sink);
    if (rc != 0)
        return rc;
    evl_conduit *conduit = new_conduit(source, sink);
    if (!conduit)
        return EVL_ENOMEM;
    evl_operation *self = evl_op_park(from->loop, op, &evl_stream_splicing, source);
    self->value = conduit;
    source->reader = self;
    evl_op_try(self);
    return 0;
}
