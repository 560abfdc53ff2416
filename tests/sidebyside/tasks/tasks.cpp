// tasks.cpp - what tasks are: steps, turns, results.
#include "story.hpp"

using namespace story;

SCENARIO(a_first_step_is_queued) {
    auto job = spawn(nap("job", 0));
    note("main", "made");
    co_await job;
    note("main", "joined");
}

static task<> counts(std::string name) {
    for (int n = 0; n < 3; n++) {
        note(name, n);
        co_await yield();
    }
}

SCENARIO(tasks_take_turns) {
    auto jobs = spawn_all(counts("a"), counts("b"), counts("c"));
    for (auto &job : jobs)
        co_await job;
}

static task<> inner_runs() {
    note("inner", "runs");
    co_return;
}

SCENARIO(calling_is_not_a_turn) {
    auto job = spawn(nap("job", 0));
    for (int n = 0; n < 3; n++)
        co_await inner_runs();
    co_await job;
}

SCENARIO(waking_up_is_one_hop) {
    evloop::future<> future;
    auto job = spawn([](evloop::future<> awaited) -> task<> {
        co_await awaited;
        note("job", "woken");
    }(future));
    co_await yield();
    evloop::loop_ref loop = evloop::this_loop();
    loop.call_soon([] { note("call", "before"); });
    future.resolve();
    loop.call_soon([] { note("call", "after"); });
    note("main", "resolved");
    co_await job;
}

SCENARIO(several_wait_for_one) {
    auto job = spawn(gives("job", 1, 7));
    auto waiters = spawn_all(how("a", job), how("b", job), how("c", job));
    for (auto &waiter : waiters)
        co_await waiter;
}

SCENARIO(an_error_is_for_all_who_wait) {
    auto job = spawn(fails("job", 1, EVL_EIO));
    auto waiters = spawn_all(how("a", job), how("b", job));
    for (auto &waiter : waiters)
        co_await waiter;
    co_await how("late", job);
}

SCENARIO(sleepers_in_order) {
    auto jobs =
        spawn_all(nap("five", 5), nap("two", 2), nap("none", 0), nap("less", -3), nap("two again", 2));
    for (auto &job : jobs)
        co_await job;
    note_time();
}

SCENARIO(a_task_that_awaits_itself) {
    spawned<> job;
    job = spawn([](spawned<> &itself) -> task<> { co_await itself; }(job));
    co_await how("job", job);
}

SCENARIO(what_is_left_is_cancelled_at_the_end) {
    auto job = spawn(cleans_up("left", 100, 2));
    co_await yield();
    note("main", job.done());
    std::move(job).detach();
}

SCENARIO(the_main_task_fails) {
    auto job = spawn(nap("left", 100));
    co_await yield();
    note("main", job.done());
    std::move(job).detach();
    evloop::throw_error(EVL_EPERM);
}

static task<int> gives_now(int value) { co_return value; }

SCENARIO(a_task_begins_at_once) {
    auto job = spawn(nap("job", 1), evloop::begin::now);
    note("main", "made");
    co_await job;
    auto done = spawn(gives_now(4), evloop::begin::now);
    note("main", done.done());
    note("main", done.cancel());
    co_await how("main", done);
}
