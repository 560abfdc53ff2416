/* kqueue_change.c - what is wanted of an fd, and the changes that take the kernel there: at once, or with the
 * next waiting call. */
#include "kqueue.h"

#if EVL_HAVE_KQUEUE

#    include <string.h>

static const struct {
    uint32_t bit;
    int filter; /* short on most systems, unsigned on NetBSD */
    unsigned int fflags;
} filters[EVL_KQ_FILTERS] = {
    {EVL_READ, EVFILT_READ, 0},
    {EVL_WRITE, EVFILT_WRITE, 0},
#    if EVL_KQ_EXCEPT
    {EVL_PRI, EVFILT_EXCEPT, NOTE_OOB},
#    endif
};

#    define MASK_FILTERS (EVL_READ | EVL_WRITE | EVL_PRI)

/* --- slots ------------------------------------------------------------------------------------ */

static int make_room(evl_kqueue *s, int fd) {
    evl_kq_slot *slots = evl_fd_room(s->mem, s->slots, &s->slot_cap, fd, sizeof(evl_kq_slot));
    if (!slots)
        return EVL_ENOMEM;
    s->slots = slots;
    int *pending = evl_fd_room(s->mem, s->pending, &s->pending_cap, (int)s->watched, sizeof(int));
    if (!pending)
        return EVL_ENOMEM;
    s->pending = pending;
    return 0;
}

static void pend(evl_kqueue *s, int fd) {
    evl_kq_slot *slot = &s->slots[fd];
    if (slot->pending)
        return;
    s->pending[s->pending_len++] = fd;
    slot->pending = s->pending_len;
}

void evl_kq_unpend(evl_kqueue *s, int fd) {
    evl_kq_slot *slot = &s->slots[fd];
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

/* What takes the kernel from what it has to what is wanted; at most EVL_KQ_CHANGES. A knote keeps the
 * EV_CLEAR that it was made with, or without. */
static int describe(const evl_kq_slot *slot, int fd, struct kevent *out) {
    bool anew = slot->unsure || ((slot->known ^ slot->wanted) & EVL_MASK_EDGE);
    int n = 0, add = EV_ADD | (slot->wanted & EVL_MASK_EDGE ? EV_CLEAR : 0);
    for (int f = 0; f < EVL_KQ_FILTERS; f++)
        if (slot->known & filters[f].bit)
            n += put_change(&out[n], fd, f, EV_ENABLE);
    for (int f = 0; f < EVL_KQ_FILTERS; f++) {
        bool has = (slot->known & filters[f].bit) != 0, wants = (slot->wanted & filters[f].bit) != 0;
        if (has && (anew || !wants))
            n += put_change(&out[n], fd, f, EV_DELETE);
        if (wants && (anew || !has))
            n += put_change(&out[n], fd, f, add);
    }
    return n;
}

uint32_t evl_kq_bit_of(int filter) {
    for (int f = 0; f < EVL_KQ_FILTERS; f++)
        if (filters[f].filter == filter)
            return filters[f].bit;
    return 0;
}

/* What the errno of a change means. */
static void judge(evl_kq_slot *slot, uint32_t bit, int err) {
    switch (err) {
    case ENOENT: /* the knote is gone, so the file is */
    case EBADF:
        slot->error = evl_err_from_errno(err);
        break;
    case EPIPE: /* the other end of a pipe is: readiness that no knote reports */
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
static int settle(evl_kqueue *s, int fd) {
    evl_kq_slot *slot = &s->slots[fd];
    slot->known = slot->wanted & ~(uint32_t)slot->refused;
    slot->refused = 0;
    slot->unsure = false;
    if (slot->error == 0 && !(slot->known & MASK_FILTERS) && !slot->broken)
        slot->error = EVL_EPERM;
    if (slot->error != 0 || slot->broken)
        pend(s, fd);
    else
        evl_kq_unpend(s, fd);
    return slot->error;
}

/* The call failed: the kernel may have made any of the changes. */
void evl_kq_lose_track(evl_kqueue *s, int fd) {
    evl_kq_slot *slot = &s->slots[fd];
    if (slot->known & MASK_FILTERS) /* otherwise there is nothing that could prove the number */
        slot->known |= slot->wanted;
    slot->unsure = true;
    pend(s, fd);
}

/* Makes the kernel want what the slot wants. */
static int apply(evl_kqueue *s, int fd) {
    evl_kq_slot *slot = &s->slots[fd];
    struct kevent changes[EVL_KQ_CHANGES];
    int n = describe(slot, fd, changes), lost = 0;
    bool proven = false;
    int rc = evl_kq_submit(s, changes, n);
    if (rc != 0) {
        evl_kq_lose_track(s, fd);
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
            judge(slot, evl_kq_bit_of((int)changes[i].filter), err);
    }
    if (lost && !proven)
        judge(slot, 0, lost);
    return settle(s, fd);
}

/* Unless it is certain that it is not. */
static bool is_same_file(const evl_kq_slot *slot, int fd) {
    struct stat st;
    int rc = evl_fd_look(fd, &st);
    if (rc != 0 && rc != EVL_EPERM)
        return rc != EVL_EBADF;
    return st.st_dev == slot->dev && st.st_ino == slot->ino;
}

/* The same for an fd that has been added before. */
static int apply_again(evl_kqueue *s, int fd) {
    evl_kq_slot *slot = &s->slots[fd];
    if ((slot->known & MASK_FILTERS) || is_same_file(slot, fd))
        return apply(s, fd);
    slot->error = EVL_ENOENT;
    slot->unsure = false;
    pend(s, fd);
    return slot->error;
}

/* Deletes what the kernel has. Returns EVL_ENOENT or EVL_EBADF when it had nothing of that any more. */
static int delete_knotes(evl_kqueue *s, int fd) {
    struct kevent changes[EVL_KQ_CHANGES];
    int n = 0, err = 0;
    for (int f = 0; f < EVL_KQ_FILTERS; f++)
        if (s->slots[fd].known & filters[f].bit)
            n += put_change(&changes[n], fd, f, EV_DELETE);
    if (n == 0 || evl_kq_submit(s, changes, n) != 0)
        return 0;
    for (int i = 0; i < n; i++) {
        if (changes[i].data != ENOENT && changes[i].data != EBADF)
            return 0;
        err = (int)changes[i].data;
    }
    return evl_err_from_errno(err);
}

int evl_kq_forget(evl_kqueue *s, int fd) {
    int rc = delete_knotes(s, fd);
    evl_kq_unpend(s, fd);
    s->slots[fd] = (evl_kq_slot){0};
    s->watched--;
    return rc;
}

/* --- what is pending -------------------------------------------------------------------------- */

/* Sends what is pending by calls of its own. What is lost or broken stays in the list. */
int evl_kq_send_pending(evl_kqueue *s) {
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
int evl_kq_describe_pending(const evl_kqueue *s, struct kevent *changes, int cap) {
    int n = 0;
    for (uint32_t i = 0; i < s->pending_len; i++) {
        const evl_kq_slot *slot = &s->slots[s->pending[i]];
        struct kevent own[EVL_KQ_CHANGES];
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
bool evl_kq_settle_pending(evl_kqueue *s, const struct kevent *rows, int n) {
    bool errors = false;
    for (int i = 0; i < n; i++) {
        if (!(rows[i].flags & EV_ERROR))
            continue;
        errors = true;
        evl_kq_slot *slot = rows[i].ident <= INT_MAX ? evl_kq_watched(s, (int)rows[i].ident) : NULL;
        if (slot && slot->pending && rows[i].data != 0)
            judge(slot, evl_kq_bit_of((int)rows[i].filter), (int)rows[i].data);
    }
    for (uint32_t i = 0; i < s->pending_len;) {
        int fd = s->pending[i];
        (void)settle(s, fd);
        i += s->slots[fd].pending != 0;
    }
    return errors;
}

/* --- interest --------------------------------------------------------------------------------- */

int evl_kq_add(void *state, int fd, uint32_t mask, uint64_t tag) {
    evl_kqueue *s = state;
    struct stat st;
    int rc = evl_fd_look(fd, &st);
    if (rc == 0 && (fd == s->kq || fd == s->wake_r))
        rc = fd == s->kq ? EVL_EINVAL : EVL_EEXIST;
    if (rc == 0)
        rc = make_room(s, fd);
    if (rc != 0)
        return rc;
    if (evl_kq_watched(s, fd))
        (void)evl_kq_forget(s, fd);
    s->watched++;
    s->slots[fd] = (evl_kq_slot){.tag = tag, .wanted = mask, .dev = st.st_dev, .ino = st.st_ino};
    rc = apply(s, fd);
    if (rc != 0)
        (void)evl_kq_forget(s, fd);
    evl_kq_wake_for_pending(s);
    return rc;
}

int evl_kq_prove(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    evl_kqueue *s = state;
    evl_kq_slot *slot = evl_kq_watched(s, fd);
    (void)old;
    if (!slot)
        return EVL_ENOENT;
    uint32_t wanted = slot->wanted;
    slot->wanted = mask;
    slot->unsure |= (mask & EVL_MASK_EDGE) != 0; /* only a new knote is certain to report what is there */
    int rc = slot->error != 0 ? EVL_ENOENT : apply_again(s, fd);
    if (rc == EVL_ENOENT || rc == EVL_EBADF)
        (void)evl_kq_forget(s, fd);
    else if (rc != 0) {
        /* The old mask goes on. */
        slot->wanted = wanted;
        slot->error = 0;
        pend(s, fd);
    } else
        slot->tag = tag;
    evl_kq_wake_for_pending(s);
    return rc;
}

int evl_kq_change(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    evl_kqueue *s = state;
    evl_kq_slot *slot = evl_kq_watched(s, fd);
    if (old == 0)
        return mask == 0 ? 0 : evl_kq_add(state, fd, mask, tag);
    if (!slot)
        return EVL_ENOENT;
    if (mask == 0) {
        int lost = slot->error != 0 ? EVL_ENOENT : 0, rc = evl_kq_forget(s, fd);
        return lost ? lost : rc;
    }
    if (s->polled)
        return evl_kq_prove(state, fd, old, mask, tag);
    slot->wanted = mask;
    slot->tag = tag;
    pend(s, fd);
    return 0;
}

/* Closing a number takes its knotes along: nothing stays. */
int evl_kq_remove(void *state, int fd, uint32_t mask) {
    evl_kqueue *s = state;
    (void)mask;
    if (evl_kq_watched(s, fd))
        (void)evl_kq_forget(s, fd);
    return 0;
}

#else
typedef int evl_no_kqueue_change; /* a translation unit may not be empty */
#endif
