// switch_test.cpp - the switch layer: values both ways, parents, errors, dead fibers.
#include "fiber.hpp"

using namespace fibers;

namespace {

void *number(intptr_t n) { return reinterpret_cast<void *>(n); }

TEST(FiberSwitch, ValuesGoBothWays) {
    World w;
    evl_fiber *child = nullptr;
    auto fn = [](void *first) -> int64_t {
        EXPECT_EQ(first, number(1));
        void *got = nullptr;
        EXPECT_EQ(evl_fiber_switch(nullptr, number(2), &got), 0);
        EXPECT_EQ(got, number(3));
        return 4;
    };
    ASSERT_EQ(evl_fiber_new(w.loop, fn, nullptr, &child), 0);
    void *got = nullptr;
    EXPECT_EQ(evl_fiber_state(child), EVL_FIBER_NEW);
    EXPECT_EQ(evl_fiber_switch(child, number(1), &got), 0);
    EXPECT_EQ(got, number(2));
    EXPECT_EQ(evl_fiber_state(child), EVL_FIBER_PARKED);
    EXPECT_EQ(evl_fiber_switch(child, number(3), &got), 0);
    EXPECT_EQ(got, number(4)) << "its result goes to its parent";
    EXPECT_EQ(evl_fiber_result(child), 4);
    EXPECT_EQ(evl_fiber_switch(child, nullptr, nullptr), EVL_ESRCH);
    evl_fiber_unref(child);
}

TEST(FiberSwitch, GoesFromOneToTheOther) {
    World w;
    evl_fiber *b_ = nullptr;
    Switched a(w, [&]() -> int64_t {
        w.note("a1");
        void *got = nullptr;
        EXPECT_EQ(evl_fiber_switch(b_, nullptr, &got), 0);
        w.note("a2");
        return 0;
    });
    Body body = [&]() -> int64_t {
        w.note("b1");
        EXPECT_EQ(evl_fiber_switch(a, nullptr, nullptr), 0);
        w.note("never");
        return 0;
    };
    Switched b(w, {});
    b_ = b;
    Switched start(w, [&] { return evl_fiber_switch(a, nullptr, nullptr); });
    (void)start;
    // b's first switch brings its body.
    Switched a2(w, [&]() -> int64_t {
        w.note("a1");
        EXPECT_EQ(evl_fiber_switch(b, &body, nullptr), EVL_ECANCELED) << "an error that was thrown";
        w.note("a2");
        return 0;
    });
    Body throws = [&]() -> int64_t {
        w.note("b1");
        return evl_fiber_throw(a2, EVL_ECANCELED, nullptr);
    };
    body = throws;
    EXPECT_EQ(a2.start(), 0);
    EXPECT_EQ(w.log(), "a1 b1 a2");
    EXPECT_EQ(evl_fiber_state(b), EVL_FIBER_PARKED);
    EXPECT_EQ(evl_fiber_kill(b), 1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(FiberSwitch, ParentsInherit) {
    World w;
    Switched *inner = nullptr;
    Switched outer(w, [&]() -> int64_t {
        Switched child(w, [&]() -> int64_t {
            EXPECT_EQ(evl_fiber_parent(evl_fiber_self()), static_cast<evl_fiber *>(*inner));
            return EVL_EPIPE;
        });
        EXPECT_EQ(child.start(), EVL_EPIPE) << "a negative result is an error";
        Switched never(w, [] { return 0; });
        EXPECT_EQ(evl_fiber_throw(never, EVL_EIO, nullptr), EVL_EIO);
        EXPECT_EQ(evl_fiber_result(never), EVL_EIO) << "it never ran";
        return 11;
    });
    inner = &outer;
    void *got = nullptr;
    EXPECT_EQ(outer.start(&got), 0);
    EXPECT_EQ(got, number(11));
}

TEST(FiberSwitch, RefusesThoseThatWait) {
    World w;
    Fiber sleeper(w, [] { return evl_fiber_sleep(sec); });
    EXPECT_EQ(evl_fiber_switch(sleeper, nullptr, nullptr), EVL_EBUSY) << "queued";
    w.nowait();
    EXPECT_EQ(evl_fiber_switch(sleeper, nullptr, nullptr), EVL_EBUSY);
    EXPECT_EQ(evl_fiber_throw(sleeper, 5, nullptr), EVL_EINVAL);
    World other;
    Switched there(other, [] { return 0; });
    go(w, [&]() -> int64_t {
        EXPECT_EQ(evl_fiber_switch(there, nullptr, nullptr), EVL_EINVAL) << "another loop";
        EXPECT_EQ(evl_fiber_switch(nullptr, nullptr, nullptr), EVL_EINVAL) << "the program has not switched";
        EXPECT_EQ(evl_fiber_set_parent(evl_fiber_self(), there), EVL_EINVAL);
        EXPECT_EQ(evl_fiber_set_parent(evl_fiber_self(), evl_fiber_self()), EVL_EINVAL);
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(FiberSwitch, OneThatWaitsGivesTheStackBack) {
    World w;
    Switched f(w, [&]() -> int64_t {
        w.note("sleeps");
        EXPECT_EQ(evl_fiber_sleep(ms), 0);
        w.note("slept");
        return 0;
    });
    EXPECT_EQ(f.start(), EVL_EINPROGRESS);
    EXPECT_EQ(w.log(), "sleeps");
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "sleeps slept");
}

TEST(FiberSwitch, KilledWhileParked) {
    World w;
    {
        Switched f(w, [&]() -> int64_t {
            evl_fiber_cleanup c;
            evl_fiber_cleanup_push(&c, [](void *world) { static_cast<World *>(world)->note("cleanup"); }, &w);
            return evl_fiber_switch(nullptr, number(1), nullptr);
        });
        Switched unstarted(w, [] { return 0; });
        EXPECT_EQ(f.start(), 0);
        EXPECT_EQ(evl_fiber_kill(f), 1);
        EXPECT_EQ(evl_fiber_kill(unstarted), 1);
        EXPECT_EQ(evl_fiber_result(unstarted), EVL_ECANCELED);
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(evl_fiber_result(f), EVL_ECANCELED);
        EXPECT_EQ(w.log(), "cleanup");
    }
    Switched discarded(w, [] { return 0; });
    EXPECT_EQ(w.close(), EVL_EBUSY) << "a fiber is left";
}

} // namespace
