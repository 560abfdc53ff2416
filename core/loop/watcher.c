/* watcher.c - the chain of an fd: joining it, leaving it, and the end of all of it. */
#include "access.h"
#include "embed.h"
#include "handle.h"
#include "watcher_chain.h"

/* The masks of all watchers of an fd. */
uint32_t evl_io_wanted(const evl_loop *loop, const evl_watcher *first) {
    uint32_t mask = 0;
    for (const evl_watcher *io = first; io; io = evl_io_by_link(loop, io->next))
        mask |= io->mask;
    return mask;
}

void evl_io_put_mask(evl_watcher *io, uint32_t mask) {
    io->mask = (uint8_t)mask;
    evl_io_set_unusual(io);
    evl_handle_set_active(&io->base, mask != 0);
}

/* Whether the backend says that the number was closed without evl_fd_closing. A duplicate may keep the file
 * open, and its entry in the queue. */
bool evl_io_was_closed(evl_loop *loop, int rc) {
    bool closed = rc == EVL_ENOENT || rc == EVL_EBADF;
    loop->stale_entry_possible |= closed;
    return closed;
}

void evl_io_remove_fd(evl_loop *loop, int fd, uint32_t mask) {
    (void)evl_io_was_closed(loop, loop->backend->remove(loop->state, fd, mask));
}

/* A waiter's: the operation that waits is completed, and the watcher stays with the fd, without interest, for
 * the next wait. */
void evl_io_complete_wait(evl_watcher *io, int64_t result) {
    void *arg = io->base.node.arg;
    io->base.node.arg = NULL;
    if (arg)
        io->base.node.fn.done(arg, result);
}

static void lose(evl_loop *loop, evl_watcher *owner, int error) {
    uint32_t fd = (uint32_t)owner->fd;
    owner->fd = -1;
    owner->mask = owner->armed = 0;
    evl_io_set_flag(owner, EVL_F_DIRTY, false);
    loop->types[owner->base.node.kind]->event(&owner->base, fd, error);
}

/* Ends every watcher of an fd: each is notified of `error`, and of nothing more. Returns how many there were;
 * what a wait left behind is no user's. */
int evl_io_end_all(evl_loop *loop, int fd, int error) {
    int count = 0;
    evl_watcher *io = evl_io_first(loop, fd);
    if (!io)
        return 0;
    loop->fds[fd] = 0;
    loop->watcher_removed = true;
    if (evl_io_is_owner(io)) {
        lose(loop, io, error);
        return 1;
    }
    for (evl_watcher *next; io; io = next) {
        next = evl_io_by_link(loop, io->next);
        count += !evl_io_is_idle_waiter(io);
        io->fd = -1;
        io->next = 0;
        evl_io_put_mask(io, 0);
        evl_io_set_flag(io, EVL_F_DIRTY | EVL_F_SHARED, false);
        if (evl_io_has_flag(io, EVL_F_INTERNAL)) {
            evl_io_complete_wait(io, error);
            evl_handle_release(&io->base);
            continue;
        }
        io->base.node.u.result = error;
        if (!evl_linked(&io->base.node.link))
            evl_ready(loop, &io->base.node);
    }
    return count;
}

/* --- joining ------------------------------------------------------------------------------------ */

static void append(evl_loop *loop, evl_watcher *first, evl_watcher *io) {
    evl_watcher *last = first;
    while (last->next != 0)
        last = evl_io_by_link(loop, last->next);
    last->next = evl_io_link(io);
    evl_io_set_flag(first, EVL_F_SHARED, true);
}

/* An fd that is not wanted yet is added and removed again, so that a bad one fails here. */
static int add_first(evl_loop *loop, evl_watcher *io) {
    uint32_t mask = evl_io_with_edge(io, io->mask ? io->mask : EVL_READ);
    int rc = loop->backend->add(loop->state, io->fd, mask, evl_io_tag(io));
    if (rc != 0)
        return rc;
    if (io->mask == 0)
        evl_io_remove_fd(loop, io->fd, mask);
    rc = evl_mem_reserve(&loop->mem, (void **)&loop->fds, &loop->fds_cap, (uint32_t)io->fd + 1,
                         sizeof *loop->fds);
    if (rc != 0) {
        if (io->mask != 0)
            evl_io_remove_fd(loop, io->fd, mask);
        return rc;
    }
    io->armed = io->mask;
    io->anew = false;
    loop->fds[io->fd] = evl_io_link(io);
    return 0;
}

/* A second watcher always makes one kernel call, so that a number closed and used again without
 * evl_fd_closing is found: then the old watchers end, and this one is the first. */
static int add_another(evl_loop *loop, evl_watcher *first, evl_watcher *io) {
    if (evl_io_has_flag(first, EVL_F_EDGE) != evl_io_has_flag(io, EVL_F_EDGE))
        return EVL_EEXIST;
    uint32_t mask = evl_io_wanted(loop, first) | io->mask;
    uint32_t proof = mask ? mask : first->armed;
    int rc;
    if (first->armed == 0)
        rc = loop->backend->add(loop->state, io->fd, evl_io_with_edge(first, mask ? mask : EVL_READ),
                                evl_io_tag(first));
    else
        rc = loop->backend->prove(loop->state, io->fd, evl_io_registered(first),
                                  evl_io_with_edge(first, proof), evl_io_tag(first));
    if (evl_io_was_closed(loop, rc)) {
        evl_io_end_all(loop, io->fd, EVL_EBADF);
        return add_first(loop, io);
    }
    if (rc != 0)
        return rc;
    if (first->armed == 0 && mask == 0)
        evl_io_remove_fd(loop, io->fd, evl_io_with_edge(first, EVL_READ));
    else
        first->armed = (uint8_t)proof;
    append(loop, first, io);
    if (proof != mask && first->armed != 0)
        evl_io_mark_dirty(loop, first);
    return 0;
}

/* An owner of an fd shares it with no other watcher. Whether the number still names what is watched costs one
 * kernel call; if not, its watchers have ended. */
static bool is_taken(evl_loop *loop, evl_watcher *first) {
    int fd = first->fd, rc = 0;
    if (first->armed != 0)
        rc = loop->backend->prove(loop->state, fd, evl_io_registered(first), evl_io_registered(first),
                                  evl_io_tag(first));
    if (!evl_io_was_closed(loop, rc))
        return true;
    evl_io_end_all(loop, fd, EVL_EBADF);
    return false;
}

/* Adds a watcher that is filled in, or releases it. */
int evl_io_attach(evl_loop *loop, evl_watcher *io) {
    evl_watcher *first = evl_io_first(loop, io->fd);
    int rc = EVL_ENOTSUP;
    if (first && evl_io_is_owner(first) && !is_taken(loop, first))
        first = NULL;
    if (first && evl_io_is_owner(first))
        rc = EVL_EEXIST;
    else if (evl_io_has_tag(io))
        rc = first ? add_another(loop, first, io) : add_first(loop, io);
    if (rc == 0)
        evl_io_put_mask(io, io->mask);
    else
        evl_handle_release(&io->base);
    evl_touch(loop); /* others may have ended even if this one was refused */
    return rc;
}

/* The watcher that waits of the past left behind, so that an fd looks as if nothing had ever waited for it.
 */
void evl_io_forget(evl_loop *loop, int fd) {
    evl_watcher *io;
    while ((io = evl_io_first(loop, fd)) && evl_io_is_idle_waiter(io)) {
        evl_handle_detach(&io->base);
        evl_handle_release(&io->base);
    }
}

/* --- handles that own their fd ------------------------------------------------------------------ */

int evl_io_own(evl_watcher *io, int fd, uint32_t mask, bool edge) {
    evl_loop *loop = io->base.loop;
    evl_io_fill(io, fd, mask);
    evl_io_set_flag(io, EVL_F_EDGE, edge && (loop->backend->caps & EVL_CAP_EDGE) != 0);
    io->unusual = UINT32_MAX;
    evl_io_forget(loop, fd);
    evl_watcher *first = evl_io_first(loop, fd);
    bool taken = first && is_taken(loop, first);
    int rc = taken ? EVL_EEXIST : evl_io_has_tag(io) ? add_first(loop, io) : EVL_ENOTSUP;
    if (rc != 0)
        io->fd = -1;
    evl_touch(loop);
    return rc;
}

void evl_io_want(evl_watcher *io, uint32_t mask) {
    if (io->mask == mask || io->fd < 0)
        return;
    io->mask = (uint8_t)mask;
    evl_io_mark_dirty(io->base.loop, io);
}

/* --- leaving ------------------------------------------------------------------------------------ */

/* Takes a watcher off its fd. The last one takes the fd off the kernel at once: the number may be closed and
 * used again before the next poll. Otherwise the next one of the chain stands for the fd from now on. */
static void detach(evl_handle *handle) {
    evl_watcher *io = (evl_watcher *)handle;
    evl_loop *loop = handle->loop;
    if (io->fd < 0)
        return;
    evl_watcher *first = evl_io_first(loop, io->fd);
    if (first != io) {
        evl_watcher *prev = first;
        while (prev->next != evl_io_link(io))
            prev = evl_io_by_link(loop, prev->next);
        prev->next = io->next;
        evl_io_set_flag(first, EVL_F_SHARED, first->next != 0);
        evl_io_mark_dirty(loop, first);
        return;
    }
    loop->fds[io->fd] = io->next;
    loop->watcher_removed = true;
    evl_watcher *next = evl_io_by_link(loop, io->next);
    if (!next) {
        if (io->armed != 0 && !evl_is_forked(loop))
            evl_io_remove_fd(loop, io->fd, evl_io_registered(io));
        return;
    }
    evl_io_set_flag(next, EVL_F_SHARED, next->next != 0);
    next->armed = io->armed;
    next->anew = io->anew;
    if (io->armed == 0 || evl_is_forked(loop)) {
        evl_io_mark_dirty(loop, next);
        return;
    }
    /* The kernel knows the fd by the closed watcher's tag. */
    uint32_t mask = evl_io_wanted(loop, next);
    int fd = io->fd;
    int rc = loop->backend->change(loop->state, fd, evl_io_registered(next), evl_io_with_edge(next, mask),
                                   evl_io_tag(next));
    next->armed = (uint8_t)mask;
    if (rc != 0)
        evl_io_end_all(loop, fd, evl_io_was_closed(loop, rc) ? EVL_EBADF : rc);
}

void evl_io_disown(evl_watcher *io) {
    detach(&io->base);
    io->fd = -1;
}

const evl_handle_type evl_io_type = {.size = sizeof(evl_watcher), .detach = detach};

int evl_io_closing(evl_loop *loop, int fd) {
    evl_watcher *first = evl_io_first(loop, fd);
    if (!first)
        return 0;
    if (first->armed != 0 && !evl_is_forked(loop))
        evl_io_remove_fd(loop, fd, evl_io_registered(first));
    int count = evl_io_end_all(loop, fd, EVL_ECLOSED);
    evl_touch(loop);
    return count;
}
