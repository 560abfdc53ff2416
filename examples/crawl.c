/* crawl.c - fetches pages over HTTP/1.0 by callbacks, all of them at once, on one thread.
 *     crawl [-o DIR] [-t SECONDS] URL...
 *
 * -o saves the pages in DIR as NUMBER-HOST, -t is how long a host may be silent (10). A host that fails is
 * named on stderr, and the others go on. Exit status: 0 all well, 1 some pages failed, 2 wrong usage. */
#define _POSIX_C_SOURCE 200809L
#include "crawl/dial.h"
#include "crawl/http.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct page {
    url url;
    int number, fd;
    dial *dial; /* until there is an fd */
    evl_io *io;
    evl_timer *silence;
    char *data;  /* the request, later the answer */
    size_t used; /* so much of it has been sent, later: has come */
} page;

static evl_loop *loop;
static const char *dir;
static double patience = 10;
static int active, failed;
static size_t total;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "crawl: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void page_end(page *p, const char *problem) {
    if (problem != NULL)
        fprintf(stderr, "crawl: %s: %s\n", p->url.authority, problem);
    failed += problem != NULL;
    dial_cancel(p->dial);
    evl_close(p->io); /* NULL is no error */
    evl_close(p->silence);
    if (p->fd >= 0)
        close(p->fd);
    free(p->data);
    free(p);
    if (--active == 0) /* do not wait for lookups that nobody waits for any more */
        check(evl_stop(loop, 0), "evl_stop");
}

/* After a call on the page's fd: whether it did something, or else the page waits on, or has ended. */
static int went(page *p, ssize_t n) {
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        page_end(p, evl_strerror(evl_err_from_errno(errno)));
    else if (n >= 0)
        check(evl_timer_start_in(p->silence, (int64_t)(patience * 1e9), 0), "evl_timer_start_in");
    return n >= 0;
}

static void on_silence(void *arg, int64_t expirations) {
    page_end(arg, evl_strerror(expirations > 0 ? EVL_ETIMEDOUT : (int32_t)expirations));
}

static void page_received(page *p) {
    const char *body;
    size_t size;
    const char *problem = http_problem(p->data, p->used, &body, &size);
    if (problem == NULL && dir != NULL)
        problem = http_save(dir, p->number, p->url.host, body, size);
    if (problem == NULL)
        printf("%s: %zu bytes\n", p->url.authority, size);
    total += problem == NULL ? size : 0;
    page_end(p, problem);
}

/* What went wrong with a watcher shows in the next call on its fd, so the masks need no look. */
static void on_readable(void *arg, int64_t mask) {
    enum { CHUNK = 65536 };
    page *p = arg;
    char *data = realloc(p->data, p->used + CHUNK + 1);
    check(data == NULL ? EVL_ENOMEM : 0, p->url.host);
    p->data = data;
    ssize_t n = recv(p->fd, data + p->used, CHUNK, 0);
    if (!went(p, n))
        return;
    data[p->used += (size_t)n] = 0;
    if (n == 0)
        page_received(p);
    (void)mask;
}

static void on_writable(void *arg, int64_t mask) {
    page *p = arg;
    ssize_t n = send(p->fd, p->data + p->used, strlen(p->data + p->used), MSG_NOSIGNAL);
    if (!went(p, n) || p->data[p->used += (size_t)n] != 0)
        return;
    p->used = 0;
    evl_close(p->io);
    check(evl_io_new(loop, p->fd, EVL_READ, 0, on_readable, p, &p->io), "evl_io_new");
    (void)mask;
}

static void on_dialled(void *arg, int fd, const char *problem) {
    page *p = arg;
    p->dial = NULL;
    p->fd = fd;
    if (fd < 0)
        page_end(p, problem);
    else
        check(evl_io_new(loop, fd, EVL_WRITE, 0, on_writable, p, &p->io), "evl_io_new");
}

static void page_start(const char *text, int number) {
    page *p = calloc(1, sizeof *p);
    check(p == NULL ? EVL_ENOMEM : 0, text);
    p->number = number;
    p->fd = -1;
    url_parse(&p->url, text); /* main has seen that it can be */
    check(evl_timer_new(loop, on_silence, p, &p->silence), "evl_timer_new");
    went(p, 0); /* the silence begins */
    p->data = http_request(&p->url);
    p->dial = dial_start(loop, p->url.host, p->url.port, on_dialled, p);
    if (p->data == NULL || p->dial == NULL)
        page_end(p, evl_strerror(EVL_ENOMEM));
}

int main(int argc, char **argv) {
    int option, wrong = 0;
    while ((option = getopt(argc, argv, "o:t:")) != -1) {
        if (option == 'o')
            dir = optarg;
        else if (option != 't' || (patience = strtod(optarg, NULL)) <= 0)
            wrong = 1;
    }
    for (int i = optind; i < argc; i++, active++)
        wrong += url_parse(&(url){0}, argv[i]) < 0;
    if (wrong || active == 0)
        return fputs("usage: crawl [-o DIR] [-t SECONDS] http://HOST[:PORT][/PATH]...\n", stderr), 2;
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    for (int i = optind; i < argc; i++)
        page_start(argv[i], i - optind + 1);
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy");
    printf("%d of %d pages, %zu bytes\n", argc - optind - failed, argc - optind, total);
    return failed > 0;
}
