/* raw_epoll.c - non-blocking sockets that the kernel is told of once; each wait brings those that are ready.
 */
#ifdef __linux__
#    define _POSIX_C_SOURCE 200809L
#    include "ladder.h"
#    include <errno.h>
#    include <stdlib.h>
#    include <sys/epoll.h>
#    include <unistd.h>

enum { EVENTS = 64 };

typedef struct fetch {
    source *source;
    int fd;
} fetch;

/* 1 if it goes on, 0 if it could not start, or a negative errno. */
static int start(int ep, fetch *f, source *s) {
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = f};
    *f = (fetch){.source = s, .fd = source_open(s, 1)};
    if (f->fd < 0)
        return 0;
    return epoll_ctl(ep, EPOLL_CTL_ADD, f->fd, &want) < 0 ? -errno : 1;
}

/* Waits, and reads what is ready. How many have ended, or a negative errno. */
static int turn(job *j, int ep) {
    struct epoll_event events[EVENTS];
    int ended = 0, n = epoll_wait(ep, events, EVENTS, -1);
    j->waits++;
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        fetch *f = events[i].data.ptr;
        if (!source_read(f->source, f->fd)) {
            close(f->fd); /* and the kernel forgets it */
            f->fd = -1;
            ended++;
        }
    }
    return ended;
}

int style_epoll(job *j) {
    int left = 0, rc = 0, started = 0, ep = epoll_create1(EPOLL_CLOEXEC);
    fetch *fetches = calloc((size_t)j->count, sizeof *fetches);
    if (ep < 0 || fetches == NULL)
        rc = -errno;
    while (rc >= 0 && started < j->count) {
        rc = start(ep, &fetches[started], &j->sources[started]);
        left += rc > 0;
        started++;
    }
    while (rc >= 0 && left > 0) {
        rc = turn(j, ep);
        left -= rc > 0 ? rc : 0;
    }
    for (int i = 0; i < started; i++)
        if (fetches[i].fd >= 0)
            close(fetches[i].fd);
    if (ep >= 0)
        close(ep);
    free(fetches);
    return rc < 0 ? rc : 0;
}
#else
typedef int no_epoll_here; /* a translation unit may not be empty */
#endif
