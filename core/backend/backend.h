/* backend.h - the contract between the loop and the kernel's ways of waiting.
 *
 * A backend knows fds and masks. It knows nothing of watchers, timers or callbacks: what belongs to an fd is
 * the `tag` it was given, and it gives the tag back. Adding a backend is filling this structure and adding it
 * to the table in backend.c; the contract suite then runs on it.
 *
 * All functions are called on the loop's thread, except `wake`. Errors are EVL_E* codes. */
#ifndef EVL_CORE_BACKEND_H
#define EVL_CORE_BACKEND_H

#include "../base/mem.h"
#include "../base/sys.h"
#include <evloop/backend.h>
#include <evloop/errors.h>
#include <evloop/io.h>
#include <evloop/loop.h>
#include <evloop/timer.h>
#include <stdbool.h>

/* A mask is EVL_READ | EVL_WRITE | EVL_PRI as wanted and EVL_ERR | EVL_HUP besides as reported, with
 * poll(2)'s values. A few more bits live here only. */
#define EVL_MASK_EDGE (UINT32_C(1) << 31) /* wanted: report changes only. EPOLLET's value */
#define EVL_MASK_GONE UINT32_C(32)        /* reported: nothing will be reported any more. POLLNVAL */
#define EVL_MASK_RDHUP                                                                                       \
    (UINT32_C(1) << 13) /* wanted and reported, where the kernel has it: the other end will send no more.    \
                           Wanted where READ and WRITE are indispensable: that one of them is refused is     \
                           then an error. EPOLLRDHUP's value */
#define EVL_MASK_EXCLUSIVE                                                                                   \
    (UINT32_C(1) << 28) /* wanted, where the kernel has it: of several queues with the fd wake one. Never    \
                           changed, only added and removed. EPOLLEXCLUSIVE's value */

/* Why a row is GONE: the number no longer names what was added, or the kernel refuses what was wanted of it
 * (EVL_ENOMEM, EVL_EPERM). */
#define EVL_MASK_GONE_BY(error) (EVL_MASK_GONE | (uint32_t)-(error) << 16)
static inline int evl_gone_by(uint32_t mask) { return mask >> 16 ? -(int)(mask >> 16) : EVL_EBADF; }

#define EVL_EVENT_MAX 256 /* rows of one wait, unless the loop's options say otherwise */

/* What a wait reports. On Linux it is the kernel's own row, so that epoll translates nothing; the other
 * backends fill it in. */
#if EVL_HAVE_EPOLL
typedef struct epoll_event evl_kernel_event;
#    define EVL_EVENT_MASK(ev) ((ev)->events)
#    define EVL_EVENT_TAG(ev)  ((ev)->data.u64)
#else
typedef struct evl_kernel_event {
    uint32_t mask;
    uint64_t tag;
} evl_kernel_event;
#    define EVL_EVENT_MASK(ev) ((ev)->mask)
#    define EVL_EVENT_TAG(ev)  ((ev)->tag)
#endif

typedef struct evl_backend {
    const char *name;

    /* A wait uses nothing that the other functions change, `reopen` excepted: they may be called meanwhile,
     * with a lock among themselves, and what they change counts for it. */
    bool waits_apart;

    /* EVL_CAP_*. What is missing returns EVL_ENOTSUP before the backend is asked. */
    uint32_t caps;

    /* Bytes of state; the loop allocates them, zeroed, and passes them to everything below. */
    size_t state_size;

    /* Opens the kernel's queue and whatever wakes it, close-on-exec. `wake_tag` is the tag of rows that only
     * say "something woke you". On an error nothing stays open. */
    int (*open)(void *state, evl_mem *mem, uint64_t wake_tag);

    /* Makes room for waits of up to `cap` rows. NULL: it needs none. */
    int (*reserve)(void *state, int cap);

    /* Gives everything back. `forked`: this is a child of the process that opened it; free memory and do not
     * touch an fd, since the number may name another file by now. */
    void (*close)(void *state, int forked);

    /* After a fork, or when a stale registration cannot be deleted from the queue: a fresh queue with nothing
     * added. A child also gets a wake of its own; in the same process the wake and the file of `fd` stay,
     * since others use them. What a child inherited is closed there (an epoll and a pipe are inherited, a
     * kqueue is not). On an error the old queue is as it was. */
    int (*reopen)(void *state, int forked);

    /* Adds a new fd to the kernel's queue at once. mask is not 0. EVL_EBADF, EVL_EPERM for what cannot be
     * waited on (regular files and directories on every backend), EVL_ENOMEM, EVL_ENOSPC, EVL_EMFILE. */
    int (*add)(void *state, int fd, uint32_t mask, uint64_t tag);

    /* Changes what is wanted of an fd and its tag. `old` is what the kernel has and may be 0, and
     * so may `mask`: 0 means that the kernel forgets the fd. May be carried by the next wait, which then
     * reports a failure as EVL_MASK_GONE_BY. */
    int (*change)(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag);

    /* The same for mask and old not 0, at once, and with proof that the number still names the file that was
     * added: EVL_ENOENT or EVL_EBADF if not, and then nothing of the fd is left in the queue. What is there
     * is reported again, with edges too. */
    int (*prove)(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag);

    /* Makes the kernel forget an fd at once. EVL_ENOENT or EVL_EBADF: the number does not name what was added
     * any more; if a duplicate keeps that open, its entry stays, as reopen says. */
    int (*remove)(void *state, int fd, uint32_t mask);

    /* Waits up to timeout_ns (0: not at all; negative: for ever; never shorter than asked while nothing
     * happens, so round up) and stores up to cap rows, at most one for an fd. Returns how many, or EVL_EINTR,
     * or what else failed. */
    int (*wait)(void *state, evl_kernel_event *out, int cap, int64_t timeout_ns);

    /* Ends the current wait or the next one. Any thread, signal handlers; keeps errno. */
    void (*wake)(void *state);

    /* With EVL_CAP_LOOP_FD: the fd that polls readable when a wait would report something, or why it cannot
     * be made. */
    int (*fd)(void *state);

    /* With EVL_CAP_LOOP_FD: wakes the queue at an absolute CLOCK_MONOTONIC time; EVL_NEVER: not any more. The
     * time that it is set to already costs nothing, and does not wake the queue a second time. */
    int (*arm)(void *state, int64_t deadline_ns);

    /* Without EVL_CAP_LOOP_FD: the rows a host has to wait for (the count, also when larger than cap), and
     * the rows it brings back, in place of a wait. NULL otherwise. */
    int (*rows)(void *state, evl_poll_row *rows, int cap);
    int (*take)(void *state, const evl_poll_row *rows, int n, evl_kernel_event *out, int cap);
} evl_backend;

/* Best first, NULL at the end. */
extern const evl_backend *const evl_backends[];

const evl_backend *evl_backend_named(const char *name);

/* Nanoseconds to a timespec or to whole units, rounded up, negative stays "for ever" (-1). */
static inline struct timespec evl_timespec(int64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

#endif
