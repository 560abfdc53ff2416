/* evloop/backend.h - which backends the library has, and what each can do.
 *
 * A loop waits through one backend: epoll, kqueue or select. evl_loop_new takes the best one unless
 * evl_options.backend or the environment variable EVLOOP_BACKEND names another. */
#ifndef EVLOOP_BACKEND_H
#define EVLOOP_BACKEND_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Capabilities of a backend: evl_backend_caps. */
enum {
    EVL_CAP_EDGE = 1,    /* EVL_IO_EDGE works */
    EVL_CAP_PRI = 2,     /* EVL_PRI works */
    EVL_CAP_HUP = 4,     /* EVL_HUP and EVL_ERR are reported; without it they appear as READ or WRITE */
    EVL_CAP_LOOP_FD = 8, /* evl_loop_fd works */
    EVL_CAP_MANY = 16    /* the cost of a wait does not grow with the number of idle fds */
};

/* Returns the name of the i-th backend of this library, best first, in static memory; NULL past the last.
 * @thread any. @since 0.1 */
EVL_API const char *evl_backend_at(int32_t i);

/* Returns the capabilities of the loop's backend, a mask of EVL_CAP_*; 0 for NULL. @since 0.1 */
EVL_API uint32_t evl_backend_caps(const evl_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
