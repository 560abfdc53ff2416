/* echo_server.c - sends back what it is sent, to any number of clients, on one thread.
 *
 *     echo_server [port]      without a port, or with 0, the kernel chooses; the port is printed either way
 *
 * A message costs one recv and one send. The watcher stays armed for reading, so that nothing is told to the
 * kernel between the accept and the close, unless a client is slower than its own messages: then the watcher
 * waits for room instead, and what that client goes on sending stays in the kernel, where TCP slows it down.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <evloop.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct server {
    evl_loop *loop;
    evl_io *io;
    evl_timer *retry;
    int fd;
    unsigned long accepted;
} server;

typedef struct conn {
    evl_io *io;
    int fd;
    size_t start, end; /* read and not yet written: buf[start, end) */
    char buf[16384];
} conn;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "echo_server: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void check_errno(int rc, const char *what) { check(rc < 0 ? evl_err_from_errno(errno) : 0, what); }

static int again(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

static void on_client(void *arg, int64_t mask) {
    conn *c = arg;
    if (mask > 0 && c->start == c->end) {
        ssize_t n = recv(c->fd, c->buf, sizeof c->buf, 0);
        if (n < 0 && again())
            return;
        if (n <= 0) { /* the end; everything before it has been sent back, since reading waits for that */
            evl_close(c->io); /* conn_drop follows */
            return;
        }
        c->start = 0, c->end = (size_t)n;
    }
    ssize_t n = mask > 0 ? send(c->fd, c->buf + c->start, c->end - c->start, 0) : -1;
    if (mask < 0 || (n < 0 && !again())) {
        evl_close(c->io);
        return;
    }
    c->start += n > 0 ? (size_t)n : 0;
    /* Asking for what is asked for already costs no system call. */
    check(evl_io_set(c->io, c->start < c->end ? EVL_WRITE : EVL_READ), "evl_io_set");
}

/* Runs once the watcher is closed, or the loop destroyed. */
static void conn_drop(void *arg) {
    close(((conn *)arg)->fd);
    free(arg);
}

static void conn_new(server *s, int fd) {
    conn *c = calloc(1, sizeof *c);
    if (c != NULL && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
        evl_io_new(s->loop, fd, EVL_READ, 0, on_client, c, &c->io) == 0) {
        c->fd = fd;
        s->accepted++;
        if (evl_set_drop(c->io, conn_drop) == 0)
            return;
        evl_close(c->io);
    }
    free(c);
    close(fd);
}

static void on_connection(void *arg, int64_t mask) {
    server *s = arg;
    check(mask < 0 ? (int32_t)mask : 0, "the listening socket");
    int fd =
        accept(s->fd, NULL, NULL); /* one a pass: the next one is reported again, after the clients' turn */
    if (fd >= 0) {
        conn_new(s, fd);
    } else if (errno == EMFILE || errno == ENFILE) {
        /* The connection stays in the queue and would be reported again at once: look away for a while. */
        check(evl_io_set(s->io, 0), "evl_io_set");
        check(evl_timer_start_in(s->retry, 100 * INT64_C(1000000), 0), "evl_timer_start_in");
    }
}

static void on_retry(void *arg, int64_t expirations) {
    (void)expirations;
    check(evl_io_set(((server *)arg)->io, EVL_READ), "evl_io_set");
}

static void on_signal(void *arg, int64_t count) {
    (void)count;
    check(evl_stop(arg, 0), "evl_stop");
}

static int listen_on(int port) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* INADDR_ANY would serve other machines too */
    check_errno(fd, "socket");
    check_errno(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
    check_errno(bind(fd, (struct sockaddr *)&addr, len), "bind");
    check_errno(listen(fd, 511), "listen");
    check_errno(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    check_errno(getsockname(fd, (struct sockaddr *)&addr, &len), "getsockname");
    printf("listening on 127.0.0.1 port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    server s = {0};
    evl_signal *handle;
    signal(SIGPIPE, SIG_IGN); /* a client that has gone is an error of send, not the end of the server */
    check(evl_loop_new(&s.loop, NULL), "evl_loop_new");
    check(evl_signal_new(s.loop, SIGINT, on_signal, s.loop, &handle), "evl_signal_new");
    check(evl_signal_new(s.loop, SIGTERM, on_signal, s.loop, &handle), "evl_signal_new");
    check(evl_timer_new(s.loop, on_retry, &s, &s.retry), "evl_timer_new");
    s.fd = listen_on(argc > 1 ? atoi(argv[1]) : 0);
    check(evl_io_new(s.loop, s.fd, EVL_READ, 0, on_connection, &s, &s.io), "evl_io_new");

    check(evl_loop_run(s.loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(s.loop), "evl_loop_destroy"); /* the connections that are left are dropped here */
    close(s.fd);
    printf("stopped after %lu connections\n", s.accepted);
    return 0;
}
