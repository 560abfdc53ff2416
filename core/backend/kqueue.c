/* kqueue.c - the backend for the BSDs and macOS. The kernel knows one knote per fd and direction; a table
 * indexed by fd knows which were asked for, and the tag.
 *
 * What is added or removed is told to the kernel at once. A changed mask waits in a list and rides on the
 * next waiting call, unless another loop polls the queue by its fd. Each change begins with EV_ENABLE on the
 * knotes that are there already: knotes disappear with the file, so ENOENT tells that the number is not the
 * file's any more. Where there are none, which is so with a pipe whose other end is gone, device and inode
 * do. */
#include "fdmap.h"

#if EVL_HAVE_KQUEUE

#    include "../base/clock.h"

#    include <limits.h>
#    include <stdbool.h>
#    include <string.h>

#    if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
#        define HAVE_EXCEPT 1
#    else
#        define HAVE_EXCEPT 0
#    endif

#    if defined(NOTE_NSECONDS)
#        define TIMER_UNIT  INT64_C(1)
#        define TIMER_FLAGS NOTE_NSECONDS
#    else
#        define TIMER_UNIT  INT64_C(1000000)
#        define TIMER_FLAGS 0
#    endif
/* In ns; where kevent.data has 32 bits, that many units. */
#    define TIMER_MAX (sizeof(((struct kevent *)0)->data) < 8 ? INT64_C(0x7fffffff) : EVL_WAIT_MAX)

enum {
    FILTERS = 2 + HAVE_EXCEPT,
    CHANGES_OF_FD = 3 * FILTERS,
    IDENT = 0 /* of EVFILT_USER and of EVFILT_TIMER */
};

static const struct {
    uint32_t bit;
    int filter; /* short on most systems, unsigned on NetBSD */
    unsigned int fflags;
} filters[FILTERS] = {
    {EVL_READ, EVFILT_READ, 0},
    {EVL_WRITE, EVFILT_WRITE, 0},
#    if HAVE_EXCEPT
    {EVL_PRI, EVFILT_EXCEPT, NOTE_OOB},
#    endif
};

#    define MASK_FILTERS (EVL_READ | EVL_WRITE | EVL_PRI)

typedef struct slot {
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
} slot;

typedef struct kqueue_state {
    evl_mem *mem;
    slot *slots; /* by fd */
    uint32_t slot_cap;
    uint32_t watched; /* slots in use; the list has room for as many */
    int *pending;
    uint32_t pending_cap;
    uint32_t pending_len;
    uint32_t turn; /* whose it is in the list to be reported */
    int kq;
    int wake_r; /* a pipe where EVFILT_USER does not work; otherwise -1 */
    int wake_w;
    bool polled; /* another loop waits on kq itself */
    int64_t armed;
    uint64_t wake_tag;
} kqueue_state;

/* Rows on their way to the loop: one per fd, and one for all wakes. */
typedef struct batch {
    evl_kernel_event *out;
    int cap;
    int n;
    bool woken;
    int fds[EVL_EVENT_MAX];
} batch;

/* --- calls ------------------------------------------------------------------------------------ */

static int call(const kqueue_state *s, const struct kevent *changes, int n, struct kevent *rows, int cap,
                const struct timespec *timeout) {
    int rc = evl_sys.kevent(s->kq, n ? changes : NULL, n, cap ? rows : NULL, cap, timeout);
    return rc >= 0 ? rc : evl_err_from_errno(errno);
}

/* Makes changes at once and puts the errno of each into its `data`. */
static int submit(const kqueue_state *s, struct kevent *changes, int n) {
    static const struct timespec at_once = {0, 0};
#    if defined(EV_RECEIPT)
    struct kevent receipts[CHANGES_OF_FD];
    int rc;
    for (int i = 0; i < n; i++)
        changes[i].flags |= EV_RECEIPT;
    do
        rc = call(s, changes, n, receipts, n, &at_once);
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
static int submit_one(const kqueue_state *s, uintptr_t ident, int filter, int flags, unsigned int fflags,
                      int64_t data) {
    struct kevent change;
    EV_SET(&change, ident, filter, (unsigned short)flags, fflags, data, 0);
    int rc = submit(s, &change, 1);
    return rc != 0 ? rc : evl_err_from_errno((int)change.data);
}

/* --- the wake --------------------------------------------------------------------------------- */

/* Known to the headers of systems whose kernels do not have it, and to kernels where it never fires. */
static bool user_works(const kqueue_state *s) {
#    if defined(EVFILT_USER)
    static const struct timespec at_once = {0, 0};
    struct kevent trigger, row;
    if (submit_one(s, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0) != 0)
        return false;
    EV_SET(&trigger, IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, 0);
    int rc;
    do
        rc = call(s, &trigger, 1, &row, 1, &at_once);
    while (rc == EVL_EINTR);
    if (rc == 1 && row.filter == EVFILT_USER && !(row.flags & EV_ERROR))
        return true;
    (void)submit_one(s, IDENT, EVFILT_USER, EV_DELETE, 0, 0);
#    else
    (void)s;
#    endif
    return false;
}

static int open_wake(kqueue_state *s) {
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
    const kqueue_state *s = state;
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
static void wake_for_pending(kqueue_state *s) {
    if (s->polled && s->pending_len > 0)
        kqueue_wake(s);
}

/* --- slots ------------------------------------------------------------------------------------ */

static slot *watched(const kqueue_state *s, int fd) {
    return fd >= 0 && (uint32_t)fd < s->slot_cap && s->slots[fd].wanted ? &s->slots[fd] : NULL;
}

static int make_room(kqueue_state *s, int fd) {
    slot *slots = evl_fd_room(s->mem, s->slots, &s->slot_cap, fd, sizeof(slot));
    if (!slots)
        return EVL_ENOMEM;
    s->slots = slots;
    int *pending = evl_fd_room(s->mem, s->pending, &s->pending_cap, (int)s->watched, sizeof(int));
    if (!pending)
        return EVL_ENOMEM;
    s->pending = pending;
    return 0;
}

static void pend(kqueue_state *s, int fd) {
    slot *slot = &s->slots[fd];
    if (slot->pending)
        return;
    s->pending[s->pending_len++] = fd;
    slot->pending = s->pending_len;
}

static void unpend(kqueue_state *s, int fd) {
    slot *slot = &s->slots[fd];
    if (!slot->pending)
        return;
    int last = s->pending[--s->pending_len];
    s->pending[slot->pending - 1] = last;
    s->slots[last].pending = slot->pending;
    slot->pending = 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int put_change(struct kevent *change, int fd, int f, int flags) {
    EV_SET(change, (uintptr_t)fd, filters[f].filter, (unsigned short)flags, filters[f].fflags, 0, 0);
    return 1;
}

/* What takes the kernel from what it has to what is wanted; at most CHANGES_OF_FD. A knote keeps the EV_CLEAR
 * that it was made with, or without. */
static int describe(const slot *slot, int fd, struct kevent *out) {
    bool anew = slot->unsure || ((slot->known ^ slot->wanted) & EVL_MASK_EDGE);
    int n = 0, add = EV_ADD | (slot->wanted & EVL_MASK_EDGE ? EV_CLEAR : 0);
    for (int f = 0; f < FILTERS; f++)
        if (slot->known & filters[f].bit)
            n += put_change(&out[n], fd, f, EV_ENABLE);
    for (int f = 0; f < FILTERS; f++) {
        bool has = (slot->known & filters[f].bit) != 0, wants = (slot->wanted & filters[f].bit) != 0;
        if (has && (anew || !wants))
            n += put_change(&out[n], fd, f, EV_DELETE);
        if (wants && (anew || !has))
            n += put_change(&out[n], fd, f, add);
    }
    return n;
}

static uint32_t bit_of(int filter) {
    for (int f = 0; f < FILTERS; f++)
        if (filters[f].filter == filter)
            return filters[f].bit;
    return 0;
}

/* What the errno of a change means. */
static void judge(slot *slot, uint32_t bit, int err) {
    switch (err) {
    case ENOENT: /* the knote is gone, so the file is */
    case EBADF:
        slot->error = evl_err_from_errno(err);
        break;
    case EPIPE: /* the other end of a pipe is: readiness that no knote will tell */
        slot->broken |= (uint8_t)bit;
        slot->refused |= (uint8_t)bit;
        break;
    case EINVAL: /* a file that this filter is not for never becomes ready, as with poll(2) */
    case EPERM:
    case ENODEV:
    case EOPNOTSUPP:
#    if ENOTSUP != EOPNOTSUPP
    case ENOTSUP:
#    endif
        slot->refused |= (uint8_t)bit;
        if ((slot->wanted & EVL_MASK_RDHUP) && (bit & (EVL_READ | EVL_WRITE)))
            slot->error = EVL_EPERM;
        break;
    default:
        slot->error = evl_err_from_errno(err);
        slot->refused |= (uint8_t)bit;
    }
}

/* After the judging: what the kernel has now, and whether the fd still has a future. */
static int settle(kqueue_state *s, int fd) {
    slot *slot = &s->slots[fd];
    slot->known = slot->wanted & ~(uint32_t)slot->refused;
    slot->refused = 0;
    slot->unsure = false;
    if (slot->error == 0 && !(slot->known & MASK_FILTERS) && !slot->broken)
        slot->error = EVL_EPERM;
    if (slot->error != 0 || slot->broken)
        pend(s, fd);
    else
        unpend(s, fd);
    return slot->error;
}

/* The call failed: the kernel may have made any of the changes. */
static void lose_track(kqueue_state *s, int fd) {
    slot *slot = &s->slots[fd];
    if (slot->known & MASK_FILTERS) /* otherwise there is nothing that could prove the number */
        slot->known |= slot->wanted;
    slot->unsure = true;
    pend(s, fd);
}

/* Makes the kernel want what the slot wants. */
static int apply(kqueue_state *s, int fd) {
    slot *slot = &s->slots[fd];
    struct kevent changes[CHANGES_OF_FD];
    int n = describe(slot, fd, changes), lost = 0;
    bool proven = false;
    int rc = submit(s, changes, n);
    if (rc != 0) {
        lose_track(s, fd);
        return rc;
    }
    slot->error = 0;
    slot->broken = 0;
    for (int i = 0; i < n; i++) {
        int err = (int)changes[i].data;
        if (changes[i].flags & EV_ENABLE) {
            proven |= err == 0;
            lost = err ? err : lost;
        } else if ((changes[i].flags & EV_ADD) && err)
            judge(slot, bit_of((int)changes[i].filter), err);
    }
    if (lost && !proven)
        judge(slot, 0, lost);
    return settle(s, fd);
}

/* Unless it is certain that it is not. */
static bool is_same_file(const slot *slot, int fd) {
    struct stat st;
    int rc = evl_fd_look(fd, &st);
    if (rc != 0 && rc != EVL_EPERM)
        return rc != EVL_EBADF;
    return st.st_dev == slot->dev && st.st_ino == slot->ino;
}

/* The same for an fd that has been added before. */
static int apply_again(kqueue_state *s, int fd) {
    slot *slot = &s->slots[fd];
    if ((slot->known & MASK_FILTERS) || is_same_file(slot, fd))
        return apply(s, fd);
    slot->error = EVL_ENOENT;
    slot->unsure = false;
    pend(s, fd);
    return slot->error;
}

/* Deletes what the kernel has. Returns EVL_ENOENT or EVL_EBADF when it had nothing of that any more. */
static int delete_knotes(kqueue_state *s, int fd) {
    struct kevent changes[CHANGES_OF_FD];
    int n = 0, err = 0;
    for (int f = 0; f < FILTERS; f++)
        if (s->slots[fd].known & filters[f].bit)
            n += put_change(&changes[n], fd, f, EV_DELETE);
    if (n == 0 || submit(s, changes, n) != 0)
        return 0;
    for (int i = 0; i < n; i++) {
        if (changes[i].data != ENOENT && changes[i].data != EBADF)
            return 0;
        err = (int)changes[i].data;
    }
    return evl_err_from_errno(err);
}

static int forget(kqueue_state *s, int fd) {
    int rc = delete_knotes(s, fd);
    unpend(s, fd);
    s->slots[fd] = (slot){0};
    s->watched--;
    return rc;
}

/* --- interest --------------------------------------------------------------------------------- */

static int kqueue_add(void *state, int fd, uint32_t mask, uint64_t tag) {
    kqueue_state *s = state;
    struct stat st;
    int rc = evl_fd_look(fd, &st);
    if (rc == 0 && (fd == s->kq || fd == s->wake_r))
        rc = fd == s->kq ? EVL_EINVAL : EVL_EEXIST;
    if (rc == 0)
        rc = make_room(s, fd);
    if (rc != 0)
        return rc;
    if (watched(s, fd))
        (void)forget(s, fd);
    s->watched++;
    s->slots[fd] = (slot){.tag = tag, .wanted = mask, .dev = st.st_dev, .ino = st.st_ino};
    rc = apply(s, fd);
    if (rc != 0)
        (void)forget(s, fd);
    wake_for_pending(s);
    return rc;
}

static int kqueue_prove(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    kqueue_state *s = state;
    slot *slot = watched(s, fd);
    (void)old;
    if (!slot)
        return EVL_ENOENT;
    uint32_t wanted = slot->wanted;
    slot->wanted = mask;
    slot->unsure |= (mask & EVL_MASK_EDGE) != 0; /* only a new knote is certain to report what is there */
    int rc = slot->error != 0 ? EVL_ENOENT : apply_again(s, fd);
    if (rc == EVL_ENOENT || rc == EVL_EBADF)
        (void)forget(s, fd);
    else if (rc != 0) {
        /* The old mask goes on. */
        slot->wanted = wanted;
        slot->error = 0;
        pend(s, fd);
    } else
        slot->tag = tag;
    wake_for_pending(s);
    return rc;
}

static int kqueue_change(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    kqueue_state *s = state;
    slot *slot = watched(s, fd);
    if (old == 0)
        return mask == 0 ? 0 : kqueue_add(state, fd, mask, tag);
    if (!slot)
        return EVL_ENOENT;
    if (mask == 0) {
        int lost = slot->error != 0 ? EVL_ENOENT : 0, rc = forget(s, fd);
        return lost ? lost : rc;
    }
    if (s->polled)
        return kqueue_prove(state, fd, old, mask, tag);
    slot->wanted = mask;
    slot->tag = tag;
    pend(s, fd);
    return 0;
}

/* Closing a number takes its knotes along: nothing stays. */
static int kqueue_remove(void *state, int fd, uint32_t mask) {
    kqueue_state *s = state;
    (void)mask;
    if (watched(s, fd))
        (void)forget(s, fd);
    return 0;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void put_row(kqueue_state *s, batch *b, int fd, uint32_t mask) {
    slot *slot = &s->slots[fd];
    if (slot->row == 0) {
        if (b->n == b->cap)
            return;
        evl_event_put(&b->out[b->n], 0, slot->tag);
        b->fds[b->n] = fd;
        slot->row = (uint16_t)++b->n;
    }
    EVL_EVENT_MASK(&b->out[slot->row - 1]) |= mask;
}

static void put_wake(const kqueue_state *s, batch *b) {
    if (b->woken || b->n == b->cap)
        return;
    b->woken = true;
    b->fds[b->n] = -1;
    evl_event_put(&b->out[b->n++], EVL_READ, s->wake_tag);
}

static void end_batch(kqueue_state *s, const batch *b) {
    for (int i = 0; i < b->n; i++)
        if (b->fds[i] >= 0)
            s->slots[b->fds[i]].row = 0;
}

/* Sends what is pending by calls of its own. What is lost or broken stays in the list. */
static int send_pending(kqueue_state *s) {
    for (uint32_t i = 0; i < s->pending_len;) {
        int fd = s->pending[i];
        int rc = s->slots[fd].error == 0 ? apply_again(s, fd) : 0;
        if (s->slots[fd].unsure)
            return rc;
        i += s->slots[fd].pending != 0;
    }
    return 0;
}

/* The changes that the waiting call carries, or -1 when they are too many or not that simple. */
static int describe_pending(const kqueue_state *s, struct kevent *changes, int cap) {
    int n = 0;
    for (uint32_t i = 0; i < s->pending_len; i++) {
        const slot *slot = &s->slots[s->pending[i]];
        struct kevent own[CHANGES_OF_FD];
        if (slot->unsure || slot->broken || slot->error != 0)
            return -1;
        int more = describe(slot, s->pending[i], own);
        if (n + more > cap)
            return -1;
        memcpy(&changes[n], own, (size_t)more * sizeof *own);
        n += more;
    }
    return n;
}

/* The changes were carried: `rows` has the errors among what it reports. Returns whether there were any. */
static bool settle_pending(kqueue_state *s, const struct kevent *rows, int n) {
    bool errors = false;
    for (int i = 0; i < n; i++) {
        if (!(rows[i].flags & EV_ERROR))
            continue;
        errors = true;
        slot *slot = rows[i].ident <= INT_MAX ? watched(s, (int)rows[i].ident) : NULL;
        if (slot && slot->pending && rows[i].data != 0)
            judge(slot, bit_of((int)rows[i].filter), (int)rows[i].data);
    }
    for (uint32_t i = 0; i < s->pending_len;) {
        int fd = s->pending[i];
        (void)settle(s, fd);
        i += s->slots[fd].pending != 0;
    }
    return errors;
}

/* Reports a lost fd once, and a broken pipe as often as a knote of its kind would. */
static void report_pending(kqueue_state *s, batch *b) {
    int room = b->cap - b->cap / 2; /* the other half is for what the kernel has */
    for (uint32_t left = s->pending_len; left > 0 && b->n < room; left--) {
        if (s->turn >= s->pending_len)
            s->turn = 0;
        int fd = s->pending[s->turn];
        slot *slot = &s->slots[fd];
        if (slot->error != 0) {
            bool other = slot->error == EVL_ENOENT || slot->error == EVL_EBADF;
            put_row(s, b, fd, other ? EVL_MASK_GONE : EVL_MASK_GONE_BY(slot->error));
            (void)forget(s, fd);
            continue;
        }
        if (slot->broken)
            put_row(s, b, fd, slot->broken | EVL_HUP);
        if (slot->broken && (slot->wanted & EVL_MASK_EDGE)) {
            slot->broken = 0;
            unpend(s, fd);
        } else
            s->turn++;
    }
}

static bool alarm_is_due(kqueue_state *s);

/* EV_EOF says that one direction is over; a socket's other one may not be. What cannot be asked has hung up.
 */
static bool has_hung_up(const struct kevent *row) {
    struct pollfd fd = {.fd = (int)row->ident};
    int rc;
    if (row->filter != EVFILT_READ || row->fflags)
        return true;
    EVL_UNINTERRUPTED(rc, evl_sys.poll(&fd, 1, 0));
    return rc != 0;
}

static uint32_t mask_of(const slot *slot, const struct kevent *row, uint32_t bit) {
    if (bit == EVL_PRI || !(row->flags & EV_EOF))
        return bit;
    /* There may be data left: READ comes with it, and a read tells. */
    uint32_t end = has_hung_up(row) ? (uint32_t)EVL_HUP : slot->wanted & EVL_MASK_RDHUP;
    return bit | end | (row->fflags ? EVL_ERR : 0U);
}

static void take_row(kqueue_state *s, batch *b, const struct kevent *row) {
    if (row->flags & EV_ERROR)
        return;
    if (row->filter == EVFILT_TIMER) {
        if (alarm_is_due(s))
            put_wake(s, b);
        return;
    }
#    if defined(EVFILT_USER)
    if (row->filter == EVFILT_USER) {
        put_wake(s, b);
        return;
    }
#    endif
    int fd = row->ident <= INT_MAX ? (int)row->ident : -1;
    if (fd >= 0 && fd == s->wake_r) {
        evl_wake_drain(fd);
        put_wake(s, b);
        return;
    }
    const slot *slot = watched(s, fd);
    uint32_t bit = bit_of((int)row->filter);
    if (slot && slot->error == 0 && (slot->wanted & bit))
        put_row(s, b, fd, mask_of(slot, row, bit));
}

static int ask(const kqueue_state *s, const struct kevent *changes, int n, struct kevent *rows, int cap,
               int64_t timeout_ns) {
    int rc = 0;
    for (;; timeout_ns -= EVL_WAIT_MAX, n = 0) {
        struct timespec ts = evl_timespec(timeout_ns < EVL_WAIT_MAX ? timeout_ns : EVL_WAIT_MAX);
        rc = call(s, changes, n, rows, cap, timeout_ns < 0 ? NULL : &ts);
        if (rc != 0 || timeout_ns <= EVL_WAIT_MAX)
            return rc;
    }
}

/* A call that has errors to report does not wait and may not look further, so it is made once more. */
static int collect(kqueue_state *s, batch *b, const struct kevent *changes, int n, int64_t timeout_ns) {
    struct kevent rows[EVL_EVENT_MAX];
    bool again = true;
    while (again && b->n < b->cap) {
        int rc = ask(s, changes, n, rows, b->cap - b->n, b->n > 0 ? 0 : timeout_ns);
        if (rc < 0) {
            for (uint32_t i = 0; n > 0 && i < s->pending_len; i++)
                lose_track(s, s->pending[i]);
            return rc;
        }
        again = n > 0 && settle_pending(s, rows, rc);
        if (again)
            report_pending(s, b);
        for (int i = 0; i < rc; i++)
            take_row(s, b, &rows[i]);
        n = 0;
    }
    return 0;
}

static int kqueue_wait(void *state, evl_kernel_event *out, int cap, int64_t timeout_ns) {
    kqueue_state *s = state;
    batch b;
    struct kevent changes[EVL_EVENT_MAX];
    b.out = out;
    b.cap = cap < EVL_EVENT_MAX ? cap : EVL_EVENT_MAX;
    b.n = 0;
    b.woken = false;
    int rc = 0, n = describe_pending(s, changes, b.cap);
    if (n < 0) {
        n = 0;
        rc = send_pending(s);
        report_pending(s, &b);
    }
    if (rc == 0)
        rc = collect(s, &b, changes, n, timeout_ns);
    end_batch(s, &b);
    wake_for_pending(s);
    return b.n > 0 ? b.n : rc;
}

/* --- for another loop ----------------------------------------------------------------- */

static int kqueue_fd(void *state) {
    kqueue_state *s = state;
    s->polled = true;
    (void)send_pending(s);
    wake_for_pending(s);
    return s->kq;
}

static int kqueue_arm(void *state, int64_t deadline_ns) {
    kqueue_state *s = state;
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
static bool alarm_is_due(kqueue_state *s) {
    int64_t deadline = s->armed;
    s->armed = EVL_NEVER;
    return evl_monotonic() >= deadline || kqueue_arm(s, deadline) != 0;
}

/* --- open, close ------------------------------------------------------------------------------ */

static void close_fds(kqueue_state *s) {
    int *fds[] = {&s->kq, &s->wake_r, &s->wake_w};
    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            (void)evl_sys.close(*fds[i]);
        *fds[i] = -1;
    }
}

static int open_fds(kqueue_state *s) {
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
    kqueue_state *s = state;
    s->mem = mem;
    s->wake_tag = wake_tag;
    return open_fds(s);
}

static void kqueue_close(void *state, int forked) {
    kqueue_state *s = state;
    if (!forked)
        close_fds(s);
    evl_mem_free(s->mem, s->slots, s->slot_cap * sizeof(slot));
    evl_mem_free(s->mem, s->pending, s->pending_cap * sizeof(int));
    s->slots = NULL;
    s->pending = NULL;
    s->slot_cap = s->pending_cap = s->pending_len = s->watched = 0;
}

/* A child has not inherited the queue, and its number may be anybody's; a pipe it has. In the same process
 * the queue stays, since other threads may be about to wake it and a host polls its number. */
static int kqueue_reopen(void *state, int forked) {
    kqueue_state *s = state;
    if (!forked) {
        for (int fd = 0; s->watched > 0; fd++)
            if (watched(s, fd))
                (void)forget(s, fd);
        return 0;
    }
    kqueue_state fresh = *s;
    int rc = open_fds(&fresh);
    if (rc != 0)
        return rc;
    s->kq = -1;
    close_fds(s);
    if (s->slots)
        memset(s->slots, 0, s->slot_cap * sizeof(slot));
    fresh.pending_len = fresh.watched = 0;
    *s = fresh;
    return 0;
}

const evl_backend evl_backend_kqueue = {
    .name = "kqueue",
    .caps = EVL_CAP_EDGE | EVL_CAP_HUP | EVL_CAP_LOOP_FD | EVL_CAP_MANY | (HAVE_EXCEPT ? EVL_CAP_PRI : 0),
    .state_size = sizeof(kqueue_state),
    .open = kqueue_open,
    .close = kqueue_close,
    .reopen = kqueue_reopen,
    .add = kqueue_add,
    .change = kqueue_change,
    .prove = kqueue_prove,
    .remove = kqueue_remove,
    .wait = kqueue_wait,
    .wake = kqueue_wake,
    .fd = kqueue_fd,
    .arm = kqueue_arm,
};

#else
typedef int evl_no_kqueue; /* a translation unit may not be empty */
#endif
