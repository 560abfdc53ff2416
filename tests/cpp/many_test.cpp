// many_test.cpp - the first of many, many with a limit, latches, shared mutexes, generators in generators.
#include "tasks.hpp"

#include <evloop/local.hpp>

#include <cstring>
#include <memory>
#include <ranges>
#include <set>
#include <span>
#include <vector>

using namespace support;

namespace {

// GCC 12 takes no initializer list in a coroutine.
template <class... N>
std::vector<int> ints(N... n) {
    return {n...};
}

TEST(WhenAny, OfAVector) {
    World w;
    run(w, [](World &w) -> task<> {
        std::vector<task<int>> jobs;
        jobs.push_back(gives(1, 3s));
        jobs.push_back(gives(2, 1s));
        jobs.push_back(gives(3, 2s));
        const auto first = co_await evloop::when_any(std::move(jobs));
        EXPECT_EQ(first.index, 1u);
        EXPECT_EQ(first.value, 2);

        std::vector<evloop::spawned<>> named;
        named.push_back(evloop::spawn(sleeps_named(w, "a", 2s)));
        named.push_back(evloop::spawn(sleeps_named(w, "b", 1s)));
        const auto done = co_await evloop::when_any(named);
        EXPECT_EQ(done.index, 1u);
        EXPECT_TRUE(named[0].is_cancelled());
        EXPECT_EQ(w.log(), "a b b. a!");

        std::vector<task<int>> none;
        const auto nothing = co_await evloop::as_result(evloop::when_any(std::move(none)));
        EXPECT_EQ(nothing.code(), EVL_EINVAL);

        std::vector<task<int>> fails;
        fails.push_back(gives(1, 3s));
        fails.push_back(throws("no", 1s));
        const std::string end = co_await how(evloop::when_any(std::move(fails)));
        EXPECT_EQ(end, "no");
    }(w));
}

task<int> fails_when_cancelled(std::string what) {
    try {
        co_await evloop::sleep(1h);
    } catch (const evloop::cancelled &) {
        throw Error(what);
    }
    co_return 0;
}

struct Reports {
    std::string all;
    static void add(void *arg, std::int64_t code) {
        static_cast<Reports *>(arg)->all += evl_err_name(static_cast<std::int32_t>(code)) + std::string(" ");
    }
};

// There is a value: what the others throw by being cancelled goes to the error hook.
TEST(WhenAny, TheOthersDoNotTakeTheValue) {
    Reports reports;
    World w;
    evl_set_error_hook(w.loop, Reports::add, &reports);
    run(w, [](Reports &reports) -> task<> {
        const auto first =
            co_await evloop::when_any(fails_when_cancelled("a"), gives(42, 1s), fails_when_cancelled("b"));
        EXPECT_EQ(first.index, 1u);
        EXPECT_EQ(std::get<1>(first.value), 42);
        EXPECT_EQ(reports.all, "EVL_EUSER EVL_EUSER ");
        std::vector<task<int>> jobs;
        jobs.push_back(gives(42, 1s));
        jobs.push_back(fails_when_cancelled("c"));
        const auto of_vector = co_await evloop::when_any(std::move(jobs));
        EXPECT_EQ(of_vector.value, 42);
        EXPECT_EQ(reports.all, "EVL_EUSER EVL_EUSER EVL_EUSER ");
        // Without a value the first error is thrown, and the others are reported.
        reports.all.clear();
        const std::string end =
            co_await how(evloop::when_any(fails_when_cancelled("d"), throws("first", 1s)));
        EXPECT_EQ(end, "first");
        EXPECT_EQ(reports.all, "EVL_EUSER ");
    }(reports));
}

// The value is then lost, as that of any await that is cancelled.
TEST(WhenAny, IsCancelledWhileTheOthersEnd) {
    Reports reports;
    World w;
    evl_set_error_hook(w.loop, Reports::add, &reports);
    run(w, [](Reports &reports) -> task<> {
        const auto ends_slowly = []() -> task<int> {
            try {
                co_await evloop::sleep(1h);
            } catch (const evloop::cancelled &) {
            }
            co_await evloop::sleep(2s);
            throw Error("slowly");
        };
        auto job = evloop::spawn([](auto ends_slowly) -> task<> {
            (void)co_await evloop::when_any(gives(1, 1s), ends_slowly());
        }(ends_slowly));
        co_await evloop::sleep(2s);
        job.cancel();
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(reports.all, "EVL_EUSER ");
    }(reports));
}

// Counts how many run at a time.
struct Busy {
    int now = 0, most = 0, begun = 0;
    task<int> work(int n) {
        begun++;
        now++;
        most = std::max(most, now);
        struct Leaves {
            Busy &of;
            ~Leaves() { of.now--; }
        } leaves{*this};
        co_await evloop::sleep(std::chrono::seconds(10 - n));
        if (n == 7)
            throw Error("seven");
        co_return n *n;
    }
};

TEST(Gather, WithALimit) {
    World w;
    run(w, []() -> task<> {
        Busy busy;
        std::vector<task<int>> jobs;
        for (int n = 0; n < 6; n++)
            jobs.push_back(busy.work(n));
        const std::vector<int> all = co_await evloop::gather(std::move(jobs), 2);
        EXPECT_EQ(all, ints(0, 1, 4, 9, 16, 25));
        EXPECT_EQ(busy.most, 2);
        EXPECT_EQ(busy.begun, 6);

        std::vector<task<int>> none;
        const auto nothing = co_await evloop::gather(std::move(none), 2);
        EXPECT_TRUE(nothing.empty());
        std::vector<task<>> some;
        some.push_back(sleeps(1s));
        co_await evloop::gather(std::move(some), 9);
        const auto refused = co_await evloop::as_result(evloop::gather(std::vector<task<int>>(), 0));
        EXPECT_EQ(refused.code(), EVL_EINVAL);
    }());
}

TEST(Gather, WithALimitTheFirstFailureEndsAll) {
    World w;
    run(w, []() -> task<> {
        Busy busy;
        std::vector<task<int>> jobs;
        for (int n = 6; n < 60; n++)
            jobs.push_back(busy.work(n < 9 ? n : 0));
        const std::string end = co_await how(evloop::gather(std::move(jobs), 3));
        EXPECT_EQ(end, "seven");
        EXPECT_EQ(busy.now, 0);
        EXPECT_LT(busy.begun, 10);
    }());
}

TEST(Map, IsInOrderAndLimited) {
    World w;
    run(w, []() -> task<> {
        Busy busy;
        const std::vector<int> numbers = ints(0, 1, 2, 3, 4);
        const auto work = [&busy](int n) { return busy.work(n); };
        const std::vector<int> all = co_await evloop::map(numbers, work, 3);
        EXPECT_EQ(all, ints(0, 1, 4, 9, 16));
        EXPECT_EQ(busy.most, 3);
        // What is moved in is moved on.
        std::vector<std::unique_ptr<int>> owners;
        owners.push_back(std::make_unique<int>(1));
        owners.push_back(std::make_unique<int>(2));
        const auto own = [](std::unique_ptr<int> p) -> task<int> {
            co_await evloop::yield();
            co_return *p;
        };
        const std::vector<int> values = co_await evloop::map(std::move(owners), own, 1);
        EXPECT_EQ(values, ints(1, 2));
        int sum = 0;
        const auto add = [&sum](int n) -> task<> {
            sum += n;
            co_return;
        };
        co_await evloop::map(numbers, add, 2);
        EXPECT_EQ(sum, 10);
        const auto refused = co_await evloop::as_result(evloop::map(numbers, work, 0));
        EXPECT_EQ(refused.code(), EVL_EINVAL);
    }());
}

const char *const long_text = "a text that is too long to be stored in place";

// Of what a view refers to nothing is taken, however it is given.
TEST(Map, LeavesWhatAViewRefersTo) {
    World w;
    run(w, []() -> task<> {
        std::vector<std::string> texts(3, long_text);
        const auto take = [](std::string text) -> task<std::size_t> {
            co_await evloop::yield();
            co_return text.size();
        };
        const auto some = co_await evloop::map(texts | std::views::take(2), take, 2);
        EXPECT_EQ(some, std::vector<std::size_t>(2, std::strlen(long_text)));
        const auto all = co_await evloop::map(std::span<std::string>(texts), take, 2);
        EXPECT_EQ(all.size(), 3u);
        EXPECT_EQ(texts, std::vector<std::string>(3, long_text));
        const auto moved = co_await evloop::map(std::move(texts), take, 2);
        EXPECT_EQ(moved, std::vector<std::size_t>(3, std::strlen(long_text)));
    }());
}

TEST(Map, OverRangesWithASentinel) {
    World w;
    run(w, []() -> task<> {
        const auto same = [](int n) -> task<int> { co_return n; };
        const auto some = co_await evloop::map(std::views::iota(1) | std::views::take(3), same, 2);
        EXPECT_EQ(some, ints(1, 2, 3));
        const auto odd = [](int n) { return n % 2 == 1; };
        auto filtered = std::views::iota(1, 6) | std::views::filter(odd);
        const auto others = co_await evloop::map(filtered, same, 2);
        EXPECT_EQ(others, ints(1, 3, 5));
        const std::set<int> set(others.begin(), others.end());
        const auto sorted = co_await evloop::map(std::set<int>(set), same, 2);
        EXPECT_EQ(sorted, ints(1, 3, 5));
    }());
}

// Elements that a view makes on the way stay until what refers to them has ended.
TEST(Map, TasksMayReferToElementsThatAViewMakes) {
    World w;
    run(w, []() -> task<> {
        const std::vector<int> numbers{1, 2, 3, 4, 5};
        const auto text = [](int n) { return std::string(40, static_cast<char>('a' + n)); };
        const auto last = [](const std::string &word) -> task<char> {
            co_await evloop::sleep(1ms);
            co_return word.back();
        };
        for (const std::size_t limit : {1, 2, 5}) {
            const auto ends = co_await evloop::map(numbers | std::views::transform(text), last, limit);
            EXPECT_EQ(ends, (std::vector<char>{'b', 'c', 'd', 'e', 'f'}));
        }
        const auto own = [](std::unique_ptr<int> owned) -> task<int> {
            co_await evloop::yield();
            co_return *owned;
        };
        const auto boxed = [](int n) { return std::make_unique<int>(n); };
        const auto values = co_await evloop::map(numbers | std::views::transform(boxed), own, 2);
        EXPECT_EQ(values, numbers);
    }());
}

TEST(Map, CancelledItTakesAllAlong) {
    World w;
    run(w, []() -> task<> {
        Busy busy;
        const std::vector<int> numbers = ints(0, 1, 2, 3, 4);
        auto job = evloop::spawn([](Busy &busy, const std::vector<int> &numbers) -> task<> {
            const auto work = [&busy](int n) { return busy.work(n); };
            (void)co_await evloop::map(numbers, work, 2);
        }(busy, numbers));
        co_await evloop::sleep(1s);
        EXPECT_EQ(busy.now, 2);
        job.cancel();
        const std::string end = co_await [](evloop::spawned<> &job) -> task<std::string> {
            std::string end = "value";
            try {
                co_await job;
            } catch (const evloop::cancelled &) {
                end = "cancelled";
            }
            co_return end;
        }(job);
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(busy.now, 0);
        EXPECT_EQ(busy.begun, 2);
    }());
}

// --- latch and shared mutex ----------------------------------------------------------------------

TEST(Latch, IsWaitedForUntilItIsZero) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::latch latch(2), open(0);
        EXPECT_TRUE(open.try_wait());
        co_await open.wait();
        const auto arrives = [](World &w, evloop::latch &latch) -> task<> {
            co_await latch.arrive_and_wait();
            w.note("through");
        };
        auto first = evloop::spawn(arrives(w, latch));
        co_await evloop::sleep(1s);
        EXPECT_EQ(w.log(), "");
        EXPECT_EQ(latch.count(), 1u);
        latch.count_down(5);
        EXPECT_EQ(latch.count(), 0u);
        co_await latch.wait();
        co_await first;
        EXPECT_EQ(w.log(), "through");
    }(w));
}

task<> reads(World &w, evloop::shared_mutex &mutex, std::string name) {
    const auto guard = co_await mutex.scoped_shared();
    Trace trace(w, std::move(name));
    co_await evloop::sleep(1s);
    trace.done();
}
task<> writes(World &w, evloop::shared_mutex &mutex, std::string name) {
    const auto guard = co_await mutex.scoped();
    Trace trace(w, std::move(name));
    co_await evloop::sleep(1s);
    trace.done();
}

TEST(SharedMutex, ReadersTogetherWritersAlone) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::shared_mutex mutex(w.loop);
        evloop::task_group group;
        group.spawn(reads(w, mutex, "r1"));
        group.spawn(reads(w, mutex, "r2"));
        group.spawn(writes(w, mutex, "w1"));
        group.spawn(reads(w, mutex, "r3")); // behind the writer
        group.spawn(writes(w, mutex, "w2"));
        group.spawn(reads(w, mutex, "r4")); // before the next writer
        co_await group.join();
        EXPECT_EQ(w.log(), "r1 r2 r1. r2. w1 w1. r3 r4 r3. r4. w2 w2.");
        EXPECT_TRUE(mutex.try_acquire());
        EXPECT_FALSE(mutex.try_acquire_shared());
        EXPECT_EQ(mutex.release_shared(), EVL_EPERM);
        EXPECT_EQ(mutex.release(), 0);
        EXPECT_EQ(mutex.release(), EVL_EPERM);
        EXPECT_TRUE(mutex.try_acquire_shared());
        EXPECT_TRUE(mutex.try_acquire_shared());
        EXPECT_FALSE(mutex.try_acquire());
        EXPECT_EQ(mutex.release(), EVL_EPERM);
        EXPECT_EQ(mutex.release_shared(), 0);
        EXPECT_EQ(mutex.release_shared(), 0);
    }(w));
}

TEST(SharedMutex, AWriterThatLeavesLetsTheReadersGo) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::shared_mutex mutex(w.loop);
        auto first = evloop::spawn(reads(w, mutex, "r1"));
        co_await evloop::yield();
        auto writer = evloop::spawn(writes(w, mutex, "w1"));
        auto second = evloop::spawn(reads(w, mutex, "r2"));
        co_await evloop::yield();
        co_await evloop::yield();
        EXPECT_EQ(w.log(), "r1");
        writer.cancel();
        co_await second;
        EXPECT_EQ(w.log(), "r1 r2 r1. r2.");
        EXPECT_TRUE(writer.is_cancelled());
        co_await first;
    }(w));
}

// Each way to end a wait, before and after the turn has been given: it is handed on.
TEST(SharedMutex, WhatWasGivenAndNotTakenIsHandedOn) {
    for (int shared = 0; shared < 2; shared++) {
        for (int how = 0; how < 3; how++) {
            SCOPED_TRACE(shared * 10 + how);
            World w;
            run(w, [](World &w, bool shared, int how) -> task<> {
                evloop::shared_mutex mutex(w.loop);
                EXPECT_TRUE(mutex.try_acquire());
                auto first = evloop::spawn(shared ? reads(w, mutex, "a") : writes(w, mutex, "a"));
                auto second = evloop::spawn(writes(w, mutex, "b"));
                co_await evloop::yield();
                EXPECT_EQ(mutex.release(), 0);
                if (how == 0)
                    first.cancel();
                else if (how == 1)
                    first = {};
                else {
                    first.cancel();
                    (void)first.uncancel();
                }
                co_await second;
                EXPECT_EQ(w.log(), how == 2 ? "a a. b b." : "b b.");
                EXPECT_TRUE(mutex.try_acquire());
            }(w, shared != 0, how));
        }
    }
}

TEST(SharedMutex, DestroyedEndsThoseWhoWait) {
    World w;
    run(w, [](World &w) -> task<> {
        auto mutex = std::make_unique<evloop::shared_mutex>(w.loop);
        EXPECT_TRUE(mutex->try_acquire());
        auto reader = evloop::spawn(reads(w, *mutex, "r"));
        auto writer = evloop::spawn(writes(w, *mutex, "w"));
        co_await evloop::yield();
        mutex.reset();
        for (evloop::spawned<> *job : {&reader, &writer}) {
            const auto end = co_await evloop::as_result(*job);
            EXPECT_EQ(end.code(), EVL_ECLOSED);
        }
        EXPECT_EQ(w.log(), "");
    }(w));
    World other;
    {
        evloop::scope scope(other.loop);
        evloop::shared_mutex mutex(other.loop);
        EXPECT_TRUE(mutex.try_acquire());
        auto reader = scope.spawn(reads(other, mutex, "r"));
        other.nowait();
        other.destroy();
    }
}

// Destroyed after a turn was given and before it is delivered: that is no turn of it.
TEST(SharedMutex, DestroyedWithATurnOnItsWay) {
    World w;
    run(w, [](World &w) -> task<> {
        for (const bool shared : {false, true}) {
            for (const bool scoped : {false, true}) {
                auto mutex = std::make_unique<evloop::shared_mutex>(w.loop);
                EXPECT_TRUE(mutex->try_acquire());
                auto job = evloop::spawn([](evloop::shared_mutex &mutex, bool shared, bool scoped) -> task<> {
                    if (!scoped && shared)
                        co_await mutex.acquire_shared();
                    else if (!scoped)
                        co_await mutex.acquire();
                    else if (shared)
                        const auto guard = co_await mutex.scoped_shared();
                    else
                        const auto guard = co_await mutex.scoped();
                }(*mutex, shared, scoped));
                co_await evloop::yield();
                EXPECT_EQ(mutex->release(), 0);
                mutex.reset();
                const auto end = co_await evloop::as_result(job);
                EXPECT_EQ(end.code(), EVL_ECLOSED) << shared << scoped;
            }
        }
    }(w));
}

// However a wait ends, readers go on at once, also while the awaitable is kept; and it may wait again.
TEST(SharedMutex, AnAwaitableThatIsKeptHoldsUpNoReaders) {
    for (int how = 0; how < 2; how++) {
        SCOPED_TRACE(how);
        World w;
        run(w, [](World &w, int how) -> task<> {
            evloop::shared_mutex mutex(w.loop);
            EXPECT_TRUE(mutex.try_acquire_shared());
            auto acquire = mutex.acquire();
            const auto waits = [](decltype(acquire) &acquire) -> task<> { co_await acquire; };
            auto writer = evloop::spawn(waits(acquire));
            co_await evloop::yield();
            auto reader = evloop::spawn(reads(w, mutex, "r"));
            co_await evloop::yield();
            EXPECT_EQ(w.log(), "");
            if (how == 0)
                writer.cancel();
            else
                writer = {}; // destroyed
            co_await evloop::yield();
            co_await evloop::yield();
            EXPECT_EQ(w.log(), "r");
            co_await reader;
            EXPECT_EQ(mutex.release_shared(), 0);
            co_await acquire;
            EXPECT_EQ(mutex.release(), 0);
        }(w, how));
    }
}

// --- elements_of ---------------------------------------------------------------------------------

evloop::async_generator<int> counts(World &w, int from, int to) {
    Trace trace(w, "c" + std::to_string(from));
    for (int i = from; i < to; i++) {
        co_await evloop::sleep(1s);
        co_yield i;
    }
    trace.done();
}

evloop::async_generator<int> nests(World &w, int depth) {
    if (depth > 0)
        co_yield evloop::elements_of(nests(w, depth - 1));
    else
        co_yield evloop::elements_of(counts(w, 0, 2));
    co_yield 100 + depth;
}

evloop::async_generator<int> mixed(World &w) {
    co_yield evloop::elements_of(counts(w, 0, 2));
    co_yield 10;
    const std::vector<int> numbers = ints(11, 12);
    co_yield evloop::elements_of(numbers);
    co_yield evloop::elements_of(ints(13));
    co_yield evloop::elements_of(std::vector<int>());
    co_yield evloop::elements_of(counts(w, 5, 5));
    co_yield 14;
}

task<std::string> all_of(evloop::async_generator<int> values) {
    std::string all;
    while (int *value = co_await values.next())
        all += std::to_string(*value) + " ";
    co_return all;
}

TEST(ElementsOf, GivesWhatAnotherGives) {
    World w;
    run(w, [](World &w) -> task<> {
        const std::string flat = co_await all_of(mixed(w));
        EXPECT_EQ(flat, "0 1 10 11 12 13 14 ");
        const std::string deep = co_await all_of(nests(w, 3));
        EXPECT_EQ(deep, "0 1 100 101 102 103 ");
    }(w));
}

evloop::generator<int> squares(int n) {
    for (int i = 1; i <= n; i++)
        co_yield i *i;
}

evloop::async_generator<int> from_ranges() {
    co_yield evloop::elements_of(squares(3));
    auto named = squares(2);
    co_yield evloop::elements_of(named);
    const std::vector<int> numbers = ints(2, 3);
    co_yield evloop::elements_of(std::set<int>(numbers.begin(), numbers.end()));
    co_yield evloop::elements_of(std::span<const int>(numbers));
    co_yield evloop::elements_of(std::views::iota(4) | std::views::take(2));
}

TEST(ElementsOf, GivesWhatRangesHave) {
    World w;
    run(w, []() -> task<> {
        const std::string all = co_await all_of(from_ranges());
        EXPECT_EQ(all, "1 4 9 1 4 2 3 2 3 4 5 ");
    }());
}

// Who gets an element may move from it: of a view it is a copy, of a container that is moved in its own.
TEST(ElementsOf, LeavesWhatAViewRefersTo) {
    World w;
    run(w, []() -> task<> {
        std::vector<std::string> texts(2, long_text);
        const auto of_views = [](std::vector<std::string> &texts) -> evloop::async_generator<std::string> {
            co_yield evloop::elements_of(texts | std::views::take(1));
            co_yield evloop::elements_of(std::span<std::string>(texts));
        };
        auto copies = of_views(texts);
        int count = 0;
        while (std::string *text = co_await copies.next()) {
            const std::string taken = std::move(*text);
            EXPECT_EQ(taken, long_text);
            count++;
        }
        EXPECT_EQ(count, 3);
        EXPECT_EQ(texts, std::vector<std::string>(2, long_text));
        const auto of_owners = []() -> evloop::async_generator<std::unique_ptr<int>> {
            std::vector<std::unique_ptr<int>> owners;
            owners.push_back(std::make_unique<int>(7));
            co_yield evloop::elements_of(std::move(owners));
        };
        auto owners = of_owners();
        std::unique_ptr<int> *owner = co_await owners.next();
        EXPECT_EQ(**owner, 7);
    }());
}

TEST(ElementsOf, EndsWithTheOuterOne) {
    World w;
    run(w, [](World &w) -> task<> {
        {
            auto values = nests(w, 2);
            int *value = co_await values.next();
            EXPECT_NE(value, nullptr);
        }
        EXPECT_EQ(w.log(), "c0 c0!");
        w.clear();
        auto job = evloop::spawn(all_of(nests(w, 2)));
        co_await evloop::yield();
        job = {}; // while it waits inside
        EXPECT_EQ(w.log(), "c0 c0!");
        w.clear();
        auto cancelled = evloop::spawn(all_of(nests(w, 2)));
        co_await evloop::yield();
        cancelled.cancel();
        const std::string end = co_await how_of(cancelled);
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(w.log(), "c0 c0!");
    }(w));
}

TEST(ElementsOf, PassesOnWhatIsThrown) {
    World w;
    run(w, [](World &w) -> task<> {
        const auto bad = []() -> evloop::async_generator<int> {
            co_yield 1;
            co_await evloop::yield();
            throw Error("bad");
        };
        const auto outer = [](auto bad) -> evloop::async_generator<int> {
            try {
                co_yield evloop::elements_of(bad());
            } catch (const Error &) {
            }
            co_yield 2;
            co_yield evloop::elements_of(bad());
        };
        auto values = outer(bad);
        int *one = co_await values.next();
        EXPECT_EQ(*one, 1);
        int *two = co_await values.next();
        EXPECT_EQ(*two, 2);
        int *again = co_await values.next();
        EXPECT_EQ(*again, 1);
        std::string end;
        try {
            (void)co_await values.next();
        } catch (const Error &error) {
            end = error.what();
        }
        EXPECT_EQ(end, "bad");
        w.clear();
    }(w));
}

// The next value may be awaited by another task than the last.
TEST(ElementsOf, MovesBetweenTasks) {
    World w;
    run(w, [](World &w) -> task<> {
        auto values = nests(w, 1);
        const auto next = [](evloop::async_generator<int> &values) -> task<int> {
            int *value = co_await values.next();
            co_return value ? *value : -1;
        };
        std::string all;
        for (int i = 0; i < 5; i++) {
            auto job = evloop::spawn(next(values));
            const int value = co_await job;
            all += std::to_string(value) + " ";
        }
        EXPECT_EQ(all, "0 1 100 101 -1 ");
    }(w));
}

// --- task_local ----------------------------------------------------------------------------------

evloop::task_local<std::string> user("nobody");
evloop::task_local<int> depth;

TEST(TaskLocal, IsTheTasksAndOfThoseItSpawns) {
    World w;
    EXPECT_EQ(user.get(), "nobody");
    EXPECT_THROW(user.set("x"), std::system_error);
    run(w, []() -> task<> {
        EXPECT_FALSE(user.has_value());
        user.set("ann");
        depth.set(1);
        const auto child = []() -> task<std::string> {
            std::string seen = user.get();
            co_await evloop::yield();
            user.set("bob");
            depth.set(2);
            seen += " " + user.get() + std::to_string(depth.get());
            co_return seen;
        };
        auto job = evloop::spawn(child());
        user.set("cat"); // after the spawn
        const std::string seen = co_await job;
        EXPECT_EQ(seen, "ann bob2");
        EXPECT_EQ(user.get(), "cat");
        EXPECT_EQ(depth.get(), 1);
        const std::string called = co_await child(); // in this task
        EXPECT_EQ(called, "cat bob2");
        EXPECT_EQ(user.get(), "bob");
        const auto [gathered] = co_await evloop::gather(child());
        EXPECT_EQ(gathered, "bob bob2");
    }());
    EXPECT_EQ(user.get(), "nobody");
}

TEST(TaskLocal, ScopedAndReset) {
    World w;
    run(w, []() -> task<> {
        depth.set(5);
        {
            const evloop::task_local<std::string>::scoped as(user, "dan");
            EXPECT_EQ(user.get(), "dan");
            co_await evloop::sleep(1s);
            EXPECT_EQ(user.get(), "dan");
            EXPECT_EQ(depth.get(), 5);
        }
        EXPECT_EQ(user.get(), "nobody");
        EXPECT_EQ(depth.get(), 5);
        user.set("eve");
        depth.reset();
        EXPECT_EQ(depth.get(), 0);
        EXPECT_EQ(user.get(), "eve");
        user.reset();
        user.reset();
        EXPECT_FALSE(user.has_value());
    }());
}

// Which may be that of another thread, and the values are counted by one.
TEST(TaskLocal, StaysOnItsLoop) {
    World w, other;
    evloop::scope here(w.loop), there(other.loop);
    run(w, [](evloop::scope &here, evloop::scope &there) -> task<> {
        const auto sees = [](std::string expected) -> task<> {
            EXPECT_EQ(user.get(), expected);
            co_return;
        };
        user.set("ann");
        auto away = there.spawn(sees("nobody"));
        std::move(away).detach();
        auto job = here.spawn(sees("ann")); // of another scope
        co_await job;
    }(here, there));
    EXPECT_EQ(there.size(), 1u);
    other.run();
    EXPECT_EQ(there.size(), 0u);
}

// The list does not grow with what is set again.
TEST(TaskLocal, SetAgainAndAgain) {
    World w;
    run(w, []() -> task<> {
        for (int i = 0; i < 1000; i++) {
            user.set(std::to_string(i));
            depth.set(i);
        }
        int entries = 0;
        for (auto *entry = evloop::this_task().state()->locals.first(); entry; entry = entry->next)
            entries++;
        EXPECT_EQ(entries, 2);
        EXPECT_EQ(user.get(), "999");
        EXPECT_EQ(depth.get(), 999);
        co_return;
    }());
}

} // namespace
