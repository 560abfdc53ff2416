// evloop/with.hpp - resources whose taking and giving back both suspend: what `async with` does.
//
//     co_await evloop::with(database(url), [](connection &c) -> evloop::task<> { co_await work(c); });
//
// A resource has enter(), which is awaited and gives what the body gets, and exit(), which is awaited however
// the body ends. What exit throws comes in the place of what the body threw.
#pragma once

#include "await.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

template <class R>
using entered_t = await_result_t<decltype(std::declval<R &>().enter())>;

template <class R, class F>
struct body_of {
    using type = std::invoke_result_t<F &, std::add_lvalue_reference_t<entered_t<R>>>;
};
template <class R, class F>
    requires std::is_void_v<entered_t<R>>
struct body_of<R, F> {
    using type = std::invoke_result_t<F &>;
};

template <class R, class F>
attempt<await_result_t<typename body_of<R, F>::type>> inside(R resource, F body) {
    using T = await_result_t<typename body_of<R, F>::type>;
    slot<entered_t<R>> entered;
    slot<T> value;
    error_type error = {};
    EVLOOP_CO_TRY((fill<decltype(resource.enter())>(entered, resource.enter())));
    const auto call = [&] {
        if constexpr (std::is_void_v<entered_t<R>>)
            return body();
        else
            return body(entered.get());
    };
#if EVLOOP_EXCEPTIONS
    try {
        co_await fill<typename body_of<R, F>::type>(value, call());
    } catch (...) {
        error = std::current_exception();
    }
    co_await resource.exit();
    if (error)
        std::rethrow_exception(error);
    if constexpr (!std::is_void_v<T>)
        co_return value.take();
#else
    const result<void> called = co_await fill<typename body_of<R, F>::type>(value, call());
    error = called.code();
    EVLOOP_CO_TRY(resource.exit());
    if (error < 0)
        co_return fail(error);
    if constexpr (std::is_void_v<T>)
        co_return result<void>();
    else
        co_return value.take();
#endif
}

} // namespace detail

// Enters the resource, calls body(what enter gave) and awaits it, exits, and gives what the body gave.
// What is an lvalue must stay until then.
template <class R, class F>
auto with(R &&resource, F &&body) {
    static_assert(detail::is_whole_in_await<R> && detail::survives_await<F>, EVLOOP_NAME_IT);
    return detail::inside<R, F>(std::forward<R>(resource), std::forward<F>(body));
}

} // namespace evloop::inline EVLOOP_CPP_ABI
