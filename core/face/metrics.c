/* metrics.c - what the loop counts. */
#include "../loop/access.h"
#include "../loop/handle.h"
#include "../loop/loop.h"

#include <string.h>

int32_t evl_loop_metrics(const evl_loop *loop, evl_metrics *out) {
    int rc = evl_enter_to_look(loop);
    if (rc != 0)
        return rc;
    if (!out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    evl_metrics all = loop->metrics;
    size_t size = out->struct_size < sizeof all ? out->struct_size : sizeof all;
    all.struct_size = out->struct_size;
    for (int kind = EVL_KIND_IO; kind < EVL_HANDLES; kind++)
        all.handles += loop->handles[kind].live;
    all.handles -= loop->internal;
    all.bytes = atomic_load_explicit(&loop->mem.bytes, memory_order_relaxed);
    memcpy(out, &all, size);
    return 0;
}
