/* communicate.c - everything that is written to a child and comes from it, and its end, as one operation.
 *
 * Its parts are internal operations on streams of its own over the pipes, which stay the process's, so that a
 * start that fails has changed nothing. Handles are remembered by their ids: the program may close them. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../net/stream.h"
#include "../op/op.h"

#include <evloop/process.h>
#include <signal.h>
#include <string.h>

typedef struct exchange exchange;

/* One of the child's descriptors 0, 1, 2. */
typedef struct channel {
    evl_op op; /* internal: a flush, or a read */
    exchange *of;
    uint64_t stream; /* id; 0: none */
    char *buf;
    size_t cap;
    size_t *size; /* bytes that came */
} channel;

struct exchange {
    evl_operation *op; /* the program's */
    evl_loop *loop;
    uint64_t process; /* id */
    bool kills;
    int parts; /* that are not over */
    int64_t error;
    int64_t status;
    evl_op exited; /* internal */
    channel channels[3];
    char waste[4096]; /* for what there is no room for */
};

static evl_handle *stream_of(const channel *c) {
    return c->stream != 0 ? evl_handle_find(c->of->loop, c->stream) : NULL;
}

/* --- its end ---------------------------------------------------------------------------------- */

static void drop_stream(channel *c) {
    evl_op_end(&c->op);
    (void)evl_stream_abort(stream_of(c));
    c->stream = 0;
}

/* The child sees the end of its input, or that its output is not read any more. */
static void end_channel(channel *c) {
    if (c->stream == 0)
        return;
    drop_stream(c);
    evl_handle *process = evl_handle_find(c->of->loop, c->of->process);
    evl_fd fd = process ? evl_process_take_fd(process, (uint32_t)(c - c->of->channels)) : -1;
    if (fd >= 0)
        (void)evl_sys.close(fd);
}

static void free_exchange(exchange *x) {
    evl_op_end(&x->exited);
    evl_mem_free(&x->loop->mem, x, sizeof *x);
}

static void end_exchange(exchange *x) {
    for (int i = 0; i < 3; i++)
        end_channel(&x->channels[i]);
    free_exchange(x);
}

static void complete(exchange *x, int64_t result) {
    evl_operation *op = x->op;
    end_exchange(x);
    evl_op_complete(op, result);
}

static void part_over(exchange *x) {
    if (--x->parts == 0)
        complete(x, x->error != 0 ? x->error : x->status);
}

/* Cancelled, closed or timed out. */
static void communicate_leave(evl_operation *op) {
    exchange *x = op->value;
    evl_handle *process = evl_handle_find(x->loop, x->process);
    if (process && x->kills && evl_process_kill_group(process, SIGKILL) == EVL_EINVAL)
        (void)evl_process_kill(process, SIGKILL);
    end_exchange(x);
}

static const evl_op_type communicating = {.name = "communicate", .leave = communicate_leave};

/* --- its parts -------------------------------------------------------------------------------- */

static int read_more(channel *c) {
    size_t room = *c->size < c->cap ? c->cap - *c->size : 0;
    void *to = room > 0 ? c->buf + *c->size : c->of->waste;
    evl_handle *stream = stream_of(c);
    return stream ? evl_stream_read(stream, &c->op, to, room > 0 ? room : sizeof c->of->waste) : EVL_ECLOSED;
}

static void collected(void *arg, int64_t n) {
    channel *c = arg;
    exchange *x = c->of;
    *c->size += n > 0 ? (size_t)n : 0;
    int64_t rc = n > 0 ? read_more(c) : n;
    if (n > 0 && rc == 0)
        return;
    if (rc < 0 && rc != EVL_ECONNRESET && x->error == 0)
        x->error = rc;
    end_channel(c);
    part_over(x);
}

/* A child that does not read its input is no error. */
static void sent(void *arg, int64_t result) {
    channel *c = arg;
    exchange *x = c->of;
    (void)result;
    end_channel(c);
    part_over(x);
}

/* In a forked child the pipes are its parent's to read. */
static bool is_inherited(const exchange *x) {
    for (int i = 0; i < 3; i++) {
        const evl_handle *stream = stream_of(&x->channels[i]);
        if (stream && evl_s_has(evl_s_of(stream), EVL_S_INHERITED))
            return true;
    }
    return false;
}

static void exited(void *arg, int64_t status) {
    exchange *x = arg;
    if (status == EVL_ECLOSED || (status == EVL_ECHILD && is_inherited(x))) {
        complete(x, status);
        return;
    }
    x->status = status;
    part_over(x);
}

/* --- starting --------------------------------------------------------------------------------- */

static int open_channel(channel *c, evl_process *process, uint32_t n) {
    evl_fd fd = evl_process_stdio(process, n);
    evl_stream *stream;
    if (fd < 0)
        return 0;
    int rc = evl_stream_open(c->of->loop, fd, EVL_STREAM_KEEP_FD, &stream);
    if (rc == 0)
        c->stream = evl_handle_id(stream);
    return rc;
}

/* Nothing was changed: the fds stay the process's. */
static int undo(exchange *x, int error) {
    for (int i = 0; i < 3; i++)
        drop_stream(&x->channels[i]);
    free_exchange(x);
    return error;
}

static exchange *new_exchange(evl_process *process, evl_communication *io) {
    exchange *x = evl_mem_zalloc(&process->loop->mem, sizeof *x);
    if (!x)
        return NULL;
    x->loop = process->loop;
    x->process = evl_handle_id(process);
    x->kills = (io->flags & EVL_COMMUNICATE_KILL) != 0;
    evl_op_init_internal(&x->exited, exited, x);
    channel *in = &x->channels[0], *out = &x->channels[1], *err = &x->channels[2];
    in->of = out->of = err->of = x;
    out->buf = io->output, out->cap = io->output_cap, out->size = &io->output_size;
    err->buf = io->error, err->cap = io->error_cap, err->size = &io->error_size;
    evl_op_init_internal(&in->op, sent, in);
    evl_op_init_internal(&out->op, collected, out);
    evl_op_init_internal(&err->op, collected, err);
    io->output_size = io->error_size = 0;
    return x;
}

/* The input is borrowed until the stream is dropped. 0 also if the child does not read it. */
static int send_input(exchange *x, const evl_communication *io) {
    channel *in = &x->channels[0];
    evl_handle *stream = stream_of(in);
    if (!stream)
        return 0;
    int64_t n = evl_stream_write_ref(stream, io->input, io->input_size, NULL, NULL);
    int rc = n < 0 ? (int)n : evl_stream_flush(stream, &in->op);
    if (rc == 0)
        x->parts++;
    else if (rc != EVL_ENOMEM)
        end_channel(in);
    return rc == EVL_ENOMEM ? rc : 0;
}

static int start_parts(exchange *x, evl_process *process, const evl_communication *io) {
    int rc = 0;
    for (int i = 1; i <= 2 && rc == 0; i++)
        if (x->channels[i].stream != 0) {
            rc = read_more(&x->channels[i]);
            x->parts++;
        }
    if (rc == 0)
        rc = evl_process_wait(process, &x->exited);
    x->parts++;
    return rc == 0 ? send_input(x, io) : rc;
}

static bool is_valid(const evl_communication *io) {
    return io && io->struct_size >= sizeof *io && (io->flags & ~(uint32_t)EVL_COMMUNICATE_KILL) == 0 &&
           (io->input || io->input_size == 0) && (io->output || io->output_cap == 0) &&
           (io->error || io->error_cap == 0) && io->input_size <= PTRDIFF_MAX;
}

int32_t evl_process_communicate(evl_process *process, evl_op *op, evl_communication *io) {
    int rc = evl_check_kind(process, EVL_KIND_PROCESS);
    if (rc == 0)
        rc = evl_op_check_start(process->loop, op);
    if (rc != 0 || !is_valid(io))
        return rc != 0 ? rc : EVL_EINVAL;
    exchange *x = new_exchange(process, io);
    if (!x)
        return EVL_ENOMEM;
    for (uint32_t n = 0; n < 3 && rc == 0; n++)
        rc = open_channel(&x->channels[n], process, n);
    if (rc == 0)
        rc = start_parts(x, process, io);
    if (rc != 0)
        return undo(x, rc);
    x->op = evl_op_park(process->loop, op, &communicating, process);
    x->op->value = x;
    evl_touch(process->loop);
    return 0;
}
