/* prefork.c - a pre-fork server: processes that accept from one listening socket.
 *     prefork [WORKERS [PORT]]      4 workers; without a port, or with 0, the kernel chooses
 *
 * The parent opens the socket, forks, and puts another worker in the place of one that dies. Each worker has
 * a loop of its own, made after the fork; a client hears which of them serves it, and then its own words. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <evloop.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS_MAX = 64 };

static evl_server *server;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "prefork: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void check_errno(int rc, const char *what) { check(rc < 0 ? evl_err_from_errno(errno) : 0, what); }

/* --- a worker --------------------------------------------------------------------------------- */

static void on_data(void *arg, int64_t n) {
    evl_stream *stream = arg;
    const void *data;
    evl_stream_peek(stream, &data);
    if (n <= 0 || evl_stream_write(stream, data, (size_t)n) != n)
        evl_close(stream);
}

static void on_connection(void *arg, int64_t rc) {
    char hello[64];
    evl_stream *stream;
    (void)arg;
    check((int32_t)rc, "the server");
    while (evl_server_accept(server, &stream) == 0) {
        int size = snprintf(hello, sizeof hello, "worker %ld\n", (long)getpid());
        (void)evl_stream_set_marks(stream, 1 << 20, EVL_AUTO, 1 << 20); /* who does not read is cut off */
        if (evl_stream_write(stream, hello, (size_t)size) < 0 ||
            evl_stream_on_data(stream, on_data, stream) < 0)
            evl_stream_abort(stream);
    }
}

/* No new clients; those that are there may finish. */
static void on_signal(void *arg, int64_t count) {
    (void)arg;
    (void)count;
    check(evl_server_stop(server), "evl_server_stop");
}

static _Noreturn void work(int fd, const sigset_t *mask) {
    evl_loop *loop;
    evl_signal *handle;
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, NULL, &handle), "evl_signal_new");
    check_errno(sigprocmask(SIG_SETMASK, mask, NULL), "sigprocmask");
    evl_server_options options = {.struct_size = sizeof options, .flags = EVL_SERVER_SHARED};
    check(evl_server_listen_fds(loop, &fd, 1, &options, &server), "evl_server_listen_fds");
    check(evl_server_on_connection(server, on_connection, NULL), "evl_server_on_connection");
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy");
    exit(0);
}

/* --- the parent ------------------------------------------------------------------------------- */

static int listen_on(int port) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_errno(fd, "socket");
    check_errno(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
    check_errno(bind(fd, (struct sockaddr *)&addr, len), "bind");
    check_errno(listen(fd, 511), "listen");
    check_errno(getsockname(fd, (struct sockaddr *)&addr, &len), "getsockname");
    printf("listening on 127.0.0.1 port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

static pid_t fork_worker(int fd, const sigset_t *mask) {
    pid_t pid = fork();
    check_errno(pid, "fork");
    if (pid == 0)
        work(fd, mask);
    return pid;
}

static void replace(pid_t *workers, int n, int fd, const sigset_t *mask) {
    for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
        for (int i = 0; i < n; i++)
            if (workers[i] == pid)
                workers[i] = fork_worker(fd, mask);
}

int main(int argc, char **argv) {
    pid_t workers[WORKERS_MAX];
    sigset_t signals, before;
    int n = argc > 1 ? atoi(argv[1]) : 4, signo = SIGCHLD;
    if (n < 1 || n > WORKERS_MAX)
        return fputs("usage: prefork [WORKERS [PORT]]\n", stderr), 2;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    check_errno(sigprocmask(SIG_BLOCK, &signals, &before), "sigprocmask");
    int fd = listen_on(argc > 2 ? atoi(argv[2]) : 0);
    for (int i = 0; i < n; i++)
        workers[i] = fork_worker(fd, &before);
    while (sigwait(&signals, &signo) == 0 && signo == SIGCHLD)
        replace(workers, n, fd, &before);
    close(fd);
    for (int i = 0; i < n; i++)
        kill(workers[i], SIGTERM);
    for (int i = 0; i < n; i++)
        waitpid(workers[i], NULL, 0);
    printf("stopped\n");
    return 0;
}
