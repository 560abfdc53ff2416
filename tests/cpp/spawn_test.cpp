// spawn_test.cpp - who owns what a task is given, and tasks that wait for or own one another.
#include "tasks.hpp"

#include <evloop/dump.hpp>

#include <functional>
#include <memory>

using namespace support;

namespace {

const char *const long_text = "too long to be stored in place, so that what dangles is seen";

task<std::string> by_const_reference(const std::string &text) {
    co_await evloop::yield();
    co_return text;
}
task<std::string> by_rvalue(std::string &&text) {
    co_await evloop::yield();
    co_return text;
}
task<std::string> by_value(std::string text) {
    co_await evloop::yield();
    co_return text;
}
task<> by_reference(std::string &text) {
    co_await evloop::yield();
    text = "changed";
}
task<int> mixed(const std::string &a, int b, std::unique_ptr<int> c, int &d, const char *e) {
    co_await evloop::yield();
    d = 1;
    co_return static_cast<int>(a.size()) + b + *c + static_cast<int>(std::string(e).size());
}

TEST(Spawn, CopiesWhatTheFunctionTakesByConstReferenceOrAsRvalue) {
    World w;
    run(w, []() -> task<> {
        std::vector<evloop::spawned<std::string>> jobs;
        {
            std::string named = long_text;
            jobs.push_back(evloop::spawn(by_const_reference, named));
            jobs.push_back(evloop::spawn(by_const_reference, std::string(long_text)));
            jobs.push_back(evloop::spawn(by_const_reference, named.c_str()));
            jobs.push_back(evloop::spawn(by_rvalue, std::string(long_text)));
            jobs.push_back(evloop::spawn(by_rvalue, named));
            jobs.push_back(evloop::spawn(by_value, named));
            jobs.push_back(evloop::spawn([](const auto &text) { return by_value(text); }, named));
            EXPECT_EQ(named, long_text);
            named = "overwritten, and just as long as what it was before, or longer";
        }
        for (auto &job : jobs) {
            const std::string &text = co_await job;
            EXPECT_EQ(text, long_text);
        }
        std::string changes = "as it was";
        auto job = evloop::spawn(by_reference, changes);
        co_await job;
        EXPECT_EQ(changes, "changed");
        auto by_ref = evloop::spawn(by_const_reference, std::cref(changes));
        const std::string &same = co_await by_ref;
        EXPECT_EQ(same, "changed");
        int set = 0;
        auto all = evloop::spawn(mixed, std::string("ab"), 10, std::make_unique<int>(100), set, "abc");
        const int sum = co_await all;
        EXPECT_EQ(sum, 115);
        EXPECT_EQ(set, 1);
    }());
}

TEST(Spawn, KeepsTheCapturesOfALambda) {
    World w;
    run(w, []() -> task<> {
        evloop::spawned<std::string> job;
        {
            const auto lambda = [text = std::string(long_text)](int n) -> task<std::string> {
                co_await evloop::yield();
                co_return text.substr(static_cast<std::size_t>(n));
            };
            job = evloop::spawn(lambda, 4);
        }
        const std::string &text = co_await job;
        EXPECT_EQ(text, std::string(long_text).substr(4));
    }());
}

TEST(Spawn, ADestroyedTaskReleasesWhatItWasGiven) {
    World w;
    auto kept = std::make_shared<int>(1);
    run(w, [](std::shared_ptr<int> kept) -> task<> {
        const auto waits = [](const std::shared_ptr<int> &) -> task<> { co_await evloop::sleep(1h); };
        {
            auto not_begun = evloop::spawn(waits, kept);
            EXPECT_EQ(kept.use_count(), 3);
        }
        {
            auto waiting = evloop::spawn(waits, kept);
            co_await evloop::yield();
        }
        EXPECT_EQ(kept.use_count(), 2);
    }(kept));
}

TEST(Spawn, EmptyTasksAndReferencesFailAndDoNoHarm) {
    World w;
    run(w, []() -> task<> {
        const evloop::any_task none;
        EXPECT_TRUE(none.done());
        EXPECT_FALSE(none.cancel());
        EXPECT_FALSE(none.is_cancelled());
        EXPECT_EQ(none.uncancel(), 0u);
        EXPECT_EQ(none.cancelling(), 0u);
        none.set_name("none");
        EXPECT_STREQ(none.name(), "");

        auto original = gives(1);
        auto moved = std::move(original);
        const std::string awaited = co_await how(std::move(original));
        EXPECT_EQ(awaited, "invalid argument");
        const auto result = co_await as_result(std::move(original));
        EXPECT_EQ(result.code(), EVL_EINVAL);
        int code = 0;
        try {
            auto job = evloop::spawn(std::move(original));
        } catch (const std::system_error &error) {
            code = error.code().value();
        }
        EXPECT_EQ(code, EVL_EINVAL);
        const int value = co_await std::move(moved);
        EXPECT_EQ(value, 1);
    }());
    EXPECT_THROW(evloop::time_limit(EVL_NEVER), std::system_error);
    EXPECT_THROW(evloop::task_group(), std::system_error);
    std::vector<evloop::spawned<>> jobs;
    EXPECT_THROW((void)evloop::as_completed(jobs), std::system_error);
}

TEST(Spawn, MoveAssignmentEndsWhatWasThere) {
    World w;
    run(w, [](World &w) -> task<> {
        auto a = evloop::spawn(sleeps_named(w, "a", 1h)), b = evloop::spawn(sleeps_named(w, "b", 1ms));
        co_await evloop::yield();
        a = std::move(b);
        EXPECT_FALSE(b);
        w.note("moved");
        auto &self = a;
        a = std::move(self);
        EXPECT_TRUE(a);
        co_await a;
        auto first = sleeps(1h), second = sleeps(1ms);
        first = std::move(second);
        EXPECT_FALSE(second);
        co_await std::move(first);
    }(w));
    EXPECT_EQ(w.log(), "a b a! moved b.");
}

TEST(Spawn, AValueThatWasMovedAwayIsNotGivenAgain) {
    World w;
    run(w, []() -> task<> {
        auto job = evloop::spawn(gives(std::string(long_text)));
        const std::string text = co_await std::move(job);
        EXPECT_EQ(text, long_text);
        const auto again = co_await as_result(job);
        EXPECT_EQ(again.code(), EVL_EALREADY);
    }());
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"
task<std::string> flows_off(int n) {
    co_await evloop::yield();
    if (n > 0)
        co_return long_text;
}
#pragma GCC diagnostic pop

TEST(Spawn, ACoroutineThatFlowsOffItsEndIsAnError) {
    World w;
    run(w, []() -> task<> {
        const std::string value = co_await flows_off(1);
        EXPECT_EQ(value, long_text);
        const std::string called = co_await how(flows_off(0));
        EXPECT_EQ(called, "a coroutine flowed off its end, without a co_return");
        auto job = evloop::spawn(flows_off(0));
        const std::string joined = co_await how_of(job);
        EXPECT_EQ(joined, called);
    }());
}

task<std::string> throws_after_co_return() {
    struct Throws {
        ~Throws() noexcept(false) { throw Error("from a destructor"); }
    } local;
    co_return long_text;
}

TEST(Spawn, WhatADestructorThrowsAfterCoReturnGoesFirst) {
    World w;
    run(w, []() -> task<> {
        const std::string end = co_await how(throws_after_co_return());
        EXPECT_EQ(end, "from a destructor");
    }());
}

task<> waits_for(evloop::spawned<> &other) { co_await other; }

TEST(Cancel, TasksThatWaitForOneAnotherEndCancelled) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::spawned<> a, b, c;
        a = evloop::spawn(waits_for(b));
        b = evloop::spawn(waits_for(c));
        c = evloop::spawn(waits_for(b)); // a circle of two, with a way into it
        co_await evloop::yield();
        co_await evloop::yield();
        EXPECT_TRUE(a.cancel());
        EXPECT_EQ(a.cancelling() + b.cancelling() + c.cancelling(), 3u);
        for (int i = 0; i < 5; i++)
            co_await evloop::yield();
        EXPECT_TRUE(a.is_cancelled());
        EXPECT_TRUE(b.is_cancelled());
        EXPECT_TRUE(c.is_cancelled());
        EXPECT_EQ(evl_time(w.loop), evl_now(w.loop));
    }(w));
}

TEST(Cancel, ARequestBeforeTheCircleClosesEndsItToo) {
    World w;
    run(w, []() -> task<> {
        evloop::spawned<> a, b;
        a = evloop::spawn(waits_for(b));
        b = evloop::spawn([](evloop::spawned<> &other) -> task<> {
            evloop::this_task().cancel();
            co_await other;
        }(a));
        for (int i = 0; i < 6; i++)
            co_await evloop::yield();
        EXPECT_TRUE(a.is_cancelled());
        EXPECT_TRUE(b.is_cancelled());
    }());
}

struct Counts {
    int &ends;
    ~Counts() { ends++; }
};

task<> link(int n, int &ends) {
    Counts counts{ends};
    if (n == 0) {
        co_await evloop::sleep(1h);
        co_return;
    }
    auto next = evloop::spawn(link(n - 1, ends));
    co_await next;
}
task<> link_of_temporaries(int n, int &ends) {
    Counts counts{ends};
    if (n == 0)
        co_await evloop::sleep(1h);
    else
        co_await evloop::spawn(link_of_temporaries(n - 1, ends));
}
task<> link_of_groups(int n, int &ends) {
    Counts counts{ends};
    if (n == 0) {
        co_await evloop::sleep(1h);
        co_return;
    }
    evloop::task_group group;
    group.spawn(link_of_groups(n - 1, ends));
    co_await group.join();
}
task<> link_of_limits(int n, int &ends) {
    Counts counts{ends};
    if (n == 0) {
        co_await evloop::sleep(1h);
        co_return;
    }
    co_await evloop::timeout(2h, evloop::spawn(link_of_limits(n - 1, ends)));
}

class Chain : public ::testing::TestWithParam<task<> (*)(int, int &)> {
  public:
    // Spawned, and the last of them sleeps.
    static evloop::spawned<> start(evloop::scope &scope, World &w, int many, int &ends) {
        auto first = scope.spawn(GetParam()(many, ends));
        while (scope.size() <= static_cast<std::size_t>(many))
            evl_loop_run(w.loop, EVL_RUN_NOWAIT);
        for (int i = 0; i < 3; i++)
            evl_loop_run(w.loop, EVL_RUN_NOWAIT);
        return first;
    }
};

TEST_P(Chain, OfManyTasksIsDestroyedWithoutTheStack) {
    World w;
    int ends = 0;
    evloop::scope scope(w.loop);
    const int many = GetParam() == link ? 100'000 : 30'000;
    auto first = start(scope, w, many, ends);
    first = {};
    EXPECT_EQ(ends, many + 1);
    EXPECT_EQ(scope.size(), 0u);
}

TEST_P(Chain, OfManyTasksIsCancelled) {
    World w;
    int ends = 0;
    evloop::scope scope(w.loop);
    constexpr int many = 2'000; // thrown through one after the other
    auto first = start(scope, w, many, ends);
    first.cancel();
    while (!first.done())
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    EXPECT_TRUE(first.is_cancelled());
    EXPECT_EQ(ends, many + 1);
}

INSTANTIATE_TEST_SUITE_P(Ways, Chain,
                         ::testing::Values(link, link_of_temporaries, link_of_groups, link_of_limits));

// Who is awaited and owned by the frame ends first; a task that is owned elsewhere goes on.
TEST(Destroy, GoesFromTheInsideOut) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::spawned<> elsewhere = evloop::spawn(sleeps_named(w, "elsewhere", 1ms));
        {
            auto outer = evloop::spawn(
                [](World &w, evloop::spawned<> &elsewhere) -> task<> {
                    Trace trace(w, "outer");
                    auto inner = evloop::spawn([](World &w, evloop::spawned<> &elsewhere) -> task<> {
                        Trace trace(w, "inner");
                        co_await elsewhere;
                    }(w, elsewhere));
                    Trace later(w, "later");
                    co_await inner;
                },
                w, elsewhere);
            for (int i = 0; i < 3; i++)
                co_await evloop::yield();
        }
        w.note("|");
        co_await elsewhere;
    }(w));
    EXPECT_EQ(w.log(), "elsewhere outer later inner inner! later! outer! | elsewhere.");
}

TEST(Destroy, ATaskThatHasMovedOutOfTheFrameGoesOn) {
    World w;
    run(w, [](World &w) -> task<> {
        std::unique_ptr<evloop::spawned<>> out;
        {
            auto outer = evloop::spawn(
                [](World &w, std::unique_ptr<evloop::spawned<>> &out) -> task<> {
                    out = std::make_unique<evloop::spawned<>>(evloop::spawn(sleeps_named(w, "goes on", 1ms)));
                    co_await *out;
                },
                w, out);
            for (int i = 0; i < 3; i++)
                co_await evloop::yield();
        }
        co_await *out;
    }(w));
    EXPECT_EQ(w.log(), "goes on goes on.");
}

TEST(Dump, NamesTheLineOfWhoSpawned) {
    World w;
    run(w, []() -> task<> {
        const unsigned line = __LINE__;
        auto job = evloop::spawn([](int) -> task<> { co_await evloop::sleep(1h); }, 1); // line + 1
        auto group = evloop::spawn([]() -> task<> {
            co_await evloop::gather(evloop::sleep(1h), evloop::sleep(2h)); // line + 3
        });
        for (int i = 0; i < 3; i++)
            co_await evloop::yield();
        const std::string text = evloop::dump();
        const auto has = [&](unsigned at) {
            return text.find("spawned, spawn_test.cpp:" + std::to_string(at)) != std::string::npos;
        };
        EXPECT_TRUE(has(line + 1)) << text;
        EXPECT_TRUE(has(line + 3)) << text;
        EXPECT_EQ(text.find("spawned, gather.hpp"), std::string::npos) << text;
        EXPECT_EQ(text.find("spawned, scope.hpp"), std::string::npos) << text;
    }());
}

TEST(Dump, OfEveryScopeForADebugger) {
    World w;
    evloop::scope scope(w.loop), other(w.loop);
    auto job = scope.spawn(sleeps(1h));
    job.set_name("one that waits");
    ::testing::internal::CaptureStderr();
    evloop_dump_tasks();
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(text.find("'one that waits'"), std::string::npos) << text;
    EXPECT_EQ(text.find("loop "), 0u) << text;
}

struct Session {
    int n = 3;
    std::string name;
    task<int> add(int k) {
        co_await evloop::yield();
        co_return n += k;
    }
    task<std::string> says(const std::string &what) const {
        co_await evloop::yield();
        co_return name + what;
    }
    task<> counts(int &into) {
        co_await evloop::yield();
        into = n;
    }
};

TEST(Spawn, TakesAMemberFunctionAndItsObject) {
    World w;
    run(w, []() -> task<> {
        Session session;
        auto job = evloop::spawn(&Session::add, &session, 4);
        EXPECT_EQ(co_await job, 7);
        auto other = evloop::spawn(&Session::add, std::ref(session), 1);
        EXPECT_EQ(co_await other, 8);
        EXPECT_EQ(session.n, 8);
        int count = 0;
        auto counts = evloop::spawn(&Session::counts, &session, count); // the caller's
        co_await counts;
        EXPECT_EQ(count, 8);
        auto says = [] {
            Session copied;
            copied.name = std::string(50, 'n');
            return evloop::spawn(&Session::says, copied, std::string(50, 'w')); // both are copies
        }();
        const std::string text = co_await says;
        EXPECT_EQ(text, std::string(50, 'n') + std::string(50, 'w'));
    }());
}

// With every compiler, and in a co_await.
TEST(Spawn, TakesAFunctionThatCannotBeCopied) {
    World w;
    run(w, []() -> task<> {
        auto gives = [p = std::make_unique<int>(1)]() -> task<int> {
            co_await evloop::yield();
            co_return *p;
        };
        auto job = evloop::spawn(evloop::moved(gives));
        EXPECT_EQ(co_await job, 1);
        auto adds = [p = std::make_unique<int>(1)](int &to, const std::string &text) -> task<> {
            co_await evloop::yield();
            to += *p + static_cast<int>(text.size());
        };
        int sum = 0;
        co_await evloop::spawn(evloop::moved(adds), sum, std::string(50, 'x'));
        EXPECT_EQ(sum, 51);
        auto works = [p = std::make_unique<int>(2)](int n) { return *p + n; };
        const int value = co_await evloop::run_in_executor(evloop::moved(works), 3);
        EXPECT_EQ(value, 5);
        auto body = [p = std::make_unique<int>(3)](evloop::task_group &) -> task<int> { co_return *p; };
        const int of_body = co_await evloop::with_group(evloop::moved(body));
        EXPECT_EQ(of_body, 3);
        auto limited = [p = std::make_unique<int>(4)](evloop::time_limit &) -> task<int> { co_return *p; };
        const int in_time = co_await evloop::timeout(1s, evloop::moved(limited));
        EXPECT_EQ(in_time, 4);
        EXPECT_FALSE(static_cast<bool>(job.cancel()));
    }());
}

} // namespace
