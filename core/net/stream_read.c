/* stream_read.c - reading: by operations, or pushed.
 *
 * Nothing is read before somebody wants it, and then right before he is told, so that a read which is
 * cancelled has taken nothing and a slow reader leaves the data where it presses back on the sender. */
#include "stream.h"

#include <string.h>

/* --- the stream's own buffer ------------------------------------------------------------------ */

#define POOLED_CAP (EVL_BLOCK - offsetof(evl_inbuf, bytes))

void evl_inbuf_give(evl_net *net, evl_inbuf *in) {
    if (in->cap == POOLED_CAP)
        evl_pool_give(net, &net->blocks, in);
    else
        evl_mem_free(&net->loop->mem, in, offsetof(evl_inbuf, bytes) + in->cap);
}

static evl_inbuf *new_inbuf(evl_net *net, size_t cap) {
    bool pooled = cap <= POOLED_CAP;
    evl_inbuf *in = pooled ? evl_pool_take(net, &net->blocks)
                           : evl_mem_resize(&net->loop->mem, NULL, 0, offsetof(evl_inbuf, bytes) + cap);
    if (!in)
        return NULL;
    *in = (evl_inbuf){.cap = pooled ? POOLED_CAP : cap};
    return in;
}

/* How much fits behind those that are there; moving them to the front must not cost more than was taken. */
static size_t room_left(const evl_inbuf *in) {
    return in->len <= in->start ? in->cap - in->len : in->cap - in->start - in->len;
}

/* The stream gets a buffer of its own while its push callback runs: from now on that is what is peeked at. */
static void end_loan(const evl_stream_handle *s) {
    if (evl_s_loop(s)->lent_to == &s->io.base)
        evl_s_loop(s)->lent_to = NULL;
}

/* Room for `want` more bytes behind those that are there; NULL: out of memory. */
static char *make_room(evl_stream_handle *s, size_t want) {
    evl_inbuf *in = s->in;
    if (in && in->cap - in->start - in->len >= want)
        return in->bytes + in->start + in->len;
    size_t len = in ? in->len : 0;
    if (in && room_left(in) >= want) {
        memmove(in->bytes, in->bytes + in->start, len);
        in->start = 0;
        return in->bytes + len;
    }
    if (want > SIZE_MAX / 4 - len)
        return NULL;
    size_t cap = len == 0 || !in || len + want <= in->cap / 2 ? len + want : (len + want) * 2;
    evl_inbuf *fresh = new_inbuf(evl_s_net(s), cap);
    if (!fresh)
        return NULL;
    if (in) {
        memcpy(fresh->bytes, in->bytes + in->start, len);
        fresh->len = len;
        fresh->seen = in->seen;
        evl_inbuf_give(evl_s_net(s), in);
    } else
        end_loan(s);
    s->in = fresh;
    return fresh->bytes + len;
}

static void drop_empty(evl_stream_handle *s) {
    if (!s->in || s->in->len != 0)
        return;
    evl_inbuf_give(evl_s_net(s), s->in);
    s->in = NULL;
}

static void consume(evl_stream_handle *s, size_t len) {
    evl_inbuf *in = s->in;
    if (len == 0)
        return;
    in->start += len;
    in->len -= len;
    in->seen -= in->seen < len ? in->seen : len;
    drop_empty(s);
}

static size_t copy_out(evl_stream_handle *s, void *buf, size_t cap) {
    size_t n = s->in->len < cap ? s->in->len : cap;
    memcpy(buf, s->in->bytes + s->in->start, n);
    consume(s, n);
    return n;
}

/* --- one read --------------------------------------------------------------------------------- */

int64_t evl_stream_noted(evl_stream_handle *s, int64_t n, size_t cap) {
    if (EVL_LIKELY(n > 0)) {
        s->bytes_in += (uint64_t)n;
        if (EVL_LIKELY(!evl_s_lingers(s)))
            s->last_in = evl_s_loop(s)->now;
        /* A short read has emptied a TCP socket if nothing but data was reported. Elsewhere it ends at a
         * passed fd, an urgent byte or a line too, and what is behind makes no new edge. */
        bool drained = !evl_s_has(s, EVL_S_EDGE | EVL_S_CUSTOM) ||
                       (s->flags & (EVL_S_TCP | EVL_S_ALONE)) == (EVL_S_TCP | EVL_S_ALONE);
        if ((size_t)n < cap && drained)
            s->flags &= ~(uint32_t)EVL_S_CAN_READ;
        return n;
    }
    s->flags &= ~(uint32_t)EVL_S_CAN_READ;
    if (n == 0)
        s->flags |= EVL_S_EOF;
    else if (n != EVL_EAGAIN) {
        s->flags |= EVL_S_READ_FAILED;
        s->read_error = (int32_t)n;
    } else if (evl_s_has(s, EVL_S_CUSTOM))
        evl_stream_interest(s);
    return n;
}

/* From a socket. Nearly always it is data that fits, and all that there was. */
static inline int64_t fetch_plain(evl_stream_handle *s, void *buf, size_t cap) {
    const uint32_t yes = EVL_S_TCP | EVL_S_ALONE | EVL_S_EDGE, no = EVL_S_DISCARD; /* it may linger */
    int64_t n = evl_transport_recv(s, buf, cap);
    if (EVL_UNLIKELY(n <= 0 || (size_t)n == cap || (s->flags & (yes | no)) != yes))
        return evl_stream_noted(s, n, cap);
    s->flags &= ~(uint32_t)EVL_S_CAN_READ;
    s->bytes_in += (uint64_t)n;
    s->last_in = evl_s_loop(s)->now;
    return n;
}

static inline bool is_bare_socket(const evl_stream_handle *s) {
    return (s->flags & (EVL_S_SOCKET | EVL_S_CUSTOM)) == EVL_S_SOCKET;
}

static inline int64_t fetch(evl_stream_handle *s, void *buf, size_t cap) {
    return EVL_LIKELY(is_bare_socket(s)) ? fetch_plain(s, buf, cap)
                                         : evl_stream_noted(s, evl_transport_read(s, buf, cap), cap);
}

int64_t evl_stream_fetch(evl_stream_handle *s, void *buf, size_t cap) { return fetch(s, buf, cap); }

/* Into a buffer of the stream's own, where there was none. */
static int64_t fetch_first(evl_stream_handle *s) {
    evl_inbuf *in = new_inbuf(evl_s_net(s), POOLED_CAP);
    if (EVL_UNLIKELY(!in))
        return EVL_ENOMEM;
    int64_t n = fetch(s, in->bytes, POOLED_CAP);
    if (EVL_LIKELY(n > 0)) {
        in->len = (size_t)n;
        s->in = in;
        end_loan(s);
    } else
        evl_inbuf_give(evl_s_net(s), in);
    return n;
}

/* Behind what is in it. */
static int64_t fetch_more(evl_stream_handle *s, size_t want) {
    if (!s->in)
        return fetch_first(s);
    size_t room = want < 1024 ? 1024 : want > EVL_READ_MAX ? EVL_READ_MAX : want;
    size_t left = room_left(s->in);
    room = left >= 1024 && left < room ? left : room; /* it grows when it has to */
    char *at = make_room(s, room);
    if (!at)
        return EVL_ENOMEM;
    evl_inbuf *in = s->in;
    room = in->cap - in->start - in->len;
    int64_t n = fetch(s, at, room < EVL_READ_MAX ? room : EVL_READ_MAX);
    if (n > 0)
        in->len += (size_t)n;
    return n;
}

/* What a read gets when the buffer does not have what it wants, and nothing can be added to it: EVL_EAGAIN,
 * an error, or 0 at the end. */
int64_t evl_stream_standing(const evl_stream_handle *s) {
    if (evl_s_has(s, EVL_S_READ_FAILED))
        return s->read_error;
    return evl_s_has(s, EVL_S_EOF) ? 0 : EVL_EAGAIN;
}

static inline bool may_fetch(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_CAN_READ) && !evl_s_has(s, EVL_S_READ_FAILED | EVL_S_EOF);
}

/* --- what the operations want ----------------------------------------------------------------- */

/* op->value is the caller's buffer or NULL, op->until its size. */
static size_t wanted(const evl_operation *op) { return (size_t)op->until; }

static inline int64_t attempt_some(evl_stream_handle *s, const evl_operation *op) {
    size_t cap = wanted(op) < EVL_READ_MAX ? wanted(op) : EVL_READ_MAX;
    if (EVL_UNLIKELY(s->in != NULL))
        return op->value ? (int64_t)copy_out(s, op->value, cap)
                         : (int64_t)(s->in->len < cap ? s->in->len : cap);
    if (EVL_UNLIKELY(!may_fetch(s)))
        return evl_stream_standing(s);
    if (EVL_LIKELY(op->value != NULL))
        return fetch(s, op->value, cap);
    int64_t n = fetch_more(s, cap);
    return n > (int64_t)cap ? (int64_t)cap : n;
}

/* Each looks at the buffer: how many bytes are to be handed over; EVL_EAGAIN: more are needed; or an error.
 */
typedef int64_t examine_fn(evl_stream_handle *s, const evl_operation *op);

static int64_t examine_exactly(evl_stream_handle *s, const evl_operation *op) {
    return s->in->len >= wanted(op) ? (int64_t)wanted(op) : EVL_EAGAIN;
}

/* Where the first of a separator ends, or 0; nothing ends in the first `seen` bytes. */
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
        return first <= wanted(op) ? (int64_t)first : EVL_EMSGSIZE;
    s->in->seen = s->in->len;
    return s->in->len >= wanted(op) ? EVL_EMSGSIZE : EVL_EAGAIN;
}

static int64_t examine_until(evl_stream_handle *s, const evl_operation *op) {
    return examine_separators(s, op, s->more->separators, op->count);
}

static int64_t examine_line(evl_stream_handle *s, const evl_operation *op) {
    static const evl_buf newline = {"\n", 1};
    int64_t n = examine_separators(s, op, &newline, 1);
    bool last = n == EVL_EAGAIN && evl_stream_standing(s) == 0;
    return last ? (int64_t)s->in->len : n;
}

static int64_t examine_all(evl_stream_handle *s, const evl_operation *op) {
    if (s->in->len > wanted(op))
        return EVL_EMSGSIZE;
    return evl_stream_standing(s) == 0 ? (int64_t)s->in->len : EVL_EAGAIN;
}

static int64_t hand_over(evl_stream_handle *s, const evl_operation *op, int64_t n) {
    if (n > 0 && op->value)
        (void)copy_out(s, op->value, (size_t)n);
    return n;
}

/* One look, one read at most, one more look: a long message takes turns with everybody else. */
static int64_t attempt(evl_stream_handle *s, const evl_operation *op, examine_fn *examine, int at_end) {
    for (int turn = 0;; turn++) {
        int64_t n = s->in ? examine(s, op) : EVL_EAGAIN;
        if (n != EVL_EAGAIN)
            return hand_over(s, op, n);
        if (!may_fetch(s)) {
            n = evl_stream_standing(s);
            return n == 0 ? at_end : n;
        }
        if (turn == 1)
            return EVL_EINPROGRESS;
        size_t have = evl_s_buffered(s);
        n = fetch_more(s, wanted(op) > have ? wanted(op) - have : 1);
        if (n == EVL_ENOMEM && !evl_s_has(s, EVL_S_READ_FAILED))
            return n;
    }
}

static int64_t attempt_exactly(evl_stream_handle *s, const evl_operation *op) {
    return attempt(s, op, examine_exactly, EVL_EEOF);
}

static int64_t attempt_until(evl_stream_handle *s, const evl_operation *op) {
    return attempt(s, op, examine_until, EVL_EEOF);
}

static int64_t attempt_line(evl_stream_handle *s, const evl_operation *op) {
    return attempt(s, op, examine_line, 0);
}

static int64_t attempt_all(evl_stream_handle *s, const evl_operation *op) {
    return attempt(s, op, examine_all, 0);
}

/* --- the operations --------------------------------------------------------------------------- */

static void leave(evl_operation *op) {
    evl_stream_handle *s = op->owner;
    s->reader = NULL;
    evl_stream_interest(s);
}

static inline bool has_to_wait(int64_t result) { return result == EVL_EAGAIN || result == EVL_EINPROGRESS; }

static inline void deliver(evl_operation *op,
                           int64_t (*attempt_it)(evl_stream_handle *, const evl_operation *)) {
    evl_stream_handle *s = op->owner;
    int64_t n = attempt_it(s, op);
    op->node.u.result = n;
    if (EVL_LIKELY(!has_to_wait(n)))
        s->reader = NULL;
    if (EVL_UNLIKELY(!evl_s_has(s, EVL_S_EDGE)))
        evl_stream_interest(s);
}

#define READING(what)                                                                                        \
    static void deliver_##what(evl_operation *op) { deliver(op, attempt_##what); }                           \
    static const evl_op_type reading_##what = {                                                              \
        .name = "read_" #what, .leave = leave, .deliver = deliver_##what, .tries = true}

/* Of no bytes, which is no read at all. */
static const evl_op_type reading_nothing = {.name = "read_nothing"};

READING(some);
READING(exactly);
READING(until);
READING(line);
READING(all);

int evl_stream_check_idle(const evl_stream_handle *s) {
    bool pushed = evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_PAUSED);
    if (evl_s_has(s, EVL_S_NO_READ))
        return EVL_EBADF;
    return s->reader || pushed || evl_s_has(s, EVL_S_DISCARD) ? EVL_EBUSY : 0;
}

static bool may_find(const evl_stream_handle *s) {
    return s->in || evl_s_has(s, EVL_S_CAN_READ | EVL_S_EOF | EVL_S_READ_FAILED);
}

/* It reads from now on. */
static inline void occupy(evl_stream_handle *s, evl_op *op, const evl_op_type *type, void *buf, size_t cap,
                          int count) {
    evl_operation *self = evl_op_park(evl_s_loop(s), op, type, s);
    self->value = buf;
    self->until = (int64_t)cap;
    self->count = (uint16_t)count;
    s->reader = self;
}

static int start(evl_stream *stream, evl_op *op, const evl_op_type *type, void *buf, size_t cap, int count) {
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
        s->in->seen = 0; /* by whoever read before, for something else */
    if (cap == 0)
        return evl_op_start_done(stream->loop, op, &reading_nothing, s, 0);
    occupy(s, op, type, buf, cap, count);
    if (may_find(s))
        return evl_op_try_now(s->reader);
    if (!evl_s_has(s, EVL_S_EDGE))
        evl_stream_interest(s);
    evl_touch(stream->loop);
    return 0;
}

/* Nearly every read: nothing is there yet, and the kernel will say when. */
static inline bool has_only_to_wait(const evl_stream_handle *s, const evl_op *op) {
    const uint32_t yes = EVL_S_EDGE;
    const uint32_t no =
        EVL_S_CAN_READ | EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_NO_READ | EVL_S_PUSH | EVL_S_DISCARD;
    return s && s->io.base.node.kind == EVL_KIND_STREAM && evl_op_check_start(evl_s_loop(s), op) == 0 &&
           (s->flags & (yes | no)) == yes && !s->in && !s->reader;
}

int32_t evl_stream_read(evl_stream *stream, evl_op *op, void *buf, size_t cap) {
    evl_stream_handle *s = evl_s_of(stream);
    if (EVL_UNLIKELY(!has_only_to_wait(s, op) || cap == 0 || cap > PTRDIFF_MAX))
        return start(stream, op, &reading_some, buf, cap, 0);
    occupy(s, op, &reading_some, buf, cap, 0);
    evl_touch(stream->loop);
    return 0;
}

int32_t evl_stream_read_exactly(evl_stream *stream, evl_op *op, void *buf, size_t len) {
    return start(stream, op, &reading_exactly, buf, len, 0);
}

int32_t evl_stream_read_line(evl_stream *stream, evl_op *op, void *buf, size_t cap) {
    return cap == 0 ? EVL_EINVAL : start(stream, op, &reading_line, buf, cap, 0);
}

int32_t evl_stream_read_all(evl_stream *stream, evl_op *op, void *buf, size_t cap) {
    return cap == 0 ? EVL_EINVAL : start(stream, op, &reading_all, buf, cap, 0);
}

/* How much memory copies of them take; 0: they are no separators. */
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

/* Into memory that the stream keeps for the next time. */
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
    return rc != 0 ? rc : start(stream, op, &reading_until, buf, cap, n);
}

int64_t evl_stream_pull(evl_stream_handle *s, void *buf, size_t cap) {
    if (s->in)
        return (int64_t)copy_out(s, buf, cap);
    return may_fetch(s) ? evl_stream_fetch(s, buf, cap) : evl_stream_standing(s);
}

int64_t evl_stream_try_read(evl_stream *stream, void *buf, size_t cap) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    rc = evl_stream_check_idle(s);
    if (rc != 0 || (!buf && cap > 0))
        return rc != 0 ? rc : EVL_EINVAL;
    if (cap == 0)
        return 0;
    if (s->in)
        return (int64_t)copy_out(s, buf, cap);
    if (evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED) || s->io.fd < 0)
        return evl_stream_standing(s);
    int64_t n = evl_stream_fetch(s, buf, cap < EVL_READ_MAX ? cap : EVL_READ_MAX);
    evl_touch(stream->loop);
    return n;
}

/* --- the buffer, for the caller --------------------------------------------------------------- */

static EVL_APART int64_t peek_own(const evl_stream *stream, const void **data) {
    int rc = evl_check_kind(stream, EVL_KIND_STREAM);
    if (EVL_UNLIKELY(rc != 0 || !data))
        return rc != 0 ? rc : EVL_EINVAL;
    const evl_stream_handle *s = evl_s_of(stream);
    *data = s->in ? s->in->bytes + s->in->start : NULL;
    return (int64_t)evl_s_buffered(s);
}

int64_t evl_stream_peek(evl_stream *stream, const void **data) {
    if (EVL_UNLIKELY(!stream || !data) || stream->loop->lent_to != stream)
        return peek_own(stream, data);
    const evl_net *net = evl_net_at(stream->loop);
    *data = net->lent_data;
    return (int64_t)net->lent_len;
}

/* Who pulls records has made room, and may be told of more. */
static void go_on_pushing(evl_stream_handle *s) {
    bool pushed = evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_PAUSED);
    if (pushed && may_find(s))
        evl_stream_readable(s);
}

/* What a callback is lent counts as taken; this only moves what it sees of it. */
static int consume_lent(evl_net *net, size_t len) {
    if (len > net->lent_len)
        return EVL_EINVAL;
    net->lent_data += len;
    net->lent_len -= len;
    return 0;
}

int32_t evl_stream_consume(evl_stream *stream, size_t len) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (stream->loop->lent_to == stream)
        return consume_lent(evl_s_net(s), len);
    if (len > evl_s_buffered(s))
        return EVL_EINVAL;
    consume(s, len);
    go_on_pushing(s);
    return 0;
}

int32_t evl_stream_unread(evl_stream *stream, const void *data, size_t len) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    if (!data && len > 0)
        return EVL_EINVAL;
    evl_stream_handle *s = evl_s_of(stream);
    if (len == 0)
        return 0;
    if (!make_room(s, len))
        return EVL_ENOMEM;
    evl_inbuf *in = s->in;
    memmove(in->bytes + in->start + len, in->bytes + in->start, in->len);
    memcpy(in->bytes + in->start, data, len);
    in->len += len;
    bool pushed = evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_PAUSED);
    if (!pushed) /* else these bytes are new, and what was reported is not reported again */
        in->seen = 0;
    if (s->reader)
        evl_op_try(s->reader);
    else
        go_on_pushing(s);
    return 0;
}

/* --- pushing ---------------------------------------------------------------------------------- */

static bool is_record(const evl_stream_handle *s) { return s->io.base.node.sink == EVL_SINK_RECORD; }

static void lend(evl_stream_handle *s, const char *data, size_t len) {
    evl_net *net = evl_s_net(s);
    net->loop->lent_to = &s->io.base;
    net->lent_data = data;
    net->lent_len = len;
}

/* Bytes that an operation left in the stream's buffer go first. */
static int64_t lend_buffer(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    if (!evl_net_lend(net))
        return EVL_ENOMEM;
    net->lent_in = s->in;
    s->in = NULL;
    lend(s, net->lent_in->bytes + net->lent_in->start, net->lent_in->len);
    return (int64_t)net->lent_in->len;
}

static int64_t push_callback(evl_stream_handle *s) {
    if (EVL_UNLIKELY(s->in != NULL))
        return lend_buffer(s);
    if (EVL_UNLIKELY(!may_fetch(s)))
        return evl_stream_standing(s);
    char *buf = evl_net_lend(evl_s_net(s));
    if (EVL_UNLIKELY(!buf))
        return EVL_ENOMEM;
    int64_t n = evl_stream_fetch(s, buf, EVL_READ_MAX);
    lend(s, buf, n > 0 ? (size_t)n : 0);
    return n;
}

static bool has_room(const evl_stream_handle *s) { return !is_record(s) || evl_s_buffered(s) < EVL_READ_MAX; }

static int64_t push_record(evl_stream_handle *s) {
    size_t told = s->in ? s->in->seen : 0;
    int64_t n = evl_stream_standing(s);
    if (told == evl_s_buffered(s) && may_fetch(s) && has_room(s))
        n = fetch_more(s, EVL_READ_MAX);
    if (evl_s_buffered(s) == told)
        return n;
    s->in->seen = s->in->len;
    return (int64_t)(s->in->len - told);
}

static bool took(evl_stream_handle *s, int64_t n, int64_t *result);
static bool take_slowly(evl_stream_handle *s, int64_t *result);
static bool take_rest(evl_stream_handle *s, int64_t n, int64_t *result);

/* Nearly every push: data on a socket, read once, and nothing lies in the stream's buffer. */
static inline bool is_plain(const evl_stream_handle *s) {
    const uint32_t yes = EVL_S_PUSH | EVL_S_CAN_READ | EVL_S_SOCKET | EVL_S_EDGE;
    const uint32_t no = EVL_S_PAUSED | EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_CUSTOM;
    return (s->flags & (yes | no)) == yes && !s->in;
}

/* Into a block that the stream has until everything in it is consumed. */
static EVL_APART bool take_plain_record(evl_stream_handle *s, evl_net *net, int64_t *result) {
    evl_inbuf *in = evl_pool_take(net, &net->blocks);
    if (EVL_UNLIKELY(!in))
        return took(s, EVL_ENOMEM, result);
    int64_t n = fetch_plain(s, in->bytes, POOLED_CAP);
    if (EVL_UNLIKELY(n <= 0)) {
        evl_pool_give(net, &net->blocks, in);
        return took(s, n, result);
    }
    in->cap = POOLED_CAP;
    in->start = 0;
    in->len = in->seen = (size_t)n;
    s->in = in;
    *result = n;
    return EVL_LIKELY(!evl_s_has(s, EVL_S_CAN_READ)) || took(s, n, result);
}

/* The kernel has reported READ alone, and that made the node ready. */
static inline bool take_report(evl_stream_handle *s) {
    bool reported = s->io.base.node.u.result == EVL_READ;
    if (EVL_LIKELY(reported)) {
        s->io.base.node.u.result = 0;
        s->flags |= EVL_S_CAN_READ | EVL_S_ALONE;
    }
    return reported;
}

void evl_stream_unready(evl_stream_handle *s) {
    (void)take_report(s);
    evl_list_unlink(&s->io.base.node.link);
}

bool evl_stream_take(evl_handle *handle, int64_t *result) {
    evl_stream_handle *s = evl_s_of(handle);
    evl_net *net = evl_net_at(handle->loop);
    (void)take_report(s);
    if (EVL_UNLIKELY(!is_plain(s)))
        return take_slowly(s, result);
    if (is_record(s))
        return take_plain_record(s, net, result);
    if (EVL_UNLIKELY(!net->lent || net->lent_in))
        return take_slowly(s, result);
    int64_t n = fetch_plain(s, net->lent, EVL_READ_MAX);
    if (EVL_UNLIKELY(n <= 0 || evl_s_has(s, EVL_S_CAN_READ)))
        return take_rest(s, n, result);
    handle->loop->lent_to = handle;
    net->lent_data = net->lent;
    net->lent_len = (size_t)n;
    *result = n;
    return true;
}

/* Nothing, the end, an error, or data behind which there may be more. */
static EVL_COLD bool take_rest(evl_stream_handle *s, int64_t n, int64_t *result) {
    lend(s, evl_s_net(s)->lent, n > 0 ? (size_t)n : 0);
    return took(s, n, result);
}

static EVL_COLD bool take_slowly(evl_stream_handle *s, int64_t *result) {
    if (EVL_UNLIKELY((s->flags & (EVL_S_PUSH | EVL_S_PAUSED)) != EVL_S_PUSH))
        return false;
    return took(s, is_record(s) ? push_record(s) : push_callback(s), result);
}

static EVL_COLD bool took(evl_stream_handle *s, int64_t n, int64_t *result) {
    *result = n;
    if (EVL_LIKELY(n > 0)) {
        if (EVL_UNLIKELY(may_find(s) && has_room(s) && !is_record(s)) ||
            (is_record(s) && may_fetch(s) && has_room(s)))
            evl_ready(evl_s_loop(s), &s->io.base.node);
    } else if (n == EVL_ENOMEM && !evl_s_has(s, EVL_S_READ_FAILED))
        s->flags |= EVL_S_PAUSED;
    else if (n != EVL_EAGAIN)
        s->flags &= ~(uint32_t)EVL_S_PUSH;
    if (EVL_UNLIKELY(n <= 0 || !evl_s_has(s, EVL_S_EDGE)))
        evl_stream_settle(s);
    return n != EVL_EAGAIN;
}

int32_t evl_stream_on_data(evl_stream *stream, evl_done_fn *fn, void *arg) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (evl_s_has(s, EVL_S_NO_READ))
        return EVL_EBADF;
    if (s->reader || evl_s_has(s, EVL_S_DISCARD))
        return EVL_EBUSY;
    evl_node *node = &stream->node;
    evl_stream_unready(s);
    evl_node_set(node, EVL_KIND_STREAM, fn, arg);
    node->type = EVL_NODE_TAKE;
    s->flags |= EVL_S_PUSH;
    if (s->in)
        s->in->seen = 0;
    return evl_stream_resume(stream);
}

int32_t evl_stream_pause(evl_stream *stream) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    s->flags |= EVL_S_PAUSED;
    if (evl_s_has(s, EVL_S_PUSH))
        evl_stream_unready(s);
    evl_stream_settle(s);
    return 0;
}

int32_t evl_stream_resume(evl_stream *stream) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    evl_stream_handle *s = evl_s_of(stream);
    if (!evl_s_has(s, EVL_S_PUSH) && !evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED))
        return EVL_EINVAL;
    if (s->reader || evl_s_has(s, EVL_S_DISCARD))
        return EVL_EBUSY;
    bool was_paused = evl_s_has(s, EVL_S_PAUSED);
    s->flags &= ~(uint32_t)EVL_S_PAUSED;
    if (was_paused && s->in)
        s->in->seen = 0; /* a record that was fetched before the pause may not have been acted on */
    if (may_find(s))
        evl_stream_readable(s);
    evl_stream_settle(s);
    evl_touch(stream->loop);
    return 0;
}

/* --- events and the end ----------------------------------------------------------------------- */

void evl_stream_readable(evl_stream_handle *s) {
    evl_node *node = &s->io.base.node;
    if (EVL_UNLIKELY(evl_s_has(s, EVL_S_DISCARD)))
        evl_stream_discard_soon(s); /* a callback may be looking at the buffer that is lent */
    else if (s->reader) {
        if (EVL_UNLIKELY(s->reader->type == &evl_stream_splicing) && s->reader->state == EVL_OP_PENDING)
            evl_list_remove(&s->reader->node.link); /* it waited for the other stream */
        evl_op_try(s->reader);
    } else if (EVL_LIKELY((s->flags & (EVL_S_PUSH | EVL_S_PAUSED)) == EVL_S_PUSH)) {
        if (EVL_LIKELY(!evl_linked(&node->link)) && (has_room(s) || s->in->seen < s->in->len))
            evl_ready(evl_s_loop(s), node);
    } else if (!evl_s_has(s, EVL_S_EDGE))
        evl_stream_interest(s);
}

void evl_stream_discard(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    char *waste = evl_net_lend(net);
    char small[512];
    if (s->in) {
        evl_inbuf_give(net, s->in);
        s->in = NULL;
    }
    net->loop->lent_to = NULL;
    for (int i = 0; i < EVL_READS_MAX && may_fetch(s); i++)
        (void)evl_stream_fetch(s, waste ? waste : small, waste ? EVL_READ_MAX : sizeof small);
    if (may_fetch(s)) {
        evl_stream_discard_soon(s);
        return;
    }
    evl_stream_told(s);
    evl_stream_settle(s);
}

void evl_stream_discard_soon(evl_stream_handle *s) {
    evl_net *net = evl_s_net(s);
    evl_list_unlink(&s->io.base.node.link);
    evl_list_append(&net->reading, &s->io.base.node.link);
    evl_net_again(net);
}

void evl_stream_end_reading(evl_stream_handle *s, int error) {
    evl_operation *op = s->reader;
    if (!evl_s_has(s, EVL_S_READ_FAILED)) {
        s->flags |= EVL_S_READ_FAILED;
        s->read_error = error;
    }
    if (op) {
        s->reader = NULL;
        if (op->type == &evl_stream_splicing)
            evl_splice_leave(op);
        evl_op_fail(op, error);
    }
    evl_stream_readable(s);
}
