/* watcher_peek.c - C, because the library's own headers are. */
#include "watcher_peek.h"
#include "loop/watcher_chain.h"

int32_t peek_link_leads_back(const evl_loop *loop, evl_fd fd) {
    const evl_watcher *first = evl_io_first(loop, fd);
    return first ? evl_io_link(first) == loop->fds[fd] : -1;
}
