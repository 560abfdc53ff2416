// evloop/outcome.hpp - how an await ended, whichever way: a value, an exception, or cancelled.
//
//     auto [page, size] = co_await evloop::gather(as_outcome(fetch(url)), as_outcome(measure(url)));
//     if (page)
//         use(*page);
//     else
//         log(page.error());
//
// Not with -fno-exceptions, where as_result gives every end.
#pragma once

#include "await.hpp"

#if EVLOOP_EXCEPTIONS

namespace evloop::inline EVLOOP_CPP_ABI {

// How something ended: with a value of type T, or with an exception.
template <class T>
class [[nodiscard]] outcome {
  public:
    using value_type = T;

    // Ended with an exception; `cancelled` is one.
    explicit outcome(std::exception_ptr error) noexcept : error_(std::move(error)) {}
    template <class... Args>
    explicit outcome(std::in_place_t, Args &&...args) {
        value_.put(std::forward<Args>(args)...);
    }
    outcome(outcome &&other) noexcept(std::is_void_v<T> || std::is_nothrow_move_constructible_v<T>)
        : error_(std::move(other.error_)) {
        if (!other.value_.full)
            return;
        if constexpr (std::is_void_v<T>)
            value_.put();
        else
            value_.put(std::move(other.value_.get()));
    }

    bool has_value() const noexcept { return value_.full; }
    explicit operator bool() const noexcept { return has_value(); }

    // What it threw as a C code: 0 for a value, EVL_ECANCELED for `cancelled`, that of a std::system_error,
    // EVL_EUSER for any other exception.
    std::int32_t code() const noexcept {
        return has_value() ? 0 : is_cancelled() ? EVL_ECANCELED : code_of(error_);
    }
    // What it threw, `cancelled` included; empty: it has a value.
    const std::exception_ptr &error() const noexcept { return error_; }
    bool is_cancelled() const noexcept {
        if (!error_)
            return false;
        try {
            std::rethrow_exception(error_);
        } catch (const cancelled &) {
            return true;
        } catch (...) {
            return false;
        }
    }

    // The value, or throws what it threw.
    decltype(auto) value() & {
        throw_error();
        return value_.get();
    }
    decltype(auto) value() const & {
        throw_error();
        return value_.get();
    }
    T value() && {
        throw_error();
        return value_.take();
    }
    // The value, which must be there.
    std::add_lvalue_reference_t<T> operator*() & noexcept
        requires(!std::is_void_v<T>)
    {
        return value_.get();
    }
    const auto &operator*() const & noexcept
        requires(!std::is_void_v<T>)
    {
        return value_.get();
    }
    auto *operator->() noexcept
        requires(!std::is_void_v<T>)
    {
        return std::addressof(value_.get());
    }
    const auto *operator->() const noexcept
        requires(!std::is_void_v<T>)
    {
        return std::addressof(value_.get());
    }
    std::add_rvalue_reference_t<T> operator*() && noexcept
        requires(!std::is_void_v<T>)
    {
        return std::move(value_.get());
    }

    // The value, or `other` in place of an exception.
    template <class U>
        requires std::is_copy_constructible_v<T>
    T value_or(U &&other) const & {
        return has_value() ? value_.get() : static_cast<T>(std::forward<U>(other));
    }
    template <class U>
        requires(!std::is_void_v<T>)
    T value_or(U &&other) && {
        return has_value() ? value_.take() : static_cast<T>(std::forward<U>(other));
    }

    // fn(value), which returns another outcome; or an outcome of that type with this exception.
    template <class F>
    auto and_then(F &&fn) & {
        return detail::and_then(*this, std::forward<F>(fn));
    }
    // An outcome of what fn(value) returns; or with this exception.
    template <class F>
    auto transform(F &&fn) & {
        return detail::transform<evloop::outcome>(*this, std::forward<F>(fn));
    }
    template <class F>
    auto and_then(F &&fn) const & {
        return detail::and_then(*this, std::forward<F>(fn));
    }
    template <class F>
    auto transform(F &&fn) const & {
        return detail::transform<evloop::outcome>(*this, std::forward<F>(fn));
    }
    template <class F>
    auto and_then(F &&fn) && {
        return detail::and_then(std::move(*this), std::forward<F>(fn));
    }
    template <class F>
    auto transform(F &&fn) && {
        return detail::transform<evloop::outcome>(std::move(*this), std::forward<F>(fn));
    }
    // This value; or fn(error()), which returns an outcome of this type.
    template <class F>
    auto or_else(F &&fn) && {
        return detail::or_else(std::move(*this), std::forward<F>(fn));
    }

  private:
    void throw_error() const {
        if (error_)
            std::rethrow_exception(error_);
    }

    detail::slot<T> value_;
    std::exception_ptr error_;
};

namespace detail {

// Tells a cancellation of the running task that is delivered during an await from those before it, which the
// task has seen and lives on with.
class own_cancellation {
  public:
    own_cancellation() noexcept
        : requests_(current_task()->requests), on_its_way_(current_task()->must_cancel) {}
    bool delivered() const noexcept {
        const task_state &task = *current_task();
        return (on_its_way_ || task.requests > requests_) && !task.must_cancel;
    }

  private:
    std::uint32_t requests_;
    bool on_its_way_;
};

template <class A, class T = std::remove_cvref_t<await_result_t<A>>>
task<outcome<T>> outcome_of(A what) {
    const own_cancellation mine;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await static_cast<A &&>(what);
            co_return outcome<T>(std::in_place);
        } else {
            co_return outcome<T>(std::in_place, co_await static_cast<A &&>(what));
        }
    } catch (const cancelled &) {
        if (mine.delivered())
            throw;
        co_return outcome<T>(std::current_exception());
    } catch (...) {
        co_return outcome<T>(std::current_exception());
    }
}

} // namespace detail

// Awaits x and gives how it ended, as outcome<T>. That x was cancelled by others is an outcome; a
// cancellation of the task that awaits is none, and is thrown.
template <class A>
auto as_outcome(A &&awaitable) {
    return detail::outcome_of<A>(std::forward<A>(awaitable));
}

} // namespace evloop::inline EVLOOP_CPP_ABI

#endif
