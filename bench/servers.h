/* servers.h - the same echo server over evloop and its peers: one watcher per connection, whose callback
 * reads and writes back, or one stream. It is given connected sockets and serves until the other ends have
 * closed all of them. */
#ifndef EVL_BENCH_SERVERS_H
#define EVL_BENCH_SERVERS_H

#include "peers.h"
#include <evloop.h>
#include <sys/epoll.h>
#include <unistd.h>
#if BENCH_LIBEV
#    include <ev.h>
#endif
#if BENCH_LIBUV
#    include <uv.h>
#endif

uint64_t echo_left;
void (*echo_turn)(void);
void (*echo_ready)(void);

/* What every server does with a readable socket, as a part of its callback; false: the other end is gone. */
static inline __attribute__((always_inline)) bool echo(int fd) {
    char buf[ROOM];
    ssize_t n = read(fd, buf, sizeof buf);
    if (__builtin_expect(n <= 0, 0))
        return false;
    if (__builtin_expect(write(fd, buf, (size_t)n) != n, 0))
        bench_die("write");
    echo_done();
    return true;
}

/* --- evloop --------------------------------------------------------------------------------------------- */

typedef struct evl_conn {
    evl_io *io;
    int fd;
} evl_conn;

static void on_evl_readable(void *arg, int64_t mask) {
    evl_conn *conn = arg;
    (void)mask;
    if (!echo(conn->fd))
        evl_close(conn->io);
}

static uint64_t evl_polls, evl_allocations; /* while serving */

static void *counting_alloc(void *ctx, void *ptr, size_t old_size, size_t new_size) {
    (void)ctx;
    (void)old_size;
    evl_allocations++;
    if (new_size != 0)
        return realloc(ptr, new_size);
    free(ptr);
    return NULL;
}

static evl_loop *evl_begin(void) {
    evl_loop *loop;
    evl_options options = {.struct_size = sizeof options, .alloc = counting_alloc};
    BENCH_CHECK(evl_loop_new(&loop, &options) == 0);
    return loop;
}

/* Serves, and ends the loop. */
static void evl_serve(evl_loop *loop) {
    evl_allocations = 0;
    echo_begin();
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE);
    uint64_t allocations = evl_allocations;
    evl_metrics m = {.struct_size = sizeof m};
    BENCH_CHECK(evl_loop_metrics(loop, &m) == 0);
    evl_polls = m.polls;
    BENCH_CHECK(evl_loop_close(loop) == 0);
    evl_allocations = allocations;
}

static void serve_evloop(const int *fds, int n) {
    evl_loop *loop = evl_begin();
    evl_conn *conns = calloc((size_t)n, sizeof *conns);
    BENCH_CHECK(conns);
    for (int i = 0; i < n; i++) {
        conns[i].fd = fds[i];
        BENCH_CHECK(evl_io_new(loop, fds[i], EVL_READ, 0, on_evl_readable, &conns[i], &conns[i].io) == 0);
    }
    evl_serve(loop);
    free(conns);
}

/* What its users write instead of watchers: a stream reads and writes. */
typedef struct evl_stream_conn {
    evl_stream *stream;
    evl_op op;
    char buf[ROOM];
} evl_stream_conn;

static inline __attribute__((always_inline)) bool echo_stream(evl_stream *stream, const void *data,
                                                              int64_t n) {
    if (__builtin_expect(n <= 0, 0)) {
        evl_close(stream);
        return false;
    }
    if (__builtin_expect(evl_stream_write(stream, data, (size_t)n) != n, 0))
        bench_die("evl_stream_write");
    echo_done();
    return true;
}

static void on_evl_data(void *arg, int64_t n) {
    const void *data;
    (void)evl_stream_peek(arg, &data);
    (void)echo_stream(arg, data, n);
}

static void serve_streams(const int *fds, int n) {
    evl_loop *loop = evl_begin();
    evl_stream *stream;
    for (int i = 0; i < n; i++) {
        BENCH_CHECK(evl_stream_open(loop, fds[i], EVL_STREAM_KEEP_FD, &stream) == 0);
        BENCH_CHECK(evl_stream_on_data(stream, on_evl_data, stream) == 0);
    }
    evl_serve(loop);
}

static void on_evl_read(void *arg, int64_t n) {
    evl_stream_conn *conn = arg;
    if (echo_stream(conn->stream, conn->buf, n))
        (void)evl_stream_read(conn->stream, &conn->op, conn->buf, sizeof conn->buf);
}

static void serve_stream_ops(const int *fds, int n) {
    evl_loop *loop = evl_begin();
    evl_stream_conn *conns = calloc((size_t)n, sizeof *conns);
    BENCH_CHECK(conns);
    for (int i = 0; i < n; i++) {
        evl_stream_conn *conn = &conns[i];
        BENCH_CHECK(evl_stream_open(loop, fds[i], EVL_STREAM_KEEP_FD, &conn->stream) == 0);
        BENCH_CHECK(evl_op_init(&conn->op, on_evl_read, conn, 0) == 0);
        BENCH_CHECK(evl_stream_read(conn->stream, &conn->op, conn->buf, sizeof conn->buf) == 0);
    }
    evl_serve(loop);
    free(conns);
}

/* --- epoll ---------------------------------------------------------------------------------------------- */

static void serve_raw(const int *fds, int n) {
    struct epoll_event ready[256];
    int open = n, ep = epoll_create1(EPOLL_CLOEXEC);
    BENCH_CHECK(ep >= 0);
    for (int i = 0; i < n; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fds[i]};
        BENCH_CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev) == 0);
    }
    echo_begin();
    while (open > 0) {
        int count = epoll_wait(ep, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            if (echo(ready[i].data.fd))
                continue;
            epoll_ctl(ep, EPOLL_CTL_DEL, ready[i].data.fd, NULL);
            open--;
        }
    }
    close(ep);
}

/* --- libev ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBEV
static void on_ev_readable(struct ev_loop *l, ev_io *w, int revents) {
    (void)revents;
    if (!echo(w->fd))
        ev_io_stop(l, w);
}

static void serve_libev(const int *fds, int n) {
    struct ev_loop *ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    ev_io *conns = calloc((size_t)n, sizeof *conns);
    BENCH_CHECK(ev && conns);
    for (int i = 0; i < n; i++) {
        ev_io_init(&conns[i], on_ev_readable, fds[i], EV_READ);
        ev_io_start(ev, &conns[i]);
    }
    echo_begin();
    ev_run(ev, 0);
    ev_loop_destroy(ev);
    free(conns);
}
#endif

/* --- libuv ---------------------------------------------------------------------------------------------- */

#if BENCH_LIBUV
typedef struct uv_conn {
    uv_poll_t poll;
    int fd;
} uv_conn;

static void on_uv_readable(uv_poll_t *w, int status, int events) {
    (void)status;
    (void)events;
    if (!echo(((uv_conn *)w)->fd))
        uv_close((uv_handle_t *)w, NULL);
}

static void serve_libuv(const int *fds, int n) {
    uv_loop_t uv;
    uv_conn *conns = calloc((size_t)n, sizeof *conns);
    BENCH_CHECK(conns && uv_loop_init(&uv) == 0);
    for (int i = 0; i < n; i++) {
        conns[i].fd = fds[i];
        BENCH_CHECK(uv_poll_init(&uv, &conns[i].poll, fds[i]) == 0);
        BENCH_CHECK(uv_poll_start(&conns[i].poll, UV_READABLE, on_uv_readable) == 0);
    }
    echo_begin();
    uv_run(&uv, UV_RUN_DEFAULT);
    BENCH_CHECK(uv_loop_close(&uv) == 0);
    free(conns);
}

/* What its users write instead of watchers: a stream reads and writes. */
static char uv_buffer[ROOM];

static void on_uv_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(uv_buffer, sizeof uv_buffer);
}

static void on_uv_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    if (n < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        return;
    }
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)n);
    if (n > 0 && uv_try_write(stream, &out, 1) != n)
        bench_die("uv_try_write");
    if (n > 0)
        echo_done();
}

/* It closes the sockets it is given: these are duplicates. */
static void serve_libuv_streams(const int *fds, int n) {
    uv_loop_t uv;
    uv_pipe_t *conns = calloc((size_t)n, sizeof *conns);
    BENCH_CHECK(conns && uv_loop_init(&uv) == 0);
    for (int i = 0; i < n; i++) {
        BENCH_CHECK(uv_pipe_init(&uv, &conns[i], 0) == 0 && uv_pipe_open(&conns[i], dup(fds[i])) == 0);
        BENCH_CHECK(uv_read_start((uv_stream_t *)&conns[i], on_uv_alloc, on_uv_read) == 0);
    }
    echo_begin();
    uv_run(&uv, UV_RUN_DEFAULT);
    BENCH_CHECK(uv_loop_close(&uv) == 0);
    free(conns);
}
#endif

/* --- all of them -------------------------------------------------------------------------------------------
 */

typedef struct server {
    const char *name;
    void (*serve)(const int *fds, int n);
} server;

static const server servers[] = {
    {"evloop", serve_evloop},       {"raw", serve_raw},
    {"stream", serve_streams},      {"stream-op", serve_stream_ops},
#if BENCH_LIBEV
    {"libev", serve_libev},
#endif
#if BENCH_LIBUV
    {"libuv", serve_libuv},         {"libuv-stream", serve_libuv_streams},
#endif
#if BENCH_LIBEVENT
    {"libevent", serve_libevent},
#endif
    {"coroutine", serve_coroutine},
#if BENCH_FIBER
    {"fiber", serve_fiber},
#endif
#if BENCH_ASIO
    {"asio", serve_asio},           {"asio-coroutine", serve_asio_coroutine},
#endif
#if BENCH_LIBCORO
    {"libcoro", serve_libcoro},
#endif
};

enum { SERVERS = sizeof servers / sizeof *servers, SERVER_RAW = 1 };

static int find_server(const char *name) {
    for (int i = 0; i < SERVERS; i++)
        if (strcmp(servers[i].name, name) == 0)
            return i;
    (void)fprintf(stderr, "there is no server %s here\n", name);
    exit(2);
}

#endif
