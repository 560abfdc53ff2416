/* dial.c - a name is looked up on a thread of its own, since getaddrinfo blocks; the thread posts what it
 * found, and the loop tries one address after the other. */
#define _POSIX_C_SOURCE 200809L
#include "dial.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The thread's until it posts it, then the loop's; only `dial` is the loop's from the beginning. */
typedef struct lookup {
    evl_loop *loop;
    struct dial *dial; /* NULL: nobody waits for it any more */
    struct addrinfo *addrs;
    int error;
    char host[256], port[8];
} lookup;

struct dial {
    evl_loop *loop;
    dial_fn *fn;
    void *arg;
    lookup *lookup;                /* while it goes on */
    struct addrinfo *addrs, *next; /* what it found, and what has not been tried */
    evl_io *io;
    int fd;
};

void dial_cancel(dial *d) {
    if (d == NULL)
        return;
    evl_close(d->io); /* NULL is no error */
    if (d->fd >= 0)
        close(d->fd);
    if (d->lookup != NULL)
        d->lookup->dial = NULL; /* the thread cannot be stopped; what it finds is dropped */
    if (d->addrs != NULL)
        freeaddrinfo(d->addrs);
    free(d);
}

static void dial_end(dial *d, int fd, const char *problem) {
    const dial was = *d;
    d->fd = -1; /* it is given away, or closed already */
    dial_cancel(d);
    was.fn(was.arg, fd, problem);
}

static void on_connected(void *arg, int64_t mask);

/* `error` is what came of the address before. */
static void try_next(dial *d, int32_t error) {
    for (struct addrinfo *a; (a = d->next) != NULL;) {
        d->next = a->ai_next;
        d->fd = socket(a->ai_family, SOCK_STREAM, 0);
        if (d->fd >= 0 && fcntl(d->fd, F_SETFL, O_NONBLOCK) == 0 &&
            (connect(d->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)) {
            error = evl_io_new(d->loop, d->fd, EVL_WRITE, 0, on_connected, d, &d->io);
            if (error == 0)
                return;
        } else {
            error = evl_err_from_errno(errno);
        }
        if (d->fd >= 0)
            close(d->fd);
        d->fd = -1;
    }
    dial_end(d, -1, evl_strerror(error));
}

/* Writable means that the connect has ended, well or not. */
static void on_connected(void *arg, int64_t mask) {
    dial *d = arg;
    int error = 0;
    socklen_t len = sizeof error;
    error = getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
    if (mask > 0 && error == 0) {
        dial_end(d, d->fd, NULL);
        return;
    }
    evl_close(d->io);
    d->io = NULL;
    close(d->fd);
    d->fd = -1;
    try_next(d, mask < 0 ? (int32_t)mask : evl_err_from_errno(error));
}

/* Runs after on_found, or instead of it when the loop is destroyed first. */
static void lookup_free(void *arg) {
    lookup *l = arg;
    if (l->addrs != NULL)
        freeaddrinfo(l->addrs);
    free(l);
}

static void on_found(void *arg) {
    lookup *l = arg;
    dial *d = l->dial;
    if (d == NULL)
        return;
    d->lookup = NULL;
    d->addrs = d->next = l->addrs;
    l->addrs = NULL; /* taken */
    if (l->error != 0)
        dial_end(d, -1, gai_strerror(l->error));
    else
        try_next(d, EVL_EADDRNOTAVAIL);
}

static void *look_up(void *arg) {
    lookup *l = arg;
    evl_loop *loop = l->loop; /* once posted, *l is the loop's */
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    l->error = getaddrinfo(l->host, l->port, &hints, &l->addrs);
    if (evl_post_owned(loop, on_found, l, lookup_free) < 0)
        lookup_free(l); /* a post that fails leaves its argument here: the loop is closed */
    evl_loop_unhold(loop);
    evl_loop_unref(loop);
    return NULL;
}

dial *dial_start(evl_loop *loop, const char *host, const char *port, dial_fn *fn, void *arg) {
    dial *d = malloc(sizeof *d);
    lookup *l = malloc(sizeof *l);
    pthread_t thread;
    if (d == NULL || l == NULL)
        return free(d), free(l), NULL;
    *d = (dial){.loop = loop, .fn = fn, .arg = arg, .lookup = l, .fd = -1};
    *l = (lookup){.loop = evl_loop_ref(loop), .dial = d};
    snprintf(l->host, sizeof l->host, "%s", host);
    snprintf(l->port, sizeof l->port, "%s", port);

    /* Referenced, so that the thread may be late, and held, so that run does not end before the post. */
    if (evl_loop_hold(loop) == 0) {
        if (pthread_create(&thread, NULL, look_up, l) == 0) {
            pthread_detach(thread);
            return d;
        }
        evl_loop_unhold(loop);
    }
    evl_loop_unref(loop);
    dial_cancel(d);
    free(l);
    return NULL;
}
