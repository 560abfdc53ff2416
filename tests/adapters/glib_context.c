/* glib_context.c - a GMainContext inside a loop. */
#include "support.h"

#include <evloop/adapters/glib_context.h>
#include <glib-unix.h>

static evl_loop *loop;
static GMainContext *context;
static evl_glib_context *attached;

static void begin(void) {
    loop = new_loop();
    context = g_main_context_new();
    CHECK_EQ(evl_glib_context_attach(loop, context, &attached), 0);
}

static void end(void) {
    evl_glib_context_detach(attached);
    g_main_context_unref(context);
    close_loop(loop);
}

static void add(GSource *source, GSourceFunc fn, void *arg) {
    g_source_set_callback(source, fn, arg, NULL);
    g_source_attach(source, context);
    g_source_unref(source);
}

static void stop(void *arg, int64_t n) {
    (void)arg, (void)n;
    evl_stop(loop, 0);
}

static gboolean stop_soon(gpointer arg) {
    (void)arg;
    evl_stop(loop, 0);
    return G_SOURCE_REMOVE;
}

/* Timeouts are never early, and in time: of those that came later others have a try. */
static int in_time, tries;
static gint64 due;

static gboolean timed_out(gpointer arg);

static void next_timeout(void) {
    guint ms = 3 + (guint)(tries++ % 5);
    due = g_get_monotonic_time() + ms * 1000;
    add(g_timeout_source_new(ms), timed_out, NULL);
}

static gboolean timed_out(gpointer arg) {
    gint64 late = g_get_monotonic_time() - due;
    (void)arg;
    CHECK(late >= 0);
    in_time += late <= 2000; /* GLib counts in milliseconds */
    if (in_time < 15 && tries < 2000)
        next_timeout();
    else
        evl_stop(loop, 0);
    return G_SOURCE_REMOVE;
}

static void timeouts(void) {
    begin();
    in_time = tries = 0;
    next_timeout();
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    CHECK(in_time >= 15);
    end();
}

/* fds of both sides; those of GLib are closed and their numbers used again within one callback. */
static int bytes, fds[2];

static gboolean readable(gint fd, GIOCondition condition, gpointer arg) {
    char byte;
    (void)arg;
    CHECK(condition & G_IO_IN);
    CHECK_EQ(read(fd, &byte, 1), 1);
    if (++bytes == 200) {
        evl_stop(loop, 0);
        return G_SOURCE_REMOVE;
    }
    int old[2] = {fds[0], fds[1]};
    close(fds[0]);
    close(fds[1]);
    CHECK_EQ(pipe(fds), 0);
    CHECK(fds[0] == old[0] || fds[0] == old[1]);
    GSource *source = g_unix_fd_source_new(fds[0], G_IO_IN);
    add(source, (GSourceFunc)(void (*)(void))readable, NULL);
    return G_SOURCE_REMOVE;
}

static void send_byte(void *arg, int64_t n) {
    (void)arg, (void)n;
    CHECK_EQ(write(fds[1], "x", 1), 1);
}

static void reused_fds(void) {
    evl_timer *timer;
    begin();
    bytes = 0;
    CHECK_EQ(pipe(fds), 0);
    add(g_unix_fd_source_new(fds[0], G_IO_IN), (GSourceFunc)(void (*)(void))readable, NULL);
    CHECK_EQ(evl_timer_new(loop, send_byte, NULL, &timer), 0);
    CHECK_EQ(evl_timer_start_in(timer, EVL_MS / 2, EVL_MS / 2), 0);
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    CHECK_EQ(bytes, 200);
    evl_close(timer);
    close(fds[0]);
    close(fds[1]);
    end();
}

/* Idle sources run, and starve nothing. */
static int idles;

static gboolean count_idle(gpointer arg) {
    (void)arg;
    idles++;
    return G_SOURCE_CONTINUE;
}

static void idle_sources(void) {
    evl_timer *timer;
    begin();
    idles = 0;
    add(g_idle_source_new(), count_idle, NULL);
    CHECK_EQ(evl_timer_new(loop, stop, NULL, &timer), 0);
    CHECK_EQ(evl_timer_start_in(timer, 10 * EVL_MS, 0), 0);
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    CHECK(idles > 10);
    evl_close(timer);
    end();
}

/* Nothing to do costs nothing. */
static int polls;

static void count_poll(void *arg) {
    (void)arg;
    polls++;
}

static void idle(void) {
    evl_timer *timer;
    evl_hook *hook;
    begin();
    polls = 0;
    add(g_timeout_source_new(3600000), stop_soon, NULL);
    CHECK_EQ(evl_hook_new(loop, EVL_HOOK_AFTER_POLL, count_poll, NULL, &hook), 0);
    CHECK_EQ(evl_timer_new(loop, stop, NULL, &timer), 0);
    CHECK_EQ(evl_timer_start_in(timer, 100 * EVL_MS, 0), 0);
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    CHECK(polls <= 5);
    evl_close(timer);
    evl_close(hook);
    end();
}

/* Other threads reach the context. */
static int invoked;

static gboolean count_invoked(gpointer arg) {
    (void)arg;
    if (++invoked == 1000)
        evl_stop(loop, 0);
    return G_SOURCE_REMOVE;
}

static gpointer invoke_all(gpointer arg) {
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        g_main_context_invoke(context, count_invoked, NULL);
        if (i % 250 == 0)
            nap();
    }
    return NULL;
}

static void from_a_thread(void) {
    begin();
    invoked = 0;
    GThread *thread = g_thread_new("invoker", invoke_all, NULL);
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    g_thread_join(thread);
    CHECK_EQ(invoked, 1000);
    end();
}

static gboolean detach_here(gpointer arg) {
    (void)arg;
    evl_glib_context_detach(attached);
    return G_SOURCE_REMOVE;
}

static void detached_in_a_source(void) {
    begin();
    add(g_timeout_source_new(1), detach_here, NULL);
    g_main_context_unref(context); /* the other reference is the adapter's, and goes there */
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE); /* nothing keeps it */
    close_loop(loop);
}

static gboolean destroy_here(gpointer arg) {
    (void)arg;
    evl_loop_destroy(loop);
    return G_SOURCE_REMOVE;
}

static void loop_destroyed_first(void) {
    for (int inside = 0; inside < 2; inside++) {
        begin();
        add(g_timeout_source_new(inside ? 1 : 1000), destroy_here, NULL);
        if (inside) {
            evl_loop_run(loop, EVL_RUN_DEFAULT);
        } else {
            evl_loop_run(loop, EVL_RUN_NOWAIT);
            evl_loop_destroy(loop);
        }
        evl_glib_context_detach(attached);
        g_main_context_unref(context);
    }
}

int main(void) {
    begin_tests();
    (void)g_main_context_default(); /* GLib keeps it, and an fd with it */
    CASE(timeouts);
    CASE(reused_fds);
    CASE(idle_sources);
    CASE(idle);
    CASE(from_a_thread);
    CASE(detached_in_a_source);
    CASE(loop_destroyed_first);
    return 0;
}
