// evloop/cancelled.hpp - what a cancelled await throws, and codes as what awaits throw.
#pragma once

#include "unhandled.hpp"

#include <cstdint>
#include <source_location>
#include <string>

namespace evloop::inline EVLOOP_CPP_ABI {

#if EVLOOP_EXCEPTIONS

// Thrown by the await at which a task is cancelled. Not a std::exception, so that who handles errors does not
// take it for one; who catches it to clean up throws it on.
struct [[gnu::visibility("default")]] cancelled {};

namespace detail {

// What a task may end with instead of a value.
using error_type = std::exception_ptr;

inline void report(evl_loop *loop, const error_type &error, std::source_location where = {}) noexcept {
    report_exception(loop, error, where);
}

[[noreturn]] inline void throw_code(std::int32_t code) {
    if (code == EVL_ECANCELED)
        throw cancelled{};
    throw_error(code);
}

// The code of a std::system_error of ours and of a cancellation; any other exception is thrown on.
inline std::int32_t code_or_rethrow(const std::exception_ptr &exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const cancelled &) {
        return EVL_ECANCELED;
    } catch (const std::system_error &error) {
        if (error.code().category() != error_category())
            throw;
        return error.code().value();
    }
}

} // namespace detail

namespace detail {

// Calls fn with what an error says.
template <class F>
void with_text(const std::exception_ptr &error, F fn) {
    try {
        std::rethrow_exception(error);
    } catch (const cancelled &) {
        fn("cancelled");
    } catch (const std::exception &exception) {
        fn(exception.what());
    } catch (...) {
        fn("an exception that is no std::exception");
    }
}

} // namespace detail

// What an error says, as a hook gets it: what() of an exception; without exceptions the text of its code.
inline std::string describe(const std::exception_ptr &error) {
    std::string text;
    if (error)
        detail::with_text(error, [&text](const char *what) { text = what; });
    return text;
}

#else

// What a code says.
inline std::string describe(std::int32_t code) { return evl_strerror(code); }

namespace detail {
using error_type = std::int32_t;
inline void report(evl_loop *loop, error_type error, std::source_location = {}) noexcept {
    (void)evl_loop_report(loop, error);
}
} // namespace detail

#endif

} // namespace evloop::inline EVLOOP_CPP_ABI
