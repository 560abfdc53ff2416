/* fdmap.h - what the backends share that have no table in the kernel: an array indexed by fd, and one look at
 * what an fd is before it is added. */
#ifndef EVL_CORE_FDMAP_H
#define EVL_CORE_FDMAP_H

#include "backend.h"

#include <errno.h>

/* The longest wait handed to a kernel at once: POSIX promises 31 days, and some kernels refuse more than 1e8
 * seconds. Longer waits are made of several. */
#define EVL_WAIT_MAX (INT64_C(31) * 86400 * 1000000000)

/* Only for what cannot be interrupted by a signal on any real system. */
#define EVL_UNINTERRUPTED(rc, call)                                                                          \
    do                                                                                                       \
        (rc) = (call);                                                                                       \
    while ((rc) < 0 && errno == EINTR)

/* Fills *st. Every kernel but Linux's epoll takes a regular file and calls it always ready. */
static inline int evl_fd_look(int fd, struct stat *st) {
    int rc;
    EVL_UNINTERRUPTED(rc, evl_sys.fstat(fd, st));
    if (rc != 0)
        return evl_err_from_errno(errno);
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ? EVL_EPERM : 0;
}

/* Returns `slots` with room for fd, perhaps moved and with new items 0, or NULL and nothing changed. */
static inline void *evl_fd_room(evl_mem *mem, void *slots, uint32_t *cap, int fd, size_t size) {
    return evl_mem_reserve(mem, &slots, cap, (uint32_t)fd + 1, size) == 0 ? slots : NULL;
}

/* Empties the wake pipe. What a signal or a full buffer leaves in it makes one more wake. */
static inline void evl_wake_drain(int fd) {
    char bytes[512];
    while (evl_sys.read(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes) {
    }
}

/* One byte into the wake pipe; a full one wakes already. */
static inline void evl_wake_write(int fd) {
    int saved = errno;
    ssize_t rc;
    EVL_UNINTERRUPTED(rc, evl_sys.write(fd, "", 1));
    errno = saved;
}

static inline void evl_event_put(evl_kernel_event *ev, uint32_t mask, uint64_t tag) {
    EVL_EVENT_MASK(ev) = mask;
    EVL_EVENT_TAG(ev) = tag;
}

#endif
