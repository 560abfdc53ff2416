/* embed_poll.c - a program with a poll(2) loop of its own that hosts an evloop.
 *
 *     embed_poll [-r]      -r: hand rows over, also where watching one fd would do
 *
 * The host watches its standard input; the guest runs a timer. Where the backend has a readable fd of its
 * own, the host watches that one more fd and the guest keeps it truthful, timers included. Elsewhere, or with
 * -r, the guest tells before each poll what to wait for and how long, and gets back what came. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <evloop.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ROWS = 64 };

static evl_loop *loop;
static evl_timer *timer;
static int ticks;

static void check(int64_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "embed_poll: %s: %s\n", what, evl_strerror((int32_t)rc));
        exit(1);
    }
}

static void on_tick(void *arg, int64_t expirations) {
    (void)arg;
    (void)expirations;
    printf("guest: tick %d\n", ++ticks);
    if (ticks == 5)
        check(evl_close(timer), "evl_close");
}

static void wait_for(struct pollfd *fds, size_t n, int64_t timeout_ns) {
    int64_t ms =
        timeout_ns < 0 ? -1 : timeout_ns / 1000000 + (timeout_ns % 1000000 != 0); /* never too short */
    if (poll(fds, (nfds_t)n, (int)(ms < INT_MAX ? ms : INT_MAX)) < 0 && errno != EINTR)
        check(evl_err_from_errno(errno), "poll");
}

/* The host's own work: fds[0] is its standard input, and -1 once that has ended. */
static void own_work(struct pollfd *input) {
    char buf[512];
    if (input->revents == 0)
        return;
    ssize_t n = read(input->fd, buf, sizeof buf);
    if (n > 0) {
        printf("host: %zd bytes of input\n", n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        printf("host: end of input\n");
        input->fd = -1; /* poll ignores it from now on */
    }
}

/* One fd for the whole guest. */
static void host_by_fd(struct pollfd *fds, evl_fd guest) {
    fds[1] = (struct pollfd){.fd = guest, .events = POLLIN};
    while (evl_loop_alive(loop) == 1) {
        fds[0].revents = fds[1].revents = 0;
        wait_for(fds, 2, -1);
        own_work(&fds[0]);
        if (fds[1].revents != 0)
            check(evl_loop_dispatch(loop, NULL, 0), "evl_loop_dispatch");
    }
}

/* The guest's fds among the host's. evloop's mask bits have the values that poll has on Linux, but not
 * everywhere, so a host that is meant to be portable translates them. */
static void host_by_rows(struct pollfd *fds) {
    evl_poll_row rows[MAX_ROWS];
    while (evl_loop_alive(loop) == 1) {
        int64_t timeout;
        int32_t n = evl_loop_prepare(loop, rows, MAX_ROWS, &timeout);
        check(n > MAX_ROWS ? EVL_ENOBUFS : n, "evl_loop_prepare");
        for (int32_t i = 0; i < n; i++) {
            short events = (short)((rows[i].wanted & EVL_READ ? POLLIN : 0) |
                                   (rows[i].wanted & EVL_WRITE ? POLLOUT : 0) |
                                   (rows[i].wanted & EVL_PRI ? POLLPRI : 0));
            fds[1 + i] = (struct pollfd){.fd = rows[i].fd, .events = events};
        }
        fds[0].revents = 0;
        wait_for(fds, (size_t)n + 1, timeout);
        own_work(&fds[0]);
        for (int32_t i = 0; i < n; i++) {
            int r = fds[1 + i].revents;
            rows[i].reported = (r & POLLIN ? EVL_READ : 0u) | (r & POLLOUT ? EVL_WRITE : 0u) |
                               (r & POLLPRI ? EVL_PRI : 0u) | (r & POLLERR ? EVL_ERR : 0u) |
                               (r & POLLHUP ? EVL_HUP : 0u) | (r & POLLNVAL ? EVL_NVAL : 0u);
        }
        check(evl_loop_dispatch(loop, rows, n), "evl_loop_dispatch");
    }
}

int main(int argc, char **argv) {
    struct pollfd fds[1 + MAX_ROWS] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    int by_rows = argc > 1 && strcmp(argv[1], "-r") == 0;
    const int64_t tenth = 100 * INT64_C(1000000);

    setvbuf(stdout, NULL, _IOLBF, 0);
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_timer_new(loop, on_tick, NULL, &timer), "evl_timer_new");
    check(evl_timer_start_in(timer, tenth, tenth), "evl_timer_start_in");

    evl_fd guest = by_rows ? EVL_ENOTSUP : evl_loop_fd(loop);
    check(guest == EVL_ENOTSUP ? 0 : guest, "evl_loop_fd");
    printf("hosting %s by %s\n", evl_loop_backend(loop), guest >= 0 ? "its fd" : "rows");
    if (guest >= 0)
        host_by_fd(fds, guest);
    else
        host_by_rows(fds);
    check(evl_loop_close(loop), "evl_loop_close");
    printf("done after %d ticks\n", ticks);
    return 0;
}
