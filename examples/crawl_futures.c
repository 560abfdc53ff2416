/* crawl_futures.c - the crawler by futures: each page is a chain, errors run along it to its end.
 *     crawl_futures [-o DIR] [-t SECONDS] URL...
 *
 * Everything else is as in crawl.c: -o saves the pages in DIR as NUMBER-HOST, -t is how long a host may be
 * silent (10), a host that fails is named on stderr, and the others go on. Exit status: 0 all well, 1 some
 * pages failed, 2 wrong usage. */
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
    dial *dial;                            /* until there is an fd */
    const char *problem;                   /* in words, where there is more to say than a code does */
    char *data;                            /* the request, later the answer */
    size_t used;                           /* so much of it has been sent, later: has come */
    evl_future *dialled, *sent, *received; /* the chain, up to the end that main holds */
    evl_future *work;                      /* what `sent` or `received` follow: done piece by piece */
} page;

static evl_loop *loop;
static const char *dir;
static double patience = 10;
static size_t total;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "crawl: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

/* --- links of the chain: each consumes the reference to what comes before ----------------------------------
 */

static evl_future *future(void) {
    evl_future *f;
    check(evl_future_new(loop, &f), "evl_future_new");
    return f;
}

static evl_future *patiently(evl_future *f) {
    evl_future *out;
    check(evl_wait_for(f, (int64_t)(patience * 1e9), &out), "evl_wait_for");
    evl_future_unref(f);
    return out;
}

static evl_future *then(evl_future *f, evl_done_fn *fn, evl_done_fn *on_error, page *p) {
    evl_future *out;
    check(evl_future_then(f, fn, on_error, p, &out), "evl_future_then");
    evl_future_unref(f);
    return out;
}

/* --- work that takes several waits
 * -------------------------------------------------------------------------- */

static void begin_work(page *p, evl_future *stage) {
    p->work = future();
    p->used = 0;
    check(evl_future_follow(stage, p->work), "evl_future_follow");
}

static void end_work(void *arg, int64_t rc) {
    page *p = arg;
    check(rc < 0 ? evl_future_fail(p->work, (int32_t)rc) : evl_future_resolve(p->work, rc),
          "the end of work");
    evl_future_unref(p->work);
}

/* Goes on with fn when the fd is ready, and gives up when it is not in time. */
static void await(page *p, uint32_t mask, evl_done_fn *fn) {
    evl_future *ready = future();
    int32_t rc = evl_wait_fd(loop, evl_future_op(ready), p->fd, mask);
    if (rc < 0)
        check(evl_future_fail(ready, rc), "evl_future_fail");
    evl_future_unref(then(patiently(ready), fn, end_work, p));
}

static int again(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

static void send_more(void *arg, int64_t mask) {
    page *p = arg;
    ssize_t n = send(p->fd, p->data + p->used, strlen(p->data + p->used), MSG_NOSIGNAL);
    p->used += n > 0 ? (size_t)n : 0;
    if (n < 0 && !again())
        end_work(p, evl_err_from_errno(errno));
    else if (p->data[p->used] != 0)
        await(p, EVL_WRITE, send_more);
    else
        end_work(p, 0);
    (void)mask;
}

static void receive_more(void *arg, int64_t mask) {
    enum { CHUNK = 65536 };
    page *p = arg;
    char *data = realloc(p->data, p->used + CHUNK + 1);
    check(data == NULL ? EVL_ENOMEM : 0, p->url.host);
    p->data = data;
    ssize_t n = recv(p->fd, data + p->used, CHUNK, 0);
    p->used += n > 0 ? (size_t)n : 0;
    data[p->used] = 0;
    if (n == 0)
        end_work(p, 0);
    else if (n < 0 && !again())
        end_work(p, evl_err_from_errno(errno));
    else
        await(p, EVL_READ, receive_more);
    (void)mask;
}

/* --- the stages
 * ---------------------------------------------------------------------------------------------- */

static void on_dial(void *arg, int fd, const char *problem) {
    page *p = arg;
    p->dial = NULL;
    p->fd = fd;
    p->problem = problem;
    if (fd < 0)
        (void)evl_future_fail(p->dialled, EVL_ENOTCONN);
    else
        (void)evl_future_resolve(p->dialled, 0);
}

static void on_dialled(void *arg, int64_t value) {
    page *p = arg;
    begin_work(p, p->sent);
    send_more(p, value);
}

static void on_sent(void *arg, int64_t value) {
    page *p = arg;
    begin_work(p, p->received);
    receive_more(p, value);
}

static evl_future *page_start(page *p, const char *text, int number) {
    p->number = number;
    p->fd = -1;
    url_parse(&p->url, text); /* main has seen that it can be */
    p->data = http_request(&p->url);
    p->dialled = future();
    p->sent = then(patiently(evl_future_ref(p->dialled)), on_dialled, NULL, p);
    p->received = then(evl_future_ref(p->sent), on_sent, NULL, p);
    p->dial = dial_start(loop, p->url.host, p->url.port, on_dial, p);
    check(p->data == NULL || p->dial == NULL ? EVL_ENOMEM : 0, text);
    return evl_future_ref(p->received);
}

/* Whether all went well. */
static int page_end(page *p, evl_future *end) {
    const char *body;
    size_t size = 0;
    int32_t rc = evl_future_value(end, NULL);
    if (rc == 0)
        p->problem = http_problem(p->data, p->used, &body, &size);
    if (rc == 0 && p->problem == NULL && dir != NULL)
        p->problem = http_save(dir, p->number, p->url.host, body, size);
    if (rc < 0 && p->problem == NULL)
        p->problem = evl_strerror(rc);
    if (p->problem != NULL)
        fprintf(stderr, "crawl: %s: %s\n", p->url.authority, p->problem);
    else
        printf("%s: %zu bytes\n", p->url.authority, size);
    total += p->problem == NULL ? size : 0;
    dial_cancel(p->dial);
    if (p->fd >= 0)
        close(p->fd);
    free(p->data);
    evl_future *const links[] = {p->dialled, p->sent, p->received, end};
    for (int i = 0; i < 4; i++)
        evl_future_unref(links[i]);
    return p->problem == NULL;
}

int main(int argc, char **argv) {
    int option, wrong = 0, good = 0;
    while ((option = getopt(argc, argv, "o:t:")) != -1) {
        if (option == 'o')
            dir = optarg;
        else if (option != 't' || (patience = strtod(optarg, NULL)) <= 0)
            wrong = 1;
    }
    int n = argc - optind;
    for (int i = 0; i < n; i++)
        wrong += url_parse(&(url){0}, argv[optind + i]) < 0;
    if (wrong || n <= 0)
        return fputs("usage: crawl_futures [-o DIR] [-t SECONDS] http://HOST[:PORT][/PATH]...\n", stderr), 2;
    page *pages = calloc((size_t)n, sizeof *pages);
    evl_future **ends = calloc((size_t)n, sizeof(evl_future *)), *all;
    check(pages == NULL || ends == NULL ? EVL_ENOMEM : 0, "memory");
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    for (int i = 0; i < n; i++)
        ends[i] = page_start(&pages[i], argv[optind + i], i + 1);
    check(evl_gather(loop, ends, (uint32_t)n, EVL_GATHER_ERRORS, &all), "evl_gather");
    check(evl_loop_run_until(loop, all, NULL), "evl_loop_run_until");
    for (int i = 0; i < n; i++)
        good += page_end(&pages[i], ends[i]);
    evl_future_unref(all);
    check(evl_loop_destroy(loop), "evl_loop_destroy"); /* lookups that nobody waits for may still be out */
    printf("%d of %d pages, %zu bytes\n", good, n, total);
    free(pages);
    free(ends);
    return good < n;
}
