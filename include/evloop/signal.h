/* evloop/signal.h - Unix signals as ordinary callbacks.
 *
 * Any number of watchers and loops may watch a signal. The handler is installed with the first watcher of the
 * process and the previous disposition restored with the last, if ours is still the installed one; a previous
 * handler is called in turn (in signal context, as ever), SIG_DFL and SIG_IGN are not. */
#ifndef EVLOOP_SIGNAL_H
#define EVLOOP_SIGNAL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Watches a signal. fn gets the number of deliveries since it last ran. fn NULL: records. Does not keep the
 * loop alive unless evl_keep_alive.
 * Errors: EVL_EINVAL (no such signal, or one that cannot be caught), EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_signal_new(evl_loop *loop, int32_t signo, evl_done_fn *fn, void *arg, evl_signal **out);

/* The signal's number, or an error. @since 0.1 */
EVL_API int32_t evl_signal_number(const evl_signal *handle);

#ifdef __cplusplus
}
#endif
#endif
