// asyncio_timeout_test.cpp - timeouts as asyncio has them; the numbers are those of docs/asyncio-cpp.md.
#include "tasks.hpp"

using namespace support;
using evloop::time_limit;

namespace {

constexpr const char *timed_out = "timed out";

TEST(Asyncio, Asyncio_093_NoLimitNeverEndsAndOneThatHasPassedEndsInTheNextPass) {
    World w;
    run(w, []() -> task<> {
        co_await evloop::timeout_at(evloop::never, sleeps(10h));
        const std::string yields = co_await how(evloop::timeout(0ns, evloop::yield()));
        EXPECT_EQ(yields, timed_out);
        const std::string past = co_await how(evloop::timeout(-1s, sleeps(1ms)));
        EXPECT_EQ(past, timed_out);
        const std::string nothing =
            co_await how(evloop::timeout(0ns, [](time_limit &) -> task<> { co_return; }));
        EXPECT_EQ(nothing, "value"); // it never suspended
    }());
}

// Is cancelled by the limit, and before that is heard of, by itself.
task<> cancelled_twice() {
    const std::string first = co_await how(evloop::sleep(1h));
    EXPECT_EQ(first, "cancelled");
    evloop::this_task().cancel();
    co_await evloop::sleep(1h);
}

TEST(Asyncio, Asyncio_094_ExpiryBecomesATimeoutUnlessSomebodyElseCancelled) {
    World w;
    run(w, [](World &w) -> task<> {
        const std::string expired = co_await how(evloop::timeout(1ms, evloop::sleep(1s)));
        EXPECT_EQ(expired, timed_out);
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);

        auto job = evloop::spawn([](World &w) -> task<> {
            const std::string end = co_await how(evloop::timeout(10ms, cancelled_twice()));
            w.note(end + std::to_string(evloop::this_task().cancelling()));
        }(w));
        co_await job;

        auto outside = evloop::spawn([](World &w) -> task<> {
            const std::string end = co_await how(evloop::timeout(1s, evloop::sleep(1h)));
            w.note(end + std::to_string(evloop::this_task().cancelling()));
        }(w));
        co_await evloop::sleep(1ms);
        outside.cancel();
        co_await outside;
    }(w));
    EXPECT_EQ(w.log(), "cancelled1 cancelled1");
}

// Keeps the loop busy past every deadline, so that both limits are late.
task<> works_too_long(World &w) {
    co_await evloop::yield();
    evl_clock_advance(w.loop, sec);
    co_await evloop::sleep(1h);
}

TEST(Asyncio, Asyncio_095_NestedTimeoutsKnowWhoseItWas) {
    World w;
    run(w, [](World &w) -> task<> {
        const std::string inner =
            co_await how(evloop::timeout(1s, how(evloop::timeout(1ms, evloop::sleep(1h)))));
        EXPECT_EQ(inner, "value"); // dealt with inside
        const std::string outer = co_await how(evloop::timeout(1ms, [&](time_limit &) -> task<> {
            const std::string inside = co_await how(evloop::timeout(1s, evloop::sleep(1h)));
            w.note(inside);
            throw evloop::cancelled(); // the request was heard of once
        }));
        w.note(outer);
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);

        const std::string both = co_await how(evloop::timeout(20ms, [&](time_limit &outer) -> task<> {
            const std::string inside = co_await how(evloop::timeout(10ms, works_too_long(w)));
            w.note(inside);
            EXPECT_TRUE(outer.expired());
        }));
        w.note(both);
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);
    }(w));
    EXPECT_EQ(w.log(), "cancelled timed out cancelled value");
}

TEST(Asyncio, Asyncio_096_ABodyThatSwallowsTheCancelAndForeignErrorsPass) {
    World w;
    run(w, []() -> task<> {
        bool expired = false;
        co_await evloop::timeout(1ms, [&](time_limit &limit) -> task<> {
            const std::string end = co_await how(evloop::sleep(1h));
            EXPECT_EQ(end, "cancelled");
            expired = limit.expired();
        });
        EXPECT_TRUE(expired);
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);

        const std::string foreign = co_await how(evloop::timeout(1s, throws("foreign", 1ms)));
        EXPECT_EQ(foreign, "foreign");
        const std::string instead = co_await how(evloop::timeout(1ms, []() -> task<> {
            const std::string end = co_await how(evloop::sleep(1h));
            EXPECT_EQ(end, "cancelled");
            throw Error("instead");
        }()));
        EXPECT_EQ(instead, "instead");
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);
    }());
}

TEST(Asyncio, Asyncio_097_ALimitCanBeMovedUntilItHasPassed) {
    World w;
    run(w, [](World &w) -> task<> {
        const auto start = evloop::time_point(std::chrono::nanoseconds(evl_time(w.loop)));
        const std::string later = co_await how(evloop::timeout(1ms, [&](time_limit &limit) -> task<> {
            EXPECT_EQ(limit.when(), start + 1ms);
            limit.reschedule(start + 20ms);
            EXPECT_EQ(limit.when(), start + 20ms);
            co_await evloop::sleep(10ms);
            limit.reschedule(evloop::never);
            co_await evloop::sleep(1h);
            limit.reschedule(start); // in the past: in the next pass
            EXPECT_FALSE(limit.expired());
            const std::string end = co_await how(evloop::sleep(1h));
            EXPECT_EQ(end, "cancelled");
            EXPECT_TRUE(limit.expired());
            try {
                limit.reschedule(evloop::never);
            } catch (const std::system_error &error) {
                w.note(evl_err_name(error.code().value()));
            }
            EXPECT_TRUE(limit.leave()); // as at its end; and once
            EXPECT_FALSE(limit.leave());
        }));
        EXPECT_EQ(later, "value");
    }(w));
    EXPECT_EQ(w.log(), "EVL_EALREADY");
}

TEST(Asyncio, Asyncio_098_ATimeoutAroundAGroup) {
    World w;
    run(w, [](World &w) -> task<> {
        auto group = evloop::with_group([&](evloop::task_group &group) -> task<> {
            group.spawn(sleeps_named(w, "a", 1h));
            group.spawn(sleeps_named(w, "b", 1h));
            co_return;
        });
        const std::string end = co_await how(evloop::timeout(1ms, std::move(group)));
        EXPECT_EQ(end, timed_out);
        EXPECT_EQ(evloop::this_task().cancelling(), 0u);
    }(w));
    EXPECT_EQ(w.log(), "a b b! a!");
}

// --- the table of counts: how many requests there were at entry, what happens inside, and what comes of it
// -----

struct Row {
    const char *name;
    int entry;   // requests that stand before it begins
    int inside;  // requests from elsewhere meanwhile
    bool expire; // the limit's own
    const char *outcome;
    unsigned count; // afterwards
};

constexpr Row rows[] = {
    {"Nothing", 0, 0, false, "value", 0},
    {"Expired", 0, 0, true, timed_out, 0},
    {"Cancelled", 0, 1, false, "cancelled", 1},
    {"CancelledTwice", 0, 2, false, "cancelled", 2},
    {"ExpiredAndCancelled", 0, 1, true, "cancelled", 1},
    {"ExpiredAndCancelledTwice", 0, 2, true, "cancelled", 2},
    {"OneBefore", 1, 0, false, "value", 1},
    {"OneBeforeExpired", 1, 0, true, timed_out, 1},
    {"OneBeforeCancelled", 1, 1, false, "cancelled", 2},
    {"OneBeforeExpiredAndCancelled", 1, 1, true, "cancelled", 2},
    {"TwoBeforeExpired", 2, 0, true, timed_out, 2},
    {"TwoBeforeExpiredAndCancelled", 2, 1, true, "cancelled", 3},
};

class CancelCount : public ::testing::TestWithParam<Row> {};

task<std::string> counted(Row row) {
    const evloop::any_task self = evloop::this_task();
    for (int i = 0; i < row.entry; i++)
        self.cancel();
    std::string outcome = "cancelled";
    if (row.entry > 0)
        outcome = co_await how(evloop::yield()); // delivered before it
    EXPECT_EQ(outcome, "cancelled");
    outcome = co_await how(evloop::timeout(row.expire ? 1ms : 1h, [&](time_limit &limit) -> task<> {
        if (row.inside > 0 || row.expire) {
            outcome = co_await how(evloop::sleep(row.expire ? 1h : 2ms));
            EXPECT_EQ(limit.expired(), row.expire);
            for (int i = 0; i < row.inside; i++)
                self.cancel();
            if (row.inside > 0)
                co_await evloop::sleep(1h);
            throw evloop::cancelled();
        }
    }));
    co_return outcome;
}

TEST_P(CancelCount, Asyncio_094_IsAsInTheTable) {
    World w;
    const Row row = GetParam();
    run(w, [](Row row) -> task<> {
        auto job = evloop::spawn(counted(row));
        const std::string outcome = co_await job;
        EXPECT_EQ(outcome, row.outcome);
        EXPECT_EQ(job.cancelling(), row.count);
    }(row));
}

INSTANTIATE_TEST_SUITE_P(Table, CancelCount, ::testing::ValuesIn(rows),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
