// coroutines.hpp - what is measured of coroutines, for every library: coroutines.cpp says what it is.
#pragma once

#include "bench.h"

#include <array>
#include <chrono>
#include <cstddef>

constexpr const char *work_names[] = {"call", "yield", "spawn", "crowd", "sleeps", "random"};
constexpr std::size_t first_of_sleepers = 4;
constexpr long sleepers = 300000, crowd = 1000;

// Each does its work so many times, on a loop of its own.
using works = std::array<void (*)(long count), std::size(work_names)>;

// How long the next one sleeps: a millisecond from when it begins, or up to that.
class sleep_times {
  public:
    explicit sleep_times(bool at_random) : at_random_(at_random) {}
    std::chrono::nanoseconds next() {
        return std::chrono::nanoseconds(at_random_ ? bench_random(&seed_) % 1000000 : 1000000);
    }

  private:
    bool at_random_;
    std::uint64_t seed_ = 1;
};
