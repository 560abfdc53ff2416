/* server.h - what a stream knows of the server that accepted it. */
#ifndef EVL_CORE_SERVER_H
#define EVL_CORE_SERVER_H

#include "../loop/loop.h"

/* Of the server of this id, if it is still there: a stream was closed and lingers; one is gone for good. */
void evl_server_lingers(evl_loop *loop, uint64_t id);
void evl_server_left(evl_loop *loop, uint64_t id, bool lingered);

#endif
