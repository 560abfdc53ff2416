/* errnos.h - how each row of core/base/sys.h can fail: the errnos that its manual page documents and that can
 * happen to a library that passes what evloop passes. The fault walk goes through all of them.
 *
 * The walk is generated from the table, so that a new row without a list here does not compile. EFAULT is in
 * no list: evloop passes no pointers but its own. Where EBADF and ENOENT speak of an fd of evloop's own, the
 * walk makes them true (inject.cpp). */
#ifndef EVLOOP_TESTS_ERRNOS_H
#define EVLOOP_TESTS_ERRNOS_H

#include <errno.h>
#include <evloop/errors.h>

/* Two ways to fail that are no errno: fewer bytes or rows than there are, and an error in the first row that
 * a kevent answers instead of one of the whole call. */
#define EVL_FAULT_SHORT    (-1)
#define EVL_FAULT_ROW(err) (-1000 - (err))

/* None. EINVAL is for a clock that does not exist, and both that evloop reads exist wherever it compiles.
 * There would be no answer either: a loop without a clock cannot wait, and evl_now has no error to answer. */
#define EVL_ERRNOS_clock_gettime

/* Only a wake pipe and the timer that tells of a changed clock are read; they are non-blocking. */
#define EVL_ERRNOS_read EAGAIN, ECANCELED, EINTR, EVL_FAULT_SHORT

/* Only wakes are written: 8 bytes to an eventfd, which takes all or none, or one byte to a pipe. */
#define EVL_ERRNOS_write EAGAIN, EINTR

/* EBADF would mean that the program had closed one of our fds. */
#define EVL_ERRNOS_close EINTR, EIO

#define EVL_ERRNOS_fstat        EBADF, EIO, ENOMEM, EOVERFLOW
#define EVL_ERRNOS_get_fd_flags EBADF
#define EVL_ERRNOS_pipe_cloexec EMFILE, ENFILE
#define EVL_ERRNOS_select       EBADF, EINTR, EINVAL, ENOMEM
#define EVL_ERRNOS_poll         EINTR, EINVAL, ENOMEM
#define EVL_ERRNOS_sigaction    EINVAL

/* Sockets. What a bad argument of evloop's own would give is in no list. */
#define EVL_ERRNOS_socket EACCES, EAFNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT
#define EVL_ERRNOS_accept                                                                                    \
    EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH
#define EVL_ERRNOS_bind   EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOENT, ENOMEM, EROFS
#define EVL_ERRNOS_listen EADDRINUSE, EOPNOTSUPP
#define EVL_ERRNOS_connect                                                                                   \
    EACCES, EADDRNOTAVAIL, EAGAIN, ECONNREFUSED, EINPROGRESS, EINTR, ENETUNREACH, EPERM, ETIMEDOUT
#define EVL_ERRNOS_shutdown ENOTCONN, ENOBUFS
#define EVL_ERRNOS_recv     EAGAIN, ECONNREFUSED, ECONNRESET, EINTR, ENOMEM, ETIMEDOUT, EVL_FAULT_SHORT
#define EVL_ERRNOS_send     EAGAIN, ECONNRESET, EINTR, ENOBUFS, ENOMEM, EPIPE, EVL_FAULT_SHORT
#define EVL_ERRNOS_sendmsg  EAGAIN, ECONNRESET, EINTR, ENOBUFS, ENOMEM, EPIPE, EVL_FAULT_SHORT
#define EVL_ERRNOS_sendto                                                                                    \
    EAGAIN, EACCES, ECONNREFUSED, EHOSTUNREACH, EINTR, EMSGSIZE, ENETUNREACH, ENOBUFS, ENOMEM, EPERM
#define EVL_ERRNOS_recvmsg EAGAIN, ECONNREFUSED, EHOSTUNREACH, EINTR, ENOMEM
#define EVL_ERRNOS_sendmmsg                                                                                  \
    EAGAIN, EACCES, ECONNREFUSED, EINTR, EMSGSIZE, ENOBUFS, ENOMEM, ENOSYS, EVL_FAULT_SHORT
#define EVL_ERRNOS_recvmmsg     EAGAIN, ECONNREFUSED, EINTR, ENOMEM, ENOSYS, EVL_FAULT_SHORT
#define EVL_ERRNOS_write_pipe   EAGAIN, EINTR, EIO, ENOSPC, EPIPE, EVL_FAULT_SHORT
#define EVL_ERRNOS_sendfile     EAGAIN, ECONNRESET, EINTR, EINVAL, EIO, ENOMEM, ENOSYS, EPIPE, EVL_FAULT_SHORT
#define EVL_ERRNOS_splice       EAGAIN, ECONNRESET, EINTR, EINVAL, ENOMEM, ENOSYS, EVL_FAULT_SHORT
#define EVL_ERRNOS_splice_out   EAGAIN, ECONNRESET, EINTR, EINVAL, ENOMEM, ENOSYS, EPIPE, EVL_FAULT_SHORT
#define EVL_ERRNOS_pread        EINTR, EIO, EISDIR, ESPIPE, EVL_FAULT_SHORT
#define EVL_ERRNOS_getsockopt   ENOPROTOOPT, ENOBUFS, ENOMEM
#define EVL_ERRNOS_setsockopt   ENOPROTOOPT, ENOBUFS, ENOMEM
#define EVL_ERRNOS_getsockname  ENOBUFS
#define EVL_ERRNOS_getpeername  ENOBUFS, ENOTCONN
#define EVL_ERRNOS_set_fd_flags EBADF
#define EVL_ERRNOS_reopen       EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, ENXIO
#define EVL_ERRNOS_unconfirmed  EINVAL, ENOSYS
#define EVL_ERRNOS_stat         EACCES, ENOENT
#define EVL_ERRNOS_lstat        EACCES, ENOENT
#define EVL_ERRNOS_readlink     EACCES, EINVAL, ENOENT
#define EVL_ERRNOS_getcwd       ENOENT, ERANGE
#define EVL_ERRNOS_unlink       EACCES, EBUSY, ENOENT

/* The resolver's own errors are -EVL_EAI_*. It runs where all signals are blocked. */
#define EVL_ERRNOS_getaddrinfo                                                                               \
    ENOMEM, EMFILE, -EVL_EAI_AGAIN, -EVL_EAI_ADDRFAMILY, -EVL_EAI_FAIL, -EVL_EAI_NODATA, -EVL_EAI_NONAME,    \
        -EVL_EAI_SERVICE, -EVL_EAI_UNKNOWN
#define EVL_ERRNOS_freeaddrinfo
#define EVL_ERRNOS_getnameinfo                                                                               \
    ENOMEM, EMFILE, -EVL_EAI_AGAIN, -EVL_EAI_FAIL, -EVL_EAI_FAMILY, -EVL_EAI_NONAME, -EVL_EAI_OVERFLOW
#define EVL_ERRNOS_if_index ENODEV, ENXIO, EMFILE

/* Processes; much of it happens in the child. */
#define EVL_ERRNOS_fork               EAGAIN, ENOMEM, ENOSYS
#define EVL_ERRNOS_socketpair_cloexec EMFILE, ENFILE, ENOBUFS
#define EVL_ERRNOS_open_cloexec       EACCES, EINTR, EMFILE, ENFILE, ENOENT
#define EVL_ERRNOS_dup_above          EMFILE
#define EVL_ERRNOS_dup2               EBUSY, EINTR, EMFILE
#define EVL_ERRNOS_keep_on_exec       EBADF
#define EVL_ERRNOS_close_above        ENOMEM, ENOSYS
#define EVL_ERRNOS_reset_signals
#define EVL_ERRNOS_chdir        EACCES, ENOENT
#define EVL_ERRNOS_setsid       EPERM
#define EVL_ERRNOS_setpgid      EACCES, EPERM, ESRCH
#define EVL_ERRNOS_become       EAGAIN, EPERM
#define EVL_ERRNOS_execve       E2BIG, EACCES, EAGAIN, EIO, ENOENT, ENOEXEC, ENOMEM, ENOTDIR, ETXTBSY
#define EVL_ERRNOS_pidfd_open   EMFILE, ENFILE, ENODEV, ENOMEM, ENOSYS, EPERM
#define EVL_ERRNOS_pidfd_signal ENOSYS, EPERM, ESRCH
#define EVL_ERRNOS_kill         EPERM, ESRCH
#define EVL_ERRNOS_wait_child   ECHILD, EINTR

#define EVL_ERRNOS_epoll_create1   EMFILE, ENFILE, ENOMEM
#define EVL_ERRNOS_epoll_ctl       EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EPERM
#define EVL_ERRNOS_epoll_wait      EBADF, EINTR, EINVAL, EVL_FAULT_SHORT
#define EVL_ERRNOS_epoll_pwait2    EBADF, EINTR, EINVAL, ENOSYS, EPERM, EVL_FAULT_SHORT
#define EVL_ERRNOS_eventfd         EMFILE, ENFILE, ENODEV, ENOMEM
#define EVL_ERRNOS_timerfd_create  EMFILE, ENFILE, ENODEV, ENOMEM
#define EVL_ERRNOS_timerfd_settime EBADF, ECANCELED, EINVAL

/* Without ENOENT, which is no failure of a watched path: nothing is there. */
#define EVL_ERRNOS_inotify_init      EMFILE, ENFILE, ENOMEM
#define EVL_ERRNOS_inotify_add_watch EACCES, ENOMEM, ENOSPC, ENOTDIR
#define EVL_ERRNOS_inotify_rm_watch  EINVAL
#define EVL_ERRNOS_inotify_read      EAGAIN, EINTR

#define EVL_ERRNOS_kqueue EMFILE, ENFILE, ENOMEM
#define EVL_ERRNOS_kevent                                                                                    \
    EBADF, EINTR, ENOMEM, EVL_FAULT_SHORT, EVL_FAULT_ROW(EACCES), EVL_FAULT_ROW(EBADF),                      \
        EVL_FAULT_ROW(EINVAL), EVL_FAULT_ROW(ENOENT), EVL_FAULT_ROW(ENOMEM), EVL_FAULT_ROW(EPIPE)
#define EVL_ERRNOS_set_cloexec EBADF

#endif
