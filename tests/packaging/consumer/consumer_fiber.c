/* A program that uses the add-on for fibers. */
#include <evloop/fiber.h>

#include <stdio.h>

static int64_t sleeper(void *arg) {
    (void)arg;
    return evl_fiber_sleep(1000);
}

int main(void) {
    evl_loop *loop;
    evl_fiber *fiber;
    if (evl_loop_new(&loop, NULL) != 0 || evl_fiber_spawn(loop, sleeper, NULL, NULL, &fiber) != 0)
        return 1;
    (void)evl_loop_run(loop, EVL_RUN_DEFAULT);
    int64_t result = evl_fiber_result(fiber);
    evl_fiber_unref(fiber);
    printf("fiber: %s\n", evl_strerror(result));
    return result != 0 || evl_loop_close(loop) != 0;
}
