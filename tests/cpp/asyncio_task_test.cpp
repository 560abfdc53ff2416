// asyncio_task_test.cpp - tasks as asyncio has them; the numbers are those of docs/asyncio-cpp.md.
#include "tasks.hpp"

#include <evloop/dump.hpp>

#include <cmath>
#include <limits>
#include <type_traits>

using namespace support;

namespace {

TEST(Asyncio, Asyncio_052_TheFirstStepIsQueued) {
    World w;
    run(w, [](World &w) -> task<> {
        auto job = evloop::spawn(sleeps_named(w, "a", 0ns));
        w.note("spawned");
        co_await job;
    }(w));
    EXPECT_EQ(w.log(), "spawned a a.");
}

TEST(Asyncio, Asyncio_053_ATaskWaitsOrIsQueuedOrRuns) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::event event(w.loop);
        auto job = evloop::spawn([](World &w, evloop::event &event) -> task<> {
            w.note(evloop::dump().find("running") != std::string::npos ? "running" : "?");
            co_await event.wait();
        }(w, event));
        w.note(evloop::dump().find("not started") != std::string::npos ? "queued" : "?");
        co_await evloop::yield();
        w.note(evloop::dump().find("waits: event") != std::string::npos ? "waiting" : "?");
        event.set();
        EXPECT_FALSE(job.done());
        co_await job;
        EXPECT_TRUE(job.done());
    }(w));
    EXPECT_EQ(w.log(), "queued running waiting");
}

task<> counts(World &w, std::string name, int n) {
    for (int i = 0; i < n; i++) {
        w.note(name + std::to_string(i));
        co_await evloop::yield();
    }
}

TEST(Asyncio, Asyncio_054_AYieldRunsAgainInTheNextPass) {
    World w;
    run(w, [](World &w) -> task<> { co_await evloop::gather(counts(w, "a", 3), counts(w, "b", 3)); }(w));
    EXPECT_EQ(w.log(), "a0 b0 a1 b1 a2 b2");
}

TEST(Asyncio, Asyncio_055_AWakeUpIsOneHop) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::future<> done(w.loop);
        auto job = evloop::spawn([](World &w, evloop::future<> done) -> task<> {
            co_await done;
            w.note("woken");
        }(w, done));
        co_await evloop::yield();
        done.resolve();
        w.call_inside(w.says("next"));
        w.note("resolved");
        co_await job;
    }(w));
    EXPECT_EQ(w.log(), "resolved woken next");
}

TEST(Asyncio, Asyncio_056_CancelGoesToWhatIsAwaited) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::future<int> accepts(w.loop), done(w.loop);
        auto waits = evloop::spawn([](evloop::future<int> future) -> task<> { co_await future; }(accepts));
        auto late = evloop::spawn([](evloop::future<int> future) -> task<> { co_await future; }(done));
        co_await evloop::yield();
        EXPECT_TRUE(waits.cancel());
        EXPECT_EQ(evl_future_state(accepts.c()), EVL_FUTURE_CANCELLED); // at once
        done.resolve(7);
        EXPECT_TRUE(late.cancel()); // what it waits for is done: the next step is cancelled
        const std::string one = co_await how_of(waits), two = co_await how_of(late);
        EXPECT_EQ(one, "cancelled");
        EXPECT_EQ(two, "cancelled");
        EXPECT_EQ(evl_future_state(done.c()), EVL_FUTURE_VALUE);
        EXPECT_FALSE(waits.cancel()); // it has ended
        EXPECT_EQ(waits.cancelling(), 1u);
    }(w));
}

TEST(Asyncio, Asyncio_057_CancelledBeforeTheFirstStepTheBodyNeverRuns) {
    World w;
    run(w, [](World &w) -> task<> {
        auto job = evloop::spawn(sleeps_named(w, "body", 0ns));
        EXPECT_TRUE(job.cancel());
        EXPECT_FALSE(job.done());
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");
    }(w));
    EXPECT_EQ(w.log(), "");
}

task<> cancels_itself_then(task<> next) {
    evloop::this_task().cancel();
    co_await std::move(next);
}

TEST(Asyncio, Asyncio_058_WhoCancelsItselfIsCancelledAtTheNextAwaitThroughTasks) {
    World w;
    run(w, [](World &w) -> task<> {
        auto direct = evloop::spawn(cancels_itself_then(sleeps_named(w, "a", 1s)));
        const std::string one = co_await how_of(direct);
        EXPECT_EQ(one, "cancelled");
        evloop::spawned<> inner;
        auto outer = evloop::spawn([](World &w, evloop::spawned<> &inner) -> task<> {
            inner = evloop::spawn(sleeps_named(w, "b", 1s));
            co_await evloop::yield();
            evloop::this_task().cancel();
            co_await inner;
        }(w, inner));
        const std::string two = co_await how_of(outer);
        EXPECT_EQ(two, "cancelled");
        EXPECT_TRUE(inner.is_cancelled());
    }(w));
    EXPECT_EQ(w.log(), "a a! b b!");
}

TEST(Asyncio, Asyncio_059_WhoCancelsItselfAndReturnsEndsCancelled) {
    World w;
    run(w, []() -> task<> {
        auto job = evloop::spawn([]() -> task<int> {
            evloop::this_task().cancel();
            co_return 5;
        }());
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");
        EXPECT_TRUE(job.is_cancelled());
    }());
}

TEST(Asyncio, Asyncio_060_ACancellationMayBeSwallowedAndIsDeliveredOnce) {
    World w;
    run(w, [](World &w) -> task<> {
        auto job = evloop::spawn([](World &w) -> task<int> {
            try {
                co_await evloop::sleep(1s);
            } catch (const evloop::cancelled &) {
                w.note("swallowed");
            }
            co_await evloop::sleep(1s); // not cancelled again
            co_return 6;
        }(w));
        co_await evloop::yield();
        job.cancel();
        const int value = co_await job;
        EXPECT_EQ(value, 6);
    }(w));
    EXPECT_EQ(w.log(), "swallowed");
}

TEST(Asyncio, Asyncio_061_EveryCancelOfALiveTaskIsTrueAndCancelsAgain) {
    World w;
    run(w, [](World &w) -> task<> {
        auto job = evloop::spawn([](World &w) -> task<> {
            for (int i = 0; i < 3; i++) {
                try {
                    co_await evloop::sleep(1s);
                } catch (const evloop::cancelled &) {
                    w.note(std::to_string(evloop::this_task().cancelling()));
                }
            }
        }(w));
        co_await evloop::yield();
        for (unsigned i = 1; i <= 3; i++) {
            EXPECT_TRUE(job.cancel());
            EXPECT_EQ(job.cancelling(), i);
            co_await evloop::yield();
        }
        co_await job;
    }(w));
    EXPECT_EQ(w.log(), "1 2 3");
}

TEST(Asyncio, Asyncio_062_UncancelHasAFloorAndTakesBackWhatWasNotDelivered) {
    World w;
    run(w, [](World &w) -> task<> {
        const evloop::any_task self = evloop::this_task();
        EXPECT_EQ(self.uncancel(), 0u);
        self.cancel();
        self.cancel();
        EXPECT_EQ(self.uncancel(), 1u);
        EXPECT_EQ(self.uncancel(), 0u);
        co_await evloop::sleep(1ms); // nothing is left of it

        evloop::event event(w.loop);
        auto job = evloop::spawn([](evloop::event &event) -> task<int> {
            co_await event.wait();
            co_return 7;
        }(event));
        co_await evloop::yield();
        event.set();
        job.cancel(); // too late for the event: it would be delivered by the next step
        job.uncancel();
        const int value = co_await job;
        EXPECT_EQ(value, 7);

        auto sleeper = evloop::spawn(sleeps(1s));
        co_await evloop::yield();
        sleeper.cancel(); // the sleep has been told: this cannot be taken back
        sleeper.uncancel();
        const std::string end = co_await how_of(sleeper);
        EXPECT_EQ(end, "cancelled");
    }(w));
}

// The value stays what it was, whatever becomes of what was awaited: nothing is waited for again.
TEST(Tasks, ACancellationThatIsTakenBackWaitsForNothingAgain) {
    World w;
    run(w, [](World &w) -> task<> {
        auto event = std::make_unique<evloop::event>(w.loop);
        auto waits = evloop::spawn([](evloop::event &event) -> task<int> {
            co_await event.wait();
            co_return 7;
        }(*event));
        auto queue = std::make_unique<evloop::queue<int>>(w.loop);
        auto gets = evloop::spawn(
            [](evloop::queue<int> &queue) -> task<int> { co_return co_await queue.get(); }(*queue));
        auto kept = std::make_unique<evloop::queue<int>>(w.loop);
        auto takes = evloop::spawn(
            [](evloop::queue<int> &queue) -> task<int> { co_return co_await queue.get(); }(*kept));
        co_await evloop::yield();
        event->set();
        EXPECT_EQ(queue->try_put(1), 0);
        EXPECT_EQ(kept->try_put(2), 0);
        for (const evloop::any_task &job :
             {evloop::any_task(waits), evloop::any_task(gets), evloop::any_task(takes)}) {
            EXPECT_TRUE(job.cancel());
            EXPECT_TRUE(job.cancel());
            EXPECT_EQ(job.uncancel(), 1u);
        }
        event.reset();
        queue.reset();
        for (const evloop::any_task &job :
             {evloop::any_task(waits), evloop::any_task(gets), evloop::any_task(takes)})
            EXPECT_EQ(job.uncancel(), 0u);
        const int waited = co_await waits;
        EXPECT_EQ(waited, 7);
        const std::string got = co_await how_of(gets);
        EXPECT_EQ(got, evl_strerror(EVL_ECLOSED));
        const int taken = co_await takes;
        EXPECT_EQ(taken, 2);
    }(w));
}

// And what it does not take goes to the next when the cancellation is delivered.
TEST(Tasks, ACancellationThatComesTooLateHandsOn) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::lock lock(w.loop);
        EXPECT_TRUE(lock.try_acquire());
        const auto acquires = [](evloop::lock &lock) -> task<> { auto guard = co_await lock.scoped(); };
        auto first = evloop::spawn(acquires, lock);
        auto second = evloop::spawn(acquires, lock);
        co_await evloop::yield();
        (void)lock.release();
        first.cancel();
        const std::string end = co_await how_of(first);
        EXPECT_EQ(end, "cancelled");
        co_await second;
        EXPECT_FALSE(lock.held());
    }(w));
}

TEST(Asyncio, Asyncio_063_CancellationIsNoOrdinaryException) {
    static_assert(!std::is_base_of_v<std::exception, evloop::cancelled>);
    World w;
    run(w, [](World &w) -> task<> {
        auto job = evloop::spawn([](World &w) -> task<> {
            try {
                co_await evloop::sleep(1s);
            } catch (const std::exception &) {
                w.note("wrong");
            }
        }(w));
        co_await evloop::yield();
        job.cancel();
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");
    }(w));
    EXPECT_EQ(w.log(), "");
}

template <class Job>
concept can_be_set = requires(Job job) { job.resolve(1); } || requires(Job job) { job.set_result(1); } ||
                     requires(Job job) { job.fail(-1); };

TEST(Asyncio, Asyncio_064_AResultCannotBeSetFromOutside) {
    static_assert(!can_be_set<evloop::spawned<int>> && can_be_set<evloop::future<int>>);
}

TEST(Asyncio, Asyncio_065_AwaitingItselfIsAnError) {
    World w;
    run(w, []() -> task<> {
        evloop::spawned<> job;
        job = evloop::spawn([](evloop::spawned<> &self) -> task<> { co_await self; }(job));
        const auto end = co_await as_result(job);
        EXPECT_EQ(end.code(), EVL_EDEADLK);
    }());
}

TEST(Asyncio, Asyncio_066_ADetachedTaskIsOwnedAndOneDestroyedIsGone) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::spawn(sleeps_named(w, "detached", 2ms)).detach();
        {
            auto job = evloop::spawn(sleeps_named(w, "owned", 1s));
            co_await evloop::yield();
        }
        w.note("left");
        co_await evloop::sleep(10ms);
    }(w));
    EXPECT_EQ(w.log(), "detached owned owned! left detached.");
}

TEST(Asyncio, Asyncio_067_TheCurrentTaskNests) {
    World w;
    EXPECT_FALSE(evloop::this_task());
    run(w, []() -> task<> {
        const evloop::any_task outer = evloop::this_task();
        auto job = evloop::spawn(
            [](evloop::any_task outer) -> task<> {
                const evloop::any_task inner = evloop::this_task();
                EXPECT_NE(inner, outer);
                auto third = evloop::spawn(sleeps(0ns), evloop::begin::now);
                EXPECT_EQ(evloop::this_task(), inner);
                co_await third;
                EXPECT_EQ(evloop::this_task(), inner);
            }(outer),
            evloop::begin::now);
        EXPECT_EQ(evloop::this_task(), outer);
        co_await job;
        EXPECT_EQ(evloop::this_task(), outer);
    }());
    EXPECT_FALSE(evloop::this_task());
}

TEST(Asyncio, Asyncio_068_AnEagerTaskRunsItsFirstStepInSpawn) {
    World w;
    run(w, [](World &w) -> task<> {
        auto at_once = evloop::spawn(
            [](World &w) -> task<int> {
                w.note("first");
                co_return 1;
            }(w),
            evloop::begin::now);
        w.note("spawned");
        EXPECT_TRUE(at_once.done());
        EXPECT_FALSE(at_once.cancel());
        const int value = co_await at_once;
        EXPECT_EQ(value, 1);

        auto waits = evloop::spawn(sleeps_named(w, "second", 1ms), evloop::begin::now);
        EXPECT_FALSE(waits.done());
        co_await waits;

        auto fails = evloop::spawn(
            []() -> task<> {
                throw Error("at once");
                co_return;
            }(),
            evloop::begin::now);
        const std::string end = co_await how_of(fails);
        EXPECT_EQ(end, "at once");
    }(w));
    EXPECT_EQ(w.log(), "first spawned second second.");
}

TEST(Asyncio, Asyncio_069_ExceptionsAreKeptForWhoeverAwaits) {
    World w;
    run(w, []() -> task<> {
        auto job = evloop::spawn(throws("kept"));
        for (int i = 0; i < 2; i++) {
            const std::string end = co_await how_of(job);
            EXPECT_EQ(end, "kept");
        }
        EXPECT_FALSE(job.is_cancelled());
    }());
}

TEST(Asyncio, Asyncio_070_SleepingForNothingIsAYield) {
    World w;
    run(w, [](World &w) -> task<> {
        const std::int64_t before = evl_time(w.loop);
        co_await evloop::gather(counts(w, "a", 2), [](World &w) -> task<> {
            for (auto time : {0ns, -5ns}) {
                w.note("sleep");
                co_await evloop::sleep(time);
            }
        }(w));
        EXPECT_EQ(evl_time(w.loop), before);
        const auto nan = std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN());
        const auto end = co_await as_result(evloop::sleep(nan));
        EXPECT_EQ(end.code(), EVL_EINVAL);

        auto job = evloop::spawn(sleeps(1h));
        co_await evloop::yield();
        job.cancel();
        co_await how_of(job);
        EXPECT_EQ(evl_time(w.loop), before); // its timer is gone
    }(w));
    EXPECT_EQ(w.log(), "a0 sleep a1 sleep");
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

} // namespace
