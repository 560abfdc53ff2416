/* evloop/path.h - watching a path: be told when what is there is changed, moved or deleted, or comes to be.
 *
 * On Linux by inotify, with a kqueue backend by EVFILT_VNODE; on a system with neither evl_path_new answers
 * EVL_ENOTSUP. What others change on the far side of a network file system is not seen.
 *
 * inotify says what happened, one after the other. EVFILT_VNODE says only that something did, and then what
 * is at the path is compared with what was there: what came and went before the loop looked is not told, nor
 * is one that was moved here told from one that was made here (CREATED alone), and what was replaced is
 * DELETED and CREATED in one. It holds what it watches open, by one fd for each file and directory, which
 * keeps a file system from being unmounted; two paths of one file share it. A socket cannot be opened: it is
 * told when it comes and goes and nothing in between. */
#ifndef EVLOOP_PATH_H
#define EVLOOP_PATH_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What happened since the watcher was made or it was last told, in one mask. */
enum {
    EVL_PATH_CREATED = 1,    /* something is there that was not; look at it as a whole */
    EVL_PATH_CHANGED = 2,    /* its content; of a directory: what is in it, by name */
    EVL_PATH_ATTRIBUTES = 4, /* its mode, owner, times, number of links */
    EVL_PATH_DELETED = 8,    /* what was there is not there any more */
    EVL_PATH_MOVED = 16,     /* with CREATED: it was moved here; with DELETED: away; with both: replaced */
    EVL_PATH_OVERFLOW = 32   /* more happened than the system keeps: anything may have */
};

/* Watches a path. Something need not be there yet, but the directory that it is in must. A path without a '/'
 * in front is looked at from the current directory, also later. fn gets EVL_PATH_* or a negative error, after
 * which the watcher is inactive for good: EVL_ENOENT (the directory has gone, or was moved), EVL_ENOSPC,
 * EVL_EACCES and what else keeps it from looking at what has come to be there. fn NULL: records of
 * EVL_KIND_PATH. Keeps the loop alive, unless evl_keep_alive.
 * Errors: EVL_ENOENT, EVL_ENOTDIR, EVL_EACCES (of the directory, or of what is there), EVL_ENOSPC (too many
 * watches of this user), EVL_EMFILE, EVL_ENAMETOOLONG, EVL_EINVAL, EVL_ENOMEM, EVL_ENOTSUP. @since 0.1 */
EVL_API int32_t evl_path_new(evl_loop *loop, const char *path, evl_done_fn *fn, void *arg, evl_path **out);

/* The path as it was given, without the '/' at its end; NULL for a closed handle. @since 0.1 */
EVL_API const char *evl_path_text(const evl_path *path);

#ifdef __cplusplus
}
#endif
#endif
