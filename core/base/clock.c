#include "clock.h"
#include "sys.h"

#include <evloop/loop.h>

int64_t evl_monotonic(void) {
    struct timespec ts = {0, 0};
    (void)evl_sys.clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock and a valid pointer */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t evl_clock_read(const evl_clock *clock) {
    return clock->mode == EVL_CLOCK_REAL ? evl_monotonic() : clock->virtual_;
}
