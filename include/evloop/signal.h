/* evloop/signal.h - Unix signals as ordinary callbacks.
 *
 *     evl_signal_new(loop, SIGINT, interrupted, app, &sig);    // interrupted(app, n) on the loop's thread
 *
 * Any number of watchers and loops may watch a signal. To wait for one once, see evl_wait_signal (op.h).
 *
 * The signal handler is installed with the process's first watcher of the signal. The previous disposition
 * is restored with the last one, if evloop's handler is still the installed one. A previous handler
 * function is called in turn, in signal context; SIG_DFL and SIG_IGN are not acted on. */
#ifndef EVLOOP_SIGNAL_H
#define EVLOOP_SIGNAL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Watches a signal: fn(arg, n) runs with n, the number of deliveries since it last ran.
 *
 * fn NULL produces records of EVL_KIND_SIGNAL. Does not keep the loop alive unless evl_keep_alive is
 * called.
 * Errors:
 * - EVL_EINVAL: there is no such signal, or it cannot be caught.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_signal_new(evl_loop *loop, int32_t signo, evl_done_fn *fn, void *arg, evl_signal **out);

/* Returns the signal's number. @since 0.1 */
EVL_API int32_t evl_signal_number(const evl_signal *handle);

#ifdef __cplusplus
}
#endif
#endif
