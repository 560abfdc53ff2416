/* wait_signal.c - an operation that waits for a signal once. */
#include "../loop/handle.h"
#include "../loop/signals.h"
#include "op.h"

static void leave(evl_operation *op) {
    evl_handle *handle = op->owner;
    evl_handle_detach(handle);
    evl_handle_release(handle);
}

static const evl_op_type waiting = {.name = "wait_signal", .leave = leave};

static void came(void *op, int64_t count) { evl_op_complete(op, count); }

int32_t evl_wait_signal(evl_loop *loop, evl_op *op, int32_t signo) {
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    evl_handle *handle;
    rc = evl_signal_internal(loop, signo, came, evl_operation_of(op), &handle);
    if (rc == 0)
        (void)evl_op_park(loop, op, &waiting, handle);
    return rc;
}
