/* hello_timer.c - the smallest whole program: three greetings, a fifth of a second apart, and the loop ends.
 */
#include <evloop.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct greeter {
    evl_loop *loop;
    evl_timer *timer;
    int64_t started;
    int count;
} greeter;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "hello_timer: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void greet(void *arg, int64_t expirations) {
    greeter *g = arg;
    (void)expirations; /* more than 1 only if this program had been stopped for a while */
    printf("hello %d after %" PRId64 " ms\n", ++g->count, (evl_now(g->loop) - g->started) / 1000000);

    /* Nothing else keeps the loop alive, so closing the timer is what ends the run. A callback may close its
     * own handle. */
    if (g->count == 3)
        check(evl_close(g->timer), "evl_close");
}

int main(void) {
    greeter g = {0};
    const int64_t fifth = 200 * INT64_C(1000000);

    check(evl_loop_new(&g.loop, NULL), "evl_loop_new");
    check(evl_timer_new(g.loop, greet, &g, &g.timer), "evl_timer_new");
    g.started = evl_now(g.loop);
    check(evl_timer_start_at(g.timer, g.started + fifth, fifth), "evl_timer_start_at");

    check(evl_loop_run(g.loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_close(g.loop), "evl_loop_close"); /* would answer EVL_EBUSY if anything were still open */
    return 0;
}
