/* hash_files.c - hashes files on a pool of threads, while the loop shows how far they are.
 *     hash_files [-j THREADS] FILE...
 *
 * Prints the FNV-1a hash of each file in the order given. The progress goes to stderr, where that is a
 * terminal. Exit status: 0 all well, 1 a file could not be read, 2 wrong usage. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <evloop.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct file {
    const char *path;
    evl_op op;
    uint64_t hash;
    int error; /* an errno */
} file;

static evl_loop *loop;
static evl_timer *ticker;
static atomic_ullong bytes; /* so far, by all threads */
static int done, count;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "hash_files: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

/* On a thread of the pool. The loop looks at the file when this has returned. */
static void hash(void *arg) {
    file *f = arg;
    unsigned char block[65536];
    FILE *in = fopen(f->path, "rb");
    f->hash = UINT64_C(0xcbf29ce484222325);
    for (size_t n; in != NULL && (n = fread(block, 1, sizeof block, in)) > 0;) {
        for (size_t i = 0; i < n; i++)
            f->hash = (f->hash ^ block[i]) * UINT64_C(0x100000001b3);
        atomic_fetch_add_explicit(&bytes, n, memory_order_relaxed);
    }
    f->error = in == NULL || ferror(in) ? errno : 0;
    if (in != NULL)
        fclose(in);
}

static void show(void) {
    if (isatty(2))
        fprintf(stderr, "\r%d of %d files, %llu bytes%s", done, count, atomic_load(&bytes),
                done == count ? "\n" : "");
}

static void on_tick(void *arg, int64_t expirations) {
    (void)arg;
    check((int32_t)expirations, "the timer");
    show();
}

static void on_hashed(void *arg, int64_t rc) {
    (void)arg;
    check((int32_t)rc, "a job");
    if (++done < count)
        return;
    evl_close(ticker); /* nothing is left then, and the run ends */
    show();
}

static int print_all(const file *files) {
    int failed = 0;
    for (int i = 0; i < count; i++) {
        failed += files[i].error != 0;
        if (files[i].error != 0)
            fprintf(stderr, "hash_files: %s: %s\n", files[i].path, strerror(files[i].error));
        else
            printf("%016" PRIx64 "  %s\n", files[i].hash, files[i].path);
    }
    return failed;
}

int main(int argc, char **argv) {
    long threads = 4;
    int option, wrong = 0;
    while ((option = getopt(argc, argv, "j:")) != -1)
        wrong |= option != 'j' || (threads = strtol(optarg, NULL, 10)) < 1 || threads > 1000;
    count = argc - optind;
    if (wrong || count == 0)
        return fputs("usage: hash_files [-j THREADS] FILE...\n", stderr), 2;
    evl_executor *pool;
    file *files = calloc((size_t)count, sizeof *files);
    check(files == NULL ? EVL_ENOMEM : 0, "memory");
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_executor_new(loop, (uint32_t)threads, EVL_UNBOUNDED, "hash", &pool), "evl_executor_new");
    check(evl_timer_new(loop, on_tick, NULL, &ticker), "evl_timer_new");
    check(evl_timer_start_in(ticker, 0, 100000000), "evl_timer_start_in");
    for (int i = 0; i < count; i++) {
        file *f = &files[i];
        f->path = argv[optind + i];
        evl_op_init(&f->op, on_hashed, f, 0);
        check(evl_executor_submit(pool, loop, &f->op, hash, f, NULL, 0), "evl_executor_submit");
    }
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), "evl_executor_close");
    check(evl_loop_close(loop), "evl_loop_close");
    int failed = print_all(files);
    free(files);
    return failed > 0;
}
