/* backoff.h - a wait for what the system will have more of later, which follows the real clock whatever the
 * loop's. It does not keep the loop alive, allocates nothing, and is called while the loop collects. */
#ifndef EVL_CORE_BACKOFF_H
#define EVL_CORE_BACKOFF_H

#include "../base/list.h"
#include <evloop/base.h>
#include <stdint.h>

typedef struct evl_backoff {
    evl_link link; /* linked: it waits */
    int64_t until; /* of evl_monotonic */
    evl_fn *fn;
    void *arg;
} evl_backoff;

void evl_backoff_begin(evl_loop *loop, evl_backoff *backoff, int64_t ns);
int64_t evl_backoffs_wait(const evl_loop *loop,
                          int64_t limit);         /* until the first is over, and at most `limit` */
int64_t evl_backoffs_until(const evl_loop *loop); /* EVL_NEVER: there is none */
void evl_backoffs_due(evl_loop *loop);

#endif
