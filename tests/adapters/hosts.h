/* hosts.h - what is tested of every host: a program defines host_* for its library, and calls host_tests().
 */
#ifndef EVLOOP_TESTS_ADAPTERS_HOSTS_H
#define EVLOOP_TESTS_ADAPTERS_HOSTS_H

#include "support.h"

#include <pthread.h>

/* The host's side. The adapter is made and freed between host_new and host_free. */
static void host_new(void);
static void host_free(void);
static int32_t host_attach(evl_loop *loop); /* EVL_ENOTSUP: not with this backend */
static void host_detach(void);
static void host_run(void);                       /* until host_quit */
static void host_quit(void);                      /* in a callback, of either */
static void host_after(int ms, void (*fn)(void)); /* a timer of the host's own; one at a time */

static evl_loop *loop;
static int passes; /* of the loop */

static void count_pass(void *arg) {
    (void)arg;
    passes++;
}

/* A loop and its host. */
static void begin_host(void) {
    evl_hook *hook;
    host_new();
    loop = new_loop();
    passes = 0;
    CHECK_EQ(evl_hook_new(loop, EVL_HOOK_AFTER_POLL, count_pass, NULL, &hook), 0);
    CHECK_EQ(host_attach(loop), 0);
}

static void end_host(void) {
    host_detach();
    CHECK_EQ(evl_loop_destroy(loop), 0);
    host_free();
}

/* Timers of several lengths are never early, and within a millisecond: of those that came later, which
 * happens on a machine that does something else, others have a try. */
static evl_timer *timer;
static int64_t due;
static int in_time, tries;

static void start_timer(void) {
    int64_t delay = (3 + tries % 7) * EVL_MS + (tries % 10) * 100 * EVL_US;
    due = evl_time(loop) + delay;
    CHECK_EQ(evl_timer_start_at(timer, due, 0), 0);
    tries++;
}

static void timer_due(void *arg, int64_t n) {
    int64_t late = evl_time(loop) - due;
    (void)arg;
    CHECK_EQ(n, 1);
    CHECK(late >= 0);
    in_time += late <= EVL_MS + 200 * EVL_US;
    if (in_time < 15 && tries < 2000)
        start_timer();
    else
        host_quit();
}

static void timers(void) {
    begin_host();
    in_time = tries = 0;
    CHECK_EQ(evl_timer_new(loop, timer_due, NULL, &timer), 0);
    start_timer();
    host_run();
    CHECK(in_time >= 15);
    end_host();
}

/* A loop that only waits is left alone. */
static void never(void *arg, int64_t n) {
    (void)arg, (void)n;
    CHECK(!"called");
}

static int64_t cpu_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * EVL_SECOND + t.tv_nsec;
}

static void idle(void) {
    int fds[2];
    evl_io *io;
    begin_host();
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(evl_io_new(loop, fds[0], EVL_READ, 0, never, NULL, &io), 0);
    CHECK_EQ(evl_timer_new(loop, never, NULL, &timer), 0);
    CHECK_EQ(evl_timer_start_in(timer, EVL_HOUR, 0), 0);
    int64_t before = cpu_time();
    host_after(150, host_quit);
    host_run();
    CHECK(passes <= 4);
    CHECK(cpu_time() - before < 75 * EVL_MS); /* nor does the host spin */
    CHECK_EQ(evl_close(io), 0);
    close(fds[0]);
    close(fds[1]);
    end_host();
}

/* Many small things over streams, some of them begun by the host outside of any callback of the loop. */
enum { ROUNDS = 500, PAIRS = 20 };
static evl_stream *ends[PAIRS][2];
static int rounds_left;

static void echo(void *arg, int64_t n) {
    evl_stream *s = (evl_stream *)arg;
    const void *data;
    if (n <= 0)
        return;
    evl_stream_peek(s, &data);
    CHECK_EQ(evl_stream_write(s, data, (size_t)n), n);
}

static void came_back(void *arg, int64_t n) {
    CHECK(n > 0);
    if (--rounds_left > 0)
        echo(arg, n);
    else
        host_quit();
}

static void first_bytes(void) {
    for (int i = 0; i < PAIRS; i++)
        CHECK_EQ(evl_stream_write(ends[i][0], "hello", 5), 5);
}

static void streams(void) {
    begin_host();
    for (int i = 0; i < PAIRS; i++) {
        int fds[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        for (int side = 0; side < 2; side++) {
            CHECK_EQ(evl_stream_open(loop, fds[side], 0, &ends[i][side]), 0);
            CHECK_EQ(evl_stream_on_data(ends[i][side], side ? echo : came_back, ends[i][side]), 0);
        }
    }
    rounds_left = ROUNDS;
    host_after(5, first_bytes);
    host_run();
    CHECK_EQ(rounds_left <= 0, 1);
    end_host();
}

/* What a thread posts comes while the host waits, in order, each once. */
enum { POSTS = 2000 };
static int posted;

static void count_post(void *arg) {
    CHECK_EQ((intptr_t)arg, posted);
    if (++posted == POSTS)
        host_quit();
}

static void *post_all(void *arg) {
    (void)arg;
    for (intptr_t i = 0; i < POSTS; i++) {
        CHECK_EQ(evl_post(loop, count_post, (void *)i), 0);
        if (i % 500 == 0)
            nap();
    }
    return NULL;
}

static void posts(void) {
    pthread_t thread;
    begin_host();
    posted = 0;
    CHECK_EQ(pthread_create(&thread, NULL, post_all, NULL), 0);
    host_run();
    CHECK_EQ(pthread_join(thread, NULL), 0);
    end_host();
}

/* A deadline that the host brings forward while it waits for a later one. */
static void quit_host(void *arg, int64_t n) {
    (void)arg, (void)n;
    host_quit();
}

static void bring_forward(void) { CHECK_EQ(evl_timer_start_in(timer, EVL_MS, 0), 0); }

static void earlier(void) {
    begin_host();
    CHECK_EQ(evl_timer_new(loop, quit_host, NULL, &timer), 0);
    CHECK_EQ(evl_timer_start_in(timer, EVL_HOUR, 0), 0);
    host_after(5, bring_forward);
    host_run();
    end_host();
}

static void destroy_loop(void) { CHECK_EQ(evl_loop_destroy(loop), 0); }

static void destroy_loop_in_callback(void *arg) {
    (void)arg;
    destroy_loop();
}

static void destroy_and_go_on(void) {
    destroy_loop();
    host_after(5, host_quit);
}

static void work(void) {
    int fds[2];
    evl_timer *t;
    evl_stream *s;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(evl_stream_open(loop, fds[0], 0, &s), 0);
    CHECK_EQ(evl_stream_open(loop, fds[1], 0, &s), 0);
    CHECK_EQ(evl_timer_new(loop, never, NULL, &t), 0);
    CHECK_EQ(evl_timer_start_in(t, EVL_HOUR, 0), 0);
}

static void host_ends_first(void) {
    begin_host();
    work();
    host_after(10, host_quit);
    host_run();
    host_detach();
    host_free();
    CHECK_EQ(evl_loop_destroy(loop), 0);
}

/* The host runs on without it. */
static void loop_ends_first(void) {
    for (int where = 0; where < 3; where++) {
        begin_host();
        work();
        if (where == 0)
            destroy_loop();
        if (where == 1)
            CHECK_EQ(evl_call_soon(loop, destroy_loop_in_callback, NULL), 0);
        host_after(5, where == 2 ? destroy_and_go_on : host_quit);
        host_run();
        host_detach();
        host_free();
    }
}

/* Another takes its place on the same loop. */
static void attached_again(void) {
    begin_host();
    host_detach();
    CHECK_EQ(host_attach(loop), 0);
    CHECK_EQ(evl_timer_new(loop, quit_host, NULL, &timer), 0);
    CHECK_EQ(evl_timer_start_in(timer, EVL_MS, 0), 0);
    host_run();
    end_host();
}

enum { HOST_LEFT_OUT = -1 };

static int host_tests(void) {
    begin_tests();
    host_new();
    loop = new_loop();
    int32_t rc = host_attach(loop);
    if (rc == 0)
        host_detach();
    evl_loop_destroy(loop);
    host_free();
    if (rc == EVL_ENOTSUP) {
        puts("not with this backend, as it says");
        return HOST_LEFT_OUT;
    }
    CASE(timers);
    CASE(idle);
    CASE(streams);
    CASE(posts);
    CASE(earlier);
    CASE(attached_again);
    CASE(host_ends_first);
    CASE(loop_ends_first);
    return 0;
}

#endif
