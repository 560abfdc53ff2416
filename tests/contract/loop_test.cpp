// loop_test.cpp - making, running, stopping and taking down a loop.
#include "world.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <set>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

class Environment {
  public:
    explicit Environment(const char *value) {
        if (const char *old = std::getenv("EVLOOP_BACKEND"))
            old_ = old, had_ = true;
        value ? ::setenv("EVLOOP_BACKEND", value, 1) : ::unsetenv("EVLOOP_BACKEND");
    }
    ~Environment() { had_ ? ::setenv("EVLOOP_BACKEND", old_.c_str(), 1) : ::unsetenv("EVLOOP_BACKEND"); }

  private:
    std::string old_;
    bool had_ = false;
};

// Makes a loop, answers the error or 0, and the name of its backend.
int32_t backend_of(const char *option, uint32_t flags, std::string *name) {
    evl_options options{};
    options.struct_size = sizeof options;
    options.backend = option;
    options.flags = flags;
    evl_loop *loop = nullptr;
    int32_t rc = evl_loop_new(&loop, &options);
    if (rc == 0) {
        *name = evl_loop_backend(loop);
        evl_loop_close(loop);
    }
    return rc;
}

// --- options
// -----------------------------------------------------------------------------------------------------------

TEST(Loop, BackendByOptionThenEnvironmentThenTheBest) {
    std::string best = evl_backend_at(0), name;
    for (int32_t i = 0; evl_backend_at(i); i++) {
        const char *each = evl_backend_at(i);
        Environment none(nullptr);
        EXPECT_EQ(backend_of(each, 0, &name), 0);
        EXPECT_EQ(name, each);
        Environment set(each);
        EXPECT_EQ(backend_of(nullptr, 0, &name), 0);
        EXPECT_EQ(name, each);
        EXPECT_EQ(backend_of(nullptr, EVL_LOOP_NOENV, &name), 0);
        EXPECT_EQ(name, best);
        Environment other("nonsense");
        EXPECT_EQ(backend_of(each, 0, &name), 0); // the option wins
        EXPECT_EQ(name, each);
    }
    Environment none(nullptr);
    EXPECT_EQ(backend_of(nullptr, 0, &name), 0);
    EXPECT_EQ(name, best);
}

TEST(Loop, AnUnknownBackendIsAnErrorNeverASubstitute) {
    std::string name;
    for (const char *bad : {"epol", "EPOLL", "epoll ", "io_uring", "select2"}) {
        EXPECT_EQ(backend_of(bad, EVL_LOOP_NOENV, &name), EVL_ENOTSUP) << bad;
        Environment set(bad);
        EXPECT_EQ(backend_of(nullptr, 0, &name), EVL_ENOTSUP) << bad;
    }
}

TEST(Loop, BackendsAreListedWithTheirCapabilities) {
    std::set<std::string> names;
    for (int32_t i = 0; evl_backend_at(i); i++)
        EXPECT_TRUE(names.insert(evl_backend_at(i)).second);
    EXPECT_TRUE(names.count("select"));
    EXPECT_EQ(evl_backend_at(-1), nullptr);
    EXPECT_EQ(evl_backend_at(1000), nullptr);
    EXPECT_EQ(evl_backend_caps(nullptr), 0u);
    EXPECT_EQ(evl_loop_backend(nullptr), nullptr);
    World w;
    EXPECT_EQ(w.caps() & ~(EVL_CAP_EDGE | EVL_CAP_PRI | EVL_CAP_HUP | EVL_CAP_LOOP_FD | EVL_CAP_MANY), 0u);
    if (w.on("epoll")) {
        EXPECT_EQ(w.caps(), 31u); // all of them
    }
}

TEST(Loop, KeepsAPointerOfTheProgram) {
    World w;
    int one = 0, two = 0;
    EXPECT_EQ(evl_loop_data(w.loop), nullptr);
    EXPECT_EQ(evl_loop_set_data(w.loop, &one), 0);
    w.call_inside([&] {
        EXPECT_EQ(evl_loop_data(w.loop), &one);
        on_thread([&] { // while the loop runs
            EXPECT_EQ(evl_loop_data(w.loop), &one);
            EXPECT_EQ(evl_loop_set_data(w.loop, &two), 0);
        });
    });
    w.run();
    EXPECT_EQ(evl_loop_data(w.loop), &two);
    in_child([&] {
        EXPECT_EQ(evl_loop_data(w.loop), &two);
        EXPECT_EQ(evl_loop_set_data(w.loop, nullptr), 0);
        EXPECT_EQ(evl_loop_data(w.loop), nullptr);
    });
    EXPECT_EQ(evl_loop_set_data(nullptr, &one), EVL_EINVAL);
    EXPECT_EQ(evl_loop_data(nullptr), nullptr);
}

TEST(Loop, KeepsThePointerUntilTheLastReference) {
    World w;
    int one = 0;
    evl_loop *loop = evl_loop_ref(w.loop);
    EXPECT_EQ(evl_loop_set_data(loop, &one), 0);
    w.destroy();
    EXPECT_EQ(evl_loop_data(loop), &one);
    evl_loop_unref(loop);
}

TEST(Loop, OptionsGrowWithStructSize) {
    evl_loop *loop = nullptr;
    EXPECT_EQ(evl_loop_new(&loop, nullptr), 0);
    EXPECT_EQ(evl_loop_close(loop), 0);
    // A program of an older header knows the first fields only; what follows is not read.
    struct {
        evl_options options;
        char garbage[64];
    } old;
    memset(&old, 0xff, sizeof old);
    old.options.struct_size = offsetof(evl_options, backend);
    old.options.flags = 0;
    EXPECT_EQ(evl_loop_new(&loop, &old.options), 0);
    EXPECT_EQ(evl_loop_close(loop), 0);
    // A newer program: what the library does not know must be zero or is refused, never half understood.
    memset(&old, 0, sizeof old);
    old.options.struct_size = sizeof old;
    EXPECT_EQ(evl_loop_new(&loop, &old.options), 0);
    EXPECT_EQ(evl_loop_close(loop), 0);
}

TEST(Loop, OptionsThatAreWrong) {
    evl_loop *loop = nullptr;
    evl_options options{};
    options.struct_size = sizeof options;
    EXPECT_EQ(evl_loop_new(nullptr, &options), EVL_EINVAL);
    options.flags = 1u << 30;
    EXPECT_EQ(evl_loop_new(&loop, &options), EVL_EINVAL);
    options.flags = 0;
    for (int32_t clock : {-1, 3}) {
        options.clock = clock;
        EXPECT_EQ(evl_loop_new(&loop, &options), EVL_EINVAL);
    }
    options.clock = 0;
    options.events_per_pass = 65'536;
    EXPECT_EQ(evl_loop_new(&loop, &options), EVL_EINVAL);
    options.events_per_pass = 0;
    options.reserved = 1;
    EXPECT_EQ(evl_loop_new(&loop, &options), EVL_EINVAL);
    options.reserved = 0;
    options.struct_size = 0;
    EXPECT_EQ(evl_loop_new(&loop, &options), EVL_EINVAL);
    EXPECT_EQ(loop, nullptr);
}

TEST(Loop, IsNotMadeWithoutMemory) {
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        Memory memory;
        evl_loop *loop = nullptr;
        evl_options options{};
        options.struct_size = sizeof options;
        options.alloc = Memory::resize;
        options.alloc_ctx = &memory;
        options.events_per_pass = 1024;
        options.host_unlock = options.host_lock = [](void *) {};
        memory.fail(nth);
        int32_t rc = evl_loop_new(&loop, &options);
        failed = memory.failed();
        memory.fail(0);
        EXPECT_EQ(rc, failed ? EVL_ENOMEM : 0);
        EXPECT_EQ(loop == nullptr, failed);
        EXPECT_EQ(evl_loop_close(loop), 0);
    }
}

TEST(Loop, TheNameIsCopied) {
    char name[] = "worker loop number one, with a long name";
    World w({.name = name});
    name[0] = 'X';
    char text[4096];
    evl_loop_dump(w.loop, text, sizeof text);
    EXPECT_NE(std::string(text).find("worker loop number one, with a"), std::string::npos) << text;
    EXPECT_EQ(std::string(text).find("long name"), std::string::npos) << text;
}

// Everything the loop opens is close-on-exec.
void nothing_leaks_over_exec() {
    std::set<int> before;
    for (int fd = 0; fd < 1024; fd++)
        if (::fcntl(fd, F_GETFD) >= 0)
            before.insert(fd);
    World w;
    w.signal(SIGUSR1, [] {});
    if (w.caps() & EVL_CAP_LOOP_FD) {
        EXPECT_GE(evl_loop_fd(w.loop), 0);
        w.timer_in(1 * sec, [] {});
        w.nowait();
    }
    int seen = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int flags = ::fcntl(fd, F_GETFD);
        if (flags < 0 || before.count(fd))
            continue;
        seen++;
        EXPECT_TRUE(flags & FD_CLOEXEC) << "fd " << fd;
    }
    EXPECT_GT(seen, 0);
}

TEST(Loop, Contract_07_NothingLeaksOverExec) { nothing_leaks_over_exec(); }

// --- running
// -------------------------------------------------------------------------------------------------------------

TEST(Loop, Contract_18_RunEndsWhenNothingIsAlive) {
    World w;
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.once(), EVL_RUN_DONE); // at once, without waiting
    EXPECT_EQ(w.nowait(), EVL_RUN_DONE);
    Pipe p;
    evl_timer *timer = w.timer([] {});
    evl_io *io = w.io(p.r, 0, [] {});
    w.signal(SIGUSR1, [] {});
    w.hook(EVL_HOOK_IDLE, [] {});
    w.op([] {});
    EXPECT_EQ(evl_loop_alive(w.loop), 0); // unstarted, paused, and what does not count
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    const struct {
        const char *name;
        std::function<void()> begin, end;
    } table[] = {
        {"timer", [&] { evl_timer_start_in(timer, 1 * sec, 0); }, [&] { evl_timer_stop(timer); }},
        {"watcher", [&] { evl_io_set(io, EVL_READ); }, [&] { evl_io_set(io, 0); }},
        {"call", [&] { w.call([] {}); }, [&] { w.nowait(); }},
        {"post", [&] { w.post([] {}); }, [&] { w.nowait(); }},
        {"operation", [&] { w.defer([] {}); }, [&] { w.nowait(); }},
        {"hold", [&] { evl_loop_hold(w.loop); }, [&] { evl_loop_unhold(w.loop); }},
        {"drop", [&] { w.call_owned([] {}, [] {}); }, [&] { w.nowait(), w.nowait(); }},
    };
    for (auto &row : table) {
        row.begin();
        EXPECT_EQ(evl_loop_alive(w.loop), 1) << row.name;
        row.end();
        EXPECT_EQ(evl_loop_alive(w.loop), 0) << row.name;
        EXPECT_EQ(w.run(), EVL_RUN_DONE) << row.name;
    }
    EXPECT_EQ(evl_loop_alive(nullptr), 0);
}

TEST(Loop, RunAnswersHowItEnded) {
    World w;
    Pipe p;
    w.io(p.r, EVL_READ, w.says("io"));
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    p.w.put();
    EXPECT_EQ(w.once(), EVL_RUN_ALIVE);
    w.call([&] { EXPECT_EQ(evl_stop(w.loop, 42), 0); });
    EXPECT_EQ(w.run(), 42);
    EXPECT_EQ(evl_loop_run(nullptr, EVL_RUN_DEFAULT), EVL_EINVAL);
    EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_QUEUED + 1), EVL_EINVAL);
    EXPECT_EQ(evl_loop_run(w.loop, -1), EVL_EINVAL);
}

TEST(Loop, ForeverRunsAlsoWhileNothingIsAlive) {
    Sys sys;
    World w;
    std::jthread other([&] {
        until([&] { return !sys.waits().empty() && sys.waits().back() != 0; });
        w.post([&] {
            w.note("post");
            evl_stop(w.loop, 5);
        });
    });
    EXPECT_EQ(w.forever(), 5);
    EXPECT_EQ(w.log(), "post");
}

// --- stop
// ------------------------------------------------------------------------------------------------------------------

void stop_lets_the_pass_finish() {
    World w({.poll_interval = 1});
    Pipe p;
    p.w.put();
    w.call([&] {
        w.note("a");
        w.stop(7);
        w.call(w.says("later"));
    });
    w.call(w.says("b"));
    w.io(p.r, EVL_READ, w.says("io"), EVL_IO_ONESHOT);
    EXPECT_EQ(w.run(), 7);
    // All that was ready in this pass and nothing newer; where records are fetched one by one, each fetch is
    // a pass.
    EXPECT_EQ(w.log(), records() ? "a b io later" : "a b io");
    EXPECT_EQ(w.run(), EVL_RUN_DONE); // and the loop runs again
    EXPECT_EQ(w.log(), "a b io later");
}

TEST(Loop, StopLetsThePassFinish) { stop_lets_the_pass_finish(); }

void stop_before_run() {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    w.timer_in(3600 * sec, w.says("timer"));
    w.call(w.says("call"));
    EXPECT_EQ(evl_stop(w.loop, 9), 0);
    EXPECT_EQ(w.run(), 9);
    EXPECT_EQ(w.log(), "call"); // one pass
    EXPECT_EQ(evl_stop(w.loop, 10), 0);
    sys.forget_waits();
    EXPECT_EQ(w.run(), 10); // which does not wait
    for (int64_t ns : sys.waits())
        EXPECT_EQ(ns, 0);
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE); // the flag is gone
}

TEST(Loop, StopBeforeRunMakesOnePassWithoutWaiting) { stop_before_run(); }

TEST(Loop, StopPassesWhatBindingsNeed) {
    World w;
    for (int32_t result : std::initializer_list<int32_t>{EVL_EUSER, 0, 1'000'000, INT32_MAX}) {
        w.call([&] { evl_stop(w.loop, result); });
        EXPECT_EQ(w.forever(), result);
    }
}

TEST(Loop, StopAndOneshotPassesAgree) {
    World w;
    w.call([&] { w.stop(11); });
    EXPECT_EQ(w.once(), 11);
    w.call([&] { w.stop(12); });
    EXPECT_EQ(w.nowait(), 12);
    w.call([&] { evl_stop(w.loop, 13); });
    EXPECT_EQ(w.dispatch(), records() ? 0 : 13);
}

// --- 13: nesting and threads
// ---------------------------------------------------------------------------------------------------

void nested_runs_are_refused() {
    World w;
    w.call_inside([&] {
        evl_record record[1];
        int64_t timeout;
        w.note("ran");
        EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_NOWAIT), EVL_ERUNNING);
        EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_DEFAULT), EVL_ERUNNING);
        EXPECT_EQ(evl_loop_records(w.loop, record, 1, 0), EVL_ERUNNING);
        EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), EVL_ERUNNING);
        EXPECT_EQ(evl_loop_prepare(w.loop, nullptr, 0, &timeout), EVL_ERUNNING);
        EXPECT_EQ(evl_loop_close(w.loop), EVL_ERUNNING);
    });
    w.call(w.says("went on"));
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), records() ? "went on ran" : "ran went on"); // between the two sinks there is no order
}

TEST(Loop, Contract_13_RunningALoopFromInsideItselfIsRefused) { nested_runs_are_refused(); }

TEST(Loop, AnotherLoopMayRunInsideACallback) {
    World outer, inner;
    outer.call([&] {
        inner.call([&] { inner.note("inner"); });
        EXPECT_EQ(inner.run(), EVL_RUN_DONE);
        outer.call(outer.says("outer goes on"));
    });
    EXPECT_EQ(outer.run(), EVL_RUN_DONE);
    EXPECT_EQ(inner.log(), "inner");
    EXPECT_EQ(outer.log(), "outer goes on");
}

TEST(Loop, Contract_09_ALoopMayMoveBetweenThreadsWhileItDoesNotRun) {
    World w;
    w.call(w.says("main"));
    on_thread([&] {
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        w.call(w.says("thread"));
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "main thread");
}

TEST(Loop, ManyLoopsOnManyThreads) {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([] {
            for (int i = 0; i < 20; i++) {
                World w;
                Pair p;
                int left = 10;
                evl_io *io = nullptr;
                io = w.io(p.a, EVL_READ, [&] {
                    p.a.drain();
                    --left > 0 ? (void)p.b.put() : (void)evl_close(io);
                });
                w.timer_in(1 * ms, [&] { p.b.put(); });
                EXPECT_EQ(w.run(), EVL_RUN_DONE);
                EXPECT_EQ(left, 0);
            }
        });
}

// --- 12: taking down
// ---------------------------------------------------------------------------------------------------------------

TEST(Loop, Contract_12_CloseIsBusyWhileAnythingIsLeft) {
    World w;
    Pipe p;
    evl_handle *handle = nullptr;
    evl_op *op = nullptr;
    const struct {
        const char *name;
        int32_t kind;
        std::function<void()> begin, end;
    } table[] = {
        {"watcher", EVL_KIND_IO, [&] { handle = w.io(p.r, 0, [] {}); }, [&] { evl_close(handle); }},
        {"timer", EVL_KIND_TIMER, [&] { handle = w.timer([] {}); }, [&] { evl_close(handle); }},
        {"wall", EVL_KIND_WALL, [&] { handle = w.wall_at(0, [] {}); }, [&] { evl_close(handle); }},
        {"signal", EVL_KIND_SIGNAL, [&] { handle = w.signal(SIGUSR1, [] {}); }, [&] { evl_close(handle); }},
        {"hook", EVL_KIND_HOOK, [&] { handle = w.hook(0, [] {}); }, [&] { evl_close(handle); }},
        {"call", EVL_KIND_CALL, [&] { w.call([] {}); }, [&] { w.nowait(); }},
        {"post", EVL_KIND_POST, [&] { w.post([] {}); }, [&] { w.nowait(); }},
        {"operation", EVL_KIND_OP, [&] { op = w.defer([] {}); }, [&] { evl_op_close(op); }},
        {"hold", EVL_KIND_HOLD, [&] { evl_loop_hold(w.loop); }, [&] { evl_loop_unhold(w.loop); }},
    };
    for (auto &row : table) {
        SCOPED_TRACE(row.name);
        row.begin();
        EXPECT_EQ(w.close(), EVL_EBUSY);
        evl_blocker blocker{};
        EXPECT_EQ(evl_loop_blockers(w.loop, &blocker, 1), 1);
        EXPECT_EQ(blocker.kind, row.kind);
        EXPECT_EQ(blocker.count, 1);
        EXPECT_EQ(blocker.id != 0, row.kind < EVL_KIND_CALL);
        row.end();
        EXPECT_EQ(evl_loop_blockers(w.loop, &blocker, 1), 0);
    }
    EXPECT_EQ(w.close(), 0);
}

TEST(Loop, Contract_12_BlockersAreNamed) {
    World w;
    Pipe p;
    evl_set_name(w.io(p.r, EVL_READ, [] {}), "listener");
    evl_set_name(w.timer([] {}), "backup");
    for (int i = 0; i < 3; i++)
        w.call([] {});
    evl_loop_hold(w.loop);
    evl_loop_hold(w.loop);
    evl_blocker rows[10] = {};
    EXPECT_EQ(evl_loop_blockers(w.loop, rows, 10), 4);
    std::string text;
    for (int i = 0; i < 4; i++)
        text += std::to_string(rows[i].kind) + "x" + std::to_string(rows[i].count) + rows[i].name + " ";
    for (const char *part : {"1x1listener ", "2x1backup ", "17x3 ", "22x2 "})
        EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    EXPECT_EQ(evl_loop_blockers(w.loop, rows, 2), 4); // how many there are
    EXPECT_EQ(evl_loop_blockers(nullptr, rows, 1), EVL_EINVAL);
    evl_loop_unhold(w.loop);
    evl_loop_unhold(w.loop);
}

TEST(Loop, Contract_12_EveryCloseAcceptsNull) {
    EXPECT_EQ(evl_loop_close(nullptr), 0);
    EXPECT_EQ(evl_loop_destroy(nullptr), 0);
    EXPECT_EQ(evl_close(nullptr), 0);
    EXPECT_EQ(evl_op_close(nullptr), 0);
    evl_loop_unref(nullptr);
}

void destroy_with_everything_on_it() {
    World w;
    Pair p;
    p.b.put();
    int drops = 0;
    evl_timer *timer = w.timer_in(-1, w.says("timer"));
    evl_set_drop(w.io(p.a, EVL_READ | EVL_WRITE, w.says("io")), nullptr);
    w.signal(SIGUSR1, w.says("signal"));
    w.hook(EVL_HOOK_BEFORE_POLL, w.says("hook"));
    w.call(w.says("call"));
    w.call_owned(w.says("owned"), [&] { drops++; });
    w.post_owned(w.says("post"), [&] { drops++; });
    evl_op *op = w.defer(w.says("op")), *cancelled = w.defer(w.says("cancelled"));
    EXPECT_EQ(evl_op_cancel(cancelled), 1);
    evl_loop_hold(w.loop);
    raise(SIGUSR1);
    evl_loop *loop = evl_loop_ref(w.loop);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(w.log(), ""); // silence
    EXPECT_EQ(drops, 2);
    EXPECT_EQ(evl_op_active(op), 0); // inactive, and the memory is the caller's
    EXPECT_EQ(evl_op_active(cancelled), 0);
    EXPECT_EQ(evl_op_cancel(op), EVL_EALREADY);
    EXPECT_EQ(evl_op_close(op), 0);
    EXPECT_EQ(evl_timer_start_at(timer, 0, 0), EVL_ECLOSED);
    EXPECT_EQ(evl_close(timer), 0);
    EXPECT_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_ECLOSED);
    EXPECT_EQ(evl_call_soon(loop, nullptr, nullptr), EVL_ECLOSED);
    EXPECT_EQ(evl_defer(loop, op), EVL_ECLOSED);
    evl_handle *out = nullptr;
    EXPECT_EQ(evl_timer_new(loop, nullptr, nullptr, &out), EVL_ECLOSED);
    EXPECT_EQ(evl_io_new(loop, p.a, EVL_READ, 0, nullptr, nullptr, &out), EVL_ECLOSED);
    EXPECT_EQ(evl_signal_new(loop, SIGUSR1, nullptr, nullptr, &out), EVL_ECLOSED);
    EXPECT_EQ(evl_hook_new(loop, 0, World::always, nullptr, &out), EVL_ECLOSED);
    EXPECT_EQ(evl_lookup(loop, 1), nullptr);
    EXPECT_EQ(out, nullptr);
    evl_loop_unref(loop);
}

TEST(Loop, Contract_12_DestroyAlwaysSucceedsAndIsSilent) { destroy_with_everything_on_it(); }

// Any order: the fds first, the handles before, after or never, the loop in the middle.
TEST(Loop, Contract_12_TeardownWorksInAnyOrder) {
    for (int order = 0; order < 6; order++) {
        World w;
        Pair p;
        p.b.put();
        evl_io *io = w.io(p.a, EVL_READ, [] {});
        evl_op *op = w.defer([] {});
        evl_loop *loop = evl_loop_ref(w.loop);
        const std::function<void()> steps[] = {
            [&] { p.a.close(); },
            [&] { EXPECT_EQ(evl_close(io), 0); },
            [&] { EXPECT_EQ(w.destroy(), 0); },
        };
        const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (int step : orders[order])
            steps[step]();
        EXPECT_EQ(evl_op_close(op), 0);
        evl_loop_unref(loop);
    }
}

TEST(Loop, Contract_12_DestroyInsideACallbackOfTheLoop) {
    auto w = std::make_unique<World>();
    evl_loop *loop = evl_loop_ref(w->loop);
    int drops = 0;
    Pair p;
    p.b.put();
    w->call_inside([&] {
        w->note("first");
        EXPECT_EQ(w->destroy(), 0);
        EXPECT_EQ(drops, 0);
        EXPECT_EQ(evl_post(loop, nullptr, nullptr), EVL_ECLOSED);
    });
    w->call_owned(w->says("second"), [&] { drops++; });
    w->io(p.a, EVL_READ, w->says("io"));
    int32_t rc = w->run();
    EXPECT_TRUE(rc == EVL_ECLOSED || records()) << rc;
    EXPECT_EQ(w->log().substr(w->log().size() - 5), "first"); // records of the same pass may have come before
    EXPECT_EQ(drops, 1);                                      // inside the run around it
    evl_loop_unref(loop);
}

TEST(Loop, Contract_12_DestroyInsideACallbackWithoutAnotherReference) {
    World w;
    w.call([&] { w.destroy(); });
    w.call(w.says("second"));
    w.run();
    EXPECT_EQ(w.log(), "");
}

TEST(Loop, Contract_12_ADropInsideDestroyMayCallAnything) {
    World w;
    evl_loop *loop = evl_loop_ref(w.loop);
    evl_timer *timer = w.timer([] {});
    w.call_owned([] {},
                 [&] {
                     w.note("drop");
                     EXPECT_EQ(evl_call_soon(loop, nullptr, nullptr), EVL_ECLOSED);
                     EXPECT_EQ(evl_post(loop, nullptr, nullptr), EVL_ECLOSED);
                     EXPECT_EQ(evl_close(timer), 0);
                     EXPECT_LT(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
                 });
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(w.log(), "drop");
    evl_loop_unref(loop);
}

TEST(Loop, ReferencesKeepTheMemoryNotTheLoop) {
    World w;
    evl_loop *loop = w.loop;
    EXPECT_EQ(evl_loop_ref(loop), loop);
    EXPECT_EQ(evl_loop_ref(loop), loop);
    EXPECT_EQ(w.close(), 0);
    EXPECT_EQ(evl_post(loop, nullptr, nullptr), EVL_ECLOSED);
    on_thread([&] { evl_loop_unref(loop); });
    EXPECT_EQ(evl_post(loop, nullptr, nullptr), EVL_ECLOSED);
    EXPECT_GT(w.memory.bytes(), 0u);
    evl_loop_unref(loop);
    EXPECT_EQ(w.memory.bytes(), 0u);
}

// --- traps and asyncio
// ----------------------------------------------------------------------------------------------------------------

TEST(Trap, Trap_28_ReentrancyIsDetected) { nested_runs_are_refused(); }

TEST(Trap, Trap_30_EveryFdIsCloseOnExec) { nothing_leaks_over_exec(); }

TEST(Asyncio, Asyncio_013_RunRefusesClosedAndRunningLoops) {
    nested_runs_are_refused();
    World w;
    evl_loop *loop = evl_loop_ref(w.loop);
    w.close();
    EXPECT_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_ECLOSED);
    evl_loop_unref(loop);
}

TEST(Asyncio, Asyncio_014_StopOnlySetsAFlag) {
    stop_lets_the_pass_finish();
    stop_before_run();
}

// asyncio discards what is ready without running it; so does destroy, and the drops tell the owners.
TEST(Asyncio, Asyncio_016_CloseDiscardsWithoutRunning) { destroy_with_everything_on_it(); }

TEST(Asyncio, Asyncio_017_AfterCloseEverySchedulingCallFails) {
    World w;
    Pipe p;
    evl_loop *loop = evl_loop_ref(w.loop);
    EXPECT_EQ(w.close(), 0);
    evl_handle *out = nullptr;
    EXPECT_EQ(evl_io_new(loop, p.r, EVL_READ, 0, nullptr, nullptr, &out), EVL_ECLOSED);
    EXPECT_EQ(evl_fd_closing(loop, p.r), EVL_ECLOSED);
    evl_record record;
    EXPECT_EQ(evl_loop_records(loop, &record, 1, 0), EVL_ECLOSED);
    EXPECT_EQ(evl_loop_dispatch(loop, nullptr, 0), EVL_ECLOSED);
    EXPECT_EQ(evl_loop_alive(loop), 0);
    EXPECT_EQ(evl_post(loop, nullptr, nullptr), EVL_ECLOSED);
    evl_loop_unref(loop);
}

// asyncio warns when a loop is collected that was not closed; evloop says in words what is still open.
TEST(Asyncio, Asyncio_020_WhatIsUnclosedIsNamed) {
    World w;
    evl_set_name(w.timer_in(1 * sec, [] {}), "forgotten");
    EXPECT_EQ(w.close(), EVL_EBUSY);
    evl_blocker blocker{};
    EXPECT_EQ(evl_loop_blockers(w.loop, &blocker, 1), 1);
    EXPECT_STREQ(blocker.name, "forgotten");
}

} // namespace
