/* io.c - fd watchers as the program knows them. */
#include "access.h"
#include "embed.h"
#include "handle.h"
#include "watcher_chain.h"

int evl_io_check(const evl_loop *loop, uint32_t mask, uint32_t flags) {
    if ((mask & ~(uint32_t)EVL_IO_WANTED) != 0 || (flags & ~(uint32_t)(EVL_IO_ONESHOT | EVL_IO_EDGE)) != 0)
        return EVL_EINVAL;
    uint32_t caps = loop->backend->caps;
    if (((mask & EVL_PRI) && !(caps & EVL_CAP_PRI)) || ((flags & EVL_IO_EDGE) && !(caps & EVL_CAP_EDGE)))
        return EVL_ENOTSUP;
    return 0;
}

int32_t evl_io_new(evl_loop *loop, evl_fd fd, uint32_t mask, uint32_t flags, evl_done_fn *fn, void *arg,
                   evl_io **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0)
        rc = !out ? EVL_EINVAL : fd < 0 ? EVL_EBADF : evl_io_check(loop, mask, flags);
    if (rc != 0)
        return rc;
    evl_watcher *io = (evl_watcher *)evl_handle_alloc(loop, EVL_KIND_IO, fn, arg);
    if (!io)
        return EVL_ENOMEM;
    evl_io_fill(io, fd, mask);
    evl_io_set_flag(io, EVL_F_ONESHOT, (flags & EVL_IO_ONESHOT) != 0);
    evl_io_set_flag(io, EVL_F_EDGE, (flags & EVL_IO_EDGE) != 0);
    evl_io_forget(loop, fd);
    rc = evl_io_attach(loop, io);
    if (rc == 0)
        *out = &io->base;
    return rc;
}

/* Why a watcher takes no mask any more. */
static int ended(const evl_watcher *io) { return (int)io->base.node.u.result; }

int32_t evl_io_set(evl_io *handle, uint32_t mask) {
    int rc = evl_check_kind(handle, EVL_KIND_IO);
    if (rc == 0) /* 0 stops it, and stopping also works in a forked child */
        rc = mask == 0 ? evl_enter_child(handle->loop) : evl_enter(handle->loop);
    if (rc != 0)
        return rc;
    evl_watcher *io = (evl_watcher *)handle;
    evl_loop *loop = handle->loop;
    rc = evl_io_check(loop, mask, 0);
    if (rc != 0 || io->fd < 0)
        return rc != 0 ? rc : mask == 0 ? 0 : ended(io);
    evl_node *node = &handle->node;
    if (evl_linked(&node->link)) {
        node->u.result &= mask | EVL_IO_TROUBLE;
        if (mask == 0 || (node->u.result & EVL_IO_WANTED) == 0)
            evl_list_remove(&node->link);
        else if (evl_io_has_flag(io, EVL_F_ONESHOT))
            return 0; /* the report that is due is the one */
    }
    if (mask == io->mask)
        return 0;
    evl_watcher *first = evl_io_first(loop, io->fd);
    first->anew |= evl_io_has_flag(io, EVL_F_EDGE) && (mask & ~(uint32_t)io->mask) != 0;
    evl_io_put_mask(io, mask);
    evl_io_mark_dirty(loop, first);
    evl_touch(loop);
    return 0;
}

evl_fd evl_io_fd(const evl_io *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_IO);
    return rc != 0 ? rc : ((const evl_watcher *)handle)->fd;
}

int32_t evl_io_mask(const evl_io *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_IO);
    return rc != 0 ? rc : ((const evl_watcher *)handle)->mask;
}

int32_t evl_fd_closing(evl_loop *loop, evl_fd fd) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    return fd < 0 ? EVL_EBADF : evl_io_closing(loop, fd);
}
