// handles_test.cpp - each kind of handle as an object: moved, ended in its own function, outliving its loop.
#include "allocations.hpp"
#include "world.hpp"

#include <evloop/handles.hpp>

#include <array>
#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace support;

namespace {

// How a test makes one of each kind, due at once, and again and again while it is not stopped.
struct Io {
    using Handle = evloop::io;
    Pipe pipe;
    template <class F>
    Handle make(evloop::loop_ref loop, F &&fn) {
        EXPECT_EQ(write(pipe.w, "x", 1), 1);
        return Handle(loop, pipe.r, EVL_READ, std::forward<F>(fn));
    }
};
struct Timer {
    using Handle = evloop::timer;
    template <class F>
    Handle make(evloop::loop_ref loop, F &&fn) {
        Handle timer(loop, std::forward<F>(fn));
        timer.start(loop.now(), 1ms);
        return timer;
    }
};
struct Wall {
    using Handle = evloop::wall_timer;
    template <class F>
    Handle make(evloop::loop_ref loop, F &&fn) {
        Handle timer(loop, std::forward<F>(fn));
        timer.start(loop.wall_time(), 1ms);
        return timer;
    }
};
struct Signal {
    using Handle = evloop::signal;
    template <class F>
    Handle make(evloop::loop_ref loop, F &&fn) {
        Handle signal(loop, SIGUSR1, std::forward<F>(fn));
        signal.keep_alive(true);
        raise(SIGUSR1);
        return signal;
    }
};
struct Async {
    using Handle = evloop::async;
    template <class F>
    Handle make(evloop::loop_ref loop, F &&fn) {
        Handle async(loop, std::forward<F>(fn));
        async.keep_alive(true);
        EXPECT_EQ(async.send(), 0);
        return async;
    }
};
struct Hook {
    using Handle = evloop::hook;
    template <class F>
    Handle make(evloop::loop_ref loop, F &&fn) {
        return Handle(loop, evloop::hook::before_poll, std::forward<F>(fn));
    }
};

template <class T>
class Handles : public testing::Test {
  public:
    using Handle = typename T::Handle;
    evloop::loop loop{{.time = evloop::clock::jump}};
    T kind;

    template <class F>
    Handle make(F &&fn) {
        return kind.make(loop, std::forward<F>(fn));
    }
    void pass() { loop.run_nowait(); }
    // Due once more.
    void again(const evloop::handle &handle) {
        if (std::is_same_v<T, Signal>)
            raise(SIGUSR1);
        if (std::is_same_v<T, Async>) {
            EXPECT_EQ(evl_async_send(handle.c()), 0);
        }
        loop.advance(1ms);
    }
};
using Kinds = testing::Types<Io, Timer, Wall, Signal, Async, Hook>;
TYPED_TEST_SUITE(Handles, Kinds);

TYPED_TEST(Handles, AreMovedAndNotCopied) {
    using Handle = typename TestFixture::Handle;
    static_assert(std::is_nothrow_default_constructible_v<Handle>);
    static_assert(std::is_nothrow_move_constructible_v<Handle> && std::is_nothrow_move_assignable_v<Handle>);
    static_assert(!std::is_copy_constructible_v<Handle> && !std::is_copy_assignable_v<Handle>);
    static_assert(std::is_nothrow_destructible_v<Handle>);
    static_assert(sizeof(Handle) == 7 * sizeof(void *));
    static_assert(noexcept(std::declval<Handle &>().close()));
    SUCCEED();
}

TYPED_TEST(Handles, CallTheirFunctionWhereverTheyAreMovedTo) {
    int calls = 0;
    auto first = this->make([&] { calls++; });
    this->pass();
    EXPECT_EQ(calls, 1);
    const std::uint64_t id = first.id();
    auto second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(first.id(), 0u);
    EXPECT_TRUE(second);
    EXPECT_EQ(second.id(), id);
    first = std::move(second);
    EXPECT_EQ(first.id(), id);
    EXPECT_EQ(first.loop(), evloop::loop_ref(this->loop));
    evloop::handle any = std::move(first); // whatever its kind
    first = {};
    this->again(any);
    this->pass();
    EXPECT_EQ(calls, 2);
}

TYPED_TEST(Handles, WhatWasMovedFromCanBeClosedAndAsked) {
    auto from = this->make([] {});
    auto to = std::move(from);
    EXPECT_FALSE(from);
    EXPECT_FALSE(from.active());
    EXPECT_STREQ(from.name(), "");
    from.keep_alive(true);
    from.close();
    from.close();
    typename TestFixture::Handle none;
    none.close();
    EXPECT_THROW(none.set_name("x"), std::system_error);
    to.set_name("kept");
    EXPECT_STREQ(to.name(), "kept");
}

TYPED_TEST(Handles, EndWithTheirObject) {
    int calls = 0;
    {
        auto handle = this->make([&] { calls++; });
        EXPECT_EQ(this->loop.metrics().handles, 1u);
    }
    EXPECT_EQ(this->loop.metrics().handles, 0u);
    this->pass();
    EXPECT_EQ(calls, 0);
    auto handle = this->make([&] { calls++; });
    handle = this->make([&] { calls += 10; }); // what is assigned over is closed
    EXPECT_EQ(this->loop.metrics().handles, 1u);
    this->pass();
    EXPECT_EQ(calls, 10);
}

TYPED_TEST(Handles, MayBeDestroyedInTheirOwnFunction) {
    auto alive = std::make_shared<int>(7);
    const std::weak_ptr<int> watch = alive;
    int seen = 0;
    std::optional<typename TestFixture::Handle> handle;
    handle = this->make([&, alive = std::move(alive)] {
        handle.reset();
        seen += *alive; // the captures are there until the function returns
    });
    this->pass();
    EXPECT_EQ(seen, 7);
    EXPECT_TRUE(watch.expired());
    this->pass();
    EXPECT_EQ(seen, 7);
    EXPECT_EQ(this->loop.metrics().handles, 0u);
}

TYPED_TEST(Handles, MayBeFreedWithTheirOwnerInTheirOwnFunction) {
    struct Owner {
        typename TestFixture::Handle handle;
        std::array<char, 100> more{};
    };
    auto *owner = new Owner;
    int calls = 0;
    owner->handle = this->make([owner, &calls] {
        delete owner;
        calls++;
    });
    this->pass();
    EXPECT_EQ(calls, 1);
}

TYPED_TEST(Handles, MayBeMovedInTheirOwnFunction) {
    int calls = 0;
    typename TestFixture::Handle from, to;
    from = this->make([&, big = std::array<char, 64>{'x'}]() mutable {
        to = std::move(from);
        calls += big[0]++ == 'x' ? 1 : 10;
    });
    this->pass();
    EXPECT_TRUE(to);
    EXPECT_EQ(calls, 1);
    from = std::move(to);
    this->again(from);
    this->pass();
    EXPECT_EQ(calls, 11); // what the function changed in itself has moved with it
}

TYPED_TEST(Handles, MayBeAssignedToInTheirOwnFunction) {
    std::string log;
    typename TestFixture::Handle handle;
    handle = this->make([&, word = std::string("a long word that is not stored in place")] {
        handle = this->make([&] { log += "new "; });
        log += word.substr(0, 6) + " ";
    });
    this->pass();
    this->loop.advance(1ms);
    this->pass();
    EXPECT_EQ(log.substr(0, 11), "a long new ");
}

TYPED_TEST(Handles, MayOutliveTheirLoop) {
    auto alive = std::make_shared<int>(0);
    {
        auto handle = this->make([alive] { FAIL(); });
        this->loop = evloop::loop();
        EXPECT_TRUE(handle);
        EXPECT_FALSE(handle.active());
        auto moved = std::move(handle);
        try {
            moved.set_name("x");
            FAIL();
        } catch (const std::system_error &error) {
            EXPECT_EQ(error.code(), evloop::errc::closed);
        }
        EXPECT_EQ(alive.use_count(), 2);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

TYPED_TEST(Handles, MayDestroyTheirLoopInTheirOwnFunction) {
    int calls = 0;
    typename TestFixture::Handle handle;
    auto loop = std::make_optional<evloop::loop>();
    std::swap(*loop, this->loop);
    evloop::loop_ref ref = *loop;
    handle = this->kind.make(ref, [&] {
        calls++;
        loop.reset();
        handle.close();
        throw std::runtime_error("nobody is there to hear it");
    });
    evl_loop_run(ref.c(), EVL_RUN_NOWAIT);
    EXPECT_EQ(calls, 1);
}

TYPED_TEST(Handles, ExceptionsGoToTheLoop) {
    auto handle = this->make([] { throw std::runtime_error("mine"); });
    this->pass();
    const std::exception_ptr first = this->loop.unhandled();
    ASSERT_TRUE(first);
    try {
        std::rethrow_exception(first);
    } catch (const std::runtime_error &error) {
        EXPECT_STREQ(error.what(), "mine");
    }
    EXPECT_FALSE(this->loop.unhandled()); // once
    EXPECT_TRUE(handle);                  // and the handle goes on
    EXPECT_EQ(this->loop.metrics().errors, 1u);
}

TYPED_TEST(Handles, ExceptionsAfterTheEndOfTheHandleToo) {
    std::optional<typename TestFixture::Handle> handle;
    handle = this->make([&] {
        handle.reset();
        throw 7;
    });
    this->pass();
    EXPECT_TRUE(this->loop.unhandled());
}

TYPED_TEST(Handles, SmallCapturesAllocateNothing) {
    int a = 0, b = 0, c = 0, d = 0;
    typename TestFixture::Handle handle;
    EXPECT_EQ(allocations_of([&] { handle = this->make([&a, &b, &c] { a++, b++, c++; }); }), 0u);
    EXPECT_EQ(allocations_of([&] { this->pass(); }), 0u);
    EXPECT_EQ(a + b + c, 3);
    EXPECT_EQ(allocations_of([&] { handle = {}; }), 0u);
    // A fourth pointer is one allocation, and stays one wherever the handle goes.
    EXPECT_EQ(allocations_of([&] { handle = this->make([&a, &b, &c, &d] { a++, b++, c++, d++; }); }), 1u);
    typename TestFixture::Handle moved;
    EXPECT_EQ(allocations_of([&] { moved = std::move(handle); }), 0u);
}

TYPED_TEST(Handles, WithoutMemoryAreNotMade) {
    std::array<void *, 4> large{};
    fail_allocation(1);
    EXPECT_THROW(this->make([large] { static_cast<void>(large); }), std::system_error);
    EXPECT_EQ(this->loop.metrics().handles, 0u);
}

TYPED_TEST(Handles, FunctionsThatCannotBeCopiedWillDo) {
    int seen = 0;
    auto handle = this->make([&, mine = std::make_unique<int>(5)] { seen = *mine; });
    this->pass();
    EXPECT_EQ(seen, 5);
}

TYPED_TEST(Handles, ThatFailedToBeMadeDestroyTheirFunction) {
    auto alive = std::make_shared<int>(0);
    evloop::loop closed = std::move(this->loop);
    evl_loop *raw = evl_loop_ref(closed.c());
    closed = evloop::loop();
    auto wrong = [&] {
        if constexpr (std::is_same_v<TypeParam, Io>)
            return evloop::io::make(raw, 0, EVL_READ, [alive] {});
        else if constexpr (std::is_same_v<TypeParam, Timer>)
            return evloop::timer::make(raw, [alive] {});
        else if constexpr (std::is_same_v<TypeParam, Wall>)
            return evloop::wall_timer::make(raw, [alive] {});
        else if constexpr (std::is_same_v<TypeParam, Signal>)
            return evloop::signal::make(raw, SIGUSR1, [alive] {});
        else
            return evloop::hook::make(raw, evloop::hook::idle, [alive] {});
    }();
    EXPECT_EQ(wrong.code(), EVL_ECLOSED);
    EXPECT_EQ(alive.use_count(), 1);
    evl_loop_unref(raw);
}

// --- what each kind can do -----------------------------------------------------------------------

struct Each : testing::Test {
    evloop::loop loop{{.time = evloop::clock::jump}};
};

TEST_F(Each, IoTellsTheMask) {
    Pair pair;
    std::int64_t mask = 0;
    evloop::io io(loop, pair.a, EVL_READ | EVL_WRITE, [&](std::int64_t got) { mask = got; });
    EXPECT_EQ(io.fd(), pair.a);
    EXPECT_EQ(io.mask(), std::uint32_t(EVL_READ | EVL_WRITE));
    loop.run_once();
    EXPECT_EQ(mask, EVL_WRITE);
    io.set(EVL_READ);
    EXPECT_EQ(write(pair.b, "x", 1), 1);
    loop.run_once();
    EXPECT_EQ(mask, EVL_READ);
    EXPECT_THROW(io.set(1024), std::system_error);
    EXPECT_EQ(evloop::io::make(loop, -1, EVL_READ, [] {}).error(), std::errc::bad_file_descriptor);
}

TEST_F(Each, TimerCountsExpirations) {
    std::int64_t count = 0;
    evloop::timer timer(loop, [&](std::int64_t n) { count += n; });
    EXPECT_EQ(timer.deadline(), evloop::never);
    const evloop::time_point start = loop.now();
    timer.start_in(10ms, 10ms);
    EXPECT_EQ(timer.deadline(), start + 10ms);
    loop.advance(35ms);
    loop.run_nowait();
    EXPECT_EQ(count, 3);
    timer.stop();
    EXPECT_FALSE(timer.active());
    timer.start(start + 1h);
    timer.set_slack(1us);
    EXPECT_TRUE(timer.active());
    timer.start(evloop::never);
    EXPECT_FALSE(timer.active());
    EXPECT_THROW(timer.start_in(1ms, -1ms), std::system_error);
}

TEST_F(Each, WallTimerFollowsTheClock) {
    int calls = 0;
    evloop::wall_timer wall(loop, [&] { calls++; });
    wall.start(loop.wall_time() + 1h);
    EXPECT_EQ(wall.deadline(), loop.wall_time() + 1h);
    evl_wall_set(loop.c(), evloop::detail::nanoseconds(2h));
    loop.run_nowait();
    EXPECT_EQ(calls, 1);
    wall.start(loop.wall_time() + 1h);
    wall.stop();
    EXPECT_FALSE(wall.active());
}

TEST_F(Each, SignalKnowsItsNumber) {
    evloop::signal signal(loop, SIGUSR2, [] {});
    EXPECT_EQ(signal.number(), SIGUSR2);
    EXPECT_EQ(loop.run(), EVL_RUN_DONE); // does not keep the loop
}

TEST_F(Each, AsyncCountsSendsOfOtherThreads) {
    std::int64_t sent = 0;
    evloop::async async(loop, [&](std::int64_t n) { sent += n; });
    EXPECT_FALSE(loop.alive());
    async.keep_alive(true);
    std::thread([&] {
        for (int i = 0; i < 3; i++)
            EXPECT_EQ(async.send(), 0);
    }).join();
    loop.run_nowait();
    EXPECT_EQ(sent, 3);
    evloop::async empty;
    EXPECT_EQ(empty.send(), EVL_EINVAL);
}

} // namespace
