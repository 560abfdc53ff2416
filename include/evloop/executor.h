/* evloop/executor.h - blocking work on threads, whose end is an operation of the loop.
 *
 *     static void hash(void *arg) { read_all(arg); }    // runs on a thread of the pool
 *
 *     evl_executor_submit(NULL, loop, &op, hash, file, NULL, 0);    // op completes when hash has returned
 *
 * Use it for what would block the loop: files, a database library, long computations. */
#ifndef EVLOOP_EXECUTOR_H
#define EVLOOP_EXECUTOR_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A pool of threads; opaque. */
typedef struct evl_executor evl_executor;

/* No limit: evl_executor_new. */
#define EVL_UNBOUNDED UINT32_MAX

/* Makes a pool of threads.
 *
 * - `loop`: where the pool takes its memory from; it may be closed before the pool. The pool may run jobs of
 *   other loops, too.
 * - `threads`: the most threads to run; each is started when it is first needed.
 * - `limit`: the most jobs that may wait for a thread; 0 accepts a job only while a thread is idle,
 *   EVL_UNBOUNDED any number.
 * - `name`: of the threads, copied, at most 15 bytes; may be NULL.
 *
 * All signals are blocked in the threads. Ends with evl_executor_close.
 * Errors:
 * - EVL_EINVAL: threads is 0.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_executor_new(evl_loop *loop, uint32_t threads, uint32_t limit, const char *name,
                                 evl_executor **out);

/* Flags of evl_executor_submit. */
enum {
    EVL_SUBMIT_WAIT = 1 /* queue the job even if the limit is reached, instead of returning EVL_EAGAIN */
};

/* Runs job(arg) on a thread of the pool; the operation completes with 0, on `loop`, after job has
 * returned.
 *
 * executor NULL uses the loop's own pool, made on first use: CPUs + 4 threads, at most 32, with an
 * unbounded queue.
 *
 * Ownership of arg. If the operation completes with 0, arg is the caller's again and drop does not run. In
 * every other case (cancelled, timed out, closed; the job removed by evl_executor_close; the loop
 * destroyed, or repaired by evl_loop_fork) the library owns arg and calls drop(arg) exactly once, when job
 * can no longer touch it: on the loop's thread, or on the pool's thread if the loop is gone by then. A job
 * that has not begun then never runs. A job that runs is not interrupted, so arg stays in use after the
 * operation has ended. drop may be NULL.
 *
 * After evl_loop_fork in a forked child the operation completes with EVL_EFORK.
 * Errors, after which nothing runs and arg is the caller's:
 * - EVL_EAGAIN: the limit is reached; or the pool has no thread yet and none could be started.
 * - EVL_EBUSY: the operation is active.
 * - EVL_ECLOSED: the executor was closed.
 * - EVL_EFORK: the executor was made before a fork.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_executor_submit(evl_executor *executor, evl_loop *loop, evl_op *op, evl_fn *job,
                                    void *arg, evl_fn *drop, uint32_t flags);

/* How evl_executor_close ends the jobs. */
enum {
    EVL_CLOSE_DRAIN = 0,  /* every accepted job runs to its end */
    EVL_CLOSE_ABANDON = 1 /* jobs that have not begun are cancelled, running ones are left behind */
};

/* Closes an executor: it accepts no more jobs, and the caller must not use it again.
 *
 * Blocks up to timeout_ns nanoseconds (negative: without limit) until the remaining jobs, and drops that run
 * on the pool's threads, have returned, then abandons them. Completions are delivered by the loops
 * afterwards. A thread that is left behind frees what it uses when its job returns. NULL is allowed and
 * returns 0. May be called on any thread that does not use the pool at the same time.
 * Errors:
 * - EVL_EDEADLK: called without limit from a job of the same pool or its drop, which would wait for itself;
 *   the pool is as it was.
 * - EVL_ETIMEDOUT: the pool is closed, and jobs were left behind.
 * @since 0.1 */
EVL_API int32_t evl_executor_close(evl_executor *executor, int32_t how, int64_t timeout_ns);

/* Figures of a pool. Set struct_size before the call. */
typedef struct evl_executor_info {
    uint32_t struct_size;
    uint32_t threads;     /* running now */
    uint32_t queued;      /* jobs that wait for a thread */
    uint32_t running;     /* jobs that run, those left behind included */
    uint64_t accepted;    /* jobs so far */
    uint64_t finished;    /* jobs that returned while their operation waited */
    uint64_t canceled;    /* jobs that never began */
    uint64_t late;        /* jobs that returned after their operation had ended */
    uint64_t wait_ns;     /* how long the jobs that began have waited for a thread, added up */
    uint64_t wait_max_ns; /* and the longest of these waits */
} evl_executor_info;

/* Stores the pool's figures in *out.
 * Errors:
 * - EVL_EINVAL: struct_size is too small to hold itself.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_executor_stats(evl_executor *executor, evl_executor_info *out);

/* As evl_executor_stats, of the loop's own pool, which jobs without an executor run on; all 0 as long as
 * there were none. On the loop's thread. @since 0.1 */
EVL_API int32_t evl_loop_executor_stats(evl_loop *loop, evl_executor_info *out);

#ifdef __cplusplus
}
#endif
#endif
