// coroutines_libcoro.hpp - libcoro's coroutines, on a scheduler that this thread drives.
#pragma once

#include "coroutines.hpp"

#include <coro/coro.hpp>
#include <memory>
#include <vector>

namespace on_libcoro {

using coro::task;
using scheduler = std::unique_ptr<coro::scheduler>;

[[gnu::noinline]] task<long> child(long n) { co_return n; }
inline task<void> nothing() { co_return; }

inline task<void> calls(scheduler &, long count) {
    long sum = 0;
    for (long i = 0; i < count; i++)
        sum += co_await child(i);
    bench_use(&sum);
}

inline task<void> yields(scheduler &on, long count) {
    for (long i = 0; i < count; i++)
        co_await on->yield();
}

inline task<void> spawns(scheduler &on, long count) {
    for (long i = 0; i < count; i++)
        co_await on->spawn_joinable(nothing());
}

inline task<void> crowds(scheduler &on, long count) {
    for (long done = 0; done < count; done += crowd) {
        coro::task_group<coro::scheduler> group(on);
        for (long i = 0; i < crowd; i++)
            (void)group.start(nothing());
        co_await group;
    }
}

inline task<void> sleeps_once(scheduler &on, std::chrono::nanoseconds time) { co_await on->yield_for(time); }

inline task<void> sleeps(scheduler &on, long count, bool at_random) {
    coro::task_group<coro::scheduler> group(on);
    sleep_times times(at_random);
    for (long i = 0; i < count; i++)
        (void)group.start(sleeps_once(on, times.next()));
    co_await group;
}

template <class F, class... Args>
void run(F main, Args... args) {
    auto on = coro::scheduler::make_unique(
        {.thread_strategy = coro::scheduler::thread_strategy_t::manual,
         .execution_strategy = coro::scheduler::execution_strategy_t::process_tasks_inline});
    on->spawn_detached(main(on, args...));
    while (on->process_events(std::chrono::milliseconds(1000)) > 0) {
    }
}

inline constexpr works all = {
    [](long count) { run(calls, count); },         [](long count) { run(yields, count); },
    [](long count) { run(spawns, count); },        [](long count) { run(crowds, count); },
    [](long count) { run(sleeps, count, false); }, [](long count) { run(sleeps, count, true); }};

} // namespace on_libcoro
