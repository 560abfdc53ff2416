/* fiber_echo.c - the echo server with a fiber for each client: straight lines, and no callback.
 *     fiber_echo [PORT]       without a port, or with 0, the kernel chooses; the port is printed either way
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <evloop/fiber.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>

static evl_server *server;
static int served;

static void check(int64_t rc, const char *what) {
    if (rc < 0)
        fprintf(stderr, "fiber_echo: %s: %s\n", what, evl_strerror(rc));
}

static int64_t echo(void *stream) {
    char buf[4096];
    int64_t n;
    while ((n = evl_fiber_read(stream, buf, sizeof buf)) > 0)
        if ((n = evl_fiber_write_all(stream, buf, (size_t)n)) < 0)
            break;
    evl_close(stream);
    return n;
}

static int64_t serve(void *arg) {
    evl_stream *stream;
    int32_t rc;
    (void)arg;
    while ((rc = evl_fiber_accept(server, &stream)) == 0) {
        served++;
        rc = evl_fiber_spawn(evl_fiber_loop(NULL), echo, stream, NULL, NULL);
        if (rc < 0) {
            check(rc, "evl_fiber_spawn");
            evl_close(stream);
        }
    }
    return rc;
}

/* Ctrl-C, or a kill, ends the server and its clients. */
static int64_t until_signal(void *arg) {
    evl_op interrupted, terminated, *both[] = {&interrupted, &terminated};
    evl_loop *loop = evl_fiber_loop(NULL);
    (void)arg;
    evl_fiber_op_init(&interrupted);
    evl_fiber_op_init(&terminated);
    check(evl_wait_signal(loop, &interrupted, SIGINT), "evl_wait_signal");
    check(evl_wait_signal(loop, &terminated, SIGTERM), "evl_wait_signal");
    evl_await_any(both, 2);
    evl_op_close(&interrupted);
    evl_op_close(&terminated);
    evl_server_close_clients(server);
    evl_close(server);
    return 0;
}

int main(int argc, char **argv) {
    evl_loop *loop;
    struct sockaddr_in6 address;
    int32_t rc = evl_loop_new(&loop, NULL);
    if (rc == 0)
        rc = evl_server_listen(loop, "127.0.0.1", argc > 1 ? argv[1] : "0", NULL, &server);
    if (rc == 0)
        rc = evl_fiber_spawn(loop, until_signal, NULL, NULL, NULL);
    if (rc == 0)
        rc = evl_fiber_spawn(loop, serve, NULL, NULL, NULL);
    if (rc == 0 && evl_server_local(server, 0, &address, sizeof address) > 0) {
        printf("port %d\n", ntohs(address.sin6_port));
        fflush(stdout);
        rc = evl_loop_run(loop, EVL_RUN_DEFAULT);
    }
    check(rc, "it");
    printf("served %d\n", served);
    return evl_loop_destroy(loop) < 0 || rc < 0;
}
