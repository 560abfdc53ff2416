/* evloop/record.h - fetching events as data instead of being called.
 *
 * Use it where callbacks from C are expensive or impossible: LuaJIT, Go, Java, Python. Whatever is made
 * with a NULL function reports through flat records, and evl_loop_records never runs user code:
 *
 *     evl_record records[64];
 *     evl_timer_new(loop, NULL, (void *)1, &timer);
 *     int32_t n = evl_loop_records(loop, records, 64, -1);
 *     for (int32_t i = 0; i < n; i++)
 *         dispatch(records[i].user_data, records[i].result);
 *
 * Records and callbacks can be mixed on one loop. A record of EVL_KIND_CALLBACKS says that callbacks are
 * ready and evl_loop_run should be called; evl_loop_run returns EVL_RUN_RECORDS when records are ready. */
#ifndef EVLOOP_RECORD_H
#define EVLOOP_RECORD_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One event: 32 bytes, with the same layout on every platform. */
typedef struct evl_record {
    uint64_t user_data; /* the `arg` given when the object was made; evloop never dereferences it */
    uint64_t id;        /* evl_id of the handle, evl_future_id of the future, else 0 */
    int32_t kind;       /* EVL_KIND_* */
    int32_t result;     /* the callback's result, clamped to 32 bits */
    int64_t extra;      /* the callback's result in full; for a watcher, its fd */
} evl_record;

/* Runs one pass and stores up to `cap` records in `out`.
 *
 * Waits while there is no record, at most timeout_ns nanoseconds; 0 does not wait, a negative timeout
 * waits without limit. Records that do not fit stay queued, in order. A record that was fetched is valid
 * even if its handle has been closed since.
 *
 * Returns the number of records. 0 means that the time is up, that evl_wake or a signal ended the wait, or
 * that nothing is alive (evl_loop_alive); evl_loop_fetch tells them apart. It runs no callback, and so may be
 * called, too, while records of an earlier call are being worked on, however deep. Errors: those of
 * evl_loop_run. @since 0.1 */
EVL_API int32_t evl_loop_records(evl_loop *loop, evl_record *out, int32_t cap, int64_t timeout_ns);

/* Why evl_loop_fetch has returned. */
enum {
    EVL_FETCH_RECORDS = 0, /* there are records: count is not 0 */
    EVL_FETCH_TIMEOUT = 1, /* the time is up */
    EVL_FETCH_WAKE = 2,    /* evl_wake */
    EVL_FETCH_SIGNAL = 3,  /* a signal without a watcher has ended the wait */
    EVL_FETCH_IDLE = 4     /* nothing is alive (evl_loop_alive), so there is nothing to wait for */
};

/* Room for records, and what was fetched into it. */
typedef struct evl_record_batch {
    evl_record *records; /* the caller's array */
    int32_t cap;         /* how many it has room for */
    int32_t count;       /* set by evl_loop_fetch */
    int32_t reason;      /* set by evl_loop_fetch: EVL_FETCH_*, or the error */
    int32_t reserved;    /* 0 */
} evl_record_batch;

/* As evl_loop_records, with the count in memory and the reason apart: for a host whose call may be abandoned
 * on its way back, as by an exception of a signal handler, and which has to find the records then.
 *
 * Returns what is stored in batch->reason, too. Errors: those of evl_loop_records, after which count is 0.
 * @since 0.1 */
EVL_API int32_t evl_loop_fetch(evl_loop *loop, evl_record_batch *batch, int64_t timeout_ns);

/* Returns sizeof(evl_record) of the library, for bindings to check. @thread any. @since 0.1 */
EVL_API int32_t evl_record_size(void);

#ifdef __cplusplus
}
#endif
#endif
