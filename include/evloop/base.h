/* evloop/base.h - the types that every other header uses: loops, handles, callbacks, kinds, and the
 * version.
 *
 * A program includes <evloop.h>, which includes everything. Conventions of the whole library:
 *
 * - Times and durations are int64_t nanoseconds (EVL_MS, EVL_SECOND); the parameter's name ends in _ns or the
 *   comment says so.
 * - A function returns 0 or a positive number, or a negative error code (errors.h).
 * - A function that makes an object stores it in *out, or NULL when it fails.
 * - Callbacks never run inside the call that caused them. They run on the loop's thread, in a later pass.
 * - Every function may be called on the loop's thread only, unless its comment says "@thread any"
 *   (loop.h). */
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

/* A microsecond in nanoseconds. It and those below are to multiply: 5 * EVL_SECOND. Each is an int64_t. */
#define EVL_US INT64_C(1000)
/* A millisecond in nanoseconds. */
#define EVL_MS INT64_C(1000000)
/* A second in nanoseconds. */
#define EVL_SECOND INT64_C(1000000000)
/* A minute in nanoseconds. */
#define EVL_MINUTE INT64_C(60000000000)
/* An hour in nanoseconds. */
#define EVL_HOUR INT64_C(3600000000000)

/* A file descriptor. */
typedef int32_t evl_fd;

/* An event loop (loop.h); opaque. */
typedef struct evl_loop evl_loop;

/* A handle: something on a loop that can happen many times, such as a timer or a stream; opaque.
 *
 * Every kind of handle is the same C type and its kind is checked at run time, so that one evl_close, one
 * evl_id and one evl_set_name (handle.h) serve all kinds. The other names say which kind a function
 * expects; a handle of another kind is EVL_EINVAL. */
typedef struct evl_handle evl_handle;
typedef struct evl_handle evl_io;
typedef struct evl_handle evl_timer;
typedef struct evl_handle evl_signal;
typedef struct evl_handle evl_async;
typedef struct evl_handle evl_hook;
typedef struct evl_handle evl_stream;
typedef struct evl_handle evl_server;
typedef struct evl_handle evl_udp;
typedef struct evl_handle evl_process;
typedef struct evl_handle evl_path;

/* Whatever a function makes it stores in *out, and NULL there when it fails or, if what it makes comes with
 * an operation's completion, until then. evl_close, and every _free and _unref, takes NULL. */

/* A callback without a result: deferred calls, posts, hooks, jobs.
 *
 * Also the type of a `drop`, the destructor of an argument: where a function takes one, drop(arg) runs
 * exactly once, when the library no longer needs arg, in a later pass of the loop. Three things run it
 * sooner: evl_loop_close and evl_loop_destroy run what is left before they return, evl_queue_free and an
 * immediate shutdown of a queue drop its items from that call, and once the loop is gone arg is dropped by
 * whoever gives it up last, such as a pool's thread or evl_future_unref. When the function that took it
 * fails, drop does not run and arg is still the caller's. drop may be NULL.
 *
 * A callback must not leave by longjmp or by a C++ exception. */
typedef void evl_fn(void *arg);

/* A callback with a result: a watcher's mask or error, a timer's number of expirations, an operation's
 * result. Must not leave by longjmp or by a C++ exception. */
typedef void evl_done_fn(void *arg, int64_t result);

/* Kinds: evl_record.kind, evl_blocker.kind and evl_kind(). Kinds below 16 are kinds of handles. */
enum {
    EVL_KIND_IO = 1,     /* an fd watcher; result is a mask or an error */
    EVL_KIND_TIMER = 2,  /* a timer; result is the number of expirations */
    EVL_KIND_SIGNAL = 3, /* a signal watcher; result is the number of deliveries */
    EVL_KIND_HOOK = 4,   /* a hook; never in a record */
    EVL_KIND_WALL = 5,   /* a wall-clock timer; result is the number of expirations */
    EVL_KIND_STREAM = 6, /* a stream in push mode; result is the number of bytes, 0 at the end, or an error */
    EVL_KIND_SERVER = 7, /* a server; result is 1 when connections can be accepted, or an error */
    EVL_KIND_UDP = 8,    /* a datagram socket in push mode; result is EVL_READ or an error */
    EVL_KIND_PROCESS = 9,    /* a child process; result is its exit status */
    EVL_KIND_PATH = 10,      /* a watched path; result is a mask of EVL_PATH_*, or an error */
    EVL_KIND_ASYNC = 11,     /* an async handle; result is the number of sends */
    EVL_KIND_LINGERING = 15, /* only in evl_blocker: a closed stream that still sends, see stream.h */

    EVL_KIND_FUTURE = 16,    /* a future's done callback made without a function; result is its state */
    EVL_KIND_CALL = 17,      /* a deferred call made without a function */
    EVL_KIND_POST = 18,      /* a post made without a function */
    EVL_KIND_OP = 19,        /* an operation initialised without a function */
    EVL_KIND_CALLBACKS = 20, /* callbacks are ready: call evl_loop_run(loop, EVL_RUN_NOWAIT) */
    EVL_KIND_STOP = 21,      /* evl_stop was called; result is its argument */
    EVL_KIND_HOLD = 22,      /* only in evl_blocker: evl_loop_hold without evl_loop_unhold */
    EVL_KIND_DROP = 23       /* only in evl_blocker: a drop that has not run yet */
};

/* The version of this header. evl_version returns that of the library that was linked. */
#define EVL_VERSION_MAJOR 0
#define EVL_VERSION_MINOR 1
#define EVL_VERSION_PATCH 0

/* Returns the library's version as major * 10000 + minor * 100 + patch. @thread any. @since 0.1 */
EVL_API int32_t evl_version(void);

/* Returns the library's version as text, such as "0.1.0", in static memory. @thread any. @since 0.1 */
EVL_API const char *evl_version_string(void);

#ifdef __cplusplus
}
#endif
#endif
