/* path.c - watched paths: the directory a path is in tells when something comes and goes under its name, what
 * is there tells of its changes.
 *
 * All paths of a loop share one inotify, whose watches are counted by nobody: the kernel gives the same one
 * for the same file, so that a watch is let go when no path has it any more. */
#include "op.h"

#if defined(__linux__)
#    include <errno.h>
#    include <stdio.h>
#    include <string.h>
#    include <sys/inotify.h>

#    define READS 16 /* in a pass */

#    define ENTRIES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#    define ITSELF  (IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

typedef struct evl_paths {
    evl_link all; /* path.link */
    int fd;
    evl_op news; /* a chore: waits for fd */
} evl_paths;

typedef struct path {
    evl_handle base;
    evl_link link;
    char *text;       /* the path */
    const char *name; /* its last part, in `text`; NULL: there is no directory to look from */
    size_t size;      /* of text */
    int directory;    /* watches; -1: none */
    int itself;
} path;

static evl_paths *paths_of(const path *p) { return p->base.loop->paths; }

/* --- watches ---------------------------------------------------------------------------------- */

static int add_watch(const evl_paths *paths, const char *where, uint32_t mask, int *out) {
    int watch = evl_sys.inotify_add_watch(paths->fd, where, mask | IN_MASK_ADD);
    *out = watch;
    return watch < 0 ? evl_err_from_errno(errno) : 0;
}

static bool is_used(const evl_paths *paths, int watch) {
    for (const evl_link *link = paths->all.next; link != &paths->all; link = link->next) {
        const path *p = EVL_OWNER(link, path, link);
        if (p->directory == watch || p->itself == watch)
            return true;
    }
    return false;
}

static void drop_watch(const evl_paths *paths, int *watch) {
    int old = *watch;
    *watch = -1;
    if (old >= 0 && !is_used(paths, old))
        (void)evl_sys.inotify_rm_watch(paths->fd, old);
}

/* Nothing there is no error. */
static int watch_itself(path *p) {
    int fresh, old = p->itself;
    int rc = add_watch(paths_of(p), p->text, ITSELF | ENTRIES, &fresh);
    p->itself = fresh;
    if (old >= 0 && old != fresh)
        drop_watch(paths_of(p), &old);
    return rc == EVL_ENOENT && p->name ? 0 : rc;
}

static int watch_directory(path *p) {
    if (!p->name)
        return 0;
    char *cut = p->text + (p->name - p->text);
    char first = cut[0];
    cut[0] = '\0';
    int rc = add_watch(paths_of(p), p->text[0] ? p->text : ".",
                       ENTRIES | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR, &p->directory);
    cut[0] = first;
    return rc;
}

static int watch(path *p) {
    int rc = watch_directory(p);
    return rc != 0 ? rc : watch_itself(p);
}

static void unwatch(path *p) {
    drop_watch(paths_of(p), &p->directory);
    drop_watch(paths_of(p), &p->itself);
}

/* --- events ----------------------------------------------------------------------------------- */

static void report(path *p, uint32_t what) {
    evl_node *node = &p->base.node;
    if (what == 0)
        return;
    if (evl_linked(&node->link)) {
        node->u.result |= what;
        return;
    }
    node->u.result = what;
    evl_ready(p->base.loop, node);
}

static void fail(path *p, int error) {
    evl_node *node = &p->base.node;
    unwatch(p);
    evl_handle_set_active(&p->base, false);
    node->u.result = error;
    if (!evl_linked(&node->link))
        evl_ready(p->base.loop, node);
}

static uint32_t entry_meaning(uint32_t mask) {
    return (mask & IN_CREATE ? EVL_PATH_CREATED : 0) |
           (mask & IN_MOVED_TO ? EVL_PATH_CREATED | EVL_PATH_MOVED : 0) |
           (mask & IN_DELETE ? EVL_PATH_DELETED : 0) |
           (mask & IN_MOVED_FROM ? EVL_PATH_DELETED | EVL_PATH_MOVED : 0);
}

/* A directory tells of its entries with their names, and of itself without. */
static uint32_t own_meaning(const path *p, const struct inotify_event *event) {
    if (event->len > 0)
        return event->mask & ENTRIES ? EVL_PATH_CHANGED : 0;
    uint32_t what = (event->mask & IN_MODIFY ? EVL_PATH_CHANGED : 0) |
                    (event->mask & IN_ATTRIB ? EVL_PATH_ATTRIBUTES : 0);
    if (p->name)
        return what;
    return what | (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF) ? EVL_PATH_DELETED : 0) |
           (event->mask & IN_MOVE_SELF ? EVL_PATH_MOVED : 0);
}

static void apply(path *p, const struct inotify_event *event) {
    bool is_entry =
        event->wd == p->directory && event->len > 0 && p->name && strcmp(event->name, p->name) == 0;
    bool is_itself = event->wd == p->itself;
    if (event->wd == p->directory && (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))) {
        fail(p, EVL_ENOENT);
        return;
    }
    uint32_t what = (is_entry ? entry_meaning(event->mask) : 0) | (is_itself ? own_meaning(p, event) : 0);
    if (is_itself && (event->mask & IN_IGNORED))
        p->itself = -1;
    if (what & EVL_PATH_DELETED) {
        drop_watch(paths_of(p), &p->itself);
        p->base.node.u.result &= ~(int64_t)EVL_PATH_ATTRIBUTES; /* it had one link less, and so on */
        if (p->base.node.u.result == 0)
            evl_list_unlink(&p->base.node.link);
    }
    int rc = what & EVL_PATH_CREATED ? watch_itself(p) : 0;
    if (rc != 0)
        fail(p, rc);
    else
        report(p, what);
}

/* What is there now may be another than before. */
static void apply_overflow(path *p) {
    int rc = watch_itself(p);
    if (rc != 0)
        fail(p, rc);
    else
        report(p, EVL_PATH_OVERFLOW);
}

static void apply_to_all(const evl_paths *paths, const struct inotify_event *event) {
    for (evl_link *link = paths->all.next; link != &paths->all; link = link->next) {
        path *p = EVL_OWNER(link, path, link);
        if (!evl_handle_is_active(&p->base))
            continue;
        if (event->mask & IN_Q_OVERFLOW)
            apply_overflow(p);
        else
            apply(p, event);
    }
}

static void fail_all(const evl_paths *paths, int error) {
    for (evl_link *link = paths->all.next; link != &paths->all; link = link->next) {
        path *p = EVL_OWNER(link, path, link);
        if (evl_handle_is_active(&p->base))
            fail(p, error);
    }
}

/* Answers what read did. */
static int read_events(const evl_paths *paths) {
    _Alignas(struct inotify_event) char buf[4096];
    ssize_t n = evl_sys.inotify_read(paths->fd, buf, sizeof buf);
    if (n < 0)
        return evl_err_from_errno(errno);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const struct inotify_event *)(void *)(buf + at);
        apply_to_all(paths, event);
        at += (ssize_t)(sizeof *event + event->len);
    }
    return 1;
}

/* Runs as a chore. */
static void news(void *arg, int64_t result) {
    evl_loop *loop = arg;
    evl_paths *paths = loop->paths;
    int rc = result < 0 ? (int)result : 1;
    if (result < 0)
        paths->fd = -1; /* it is not ours any more */
    for (int i = 0; i < READS && (rc == 1 || rc == EVL_EINTR); i++)
        rc = read_events(paths);
    if (rc == 1 || rc == EVL_EINTR || rc == EVL_EAGAIN)
        rc = evl_wait_fd(loop, &paths->news, paths->fd, EVL_READ);
    if (rc < 0)
        fail_all(paths, rc);
}

/* --- the loop's inotify ----------------------------------------------------------------------- */

static int open_inotify(evl_loop *loop, evl_paths *paths) {
    paths->fd = evl_sys.inotify_init();
    if (paths->fd < 0)
        return evl_err_from_errno(errno);
    evl_op_init_chore(&paths->news, news, loop);
    int rc = evl_wait_fd(loop, &paths->news, paths->fd, EVL_READ);
    if (rc != 0) {
        (void)evl_sys.close(paths->fd);
        paths->fd = -1;
    }
    return rc;
}

static void close_inotify(evl_loop *loop, evl_paths *paths) {
    (void)evl_op_close(&paths->news);
    if (paths->fd < 0 || evl_is_forked(loop))
        return;
    (void)evl_fd_closing(loop, paths->fd);
    (void)evl_sys.close(paths->fd);
}

static int need_inotify(evl_loop *loop) {
    if (loop->paths)
        return loop->paths->fd >= 0 ? 0 : open_inotify(loop, loop->paths);
    evl_paths *paths = evl_mem_zalloc(&loop->mem, sizeof *paths);
    if (!paths)
        return EVL_ENOMEM;
    evl_list_init(&paths->all);
    int rc = open_inotify(loop, paths);
    if (rc != 0)
        evl_mem_free(&loop->mem, paths, sizeof *paths);
    else
        loop->paths = paths;
    return rc;
}

static void give_up_inotify(evl_loop *loop) {
    evl_paths *paths = loop->paths;
    if (!paths || !evl_list_empty(&paths->all))
        return;
    loop->paths = NULL;
    close_inotify(loop, paths);
    evl_mem_free(&loop->mem, paths, sizeof *paths);
}

/* The parent's is shared with it: what one of the two read the other would miss. */
void evl_paths_fork(evl_loop *loop) {
    evl_paths *paths = loop->paths;
    if (!paths)
        return;
    close_inotify(loop, paths);
    int rc = open_inotify(loop, paths);
    for (evl_link *link = paths->all.next; link != &paths->all; link = link->next) {
        path *p = EVL_OWNER(link, path, link);
        p->directory = p->itself = -1;
        if (!evl_handle_is_active(&p->base))
            continue;
        int failed = rc != 0 ? rc : watch(p);
        if (failed != 0)
            fail(p, failed);
        else
            report(p, EVL_PATH_OVERFLOW); /* what happened meanwhile was told to the parent */
    }
}

/* --- the handle ------------------------------------------------------------------------------- */

static void detach(evl_handle *handle) {
    path *p = (path *)handle;
    evl_loop *loop = handle->loop;
    evl_list_unlink(&p->link);
    if (!evl_is_forked(loop))
        unwatch(p);
    evl_mem_free(&loop->mem, p->text, p->size);
    give_up_inotify(loop);
}

static void describe(const evl_handle *handle, char *buf, size_t cap) {
    (void)snprintf(buf, cap, "path id=%llu path=%s", (unsigned long long)evl_handle_id(handle),
                   ((const path *)handle)->text);
}

static const evl_handle_type path_type = {.size = sizeof(path), .detach = detach, .describe = describe};

/* Without the '/' at its end; the root keeps its own. */
static int copy_text(path *p, const char *text) {
    size_t length = strlen(text);
    while (length > 1 && text[length - 1] == '/')
        length--;
    p->size = length + 1;
    p->text = evl_mem_zalloc(&p->base.loop->mem, p->size);
    if (!p->text)
        return EVL_ENOMEM;
    memcpy(p->text, text, length);
    const char *slash = strrchr(p->text, '/');
    const char *name = slash ? slash + 1 : p->text;
    p->name = name[0] != '\0' ? name : NULL; /* the root has none */
    return 0;
}

int32_t evl_path_new(evl_loop *loop, const char *text, evl_done_fn *fn, void *arg, evl_path **out) {
    int rc = evl_enter(loop);
    if (rc == 0 && (!out || !text || text[0] == '\0'))
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = need_inotify(loop);
    if (rc != 0)
        return rc;
    if (!loop->types[EVL_KIND_PATH])
        evl_handle_know(loop, EVL_KIND_PATH, &path_type);
    path *p = (path *)evl_handle_take(loop, EVL_KIND_PATH, fn, arg);
    if (!p) {
        give_up_inotify(loop);
        return EVL_ENOMEM;
    }
    p->text = NULL;
    p->size = 0;
    p->directory = p->itself = -1;
    evl_list_append(&loop->paths->all, &p->link);
    rc = copy_text(p, text);
    if (rc == 0)
        rc = watch(p);
    if (rc != 0) {
        detach(&p->base);
        evl_handle_give(&p->base);
        return rc;
    }
    evl_handle_set_active(&p->base, true);
    *out = &p->base;
    evl_touch(loop);
    return 0;
}

const char *evl_path_text(const evl_path *handle) {
    return evl_enter_to_read(handle, EVL_KIND_PATH) == 0 ? ((const path *)handle)->text : NULL;
}

#else

void evl_paths_fork(evl_loop *loop) { (void)loop; }

int32_t evl_path_new(evl_loop *loop, const char *text, evl_done_fn *fn, void *arg, evl_path **out) {
    int rc = evl_enter(loop);
    (void)fn, (void)arg;
    return rc != 0 ? rc : !out || !text || text[0] == '\0' ? EVL_EINVAL : EVL_ENOTSUP;
}

const char *evl_path_text(const evl_path *handle) {
    (void)handle;
    return NULL;
}

#endif
