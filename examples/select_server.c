/* select_server.c - the classic select server, done with watchers.
 *     select_server [port]      without a port, or with 0, the kernel chooses; the port is printed either way
 *
 * What used to be three fd sets is one mask: EVL_READ are the inputs, EVL_WRITE the outputs (while a client's
 * queue holds messages), EVL_PRI the exceptional ones. An urgent byte is answered ahead of all that is
 * queued; a client that ends its half gets what is queued before the connection is closed. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <evloop.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE_LIMIT = 8 << 20 }; /* bytes that may wait before the client is no longer read */

typedef struct message {
    struct message *next;
    size_t size, sent;
    char text[];
} message;

typedef struct client {
    evl_io *io;
    int fd, ended; /* ended: the client has sent everything */
    message *queue, **tail;
    size_t waiting; /* bytes in the queue */
} client;

static evl_loop *loop;
static uint32_t exceptional; /* EVL_PRI where the backend has it */

static void check(int64_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "select_server: %s: %s\n", what, evl_strerror((int32_t)rc));
        exit(1);
    }
}

/* -1 for a call that failed, 0 for one that succeeded or has only come too early. */
static int result(ssize_t n) {
    return n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR ? -1 : 0;
}

static void enqueue(client *c, const char *text, size_t size, int ahead) {
    message *m = malloc(sizeof *m + size), **at = c->tail;
    check(m == NULL ? EVL_ENOMEM : 0, "a message");
    if (ahead) /* of all but a message that is half sent */
        at = c->queue != NULL && c->queue->sent > 0 ? &c->queue->next : &c->queue;
    *m = (message){.next = *at, .size = size};
    memcpy(m->text, text, size);
    *at = m;
    c->tail = at == c->tail ? &m->next : c->tail;
    c->waiting += size;
}

static void dequeue(client *c) {
    message *m = c->queue;
    c->queue = m->next;
    c->tail = c->queue == NULL ? &c->queue : c->tail;
    free(m);
}

/* Each of these three takes one step and answers 0, or -1 when the connection is lost. */
static int take_urgent(client *c) {
    char byte, text[32];
    ssize_t n = recv(c->fd, &byte, 1, MSG_OOB);
    if (n == 1) {
        enqueue(c, text, (size_t)snprintf(text, sizeof text, "[urgent %c]", byte), 1);
        printf("client %d: %s\n", c->fd, text);
    }
    return n < 0 && errno == EINVAL ? 0 : result(n); /* EINVAL: a newer one has taken its place */
}

static int take_input(client *c) {
    char buf[4096];
    ssize_t n = recv(c->fd, buf, sizeof buf, 0);
    c->ended = n == 0;
    if (n > 0)
        enqueue(c, buf, (size_t)n, 0);
    return result(n);
}

static int give_output(client *c) {
    message *m = c->queue;
    ssize_t n = send(c->fd, m->text + m->sent, m->size - m->sent, MSG_NOSIGNAL);
    c->waiting -= n > 0 ? (size_t)n : 0;
    m->sent += n > 0 ? (size_t)n : 0;
    if (m->sent == m->size)
        dequeue(c);
    return result(n);
}

static void on_client(void *arg, int64_t mask) {
    client *c = arg;
    int lost = mask < 0 || (mask & EVL_ERR) || ((mask & EVL_PRI) && take_urgent(c) < 0) ||
               ((mask & EVL_READ) && take_input(c) < 0) ||
               ((mask & EVL_WRITE) && c->queue != NULL && give_output(c) < 0);
    if (lost || (c->ended && c->queue == NULL)) {
        printf("client %d: %s\n", c->fd, lost ? "lost" : "done");
        evl_close(c->io); /* drop_client follows */
        return;
    }
    uint32_t inputs = c->ended ? 0 : exceptional | (c->waiting < QUEUE_LIMIT ? EVL_READ : 0);
    check(evl_io_set(c->io, inputs | (c->queue != NULL ? EVL_WRITE : 0)), "evl_io_set");
}

/* Runs once the watcher is closed, or the loop destroyed. */
static void drop_client(void *arg) {
    client *c = arg;
    while (c->queue != NULL)
        dequeue(c);
    close(c->fd);
    free(c);
}

static void on_connection(void *arg, int64_t mask) {
    int fd = accept(*(int *)arg, NULL, NULL);
    check(mask, "the listening socket");
    if (fd < 0)
        return; /* at the limit of fds it is reported again at once: echo_server.c has the way out */
    client *c = malloc(sizeof *c);
    check(c == NULL || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? EVL_ENOMEM : 0, "a client");
    *c = (client){.fd = fd, .tail = &c->queue};
    check(evl_io_new(loop, fd, EVL_READ | exceptional, 0, on_client, c, &c->io), "evl_io_new");
    check(evl_set_drop(c->io, drop_client), "evl_set_drop");
}

int main(int argc, char **argv) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    evl_io *listener;
    addr.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 ||
        listen(fd, 128) < 0 || getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        check(evl_err_from_errno(errno), "the listening socket");
    setvbuf(stdout, NULL, _IOLBF, 0);
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    exceptional = evl_backend_caps(loop) & EVL_CAP_PRI ? EVL_PRI : 0;
    check(evl_io_new(loop, fd, EVL_READ, 0, on_connection, &fd, &listener), "evl_io_new");
    printf("listening on 127.0.0.1 port %d, on %s\n", ntohs(addr.sin_port), evl_loop_backend(loop));
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    return 0;
}
