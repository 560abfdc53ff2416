// evloop/timeout.hpp - a limit on how long something may take, exactly as asyncio's timeout().
//
//     auto page = co_await evloop::timeout(5s, stream.read_all());
//     co_await evloop::timeout(5s, [&](evloop::time_limit &limit) -> evloop::task<> {
//         co_await login();
//         limit.reschedule(limit.when() + 5s);
//         co_await work();
//     });
//
// What takes too long is cancelled, and the await throws EVL_ETIMEDOUT when that has ended. A cancellation
// from elsewhere stays one. What ends with a value all the same, gives it.
//
// To be cancelled means what it means for what is awaited: a future is cancelled for all who await it, a task
// too (shield(job) is not), and a generator whose next() is late has ended.
#pragma once

#include "await.hpp"
#include "time.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {

// A limit on the running task, from its construction until leave() or its end. Made by timeout. Errors:
// EVL_EPERM outside of a task.
class time_limit {
  public:
    explicit time_limit(std::int64_t deadline) : task_(this_task()), at_entry_(task_.cancelling()) {
        (void)evl_op_init(&timer_, expire, this, 0);
        (void)check(task_ ? set(deadline) : EVL_EPERM);
    }
    time_limit(const time_limit &) = delete;
    ~time_limit() { (void)leave(); }

    // Moves it; `never` takes it away. EVL_EALREADY when it has passed.
    template <class Duration>
    status reschedule(std::chrono::time_point<loop_clock, Duration> when) {
        return check(stage_ == active ? set(detail::deadline(when)) : EVL_EALREADY);
    }
    time_point when() const noexcept { return time_point(std::chrono::nanoseconds(deadline_)); }
    // Whether the time ran out before the end.
    bool expired() const noexcept { return stage_ == expiring || stage_ == over; }

    // Ends it. Returns whether a cancellation that arrives now is the limit's own.
    bool leave() noexcept {
        (void)evl_op_close(&timer_);
        if (stage_ != expiring) {
            stage_ = stage_ == active ? left : stage_;
            return false;
        }
        stage_ = over;
        return task_.uncancel() <= at_entry_;
    }

  private:
    // A deadline that has passed takes its turn in the next pass like any deferred call.
    std::int32_t set(std::int64_t deadline) noexcept {
        evl_loop *loop = task_.state()->loop;
        deadline_ = deadline;
        (void)evl_op_close(&timer_);
        if (deadline == EVL_NEVER)
            return 0;
        return deadline <= evl_time(loop) ? evl_defer(loop, &timer_)
                                          : evl_sleep_until(loop, &timer_, deadline);
    }
    static void expire(void *arg, std::int64_t) noexcept {
        auto *self = static_cast<time_limit *>(arg);
        self->stage_ = expiring;
        self->task_.cancel();
    }

    any_task task_;
    std::uint32_t at_entry_;
    evl_op timer_;
    std::int64_t deadline_ = EVL_NEVER;
    enum : unsigned char { active, expiring, over, left } stage_ = active;
};

namespace detail {

inline std::int64_t deadline_in(evl_loop *loop, std::int64_t ns) noexcept {
    const std::int64_t now = evl_time(loop);
    std::int64_t sum = 0;
    return __builtin_add_overflow(now, ns, &sum) ? (ns < 0 ? INT64_MIN : EVL_NEVER) : sum;
}

// Not yet a time: an await may be made long before it begins.
struct when_due {
    std::int64_t ns;
    bool relative;
    std::int64_t deadline(evl_loop *loop) const noexcept {
        return relative && ns != EVL_NEVER ? deadline_in(loop, ns) : ns;
    }
};

template <class A>
attempt<await_result_t<A>> limited(when_due due, A what) {
    time_limit limit(due.deadline(this_loop()));
#if EVLOOP_EXCEPTIONS
    try {
        co_return co_await static_cast<A &&>(what);
    } catch (const cancelled &) {
        if (limit.leave())
            throw_error(EVL_ETIMEDOUT);
        throw;
    }
#else
    auto outcome = co_await as_result(static_cast<A &&>(what));
    if (limit.leave() && outcome.code() == EVL_ECANCELED)
        co_return fail(EVL_ETIMEDOUT);
    co_return outcome;
#endif
}

template <class F>
attempt<await_result_t<std::invoke_result_t<F &, time_limit &>>> limited_body(when_due due, F body) {
    time_limit limit(due.deadline(this_loop()));
#if EVLOOP_EXCEPTIONS
    try {
        co_return co_await body(limit);
    } catch (const cancelled &) {
        if (limit.leave())
            throw_error(EVL_ETIMEDOUT);
        throw;
    }
#else
    auto outcome = co_await as_result(body(limit));
    if (limit.leave() && outcome.code() == EVL_ECANCELED)
        co_return fail(EVL_ETIMEDOUT);
    co_return outcome;
#endif
}

template <class A>
auto limit(when_due due, A &&what) {
    if constexpr (std::is_invocable_v<A &, time_limit &>) {
        static_assert(survives_await<A>, EVLOOP_NAME_IT);
        return limited_body<A>(due, std::forward<A>(what));
    } else {
        return limited<A>(due, std::forward<A>(what));
    }
}

} // namespace detail

// Awaits `what`, or calls it with the limit and awaits that, for no longer than `time`.
template <class Rep, class Period, class A>
auto timeout(std::chrono::duration<Rep, Period> time, A &&what) {
    return detail::limit({detail::nanoseconds(time), true}, std::forward<A>(what));
}

// The same until a time of the loop's clock; `never` is no limit.
template <class Duration, class A>
auto timeout_at(std::chrono::time_point<loop_clock, Duration> when, A &&what) {
    return detail::limit({detail::deadline(when), false}, std::forward<A>(what));
}
// The same of the steady clock: for as long as it is until then, by the loop's clock.
template <class Duration, class A>
auto timeout_at(std::chrono::time_point<std::chrono::steady_clock, Duration> when, A &&what) {
    return detail::limit({detail::from_now(when), true}, std::forward<A>(what));
}

} // namespace evloop::inline EVLOOP_CPP_ABI
