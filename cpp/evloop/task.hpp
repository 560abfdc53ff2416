// evloop/task.hpp - task<T>: a coroutine that is called by awaiting it.
//
//     evloop::task<int> twice(int n) { co_return 2 * n; }
//     int four = co_await twice(2);
//
// A task does nothing until it is awaited, where it is made; spawn and run (spawn.hpp, run.hpp) start one.
// What it throws is thrown by the await, which fails with EVL_EINVAL when the task has been moved from, and
// with std::logic_error when the coroutine flowed off its end without a value. Its frame is gone before the
// await returns.
#pragma once

#include "pump.hpp"

#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>

namespace evloop::inline EVLOOP_CPP_ABI {

template <class T>
class task;

namespace detail {

template <class T>
constexpr bool is_moved = false;

// GCC before 15 copies the bits of some temporaries in a co_await expression into the frame (its bugs 99576
// and 101367): aggregates and lambdas whose captures are not trivial. What is called in such an expression
// takes none.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 15
template <class F>
constexpr bool survives_await =
    std::is_lvalue_reference_v<F> || std::is_trivially_copyable_v<F> || is_moved<std::remove_cv_t<F>>;
template <class R>
constexpr bool is_whole_in_await = std::is_lvalue_reference_v<R> || !std::is_aggregate_v<R>;
#else
template <class F>
constexpr bool survives_await = true;
template <class R>
constexpr bool is_whole_in_await = true;
#endif
#define EVLOOP_NAME_IT                                                                                       \
    "GCC before 15 breaks this as a temporary of a co_await: give it a name, and pass that, or moved(name)"

// A place for a T, a T & or nothing.
template <class T>
struct slot {
    using stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T> *, T>;

    slot() noexcept {}
    slot(const slot &) = delete;
    ~slot() { reset(); }

    template <class... Args>
    void put(Args &&...args) {
        if constexpr (std::is_reference_v<T>)
            std::construct_at(&value, std::addressof(args...));
        else
            std::construct_at(&value, std::forward<Args>(args)...);
        full = true;
    }
    T &get() noexcept {
        if constexpr (std::is_reference_v<T>)
            return *value;
        else
            return value;
    }
    const std::remove_reference_t<T> &get() const noexcept {
        if constexpr (std::is_reference_v<T>)
            return *value;
        else
            return value;
    }
    T take() {
        if constexpr (std::is_reference_v<T>)
            return *value;
        else
            return std::move(value);
    }
    void reset() noexcept {
        if (std::exchange(full, false))
            std::destroy_at(&value);
    }

    union {
        stored value;
    };
    bool full = false;
};

template <>
struct slot<void> {
    void put() noexcept { full = true; }
    void get() const noexcept {}
    void take() noexcept {}
    void reset() noexcept { full = false; }
    bool full = false;
};

// Suspends a coroutine that has returned: its caller runs next.
struct return_to_caller {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
        give_back(self.promise());
    }
    void await_resume() const noexcept {}
};

// How a coroutine came out: a value or an exception.
template <class T>
struct promise_result : promise_base {
    slot<T> value;
#if EVLOOP_EXCEPTIONS
    std::exception_ptr error;
    void unhandled_exception() noexcept {
        value.reset(); // thrown by a destructor, after co_return
        error = std::current_exception();
    }
#else
    void unhandled_exception() noexcept { std::terminate(); }
#endif

    // It has no value: throws what it has ended with.
    [[gnu::cold, noreturn]] void throw_end() {
#if EVLOOP_EXCEPTIONS
        if (error)
            std::rethrow_exception(std::move(error));
        throw std::logic_error("a coroutine flowed off its end, without a co_return");
#else
        std::fputs("a coroutine flowed off its end, without a co_return\n", stderr);
        std::abort();
#endif
    }
};

template <class T>
struct promise_returns : promise_result<T> {
    template <class U = T>
        requires std::constructible_from<T, U>
    void return_value(U &&result) noexcept(std::is_nothrow_constructible_v<T, U>) {
        this->value.put(std::forward<U>(result));
    }
};

template <>
struct promise_returns<void> : promise_result<void> {
    void return_void() noexcept { value.put(); }
};

template <class T>
struct promise final : promise_returns<T> {
    task<T> get_return_object() noexcept;
    suspend_at_start initial_suspend() const noexcept { return suspend_at_start(this->self); }
    return_to_caller final_suspend() const noexcept { return {}; }
#if !EVLOOP_EXCEPTIONS
    static task<T> get_return_object_on_allocation_failure() noexcept;
#endif
};

// A coroutine that is called: destroyed with the caller's frame, or before.
template <class T>
class [[nodiscard]] call_awaiter {
  public:
    using hands_over_in_the_pump = void;

    explicit call_awaiter(promise<T> *callee) noexcept : callee_(callee) {}
    call_awaiter(call_awaiter &&other) noexcept : callee_(std::exchange(other.callee_, nullptr)) {}
    ~call_awaiter() { end(); }

    bool await_ready() const noexcept { return callee_ == nullptr; } // and fails

    template <std::derived_from<promise_base> Caller>
    void await_suspend(std::coroutine_handle<Caller> caller) noexcept {
        call(caller.promise(), *callee_, &callee_);
    }

    T await_resume() {
        if (!callee_) [[unlikely]]
            return no_task();
        auto *callee = static_cast<promise<T> *>(callee_);
        if constexpr (std::is_void_v<T>) {
#if EVLOOP_EXCEPTIONS
            auto error = std::move(callee->error);
            end();
            if (error) [[unlikely]]
                std::rethrow_exception(std::move(error));
#else
            end();
#endif
        } else {
            struct ends {
                call_awaiter *self;
                ~ends() { self->end(); }
            } at_return{this};
            if (!callee->value.full) [[unlikely]]
                callee->throw_end();
            return callee->value.take();
        }
    }

  private:
    // Moved from; without exceptions one for whose frame there was no memory.
    static T no_task() {
#if EVLOOP_EXCEPTIONS
        throw_error(EVL_EINVAL);
#else
        if constexpr (std::is_constructible_v<T, failure>)
            return failure{EVL_ENOMEM};
        else
            std::terminate();
#endif
    }

    void end() noexcept {
        if (promise_base *callee = std::exchange(callee_, nullptr))
            callee->self.destroy();
    }

    promise_base *callee_;
};

} // namespace detail

// A function that has been moved out of a named one, for spawn, run_in_executor, with_group and timeout:
// `spawn(moved(f))`. That is how GCC before 15 is given a lambda that cannot be copied: it breaks such a
// temporary in a co_await, and std::move(f) looks like one.
template <class F>
class moved {
  public:
    explicit moved(F &named) noexcept(std::is_nothrow_move_constructible_v<F>) : fn_(std::move(named)) {}

    // Calls it; any number of times.
    template <class... Args>
        requires std::invocable<F &, Args...>
    decltype(auto) operator()(Args &&...args) {
        return std::invoke(fn_, std::forward<Args>(args)...);
    }

  private:
    F fn_;
};

namespace detail {
template <class F>
constexpr bool is_moved<moved<F>> = true;
} // namespace detail

// A coroutine that returns a T. It runs when it is awaited, as part of the awaiting task, or by spawn beside
// it. Move-only.
template <class T = void>
class [[nodiscard("a task that is not awaited does nothing: co_await it, or spawn it")]] task {
  public:
    using promise_type = detail::promise<T>;
    using value_type = T;

    task() noexcept = default;
    task(task &&other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
    task &operator=(task other) noexcept {
        std::swap(promise_, other.promise_);
        return *this;
    }
    ~task() {
        if (promise_)
            promise_->self.destroy();
    }

    // False when it has been moved from.
    explicit operator bool() const noexcept { return promise_ != nullptr; }

    auto operator co_await() && noexcept { return detail::call_awaiter<T>(release()); }
    void operator co_await() const & = delete; // await a task where it is made, or spawn it

    // The coroutine, for those who start it; the caller's to destroy.
    detail::promise<T> *release() noexcept { return std::exchange(promise_, nullptr); }

  private:
    friend promise_type;
    explicit task(promise_type *promise) noexcept : promise_(promise) {}

    promise_type *promise_ = nullptr;
};

template <class T>
task<T> detail::promise<T>::get_return_object() noexcept {
    static_assert(fits_frame<T>, EVLOOP_ALIGNED_TOO_STRICTLY);
    this->self = std::coroutine_handle<promise>::from_promise(*this);
    return task<T>(this);
}

#if !EVLOOP_EXCEPTIONS
template <class T>
task<T> detail::promise<T>::get_return_object_on_allocation_failure() noexcept {
    return task<T>();
}
#endif

} // namespace evloop::inline EVLOOP_CPP_ABI

#include "foreign.hpp"
