/* posts.c - work for the loop from another thread.
 *     posts [COUNT] [ROUNDS]              all contenders
 *     posts COUNT 1 CONTENDER [PAUSE]     one of them, for strace; PAUSE: every so many posts a rest of 1 ms
 *
 * A thread posts COUNT times, and the loop's thread counts what arrives. The peers only have a wake that
 * several threads may share; what a program puts around it is here the best we know: two arrays under a
 * mutex, swapped. "post" is the CPU time of the poster per item, "both" that of both threads, "wall" the time
 * until the last item has arrived. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include <evloop.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#if BENCH_LIBEV
#    include <ev.h>
#endif
#if BENCH_LIBUV
#    include <uv.h>
#endif

static long count, pause_every, arrived;

typedef struct contender {
    const char *name;
    void (*open)(void);
    void (*post)(void *arg); /* the poster's */
    void (*run)(void);       /* until all have arrived */
    void (*close)(void);
} contender;

/* --- evloop --------------------------------------------------------------------------------------------- */

static evl_loop *loop;
static uint64_t wakeups, polls;

static void open_evloop(void) {
    BENCH_CHECK(evl_loop_new(&loop, NULL) == 0);
    BENCH_CHECK(evl_loop_hold(loop) == 0);
}

static void arrive_evloop(void *arg) {
    (void)arg;
    if (++arrived == count)
        evl_loop_unhold(loop);
}

static void post_evloop(void *arg) { BENCH_CHECK(evl_post(loop, arrive_evloop, arg) == 0); }

static void run_evloop(void) { BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE); }

static void close_evloop(void) {
    evl_metrics m = {.struct_size = sizeof m};
    BENCH_CHECK(evl_loop_metrics(loop, &m) == 0);
    wakeups = m.wakeups;
    polls = m.polls;
    BENCH_CHECK(evl_loop_close(loop) == 0);
}

/* --- the queue that the peers need ------------------------------------------------------------------------
 */

typedef struct item {
    void (*fn)(void *arg);
    void *arg;
} item;

typedef struct items {
    item *at;
    size_t len, cap;
} items;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static items in, batch;

static void arrive(void *arg) {
    (void)arg;
    arrived++;
}

/* Whether the queue was empty, so that the loop needs a wake. */
static bool queue_push(void *arg) {
    (void)pthread_mutex_lock(&lock);
    if (in.len == in.cap) {
        in.cap = in.cap ? in.cap * 2 : 16;
        BENCH_CHECK((in.at = realloc(in.at, in.cap * sizeof *in.at)) != NULL);
    }
    in.at[in.len++] = (item){arrive, arg};
    bool first = in.len == 1;
    (void)pthread_mutex_unlock(&lock);
    return first;
}

/* Answers whether there may be more to come. */
static bool queue_run(void) {
    (void)pthread_mutex_lock(&lock);
    items swap = in;
    in = batch;
    in.len = 0;
    batch = swap;
    (void)pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < batch.len; i++)
        batch.at[i].fn(batch.at[i].arg);
    return arrived < count;
}

/* --- an eventfd in an epoll set ----------------------------------------------------------------------------
 */

static int ep, event;

static void open_raw(void) {
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    BENCH_CHECK((ep = epoll_create1(0)) >= 0 && (event = eventfd(0, EFD_NONBLOCK)) >= 0);
    BENCH_CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, event, &ev) == 0);
}

static void post_raw(void *arg) {
    uint64_t one = 1;
    if (queue_push(arg))
        BENCH_CHECK(write(event, &one, sizeof one) == sizeof one);
}

static void run_raw(void) {
    struct epoll_event ev;
    do
        BENCH_CHECK(epoll_wait(ep, &ev, 1, -1) >= 0);
    while (queue_run());
}

static void close_raw(void) {
    close(event);
    close(ep);
}

/* --- libev ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBEV
static struct ev_loop *ev;
static ev_async ev_wake;

static void on_ev_wake(struct ev_loop *l, ev_async *w, int revents) {
    (void)revents;
    if (!queue_run())
        ev_async_stop(l, w);
}

static void open_libev(void) {
    BENCH_CHECK((ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)) != NULL);
    ev_async_init(&ev_wake, on_ev_wake);
    ev_async_start(ev, &ev_wake);
}

static void post_libev(void *arg) {
    if (queue_push(arg))
        ev_async_send(ev, &ev_wake);
}

static void run_libev(void) { ev_run(ev, 0); }

static void close_libev(void) { ev_loop_destroy(ev); }
#endif

/* --- libuv ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBUV
static uv_loop_t uv;
static uv_async_t uv_wake;

static void on_uv_wake(uv_async_t *w) {
    if (!queue_run())
        uv_close((uv_handle_t *)w, NULL);
}

static void open_libuv(void) {
    BENCH_CHECK(uv_loop_init(&uv) == 0);
    BENCH_CHECK(uv_async_init(&uv, &uv_wake, on_uv_wake) == 0);
}

static void post_libuv(void *arg) {
    if (queue_push(arg))
        uv_async_send(&uv_wake);
}

static void run_libuv(void) { uv_run(&uv, UV_RUN_DEFAULT); }

static void close_libuv(void) { BENCH_CHECK(uv_loop_close(&uv) == 0); }
#endif

/* --- the work ------------------------------------------------------------------------------------------- */

static const contender contenders[] = {
    {"evloop", open_evloop, post_evloop, run_evloop, close_evloop},
    {"raw", open_raw, post_raw, run_raw, close_raw},
#if BENCH_LIBEV
    {"libev", open_libev, post_libev, run_libev, close_libev},
#endif
#if BENCH_LIBUV
    {"libuv", open_libuv, post_libuv, run_libuv, close_libuv},
#endif
};

enum { CONTENDERS = sizeof contenders / sizeof *contenders };

enum { POST, BOTH, WALL };

static bench_table table = {.title = "posts from another thread, ns each", .cols = {"post", "both", "wall"}};
static int64_t posted; /* CPU time of the poster */

static void *poster(void *arg) {
    const contender *c = arg;
    int64_t begin = bench_cpu();
    for (long i = 0; i < count; i++) {
        c->post(NULL);
        if (pause_every != 0 && i % pause_every == 0) {
            struct timespec ts = {0, 1000000};
            (void)nanosleep(&ts, NULL);
        }
    }
    posted = bench_cpu() - begin;
    return NULL;
}

static void play(int row) {
    const contender *c = &contenders[row];
    pthread_t thread;
    arrived = 0;
    c->open();
    int64_t wall = bench_now(), cpu = bench_cpu();
    BENCH_CHECK(pthread_create(&thread, NULL, poster, (void *)(uintptr_t)c) == 0);
    c->run();
    wall = bench_now() - wall;
    cpu = bench_cpu() - cpu;
    BENCH_CHECK(pthread_join(thread, NULL) == 0);
    BENCH_CHECK(arrived == count);
    bench_put(&table, row, POST, (double)posted / (double)count);
    bench_put(&table, row, BOTH, (double)(posted + cpu) / (double)count);
    bench_put(&table, row, WALL, (double)wall / (double)count);
    c->close();
}

int main(int argc, char **argv) {
    count = bench_arg(argc, argv, 1, 2000000);
    long rounds = bench_arg(argc, argv, 2, 5);
    const char *only = argc > 3 ? argv[3] : NULL;
    pause_every = bench_arg(argc, argv, 4, 0);
    for (int i = 0; i < CONTENDERS; i++)
        table.rows[i] = contenders[i].name;
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < CONTENDERS; i++)
            if (!only || strcmp(contenders[i].name, only) == 0)
                play(i);
    if (only && strcmp(only, "evloop") != 0)
        return 0;
    printf("%ld posts, best of %ld rounds; evloop's last: %.6f waits and %.6f wakes per post\n", count,
           rounds, (double)polls / (double)count, (double)wakeups / (double)count);
    bench_print(&table, 0);
    free(in.at);
    free(batch.at);
    return 0;
}
