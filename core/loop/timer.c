/* timer.c - timers and the loop's time; the order in which timers fall due is timer_queue.c's. */
#include "timer.h"
#include "access.h"
#include "embed.h"
#include "loop.h"
#include "wall.h"

evl_timer_key *evl_timer_key_of(void *loop, uint32_t slot) {
    evl_timer_handle *timer = evl_slab_at(&((evl_loop *)loop)->handles[EVL_KIND_TIMER], slot);
    return &timer->key;
}

static evl_timer_handle *timer_of(const evl_handle *handle) {
    return EVL_OWNER(handle, evl_timer_handle, base);
}

int64_t evl_now(const evl_loop *loop) {
    if (!loop)
        return EVL_EINVAL;
    bool running = atomic_load_explicit(&loop->owner, memory_order_relaxed) != 0;
    return running ? loop->now : evl_clock_read(&loop->clock);
}

int64_t evl_time(const evl_loop *loop) { return loop ? evl_clock_read(&loop->clock) : EVL_EINVAL; }

int32_t evl_clock_advance(evl_loop *loop, int64_t ns) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (ns < 0)
        return EVL_EINVAL;
    if (loop->clock.mode == EVL_CLOCK_REAL)
        return EVL_ENOTSUP;
    loop->clock.virtual_ = evl_saturated_add(loop->clock.virtual_, ns);
    loop->now = loop->clock.virtual_;
    evl_touch(loop);
    return 0;
}

static evl_handle *set_up(evl_handle *handle) {
    if (!handle)
        return NULL;
    evl_timer_handle *timer = timer_of(handle);
    timer->repeat = 0;
    timer->slack_bits = 0;
    timer->key = (evl_timer_key){.deadline = EVL_NEVER};
    return handle;
}

static int reserve(evl_loop *loop) {
    return evl_tq_reserve(&loop->timers, &loop->mem, loop->handles[EVL_KIND_TIMER].live + 1);
}

int32_t evl_timer_new(evl_loop *loop, evl_done_fn *fn, void *arg, evl_timer **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0 && !out)
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = reserve(loop);
    if (rc != 0)
        return rc;
    evl_handle *handle = set_up(evl_handle_alloc(loop, EVL_KIND_TIMER, fn, arg));
    if (!handle)
        return EVL_ENOMEM;
    *out = handle;
    return 0;
}

evl_handle *evl_timer_internal(evl_loop *loop, evl_done_fn *expired, void *arg) {
    return reserve(loop) == 0 ? set_up(evl_handle_alloc_internal(loop, EVL_KIND_TIMER, expired, arg)) : NULL;
}

void evl_timer_set(evl_handle *handle, int64_t deadline) {
    evl_tq_start(&handle->loop->timers, &timer_of(handle)->key, handle->node.slot, deadline);
    evl_handle_set_active(handle, true);
}

void evl_timer_first(evl_handle *handle, int64_t deadline) {
    if (!evl_handle_is_active(handle) || timer_of(handle)->key.deadline > deadline)
        evl_timer_set(handle, deadline);
}

static void stop(evl_timer_handle *timer) {
    timer->key.deadline = EVL_NEVER;
    evl_handle_set_active(&timer->base, false);
    evl_list_unlink(&timer->base.node.link);
}

static void detach(evl_handle *handle) {
    evl_timer_handle *timer = (evl_timer_handle *)handle;
    stop(timer);
    timer->key.entry_order = 0; /* the slot's next owner must not be taken for the entry's */
}

const evl_handle_type evl_timer_type = {.size = sizeof(evl_timer_handle), .detach = detach};

/* Rounds up to the timer's grid, and remembers what was asked for. */
static int64_t with_slack(evl_timer_handle *timer, int64_t deadline) {
    timer->exact = deadline; /* also without slack: it may be set, or taken away, while the timer runs */
    if (EVL_LIKELY(timer->slack_bits == 0))
        return deadline;
    int64_t grid = INT64_C(1) << (timer->slack_bits - 1);
    return deadline >= EVL_NEVER - grid ? deadline : (deadline + grid - 1) & ~(grid - 1);
}

/* The common case, a started timer that is moved later, without a call. False: start has to see to it. */
static inline bool postpone(evl_handle *handle, int64_t deadline, int64_t repeat) {
    evl_loop *loop = handle->loop;
    evl_timer_handle *timer = timer_of(handle);
    bool plain = evl_handle_is_active(handle) && !evl_linked(&handle->node.link) && timer->slack_bits == 0 &&
                 deadline != EVL_NEVER && repeat >= 0 && !(loop->waits_outside & EVL_WAITS_HOST);
    if (!plain || !evl_tq_postpone(&loop->timers, &timer->key, deadline))
        return false;
    timer->repeat = repeat;
    timer->exact = deadline;
    return true;
}

static int32_t start(evl_handle *handle, int64_t deadline, int64_t repeat) {
    if (repeat < 0)
        return EVL_EINVAL;
    evl_loop *loop = handle->loop;
    evl_timer_handle *timer = timer_of(handle);
    evl_list_unlink(&handle->node.link);
    timer->repeat = repeat;
    if (deadline == EVL_NEVER)
        stop(timer);
    else {
        evl_tq_start(&loop->timers, &timer->key, handle->node.slot, with_slack(timer, deadline));
        evl_handle_set_active(handle, true);
    }
    evl_touch(loop);
    return 0;
}

int32_t evl_timer_start_at(evl_timer *handle, int64_t deadline_ns, int64_t repeat_ns) {
    int rc = evl_enter_handle(handle, EVL_KIND_TIMER);
    if (rc != 0)
        return rc;
    return postpone(handle, deadline_ns, repeat_ns) ? 0 : start(handle, deadline_ns, repeat_ns);
}

int32_t evl_timer_start_in(evl_timer *handle, int64_t delay_ns, int64_t repeat_ns) {
    int rc = evl_enter_handle(handle, EVL_KIND_TIMER);
    if (rc != 0)
        return rc;
    int64_t deadline = evl_saturated_add(evl_clock_read(&handle->loop->clock), delay_ns);
    return postpone(handle, deadline, repeat_ns) ? 0 : start(handle, deadline, repeat_ns);
}

int32_t evl_timer_set_slack(evl_timer *handle, int64_t slack_ns) {
    int rc = evl_enter_handle(handle, EVL_KIND_TIMER);
    if (rc != 0)
        return rc;
    if (slack_ns < 0)
        return EVL_EINVAL;
    uint32_t bits = 0;
    for (int64_t rest = slack_ns; rest > 0; rest >>= 1)
        bits++;
    timer_of(handle)->slack_bits = bits;
    return 0;
}

int32_t evl_timer_stop(evl_timer *handle) {
    int rc = evl_check_kind(handle, EVL_KIND_TIMER);
    if (rc == 0)
        rc = evl_enter_child(handle->loop);
    if (rc != 0)
        return rc;
    stop(timer_of(handle));
    evl_touch(handle->loop);
    return 0;
}

int64_t evl_timer_deadline(const evl_timer *handle) {
    return evl_check_kind(handle, EVL_KIND_TIMER) == 0 ? timer_of(handle)->key.deadline : EVL_NEVER;
}

/* A repeating timer goes on from its deadline, not from now, so that it does not drift; what it missed is
 * counted instead of made up for. Unsigned: from a deadline far below 0 to now may be more than 63 bits. */
evl_expiry evl_next_expiry(int64_t deadline, int64_t repeat, int64_t now) {
    if (repeat == 0)
        return (evl_expiry){.deadline = EVL_NEVER, .count = 1};
    uint64_t missed = ((uint64_t)now - (uint64_t)deadline) / (uint64_t)repeat;
    int64_t last = (int64_t)((uint64_t)deadline + missed * (uint64_t)repeat);
    return (evl_expiry){.deadline = evl_saturated_add(last, repeat),
                        .count = missed < INT64_MAX ? (int64_t)missed + 1 : INT64_MAX};
}

void evl_report_count(evl_loop *loop, evl_node *node, int64_t count) {
    if (evl_linked(&node->link)) { /* a record that was not fetched yet */
        node->u.result = evl_saturated_add(node->u.result, count);
        return;
    }
    node->u.result = count;
    evl_ready(loop, node);
}

static void expire(evl_loop *loop, evl_timer_handle *timer) {
    if (EVL_UNLIKELY(timer->base.node.flags & EVL_F_INTERNAL)) {
        timer->base.node.fn.done(timer->base.node.arg, 0);
        return;
    }
    evl_expiry next = evl_next_expiry(timer->exact, timer->repeat, loop->now);
    if (next.deadline == EVL_NEVER)
        evl_handle_set_active(&timer->base, false);
    else
        evl_tq_start(&loop->timers, &timer->key, timer->base.node.slot, with_slack(timer, next.deadline));
    evl_report_count(loop, &timer->base.node, next.count);
}

void evl_timers_due(evl_loop *loop) {
    uint32_t slot;
    int64_t deadline;
    int left = EVL_DUE_MAX;
    if (EVL_UNLIKELY(loop->timers_backlog))
        evl_tq_gather(&loop->timers, &loop->mem, loop->now);
    while (left > 0 && evl_tq_pop(&loop->timers, loop->now, &slot, &deadline)) {
        evl_timer_key *key = evl_timer_key_of(loop, slot);
        expire(loop, EVL_OWNER(key, evl_timer_handle, key));
        left--;
    }
    loop->metrics.timers += (uint64_t)(EVL_DUE_MAX - left);
    loop->timers_backlog = left == 0;
    if (EVL_UNLIKELY(loop->handles[EVL_KIND_WALL].live != 0))
        evl_walls_due(loop);
}
