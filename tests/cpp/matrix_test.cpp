// matrix_test.cpp - everything that can be awaited, ended in every state: nothing leaks, nothing is touched
// after its end, nothing that was handed over is lost.
#include "fds.hpp"
#include "tasks.hpp"

#include <evloop/channel.hpp>

#include <csignal>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <unistd.h>

using namespace support;

namespace {

// What the awaits below wait for, on one loop. In this order: the things end after the tasks.
struct Things {
    explicit Things(World &world)
        : w(world), loop(world.loop), event(loop), lock(loop), semaphore(loop, 0), condition_lock(loop),
          condition(condition_lock), barrier(loop, 2), empty(loop), full(loop, 1), unfinished(loop),
          future(loop), text(loop), done(loop), pool(loop, 1), latch(loop, 1), scope(loop) {
        lock.try_acquire();
        shared.emplace(loop);
        shared->try_acquire();
        EXPECT_EQ(full_channel.try_send("first"), 0);
        full.try_put("first");
        unfinished.try_put("first");
        int fds[2];
        EXPECT_EQ(::pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        in = fds[0];
        out = fds[1];
    }
    ~Things() {
        if (!gone) {
            evl_fd_closing(loop, in);
            evl_fd_closing(loop, out);
        }
        ::close(in);
        ::close(out);
    }

    World &w;
    // Moved out of here, they end.
    void drop_owners() {
        auto one = std::move(event);
        auto two = std::move(lock);
        auto three = std::move(semaphore);
        auto four = std::move(condition);
        auto five = std::move(barrier);
        auto six = std::move(empty);
        auto seven = std::move(full);
        auto eight = std::move(unfinished);
        auto nine = std::move(latch);
        shared.reset();
    }

    evl_loop *loop;
    evloop::event event;
    evloop::lock lock; // held
    evloop::semaphore semaphore;
    evloop::lock condition_lock;
    evloop::condition condition;
    evloop::barrier barrier;
    evloop::queue<std::string> empty, full, unfinished;
    evloop::future<int> future;
    evloop::future<std::string> text;
    evloop::future<> done;
    evloop::executor pool;
    std::optional<evloop::shared_mutex> shared; // held alone
    evloop::latch latch;
    evloop::channel<std::string> empty_channel{1}, full_channel{1};
    std::vector<char> much = std::vector<char>(65536);
    int in, out;
    bool gone = false; // the loop
    std::vector<evloop::spawned<int>> jobs;
    evloop::scope scope;
};

task<> waits_for(Things &t) { co_await t.event.wait(); }

class Entered {
  public:
    explicit Entered(Things &t) : t_(&t) {}
    task<Things &> enter() {
        co_await evloop::yield();
        co_return *t_;
    }
    task<> exit() { co_return; }

  private:
    Things *t_;
};

// The default of a signal that nobody watches any more would end the test.
void raise_if_watched(Things &) {
    struct sigaction now{};
    ::sigaction(SIGUSR1, nullptr, &now);
    if (now.sa_handler != SIG_DFL)
        ::kill(::getpid(), SIGUSR1);
}

// One await, and what ends it.
struct Await {
    const char *name;
    task<> (*wait)(Things &);
    void (*end)(Things &);
    bool handed = false; // one is given something: if not the first, the second
    // Destroys what it waits for, which ends it with EVL_ECLOSED. NULL: there is no such thing.
    void (*close)(Things &) = nullptr;
    // Whether `end`, when it comes first, ends it at once.
    bool at_once = true;
};

// Assigning another destroys one.
template <auto Member, class... Args>
void replace(Things &t, Args... args) {
    t.*Member = std::remove_reference_t<decltype(t.*Member)>(t.loop, args...);
}

const Await awaits[] = {
    {"yield", [](Things &) -> task<> { co_await evloop::yield(); }, [](Things &) {}},
    {"sleep", [](Things &) -> task<> { co_await evloop::sleep(1ms); },
     [](Things &t) { evl_clock_advance(t.loop, ms); }, false, nullptr, false},
    {"sleep_until",
     [](Things &t) -> task<> {
         co_await evloop::sleep_until(evloop::time_point(std::chrono::nanoseconds(evl_time(t.loop))) + 1ms);
     },
     [](Things &t) { evl_clock_advance(t.loop, ms); }, false, nullptr, false},
    {"sleep_until_steady",
     [](Things &) -> task<> { co_await evloop::sleep_until(std::chrono::steady_clock::now() + 1ms); },
     [](Things &t) { evl_clock_advance(t.loop, ms); }, false, nullptr, false},
    {"readable", [](Things &t) -> task<> { co_await evloop::readable(t.in); },
     [](Things &t) { EXPECT_EQ(::write(t.out, "x", 1), 1); }},
    {"writable",
     [](Things &t) -> task<> {
         while (::write(t.out, t.much.data(), t.much.size()) > 0) { // until it is full
         }
         co_await evloop::writable(t.out);
     },
     [](Things &t) {
         while (::read(t.in, t.much.data(), t.much.size()) > 0) {
         }
     },
     false, nullptr, false},
    {"wait_fd", [](Things &t) -> task<> { co_await evloop::wait_fd(t.in, EVL_READ); },
     [](Things &t) { EXPECT_EQ(::write(t.out, "x", 1), 1); }},
    {"signal", [](Things &) -> task<> { co_await evloop::wait_signal(SIGUSR1); }, raise_if_watched, false,
     nullptr, false},
    {"event", waits_for, [](Things &t) { t.event.set(); }, false, replace<&Things::event>},
    {"lock", [](Things &t) -> task<> { co_await t.lock.acquire(); }, [](Things &t) { t.lock.release(); },
     true, replace<&Things::lock>},
    {"scoped_lock", [](Things &t) -> task<> { auto guard = co_await t.lock.scoped(); },
     [](Things &t) { t.lock.release(); }, true, replace<&Things::lock>},
    {"semaphore", [](Things &t) -> task<> { co_await t.semaphore.acquire(); },
     [](Things &t) { t.semaphore.release(); }, true, [](Things &t) { replace<&Things::semaphore>(t, 0u); }},
    {"scoped_semaphore", [](Things &t) -> task<> { auto guard = co_await t.semaphore.scoped(); },
     [](Things &t) { t.semaphore.release(); }, true, [](Things &t) { replace<&Things::semaphore>(t, 0u); }},
    {"condition",
     [](Things &t) -> task<> {
         auto guard = co_await t.condition_lock.scoped();
         co_await t.condition.wait();
     },
     [](Things &t) {
         EXPECT_TRUE(t.condition_lock.try_acquire());
         t.condition.notify();
         t.condition_lock.release();
     },
     true, [](Things &t) { t.condition = evloop::condition(t.condition_lock); }, false},
    {"barrier", [](Things &t) -> task<> { co_await t.barrier.wait(); }, [](Things &t) { t.barrier.abort(); },
     false, [](Things &t) { replace<&Things::barrier>(t, 2u); }},
    {"queue_get", [](Things &t) -> task<> { co_await t.empty.get(); },
     [](Things &t) { t.empty.try_put("x"); }, true, replace<&Things::empty>},
    {"queue_put",
     [](Things &t) -> task<> { co_await t.full.put("second, and too long to be stored in place"); },
     [](Things &t) { (void)t.full.try_get(); }, false, [](Things &t) { replace<&Things::full>(t, 1u); }},
    {"queue_join", [](Things &t) -> task<> { co_await t.unfinished.join(); },
     [](Things &t) { t.unfinished.task_done(); }, false, replace<&Things::unfinished>},
    {"future", [](Things &t) -> task<> { co_await t.future; }, [](Things &t) { t.future.resolve(1); }},
    {"future_of_nothing", [](Things &t) -> task<> { co_await t.done; }, [](Things &t) { t.done.resolve(); }},
    {"future_of_text", [](Things &t) -> task<> { co_await t.text; }, [](Things &t) { t.text.resolve("x"); }},
    {"c_future", [](Things &t) -> task<> { co_await evloop::wait_future(t.future.c()); },
     [](Things &t) { t.future.fail(EVL_EPIPE); }},
    {"future_taken", [](Things &t) -> task<> { co_await t.text.take(); },
     [](Things &t) { t.text.resolve("x"); }},
    {"shared_mutex", [](Things &t) -> task<> { co_await t.shared->acquire(); },
     [](Things &t) { t.shared->release(); }, true, [](Things &t) { t.shared.emplace(t.loop); }},
    {"scoped_shared_mutex", [](Things &t) -> task<> { auto guard = co_await t.shared->scoped(); },
     [](Things &t) { t.shared->release(); }, true, [](Things &t) { t.shared.emplace(t.loop); }},
    {"shared_mutex_shared", [](Things &t) -> task<> { co_await t.shared->acquire_shared(); },
     [](Things &t) { t.shared->release(); }, false, [](Things &t) { t.shared.emplace(t.loop); }},
    {"scoped_shared_mutex_shared",
     [](Things &t) -> task<> { auto guard = co_await t.shared->scoped_shared(); },
     [](Things &t) { t.shared->release(); }, false, [](Things &t) { t.shared.emplace(t.loop); }},
    {"latch", [](Things &t) -> task<> { co_await t.latch.wait(); }, [](Things &t) { t.latch.count_down(); },
     false, [](Things &t) { replace<&Things::latch>(t, 1u); }},
    {"channel_receive", [](Things &t) -> task<> { co_await t.empty_channel.receive(); },
     [](Things &t) { EXPECT_EQ(t.empty_channel.try_send("x"), 0); }, true},
    {"channel_next", [](Things &t) -> task<> { co_await t.empty_channel.next(); },
     [](Things &t) { EXPECT_EQ(t.empty_channel.try_send("x"), 0); }, true},
    {"queue_next", [](Things &t) -> task<> { co_await t.empty.next(); },
     [](Things &t) { t.empty.try_put("x"); }, true, [](Things &t) { replace<&Things::empty>(t); }},
    {"channel_send",
     [](Things &t) -> task<> { co_await t.full_channel.send("second, and too long to be stored in place"); },
     [](Things &t) { (void)t.full_channel.try_receive(); }, true},
    {"executor",
     [](Things &) -> task<> { co_await evloop::run_in_executor([] { return std::string("x"); }); },
     [](Things &) {}},
    {"executor_closing", [](Things &t) -> task<> { co_await t.pool.closed(); }, [](Things &) {}},
    {"child", [](Things &t) -> task<> { co_await waits_for(t); }, [](Things &t) { t.event.set(); }},
    {"join", [](Things &t) -> task<> { co_await evloop::spawn(waits_for(t)); },
     [](Things &t) { t.event.set(); }},
    {"shield", [](Things &t) -> task<> { co_await evloop::shield(waits_for(t)); },
     [](Things &t) { t.event.set(); }},
    {"group",
     [](Things &t) -> task<> {
         co_await evloop::with_group([&](evloop::task_group &group) -> task<> {
             group.spawn(waits_for(t));
             co_return;
         });
     },
     [](Things &t) { t.event.set(); }},
    {"gather", [](Things &t) -> task<> { co_await evloop::gather(waits_for(t), gives(1)); },
     [](Things &t) { t.event.set(); }},
    {"when_any", [](Things &t) -> task<> { co_await evloop::when_any(waits_for(t), evloop::sleep(1h)); },
     [](Things &t) { t.event.set(); }},
    {"wait",
     [](Things &t) -> task<> {
         std::vector<evloop::spawned<>> jobs;
         jobs.push_back(evloop::spawn(waits_for(t)));
         co_await evloop::wait(jobs, evloop::until::first, 1h);
     },
     [](Things &t) { t.event.set(); }},
    {"as_completed",
     [](Things &t) -> task<> {
         std::vector<evloop::spawned<>> jobs;
         jobs.push_back(evloop::spawn(waits_for(t)));
         auto ends = evloop::as_completed(jobs);
         co_await ends.next();
     },
     [](Things &t) { t.event.set(); }},
    {"timeout", [](Things &t) -> task<> { co_await evloop::timeout(1h, waits_for(t)); },
     [](Things &t) { t.event.set(); }},
    {"gather_of_a_range",
     [](Things &t) -> task<> {
         std::vector<task<>> all;
         all.push_back(waits_for(t));
         co_await evloop::gather(std::move(all));
     },
     [](Things &t) { t.event.set(); }},
    {"gather_with_a_limit",
     [](Things &t) -> task<> {
         std::vector<task<>> all;
         all.push_back(waits_for(t));
         all.push_back(waits_for(t));
         co_await evloop::gather(std::move(all), 1);
     },
     [](Things &t) { t.event.set(); }},
    {"map",
     [](Things &t) -> task<> {
         const std::vector<int> numbers(3, 1);
         const auto wait = [&t](int) { return waits_for(t); };
         co_await evloop::map(numbers, wait, 2);
     },
     [](Things &t) { t.event.set(); }},
    {"when_any_of_a_range",
     [](Things &t) -> task<> {
         std::vector<task<>> all;
         all.push_back(sleeps(1h));
         all.push_back(waits_for(t));
         co_await evloop::when_any(std::move(all));
     },
     [](Things &t) { t.event.set(); }},
    {"group_of_spawned",
     [](Things &t) -> task<> {
         evloop::task_group group;
         group.spawn(waits_for(t));
         co_await group.join();
     },
     [](Things &t) { t.event.set(); }},
    {"with",
     [](Things &t) -> task<> {
         co_await evloop::with(Entered{t}, [](Things &t) -> task<> { co_await waits_for(t); });
     },
     [](Things &t) { t.event.set(); }},
    {"adapt", [](Things &t) -> task<> { co_await evloop::adapt(t.event.wait()); },
     [](Things &t) { t.event.set(); }},
    {"adapt_in_a_range",
     [](Things &t) -> task<> {
         std::vector<task<std::string>> all;
         all.push_back(evloop::adapt(t.empty.get()));
         all.push_back(evloop::adapt(t.text.take()));
         (void)co_await evloop::when_any(std::move(all));
     },
     [](Things &t) { t.text.resolve("x"); }},
    {"as_result", [](Things &t) -> task<> { (void)co_await evloop::as_result(t.event.wait()); },
     [](Things &t) { t.event.set(); }},
    {"as_outcome", [](Things &t) -> task<> { (void)co_await evloop::as_outcome(waits_for(t)); },
     [](Things &t) { t.event.set(); }},
    {"async_generator",
     [](Things &t) -> task<> {
         auto values = [](Things &t) -> evloop::async_generator<int> {
             co_await t.event.wait();
             co_yield 1;
         }(t);
         co_await values.next();
     },
     [](Things &t) { t.event.set(); }},
    {"elements_of",
     [](Things &t) -> task<> {
         auto inner = [](Things &t) -> evloop::async_generator<int> {
             co_await t.event.wait();
             co_yield 1;
         };
         auto values = [](auto inner, Things &t) -> evloop::async_generator<int> {
             co_yield evloop::elements_of(inner(t));
         }(inner, t);
         co_await values.next();
     },
     [](Things &t) { t.event.set(); }},
    {"spawned_with_captures",
     [](Things &t) -> task<> {
         const auto lambda = [text = std::string(100, 'x')](Things &t) -> task<> { co_await t.event.wait(); };
         auto job = evloop::spawn(lambda, t);
         co_await job;
     },
     [](Things &t) { t.event.set(); }},
};

// Awaits, and says how it ended; a frame with something to destroy.
task<> witnessed(const Await &a, Things &t, std::string name) {
    auto held = std::make_unique<int>(1);
    std::string outcome = "ended";
    try {
        co_await a.wait(t);
    } catch (const evloop::cancelled &) {
        t.w.note(name + " cancelled");
        throw;
    } catch (const std::system_error &error) {
        outcome = error.code().value() == EVL_ECLOSED ? "closed" : "failed";
    }
    t.w.note(name + " " + outcome);
}

// Passes, until everything has been heard of that is on its way.
void pass(World &w, int n = 1) {
    for (int i = 0; i < n; i++)
        evl_loop_run(w.loop, EVL_RUN_NOWAIT);
}

class Matrix : public ::testing::TestWithParam<std::size_t> {
  public:
    Matrix() : a(awaits[GetParam()]) {}

    void start() {
        job = t->scope.spawn(witnessed(a, *t, "a"));
        if (a.handed)
            second = t->scope.spawn(witnessed(a, *t, "b"));
        pass(w, 4);
        if (waits()) {
            EXPECT_FALSE(job.done());
        }
    }
    // Until something ends it: a turn comes by itself, and a thread may take its time.
    bool waits() const {
        const std::string name = a.name;
        return name != "executor" && name != "executor_closing" && name != "yield";
    }
    void finish(const evloop::any_task &task) {
        for (int i = 0; i < 20000 && !task.done(); i++) {
            pass(w);
            if (i > 10)
                ::usleep(100);
        }
        EXPECT_TRUE(task.done());
    }
    // What was on its way to the first goes to the second, or was nobody's.
    void expect_nothing_lost() {
        pass(w, 8);
        if (a.handed) {
            EXPECT_TRUE(second.done());
        }
    }

    const Await &a;
    World w;
    std::optional<Things> t{std::in_place, w};
    evloop::spawned<> job, second;

    void TearDown() override {
        job = {};
        second = {};
        if (!t->gone)
            evloop::detail::wind_up(t->scope);
        t.reset();
    }
};

TEST_P(Matrix, NeverStartedAndDestroyed) {
    job = t->scope.spawn(witnessed(a, *t, "a"));
    job = {};
    {
        auto unawaited = witnessed(a, *t, "b");
    }
    pass(w, 2);
    EXPECT_EQ(w.log(), "");
}

TEST_P(Matrix, CompletesAtOnce) {
    if (!a.at_once)
        return;
    a.end(*t);
    job = t->scope.spawn(witnessed(a, *t, "a"));
    finish(job);
    EXPECT_NE(w.log(), "a cancelled");
}

TEST_P(Matrix, WaitsAndThenCompletes) {
    start();
    a.end(*t);
    finish(job);
    if (a.handed) {
        if (!second.done()) // a guard has handed it on
            a.end(*t);
        finish(second);
    }
    EXPECT_EQ(w.log().find("cancelled"), std::string::npos);
}

TEST_P(Matrix, TimesOutWhileItWaits) {
    if (!waits())
        return;
    job = t->scope.spawn([](const Await &a, Things &t) -> task<> {
        const auto outcome = co_await evloop::as_result(evloop::timeout(500us, a.wait(t)));
        t.w.note(evl_strerror(outcome.code()));
    }(a, *t));
    pass(w, 4);
    evl_clock_advance(w.loop, 500 * us);
    finish(job);
    EXPECT_EQ(w.log(), evl_strerror(EVL_ETIMEDOUT));
    if (a.handed) { // nothing was taken
        second = t->scope.spawn(witnessed(a, *t, "b"));
        pass(w, 4);
        a.end(*t);
        finish(second);
    }
}

TEST_P(Matrix, ItsOwnerIsDestroyedWhileItWaits) {
    if (!a.close)
        return;
    start();
    a.close(*t);
    finish(job);
    EXPECT_EQ(w.log().substr(0, 8), "a closed");
    if (a.handed) {
        finish(second);
        EXPECT_EQ(w.log(), "a closed b closed");
    }
}

TEST_P(Matrix, ItsOwnerIsDestroyedWhenItIsQueued) {
    if (!a.close)
        return;
    start();
    a.end(*t);
    a.close(*t);
    finish(job);
    if (a.handed) {
        finish(second);
    }
}

TEST_P(Matrix, ItsOwnerIsDestroyedAndThenItsTask) {
    if (!a.close)
        return;
    start();
    a.close(*t);
    job = {};
    second = {};
    EXPECT_EQ(w.log(), "");
}

TEST_P(Matrix, ItsOwnerIsDestroyedAfterTheLoopAndBeforeItsTask) {
    if (!a.close)
        return;
    start();
    w.destroy();
    t->gone = true;
    t->drop_owners();
    job = {};
    second = {};
}

TEST_P(Matrix, DestroyedWhileItWaits) {
    start();
    job = {};
    a.end(*t);
    expect_nothing_lost();
}

TEST_P(Matrix, DestroyedWhenItIsQueued) {
    start();
    a.end(*t);
    job = {};
    expect_nothing_lost();
}

TEST_P(Matrix, DestroyedInThePassInWhichItCompletes) {
    start();
    struct Both {
        Matrix *self;
        static void end(void *arg) {
            static_cast<Both *>(arg)->self->a.end(*static_cast<Both *>(arg)->self->t);
        }
        static void destroy(void *arg) { static_cast<Both *>(arg)->self->job = {}; }
    } both{this};
    evl_call_soon(w.loop, Both::end, &both);
    evl_call_soon(w.loop, Both::destroy, &both);
    pass(w, 2);
    expect_nothing_lost();
}

TEST_P(Matrix, CancelledWhileItWaits) {
    start();
    job.cancel();
    pass(w, 8);
    EXPECT_TRUE(job.done());
    if (waits()) {
        EXPECT_EQ(w.log(), "a cancelled");
    }
    a.end(*t);
    expect_nothing_lost();
}

TEST_P(Matrix, CancelledWhenItIsQueued) {
    start();
    a.end(*t);
    job.cancel();
    expect_nothing_lost();
    EXPECT_TRUE(job.done());
}

TEST_P(Matrix, CancelledAndTakenBackWhenItIsQueued) {
    start();
    a.end(*t);
    const std::string name = a.name;
    const bool queued = !name.starts_with("sleep") && name != "readable" && name != "wait_fd" &&
                        name != "writable" && name != "signal";
    job.cancel();
    job.uncancel();
    pass(w, 8);
    if (queued && !a.handed && std::string(a.name) != "wait") {
        EXPECT_TRUE(job.done());
    }
}

TEST_P(Matrix, CancelledTwice) {
    start();
    job.cancel();
    job.cancel();
    pass(w, 8);
    EXPECT_TRUE(job.done());
    EXPECT_EQ(job.cancelling(), waits() ? 2u : job.cancelling());
}

TEST_P(Matrix, TimedOut) {
    job = t->scope.spawn([](const Await &a, Things &t) -> task<> {
        co_await evloop::timeout(1us, witnessed(a, t, "a"));
    }(a, *t));
    pass(w, 4);
    evl_clock_advance(w.loop, 1000);
    pass(w, 8);
    if (waits()) {
        EXPECT_EQ(w.log(), "a cancelled");
        EXPECT_TRUE(job.done());
        EXPECT_FALSE(job.is_cancelled()); // it has failed
    }
}

TEST_P(Matrix, DestroyedAfterTheLoop) {
    start();
    w.destroy();
    t->gone = true;
    job = {};
    second = {};
}

TEST_P(Matrix, DestroyedWithTheLoopWhenItIsQueued) {
    start();
    a.end(*t);
    w.destroy();
    t->gone = true;
    job = {};
    second = {};
}

TEST_P(Matrix, DestroysItself) {
    struct Self {
        static task<> run(const Await &a, Things &t, evloop::spawned<> &self) {
            self = {}; // goes when it suspends
            co_await a.wait(t);
            co_await evloop::sleep(1h);
            t.w.note("wrong");
        }
    };
    job = t->scope.spawn(Self::run(a, *t, job));
    pass(w, 2);
    a.end(*t);
    pass(w, 4);
    EXPECT_EQ(w.log(), "");
}

TEST_P(Matrix, DestroyedByAnotherTaskOfItsGroup) {
    struct Group {
        static task<> run(const Await &a, Things &t) {
            auto victim = evloop::spawn(witnessed(a, t, "a"));
            co_await evloop::with_group([&](evloop::task_group &group) -> task<> {
                group.spawn([](evloop::spawned<> &victim) -> task<> {
                    co_await evloop::yield();
                    victim = {};
                }(victim));
                co_return;
            });
        }
    };
    job = t->scope.spawn(Group::run(a, *t));
    pass(w, 8);
    EXPECT_TRUE(job.done());
    a.end(*t);
    pass(w, 2);
}

TEST_P(Matrix, ThrowsAfterTheAwait) {
    struct Throws {
        static task<> run(const Await &a, Things &t) {
            auto held = std::make_unique<int>(1);
            try {
                co_await a.wait(t);
            } catch (const std::system_error &) {
                t.w.note("failed");
            }
            throw Error("after");
        }
        static task<> watch(evloop::spawned<> &job, World &w) {
            const std::string end = co_await how_of(job);
            w.note(end);
        }
    };
    job = t->scope.spawn(Throws::run(a, *t));
    auto watcher = t->scope.spawn(Throws::watch(job, w));
    pass(w, 4);
    a.end(*t);
    for (int i = 0; i < 2000 && !watcher.done(); i++) { // a thread may take its time
        pass(w);
        if (i > 10)
            ::usleep(100);
    }
    EXPECT_TRUE(watcher.done());
    EXPECT_NE(w.log().find("after"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Awaits, Matrix, ::testing::Range<std::size_t>(0, std::size(awaits)),
                         [](const auto &info) { return std::string(awaits[info.param].name); });

} // namespace
