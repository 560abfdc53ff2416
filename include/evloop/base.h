/* evloop/base.h - the words every other header uses: types, callbacks, version. */
#ifndef EVLOOP_BASE_H
#define EVLOOP_BASE_H

#include <stddef.h>
#include <stdint.h>

/* Only evloop's own builds define one of the two; a program that uses evloop defines nothing. */
#if defined(EVLOOP_BUILD_SHARED) && defined(__GNUC__)
#    define EVL_API __attribute__((visibility("default")))
#else
#    define EVL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A file descriptor. */
typedef int32_t evl_fd;

/* The loop, and everything that happens many times on it. Both are opaque.
 *
 * Every kind of handle is the same C type, and the kind is checked at run time: one evl_close, one evl_id,
 * one evl_set_name serve them all. The other names say what a function expects. */
typedef struct evl_loop evl_loop;
typedef struct evl_handle evl_handle;
typedef struct evl_handle evl_io;
typedef struct evl_handle evl_timer;
typedef struct evl_handle evl_signal;
typedef struct evl_handle evl_hook;
typedef struct evl_handle evl_stream;
typedef struct evl_handle evl_server;
typedef struct evl_handle evl_udp;
typedef struct evl_handle evl_process;
typedef struct evl_handle evl_path;

/* The two callback types. Neither may leave by longjmp or by an exception.
 *
 * evl_fn:      deferred calls, posts, hooks and drops.
 * evl_done_fn: everything that has a result: a watcher's mask or error, a timer's expirations, a signal's
 *              count, an operation's result. */
typedef void evl_fn(void *arg);
typedef void evl_done_fn(void *arg, int64_t result);

/* What a record or an id is about: evl_record.kind, evl_kind(). Below 16 are the kinds of handles. */
enum {
    EVL_KIND_IO = 1,      /* an fd watcher; result is a mask or an error */
    EVL_KIND_TIMER = 2,   /* a timer; result is the number of expirations */
    EVL_KIND_SIGNAL = 3,  /* a signal watcher; result is the number of deliveries */
    EVL_KIND_HOOK = 4,    /* a hook; never in a record */
    EVL_KIND_WALL = 5,    /* a wall-clock timer; result is the number of expirations */
    EVL_KIND_STREAM = 6,  /* a stream in push mode; result is EVL_READ or an error */
    EVL_KIND_SERVER = 7,  /* a server; result is what can be accepted, or an error */
    EVL_KIND_UDP = 8,     /* a datagram socket in push mode; result is EVL_READ or an error */
    EVL_KIND_PROCESS = 9, /* a child process; result is its exit status */
    EVL_KIND_PATH = 10,   /* a watched path; result is what happened to it */

    EVL_KIND_FUTURE = 16,    /* a future's done callback made without a function; result is its state */
    EVL_KIND_CALL = 17,      /* a deferred call made without a function */
    EVL_KIND_POST = 18,      /* a post made without a function */
    EVL_KIND_OP = 19,        /* an operation initialised without a function */
    EVL_KIND_CALLBACKS = 20, /* callbacks are ready: give the loop a turn with evl_loop_run(EVL_RUN_NOWAIT) */
    EVL_KIND_STOP = 21,      /* evl_stop was called; result is its argument */
    EVL_KIND_HOLD = 22,      /* only in evl_blocker: evl_loop_hold without its unhold */
    EVL_KIND_DROP = 23       /* only in evl_blocker: a drop that has not run yet */
};

/* The version of the header. evl_version answers that of the library that was linked. */
#define EVL_VERSION_MAJOR 0
#define EVL_VERSION_MINOR 1
#define EVL_VERSION_PATCH 0

/* The library's version as major * 10000 + minor * 100 + patch. @thread any. @since 0.1 */
EVL_API int32_t evl_version(void);

/* The same as text, "0.1.0"; static. @thread any. @since 0.1 */
EVL_API const char *evl_version_string(void);

#ifdef __cplusplus
}
#endif
#endif
