// timer_model_test.cpp - random steps on timers against a sorted list.
#include "peek.h"
#include "scale.hpp"
#include "timer_model.hpp"

#include <gtest/gtest.h>

namespace model {
namespace {

using support::scaled;
using support::seed;
using Face = TimerModel::Face;

class TimerWalk : public ::testing::TestWithParam<Face> {
  protected:
    // `poke` runs now and then, and may turn the queue's order counter on.
    template <class F>
    static void walk(int64_t steps, F poke) {
        uint64_t start = seed();
        TimerModel m(GetParam(), start);
        for (int64_t i = 0; i < steps; i++) {
            m.step();
            if (i % 4096 == 0) {
                m.check_all();
                poke(m);
            }
            ASSERT_FALSE(m.broken()) << m.fault() << ", step " << i << ", EVLOOP_SEED=" << start;
        }
        std::printf("%lld steps, %llu expirations, %zu timers at the end\n", static_cast<long long>(steps),
                    static_cast<unsigned long long>(m.fired()), m.open());
        EXPECT_GT(m.fired(), static_cast<uint64_t>(steps / 20));
    }
};

TEST_P(TimerWalk, Contract_02_AMillionStepsInOrder) {
    walk(scaled(1'000'000), [](TimerModel &) {});
}

// The order of starts is counted in 36 bits. When they run out the timers are numbered afresh.
TEST_P(TimerWalk, Contract_02_InOrderWhenTheOrderNumbersRunOut) {
    int64_t renumbered = 0, steps = scaled(500'000);
    uint64_t before = 0;
    walk(steps, [&](TimerModel &m) {
        renumbered += peek_order(m.loop()) < before;
        before = peek_last_order() - static_cast<uint64_t>(m.below(3000));
        poke_order(m.loop(), std::max(before, peek_order(m.loop())));
    });
    EXPECT_GE(renumbered, steps / 10'000);
}

const int64_t kStorm = std::max<int64_t>(scaled(200'000), 80'000); // fewer are not divided bit by bit

// Most of many timers are due at once; they are worked off over many passes, during which some of them and
// others are moved, stopped, closed and started.
void storm(Face face, int64_t n, bool renumber) {
    uint64_t start = seed();
    TimerModel m(face, start);
    m.most_timers = static_cast<size_t>(n) + 1000;
    bool divided = false;
    for (int round = 0; round < 2; round++) {
        while (m.open() < static_cast<size_t>(n))
            m.make();
        for (size_t i = 0; i < m.open(); i++)
            m.start(i, m.now() + 1 + m.below(i % 2 ? 1'000 : 100'000'000), i % 50 ? 0 : 1 + m.below(100'000));
        divided |= peek_is_dividing(m.loop()) != 0;
        m.check_all();
        m.advance(m.below(2) ? 100'000'001 : 90'000'000);
        int64_t passes = 0;
        m.drain([&] {
            divided |= peek_is_dividing(m.loop()) != 0;
            for (int i = 0; i < 20; i++)
                m.touch_one();
            if (renumber && passes % 100 == 50)
                poke_order(m.loop(), peek_last_order() - 7);
            if (passes++ % 200 == 0)
                m.check_all();
        });
        ASSERT_FALSE(m.broken()) << m.fault() << ", round " << round << ", EVLOOP_SEED=" << start;
    }
    std::printf("%zu timers, %llu expirations\n", m.open(), static_cast<unsigned long long>(m.fired()));
    EXPECT_TRUE(divided) << "no region was divided bit by bit";
}

TEST_P(TimerWalk, AStormInOrder) { storm(GetParam(), kStorm, false); }

TEST_P(TimerWalk, AStormInOrderWhenTheOrderNumbersRunOut) { storm(GetParam(), kStorm, true); }

// From the beginning of time on every nanosecond, and not fetched: more than 63 bits of expirations.
TEST(TimerCounts, Saturate) {
    evl_options options{};
    options.struct_size = sizeof options;
    options.clock = EVL_CLOCK_MANUAL;
    evl_loop *loop = nullptr;
    evl_timer *first = nullptr, *timer = nullptr;
    evl_record out[2];
    ASSERT_EQ(evl_loop_new(&loop, &options), 0);
    ASSERT_EQ(evl_timer_new(loop, nullptr, nullptr, &first), 0);
    ASSERT_EQ(evl_timer_new(loop, nullptr, nullptr, &timer), 0);
    EXPECT_EQ(evl_timer_start_at(first, INT64_MIN, 0), 0);
    EXPECT_EQ(evl_timer_start_at(timer, INT64_MIN, 1), 0);
    EXPECT_EQ(evl_loop_records(loop, out, 1, 0), 1);
    EXPECT_EQ(out[0].id, evl_id(first));
    EXPECT_EQ(evl_timer_start_at(first, INT64_MIN, 0), 0); // behind the other one
    EXPECT_EQ(evl_clock_advance(loop, 1'000), 0);
    EXPECT_EQ(evl_loop_records(loop, out, 1, 0), 1);
    EXPECT_EQ(out[0].id, evl_id(timer));
    EXPECT_EQ(out[0].extra, INT64_MAX);
    EXPECT_EQ(out[0].result, INT32_MAX);
    EXPECT_EQ(evl_loop_destroy(loop), 0);
}

INSTANTIATE_TEST_SUITE_P(Faces, TimerWalk, ::testing::Values(Face::callbacks, Face::records),
                         [](const auto &info) {
                             return info.param == Face::callbacks ? "callbacks" : "records";
                         });

} // namespace
} // namespace model
