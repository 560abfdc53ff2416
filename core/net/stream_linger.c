/* stream_linger.c - lingering: a closed stream stays until what was written has arrived; and whether a stream
 * is active. */
#include "../loop/access.h"
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/timer.h"
#include "server.h"
#include "stream.h"

#include <errno.h>

#define PEER_WAIT (INT64_C(250) * 1000000) /* ns; how long a silent peer keeps the loop alive */

bool evl_stream_set_linger_ns(evl_stream_handle *s, int64_t ns) {
    evl_stream_more *more = evl_stream_more_of(s);
    if (more)
        more->linger = ns;
    return more != NULL;
}

/* Whether closing the fd now could lose data: bytes in the queue, or bytes the peer has not read. If the peer
 * sends anything after the close, the kernel resets the connection, which destroys what it has not read. */
static bool would_lose_data(const evl_stream_handle *s) {
    if (evl_s_is_unfinished(s))
        return true;
    bool quiet = !evl_s_has(s, EVL_S_SOCKET) || evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED);
    return !quiet && (s->bytes_out != 0 || evl_s_has(s, EVL_S_FOREIGN));
}

static bool has_unread_input(const evl_stream_handle *s) {
    char byte;
    return evl_sys.recv(s->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Only the kernel knows what was sent before the socket became a stream, and is asked at the close. With
 * unread input a close would be a reset. */
static void check_foreign(evl_stream_handle *s) {
    if (evl_s_has(s, EVL_S_FOREIGN) && s->bytes_out == 0 && s->io.fd >= 0) {
        int rc = evl_sys.unconfirmed(s->io.fd);
        bool known = rc == 0 || (rc < 0 && errno != ENOSYS);
        if (known && !has_unread_input(s))
            s->flags &= ~(uint32_t)EVL_S_FOREIGN;
    }
}

static int64_t linger_of(const evl_stream_handle *s) {
    return s->more && s->more->linger != 0 ? s->more->linger : evl_s_loop(s)->linger_ns;
}

/* Until when the stream keeps the loop alive. Once all bytes are in the kernel, only the peer can make
 * progress. */
static int64_t peer_wait_ends(const evl_stream_handle *s) {
    return evl_s_is_unfinished(s) ? EVL_NEVER : evl_saturated_add(s->last_out, PEER_WAIT);
}

static bool keeps_alive(const evl_stream_handle *s) { return peer_wait_ends(s) > evl_s_loop(s)->now; }

int64_t evl_stream_linger_until(const evl_stream_handle *s) {
    int64_t wait_ends = peer_wait_ends(s);
    return keeps_alive(s) && wait_ends < s->last_in ? wait_ends : s->last_in;
}

/* Whether closing the fd is all that is left to do: nothing can be lost, or it may be. */
static bool can_close_now(evl_stream_handle *s) {
    bool ends = evl_s_has(s, EVL_S_READ_FAILED | EVL_S_WRITE_FAILED | EVL_S_KEEP_FD | EVL_S_ABORT);
    if (ends || evl_s_is_shared(s) || s->io.fd < 0)
        return true;
    check_foreign(s);
    bool unsafe = would_lose_data(s);
    if (unsafe && linger_of(s) < 0)
        s->flags |= EVL_S_ABORT;
    return evl_s_has(s, EVL_S_ABORT) || (!unsafe && !evl_s_has(s, EVL_S_CUSTOM));
}

/* Ends both sides for the program, and shuts down for writing when the queue is sent. */
static void end_for_program(evl_stream_handle *s) {
    s->flags &= ~(uint32_t)(EVL_S_PUSH | EVL_S_DISCARD);
    evl_stream_end_reading(s, EVL_ECLOSED);
    evl_stream_end_waiting(s);
    s->flags &= ~(uint32_t)EVL_S_READ_FAILED;
    s->read_error = 0;
    s->flags |= EVL_S_DISCARD | (evl_s_has(s, EVL_S_SOCKET) ? EVL_S_SHUT_ASKED : 0U);
    evl_stream_try_shutdown(s);
}

static void begin_linger(evl_stream_handle *s) {
    evl_loop *loop = evl_s_loop(s);
    evl_list_unlink(&s->peers);
    if (s->server)
        evl_server_lingers(loop, s->server);
    s->last_out = evl_clock_read(&loop->clock);
    s->last_in = evl_saturated_add(s->last_out, linger_of(s));
    evl_list_append(&evl_net_at(loop)->lingering, &s->peers);
    evl_timer_first(evl_net_at(loop)->sweep_timer, evl_stream_linger_until(s));
    evl_stream_interest(s);
    if (evl_s_has(s, EVL_S_CAN_READ))
        evl_stream_discard_soon(s);
}

bool evl_stream_lingers(evl_handle *handle) {
    evl_stream_handle *s = evl_s_of(handle);
    evl_stream_cancel_push(s);
    evl_stream_end_timeouts(s);
    evl_stream_drop_fds(s);
    if (can_close_now(s))
        return false;
    end_for_program(s);
    if (!would_lose_data(s) || evl_s_has(s, EVL_S_WRITE_FAILED | EVL_S_ABORT))
        return false;
    begin_linger(s);
    return true;
}

/* Whether a drain waits for the kernel alone: nothing is queued. */
static bool awaits_room(const evl_stream_handle *s) { return s->out && evl_s_has(s, EVL_S_CHOKED); }

void evl_stream_update_state(evl_stream_handle *s) {
    bool lingering = evl_s_lingers(s);
    bool over = !would_lose_data(s) || evl_s_has(s, EVL_S_WRITE_FAILED | EVL_S_ABORT) || s->io.fd < 0;
    if (lingering && over) {
        evl_stream_finish(s);
        return;
    }
    evl_handle_set_active(&s->io.base, evl_s_pushes(s) || evl_s_is_unfinished(s) || awaits_room(s) ||
                                           (lingering && keeps_alive(s)));
    if (lingering)
        evl_timer_first(evl_s_net(s)->sweep_timer, evl_stream_linger_until(s));
    evl_stream_update_waiting(s);
    if (evl_s_has(s, EVL_S_EDGE))
        evl_stream_update_unusual(s);
    else
        evl_stream_interest(s);
}

int32_t evl_stream_set_linger(evl_stream *stream, int64_t ns) {
    int rc = evl_stream_enter(stream);
    if (rc != 0)
        return rc;
    return evl_stream_set_linger_ns(evl_s_of(stream), ns > 0 ? ns : -1) ? 0 : EVL_ENOMEM;
}
