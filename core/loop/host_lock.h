/* host_lock.h - a wait without an owner, under a lock of the host's. */
#ifndef EVL_CORE_HOST_LOCK_H
#define EVL_CORE_HOST_LOCK_H

#include "loop.h"

struct pollfd;

typedef struct evl_host_lock {
    evl_fn *unlock;
    evl_fn *lock;
    void *arg;
    int64_t until;      /* when the wait ends by itself, of evl_monotonic */
    bool was_alive;     /* when it began */
    bool touched;       /* something was changed meanwhile */
    evl_poll_row *rows; /* for a backend whose wait has to be the owner's */
    struct pollfd *fds;
    uint32_t rows_cap, fds_cap;
} evl_host_lock;

int evl_host_lock_make(evl_loop *loop, const evl_options *options); /* does nothing unless it is asked for */
void evl_host_lock_free(evl_loop *loop);

/* In place of the backend's wait, up to timeout_ns at first, and, if that changes meanwhile, to limit_ns. */
int evl_host_wait(evl_loop *loop, int64_t timeout_ns, int64_t limit_ns);

/* Another thread has changed something: whether the wait has to end. */
void evl_host_lock_update(evl_loop *loop);

#endif
