// foreign_test.cpp - awaiters that are not of this layer: they keep a handle, and something resumes it.
#include "tasks.hpp"

#include <coroutine>
#include <mutex>
#include <optional>
#include <thread>

using namespace support;

namespace {

// As tutorials, and other libraries, write them.
struct Foreign {
    std::coroutine_handle<> *slot;
    bool ready = false;
    Foreign(std::coroutine_handle<> &the_slot, bool is_ready = false) : slot(&the_slot), ready(is_ready) {}
    Foreign(Foreign &&other) = default;
    ~Foreign() {
        if (slot)
            *slot = nullptr;
    }
    bool await_ready() const noexcept { return ready; }
    void await_suspend(std::coroutine_handle<> handle) noexcept { *slot = handle; }
    std::string await_resume() const { return "a value that is too long to be stored in place"; }
};

task<int> awaits(World &w, std::coroutine_handle<> &slot, bool ready = false) {
    const std::string value = co_await Foreign(slot, ready);
    EXPECT_TRUE(evloop::this_task());
    w.note(std::to_string(value.size()));
    co_return static_cast<int>(value.size());
}

TEST(Foreign, ResumesThroughTheLoop) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, [](World &w) -> task<> {
        const int at_once = co_await awaits(w, *std::make_unique<std::coroutine_handle<>>(), true);
        EXPECT_EQ(at_once, 46);
        std::coroutine_handle<> slot;
        auto job = evloop::spawn(awaits(w, slot));
        co_await evloop::sleep(1ms);
        EXPECT_TRUE(slot);
        slot.resume();
        w.note("resumed");
        const int value = co_await job;
        EXPECT_EQ(value, 46);
    }(w));
    EXPECT_EQ(w.log(), "46 resumed 46");
}

TEST(Foreign, ResumesFromAnotherThread) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, [](World &w) -> task<> {
        struct Threaded {
            std::thread thread;
            const std::thread::id loop = std::this_thread::get_id();
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> handle) {
                thread = std::thread([handle] { handle.resume(); });
            }
            bool await_resume() {
                thread.join();
                return std::this_thread::get_id() == loop;
            }
        };
        for (int i = 0; i < 100; i++) {
            Threaded threaded;
            const bool on_the_loops = co_await threaded;
            EXPECT_TRUE(on_the_loops);
        }
        w.note("done");
    }(w));
    EXPECT_EQ(w.log(), "done");
}

TEST(Foreign, MayRefuseToSuspendTransferAndThrow) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        struct Refuses {
            bool await_ready() const noexcept { return false; }
            bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
            int await_resume() const noexcept { return 1; }
        };
        struct ResumesInside {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
            int await_resume() const noexcept { return 2; }
        };
        struct TransfersBack {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const { return handle; }
            int await_resume() const noexcept { return 3; }
        };
        struct Throws {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<>) const { throw Error("while it suspends"); }
            int await_resume() const noexcept { return 4; }
        };
        const int one = co_await Refuses{}, two = co_await ResumesInside{}, three = co_await TransfersBack{};
        EXPECT_EQ(one + 10 * two + 100 * three, 321);
        co_await std::suspend_never{};
        const std::string end = co_await how(Throws{});
        EXPECT_EQ(end, "while it suspends");
    }());
}

// It cannot be told to end: what asks it to is for the next await.
TEST(Foreign, IsWaitedForThoughCancelled) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, [](World &w) -> task<> {
        std::coroutine_handle<> slot;
        auto job = evloop::spawn([](World &w, std::coroutine_handle<> &slot) -> task<> {
            const int value = co_await awaits(w, slot);
            EXPECT_EQ(value, 46);
            co_await evloop::sleep(1h);
        }(w, slot));
        co_await evloop::yield();
        job.cancel();
        co_await evloop::sleep(1ms);
        EXPECT_FALSE(job.done());
        slot.resume();
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");

        auto limited = evloop::spawn([](std::coroutine_handle<> &slot) -> task<std::string> {
            co_return co_await evloop::timeout(1ms, Foreign(slot));
        }(slot));
        co_await evloop::sleep(5ms);
        EXPECT_FALSE(limited.done());
        slot.resume();
        const std::string &value = co_await limited; // what ends with a value all the same, gives it
        EXPECT_EQ(value.size(), 46u);
    }(w));
}

TEST(Foreign, IsDestroyedWhileItWaits) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, [](World &w) -> task<> {
        std::coroutine_handle<> slot;
        {
            auto job = evloop::spawn(awaits(w, slot));
            co_await evloop::yield();
            EXPECT_TRUE(slot);
        }
        EXPECT_FALSE(slot);
        {
            auto job = evloop::spawn(awaits(w, slot));
            co_await evloop::yield();
            slot.resume(); // and is on its way
        }
        co_await evloop::yield();
    }(w));
    EXPECT_EQ(w.log(), "");
}

TEST(Foreign, IsDestroyedWithOrAfterItsLoop) {
    World w({.clock = EVL_CLOCK_REAL});
    std::coroutine_handle<> slot, other;
    {
        evloop::scope scope(w.loop);
        auto job = scope.spawn(awaits(w, slot)), resumed = scope.spawn(awaits(w, other));
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
        other.resume();
        w.destroy();
    }
    EXPECT_FALSE(slot);
}

TEST(Foreign, IsCombined) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, [](World &w) -> task<> {
        std::coroutine_handle<> a, b, c, d;
        auto resumes = evloop::spawn([](World &, std::vector<std::coroutine_handle<> *> all) -> task<> {
            for (auto *slot : all) {
                while (!*slot)
                    co_await evloop::yield();
                slot->resume();
            }
        }(w, {&a, &b, &c, &d}));
        const auto [first, second] = co_await evloop::gather(Foreign(a), evloop::as_result(Foreign(b)));
        EXPECT_EQ(first.size() + second->size(), 92u);
        const auto value = co_await evloop::as_result(Foreign(c));
        EXPECT_EQ(value->size(), 46u);
        const auto outcome = co_await evloop::as_outcome(Foreign(d));
        EXPECT_TRUE(outcome);
        co_await resumes;
    }(w));
}

// Awaiters that hand their handle on to one of this layer work as before.
template <class Inner>
struct Logged {
    Inner inner;
    World *w;
    bool await_ready() { return inner.await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> handle) {
        w->note("suspends");
        return inner.await_suspend(handle);
    }
    decltype(auto) await_resume() { return inner.await_resume(); }
};
template <class A>
auto logged(World &w, A awaitable) {
    return Logged<evloop::detail::awaiter_t<A>>{evloop::detail::awaiter_of(static_cast<A &&>(awaitable)), &w};
}

TEST(Foreign, MayHandOnToThisLayer) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, [](World &w) -> task<> {
        auto sleeps_logged = logged(w, evloop::sleep(1ms));
        co_await sleeps_logged;
        auto calls = logged(w, gives(7, 1ms));
        const int value = co_await calls;
        EXPECT_EQ(value, 7);
        {
            auto job = evloop::spawn([](World &w) -> task<> {
                auto calls = logged(w, sleeps_named(w, "called", 1h));
                co_await calls;
            }(w));
            co_await evloop::yield();
        }
        auto cancelled = evloop::spawn([](World &w) -> task<> {
            auto calls = logged(w, sleeps_named(w, "cancelled", 1h));
            co_await calls;
        }(w));
        co_await evloop::yield();
        cancelled.cancel();
        const std::string end = co_await how_of(cancelled);
        EXPECT_EQ(end, "cancelled");
    }(w));
    EXPECT_EQ(w.log(), "suspends suspends suspends called called! suspends cancelled cancelled!");
}

// An awaiter on whose handle a thread works, which it forgets in its destructor.
struct ForgetsAtTheEnd {
    std::mutex lock;
    bool forgotten = false, resumed = false;
    std::coroutine_handle<> handle;
    ForgetsAtTheEnd() = default;
    ~ForgetsAtTheEnd() {
        std::thread([this] { // the window: it is being destroyed, and has not forgotten yet
            const std::lock_guard guard(lock);
            if (handle && !resumed)
                handle.resume();
            resumed = true;
        })
            .join();
        const std::lock_guard guard(lock);
        forgotten = true;
    }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> h) { handle = h; }
    void await_resume() const {}
};

TEST(Foreign, MayForgetItsHandleInItsDestructor) {
    evloop::run([]() -> task<> { // by a real clock: the handles hold the loop
        {
            auto temporary = evloop::spawn([]() -> task<> { co_await ForgetsAtTheEnd(); }());
            auto local = evloop::spawn([]() -> task<> {
                ForgetsAtTheEnd awaiter;
                co_await awaiter;
            }());
            auto inner = evloop::spawn(
                []() -> task<> { co_await []() -> task<> { co_await ForgetsAtTheEnd(); }(); }());
            co_await evloop::sleep(1ms);
        }
        co_await evloop::sleep(1ms);
    }());
}

} // namespace
