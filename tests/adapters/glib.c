/* glib.c - evloop hosted by a GMainContext. */
#include "hosts.h"

#include <evloop/adapters/glib.h>

static GMainContext *context;
static GMainLoop *main_loop;
static GSource *source;

static void host_new(void) {
    context = g_main_context_new();
    main_loop = g_main_loop_new(context, FALSE);
}

static void host_free(void) {
    g_main_loop_unref(main_loop);
    g_main_context_unref(context);
}

static int32_t host_attach(evl_loop *l) {
    source = evl_glib_source_new(l);
    CHECK(source != NULL);
    g_source_attach(source, context);
    return 0;
}

static void host_detach(void) {
    g_source_destroy(source);
    g_source_unref(source);
}

static void host_run(void) { g_main_loop_run(main_loop); }
static void host_quit(void) { g_main_loop_quit(main_loop); }

static void (*after)(void);

static gboolean call(gpointer arg) {
    (void)arg;
    after();
    return G_SOURCE_REMOVE;
}

static void host_after(int ms, void (*fn)(void)) {
    GSource *timeout = g_timeout_source_new((guint)ms);
    after = fn;
    g_source_set_callback(timeout, call, NULL, NULL);
    g_source_attach(timeout, context);
    g_source_unref(timeout);
}

static gboolean until_nothing_is_alive(gpointer arg) {
    (void)arg;
    if (evl_loop_alive(loop) == 0)
        host_quit();
    return G_SOURCE_CONTINUE;
}

static void ignore(void *arg, int64_t n) { (void)arg, (void)n; }

static void quits_when_nothing_is_alive(void) {
    begin_host();
    g_source_set_callback(source, until_nothing_is_alive, NULL, NULL);
    CHECK_EQ(evl_timer_new(loop, ignore, NULL, &timer), 0);
    CHECK_EQ(evl_timer_start_in(timer, 3 * EVL_MS, 0), 0);
    host_run();
    end_host();
}

int main(void) {
    int rc = host_tests();
    CASE(quits_when_nothing_is_alive);
    return rc;
}
