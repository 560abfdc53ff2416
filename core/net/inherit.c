/* inherit.c - what a repaired child has of its parent's streams, servers and sockets: fds of the same open
 * sockets. What the parent had begun to do with them is the parent's to finish; what closing does to a socket
 * besides closing the fd would be done to the parent's. So both end here. */
#include "server.h"
#include "shared.h"
#include "stream.h"
#include "udp.h"

/* A transport that refused bytes must be offered the same ones again, and one that holds bytes would send
 * them: it cannot be written to without its parent's. */
static bool is_in_a_write(const evl_stream_handle *s) {
    return evl_s_has(s, EVL_S_CUSTOM) && evl_s_is_unfinished(s);
}

static void inherit_stream(evl_handle *handle) {
    evl_stream_handle *s = evl_s_of(handle);
    s->flags = (s->flags | EVL_S_INHERITED) & ~(uint32_t)EVL_S_UNBLOCK;
    if (evl_s_lingers(s)) {
        evl_stream_finish(s);
        return;
    }
    evl_operation *op = s->reader;
    if (op && op->type == &evl_stream_splicing) { /* its pipe is the parent's too */
        evl_splice_leave(op);
        evl_op_fail(op, EVL_EFORK);
    }
    if (is_in_a_write(s))
        evl_stream_end_writing(s, EVL_EFORK);
    else
        evl_stream_drop_queue(s, EVL_EFORK);
    if (evl_s_has(s, EVL_S_SHUT_ASKED))
        s->flags |= EVL_S_SHUT; /* if it is not shut down yet, the parent does it behind its queue */
    evl_stream_update_state(s);
}

/* The program accepts in either process; what was accepted already is the parent's. */
static void inherit_server(evl_handle *handle) {
    evl_server_state *sv = evl_server_of(handle);
    evl_listener_forget_path(evl_listener_of(handle));
    if (sv->held_fd >= 0)
        (void)evl_sys.close(sv->held_fd);
    sv->held_fd = -1;
}

static void inherit_socket(evl_handle *handle) {
    evl_udp_socket *u = evl_u_of(handle);
    u->flags &= ~(uint32_t)EVL_U_UNBLOCK;
    evl_udp_end_sending(u, EVL_EFORK);
    evl_udp_update_state(u);
}

static void for_each(evl_loop *loop, int kind, void (*inherit)(evl_handle *)) {
    for (uint32_t slot = 0; slot < evl_slab_slots(&loop->handles[kind]); slot++) {
        evl_handle *handle = evl_slab_at(&loop->handles[kind], slot);
        if (handle->node.kind != 0)
            inherit(handle);
    }
}

void evl_net_inherit(evl_loop *loop, void *net) {
    evl_connect_inherit(net);
    for_each(loop, EVL_KIND_STREAM, inherit_stream);
    for_each(loop, EVL_KIND_SERVER, inherit_server);
    for_each(loop, EVL_KIND_UDP, inherit_socket);
}
