/* calls.c - deferred calls.
 *     calls [COUNT] [ROUNDS]                  all contenders
 *     calls COUNT 0 CONTENDER chain|batch     one of them, for a profiler
 *
 * "chain": each call defers the next one. "batch": a thousand are deferred, then they run; "large": a hundred
 * thousand. The peers have no queue of calls. What comes near is an idle watcher that stops itself, at the
 * price of a look at the kernel for each link of a chain; libev's ev_feed_event is cheaper, but it runs the
 * last one first and never looks at the kernel while there is one more. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include <evloop.h>
#if BENCH_LIBEV
#    include <ev.h>
#endif
#if BENCH_LIBUV
#    include <uv.h>
#endif

#define LARGE 100000

static long left; /* calls to go */

typedef struct contender {
    const char *name;
    void (*open)(void);
    void (*chain)(void);     /* `left` links */
    void (*batch)(int size); /* one batch */
    void (*close)(void);
} contender;

/* --- evloop --------------------------------------------------------------------------------------------- */

static evl_loop *loop;

static void open_evloop(void) { BENCH_CHECK(evl_loop_new(&loop, NULL) == 0); }

static void link_evloop(void *arg) {
    if (--left > 0)
        evl_call_soon(loop, link_evloop, arg);
}

static void chain_evloop(void) {
    evl_call_soon(loop, link_evloop, NULL);
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE);
}

static void call_evloop(void *arg) {
    (void)arg;
    left--;
}

static void batch_evloop(int size) {
    for (int i = 0; i < size; i++)
        evl_call_soon(loop, call_evloop, NULL);
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE);
}

static void close_evloop(void) { BENCH_CHECK(evl_loop_close(loop) == 0); }

/* The same with memory of the caller's. */
static evl_op ops[LARGE];

static void link_op(void *arg, int64_t result) {
    (void)result;
    if (--left > 0)
        evl_defer(loop, arg);
}

static void chain_op(void) {
    evl_op_init(&ops[0], link_op, &ops[0], 0);
    evl_defer(loop, &ops[0]);
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE);
}

static void call_op(void *arg, int64_t result) {
    (void)arg;
    (void)result;
    left--;
}

static void batch_op(int size) {
    for (int i = 0; i < size; i++) {
        evl_op_init(&ops[i], call_op, NULL, 0);
        evl_defer(loop, &ops[i]);
    }
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE);
}

/* --- libev ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBEV
static struct ev_loop *ev;
static ev_idle ev_idles[LARGE];

static void link_libev(struct ev_loop *l, ev_idle *w, int revents) {
    (void)revents;
    ev_idle_stop(l, w);
    if (--left > 0)
        ev_idle_start(l, w == &ev_idles[0] ? &ev_idles[1] : &ev_idles[0]);
}

static void call_libev(struct ev_loop *l, ev_idle *w, int revents) {
    (void)revents;
    ev_idle_stop(l, w);
    left--;
}

static void open_libev(void) {
    BENCH_CHECK((ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)) != NULL);
    for (int i = 0; i < LARGE; i++)
        ev_idle_init(&ev_idles[i], call_libev);
}

static void chain_libev(void) {
    ev_set_cb(&ev_idles[0], link_libev);
    ev_set_cb(&ev_idles[1], link_libev);
    ev_idle_start(ev, &ev_idles[0]);
    ev_run(ev, 0);
    ev_set_cb(&ev_idles[0], call_libev);
    ev_set_cb(&ev_idles[1], call_libev);
}

static void batch_libev(int size) {
    for (int i = 0; i < size; i++)
        ev_idle_start(ev, &ev_idles[i]);
    ev_run(ev, 0);
}

static void feed_link(struct ev_loop *l, ev_idle *w, int revents) {
    (void)revents;
    (void)w;
    if (--left > 0)
        ev_feed_event(l, w == &ev_idles[0] ? &ev_idles[1] : &ev_idles[0], EV_CUSTOM);
}

static void feed_call(struct ev_loop *l, ev_idle *w, int revents) {
    (void)l;
    (void)w;
    (void)revents;
    left--;
}

static void open_feed(void) {
    open_libev();
    for (int i = 0; i < LARGE; i++)
        ev_set_cb(&ev_idles[i], feed_call);
}

static void chain_feed(void) {
    ev_set_cb(&ev_idles[0], feed_link);
    ev_set_cb(&ev_idles[1], feed_link);
    ev_feed_event(ev, &ev_idles[0], EV_CUSTOM);
    ev_run(ev, EVRUN_NOWAIT);
    ev_set_cb(&ev_idles[0], feed_call);
    ev_set_cb(&ev_idles[1], feed_call);
}

static void batch_feed(int size) {
    for (int i = 0; i < size; i++)
        ev_feed_event(ev, &ev_idles[i], EV_CUSTOM);
    ev_run(ev, EVRUN_NOWAIT);
}

static void close_libev(void) { ev_loop_destroy(ev); }
#endif

/* --- libuv ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBUV
static uv_loop_t uv;
static uv_idle_t uv_idles[LARGE];

static void link_libuv(uv_idle_t *w) {
    uv_idle_stop(w);
    if (--left > 0)
        uv_idle_start(w == &uv_idles[0] ? &uv_idles[1] : &uv_idles[0], link_libuv);
}

static void call_libuv(uv_idle_t *w) {
    uv_idle_stop(w);
    left--;
}

static void open_libuv(void) {
    BENCH_CHECK(uv_loop_init(&uv) == 0);
    for (int i = 0; i < LARGE; i++)
        uv_idle_init(&uv, &uv_idles[i]);
}

static void chain_libuv(void) {
    uv_idle_start(&uv_idles[0], link_libuv);
    uv_run(&uv, UV_RUN_DEFAULT);
}

static void batch_libuv(int size) {
    for (int i = 0; i < size; i++)
        uv_idle_start(&uv_idles[i], call_libuv);
    uv_run(&uv, UV_RUN_DEFAULT);
}

static void close_libuv(void) {
    for (int i = 0; i < LARGE; i++)
        uv_close((uv_handle_t *)&uv_idles[i], NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
    BENCH_CHECK(uv_loop_close(&uv) == 0);
}
#endif

/* --- the work ------------------------------------------------------------------------------------------- */

static const contender contenders[] = {
    {"evloop", open_evloop, chain_evloop, batch_evloop, close_evloop},
    {"evloop-op", open_evloop, chain_op, batch_op, close_evloop},
#if BENCH_LIBEV
    {"libev", open_libev, chain_libev, batch_libev, close_libev},
    {"libev-feed", open_feed, chain_feed, batch_feed, close_libev},
#endif
#if BENCH_LIBUV
    {"libuv", open_libuv, chain_libuv, batch_libuv, close_libuv},
#endif
};

enum { CONTENDERS = sizeof contenders / sizeof *contenders };

enum { CHAIN, BATCH, MANY };

static bench_table table = {.title = "deferred calls, CPU ns each", .cols = {"chain", "batch", "large"}};

static void chain(const contender *c, long count) {
    left = count;
    c->chain();
    BENCH_CHECK(left == 0);
}

static void batches(const contender *c, long count, int size) {
    left = count / size * size;
    while (left > 0)
        c->batch(size);
    BENCH_CHECK(left == 0);
}

static void play(int row, long count) {
    const contender *c = &contenders[row];
    c->open();
    c->batch(LARGE); /* warm */
    int64_t begin = bench_cpu();
    chain(c, count);
    int64_t chained = bench_cpu();
    batches(c, count, 1000);
    int64_t batched = bench_cpu();
    batches(c, count, LARGE);
    int64_t end = bench_cpu();
    bench_put(&table, row, CHAIN, (double)(chained - begin) / (double)count);
    bench_put(&table, row, BATCH, (double)(batched - chained) / (double)count);
    bench_put(&table, row, MANY, (double)(end - batched) / (double)count);
    c->close();
}

static int play_one(const char *name, const char *what, long count) {
    for (int i = 0; i < CONTENDERS; i++) {
        if (strcmp(contenders[i].name, name) != 0)
            continue;
        contenders[i].open();
        if (strcmp(what, "chain") == 0)
            chain(&contenders[i], count);
        else
            batches(&contenders[i], count, 1000);
        contenders[i].close();
        return 0;
    }
    (void)fprintf(stderr, "calls: there is no %s\n", name);
    return 2;
}

int main(int argc, char **argv) {
    long count = bench_arg(argc, argv, 1, 1000000);
    long rounds = bench_arg(argc, argv, 2, 5);
    if (argc > 4)
        return play_one(argv[3], argv[4], count);
    for (int i = 0; i < CONTENDERS; i++)
        table.rows[i] = contenders[i].name;
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < CONTENDERS; i++)
            play(i, count);
    printf("%ld calls, best of %ld rounds\n", count, rounds);
    bench_print(&table, 0);
    return 0;
}
