/* chain.c - one future out of another: then, follow, shield, wait_for, across. */
#include "../loop/access.h"
#include "../loop/loop.h"
#include "../loop/post.h"
#include "future.h"

static int check(const evl_future *future, evl_future *const *out) {
    int rc = future ? evl_enter(future->loop) : EVL_EINVAL;
    return rc == 0 && !out ? EVL_EINVAL : rc;
}

/* A future that looks at one other: the block of follow, shield and wait_for. */
typedef struct single {
    evl_combinator base;
    evl_watch watch;
    evl_future *out;
    bool cancelled; /* with out */
    bool timed_out;
} single;

static void stop_watching(evl_combinator *combinator) { evl_watch_stop(&((single *)combinator)->watch); }

static void copy_outcome(evl_watch *watch, evl_future *subject) {
    evl_future *out = EVL_OWNER(watch, single, watch)->out;
    evl_watch_stop(watch);
    evl_future_copy(out, subject);
}

static bool cancel_subject(evl_future *future, evl_future **inner) {
    single *self = (single *)future->combinator;
    if (!self->cancelled)
        *inner = self->watch.subject;
    self->cancelled = true;
    return self->watch.subject != NULL;
}

static void begin(evl_future *out, evl_future *subject, void (*done)(evl_watch *, evl_future *)) {
    single *self = (single *)out->combinator;
    self->out = out;
    evl_watch_start(&self->watch, subject, done);
}

/* --- follow ----------------------------------------------------------------------------------- */

static const evl_combinator following = {
    .size = sizeof(single), .cancel = cancel_subject, .release = stop_watching};

/* Whether `from` waits, through others that follow, for `target`. */
static bool leads_to(const evl_future *from, const evl_future *target) {
    while (from && from != target) {
        bool follows = from->combinator && from->combinator->release == stop_watching;
        from = follows ? ((const single *)from->combinator)->watch.subject : NULL;
    }
    return from == target;
}

int32_t evl_future_follow(evl_future *future, evl_future *other) {
    int rc = check(future, &other);
    if (rc != 0)
        return rc;
    if (!other || other->loop != future->loop)
        return EVL_EINVAL;
    if (evl_future_is_done(future) || future->combinator)
        return EVL_EALREADY;
    if (leads_to(other, future))
        return EVL_EDEADLK;
    single *self = evl_mem_zalloc(&future->loop->mem, sizeof *self);
    if (!self)
        return EVL_ENOMEM;
    self->base = following;
    future->combinator = &self->base;
    begin(future, other, copy_outcome);
    return 0;
}

/* --- shield ----------------------------------------------------------------------------------- */

int32_t evl_shield(evl_future *future, evl_future **out) {
    static const evl_combinator shielding = {.size = sizeof(single), .release = stop_watching};
    if (out)
        *out = NULL;
    int rc = check(future, out);
    if (rc != 0)
        return rc;
    if (evl_future_is_done(future)) {
        *out = evl_future_ref(future);
        return 0;
    }
    rc = evl_future_make(future->loop, &shielding, out);
    if (rc == 0)
        begin(*out, future, copy_outcome);
    return rc;
}

/* --- wait_for --------------------------------------------------------------------------------- */

/* One that was cancelled because its time was up has timed out; one that ended otherwise all the same says
 * how. */
static void end_wait(evl_watch *watch, evl_future *subject) {
    single *self = EVL_OWNER(watch, single, watch);
    evl_future *out = self->out;
    bool timed_out = self->timed_out && subject->state == EVL_FUTURE_CANCELLED;
    evl_watch_stop(watch);
    if (timed_out)
        evl_future_finish(out, EVL_FUTURE_ERROR, EVL_ETIMEDOUT);
    else
        evl_future_copy(out, subject);
}

static void time_is_up(evl_future *future) {
    single *self = (single *)future->combinator;
    self->timed_out = true;
    (void)evl_future_cancel(self->watch.subject);
}

int32_t evl_wait_for(evl_future *future, int64_t timeout_ns, evl_future **out) {
    static const evl_combinator waiting = {
        .size = sizeof(single), .cancel = cancel_subject, .expired = time_is_up, .release = stop_watching};
    if (out)
        *out = NULL;
    int rc = check(future, out);
    if (rc == 0)
        rc = evl_future_make(future->loop, &waiting, out);
    if (rc != 0)
        return rc;
    if (timeout_ns > 0 && !evl_future_is_done(future))
        rc = evl_sleep(future->loop, evl_future_op(*out), timeout_ns);
    if (rc != 0)
        return evl_future_undo(out, rc);
    begin(*out, future, end_wait);
    if (timeout_ns == 0 && !evl_future_is_done(*out))
        time_is_up(*out);
    return 0;
}

/* --- then ------------------------------------------------------------------------------------- */

/* Keeps its future until the functions have run: a program that chains work need not hold the end of the
 * chain. */
typedef struct then {
    evl_combinator base;
    evl_future *subject;
    evl_future *out;
    evl_done_fn *on_value, *on_error;
    void *arg;
} then;

static void run_then(void *arg, int64_t state);

static void release_then(evl_combinator *combinator) {
    then *self = (then *)combinator;
    if (!self->subject)
        return;
    (void)evl_future_off_done(self->subject, run_then, self->out);
    evl_future_unref(self->subject);
    evl_future_unref(self->out);
}

/* The block is gone before the functions run, so that they can make `out` follow another future. */
static void run_then(void *arg, int64_t state) {
    evl_future *out = arg;
    then self = *(then *)out->combinator;
    ((then *)out->combinator)->subject = NULL;
    evl_mem_free(&out->loop->mem, out->combinator, out->combinator->size);
    out->combinator = NULL;
    evl_done_fn *fn = state == EVL_FUTURE_VALUE ? self.on_value : self.on_error;
    if (state == EVL_FUTURE_CANCELLED || !fn)
        evl_future_copy(out, self.subject);
    else {
        int64_t value = 0;
        int32_t error = evl_future_value(self.subject, &value);
        fn(self.arg, error != 0 ? error : value);
        if (!evl_future_is_done(out) && !out->combinator) /* the end of the loop would have cancelled it */
            evl_future_finish(out, EVL_FUTURE_VALUE, error != 0 ? 0 : value);
    }
    evl_future_unref(self.subject);
    evl_future_unref(out);
}

int32_t evl_future_then(evl_future *future, evl_done_fn *on_value, evl_done_fn *on_error, void *arg,
                        evl_future **out) {
    static const evl_combinator chaining = {.size = sizeof(then), .release = release_then};
    if (out)
        *out = NULL;
    int rc = check(future, out);
    if (rc == 0)
        rc = evl_future_make(future->loop, &chaining, out);
    if (rc != 0)
        return rc;
    rc = evl_future_on_done(future, run_then, *out);
    if (rc != 0)
        return evl_future_undo(out, rc);
    then *self = (then *)(*out)->combinator;
    self->subject = evl_future_ref(future);
    self->out = evl_future_ref(*out);
    self->on_value = on_value;
    self->on_error = on_error;
    self->arg = arg;
    return 0;
}

/* --- across threads --------------------------------------------------------------------------- */

/* On the other loop: watches `other` and posts what becomes of it. */
typedef struct bridge {
    evl_watch watch;
    evl_future *out; /* a reference */
} bridge;

static int64_t outcome_of(evl_future *future) {
    int64_t value = 0;
    int32_t error = evl_future_value(future, &value);
    return error != 0 ? error : value;
}

static void cross_back(evl_watch *watch, evl_future *subject) {
    bridge *self = EVL_OWNER(watch, bridge, watch);
    evl_future *out = self->out;
    evl_loop *loop = evl_loop_ref(subject->loop);
    (void)evl_future_post(out, outcome_of(subject)); /* refused: the other loop is gone */
    evl_watch_stop(watch);
    evl_mem_free(&loop->mem, self, sizeof *self);
    evl_loop_unref(loop);
    evl_future_unref(out);
}

static bool attach(evl_loop *loop, const evl_post_item *item) {
    evl_future *other = item->arg, *out = item->pointer;
    bridge *self = evl_is_closed(loop) ? NULL : evl_mem_zalloc(&loop->mem, sizeof *self);
    if (self) {
        self->out = out;
        evl_watch_start(&self->watch, other, cross_back);
    } else {
        (void)evl_future_post(out, evl_is_closed(loop) ? EVL_ECANCELED : EVL_ENOMEM);
        evl_future_unref(out);
    }
    evl_future_unref(other);
    return true;
}

typedef struct far {
    evl_combinator base;
    evl_future *other; /* a reference, of another loop */
} far;

static bool cancel_far(evl_future *future, evl_future **inner) {
    (void)inner;
    (void)evl_future_post(((far *)future->combinator)->other, EVL_ECANCELED);
    return false; /* this end is cancelled at once */
}

static void release_far(evl_combinator *combinator) { evl_future_unref(((far *)combinator)->other); }

int32_t evl_future_across(evl_loop *loop, evl_future *other, evl_future **out) {
    static const evl_combinator crossing = {
        .size = sizeof(far), .cancel = cancel_far, .release = release_far};
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0 && (!other || !out))
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = evl_future_make(loop, &crossing, out);
    if (rc != 0)
        return rc;
    ((far *)(*out)->combinator)->other = evl_future_ref(other);
    evl_post_item item = {.act = attach, .arg = evl_future_ref(other), .pointer = evl_future_ref(*out)};
    rc = evl_post_internal(other->loop, item);
    if (rc == 0)
        return 0;
    evl_future_unref(item.pointer);
    evl_future_unref(item.arg);
    return evl_future_undo(out, rc);
}
