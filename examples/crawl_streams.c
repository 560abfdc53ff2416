/* crawl_streams.c - the crawler on streams: connect by name, write the request, read to the end.
 *     crawl_streams [-o DIR] [-t SECONDS] URL...
 *
 * -o saves the pages in DIR as NUMBER-HOST, -t is how long connecting and answering may take, each (10). A
 * host that fails is named on stderr, and the others go on. Exit status: 0 all well, 1 some pages failed, 2
 * wrong usage. */
#define _POSIX_C_SOURCE 200809L
#include "crawl/http.h"
#include <evloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_MAX = 64 << 20 };

typedef struct page {
    url url;
    int number;
    evl_stream *stream; /* NULL until connected */
    evl_op connected, received;
} page;

static evl_loop *loop;
static const char *dir;
static double patience = 10;
static int failed;
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
    evl_stream_abort(p->stream); /* NULL is no error */
    free(p);
}

static void be_patient(evl_op *op) {
    check(evl_op_deadline(op, evl_time(loop) + (int64_t)(patience * 1e9)), "evl_op_deadline");
}

/* The answer is in the stream's buffer; what looks at it wants a final 0. */
static const char *look_at(page *p, size_t size) {
    const void *data;
    const char *body;
    char *answer = malloc(size + 1);
    check(answer == NULL ? EVL_ENOMEM : 0, p->url.host);
    if (evl_stream_peek(p->stream, &data) > 0)
        memcpy(answer, data, size);
    answer[size] = 0;
    const char *problem = http_problem(answer, size, &body, &size);
    if (problem == NULL && dir != NULL)
        problem = http_save(dir, p->number, p->url.host, body, size);
    if (problem == NULL)
        printf("%s: %zu bytes\n", p->url.authority, size);
    total += problem == NULL ? size : 0;
    free(answer);
    return problem;
}

static void on_received(void *arg, int64_t n) {
    page *p = arg;
    page_end(p, n < 0 ? evl_strerror((int32_t)n) : look_at(p, (size_t)n));
}

static void on_connected(void *arg, int64_t rc) {
    page *p = arg;
    char *request = http_request(&p->url);
    check(request == NULL ? EVL_ENOMEM : 0, p->url.host);
    if (rc == 0)
        rc = evl_stream_write(p->stream, request, strlen(request));
    if (rc >= 0)
        rc = evl_stream_read_all(p->stream, &p->received, NULL, PAGE_MAX);
    free(request);
    if (rc < 0)
        page_end(p, evl_strerror((int32_t)rc));
    else
        be_patient(&p->received);
}

static void page_start(const char *text, int number) {
    page *p = calloc(1, sizeof *p);
    check(p == NULL ? EVL_ENOMEM : 0, text);
    p->number = number;
    url_parse(&p->url, text); /* main has seen that it can be */
    check(evl_op_init(&p->connected, on_connected, p, 0), "evl_op_init");
    check(evl_op_init(&p->received, on_received, p, 0), "evl_op_init");
    int32_t rc = evl_connect(loop, &p->connected, p->url.host, p->url.port, NULL, &p->stream);
    if (rc < 0)
        page_end(p, evl_strerror(rc));
    else
        be_patient(&p->connected);
}

int main(int argc, char **argv) {
    int option, wrong = 0;
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
        return fputs("usage: crawl_streams [-o DIR] [-t SECONDS] http://HOST[:PORT][/PATH]...\n", stderr), 2;
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    for (int i = 0; i < n; i++)
        page_start(argv[optind + i], i + 1);
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy"); /* lookups that nobody waits for may still be out */
    printf("%d of %d pages, %zu bytes\n", n - failed, n, total);
    return failed > 0;
}
