// evloop/unhandled.hpp - an exception that no caller could take goes to the loop's error hook.
//
// The hook of C gets a code; unhandled_exception() inside it is the exception, unhandled_where() the task's
// place.
#pragma once

#include "error.hpp"

#include <exception>
#include <new>
#include <source_location>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

#if EVLOOP_EXCEPTIONS

// The C code that says most of an exception: that of a std::system_error, EVL_ENOMEM of a std::bad_alloc,
// EVL_EUSER of any other.
inline std::int32_t code_of(const std::error_code &error) noexcept {
    std::int32_t code = 0;
    if (error.category() == error_category())
        code = error.value();
    else if (error.category() == std::generic_category() || error.category() == std::system_category())
        code = evl_err_from_errno(error.value());
    return code < 0 ? code : static_cast<std::int32_t>(EVL_EUSER);
}
// The same of a stored exception.
inline std::int32_t code_of(const std::exception_ptr &exception) noexcept {
    try {
        std::rethrow_exception(exception);
    } catch (const std::system_error &error) {
        return code_of(error.code());
    } catch (const std::bad_alloc &) {
        return EVL_ENOMEM;
    } catch (...) {
        return EVL_EUSER;
    }
}

namespace detail {

// What a hook is called with, for those who ask inside it.
struct reported_error {
    std::exception_ptr exception;
    std::source_location where; // of the spawn of the task that it is of; line 0: of no task
};

// While a hook is called, which may be another module's.
class reporting {
  public:
    reporting(std::exception_ptr exception, std::source_location where) noexcept
        : error_{std::move(exception), where}, place_(evl_modules_thread(exception_slot)),
          outer_(std::exchange(*place_, &error_)) {}
    reporting(const reporting &) = delete;
    ~reporting() { *place_ = outer_; }
    const std::exception_ptr &exception() const noexcept { return error_.exception; }

  private:
    reported_error error_;
    void **place_;
    void *outer_;
};

// Gives an exception to the loop's error hook.
inline void report_exception(evl_loop *loop, std::exception_ptr exception,
                             std::source_location where = {}) noexcept {
    const reporting now(std::move(exception), where);
    evl_loop_report(loop, code_of(now.exception()));
}

// Runs what C calls: nothing is thrown through C.
template <class F>
void guarded(evl_loop *loop, F fn) noexcept {
    try {
        fn();
    } catch (...) {
        report_exception(loop, std::current_exception());
    }
}

} // namespace detail

// Inside an error hook: the exception that is reported. Errors that are no exception are given as the
// std::system_error of their code.
inline std::exception_ptr unhandled_exception(std::int64_t code) noexcept {
    if (const void *reported = *evl_modules_thread(detail::exception_slot))
        return static_cast<const detail::reported_error *>(reported)->exception;
    try {
        throw std::system_error(make_error_code(static_cast<std::int32_t>(code)));
    } catch (...) { // without memory for its text it is another
        return std::current_exception();
    }
}

// Inside an error hook: where the task was spawned whose exception it is, or where its server was served
// from; line() is 0 when it is of no task.
inline std::source_location unhandled_where() noexcept {
    const void *reported = *evl_modules_thread(detail::exception_slot);
    return reported ? static_cast<const detail::reported_error *>(reported)->where : std::source_location{};
}

#else

namespace detail {
template <class F>
void guarded(evl_loop *, F fn) noexcept {
    fn();
}
} // namespace detail

#endif

} // namespace evloop::inline EVLOOP_CPP_ABI
