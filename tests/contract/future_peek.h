/* future_peek.h - what no caller may know of futures and the tests want to: who still looks at one. */
#ifndef FUTURE_PEEK_H
#define FUTURE_PEEK_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

uint32_t peek_futures(const evl_loop *loop); /* alive, hidden ones too */
int32_t peek_refs(const evl_future *future);
int32_t peek_watches(const evl_future *future); /* combinators that look at it, and callbacks to come */

#ifdef __cplusplus
}
#endif
#endif
