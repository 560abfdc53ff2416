// post_test.cpp - from other threads: posts, wake, stop, hold, close_later; and everything else answered
// EVL_ETHREAD.
#include "world.hpp"

#include <atomic>
#include <csignal>
#include <numeric>
#include <thread>

using namespace support;

namespace {

// Whether the loop is in, or on its way into, a wait that something has to end.
bool asleep(const Sys &sys) {
    auto waits = sys.waits();
    return !waits.empty() && waits.back() != 0;
}

uint64_t all_calls(const Sys &sys) {
    uint64_t n = 0;
    for (int i = 0; i < static_cast<int>(Call::count); i++)
        n += sys.calls(static_cast<Call>(i));
    return n;
}

// --- the line
// ---------------------------------------------------------------------------------------------------------

// Posts and the loop's own calls are one line, whoever posted: what was posted before a call runs before it.
TEST(Post, RunsBeforeWhatTheLoopQueuesLater) {
    World w;
    w.call(w.says("1"));
    on_thread([&] { w.post(w.says("2")); });
    w.call(w.says("3"));
    w.post(w.says("4"));
    w.defer(w.says("5"));
    w.post(w.says("6"));
    w.post(w.says("7"));
    w.call(w.says("8"));
    w.nowait();
    EXPECT_EQ(w.log(), "1 2 3 4 5 6 7 8");
    w.clear();
    w.post([&] { // while a batch of posts is being worked off
        w.post(w.says("1")), w.call(w.says("2")), w.post(w.says("3")), w.call(w.says("4"));
    });
    w.nowait();
    EXPECT_EQ(w.log(), "");
    w.nowait();
    EXPECT_EQ(w.log(), "1 2 3 4");
}

// What has its place in the line already is dropped with the loop like the rest.
TEST(Post, BatchesInTheLineAreDroppedInOrder) {
    World w;
    for (int i = 0; i < 20; i++) {
        w.post_owned([] {}, [&w, i] { w.note(std::to_string(i)); });
        if (i % 4 == 3)
            w.call([] {});
    }
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 2);
    w.destroy();
    EXPECT_EQ(w.log(), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
}

// --- 9: posts
// ----------------------------------------------------------------------------------------------------

void fifo_over_all_threads() {
    World w;
    const int per_thread = slow() ? 500 : 5000;
    constexpr int threads = 4;
    int next = 0, seq = 0, wrong = 0;
    std::mutex order; // makes "before" known; the posts themselves need none
    evl_loop_hold(w.loop);
    std::vector<std::jthread> posters;
    for (int t = 0; t < threads; t++)
        posters.emplace_back([&] {
            for (int i = 0; i < per_thread; i++) {
                std::lock_guard lock(order);
                EXPECT_EQ(w.post([&, mine = seq++] { wrong += mine != next++; }), 0);
            }
        });
    std::jthread last([&] {
        for (auto &poster : posters)
            poster.join();
        w.post([&] { evl_loop_unhold(w.loop); });
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(next, threads * per_thread); // none lost, none coalesced, none twice
    EXPECT_EQ(wrong, 0);
}

TEST(Post, Contract_09_PostsAreFifoOverAllThreads) { fifo_over_all_threads(); }

TEST(Post, Contract_09_WhatThePosterWroteIsSeen) {
    World w;
    evl_loop_hold(w.loop);
    constexpr int n = 1000;
    std::vector<int> data(n); // not atomic: ThreadSanitizer watches
    std::jthread poster([&] {
        for (int i = 0; i < n; i++) {
            data[static_cast<size_t>(i)] = i + 1;
            w.post([&, i] {
                EXPECT_EQ(data[static_cast<size_t>(i)], i + 1);
                if (i == n - 1)
                    evl_loop_unhold(w.loop);
            });
        }
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(Post, Contract_09_APostWakesAWaitingLoop) {
    Sys sys;
    World w;
    evl_loop_hold(w.loop);
    std::jthread poster([&] {
        for (int i = 0; i < 10; i++) {
            until([&] { return asleep(sys); });
            sys.forget_waits();
            w.post([&, i] {
                w.note("post");
                if (i == 9)
                    evl_loop_unhold(w.loop);
            });
        }
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "post post post post post post post post post post");
}

TEST(Post, Contract_09_NoSystemCallWhileTheLoopIsAwake) {
    Sys sys;
    World w;
    w.call([&] {
        uint64_t before = all_calls(sys);
        on_thread([&] {
            for (int i = 0; i < 1000; i++)
                EXPECT_EQ(w.post([] {}), 0);
        });
        w.post([] {});
        EXPECT_EQ(all_calls(sys), before);
    });
    w.run();
    EXPECT_EQ(w.metrics().posts, 1001u);
}

TEST(Post, Contract_16_AWarmPostAllocatesNothing) {
    World w({.cap = 128});
    static int ran;
    ran = 0;
    uint64_t before = 0;
    for (int round = 0; round < 6; round++) {
        if (round == 3)
            before = w.memory.calls();
        on_thread([&] {
            for (int i = 0; i < 100; i++)
                EXPECT_EQ(evl_post(w.loop, [](void *) { ran++; }, nullptr), 0);
        });
        w.run();
    }
    EXPECT_EQ(ran, 600);
    EXPECT_EQ(w.memory.calls(), before);
}

TEST(Post, Contract_09_QueuedBeforeTheLoopRuns) {
    World w;
    on_thread([&] { w.post(w.says("a")); });
    w.post(w.says("b"));
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "a b");
}

TEST(Post, Contract_09_AfterCloseTheCallerStillOwnsItsArgument) {
    for (bool destroy : {false, true}) {
        World w;
        evl_loop *loop = evl_loop_ref(w.loop);
        EXPECT_EQ(loop, w.loop);
        int drops = 0;
        void *arg = w.arg([] {}, [&] { drops++; });
        EXPECT_EQ(destroy ? w.destroy() : w.close(), 0);
        on_thread([&] {
            EXPECT_EQ(evl_post(loop, World::plain(), arg), EVL_ECLOSED);
            EXPECT_EQ(evl_post_owned(loop, World::plain(), arg, World::drop), EVL_ECLOSED);
            EXPECT_EQ(evl_close_later(loop, 1), EVL_ECLOSED);
            (void)evl_wake(loop);
        });
        EXPECT_EQ(drops, 0);
        evl_loop_unref(loop);
    }
}

TEST(Post, Contract_13_OutOfMemoryLeavesTheArgumentWithTheCaller) {
    World w;
    int ran = 0, dropped = 0, queued = -1;
    void *arg = w.arg([&] { ran++; }, [&] { dropped++; });
    int32_t rc = 0;
    w.memory.fail(1);
    for (; rc == 0 && queued < 100'000; queued++)
        rc = evl_post_owned(w.loop, World::plain(), arg, World::drop);
    EXPECT_EQ(rc, EVL_ENOMEM);
    w.memory.fail(0);
    w.run();
    EXPECT_EQ(ran, queued);
    EXPECT_EQ(dropped, queued);
}

TEST(Post, NoPostLoopsRefuse) {
    World w({.flags = EVL_LOOP_NOPOST});
    EXPECT_EQ(w.post([] {}), EVL_ENOTSUP);
    EXPECT_EQ(w.post_owned([] {}, [] { ADD_FAILURE(); }), EVL_ENOTSUP);
    EXPECT_EQ(evl_close_later(w.loop, 1), EVL_ENOTSUP);
    EXPECT_EQ(evl_wake(w.loop), 0);
    w.call(w.says("call"));
    w.run();
    EXPECT_EQ(w.log(), "call");
}

TEST(Post, BadInput) {
    EXPECT_EQ(evl_post(nullptr, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_post_owned(nullptr, nullptr, nullptr, World::drop), EVL_EINVAL);
    EXPECT_EQ(evl_wake(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stop(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_close_later(nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_loop_hold(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_unhold(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_ref(nullptr), nullptr);
    evl_loop_unref(nullptr);
}

// Threads post as fast as they can while the loop is destroyed: each argument ends exactly once.
void posts_race_with_destroy() {
    for (int round = 0; round < (slow() ? 5 : 20); round++) {
        struct Shared {
            std::atomic<int> ended{0};
            std::atomic<int> posted{0};
        } shared;
        World w;
        evl_loop *loop = w.loop;
        for (int i = 0; i < 3; i++)
            evl_loop_ref(loop);
        std::vector<std::jthread> posters;
        for (int t = 0; t < 3; t++)
            posters.emplace_back([&] {
                int32_t rc = 0;
                for (int i = 0; i < 5000 && rc == 0; i++) {
                    shared.posted++;
                    rc = evl_post_owned(
                        loop, [](void *) {}, &shared, [](void *arg) { static_cast<Shared *>(arg)->ended++; });
                    if (rc != 0) {
                        EXPECT_EQ(rc, EVL_ECLOSED);
                        shared.ended++; // the caller still owns it
                    }
                }
                evl_loop_unref(loop);
            });
        for (int i = 0; i < 5; i++)
            w.nowait();
        w.destroy();
        for (auto &poster : posters)
            poster.join();
        EXPECT_EQ(shared.ended, shared.posted);
    }
}

TEST(Post, Contract_09_EveryPostRunsOnceOrIsDroppedOnceWhateverDestroyDoes) { posts_race_with_destroy(); }

// --- 9: the other calls that are for any thread
// -----------------------------------------------------------------------

TEST(Post, Contract_09_WakeEndsAWait) {
    Sys sys;
    World w;
    evl_loop_hold(w.loop);
    std::jthread other([&] {
        until([&] { return asleep(sys); });
        EXPECT_EQ(evl_wake(w.loop), 0);
    });
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE); // held, or it would not have waited
    other.join();
    EXPECT_GE(w.metrics().wakeups, 1u);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(evl_wake(w.loop), 0); // before the wait: it does not begin
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE);
    evl_loop_unhold(w.loop);
}

evl_loop *to_wake;

TEST(Post, Contract_09_WakeIsSafeInASignalHandlerAndKeepsErrno) {
    Sys sys;
    World w;
    evl_loop_hold(w.loop);
    to_wake = w.loop;
    struct sigaction action{}, before{};
    action.sa_handler = [](int) {
        int saved = errno;
        errno = 77;
        EXPECT_EQ(evl_wake(to_wake), 0);
        EXPECT_EQ(errno, 77);
        errno = saved;
    };
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, &before);
    pthread_t self = pthread_self();
    std::jthread other([&] {
        until([&] { return asleep(sys); });
        pthread_kill(self, SIGUSR2);
    });
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE);
    other.join();
    sigaction(SIGUSR2, &before, nullptr);
    evl_loop_unhold(w.loop);
}

TEST(Post, Contract_09_StopFromAnotherThread) {
    Sys sys;
    World w;
    std::jthread other([&] {
        until([&] { return asleep(sys); });
        EXPECT_EQ(evl_stop(w.loop, 123), 0);
    });
    EXPECT_EQ(w.forever(), 123);
}

TEST(Post, Contract_09_UnholdFromAnotherThreadEndsTheRun) {
    Sys sys;
    World w;
    EXPECT_EQ(evl_loop_hold(w.loop), 0);
    on_thread([&] { EXPECT_EQ(evl_loop_hold(w.loop), 0); }); // counts
    std::jthread other([&] {
        until([&] { return asleep(sys); });
        EXPECT_EQ(evl_loop_unhold(w.loop), 0);
        EXPECT_EQ(evl_loop_unhold(w.loop), 0);
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    other.join();
    EXPECT_EQ(evl_loop_unhold(w.loop), EVL_EINVAL); // one too many
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(Post, Contract_09_CloseLaterFromAnotherThread) {
    Sys sys;
    World w;
    Pipe p;
    evl_io *io = w.io(p.r, EVL_READ, [] {});
    int drops = 0;
    uint64_t id = evl_id(io);
    EXPECT_EQ(evl_close_later(w.loop, 0), 0); // no such id is no error
    EXPECT_EQ(evl_close_later(w.loop, id + 12345), 0);
    w.nowait();
    EXPECT_EQ(evl_lookup(w.loop, id), io);
    std::jthread other([&] {
        until([&] { return asleep(sys); });
        EXPECT_EQ(evl_close_later(w.loop, id), 0);
        EXPECT_EQ(evl_close_later(w.loop, id), 0);
    });
    w.run(); // the watcher was what kept it alive
    other.join();
    EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
    EXPECT_EQ(drops, 0);
}

// --- 9: everything else belongs to the thread that runs the loop
// --------------------------------------------------------

TEST(Post, Contract_09_CallsFromAForeignThreadAreRefusedWhileTheLoopRuns) {
    World w;
    Pipe p;
    evl_io *io = w.io(p.r, EVL_READ, w.says("io"));
    evl_timer *timer = w.timer(w.says("timer"));
    evl_signal *signal = w.signal(SIGUSR1, [] {});
    evl_op *op = w.op(w.says("op")), *pending = nullptr;
    uint64_t id = evl_id(io);
    w.call_inside([&] {
        pending = w.defer(w.says("pending"));
        on_thread([&] {
            evl_handle *out = nullptr;
            evl_record record[1];
            evl_poll_row row[1];
            uint64_t ids[1];
            evl_blocker blocker[1];
            char text[100];
            evl_metrics metrics{};
            metrics.struct_size = sizeof metrics;
            int64_t timeout = 0;
            struct {
                const char *name;
                int64_t answer;
            } calls[] = {
                {"loop_run", evl_loop_run(w.loop, EVL_RUN_NOWAIT)},
                {"loop_records", evl_loop_records(w.loop, record, 1, 0)},
                {"loop_dispatch", evl_loop_dispatch(w.loop, nullptr, 0)},
                {"loop_prepare", evl_loop_prepare(w.loop, row, 1, &timeout)},
                {"loop_close", evl_loop_close(w.loop)},
                {"loop_destroy", evl_loop_destroy(w.loop)},
                {"loop_fork", evl_loop_fork(w.loop)},
                {"loop_blockers", evl_loop_blockers(w.loop, blocker, 1)},
                {"loop_walk", evl_loop_walk(w.loop, ids, 1)},
                {"loop_dump", evl_loop_dump(w.loop, text, sizeof text)},
                {"loop_metrics", evl_loop_metrics(w.loop, &metrics)},
                {"loop_report", evl_loop_report(w.loop, EVL_EIO)},
                {"loop_error", evl_loop_error(w.loop)},
                {"set_error_hook", evl_set_error_hook(w.loop, nullptr, nullptr)},
                {"set_slow_callback", evl_set_slow_callback(w.loop, -1, nullptr, nullptr)},
                {"clock_advance", evl_clock_advance(w.loop, 1)},
                {"call_soon", evl_call_soon(w.loop, nullptr, nullptr)},
                {"call_soon_owned", evl_call_soon_owned(w.loop, nullptr, nullptr, World::drop)},
                {"defer", evl_defer(w.loop, op)},
                {"op_cancel", evl_op_cancel(pending)},
                {"op_close", evl_op_close(pending)},
                {"io_new", evl_io_new(w.loop, p.w, EVL_WRITE, 0, nullptr, nullptr, &out)},
                {"io_set", evl_io_set(io, 0)},
                {"io_mask", evl_io_mask(io)},
                {"fd_closing", evl_fd_closing(w.loop, p.r)},
                {"timer_new", evl_timer_new(w.loop, nullptr, nullptr, &out)},
                {"timer_start", evl_timer_start_at(timer, 0, 0)},
                {"timer_start_in", evl_timer_start_in(timer, 0, 0)},
                {"timer_stop", evl_timer_stop(timer)},
                {"signal_new", evl_signal_new(w.loop, SIGUSR1, nullptr, nullptr, &out)},
                {"signal_number", evl_signal_number(signal)},
                {"hook_new", evl_hook_new(
                                 w.loop, EVL_HOOK_IDLE, [](void *) {}, nullptr, &out)},
                {"close", evl_close(io)},
                {"set_name", evl_set_name(io, "name")},
                {"set_drop", evl_set_drop(io, World::drop)},
                {"keep_alive", evl_keep_alive(io, 0)},
            };
            for (auto &call : calls)
                EXPECT_EQ(call.answer, EVL_ETHREAD) << call.name;
            EXPECT_EQ(evl_active(io), 0);
            EXPECT_EQ(evl_loop_alive(w.loop), 0);
            EXPECT_EQ(evl_loop_fd(w.loop), EVL_ETHREAD);
            EXPECT_EQ(out, nullptr);
        });
    });
    w.nowait();
    EXPECT_EQ(evl_lookup(w.loop, id), io); // nothing happened
    EXPECT_EQ(evl_io_mask(io), EVL_READ);
    w.nowait();
    EXPECT_EQ(w.log(), "pending");
    on_thread([&] { EXPECT_EQ(evl_close(io), 0); }); // outside of run, whoever the caller serialises
}

// --- traps and asyncio
// ------------------------------------------------------------------------------------------------------

// The shape of the trap: a sender that finds the wake on its way must not lose its data behind it.
TEST(Trap, Trap_18_ACoalescedWakeDoesNotLoseAPost) {
    World w;
    evl_loop_hold(w.loop);
    const int n = slow() ? 2000 : 20'000;
    int ran = 0;
    auto poster = [&] {
        for (int i = 0; i < n; i++)
            w.post([&] {
                if (++ran == 2 * n)
                    evl_loop_unhold(w.loop);
            });
    };
    std::jthread a(poster), b(poster);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(ran, 2 * n);
}

TEST(Trap, Trap_19_SendersRaceWithDestroy) { posts_race_with_destroy(); }

TEST(Trap, Trap_27_ClosingFromAnotherThreadNeverBlocksOnTheCallback) {
    World w;
    Pipe p;
    p.w.put();
    evl_io *io = nullptr;
    int runs = 0;
    void *slot = w.arg([&] {
        runs++;
        uint64_t id = evl_id(io);
        on_thread([&] {
            EXPECT_EQ(evl_close(io), EVL_ETHREAD);
            EXPECT_EQ(evl_close_later(w.loop, id), 0);
        });
    });
    auto plain = [](void *arg, int64_t) { World::always(arg); };
    ASSERT_EQ(evl_io_new(w.loop, p.r, EVL_READ, 0, plain, slot, &io), 0);
    w.run();
    EXPECT_EQ(runs, 1);
}

TEST(Trap, Trap_32_AThreadMayWakeALoopThatHasNeverRun) {
    World w;
    on_thread([&] { EXPECT_EQ(evl_wake(w.loop), 0); });
    evl_loop_hold(w.loop);
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE);
    evl_loop_unhold(w.loop);
}

TEST(Asyncio, Asyncio_019_ForeignThreadIsRefusedOnlyWhileTheLoopRuns) {
    World w;
    on_thread([&] { w.call(w.says("outside")); });
    w.call_inside(
        [&] { on_thread([&] { EXPECT_EQ(evl_call_soon(w.loop, nullptr, nullptr), EVL_ETHREAD); }); });
    w.run();
    EXPECT_EQ(w.log(), "outside");
}

TEST(Asyncio, Asyncio_023_ThreadsafeCallFromAnyThreadItsOwnIncluded) {
    World w;
    w.call([&] { EXPECT_EQ(w.post(w.says("own")), 0); });
    on_thread([&] { EXPECT_EQ(w.post(w.says("other")), 0); });
    w.run();
    EXPECT_EQ(w.log(), "other own");
    evl_loop *loop = evl_loop_ref(w.loop);
    w.destroy();
    EXPECT_EQ(evl_post(loop, nullptr, nullptr), EVL_ECLOSED);
    evl_loop_unref(loop);
}

TEST(Asyncio, Asyncio_024_WriteErrorsOfAWakeAreIgnored) {
    Sys sys;
    World w;
    sys.fail(Call::write, EAGAIN, 0, 1'000'000);
    EXPECT_EQ(evl_wake(w.loop), 0);
    EXPECT_EQ(w.post(w.says("post")), 0);
    w.run();
    EXPECT_EQ(w.log(), "post");
}

// asyncio drains its wake pipe each time; here it matters that a thousand wakes cost one wait, and none
// lingers.
TEST(Asyncio, Asyncio_025_WakesCoalesceAndLeaveNothingBehind) {
    World w({.clock = EVL_CLOCK_REAL});
    evl_loop_hold(w.loop);
    for (int i = 0; i < 1000; i++)
        evl_wake(w.loop);
    w.once();
    evl_loop_unhold(w.loop);
    uint64_t polls = w.metrics().polls;
    w.timer_in(20 * ms, [] {});
    w.run();
    EXPECT_LE(w.metrics().polls - polls, 3u);
}

TEST(Asyncio, Asyncio_026_TheClosedCheckAndTheEnqueueAreOne) { posts_race_with_destroy(); }

// A post destroys the loop: its own drop has its turn, those behind it are dropped, and none is dropped
// twice.
TEST(Post, DropsOfABatchInWhichTheLoopIsDestroyed) {
    for (int which = 0; which < 4; which++) {
        World w;
        std::vector<int> called(4), dropped(4);
        for (int i = 0; i < 4; i++)
            EXPECT_EQ(w.post_owned(
                          [&, i] {
                              called[static_cast<size_t>(i)]++;
                              if (i == which) {
                                  EXPECT_EQ(w.destroy(), 0);
                              }
                          },
                          [&, i] { dropped[static_cast<size_t>(i)]++; }),
                      0);
        w.nowait();
        EXPECT_EQ(w.loop, nullptr);
        EXPECT_EQ(dropped, std::vector<int>(4, 1));
    }
}

} // namespace
