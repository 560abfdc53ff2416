/* report.c - progress on a terminal, and the table. */
#define _DEFAULT_SOURCE
#include "run.h"
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int terminal_width(void) {
    struct winsize size = {0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 40 ? size.ws_col : 80;
}

/* "blocking           3.4 s |=====|=====|==   |     |": a cell for each source, as many as there is room for.
 */
void report_progress(const job *j, const row *r, double seconds) {
    int room = terminal_width() - 28, width = room / j->count - 1;
    width = width < 1 ? 1 : width > 16 ? 16 : width;
    printf("\r\033[K%-18s %5.1f s |", r->name, seconds);
    for (int i = 0; i < j->count && (i + 1) * (width + 1) <= room; i++) {
        const source *s = &j->sources[i];
        int full = (int)(source_got(s) * (uint64_t)width / s->size);
        for (int k = 0; k < width; k++)
            putchar(k < full ? '=' : ' ');
        putchar('|');
    }
    fflush(stdout);
}

void report_done(const row *r) {
    printf("\r\033[K%-18s %5.1f s %s\n", r->name, r->wall, r->problem[0] == 0 ? "done" : "FAILED");
    fflush(stdout);
}

void report_table(const row *rows, int count) {
    enum { BAR = 30 };
    char bar[BAR + 1];
    double slowest = 0;
    for (int i = 0; i < count; i++)
        slowest = rows[i].wall > slowest ? rows[i].wall : slowest;

    printf("\n%-18s %8s %9s %9s %7s %8s %9s  %-3s\n", "style", "wall s", "cpu ms", "reads", "waits",
           "switches", "bytes", "ok");
    for (int i = 0; i < count; i++) {
        const row *r = &rows[i];
        int length = slowest > 0 ? (int)(r->wall / slowest * BAR + 0.5) : 0;
        memset(bar, '#', sizeof bar);
        bar[r->wall > 0 && length == 0 ? 1 : length] = 0;
        printf("%-18s %8.2f %9.1f %9llu %7llu %8llu %9llu  %-3s %s\n", r->name, r->wall, r->cpu * 1000,
               (unsigned long long)r->reads, (unsigned long long)r->waits, (unsigned long long)r->switches,
               (unsigned long long)r->bytes, r->problem[0] == 0 ? "yes" : "NO", bar);
    }
    printf("\n");
    for (int i = 0; i < count; i++)
        if (i == 0 || rows[i].note != rows[i - 1].note)
            printf("%-18s %s\n", rows[i].name, rows[i].note);
    printf("\ncpu: user and system, of all processes of the style but not of the servers; waits: calls that "
           "wait for\n"
           "several fds; switches: how often it gave up the processor to wait; ok: every byte was the "
           "source's\n");
    fflush(stdout);
    for (int i = 0; i < count; i++)
        if (rows[i].problem[0] != 0)
            fprintf(stderr, "ladder: %s: %s\n", rows[i].name, rows[i].problem);
}
