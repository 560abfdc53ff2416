/* memory.c - user memory of an idle connection: a watcher, or a stream, that waits for something to read.
 *     memory [WATCHERS]
 *
 * What the allocator gave out, divided by the number of watchers. For the peers that includes the watcher's
 * own structure, which the program allocates. The loop itself and what one watcher needs anyway is not
 * counted. */
#if !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* mallinfo2 */
#endif
#include "bench.h"
#include <evloop.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#if BENCH_LIBEV
#    include <ev.h>
#endif
#if BENCH_LIBUV
#    include <uv.h>
#endif

static int count;
static int *fds;
static size_t before, after;

static bench_table table = {.title = "bytes of user memory per idle watcher", .cols = {"bytes", "reported"}};
static int rows;

static size_t in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Called with 1 watcher there, and with all of them. */
static void look(int watchers) {
    if (watchers == 1)
        before = in_use();
    else if (watchers == count)
        after = in_use();
}

static void report(const char *name, uint64_t reported) {
    table.rows[rows] = name;
    bench_put(&table, rows, 0, (double)(after - before) / (count - 1));
    if (reported != 0)
        bench_put(&table, rows, 1, (double)reported / (count - 1));
    rows++;
}

static void on_evl(void *arg, int64_t mask) {
    (void)arg;
    (void)mask;
}

static uint64_t evl_bytes(const evl_loop *loop) {
    evl_metrics m = {.struct_size = sizeof m};
    BENCH_CHECK(evl_loop_metrics(loop, &m) == 0);
    return m.bytes;
}

static void measure_evloop(void) {
    evl_loop *loop;
    evl_io *io;
    uint64_t first = 0;
    BENCH_CHECK(evl_loop_new(&loop, NULL) == 0);
    for (int i = 0; i < count; i++) {
        BENCH_CHECK(evl_io_new(loop, fds[i], EVL_READ, 0, on_evl, NULL, &io) == 0);
        first = i == 0 ? evl_bytes(loop) : first;
        look(i + 1);
    }
    report("evloop", evl_bytes(loop) - first);
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
}

static void measure_streams(void) {
    evl_loop *loop;
    evl_stream *stream;
    uint64_t first = 0;
    BENCH_CHECK(evl_loop_new(&loop, NULL) == 0);
    for (int i = 0; i < count; i++) {
        BENCH_CHECK(evl_stream_open(loop, fds[i], EVL_STREAM_KEEP_FD, &stream) == 0);
        BENCH_CHECK(evl_stream_on_data(stream, on_evl, NULL) == 0);
        first = i == 0 ? evl_bytes(loop) : first;
        look(i + 1);
    }
    report("stream", evl_bytes(loop) - first);
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
}

#if BENCH_LIBEV
static void on_ev(struct ev_loop *l, ev_io *w, int revents) {
    (void)l;
    (void)w;
    (void)revents;
}

static void measure_libev(void) {
    struct ev_loop *ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    ev_io **all = calloc((size_t)count, sizeof *all);
    for (int i = 0; i < count; i++) {
        all[i] = malloc(sizeof *all[i]);
        ev_io_init(all[i], on_ev, fds[i], EV_READ);
        ev_io_start(ev, all[i]);
        ev_run(ev, EVRUN_NOWAIT); /* it tells the kernel only then */
        look(i + 1);
    }
    report("libev", 0);
    ev_loop_destroy(ev);
    for (int i = 0; i < count; i++)
        free(all[i]);
    free(all);
}
#endif

#if BENCH_LIBUV
static void on_uv(uv_poll_t *w, int status, int events) {
    (void)w;
    (void)status;
    (void)events;
}

static void free_uv(uv_handle_t *w) { free(w); }

static void measure_libuv(void) {
    uv_loop_t uv;
    uv_poll_t **all = calloc((size_t)count, sizeof *all);
    BENCH_CHECK(uv_loop_init(&uv) == 0);
    for (int i = 0; i < count; i++) {
        all[i] = malloc(sizeof *all[i]);
        BENCH_CHECK(uv_poll_init(&uv, all[i], fds[i]) == 0);
        BENCH_CHECK(uv_poll_start(all[i], UV_READABLE, on_uv) == 0);
        uv_run(&uv, UV_RUN_NOWAIT);
        look(i + 1);
    }
    report("libuv", 0);
    for (int i = 0; i < count; i++)
        uv_close((uv_handle_t *)all[i], free_uv);
    uv_run(&uv, UV_RUN_DEFAULT);
    BENCH_CHECK(uv_loop_close(&uv) == 0);
    free(all);
}
#endif

int main(int argc, char **argv) {
    count = (int)bench_arg(argc, argv, 1, 10000);
    struct rlimit limit;
    BENCH_CHECK(count > 1 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    BENCH_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int pair[2];
    BENCH_CHECK(pipe(pair) == 0);
    BENCH_CHECK((fds = calloc((size_t)count, sizeof *fds)) != NULL);
    for (int i = 0; i < count; i++)
        BENCH_CHECK((fds[i] = dup(pair[0])) >= 0);
    measure_evloop();
    measure_streams();
#if BENCH_LIBEV
    measure_libev();
#endif
#if BENCH_LIBUV
    measure_libuv();
#endif
    printf("%d watchers; reported: by evl_loop_metrics, without the allocator's own overhead\n", count);
    bench_print(&table, 0);
    free(fds);
    return 0;
}
