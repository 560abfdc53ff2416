// asyncio_group_test.cpp - groups of tasks as asyncio has them; the numbers are those of docs/asyncio-cpp.md.
#include "tasks.hpp"

using namespace support;
using evloop::task_group;

namespace {

TEST(Asyncio, Asyncio_085_AGroupIsEnteredOnceInsideATask) {
    static_assert(!std::is_copy_constructible_v<task_group> && !std::is_move_constructible_v<task_group>);
    World w;
    run(w, [](World &w) -> task<> {
        co_await evloop::with_group([&](task_group &group) -> task<> {
            group.spawn(sleeps_named(w, "a", 2ms));
            group.spawn(sleeps_named(w, "b", 1ms));
            w.note("body");
            co_return;
        });
        w.note("joined");
    }(w));
    EXPECT_EQ(w.log(), "body a b b. a. joined");
}

std::string refusal(task_group &group, task<> what) {
    try {
        group.spawn(std::move(what));
    } catch (const std::system_error &error) {
        return evl_err_name(error.code().value());
    } catch (const evloop::cancelled &) {
        return "cancelled";
    }
    return "spawned";
}

TEST(Asyncio, Asyncio_086_ATaskIsRefusedByAGroupThatEnds) {
    World w;
    run(w, [](World &w) -> task<> {
        task_group *kept = nullptr;
        co_await evloop::with_group([&](task_group &group) -> task<> {
            kept = &group;
            // While it is left a task may be added, as long as one runs.
            group.spawn([](World &w, task_group &group) -> task<> {
                co_await evloop::sleep(1ms);
                w.note(refusal(group, sleeps_named(w, "late", 1ms)));
            }(w, group));
            co_return;
        });
        auto ends = evloop::with_group([&](task_group &group) -> task<> {
            group.cancel();
            w.note(refusal(group, sleeps_named(w, "never", 1ms)));
            co_return;
        });
        co_await std::move(ends);
        task_group done;
        co_await done.join();
        w.note(refusal(done, sleeps_named(w, "never", 1ms)));
    }(w));
    EXPECT_EQ(w.log(), "spawned late late. cancelled EVL_ECLOSED");
}

TEST(Asyncio, Asyncio_087_TheFirstErrorCancelsTheOthersAndTheBody) {
    World w;
    std::vector<std::string> unhandled;
    run(w, [](World &w) -> task<> {
        auto group = evloop::with_group([&](task_group &group) -> task<> {
            group.spawn(throws("first", 1ms));
            group.spawn(sleeps_named(w, "other", 1h));
            Trace body(w, "body");
            co_await evloop::sleep(1h);
            body.done();
        });
        const std::string end = co_await how(std::move(group));
        EXPECT_EQ(end, "first");
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);

        // The body's own error does so too.
        auto again = evloop::with_group([&](task_group &group) -> task<> {
            group.spawn(sleeps_named(w, "second", 1h));
            co_await evloop::sleep(1ms);
            throw Error("body");
        });
        const std::string own = co_await how(std::move(again));
        EXPECT_EQ(own, "body");
    }(w));
    EXPECT_EQ(w.log(), "body other other! body! second second!");
}

void kept(void *arg, std::int64_t code) { static_cast<std::vector<std::int64_t> *>(arg)->push_back(code); }

TEST(Asyncio, Asyncio_087_OtherErrorsAreReportedAndListed) {
    World w;
    std::vector<std::int64_t> reported;
    evl_set_error_hook(w.loop, kept, &reported);
    run(w, []() -> task<> {
        std::size_t errors = 0;
        auto fails_when_cancelled = []() -> task<> {
            try {
                co_await evloop::sleep(1h);
            } catch (const evloop::cancelled &) {
                evloop::throw_error(EVL_EPIPE);
            }
        };
        task_group group;
        group.spawn(throws("first", 1ms));
        group.spawn(fails_when_cancelled());
        const std::string end = co_await how(group.join());
        errors = group.errors().size();
        EXPECT_EQ(end, "first");
        EXPECT_EQ(errors, 2u);
    }());
    EXPECT_EQ(reported, std::vector<std::int64_t>{EVL_EPIPE});
}

TEST(Asyncio, Asyncio_088_AChildThatEndsCancelledIsNoError) {
    World w;
    run(w, [](World &w) -> task<> {
        co_await evloop::with_group([&](task_group &group) -> task<> {
            evloop::any_task child = group.spawn(sleeps_named(w, "a", 1h));
            group.spawn(sleeps_named(w, "b", 2ms));
            co_await evloop::yield();
            child.cancel();
        });
    }(w));
    EXPECT_EQ(w.log(), "a b a! b.");
}

// Ends only some time after it was cancelled.
task<> resists(World &w, std::chrono::nanoseconds time) {
    for (bool over = false; !over;) {
        try {
            co_await evloop::sleep(time);
            over = true;
        } catch (const evloop::cancelled &) {
            w.note("resists");
        }
    }
}

TEST(Asyncio, Asyncio_089_TheParentMayBeCancelledAnyNumberOfTimesWhileItJoins) {
    World w;
    run(w, [](World &w) -> task<> {
        auto job = evloop::spawn([](World &w) -> task<> {
            co_await evloop::with_group([&](task_group &group) -> task<> {
                group.spawn(resists(w, 10ms));
                co_return;
            });
        }(w));
        for (int i = 0; i < 3; i++) {
            co_await evloop::sleep(1ms);
            EXPECT_TRUE(job.cancel());
        }
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(job.cancelling(), 3u);
    }(w));
    EXPECT_EQ(w.log(), "resists"); // the first of them ends the children
}

TEST(Asyncio, Asyncio_090_AGroupTakesBackItsOwnCancelAndErrorsGoFirst) {
    World w;
    run(w, [](World &w) -> task<> {
        // Cancelled from outside while an error is on its way: the error, and the request is told next.
        auto job = evloop::spawn([](World &w) -> task<> {
            auto group = evloop::with_group([&](task_group &group) -> task<> {
                group.spawn([]() -> task<> {
                    try {
                        co_await evloop::sleep(1h);
                    } catch (const evloop::cancelled &) {
                        throw Error("cleanup");
                    }
                }());
                co_await evloop::sleep(1h);
            });
            const std::string end = co_await how(std::move(group));
            w.note(end + std::to_string(evloop::this_task().cancelling()));
            const std::string next = co_await how(evloop::sleep(1ms));
            w.note(next);
            const std::string after = co_await how(evloop::sleep(1ms));
            w.note(after);
        }(w));
        co_await evloop::sleep(1ms);
        job.cancel();
        co_await job;
    }(w));
    EXPECT_EQ(w.log(), "cleanup1 cancelled value");
}

TEST(Asyncio, Asyncio_091_CancellingAGroupIsSilentAndHidesNobodyElse) {
    World w;
    run(w, [](World &w) -> task<> {
        co_await evloop::with_group([&](task_group &group) -> task<> {
            group.spawn(sleeps_named(w, "a", 1h));
            co_await evloop::yield();
            group.cancel();
            group.cancel();
            co_await evloop::sleep(1h);
        });
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);
        w.note("silent");

        // Before anything has begun.
        co_await evloop::with_group([&](task_group &group) -> task<> {
            group.spawn(sleeps_named(w, "never", 1h));
            group.cancel();
            co_return;
        });
        co_await evloop::sleep(1ms);

        // From outside after the group was cancelled from inside: stays.
        auto job = evloop::spawn([](World &w) -> task<> {
            co_await evloop::with_group([&](task_group &group) -> task<> {
                group.spawn(resists(w, 10ms));
                co_await evloop::sleep(1ms);
                group.cancel();
                co_await evloop::sleep(1h);
            });
            w.note("wrong");
        }(w));
        co_await evloop::sleep(5ms);
        job.cancel();
        const std::string end = co_await how_of(job);
        EXPECT_EQ(end, "cancelled");
    }(w));
    EXPECT_EQ(w.log(), "a a! silent resists");
}

TEST(Group, ASpawnAfterItsCancelEndsItWithoutAnError) {
    World w;
    run(w, [](World &w) -> task<> {
        auto cancelled = evloop::with_group([&](task_group &group) -> task<> {
            group.spawn(sleeps_named(w, "member", 1h));
            co_await evloop::yield();
            group.cancel();
            group.spawn(sleeps_named(w, "never", 1ms));
            w.note("wrong");
        });
        co_await std::move(cancelled);
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);
        auto failed = evloop::with_group([&](task_group &group) -> task<> {
            group.spawn(throws("the error"));
            try {
                co_await evloop::sleep(1h);
            } catch (const evloop::cancelled &) {
            }
            group.spawn(sleeps_named(w, "never", 1ms));
        });
        const std::string end = co_await how(std::move(failed));
        EXPECT_EQ(end, "the error");
    }(w));
    EXPECT_EQ(w.log(), "member member!");
}

TEST(Group, GivesWhatTheBodyReturns) {
    World w;
    const int value = run(w, []() -> task<int> {
        int sum = 0;
        const auto add = [](int &sum, int n) -> task<> {
            co_await evloop::yield();
            sum += n;
        };
        sum = co_await evloop::with_group([&](task_group &group) -> task<int> {
                  for (int i = 1; i <= 4; i++)
                      group.spawn(add(sum, i));
                  co_return 100;
              }) +
              sum;
        co_return sum;
    }());
    EXPECT_EQ(value, 110);
}

TEST(Group, DestroyedItsTasksAreToo) {
    World w;
    run(w, [](World &w) -> task<> {
        {
            task_group group;
            group.spawn(sleeps_named(w, "a", 1h));
            group.spawn(sleeps_named(w, "never started", 1h)).cancel();
            co_await evloop::yield();
        }
        w.note("left");
        auto job = evloop::spawn([](World &w) -> task<> {
            co_await evloop::with_group([&](task_group &group) -> task<> {
                group.spawn(sleeps_named(w, "b", 1h));
                co_return;
            });
        }(w));
        co_await evloop::sleep(1ms);
    }(w));
    EXPECT_EQ(w.log(), "a a! left b b!");
}

TEST(Group, ABodyWithAValueThatItsCancelEndsThrowsCancelled) {
    World w;
    run(w, []() -> task<> {
        const auto body = [](evloop::task_group &group) -> task<int> {
            group.cancel();
            co_await evloop::sleep(1h);
            co_return 1;
        };
        const std::string end = co_await how(evloop::with_group(body));
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);
        const auto gives_another = [](evloop::task_group &group) -> task<int> {
            group.cancel();
            try {
                co_await evloop::sleep(1h);
            } catch (const evloop::cancelled &) {
            }
            co_return 2;
        };
        const int value = co_await evloop::with_group(gives_another);
        EXPECT_EQ(value, 2);
        const auto none = [](evloop::task_group &group) -> task<> {
            group.cancel();
            co_await evloop::sleep(1h);
        };
        co_await evloop::with_group(none);
    }());
}

} // namespace
