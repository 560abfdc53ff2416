// run_test.cpp - run and run_main: what a program's main task ends with, and what it leaves behind.
#include "tasks.hpp"

#include <csignal>
#include <thread>

using namespace support;

namespace {

struct Silent { // what is written to stderr
    Silent() { ::testing::internal::CaptureStderr(); }
    std::string text() { return ::testing::internal::GetCapturedStderr(); }
};

TEST(RunMain, GivesAnExitStatus) {
    Silent silent;
    EXPECT_EQ(evloop::run_main(sleeps(0ns)), 0);
    EXPECT_EQ(evloop::run_main(gives(7)), 7);
    EXPECT_EQ(silent.text(), "");
}

TEST(RunMain, SaysWhatWasThrown) {
    Silent silent;
    EXPECT_EQ(evloop::run_main(throws("what is wrong")), 1);
    EXPECT_EQ(evloop::run_main([]() -> task<> {
                  co_await evloop::yield();
                  throw 7;
              }()),
              1);
    const std::string text = silent.text();
    EXPECT_EQ(text, "evloop: what is wrong\nevloop: an exception that is no std::exception\n");
}

TEST(RunMain, EndsWithTheStatusOfAnInterruptAfterCtrlC) {
    Silent silent;
    bool cleaned = false;
    EXPECT_EQ(evloop::run_main([](bool &cleaned) -> task<> {
                  evloop::spawn([]() -> task<> {
                      co_await evloop::yield();
                      ::raise(SIGINT);
                  }())
                      .detach();
                  try {
                      co_await evloop::sleep(1h);
                  } catch (const evloop::cancelled &) {
                      cleaned = true;
                      throw;
                  }
              }(cleaned)),
              130);
    EXPECT_TRUE(cleaned);
    EXPECT_EQ(silent.text(), "");
}

TEST(Run, ReportsErrorsThatAreNotAwaitedWhenTheyHappen) {
    std::vector<std::string> reported;
    const int value = evloop::run(
        [](std::vector<std::string> &reported) -> task<int> {
            evloop::spawn(throws("one")).detach();
            co_await evloop::sleep(1ms);
            EXPECT_EQ(reported.size(), 1u);
            evloop::spawn(throws("two")).detach();
            co_await evloop::sleep(1ms);
            co_return 7;
        }(reported),
        [&](const std::exception_ptr &error) {
            try {
                std::rethrow_exception(error);
            } catch (const std::exception &exception) {
                reported.emplace_back(exception.what());
            }
        });
    EXPECT_EQ(value, 7);
    EXPECT_EQ(reported, (std::vector<std::string>{"one", "two"}));
}

TEST(Run, WritesErrorsThatAreNotAwaitedToStderr) {
    Silent silent;
    evloop::run([]() -> task<> {
        evloop::spawn(throws("unheard")).detach();
        co_await evloop::sleep(1ms);
    }());
    EXPECT_EQ(silent.text(), "evloop: unheard\n");
}

TEST(Run, ThrowsWhatTheMainTaskThrowsAndReportsItNot) {
    std::int64_t reported = 0;
    EXPECT_THROW(evloop::run(throws("main"), [&](const std::exception_ptr &) { reported++; }), Error);
    EXPECT_EQ(reported, 0);
}

// The parameters of the main task are there until the last task has ended, whatever ends it.
TEST(Run, WhatIsLeftBehindMayReferToTheParametersOfMain) {
    struct Registry {
        explicit Registry(World &world) : w(&world) {}
        Registry(Registry &&other) noexcept : w(std::exchange(other.w, nullptr)) {}
        ~Registry() {
            if (w)
                w->note("registry");
        }
        World *w;
    };
    const auto client = [](Registry &registry) -> task<> {
        struct Leaves {
            Registry &registry;
            ~Leaves() { registry.w->note("leaves"); }
        } leaves{registry};
        co_await evloop::sleep(1h);
    };
    for (const bool fails : {false, true}) {
        World w;
        try {
            run(w, [](Registry registry, auto client, bool fails) -> task<> {
                evloop::spawn(client(registry)).detach();
                co_await evloop::sleep(1ms);
                if (fails)
                    throw Error("main");
            }(Registry(w), client, fails));
        } catch (const Error &) {
            w.note("thrown");
        }
        EXPECT_EQ(w.log(), fails ? "leaves registry thrown" : "leaves registry");
    }
}

TEST(Run, AFutureOfAnotherLoopIsRefused) {
    World w, other;
    evloop::future<int> number(other.loop);
    evloop::future<std::string> text(other.loop);
    run(w, [](evloop::future<int> number, evloop::future<std::string> text) -> task<> {
        const auto one = co_await as_result(number);
        EXPECT_EQ(one.code(), EVL_EINVAL);
        const std::string two = co_await how(text);
        EXPECT_NE(two, "value");
        const auto three = co_await as_result(evloop::wait_future(number.c()));
        EXPECT_EQ(three.code(), EVL_EINVAL);
    }(number, text));
    EXPECT_FALSE(number.done());
}

} // namespace
