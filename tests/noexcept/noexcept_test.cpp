// noexcept_test.cpp - the layer without exceptions and without RTTI: its own program, for GoogleTest has
// both. One other unit is compiled with exceptions, and its tasks run in the same loop.
#include "other.hpp"

#include <evloop.hpp>
#include <evloop/operation.hpp>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using evloop::result;
using evloop::task;

namespace {

int failures = 0;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                      \
            failures++;                                                                                      \
        }                                                                                                    \
    } while (false)

task<result<int>> halves(int n) {
    const auto slept = co_await as_result(evloop::sleep(1ms));
    if (!slept)
        co_return evloop::fail(slept.code());
    if (n % 2 != 0)
        co_return evloop::fail(EVL_EINVAL);
    co_return n / 2;
}

task<result<void>> sleeps(std::chrono::nanoseconds time) {
    co_return co_await as_result(evloop::sleep(time));
}

task<> sums(int &sum, int n) {
    sum += n;
    co_return;
}

task<> cancels() {
    auto job = evloop::spawn(sleeps(1h));
    const auto yielded = co_await as_result(evloop::yield());
    CHECK(yielded);
    CHECK(job.cancel());
    const auto end = co_await as_result(std::move(job)); // the task has seen it and has returned
    CHECK(end && end->code() == EVL_ECANCELED);

    auto never = evloop::spawn(sleeps(1h));
    never.cancel();
    const auto cancelled = co_await as_result(never);
    CHECK(cancelled.code() == EVL_ECANCELED);
}

task<> combines() {
    int sum = 0;
    const auto limited = co_await as_result(evloop::timeout(1ms, evloop::sleep(1h)));
    CHECK(limited.code() == EVL_ETIMEDOUT);
    const auto both = co_await as_result(evloop::gather(halves(4), halves(6)));
    CHECK(both && std::get<0>(*both) == 2 && std::get<1>(*both) == 3);
    const auto one_fails = co_await as_result(evloop::gather(halves(3), sleeps(1h)));
    CHECK(one_fails.code() == EVL_EINVAL);
    const auto group =
        co_await as_result(evloop::with_group([&](evloop::task_group &group) -> task<result<int>> {
            group.spawn(sums(sum, 1));
            group.spawn(sums(sum, 2));
            co_return 7;
        }));
    CHECK(group && *group == 7 && sum == 3);
    const auto failed =
        co_await as_result(evloop::with_group([&](evloop::task_group &group) -> task<result<void>> {
            group.spawn(halves(5));
            group.spawn(sleeps(1h));
            co_return result<void>();
        }));
    CHECK(failed.code() == EVL_EINVAL);
    const auto first = co_await as_result(evloop::when_any(sleeps(1h), halves(8)));
    CHECK(first && first->index == 1);
}

// What goes before or while it is waited on.
task<> outlives() {
    const auto cancelled =
        co_await as_result(evloop::with_group([](evloop::task_group &group) -> task<result<void>> {
            group.cancel();
            co_return co_await as_result(evloop::sleep(1h));
        }));
    CHECK(cancelled);
    const auto without =
        co_await as_result(evloop::with_group([](evloop::task_group &group) -> task<result<int>> {
            group.cancel();
            const auto slept = co_await as_result(evloop::sleep(1h));
            co_return evloop::fail(slept.code());
        }));
    CHECK(without.code() == EVL_ECANCELED);

    evloop::lock lock;
    std::optional<evloop::condition> condition(lock);
    auto job = evloop::spawn([](evloop::lock &lock, evloop::condition &condition) -> task<result<void>> {
        const auto guard = co_await as_result(lock.scoped());
        CHECK(guard);
        co_return co_await as_result(condition.wait([] { return false; }));
    }(lock, *condition));
    const auto yielded = co_await as_result(evloop::sleep(1ms));
    CHECK(yielded);
    condition.reset();
    const auto closed = co_await as_result(job);
    CHECK(closed && closed->code() == EVL_ECLOSED);

    std::vector<evloop::any_task> empty(1);
    const auto waited = co_await as_result(evloop::wait(empty, evloop::until::first_error));
    CHECK(waited && waited->done.size() == 1);
    evloop::future<std::string> reply;
    reply.resolve(50, 'x');
    const auto copied = co_await as_result(evloop::gather(std::move(reply)));
    CHECK(copied && std::get<0>(*copied) == std::string(50, 'x'));
}

void outlives_the_loop() {
    auto made = evloop::loop::make();
    evloop::operation op(*made, [] {});
    evloop::scope tasks(*made);
    auto job = tasks.spawn(sleeps(1h));
    (void)made->run_nowait();
    *made = std::move(*evloop::loop::make());
    CHECK(op.sleep(1s).code == EVL_ECLOSED);
    CHECK(job.cancel() && !job.done());
    evloop::loop moved = std::move(*made);
    CHECK(made->unhandled() == 0 && made->on_error([](std::int32_t) {}).code == EVL_EINVAL);
}

task<> meets() {
    evloop::queue<std::string> queue(evloop::this_loop(), 1);
    const auto put = co_await as_result(queue.put("x"));
    CHECK(put);
    const auto got = co_await as_result(queue.get());
    CHECK(got && *got == "x");
    evloop::lock lock(evloop::this_loop());
    {
        const auto guard = co_await as_result(lock.scoped());
        CHECK(guard && lock.held());
    }
    CHECK(!lock.held());
    evloop::condition condition(lock);
    const auto refused = co_await as_result(condition.wait());
    CHECK(refused.code() == EVL_EPERM);
    const auto job = co_await as_result(evloop::run_in_executor([](int n) { return n + 1; }, 1));
    CHECK(job && *job == 2);
    const auto bad = co_await as_result(evloop::readable(-1));
    CHECK(bad.code() == EVL_EBADF);
}

task<int> program() {
    const auto four = co_await halves(8); // a task is no fallible await: its value is a result
    CHECK(four && *four == 4);
    co_await cancels();
    co_await combines();
    co_await meets();
    co_await outlives();
    const auto other = co_await as_result(evloop::wait_future(start_other(evloop::this_loop())));
    CHECK(other && *other == 42);
    end_other();
    co_return failures;
}

} // namespace

int main() {
    outlives_the_loop();
    const result<int> outcome = evloop::run(program());
    CHECK(outcome);
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
