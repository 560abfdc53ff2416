/* path_inotify.c - watched paths on Linux. The kernel tells the names of what comes and goes in a directory,
 * and one after the other. */
#include "../loop/handle.h"
#include "path.h"

#if EVL_HAVE_INOTIFY

#    include <errno.h>
#    include <string.h>
#    include <sys/inotify.h>

#    define ENTRIES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#    define ITSELF  (IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#    define ABOVE   (IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static int open_inotify(void) {
    int fd = evl_sys.inotify_init();
    return fd < 0 ? evl_err_from_errno(errno) : fd;
}

static int add(evl_paths *paths, const char *where, bool as_directory, int *watch) {
    uint32_t mask = ENTRIES | (as_directory ? ABOVE : ITSELF) | IN_MASK_ADD;
    *watch = evl_sys.inotify_add_watch(paths->fd, where, mask);
    return *watch < 0 ? evl_err_from_errno(errno) : 0;
}

static void remove_watch(evl_paths *paths, int watch) { (void)evl_sys.inotify_rm_watch(paths->fd, watch); }

static uint32_t entry_meaning(uint32_t mask) {
    return (mask & IN_CREATE ? EVL_PATH_CREATED : 0) |
           (mask & IN_MOVED_TO ? EVL_PATH_CREATED | EVL_PATH_MOVED : 0) |
           (mask & IN_DELETE ? EVL_PATH_DELETED : 0) |
           (mask & IN_MOVED_FROM ? EVL_PATH_DELETED | EVL_PATH_MOVED : 0);
}

/* A directory tells of its entries with their names, and of itself without. */
static uint32_t own_meaning(const evl_watched *p, const struct inotify_event *event) {
    if (event->len > 0)
        return event->mask & ENTRIES ? EVL_PATH_CHANGED : 0;
    uint32_t what = (event->mask & IN_MODIFY ? EVL_PATH_CHANGED : 0) |
                    (event->mask & IN_ATTRIB ? EVL_PATH_ATTRIBUTES : 0);
    if (p->name)
        return what;
    return what | (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF) ? EVL_PATH_DELETED : 0) |
           (event->mask & IN_MOVE_SELF ? EVL_PATH_MOVED : 0);
}

static bool is_name(const struct inotify_event *event, const char *name) {
    return event->len > 0 && name && strcmp(event->name, name) == 0;
}

/* The directory that the target of a symbolic link was in has gone: the link may lead elsewhere by now. */
static void lose_beyond(evl_watched *p) {
    int old = p->itself.number;
    evl_path_drop(p, &p->beyond);
    int rc = evl_path_watch_itself(p);
    if (rc != 0)
        evl_path_fail(p, rc);
    else if (p->itself.number != old)
        evl_path_tell(p, (old >= 0 ? EVL_PATH_DELETED : 0) | (p->itself.number >= 0 ? EVL_PATH_CREATED : 0));
}

static void apply(evl_watched *p, const struct inotify_event *event) {
    bool is_entry = (event->wd == p->directory.number && is_name(event, p->name)) ||
                    (event->wd == p->beyond.number && is_name(event, p->target));
    bool is_itself = event->wd == p->itself.number;
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
        if (event->wd == p->directory.number) {
            evl_path_fail(p, EVL_ENOENT);
            return;
        }
        if (event->wd == p->beyond.number) {
            lose_beyond(p);
            return;
        }
    }
    uint32_t what = (is_entry ? entry_meaning(event->mask) : 0) | (is_itself ? own_meaning(p, event) : 0);
    if (is_itself && (event->mask & IN_IGNORED))
        evl_path_drop(p, &p->itself);
    if (what & EVL_PATH_DELETED) {
        evl_path_drop(p, &p->itself);
        p->base.node.u.result &= ~(int64_t)EVL_PATH_ATTRIBUTES; /* it had one link less, and so on */
        if (p->base.node.u.result == 0)
            evl_list_unlink(&p->base.node.link);
    }
    int rc = what & EVL_PATH_CREATED ? evl_path_watch_itself(p) : 0;
    if (rc != 0)
        evl_path_fail(p, rc);
    else
        evl_path_tell(p, what);
}

/* What is there now may be another than before. */
static void apply_overflow(evl_watched *p) {
    int rc = evl_path_watch_itself(p);
    if (rc != 0)
        evl_path_fail(p, rc);
    else
        evl_path_tell(p, EVL_PATH_OVERFLOW);
}

static void apply_to_all(const evl_paths *paths) {
    EVL_PATHS_EACH(link, paths) {
        evl_watched *p = EVL_OWNER(link, evl_watched, link);
        if (evl_handle_is_active(&p->base))
            apply_overflow(p);
    }
}

/* A path may have the watch for two reasons, and hears of the event once. */
static bool is_first_of_path(const evl_path_watch *watch) {
    const evl_watched *p = watch->path;
    if (watch == &p->directory)
        return true;
    return p->directory.number != watch->number && (watch == &p->itself || p->itself.number != watch->number);
}

/* To the paths that have the watch. What one of them drops and takes meanwhile are its own. */
static void apply_to_watch(const evl_paths *paths, const struct inotify_event *event) {
    evl_link *bucket = evl_paths_bucket(paths, event->wd), now;
    evl_list_init(&now);
    evl_list_splice(&now, bucket);
    while (!evl_list_empty(&now)) {
        evl_path_watch *watch = EVL_OWNER(evl_list_shift(&now), evl_path_watch, link);
        evl_list_append(bucket, &watch->link);
        if (watch->number == event->wd && is_first_of_path(watch) && evl_handle_is_active(&watch->path->base))
            apply(watch->path, event);
    }
}

static int read_events(evl_paths *paths) {
    _Alignas(struct inotify_event) char buf[4096];
    ssize_t n = evl_sys.inotify_read(paths->fd, buf, sizeof buf);
    if (n < 0)
        return evl_err_from_errno(errno);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const struct inotify_event *)(void *)(buf + at);
        if (event->mask & IN_Q_OVERFLOW)
            apply_to_all(paths);
        else
            apply_to_watch(paths, event);
        at += (ssize_t)(sizeof *event + event->len);
    }
    return 1;
}

static void leave(evl_paths *paths) {
    if (paths->fd >= 0)
        (void)evl_sys.close(paths->fd);
}

const evl_path_system evl_path_inotify = {
    .open = open_inotify, .add = add, .remove = remove_watch, .read = read_events, .leave = leave};

#else
typedef int evl_no_inotify; /* a translation unit may not be empty */
#endif
