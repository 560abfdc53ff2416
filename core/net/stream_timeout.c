/* stream_timeout.c - the read, write and idle timeouts of a stream.
 *
 * A stream with any of them has one timer. No message touches it: when it expires it looks at when bytes were
 * last moved and when the waiting began, reports what is over, and is set to what comes next. Without a
 * waiter it stands still until one comes. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/timer.h"
#include "stream.h"

static evl_stream_timeouts *timeouts_of(const evl_stream_handle *s) { return &s->more->timeouts; }

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

/* --- what waits ------------------------------------------------------------------------------- */

static bool awaits_input(const evl_stream_handle *s) {
    if (s->reader)
        return s->reader->type != &evl_stream_splicing || !evl_splice_awaits_room(s->reader);
    return evl_s_pushes(s) || evl_stream_awaits_end(s);
}

static bool awaits_sending(const evl_stream_handle *s) {
    return evl_s_is_unfinished(s) || (s->out && evl_s_has(s, EVL_S_CHOKED));
}

/* --- when it is over -------------------------------------------------------------------------- */

static int64_t last_moved(const evl_stream_handle *s, int which) {
    if (which == EVL_TIMEOUT_IDLE)
        return later(s->last_in, s->last_out);
    return which == EVL_TIMEOUT_READ ? s->last_in : s->last_out;
}

static bool runs(const evl_stream_timeouts *t, int which) {
    if (which == EVL_TIMEOUT_IDLE)
        return t->reads || t->writes;
    return which == EVL_TIMEOUT_READ ? t->reads : t->writes;
}

static int64_t end_of(const evl_stream_handle *s, int which) {
    const evl_stream_timeouts *t = timeouts_of(s);
    return runs(t, which) ? evl_saturated_add(later(last_moved(s, which), t->since[which]), t->limit[which])
                          : EVL_NEVER;
}

static void set_timer(const evl_stream_handle *s) {
    int64_t next = EVL_NEVER;
    for (int which = 0; which < EVL_TIMEOUTS; which++)
        next = earlier(next, end_of(s, which));
    if (next != EVL_NEVER)
        evl_timer_first(timeouts_of(s)->timer, next);
}

void evl_stream_note_waiting(evl_stream_handle *s) {
    evl_stream_timeouts *t = timeouts_of(s);
    bool reads = awaits_input(s), writes = awaits_sending(s);
    bool begins_read = reads && !t->reads, begins_write = writes && !t->writes;
    if (begins_read || begins_write) {
        int64_t now = evl_now(evl_s_loop(s));
        if (begins_read || !t->reads)
            t->since[EVL_TIMEOUT_IDLE] = now;
        if (begins_read)
            t->since[EVL_TIMEOUT_READ] = now;
        if (begins_write)
            t->since[EVL_TIMEOUT_WRITE] = now;
    }
    t->reads = reads;
    t->writes = writes;
    if (begins_read || begins_write)
        set_timer(s);
}

void evl_stream_note_read_start(evl_stream_handle *s) {
    timeouts_of(s)->reads = false;
    evl_stream_note_waiting(s);
}

/* --- the timer -------------------------------------------------------------------------------- */

/* Input was reported and is taken next: nothing is over, whatever the time. */
static bool is_input_queued(const evl_stream_handle *s) {
    if (s->reader)
        return s->reader->state == EVL_OP_READY;
    return evl_s_pushes(s) && evl_linked(&s->io.base.node.link);
}

/* Whatever is queued for it already comes instead. */
static void report_to_reader(evl_stream_handle *s) {
    if (!timeouts_of(s)->reads || is_input_queued(s))
        return;
    if (s->reader)
        evl_op_expired(s->reader, 0);
    else if (evl_s_pushes(s)) {
        s->flags |= EVL_S_TIMED_OUT;
        evl_ready(evl_s_loop(s), &s->io.base.node);
    } else
        (void)evl_stream_expire_waiters(s);
}

/* A write is a plain call: without an operation that waits for it, its timeout is the reader's to know. */
static void report(evl_stream_handle *s, uint32_t over) {
    bool reported = (over & EVL_WRITE) && evl_stream_expire_waiters(s);
    if ((over & EVL_READ) || !reported)
        report_to_reader(s);
}

/* EVL_READ, EVL_WRITE, or both: what is over. Its next period begins now. */
static uint32_t begin_next(evl_stream_handle *s, int64_t now) {
    static const uint32_t sides[EVL_TIMEOUTS] = {[EVL_TIMEOUT_READ] = EVL_READ,
                                                 [EVL_TIMEOUT_WRITE] = EVL_WRITE,
                                                 [EVL_TIMEOUT_IDLE] = EVL_READ | EVL_WRITE};
    uint32_t over = 0;
    for (int which = 0; which < EVL_TIMEOUTS; which++) {
        if (end_of(s, which) > now)
            continue;
        over |= sides[which];
        timeouts_of(s)->since[which] = now;
    }
    return over;
}

static void look(void *arg, int64_t unused) {
    evl_stream_handle *s = arg;
    evl_stream_timeouts *t = timeouts_of(s);
    int64_t now = evl_s_loop(s)->now;
    (void)unused;
    evl_handle_set_active(t->timer, false);
    evl_stream_note_waiting(s);
    if (is_input_queued(s))
        t->since[EVL_TIMEOUT_READ] = t->since[EVL_TIMEOUT_IDLE] = now;
    uint32_t over = begin_next(s, now);
    if (over != 0) {
        t->over = over;
        report(s, over);
        evl_stream_note_waiting(s);
    }
    set_timer(s);
}

/* --- setting ---------------------------------------------------------------------------------- */

void evl_stream_end_timeouts(evl_stream_handle *s) {
    if (!evl_s_has(s, EVL_S_TIMEOUTS))
        return;
    s->flags &= ~(uint32_t)EVL_S_TIMEOUTS;
    evl_handle *timer = timeouts_of(s)->timer;
    timeouts_of(s)->timer = NULL;
    if (evl_is_closed(evl_s_loop(s))) /* which has taken its timers already */
        return;
    evl_handle_detach(timer);
    evl_handle_release(timer);
}

static int begin_timeouts(evl_stream_handle *s) {
    evl_stream_more *more = evl_stream_more_of(s);
    evl_handle *timer = more ? evl_timer_internal(evl_s_loop(s), look, s) : NULL;
    if (!timer)
        return EVL_ENOMEM;
    evl_stream_timeouts *t = &more->timeouts;
    *t = (evl_stream_timeouts){.timer = timer, .over = t->over};
    for (int which = 0; which < EVL_TIMEOUTS; which++)
        t->limit[which] = EVL_NEVER;
    s->flags |= EVL_S_TIMEOUTS;
    return 0;
}

/* All periods begin anew. */
static void restart(evl_stream_handle *s) {
    evl_stream_timeouts *t = timeouts_of(s);
    for (int which = 0; which < EVL_TIMEOUTS; which++)
        if (t->limit[which] != EVL_NEVER) {
            t->reads = t->writes = false;
            evl_stream_note_waiting(s);
            return;
        }
    evl_stream_end_timeouts(s);
}

static int set_timeout(evl_stream *stream, int which, int64_t ns) {
    int rc = evl_stream_enter(stream);
    if (rc != 0 || ns < 0)
        return rc != 0 ? rc : EVL_EINVAL;
    evl_stream_handle *s = evl_s_of(stream);
    int64_t limit = ns == 0 ? EVL_NEVER : ns;
    if (!evl_s_has(s, EVL_S_TIMEOUTS)) {
        rc = limit == EVL_NEVER ? 0 : begin_timeouts(s);
        if (rc != 0 || limit == EVL_NEVER)
            return rc;
    }
    timeouts_of(s)->limit[which] = limit;
    restart(s);
    evl_touch(stream->loop);
    return 0;
}

int32_t evl_stream_set_read_timeout(evl_stream *stream, int64_t ns) {
    return set_timeout(stream, EVL_TIMEOUT_READ, ns);
}

int32_t evl_stream_set_write_timeout(evl_stream *stream, int64_t ns) {
    return set_timeout(stream, EVL_TIMEOUT_WRITE, ns);
}

int32_t evl_stream_set_idle_timeout(evl_stream *stream, int64_t ns) {
    return set_timeout(stream, EVL_TIMEOUT_IDLE, ns);
}
