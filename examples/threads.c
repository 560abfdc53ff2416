/* threads.c - a loop per thread on one port: the kernel shares the connections out.
 *     threads [THREADS [PORT]]      4 threads; without a port, or with 0, the kernel chooses
 *
 * Each thread has its own listening socket, its own loop and its own clients, and they share nothing. A
 * client hears which of them serves it, and then its own words. */
#define _POSIX_C_SOURCE 200809L
#include <evloop.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 64 };

typedef struct worker {
    int number;
    pthread_t thread;
    evl_loop *loop;
    evl_server *server;
    unsigned long accepted;
} worker;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "threads: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void on_data(void *arg, int64_t n) {
    evl_stream *stream = arg;
    const void *data;
    evl_stream_peek(stream, &data);
    if (n <= 0 || evl_stream_write(stream, data, (size_t)n) != n)
        evl_close(stream);
}

static void on_connection(void *arg, int64_t rc) {
    worker *w = arg;
    char hello[32];
    evl_stream *stream;
    check((int32_t)rc, "the server");
    while (evl_server_accept(w->server, &stream) == 0) {
        int size = snprintf(hello, sizeof hello, "thread %d\n", w->number);
        w->accepted++;
        (void)evl_stream_set_marks(stream, 1 << 20, EVL_AUTO, 1 << 20); /* who does not read is cut off */
        if (evl_stream_write(stream, hello, (size_t)size) < 0 ||
            evl_stream_on_data(stream, on_data, stream) < 0)
            evl_stream_abort(stream);
    }
}

/* The first server's port is everybody's. */
static void worker_listen(worker *w, char *port, size_t cap) {
    const evl_server_options options = {.struct_size = sizeof options, .flags = EVL_SERVER_REUSE_PORT};
    char address[EVL_ADDRESS_SIZE];
    check(evl_loop_new(&w->loop, NULL), "evl_loop_new");
    check(evl_server_listen(w->loop, "127.0.0.1", port, &options, &w->server), "evl_server_listen");
    check(evl_server_on_connection(w->server, on_connection, w), "evl_server_on_connection");
    int32_t length = evl_server_local(w->server, 0, address, sizeof address);
    snprintf(port, cap, "%d", evl_address_port(address, (uint32_t)length));
}

static void *worker_run(void *arg) {
    worker *w = arg;
    check(evl_loop_run(w->loop, EVL_RUN_DEFAULT), "evl_loop_run");
    return NULL;
}

int main(int argc, char **argv) {
    static worker workers[THREADS_MAX];
    char port[8];
    int n = argc > 1 ? atoi(argv[1]) : 4, signo;
    sigset_t signals;
    if (n < 1 || n > THREADS_MAX)
        return fputs("usage: threads [THREADS [PORT]]\n", stderr), 2;
    snprintf(port, sizeof port, "%s", argc > 2 ? argv[2] : "0");
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in the threads too */
    for (int i = 0; i < n; i++) {
        workers[i].number = i + 1;
        worker_listen(&workers[i], port, sizeof port);
    }
    for (int i = 0; i < n; i++)
        check(-pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), "pthread_create");
    printf("listening on 127.0.0.1 port %s\n", port);
    fflush(stdout);

    sigwait(&signals, &signo);
    for (int i = 0; i < n; i++)
        check(evl_stop(workers[i].loop, 0), "evl_stop"); /* from any thread */
    for (int i = 0; i < n; i++) {
        pthread_join(workers[i].thread, NULL);
        check(evl_loop_destroy(workers[i].loop), "evl_loop_destroy");
        printf("thread %d served %lu connections\n", i + 1, workers[i].accepted);
    }
    return 0;
}
