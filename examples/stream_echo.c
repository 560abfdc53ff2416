/* stream_echo.c - the echo server on streams: what comes is pushed, and written back.
 *     stream_echo [PORT]      without a port, or with 0, the kernel chooses; the port is printed either way
 *
 * An idle client holds no buffer: the bytes are lent for the length of the callback. A client that does not
 * read what it is sent is not read either, until it has caught up; one that ends its half gets everything. */
#define _POSIX_C_SOURCE 200809L
#include <evloop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { HIGH_MARK = 65536 }; /* bytes queued above which a client is not read */

typedef struct client {
    evl_stream *stream;
    evl_op drained;
} client;

static unsigned long accepted;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "stream_echo: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void client_end(client *c) {
    evl_op_close(&c->drained);
    evl_close(c->stream); /* what is queued still goes out; then client_drop's turn comes */
}

static void on_drained(void *arg, int64_t rc) {
    client *c = arg;
    if (rc < 0 || evl_stream_resume(c->stream) < 0)
        client_end(c);
}

static void on_data(void *arg, int64_t n) {
    client *c = arg;
    const void *data;
    if (n <= 0 || evl_stream_peek(c->stream, &data) != n ||
        evl_stream_write(c->stream, data, (size_t)n) != n) {
        client_end(c);
    } else if (evl_stream_queued(c->stream) > HIGH_MARK) {
        check(evl_stream_pause(c->stream), "evl_stream_pause");
        check(evl_stream_drain(c->stream, &c->drained), "evl_stream_drain");
    }
}

static void client_new(evl_stream *stream) {
    client *c = calloc(1, sizeof *c);
    if (c != NULL && evl_set_arg(stream, c) == 0 && evl_set_drop(stream, free) == 0) {
        accepted++;
        c->stream = stream;
        check(evl_op_init(&c->drained, on_drained, c, 0), "evl_op_init");
        if (evl_stream_on_data(stream, on_data, c) < 0)
            client_end(c);
        return;
    }
    free(c);
    evl_stream_abort(stream);
}

static void on_connection(void *arg, int64_t rc) {
    evl_server *server = *(evl_server **)arg;
    evl_stream *stream;
    check((int32_t)rc, "the server");
    while (evl_server_accept(server, &stream) == 0)
        client_new(stream);
}

static void on_signal(void *arg, int64_t count) {
    (void)count;
    check(evl_stop(arg, 0), "evl_stop");
}

int main(int argc, char **argv) {
    evl_loop *loop;
    evl_server *server;
    evl_signal *handle;
    char address[EVL_ADDRESS_SIZE];
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_signal_new(loop, SIGINT, on_signal, loop, &handle), "evl_signal_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, loop, &handle), "evl_signal_new");
    check(evl_server_listen(loop, "localhost", argc > 1 ? argv[1] : NULL, NULL, &server),
          "evl_server_listen");
    check(evl_server_on_connection(server, on_connection, &server), "evl_server_on_connection");
    int32_t length = evl_server_local(server, 0, address, sizeof address);
    printf("listening on localhost port %d, %d sockets\n", evl_address_port(address, (uint32_t)length),
           evl_server_sockets(server)); /* one for each address of the name */
    fflush(stdout);

    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy"); /* the connections that are left are dropped here */
    printf("stopped after %lu connections\n", accepted);
    return 0;
}
