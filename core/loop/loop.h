/* loop.h - the loop and its handles from the inside. */
#ifndef EVL_CORE_LOOP_H
#define EVL_CORE_LOOP_H

#include "../backend/backend.h"
#include "../base/clock.h"
#include "../base/compiler.h"
#include "../base/fork.h"
#include "../base/mem.h"
#include "../base/name.h"
#include "../base/node.h"
#include "../base/slab.h"
#include "../base/timer_queue.h"
#include "node_type.h"
#include "part.h"
#include <evloop.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* An id: generation 32 bits, kind 4, slot 28. The generation makes it unique for the loop's life. */
#define EVL_ID_SLOT_BITS 28

#define EVL_DUE_MAX   256 /* due timers queued per pass */
#define EVL_DIRTY_MAX 128 /* fds whose change waits for the next poll; one more sends them all at once */
#define EVL_HANDLES   16  /* kinds of handles, all below this, index loop->handles */

/* What stands in evl_loop.gate instead of a generation. */
#define EVL_GATE_CLOSING                                                                                     \
    (UINT32_MAX - 1) /* goes down: calls are refused, posts of other threads are not yet */
#define EVL_GATE_SHUT UINT32_MAX

typedef struct evl_operation evl_operation; /* op.h */

/* What a kind of handle is to the code that serves them all. The kinds of the upper floors are made known to
 * the loop with their first handle. */
typedef struct evl_handle_type {
    uint32_t size;
    void (*detach)(evl_handle *handle); /* from whatever it is attached to */

    /* Closed by its user: whether it goes on without him, see evl_handle_linger. NULL: it never does. */
    bool (*lingers)(evl_handle *handle);

    /* The handle is its fd's watcher, and the kernel has reported `mask`. Or its fd is taken from it for an
     * `error`, which is not 0 then, and `mask` is the fd: EVL_EBADF and EVL_ECLOSED say that another part
     * closes it, or has. Runs no user code. */
    void (*event)(evl_handle *handle, uint32_t mask, int error);

    /* The node's argument is that of a push function, and the handle's own lies in its extra. */
    bool pushes;

    /* EVL_NODE_TAKE: right before the callback, takes what there is; false if it was nothing. */
    bool (*take)(evl_handle *handle, int64_t *result);

    void (*describe)(const evl_handle *handle, char *buf,
                     size_t cap); /* the dump's words for it; NULL: inspect.c has them */
} evl_handle_type;

/* What few handles have: a drop and a name. The node carries the drop when the handle is gone. Until then its
 * argument is the handle's own, if the type pushes. */
typedef struct evl_extra {
    evl_node node;
    evl_fn *drop;
    char name[EVL_NAME_SIZE];
} evl_extra;

struct evl_handle {
    evl_node node;
    evl_loop *loop;
    evl_extra *extra; /* NULL: none */
    uint32_t gen;     /* counts how often the slot was used */
};

/* --- the kinds of handles --------------------------------------------------------------------- */

enum {
    EVL_F_ONESHOT = EVL_F_OWN,      /* watcher: EVL_IO_ONESHOT */
    EVL_F_EDGE = EVL_F_OWN << 1,    /* watcher: EVL_IO_EDGE */
    EVL_F_EXCLUSIVE = EVL_F_OWN,    /* a listener: of those who wait for its socket the kernel wakes one */
    EVL_F_SHARED = EVL_F_OWN << 2,  /* first watcher of an fd: there are others */
    EVL_F_DIRTY = EVL_F_OWN << 3,   /* first watcher of an fd: the kernel has to be told something */
    EVL_F_WAKE = EVL_F_OWN << 4,    /* not a user's watcher: the backend's wake, or the changed wall clock */
    EVL_F_INTERNAL = EVL_F_OWN << 5 /* part of an operation, and not shown: fn.done(arg, result) runs no user
                                       code and is called at once; arg is NULL while no operation waits */
};

/* The watchers of an fd form a chain, and the first one stands for the fd in the kernel. */
typedef struct evl_watcher {
    evl_handle base;
    int32_t fd;    /* -1: it has ended, and base.node.u.result says why */
    uint32_t next; /* slot + 1 of the next watcher of the fd, or 0 */
    uint8_t mask;  /* wanted */
    uint8_t armed; /* first watcher: what the kernel was last told */
    bool anew;     /* first watcher, edge-triggered: tell it again even if it is the same */
    uint32_t
        odd; /* a report with one of these bits is not simply passed on, or made an event of the owner's */
} evl_watcher;

typedef struct evl_timer_handle {
    evl_handle base;
    int64_t repeat;
    evl_timer_key key;
    int64_t exact;       /* the deadline before it was rounded up */
    uint32_t slack_bits; /* deadlines are multiples of 2^(slack_bits - 1) ns; 0: no slack */
} evl_timer_handle;

typedef struct evl_wall_handle {
    evl_handle base;
    int64_t repeat;
    evl_timer_key key;
} evl_wall_handle;

typedef struct evl_signal_handle {
    evl_handle base;
    evl_link peers;             /* in evl_signal_sub.watchers */
    struct evl_signal_sub *sub; /* signal.c: this loop's interest in that signal */
} evl_signal_handle;

/* node.link is the hook's place among the hooks of its kind: hooks are never ready. */
typedef struct evl_hook_handle {
    evl_handle base;
    int32_t when;
} evl_hook_handle;

/* --- the loop --------------------------------------------------------------------------------- */

typedef struct evl_post_item {
    union {
        evl_fn *fn;
        /* EVL_POST_INTERNAL; runs no user code. False: out of memory, and it is to be tried again. */
        bool (*act)(evl_loop *loop, const struct evl_post_item *item);
    };
    void *arg;
    evl_fn *drop;
    union { /* EVL_POST_INTERNAL */
        int64_t number;
        void *pointer;
        uint64_t id;
    };
} evl_post_item;

/* Posts in the order in which they came. When the loop has taken it, the node stands for it on its sink. */
typedef struct evl_post_batch {
    evl_node node;
    evl_node drops; /* record posts: drops of what was handed out */
    evl_link peers; /* in `taken` or in `spares` */
    evl_loop *loop;
    uint32_t len, cap;
    uint32_t pos;     /* run or handed out up to here */
    uint32_t dropped; /* record posts: up to here drops have run */
    evl_post_item items[];
} evl_post_batch;

typedef struct evl_post_queue {
    evl_post_batch *in; /* posters append to it under the loop's lock; NULL until the next post */
    evl_link taken;     /* not worked off yet */
    evl_link spares;
    uint32_t spare_count;
    bool again; /* internal posts: one of those taken is to be tried again */
} evl_post_queue;

/* Who takes a post in. */
enum {
    EVL_POST_CALL = EVL_SINK_CALL,
    EVL_POST_RECORD = EVL_SINK_RECORD,
    EVL_POST_INTERNAL = 2,
    EVL_POSTS = 3
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
    int32_t alive;        /* active handles that keep alive, and active operations */
    int32_t outside;      /* of these, what something outside the loop can end: watchers, signals */
    int32_t ops;          /* active operations */
    uint32_t sync_in_row; /* starts answered at once since the pass, or an operation's callback, began */
    uint32_t internal;    /* handles that are parts of operations */
    bool timers_backlog;  /* the last pass left due timers behind */
    bool woken;           /* the last poll was ended by a wake */
    bool waiting;         /* in the kernel, with everything in order: what a child of a fork may go on from */
    bool was_stopped;     /* the last run was ended by evl_stop */
    bool reached;         /* the future of evl_loop_run_until is done */

    /* Who may. */
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
    evl_watcher wall_watcher; /* hears of a changed wall clock; fd -1 until there is a wall-clock timer */
    evl_link rests;           /* evl_rest.link */
    evl_link hooks[3];
    evl_link *next_hook;  /* while hooks run */
    bool pulling;         /* inside evl_loop_records, which runs no user code */
    evl_node stop_notice; /* the records about the loop itself: EVL_KIND_STOP */
    evl_node call_notice; /* and EVL_KIND_CALLBACKS */
    evl_link signals;     /* evl_signal_sub.link */
    evl_link pending;     /* evl_operation.peers */

    /* Other threads. */
    atomic_int refs;
    atomic_int holds;
    /* Truth values, in words: GCC before 13 has no byte exchange on riscv64 without libatomic. */
    atomic_uint sleeping;    /* in a wait, or outside where a host waits: whoever changes something wakes */
    atomic_uint wake_asked;  /* evl_wake */
    atomic_uint stop_asked;  /* evl_stop */
    atomic_uint signal_seen; /* a signal handler counted something */
    atomic_int stop_result;
    atomic_uint posted; /* in all three `in` */
    pthread_mutex_t lock;
    evl_post_queue posts[EVL_POSTS];
    int32_t awaited;           /* jobs that an operation waits for, and running children */
    const evl_handle *lent_to; /* the handle whose callback runs, if it was lent something */

    /* A host waits on evl_loop_fd: what changes between dispatches must show there. */
    bool embedded;

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
};

/* A ready node is queued with one address: of the list heads none is as often used. */
_Static_assert(offsetof(evl_loop, sinks) == 0, "the sinks come first");

static inline void evl_node_know(evl_loop *loop, int type, const evl_node_type *functions) {
    loop->node_types[type] = functions;
}

/* --- who may ---------------------------------------------------------------------------------- */

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

/* On the thread that the loop is used from, as far as can be told between two runs. */
static inline bool evl_is_home(const evl_loop *loop) {
    return atomic_load_explicit(&loop->home, memory_order_relaxed) == evl_self();
}

static inline bool evl_is_closed(const evl_loop *loop) { return evl_gate(loop) >= EVL_GATE_CLOSING; }

/* The end of that: no thread posts any more. */
static inline bool evl_is_shut(const evl_loop *loop) { return evl_gate(loop) == EVL_GATE_SHUT; }

/* The kernel queue belongs to another process, this one's parent. */
static inline bool evl_is_forked(const evl_loop *loop) { return loop->origin != evl_fork_now(); }

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
    if (EVL_UNLIKELY(evl_is_closed(loop)))
        return EVL_ECLOSED;
    return EVL_UNLIKELY(evl_is_foreign(loop)) ? evl_enter_foreign(loop) : 0;
}

/* handle.c: the whole of the next. */
int evl_check_kind_slow(const evl_handle *handle, int kind);

/* Whether a handle is there and of this kind; 0 accepts any. */
static inline int evl_check_kind(const evl_handle *handle, int kind) {
    if (EVL_LIKELY(handle && kind != 0 && handle->node.kind == kind))
        return 0;
    return evl_check_kind_slow(handle, kind);
}

static inline int evl_enter_handle(const evl_handle *handle, int kind) {
    int rc = evl_check_kind(handle, kind);
    return EVL_UNLIKELY(rc != 0) ? rc : evl_enter(handle->loop);
}

/* For what only reads the handle, in a forked child too. */
static inline int evl_enter_to_read(const evl_handle *handle, int kind) {
    int rc = evl_check_kind(handle, kind);
    return EVL_UNLIKELY(rc != 0) ? rc : evl_is_foreign(handle->loop) ? evl_enter_foreign(handle->loop) : 0;
}

/* Takes the loop for this thread: EVL_ERUNNING, EVL_ETHREAD, EVL_ECLOSED, EVL_EFORK. */
int evl_own(evl_loop *loop);
void evl_disown(evl_loop *loop);

/* --- ready ------------------------------------------------------------------------------------ */

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

void evl_handle_flip_active(evl_handle *handle);

static inline bool evl_handle_is_active(const evl_handle *handle) {
    return (handle->node.flags & EVL_F_ACTIVE) != 0;
}

static inline void evl_handle_set_active(evl_handle *handle, bool on) {
    if (evl_handle_is_active(handle) != on)
        evl_handle_flip_active(handle);
}

/* Whether evl_loop_run would find something alive. */
static inline bool evl_is_alive(const evl_loop *loop) {
    return loop->alive > 0 || evl_is_ready(loop) || atomic_load(&loop->posted) != 0 ||
           atomic_load(&loop->holds) != 0;
}

/* A run has seen to what evl_loop_records would say about the loop itself. */
static inline void evl_notices_done(evl_loop *loop) {
    evl_list_unlink(&loop->stop_notice.link);
    evl_list_unlink(&loop->call_notice.link);
}

/* Whether a timer of either clock may be due; false is certain. */
static inline bool evl_may_be_due(const evl_loop *loop) {
    return evl_tq_may_be_due(&loop->timers, loop->now) || loop->handles[EVL_KIND_WALL].live != 0;
}

/* --- the parts, each in the file of its name -------------------------------------------------- */

/* pass.c */
bool evl_time_is_up(const evl_loop *loop); /* only a manual clock's advance could go on from here */
int64_t evl_time_left(evl_loop *loop, int64_t now);
int64_t evl_wait_time(evl_loop *loop, int64_t now, int64_t limit);
int evl_collect(evl_loop *loop,
                int64_t timeout_ns); /* a pass up to the point where the ready lists are complete */
int evl_before_poll(evl_loop *loop, bool may_wait); /* the steps of it: */
int evl_glance(evl_loop *loop, evl_kernel_event *events);
bool evl_jump(evl_loop *loop, int64_t limit);
int evl_after_poll(evl_loop *loop, const evl_kernel_event *events, int n);
int32_t evl_run_passes(evl_loop *loop, int32_t mode); /* evl_loop_run for who owns the loop already */
void evl_run_ready(evl_loop *loop);                   /* and the rest of a pass */
void evl_run_node(evl_loop *loop, evl_node *node);

/* handle.c */
evl_handle *evl_handle_take(evl_loop *loop, int kind, evl_done_fn *fn, void *arg);
evl_handle *evl_handle_take_internal(evl_loop *loop, int kind, evl_done_fn *fn,
                                     void *arg); /* EVL_F_INTERNAL */
void evl_handle_give(evl_handle *handle);        /* off the ready list, drop queued, slot free */
void evl_handle_detach(evl_handle *handle);      /* from whatever its kind is attached to */

/* A closed stream that has something left to do, until its detach and evl_handle_give. It is of the kind
 * EVL_KIND_LINGERING, in the slot it had, so that no call accepts it; its argument is given up, and its id
 * and its name stay for those who look at what the loop is doing. It keeps the loop alive while it is active.
 */
void evl_handle_linger(evl_handle *handle);
void evl_handle_know(evl_loop *loop, int kind, const evl_handle_type *type);
uint64_t evl_handle_id(const evl_handle *handle);
evl_handle *evl_handle_find(const evl_loop *loop, uint64_t id);

/* io.c */
void evl_io_events(evl_loop *loop, const evl_kernel_event *events, int n);
void evl_io_flush(evl_loop *loop);
extern const evl_handle_type evl_io_type;

/* Handles that begin with an evl_watcher and are their fd's only one. edge: where the kernel can.
 * EVL_EEXIST when it is watched, and those of evl_io_new. */
int evl_io_own(evl_watcher *io, int fd, uint32_t mask, bool edge);
void evl_io_want(evl_watcher *io, uint32_t mask); /* told to the kernel before the next poll */
void evl_io_disown(evl_watcher *io);              /* before the fd is closed; it is -1 then */
void evl_io_tags_repeat(evl_loop *loop);          /* a watcher has the tag of one that it had long ago */
void evl_io_forget(evl_loop *loop, int fd);       /* the watchers that finished waits left with an fd */
int evl_io_closing(evl_loop *loop, int fd);       /* evl_fd_closing, whoever asks */
int evl_io_requeue(evl_loop *loop, bool forked);  /* a new kernel queue with everything in it */

/* Calls fn(arg, mask) with the first report, or an error, once. The watcher is one that an earlier wait left
 * with the fd, where there is one; it stays there, idle, for the next. The errors are those of evl_io_new. */
int evl_io_wait(evl_loop *loop, int fd, uint32_t mask, evl_done_fn *fn, void *arg, evl_watcher **out);
void evl_io_stop_waiting(evl_watcher *io);
uint64_t evl_io_tag(const evl_watcher *io);
bool evl_io_has_tag(const evl_watcher *io); /* its address fits into one */

/* timer.c */
evl_timer_key *evl_timer_key_of(void *loop, uint32_t slot);
extern const evl_handle_type evl_timer_type;
void evl_timers_due(evl_loop *loop);
evl_handle *evl_timer_internal(evl_loop *loop, evl_done_fn *expired, void *arg); /* NULL: out of memory */
void evl_timer_set(evl_handle *handle, int64_t deadline);
void evl_timer_first(evl_handle *handle, int64_t deadline); /* the same unless it comes earlier anyway */

typedef struct evl_expiry {
    int64_t deadline; /* the next one, or EVL_NEVER */
    int64_t count;    /* expirations up to now */
} evl_expiry;

evl_expiry evl_next_expiry(int64_t deadline, int64_t repeat, int64_t now);
void evl_report_count(evl_loop *loop, evl_node *node, int64_t count);

/* wall.c */
evl_timer_key *evl_wall_key_of(void *loop, uint32_t slot);
extern const evl_handle_type evl_wall_type;
void evl_walls_due(evl_loop *loop);
int64_t evl_wall_wait(evl_loop *loop);
void evl_wall_changed(evl_loop *loop);
void evl_wall_requeue(evl_loop *loop, bool forked); /* into a new kernel queue */
void evl_wall_close(evl_loop *loop);

/* rest.c: a wait for what the system will have more of later, which follows the real clock whatever the
 * loop's. It does not keep the loop alive, allocates nothing, and is called while the loop collects. */
typedef struct evl_rest {
    evl_link link; /* linked: it waits */
    int64_t until; /* of evl_monotonic */
    evl_fn *fn;
    void *arg;
} evl_rest;

void evl_rest_begin(evl_loop *loop, evl_rest *rest, int64_t ns);
int64_t evl_rests_wait(const evl_loop *loop,
                       int64_t limit);         /* until the first is over, and at most `limit` */
int64_t evl_rests_until(const evl_loop *loop); /* EVL_NEVER: there is none */
void evl_rests_due(evl_loop *loop);

/* records.c */
int32_t evl_clamp_result(int64_t value); /* what a record has room for */

/* signal.c */
extern const evl_handle_type evl_signal_type;
void evl_signals_due(evl_loop *loop);

/* An internal handle that calls fn(arg, count) once and goes. EVL_EINVAL: there is no such signal. */
int evl_signal_internal(evl_loop *loop, int signo, evl_done_fn *fn, void *arg, evl_handle **out);

/* hook.c */
extern const evl_handle_type evl_hook_type;
int evl_hooks_run(evl_loop *loop, int when); /* 0, or what evl_still says behind one of them */

/* call.c */
extern const evl_node_type evl_call_node;                       /* EVL_NODE_ONCE */
bool evl_drop_later(evl_loop *loop, evl_fn *drop, void *value); /* false: no memory, and nothing was done */
evl_node *evl_drop_reserve(evl_loop *loop, evl_fn *drop, void *value); /* so that it cannot fail; or NULL */
void evl_drop_reserved(evl_loop *loop, evl_node *node);                /* drops it later */
void evl_drop_unreserve(evl_loop *loop, evl_node *node);               /* does not */

/* loop.c */
int evl_loop_make(const evl_options *options, evl_loop **out); /* without any part */

/* close.c: the last step of taking down a loop, once no thread runs it. */
void evl_finish_close(evl_loop *loop);

static inline void *evl_part_at(const evl_loop *loop, int place) { return loop->parts[place]; }

/* The state of a part, made on the first call; NULL: out of memory. */
static inline void *evl_part_need(evl_loop *loop, const evl_part *part) {
    void *state = loop->parts[part->place];
    return EVL_LIKELY(state != NULL) ? state : evl_part_make(loop, part);
}

/* post.c */
int evl_posts_init(evl_loop *loop);
void evl_posts_take(evl_loop *loop);
void evl_posts_line_up(evl_loop *loop); /* what was posted gets its place among what is ready */
int32_t evl_posts_record(evl_node *node, evl_record *out, int32_t cap); /* hands out; returns how many */
void evl_posts_fork(evl_loop *loop);                                    /* in a child */
uint32_t evl_posts_left(evl_loop *loop);                                /* not run or handed out yet */
void evl_posts_drop(evl_loop *loop);                                    /* when the loop goes down */
void evl_posts_free(evl_loop *loop);
int evl_post_internal(evl_loop *loop, evl_post_item item); /* any thread */
void evl_notify(evl_loop *loop); /* wakes the loop if it sleeps; any thread, signal handlers */

/* Before the loop's own thread queues something: posts and evl_call_soon are one line. */
static inline void evl_posts_before(evl_loop *loop) {
    if (EVL_UNLIKELY(atomic_load_explicit(&loop->posted, memory_order_relaxed) != 0))
        evl_posts_line_up(loop);
}

/* embed.c: a change was made outside of run; make it show in the loop's fd. */
void evl_embed_update(evl_loop *loop);
void evl_embed_begin(evl_loop *loop); /* the host waits from now on, unless a run is around us */

static inline void evl_touch(evl_loop *loop) {
    if (EVL_UNLIKELY(loop->embedded) && atomic_load_explicit(&loop->owner, memory_order_relaxed) == 0)
        evl_embed_update(loop);
}

/* blockers.c */
int32_t evl_count_blockers(const evl_loop *loop);
int32_t evl_blockers_queued(const evl_loop *loop, evl_blocker *out, int32_t cap); /* all but the handles */

/* A handle that its user has made, a closed one that lingers included. */
static inline bool evl_handle_is_shown(const evl_handle *handle) {
    return handle->node.kind != 0 && !(handle->node.flags & EVL_F_INTERNAL);
}

/* report.c */
bool evl_has_error_hook(const evl_loop *loop);        /* an error is the hook's; else it is only stored */
void evl_unhandled(evl_loop *loop, int32_t error);    /* which calls the hook, so that it has to come last */
void evl_report_later(evl_loop *loop, int32_t error); /* from inside: the hook is queued */
extern const evl_node_type evl_report_node;           /* EVL_NODE_REPORT */

/* slow.c: while callbacks are timed, these call them. */
void evl_run_timed(evl_loop *loop, evl_node *node);
void evl_call_timed(evl_loop *loop, evl_fn *fn, void *arg);

#endif
