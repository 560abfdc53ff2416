// coroutines_asio.hpp - Asio's coroutines, awaitable and co_spawn.
#pragma once

#include "coroutines.hpp"

#include <asio.hpp>

namespace on_asio {

using asio::awaitable;
using asio::use_awaitable;

[[gnu::noinline]] awaitable<long> child(long n) { co_return n; }
inline awaitable<void> nothing() { co_return; }

inline awaitable<void> calls(long count) {
    long sum = 0;
    for (long i = 0; i < count; i++)
        sum += co_await child(i);
    bench_use(&sum);
}

inline awaitable<void> yields(long count) {
    for (long i = 0; i < count; i++)
        co_await asio::post(use_awaitable);
}

inline awaitable<void> spawns(long count) {
    auto here = co_await asio::this_coro::executor;
    for (long i = 0; i < count; i++)
        co_await asio::co_spawn(here, nothing(), use_awaitable);
}

// It has no way to join several tasks but counting: the last one cancels a timer.
class all_ended {
  public:
    all_ended(const asio::any_io_executor &here, long count)
        : timer_(here, asio::steady_timer::time_point::max()), left_(count) {}
    auto when_told() {
        return [this](std::exception_ptr) {
            if (--left_ == 0)
                timer_.cancel();
        };
    }
    awaitable<void> wait() {
        asio::error_code cancelled;
        if (left_ > 0)
            co_await timer_.async_wait(asio::redirect_error(use_awaitable, cancelled));
    }

  private:
    asio::steady_timer timer_;
    long left_;
};

inline awaitable<void> crowds(long count) {
    auto here = co_await asio::this_coro::executor;
    for (long done = 0; done < count; done += crowd) {
        all_ended ended(here, crowd);
        for (long i = 0; i < crowd; i++)
            asio::co_spawn(here, nothing(), ended.when_told());
        co_await ended.wait();
    }
}

inline awaitable<void> sleeps_once(std::chrono::nanoseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(use_awaitable);
}

inline awaitable<void> sleeps(long count, bool at_random) {
    auto here = co_await asio::this_coro::executor;
    all_ended ended(here, count);
    sleep_times times(at_random);
    for (long i = 0; i < count; i++)
        asio::co_spawn(here, sleeps_once(times.next()), ended.when_told());
    co_await ended.wait();
}

inline void run(awaitable<void> main) {
    asio::io_context context(1);
    asio::co_spawn(context, std::move(main), asio::detached);
    context.run();
}

inline constexpr works all = {
    [](long count) { run(calls(count)); },         [](long count) { run(yields(count)); },
    [](long count) { run(spawns(count)); },        [](long count) { run(crowds(count)); },
    [](long count) { run(sleeps(count, false)); }, [](long count) { run(sleeps(count, true)); }};

} // namespace on_asio
