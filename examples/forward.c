/* forward.c - a port forwarder: what connects to PORT is connected to HOST and SERVICE.
 *     forward PORT HOST SERVICE      PORT 0: the kernel chooses; it is printed either way
 *
 * Each direction goes on by itself and within the kernel: the end of what one side sends is passed on while
 * the other may still be answering, and a side that does not take what it is sent stops the other from being
 * read. */
#define _POSIX_C_SOURCE 200809L
#include <evloop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct end {
    struct pair *pair;
    struct end *other;
    evl_stream *stream;
    evl_op sent; /* everything that this end sends, to the other */
    int ended;
} end;

typedef struct pair {
    end ends[2]; /* who came, and where it goes; the pair lives as long as the first */
    evl_op connected;
} pair;

static evl_loop *loop;
static evl_server *server;
static char **target;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "forward: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void pair_end(pair *p, int32_t error) {
    if (error < 0)
        fprintf(stderr, "forward: %s\n", evl_strerror(error));
    evl_op_close(&p->connected);
    for (int i = 0; i < 2; i++) {
        evl_op_close(&p->ends[i].sent);
        if (error < 0) /* a reset on one side is one on the other */
            evl_stream_abort(p->ends[i].stream);
        else
            evl_close(p->ends[i].stream);
    } /* the drop of the first frees the pair */
}

static void on_sent(void *arg, int64_t rc) {
    end *from = arg;
    from->ended = 1;
    if (rc >= 0)
        rc = evl_stream_write_eof(from->other->stream);
    if (rc < 0 || from->other->ended)
        pair_end(from->pair, (int32_t)rc);
}

static void on_connected(void *arg, int64_t rc) {
    pair *p = arg;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = evl_stream_splice(p->ends[i].stream, &p->ends[i].sent, p->ends[1 - i].stream);
    if (rc < 0)
        pair_end(p, (int32_t)rc);
}

static void pair_new(evl_stream *stream) {
    pair *p = calloc(1, sizeof *p);
    check(p == NULL ? EVL_ENOMEM : 0, "a pair");
    for (int i = 0; i < 2; i++) {
        p->ends[i] = (end){.pair = p, .other = &p->ends[1 - i]};
        check(evl_op_init(&p->ends[i].sent, on_sent, &p->ends[i], 0), "evl_op_init");
    }
    p->ends[0].stream = stream;
    check(evl_set_arg(stream, p), "evl_set_arg");
    check(evl_set_drop(stream, free), "evl_set_drop");
    check(evl_op_init(&p->connected, on_connected, p, 0), "evl_op_init");
    int32_t rc = evl_connect(loop, &p->connected, target[0], target[1], NULL, &p->ends[1].stream);
    if (rc < 0)
        pair_end(p, rc);
}

static void on_connection(void *arg, int64_t rc) {
    evl_stream *stream;
    (void)arg;
    check((int32_t)rc, "the server");
    while (evl_server_accept(server, &stream) == 0)
        pair_new(stream);
}

static void on_signal(void *arg, int64_t count) {
    (void)arg;
    (void)count;
    check(evl_stop(loop, 0), "evl_stop");
}

int main(int argc, char **argv) {
    evl_signal *handle;
    char address[EVL_ADDRESS_SIZE];
    if (argc != 4)
        return fputs("usage: forward PORT HOST SERVICE\n", stderr), 2;
    target = argv + 2;
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, NULL, &handle), "evl_signal_new");
    check(evl_signal_new(loop, SIGINT, on_signal, NULL, &handle), "evl_signal_new");
    check(evl_server_listen(loop, "127.0.0.1", argv[1], NULL, &server), "evl_server_listen");
    check(evl_server_on_connection(server, on_connection, NULL), "evl_server_on_connection");
    int32_t length = evl_server_local(server, 0, address, sizeof address);
    printf("listening on 127.0.0.1 port %d\n", evl_address_port(address, (uint32_t)length));
    fflush(stdout);

    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy");
    return 0;
}
