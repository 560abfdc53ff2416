/* net.h - what the streams, servers and sockets of a loop share: buffers that are lent and pooled, and the
 * list of streams that linger. */
#ifndef EVL_CORE_NET_H
#define EVL_CORE_NET_H

#include "../loop/loop.h"
#include "../loop/part.h"
#include "../op/op.h"

#define EVL_READ_MAX   65536 /* one read of an event */
#define EVL_BLOCK      16384 /* a pooled buffer, with its header */
#define EVL_POOL_MAX   256   /* pieces of a pool that are kept for later: as many streams as a poll reports */
#define EVL_READS_MAX  16    /* reads in a row of what is discarded */
#define EVL_WRITES_MAX 32    /* of an event */

/* Pieces of one size. A piece in the pool begins with a link. */
typedef struct evl_pool {
    evl_link *free;
    uint32_t count;
    uint32_t size;
} evl_pool;

typedef struct evl_net {
    evl_loop *loop;
    evl_pool blocks; /* EVL_BLOCK bytes */
    evl_pool heads;  /* evl_chunk without bytes */
    evl_pool queues; /* evl_outq */
    evl_pool mores;  /* evl_stream_more */

    /* What a push callback may look at: that of evl_loop.lent_to. */
    char *lent; /* EVL_READ_MAX bytes, NULL until the first push */
    const char *lent_data;
    size_t lent_len;
    struct evl_inbuf *lent_in; /* a stream's own buffer that is lent instead, given back with the next */

    evl_link lingering; /* evl_stream_handle.peers */
    evl_op sweep;       /* waits for the first of their deadlines */
    evl_handle *sweep_timer;

    evl_link writing; /* evl_outq.again: had more to send than one pass may */
    evl_link reading; /* evl_handle.node: had more to discard */
    evl_op again;     /* the next pass goes on with them */
} evl_net;

/* Makes it when there is none. EVL_ENOMEM. */
int evl_net_get(evl_loop *loop);

static inline evl_net *evl_net_at(const evl_loop *loop) { return evl_part_at(loop, EVL_PART_NET); }

/* NULL: out of memory. */
void *evl_pool_grow(evl_net *net, evl_pool *pool);
static inline void *evl_pool_take(evl_net *net, evl_pool *pool) {
    evl_link *piece = pool->free;
    if (EVL_UNLIKELY(!piece))
        return evl_pool_grow(net, pool);
    pool->free = piece->next;
    pool->count--;
    return piece;
}

void evl_pool_free(evl_net *net, evl_pool *pool, void *piece);
static inline void evl_pool_give(evl_net *net, evl_pool *pool, void *piece) {
    if (EVL_UNLIKELY(pool->count == EVL_POOL_MAX)) {
        evl_pool_free(net, pool, piece);
        return;
    }
    evl_link *link = piece;
    link->next = pool->free;
    pool->free = link;
    pool->count++;
}

/* The buffer that is lent, NULL: out of memory. Whatever was lent before is not any more. */
char *evl_net_lend(evl_net *net);

/* The next pass looks at `writing` and `reading`. */
void evl_net_again(evl_net *net);

#endif
