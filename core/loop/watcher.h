/* watcher.h - the watchers of an fd, and handles that own their fd. */
#ifndef EVL_CORE_WATCHER_H
#define EVL_CORE_WATCHER_H

#include "../backend/backend.h"
#include "handle.h"

/* The watchers of an fd form a chain, and the first one stands for the fd in the kernel. */
typedef struct evl_watcher {
    evl_handle base;
    int32_t fd;       /* -1: it has ended, and base.node.u.result says why */
    uint32_t next;    /* slot + 1 of the next watcher of the fd, or 0 */
    uint8_t mask;     /* wanted */
    uint8_t armed;    /* first watcher: the mask that the kernel has */
    bool anew;        /* first watcher, edge-triggered: send it again even if it is the same */
    uint32_t unusual; /* a report with one of these bits is not simply passed on, or made an event of the
                         owner's */
} evl_watcher;

void evl_io_events(evl_loop *loop, const evl_kernel_event *events, int n);
void evl_io_flush(evl_loop *loop);
extern const evl_handle_type evl_io_type;

/* Handles that begin with an evl_watcher and are their fd's only one. edge: where the kernel can.
 * EVL_EEXIST when it is watched, and those of evl_io_new. */
int evl_io_own(evl_watcher *io, int fd, uint32_t mask, bool edge);
void evl_io_want(evl_watcher *io, uint32_t mask); /* sent to the kernel before the next poll */
void evl_io_disown(evl_watcher *io);              /* before the fd is closed; it is -1 then */
void evl_io_tags_repeat(evl_loop *loop);          /* a watcher has the tag of one that it had long ago */
void evl_io_forget(evl_loop *loop, int fd);       /* the watchers that finished waits left with an fd */
int evl_io_closing(evl_loop *loop, int fd);       /* evl_fd_closing, without the checks */
int evl_io_requeue(evl_loop *loop, bool forked);  /* a new kernel queue with everything in it */

/* Calls fn(arg, mask) with the first report, or an error, once. The watcher is one that an earlier wait left
 * with the fd, where there is one; it stays there, idle, for the next. The errors are those of evl_io_new. */
int evl_io_wait(evl_loop *loop, int fd, uint32_t mask, evl_done_fn *fn, void *arg, evl_watcher **out);
void evl_io_stop_waiting(evl_watcher *io);
uint64_t evl_io_tag(const evl_watcher *io);
bool evl_io_has_tag(const evl_watcher *io); /* its address fits into one */

#endif
