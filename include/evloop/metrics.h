/* evloop/metrics.h - what a loop is doing: unhandled errors, counters, what is open, slow callbacks.
 *
 *     evl_blocker blockers[16];
 *     n = evl_loop_blockers(loop, blockers, 16);    // what keeps evl_loop_close from closing
 *     evl_loop_dump(loop, buf, sizeof buf);         // all that is open and queued, as text */
#ifndef EVLOOP_METRICS_H
#define EVLOOP_METRICS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counters of a loop; they only grow. Set struct_size before the call; the library fills what both sides
 * know. */
typedef struct evl_metrics {
    uint32_t struct_size;
    uint32_t reserved;       /* 0 */
    uint64_t passes;         /* iterations of the loop */
    uint64_t polls;          /* times the kernel was polled */
    uint64_t empty_polls;    /* of these, how many found nothing */
    uint64_t events;         /* events that the kernel reported */
    uint64_t callbacks;      /* callbacks run and records fetched */
    uint64_t timers;         /* expirations queued */
    uint64_t posts;          /* posts queued */
    uint64_t wakeups;        /* waits ended by another thread, a signal handler or evl_wake */
    uint64_t errors;         /* unhandled errors, with or without a hook */
    uint64_t idle_ns;        /* time inside waits */
    uint64_t busy_ns;        /* time between the end of a wait and the start of the next */
    uint64_t lag[64];        /* lag[i]: busy stretches of [2^i, 2^(i+1)) ns; with a real clock only */
    uint64_t slow_callbacks; /* callbacks above the threshold of evl_set_slow_callback */
    uint64_t longest_ns;     /* the longest callback; 0 unless evl_set_slow_callback is on */
    uint64_t longest_id;     /* id of its handle; 0 for other callbacks */
    char longest_name[32];   /* name of its handle */
    uint64_t handles;        /* open handles */
    uint64_t bytes;          /* memory that the loop holds */
    char error_name[32];     /* name of the last future whose error was never retrieved */
} evl_metrics;

/* Stores the loop's counters in *out.
 * Errors:
 * - EVL_EINVAL: struct_size is too small to hold itself.
 * @since 0.1 */
EVL_API int32_t evl_loop_metrics(const evl_loop *loop, evl_metrics *out);

/* Something that keeps evl_loop_close from closing. */
typedef struct evl_blocker {
    uint64_t id;   /* of a handle; 0 for what is only counted */
    int32_t kind;  /* EVL_KIND_* */
    int32_t count; /* 1 for a handle */
    char name[32]; /* as evl_set_name gave it, or empty */
} evl_blocker;

/* Stores up to cap blockers in `out` and returns how many there are; 0 means that evl_loop_close would
 * succeed.
 * @since 0.1 */
EVL_API int32_t evl_loop_blockers(const evl_loop *loop, evl_blocker *out, int32_t cap);

/* Stores up to cap ids of the open handles in `ids` and returns how many there are. @since 0.1 */
EVL_API int32_t evl_loop_walk(const evl_loop *loop, uint64_t *ids, int32_t cap);

/* Writes what is open and queued as text, one line each, at most cap bytes with the final 0. Returns the
 * length of the whole text without the final 0. @since 0.1 */
EVL_API int32_t evl_loop_dump(const evl_loop *loop, char *buf, size_t cap);

/* Sets the error hook: fn(arg, code) runs for errors that no callback could take, such as the error of a
 * future that was never retrieved.
 *
 * The hook is called from the loop, in a pass, never inside another call; it may do anything that a
 * callback may. An error in the hook, and an error while only evl_loop_records drives the loop, is kept
 * for evl_loop_error. NULL removes the hook. @since 0.1 */
EVL_API int32_t evl_set_error_hook(evl_loop *loop, evl_done_fn *fn, void *arg);

/* Reports an error to the hook at once, from where it is called: for bindings whose callback threw an
 * exception.
 * @since 0.1 */
EVL_API int32_t evl_loop_report(evl_loop *loop, int32_t error);

/* Returns the first unhandled error since the last call, and forgets it; 0 if there was none. @since 0.1 */
EVL_API int32_t evl_loop_error(evl_loop *loop);

/* Measures every callback, each post on its own (two clock reads each), and calls fn(arg, ns) after those
 * that took threshold_ns or longer; evl_metrics names the longest. fn may be NULL. A negative threshold turns
 * it off. @since 0.1 */
EVL_API int32_t evl_set_slow_callback(evl_loop *loop, int64_t threshold_ns, evl_done_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
