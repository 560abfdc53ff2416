/* evloop/handle.h - what every handle can do: watchers, timers, signals, hooks, streams, servers and the
 * rest.
 *
 * A handle belongs to the loop that made it and is open until evl_close. After that its pointer must not
 * be used, as after free(): a call through it usually returns EVL_ESTALE (always where the library was
 * built with EVLOOP_CHECKS), but a program must not rely on that. What may outlive a handle is its id:
 *
 *     uint64_t id = evl_id(timer);
 *     evl_handle *again = evl_lookup(loop, id);    // NULL when it was closed in the meantime */
#ifndef EVLOOP_HANDLE_H
#define EVLOOP_HANDLE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Closes a handle.
 *
 * Takes effect at once: after the call no callback of the handle runs and no new record of it appears. A
 * callback that was already queued is cancelled. May be called anywhere on the loop's thread, also in the
 * handle's own callback, and in a forked child. Operations that wait on the handle (a read on a stream)
 * complete with EVL_ECLOSED in the next pass. Closing a watcher does not close its fd; closing a stream,
 * server or datagram socket does, unless it was opened with a KEEP_FD flag. Never allocates memory. NULL
 * is allowed and returns 0. So is a handle of a loop that was destroyed, while a reference to that is held.
 * Errors:
 * - EVL_ESTALE: the handle was closed before.
 * @since 0.1 */
EVL_API int32_t evl_close(evl_handle *handle);

/* Closes a handle by its id, from any thread: for finalizers of other languages. The loop closes it in a
 * later pass. An id whose handle was closed already is no error.
 * Errors:
 * - EVL_ECLOSED: the loop was closed or destroyed.
 * - EVL_ENOMEM: out of memory.
 * - EVL_ENOTSUP: the loop was made with EVL_LOOP_NOPOST.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_close_later(evl_loop *loop, uint64_t id);

/* Returns the handle's id, a number that no other handle of its loop has or will have; 0 for NULL or a
 * closed handle. @since 0.1 */
EVL_API uint64_t evl_id(const evl_handle *handle);

/* Returns the handle with this id, or NULL when it was closed. @since 0.1 */
EVL_API evl_handle *evl_lookup(evl_loop *loop, uint64_t id);

/* Returns the handle's kind, EVL_KIND_*; EVL_ESTALE for a closed handle. @since 0.1 */
EVL_API int32_t evl_kind(const evl_handle *handle);

/* Returns the handle's loop; NULL for a closed handle. @since 0.1 */
EVL_API evl_loop *evl_loop_of(const evl_handle *handle);

/* Returns the handle's own argument: the one it was made with, or the last of evl_set_arg; NULL for a closed
 * handle.
 *
 * Streams, servers and datagram sockets are made without a function, so their own argument is NULL until
 * evl_set_arg. The argument of evl_stream_on_data, evl_server_on_connection and evl_udp_on_data is another
 * one: only that function gets it, or its records as user_data. None of the three changes the handle's own
 * argument, and a drop never gets what was meant for a function. @since 0.1 */
EVL_API void *evl_arg(const evl_handle *handle);

/* Replaces the handle's own argument, for an owner whose memory moves. The drop gets the new argument, and
 * for a handle that was made with a function so do callbacks that are queued and records. Works in a forked
 * child.
 * Errors:
 * - EVL_ENOMEM: out of memory; streams, servers and datagram sockets only.
 * @since 0.1 */
EVL_API int32_t evl_set_arg(evl_handle *handle, void *arg);

/* Replaces the argument of evl_stream_on_data, evl_server_on_connection or evl_udp_on_data in the same way.
 * Errors:
 * - EVL_EINVAL: a handle of another kind.
 * @since 0.1 */
EVL_API int32_t evl_set_push_arg(evl_handle *handle, void *arg);

/* Names a handle, for evl_loop_dump and evl_loop_blockers. The name is copied, at most 31 bytes of it;
 * NULL removes it.
 * Errors:
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_set_name(evl_handle *handle, const char *name);

/* Returns the name, "" when it has none. Valid until the next evl_set_name or evl_close. @since 0.1 */
EVL_API const char *evl_name(const evl_handle *handle);

/* Sets a destructor of the handle's own argument (evl_arg): drop(arg) runs exactly once, in a later pass,
 * after the handle was closed or the loop destroyed. evl_loop_destroy runs it before it returns. NULL
 * removes it.
 * Errors:
 * - EVL_ENOMEM: out of memory; the destructor is not set.
 * @since 0.1 */
EVL_API int32_t evl_set_drop(evl_handle *handle, evl_fn *drop);

/* Sets whether an active handle keeps evl_loop_run from returning. On by default for all handles but
 * signal watchers, async handles and hooks. @since 0.1 */
EVL_API int32_t evl_keep_alive(evl_handle *handle, int32_t on);

/* Returns 1 while the handle can still produce an event (a started timer, a watcher with a mask), else 0.
 * @since 0.1 */
EVL_API int32_t evl_active(const evl_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
