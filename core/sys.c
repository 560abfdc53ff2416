#if defined(__linux__) && !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* pipe2, epoll_pwait2 */
#endif
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#if EVL_HAVE_EPOLL
#    include <sys/eventfd.h>
#    include <sys/syscall.h>
#endif

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

#if EVL_HAVE_KQUEUE
/* NetBSD's takes sizes where the others take ints. */
static int sys_kevent(int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                      const struct timespec *t) {
    return kevent(kq, changes, n, events, cap, t);
}

static int sys_set_cloexec(int fd) { return fcntl(fd, F_SETFD, FD_CLOEXEC); }
#endif

#if EVL_HAVE_EPOLL
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
    .get_fd_flags = sys_get_fd_flags,
    .pipe_cloexec = sys_pipe_cloexec,
    .select = select,
    .sigaction = sigaction,
#if EVL_HAVE_EPOLL
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = epoll_wait,
    .epoll_pwait2 = sys_epoll_pwait2,
    .eventfd = eventfd,
    .timerfd_create = timerfd_create,
    .timerfd_settime = timerfd_settime,
    .dup3 = dup3,
#endif
#if EVL_HAVE_KQUEUE
    .kqueue = kqueue,
    .kevent = sys_kevent,
    .set_cloexec = sys_set_cloexec,
#endif
};
