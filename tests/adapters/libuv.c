/* libuv.c - evloop hosted by a uv_loop_t. */
#include "hosts.h"

#include <evloop/adapters/libuv.h>

static uv_loop_t uv;
static uv_timer_t uv_timer;
static evl_uv *attached;
static void (*after)(void);

static void host_new(void) {
    CHECK_EQ(uv_loop_init(&uv), 0);
    CHECK_EQ(uv_timer_init(&uv, &uv_timer), 0);
}

static void host_free(void) {
    uv_close((uv_handle_t *)&uv_timer, NULL);
    CHECK_EQ(uv_run(&uv, UV_RUN_DEFAULT), 0);
    CHECK_EQ(uv_loop_close(&uv), 0);
}

static int32_t host_attach(evl_loop *l) { return evl_uv_attach(&uv, l, &attached); }
static void host_detach(void) { evl_uv_detach(attached); }
static void host_run(void) { uv_run(&uv, UV_RUN_DEFAULT); }
static void host_quit(void) { uv_stop(&uv); }

static void call(uv_timer_t *t) {
    (void)t;
    after();
}

static void host_after(int ms, void (*fn)(void)) {
    after = fn;
    uv_update_time(&uv);
    CHECK_EQ(uv_timer_start(&uv_timer, call, (uint64_t)ms, 0), 0);
}

static void detach_in_callback(void *arg) {
    (void)arg;
    host_detach();
}

static void detached_in_a_callback(void) {
    begin_host();
    CHECK_EQ(evl_call_soon(loop, detach_in_callback, NULL), 0);
    CHECK_EQ(uv_run(&uv, UV_RUN_DEFAULT), 0); /* nothing keeps it */
    CHECK_EQ(evl_loop_destroy(loop), 0);
    host_free();
}

int main(void) {
    int rc = host_tests();
    if (rc == 0)
        CASE(detached_in_a_callback);
    return rc == HOST_LEFT_OUT ? 0 : rc;
}
