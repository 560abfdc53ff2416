/* path.h - what path.c, which has the handles, and a system's way to hear of files (path_inotify.c,
 * path_vnode.c) know of each other.
 *
 * A watch is a number that stands for one file. Its users are not counted: a system asked to watch a file
 * that it watches already returns the same number, and it is let go when no path has it any more. */
#ifndef EVL_CORE_PATH_H
#define EVL_CORE_PATH_H

#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/part.h"
#include "../op/op.h"

#if defined(__linux__)
#    define EVL_HAVE_INOTIFY 1
#else
#    define EVL_HAVE_INOTIFY 0
#endif

/* Whether any of the two is there. */
#if EVL_HAVE_INOTIFY || (EVL_HAVE_KQUEUE && defined(EVFILT_VNODE))
#    define EVL_HAVE_PATHS 1
#else
#    define EVL_HAVE_PATHS 0
#endif

struct evl_watched;

/* A path's share in one of the system's watches. */
typedef struct evl_path_watch {
    evl_link link; /* in evl_paths.buckets */
    struct evl_watched *path;
    int number; /* -1: none */
} evl_path_watch;

typedef struct evl_watched {
    evl_handle base;
    evl_link link;
    char *text;               /* the path */
    const char *name;         /* its last part, in `text`; NULL: there is no directory to look from */
    size_t size;              /* of text */
    char *target;             /* of a symbolic link: the last part of where it leads in the end; else NULL */
    size_t target_size;       /* of the allocation */
    evl_path_watch directory; /* that the path is in */
    evl_path_watch itself;    /* -1: nothing is there */
    evl_path_watch beyond;    /* the directory that the target of a symbolic link is in */
} evl_watched;

typedef struct evl_path_system evl_path_system;

/* path_vnode.c: its place in evl_paths.vnodes is its watch. */
typedef struct evl_vnode {
    bool used;
    bool is_directory;
    int fd;         /* -1: a socket, which cannot be opened */
    uint32_t heard; /* EVL_PATH_*, where DELETED and MOVED mean that one of its names is */
    dev_t dev;
    ino_t ino;
    off_t size;
} evl_vnode;

/* All that a loop watches. */
typedef struct evl_paths {
    const evl_path_system *system;
    evl_mem *mem;
    evl_link all;      /* evl_watched.link */
    evl_link *buckets; /* evl_path_watch.link, by the number's last bits */
    evl_link one;      /* the only bucket to begin with */
    uint32_t mask;     /* of those bits */
    uint32_t count;    /* of paths */
    int fd;            /* polls readable when something has happened; -1: none */
    evl_op news;       /* internal: waits for fd */
    evl_vnode *vnodes;
    uint32_t vnodes_cap;
} evl_paths;

struct evl_path_system {
    /* Returns what is to be `fd`, close-on-exec, or a negative error. */
    int (*open)(void);

    /* Watches what is at `where`; `as_directory`: that has to be one, and only what it is named and the names
     * in it count. */
    int (*add)(evl_paths *paths, const char *where, bool as_directory, int *watch);
    void (*remove)(evl_paths *paths, int watch);

    /* Takes news and tells them. 1: there may be more; EVL_EAGAIN: there was none. */
    int (*read)(evl_paths *paths);

    /* In a child, before `fd` is another: lets go of what the parent has as well. The watches are void. */
    void (*leave)(evl_paths *paths);
};

extern const evl_path_system evl_path_inotify, evl_path_vnode;

/* For a system's `read`. A path that has failed is inactive. */
void evl_path_tell(evl_watched *p, uint32_t what); /* EVL_PATH_*; nothing for 0 */
void evl_path_fail(evl_watched *p, int error);

/* path_watch.c. Returns EVL_ENOENT when there is no directory. */
int evl_path_watch_start(evl_watched *p);
void evl_path_watch_stop(evl_watched *p);
void evl_path_watch_init(evl_watched *p);
void evl_path_watch_void(evl_watched *p); /* in a child: they are the parent's, and stay */

/* As many buckets as there are paths, if there is the memory. */
void evl_paths_spread(evl_paths *paths);
void evl_paths_free_buckets(evl_paths *paths);

/* Watches what is there now instead of what was, and where it leads; that nothing is there is no error. */
int evl_path_watch_itself(evl_watched *p);
int evl_path_follow(evl_watched *p); /* only the latter */
void evl_path_drop(evl_watched *p, evl_path_watch *watch);

static inline evl_link *evl_paths_bucket(const evl_paths *paths, int number) {
    return &paths->buckets[(uint32_t)number & paths->mask];
}

/* There is a path. */
static inline evl_paths *evl_paths_at(const evl_loop *loop) {
    return *(evl_paths **)evl_part_at(loop, EVL_PART_PATHS);
}

static inline evl_paths *evl_paths_of(const evl_watched *p) { return evl_paths_at(p->base.loop); }

#define EVL_PATHS_EACH(link, paths)                                                                          \
    for (evl_link * (link) = (paths)->all.next; (link) != &(paths)->all; (link) = (link)->next)

#endif
