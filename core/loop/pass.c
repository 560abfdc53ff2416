/* pass.c - one pass of the loop: ask the kernel, queue what is ready, run exactly that. */
#include "pass.h"
#include "access.h"
#include "async.h"
#include "backoff.h"
#include "handle.h"
#include "hook.h"
#include "host_lock.h"
#include "loop.h"
#include "part.h"
#include "post.h"
#include "records.h"
#include "report.h"
#include "signals.h"
#include "slow.h"
#include "timer.h"
#include "wall.h"
#include "watcher.h"

/* --- the wait --------------------------------------------------------------------------------- */

bool evl_time_is_up(const evl_loop *loop) {
    if (loop->clock.mode == EVL_CLOCK_REAL || loop->outside != 0 || loop->awaited != 0 ||
        evl_is_ready(loop) || evl_is_asked(loop) || atomic_load(&loop->holds) != 0 ||
        !evl_list_empty(&loop->backoffs))
        return false;
    int64_t left = evl_time_left((evl_loop *)(uintptr_t)loop, loop->clock.virtual_);
    bool moves = loop->clock.mode == EVL_CLOCK_JUMP && left != EVL_NEVER;
    return left != 0 && !moves && !evl_parts_await(loop);
}

/* From now to the next deadline of either clock; EVL_NEVER if there is none. */
int64_t evl_time_left(evl_loop *loop, int64_t now) {
    int64_t deadline = evl_tq_next(&loop->timers);
    if (deadline <= now)
        return 0;
    int64_t left = deadline == EVL_NEVER ? EVL_NEVER : deadline - now;
    if (EVL_UNLIKELY(loop->handles[EVL_KIND_WALL].live != 0)) {
        int64_t wall = evl_wall_wait(loop);
        left = wall < left ? wall : left;
    }
    return left;
}

/* How long a wait may take from `now` on: until the next deadline, and at most `limit`. A manual clock does
 * not move by waiting. */
int64_t evl_wait_time(evl_loop *loop, int64_t now, int64_t limit) {
    int64_t left = evl_time_left(loop, now);
    if (left == 0)
        return 0;
    if (left == EVL_NEVER || limit == 0 || loop->clock.mode == EVL_CLOCK_MANUAL)
        return limit;
    return limit < 0 || left < limit ? left : limit;
}

/* The same for a real wait, with what only real time ends. */
int64_t evl_sleep_time(evl_loop *loop, int64_t now, int64_t limit) {
    if (loop->clock.mode == EVL_CLOCK_REAL)
        limit = evl_wait_time(loop, now, limit);
    return EVL_LIKELY(evl_list_empty(&loop->backoffs)) ? limit : evl_backoffs_wait(loop, limit);
}

/* The highest bit that is set; 0 for 0. */
static int highest_bit(uint64_t n) {
#if defined(__GNUC__)
    return 63 - __builtin_clzll(n | 1);
#else
    int bit = 0;
    for (; n > 1; n >>= 1)
        bit++;
    return bit;
#endif
}

static void count_busy(evl_loop *loop, int64_t ns) {
    loop->metrics.busy_ns += (uint64_t)ns;
    loop->metrics.lag[highest_bit((uint64_t)ns)]++;
}

/* Waits for real. Between the note for the others that the loop sleeps and the wait itself it looks once more
 * at what they may have left: either it sees that, or they see `sleeping` and wake it (sequential consistency
 * on both sides). */
static int sleep_in_kernel(evl_loop *loop, int64_t limit_ns) {
    int64_t begin = evl_monotonic();
    int64_t timeout_ns = evl_sleep_time(loop, begin, limit_ns);
    if (loop->clock.mode == EVL_CLOCK_REAL && loop->busy_since != 0 && timeout_ns != 0)
        count_busy(loop, begin - loop->busy_since);
    atomic_store(&loop->sleeping, true);
    if (evl_is_asked(loop))
        timeout_ns = 0;
    loop->waiting = true;
    int n = EVL_LIKELY(!loop->host_lock) ? evl_wait_rows(loop, timeout_ns)
                                         : evl_host_wait(loop, timeout_ns, limit_ns);
    loop->waiting = false;
    if (!atomic_exchange(&loop->sleeping, false))
        loop->metrics.wakeups++;
    int64_t end = evl_monotonic();
    loop->busy_since = end;
    loop->metrics.idle_ns += (uint64_t)(end - begin);
    loop->now = loop->clock.mode == EVL_CLOCK_REAL ? end : loop->clock.virtual_;
    return n;
}

int evl_poll_nowait(evl_loop *loop) {
    int n = evl_wait_rows(loop, 0);
    loop->now = evl_clock_read(&loop->clock);
    return n;
}

/* A jumping clock passes idle time at once, unless something outside may still come in. */
bool evl_jump(evl_loop *loop, int64_t limit) {
    if (loop->clock.mode != EVL_CLOCK_JUMP || evl_is_asked(loop) || atomic_load(&loop->holds) != 0 ||
        loop->awaited != 0)
        return false;
    int64_t left = evl_time_left(loop, loop->clock.virtual_);
    if (limit >= 0 && left > limit)
        left = limit; /* the caller's patience passes at once too */
    if (left == EVL_NEVER)
        return false;
    loop->clock.virtual_ = evl_saturated_add(loop->clock.virtual_, left);
    loop->now = loop->clock.virtual_;
    return true;
}

static int wait_for_events(evl_loop *loop, int64_t timeout_ns) {
    if (loop->clock.mode == EVL_CLOCK_JUMP && timeout_ns != 0) {
        int n = evl_poll_nowait(loop);
        return n != 0 || evl_jump(loop, timeout_ns) ? n : sleep_in_kernel(loop, timeout_ns);
    }
    return timeout_ns == 0 ? evl_poll_nowait(loop) : sleep_in_kernel(loop, timeout_ns);
}

/* --- collecting ------------------------------------------------------------------------------- */

/* What is added meanwhile waits for the next pass, as everything does. */
static EVL_COLD void run_at_collect(evl_loop *loop) {
    evl_link now;
    evl_list_init(&now);
    evl_list_splice(&now, &loop->at_collect);
    while (!evl_list_empty(&now)) {
        evl_node *node = evl_node_of(evl_list_shift(&now));
        loop->node_types[node->type]->run(loop, node);
    }
}

/* What handlers and other threads have counted, and not listed. */
static EVL_COLD void take_counts(evl_loop *loop) {
    evl_signals_due(loop);
    evl_asyncs_due(loop);
}

/* What others have left. */
static inline void take_in(evl_loop *loop) {
    if (EVL_UNLIKELY(atomic_load_explicit(&loop->posted, memory_order_relaxed) != 0))
        evl_posts_take(loop);
    if (EVL_UNLIKELY(atomic_load_explicit(&loop->signal_seen, memory_order_relaxed)))
        take_counts(loop);
}

/* 0, or why this pass is over. */
static inline int run_hooks(evl_loop *loop, int when) {
    return EVL_LIKELY(evl_list_empty(&loop->hooks[when])) ? 0 : evl_hooks_run(loop, when);
}

/* A wait that failed, or that a signal ended, ends the pass, but for its hooks. Not if it was a signal that
 * the loop watches. */
static inline int finish_poll(evl_loop *loop, int n) {
    int error = n < 0 && !(n == EVL_EINTR && evl_is_asked(loop)) ? n : 0;
    n = n < 0 ? 0 : n;
    loop->since_poll = 0;
    loop->metrics.polls++;
    loop->metrics.events += (uint64_t)n;
    loop->metrics.empty_polls += n == 0;
    loop->woken = atomic_load_explicit(&loop->wake_asked, memory_order_relaxed) &&
                  atomic_exchange(&loop->wake_asked, false);
    int rc = run_hooks(loop, EVL_HOOK_AFTER_POLL);
    return EVL_UNLIKELY(rc != 0) ? rc : error;
}

int evl_after_poll(evl_loop *loop, int n) {
    int rc = finish_poll(loop, n);
    if (EVL_UNLIKELY(rc != 0))
        return rc;
    take_in(loop);
    evl_io_events(loop, loop->events, n);
    if (evl_may_be_due(loop))
        evl_timers_due(loop);
    if (EVL_UNLIKELY(!evl_list_empty(&loop->backoffs)))
        evl_backoffs_due(loop);
    if (!evl_list_empty(&loop->at_collect))
        run_at_collect(loop);
    return 0;
}

static bool has_work(evl_loop *loop) {
    return evl_is_ready(loop) || evl_is_asked(loop) ||
           (evl_may_be_due(loop) && evl_wait_time(loop, loop->now, -1) == 0);
}

/* Hooks may close the loop, fork, make something ready, or ask for a stop. */
int evl_before_poll(evl_loop *loop, bool may_wait) {
    int rc = run_hooks(loop, EVL_HOOK_BEFORE_POLL);
    if (EVL_UNLIKELY(!evl_list_empty(&loop->hooks[EVL_HOOK_IDLE])) && rc == 0 && may_wait && !has_work(loop))
        rc = run_hooks(loop, EVL_HOOK_IDLE);
    if (EVL_UNLIKELY(rc != 0))
        return rc;
    if (EVL_UNLIKELY(loop->stale_entry_seen)) {
        rc = evl_io_requeue(loop, false);
        if (rc != 0)
            evl_report_later(loop, rc);
    }
    evl_io_flush(loop);
    loop->watcher_removed = false;
    return 0;
}

/* Asks the kernel; waits only if nothing is ready. */
static int poll_kernel(evl_loop *loop, int64_t timeout_ns) {
    int rc = evl_before_poll(loop, timeout_ns != 0);
    if (rc != 0)
        return rc;
    int n = wait_for_events(loop, has_work(loop) ? 0 : timeout_ns);
    return evl_after_poll(loop, n);
}

static inline void begin_pass(evl_loop *loop) {
    loop->metrics.passes++;
    loop->woken = false;
    loop->sync_in_row = 0;
}

static inline int collect_queued(evl_loop *loop) {
    take_in(loop);
    if (EVL_UNLIKELY(evl_may_be_due(loop)))
        evl_timers_due(loop);
    if (EVL_UNLIKELY(!evl_list_empty(&loop->at_collect)))
        run_at_collect(loop);
    return 0;
}

static inline int collect(evl_loop *loop, int64_t timeout_ns) {
    begin_pass(loop);
    bool busy = evl_is_ready(loop);
    if (!busy || loop->since_poll >= loop->poll_interval)
        return poll_kernel(loop, busy ? 0 : timeout_ns);
    return collect_queued(loop);
}

/* Queues what the kernel reports behind what is ready, and takes that alone to be run. */
static int collect_events(evl_loop *loop) {
    evl_link mark, *ready = &loop->sinks[EVL_SINK_CALL];
    int n, rc = evl_before_poll(loop, false);
    if (rc != 0)
        return rc;
    n = evl_poll_nowait(loop);
    rc = finish_poll(loop, n);
    if (rc != 0)
        return rc;
    evl_list_append(ready, &mark);
    evl_io_events(loop, loop->events, n);
    run_at_collect(loop);
    while (mark.next != ready) {
        evl_link *link = mark.next;
        evl_list_remove(link);
        evl_list_append(&loop->running, link);
    }
    evl_list_remove(&mark);
    return 0;
}

int evl_collect(evl_loop *loop, int64_t timeout_ns) { return collect(loop, timeout_ns); }

/* --- running ---------------------------------------------------------------------------------- */

/* EVL_NODE_TAKE */
static inline void run_taker(evl_loop *loop, evl_node *node) {
    int64_t result;
    if (loop->types[node->kind]->take(EVL_OWNER(node, evl_handle, node), &result))
        node->fn.done(node->arg, result);
    loop->borrower = NULL;
}

static inline void run_node(evl_loop *loop, evl_node *node) {
    if (EVL_LIKELY(node->type == EVL_NODE_DONE))
        node->fn.done(node->arg, node->u.result);
    else if (EVL_LIKELY(node->type == EVL_NODE_TAKE))
        run_taker(loop, node);
    else
        loop->node_types[node->type]->run(loop, node);
}

void evl_run_node(evl_loop *loop, evl_node *node) { run_node(loop, node); }

/* Unlinked before it is called and not touched afterwards: a callback may close, restart or free everything
 * around it. What it cancels disappears from `running`; so does everything when it closes the loop.
 * Shifting writes to the next node, and so fetches it while this one runs. */
static inline uint32_t run_snapshot(evl_loop *loop, void (*run)(evl_loop *, evl_node *)) {
    evl_link *head = &loop->running;
    uint32_t count = 0;
    while (!evl_list_empty(head)) {
        evl_link *link = evl_list_shift(head);
        count++;
        run(loop, evl_node_of(link));
    }
    return count;
}

/* In front of what has become ready since. */
static void put_back(evl_loop *loop) {
    evl_list_splice(&loop->running, &loop->sinks[EVL_SINK_CALL]);
    evl_list_splice(&loop->sinks[EVL_SINK_CALL], &loop->running);
}

static inline void run_taken(evl_loop *loop) {
    uint32_t count =
        EVL_UNLIKELY(loop->slow_ns >= 0) ? run_snapshot(loop, evl_run_timed) : run_snapshot(loop, run_node);
    loop->since_poll += count;
    loop->metrics.callbacks += count;
}

/* A hook may have asked for the end (evl_stop_now). */
static inline void run_ready(evl_loop *loop) {
    if (EVL_UNLIKELY(loop->leaving))
        return;
    evl_notices_done(loop);
    evl_list_splice(&loop->running, &loop->sinks[EVL_SINK_CALL]);
    run_taken(loop);
}

void evl_run_ready(evl_loop *loop) { run_ready(loop); }

static int run_pass(evl_loop *loop, int64_t timeout_ns) {
    int rc = collect(loop, timeout_ns);
    if (rc == 0)
        run_ready(loop);
    return rc == EVL_EINTR ? 0 : rc;
}

/* EVL_RUN_EVENTS, EVL_RUN_QUEUED */
static EVL_COLD int run_part(evl_loop *loop, int32_t mode) {
    begin_pass(loop);
    int rc = mode == EVL_RUN_EVENTS ? collect_events(loop) : collect_queued(loop);
    if (rc != 0)
        return rc != EVL_EINTR ? rc : 0;
    if (mode == EVL_RUN_QUEUED)
        run_ready(loop);
    else if (loop->leaving)
        put_back(loop);
    else
        run_taken(loop);
    return 0;
}

static int32_t stop(evl_loop *loop) {
    loop->was_stopped = true;
    return atomic_load(&loop->stop_result);
}

/* Whether run is over, and with what. */
static bool run_is_over(evl_loop *loop, int32_t mode, int32_t *result) {
    if (evl_is_closed(loop))
        *result = EVL_ECLOSED;
    else if (atomic_load_explicit(&loop->stop_asked, memory_order_relaxed) &&
             atomic_exchange(&loop->stop_asked, false))
        *result = stop(loop);
    else if (!evl_list_empty(&loop->sinks[EVL_SINK_RECORD]))
        *result = EVL_RUN_RECORDS;
    else if (mode == EVL_RUN_FOREVER)
        return false;
    else if (!evl_is_alive(loop))
        *result = EVL_RUN_DONE;
    else if (mode != EVL_RUN_DEFAULT)
        *result = EVL_RUN_ALIVE;
    else
        return false;
    return true;
}

int32_t evl_run_passes(evl_loop *loop, int32_t mode) {
    int32_t result = EVL_RUN_DONE;
    loop->was_stopped = false;
    if (mode == EVL_RUN_DEFAULT && !evl_is_alive(loop) && !evl_is_asked(loop))
        return result;
    bool may_wait = mode == EVL_RUN_FOREVER || (mode < EVL_RUN_NOWAIT && evl_is_alive(loop));
    do {
        if (may_wait && mode != EVL_RUN_FOREVER && evl_time_is_up(loop))
            return EVL_EDEADLK;
        int rc = mode <= EVL_RUN_FOREVER ? run_pass(loop, may_wait ? -1 : 0) : run_part(loop, mode);
        if (rc != 0)
            return rc;
        if (evl_is_forked(loop))
            return EVL_EFORK; /* a callback forked, and this is the child */
        may_wait = true;      /* if there is a next pass, something is alive, or the mode is FOREVER */
    } while (!run_is_over(loop, mode, &result));
    return result;
}

int32_t evl_loop_run(evl_loop *loop, int32_t mode) {
    if (!loop || mode < EVL_RUN_DEFAULT || mode > EVL_RUN_QUEUED)
        return EVL_EINVAL;
    int rc = evl_own(loop);
    if (rc != 0)
        return rc;
    int32_t result = evl_run_passes(loop, mode);
    evl_disown(loop);
    return result;
}

int32_t evl_stop_now(evl_loop *loop, int32_t result) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    put_back(loop);
    loop->leaving = true;
    return evl_stop(loop, result);
}

int32_t evl_stop(evl_loop *loop, int32_t result) {
    if (!loop)
        return EVL_EINVAL;
    atomic_store(&loop->stop_result, result);
    atomic_store(&loop->stop_asked, true);
    evl_notify(loop);
    return 0;
}
