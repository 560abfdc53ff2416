/* process.h - starting a child with something to be done between opening its pipes and starting it, so that a
 * call that fails has started nothing. */
#ifndef EVL_CORE_PROCESS_H
#define EVL_CORE_PROCESS_H

#include <evloop/process.h>

/* `fds` are the parent's ends of the pipes and sockets, one for each of options->stdio, -1: none. What open
 * takes over it replaces by -1. undo: nothing was started after all. */
typedef struct evl_process_setup {
    int (*open)(struct evl_process_setup *setup, const evl_process_options *options, int32_t *fds);
    void (*undo)(struct evl_process_setup *setup, const evl_process_options *options);
    evl_loop *loop;
} evl_process_setup;

int evl_process_start(evl_loop *loop, const evl_process_options *given, evl_process_setup *setup,
                      evl_done_fn *fn, void *arg, evl_process **out);

#endif
