/* blockers.h - what keeps a loop from being closed. */
#ifndef EVL_CORE_BLOCKERS_H
#define EVL_CORE_BLOCKERS_H

#include <evloop/base.h>
#include <evloop/metrics.h>
#include <stdint.h>

int32_t evl_count_blockers(const evl_loop *loop);
int32_t evl_blockers_queued(const evl_loop *loop, evl_blocker *out, int32_t cap); /* all but the handles */

#endif
