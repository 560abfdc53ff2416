// metrics_test.cpp - counters, dumps, errors that nobody took, slow callbacks.
#include "world.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

using namespace support;

namespace {

TEST(Metrics, CountWhatHappened) {
    World w;
    Pipe p;
    p.w.put();
    evl_metrics before = w.metrics();
    EXPECT_EQ(before.handles, 0u);
    w.io(p.r, EVL_READ, [] {}, EVL_IO_ONESHOT);
    for (int i = 0; i < 3; i++)
        w.timer_at(evl_now(w.loop), [] {});
    w.call([] {});
    w.post([] {});
    w.post([] {});
    evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    w.run();
    evl_metrics after = w.metrics();
    EXPECT_EQ(after.events - before.events, 1u);
    EXPECT_EQ(after.timers - before.timers, 3u);
    EXPECT_EQ(after.posts - before.posts, 2u);
    EXPECT_EQ(after.callbacks - before.callbacks, 7u);
    EXPECT_GE(after.passes, 1u);
    EXPECT_GE(after.polls, 1u);
    EXPECT_EQ(after.handles, 4u);
    EXPECT_EQ(after.errors, 0u);
    EXPECT_EQ(after.bytes, w.memory.bytes());
    uint64_t polls = after.polls, empty = after.empty_polls;
    w.nowait();
    EXPECT_EQ(w.metrics().polls, polls + 1);
    EXPECT_EQ(w.metrics().empty_polls, empty + 1);
}

TEST(Metrics, RepeatedExpirationsAreCounted) {
    World w({.clock = EVL_CLOCK_MANUAL});
    w.timer_in(1, [] {}, 1);
    evl_clock_advance(w.loop, 10);
    w.nowait();
    EXPECT_GE(w.metrics().timers, 1u);
}

TEST(Metrics, WakeupsAreWaitsThatSomebodyEnded) {
    Sys sys;
    World w;
    evl_loop_hold(w.loop);
    for (uint64_t i = 1; i <= 3; i++) {
        sys.forget_waits();
        std::jthread other([&] {
            until([&] { return !sys.waits().empty() && sys.waits().back() != 0; });
            i % 2 ? (void)evl_wake(w.loop) : (void)w.post([] {});
        });
        w.once();
        EXPECT_EQ(w.metrics().wakeups, i);
    }
    evl_loop_unhold(w.loop);
}

TEST(Metrics, IdleAndBusyTimeAndTheLagHistogram) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    int left = 5;
    evl_timer *timer = nullptr;
    timer = w.timer_in(
        10 * ms,
        [&] {
            sys.advance(3 * ms); // busy, a little less than 2^22 ns
            if (--left > 0)
                return;
            evl_timer_stop(timer);
            evl_timer_start_at(w.timer([] {}), evl_time(w.loop) + 1 * ms,
                               0); // the last busy stretch ends with a wait
        },
        10 * ms);
    w.run();
    evl_metrics m = w.metrics();
    EXPECT_EQ(m.idle_ns, static_cast<uint64_t>(10 * ms + 4 * 7 * ms + 1 * ms));
    EXPECT_EQ(m.busy_ns, static_cast<uint64_t>(5 * 3 * ms));
    EXPECT_EQ(m.lag[21], 5u);
}

TEST(Metrics, GrowWithStructSize) {
    World w;
    struct {
        evl_metrics metrics;
        char after[16];
    } old;
    memset(&old, 0x55, sizeof old);
    old.metrics.struct_size = offsetof(evl_metrics, events);
    EXPECT_EQ(evl_loop_metrics(w.loop, &old.metrics), 0);
    EXPECT_EQ(old.metrics.events, 0x5555555555555555u); // not known to that program
    memset(&old, 0x55, sizeof old);
    old.metrics.struct_size = sizeof old;
    EXPECT_EQ(evl_loop_metrics(w.loop, &old.metrics), 0);
    EXPECT_EQ(old.after[0], 0x55); // not known to this library
    EXPECT_EQ(old.metrics.errors, 0u);
    old.metrics.struct_size = 3;
    EXPECT_EQ(evl_loop_metrics(w.loop, &old.metrics), EVL_EINVAL);
    EXPECT_EQ(evl_loop_metrics(w.loop, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_metrics(nullptr, &old.metrics), EVL_EINVAL);
}

TEST(Metrics, MayBeReadInsideACallback) {
    World w;
    w.call([&] {
        EXPECT_GE(w.metrics().passes, 1u);
        w.note("read");
    });
    w.run();
    EXPECT_EQ(w.log(), "read");
}

// --- dumps
// --------------------------------------------------------------------------------------------------------------

// Numbers and names at the edge of what they may be.
TEST(Metrics, DumpsWhatIsLongDueAndNamesInUtf8) {
    World w;
    evl_timer *timer = w.timer_at(INT64_MIN, [] {});
    EXPECT_EQ(evl_set_name(timer, "caf\xc3\xa9 \"\x7f\n"), 0);
    char text[512];
    EXPECT_GT(evl_loop_dump(w.loop, text, sizeof text), 0);
    EXPECT_NE(std::string(text).find("name=\"caf\xc3\xa9 ...\""), std::string::npos) << text;
    EXPECT_NE(std::string(text).find("in=-9223372036854775808ns"), std::string::npos) << text;
}

TEST(Metrics, ADumpNamesWhatIsOpen) {
    World w({.name = "main"});
    Pipe p;
    evl_set_name(w.io(p.r, EVL_READ, [] {}), "listener\n\x01");
    evl_set_name(w.timer_in(1 * sec, [] {}), "heartbeat");
    evl_set_name(w.signal(SIGUSR1, [] {}), "reload");
    evl_set_name(w.hook(0, [] {}), "gc");
    w.call([] {});
    w.defer([] {});
    w.post([] {});
    char text[8192];
    int32_t length = evl_loop_dump(w.loop, text, sizeof text);
    ASSERT_GT(length, 0);
    EXPECT_EQ(static_cast<size_t>(length), strlen(text));
    for (const char *part : {"main", "listener", "heartbeat", "reload", "gc"})
        EXPECT_NE(strstr(text, part), nullptr) << part << " in\n" << text;
    EXPECT_EQ(strchr(text, '\x01'), nullptr) << "names are escaped";
    // At most cap bytes, the final 0 included, and the answer is the length it needs.
    for (int32_t cap : {0, 1, 2, length / 2, length, length + 1}) {
        std::vector<char> small(static_cast<size_t>(cap) + 1, 0x55);
        EXPECT_EQ(evl_loop_dump(w.loop, small.data(), static_cast<size_t>(cap)), length);
        EXPECT_EQ(small.back(), 0x55) << cap;
        if (cap > 0) {
            EXPECT_EQ(strlen(small.data()), static_cast<size_t>(std::min(cap - 1, length)));
            EXPECT_EQ(strncmp(small.data(), text, strlen(small.data())), 0);
        }
    }
    EXPECT_EQ(evl_loop_dump(w.loop, nullptr, 0), length);
    EXPECT_EQ(evl_loop_dump(nullptr, text, sizeof text), EVL_EINVAL);
}

// --- 7: errors that nobody took
// -----------------------------------------------------------------------------------------

TEST(Metrics, Contract_07_TheFirstUnhandledErrorIsKeptAndAllAreCounted) {
    World w;
    EXPECT_EQ(evl_loop_error(w.loop), 0);
    EXPECT_EQ(evl_loop_report(w.loop, EVL_EIO), 0);
    EXPECT_EQ(evl_loop_report(w.loop, EVL_EPIPE), 0);
    EXPECT_EQ(evl_loop_error(w.loop), EVL_EIO);
    EXPECT_EQ(evl_loop_error(w.loop), 0); // since the last call
    EXPECT_EQ(w.metrics().errors, 2u);
    EXPECT_EQ(evl_loop_report(nullptr, EVL_EIO), EVL_EINVAL);
    EXPECT_EQ(evl_loop_error(nullptr), EVL_EINVAL);
}

void an_error_hook_hears_all() {
    World w;
    static World *world;
    world = &w;
    auto hook = [](void *arg, int64_t code) {
        world->note(std::string(static_cast<const char *>(arg)) + std::to_string(code));
    };
    EXPECT_EQ(evl_set_error_hook(w.loop, hook, const_cast<char *>("error")), 0);
    w.call([&] { evl_loop_report(w.loop, EVL_EUSER); });
    w.call(w.says("goes on"));
    w.run();
    EXPECT_EQ(w.log(), "error-1004 goes on");
    EXPECT_EQ(evl_loop_error(w.loop), 0); // it was taken
    EXPECT_EQ(w.metrics().errors, 1u);
    EXPECT_EQ(evl_set_error_hook(w.loop, nullptr, nullptr), 0);
    evl_loop_report(w.loop, EVL_EIO);
    EXPECT_EQ(evl_loop_error(w.loop), EVL_EIO);
    EXPECT_EQ(evl_set_error_hook(nullptr, nullptr, nullptr), EVL_EINVAL);
}

TEST(Metrics, Contract_07_AnErrorHookHearsEveryError) { an_error_hook_hears_all(); }

// --- slow callbacks
// -----------------------------------------------------------------------------------------------------

void slow_callbacks_are_told() {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    static std::vector<int64_t> told;
    told.clear();
    EXPECT_EQ(
        evl_set_slow_callback(w.loop, 10 * ms, [](void *, int64_t ns) { told.push_back(ns); }, nullptr), 0);
    // The consumer of records does its own work: only callbacks are timed.
    auto work = [&](int64_t ns) { return w.arg([&sys, ns] { sys.advance(ns); }); };
    evl_timer *timer = nullptr;
    auto plain = [](void *arg, int64_t) { World::always(arg); };
    ASSERT_EQ(evl_timer_new(w.loop, plain, work(25 * ms), &timer), 0);
    evl_set_name(timer, "sluggish");
    uint64_t id = evl_id(timer);
    evl_timer_start_in(timer, 0, 0);
    evl_call_soon(w.loop, World::always, work(10 * ms - 1));
    evl_call_soon(w.loop, World::always, work(10 * ms));
    w.run();
    EXPECT_EQ(told, (std::vector<int64_t>{10 * ms, 25 * ms}));
    evl_metrics m = w.metrics();
    EXPECT_EQ(m.slow_callbacks, 2u);
    EXPECT_EQ(m.longest_ns, static_cast<uint64_t>(25 * ms));
    EXPECT_EQ(m.longest_id, id);
    EXPECT_STREQ(m.longest_name, "sluggish");
    EXPECT_EQ(evl_set_slow_callback(w.loop, -1, nullptr, nullptr), 0); // off
    evl_call_soon(w.loop, World::always, work(60 * ms));
    w.run();
    EXPECT_EQ(w.metrics().slow_callbacks, 2u);
    EXPECT_EQ(evl_set_slow_callback(w.loop, 0, nullptr, nullptr), 0); // fn may be NULL
    evl_call_soon(w.loop, World::always, work(70 * ms));
    w.run();
    EXPECT_EQ(w.metrics().longest_ns, static_cast<uint64_t>(70 * ms));
    EXPECT_EQ(w.metrics().longest_id, 0u);
    EXPECT_EQ(evl_set_slow_callback(nullptr, 0, nullptr, nullptr), EVL_EINVAL);
}

TEST(Metrics, SlowCallbacksAreToldAndTheLongestIsNamed) { slow_callbacks_are_told(); }

// A batch of posts is many callbacks, and each of them has its own time.
TEST(Metrics, PostsAreTimedOneByOne) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    static std::vector<int64_t> told;
    told.clear();
    EXPECT_EQ(
        evl_set_slow_callback(w.loop, 50 * ms, [](void *, int64_t ns) { told.push_back(ns); }, nullptr), 0);
    for (int i = 0; i < 100; i++)
        EXPECT_EQ(evl_post(w.loop, World::always, w.arg([&] { sys.advance(ms); })), 0);
    EXPECT_EQ(evl_post(w.loop, World::always, w.arg([&] { sys.advance(60 * ms); })), 0);
    w.run();
    EXPECT_EQ(told, std::vector<int64_t>{60 * ms});
    EXPECT_EQ(w.metrics().longest_ns, static_cast<uint64_t>(60 * ms));
}

TEST(Metrics, ASlowCallbackMayCloseItselfOrTheLoop) {
    World w;
    evl_set_slow_callback(w.loop, 0, [](void *, int64_t) {}, nullptr);
    evl_timer *timer = nullptr;
    timer = w.timer_in(0, [&] { evl_close(timer); });
    w.run();
    evl_call_soon(w.loop, World::always, w.arg([&] { w.destroy(); }));
    w.run();
}

// --- asyncio
// --------------------------------------------------------------------------------------------------------------

// A callback of C cannot raise. A binding's trampoline reports, the handler hears it, and the loop goes on.
TEST(Asyncio, Asyncio_011_ReportedErrorsGoToTheHandlerAndTheLoopGoesOn) { an_error_hook_hears_all(); }

// A handler that fails itself falls back to the default: the error it reports in turn does not recurse.
TEST(Asyncio, Asyncio_012_AHandlerThatReportsDoesNotRecurse) {
    World w;
    static evl_loop *loop;
    static int depth;
    loop = w.loop;
    depth = 0;
    auto hook = [](void *, int64_t) {
        if (++depth < 100)
            evl_loop_report(loop, EVL_EINVAL);
    };
    EXPECT_EQ(evl_set_error_hook(w.loop, hook, nullptr), 0);
    evl_loop_report(w.loop, EVL_EIO);
    EXPECT_EQ(depth, 1);
    EXPECT_EQ(evl_loop_error(w.loop), EVL_EINVAL);
}

TEST(Asyncio, Asyncio_019_SlowCallbacksAreReported) { slow_callbacks_are_told(); }

} // namespace
