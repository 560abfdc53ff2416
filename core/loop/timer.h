/* timer.h - timers of the loop's own clock, and how any clock's timers expire. */
#ifndef EVL_CORE_TIMER_H
#define EVL_CORE_TIMER_H

#include "../base/timer_queue.h"
#include "handle.h"

#define EVL_DUE_MAX 256 /* due timers queued per pass */

typedef struct evl_timer_handle {
    evl_handle base;
    int64_t repeat;
    int64_t exact;       /* the deadline before it was rounded up */
    uint32_t slack_bits; /* deadlines are multiples of 2^(slack_bits - 1) ns; 0: no slack */
} evl_timer_handle;

extern const evl_handle_type evl_timer_type;
void evl_timers_due(evl_loop *loop);
evl_handle *evl_timer_internal(evl_loop *loop, evl_done_fn *expired, void *arg); /* NULL: out of memory */
void evl_timer_set(evl_handle *handle, int64_t deadline);
void evl_timer_first(evl_handle *handle, int64_t deadline); /* the same unless it comes earlier anyway */

typedef struct evl_expiry {
    int64_t deadline; /* the next one, or EVL_NEVER */
    int64_t count;    /* expirations up to now */
} evl_expiry;

evl_expiry evl_next_expiry(int64_t deadline, int64_t repeat, int64_t now);
void evl_report_count(evl_loop *loop, evl_node *node, int64_t count);

#endif
