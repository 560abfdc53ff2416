/* fetch.c - many pages over HTTP and HTTPS at once: bounded, each failure named, the others finished.
 *     fetch [-n AT_ONCE] [-t SECONDS] [-m BYTES] [-c CA_FILE] [-o DIR] URL...
 *
 * -n is how many are fetched at once (20), -t how long each may take (30), -m how large it may be (64 MiB),
 * -c a file of roots to trust in place of the system's, -o a directory for the pages, as NUMBER. On a
 * terminal a line shows how far it is; the table has all in their order. Exit status: 0 all well, 1 some
 * failed, 2 wrong usage.
 *
 * Try it:  fetch https://example.org/ http://example.net/ https://expired.badssl.com/ */
#include <evloop/http.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct page {
    const char *url;
    evl_http_request *request;
    evl_op op;
    int64_t result; /* a status, or an error */
    size_t bytes;
    int64_t ns;
    int version;
} page;

static struct {
    int all, done, failed;
    uint64_t bytes;
    const char *dir;
    bool terminal;
} sum;

static bool is_good(const page *p) { return p->result >= 200 && p->result < 400; }

static void progress(void) {
    if (sum.terminal)
        fprintf(stderr, "\r%d of %d, %d failed, %.1f MB ", sum.done, sum.all, sum.failed,
                (double)sum.bytes / 1e6);
}

static int32_t save(int number, const char *body, size_t size) {
    char name[4096];
    snprintf(name, sizeof name, "%s/%d", sum.dir, number);
    FILE *file = fopen(name, "wb");
    if (!file)
        return EVL_EIO;
    size_t written = fwrite(body, 1, size, file);
    return fclose(file) == 0 && written == size ? 0 : EVL_EIO;
}

static page *pages;

/* The status, or why there is none. What is not needed any more goes at once. */
static void fetched(void *arg, int64_t result) {
    page *p = arg;
    evl_http_info info = {.struct_size = sizeof info};
    const char *body = evl_http_body(p->request, &p->bytes);
    evl_http_get_info(p->request, &info);
    p->result = result;
    p->ns = info.total_ns;
    p->version = info.version;
    if (is_good(p) && sum.dir && save((int)(p - pages) + 1, body, p->bytes) != 0)
        p->result = EVL_EIO;
    evl_http_request_free(p->request);
    p->request = NULL;
    sum.done++;
    sum.failed += !is_good(p);
    sum.bytes += is_good(p) ? p->bytes : 0;
    progress();
}

static int32_t start(evl_http_session *session, page *p) {
    evl_http_request_options options = {.struct_size = sizeof options, .url = p->url};
    int32_t rc = evl_http_request_new(session, &options, &p->request);
    evl_op_init(&p->op, fetched, p, 0);
    return rc < 0 ? rc : evl_http_fetch(p->request, &p->op);
}

static void table(int64_t ns) {
    if (sum.terminal)
        fprintf(stderr, "\r%40s\r", "");
    printf("%-20s %10s %8s  %s\n", "status", "bytes", "ms", "url");
    for (page *p = pages; p < pages + sum.all; p++)
        if (p->result < 0)
            printf("%-20s %10s %8s  %s: %s\n", evl_err_name(p->result), "-", "-", p->url,
                   evl_strerror(p->result));
        else
            printf("%-20d %10zu %8.1f  %s\n", (int)p->result, p->bytes, (double)p->ns / 1e6, p->url);
    printf("%d of %d, %d failed, %llu bytes, %.2f s\n", sum.all - sum.failed, sum.all, sum.failed,
           (unsigned long long)sum.bytes, (double)ns / 1e9);
}

static int usage(void) {
    fprintf(stderr, "usage: fetch [-n AT_ONCE] [-t SECONDS] [-m BYTES] [-c CA_FILE] [-o DIR] URL...\n");
    return 2;
}

int main(int argc, char **argv) {
    evl_http_session_options options = {
        .struct_size = sizeof options, .max_fetches = 20, .timeout_ns = 30 * EVL_SECOND};
    evl_http_session *session;
    evl_loop *loop;
    for (int option; (option = getopt(argc, argv, "n:t:m:c:o:")) != -1;) {
        switch (option) {
        case 'n':
            options.max_fetches = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 't':
            options.timeout_ns = (int64_t)(strtod(optarg, NULL) * 1e9);
            break;
        case 'm':
            options.max_body = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            options.ca_file = optarg;
            break;
        case 'o':
            sum.dir = optarg;
            break;
        default:
            return usage();
        }
    }
    sum.all = argc - optind;
    sum.terminal = isatty(2);
    pages = calloc((size_t)sum.all + 1, sizeof *pages);
    if (sum.all == 0 || !pages)
        return usage();
    int32_t rc = evl_loop_new(&loop, NULL);
    if (rc == 0)
        rc = evl_http_session_new(loop, &options, &session);
    if (rc < 0) {
        fprintf(stderr, "fetch: %s\n", evl_strerror(rc));
        return 1;
    }

    int64_t began = evl_time(loop);
    for (int i = 0; i < sum.all; i++) {
        page *p = &pages[i];
        p->url = argv[optind + i];
        rc = start(session, p);
        if (rc < 0) /* not a URL, say: it is over */
            fetched(p, rc);
    }
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    table(evl_time(loop) - began);
    evl_http_session_close(session);
    evl_loop_destroy(loop);
    free(pages);
    return sum.failed != 0;
}
