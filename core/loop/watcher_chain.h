/* watcher_chain.h - the watchers of an fd from the inside: what io.c, watcher.c, io_flush.c, io_wait.c and
 * io_event.c share. The first of the chain stands for the fd in the kernel: its address and generation are
 * the tag, and it remembers what the kernel has. */
#ifndef EVL_CORE_WATCHER_CHAIN_H
#define EVL_CORE_WATCHER_CHAIN_H

#include "handle.h"
#include "loop.h"
#include "watcher.h"

#define EVL_IO_WANTED  (EVL_READ | EVL_PRI | EVL_WRITE)
#define EVL_IO_TROUBLE (EVL_ERR | EVL_HUP)

/* A link is an evl_handle_place: streams, servers and datagram sockets are watchers too. */
static inline evl_watcher *evl_io_by_link(const evl_loop *loop, uint32_t link) {
    uint32_t slot = link & ((UINT32_C(1) << EVL_ID_SLOT_BITS) - 1);
    return link == 0 ? NULL : evl_slab_at(&loop->handles[link >> EVL_ID_SLOT_BITS], slot);
}

static inline uint32_t evl_io_link(const evl_watcher *io) { return evl_handle_place(&io->base); }

static inline evl_watcher *evl_io_first(const evl_loop *loop, int fd) {
    return (uint32_t)fd < loop->fds_cap ? evl_io_by_link(loop, loop->fds[fd]) : NULL;
}

static inline bool evl_io_has_flag(const evl_watcher *io, int flag) {
    return (io->base.node.flags & flag) != 0;
}

static inline bool evl_io_is_owner(const evl_watcher *io) { return io->base.node.kind != EVL_KIND_IO; }

/* After a change of the mask or the flags. An owner of its fd sets `unusual` itself. */
static inline void evl_io_set_unusual(evl_watcher *io) {
    if (!evl_io_is_owner(io))
        io->unusual = evl_io_has_flag(io, EVL_F_ONESHOT | EVL_F_SHARED) ? UINT32_MAX : ~(uint32_t)io->mask;
}

static inline void evl_io_set_flag(evl_watcher *io, int flag, bool on) {
    io->base.node.flags = (uint8_t)(on ? io->base.node.flags | flag : io->base.node.flags & ~flag);
    evl_io_set_unusual(io);
}

/* An edge that hides what stands behind the data would be the last one: an owner of the fd is also notified
 * of its end.
 */
static inline uint32_t evl_io_with_edge(const evl_watcher *first, uint32_t mask) {
    if (mask != 0 && evl_io_is_owner(first) && evl_io_has_flag(first, EVL_F_EXCLUSIVE))
        return mask | EVL_MASK_EXCLUSIVE;
    if (mask == 0 || !evl_io_has_flag(first, EVL_F_EDGE))
        return mask;
    return mask | EVL_MASK_EDGE | (evl_io_is_owner(first) ? EVL_MASK_RDHUP : 0U);
}

/* What the kernel has of an fd. */
static inline uint32_t evl_io_registered(const evl_watcher *first) {
    return evl_io_with_edge(first, first->armed);
}

/* A new watcher, whose flags are set next. */
static inline void evl_io_fill(evl_watcher *io, int fd, uint32_t mask) {
    io->fd = fd;
    io->next = 0;
    io->armed = 0;
    io->mask = (uint8_t)mask;
}

static inline bool evl_io_is_idle_waiter(const evl_watcher *io) {
    return evl_io_has_flag(io, EVL_F_INTERNAL) && !io->base.node.arg;
}

/* watcher.c */
uint32_t evl_io_wanted(const evl_loop *loop, const evl_watcher *first);
void evl_io_put_mask(evl_watcher *io, uint32_t mask);
bool evl_io_was_closed(evl_loop *loop, int rc);
void evl_io_remove_fd(evl_loop *loop, int fd, uint32_t mask);
void evl_io_complete_wait(evl_watcher *io, int64_t result);
int evl_io_end_all(evl_loop *loop, int fd, int error);
int evl_io_attach(evl_loop *loop, evl_watcher *io);

/* io.c */
int evl_io_check(const evl_loop *loop, uint32_t mask, uint32_t flags);

/* io_flush.c */
void evl_io_mark_dirty(evl_loop *loop, evl_watcher *first);

#endif
