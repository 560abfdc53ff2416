/* raw_select.c - non-blocking sockets, and select() says which of them are ready. The sets are built anew for
 * every wait, and an fd beyond FD_SETSIZE has no place in them. */
#define _POSIX_C_SOURCE 200809L
#include "ladder.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

/* Waits, and reads what is ready. How many have ended, or a negative errno. */
static int turn(job *j, int *fds) {
    fd_set readable;
    int top = -1, ended = 0;
    FD_ZERO(&readable);
    for (int i = 0; i < j->count; i++) {
        if (fds[i] >= 0)
            FD_SET(fds[i], &readable);
        top = fds[i] > top ? fds[i] : top;
    }
    j->waits++;
    if (select(top + 1, &readable, NULL, NULL, NULL) < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < j->count; i++) {
        if (fds[i] >= 0 && FD_ISSET(fds[i], &readable) && !source_read(&j->sources[i], fds[i])) {
            close(fds[i]);
            fds[i] = -1;
            ended++;
        }
    }
    return ended;
}

int style_select(job *j) {
    int *fds = calloc((size_t)j->count, sizeof *fds), left = 0, rc = 0;
    if (fds == NULL)
        return -ENOMEM;
    for (int i = 0; i < j->count; i++) {
        fds[i] = source_open(&j->sources[i], 1);
        left += fds[i] >= 0;
        if (fds[i] >= FD_SETSIZE)
            rc = -EMFILE;
    }
    while (left > 0 && rc >= 0) {
        rc = turn(j, fds);
        left -= rc > 0 ? rc : 0;
    }
    for (int i = 0; i < j->count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(fds);
    return rc < 0 ? rc : 0;
}
