/* signals.h - watched signals. Not signal.h, which is the system's. */
#ifndef EVL_CORE_SIGNALS_H
#define EVL_CORE_SIGNALS_H

#include "handle.h"

typedef struct evl_signal_handle {
    evl_handle base;
    evl_link peers;             /* in evl_signal_sub.watchers */
    struct evl_signal_sub *sub; /* signal.c: this loop's interest in that signal */
} evl_signal_handle;

extern const evl_handle_type evl_signal_type;
void evl_signals_due(evl_loop *loop);

/* An internal handle that calls fn(arg, count) once and goes. EVL_EINVAL: there is no such signal. */
int evl_signal_internal(evl_loop *loop, int signo, evl_done_fn *fn, void *arg, evl_handle **out);

#endif
