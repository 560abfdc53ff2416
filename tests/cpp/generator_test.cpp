// generator_test.cpp - what Python's generators do: next, send, throw, close, yield from.
#include "allocations.hpp"

#include <evloop/generator.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using support::allocations_of;

using evloop::from;
using evloop::generator;

static_assert(std::is_nothrow_move_constructible_v<generator<int>> &&
              !std::is_copy_constructible_v<generator<int>>);
static_assert(sizeof(generator<int>) == sizeof(void *));
static_assert(std::ranges::input_range<generator<int>>);
static_assert(std::ranges::input_range<generator<const int &>>);

// Notes its construction and its end.
struct Note {
    Note(std::string &log, std::string name) : log(log), name(std::move(name)) { log += "+" + this->name; }
    Note(const Note &) = delete;
    ~Note() { log += "-" + name; }
    std::string &log;
    std::string name;
};

template <class G>
std::vector<int> all(G &&generator) {
    std::vector<int> values;
    for (int value : generator)
        values.push_back(value);
    return values;
}

// --- next, and ranges ----------------------------------------------------------------------------

generator<int> count(int from, int to) {
    for (int i = from; i < to; i++)
        co_yield i;
}

TEST(Generator, RunsOnlyWhenAskedTo) {
    std::string log;
    auto g = [](std::string &log) -> generator<int> {
        log += "started ";
        co_yield 1;
        log += "ended ";
    }(log);
    EXPECT_EQ(log, "");
    EXPECT_FALSE(g.done());
    ASSERT_TRUE(g.next());
    EXPECT_EQ(log, "started ");
    EXPECT_FALSE(g.next());
    EXPECT_EQ(log, "started ended ");
    EXPECT_TRUE(g.done());
    EXPECT_FALSE(g.next()); // and again
}

TEST(Generator, GivesItsValuesInOrder) {
    auto g = count(0, 3);
    EXPECT_EQ(*g.next(), 0);
    EXPECT_EQ(*g.next(), 1);
    EXPECT_EQ(all(g), std::vector<int>({2})); // what is yet to come
    EXPECT_EQ(all(count(5, 8)), std::vector<int>({5, 6, 7}));
    EXPECT_EQ(all(count(5, 5)), std::vector<int>());
    EXPECT_EQ(all(generator<int>()), std::vector<int>());
}

generator<long> fibonacci() {
    long a = 0, b = 1;
    for (;;) {
        co_yield a;
        a = std::exchange(b, a + b);
    }
}

TEST(Generator, IsARange) {
    std::vector<long> values;
    for (long value : fibonacci() | std::views::take(10))
        values.push_back(value);
    EXPECT_EQ(values, std::vector<long>({0, 1, 1, 2, 3, 5, 8, 13, 21, 34}));
    auto g = count(0, 100);
    EXPECT_EQ(*std::ranges::find_if(g, [](int i) { return i * i > 50; }), 8);
}

TEST(Generator, ValuesAreMovedOutReferencesReferAndCopiesAreKept) {
    auto owners = []() -> generator<std::unique_ptr<int>> {
        co_yield std::make_unique<int>(1);
        auto mine = std::make_unique<int>(2);
        co_yield std::move(mine);
    }();
    const std::unique_ptr<int> first = std::move(*owners.next());
    const std::unique_ptr<int> second = std::move(*owners.next());
    EXPECT_EQ(*first + *second, 3);

    auto words = []() -> generator<std::string> {
        std::string word = "a word that is too long to be stored in place";
        co_yield word;
        co_yield word + "!"; // what came out was a copy
        co_yield "converted";
    }();
    EXPECT_EQ(std::move(*words.next()).size(), 45u);
    EXPECT_EQ(words.next()->size(), 46u);
    EXPECT_EQ(*words.next(), "converted");

    int numbers[] = {1, 2, 3};
    for (int &number : [](auto &numbers) -> generator<int &> {
             for (int &number : numbers)
                 co_yield number;
         }(numbers))
        number *= 2;
    EXPECT_EQ(numbers[2], 6);
}

TEST(Generator, ThrowsWhereItIsAsked) {
    auto g = []() -> generator<int> {
        co_yield 1;
        throw std::runtime_error("mine");
    }();
    g.next();
    EXPECT_THROW(g.next(), std::runtime_error);
    EXPECT_TRUE(g.done());
    EXPECT_FALSE(g.next());
}

TEST(Generator, IsMovedAndClosed) {
    std::string log;
    auto make = [&log](std::string name) {
        return [](std::string &log, std::string name) -> generator<int> {
            const Note note(log, name);
            co_yield 1;
            co_yield 2;
        }(log, std::move(name));
    };
    auto a = make("a");
    a.next();
    auto b = std::move(a);
    EXPECT_TRUE(a.done());
    EXPECT_FALSE(a.next());
    EXPECT_EQ(*b.next(), 2);
    b = make("b");
    EXPECT_EQ(log, "+a-a");
    b.next();
    b.close();
    EXPECT_EQ(log, "+a-a+b-b");
    EXPECT_TRUE(b.done());
    b.close();
    {
        auto never_started = make("c");
    }
    EXPECT_EQ(log, "+a-a+b-b");
}

TEST(Generator, ThatCallsItselfIsRefused) {
    generator<int> *self = nullptr;
    auto g = [](generator<int> *&self) -> generator<int> {
        int code = 0;
        try {
            self->next();
        } catch (const std::system_error &error) {
            code = error.code().value();
        }
        co_yield code;
    }(self);
    self = &g;
    EXPECT_EQ(*g.next(), EVL_ERUNNING);
    EXPECT_FALSE(g.next());
}

// --- send ----------------------------------------------------------------------------------------

// The averager of the books: no sum and no count outside.
generator<double, std::optional<double>, int> averager() {
    double total = 0, average = 0;
    int count = 0;
    while (std::optional<double> term = co_yield average) {
        total += *term;
        average = total / ++count;
    }
    co_return count;
}

// From inside, by its own object: it ends where it next yields.
TEST(Generator, ThatClosesItselfEndsAtItsNextYield) {
    struct Held {
        std::optional<evloop::generator<int>> generator;
        std::string log;
    } held;
    const auto destroys = [](Held &held, int how) -> evloop::generator<int> {
        auto text = std::make_unique<std::string>("still there");
        if (how == 3)
            co_yield 1;
        how == 1 ? held.generator->close() : held.generator.reset();
        held.log += *text;
        if (how == 2)
            throw std::runtime_error("after");
        co_yield 2;
        held.log += " wrong";
    };
    for (int how : {0, 1}) {
        held.generator.emplace(destroys(held, how));
        EXPECT_EQ(held.generator->next(), nullptr);
        EXPECT_EQ(std::exchange(held.log, ""), "still there");
    }
    held.generator.emplace(destroys(held, 2));
    EXPECT_THROW(held.generator->next(), std::runtime_error);
    held.generator.emplace(destroys(held, 3));
    auto *first = held.generator->next();
    EXPECT_EQ(*first, 1);
    EXPECT_EQ(held.generator->next(), nullptr);
    EXPECT_FALSE(held.generator.has_value());
}

TEST(Generator, IsSentValuesAndReturnsOne) {
    auto g = averager();
    EXPECT_THROW(g.send(1.0), std::system_error); // not before the first next
    EXPECT_EQ(*g.next(), 0.0);
    EXPECT_EQ(*g.send(10), 10.0);
    EXPECT_EQ(*g.send(30), 20.0);
    EXPECT_EQ(*g.send(5), 15.0);
    EXPECT_EQ(g.returned(), nullptr);
    EXPECT_EQ(g.next(), nullptr); // sends nothing, as Python's None
    ASSERT_NE(g.returned(), nullptr);
    EXPECT_EQ(*g.returned(), 3);
    EXPECT_EQ(g.send(1), nullptr);
}

TEST(Generator, WhatIsSentMayBeMovedOnly) {
    auto g = []() -> generator<int, std::unique_ptr<int>> {
        int sum = 0;
        while (auto sent = co_yield sum)
            sum += *sent;
    }();
    g.next();
    EXPECT_EQ(*g.send(std::make_unique<int>(4)), 4);
    EXPECT_EQ(*g.send(std::make_unique<int>(5)), 9);
}

// --- throw ---------------------------------------------------------------------------------------

generator<int> catches() {
    for (int i = 0;; i++) {
        try {
            co_yield i;
        } catch (const std::invalid_argument &) {
            i += 100;
        }
    }
}

TEST(Generator, WhatIsThrownInIsThrownByCoYield) {
    auto g = catches();
    EXPECT_EQ(*g.next(), 0);
    EXPECT_EQ(*g.throw_(std::invalid_argument("x")), 101); // the next value
    EXPECT_EQ(*g.next(), 102);
    EXPECT_THROW(g.throw_(std::runtime_error("not caught")), std::runtime_error);
    EXPECT_TRUE(g.done());
    EXPECT_THROW(g.throw_(std::runtime_error("has ended")), std::runtime_error);
}

TEST(Generator, ThatHasNotStartedIsEndedByAThrow) {
    auto g = catches();
    EXPECT_THROW(g.throw_(std::invalid_argument("x")), std::invalid_argument);
    EXPECT_TRUE(g.done());
    EXPECT_FALSE(g.next());
}

// --- yield from ----------------------------------------------------------------------------------

TEST(YieldFrom, PassesValuesSendsAndTheResult) {
    std::string log;
    auto g = [](std::string &log) -> generator<double, std::optional<double>> {
        for (int i = 0; i < 2; i++) {
            const int n = co_yield from(averager());
            log += std::to_string(n) + " ";
        }
    }(log);
    g.next();
    g.send(40);
    EXPECT_EQ(*g.send(50), 45.0);
    EXPECT_EQ(*g.send(std::nullopt), 0.0); // the second averager's first value
    EXPECT_EQ(log, "2 ");
    EXPECT_EQ(*g.send(7), 7.0);
    EXPECT_FALSE(g.send({}));
    EXPECT_EQ(log, "2 1 ");
}

TEST(YieldFrom, TakesRanges) {
    auto g = []() -> generator<int> {
        std::vector<int> given{1, 2}; // GCC 12 cannot have a list of values in a co_yield
        co_yield from(std::move(given));
        const std::vector<int> mine{3, 4};
        co_yield from(mine);
        co_yield from(count(5, 7));
        co_yield from(std::views::iota(7, 9));
        co_yield from(count(0, 0));
    }();
    EXPECT_EQ(all(g), std::vector<int>({1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(YieldFrom, AGeneratorThatHasBegunGoesOn) {
    auto outer = [](generator<double, std::optional<double>, int> begun)
        -> generator<double, std::optional<double>, int> { co_return co_yield from(std::move(begun)); };
    auto inner = averager();
    inner.next();
    inner.send(10);
    auto g = outer(outer(std::move(inner)));
    g.next(); // which sends nothing, and so ends it
    EXPECT_EQ(*g.returned(), 1);

    auto again = averager();
    again.next();
    auto done = averager();
    done.next();
    done.next();
    auto h = outer(std::move(done));
    EXPECT_FALSE(h.next());
    EXPECT_EQ(*h.returned(), 0); // what it has returned long ago
    auto nothing = outer({});
    EXPECT_THROW(nothing.next(), std::system_error);
}

TEST(YieldFrom, WhatWasSentIsHadOnce) {
    auto inner = averager();
    inner.next();
    auto outer = [](generator<double, std::optional<double>, int> begun)
        -> generator<double, std::optional<double>, int> {
        const std::optional<double> mine = co_yield 0;
        const int count = co_yield from(std::move(begun)); // which goes on with nothing, as by next
        co_return mine == 5 ? count : -1;
    }(std::move(inner));
    outer.next();
    EXPECT_FALSE(outer.send(5));
    EXPECT_EQ(*outer.returned(), 0);
}

TEST(YieldFrom, ABegunChainIsTakenOverWhole) {
    auto chain = [](auto self, int depth) -> generator<int> {
        if (depth > 0)
            co_yield from(self(self, depth - 1));
        co_yield depth;
    };
    auto inner = chain(chain, 3);
    EXPECT_EQ(*inner.next(), 0);
    EXPECT_EQ(*inner.next(), 1);
    auto outer = [](generator<int> inner) -> generator<int> {
        co_yield from(std::move(inner));
        co_yield 100;
    }(std::move(inner));
    EXPECT_EQ(all(outer), std::vector<int>({2, 3, 100}));
}

generator<int, int, int> tree(int depth) {
    int sum = co_yield depth;
    if (depth > 0) {
        sum += co_yield from(tree(depth - 1));
        sum += co_yield from(tree(depth - 1));
    }
    co_return sum;
}

TEST(YieldFrom, ATreeOfGenerators) {
    auto g = tree(6);
    int values = 0;
    g.next();
    do
        values++;
    while (g.send(1));
    EXPECT_EQ(values, 127);
    EXPECT_EQ(*g.returned(), 127);
}

// A chain of three whose every level yields before, inside and after; each notes what it has on its stack.
generator<int> level(std::string &log, int depth, int catch_at) {
    const Note note(log, std::to_string(depth));
    co_yield depth * 10;
    if (depth < 3) {
        try {
            co_yield from(level(log, depth + 1, catch_at));
        } catch (const std::runtime_error &) {
            log += "c" + std::to_string(depth);
            if (depth != catch_at)
                throw;
        }
    }
    co_yield depth * 10 + 1;
}
constexpr int yields = 6; // 10 20 30 31 21 11

TEST(YieldFrom, DestroyedAtEachYieldOfThree) {
    const std::string expected[] = {
        "", "+1-1", "+1+2-2-1", "+1+2+3-3-2-1", "+1+2+3-3-2-1", "+1+2+3-3-2-1", "+1+2+3-3-2-1"};
    for (int at = 0; at <= yields; at++) {
        std::string log;
        {
            auto g = level(log, 1, 0);
            for (int i = 0; i < at; i++)
                ASSERT_TRUE(g.next());
        }
        EXPECT_EQ(log, expected[at]) << at;
    }
}

TEST(YieldFrom, ThrownIntoAtEachYieldOfThree) {
    // The level that yields gets it; it goes outwards until one catches it, and that one goes on.
    const int at_level[] = {0, 1, 2, 3, 3, 2, 1};
    for (int catch_at = 0; catch_at < 3; catch_at++) {
        for (int at = 1; at <= yields; at++) {
            std::string log;
            auto g = level(log, 1, catch_at);
            for (int i = 0; i < at; i++)
                ASSERT_TRUE(g.next());
            const bool caught = catch_at != 0 && at_level[at] > catch_at;
            if (caught) {
                EXPECT_EQ(*g.throw_(std::runtime_error("in")), catch_at * 10 + 1);
                while (g.next()) {
                }
            } else {
                EXPECT_THROW(g.throw_(std::runtime_error("in")), std::runtime_error);
            }
            EXPECT_TRUE(g.done());
            EXPECT_EQ(std::ranges::count(log, '+'), std::ranges::count(log, '-')) << log;
            EXPECT_EQ(std::ranges::count(log, 'c'), caught ? at_level[at] - catch_at : at_level[at] - 1)
                << log;
        }
    }
}

TEST(YieldFrom, ClosedAtEachYieldOfThreeAndUsedAgain) {
    for (int at = 0; at <= yields; at++) {
        std::string log;
        auto g = level(log, 1, 0);
        for (int i = 0; i < at; i++)
            g.next();
        g.close();
        EXPECT_FALSE(g.next());
        g = level(log, 3, 0);
        EXPECT_EQ(all(g), std::vector<int>({30, 31}));
    }
}

generator<int> deep(int depth) {
    if (depth > 0)
        co_yield from(deep(depth - 1));
    co_yield depth;
}

TEST(YieldFrom, AHundredThousandDeepUsesNoStack) {
    const int depth = 100'000;
    {
        auto g = deep(depth);
        for (int i = 0; i <= depth; i++)
            ASSERT_EQ(*g.next(), i);
        EXPECT_FALSE(g.next());
    }
    auto destroyed = deep(depth);
    destroyed.next();
    destroyed = generator<int>();
    auto thrown = deep(depth);
    thrown.next();
    EXPECT_THROW(thrown.throw_(7), int);
}

TEST(YieldFrom, FramesAreUsedAgain) {
    EXPECT_EQ(*deep(10).next(), 0);
    EXPECT_EQ(allocations_of([] { EXPECT_EQ(*deep(10).next(), 0); }), 0u);
}

} // namespace
