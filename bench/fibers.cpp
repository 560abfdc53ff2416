// fibers.cpp - what fibers cost: a switch, a turn through the loop, a spawn and its join, memory.
//     fibers [COUNT] [ROUNDS]
//
// "switch" is one of the switches there and back, as Boost.Context's own benchmark counts them: with its bare
// jump_fcontext, with its fiber class, and with evl_fiber_switch. "yield" lets another fiber run, through the
// loop or Boost.Fiber's scheduler. "bytes" is resident memory for each of 20,000 fibers that sleep.
#include "bench.h"

#include <evloop/fiber.h>

#include <boost/context/fiber.hpp>
#if BENCH_BOOST_FIBER
#    include <boost/fiber/all.hpp>
#endif
#include <vector>

namespace {

namespace bare {

using namespace boost::context::detail;

void side(transfer_t t) {
    for (;;)
        t = jump_fcontext(t.fctx, nullptr);
}

double switches(long count) {
    std::vector<char> stack(65536);
    transfer_t t{make_fcontext(stack.data() + stack.size(), stack.size(), side), nullptr};
    const std::int64_t begun = bench_cpu();
    for (long i = 0; i < count; i++)
        t = jump_fcontext(t.fctx, nullptr);
    return static_cast<double>(bench_cpu() - begun) / static_cast<double>(2 * count);
}

} // namespace bare

namespace boost_context {

double switches(long count) {
    bool end = false;
    boost::context::fiber other([&end](boost::context::fiber &&from) {
        while (!end)
            from = std::move(from).resume();
        return std::move(from);
    });
    const std::int64_t begun = bench_cpu();
    for (long i = 0; i < count; i++)
        other = std::move(other).resume();
    const std::int64_t spent = bench_cpu() - begun;
    end = true;
    other = std::move(other).resume();
    return static_cast<double>(spent) / static_cast<double>(2 * count);
}

} // namespace boost_context

namespace ours {

std::int64_t side(void *) {
    while (evl_fiber_switch(nullptr, nullptr, nullptr) == 0)
        continue;
    return 0;
}

struct turns {
    long count;
    evl_fiber *other;
};

// The other one begins with whom it switches back to.
std::int64_t both_ways(void *arg) {
    auto *t = static_cast<turns *>(arg);
    (void)evl_fiber_switch(t->other, evl_fiber_self(), nullptr);
    const std::int64_t begun = bench_cpu();
    for (long i = 0; i < t->count; i++)
        (void)evl_fiber_switch(t->other, nullptr, nullptr);
    return bench_cpu() - begun;
}

std::int64_t back_always(void *parent) {
    while (evl_fiber_switch(static_cast<evl_fiber *>(parent), nullptr, nullptr) == 0)
        continue;
    return 0;
}

// Between the program's stack and a fiber.
double switches(long count) {
    evl_loop *loop = nullptr;
    evl_fiber *fiber = nullptr;
    BENCH_CHECK(evl_loop_new(&loop, nullptr) == 0 && evl_fiber_new(loop, side, nullptr, &fiber) == 0);
    const std::int64_t begun = bench_cpu();
    for (long i = 0; i < count; i++)
        (void)evl_fiber_switch(fiber, nullptr, nullptr);
    const std::int64_t spent = bench_cpu() - begun;
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
    evl_fiber_unref(fiber);
    return static_cast<double>(spent) / static_cast<double>(2 * count);
}

// Between two fibers.
double fiber_switches(long count) {
    evl_loop *loop = nullptr;
    evl_fiber *other = nullptr;
    BENCH_CHECK(evl_loop_new(&loop, nullptr) == 0 && evl_fiber_new(loop, back_always, nullptr, &other) == 0);
    turns t{count, other};
    evl_fiber *start = nullptr;
    BENCH_CHECK(evl_fiber_new(loop, both_ways, nullptr, &start) == 0);
    BENCH_CHECK(evl_fiber_switch(start, &t, nullptr) == 0);
    const std::int64_t spent = evl_fiber_result(start);
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
    for (evl_fiber *fiber : {other, start})
        evl_fiber_unref(fiber);
    return static_cast<double>(spent) / static_cast<double>(2 * count);
}

std::int64_t yields(void *count) {
    for (long i = *static_cast<long *>(count); i > 0; i--)
        (void)evl_fiber_yield();
    return 0;
}

double yielding(long count) {
    evl_loop *loop = nullptr;
    BENCH_CHECK(evl_loop_new(&loop, nullptr) == 0);
    for (int i = 0; i < 2; i++)
        BENCH_CHECK(evl_fiber_spawn(loop, yields, &count, nullptr, nullptr) == 0);
    const std::int64_t begun = bench_cpu();
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == 0);
    const std::int64_t spent = bench_cpu() - begun;
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
    return static_cast<double>(spent) / static_cast<double>(2 * count);
}

std::int64_t spawns(void *count) {
    for (long i = *static_cast<long *>(count); i > 0; i--) {
        evl_fiber *fiber = nullptr;
        BENCH_CHECK(evl_fiber_spawn(
                        evl_fiber_loop(nullptr), [](void *) -> std::int64_t { return 0; }, nullptr, nullptr,
                        &fiber) == 0);
        (void)evl_fiber_join(fiber, EVL_NEVER, nullptr);
        evl_fiber_unref(fiber);
    }
    return 0;
}

double spawning(long count) {
    evl_loop *loop = nullptr;
    BENCH_CHECK(evl_loop_new(&loop, nullptr) == 0);
    BENCH_CHECK(evl_fiber_spawn(loop, spawns, &count, nullptr, nullptr) == 0);
    const std::int64_t begun = bench_cpu();
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_DEFAULT) == 0);
    const std::int64_t spent = bench_cpu() - begun;
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
    return static_cast<double>(spent) / static_cast<double>(count);
}

} // namespace ours

// What the process holds, page tables included.
long resident() {
    long kb = 0, value = 0;
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");
    BENCH_CHECK(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &value) == 1 || sscanf(line, "VmPTE: %ld", &value) == 1)
            kb += value;
    fclose(file);
    return kb * 1024;
}

constexpr int asleep = 20000;

double bytes() {
    evl_loop *loop = nullptr;
    BENCH_CHECK(evl_loop_new(&loop, nullptr) == 0);
    const long before = resident();
    for (int i = 0; i < asleep; i++)
        BENCH_CHECK(evl_fiber_spawn(
                        loop, [](void *) -> std::int64_t { return evl_fiber_sleep(EVL_HOUR); }, nullptr,
                        nullptr, nullptr) == 0);
    BENCH_CHECK(evl_loop_run(loop, EVL_RUN_NOWAIT) == EVL_RUN_ALIVE);
    const double each = static_cast<double>(resident() - before) / asleep;
    BENCH_CHECK(evl_loop_destroy(loop) == 0);
    return each;
}

#if BENCH_BOOST_FIBER
namespace boost_fiber {

double yielding(long count) {
    std::vector<boost::fibers::fiber> fibers;
    const std::int64_t begun = bench_cpu();
    for (int i = 0; i < 2; i++)
        fibers.emplace_back([count] {
            for (long n = count; n > 0; n--)
                boost::this_fiber::yield();
        });
    for (auto &fiber : fibers)
        fiber.join();
    return static_cast<double>(bench_cpu() - begun) / static_cast<double>(2 * count);
}

double spawning(long count) {
    const std::int64_t begun = bench_cpu();
    for (long i = 0; i < count; i++)
        boost::fibers::fiber([] {}).join();
    return static_cast<double>(bench_cpu() - begun) / static_cast<double>(count);
}

} // namespace boost_fiber
#endif

void row(const char *what, const char *whose, int rounds, long count, double (*measure)(long)) {
    double best = 1e300;
    for (int i = 0; i < rounds; i++) {
        const double ns = measure(count);
        best = ns < best ? ns : best;
    }
    std::printf("  %-8s %-16s %8.1f ns\n", what, whose, best);
}

} // namespace

int main(int argc, char **argv) {
    const long count = bench_arg(argc, argv, 1, 1000000);
    const int rounds = static_cast<int>(bench_arg(argc, argv, 2, 5));
    std::printf("CPU time, the best of %d rounds\n", rounds);
    row("switch", "jump_fcontext", rounds, count, bare::switches);
    row("switch", "Boost.Context", rounds, count, boost_context::switches);
    row("switch", "evloop", rounds, count, ours::switches);
    row("switch", "evloop, fibers", rounds, count, ours::fiber_switches);
    row("yield", "evloop", rounds, count, ours::yielding);
#if BENCH_BOOST_FIBER
    row("yield", "Boost.Fiber", rounds, count, boost_fiber::yielding);
#endif
    row("spawn", "evloop", rounds, count / 10, ours::spawning);
#if BENCH_BOOST_FIBER
    row("spawn", "Boost.Fiber", rounds, count / 10, boost_fiber::spawning);
#endif
    std::printf("  %-8s %-16s %8.0f\n", "bytes", "evloop", bytes());
}
