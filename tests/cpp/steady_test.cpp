// steady_test.cpp - what does not grow: allocations per await, the stack, memory.
#include "allocations.hpp"
#include "scale.hpp"
#include "tasks.hpp"

#include <malloc.h>
#include <pthread.h>
#include <thread>

using namespace support;

namespace {

// --- allocations ----------------------------------------------------------------------------------

task<int> child(int n) { co_return n + 1; }

task<> how_ends(evloop::spawned<> &job) {
    bool cancelled = false;
    try {
        co_await job;
    } catch (const evloop::cancelled &) {
        cancelled = true;
    }
    EXPECT_TRUE(cancelled);
}

// Everything that a program does over and over.
task<> round(evloop::lock &lock, evloop::queue<int> &queue, evloop::event &event) {
    int n = co_await child(1);
    co_await evloop::yield();
    co_await evloop::sleep(1us);
    n += co_await evloop::spawn(child(n));
    {
        auto guard = co_await lock.scoped();
        auto waits =
            evloop::spawn([](evloop::lock &lock) -> task<> { auto guard = co_await lock.scoped(); }(lock));
        co_await evloop::yield();
        guard.release();
        co_await waits;
    }
    auto gets = evloop::spawn([](evloop::queue<int> &queue) -> task<> { co_await queue.get(); }(queue));
    co_await evloop::yield();
    co_await queue.put(n);
    co_await gets;
    auto waits = evloop::spawn([](evloop::event &event) -> task<> { co_await event.wait(); }(event));
    co_await evloop::yield();
    event.set();
    co_await waits;
    event.clear();
    co_await evloop::timeout(1s, evloop::yield());
    const auto late = co_await as_result(evloop::sleep(1ns));
    EXPECT_TRUE(late);
    co_await evloop::with_group([&](evloop::task_group &group) -> task<> {
        group.spawn(sleeps(1us));
        group.spawn(sleeps(1us));
        co_return;
    });
    co_await evloop::gather(child(1), child(2), evloop::sleep(1us));
    co_await evloop::shield(child(1));
    auto cancels = evloop::spawn(sleeps(1h));
    co_await evloop::yield();
    cancels.cancel();
    co_await how_ends(cancels);
}

TEST(Steady, NoAwaitAllocatesAfterTheFirst) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::lock lock(w.loop);
        evloop::queue<int> queue(w.loop);
        evloop::event event(w.loop);
        for (int i = 0; i < 3; i++)
            co_await round(lock, queue, event);
        const std::uint64_t news = allocations(), calls = w.memory.calls();
        for (int i = 0; i < 10; i++)
            co_await round(lock, queue, event);
        EXPECT_EQ(allocations() - news, 0u);
        EXPECT_EQ(w.memory.calls() - calls, 0u);
    }(w));
}

TEST(Steady, AJobTakesOneAllocationOfItsOwn) {
    World w;
    run(w, [](World &w) -> task<> {
        for (int i = 0; i < 3; i++) {
            const std::uint64_t before = allocations(), calls = w.memory.calls();
            const int value = co_await evloop::run_in_executor([](int n) { return n; }, i);
            EXPECT_EQ(value, i);
            if (i > 0) { // the loop's memory notes each of its blocks in a map
                EXPECT_EQ(allocations() - before, 1 + (w.memory.calls() - calls));
            }
        }
    }(w));
}

// --- the stack ------------------------------------------------------------------------------------

// Runs on a thread with a small stack. What recursed would not survive it.
void on_small_stack(void (*body)()) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, slow() ? 512 * 1024 : 128 * 1024);
    pthread_t thread;
    ASSERT_EQ(pthread_create(
                  &thread, &attributes,
                  [](void *arg) -> void * {
                      reinterpret_cast<void (*)()>(arg)();
                      return nullptr;
                  },
                  reinterpret_cast<void *>(body)),
              0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}

task<> fails_at_once() {
    throw Error("x");
    co_return;
}

TEST(Steady, AMillionCallsThatDoNotSuspendDoNotGrowTheStack) {
    on_small_stack([] {
        World w;
        run(w, []() -> task<> {
            int n = 0;
            for (std::int64_t i = scaled(1'000'000); i > 0; i--)
                n = co_await child(n) - n;
            EXPECT_EQ(n, 1);
            for (std::int64_t i = scaled(100'000); i > 0; i--) {
                const std::string end = co_await how(fails_at_once());
                EXPECT_EQ(end, "x");
            }
        }());
    });
}

task<int> deep(int n, World &w, evloop::event &event) {
    if (n == 0) {
        w.note("bottom");
        co_await event.wait();
        co_return 0;
    }
    const int below = co_await deep(n - 1, w, event);
    co_return below + 1;
}

constexpr int depth = 100'000;

TEST(Steady, ADeepChainReturns) {
    on_small_stack([] {
        World w;
        const int value = run(w, [](World &w) -> task<int> {
            evloop::event event(w.loop);
            auto job = evloop::spawn(deep(depth, w, event));
            co_await evloop::yield();
            event.set();
            co_return co_await std::move(job);
        }(w));
        EXPECT_EQ(value, depth);
    });
}

TEST(Steady, ADeepChainIsDestroyedAtOnce) {
    on_small_stack([] {
        World w;
        run(w, [](World &w) -> task<> {
            evloop::event event(w.loop);
            auto job = evloop::spawn(deep(depth, w, event));
            co_await evloop::yield();
            EXPECT_EQ(w.log(), "bottom");
            job = {};
        }(w));
    });
}

TEST(Steady, ADeepChainIsCancelled) {
    on_small_stack([] {
        World w;
        run(w, [](World &w) -> task<> {
            evloop::event event(w.loop);
            auto job = evloop::spawn(deep(slow() ? 5'000 : 20'000, w, event));
            co_await evloop::yield();
            job.cancel();
            const std::string end = co_await how_of(job);
            EXPECT_EQ(end, "cancelled");
        }(w));
    });
}

// --- memory ---------------------------------------------------------------------------------------

std::size_t in_use() {
    evloop::trim_frames();
    return mallinfo2().uordblks;
}

TEST(Steady, AHundredThousandCancelledTasksLeaveNothing) {
    World w;
    run(w, [](World &w) -> task<> {
        const std::int64_t n = scaled(100'000);
        int ended = 0;
        {
            evloop::event event(w.loop);
            std::vector<evloop::spawned<>> jobs;
            for (std::int64_t i = 0; i < n; i++)
                jobs.push_back(evloop::spawn([](evloop::event &event, int &ended) -> task<> {
                    struct Count {
                        int &ended;
                        ~Count() { ended++; }
                    } count{ended};
                    co_await event.wait();
                }(event, ended)));
            co_await evloop::yield();
            for (auto &job : jobs)
                job.cancel();
            co_await evloop::wait(jobs);
            EXPECT_EQ(ended, n);
        }
    }(w));
}

TEST(Steady, AMillionTasksLeaveNoMemory) {
    World w;
    run(w, []() -> task<> {
        std::size_t before = 0;
        for (std::int64_t n : {1000L, static_cast<long>(scaled(1'000'000))}) {
            before = in_use();
            for (std::int64_t i = 0; i < n; i++) {
                evloop::spawn(sleeps(0ns)).detach();
                if (i % 1000 == 999)
                    co_await evloop::sleep(1us);
            }
            co_await evloop::sleep(1us);
        }
        if (!slow()) { // sanitizers have an allocator of their own
            EXPECT_LE(in_use(), before + 64 * 1024);
        }
    }());
}

void frames_everywhere() {
    task<int> early = child(1); // before there is a loop
    evloop::spawned<> late;
    {
        World w;
        evloop::scope scope(w.loop);
        late = scope.spawn(sleeps(1h));
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
        std::thread([moved = std::move(early)] {
            task<int> made_here = child(2);
            evloop::trim_frames();
        }).join();
    }
    late = {}; // after its loop and its scope
}

TEST(Steady, FramesAreFreedOnWhateverThreadAndWhenever) {
    frames_everywhere(); // what the C library keeps for threads
    const std::size_t before = in_use();
    for (int i = 0; i < 100; i++)
        frames_everywhere();
    EXPECT_LT(in_use(), before + 100 * sizeof(evloop::detail::task_state));
}

} // namespace
