// chains_test.cpp - what may be a hundred thousand links long, or waited for by a hundred thousand,
// completed, cancelled and destroyed on a small stack.
#include "scale.hpp"

#include <pthread.h>
#include <unistd.h>

using namespace support;

namespace {

// --- a hundred thousand links
// -------------------------------------------------------------------------------

const size_t kLinks = static_cast<size_t>(scaled(100'000));

// Runs body on a thread whose stack no chain of calls fits into.
void on_a_small_stack(const std::function<void()> &body) {
    pthread_attr_t attributes;
    ASSERT_EQ(pthread_attr_init(&attributes), 0);
    ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 << 10), 0);
    pthread_t thread;
    ASSERT_EQ(pthread_create(
                  &thread, &attributes,
                  [](void *arg) -> void * {
                      (*static_cast<const std::function<void()> *>(arg))();
                      return nullptr;
                  },
                  const_cast<std::function<void()> *>(&body)),
              0);
    EXPECT_EQ(pthread_join(thread, nullptr), 0);
    EXPECT_EQ(pthread_attr_destroy(&attributes), 0);
}

// How one future is made out of the one before it.
struct Linking {
    const char *name;
    evl_future *(*after)(World &w, evl_future *before);
    bool cancels;      // cancelling the last cancels the first
    bool value = true; // of the first is that of the last
    int32_t (*follow)(evl_future *,
                      evl_future *) = nullptr; // afterwards, the last first: each looks where it leads
};

evl_future *made(int32_t rc, evl_future *out) {
    EXPECT_EQ(rc, 0);
    return out;
}

constexpr Linking linkings[] = {{"operation",
                                 [](World &w, evl_future *before) {
                                     evl_future *f = nullptr;
                                     EXPECT_EQ(evl_future_new(w.loop, &f), 0);
                                     return made(evl_future_wait(before, evl_future_op(f)), f);
                                 },
                                 false, false},
                                {"gather",
                                 [](World &w, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_gather(w.loop, &before, 1, 0, &f);
                                     return made(rc, f);
                                 },
                                 true, false},
                                {"gather_errors",
                                 [](World &w, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_gather(w.loop, &before, 1, EVL_GATHER_ERRORS, &f);
                                     return made(rc, f);
                                 },
                                 true, false},
                                {"wait_futures",
                                 [](World &w, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_wait_futures(w.loop, &before, 1, EVL_WAIT_ALL, -1, &f);
                                     return made(rc, f);
                                 },
                                 false, false},
                                {"any",
                                 [](World &w, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_any(w.loop, &before, 1, &f);
                                     return made(rc, f);
                                 },
                                 false, false},
                                {"as_completed",
                                 [](World &w, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_as_completed(w.loop, &before, 1, -1, &f);
                                     return made(rc, f);
                                 },
                                 false, false},
                                {"shield",
                                 [](World &, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_shield(before, &f);
                                     return made(rc, f);
                                 },
                                 false},
                                {"wait_for",
                                 [](World &, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_wait_for(before, 3600 * sec, &f);
                                     return made(rc, f);
                                 },
                                 true},
                                {"then",
                                 [](World &, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_future_then(
                                         before, [](void *, int64_t) {}, nullptr, nullptr, &f);
                                     return made(rc, f);
                                 },
                                 false},
                                {"follow",
                                 [](World &w, evl_future *) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_future_new(w.loop, &f);
                                     return made(rc, f);
                                 },
                                 true, true, evl_future_follow},
                                {"across", // the loop's own, as if it were another
                                 [](World &w, evl_future *before) {
                                     evl_future *f = nullptr;
                                     int32_t rc = evl_future_across(w.loop, before, &f);
                                     return made(rc, f);
                                 },
                                 true}};

struct Chain {
    explicit Chain(const Linking &linking) {
        evl_future *f = nullptr;
        EXPECT_EQ(evl_future_new(w.loop, &f), 0);
        for (all.push_back(f); all.size() <= kLinks && f; all.push_back(f))
            f = linking.after(w, f);
        for (size_t i = linking.follow ? all.size() - 1 : 0; i > 0; i--)
            EXPECT_EQ(linking.follow(all[i], all[i - 1]), 0);
    }
    ~Chain() { unref(); }
    void unref() {
        for (evl_future *f : all)
            evl_future_unref(f);
        all.clear();
    }
    void unref_backwards() {
        for (size_t i = all.size(); i-- > 0;)
            evl_future_unref(all[i]);
        all.clear();
    }
    // Until the last is done.
    void passes() {
        while (evl_future_state(all.back()) == EVL_FUTURE_PENDING && evl_loop_alive(w.loop) == 1) {
            int32_t rc = evl_loop_run(w.loop, EVL_RUN_NOWAIT);
            if (rc < 0) {
                ADD_FAILURE() << evl_err_name(rc);
                return;
            }
        }
    }
    World w{{.clock = EVL_CLOCK_MANUAL}};
    std::vector<evl_future *> all;
};

class Chains : public ::testing::TestWithParam<size_t> {
  public:
    static void with_chain(const std::function<void(const Linking &, Chain &)> &body) {
        on_a_small_stack([&] {
            Chain chain(linkings[GetParam()]);
            ASSERT_EQ(chain.all.size(), kLinks + 1);
            body(linkings[GetParam()], chain);
        });
    }
};

TEST_P(Chains, TheFirstHasAValue) {
    with_chain([](const Linking &linking, Chain &c) {
        EXPECT_EQ(evl_future_resolve(c.all.front(), 7), 0);
        c.passes();
        int64_t value = 0;
        EXPECT_EQ(evl_future_value(c.all.back(), &value), 0);
        if (linking.value) {
            EXPECT_EQ(value, 7);
        }
    });
}

TEST_P(Chains, TheFirstFails) {
    with_chain([](const Linking &, Chain &c) {
        EXPECT_EQ(evl_future_fail(c.all.front(), EVL_EPIPE), 0);
        c.passes();
        EXPECT_NE(evl_future_state(c.all.back()), EVL_FUTURE_PENDING);
        for (evl_future *f : c.all)
            (void)evl_future_value(f, nullptr);
    });
}

TEST_P(Chains, TheFirstIsCancelled) {
    with_chain([](const Linking &, Chain &c) {
        EXPECT_EQ(evl_future_cancel(c.all.front()), 1);
        c.passes();
        EXPECT_NE(evl_future_state(c.all.back()), EVL_FUTURE_PENDING);
        for (evl_future *f : c.all)
            (void)evl_future_value(f, nullptr);
    });
}

TEST_P(Chains, TheLastIsCancelled) {
    with_chain([](const Linking &linking, Chain &c) {
        EXPECT_EQ(evl_future_cancel(c.all.back()), 1);
        c.passes();
        for (int i = 0; i < 3; i++)
            evl_loop_run(c.w.loop, EVL_RUN_NOWAIT);
        EXPECT_NE(evl_future_state(c.all.back()), EVL_FUTURE_PENDING);
        if (linking.cancels && std::string(linking.name) != "across") {
            EXPECT_EQ(evl_future_state(c.all.front()), EVL_FUTURE_CANCELLED);
        }
        for (evl_future *f : c.all)
            (void)evl_future_value(f, nullptr);
    });
}

TEST_P(Chains, EveryOneIsCancelled) {
    with_chain([](const Linking &, Chain &c) {
        for (evl_future *f : c.all)
            (void)evl_future_cancel(f);
        c.passes();
        for (evl_future *f : c.all)
            (void)evl_future_value(f, nullptr);
    });
}

TEST_P(Chains, TheLoopIsDestroyed) {
    with_chain([](const Linking &, Chain &c) { EXPECT_EQ(c.w.destroy(), 0); });
}

TEST_P(Chains, ResolvedAndTheLoopIsDestroyed) {
    with_chain([](const Linking &, Chain &c) {
        EXPECT_EQ(evl_future_resolve(c.all.front(), 7), 0);
        EXPECT_EQ(c.w.destroy(), 0);
    });
}

TEST_P(Chains, GivenUpAndTheLoopIsDestroyed) {
    with_chain([](const Linking &, Chain &c) {
        c.unref();
        EXPECT_EQ(c.w.destroy(), 0);
    });
}

TEST_P(Chains, GivenUpBackwardsAndTheLoopIsDestroyed) {
    with_chain([](const Linking &, Chain &c) {
        c.unref_backwards();
        EXPECT_EQ(c.w.destroy(), 0);
    });
}

TEST_P(Chains, OnlyTheFirstAndTheLastAreHeld) {
    with_chain([](const Linking &, Chain &c) {
        for (size_t i = 1; i + 1 < c.all.size(); i++)
            evl_future_unref(c.all[i]);
        c.all = {c.all.front(), c.all.back()};
        EXPECT_EQ(evl_future_resolve(c.all.front(), 7), 0);
        c.passes();
        EXPECT_EQ(evl_future_state(c.all.back()), EVL_FUTURE_VALUE);
    });
}

INSTANTIATE_TEST_SUITE_P(Links, Chains, ::testing::Range(size_t{0}, std::size(linkings)),
                         [](const auto &info) { return std::string(linkings[info.param].name); });

// A circle waits for ever; it can be cancelled and destroyed.
TEST(Crowds, ACircle) {
    on_a_small_stack([] {
        for (int how = 0; how < 3; how++) {
            World w;
            std::vector<evl_future *> all(1000);
            for (evl_future *&f : all)
                EXPECT_EQ(evl_future_new(w.loop, &f), 0);
            for (size_t i = 0; i < all.size(); i++)
                EXPECT_EQ(evl_future_wait(all[(i + 1) % all.size()], evl_future_op(all[i])), 0);
            w.nowait();
            EXPECT_EQ(evl_future_state(all[0]), EVL_FUTURE_PENDING);
            if (how == 0) {
                EXPECT_EQ(w.destroy(), 0);
            } else if (how == 1) {
                EXPECT_EQ(evl_future_cancel(all[0]), 1);
                for (int i = 0; i < 1100; i++)
                    w.nowait();
                for (evl_future *f : all)
                    EXPECT_NE(evl_future_state(f), EVL_FUTURE_PENDING);
            }
            for (evl_future *f : all)
                evl_future_unref(f);
        }
    });
}

// --- a hundred thousand of one thing
// ------------------------------------------------------------------------

struct Crowd {
    evl_op *op() {
        evl_op *o = &ops[used++];
        EXPECT_EQ(evl_op_init(
                      o,
                      [](void *arg, int64_t result) {
                          auto *self = static_cast<Crowd *>(arg);
                          self->told++;
                          if (self->on)
                              self->on(result);
                      },
                      this, 0),
                  0);
        return o;
    }
    static void drop(void *arg) { static_cast<Crowd *>(arg)->dropped++; }
    static void call(void *arg) { static_cast<Crowd *>(arg)->told++; }
    std::vector<evl_op> ops = std::vector<evl_op>(kLinks);
    size_t used = 0;
    size_t told = 0;
    std::atomic<size_t> dropped = 0;
    std::function<void(int64_t)> on;
    World w{{.clock = EVL_CLOCK_MANUAL}};
};

TEST(Crowds, CallsAndPostsWithDrops) {
    on_a_small_stack([] {
        Crowd c;
        for (size_t i = 0; i < kLinks; i++) {
            EXPECT_EQ(evl_call_soon_owned(c.w.loop, Crowd::call, &c, Crowd::drop), 0);
            EXPECT_EQ(evl_post_owned(c.w.loop, Crowd::call, &c, Crowd::drop), 0);
        }
        EXPECT_EQ(c.w.destroy(), 0);
        EXPECT_EQ(c.told, 0);
        EXPECT_EQ(c.dropped, 2 * kLinks);
    });
}

// A drop may not queue anything any more.
TEST(Crowds, DropsThatCall) {
    on_a_small_stack([] {
        struct Link {
            evl_loop *loop;
            size_t *refused;
        };
        static constexpr auto again = [](void *arg) {
            auto *link = static_cast<Link *>(arg);
            *link->refused +=
                evl_call_soon_owned(link->loop, [](void *) {}, arg, [](void *) {}) == EVL_ECLOSED;
        };
        size_t refused = 0;
        World w;
        Link link{evl_loop_ref(w.loop), &refused};
        for (size_t i = 0; i < kLinks; i++)
            EXPECT_EQ(evl_call_soon_owned(w.loop, [](void *) {}, &link, again), 0);
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(refused, kLinks);
        evl_loop_unref(link.loop);
    });
}

TEST(Crowds, Jobs) {
    for (int how = 0; how < 3; how++)
        on_a_small_stack([how] {
            Crowd c;
            evl_executor *pool = nullptr;
            ASSERT_EQ(evl_executor_new(c.w.loop, 1, EVL_UNBOUNDED, nullptr, &pool), 0);
            std::atomic<bool> go = false;
            auto wait = [](void *arg) {
                while (!static_cast<std::atomic<bool> *>(arg)->load())
                    ::usleep(100);
            };
            evl_op first;
            EXPECT_EQ(evl_op_init(&first, [](void *, int64_t) {}, nullptr, 0), 0);
            EXPECT_EQ(evl_executor_submit(pool, c.w.loop, &first, wait, &go, nullptr, 0), 0);
            for (size_t i = 0; i < kLinks; i++)
                EXPECT_EQ(evl_executor_submit(pool, c.w.loop, c.op(), [](void *) {}, &c, Crowd::drop, 0), 0);
            if (how == 0) { // the loop first, then the pool
                EXPECT_EQ(c.w.destroy(), 0);
                go = true;
                EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_ABANDON, -1), 0);
                EXPECT_EQ(c.dropped, kLinks);
                EXPECT_EQ(c.told, 0);
            } else if (how == 1) { // the pool first
                go = true;
                EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_ABANDON, -1), 0);
                EXPECT_EQ(c.w.destroy(), 0);
                EXPECT_EQ(c.dropped, kLinks);
            } else { // each cancelled, and told
                for (evl_op &op : c.ops)
                    EXPECT_EQ(evl_op_cancel(&op), 1);
                go = true;
                EXPECT_EQ(evl_executor_close(pool, EVL_CLOSE_DRAIN, -1), 0);
                while (evl_loop_alive(c.w.loop) == 1)
                    evl_loop_run(c.w.loop, EVL_RUN_NOWAIT);
                EXPECT_EQ(c.dropped, kLinks);
                EXPECT_EQ(c.told, kLinks);
            }
            EXPECT_EQ(evl_op_close(&first), 0);
        });
}

TEST(Crowds, Deferred) {
    on_a_small_stack([] {
        Crowd c;
        for (size_t i = 0; i < kLinks; i++)
            EXPECT_EQ(evl_defer(c.w.loop, c.op()), 0);
        EXPECT_EQ(c.w.destroy(), 0);
        EXPECT_EQ(c.told, 0);
    });
}

TEST(Crowds, Timers) {
    on_a_small_stack([] {
        Crowd c;
        for (size_t i = 0; i < kLinks; i++) {
            EXPECT_EQ(evl_sleep(c.w.loop, c.op(), i % 2 ? 0 : sec), 0);
        }
        for (size_t i = 0; i < kLinks; i += 2)
            EXPECT_EQ(evl_op_deadline(&c.ops[static_cast<size_t>(i)], i % 3), 0);
        evl_loop_run(c.w.loop, EVL_RUN_NOWAIT);
        EXPECT_GT(c.told, 0);
        EXPECT_EQ(c.w.destroy(), 0);
    });
}

// One after the other gets the lock, is closed or destroyed before it hears of it, and hands it on.
TEST(Crowds, ALockThatIsHandedOn) {
    for (int how = 0; how < 4; how++)
        on_a_small_stack([how] {
            Crowd c;
            evl_lock *lock = nullptr;
            ASSERT_EQ(evl_lock_new(c.w.loop, &lock), 0);
            EXPECT_EQ(evl_lock_try(lock), 0);
            for (size_t i = 0; i < kLinks; i++)
                EXPECT_EQ(evl_lock_acquire(lock, c.op()), 0);
            EXPECT_EQ(evl_lock_release(lock), 0); // the first one is ready
            if (how == 0) {
                EXPECT_EQ(c.w.destroy(), 0);
            } else if (how == 1) {
                for (evl_op &op : c.ops)
                    EXPECT_EQ(evl_op_close(&op), 0);
                EXPECT_EQ(evl_lock_is_held(lock), 0);
            } else if (how == 2) {
                c.on = [&](int64_t result) {
                    EXPECT_EQ(result, 0);
                    EXPECT_EQ(evl_lock_release(lock), 0);
                };
                while (c.told < kLinks)
                    evl_loop_run(c.w.loop, EVL_RUN_NOWAIT);
            } else {
                evl_lock_free(std::exchange(lock, nullptr));
                while (c.told < kLinks)
                    evl_loop_run(c.w.loop, EVL_RUN_NOWAIT);
            }
            evl_lock_free(lock);
        });
}

// Who waits for an event, a barrier, a condition, a semaphore, an item, room, a future.
TEST(Crowds, Waiters) {
    for (int how = 0; how < 4; how++)
        for (int what = 0; what < 8; what++)
            on_a_small_stack([how, what] {
                SCOPED_TRACE(std::to_string(how) + " " + std::to_string(what));
                Crowd c;
                evl_event *event = nullptr;
                evl_semaphore *semaphore = nullptr;
                evl_lock *lock = nullptr;
                evl_condition *condition = nullptr;
                evl_barrier *barrier = nullptr;
                evl_queue *queue = nullptr;
                evl_future *future = nullptr;
                void *item = nullptr;
                ASSERT_EQ(evl_event_new(c.w.loop, &event), 0);
                ASSERT_EQ(evl_semaphore_new(c.w.loop, 0, 0, &semaphore), 0);
                ASSERT_EQ(evl_lock_new(c.w.loop, &lock), 0);
                ASSERT_EQ(evl_condition_new(lock, &condition), 0);
                ASSERT_EQ(evl_barrier_new(c.w.loop, kLinks, &barrier), 0);
                ASSERT_EQ(evl_queue_new(c.w.loop, 1, EVL_QUEUE_FIFO, nullptr, &queue), 0);
                ASSERT_EQ(evl_future_new(c.w.loop, &future), 0);
                if (what == 5 || what == 6) {
                    EXPECT_EQ(evl_queue_try_put(queue, &c, 0), 0);
                }
                for (size_t i = 0; i < kLinks; i++) {
                    evl_op *op = c.op();
                    int32_t rc = what == 0   ? evl_event_wait(event, op)
                                 : what == 1 ? evl_semaphore_acquire(semaphore, op)
                                 : what == 2 ? (evl_lock_try(lock), evl_condition_wait(condition, op))
                                 : what == 3 ? evl_barrier_wait(barrier, op)
                                 : what == 4 ? evl_queue_get(queue, op, &item)
                                 : what == 5 ? evl_queue_put(queue, op, &c, 0)
                                 : what == 6 ? evl_queue_join(queue, op)
                                             : evl_future_wait(future, op);
                    ASSERT_EQ(rc, 0);
                }
                if (how > 0) { // they are ready, or the first of them is
                    (void)evl_event_set(event);
                    for (size_t i = 0; i < kLinks; i++)
                        (void)evl_semaphore_release(semaphore);
                    (void)evl_lock_try(lock);
                    (void)evl_condition_notify(condition, -1);
                    (void)evl_lock_release(lock);
                    (void)evl_queue_try_get(queue, &item);
                    (void)evl_queue_try_put(queue, &c, 0);
                    (void)evl_queue_task_done(queue);
                    (void)evl_future_resolve(future, 1);
                }
                if (how == 2) {
                    for (evl_op &op : c.ops)
                        EXPECT_EQ(evl_op_close(&op), 0);
                } else if (how == 3) {
                    evl_event_free(std::exchange(event, nullptr));
                    evl_semaphore_free(std::exchange(semaphore, nullptr));
                    evl_condition_free(std::exchange(condition, nullptr));
                    evl_lock_free(std::exchange(lock, nullptr));
                    evl_barrier_free(std::exchange(barrier, nullptr));
                    evl_queue_free(std::exchange(queue, nullptr));
                    for (size_t i = 0; i < kLinks && c.told < kLinks; i++)
                        evl_loop_run(c.w.loop, EVL_RUN_NOWAIT);
                    EXPECT_EQ(c.told, kLinks);
                } else {
                    EXPECT_EQ(c.w.destroy(), 0);
                    EXPECT_EQ(c.told, 0);
                }
                evl_event_free(event);
                evl_semaphore_free(semaphore);
                evl_condition_free(condition);
                evl_lock_free(lock);
                evl_barrier_free(barrier);
                evl_queue_free(queue);
                evl_future_unref(future);
            });
}

} // namespace
