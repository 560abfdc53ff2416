/* sleep.c - sleeping. */
#include "blocking.h"

#include <time.h>
#include <unistd.h>

typedef int nanosleep_fn(const struct timespec *time, struct timespec *left);
typedef int clock_nanosleep_fn(clockid_t clock, int flags, const struct timespec *time,
                               struct timespec *left);
typedef unsigned sleep_fn(unsigned seconds);
typedef int usleep_fn(useconds_t us);
NEXT(nanosleep_fn *, nanosleep)
NEXT(clock_nanosleep_fn *, clock_nanosleep)
NEXT(sleep_fn *, sleep)
NEXT(usleep_fn *, usleep)

/* What is left of it: 0, unless the fiber was cancelled. */
static int64_t sleep_in_fiber(int64_t ns) {
    evl_loop *loop = evl_fiber_loop(NULL);
    int64_t begun = evl_time(loop);
    if (evl_fiber_sleep(ns) == 0)
        return 0;
    int64_t left = ns - (evl_time(loop) - begun);
    return left > 0 ? left : 1;
}

/* 0 or EINTR. */
static int nap(int64_t ns, struct timespec *left) {
    int64_t rest = sleep_in_fiber(ns);
    if (rest == 0)
        return 0;
    if (left)
        *left = (struct timespec){rest / EVL_SECOND, rest % EVL_SECOND};
    return EINTR;
}

/* -1: not a time. */
static int64_t in_ns(const struct timespec *t) { return t ? blocking_ns(t->tv_sec, t->tv_nsec) : -1; }

BLOCKING_API int nanosleep(const struct timespec *time, struct timespec *left) {
    if (in_ns(time) < 0 || !IN_FIBER())
        return next_nanosleep()(time, left);
    errno = nap(in_ns(time), left);
    return errno ? -1 : 0;
}

BLOCKING_API int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                                 struct timespec *left) {
    struct timespec now = {0, 0};
    if (in_ns(time) < 0 || !IN_FIBER() || clock_gettime(clock, &now) != 0)
        return next_clock_nanosleep()(clock, flags, time, left);
    if (!(flags & TIMER_ABSTIME))
        return nap(in_ns(time), left);
    int64_t ns = in_ns(time) - in_ns(&now);
    return ns > 0 ? nap(ns, NULL) : 0;
}

BLOCKING_API unsigned sleep(unsigned seconds) {
    if (!IN_FIBER())
        return next_sleep()(seconds);
    return (unsigned)((sleep_in_fiber(seconds * EVL_SECOND) + EVL_SECOND - 1) / EVL_SECOND);
}

BLOCKING_API int usleep(useconds_t us) {
    if (!IN_FIBER())
        return next_usleep()(us);
    errno = sleep_in_fiber(us * EVL_US) ? EINTR : 0;
    return errno ? -1 : 0;
}
