// carry_test.cpp - what futures and results carry: exceptions, values that move; steps on results.
#include "tasks.hpp"

#include <memory>
#include <thread>

using namespace support;

namespace {

std::exception_ptr error_of(const char *what) { return std::make_exception_ptr(Error(what)); }

TEST(FutureException, IsThrownToAllWhoAwait) {
    World w;
    run(w, []() -> task<> {
        evloop::future<std::string> reply;
        evloop::future<int> number;
        evloop::future<> done;
        auto first = evloop::spawn([](evloop::future<std::string> f) -> task<std::string> {
            const std::string value = co_await f;
            co_return value;
        }(reply));
        co_await evloop::yield();
        EXPECT_EQ(reply.fail(error_of("lost")), 0);
        EXPECT_EQ(reply.fail(error_of("again")), EVL_EALREADY);
        EXPECT_EQ(number.fail(error_of("no number")), 0);
        EXPECT_EQ(done.fail(error_of("not done")), 0);
        EXPECT_EQ(reply.fail(std::exception_ptr()), EVL_EINVAL);
        const std::string a = co_await how_of(first);
        const std::string b = co_await how<evloop::future<std::string> &>(reply);
        const std::string c = co_await how<evloop::future<int> &>(number);
        EXPECT_EQ(a, "lost");
        EXPECT_EQ(b, "lost");
        EXPECT_EQ(c, "no number");
        std::string d;
        try {
            co_await done;
        } catch (const Error &error) {
            d = error.what();
        }
        EXPECT_EQ(d, "not done");
        EXPECT_EQ(evl_future_value(number.c(), nullptr), EVL_EUSER);
    }());
}

TEST(FutureException, OfACodeIsAResult) {
    World w;
    run(w, []() -> task<> {
        evloop::future<int> reply;
        EXPECT_EQ(
            reply.fail(std::make_exception_ptr(std::system_error(evloop::make_error_code(EVL_ECONNRESET)))),
            0);
        EXPECT_EQ(evl_future_value(reply.c(), nullptr), EVL_ECONNRESET);
        const auto result = co_await evloop::as_result(reply);
        EXPECT_EQ(result.code(), EVL_ECONNRESET);
    }());
}

TEST(FutureException, ThatNobodyAwaitsIsReportedOnce) {
    World w;
    evloop::loop loop({.time = evloop::clock::jump});
    int reported = 0;
    loop.on_error([&](const std::exception_ptr &error) {
        reported++;
        try {
            std::rethrow_exception(error);
        } catch (const Error &what) {
            w.note(what.what());
        }
    });
    {
        evloop::future<int> reply(loop);
        EXPECT_EQ(reply.fail(error_of("lost")), 0);
    }
    loop.run();
    EXPECT_EQ(w.log(), "lost");
    EXPECT_EQ(reported, 1);
    w.clear();
    { // after the loop
        evloop::future<int> reply(loop);
        EXPECT_EQ(reply.fail(error_of("late")), 0);
        loop = evloop::loop({.time = evloop::clock::jump});
    }
    EXPECT_EQ(w.log(), "");
}

TEST(FutureException, ACancelledWaitIsCancelled) {
    World w;
    run(w, []() -> task<> {
        evloop::future<std::string> reply;
        auto waits = evloop::spawn([](evloop::future<std::string> f) -> task<> { (void)co_await f; }(reply));
        co_await evloop::yield();
        reply.fail(error_of("lost"));
        waits.cancel(); // which is delivered in place of the exception
        const std::string end = co_await [](evloop::spawned<> &job) -> task<std::string> {
            std::string end = "value";
            try {
                co_await job;
            } catch (const evloop::cancelled &) {
                end = "cancelled";
            }
            co_return end;
        }(waits);
        EXPECT_EQ(end, "cancelled");
        (void)evl_future_value(reply.c(), nullptr);
        (void)co_await how<evloop::future<std::string> &>(reply);
    }());
}

TEST(FutureException, IsPostedByAThread) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        evloop::future<int> reply;
        const evloop::hold held(evloop::this_loop());
        std::thread thread(
            [reply] { EXPECT_EQ(evloop::future<int>(reply).post_failure(error_of("there")), 0); });
        const std::string end = co_await how<evloop::future<int> &>(reply);
        EXPECT_EQ(end, "there");
        thread.join();
    }());
}

TEST(FutureValue, IsTakenOnce) {
    World w;
    run(w, []() -> task<> {
        evloop::future<std::unique_ptr<int>> reply;
        auto takes = evloop::spawn([](evloop::future<std::unique_ptr<int>> f) -> task<int> {
            const std::unique_ptr<int> value = co_await f.take();
            co_return *value;
        }(reply));
        co_await evloop::yield();
        EXPECT_EQ(reply.resolve(std::make_unique<int>(7)), 0);
        const int taken = co_await takes;
        EXPECT_EQ(taken, 7);
        const auto again = co_await evloop::as_result(reply.take());
        EXPECT_EQ(again.code(), EVL_EALREADY);
        const auto lent = co_await evloop::as_result(reply);
        EXPECT_EQ(lent.code(), EVL_EALREADY);

        evloop::future<int> number;
        number.resolve(3);
        const int n = co_await number.take();
        const int m = co_await number;
        EXPECT_EQ(n + m, 6);
    }());
}

TEST(FutureValue, IsTakenFromATemporary) {
    World w;
    run(w, []() -> task<> {
        const auto later = [] {
            evloop::future<std::unique_ptr<int>> reply;
            reply.resolve(std::make_unique<int>(5));
            return reply;
        };
        const std::unique_ptr<int> value = co_await later().take();
        EXPECT_EQ(*value, 5);
    }());
}

// --- steps ---------------------------------------------------------------------------------------

using evloop::result;

result<int> parse(const std::string &text) {
    if (text.empty())
        return evloop::fail(EVL_EINVAL);
    return std::stoi(text);
}

TEST(Steps, OfAResult) {
    const auto half = [](int n) -> result<int> {
        if (n % 2)
            return evloop::fail(EVL_ERANGE);
        return n / 2;
    };
    EXPECT_EQ(parse("8").and_then(half).and_then(half).value(), 2);
    EXPECT_EQ(parse("6").and_then(half).and_then(half).code(), EVL_ERANGE);
    EXPECT_EQ(parse("").and_then(half).code(), EVL_EINVAL);
    EXPECT_EQ(parse("8").transform([](int n) { return std::to_string(n + 1); }).value(), "9");
    EXPECT_EQ(parse("").transform([](int n) { return n; }).value_or(-1), -1);
    int seen = 0;
    const result<void> done = parse("4").transform([&](int n) { seen = n; });
    EXPECT_TRUE(done);
    EXPECT_EQ(seen, 4);
    EXPECT_EQ(done.transform([] { return 1; }).value(), 1);
    EXPECT_EQ(done.and_then([] { return parse(""); }).code(), EVL_EINVAL);
    EXPECT_EQ(
        parse("").or_else([](std::error_code code) { return parse(std::to_string(code.value())); }).value(),
        EVL_EINVAL);
    EXPECT_EQ(parse("1").or_else([](std::error_code) { return parse("2"); }).value(), 1);
    // What can only be moved is moved along.
    result<std::unique_ptr<int>> owner(std::make_unique<int>(3));
    EXPECT_EQ(**owner.transform([](std::unique_ptr<int> &p) { return p.get(); }), 3);
    EXPECT_EQ(*std::move(owner).transform([](std::unique_ptr<int> p) { return p; }).value(), 3);
    int there = 4;
    result<int &> ref(std::in_place, there);
    EXPECT_EQ(ref.transform([](int &n) { return ++n; }).value(), 5);
    EXPECT_EQ(there, 5);
}

TEST(Steps, OfAnOutcome) {
    World w;
    run(w, []() -> task<> {
        auto good = co_await evloop::as_outcome(gives(4));
        EXPECT_EQ(good.code(), 0);
        EXPECT_EQ(good.transform([](int n) { return n + 1; }).value(), 5);
        auto bad = co_await evloop::as_outcome(throws("bad"));
        EXPECT_EQ(bad.code(), EVL_EUSER);
        auto carried = bad.transform([](int n) { return std::to_string(n); });
        EXPECT_EQ(carried.error(), bad.error());
        EXPECT_EQ(bad.and_then([](int n) { return evloop::outcome<int>(std::in_place, n); }).error(),
                  bad.error());
        EXPECT_EQ(
            std::move(bad)
                .or_else([](const std::exception_ptr &) { return evloop::outcome<int>(std::in_place, 9); })
                .value(),
            9);
        auto job = evloop::spawn(sleeps(1s));
        co_await evloop::yield();
        job.cancel();
        auto gone = co_await evloop::as_outcome(job);
        EXPECT_EQ(gone.code(), EVL_ECANCELED);
        auto value = co_await evloop::as_outcome(throws("bad"));
        EXPECT_EQ(std::move(value).value_or(1), 1);
    }());
}

// --- where ---------------------------------------------------------------------------------------

TEST(UnhandledWhere, IsWhereTheTaskWasSpawned) {
    unsigned line = 0, spawned = 0;
    const auto hook = [&](const std::exception_ptr &) { line = evloop::unhandled_where().line(); };
    const auto program = [](unsigned &spawned) -> task<> {
        spawned = __LINE__ + 1;
        evloop::spawn(throws("alone")).detach();
        co_await evloop::sleep(1ms);
    };
    evloop::run(program(spawned), hook, {.time = evloop::clock::jump});
    EXPECT_EQ(line, spawned);
    EXPECT_EQ(evloop::unhandled_where().line(), 0u);
}

TEST(RunMain, HasAHook) {
    int reported = 0;
    const auto program = []() -> task<int> {
        evloop::spawn(throws("alone")).detach();
        co_await evloop::sleep(1ms);
        co_return 3;
    };
    EXPECT_EQ(evloop::run_main(program(), [&](const std::exception_ptr &) { reported++; },
                               {.time = evloop::clock::jump}),
              3);
    EXPECT_EQ(reported, 1);
}

TEST(Serve, HasAHookForWhatATaskThrows) {
    std::string log;
    const auto program = [](std::string &log) -> task<> {
        evloop::server server = evloop::listen("127.0.0.1", 0);
        unsigned line = 0, served = 0;
        server.on_error([&](const std::exception_ptr &error) {
            line = evloop::unhandled_where().line();
            try {
                std::rethrow_exception(error);
            } catch (const Error &what) {
                log += what.what();
            }
            throw Error(" hook"); // goes to the loop's
        });
        auto clients = evloop::spawn([](evloop::server &server) -> task<> {
            evloop::stream client = co_await evloop::open_connection("127.0.0.1", server.port());
            const std::string all = co_await client.read_all();
            EXPECT_EQ(all, "");
            server.stop();
        }(server));
        served = __LINE__ + 1;
        co_await server.serve([](evloop::stream) -> task<> {
            co_await evloop::yield();
            throw Error("handler");
        });
        EXPECT_GE(line, served);
        EXPECT_LT(line, static_cast<unsigned>(__LINE__));
        co_await clients;
    };
    evloop::run(program(log), [&](const std::exception_ptr &error) {
        try {
            std::rethrow_exception(error);
        } catch (const Error &what) {
            log += what.what();
        }
    });
    EXPECT_EQ(log, "handler hook");
}

// --- what cannot be changed -----------------------------------------------------------------------

TEST(Outcome, IsLookedAtAsAConstant) {
    World w;
    run(w, []() -> task<> {
        const auto good = co_await evloop::as_outcome(gives(std::string("text")));
        EXPECT_EQ(*good, "text");
        EXPECT_EQ(good->size(), 4u);
        EXPECT_EQ(good.value(), "text");
        EXPECT_EQ(good.value_or("other"), "text");
        const auto bad = co_await evloop::as_outcome(throws("broken"));
        EXPECT_EQ(bad.value_or(7), 7);
        EXPECT_THROW(static_cast<void>(bad.value()), Error);
        EXPECT_EQ(evloop::describe(bad.error()), "broken");
        const evloop::result<std::string> value("text"), none = evloop::fail(EVL_ENOENT);
        EXPECT_EQ(value.value_or("other"), "text");
        EXPECT_EQ(none.value_or("other"), "other");
        const auto size = [](const std::string &text) { return text.size(); };
        EXPECT_EQ(value.transform(size).value(), 4u);
        EXPECT_EQ(none.transform(size).code(), EVL_ENOENT);
        EXPECT_EQ(good.transform(size).value(), 4u);
        EXPECT_EQ(
            value.and_then([](const std::string &text) { return evloop::result<char>(text[0]); }).value(),
            't');
    }());
    EXPECT_EQ(evloop::describe({}), "");
    EXPECT_EQ(evloop::describe(std::make_exception_ptr(evloop::cancelled{})), "cancelled");
    EXPECT_NE(evloop::describe(std::make_exception_ptr(7)), "");
}

} // namespace
