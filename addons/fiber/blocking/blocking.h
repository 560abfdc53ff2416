/* blocking.h - what the files of libevloop-fiber-blocking share.
 *
 * The object defines functions of the C library. Called in a fiber they let the fiber wait and the loop go
 * on; everywhere else, and by evloop itself, they are the C library's. */
#ifndef EVLOOP_FIBER_BLOCKING_H
#define EVLOOP_FIBER_BLOCKING_H

#undef _FORTIFY_SOURCE /* its headers would define these functions, too */

#include <evloop/fiber.h>

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#define BLOCKING_API __attribute__((visibility("default")))

/* The C library's function of a name. */
void *blocking_next(_Atomic(void *) *known, const char *name);
#define NEXT(type, name)                                                                                     \
    static type next_##name(void) {                                                                          \
        static _Atomic(void *) known;                                                                        \
        union {                                                                                              \
            void *object;                                                                                    \
            type function;                                                                                   \
        } u = {.object = blocking_next(&known, #name)};                                                      \
        return u.function;                                                                                   \
    }

/* The running fiber, if it is not evloop that calls: `caller` is the return address. */
bool blocking_in_fiber(const void *caller);
#define IN_FIBER() (evl_fiber_self() && blocking_in_fiber(__builtin_return_address(0)))

/* A call on fd would have to wait: waits for `mask` instead, at most for the time of the socket's option
 * (SO_RCVTIMEO, SO_SNDTIMEO). 0: try again; -1 and errno: it must not wait, or the wait has failed. */
int blocking_wait(int fd, uint32_t mask, int option);

/* A time of the program's in nanoseconds: EVL_NEVER if it is longer than that can say, -1 if it is no time.
 */
static inline int64_t blocking_ns(int64_t seconds, int64_t ns) {
    if (seconds < 0 || ns < 0 || ns >= EVL_SECOND)
        return -1;
    return seconds < EVL_NEVER / EVL_SECOND ? seconds * EVL_SECOND + ns : EVL_NEVER;
}

/* Sets errno to what an error of evloop's is for C programs; returns -1. */
int blocking_fail(int64_t error);

typedef int poll_fn(struct pollfd *fds, nfds_t n, int timeout);
poll_fn *blocking_next_poll(void);

#endif
