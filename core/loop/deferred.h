/* deferred.h - functions that are called later, and what is dropped later. */
#ifndef EVL_CORE_DEFERRED_H
#define EVL_CORE_DEFERRED_H

#include "node_type.h"
#include <stdbool.h>

extern const evl_node_type evl_call_node;                       /* EVL_NODE_ONCE */
extern const evl_node_type evl_later_node;                      /* EVL_NODE_LATER, call_later.c */
bool evl_drop_later(evl_loop *loop, evl_fn *drop, void *value); /* false: no memory, and nothing was done */
evl_node *evl_drop_reserve(evl_loop *loop, evl_fn *drop, void *value); /* so that it cannot fail; or NULL */
void evl_drop_reserved(evl_loop *loop, evl_node *node);                /* drops it later */
void evl_drop_unreserve(evl_loop *loop, evl_node *node);               /* does not */

#endif
