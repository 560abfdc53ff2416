/* fake_kqueue.c - a working kqueue for Linux, on which the tests run evloop's kqueue backend.
 *
 * It behaves as FreeBSD's does, also where that is inconvenient: a regular file can be added, the write end
 * of a pipe without readers cannot (EPIPE), an error row says nothing but EV_ERROR and the errno, knotes
 * disappear with the number they were added for, a child does not inherit the queue, and the descriptor of a
 * queue is not close-on-exec.
 *
 * The descriptor is an epoll set with one more set in it for each filter, so that it polls readable exactly
 * when a kevent would report something and the kernel does the level, edge and fairness work:
 *
 *     fd ── of_filter[READ], [WRITE], [EXCEPT] ── the watched fds
 *        ├─ soft: an eventfd, written when a USER or SIGNAL knote may be active
 *        ├─ files: an eventfd that is readable while there are knotes on what epoll refuses
 *        ├─ the inotify of vnodes.c
 *        └─ a timerfd or a pidfd for each TIMER and PROC knote
 *
 * `identity` holds every watched fd and is never waited on: the kernel finds an entry by file and number, so
 * that changing one proves that the number still names the file that was added. */
#include <sys/event.h>

#include "base/sys.h" /* evl_sys.close */
#include "vnodes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FD_LIMIT = 1 << 16, USERS = 32, KEYED = 64, ROWS = 2048 };

enum { READ, WRITE, EXCEPT, FILTERS };
static const short filter_of[FILTERS] = {EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT};
static const uint32_t events_of[FILTERS] = {EPOLLIN | EPOLLRDHUP, EPOLLOUT, EPOLLPRI};

typedef struct knote {
    bool used;
    bool enabled;
    bool armed;           /* fds only: it is in of_filter */
    unsigned short flags; /* EV_CLEAR, EV_ONESHOT, EV_DISPATCH */
    unsigned int fflags;
    void *udata;
} knote;

typedef struct watched {
    uint32_t gen; /* in the tag of what of_filter reports, so that a file that is gone is not mistaken */
    bool is_file; /* epoll refuses it; dev and ino prove it instead of `identity` */
    dev_t dev;
    ino_t ino;
    knote notes[FILTERS];
} watched;

/* The knote of a timer, a child or a signal. */
typedef struct keyed {
    knote note;
    short filter;
    uintptr_t ident;
    int fd;            /* timerfd, pidfd */
    unsigned int seen; /* of signal_counts */
} keyed;

typedef struct user {
    atomic_bool used;
    atomic_bool triggered;
    atomic_uintptr_t ident;
    knote note;
} user;

typedef struct queue {
    struct queue *next;
    int fd;
    int of_filter[FILTERS];
    int identity;
    int files;
    atomic_int soft;
    int file_notes;
    unsigned turn;
    watched *fds;
    int fds_cap;
    user users[USERS];
    keyed keyed[KEYED];
    vnodes vnodes;
} queue;

/* One lock for everything, never held while waiting. What a signal handler may do goes without: queues are
 * never freed, only used again. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(queue *) queues[FD_LIMIT];
static queue *live;
static queue *spare;
static atomic_int live_count;
static atomic_uint signal_counts[NSIG];
static struct sigaction signal_before[NSIG];
static int signal_users[NSIG];

static int64_t monotonic(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct timespec to_timespec(int64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

static int control(int ep, int op, int fd, uint32_t events, uint64_t tag) {
    struct epoll_event ev = {.events = events, .data.u64 = tag};
    return epoll_ctl(ep, op, fd, &ev) == 0 ? 0 : errno;
}

/* --- queues --------------------------------------------------------------------------------------- */

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void drop_keyed(keyed *k);

/* Gives back everything but `fd` itself. */
static void release(queue *q) {
    for (int f = 0; f < FILTERS; f++)
        close_fd(&q->of_filter[f]);
    close_fd(&q->identity);
    close_fd(&q->files);
    int soft = atomic_exchange(&q->soft, -1);
    close_fd(&soft);
    for (int i = 0; i < KEYED; i++)
        drop_keyed(&q->keyed[i]);
    vnodes_release(&q->vnodes);
    free(q->fds);
    q->fds = NULL;
    q->next = spare;
    spare = q;
}

static void reclaim(queue *q) {
    atomic_store(&queues[q->fd], NULL);
    queue **at = &live;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    atomic_fetch_sub(&live_count, 1);
    release(q);
}

/* The queue of a descriptor, or NULL. That a descriptor was closed is noticed here at the latest. */
static queue *find(int fd) {
    queue *q = fd >= 0 && fd < FD_LIMIT ? atomic_load(&queues[fd]) : NULL;
    if (q && control(fd, EPOLL_CTL_MOD, atomic_load(&q->soft), EPOLLIN, 0) != 0) {
        reclaim(q);
        q = NULL;
    }
    return q;
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&lock); }
static void after_fork_in_child(void) {
    while (live) {
        int fd = live->fd;
        queue *q = find(fd); /* a number that names another file by now stays open */
        if (!q)
            continue;
        reclaim(q);
        close(fd);
    }
    pthread_mutex_unlock(&lock);
}

static int (*real_close)(int fd);

static int closing(int fd) {
    pthread_mutex_lock(&lock);
    queue *q = find(fd);
    if (q)
        reclaim(q);
    for (q = live; q; q = q->next)
        vnodes_closing(&q->vnodes, fd);
    pthread_mutex_unlock(&lock);
    return real_close(fd);
}

/* Before any constructor of C++ looks at the table. */
__attribute__((constructor(101))) static void begin(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    real_close = evl_sys.close;
    evl_sys.close = closing;
}

static queue *make_queue(void) {
    queue *q = calloc(1, sizeof *q);
    if (q)
        vnodes_begin(&q->vnodes);
    return q;
}

static queue *take_spare(void) {
    queue *q = spare;
    if (!q)
        return make_queue();
    spare = q->next;
    for (int i = 0; i < USERS; i++) {
        atomic_store(&q->users[i].used, false);
        atomic_store(&q->users[i].triggered, false);
    }
    q->fds_cap = q->file_notes = 0;
    q->turn = 0;
    return q;
}

static bool open_fds(queue *q) {
    q->fd = epoll_create1(0);
    q->identity = epoll_create1(EPOLL_CLOEXEC);
    q->files = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int soft = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&q->soft, soft);
    bool ok = q->fd >= 0 && q->identity >= 0 && q->files >= 0 && soft >= 0;
    for (int f = 0; f < FILTERS; f++) {
        q->of_filter[f] = epoll_create1(EPOLL_CLOEXEC);
        ok = ok && q->of_filter[f] >= 0 && control(q->fd, EPOLL_CTL_ADD, q->of_filter[f], EPOLLIN, 0) == 0;
    }
    return ok && control(q->fd, EPOLL_CTL_ADD, soft, EPOLLIN, 0) == 0 &&
           control(q->fd, EPOLL_CTL_ADD, q->files, EPOLLIN, 0) == 0;
}

static int open_queue(void) {
    queue *q = take_spare();
    if (!q)
        return -1;
    bool ok = open_fds(q);
    int err = errno;
    if (!ok || q->fd >= FD_LIMIT) {
        close_fd(&q->fd);
        release(q);
        errno = ok ? EMFILE : err;
        return -1;
    }
    queue *old = atomic_load(&queues[q->fd]);
    if (old) /* closed without a call of ours */
        reclaim(old);
    q->next = live;
    live = q;
    atomic_fetch_add(&live_count, 1);
    atomic_store(&queues[q->fd], q);
    return q->fd;
}

int kqueue(void) {
    pthread_mutex_lock(&lock);
    int fd = open_queue();
    pthread_mutex_unlock(&lock);
    return fd;
}

/* --- knotes on fds -------------------------------------------------------------------------------- */

static uint64_t tag_of(const queue *q, int fd) { return (uint64_t)q->fds[fd].gen << 32 | (uint32_t)fd; }

static void count_file_note(queue *q, int by) {
    uint64_t n = 1;
    if (q->file_notes == 0 || q->file_notes + by == 0)
        (void)!(by > 0 ? write(q->files, &n, sizeof n) : read(q->files, &n, sizeof n));
    q->file_notes += by;
}

/* Takes a knote out of the set of its filter. The entry of a file that is gone may stay, as a stale
 * registration; see collect_fds. */
static void disarm(queue *q, int fd, int f) {
    watched *w = &q->fds[fd];
    if (!w->notes[f].armed)
        return;
    w->notes[f].armed = false;
    if (w->is_file)
        count_file_note(q, -1);
    else
        (void)control(q->of_filter[f], EPOLL_CTL_DEL, fd, 0, 0);
}

/* Puts a knote into the set of its filter, or looks again whether it is ready. PRI is always an edge there
 * and looked at again after each report, since epoll reports hangups with it. */
static int arm(queue *q, int fd, int f) {
    watched *w = &q->fds[fd];
    knote *note = &w->notes[f];
    if (w->is_file) {
        if (!note->armed)
            count_file_note(q, 1);
        note->armed = true;
        return 0;
    }
    bool edge = (note->flags & EV_CLEAR) || f == EXCEPT;
    uint32_t events = events_of[f] | (edge ? (uint32_t)EPOLLET : 0);
    int err =
        control(q->of_filter[f], note->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events, tag_of(q, fd));
    if (err == EEXIST) /* left behind by a duplicate */
        err = control(q->of_filter[f], EPOLL_CTL_MOD, fd, events, tag_of(q, fd));
    note->armed = err == 0;
    return err;
}

static bool any_used(const watched *w) {
    return w->notes[READ].used || w->notes[WRITE].used || w->notes[EXCEPT].used;
}

static void drop(queue *q, int fd, int f) {
    watched *w = &q->fds[fd];
    disarm(q, fd, f);
    w->notes[f] = (knote){0};
    if (!any_used(w)) {
        if (!w->is_file)
            (void)control(q->identity, EPOLL_CTL_DEL, fd, 0, 0);
        w->gen++;
    }
}

/* The knotes of a number disappear with the file that it named. */
static void look_at_identity(queue *q, int fd) {
    if (fd >= q->fds_cap || !any_used(&q->fds[fd]))
        return;
    const watched *w = &q->fds[fd];
    struct stat st;
    bool same = w->is_file ? fstat(fd, &st) == 0 && st.st_dev == w->dev && st.st_ino == w->ino
                           : control(q->identity, EPOLL_CTL_MOD, fd, EPOLLET, 0) == 0;
    for (int f = 0; f < FILTERS && !same; f++)
        if (w->notes[f].used)
            drop(q, fd, f);
}

static bool make_room(queue *q, int fd) {
    if (fd < q->fds_cap)
        return true;
    int cap = fd < 512 ? 1024 : fd * 2;
    watched *fds = realloc(q->fds, (size_t)cap * sizeof *fds);
    if (!fds)
        return false;
    memset(fds + q->fds_cap, 0, (size_t)(cap - q->fds_cap) * sizeof *fds);
    q->fds = fds;
    q->fds_cap = cap;
    return true;
}

/* What each kind of file refuses. */
static int refusal(int fd, int f, const struct stat *st) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (f == EXCEPT)
        return S_ISSOCK(st->st_mode) ? 0 : EINVAL;
    if (f == WRITE && S_ISFIFO(st->st_mode) && poll(&p, 1, 0) == 1 && (p.revents & POLLERR))
        return EPIPE;
    return 0;
}

static int add_fd(queue *q, int fd, int f) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    int err = refusal(fd, f, &st);
    if (err != 0)
        return err;
    if (!make_room(q, fd))
        return ENOMEM;
    watched *w = &q->fds[fd];
    if (any_used(w))
        return 0;
    err = control(q->identity, EPOLL_CTL_ADD, fd, EPOLLET, 0);
    w->is_file = err == EPERM;
    w->dev = st.st_dev;
    w->ino = st.st_ino;
    return err == EPERM || err == EEXIST ? 0 : err;
}

static int change_fd(queue *q, const struct kevent *change, int f) {
    int fd = (int)change->ident;
    if (change->ident > FD_LIMIT || fcntl(fd, F_GETFD) < 0)
        return EBADF;
    look_at_identity(q, fd);
    bool there = fd < q->fds_cap && q->fds[fd].notes[f].used;
    if (!there && !(change->flags & EV_ADD))
        return ENOENT;
    if (change->flags & EV_DELETE) {
        if (there)
            drop(q, fd, f);
        return 0;
    }
    int err = there ? 0 : add_fd(q, fd, f);
    if (err != 0)
        return err;
    knote *note = &q->fds[fd].notes[f];
    if (!there) /* a knote keeps the flags it was made with */
        *note = (knote){.used = true, .enabled = true, .flags = change->flags};
    note->fflags = change->fflags;
    note->udata = change->udata;
    if (change->flags & (EV_ADD | EV_ENABLE | EV_DISABLE))
        note->enabled = !(change->flags & EV_DISABLE);
    if (!note->enabled) {
        disarm(q, fd, f);
        return 0;
    }
    err = arm(q, fd, f);
    if (err != 0)
        drop(q, fd, f);
    return err;
}

/* --- USER, TIMER, PROC, SIGNAL -------------------------------------------------------------------- */

static void soften(queue *q) {
    int saved = errno;
    uint64_t one = 1;
    (void)!write(atomic_load(&q->soft), &one, sizeof one);
    errno = saved;
}

static user *find_user(queue *q, uintptr_t ident) {
    for (int i = 0; i < USERS; i++)
        if (atomic_load(&q->users[i].used) && atomic_load(&q->users[i].ident) == ident)
            return &q->users[i];
    return NULL;
}

/* Async-signal-safe, and without the lock. */
static int trigger(queue *q, uintptr_t ident) {
    user *u = find_user(q, ident);
    if (!u)
        return ENOENT;
    atomic_store(&u->triggered, true);
    soften(q);
    return 0;
}

static int change_user(queue *q, const struct kevent *change) {
    user *u = find_user(q, change->ident);
    if (!u && !(change->flags & EV_ADD))
        return ENOENT;
    for (int i = 0; i < USERS && !u; i++)
        if (!atomic_load(&q->users[i].used)) {
            u = &q->users[i];
            u->note = (knote){.enabled = true, .flags = change->flags};
            atomic_store(&u->triggered, false);
            atomic_store(&u->ident, change->ident);
        }
    if (!u)
        return ENOMEM;
    atomic_store(&u->used, !(change->flags & EV_DELETE));
    u->note.udata = change->udata;
    if (change->flags & (EV_ENABLE | EV_DISABLE))
        u->note.enabled = !(change->flags & EV_DISABLE);
    if (change->fflags & NOTE_TRIGGER)
        atomic_store(&u->triggered, true);
    soften(q);
    return 0;
}

static void count_signal(int signo, siginfo_t *info, void *context) {
    atomic_fetch_add(&signal_counts[signo], 1);
    for (int fd = 0, left = atomic_load(&live_count); fd < FD_LIMIT && left > 0; fd++) {
        queue *q = atomic_load(&queues[fd]);
        if (q) {
            left--;
            soften(q);
        }
    }
    const struct sigaction *before = &signal_before[signo];
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(signo, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(signo);
}

static int watch_signal(int signo) {
    struct sigaction action = {.sa_sigaction = count_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (signo <= 0 || signo >= NSIG)
        return EINVAL;
    if (signal_users[signo] == 0 && sigaction(signo, &action, &signal_before[signo]) != 0)
        return errno;
    signal_users[signo]++;
    return 0;
}

static int set_timer(int fd, const struct kevent *change) {
    int64_t unit = change->fflags & NOTE_SECONDS    ? 1000000000
                   : change->fflags & NOTE_USECONDS ? 1000
                   : change->fflags & NOTE_NSECONDS ? 1
                                                    : 1000000;
    if (change->data < 0 || change->data > INT64_MAX / unit)
        return EINVAL;
    int64_t ns = change->data ? change->data * unit : 1;
    bool absolute = (change->fflags & NOTE_ABSOLUTE) != 0;
    struct itimerspec when = {.it_value = to_timespec(ns)};
    if (!(change->flags & EV_ONESHOT) && !absolute)
        when.it_interval = when.it_value;
    return timerfd_settime(fd, absolute ? TFD_TIMER_ABSTIME : 0, &when, NULL) == 0 ? 0 : errno;
}

static void drop_keyed(keyed *k) {
    if (k->note.used && k->filter == EVFILT_SIGNAL && --signal_users[k->ident] == 0)
        sigaction((int)k->ident, &signal_before[k->ident], NULL);
    if (k->note.used && k->filter != EVFILT_SIGNAL)
        close_fd(&k->fd);
    k->note.used = false;
}

/* What a knote stands on in the kernel. */
static int start_keyed(queue *q, keyed *k) {
    if (k->filter == EVFILT_SIGNAL) {
        k->seen = atomic_load(&signal_counts[k->ident % NSIG]);
        return watch_signal((int)k->ident);
    }
    k->fd = k->filter == EVFILT_TIMER ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
                                      : (int)syscall(SYS_pidfd_open, (pid_t)k->ident, 0);
    if (k->fd < 0)
        return errno;
    int err = control(q->fd, EPOLL_CTL_ADD, k->fd, EPOLLIN, 0);
    if (err != 0)
        close_fd(&k->fd);
    return err;
}

static keyed *find_keyed(queue *q, short filter, uintptr_t ident) {
    for (int i = 0; i < KEYED; i++)
        if (q->keyed[i].note.used && q->keyed[i].filter == filter && q->keyed[i].ident == ident)
            return &q->keyed[i];
    return NULL;
}

static int add_keyed(queue *q, const struct kevent *change, keyed **out) {
    for (int i = 0; i < KEYED; i++) {
        keyed *k = &q->keyed[i];
        if (k->note.used)
            continue;
        *k = (keyed){.filter = change->filter, .ident = change->ident, .fd = -1};
        int err = start_keyed(q, k);
        k->note = (knote){.used = err == 0, .flags = change->flags};
        *out = k;
        return err;
    }
    return ENOMEM;
}

static int change_keyed(queue *q, const struct kevent *change) {
    keyed *k = find_keyed(q, change->filter, change->ident);
    if (!k && !(change->flags & EV_ADD))
        return ENOENT;
    if (change->flags & EV_DELETE) {
        if (k)
            drop_keyed(k);
        return 0;
    }
    int err = k ? 0 : add_keyed(q, change, &k);
    if (err != 0)
        return err;
    k->note.udata = change->udata;
    k->note.enabled = !(change->flags & EV_DISABLE);
    if (k->fd >= 0)
        (void)control(q->fd, k->note.enabled ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, k->fd, EPOLLIN, 0);
    if (change->filter == EVFILT_TIMER && (change->flags & EV_ADD)) {
        err = set_timer(k->fd, change);
        if (err != 0)
            drop_keyed(k);
    }
    return err;
}

static int change_vnode(queue *q, const struct kevent *change) {
    int before = q->vnodes.inotify, err = vnodes_change(&q->vnodes, change);
    if (before < 0 && q->vnodes.inotify >= 0)
        (void)control(q->fd, EPOLL_CTL_ADD, q->vnodes.inotify, EPOLLIN, 0);
    if (vnodes_due(&q->vnodes))
        soften(q);
    return err;
}

static int change_one(queue *q, const struct kevent *change) {
    for (int f = 0; f < FILTERS; f++)
        if (change->filter == filter_of[f])
            return change_fd(q, change, f);
    switch (change->filter) {
    case EVFILT_USER:
        return change_user(q, change);
    case EVFILT_VNODE:
        return change_vnode(q, change);
    case EVFILT_TIMER:
    case EVFILT_PROC:
    case EVFILT_SIGNAL:
        return change_keyed(q, change);
    default:
        return EINVAL;
    }
}

/* --- collecting ----------------------------------------------------------------------------------- */

typedef struct rows {
    struct kevent *at;
    int n, cap;
} rows;

static void put(rows *out, uintptr_t ident, short filter, const knote *note, struct kevent row) {
    row.ident = ident;
    row.filter = filter;
    row.flags |= note->flags & (EV_CLEAR | EV_ONESHOT | EV_DISPATCH);
    row.udata = note->udata;
    out->at[out->n++] = row;
}

static struct kevent row_of(int fd, int f, uint32_t events) {
    struct kevent row = {0};
    struct stat st;
    int bytes = 0;
    if (f == EXCEPT) {
        row.fflags = NOTE_OOB;
        return row;
    }
    if (f == READ && ioctl(fd, FIONREAD, &bytes) == 0)
        row.data = bytes;
    uint32_t end = f == READ ? EPOLLRDHUP | EPOLLHUP | EPOLLERR : EPOLLHUP | EPOLLERR;
    if (events & end)
        row.flags = EV_EOF;
    /* Asking for the error would take it away from whoever owns the socket. */
    if ((events & EPOLLERR) && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
        row.fflags = ECONNRESET;
    return row;
}

static void put_fd(queue *q, rows *out, int fd, int f, struct kevent row) {
    knote *note = &q->fds[fd].notes[f];
    put(out, (uintptr_t)fd, filter_of[f], note, row);
    if (note->flags & EV_ONESHOT)
        drop(q, fd, f);
    else if (note->flags & EV_DISPATCH) {
        note->enabled = false;
        disarm(q, fd, f);
    } else if (f == EXCEPT && !(note->flags & EV_CLEAR))
        (void)arm(q, fd, f);
}

/* An entry whose file is open under another number cannot be deleted. Only a new set gets rid of it; other
 * knotes with EV_CLEAR see one more edge. */
static void rebuild(queue *q, int f) {
    int fresh = epoll_create1(EPOLL_CLOEXEC);
    if (fresh < 0)
        return;
    (void)dup3(fresh, q->of_filter[f], O_CLOEXEC);
    close(fresh);
    (void)control(q->fd, EPOLL_CTL_ADD, q->of_filter[f], EPOLLIN, 0);
    for (int fd = 0; fd < q->fds_cap; fd++)
        if (q->fds[fd].notes[f].armed && !q->fds[fd].is_file) {
            q->fds[fd].notes[f].armed = false;
            (void)arm(q, fd, f);
        }
}

static void collect_fds(queue *q, int f, rows *out) {
    struct epoll_event events[ROWS];
    int room = out->cap - out->n;
    int n = room > 0 ? epoll_wait(q->of_filter[f], events, room < ROWS ? room : ROWS, 0) : 0;
    bool stale = false;
    for (int i = 0; i < n; i++) {
        int fd = (int)(uint32_t)events[i].data.u64;
        look_at_identity(q, fd);
        if (events[i].data.u64 != tag_of(q, fd) || !q->fds[fd].notes[f].armed)
            stale = true;
        else if (f != EXCEPT || (events[i].events & EPOLLPRI))
            put_fd(q, out, fd, f, row_of(fd, f, events[i].events));
    }
    if (stale)
        rebuild(q, f);
}

static void collect_files(queue *q, rows *out) {
    for (int i = 0; q->file_notes > 0 && i < q->fds_cap * FILTERS; i++) {
        int fd = i / FILTERS, f = i % FILTERS;
        if (!q->fds[fd].is_file || !q->fds[fd].notes[f].armed)
            continue;
        look_at_identity(q, fd);
        knote *note = &q->fds[fd].notes[f];
        if (!note->armed || out->n == out->cap)
            continue;
        put_fd(q, out, fd, f, (struct kevent){0});
        if (note->flags & EV_CLEAR)
            disarm(q, fd, f);
    }
}

static void collect_users(queue *q, rows *out) {
    for (int i = 0; i < USERS; i++) {
        user *u = &q->users[i];
        if (!atomic_load(&u->used) || !u->note.enabled || out->n == out->cap ||
            !atomic_exchange(&u->triggered, false))
            continue;
        put(out, atomic_load(&u->ident), EVFILT_USER, &u->note, (struct kevent){0});
        if (u->note.flags & EV_ONESHOT)
            atomic_store(&u->used, false);
        else if (!(u->note.flags & EV_CLEAR))
            atomic_store(&u->triggered, true);
        if (u->note.flags & EV_DISPATCH)
            u->note.enabled = false;
    }
}

static bool look_at_keyed(keyed *k, struct kevent *row) {
    uint64_t times;
    siginfo_t info = {0};
    unsigned count;
    switch (k->filter) {
    case EVFILT_TIMER:
        if (read(k->fd, &times, sizeof times) != (ssize_t)sizeof times)
            return false;
        row->data = (int64_t)times;
        return true;
    case EVFILT_PROC:
        if (poll(&(struct pollfd){.fd = k->fd, .events = POLLIN}, 1, 0) != 1)
            return false;
        if (waitid(P_PID, (id_t)k->ident, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
            row->data = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
        row->fflags = NOTE_EXIT;
        return true;
    default:
        count = atomic_load(&signal_counts[k->ident]);
        row->data = count - k->seen;
        k->seen = count;
        return row->data != 0;
    }
}

static void collect_keyed(queue *q, rows *out) {
    for (int i = 0; i < KEYED; i++) {
        keyed *k = &q->keyed[i];
        struct kevent row = {0};
        if (!k->note.used || !k->note.enabled || out->n == out->cap || !look_at_keyed(k, &row))
            continue;
        put(out, k->ident, k->filter, &k->note, row);
        if (k->filter == EVFILT_PROC || (k->note.flags & EV_ONESHOT))
            drop_keyed(k);
    }
}

/* Whether something is left that only the eventfd `soft` can announce. */
static bool soft_is_due(queue *q) {
    for (int i = 0; i < USERS; i++)
        if (atomic_load(&q->users[i].used) && q->users[i].note.enabled && atomic_load(&q->users[i].triggered))
            return true;
    for (int i = 0; i < KEYED; i++) {
        const keyed *k = &q->keyed[i];
        if (k->note.used && k->note.enabled && k->filter == EVFILT_SIGNAL &&
            k->seen != atomic_load(&signal_counts[k->ident]))
            return true;
    }
    return vnodes_due(&q->vnodes);
}

/* The sources take turns at being first, so that a short list starves none. */
static int collect(queue *q, struct kevent *at, int cap) {
    rows out = {at, 0, cap};
    uint64_t ignored;
    (void)!read(atomic_load(&q->soft), &ignored, sizeof ignored);
    unsigned first = q->turn++;
    for (unsigned i = 0; i < FILTERS + 4; i++) {
        unsigned source = (first + i) % (FILTERS + 4);
        if (source < FILTERS)
            collect_fds(q, (int)source, &out);
        else if (source == FILTERS)
            collect_files(q, &out);
        else if (source == FILTERS + 1)
            collect_users(q, &out);
        else if (source == FILTERS + 2)
            collect_keyed(q, &out);
        else
            out.n += vnodes_collect(&q->vnodes, out.at + out.n, out.cap - out.n);
    }
    if (soft_is_due(q))
        soften(q);
    return out.n;
}

/* --- kevent --------------------------------------------------------------------------------------- */

/* Returns how many rows, or -1 with errno: an error that finds no room ends the call. */
static int change_all(queue *q, const struct kevent *changes, int n, struct kevent *events, int cap) {
    int rows = 0;
    for (int i = 0; i < n; i++) {
        struct kevent row = changes[i];
        int err = change_one(q, &row);
        if (err == 0 && !(row.flags & EV_RECEIPT))
            continue;
        if (rows < cap) {
            row.flags = EV_ERROR;
            row.data = err;
            events[rows++] = row;
        } else if (err != 0) {
            errno = err;
            return -1;
        }
    }
    return rows;
}

/* Waits without the lock until there may be something to collect. 0: time is up. */
static int wait_until(int fd, int64_t deadline) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (deadline == INT64_MAX)
        return ppoll(&p, 1, NULL, NULL);
    int64_t left = deadline - monotonic();
    struct timespec ts = to_timespec(left > 0 ? left : 0);
    return ppoll(&p, 1, &ts, NULL);
}

static int64_t deadline_of(const struct timespec *timeout) {
    if (!timeout || timeout->tv_sec > INT32_MAX)
        return INT64_MAX;
    return monotonic() + (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
}

/* Changes and collects once. -1 with EAGAIN: nothing is ready. */
static int attempt(int fd, const struct kevent *changes, int n, struct kevent *events, int cap) {
    int rc = -1;
    pthread_mutex_lock(&lock);
    queue *q = find(fd);
    errno = EBADF;
    if (q) {
        rc = change_all(q, changes, n, events, cap);
        if (rc == 0 && cap > 0) {
            rc = collect(q, events, cap);
            if (rc == 0) {
                rc = -1;
                errno = EAGAIN;
            }
        }
    }
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

static bool only_triggers(const struct kevent *changes, int n, int cap) {
    return n == 1 && cap == 0 && changes->filter == EVFILT_USER && changes->flags == 0 &&
           (changes->fflags & NOTE_TRIGGER);
}

static int kevent_trigger(int fd, uintptr_t ident) {
    queue *q = fd >= 0 && fd < FD_LIMIT ? atomic_load(&queues[fd]) : NULL;
    int err = q ? trigger(q, ident) : EBADF;
    if (err == 0)
        return 0;
    errno = err;
    return -1;
}

int kevent(int fd, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout) {
    if (only_triggers(changes, nchanges, nevents))
        return kevent_trigger(fd, changes->ident);
    if (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999)) {
        errno = EINVAL;
        return -1;
    }
    int64_t deadline = deadline_of(timeout);
    for (bool last = false;;) {
        int rc = attempt(fd, changes, nchanges, events, nevents);
        if (rc >= 0 || errno != EAGAIN)
            return rc;
        if (last)
            return 0;
        nchanges = 0;
        rc = wait_until(fd, deadline);
        if (rc < 0)
            return -1;
        last = rc == 0;
    }
}
