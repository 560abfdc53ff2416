// cases.cpp - what must not build, one piece at a time; nocompile.py says how.
#include <evloop.hpp>

#include <memory>

using namespace std::chrono_literals;
using evloop::task;

task<int> number() { co_return 1; }

struct alignas(64) aligned {
    int value = 0;
};

task<> program() {
    auto named = number();
    int value = co_await std::move(named);
    auto job = evloop::spawn(number());
    auto later = co_await as_result(job);
    auto slept = co_await as_result(evloop::sleep(1ms));
    auto other = evloop::spawn([](int n) -> task<int> { co_return n; }, value);
    std::move(other).detach();
    (void)later;
    (void)slept;

#if defined(CASE_discarded_task)
    // says: a task that is not awaited does nothing
    number();
#elif defined(CASE_discarded_handle)
    // says: the task goes with its handle
    evloop::spawn(number());
#elif defined(CASE_discarded_awaitable)
    // says: co_await it
    evloop::sleep(1ms);
#elif defined(CASE_stored_task)
    // says: deleted
    auto stored = number();
    value = co_await stored;
#elif defined(CASE_copied_task)
    // says: task
    auto original = number();
    auto copy = original;
#elif defined(CASE_generic_by_reference)
    // says: its arguments are copied: give the types
    evloop::spawn(
        [](auto &n) -> task<> {
            n++;
            co_return;
        },
        value)
        .detach();
#elif defined(CASE_copied_handle)
    // says: spawned
    auto handle = job;
    auto copy_of_it = handle;
    std::move(copy_of_it).detach();
#elif defined(CASE_fallible_sleep) // -fno-exceptions
    // says: this await may fail
    co_await evloop::sleep(1ms);
#elif defined(CASE_fallible_join)  // -fno-exceptions
    // says: this await may fail
    value = co_await job;
#elif defined(CASE_fallible_queue) // -fno-exceptions
    // says: this await may fail
    evloop::queue<int> queue(evloop::this_loop());
    value = co_await queue.get();
#elif defined(CASE_aligned_result)
    // says: coroutine frames are not aligned that strictly
    co_await []() -> task<aligned> { co_return aligned{}; }();
#elif defined(CASE_aligned_yield)
    // says: coroutine frames are not aligned that strictly
    []() -> evloop::generator<aligned> { co_yield aligned{}; }().next();
#elif defined(CASE_aligned_get)
    // says: coroutine frames are not aligned that strictly
    evloop::queue<aligned> queue(evloop::this_loop());
    (void)co_await queue.get();
#elif defined(CASE_aligned_put)
    // says: coroutine frames are not aligned that strictly
    evloop::queue<aligned> queue(evloop::this_loop());
    co_await queue.put(aligned{});
#elif defined(CASE_moved_temporary)
    // says: moved
    auto owner =
        evloop::spawn(evloop::moved([p = std::make_unique<int>(1)]() -> task<int> { co_return *p; }));
#elif defined(CASE_served_by_a_temporary)
    // GCC before 15 says: GCC before 15 breaks this
    evloop::server server = evloop::listen("127.0.0.1", 0);
    co_await server.serve([p = std::make_shared<int>(1)](evloop::stream) -> task<> { co_return; });
#elif defined(CASE_lent_by_a_temporary)
    // says: deleted
    co_await evloop::future<std::unique_ptr<int>>();
#elif defined(CASE_text_as_resolution)
    // says: const T value(
    evloop::future<int> future;
    future.resolve("text");
#endif
}
