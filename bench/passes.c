/* passes.c - an echo server over TCP on the loopback, always with the same number of messages ready.
 *     passes READY MESSAGES SERVER [unix]
 *
 * "unix": over pairs of Unix sockets, where a short read of a stream does not tell that there is no more.
 *
 * For callgrind (instructions.sh): `serve` is the server, `turn` is not. The client's turn comes inside the
 * callback of the last message that was ready, so that the loop runs as it does in a program: it is entered
 * once, and each of its passes finds READY messages. Prints the CPU time per message, both sides together. */
#define _POSIX_C_SOURCE 200809L
#include "servers.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int ready;
static int *clients, *fds;
static long to_send;

/* The next messages, or the end of it. */
static void send_all(void) {
    static const char message[MESSAGE] = "echo";
    for (int i = 0; i < ready; i++) {
        if (to_send > 0)
            BENCH_CHECK(write(clients[i], message, sizeof message) == MESSAGE);
        else
            BENCH_CHECK(shutdown(clients[i], SHUT_WR) == 0);
    }
    to_send -= ready;
    echo_left = (uint64_t)ready;
}

static BENCH_NAMED void turn(void) {
    char buf[MESSAGE];
    for (int i = 0; i < ready; i++)
        BENCH_CHECK(read(clients[i], buf, sizeof buf) == MESSAGE);
    send_all();
}

static BENCH_NAMED void serve(const server *s) {
    s->serve(fds, ready);
    bench_use(s); /* not a tail call: callgrind would see it end at once */
}

/* The client's end, and the server's. */
static void connect_tcp(int pair[2]) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    BENCH_CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&addr, len) == 0);
    BENCH_CHECK(getsockname(listener, (struct sockaddr *)&addr, &len) == 0 && listen(listener, 1) == 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    BENCH_CHECK(connect(pair[0], (struct sockaddr *)&addr, len) == 0);
    BENCH_CHECK((pair[1] = accept(listener, NULL, NULL)) >= 0);
    for (int i = 0; i < 2; i++)
        BENCH_CHECK(setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    close(listener);
}

int main(int argc, char **argv) {
    bool local = argc == 5 && strcmp(argv[4], "unix") == 0;
    if (argc != 4 && !local) {
        (void)fprintf(stderr, "usage: passes READY MESSAGES SERVER [unix]\n");
        return 2;
    }
    ready = (int)bench_arg(argc, argv, 1, 0);
    to_send = bench_arg(argc, argv, 2, 0);
    const server *s = &servers[find_server(argv[3])];
    BENCH_CHECK(ready > 0 && to_send > 0);
    clients = calloc((size_t)ready, sizeof *clients);
    fds = calloc((size_t)ready, sizeof *fds);
    long messages = (to_send + ready - 1) / ready * ready;
    for (int i = 0; i < ready; i++) {
        int pair[2];
        if (local)
            BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        else
            connect_tcp(pair);
        BENCH_CHECK(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
        clients[i] = pair[0];
        fds[i] = pair[1];
    }
    echo_turn = turn;
    send_all();
    int64_t begin = bench_cpu();
    serve(s);
    printf("%s: %.1f ns per message at %d ready\n", s->name, (double)(bench_cpu() - begin) / (double)messages,
           ready);
    return 0;
}
