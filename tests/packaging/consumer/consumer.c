/* consumer.c - what a program needs of an installed evloop: its headers, its library, and that it runs. */
#include <evloop.h>
#include <stdio.h>
#include <string.h>

static void on_timer(void *arg, int64_t expirations) {
    (void)expirations;
    ++*(int *)arg;
}

int main(void) {
    char version[32];
    int fired = 0;
    evl_loop *loop;
    evl_timer *timer;

    /* The library that is linked is the one whose headers were found. */
    snprintf(version, sizeof version, "%d.%d.%d", EVL_VERSION_MAJOR, EVL_VERSION_MINOR, EVL_VERSION_PATCH);
    if (strcmp(version, evl_version_string()) != 0)
        return 1;
    if (evl_version() != EVL_VERSION_MAJOR * 10000 + EVL_VERSION_MINOR * 100 + EVL_VERSION_PATCH)
        return 2;

    if (evl_loop_new(&loop, NULL) != 0)
        return 3;
    if (evl_timer_new(loop, on_timer, &fired, &timer) != 0 || evl_timer_start_in(timer, 1000000, 0) != 0)
        return 4;
    if (evl_loop_run(loop, EVL_RUN_DEFAULT) != EVL_RUN_DONE || fired != 1)
        return 5;
    if (evl_close(timer) != 0 || evl_loop_close(loop) != 0)
        return 6;
    printf("evloop %s\n", version);
    return 0;
}
