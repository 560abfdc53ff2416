/* evloop/loop.h - making a loop, running it, stopping it, and taking it down.
 *
 * A loop belongs to the thread that is inside evl_loop_run, evl_loop_records or evl_loop_dispatch. While one
 * is, calls from other threads answer EVL_ETHREAD, except those marked "@thread any". Outside, whoever the
 * caller serialises may use it.
 *
 * A pass: (1) changed interest is sent to the kernel; (2) the loop polls, without waiting if anything is
 * ready, otherwise until the next deadline; (3) the clock is read once; (4) posts, then what the kernel
 * reported (reader before writer for one fd), then due timers in deadline order are queued; (5) what is ready
 * at that moment runs, and nothing newer. While the ready list is not empty, (1) to (3) happen only after
 * evl_options.poll_interval callbacks. A wait that a signal interrupts ends the pass. */
#ifndef EVLOOP_LOOP_H
#define EVLOOP_LOOP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* evl_options.flags */
enum {
    EVL_LOOP_NOENV = 1, /* do not look at EVLOOP_BACKEND */
    EVL_LOOP_NOPOST = 2 /* posts answer EVL_ENOTSUP; the allocator need not be thread-safe */
};

/* evl_options.clock: where the loop's time comes from.
 *
 * EVL_CLOCK_MANUAL moves only by evl_clock_advance; a run that only time could end returns EVL_EDEADLK.
 * EVL_CLOCK_JUMP moves by evl_clock_advance, and by itself to the next deadline when nothing is ready, a poll
 * found nothing, no post is queued and there is no evl_loop_hold. A run that would wait for ever because no
 * deadline is left, and no fd, signal, child or job can end it, returns EVL_EDEADLK. A thread that is going
 * to post makes itself known by evl_loop_hold, with both. Where the system is to have more of something
 * later, as fds for a server, the wait is real with every clock. */
enum { EVL_CLOCK_REAL = 0, EVL_CLOCK_MANUAL = 1, EVL_CLOCK_JUMP = 2 };

/* Allocates, resizes and frees: ptr NULL allocates, new_size 0 frees (and answers NULL), otherwise resizes.
 * NULL for a size that is not 0 means out of memory and leaves ptr as it was. Must be safe to call from any
 * thread that posts, unless EVL_LOOP_NOPOST is set. */
typedef void *evl_realloc_fn(void *ctx, void *ptr, size_t old_size, size_t new_size);

/* Set struct_size to sizeof(evl_options) and the rest to 0, then what you want. Fields past struct_size count
 * as 0, so that a program built against an older header keeps working. */
typedef struct evl_options {
    uint32_t struct_size;
    uint32_t flags;         /* EVL_LOOP_* */
    const char *backend;    /* "epoll", "kqueue", "select"; NULL: EVLOOP_BACKEND, then the best there is */
    int32_t clock;          /* EVL_CLOCK_* */
    uint32_t poll_interval; /* callbacks between two looks at the kernel while busy; 0: 64; 1: every pass */
    evl_realloc_fn *alloc;  /* NULL: malloc */
    void *alloc_ctx;        /* the first argument of alloc */
    const char *name;       /* for dumps, copied, at most 31 bytes; NULL: none */
    int64_t linger_ns; /* how long closed streams may go on, see stream.h; 0: 10 seconds; EVL_NEVER: as long
                          as it takes; negative: closing is aborting */
} evl_options;

/* Makes a loop and stores it in *out. `options` may be NULL. EVLOOP_BACKEND is ignored in set-id programs and
 * with EVL_LOOP_NOENV. Ends with evl_loop_close or evl_loop_destroy.
 * Errors: EVL_EINVAL (a NULL out, an unknown option), EVL_ENOTSUP (no backend of that name), EVL_ENOMEM,
 * EVL_EMFILE, EVL_ENFILE. @thread any. @since 0.1 */
EVL_API int32_t evl_loop_new(evl_loop **out, const evl_options *options);

/* How evl_loop_run runs. */
enum {
    EVL_RUN_DEFAULT = 0, /* until nothing is alive, or evl_stop */
    EVL_RUN_ONCE = 1,    /* one pass; waits for something to happen if nothing is ready */
    EVL_RUN_NOWAIT = 2,  /* one pass that does not wait */
    EVL_RUN_FOREVER = 3  /* until evl_stop, also while nothing is alive */
};

/* What evl_loop_run answers when nothing stopped it and nothing failed. */
enum {
    EVL_RUN_DONE = 0,   /* nothing is alive */
    EVL_RUN_ALIVE = 1,  /* the pass of ONCE or NOWAIT is over and something is still alive */
    EVL_RUN_RECORDS = 2 /* records wait for evl_loop_records; every mode returns then */
};

/* Runs the loop on this thread. Alive is: a ready callback or record, a started timer, an enabled watcher, a
 * pending operation, a queued post, a hold. Signal watchers and hooks are not, unless evl_keep_alive.
 * Answers EVL_RUN_*, or the argument of evl_stop. EVL_RUN_ONCE with nothing alive returns at once.
 *
 * If a callback forks, the callbacks that were ready in the same pass run in the child too, unless it
 * destroys the loop or exits; then run returns EVL_EFORK there (evl_loop_fork). A child of a hook or a post
 * stops at once. Errors: EVL_ERUNNING inside a callback of this loop, EVL_ETHREAD while another thread runs
 * it, EVL_EFORK, EVL_ECLOSED, EVL_EDEADLK (a virtual clock, and nothing could end the wait), EVL_EINVAL, and
 * what the kernel's wait failed with. @since 0.1 */
EVL_API int32_t evl_loop_run(evl_loop *loop, int32_t mode);

/* Makes run return `result` (not negative, or EVL_EUSER and such) when the current pass is over. Everything
 * that was ready in this pass still runs. Before run: the next run makes one pass without waiting and
 * returns. evl_loop_records answers a record of EVL_KIND_STOP instead. @thread any. @since 0.1 */
EVL_API int32_t evl_stop(evl_loop *loop, int32_t result);

/* Closes a loop on which nothing is left and gives up the caller's reference.
 * EVL_EBUSY while a handle is open, an operation pending, anything queued, or a hold is out: nothing changed,
 * and evl_loop_blockers says what. Posts answer EVL_ECLOSED afterwards. NULL: 0.
 * Also EVL_ERUNNING, EVL_ETHREAD. Works in a forked child. @since 0.1 */
EVL_API int32_t evl_loop_close(evl_loop *loop);

/* Closes a loop whatever is on it and gives up the caller's reference; works in any order, inside a callback
 * of the loop and in a forked child too. Handles answer EVL_ECLOSED to everything but evl_close as long as
 * somebody holds a reference, operations become inactive in silence, what is queued is dropped: the drops run
 * inside this call (inside the run around it, when a callback destroys its own loop).
 * NULL: 0. EVL_ETHREAD while another thread runs the loop: nothing happened. @since 0.1 */
EVL_API int32_t evl_loop_destroy(evl_loop *loop);

/* Adds and gives up a reference to the loop's memory. A thread that posts holds one, so that a post can
 * answer EVL_ECLOSED instead of touching freed memory. evl_loop_ref answers its argument. @thread any. @since
 * 0.1 */
EVL_API evl_loop *evl_loop_ref(evl_loop *loop);
EVL_API void evl_loop_unref(evl_loop *loop);

/* Keeps the loop alive with nothing on it, for as long as a thread is going to post, say. Counts.
 * EVL_EINVAL: an unhold too many. @thread any. @since 0.1 */
EVL_API int32_t evl_loop_hold(evl_loop *loop);
EVL_API int32_t evl_loop_unhold(evl_loop *loop);

/* Returns 1 if run would find something alive, else 0, also when run would return an error. @since 0.1 */
EVL_API int32_t evl_loop_alive(const evl_loop *loop);

/* After a fork, in the child: gives the loop a kernel queue of its own and everything on it goes on, but
 * what threads worked on, jobs and names: those operations complete with EVL_EFORK. Until then every call but
 * close, cancel, stop and destroy answers EVL_EFORK there. Answers 0 also where there was nothing to repair.
 *
 * Other threads may post, work and take signals while the process forks: what they had finished by then, the
 * child has too. A loop that another thread was running can be repaired or destroyed if that thread waited
 * for events; if it was in a callback, the loop is lost to the child: these calls return EVL_ETHREAD, and its
 * memory stays.
 *
 * On failure the loop stays as it was and the call may be tried again. Errors: EVL_ENOMEM, EVL_EMFILE,
 * EVL_ENFILE, EVL_ETHREAD. @since 0.1 */
EVL_API int32_t evl_loop_fork(evl_loop *loop);

/* The name of the backend this loop uses; static. NULL for NULL. @since 0.1 */
EVL_API const char *evl_loop_backend(const evl_loop *loop);

/* --- embedding -------------------------------------------------------------------------------------------
 *
 * For a program that has a loop of its own. Where EVL_CAP_LOOP_FD is there, watching one fd is enough:
 *
 *     evl_fd fd = evl_loop_fd(loop);                        // once, then whenever it is readable:
 *     evl_loop_dispatch(loop, NULL, 0);
 *
 * Everywhere, prepare tells what to wait for and dispatch takes it back:
 *
 *     n = evl_loop_prepare(loop, rows, cap, &timeout_ns);   // more than cap: a larger array, and again
 *     // wait for `wanted` of the n rows, for timeout_ns at most; store what was found in `reported`
 *     evl_loop_dispatch(loop, rows, n);
 */

/* The fd that polls readable whenever evl_loop_dispatch would find work: kernel events, timers, deferred
 * calls, posts. From the first call on, the loop keeps it so, at one system call for a change made between
 * two dispatches. It belongs to the loop: poll it, nothing else, level-triggered or, if you dispatch until it
 * returns 0, edge-triggered. An epoll or kqueue of your own may know it for as long as the loop lives, but a
 * repaired child has a new one: call evl_loop_fd again after evl_loop_fork. A timer of a manual clock shows
 * once the clock was moved to it, one of a jumping clock at once. On Linux the fd takes up two of the five
 * levels that epolls may be nested.
 * Errors: EVL_ENOTSUP without EVL_CAP_LOOP_FD, EVL_EMFILE, EVL_ENFILE, EVL_ENOMEM. @since 0.1 */
EVL_API evl_fd evl_loop_fd(evl_loop *loop);

/* A descriptor that a host has to wait for in the loop's place: evl_loop_prepare, evl_loop_dispatch. */
typedef struct evl_poll_row {
    evl_fd fd;         /* what to wait for */
    uint32_t wanted;   /* EVL_READ | EVL_WRITE | EVL_PRI */
    uint32_t reported; /* the host fills this in; EVL_ERR, EVL_HUP and EVL_NVAL may be among it */
} evl_poll_row;

/* Fills up to cap rows, answers how many there are, and stores in *timeout_ns how long the host may wait: 0,
 * nanoseconds, or -1 for ever. Interest is flushed to the kernel first. `timeout_ns` may be NULL. @since 0.1
 */
EVL_API int32_t evl_loop_prepare(evl_loop *loop, evl_poll_row *rows, int32_t cap, int64_t *timeout_ns);

/* One pass without waiting. `rows` are those of prepare with `reported` filled in; NULL: the loop looks for
 * itself. Answers 1 while more is ready (so that a host with an edge-triggered watch calls again), else 0,
 * or an error as evl_loop_run. A stop answers as in run. @since 0.1 */
EVL_API int32_t evl_loop_dispatch(evl_loop *loop, const evl_poll_row *rows, int32_t n);

#ifdef __cplusplus
}
#endif
#endif
