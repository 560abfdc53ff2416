/* epoll.c - the backend for Linux. Its rows are the loop's rows and its masks are poll's, so nothing is
 * translated on the way. */
#include "backend.h"

#if EVL_HAVE_EPOLL

#    include <errno.h>
#    include <limits.h>
#    include <stdbool.h>
#    include <sys/eventfd.h>
#    include <unistd.h>

#    define SAME(kernel, ours) ((uint32_t)(kernel) == (uint32_t)(ours))
_Static_assert(SAME(EPOLLIN, EVL_READ) && SAME(EPOLLPRI, EVL_PRI) && SAME(EPOLLOUT, EVL_WRITE) &&
                   SAME(EPOLLRDHUP, EVL_MASK_RDHUP) && SAME(EPOLLEXCLUSIVE, EVL_MASK_EXCLUSIVE) &&
                   SAME(EPOLLERR, EVL_ERR) && SAME(EPOLLHUP, EVL_HUP) && SAME(EPOLLET, EVL_MASK_EDGE),
               "a mask goes to the kernel as it is");

typedef struct epoll_state {
    int ep;
    int front; /* a set with nothing but `ep` in it; -1 until a host asks for the fd */
    int wake_fd;
    int timer_fd; /* -1 until armed for the first time */
    int64_t armed;
    bool no_pwait2;
    uint64_t wake_tag;
} epoll_state;

static int control_in(int ep, int op, int fd, uint32_t mask, uint64_t tag) {
    struct epoll_event ev = {.events = mask, .data.u64 = tag};
    return evl_sys.epoll_ctl(ep, op, fd, &ev) == 0 ? 0 : evl_err_from_errno(errno);
}

static int control(const epoll_state *s, int op, int fd, uint32_t mask, uint64_t tag) {
    return control_in(s->ep, op, fd, mask, tag);
}

/* Wakes and alarms are edge-triggered and never read: every write and every expiry is a new edge. */
static int add_internal(const epoll_state *s, int fd) {
    return control(s, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, s->wake_tag);
}

static void close_all(epoll_state *s) {
    int *fds[] = {&s->ep, &s->front, &s->wake_fd, &s->timer_fd};
    for (int i = 0; i < 4; i++) {
        if (*fds[i] >= 0)
            (void)evl_sys.close(*fds[i]);
        *fds[i] = -1;
    }
}

static int open_all(epoll_state *s) {
    int rc = 0;
    s->ep = s->front = s->wake_fd = s->timer_fd = -1;
    s->armed = EVL_NEVER;
    s->ep = evl_sys.epoll_create1(EPOLL_CLOEXEC);
    if (s->ep >= 0)
        s->wake_fd = evl_sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0)
        rc = evl_err_from_errno(errno);
    if (rc == 0)
        rc = add_internal(s, s->wake_fd);
    if (rc != 0)
        close_all(s);
    return rc;
}

static int epoll_open(void *state, evl_mem *mem, uint64_t wake_tag) {
    epoll_state *s = state;
    (void)mem;
    s->wake_tag = wake_tag;
    return open_all(s);
}

static void epoll_close(void *state, int forked) {
    if (!forked)
        close_all(state);
}

static int show(const epoll_state *s) { return control_in(s->front, EPOLL_CTL_ADD, s->ep, EPOLLIN, 0); }

/* A child needs a wake of its own: the eventfd it inherited wakes the parent. Otherwise only the set itself
 * is new: other threads may be writing to the eventfd, and a host's own epoll knows the front by its file. */
static int epoll_reopen(void *state, int forked) {
    epoll_state *s = state;
    if (forked) {
        epoll_state fresh = *s;
        int rc = open_all(&fresh);
        if (rc != 0)
            return rc;
        close_all(s);
        *s = fresh;
        return 0;
    }
    epoll_state fresh = *s;
    fresh.ep = evl_sys.epoll_create1(EPOLL_CLOEXEC);
    if (fresh.ep < 0)
        return evl_err_from_errno(errno);
    int rc = add_internal(&fresh, s->wake_fd);
    if (rc == 0 && s->timer_fd >= 0)
        rc = add_internal(&fresh, s->timer_fd);
    if (rc == 0 && s->front >= 0)
        rc = show(&fresh);
    if (rc != 0) {
        (void)evl_sys.close(fresh.ep);
        return rc;
    }
    if (s->front >= 0) /* closing is not enough: a child of a fork may have the old set too */
        (void)control_in(s->front, EPOLL_CTL_DEL, s->ep, 0, 0);
    (void)evl_sys.close(s->ep);
    s->ep = fresh.ep;
    return 0;
}

/* EEXIST: the same file was left in the set under this number, by a duplicate of an fd that was closed. An
 * exclusive entry cannot be changed, and so that one goes. */
static int epoll_add(void *state, int fd, uint32_t mask, uint64_t tag) {
    const epoll_state *s = state;
    if (fd >= 0 && (fd == s->wake_fd || fd == s->timer_fd))
        return EVL_EEXIST; /* ours, and not to be given another tag */
    if (fd >= 0 && fd == s->front)
        return EVL_EINVAL; /* as the kernel says of a set in itself */
    int rc = control(state, EPOLL_CTL_ADD, fd, mask, tag);
    if (rc != EVL_EEXIST)
        return rc;
    (void)control(state, EPOLL_CTL_DEL, fd, 0, 0);
    return control(state, EPOLL_CTL_ADD, fd, mask, tag);
}

static int epoll_change(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    if (old == 0)
        return mask == 0 ? 0 : epoll_add(state, fd, mask, tag);
    /* An entry without interest would go on reporting hangups, so it has to go. */
    return control(state, mask == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, fd, mask, tag);
}

static int epoll_prove(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    (void)old;
    return control(state, EPOLL_CTL_MOD, fd, mask, tag);
}

static int epoll_remove(void *state, int fd, uint32_t mask) {
    (void)mask;
    return control(state, EPOLL_CTL_DEL, fd, 0, 0);
}

static int milliseconds(int64_t ns) {
    if (ns < 0)
        return -1;
    int64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* An int of milliseconds is 24 days; longer waits are several. */
static int wait_in_ms(const epoll_state *s, evl_kernel_event *out, int cap, int64_t timeout_ns) {
    for (;;) {
        int ms = milliseconds(timeout_ns);
        int n = evl_sys.epoll_wait(s->ep, out, cap, ms);
        if (n != 0 || ms != INT_MAX)
            return n;
        timeout_ns -= (int64_t)INT_MAX * 1000000;
    }
}

static int epoll_wait_rows(void *state, evl_kernel_event *out, int cap, int64_t timeout_ns) {
    epoll_state *s = state;
    int n = -1;
    bool done = false;
    if (timeout_ns > 0 && !s->no_pwait2) {
        struct timespec ts = evl_timespec(timeout_ns);
        n = evl_sys.epoll_pwait2(s->ep, out, cap, &ts);
        /* ENOSYS from an older kernel, EPERM from a filter that does not know the call. */
        s->no_pwait2 = n < 0 && (errno == ENOSYS || errno == EPERM);
        done = !s->no_pwait2;
    }
    if (!done)
        n = wait_in_ms(s, out, cap, timeout_ns);
    return n >= 0 ? n : evl_err_from_errno(errno);
}

static void epoll_wake(void *state) {
    const epoll_state *s = state;
    int saved = errno;
    uint64_t one = 1;
    ssize_t rc;
    do
        rc = evl_sys.write(s->wake_fd, &one, sizeof one); /* EAGAIN: a wake is there already */
    while (rc < 0 && errno == EINTR);
    errno = saved;
}

/* Not the set itself, which reopen replaces: a set around it, which reports it for good. */
static int epoll_fd(void *state) {
    epoll_state *s = state;
    if (s->front >= 0)
        return s->front;
    s->front = evl_sys.epoll_create1(EPOLL_CLOEXEC);
    if (s->front < 0)
        return evl_err_from_errno(errno);
    int rc = show(s);
    if (rc == 0)
        return s->front;
    (void)evl_sys.close(s->front);
    s->front = -1;
    return rc;
}

static int epoll_arm(void *state, int64_t deadline_ns) {
    epoll_state *s = state;
    if (s->timer_fd >= 0 && deadline_ns == s->armed)
        return 0;
    if (s->timer_fd < 0) {
        int fd = evl_sys.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (fd < 0)
            return evl_err_from_errno(errno);
        int rc = add_internal(s, fd);
        if (rc != 0) {
            (void)evl_sys.close(fd);
            return rc;
        }
        s->timer_fd = fd;
    }
    struct itimerspec at = {{0, 0}, {0, 0}}; /* all 0: disarmed */
    if (deadline_ns != EVL_NEVER)
        at.it_value = evl_timespec(deadline_ns > 0 ? deadline_ns : 1);
    if (evl_sys.timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        return evl_err_from_errno(errno);
    s->armed = deadline_ns;
    return 0;
}

const evl_backend evl_backend_epoll = {
    .name = "epoll",
    .waits_apart = true,
    .caps = EVL_CAP_EDGE | EVL_CAP_PRI | EVL_CAP_HUP | EVL_CAP_LOOP_FD | EVL_CAP_MANY,
    .state_size = sizeof(epoll_state),
    .open = epoll_open,
    .close = epoll_close,
    .reopen = epoll_reopen,
    .add = epoll_add,
    .change = epoll_change,
    .prove = epoll_prove,
    .remove = epoll_remove,
    .wait = epoll_wait_rows,
    .wake = epoll_wake,
    .fd = epoll_fd,
    .arm = epoll_arm,
};

#else
typedef int evl_no_epoll; /* a translation unit may not be empty */
#endif
