/* stream_read.c - read operations.
 *
 * A read happens right before its operation completes, never earlier. So a cancelled read has consumed
 * nothing, and the data of a slow reader stays in the kernel, where it slows the sender down. */
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "stream_input.h"

#include <string.h>

/* --- what completes a read -------------------------------------------------------------------- */

/* Of a read, op->value is the caller's buffer or NULL, and op->until its size. */
static size_t wanted_bytes(const evl_operation *op) { return (size_t)op->until; }

static inline int64_t attempt_some(evl_stream_handle *s, const evl_operation *op) {
    size_t cap = wanted_bytes(op) < EVL_READ_MAX ? wanted_bytes(op) : EVL_READ_MAX;
    if (EVL_UNLIKELY(s->in != NULL))
        return op->value ? (int64_t)evl_inbuf_copy_out(s, op->value, cap)
                         : (int64_t)(s->in->len < cap ? s->in->len : cap);
    if (EVL_UNLIKELY(!evl_s_may_fetch(s)))
        return evl_stream_empty_result(s);
    if (EVL_LIKELY(op->value != NULL))
        return evl_stream_fetch_inline(s, op->value, cap);
    int64_t n = evl_stream_fetch_more(s, cap);
    return n > (int64_t)cap ? (int64_t)cap : n;
}

/* Looks for the end of a message in the buffer. Returns how many bytes complete the read, EVL_EAGAIN if more
 * are needed, or an error. */
typedef int64_t examine_fn(evl_stream_handle *s, const evl_operation *op);

static int64_t examine_exactly(evl_stream_handle *s, const evl_operation *op) {
    return s->in->len >= wanted_bytes(op) ? (int64_t)wanted_bytes(op) : EVL_EAGAIN;
}

/* Returns where the first occurrence of the separator ends, or 0. The first `seen` bytes contain no end of
 * one. */
static size_t find_end(const evl_inbuf *in, const evl_buf *separator) {
    const char *text = in->bytes + in->start;
    size_t back = separator->len - 1, len = in->len;
    size_t at = in->seen > back ? in->seen - back : 0;
    while (at + separator->len <= len) {
        const char *hit = memchr(text + at, *(const char *)separator->data, len - back - at);
        if (!hit)
            return 0;
        at = (size_t)(hit - text);
        if (memcmp(hit, separator->data, separator->len) == 0)
            return at + separator->len;
        at++;
    }
    return 0;
}

static int64_t examine_separators(evl_stream_handle *s, const evl_operation *op, const evl_buf *separators,
                                  int n) {
    size_t first = 0;
    for (int i = 0; i < n; i++) {
        size_t end = find_end(s->in, &separators[i]);
        first = end != 0 && (first == 0 || end < first) ? end : first;
    }
    if (first != 0)
        return first <= wanted_bytes(op) ? (int64_t)first : EVL_EMSGSIZE;
    s->in->seen = s->in->len;
    return s->in->len >= wanted_bytes(op) ? EVL_EMSGSIZE : EVL_EAGAIN;
}

static int64_t examine_until(evl_stream_handle *s, const evl_operation *op) {
    return examine_separators(s, op, s->more->separators, op->count);
}

static int64_t examine_line(evl_stream_handle *s, const evl_operation *op) {
    static const evl_buf newline = {"\n", 1};
    int64_t n = examine_separators(s, op, &newline, 1);
    bool last = n == EVL_EAGAIN && evl_stream_empty_result(s) == 0;
    return last ? (int64_t)s->in->len : n;
}

static int64_t examine_all(evl_stream_handle *s, const evl_operation *op) {
    if (s->in->len > wanted_bytes(op))
        return EVL_EMSGSIZE;
    return evl_stream_empty_result(s) == 0 ? (int64_t)s->in->len : EVL_EAGAIN;
}

static int64_t copy_result(evl_stream_handle *s, const evl_operation *op, int64_t n) {
    if (n > 0 && op->value)
        (void)evl_inbuf_copy_out(s, op->value, (size_t)n);
    return n;
}

/* Examines, reads at most once, examines again. EVL_EINPROGRESS: continue in the next pass, so that a long
 * message does not hold up the other handles. */
static int64_t attempt_examined(evl_stream_handle *s, const evl_operation *op, examine_fn *examine,
                                int at_end) {
    for (int turn = 0;; turn++) {
        int64_t n = s->in ? examine(s, op) : EVL_EAGAIN;
        if (n != EVL_EAGAIN)
            return copy_result(s, op, n);
        if (!evl_s_may_fetch(s)) {
            n = evl_stream_empty_result(s);
            return n == 0 ? at_end : n;
        }
        if (turn == 1)
            return EVL_EINPROGRESS;
        size_t have = evl_s_buffered(s);
        n = evl_stream_fetch_more(s, wanted_bytes(op) > have ? wanted_bytes(op) - have : 1);
        if (n == EVL_ENOMEM && !evl_s_has(s, EVL_S_READ_FAILED))
            return n;
    }
}

static int64_t attempt_exactly(evl_stream_handle *s, const evl_operation *op) {
    return attempt_examined(s, op, examine_exactly, EVL_EEOF);
}

static int64_t attempt_until(evl_stream_handle *s, const evl_operation *op) {
    return attempt_examined(s, op, examine_until, EVL_EEOF);
}

static int64_t attempt_line(evl_stream_handle *s, const evl_operation *op) {
    return attempt_examined(s, op, examine_line, 0);
}

static int64_t attempt_all(evl_stream_handle *s, const evl_operation *op) {
    return attempt_examined(s, op, examine_all, 0);
}

/* --- operations ------------------------------------------------------------------------------- */

static void read_leave(evl_operation *op) {
    evl_stream_handle *s = op->owner;
    s->reader = NULL;
    evl_stream_interest(s);
}

static inline bool is_incomplete(int64_t result) { return result == EVL_EAGAIN || result == EVL_EINPROGRESS; }

static inline void read_deliver(evl_operation *op,
                                int64_t (*attempt_it)(evl_stream_handle *, const evl_operation *)) {
    evl_stream_handle *s = op->owner;
    int64_t n = attempt_it(s, op);
    op->node.u.result = n;
    if (EVL_LIKELY(!is_incomplete(n)))
        s->reader = NULL;
    if (EVL_UNLIKELY(!evl_s_has(s, EVL_S_EDGE)))
        evl_stream_interest(s);
}

#define READING(what)                                                                                        \
    static void deliver_##what(evl_operation *op) { read_deliver(op, attempt_##what); }                      \
    static const evl_op_type reading_##what = {                                                              \
        .name = "read_" #what, .leave = read_leave, .deliver = deliver_##what, .tries = true}

/* Of 0 bytes: completes at once and reads nothing. */
static const evl_op_type reading_nothing = {.name = "read_nothing"};

READING(some);
READING(exactly);
READING(until);
READING(line);
READING(all);

int evl_stream_check_idle(const evl_stream_handle *s) {
    if (evl_s_has(s, EVL_S_NO_READ))
        return EVL_EBADF;
    return s->reader || evl_s_pushes(s) || evl_s_has(s, EVL_S_DISCARD) ? EVL_EBUSY : 0;
}

static inline void begin_read(evl_stream_handle *s, evl_op *op, const evl_op_type *type, void *buf,
                              size_t cap, int count) {
    evl_operation *self = evl_op_park(evl_s_loop(s), op, type, s);
    self->value = buf;
    self->until = (int64_t)cap;
    self->count = (uint16_t)count;
    s->reader = self;
}

static int start_read(evl_stream *stream, evl_op *op, const evl_op_type *type, void *buf, size_t cap,
                      int count) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (rc == 0)
        rc = evl_op_check_start(stream->loop, op);
    evl_stream_handle *s = evl_s_of(stream);
    if (rc == 0)
        rc = evl_stream_check_idle(s);
    if (rc != 0)
        return rc;
    if (cap > PTRDIFF_MAX)
        cap = PTRDIFF_MAX;
    if (s->in)
        s->in->seen = 0; /* the read before this one searched for something else */
    if (cap == 0)
        return evl_op_start_done(stream->loop, op, &reading_nothing, s, 0);
    begin_read(s, op, type, buf, cap, count);
    if (evl_s_has(s, EVL_S_TIMEOUTS))
        evl_stream_note_read_start(s);
    rc = 0;
    if (evl_s_may_find(s))
        rc = evl_op_try_now(s->reader);
    else if (!evl_s_has(s, EVL_S_EDGE))
        evl_stream_interest(s);
    evl_touch(stream->loop);
    return rc;
}

/* The common case: nothing is there yet, and an edge will be reported. */
static inline bool must_wait(const evl_stream_handle *s, const evl_op *op) {
    const uint32_t yes = EVL_S_EDGE;
    const uint32_t no = EVL_S_CAN_READ | EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_NO_READ | EVL_S_PUSH |
                        EVL_S_DISCARD | EVL_S_TIMEOUTS;
    return s && s->io.base.node.kind == EVL_KIND_STREAM && evl_op_check_start(evl_s_loop(s), op) == 0 &&
           (s->flags & (yes | no)) == yes && !s->in && !s->reader;
}

int32_t evl_stream_read(evl_stream *stream, evl_op *op, void *buf, size_t cap) {
    evl_stream_handle *s = evl_s_of(stream);
    if (EVL_UNLIKELY(!must_wait(s, op) || cap == 0 || cap > PTRDIFF_MAX))
        return cap == 0 ? EVL_EINVAL : start_read(stream, op, &reading_some, buf, cap, 0);
    begin_read(s, op, &reading_some, buf, cap, 0);
    evl_touch(stream->loop);
    return 0;
}

int32_t evl_stream_read_exactly(evl_stream *stream, evl_op *op, void *buf, size_t len) {
    return start_read(stream, op, &reading_exactly, buf, len, 0);
}

int32_t evl_stream_read_line(evl_stream *stream, evl_op *op, void *buf, size_t cap) {
    return cap == 0 ? EVL_EINVAL : start_read(stream, op, &reading_line, buf, cap, 0);
}

int32_t evl_stream_read_all(evl_stream *stream, evl_op *op, void *buf, size_t cap) {
    return cap == 0 ? EVL_EINVAL : start_read(stream, op, &reading_all, buf, cap, 0);
}

/* Memory for copies of the separators; 0: they are not valid. */
static size_t separators_size(const evl_buf *separators, int n) {
    if (!separators || n <= 0 || n > UINT16_MAX)
        return 0;
    size_t size = (size_t)n * sizeof *separators;
    for (int i = 0; i < n; i++) {
        if (!separators[i].data || separators[i].len == 0 || separators[i].len > SIZE_MAX / 2 - size)
            return 0;
        size += separators[i].len;
    }
    return size;
}

/* Into an allocation that the stream keeps for later reads. */
static int copy_separators(evl_stream_handle *s, const evl_buf *separators, int n, size_t size) {
    evl_stream_more *more = evl_stream_more_of(s);
    if (!more)
        return EVL_ENOMEM;
    if (more->separators_size < size) {
        evl_buf *larger = evl_mem_resize(&evl_s_loop(s)->mem, more->separators, more->separators_size, size);
        if (!larger)
            return EVL_ENOMEM;
        more->separators = larger;
        more->separators_size = size;
    }
    char *bytes = (char *)(more->separators + n);
    for (int i = 0; i < n; i++) {
        memcpy(bytes, separators[i].data, separators[i].len);
        more->separators[i] = (evl_buf){bytes, separators[i].len};
        bytes += separators[i].len;
    }
    return 0;
}

int32_t evl_stream_read_until(evl_stream *stream, evl_op *op, void *buf, size_t cap,
                              const evl_buf *separators, int32_t n) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    size_t size = separators_size(separators, n);
    if (cap == 0 || size == 0)
        return EVL_EINVAL;
    evl_stream_handle *s = evl_s_of(stream);
    rc = evl_stream_check_idle(s);
    if (rc == 0)
        rc = evl_op_check_start(stream->loop, op);
    if (rc == 0)
        rc = copy_separators(s, separators, n, size);
    return rc != 0 ? rc : start_read(stream, op, &reading_until, buf, cap, n);
}

int64_t evl_stream_pull(evl_stream_handle *s, void *buf, size_t cap) {
    if (s->in)
        return (int64_t)evl_inbuf_copy_out(s, buf, cap);
    return evl_s_may_fetch(s) ? evl_stream_fetch(s, buf, cap) : evl_stream_empty_result(s);
}

/* What the running callback is lent comes first, then the buffer, then the fd. */
static int64_t take_now(evl_stream_handle *s, void *buf, size_t cap) {
    evl_net *net = evl_s_net(s);
    if (net->loop->borrower == &s->io.base && net->shared_len > 0)
        return (int64_t)evl_shared_copy_out(net, buf, cap);
    if (s->in)
        return (int64_t)evl_inbuf_copy_out(s, buf, cap);
    if (evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED) || s->io.fd < 0)
        return evl_stream_empty_result(s);
    return evl_stream_fetch(s, buf, cap < EVL_READ_MAX ? cap : EVL_READ_MAX);
}

int64_t evl_stream_try_read(evl_stream *stream, void *buf, size_t cap) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    rc = evl_s_has(s, EVL_S_NO_READ) ? EVL_EBADF : s->reader || evl_s_has(s, EVL_S_DISCARD) ? EVL_EBUSY : 0;
    if (rc != 0 || !buf || cap == 0) /* 0 bytes would be the end of file */
        return rc != 0 ? rc : EVL_EINVAL;
    int64_t n = take_now(s, buf, cap);
    evl_stream_continue_push(s);
    evl_touch(stream->loop);
    return n;
}
