/* kqueue_wait.c - waiting, and what the kernel reports as rows for the loop. */
#include "kqueue.h"

#if EVL_HAVE_KQUEUE

/* Rows on their way to the loop: one per fd, and one for all wakes. */
typedef struct batch {
    evl_kernel_event *out;
    int cap;
    int n;
    bool woken;
    int *fds;
    struct kevent *rows;
} batch;

static void put_row(evl_kqueue *s, batch *b, int fd, uint32_t mask) {
    evl_kq_slot *slot = &s->slots[fd];
    if (slot->row == 0) {
        if (b->n == b->cap)
            return;
        evl_event_put(&b->out[b->n], 0, slot->tag);
        b->fds[b->n] = fd;
        slot->row = (uint16_t)++b->n;
    }
    EVL_EVENT_MASK(&b->out[slot->row - 1]) |= mask;
}

static void put_wake(const evl_kqueue *s, batch *b) {
    if (b->woken || b->n == b->cap)
        return;
    b->woken = true;
    b->fds[b->n] = -1;
    evl_event_put(&b->out[b->n++], EVL_READ, s->wake_tag);
}

static void end_batch(evl_kqueue *s, const batch *b) {
    for (int i = 0; i < b->n; i++)
        if (b->fds[i] >= 0)
            s->slots[b->fds[i]].row = 0;
}

/* Reports a lost fd once, and a broken pipe as often as a knote of its kind would. */
static void report_pending(evl_kqueue *s, batch *b) {
    int room = b->cap - b->cap / 2; /* the other half is for what the kernel has */
    for (uint32_t left = s->pending_len; left > 0 && b->n < room; left--) {
        if (s->turn >= s->pending_len)
            s->turn = 0;
        int fd = s->pending[s->turn];
        evl_kq_slot *slot = &s->slots[fd];
        if (slot->error != 0) {
            bool other = slot->error == EVL_ENOENT || slot->error == EVL_EBADF;
            put_row(s, b, fd, other ? EVL_MASK_GONE : EVL_MASK_GONE_BY(slot->error));
            (void)evl_kq_forget(s, fd);
            continue;
        }
        if (slot->broken)
            put_row(s, b, fd, slot->broken | EVL_HUP);
        if (slot->broken && (slot->wanted & EVL_MASK_EDGE)) {
            slot->broken = 0;
            evl_kq_unpend(s, fd);
        } else
            s->turn++;
    }
}

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

static uint32_t mask_of(const evl_kq_slot *slot, const struct kevent *row, uint32_t bit) {
    if (bit == EVL_PRI || !(row->flags & EV_EOF))
        return bit;
    /* There may be data left: READ comes with it, and a read shows whether there is. */
    uint32_t end = has_hung_up(row) ? (uint32_t)EVL_HUP : slot->wanted & EVL_MASK_RDHUP;
    return bit | end | (row->fflags ? EVL_ERR : 0U);
}

static void take_row(evl_kqueue *s, batch *b, const struct kevent *row) {
    if (row->flags & EV_ERROR)
        return;
    if (row->filter == EVFILT_TIMER) {
        if (evl_kq_alarm_is_due(s))
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
    const evl_kq_slot *slot = evl_kq_watched(s, fd);
    uint32_t bit = evl_kq_bit_of((int)row->filter);
    if (slot && slot->error == 0 && (slot->wanted & bit))
        put_row(s, b, fd, mask_of(slot, row, bit));
}

static int ask(const evl_kqueue *s, const struct kevent *changes, int n, struct kevent *rows, int cap,
               int64_t timeout_ns) {
    int rc = 0;
    for (;; timeout_ns -= EVL_WAIT_MAX, n = 0) {
        struct timespec ts = evl_timespec(timeout_ns < EVL_WAIT_MAX ? timeout_ns : EVL_WAIT_MAX);
        rc = evl_kq_call(s, changes, n, rows, cap, timeout_ns < 0 ? NULL : &ts);
        if (rc != 0 || timeout_ns <= EVL_WAIT_MAX)
            return rc;
    }
}

/* A call that has errors to report does not wait and may not look further, so it is made once more. */
static int collect(evl_kqueue *s, batch *b, const struct kevent *changes, int n, int64_t timeout_ns) {
    struct kevent *rows = b->rows;
    bool again = true;
    while (again && b->n < b->cap) {
        int rc = ask(s, changes, n, rows, b->cap - b->n, b->n > 0 ? 0 : timeout_ns);
        if (rc < 0) {
            for (uint32_t i = 0; n > 0 && i < s->pending_len; i++)
                evl_kq_lose_track(s, s->pending[i]);
            return rc;
        }
        again = n > 0 && evl_kq_settle_pending(s, rows, rc);
        if (again)
            report_pending(s, b);
        for (int i = 0; i < rc; i++)
            take_row(s, b, &rows[i]);
        n = 0;
    }
    return 0;
}

int evl_kq_wait(void *state, evl_kernel_event *out, int cap, int64_t timeout_ns) {
    evl_kqueue *s = state;
    batch b;
    struct kevent changes[EVL_EVENT_MAX], rows[EVL_EVENT_MAX];
    int fds[EVL_EVENT_MAX];
    int room = s->rows ? s->row_cap : EVL_EVENT_MAX;
    b.out = out;
    b.cap = cap < room ? cap : room;
    b.rows = s->rows ? s->rows : rows;
    b.fds = s->rows ? s->row_fds : fds;
    b.n = 0;
    b.woken = false;
    int rc = 0, n = evl_kq_describe_pending(s, changes, b.cap < EVL_EVENT_MAX ? b.cap : EVL_EVENT_MAX);
    if (n < 0) {
        n = 0;
        rc = evl_kq_send_pending(s);
        report_pending(s, &b);
    }
    if (rc == 0)
        rc = collect(s, &b, changes, n, timeout_ns);
    end_batch(s, &b);
    evl_kq_wake_for_pending(s);
    return b.n > 0 ? b.n : rc;
}

#else
typedef int evl_no_kqueue_wait; /* a translation unit may not be empty */
#endif
