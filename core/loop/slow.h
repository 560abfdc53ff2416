/* slow.h - callbacks are called with this while they are timed. */
#ifndef EVL_CORE_SLOW_H
#define EVL_CORE_SLOW_H

#include "../base/node.h"
#include <evloop/base.h>

void evl_run_timed(evl_loop *loop, evl_node *node);
void evl_call_timed(evl_loop *loop, evl_fn *fn, void *arg);

#endif
