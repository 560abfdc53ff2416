/* evloop/adapters/glib_context.h - a GMainContext inside a loop: GLib's sources, run by evl_loop_run.
 *
 *     evl_glib_context_attach(loop, NULL, &attached); // of the default GMainContext
 *     g_timeout_add(100, tick, NULL);
 *     evl_loop_run(loop, EVL_RUN_DEFAULT);            // runs both
 *     evl_glib_context_detach(attached);
 *
 * For programs on evloop that use a library of GLib's world, such as libnm or GStreamer. Where GLib owns the
 * main loop, see evloop/adapters/glib.h. Only this header: link glib-2.0, 2.36 or newer, and evloop. */
#ifndef EVLOOP_ADAPTERS_GLIB_CONTEXT_H
#define EVLOOP_ADAPTERS_GLIB_CONTEXT_H

#include <evloop.h>
#include <glib.h>
#include <stdlib.h>

/* A context on a loop; its members are the adapter's. */
typedef struct evl_glib_context {
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    GMainContext *context;
    evl_hook *hook;
    evl_timer *timer;
    GPollFD *fds; /* what GLib waits for, with a watcher for each */
    evl_io **ios;
    gint n, cap, priority;
    int busy, prepared, detached;
} evl_glib_context;

/* GLib may be inside the context until here, and this reference may be the last one. */
static inline void evl_glib_context_leave(evl_glib_context *c) {
    if (--c->busy != 0 || !c->detached)
        return;
    g_main_context_release(c->context);
    g_main_context_unref(c->context);
    g_free(c);
}

/* Something has come for GLib: what it is says a look at its fds. */
static inline void evl_glib_context_run(evl_glib_context *c) {
    if (!c->prepared)
        return; /* what was prepared has run in this pass */
    c->prepared = 0;
    c->busy++;
    (void)g_poll(c->fds, (guint)c->n, 0);
    if (g_main_context_check(c->context, c->priority, c->fds, c->n))
        g_main_context_dispatch(c->context);
    evl_glib_context_leave(c);
}

static inline void evl_glib_context_timed_out(void *arg, int64_t expirations) {
    (void)expirations;
    evl_glib_context_run((evl_glib_context *)arg);
}

static inline void evl_glib_context_ready(void *arg, int64_t mask) {
    if (mask != EVL_ECLOSED) /* its own doing */
        evl_glib_context_run((evl_glib_context *)arg);
}

static inline void evl_glib_context_unwatch(evl_glib_context *c) {
    for (gint i = 0; i < c->n; i++)
        (void)evl_close(c->ios[i]);
    c->n = 0;
}

/* Watches what GLib waits for anew each time: GLib does not say when an fd was closed and its number used
 * again, and the kernel would report nothing of a watcher that stayed. Without memory for one it is tried
 * again soon. */
static inline void evl_glib_context_watch(evl_glib_context *c, gint n) {
    c->n = n;
    for (gint i = 0; i < n; i++) {
        gushort events = c->fds[i].events;
        guint32 mask =
            (events & G_IO_IN ? (guint32)EVL_READ : 0u) | (events & G_IO_OUT ? (guint32)EVL_WRITE : 0u);
        if (evl_io_new(c->loop, c->fds[i].fd, mask, 0, evl_glib_context_ready, c, &c->ios[i]) != 0)
            (void)evl_timer_start_in(c->timer, 10 * EVL_MS, 0);
    }
}

static inline gint evl_glib_context_query(evl_glib_context *c, gint *timeout_ms) {
    gint n = g_main_context_query(c->context, c->priority, timeout_ms, c->fds, c->cap);
    while (n > c->cap) {
        c->cap = n + 16;
        c->fds = g_renew(GPollFD, c->fds, c->cap);
        c->ios = g_renew(evl_io *, c->ios, c->cap);
        n = g_main_context_query(c->context, c->priority, timeout_ms, c->fds, c->cap);
    }
    return n;
}

/* Before the loop waits GLib says for what, and for how long. */
static inline void evl_glib_context_before_poll(void *arg) {
    evl_glib_context *c = (evl_glib_context *)arg;
    gint timeout_ms = -1;
    evl_glib_context_unwatch(c);
    c->busy++; /* prepare functions are the program's */
    gboolean ready = g_main_context_prepare(c->context, &c->priority);
    if (!c->detached) {
        gint n = evl_glib_context_query(c, &timeout_ms);
        c->prepared = 1;
        if (ready || timeout_ms >= 0)
            (void)evl_timer_start_in(c->timer, ready ? 0 : (int64_t)timeout_ms * EVL_MS, 0);
        else
            (void)evl_timer_stop(c->timer);
        evl_glib_context_watch(c, n);
    }
    evl_glib_context_leave(c);
}

/* Takes a context out of its loop, before or after the loop is destroyed, on the same thread, also in a
 * callback of either. NULL is allowed. */
static inline void evl_glib_context_detach(evl_glib_context *c) {
    if (!c)
        return;
    evl_glib_context_unwatch(c);
    (void)evl_close(c->hook);
    (void)evl_close(c->timer);
    evl_loop_unref(c->loop);
    g_free(c->fds);
    g_free(c->ios);
    c->fds = NULL;
    c->ios = NULL;
    c->detached = 1;
    c->busy++;
    evl_glib_context_leave(c);
}

/* Lets a loop run the sources of a context; NULL is the default one. The calling thread owns the context (it
 * is acquired) and has to be the one that runs the loop, so that sources which other threads attach wake it.
 *
 * Until evl_glib_context_detach it keeps the loop alive, whatever sources there are. A GMainLoop that runs
 * inside a callback runs GLib's sources only. Costs two system calls for every fd of GLib's in every pass
 * that polls. Errors:
 * - EVL_EINVAL: loop is NULL.
 * - EVL_EBUSY: another thread owns the context.
 * - EVL_ENOMEM: out of memory. */
static inline int32_t evl_glib_context_attach(evl_loop *loop, GMainContext *context, evl_glib_context **out) {
    *out = NULL;
    if (!loop)
        return EVL_EINVAL;
    if (!context)
        context = g_main_context_default();
    if (!g_main_context_acquire(context))
        return EVL_EBUSY;
    evl_glib_context *c = g_new0(evl_glib_context, 1);
    c->loop = evl_loop_ref(loop);
    c->context = g_main_context_ref(context);
    int32_t rc = evl_timer_new(loop, evl_glib_context_timed_out, c, &c->timer);
    if (rc == 0)
        rc = evl_hook_new(loop, EVL_HOOK_BEFORE_POLL, evl_glib_context_before_poll, c, &c->hook);
    if (rc == 0)
        rc = evl_timer_start_in(c->timer, 0, 0); /* alive from now on */
    if (rc != 0) {
        evl_glib_context_detach(c);
        return rc;
    }
    *out = c;
    return 0;
}

#endif
