/* libevent.c - the echo server of libevent's bufferevents, by themselves: its EV_READ is another than
 * libev's. */
#define _POSIX_C_SOURCE 200809L
#include "../peers.h"

#if BENCH_LIBEVENT
#    include <event2/buffer.h>
#    include <event2/bufferevent.h>
#    include <event2/event.h>

static void on_read(struct bufferevent *conn, void *arg) {
    (void)arg;
    BENCH_CHECK(evbuffer_add_buffer(bufferevent_get_output(conn), bufferevent_get_input(conn)) == 0);
}

/* It sends when the loop comes to it, not when it is told to. */
static void on_written(struct bufferevent *conn, void *arg) {
    (void)conn;
    (void)arg;
    echo_done();
}

static void on_end(struct bufferevent *conn, short what, void *arg) {
    (void)what;
    (void)arg;
    bufferevent_free(conn);
}

void serve_libevent(const int *fds, int n) {
    struct event_base *base = event_base_new();
    BENCH_CHECK(base);
    for (int i = 0; i < n; i++) {
        BENCH_CHECK(evutil_make_socket_nonblocking(fds[i]) == 0);
        struct bufferevent *conn = bufferevent_socket_new(base, fds[i], 0);
        BENCH_CHECK(conn);
        bufferevent_setcb(conn, on_read, on_written, on_end, NULL);
        BENCH_CHECK(bufferevent_enable(conn, EV_READ) == 0);
    }
    echo_begin();
    BENCH_CHECK(event_base_dispatch(base) >= 0);
    event_base_free(base);
}
#endif
