// tasks_fuzz.cpp - runs programs of tasks that it reads, one in a line, and prints what happened in each,
// when, and to whom. tasks_fuzz.py makes the programs and compares with asyncio.
#include <evloop.hpp>

#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace {

using namespace std::chrono_literals;
using evloop::task;

struct node {
    std::string kind;
    int id = 0, a = 0;
    std::vector<node> kids;
};

node parse(std::istream &in) {
    node n;
    int kids = 0;
    in >> n.kind >> n.id >> n.a >> kids;
    for (int i = 0; i < kids && in; i++)
        n.kids.push_back(parse(in));
    return n;
}

struct things { // outlive every task
    explicit things(evl_loop *loop)
        : events{evloop::event(loop), evloop::event(loop), evloop::event(loop)},
          locks{evloop::lock(loop), evloop::lock(loop)} {}
    evloop::event events[3];
    evloop::lock locks[2];
};

std::int64_t began;
things *shared;

void note(int id, const std::string &what) {
    const auto now = (evl_time(evloop::this_loop()) - began) / 1000;
    std::printf("%d: %s @%lld\n", id, what.c_str(), static_cast<long long>(now));
}

std::string word(const std::exception_ptr &error) {
    try {
        std::rethrow_exception(error);
    } catch (const evloop::cancelled &) {
        return "cancelled";
    } catch (const std::system_error &known) {
        return known.code().value() == EVL_ETIMEDOUT ? "timed out" : "failed";
    }
}

std::chrono::microseconds ticks(int n) { return std::chrono::microseconds(n); }

task<int> eval(const node &n);

task<> run_lock(const node &n) {
    evloop::lock &lock = shared->locks[n.id % 2];
    co_await evloop::timeout(ticks(n.a), lock.acquire());
    note(n.id, "has it");
    std::exception_ptr error;
    try {
        co_await eval(n.kids[0]);
    } catch (...) {
        error = std::current_exception();
    }
    lock.release();
    co_await evloop::sleep(ticks(n.id)); // whoever got it has its turn
    if (error)
        std::rethrow_exception(error);
}

// Not in the pass in which the others begin: a member that fails there keeps them from it, and asyncio's do
// not.
task<int> later(const node &n) {
    co_await evloop::sleep(ticks(n.a));
    co_return co_await eval(n);
}

task<> run_group(const node &n) {
    co_await evloop::with_group([&](evloop::task_group &group) -> task<> {
        for (const node &kid : n.kids)
            group.spawn(later(kid));
        co_return;
    });
}

task<int> run_cancel(const node &n) {
    auto job = evloop::spawn(eval(n.kids[0]));
    std::exception_ptr error;
    try {
        co_await evloop::sleep(ticks(n.a));
    } catch (...) {
        error = std::current_exception();
    }
    note(n.id, job.cancel() ? "asked" : "too late");
    std::string outcome;
    try {
        outcome = "value " + std::to_string(co_await job);
    } catch (...) {
        outcome = word(std::current_exception());
    }
    note(n.id, outcome);
    if (error) // it was cancelled, and nobody would own the job
        std::rethrow_exception(error);
    co_return 0;
}

task<int> run_cleanup(const node &n) {
    bool cancelled = false;
    int value = 0;
    try {
        value = co_await eval(n.kids[0]);
    } catch (const evloop::cancelled &) {
        cancelled = true;
    }
    if (!cancelled)
        co_return value;
    note(n.id, "cleans up");
    co_await evloop::sleep(ticks(n.a));
    note(n.id, "cleaned up");
    throw evloop::cancelled{};
}

task<int> run(const node &n) {
    if (n.kind == "nap")
        co_await evloop::sleep(ticks(n.a));
    else if (n.kind == "yield")
        co_await evloop::yield();
    else if (n.kind == "value")
        co_return n.a;
    else if (n.kind == "fail")
        evloop::throw_error(EVL_EIO);
    else if (n.kind == "seq")
        for (const node &kid : n.kids)
            co_await eval(kid);
    else if (n.kind == "spawn") {
        auto job = evloop::spawn(eval(n.kids[0]));
        co_return co_await job;
    } else if (n.kind == "cancel")
        co_return co_await run_cancel(n);
    else if (n.kind == "timeout")
        co_return co_await evloop::timeout(ticks(n.a), eval(n.kids[0]));
    else if (n.kind == "group")
        co_await run_group(n);
    else if (n.kind == "shield")
        co_return co_await evloop::shield(eval(n.kids[0]));
    else if (n.kind == "try") {
        try {
            co_return co_await eval(n.kids[0]);
        } catch (const std::system_error &) {
            note(n.id, "caught " + word(std::current_exception()));
        }
    } else if (n.kind == "swallow") {
        try {
            co_return co_await eval(n.kids[0]);
        } catch (const evloop::cancelled &) {
            note(n.id, "goes on");
        }
    } else if (n.kind == "cleanup")
        co_return co_await run_cleanup(n);
    else if (n.kind == "self")
        evloop::this_task().cancel();
    else if (n.kind == "set") {
        shared->events[n.id % 3].set();
        co_await evloop::sleep(ticks(n.id)); // whoever waited has its turn
    } else if (n.kind == "wait")
        co_await evloop::timeout(ticks(n.a), shared->events[n.id % 3].wait());
    else if (n.kind == "lock")
        co_await run_lock(n);
    co_return 0;
}

task<int> eval(const node &n) {
    note(n.id, n.kind);
    std::string outcome;
    std::exception_ptr error;
    int value = 0;
    try {
        value = co_await run(n);
        outcome = "ends with " + std::to_string(value);
    } catch (...) {
        error = std::current_exception();
        outcome = "ends: " + word(error);
    }
    note(n.id, outcome);
    if (error)
        std::rethrow_exception(error);
    co_return value;
}

task<> main_task(const node &n) {
    std::string outcome;
    try {
        outcome = "value " + std::to_string(co_await eval(n));
    } catch (...) {
        outcome = word(std::current_exception());
    }
    note(0, outcome);
    co_await evloop::sleep(1000s); // what is left behind ends by itself, for run cancels it in another order
}

void play(const std::string &line) {
    std::istringstream in(line);
    const node root = parse(in);
    evloop::loop_options options;
    options.time = evloop::clock::jump;
    options.poll_interval = 1;
    evloop::loop loop(options);
    loop.on_error([](std::exception_ptr) {});
    things all(loop);
    shared = &all;
    began = evl_time(loop);
    try {
        evloop::run(loop, main_task(root));
    } catch (...) {
        std::printf("0: run %s\n", word(std::current_exception()).c_str());
    }
    std::printf(".\n");
    std::fflush(stdout);
}

} // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);)
        play(line);
}
