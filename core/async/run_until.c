/* run_until.c - running a loop until a future is done. */
#include "../loop/access.h"
#include "../loop/loop.h"
#include "../loop/pass.h"
#include "future.h"

static void reached(void *arg, int64_t state) {
    (void)state;
    ((evl_loop *)arg)->reached = true;
}

/* Ends by a done callback, so that those that were added before have run. */
static int32_t run_until(evl_loop *loop) {
    while (!loop->reached) {
        if (!evl_is_alive(loop))
            return EVL_EDEADLK;
        int32_t rc = evl_run_passes(loop, EVL_RUN_ONCE);
        if (loop->was_stopped) /* and rc is what the stop was given */
            return loop->reached ? 0 : EVL_ECANCELED;
        if (rc < 0 || (rc == EVL_RUN_RECORDS && !loop->reached))
            return rc;
    }
    return 0;
}

int32_t evl_loop_run_until(evl_loop *loop, evl_future *future, int64_t *value) {
    if (!loop || !future || future->loop != loop)
        return EVL_EINVAL;
    int rc = evl_own(loop);
    if (rc != 0)
        return rc;
    loop->reached = false; /* not on the stack, which a child of a fork by another thread has not got */
    (void)evl_future_ref(future);
    rc = evl_future_on_done(future, reached, loop);
    if (rc == 0)
        rc = run_until(loop);
    (void)evl_future_off_done(future, reached, loop);
    if (rc != EVL_ECLOSED && evl_future_is_done(future))
        rc = evl_future_value(future, value);
    evl_future_unref(future);
    evl_disown(loop);
    return rc;
}
