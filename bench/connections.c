/* connections.c - user memory of an idle connection of each echo server, with its buffer of 4096 bytes.
 *     connections [COUNT]            of every server
 *     connections COUNT SERVER       of one
 *
 * What the allocator has given out when all connections wait for something to read, less what it has for one,
 * divided by how many there are. Each server runs in a process of its own. */
#if !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* mallinfo2 */
#endif
#include "servers.h"
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int count;
static int *clients, *fds;
static size_t before, by_one;
static int answer[2];

static bench_table table = {.title = "bytes of user memory per idle connection", .cols = {"bytes"}};

static size_t in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* All of them wait. Ends the one, and with the many the process. */
static void look(void) {
    size_t taken = in_use() - before;
    if (count > 1) {
        double bytes = (double)(taken - by_one) / (count - 1);
        BENCH_CHECK(write(answer[1], &bytes, sizeof bytes) == sizeof bytes);
        _exit(0);
    }
    by_one = taken;
    (void)shutdown(clients[0], SHUT_WR);
}

static void serve(const server *s, int n) {
    count = n;
    for (int i = 0; i < n; i++) {
        int pair[2];
        BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        BENCH_CHECK(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
        clients[i] = pair[0];
        fds[i] = pair[1];
    }
    before = in_use();
    s->serve(fds, n);
}

/* In a process of its own, which writes the answer to a pipe. */
static double measure(const server *s, int n) {
    int status;
    double bytes;
    BENCH_CHECK(pipe(answer) == 0);
    pid_t child = fork();
    BENCH_CHECK(child >= 0);
    if (child == 0) {
        serve(s, 1);
        serve(s, n);
        _exit(1);
    }
    BENCH_CHECK(read(answer[0], &bytes, sizeof bytes) == sizeof bytes);
    BENCH_CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(answer[0]);
    close(answer[1]);
    return bytes;
}

int main(int argc, char **argv) {
    int n = (int)bench_arg(argc, argv, 1, 5000);
    struct rlimit limit;
    BENCH_CHECK(n > 1 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    BENCH_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    clients = calloc((size_t)n, sizeof *clients);
    fds = calloc((size_t)n, sizeof *fds);
    BENCH_CHECK(clients && fds);
    int only = argc > 2 ? find_server(argv[2]) : -1;
    echo_ready = look;
    for (int i = 0; i < SERVERS; i++) {
        table.rows[i] = servers[i].name;
        if (only < 0 || only == i)
            bench_put(&table, i, 0, measure(&servers[i], n));
    }
    printf("%d connections\n", n);
    bench_print(&table, 0);
    return 0;
}
