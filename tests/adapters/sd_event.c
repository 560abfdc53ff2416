/* sd_event.c - evloop hosted by an sd_event. */
#include "hosts.h"

#include <evloop/adapters/sd_event.h>

static sd_event *event;
static sd_event_source *source, *host_timer;
static void (*after)(void);
static int quits;

static void host_new(void) { CHECK(sd_event_new(&event) >= 0); }

static void host_free(void) {
    host_timer = sd_event_source_disable_unref(host_timer);
    sd_event_unref(event);
}

static int32_t host_attach(evl_loop *l) { return evl_sd_event_attach(event, l, &source); }
static void host_detach(void) { source = sd_event_source_disable_unref(source); }

static void host_run(void) {
    for (quits = 0; !quits;)
        CHECK(sd_event_run(event, UINT64_MAX) >= 0);
}

static void host_quit(void) { quits = 1; }

static int call(sd_event_source *s, uint64_t at, void *arg) {
    (void)s, (void)at, (void)arg;
    after();
    return 0;
}

static void host_after(int ms, void (*fn)(void)) {
    after = fn;
    host_timer = sd_event_source_disable_unref(host_timer);
    CHECK(sd_event_add_time_relative(event, &host_timer, CLOCK_MONOTONIC, (uint64_t)ms * 1000, 1, call,
                                     NULL) >= 0);
}

static void detach_in_callback(void *arg) {
    (void)arg;
    host_detach();
    quits = 1;
}

static void detached_in_a_callback(void) {
    begin_host();
    CHECK_EQ(evl_call_soon(loop, detach_in_callback, NULL), 0);
    host_run();
    CHECK_EQ(evl_loop_destroy(loop), 0);
    host_free();
}

int main(void) {
    int rc = host_tests();
    if (rc == 0)
        CASE(detached_in_a_callback);
    return rc == HOST_LEFT_OUT ? 0 : rc;
}
