/* loop.c - making a loop, owning it, and taking it down in any order. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* secure_getenv */
#endif
#include "loop.h"
#include "access.h"
#include "async.h"
#include "deferred.h"
#include "embed.h"
#include "hook.h"
#include "host_lock.h"
#include "post.h"
#include "report.h"
#include "signals.h"
#include "timer.h"
#include "wall.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_INTERVAL 64
#define LINGER        (INT64_C(10) * 1000000000)

/* --- options ---------------------------------------------------------------------------------- */

/* What an older program does not know of is 0; what a newer one asks for and this library does not know of is
 * refused. */
static int read_options(const evl_options *given, evl_options *out) {
    memset(out, 0, sizeof *out);
    if (!given)
        return 0;
    if (given->struct_size < sizeof given->struct_size)
        return EVL_EINVAL;
    size_t known = given->struct_size < sizeof *out ? given->struct_size : sizeof *out;
    memcpy(out, given, known);
    const unsigned char *rest = (const unsigned char *)given;
    for (size_t i = sizeof *out; i < given->struct_size; i++)
        if (rest[i] != 0)
            return EVL_EINVAL;
    if ((out->flags & ~(uint32_t)(EVL_LOOP_NOENV | EVL_LOOP_NOPOST)) != 0 || out->clock < EVL_CLOCK_REAL ||
        out->clock > EVL_CLOCK_JUMP || !out->host_unlock != !out->host_lock ||
        out->events_per_pass > UINT16_MAX || out->reserved != 0)
        return EVL_EINVAL;
    return 0;
}

/* The environment of a set-id program is its caller's. */
static const char *safe_getenv(const char *name) {
#if defined(__linux__)
    return secure_getenv(name);
#else
    return issetugid() ? NULL : getenv(name);
#endif
}

static const evl_backend *choose_backend(const evl_options *options) {
    const char *name = options->backend;
    if (!name && !(options->flags & EVL_LOOP_NOENV))
        name = safe_getenv("EVLOOP_BACKEND");
    return name ? evl_backend_named(name) : evl_backends[0];
}

/* --- making ----------------------------------------------------------------------------------- */

static void init_slabs(evl_loop *loop) {
    evl_handle_know(loop, EVL_KIND_IO, &evl_io_type);
    evl_handle_know(loop, EVL_KIND_TIMER, &evl_timer_type);
    evl_handle_know(loop, EVL_KIND_SIGNAL, &evl_signal_type);
    evl_handle_know(loop, EVL_KIND_HOOK, &evl_hook_type);
    evl_handle_know(loop, EVL_KIND_WALL, &evl_wall_type);
    evl_handle_know(loop, EVL_KIND_ASYNC, &evl_async_type);
    loop->calls.size = sizeof(evl_node);
    loop->extras.size = sizeof(evl_extra);
}

static void init_internal(evl_watcher *io) {
    io->base.node.flags = EVL_F_WAKE;
    io->fd = -1;
    io->unusual = UINT32_MAX;
}

static void init_parts(evl_loop *loop, const evl_options *options) {
    for (int i = 0; i < 2; i++)
        evl_list_init(&loop->sinks[i]);
    evl_list_init(&loop->running);
    evl_list_init(&loop->at_collect);
    for (int i = 0; i < 3; i++)
        evl_list_init(&loop->hooks[i]);
    evl_list_init(&loop->signals);
    evl_list_init(&loop->asyncs);
    evl_list_init(&loop->backoffs);
    evl_node_set(&loop->stop_notice, EVL_KIND_STOP, NULL, NULL);
    evl_node_set(&loop->call_notice, EVL_KIND_CALLBACKS, NULL, NULL);
    evl_list_init(&loop->pending);
    init_slabs(loop);
    evl_node_know(loop, EVL_NODE_ONCE, &evl_call_node);
    evl_node_know(loop, EVL_NODE_LATER, &evl_later_node);
    evl_node_know(loop, EVL_NODE_REPORT, &evl_report_node);
    loop->report = (evl_node){.sink = EVL_SINK_CALL, .type = EVL_NODE_REPORT, .kind = EVL_KIND_CALL};
    evl_tq_init(&loop->timers);
    evl_tq_init(&loop->walls);
    loop->flags = options->flags;
    loop->clock.mode = options->clock;
    loop->poll_interval = options->poll_interval ? options->poll_interval : POLL_INTERVAL;
    loop->linger_ns = options->linger_ns ? options->linger_ns : LINGER;
    if (loop->poll_interval == 1)
        loop->poll_interval = 0; /* every pass, the first one of a run included */
    init_internal(&loop->wake_watcher);
    init_internal(&loop->wall_watcher);
    loop->wall_watcher.base.node.slot = 1; /* distinguishes the two in tags */
    loop->slow_ns = -1;
    evl_copy_name(loop->name, options->name);
    atomic_init(&loop->refs, 1);
}

static void free_rows(evl_loop *loop) {
    evl_mem_free(&loop->mem, loop->events, (size_t)loop->events_cap * sizeof *loop->events);
    evl_host_lock_free(loop);
}

static int init_rows(evl_loop *loop, const evl_options *options) {
    loop->events_cap = options->events_per_pass ? (int32_t)options->events_per_pass : EVL_EVENT_MAX;
    loop->events = evl_mem_zalloc(&loop->mem, (size_t)loop->events_cap * sizeof *loop->events);
    return loop->events ? evl_host_lock_make(loop, options) : EVL_ENOMEM;
}

static int open_backend(evl_loop *loop) {
    loop->state = evl_mem_zalloc(&loop->mem, loop->backend->state_size);
    int rc = loop->state ? loop->backend->open(loop->state, &loop->mem, evl_io_tag(&loop->wake_watcher))
                         : EVL_ENOMEM;
    if (rc == 0 && loop->backend->reserve) {
        rc = loop->backend->reserve(loop->state, loop->events_cap);
        if (rc != 0)
            loop->backend->close(loop->state, false);
    }
    if (rc != 0)
        evl_mem_free(&loop->mem, loop->state, loop->backend->state_size);
    return rc;
}

static int init_state(evl_loop *loop, const evl_options *options) {
    if (!evl_io_has_tag(&loop->wake_watcher))
        return EVL_ENOTSUP;
    int rc = evl_posts_init(loop);
    if (rc != 0)
        return rc;
    rc = init_rows(loop, options);
    if (rc == 0)
        rc = open_backend(loop);
    if (rc != 0) {
        free_rows(loop);
        evl_posts_free(loop);
    }
    return rc;
}

int evl_loop_make(const evl_options *given, evl_loop **out) {
    evl_options options;
    uint32_t generation;
    int rc = read_options(given, &options);
    if (rc == 0)
        rc = evl_fork_generation(&generation);
    if (rc != 0)
        return rc;
    const evl_backend *backend = choose_backend(&options);
    if (!backend)
        return EVL_ENOTSUP;
    evl_mem mem;
    evl_mem_init(&mem, options.alloc, options.alloc_ctx);
    evl_loop *loop = evl_mem_zalloc(&mem, sizeof *loop);
    if (!loop)
        return EVL_ENOMEM;
    loop->mem = mem;
    loop->backend = backend;
    loop->origin = generation;
    atomic_init(&loop->gate, generation);
    atomic_init(&loop->home, evl_self());
    init_parts(loop, &options);
    rc = init_state(loop, &options);
    if (rc != 0) {
        evl_mem_free(&mem, loop, sizeof *loop);
        return rc;
    }
    loop->now = evl_clock_read(&loop->clock);
    *out = loop;
    return 0;
}

/* --- references ------------------------------------------------------------------------------- */

static void free_loop(evl_loop *loop) {
    evl_wall_close(loop);
    evl_parts_free(loop);
    loop->backend->close(loop->state, evl_is_forked(loop));
    evl_mem_free(&loop->mem, loop->state, loop->backend->state_size);
    evl_posts_free(loop);
    for (int kind = EVL_KIND_IO; kind < EVL_HANDLES; kind++)
        evl_slab_free(&loop->handles[kind], &loop->mem);
    evl_slab_free(&loop->calls, &loop->mem);
    evl_slab_free(&loop->extras, &loop->mem);
    evl_mem_free(&loop->mem, loop->fds, loop->fds_cap * sizeof *loop->fds);
    evl_tq_free(&loop->timers, &loop->mem);
    evl_tq_free(&loop->walls, &loop->mem);
    free_rows(loop);
    evl_mem mem;
    evl_mem_init(&mem, loop->mem.fn, loop->mem.ctx);
    evl_mem_free(&mem, loop, sizeof *loop);
}

evl_loop *evl_loop_ref(evl_loop *loop) {
    if (loop)
        atomic_fetch_add(&loop->refs, 1);
    return loop;
}

void evl_loop_unref(evl_loop *loop) {
    if (loop && atomic_fetch_sub(&loop->refs, 1) == 1)
        free_loop(loop);
}

int32_t evl_loop_hold(evl_loop *loop) {
    if (!loop)
        return EVL_EINVAL;
    atomic_fetch_add(&loop->holds, 1);
    return 0;
}

static int32_t unhold(evl_loop *loop) {
    int held = atomic_load(&loop->holds);
    do {
        if (held == 0)
            return EVL_EINVAL;
    } while (!atomic_compare_exchange_weak(&loop->holds, &held, held - 1));
    if (!evl_is_forked(loop))
        (void)evl_wake(loop);
    return 0;
}

/* The loop may be waiting only because of the hold: it has to look again. Without the hold another thread may
 * close it at once. */
int32_t evl_loop_unhold(evl_loop *loop) {
    if (!loop)
        return EVL_EINVAL;
    (void)evl_loop_ref(loop);
    int32_t rc = unhold(loop);
    evl_loop_unref(loop);
    return rc;
}

int32_t evl_loop_alive(const evl_loop *loop) { return evl_enter_to_look(loop) == 0 && evl_is_alive(loop); }

int32_t evl_loop_set_data(evl_loop *loop, void *data) {
    if (!loop)
        return EVL_EINVAL;
    atomic_store(&loop->data, (uintptr_t)data);
    return 0;
}

void *evl_loop_data(const evl_loop *loop) { return loop ? (void *)atomic_load(&loop->data) : NULL; }

const char *evl_loop_backend(const evl_loop *loop) { return loop ? loop->backend->name : NULL; }

uint32_t evl_backend_caps(const evl_loop *loop) { return loop ? loop->backend->caps : 0; }

/* --- owning ----------------------------------------------------------------------------------- */

/* In a child the thread that was inside is not there. If it waited in the kernel, the loop is as it is
 * between two runs; if not, it was in the middle of something that no thread will end. */
int evl_enter_foreign(evl_loop *loop) {
    if (!evl_is_forked(loop) || !loop->waiting)
        return EVL_ETHREAD;
    loop->waiting = loop->pulling = false;
    atomic_store(&loop->owner, 0);
    return 0;
}

int evl_own(evl_loop *loop) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (evl_is_released(loop))
        return EVL_ETHREAD;
    uintptr_t no_owner = 0;
    if (!atomic_compare_exchange_strong(&loop->owner, &no_owner, evl_self()))
        return no_owner == evl_self() ? EVL_ERUNNING : EVL_ETHREAD;
    atomic_store_explicit(&loop->home, evl_self(), memory_order_relaxed);
    atomic_store(&loop->sleeping, false);
    loop->leaving = false;
    loop->now = evl_clock_read(&loop->clock); /* a first pass that does not poll must not see an old time */
    return 0;
}

void evl_disown(evl_loop *loop) {
    if (evl_is_closed(loop)) { /* destroyed from inside */
        evl_finish_close(loop);
        return;
    }
    atomic_store(&loop->owner, 0);
    if (!loop->pulling) /* records are worked on between two calls */
        loop->busy_since = 0;
    loop->pulling = false;
    if (!(loop->waits_outside & EVL_WAITS_HOST) || evl_is_forked(loop))
        return;
    evl_embed_begin(loop);
}

/* --- after a fork ----------------------------------------------------------------------------- */

int32_t evl_loop_fork(evl_loop *loop) {
    uint32_t generation;
    if (!loop)
        return EVL_EINVAL;
    int rc = evl_enter_child(loop);
    if (rc != 0 || !evl_is_forked(loop))
        return rc;
    rc = evl_io_requeue(loop, true);
    if (rc == 0)
        rc = evl_fork_generation(&generation);
    if (rc != 0)
        return rc;
    (void)pthread_mutex_init(&loop->lock, NULL); /* a thread of the parent may have held the old one */
    loop->origin = generation;
    loop->waits_outside &= (uint8_t)~EVL_WAITS_RELEASED; /* by a thread that is not here */
    loop->waiting = loop->pulling = false;
    atomic_store(&loop->gate, generation);
    atomic_store(&loop->sleeping, false);
    atomic_store(&loop->signal_seen, true); /* a handler may have counted, and not come to say so */
    (void)evl_parts_collect(loop);
    evl_posts_fork(loop);
    evl_parts_fork(loop);
    if (loop->waits_outside) /* by the child's own wake: one that the parent's was used for is not known to it
                              */
        evl_embed_begin(loop);
    return 0;
}
