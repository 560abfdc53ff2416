/* servers.c - slow text servers, each a process of its own with its own clock: whoever fetches from them
 * cannot make them faster, only wait badly or well. */
#define _POSIX_C_SOURCE 200809L
#include "run.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct server {
    const source *source;
    int listener;
    int alive; /* the read end of the pipe that only the ladder holds open: it ends when the ladder does */
    int64_t tick_ns;
    size_t tick_bytes;
} server;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits for fd to be readable (-1: for nothing) until the deadline (-1: for ever). Leaves if the ladder has.
 */
static void wait_for(const server *v, int fd, int64_t deadline) {
    struct pollfd fds[2] = {{.fd = v->alive, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    for (;;) {
        int64_t left = deadline - now_ns();
        if (deadline >= 0 && left <= 0)
            return;
        int n = poll(fds, 2, deadline < 0 ? -1 : (int)((left + 999999) / 1000000));
        if (n > 0 && fds[0].revents != 0)
            _exit(0);
        if (n > 0 && fds[1].revents != 0)
            return;
    }
}

/* Every deadline is counted from the beginning, so a late tick delays none of the others. */
static void serve(const server *v, int fd) {
    const source *s = v->source;
    int64_t deadline = now_ns();
    size_t sent = 0;
    while (sent < s->size) {
        size_t left = s->size - sent;
        deadline += v->tick_ns;
        wait_for(v, -1, deadline);
        ssize_t n = send(fd, s->data + sent, left < v->tick_bytes ? left : v->tick_bytes, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return; /* the client has gone */
        sent += n > 0 ? (size_t)n : 0;
    }
}

static void server_main(const server *v) {
    for (;;) {
        int on = 1, fd;
        wait_for(v, v->listener, -1);
        fd = accept(v->listener, NULL, NULL);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a tick leaves when it is due */
        serve(v, fd);
        close(fd);
    }
}

/* On a port of the kernel's choice. An fd, or a negative errno. */
static int listen_for(source *s) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    s->port = ntohs(addr.sin_port);
    return fd;
}

/* The listener exists before its server does: a style that is early waits in its queue. */
static int start_one(servers *v, source *s, server *one) {
    one->source = s;
    one->listener = listen_for(s);
    if (one->listener < 0)
        return one->listener;
    pid_t pid = fork();
    if (pid == 0) {
        close(v->alive);
        server_main(one);
    }
    int error = errno;
    close(one->listener);
    if (pid < 0)
        return -error;
    v->pids[v->count++] = pid;
    return 0;
}

int servers_start(servers *v, source *sources, int count, int tick_ms, size_t tick_bytes) {
    int ends[2], rc = 0;
    *v = (servers){.pids = calloc((size_t)count, sizeof *v->pids), .alive = -1};
    if (v->pids == NULL || pipe(ends) < 0)
        return -errno;
    v->alive = ends[1];
    server one = {.alive = ends[0], .tick_ns = tick_ms * INT64_C(1000000), .tick_bytes = tick_bytes};
    for (int i = 0; i < count && rc == 0; i++)
        rc = start_one(v, &sources[i], &one);
    close(ends[0]);
    return rc;
}

void servers_stop(servers *v) {
    for (int i = 0; i < v->count; i++)
        kill(v->pids[i], SIGKILL);
    for (int i = 0; i < v->count; i++)
        while (waitpid(v->pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
    if (v->alive >= 0)
        close(v->alive);
    free(v->pids);
    *v = (servers){.alive = -1};
}
