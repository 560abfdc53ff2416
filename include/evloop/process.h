/* evloop/process.h - child processes: start one, talk to it through pipes, hear of its end.
 *
 * A child inherits nothing that was not asked for: no descriptor but those of `stdio`, no signal handler, no
 * ignored or blocked signal. Its end is heard by a descriptor of its own where the system has one (pidfd,
 * EVFILT_PROC), by SIGCHLD where it has not; evloop waits for the children it has started, and for no others.
 * A program that ignores SIGCHLD, or waits for any child itself, takes the status away: EVL_ECHILD. */
#ifndef EVLOOP_PROCESS_H
#define EVLOOP_PROCESS_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the child gets as one of its descriptors. */
enum {
    EVL_STDIO_NULL = 0,      /* /dev/null */
    EVL_STDIO_INHERIT = 1,   /* the parent's descriptor of the same number */
    EVL_STDIO_FD = 2,        /* the parent's descriptor `fd`, which stays the parent's */
    EVL_STDIO_LIKE = 3,      /* the same as the child's own descriptor `fd`, a smaller number: 2>&1 */
    EVL_STDIO_PIPE_TO = 4,   /* a pipe from the parent, who writes: evl_process_stdio */
    EVL_STDIO_PIPE_FROM = 5, /* a pipe to the parent, who reads */
    EVL_STDIO_SOCKET = 6,    /* a socket pair; both ends read and write */
    EVL_STDIO_CLOSED = 7     /* nothing: the number is free in the child */
};

typedef struct evl_stdio {
    int32_t action; /* EVL_STDIO_* */
    int32_t fd;
} evl_stdio;

/* evl_process_options.flags. */
enum {
    EVL_PROCESS_GROUP = 1,   /* in the process group `group`; 0: in a new one, which it leads */
    EVL_PROCESS_SESSION = 2, /* in a new session, without a terminal, and so in a new group too */
    EVL_PROCESS_KILL = 4,    /* evl_close and the loop's end kill it, or its group if it leads one */
    EVL_PROCESS_QUIET = 8,   /* no callback and no record: its end is waited for with evl_process_wait */
    EVL_PROCESS_UID = 16,    /* run as the user `uid`, */
    EVL_PROCESS_GID = 32     /* and as the group `gid`; with either, in no further groups */
};

/* Everything is copied or used up inside the call. Zero everything and set struct_size; then what one wants.
 */
typedef struct evl_process_options {
    uint32_t struct_size;
    uint32_t flags;          /* EVL_PROCESS_* */
    const char *file;        /* a path, or a name without '/' that is looked up in the child's PATH */
    const char *const *args; /* argv, with its final NULL; NULL: just the file */
    const char *const *env;  /* "NAME=value", with a final NULL; NULL: the parent's */
    const char *cwd;         /* where it begins; NULL: where the parent is */
    const evl_stdio *stdio;  /* the child's descriptors 0, 1, 2, ... */
    uint32_t stdio_count;    /* how many there are; of the first three the others are EVL_STDIO_NULL */
    int32_t group;
    uint32_t uid;
    uint32_t gid;
} evl_process_options;

/* Starts a child. The call returns when the program runs, or could not be run: it waits for the kernel to
 * load it. fn gets the exit status once: the exit code, 128 + the signal that ended it, or EVL_ECHILD when
 * somebody else took it. fn NULL: records of EVL_KIND_PROCESS. A running child keeps the loop alive (unless
 * evl_keep_alive); what it has started, or pipes that are still open, do not.
 * evl_close ends the handle, not the child (but see EVL_PROCESS_KILL); the child is waited for all the same
 * when it ends: by the loop while that runs, after that by whichever loop starts or hears of a child next.
 * In a forked child of this process, after evl_loop_fork, the handle ends with EVL_ECHILD.
 * Errors: EVL_ENOENT, EVL_EACCES, EVL_ENOEXEC, EVL_E2BIG and what else running the program answers; EVL_EPERM
 * (uid, gid, group); EVL_EBADF (a descriptor); EVL_EAGAIN (too many processes); EVL_EMFILE; EVL_ENOMEM;
 * EVL_EINVAL. Then nothing has been started. @since 0.1 */
EVL_API int32_t evl_process_spawn(evl_loop *loop, const evl_process_options *options, evl_done_fn *fn,
                                  void *arg, evl_process **out);

/* Completes with the exit status, as the callback's, when the child has ended; any number may wait, also
 * after its end. EVL_ECLOSED when the handle is closed first. May answer 1 (EVL_OP_SYNC). Errors: EVL_EBUSY,
 * EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_process_wait(evl_process *process, evl_op *op);

/* Sends a signal to the child, and never to another process that has its number by now. 0 only looks. Errors:
 * EVL_ESRCH (it has ended), EVL_EPERM, EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_process_kill(evl_process *process, int32_t signo);

/* The same to every process of the group that the child leads (EVL_PROCESS_GROUP with group 0, or
 * EVL_PROCESS_SESSION, else EVL_EINVAL). EVL_ESRCH when the child itself has ended: its number no longer
 * stands for the group. @since 0.1 */
EVL_API int32_t evl_process_kill_group(evl_process *process, int32_t signo);

/* The process id; of a child that has ended too. @since 0.1 */
EVL_API int32_t evl_process_pid(const evl_process *process);

/* The exit code, or EVL_EAGAIN while it runs, EVL_EINTR when a signal ended it, EVL_ECHILD when nobody knows.
 * @since 0.1 */
EVL_API int32_t evl_process_exit_code(const evl_process *process);

/* The signal that ended it, 0 for none; EVL_EAGAIN and EVL_ECHILD as above. @since 0.1 */
EVL_API int32_t evl_process_signal(const evl_process *process);

/* The parent's end of the pipe or socket that is the child's descriptor n: non-blocking, and closed with the
 * handle. EVL_EBADF when there is none, or it was taken. @since 0.1 */
EVL_API evl_fd evl_process_stdio(const evl_process *process, uint32_t n);

/* The same, and it is the caller's from now on, to close or to open a stream on. @since 0.1 */
EVL_API evl_fd evl_process_take_fd(evl_process *process, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
