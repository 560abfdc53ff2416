/* evloop/executor.h - blocking work on threads of its own, its end as an operation of the loop. */
#ifndef EVLOOP_EXECUTOR_H
#define EVLOOP_EXECUTOR_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct evl_executor evl_executor;

#define EVL_UNBOUNDED UINT32_MAX

/* Makes a pool of up to `threads` threads, started as they are needed, and room for `limit` jobs that wait
 * for one: 0 accepts a job only while a thread is free, EVL_UNBOUNDED any number. `name` (copied, 15 bytes;
 * may be NULL) becomes that of the threads. It takes its memory from `loop`, may serve other loops too, and
 * is ended by evl_executor_close. All signals are blocked in its threads. Errors: EVL_EINVAL (no threads),
 * EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_executor_new(evl_loop *loop, uint32_t threads, uint32_t limit, const char *name,
                                 evl_executor **out);

/* evl_executor_submit flags. */
enum {
    EVL_SUBMIT_WAIT = 1 /* where the limit is reached wait in line, instead of answering EVL_EAGAIN */
};

/* Runs job(arg) on a thread of the pool; the operation completes with 0, on `loop`, when it has returned, and
 * what job left in *arg is the caller's to look at. A job that has begun cannot be stopped: an operation that
 * is cancelled, times out or is closed leaves it behind, and one that has not begun never runs; in a child
 * that evl_loop_fork has repaired it completes with EVL_EFORK. In all these cases arg is given up: drop(arg)
 * (if not NULL) runs exactly once, on the loop when the job is out of the way, or on the job's thread when
 * the loop is gone. What arg points to must live until then. executor NULL: a pool of the loop's own, made
 * when first needed. Errors, after which nothing runs and arg still is the caller's: EVL_EAGAIN, EVL_ECLOSED,
 * EVL_ENOMEM, EVL_EFORK (the pool was made before a fork), EVL_EBUSY, EVL_EINVAL.
 * @since 0.1 */
EVL_API int32_t evl_executor_submit(evl_executor *executor, evl_loop *loop, evl_op *op, evl_fn *job,
                                    void *arg, evl_fn *drop, uint32_t flags);

/* How evl_executor_close closes. */
enum {
    EVL_CLOSE_DRAIN = 0,  /* what was accepted runs to its end */
    EVL_CLOSE_ABANDON = 1 /* what has not begun is cancelled, what runs is left behind */
};

/* Ends an executor: nothing is accepted any more, and the caller must not use it again. Waits up to
 * timeout_ns (negative: for ever) for what still runs; then abandons it. Completions are delivered by the
 * loops, as ever. A thread that is left behind frees what it needs when its job returns. NULL: 0. Answers 0,
 * or EVL_ETIMEDOUT when jobs were left behind. @since 0.1 */
EVL_API int32_t evl_executor_close(evl_executor *executor, int32_t how, int64_t timeout_ns);

/* Set struct_size before the call. */
typedef struct evl_executor_info {
    uint32_t struct_size;
    uint32_t threads;  /* running now */
    uint32_t queued;   /* jobs waiting for a thread */
    uint32_t running;  /* jobs being run, those left behind included */
    uint64_t accepted; /* so far */
    uint64_t finished; /* returned, and their operation still wanted it */
    uint64_t canceled; /* never begun */
    uint64_t late;     /* returned when nobody wanted it any more */
} evl_executor_info;

/* Errors: EVL_EINVAL. @thread any. @since 0.1 */
EVL_API int32_t evl_executor_stats(evl_executor *executor, evl_executor_info *out);

#ifdef __cplusplus
}
#endif
#endif
