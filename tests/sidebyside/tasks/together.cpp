// together.cpp - several tasks at once, and what they wait on.
#include "story.hpp"

using namespace story;
using evloop::until;

SCENARIO(gathering) {
    auto [a, b, c] = co_await evloop::gather(gives("a", 3, 1), gives("b", 1, 2), gives("c", 2, 3));
    note("main", std::vector<int>{a, b, c});
    note_time();
}

SCENARIO(gathering_with_errors_as_values) {
    auto [a] = co_await evloop::gather(evloop::as_result(gives("a", 1, 1)));
    auto [b] = co_await evloop::gather(evloop::as_result(fails("b", 2, EVL_EIO)));
    note("main", "[" + text(a.value()) + ", '" + word(b.code()) + "']");
}

SCENARIO(a_gather_fails) {
    co_await how("main", [](auto a, auto b, auto c) -> task<> {
        co_await evloop::gather(std::move(a), std::move(b), std::move(c));
    }(nap("a", 100), fails("b", 2, EVL_EIO), nap("c", 100)));
    note_time();
}

SCENARIO(a_gather_is_cancelled) {
    auto job = spawn([]() -> task<> {
        co_await evloop::gather(cleans_up("a", 100, 3), cleans_up("b", 100, 1), nap("c", 100));
    }());
    co_await rest(1);
    job.cancel();
    co_await how("main", job);
    note_time();
}

static std::vector<int> places(const std::vector<evloop::any_task> &some,
                               const std::vector<spawned<>> &jobs) {
    std::vector<int> found;
    for (std::size_t i = 0; i < jobs.size(); i++)
        for (const evloop::any_task &one : some)
            if (one == jobs[i])
                found.push_back(static_cast<int>(i));
    return found;
}

static void note_sets(const evloop::waited &outcome, const std::vector<spawned<>> &jobs) {
    note("main",
         "done " + text(places(outcome.done, jobs)) + ", pending " + text(places(outcome.pending, jobs)));
}

SCENARIO(waiting_for_all) {
    auto jobs = spawn_all(nap("a", 2), fails("b", 1, EVL_EIO), nap("c", 3));
    note_sets(co_await evloop::wait(jobs), jobs);
    note_time();
    co_await how("b", jobs[1]);
}

SCENARIO(waiting_for_the_first) {
    auto jobs = spawn_all(nap("a", 3), nap("b", 1), nap("c", 2));
    note_sets(co_await evloop::wait(jobs, until::first), jobs);
    note_time();
    co_await evloop::wait(jobs);
}

SCENARIO(waiting_for_the_first_error) {
    auto jobs = spawn_all(nap("a", 1), fails("b", 2, EVL_EIO), nap("c", 3), nap("d", 100));
    co_await yield();
    jobs[3].cancel();
    note_sets(co_await evloop::wait(jobs, until::first_error), jobs);
    note_time();
    co_await evloop::wait(jobs);
    co_await how("b", jobs[1]);
}

SCENARIO(waiting_for_some_time) {
    auto jobs = spawn_all(nap("a", 1), nap("b", 10));
    note_sets(co_await evloop::wait(jobs, until::all, 5 * tick), jobs);
    note_sets(co_await evloop::wait(jobs, until::all, 0 * tick), jobs);
    note_time();
    note_sets(co_await evloop::wait(jobs), jobs);
}

SCENARIO(a_cancelled_wait_leaves_the_tasks) {
    auto jobs = spawn_all(nap("a", 5));
    auto waiter = spawn([](std::vector<spawned<>> &all) -> task<> { co_await evloop::wait(all); }(jobs));
    co_await rest(1);
    waiter.cancel();
    co_await how("waiter", waiter);
    co_await how("a", jobs[0]);
}

template <class T>
static task<> shielded(spawned<T> &inner) {
    co_await evloop::shield(inner);
}

SCENARIO(a_shield_keeps_a_cancellation_out) {
    auto inner = spawn(gives("inner", 5, 4));
    auto outer = spawn(shielded(inner));
    co_await rest(1);
    outer.cancel();
    co_await how("outer", outer);
    note_time();
    co_await how("inner", inner);
}

SCENARIO(a_shield_lets_results_through) {
    co_await how("main", evloop::shield(gives("a", 1, 4)));
    co_await how("main", evloop::shield(fails("b", 1, EVL_EIO)));
}

SCENARIO(what_is_shielded_is_cancelled) {
    auto inner = spawn(nap("inner", 5));
    auto outer = spawn(shielded(inner));
    co_await rest(1);
    inner.cancel();
    co_await how("outer", outer);
}

SCENARIO(a_timeout_around_a_shield) {
    auto inner = spawn(gives("inner", 10, 4));
    co_await how("main", within(3, shielded(inner)));
    note_time();
    co_await how("inner", inner);
    note_time();
}

static std::vector<spawned<int>> two_or_three(bool three) {
    std::vector<spawned<int>> jobs;
    jobs.push_back(spawn(gives("a", three ? 3 : 30, three ? 3 : 30)));
    jobs.push_back(spawn(gives("b", 1, 1)));
    if (three)
        jobs.push_back(spawn(gives("c", 2, 2)));
    return jobs;
}

SCENARIO(as_they_end) {
    auto jobs = two_or_three(true);
    auto ends = evloop::as_completed(jobs);
    while (spawned<int> *job = co_await ends.next())
        note("main", co_await *job);
    note_time();
}

static task<int> value_of_next(evloop::completions<int> &ends) {
    spawned<int> *job = co_await ends.next();
    co_return co_await *job;
}

SCENARIO(as_they_end_for_some_time) {
    auto jobs = two_or_three(false);
    auto ends = evloop::as_completed(jobs, 5 * tick);
    co_await how("main", value_of_next(ends));
    co_await how("main", value_of_next(ends));
    note_time();
    note("main", jobs[0].done());
    for (auto &job : jobs)
        std::move(job).detach();
}

static task<> works(evloop::lock &lock, std::string name, int ticks) {
    auto guard = co_await lock.scoped();
    co_await nap(name, ticks);
}

SCENARIO(a_lock_is_served_in_order) {
    evloop::lock lock;
    auto jobs = spawn_all(works(lock, "a", 2), works(lock, "b", 2), works(lock, "c", 2));
    co_await rest(1);
    jobs[1].cancel();
    for (std::size_t i = 0; i < jobs.size(); i++)
        co_await how(std::string("job ") + "abc"[i], jobs[i]);
    note_time();
}

SCENARIO(a_holder_is_cancelled) {
    evloop::lock lock;
    auto jobs = spawn_all(works(lock, "a", 20), works(lock, "b", 20));
    co_await rest(1);
    jobs[0].cancel();
    for (auto &job : jobs)
        co_await how("job", job);
    note("lock", lock.held());
    note_time();
}

static task<> waits(evloop::event &event, std::string name) {
    co_await event.wait();
    note(name, "told");
}

SCENARIO(an_event_is_awaited) {
    evloop::event event;
    auto jobs = spawn_all(waits(event, "a"), waits(event, "b"), waits(event, "c"));
    co_await yield();
    jobs[0].cancel();
    event.set();
    event.clear();
    for (auto &job : jobs)
        co_await how("job", job);
}

static task<> works_with(evloop::semaphore &semaphore, std::string name, int ticks) {
    auto guard = co_await semaphore.scoped();
    co_await nap(name, ticks);
}

SCENARIO(a_semaphore_lets_two_in) {
    evloop::semaphore semaphore(2u);
    auto jobs = spawn_all(works_with(semaphore, "a", 3), works_with(semaphore, "b", 1),
                          works_with(semaphore, "c", 1), works_with(semaphore, "d", 1));
    for (auto &job : jobs)
        co_await job;
    note_time();
}

struct store {
    evloop::lock lock;
    evloop::condition condition{lock};
    std::vector<int> ready;
};

static task<> takes(store &from, std::string name) {
    auto guard = co_await from.lock.scoped();
    co_await from.condition.wait([&from] { return !from.ready.empty(); });
    note(name, "takes " + text(from.ready.back()));
    from.ready.pop_back();
}

SCENARIO(a_condition_is_awaited) {
    store items;
    auto jobs = spawn_all(takes(items, "a"), takes(items, "b"));
    for (int item : {1, 2}) {
        co_await rest(1);
        auto guard = co_await items.lock.scoped();
        items.ready.push_back(item);
        items.condition.notify_all();
    }
    for (auto &job : jobs)
        co_await how("job", job);
}

static task<> produces(evloop::queue<int> &queue, std::string name, int first) {
    for (int item = first; item < first + 3; item++) {
        co_await queue.put(item);
        note(name, "put " + text(item));
        co_await rest(2);
    }
}

static task<> consumes(evloop::queue<int> &queue) {
    for (;;) {
        const int item = co_await queue.get();
        note("consumer", item);
        co_await rest(1);
        queue.task_done();
    }
}

SCENARIO(producers_and_consumers) {
    evloop::queue<int> queue(2u);
    auto consumer = spawn(consumes(queue));
    auto producers = spawn_all(produces(queue, "p", 10), produces(queue, "q", 20));
    for (auto &producer : producers)
        co_await producer;
    co_await queue.join();
    note("main", "joined");
    consumer.cancel();
    co_await how("consumer", consumer);
    note_time();
}

static task<int> gets(evloop::queue<int> &queue) { co_return co_await queue.get(); }

SCENARIO(a_getter_times_out) {
    evloop::queue<int> queue;
    co_await how("main", within(3, gets(queue)));
    queue.try_put(5);
    co_await how("main", within(3, gets(queue)));
    note_time();
}

static task<> arrives(evloop::barrier &barrier, std::string name, int ticks) {
    co_await nap(name, ticks);
    const auto place = co_await barrier.wait();
    note(name, "place " + text(static_cast<int>(place)));
}

SCENARIO(a_barrier_opens) {
    evloop::barrier barrier(3);
    auto jobs = spawn_all(arrives(barrier, "a", 3), arrives(barrier, "b", 1), arrives(barrier, "c", 2));
    for (auto &job : jobs)
        co_await job;
}
