/* access.h - which thread may use a loop, and when: what every call checks first. */
#ifndef EVL_CORE_ACCESS_H
#define EVL_CORE_ACCESS_H

#include "../base/compiler.h"
#include "../base/fork.h"
#include "../base/leaf.h"
#include "handle.h"
#include "loop.h"
#include <evloop/errors.h>
#include <pthread.h>

/* What stands in evl_loop.gate instead of a generation. */
#define EVL_GATE_CLOSING                                                                                     \
    (UINT32_MAX - 1) /* goes down: calls are refused, posts of other threads are not yet */
#define EVL_GATE_SHUT UINT32_MAX

/* A number that no other living thread has. The thread's register saves a call in every call. */
static inline uintptr_t evl_self(void) {
#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__)) && EVL_HAS(__builtin_thread_pointer)
    return (uintptr_t)__builtin_thread_pointer();
#else
    return (uintptr_t)pthread_self();
#endif
}

static inline bool evl_is_foreign(const evl_loop *loop) {
    uintptr_t owner = atomic_load_explicit(&loop->owner, memory_order_relaxed);
    return owner != 0 && owner != evl_self();
}

static inline uint32_t evl_gate(const evl_loop *loop) {
    return atomic_load_explicit(&loop->gate, memory_order_relaxed);
}

/* On the thread that the loop is used from, as far as can be known between two runs. */
static inline bool evl_is_home(const evl_loop *loop) {
    return atomic_load_explicit(&loop->home, memory_order_relaxed) == evl_self();
}

static inline bool evl_is_closed(const evl_loop *loop) { return evl_gate(loop) >= EVL_GATE_CLOSING; }

/* The end of that: no thread posts any more. */
static inline bool evl_is_shut(const evl_loop *loop) { return evl_gate(loop) == EVL_GATE_SHUT; }

/* The kernel queue belongs to another process, this one's parent. */
static inline bool evl_is_forked(const evl_loop *loop) { return loop->origin != evl_fork_now(); }

/* Its own thread waits in the kernel without owning it: others may use it, but neither run it nor take it
 * down. In a child there is no such thread. */
static inline bool evl_is_released(const evl_loop *loop) {
    return EVL_UNLIKELY(loop->waits_outside & EVL_WAITS_RELEASED) && !evl_is_forked(loop);
}

/* Asked after user code has run, before anything else of the loop is used: 0, EVL_ECLOSED if it was closed,
 * EVL_EFORK if it forked and this is the child. */
static inline int evl_still(const evl_loop *loop) {
    if (EVL_LIKELY(evl_gate(loop) == evl_fork_now()))
        return 0;
    return evl_is_closed(loop) ? EVL_ECLOSED : EVL_EFORK;
}

/* 0, or why a call is refused: the first thing every call does. */
static inline int evl_enter(const evl_loop *loop) {
    if (EVL_UNLIKELY(!loop))
        return EVL_EINVAL;
    evl_leaf_check(&loop->mem);
    int rc = evl_still(loop);
    return EVL_UNLIKELY(rc != 0) ? rc : EVL_UNLIKELY(evl_is_foreign(loop)) ? EVL_ETHREAD : 0;
}

/* What has to wait may still be queued: for a run, or for evl_finish_close on this thread. */
static inline bool evl_takes_more(const evl_loop *loop) {
    return !evl_is_shut(loop) || atomic_load_explicit(&loop->owner, memory_order_relaxed) == evl_self();
}

/* loop.c: another thread is inside, or was when this process was forked. */
int evl_enter_foreign(evl_loop *loop);

/* The same for what also works in a forked child: close, cancel, stop. */
static inline int evl_enter_child(evl_loop *loop) {
    evl_leaf_check(&loop->mem);
    if (EVL_UNLIKELY(evl_is_closed(loop)))
        return EVL_ECLOSED;
    return EVL_UNLIKELY(evl_is_foreign(loop)) ? evl_enter_foreign(loop) : 0;
}

/* The same for what only reads the loop. */
static inline int evl_enter_to_look(const evl_loop *loop) {
    return loop ? evl_enter_child((evl_loop *)(uintptr_t)loop) : EVL_EINVAL;
}

static inline int evl_enter_handle(const evl_handle *handle, int kind) {
    int rc = evl_check_kind(handle, kind);
    return EVL_UNLIKELY(rc != 0) ? rc : evl_enter(handle->loop);
}

/* For what only reads the handle, in a forked child too. */
static inline int evl_enter_to_read(const evl_handle *handle, int kind) {
    int rc = evl_check_kind(handle, kind);
    if (EVL_UNLIKELY(rc != 0))
        return rc;
    evl_leaf_check(&handle->loop->mem);
    return evl_is_foreign(handle->loop) ? evl_enter_foreign(handle->loop) : 0;
}

/* Takes the loop for this thread: EVL_ERUNNING, EVL_ETHREAD, EVL_ECLOSED, EVL_EFORK. */
int evl_own(evl_loop *loop);
void evl_disown(evl_loop *loop);

#endif
