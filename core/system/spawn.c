/* spawn.c - both sides of a fork. Between fork and exec the child makes only async-signal-safe calls: a
 * thread that exists only in the parent may have held any lock. */
#include "spawn.h"

#include <errno.h>
#include <evloop/errors.h>
#include <evloop/process.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

#if defined(MSG_NOSIGNAL)
#    define NO_SIGPIPE MSG_NOSIGNAL
#else
#    define NO_SIGPIPE 0 /* the socket has SO_NOSIGPIPE */
#endif

#define FDS_MAX    65536 /* closing one by one stops here */
#define NO_PATH    "/bin:/usr/bin"
#define EXIT_NEVER 127 /* exit status of a child that could not run its program */

/* --- the channel between the two -------------------------------------------------------------- */

/* Returns 1 for a byte, 0 at the end of the channel, or -1. */
static ssize_t receive_byte(int channel, unsigned char *byte) {
    ssize_t n;
    do
        n = evl_sys.recv(channel, byte, 1, 0);
    while (n < 0 && (errno == EINTR || errno == EAGAIN));
    return n;
}

static ssize_t send_byte(int channel, int byte) {
    unsigned char sent = (unsigned char)byte;
    ssize_t n;
    do
        n = evl_sys.send(channel, &sent, 1, NO_SIGPIPE);
    while (n < 0 && (errno == EINTR || errno == EAGAIN));
    return n;
}

/* --- the child -------------------------------------------------------------------------------- */

/* Moves the fds whose numbers another one is to get. */
static int clear_places(evl_spawn *s, int *channel) {
    for (int i = 0; i < s->count; i++)
        if (s->fds[i] >= 0 && s->fds[i] < s->count && s->fds[i] != i) {
            s->fds[i] = evl_sys.dup_above(s->fds[i], s->count);
            if (s->fds[i] < 0)
                return -1;
        }
    if (*channel < s->count) {
        int moved = evl_sys.dup_above(*channel, s->count);
        if (moved < 0)
            return -1;
        *channel = moved;
    }
    return 0;
}

static int put_fds(const evl_spawn *s) {
    for (int i = 0; i < s->count; i++) {
        int rc = 0;
        if (s->fds[i] < 0)
            (void)evl_sys.close(i);
        else if (s->fds[i] == i)
            rc = evl_sys.keep_on_exec(i);
        else
            do
                rc = evl_sys.dup2(s->fds[i], i);
            while (rc < 0 && (errno == EINTR || errno == EBUSY));
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Closes what other parts of the program opened without close-on-exec. */
static void close_rest(int first, int channel) {
    if (evl_sys.close_above(first) == 0)
        return;
    long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < (limit > 0 && limit < FDS_MAX ? limit : FDS_MAX); fd++)
        if (fd != channel)
            (void)close(fd);
}

static int set_up_child(const evl_spawn *s) {
    if ((s->flags & EVL_PROCESS_SESSION) && evl_sys.setsid() < 0)
        return -1;
    if ((s->flags & EVL_PROCESS_GROUP) && evl_sys.setpgid(0, s->group) != 0)
        return -1;
    if (s->cwd && evl_sys.chdir(s->cwd) != 0)
        return -1;
    if ((s->flags & (EVL_PROCESS_UID | EVL_PROCESS_GID)) == 0)
        return 0;
    return evl_sys.become(s->flags & EVL_PROCESS_UID ? &s->uid : NULL,
                          s->flags & EVL_PROCESS_GID ? &s->gid : NULL);
}

static void exec_file(const evl_spawn *s, const char *path) {
    (void)evl_sys.execve(path, (char *const *)(uintptr_t)s->args, (char *const *)(uintptr_t)s->env);
}

/* Returns only on failure, with errno: EACCES if a directory had the file but it could not be run, else
 * ENOENT. */
static void search_and_exec(const evl_spawn *s) {
    int error = ENOENT;
    size_t name = strlen(s->file) + 1;
    for (const char *at = s->search;;) {
        size_t length = strcspn(at, ":");
        memcpy(s->path, at, length);
        if (length > 0)
            s->path[length++] = '/';
        memcpy(s->path + length, s->file, name);
        exec_file(s, s->path);
        if (errno == EACCES)
            error = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR)
            return;
        at += strcspn(at, ":");
        if (*at++ == '\0')
            break;
    }
    errno = error;
}

static void run_child(evl_spawn *s, int parent_end, int channel) {
    unsigned char go;
    sigset_t none;
    (void)evl_sys.close(parent_end); /* or this end would keep the channel open */
    (void)sigemptyset(&none);
    (void)evl_sys.reset_signals(); /* ignored signals would stay ignored */
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    ssize_t n = receive_byte(channel, &go);
    if (n == 0)
        _exit(EXIT_NEVER);
    if (n == 1 && clear_places(s, &channel) == 0 && put_fds(s) == 0 && set_up_child(s) == 0) {
        close_rest(s->count, channel);
        if (s->search)
            search_and_exec(s);
        else
            exec_file(s, s->file);
    }
    (void)send_byte(channel, errno);
    _exit(EXIT_NEVER);
}

/* --- the parent ------------------------------------------------------------------------------- */

static const char *path_of(const char *const *env) {
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return NO_PATH;
}

size_t evl_spawn_prepare_search(evl_spawn *s) {
    static const char *const nothing[] = {NULL};
    if (!s->env)
        s->env = environ ? (const char *const *)(uintptr_t)environ : nothing;
    s->search = strchr(s->file, '/') ? NULL : path_of(s->env);
    return s->search ? strlen(s->search) + strlen(s->file) + 2 : 0;
}

/* Signals are blocked meanwhile: a handler of this program must not run in the child. */
static int fork_blocked(evl_spawn *s, const int channel[2]) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    s->pid = evl_sys.fork();
    int error = errno;
    if (s->pid == 0)
        run_child(s, channel[0], channel[1]);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->pid < 0 ? evl_err_from_errno(error) : 0;
}

int evl_spawn_begin(evl_spawn *s) {
    int channel[2];
    if (evl_sys.socketpair_cloexec(channel) != 0)
        return evl_err_from_errno(errno);
    int rc = fork_blocked(s, channel);
    (void)evl_sys.close(channel[1]);
    if (rc != 0)
        (void)evl_sys.close(channel[0]);
    s->channel = channel[0];
    return rc;
}

/* Waits for a child that is about to exit. */
static void await(int pid) {
    int status;
    while (evl_sys.wait_child(-1, pid, &status, 0) < 0 && errno == EINTR)
        continue;
}

void evl_spawn_abandon(evl_spawn *s) {
    (void)evl_sys.close(s->channel);
    await(s->pid);
}

/* exec closes the channel of a child; one that fails sends errno. If the byte that releases the child cannot
 * be sent, the channel is shut down instead, and the child exits; it may have sent an error before. */
int evl_spawn_go(evl_spawn *s) {
    unsigned char why = 0;
    int error = send_byte(s->channel, 0) == 1 ? 0 : errno;
    if (error != 0)
        (void)evl_sys.shutdown(s->channel, SHUT_WR);
    ssize_t n = receive_byte(s->channel, &why);
    if (n == 0 && error == 0) {
        (void)evl_sys.close(s->channel);
        return 0;
    }
    error = n == 1 ? why : n < 0 ? errno : error;
    if (n < 0)
        (void)evl_sys.kill(s->pid, SIGKILL);
    evl_spawn_abandon(s);
    return evl_err_from_errno(error);
}
