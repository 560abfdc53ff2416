// future_error_test.cpp - errors that come with a pointer: who reads it, and who sees to its end.
#include "world.hpp"

using namespace support;

namespace {

// What an error comes with. end notes whether it was retrieved.
struct What {
    World *w;
    std::string name;
    std::function<void()> act = [] {};
    static void end(void *arg, int64_t retrieved) {
        auto *self = static_cast<What *>(arg);
        self->w->note(self->name + (retrieved ? " seen" : " unseen"));
        self->act();
    }
};

evl_future *make(World &w) {
    evl_future *f = nullptr;
    EXPECT_EQ(evl_future_new(w.loop, &f), 0);
    return f;
}

void *what_of(evl_future *f) {
    void *what = nullptr;
    EXPECT_EQ(evl_future_error(f, What::end, &what), 0);
    return what;
}

TEST(FutureError, IsReadAndEndsOnce) {
    World w;
    What what{&w, "a"};
    evl_future *f = make(w);
    void *out = nullptr;
    EXPECT_EQ(evl_future_error(f, What::end, &out), EVL_EAGAIN);
    EXPECT_EQ(evl_future_fail_owned(f, 0, &what, What::end), EVL_EINVAL);
    EXPECT_EQ(evl_future_fail_owned(nullptr, EVL_EIO, &what, What::end), EVL_EINVAL);
    EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &what, What::end), 0);
    EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &what, What::end), EVL_EALREADY);
    EXPECT_EQ(evl_future_state(f), EVL_FUTURE_ERROR);
    EXPECT_EQ(evl_future_value(f, nullptr), EVL_EIO);
    EXPECT_EQ(evl_future_pointer(f, &out), EVL_EIO);
    EXPECT_EQ(what_of(f), &what);
    const auto another = [](void *, int64_t) {};
    EXPECT_EQ(evl_future_error(f, another, &out), EVL_EINVAL);
    EXPECT_EQ(evl_future_error(f, What::end, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_error(nullptr, What::end, &out), EVL_EINVAL);
    evl_future_unref(f);
    EXPECT_EQ(w.log(), "") << "not inside the call";
    w.run();
    EXPECT_EQ(w.log(), "a seen");
    EXPECT_EQ(w.metrics().errors, 0u);
}

TEST(FutureError, NeverRetrievedItIsLeftToItsEnd) {
    World w;
    What what{&w, "a"};
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &what, What::end), 0);
    evl_future_unref(f);
    w.run();
    EXPECT_EQ(w.log(), "a unseen");
    EXPECT_EQ(w.metrics().errors, 0u);
}

TEST(FutureError, WithoutAnEndItIsReportedAsAnyOther) {
    World w;
    int pointer = 0;
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &pointer, nullptr), 0);
    evl_future_unref(f);
    w.run();
    EXPECT_EQ(w.metrics().errors, 1u);
    evl_loop_error(w.loop);
}

TEST(FutureError, OtherFuturesHaveNone) {
    World w;
    void *out = nullptr;
    for (int how = 0; how < 3; how++) {
        evl_future *f = make(w);
        if (how == 0)
            evl_future_fail(f, EVL_EIO);
        else if (how == 1)
            evl_future_cancel(f);
        else
            evl_future_resolve_owned(f, &out, nullptr);
        EXPECT_EQ(evl_future_error(f, What::end, &out), EVL_EINVAL);
        (void)evl_future_value(f, nullptr);
        evl_future_unref(f);
    }
    w.run();
}

TEST(FutureError, GoesWithWhatFollows) {
    for (int seen = 0; seen < 2; seen++) {
        World w;
        What what{&w, "a"};
        evl_future *f = make(w), *then = nullptr, *shielded = nullptr;
        EXPECT_EQ(evl_future_then(f, nullptr, nullptr, nullptr, &then), 0);
        EXPECT_EQ(evl_shield(f, &shielded), 0);
        EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &what, What::end), 0);
        evl_future_unref(f);
        w.run();
        if (seen) {
            EXPECT_EQ(what_of(then), &what);
            EXPECT_EQ(what_of(shielded), &what);
        }
        evl_future_unref(then);
        w.run();
        EXPECT_EQ(w.log(), "");
        evl_future_unref(shielded);
        w.run();
        EXPECT_EQ(w.log(), seen ? "a seen" : "a unseen");
        EXPECT_EQ(w.metrics().errors, 0u);
    }
}

TEST(FutureError, TheLoopIsDestroyedFirst) {
    World w;
    What what{&w, "a"};
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &what, What::end), 0);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(what_of(f), &what);
    evl_future_unref(f);
    EXPECT_EQ(w.log(), "a seen");
}

TEST(FutureError, ReleasedAndThenTheLoopIsDestroyed) {
    World w;
    What what{&w, "a"};
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &what, What::end), 0);
    evl_future_unref(f);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(w.log(), "a unseen");
}

TEST(FutureError, ItsEndDestroysTheLoop) {
    World w;
    What what{&w, "a"};
    what.act = [&] { w.destroy(); };
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_fail_owned(f, EVL_EIO, &what, What::end), 0);
    evl_future_unref(f);
    w.run();
    EXPECT_EQ(w.log(), "a unseen");
}

} // namespace
