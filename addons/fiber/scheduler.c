/* scheduler.c - which fibers a loop has, and what becomes of them when it ends.
 *
 * A loop with fibers has one handle of ours, which does nothing: its drop says that the loop was destroyed.
 * It is closed with the last fiber, so that a loop without fibers can be closed. */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list */
static fiber_scheduler *all;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void acquire(void) { (void)pthread_mutex_lock(&lock); }
static void release(void) { (void)pthread_mutex_unlock(&lock); }
static void survive_forks(void) { (void)pthread_atfork(acquire, release, release); }

fiber_scheduler *fiber_scheduler_find(const evl_loop *loop) {
    acquire();
    fiber_scheduler *found = all;
    while (found && found->loop != loop)
        found = found->next;
    release();
    return found;
}

static void enlist(fiber_scheduler *scheduler) {
    (void)pthread_once(&once, survive_forks);
    acquire();
    scheduler->next = all;
    all = scheduler;
    release();
}

/* Nothing finds it any more. */
static void delist(fiber_scheduler *scheduler) {
    acquire();
    fiber_scheduler **at = &all;
    while (*at && *at != scheduler)
        at = &(*at)->next;
    if (*at)
        *at = scheduler->next;
    release();
}

static void end(fiber_scheduler *scheduler) {
    evl_loop_unref(scheduler->loop);
    free(scheduler);
}

static void never(void *arg, int64_t n) { (void)arg, (void)n; }

/* The keeper is gone: with the last fiber, or with the loop. A fiber that runs, which has destroyed its loop,
 * is the last. */
static void drop(void *arg) {
    fiber_scheduler *scheduler = arg;
    delist(scheduler);
    scheduler->down = true;
    scheduler->count++; /* it stays meanwhile */
    for (evl_fiber *fiber = scheduler->first; fiber;) {
        if (fiber->state == EVL_FIBER_RUNNING)
            fiber = fiber->after;
        else {
            fiber_end_now(fiber);
            fiber = scheduler->first;
        }
    }
    if (--scheduler->count == 0)
        end(scheduler);
}

static int32_t make(evl_loop *loop, fiber_scheduler **out) {
    fiber_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler)
        return EVL_ENOMEM;
    int32_t rc = evl_timer_new(loop, never, scheduler, &scheduler->keeper);
    if (rc == 0) {
        rc = evl_set_name(scheduler->keeper, "fibers");
        if (rc == 0)
            rc = evl_set_drop(scheduler->keeper, drop);
        if (rc != 0)
            (void)evl_close(scheduler->keeper);
    }
    if (rc != 0) {
        free(scheduler);
        return rc;
    }
    scheduler->loop = evl_loop_ref(loop);
    enlist(scheduler);
    *out = scheduler;
    return 0;
}

int32_t fiber_scheduler_of(evl_loop *loop, fiber_scheduler **out) {
    *out = fiber_scheduler_find(loop);
    return *out ? 0 : make(loop, out);
}

void fiber_scheduler_add(fiber_scheduler *scheduler, evl_fiber *fiber) {
    fiber->scheduler = scheduler;
    fiber->before = scheduler->last;
    fiber->after = NULL;
    *(scheduler->last ? &scheduler->last->after : &scheduler->first) = fiber;
    scheduler->last = fiber;
    scheduler->count++;
}

void fiber_scheduler_settle(fiber_scheduler *scheduler) {
    if (scheduler->count != 0)
        return;
    if (scheduler->down) {
        end(scheduler);
        return;
    }
    delist(scheduler);
    (void)evl_close(scheduler->keeper); /* its drop ends the rest */
}

void fiber_scheduler_remove(evl_fiber *fiber) {
    fiber_scheduler *scheduler = fiber->scheduler;
    *(fiber->before ? &fiber->before->after : &scheduler->first) = fiber->after;
    *(fiber->after ? &fiber->after->before : &scheduler->last) = fiber->before;
    fiber->scheduler = NULL;
    scheduler->count--;
    fiber_scheduler_settle(scheduler);
}

int64_t evl_fiber_count(const evl_loop *loop) {
    const fiber_scheduler *scheduler = loop ? fiber_scheduler_find(loop) : NULL;
    return scheduler ? scheduler->count : 0;
}
