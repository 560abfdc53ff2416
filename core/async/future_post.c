/* future_post.c - completing a future from another thread. */
#include "../loop/access.h"
#include "../loop/deferred.h"
#include "../loop/post.h"
#include "future.h"

static bool take_result(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    (void)loop;
    if (item->number == EVL_ECANCELED)
        (void)evl_future_cancel(future);
    else if (item->number < 0)
        (void)evl_future_fail(future, (int32_t)item->number);
    else
        (void)evl_future_resolve(future, item->number);
    evl_future_unref(future);
    return true;
}

static bool take_value(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    (void)loop;
    (void)evl_future_resolve(future, item->number);
    evl_future_unref(future);
    return true;
}

/* Too late for the value: it is dropped later, and at once only where the loop is gone. */
static bool refuse_pointer(evl_loop *loop, const evl_post_item *item) {
    if (!evl_is_shut(loop))
        return evl_drop_later(loop, item->drop, item->pointer);
    if (item->drop)
        item->drop(item->pointer);
    return true;
}

static bool take_pointer(evl_loop *loop, const evl_post_item *item) {
    evl_future *future = item->arg;
    int rc = evl_future_resolve_owned(future, item->pointer, item->drop);
    if (rc != 0 && !refuse_pointer(loop, item))
        return false;
    evl_future_unref(future);
    return true;
}

static int32_t post(evl_future *future, evl_post_item item) {
    item.arg = evl_future_ref(future);
    int rc = evl_post_internal(future->loop, item);
    if (rc != 0)
        atomic_fetch_sub(&future->refs, 1); /* never the last one: the caller has one */
    return rc;
}

int32_t evl_future_post(evl_future *future, int64_t result) {
    return future ? post(future, (evl_post_item){.act = take_result, .number = result}) : EVL_EINVAL;
}

int32_t evl_future_post_value(evl_future *future, int64_t value) {
    return future ? post(future, (evl_post_item){.act = take_value, .number = value}) : EVL_EINVAL;
}

int32_t evl_future_post_owned(evl_future *future, void *value, evl_fn *drop) {
    return future ? post(future, (evl_post_item){.act = take_pointer, .pointer = value, .drop = drop})
                  : EVL_EINVAL;
}
