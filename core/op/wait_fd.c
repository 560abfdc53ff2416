/* wait_fd.c - an operation that waits for an fd once. */
#include "../loop/watcher.h"
#include "op.h"

static void leave(evl_operation *op) { evl_io_stop_waiting(op->owner); }

static const evl_op_type waiting = {.name = "wait_fd", .leave = leave};

static void reported(void *op, int64_t result) { evl_op_complete(op, result); }

int32_t evl_wait_fd(evl_loop *loop, evl_op *op, evl_fd fd, uint32_t mask) {
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    evl_watcher *io;
    rc = evl_io_wait(loop, fd, mask, reported, evl_operation_of(op), &io);
    if (rc == 0)
        (void)evl_op_park(loop, op, &waiting, io);
    return rc;
}
