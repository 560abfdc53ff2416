// no_alloc_test.cpp - what must not call the allocator: ending things, and whatever goes on once it is warm.
#include "fds.hpp"
#include "memory.hpp"
#include "scale.hpp"

#include <csignal>
#include <deque>
#include <evloop.h>
#include <functional>
#include <gtest/gtest.h>
#include <vector>

namespace {

using support::Pipe;
using support::scaled;

constexpr uint64_t kAll = UINT64_MAX / 2;

// A loop whose allocator can be watched.
class NoAlloc : public ::testing::Test {
  protected:
    support::Memory memory;
    evl_loop *loop = nullptr;
    int64_t heard = 0;

    explicit NoAlloc(int32_t clock = EVL_CLOCK_MANUAL) {
        evl_options options{};
        options.struct_size = sizeof options;
        options.clock = clock;
        options.alloc = support::Memory::resize;
        options.alloc_ctx = &memory;
        EXPECT_EQ(evl_loop_new(&loop, &options), 0);
    }

    ~NoAlloc() override { EXPECT_EQ(evl_loop_destroy(loop), 0); }

    static void count(void *arg, int64_t) { static_cast<NoAlloc *>(arg)->heard++; }
    static void count_plain(void *arg) { count(arg, 0); }

    // Allocations while `work` goes on, all of which are refused.
    uint64_t allocations_in(const std::function<void()> &work) {
        uint64_t before = memory.calls();
        memory.fail(1, kAll);
        work();
        memory.fail(0);
        return memory.calls() - before;
    }

    // The first rounds may allocate, the last must not.
    void warm_then_none(int warm, const std::function<void()> &round) {
        for (int i = 0; i < warm; i++)
            round();
        EXPECT_EQ(allocations_in(round), 0u);
    }

    evl_timer *timer(evl_done_fn *fn = count) {
        evl_timer *out = nullptr;
        EXPECT_EQ(evl_timer_new(loop, fn, this, &out), 0);
        return out;
    }

    evl_io *io(int fd, uint32_t mask, evl_done_fn *fn = count, uint32_t flags = 0) {
        evl_io *out = nullptr;
        EXPECT_EQ(evl_io_new(loop, fd, mask, flags, fn, this, &out), 0);
        return out;
    }

    void run_until_heard(int64_t n) {
        for (heard = 0; heard < n;)
            ASSERT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
        EXPECT_EQ(heard, n);
    }

    // Records instead of callbacks: answers how many came of a kind until there are `n`.
    void pull_until(int32_t kind, int64_t n) {
        evl_record out[64];
        for (heard = 0; heard < n;) {
            int32_t got = evl_loop_records(loop, out, 64, 0);
            ASSERT_GE(got, 0);
            for (int32_t i = 0; i < got; i++)
                heard += out[i].kind == kind;
        }
        EXPECT_EQ(heard, n);
    }
};

// --- ending things ----------------------------------------------------------------------------------------

TEST_F(NoAlloc, Contract_13_ClosingCancellingAndStoppingNeverAllocate) {
    std::deque<Pipe> pipes(100);
    std::vector<evl_handle *> watchers, timers, others;
    std::vector<evl_op> ops(100);
    for (Pipe &pipe : pipes) {
        watchers.push_back(io(pipe.r, EVL_READ));
        watchers.push_back(io(pipe.r, EVL_READ, count, EVL_IO_ONESHOT));
        watchers.push_back(io(pipe.w, EVL_WRITE, nullptr));
        timers.push_back(timer());
        EXPECT_EQ(evl_timer_start_at(timers.back(), 5, 3), 0);
        others.emplace_back();
        EXPECT_EQ(evl_hook_new(loop, EVL_HOOK_IDLE, count_plain, this, &others.back()), 0);
        pipe.w.put();
    }
    others.emplace_back();
    EXPECT_EQ(evl_signal_new(loop, SIGUSR1, count, this, &others.back()), 0);
    for (evl_op &op : ops) {
        EXPECT_EQ(evl_op_init(&op, count, this, 0), 0);
        EXPECT_EQ(evl_defer(loop, &op), 0);
    }
    for (int pass = 0; pass < 2; pass++) // the second asks the kernel
        EXPECT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
    for (evl_op &op : ops)
        EXPECT_EQ(evl_defer(loop, &op), 0);

    EXPECT_EQ(allocations_in([&] {
                  for (evl_op &op : ops)
                      EXPECT_EQ(evl_op_cancel(&op), 1);
                  for (evl_op &op : ops)
                      EXPECT_EQ(evl_op_close(&op), 0);
                  for (evl_handle *t : timers)
                      EXPECT_EQ(evl_timer_stop(t), 0);
                  for (evl_handle *w : watchers)
                      EXPECT_EQ(evl_io_set(w, 0), 0);
                  EXPECT_EQ(evl_fd_closing(loop, pipes[0].r), 2);
                  EXPECT_EQ(evl_stop(loop, 0), 0);
                  EXPECT_EQ(evl_wake(loop), 0);
                  for (auto *list : {&watchers, &timers, &others})
                      for (evl_handle *h : *list)
                          EXPECT_EQ(evl_close(h), 0);
                  EXPECT_EQ(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
                  EXPECT_EQ(evl_loop_close(loop), 0);
              }),
              0u);
    loop = nullptr;
}

TEST_F(NoAlloc, Contract_13_DestroyingNeverAllocates) {
    Pipe pipe;
    evl_signal *signal;
    std::vector<evl_op> ops(10);
    static int drops;
    drops = 0;
    auto drop = [](void *) { drops++; };
    for (evl_op &op : ops) {
        io(pipe.r, EVL_READ);
        EXPECT_EQ(evl_timer_start_at(timer(), 1, 1), 0);
        evl_timer *named = timer();
        EXPECT_EQ(evl_set_drop(named, drop), 0);
        EXPECT_EQ(evl_set_name(named, "named"), 0);
        EXPECT_EQ(evl_call_soon_owned(loop, count_plain, this, drop), 0);
        EXPECT_EQ(evl_call_soon_owned(loop, nullptr, this, drop), 0);
        EXPECT_EQ(evl_post_owned(loop, count_plain, this, drop), 0);
        EXPECT_EQ(evl_post_owned(loop, nullptr, this, drop), 0);
        EXPECT_EQ(evl_op_init(&op, count, this, 0), 0);
        EXPECT_EQ(evl_defer(loop, &op), 0);
    }
    EXPECT_EQ(evl_signal_new(loop, SIGUSR1, count, this, &signal), 0);
    EXPECT_EQ(allocations_in([&] { EXPECT_EQ(evl_loop_destroy(loop), 0); }), 0u);
    EXPECT_EQ(drops, 50);
    EXPECT_EQ(heard, 0);
    loop = nullptr;
}

TEST_F(NoAlloc, StartingAndMovingATimerNeverAllocates) {
    constexpr int kTimers = 1000;
    std::vector<evl_timer *> timers;
    for (int i = 0; i < kTimers; i++)
        timers.push_back(timer());
    // Cold: the room was reserved when they were made. Each start is earlier than the one before, which is
    // what costs most entries.
    EXPECT_EQ(allocations_in([&] {
                  for (int64_t round = 0; round < scaled(100); round++)
                      for (evl_timer *t : timers)
                          EXPECT_EQ(evl_timer_start_at(t, 1'000'000 - round, round % 3), 0);
              }),
              0u);
}

// --- warm -------------------------------------------------------------------------------------------------

struct Chain {
    evl_loop *loop;
    int64_t left;
    static void step(void *arg) {
        auto *self = static_cast<Chain *>(arg);
        if (--self->left > 0) {
            EXPECT_EQ(evl_call_soon(self->loop, step, self), 0);
        }
    }
};

TEST_F(NoAlloc, Contract_16_CallsAndOperations) {
    warm_then_none(1, [&] { // a chain
        Chain chain{loop, scaled(100'000)};
        EXPECT_EQ(evl_call_soon(loop, Chain::step, &chain), 0);
        EXPECT_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
        EXPECT_EQ(chain.left, 0);
    });
    warm_then_none(1, [&] { // and a thousand at once
        for (int i = 0; i < 1000; i++)
            EXPECT_EQ(evl_call_soon_owned(loop, count_plain, this, [](void *) {}), 0);
        run_until_heard(1000);
    });
    EXPECT_EQ(allocations_in([&] { // operations never allocate, cold or warm
                  std::vector<evl_op> ops(1000);
                  for (evl_op &op : ops) {
                      EXPECT_EQ(evl_op_init(&op, count, this, 0), 0);
                      EXPECT_EQ(evl_defer(loop, &op), 0);
                  }
                  run_until_heard(1000);
              }),
              0u);
}

TEST_F(NoAlloc, Contract_16_Posts) {
    auto round = [&] {
        for (int64_t batch = 0; batch < scaled(100); batch++) {
            for (int i = 0; i < 1000; i++)
                EXPECT_EQ(evl_post(loop, count_plain, this), 0);
            run_until_heard(1000);
        }
    };
    for (int warm = 0; warm < 2; warm++) { // two arrays take turns
        for (int i = 0; i < 1000; i++)
            EXPECT_EQ(evl_post(loop, count_plain, this), 0);
        run_until_heard(1000);
    }
    EXPECT_EQ(allocations_in(round), 0u);
}

TEST_F(NoAlloc, Contract_16_TimerRestarts) {
    constexpr int kTimers = 100;
    std::vector<evl_timer *> timers;
    for (int i = 0; i < kTimers; i++)
        timers.push_back(timer());
    warm_then_none(0, [&] {
        for (int64_t round = 0; round < scaled(1000); round++) {
            int64_t now = evl_now(loop);
            for (int i = 0; i < kTimers; i++) // later, earlier, the same
                EXPECT_EQ(
                    evl_timer_start_at(timers[static_cast<size_t>(i)], now + 1 + (i * 7 + round) % 50, 0), 0);
            EXPECT_EQ(evl_clock_advance(loop, 25), 0);
            EXPECT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
        }
    });
    EXPECT_GT(heard, 0);
}

class NoAllocStorm : public NoAlloc {
  protected:
    std::vector<evl_timer *> timers;

    void make(int64_t n) {
        for (int64_t i = 0; i < n; i++)
            timers.push_back(timer());
    }

    void storm() {
        int64_t now = evl_now(loop), i = 0;
        for (evl_timer *t : timers)
            ASSERT_EQ(evl_timer_start_at(t, now + 1 + i++ * 7919 % 100'000, 0), 0);
        ASSERT_EQ(evl_clock_advance(loop, 100'001), 0);
        run_until_heard(static_cast<int64_t>(timers.size()));
    }
};

TEST_F(NoAllocStorm, Contract_16_TheSecondStorm) {
    make(100'000); // many enough to be divided bit by bit
    warm_then_none(1, [&] { storm(); });
}

TEST_F(NoAllocStorm, TheFirstStormToo) {
    make(100'000);
    EXPECT_EQ(allocations_in([&] { storm(); }), 0u);
}

TEST_F(NoAlloc, Contract_16_WatcherEvents) {
    std::deque<Pipe> pipes(100);
    for (Pipe &pipe : pipes) {
        io(pipe.r, EVL_READ);
        pipe.w.put();
    }
    warm_then_none(1, [&] {
        for (int64_t i = 0; i < scaled(100); i++)
            run_until_heard(100);
    });
}

TEST_F(NoAlloc, Contract_16_MasksAndOneShots) {
    std::deque<Pipe> pipes(100);
    std::vector<evl_io *> once;
    for (Pipe &pipe : pipes) {
        once.push_back(io(pipe.w, 0, count, EVL_IO_ONESHOT));
        io(pipe.w, 0);
    }
    warm_then_none(1, [&] {
        for (int64_t i = 0; i < scaled(100); i++) {
            for (evl_io *w : once)
                EXPECT_EQ(evl_io_set(w, EVL_WRITE), 0);
            run_until_heard(100);
        }
    });
}

TEST_F(NoAlloc, Contract_16_SignalsAndHooks) {
    evl_signal *signal;
    evl_hook *hook;
    EXPECT_EQ(evl_signal_new(loop, SIGUSR1, count, this, &signal), 0);
    EXPECT_EQ(evl_hook_new(loop, EVL_HOOK_AFTER_POLL, [](void *) {}, this, &hook), 0);
    warm_then_none(1, [&] {
        for (int i = 0; i < 1000; i++) {
            EXPECT_EQ(::raise(SIGUSR1), 0);
            run_until_heard(1);
        }
    });
}

TEST_F(NoAlloc, Contract_16_Records) {
    Pipe pipe;
    evl_timer *due = timer(nullptr);
    evl_op op;
    io(pipe.r, EVL_READ, nullptr);
    EXPECT_EQ(evl_op_init(&op, nullptr, this, 0), 0);
    pipe.w.put();
    auto round = [&] {
        for (int64_t i = 0; i < scaled(1000); i++) {
            EXPECT_EQ(evl_timer_start_in(due, 1, 0), 0);
            EXPECT_EQ(evl_clock_advance(loop, 1), 0);
            pull_until(EVL_KIND_TIMER, 1);
            EXPECT_EQ(evl_defer(loop, &op), 0);
            pull_until(EVL_KIND_OP, 1);
            EXPECT_EQ(evl_call_soon(loop, nullptr, this), 0);
            pull_until(EVL_KIND_CALL, 1);
            for (int k = 0; k < 10; k++)
                EXPECT_EQ(evl_post(loop, nullptr, this), 0);
            pull_until(EVL_KIND_POST, 10);
            pull_until(EVL_KIND_IO, 1);
        }
    };
    warm_then_none(1, round);
}

} // namespace
