// wait.cpp - wait with a time limit tells what is done and what is pending; nothing is cancelled by it.
#include <evloop.hpp>

#include <cstdio>
#include <vector>

using namespace std::chrono_literals;
using evloop::task;

static task<int> job(int number) {
    co_await evloop::sleep(number * 1s);
    co_return number *number;
}

static task<> all() {
    std::vector<evloop::spawned<int>> jobs;
    for (int i = 1; i <= 5; i++)
        jobs.push_back(evloop::spawn(job(i)));

    auto [done, pending] = co_await evloop::wait(jobs, evloop::until::all, 3500ms);
    std::printf("after a while: %zu done, %zu pending\n", done.size(), pending.size());

    auto first = co_await evloop::wait(pending, evloop::until::first);
    std::printf("the next: %zu done, %zu pending\n", first.done.size(), first.pending.size());

    auto ends = evloop::as_completed(jobs);
    while (auto *ended = co_await ends.next()) {
        const int value = co_await *ended;
        std::printf("%d ", value);
    }
    std::printf("\n");

    const auto late = co_await evloop::as_result(evloop::timeout(1s, job(60)));
    std::printf("wait_for: %s\n", late.error().message().c_str());
}

// The clock of this loop jumps to the next deadline: what sleeps takes no time, and the order is always the
// same.
int main() { return evloop::run(all(), {.time = evloop::clock::jump}); }
