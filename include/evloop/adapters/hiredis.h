/* evloop/adapters/hiredis.h - Redis by hiredis: its asynchronous contexts on a loop.
 *
 *     redisAsyncContext *ac = redisAsyncConnect("127.0.0.1", 6379);
 *     redisEvloopAttach(ac, loop);
 *     redisAsyncCommand(ac, got, conn, "GET %s", key);
 *
 * Used as the adapters that hiredis has for other loops. Only this header: link hiredis and evloop. Works
 * with hiredis 0.14 and newer; time limits (redisAsyncSetTimeout) need its 1.0. */
#ifndef EVLOOP_ADAPTERS_HIREDIS_H
#define EVLOOP_ADAPTERS_HIREDIS_H

#include <evloop.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

/* What an attached context has as ev.data. Reading and writing have a watcher each, so that neither needs
 * anything of this after it has called hiredis, which may free the context then. */
typedef struct redisEvloopEvents {
    redisAsyncContext *context;
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    evl_io *reading;
    evl_io *writing;
    evl_timer *timer;
} redisEvloopEvents;

/* The fd was closed under the watcher, which hiredis finds by itself, or declared so (evl_fd_closing), which
 * it does not: then the context ends here, and its commands with a reply of NULL. */
static inline int redisEvloopEnded(redisEvloopEvents *e, int64_t result) {
    if (result >= 0 || result == EVL_EBADF)
        return 0;
    redisAsyncFree(e->context);
    return 1;
}

static inline void redisEvloopReadable(void *arg, int64_t result) {
    redisEvloopEvents *e = (redisEvloopEvents *)arg;
    if (!redisEvloopEnded(e, result))
        redisAsyncHandleRead(e->context);
}

static inline void redisEvloopWritable(void *arg, int64_t result) {
    redisEvloopEvents *e = (redisEvloopEvents *)arg;
    if (!redisEvloopEnded(e, result))
        redisAsyncHandleWrite(e->context);
}

static inline void redisEvloopAddRead(void *arg) {
    (void)evl_io_set(((redisEvloopEvents *)arg)->reading, EVL_READ);
}
static inline void redisEvloopDelRead(void *arg) { (void)evl_io_set(((redisEvloopEvents *)arg)->reading, 0); }
static inline void redisEvloopAddWrite(void *arg) {
    (void)evl_io_set(((redisEvloopEvents *)arg)->writing, EVL_WRITE);
}
static inline void redisEvloopDelWrite(void *arg) {
    (void)evl_io_set(((redisEvloopEvents *)arg)->writing, 0);
}

#if HIREDIS_MAJOR >= 1
static inline void redisEvloopTimedOut(void *arg, int64_t expirations) {
    (void)expirations;
    redisAsyncHandleTimeout(((redisEvloopEvents *)arg)->context);
}

static inline void redisEvloopScheduleTimer(void *arg, struct timeval tv) {
    redisEvloopEvents *e = (redisEvloopEvents *)arg;
    if (!e->timer && evl_timer_new(e->loop, redisEvloopTimedOut, e, &e->timer) != 0)
        return;
    (void)evl_timer_start_in(e->timer, (int64_t)tv.tv_sec * EVL_SECOND + (int64_t)tv.tv_usec * EVL_US, 0);
}
#endif

static inline void redisEvloopCleanup(void *arg) {
    redisEvloopEvents *e = (redisEvloopEvents *)arg;
    (void)evl_close(e->reading);
    (void)evl_close(e->writing);
    (void)evl_close(e->timer);
    evl_loop_unref(e->loop);
    free(e);
}

/* Attaches a context to a loop, once, before its first command. Returns REDIS_OK, or REDIS_ERR: it is
 * attached already, its connect has failed (ac->err), or there is no memory.
 *
 * While it is connected it keeps the loop alive. redisAsyncFree and redisAsyncDisconnect detach it, also in a
 * callback of it. Either may end first: of a destroyed loop the context waits for nothing any more, and
 * redisAsyncFree calls what is still waiting for a reply with NULL. */
static inline int redisEvloopAttach(redisAsyncContext *ac, evl_loop *loop) {
    if (ac->ev.data || ac->err)
        return REDIS_ERR;
    redisEvloopEvents *e = (redisEvloopEvents *)calloc(1, sizeof *e);
    if (!e)
        return REDIS_ERR;
    e->context = ac;
    e->loop = evl_loop_ref(loop);
    if (evl_io_new(loop, (evl_fd)ac->c.fd, 0, 0, redisEvloopReadable, e, &e->reading) != 0 ||
        evl_io_new(loop, (evl_fd)ac->c.fd, 0, 0, redisEvloopWritable, e, &e->writing) != 0) {
        redisEvloopCleanup(e);
        return REDIS_ERR;
    }
    ac->ev.data = e;
    ac->ev.addRead = redisEvloopAddRead;
    ac->ev.delRead = redisEvloopDelRead;
    ac->ev.addWrite = redisEvloopAddWrite;
    ac->ev.delWrite = redisEvloopDelWrite;
    ac->ev.cleanup = redisEvloopCleanup;
#if HIREDIS_MAJOR >= 1
    ac->ev.scheduleTimer = redisEvloopScheduleTimer;
#endif
    return REDIS_OK;
}

#endif
