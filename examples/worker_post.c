/* worker_post.c - threads that work, and a loop that hears of their results.
 *
 * Each worker counts the primes of one range and posts what it found; the loop stays free for other things,
 * here a timer. A worker needs two things of the loop: a reference, so that the loop's memory is there for as
 * long as it may post, and a hold, so that the loop does not end before the results are in. */
#include <evloop.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 4, RANGE = 250000 };

typedef struct app {
    evl_loop *loop;
    evl_timer *timer;
    int heard, ticks;
    long primes;
} app;

typedef struct worker {
    pthread_t thread;
    app *app;
    int from;
} worker;

typedef struct result { /* made by a worker, freed by whoever holds it last */
    app *app;
    int from;
    long primes;
} result;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "worker_post: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

/* On the loop's thread: nothing here needs a lock. */
static void on_result(void *arg) {
    result *r = arg;
    printf("from %6d to %7d: %ld primes\n", r->from, r->from + RANGE, r->primes);
    r->app->primes += r->primes;
    if (++r->app->heard == WORKERS)
        check(evl_close(r->app->timer), "evl_close");
}

static void on_tick(void *arg, int64_t expirations) { ((app *)arg)->ticks += (int)expirations; }

static long count_primes(int from, int to) {
    long count = 0;
    for (int n = from < 2 ? 2 : from; n < to; n++) {
        int d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        count += d * d > n;
    }
    return count;
}

static void *work(void *arg) {
    worker *w = arg;
    evl_loop *loop = w->app->loop;
    result *r = malloc(sizeof *r);
    int32_t rc = EVL_ENOMEM;
    if (r != NULL) {
        *r = (result){.app = w->app, .from = w->from, .primes = count_primes(w->from, w->from + RANGE)};
        rc = evl_post_owned(loop, on_result, r,
                            free); /* freed after on_result, or when the loop is destroyed */
        if (rc < 0)
            free(r); /* a post that failed leaves its argument with the caller */
    }
    if (rc < 0) /* a result is lost, and the loop must not wait for it for ever */
        check(evl_stop(loop, rc), "evl_stop");
    check(evl_loop_unhold(loop), "evl_loop_unhold");
    evl_loop_unref(loop);
    return NULL;
}

int main(void) {
    worker workers[WORKERS];
    app a = {0};
    const int64_t tick = 1000000;

    check(evl_loop_new(&a.loop, NULL), "evl_loop_new");
    check(evl_timer_new(a.loop, on_tick, &a, &a.timer), "evl_timer_new");
    check(evl_timer_start_in(a.timer, tick, tick), "evl_timer_start_in");
    check(evl_keep_alive(a.timer, 0), "evl_keep_alive"); /* so that the holds alone keep the loop going */

    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (worker){.app = &a, .from = i * RANGE};
        evl_loop_ref(a.loop);
        check(evl_loop_hold(a.loop),
              "evl_loop_hold"); /* before the thread starts, or run might be over by then */
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            check(EVL_EAGAIN, "pthread_create");
    }

    check(evl_loop_run(a.loop, EVL_RUN_DEFAULT), "evl_loop_run");
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    check(evl_loop_close(a.loop), "evl_loop_close");
    printf("%ld primes below %d; the loop was %s meanwhile\n", a.primes, WORKERS * RANGE,
           a.ticks > 0 ? "free" : "busy");
    return 0;
}
