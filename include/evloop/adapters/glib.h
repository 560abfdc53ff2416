/* evloop/adapters/glib.h - evloop hosted by GLib: a GSource whose dispatch runs what is due on a loop.
 *
 *     GSource *source = evl_glib_source_new(loop);
 *     g_source_attach(source, NULL);       // of the default GMainContext
 *     g_main_loop_run(main_loop);          // runs both
 *     g_source_destroy(source);
 *     g_source_unref(source);
 *
 * For programs of GTK, GStreamer, D-Bus and others that own the main loop. The other way round, a
 * GMainContext on an evloop, is evloop/adapters/glib_context.h. Only this header: link glib-2.0, 2.36 or
 * newer, and evloop. */
#ifndef EVLOOP_ADAPTERS_GLIB_H
#define EVLOOP_ADAPTERS_GLIB_H

#include <evloop.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The source; its members are the adapter's. */
typedef struct evl_glib_source {
    GSource base;
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    evl_fd fd;      /* readable when there is work; a duplicate, so that it outlives the loop. -1: by rows */
    gpointer tag;
    evl_poll_row *rows; /* what to wait for, with a tag for each */
    gpointer *tags;
    gint32 n, cap;
    gint64 due; /* evl_time at which there is work without any fd; EVL_NEVER */
} evl_glib_source;

static inline GIOCondition evl_glib_condition(guint32 wanted) {
    return (GIOCondition)((wanted & EVL_READ ? G_IO_IN : 0) | (wanted & EVL_WRITE ? G_IO_OUT : 0) |
                          (wanted & EVL_PRI ? G_IO_PRI : 0));
}

static inline guint32 evl_glib_reported(GIOCondition found) {
    return (found & G_IO_IN ? (guint32)EVL_READ : 0u) | (found & G_IO_OUT ? (guint32)EVL_WRITE : 0u) |
           (found & G_IO_PRI ? (guint32)EVL_PRI : 0u) | (found & G_IO_ERR ? (guint32)EVL_ERR : 0u) |
           (found & G_IO_HUP ? (guint32)EVL_HUP : 0u) | (found & G_IO_NVAL ? (guint32)EVL_NVAL : 0u);
}

static inline void evl_glib_unwatch(evl_glib_source *s, gint32 from) {
    for (gint32 i = from; i < s->n; i++)
        g_source_remove_unix_fd(&s->base, s->tags[i]);
    if (from < s->n)
        s->n = from;
}

/* Takes over the rows that the loop wants, from `rows`; what stays as it was is left alone. */
static inline void evl_glib_watch(evl_glib_source *s, const evl_poll_row *rows, gint32 n) {
    gint32 same = 0;
    while (same < n && same < s->n && rows[same].fd == s->rows[same].fd &&
           rows[same].wanted == s->rows[same].wanted)
        same++;
    evl_glib_unwatch(s, same);
    for (gint32 i = same; i < n; i++) {
        s->rows[i] = rows[i];
        s->tags[i] = g_source_add_unix_fd(&s->base, rows[i].fd, evl_glib_condition(rows[i].wanted));
    }
    s->n = n;
}

static inline gboolean evl_glib_prepare_rows(evl_glib_source *s, gint *timeout_ms) {
    gint64 timeout = -1;
    gint32 n = evl_loop_prepare(s->loop, s->rows + s->cap, s->cap, &timeout);
    while (n > s->cap) { /* what is in use is in the first half, what is new comes in the second */
        s->cap = n + 16;
        s->rows = g_renew(evl_poll_row, s->rows, 2 * s->cap);
        s->tags = g_renew(gpointer, s->tags, s->cap);
        n = evl_loop_prepare(s->loop, s->rows + s->cap, s->cap, &timeout);
    }
    if (n < 0) { /* dispatch says what to do about it */
        s->due = INT64_MIN;
        return TRUE;
    }
    evl_glib_watch(s, s->rows + s->cap, n);
    s->due = timeout < 0 ? EVL_NEVER : evl_time(s->loop) + timeout;
    gint64 ms = timeout < 0 ? -1 : timeout / EVL_MS + (timeout % EVL_MS != 0);
    *timeout_ms = (gint)(ms < G_MAXINT ? ms : G_MAXINT);
    return timeout == 0;
}

static inline gboolean evl_glib_prepare(GSource *source, gint *timeout_ms) {
    evl_glib_source *s = (evl_glib_source *)source;
    *timeout_ms = -1;
    return s->fd < 0 && evl_glib_prepare_rows(s, timeout_ms);
}

static inline gboolean evl_glib_check(GSource *source) {
    evl_glib_source *s = (evl_glib_source *)source;
    if (s->fd >= 0)
        return g_source_query_unix_fd(source, s->tag) != 0;
    gboolean any = s->due != EVL_NEVER && (s->due == INT64_MIN || evl_time(s->loop) >= s->due);
    for (gint32 i = 0; i < s->n; i++) {
        s->rows[i].reported = evl_glib_reported(g_source_query_unix_fd(source, s->tags[i]));
        any |= s->rows[i].reported != 0;
    }
    return any;
}

static inline gboolean evl_glib_dispatch(GSource *source, GSourceFunc fn, gpointer arg) {
    evl_glib_source *s = (evl_glib_source *)source;
    gint32 rc = evl_loop_dispatch(s->loop, s->fd >= 0 ? NULL : s->rows, s->fd >= 0 ? 0 : s->n);
    for (gint32 i = 0; i < s->n; i++)
        s->rows[i].reported = 0;
    gboolean goes_on = fn ? fn(arg) : G_SOURCE_CONTINUE;
    return rc < 0 ? G_SOURCE_REMOVE : goes_on;
}

static inline void evl_glib_finalize(GSource *source) {
    evl_glib_source *s = (evl_glib_source *)source;
    if (s->fd >= 0)
        close(s->fd);
    g_free(s->rows);
    g_free(s->tags);
    evl_loop_unref(s->loop);
}

static inline evl_fd evl_glib_dup(evl_fd fd) {
#ifdef F_DUPFD_CLOEXEC
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
#else /* strict C */
    fd = dup(fd);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
#endif
}

/* Makes a source for a loop, with one reference, to be attached to a context. Returns NULL when evl_loop_fd
 * or the duplicate of its fd fails for want of memory or fds.
 *
 * Nothing has to be alive on the loop, and the source never ends the main loop. A callback of the source
 * (g_source_set_callback, a GSourceFunc) is called after each dispatch, and returns G_SOURCE_REMOVE to end
 * it. evl_stop has no effect. Either may end first: a source whose loop was destroyed finds nothing to do any
 * more, and evl_loop_close does not mind a source. In a forked child, after evl_loop_fork, make another one.
 *
 * With epoll and kqueue GLib polls one fd more, and a timer is as exact as in a loop of its own; with select
 * it polls every fd of the loop, and a timer may come up to a millisecond later. */
static inline GSource *evl_glib_source_new(evl_loop *loop) {
    static GSourceFuncs functions = {evl_glib_prepare,  evl_glib_check, evl_glib_dispatch,
                                     evl_glib_finalize, NULL,           NULL};
    evl_fd fd = evl_loop_fd(loop);
    if (fd < 0 && fd != EVL_ENOTSUP)
        return NULL;
    evl_fd own = fd < 0 ? -1 : evl_glib_dup(fd);
    if (fd >= 0 && own < 0)
        return NULL;
    GSource *source = g_source_new(&functions, sizeof(evl_glib_source));
    evl_glib_source *s = (evl_glib_source *)source;
    s->loop = evl_loop_ref(loop);
    s->fd = own;
    if (own >= 0)
        s->tag = g_source_add_unix_fd(source, own, G_IO_IN);
    g_source_set_name(source, "evloop");
    return source;
}

#endif
