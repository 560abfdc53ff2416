/* clock.h - a loop's time: the monotonic clock, or a virtual one. */
#ifndef EVL_CORE_CLOCK_H
#define EVL_CORE_CLOCK_H

#include <stdint.h>

typedef struct evl_clock {
    int32_t mode;     /* EVL_CLOCK_* */
    int64_t virtual_; /* the time of a virtual clock */
} evl_clock;

/* CLOCK_MONOTONIC in ns. */
int64_t evl_monotonic(void);

int64_t evl_clock_read(const evl_clock *clock);

/* a + b without overflow: it stays at the end it would pass. */
static inline int64_t evl_saturated_add(int64_t a, int64_t b) {
    if (b > 0 && a > INT64_MAX - b)
        return INT64_MAX;
    if (b < 0 && a < INT64_MIN - b)
        return INT64_MIN;
    return a + b;
}

#endif
