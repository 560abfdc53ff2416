/* fiber.c - an echo server with a fiber for each connection. */
#include "../peers.h"

#if BENCH_FIBER

#    include <evloop/fiber.h>

static int64_t echo(void *arg) {
    evl_stream *stream = arg;
    char buf[ROOM];
    int64_t n;
    while ((n = evl_fiber_read(stream, buf, sizeof buf)) > 0) {
        BENCH_CHECK(evl_fiber_write_all(stream, buf, (size_t)n) == n);
        echo_done();
    }
    evl_close(stream);
    return 0;
}

static int64_t ready(void *arg) {
    (void)arg;
    echo_begin(); /* the others wait for their first messages */
    return 0;
}

void serve_fiber(const int *fds, int n) {
    evl_loop *loop;
    evl_stream *stream;
    BENCH_CHECK(evl_loop_new(&loop, NULL) == 0);
    for (int i = 0; i < n; i++) {
        BENCH_CHECK(evl_stream_open(loop, fds[i], EVL_STREAM_KEEP_FD, &stream) == 0);
        BENCH_CHECK(evl_fiber_spawn(loop, echo, stream, NULL, NULL) == 0);
    }
    BENCH_CHECK(evl_fiber_spawn(loop, ready, NULL, NULL, NULL) == 0);
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == 0);
    BENCH_CHECK(evl_loop_close(loop) == 0);
}

#endif
