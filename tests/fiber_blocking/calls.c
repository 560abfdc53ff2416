/* calls.c - each call by itself: what it returns in a fiber is what it returns outside, and others run
 * meanwhile.
 */
#include "crowd.h"

#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/uio.h>

static int ticks;
static bool done;

/* Runs beside the others, which is seen by its count. */
static int64_t ticker(void *arg) {
    (void)arg;
    while (!done) {
        ticks++;
        CHECK_EQ(evl_fiber_sleep(EVL_MS), 0);
    }
    return 0;
}

/* Whether something else ran since the last time. */
static bool others_ran(void) {
    static int before;
    bool ran = evl_fiber_self() == NULL || ticks > before;
    before = ticks;
    return ran;
}

static int64_t write_later(void *fd) {
    CHECK_EQ(evl_fiber_sleep(10 * EVL_MS), 0);
    CHECK_EQ(write((int)(intptr_t)fd, "hello", 5), 5);
    return 0;
}

/* In a fiber another one writes later; outside it has to be there before. */
static void feed(int fd) {
    if (evl_fiber_self())
        CHECK_EQ(evl_fiber_spawn(evl_fiber_loop(NULL), write_later, (void *)(intptr_t)fd, NULL, NULL), 0);
    else
        CHECK_EQ(write(fd, "hello", 5), 5);
}

static void sockets(void) {
    int pair[2];
    char buf[16];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    feed(pair[1]);
    CHECK_EQ(read(pair[0], buf, sizeof buf), 5);
    feed(pair[1]);
    CHECK_EQ(recv(pair[0], buf, sizeof buf, 0), 5);
    feed(pair[1]);
    CHECK_EQ(recvfrom(pair[0], buf, sizeof buf, 0, NULL, NULL), 5);
    feed(pair[1]);
    feed(pair[1]);
    CHECK_EQ(recv(pair[0], buf, 10, MSG_WAITALL), 10);
    struct iovec iov[2] = {{buf, 2}, {buf + 2, 14}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    feed(pair[1]);
    CHECK_EQ(recvmsg(pair[0], &message, 0), 5);
    feed(pair[1]);
    CHECK_EQ(readv(pair[0], iov, 2), 5);
    CHECK(others_ran());
    CHECK_EQ(recv(pair[0], buf, sizeof buf, MSG_DONTWAIT), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_EQ(read(pair[0], buf, sizeof buf), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(fcntl(pair[0], F_SETFL, 0), 0);
    struct timeval limit = {0, 5000};
    CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    CHECK_EQ(read(pair[0], buf, sizeof buf), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(writev(pair[1], iov, 2), 16);
    CHECK_EQ(sendmsg(pair[1], &message, 0), 16);
    CHECK_EQ(send(pair[1], buf, 3, 0), 3);
    CHECK_EQ(close(pair[1]), 0);
    CHECK_EQ(read(pair[0], buf, sizeof buf), 16);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(read(pair[0], buf, sizeof buf), -1);
    CHECK_EQ(errno, EBADF);
}

static void pipes(void) {
    int ends[2];
    char buf[16];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    feed(ends[1]);
    CHECK_EQ(read(ends[0], buf, sizeof buf), 5);
    feed(ends[1]);
    struct pollfd row = {ends[0], POLLIN, 0};
    CHECK_EQ(poll(&row, 1, -1), 1);
    CHECK_EQ(row.revents, POLLIN);
    CHECK_EQ(read(ends[0], buf, sizeof buf), 5);
    CHECK_EQ(poll(&row, 1, 5), 0);
    CHECK_EQ(poll(NULL, 0, 5), 0);
    CHECK(others_ran());
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    feed(ends[1]);
    CHECK_EQ(select(ends[0] + 1, &set, NULL, NULL, NULL), 1);
    CHECK(FD_ISSET(ends[0], &set));
    CHECK_EQ(read(ends[0], buf, sizeof buf), 5);
    struct timeval limit = {0, 5000};
    CHECK_EQ(select(ends[0] + 1, &set, NULL, NULL, &limit), 0);
    CHECK(!FD_ISSET(ends[0], &set));
    struct timeval none = {-1, 0};
    CHECK_EQ(select(ends[0] + 1, &set, NULL, NULL, &none), -1);
    CHECK_EQ(errno, EINVAL);
    feed(ends[1]);
    struct timeval ever = {LONG_MAX / 1000, 0};
    FD_SET(ends[0], &set);
    CHECK_EQ(select(ends[0] + 1, &set, NULL, NULL, &ever), 1);
    CHECK_EQ(read(ends[0], buf, sizeof buf), 5);
    CHECK_EQ(close(ends[1]), 0);
    CHECK_EQ(read(ends[0], buf, sizeof buf), 0);
    CHECK_EQ(close(ends[0]), 0);
}

/* More than a socket takes, both ways at once. */
enum { BIG = 1 << 20 };

static int64_t drain(void *arg) {
    int fd = (int)(intptr_t)arg;
    char buf[65536];
    size_t all = 0;
    for (ssize_t n; all < BIG && (n = read(fd, buf, sizeof buf)) > 0; all += (size_t)n)
        continue;
    CHECK_EQ(all, BIG);
    return 0;
}

static void big_writes(void) {
    int pair[2];
    char *bytes = calloc(1, BIG);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    evl_fiber *reader;
    CHECK_EQ(evl_fiber_spawn(evl_fiber_loop(NULL), drain, (void *)(intptr_t)pair[1],
                             &(evl_fiber_options){.struct_size = sizeof(evl_fiber_options), .stack = 1 << 18},
                             &reader),
             0);
    CHECK_EQ(write(pair[0], bytes, BIG), BIG);
    CHECK_EQ(evl_fiber_join(reader, EVL_NEVER, NULL), 0);
    evl_fiber_unref(reader);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
    free(bytes);
}

static int64_t accept_one(void *arg) {
    int fd = accept((int)(intptr_t)arg, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "hi", 2), 2);
    CHECK_EQ(close(fd), 0);
    return 0;
}

static void connections(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    char buf[8];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(listen(listener, 8), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&a, &size), 0);
    CHECK_EQ(evl_fiber_spawn(evl_fiber_loop(NULL), accept_one, (void *)(intptr_t)listener, NULL, NULL), 0);
    CHECK_EQ(evl_fiber_sleep(5 * EVL_MS), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(read(fd, buf, sizeof buf), 2);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(close(listener), 0);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), -1);
    CHECK_EQ(errno, ECONNREFUSED);
    CHECK_EQ(close(fd), 0);
}

static void sleeps(void) {
    struct timespec t = {0, 5000000};
    CHECK_EQ(nanosleep(&t, NULL), 0);
    CHECK_EQ(usleep(5000), 0);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL), 0);
    CHECK_EQ(sleep(0), 0);
    CHECK(others_ran());
    struct addrinfo *list;
    CHECK_EQ(getaddrinfo("localhost", "80", NULL, &list), 0);
    freeaddrinfo(list);
}

static uint64_t passes_so_far(void) {
    evl_metrics m = {.struct_size = sizeof m};
    CHECK_EQ(evl_loop_metrics(evl_fiber_loop(NULL), &m), 0);
    return m.passes;
}

/* What is readable and not asked about does not keep the loop busy. */
static void idle_poll(void) {
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    struct pollfd row = {ends[0], 0, 0};
    uint64_t before = passes_so_far();
    CHECK_EQ(poll(&row, 1, 50), 0);
    CHECK(passes_so_far() - before < 300); /* the ticker's are 50 */
    CHECK_EQ(close(ends[1]), 0);
    CHECK_EQ(poll(&row, 1, -1), 1);
    CHECK_EQ(row.revents, POLLHUP);
    CHECK_EQ(close(ends[0]), 0);
}

static int64_t main_fiber(void *arg) {
    (void)arg;
    (void)others_ran();
    sockets();
    pipes();
    sleeps();
    idle_poll();
    big_writes();
    connections();
    done = true;
    return 0;
}

/* What a cancel does to a call that waits. */
static int64_t cancelled(void *arg) {
    struct timespec t = {10, 0}, rest = {0, 0};
    struct pollfd row = {*(int *)arg, POLLIN, 0};
    char buf[8];
    CHECK_EQ(evl_fiber_cancel(evl_fiber_self()), 1);
    CHECK_EQ(nanosleep(&t, &rest), -1);
    CHECK_EQ(errno, EINTR);
    CHECK(rest.tv_sec >= 9);
    t.tv_sec = LONG_MAX; /* as sleep(1) has it for "infinity" */
    CHECK_EQ(evl_fiber_cancel(evl_fiber_self()), 1);
    CHECK_EQ(nanosleep(&t, &rest), -1);
    CHECK_EQ(errno, EINTR);
    CHECK_EQ(evl_fiber_cancel(evl_fiber_self()), 1);
    CHECK_EQ(poll(&row, 1, -1), -1);
    CHECK_EQ(errno, EINTR);
    CHECK_EQ(evl_fiber_cancel(evl_fiber_self()), 1);
    CHECK_EQ(read(row.fd, buf, sizeof buf), -1);
    CHECK_EQ(errno, ECANCELED);
    return 0;
}

/* Killed in a poll: nothing of it is left on the loop. */
static int64_t polls(void *fd) {
    struct pollfd row = {*(int *)fd, POLLIN, 0};
    poll(&row, 1, 1000000);
    return 1;
}

int main(void) {
    begin_tests();
    sockets();
    pipes();
    sleeps();
    int before = open_fds();
    evl_loop *loop = new_loop();
    CHECK_EQ(evl_fiber_spawn(loop, ticker, NULL, NULL, NULL), 0);
    CHECK(crowd(loop, 1, main_fiber, NULL) > 0);

    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK(crowd(loop, 1, cancelled, &ends[0]) < 5 * EVL_SECOND);
    evl_fiber *fiber;
    CHECK_EQ(evl_fiber_spawn(loop, polls, &ends[0], NULL, &fiber), 0);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_NOWAIT), EVL_RUN_ALIVE);
    CHECK_EQ(evl_fiber_kill(fiber), 1);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(evl_fiber_result(fiber), EVL_ECANCELED);
    evl_fiber_unref(fiber);
    evl_fd_closing(loop, ends[0]);
    close(ends[0]);
    close(ends[1]);
    close_loop(loop);
    CHECK_EQ(open_fds(), before);
    return 0;
}
