// fork_test.cpp - in a forked child: what works, what is refused, the repair, and a parent that notices
// nothing.
#include "world.hpp"

#include <cerrno>
#include <csignal>
#include <pthread.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

uint64_t all_calls(const Sys &sys) {
    uint64_t n = 0;
    for (int i = 0; i < static_cast<int>(Call::count); i++)
        n += sys.calls(static_cast<Call>(i));
    return n;
}

// A loop with something of everything on it.
struct Busy {
    explicit Busy(int32_t clock = EVL_CLOCK_JUMP) : w({.clock = clock}) {
        io = w.io(pair.a, EVL_READ, [this] { pair.a.drain(), w.note("io"); });
        timer = w.timer_in(3600 * sec, w.says("timer"));
        signal = w.signal(SIGUSR1, w.says("signal"));
        hook = w.hook(EVL_HOOK_IDLE, [] {});
        op = w.defer(w.says("op"));
        cancelled = w.defer(w.says("cancelled"));
    }
    World w;
    Pair pair;
    evl_io *io;
    evl_timer *timer;
    evl_signal *signal;
    evl_hook *hook;
    evl_op *op, *cancelled;
};

TEST(Fork, Contract_11_EveryOtherCallIsRefusedInTheChild) {
    Busy b;
    evl_op *idle = b.w.op([] {});
    in_child([&] {
        evl_loop *loop = b.w.loop;
        evl_handle *out = nullptr;
        evl_record record;
        evl_metrics metrics{};
        metrics.struct_size = sizeof metrics;
        int64_t timeout;
        struct {
            const char *name;
            int64_t answer;
        } calls[] = {
            {"run", evl_loop_run(loop, EVL_RUN_NOWAIT)},
            {"records", evl_loop_records(loop, &record, 1, 0)},
            {"prepare", evl_loop_prepare(loop, nullptr, 0, &timeout)},
            {"dispatch", evl_loop_dispatch(loop, nullptr, 0)},
            {"call_soon", evl_call_soon(loop, World::always, nullptr)},
            {"post", evl_post(loop, World::always, nullptr)},
            {"wake", evl_wake(loop)},
            {"defer", evl_defer(loop, idle)},
            {"io_new", evl_io_new(loop, b.pair.b, EVL_READ, 0, nullptr, nullptr, &out)},
            {"io_set", evl_io_set(b.io, EVL_WRITE)},
            {"fd_closing", evl_fd_closing(loop, b.pair.a)},
            {"timer_new", evl_timer_new(loop, nullptr, nullptr, &out)},
            {"timer_start", evl_timer_start_at(b.timer, 0, 0)},
            {"timer_start_in", evl_timer_start_in(b.timer, 0, 0)},
            {"signal_new", evl_signal_new(loop, SIGUSR1, nullptr, nullptr, &out)},
            {"hook_new", evl_hook_new(loop, 0, World::always, nullptr, &out)},
        };
        for (auto &call : calls)
            EXPECT_EQ(call.answer, EVL_EFORK) << call.name;
        EXPECT_EQ(out, nullptr);
        EXPECT_EQ(b.w.log(), "");
        EXPECT_EQ(evl_loop_destroy(std::exchange(b.w.loop, nullptr)), 0);
    });
    EXPECT_EQ(b.w.nowait(), EVL_RUN_ALIVE);
    EXPECT_EQ(b.w.log(), "op cancelled"); // the parent goes on
}

TEST(Fork, Contract_11_CloseCancelStopAndDestroyWorkInTheChildAndTouchMemoryOnly) {
    Sys sys;
    Busy b;
    evl_timer *stopped = b.w.timer_in(1 * sec, b.w.says("stopped"));
    evl_io *paused = b.w.io(b.pair.b, EVL_READ, [] {});
    in_child([&] {
        // A disposition is the child's own, and may be restored.
        auto kernel_calls = [&] { return all_calls(sys) - sys.calls(Call::sigaction); };
        uint64_t before = kernel_calls();
        EXPECT_EQ(evl_timer_stop(stopped), 0);
        EXPECT_EQ(evl_op_cancel(b.cancelled), 1);
        EXPECT_EQ(evl_op_close(b.op), 0);
        EXPECT_EQ(evl_op_active(b.op), 0);
        EXPECT_EQ(evl_close(b.io), 0);
        EXPECT_EQ(evl_close(b.timer), 0);
        EXPECT_EQ(evl_close(b.hook), 0);
        EXPECT_EQ(evl_close(paused), 0);
        EXPECT_EQ(b.w.destroy(), 0);
        EXPECT_EQ(all_calls(sys) - sys.calls(Call::sigaction),
                  before); // but a disposition is the child's own
        EXPECT_EQ(b.w.memory.bytes(), 0u);
        EXPECT_EQ(b.w.log(), "");
    });
    b.pair.b.put();
    b.w.nowait();
    b.w.nowait();
    EXPECT_EQ(b.w.log(), "op cancelled io");
}

void parent_goes_on() {
    World w;
    std::vector<Pair> pairs(100);
    std::vector<evl_io *> ios;
    int seen = 0;
    for (Pair &p : pairs)
        ios.push_back(w.io(p.a, EVL_READ, [&] { p.a.drain(), seen++; }));
    w.nowait();
    in_child([&] { // all of it one by one, and exits as a program with destructors does
        for (evl_io *io : ios)
            EXPECT_EQ(evl_close(io), 0);
        EXPECT_EQ(w.destroy(), 0);
    });
    in_child([&] { EXPECT_EQ(w.destroy(), 0); });
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        for (evl_io *io : ios)
            EXPECT_EQ(evl_close(io), 0);
        EXPECT_EQ(w.close(), 0);
    });
    for (int round = 1; round <= 3; round++) {
        for (Pair &p : pairs)
            p.b.put();
        w.nowait();
        w.nowait();
        EXPECT_EQ(seen, 100 * round);
    }
    for (evl_io *io : ios)
        EXPECT_EQ(evl_close(io), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(Fork, Contract_11_TheParentsHundredWatchersGoOnReceiving) { parent_goes_on(); }

void repaired_in_the_child() {
    Busy b;
    b.w.nowait();
    b.w.clear();
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(b.w.loop), 0);
        b.w.post(b.w.says("post"));
        b.w.call(b.w.says("call"));
        b.pair.b.put();
        raise(SIGUSR1);
        b.w.nowait();
        b.w.nowait();
        for (const char *word : {"post", "call", "io", "signal"})
            EXPECT_NE(b.w.log().find(word), std::string::npos) << word << " in " << b.w.log();
        b.w.clear();
        evl_close(b.io);
        EXPECT_EQ(b.w.run(), EVL_RUN_DONE);
        EXPECT_EQ(b.w.log(), "timer");
        EXPECT_EQ(b.w.destroy(), 0);
    });
    EXPECT_EQ(b.w.nowait(), EVL_RUN_ALIVE);
    EXPECT_EQ(b.w.log(), ""); // neither the signal nor the wake was the parent's
    b.pair.b.put();
    b.w.nowait();
    EXPECT_EQ(b.w.log(), "io");
}

TEST(Fork, Contract_11_LoopForkRepairs) { repaired_in_the_child(); }

TEST(Fork, Contract_11_LoopForkWhereNothingIsToRepair) {
    World w;
    EXPECT_EQ(evl_loop_fork(w.loop), 0);
    EXPECT_EQ(evl_loop_fork(nullptr), EVL_EINVAL);
}

TEST(Fork, Contract_11_AFailedRepairChangesNothingAndMayBeTriedAgain) {
    Sys sys;
    Busy b;
    b.w.nowait();
    b.w.clear();
    in_child([&] {
        int fds = open_fds();
#if EVL_HAVE_EPOLL
        sys.fail(Call::epoll_create1, EMFILE);
#endif
#if EVL_HAVE_KQUEUE
        sys.fail(Call::kqueue, EMFILE);
#endif
        if (b.w.on("select"))
            sys.fail(Call::pipe_cloexec, EMFILE);
        EXPECT_EQ(evl_loop_fork(b.w.loop), EVL_EMFILE);
        EXPECT_EQ(open_fds(), fds);
        EXPECT_EQ(evl_loop_run(b.w.loop, EVL_RUN_NOWAIT), EVL_EFORK);
        EXPECT_EQ(evl_loop_fork(b.w.loop), 0);
        b.pair.b.put();
        b.w.nowait();
        EXPECT_EQ(b.w.log(), "io");
        b.w.destroy();
    });
    b.w.nowait();
}

// What only looks returns the same as in the parent, and says so before the repair.
TEST(Fork, Contract_11_QueriesWorkInTheChild) {
    Busy b;
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(b.w.loop, &future), 0);
    EXPECT_EQ(evl_set_name(b.timer, "tick"), 0);
    EXPECT_EQ(b.w.post([] {}), 0);
    uint64_t id = evl_id(b.timer);
    auto look = [&](bool in_child) {
        const evl_loop *loop = b.w.loop;
        if (in_child)
            EXPECT_EQ(evl_loop_report(b.w.loop, EVL_EPERM), EVL_EFORK);
        else
            EXPECT_EQ(evl_loop_report(b.w.loop, EVL_EPERM), 0);
        char text[4096] = "";
        uint64_t ids[16] = {};
        evl_blocker blockers[16] = {};
        evl_metrics metrics{};
        metrics.struct_size = sizeof metrics;
        std::vector<int64_t> numbers{evl_loop_alive(loop),
                                     evl_loop_dump(loop, text, sizeof text),
                                     evl_loop_walk(loop, ids, 16),
                                     evl_loop_blockers(loop, blockers, 16),
                                     evl_loop_metrics(loop, &metrics),
                                     evl_lookup(b.w.loop, id) == b.timer,
                                     evl_kind(b.timer),
                                     evl_active(b.timer),
                                     evl_io_mask(b.io),
                                     evl_io_fd(b.io),
                                     evl_signal_number(b.signal),
                                     evl_timer_deadline(b.timer),
                                     evl_op_active(b.op),
                                     evl_future_state(future),
                                     static_cast<int64_t>(metrics.handles),
                                     static_cast<int64_t>(ids[1])};
        return std::make_pair(numbers, std::string(text) + evl_name(b.timer));
    };
    auto parents = look(false);
    EXPECT_GT(parents.first[1], 0);
    in_child([&] {
        EXPECT_EQ(look(true), parents);
        EXPECT_EQ(evl_loop_error(b.w.loop), EVL_EPERM);
        EXPECT_EQ(evl_loop_destroy(std::exchange(b.w.loop, nullptr)), 0);
    });
    EXPECT_EQ(evl_loop_error(b.w.loop), EVL_EPERM);
    evl_future_unref(future);
}

TEST(Fork, Contract_11_CloseInTheChildStillSaysWhatIsLeft) {
    Busy b;
    World empty;
    in_child([&] {
        EXPECT_EQ(evl_loop_close(b.w.loop), EVL_EBUSY);
        EXPECT_EQ(empty.close(), 0);
        EXPECT_EQ(b.w.destroy(), 0);
    });
}

TEST(Fork, Contract_11_ANewLoopInTheChildNeedsNoRepair) {
    World w;
    in_child([&] {
        {
            World mine;
            Pair p;
            p.b.put();
            mine.io(p.a, EVL_READ, mine.says("io"), EVL_IO_ONESHOT);
            EXPECT_EQ(mine.post(mine.says("post")), 0);
            mine.run();
            EXPECT_EQ(mine.log(), "post io");
        }
        EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_NOWAIT), EVL_EFORK); // the old one still does
        w.destroy();
    });
    w.call(w.says("parent"));
    w.run();
    EXPECT_EQ(w.log(), "parent");
}

TEST(Fork, Contract_11_AChildOfARepairedChild) {
    Busy b;
    b.w.nowait();
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(b.w.loop), 0);
        in_child([&] {
            EXPECT_EQ(evl_loop_run(b.w.loop, EVL_RUN_NOWAIT), EVL_EFORK);
            EXPECT_EQ(evl_loop_fork(b.w.loop), 0);
            b.w.clear();
            b.pair.b.put();
            b.w.nowait();
            EXPECT_EQ(b.w.log(), "io");
            b.w.destroy();
        });
        b.w.clear();
        b.pair.b.put();
        b.w.nowait();
        EXPECT_EQ(b.w.log(), "io");
        b.w.destroy();
    });
    b.w.clear();
    b.pair.b.put();
    b.w.nowait();
    EXPECT_EQ(b.w.log(), "io");
}

// No handler of fork runs for a raw fork; the loop still notices.
TEST(Fork, Contract_11_ARawForkIsNoticed) {
    World w;
    pid_t pid = ::_Fork();
    if (pid == 0)
        ::_exit(evl_loop_run(w.loop, EVL_RUN_NOWAIT) == EVL_EFORK &&
                        evl_post(w.loop, nullptr, nullptr) == EVL_EFORK
                    ? 0
                    : 1);
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
}

TEST(Fork, Contract_11_AForkInsideACallback) {
    World w;
    Pair p;
    p.b.put();
    w.io(p.a, EVL_READ, [&] {
        p.a.drain();
        in_child([&] {
            EXPECT_EQ(evl_call_soon(w.loop, nullptr, nullptr), EVL_EFORK);
            EXPECT_EQ(w.destroy(), 0);
        });
        w.note("parent");
    });
    w.nowait();
    p.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "parent parent");
}

// A callback forks and returns in both processes. `run` runs the loop and returns what it should in the
// parent; `in_child` is what the child goes on with.
struct ForkHere {
    pid_t pid = -1;
    static void fork(void *arg) { static_cast<ForkHere *>(arg)->pid = ::fork(); }
    static void fork_done(void *arg, int64_t) { fork(arg); }
    void finish(int32_t rc, int32_t parents, const std::function<void(int32_t)> &in_child) const {
        if (pid == 0) {
            in_child(rc);
            ::_exit(::testing::Test::HasFailure() ? 1 : 0);
        }
        EXPECT_EQ(rc, parents);
        int status = 0;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        EXPECT_EQ(status, 0);
    }
};

TEST(Fork, Contract_11_ACallbackForksWhileAHostDispatches) {
    for (bool destroys : {false, true}) {
        World w;
        ForkHere here;
        ASSERT_EQ(evl_call_soon(w.loop, ForkHere::fork, &here), 0);
        if (destroys)
            w.call_inside([&] { EXPECT_TRUE(here.pid != 0 || w.destroy() == 0); });
        here.finish(evl_loop_dispatch(w.loop, nullptr, 0), 0, [&](int32_t rc) {
            EXPECT_EQ(rc, destroys ? EVL_ECLOSED : EVL_EFORK);
            if (!destroys) {
                EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), EVL_EFORK);
                EXPECT_EQ(evl_loop_fork(w.loop), 0);
                EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), 0);
            }
        });
    }
}

// What its function leaves undone is completed behind it in the child, too.
TEST(Fork, Contract_11_AContinuationForks) {
    World w;
    ForkHere here;
    evl_future *f = nullptr, *out = nullptr;
    ASSERT_EQ(evl_future_new(w.loop, &f), 0);
    ASSERT_EQ(evl_future_then(f, ForkHere::fork_done, nullptr, &here, &out), 0);
    EXPECT_EQ(evl_future_resolve(f, 7), 0);
    here.finish(evl_loop_run(w.loop, EVL_RUN_ONCE), EVL_RUN_DONE, [&](int32_t rc) {
        EXPECT_EQ(rc, EVL_EFORK);
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        EXPECT_EQ(evl_future_state(out), EVL_FUTURE_VALUE);
    });
    EXPECT_EQ(evl_future_state(out), EVL_FUTURE_VALUE);
    evl_future_unref(f);
    evl_future_unref(out);
}

TEST(Fork, Contract_11_ASignalInTheChildDoesNotReachTheParent) {
    World w;
    w.signal(SIGUSR1, w.says("signal"));
    in_child([&] {
        raise(SIGUSR1); // before any repair: the inherited handler must not write into the parent's wake
        raise(SIGUSR1);
        w.destroy();
    });
    for (int i = 0; i < 3; i++)
        w.nowait();
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(w.metrics().wakeups, 0u);
    raise(SIGUSR1);
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "signal");
}

// A thread that posts, one post for each turn. On malloc and pthreads, and with nothing of the thread on the
// heap: in a child the thread and its stack are gone.
struct Poster {
    static constexpr int turns = 5;
    evl_loop *loop = nullptr;
    std::atomic<int> turn{0}, ran{0};

    static void count(void *arg) { static_cast<Poster *>(arg)->ran++; }
    static void *run(void *arg) {
        auto self = static_cast<Poster *>(arg);
        for (int i = 0; i < turns; i++) {
            EXPECT_EQ(evl_post(self->loop, count, self), 0);
            self->turn = 2 * i + 1;
            until([&] { return self->turn != 2 * i + 1; });
        }
        return nullptr;
    }
};

TEST(Fork, Contract_11_PostsOfThreadsThatDoNotExistInTheChild) {
    Poster p;
    pthread_t thread;
    ASSERT_EQ(evl_loop_new(&p.loop, nullptr), 0);
    ASSERT_EQ(pthread_create(&thread, nullptr, Poster::run, &p), 0);
    for (int i = 0; i < Poster::turns; i++) {
        until([&] { return p.turn == 2 * i + 1; });
        in_child([&] {
            EXPECT_EQ(evl_loop_fork(p.loop), 0);
            EXPECT_EQ(evl_post(p.loop, Poster::count, &p), 0);
            EXPECT_GE(evl_loop_run(p.loop, EVL_RUN_NOWAIT), 0);
            EXPECT_EQ(p.ran, i + 2); // the poster's and the child's
            EXPECT_EQ(evl_loop_destroy(p.loop), 0);
        });
        EXPECT_EQ(evl_loop_run(p.loop, EVL_RUN_NOWAIT), EVL_RUN_DONE);
        EXPECT_EQ(p.ran, i + 1);
        p.turn = 2 * i + 2;
    }
    pthread_join(thread, nullptr);
    EXPECT_EQ(evl_loop_destroy(p.loop), 0);
}

TEST(Trap, Trap_15_TheKernelsQueueIsNeverSharedWithAChild) {
    parent_goes_on();
    repaired_in_the_child();
}

TEST(Asyncio, Asyncio_022_AChildDoesNotRunItsParentsLoop) {
    World w;
    w.call([&] {
        in_child([&] {
            EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_NOWAIT) < 0, true);
            World mine; // and may run one of its own
            mine.call(mine.says("mine"));
            EXPECT_EQ(mine.run(), EVL_RUN_DONE);
            EXPECT_EQ(mine.log(), "mine");
        });
    });
    w.run();
}

} // namespace
