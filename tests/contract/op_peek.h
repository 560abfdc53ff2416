/* op_peek.h - what no caller may know of an operation and the tests want to: whether its completion is
 * queued. */
#ifndef OP_PEEK_H
#define OP_PEEK_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

int32_t peek_ready(const evl_op *op);       /* 1: its completion is queued and not delivered */
uint32_t peek_posted(const evl_loop *loop); /* what other threads have handed over and no pass has taken in */

#ifdef __cplusplus
}
#endif
#endif
