// coroutines.cpp - what coroutines cost: calling one, giving way, spawning and joining, sleeping by the
// thousand.
//     coroutines [COUNT] [ROUNDS]             everything
//     coroutines COUNT 0 call|yield|spawn|sleeps|random     one of them, for a profiler
//
// "call" awaits a coroutine that does not suspend; "yield" goes once through the loop; "spawn" makes a task
// and awaits it; "sleeps" has 300,000 tasks sleep at once, each at a time of its own, and includes making and
// joining them.
#define _Noreturn __attribute__((noreturn))
#include "bench.h"

#include <evloop.hpp>

#include <string_view>
#include <vector>

namespace {

using evloop::task;

constexpr long sleepers = 300000;

[[gnu::noinline]] task<long> child(long n) { co_return n; }
task<> nothing() { co_return; }

task<> calls(long count) {
    long sum = 0;
    for (long i = 0; i < count; i++)
        sum += co_await child(i);
    bench_use(&sum);
}

task<> yields(long count) {
    for (long i = 0; i < count; i++)
        co_await evloop::yield();
}

task<> spawns(long count) {
    for (long i = 0; i < count; i++)
        co_await evloop::spawn(nothing());
}

task<> sleeps_once(std::chrono::nanoseconds time) { co_await evloop::sleep(time); }

task<> sleep_many(long count, bool in_order) {
    std::vector<evloop::spawned<>> jobs;
    jobs.reserve(static_cast<std::size_t>(count));
    std::uint64_t seed = 1;
    for (long i = 0; i < count; i++)
        jobs.push_back(evloop::spawn(
            sleeps_once(std::chrono::nanoseconds(in_order ? 1000000 : bench_random(&seed) % 1000000))));
    for (auto &job : jobs)
        co_await job;
}

task<> sleeps(long count) { return sleep_many(count, true); }
task<> sleeps_at_random(long count) { return sleep_many(count, false); }

struct work {
    const char *name;
    task<> (*run)(long count);
    long count; // 0: as asked
};

constexpr work works[] = {{"call", calls, 0},
                          {"yield", yields, 0},
                          {"spawn", spawns, 0},
                          {"sleeps", sleeps, sleepers},
                          {"random", sleeps_at_random, sleepers}};

task<> measure(bench_table &table, long count) {
    int column = 0;
    for (const work &w : works) {
        const long n = w.count != 0 ? w.count : count;
        const std::int64_t begin = bench_cpu();
        co_await w.run(n);
        bench_put(&table, 0, column++, static_cast<double>(bench_cpu() - begin) / static_cast<double>(n));
    }
}

task<> measure_all(bench_table &table, long count, long rounds) {
    for (long round = 0; round < rounds; round++)
        co_await measure(table, count);
}

} // namespace

int main(int argc, char **argv) {
    const long count = bench_arg(argc, argv, 1, 1000000), rounds = bench_arg(argc, argv, 2, 5);
    if (argc > 3) {
        for (const work &w : works)
            if (std::string_view(w.name) == argv[3])
                return evloop::run(w.run(count));
        std::fprintf(stderr, "coroutines: there is no %s\n", argv[3]);
        return 2;
    }
    bench_table table{};
    table.title = "coroutines, CPU ns each";
    table.rows[0] = "evloop";
    for (std::size_t i = 0; i < std::size(works); i++)
        table.cols[i] = works[i].name;
    evloop::run(measure_all(table, count, rounds));
    std::printf("%ld each, best of %ld rounds\n", count, rounds);
    bench_print(&table, 0);
}
