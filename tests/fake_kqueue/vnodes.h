/* vnodes.h - the EVFILT_VNODE knotes of a queue of fake_kqueue.c, under whose lock all of this is called. */
#ifndef FAKE_KQUEUE_VNODES_H
#define FAKE_KQUEUE_VNODES_H

#include <stdbool.h>
#include <sys/event.h>
#include <sys/types.h>

enum { VNODES = 256 };

typedef struct vnode {
    bool used;
    unsigned short flags; /* EV_CLEAR, EV_ONESHOT */
    int fd;
    int itself; /* watches of inotify */
    int above;  /* of a directory: where it is; else -1 */
    unsigned wanted;
    unsigned pending;
    dev_t dev;
    ino_t ino;
    off_t size;
    nlink_t links;
    void *udata;
} vnode;

typedef struct vnodes {
    int inotify; /* -1: none */
    vnode at[VNODES];
} vnodes;

void vnodes_begin(vnodes *set);

/* Returns an errno. Afterwards `inotify` polls readable when there may be something to collect. */
int vnodes_change(vnodes *set, const struct kevent *change);

/* The fd is about to be closed: its knotes go with it. */
void vnodes_closing(vnodes *set, int fd);

/* Returns how many rows. */
int vnodes_collect(vnodes *set, struct kevent *rows, int cap);

/* Whether there is something that `inotify` does not report any more. */
bool vnodes_due(const vnodes *set);

void vnodes_release(vnodes *set);

#endif
