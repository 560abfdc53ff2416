/* evloop/metrics.h - what the loop is doing: errors nobody took, counters, who is open, slow callbacks. */
#ifndef EVLOOP_METRICS_H
#define EVLOOP_METRICS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Set struct_size before the call; the library fills what both sides know. Counters only grow. */
typedef struct evl_metrics {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t passes;      /* iterations of the loop */
    uint64_t polls;       /* times the kernel was asked */
    uint64_t empty_polls; /* of these, found nothing */
    uint64_t events;      /* what the kernel reported */
    uint64_t callbacks;   /* callbacks run and records handed out */
    uint64_t timers;      /* expirations queued */
    uint64_t posts;       /* posts taken in */
    uint64_t wakeups;     /* waits that another thread, a signal handler or evl_wake ended */
    uint64_t errors;      /* unhandled errors, whether a hook took them or not */
    uint64_t idle_ns;     /* inside waits */
    uint64_t busy_ns;     /* between the end of a wait and the beginning of the next */
    uint64_t lag[64]; /* lag[i]: how often such a busy stretch took [2^i, 2^(i+1)) ns; a real clock only */
    uint64_t slow_callbacks; /* callbacks over the threshold of evl_set_slow_callback */
    uint64_t longest_ns;     /* the longest callback; 0 unless evl_set_slow_callback is on */
    uint64_t longest_id;     /* and its handle's id, 0 for other callbacks */
    char longest_name[32];   /* and its name */
    uint64_t handles;        /* open now */
    uint64_t bytes;          /* allocated by the loop now */
    char error_name[32];     /* the name of the future whose error was the last that nobody looked at */
} evl_metrics;

/* Errors: EVL_EINVAL (struct_size too small to hold itself). @since 0.1 */
EVL_API int32_t evl_loop_metrics(const evl_loop *loop, evl_metrics *out);

/* What keeps evl_loop_close from closing. */
typedef struct evl_blocker {
    uint64_t id;   /* of a handle; 0 for what is only counted */
    int32_t kind;  /* EVL_KIND_*, the kinds above EVL_KIND_HOOK included */
    int32_t count; /* 1 for a handle */
    char name[32]; /* as evl_set_name gave it, or empty */
} evl_blocker;

/* Fills up to cap blockers and answers how many there are; 0 means close would succeed. @since 0.1 */
EVL_API int32_t evl_loop_blockers(const evl_loop *loop, evl_blocker *out, int32_t cap);

/* Fills up to cap ids of the open handles and answers how many there are. @since 0.1 */
EVL_API int32_t evl_loop_walk(const evl_loop *loop, uint64_t *ids, int32_t cap);

/* Writes what is open and queued as text, one line each, and answers the length it needs without the final 0;
 * at most cap bytes are written, the 0 included. @since 0.1 */
EVL_API int32_t evl_loop_dump(const evl_loop *loop, char *buf, size_t cap);

/* Sets the function that is called with errors that no callback could take: fn(arg, code). NULL: they are
 * kept for evl_loop_error.
 *
 * It is called from the loop, by a run, and so never inside the call that the error came to light in: a
 * future that failed and is released without having been looked at, a poll that could not be set up. Only
 * evl_loop_report calls it at once. It may do what any callback may, destroying the loop included. While
 * evl_loop_records collects, and while the hook itself runs, errors are kept instead. @since 0.1 */
EVL_API int32_t evl_set_error_hook(evl_loop *loop, evl_done_fn *fn, void *arg);

/* Reports an error to the hook: for bindings whose callback threw. @since 0.1 */
EVL_API int32_t evl_loop_report(evl_loop *loop, int32_t error);

/* The first unhandled error since the last call, 0 if there was none. @since 0.1 */
EVL_API int32_t evl_loop_error(evl_loop *loop);

/* Times every callback, each of a batch of posts on its own (two clock reads each), and tells fn(arg, ns) of
 * those that took `threshold_ns` or longer; the metrics name the longest. fn may be NULL. A negative
 * threshold turns it off. @since 0.1 */
EVL_API int32_t evl_set_slow_callback(evl_loop *loop, int64_t threshold_ns, evl_done_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
