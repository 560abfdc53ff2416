/* path.h - private header of watched paths: path.c and path_watch.c, and the two systems, path_inotify.c and
 * path_vnode.c.
 *
 * A watch is a number that stands for one file. Watching a file again returns the same number, and a watch is
 * removed when no path uses it any more. */
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

/* Whether the platform has one of the two systems. */
#if EVL_HAVE_INOTIFY || (EVL_HAVE_KQUEUE && defined(EVFILT_VNODE))
#    define EVL_HAVE_PATHS 1
#else
#    define EVL_HAVE_PATHS 0
#endif

struct evl_watched;

/* The use of a watch by a path. */
typedef struct evl_path_watch {
    evl_link link; /* in evl_paths.buckets */
    struct evl_watched *path;
    int number; /* -1: none */
} evl_path_watch;

typedef struct evl_watched {
    evl_handle base;
    evl_link link;
    char *text;                      /* the path */
    const char *name;                /* its last part, in `text`; NULL: the root, which has no directory */
    size_t size;                     /* of text */
    char *target;                    /* of a symbolic link: the last part of the final target; else NULL */
    size_t target_size;              /* of the allocation */
    evl_path_watch directory;        /* the directory the path is in */
    evl_path_watch itself;           /* the file; -1: there is none */
    evl_path_watch target_directory; /* of a symbolic link: the directory of its target */
} evl_watched;

typedef struct evl_path_system evl_path_system;

/* path_vnode.c: a watched file. Its index in evl_paths.vnodes is the number of the watch. */
typedef struct evl_vnode {
    bool used;
    bool is_directory;
    int fd;          /* -1: a socket, which cannot be opened */
    uint32_t events; /* EVL_PATH_* not yet applied; DELETED and MOVED are about one of its names */
    dev_t dev;
    ino_t ino;
    off_t size;
} evl_vnode;

/* The paths of a loop. */
typedef struct evl_paths {
    const evl_path_system *system;
    evl_mem *mem;
    evl_link all;      /* evl_watched.link */
    evl_link *buckets; /* evl_path_watch.link, hashed by the low bits of the number */
    evl_link one;      /* the first bucket, without an allocation */
    uint32_t mask;     /* number of buckets - 1, a power of two */
    uint32_t count;    /* of paths */
    int fd;            /* readable when there are events; -1: none */
    evl_op wait;       /* internal: waits for fd */
    evl_vnode *vnodes;
    uint32_t vnodes_cap;
} evl_paths;

struct evl_path_system {
    /* Returns what is to be `fd`, close-on-exec, or a negative error. */
    int (*open)(void);

    /* Watches the file at `where`. as_directory: it must be a directory, and only its name and its entries
     * matter. */
    int (*add)(evl_paths *paths, const char *where, bool as_directory, int *watch);
    void (*remove)(evl_paths *paths, int watch);

    /* Reads events and applies them. Returns 1 if there may be more, EVL_EAGAIN if there was none, or another
     * error. */
    int (*read)(evl_paths *paths);

    /* In a forked child, before a new queue is opened: closes the inherited fds. The watches are invalid
     * then. */
    void (*leave)(evl_paths *paths);
};

extern const evl_path_system evl_path_inotify, evl_path_vnode;

/* Called by `read` of a system. A path that has failed is inactive. */
void evl_path_notify(evl_watched *p, uint32_t what); /* EVL_PATH_*; 0: does nothing */
void evl_path_fail(evl_watched *p, int error);

/* path_watch.c: watches the directory and the file. EVL_ENOENT: there is no such directory. */
int evl_path_watch_start(evl_watched *p);
void evl_path_watch_stop(evl_watched *p);
void evl_path_watch_init(evl_watched *p);
void evl_path_watch_void(evl_watched *p); /* in a forked child: forgets them; they stay in the parent */

/* Adds buckets as paths are added; without memory there are fewer. */
void evl_paths_grow(evl_paths *paths);
void evl_paths_free_buckets(evl_paths *paths);

/* Watches the file that is there now instead of the one before, and where it leads. No file is no error. */
int evl_path_watch_itself(evl_watched *p);
int evl_path_follow(evl_watched *p); /* only where it leads */
void evl_path_drop(evl_watched *p, evl_path_watch *watch);

static inline evl_link *evl_paths_bucket(const evl_paths *paths, int number) {
    return &paths->buckets[(uint32_t)number & paths->mask];
}

/* Valid while there is a path. */
static inline evl_paths *evl_paths_at(const evl_loop *loop) {
    return *(evl_paths **)evl_part_at(loop, EVL_PART_PATHS);
}

static inline evl_paths *evl_paths_of(const evl_watched *p) { return evl_paths_at(p->base.loop); }

#define EVL_PATHS_EACH(link, paths)                                                                          \
    for (evl_link * (link) = (paths)->all.next; (link) != &(paths)->all; (link) = (link)->next)

#endif
