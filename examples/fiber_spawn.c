/* fiber_spawn.c - gevent's first programs: spawn, joinall and sleep(0); and tasks that take as long as the
 * longest of them, not as long as all. */
#include <evloop/fiber.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t foo(void *arg) {
    (void)arg;
    puts("Running in foo");
    evl_fiber_yield();
    puts("Explicit context switch to foo again");
    return 0;
}

static int64_t bar(void *arg) {
    (void)arg;
    puts("Explicit context to bar");
    evl_fiber_yield();
    puts("Implicit context switch back to bar");
    return 0;
}

static int64_t task(void *arg) {
    const int *pid = arg;
    evl_fiber_sleep(((5 - *pid) % 3 + 1) * 20 * EVL_MS);
    printf("Task %d done\n", *pid);
    return 0;
}

static evl_fiber *spawn(evl_fiber_fn *fn, void *arg) {
    evl_fiber *fiber;
    int32_t rc = evl_fiber_spawn(evl_fiber_loop(NULL), fn, arg, NULL, &fiber);
    if (rc < 0) {
        fprintf(stderr, "fiber_spawn: %s\n", evl_strerror(rc));
        exit(1);
    }
    return fiber;
}

static void joinall(evl_fiber **fibers, int n) {
    evl_fiber_join_all(fibers, n, EVL_NEVER);
    for (int i = 0; i < n; i++)
        evl_fiber_unref(fibers[i]);
}

static int64_t program(void *arg) {
    int pids[5];
    evl_fiber *two[] = {spawn(foo, NULL), spawn(bar, NULL)}, *five[5];
    (void)arg;
    joinall(two, 2);

    puts("Synchronous:");
    for (int i = 0; i < 5; i++) {
        pids[i] = i;
        task(&pids[i]);
    }
    puts("Asynchronous:");
    for (int i = 0; i < 5; i++)
        five[i] = spawn(task, &pids[i]);
    joinall(five, 5);
    return 0;
}

int main(void) {
    evl_loop *loop;
    if (evl_loop_new(&loop, NULL) < 0 || evl_fiber_spawn(loop, program, NULL, NULL, NULL) < 0)
        return 1;
    evl_loop_run(loop, EVL_RUN_DEFAULT);
    return evl_loop_close(loop) < 0;
}
