/* part.h - what a floor above has in a loop.
 *
 * The loop calls its parts by place and knows none by name. A part is made where it is first needed; a
 * program that never uses it does not have it. No function of a part runs user code, and each may be NULL. */
#ifndef EVL_CORE_PART_H
#define EVL_CORE_PART_H

#include <evloop/base.h>
#include <stdbool.h>
#include <stdint.h>

/* The places, in the order in which each of the functions is called: operations leave what they wait for
 * before it goes; threads are joined, and their jobs come back, before the futures of these jobs end. */
enum {
    EVL_PART_OPS = 0,
    EVL_PART_JOBS = 1,
    EVL_PART_FUTURES = 2,
    EVL_PART_NET = 3,
    EVL_PART_CHILDREN = 4,
    EVL_PART_PATHS = 5,
    EVL_PARTS = 6
};

typedef struct evl_part {
    uint8_t place; /* EVL_PART_* */
    uint32_t size; /* of its state, which begins zeroed; 0: it has none */
    bool (*open)(evl_loop *loop,
                 void *state); /* at the first use; false: out of memory, and nothing is left */
    void (*stop)(evl_loop *loop, void *state); /* the loop goes down: the handles are still there */
    void (*end)(evl_loop *loop, void *state);  /* and now they are gone */
    void (*free)(evl_loop *loop, void *state); /* with the last reference, on any thread: memory only */
    void (*fork)(evl_loop *loop, void *state); /* in a repaired child, on the new kernel queue */
    uint32_t (*collect)(evl_loop *loop,
                        void *state);                        /* takes in what other threads counted in
                                                                evl_loop.posted,        and returns how many it took */
    bool (*awaits)(const evl_loop *loop, const void *state); /* something that only the kernel can bring */
} evl_part;

/* evl_part_need (loop.h), where there is none yet. */
void *evl_part_make(evl_loop *loop, const evl_part *part);

/* What the loop calls: the function of that name of every part there is. */
void evl_parts_stop(evl_loop *loop);
void evl_parts_end(evl_loop *loop);
void evl_parts_free(evl_loop *loop);
void evl_parts_fork(evl_loop *loop);
uint32_t evl_parts_collect(evl_loop *loop);
bool evl_parts_await(const evl_loop *loop);

#endif
