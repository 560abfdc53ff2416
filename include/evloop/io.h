/* evloop/io.h - fd watchers: be told when a file descriptor can be read or written.
 *
 * Any number of watchers may share an fd, each with its own mask. Watchers are level-triggered: while the
 * condition holds they report once a pass. The fd stays the caller's: evloop never closes it, and the caller
 * closes the watcher first. */
#ifndef EVLOOP_IO_H
#define EVLOOP_IO_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a watcher wants, and what it is told. The values are those of poll(2). */
enum {
    EVL_READ = 1,  /* data, end of file, or a connection to accept */
    EVL_PRI = 2,   /* urgent data; wants EVL_CAP_PRI */
    EVL_WRITE = 4, /* room to write, or a connect that has ended */
    EVL_ERR = 8,   /* result only: an error is pending; comes with whichever of READ and WRITE is wanted */
    EVL_HUP = 16,  /* result only: the other end is gone; likewise. Only with EVL_CAP_HUP */
    EVL_NVAL = 32  /* evl_poll_row.reported only: the number is closed */
};

/* evl_io_new flags. */
enum {
    EVL_IO_ONESHOT = 1, /* the mask becomes 0 when it reports; evl_io_set arms it again */
    EVL_IO_EDGE = 2     /* report changes only; wants EVL_CAP_EDGE, and every watcher of the fd must be so */
};

/* Watches fd for mask, which may be 0. fn gets a mask, or a negative error: EVL_EBADF when the loop notices
 * that the fd was closed, EVL_ECLOSED after evl_fd_closing, or what the kernel refused a changed mask with
 * (EVL_ENOMEM, EVL_ENOSPC); the watcher is then inactive for good.
 *
 * Only select notices a closed fd by itself, in the next pass. epoll and kqueue report nothing for one, so
 * that the loop notices when the mask is changed, or when the number is watched again. Until then the watcher
 * keeps the loop alive: call evl_close or evl_fd_closing before close(). fn NULL: records with `arg` as
 * user_data. Errors: EVL_EBADF, EVL_EPERM (a regular file or directory), EVL_EINVAL, EVL_ENOTSUP (PRI or EDGE
 * where the backend has none), EVL_EEXIST (edge and level on one fd), EVL_ENOMEM, EVL_ENOSPC, EVL_EMFILE
 * (more fds than select can hold). @since 0.1 */
EVL_API int32_t evl_io_new(evl_loop *loop, evl_fd fd, uint32_t mask, uint32_t flags, evl_done_fn *fn,
                           void *arg, evl_io **out);

/* Changes the mask; 0 pauses. Changes between two polls cost at most one system call, and none when they
 * cancel out. A report already due is narrowed to the new mask, or taken back. Errors: EVL_EBADF, EVL_ECLOSED
 * (the watcher has ended), EVL_EINVAL, EVL_ENOTSUP. @since 0.1 */
EVL_API int32_t evl_io_set(evl_io *io, uint32_t mask);

/* The fd, or -1 when the watcher has ended; the mask. Or an error. @since 0.1 */
EVL_API evl_fd evl_io_fd(const evl_io *io);
EVL_API int32_t evl_io_mask(const evl_io *io);

/* To be called before close(fd) when others may be watching it: ends every watcher of fd with EVL_ECLOSED.
 * Answers how many there were. @since 0.1 */
EVL_API int32_t evl_fd_closing(evl_loop *loop, evl_fd fd);

#ifdef __cplusplus
}
#endif
#endif
