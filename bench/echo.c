/* echo.c - a TCP echo server over loopback, its client in another process.
 *     echo [CONNECTIONS] [MESSAGES] [ROUNDS]      all servers, in turn
 *     echo CONNECTIONS MESSAGES 1 SERVER          one of them, for strace
 *
 * Every connection has one message of 64 bytes on its way; MESSAGES is how many there are altogether. "wall"
 * is the time per message, "cpu" what the server's process needed of it, in the kernel too. */
#define _POSIX_C_SOURCE 200809L
#include "servers.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int connections;
static long messages;

enum { WALL, CPU };

static bench_table table = {.title = "TCP echo of 64 bytes, ns per message", .cols = {"wall", "cpu"}};

/* --- the client -------------------------------------------------------------------------------------------
 */

static int dial(const struct sockaddr_in *to) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    BENCH_CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) == 0);
    BENCH_CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    return fd;
}

static void send_message(int fd) {
    char message[MESSAGE] = "echo";
    BENCH_CHECK(write(fd, message, sizeof message) == sizeof message);
}

/* Begins when the server has written a byte to `start`, and ends by ending the process. */
static _Noreturn void be_client(const struct sockaddr_in *to, int start) {
    struct epoll_event ready[256];
    char buf[ROOM];
    int ep = epoll_create1(0);
    BENCH_CHECK(ep >= 0);
    int *fds = calloc((size_t)connections, sizeof *fds);
    for (int i = 0; i < connections; i++) {
        fds[i] = dial(to);
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fds[i]};
        BENCH_CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev) == 0);
    }
    BENCH_CHECK(read(start, buf, 1) == 1);
    for (int i = 0; i < connections; i++)
        send_message(fds[i]);
    for (long to_send = messages - connections, to_come = messages; to_come > 0;) {
        int n = epoll_wait(ep, ready, 256, -1);
        for (int i = 0; i < n; i++, to_come--) {
            BENCH_CHECK(read(ready[i].data.fd, buf, sizeof buf) == MESSAGE);
            if (to_send-- > 0)
                send_message(ready[i].data.fd);
        }
    }
    _exit(0);
}

/* --- the server -------------------------------------------------------------------------------------------
 */

static int start_pipe[2];
static int64_t wall, cpu;

static void start_client(void) {
    BENCH_CHECK(write(start_pipe[1], "", 1) == 1);
    wall = bench_now();
    cpu = bench_cpu();
}

static void play(int row) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    BENCH_CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&addr, len) == 0);
    BENCH_CHECK(getsockname(listener, (struct sockaddr *)&addr, &len) == 0 && listen(listener, 1024) == 0);
    BENCH_CHECK(pipe(start_pipe) == 0);
    (void)fflush(stdout);
    pid_t client = fork();
    BENCH_CHECK(client >= 0);
    if (client == 0)
        be_client(&addr, start_pipe[0]);

    int *fds = calloc((size_t)connections, sizeof *fds);
    for (int i = 0; i < connections; i++) {
        BENCH_CHECK((fds[i] = accept(listener, NULL, NULL)) >= 0);
        BENCH_CHECK(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    }
    servers[row].serve(fds, connections);
    bench_put(&table, row, WALL, (double)(bench_now() - wall) / (double)messages);
    bench_put(&table, row, CPU, (double)(bench_cpu() - cpu) / (double)messages);

    int status;
    BENCH_CHECK(waitpid(client, &status, 0) == client && status == 0);
    for (int i = 0; i < connections; i++)
        close(fds[i]);
    free(fds);
    close(listener);
    close(start_pipe[0]);
    close(start_pipe[1]);
}

int main(int argc, char **argv) {
    connections = (int)bench_arg(argc, argv, 1, 100);
    messages = bench_arg(argc, argv, 2, 200000);
    long rounds = bench_arg(argc, argv, 3, 7);
    int only = argc > 4 ? find_server(argv[4]) : -1;
    echo_ready = start_client;
    for (int i = 0; i < SERVERS; i++)
        table.rows[i] = servers[i].name;
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < SERVERS; i++)
            if (only < 0 || only == i)
                play(i);
    if (only > 0)
        return 0;
    printf("%d connections, %ld messages, best of %ld rounds; evloop's last: %.1f messages per wait, "
           "%llu allocations\n",
           connections, messages, rounds, (double)messages / (double)evl_polls,
           (unsigned long long)evl_allocations);
    bench_print(&table, SERVER_RAW);
    return 0;
}
