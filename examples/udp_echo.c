/* udp_echo.c - datagrams that come back: a server, and a client that asks again until they have.
 *
 *     udp_echo serve [port]            without a port, or with 0, the kernel chooses; it is printed either
 * way udp_echo ask port [word...]      sends each word, and prints what comes back
 *
 * The server has datagrams pushed and answers each from the callback. What the kernel does not take is queued
 * by the socket, and above a limit it is dropped, as the network would. The client takes one reply at a time,
 * with a deadline: who uses UDP expects that some get lost. */
#include <evloop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND   INT64_C(1000000000)
#define ATTEMPTS 5

static void check(int64_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "udp_echo: %s: %s\n", what, evl_strerror((int32_t)rc));
        exit(1);
    }
}

static evl_udp *open_at(evl_loop *loop, const char *host, const char *port) {
    unsigned char address[EVL_ADDRESS_SIZE];
    uint32_t length;
    evl_udp *udp;
    check(evl_address_parse(host, (uint32_t)atoi(port), address, sizeof address, &length), host);
    check(evl_udp_open(loop, address, length, 0, &udp), "evl_udp_open");
    return udp;
}

/* --- the server ------------------------------------------------------------------------------- */

typedef struct server {
    evl_loop *loop;
    evl_udp *udp;
    unsigned long echoed, dropped;
} server;

static void on_datagram(void *arg, int64_t n) {
    server *s = arg;
    const void *data, *from;
    uint32_t length;
    if (n < 0)
        return; /* an earlier answer has found nobody: the next one may */
    n = evl_udp_peek(s->udp, &data, &from, &length);
    if (evl_udp_send(s->udp, data, (size_t)n, from, length) == n)
        s->echoed++;
    else
        s->dropped++;
}

static void on_signal(void *arg, int64_t count) {
    (void)count;
    check(evl_stop(arg, 0), "evl_stop");
}

static int serve(evl_loop *loop, const char *port) {
    server s = {.loop = loop};
    evl_signal *handle;
    unsigned char address[EVL_ADDRESS_SIZE];
    s.udp = open_at(loop, "127.0.0.1", port);
    int32_t length = evl_udp_local(s.udp, address, sizeof address);
    check(length, "evl_udp_local");
    check(evl_udp_set_marks(s.udp, 65536, 16384, 1 << 20), "evl_udp_set_marks");
    check(evl_udp_on_data(s.udp, on_datagram, &s), "evl_udp_on_data");
    check(evl_signal_new(loop, SIGINT, on_signal, loop, &handle), "evl_signal_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, loop, &handle), "evl_signal_new");
    printf("serving on 127.0.0.1 port %d\n", evl_address_port(address, (uint32_t)length));
    fflush(stdout);
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    printf("stopped after %lu datagrams, %lu dropped\n", s.echoed, s.dropped);
    return 0;
}

/* --- the client ------------------------------------------------------------------------------- */

typedef struct client {
    evl_udp *udp;
    evl_op op;
    char **words;
    int count, at, attempts, lost;
    char reply[2048];
} client;

/* Sends the word it is at, and waits for the answer: a fifth of a second at first, then twice as long each
 * time. */
static void ask(client *c) {
    const char *word = c->words[c->at];
    int64_t sent = evl_udp_send(c->udp, word, strlen(word), NULL, 0);
    if (sent < 0) /* the answer to the attempt before, perhaps: nobody is there */
        fprintf(stderr, "udp_echo: %s\n", evl_strerror((int32_t)sent));
    check(evl_udp_receive(c->udp, &c->op, c->reply, sizeof c->reply, NULL, NULL), "evl_udp_receive");
    check(evl_op_deadline(&c->op, evl_time(evl_loop_of(c->udp)) + (SECOND / 5 << c->attempts)), "deadline");
    c->attempts++;
}

static void next(client *c) {
    c->attempts = 0;
    if (++c->at < c->count)
        ask(c);
}

/* What came, if it is what was asked for: an answer to an earlier attempt may come late. */
static void on_reply(void *arg, int64_t n) {
    client *c = arg;
    const char *word = c->words[c->at];
    if (n >= 0 && (size_t)n == strlen(word) && memcmp(c->reply, word, (size_t)n) == 0) {
        printf("%s\n", word);
        next(c);
    } else if (c->attempts < ATTEMPTS) {
        ask(c);
    } else {
        fprintf(stderr, "udp_echo: no answer to \"%s\": %s\n", word, evl_strerror(n < 0 ? (int32_t)n : 0));
        c->lost++;
        next(c);
    }
}

static int ask_all(evl_loop *loop, const char *port, char **words, int count) {
    client c = {.words = words, .count = count};
    unsigned char address[EVL_ADDRESS_SIZE];
    uint32_t length;
    c.udp = open_at(loop, "127.0.0.1", "0");
    check(evl_address_parse("127.0.0.1", (uint32_t)atoi(port), address, sizeof address, &length), port);
    check(evl_udp_connect(c.udp, address, length), "evl_udp_connect");
    check(evl_op_init(&c.op, on_reply, &c, 0), "evl_op_init");
    if (count > 0)
        ask(&c);
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    return c.lost > 0;
}

int main(int argc, char **argv) {
    evl_loop *loop;
    int status = 2;
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    if (argc >= 2 && strcmp(argv[1], "serve") == 0)
        status = serve(loop, argc > 2 ? argv[2] : "0");
    else if (argc >= 3 && strcmp(argv[1], "ask") == 0)
        status = ask_all(loop, argv[2], argv + 3, argc - 3);
    else
        fprintf(stderr, "usage: udp_echo serve [port] | ask port [word...]\n");
    check(evl_loop_destroy(loop), "evl_loop_destroy");
    return status;
}
