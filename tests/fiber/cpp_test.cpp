// cpp_test.cpp - fibers as objects of C++: lambdas, exceptions, coroutines both ways.
#include "fiber.hpp"

#include <evloop/fiber.hpp>

using namespace fibers;
using namespace std::chrono_literals;
using evloop::task;

namespace {

template <class F>
void run(World &w, F body) {
    evloop::fiber main(evloop::loop_ref(w.loop), std::move(body), {.stack = 1 << 18});
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_TRUE(main.done());
}

TEST(FiberCpp, ValuesComeOutOfJoin) {
    World w;
    run(w, [&] {
        evloop::loop_ref loop(w.loop);
        evloop::fiber number(loop, [] {
            evloop::this_fiber::sleep(1ms);
            return 42;
        });
        evloop::fiber text(loop, [owned = std::make_unique<std::string>("text")] { return *owned; },
                           {.name = "t"});
        EXPECT_STREQ(evl_fiber_name(text.c()), "t");
        EXPECT_FALSE(number.done());
        EXPECT_EQ(number.join(), 42);
        EXPECT_EQ(text.join(), "text");
        evloop::fiber nothing(loop, [] { evloop::this_fiber::yield(); });
        nothing.join();
        nothing.detach();
        EXPECT_FALSE(nothing);
    });
}

TEST(FiberCpp, ExceptionsStopAtTheEntryAndComeOutOfJoin) {
    World w;
    run(w, [&] {
        evloop::loop_ref loop(w.loop);
        evloop::fiber bad(loop, []() -> int {
            evloop::this_fiber::sleep(1ms);
            throw std::runtime_error("bad");
        });
        EXPECT_THROW(bad.join(), std::runtime_error);
        EXPECT_EQ(evl_fiber_result(bad.c()), EVL_EUSER);
        evloop::fiber code(loop, [] { evloop::throw_error(EVL_EPIPE); });
        EXPECT_THROW(code.join(), std::system_error);
        EXPECT_EQ(evl_fiber_result(code.c()), EVL_EPIPE);
    });
}

TEST(FiberCpp, OneMayWaitInsideACatchBlock) {
    World w;
    std::string caught;
    auto catches = [&](const char *what) {
        try {
            throw std::runtime_error(what);
        } catch (const std::exception &) {
            evloop::this_fiber::sleep(1ms); // and the other throws meanwhile
            try {
                throw;
            } catch (const std::exception &again) {
                caught += again.what();
            }
        }
        EXPECT_EQ(std::uncaught_exceptions(), 0);
    };
    run(w, [&] {
        evloop::loop_ref loop(w.loop);
        evloop::fiber a(loop, [&] { catches("a"); }), b(loop, [&] { catches("b"); });
        a.join();
        b.join();
    });
    EXPECT_EQ(caught, "ab");
}

TEST(FiberCpp, CancelledAndKilledTheyUnwind) {
    World w;
    run(w, [&] {
        evloop::loop_ref loop(w.loop);
        evloop::fiber cancelled(loop, [&] {
            Noted noted(w, "cancelled");
            evloop::this_fiber::sleep(1h);
        });
        {
            evloop::fiber killed(loop, [&] {
                Noted noted(w, "killed");
                try {
                    evloop::this_fiber::sleep(1h);
                } catch (const evloop::cancelled &) {
                    evloop::this_fiber::sleep(1h);
                }
            });
            evloop::fiber unrun(loop, [noted = std::make_unique<Noted>(w, "unrun")] {});
            evloop::this_fiber::yield();
            EXPECT_TRUE(unrun.done());
        }
        EXPECT_TRUE(cancelled.cancel());
        EXPECT_THROW(cancelled.join(), evloop::cancelled);
    });
    EXPECT_EQ(w.log(), "unrun killed cancelled");
}

TEST(FiberCpp, UnwindsWithItsLoop) {
    World w;
    evloop::fiber f(evloop::loop_ref(w.loop), [&] {
        Noted noted(w, "unwound");
        evloop::this_fiber::sleep(1h);
    });
    w.nowait();
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(w.log(), "unwound");
}

task<int> doubled(int n) {
    co_await evloop::sleep(1ms);
    co_return 2 * n;
}

task<> fails() {
    co_await evloop::sleep(1ms);
    throw std::runtime_error("fails");
}

task<> never(World &w) {
    Noted noted(w, "ended");
    co_await evloop::sleep(1h);
}

TEST(FiberCpp, AwaitsTasks) {
    World w;
    run(w, [&] {
        EXPECT_EQ(evloop::this_fiber::await(doubled(21)), 42);
        EXPECT_THROW(evloop::this_fiber::await(fails()), std::runtime_error);
        evloop::this_fiber::await(evloop::sleep(1ms));
        EXPECT_EQ(evloop::this_fiber::wait([&](evl_op *op) { return evl_sleep(w.loop, op, ms); }), 0);
        evloop::loop_ref loop(w.loop);
        evloop::fiber cancelled(loop, [&] { evloop::this_fiber::await(never(w)); });
        evloop::fiber killed(loop, [&] { evloop::this_fiber::await(never(w)); });
        evloop::this_fiber::sleep(1ms);
        cancelled.cancel();
        killed.kill();
        EXPECT_THROW(cancelled.join(), evloop::cancelled);
        EXPECT_THROW(killed.join(), evloop::cancelled);
        EXPECT_EQ(w.log(), "ended ended");
    });
}

TEST(FiberCpp, OutsideOfAFiberNothingWaits) {
    World w;
    EXPECT_THROW(evloop::this_fiber::yield(), std::system_error);
    EXPECT_THROW(evloop::this_fiber::await(evloop::sleep(1ms)), std::system_error);
}

TEST(FiberCpp, IsAwaitedByCoroutines) {
    auto main = []() -> task<> {
        evloop::loop_ref loop = evloop::this_loop();
        evloop::fiber good(loop, [] {
            evloop::this_fiber::sleep(1ms);
            return std::string("good");
        });
        evloop::fiber bad(loop, [] { throw std::runtime_error("bad"); });
        evloop::fiber killed(loop, [] { evloop::this_fiber::sleep(1h); });
        EXPECT_EQ(co_await good, "good");
        std::string what; // std::system_error is a std::runtime_error, too
        for (int times = 0; times < 2; times++)
            try {
                co_await bad;
            } catch (const std::runtime_error &error) {
                what += error.what();
            }
        EXPECT_EQ(what, "badbad");
        EXPECT_TRUE(bad.done());
        killed.kill();
        bool cancelled = false;
        try {
            co_await killed;
        } catch (const evloop::cancelled &) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
    };
    evloop::run(main());
}

TEST(FiberCpp, WhatAFiberThrowsFailsAGather) {
    auto main = []() -> task<> {
        evloop::fiber bad(evloop::this_loop(), []() -> int {
            evloop::this_fiber::sleep(1ms);
            throw std::invalid_argument("bad");
        });
        bool thrown = false;
        try {
            co_await evloop::gather(bad, evloop::sleep(1h));
        } catch (const std::invalid_argument &) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
    };
    evloop::run(main());
}

TEST(FiberCpp, AnEmptyOneIsDoneAndCannotBeAwaited) {
    auto main = []() -> task<> {
        evloop::fiber number(evloop::this_loop(), [] { return 1; });
        evloop::fiber moved_to = std::move(number);
        EXPECT_TRUE(number.done());
        EXPECT_FALSE(moved_to.done());
        EXPECT_FALSE(number.cancel());
        const auto awaited = co_await evloop::as_result(number);
        EXPECT_EQ(awaited.code(), EVL_EINVAL);
        EXPECT_EQ(co_await moved_to, 1);
    };
    evloop::run(main());
}

} // namespace
