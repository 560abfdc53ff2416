/* node_type.h - how a queued node is dealt with: run, handed out as a record, or forgotten.
 *
 * A floor above the loop makes its nodes known with evl_node_know before it queues the first one. Handles
 * (EVL_NODE_DONE, EVL_NODE_TAKE) are the pass's and the records' own business and have no entry. */
#ifndef EVL_CORE_NODE_TYPE_H
#define EVL_CORE_NODE_TYPE_H

#include "../base/node.h"
#include <evloop/record.h>

typedef struct evl_node_type {
    void (*run)(evl_loop *loop, evl_node *node); /* unlinked; may run user code, as its last act */

    /* Instead of that, for evl_loop_records; `out` has the kind and the argument. False: it is no record
     * after all. Runs no user code. */
    bool (*record)(evl_loop *loop, evl_node *node, evl_record *out);

    /* The loop goes down. What user code has to be run for, a drop, goes to `drops`. Runs no user code. */
    void (*forget)(evl_loop *loop, evl_node *node, evl_link *drops);
} evl_node_type;

#endif
