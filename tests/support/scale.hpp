// scale.hpp - how much of a long test to run, and with which random numbers.
#pragma once

#include "world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace support {

// n, or less where everything is slow: a quarter with sanitizers, a twentieth under Valgrind
// (EVLOOP_TEST_SLOW), or divided by EVLOOP_TEST_SCALE.
inline int64_t scaled(int64_t n) {
    const char *by = std::getenv("EVLOOP_TEST_SCALE");
    int64_t divisor = by                                ? std::max(1L, std::atol(by))
                      : std::getenv("EVLOOP_TEST_SLOW") ? 20
                      : slow()                          ? 4
                                                        : 1;
    return std::max<int64_t>(1, n / divisor);
}

// A seed that is new in every run, printed, and taken from EVLOOP_SEED to see the same run again.
inline uint64_t seed() {
    const char *given = std::getenv("EVLOOP_SEED");
    uint64_t value = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("EVLOOP_SEED=%llu\n", static_cast<unsigned long long>(value));
    std::fflush(stdout);
    return value;
}

} // namespace support
