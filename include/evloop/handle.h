/* evloop/handle.h - what every handle can do: watchers, timers, signals, hooks.
 *
 * A handle belongs to the loop that made it and lives until evl_close. Its pointer is then dead, as after
 * free(); a call through it is usually answered with EVL_ESTALE (always when the library was built with
 * EVLOOP_CHECKS), but do not count on it. What may outlive a handle is its id. */
#ifndef EVLOOP_HANDLE_H
#define EVLOOP_HANDLE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Closes a handle. After it returns no callback and no new record of that handle appears, and a callback that
 * was already due is taken back. Never allocates, never fails for a live handle. May be called from the
 * handle's own callback. A fd that was watched is not closed. NULL: 0.
 * Errors: EVL_ESTALE (closed before), EVL_ETHREAD. @since 0.1 */
EVL_API int32_t evl_close(evl_handle *handle);

/* Closes by id from anywhere: a post to the loop, for finalizers of other languages. An id that is no longer
 * there is no error. Errors: EVL_ECLOSED, EVL_ENOMEM, EVL_ENOTSUP (EVL_LOOP_NOPOST). @thread any. @since 0.1
 */
EVL_API int32_t evl_close_later(evl_loop *loop, uint64_t id);

/* A number that no other handle of this loop has or will have. 0 for a NULL or closed handle. @since 0.1 */
EVL_API uint64_t evl_id(const evl_handle *handle);

/* The handle of an id, or NULL when it has been closed. @since 0.1 */
EVL_API evl_handle *evl_lookup(evl_loop *loop, uint64_t id);

/* EVL_KIND_*, or EVL_ESTALE. @since 0.1 */
EVL_API int32_t evl_kind(const evl_handle *handle);

/* The loop, and the argument given when the handle was made. NULL for a closed handle. @since 0.1 */
EVL_API evl_loop *evl_loop_of(const evl_handle *handle);
EVL_API void *evl_arg(const evl_handle *handle);

/* Gives the handle another argument, for an owner whose memory moves. What is due already, records and the
 * drop get the new one too. Works in a forked child. Errors: EVL_ESTALE, EVL_ECLOSED, EVL_ETHREAD. @since 0.1
 */
EVL_API int32_t evl_set_arg(evl_handle *handle, void *arg);

/* Names a handle for dumps and blockers. The name is copied, its first 31 bytes; NULL takes it away.
 * Errors: EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_set_name(evl_handle *handle, const char *name);

/* The name, or "" when it has none. Valid until the next evl_set_name or evl_close. @since 0.1 */
EVL_API const char *evl_name(const evl_handle *handle);

/* Gives the handle's argument a drop: it runs exactly once with the argument when the handle is closed or the
 * loop destroyed, from the loop, never inside the call that caused it (destroy excepted). NULL takes it away.
 * On an error it does not run. Errors: EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_set_drop(evl_handle *handle, evl_fn *drop);

/* Whether the handle keeps evl_loop_run going while it is active. On by default for watchers and timers, off
 * for signals and hooks. @since 0.1 */
EVL_API int32_t evl_keep_alive(evl_handle *handle, int32_t on);

/* 1 while the handle can still produce something: a started timer, a watcher with a mask; 0 if not. @since
 * 0.1 */
EVL_API int32_t evl_active(const evl_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
