/* tls_echo.c - the echo server over TLS.
 *     tls_echo CERTIFICATE [PORT]     a file with a certificate and its key; without a port, or with 0, the
 *                                     kernel chooses, and the port is printed either way
 *
 * Try it:  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
 *              -addext subjectAltName=DNS:localhost -keyout own.pem -out cert.pem && cat cert.pem >>own.pem
 *          tls_echo own.pem 7777
 *          openssl s_client -quiet -connect localhost:7777 -CAfile cert.pem
 *
 * Only taking the connections differs from stream_echo.c. */
#include <evloop/tls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { HIGH_MARK = 65536 }; /* bytes queued above which a client is not read */

typedef struct client {
    evl_stream *stream;
    evl_op drained;
} client;

static evl_loop *loop;
static evl_tls_context *context;
static unsigned long accepted;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "tls_echo: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void client_end(client *c) {
    evl_op_close(&c->drained);
    evl_close(c->stream); /* what is queued still goes out, and then close_notify */
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
    while (evl_tls_accept(server, context, NULL, &stream) == 0)
        client_new(stream);
}

static void on_signal(void *arg, int64_t count) {
    (void)arg, (void)count;
    check(evl_stop(loop, 0), "evl_stop");
}

int main(int argc, char **argv) {
    evl_server *server;
    evl_signal *handle;
    char address[EVL_ADDRESS_SIZE];
    if (argc < 2) {
        fprintf(stderr, "usage: tls_echo CERTIFICATE [PORT]\n");
        return 2;
    }
    evl_tls_context_options options = {
        .struct_size = sizeof options, .flags = EVL_TLS_SERVER, .certificate = argv[1], .alpn = "echo"};
    check(evl_tls_context_new(&options, &context), argv[1]);
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_signal_new(loop, SIGINT, on_signal, NULL, &handle), "evl_signal_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, NULL, &handle), "evl_signal_new");
    check(evl_server_listen(loop, "localhost", argc > 2 ? argv[2] : NULL, NULL, &server),
          "evl_server_listen");
    check(evl_server_on_connection(server, on_connection, &server), "evl_server_on_connection");
    int32_t length = evl_server_local(server, 0, address, sizeof address);
    printf("listening on localhost port %d\n", evl_address_port(address, (uint32_t)length));
    fflush(stdout);

    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy"); /* the connections that are left are dropped here */
    evl_tls_context_unref(context);
    printf("stopped after %lu connections\n", accepted);
    return 0;
}
