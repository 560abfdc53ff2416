/* evloop/backend.h - which backends there are, and what each can do. */
#ifndef EVLOOP_BACKEND_H
#define EVLOOP_BACKEND_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EVL_CAP_EDGE = 1,    /* EVL_IO_EDGE */
    EVL_CAP_PRI = 2,     /* EVL_PRI */
    EVL_CAP_HUP = 4,     /* EVL_HUP and EVL_ERR are told apart from READ and WRITE */
    EVL_CAP_LOOP_FD = 8, /* evl_loop_fd */
    EVL_CAP_MANY = 16    /* the cost of a wait does not grow with the number of idle fds */
};

/* The name of the i-th backend of this library, best first; NULL past the last. @thread any. @since 0.1 */
EVL_API const char *evl_backend_at(int32_t i);

/* EVL_CAP_* of the loop's backend. 0 for NULL. @since 0.1 */
EVL_API uint32_t evl_backend_caps(const evl_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
