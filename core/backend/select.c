/* select.c - the backend for everything else. It has no queue in the kernel: what is wanted is kept here, in
 * sets that grow, and handed over whole with every wait. */
#if defined(__APPLE__)
#    define _DARWIN_UNLIMITED_SELECT 1 /* fds beyond FD_SETSIZE */
#endif
#if defined(__linux__) && !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* O_PATH */
#endif
#include "fdmap.h"

#include <fcntl.h>

#include <limits.h>
#include <stdbool.h>
#include <string.h>

/* The word that the kernel's fd_set is an array of; it matters where the byte order is big-endian. The sets
 * are handled bit by bit, since FD_SET stops at FD_SETSIZE or aborts there. */
#if defined(__linux__) || defined(__FreeBSD__) || defined(__DragonFly__)
typedef unsigned long word;
#else
typedef uint32_t word;
#endif
#define WORD_BITS ((int)(sizeof(word) * CHAR_BIT))

#if defined(__linux__) || EVL_HAVE_KQUEUE
#    define FD_LIMIT INT_MAX
#else
#    define FD_LIMIT FD_SETSIZE
#endif

enum { SET_READ, SET_WRITE, SET_EXCEPT, SETS };

static const uint32_t set_bits[SETS] = {EVL_READ, EVL_WRITE, EVL_PRI};

/* One per fd number. The file's identity is kept because the kernel keeps nothing. */
typedef struct slot {
    uint64_t tag;
    uint64_t dev;
    uint64_t ino;
    uint32_t type; /* S_IFMT of st_mode */
    uint32_t mask; /* 0: not watched */
} slot;

typedef struct select_state {
    evl_mem *mem;
    slot *slots;
    uint32_t slot_cap;
    uint32_t words; /* of one set */
    word *sets;     /* SETS sets wanted, then SETS sets found */
    int end;        /* no fd from here on is watched */
    int next;       /* where the next report begins, so that high fds have their turn */
    int wake_r;
    int wake_w;
    uint64_t wake_tag;
} select_state;

static word *wanted(const select_state *s, int set) { return s->sets + (size_t)set * s->words; }

static word *found(const select_state *s, int set) { return wanted(s, SETS + set); }

static void put_bit(word *set, int fd, bool on) {
    word bit = (word)1 << fd % WORD_BITS;
    if (on)
        set[fd / WORD_BITS] |= bit;
    else
        set[fd / WORD_BITS] &= ~bit;
}

static bool get_bit(const word *set, int fd) { return (set[fd / WORD_BITS] >> fd % WORD_BITS & 1) != 0; }

static size_t sets_size(uint32_t words) { return sizeof(word) * 2 * SETS * words; }

static int grow_sets(select_state *s, int fd) {
    uint32_t need = (uint32_t)fd / (uint32_t)WORD_BITS + 1, words = s->words ? s->words : 16;
    if (need <= s->words)
        return 0;
    while (words < need)
        words *= 2;
    word *fresh = evl_mem_zalloc(s->mem, sets_size(words));
    if (!fresh)
        return EVL_ENOMEM;
    for (int set = 0; s->sets && set < SETS; set++)
        memcpy(fresh + (size_t)set * words, wanted(s, set), s->words * sizeof(word));
    evl_mem_free(s->mem, s->sets, sets_size(s->words));
    s->sets = fresh;
    s->words = words;
    return 0;
}

static int make_room(select_state *s, int fd) {
    if (fd >= FD_LIMIT)
        return EVL_EMFILE;
    slot *slots = evl_fd_room(s->mem, s->slots, &s->slot_cap, fd, sizeof(slot));
    if (!slots)
        return EVL_ENOMEM;
    s->slots = slots;
    return grow_sets(s, fd);
}

static slot *watched(const select_state *s, int fd) {
    return fd >= 0 && fd < s->end && s->slots[fd].mask ? &s->slots[fd] : NULL;
}

/* There is room for fd. */
static void want(select_state *s, int fd, uint32_t mask, uint64_t tag) {
    for (int set = 0; set < SETS; set++)
        put_bit(wanted(s, set), fd, (mask & set_bits[set]) != 0);
    s->slots[fd].mask = mask;
    s->slots[fd].tag = tag;
    if (mask && fd >= s->end)
        s->end = fd + 1;
}

/* The wake pipe is not the loop's to forget, whatever number it is asked about. */
static void forget(select_state *s, int fd) {
    if (watched(s, fd) && fd != s->wake_r)
        want(s, fd, 0, 0);
}

/* --- open, close ------------------------------------------------------------------------------ */

static void close_pipe(select_state *s) {
    if (s->wake_r >= 0) {
        want(s, s->wake_r, 0, 0);
        (void)evl_sys.close(s->wake_r);
        (void)evl_sys.close(s->wake_w);
    }
    s->wake_r = s->wake_w = -1;
}

static void select_close(void *state, int forked) {
    select_state *s = state;
    if (!forked)
        close_pipe(s);
    evl_mem_free(s->mem, s->sets, sets_size(s->words));
    evl_mem_free(s->mem, s->slots, s->slot_cap * sizeof(slot));
    s->sets = NULL;
    s->slots = NULL;
    s->words = s->slot_cap = 0;
    s->end = s->next = 0;
}

/* Puts a fresh pipe in the place of the one there is, if there is one. */
static int open_pipe(select_state *s) {
    int fds[2];
    if (evl_sys.pipe_cloexec(fds) != 0)
        return evl_err_from_errno(errno);
    int rc = make_room(s, fds[0]);
    if (rc != 0) {
        (void)evl_sys.close(fds[0]);
        (void)evl_sys.close(fds[1]);
        return rc;
    }
    close_pipe(s);
    s->wake_r = fds[0];
    s->wake_w = fds[1];
    want(s, s->wake_r, EVL_READ, s->wake_tag);
    return 0;
}

static int select_open(void *state, evl_mem *mem, uint64_t wake_tag) {
    select_state *s = state;
    s->mem = mem;
    s->wake_tag = wake_tag;
    s->wake_r = s->wake_w = -1;
    int rc = open_pipe(s);
    if (rc != 0)
        select_close(s, 0);
    return rc;
}

/* Where no process forked, the pipe stays, since other threads may be writing to it. */
static int select_reopen(void *state, int forked) {
    select_state *s = state;
    int rc = forked ? open_pipe(s) : 0;
    for (int fd = 0; rc == 0 && fd < s->end; fd++)
        forget(s, fd);
    return rc;
}

/* --- interest --------------------------------------------------------------------------------- */

static bool same_file(const slot *slot, const struct stat *st) {
    return slot->dev == (uint64_t)st->st_dev && slot->ino == (uint64_t)st->st_ino &&
           slot->type == (uint32_t)(st->st_mode & S_IFMT);
}

/* An fd that only names a path is no file to wait for, as epoll says; select calls it ready. */
static bool is_path(int fd) {
#if defined(O_PATH)
    int flags = evl_sys.get_fd_flags(fd);
    return flags >= 0 && (flags & O_PATH) != 0;
#else
    (void)fd;
    return false;
#endif
}

static int select_add(void *state, int fd, uint32_t mask, uint64_t tag) {
    select_state *s = state;
    struct stat st;
    int rc = is_path(fd) ? EVL_EBADF : evl_fd_look(fd, &st);
    if (rc == 0 && fd == s->wake_r)
        rc = EVL_EEXIST;
    if (rc == 0)
        rc = make_room(s, fd);
    if (rc != 0)
        return rc;
    slot *slot = &s->slots[fd];
    slot->dev = (uint64_t)st.st_dev;
    slot->ino = (uint64_t)st.st_ino;
    slot->type = (uint32_t)(st.st_mode & S_IFMT);
    want(s, fd, mask, tag);
    return 0;
}

static int select_prove(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    select_state *s = state;
    const slot *slot = watched(s, fd);
    struct stat st;
    (void)old;
    if (!slot || fd == s->wake_r)
        return EVL_ENOENT;
    int rc = evl_fd_look(fd, &st);
    if (rc == EVL_EPERM || (rc == 0 && !same_file(slot, &st)))
        rc = EVL_ENOENT;
    if (rc == EVL_ENOENT || rc == EVL_EBADF)
        forget(s, fd);
    if (rc == 0)
        want(s, fd, mask, tag);
    return rc;
}

static int select_change(void *state, int fd, uint32_t old, uint32_t mask, uint64_t tag) {
    if (old == 0)
        return mask == 0 ? 0 : select_add(state, fd, mask, tag);
    return select_prove(state, fd, old, mask, tag);
}

static int select_remove(void *state, int fd, uint32_t mask) {
    (void)mask;
    forget(state, fd);
    return 0;
}

/* --- reports ---------------------------------------------------------------------------------- */

static word found_word(const select_state *s, int i) {
    return found(s, SET_READ)[i] | found(s, SET_WRITE)[i] | found(s, SET_EXCEPT)[i];
}

/* The first fd in a found set from `from` on and before `end`, or -1. */
static int next_found(const select_state *s, int from, int end) {
    for (int i = from / WORD_BITS; i < (end + WORD_BITS - 1) / WORD_BITS; i++) {
        word bits = found_word(s, i);
        if (i == from / WORD_BITS)
            bits &= ~(word)0 << from % WORD_BITS;
        if (bits) {
            int fd = i * WORD_BITS + __builtin_ctzll(bits);
            return fd < end ? fd : -1;
        }
    }
    return -1;
}

static int report(const select_state *s, int fd, evl_kernel_event *out) {
    const slot *slot = watched(s, fd);
    uint32_t mask = 0;
    for (int set = 0; set < SETS; set++)
        if (get_bit(found(s, set), fd))
            mask |= set_bits[set];
    if (!slot || !(mask & slot->mask))
        return 0;
    if (fd == s->wake_r)
        evl_wake_drain(fd);
    evl_event_put(out, mask & slot->mask, slot->tag);
    return 1;
}

/* Reports what was found in [from, end) behind n rows that are there; remembers the first that does not fit.
 */
static int report_range(select_state *s, int from, int end, evl_kernel_event *out, int cap, int n) {
    for (int fd = next_found(s, from, end); fd >= 0; fd = next_found(s, fd + 1, end)) {
        if (n >= cap) {
            s->next = fd;
            break;
        }
        n += report(s, fd, &out[n]);
    }
    return n;
}

static int report_found(select_state *s, evl_kernel_event *out, int cap) {
    int start = s->next < s->end ? s->next : 0;
    s->next = 0;
    int n = report_range(s, start, s->end, out, cap, 0);
    return s->next ? n : report_range(s, 0, start, out, cap, n);
}

/* Finds which fd is closed. Those that do not fit are found by the next wait. */
static int report_gone(select_state *s, evl_kernel_event *out, int cap) {
    int n = 0;
    for (int fd = 0; fd < s->end && n < cap; fd++) {
        const slot *slot = watched(s, fd);
        if (!slot || evl_sys.get_fd_flags(fd) >= 0 || errno != EBADF)
            continue;
        if (fd == s->wake_r)
            return EVL_EBADF;
        evl_event_put(&out[n++], EVL_MASK_GONE, slot->tag);
        forget(s, fd);
    }
    return n;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Lowers `end` to where the wanted sets end; returns in how many words that is. */
static int trim(select_state *s) {
    int i = (s->end + WORD_BITS - 1) / WORD_BITS;
    while (i > 0 &&
           !(wanted(s, SET_READ)[i - 1] | wanted(s, SET_WRITE)[i - 1] | wanted(s, SET_EXCEPT)[i - 1]))
        i--;
    if (s->end > i * WORD_BITS)
        s->end = i * WORD_BITS;
    return i;
}

static int ask_once(select_state *s, int64_t timeout_ns) {
    int words = trim(s);
    fd_set *sets[SETS];
    for (int set = 0; set < SETS; set++)
        sets[set] = memcpy(found(s, set), wanted(s, set), (size_t)words * sizeof(word));
    int64_t us = timeout_ns / 1000 + (timeout_ns % 1000 != 0);
    struct timeval t = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    int n =
        evl_sys.select(s->end, sets[SET_READ], sets[SET_WRITE], sets[SET_EXCEPT], timeout_ns < 0 ? NULL : &t);
    return n >= 0 ? n : evl_err_from_errno(errno);
}

static int ask(select_state *s, int64_t timeout_ns) {
    int n = 0;
    for (; n == 0 && timeout_ns > EVL_WAIT_MAX; timeout_ns -= EVL_WAIT_MAX)
        n = ask_once(s, EVL_WAIT_MAX);
    return n != 0 ? n : ask_once(s, timeout_ns);
}

static int select_wait(void *state, evl_kernel_event *out, int cap, int64_t timeout_ns) {
    select_state *s = state;
    int n = ask(s, timeout_ns);
    if (n == EVL_EBADF) {
        n = report_gone(s, out, cap);
        if (n != 0)
            return n;
        n = ask(s, timeout_ns); /* another thread has closed the number and opened it again in between */
    }
    return n > 0 ? report_found(s, out, cap) : n;
}

static void select_wake(void *state) {
    const select_state *s = state;
    evl_wake_write(s->wake_w);
}

static int select_rows(void *state, evl_poll_row *rows, int cap) {
    const select_state *s = state;
    int n = 0;
    for (int fd = 0; fd < s->end; fd++) {
        const slot *slot = watched(s, fd);
        if (!slot)
            continue;
        if (n < cap)
            rows[n] = (evl_poll_row){.fd = fd, .wanted = slot->mask};
        n++;
    }
    return n;
}

/* What a poll(2) calls an error or a hangup, select(2) calls ready. */
static uint32_t as_select(uint32_t reported, uint32_t mask) {
    if (!(reported & (EVL_ERR | EVL_HUP)))
        return reported & mask;
    uint32_t sides = mask & (EVL_READ | EVL_WRITE);
    return (reported & mask) | (sides ? sides : mask);
}

static int select_take(void *state, const evl_poll_row *rows, int n, evl_kernel_event *out, int cap) {
    select_state *s = state;
    size_t words = (size_t)trim(s);
    bool gone = false;
    for (int set = 0; set < SETS; set++)
        memset(found(s, set), 0, words * sizeof(word));
    for (int i = 0; i < n; i++) {
        const slot *slot = watched(s, rows[i].fd);
        uint32_t mask = slot ? as_select(rows[i].reported, slot->mask) : 0;
        for (int set = 0; set < SETS; set++)
            if (mask & set_bits[set])
                put_bit(found(s, set), rows[i].fd, true);
        gone |= slot && (rows[i].reported & EVL_MASK_GONE);
    }
    int closed = gone ? report_gone(s, out, cap) : 0;
    return closed != 0 ? closed : report_found(s, out, cap);
}

const evl_backend evl_backend_select = {
    .name = "select",
    .caps = EVL_CAP_PRI,
    .state_size = sizeof(select_state),
    .open = select_open,
    .close = select_close,
    .reopen = select_reopen,
    .add = select_add,
    .change = select_change,
    .prove = select_prove,
    .remove = select_remove,
    .wait = select_wait,
    .wake = select_wake,
    .rows = select_rows,
    .take = select_take,
};
