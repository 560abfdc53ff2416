// evloop/gather.hpp - several things at once: all of them, or the first.
//
//     auto [page, size] = co_await evloop::gather(fetch(url), measure(url));
//     std::vector<int> sizes = co_await evloop::gather(std::move(tasks));
//     auto first = co_await evloop::when_any(fetch(a), fetch(b)); // first.index, first.value
//     std::vector<int> lengths = co_await evloop::map(urls, measure, 8); // no more than 8 at a time
//
// Whatever can be awaited may be given, and handles of tasks as lvalues. Nothing is left behind: when one
// fails the others are cancelled, and the error is thrown when they have ended; so it is with a cancellation
// from outside. One that is cancelled by others ends gather as cancelled, when all have ended. Every end as a
// value, which is return_exceptions in asyncio: give as_outcome(x).
#pragma once

#include "group.hpp"
#include "range.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
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

template <class... A>
attempt<std::tuple<value_of<await_result_t<A>>...>> gather_these(A... what) {
    std::tuple<value_slot<A>...> values;
    task_group group;
    const std::source_location here = place_of_this();
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

// What was awaited has left, in order; EVL_ECANCELED when one has none: it was cancelled, and not by this.
template <class T>
attempt<vector_of<T>> values_of(std::unique_ptr<slot<std::remove_cvref_t<T>>[]> &values, std::size_t n) {
    for (std::size_t i = 0; i < n; i++)
        if (!values[i].full)
            EVLOOP_CO_FAIL(EVL_ECANCELED);
    if constexpr (!std::is_void_v<T>) {
        std::vector<value_of<T>> all;
        all.reserve(n);
        for (std::size_t i = 0; i < n; i++)
            all.push_back(values[i].take());
        co_return all;
    } else {
#if !EVLOOP_EXCEPTIONS
        co_return result<void>();
#endif
    }
}

// One of the tasks that share n awaits: each takes the next, until there is none. make(i, kept) gives the
// i-th; what it keeps in `kept` stays until that has been awaited.
template <class A, class Values, class Make>
attempt<void> fill_some(Values &values, std::size_t &next, std::size_t n, Make &make) {
    for (std::size_t i = next; i < n; i = next) {
        next++;
        slot<typename Make::kept> kept;
        EVLOOP_CO_TRY((fill<A>(values[i], make(i, kept))));
    }
#if !EVLOOP_EXCEPTIONS
    co_return result<void>();
#endif
}

// All of n awaits, so many at a time.
template <class A, class Make>
attempt<vector_of<await_result_t<A>>> gather_made(std::size_t n, std::size_t limit, Make make) {
    using T = await_result_t<A>;
    if (limit == 0)
        EVLOOP_CO_FAIL(EVL_EINVAL);
    std::unique_ptr<value_slot<A>[]> values(new value_slot<A>[n]);
    std::size_t next = 0;
    task_group group;
    const std::source_location here = place_of_this();
    for (std::size_t i = 0; i < n && i < limit; i++)
        group.spawn(fill_some<A>(values, next, n, make), here);
    EVLOOP_CO_TRY(group.join());
    co_return co_await values_of<T>(values, n);
}

// Container: a std::vector that is moved in, or a reference to one.
template <class A, class Container>
attempt<vector_of<await_result_t<A>>> gather_range(Container what) {
    using T = await_result_t<A>;
    std::unique_ptr<value_slot<A>[]> values(new value_slot<A>[what.size()]);
    task_group group;
    const std::source_location here = place_of_this();
    for (std::size_t i = 0; i < what.size(); i++)
        group.spawn(fill<A>(values[i], static_cast<A &&>(what[i])), here);
    EVLOOP_CO_TRY(group.join());
    co_return co_await values_of<T>(values, what.size());
}

// Hands out the awaits of a vector.
template <class A, class Container>
struct element_of {
    using kept = void;
    Container what;
    A &&operator()(std::size_t i, slot<void> &) noexcept { return static_cast<A &&>(what[i]); }
};

// Calls a function with each element, in order. An element that its range makes on the way is kept, for what
// the function gives may refer to it.
template <class Range, class F>
struct call_with_each {
    using element = std::ranges::range_reference_t<Range>;
    static constexpr bool keeps = !std::is_reference_v<element>;
    using kept = std::conditional_t<keeps, std::remove_cv_t<element>, void>;

    Range range;
    F fn;
    std::ranges::iterator_t<Range> at{};
    bool begun = false;
    decltype(auto) operator()(std::size_t, slot<kept> &into) {
        if (!std::exchange(begun, true))
            at = std::ranges::begin(range);
        if constexpr (keeps) {
            into.put(*at);
            ++at;
            return std::invoke(fn, static_cast<element &&>(into.get()));
        } else {
            element &&one = *at;
            ++at;
            if constexpr (owns_elements<Range>)
                return std::invoke(fn, std::move(one));
            else
                return std::invoke(fn, static_cast<element &&>(one));
        }
    }
};

inline constexpr std::size_t none_won = static_cast<std::size_t>(-1);

template <class A, class T>
attempt<void> compete(task_group &group, std::size_t &winner, std::size_t index, slot<T> &into, A what) {
    EVLOOP_CO_TRY(fill<A>(into, static_cast<A &&>(what)));
    if (winner == none_won) {
        winner = index;
        group.cancel_losers();
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
    const std::source_location here = place_of_this();
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

// The first of a range to have a value: which, and the value.
template <class T>
struct first_in {
    std::size_t index;         // of the one that was first, from 0
    detail::value_of<T> value; // its value; std::monostate for void
};

namespace detail {

template <class A, class Container>
attempt<first_in<await_result_t<A>>> race_range(Container what) {
    using T = await_result_t<A>;
    std::unique_ptr<value_slot<A>[]> values(new value_slot<A>[what.size()]);
    std::size_t winner = none_won;
    if (what.size() == 0)
        EVLOOP_CO_FAIL(EVL_EINVAL);
    task_group group;
    const std::source_location here = place_of_this();
    for (std::size_t i = 0; i < what.size(); i++)
        group.spawn(compete<A>(group, winner, i, values[i], static_cast<A &&>(what[i])), here);
    EVLOOP_CO_TRY(group.join());
    if (winner == none_won)
        EVLOOP_CO_FAIL(EVL_ECANCELED);
    co_return first_in<T>{winner, take_from(values[winner])};
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

// The same, with no more than `limit` of them at a time: the others have not begun. Errors: EVL_EINVAL for
// limit 0.
template <class A>
auto gather(std::vector<A> &&what, std::size_t limit) {
    using all = std::vector<A>;
    const std::size_t n = what.size();
    return detail::gather_made<A>(n, limit, detail::element_of<A, all>{std::move(what)});
}

// Calls fn(element) for each element of a range, with no more than `limit` awaits at a time, and gives a
// std::vector of what they give, in order, or nothing. A range that is an lvalue, and what a view refers to,
// must stay until then; of a container that is moved in the elements are moved into fn. What fn gives may
// refer to its element, also to one that a view makes on the way. Errors: EVL_EINVAL for limit 0. One that
// fails cancels the others, and those that have not begun never do.
//
//     std::vector<int> sizes = co_await evloop::map(urls, measure, 8);
template <std::ranges::forward_range Range, class F>
auto map(Range &&range, F &&fn, std::size_t limit) {
    static_assert(detail::survives_await<F>, EVLOOP_NAME_IT);
    using each = detail::call_with_each<Range, std::decay_t<F>>;
    using A = decltype(std::declval<each &>()(0, std::declval<detail::slot<typename each::kept> &>()));
    const auto n = static_cast<std::size_t>(std::ranges::distance(range));
    return detail::gather_made<A>(n, limit, each{std::forward<Range>(range), std::forward<F>(fn)});
}

// Awaits all at once and gives the first value; the others are cancelled and have ended by then. The first to
// fail before that ends it too, and its error is thrown; what the others throw when they are cancelled goes
// to the loop's error hook.
template <class... A>
    requires(awaitable<A> && ...)
auto when_any(A &&...what) {
    return detail::race<A...>(std::forward<A>(what)...);
}

// The same for a range: a std::vector of tasks, or of handles as an lvalue. Gives first.index and
// first.value. Errors: EVL_EINVAL for none.
template <class A>
auto when_any(std::vector<A> &&what) {
    return detail::race_range<A, std::vector<A>>(std::move(what));
}
// The same of tasks that run already; those that are not first are cancelled.
template <class T>
auto when_any(std::vector<spawned<T>> &handles) {
    return detail::race_range<spawned<T> &, std::vector<spawned<T>> &>(handles);
}

} // namespace evloop::inline EVLOOP_CPP_ABI
