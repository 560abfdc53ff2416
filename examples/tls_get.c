/* tls_get.c - one page over HTTPS: connecting, the handshake, and what was agreed on.
 *     tls_get [--ca FILE] HOST [PORT [PATH]]      verifies by the system's roots, or those of FILE
 *
 * Try it:  tls_get example.org */
#include <evloop/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static evl_loop *loop;
static evl_stream *stream;
static evl_op reading;
static char buffer[16384];
static int64_t total;

static int failed(const char *what, int64_t code) {
    fprintf(stderr, "tls_get: %s: %s\n", what, evl_strerror((int32_t)code));
    return 1;
}

/* Each read starts the next, until the end: 0 is close_notify, a connection that was cut off an error. */
static void on_read(void *arg, int64_t n) {
    (void)arg;
    if (n > 0) {
        total += n;
        fwrite(buffer, 1, (size_t)n, stdout);
        n = evl_stream_read(stream, &reading, buffer, sizeof buffer);
        if (n >= 0)
            return;
    }
    evl_stop(loop, (int32_t)n);
}

static int32_t get(const char *host, const char *path) {
    evl_tls_info info = {.struct_size = sizeof info};
    char request[2048];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
    if (n < 0 || (size_t)n >= sizeof request)
        return EVL_EMSGSIZE;
    evl_tls_get_info(stream, &info);
    fprintf(stderr, "TLS 1.%d, %s, %s\n", info.version % 10, info.cipher, info.resumed ? "resumed" : "new");
    int64_t rc = evl_stream_write(stream, request, (size_t)n);
    evl_op_init(&reading, on_read, NULL, 0);
    if (rc >= 0)
        rc = evl_stream_read(stream, &reading, buffer, sizeof buffer);
    return rc < 0 ? (int32_t)rc : evl_loop_run(loop, EVL_RUN_DEFAULT);
}

int main(int argc, char **argv) {
    evl_tls_context_options options = {.struct_size = sizeof options};
    evl_tls_options how = {.struct_size = sizeof how, .timeout_ns = 10000000000};
    evl_tls_context *context;
    evl_future *connecting;
    void *value;
    if (argc > 2 && strcmp(argv[1], "--ca") == 0) {
        options.ca_file = argv[2];
        argv += 2, argc -= 2;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: tls_get [--ca FILE] HOST [PORT [PATH]]\n");
        return 2;
    }
    int32_t rc = evl_tls_context_new(&options, &context);
    if (rc < 0)
        return failed("the roots", rc);
    rc = evl_loop_new(&loop, NULL);
    if (rc < 0)
        return failed("the loop", rc);

    rc = evl_tls_connect(loop, context, argv[1], argc > 2 ? argv[2] : "443", &how, &connecting);
    if (rc == 0)
        rc = evl_loop_run_until(loop, connecting, NULL);
    if (rc == 0)
        rc = evl_future_take(connecting, &value);
    if (rc < 0)
        return failed(argv[1], rc);
    evl_future_unref(connecting);
    stream = value;
    rc = get(argv[1], argc > 3 ? argv[3] : "/");
    evl_close(stream);
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    evl_loop_destroy(loop);
    evl_tls_context_unref(context);
    fprintf(stderr, "%lld bytes\n", (long long)total);
    return rc < 0 ? failed("reading", rc) : 0;
}
