/* future.h - futures from the inside. */
#ifndef EVL_CORE_FUTURE_H
#define EVL_CORE_FUTURE_H

#include "../loop/loop.h"
#include "../loop/node_type.h"
#include "../loop/part.h"
#include "../op/op.h"

/* A part of evloop that watches a future: combinators, then, follow. Unlike done callbacks it runs no
 * user code, and so it need not wait for the next pass. Part of the combinator's memory. */
typedef struct evl_watch {
    evl_link link;              /* in evl_future.watches; next NULL: watches nothing */
    struct evl_future *subject; /* a reference is held while it is not NULL */
    void (*done)(struct evl_watch *watch, struct evl_future *subject);
} evl_watch;

/* What a combinator's future does differently. Its memory is one block, freed with the future. */
typedef struct evl_combinator {
    size_t size; /* of the block */
    /* The future is being cancelled. True: others are cancelled in its stead and it is done when they are;
     * one call puts one of them into *inner, and the last call none. False: it is cancelled at once. NULL:
     * the same.
     */
    bool (*cancel)(struct evl_future *future, struct evl_future **inner);
    /* The operation in the future has completed: a timeout. NULL: its result is the future's. */
    void (*expired)(struct evl_future *future);
    /* The future is done, or goes: stop watching. NULL: nothing to stop. */
    void (*release)(struct evl_combinator *combinator);
} evl_combinator;

/* The operation comes first: its node is what the slab and the ready list know. */
struct evl_future {
    evl_operation op;
    evl_loop *loop;
    evl_link line;              /* evl_node: waiting operations and done callbacks, oldest first */
    evl_link dones;             /* evl_done.peers: callbacks that have not run, due ones included */
    evl_link watches;           /* evl_watch.link */
    evl_link turn;              /* in evl_futures.to_notify or to_free */
    evl_future *next_left;      /* in evl_futures.left */
    evl_future *cancelled_for;  /* being cancelled: for which one, itself if for none; else NULL */
    evl_combinator *combinator; /* NULL: made by evl_future_new, or done */
    evl_future *source;         /* of a borrowed pointer */
    union {
        evl_fn *drop;     /* of a value; NULL: nothing to call */
        evl_done_fn *end; /* of an error's pointer */
    };
    union {
        int64_t number;
        void *pointer;
    } value;
    atomic_int refs;
    int32_t error;
    uint32_t gen;
    uint8_t state;
    bool is_pointer; /* a value, or what goes with an error */
    bool retrieved;  /* the error was, or need not be */
    bool taken;
    char name[EVL_NAME_SIZE];
};

/* What a loop has of them. Notifying and freeing are lists instead of calls within calls, since a chain of
 * futures may be long: what comes while the list is worked off is appended.
 *
 *   finish -> to_notify -> operations in line complete, done callbacks are queued, watches are notified
 *                          (each of which may finish another future)
 *   unref  -> to_free -> the references it holds are released (each of which may be the last)
 *                     -> EVL_NODE_FUTURE_END, if user code has to be run for it
 */
typedef struct evl_futures {
    evl_slab slab;
    evl_slab dones;              /* evl_done */
    evl_link to_notify, to_free; /* evl_future.turn */
    bool notifying, freeing;     /* the list is being worked off */
    _Atomic(evl_future *)
        left; /* released by other threads that found no memory to post it; counted in posted */
} evl_futures;

static inline evl_futures *evl_futures_of(const evl_loop *loop) {
    return evl_part_at(loop, EVL_PART_FUTURES);
}

/* A done callback. It holds a reference to its future until it has run. */
typedef struct evl_done {
    evl_node node;
    evl_link peers;
    evl_future *future;
} evl_done;

/* future_watch.c: off all lists, and its node is given back; the future's reference is the caller's to give
 * up. */
evl_future *evl_done_detach(evl_loop *loop, evl_done *done);
extern const evl_node_type evl_done_node; /* EVL_NODE_FUTURE */

/* future_end.c */
uint32_t evl_futures_take_left(evl_loop *loop,
                               void *state);    /* released by other threads, without memory to post it */
extern const evl_node_type evl_future_end_node; /* EVL_NODE_FUTURE_END */

/* A pending future with `size` bytes of a combinator's block, which begins with an evl_combinator. */
int evl_future_make(evl_loop *loop, const evl_combinator *kind, evl_future **out);

/* Releases one that was just made, since what should have followed failed; returns `error`. */
int evl_future_undo(evl_future **out, int error);

/* Completes, whatever the state was before: the caller has checked. */
void evl_future_finish(evl_future *future, int state, int64_t value);

/* As another future has: value, error or cancelled. */
void evl_future_copy(evl_future *future, evl_future *from);

/* Watching: `done` is called once, or never after evl_watch_stop. A future that is done calls it at once. */
void evl_watch_start(evl_watch *watch, evl_future *subject,
                     void (*done)(evl_watch *watch, evl_future *subject));
void evl_watch_stop(evl_watch *watch);

/* Whether user code sees to the error's end. */
static inline bool evl_future_has_end(const evl_future *future) {
    return future->state == EVL_FUTURE_ERROR && future->is_pointer && future->end;
}

/* Of the pointer. */
static inline evl_future *evl_future_owner_of(evl_future *future) {
    return future->source ? future->source : future;
}

static inline void evl_future_release_combinator(evl_future *future) {
    evl_combinator *combinator = future->combinator;
    if (!combinator)
        return;
    future->combinator = NULL;
    if (combinator->release)
        combinator->release(combinator);
    evl_mem_free(&future->loop->mem, combinator, combinator->size);
}

static inline bool evl_future_is_done(const evl_future *future) {
    return future->state != EVL_FUTURE_PENDING;
}

#endif
