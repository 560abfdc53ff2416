/* timers.c - a million timers: start, re-arm, stop, fire.
 *     timers [COUNT] [ROUNDS] [CONTENDER]
 *
 * Deadlines are absolute and differ by nanoseconds. "start" goes through the timers one after the other, each
 * with a random deadline; "random" picks the timers in random order and moves each to a new random deadline;
 * "stop" stops one after the other. Then, started again, "half" is the first round of an idle timeout: it
 * moves all to the same distance from now, half of them earlier. "idle" is every later round: all of them
 * later, as for connections that have just been heard of. "fire" lets these become due and runs the loop
 * until the last has been called; "storm" does so with random deadlines. The order of the calls is checked
 * afterwards. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include <evloop.h>
#if BENCH_LIBEV
#    include <ev.h>
#endif
#if BENCH_LIBUV
#    include <uv.h>
#endif

#define SECOND INT64_C(1000000000)

static int count = 1000000;
static int64_t *deadlines; /* of the current phase */
static uint32_t *turns;    /* a random order */
static uint32_t *order;    /* in which they were called */
static int fired;

static inline void note(void *arg) { order[fired++] = (uint32_t)(uintptr_t)arg; }

/* A way to have timers. */
typedef struct contender {
    const char *name;
    int64_t resolution; /* order is promised down to this many ns */
    void (*open)(void);
    void (*start)(void);
    void (*move)(void);
    void (*move_any)(void); /* in a random order */
    void (*stop)(void);
    void (*fire)(void);
    void (*close)(void);
} contender;

/* --- evloop --------------------------------------------------------------------------------------------- */

static evl_loop *loop;
static evl_timer **timers, **any; /* in order, and in random order */

static void on_timer(void *arg, int64_t expirations) {
    (void)expirations;
    note(arg);
}

static void open_evloop(void) {
    BENCH_CHECK(evl_loop_new(&loop, NULL) == 0);
    BENCH_CHECK((timers = malloc((size_t)count * sizeof *timers)) != NULL);
    BENCH_CHECK((any = malloc((size_t)count * sizeof *any)) != NULL);
    for (int i = 0; i < count; i++)
        BENCH_CHECK(evl_timer_new(loop, on_timer, (void *)(uintptr_t)i, &timers[i]) == 0);
    for (int i = 0; i < count; i++)
        any[i] = timers[turns[i]];
}

static void start_evloop(void) {
    for (int i = 0; i < count; i++)
        evl_timer_start_at(timers[i], deadlines[i], 0);
}

static void move_any_evloop(void) {
    for (int i = 0; i < count; i++)
        evl_timer_start_at(any[i], deadlines[i], 0);
}

static void stop_evloop(void) {
    for (int i = 0; i < count; i++)
        evl_timer_stop(timers[i]);
}

static void fire_evloop(void) { BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE); }

static void close_evloop(void) {
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
    free(timers);
    free(any);
}

/* --- libev ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBEV
static struct ev_loop *ev;
static ev_timer *ev_timers, **ev_any;
static int64_t ev_base; /* bench_now at ev_now */

static void on_ev_timer(struct ev_loop *l, ev_timer *w, int revents) {
    (void)l;
    (void)revents;
    note(w->data);
}

static void open_libev(void) {
    BENCH_CHECK((ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)) != NULL);
    BENCH_CHECK((ev_timers = malloc((size_t)count * sizeof *ev_timers)) != NULL);
    BENCH_CHECK((ev_any = malloc((size_t)count * sizeof *ev_any)) != NULL);
    for (int i = 0; i < count; i++) {
        ev_timer_init(&ev_timers[i], on_ev_timer, 0., 0.);
        ev_timers[i].data = (void *)(uintptr_t)i;
        ev_any[i] = &ev_timers[turns[i]];
    }
}

/* Its deadlines are relative to its own idea of now. */
static void sync_libev(void) {
    ev_now_update(ev);
    ev_base = bench_now();
}

/* Seconds from now to the i-th deadline. */
static inline double ev_after(int i) { return (double)(deadlines[i] - ev_base) * 1e-9; }

static void start_libev(void) {
    sync_libev();
    for (int i = 0; i < count; i++) {
        ev_timer_set(&ev_timers[i], ev_after(i), 0.);
        ev_timer_start(ev, &ev_timers[i]);
    }
}

/* Its cheapest way: moves the timer inside the heap, to `repeat` from now. */
static inline void again(ev_timer *w, double after) {
    w->repeat = after;
    ev_timer_again(ev, w);
}

static void move_libev(void) {
    sync_libev();
    for (int i = 0; i < count; i++)
        again(&ev_timers[i], ev_after(i));
}

static void move_any_libev(void) {
    sync_libev();
    for (int i = 0; i < count; i++)
        again(ev_any[i], ev_after(i));
}

static void stop_libev(void) {
    for (int i = 0; i < count; i++)
        ev_timer_stop(ev, &ev_timers[i]);
}

static void fire_libev(void) { ev_run(ev, 0); }

static void close_libev(void) {
    ev_loop_destroy(ev);
    free(ev_timers);
    free(ev_any);
}
#endif

/* --- libuv ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBUV
static uv_loop_t uv;
static uv_timer_t *uv_timers, **uv_any;
static int64_t uv_base; /* bench_now at uv_now */

static void on_uv_timer(uv_timer_t *w) { note(w->data); }

static void open_libuv(void) {
    BENCH_CHECK(uv_loop_init(&uv) == 0);
    BENCH_CHECK((uv_timers = malloc((size_t)count * sizeof *uv_timers)) != NULL);
    BENCH_CHECK((uv_any = malloc((size_t)count * sizeof *uv_any)) != NULL);
    for (int i = 0; i < count; i++) {
        uv_timer_init(&uv, &uv_timers[i]);
        uv_timers[i].data = (void *)(uintptr_t)i;
        uv_any[i] = &uv_timers[turns[i]];
    }
}

static void sync_libuv(void) {
    uv_update_time(&uv);
    uv_base = bench_now();
}

static inline uint64_t uv_after(int i) { return (uint64_t)(deadlines[i] - uv_base) / 1000000; }

static void start_libuv(void) {
    sync_libuv();
    for (int i = 0; i < count; i++)
        uv_timer_start(&uv_timers[i], on_uv_timer, uv_after(i), 0);
}

static void move_any_libuv(void) {
    sync_libuv();
    for (int i = 0; i < count; i++)
        uv_timer_start(uv_any[i], on_uv_timer, uv_after(i), 0);
}

static void stop_libuv(void) {
    for (int i = 0; i < count; i++)
        uv_timer_stop(&uv_timers[i]);
}

static void fire_libuv(void) { uv_run(&uv, UV_RUN_DEFAULT); }

static void close_libuv(void) {
    for (int i = 0; i < count; i++)
        uv_close((uv_handle_t *)&uv_timers[i], NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
    BENCH_CHECK(uv_loop_close(&uv) == 0);
    free(uv_timers);
    free(uv_any);
}
#endif

/* --- the work ------------------------------------------------------------------------------------------- */

static const contender contenders[] = {
    {"evloop", 1, open_evloop, start_evloop, start_evloop, move_any_evloop, stop_evloop, fire_evloop,
     close_evloop},
#if BENCH_LIBEV
    {"libev", 1000, open_libev, start_libev, move_libev, move_any_libev, stop_libev, fire_libev, close_libev},
#endif
#if BENCH_LIBUV
    {"libuv", 1000000, open_libuv, start_libuv, start_libuv, move_any_libuv, stop_libuv, fire_libuv,
     close_libuv},
#endif
};

enum { START, RANDOM, STOP, HALF, IDLE, FIRE, STORM };

static bench_table table = {.title = "timers, CPU ns each",
                            .cols = {"start", "random", "stop", "half", "idle", "fire", "storm"}};

static void draw(int64_t base, int64_t span, uint64_t *chance) {
    for (int i = 0; i < count; i++)
        deadlines[i] = base + (int64_t)(bench_random(chance) % (uint64_t)span);
}

static void draw_idle(int64_t base) {
    for (int i = 0; i < count; i++)
        deadlines[i] = base + i;
}

static void measure(int row, int col, void (*work)(void)) {
    int64_t begin = bench_cpu();
    work();
    bench_put(&table, row, col, (double)(bench_cpu() - begin) / count);
}

/* All were called, once, and none before one with an earlier deadline. */
static void check_order(const contender *c) {
    BENCH_CHECK(fired == count);
    for (int i = 1; i < count; i++) {
        int64_t before = deadlines[order[i - 1]], after = deadlines[order[i]];
        BENCH_CHECK(before < after + c->resolution);
        if (c->resolution == 1)
            BENCH_CHECK(before != after || order[i - 1] < order[i]);
    }
}

static void sleep_until(int64_t when) {
    while (bench_now() < when) {
        struct timespec ts = {0, 1000000};
        (void)nanosleep(&ts, NULL);
    }
}

/* All deadlines are before `end`. */
static void fire(int row, int col, int64_t end) {
    const contender *c = &contenders[row];
    c->start();
    BENCH_CHECK(bench_now() < end);
    sleep_until(end + 2000000); /* libuv's clock may be a millisecond behind */
    fired = 0;
    measure(row, col, c->fire);
    check_order(c);
}

static void play(int row, uint64_t chance) {
    const contender *c = &contenders[row];
    int64_t base = bench_now() + 3600 * SECOND;
    c->open();
    draw(base, 60 * SECOND, &chance);
    measure(row, START, c->start);
    for (int i = 0; i < 2; i++) {
        draw(base, 60 * SECOND, &chance);
        measure(row, RANDOM, c->move_any);
    }
    measure(row, STOP, c->stop);

    draw(base, 60 * SECOND, &chance);
    measure(row, START, c->start);
    draw_idle(base + 30 * SECOND);
    measure(row, HALF, c->move);
    for (int i = 1; i < 3; i++) {
        draw_idle(base + (30 + i) * SECOND);
        measure(row, IDLE, c->move);
    }
    c->stop();

    base = bench_now() + 2 * SECOND; /* by then all are started */
    draw_idle(base);
    fire(row, FIRE, base + count);
    base = bench_now() + 2 * SECOND;
    draw(base, SECOND, &chance);
    fire(row, STORM, base + SECOND);
    c->close();
}

static void shuffle(uint64_t chance) {
    for (int i = 0; i < count; i++)
        turns[i] = (uint32_t)i;
    for (int i = count - 1; i > 0; i--) {
        int other = (int)(bench_random(&chance) % (uint64_t)(i + 1));
        uint32_t turn = turns[i];
        turns[i] = turns[other];
        turns[other] = turn;
    }
}

int main(int argc, char **argv) {
    count = (int)bench_arg(argc, argv, 1, count);
    int rounds = (int)bench_arg(argc, argv, 2, 5);
    deadlines = malloc((size_t)count * sizeof *deadlines);
    order = calloc((size_t)count, sizeof *order);
    turns = calloc((size_t)count, sizeof *turns);
    BENCH_CHECK(deadlines && order && turns && count > 0);
    shuffle(1);
    int n = (int)(sizeof contenders / sizeof *contenders);
    for (int i = 0; i < n; i++)
        table.rows[i] = contenders[i].name;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < n; i++)
            if (argc < 4 || strcmp(argv[3], contenders[i].name) == 0)
                play(i, (uint64_t)round);
    printf("%d timers, best of %d rounds; the order of firing was checked\n", count, rounds);
    bench_print(&table, n > 1 ? 1 : 0);
    free(deadlines);
    free(order);
    free(turns);
    return 0;
}
