/* cat.c - copies files, or its standard input, to its standard output, whatever these are.
 *     cat [FILE...]      "-": the standard input
 *
 * Terminals, pipes and sockets are streams. Files and such, which cannot be waited for, are read and written
 * on a thread. Whoever shares the terminal or the pipe finds it as it was: blocking. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <evloop.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct end {
    const char *name;
    int fd;
    evl_stream *stream; /* NULL: through the executor */
    evl_op done;
    int64_t result; /* of the thread's */
} end;

static evl_loop *loop;
static end in, out;
static char **names; /* of the files that are left */
static char buf[65536];
static size_t size; /* of what is on its way from in to out */
static int failed;

static void next_file(void);

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "cat: %s: %s\n", what, evl_strerror(rc));
        failed = 1;
    }
}

static void read_blocking(void *arg) {
    ssize_t n = read(in.fd, buf, sizeof buf);
    in.result = n >= 0 ? n : evl_err_from_errno(errno);
    (void)arg;
}

static void write_blocking(void *arg) {
    for (size_t at = 0; out.result == 0 && at < size;) {
        ssize_t n = write(out.fd, buf + at, size - at);
        out.result = n >= 0 ? 0 : evl_err_from_errno(errno);
        at += n >= 0 ? (size_t)n : 0;
    }
    (void)arg;
}

static void end_input(int32_t rc) {
    check(rc, in.name);
    evl_close(in.stream);
    if (in.fd != STDIN_FILENO)
        close(in.fd);
    next_file();
}

static void read_more(void) {
    int32_t rc = in.stream != NULL ? evl_stream_read(in.stream, &in.done, buf, sizeof buf)
                                   : evl_executor_submit(NULL, loop, &in.done, read_blocking, NULL, NULL, 0);
    if (rc < 0)
        end_input(rc);
}

static void on_written(void *arg, int64_t rc) {
    (void)arg;
    if (rc == 0)
        rc = out.result;
    if (rc == 0) {
        read_more();
        return;
    }
    check((int32_t)rc, out.name); /* and that is the end of it all */
    check(evl_stop(loop, 0), "evl_stop");
}

static void on_read(void *arg, int64_t n) {
    (void)arg;
    if (n == 0 && in.stream == NULL)
        n = in.result;
    if (n <= 0) {
        end_input((int32_t)n);
        return;
    }
    size = (size_t)n;
    if (out.stream != NULL && (n = evl_stream_write(out.stream, buf, size)) >= 0)
        n = evl_stream_flush(out.stream,
                             &out.done); /* buf is free at once, but not more than it is to wait */
    else if (out.stream == NULL)
        n = evl_executor_submit(NULL, loop, &out.done, write_blocking, NULL, NULL, 0);
    if (n < 0)
        on_written(NULL, n);
}

static int32_t end_open(end *e, const char *name, int fd) {
    e->name = name;
    e->fd = fd;
    e->stream = NULL;
    int32_t rc = evl_stream_open(loop, fd, EVL_STREAM_KEEP_FD, &e->stream);
    return rc == EVL_EPERM ? 0 : rc;
}

static void next_file(void) {
    const char *name = *names;
    if (name == NULL) {
        check(evl_stop(loop, 0), "evl_stop");
        return;
    }
    names++;
    int is_input = strcmp(name, "-") == 0;
    in.fd = is_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    int32_t rc =
        in.fd < 0 ? evl_err_from_errno(errno) : end_open(&in, is_input ? "standard input" : name, in.fd);
    check(rc, name);
    if (rc < 0)
        next_file();
    else
        read_more();
}

static void on_signal(void *arg, int64_t count) {
    (void)count;
    failed = 1;
    check(evl_stop(arg, 0), "evl_stop");
}

int main(int argc, char **argv) {
    static char *standard[] = {"-", NULL};
    evl_signal *handle;
    names = argc > 1 ? argv + 1 : standard;
    signal(SIGPIPE, SIG_IGN); /* for the thread's writes */
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    if (failed)
        return 1;
    check(evl_signal_new(loop, SIGINT, on_signal, loop, &handle), "evl_signal_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, loop, &handle), "evl_signal_new");
    check(evl_op_init(&in.done, on_read, NULL, 0), "evl_op_init");
    check(evl_op_init(&out.done, on_written, NULL, 0), "evl_op_init");
    check(end_open(&out, "standard output", STDOUT_FILENO), "standard output");
    if (!failed)
        next_file();
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy"); /* gives terminals and pipes back as they were */
    return failed;
}
