/* io_flush.c - sends changed interest to the kernel before the next poll, and everything into a new queue. */
#include "access.h"
#include "embed.h"
#include "handle.h"
#include "wall.h"
#include "watcher_chain.h"

/* With edges, interest that was given again has to reach the kernel although nothing has changed: it reports
 * what is there, which the last edge may have been used up for. */
static int send_change(evl_loop *loop, evl_watcher *first, uint32_t mask) {
    bool anew = first->anew && mask != 0;
    first->anew = false;
    if (mask == first->armed && !anew)
        return 0;
    int rc = mask == first->armed ? loop->backend->prove(loop->state, first->fd, evl_io_registered(first),
                                                         evl_io_registered(first), evl_io_tag(first))
                                  : loop->backend->change(loop->state, first->fd, evl_io_registered(first),
                                                          evl_io_with_edge(first, mask), evl_io_tag(first));
    if (rc == 0)
        first->armed = (uint8_t)mask;
    return rc;
}

static void flush_fd(evl_loop *loop, int fd) {
    evl_watcher *first = evl_io_first(loop, fd);
    if (!first || !evl_io_has_flag(first, EVL_F_DIRTY))
        return;
    evl_io_set_flag(first, EVL_F_DIRTY, false);
    int rc = send_change(loop, first, evl_io_wanted(loop, first));
    if (rc == 0)
        return;
    bool closed = evl_io_was_closed(loop, rc);
    if (!closed && first->armed != 0)
        evl_io_remove_fd(loop, fd, evl_io_registered(first));
    evl_io_end_all(loop, fd, closed ? EVL_EBADF : rc);
}

void evl_io_flush(evl_loop *loop) {
    for (uint32_t i = 0; i < loop->dirty_len; i++)
        flush_fd(loop, loop->dirty[i]);
    loop->dirty_len = 0;
}

/* Notes that an fd's interest has to be sent to the kernel before the next poll. An fd may stand in the list
 * twice; the flag of its first watcher says whether anything is left to do. */
void evl_io_mark_dirty(evl_loop *loop, evl_watcher *first) {
    if (evl_io_has_flag(first, EVL_F_DIRTY) || evl_is_forked(loop))
        return;
    if (loop->dirty_len == EVL_DIRTY_MAX)
        evl_io_flush(loop);
    if (first->fd < 0)
        return; /* the flush has just ended it */
    evl_io_set_flag(first, EVL_F_DIRTY, true);
    loop->dirty[loop->dirty_len++] = first->fd;
    evl_touch(loop);
}

/* --- a new kernel queue ------------------------------------------------------------------------- */

/* Where one number was closed without evl_fd_closing others may have been too. The old queue still knows
 * their files; the new one would take whatever has the numbers now. */
static void prove_all(evl_loop *loop) {
    for (uint32_t fd = 0; fd < loop->fds_cap; fd++) {
        evl_watcher *first = evl_io_by_link(loop, loop->fds[fd]);
        if (!first || first->armed == 0)
            continue;
        int rc = loop->backend->prove(loop->state, (int)fd, evl_io_registered(first),
                                      evl_io_registered(first), evl_io_tag(first));
        if (evl_io_was_closed(loop, rc))
            evl_io_end_all(loop, (int)fd, EVL_EBADF);
    }
}

int evl_io_requeue(evl_loop *loop, bool forked) {
    if (!forked)
        prove_all(loop);
    int rc = loop->backend->reopen(loop->state, forked);
    if (rc != 0)
        return rc;
    loop->stale_entry_seen = loop->stale_entry_possible = false;
    loop->dirty_len = 0;
    evl_wall_requeue(loop, forked);
    for (uint32_t fd = 0; fd < loop->fds_cap; fd++) {
        evl_watcher *first = evl_io_by_link(loop, loop->fds[fd]);
        if (!first)
            continue;
        evl_io_set_flag(first, EVL_F_DIRTY, false);
        uint32_t mask = evl_io_wanted(loop, first);
        first->armed = (uint8_t)mask;
        first->anew = false;
        if (mask == 0)
            continue;
        rc = loop->backend->add(loop->state, (int)fd, evl_io_with_edge(first, mask), evl_io_tag(first));
        if (rc != 0)
            evl_io_end_all(loop, (int)fd, rc);
    }
    return 0;
}
