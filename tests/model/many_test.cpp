// many_test.cpp - as many as there may be: 9,000 socketpairs on every backend at once, and a million timers.
#include "fds.hpp"
#include "scale.hpp"

#include <algorithm>
#include <evloop.h>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <sys/resource.h>

namespace {

using support::Pair;
using support::scaled;

constexpr int kPerPass = 256; // kernel events, and due timers

// A loop of one backend, and how often it has heard of each pair.
struct Listener {
    struct Ear {
        Listener *listener;
        size_t index;
        evl_io *io;
    };

    evl_loop *loop = nullptr;
    std::vector<Ear> ears;
    std::vector<int> heard;
    int in_this_pass = 0;

    explicit Listener(const char *backend) {
        evl_options options{};
        options.struct_size = sizeof options;
        options.backend = backend;
        EXPECT_EQ(evl_loop_new(&loop, &options), 0) << backend;
    }
    Listener(const Listener &) = delete;
    ~Listener() { EXPECT_EQ(evl_loop_destroy(loop), 0); }

    static void hear(void *arg, int64_t result) {
        auto *ear = static_cast<Ear *>(arg);
        EXPECT_EQ(result, EVL_READ);
        ear->listener->heard[ear->index]++;
        ear->listener->in_this_pass++;
    }

    void watch(const std::vector<Pair> &pairs, uint32_t flags) {
        ears.resize(pairs.size());
        heard.assign(pairs.size(), 0);
        for (size_t i = 0; i < pairs.size(); i++) {
            ears[i] = {this, i, nullptr};
            ASSERT_EQ(evl_io_new(loop, pairs[i].a, EVL_READ, flags, hear, &ears[i], &ears[i].io), 0) << i;
        }
    }

    void close_watchers() {
        for (Ear &ear : ears)
            EXPECT_EQ(evl_close(ear.io), 0);
    }

    int pass() {
        in_this_pass = 0;
        EXPECT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
        EXPECT_LE(in_this_pass, kPerPass);
        return in_this_pass;
    }

    int most() const { return *std::max_element(heard.begin(), heard.end()); }
    int least() const { return *std::min_element(heard.begin(), heard.end()); }
};

std::vector<std::unique_ptr<Listener>> listeners() {
    std::vector<std::unique_ptr<Listener>> all;
    for (int i = 0; evl_backend_at(i); i++)
        all.push_back(std::make_unique<Listener>(evl_backend_at(i)));
    return all;
}

class ManyFds : public ::testing::Test {
  protected:
    std::vector<Pair> pairs;

    ManyFds() {
        int64_t n = scaled(9000);
        rlimit files{};
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
        EXPECT_GE(static_cast<int64_t>(files.rlim_cur), 2 * n + 100) << "the hard limit on fds is too low";
        pairs.resize(static_cast<size_t>(n));
    }

    int passes_for_all() const { return (static_cast<int>(pairs.size()) + kPerPass - 1) / kPerPass; }
};

// All are ready for as long as the test likes, and nobody reads: each is heard once before any is heard
// twice.
TEST_F(ManyFds, Contract_14_EachIsHeardOncePerRoundOnEveryBackend) {
    auto all = listeners();
    for (auto &listener : all)
        listener->watch(pairs, 0);
    for (auto &listener : all)
        EXPECT_EQ(listener->pass(), 0) << evl_loop_backend(listener->loop);
    for (Pair &pair : pairs)
        ASSERT_EQ(pair.b.put(), 1);
    for (auto &listener : all) {
        SCOPED_TRACE(evl_loop_backend(listener->loop));
        for (int i = 0; i < passes_for_all(); i++) {
            EXPECT_LE(listener->most(), 1) << "one has had two turns before another has had one";
            EXPECT_EQ(listener->pass(), std::min<int>(kPerPass, static_cast<int>(pairs.size())));
        }
        EXPECT_GE(listener->least(), 1) << "one is never heard";
    }
    for (Pair &pair : pairs)
        EXPECT_EQ(pair.a.drain(), 1);
    for (auto &listener : all)
        EXPECT_EQ(listener->pass(), 0) << evl_loop_backend(listener->loop);
}

TEST_F(ManyFds, EachIsHeardExactlyOnceByOneShots) {
    auto all = listeners();
    for (auto &listener : all)
        listener->watch(pairs, EVL_IO_ONESHOT);
    for (Pair &pair : pairs)
        ASSERT_EQ(pair.b.put(), 1);
    for (auto &listener : all) {
        SCOPED_TRACE(evl_loop_backend(listener->loop));
        int passes = 0;
        while (listener->pass() > 0 && passes <= passes_for_all())
            passes++;
        EXPECT_EQ(passes, passes_for_all());
        EXPECT_EQ(listener->most(), 1);
        EXPECT_EQ(listener->least(), 1);
        listener->close_watchers();
    }
}

// --- timers
// ---------------------------------------------------------------------------------------------------

struct ManyTimers : ::testing::Test {
    struct Timer {
        ManyTimers *test;
        evl_timer *handle;
        int64_t deadline; // EVL_NEVER: stopped
        uint64_t order;
    };

    evl_loop *loop = nullptr;
    std::vector<Timer> timers;
    std::vector<const Timer *> expected; // in order
    size_t fired = 0;
    size_t wrong = 0;
    uint64_t order = 0;

    ManyTimers() {
        evl_options options{};
        options.struct_size = sizeof options;
        options.clock = EVL_CLOCK_MANUAL;
        EXPECT_EQ(evl_loop_new(&loop, &options), 0);
        timers.resize(static_cast<size_t>(scaled(1'000'000)));
    }
    ~ManyTimers() override { EXPECT_EQ(evl_loop_destroy(loop), 0); }

    static void fire(void *arg, int64_t count) {
        auto *timer = static_cast<Timer *>(arg);
        ManyTimers *test = timer->test;
        bool right =
            test->fired < test->expected.size() && test->expected[test->fired] == timer && count == 1;
        test->wrong += !right;
        test->fired++;
    }

    void start(Timer &timer, int64_t deadline) {
        timer.deadline = deadline;
        timer.order = ++order;
        ASSERT_EQ(evl_timer_start_at(timer.handle, deadline, 0), 0);
    }

    void stop(Timer &timer) {
        timer.deadline = EVL_NEVER;
        ASSERT_EQ(evl_timer_stop(timer.handle), 0);
    }

    void expect_all() {
        for (const Timer &timer : timers)
            if (timer.deadline != EVL_NEVER)
                expected.push_back(&timer);
        std::sort(expected.begin(), expected.end(), [](const Timer *a, const Timer *b) {
            return std::pair(a->deadline, a->order) < std::pair(b->deadline, b->order);
        });
    }

    // Passes until none is due.
    void advance_to(int64_t now) {
        ASSERT_EQ(evl_clock_advance(loop, now - evl_now(loop)), 0);
        for (size_t before = fired + 1; before != fired;) {
            before = fired;
            ASSERT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
            ASSERT_LE(fired - before, static_cast<size_t>(kPerPass));
        }
    }
};

TEST_F(ManyTimers, AMillionStartedMovedStoppedAndFiredInOrder) {
    constexpr int64_t kSpan = 100'000; // ten to a nanosecond
    std::mt19937_64 random(support::seed());
    auto soon = [&] { return 1 + static_cast<int64_t>(random() % kSpan); };
    for (Timer &timer : timers) {
        timer.test = this;
        ASSERT_EQ(evl_timer_new(loop, fire, &timer, &timer.handle), 0);
        start(timer, soon());
    }
    for (Timer &timer : timers) // each is moved once, earlier or later
        start(timer, soon());
    for (size_t i = 0; i < timers.size(); i += 3)
        stop(timers[i]);
    for (size_t i = 0; i < timers.size(); i += 6)
        start(timers[i], soon());
    expect_all();
    for (int64_t part = 1; part <= 4; part++) // an ordinary stretch, a storm, and what is left
        advance_to(part < 4 ? kSpan * part * part / 16 : kSpan);
    EXPECT_EQ(fired, expected.size());
    EXPECT_EQ(wrong, 0u) << "out of order";
    EXPECT_EQ(evl_loop_alive(loop), 0);
    for (Timer &timer : timers)
        ASSERT_EQ(evl_close(timer.handle), 0);
    EXPECT_EQ(evl_loop_blockers(loop, nullptr, 0), 0);
}

} // namespace
