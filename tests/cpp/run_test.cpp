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
    const std::string text = silent.text();
    EXPECT_EQ(text.rfind("evloop: unheard, in the task of ", 0), 0u) << text;
    EXPECT_NE(text.find("run_test.cpp:"), std::string::npos) << text;
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

// How run ends: a value, "cancelled", or what it throws.
template <class T>
std::string how_run_ends(World &w, task<T> main) {
    try {
        run(w, std::move(main));
    } catch (const evloop::cancelled &) {
        return "cancelled";
    } catch (const std::exception &error) {
        return error.what();
    }
    return "value";
}

TEST(Run, EndsCancelledWhateverTheArgumentOfStop) {
    for (const int result : {0, 1, 5}) {
        World w;
        const std::string end = how_run_ends(w, [](World &w, int result) -> task<> {
            Trace trace(w, "main");
            evloop::this_loop().stop(result);
            co_await evloop::sleep(1h);
            trace.done();
        }(w, result));
        EXPECT_EQ(end, "cancelled") << result;
        EXPECT_EQ(w.log(), "main main!") << result;
    }
    World w;
    const std::string end = how_run_ends(w, []() -> task<> {
        evloop::this_loop().stop(EVL_EUSER);
        co_await evloop::sleep(1h);
    }());
    EXPECT_NE(end, "cancelled");
    EXPECT_NE(end, "value");
}

TEST(Run, ReportsWhatAStoppedMainTaskThrows) {
    std::string reported;
    EXPECT_THROW(evloop::run(
                     []() -> task<> {
                         evloop::this_loop().stop();
                         try {
                             co_await evloop::sleep(1h);
                         } catch (const evloop::cancelled &) {
                             throw Error("cleanup");
                         }
                     }(),
                     [&](const std::exception_ptr &error) {
                         try {
                             std::rethrow_exception(error);
                         } catch (const std::exception &exception) {
                             reported = exception.what();
                         }
                     }),
                 evloop::cancelled);
    EXPECT_EQ(reported, "cleanup");
}

TEST(RunMain, EndsWithTheStatusOfAnInterruptWhenStopped) {
    EXPECT_EQ(evloop::run_main([]() -> task<> {
                  evloop::this_loop().stop(3);
                  co_await evloop::sleep(1h);
              }()),
              130);
}

// What cleans up may wait for tasks of its own; those that it leaves behind are cancelled when it has ended.
TEST(Run, CancelsWhatIsSpawnedWhileItWindsUp) {
    World w;
    run(w, [](World &w) -> task<> {
        evloop::spawn([](World &w) -> task<> {
            try {
                co_await evloop::sleep(1h);
            } catch (const evloop::cancelled &) {
                w.note("cleanup");
            }
            evloop::this_loop().stop(); // changes nothing about it
            auto [one, two] = co_await evloop::gather(gives(1, 1ms), gives(2, 2ms));
            w.note(std::to_string(one + two));
            evloop::spawn(sleeps_named(w, "behind", 1h), evloop::begin::now).detach();
        }(w))
            .detach();
        co_await evloop::sleep(1ms);
    }(w));
    EXPECT_EQ(w.log(), "cleanup 3 behind behind!");
}

} // namespace
