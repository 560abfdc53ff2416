/* evloop/record.h - pulling events instead of being called.
 *
 * Whatever is made without a callback reports through flat records that the caller fetches. evl_loop_records
 * never runs user code: the form for LuaJIT, Go, Java, Python. Callbacks may live on the same loop: an
 * EVL_KIND_CALLBACKS record says that they want a turn, and evl_loop_run answers EVL_RUN_RECORDS when records
 * wait. */
#ifndef EVLOOP_RECORD_H
#define EVLOOP_RECORD_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 32 bytes, the same on every platform. */
typedef struct evl_record {
    uint64_t user_data; /* the `arg` given when it was made; evloop never dereferences it */
    uint64_t id;        /* evl_id of the handle, else 0 */
    int32_t kind;       /* EVL_KIND_* */
    int32_t result;     /* as the callback's, clamped to 32 bits */
    int64_t extra;      /* as the callback's; for a watcher, its fd */
} evl_record;

/* One pass, and up to cap records of it. Waits while there is none, at most timeout_ns (0: not at all,
 * negative: for ever). What does not fit stays first in line.
 * Answers the number of records; 0 when the time is up, evl_wake or a signal ended the wait, or nothing is
 * alive (evl_loop_alive tells). A record that was already fetched is yours, also when its handle is closed
 * now. Errors: as evl_loop_run. @since 0.1 */
EVL_API int32_t evl_loop_records(evl_loop *loop, evl_record *out, int32_t cap, int64_t timeout_ns);

/* sizeof(evl_record) of the library, for bindings to check. @thread any. @since 0.1 */
EVL_API int32_t evl_record_size(void);

#ifdef __cplusplus
}
#endif
#endif
