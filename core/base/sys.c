#if defined(__linux__) && !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* pipe2, epoll_pwait2 */
#endif
#include "sys.h"

#include <errno.h>
#include <evloop/errors.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#if EVL_HAVE_EPOLL
#    include <linux/sockios.h>
#    include <sys/eventfd.h>
#    include <sys/inotify.h>
#    include <sys/sendfile.h>
#    include <sys/syscall.h>
#endif

static int sys_set_cloexec(int fd) { return fcntl(fd, F_SETFD, FD_CLOEXEC); }

static int sys_get_fd_flags(int fd) { return fcntl(fd, F_GETFL); }

#if defined(__APPLE__)
static int sys_pipe_cloexec(int fds[2]) {
    if (pipe(fds) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}
#else
static int sys_pipe_cloexec(int fds[2]) { return pipe2(fds, O_CLOEXEC | O_NONBLOCK); }
#endif

/* --- sockets and pipes ------------------------------------------------------------------------ */

#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
static int sys_socket(int domain, int type, int protocol) {
    return socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

static int sys_accept(int fd, struct sockaddr *address, socklen_t *len) {
    return accept4(fd, address, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
#else
/* Not atomic where the platform cannot: a fork on another thread may win. */
static int with_flags(int fd) {
    if (fd < 0)
        return fd;
    int on = 1;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
#    if defined(SO_NOSIGPIPE)
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#    endif
    (void)on;
    return fd;
}

static int sys_socket(int domain, int type, int protocol) {
    return with_flags(socket(domain, type, protocol));
}

static int sys_accept(int fd, struct sockaddr *address, socklen_t *len) {
    return with_flags(accept(fd, address, len));
}
#endif

/* Where the kernel cannot leave the signal out, it is blocked for the call and the one that came
 * of it is taken; one that was pending before is not ours to take. That can only be where it was blocked. */
typedef struct quiet {
    sigset_t pipe_only, before;
    bool was_blocked, was_pending;
} quiet;

static void begin_quiet(quiet *q) {
    sigset_t pending;
    (void)sigemptyset(&q->pipe_only);
    (void)sigaddset(&q->pipe_only, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &q->pipe_only, &q->before);
    q->was_blocked = sigismember(&q->before, SIGPIPE) == 1;
    q->was_pending = q->was_blocked && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static ssize_t end_quiet(const quiet *q, ssize_t rc) {
    int error = errno;
    if (rc < 0 && error == EPIPE && !q->was_pending) {
#if defined(__APPLE__) || defined(__OpenBSD__)
        int taken;
        sigset_t pending;
        if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
            (void)sigwait(&q->pipe_only, &taken);
#else
        struct timespec now = {0, 0};
        (void)sigtimedwait(&q->pipe_only, NULL, &now);
#endif
    }
    if (!q->was_blocked)
        (void)pthread_sigmask(SIG_SETMASK, &q->before, NULL);
    errno = error;
    return rc;
}

static ssize_t sys_write_pipe(int fd, const struct iovec *iov, int n) {
#if defined(__linux__) && defined(SYS_pwritev2)
    /* RWF_NOSIGNAL, of 2025; EOPNOTSUPP from kernels before. The offset -1 means the file's own, and is
     * passed in two halves. */
    ssize_t rc = syscall(SYS_pwritev2, fd, iov, n, -1L, -1L, 0x100);
    if (rc >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
        return rc;
#endif
    quiet q;
    begin_quiet(&q);
    return end_quiet(&q, writev(fd, iov, n));
}

static ssize_t sys_sendfile(int out, int in, int64_t *offset, size_t len) {
#if defined(__linux__)
    quiet q;
    off_t at = (off_t)*offset;
    begin_quiet(&q);
    ssize_t n = end_quiet(&q, sendfile(out, in, &at, len));
    *offset = at;
    return n;
#else
    (void)out, (void)in, (void)offset, (void)len;
    errno = ENOSYS;
    return -1;
#endif
}

#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__)
_Static_assert(sizeof(evl_mmsg) == sizeof(struct mmsghdr) &&
                   offsetof(evl_mmsg, len) == offsetof(struct mmsghdr, msg_len),
               "rows go to the kernel as they are");

static int sys_sendmmsg(int fd, evl_mmsg *rows, unsigned n, int flags) {
    return (int)sendmmsg(fd, (struct mmsghdr *)(void *)rows, n, flags);
}

static int sys_recvmmsg(int fd, evl_mmsg *rows, unsigned n, int flags) {
    return (int)recvmmsg(fd, (struct mmsghdr *)(void *)rows, n, flags, NULL);
}
#else
static int sys_sendmmsg(int fd, evl_mmsg *rows, unsigned n, int flags) {
    (void)fd, (void)rows, (void)n, (void)flags;
    errno = ENOSYS;
    return -1;
}

static int sys_recvmmsg(int fd, evl_mmsg *rows, unsigned n, int flags) {
    return sys_sendmmsg(fd, rows, n, flags);
}
#endif

static ssize_t sys_splice(int from, int to, size_t len) {
#if defined(__linux__)
    return splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
#else
    (void)from, (void)to, (void)len;
    errno = ENOSYS;
    return -1;
#endif
}

static ssize_t sys_splice_out(int from, int to, size_t len) {
    quiet q;
    begin_quiet(&q);
    return end_quiet(&q, sys_splice(from, to, len));
}

static ssize_t sys_pread(int fd, void *buf, size_t len, int64_t offset) {
    return pread(fd, buf, len, (off_t)offset);
}

static int sys_set_fd_flags(int fd, int flags) { return fcntl(fd, F_SETFL, flags); }

#if defined(__linux__)
/* What opening once more gives another way to the same thing: a pipe, or a terminal. The master of a pseudo
 * terminal is made by being opened, and so are tun, fuse and others. */
static bool is_shared_by_name(int fd) {
    struct stat st;
    unsigned number;
    if (fstat(fd, &st) != 0)
        return false;
    return S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd) && ioctl(fd, TIOCGPTN, &number) != 0);
}
#endif

static int sys_reopen(int fd, int flags) {
#if defined(__linux__)
    if (!is_shared_by_name(fd)) {
        errno = ENXIO;
        return -1;
    }
    char path[] = "/proc/self/fd/0123456789";
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags);
#else
    (void)fd, (void)flags;
    errno = ENOSYS;
    return -1;
#endif
}

static int sys_getcwd(char *buf, size_t cap) { return getcwd(buf, cap) ? 0 : -1; }

/* Bytes of a socket that the peer's system has not confirmed. */
static int sys_unconfirmed(int fd) {
    int bytes = 0;
#if defined(__linux__)
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
#elif defined(FIONWRITE)
    return ioctl(fd, FIONWRITE, &bytes) == 0 ? bytes : -1;
#elif defined(SO_NWRITE)
    socklen_t len = sizeof bytes;
    return getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &len) == 0 ? bytes : -1;
#else
    (void)fd, (void)bytes;
    errno = ENOSYS;
    return -1;
#endif
}

/* --- the resolver ----------------------------------------------------------------------------- */

/* The resolver has errors of its own; they travel in errno as positive numbers. */
static int resolver_result(int rc) {
    static const struct {
        int native;
        int32_t code;
    } rows[] = {
        {EAI_AGAIN, EVL_EAI_AGAIN},
        {EAI_BADFLAGS, EVL_EAI_BADFLAGS},
        {EAI_FAIL, EVL_EAI_FAIL},
        {EAI_FAMILY, EVL_EAI_FAMILY},
        {EAI_NONAME, EVL_EAI_NONAME},
        {EAI_OVERFLOW, EVL_EAI_OVERFLOW},
        {EAI_SERVICE, EVL_EAI_SERVICE},
        {EAI_SOCKTYPE, EVL_EAI_SOCKTYPE},
#if defined(EAI_ADDRFAMILY)
        {EAI_ADDRFAMILY, EVL_EAI_ADDRFAMILY},
#endif
#if defined(EAI_NODATA) && (!defined(EAI_NONAME) || EAI_NODATA != EAI_NONAME)
        {EAI_NODATA, EVL_EAI_NODATA},
#endif
    };
    if (rc == 0)
        return 0;
    if (rc == EAI_SYSTEM && errno != 0)
        return -1;
    int32_t code = EVL_EAI_UNKNOWN;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].native == rc)
            code = rows[i].code;
    errno = rc == EAI_MEMORY ? ENOMEM : -code;
    return -1;
}

static int sys_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                           struct addrinfo **out) {
    return resolver_result(getaddrinfo(host, service, hints, out));
}

static int sys_freeaddrinfo(struct addrinfo *list) {
    freeaddrinfo(list);
    return 0;
}

static int sys_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_cap,
                           char *service, socklen_t service_cap, int flags) {
    return resolver_result(getnameinfo(address, length, host, host_cap, service, service_cap, flags));
}

static int sys_if_index(const char *name) {
    unsigned index = if_nametoindex(name);
    return index == 0 ? -1 : (int)index;
}

/* --- processes -------------------------------------------------------------------------------- */

static int sys_socketpair_cloexec(int fds[2]) {
#if defined(SOCK_CLOEXEC)
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
#else
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
#    if defined(SO_NOSIGPIPE)
        int on = 1;
        (void)setsockopt(fds[i], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#    endif
    }
    return 0;
#endif
}

static int sys_open_cloexec(const char *path, int flags) { return open(path, flags | O_CLOEXEC); }

static int sys_dup_above(int fd, int least) { return fcntl(fd, F_DUPFD_CLOEXEC, least); }

static int sys_keep_on_exec(int fd) { return fcntl(fd, F_SETFD, 0); }

static int sys_close_above(int first) {
#if defined(SYS_close_range)
    const unsigned cloexec = 4; /* CLOSE_RANGE_CLOEXEC */
    return (int)syscall(SYS_close_range, (unsigned)first, ~0U, cloexec);
#else
    (void)first;
    errno = ENOSYS;
    return -1;
#endif
}

static int sys_reset_signals(void) {
#if defined(NSIG)
    const int end = NSIG;
#else
    const int end = 65;
#endif
    struct sigaction standard = {.sa_handler = SIG_DFL};
    (void)sigemptyset(&standard.sa_mask);
    for (int signo = 1; signo < end; signo++)
        if (signo != SIGKILL && signo != SIGSTOP)
            (void)sigaction(signo, &standard, NULL);
    return 0;
}

static int sys_become(const uint32_t *uid, const uint32_t *gid) {
    gid_t own = getgid();
    if (geteuid() == 0 && setgroups(1, gid ? gid : &own) != 0)
        return -1;
    if (gid && setgid(*gid) != 0)
        return -1;
    return uid ? setuid(*uid) : 0;
}

static int sys_pidfd_open(int pid) {
#if defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

static int sys_pidfd_signal(int pidfd, int signo) {
#if defined(SYS_pidfd_send_signal)
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
#else
    (void)pidfd, (void)signo;
    errno = ENOSYS;
    return -1;
#endif
}

#if defined(WNOWAIT)
static int wait_by(int type, int id, int *status, int flags) {
    siginfo_t info = {.si_pid = 0};
    if (waitid((idtype_t)type, (id_t)id, &info, WEXITED | flags) != 0)
        return -1;
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    return info.si_pid;
}
#endif

/* By number where there is no pidfd, or a kernel that has none to wait for. */
static int sys_wait_child(int pidfd, int pid, int *status, int flags) {
#if defined(SYS_pidfd_open)
    const int by_pidfd = 3; /* P_PIDFD */
    int rc = pidfd >= 0 ? wait_by(by_pidfd, pidfd, status, flags) : -1;
    if (pidfd >= 0 && (rc >= 0 || errno != EINVAL))
        return rc;
#endif
    (void)pidfd;
#if defined(WNOWAIT)
    if (flags & WNOWAIT)
        return wait_by(P_PID, pid, status, flags);
#endif
    return waitpid(pid, status, flags);
}

#if EVL_HAVE_KQUEUE
/* NetBSD's takes sizes where the others take ints. */
static int sys_kevent(int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                      const struct timespec *t) {
    return kevent(kq, changes, n, events, cap, t);
}
#endif

#if EVL_HAVE_EPOLL
static int sys_inotify_init(void) { return inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }

/* By number: the C library may be older than the kernel, and the kernel older than the call (ENOSYS then).
 * The kernel's timespec has 64-bit seconds on every architecture. */
static int sys_epoll_pwait2(int ep, struct epoll_event *ev, int cap, const struct timespec *t) {
#    if !defined(SYS_epoll_pwait2)
#        define SYS_epoll_pwait2 441
#    endif
    struct {
        int64_t sec, nsec;
    } wait = {0, 0};
    if (t) {
        wait.sec = t->tv_sec;
        wait.nsec = t->tv_nsec;
    }
    return (int)syscall(SYS_epoll_pwait2, ep, ev, cap, t ? &wait : NULL, NULL, 0);
}
#endif

evl_sys_table evl_sys = {
    .clock_gettime = clock_gettime,
    .read = read,
    .write = write,
    .close = close,
    .fstat = fstat,
    .set_cloexec = sys_set_cloexec,
    .get_fd_flags = sys_get_fd_flags,
    .pipe_cloexec = sys_pipe_cloexec,
    .select = select,
    .poll = poll,
    .sigaction = sigaction,
    .socket = sys_socket,
    .accept = sys_accept,
    .bind = bind,
    .listen = listen,
    .connect = connect,
    .shutdown = shutdown,
    .recv = recv,
    .send = send,
    .sendmsg = sendmsg,
    .sendto = sendto,
    .recvmsg = recvmsg,
    .sendmmsg = sys_sendmmsg,
    .recvmmsg = sys_recvmmsg,
    .write_pipe = sys_write_pipe,
    .sendfile = sys_sendfile,
    .splice = sys_splice,
    .splice_out = sys_splice_out,
    .pread = sys_pread,
    .getsockopt = getsockopt,
    .setsockopt = setsockopt,
    .getsockname = getsockname,
    .getpeername = getpeername,
    .set_fd_flags = sys_set_fd_flags,
    .reopen = sys_reopen,
    .unconfirmed = sys_unconfirmed,
    .stat = stat,
    .lstat = lstat,
    .readlink = readlink,
    .getcwd = sys_getcwd,
    .unlink = unlink,
    .getaddrinfo = sys_getaddrinfo,
    .freeaddrinfo = sys_freeaddrinfo,
    .getnameinfo = sys_getnameinfo,
    .if_index = sys_if_index,
    .fork = fork,
    .socketpair_cloexec = sys_socketpair_cloexec,
    .open_cloexec = sys_open_cloexec,
    .dup_above = sys_dup_above,
    .dup2 = dup2,
    .keep_on_exec = sys_keep_on_exec,
    .close_above = sys_close_above,
    .reset_signals = sys_reset_signals,
    .chdir = chdir,
    .setsid = setsid,
    .setpgid = setpgid,
    .become = sys_become,
    .execve = execve,
    .pidfd_open = sys_pidfd_open,
    .pidfd_signal = sys_pidfd_signal,
    .kill = kill,
    .wait_child = sys_wait_child,
#if EVL_HAVE_EPOLL
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = epoll_wait,
    .epoll_pwait2 = sys_epoll_pwait2,
    .eventfd = eventfd,
    .timerfd_create = timerfd_create,
    .timerfd_settime = timerfd_settime,
    .inotify_init = sys_inotify_init,
    .inotify_add_watch = inotify_add_watch,
    .inotify_rm_watch = inotify_rm_watch,
    .inotify_read = read,
#endif
#if EVL_HAVE_KQUEUE
    .kqueue = kqueue,
    .kevent = sys_kevent,
#endif
};
