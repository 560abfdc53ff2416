/* slow.c - callbacks that take too long. */
#include "slow.h"
#include "access.h"
#include "handle.h"
#include "loop.h"
#include "pass.h"

#include <string.h>

int32_t evl_set_slow_callback(evl_loop *loop, int64_t threshold_ns, evl_done_fn *fn, void *arg) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    loop->slow_ns = threshold_ns;
    loop->slow_fn = fn;
    loop->slow_arg = arg;
    return 0;
}

/* What a callback belongs to is noted before it runs: the handle may be gone afterwards. The hook comes last.
 */
typedef struct timing {
    int64_t begin;
    uint64_t id;
    char name[EVL_NAME_SIZE];
} timing;

static void note(evl_loop *loop, const timing *t) {
    int64_t took = evl_monotonic() - t->begin;
    evl_metrics *m = &loop->metrics;
    if ((uint64_t)took >= m->longest_ns) {
        m->longest_ns = (uint64_t)took;
        m->longest_id = t->id;
        memcpy(m->longest_name, t->name, sizeof t->name);
    }
    if (loop->slow_ns < 0 || took < loop->slow_ns || evl_still(loop) != 0)
        return;
    m->slow_callbacks++;
    if (loop->slow_fn)
        loop->slow_fn(loop->slow_arg, took);
}

void evl_call_timed(evl_loop *loop, evl_fn *fn, void *arg) {
    timing t = {.begin = evl_monotonic()};
    fn(arg);
    note(loop, &t);
}

void evl_run_timed(evl_loop *loop, evl_node *node) {
    if (node->kind == EVL_KIND_POST) { /* many callbacks, which are timed one by one */
        evl_run_node(loop, node);
        return;
    }
    timing t = {0};
    if (node->kind < EVL_HANDLES) {
        const evl_handle *handle = EVL_OWNER(node, evl_handle, node);
        t.id = evl_handle_id(handle);
        if (handle->extra)
            evl_copy_name(t.name, handle->extra->name);
    }
    t.begin = evl_monotonic();
    evl_run_node(loop, node);
    note(loop, &t);
}
