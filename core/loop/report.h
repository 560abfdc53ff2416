/* report.h - errors that no caller is there to be given. */
#ifndef EVL_CORE_REPORT_H
#define EVL_CORE_REPORT_H

#include "node_type.h"
#include <stdbool.h>

bool evl_has_error_hook(const evl_loop *loop);        /* an error is the hook's; else it is only stored */
void evl_unhandled(evl_loop *loop, int32_t error);    /* which calls the hook, so that it has to come last */
void evl_report_later(evl_loop *loop, int32_t error); /* from inside: the hook is queued */
extern const evl_node_type evl_report_node;           /* EVL_NODE_REPORT */

#endif
