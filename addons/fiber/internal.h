/* internal.h - what the files of libevloop-fiber share. */
#ifndef EVLOOP_FIBER_INTERNAL_H
#define EVLOOP_FIBER_INTERNAL_H

#include <evloop/fiber.h>

#include <stdbool.h>

/* Where something stands that has switched away: a fiber, or a stack of the program's. */
typedef struct fiber_context {
    void *at;         /* Boost.Context's */
    void *stack;      /* the lowest byte of its stack; ASan has to know */
    size_t size;      /* of the stack */
    void *fake;       /* ASan's */
    void *tsan;       /* TSan's */
    evl_fiber *ended; /* the fiber that is in here has left for ever: whoever comes next frees it */
} fiber_context;

/* What lets fibers run, on the stack where the program was: each goes back to it when it waits. */
typedef struct fiber_hub {
    fiber_context context;
    void *value;
    int32_t error;
    bool switching; /* in evl_fiber_switch, so that it may be switched to */
    bool received;  /* it was */
} fiber_hub;

/* Memory of a stack. */
typedef struct fiber_stack {
    char *low; /* the lowest byte that may be used; the guard page is below */
    size_t size;
    bool guarded;
    unsigned valgrind;
} fiber_stack;

typedef struct fiber_local {
    struct fiber_local *next;
    const void *key;
    void *value;
    evl_fn *drop;
} fiber_local;

typedef struct fiber_cleanup {
    struct fiber_cleanup *next;
    evl_fn *fn;
    void *arg;
} fiber_cleanup;

/* The fibers of a loop; there while it has any. */
typedef struct fiber_scheduler {
    struct fiber_scheduler *next; /* of another loop */
    evl_loop *loop;
    evl_handle *keeper; /* a handle of the loop's, whose drop says that the loop ends */
    evl_fiber *first, *last;
    int64_t count;
    bool down; /* the loop has ended; what is left frees this */
} fiber_scheduler;

/* What a C++ thread knows of the exceptions in flight. */
typedef struct fiber_exceptions {
    void *caught;
    unsigned uncaught;
} fiber_exceptions;

struct evl_fiber {
    fiber_context context;
    fiber_hub *hub; /* running: where it goes when it waits */
    evl_op op;      /* starts it, and is what the library waits for in its name */
    evl_op *waits_for;
    evl_waitq joiners;
    evl_loop *loop;
    fiber_scheduler *scheduler; /* NULL: ended */
    evl_fiber *before, *after;  /* in its list */
    evl_fiber *parent;          /* a reference */
    evl_fiber_fn *fn;
    evl_fn *drop;
    void *arg;
    int64_t result;
    void *value; /* parked: what it was given */
    int32_t error;
    uint32_t refs; /* one is its own from its first step to its end */
    uint32_t flags;
    uint32_t requests;
    uint8_t state;
    bool switches;    /* made by evl_fiber_new */
    bool started;     /* has been on its stack */
    bool must_cancel; /* the next wait ends cancelled */
    bool cancel_sent; /* the present one was told to */
    bool waits_any;   /* for any of several operations */
    bool killed;      /* it waits no more */
    fiber_cleanup *cleanups;
    fiber_local *locals;
    fiber_exceptions exceptions;
    fiber_stack stack;
    uint64_t id;
    const char *what; /* it waits for */
    void *where;      /* in the program */
    int64_t since;
    char name[32];
};

/* --- context.c --- */

/* The running fiber of this thread. */
evl_fiber *fiber_current(void);

/* Makes the stack of a fiber ready for its first switch. */
void fiber_prepare(evl_fiber *fiber);
void fiber_unprepare(evl_fiber *fiber);

/* --- stack.c --- */
int32_t fiber_stack_new(size_t size, bool guarded, fiber_stack *out);
void fiber_stack_free(fiber_stack *stack);
int64_t fiber_stack_used(const fiber_stack *stack);
enum { FIBER_STACK = 65536 };

/* --- scheduler.c --- */
int32_t fiber_scheduler_of(evl_loop *loop, fiber_scheduler **out); /* makes it */
fiber_scheduler *fiber_scheduler_find(const evl_loop *loop);       /* or NULL */
void fiber_scheduler_add(fiber_scheduler *scheduler, evl_fiber *fiber);
void fiber_scheduler_remove(evl_fiber *fiber);
/* After an addition that did not happen. */
void fiber_scheduler_settle(fiber_scheduler *scheduler);

/* --- fiber.c --- */
void fiber_woken(void *fiber, int64_t unused); /* the function of every operation */
void fiber_discard(evl_fiber *fiber);          /* never ran: out of its list, without its stack */
void fiber_reap(evl_fiber *fiber);             /* has left its stack for ever */

/* 0, or why the loop cannot be used now. */
static inline int32_t fiber_enter(evl_fiber *fiber) { return evl_waitq_wake(&fiber->joiners, 0, 0); }

/* --- end.c --- */

/* The running fiber ends with `result`: the last that it does. */
_Noreturn void fiber_finish(evl_fiber *self, int64_t result);
/* The same, behind its cleanups. */
_Noreturn void fiber_leave(evl_fiber *self, int64_t result);
/* A fiber that has not run ends so. */
void fiber_end_unrun(evl_fiber *fiber, int64_t result);
/* The loop is gone: it ends in this call. */
void fiber_end_now(evl_fiber *fiber);

/* --- await.c --- */
int64_t fiber_await(evl_fiber *self, evl_op *op, const char *what, void *where);
/* For the fiber's own operation, which was started with `rc`. */
static inline int64_t fiber_await_own(evl_fiber *self, int32_t rc, const char *what, void *where) {
    return rc < 0 ? rc : fiber_await(self, &self->op, what, where);
}
#define FIBER_HERE __builtin_return_address(0)

/* --- local.c --- */
void fiber_drop_locals(evl_fiber *fiber);

#endif
