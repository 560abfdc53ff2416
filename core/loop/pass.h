/* pass.h - the steps of a pass. */
#ifndef EVL_CORE_PASS_H
#define EVL_CORE_PASS_H

#include "loop.h"

/* Whether a timer of either clock may be due; false is certain. */
static inline bool evl_may_be_due(evl_loop *loop) {
    return evl_tq_next(&loop->timers) <= loop->now || loop->handles[EVL_KIND_WALL].live != 0;
}

/* The backend's wait, into loop->events. */
static inline int evl_wait_rows(evl_loop *loop, int64_t timeout_ns) {
    return loop->backend->wait(loop->state, loop->events, loop->events_cap, timeout_ns);
}

bool evl_time_is_up(const evl_loop *loop); /* only a manual clock's advance could go on from here */
int64_t evl_time_left(evl_loop *loop, int64_t now);
int64_t evl_wait_time(evl_loop *loop, int64_t now, int64_t limit);
int64_t evl_sleep_time(evl_loop *loop, int64_t now, int64_t limit);
int evl_collect(evl_loop *loop,
                int64_t timeout_ns); /* a pass up to the point where the ready lists are complete */
int evl_before_poll(evl_loop *loop, bool may_wait); /* the steps of it: */
int evl_poll_nowait(evl_loop *loop);
bool evl_jump(evl_loop *loop, int64_t limit);
int evl_after_poll(evl_loop *loop, int n);
int32_t evl_run_passes(evl_loop *loop, int32_t mode); /* evl_loop_run, when the loop is owned already */
void evl_run_ready(evl_loop *loop);                   /* and the rest of a pass */
void evl_run_node(evl_loop *loop, evl_node *node);

#endif
