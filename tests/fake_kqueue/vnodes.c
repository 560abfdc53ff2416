/* vnodes.c - EVFILT_VNODE over inotify, with FreeBSD's habits: a directory says that it was written and no
 * names; a file that is cut off says that its attributes changed, and one that has lost a name that it was
 * deleted, even if it has another.
 *
 * While a file is open, Linux does not report its end, but its number of links, and of a directory only
 * the one that it was in reports it. */
#include "vnodes.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define ITSELF  (ENTRIES | IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

void vnodes_begin(vnodes *set) {
    set->inotify = -1;
    for (int i = 0; i < VNODES; i++)
        set->at[i].used = false;
}

void vnodes_release(vnodes *set) {
    if (set->inotify >= 0)
        close(set->inotify);
    vnodes_begin(set);
}

/* --- what inotify says ----------------------------------------------------------------------------- */

static bool look(const vnode *v, struct stat *st) {
    return fstat(v->fd, st) == 0 && st->st_dev == v->dev && st->st_ino == v->ino;
}

static unsigned meaning(const vnode *v, const struct inotify_event *event, const struct stat *st) {
    if (event->len > 0)
        return !(event->mask & ENTRIES) ? 0 : NOTE_WRITE | (event->mask & IN_ISDIR ? NOTE_LINK : 0);
    unsigned what =
        (event->mask & IN_MOVE_SELF ? NOTE_RENAME : 0) | (event->mask & IN_DELETE_SELF ? NOTE_DELETE : 0);
    if (event->mask & IN_MODIFY)
        what |= st->st_size < v->size ? NOTE_ATTRIB : NOTE_WRITE | (st->st_size > v->size ? NOTE_EXTEND : 0);
    if ((event->mask & IN_ATTRIB) && (v->above >= 0 || st->st_nlink == v->links))
        what |= NOTE_ATTRIB;
    else if (event->mask & IN_ATTRIB)
        what |= st->st_nlink < v->links ? NOTE_DELETE : NOTE_LINK;
    return what;
}

static void note(vnode *v, const struct inotify_event *event) {
    struct stat st;
    if (!look(v, &st)) {
        v->used = false;
        return;
    }
    if (event->wd == v->above && (event->mask & IN_DELETE) && st.st_nlink == 0)
        v->pending |= NOTE_DELETE & v->wanted;
    if (event->wd != v->itself)
        return;
    v->pending |= meaning(v, event, &st) & v->wanted;
    v->size = st.st_size;
    v->links = st.st_nlink;
}

static void listen_all(vnodes *set) {
    _Alignas(struct inotify_event) char buf[4096];
    ssize_t n;
    while (set->inotify >= 0 && (n = read(set->inotify, buf, sizeof buf)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)(buf + at);
            for (int i = 0; i < VNODES; i++)
                if (set->at[i].used)
                    note(&set->at[i], event);
            at += (ssize_t)(sizeof *event + event->len);
        }
}

/* --- knotes --------------------------------------------------------------------------------------- */

static bool watches(const vnodes *set, int watch) {
    for (int i = 0; i < VNODES; i++)
        if (set->at[i].used && (set->at[i].itself == watch || set->at[i].above == watch))
            return true;
    return false;
}

static void drop(vnodes *set, vnode *v) {
    v->used = false;
    if (!watches(set, v->itself))
        (void)inotify_rm_watch(set->inotify, v->itself);
    if (v->above >= 0 && !watches(set, v->above))
        (void)inotify_rm_watch(set->inotify, v->above);
}

static int watch(const vnodes *set, int fd, const char *from_there, uint32_t mask) {
    char where[64];
    snprintf(where, sizeof where, "/proc/self/fd/%d%s", fd, from_there);
    return inotify_add_watch(set->inotify, where, mask | IN_MASK_ADD);
}

static int add(vnodes *set, vnode *v, const struct kevent *change) {
    struct stat st;
    int fd = (int)change->ident;
    if (fstat(fd, &st) != 0)
        return errno;
    if (set->inotify < 0)
        set->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int itself = watch(set, fd, "", ITSELF);
    int above = itself >= 0 && S_ISDIR(st.st_mode) ? watch(set, fd, "/..", IN_DELETE) : -1;
    if (itself < 0)
        return errno;
    *v = (vnode){.used = true,
                 .flags = change->flags & (EV_CLEAR | EV_ONESHOT),
                 .fd = fd,
                 .itself = itself,
                 .above = above,
                 .dev = st.st_dev,
                 .ino = st.st_ino,
                 .size = st.st_size,
                 .links = st.st_nlink};
    return 0;
}

int vnodes_change(vnodes *set, const struct kevent *change) {
    vnode *v = NULL, *unused = NULL;
    listen_all(set); /* what there is is not for those who come now */
    for (int i = 0; i < VNODES; i++) {
        if (set->at[i].used && set->at[i].fd == (int)change->ident)
            v = &set->at[i];
        else if (!set->at[i].used && !unused)
            unused = &set->at[i];
    }
    if (!v && !(change->flags & EV_ADD))
        return ENOENT;
    if (change->flags & EV_DELETE) {
        drop(set, v);
        return 0;
    }
    if (!v && !unused)
        return ENOMEM;
    int err = v ? 0 : add(set, unused, change);
    if (err != 0)
        return err;
    v = v ? v : unused;
    v->wanted = change->fflags;
    v->udata = change->udata;
    return 0;
}

void vnodes_closing(vnodes *set, int fd) {
    for (int i = 0; i < VNODES; i++)
        if (set->at[i].used && set->at[i].fd == fd)
            drop(set, &set->at[i]);
}

int vnodes_collect(vnodes *set, struct kevent *rows, int cap) {
    int n = 0;
    listen_all(set);
    for (int i = 0; i < VNODES && n < cap; i++) {
        vnode *v = &set->at[i];
        if (!v->used || v->pending == 0)
            continue;
        rows[n++] = (struct kevent){.ident = (uintptr_t)v->fd,
                                    .filter = EVFILT_VNODE,
                                    .flags = v->flags,
                                    .fflags = v->pending,
                                    .udata = v->udata};
        if (v->flags & EV_CLEAR)
            v->pending = 0;
        if (v->flags & EV_ONESHOT)
            drop(set, v);
    }
    return n;
}

bool vnodes_due(const vnodes *set) {
    for (int i = 0; i < VNODES; i++)
        if (set->at[i].used && set->at[i].pending != 0)
            return true;
    return false;
}
