/* kqueue.h - the state of a kqueue backend, and what its files share: kqueue.c (calls, wakes, the alarm, open
 * and close), kqueue_change.c (what is wanted of an fd, and what the kernel has), kqueue_wait.c. */
#ifndef EVL_CORE_KQUEUE_H
#define EVL_CORE_KQUEUE_H

#include "fdmap.h"

#if EVL_HAVE_KQUEUE

#    include <limits.h>
#    include <stdbool.h>

#    if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
#        define EVL_KQ_EXCEPT 1
#    else
#        define EVL_KQ_EXCEPT 0
#    endif

enum {
    EVL_KQ_FILTERS = 2 + EVL_KQ_EXCEPT,
    EVL_KQ_CHANGES = 3 * EVL_KQ_FILTERS /* at most */
};

typedef struct evl_kq_slot {
    uint64_t tag;
    uint32_t wanted;  /* 0: not watched */
    uint32_t known;   /* what the kernel has, EVL_MASK_EDGE if with EV_CLEAR */
    uint32_t pending; /* place in the list plus 1; 0: not in it */
    int32_t error;    /* why the fd is lost; reported as EVL_MASK_GONE */
    uint16_t row;     /* place in the rows of the wait that is under way plus 1 */
    uint8_t refused;  /* filters of `wanted` that the kernel would not take */
    uint8_t broken;   /* of these, directions of a pipe whose other end was gone when they were added */
    bool unsure;      /* a call failed on the way: `known` is what the kernel may have */
    dev_t dev;
    ino_t ino;
} evl_kq_slot;

typedef struct evl_kqueue {
    evl_mem *mem;
    evl_kq_slot *slots; /* by fd */
    uint32_t slot_cap;
    uint32_t watched; /* slots in use; the list has room for as many */
    int *pending;
    uint32_t pending_cap;
    uint32_t pending_len;
    uint32_t turn; /* whose it is in the list to be reported */
    int kq;
    int wake_r; /* a pipe where EVFILT_USER does not work; otherwise -1 */
    int wake_w;
    struct kevent *rows; /* room for long waits, or NULL */
    int *row_fds;
    int row_cap;
    bool polled; /* another loop waits on kq itself */
    int64_t armed;
    uint64_t wake_tag;
} evl_kqueue;

static inline evl_kq_slot *evl_kq_watched(const evl_kqueue *s, int fd) {
    return fd >= 0 && (uint32_t)fd < s->slot_cap && s->slots[fd].wanted ? &s->slots[fd] : NULL;
}

/* kqueue.c */
int evl_kq_call(const evl_kqueue *s, const struct kevent *changes, int n, struct kevent *rows, int cap,
                const struct timespec *timeout);
int evl_kq_submit(const evl_kqueue *s, struct kevent *changes, int n);
void evl_kq_wake_for_pending(evl_kqueue *s);
bool evl_kq_alarm_is_due(evl_kqueue *s);

/* kqueue_change.c */
uint32_t evl_kq_bit_of(int filter);
void evl_kq_unpend(evl_kqueue *s, int fd);
void evl_kq_lose_track(evl_kqueue *s, int fd);
int evl_kq_forget(evl_kqueue *s, int fd);
int evl_kq_send_pending(evl_kqueue *s);
int evl_kq_describe_pending(const evl_kqueue *s, struct kevent *changes, int cap);
bool evl_kq_settle_pending(evl_kqueue *s, const struct kevent *rows, int n);
int evl_kq_add(void *state, int fd, uint32_t mask, uint64_t tag);
int evl_kq_prove(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag);
int evl_kq_change(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag);
int evl_kq_remove(void *state, int fd, uint32_t mask);

/* kqueue_wait.c */
int evl_kq_wait(void *state, evl_kernel_event *out, int cap, int64_t timeout_ns);

#endif
#endif
