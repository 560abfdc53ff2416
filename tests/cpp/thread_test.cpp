// thread_test.cpp - between threads and tasks: tasks that threads start, and channels.
#include "allocations.hpp"
#include "tasks.hpp"

#include <evloop/channel.hpp>
#include <evloop/thread.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace support;

namespace {

template <class T>
std::string end_of(std::future<T> future) {
    try {
        (void)future.get();
        return "value";
    } catch (const std::system_error &error) {
        return std::to_string(error.code().value());
    } catch (const std::exception &error) {
        return error.what();
    }
}
const std::string closed = std::to_string(EVL_ECLOSED), canceled = std::to_string(EVL_ECANCELED);

// --- task_poster ---------------------------------------------------------------------------------

task<std::unique_ptr<int>> makes(const int &n) {
    co_await evloop::sleep(1ms);
    co_return std::make_unique<int>(n);
}

TEST(TaskPoster, GivesAThreadWhatATaskGives) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        const evloop::task_poster tasks;
        const evloop::hold held(evloop::this_loop());
        evloop::future<> over;
        const auto loops = std::this_thread::get_id();
        std::thread thread([tasks, over, loops] {
            auto owner = tasks.spawn(makes, 7);
            EXPECT_EQ(*owner.get(), 7);
            auto where =
                tasks.spawn([loops]() -> task<bool> { co_return std::this_thread::get_id() == loops; });
            EXPECT_TRUE(where.get());
            tasks.spawn(sleeps(1ms)).get();
            EXPECT_EQ(end_of(tasks.spawn(throws("no"))), "no");
            EXPECT_EQ(end_of(tasks.spawn(task<int>())), std::to_string(EVL_EINVAL));
            evloop::future<>(over).post();
        });
        co_await over;
        thread.join();
    }());
}

TEST(TaskPoster, WhatIsLeftAtTheEndIsCancelled) {
    World w({.clock = EVL_CLOCK_REAL});
    std::future<void> waits, queued;
    run(w, [](std::future<void> &waits, std::future<void> &queued) -> task<> {
        const evloop::task_poster tasks;
        waits = tasks.spawn(sleeps(1h));
        co_await evloop::sleep(1ms);
        queued = tasks.spawn(sleeps(1h)); // a post that is still on its way
    }(waits, queued));
    EXPECT_EQ(end_of(std::move(waits)), canceled);
    const std::string end = end_of(std::move(queued));
    EXPECT_TRUE(end == closed || end == canceled) << end;
}

TEST(TaskPoster, TheScopeGoesFirst) {
    World w({.clock = EVL_CLOCK_REAL});
    auto scope = std::make_unique<evloop::scope>(w.loop);
    const evloop::task_poster tasks(*scope);
    std::future<void> begun = tasks.spawn(sleeps(1h));
    w.nowait();
    std::future<void> posted = tasks.spawn(sleeps(1h));
    scope.reset();
    EXPECT_EQ(end_of(std::move(begun)), canceled);
    w.nowait();
    EXPECT_EQ(end_of(std::move(posted)), closed);
    EXPECT_EQ(end_of([&] {
                  auto late = tasks.spawn(sleeps(1h));
                  w.nowait();
                  return late;
              }()),
              closed);
}

TEST(TaskPoster, TheLoopGoesFirst) {
    World w({.clock = EVL_CLOCK_REAL});
    evloop::scope scope(w.loop);
    const evloop::task_poster tasks(scope);
    std::future<void> posted = tasks.spawn(sleeps(1h));
    w.destroy();
    EXPECT_EQ(end_of(std::move(posted)), closed);
    EXPECT_EQ(end_of(tasks.spawn(sleeps(1h))), closed);
    World other({.clock = EVL_CLOCK_REAL, .flags = EVL_LOOP_NOPOST});
    evloop::scope refuses(other.loop);
    EXPECT_EQ(end_of(evloop::task_poster(refuses).spawn(sleeps(1h))), std::to_string(EVL_ENOTSUP));
}

TEST(TaskPoster, OutsideOfATask) { EXPECT_THROW(evloop::task_poster(), std::system_error); }

// Threads start tasks while the loop ends: every future is fulfilled.
TEST(TaskPoster, NoneHangs) {
    const int rounds = slow() ? 5 : 20;
    for (int round = 0; round < rounds; round++) {
        World w({.clock = EVL_CLOCK_REAL});
        std::atomic<bool> begun = false, stop = false;
        std::vector<std::thread> threads;
        run(w, [](auto &threads, auto &begun, auto &stop) -> task<> {
            const evloop::task_poster tasks;
            const evloop::hold held(evloop::this_loop());
            for (int i = 0; i < 2; i++)
                threads.emplace_back([tasks, &begun, &stop] {
                    while (!stop) {
                        (void)end_of(tasks.spawn(gives(1)));
                        begun = true;
                    }
                });
            while (!begun)
                co_await evloop::sleep(1ms);
        }(threads, begun, stop));
        w.destroy();
        stop = true;
        for (std::thread &thread : threads)
            thread.join();
    }
}

// --- channel -------------------------------------------------------------------------------------

using evloop::channel;

TEST(Channel, IsTriedWithoutALoop) {
    channel<std::unique_ptr<int>> ch(2);
    EXPECT_EQ(ch.try_receive().code(), EVL_EAGAIN);
    EXPECT_EQ(ch.try_send(std::make_unique<int>(1)), 0);
    EXPECT_EQ(ch.try_send(std::make_unique<int>(2)), 0);
    auto third = std::make_unique<int>(3);
    EXPECT_EQ(ch.try_send(std::move(third)), EVL_EAGAIN);
    ASSERT_NE(third, nullptr) << "what was not sent stays";
    EXPECT_EQ(ch.size(), 2u);
    EXPECT_EQ(*ch.try_receive().value(), 1);
    EXPECT_EQ(ch.close(), 0);
    EXPECT_EQ(ch.close(), 0);
    EXPECT_TRUE(ch.closed());
    EXPECT_EQ(ch.try_send(std::move(third)), EVL_ESHUTDOWN);
    EXPECT_EQ(*ch.try_receive().value(), 2);
    EXPECT_EQ(ch.try_receive().code(), EVL_ESHUTDOWN);
    const int five = 5;
    channel<int> numbers;
    EXPECT_EQ(numbers.try_send(five), 0);
    EXPECT_EQ(numbers.try_receive().value(), 5);
}

// Each of its functions uses the channel that it is in.
struct Looks {
    const channel<Looks> *at;
    int number;
    Looks(const channel<Looks> &of, int n) : at(&of), number(n) {}
    Looks(const Looks &other) : at(other.at), number(other.number) { look(); }
    Looks(Looks &&other) noexcept : at(other.at), number(std::exchange(other.number, 0)) { look(); }
    Looks &operator=(Looks &&other) noexcept {
        number = std::exchange(other.number, 0);
        look();
        return *this;
    }
    ~Looks() { look(); }
    void look() const noexcept { EXPECT_LE(at->size(), 2u); }
};

TEST(Channel, ItemsMayUseIt) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        const channel<Looks> ch(1);
        const Looks first(ch, 1);
        Looks second(ch, 2);
        EXPECT_EQ(ch.try_send(first), 0);
        EXPECT_EQ(ch.try_send(first), EVL_EAGAIN);
        EXPECT_EQ(ch.try_send(std::move(second)), EVL_EAGAIN);
        EXPECT_EQ(second.number, 2) << "what was not sent stays";
        auto sends =
            evloop::spawn([](const channel<Looks> &ch) -> task<> { co_await ch.send(Looks(ch, 3)); }(ch));
        auto cancelled =
            evloop::spawn([](const channel<Looks> &ch) -> task<> { co_await ch.send(Looks(ch, 4)); }(ch));
        co_await evloop::yield();
        cancelled.cancel();
        const int one = ch.try_receive().value().number;
        EXPECT_EQ(one, 1);
        const Looks next = co_await ch.receive();
        EXPECT_EQ(next.number, 3);
        co_await sends;
        EXPECT_EQ(ch.try_send(std::move(second)), 0);
        EXPECT_EQ(ch.close(), 0);
        const Looks last = co_await ch.receive();
        EXPECT_EQ(last.number, 2);
    }());
}

TEST(Channel, WhatIsNotSentStaysAlsoWhereItCannotBeAssigned) {
    struct Fixed {
        const int number;
        std::unique_ptr<int> with;
        Fixed(int n) : number(n), with(std::make_unique<int>(n)) {}
        Fixed(Fixed &&) noexcept = default;
    };
    static_assert(!std::is_move_assignable_v<Fixed>);
    const channel<Fixed> ch(1);
    EXPECT_EQ(ch.try_send(Fixed(1)), 0);
    Fixed second(2);
    EXPECT_EQ(ch.try_send(std::move(second)), EVL_EAGAIN);
    ASSERT_NE(second.with, nullptr);
    EXPECT_EQ(*second.with, 2);
    EXPECT_EQ(ch.try_receive().value().number, 1);
    EXPECT_EQ(ch.try_send(std::move(second)), 0);
    EXPECT_EQ(ch.try_send(Fixed(3)), EVL_EAGAIN);
    EXPECT_EQ(ch.size(), 1u); // goes with the channel
}

TEST(Channel, ThreadToTask) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        const channel<int> ch(4);
        std::thread thread([ch] {
            for (int i = 0; i < 1000; i++)
                while (ch.try_send(i) == EVL_EAGAIN)
                    std::this_thread::yield();
            ch.close();
        });
        int next = 0;
        for (;;) {
            const auto item = co_await evloop::as_result(ch.receive());
            if (!item) {
                EXPECT_EQ(item.code(), EVL_ESHUTDOWN);
                break;
            }
            EXPECT_EQ(*item, next++);
        }
        EXPECT_EQ(next, 1000);
        thread.join();
    }());
}

// Both ends wait, each on its own loop.
TEST(Channel, LoopToLoop) {
    const channel<std::unique_ptr<int>> there(1), back(1);
    const int count = slow() ? 300 : 2000;
    std::thread echo([there, back] {
        evloop::run([](channel<std::unique_ptr<int>> there, channel<std::unique_ptr<int>> back) -> task<> {
            for (;;) {
                auto item = co_await evloop::as_result(there.receive());
                if (!item)
                    break;
                ++**item;
                co_await back.send(*std::move(item));
            }
            back.close();
        }(there, back));
    });
    World w({.clock = EVL_CLOCK_REAL});
    int sum = 0;
    run(w, [](auto there, auto back, int count, int &sum) -> task<> {
        auto sends = evloop::spawn([](auto there, int count) -> task<> {
            for (int i = 0; i < count; i++)
                co_await there.send(std::make_unique<int>(i));
            there.close();
        }(there, count));
        for (;;) {
            auto item = co_await evloop::as_result(back.receive());
            if (!item)
                break;
            sum += **item;
        }
        co_await sends;
    }(there, back, count, sum));
    echo.join();
    EXPECT_EQ(sum, count * (count + 1) / 2);
}

TEST(Channel, ManyThreadsLoseNothing) {
    const channel<int> ch(3);
    const int each = slow() ? 200 : 2000;
    std::atomic<int> sum = 0, got = 0;
    std::vector<std::thread> threads;
    const auto sends = [](channel<int> ch, int each) -> task<> {
        for (int i = 1; i <= each; i++)
            co_await ch.send(i);
    };
    const auto receives = [](channel<int> ch, std::atomic<int> &sum, std::atomic<int> &got) -> task<> {
        for (;;) {
            // Every other one gives up before it has got anything, or gets it.
            auto job =
                evloop::spawn([](channel<int> ch) -> task<int> { co_return co_await ch.receive(); }(ch));
            co_await evloop::yield();
            if (got % 2)
                job.cancel();
            const auto item = co_await evloop::as_outcome(job);
            if (item.is_cancelled())
                continue;
            if (item.code() == EVL_ESHUTDOWN)
                break;
            got++;
            sum += *item;
        }
    };
    for (int i = 0; i < 2; i++)
        threads.emplace_back([&] { evloop::run(receives(ch, sum, got)); });
    {
        std::thread one([&] { evloop::run(sends(ch, each)); }), two([&] { evloop::run(sends(ch, each)); });
        one.join();
        two.join();
    }
    ch.close();
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(got, 2 * each);
    EXPECT_EQ(sum, each * (each + 1));
}

TEST(Channel, ClosedWithAnException) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        channel<int> ch(1);
        auto waits = evloop::spawn([](channel<int> ch) -> task<int> {
            int sum = 0;
            for (;;)
                sum += co_await ch.receive();
            co_return sum;
        }(ch));
        co_await evloop::sleep(1ms);
        EXPECT_EQ(ch.try_send(1), 0);
        co_await evloop::sleep(1ms);
        ch.close(std::make_exception_ptr(Error("broken")));
        const std::string end = co_await how_of(waits);
        EXPECT_EQ(end, "broken");
        const auto sent = co_await evloop::as_result(ch.send(1));
        EXPECT_EQ(sent.code(), EVL_ESHUTDOWN);
    }());
}

// A turn that is given to one who leaves goes to the next, on either side.
TEST(Channel, WhoLeavesHandsOn) {
    for (int sends = 0; sends < 2; sends++) {
        for (int how = 0; how < 3; how++) {
            SCOPED_TRACE(sends * 10 + how);
            World w({.clock = EVL_CLOCK_REAL});
            run(w, [](bool sends, int how) -> task<> {
                channel<int> ch(1);
                const auto waits = [](channel<int> ch, bool sends) -> task<> {
                    if (sends)
                        co_await ch.send(1);
                    else
                        (void)co_await ch.receive();
                };
                if (sends) {
                    EXPECT_EQ(ch.try_send(0), 0);
                }
                auto first = evloop::spawn(waits, ch, sends);
                auto second = evloop::spawn(waits, ch, sends);
                co_await evloop::sleep(1ms);
                const std::int32_t moved = sends ? ch.try_receive().code() : ch.try_send(0);
                EXPECT_EQ(moved, 0);
                if (how == 0)
                    first.cancel();
                else
                    first = {};
                co_await evloop::timeout(10s, [&](evloop::time_limit &) -> task<> { co_await second; });
                EXPECT_EQ(ch.size(), sends ? 1u : 0u);
            }(sends != 0, how));
        }
    }
}

TEST(Channel, TheLoopOfOneWhoWaitsGoes) {
    channel<int> ch(1);
    World w({.clock = EVL_CLOCK_REAL});
    {
        World gone({.clock = EVL_CLOCK_REAL});
        evloop::scope scope(gone.loop);
        auto waits = scope.spawn([](channel<int> ch) -> task<> { (void)co_await ch.receive(); }(ch));
        gone.nowait();
        gone.destroy();
        EXPECT_EQ(ch.try_send(4), 0);
    }
    run(w, [](channel<int> ch) -> task<> {
        const int item = co_await ch.receive();
        EXPECT_EQ(item, 4);
    }(ch));
}

TEST(Channel, CloseEndsAllWhoWait) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        channel<int> full(1), empty(1);
        EXPECT_EQ(full.try_send(1), 0);
        const auto sends = [](channel<int> ch) -> task<> { co_await ch.send(2); };
        const auto receives = [](channel<int> ch) -> task<> { (void)co_await ch.receive(); };
        std::vector<evloop::spawned<>> jobs;
        for (int i = 0; i < 3; i++) {
            jobs.push_back(evloop::spawn(sends, full));
            jobs.push_back(evloop::spawn(receives, empty));
        }
        co_await evloop::sleep(1ms);
        full.close();
        std::thread([empty] { empty.close(); }).join();
        for (evloop::spawned<> &job : jobs) {
            const auto end = co_await evloop::as_result(job);
            EXPECT_EQ(end.code(), EVL_ESHUTDOWN);
        }
        EXPECT_EQ(full.size(), 1u);
    }());
}

// On two threads: what one of them frees, the other uses again.
TEST(Channel, AllocatesNothingInSteadyState) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, [](World &w) -> task<> {
        channel<std::array<char, 200>> there(4), back(4);
        std::atomic<std::uint64_t> others = 0;
        std::thread echo([there, back, &others] {
            evloop::run([](auto there, auto back, auto &others) -> task<> {
                std::uint64_t before = 0;
                for (int i = 0;; i++) {
                    if (i == 50)
                        before = allocations();
                    auto item = co_await evloop::as_result(there.receive());
                    if (!item)
                        break;
                    co_await back.send(*item);
                    others = allocations() - before;
                }
            }(there, back, others));
        });
        const auto round = [](auto there, auto back) -> task<> {
            std::array<char, 200> item{};
            co_await there.send(item);
            (void)co_await back.receive();
        };
        std::uint64_t before = 0, calls = 0;
        for (int i = 0; i < 200; i++) {
            if (i == 50) {
                before = allocations();
                calls = w.memory.calls();
            }
            co_await round(there, back);
        }
        EXPECT_EQ(allocations() - before, 0u);
        EXPECT_EQ(w.memory.calls() - calls, 0u);
        there.close();
        echo.join();
        EXPECT_EQ(others, 0u);
    }(w));
}

TEST(Channel, GivesTheNextUntilItEnds) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        channel<std::optional<int>> ch(1); // what is in it may be none
        std::thread thread([ch] {
            evloop::run([](channel<std::optional<int>> ch) -> task<> {
                co_await ch.send(1);
                co_await ch.send(std::nullopt);
                co_await ch.send(2);
                ch.close();
            }(ch));
        });
        int count = 0, sum = 0;
        while (const auto item = co_await ch.next()) {
            count++;
            sum += item->value_or(0);
        }
        thread.join();
        EXPECT_EQ(count, 3);
        EXPECT_EQ(sum, 3);
        channel<int> broken;
        broken.close(std::make_exception_ptr(Error("broken")));
        const std::string end = co_await how(broken.next());
        EXPECT_EQ(end, "broken");
    }());
}

} // namespace
