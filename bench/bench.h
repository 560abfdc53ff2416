/* bench.h - what the benchmarks share: time, chance, and a table of the best of several rounds. */
#ifndef EVL_BENCH_H
#define EVL_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* For functions that callgrind is to know by their name; only GCC makes copies with names of their own. */
#if defined(__clang__)
#    define BENCH_NAMED __attribute__((noinline))
#else
#    define BENCH_NAMED __attribute__((noinline, noclone))
#endif

#define BENCH_ROWS 16
#define BENCH_COLS 8

static inline int64_t bench_clock(clockid_t clock) {
    struct timespec ts;
    (void)clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t bench_now(void) { return bench_clock(CLOCK_MONOTONIC); }

/* What this thread has used, so that a busy machine disturbs less. */
static inline int64_t bench_cpu(void) { return bench_clock(CLOCK_THREAD_CPUTIME_ID); }

static inline __attribute__((noreturn)) void bench_die(const char *what) {
    perror(what);
    exit(1);
}

/* What a benchmark relies on; also checked in a release build. */
#define BENCH_CHECK(what) ((what) ? (void)0 : bench_die(#what))

/* The same numbers in every run. */
static inline uint64_t bench_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Makes the compiler believe that somebody looks at what ptr points to. */
static inline void bench_use(const void *ptr) { __asm__ volatile("" : : "r"(ptr) : "memory"); }

/* The n-th argument as a number, or the default. */
static inline long bench_arg(int argc, char **argv, int n, long otherwise) {
    return n < argc ? strtol(argv[n], NULL, 10) : otherwise;
}

/* A row is a contender, a column is a kind of work. The best value of all rounds stays: the smallest. */
typedef struct bench_table {
    const char *title;
    const char *rows[BENCH_ROWS];
    const char *cols[BENCH_COLS];
    double best[BENCH_ROWS][BENCH_COLS]; /* 0: not measured */
} bench_table;

static inline void bench_put(bench_table *table, int row, int col, double value) {
    double *best = &table->best[row][col];
    if (*best == 0 || value < *best)
        *best = value;
}

static inline void bench_print_row(const bench_table *table, int row) {
    printf("  %-16s", table->rows[row]);
    for (int col = 0; col < BENCH_COLS && table->cols[col]; col++)
        if (table->best[row][col] != 0)
            printf("%12.1f", table->best[row][col]);
        else
            printf("%12s", "-");
    printf("\n");
}

static inline void bench_print_ratio(const bench_table *table, int row, int base) {
    char name[64];
    (void)snprintf(name, sizeof name, "%s/%s", table->rows[row], table->rows[base]);
    printf("  %-16.16s", name);
    for (int col = 0; col < BENCH_COLS && table->cols[col]; col++)
        if (table->best[row][col] != 0 && table->best[base][col] != 0)
            printf("%11.2fx", table->best[row][col] / table->best[base][col]);
        else
            printf("%12s", "-");
    printf("\n");
}

/* The values of every row, then each row's ratio to `base`. */
static inline void bench_print(const bench_table *table, int base) {
    printf("%s\n  %-16s", table->title, "");
    for (int col = 0; col < BENCH_COLS && table->cols[col]; col++)
        printf("%12s", table->cols[col]);
    printf("\n");
    for (int row = 0; row < BENCH_ROWS && table->rows[row]; row++)
        bench_print_row(table, row);
    for (int row = 0; row < BENCH_ROWS && table->rows[row]; row++)
        if (row != base)
            bench_print_ratio(table, row, base);
    printf("\n");
}

#endif
