/* signal.c - signals, counted by a handler and delivered by the loop.
 *
 * What the handler reads is a table of singly linked lists that is edited under a lock and read without one:
 * an element is unlinked by one atomic store, and freed only when no handler is in flight. */
#include "access.h"
#include "loop.h"
#include "post.h"
#include "signals.h"
#include "timer.h"

#include <errno.h>
#include <sched.h>

/* One loop's interest in one signal. */
typedef struct evl_signal_sub {
    _Atomic(struct evl_signal_sub *) next; /* of this signal, any loop */
    evl_link link;                         /* of this loop, any signal */
    evl_link watchers;                     /* evl_signal_handle.peers */
    evl_loop *loop;
    int signo;
    uint32_t users;    /* watchers, and waits that are being started: the last one ends the subscription */
    atomic_uint count; /* deliveries that the loop has not seen yet */
} evl_signal_sub;

typedef struct entry {
    _Atomic(evl_signal_sub *) first;
    bool installed;            /* our handler is there, or under one that was put on top of it */
    struct sigaction previous; /* what ours replaced */
} entry;

#if defined(NSIG)
#    define SIGNALS NSIG
#else
#    define SIGNALS 65
#endif

static entry table[SIGNALS];
static atomic_uint table_lock; /* 0: free; else the generation of the process whose thread holds it */

/* For what takes other threads microseconds. A thread of real-time priority does not let them on by yielding.
 */
static void give_way(int *tries) {
    const struct timespec brief = {.tv_sec = 0, .tv_nsec = 100000};
    if ((*tries)++ < 64)
        (void)sched_yield();
    else
        (void)nanosleep(&brief, NULL);
}

/* A thread that a fork left behind may hold the lock: then it is taken over. It is held for two system calls
 * when a process begins or ends to watch a signal, so that waiting for it need not be clever. */
static void lock_table(void) {
    int tries = 0;
    uint32_t mine = evl_fork_now(), held = 0;
    if (mine == 0)
        mine = UINT32_MAX; /* a child that has not repaired anything */
    while (!atomic_compare_exchange_strong(&table_lock, &held, mine))
        if (held == mine) {
            give_way(&tries);
            held = 0;
        }
}

static void unlock_table(void) { atomic_store(&table_lock, 0); }

/* --- in signal context ------------------------------------------------------------------------ */

/* The handlers in flight are counted in a word that a forked child finds at 0: those of its parent's other
 * threads do not go on there. One that a fork has cut in two, in a handler on top of it, ends in the child
 * without having begun there. */
static void leave_handler(void) {
    atomic_uint *in_flight = evl_fork_handlers();
    uint32_t count = atomic_load(in_flight);
    while (count != 0 && !atomic_compare_exchange_weak(in_flight, &count, count - 1))
        ;
}

static void count_delivery(const entry *e) {
    for (evl_signal_sub *sub = atomic_load(&e->first); sub; sub = atomic_load(&sub->next)) {
        if (evl_is_forked(sub->loop))
            continue; /* its wake would reach the parent */
        atomic_fetch_add(&sub->count, 1);
        atomic_store(&sub->loop->signal_seen, true);
        evl_notify(sub->loop);
    }
}

/* Whatever the flags say: to the kernel SIG_DFL and SIG_IGN mean the same with SA_SIGINFO. */
static bool is_function(const struct sigaction *action) {
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

static void handler(int signo, siginfo_t *info, void *context) {
    int saved = errno;
    atomic_fetch_add(evl_fork_handlers(), 1);
    count_delivery(&table[signo]);
    struct sigaction previous = table[signo].previous;
    leave_handler();
    errno = saved;
    if (!is_function(&previous))
        return;
    if (previous.sa_flags & SA_SIGINFO)
        previous.sa_sigaction(signo, info, context);
    else
        previous.sa_handler(signo);
}

/* --- installing ------------------------------------------------------------------------------- */

static bool is_ours(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handler;
}

static bool is_same(const struct sigaction *a, const struct sigaction *b) {
    return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
}

/* A library that put a handler on top of ours calls ours, or has taken the signal over: installing ours again
 * would make the two call each other for ever. Where no handler is by now, and there was no watcher since,
 * there is nothing to call: ours comes back. */
static int install(entry *e, int signo) {
    struct sigaction there;
    if (e->installed && atomic_load(&e->first))
        return 0;
    if (evl_sys.sigaction(signo, NULL, &there) != 0)
        return e->installed ? 0 : evl_err_from_errno(errno);
    e->installed = e->installed || is_ours(&there); /* another thread was at it when this process forked */
    if (e->installed && is_function(&there))
        return 0;
    struct sigaction now = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    (void)sigemptyset(&now.sa_mask);
    /* Before, so that a handler in flight never sees half of it; and only if it is another one, since a
     * handler of the installation before this may still be reading it on another thread. */
    if (!is_same(&e->previous, &there))
        e->previous = there;
    if (evl_sys.sigaction(signo, &now, NULL) != 0)
        return evl_err_from_errno(errno);
    e->installed = true;
    return 0;
}

static void restore(entry *e, int signo) {
    struct sigaction now;
    if (evl_sys.sigaction(signo, NULL, &now) != 0)
        return;
    if (!is_ours(&now))
        return; /* not ours to remove */
    e->installed =
        false; /* before: a child of a fork in between finds ours by itself, but not that it has gone */
    if (evl_sys.sigaction(signo, &e->previous, NULL) != 0)
        e->installed = true;
}

static void unlink_sub(entry *e, evl_signal_sub *sub) {
    _Atomic(evl_signal_sub *) *at = &e->first;
    while (atomic_load(at) != sub)
        at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&sub->next));
}

static evl_signal_sub *find_sub(evl_loop *loop, int signo) {
    for (evl_link *link = loop->signals.next; link != &loop->signals; link = link->next) {
        evl_signal_sub *sub = EVL_OWNER(link, evl_signal_sub, link);
        if (sub->signo == signo)
            return sub;
    }
    return NULL;
}

/* Makes the caller a user of the loop's interest in a signal. */
static int subscribe(evl_loop *loop, int signo, evl_signal_sub **out) {
    *out = find_sub(loop, signo);
    if (*out) {
        (*out)->users++;
        return 0;
    }
    evl_signal_sub *sub = evl_mem_zalloc(&loop->mem, sizeof *sub);
    if (!sub)
        return EVL_ENOMEM;
    sub->loop = loop;
    sub->signo = signo;
    sub->users = 1;
    evl_list_init(&sub->watchers);
    entry *e = &table[signo];
    lock_table();
    int rc = install(e, signo);
    if (rc == 0) {
        atomic_store(&sub->next, atomic_load(&e->first));
        atomic_store(&e->first, sub);
    }
    unlock_table();
    if (rc != 0) {
        evl_mem_free(&loop->mem, sub, sizeof *sub);
        return rc;
    }
    evl_list_append(&loop->signals, &sub->link);
    *out = sub;
    return 0;
}

static void unsubscribe(evl_signal_sub *sub) {
    if (--sub->users != 0)
        return;
    entry *e = &table[sub->signo];
    lock_table();
    unlink_sub(e, sub);
    if (!atomic_load(&e->first))
        restore(e, sub->signo);
    unlock_table();
    for (int tries = 0; atomic_load(evl_fork_handlers()) != 0;)
        give_way(&tries); /* a handler on another thread may still be looking at it */
    evl_list_remove(&sub->link);
    evl_mem_free(&sub->loop->mem, sub, sizeof *sub);
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void detach(evl_handle *base) {
    evl_signal_handle *handle = (evl_signal_handle *)base;
    evl_list_remove(&handle->peers);
    unsubscribe(handle->sub);
    handle->sub = NULL;
}

const evl_handle_type evl_signal_type = {.size = sizeof(evl_signal_handle), .detach = detach};

/* Operations that waited once complete and leave, and the last one takes the subscription along. */
static void end_waits(evl_signal_sub *sub, uint32_t left) {
    for (evl_link *link = sub->watchers.next; left > 0;) {
        evl_signal_handle *handle = EVL_OWNER(link, evl_signal_handle, peers);
        link = link->next;
        if (!(handle->base.node.flags & EVL_F_INTERNAL) || handle->base.node.arg)
            continue;
        left--;
        detach(&handle->base);
        evl_handle_release(&handle->base);
    }
}

static void deliver(evl_loop *loop, evl_signal_sub *sub, uint32_t count) {
    uint32_t waits = 0;
    for (evl_link *link = sub->watchers.next; link != &sub->watchers; link = link->next) {
        evl_node *node = &EVL_OWNER(link, evl_signal_handle, peers)->base.node;
        if (node->flags & EVL_F_INTERNAL) {
            void *arg = node->arg;
            node->arg = NULL;
            node->fn.done(arg, count);
            waits++;
        } else
            evl_report_count(loop, node, count);
    }
    end_waits(sub, waits);
}

void evl_signals_due(evl_loop *loop) {
    if (!atomic_load_explicit(&loop->signal_seen, memory_order_relaxed))
        return;
    (void)atomic_exchange(&loop->signal_seen, false);
    for (evl_link *link = loop->signals.next, *next; link != &loop->signals; link = next) {
        evl_signal_sub *sub = EVL_OWNER(link, evl_signal_sub, link);
        next = link->next;
        uint32_t count = atomic_exchange(&sub->count, 0);
        if (count != 0)
            deliver(loop, sub, count);
    }
}

/* --- watching --------------------------------------------------------------------------------- */

/* Adds a watcher that is filled in, or releases it. What came before is for the watchers that were there; the
 * last of them may go with it, but the subscription stays: this one uses it already. */
static int attach(evl_handle *handle, int signo) {
    evl_signal_handle *self = (evl_signal_handle *)handle;
    int rc = subscribe(handle->loop, signo, &self->sub);
    if (rc != 0) {
        evl_handle_release(handle);
        return rc;
    }
    evl_signals_due(handle->loop);
    evl_list_append(&self->sub->watchers, &self->peers);
    return 0;
}

int32_t evl_signal_new(evl_loop *loop, int32_t signo, evl_done_fn *fn, void *arg, evl_signal **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0 && (!out || signo < 1 || signo >= SIGNALS))
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    evl_handle *handle = evl_handle_alloc(loop, EVL_KIND_SIGNAL, fn, arg);
    if (!handle)
        return EVL_ENOMEM;
    rc = attach(handle, signo);
    if (rc != 0)
        return rc;
    handle->node.flags = 0; /* does not keep the loop alive */
    evl_handle_set_active(handle, true);
    *out = handle;
    return 0;
}

int32_t evl_signal_number(const evl_signal *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SIGNAL);
    return rc != 0 ? rc : ((const evl_signal_handle *)handle)->sub->signo;
}

/* --- waiting for a signal once ---------------------------------------------------------------- */

int evl_signal_internal(evl_loop *loop, int signo, evl_done_fn *fn, void *arg, evl_handle **out) {
    if (signo < 1 || signo >= SIGNALS)
        return EVL_EINVAL;
    evl_handle *handle = evl_handle_alloc_internal(loop, EVL_KIND_SIGNAL, fn, arg);
    if (!handle)
        return EVL_ENOMEM;
    int rc = attach(handle, signo);
    if (rc != 0)
        return rc;
    evl_handle_set_active(handle, true);
    *out = handle;
    return 0;
}
