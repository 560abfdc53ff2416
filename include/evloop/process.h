/* evloop/process.h - child processes: start one, talk to it through pipes, get its exit status.
 *
 *     const char *args[] = {"sort", "-n", NULL};
 *     evl_stdio stdio[] = {{EVL_STDIO_PIPE_TO, 0}, {EVL_STDIO_PIPE_FROM, 0}, {EVL_STDIO_INHERIT, 0}};
 *     evl_process_options options = {.struct_size = sizeof options, .file = "sort", .args = args};
 *     evl_stream *streams[3];
 *     options.stdio = stdio;
 *     options.stdio_count = 3;
 *     options.streams = streams;                                    // streams[0] to it, streams[1] from it
 *     evl_process_spawn(loop, &options, exited, app, &process);     // exited(app, exit status)
 *
 * A child inherits only what was asked for: no descriptor but those of `stdio`, no signal handler, no
 * ignored or blocked signal. Its end is noticed by a descriptor where the system has one (pidfd,
 * EVFILT_PROC) and by SIGCHLD elsewhere. evloop waits for the children that it started and for no others.
 * A program that ignores SIGCHLD, or that waits for any child itself, takes the status away: the result is
 * then EVL_ECHILD. */
#ifndef EVLOOP_PROCESS_H
#define EVLOOP_PROCESS_H

#include "op.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the child gets as one of its descriptors: evl_stdio.action. */
enum {
    EVL_STDIO_NULL = 0,      /* /dev/null */
    EVL_STDIO_INHERIT = 1,   /* the parent's descriptor of the same number */
    EVL_STDIO_FD = 2,        /* the parent's descriptor `fd`, which stays the parent's */
    EVL_STDIO_LIKE = 3,      /* the same file as the child's descriptor `fd`, a smaller number: 2>&1 */
    EVL_STDIO_PIPE_TO = 4,   /* a pipe from the parent, which writes: evl_process_stdio */
    EVL_STDIO_PIPE_FROM = 5, /* a pipe to the parent, which reads */
    EVL_STDIO_SOCKET = 6,    /* a socket pair; both ends read and write */
    EVL_STDIO_CLOSED = 7     /* nothing: the number is free in the child */
};

/* One descriptor of the child. */
typedef struct evl_stdio {
    int32_t action; /* EVL_STDIO_* */
    int32_t fd;     /* for EVL_STDIO_FD and EVL_STDIO_LIKE */
} evl_stdio;

/* Flags of evl_process_options. */
enum {
    EVL_PROCESS_GROUP = 1,   /* in the process group `group`; 0: in a new one, which it leads */
    EVL_PROCESS_SESSION = 2, /* in a new session without a terminal, and so in a new group */
    EVL_PROCESS_KILL = 4,    /* evl_close and the end of the loop kill it, and its group if it leads one */
    EVL_PROCESS_QUIET = 8,   /* no callback and no record: only evl_process_wait reports its end */
    EVL_PROCESS_UID = 16,    /* run as the user `uid` */
    EVL_PROCESS_GID = 32     /* run as the group `gid`; with either flag, without supplementary groups */
};

/* How to start a child. Zero everything, set struct_size, then the wanted fields. Everything is copied or
 * used inside evl_process_spawn. */
typedef struct evl_process_options {
    uint32_t struct_size;
    uint32_t flags;          /* EVL_PROCESS_* */
    const char *file;        /* a path, or a name without '/' that is looked up in the child's PATH */
    const char *const *args; /* argv with its final NULL; NULL: the file alone */
    const char *const *env;  /* "NAME=value" with a final NULL; NULL: the parent's environment */
    const char *cwd;         /* its current directory; NULL: the parent's */
    const evl_stdio *stdio;  /* its descriptors 0, 1, 2, ... */
    uint32_t stdio_count;    /* entries of stdio; of the first three, those missing are EVL_STDIO_NULL */
    int32_t group;           /* with EVL_PROCESS_GROUP */
    uint32_t uid;            /* with EVL_PROCESS_UID */
    uint32_t gid;            /* with EVL_PROCESS_GID */
    evl_stream **streams;    /* room for stdio_count: gets a stream for each pipe and socket, NULL for the
                                others;    NULL: none is opened, see evl_process_take_fd */
} evl_process_options;

/* Starts a child: fn(arg, status) runs once, when it has ended.
 *
 * The call returns when the program runs or could not be run; it waits for the kernel to load it. The
 * status is the exit code, or 128 + the number of the signal that ended the child, or EVL_ECHILD when
 * another part of the program took the status. fn NULL produces a record of EVL_KIND_PROCESS. A running
 * child keeps the loop alive unless evl_keep_alive turns that off; its own children and open pipes do not.
 *
 * evl_close ends the handle, not the child (but see EVL_PROCESS_KILL). The status of the child is
 * collected all the same when it ends, so that no zombie is left: by the loop while it runs, later by
 * whichever loop of the process next deals with children. In a forked child of this process, after
 * evl_loop_fork, the handle ends with EVL_ECHILD.
 * Errors, after which nothing was started:
 * - EVL_ENOENT, EVL_EACCES, EVL_ENOEXEC, EVL_E2BIG, and what else running the program fails with.
 * - EVL_EPERM: uid, gid or group are not permitted.
 * - EVL_EBADF: a descriptor of stdio is not open.
 * - EVL_EAGAIN: too many processes.
 * - EVL_EMFILE, EVL_ENOMEM: out of file descriptors or memory.
 * @since 0.1 */
EVL_API int32_t evl_process_spawn(evl_loop *loop, const evl_process_options *options, evl_done_fn *fn,
                                  void *arg, evl_process **out);

/* Completes with the child's status, as the callback of evl_process_spawn, when the child has ended. Any
 * number of operations may wait, also after its end. Completes with EVL_ECLOSED when the handle is closed
 * before. May return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_process_wait(evl_process *process, evl_op *op);

/* Flags of evl_communication. */
enum {
    EVL_COMMUNICATE_KILL = 1 /* an operation that is cancelled, closed or times out kills the child, and its
                                group if it leads one */
};

/* What evl_process_communicate writes and collects. Zero everything, set struct_size, then the wanted fields.
 */
typedef struct evl_communication {
    uint32_t struct_size;
    uint32_t flags;     /* EVL_COMMUNICATE_* */
    const void *input;  /* written to the child's descriptor 0, which is closed behind it */
    size_t input_size;  /* bytes; may be 0 */
    void *output;       /* gets what comes from descriptor 1; NULL with output_cap 0: nothing is kept */
    size_t output_cap;  /* bytes */
    size_t output_size; /* set: bytes that came; what exceeds output_cap was discarded */
    void *error;        /* the same of descriptor 2 */
    size_t error_cap;   /* bytes */
    size_t error_size;  /* set: bytes that came */
} evl_communication;

/* Writes input to a child, collects its output, and completes with its status (as evl_process_wait) when it
 * has ended and the pipes are at their end.
 *
 * Descriptors 0, 1 and 2 take part as far as they are pipes or sockets (evl_stdio) and were not taken. They
 * are closed behind it. `io` and the memory it names must stay valid until then. Of what comes the first
 * bytes are kept and the rest is read and discarded, so that the child never waits. A child that does not
 * read all of its input is no error. Processes that the child leaves behind and that hold its pipes are
 * waited for: give it a deadline.
 *
 * Cancelled, closed or timed out it closes the pipes at once; what came until then is in io. The child goes
 * on, unless EVL_COMMUNICATE_KILL is set. Completes with EVL_ECLOSED when the handle of the process is
 * closed, and in a forked child with EVL_ECHILD.
 * Errors, after which nothing has changed:
 * - EVL_EBUSY: the operation is active.
 * - EVL_EINVAL: io is NULL or too small, has unknown flags, or a NULL pointer with a size.
 * - EVL_EEXIST: a descriptor is watched already: by another evl_process_communicate, or by the program.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_process_communicate(evl_process *process, evl_op *op, evl_communication *io);

/* Sends a signal to the child; never to another process that has its number by now. signo 0 only checks.
 * Errors:
 * - EVL_ESRCH: the child has ended; returned before signo is looked at.
 * - EVL_EPERM: not permitted.
 * - EVL_EINVAL: there is no such signal.
 * @since 0.1 */
EVL_API int32_t evl_process_kill(evl_process *process, int32_t signo);

/* Sends a signal to every process of the group that the child leads (EVL_PROCESS_GROUP with group 0, or
 * EVL_PROCESS_SESSION), until the handle is closed: also to those that the child left behind when it ended
 * (sh -c 'sleep 9 & exit'). For that the ended leader of a group stays a zombie until evl_close, which, with
 * EVL_PROCESS_KILL, ends those that are left.
 *
 * Returns 0, also when the child has ended and left none.
 * Errors:
 * - EVL_ESRCH: another part of the program, or the system (SIGCHLD ignored), has taken the child's status, so
 *   that its number no longer stands for the group.
 * - EVL_EPERM: not permitted.
 * - EVL_EINVAL: the child does not lead a group, or there is no such signal.
 * @since 0.1 */
EVL_API int32_t evl_process_kill_group(evl_process *process, int32_t signo);

/* Returns the process id, also after the child has ended. @since 0.1 */
EVL_API int32_t evl_process_pid(const evl_process *process);

/* Returns the exit code.
 * Errors:
 * - EVL_EAGAIN: the child runs.
 * - EVL_EINTR: a signal ended it (evl_process_signal).
 * - EVL_ECHILD: its status is not known.
 * @since 0.1 */
EVL_API int32_t evl_process_exit_code(const evl_process *process);

/* Returns the number of the signal that ended the child, 0 if none did.
 * Errors:
 * - EVL_EAGAIN: the child runs.
 * - EVL_ECHILD: its status is not known.
 * @since 0.1 */
EVL_API int32_t evl_process_signal(const evl_process *process);

/* Returns the parent's end of the pipe or socket that is the child's descriptor n. It is non-blocking and
 * is closed with the handle.
 * Errors:
 * - EVL_EBADF: descriptor n is no pipe or socket, or was taken.
 * @since 0.1 */
EVL_API evl_fd evl_process_stdio(const evl_process *process, uint32_t n);

/* As evl_process_stdio, and the descriptor is the caller's from now on: to open a stream on, or to close.
 * @since 0.1 */
EVL_API evl_fd evl_process_take_fd(evl_process *process, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
