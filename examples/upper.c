/* upper.c - the upper-case server: answers each line in capitals, one line at a time.
 *     upper [PORT]      without a port, or with 0, the kernel chooses; the port is printed either way
 *
 * A conversation is a chain: read a line, write the answer, wait until it has room, read the next. A client
 * that is silent for a minute is told so, and one whose line is too long too. */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <evloop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (60 * INT64_C(1000000000))

typedef struct client {
    evl_stream *stream;
    evl_op line_read, drained;
    char name[EVL_ADDRESS_TEXT];
    char line[1024];
} client;

static evl_loop *loop;
static evl_server *server;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "upper: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void client_end(client *c, const char *why) {
    printf("%s: %s\n", c->name, why);
    fflush(stdout);
    evl_op_close(&c->line_read);
    evl_op_close(&c->drained);
    evl_close(c->stream); /* what is queued still goes out */
    free(c);
}

static void say_goodbye(client *c, int32_t error) {
    const char *text = error == EVL_EMSGSIZE ? "a line is too long\n" : "too slow\n";
    if (error == EVL_EMSGSIZE || error == EVL_ETIMEDOUT)
        (void)evl_stream_write(c->stream, text, strlen(text));
    client_end(c, evl_strerror(error));
}

/* Ready for the next line; also when a client is new. */
static void on_drained(void *arg, int64_t rc) {
    client *c = arg;
    if (rc == 0)
        rc = evl_stream_read_line(c->stream, &c->line_read, c->line, sizeof c->line);
    if (rc < 0)
        client_end(c, evl_strerror((int32_t)rc));
    else
        check(evl_op_deadline(&c->line_read, evl_time(loop) + PATIENCE), "evl_op_deadline");
}

static void on_line(void *arg, int64_t n) {
    client *c = arg;
    if (n == 0) {
        client_end(c, "bye");
        return;
    }
    for (int64_t i = 0; i < n; i++)
        c->line[i] = (char)toupper((unsigned char)c->line[i]);
    if (n > 0)
        n = evl_stream_write(c->stream, c->line, (size_t)n);
    if (n > 0)
        n = evl_stream_drain(c->stream, &c->drained);
    if (n < 0)
        say_goodbye(c, (int32_t)n);
}

static void client_new(evl_stream *stream) {
    char address[EVL_ADDRESS_SIZE];
    client *c = calloc(1, sizeof *c);
    check(c == NULL ? EVL_ENOMEM : 0, "a client");
    c->stream = stream;
    int32_t length = evl_stream_peer(stream, address, sizeof address);
    (void)evl_address_text(address, length > 0 ? (uint32_t)length : 0, c->name, sizeof c->name);
    printf("%s: hello\n", c->name);
    fflush(stdout);
    check(evl_op_init(&c->line_read, on_line, c, 0), "evl_op_init");
    check(evl_op_init(&c->drained, on_drained, c, 0), "evl_op_init");
    on_drained(c, 0);
}

static void on_connection(void *arg, int64_t rc) {
    evl_stream *stream;
    (void)arg;
    check((int32_t)rc, "the server");
    while (evl_server_accept(server, &stream) == 0)
        client_new(stream);
}

/* No new clients; those that are there may finish, and the loop ends with the last of them. */
static void on_signal(void *arg, int64_t count) {
    (void)arg;
    (void)count;
    check(evl_server_stop(server), "evl_server_stop");
}

int main(int argc, char **argv) {
    evl_signal *handle;
    char address[EVL_ADDRESS_SIZE];
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_signal_new(loop, SIGINT, on_signal, NULL, &handle), "evl_signal_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, NULL, &handle), "evl_signal_new");
    check(evl_server_listen(loop, "127.0.0.1", argc > 1 ? argv[1] : NULL, NULL, &server),
          "evl_server_listen");
    check(evl_server_on_connection(server, on_connection, NULL), "evl_server_on_connection");
    int32_t length = evl_server_local(server, 0, address, sizeof address);
    printf("listening on 127.0.0.1 port %d\n", evl_address_port(address, (uint32_t)length));
    fflush(stdout);

    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy");
    return 0;
}
