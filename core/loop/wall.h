/* wall.h - timers of the wall clock. */
#ifndef EVL_CORE_WALL_H
#define EVL_CORE_WALL_H

#include "../base/timer_queue.h"
#include "handle.h"

typedef struct evl_wall_handle {
    evl_handle base;
    int64_t repeat;
} evl_wall_handle;

extern const evl_handle_type evl_wall_type;
void evl_walls_due(evl_loop *loop);
int64_t evl_wall_wait(evl_loop *loop);
void evl_wall_changed(evl_loop *loop);
void evl_wall_requeue(evl_loop *loop, bool forked); /* into a new kernel queue */
void evl_wall_close(evl_loop *loop);

#endif
