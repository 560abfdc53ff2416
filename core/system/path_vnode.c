/* path_vnode.c - watched paths on the BSDs and macOS. A kqueue of their own tells that something happened to
 * files that are held open for it. It has no names: whatever happened in a directory, each path in it is
 * looked at, and what is there is compared with what was. So what came and went between two looks is not
 * seen, nor where from something came. */
#include "../loop/handle.h"
#include "path.h"

#if EVL_HAVE_KQUEUE && defined(EVFILT_VNODE)

#    include <errno.h>
#    include <fcntl.h>

#    define ROWS    64
#    define BATCHES 16

/* Opened for nothing but being watched, where that is possible; FreeBSD's O_PATH has no news of pipes. */
#    if defined(O_EVTONLY)
#        define OPEN_FLAGS (O_EVTONLY | O_NONBLOCK)
#    else
#        define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY)
#    endif

#    if defined(NOTE_TRUNCATE)
#        define WRITTEN (NOTE_WRITE | NOTE_EXTEND | NOTE_TRUNCATE)
#    else
#        define WRITTEN (NOTE_WRITE | NOTE_EXTEND)
#    endif
#    if defined(NOTE_REVOKE)
#        define REVOKED NOTE_REVOKE
#    else
#        define REVOKED 0
#    endif
#    define NOTES (WRITTEN | NOTE_ATTRIB | NOTE_LINK | NOTE_DELETE | NOTE_RENAME | REVOKED)

static int open_kqueue(void) {
    int fd = evl_sys.kqueue();
    if (fd < 0 || evl_sys.set_cloexec(fd) == 0)
        return fd < 0 ? evl_err_from_errno(errno) : fd;
    int rc = evl_err_from_errno(errno);
    (void)evl_sys.close(fd);
    return rc;
}

/* --- watches ---------------------------------------------------------------------------------- */

static bool is_same(const evl_vnode *v, const struct stat *st) {
    return v->used && v->dev == st->st_dev && v->ino == st->st_ino;
}

static int find(const evl_paths *paths, const struct stat *st) {
    for (uint32_t i = 0; i < paths->vnodes_cap; i++)
        if (is_same(&paths->vnodes[i], st))
            return (int)i;
    return -1;
}

static int find_free(evl_paths *paths) {
    uint32_t i = 0;
    while (i < paths->vnodes_cap && paths->vnodes[i].used)
        i++;
    void *vnodes = paths->vnodes;
    int rc = evl_mem_reserve(paths->mem, &vnodes, &paths->vnodes_cap, i + 1, sizeof(evl_vnode));
    paths->vnodes = vnodes;
    return rc == 0 ? (int)i : rc;
}

/* EINTR: nothing was waited for, so that only a signal right then gives it. */
static int listen_to(const evl_paths *paths, int fd) {
    struct kevent change;
    int rc;
    EV_SET(&change, (uintptr_t)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTES, 0, 0);
    do
        rc = evl_sys.kevent(paths->fd, &change, 1, NULL, 0, NULL);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? evl_err_from_errno(errno) : 0;
}

/* Two names may be of one file. */
static int take(evl_paths *paths, int fd, const struct stat *st, int *watch) {
    *watch = find(paths, st);
    if (*watch >= 0) {
        if (fd >= 0)
            (void)evl_sys.close(fd);
        return 0;
    }
    int at = find_free(paths);
    if (at < 0)
        return at;
    int rc = fd >= 0 ? listen_to(paths, fd) : 0;
    if (rc != 0)
        return rc;
    paths->vnodes[at] = (evl_vnode){.used = true,
                                    .is_directory = S_ISDIR(st->st_mode),
                                    .fd = fd,
                                    .dev = st->st_dev,
                                    .ino = st->st_ino,
                                    .size = st->st_size};
    *watch = at;
    return 0;
}

/* A socket cannot be opened: its going is seen by its directory. */
static int open_file(const char *where, int flags, int *fd, struct stat *st) {
    do
        *fd = evl_sys.open_cloexec(where, OPEN_FLAGS | flags);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0 && errno != ENXIO && errno != EOPNOTSUPP)
        return evl_err_from_errno(errno);
    return (*fd < 0 ? evl_sys.stat(where, st) : evl_sys.fstat(*fd, st)) == 0 ? 0 : evl_err_from_errno(errno);
}

static int add(evl_paths *paths, const char *where, bool as_directory, int *watch) {
    struct stat st;
    int fd, rc = open_file(where, as_directory ? O_DIRECTORY : 0, &fd, &st);
    if (rc == 0)
        rc = take(paths, fd, &st, watch);
    if (rc != 0 && fd >= 0)
        (void)evl_sys.close(fd);
    return rc;
}

/* The knote goes with the fd. */
static void remove_watch(evl_paths *paths, int watch) {
    evl_vnode *v = &paths->vnodes[watch];
    if (v->fd >= 0)
        (void)evl_sys.close(v->fd);
    v->used = false;
}

/* --- news ------------------------------------------------------------------------------------- */

static void mark(const evl_paths *paths, const struct kevent *row) {
    uint32_t i = 0, notes = row->fflags;
    while (i < paths->vnodes_cap && !(paths->vnodes[i].used && paths->vnodes[i].fd == (int)row->ident))
        i++;
    if (i == paths->vnodes_cap)
        return;
    evl_vnode *v = &paths->vnodes[i];
    if (v->is_directory) /* one more or less in it, which is told as written */
        notes &= ~(uint32_t)NOTE_LINK;
    v->heard |= (notes & WRITTEN ? EVL_PATH_CHANGED : 0) |
                (notes & (NOTE_ATTRIB | NOTE_LINK) ? EVL_PATH_ATTRIBUTES : 0) |
                (notes & (NOTE_DELETE | REVOKED) ? EVL_PATH_DELETED : 0) |
                (notes & NOTE_RENAME ? EVL_PATH_MOVED : 0);
}

/* Most kernels call it a changed attribute when a file is cut off. */
static void look_at_sizes(const evl_paths *paths) {
    for (uint32_t i = 0; i < paths->vnodes_cap; i++) {
        evl_vnode *v = &paths->vnodes[i];
        struct stat st;
        if (!v->used || v->heard == 0 || v->is_directory || evl_sys.fstat(v->fd, &st) != 0)
            continue;
        v->heard |= v->size != st.st_size ? EVL_PATH_CHANGED : 0;
        v->size = st.st_size;
    }
}

static uint32_t heard_of(const evl_paths *paths, const evl_path_watch *watch) {
    return watch->number >= 0 ? paths->vnodes[watch->number].heard : 0;
}

/* Something came or went in the directory, or it has lost a name. */
static void look(evl_watched *p, uint32_t own) {
    const evl_paths *paths = evl_paths_of(p);
    struct stat st;
    int old = p->itself.number;
    bool stays = old >= 0 && evl_sys.stat(p->text, &st) == 0 && is_same(&paths->vnodes[old], &st);
    int rc = stays ? evl_path_follow(p) : evl_path_watch_itself(p);
    uint32_t changed = own & (EVL_PATH_CHANGED | EVL_PATH_ATTRIBUTES);
    if (rc != 0)
        evl_path_fail(p, rc);
    else if (p->itself.number == old)
        evl_path_tell(p, changed | (own & EVL_PATH_DELETED ? EVL_PATH_ATTRIBUTES : 0)); /* another name */
    else
        evl_path_tell(p, (old >= 0 ? EVL_PATH_DELETED | (own & (EVL_PATH_CHANGED | EVL_PATH_MOVED)) : 0) |
                             (p->itself.number >= 0 ? EVL_PATH_CREATED : 0));
}

static void settle(evl_watched *p) {
    const uint32_t lost = EVL_PATH_DELETED | EVL_PATH_MOVED;
    const evl_paths *paths = evl_paths_of(p);
    uint32_t own = heard_of(paths, &p->itself), above = heard_of(paths, &p->directory);
    uint32_t beyond = heard_of(paths, &p->beyond);
    if (above & lost)
        evl_path_fail(p, EVL_ENOENT);
    else if ((above & EVL_PATH_CHANGED) || (beyond & (EVL_PATH_CHANGED | lost)) || (own & lost))
        look(p, own);
    else
        evl_path_tell(p, own);
}

/* First all is heard, then each path looks: what happened to it may be told by two knotes. */
static int read_notes(evl_paths *paths) {
    static const struct timespec at_once = {0, 0};
    struct kevent rows[ROWS];
    int n = ROWS, rc = EVL_EAGAIN;
    for (int batch = 0; batch < BATCHES && n == ROWS; batch++) {
        n = evl_sys.kevent(paths->fd, NULL, 0, rows, ROWS, &at_once);
        rc = n > 0 ? 1 : n < 0 ? evl_err_from_errno(errno) : rc;
        for (int i = 0; i < n; i++)
            mark(paths, &rows[i]);
    }
    look_at_sizes(paths);
    EVL_PATHS_EACH(link, paths) {
        evl_watched *p = EVL_OWNER(link, evl_watched, link);
        if (evl_handle_is_active(&p->base))
            settle(p);
    }
    for (uint32_t i = 0; i < paths->vnodes_cap; i++)
        paths->vnodes[i].heard = 0;
    return rc;
}

/* The queue is not inherited, but the files are. */
static void leave(evl_paths *paths) {
    for (uint32_t i = 0; i < paths->vnodes_cap; i++)
        if (paths->vnodes[i].used)
            remove_watch(paths, (int)i);
}

const evl_path_system evl_path_vnode = {
    .open = open_kqueue, .add = add, .remove = remove_watch, .read = read_notes, .leave = leave};

#else
typedef int evl_no_vnodes; /* a translation unit may not be empty */
#endif
