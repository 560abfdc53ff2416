/* support.h - what the tests of the adapters share: checks, servers of their own, and what must not be left.
 */
#ifndef EVLOOP_TESTS_ADAPTERS_SUPPORT_H
#define EVLOOP_TESTS_ADAPTERS_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <evloop.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

#define CHECK_EQ(a, b)                                                                                       \
    do {                                                                                                     \
        long long a_ = (long long)(a), b_ = (long long)(b);                                                  \
        if (a_ != b_) {                                                                                      \
            fprintf(stderr, "%s:%d: %s is %lld, %s is %lld\n", __FILE__, __LINE__, #a, a_, #b, b_);          \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static inline evl_loop *new_loop(void) {
    evl_loop *loop;
    CHECK_EQ(evl_loop_new(&loop, NULL), 0);
    return loop;
}

/* Closes a loop on which nothing may be left. */
static inline void close_loop(evl_loop *loop) {
    int32_t rc = evl_loop_close(loop);
    if (rc != 0) {
        char text[4000];
        evl_loop_dump(loop, text, sizeof text);
        fprintf(stderr, "left on the loop: %s\n", text);
    }
    CHECK_EQ(rc, 0);
}

static inline int64_t monotonic(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * EVL_SECOND + t.tv_nsec;
}

static inline void nap(void) {
    struct timespec t = {0, 2000000};
    nanosleep(&t, NULL);
}

static inline int open_fds(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir != NULL);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Runs a case, which must leave no fd; `warm` cases before may have opened what a library keeps. */
static inline void run_case(const char *name, void (*body)(void)) {
    int before = open_fds();
    int64_t began = monotonic();
    body();
    printf("%-32s %4lld ms\n", name, (long long)((monotonic() - began) / EVL_MS));
    CHECK_EQ(open_fds(), before);
}
#define CASE(body) run_case(#body, body)

/* No test lasts; this is for a machine under load. */
static inline void begin_tests(void) {
    struct rlimit files;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    alarm(110);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* Starts a program that ends with this one. */
static inline pid_t start_program(char *const argv[]) {
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        if (!getenv("EVLOOP_TEST_VERBOSE"))
            dup2(null, 2);
        execvp(argv[0], argv);
        _exit(127);
    }
    return pid;
}

static inline void end_program(pid_t pid, int sig) {
    CHECK_EQ(kill(pid, sig), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

/* A directory of the test's own. */
static inline const char *own_directory(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/evloop-adapter-XXXXXX");
    CHECK(mkdtemp(path) != NULL);
    return path;
}

static inline int connect_unix(const char *path) {
    struct sockaddr_un a;
    memset(&a, 0, sizeof a);
    a.sun_family = AF_UNIX;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Waits until something listens at a path; 30 s at most, for a machine under load. */
static inline void wait_for_unix(const char *path) {
    int64_t until = monotonic() + 30 * EVL_SECOND;
    int fd;
    while ((fd = connect_unix(path)) < 0) {
        CHECK(monotonic() < until);
        nap();
    }
    close(fd);
}

/* A loopback port that nothing listens on: bound, so that nothing else gets it, until *fd is closed. */
static inline int free_port(int type, int *fd) {
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(*fd, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(getsockname(*fd, (struct sockaddr *)&a, &size), 0);
    return ntohs(a.sin_port);
}

#endif
