/* evloop/path.h - watching a path: being called when the file there is changed, moved, deleted or created.
 *
 *     evl_path_new(loop, "/etc/app.conf", changed, app, &path);    // changed(app, EVL_PATH_* mask)
 *
 * Uses inotify on Linux and EVFILT_VNODE with the kqueue backend; elsewhere evl_path_new returns
 * EVL_ENOTSUP. Changes that another machine makes on a network file system are not seen.
 *
 * inotify reports each event in order. EVFILT_VNODE reports only that there was one; evloop then compares
 * the path with what it was before. So on kqueue a file that was created and deleted between two passes is
 * not reported, a file moved to the path is reported as CREATED alone, and a replaced one as DELETED and
 * CREATED in one mask. There each watched file and directory is held open by one fd, which keeps its file
 * system from being unmounted; two paths of one file share it. A socket cannot be opened: only its
 * creation and deletion are reported. */
#ifndef EVLOOP_PATH_H
#define EVLOOP_PATH_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What happened since the watcher was made or was last reported, as a mask. */
enum {
    EVL_PATH_CREATED = 1,    /* there is a file now and was none before */
    EVL_PATH_CHANGED = 2,    /* its content changed; of a directory: the names in it */
    EVL_PATH_ATTRIBUTES = 4, /* its mode, owner, times or number of links changed */
    EVL_PATH_DELETED = 8,    /* the file is gone from the path */
    EVL_PATH_MOVED = 16,     /* with CREATED: moved here; with DELETED: moved away; with both: replaced */
    EVL_PATH_OVERFLOW = 32   /* the kernel dropped events: anything may have changed */
};

/* Watches a path: fn(arg, mask) runs with a mask of EVL_PATH_*, or with a negative error.
 *
 * There need not be a file at the path yet, but its directory must exist. A relative path is resolved
 * against the current directory each time it is looked up. A symbolic link at the path stands for the file it
 * leads to, whose being replaced, deleted and created again is reported like that of the path itself; links
 * further up in the path are resolved when the watcher is made. `path` is copied. After an error the watcher
 * is inactive for good: EVL_ENOENT (the directory was deleted or moved), EVL_ENOSPC, EVL_EACCES or what else
 * the system reports. fn NULL produces records of EVL_KIND_PATH. Keeps the loop alive unless
 * evl_keep_alive turns that off.
 * Errors:
 * - EVL_ENOENT, EVL_ENOTDIR: the directory does not exist.
 * - EVL_EACCES: the directory or the file may not be read.
 * - EVL_ENOSPC: this user has too many watches.
 * - EVL_EMFILE, EVL_ENOMEM: out of file descriptors or memory.
 * - EVL_ENAMETOOLONG: the path is too long.
 * - EVL_ENOTSUP: the platform cannot watch paths.
 * @since 0.1 */
EVL_API int32_t evl_path_new(evl_loop *loop, const char *path, evl_done_fn *fn, void *arg, evl_path **out);

/* Returns the path as it was given, without slashes at its end; NULL for a closed handle. @since 0.1 */
EVL_API const char *evl_path_text(const evl_path *path);

#ifdef __cplusplus
}
#endif
#endif
