/* sleep.c - operations that wait for a time. */
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "op.h"

static const evl_op_type sleeping = {.name = "sleep", .timed = true};

static int sleep_until(evl_loop *loop, evl_op *op, int64_t deadline) {
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    evl_operation *self = evl_op_park(loop, op, &sleeping, NULL);
    rc = evl_op_set_until(self, deadline);
    if (rc != 0)
        return evl_op_unpark(self, rc);
    evl_touch(loop);
    return 0;
}

int32_t evl_sleep_until(evl_loop *loop, evl_op *op, int64_t deadline_ns) {
    return sleep_until(loop, op, deadline_ns);
}

int32_t evl_sleep(evl_loop *loop, evl_op *op, int64_t ns) {
    int rc = evl_op_check_start(loop, op);
    return rc != 0 ? rc : sleep_until(loop, op, evl_saturated_add(evl_clock_read(&loop->clock), ns));
}
