/* timer.c - timers and the loop's time; the order in which timers fall due is timer_queue.c's. */
#include "timer.h"
#include "access.h"
#include "embed.h"
#include "loop.h"
#include "wall.h"

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
    return handle;
}

static int reserve(evl_loop *loop) {
    const evl_slab *slab = &loop->handles[EVL_KIND_TIMER];
    return evl_tq_reserve(&loop->timers, &loop->mem, slab->live + 1, evl_slab_slots_then(slab));
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

static int64_t deadline_of(const evl_handle *handle) {
    return evl_tq_deadline(&handle->loop->timers, handle->node.slot);
}

void evl_timer_set(evl_handle *handle, int64_t deadline) {
    evl_timer_queue *timers = &handle->loop->timers;
    if (deadline == EVL_NEVER)
        evl_tq_stop(timers, handle->node.slot);
    else
        evl_tq_start(timers, handle->node.slot, deadline);
    evl_handle_set_active(handle, deadline != EVL_NEVER);
}

static void stop(evl_handle *handle) {
    evl_timer_set(handle, EVL_NEVER);
    evl_list_unlink(&handle->node.link);
}

void evl_timer_first(evl_handle *handle, int64_t deadline) {
    if (!evl_handle_is_active(handle) || deadline_of(handle) > deadline)
        evl_timer_set(handle, deadline);
}

static void detach(evl_handle *handle) {
    evl_loop *loop = handle->loop;
    stop(handle);
    evl_tq_trim(&loop->timers, &loop->mem, loop->handles[EVL_KIND_TIMER].live);
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

static int32_t start(evl_handle *handle, int64_t deadline, int64_t repeat) {
    if (repeat < 0)
        return EVL_EINVAL;
    evl_loop *loop = handle->loop;
    evl_timer_handle *timer = timer_of(handle);
    evl_list_unlink(&handle->node.link);
    timer->repeat = repeat;
    evl_timer_set(handle, deadline == EVL_NEVER ? deadline : with_slack(timer, deadline));
    evl_touch(loop);
    return 0;
}

int32_t evl_timer_start_at(evl_timer *handle, int64_t deadline_ns, int64_t repeat_ns) {
    int rc = evl_enter_handle(handle, EVL_KIND_TIMER);
    return rc != 0 ? rc : start(handle, deadline_ns, repeat_ns);
}

int32_t evl_timer_start_in(evl_timer *handle, int64_t delay_ns, int64_t repeat_ns) {
    int rc = evl_enter_handle(handle, EVL_KIND_TIMER);
    return rc != 0 ? rc : start(handle, evl_saturated_add(evl_now(handle->loop), delay_ns), repeat_ns);
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
    stop(handle);
    evl_touch(handle->loop);
    return 0;
}

int64_t evl_timer_deadline(const evl_timer *handle) {
    return evl_check_kind(handle, EVL_KIND_TIMER) == 0 ? deadline_of(handle) : EVL_NEVER;
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
        evl_tq_start(&loop->timers, timer->base.node.slot, with_slack(timer, next.deadline));
    evl_report_count(loop, &timer->base.node, next.count);
}

void evl_timers_due(evl_loop *loop) {
    const evl_slab *slab = &loop->handles[EVL_KIND_TIMER];
    evl_timer_queue *timers = &loop->timers;
    int left = EVL_DUE_MAX;
    for (; left > 0 && evl_tq_is_due(timers, loop->now); left--) {
        evl_timer_entry due = evl_tq_pop(timers);
        EVL_PREFETCH(evl_slab_at(slab, evl_tq_soon(timers)));
        expire(loop, evl_slab_at(slab, evl_timer_slot(&due)));
    }
    loop->metrics.timers += (uint64_t)(EVL_DUE_MAX - left);
    if (EVL_UNLIKELY(loop->handles[EVL_KIND_WALL].live != 0))
        evl_walls_due(loop);
}
