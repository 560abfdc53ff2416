/* report.c - errors that no caller is there to be given. */
#include "report.h"
#include "access.h"
#include "embed.h"
#include "loop.h"

/* A hook that fails itself is not asked about that, and no user code runs while records are pulled. */
bool evl_has_error_hook(const evl_loop *loop) {
    return loop->error_fn && !loop->in_error_hook && !loop->pulling;
}

void evl_unhandled(evl_loop *loop, int32_t error) {
    loop->metrics.errors++;
    if (evl_has_error_hook(loop)) {
        (void)evl_loop_ref(loop); /* the hook may destroy the loop */
        loop->in_error_hook = true;
        loop->error_fn(loop->error_arg, error);
        loop->in_error_hook = false;
        evl_loop_unref(loop);
    } else if (loop->error == 0)
        loop->error = error;
}

static void run(evl_loop *loop, evl_node *node) { evl_unhandled(loop, (int32_t)node->u.result); }

static void forget(evl_loop *loop, evl_node *node, evl_link *drops) { (void)loop, (void)node, (void)drops; }

const evl_node_type evl_report_node = {.run = run, .forget = forget};

/* The first one, until the hook has been called. */
void evl_report_later(evl_loop *loop, int32_t error) {
    evl_node *node = &loop->report;
    if (!evl_has_error_hook(loop))
        evl_unhandled(loop, error);
    else if (!evl_linked(&node->link)) {
        node->u.result = error;
        evl_ready(loop, node);
        evl_touch(loop);
    }
}

int32_t evl_set_error_hook(evl_loop *loop, evl_done_fn *fn, void *arg) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    loop->error_fn = fn;
    loop->error_arg = arg;
    return 0;
}

int32_t evl_loop_report(evl_loop *loop, int32_t error) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (error >= 0)
        return EVL_EINVAL;
    evl_unhandled(loop, error);
    return 0;
}

int32_t evl_loop_error(evl_loop *loop) {
    int rc = evl_enter_to_look(loop);
    if (rc != 0)
        return rc;
    int32_t first = loop->error;
    loop->error = 0;
    return first;
}
