// op_states_test.cpp - every kind of operation in every state, and everything that can be done to it there.
#include "op_rows.hpp"

#include <cstring>

using namespace support;
using namespace places;

namespace {

// One operation in memory of its own, where it waits, and what became of it.
struct Cell {
    explicit Cell(const Row &row, uint32_t flags = 0) : name(row.name), place(row.make(w)), op(new evl_op) {
        void *arg = w.arg([this](int64_t rc) {
            count++;
            result = rc;
            served += rc == place->value();
            if (inside)
                inside();
        });
        EXPECT_EQ(evl_op_init(op, World::done(), arg, flags), 0);
    }
    ~Cell() {
        if (op) {
            EXPECT_EQ(evl_op_close(op), w.loop ? 0 : evl_op_close(op));
            gone();
        }
        place->finish(served);
    }
    void start() {
        place->arm();
        EXPECT_EQ(place->start(op), 0);
        EXPECT_EQ(count, 0) << "never inside the call";
        EXPECT_EQ(evl_op_active(op), 1);
        EXPECT_EQ(evl_op_result(op), EVL_EAGAIN);
    }
    void passes(int n = 3) {
        while (w.loop && n-- > 0)
            w.nowait();
    }
    // Where threads work it may take them some passes; and what comes back first may be what an earlier start
    // has left behind.
    void passes_to_the_end() {
        passes();
        if (place->works_on_threads())
            until([this] {
                passes(1);
                return evl_op_active(op) == 0;
            });
    }
    // Does something when the completion is queued and has not been delivered.
    void when_ready(const std::function<void()> &act) {
        acted = false;
        act_if_ready(act);
        start();
        if (before_firing)
            before_firing();
        place->fire();
        EXPECT_EQ(count, 0) << "never inside the call that caused it";
        passes();
        EXPECT_TRUE(acted);
    }
    // At the head of each pass, before the operation of that pass has its turn.
    void act_if_ready(const std::function<void()> &act) {
        w.call([this, act] {
            if (!peek_ready(op)) {
                if (count == 0)
                    act_if_ready(act);
                return;
            }
            acted = true;
            EXPECT_EQ(count, 0);
            EXPECT_EQ(evl_op_active(op), 1);
            act();
        });
    }
    // The memory is the caller's: whoever touches it from now on is found out.
    void gone() {
        memset(op, 0xdd, sizeof *op);
        delete std::exchange(op, nullptr);
    }
    void completed(int64_t with) {
        EXPECT_EQ(count, 1) << "exactly one completion";
        EXPECT_EQ(result, with);
        if (op) {
            EXPECT_EQ(evl_op_active(op), 0);
            EXPECT_EQ(evl_op_result(op), with);
        }
    }
    void silent() {
        passes();
        EXPECT_EQ(count, 0) << "in silence";
    }

    World w{{.clock = EVL_CLOCK_MANUAL, .poll_interval = 1}};
    std::string name;
    std::unique_ptr<Place> place;
    evl_op *op;
    bool acted = false;
    int count = 0;
    int served = 0; // completed with what was waited for
    int64_t result = 0;
    std::function<void()> inside, before_firing;
};

void every(const std::function<void(Cell &)> &body, uint32_t flags = 0) {
    for (const Row &row : rows) {
        SCOPED_TRACE(row.name);
        Cell cell(row, flags);
        body(cell);
    }
}

// Those that really wait; a deferred call is queued from the start.
void every_waiting(const std::function<void(Cell &)> &body) {
    every([&](Cell &c) {
        if (!c.place->queued_from_start())
            body(c);
    });
}

void use_again(Cell &c) {
    c.count = 0;
    c.start();
    c.place->fire();
    c.passes_to_the_end();
    c.completed(c.place->value());
}

TEST(OpStates, NeverStarted) {
    every([](Cell &c) {
        EXPECT_EQ(evl_op_active(c.op), 0);
        EXPECT_EQ(evl_op_result(c.op), EVL_EAGAIN);
        EXPECT_EQ(evl_op_cancel(c.op), EVL_EALREADY);
        EXPECT_EQ(evl_op_deadline(c.op, 0), EVL_EALREADY);
        EXPECT_EQ(evl_op_timeout(c.op, 0), EVL_EALREADY);
        EXPECT_EQ(evl_op_close(c.op), 0);
        c.silent();
        c.gone();
    });
}

TEST(OpStates, NotInitialised) {
    every([](Cell &c) {
        evl_op zero{};
        c.place->arm();
        int32_t blockers = evl_loop_blockers(c.w.loop, nullptr, 0);
        EXPECT_EQ(c.place->start(&zero), EVL_EINVAL);
        EXPECT_EQ(c.place->start(nullptr), EVL_EINVAL);
        EXPECT_EQ(evl_op_deadline(&zero, 0), EVL_EINVAL);
        EXPECT_EQ(evl_op_timeout(&zero, 0), EVL_EINVAL);
        EXPECT_EQ(evl_op_result(&zero), EVL_EINVAL);
        EXPECT_EQ(evl_op_active(&zero), 0);
        EXPECT_EQ(evl_op_close(&zero), EVL_EINVAL);
        EXPECT_EQ(evl_loop_blockers(c.w.loop, nullptr, 0), blockers);
    });
}

// EVL_OP_SYNC or not, what has to wait completes by its callback, once, and may be started again and again.
TEST(OpStates, PendingThenCompleted) {
    for (uint32_t flags : {0u, static_cast<uint32_t>(EVL_OP_SYNC)})
        every(
            [](Cell &c) {
                for (int i = 0; i < 3; i++)
                    use_again(c);
            },
            flags);
}

// What is there already is had at once where the operation may say so, else by the callback; the result is
// the same.
TEST(OpStates, DoneWhenItIsStarted) {
    for (uint32_t flags : {0u, static_cast<uint32_t>(EVL_OP_SYNC)})
        every(
            [flags](Cell &c) {
                c.place->arm();
                int32_t rc = c.place->start_done(c.op);
                if (rc == EVL_ENOSYS)
                    return;
                if (flags == 0) {
                    EXPECT_EQ(rc, 0);
                }
                EXPECT_EQ(c.count, 0) << "never inside the call";
                if (rc == 1) {
                    EXPECT_EQ(evl_op_active(c.op), 0);
                    EXPECT_EQ(evl_op_result(c.op), c.place->done_value());
                    c.passes();
                    EXPECT_EQ(c.count, 0) << "it has been said";
                    c.served++;
                    return;
                }
                ASSERT_EQ(rc, 0);
                EXPECT_EQ(evl_op_active(c.op), 1);
                c.passes();
                c.completed(c.place->done_value());
            },
            flags);
}

TEST(OpStates, StartedAgainWhileActive) {
    every([](Cell &c) {
        c.start();
        for (const Row &other : rows)
            if (auto place = other.make(c.w)) {
                SCOPED_TRACE(other.name);
                place->arm();
                EXPECT_EQ(place->start(c.op), EVL_EBUSY);
            }
        c.place->fire();
        c.passes();
        c.completed(c.place->value());
    });
}

TEST(OpStates, PendingAndCancelled) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_cancel(c.op), 1);
        EXPECT_EQ(evl_op_cancel(c.op), 0) << "the completion is queued";
        EXPECT_EQ(evl_op_deadline(c.op, 0), 0) << "too late, and no error";
        EXPECT_EQ(c.count, 0) << "never inside evl_op_cancel";
        c.passes();
        c.completed(EVL_ECANCELED);
        EXPECT_EQ(evl_op_cancel(c.op), EVL_EALREADY);
        use_again(c);
    });
}

TEST(OpStates, PendingAndClosed) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_close(c.op), 0);
        EXPECT_EQ(evl_op_active(c.op), 0);
        c.gone();
        c.silent();
        EXPECT_EQ(evl_loop_alive(c.w.loop), c.place->keeps_alive());
    });
}

TEST(OpStates, CancelledAndClosed) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_cancel(c.op), 1);
        EXPECT_EQ(evl_op_close(c.op), 0);
        c.gone();
        c.silent();
    });
}

TEST(OpStates, DeadlineThatHasPassed) {
    every_waiting([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) - 1), 0);
        EXPECT_EQ(c.count, 0);
        EXPECT_EQ(evl_op_active(c.op), 1) << "it counts from the next pass on";
        c.passes();
        c.completed(EVL_ETIMEDOUT);
        use_again(c); // without it
    });
}

TEST(OpStates, DeadlineToCome) {
    every_waiting([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + ms), 0);
        c.passes();
        EXPECT_EQ(c.count, 0);
        evl_clock_advance(c.w.loop, ms);
        c.passes();
        c.completed(EVL_ETIMEDOUT);
    });
}

TEST(OpStates, TimeoutCountsFromNow) {
    every_waiting([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_timeout(c.op, sec), 0);
        evl_clock_advance(c.w.loop, us);
        EXPECT_EQ(evl_op_timeout(c.op, 2 * us), 0); // replaces the first
        evl_clock_advance(c.w.loop, us);
        c.passes();
        EXPECT_EQ(c.count, 0);
        evl_clock_advance(c.w.loop, us);
        c.passes();
        c.completed(EVL_ETIMEDOUT);
        use_again(c); // without it
    });
}

TEST(OpStates, TimeoutThatHasPassedAndNone) {
    every_waiting([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_timeout(c.op, us), 0);
        EXPECT_EQ(evl_op_timeout(c.op, EVL_NEVER), 0); // none
        evl_clock_advance(c.w.loop, 10 * us);
        c.passes();
        EXPECT_EQ(c.count, 0);
        EXPECT_EQ(evl_op_timeout(c.op, -1), 0);
        EXPECT_EQ(c.count, 0);
        c.passes();
        c.completed(EVL_ETIMEDOUT);
    });
}

TEST(OpStates, DeadlineReplacedAndRemoved) {
    every_waiting([](Cell &c) {
        c.start();
        int64_t now = evl_now(c.w.loop);
        EXPECT_EQ(evl_op_deadline(c.op, now + us), 0);
        EXPECT_EQ(evl_op_deadline(c.op, now + 3 * us), 0);
        evl_clock_advance(c.w.loop, 2 * us);
        c.passes();
        EXPECT_EQ(c.count, 0) << "replaced by a later one";
        EXPECT_EQ(evl_op_deadline(c.op, EVL_NEVER), 0);
        evl_clock_advance(c.w.loop, 10 * us);
        c.passes();
        EXPECT_EQ(c.count, 0) << "taken away";
        c.place->fire();
        c.passes();
        c.completed(c.place->value());
        evl_clock_advance(c.w.loop, 10 * sec);
        c.passes();
        EXPECT_EQ(c.count, 1) << "it ends with the operation";
    });
}

TEST(OpStates, DeadlineEndsWithTheOperation) {
    every_waiting([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + 5 * sec), 0);
        c.place->fire();
        c.passes();
        c.completed(c.place->value());
        c.count = 0;
        c.start(); // the second start has none
        evl_clock_advance(c.w.loop, 500 * ms);
        EXPECT_EQ(evl_op_cancel(c.op), 1);
        evl_clock_advance(c.w.loop, 10 * sec);
        c.passes();
        c.completed(EVL_ECANCELED);
        EXPECT_EQ(evl_loop_alive(c.w.loop), c.place->keeps_alive());
    });
}

TEST(OpStates, ReadyAndCancelled) {
    every([](Cell &c) {
        bool retracts = c.place->retracts();
        c.when_ready([&] { EXPECT_EQ(evl_op_cancel(c.op), retracts ? 1 : 0); });
        c.completed(retracts ? int64_t{EVL_ECANCELED} : c.place->value());
    });
}

TEST(OpStates, ReadyAndPastItsDeadline) {
    every([](Cell &c) {
        c.when_ready([&] {
            EXPECT_EQ(evl_op_deadline(c.op, 0), 0);
            EXPECT_EQ(c.place->start(c.op), EVL_EBUSY);
        });
        // One that is only worth trying may not have found all it waits for when its time was up.
        bool late = c.place->retracts() && c.result == EVL_ETIMEDOUT;
        c.completed(late ? int64_t{EVL_ETIMEDOUT} : c.place->value());
        c.passes();
        EXPECT_TRUE(!late || c.place->available());
    });
}

// What it had been given is there for others.
TEST(OpStates, ReadyAndClosed) {
    every([](Cell &c) {
        c.when_ready([&] {
            EXPECT_EQ(evl_op_close(c.op), 0);
            c.gone();
        });
        c.silent();
        EXPECT_TRUE(c.place->available());
    });
}

// And if somebody stands in line for it, it is his.
TEST(OpStates, ReadyAndClosedIsHandedOn) {
    every([](Cell &c) {
        if (!c.place->takes() && c.name != "evl_waitq_park")
            return;
        int64_t second = 1;
        evl_op *next = c.w.op([&](int64_t rc) { second = rc; });
        c.w.call([&] { EXPECT_EQ(evl_op_close(c.op), 0); });
        c.start();
        EXPECT_EQ(c.place->start(next), 0);
        c.place->fire();
        c.silent();
        EXPECT_EQ(second, c.place->value());
        if (c.place->takes()) {
            EXPECT_FALSE(c.place->available()) << "the second one has it";
        }
    });
}

TEST(OpStates, PendingAndTheObjectFreed) {
    every([](Cell &c) {
        c.start();
        if (!c.place->free_object())
            return;
        EXPECT_EQ(c.count, 0) << "never inside the call";
        c.passes_to_the_end();
        c.completed(c.place->freed());
    });
}

TEST(OpStates, PendingObjectFreedAndClosed) {
    every([](Cell &c) {
        c.start();
        if (!c.place->free_object())
            return;
        EXPECT_EQ(evl_op_close(c.op), 0);
        c.gone();
        c.silent();
    });
}

// Whoever hears of a result of 0 has the thing: not when there is no thing any more.
TEST(OpStates, ReadyAndTheObjectFreed) {
    every([](Cell &c) {
        bool freed = false;
        c.when_ready([&] { freed = c.place->free_object(); });
        c.completed(freed && c.place->takes_back() ? c.place->freed() : c.place->value());
    });
}

TEST(OpStates, ReadyObjectFreedAndClosed) {
    every([](Cell &c) {
        c.when_ready([&] {
            (void)c.place->free_object();
            EXPECT_EQ(evl_op_close(c.op), 0);
            c.gone();
        });
        c.silent();
    });
}

TEST(OpStates, InItsOwnCallback) {
    every([](Cell &c) {
        c.inside = [&] {
            EXPECT_EQ(evl_op_active(c.op), 0);
            EXPECT_EQ(evl_op_result(c.op), c.result);
            EXPECT_EQ(evl_op_cancel(c.op), EVL_EALREADY);
            EXPECT_EQ(evl_op_deadline(c.op, 0), EVL_EALREADY);
            EXPECT_EQ(evl_op_close(c.op), 0);
        };
        use_again(c);
    });
}

TEST(OpStates, StartedAgainInItsOwnCallback) {
    every([](Cell &c) {
        c.inside = [&] {
            if (c.count > 3)
                return;
            c.place->arm();
            EXPECT_EQ(c.place->start(c.op), 0);
            c.place->fire();
        };
        c.start();
        c.place->fire();
        for (int pass = 1; pass <= 12; pass++) {
            c.passes(1);
            EXPECT_LE(c.count, pass) << "never twice in a pass";
        }
        EXPECT_EQ(c.count, 4);
    });
}

TEST(OpStates, FreedInItsOwnCallback) {
    every([](Cell &c) {
        c.inside = [&] {
            (void)c.place->free_object();
            c.gone();
        };
        c.start();
        c.place->fire();
        c.passes();
        c.completed(c.place->value());
    });
}

TEST(OpStates, TheLoopDestroyedInItsOwnCallback) {
    every([](Cell &c) {
        c.inside = [&] { EXPECT_EQ(c.w.destroy(), 0); };
        c.start();
        c.place->fire();
        c.passes();
        EXPECT_EQ(c.count, 1);
        EXPECT_EQ(c.result, c.place->value());
        EXPECT_EQ(c.w.loop, nullptr);
    });
}

TEST(OpStates, PendingAndTheLoopDestroyed) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_loop_close(c.w.loop), EVL_EBUSY);
        evl_loop *loop = evl_loop_ref(c.w.loop);
        EXPECT_EQ(c.w.destroy(), 0);
        EXPECT_EQ(c.count, 0) << "in silence";
        EXPECT_EQ(evl_op_active(c.op), 0);
        EXPECT_EQ(evl_op_cancel(c.op), EVL_EALREADY);
        EXPECT_EQ(evl_defer(loop, c.op), EVL_ECLOSED);
        c.gone();
        evl_loop_unref(loop);
    });
}

// With a deadline there is a timer to be given back, whatever state the operation is in.
TEST(OpStates, PendingWithADeadlineAndTheLoopDestroyed) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + sec), 0);
        EXPECT_EQ(c.w.destroy(), 0);
        EXPECT_EQ(c.count, 0) << "in silence";
        EXPECT_EQ(evl_op_active(c.op), 0);
        c.gone();
    });
}

TEST(OpStates, ReadyWithADeadlineAndTheLoopDestroyed) {
    every([](Cell &c) {
        c.before_firing = [&c] { EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + sec), 0); };
        c.when_ready([&] { EXPECT_EQ(c.w.destroy(), 0); });
        EXPECT_EQ(c.count, 0) << "in silence";
        EXPECT_EQ(evl_op_active(c.op), 0);
        c.gone();
    });
}

TEST(OpStates, CancelledWithADeadlineAndTheLoopDestroyed) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + sec), 0);
        EXPECT_EQ(evl_op_cancel(c.op), 1);
        EXPECT_EQ(c.w.destroy(), 0);
        EXPECT_EQ(c.count, 0) << "in silence";
        EXPECT_EQ(evl_op_active(c.op), 0);
        c.gone();
    });
}

TEST(OpStates, PendingWithADeadlineAndClosed) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + sec), 0);
        EXPECT_EQ(evl_op_close(c.op), 0);
        c.gone();
        evl_clock_advance(c.w.loop, 2 * sec);
        c.silent();
    });
}

TEST(OpStates, ReadyWithADeadlineAndClosed) {
    every([](Cell &c) {
        c.before_firing = [&c] { EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + sec), 0); };
        c.when_ready([&] {
            EXPECT_EQ(evl_op_close(c.op), 0);
            c.gone();
        });
        evl_clock_advance(c.w.loop, 2 * sec);
        c.silent();
        EXPECT_TRUE(c.place->available());
    });
}

TEST(OpStates, PendingWithADeadlineAndTheObjectFreed) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_op_deadline(c.op, evl_now(c.w.loop) + sec), 0);
        if (!c.place->free_object())
            return;
        EXPECT_EQ(c.count, 0) << "never inside the call";
        c.passes_to_the_end();
        c.completed(c.place->freed());
        evl_clock_advance(c.w.loop, 2 * sec);
        c.passes();
        EXPECT_EQ(c.count, 1);
    });
}

TEST(OpStates, FreedAndTheLoopDestroyed) {
    every([](Cell &c) {
        c.start();
        if (!c.place->free_object())
            return;
        EXPECT_EQ(c.w.destroy(), 0);
        EXPECT_EQ(c.count, 0) << "in silence";
        c.gone();
    });
}

TEST(OpStates, ReadyAndTheLoopDestroyed) {
    every([](Cell &c) {
        c.when_ready([&] { EXPECT_EQ(c.w.destroy(), 0); });
        EXPECT_EQ(c.count, 0) << "in silence";
        EXPECT_EQ(evl_op_active(c.op), 0);
        c.gone();
    });
}

TEST(OpStates, ClosingTheLoopIsRefusedAndSaysWhy) {
    every([](Cell &c) {
        c.start();
        EXPECT_EQ(evl_loop_close(c.w.loop), EVL_EBUSY);
        evl_blocker rows[8];
        int32_t n = evl_loop_blockers(c.w.loop, rows, 8);
        bool named = false;
        for (int32_t i = 0; i < n; i++)
            named |= rows[i].kind == EVL_KIND_OP && rows[i].count == 1;
        EXPECT_TRUE(named) << n;
        EXPECT_EQ(evl_op_close(c.op), 0);
    });
}

// --- inside a future ---------------------------------------------------------------------------------------

// A place whose operation lies in a future.
struct InFuture {
    explicit InFuture(const Row &row) : place(row.make(w)) {
        place->arm();
        EXPECT_EQ(evl_future_new(w.loop, &future), 0);
        EXPECT_EQ(evl_future_on_done(future, World::done(), w.arg([this](int64_t state) {
                      count++;
                      last = state;
                  })),
                  0);
        EXPECT_EQ(place->start(evl_future_op(future)), 0);
        EXPECT_EQ(count, 0);
    }
    ~InFuture() {
        int64_t value = 0;
        bool delivered = future && evl_future_value(future, &value) == 0 && value == place->value();
        evl_future_unref(future);
        place->finish(delivered);
    }
    void passes() {
        for (int i = 0; i < 3 && w.loop; i++)
            w.nowait();
    }
    void ended(int32_t state, int32_t rc) {
        passes();
        EXPECT_EQ(count, 1);
        EXPECT_EQ(last, state);
        EXPECT_EQ(evl_future_state(future), state);
        EXPECT_EQ(evl_future_value(future, nullptr), rc);
        EXPECT_EQ(evl_future_op(future), nullptr);
    }
    World w{{.clock = EVL_CLOCK_MANUAL, .poll_interval = 1}};
    std::unique_ptr<Place> place;
    evl_future *future = nullptr;
    int count = 0;
    int64_t last = -1;
};

void every_future(const std::function<void(InFuture &)> &body, bool deferred = false) {
    for (const Row &row : rows) {
        SCOPED_TRACE(row.name);
        InFuture f(row);
        if (deferred || !f.place->queued_from_start())
            body(f);
    }
}

TEST(OpStates, InAFutureItsResultIsTheFutures) {
    every_future(
        [](InFuture &f) {
            f.place->fire();
            EXPECT_EQ(f.count, 0) << "never inside the call";
            f.ended(EVL_FUTURE_VALUE, 0);
            int64_t value = -1;
            EXPECT_EQ(evl_future_value(f.future, &value), 0);
            EXPECT_EQ(value, f.place->value());
        },
        true);
}

TEST(OpStates, InAFutureCancelledEitherWay) {
    every_future([](InFuture &f) {
        EXPECT_EQ(evl_op_cancel(evl_future_op(f.future)), 1);
        EXPECT_EQ(f.count, 0);
        f.ended(EVL_FUTURE_CANCELLED, EVL_ECANCELED);
    });
    every_future([](InFuture &f) {
        EXPECT_EQ(evl_future_cancel(f.future), 1);
        EXPECT_EQ(evl_future_cancel(f.future), 0);
        f.ended(EVL_FUTURE_CANCELLED, EVL_ECANCELED);
    });
}

TEST(OpStates, InAFuturePastItsDeadline) {
    every_future([](InFuture &f) {
        EXPECT_EQ(evl_op_deadline(evl_future_op(f.future), 0), 0);
        EXPECT_EQ(evl_future_state(f.future), EVL_FUTURE_PENDING);
        f.ended(EVL_FUTURE_ERROR, EVL_ETIMEDOUT);
    });
}

TEST(OpStates, InAFutureClosedLeavesItPending) {
    every_future([](InFuture &f) {
        EXPECT_EQ(evl_op_close(evl_future_op(f.future)), 0);
        f.passes();
        EXPECT_EQ(evl_future_state(f.future), EVL_FUTURE_PENDING);
        f.place->arm();
        EXPECT_EQ(f.place->start(evl_future_op(f.future)), 0);
        EXPECT_EQ(evl_future_resolve(f.future, 9), 0); // closes the operation
        f.ended(EVL_FUTURE_VALUE, 0);
        EXPECT_EQ(evl_future_cancel(f.future), 0);
    });
}

TEST(OpStates, InAFutureThatNobodyHolds) {
    every_future([](InFuture &f) {
        evl_future_unref(std::exchange(f.future, nullptr));
        f.passes();
        EXPECT_EQ(f.count, 0) << "the loop keeps it";
        f.place->fire();
        f.passes();
        EXPECT_EQ(f.count, 1);
        EXPECT_EQ(f.last, EVL_FUTURE_VALUE);
        f.place->finish(1);
        f.place = make<Defer>(f.w);
        EXPECT_EQ(f.w.close(), 0) << "and lets go of it";
    });
}

TEST(OpStates, InAFutureAndTheObjectFreed) {
    every_future([](InFuture &f) {
        if (!f.place->free_object()) {
            EXPECT_EQ(evl_future_cancel(f.future), 1);
            return;
        }
        EXPECT_EQ(f.count, 0);
        int32_t error = static_cast<int32_t>(f.place->freed());
        if (error == 0) {
            f.ended(EVL_FUTURE_VALUE, 0);
            return;
        }
        f.ended(error == EVL_ECANCELED ? EVL_FUTURE_CANCELLED : EVL_FUTURE_ERROR, error);
    });
}

TEST(OpStates, InAFutureAndTheLoopDestroyed) {
    every_future([](InFuture &f) {
        EXPECT_EQ(f.w.destroy(), 0);
        EXPECT_EQ(f.count, 0);
        EXPECT_EQ(evl_future_state(f.future), EVL_FUTURE_CANCELLED);
    });
}

// Items and turns that a future takes at once do not disturb those who stand in line with operations.
TEST(OpStates, FuturesAndOperationsInOneLine) {
    World w;
    evl_queue *q = nullptr;
    ASSERT_EQ(evl_queue_new(w.loop, 0, EVL_QUEUE_FIFO, nullptr, &q), 0);
    void *got[3] = {};
    int64_t third = 1;
    evl_op *first = w.op([&](int64_t rc) { EXPECT_EQ(rc, 0); });
    evl_op *last = w.op([&](int64_t rc) { third = rc; });
    evl_future *f = nullptr;
    ASSERT_EQ(evl_future_new(w.loop, &f), 0);
    EXPECT_EQ(evl_queue_get(q, first, &got[0]), 0);
    EXPECT_EQ(evl_queue_get(q, evl_future_op(f), &got[1]), 0);
    EXPECT_EQ(evl_queue_get(q, last, &got[2]), 0);
    EXPECT_EQ(evl_queue_try_put(q, &got[0], 0), 0);
    EXPECT_EQ(evl_queue_try_put(q, &got[1], 0), 0);
    w.nowait();
    EXPECT_EQ(evl_op_active(last), 1) << "there is nothing for it";
    EXPECT_TRUE(got[0] && got[1]);
    EXPECT_EQ(evl_queue_try_put(q, &got[2], 0), 0);
    w.run();
    EXPECT_EQ(third, 0);
    EXPECT_EQ(got[2], &got[2]);
    evl_future_unref(f);
    evl_queue_free(q);
}

// --- EVL_OP_SYNC -------------------------------------------------------------------------------------------

// Starts that find what they want at once.
struct Ready {
    const char *name;
    std::function<int32_t(evl_op *)> start;
};

struct Full { // everything there is to have
    explicit Full(World &w) {
        EXPECT_EQ(evl_event_new(w.loop, &event), 0);
        EXPECT_EQ(evl_event_set(event), 0);
        EXPECT_EQ(evl_lock_new(w.loop, &lock), 0);
        EXPECT_EQ(evl_semaphore_new(w.loop, 1000, 0, &semaphore), 0);
        EXPECT_EQ(evl_queue_new(w.loop, 0, EVL_QUEUE_FIFO, nullptr, &queue), 0);
        EXPECT_EQ(evl_queue_new(w.loop, 0, EVL_QUEUE_FIFO, nullptr, &empty), 0);
        EXPECT_EQ(evl_future_new(w.loop, &future), 0);
        EXPECT_EQ(evl_future_resolve(future, 0), 0);
        for (int i = 0; i < 1000; i++)
            EXPECT_EQ(evl_queue_try_put(queue, this, 0), 0);
    }
    ~Full() {
        evl_event_free(event);
        evl_lock_free(lock);
        evl_semaphore_free(semaphore);
        evl_queue_free(queue);
        evl_queue_free(empty);
        evl_future_unref(future);
    }
    std::vector<Ready> starts() {
        return {{"event", [&](evl_op *op) { return evl_event_wait(event, op); }},
                {"lock",
                 [&](evl_op *op) {
                     (void)evl_lock_release(lock);
                     return evl_lock_acquire(lock, op);
                 }},
                {"semaphore", [&](evl_op *op) { return evl_semaphore_acquire(semaphore, op); }},
                {"put", [&](evl_op *op) { return evl_queue_put(queue, op, this, 0); }},
                {"get", [&](evl_op *op) { return evl_queue_get(queue, op, &item); }},
                {"join", [&](evl_op *op) { return evl_queue_join(empty, op); }},
                {"future", [&](evl_op *op) { return evl_future_wait(future, op); }}};
    }
    evl_event *event;
    evl_lock *lock;
    evl_semaphore *semaphore;
    evl_queue *queue, *empty;
    evl_future *future;
    void *item;
};

TEST(OpStates, Contract_04_SynchronousAtMost64TimesInARow) {
    World w;
    Full full(w);
    for (Ready &ready : full.starts()) {
        SCOPED_TRACE(ready.name);
        int called = 0;
        evl_op *op = w.op([&](int64_t rc) { called += rc >= 0; }, EVL_OP_SYNC);
        w.defer([] {}); // a pass begins a new row
        w.nowait();
        for (int row = 0; row < 3; row++) {
            for (int i = 0; i < 64; i++)
                ASSERT_EQ(ready.start(op), 1) << i;
            EXPECT_EQ(evl_op_active(op), 0);
            EXPECT_GE(evl_op_result(op), 0);
            ASSERT_EQ(ready.start(op), 0);
            EXPECT_EQ(called, row);
            w.nowait();
            EXPECT_EQ(called, row + 1);
        }
    }
}

// A row is one callback's: whoever comes after somebody greedy is not made to wait for it.
TEST(OpStates, Contract_04_EachCallbackMayStart64) {
    if (records())
        return; // who pulls records is told of all of them before it starts anything
    World w;
    Full full(w);
    std::vector<int> answers;
    for (int i = 0; i < 3; i++) {
        evl_op *again = w.op([] {}, EVL_OP_SYNC);
        evl_op *op = w.op([&, again] {
            for (int k = 0; k < 64; k++)
                answers.push_back(evl_event_wait(full.event, again));
        });
        ASSERT_EQ(evl_defer(w.loop, op), 0);
    }
    w.nowait();
    EXPECT_EQ(answers, std::vector<int>(3 * 64, 1));
}

TEST(OpStates, Contract_02_WithoutSyncAlwaysByCallback) {
    World w;
    Full full(w);
    for (Ready &ready : full.starts()) {
        SCOPED_TRACE(ready.name);
        int called = 0;
        evl_op *op = w.op([&](int64_t rc) { called += rc >= 0; });
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(ready.start(op), 0);
            EXPECT_EQ(called, i);
            w.nowait();
            EXPECT_EQ(called, i + 1);
        }
    }
}

} // namespace
