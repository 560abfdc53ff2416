/* evloop/io.h - fd watchers: being called while a file descriptor can be read or written.
 *
 *     evl_io_new(loop, fd, EVL_READ, 0, readable, conn, &io); // readable(conn, mask) while fd can be read
 *     evl_io_set(io, EVL_READ | EVL_WRITE);
 *     evl_close(io);                                          // then close(fd)
 *
 * Use it for descriptors that another library owns (libpq, hiredis, libcurl); for bytes use stream.h. To
 * wait once, see evl_wait_fd (op.h).
 *
 * Any number of watchers may share an fd, each with its own mask. Watchers are level-triggered: while the
 * condition holds they report once a pass. The fd is the caller's: evloop never closes it, and the watcher
 * must be closed first. */
#ifndef EVLOOP_IO_H
#define EVLOOP_IO_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a watcher waits for, and what it reports. The values are those of poll(2) on Linux. */
enum {
    EVL_READ = 1,  /* data, end of file, or a connection to accept */
    EVL_PRI = 2,   /* urgent data; needs EVL_CAP_PRI */
    EVL_WRITE = 4, /* room to write, or a connect that has ended */
    EVL_ERR = 8,   /* reported only: an error is pending; together with the READ or WRITE that is wanted */
    EVL_HUP = 16,  /* reported only: the peer has closed; as EVL_ERR. Needs EVL_CAP_HUP */
    EVL_NVAL = 32  /* evl_poll_row.reported only: the fd is not open */
};

/* Flags of evl_io_new. */
enum {
    EVL_IO_ONESHOT = 1, /* the mask becomes 0 when it reports; evl_io_set sets it again */
    EVL_IO_EDGE = 2 /* report changes only; needs EVL_CAP_EDGE, and every watcher of the fd must have it */
};

/* Watches fd for `mask`, which may be 0: fn(arg, mask) runs with what is ready, or with a negative error.
 *
 * After an error the watcher is inactive for good: EVL_EBADF (the loop noticed that the fd was closed by
 * another part of the program), EVL_ECLOSED (evl_fd_closing), or the error with which the kernel refused a
 * changed mask. When a closed fd is noticed depends on the backend: select notices in the next pass; epoll
 * and kqueue forget a closed fd without a report, and the loop notices when evl_io_set changes the mask or
 * the number is used again. fn NULL produces records of EVL_KIND_IO.
 * Errors:
 * - EVL_EBADF: the fd is not open.
 * - EVL_EPERM: a regular file or a directory, which cannot be waited for.
 * - EVL_ENOTSUP: EVL_PRI or EVL_IO_EDGE, where the backend lacks them.
 * - EVL_EEXIST: the fd has watchers with and without EVL_IO_EDGE.
 * - EVL_EMFILE: more fds than select can hold.
 * - EVL_ENOMEM, EVL_ENOSPC: out of memory or of the kernel's limit of watches.
 * @since 0.1 */
EVL_API int32_t evl_io_new(evl_loop *loop, evl_fd fd, uint32_t mask, uint32_t flags, evl_done_fn *fn,
                           void *arg, evl_io **out);

/* Changes the mask; 0 pauses the watcher. Changes between two polls cost at most one system call, and none
 * when they cancel out. A report that is already queued is narrowed to the new mask, or cancelled.
 * Errors:
 * - EVL_EBADF, EVL_ECLOSED: the watcher has ended with this error.
 * - EVL_ENOTSUP: EVL_PRI, where the backend lacks it.
 * @since 0.1 */
EVL_API int32_t evl_io_set(evl_io *io, uint32_t mask);

/* Returns the fd; -1 when the watcher has ended with an error. @since 0.1 */
EVL_API evl_fd evl_io_fd(const evl_io *io);

/* Returns the mask. @since 0.1 */
EVL_API int32_t evl_io_mask(const evl_io *io);

/* Ends every watcher of fd with EVL_ECLOSED, and every operation that waits for it. To be called before
 * close(fd) when other parts of the program may be watching it. Returns how many there were. @since 0.1 */
EVL_API int32_t evl_fd_closing(evl_loop *loop, evl_fd fd);

#ifdef __cplusplus
}
#endif
#endif
