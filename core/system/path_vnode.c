/* path_vnode.c - watched paths on the BSDs and macOS. A kqueue of their own reports events of files that are
 * held open for that. It reports no names: after an event of a directory each path in it is compared with
 * what was there before. So a file that appeared and disappeared between two comparisons is not seen, nor is
 * where a file was moved from. */
#include "../loop/handle.h"
#include "path.h"

#if EVL_HAVE_KQUEUE && defined(EVFILT_VNODE)

#    include <errno.h>
#    include <fcntl.h>

#    define ROWS    64
#    define BATCHES 16

/* Only for events, where that is possible. O_PATH of FreeBSD gets no events of pipes. */
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

static int find_vnode(const evl_paths *paths, const struct stat *st) {
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

/* EINTR can only come from a signal at that moment, since the call does not wait. */
static int watch_fd(const evl_paths *paths, int fd) {
    struct kevent change;
    int rc;
    EV_SET(&change, (uintptr_t)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTES, 0, 0);
    do
        rc = evl_sys.kevent(paths->fd, &change, 1, NULL, 0, NULL);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? evl_err_from_errno(errno) : 0;
}

/* Two names may be links to one file, which is watched once. */
static int take_vnode(evl_paths *paths, int fd, const struct stat *st, int *watch) {
    *watch = find_vnode(paths, st);
    if (*watch >= 0) {
        if (fd >= 0)
            (void)evl_sys.close(fd);
        return 0;
    }
    int at = find_free(paths);
    if (at < 0)
        return at;
    int rc = fd >= 0 ? watch_fd(paths, fd) : 0;
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

/* A socket cannot be opened: only its directory reports that it is gone. */
static int open_file(const char *where, int flags, int *fd, struct stat *st) {
    do
        *fd = evl_sys.open_cloexec(where, OPEN_FLAGS | flags);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0 && errno != ENXIO && errno != EOPNOTSUPP)
        return evl_err_from_errno(errno);
    return (*fd < 0 ? evl_sys.stat(where, st) : evl_sys.fstat(*fd, st)) == 0 ? 0 : evl_err_from_errno(errno);
}

static int vnode_add(evl_paths *paths, const char *where, bool as_directory, int *watch) {
    struct stat st;
    int fd, rc = open_file(where, as_directory ? O_DIRECTORY : 0, &fd, &st);
    if (rc == 0)
        rc = take_vnode(paths, fd, &st, watch);
    if (rc != 0 && fd >= 0)
        (void)evl_sys.close(fd);
    return rc;
}

/* The knote goes with the fd. */
static void vnode_remove(evl_paths *paths, int watch) {
    evl_vnode *v = &paths->vnodes[watch];
    if (v->fd >= 0)
        (void)evl_sys.close(v->fd);
    v->used = false;
}

/* --- events ----------------------------------------------------------------------------------- */

static void note_events(const evl_paths *paths, const struct kevent *row) {
    uint32_t i = 0, notes = row->fflags;
    while (i < paths->vnodes_cap && !(paths->vnodes[i].used && paths->vnodes[i].fd == (int)row->ident))
        i++;
    if (i == paths->vnodes_cap)
        return;
    evl_vnode *v = &paths->vnodes[i];
    if (v->is_directory) /* its link count changes with its subdirectories, and NOTE_WRITE reports that */
        notes &= ~(uint32_t)NOTE_LINK;
    v->events |= (notes & WRITTEN ? EVL_PATH_CHANGED : 0) |
                 (notes & (NOTE_ATTRIB | NOTE_LINK) ? EVL_PATH_ATTRIBUTES : 0) |
                 (notes & (NOTE_DELETE | REVOKED) ? EVL_PATH_DELETED : 0) |
                 (notes & NOTE_RENAME ? EVL_PATH_MOVED : 0);
}

/* Most kernels report NOTE_ATTRIB, not NOTE_WRITE, when a file is truncated. */
static void look_at_sizes(const evl_paths *paths) {
    for (uint32_t i = 0; i < paths->vnodes_cap; i++) {
        evl_vnode *v = &paths->vnodes[i];
        struct stat st;
        if (!v->used || v->events == 0 || v->is_directory || evl_sys.fstat(v->fd, &st) != 0)
            continue;
        v->events |= v->size != st.st_size ? EVL_PATH_CHANGED : 0;
        v->size = st.st_size;
    }
}

static uint32_t events_of(const evl_paths *paths, const evl_path_watch *watch) {
    return watch->number >= 0 ? paths->vnodes[watch->number].events : 0;
}

/* An entry of the directory appeared or disappeared, or the file has lost a name. */
static void compare(evl_watched *p, uint32_t own) {
    const evl_paths *paths = evl_paths_of(p);
    struct stat st;
    int old = p->itself.number;
    bool stays = old >= 0 && evl_sys.stat(p->text, &st) == 0 && is_same(&paths->vnodes[old], &st);
    int rc = stays ? evl_path_follow(p) : evl_path_watch_itself(p);
    uint32_t changed = own & (EVL_PATH_CHANGED | EVL_PATH_ATTRIBUTES);
    if (rc != 0)
        evl_path_fail(p, rc);
    else if (p->itself.number == old)
        evl_path_notify(p, changed | (own & EVL_PATH_DELETED ? EVL_PATH_ATTRIBUTES : 0)); /* another name */
    else
        evl_path_notify(p, (old >= 0 ? EVL_PATH_DELETED | (own & (EVL_PATH_CHANGED | EVL_PATH_MOVED)) : 0) |
                               (p->itself.number >= 0 ? EVL_PATH_CREATED : 0));
}

static void apply_events(evl_watched *p) {
    const uint32_t gone = EVL_PATH_DELETED | EVL_PATH_MOVED;
    const evl_paths *paths = evl_paths_of(p);
    uint32_t own = events_of(paths, &p->itself), above = events_of(paths, &p->directory);
    uint32_t target_directory = events_of(paths, &p->target_directory);
    if (above & gone)
        evl_path_fail(p, EVL_ENOENT);
    else if ((above & EVL_PATH_CHANGED) || (target_directory & (EVL_PATH_CHANGED | gone)) || (own & gone))
        compare(p, own);
    else
        evl_path_notify(p, own);
}

/* All events are read before any is applied: two of them, of the file and of its directory, may be about one
 * change. */
static int read_notes(evl_paths *paths) {
    static const struct timespec at_once = {0, 0};
    struct kevent rows[ROWS];
    int n = ROWS, rc = EVL_EAGAIN;
    for (int batch = 0; batch < BATCHES && n == ROWS; batch++) {
        n = evl_sys.kevent(paths->fd, NULL, 0, rows, ROWS, &at_once);
        rc = n > 0 ? 1 : n < 0 ? evl_err_from_errno(errno) : rc;
        for (int i = 0; i < n; i++)
            note_events(paths, &rows[i]);
    }
    look_at_sizes(paths);
    EVL_PATHS_EACH(link, paths) {
        evl_watched *p = EVL_OWNER(link, evl_watched, link);
        if (evl_handle_is_active(&p->base))
            apply_events(p);
    }
    for (uint32_t i = 0; i < paths->vnodes_cap; i++)
        paths->vnodes[i].events = 0;
    return rc;
}

/* A kqueue is not inherited, but the files are. */
static void vnode_leave(evl_paths *paths) {
    for (uint32_t i = 0; i < paths->vnodes_cap; i++)
        if (paths->vnodes[i].used)
            vnode_remove(paths, (int)i);
}

const evl_path_system evl_path_vnode = {
    .open = open_kqueue, .add = vnode_add, .remove = vnode_remove, .read = read_notes, .leave = vnode_leave};

#else
typedef int evl_no_vnodes; /* a translation unit may not be empty */
#endif
