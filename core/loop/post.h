/* post.h - what other threads ask of the loop. */
#ifndef EVL_CORE_POST_H
#define EVL_CORE_POST_H

#include "loop.h"
#include "post_queue.h"

int evl_posts_init(evl_loop *loop);
void evl_posts_take(evl_loop *loop);
void evl_posts_act(evl_loop *loop);     /* only what the library has posted to itself */
void evl_posts_line_up(evl_loop *loop); /* what was posted gets its place among what is ready */
int32_t evl_posts_record(evl_node *node, evl_record *out, int32_t cap); /* hands out; returns how many */
void evl_posts_fork(evl_loop *loop);                                    /* in a child */
uint32_t evl_posts_left(evl_loop *loop);                                /* not run or handed out yet */
void evl_posts_drop(evl_loop *loop);                                    /* when the loop goes down */
void evl_posts_free(evl_loop *loop);
int evl_post_internal(evl_loop *loop, evl_post_item item); /* any thread */
void evl_notify(evl_loop *loop); /* wakes the loop if it sleeps; any thread, signal handlers */

/* Before the loop's own thread queues something: posts and evl_call_soon are one line. */
static inline void evl_posts_before(evl_loop *loop) {
    if (EVL_UNLIKELY(atomic_load_explicit(&loop->posted, memory_order_relaxed) != 0))
        evl_posts_line_up(loop);
}

#endif
