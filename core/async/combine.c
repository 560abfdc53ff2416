/* combine.c - one future out of several: gather, wait_futures, any, as_completed. */
#include "../loop/access.h"
#include "future.h"

typedef struct several several;

/* One of the futures that are watched. */
typedef struct part {
    evl_watch watch;
    several *whole;
} part;

struct several {
    evl_combinator base;
    evl_future *out;
    uint32_t count;
    uint32_t pending;
    uint32_t outputs;   /* as_completed: futures given out that are not done */
    uint32_t cancelled; /* gather: parts that have been cancelled with out */
    int32_t mode;       /* gather's flags, wait's mode */
    bool cancelling;    /* gather: out is cancelled when all are done */
    part parts[];
};

static void release(evl_combinator *combinator) {
    several *self = (several *)combinator;
    for (uint32_t i = 0; i < self->count; i++)
        evl_watch_stop(&self->parts[i].watch);
}

static int check(evl_loop *loop, evl_future *const *futures, uint32_t n, evl_future *const *out) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || (n > 0 && !futures) || n > INT32_MAX)
        return EVL_EINVAL;
    for (uint32_t i = 0; i < n; i++)
        if (!futures[i] || futures[i]->loop != loop)
            return EVL_EINVAL;
    return 0;
}

static int make(evl_loop *loop, evl_combinator kind, uint32_t n, int32_t mode, evl_future **out) {
    kind.size = sizeof(several) + n * sizeof(part);
    kind.release = release;
    int rc = evl_future_make(loop, &kind, out);
    if (rc != 0)
        return rc;
    several *self = (several *)(*out)->combinator;
    self->out = *out;
    self->count = self->pending = n;
    self->mode = mode;
    return 0;
}

/* Those that are done already notify at once, and may complete the future, which ends the watching. */
static void watch_all(evl_future *out, evl_future *const *futures, uint32_t n,
                      void (*done)(evl_watch *, evl_future *)) {
    (void)evl_future_ref(out);
    for (uint32_t i = 0; i < n && !evl_future_is_done(out); i++) {
        several *self = (several *)out->combinator;
        self->parts[i].whole = self;
        evl_watch_start(&self->parts[i].watch, futures[i], done);
    }
    evl_future_unref(out);
}

static several *whole_of(evl_watch *watch) { return EVL_OWNER(watch, part, watch)->whole; }

/* --- gather ----------------------------------------------------------------------------------- */

/* Errors of those that go on after the first one count as retrieved. */
static void fail_gather(several *self, int32_t error) {
    for (uint32_t i = 0; i < self->count; i++)
        if (self->parts[i].watch.subject)
            self->parts[i].watch.subject->retrieved = true;
    evl_future_finish(self->out, EVL_FUTURE_ERROR, error);
}

static void gather_done(evl_watch *watch, evl_future *subject) {
    several *self = whole_of(watch);
    subject->retrieved = true;
    evl_watch_stop(watch);
    self->pending--;
    bool counts = !self->cancelling && !(self->mode & EVL_GATHER_ERRORS);
    if (counts && subject->state != EVL_FUTURE_VALUE)
        fail_gather(self, subject->error);
    else if (self->pending == 0)
        evl_future_finish(self->out, self->cancelling ? EVL_FUTURE_CANCELLED : EVL_FUTURE_VALUE, self->count);
}

/* The last one to be done completes the future, and the block with it. */
static bool cancel_gather(evl_future *future, evl_future **inner) {
    several *self = (several *)future->combinator;
    self->cancelling = true;
    while (!*inner && self->cancelled < self->count)
        *inner = self->parts[self->cancelled++].watch.subject;
    return true;
}

int32_t evl_gather(evl_loop *loop, evl_future *const *futures, uint32_t n, uint32_t flags, evl_future **out) {
    if (out)
        *out = NULL;
    int rc = check(loop, futures, n, out);
    if (rc == 0 && (flags & ~(uint32_t)EVL_GATHER_ERRORS) != 0)
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = make(loop, (evl_combinator){.cancel = cancel_gather}, n, (int32_t)flags, out);
    if (rc != 0)
        return rc;
    if (n == 0)
        evl_future_finish(*out, EVL_FUTURE_VALUE, 0);
    watch_all(*out, futures, n, gather_done);
    for (uint32_t i = 0; i < n && (*out)->state == EVL_FUTURE_ERROR; i++)
        futures[i]->retrieved = true;
    return 0;
}

/* --- wait ------------------------------------------------------------------------------------- */

/* How many are done is counted now: more may be than the one that ended the wait. */
static void end_wait(several *self) {
    int64_t done = 0;
    for (uint32_t i = 0; i < self->count; i++)
        done += !self->parts[i].watch.subject || evl_future_is_done(self->parts[i].watch.subject);
    evl_future_finish(self->out, EVL_FUTURE_VALUE, done);
}

static bool wait_is_over(const several *self, const evl_future *subject) {
    return self->pending == 0 || self->mode == EVL_WAIT_FIRST ||
           (self->mode == EVL_WAIT_FIRST_ERROR && subject->state == EVL_FUTURE_ERROR);
}

static void wait_done(evl_watch *watch, evl_future *subject) {
    several *self = whole_of(watch);
    evl_watch_stop(watch);
    self->pending--;
    if (wait_is_over(self, subject))
        end_wait(self);
}

static void wait_expired(evl_future *future) { end_wait((several *)future->combinator); }

static uint32_t count_done(evl_future *const *futures, uint32_t n) {
    uint32_t done = 0;
    for (uint32_t i = 0; i < n; i++)
        done += evl_future_is_done(futures[i]);
    return done;
}

static bool has_failed(evl_future *const *futures, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (futures[i]->state == EVL_FUTURE_ERROR)
            return true;
    return false;
}

int32_t evl_wait_futures(evl_loop *loop, evl_future *const *futures, uint32_t n, int32_t mode,
                         int64_t timeout_ns, evl_future **out) {
    if (out)
        *out = NULL;
    int rc = check(loop, futures, n, out);
    if (rc == 0 && (n == 0 || mode < EVL_WAIT_ALL || mode > EVL_WAIT_FIRST_ERROR))
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = make(loop, (evl_combinator){.expired = wait_expired}, n, mode, out);
    if (rc != 0)
        return rc;
    uint32_t done = count_done(futures, n);
    bool over = done == n || timeout_ns == 0 || (mode == EVL_WAIT_FIRST && done > 0) ||
                (mode == EVL_WAIT_FIRST_ERROR && has_failed(futures, n));
    if (over) {
        evl_future_finish(*out, EVL_FUTURE_VALUE, done);
        return 0;
    }
    if (timeout_ns > 0)
        rc = evl_sleep(loop, evl_future_op(*out), timeout_ns);
    if (rc != 0)
        return evl_future_undo(out, rc);
    watch_all(*out, futures, n, wait_done);
    return 0;
}

/* --- any -------------------------------------------------------------------------------------- */

static void any_done(evl_watch *watch, evl_future *subject) {
    several *self = whole_of(watch);
    int64_t index = EVL_OWNER(watch, part, watch) - self->parts;
    int32_t error = subject->error;
    bool has_value = subject->state == EVL_FUTURE_VALUE;
    subject->retrieved = true;
    evl_watch_stop(watch);
    self->pending--;
    if (has_value)
        evl_future_finish(self->out, EVL_FUTURE_VALUE, index);
    else if (self->pending == 0)
        evl_future_finish(self->out, EVL_FUTURE_ERROR, error);
}

int32_t evl_any(evl_loop *loop, evl_future *const *futures, uint32_t n, evl_future **out) {
    if (out)
        *out = NULL;
    int rc = check(loop, futures, n, out);
    if (rc == 0 && n == 0)
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = make(loop, (evl_combinator){0}, n, 0, out);
    if (rc == 0)
        watch_all(*out, futures, n, any_done);
    return rc;
}

/* --- as_completed ----------------------------------------------------------------------------- */

/* A hidden future watches them all and has the timeout; each of the outputs, the futures given out, keeps it.
 * The hidden one knows them without a reference, behind its parts, and forgets those that go; several.mode is
 * the next one to be served. */
typedef struct output {
    evl_combinator base;
    evl_future *hidden; /* a reference */
    evl_future **place; /* behind the parts of `hidden` */
} output;

static void release_output(evl_combinator *combinator) {
    output *self = (output *)combinator;
    several *whole = (several *)self->hidden->combinator;
    if (whole) {
        *self->place = NULL;
        if (--whole->outputs == 0) /* nothing is left to wait for it, nor of the timeout */
            evl_future_finish(self->hidden, EVL_FUTURE_CANCELLED, 0);
    }
    evl_future_unref(self->hidden);
}

static evl_future **outputs_of(several *self) { return (evl_future **)(void *)&self->parts[self->count]; }

/* The next output, whether that future is still there or not. */
static void serve(several *self, int state, int64_t value) {
    evl_future *out = outputs_of(self)[self->mode++];
    if (out)
        evl_future_finish(out, state, value);
}

static void completed(evl_watch *watch, evl_future *subject) {
    several *self = whole_of(watch);
    evl_future *hidden = evl_future_ref(self->out);
    int64_t index = EVL_OWNER(watch, part, watch) - self->parts;
    (void)subject;
    evl_watch_stop(watch);
    self->pending--;
    serve(self, EVL_FUTURE_VALUE, index);
    if (!evl_future_is_done(hidden) && ((several *)hidden->combinator)->pending == 0)
        evl_future_finish(hidden, EVL_FUTURE_VALUE, 0);
    evl_future_unref(hidden);
}

static void outputs_expired(evl_future *hidden) {
    several *self = (several *)hidden->combinator;
    (void)evl_future_ref(hidden);
    /* One of them may be done because of the outputs that fail here, and has no output any more. */
    for (part *p = self->parts, *end = p + self->count; !evl_future_is_done(hidden) && p < end; p++)
        evl_watch_stop(&p->watch);
    while (!evl_future_is_done(hidden) && (uint32_t)self->mode < self->count)
        serve(self, EVL_FUTURE_ERROR, EVL_ETIMEDOUT);
    if (!evl_future_is_done(hidden))
        evl_future_finish(hidden, EVL_FUTURE_VALUE, 0);
    evl_future_unref(hidden);
}

static int make_outputs(evl_future *hidden, evl_future **outs, uint32_t n) {
    static const evl_combinator kind = {.size = sizeof(output), .release = release_output};
    for (uint32_t i = 0; i < n; i++) {
        int rc = evl_future_make(hidden->loop, &kind, &outs[i]);
        if (rc != 0) {
            while (i-- > 0)
                (void)evl_future_undo(&outs[i], rc);
            return rc;
        }
        output *self = (output *)outs[i]->combinator;
        self->hidden = evl_future_ref(hidden);
        self->place = &outputs_of((several *)hidden->combinator)[i];
        *self->place = outs[i];
        ((several *)hidden->combinator)->outputs++;
    }
    return 0;
}

int32_t evl_as_completed(evl_loop *loop, evl_future *const *futures, uint32_t n, int64_t timeout_ns,
                         evl_future **outs) {
    for (uint32_t i = 0; outs && i < n; i++)
        outs[i] = NULL;
    int rc = check(loop, futures, n, outs);
    if (rc != 0 || n == 0)
        return rc;
    evl_future *hidden;
    evl_combinator kind = {.size = sizeof(several) + n * (sizeof(part) + sizeof(evl_future *)),
                           .expired = outputs_expired,
                           .release = release};
    rc = evl_future_make(loop, &kind, &hidden);
    if (rc != 0)
        return rc;
    several *self = (several *)hidden->combinator;
    self->out = hidden;
    self->count = self->pending = n;
    rc = make_outputs(hidden, outs, n);
    if (rc == 0 && timeout_ns > 0) {
        rc = evl_sleep(loop, evl_future_op(hidden), timeout_ns);
        for (uint32_t i = 0; rc != 0 && i < n; i++)
            (void)evl_future_undo(&outs[i], rc);
    }
    if (rc == 0)
        watch_all(hidden, futures, n, completed);
    if (rc == 0 && timeout_ns == 0 && !evl_future_is_done(hidden))
        outputs_expired(hidden);
    evl_future_unref(hidden);
    return rc;
}
