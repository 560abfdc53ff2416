/* watcher_peek.h - what no caller may know of watchers and the tests want to: where they lie. */
#ifndef WATCHER_PEEK_H
#define WATCHER_PEEK_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 1: the loop finds the first watcher of the fd under the link that the watcher has; -1: there is none. */
int32_t peek_link_leads_back(const evl_loop *loop, evl_fd fd);

#ifdef __cplusplus
}
#endif
#endif
