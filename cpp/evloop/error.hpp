// evloop/error.hpp - the C codes as std::error_code, std::system_error and result<T>.
//
// An error code holds the C number itself: `e.code().value() == EVL_ECONNREFUSED`. It equals the std::errc of
// the same meaning: `e.code() == std::errc::connection_refused`.
#pragma once

#include "config.hpp"

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

// The codes that are evloop's own; all others have a std::errc.
enum class errc : std::int32_t {
    closed = EVL_ECLOSED,   // the loop, or what was waited on, has been closed
    forked = EVL_EFORK,     // a forked child that has not called fork()
    thread = EVL_ETHREAD,   // another thread is running this loop
    running = EVL_ERUNNING, // the loop is running
    user = EVL_EUSER,       // never made by evloop
    broken = EVL_EBROKEN    // the barrier is broken
};

namespace detail {

class error_category_type final : public std::error_category {
  public:
    const char *name() const noexcept override { return "evloop"; }
    std::string message(int code) const override { return evl_strerror(code); }
    std::error_condition default_error_condition(int code) const noexcept override {
        const int native = evl_err_to_errno(code);
        return native != 0 ? std::error_condition(native, std::generic_category())
                           : std::error_condition(code, *this);
    }
};

// Never destroyed: what ends after main may still fail.
union error_category_holder {
    constexpr error_category_holder() : category() {}
    ~error_category_holder() {}
    error_category_type category;
};
inline constinit error_category_holder the_error_category;

} // namespace detail

// The category of every error of evloop, the same one in all modules of the process; message() is
// evl_strerror.
inline const std::error_category &error_category() noexcept {
    struct withdraws { // when this module is unloaded
        ~withdraws() { evl_modules_withdraw(detail::category_slot, &detail::the_error_category); }
    };
    static const withdraws at_end{};
    static_cast<void>(at_end);
    const void *first = evl_modules_share(detail::category_slot, &detail::the_error_category);
    return static_cast<const detail::error_category_holder *>(first)->category;
}

// A C code, which is negative, as std::error_code; 0 and above is no error.
inline std::error_code make_error_code(std::int32_t code) noexcept {
    return std::error_code(code < 0 ? code : 0, error_category());
}
// The same for evloop's own codes.
inline std::error_code make_error_code(errc code) noexcept {
    return make_error_code(static_cast<std::int32_t>(code));
}

#if EVLOOP_EXCEPTIONS

// Throws a C code, which is negative, as std::system_error.
[[noreturn]] inline void throw_error(std::int32_t code) { throw std::system_error(make_error_code(code)); }

// What a call that may fail returns: nothing, or it throws. Without exceptions it returns the C code.
using status = void;
inline void check(std::int32_t code) {
    if (code < 0) [[unlikely]]
        throw_error(code);
}
// The same for calls that return a number.
template <class Number>
Number check_number(Number value) {
    if (value < 0) [[unlikely]]
        throw_error(static_cast<std::int32_t>(value));
    return value;
}

#else

struct [[nodiscard]] status {
    std::int32_t code;
    explicit operator bool() const noexcept { return code >= 0; }
};
inline status check(std::int32_t code) noexcept { return {code}; }
template <class Number>
Number check_number(Number value) noexcept {
    return value;
}

#endif

namespace detail {

// What a result without a value is made from.
struct failure {
    std::int32_t code;
};

} // namespace detail

// Makes a result that has no value: `return evloop::fail(EVL_EINVAL);`
inline detail::failure fail(std::int32_t code) noexcept { return {code}; }

template <class T>
class result;

namespace detail {

// How what fails is passed on: as a result or an outcome of another type.
template <class R, class Self>
R passed_on(const Self &from) {
    if constexpr (std::is_constructible_v<R, failure>)
        return R(failure{from.code()});
    else
        return R(from.error());
}

// What a function makes of the value in a result or an outcome, or of nothing.
template <class Self, class F>
decltype(auto) applied(Self &&self, F &&fn) {
    if constexpr (std::is_void_v<typename std::remove_cvref_t<Self>::value_type>)
        return std::forward<F>(fn)();
    else
        return std::forward<F>(fn)(*std::forward<Self>(self));
}

template <class Self, class F>
auto and_then(Self &&self, F &&fn) {
    using R = decltype(applied(std::forward<Self>(self), std::forward<F>(fn)));
    return self.has_value() ? applied(std::forward<Self>(self), std::forward<F>(fn)) : passed_on<R>(self);
}

template <template <class> class Result, class Self, class F>
auto transform(Self &&self, F &&fn) {
    using T = std::remove_cvref_t<decltype(applied(std::forward<Self>(self), std::forward<F>(fn)))>;
    using R = Result<T>;
    if (!self.has_value())
        return passed_on<R>(self);
    if constexpr (std::is_void_v<T>) {
        applied(std::forward<Self>(self), std::forward<F>(fn));
        return R(std::in_place);
    } else {
        return R(std::in_place, applied(std::forward<Self>(self), std::forward<F>(fn)));
    }
}

template <class Self, class F>
auto or_else(Self &&self, F &&fn) {
    using R = std::remove_cvref_t<Self>;
    return self.has_value() ? R(std::forward<Self>(self)) : R(std::forward<F>(fn)(self.error()));
}

} // namespace detail

// A value, or the code of the error in its place.
template <class T>
class [[nodiscard]] result {
    static_assert(std::is_object_v<T>, "a result holds an object, a reference to one, or void");

  public:
    using value_type = T;

    result(detail::failure error) noexcept : code_(error.code) {}
    // With a value that is made of args.
    template <class... Args>
        requires std::is_constructible_v<T, Args...>
    explicit result(std::in_place_t, Args &&...args) noexcept(std::is_nothrow_constructible_v<T, Args...>)
        : value_(std::forward<Args>(args)...), code_(0) {}
    result(T &&value) noexcept(std::is_nothrow_move_constructible_v<T>)
        : result(std::in_place, std::move(value)) {}
    result(const T &value)
        requires std::is_copy_constructible_v<T>
        : result(std::in_place, value) {}
    result(result &&other) noexcept(std::is_nothrow_move_constructible_v<T>) : code_(other.code_) {
        if (code_ >= 0)
            std::construct_at(std::addressof(value_), std::move(other.value_));
    }
    result &operator=(result &&other) noexcept(std::is_nothrow_move_constructible_v<T>)
        requires std::is_nothrow_move_constructible_v<T>
    {
        if (this != &other) {
            std::destroy_at(this);
            std::construct_at(this, std::move(other));
        }
        return *this;
    }
    ~result() {
        if (code_ >= 0)
            value_.~T();
    }

    bool has_value() const noexcept { return code_ >= 0; }
    explicit operator bool() const noexcept { return has_value(); }

    // EVL_E*, or 0; and the same as std::error_code.
    std::int32_t code() const noexcept { return code_; }
    std::error_code error() const noexcept { return make_error_code(code_); }

    // The value, which must be there.
    T &operator*() & noexcept { return value_; }
    const T &operator*() const & noexcept { return value_; }
    T &&operator*() && noexcept { return std::move(value_); }
    T *operator->() noexcept { return std::addressof(value_); }
    const T *operator->() const noexcept { return std::addressof(value_); }

#if EVLOOP_EXCEPTIONS
    // The value, or std::system_error.
    T &value() & {
        check(code_);
        return value_;
    }
    const T &value() const & {
        check(code_);
        return value_;
    }
    T &&value() && {
        check(code_);
        return std::move(value_);
    }
#endif

    // The value, or `other` in place of an error.
    template <class U>
        requires std::is_copy_constructible_v<T>
    T value_or(U &&other) const & {
        return has_value() ? value_ : static_cast<T>(std::forward<U>(other));
    }
    template <class U>
    T value_or(U &&other) && {
        return has_value() ? std::move(value_) : static_cast<T>(std::forward<U>(other));
    }

    // fn(value), which returns another result; or a result of that type with this error.
    template <class F>
    auto and_then(F &&fn) & {
        return detail::and_then(*this, std::forward<F>(fn));
    }
    // A result of what fn(value) returns; or with this error.
    template <class F>
    auto transform(F &&fn) & {
        return detail::transform<evloop::result>(*this, std::forward<F>(fn));
    }
    template <class F>
    auto and_then(F &&fn) const & {
        return detail::and_then(*this, std::forward<F>(fn));
    }
    template <class F>
    auto transform(F &&fn) const & {
        return detail::transform<evloop::result>(*this, std::forward<F>(fn));
    }
    template <class F>
    auto and_then(F &&fn) && {
        return detail::and_then(std::move(*this), std::forward<F>(fn));
    }
    template <class F>
    auto transform(F &&fn) && {
        return detail::transform<evloop::result>(std::move(*this), std::forward<F>(fn));
    }
    // This value; or fn(error()), which returns a result of this type.
    template <class F>
    auto or_else(F &&fn) && {
        return detail::or_else(std::move(*this), std::forward<F>(fn));
    }

  private:
    union {
        T value_;
    };
    std::int32_t code_;
};

// A reference, where that is what an await gives.
template <class T>
class [[nodiscard]] result<T &> {
  public:
    using value_type = T &;

    result(detail::failure error) noexcept : code_(error.code) {}
    result(std::in_place_t, T &value) noexcept : value_(std::addressof(value)) {}

    bool has_value() const noexcept { return code_ >= 0; }
    explicit operator bool() const noexcept { return has_value(); }
    // EVL_E*, or 0; and the same as std::error_code.
    std::int32_t code() const noexcept { return code_; }
    std::error_code error() const noexcept { return make_error_code(code_); }

    T &operator*() const noexcept { return *value_; }
    T *operator->() const noexcept { return value_; }
#if EVLOOP_EXCEPTIONS
    T &value() const {
        check(code_);
        return *value_;
    }
#endif
    // The value, or `other` in place of an error.
    template <class U>
    std::remove_cv_t<T> value_or(U &&other) const {
        return has_value() ? *value_ : static_cast<std::remove_cv_t<T>>(std::forward<U>(other));
    }

    // fn(value), which returns another result; or a result of that type with this error.
    template <class F>
    auto and_then(F &&fn) const {
        return detail::and_then(*this, std::forward<F>(fn));
    }
    // A result of what fn(value) returns; or with this error.
    template <class F>
    auto transform(F &&fn) const {
        return detail::transform<evloop::result>(*this, std::forward<F>(fn));
    }
    // This value; or fn(error()), which returns a result of this type.
    template <class F>
    auto or_else(F &&fn) const {
        return detail::or_else(*this, std::forward<F>(fn));
    }

  private:
    T *value_ = nullptr;
    std::int32_t code_ = 0;
};

// Success without a value, or the code of the error.
template <>
class [[nodiscard]] result<void> {
  public:
    using value_type = void;

    result() noexcept = default;
    explicit result(std::in_place_t) noexcept {}
    result(detail::failure error) noexcept : code_(error.code) {}

    bool has_value() const noexcept { return code_ >= 0; }
    explicit operator bool() const noexcept { return has_value(); }
    // EVL_E*, or 0; and the same as std::error_code.
    std::int32_t code() const noexcept { return code_; }
    std::error_code error() const noexcept { return make_error_code(code_); }
#if EVLOOP_EXCEPTIONS
    void value() const { check(code_); }
#endif

    // fn(value), which returns another result; or a result of that type with this error.
    template <class F>
    auto and_then(F &&fn) const {
        return detail::and_then(*this, std::forward<F>(fn));
    }
    // A result of what fn(value) returns; or with this error.
    template <class F>
    auto transform(F &&fn) const {
        return detail::transform<evloop::result>(*this, std::forward<F>(fn));
    }
    // This value; or fn(error()), which returns a result of this type.
    template <class F>
    auto or_else(F &&fn) const {
        return detail::or_else(*this, std::forward<F>(fn));
    }

  private:
    std::int32_t code_ = 0;
};

} // namespace evloop::inline EVLOOP_CPP_ABI

template <>
struct std::is_error_code_enum<evloop::errc> : std::true_type {};
