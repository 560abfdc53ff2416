// sync_test.cpp - what tasks meet at: locks, events, conditions, barriers, queues, futures, jobs, fds,
// signals; and run itself.
#include "fds.hpp"
#include "tasks.hpp"

#include <csignal>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

task<> holds(World &w, evloop::lock &lock, std::string name) {
    auto guard = co_await lock.scoped();
    Trace trace(w, name);
    co_await evloop::sleep(1ms);
    trace.done();
}

TEST(Sync, ALockIsHeldByOneAtATimeInOrder) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::lock lock;
        co_await evloop::gather(holds(w, lock, "a"), holds(w, lock, "b"), holds(w, lock, "c"));
        EXPECT_FALSE(lock.held());
        EXPECT_EQ(lock.release(), EVL_EPERM);
        auto moved = co_await lock.scoped();
        auto guard = std::move(moved);
        EXPECT_TRUE(lock.held());
        guard.release();
        EXPECT_FALSE(lock.held());
    }(w));
    EXPECT_EQ(w.log(), "a a. b b. c c.");
}

TEST(Sync, ASemaphoreLetsInAsManyAsItHas) {
    World w;
    run(w, []() -> task<> {
        evloop::semaphore none(0), semaphore(2, 2);
        EXPECT_FALSE(none.try_acquire());
        int inside = 0, most = 0;
        const auto enters = [](evloop::semaphore &semaphore, int &inside, int &most) -> task<> {
            auto guard = co_await semaphore.scoped();
            most = std::max(most, ++inside);
            co_await evloop::sleep(1ms);
            inside--;
        };
        std::vector<task<>> tasks;
        for (int i = 0; i < 5; i++)
            tasks.push_back(enters(semaphore, inside, most));
        co_await evloop::gather(std::move(tasks));
        EXPECT_EQ(most, 2);
        EXPECT_EQ(semaphore.value(), 2u);
        EXPECT_EQ(semaphore.release(), EVL_ERANGE);
    }());
}

TEST(Sync, AConditionHasItsLockAgainAlsoWhenItIsCancelled) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::lock lock;
        evloop::condition condition(lock);
        bool ready = false;
        const auto refused = co_await as_result(condition.wait());
        EXPECT_EQ(refused.code(), EVL_EPERM);
        auto waits = evloop::spawn(
            [](World &w, evloop::lock &lock, evloop::condition &condition, bool &ready) -> task<> {
                auto guard = co_await lock.scoped();
                co_await condition.wait([&] { return ready; });
                w.note("ready");
            }(w, lock, condition, ready));
        auto cancelled =
            evloop::spawn([](World &w, evloop::lock &lock, evloop::condition &condition) -> task<> {
                auto guard = co_await lock.scoped();
                try {
                    co_await condition.wait();
                } catch (const evloop::cancelled &) {
                    w.note(lock.held() ? "held" : "wrong");
                    throw;
                }
            }(w, lock, condition));
        co_await evloop::sleep(1ms);
        {
            auto guard = co_await lock.scoped();
            cancelled.cancel(); // has to wait for the lock
            co_await evloop::sleep(1ms);
            EXPECT_FALSE(cancelled.done());
            cancelled.cancel(); // and is not stopped by another
            co_await evloop::sleep(1ms);
            EXPECT_FALSE(cancelled.done());
        }
        const std::string end = co_await how_of(cancelled);
        EXPECT_EQ(end, "cancelled");
        {
            auto guard = co_await lock.scoped();
            condition.notify_all();
            ready = true;
        }
        co_await waits;
        EXPECT_FALSE(lock.held());
    }(w));
    EXPECT_EQ(w.log(), "held ready");
}

TEST(Sync, ABarrierLetsGoWhenAllHaveCome) {
    World w;
    run(w, []() -> task<> {
        evloop::barrier barrier(3);
        auto [a, b, c] = co_await evloop::gather(barrier.wait(), barrier.wait(), barrier.wait());
        EXPECT_EQ(a + b + c, 3u);
        auto waits =
            evloop::spawn([](evloop::barrier &barrier) -> task<> { co_await barrier.wait(); }(barrier));
        co_await evloop::yield();
        barrier.abort();
        const auto end = co_await as_result(waits);
        EXPECT_EQ(end.code(), EVL_EBROKEN);
        EXPECT_TRUE(barrier.broken());
        barrier.reset();
        EXPECT_FALSE(barrier.broken());
    }());
}

TEST(Sync, AQueueConnectsProducersAndConsumers) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::queue<std::unique_ptr<int>> queue(2);
        auto produces = evloop::spawn([](evloop::queue<std::unique_ptr<int>> &queue) -> task<> {
            for (int i = 0; i < 5; i++)
                co_await queue.put(std::make_unique<int>(i));
            co_await queue.join();
            queue.shutdown();
        }(queue));
        for (bool more = true; more;) {
            auto item = co_await as_result(queue.get());
            more = item.has_value();
            w.note(more ? std::to_string(**item) : evl_err_name(item.code()));
            if (more) {
                EXPECT_EQ(queue.task_done(), 0);
            }
        }
        co_await produces;
        EXPECT_EQ(queue.try_put(std::make_unique<int>(1)), EVL_ESHUTDOWN);
        const auto late = co_await as_result(queue.put(std::make_unique<int>(1)));
        EXPECT_EQ(late.code(), EVL_ESHUTDOWN);
        EXPECT_EQ(queue.task_done(), EVL_ERANGE);

        evloop::queue<std::string> ordered(0, evloop::order::priority), unlimited(0);
        EXPECT_EQ(unlimited.size(), 0u);
        co_await ordered.put("b", 2);
        co_await ordered.put("a", 1);
        const std::string first = co_await ordered.get();
        EXPECT_EQ(first, "a");
        EXPECT_EQ(ordered.size(), 1u); // what is left goes with it
        const auto second = ordered.try_get(), none = ordered.try_get();
        EXPECT_EQ(*second, "b");
        EXPECT_EQ(none.code(), EVL_EAGAIN);
    }(w));
    EXPECT_EQ(w.log(), "0 1 2 3 4 EVL_ESHUTDOWN");
}

TEST(Sync, AQueueDropsWhatIsLeft) {
    World w;
    run(w, []() -> task<> {
        auto counted = std::make_shared<int>(1);
        {
            evloop::queue<std::shared_ptr<int>> queue(1);
            EXPECT_EQ(queue.try_put(counted), 0);
            EXPECT_EQ(queue.try_put(counted), EVL_EAGAIN);
            auto waits = evloop::spawn(
                [](auto &queue, auto item) -> task<> { co_await queue.put(item); }(queue, counted));
            co_await evloop::yield();
            EXPECT_EQ(counted.use_count(), 4);
            queue.shutdown(true);
            const auto end = co_await as_result(waits);
            EXPECT_EQ(end.code(), EVL_ESHUTDOWN);
        }
        EXPECT_EQ(counted.use_count(), 1);
    }());
}

TEST(Sync, AFutureIsAwaitedByMany) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::future<std::string> text;
        evloop::future<int> number;
        const auto reads = [](World &w, evloop::future<std::string> text) -> task<> {
            const std::string &value = co_await text;
            w.note(value);
        };
        auto a = evloop::spawn(reads(w, text)), b = evloop::spawn(reads(w, text));
        co_await evloop::yield();
        EXPECT_EQ(text.resolve(3, 'x'), 0); // made in place
        EXPECT_EQ(text.resolve("late"), EVL_EALREADY);
        co_await evloop::gather(a, b);
        number.fail(EVL_EPIPE);
        const auto failed = co_await as_result(number);
        EXPECT_EQ(failed.code(), EVL_EPIPE);
        evloop::future<> cancelled;
        cancelled.cancel();
        const std::string end = co_await how<evloop::future<> &>(cancelled);
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);
    }(w));
    EXPECT_EQ(w.log(), "xxx xxx");
}

TEST(Sync, AFutureIsGivenItsValueFromAnotherThread) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        evloop::future<std::string> text;
        std::thread thread([text]() mutable { text.post("a text that is too long to be stored in place"); });
        const std::string &value = co_await text;
        EXPECT_EQ(value.size(), 45u);
        thread.join();
    }());
}

struct Adder {
    int base;
    int add(int n) const { return base + n; }
};

TEST(Sync, AJobRunsOnAThreadAndItsResultOrExceptionComesBack) {
    World w;
    run(w, []() -> task<> {
        const auto here = std::this_thread::get_id();
        const auto there = co_await evloop::run_in_executor([] { return std::this_thread::get_id(); });
        EXPECT_NE(here, there);
        const int sum = co_await evloop::run_in_executor(&Adder::add, Adder{40}, 2);
        EXPECT_EQ(sum, 42);
        const auto moved = co_await evloop::run_in_executor([](std::unique_ptr<int> p) { return p; },
                                                            std::make_unique<int>(5));
        EXPECT_EQ(*moved, 5);
        const std::string end = co_await how(evloop::run_in_executor([] { throw Error("in the job"); }));
        EXPECT_EQ(end, "in the job");
        evloop::executor pool(evloop::this_loop(), 1, 0, "one");
        const int value = co_await evloop::run_in_executor(pool, [](int n) { return n; }, 3);
        EXPECT_EQ(value, 3);
        EXPECT_EQ(pool.close(), 0);
    }());
}

TEST(Sync, FdsAndSignalsAreAwaited) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        Pipe pipe;
        const std::uint32_t room = co_await evloop::writable(pipe.w);
        EXPECT_EQ(room, static_cast<std::uint32_t>(EVL_WRITE));
        EXPECT_EQ(::write(pipe.w, "x", 1), 1);
        const std::uint32_t data = co_await evloop::readable(pipe.r);
        EXPECT_TRUE(data & EVL_READ);
        auto waits =
            evloop::spawn([]() -> task<std::int64_t> { co_return co_await evloop::wait_signal(SIGUSR1); }());
        co_await evloop::yield();
        ::kill(::getpid(), SIGUSR1);
        const std::int64_t count = co_await waits;
        EXPECT_EQ(count, 1);
    }());
}

// --- run ------------------------------------------------------------------------------------------

TEST(Run, GivesTheResultAndVoidIsZero) {
    EXPECT_EQ(evloop::run(gives(5)), 5);
    EXPECT_EQ(evloop::run(sleeps(0ns)), 0);
    EXPECT_EQ(evloop::run(gives(std::make_unique<int>(6).get() != nullptr)), true);
    EXPECT_THROW(evloop::run(throws("main")), Error);
}

task<int &> refers(int &value) {
    co_await evloop::yield();
    co_return value;
}
struct MoveThrows {
    MoveThrows() = default;
    MoveThrows(MoveThrows &&) { throw Error("move"); }
};
task<MoveThrows> gives_what_throws() { co_return MoveThrows(); }

TEST(Run, ResultsMayBeReferencesOrMoveOnlyOrThrowWhenMoved) {
    World w;
    run(w, []() -> task<> {
        int value = 1;
        int &called = co_await refers(value);
        auto job = evloop::spawn(refers(value));
        int &joined = co_await job, &taken = co_await std::move(job);
        EXPECT_TRUE(&called == &value && &joined == &value && &taken == &value);
        auto moves =
            evloop::spawn([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); }());
        const auto moved = co_await std::move(moves);
        EXPECT_EQ(*moved, 3);
        const std::string direct = co_await how(gives_what_throws());
        auto throws_late = evloop::spawn(gives_what_throws());
        const std::string joins = co_await how_of(throws_late);
        EXPECT_EQ(direct + " " + joins, "move move");
    }());
}

TEST(Run, CancelsAndJoinsWhatIsLeft) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::spawn([](World &w) -> task<> {
            try {
                co_await evloop::sleep(1h);
            } catch (const evloop::cancelled &) {
                w.note("cleaning");
            }
            co_await evloop::sleep(1ms);
            w.note("clean");
        }(w))
            .detach();
        co_await evloop::yield();
        w.note("main ends");
    }(w));
    EXPECT_EQ(w.log(), "main ends cleaning clean");
}

TEST(Run, ReportsWhatNobodyAwaited) {
    World w;
    run(w, [](World &w) -> task<> { // when it happens, and the main task gives its value all the same
        evloop::spawn(throws("unheard")).detach();
        co_await evloop::sleep(1ms);
        EXPECT_EQ(evl_loop_error(w.loop), EVL_EUSER);
    }(w));
    run(w, []() -> task<> { // kept by a handle: reported when that goes, unless somebody looked
        auto seen = evloop::spawn(throws("seen"));
        co_await how_of(seen);
    }());
    EXPECT_EQ(evl_loop_error(w.loop), 0);
}

task<> cleans_up(World &w, int interrupts) {
    for (int i = 0; i < interrupts; i++) {
        ::kill(::getpid(), SIGINT);
        try {
            co_await evloop::sleep(1h);
        } catch (const evloop::cancelled &) {
            w.note("cleaned");
            if (i + 1 == interrupts)
                throw;
        }
    }
}

TEST(Run, Asyncio_151_AnInterruptCancelsTheMainTaskAndTheSecondEndsTheProgram) {
    World w;
    auto *before = std::signal(SIGINT, SIG_DFL); // a shell ignores it for what it starts in the background
    EXPECT_THROW(evloop::run_interruptible(w.loop, cleans_up(w, 1)), evloop::cancelled);
    EXPECT_EQ(w.log(), "cleaned");
    EXPECT_EQ(evloop::run_interruptible(w.loop, gives(3)), 3);
    EXPECT_EXIT(evloop::run_interruptible(cleans_up(w, 2)), ::testing::KilledBySignal(SIGINT), "");
    std::signal(SIGINT, before);
}

TEST(Run, SaysWhenNothingCanGoOn) {
    World w({.clock = EVL_CLOCK_MANUAL});
    try {
        run(w, sleeps(1s));
        ADD_FAILURE();
    } catch (const std::system_error &error) {
        EXPECT_EQ(error.code().value(), EVL_EDEADLK);
    }
    World stopped;
    const auto main = [](World &w) -> task<> {
        w.stop(0);
        co_await evloop::sleep(1h);
    };
    EXPECT_THROW(run(stopped, main(stopped)), evloop::cancelled);
    EXPECT_THROW(evloop::spawn(sleeps(0ns)).detach(), std::system_error); // outside of a task
}

TEST(Run, AProgramWithALoopOfItsOwnMakesAScope) {
    World w;
    {
        evloop::scope scope(w.loop);
        auto kept = scope.spawn(gives(5, 1ms));
        scope.spawn(sleeps_named(w, "detached", 2ms)).detach();
        scope.spawn(sleeps_named(w, "destroyed", 1h)).detach();
        EXPECT_EQ(scope.size(), 3u);
        evl_sleep(w.loop, w.op(w.says("tick")), 10 * ms);
        while (w.log().find("tick") == std::string::npos)
            evl_loop_run(w.loop, EVL_RUN_ONCE);
        EXPECT_TRUE(kept.done());
        EXPECT_EQ(scope.size(), 1u);
    }
    EXPECT_EQ(w.log(), "detached destroyed detached. tick destroyed!");
}

TEST(Sync, AConditionIsDestroyedOrMovedWhileItIsWaitedOn) {
    World w;
    run(w, []() -> task<> {
        evloop::lock lock;
        auto condition = std::make_unique<evloop::condition>(lock);
        bool ready = false;
        const auto waits = [](evloop::lock &lock, evloop::condition &condition, bool *ready) -> task<> {
            auto guard = co_await lock.scoped();
            if (ready)
                co_await condition.wait([ready] { return *ready; });
            else
                co_await condition.wait();
        };
        auto one = evloop::spawn(waits(lock, *condition, nullptr));
        auto two = evloop::spawn(waits(lock, *condition, &ready));
        co_await evloop::sleep(1ms);
        condition.reset();
        for (auto *job : {&one, &two}) {
            const auto end = co_await as_result(*job);
            EXPECT_EQ(end.code(), EVL_ECLOSED);
        }

        condition = std::make_unique<evloop::condition>(lock); // destroyed when it has been notified
        two = evloop::spawn(waits(lock, *condition, &ready));
        co_await evloop::sleep(1ms);
        {
            auto guard = co_await lock.scoped();
            (void)condition->notify_all();
            condition.reset();
        }
        const auto notified = co_await as_result(two);
        EXPECT_EQ(notified.code(), EVL_ECLOSED);

        evloop::condition first(lock);
        one = evloop::spawn(waits(lock, first, &ready));
        co_await evloop::sleep(1ms);
        evloop::condition second = std::move(first);
        for (int i = 0; i < 2; i++) {
            auto guard = co_await lock.scoped();
            ready = i == 1;
            EXPECT_EQ(second.notify_all(), 1);
            guard.release();
            co_await evloop::sleep(1ms);
        }
        co_await one;
    }());
}

// The lock goes with its condition, as members of one object do, at each point of a wait.
TEST(Sync, ALockIsDestroyedWhileItsConditionIsWaitedOn) {
    struct Both {
        evloop::lock lock;
        evloop::condition condition{lock};
    };
    enum { WAITING, NOTIFIED, GIVEN, CANCELLED, WAITING_FOR_THE_LOCK, POINTS };
    for (int point = 0; point < POINTS; point++) {
        SCOPED_TRACE(point);
        World w;
        run(w, [](int point) -> task<> {
            auto both = std::make_unique<Both>();
            auto job = evloop::spawn([](Both &both) -> task<> {
                co_await both.lock.acquire();
                co_await both.condition.wait();
            }(*both));
            co_await evloop::yield();
            EXPECT_FALSE(both->lock.held());
            if (point != WAITING && point != CANCELLED) {
                EXPECT_TRUE(both->lock.try_acquire());
            }
            if (point == NOTIFIED || point == GIVEN) {
                EXPECT_EQ(both->condition.notify(), 1);
            }
            if (point == GIVEN) {
                EXPECT_EQ(both->lock.release(), 0);
            }
            if (point == CANCELLED || point == WAITING_FOR_THE_LOCK)
                job.cancel();
            if (point == WAITING_FOR_THE_LOCK) {
                co_await evloop::yield();
                co_await evloop::yield();
                EXPECT_FALSE(job.done());
            }
            both.reset();
            const auto end = co_await evloop::as_outcome(job);
            EXPECT_EQ(end.code(), point < CANCELLED ? EVL_ECLOSED : EVL_ECANCELED);
        }(point));
    }
}

TEST(Sync, AConditionFollowsItsLock) {
    World w;
    run(w, []() -> task<> {
        auto first = std::make_unique<evloop::lock>();
        evloop::condition condition(*first);
        auto second = std::make_unique<evloop::lock>(std::move(*first));
        first.reset();
        const auto waits = [](evloop::lock &lock, evloop::condition &condition) -> task<> {
            co_await lock.acquire();
            co_await condition.wait();
        };
        EXPECT_EQ(condition.notify(), EVL_EPERM);
        EXPECT_TRUE(second->try_acquire());
        EXPECT_EQ(condition.notify(), 0);
        EXPECT_EQ(second->release(), 0);
        auto job = evloop::spawn(waits(*second, condition));
        co_await evloop::yield();
        evloop::lock third = std::move(*second);
        second.reset();
        job.cancel();
        const auto end = co_await evloop::as_outcome(job);
        EXPECT_EQ(end.code(), EVL_ECANCELED);
        EXPECT_TRUE(third.held()); // of the one that was cancelled, which has it again
    }());
    World other;
    run(other, []() -> task<> {
        auto lock = std::make_unique<evloop::lock>();
        evloop::condition one(*lock), two(*lock);
        two = std::move(one);
        lock.reset();
        const auto end = co_await evloop::as_result(two.wait());
        EXPECT_EQ(end.code(), EVL_ECLOSED);
        EXPECT_EQ(two.notify_all(), EVL_EPERM);
    }());
}

// A guard is held over a wait, and the lock goes with its condition.
TEST(Sync, AGuardOfALockThatHasGoneReleasesNothing) {
    struct Both {
        evloop::lock lock;
        evloop::condition condition{lock};
    };
    World w;
    run(w, []() -> task<> {
        auto both = std::make_unique<Both>();
        auto job = evloop::spawn([](Both &both) -> task<> {
            auto guard = co_await both.lock.scoped();
            co_await both.condition.wait();
        }(*both));
        co_await evloop::yield();
        both.reset();
        const auto end = co_await evloop::as_outcome(job);
        EXPECT_EQ(end.code(), EVL_ECLOSED);

        auto lock = std::make_unique<evloop::lock>();
        auto semaphore = std::make_unique<evloop::semaphore>();
        auto shared = std::make_unique<evloop::shared_mutex>(),
             alone = std::make_unique<evloop::shared_mutex>();
        auto one = co_await lock->scoped();
        auto two = co_await semaphore->scoped();
        auto three = co_await shared->scoped_shared();
        auto four = co_await alone->scoped();
        auto moved = std::move(four);
        lock.reset();
        semaphore.reset();
        shared.reset();
        alone.reset();
        three.release();
        four = std::move(moved);
    }());
}

TEST(Sync, AGuardFollowsItsLock) {
    World w;
    run(w, []() -> task<> {
        evloop::lock lock;
        evloop::semaphore semaphore;
        auto one = co_await lock.scoped();
        auto two = co_await semaphore.scoped();
        evloop::lock moved = std::move(lock);
        evloop::semaphore moved_too = std::move(semaphore);
        EXPECT_TRUE(moved.held());
        EXPECT_EQ(moved_too.value(), 0u);
        one.release();
        two.release();
        EXPECT_FALSE(moved.held());
        EXPECT_EQ(moved_too.value(), 1u);
    }());
}

// It goes while one waits for it, or when it has just been given to one.
TEST(Sync, AScopedWaitEndsWithItsOwner) {
    for (const bool given : {false, true}) {
        SCOPED_TRACE(given);
        World w;
        run(w, [](bool given) -> task<> {
            auto lock = std::make_unique<evloop::lock>();
            auto semaphore = std::make_unique<evloop::semaphore>(0);
            EXPECT_TRUE(lock->try_acquire());
            auto of_lock = evloop::spawn(
                [](evloop::lock &lock) -> task<> { auto guard = co_await lock.scoped(); }(*lock));
            auto of_semaphore = evloop::spawn([](evloop::semaphore &semaphore) -> task<> {
                auto guard = co_await semaphore.scoped();
            }(*semaphore));
            co_await evloop::yield();
            if (given) {
                EXPECT_EQ(lock->release(), 0);
                EXPECT_EQ(semaphore->release(), 0);
            }
            lock.reset();
            semaphore.reset();
            const auto one = co_await as_result(of_lock);
            const auto two = co_await as_result(of_semaphore);
            EXPECT_EQ(one.code(), EVL_ECLOSED);
            EXPECT_EQ(two.code(), EVL_ECLOSED);
        }(given));
    }
}

// --- a queue that is shut down with an exception --------------------------------------------------

TEST(Sync, AQueueIsShutDownWithAnException) {
    World w;
    run(w, []() -> task<> {
        auto queue = std::make_unique<evloop::queue<int>>(2);
        const auto gets = [](evloop::queue<int> &queue) -> task<int> {
            int sum = 0;
            for (;;)
                sum += co_await queue.get();
            co_return sum;
        };
        auto waits = evloop::spawn(gets(*queue));
        co_await evloop::yield();
        EXPECT_EQ(queue->try_put(1), 0);
        EXPECT_EQ(queue->try_put(2), 0);
        queue->shutdown(std::make_exception_ptr(Error("broken")));
        queue->shutdown(std::make_exception_ptr(Error("too late")));
        const std::string end = co_await how_of(waits);
        EXPECT_EQ(end, "broken") << "when everything has been got";
        EXPECT_EQ(queue->size(), 0u);
        const std::string later = co_await how(queue->get());
        EXPECT_EQ(later, "broken");
        const auto put = co_await as_result(queue->put(3));
        EXPECT_EQ(put.code(), EVL_ESHUTDOWN);

        evloop::queue<int> moved = std::move(*queue);
        const std::string after = co_await how(moved.get());
        EXPECT_EQ(after, "broken");

        queue = std::make_unique<evloop::queue<int>>(2); // one that waits, and it goes
        waits = evloop::spawn(gets(*queue));
        auto second = evloop::spawn(gets(*queue));
        co_await evloop::yield();
        waits.cancel();
        queue->shutdown(
            std::make_exception_ptr(std::system_error(std::make_error_code(std::errc::io_error))));
        queue.reset();
        const auto cancelled = co_await evloop::as_outcome(waits);
        EXPECT_TRUE(cancelled.is_cancelled());
        const auto closed = co_await as_result(second);
        EXPECT_EQ(closed.code(), EVL_ESHUTDOWN);
    }());
}

TEST(Sync, AQueueGivesTheNextUntilItEnds) {
    World w;
    run(w, []() -> task<> {
        const auto sums = [](evloop::queue<std::unique_ptr<int>> &queue) -> task<int> {
            int sum = 0;
            while (const auto item = co_await queue.next())
                sum += **item;
            co_return sum;
        };
        auto queue = std::make_unique<evloop::queue<std::unique_ptr<int>>>(1);
        auto job = evloop::spawn(sums(*queue));
        for (int i = 1; i <= 3; i++)
            co_await queue->put(std::make_unique<int>(i));
        queue->shutdown();
        const int sum = co_await job;
        EXPECT_EQ(sum, 6);
        const auto none = co_await queue->next();
        EXPECT_FALSE(none);

        evloop::queue<int> failed;
        EXPECT_EQ(failed.try_put(1), 0);
        EXPECT_EQ(failed.fail(0), EVL_EINVAL);
        EXPECT_EQ(failed.fail(EVL_EIO), 0);
        const auto last = co_await failed.next();
        EXPECT_EQ(last, 1);
        const auto end = co_await as_result(failed.next());
        EXPECT_EQ(end.code(), EVL_EIO);
        EXPECT_EQ(failed.try_get().code(), EVL_EIO);

        failed.shutdown(std::make_exception_ptr(Error("too late")));
        const auto still = co_await as_result(failed.next());
        EXPECT_EQ(still.code(), EVL_EIO);

        queue->shutdown(std::make_exception_ptr(Error("too late")));
        const auto still_none = co_await queue->next();
        EXPECT_FALSE(still_none) << "it had ended well";
        queue = std::make_unique<evloop::queue<std::unique_ptr<int>>>(1);
        queue->shutdown(std::make_exception_ptr(Error("broken")));
        const std::string broken = co_await how(queue->next());
        EXPECT_EQ(broken, "broken");

        queue = std::make_unique<evloop::queue<std::unique_ptr<int>>>(1);
        auto waits = evloop::spawn(sums(*queue));
        co_await evloop::yield();
        waits.cancel();
        const std::string cancelled = co_await how_of(waits);
        EXPECT_EQ(cancelled, "cancelled");
        waits = evloop::spawn(sums(*queue));
        co_await evloop::yield();
        queue.reset();
        const auto gone = co_await as_result(waits);
        EXPECT_EQ(gone.code(), EVL_ECLOSED);
    }());
}

} // namespace
