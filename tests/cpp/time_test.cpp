// time_test.cpp - durations and time points as nanoseconds: they saturate, and nothing becomes shorter.
#include <evloop/time.hpp>

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace {

using namespace std::chrono_literals;
using evloop::detail::deadline;
using evloop::detail::nanoseconds;
using evloop::detail::unix_time;
using seconds_d = std::chrono::duration<double>;
using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
using eons = std::chrono::duration<std::int64_t, std::ratio<1'000'000'000>>;
constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t shortest = std::numeric_limits<std::int64_t>::min();

TEST(Time, DurationsAreNanoseconds) {
    static_assert(nanoseconds(5s) == 5'000'000'000);
    static_assert(nanoseconds(-5ms) == -5'000'000);
    static_assert(nanoseconds(1ns) == 1);
    static_assert(nanoseconds(24h) == 86'400'000'000'000);
    static_assert(nanoseconds(std::chrono::duration<std::uint8_t>(200)) == 200'000'000'000);
    static_assert(nanoseconds(seconds_d(0.5)) == 500'000'000);
}

TEST(Time, WhatIsTooLongIsNever) {
    static_assert(nanoseconds(std::chrono::hours::max()) == longest);
    static_assert(nanoseconds(std::chrono::hours::min()) == shortest);
    static_assert(nanoseconds(std::chrono::nanoseconds::max()) == longest);
    static_assert(nanoseconds(eons(10)) == longest && nanoseconds(eons(-10)) == shortest);
    static_assert(nanoseconds(std::chrono::duration<std::uint64_t, std::nano>(UINT64_MAX)) == longest);
    EXPECT_EQ(nanoseconds(seconds_d(1e30)), longest);
    EXPECT_EQ(nanoseconds(seconds_d(-1e30)), shortest);
    EXPECT_EQ(nanoseconds(seconds_d(INFINITY)), longest);
    EXPECT_EQ(nanoseconds(seconds_d(NAN)), longest);
    EXPECT_EQ(deadline(evloop::never), EVL_NEVER);
}

TEST(Time, APartOfANanosecondIsAWhole) {
    static_assert(nanoseconds(picoseconds(1)) == 1 && nanoseconds(picoseconds(1000)) == 1);
    static_assert(nanoseconds(picoseconds(1001)) == 2);
    static_assert(nanoseconds(picoseconds(-1)) == 0 && nanoseconds(picoseconds(-1001)) == -1);
    EXPECT_EQ(nanoseconds(seconds_d(0.1e-9)), 1);
    EXPECT_EQ(nanoseconds(seconds_d(-0.1e-9)), 0);
    EXPECT_EQ(nanoseconds(seconds_d(0)), 0);
}

TEST(Time, PointsAreOfTheirClock) {
    constexpr evloop::time_point start(10ns);
    static_assert(deadline(start + 1us) == 1010);
    static_assert((start + 1us) - start == 1us);
    static_assert(unix_time(std::chrono::sys_days(std::chrono::January / 2 / 1970)) == nanoseconds(24h));
    static_assert(!std::is_convertible_v<evloop::time_point, std::chrono::steady_clock::time_point>);
}

} // namespace
