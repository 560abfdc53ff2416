// long_chain_test.cpp - ten thousand of everything, one behind the other: completing, cancelling, freeing and
// destroying need no stack for each of them. Every case runs on a small one, on every backend and sink; the
// chains of a hundred thousand are in tests/model/chains_test.cpp.
#include "world.hpp"

#include <pthread.h>

using namespace support;

namespace {

constexpr int kMany = 10000;

// What each case has: the loop, and futures to wait in.
struct Chain {
    World w;
    std::vector<evl_future *> futures;

    evl_future *future() {
        evl_future *f = nullptr;
        EXPECT_EQ(evl_future_new(w.loop, &f), 0);
        futures.push_back(f);
        return f;
    }
    evl_op *op() { return evl_future_op(future()); }
    void unref() {
        for (evl_future *f : std::exchange(futures, {}))
            evl_future_unref(f);
    }
    // All of them have ended so.
    void expect(int32_t state) {
        int wrong = 0;
        for (evl_future *f : futures)
            wrong += evl_future_state(f) != state;
        EXPECT_EQ(wrong, 0);
    }
};

// Each of these makes many operations wait and returns what completes them all.
struct Case {
    const char *name;
    std::function<std::function<void()>(Chain &)> make;
    int32_t state;    // of the futures, completed
    bool held = true; // each by the operation in it
};

const Case cases[] = {
    {"futures that wait for each other",
     [](Chain &c) {
         evl_future *first = c.future(), *last = first;
         for (int i = 0; i < kMany; i++) {
             evl_future *next = c.future();
             EXPECT_EQ(evl_future_wait(last, evl_future_op(next)), 0);
             last = next;
         }
         return [first] { EXPECT_EQ(evl_future_resolve(first, 1), 0); };
     },
     EVL_FUTURE_VALUE},
    {"futures that wait for one",
     [](Chain &c) {
         evl_future *first = c.future();
         for (int i = 0; i < kMany; i++)
             EXPECT_EQ(evl_future_wait(first, c.op()), 0);
         return [first] { EXPECT_EQ(evl_future_resolve(first, 1), 0); };
     },
     EVL_FUTURE_VALUE},
    {"futures that follow each other and wait in turn",
     [](Chain &c) {
         evl_future *first = c.future(), *last = first;
         for (int i = 0; i < kMany; i++) {
             evl_future *next = c.future();
             if (i % 2 == 0)
                 EXPECT_EQ(evl_future_follow(next, last), 0);
             else
                 EXPECT_EQ(evl_future_wait(last, evl_future_op(next)), 0);
             last = next;
         }
         return [first] { EXPECT_EQ(evl_future_resolve(first, 1), 0); };
     },
     EVL_FUTURE_VALUE, false},
    {"event",
     [](Chain &c) {
         evl_event *event = nullptr;
         EXPECT_EQ(evl_event_new(c.w.loop, &event), 0);
         for (int i = 0; i < kMany; i++)
             EXPECT_EQ(evl_event_wait(event, c.op()), 0);
         return [event] {
             EXPECT_EQ(evl_event_set(event), 0);
             evl_event_free(event);
         };
     },
     EVL_FUTURE_VALUE},
    {"lock that is freed",
     [](Chain &c) {
         evl_lock *lock = nullptr;
         EXPECT_EQ(evl_lock_new(c.w.loop, &lock), 0);
         EXPECT_EQ(evl_lock_try(lock), 0);
         for (int i = 0; i < kMany; i++)
             EXPECT_EQ(evl_lock_acquire(lock, c.op()), 0);
         return [lock] { evl_lock_free(lock); };
     },
     EVL_FUTURE_ERROR},
    {"lock that is handed on",
     [](Chain &c) {
         evl_lock *lock = nullptr;
         EXPECT_EQ(evl_lock_new(c.w.loop, &lock), 0);
         EXPECT_EQ(evl_lock_try(lock), 0);
         for (int i = 0; i < kMany; i++)
             EXPECT_EQ(evl_lock_acquire(lock, c.op()), 0);
         return [lock] {
             for (int i = 0; i < kMany; i++)
                 EXPECT_EQ(evl_lock_release(lock), 0);
             evl_lock_free(lock);
         };
     },
     EVL_FUTURE_VALUE},
    {"semaphore",
     [](Chain &c) {
         evl_semaphore *semaphore = nullptr;
         EXPECT_EQ(evl_semaphore_new(c.w.loop, 0, 0, &semaphore), 0);
         for (int i = 0; i < kMany; i++)
             EXPECT_EQ(evl_semaphore_acquire(semaphore, c.op()), 0);
         return [semaphore] {
             for (int i = 0; i < kMany; i++)
                 EXPECT_EQ(evl_semaphore_release(semaphore), 0);
             evl_semaphore_free(semaphore);
         };
     },
     EVL_FUTURE_VALUE},
    {"condition",
     [](Chain &c) {
         evl_lock *lock = nullptr;
         evl_condition *condition = nullptr;
         EXPECT_EQ(evl_lock_new(c.w.loop, &lock), 0);
         EXPECT_EQ(evl_condition_new(lock, &condition), 0);
         for (int i = 0; i < kMany; i++) {
             EXPECT_EQ(evl_lock_try(lock), 0);
             EXPECT_EQ(evl_condition_wait(condition, c.op()), 0);
         }
         return [lock, condition] {
             EXPECT_EQ(evl_lock_try(lock), 0);
             EXPECT_EQ(evl_condition_notify(condition, -1), kMany);
             for (int i = 0; i <= kMany; i++)
                 EXPECT_EQ(evl_lock_release(lock), 0);
             evl_condition_free(condition);
             evl_lock_free(lock);
         };
     },
     EVL_FUTURE_VALUE},
    {"barrier",
     [](Chain &c) {
         evl_barrier *barrier = nullptr;
         EXPECT_EQ(evl_barrier_new(c.w.loop, kMany + 1, &barrier), 0);
         for (int i = 0; i < kMany; i++)
             EXPECT_EQ(evl_barrier_wait(barrier, c.op()), 0);
         evl_op *last = c.w.op([] {});
         return [barrier, last] {
             EXPECT_EQ(evl_barrier_wait(barrier, last), 0);
             evl_barrier_free(barrier);
         };
     },
     EVL_FUTURE_VALUE},
    {"queue, putting and getting",
     [](Chain &c) {
         evl_queue *queue = nullptr;
         EXPECT_EQ(evl_queue_new(c.w.loop, 1, EVL_QUEUE_FIFO, nullptr, &queue), 0);
         for (int i = 0; i <= kMany; i++)
             EXPECT_EQ(evl_queue_put(queue, c.op(), nullptr, 0), 0);
         return [queue] {
             for (void *item = nullptr; evl_queue_try_get(queue, &item) == 0;)
                 ;
             evl_queue_free(queue);
         };
     },
     EVL_FUTURE_VALUE},
    {"queue, shut down",
     [](Chain &c) {
         evl_queue *queue = nullptr;
         static void *item;
         EXPECT_EQ(evl_queue_new(c.w.loop, 1, EVL_QUEUE_FIFO, nullptr, &queue), 0);
         for (int i = 0; i < kMany; i++)
             EXPECT_EQ(evl_queue_get(queue, c.op(), &item), 0);
         return [queue] {
             EXPECT_EQ(evl_queue_shutdown(queue, 1), 0);
             evl_queue_free(queue);
         };
     },
     EVL_FUTURE_ERROR},
};

void on_small_stack(const std::function<void()> &body) {
    pthread_attr_t attr;
    pthread_t thread;
    ASSERT_EQ(pthread_attr_init(&attr), 0);
    ASSERT_EQ(pthread_attr_setstacksize(&attr, 512 << 10), 0);
    ASSERT_EQ(pthread_create(
                  &thread, &attr,
                  [](void *arg) -> void * {
                      (*static_cast<const std::function<void()> *>(arg))();
                      return nullptr;
                  },
                  const_cast<std::function<void()> *>(&body)),
              0);
    ASSERT_EQ(pthread_join(thread, nullptr), 0);
    ASSERT_EQ(pthread_attr_destroy(&attr), 0);
}

void for_each(const std::function<void(const Case &)> &body) {
    on_small_stack([&] {
        for (const Case &one : cases) {
            SCOPED_TRACE(one.name);
            body(one);
        }
    });
}

TEST(LongChains, Complete) {
    for_each([](const Case &one) {
        Chain c;
        auto complete = one.make(c);
        complete();
        EXPECT_GE(c.w.run(), 0);
        c.expect(one.state);
        c.unref();
        EXPECT_GE(c.w.run(), 0);
    });
}

TEST(LongChains, AreCompletedBehindTheirEndOfTheLoop) {
    for_each([](const Case &one) {
        Chain c;
        auto complete = one.make(c);
        EXPECT_EQ(evl_loop_ref(c.w.loop), c.w.loop);
        evl_loop *loop = c.w.loop;
        complete();
        EXPECT_EQ(c.w.destroy(), 0);
        c.unref();
        evl_loop_unref(loop);
    });
}

TEST(LongChains, AreReleasedWhileTheyWait) {
    for_each([](const Case &one) {
        if (!one.held)
            return;
        Chain c;
        auto complete = one.make(c);
        evl_future *first = evl_future_ref(c.futures.front()); // what completes them may need it
        c.unref();
        complete();
        evl_future_unref(first);
        EXPECT_GE(c.w.run(), 0);
    });
}

// Who releases a value releases the next future, and so on: while the loop goes down too.
struct Next {
    evl_future *future;
};

void release_next(void *arg) {
    auto *next = static_cast<Next *>(arg);
    evl_future_unref(next->future);
    delete next;
}

evl_future *chain_of_drops(World &w) {
    evl_future *f = nullptr;
    for (int i = 0; i < kMany; i++) {
        evl_future *outer = nullptr;
        EXPECT_EQ(evl_future_new(w.loop, &outer), 0);
        EXPECT_EQ(evl_future_resolve_owned(outer, new Next{f}, release_next), 0);
        f = outer;
    }
    return f;
}

TEST(LongChains, OfDrops) {
    on_small_stack([] {
        World w;
        evl_future_unref(chain_of_drops(w));
        EXPECT_GE(w.run(), 0);
    });
}

TEST(LongChains, OfDropsAtTheEndOfTheLoop) {
    on_small_stack([] {
        World w;
        evl_future_unref(chain_of_drops(w));
        EXPECT_EQ(w.destroy(), 0);
    });
}

TEST(LongChains, OfCallsAndPostsAtTheEndOfTheLoop) {
    on_small_stack([] {
        World w;
        static int dropped;
        dropped = 0;
        for (int i = 0; i < kMany; i++) {
            EXPECT_EQ(evl_call_soon_owned(w.loop, [](void *) {}, nullptr, [](void *) { dropped++; }), 0);
            EXPECT_EQ(evl_post_owned(w.loop, [](void *) {}, nullptr, [](void *) { dropped++; }), 0);
        }
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(dropped, 2 * kMany);
    });
}

} // namespace
