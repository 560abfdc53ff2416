/* process.c - child processes as handles.
 *
 * A `child` has an allocation of its own and outlives its handle: the exit status of a child whose handle was
 * closed must still be taken, or the child stays a zombie. When the loop is freed too, the process id goes
 * into the table of unreaped.c, and the next loop of this process that spawns, or reaps a child, takes its
 * status. */
#include "process.h"
#include "../async/waitq.h"
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/part.h"
#include "../loop/watcher.h"
#include "spawn.h"
#include "unreaped.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define STDIO_MAX 1024
#define KNOWN_FLAGS                                                                                          \
    (EVL_PROCESS_GROUP | EVL_PROCESS_SESSION | EVL_PROCESS_KILL | EVL_PROCESS_QUIET | EVL_PROCESS_UID |      \
     EVL_PROCESS_GID)

typedef struct process process;

typedef struct child {
    evl_link link; /* in the part's list */
    evl_loop *loop;
    process *handle; /* NULL: closed */
    int pid;
    int exit_fd; /* readable when the child has ended; -1: SIGCHLD reports that */
    bool is_pidfd;
    bool is_left;     /* it has ended, and is a zombie until the handle is closed */
    evl_op exit_wait; /* internal: waits for one of them */
} child;

struct process {
    evl_handle base;
    evl_waiters waiters; /* evl_process_wait */
    child *child;        /* NULL: ended */
    child *left;         /* ended, and its number still stands for its group; or NULL */
    int32_t pid;
    int32_t status; /* result of the callback; EVL_EAGAIN while the child runs */
    int32_t signo;
    uint32_t flags;   /* EVL_PROCESS_* */
    bool leads_group; /* is the leader of a process group */
    int32_t *fds;     /* the parent's ends of its pipes and sockets; -1: none */
    uint32_t fd_count;
};

/* --- the end of a child ----------------------------------------------------------------------- */

#if EVL_HAVE_KQUEUE
/* A kqueue with one event registered becomes readable when it occurs, which every backend can watch. */
static int open_exit_kqueue(int pid) {
    struct kevent change;
    int fd = evl_sys.kqueue();
    if (fd < 0)
        return -1;
    EV_SET(&change, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
    if (evl_sys.set_cloexec(fd) == 0 && evl_sys.kevent(fd, &change, 1, NULL, 0, NULL) == 0)
        return fd;
    int error = errno;
    (void)evl_sys.close(fd);
    errno = error;
    return -1;
}
#else
static int open_exit_kqueue(int pid) {
    (void)pid;
    errno = ENOSYS;
    return -1;
}
#endif

static bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

static int open_exit_fd(child *c) {
    c->exit_fd = evl_sys.pidfd_open(c->pid);
    c->is_pidfd = c->exit_fd >= 0;
    if (c->exit_fd < 0 && !is_shortage(errno))
        c->exit_fd = open_exit_kqueue(c->pid);
    return c->exit_fd < 0 && is_shortage(errno) ? evl_err_from_errno(errno) : 0;
}

static int wait_for_exit(child *c) {
    return c->exit_fd >= 0 ? evl_wait_fd(c->loop, &c->exit_wait, c->exit_fd, EVL_READ)
                           : evl_wait_signal(c->loop, &c->exit_wait, SIGCHLD);
}

static void close_process_fd(evl_loop *loop, int fd) {
    (void)evl_io_closing(loop, fd);
    (void)evl_sys.close(fd);
}

static void close_exit_fd(child *c) {
    if (c->exit_fd >= 0)
        close_process_fd(c->loop, c->exit_fd);
    c->exit_fd = -1;
}

/* As long as its status is not taken, no other process gets the number of a group's leader, and so those that
 * it has left behind can be reached. */
static int leave_flag(const child *c) {
#if defined(WNOWAIT)
    return c->handle && c->handle->leads_group ? WNOWAIT : 0;
#else
    (void)c;
    return 0;
#endif
}

static void free_child(child *c) {
    evl_list_unlink(&c->link);
    evl_mem_free(&c->loop->mem, c, sizeof *c);
}

static void report_exit(process *p, int32_t status, int32_t signo) {
    evl_loop *loop = p->base.loop;
    p->child = NULL;
    p->status = status;
    p->signo = signo;
    loop->awaited--;
    evl_handle_set_active(&p->base, false);
    (void)evl_waiters_wake_all(&p->waiters, status);
    if (p->flags & EVL_PROCESS_QUIET)
        return;
    p->base.node.u.result = status;
    evl_ready(loop, &p->base.node);
}

static void end_child(child *c, int32_t status, int32_t signo) {
    evl_op_end(&c->exit_wait);
    if (!c->is_left || !c->is_pidfd)
        close_exit_fd(c);
    if (c->handle)
        report_exit(c->handle, status, signo);
    if (c->is_left)
        c->handle->left = c;
    else
        free_child(c);
}

static int take_status(const child *c, int *status, int flags) {
    int rc;
    do
        rc = evl_sys.wait_child(c->is_pidfd ? c->exit_fd : -1, c->pid, status, WNOHANG | flags);
    while (rc < 0 && errno == EINTR);
    return rc;
}

/* In a forked child it is the parent's. */
static void reap_left(process *p, bool forked) {
    child *c = p->left;
    int status;
    if (!c)
        return;
    p->left = NULL;
    if (!forked) {
        (void)take_status(c, &status, 0);
        close_exit_fd(c);
    }
    free_child(c);
}

/* A SIGCHLD may be about any child, so the next one is waited for before the status is taken. If another part
 * of the program has closed the exit fd, SIGCHLD is used from now on. */
static void exit_event(void *arg, int64_t result) {
    child *c = arg;
    int status, rc = 0;
    if (result < 0) {
        c->exit_fd = -1;
        c->is_pidfd = false;
    }
    if (c->exit_fd < 0)
        rc = wait_for_exit(c);
    int leave = leave_flag(c);
    int pid = take_status(c, &status, leave);
    c->is_left = leave != 0 && pid > 0;
    if (pid == 0 && c->exit_fd >= 0)
        rc = wait_for_exit(c);
    if (pid == 0 && rc == 0)
        return;
    if (pid == 0) { /* nothing will report its end */
        evl_unreaped_add(c->pid);
        end_child(c, rc, 0);
    } else if (pid < 0)
        end_child(c, EVL_ECHILD, 0);
    else if (WIFEXITED(status))
        end_child(c, WEXITSTATUS(status), 0);
    else
        end_child(c, 128 + WTERMSIG(status), WTERMSIG(status));
    evl_unreaped_reap(0);
}

/* --- the handle ------------------------------------------------------------------------------- */

static int send_signal(const child *c, int signo) {
    int rc = -1;
    if (c->is_pidfd)
        rc = evl_sys.pidfd_signal(c->exit_fd, signo);
    if (!c->is_pidfd || (rc != 0 && errno == ENOSYS))
        rc = evl_sys.kill(c->pid, signo);
    return rc == 0 ? 0 : evl_err_from_errno(errno);
}

/* If another part of the program has taken the status, or SIGCHLD is ignored, the number may belong to
 * another group by now, before the end was reported here. */
static int send_to_group(const process *p, int signo) {
    const child *leader = p->child ? p->child : p->left;
    if (!leader || send_signal(leader, 0) == EVL_ESRCH)
        return EVL_ESRCH;
    return evl_sys.kill(-p->pid, signo) == 0 ? 0 : evl_err_from_errno(errno);
}

static void free_fds(process *p, bool forked) {
    for (uint32_t i = 0; i < p->fd_count && !forked; i++)
        if (p->fds[i] >= 0)
            close_process_fd(p->base.loop, p->fds[i]);
    evl_mem_free(&p->base.loop->mem, p->fds, p->fd_count * sizeof *p->fds);
    p->fd_count = 0;
    p->fds = NULL;
}

static void process_detach(evl_handle *handle) {
    process *p = (process *)handle;
    bool forked = evl_is_forked(handle->loop);
    (void)evl_waiters_wake_all(&p->waiters, EVL_ECLOSED);
    if ((p->child || p->left) && (p->flags & EVL_PROCESS_KILL) && !forked)
        (void)(p->leads_group ? send_to_group(p, SIGKILL) : send_signal(p->child, SIGKILL));
    free_fds(p, forked);
    reap_left(p, forked);
    if (!p->child)
        return;
    p->child->handle = NULL;
    p->child = NULL;
    handle->loop->awaited--;
}

static void process_describe(const evl_handle *handle, char *buf, size_t cap) {
    const process *p = (const process *)handle;
    int n = snprintf(buf, cap, "process id=%llu pid=%d", (unsigned long long)evl_handle_id(handle), p->pid);
    if (!p->child && n > 0 && (size_t)n < cap)
        (void)snprintf(buf + n, cap - (size_t)n, " status=%d", p->status);
}

static const evl_handle_type process_type = {
    .size = sizeof(process), .detach = process_detach, .describe = process_describe};

static const evl_part children_part;

static process *new_handle(evl_loop *loop, const evl_process_options *options, uint32_t fds, evl_done_fn *fn,
                           void *arg) {
    if (!evl_part_need(loop, &children_part))
        return NULL;
    process *p = (process *)evl_handle_alloc(loop, EVL_KIND_PROCESS, fn, arg);
    if (!p)
        return NULL;
    evl_waiters_init(&p->waiters, loop);
    p->child = p->left = NULL;
    p->status = EVL_EAGAIN;
    p->signo = 0;
    p->flags = options->flags;
    p->leads_group = (options->flags & EVL_PROCESS_SESSION) ||
                     ((options->flags & EVL_PROCESS_GROUP) && options->group == 0);
    p->fds = evl_mem_zalloc(&loop->mem, fds * sizeof *p->fds);
    p->fd_count = p->fds ? fds : 0;
    for (uint32_t i = 0; i < p->fd_count; i++)
        p->fds[i] = -1;
    if (p->fds)
        return p;
    evl_handle_release(&p->base);
    return NULL;
}

/* --- spawning --------------------------------------------------------------------------------- */

static int read_options(const evl_process_options *given, evl_process_options *out) {
    memset(out, 0, sizeof *out);
    if (!given || given->struct_size < sizeof given->struct_size)
        return EVL_EINVAL;
    memcpy(out, given, given->struct_size < sizeof *out ? given->struct_size : sizeof *out);
    const unsigned char *rest = (const unsigned char *)given;
    for (size_t i = sizeof *out; i < given->struct_size; i++)
        if (rest[i] != 0)
            return EVL_EINVAL;
    bool two_groups = (out->flags & EVL_PROCESS_GROUP) && (out->flags & EVL_PROCESS_SESSION);
    if (!out->file || out->file[0] == '\0' || (out->flags & ~(uint32_t)KNOWN_FLAGS) != 0 || two_groups ||
        out->group < 0 || out->stdio_count > STDIO_MAX || (out->stdio_count > 0 && !out->stdio))
        return EVL_EINVAL;
    return 0;
}

/* The child waits. From here on it is either released or ended. */
static int watch_and_go(child *c, evl_spawn *spawn) {
    c->pid = spawn->pid;
    evl_unreaped_reap(c->pid);
    evl_op_init_internal(&c->exit_wait, exit_event, c);
    int rc = open_exit_fd(c);
    if (rc == 0)
        rc = wait_for_exit(c);
    if (rc == 0)
        rc = evl_spawn_go(spawn);
    else
        evl_spawn_abandon(spawn);
    if (rc != 0) {
        evl_op_end(&c->exit_wait);
        close_exit_fd(c);
    }
    return rc;
}

static int start_child(process *p, evl_spawn *spawn) {
    evl_loop *loop = p->base.loop;
    child *c = evl_mem_zalloc(&loop->mem, sizeof *c);
    if (!c)
        return EVL_ENOMEM;
    c->loop = loop;
    c->handle = p;
    c->exit_fd = -1;
    int rc = evl_spawn_begin(spawn);
    if (rc == 0)
        rc = watch_and_go(c, spawn);
    if (rc != 0) {
        evl_mem_free(&loop->mem, c, sizeof *c);
        return rc;
    }
    p->pid = c->pid;
    p->child = c;
    evl_list_append(evl_part_at(loop, EVL_PART_CHILDREN), &c->link);
    loop->awaited++;
    evl_handle_set_active(&p->base, true);
    return 0;
}

/* Allocates what the call needs: the fd numbers of the child, and room for a path. */
static int start_with_stdio(process *p, const evl_process_options *options, evl_process_setup *setup,
                            evl_spawn *spawn) {
    evl_mem *mem = &p->base.loop->mem;
    size_t numbers = (size_t)spawn->count * sizeof(int32_t);
    size_t size = 2 * numbers + evl_spawn_prepare_search(spawn);
    char *space = evl_mem_zalloc(mem, size);
    if (!space)
        return EVL_ENOMEM;
    int32_t *own = (int32_t *)(void *)(space + numbers);
    spawn->fds = (int32_t *)(void *)space;
    spawn->path = space + 2 * numbers;
    int rc = evl_stdio_open(options, spawn->count, spawn->fds, own, p->fds);
    if (rc == 0)
        rc = setup->open(setup, options, p->fds);
    if (rc == 0) {
        rc = start_child(p, spawn);
        if (rc != 0)
            setup->undo(setup, options);
    }
    for (int32_t i = 0; i < spawn->count; i++)
        if (own[i] >= 0)
            (void)evl_sys.close(own[i]);
    evl_mem_free(mem, space, size);
    return rc;
}

int evl_process_start(evl_loop *loop, const evl_process_options *given, evl_process_setup *setup,
                      evl_done_fn *fn, void *arg, evl_process **out) {
    if (out)
        *out = NULL;
    evl_process_options options;
    int rc = evl_enter(loop);
    if (rc == 0)
        rc = out ? read_options(given, &options) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    int32_t count = options.stdio_count > 3 ? (int32_t)options.stdio_count : 3;
    process *p = new_handle(loop, &options, (uint32_t)count, fn, arg);
    if (!p)
        return EVL_ENOMEM;
    const char *const alone[] = {options.file, NULL};
    evl_spawn spawn = {.file = options.file,
                       .args = options.args ? options.args : alone,
                       .env = options.env,
                       .cwd = options.cwd,
                       .flags = options.flags,
                       .group = options.group,
                       .uid = options.uid,
                       .gid = options.gid,
                       .count = count};
    rc = start_with_stdio(p, &options, setup, &spawn);
    if (rc != 0) {
        free_fds(p, false);
        evl_handle_release(&p->base);
        return rc;
    }
    *out = &p->base;
    evl_touch(loop);
    return 0;
}

/* --- the part of the loop: its end, and a fork of this process -------------------------------- */

static bool open_children(evl_loop *loop, void *state) {
    evl_handle_know(loop, EVL_KIND_PROCESS, &process_type);
    evl_list_init(state);
    return true;
}

static void end_children(evl_loop *loop, void *state) {
    evl_link *children = state;
    bool forked = evl_is_forked(loop);
    while (!evl_list_empty(children)) {
        child *c = EVL_OWNER(children->next, child, link);
        int status;
        evl_op_end(&c->exit_wait);
        if (!forked) {
            if (take_status(c, &status, 0) == 0)
                evl_unreaped_add(c->pid);
            close_exit_fd(c);
        }
        free_child(c);
    }
    if (!forked)
        evl_unreaped_reap(0);
}

/* The children belong to the parent process. */
static void fork_children(evl_loop *loop, void *state) {
    evl_link *children = state;
    (void)loop;
    while (!evl_list_empty(children)) {
        child *c = EVL_OWNER(children->next, child, link);
        if (!c->is_pidfd)
            c->exit_fd = -1; /* a kqueue is not inherited */
        if (c->is_left) {
            c->handle->left = NULL;
            close_exit_fd(c);
            free_child(c);
        } else
            end_child(c, EVL_ECHILD, 0);
    }
}

static const evl_part children_part = {.place = EVL_PART_CHILDREN,
                                       .size = sizeof(evl_link), /* child.link */
                                       .open = open_children,
                                       .end = end_children,
                                       .fork = fork_children};

/* --- waiting, signals, queries ---------------------------------------------------------------- */

static const evl_op_type waiting;

static void process_wait_leave(evl_operation *op) { evl_waiters_remove(op->owner, op); }

static const evl_op_type waiting = {.name = "process_wait", .leave = process_wait_leave};

int32_t evl_process_wait(evl_process *handle, evl_op *op) {
    int rc = evl_check_kind(handle, EVL_KIND_PROCESS);
    if (rc == 0)
        rc = evl_op_check_start(handle->loop, op);
    if (rc != 0)
        return rc;
    process *p = (process *)handle;
    if (!p->child)
        return evl_op_start_done(handle->loop, op, &waiting, &p->waiters, p->status);
    evl_waiters_add(&p->waiters, evl_op_park(handle->loop, op, &waiting, &p->waiters));
    return 0;
}

int32_t evl_process_kill(evl_process *handle, int32_t signo) {
    int rc = evl_enter_handle(handle, EVL_KIND_PROCESS);
    if (rc != 0)
        return rc;
    const process *p = (const process *)handle;
    return p->child ? send_signal(p->child, signo) : EVL_ESRCH;
}

int32_t evl_process_kill_group(evl_process *handle, int32_t signo) {
    int rc = evl_enter_handle(handle, EVL_KIND_PROCESS);
    if (rc != 0)
        return rc;
    const process *p = (const process *)handle;
    return p->leads_group ? send_to_group(p, signo) : EVL_EINVAL;
}

int32_t evl_process_pid(const evl_process *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_PROCESS);
    return rc != 0 ? rc : ((const process *)handle)->pid;
}

int32_t evl_process_exit_code(const evl_process *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_PROCESS);
    const process *p = (const process *)handle;
    return rc != 0 ? rc : p->signo != 0 ? EVL_EINTR : p->status;
}

int32_t evl_process_signal(const evl_process *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_PROCESS);
    const process *p = (const process *)handle;
    return rc != 0 ? rc : p->status < 0 ? p->status : p->signo;
}

evl_fd evl_process_stdio(const evl_process *handle, uint32_t n) {
    int rc = evl_enter_to_read(handle, EVL_KIND_PROCESS);
    if (rc != 0)
        return rc;
    const process *p = (const process *)handle;
    return n < p->fd_count && p->fds[n] >= 0 ? p->fds[n] : EVL_EBADF;
}

evl_fd evl_process_take_fd(evl_process *handle, uint32_t n) {
    evl_fd fd = evl_process_stdio(handle, n);
    if (fd >= 0)
        ((process *)handle)->fds[n] = -1;
    return fd;
}
