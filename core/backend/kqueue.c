/* kqueue.c - the backend for the BSDs and macOS. The kernel knows one knote per fd and direction; a table
 * indexed by fd knows which were asked for, and the tag.
 *
 * What is added or removed is sent to the kernel at once. A changed mask waits in a list and rides on the
 * next waiting call, unless another loop polls the queue by its fd. Each change begins with EV_ENABLE on the
 * knotes that are there already: knotes disappear with the file, so ENOENT shows that the number is not the
 * file's any more. Where there are none, which is so with a pipe whose other end is gone, device and inode
 * do. */
#include "kqueue.h"

#if EVL_HAVE_KQUEUE

#    include "../base/clock.h"

#    include <string.h>

#    if defined(NOTE_NSECONDS)
#        define TIMER_UNIT  INT64_C(1)
#        define TIMER_FLAGS NOTE_NSECONDS
#    else
#        define TIMER_UNIT  INT64_C(1000000)
#        define TIMER_FLAGS 0
#    endif
/* In ns; where kevent.data has 32 bits, that many units. */
#    define TIMER_MAX (sizeof(((struct kevent *)0)->data) < 8 ? INT64_C(0x7fffffff) : EVL_WAIT_MAX)

enum { IDENT = 0 }; /* of EVFILT_USER and of EVFILT_TIMER */

/* --- calls ------------------------------------------------------------------------------------ */

int evl_kq_call(const evl_kqueue *s, const struct kevent *changes, int n, struct kevent *rows, int cap,
                const struct timespec *timeout) {
    int rc = evl_sys.kevent(s->kq, n ? changes : NULL, n, cap ? rows : NULL, cap, timeout);
    return rc >= 0 ? rc : evl_err_from_errno(errno);
}

/* Makes changes at once and puts the errno of each into its `data`. */
int evl_kq_submit(const evl_kqueue *s, struct kevent *changes, int n) {
    static const struct timespec at_once = {0, 0};
#    if defined(EV_RECEIPT)
    struct kevent receipts[EVL_KQ_CHANGES];
    int rc;
    for (int i = 0; i < n; i++)
        changes[i].flags |= EV_RECEIPT;
    do
        rc = evl_kq_call(s, changes, n, receipts, n, &at_once);
    while (rc == EVL_EINTR);
    for (int i = 0; i < n; i++)
        changes[i].data = i < rc && (receipts[i].flags & EV_ERROR) ? receipts[i].data : 0;
    return rc < 0 ? rc : 0;
#    else
    /* A list to report errors in would be filled with events too. */
    for (int i = 0; i < n; i++) {
        int rc;
        EVL_UNINTERRUPTED(rc, evl_sys.kevent(s->kq, &changes[i], 1, NULL, 0, &at_once));
        changes[i].data = rc < 0 ? errno : 0;
    }
    return 0;
#    endif
}

/* One change. */
static int submit_one(const evl_kqueue *s, uintptr_t ident, int filter, int flags, unsigned int fflags,
                      int64_t data) {
    struct kevent change;
    EV_SET(&change, ident, filter, (unsigned short)flags, fflags, data, 0);
    int rc = evl_kq_submit(s, &change, 1);
    return rc != 0 ? rc : evl_err_from_errno((int)change.data);
}

/* --- the wake --------------------------------------------------------------------------------- */

/* Known to the headers of systems whose kernels do not have it, and to kernels where it never fires. */
static bool user_works(const evl_kqueue *s) {
#    if defined(EVFILT_USER)
    static const struct timespec at_once = {0, 0};
    struct kevent trigger, row;
    if (submit_one(s, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0) != 0)
        return false;
    EV_SET(&trigger, IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, 0);
    int rc;
    do
        rc = evl_kq_call(s, &trigger, 1, &row, 1, &at_once);
    while (rc == EVL_EINTR);
    if (rc == 1 && row.filter == EVFILT_USER && !(row.flags & EV_ERROR))
        return true;
    (void)submit_one(s, IDENT, EVFILT_USER, EV_DELETE, 0, 0);
#    else
    (void)s;
#    endif
    return false;
}

static int open_wake(evl_kqueue *s) {
    int fds[2];
    if (user_works(s))
        return 0;
    if (evl_sys.pipe_cloexec(fds) != 0)
        return evl_err_from_errno(errno);
    s->wake_r = fds[0];
    s->wake_w = fds[1];
    return submit_one(s, (uintptr_t)s->wake_r, EVFILT_READ, EV_ADD, 0, 0);
}

static void kqueue_wake(void *state) {
    const evl_kqueue *s = state;
    if (s->wake_w >= 0) {
        evl_wake_write(s->wake_w);
        return;
    }
#    if defined(EVFILT_USER)
    int saved = errno, rc;
    struct kevent trigger;
    EV_SET(&trigger, IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, 0);
    EVL_UNINTERRUPTED(rc, evl_sys.kevent(s->kq, &trigger, 1, NULL, 0, NULL));
    errno = saved;
#    endif
}

/* What the kernel does not know of cannot make the queue poll readable. */
void evl_kq_wake_for_pending(evl_kqueue *s) {
    if (s->polled && s->pending_len > 0)
        kqueue_wake(s);
}

/* --- for another loop ----------------------------------------------------------------- */

static int kqueue_fd(void *state) {
    evl_kqueue *s = state;
    s->polled = true;
    (void)evl_kq_send_pending(s);
    evl_kq_wake_for_pending(s);
    return s->kq;
}

static int kqueue_arm(void *state, int64_t deadline_ns) {
    evl_kqueue *s = state;
    if (deadline_ns == s->armed)
        return 0;
    if (s->armed != EVL_NEVER)
        (void)submit_one(s, IDENT, EVFILT_TIMER, EV_DELETE, 0, 0);
    s->armed = EVL_NEVER;
    if (deadline_ns == EVL_NEVER)
        return 0;
    int64_t now = evl_monotonic();
    int64_t delay = deadline_ns <= now ? 1 : deadline_ns - now;
    if (delay > TIMER_MAX)
        delay = TIMER_MAX;
    int rc = submit_one(s, IDENT, EVFILT_TIMER, EV_ADD | EV_ONESHOT, TIMER_FLAGS,
                        delay / TIMER_UNIT + (delay % TIMER_UNIT != 0));
    if (rc == 0)
        s->armed = deadline_ns;
    return rc;
}

/* A deadline that is too far away for one timer takes several. */
bool evl_kq_alarm_is_due(evl_kqueue *s) {
    int64_t deadline = s->armed;
    s->armed = EVL_NEVER;
    return evl_monotonic() >= deadline || kqueue_arm(s, deadline) != 0;
}

/* --- open, close ------------------------------------------------------------------------------ */

static void close_fds(evl_kqueue *s) {
    int *fds[] = {&s->kq, &s->wake_r, &s->wake_w};
    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            (void)evl_sys.close(*fds[i]);
        *fds[i] = -1;
    }
}

static int open_fds(evl_kqueue *s) {
    s->wake_r = s->wake_w = -1;
    s->armed = EVL_NEVER;
    s->kq = evl_sys.kqueue();
    if (s->kq < 0)
        return evl_err_from_errno(errno);
    int rc = evl_sys.set_cloexec(s->kq) == 0 ? open_wake(s) : evl_err_from_errno(errno);
    if (rc != 0)
        close_fds(s);
    return rc;
}

static int kqueue_open(void *state, evl_mem *mem, uint64_t wake_tag) {
    evl_kqueue *s = state;
    s->mem = mem;
    s->wake_tag = wake_tag;
    return open_fds(s);
}

static void free_rows(evl_kqueue *s) {
    evl_mem_free(s->mem, s->rows, (size_t)s->row_cap * sizeof *s->rows);
    evl_mem_free(s->mem, s->row_fds, (size_t)s->row_cap * sizeof *s->row_fds);
    s->rows = NULL;
    s->row_fds = NULL;
}

/* Short waits have room on the stack. */
static int kqueue_reserve(void *state, int cap) {
    evl_kqueue *s = state;
    if (cap <= EVL_EVENT_MAX)
        return 0;
    s->row_cap = cap;
    s->rows = evl_mem_zalloc(s->mem, (size_t)cap * sizeof *s->rows);
    s->row_fds = evl_mem_zalloc(s->mem, (size_t)cap * sizeof *s->row_fds);
    if (s->rows && s->row_fds)
        return 0;
    free_rows(s);
    return EVL_ENOMEM;
}

static void kqueue_close(void *state, int forked) {
    evl_kqueue *s = state;
    if (!forked)
        close_fds(s);
    free_rows(s);
    evl_mem_free(s->mem, s->slots, s->slot_cap * sizeof(evl_kq_slot));
    evl_mem_free(s->mem, s->pending, s->pending_cap * sizeof(int));
    s->slots = NULL;
    s->pending = NULL;
    s->slot_cap = s->pending_cap = s->pending_len = s->watched = 0;
}

/* A child has not inherited the queue, and its number may name another file; a pipe it has. In the same
 * process the queue stays, since other threads may be about to wake it and a host polls its number. */
static int kqueue_reopen(void *state, int forked) {
    evl_kqueue *s = state;
    if (!forked) {
        for (int fd = 0; s->watched > 0; fd++)
            if (evl_kq_watched(s, fd))
                (void)evl_kq_forget(s, fd);
        return 0;
    }
    evl_kqueue fresh = *s;
    int rc = open_fds(&fresh);
    if (rc != 0)
        return rc;
    s->kq = -1;
    close_fds(s);
    if (s->slots)
        memset(s->slots, 0, s->slot_cap * sizeof(evl_kq_slot));
    fresh.pending_len = fresh.watched = 0;
    *s = fresh;
    return 0;
}

const evl_backend evl_backend_kqueue = {
    .name = "kqueue",
    .caps = EVL_CAP_EDGE | EVL_CAP_HUP | EVL_CAP_LOOP_FD | EVL_CAP_MANY | (EVL_KQ_EXCEPT ? EVL_CAP_PRI : 0),
    .state_size = sizeof(evl_kqueue),
    .open = kqueue_open,
    .reserve = kqueue_reserve,
    .close = kqueue_close,
    .reopen = kqueue_reopen,
    .add = evl_kq_add,
    .change = evl_kq_change,
    .prove = evl_kq_prove,
    .remove = evl_kq_remove,
    .wait = evl_kq_wait,
    .wake = kqueue_wake,
    .fd = kqueue_fd,
    .arm = kqueue_arm,
};

#else
typedef int evl_no_kqueue; /* a translation unit may not be empty */
#endif
