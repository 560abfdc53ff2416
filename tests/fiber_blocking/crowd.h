/* crowd.h - many fibers that do the same at once. */
#ifndef EVLOOP_TESTS_FIBER_BLOCKING_CROWD_H
#define EVLOOP_TESTS_FIBER_BLOCKING_CROWD_H

#include "../adapters/support.h"

#include <evloop/fiber.h>
#include <stdbool.h>

enum { CROWD = 40 };

/* Runs fn in so many fibers and returns how long it took; each returns 0. */
static inline int64_t crowd(evl_loop *loop, int count, evl_fiber_fn *fn, void *arg) {
    evl_fiber_options options = {.struct_size = sizeof options, .stack = 256 * 1024};
    evl_fiber *fibers[CROWD];
    int64_t begun = monotonic();
    CHECK(count <= CROWD);
    for (int i = 0; i < count; i++)
        CHECK_EQ(evl_fiber_spawn(loop, fn, arg, &options, &fibers[i]), 0);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(evl_fiber_result(fibers[i]), 0);
        evl_fiber_unref(fibers[i]);
    }
    return monotonic() - begun;
}

#endif
