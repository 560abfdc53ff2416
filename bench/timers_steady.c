/* timers_steady.c - timers in equilibrium: ten operations for each timer, and all that these cause later.
 *     timers_steady [COUNT] [ROUNDS] [CONTENDER]
 *
 * Time is simulated and goes on by a second per COUNT operations; after every 64 of them the loop makes a
 * pass, with a real poll. Each work is played six times COUNT operations before it is measured for ten times
 * as many, so that what an operation leaves to be done later, by a sweep, a pass or a firing, is in the
 * figure. Timers that fire start themselves again. Deadlines at random are 1 to 60 seconds ahead.
 *
 *     hot      stops and starts 64 timers among the others in turn, 30 s ahead
 *     pair     starts or stops one at random, at random
 *     re-arm   moves one at random to a deadline at random
 *     first    moves the timer that is due first to 30 s ahead, as when connections are heard of in turn
 *     idle     moves one at random to 30 s ahead
 *     mixed    70 % moved later, 10 % earlier, 10 % stopped, 10 % started
 *     gradual  fires all, about 64 in a pass
 *
 * Then each is done with all: "start" and "stop" with the passes they need, "storm", where all are due at
 * once, and "history", the same after all were started, moved and stopped before. The second table has the
 * longest time from one pass to the end of the next, in us: what a caller may have to wait for. */
#define _GNU_SOURCE
#include "bench.h"
#include <evloop.h>
#include <sys/syscall.h>
#include <unistd.h>
#if BENCH_LIBEV
#    include <ev.h>
#endif

#define SECOND  INT64_C(1000000000)
#define BATCH   64  /* operations per pass */
#define GRADUAL 64  /* timers that fire in a pass */
#define HOT     64  /* timers beside the others */
#define AT_ONCE 256 /* as many does evloop fire in a pass */

static uint32_t count = 10000, total;
static int64_t now = SECOND; /* simulated */
static uint64_t chance = 1;

/* For libev, whose time is then the simulated one; of evloop the clock is a virtual one. */
int clock_gettime(clockid_t clock, struct timespec *ts) {
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return (int)syscall(SYS_clock_gettime, clock, ts);
    int64_t time = now + (clock == CLOCK_REALTIME ? 1000000 * SECOND : 0);
    ts->tv_sec = time / SECOND;
    ts->tv_nsec = time % SECOND;
    return 0;
}

/* A way to have timers. */
typedef struct contender {
    const char *name;
    void (*open)(void);
    void (*start)(uint32_t i, int64_t deadline); /* starts or moves */
    void (*stop)(uint32_t i);
    void (*pass)(void);
    void (*close)(void);
} contender;

static const contender *played;
static uint8_t *started;
static int64_t *deadlines;
static int64_t (*next_deadline)(void); /* of a timer that fires; NULL: it stays stopped */
static uint32_t fired;

static void start(uint32_t i, int64_t deadline) {
    started[i] = 1;
    deadlines[i] = deadline;
    played->start(i, deadline);
}

static void stop(uint32_t i) {
    if (!started[i])
        return;
    started[i] = 0;
    played->stop(i);
}

static void fire(uint32_t i) {
    fired++;
    started[i] = 0;
    if (next_deadline)
        start(i, next_deadline());
}

/* --- evloop --------------------------------------------------------------------------------------------- */

static evl_loop *loop;
static evl_timer **timers;
static int64_t loop_time;

static void on_timer(void *arg, int64_t expirations) {
    (void)expirations;
    fire((uint32_t)(uintptr_t)arg);
}

static void open_evloop(void) {
    evl_options options = {.struct_size = sizeof options, .clock = EVL_CLOCK_MANUAL};
    BENCH_CHECK(evl_loop_new(&loop, &options) == 0);
    BENCH_CHECK((timers = malloc(total * sizeof *timers)) != NULL);
    for (uint32_t i = 0; i < total; i++)
        BENCH_CHECK(evl_timer_new(loop, on_timer, (void *)(uintptr_t)i, &timers[i]) == 0);
    loop_time = evl_now(loop);
}

static void start_evloop(uint32_t i, int64_t deadline) { evl_timer_start_at(timers[i], deadline, 0); }

static void stop_evloop(uint32_t i) { evl_timer_stop(timers[i]); }

static void pass_evloop(void) {
    evl_clock_advance(loop, now - loop_time);
    loop_time = now;
    for (uint32_t before = fired - AT_ONCE; fired - before >= AT_ONCE;) {
        before = fired;
        evl_loop_run(loop, EVL_RUN_NOWAIT);
    }
}

static void close_evloop(void) {
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
    free(timers);
}

/* --- libev ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBEV
static struct ev_loop *ev;
static ev_timer *ev_timers;

static void on_ev_timer(struct ev_loop *l, ev_timer *w, int revents) {
    (void)l;
    (void)revents;
    fire((uint32_t)(w - ev_timers));
}

static void open_libev(void) {
    BENCH_CHECK((ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)) != NULL);
    BENCH_CHECK((ev_timers = malloc(total * sizeof *ev_timers)) != NULL);
    for (uint32_t i = 0; i < total; i++)
        ev_timer_init(&ev_timers[i], on_ev_timer, 0., 0.);
}

static void start_libev(uint32_t i, int64_t deadline) {
    ev_timer *w = &ev_timers[i];
    ev_timer_stop(ev, w);
    ev_timer_set(w, (double)(deadline - now) * 1e-9, 0.);
    ev_timer_start(ev, w);
}

static void stop_libev(uint32_t i) { ev_timer_stop(ev, &ev_timers[i]); }

static void pass_libev(void) { ev_run(ev, EVRUN_NOWAIT); }

static void close_libev(void) {
    ev_loop_destroy(ev);
    free(ev_timers);
}
#endif

static const contender contenders[] = {
    {"evloop", open_evloop, start_evloop, stop_evloop, pass_evloop, close_evloop},
#if BENCH_LIBEV
    {"libev", open_libev, start_libev, stop_libev, pass_libev, close_libev},
#endif
};

/* --- passes --------------------------------------------------------------------------------------------- */

static int64_t longest, last; /* from pass to pass; `last` is 0 while nobody asks */

static void pass(void) {
    played->pass();
    if (last == 0)
        return;
    int64_t cpu = bench_cpu();
    longest = cpu - last > longest ? cpu - last : longest;
    last = cpu;
}

/* After the i-th operation. */
static void tick(uint32_t i) {
    if (i % BATCH != 0)
        return;
    now += SECOND * BATCH / count;
    pass();
}

/* --- works ---------------------------------------------------------------------------------------------- */

static uint32_t any(void) { return (uint32_t)(bench_random(&chance) % count); }
static int64_t at_random(void) { return now + SECOND + (int64_t)(bench_random(&chance) % (59 * SECOND)); }
static int64_t in_30_s(void) { return now + 30 * SECOND; }

static void hot(uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        stop(count + i % HOT);
        start(count + i % HOT, in_30_s());
        tick(i);
    }
}

static void pair(uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = any();
        if (started[k])
            stop(k);
        else
            start(k, at_random());
        tick(i);
    }
}

static void rearm(uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        start(any(), at_random());
        tick(i);
    }
}

static void first(uint32_t n) {
    static uint32_t turn;
    for (uint32_t i = 0; i < n; i++) {
        turn = turn + 1 < count ? turn + 1 : 0;
        start(turn, in_30_s());
        tick(i);
    }
}

static void idle(uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        start(any(), in_30_s());
        tick(i);
    }
}

static void mixed(uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = any(), what = (uint32_t)(bench_random(&chance) % 10);
        if (what < 7 || !started[k])
            start(k, in_30_s());
        else if (what < 9)
            start(k, now + (deadlines[k] - now) / 2);
        else
            stop(k);
        tick(i);
    }
}

static void gradual(uint32_t n) {
    for (fired = 0; fired < n;) {
        now += GRADUAL * 30 * SECOND / count;
        pass();
    }
}

typedef struct work {
    const char *name;
    void (*play)(uint32_t n);
    int64_t (*next)(void); /* of what fires */
} work;

static const work works[] = {{"hot", hot, at_random},        {"pair", pair, at_random},
                             {"re-arm", rearm, at_random},   {"first", first, in_30_s},
                             {"idle", idle, in_30_s},        {"mixed", mixed, in_30_s},
                             {"gradual", gradual, at_random}};
enum { WORKS = sizeof works / sizeof *works };

static bench_table steady = {.title = "timers in equilibrium, CPU ns per operation"};
static bench_table steady_longest = {.title = "the longest time from pass to pass, CPU us"};
static bench_table all = {.title = "done with all, CPU ns each",
                          .cols = {"start", "stop", "storm", "history"}};
static bench_table all_longest = {.title = "the longest time from pass to pass, CPU us",
                                  .cols = {"start", "stop", "storm", "history"}};

static void start_all(void) {
    for (uint32_t i = 0; i < count; i++) {
        start(i, at_random());
        if (i % BATCH == 0)
            pass();
    }
    pass();
}

static void stop_all(void) {
    for (uint32_t i = 0; i < total; i++) {
        stop(i);
        if (i % BATCH == 0)
            pass();
    }
    pass();
}

static void pause_begins(void) { longest = 0, last = bench_cpu(); }

static double pause_ends(void) {
    last = 0;
    return (double)longest / 1000;
}

static void play(int row, int col) {
    const work *w = &works[col];
    next_deadline = w->next;
    start_all();
    w->play(6 * count);
    int64_t begin = bench_cpu();
    w->play(10 * count);
    bench_put(&steady, row, col, (double)(bench_cpu() - begin) / count / 10);
    pause_begins();
    w->play(10 * count);
    bench_put(&steady_longest, row, col, pause_ends());
    next_deadline = NULL;
    stop_all();
}

/* Twice: for the time, and with a look at the clock in every pass. */
static void measure(int row, int col, void (*done)(void), void (*before)(void)) {
    before();
    int64_t begin = bench_cpu();
    done();
    bench_put(&all, row, col, (double)(bench_cpu() - begin) / count);
    stop_all();
    before();
    pause_begins();
    done();
    bench_put(&all_longest, row, col, pause_ends());
    stop_all();
}

static void nothing(void) {}

/* All within five milliseconds. */
static void gather(void) {
    for (uint32_t i = 0; i < count; i++)
        start(i, now + SECOND + (int64_t)(bench_random(&chance) % (SECOND / 200)));
    pass();
    now += 2 * SECOND;
    fired = 0;
}

static void gather_late(void) {
    start_all();
    for (uint32_t i = 0; i < count; i++)
        start(any(), at_random());
    stop_all();
    gather();
}

static void storm(void) {
    while (fired < count)
        pass();
}

static void play_all(int row) {
    for (int col = 0; col < WORKS; col++)
        play(row, col);
    measure(row, 0, start_all, nothing);
    measure(row, 1, stop_all, start_all);
    measure(row, 2, storm, gather);
    measure(row, 3, storm, gather_late);
}

int main(int argc, char **argv) {
    count = (uint32_t)bench_arg(argc, argv, 1, count);
    int rounds = (int)bench_arg(argc, argv, 2, 3);
    total = count + HOT;
    BENCH_CHECK(count > 0 && (started = calloc(total, 1)) && (deadlines = calloc(total, sizeof *deadlines)));
    int n = (int)(sizeof contenders / sizeof *contenders);
    bench_table *tables[] = {&steady, &steady_longest, &all, &all_longest};
    for (int i = 0; i < n; i++)
        for (int t = 0; t < 4; t++)
            tables[t]->rows[i] = contenders[i].name;
    for (int col = 0; col < WORKS; col++)
        steady.cols[col] = steady_longest.cols[col] = works[col].name;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < n; i++) {
            played = &contenders[i];
            if (argc >= 4 && strcmp(argv[3], played->name) != 0)
                continue;
            played->open();
            play_all(i);
            played->close();
        }
    printf("%u timers, best of %d rounds\n", count, rounds);
    for (int t = 0; t < 4; t++)
        bench_print(tables[t], n > 1 ? 1 : 0);
    free(started);
    free(deadlines);
    return 0;
}
