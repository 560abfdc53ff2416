// evloop/await.hpp - what awaiting something gives, and as_result, which gives errors as values.
#pragma once

#include "op.hpp"

// Inside a coroutine of this layer that may fail: awaits another, and fails as it does.
#if EVLOOP_EXCEPTIONS
#    define EVLOOP_CO_TRY(attempt) co_await attempt
#    define EVLOOP_CO_FAIL(code)   evloop::detail::throw_code(code)
#else
#    define EVLOOP_CO_TRY(attempt)                                                                           \
        do {                                                                                                 \
            const auto attempted = co_await evloop::as_result(attempt);                                      \
            if (attempted.code() < 0)                                                                        \
                co_return evloop::fail(attempted.code());                                                    \
        } while (false)
#    define EVLOOP_CO_FAIL(code) co_return fail(code)
#endif

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// GCC before 15 copies the bits of some temporaries in a co_await expression into the frame (its bugs 99576
// and 101367): aggregates and lambdas whose captures are not trivial. What is called in such an expression
// takes none.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 15
template <class F>
constexpr bool survives_await = std::is_lvalue_reference_v<F> || std::is_trivially_copyable_v<F>;
template <class R>
constexpr bool is_whole_in_await = std::is_lvalue_reference_v<R> || !std::is_aggregate_v<R>;
#else
template <class F>
constexpr bool survives_await = true;
template <class R>
constexpr bool is_whole_in_await = true;
#endif
#define EVLOOP_NAME_IT "GCC before 15 breaks this as a temporary of a co_await: give it a name, and pass that"

// What such a coroutine is: a task of T, without exceptions of result<T>.
#if EVLOOP_EXCEPTIONS
template <class T>
using attempt = task<T>;
#else
template <class T>
using attempt = task<result<T>>;
#endif

// What co_await makes of an awaitable.
template <class A>
decltype(auto) awaiter_of(A &&awaitable) {
    if constexpr (requires { std::forward<A>(awaitable).operator co_await(); })
        return std::forward<A>(awaitable).operator co_await();
    else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); })
        return operator co_await(std::forward<A>(awaitable));
    else
        return std::forward<A>(awaitable);
}

template <class A>
using awaiter_t = std::decay_t<decltype(awaiter_of(std::declval<A>()))>;

template <class T>
constexpr bool is_result = false;
template <class T>
constexpr bool is_result<result<T>> = true;

template <class Awaiter>
class [[nodiscard("co_await it")]] as_result_awaiter {
  public:
    template <class A>
    explicit as_result_awaiter(A &&awaitable) : inner_(awaiter_of(std::forward<A>(awaitable))) {}

    bool await_ready() noexcept { return inner_.await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> self) {
        return inner_.await_suspend(self);
    }
    auto await_resume() {
        if constexpr (requires { inner_.outcome(); }) {
            return inner_.outcome();
        } else if constexpr (is_result<decltype(inner_.await_resume())>) {
            return inner_.await_resume();
        } else {
            using T = std::remove_cvref_t<decltype(inner_.await_resume())>;
#if EVLOOP_EXCEPTIONS
            try {
                return get<T>();
            } catch (...) {
                return result<T>(fail(code_or_rethrow(std::current_exception())));
            }
#else
            return get<T>();
#endif
        }
    }

  private:
    template <class T>
    result<T> get() {
        if constexpr (std::is_void_v<T>) {
            inner_.await_resume();
            return {};
        } else {
            return result<T>(std::in_place, inner_.await_resume());
        }
    }

    Awaiter inner_;
};

} // namespace detail

// What co_await of an A gives; without exceptions of what may fail: what is in its result.
template <class A>
struct await_result {
#if EVLOOP_EXCEPTIONS
    using type = decltype(std::declval<detail::awaiter_t<A> &>().await_resume());
#else
    using type = typename decltype(std::declval<detail::as_result_awaiter<detail::awaiter_t<A>> &>()
                                       .await_resume())::value_type;
#endif
};
template <class A>
using await_result_t = typename await_result<A>::type;

// What can be awaited.
template <class A>
concept awaitable = requires(detail::awaiter_t<A> &awaiter) { awaiter.await_ready(); };

// Awaits x and gives its value or its error, a cancellation too, as result<T>. An exception that is not one
// of evloop's errors is thrown on.
template <class A>
auto as_result(A &&awaitable) {
    return detail::as_result_awaiter<detail::awaiter_t<A>>(std::forward<A>(awaitable));
}

namespace detail {

// A task that awaits something and keeps what it gives.
template <class A, class T>
attempt<void> fill(slot<T> &into, A what) {
#if EVLOOP_EXCEPTIONS
    if constexpr (std::is_void_v<T>) {
        co_await static_cast<A &&>(what);
        into.put();
    } else {
        into.put(co_await static_cast<A &&>(what));
    }
#else
    auto outcome = co_await as_result(static_cast<A &&>(what));
    if (!outcome)
        co_return fail(outcome.code());
    if constexpr (std::is_void_v<T>)
        into.put();
    else
        into.put(*std::move(outcome));
    co_return result<void>();
#endif
}

} // namespace detail

} // namespace evloop::inline EVLOOP_CPP_ABI
