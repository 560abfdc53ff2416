// evloop/await.hpp - what awaiting something gives, and as_result, which gives errors as values.
#pragma once

#include "op.hpp"

// Inside a coroutine of this layer that may fail: awaits another, and fails as it does.
#if EVLOOP_EXCEPTIONS
#    define EVLOOP_CO_TRY(attempt) co_await attempt
// And this fails with a C code.
#    define EVLOOP_CO_FAIL(code) evloop::detail::throw_code(code)
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

// What such a coroutine is: a task of T, without exceptions of result<T>.
#if EVLOOP_EXCEPTIONS
template <class T>
using attempt = task<T>;
#else
template <class T>
using attempt = task<result<T>>;
#endif

// Where the running coroutine was called, or its task spawned: for what it spawns.
inline std::source_location place_of_this() noexcept {
    const task_state *task = current_task();
    return task->leaf->caller ? task->leaf->caller->where : task->where;
}

template <class T>
constexpr bool is_result = false;
template <class T>
constexpr bool is_result<result<T>> = true;

// With its errors as values, a cancellation, too.
template <class Awaiter>
class [[nodiscard("co_await it")]] settled_awaiter {
  public:
    using hands_over_in_the_pump = void;

    template <class A>
    explicit settled_awaiter(A &&awaitable) : inner_(own_awaiter_of(std::forward<A>(awaitable))) {}

    bool await_ready() noexcept { return inner_.await_ready(); }
    template <std::derived_from<promise_base> Promise>
    auto await_suspend(std::coroutine_handle<Promise> self) {
        return inner_.await_suspend(self);
    }
    auto await_resume() {
        if constexpr (requires { inner_.outcome(); }) {
            return inner_.outcome();
        } else {
            using T = std::remove_cvref_t<decltype(inner_.await_resume())>;
            using R = std::conditional_t<is_result<T>, T, result<T>>;
#if EVLOOP_EXCEPTIONS
            try {
                return get<R>();
            } catch (...) {
                return R(fail(code_or_rethrow(std::current_exception())));
            }
#else
            return get<R>();
#endif
        }
    }

  private:
    // What is a result already stays one.
    template <class R>
    R get() {
        using T = decltype(inner_.await_resume());
        if constexpr (std::is_void_v<T>) {
            inner_.await_resume();
            return {};
        } else if constexpr (is_result<std::remove_cvref_t<T>>) {
            return inner_.await_resume();
        } else {
            return R(std::in_place, inner_.await_resume());
        }
    }

    Awaiter inner_;
};

template <class A>
using settled_t = settled_awaiter<own_awaiter_t<A>>;

// Without exceptions there is nothing else that a cancellation could be. With them it passes.
#if EVLOOP_EXCEPTIONS
template <class Awaiter>
class [[nodiscard("co_await it")]] as_result_awaiter : public settled_awaiter<Awaiter> {
  public:
    using settled_awaiter<Awaiter>::settled_awaiter;
    auto await_resume() {
        auto how = settled_awaiter<Awaiter>::await_resume();
        if (how.code() == EVL_ECANCELED)
            throw cancelled{};
        return how;
    }
};
#else
template <class Awaiter>
using as_result_awaiter = settled_awaiter<Awaiter>;
#endif

// For what cleans up and goes on: the result of x, a cancellation, too.
template <class A>
auto settled(A &&awaitable) {
    return settled_t<A>(std::forward<A>(awaitable));
}

} // namespace detail

// What co_await of an A gives; without exceptions of what may fail: what is in its result.
template <class A>
struct await_result {
#if EVLOOP_EXCEPTIONS
    using type = decltype(std::declval<detail::awaiter_t<A> &>().await_resume());
#else
    using type = typename decltype(std::declval<detail::settled_t<A> &>().await_resume())::value_type;
#endif
};
// The type that `co_await` of an A gives.
template <class A>
using await_result_t = typename await_result<A>::type;

// What can be awaited.
template <class A>
concept awaitable = requires(detail::awaiter_t<A> &awaiter) { awaiter.await_ready(); };

// Awaits x and gives its value or its error as result<T>, as `except OSError` has it in Python: a
// cancellation is no error, and is thrown on as `cancelled`, be it of the task that awaits or of what it
// awaits; a loop that tries again ends by it. An exception that is not one of evloop's errors is thrown on.
// Without exceptions the result has EVL_ECANCELED: return it. Every end as a value: as_outcome (outcome.hpp).
template <class A>
auto as_result(A &&awaitable) {
    return detail::as_result_awaiter<detail::own_awaiter_t<A>>(std::forward<A>(awaitable));
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

template <class A>
attempt<await_result_t<A>> adapted(A what) {
    using T = await_result_t<A>;
#if EVLOOP_EXCEPTIONS
    if constexpr (std::is_void_v<T>)
        co_await static_cast<A &&>(what);
    else
        co_return co_await static_cast<A &&>(what);
#else
    auto how = co_await as_result(static_cast<A &&>(what));
    if (!how)
        co_return fail(how.code());
    if constexpr (std::is_void_v<T>)
        co_return result<void>();
    else
        co_return result<T>(std::in_place, *std::move(how));
#endif
}

} // namespace detail

// A task that awaits x and gives what that gives: for what takes tasks alone, as spawn does, or a std::vector
// for gather and when_any of awaits that are of different types. x is kept in it; an lvalue must stay. What
// is of another library (foreign.hpp) needs it there, and nowhere else.
template <class A>
    requires awaitable<A>
auto adapt(A &&x) {
    return detail::adapted<A>(std::forward<A>(x));
}

} // namespace evloop::inline EVLOOP_CPP_ABI
