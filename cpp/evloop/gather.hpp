// evloop/gather.hpp - several things at once: all of them, or the first.
//
//     auto [page, size] = co_await evloop::gather(fetch(url), measure(url));
//     std::vector<int> sizes = co_await evloop::gather(std::move(tasks));
//     auto first = co_await evloop::when_any(fetch(a), fetch(b)); // first.index, first.value
//
// Whatever can be awaited may be given, and handles of tasks as lvalues. Nothing is left behind: when one
// fails the others are cancelled, and the error is thrown when they have ended; so it is with a cancellation
// from outside. One that is cancelled by others ends gather as cancelled, when all have ended. Every end as a
// value, which is return_exceptions in asyncio: give as_outcome(x).
#pragma once

#include "group.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <variant>
#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// What a value is in a tuple or a vector: a copy of what is referred to.
template <class T>
using value_of = std::conditional_t<std::is_void_v<T>, std::monostate, std::remove_cvref_t<T>>;

// Where one is kept until all have ended. The copy is made when the value comes: what it lies in may go with
// the task that awaited it.
template <class A>
using value_slot = slot<std::remove_cvref_t<await_result_t<A>>>;

template <class T>
value_of<T> take_from(slot<T> &from) {
    if constexpr (std::is_void_v<T>)
        return {};
    else
        return from.take();
}

// Where the running coroutine was called, for what it spawns.
inline std::source_location call_of_this() noexcept {
    const promise_base *caller = current_task()->leaf->caller;
    return caller ? caller->where : std::source_location{};
}

template <class... A>
attempt<std::tuple<value_of<await_result_t<A>>...>> gather_these(A... what) {
    std::tuple<value_slot<A>...> values;
    task_group group;
    const std::source_location here = call_of_this();
    std::apply([&](auto &...value) { (group.spawn(fill<A>(value, static_cast<A &&>(what)), here), ...); },
               values);
    EVLOOP_CO_TRY(group.join());
    // What was awaited has been cancelled, and not by this.
    if (!std::apply([](auto &...value) { return (value.full && ...); }, values))
        EVLOOP_CO_FAIL(EVL_ECANCELED);
    co_return std::apply(
        [](auto &...value) { return std::tuple<value_of<await_result_t<A>>...>(take_from(value)...); },
        values);
}

template <class T>
using vector_of = std::conditional_t<std::is_void_v<T>, void, std::vector<value_of<T>>>;

// Container: a std::vector that is moved in, or a reference to one.
template <class A, class Container>
attempt<vector_of<await_result_t<A>>> gather_range(Container what) {
    using T = await_result_t<A>;
    std::unique_ptr<value_slot<A>[]> values(new value_slot<A>[what.size()]);
    task_group group;
    const std::source_location here = call_of_this();
    for (std::size_t i = 0; i < what.size(); i++)
        group.spawn(fill<A>(values[i], static_cast<A &&>(what[i])), here);
    EVLOOP_CO_TRY(group.join());
    for (std::size_t i = 0; i < what.size(); i++)
        if (!values[i].full)
            EVLOOP_CO_FAIL(EVL_ECANCELED);
    if constexpr (!std::is_void_v<T>) {
        std::vector<value_of<T>> all;
        all.reserve(what.size());
        for (std::size_t i = 0; i < what.size(); i++)
            all.push_back(values[i].take());
        co_return all;
    } else {
#if !EVLOOP_EXCEPTIONS
        co_return result<void>();
#endif
    }
}

inline constexpr std::size_t none_won = static_cast<std::size_t>(-1);

template <class A, class T>
attempt<void> compete(task_group &group, std::size_t &winner, std::size_t index, slot<T> &into, A what) {
    EVLOOP_CO_TRY(fill<A>(into, static_cast<A &&>(what)));
    if (winner == none_won) {
        winner = index;
        group.cancel();
    }
#if !EVLOOP_EXCEPTIONS
    co_return result<void>();
#endif
}

template <std::size_t I, class Any, class... T>
void take_winner(std::size_t winner, std::optional<Any> &into, std::tuple<slot<T>...> &values) {
    if constexpr (I < sizeof...(T)) {
        if (winner == I)
            into.emplace(std::in_place_index<I>, take_from(std::get<I>(values)));
        else
            take_winner<I + 1>(winner, into, values);
    }
}

} // namespace detail

// The first of several to have a value: which, and the value.
template <class... T>
struct first_of {
    std::size_t index;                          // of the one that was first, from 0
    std::variant<detail::value_of<T>...> value; // its value
};

namespace detail {

template <class... A>
attempt<first_of<await_result_t<A>...>> race(A... what) {
    using any = std::variant<value_of<await_result_t<A>>...>;
    std::tuple<value_slot<A>...> values;
    std::size_t winner = none_won, index = 0;
    task_group group;
    const std::source_location here = call_of_this();
    std::apply(
        [&](auto &...value) {
            (group.spawn(compete<A>(group, winner, index++, value, static_cast<A &&>(what)), here), ...);
        },
        values);
    EVLOOP_CO_TRY(group.join());
    std::optional<any> value;
    take_winner<0>(winner, value, values);
#if EVLOOP_EXCEPTIONS
    if (!value)
        throw cancelled{};
#else
    if (!value)
        co_return fail(EVL_ECANCELED);
#endif
    co_return first_of<await_result_t<A>...>{winner, *std::move(value)};
}

} // namespace detail

// Awaits all at once and gives a tuple of what they give, in the order of the arguments; std::monostate for
// void.
template <class... A>
    requires(awaitable<A> && ...)
auto gather(A &&...what) {
    return detail::gather_these<A...>(std::forward<A>(what)...);
}

// The same for a range: a std::vector of tasks, or of handles as an lvalue. Gives a std::vector, or nothing.
template <class A>
auto gather(std::vector<A> &&what) {
    return detail::gather_range<A, std::vector<A>>(std::move(what));
}
// The same of tasks that run already; the handles stay valid.
template <class T>
auto gather(std::vector<spawned<T>> &handles) {
    return detail::gather_range<spawned<T> &, std::vector<spawned<T>> &>(handles);
}

// Awaits all at once and gives the first value; the others are cancelled and have ended by then. The first to
// fail before that ends it too, and its error is thrown.
template <class... A>
    requires(awaitable<A> && ...)
auto when_any(A &&...what) {
    return detail::race<A...>(std::forward<A>(what)...);
}

} // namespace evloop::inline EVLOOP_CPP_ABI
