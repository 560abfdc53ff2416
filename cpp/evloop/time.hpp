// evloop/time.hpp - std::chrono and the loop's int64_t nanoseconds.
//
// Durations become nanoseconds and saturate: what is too long is never. A part of a nanosecond counts as a
// whole one, so that nothing is ever early.
#pragma once

#include "config.hpp"

#include <chrono>
#include <limits>
#include <ratio>
#include <type_traits>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

// The clock of a loop. It has no now() of its own, for each loop has one: loop_ref::now() and time(). Its
// time points order and subtract as those of any clock, and system_clock's do not mix with them.
struct loop_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<loop_clock>;
    static constexpr bool is_steady = true;
};
// A time of a loop's clock.
using time_point = loop_clock::time_point;

// A deadline that does not come.
inline constexpr time_point never{std::chrono::nanoseconds{EVL_NEVER}};

// Durations and times are rounded up to nanoseconds, and what does not fit is the longest or the shortest.
// A floating-point duration that is not a number is no limit where it is a limit; sleep refuses it.
namespace detail {

// What fits into int64_t as nanoseconds, exactly or rounded up; else INT64_MIN or INT64_MAX.
template <class Rep, class Period>
constexpr std::int64_t nanoseconds(std::chrono::duration<Rep, Period> time) noexcept {
    using limits = std::numeric_limits<std::int64_t>;
    using ratio = std::ratio_divide<Period, std::nano>;
    if constexpr (std::is_floating_point_v<Rep>) {
        const auto ns = static_cast<long double>(time.count()) * ratio::num / ratio::den;
        if (!(ns < 0x1p63L))
            return limits::max(); // and what is not a number
        if (ns < -0x1p63L)
            return limits::min();
        const auto whole = static_cast<std::int64_t>(ns);
        return static_cast<long double>(whole) < ns && whole != limits::max() ? whole + 1 : whole;
    } else {
        std::int64_t ns = 0;
        if (!std::in_range<std::int64_t>(time.count()) ||
            __builtin_mul_overflow(static_cast<std::int64_t>(time.count()), ratio::num, &ns))
            return time.count() < 0 ? limits::min() : limits::max();
        const bool part = ns > 0 && ns % ratio::den != 0;
        return ns / ratio::den + (part ? 1 : 0);
    }
}

template <class Duration>
constexpr std::int64_t deadline(std::chrono::time_point<loop_clock, Duration> when) noexcept {
    return nanoseconds(when.time_since_epoch());
}

// How long it is until then.
template <class Duration>
std::int64_t from_now(std::chrono::time_point<std::chrono::steady_clock, Duration> when) noexcept {
    const std::int64_t now = nanoseconds(std::chrono::steady_clock::now().time_since_epoch());
    const std::int64_t at = nanoseconds(when.time_since_epoch());
    std::int64_t ns = 0;
    return __builtin_sub_overflow(at, now, &ns) ? std::numeric_limits<std::int64_t>::min() : ns;
}

// The wall clock counts from 1970 in system_clock too.
template <class Duration>
constexpr std::int64_t unix_time(std::chrono::time_point<std::chrono::system_clock, Duration> when) noexcept {
    return nanoseconds(when.time_since_epoch());
}

} // namespace detail

} // namespace evloop::inline EVLOOP_CPP_ABI
