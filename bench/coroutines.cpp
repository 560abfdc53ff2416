// coroutines.cpp - what coroutines cost: calling one, giving way, spawning and joining, sleeping by the
// thousand.
//     coroutines [COUNT] [ROUNDS]                                        everything
//     coroutines COUNT 0 call|yield|spawn|crowd|sleeps|random [LIBRARY]  one of them, for a profiler
//
// "call" awaits a coroutine that does not suspend; "yield" goes once through the loop; "spawn" makes a task
// and awaits it; "crowd" makes a thousand and then awaits them; "sleeps" has 300,000 tasks sleep at once,
// each at a time of its own, and includes making and joining them. Each begins with a new loop, on one
// thread.
#include "coroutines.hpp"

#include <evloop.hpp>

#if BENCH_ASIO
#    include "coroutines_asio.hpp"
#endif
#if BENCH_LIBCORO
#    include "coroutines_libcoro.hpp"
#endif

#include <string_view>
#include <vector>

namespace {

namespace ours {

using evloop::task;

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

task<> crowds(long count) {
    std::vector<evloop::spawned<>> jobs;
    jobs.reserve(crowd);
    for (long done = 0; done < count; done += crowd) {
        for (long i = 0; i < crowd; i++)
            jobs.push_back(evloop::spawn(nothing()));
        for (auto &job : jobs)
            co_await job;
        jobs.clear();
    }
}

task<> sleeps_once(std::chrono::nanoseconds time) { co_await evloop::sleep(time); }

task<> sleeps(long count, bool at_random) {
    std::vector<evloop::spawned<>> jobs;
    jobs.reserve(static_cast<std::size_t>(count));
    sleep_times times(at_random);
    for (long i = 0; i < count; i++)
        jobs.push_back(evloop::spawn(sleeps_once(times.next())));
    for (auto &job : jobs)
        co_await job;
}

template <task<> run(long count)>
void alone(long count) {
    evloop::run(run(count));
}

constexpr works all = {alone<calls>,
                       alone<yields>,
                       alone<spawns>,
                       alone<crowds>,
                       [](long count) { evloop::run(sleeps(count, false)); },
                       [](long count) { evloop::run(sleeps(count, true)); }};

} // namespace ours

constexpr struct {
    const char *name;
    const works *run;
} contenders[] = {
    {"evloop", &ours::all},
#if BENCH_ASIO
    {"asio", &on_asio::all},
#endif
#if BENCH_LIBCORO
    {"libcoro", &on_libcoro::all},
#endif
};

void measure(bench_table &table, std::size_t row, std::size_t work, long count) {
    const long n = work < first_of_sleepers ? count : sleepers;
    const std::int64_t begin = bench_cpu();
    (*contenders[row].run)[work](n);
    bench_put(&table, static_cast<int>(row), static_cast<int>(work),
              static_cast<double>(bench_cpu() - begin) / static_cast<double>(n));
}

int run_one(std::string_view work, std::string_view contender, long count) {
    for (const auto &[name, run] : contenders)
        for (std::size_t i = 0; i < std::size(work_names); i++)
            if (name == contender && work_names[i] == work) {
                (*run)[i](count);
                return 0;
            }
    std::fprintf(stderr, "coroutines: there is no such work, or not with this library\n");
    return 2;
}

} // namespace

int main(int argc, char **argv) {
    const long count = bench_arg(argc, argv, 1, 1000000), rounds = bench_arg(argc, argv, 2, 5);
    if (argc > 3)
        return run_one(argv[3], argc > 4 ? argv[4] : "evloop", count);
    bench_table table{};
    table.title = "coroutines, CPU ns each";
    for (std::size_t row = 0; row < std::size(contenders); row++)
        table.rows[row] = contenders[row].name;
    for (std::size_t work = 0; work < std::size(work_names); work++)
        table.cols[work] = work_names[work];
    for (long round = 0; round < rounds; round++)
        for (std::size_t row = 0; row < std::size(contenders); row++)
            for (std::size_t work = 0; work < std::size(work_names); work++)
                measure(table, row, work, count);
    std::printf("%ld each, best of %ld rounds\n", count, rounds);
    bench_print(&table, 0);
}
