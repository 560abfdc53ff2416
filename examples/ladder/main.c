/* main.c - the ladder: one download done in every style, and what each of them costs.
 *
 *     ladder [-n SOURCES] [-d MS] [-t MS] [FILE...]
 *
 * Slow servers, each a process with a clock of its own, send a text each: so many bytes every -d (10) ms that
 * the longest takes -t (1100) ms. Every style fetches all of them over TCP and compares every byte. Without
 * files the repository's own texts are taken. Exit status: 0 all styles did it, 1 one failed, 2 wrong usage.
 */
#define _POSIX_C_SOURCE 200809L
#include "run.h"
#include <evloop.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef EVLOOP_SOURCE_DIR
#    define EVLOOP_SOURCE_DIR "."
#endif

enum { MAX_SOURCES = 100, MAX_ROWS = 64 };

static const style styles[] = {
#define STYLE(function, name, per_backend, note) {name, function, note, per_backend},
#include "styles.h"
#undef STYLE
};
enum { STYLES = sizeof styles / sizeof *styles };

typedef struct options {
    int count, tick_ms, total_ms;
} options;

/* A whole number from 1 to max, or 0. */
static int number(const char *text, long max) {
    char *end;
    long n = strtol(text, &end, 10);
    return *text != 0 && *end == 0 && n >= 1 && n <= max ? (int)n : 0;
}

static int parse(options *o, int argc, char **argv) {
    int c, wrong = 0, given = 0;
    *o = (options){.count = 10, .tick_ms = 10, .total_ms = 1100};
    while ((c = getopt(argc, argv, "n:d:t:")) != -1) {
        if (c == 'n')
            given = o->count = number(optarg, MAX_SOURCES);
        else if (c == 'd')
            o->tick_ms = number(optarg, 1000);
        else if (c == 't')
            o->total_ms = number(optarg, 60000);
        else
            wrong = 1;
    }
    if (!given && argc > optind)
        o->count = argc - optind < MAX_SOURCES ? argc - optind : MAX_SOURCES;
    return wrong || o->count == 0 || o->tick_ms == 0 || o->total_ms == 0 ? -1 : 0;
}

/* Says what will be done; answers the bytes of a tick. */
static size_t plan(const options *o, const source *sources) {
    size_t least = sources[0].size, most = least;
    size_t ticks = o->total_ms > o->tick_ms ? (size_t)(o->total_ms / o->tick_ms) : 1;
    for (int i = 1; i < o->count; i++) {
        least = sources[i].size < least ? sources[i].size : least;
        most = sources[i].size > most ? sources[i].size : most;
    }
    size_t bytes = (most + ticks - 1) / ticks;
    printf("%d texts of %zu to %zu bytes from %d slow servers, each a process that sends %zu bytes every %d "
           "ms\n",
           o->count, least, most, o->count, bytes, o->tick_ms);
    fflush(stdout);
    return bytes;
}

static int run_all(const options *o, source *sources, const servers *v, row *rows) {
    progress_fn *progress = isatty(STDOUT_FILENO) ? report_progress : NULL;
    const double limit =
        10 + 3e-3 * o->total_ms * o->count; /* three times what the slowest style should take */
    int count = 0;
    for (int i = 0; i < STYLES; i++) {
        for (int b = 0; b == 0 || (styles[i].per_backend && evl_backend_at(b) != NULL); b++) {
            job j = {.sources = sources, .count = o->count};
            j.backend = styles[i].per_backend ? evl_backend_at(b) : NULL;
            if (count == MAX_ROWS || measure_interrupted())
                return count;
            measure(&styles[i], &j, v, limit, &rows[count], progress);
            if (progress != NULL)
                report_done(&rows[count]);
            count++;
        }
    }
    return count;
}

static int ladder(const options *o, source *sources) {
    static row rows[MAX_ROWS];
    servers v = {.alive = -1};
    int rc = tallies_new(sources, o->count);
    if (rc == 0)
        rc = servers_start(&v, sources, o->count, o->tick_ms, plan(o, sources));
    if (rc < 0) {
        fprintf(stderr, "ladder: the servers: %s\n", strerror(-rc));
        servers_stop(&v);
        return 1;
    }
    measure_begin();
    int failed = 0, count = run_all(o, sources, &v, rows);
    servers_stop(&v);
    for (int i = 0; i < count; i++)
        failed += rows[i].problem[0] != 0;
    report_table(rows, count);
    return failed > 0 || measure_interrupted();
}

int main(int argc, char **argv) {
    source sources[MAX_SOURCES] = {0};
    options o;
    if (parse(&o, argc, argv) < 0) {
        fprintf(stderr, "usage: ladder [-n SOURCES] [-d MS] [-t MS] [FILE...]\n");
        return 2;
    }
    int rc = texts_load(sources, o.count, argv + optind, argc - optind, EVLOOP_SOURCE_DIR);
    rc = rc < 0 ? 2 : ladder(&o, sources);
    texts_free(sources, o.count);
    return rc;
}
