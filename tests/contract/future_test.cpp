// future_test.cpp - futures misused, dropped, chained a hundred thousand deep, and shared by threads.
#include "future_peek.h"
#include "world.hpp"

#include <algorithm>
#include <atomic>
#include <pthread.h>
#include <thread>

using namespace support;

namespace {

evl_future *make(World &w) {
    evl_future *f = nullptr;
    EXPECT_EQ(evl_future_new(w.loop, &f), 0);
    return f;
}

void count(void *arg) { ++*static_cast<int *>(arg); }
void count_done(void *arg, int64_t) { ++*static_cast<int *>(arg); }

// Futures alive on the loop, hidden ones too.
uint32_t live(const World &w) { return peek_futures(w.loop); }

TEST(Future, ResolvedOnceAndForAll) {
    const auto resolve = [](evl_future *f) { return evl_future_resolve(f, 1); };
    const auto fail = [](evl_future *f) { return evl_future_fail(f, EVL_EIO); };
    const auto own = [](evl_future *f) { return evl_future_resolve_owned(f, f, nullptr); };
    const auto cancel = [](evl_future *f) { return evl_future_cancel(f) == 1 ? 0 : EVL_EALREADY; };
    const std::function<int32_t(evl_future *)> ends[] = {resolve, fail, own, cancel};
    const int32_t states[] = {EVL_FUTURE_VALUE, EVL_FUTURE_ERROR, EVL_FUTURE_VALUE, EVL_FUTURE_CANCELLED};
    World w;
    for (int first = 0; first < 4; first++)
        for (const auto &second : ends) {
            evl_future *f = make(w);
            EXPECT_EQ(evl_future_value(f, nullptr), EVL_EAGAIN);
            EXPECT_EQ(ends[first](f), 0);
            EXPECT_EQ(second(f), EVL_EALREADY);
            EXPECT_EQ(evl_future_state(f), states[first]);
            EXPECT_EQ(evl_future_op(f), nullptr);
            (void)evl_future_value(f, nullptr);
            evl_future_unref(f);
        }
    w.run();
    EXPECT_EQ(w.metrics().errors, 0u);
}

TEST(Future, BadInput) {
    World w;
    evl_future *f = make(w), *out = nullptr;
    evl_op op;
    ASSERT_EQ(evl_op_init(&op, count_done, nullptr, 0), 0);
    EXPECT_EQ(evl_future_new(nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_future_new(w.loop, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_ref(nullptr), nullptr);
    evl_future_unref(nullptr);
    EXPECT_EQ(evl_future_resolve(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_future_resolve_owned(nullptr, w.loop, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_fail(nullptr, EVL_EIO), EVL_EINVAL);
    EXPECT_EQ(evl_future_fail(f, 0), EVL_EINVAL);
    EXPECT_EQ(evl_future_fail(f, 5), EVL_EINVAL);
    EXPECT_EQ(evl_future_cancel(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_post(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_future_post_value(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_future_post_owned(nullptr, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_state(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_value(nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_on_done(nullptr, count_done, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_off_done(nullptr, count_done, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_off_done(f, count_done, nullptr), 0);
    EXPECT_EQ(evl_future_wait(nullptr, &op), EVL_EINVAL);
    EXPECT_EQ(evl_future_wait(f, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_wait(f, evl_future_op(f)), EVL_EDEADLK);
    EXPECT_EQ(evl_future_op(nullptr), nullptr);
    EXPECT_EQ(evl_future_id(nullptr), 0u);
    EXPECT_EQ(evl_future_set_name(nullptr, "x"), EVL_EINVAL);
    EXPECT_EQ(evl_future_loop(nullptr), nullptr);
    EXPECT_EQ(evl_future_then(nullptr, nullptr, nullptr, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_future_then(f, nullptr, nullptr, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_follow(f, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_follow(nullptr, f), EVL_EINVAL);
    EXPECT_EQ(evl_gather(w.loop, nullptr, 1, 0, &out), EVL_EINVAL);
    EXPECT_EQ(evl_gather(w.loop, &f, 1, 2, &out), EVL_EINVAL);
    EXPECT_EQ(evl_gather(w.loop, &out, 1, 0, &out), EVL_EINVAL); // NULL among them
    EXPECT_EQ(evl_gather(w.loop, &f, 1, 0, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_wait_futures(w.loop, &f, 0, EVL_WAIT_ALL, -1, &out), EVL_EINVAL);
    EXPECT_EQ(evl_wait_futures(w.loop, &f, 1, 3, -1, &out), EVL_EINVAL);
    EXPECT_EQ(evl_any(w.loop, &f, 0, &out), EVL_EINVAL);
    EXPECT_EQ(evl_wait_for(nullptr, 0, &out), EVL_EINVAL);
    EXPECT_EQ(evl_shield(f, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_as_completed(w.loop, &f, 1, 0, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_across(w.loop, nullptr, &out), EVL_EINVAL);
    EXPECT_EQ(evl_loop_run_until(w.loop, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_state(f), EVL_FUTURE_PENDING) << "nothing of it changed anything";
    evl_future_unref(f);
    EXPECT_EQ(live(w), 0u);
}

TEST(Future, OfAnotherLoop) {
    World w, other;
    evl_future *here = make(w), *there = make(other), *out = nullptr, *both[] = {here, there};
    EXPECT_EQ(evl_future_follow(here, there), EVL_EINVAL);
    EXPECT_EQ(evl_gather(w.loop, both, 2, 0, &out), EVL_EINVAL);
    EXPECT_EQ(evl_any(w.loop, both, 2, &out), EVL_EINVAL);
    EXPECT_EQ(evl_wait_futures(w.loop, both, 2, EVL_WAIT_ALL, -1, &out), EVL_EINVAL);
    EXPECT_EQ(evl_as_completed(w.loop, both, 2, -1, both), EVL_EINVAL);
    EXPECT_EQ(evl_loop_run_until(w.loop, there, nullptr), EVL_EINVAL);
    EXPECT_EQ(live(w), 1u);
    evl_future_unref(here);
    evl_future_unref(there);
}

// --- values that are owned ---------------------------------------------------------------------------------

TEST(Future, ItsValueIsDroppedOnceAndNeverInside) {
    World w;
    int dropped = 0;
    void *value = nullptr;
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_pointer(f, &value), EVL_EAGAIN);
    EXPECT_EQ(evl_future_resolve_owned(f, &dropped, count), 0);
    EXPECT_EQ(evl_future_pointer(f, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_future_pointer(f, &value), 0);
    EXPECT_EQ(value, &dropped);
    evl_future_unref(evl_future_ref(f));
    w.nowait();
    EXPECT_EQ(dropped, 0);
    evl_future_unref(f);
    EXPECT_EQ(dropped, 0) << "never inside the call";
    w.run();
    EXPECT_EQ(dropped, 1);
}

TEST(Future, ItsValueIsTakenOnce) {
    World w;
    int dropped = 0;
    void *value = nullptr;
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_resolve_owned(f, &dropped, count), 0);
    EXPECT_EQ(evl_future_take(f, &value), 0);
    EXPECT_EQ(value, &dropped);
    EXPECT_EQ(evl_future_take(f, &value), EVL_EALREADY);
    EXPECT_EQ(evl_future_pointer(f, &value), EVL_EALREADY);
    evl_future_unref(f);
    w.run();
    EXPECT_EQ(dropped, 0);

    f = make(w);
    EXPECT_EQ(evl_future_resolve(f, 3), 0);
    EXPECT_EQ(evl_future_take(f, &value), EVL_EINVAL) << "a number";
    evl_future_unref(f);
}

// Who follows borrows: taking it there takes it from where it is.
TEST(Future, ABorrowedValueIsTakenFromItsOwner) {
    World w;
    int dropped = 0;
    void *value = nullptr;
    evl_future *owner = make(w), *first = make(w), *second = make(w);
    EXPECT_EQ(evl_future_follow(first, owner), 0);
    EXPECT_EQ(evl_future_follow(second, first), 0);
    EXPECT_EQ(evl_future_resolve_owned(owner, &dropped, count), 0);
    EXPECT_EQ(evl_future_pointer(second, &value), 0);
    EXPECT_EQ(evl_future_take(second, &value), 0);
    EXPECT_EQ(value, &dropped);
    EXPECT_EQ(evl_future_take(owner, &value), EVL_EALREADY);
    EXPECT_EQ(evl_future_take(first, &value), EVL_EALREADY);
    for (evl_future *f : {owner, first, second})
        evl_future_unref(f);
    w.run();
    EXPECT_EQ(dropped, 0) << "it is the taker's";
    EXPECT_EQ(live(w), 0u);
}

TEST(Future, AValueOutlivesItsLoop) {
    World w;
    int dropped = 0;
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_resolve_owned(f, &dropped, count), 0);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(dropped, 0);
    void *value = nullptr;
    EXPECT_EQ(evl_future_pointer(f, &value), 0);
    EXPECT_EQ(evl_future_resolve(f, 0), EVL_ECLOSED);
    EXPECT_EQ(evl_future_on_done(f, count_done, nullptr), EVL_ECLOSED);
    evl_future_unref(f);
    EXPECT_EQ(dropped, 1);
}

TEST(Future, AnErrorThatNobodyLooksAtIsReportedByName) {
    World w;
    evl_future *f = make(w);
    EXPECT_EQ(evl_future_set_name(f, "the name of a future that is longer than the room for it"), 0);
    EXPECT_EQ(evl_future_fail(f, EVL_EIO), 0);
    w.run();
    EXPECT_EQ(evl_loop_error(w.loop), 0) << "somebody still may";
    evl_future_unref(f);
    EXPECT_EQ(evl_loop_error(w.loop), EVL_EIO);
    EXPECT_EQ(w.metrics().errors, 1u);
    EXPECT_STREQ(w.metrics().error_name, "the name of a future that is lo");
    f = make(w);
    EXPECT_EQ(evl_future_fail(f, EVL_EIO), 0);
    EXPECT_EQ(evl_future_value(f, nullptr), EVL_EIO);
    evl_future_unref(f);
    EXPECT_EQ(w.metrics().errors, 1u) << "looked at";
    f = make(w);
    EXPECT_EQ(evl_future_cancel(f), 1);
    evl_future_unref(f);
    EXPECT_EQ(w.metrics().errors, 1u) << "a cancelled one is no error";
}

TEST(Future, CallbacksInOrderAndTakenBack) {
    World w;
    evl_future *f = make(w);
    int taken_back = 0;
    for (const char *word : {"a", "b", "c"})
        EXPECT_EQ(evl_future_on_done(f, World::done(), w.arg(w.says(word))), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(evl_future_on_done(f, count_done, &taken_back), 0);
    EXPECT_EQ(evl_future_resolve(f, 0), 0);
    EXPECT_EQ(w.log(), "") << "never inside";
    EXPECT_EQ(evl_future_on_done(f, World::done(), w.arg(w.says("late"))), 0);
    EXPECT_EQ(evl_future_off_done(f, count_done, &taken_back), 3) << "though they are due";
    evl_future_unref(f);
    w.run();
    EXPECT_EQ(w.log(), "a b c late");
    EXPECT_EQ(taken_back, 0);
    EXPECT_EQ(live(w), 0u);
}

// --- chains ------------------------------------------------------------------------------------------------

// On every backend and sink; a hundred thousand are in tests/model/chains_test.cpp.
constexpr int kDeep = 20000;

// With a stack on which so many calls within calls have no room: 13 bytes for each.
void on_small_stack(void (*body)()) {
    pthread_attr_t attr;
    pthread_t thread;
    ASSERT_EQ(pthread_attr_init(&attr), 0);
    ASSERT_EQ(pthread_attr_setstacksize(&attr, 256 << 10), 0);
    ASSERT_EQ(pthread_create(
                  &thread, &attr,
                  [](void *arg) -> void * {
                      reinterpret_cast<void (*)()>(arg)();
                      return nullptr;
                  },
                  reinterpret_cast<void *>(body)),
              0);
    pthread_attr_destroy(&attr);
    pthread_join(thread, nullptr);
}

std::vector<evl_future *> chain(World &w, int n) {
    std::vector<evl_future *> all;
    for (int i = 0; i < n; i++) {
        all.push_back(make(w));
        if (i > 0) {
            EXPECT_EQ(evl_future_follow(all[i - 1], all[i]), 0);
        }
    }
    return all;
}

void unref(const std::vector<evl_future *> &all) {
    for (evl_future *f : all)
        evl_future_unref(f);
}

TEST(Future, DeepChainsOfFollowersWithoutRecursion) {
    on_small_stack([] {
        World w;
        auto all = chain(w, kDeep);
        EXPECT_EQ(evl_future_resolve(all.back(), 7), 0);
        int64_t value = 0;
        EXPECT_EQ(evl_future_value(all.front(), &value), 0);
        EXPECT_EQ(value, 7);
        unref(all);
        EXPECT_EQ(live(w), 0u);
    });
}

TEST(Future, DeepChainsLendAPointerWithoutRecursion) {
    on_small_stack([] {
        World w;
        int dropped = 0;
        auto all = chain(w, kDeep);
        EXPECT_EQ(evl_future_resolve_owned(all.back(), &dropped, count), 0);
        std::reverse(all.begin(), all.end()); // the one in front is the last to go
        unref(all);
        w.run();
        EXPECT_EQ(dropped, 1);
        EXPECT_EQ(live(w), 0u);
    });
}

TEST(Future, DeepChainsAreCancelledWithoutRecursion) {
    on_small_stack([] {
        World w;
        auto all = chain(w, kDeep);
        EXPECT_EQ(evl_future_cancel(all.front()), 1);
        for (evl_future *f : all)
            ASSERT_EQ(evl_future_state(f), EVL_FUTURE_CANCELLED);
        unref(all);
        EXPECT_EQ(live(w), 0u);
    });
}

TEST(Future, DeepChainsAreForgottenWithoutRecursion) {
    on_small_stack([] {
        World w;
        auto all = chain(w, kDeep);
        std::reverse(all.begin(), all.end());
        unref(all); // the last one takes all along
        w.run();
        EXPECT_EQ(live(w), 0u);
    });
}

TEST(Future, DeepChainsOfThenWithoutRecursion) {
    on_small_stack([] {
        for (int32_t rc : {0, int32_t{EVL_EIO}}) {
            World w;
            int calls = 0;
            evl_future *first = make(w), *last = evl_future_ref(first), *next = nullptr;
            for (int i = 0; i < kDeep; i++) {
                ASSERT_EQ(evl_future_then(last, count_done, nullptr, &calls, &next), 0);
                evl_future_unref(last);
                last = next;
            }
            EXPECT_EQ(rc == 0 ? evl_future_resolve(first, 7) : evl_future_fail(first, rc), 0);
            EXPECT_EQ(calls, 0);
            w.run();
            EXPECT_EQ(calls, rc == 0 ? kDeep : 0) << "an error passes all of them";
            EXPECT_EQ(evl_future_value(last, nullptr), rc);
            evl_future_unref(first);
            evl_future_unref(last);
            w.run();
            EXPECT_EQ(live(w), 0u);
        }
    });
}

// One future inside another: how, and whether a cancel of the outer one reaches the inner one.
struct Nest {
    const char *name;
    bool inward;
    std::function<int32_t(World &, evl_future *, int, evl_future **)> wrap;
};

int32_t nest_gather(World &w, evl_future *f, evl_future **out, uint32_t flags) {
    evl_future *twice[] = {f, f};
    return evl_gather(w.loop, twice, 2, flags, out);
}

const Nest nests[] = {
    {"gather", true,
     [](World &w, evl_future *f, int, evl_future **out) { return nest_gather(w, f, out, 0); }},
    {"wait_for", true,
     [](World &, evl_future *f, int, evl_future **out) { return evl_wait_for(f, -1, out); }},
    {"all that hand a cancel on", true,
     [](World &w, evl_future *f, int i, evl_future **out) {
         if (i % 3 == 2) {
             *out = make(w);
             return evl_future_follow(*out, f);
         }
         return i % 3 == 1 ? evl_wait_for(f, 3600 * sec, out) : nest_gather(w, f, out, EVL_GATHER_ERRORS);
     }},
    {"shield", false, [](World &, evl_future *f, int, evl_future **out) { return evl_shield(f, out); }},
    {"then", false,
     [](World &, evl_future *f, int, evl_future **out) {
         return evl_future_then(f, nullptr, nullptr, nullptr, out);
     }},
    {"all that keep it", false,
     [](World &w, evl_future *f, int i, evl_future **out) {
         if (i % 3 == 2)
             return evl_as_completed(w.loop, &f, 1, -1, out);
         return i % 3 == 1 ? evl_any(w.loop, &f, 1, out)
                           : evl_wait_futures(w.loop, &f, 1, EVL_WAIT_ALL, -1, out);
     }},
};

// The innermost first.
std::vector<evl_future *> nested(World &w, const Nest &nest) {
    std::vector<evl_future *> all{make(w)};
    for (int i = 0; i < kDeep; i++) {
        evl_future *out = nullptr;
        EXPECT_EQ(nest.wrap(w, all.back(), i, &out), 0);
        all.push_back(out);
    }
    return all;
}

void for_each_nest(void (*body)(World &, const Nest &, std::vector<evl_future *> &&)) {
    for (const Nest &nest : nests) {
        SCOPED_TRACE(nest.name);
        World w;
        body(w, nest, nested(w, nest));
    }
}

void cancel_nest(World &w, const Nest &nest, std::vector<evl_future *> &&all) {
    EXPECT_EQ(evl_future_cancel(all.back()), 1);
    EXPECT_EQ(evl_future_cancel(all.back()), 0);
    EXPECT_EQ(evl_future_state(all.back()), EVL_FUTURE_CANCELLED);
    const int inside = nest.inward ? EVL_FUTURE_CANCELLED : EVL_FUTURE_PENDING;
    for (evl_future *f : all)
        if (f != all.back()) {
            ASSERT_EQ(evl_future_state(f), inside);
        }
    EXPECT_EQ(evl_future_cancel(all.front()), nest.inward ? 0 : 1);
    unref(all);
    w.run();
    EXPECT_EQ(live(w), 0u);
}

TEST(Future, DeepNestsAreCancelledWithoutRecursion) {
    on_small_stack([] { for_each_nest(cancel_nest); });
}

void resolve_nest(World &w, const Nest &, std::vector<evl_future *> &&all) {
    EXPECT_EQ(evl_future_resolve(all.front(), 7), 0);
    w.run();
    EXPECT_EQ(evl_future_state(all.back()), EVL_FUTURE_VALUE);
    unref(all);
    w.run();
    EXPECT_EQ(live(w), 0u);
}

TEST(Future, DeepNestsAreResolvedWithoutRecursion) {
    on_small_stack([] { for_each_nest(resolve_nest); });
}

// The outermost is the last to go and takes all along; what then() made stays until its functions have run.
void forget_nest(World &w, const Nest &nest, std::vector<evl_future *> &&all) {
    evl_future *first = evl_future_ref(all.front());
    unref(all);
    if (nest.name == std::string("then")) {
        EXPECT_EQ(evl_future_cancel(first), 1);
        w.run();
    }
    evl_future_unref(first);
    w.run();
    EXPECT_EQ(live(w), 0u);
}

TEST(Future, DeepNestsAreForgottenWithoutRecursion) {
    on_small_stack([] { for_each_nest(forget_nest); });
}

// The loop ends them in the order of their places in memory: here the outermost first.
void destroy_nest(World &w, const Nest &nest) {
    std::vector<evl_future *> places;
    for (int i = 0; i <= kDeep; i++)
        places.push_back(make(w));
    unref(places); // the last one to go is the first to be used again
    std::vector<evl_future *> all = nested(w, nest);
    evl_future *last = all.back();
    all.pop_back();
    unref(all);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_NE(evl_future_state(last), EVL_FUTURE_PENDING);
    evl_future_unref(last);
}

TEST(Future, DeepNestsEndWithTheLoopWithoutRecursion) {
    on_small_stack([] {
        for (const Nest &nest : nests) {
            SCOPED_TRACE(nest.name);
            World w;
            destroy_nest(w, nest);
        }
    });
}

// What is queued keeps a loop from being closed, and what is due on a future is queued.
TEST(Future, CallbacksThatAreDueKeepTheLoopFromClosing) {
    World w;
    int calls = 0;
    evl_future *f = make(w), *out = nullptr;
    EXPECT_EQ(evl_future_on_done(f, [](void *arg, int64_t) { ++*static_cast<int *>(arg); }, &calls), 0);
    EXPECT_EQ(
        evl_future_then(f, [](void *arg, int64_t) { ++*static_cast<int *>(arg); }, nullptr, &calls, &out), 0);
    EXPECT_EQ(evl_future_resolve(f, 1), 0);
    evl_blocker blocker{};
    EXPECT_EQ(evl_loop_blockers(w.loop, &blocker, 1), 1);
    EXPECT_EQ(blocker.kind, EVL_KIND_FUTURE);
    EXPECT_EQ(blocker.count, 2);
    EXPECT_EQ(evl_loop_close(w.loop), EVL_EBUSY);
    EXPECT_GE(w.run(), 0);
    EXPECT_EQ(calls, 2);
    unref({f, out});
    EXPECT_EQ(w.close(), 0);
}

// Another thread gives up the last reference where nothing can be posted: the loop finds the future all the
// same, while it runs or when it ends.
TEST(Future, TheLastReferenceGoesOnAnotherThreadWithoutPosts) {
    for (bool runs : {true, false}) {
        World w({.flags = EVL_LOOP_NOPOST});
        int dropped = 0;
        evl_future *plain = make(w), *owner = make(w);
        EXPECT_EQ(evl_future_resolve_owned(owner, &dropped, [](void *arg) { ++*static_cast<int *>(arg); }),
                  0);
        on_thread([&] { unref({plain, owner}); });
        if (runs) {
            EXPECT_GE(w.run(), 0);
            EXPECT_EQ(dropped, 1);
            EXPECT_EQ(live(w), 0u);
        }
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(dropped, 1);
    }
}

// The last reference may be given up on another thread while the loop goes down: one of the two frees the
// future, and neither uses what the other has freed.
TEST(Future, TheLastReferenceGoesWhileTheLoopEnds) {
    std::atomic<evl_future *> given{nullptr};
    std::atomic<bool> over{false};
    std::atomic<int> taken{0};
    std::thread other([&] {
        while (!over) {
            evl_future *f = given.exchange(nullptr);
            if (!f)
                continue;
            evl_future_unref(f);
            taken++;
        }
    });
    for (int i = 0; i < (slow() ? 300 : 3000); i++) {
        World w;
        given = make(w);
        EXPECT_EQ(w.destroy(), 0);
        until([&] { return taken == i + 1; });
    }
    over = true;
    other.join();
}

// An error nobody looked at comes to light in the middle of a cancel. The hook is called when that is
// through, from the loop, and finds everything cancelled.
struct Meddler {
    evl_future *target;
    int32_t answer;
};

void meddle(void *arg, int64_t) {
    auto *self = static_cast<Meddler *>(arg);
    self->answer = evl_future_cancel(self->target);
}

TEST(Future, TheErrorHookIsCalledBehindACancel) {
    World w;
    evl_future *failed = make(w), *first = nullptr, *second = make(w), *inside = nullptr, *outside = nullptr;
    ASSERT_EQ(evl_future_then(failed, nullptr, nullptr, nullptr, &first), 0);
    evl_future *both[] = {first, second};
    ASSERT_EQ(evl_gather(w.loop, both, 2, 0, &inside), 0);
    ASSERT_EQ(evl_wait_for(inside, -1, &outside), 0);
    EXPECT_EQ(evl_future_fail(failed, EVL_EIO), 0);
    evl_future_unref(failed);
    Meddler meddler{inside, EVL_EAGAIN};
    EXPECT_EQ(evl_set_error_hook(w.loop, meddle, &meddler), 0);
    EXPECT_EQ(evl_future_cancel(outside), 1);
    EXPECT_EQ(meddler.answer, EVL_EAGAIN);
    for (evl_future *f : {first, second, inside, outside})
        EXPECT_EQ(evl_future_state(f), EVL_FUTURE_CANCELLED);
    EXPECT_GE(evl_loop_run(w.loop, EVL_RUN_NOWAIT), 0);
    EXPECT_EQ(meddler.answer, 0);
    unref({first, second, inside, outside});
    EXPECT_EQ(live(w), 0u);
}

// Nobody can complete a circle but who resolves a future of it; the cancel comes to an end.
TEST(Future, ACircleThroughAGatherIsNotCancelledForEver) {
    World w;
    evl_future *f = make(w), *all = nullptr, *outside = nullptr;
    ASSERT_EQ(evl_gather(w.loop, &f, 1, 0, &all), 0);
    ASSERT_EQ(evl_future_follow(f, all), 0);
    ASSERT_EQ(evl_wait_for(f, -1, &outside), 0);
    EXPECT_EQ(evl_future_cancel(outside), 1);
    EXPECT_EQ(evl_future_state(outside), EVL_FUTURE_PENDING);
    EXPECT_EQ(evl_future_resolve(f, 1), 0);
    EXPECT_EQ(evl_future_state(all), EVL_FUTURE_CANCELLED);
    EXPECT_EQ(evl_future_state(outside), EVL_FUTURE_VALUE);
    unref({f, all, outside});
    EXPECT_EQ(live(w), 0u);
}

// An operation that waits keeps the future, and gives it up in whatever way it ends.
TEST(Future, AnOperationThatWaitsKeepsIt) {
    World w;
    evl_future *f = make(w), *all = nullptr;
    ASSERT_EQ(evl_gather(w.loop, &f, 1, 0, &all), 0);
    ASSERT_EQ(evl_future_wait(all, w.op([&](int64_t state) { w.note(std::to_string(state)); })), 0);
    evl_future_unref(all);
    EXPECT_EQ(live(w), 2u);
    EXPECT_EQ(evl_future_resolve(f, 1), 0);
    EXPECT_EQ(live(w), 1u) << "it is done, and nothing keeps it any more";
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "1");
    unref({f});
    const std::function<int32_t(evl_op *)> ends[] = {
        [](evl_op *op) { return evl_op_cancel(op) == 1 ? 0 : -1; },
        [](evl_op *op) { return evl_op_close(op); },
        [](evl_op *op) { return evl_op_deadline(op, 0); },
    };
    for (auto &end : ends) {
        evl_op *op = w.op([](int64_t) {});
        evl_future *kept = make(w);
        ASSERT_EQ(evl_future_wait(kept, op), 0);
        unref({kept});
        EXPECT_EQ(live(w), 1u);
        EXPECT_EQ(end(op), 0);
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(live(w), 0u);
    }
}

// The same with an operation that lies in a future, and with the loop's end.
TEST(Future, AFutureThatWaitsForAnotherKeepsIt) {
    for (bool destroyed : {false, true}) {
        World w;
        evl_future *inner = make(w), *outer = make(w);
        ASSERT_EQ(evl_future_wait(inner, evl_future_op(outer)), 0);
        unref({inner});
        EXPECT_EQ(live(w), 2u);
        if (!destroyed) {
            EXPECT_EQ(evl_future_cancel(outer), 1);
            EXPECT_EQ(live(w), 1u);
        } else
            EXPECT_EQ(evl_loop_destroy(evl_loop_ref(w.loop)), 0);
        unref({outer});
        if (destroyed)
            evl_loop_unref(std::exchange(w.loop, nullptr));
    }
}

TEST(Future, FollowingInACircle) {
    World w;
    auto all = chain(w, 100);
    EXPECT_EQ(evl_future_follow(all[99], all[0]), EVL_EDEADLK);
    EXPECT_EQ(evl_future_follow(all[99], all[99]), EVL_EDEADLK);
    EXPECT_EQ(evl_future_follow(all[0], all[50]), EVL_EALREADY);
    EXPECT_EQ(evl_future_resolve(all[99], 1), 0);
    EXPECT_EQ(evl_future_follow(all[99], all[0]), EVL_EALREADY);
    unref(all);
}

// --- combinators: whatever happens when, nothing stays behind ----------------------------------------------

struct Outer {
    const char *name;
    std::function<int32_t(World &, evl_future **, uint32_t, evl_future **)> make;
};

const Outer outers[] = {
    {"gather",
     [](World &w, evl_future **f, uint32_t n, evl_future **out) { return evl_gather(w.loop, f, n, 0, out); }},
    {"gather errors", [](World &w, evl_future **f, uint32_t n,
                         evl_future **out) { return evl_gather(w.loop, f, n, EVL_GATHER_ERRORS, out); }},
    {"wait all", [](World &w, evl_future **f, uint32_t n,
                    evl_future **out) { return evl_wait_futures(w.loop, f, n, EVL_WAIT_ALL, sec, out); }},
    {"wait first", [](World &w, evl_future **f, uint32_t n,
                      evl_future **out) { return evl_wait_futures(w.loop, f, n, EVL_WAIT_FIRST, -1, out); }},
    {"wait first error",
     [](World &w, evl_future **f, uint32_t n, evl_future **out) {
         return evl_wait_futures(w.loop, f, n, EVL_WAIT_FIRST_ERROR, sec, out);
     }},
    {"any",
     [](World &w, evl_future **f, uint32_t n, evl_future **out) { return evl_any(w.loop, f, n, out); }},
    {"wait_for",
     [](World &, evl_future **f, uint32_t, evl_future **out) { return evl_wait_for(f[0], sec, out); }},
    {"shield", [](World &, evl_future **f, uint32_t, evl_future **out) { return evl_shield(f[0], out); }},
    {"follow",
     [](World &w, evl_future **f, uint32_t, evl_future **out) {
         *out = make(w);
         return evl_future_follow(*out, f[0]);
     }},
    {"then", [](World &, evl_future **f, uint32_t,
                evl_future **out) { return evl_future_then(f[0], nullptr, nullptr, nullptr, out); }},
    {"as_completed",
     [](World &w, evl_future **f, uint32_t n, evl_future **out) {
         evl_future *outs[8];
         int32_t rc = evl_as_completed(w.loop, f, n, sec, outs);
         *out = outs[0];
         for (uint32_t i = 1; rc == 0 && i < n; i++)
             evl_future_unref(outs[i]);
         return rc;
     }},
};

// Ends `step` of three inner futures, each in its way, then the outer one.
void walk_outer(const Outer &outer, int step, int way, int end) {
    SCOPED_TRACE(outer.name);
    SCOPED_TRACE(testing::Message() << "step " << step << " way " << way << " end " << end);
    World w;
    evl_future *inner[] = {make(w), make(w), make(w)}, *out = nullptr;
    ASSERT_EQ(outer.make(w, inner, 3, &out), 0);
    for (int i = 0; i < step; i++) {
        if (way == 0)
            EXPECT_EQ(evl_future_resolve(inner[i], i), 0);
        else if (way == 1)
            EXPECT_EQ(evl_future_fail(inner[i], EVL_EIO), 0);
        else
            EXPECT_EQ(evl_future_cancel(inner[i]), 1);
    }
    if (end == 0) {
        EXPECT_GE(evl_future_cancel(out), 0);
        EXPECT_NE(evl_future_state(out), EVL_FUTURE_PENDING) << "all of these can be cancelled at once";
    } else if (end == 1) {
        for (evl_future *f : inner)
            evl_future_cancel(f);
        w.nowait();
        EXPECT_NE(evl_future_state(out), EVL_FUTURE_PENDING);
    } else if (end == 2) {
        EXPECT_EQ(evl_clock_advance(w.loop, 2 * sec), 0);
        w.nowait();
    }
    (void)evl_future_value(out, nullptr);
    evl_future_unref(out);
    for (int i = 0; i < 3; i++)
        w.nowait();
    for (evl_future *f : inner) {
        bool kept = end == 2 && outer.name == std::string("then") && f == inner[0];
        EXPECT_EQ(peek_watches(f), kept && step == 0 ? 1 : 0) << "a watch is left behind";
        EXPECT_LE(peek_refs(f), 1 + 2 * peek_watches(f));
        evl_future_cancel(f);
        (void)evl_future_value(f, nullptr);
        evl_future_unref(f);
    }
    w.nowait();
    EXPECT_EQ(live(w), 0u);
}

TEST(Future, CombinatorsLeaveNothingBehind) {
    for (const Outer &outer : outers)
        for (int step = 0; step <= 3; step++)
            for (int way = 0; way < 3; way++)
                for (int end = 0; end < 3; end++)
                    walk_outer(outer, step, way, end);
}

TEST(Future, CombinatorsAndTheLoopDestroyedFirst) {
    for (const Outer &outer : outers) {
        SCOPED_TRACE(outer.name);
        World w;
        evl_future *inner[] = {make(w), make(w), make(w)}, *out = nullptr;
        ASSERT_EQ(outer.make(w, inner, 3, &out), 0);
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_NE(evl_future_state(out), EVL_FUTURE_PENDING);
        EXPECT_EQ(evl_future_cancel(out), EVL_ECLOSED);
        evl_future_unref(out);
        for (evl_future *f : inner)
            evl_future_unref(f);
    }
}

TEST(Future, CombinatorsWithoutMemoryChangeNothing) {
    for (const Outer &outer : outers) {
        SCOPED_TRACE(outer.name);
        for (uint64_t nth = 1;; nth++) {
            if (outer.name == std::string("follow"))
                break; // makes a future of its own first
            World w;
            evl_future *inner[] = {make(w), make(w), make(w)}, *out = nullptr;
            w.memory.fail(nth);
            int32_t rc = outer.make(w, inner, 3, &out);
            bool failed = w.memory.failed();
            w.memory.fail(0);
            if (rc == 0) {
                evl_future_cancel(inner[0]);
                (void)evl_future_value(out, nullptr);
                evl_future_unref(out);
            } else {
                EXPECT_EQ(rc, EVL_ENOMEM);
            }
            w.nowait();
            for (evl_future *f : inner) {
                evl_future_cancel(f);
                evl_future_unref(f);
            }
            w.run();
            EXPECT_EQ(live(w), 0u);
            if (!failed)
                break;
        }
    }
}

// --- threads -----------------------------------------------------------------------------------------------

TEST(Future, APostedNumberIsNoErrorWhateverItsSign) {
    for (const int64_t number :
         {int64_t(EVL_ECANCELED), int64_t(EVL_EIO), int64_t(0), INT64_MIN, INT64_MAX}) {
        World w{{.clock = EVL_CLOCK_REAL}};
        evl_future *f = make(w);
        std::thread([&] { EXPECT_EQ(evl_future_post_value(f, number), 0); }).join();
        for (int pass = 0; pass < 3; pass++)
            w.nowait();
        int64_t value = 1;
        EXPECT_EQ(evl_future_value(f, &value), 0);
        EXPECT_EQ(value, number);
        evl_future_unref(f);
    }
}

TEST(Future, PostedFromThreads) {
    World w{{.clock = EVL_CLOCK_REAL}};
    constexpr int n = 64;
    int dropped = 0;
    std::vector<evl_future *> all;
    for (int i = 0; i < n; i++)
        all.push_back(make(w));
    evl_loop_hold(w.loop);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < n; i++) // all threads for each: the first one wins
                EXPECT_EQ(i % 4 == 0   ? evl_future_post(evl_future_ref(all[i]), i)
                          : i % 4 == 1 ? evl_future_post(evl_future_ref(all[i]), EVL_EIO)
                          : i % 4 == 2 ? evl_future_post(evl_future_ref(all[i]), EVL_ECANCELED)
                                       : evl_future_post_owned(evl_future_ref(all[i]), &dropped, count),
                          0);
            for (evl_future *f : all)
                evl_future_unref(f);
        });
    std::thread last([&] {
        for (std::thread &thread : threads)
            thread.join();
        evl_loop_unhold(w.loop);
        evl_wake(w.loop);
    });
    w.run();
    last.join();
    w.run();
    for (int i = 0; i < n; i++) {
        const int32_t states[] = {EVL_FUTURE_VALUE, EVL_FUTURE_ERROR, EVL_FUTURE_CANCELLED, EVL_FUTURE_VALUE};
        EXPECT_EQ(evl_future_state(all[i]), states[i % 4]);
        (void)evl_future_value(all[i], nullptr);
        evl_future_unref(all[i]);
    }
    w.run();
    EXPECT_EQ(dropped, 4 * n / 4) << "each of the values, once";
    EXPECT_EQ(live(w), 0u);
}

// Two loops, each on a thread of its own.
struct Far {
    World w{{.clock = EVL_CLOCK_REAL}};
    std::thread thread;
    void run() {
        evl_loop_hold(w.loop);
        thread = std::thread([this] { evl_loop_run(w.loop, EVL_RUN_FOREVER); });
    }
    void end() {
        evl_loop_unhold(w.loop);
        evl_stop(w.loop, 0);
        thread.join();
    }
};

TEST(Future, AcrossLoopsAndThreads) {
    for (int way = 0; way < 3; way++) {
        SCOPED_TRACE(way);
        World w{{.clock = EVL_CLOCK_REAL}};
        Far far;
        evl_future *there = make(far.w), *here = nullptr;
        ASSERT_EQ(evl_future_across(w.loop, there, &here), 0);
        far.run();
        evl_loop_hold(w.loop);
        EXPECT_EQ(evl_future_post(there, way == 0   ? 42
                                         : way == 1 ? int64_t{EVL_EIO}
                                                    : int64_t{EVL_ECANCELED}),
                  0);
        int64_t value = 0;
        EXPECT_EQ(evl_loop_run_until(w.loop, here, &value), way == 0   ? 0
                                                            : way == 1 ? EVL_EIO
                                                                       : EVL_ECANCELED);
        EXPECT_EQ(value, way == 0 ? 42 : 0);
        evl_loop_unhold(w.loop);
        far.end();
        evl_future_unref(here);
        evl_future_unref(there);
    }
}

TEST(Future, AcrossCancellationCrosses) {
    World w{{.clock = EVL_CLOCK_REAL}};
    Far far;
    evl_future *there = make(far.w), *here = nullptr;
    ASSERT_EQ(evl_future_across(w.loop, there, &here), 0);
    std::atomic<bool> cancelled = false;
    EXPECT_EQ(
        evl_future_on_done(
            there, [](void *arg, int64_t) { *static_cast<std::atomic<bool> *>(arg) = true; }, &cancelled),
        0);
    far.run();
    EXPECT_EQ(evl_future_cancel(here), 1);
    EXPECT_EQ(evl_future_state(here), EVL_FUTURE_CANCELLED) << "this end at once";
    until([&] { return cancelled.load(); });
    far.end();
    EXPECT_EQ(evl_future_state(there), EVL_FUTURE_CANCELLED);
    evl_future_unref(here);
    evl_future_unref(there);
    w.nowait();
}

TEST(Future, AcrossEitherLoopDestroyedFirst) {
    for (int first = 0; first < 2; first++)
        for (bool attached : {false, true}) {
            World w{{.clock = EVL_CLOCK_REAL}}, far{{.clock = EVL_CLOCK_REAL}};
            evl_future *there = make(far), *here = nullptr;
            ASSERT_EQ(evl_future_across(w.loop, there, &here), 0);
            if (attached)
                far.nowait();
            EXPECT_EQ((first == 0 ? far : w).destroy(), 0);
            if (first == 0) {
                w.nowait();
                w.nowait();
                EXPECT_EQ(evl_future_state(here), EVL_FUTURE_CANCELLED) << "attached " << attached;
            } else {
                far.nowait();
                EXPECT_EQ(evl_future_state(there), EVL_FUTURE_PENDING);
                EXPECT_EQ(evl_future_resolve(there, 1), 0);
                far.nowait();
            }
            evl_future_unref(here);
            evl_future_unref(there);
        }
}

// Whatever the stop was given.
TEST(Future, RunUntilAStop) {
    World w;
    if (records())
        return;
    evl_future *f = make(w);
    evl_loop_hold(w.loop);
    for (int32_t given : {0, 1, static_cast<int32_t>(EVL_RUN_RECORDS), static_cast<int32_t>(EVL_EUSER),
                          static_cast<int32_t>(EVL_ECLOSED)}) {
        w.call([&] { evl_stop(w.loop, given); });
        EXPECT_EQ(evl_loop_run_until(w.loop, f, nullptr), EVL_ECANCELED) << given;
    }
    int64_t value = 0;
    EXPECT_EQ(evl_future_resolve(f, 7), 0);
    w.call([&] { evl_stop(w.loop, EVL_ECLOSED); });
    EXPECT_EQ(evl_loop_run_until(w.loop, f, &value), 0);
    EXPECT_EQ(value, 7);
    evl_loop_unhold(w.loop);
    evl_future_unref(f);
}

TEST(Future, RunUntilNothingCouldCompleteIt) {
    World w;
    if (records())
        return; // it runs callbacks, and answers that records wait
    evl_future *f = make(w);
    EXPECT_EQ(evl_loop_run_until(w.loop, f, nullptr), EVL_EDEADLK);
    EXPECT_EQ(evl_sleep(w.loop, evl_future_op(f), sec), 0);
    EXPECT_EQ(evl_loop_run_until(w.loop, f, nullptr), 0);
    evl_future_unref(f);
}

// The timeout's error goes to a seat that one of the watched futures waits for, which is done by it.
TEST(Future, AsCompletedTimesOutIntoWhatItWatches) {
    World w{{.clock = EVL_CLOCK_MANUAL}};
    evl_future *watched[2], *outs[2];
    for (evl_future *&f : watched)
        ASSERT_EQ(evl_future_new(w.loop, &f), 0);
    ASSERT_EQ(evl_as_completed(w.loop, watched, 2, ms, outs), 0);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(evl_future_wait(outs[1 - i], evl_future_op(watched[i])), 0);
    EXPECT_EQ(evl_clock_advance(w.loop, ms), 0);
    for (int i = 0; i < 3; i++)
        w.nowait();
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(evl_future_value(outs[i], nullptr), EVL_ETIMEDOUT);
        EXPECT_EQ(evl_future_state(watched[i]), EVL_FUTURE_VALUE);
        evl_future_unref(outs[i]);
        evl_future_unref(watched[i]);
    }
}

} // namespace
