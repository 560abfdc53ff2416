/* path.c - watched paths as handles. The directory of a path is watched for its name appearing and
 * disappearing, the file itself for changes. All paths of a loop share one queue (inotify, or a kqueue). */
#include "path.h"
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/part.h"
#include "../loop/watcher.h"

#include <stdio.h>
#include <string.h>

#if EVL_HAVE_PATHS

#    define READS 16 /* reads of the queue in one pass */

/* --- events ----------------------------------------------------------------------------------- */

void evl_path_notify(evl_watched *p, uint32_t what) {
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

void evl_path_fail(evl_watched *p, int error) {
    evl_node *node = &p->base.node;
    evl_path_watch_stop(p);
    evl_handle_set_active(&p->base, false);
    node->u.result = error;
    if (!evl_linked(&node->link))
        evl_ready(p->base.loop, node);
}

static void close_queue(evl_loop *loop, evl_paths *paths) {
    evl_op_end(&paths->wait);
    if (paths->fd < 0 || evl_is_forked(loop))
        return;
    (void)evl_io_closing(loop, paths->fd);
    (void)evl_sys.close(paths->fd);
    paths->fd = -1;
}

static void fail_all(evl_loop *loop, int error) {
    evl_paths *paths = evl_paths_at(loop);
    EVL_PATHS_EACH(link, paths) {
        evl_watched *p = EVL_OWNER(link, evl_watched, link);
        if (evl_handle_is_active(&p->base))
            evl_path_fail(p, error);
    }
    close_queue(loop, paths); /* the next path opens a new one */
}

/* Returns what the last read did. */
static int read_all(evl_paths *paths) {
    int rc = 1;
    for (int i = 0; i < READS && (rc == 1 || rc == EVL_EINTR); i++)
        rc = paths->system->read(paths);
    return rc;
}

static void events_readable(void *arg, int64_t result) {
    evl_loop *loop = arg;
    evl_paths *paths = evl_paths_at(loop);
    int rc = (int)result;
    if (result < 0)
        paths->fd = -1; /* another part of the program has closed it */
    else
        rc = read_all(paths);
    if (rc == 1 || rc == EVL_EINTR || rc == EVL_EAGAIN)
        rc = evl_wait_fd(loop, &paths->wait, paths->fd, EVL_READ);
    if (rc < 0)
        fail_all(loop, rc);
}

/* --- the queue of the loop -------------------------------------------------------------------- */

static const evl_path_system *system_of(const evl_loop *loop) {
#    if EVL_HAVE_INOTIFY && EVL_HAVE_KQUEUE && defined(EVFILT_VNODE)
    return strcmp(loop->backend->name, "kqueue") == 0 ? &evl_path_vnode : &evl_path_inotify;
#    elif EVL_HAVE_INOTIFY
    (void)loop;
    return &evl_path_inotify;
#    else
    (void)loop;
    return &evl_path_vnode;
#    endif
}

static int open_queue(evl_loop *loop, evl_paths *paths) {
    int fd = paths->system->open();
    if (fd < 0)
        return fd;
    evl_op_init_internal(&paths->wait, events_readable, loop);
    int rc = evl_wait_fd(loop, &paths->wait, fd, EVL_READ);
    if (rc == 0)
        paths->fd = fd;
    else
        (void)evl_sys.close(fd);
    return rc;
}

/* Where the loop keeps its evl_paths: NULL until the first path, and again after the last. */
static evl_paths **slot_of(const evl_loop *loop) { return evl_part_at(loop, EVL_PART_PATHS); }

static const evl_part paths_part;

static int need_queue(evl_loop *loop) {
    evl_paths **place = evl_part_need(loop, &paths_part);
    if (!place)
        return EVL_ENOMEM;
    if (*place && (*place)->fd >= 0) {
        (void)read_all(*place); /* events up to now are not for the path that is being created */
        evl_touch(loop);
    }
    if (*place)
        return (*place)->fd >= 0 ? 0 : open_queue(loop, *place);
    evl_paths *paths = evl_mem_zalloc(&loop->mem, sizeof *paths);
    if (!paths)
        return EVL_ENOMEM;
    evl_list_init(&paths->all);
    paths->system = system_of(loop);
    paths->mem = &loop->mem;
    evl_list_init(&paths->one);
    paths->buckets = &paths->one;
    paths->fd = -1;
    int rc = open_queue(loop, paths);
    if (rc != 0)
        evl_mem_free(&loop->mem, paths, sizeof *paths);
    else
        *place = paths;
    return rc;
}

static void free_unused_queue(evl_loop *loop) {
    evl_paths *paths = *slot_of(loop);
    if (!paths || !evl_list_empty(&paths->all))
        return;
    *slot_of(loop) = NULL;
    close_queue(loop, paths);
    evl_paths_free_buckets(paths);
    evl_mem_free(&loop->mem, paths->vnodes, paths->vnodes_cap * sizeof *paths->vnodes);
    evl_mem_free(&loop->mem, paths, sizeof *paths);
}

/* The inherited queue is shared with the parent: an event that one of them reads, the other one misses. */
static void fork_paths(evl_loop *loop, void *state) {
    evl_paths *paths = *(evl_paths **)state;
    if (!paths)
        return;
    evl_op_end(&paths->wait);
    if (paths->fd >= 0)
        (void)evl_io_closing(loop, paths->fd);
    paths->system->leave(paths);
    paths->fd = -1;
    int rc = open_queue(loop, paths);
    EVL_PATHS_EACH(link, paths) {
        evl_watched *p = EVL_OWNER(link, evl_watched, link);
        evl_path_watch_void(p);
    }
    EVL_PATHS_EACH(link, paths) {
        evl_watched *p = EVL_OWNER(link, evl_watched, link);
        if (!evl_handle_is_active(&p->base))
            continue;
        int failed = rc != 0 ? rc : evl_path_watch_start(p);
        if (failed != 0)
            evl_path_fail(p, failed);
        else
            evl_path_notify(p, EVL_PATH_OVERFLOW); /* events up to now were reported to the parent */
    }
}

/* --- the handle ------------------------------------------------------------------------------- */

static void path_detach(evl_handle *handle) {
    evl_watched *p = (evl_watched *)handle;
    evl_loop *loop = handle->loop;
    evl_list_unlink(&p->link);
    evl_paths_of(p)->count--;
    if (evl_is_forked(loop))
        evl_path_watch_void(p);
    evl_path_watch_stop(p);
    evl_mem_free(&loop->mem, p->target, p->target_size);
    evl_mem_free(&loop->mem, p->text, p->size);
    free_unused_queue(loop);
}

static void path_describe(const evl_handle *handle, char *buf, size_t cap) {
    (void)snprintf(buf, cap, "path id=%llu path=%s", (unsigned long long)evl_handle_id(handle),
                   ((const evl_watched *)handle)->text);
}

static const evl_handle_type path_type = {
    .size = sizeof(evl_watched), .detach = path_detach, .describe = path_describe};

static bool open_paths(evl_loop *loop, void *state) {
    (void)state;
    evl_handle_know(loop, EVL_KIND_PATH, &path_type);
    return true;
}

static const evl_part paths_part = {
    .place = EVL_PART_PATHS, .size = sizeof(evl_paths *), .open = open_paths, .fork = fork_paths};

/* Without a '/' at the end, except for the root. */
static int copy_text(evl_watched *p, const char *text) {
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

/* NULL: out of memory, and the queue is freed if no path needs it. */
static evl_watched *new_path(evl_loop *loop, evl_done_fn *fn, void *arg) {
    evl_watched *p = (evl_watched *)evl_handle_alloc(loop, EVL_KIND_PATH, fn, arg);
    if (!p) {
        free_unused_queue(loop);
        return NULL;
    }
    p->text = NULL;
    p->size = 0;
    p->target = NULL;
    p->target_size = 0;
    evl_path_watch_init(p);
    evl_paths *paths = evl_paths_of(p);
    evl_list_append(&paths->all, &p->link);
    paths->count++;
    evl_paths_grow(paths);
    return p;
}

int32_t evl_path_new(evl_loop *loop, const char *text, evl_done_fn *fn, void *arg, evl_path **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0 && (!out || !text || text[0] == '\0'))
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = need_queue(loop);
    if (rc != 0)
        return rc;
    evl_watched *p = new_path(loop, fn, arg);
    if (!p)
        return EVL_ENOMEM;
    rc = copy_text(p, text);
    if (rc == 0)
        rc = evl_path_watch_start(p);
    if (rc != 0) {
        path_detach(&p->base);
        evl_handle_release(&p->base);
        return rc;
    }
    evl_handle_set_active(&p->base, true);
    *out = &p->base;
    evl_touch(loop);
    return 0;
}

const char *evl_path_text(const evl_path *handle) {
    return evl_enter_to_read(handle, EVL_KIND_PATH) == 0 ? ((const evl_watched *)handle)->text : NULL;
}

#else

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
