// async_generator_test.cpp - generators that await: values, errors, cancelling, destroying anywhere.
#include "allocations.hpp"
#include "tasks.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace support;

namespace {

using evloop::async_generator;
using evloop::task;

static_assert(std::is_nothrow_move_constructible_v<async_generator<int>> &&
              !std::is_copy_constructible_v<async_generator<int>>);

struct Note {
    Note(std::string &log, std::string name) : log(log), name(std::move(name)) { log += "+" + this->name; }
    Note(const Note &) = delete;
    ~Note() { log += "-" + name; }
    std::string &log;
    std::string name;
};

async_generator<int> ticks(int n, std::chrono::nanoseconds every) {
    for (int i = 0; i < n; i++) {
        co_await evloop::sleep(every);
        co_yield i;
    }
}

TEST(AsyncGenerator, AwaitsBetweenItsValues) {
    std::vector<int> got;
    evloop::run([](std::vector<int> &got) -> task<> {
        auto g = ticks(3, 1ms);
        while (const int *tick = co_await g.next())
            got.push_back(*tick);
        EXPECT_TRUE(g.done());
        EXPECT_FALSE(co_await g.next()); // and again
        async_generator<int> none;
        EXPECT_FALSE(co_await none.next());
    }(got));
    EXPECT_EQ(got, std::vector<int>({0, 1, 2}));
}

TEST(AsyncGenerator, GivesReferencesTemporariesAndCopies) {
    evloop::run([]() -> task<> {
        auto words = []() -> async_generator<std::string> {
            std::string word = "a word that is too long to be stored in place";
            co_yield word;
            co_await evloop::sleep(0ns);
            co_yield word + "!";
        }();
        const std::string taken = std::move(*co_await words.next());
        EXPECT_EQ(taken.size(), 45u);
        std::string *second = co_await words.next();
        EXPECT_EQ(second->size(), 46u);
        int n = 1;
        auto reference = [](int &n) -> async_generator<int &> { co_yield n; }(n);
        EXPECT_EQ(co_await reference.next(), &n);
    }());
}

TEST(AsyncGenerator, MayUseAnother) {
    int sum = 0;
    evloop::run([](int &sum) -> task<> {
        auto squares = [](async_generator<int> of) -> async_generator<int> {
            while (const int *i = co_await of.next())
                co_yield *i **i;
        }(ticks(4, 1us));
        while (const int *square = co_await squares.next())
            sum += *square;
    }(sum));
    EXPECT_EQ(sum, 14);
}

TEST(AsyncGenerator, ThrowsToWhoAwaits) {
    evloop::run([]() -> task<> {
        auto g = []() -> async_generator<int> {
            co_yield 1;
            co_await evloop::sleep(1us);
            throw std::runtime_error("mine");
        }();
        co_await g.next();
        bool caught = false;
        try {
            co_await g.next();
        } catch (const std::runtime_error &) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        EXPECT_TRUE(g.done());
        EXPECT_FALSE(co_await g.next());
    }());
}

TEST(AsyncGenerator, IsCancelledWithItsTask) {
    std::string log;
    evloop::run([](std::string &log) -> task<> {
        auto waiter = evloop::spawn([](std::string &log) -> task<> {
            auto g = [](std::string &log) -> async_generator<int> {
                const Note note(log, "g");
                co_await evloop::sleep(1h);
                co_yield 1;
            }(log);
            try {
                co_await g.next();
            } catch (const evloop::cancelled &) {
                log += "c";
                EXPECT_TRUE(g.done());
                throw;
            }
        }(log));
        co_await evloop::sleep(1us);
        EXPECT_TRUE(waiter.cancel());
        co_await evloop::sleep(1us);
        EXPECT_TRUE(waiter.is_cancelled());
    }(log));
    EXPECT_EQ(log, "+g-gc");
}

TEST(AsyncGenerator, OneAtATimeMayAsk) {
    evloop::run([]() -> task<> {
        auto g = ticks(2, 1ms);
        auto other = evloop::spawn([](async_generator<int> &g) -> task<int> {
            int code = 0;
            try {
                co_await g.next();
            } catch (const std::system_error &error) {
                code = error.code().value();
            }
            co_return code;
        }(g));
        const int *first = co_await g.next();
        EXPECT_EQ(*first, 0);
        const int refused = co_await other;
        EXPECT_EQ(refused, EVL_EBUSY);
        const int *second = co_await g.next(); // of the one who asks, whichever task it is
        EXPECT_EQ(*second, 1);
    }());
}

async_generator<int> noted(std::string &log) {
    const Note note(log, "g");
    co_yield 1;
    co_await evloop::sleep(1h);
    co_yield 2;
}

task<> takes(std::string &log, int n) {
    const Note note(log, "t");
    auto g = noted(log);
    for (int i = 0; i < n; i++)
        co_await g.next();
    co_await evloop::sleep(1h);
}

TEST(AsyncGenerator, DestroyedNeverStartedAtAYieldAndInAnAwait) {
    for (const auto &[n, expected] : {std::pair(0, "+t-t"), {1, "+t+g-g-t"}, {2, "+t+g-g-t"}}) {
        std::string log;
        evloop::run([](std::string &log, int n) -> task<> {
            auto job = evloop::spawn(takes(log, n));
            co_await evloop::sleep(1us);
            job = {};
        }(log, n));
        EXPECT_EQ(log, expected) << n;
    }
    std::string log;
    {
        auto never = noted(log);
        auto moved = std::move(never);
        EXPECT_TRUE(never.done());
        moved = async_generator<int>();
    }
    EXPECT_EQ(log, "");
}

async_generator<int> numbers(int n) {
    for (int i = 0; i < n; i++)
        co_yield i;
}

// The value, or what it throws.
task<std::string> gives_or_says(evloop::spawned<std::string> &job) {
    try {
        co_return std::string(co_await job);
    } catch (const std::system_error &error) {
        co_return evl_err_name(error.code().value());
    } catch (const std::exception &error) {
        co_return error.what();
    }
}

evloop::async_generator<std::string> slow(World &w, bool throws = false) {
    Trace trace(w, "generator");
    co_await evloop::sleep(1ms);
    if (throws)
        throw Error("its error");
    co_yield "a value";
    w.note("wrong");
}

// Who awaits hears that it was closed, when it comes to its next value.
TEST(AsyncGenerator, MayBeClosedDestroyedAndMovedWhileItsValueIsAwaited) {
    World w;
    run(w, [](World &w) -> task<> {
        for (int how = 0; how < 5; how++) {
            auto generator = std::make_unique<evloop::async_generator<std::string>>(slow(w, how == 2));
            evloop::async_generator<std::string> other;
            auto asks = evloop::spawn([](evloop::async_generator<std::string> &of) -> task<std::string> {
                std::string *value = co_await of.next();
                co_return value ? *value : "none";
            }(*generator));
            co_await evloop::yield();
            if (how == 0)
                generator->close();
            else if (how == 3)
                other = std::move(*generator);
            generator.reset();
            if (how == 4)
                asks = {};
            else
                w.note(co_await gives_or_says(asks));
        }
    }(w));
    EXPECT_EQ(w.log(), "generator generator! EVL_ECLOSED "
                       "generator generator! EVL_ECLOSED "
                       "generator generator! its error "
                       "generator a value generator! "
                       "generator generator!");
}

TEST(AsyncGenerator, AMillionValuesNeedNeitherStackNorMemory) {
    std::int64_t sum = 0;
    evloop::run([](std::int64_t &sum) -> task<> {
        auto g = numbers(1'000'000);
        co_await g.next();
        const std::uint64_t before = support::allocations();
        while (const int *i = co_await g.next())
            sum += *i;
        EXPECT_EQ(support::allocations() - before, 0u);
    }(sum));
    EXPECT_EQ(sum, std::int64_t(999'999) * 1'000'000 / 2);
}

} // namespace
