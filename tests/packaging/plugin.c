/* plugin.c - a plugin that has its own evloop inside. */
#include <evloop.h>
#include <stddef.h>

static void on_timer(void *arg, int64_t expirations) {
    (void)expirations;
    ++*(int *)arg;
}

/* The address of the plugin's own copy, for the host to compare; NULL when that copy does not run. */
void *plugin_run(void);
void *plugin_run(void) {
    int fired = 0;
    evl_loop *loop;
    evl_timer *timer;
    if (evl_loop_new(&loop, NULL) != 0 || evl_timer_new(loop, on_timer, &fired, &timer) != 0)
        return NULL;
    if (evl_timer_start_in(timer, 0, 0) != 0 || evl_loop_run(loop, EVL_RUN_DEFAULT) != EVL_RUN_DONE)
        return NULL;
    evl_loop_destroy(loop);
    return fired == 1 ? (void *)evl_loop_new : NULL;
}
