/* post_queue.h - what the loop keeps of the posts of other threads. */
#ifndef EVL_CORE_POST_QUEUE_H
#define EVL_CORE_POST_QUEUE_H

#include "../base/node.h"
#include <evloop/base.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct evl_post_item {
    union {
        evl_fn *fn;
        /* EVL_POST_INTERNAL; runs no user code. False: out of memory, and it is to be tried again. */
        bool (*act)(evl_loop *loop, const struct evl_post_item *item);
    };
    void *arg;
    evl_fn *drop;
    union { /* EVL_POST_INTERNAL */
        int64_t number;
        void *pointer;
        uint64_t id;
    };
} evl_post_item;

/* Posts in the order in which they came. When the loop has taken it, the node stands for it on its sink. */
typedef struct evl_post_batch {
    evl_node node;
    evl_node drops; /* record posts: drops of what was handed out */
    evl_link peers; /* in `taken` or in `spares` */
    evl_loop *loop;
    uint32_t len, cap;
    uint32_t pos;     /* run or handed out up to here */
    uint32_t dropped; /* record posts: up to here drops have run */
    evl_post_item items[];
} evl_post_batch;

typedef struct evl_post_queue {
    evl_post_batch *in; /* posters append to it under the loop's lock; NULL until the next post */
    evl_link taken;     /* not worked off yet */
    evl_link spares;
    uint32_t spare_count;
    bool again; /* internal posts: one of those taken is to be tried again */
} evl_post_queue;

/* The queues: what a post becomes. */
enum {
    EVL_POST_CALL = EVL_SINK_CALL,
    EVL_POST_RECORD = EVL_SINK_RECORD,
    EVL_POST_INTERNAL = 2,
    EVL_POSTS = 3
};

#endif
