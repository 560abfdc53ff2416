// end_test.cpp - cancelling, killing, leaving, the end of the loop, forks: in every state of a fiber.
#include "fiber.hpp"

#include <csignal>
#include <sys/wait.h>

using namespace fibers;

namespace {

// What a fiber may be doing when something happens to it.
enum class Doing { nothing_yet, yielding, sleeping, reading, joining, locking, any, switched };
constexpr Doing doings[] = {Doing::nothing_yet, Doing::yielding, Doing::sleeping, Doing::reading,
                            Doing::joining,     Doing::locking,  Doing::any,      Doing::switched};

// A fiber in each of these, with everything around it.
struct Scene {
    explicit Scene(World &world, Doing doing, uint32_t flags = 0)
        : w(world), what(doing), child(world, [] { return evl_fiber_sleep(3600 * sec); }),
          other(world, [] { return evl_fiber_sleep(3600 * sec); }),
          fiber(world, [this] { return body(); }, flags) {
        near = open(w, pair.a);
        EXPECT_EQ(evl_lock_new(w.loop, &lock), 0);
        EXPECT_EQ(evl_lock_try(lock), 0);
        if (doing != Doing::nothing_yet)
            w.nowait();
    }
    Scene(const Scene &) = delete;
    void end() {
        evl_fiber_kill(other);
        w.run();
        evl_lock_free(lock);
        evl_stream_abort(near);
        near = nullptr;
    }
    int64_t body() {
        started = true;
        evl_fiber_cleanup cleanup;
        EXPECT_EQ(evl_fiber_cleanup_push(
                      &cleanup, [](void *self) { static_cast<Scene *>(self)->w.note("cleanup"); }, this),
                  0);
        int64_t rc = wait();
        w.note(rc < 0 ? evl_err_name(rc) : "ok");
        EXPECT_EQ(evl_fiber_cleanup_pop(&cleanup, 0), 0);
        return rc;
    }
    int64_t wait() {
        char buf[16];
        evl_op a, b, *both[] = {&a, &b};
        switch (what) {
        case Doing::nothing_yet:
        case Doing::yielding:
            return evl_fiber_yield();
        case Doing::sleeping:
            return evl_fiber_sleep(3600 * sec);
        case Doing::reading:
            return evl_fiber_read(near, buf, sizeof buf);
        case Doing::joining:
            return evl_fiber_join(other, EVL_NEVER, nullptr);
        case Doing::locking: {
            evl_fiber_op_init(&a);
            int32_t rc = evl_lock_acquire(lock, &a);
            return rc < 0 ? rc : evl_await(&a);
        }
        case Doing::any: {
            // On the heap: where it is killed its frame goes without a close.
            evl_fiber_op_init(&a);
            evl_fiber_op_init(&b);
            evl_fiber_cleanup cleanup;
            evl_fiber_cleanup_push(
                &cleanup,
                [](void *ops) {
                    evl_op_close(static_cast<evl_op **>(ops)[0]);
                    evl_op_close(static_cast<evl_op **>(ops)[1]);
                },
                both);
            EXPECT_EQ(evl_sleep(w.loop, &a, 3600 * sec), 0);
            EXPECT_EQ(evl_sleep(w.loop, &b, 3600 * sec), 0);
            int32_t rc = evl_await_any(both, 2);
            evl_fiber_cleanup_pop(&cleanup, 1);
            return rc;
        }
        case Doing::switched:
            return child.start();
        }
        return 0;
    }
    World &w;
    Doing what;
    Pair pair;
    evl_stream *near = nullptr;
    evl_lock *lock = nullptr;
    bool started = false;
    Switched child; // which its parent does not own: a fiber that is killed runs no destructors
    Fiber other, fiber;
};

class FiberEnd : public testing::TestWithParam<Doing> {};

// The same for those that do not ignore a cancel, as one that has switched away does.
class FiberWaiting : public testing::TestWithParam<Doing> {};

INSTANTIATE_TEST_SUITE_P(Doing, FiberWaiting, testing::ValuesIn(doings, std::end(doings) - 1),
                         [](const auto &what) { return std::to_string(static_cast<int>(what.param)); });
INSTANTIATE_TEST_SUITE_P(Doing, FiberEnd, testing::ValuesIn(doings),
                         [](const auto &what) { return std::to_string(static_cast<int>(what.param)); });

TEST_P(FiberWaiting, Cancelled) {
    World w;
    Scene s(w, GetParam());
    EXPECT_EQ(evl_fiber_cancel(s.fiber), 1);
    EXPECT_EQ(evl_fiber_cancel(s.fiber), 1) << "counted, and delivered once";
    EXPECT_EQ(evl_fiber_cancelling(s.fiber), 2);
    pump(w, [&] { return s.fiber.state() == EVL_FIBER_DONE; });
    EXPECT_EQ(s.fiber.result(), EVL_ECANCELED);
    EXPECT_EQ(w.log(), "EVL_ECANCELED");
    EXPECT_EQ(evl_fiber_cancel(s.fiber), 0);
    s.end();
}

TEST_P(FiberWaiting, Killed) {
    World w;
    Scene s(w, GetParam());
    EXPECT_EQ(evl_fiber_kill(s.fiber), 1);
    EXPECT_EQ(evl_fiber_kill(s.fiber), 1) << "twice";
    EXPECT_EQ(s.fiber.state(), EVL_FIBER_READY);
    pump(w, [&] { return s.fiber.state() == EVL_FIBER_DONE; });
    EXPECT_EQ(s.fiber.result(), EVL_ECANCELED);
    EXPECT_EQ(w.log(), GetParam() == Doing::nothing_yet ? "" : "cleanup");
    EXPECT_EQ(evl_fiber_kill(s.fiber), 0);
    s.end();
}

TEST_P(FiberWaiting, KilledAndUnwinds) {
    World w;
    Scene s(w, GetParam(), EVL_FIBER_UNWINDS);
    EXPECT_EQ(evl_fiber_kill(s.fiber), 1);
    pump(w, [&] { return s.fiber.state() == EVL_FIBER_DONE; });
    EXPECT_EQ(s.fiber.result(), EVL_ECANCELED);
    EXPECT_EQ(w.log(), GetParam() == Doing::nothing_yet ? "" : "EVL_ECANCELED");
    s.end();
}

TEST_P(FiberWaiting, JoinedMeanwhileAndKilled) {
    World w;
    Scene s(w, GetParam());
    int64_t result = EVL_EAGAIN;
    go(w, [&] {
        evl_fiber_kill(s.fiber);
        EXPECT_EQ(evl_fiber_join(s.fiber, EVL_NEVER, &result), 0);
        return 0;
    });
    pump(w, [&] { return result != EVL_EAGAIN; });
    bool before = GetParam() == Doing::yielding || GetParam() == Doing::nothing_yet;
    EXPECT_TRUE(result == EVL_ECANCELED || before) << "the others wait when they are killed";
    s.end();
}

TEST_P(FiberEnd, LoopDestroyed) {
    World w;
    Scene s(w, GetParam());
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(s.fiber.state(), EVL_FIBER_DONE);
    EXPECT_EQ(s.fiber.result(), EVL_ECLOSED);
    EXPECT_EQ(w.log(), s.started ? "cleanup" : "");
    evl_lock_free(s.lock);
}

TEST_P(FiberEnd, LoopDestroyedAndUnwinds) {
    World w;
    Scene s(w, GetParam(), EVL_FIBER_UNWINDS);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(s.fiber.state(), EVL_FIBER_DONE);
    EXPECT_EQ(w.log(), s.started ? "EVL_ECANCELED" : "");
    evl_lock_free(s.lock);
}

TEST_P(FiberEnd, LoopDestroyedInAFiber) {
    World w;
    Scene s(w, GetParam());
    bool ended = false;
    evl_loop *loop = evl_loop_ref(w.loop);
    go(w, [&] {
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(evl_fiber_sleep(sec), EVL_ECLOSED);
        EXPECT_EQ(evl_fiber_yield(), EVL_ECLOSED);
        EXPECT_EQ(evl_fiber_spawn(loop, call, nullptr, nullptr, nullptr), EVL_ECLOSED);
        ended = true;
        return 0;
    });
    evl_loop_run(loop, EVL_RUN_NOWAIT);
    EXPECT_TRUE(ended);
    EXPECT_EQ(s.fiber.state(), EVL_FIBER_DONE);
    evl_lock_free(s.lock);
    evl_loop_unref(loop);
}

// The thread sanitizer takes fibers for threads, and follows nothing in the child of a process with threads.
#if !defined(__SANITIZE_THREAD__)
TEST_P(FiberEnd, ForkedAndDestroyed) {
    World w;
    Scene s(w, GetParam());
    pid_t child = ::fork();
    if (child == 0) {
        bool ok = evl_loop_destroy(w.loop) == 0 && s.fiber.state() == EVL_FIBER_DONE;
        ::_exit(ok ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_NE(s.fiber.state(), EVL_FIBER_DONE);
    EXPECT_EQ(w.destroy(), 0);
    evl_lock_free(s.lock);
}

TEST(FiberFork, GoesOnInTheChild) {
    World w;
    int to_child = -1;
    Fiber f(w, [&] {
        EXPECT_EQ(evl_fiber_sleep(10 * ms), 0);
        pid_t child = ::fork();
        if (child != 0) {
            EXPECT_EQ(::waitpid(child, &to_child, 0), child);
            return 0;
        }
        bool ok = evl_fiber_yield() == EVL_EFORK && evl_loop_fork(w.loop) == 0 &&
                  evl_fiber_sleep(10 * ms) == 0 && evl_fiber_yield() == 0;
        ::_exit(ok ? 0 : 1);
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(to_child, 0);
}
#endif

TEST(FiberCancel, ComesWithTheNextWaitThatWaits) {
    World w;
    Fiber f(w, [&] {
        EXPECT_EQ(evl_fiber_cancel(evl_fiber_self()), 1);
        EXPECT_EQ(evl_fiber_sleep(sec), EVL_ECANCELED);
        EXPECT_EQ(evl_fiber_sleep(ms), 0) << "delivered once";
        EXPECT_EQ(evl_fiber_uncancel(evl_fiber_self()), 0);
        EXPECT_EQ(evl_fiber_cancel(evl_fiber_self()), 1);
        EXPECT_EQ(evl_fiber_uncancel(evl_fiber_self()), 0);
        EXPECT_EQ(evl_fiber_sleep(ms), 0) << "taken back";
        evl_op a, *one[] = {&a};
        evl_fiber_op_init(&a);
        EXPECT_EQ(evl_sleep(w.loop, &a, ms), 0);
        EXPECT_EQ(evl_fiber_cancel(evl_fiber_self()), 1);
        EXPECT_EQ(evl_await_any(one, 1), EVL_ECANCELED);
        EXPECT_EQ(evl_await_any(one, 1), 0) << "it went on";
        return 5;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(f.result(), 5);
}

TEST(FiberExit, RunsCleanupsBackwards) {
    World w;
    Fiber f(w, [&]() -> int64_t {
        evl_fiber_cleanup a, b, c;
        auto note = [](void *noted) { delete static_cast<Noted *>(noted); };
        EXPECT_EQ(evl_fiber_cleanup_push(&a, note, new Noted(w, "a")), 0);
        EXPECT_EQ(evl_fiber_cleanup_push(&b, note, new Noted(w, "b")), 0);
        EXPECT_EQ(evl_fiber_cleanup_push(&c, note, new Noted(w, "c")), 0);
        EXPECT_EQ(evl_fiber_cleanup_pop(&a, 1), EVL_EINVAL) << "not the last";
        EXPECT_EQ(evl_fiber_cleanup_pop(&c, 1), 0);
        EXPECT_EQ(evl_fiber_kill(evl_fiber_self()), EVL_EBUSY);
        return evl_fiber_exit(9);
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(f.result(), 9);
    EXPECT_EQ(w.log(), "c b a");
}

TEST(FiberExit, CleanupsDoNotWait) {
    World w;
    Fiber f(w, [&]() -> int64_t {
        evl_fiber_cleanup c;
        auto wait = [](void *) {
            EXPECT_EQ(evl_fiber_sleep(sec), EVL_ECANCELED);
            EXPECT_EQ(evl_fiber_yield(), EVL_ECANCELED);
        };
        EXPECT_EQ(evl_fiber_cleanup_push(&c, wait, nullptr), 0);
        return evl_fiber_sleep(sec);
    });
    w.nowait();
    EXPECT_EQ(evl_fiber_kill(f), 1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(f.result(), EVL_ECANCELED);
}

#if !defined(__SANITIZE_THREAD__)
// Calls itself, which no compiler sees.
int64_t overflow(void *self) {
    volatile char frame[512];
    frame[0] = 1;
    auto *again = *static_cast<evl_fiber_fn *volatile *>(self);
    return again(self) + frame[0];
}

TEST(FiberStack, AnOverflowFaultsAtTheGuard) {
    World w;
    pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGSEGV, SIG_DFL);
        ::signal(SIGBUS, SIG_DFL);
        evl_fiber_fn *volatile self = overflow;
        void *arg = const_cast<evl_fiber_fn **>(&self);
        if (evl_loop_fork(w.loop) == 0 && evl_fiber_spawn(w.loop, overflow, arg, nullptr, nullptr) == 0)
            evl_loop_run(w.loop, EVL_RUN_DEFAULT);
        ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS)) << status;
}
#endif

TEST(FiberCrowd, SleepsAtOnce) {
    World w;
    const int n = slow() ? 500 : 20000;
    int64_t woken = 0;
    for (int i = 0; i < n; i++) {
        evl_fiber_options o{};
        o.struct_size = sizeof o;
        o.flags = EVL_FIBER_NO_GUARD;
        ASSERT_EQ(evl_fiber_spawn(
                      w.loop,
                      [](void *count) {
                          int64_t rc = evl_fiber_sleep(sec);
                          ++*static_cast<int64_t *>(count);
                          return rc;
                      },
                      &woken, &o, nullptr),
                  0);
    }
    w.nowait();
    EXPECT_EQ(evl_fiber_count(w.loop), n);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(woken, n);
}

} // namespace
