// loop_test.cpp - the loop as an object: calls, posts, errors nobody took, operations, holds.
#include "allocations.hpp"
#include "fds.hpp"
#include "tasks.hpp"

#include <evloop/operation.hpp>

#include <array>
#include <atomic>
#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;
using namespace support;

namespace {

static_assert(std::is_nothrow_move_constructible_v<evloop::loop> &&
              !std::is_copy_constructible_v<evloop::loop>);
static_assert(std::is_trivially_copyable_v<evloop::loop_ref> && sizeof(evloop::loop_ref) == sizeof(void *));
static_assert(std::is_convertible_v<evl_loop *, evloop::loop_ref>);
static_assert(!std::is_move_constructible_v<evloop::operation>);
static_assert(std::is_nothrow_move_constructible_v<evloop::hold> &&
              !std::is_copy_constructible_v<evloop::hold>);

struct Loop : testing::Test {
    evloop::loop loop{{.time = evloop::clock::jump}};
};

TEST_F(Loop, TakesItsOptions) {
    evloop::loop named({.backend = "select", .name = "mine"});
    EXPECT_STREQ(named.backend(), "select");
    EXPECT_EQ(evloop::loop::make({.backend = "none"}).error(), std::errc::not_supported);
    EXPECT_THROW(evloop::loop({.backend = "none"}), std::system_error);
    fail_allocation(1);
    EXPECT_EQ(evloop::loop::make().error(), std::errc::not_enough_memory);
}

TEST_F(Loop, IsMoved) {
    evl_loop *c = loop.c();
    evloop::loop other = std::move(loop);
    EXPECT_FALSE(loop);
    EXPECT_EQ(other.c(), c);
    loop = std::move(other);
    EXPECT_TRUE(loop);
    loop.call_soon([] { throw std::runtime_error("moved"); });
    loop.run();
    EXPECT_TRUE(loop.unhandled());
}

TEST_F(Loop, ClosesWhenNothingIsLeft) {
    loop.call_soon([] {});
    EXPECT_THROW(loop.close(), std::system_error);
    EXPECT_TRUE(loop);
    loop.run();
    loop.close();
    EXPECT_FALSE(loop);
}

TEST_F(Loop, RunAnswersTheArgumentOfStop) {
    loop.call_soon([this] { loop.stop(42); });
    EXPECT_TRUE(loop.alive());
    EXPECT_EQ(loop.run_forever(), 42);
    EXPECT_EQ(loop.run(), EVL_RUN_DONE);
    loop.call_soon([this] { EXPECT_THROW(loop.run(), std::system_error); });
    EXPECT_EQ(loop.run_once(), EVL_RUN_ALIVE - 1);
}

TEST_F(Loop, HasATimeOfItsOwn) {
    const evloop::time_point start = loop.now();
    loop.advance(3s);
    EXPECT_EQ(loop.time() - start, 3s);
    evloop::loop real;
    EXPECT_THROW(real.advance(1s), std::system_error);
}

TEST_F(Loop, CallsInOrderAndAfterTheCall) {
    std::string log;
    loop.call_soon([&] { log += "a"; });
    loop.call_soon([&log]() noexcept { log += "b"; });
    loop.call_soon([&, more = std::make_unique<std::string>("c")] { log += *more; });
    EXPECT_EQ(log, "");
    loop.run();
    EXPECT_EQ(log, "abc");
}

TEST_F(Loop, ACallOfOnePointerThatCannotThrowAllocatesNothing) {
    int calls = 0;
    loop.call_soon([&calls]() noexcept { calls++; }); // what the loop itself allocates is there now
    loop.run();
    EXPECT_EQ(allocations_of([&] { loop.call_soon([&calls]() noexcept { calls++; }); }), 0u);
    EXPECT_EQ(allocations_of([&] { loop.call_soon([] {}); }), 1u); // has to know whom to tell
    loop.run();
    EXPECT_EQ(calls, 2);
    fail_allocation(1);
    EXPECT_THROW(loop.call_soon([] {}), std::system_error);
}

TEST_F(Loop, DropsCallsThatDoNotRun) {
    auto alive = std::make_shared<int>(0);
    loop.call_soon([alive] { FAIL(); });
    EXPECT_EQ(alive.use_count(), 2);
    loop = evloop::loop();
    EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(Loop, PostsFromAnyThreadAndAfterItsEnd) {
    int calls = 0;
    evloop::poster poster(loop);
    {
        evloop::hold hold(loop);
        std::thread thread([&, hold = std::move(hold)]() mutable {
            poster.post([&] { calls++; });
            poster.post([&]() noexcept { calls++; });
            evloop::hold last = std::move(hold);
        });
        while (calls < 2)
            loop.run_once();
        thread.join();
    }
    EXPECT_EQ(loop.run(), EVL_RUN_DONE);
    loop = evloop::loop();
    auto alive = std::make_shared<int>(0);
    try {
        poster.post([alive] { FAIL(); });
        FAIL();
    } catch (const std::system_error &error) {
        EXPECT_EQ(error.code(), evloop::errc::closed);
    }
    EXPECT_EQ(alive.use_count(), 1);
    evloop::poster copy = poster;
    copy = evloop::poster(loop);
    copy.post([&] { calls++; });
    loop.run();
    EXPECT_EQ(calls, 3);
}

TEST_F(Loop, AHoldKeepsItGoing) {
    EXPECT_FALSE(loop.alive());
    {
        evloop::hold a(loop);
        evloop::hold b = std::move(a);
        EXPECT_TRUE(loop.alive());
        b = evloop::hold(loop);
        EXPECT_TRUE(loop.alive());
    }
    EXPECT_FALSE(loop.alive());
}

// --- errors that nobody took ---------------------------------------------------------------------

std::string what(const std::exception_ptr &error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception &exception) {
        return exception.what();
    } catch (...) {
        return "no exception";
    }
}

TEST_F(Loop, TheErrorHookGetsTheException) {
    std::string log;
    loop.on_error([&](const std::exception_ptr &error) { log += what(error) + " "; });
    loop.call_soon([] { throw std::runtime_error("first"); });
    loop.call_soon([] { throw 7; });
    loop.run();
    evl_loop_report(loop.c(), EVL_EPIPE); // an error of C's
    EXPECT_EQ(log, std::string("first no exception ") + evl_strerror(EVL_EPIPE) + " ");
    EXPECT_FALSE(loop.unhandled());
    EXPECT_EQ(loop.metrics().errors, 3u);
}

TEST_F(Loop, AnErrorOfCsWithinACatchIsItself) {
    loop.on_error([&](const std::exception_ptr &error) { EXPECT_NE(what(error), "another"); });
    try {
        throw std::runtime_error("another");
    } catch (...) {
        evl_loop_report(loop.c(), EVL_EPIPE);
    }
}

TEST_F(Loop, AHookThatFailsIsNotAskedAboutThat) {
    loop.on_error([](std::exception_ptr) { throw std::runtime_error("the hook's"); });
    loop.call_soon([] { throw std::runtime_error("the call's"); });
    loop.run();
    EXPECT_EQ(what(loop.unhandled()), "the call's");
}

TEST_F(Loop, AHookMayDestroyTheLoopOrReplaceItself) {
    std::string log;
    loop.on_error([&](const std::exception_ptr &) {
        loop.on_error([&, word = std::make_unique<std::string>("second ")](const std::exception_ptr &) {
            loop = evloop::loop();
            log += *word;
        });
        log += "first ";
    });
    evl_loop *raw = loop.c();
    loop.call_soon([] { throw 1; });
    loop.call_soon([] { throw 2; });
    loop.call_soon([&] { log += "never"; });
    evl_loop_run(raw, EVL_RUN_DEFAULT);
    EXPECT_EQ(log, "first second ");
}

// --- operations ----------------------------------------------------------------------------------

TEST_F(Loop, AnOperationHappensOnceAndAgain) {
    std::string log;
    evloop::operation op(loop, [&](std::int64_t result) { log += std::to_string(result) + " "; });
    op.sleep(1s);
    EXPECT_TRUE(op.active());
    EXPECT_THROW(op.defer(), std::system_error);
    loop.run();
    op.sleep_until(loop.now() + 1h);
    op.deadline(loop.now() + 1s);
    loop.run();
    op.sleep(1h);
    op.timeout(1s);
    loop.run();
    op.defer();
    EXPECT_TRUE(op.cancel());
    loop.run();
    EXPECT_FALSE(op.cancel());
    EXPECT_EQ(log, "0 -110 -110 " + std::to_string(EVL_ECANCELED) + " ");
    EXPECT_EQ(op.result(), EVL_ECANCELED);
    op.defer();
    op.close();
    EXPECT_FALSE(op.active());
    EXPECT_EQ(loop.run(), EVL_RUN_DONE);
}

TEST_F(Loop, AnOperationMayBeDestroyedInItsFunction) {
    int seen = 0;
    std::optional<evloop::operation> op;
    op.emplace(loop, [&, word = std::make_unique<int>(3)] {
        op.reset();
        seen = *word;
        throw std::runtime_error("after its end");
    });
    op->defer();
    loop.run();
    EXPECT_EQ(seen, 3);
    EXPECT_EQ(what(loop.unhandled()), "after its end");
}

TEST_F(Loop, AnOperationMayOutliveItsLoop) {
    evloop::operation op(loop, [] { FAIL(); });
    op.sleep(1s);
    loop = evloop::loop();
    EXPECT_FALSE(op.active());
}

TEST_F(Loop, AnOperationAllocatesNothing) {
    int a = 0, b = 0, c = 0;
    loop.run();
    EXPECT_EQ(allocations_of([&] {
                  evloop::operation op(loop, [&a, &b, &c] { a++, b++, c++; });
                  op.defer();
                  loop.run();
              }),
              0u);
    EXPECT_EQ(a + b + c, 3);
}

TEST_F(Loop, AnOperationWaitsForWhatCHas) {
    Pipe pipe;
    std::int64_t mask = 0;
    evloop::operation op(loop, [&](std::int64_t result) { mask = result; });
    op.wait_fd(pipe.w, EVL_WRITE);
    loop.run();
    EXPECT_EQ(mask, EVL_WRITE);
    op.wait_signal(SIGUSR1);
    raise(SIGUSR1);
    loop.run();
    EXPECT_EQ(mask, 1);
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(loop.c(), &future), 0);
    ASSERT_EQ(evl_future_wait(future, op.c()), 0);
    evl_future_resolve(future, 9);
    loop.run();
    EXPECT_EQ(mask, EVL_FUTURE_VALUE);
    evl_future_unref(future);
}

TEST_F(Loop, AnOperationOfALoopThatHasGoneIsRefused) {
    std::optional<evloop::loop> own(std::in_place);
    evloop::operation op(*own, [] {});
    op.sleep(1h);
    own.reset();
    const auto code = [](auto start) {
        try {
            start();
        } catch (const std::system_error &error) {
            return error.code().value();
        }
        return 0;
    };
    EXPECT_EQ(code([&] { op.sleep(1s); }), EVL_ECLOSED);
    EXPECT_EQ(code([&] { op.defer(); }), EVL_ECLOSED);
    EXPECT_EQ(code([&] { op.wait_fd(0, EVL_READ); }), EVL_ECLOSED);
    EXPECT_EQ(code([&] { op.wait_signal(SIGUSR1); }), EVL_ECLOSED);
    EXPECT_FALSE(op.cancel());
    EXPECT_FALSE(op.active());
}

TEST_F(Loop, AScopeMayOutliveItsLoop) {
    std::optional<evloop::loop> own(std::in_place);
    evloop::scope tasks(*own);
    auto job = tasks.spawn(sleeps(1h)), joins = tasks.spawn([](auto &job) -> task<> { co_await job; }(job));
    auto never = tasks.spawn(sleeps(1h));
    own->run_nowait();
    auto queued = tasks.spawn(sleeps(1h));
    own.reset();
    EXPECT_TRUE(job.cancel());
    EXPECT_TRUE(joins.cancel());
    tasks.cancel();
    EXPECT_EQ(queued.uncancel(), 0u);
    EXPECT_FALSE(job.done());
    EXPECT_THROW(tasks.spawn(sleeps(1h)).detach(), std::system_error);
    never = {};
    EXPECT_EQ(tasks.size(), 3u);
}

TEST_F(Loop, ThatHasBeenMovedFromSaysSo) {
    evloop::loop from, to = std::move(from);
    EXPECT_FALSE(from);
    EXPECT_FALSE(from.unhandled());
    EXPECT_THROW(from.on_error([](const std::exception_ptr &) {}), std::system_error);
    EXPECT_THROW(from.run(), std::system_error);
    EXPECT_THROW(from.call_soon([] {}), std::system_error);
    EXPECT_FALSE(from.alive());
    from.stop();
    from.wake();
}

// --- calls later ----------------------------------------------------------------------------------

TEST_F(Loop, CallsLater) {
    std::string log;
    const auto kept = std::make_shared<int>(1);
    evloop::later_call second = loop.call_later(2ms, [&] { log += "second "; });
    evloop::later_call first = loop.call_later(1ms, [&, kept, large = std::array<char, 100>{}] {
        (void)large;
        log += "first ";
    });
    evloop::later_call never = loop.call_later(1ms, [&, kept] { log += "never "; });
    evloop::later_call itself;
    itself = loop.call_later(3ms, [&] { log += itself.pending() || itself.cancel() ? "pending " : "over "; });
    EXPECT_TRUE(never.pending());
    EXPECT_TRUE(never.cancel());
    EXPECT_FALSE(never.pending());
    EXPECT_FALSE(never.cancel());
    EXPECT_NE(first.id(), second.id());
    loop.run();
    EXPECT_EQ(log, "first second over ");
    EXPECT_FALSE(first.pending());
    EXPECT_FALSE(first.cancel());
    EXPECT_EQ(kept.use_count(), 1);
    EXPECT_FALSE(evloop::later_call().cancel());
    EXPECT_FALSE(evloop::later_call());

    loop.call_later(1ms, [] { throw std::runtime_error("later"); });
    loop.run();
    EXPECT_TRUE(loop.unhandled());

    evloop::later_call left = loop.call_later(1h, [kept] {}); // the loop goes first
    EXPECT_EQ(kept.use_count(), 2);
    loop = evloop::loop();
    EXPECT_EQ(kept.use_count(), 1);
    EXPECT_FALSE(left.pending());
    EXPECT_FALSE(left.cancel());
    EXPECT_THROW(evloop::loop_ref(nullptr).call_later(1ms, [] {}), std::system_error);
}

TEST_F(Loop, RunsPartsOfAPass) {
    std::string log;
    Pipe pipe;
    EXPECT_EQ(write(pipe.w, "x", 1), 1);
    evloop::io io(loop, pipe.r, EVL_READ, [&] { log += "event "; });
    loop.call_soon([&] { log += "call "; });
    loop.run_queued();
    EXPECT_EQ(log, "call ");
    loop.call_soon([&] { log += "call "; });
    loop.run_events();
    EXPECT_EQ(log, "call event ");
    io.close();
    loop.run();
    EXPECT_EQ(log, "call event call ");
}

TEST_F(Loop, StopsInTheMiddleOfAPass) {
    std::string log;
    loop.call_soon([&] {
        log += "one ";
        loop.stop_now(7);
    });
    loop.call_soon([&] { log += "two "; });
    EXPECT_EQ(loop.run(), 7);
    EXPECT_EQ(log, "one ");
    loop.run();
    EXPECT_EQ(log, "one two ");
}

TEST_F(Loop, HasDataAndBlockersAndSaysWhyThereAreNoRecords) {
    EXPECT_EQ(loop.data(), nullptr);
    int mine = 0;
    loop.set_data(&mine);
    EXPECT_EQ(loop.data(), &mine);

    EXPECT_TRUE(loop.blockers().empty());
    evloop::timer timer(loop, [] {});
    timer.set_name("waits");
    const std::vector<evl_blocker> blockers = loop.blockers();
    ASSERT_EQ(blockers.size(), 1u);
    EXPECT_STREQ(blockers[0].name, "waits");
    timer.close();

    std::array<evl_record, 4> room{};
    evl_record_batch batch{room.data(), 4, 0, 0, 0};
    EXPECT_EQ(loop.fetch(batch, 0s), EVL_FETCH_IDLE);
    evl_call_soon(loop, nullptr, &mine);
    EXPECT_EQ(loop.fetch(batch, 0s), EVL_FETCH_RECORDS);
    EXPECT_EQ(batch.count, 1);

    std::array<evl_poll_row, 4> rows{};
    std::chrono::nanoseconds timeout{};
    Pipe pipe;
    int calls = 0;
    evloop::io io(loop, pipe.r, EVL_READ, [&] { calls++; });
    const std::int32_t n = loop.prepare(rows, timeout);
    ASSERT_GE(n, 1);
    EXPECT_EQ(timeout, -1ns);
    EXPECT_EQ(write(pipe.w, "x", 1), 1);
    for (evl_poll_row &row : rows)
        row.reported = row.wanted & EVL_READ;
    loop.dispatch(std::span<const evl_poll_row>(rows).first(static_cast<std::size_t>(n)));
    EXPECT_EQ(calls, 1);
}

std::atomic<int> slow_calls;

TEST(LoopOptions, SlowCallbacksAreReported) {
    evloop::loop loop;
    loop.on_slow_callback(1ms, [](std::chrono::nanoseconds took) { slow_calls += took >= 1ms; });
    loop.call_soon([] {
        const auto end = std::chrono::steady_clock::now() + 1ms;
        while (std::chrono::steady_clock::now() < end) {
        }
    });
    loop.call_soon([] {});
    loop.run();
    EXPECT_GE(slow_calls, 1);
}

// One thread waits without the lock, and the other uses the loop under it.
TEST(LoopOptions, AHostLockIsFreeWhileTheLoopWaits) {
    struct Host {
        std::mutex mutex;
        bool held = false;
        void lock() {
            mutex.lock();
            held = true;
        }
        void unlock() {
            held = false;
            mutex.unlock();
        }
    } host;
    evloop::loop loop(evloop::loop_options{.events_per_pass = 4}.with_host_lock(host));
    std::unique_lock held(host);
    bool called = false;
    evloop::hold keep(loop);
    std::thread other([&] {
        const std::lock_guard mine(host); // not before the loop waits
        loop.call_later(0ms, [&] {
            called = host.held;
            loop.stop();
        });
    });
    EXPECT_EQ(loop.run(), 0);
    EXPECT_TRUE(called);
    held.unlock();
    other.join();
}

TEST(LoopOptions, AnExecutorHasFigures) {
    evloop::loop loop;
    evloop::executor pool(loop, 2);
    evloop::run(loop, [](evloop::executor &pool) -> evloop::task<> {
        for (int i = 0; i < 3; i++)
            co_await evloop::run_in_executor(pool, [] {});
    }(pool));
    EXPECT_EQ(pool.info().accepted, 3u);
    EXPECT_EQ(pool.info().finished, 3u);
    EXPECT_EQ(evloop::executor_info(loop).accepted, 0u);
    evloop::run(loop, []() -> evloop::task<> { co_await evloop::run_in_executor([] {}); }());
    EXPECT_EQ(evloop::executor_info(loop).accepted, 1u);
    pool.close();
    EXPECT_EQ(pool.info().accepted, 0u);
}

} // namespace
