/* async.h - handles that other threads send to. */
#ifndef EVL_CORE_ASYNC_H
#define EVL_CORE_ASYNC_H

#include "handle.h"
#include <stdatomic.h>

typedef struct evl_async_handle {
    evl_handle base;
    atomic_uint state;
    atomic_uint sends; /* not reported yet */
    evl_link peers;    /* in evl_loop.asyncs */
} evl_async_handle;

extern const evl_handle_type evl_async_type;
void evl_asyncs_due(evl_loop *loop);

#endif
