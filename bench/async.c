/* async.c - the async layer: what one of each costs.
 *     async [COUNT] [ROUNDS]
 *
 * "future": made, a callback left, resolved, the callback run, freed. "lock": handed from one operation to
 * the next. "queue": one item put and got, the getter waiting. "sleep": an operation that sleeps until now,
 * and is told. "executor": a job that does nothing, there and back, by the clock on the wall; the others by
 * what the thread uses. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include <evloop.h>

static evl_loop *loop;
static long left;

static void count(void *arg, int64_t result) {
    (void)arg;
    (void)result;
    left--;
}

static void run(void) { BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE); }

/* A thousand at a time, so that the price of a pass is shared as it is in a busy program. */
enum { BATCH = 1000 };

static evl_op ops[BATCH];

static void init_ops(evl_done_fn *fn) {
    for (int i = 0; i < BATCH; i++)
        BENCH_CHECK(evl_op_init(&ops[i], fn, &ops[i], 0) == 0);
}

static void futures(void) {
    for (long n = left; n > 0; n -= BATCH) {
        for (int i = 0; i < BATCH; i++) {
            evl_future *future;
            BENCH_CHECK(evl_future_new(loop, &future) == 0);
            evl_future_on_done(future, count, NULL);
            evl_future_resolve(future, i);
            evl_future_unref(future);
        }
        run();
    }
}

static evl_lock *lock;

static void on_lock(void *arg, int64_t result) {
    (void)arg;
    left--;
    BENCH_CHECK(result == 0 && evl_lock_release(lock) == 0);
}

static void locks(void) {
    init_ops(on_lock);
    BENCH_CHECK(evl_lock_new(loop, &lock) == 0);
    for (long n = left; n > 0; n -= BATCH) {
        for (int i = 0; i < BATCH; i++)
            evl_lock_acquire(lock, &ops[i]);
        run();
    }
    evl_lock_free(lock);
}

static void queues(void) {
    evl_queue *queue;
    void *item;
    init_ops(count);
    BENCH_CHECK(evl_queue_new(loop, 0, EVL_QUEUE_FIFO, NULL, &queue) == 0);
    for (long n = left; n > 0; n -= BATCH) {
        for (int i = 0; i < BATCH; i++)
            evl_queue_get(queue, &ops[i], &item);
        for (int i = 0; i < BATCH; i++)
            evl_queue_try_put(queue, &ops[i], 0);
        run();
    }
    evl_queue_free(queue);
}

static void sleeps(void) {
    init_ops(count);
    for (long n = left; n > 0; n -= BATCH) {
        for (int i = 0; i < BATCH; i++)
            evl_sleep_until(loop, &ops[i], 1 + i);
        run();
    }
}

static void no_work(void *arg) { (void)arg; }

static evl_executor *pool;

static void again(void *arg, int64_t result) {
    BENCH_CHECK(result == 0);
    if (--left > 0)
        BENCH_CHECK(evl_executor_submit(pool, loop, arg, no_work, NULL, NULL, 0) == 0);
}

static void jobs(void) {
    init_ops(again);
    BENCH_CHECK(evl_executor_new(loop, 1, 1, "bench", &pool) == 0);
    BENCH_CHECK(evl_executor_submit(pool, loop, &ops[0], no_work, NULL, NULL, 0) == 0);
    run();
    BENCH_CHECK(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1) == 0);
}

static const struct work {
    const char *name;
    void (*fn)(void);
    long share; /* of COUNT: one in so many */
} works[] = {{"future", futures, 1},
             {"lock", locks, 1},
             {"queue", queues, 1},
             {"sleep", sleeps, 1},
             {"executor", jobs, 100}};

int main(int argc, char **argv) {
    enum { WORKS = sizeof works / sizeof works[0] };
    long total = (bench_arg(argc, argv, 1, 1000000) + BATCH - 1) / BATCH * BATCH;
    long rounds = bench_arg(argc, argv, 2, 5);
    bench_table table = {.title = "the async layer, ns each", .rows = {"evloop"}};
    for (int i = 0; i < WORKS; i++)
        table.cols[i] = works[i].name;
    BENCH_CHECK(evl_loop_new(&loop, NULL) == 0);
    for (long round = 0; round <= rounds; round++) /* the first one warms up */
        for (int i = 0; i < WORKS; i++) {
            long n = left = (total / works[i].share + BATCH - 1) / BATCH * BATCH;
            int64_t start = works[i].fn == jobs ? bench_now() : bench_cpu();
            works[i].fn();
            int64_t end = works[i].fn == jobs ? bench_now() : bench_cpu();
            BENCH_CHECK(left == 0);
            if (round > 0)
                bench_put(&table, 0, i, (double)(end - start) / (double)n);
        }
    BENCH_CHECK(evl_loop_close(loop) == 0);
    bench_print(&table, 0);
    return 0;
}
