/* stream_event.c - which events of its fd a stream watches, and what it does when they are reported. */
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"
#include "stream.h"

/* --- interest --------------------------------------------------------------------------------- */

static uint32_t readable_mask(const evl_stream_handle *s) {
    return EVL_READ | (evl_s_loop(s)->backend->caps & EVL_CAP_PRI ? EVL_PRI : 0U);
}

bool evl_stream_has_reader(const evl_stream_handle *s) {
    return s->reader || evl_s_pushes(s) || evl_s_has(s, EVL_S_DISCARD);
}

/* Level-triggered: a transport may have to write in order to read, or the other way round. */
static uint32_t custom_wanted(const evl_stream_handle *s) {
    bool over = evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_CAN_READ);
    const evl_stream_more *more = s->more;
    uint32_t mask = more && evl_s_has(s, EVL_S_OUT) ? more->want_write : 0U;
    return mask | (more && evl_stream_has_reader(s) && !over ? more->want_read : 0U);
}

/* Edge-triggered, a stream is registered once, and EVL_WRITE is added when it is first needed.
 * Level-triggered, EVL_READ is watched only while a reader waits: it would be reported in every pass
 * otherwise. */
uint32_t evl_stream_wanted(const evl_stream_handle *s) {
    uint32_t mask = evl_s_has(s, EVL_S_OUT) ? EVL_WRITE : 0;
    if (evl_s_has(s, EVL_S_CUSTOM))
        return custom_wanted(s);
    if (evl_s_has(s, EVL_S_NO_READ))
        return evl_s_has(s, EVL_S_EDGE) ? EVL_WRITE : mask;
    if (evl_s_has(s, EVL_S_EDGE))
        return mask | readable_mask(s);
    bool over = evl_s_has(s, EVL_S_EOF | EVL_S_READ_FAILED | EVL_S_CAN_READ);
    return mask | (evl_stream_has_reader(s) && !over ? (uint32_t)EVL_READ : 0);
}

/* In push mode EVL_READ alone makes the node ready as it does a watcher's, without a call: its result is then
 * EVL_READ, by which evl_stream_take recognises it. All other events call evl_stream_event. */
void evl_stream_update_unusual(evl_stream_handle *s) {
    const uint32_t state = EVL_S_EDGE | EVL_S_PUSH | EVL_S_PAUSED | EVL_S_DISCARD | EVL_S_CUSTOM;
    bool straight = (s->flags & state) == (EVL_S_EDGE | EVL_S_PUSH);
    s->io.unusual = straight ? ~(uint32_t)EVL_READ : UINT32_MAX;
}

void evl_stream_interest(evl_stream_handle *s) {
    evl_stream_update_unusual(s);
    if (s->io.fd >= 0)
        evl_io_want(&s->io, evl_stream_wanted(s));
}

/* --- events ----------------------------------------------------------------------------------- */

/* The fd is not watched any more: another part of the program closed it, or announced that it will, or the
 * backend refused it. */
static EVL_COLD void lose_fd(evl_stream_handle *s, int fd, int error) {
    if (error != EVL_EBADF && error != EVL_ECLOSED && !evl_s_has(s, EVL_S_KEEP_FD))
        (void)evl_sys.close(fd); /* refused: it is still open */
    s->flags |= EVL_S_KEEP_FD;
    s->flags &= ~(uint32_t)EVL_S_UNBLOCK;
    s->flags &= ~(uint32_t)EVL_S_DISCARD; /* the input cannot be read any more */
    evl_stream_end_reading(s, error);
    evl_stream_end_writing(s, error);
    evl_stream_update_state(s);
}

/* All events but input for a data callback or a read. */
static EVL_COLD void unusual_event(evl_stream_handle *s, uint32_t mask) {
    bool both = evl_s_has(s, EVL_S_CUSTOM);
    bool reads = (mask & ~(uint32_t)EVL_WRITE) != 0 || both;
    if (both)
        s->more->turns = 0;
    if (EVL_LIKELY(reads && !evl_s_has(s, EVL_S_NO_READ))) {
        s->io.base.node.u.result = 0; /* the node is not ready for EVL_READ alone, see above */
        uint32_t alone = mask == EVL_READ ? EVL_S_ALONE : 0U;
        s->flags = (s->flags & ~(uint32_t)EVL_S_ALONE) | EVL_S_CAN_READ | alone;
        evl_stream_readable(s);
    }
    bool writes = (mask & (EVL_WRITE | EVL_ERR | EVL_HUP)) != 0;
    if (EVL_UNLIKELY(both) ? s->io.fd >= 0 : EVL_UNLIKELY(writes) && (s->out || evl_s_has(s, EVL_S_CHOKED)))
        evl_stream_send_queue(s);
}

void evl_stream_event(evl_handle *handle, uint32_t mask, int error) {
    evl_stream_handle *s = evl_s_of(handle);
    bool waited = s->reader && !evl_s_has(s, EVL_S_DISCARD | EVL_S_CUSTOM);
    if (EVL_UNLIKELY(error != 0))
        lose_fd(s, (int)mask, error);
    else if (EVL_UNLIKELY(mask != EVL_READ || !waited || s->reader->type == &evl_stream_splicing))
        unusual_event(s, mask);
    else {
        s->flags |= EVL_S_CAN_READ | EVL_S_ALONE;
        evl_op_try(s->reader);
    }
}
