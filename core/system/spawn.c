/* spawn.c - both sides of a fork. What the child does between fork and exec is system calls and nothing else,
 * since a thread that is not there may hold any lock. */
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
#    define NO_SIGPIPE 0 /* the channel has SO_NOSIGPIPE */
#endif

#define FDS_MAX    65536 /* where closing one by one ends */
#define NO_PATH    "/bin:/usr/bin"
#define EXIT_NEVER 127 /* of a child that could not run its program */

/* --- the channel between the two -------------------------------------------------------------- */

/* One byte or the channel's end, 0; or -1. */
static ssize_t hear(int channel, unsigned char *byte) {
    ssize_t n;
    do
        n = evl_sys.recv(channel, byte, 1, 0);
    while (n < 0 && (errno == EINTR || errno == EAGAIN));
    return n;
}

static ssize_t tell(int channel, int byte) {
    unsigned char sent = (unsigned char)byte;
    ssize_t n;
    do
        n = evl_sys.send(channel, &sent, 1, NO_SIGPIPE);
    while (n < 0 && (errno == EINTR || errno == EAGAIN));
    return n;
}

/* --- the child -------------------------------------------------------------------------------- */

/* Everything out of the way that stands where something is to be put. */
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

/* What others opened without close-on-exec. */
static void close_rest(int first, int channel) {
    if (evl_sys.close_above(first) == 0)
        return;
    long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < (limit > 0 && limit < FDS_MAX ? limit : FDS_MAX); fd++)
        if (fd != channel)
            (void)close(fd);
}

static int set_up(const evl_spawn *s) {
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

static void run(const evl_spawn *s, const char *path) {
    (void)evl_sys.execve(path, (char *const *)(uintptr_t)s->args, (char *const *)(uintptr_t)s->env);
}

/* Returns with errno. A directory that has no such file is passed over; one whose file may not be run is
 * remembered. */
static void search_and_run(const evl_spawn *s) {
    int error = ENOENT;
    size_t name = strlen(s->file) + 1;
    for (const char *at = s->search;;) {
        size_t length = strcspn(at, ":");
        memcpy(s->path, at, length);
        if (length > 0)
            s->path[length++] = '/';
        memcpy(s->path + length, s->file, name);
        run(s, s->path);
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

static void be_the_child(evl_spawn *s, int parents, int channel) {
    unsigned char go;
    sigset_t none;
    (void)evl_sys.close(parents); /* or the channel would never end */
    (void)sigemptyset(&none);
    (void)evl_sys.reset_signals(); /* what is ignored would stay so */
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    ssize_t n = hear(channel, &go);
    if (n == 0)
        _exit(EXIT_NEVER);
    if (n == 1 && clear_places(s, &channel) == 0 && put_fds(s) == 0 && set_up(s) == 0) {
        close_rest(s->count, channel);
        if (s->search)
            search_and_run(s);
        else
            run(s, s->file);
    }
    (void)tell(channel, errno);
    _exit(EXIT_NEVER);
}

/* --- the parent ------------------------------------------------------------------------------- */

static const char *path_of(const char *const *env) {
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return NO_PATH;
}

size_t evl_spawn_look(evl_spawn *s) {
    static const char *const nothing[] = {NULL};
    if (!s->env)
        s->env = environ ? (const char *const *)(uintptr_t)environ : nothing;
    s->search = strchr(s->file, '/') ? NULL : path_of(s->env);
    return s->search ? strlen(s->search) + strlen(s->file) + 2 : 0;
}

/* Signals are blocked meanwhile: a handler of ours must not run in the child. */
static int fork_blocked(evl_spawn *s, const int channel[2]) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    s->pid = evl_sys.fork();
    int error = errno;
    if (s->pid == 0)
        be_the_child(s, channel[0], channel[1]);
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

/* A child that is about to end by itself. */
static void await(int pid) {
    int status;
    while (evl_sys.wait_child(-1, pid, &status, 0) < 0 && errno == EINTR)
        continue;
}

void evl_spawn_give_up(evl_spawn *s) {
    (void)evl_sys.close(s->channel);
    await(s->pid);
}

/* The channel ends when the program is loaded, or says why it could not be. A child that could not be told to
 * go hears the end instead, and may have said something of its own. */
int evl_spawn_go(evl_spawn *s) {
    unsigned char why = 0;
    int error = tell(s->channel, 0) == 1 ? 0 : errno;
    if (error != 0)
        (void)evl_sys.shutdown(s->channel, SHUT_WR);
    ssize_t n = hear(s->channel, &why);
    if (n == 0 && error == 0) {
        (void)evl_sys.close(s->channel);
        return 0;
    }
    error = n == 1 ? why : n < 0 ? errno : error;
    if (n < 0)
        (void)evl_sys.kill(s->pid, SIGKILL);
    evl_spawn_give_up(s);
    return evl_err_from_errno(error);
}
