/* sys.h - every system call of evloop goes through this table, so that a test can make any of them fail, be
 * interrupted or come up short. Adding a row here without a row of errnos in tests/faults/errnos.h fails the
 * build of the tests. */
#ifndef EVL_CORE_SYS_H
#define EVL_CORE_SYS_H

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* Which backends this platform can compile. */
#if defined(__linux__)
#    define EVL_HAVE_EPOLL 1
#    include <sys/epoll.h>
#    include <sys/timerfd.h>
#else
#    define EVL_HAVE_EPOLL 0
#endif

/* EVLOOP_KQUEUE is set by the tests, which bring a <sys/event.h> of their own. */
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) ||             \
    defined(__DragonFly__) || defined(EVLOOP_KQUEUE)
#    define EVL_HAVE_KQUEUE 1
#    include <sys/event.h>
#else
#    define EVL_HAVE_KQUEUE 0
#endif

/* One row of sendmmsg and recvmmsg, as the kernels that have them lay it out; its own name for those that
 * have not. */
typedef struct evl_mmsg {
    struct msghdr msg;
    unsigned len;
} evl_mmsg;

#define EVL_SYSCALLS_POSIX(X)                                                                                \
    X(int, clock_gettime, (clockid_t id, struct timespec * ts), (id, ts))                                    \
    X(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))                                        \
    X(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))                                 \
    X(int, close, (int fd), (fd))                                                                            \
    X(int, fstat, (int fd, struct stat *st), (fd, st))                                                       \
    X(int, set_cloexec, (int fd), (fd))                                                                      \
    X(int, get_fd_flags, (int fd), (fd))                                                                     \
    X(int, pipe_cloexec, (int fds[2]), (fds))                                                                \
    X(int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t), (n, r, w, e, t))             \
    X(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))                                      \
    X(int, sigaction, (int signo, const struct sigaction *act, struct sigaction *old), (signo, act, old))

#define EVL_SYSCALLS_NET(X)                                                                                  \
    X(int, socket, (int domain, int type, int protocol), (domain, type, protocol))                           \
    X(int, accept, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))                   \
    X(int, bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))                \
    X(int, listen, (int fd, int backlog), (fd, backlog))                                                     \
    X(int, connect, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))             \
    X(int, shutdown, (int fd, int how), (fd, how))                                                           \
    X(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))                      \
    X(ssize_t, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))                \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))                     \
    X(ssize_t, sendto,                                                                                       \
      (int fd, const void *buf, size_t len, int flags, const struct sockaddr *address, socklen_t n),         \
      (fd, buf, len, flags, address, n))                                                                     \
    X(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))                           \
    X(int, sendmmsg, (int fd, evl_mmsg *rows, unsigned n, int flags), (fd, rows, n, flags))                  \
    X(int, recvmmsg, (int fd, evl_mmsg *rows, unsigned n, int flags), (fd, rows, n, flags))                  \
    X(ssize_t, write_pipe, (int fd, const struct iovec *iov, int n), (fd, iov, n))                           \
    X(ssize_t, sendfile, (int out, int in, int64_t *offset, size_t len), (out, in, offset, len))             \
    X(ssize_t, splice, (int from, int to, size_t len), (from, to, len))                                      \
    X(ssize_t, splice_out, (int from, int to, size_t len), (from, to, len))                                  \
    X(ssize_t, pread, (int fd, void *buf, size_t len, int64_t offset), (fd, buf, len, offset))               \
    X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),                           \
      (fd, level, name, value, len))                                                                         \
    X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),                      \
      (fd, level, name, value, len))                                                                         \
    X(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))              \
    X(int, getpeername, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))              \
    X(int, set_fd_flags, (int fd, int flags), (fd, flags))                                                   \
    X(int, reopen, (int fd, int flags), (fd, flags))                                                         \
    X(int, unconfirmed, (int fd), (fd))                                                                      \
    X(int, stat, (const char *path, struct stat *st), (path, st))                                            \
    X(int, lstat, (const char *path, struct stat *st), (path, st))                                           \
    X(ssize_t, readlink, (const char *path, char *buf, size_t cap), (path, buf, cap))                        \
    X(int, getcwd, (char *buf, size_t cap), (buf, cap))                                                      \
    X(int, unlink, (const char *path), (path))

#define EVL_SYSCALLS_NAMES(X)                                                                                \
    X(int, getaddrinfo,                                                                                      \
      (const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out),          \
      (host, service, hints, out))                                                                           \
    X(int, freeaddrinfo, (struct addrinfo * list), (list))                                                   \
    X(int, getnameinfo,                                                                                      \
      (const struct sockaddr *address, socklen_t length, char *host, socklen_t host_cap, char *service,      \
       socklen_t service_cap, int flags),                                                                    \
      (address, length, host, host_cap, service, service_cap, flags))                                        \
    X(int, if_index, (const char *name), (name))

#define EVL_SYSCALLS_PROCESS(X)                                                                              \
    X(int, fork, (void), ())                                                                                 \
    X(int, socketpair_cloexec, (int fds[2]), (fds))                                                          \
    X(int, open_cloexec, (const char *path, int flags), (path, flags))                                       \
    X(int, dup_above, (int fd, int least), (fd, least))                                                      \
    X(int, dup2, (int from, int to), (from, to))                                                             \
    X(int, keep_on_exec, (int fd), (fd))                                                                     \
    X(int, close_above, (int first), (first))                                                                \
    X(int, reset_signals, (void), ())                                                                        \
    X(int, chdir, (const char *path), (path))                                                                \
    X(int, setsid, (void), ())                                                                               \
    X(int, setpgid, (int pid, int group), (pid, group))                                                      \
    X(int, become, (const uint32_t *uid, const uint32_t *gid), (uid, gid))                                   \
    X(int, execve, (const char *path, char *const args[], char *const env[]), (path, args, env))             \
    X(int, pidfd_open, (int pid), (pid))                                                                     \
    X(int, pidfd_signal, (int pidfd, int signo), (pidfd, signo))                                             \
    X(int, kill, (int pid, int signo), (pid, signo))                                                         \
    X(int, wait_child, (int pidfd, int pid, int *status, int flags), (pidfd, pid, status, flags))

#if EVL_HAVE_EPOLL
#    define EVL_SYSCALLS_EPOLL(X)                                                                            \
        X(int, epoll_create1, (int flags), (flags))                                                          \
        X(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev), (ep, op, fd, ev))                \
        X(int, epoll_wait, (int ep, struct epoll_event *ev, int cap, int ms), (ep, ev, cap, ms))             \
        X(int, epoll_pwait2, (int ep, struct epoll_event *ev, int cap, const struct timespec *t),            \
          (ep, ev, cap, t))                                                                                  \
        X(int, eventfd, (unsigned count, int flags), (count, flags))                                         \
        X(int, timerfd_create, (int clock, int flags), (clock, flags))                                       \
        X(int, timerfd_settime, (int fd, int flags, const struct itimerspec *now, struct itimerspec *old),   \
          (fd, flags, now, old))                                                                             \
        X(int, inotify_init, (void), ())                                                                     \
        X(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))               \
        X(int, inotify_rm_watch, (int fd, int watch), (fd, watch))                                           \
        X(ssize_t, inotify_read, (int fd, void *buf, size_t len), (fd, buf, len))
#else
#    define EVL_SYSCALLS_EPOLL(X)
#endif

#if EVL_HAVE_KQUEUE
#    define EVL_SYSCALLS_KQUEUE(X)                                                                           \
        X(int, kqueue, (void), ())                                                                           \
        X(int, kevent,                                                                                       \
          (int kq, const struct kevent *changes, int n, struct kevent *events, int cap,                      \
           const struct timespec *t),                                                                        \
          (kq, changes, n, events, cap, t))
#else
#    define EVL_SYSCALLS_KQUEUE(X)
#endif

/* X(return type, name, parameters, arguments) */
#define EVL_SYSCALLS(X)                                                                                      \
    EVL_SYSCALLS_POSIX(X)                                                                                    \
    EVL_SYSCALLS_NET(X)                                                                                      \
    EVL_SYSCALLS_NAMES(X) EVL_SYSCALLS_PROCESS(X) EVL_SYSCALLS_EPOLL(X) EVL_SYSCALLS_KQUEUE(X)

/* get_fd_flags is fcntl(F_GETFL); pipe_cloexec is pipe2(O_CLOEXEC | O_NONBLOCK), or pipe and fcntl where the
 * platform has no pipe2; set_cloexec is fcntl(F_SETFD). socket and accept make sockets that are
 * close-on-exec and non-blocking; write_pipe is writev without SIGPIPE, and sendfile and splice_out raise
 * none either; splice is for a pipe that has a reader; reopen opens the pipe or terminal that fd refers to
 * once more, where the platform lets one, ENXIO for everything else; unconfirmed is how many bytes of a
 * socket the peer's system has not confirmed, ENOSYS where nothing says so; getcwd returns 0; if_index is
 * if_nametoindex, with -1 for its 0; sendmmsg and recvmmsg fail with ENOSYS where there are none. All return
 * what the system call does, with errno: getaddrinfo and getnameinfo too, which return -1, and leave in errno
 * either what the system said or -EVL_EAI_*.
 *
 * Of the processes: dup_above is fcntl(F_DUPFD_CLOEXEC); keep_on_exec takes FD_CLOEXEC away; close_above sees
 * to it that no fd from the given one on outlives an exec, ENOSYS where only a loop can; reset_signals gives
 * every signal its default action; become sets ids for good, those that are not NULL, and leaves all further
 * groups; wait_child is waitpid, by pidfd if that is not -1, and takes WNOWAIT where there is one. What a
 * kernel lacks is ENOSYS. */
typedef struct evl_sys_table {
#define EVL_SYS_ROW(ret, name, params, args) ret(*name) params;
    EVL_SYSCALLS(EVL_SYS_ROW)
#undef EVL_SYS_ROW
} evl_sys_table;

extern evl_sys_table evl_sys;

#endif
