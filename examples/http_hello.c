/* http_hello.c - a small HTTP server: says hello, repeats bodies, sends a file, and stops gracefully.
 *
 *     http_hello [port [file]]      without a port, or with 0, the kernel chooses; the port is printed either
 * way
 *
 * Then: curl -d body localhost:PORT/echo. SIGINT or SIGTERM stops it: responses that are under way have five
 * seconds, and a second signal ends them at once.
 */
#define _POSIX_C_SOURCE 200809L
#include <evloop/http_server.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct program {
    evl_loop *loop;
    evl_http_server *web;
    evl_op stopping;
    const char *file;
} program;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "http_hello: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void print_port(const evl_server *listener) {
    char address[EVL_ADDRESS_SIZE];
    int32_t len = evl_server_local(listener, 0, address, sizeof address);
    check(len, "evl_server_local");
    printf("listening on localhost port %d\n", evl_address_port(address, (uint32_t)len));
    fflush(stdout);
}

static void send_file(evl_http_exchange *exchange, const char *path) {
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        (void)evl_http_exchange_respond(exchange, 404, "no such file\n", 13);
        return;
    }
    int32_t rc = evl_http_exchange_send_file(exchange, 200, fd, 0, 0);
    if (rc == EVL_EINVAL || rc == EVL_EBADF ||
        rc == EVL_EMFILE) /* a directory, say: it still wants a response */
        (void)evl_http_exchange_respond(exchange, 404, "no file to send\n", 16);
    (void)close(fd); /* what is sent is a duplicate */
}

/* An error of a response means that the client has gone, and that is all there is to know. */
static void on_request(void *arg, evl_http_exchange *exchange) {
    const program *p = arg;
    const char *target = evl_http_exchange_target(exchange);
    size_t len;
    const char *body = evl_http_exchange_body(exchange, &len);
    (void)evl_http_exchange_add_header(exchange, "Content-Type", "text/plain");
    if (strcmp(target, "/file") == 0)
        send_file(exchange, p->file);
    else if (strcmp(target, "/echo") == 0)
        (void)evl_http_exchange_respond(exchange, 200, body, len);
    else if (strcmp(target, "/") == 0)
        (void)evl_http_exchange_respond(exchange, 200, "hello\n", 6);
    else
        (void)evl_http_exchange_respond(exchange, 404, "not found\n", 10);
}

static void on_stopped(void *arg, int64_t result) {
    printf("stopped: %s\n", result == 0 ? "all done" : evl_strerror((int32_t)result));
    check(evl_stop(((program *)arg)->loop, 0), "evl_stop");
}

static void on_signal(void *arg, int64_t count) {
    program *p = arg;
    (void)count;
    if (evl_http_server_stop(p->web, &p->stopping) == 0)
        check(evl_op_timeout(&p->stopping, 5 * EVL_SECOND), "evl_op_timeout");
    else /* it is the second signal */
        check(evl_stop(p->loop, 0), "evl_stop");
}

int main(int argc, char **argv) {
    program p = {0};
    evl_server *listener;
    evl_signal *handle;
    p.file = argc > 2 ? argv[2] : NULL;
    check(evl_loop_new(&p.loop, NULL), "evl_loop_new");
    check(evl_op_init(&p.stopping, on_stopped, &p, 0), "evl_op_init");
    check(evl_signal_new(p.loop, SIGINT, on_signal, &p, &handle), "evl_signal_new");
    check(evl_signal_new(p.loop, SIGTERM, on_signal, &p, &handle), "evl_signal_new");
    check(evl_http_server_new(p.loop, NULL, on_request, &p, &p.web), "evl_http_server_new");
    check(evl_server_listen(p.loop, "localhost", argc > 1 ? argv[1] : "0", NULL, &listener), "listen");
    print_port(listener);
    check(evl_http_server_serve(p.web, listener), "evl_http_server_serve");

    check(evl_loop_run(p.loop, EVL_RUN_DEFAULT), "evl_loop_run");
    evl_http_server_close(p.web);
    check(evl_loop_destroy(p.loop), "evl_loop_destroy");
    return 0;
}
