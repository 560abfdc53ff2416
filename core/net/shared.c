/* shared.c - what the streams and sockets of a loop share. */
#include "shared.h"
#include "../loop/embed.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/part.h"
#include "../loop/timer.h"
#include "stream.h"

/* --- pools ------------------------------------------------------------------------------------ */

void *evl_pool_grow(evl_net *net, evl_pool *pool) {
    return evl_mem_resize(&net->loop->mem, NULL, 0, pool->size);
}

void evl_pool_free(evl_net *net, evl_pool *pool, void *piece) {
    evl_mem_free(&net->loop->mem, piece, pool->size);
}

static void empty_pool(evl_net *net, evl_pool *pool) {
    while (pool->free) {
        evl_link *piece = pool->free;
        pool->free = piece->next;
        evl_mem_free(&net->loop->mem, piece, pool->size);
    }
}

/* --- the shared read buffer ------------------------------------------------------------------- */

char *evl_net_shared_buf(evl_net *net) {
    if (EVL_UNLIKELY(net->shared_in)) {
        evl_inbuf_free(net, net->shared_in);
        net->shared_in = NULL;
    }
    if (EVL_UNLIKELY(!net->shared_buf))
        net->shared_buf = evl_mem_resize(&net->loop->mem, NULL, 0, EVL_READ_MAX);
    return net->shared_buf;
}

/* --- work left for the next pass -------------------------------------------------------------- */

void evl_net_again(evl_net *net) {
    if (evl_op_active(&net->again) == 0)
        (void)evl_defer(net->loop, &net->again);
    evl_touch(net->loop);
}

static void continue_streams(void *arg, int64_t result) {
    evl_net *net = arg;
    evl_link writing, reading, crossing;
    (void)result;
    evl_list_init(&writing);
    evl_list_init(&reading);
    evl_list_splice(&writing, &net->writing);
    evl_list_splice(&reading, &net->reading);
    evl_list_init(&crossing);
    evl_list_splice(&crossing, &net->crossing);
    while (!evl_list_empty(&writing))
        evl_stream_send_queue(EVL_OWNER(evl_list_shift(&writing), evl_outq, again)->stream);
    while (!evl_list_empty(&reading))
        evl_stream_discard(EVL_OWNER(evl_list_shift(&reading), evl_stream_handle, io.base.node.link));
    while (!evl_list_empty(&crossing))
        evl_transport_continue(EVL_OWNER(evl_list_shift(&crossing), evl_stream_more, again));
}

/* --- lingering -------------------------------------------------------------------------------- */

static void leave_sweep(evl_operation *op) { (void)op; }

static const evl_op_type sweeping = {.name = "linger", .leave = leave_sweep};

static void sweep_lingering(void *arg, int64_t result) {
    evl_net *net = arg;
    evl_loop *loop = net->loop;
    int64_t next = EVL_NEVER;
    (void)result;
    (void)evl_op_park(loop, &net->sweep, &sweeping, net);
    for (evl_link *link = net->lingering.next, *after; link != &net->lingering; link = after) {
        after = link->next;
        evl_stream_handle *s = EVL_OWNER(link, evl_stream_handle, peers);
        int64_t at = evl_stream_linger_until(s);
        if (s->last_in <= loop->now)
            s->flags |= EVL_S_ABORT;
        else if (at < next)
            next = at;
        evl_stream_update_state(s);
    }
    if (next != EVL_NEVER)
        evl_timer_set(net->sweep_timer, next);
}

/* --- the part of the loop --------------------------------------------------------------------- */

static void free_net(evl_loop *loop, void *state) {
    evl_net *net = state;
    if (net->shared_in)
        evl_inbuf_free(net, net->shared_in);
    empty_pool(net, &net->blocks);
    empty_pool(net, &net->heads);
    empty_pool(net, &net->queues);
    empty_pool(net, &net->mores);
    evl_mem_free(&loop->mem, net->shared_buf, EVL_READ_MAX);
}

static bool open_net(evl_loop *loop, void *state) {
    evl_net *net = state;
    net->loop = loop;
    net->blocks.size = EVL_BLOCK;
    net->heads.size = sizeof(evl_chunk);
    net->queues.size = sizeof(evl_outq);
    net->mores.size = sizeof(evl_stream_more);
    evl_list_init(&net->connecting);
    evl_list_init(&net->lingering);
    evl_list_init(&net->writing);
    evl_list_init(&net->reading);
    evl_list_init(&net->crossing);
    evl_op_init_internal(&net->again, continue_streams, net);
    evl_op_init_internal(&net->sweep, sweep_lingering, net);
    net->sweep_timer = evl_timer_internal(loop, evl_op_expired, evl_operation_of(&net->sweep));
    if (!net->sweep_timer)
        return false;
    (void)evl_op_park(loop, &net->sweep, &sweeping, net);
    return true;
}

static const evl_part net_part = {.place = EVL_PART_NET,
                                  .size = sizeof(evl_net),
                                  .open = open_net,
                                  .free = free_net,
                                  .fork = evl_net_inherit};

int evl_net_get(evl_loop *loop) { return evl_part_need(loop, &net_part) ? 0 : EVL_ENOMEM; }
