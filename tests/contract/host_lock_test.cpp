// host_lock_test.cpp - a host with a lock of its own: while the loop waits in the kernel its lock is free,
// and other threads use the loop under it.
#include "scale.hpp"
#include "world.hpp"

#include <atomic>
#include <cerrno>
#include <mutex>
#include <poll.h>
#include <random>
#include <thread>

using namespace support;

namespace {

// The host: its lock, and what the loop did with it. Whoever holds the lock while `waiting` is set knows that
// the loop's thread is in the kernel, or just about to be or back.
struct Host {
    std::mutex mutex;
    std::atomic<bool> waiting{false};
    std::atomic<int> waits{0};
    bool held = true; // by the loop's thread

    static void unlock(void *arg) {
        Host &h = *static_cast<Host *>(arg);
        EXPECT_TRUE(h.held);
        h.held = false;
        h.waits++;
        h.waiting = true;
        h.mutex.unlock();
    }
    static void lock(void *arg) {
        Host &h = *static_cast<Host *>(arg);
        h.mutex.lock();
        h.waiting = false;
        EXPECT_FALSE(h.held);
        h.held = true;
    }
    Options options(int32_t clock = EVL_CLOCK_REAL) {
        Options o;
        o.clock = clock;
        o.cap = 64;
        o.host_unlock = unlock;
        o.host_lock = lock;
        o.host_arg = this;
        return o;
    }
};

// A world whose thread holds the host's lock, and a second thread that takes it while the loop waits.
struct Shared {
    Host host;
    World w;
    std::unique_lock<std::mutex> own{host.mutex};
    std::thread other;
    explicit Shared(int32_t clock = EVL_CLOCK_REAL) : w(host.options(clock)) {}
    ~Shared() {
        if (other.joinable())
            other.join();
    }
    // Once the loop waits: each with the lock.
    template <class... Steps>
    void meanwhile(Steps... steps) {
        other = std::thread([this, steps...] { (at_wait(steps), ...); });
    }
    template <class Step>
    void at_wait(const Step &step) {
        for (;;) {
            until([&] { return host.waiting.load(); });
            std::lock_guard<std::mutex> lock(host.mutex);
            if (!host.waiting)
                continue;
            step();
            return;
        }
    }
    // One wait that only the other thread can end.
    void once() {
        EXPECT_GE(w.once(), 0);
        EXPECT_TRUE(host.held);
        other.join();
    }
};

constexpr int64_t far = 1000 * sec;

TEST(HostLock, TheOptionsBelongTogether) {
    evl_loop *loop = nullptr;
    evl_options options{};
    options.struct_size = sizeof options;
    options.host_unlock = Host::unlock;
    EXPECT_EQ(evl_loop_new(&loop, &options), EVL_EINVAL);
    options.host_unlock = nullptr;
    options.host_lock = Host::lock;
    EXPECT_EQ(evl_loop_new(&loop, &options), EVL_EINVAL);
    EXPECT_EQ(loop, nullptr);
}

TEST(HostLock, IsFreeInAWaitAndHeldInCallbacks) {
    Shared s;
    int ran = 0, runs = 0;
    evl_timer *timer = s.w.timer([&] {
        EXPECT_TRUE(s.host.held);
        ran++;
    });
    for (; s.host.waits == 0; runs++) { // it may be due before the run begins
        evl_timer_start_in(timer, 2 * ms, 0);
        s.w.run();
    }
    EXPECT_EQ(ran, runs);
    EXPECT_TRUE(s.host.held);
}

TEST(HostLock, IsKeptWhereNothingWaits) {
    Shared s;
    s.w.timer_in(far, [] {});
    s.w.nowait();
    s.w.call(s.w.says("call"));
    s.w.once();
    s.w.dispatch();
    EXPECT_EQ(s.w.log(), "call");
    EXPECT_EQ(s.host.waits, 0);
}

TEST(HostLock, IsTakenAgainWhenTheWaitFails) {
    Sys sys;
    for (int error : {EINTR, ENOMEM}) {
        Shared s;
        s.w.timer_in(far, [] {});
        if (s.w.on("epoll"))
            sys.fail_wait(error);
        else
            sys.fail(Call::poll, error);
        evl_record record;
        int32_t rc =
            records() ? evl_loop_records(s.w.loop, &record, 1, -1) : evl_loop_run(s.w.loop, EVL_RUN_ONCE);
        EXPECT_EQ(rc, error == ENOMEM ? EVL_ENOMEM : records() ? 0 : EVL_RUN_ALIVE);
        EXPECT_EQ(s.host.waits, 1);
        EXPECT_TRUE(s.host.held);
    }
}

// --- what ends a wait
// -------------------------------------------------------------------------------------

TEST(HostLock, AnEarlierTimerIsOnTime) {
    Shared s;
    s.w.timer_in(far, s.w.says("far"));
    s.meanwhile([&] { s.w.timer_in(2 * ms, s.w.says("near")); });
    s.once();
    EXPECT_EQ(s.w.log(), "near");
}

TEST(HostLock, ACallAndAPostRun) {
    Shared s;
    s.w.timer_in(far, [] {});
    s.meanwhile([&] { s.w.call(s.w.says("call")); });
    s.once();
    s.meanwhile([&] { s.w.post(s.w.says("post")); });
    s.once();
    EXPECT_EQ(s.w.log(), "call post");
}

TEST(HostLock, AnFdThatIsWatchedMeanwhileIsWaitedFor) {
    Shared s;
    Pair p;
    evl_io *io = nullptr;
    s.w.timer_in(far, [] {});
    s.meanwhile([&] { io = s.w.io(p.a, EVL_READ, [&] { p.a.drain(), s.w.note("io"); }); },
                [&] { p.b.put(); });
    s.once();
    EXPECT_EQ(s.w.log(), "io");
    evl_io_set(io, 0);
    p.b.put();
    s.meanwhile([&] { evl_io_set(io, EVL_READ); });
    s.once();
    EXPECT_EQ(s.w.log(), "io io");
}

TEST(HostLock, AStreamThatIsOpenedAndReadMeanwhileIsWaitedFor) {
    Shared s;
    Pair p;
    evl_stream *stream = nullptr;
    char buf[8];
    evl_op *read = s.w.op([&](int64_t n) { s.w.note("read" + std::to_string(n)); });
    s.w.timer_in(far, [] {});
    s.meanwhile(
        [&] {
            ASSERT_EQ(evl_stream_open(s.w.loop, p.a, EVL_STREAM_KEEP_FD, &stream), 0);
            ASSERT_EQ(evl_stream_read(stream, read, buf, sizeof buf), 0);
        },
        [&] { p.b.put(); });
    s.once();
    EXPECT_EQ(s.w.log(), "read1");
}

TEST(HostLock, AnFdThatIsClosedMeanwhileIsNotReported) {
    Shared s;
    Pair p;
    evl_io *io = s.w.io(p.a, EVL_READ, s.w.says("io"));
    s.w.timer_in(far, [] {});
    s.meanwhile([&] {
        p.b.put(); // the kernel has it, and the loop's thread may be on its way back
        evl_close(io);
        s.w.call(s.w.says("call"));
    });
    s.once();
    s.w.nowait();
    EXPECT_EQ(s.w.log(), "call");
}

TEST(HostLock, WithNothingLeftTheRunEnds) {
    Shared s;
    evl_timer *timer = s.w.timer_in(far, [] {});
    s.meanwhile([&] { evl_close(timer); });
    EXPECT_EQ(s.w.run(), EVL_RUN_DONE);
    s.other.join();
    timer = s.w.timer_in(far, [] {});
    s.meanwhile([&] { evl_keep_alive(timer, 0); });
    EXPECT_EQ(s.w.run(), EVL_RUN_DONE);
    s.other.join();
    evl_op *op = s.w.op([](int64_t) {});
    ASSERT_EQ(evl_sleep(s.w.loop, op, far), 0);
    s.meanwhile([&] { evl_op_close(op); });
    EXPECT_EQ(s.w.run(), EVL_RUN_DONE);
}

TEST(HostLock, AnOperationIsCancelledMeanwhile) {
    Shared s;
    evl_op *op = s.w.op([&](int64_t rc) { s.w.note(evl_err_name(rc)); });
    ASSERT_EQ(evl_sleep(s.w.loop, op, far), 0);
    s.meanwhile([&] { EXPECT_EQ(evl_op_timeout(op, 1 * ms), 0); });
    s.once();
    ASSERT_EQ(evl_sleep(s.w.loop, op, far), 0);
    s.meanwhile([&] { EXPECT_EQ(evl_op_cancel(op), 1); });
    s.once();
    EXPECT_EQ(s.w.log(), "EVL_ETIMEDOUT EVL_ECANCELED");
}

TEST(HostLock, AVirtualClockIsAdvancedMeanwhile) {
    Shared s(EVL_CLOCK_MANUAL);
    Pair p;
    s.w.io(p.a, EVL_READ, [] {});
    s.w.timer_in(5, s.w.says("timer"));
    s.meanwhile([&] { evl_clock_advance(s.w.loop, 5); });
    s.once();
    EXPECT_EQ(s.w.log(), "timer");
}

TEST(HostLock, AStopEndsTheRun) {
    Shared s;
    s.w.timer_in(far, [] {});
    s.meanwhile([&] { evl_stop(s.w.loop, 7); });
    EXPECT_EQ(records() ? 7 : evl_loop_run(s.w.loop, EVL_RUN_FOREVER), 7);
    if (records()) {
        evl_record record{};
        EXPECT_EQ(evl_loop_records(s.w.loop, &record, 1, -1), 1);
        EXPECT_EQ(record.kind, EVL_KIND_STOP);
    }
}

// --- what does not
// ----------------------------------------------------------------------------------------

TEST(HostLock, WhatDoesNotMatterDoesNotEndAWait) {
    Shared s;
    evl_timer *timer = s.w.timer_in(far, [] {});
    s.meanwhile(
        [&] {
            s.w.timer_in(2 * far, s.w.says("later"));
            evl_close(s.w.timer_in(3 * far, [] {}));
        },
        [&] { evl_timer_start_in(timer, far / 2, 0); }, // wakes, and waits on
        [&] { s.w.call(s.w.says("call")); });
    s.once(); // one pass, and not one for each
    EXPECT_EQ(s.w.log(), "call");
}

TEST(HostLock, TheTimeLimitOfRecordsStands) {
    Shared s;
    evl_timer *timer = s.w.timer_in(far, [] {});
    evl_record record;
    std::atomic<bool> done{false};
    s.meanwhile([&] { evl_timer_start_in(timer, far / 2, 0), done = true; });
    while (!done) {
        int64_t begin = evl_time(s.w.loop);
        EXPECT_EQ(evl_loop_records(s.w.loop, &record, 1, 20 * ms), 0);
        EXPECT_GE(evl_time(s.w.loop) - begin, 20 * ms);
    }
}

TEST(HostLock, OthersNeitherRunItNorTakeItDown) {
    Shared s;
    s.w.timer_in(far, [] {});
    s.meanwhile([&] {
        evl_record record;
        evl_poll_row row;
        evl_loop *loop = s.w.loop;
        EXPECT_EQ(evl_loop_run(loop, EVL_RUN_NOWAIT), EVL_ETHREAD);
        EXPECT_EQ(evl_loop_records(loop, &record, 1, 0), EVL_ETHREAD);
        EXPECT_EQ(evl_loop_dispatch(loop, nullptr, 0), EVL_ETHREAD);
        EXPECT_EQ(evl_loop_prepare(loop, &row, 1, nullptr), EVL_ETHREAD);
        EXPECT_EQ(evl_loop_close(loop), EVL_ETHREAD);
        EXPECT_EQ(evl_loop_destroy(loop), EVL_ETHREAD);
        EXPECT_EQ(evl_loop_fork(loop), 0); // nothing to repair
        s.w.call(s.w.says("call"));
    });
    s.once();
    EXPECT_EQ(s.w.log(), "call");
}

TEST(HostLock, AHostsFdShowsWhatIsDoneBetweenRuns) {
    Shared s;
    if (!(s.w.caps() & EVL_CAP_LOOP_FD))
        return;
    s.w.timer_in(far, [] {});
    evl_fd fd = -1;
    s.meanwhile([&] { fd = evl_loop_fd(s.w.loop), s.w.call(s.w.says("call")); });
    s.once();
    s.w.call(s.w.says("more"));
    pollfd row{fd, POLLIN, 0};
    EXPECT_EQ(poll(&row, 1, 0), 1);
    s.w.nowait();
    EXPECT_EQ(s.w.log(), "call more");
}

TEST(HostLock, ForkedInAThreadThatHoldsTheLock) {
    for (bool repaired : {true, false}) {
        Shared s;
        s.w.timer_in(far, [] {});
        s.meanwhile([&] {
            in_child([&] {
                EXPECT_EQ(evl_call_soon(s.w.loop, World::plain(), nullptr), EVL_EFORK);
                if (repaired) {
                    EXPECT_EQ(evl_loop_fork(s.w.loop), 0);
                    s.host.held = true;
                    s.w.call(s.w.says("child"));
                    s.w.timer_in(1 * ms, s.w.says("later"));
                    s.w.nowait();
                    s.w.once();
                    EXPECT_EQ(s.w.log(), "child later");
                }
                EXPECT_EQ(s.w.destroy(), 0);
            });
            s.w.call(s.w.says("parent"));
        });
        s.once();
        EXPECT_EQ(s.w.log(), "parent");
    }
}

TEST(HostLock, WithoutMemory) {
    int32_t rc = EVL_ENOMEM;
    for (uint64_t nth = 1; rc != 0 && nth < 10; nth++) {
        Shared s;
        s.w.timer_in(1 * ms, s.w.says("timer"));
        s.w.memory.fail(nth);
        evl_record record;
        rc = records() ? evl_loop_records(s.w.loop, &record, 1, -1) : evl_loop_run(s.w.loop, EVL_RUN_ONCE);
        bool failed = s.w.memory.failed();
        s.w.memory.fail(0);
        EXPECT_EQ(rc == EVL_ENOMEM, failed);
        rc = failed ? rc : 0;
        EXPECT_TRUE(s.host.held);
    }
    EXPECT_EQ(rc, 0);
}

// --- all of it
// --------------------------------------------------------------------------------------------

// A thread that changes everything while the loop waits and while it does not: what is due runs, what was
// closed does not, and nothing is lost.
class Crowd {
  public:
    Crowd(Shared &shared, uint32_t seed) : s_(shared), random_(seed) {}

    // Some changes under the lock, the last of which ends the wait. How many waits there were until then.
    int batch(int64_t &left) {
        std::lock_guard<std::mutex> lock(s_.host.mutex);
        EXPECT_TRUE(s_.host.waiting) << "two have the lock";
        for (auto n = random_() % 32 + 1; n > 0 && left > 0; n--, left--)
            change();
        expected_++;
        EXPECT_EQ(evl_call_soon(s_.w.loop, count, this), 0);
        return s_.host.waits;
    }
    void end() {
        while (!timers_.empty())
            close_one(timers_);
        while (!watchers_.empty())
            close_one(watchers_);
    }
    void balanced() const {
        EXPECT_EQ(ran_, expected_);
        EXPECT_EQ(wrong_, 0);
        EXPECT_GT(events_, 0);
    }

  private:
    void change() {
        switch (random_() % 8) {
        case 0:
            timers_.push_back(s_.w.timer_in(1 * EVL_HOUR, [this] { wrong_++; }));
            break;
        case 1:
            expected_++;
            start(0);
            break;
        case 2:
            expected_++;
            start(static_cast<int64_t>(random_() % 100) * us);
            break;
        case 3:
            expected_++;
            ASSERT_EQ(evl_call_soon(s_.w.loop, count, this), 0);
            break;
        case 4:
            close_one(timers_);
            break;
        case 5:
            watch();
            break;
        case 6:
            close_one(watchers_);
            break;
        default:
            toggle();
        }
    }
    static void count(void *arg) { static_cast<Crowd *>(arg)->ran_++; }
    static void event(void *arg, int64_t mask) {
        static_cast<Crowd *>(arg)->events_++;
        EXPECT_GT(mask, 0);
    }
    // A call, in either sink: what is counted is not what the sinks differ in.
    void start(int64_t delay) { ASSERT_EQ(evl_call_later(s_.w.loop, delay, count, this, nullptr), 0); }
    void watch() {
        if (watchers_.size() >= 8)
            return close_one(watchers_);
        pairs_[used_ % 8].b.put(); // ready at once, one report a pass
        evl_io *io = nullptr;
        ASSERT_EQ(evl_io_new(s_.w.loop, pairs_[used_++ % 8].a, EVL_READ, EVL_IO_ONESHOT, event, this, &io),
                  0);
        watchers_.push_back(io);
    }
    void toggle() {
        if (!watchers_.empty()) {
            evl_io_set(watchers_[random_() % watchers_.size()], random_() % 2 ? EVL_READ : 0);
        }
    }
    template <class T>
    void close_one(std::vector<T *> &handles) {
        if (handles.empty())
            return;
        size_t i = random_() % handles.size();
        EXPECT_EQ(evl_close(handles[i]), 0);
        handles[i] = handles.back();
        handles.pop_back();
    }

    Shared &s_;
    std::mt19937 random_;
    std::vector<evl_timer *> timers_;
    std::vector<evl_io *> watchers_;
    Pair pairs_[8];
    size_t used_ = 0;
    int expected_ = 0, ran_ = 0, events_ = 0, wrong_ = 0;
};

TEST(HostLock, ManyChangesByAnotherThread) {
    Shared s;
    Crowd crowd(s, static_cast<uint32_t>(seed()));
    evl_loop_hold(s.w.loop);
    s.other = std::thread([&] {
        // A million with EVLOOP_TEST_MILLION set.
        int64_t left = std::getenv("EVLOOP_TEST_MILLION") ? 1'000'000 : scaled(20'000);
        while (left > 0) {
            int waits = crowd.batch(left);
            if (left % 3 == 0) // else as they come: the next batch may be first at the lock
                until([&] { return s.host.waits != waits; });
        }
        std::lock_guard<std::mutex> lock(s.host.mutex);
        crowd.end();
        evl_loop_unhold(s.w.loop);
    });
    evl_record record[16];
    while (evl_loop_alive(s.w.loop)) // in either sink callbacks: records say when they want a turn
        if (!records())
            evl_loop_run(s.w.loop, EVL_RUN_DEFAULT);
        else if (evl_loop_records(s.w.loop, record, 16, -1) > 0)
            evl_loop_run(s.w.loop, EVL_RUN_NOWAIT);
    s.other.join();
    crowd.balanced();
    EXPECT_EQ(s.w.log(), "");
}

} // namespace
