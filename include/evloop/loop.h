/* evloop/loop.h - making a loop, running it, stopping it, taking it down; fork; embedding.
 *
 *     evl_loop_new(&loop, NULL);
 *     evl_loop_run(loop, EVL_RUN_DEFAULT); // until nothing is left to do, or evl_stop
 *     evl_loop_close(loop);                // or evl_loop_destroy, whatever is still open
 *
 * Threads. A thread owns the loop while it is inside evl_loop_run, evl_loop_run_until, evl_loop_records or
 * evl_loop_dispatch; callbacks run on that thread. Meanwhile calls from other threads return EVL_ETHREAD,
 * except functions marked "@thread any". While no thread owns the loop any thread may use it, but only one
 * at a time: the program provides the locking.
 *
 * A pass is one iteration of the loop:
 *
 * - Changed fd interest is sent to the kernel.
 * - The kernel is polled: without waiting if anything is ready, else until the next deadline.
 * - The clock is read once. evl_now returns that value until the next poll.
 * - Callbacks are queued: posts and signals, kernel events (read before write of one fd), due timers by
 *   deadline.
 * - Exactly the callbacks that are queued now run. What becomes ready meanwhile runs in the next pass.
 *
 * While callbacks are ready the first three steps are skipped until evl_options.poll_interval callbacks
 * have run since the last poll. A wait that is interrupted by a signal without a watcher ends the pass. */
#ifndef EVLOOP_LOOP_H
#define EVLOOP_LOOP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of evl_options. */
enum {
    EVL_LOOP_NOENV = 1, /* ignore the environment variable EVLOOP_BACKEND */
    EVL_LOOP_NOPOST = 2 /* posts return EVL_ENOTSUP, and no thread that posts calls the allocator */
};

/* Where the loop's time comes from: evl_options.clock.
 *
 * EVL_CLOCK_MANUAL advances only by evl_clock_advance; a run that only time could continue returns
 * EVL_EDEADLK.
 *
 * EVL_CLOCK_JUMP advances by evl_clock_advance, and by itself to the next deadline when nothing is ready,
 * a poll found nothing, no post is queued, there is no evl_loop_hold, and no child process runs and no
 * operation waits for a job or a look-up. A run that would wait without
 * limit because no deadline is left, and no fd, signal, child or job can end it, returns EVL_EDEADLK.
 *
 * With both, a thread that is going to post makes itself known by evl_loop_hold. Waits for a resource of
 * the system (a server out of file descriptors) last real time with every clock. */
enum { EVL_CLOCK_REAL = 0, EVL_CLOCK_MANUAL = 1, EVL_CLOCK_JUMP = 2 };

/* An allocator: ptr NULL allocates, new_size 0 frees (and returns NULL), otherwise resizes. NULL for a
 * size that is not 0 means out of memory and leaves ptr as it was. Called on the thread that uses the loop,
 * and also on threads that post (not with EVL_LOOP_NOPOST), on threads of executors and look-ups, and on the
 * one that releases the last reference: with any of these it must be thread-safe. It must not call the loop,
 * evl_wake excepted; a library built with EVLOOP_CHECKS ends the process where it does. */
typedef void *evl_realloc_fn(void *ctx, void *ptr, size_t old_size, size_t new_size);

/* How to make a loop. Set struct_size and the rest to 0, then the wanted fields. Fields beyond struct_size
 * count as 0, so that a program built with an older header keeps working. */
typedef struct evl_options {
    uint32_t struct_size;   /* sizeof(evl_options) */
    uint32_t flags;         /* EVL_LOOP_* */
    const char *backend;    /* "epoll", "kqueue" or "select"; NULL: EVLOOP_BACKEND, then the best one */
    int32_t clock;          /* EVL_CLOCK_* */
    uint32_t poll_interval; /* callbacks between two polls while busy; 0: 64; 1: poll in every pass */
    evl_realloc_fn *alloc;  /* NULL: malloc */
    void *alloc_ctx;        /* first argument of alloc */
    const char *name;       /* for dumps; copied, at most 31 bytes; NULL: none */
    int64_t linger_ns; /* how long closed streams may linger (stream.h); 0: 10 seconds; EVL_NEVER: as long as
                          it takes; negative: closing aborts */
    evl_fn *host_unlock; /* both or none, see below; NULL: the loop stays with its thread while it waits */
    evl_fn *host_lock;   /* called when the wait is over */
    void *host_arg;      /* argument of host_unlock and host_lock */
    uint32_t events_per_pass; /* kernel events that a pass takes at most; 0: 256; at most 65,535. The rest
                                 keep their place for the next pass */
    uint32_t reserved;        /* 0 */
} evl_options;

/* A host with a lock of its own, such as an interpreter's, sets host_unlock and host_lock, and holds the lock
 * whenever it uses the loop. Then host_unlock(host_arg) runs right before the loop waits in the kernel and
 * host_lock(host_arg) right after it, also when the wait fails and when records are fetched: callbacks run
 * with the lock held, and evl_loop_run and evl_loop_records return with it. A poll that does not wait keeps
 * the lock.
 *
 * In between any thread that holds the lock may use the loop: start and close timers, watchers, operations
 * and calls, read and write streams. A change that matters ends the wait or changes its length (an earlier
 * deadline, something that is ready, nothing left alive); others do not. evl_loop_run, evl_loop_records,
 * evl_loop_dispatch, evl_loop_prepare, evl_loop_close and evl_loop_destroy return EVL_ETHREAD meanwhile: stop
 * the loop, and take it down on its thread.
 *
 * The two must not use the loop; a library built with EVLOOP_CHECKS ends the process where they do. A process
 * may fork in a thread that holds the lock: the child repairs the loop or destroys it. */

/* Makes a loop and stores it in *out. `options` may be NULL. Ends with evl_loop_close or evl_loop_destroy.
 *
 * EVLOOP_BACKEND is ignored in set-id programs and with EVL_LOOP_NOENV.
 * Errors:
 * - EVL_EINVAL: out is NULL, or an option is unknown.
 * - EVL_ENOTSUP: there is no backend of that name.
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or file descriptors.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_loop_new(evl_loop **out, const evl_options *options);

/* How evl_loop_run runs. */
enum {
    EVL_RUN_DEFAULT = 0, /* until nothing is alive, or evl_stop */
    EVL_RUN_ONCE = 1,    /* one pass, which waits for something to happen if nothing is ready */
    EVL_RUN_NOWAIT = 2,  /* one pass that does not wait */
    EVL_RUN_FOREVER = 3, /* until evl_stop, even while nothing is alive */
    EVL_RUN_EVENTS = 4,  /* polls without waiting and runs what the kernel reported, and nothing else: timers,
                            calls and posts keep their place */
    EVL_RUN_QUEUED = 5   /* one pass that does not poll: posts, signals, due timers and what is ready */
};

/* What evl_loop_run returns when nothing stopped it and nothing failed. */
enum {
    EVL_RUN_DONE = 0,   /* nothing is alive */
    EVL_RUN_ALIVE = 1,  /* the pass of a mode that makes one is over, and something is alive */
    EVL_RUN_RECORDS = 2 /* records are ready for evl_loop_records; every mode returns then */
};

/* Runs the loop on this thread.
 *
 * Alive is: a ready callback or record, a started timer, a watcher with a mask, a listening server, a
 * stream in push mode or with bytes to send, a child process, a pending operation, a queued post, a hold.
 * Signal watchers, async handles, hooks and futures are not; evl_keep_alive changes that for a handle.
 *
 * Returns EVL_RUN_*, or the argument of evl_stop. EVL_RUN_ONCE with nothing alive returns at once.
 *
 * If a callback forks, the callbacks that were ready in the same pass run in the child, too, unless it
 * destroys the loop or exits; then the run returns EVL_EFORK there (evl_loop_fork). A child of a hook or a
 * post stops at once.
 * Errors:
 * - EVL_ERUNNING: called inside a callback of this loop; runs do not nest.
 * - EVL_ETHREAD: another thread runs the loop.
 * - EVL_EDEADLK: the clock is virtual and nothing could end the wait.
 * - and what the kernel's wait fails with.
 * @since 0.1 */
EVL_API int32_t evl_loop_run(evl_loop *loop, int32_t mode);

/* Makes evl_loop_run return `result` when the current pass is over; everything that was ready in this pass
 * still runs. When the loop does not run, the next run makes one pass without waiting and returns it.
 * evl_loop_records produces a record of EVL_KIND_STOP instead.
 *
 * Any number is accepted. Use one that is not negative, or EVL_EUSER, so that it cannot be taken
 * for an error of the run. Of two calls before the run returns the last one's result counts.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_stop(evl_loop *loop, int32_t result);

/* As evl_stop, and nothing more of this pass runs: what was ready keeps its place and is the first that the
 * next run calls. For bindings whose callback has thrown. Outside of a run it is evl_stop.
 * Errors:
 * - EVL_ETHREAD: another thread runs the loop.
 * @since 0.1 */
EVL_API int32_t evl_stop_now(evl_loop *loop, int32_t result);

/* Closes a loop on which nothing is left, and releases the caller's reference. Posts return EVL_ECLOSED
 * from then on. NULL is allowed and returns 0. Works in a forked child.
 * Errors, after which nothing has changed:
 * - EVL_EBUSY: a handle is open, an operation pending, a callback queued, or a hold left;
 *   evl_loop_blockers lists them.
 * - EVL_ERUNNING: called inside a callback of this loop.
 * @since 0.1 */
EVL_API int32_t evl_loop_close(evl_loop *loop);

/* Closes a loop whatever is on it, and releases the caller's reference.
 *
 * Works in any order, inside a callback of the loop and in a forked child. Handles return EVL_ECLOSED to
 * everything but evl_close as long as a reference to the loop exists. Operations become idle without a
 * callback. Pending futures are cancelled and their done callbacks do not run; the value that a future owns
 * stays until its last evl_future_unref, and errors that were not retrieved are not reported any more. What
 * is queued does not run; its drops run inside this call, or before the surrounding
 * evl_loop_run returns when a callback destroys its own loop. Streams do not linger: only what the kernel
 * has accepted arrives. NULL is allowed and returns 0.
 * Errors, after which nothing has changed:
 * - EVL_ETHREAD: another thread runs the loop.
 * @since 0.1 */
EVL_API int32_t evl_loop_destroy(evl_loop *loop);

/* Adds a reference to the loop's memory. A thread that posts holds one, so that a post to a closed loop
 * returns EVL_ECLOSED instead of touching freed memory. Returns its argument. @thread any. @since 0.1 */
EVL_API evl_loop *evl_loop_ref(evl_loop *loop);

/* Releases a reference. NULL is allowed. @thread any. @since 0.1 */
EVL_API void evl_loop_unref(evl_loop *loop);

/* Keeps the loop alive with nothing on it, for example while a thread is going to post. Holds are counted.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_loop_hold(evl_loop *loop);

/* Releases a hold.
 * Errors:
 * - EVL_EINVAL: there is none.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_loop_unhold(evl_loop *loop);

/* Returns 1 if evl_loop_run would find something alive, else 0. Returns 0, too, for NULL, for a closed loop
 * and while another thread runs the loop. Works in a forked child. @since 0.1 */
EVL_API int32_t evl_loop_alive(const evl_loop *loop);

/* Repairs a loop in a forked child: it gets a kernel queue of its own and everything on it goes on, except
 * what the parent alone can finish. These complete with EVL_EFORK: jobs and look-ups, which threads of the
 * parent work on; connects in flight; splices; and what waits for bytes that the parent has queued
 * (evl_stream_drain, evl_stream_flush, evl_stream_sendfile, evl_stream_shutdown, evl_udp_drain,
 * evl_udp_flush).
 *
 * Streams, servers and datagram sockets share their open sockets with the parent. What the parent has queued
 * it sends itself, and the child's copy of it is dropped; streams that linger are gone. What the child does
 * on purpose acts on the socket: reading takes bytes from the parent, writing comes between the parent's
 * bytes, and evl_stream_write_eof and evl_stream_shutdown end the connection for both. Closing them, in
 * whatever way, closes the child's fd and nothing else (stream.h, server.h).
 *
 * Before this call every function but close, cancel, stop, destroy and those that only look (evl_loop_dump,
 * evl_loop_alive, evl_active, evl_future_state and the like) returns EVL_EFORK in the child. Returns 0 also
 * when there is nothing to repair. evl_loop_fd may return another number afterwards.
 *
 * Other threads may post, run jobs and receive signals while the process forks: what they had finished by
 * then, the child has, too. A loop that another thread was running can be repaired or destroyed if that
 * thread was waiting for events. If it was in a callback, the loop is lost to the child: this function and
 * evl_loop_destroy return EVL_ETHREAD, and its memory stays.
 * Errors, after which the call may be repeated:
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or file descriptors.
 * - EVL_ETHREAD: see above.
 * @since 0.1 */
EVL_API int32_t evl_loop_fork(evl_loop *loop);

/* Stores a pointer of the program's with the loop, for code that gets only the loop. The loop does not use
 * it. Works in a forked child.
 * Errors:
 * - EVL_EINVAL: loop is NULL.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_loop_set_data(evl_loop *loop, void *data);

/* Returns what evl_loop_set_data has stored last; NULL unless it has, and for NULL. @thread any. @since 0.1
 */
EVL_API void *evl_loop_data(const evl_loop *loop);

/* Returns the name of the loop's backend, in static memory; NULL for NULL. @since 0.1 */
EVL_API const char *evl_loop_backend(const evl_loop *loop);

/* --- embedding ---
 *
 * For a program that has a loop of its own. Where the backend has EVL_CAP_LOOP_FD, watching one fd is
 * enough:
 *
 *     evl_fd fd = evl_loop_fd(loop);    // once; then, whenever it is readable:
 *     evl_loop_dispatch(loop, NULL, 0);
 *
 * Everywhere, evl_loop_prepare says what to wait for and evl_loop_dispatch takes the outcome:
 *
 *     n = evl_loop_prepare(loop, rows, cap, &timeout_ns); // more than cap: again, with a larger array
 *     // wait for `wanted` of the n rows, for timeout_ns at most; store what was found in `reported`
 *     evl_loop_dispatch(loop, rows, n); */

/* Returns the fd that polls readable whenever evl_loop_dispatch would find work: kernel events, timers,
 * deferred calls, posts.
 *
 * From the first call on the loop keeps it so, at one system call for a change made between two
 * dispatches. It belongs to the loop: only poll it, level-triggered, or edge-triggered if you dispatch
 * until it returns 0. An epoll or kqueue of your own may know it for as long as the loop lives; a repaired
 * child has a new one, so call this again after evl_loop_fork. A timer of a manual clock shows once the
 * clock was advanced to it, one of a jumping clock at once. On Linux the fd takes up two of the five
 * levels that epolls may be nested.
 *
 * A host that takes records calls evl_loop_records with timeout 0 instead of evl_loop_dispatch, until it
 * returns 0, and evl_loop_run with EVL_RUN_NOWAIT for a record of EVL_KIND_CALLBACKS. A call may find nothing
 * although the fd was readable.
 * Errors:
 * - EVL_ENOTSUP: the backend has no EVL_CAP_LOOP_FD.
 * - EVL_EMFILE, EVL_ENFILE, EVL_ENOMEM: out of file descriptors or memory.
 * @since 0.1 */
EVL_API evl_fd evl_loop_fd(evl_loop *loop);

/* An fd that a host waits for. */
typedef struct evl_poll_row {
    evl_fd fd;         /* what to wait for */
    uint32_t wanted;   /* EVL_READ, EVL_WRITE, EVL_PRI */
    uint32_t reported; /* set by the host; EVL_ERR, EVL_HUP and EVL_NVAL may be in it */
} evl_poll_row;

/* Sends changed interest to the kernel, stores up to cap rows in `rows`, and stores in *timeout_ns how
 * long the host may wait: nanoseconds, 0 for not at all, -1 for no limit. timeout_ns may be NULL. Returns
 * how many rows there are.
 * Errors:
 * - EVL_ERUNNING: called inside a callback of this loop.
 * @since 0.1 */
EVL_API int32_t evl_loop_prepare(evl_loop *loop, evl_poll_row *rows, int32_t cap, int64_t *timeout_ns);

/* Runs one pass without waiting. `rows` are those of evl_loop_prepare with `reported` set; NULL lets the
 * loop poll by itself. Returns 1 while more is ready, so that a host with an edge-triggered watch calls
 * again, else 0; or the result of evl_stop. Errors: those of evl_loop_run. @since 0.1 */
EVL_API int32_t evl_loop_dispatch(evl_loop *loop, const evl_poll_row *rows, int32_t n);

#ifdef __cplusplus
}
#endif
#endif
