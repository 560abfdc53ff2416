/* io_wait.c - waiting for an fd once. */
#include "embed.h"
#include "handle.h"
#include "watcher_chain.h"

void evl_io_stop_waiting(evl_watcher *io) {
    evl_loop *loop = io->base.loop;
    io->base.node.arg = NULL;
    evl_io_put_mask(io, 0);
    evl_io_mark_dirty(loop, evl_io_first(loop, io->fd));
    evl_touch(loop);
}

static evl_watcher *find_idle_waiter(evl_loop *loop, int fd) {
    evl_watcher *io = evl_io_first(loop, fd);
    while (io && !evl_io_is_idle_waiter(io))
        io = evl_io_by_link(loop, io->next);
    return io;
}

/* Takes up a watcher that an earlier wait left with the fd. One kernel call proves that the number still
 * names the same file. */
static int wait_again(evl_loop *loop, evl_watcher *io, uint32_t mask) {
    evl_watcher *first = evl_io_first(loop, io->fd);
    uint32_t all = evl_io_with_edge(first, evl_io_wanted(loop, first) | mask);
    uint32_t armed = evl_io_registered(first);
    uint64_t tag = evl_io_tag(first);
    int rc = armed == 0 ? loop->backend->add(loop->state, io->fd, all, tag)
                        : loop->backend->prove(loop->state, io->fd, armed, all, tag);
    if (rc != 0)
        return rc;
    first->armed = (uint8_t)all;
    evl_io_put_mask(io, mask);
    return 0;
}

static int new_waiter(evl_loop *loop, int fd, uint32_t mask, evl_watcher **out) {
    evl_watcher *io = (evl_watcher *)evl_handle_alloc_internal(loop, EVL_KIND_IO, NULL, NULL);
    if (!io)
        return EVL_ENOMEM;
    evl_io_fill(io, fd, mask);
    evl_io_set_flag(io, EVL_F_ONESHOT, true);
    *out = io;
    return evl_io_attach(loop, io);
}

static int arm_waiter(evl_loop *loop, int fd, uint32_t mask, evl_watcher **out) {
    *out = find_idle_waiter(loop, fd);
    if (!*out)
        return new_waiter(loop, fd, mask, out);
    int rc = wait_again(loop, *out, mask);
    if (!evl_io_was_closed(loop, rc))
        return rc;
    evl_io_end_all(loop, fd, EVL_EBADF); /* closed without evl_fd_closing; the number may be in use again */
    return new_waiter(loop, fd, mask, out);
}

int evl_io_wait(evl_loop *loop, int fd, uint32_t mask, evl_done_fn *fn, void *arg, evl_watcher **out) {
    int rc = fd < 0 ? EVL_EBADF : mask == 0 ? EVL_EINVAL : evl_io_check(loop, mask, 0);
    if (rc == 0)
        rc = arm_waiter(loop, fd, mask, out);
    if (rc != 0)
        return rc;
    (*out)->base.node.fn.done = fn;
    (*out)->base.node.arg = arg;
    evl_touch(loop);
    return 0;
}
