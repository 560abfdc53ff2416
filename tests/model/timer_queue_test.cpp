// timer_queue_test.cpp - the timer queue by itself: every next deadline and every pop against a sorted set,
// up to sizes at which regions are divided bit by bit.
#include "bare_queue.h"
#include "memory.hpp"
#include "scale.hpp"

#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace {

using support::scaled;
using support::seed;

class QueueModel {
  public:
    QueueModel(uint32_t slots, uint64_t start) : random(start), deadlines(slots, EVL_NEVER), orders(slots) {
        EXPECT_EQ(bare_queue_reserve(queue, slots, slots), 0);
    }
    QueueModel(const QueueModel &) = delete;
    ~QueueModel() { bare_queue_free(queue); }

    uint32_t slots() const { return static_cast<uint32_t>(deadlines.size()); }
    int64_t below(int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }
    uint32_t any() { return static_cast<uint32_t>(below(slots())); }

    void start(uint32_t slot, int64_t deadline) {
        forget(slot);
        deadlines[slot] = deadline;
        orders[slot] = ++order;
        sorted.emplace(deadline, order, slot);
        bare_queue_start(queue, slot, deadline);
    }

    void stop(uint32_t slot) {
        forget(slot);
        bare_queue_stop(queue, slot);
    }

    // The next deadline is exact, whatever came before.
    void check_next() {
        int64_t next = sorted.empty() ? EVL_NEVER : std::get<0>(*sorted.begin());
        wrong += bare_queue_next(queue) != next;
    }

    void pop(int64_t at_most) {
        for (; at_most > 0 && bare_queue_is_due(queue, now); at_most--) {
            int64_t deadline = 0;
            uint32_t slot = bare_queue_pop(queue, &deadline);
            wrong += sorted.empty() || std::get<2>(*sorted.begin()) != slot || deadlines[slot] != deadline;
            forget(slot);
            popped++;
        }
        wrong += at_most > 0 && !sorted.empty() && std::get<0>(*sorted.begin()) <= now;
    }

    void check_all() {
        const char *fault = bare_queue_fault(queue);
        EXPECT_EQ(fault, nullptr) << fault;
        for (uint32_t slot = 0; slot < slots(); slot++)
            wrong += bare_queue_deadline(queue, slot) != deadlines[slot];
        check_next();
    }

    // All that are left, in order.
    void drain() {
        now = EVL_NEVER;
        pop(INT64_MAX);
        EXPECT_TRUE(sorted.empty());
        EXPECT_EQ(bare_queue_next(queue), EVL_NEVER);
    }

    support::Memory memory;
    bare_queue *queue = bare_queue_new(support::Memory::resize, &memory);
    std::mt19937_64 random;
    std::vector<int64_t> deadlines; // EVL_NEVER: not started
    int64_t now = 0;
    int64_t wrong = 0;
    int64_t popped = 0;

  private:
    void forget(uint32_t slot) {
        if (deadlines[slot] != EVL_NEVER)
            sorted.erase({deadlines[slot], orders[slot], slot});
        deadlines[slot] = EVL_NEVER;
    }

    std::vector<uint64_t> orders;
    std::set<std::tuple<int64_t, uint64_t, uint32_t>> sorted;
    uint64_t order = 0;
};

// Deadlines are mostly up to `span` from now, which decides how many are equal and how fast regions are used
// up.
void random_step(QueueModel &m, int64_t span) {
    int64_t what = m.below(100);
    uint32_t slot = m.any();
    if (what < 40)
        m.start(slot, m.now + m.below(span));
    else if (what < 50)
        m.start(slot, m.now + span); // the same for all
    else if (what < 55 && m.deadlines[slot] != EVL_NEVER)
        m.start(slot, std::clamp(m.deadlines[slot], INT64_MIN + 1, EVL_NEVER - 2) + m.below(3) - 1);
    else if (what < 56)
        m.start(slot, m.below(8) ? m.now - m.below(1000) : INT64_MIN + m.below(2));
    else if (what < 57)
        m.start(slot, EVL_NEVER - 1 - m.below(3));
    else if (what < 75)
        m.stop(slot);
    else if (what < 90) {
        m.now += m.below(span / 64 + 2);
        m.pop(m.below(40));
    } else
        m.check_next();
}

TEST(TimerQueue, Contract_02_EveryNextAndEveryPopAreThoseOfASortedSet) {
    uint64_t start = seed();
    constexpr int64_t kSpans[] = {3, 100, 10'000, 5'000'000, INT64_C(60'000'000'000)};
    for (uint32_t slots : {1u, 2u, 7u, 60u, 300u, 2000u, 20'000u}) {
        QueueModel m(slots, start);
        for (int64_t i = 0; i < scaled(300'000); i++) {
            random_step(m, kSpans[i / 10'000 % 5]);
            if (i % 50'000 == 0)
                bare_queue_use_up_orders(m.queue, static_cast<uint64_t>(m.below(20'000)));
            if (i % 20'000 == 0)
                m.check_all();
            ASSERT_EQ(m.wrong, 0) << slots << " slots, step " << i << ", EVLOOP_SEED=" << start;
        }
        m.drain();
        EXPECT_EQ(m.wrong, 0) << slots << " slots, EVLOOP_SEED=" << start;
    }
}

// What starts many timers before the queue is asked, and how they are used up.
struct Shape {
    const char *name;
    int64_t (*deadline)(QueueModel &m, uint32_t slot);
};

const Shape kShapes[] = {
    {"at random", [](QueueModel &m, uint32_t) { return m.below(1'000'000'000); }},
    {"all equal", [](QueueModel &, uint32_t) { return INT64_C(1'000'000); }},
    {"rising", [](QueueModel &, uint32_t slot) { return int64_t{slot} * 1000; }},
    {"falling", [](QueueModel &m, uint32_t slot) { return int64_t{m.slots() - slot} * 1000; }},
    {"few values", [](QueueModel &m, uint32_t) { return m.below(3) * 1'000'000; }},
};

// Random steps while a region is being divided, whose invariants are checked all the time; then a storm.
TEST(TimerQueue, ALargeRegionIsDividedBitByBit) {
    uint64_t start = seed();
    int64_t divided = 0;
    for (const Shape &shape : kShapes) {
        SCOPED_TRACE(shape.name);
        QueueModel m(80'000, start);
        for (int round = 0; round < 2; round++) {
            for (uint32_t slot = 0; slot < m.slots(); slot++) {
                m.start(slot, m.now + shape.deadline(m, slot));
                divided += bare_queue_is_dividing(m.queue);
            }
            for (int64_t i = 0; i < scaled(40'000); i++) {
                random_step(m, 1'000'000);
                divided += bare_queue_is_dividing(m.queue);
                if (i % 20'000 == 0)
                    m.check_all();
            }
            for (int64_t i = 0; i < scaled(20'000); i++) {
                m.now = std::max(m.now, std::min(bare_queue_next(m.queue), m.now + 1'000'000));
                m.pop(m.below(8));
                random_step(m, 1'000'000);
                divided += bare_queue_is_dividing(m.queue);
                if (i % 4000 == 0)
                    m.check_all();
                if (i % 8000 == 5000)
                    bare_queue_use_up_orders(m.queue, 10);
                ASSERT_EQ(m.wrong, 0) << "EVLOOP_SEED=" << start;
            }
            m.check_all();
        }
        m.drain();
        EXPECT_EQ(m.wrong, 0) << "EVLOOP_SEED=" << start;
    }
    EXPECT_GT(divided, 0) << "no region was";
}

// After all were used up, and after they were stopped, the next ones are in order.
TEST(TimerQueue, WorksAgainAfterItWasEmpty) {
    QueueModel m(5000, seed());
    for (int round = 0; round < 20; round++) {
        for (uint32_t slot = 0; slot < m.slots(); slot++)
            m.start(slot, m.now + m.below(1'000'000));
        m.check_next();
        for (uint32_t slot = 0; slot < m.slots() && round % 2; slot++)
            m.stop(slot);
        m.now += 1'000'000;
        m.pop(INT64_MAX);
        m.check_all();
        ASSERT_EQ(m.wrong, 0);
    }
}

// Room for started timers is given back when most of them are gone; those that stay keep their order, also if
// the smaller block lies differently, or cannot be had.
TEST(TimerQueue, MemoryIsGivenBackAfterAPeak) {
    QueueModel m(100'000, seed());
    for (uint32_t slot = 0; slot < m.slots(); slot++)
        m.start(slot, m.below(1'000'000));
    size_t peak = m.memory.bytes();
    m.memory.fail(1);
    for (uint32_t left = m.slots(); left > 1000; left--) {
        m.stop(left - 1);
        bare_queue_trim(m.queue, left);
        if (left % 997 == 0)
            m.check_next();
    }
    EXPECT_TRUE(m.memory.failed());
    EXPECT_LT(m.memory.bytes(), peak / 3); // what is left are mostly the places of slots
    m.check_all();
    EXPECT_EQ(bare_queue_reserve(m.queue, m.slots(), m.slots()), 0);
    m.check_all();
    m.drain();
    EXPECT_EQ(m.wrong, 0);
}

TEST(TimerQueue, ReservingWithoutMemoryLosesNothing) {
    QueueModel m(100, seed());
    for (uint32_t slot = 0; slot < m.slots(); slot++)
        m.start(slot, m.below(1000));
    for (uint64_t nth = 1; nth <= 2; nth++) {
        m.memory.fail(nth);
        EXPECT_EQ(bare_queue_reserve(m.queue, 100'000, 100'000), EVL_ENOMEM);
        m.check_all();
    }
    m.memory.fail(0);
    EXPECT_EQ(bare_queue_reserve(m.queue, 100'000, 100'000), 0);
    m.check_all();
    m.drain();
    EXPECT_EQ(m.wrong, 0);
}

} // namespace
