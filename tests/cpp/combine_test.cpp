// combine_test.cpp - several awaits at once: gather, when_any, wait, as_completed, shield, with, as_result.
#include "tasks.hpp"

#include <evloop/dump.hpp>
#include <evloop/stop.hpp>

#include <thread>

using namespace support;

namespace {

TEST(Combine, GatherGivesValuesInTheOrderOfTheArguments) {
    World w;
    run(w, []() -> task<> {
        auto handle = evloop::spawn(gives(3, 1ms));
        auto [a, b, nothing, c] =
            co_await evloop::gather(gives(1, 3ms), gives(std::string("two")), sleeps(1ms), handle);
        EXPECT_EQ(a, 1);
        EXPECT_EQ(b, "two");
        EXPECT_EQ(nothing, std::monostate{});
        EXPECT_EQ(c, 3);

        std::vector<task<int>> tasks;
        for (int i = 0; i < 5; i++)
            tasks.push_back(gives(i, std::chrono::milliseconds(5 - i)));
        const std::vector<int> all = co_await evloop::gather(std::move(tasks));
        EXPECT_EQ(all, (std::vector<int>{0, 1, 2, 3, 4}));
        std::vector<task<int>> none;
        const std::vector<int> empty = co_await evloop::gather(std::move(none));
        EXPECT_TRUE(empty.empty());

        std::vector<evloop::spawned<int>> jobs;
        for (int i = 0; i < 3; i++)
            jobs.push_back(evloop::spawn(gives(i)));
        const std::vector<int> values = co_await evloop::gather(jobs);
        EXPECT_EQ(values, (std::vector<int>{0, 1, 2}));
    }());
}

TEST(Combine, GatherCancelsTheOthersWhenOneFails) {
    World w;
    run(w, [](World &w) -> task<> {
        const std::string end = co_await how(
            evloop::gather(sleeps_named(w, "a", 1h), throws("failed", 1ms), sleeps_named(w, "b", 1h)));
        EXPECT_EQ(end, "failed");
        auto [one, other] =
            co_await evloop::gather(as_result(gives(1)), as_result(evloop::timeout(1ms, sleeps(1h))));
        EXPECT_EQ(*one, 1);
        EXPECT_EQ(other.code(), EVL_ETIMEDOUT);

        auto job = evloop::spawn([](World &w) -> task<> {
            co_await evloop::gather(sleeps_named(w, "c", 1h), sleeps_named(w, "d", 1h));
        }(w));
        co_await evloop::sleep(1ms);
        job.cancel();
        const std::string cancelled = co_await how_of(job);
        EXPECT_EQ(cancelled, "cancelled");
    }(w));
    EXPECT_EQ(w.log(), "a b b! a! c d d! c!");
}

TEST(Combine, WhenAnyGivesTheFirstAndCancelsTheOthers) {
    World w;
    run(w, [](World &w) -> task<> {
        auto first =
            co_await evloop::when_any(sleeps_named(w, "a", 1h), gives(std::string("b"), 1ms), gives(3, 2ms));
        EXPECT_EQ(first.index, 1u);
        EXPECT_EQ(std::get<1>(first.value), "b");
        const std::string end = co_await how(evloop::when_any(throws("x", 1ms), sleeps_named(w, "c", 1h)));
        EXPECT_EQ(end, "x");
        auto same = co_await evloop::when_any(gives(1), gives(2)); // both in one pass
        EXPECT_EQ(same.index, 0u);
    }(w));
    EXPECT_EQ(w.log(), "a a! c c!");
}

TEST(Combine, WaitLooksAndCancelsNothing) {
    World w;
    run(w, [](World &w) -> task<> {
        std::vector<evloop::spawned<>> jobs;
        jobs.push_back(evloop::spawn(sleeps_named(w, "a", 3ms)));
        jobs.push_back(evloop::spawn(sleeps_named(w, "b", 1ms)));
        {
            auto [done, pending] = co_await evloop::wait(jobs, evloop::until::first);
            EXPECT_EQ(done.size(), 1u);
            EXPECT_EQ(pending.size(), 1u);
            EXPECT_EQ(done[0], evloop::any_task(jobs[1]));
        }
        {
            auto [done, pending] = co_await evloop::wait(jobs, evloop::until::all, 1ms);
            EXPECT_EQ(pending.size(), 1u);
        }
        auto waits = evloop::spawn(
            [](std::vector<evloop::spawned<>> &jobs) -> task<> { co_await evloop::wait(jobs); }(jobs));
        co_await evloop::yield();
        waits.cancel();
        const std::string end = co_await how_of(waits);
        EXPECT_EQ(end, "cancelled");
        co_await evloop::wait(jobs);
        std::vector<evloop::any_task> none;
        const auto refused = co_await as_result(evloop::wait(none));
        EXPECT_EQ(refused.code(), EVL_EINVAL);
    }(w));
    EXPECT_EQ(w.log(), "a b b. a.");
}

TEST(Combine, WaitUntilTheFirstErrorDoesNotCountCancelled) {
    World w;
    run(w, []() -> task<> {
        std::vector<evloop::spawned<int>> jobs;
        jobs.push_back(evloop::spawn(gives(1, 1h)));
        jobs.push_back(evloop::spawn(throws("x", 2ms)));
        jobs.push_back(evloop::spawn(gives(3, 1h)));
        jobs[0].cancel();
        auto [done, pending] = co_await evloop::wait(jobs, evloop::until::first_error);
        EXPECT_EQ(done.size(), 2u);
        const std::string end = co_await how_of(jobs[1]);
        EXPECT_EQ(end, "x");
    }());
}

TEST(Combine, AsCompletedGivesHandlesInTheOrderOfTheirEnds) {
    World w;
    run(w, [](World &w) -> task<> {
        std::vector<evloop::spawned<int>> jobs;
        for (int i = 0; i < 3; i++)
            jobs.push_back(evloop::spawn(gives(i, std::chrono::milliseconds(3 - i))));
        auto ends = evloop::as_completed(jobs);
        for (int i = 0; i < 4; i++) {
            auto *job = co_await ends.next();
            std::string value = "end";
            if (job)
                value = std::to_string(co_await *job);
            w.note(value);
        }
        jobs.push_back(evloop::spawn(gives(9, 1h)));
        auto late = evloop::as_completed(jobs, 1ms);
        for (int i = 0; i < 3; i++)
            co_await late.next();
        const std::string end = co_await how(late.next());
        w.note(end);
    }(w));
    EXPECT_EQ(w.log(), "2 1 0 end timed out");
}

TEST(Combine, AShieldedTaskGoesOn) {
    World w;
    run(w, [](World &w) -> task<> {
        auto waits = evloop::spawn(
            [](World &w) -> task<> { co_await evloop::shield(sleeps_named(w, "saved", 2ms)); }(w));
        co_await evloop::sleep(1ms);
        waits.cancel();
        const std::string end = co_await how_of(waits);
        w.note(end);
        co_await evloop::sleep(5ms);

        auto job = evloop::spawn(gives(5, 1ms));
        const int value = co_await evloop::shield(job);
        EXPECT_EQ(value, 5);
        job.cancel();
        auto cancelled = evloop::spawn(sleeps(1h));
        cancelled.cancel();
        const std::string inner = co_await how(evloop::shield(cancelled)); // the inner's own
        EXPECT_EQ(inner, "cancelled");
    }(w));
    EXPECT_EQ(w.log(), "saved cancelled saved.");
}

void keep_code(void *arg, std::int64_t code) { *static_cast<std::int64_t *>(arg) = code; }

TEST(Combine, WhatAShieldedTaskThrowsLaterIsReported) {
    World w;
    std::int64_t reported = 0;
    evl_set_error_hook(w.loop, keep_code, &reported);
    run(w, [](const std::int64_t &reported) -> task<> {
        auto waits = evloop::spawn([]() -> task<> { co_await evloop::shield(throws("late", 2ms)); }());
        co_await evloop::sleep(1ms);
        waits.cancel();
        co_await how_of(waits);
        EXPECT_EQ(reported, 0);
        co_await evloop::sleep(5ms);
        EXPECT_EQ(reported, EVL_EUSER);
    }(reported));
}

struct Resource {
    World &w;
    bool fails = false;
    task<int> enter() {
        co_await evloop::yield();
        w.note("in");
        co_return 7;
    }
    task<> exit() {
        co_await evloop::yield();
        w.note("out");
        if (fails)
            throw Error("exit");
    }
};

TEST(Combine, WithEntersAndExitsHoweverTheBodyEnds) {
    World w;
    run(w, [](World &w) -> task<> {
        Resource resource{w};
        const int value = co_await evloop::with(resource, [](int &got) -> task<int> { co_return got + 1; });
        EXPECT_EQ(value, 8);
        const std::string thrown = co_await how(evloop::with(resource, [](int &) -> task<> {
            co_await evloop::yield();
            throw Error("body");
        }));
        EXPECT_EQ(thrown, "body");
        auto job = evloop::spawn([](Resource &resource) -> task<> {
            co_await evloop::with(resource, [](int &) -> task<> { co_await evloop::sleep(1h); });
        }(resource));
        co_await evloop::sleep(1ms);
        job.cancel();
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");
        Resource fails{w, true};
        const std::string exit = co_await how(evloop::with(fails, [](int &) -> task<> { co_return; }));
        EXPECT_EQ(exit, "exit");
    }(w));
    EXPECT_EQ(w.log(), "in out in out in out in out");
}

TEST(Combine, AsResultGivesErrorsAsValuesAndLetsACancellationPass) {
    World w;
    run(w, []() -> task<> {
        const auto value = co_await as_result(gives(1));
        EXPECT_EQ(value.value(), 1);
        const auto error = co_await as_result(evloop::readable(-1));
        EXPECT_EQ(error.code(), EVL_EBADF);
        EXPECT_EQ(error.error(), std::errc::bad_file_descriptor);
        const std::string foreign = co_await how(as_result(throws("not ours")));
        EXPECT_EQ(foreign, "not ours");
        auto job = evloop::spawn(sleeps(1h));
        job.cancel();
        const std::string cancelled = co_await how(as_result(job));
        EXPECT_EQ(cancelled, "cancelled");
        auto tries_again = evloop::spawn([]() -> task<> {
            for (;;) {
                const auto slept = co_await as_result(evloop::sleep(1ms));
                const auto failed = co_await as_result(evloop::readable(-1));
                EXPECT_TRUE(slept);
                EXPECT_FALSE(failed);
            }
        });
        co_await evloop::sleep(10ms);
        tries_again.cancel();
        const std::string end = co_await how_of(tries_again);
        EXPECT_EQ(end, "cancelled");
    }());
}

TEST(Combine, AsOutcomeGivesEveryEndButTheOwnCancellation) {
    World w;
    run(w, []() -> task<> {
        auto job = evloop::spawn(sleeps(1h));
        job.cancel();
        auto text = as_outcome(gives(std::string("text")));
        auto [value, error, cancelled, nothing] = co_await evloop::gather(
            std::move(text), as_outcome(throws("not ours")), as_outcome(job), as_outcome(sleeps(1ms)));
        EXPECT_TRUE(value && nothing);
        EXPECT_EQ(*value, "text");
        const std::string taken = std::move(value).value();
        EXPECT_EQ(taken, "text");
        EXPECT_FALSE(error || error.is_cancelled());
        EXPECT_THROW((void)error.value(), Error);
        EXPECT_TRUE(cancelled.is_cancelled());
        EXPECT_THROW(cancelled.value(), evloop::cancelled);
        nothing.value();
        auto own = evloop::spawn([]() -> task<> { (void)co_await as_outcome(evloop::sleep(1h)); });
        co_await evloop::yield();
        own.cancel();
        const std::string end = co_await how_of(own);
        EXPECT_EQ(end, "cancelled");
        const std::string late = co_await how(evloop::timeout(1ms, as_outcome(evloop::sleep(1h))));
        EXPECT_EQ(late, "timed out");
    }());
}

// It has no value to give, and nobody has failed.
TEST(Combine, GatherOfATaskThatIsCancelledByOthersEndsCancelled) {
    World w;
    run(w, []() -> task<> {
        std::vector<evloop::spawned<std::string>> jobs;
        jobs.push_back(evloop::spawn(gives(std::string("text"), 1h)));
        jobs.push_back(evloop::spawn(gives(std::string("text"))));
        auto some = evloop::spawn([](std::vector<evloop::spawned<std::string>> &jobs) -> task<> {
            co_await evloop::gather(jobs[0], jobs[1]);
        }(jobs));
        auto all = evloop::spawn([](std::vector<evloop::spawned<std::string>> &jobs) -> task<> {
            co_await evloop::gather(jobs);
        }(jobs));
        co_await evloop::sleep(1ms);
        jobs[0].cancel();
        for (auto *job : {&some, &all}) {
            const std::string end = co_await how_of(*job);
            EXPECT_EQ(end, "cancelled");
        }
    }());
}

TEST(Combine, AStopTokenCancelsFromAnyThread) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        std::stop_source source;
        auto job = evloop::spawn(sleeps(1h));
        {
            evloop::cancel_on_stop link(source.get_token(), job);
            std::thread thread([&] { source.request_stop(); });
            const std::string end = co_await how_of(job);
            EXPECT_EQ(end, "cancelled");
            thread.join();
        }
        evloop::cancel_on_stop already(source.get_token(), evloop::this_task());
        const std::string self = co_await how(evloop::sleep(1h));
        EXPECT_EQ(self, "cancelled");
        std::stop_source never;
        {
            evloop::cancel_on_stop unused(never.get_token(), evloop::this_task());
        }
        never.request_stop();
        co_await evloop::sleep(1ms);
    }());
}

TEST(Combine, ADumpShowsTheTreeAndWhereItWaits) {
    World w;
    run(w, [](World &w) -> task<> {
        auto job = evloop::spawn([](World &w) -> task<> {
            auto below = evloop::spawn(sleeps_named(w, "x", 1h));
            below.set_name("below");
            co_await evloop::timeout(2h, below);
        }(w));
        job.set_name("above");
        co_await evloop::sleep(1s);
        const std::string text = evloop::dump();
        const auto at = [&](const char *part) { return text.find(part); };
        EXPECT_NE(at("task 1, spawned"), std::string::npos) << text;
        EXPECT_LT(at("'above'"), at("'below'")) << text;
        EXPECT_NE(at("waits: task for 1.000 s"), std::string::npos) << text;
        EXPECT_NE(at("    waits: sleep for 1.000 s, tasks.hpp:"), std::string::npos) << text;
        EXPECT_NE(at("running, combine_test.cpp:"), std::string::npos) << text;
        EXPECT_NE(at("calls, combine_test.cpp:"), std::string::npos) << text;
        EXPECT_EQ(evloop::dump(evloop::scope(w.loop)), "");
    }(w));
}

// A future that a function returns goes with whoever awaits it, before its value is looked at.
evloop::future<std::string> replies(std::string text) {
    evloop::future<std::string> reply;
    reply.resolve(std::move(text));
    return reply;
}

TEST(Combine, AFutureThatIsHandedOverGivesACopyOfItsValue) {
    World w;
    const std::string one(50, 'x'), two(50, 'y');
    run(w, [](const std::string &one, const std::string &two) -> task<> {
        auto [a, b] = co_await evloop::gather(replies(one), replies(two));
        EXPECT_EQ(a + b, one + two);
        std::vector<evloop::future<std::string>> futures;
        futures.push_back(replies(one));
        futures.push_back(replies(two));
        const std::vector<std::string> all = co_await evloop::gather(std::move(futures));
        EXPECT_EQ(all, (std::vector<std::string>{one, two}));
        auto first = co_await evloop::when_any(replies(one), sleeps(1h));
        EXPECT_EQ(std::get<0>(first.value), one);
        const std::string limited = co_await evloop::timeout(1s, replies(two));
        EXPECT_EQ(limited, two);
        const std::string &alone = co_await replies(one); // the reference keeps the copy
        EXPECT_EQ(alone, one);
        auto later = evloop::as_result(replies(two));
        const auto result = co_await std::move(later);
        EXPECT_EQ(*result, two);
        auto how = co_await evloop::as_outcome(replies(one));
        EXPECT_EQ(*how, one);
    }(one, two));
}

TEST(Combine, GatherCopiesWhatALvalueRefersToWhenItComes) {
    World w;
    run(w, []() -> task<> {
        auto job = evloop::spawn(gives(std::string(50, 'x'), 1ms));
        evloop::future<std::string> reply;
        reply.resolve(50, 'y');
        auto ends = evloop::spawn([](auto &job, auto &reply) -> task<> {
            co_await evloop::sleep(2ms);
            job = {};
            reply = evloop::future<std::string>();
        }(job, reply));
        auto [a, b, nothing] = co_await evloop::gather(job, reply, sleeps(5ms));
        EXPECT_EQ(a, std::string(50, 'x'));
        EXPECT_EQ(b, std::string(50, 'y'));
        co_await ends;
    }());
}

TEST(Combine, AnEmptyTaskIsDoneForWhoWaits) {
    World w;
    run(w, []() -> task<> {
        for (const auto mode : {evloop::until::all, evloop::until::first, evloop::until::first_error}) {
            std::vector<evloop::any_task> jobs(2);
            const evloop::waited waited = co_await evloop::wait(jobs, mode);
            EXPECT_EQ(waited.done.size(), 2u);
        }
        std::vector<evloop::spawned<int>> none(1);
        auto ends = evloop::as_completed(none);
        const auto *empty = co_await ends.next();
        EXPECT_EQ(empty, &none[0]);
        const std::string end = co_await how(evloop::gather(none));
        EXPECT_NE(end, "value");
    }());
}

TEST(Combine, AsOutcomeOfAnotherInATaskThatHasBeenCancelledBefore) {
    World w;
    run(w, [](World &w) -> task<> {
        auto parent = evloop::spawn([](World &w) -> task<> {
            auto child = evloop::spawn(sleeps(1h)), late = evloop::spawn(sleeps(1h));
            try {
                co_await evloop::sleep(1h);
            } catch (const evloop::cancelled &) {
            }
            child.cancel();
            const auto of_child = co_await evloop::as_outcome(child);
            w.note(of_child.is_cancelled() ? "child" : "?");
            try {
                (void)co_await evloop::as_outcome(late); // a second request, which is the parent's own
                w.note("outcome");
            } catch (const evloop::cancelled &) {
                w.note("own");
            }
            evloop::this_task().cancel(); // is on its way when the next await begins
            try {
                (void)co_await evloop::as_outcome(sleeps(1h));
                w.note("outcome");
            } catch (const evloop::cancelled &) {
                w.note("own");
            }
        }(w));
        co_await evloop::sleep(1ms);
        parent.cancel();
        co_await evloop::sleep(1ms);
        parent.cancel();
        const std::string end = co_await how_of(parent);
        EXPECT_EQ(end, "value");
    }(w));
    EXPECT_EQ(w.log(), "child own own");
}

} // namespace
