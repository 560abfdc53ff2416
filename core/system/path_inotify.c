/* path_inotify.c - watched paths on Linux. inotify reports the names of the entries of a directory that
 * appear and disappear, one event for each. */
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

static int inotify_add(evl_paths *paths, const char *where, bool as_directory, int *watch) {
    uint32_t mask = ENTRIES | (as_directory ? ABOVE : ITSELF) | IN_MASK_ADD;
    *watch = evl_sys.inotify_add_watch(paths->fd, where, mask);
    return *watch < 0 ? evl_err_from_errno(errno) : 0;
}

static void inotify_remove(evl_paths *paths, int watch) { (void)evl_sys.inotify_rm_watch(paths->fd, watch); }

static uint32_t entry_events(uint32_t mask) {
    return (mask & IN_CREATE ? EVL_PATH_CREATED : 0) |
           (mask & IN_MOVED_TO ? EVL_PATH_CREATED | EVL_PATH_MOVED : 0) |
           (mask & IN_DELETE ? EVL_PATH_DELETED : 0) |
           (mask & IN_MOVED_FROM ? EVL_PATH_DELETED | EVL_PATH_MOVED : 0);
}

/* An event with a name is about an entry of the directory, one without is about the file itself. */
static uint32_t own_events(const evl_watched *p, const struct inotify_event *event) {
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

/* The directory of the target of a symbolic link is gone: the link may lead elsewhere now. */
static void target_directory_gone(evl_watched *p) {
    int old = p->itself.number;
    evl_path_drop(p, &p->target_directory);
    int rc = evl_path_watch_itself(p);
    if (rc != 0)
        evl_path_fail(p, rc);
    else if (p->itself.number != old)
        evl_path_notify(p,
                        (old >= 0 ? EVL_PATH_DELETED : 0) | (p->itself.number >= 0 ? EVL_PATH_CREATED : 0));
}

static void apply_event(evl_watched *p, const struct inotify_event *event) {
    bool is_entry = (event->wd == p->directory.number && is_name(event, p->name)) ||
                    (event->wd == p->target_directory.number && is_name(event, p->target));
    bool is_itself = event->wd == p->itself.number;
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
        if (event->wd == p->directory.number) {
            evl_path_fail(p, EVL_ENOENT);
            return;
        }
        if (event->wd == p->target_directory.number) {
            target_directory_gone(p);
            return;
        }
    }
    uint32_t what = (is_entry ? entry_events(event->mask) : 0) | (is_itself ? own_events(p, event) : 0);
    if (is_itself && (event->mask & IN_IGNORED))
        evl_path_drop(p, &p->itself);
    if (what & EVL_PATH_DELETED) {
        evl_path_drop(p, &p->itself);
        p->base.node.u.result &=
            ~(int64_t)EVL_PATH_ATTRIBUTES; /* it is about the link count of the deleted file */
        if (p->base.node.u.result == 0)
            evl_list_unlink(&p->base.node.link);
    }
    int old = p->itself.number;
    int rc = what & EVL_PATH_CREATED ? evl_path_watch_itself(p) : 0;
    /* No event says that a file was replaced by the one that is moved to its name. */
    if ((what & EVL_PATH_MOVED) && old >= 0 && p->itself.number != old)
        what |= EVL_PATH_DELETED;
    if (rc != 0)
        evl_path_fail(p, rc);
    else
        evl_path_notify(p, what);
}

/* Events were lost: another file may be there now. */
static void apply_overflow(evl_watched *p) {
    int rc = evl_path_watch_itself(p);
    if (rc != 0)
        evl_path_fail(p, rc);
    else
        evl_path_notify(p, EVL_PATH_OVERFLOW);
}

static void apply_to_all(const evl_paths *paths) {
    EVL_PATHS_EACH(link, paths) {
        evl_watched *p = EVL_OWNER(link, evl_watched, link);
        if (evl_handle_is_active(&p->base))
            apply_overflow(p);
    }
}

/* A path may use a watch twice; only the first use gets the event. */
static bool is_first_of_path(const evl_path_watch *watch) {
    const evl_watched *p = watch->path;
    if (watch == &p->directory)
        return true;
    return p->directory.number != watch->number && (watch == &p->itself || p->itself.number != watch->number);
}

/* Applies an event to the paths that use its watch. Meanwhile each may remove and add its own uses. */
static void apply_to_watch(const evl_paths *paths, const struct inotify_event *event) {
    evl_link *bucket = evl_paths_bucket(paths, event->wd), now;
    evl_list_init(&now);
    evl_list_splice(&now, bucket);
    while (!evl_list_empty(&now)) {
        evl_path_watch *watch = EVL_OWNER(evl_list_shift(&now), evl_path_watch, link);
        evl_list_append(bucket, &watch->link);
        if (watch->number == event->wd && is_first_of_path(watch) && evl_handle_is_active(&watch->path->base))
            apply_event(watch->path, event);
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

static void inotify_leave(evl_paths *paths) {
    if (paths->fd >= 0)
        (void)evl_sys.close(paths->fd);
}

const evl_path_system evl_path_inotify = {.open = open_inotify,
                                          .add = inotify_add,
                                          .remove = inotify_remove,
                                          .read = read_events,
                                          .leave = inotify_leave};

#else
typedef int evl_no_inotify; /* a translation unit may not be empty */
#endif
