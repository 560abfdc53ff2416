/* records.h - pulling records, and the notices about the loop itself. */
#ifndef EVL_CORE_RECORDS_H
#define EVL_CORE_RECORDS_H

#include "loop.h"

int32_t evl_clamp_result(int64_t value); /* what a record has room for */

/* A run has seen to what evl_loop_records would say about the loop itself. */
static inline void evl_notices_done(evl_loop *loop) {
    evl_list_unlink(&loop->stop_notice.link);
    evl_list_unlink(&loop->call_notice.link);
}

#endif
