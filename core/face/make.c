/* make.c - putting a loop together: what every loop has. The other parts come with their first use. */
#include "../loop/loop.h"
#include "../op/op.h"

int32_t evl_loop_new(evl_loop **out, const evl_options *options) {
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    evl_loop *loop;
    int rc = evl_loop_make(options, &loop);
    if (rc != 0)
        return rc;
    (void)evl_part_need(loop, &evl_ops_part); /* it has no state, and so there is nothing to fail */
    *out = loop;
    return 0;
}
