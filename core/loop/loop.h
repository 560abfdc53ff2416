/* loop.h - the structure of a loop, and what is ready in it. Its members are used by the files of the
 * concepts they belong to; the header of such a file is what the others include. */
#ifndef EVL_CORE_LOOP_H
#define EVL_CORE_LOOP_H

#include "../backend/backend.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/name.h"
#include "../base/node.h"
#include "../base/slab.h"
#include "../base/timer_queue.h"
#include "handle.h"
#include "node_type.h"
#include "part.h"
#include "post_queue.h"
#include "watcher.h"
#include <evloop.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define EVL_DIRTY_MAX 128 /* fds whose change waits for the next poll; one more sends them all at once */

/* Who waits while no thread owns the loop. */
enum {
    EVL_WAITS_HOST = 1,    /* a host, on evl_loop_fd */
    EVL_WAITS_RELEASED = 2 /* the loop's own thread, in a wait that has released it (host_lock.c) */
};

struct evl_loop {
    /* The pass. */
    evl_link sinks[2];   /* EVL_SINK_*: what is ready */
    evl_link running;    /* the snapshot that is being run */
    evl_link at_collect; /* what is run while a pass collects, whichever sink is asked for, and runs no user
                            code */
    const evl_backend *backend;
    void *state;
    int64_t now; /* cached per poll */
    uint32_t since_poll;
    uint32_t poll_interval;
    int32_t events_cap;       /* rows of one wait */
    evl_kernel_event *events; /* as many: what the last wait has reported */
    int32_t alive;            /* active handles that keep alive, and active operations */
    int32_t outside;          /* of these, what something outside the loop can end: watchers, signals */
    int32_t ops;              /* active operations */
    uint32_t sync_in_row;     /* starts completed at once since the pass, or an operation's callback, began */
    uint32_t internal;        /* handles that are parts of operations */
    bool woken;               /* the last poll was ended by a wake */
    bool waiting;     /* in the kernel, with everything in order: what a child of a fork may go on from */
    bool was_stopped; /* the last run was ended by evl_stop */
    bool leaving;     /* evl_stop_now: nothing more of this pass runs */
    bool reached;     /* the future of evl_loop_run_until is done */

    /* Access. */
    atomic_uintptr_t owner; /* the thread inside run, or 0 */
    atomic_uintptr_t home;  /* the last owner, at first the thread that made the loop */
    atomic_uint gate;       /* generation of the fork word, or EVL_GATE_* */
    uint32_t origin;        /* the generation the kernel queue belongs to */
    uint32_t flags;         /* EVL_LOOP_* */
    int64_t linger_ns;      /* of streams that say nothing else; negative: closing is aborting */

    const evl_node_type *node_types[EVL_NODE_TYPES];

    evl_clock clock;
    evl_mem mem;

    evl_slab handles[EVL_HANDLES];
    const evl_handle_type *types[EVL_HANDLES];
    evl_slab calls;  /* evl_node */
    evl_slab extras; /* evl_extra */

    void *parts[EVL_PARTS]; /* the state of each, NULL: not used yet */
    const evl_part *part_types[EVL_PARTS];
    bool parts_collecting; /* one of them has a `collect` */

    /* fd watchers. */
    uint32_t *fds; /* slot + 1 of the first watcher of an fd, or 0 */
    uint32_t fds_cap;
    uint32_t dirty_len;
    int32_t dirty[EVL_DIRTY_MAX];
    bool stale_entry_seen;     /* the kernel reports an fd that has no watcher: make a new queue */
    bool stale_entry_possible; /* an fd was closed before its watcher: the queue may keep an entry for it */
    bool watcher_removed; /* a watcher that the kernel knew by its tag has gone since the last poll began */
    evl_watcher wake_watcher;

    evl_timer_queue timers;
    evl_timer_queue walls;    /* by wall-clock time */
    int64_t wall_offset;      /* of a virtual clock: wall-clock time minus time */
    evl_watcher wall_watcher; /* notified of a changed wall clock; fd -1 until there is a wall-clock timer */
    evl_link backoffs;        /* evl_backoff.link */
    evl_link hooks[3];
    evl_link *next_hook;  /* while hooks run */
    bool pulling;         /* inside evl_loop_records, which runs no user code */
    evl_node stop_notice; /* the records about the loop itself: EVL_KIND_STOP */
    evl_node call_notice; /* and EVL_KIND_CALLBACKS */
    evl_link signals;     /* evl_signal_sub.link */
    evl_link asyncs;      /* evl_async_handle.peers */
    evl_link pending;     /* evl_operation.peers */

    /* Other threads. */
    atomic_int refs;
    atomic_int holds;
    /* Truth values, in words: GCC before 13 has no byte exchange on riscv64 without libatomic. */
    atomic_uint
        sleeping; /* in a wait, or outside where a host waits: a thread that changes something wakes */
    atomic_uint wake_asked;  /* evl_wake */
    atomic_uint stop_asked;  /* evl_stop */
    atomic_uint signal_seen; /* a signal handler, or evl_async_send, counted something */
    atomic_int stop_result;
    atomic_uint posted; /* in all three `in` */
    pthread_mutex_t lock;
    evl_post_queue posts[EVL_POSTS];
    int32_t awaited; /* jobs that an operation waits for, and running children */
    const evl_handle
        *borrower; /* the handle whose callback runs and may peek at data that it does not own, or NULL */

    uint8_t waits_outside;           /* EVL_WAITS_*: what changes without an owner must show in that wait */
    struct evl_host_lock *host_lock; /* NULL: the loop keeps itself while it waits */

    /* Watching the loop. */
    evl_metrics metrics;
    int64_t busy_since;
    int64_t slow_ns; /* negative: callbacks are not timed */
    evl_done_fn *slow_fn;
    void *slow_arg;
    evl_node report; /* an error of the loop's own that the hook is to be called with */
    evl_done_fn *error_fn;
    void *error_arg;
    int32_t error; /* the first unhandled one */
    bool in_error_hook;
    char name[EVL_NAME_SIZE];
    atomic_uintptr_t data;   /* evl_loop_set_data */
    evl_resolve_fn *resolve; /* in place of the system's; NULL: none */
    void *resolver;
};

/* A ready node is queued with one address: of the list heads none is as often used. */
_Static_assert(offsetof(evl_loop, sinks) == 0, "the sinks come first");

static inline void evl_node_know(evl_loop *loop, int type, const evl_node_type *functions) {
    loop->node_types[type] = functions;
}

static inline void evl_ready(evl_loop *loop, evl_node *node) {
    evl_list_append(&loop->sinks[node->sink], &node->link);
}

static inline bool evl_is_ready(const evl_loop *loop) {
    return !evl_list_empty(&loop->at_collect) || !evl_list_empty(&loop->sinks[EVL_SINK_CALL]) ||
           !evl_list_empty(&loop->sinks[EVL_SINK_RECORD]);
}

/* Queues fn.done; fn NULL makes it a record. */
static inline void evl_node_set(evl_node *node, int kind, evl_done_fn *fn, void *arg) {
    node->fn.done = fn;
    node->arg = arg;
    node->kind = (uint8_t)kind;
    node->sink = fn ? EVL_SINK_CALL : EVL_SINK_RECORD;
    node->type = EVL_NODE_DONE;
}

/* Another thread wants something: a post, a wake, a stop, a signal. */
static inline bool evl_is_asked(const evl_loop *loop) {
    return atomic_load(&loop->posted) != 0 || atomic_load(&loop->wake_asked) ||
           atomic_load(&loop->stop_asked) || atomic_load(&loop->signal_seen);
}

/* Whether evl_loop_run would find something alive. */
static inline bool evl_is_alive(const evl_loop *loop) {
    return loop->alive > 0 || evl_is_ready(loop) || atomic_load(&loop->posted) != 0 ||
           atomic_load(&loop->holds) != 0;
}

static inline void *evl_part_at(const evl_loop *loop, int place) { return loop->parts[place]; }

/* The state of a part, made on the first call; NULL: out of memory. */
static inline void *evl_part_need(evl_loop *loop, const evl_part *part) {
    void *state = loop->parts[part->place];
    return EVL_LIKELY(state != NULL) ? state : evl_part_make(loop, part);
}

int evl_loop_make(const evl_options *options, evl_loop **out); /* without any part */

/* close.c: the last step of taking down a loop, once no thread runs it. */
void evl_finish_close(evl_loop *loop);

#endif
