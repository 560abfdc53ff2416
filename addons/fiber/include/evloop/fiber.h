/* evloop/fiber.h - fibers: functions with a stack of their own, which wait where a callback would have to
 * return.
 *
 *     static int64_t client(void *arg) {
 *         char buf[4096];
 *         int64_t n;
 *         (void)arg;
 *         while ((n = evl_fiber_read(stream, buf, sizeof buf)) > 0 && // this waits, and the loop goes on
 *                (n = evl_fiber_write_all(stream, buf, (size_t)n)) > 0)
 *             continue;
 *         return n;
 *     }
 *
 *     evl_fiber_spawn(loop, client, NULL, NULL, NULL);
 *     evl_loop_run(loop, EVL_RUN_DEFAULT);
 *
 * evl_await waits for any operation of evloop, so that every function that takes an evl_op is a blocking
 * call:
 *
 *     evl_op op;
 *     evl_fiber_op_init(&op);
 *     int32_t rc = evl_lock_acquire(lock, &op);
 *     int64_t result = rc < 0 ? rc : evl_await(&op);
 *
 * Model. A fiber belongs to a loop. It runs as a part of a callback of that loop, on the loop's thread, until
 * it waits, yields or ends; then the callback returns. Nothing else interrupts it. In a fiber everything is
 * allowed that is allowed in a callback: handles may be closed and the loop destroyed. After the loop was
 * destroyed every start returns EVL_ECLOSED, and so nothing waits any more. Where evloop calls a function of
 * the program inside a call (transports, allocators, the `refused` of a wait queue) that function must not
 * wait.
 *
 * Two layers. evl_fiber_spawn and what follows it are a scheduler as gevent's. evl_fiber_new and
 * evl_fiber_switch are greenlet's switches: the program itself says who runs next.
 *
 * Ends. A fiber ends when its function returns, by evl_fiber_exit, by evl_fiber_kill, or with its loop:
 * evl_loop_destroy kills the fibers that are left, before it returns, or before the run around it returns.
 * A fiber that is killed runs its cleanups (evl_fiber_cleanup_push) on its own stack and returns nowhere.
 *
 * Fork. A forked child has copies of all fibers. As every operation, a wait there returns EVL_EFORK until
 * evl_loop_fork was called; then all go on. A child that destroys the loop instead runs the cleanups.
 *
 * This is a library of its own, libevloop-fiber; it needs libevloop and Boost.Context. Its functions are
 * called on the loop's thread. Those that say "of the running fiber" or wait return EVL_EPERM, or NULL,
 * outside of a fiber. */
#ifndef EVLOOP_FIBER_H
#define EVLOOP_FIBER_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Only evloop's own builds define EVLOOP_FIBER_BUILD_SHARED. */
#if defined(EVLOOP_FIBER_BUILD_SHARED) && defined(__GNUC__)
#    define EVL_FIBER_API __attribute__((visibility("default")))
#else
#    define EVL_FIBER_API
#endif

/* --- making fibers --- */

/* A fiber; opaque and reference counted. */
typedef struct evl_fiber evl_fiber;

/* What a fiber runs. Its result is the fiber's: 0 or more, or an error. It must not leave by longjmp or by a
 * C++ exception. */
typedef int64_t evl_fiber_fn(void *arg);

/* Flags of evl_fiber_options. */
enum {
    EVL_FIBER_UNWINDS =
        1, /* when it is killed, its wait returns EVL_ECANCELED, and so does every later one, until its
              function returns; for languages that unwind the stack themselves. Cleanups do not run */
    EVL_FIBER_NO_GUARD = 2,  /* no guard page below the stack: an overflow is not noticed. Where the kernel
                                has no cheap ones (Linux before 6.13) a guard page costs two of the 65,530
                                mappings that a process may have */
    EVL_FIBER_EXCEPTIONS = 4 /* the fiber may wait inside a catch block of C++ */
};

/* How to make a fiber. Set struct_size and the rest to 0, then the wanted fields; 0 in a field is its
 * default. */
typedef struct evl_fiber_options {
    uint32_t struct_size;
    uint32_t flags;   /* EVL_FIBER_* */
    uint64_t stack;   /* bytes of stack, rounded up to pages; 0: 64 KiB */
    const char *name; /* for dumps; copied, at most 31 bytes; NULL: none */
    evl_fn *drop;     /* evl_fiber_spawn: drop(arg) runs once, when the fiber has ended; NULL: none */
} evl_fiber_options;

/* Makes a fiber that runs fn(arg) in the next pass. *out gets a reference, which the caller releases with
 * evl_fiber_unref; out may be NULL, for the fiber needs none to go on. options may be NULL. On an error drop
 * does not run.
 * Errors:
 * - EVL_EINVAL: fn is NULL, struct_size is too small, a flag is unknown, or the stack is above 1 GiB.
 * - EVL_ENOMEM: out of memory or mappings.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_spawn(evl_loop *loop, evl_fiber_fn *fn, void *arg,
                                      const evl_fiber_options *options, evl_fiber **out);

/* Adds a reference. Returns its argument. NULL is allowed. @since 0.1 */
EVL_FIBER_API evl_fiber *evl_fiber_ref(evl_fiber *fiber);

/* Releases a reference. The fiber itself goes on. One that was made by evl_fiber_new and never ran is
 * discarded with its last reference. NULL is allowed. @since 0.1 */
EVL_FIBER_API void evl_fiber_unref(evl_fiber *fiber);

/* Returns the running fiber, without a reference; NULL outside of a fiber. @thread any. @since 0.1 */
EVL_FIBER_API evl_fiber *evl_fiber_self(void);

/* Returns the loop of a fiber; of the running one for NULL. NULL if there is none. @since 0.1 */
EVL_FIBER_API evl_loop *evl_fiber_loop(const evl_fiber *fiber);

/* What a fiber does. */
enum {
    EVL_FIBER_NEW = 0,     /* made, and not run yet */
    EVL_FIBER_READY = 1,   /* queued: it runs in a pass to come */
    EVL_FIBER_RUNNING = 2, /* it runs, or something that it called does */
    EVL_FIBER_WAITING = 3, /* it waits for an operation */
    EVL_FIBER_PARKED = 4,  /* it has switched to another fiber */
    EVL_FIBER_DONE = 5     /* it has ended */
};

/* Returns EVL_FIBER_*. @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_state(const evl_fiber *fiber);

/* Returns the result of a fiber that has ended: that of its function or of evl_fiber_exit; EVL_ECANCELED if
 * it was killed, EVL_ECLOSED if its loop was destroyed; EVL_EAGAIN while it has not ended. @since 0.1 */
EVL_FIBER_API int64_t evl_fiber_result(const evl_fiber *fiber);

/* Names a fiber, for dumps; the running one for NULL. The name is copied, at most 31 bytes of it; a NULL
 * name removes it.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_set_name(evl_fiber *fiber, const char *name);

/* Returns the name of a fiber, "" when it has none; of the running one for NULL. Valid until the next
 * evl_fiber_set_name or the last evl_fiber_unref. @since 0.1 */
EVL_FIBER_API const char *evl_fiber_name(const evl_fiber *fiber);

/* --- waiting --- */

/* Initialises memory as an idle operation that the running fiber can wait for. Whatever starts it, evl_await
 * is called by the same fiber. It is over or closed (evl_op_close) before the fiber ends.
 * Errors:
 * - EVL_EPERM: called outside of a fiber.
 * - EVL_EINVAL: op is NULL.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_op_init(evl_op *op);

/* Waits until an operation that was started is over, and returns its result. One that is over already, or
 * whose start returned 1, does not wait.
 *
 * If the fiber is cancelled, the operation is, and its result is EVL_ECANCELED. Look at what the start
 * returned first: after an error there is nothing to wait for, and this returns the result that the
 * operation had before.
 * Errors:
 * - EVL_EPERM: called outside of a fiber.
 * - EVL_EINVAL: op is NULL or was not initialised.
 * @since 0.1 */
EVL_FIBER_API int64_t evl_await(evl_op *op);

/* Waits until one of n operations is over, and returns its index; the others go on. A NULL in the list is
 * left out. If the fiber is cancelled, this returns EVL_ECANCELED, and all go on.
 * Errors:
 * - EVL_EPERM: called outside of a fiber.
 * - EVL_EINVAL: a NULL pointer, or nothing in the list.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_await_any(evl_op *const *ops, int32_t n);

/* Lets everything else that is ready run first: the fiber goes on in the next pass. Returns 0, or
 * EVL_ECANCELED. gevent's sleep(0).
 * Errors:
 * - EVL_EPERM: called outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_yield(void);

/* Waits ns nanoseconds, counted from now. Returns 0, or EVL_ECANCELED.
 * Errors: those of evl_sleep, and EVL_EPERM outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_sleep(int64_t ns);

/* Waits until fd is ready for `mask` (EVL_READ, EVL_WRITE), timeout_ns nanoseconds at most (EVL_NEVER:
 * without limit). Returns the mask of what it is ready for, EVL_ETIMEDOUT or EVL_ECANCELED. Errors: those of
 * evl_wait_fd, and EVL_EPERM outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API int64_t evl_fiber_wait_fd(evl_fd fd, uint32_t mask, int64_t timeout_ns);

/* Reads what is there, at least one byte and at most cap, as evl_stream_read. Returns the number of bytes, 0
 * at the end, or an error.
 * Errors: those of evl_stream_read, and EVL_EPERM outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API int64_t evl_fiber_read(evl_stream *stream, void *buf, size_t cap);

/* Writes all bytes, and waits while the stream has too much queued (evl_stream_drain). Returns len. On an
 * error some may have been written.
 * Errors: those of evl_stream_write and evl_stream_drain, and EVL_EPERM outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API int64_t evl_fiber_write_all(evl_stream *stream, const void *data, size_t len);

/* Connects to a host and a service, as evl_connect on the fiber's loop; options may be NULL.
 * Errors: those of evl_connect, and EVL_EPERM outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_connect(const char *host, const char *service,
                                        const evl_connect_options *options, evl_stream **out);

/* Waits for a connection and takes it, as evl_server_accept_op.
 * Errors: those of evl_server_accept_op, and EVL_EPERM outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_accept(evl_server *server, evl_stream **out);

/* --- the end of a fiber --- */

/* Waits until a fiber has ended, timeout_ns nanoseconds at most (EVL_NEVER: without limit), and stores its
 * result; result may be NULL. Any number of fibers may join one, also after it has ended. The caller holds a
 * reference. Returns 0.
 * Errors:
 * - EVL_ETIMEDOUT: it has not ended; it goes on.
 * - EVL_ECANCELED: the running fiber was cancelled.
 * - EVL_EDEADLK: a fiber cannot join itself.
 * - EVL_EPERM: called outside of a fiber, and it has not ended.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_join(evl_fiber *fiber, int64_t timeout_ns, int64_t *result);

/* Waits until n fibers have ended, timeout_ns nanoseconds at most. gevent's joinall. NULL in the list is left
 * out. Returns 0; ask each for its result.
 * Errors: those of evl_fiber_join.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_join_all(evl_fiber *const *fibers, int32_t n, int64_t timeout_ns);

/* Completes with 0 when a fiber has ended: for callbacks, futures and coroutines that wait for one. The
 * caller holds a reference until then.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_wait(evl_fiber *fiber, evl_op *op);

/* Asks a fiber to end: the operation that it waits for is cancelled, or else the next one that it waits for;
 * its evl_await returns EVL_ECANCELED. What it does about it is its own affair. Requests are counted as those
 * of asyncio's tasks; each is delivered once. Returns 1, or 0 if the fiber has ended. Allowed in a forked
 * child.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_cancel(evl_fiber *fiber);

/* Takes one request back, as far as it was not delivered. Returns how many are left. @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_uncancel(evl_fiber *fiber);

/* Returns how many requests there are. @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_cancelling(const evl_fiber *fiber);

/* Ends a fiber where it waits: in a pass to come its cleanups run, and its result is EVL_ECANCELED. Nothing
 * of its stack is unwound otherwise; see EVL_FIBER_UNWINDS. What it waits for is closed at once
 * (evl_op_close). Cleanups cannot wait: each wait returns EVL_ECANCELED at once. The running fiber ends by
 * evl_fiber_exit. Returns 1, or 0 if the fiber has ended. Errors:
 * - EVL_EBUSY: the fiber is running.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_kill(evl_fiber *fiber);

/* Ends the running fiber with a result, after its cleanups have run. Does not return. Outside of a fiber it
 * returns EVL_EPERM.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_exit(int64_t result);

/* A cleanup: 32 bytes of the caller's memory, usually on the fiber's stack; opaque. */
typedef struct evl_fiber_cleanup {
    uint64_t opaque[4];
} evl_fiber_cleanup;

/* Registers fn(arg) with the running fiber, to be called if it is killed or ends by evl_fiber_exit: the last
 * one first. The memory stays valid until it is popped. As pthread_cleanup_push.
 * Errors:
 * - EVL_EPERM: called outside of a fiber.
 * - EVL_EINVAL: a NULL pointer.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_cleanup_push(evl_fiber_cleanup *cleanup, evl_fn *fn, void *arg);

/* Removes a cleanup, which must be the last that was registered, before its function returns; runs it if
 * `run` is not 0.
 * Errors:
 * - EVL_EPERM: called outside of a fiber.
 * - EVL_EINVAL: it is not the last one.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_cleanup_pop(evl_fiber_cleanup *cleanup, int32_t run);

/* --- local storage --- */

/* Stores a value with the running fiber under a key, which is the address of anything of the program's.
 * drop(value) runs when another is stored there or the fiber ends; it may be NULL. A value NULL removes the
 * key. On an error drop does not run.
 * Errors:
 * - EVL_EPERM: called outside of a fiber.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_set_local(const void *key, void *value, evl_fn *drop);

/* Returns the value of the running fiber under a key; NULL if it has none, and outside of a fiber.
 * @since 0.1 */
EVL_FIBER_API void *evl_fiber_local(const void *key);

/* --- switching --- */

/* Makes a fiber that runs when it is switched to: the value of the first switch is its function's argument.
 * Its parent, to which it goes when it ends, is the running fiber, or the program's own stack. Its result is
 * the value that the parent's switch receives, as a number; a negative one is the error that it returns.
 * Errors: those of evl_fiber_spawn, and EVL_EINVAL: options with a drop.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_new(evl_loop *loop, evl_fiber_fn *fn, const evl_fiber_options *options,
                                    evl_fiber **out);

/* Switches to a fiber at once and gives it a value, which its own switch receives. Returns 0 when something
 * switches back, with the value it gave in *received; received may be NULL. NULL as target is the program's
 * own stack, if that has switched. What switches to itself receives its own value. A call that returns
 * EVL_EINPROGRESS received nothing: the fibers now wait for their loop, and the program's stack may run it.
 *
 * A fiber that has switched away is PARKED, and only a switch, a throw or a kill lets it go on.
 * Errors:
 * - an error that was thrown (evl_fiber_throw), or that a child has ended with.
 * - EVL_EBUSY: the target waits for an operation, is queued, or runs already.
 * - EVL_ESRCH: the target has ended.
 * - EVL_EINVAL: the target is of another loop; or it is the program's own stack, which has not switched.
 * - EVL_ECANCELED: the fiber was killed meanwhile (EVL_FIBER_UNWINDS).
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_switch(evl_fiber *target, void *value, void **received);

/* As evl_fiber_switch, but the switch of the target returns `error`. One that has not run yet ends with it,
 * and the error goes to its parent.
 * Errors: those of evl_fiber_switch, and EVL_EINVAL: error is not negative.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_throw(evl_fiber *target, int32_t error, void **received);

/* Returns the parent of a fiber, without a reference; NULL is the program's own stack. @since 0.1 */
EVL_FIBER_API evl_fiber *evl_fiber_parent(const evl_fiber *fiber);

/* Changes the parent.
 * Errors:
 * - EVL_EINVAL: a NULL fiber, another loop, or the fiber would be its own ancestor.
 * @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_set_parent(evl_fiber *fiber, evl_fiber *parent);

/* --- looking at fibers --- */

/* Returns how many fibers of a loop have not ended. @since 0.1 */
EVL_FIBER_API int64_t evl_fiber_count(const evl_loop *loop);

/* Writes all fibers of a loop as text, one line each: id, name, what each waits for, since when, and where in
 * the program, as a file and an offset for addr2line. At most cap bytes with the final 0. Returns the length
 * of the whole text without the final 0. @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_dump(const evl_loop *loop, char *buf, size_t cap);

/* Returns how many bytes of its stack a fiber has used at most; of the running one for NULL.
 * Errors:
 * - EVL_ENOTSUP: the library was not built with EVLOOP_CHECKS, which paints stacks.
 * - EVL_ESRCH: it has ended.
 * @since 0.1 */
EVL_FIBER_API int64_t evl_fiber_stack_used(const evl_fiber *fiber);

/* Unmaps the stacks that this thread keeps for fibers to come, 64 of the default size at most. Returns how
 * many there were. @thread any. @since 0.1 */
EVL_FIBER_API int32_t evl_fiber_trim(void);

#ifdef __cplusplus
}
#endif
#endif
