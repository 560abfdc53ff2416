/* shared.h - what the streams, servers and sockets of a loop share: the read buffer, pools, and the list of
 * lingering streams. */
#ifndef EVL_CORE_NET_H
#define EVL_CORE_NET_H

#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/part.h"
#include "../op/op.h"

#define EVL_READ_MAX   65536 /* most bytes of one read */
#define EVL_BLOCK      16384 /* size of a pooled buffer, its header included */
#define EVL_POOL_MAX   256   /* most free pieces that a pool keeps: a poll reports as many streams */
#define EVL_READS_MAX  16    /* most reads of a stream that discards, in one pass */
#define EVL_WRITES_MAX 32    /* most writes of a stream in one pass */

/* Free pieces of one size, each beginning with a link. */
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

    /* What the running data callback, of evl_loop.borrower, may peek at and consume. */
    char *shared_buf; /* EVL_READ_MAX bytes to read into; NULL before the first use */
    const char *shared_data;
    size_t shared_len;
    struct evl_inbuf *
        shared_in; /* if shared_data lies in a stream's former buffer: freed by the next evl_net_shared_buf */

    /* The stream whose running data callback has put bytes back, or read into the stream's buffer: nothing is
     * shared with it any more. Holds while evl_loop.borrower is `unshared`. */
    const evl_handle *unshared_stream;
    evl_handle unshared;

    evl_link connecting; /* the connects that are not over: connect.c */

    evl_link lingering; /* evl_stream_handle.peers */
    evl_op sweep;       /* internal: its timer is the first of their deadlines */
    evl_handle *sweep_timer;

    evl_link writing;  /* evl_outq.again: reached EVL_WRITES_MAX */
    evl_link reading;  /* evl_handle.node: discard input, reached EVL_READS_MAX */
    evl_link crossing; /* evl_stream_more.again: one side of a transport may go on because of the other */
    evl_op again;      /* internal: continues the three lists in the next pass */
} evl_net;

/* Makes the part of the loop if there is none. Returns 0 or EVL_ENOMEM. */
int evl_net_get(evl_loop *loop);

static inline evl_net *evl_net_at(const evl_loop *loop) { return evl_part_at(loop, EVL_PART_NET); }

/* NULL: out of memory. */
void *evl_pool_grow(evl_net *net, evl_pool *pool);
static inline void *evl_pool_alloc(evl_net *net, evl_pool *pool) {
    evl_link *piece = pool->free;
    if (EVL_UNLIKELY(!piece))
        return evl_pool_grow(net, pool);
    pool->free = piece->next;
    pool->count--;
    return piece;
}

void evl_pool_free(evl_net *net, evl_pool *pool, void *piece);
static inline void evl_pool_release(evl_net *net, evl_pool *pool, void *piece) {
    if (EVL_UNLIKELY(pool->count == EVL_POOL_MAX)) {
        evl_pool_free(net, pool, piece);
        return;
    }
    evl_link *link = piece;
    link->next = pool->free;
    pool->free = link;
    pool->count++;
}

/* The shared read buffer, or NULL without memory. What was shared with a callback before is invalid from now
 * on. */
char *evl_net_shared_buf(evl_net *net);

/* Continues `writing`, `reading` and `crossing` in the next pass. */
void evl_net_again(evl_net *net);

/* In a repaired child. inherit.c: every stream, server and socket; connect.c: the connects in flight complete
 * with EVL_EFORK. */
void evl_net_inherit(evl_loop *loop, void *net);
void evl_connect_inherit(evl_net *net);

#endif
