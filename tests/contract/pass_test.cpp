// pass_test.cpp - what a pass does and in which order; fairness; nothing runs inline.
#include "world.hpp"

#include <algorithm>
#include <cerrno>

using namespace support;

namespace {

// --- 1: the pass ------------------------------------------------------------------------------------------

TEST(Pass, Contract_01_OnceRunsWhatItWaitedFor) {
    World w;
    Pipe p;
    evl_io *io = w.io(p.r, EVL_READ, w.says("io"));
    p.w.put();
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE);
    EXPECT_EQ(w.log(), "io");
    evl_close(io);
    evl_timer *timer = w.timer_in(5 * ms, w.says("timer"));
    EXPECT_EQ(w.once(), EVL_RUN_DONE); // the clock jumps and the timer runs in this very call
    EXPECT_EQ(w.log(), "io timer");
    evl_close(timer);
}

TEST(Pass, Contract_01_SnapshotRunsNothingNewer) {
    World w;
    w.call([&] {
        w.note("a");
        w.call(w.says("call"));
        w.post(w.says("post"));
        w.defer(w.says("op"));
        w.timer_at(evl_now(w.loop) - 1, w.says("timer"));
    });
    w.call(w.says("b"));
    w.nowait();
    EXPECT_EQ(w.log(), "a b");
    w.nowait();
    EXPECT_EQ(w.log(), "a b call post op timer"); // one line, in which the post came before the operation
}

// poll_interval callbacks may run between two looks at the kernel, in a chain that is never empty.
void polls_in_a_chain(uint32_t interval, int links, uint64_t at_least, uint64_t at_most) {
    World w({.poll_interval = interval});
    int left = links;
    std::function<void()> link = [&] {
        if (--left > 0)
            w.call([&] { link(); });
    };
    w.call([&] { link(); });
    w.run();
    EXPECT_EQ(left, 0);
    EXPECT_GE(w.metrics().polls, at_least) << "interval " << interval;
    EXPECT_LE(w.metrics().polls, at_most) << "interval " << interval;
}

TEST(Pass, Contract_01_PollsOnlyAfterPollInterval) {
    polls_in_a_chain(0, 640, 9, 12);
    polls_in_a_chain(10, 640, 63, 66);
    polls_in_a_chain(1, 640, 639, 642);
}

TEST(Pass, Contract_01_ReadyEventsWaitNoLongerThanPollInterval) {
    World w({.poll_interval = 8});
    Pipe p;
    int links = 0;
    evl_io *io = w.io(p.r, EVL_READ, [&] { p.r.drain(), w.note("io after " + std::to_string(links)); });
    std::function<void()> link = [&] {
        if (++links < 100)
            w.call([&] { link(); });
        if (links == 1)
            p.w.put();
    };
    w.call([&] { link(); });
    evl_keep_alive(io, 0);
    w.run();
    ASSERT_FALSE(w.log().empty());
    EXPECT_LE(std::stoi(w.log().substr(9)), 10);
}

TEST(Pass, Contract_01_PostsAndDueTimersAndStopAreSeenInEveryPass) {
    World w({.poll_interval = 1'000'000});
    int links = 0;
    std::function<void()> link = [&] {
        links++;
        w.call([&] { link(); });
    };
    auto at = [&](const char *what) { return [&w, &links, what] { w.note(what + std::to_string(links)); }; };
    w.call([&] {
        w.post(at("post"));
        w.timer_at(evl_now(w.loop), at("timer"));
    });
    w.call([&] { link(); });
    w.nowait(); // link 1
    w.nowait(); // link 2, then what the first call made
    // The post was there before link 2, and the timer is queued behind it. Where records are fetched one by
    // one each fetch looks for timers.
    EXPECT_EQ(w.log(), records() ? "post1 timer1" : "post1 timer2");
    w.call([&] { evl_stop(w.loop, 100); });
    EXPECT_EQ(w.forever(), 100); // although the chain never ends and the kernel is hardly asked
    EXPECT_LE(links, 5);
}

TEST(Pass, Contract_01_PostsAndCallsInOneLineThenEventsThenTimers) {
    World w({.poll_interval = 1});
    Pipe p;
    w.io(p.r, EVL_READ, w.says("io"), EVL_IO_ONESHOT);
    w.timer_at(evl_now(w.loop), w.says("timer"));
    p.w.put();
    w.post(w.says("post"));
    w.call(w.says("call"));
    w.nowait();
    EXPECT_EQ(w.log(), "post call io timer");
}

void reader_before_writer() {
    World w;
    Pair p;
    p.b.put();
    w.io(p.a, EVL_WRITE, w.says("writer"), EVL_IO_ONESHOT);
    w.io(p.a, EVL_READ, w.says("reader"), EVL_IO_ONESHOT);
    w.io(p.a, EVL_WRITE, w.says("writer2"), EVL_IO_ONESHOT);
    w.io(p.a, EVL_READ, w.says("reader2"), EVL_IO_ONESHOT);
    w.nowait();
    EXPECT_EQ(w.log(), "reader reader2 writer writer2");
}

TEST(Pass, Contract_01_ReaderBeforeWriterForOneFd) { reader_before_writer(); }

TEST(Pass, Contract_01_ClockIsReadOncePerPass) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL, .cap = 64});
    sys.freeze_time();
    int64_t first = 0;
    for (int i = 0; i < 20; i++)
        w.call_inside([&] {
            if (!first)
                first = evl_now(w.loop);
            sys.advance(1 * ms);
            EXPECT_EQ(evl_now(w.loop), first); // whatever the callbacks before it took
        });
    uint64_t before = sys.calls(Call::clock_gettime);
    w.nowait();
    EXPECT_LE(sys.calls(Call::clock_gettime) - before, 3u); // around the wait and for its length, not 20
    EXPECT_NE(first, 0);
    EXPECT_EQ(evl_now(w.loop), sys.now()); // fresh outside of run
}

TEST(Pass, Contract_01_InterruptedWaitEndsThePass) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    int64_t start = sys.now();
    w.timer_in(50 * ms, [&] { w.note("timer at " + std::to_string((evl_time(w.loop) - start) / ms)); });
    sys.fail_wait(EINTR);
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE); // nothing ran, and nothing is wrong
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    sys.advance(20 * ms);
    sys.fail_wait(EINTR, 3);
    sys.forget_waits();
    EXPECT_EQ(w.run(), EVL_RUN_DONE); // goes on, with the same absolute deadline
    EXPECT_EQ(w.log(), "timer at 50");
    auto waits = sys.waits();
    waits.resize(4);
    EXPECT_EQ(waits, (std::vector<int64_t>{30 * ms, 30 * ms, 30 * ms, 30 * ms}));
}

TEST(Pass, Contract_01_WaitsForNothingWhenSomethingIsReadyElseUntilTheDeadline) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL, .poll_interval = 1});
    sys.freeze_time();
    Pipe p;
    w.io(p.r, EVL_READ, [] {});
    w.timer_in(3 * sec, w.says("timer"));
    w.timer_in(2 * sec, w.says("first"));
    w.call(w.says("call"));
    sys.forget_waits();
    w.once();
    ASSERT_FALSE(sys.waits().empty());
    for (int64_t ns : sys.waits())
        EXPECT_EQ(ns, 0);
    sys.forget_waits();
    w.once();
    ASSERT_FALSE(sys.waits().empty());
    EXPECT_EQ(sys.waits()[0], 2 * sec);
    EXPECT_EQ(w.log(), "call first");
}

// --- 2: never inline, in order
// ------------------------------------------------------------------------------

TEST(Pass, Contract_02_NothingRunsInsideTheCallThatCausedIt) {
    World w;
    Pipe p;
    p.w.put();
    w.call(w.says("call"));
    w.post(w.says("post"));
    w.io(p.r, EVL_READ, w.says("io"), EVL_IO_ONESHOT);
    w.timer_at(evl_now(w.loop) - 1 * sec, w.says("timer"));
    evl_op *cancelled = w.defer([&](int64_t rc) { w.note("op" + std::to_string(rc)); });
    EXPECT_EQ(evl_op_cancel(cancelled), 1);
    w.signal(SIGUSR1, w.says("signal"));
    raise(SIGUSR1);
    evl_io *ending = w.io(p.w, EVL_WRITE, [&](int64_t rc) { w.note("ended" + std::to_string(rc)); });
    EXPECT_EQ(evl_fd_closing(w.loop, p.w), 1);
    EXPECT_EQ(w.log(), "");
    evl_close(ending); // takes its report back
    w.nowait();
    w.nowait();
    for (const char *word : {"call", "post", "io", "timer", "op-125", "signal"})
        EXPECT_NE(w.log().find(word), std::string::npos) << word << " in " << w.log();
    EXPECT_EQ(w.log().find("ended"), std::string::npos);
}

TEST(Pass, Contract_02_DeferredCallsAreFifo) {
    World w;
    std::string expected;
    for (int i = 0; i < 30; i++) {
        std::string word = std::to_string(i);
        expected += (i ? " " : "") + word;
        if (i % 3 == 0)
            w.call(w.says(word));
        else if (i % 3 == 1)
            w.defer(w.says(word));
        else
            w.call_owned(w.says(word), [] {});
    }
    w.run();
    EXPECT_EQ(w.log(), expected);
}

TEST(Pass, Contract_02_EqualDeadlinesFireInStartOrder) {
    World w;
    int64_t at = evl_now(w.loop) + 1 * sec;
    std::vector<evl_timer *> timers;
    for (int i = 0; i < 8; i++)
        timers.push_back(w.timer_at(at, w.says(std::to_string(i))));
    evl_timer_start_at(timers[2], at, 0);     // started again: behind the others
    evl_timer_start_at(timers[5], at + 1, 0); // away and back: likewise
    evl_timer_start_at(timers[5], at, 0);
    evl_timer_start_at(timers[0], at - 500, 0); // earlier and back
    evl_timer_start_at(timers[0], at, 0);
    evl_timer_stop(timers[3]);
    evl_timer_start_at(timers[3], at, 0);
    w.run();
    EXPECT_EQ(w.log(), "1 4 6 7 2 5 0 3");
}

// --- 14: fairness
// -------------------------------------------------------------------------------------------

TEST(Pass, Contract_14_AtMost256EventsInAPassAndNoneIsLeftOut) {
    World w({.cap = 1024});
    constexpr int n = 600;
    std::vector<Pipe> pipes(n);
    std::vector<int> seen(n);
    int in_pass = 0;
    for (size_t i = 0; i < n; i++) {
        pipes[i].w.put();
        w.io(pipes[i].r, EVL_READ, [&, i] { in_pass++, seen[i]++; }); // the byte stays: always ready
    }
    std::vector<int> passes;
    for (int served = 0; served < n; served += in_pass) {
        in_pass = 0;
        w.nowait();
        passes.push_back(in_pass);
        ASSERT_GT(in_pass, 0);
    }
    EXPECT_EQ(passes, (std::vector<int>{256, 256, 256})); // 600 served; the third pass begins a second round
    for (int i = 0; i < n; i++)
        EXPECT_GE(seen[static_cast<size_t>(i)], 1) << "starved: " << i;
}

// How many of 1,000 fds that stay ready are reported in each pass, until all have been.
std::vector<int> ready_in_each_pass(uint32_t events_per_pass, bool dispatched) {
    World w({.cap = 2048, .events_per_pass = events_per_pass});
    constexpr int n = 1000;
    std::vector<Pipe> pipes(n);
    std::vector<int> passes;
    std::vector<bool> seen(n);
    int in_pass = 0;
    for (size_t i = 0; i < n; i++) {
        pipes[i].w.put();
        w.io(pipes[i].r, EVL_READ, [&, i] { in_pass++, seen[i] = true; });
    }
    for (int served = 0; served < n; served += in_pass) {
        in_pass = 0;
        dispatched ? w.dispatch() : w.nowait();
        passes.push_back(in_pass);
        if (in_pass == 0)
            break;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
    return passes;
}

TEST(Pass, Contract_14_AsManyEventsInAPassAsTheOptionsSay) {
    EXPECT_EQ(ready_in_each_pass(1024, false), (std::vector<int>{1000}));
    EXPECT_EQ(ready_in_each_pass(500, false), (std::vector<int>{500, 500}));
    EXPECT_EQ(ready_in_each_pass(1024, true), (std::vector<int>{1000}));
    EXPECT_EQ(ready_in_each_pass(100, false), std::vector<int>(10, 100));
}

TEST(Pass, Contract_14_AtMost256TimersInAPassTheRestKeepsItsOrder) {
    World w({.cap = 1024});
    constexpr int n = 600;
    std::vector<int> order;
    int64_t now = evl_now(w.loop);
    for (int i = 0; i < n; i++)
        w.timer_at(now - (i * 7919) % n, [&, i] { order.push_back((i * 7919) % n); });
    std::vector<size_t> passes;
    while (order.size() < n) {
        size_t before = order.size();
        w.nowait();
        ASSERT_GT(order.size(), before);
        passes.push_back(order.size() - before);
        if (passes.size() == 1) // what becomes due meanwhile does not jump the queue
            w.timer_at(now, [&] { order.push_back(-1); });
    }
    EXPECT_EQ(passes, (std::vector<size_t>{256, 256, 89}));
    std::vector<int> expected;
    for (int i = n - 1; i >= 0; i--)
        expected.push_back(i);
    expected.push_back(-1);
    EXPECT_EQ(order, expected);
}

void calls_do_not_starve_events() {
    World w;
    Pipe p;
    w.io(p.r, EVL_READ, [&] { evl_stop(w.loop, 100); });
    p.w.put();
    std::function<void()> again = [&] { w.call([&] { again(); }); };
    for (int i = 0; i < 10; i++)
        again();
    EXPECT_EQ(w.forever(), 100);
}

TEST(Pass, Contract_14_CallsDoNotStarveEvents) { calls_do_not_starve_events(); }

TEST(Pass, Contract_14_ABusyFdDoesNotStarveTimersOrOtherFds) {
    World w;
    Pipe busy, other;
    busy.w.put();
    other.w.put();
    int turns = 0;
    w.io(busy.r, EVL_READ, [&] { turns++; });
    w.io(other.r, EVL_READ, w.says("other"), EVL_IO_ONESHOT);
    w.timer_at(evl_now(w.loop), w.says("timer"));
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "other timer");
    EXPECT_EQ(turns, 2);
}

// --- the same, by the names of the traps and of asyncio's behaviours
// --------------------------------------------

TEST(Trap, Trap_09_CallsDoNotStarveEvents) { calls_do_not_starve_events(); }

TEST(Asyncio, Asyncio_001_CallSoonIsFifoAndRunsOnce) {
    World w;
    for (const char *word : {"a", "b", "c"})
        w.call(w.says(word));
    w.run();
    w.nowait();
    EXPECT_EQ(w.log(), "a b c");
}

// asyncio polls in every pass; evloop does with poll_interval 1.
TEST(Asyncio, Asyncio_002_CallbacksOfCallbacksWaitForTheNextPassAfterAnotherPoll) {
    World w({.poll_interval = 1});
    uint64_t polls = 0;
    w.call([&] {
        polls = w.metrics().polls;
        w.call([&] {
            EXPECT_EQ(w.metrics().polls, polls + 1);
            w.note("second");
        });
    });
    w.run();
    EXPECT_EQ(w.log(), "second");
}

TEST(Asyncio, Asyncio_003_OrderInsideAPass) { reader_before_writer(); }

TEST(Asyncio, Asyncio_004_PollTimeout) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL, .poll_interval = 1});
    sys.freeze_time();
    auto first_wait = [&] {
        sys.forget_waits();
        w.once();
        return sys.waits().empty() ? -2 : sys.waits()[0];
    };
    evl_timer *timer = w.timer_in(7 * sec, [] {});
    w.call([] {});
    EXPECT_EQ(first_wait(), 0);
    EXPECT_EQ(first_wait(), 7 * sec);
    evl_timer_start_in(timer, 1 * sec, 0);
    evl_stop(w.loop, 100);
    EXPECT_EQ(first_wait(), 0);
    evl_timer_start_in(timer, 400 * 24 * 3600 * sec,
                       0); // asyncio waits a day at most; evloop as long as it can
    EXPECT_GE(first_wait(), 24 * 3600 * sec);
}

TEST(Asyncio, Asyncio_036_InterruptedPollIsAnEmptyResult) {
    Sys sys;
    World w;
    Pipe p;
    w.io(p.r, EVL_READ, w.says("io"), EVL_IO_ONESHOT);
    p.w.put();
    sys.fail_wait(EINTR, 2);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "io");
}

} // namespace
