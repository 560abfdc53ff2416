// timers_only.c - a program that uses the loop and a timer, and no other part of evloop.
#include <evloop.h>

static void on_timer(void *arg, int64_t result) {
    (void)result;
    evl_close(arg);
}

int main(void) {
    evl_loop *loop;
    evl_timer *timer;
    if (evl_loop_new(&loop, 0) != 0 || evl_timer_new(loop, on_timer, 0, &timer) != 0)
        return 1;
    evl_set_arg(timer, timer);
    evl_timer_start_in(timer, 1000000, 0);
    int32_t rc = evl_loop_run(loop, EVL_RUN_DEFAULT);
    evl_loop_destroy(loop);
    return rc == EVL_RUN_DONE ? 0 : 1;
}
