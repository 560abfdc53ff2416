// close_test.cpp - for every pair of kinds: one closes, stops or moves the other from its callback, while it
// is due in the same pass or not. Afterwards: silence, exactly one drop, and no leak.
#include "world.hpp"

#include <csignal>

using namespace support;

namespace {

enum class Verb { close, stop, move };
const char *const verb_names[] = {"Closes", "Stops", "Moves"};

// One of the things that can be due.
class Thing {
  public:
    Thing(World &w, std::string name) : w_(w), name_(std::move(name)) {}
    virtual ~Thing() = default;
    virtual void make(Action action) = 0;
    virtual void trigger() = 0;      // makes it due, now and in every pass from now on if it can
    virtual bool act(Verb verb) = 0; // false: it has no such verb
    virtual bool again() {
        return true;
    } // after a move: makes happen what it was moved to; false: nothing will
    virtual std::string after_move() const { return name_; }
    virtual evl_handle *handle() { return nullptr; }

  protected:
    void *arg(Action action) {
        return w_.arg(std::move(action), [this] { drops++; });
    }
    World &w_;
    std::string name_;

  public:
    int drops = 0;
};

class Io final : public Thing {
  public:
    using Thing::Thing;
    ~Io() override = default;
    void make(Action action) override {
        EXPECT_EQ(evl_io_new(w_.loop, pair_.a, EVL_READ, 0, World::done(), arg(std::move(action)), &io_), 0);
        EXPECT_EQ(evl_set_drop(io_, World::drop), 0);
    }
    void trigger() override { pair_.b.put(); }
    bool act(Verb verb) override {
        if (verb == Verb::close)
            EXPECT_EQ(evl_close(std::exchange(io_, nullptr)), 0);
        else
            EXPECT_EQ(evl_io_set(io_, verb == Verb::stop ? 0 : EVL_WRITE), 0);
        if (verb == Verb::move)
            pair_.a.put(-1); // no room either: the new mask is not due
        return true;
    }
    bool again() override {
        pair_.b.drain();
        return true;
    }
    evl_handle *handle() override { return io_; }

  private:
    Pair pair_;
    evl_io *io_ = nullptr;
};

class Timer final : public Thing {
  public:
    using Thing::Thing;
    void make(Action action) override {
        EXPECT_EQ(evl_timer_new(w_.loop, World::done(), arg(std::move(action)), &timer_), 0);
        EXPECT_EQ(evl_set_drop(timer_, World::drop), 0);
    }
    void trigger() override {
        if (!timer_ || held_)
            return;
        EXPECT_EQ(evl_timer_start_at(timer_, evl_now(w_.loop) - 1, 1),
                  0); // repeats: due in every pass that moves time
    }
    bool act(Verb verb) override {
        held_ = true;
        if (verb == Verb::close)
            EXPECT_EQ(evl_close(std::exchange(timer_, nullptr)), 0);
        else if (verb == Verb::stop)
            EXPECT_EQ(evl_timer_stop(timer_), 0);
        else
            EXPECT_EQ(evl_timer_start_at(timer_, evl_now(w_.loop) + 10 * sec, 0), 0);
        return true;
    }
    bool again() override {
        evl_clock_advance(w_.loop, 20 * sec);
        return true;
    }
    evl_handle *handle() override { return timer_; }

  private:
    evl_timer *timer_ = nullptr;
    bool held_ = false;
};

class Wall final : public Thing {
  public:
    using Thing::Thing;
    void make(Action action) override {
        EXPECT_EQ(evl_wall_new(w_.loop, World::done(), arg(std::move(action)), &wall_), 0);
        EXPECT_EQ(evl_set_drop(wall_, World::drop), 0);
    }
    void trigger() override {
        if (wall_ && !held_) {
            EXPECT_EQ(evl_wall_start_at(wall_, evl_wall_time(w_.loop) - 1, 1), 0);
        }
    }
    bool act(Verb verb) override {
        held_ = true;
        if (verb == Verb::close)
            EXPECT_EQ(evl_close(std::exchange(wall_, nullptr)), 0);
        else if (verb == Verb::stop)
            EXPECT_EQ(evl_wall_stop(wall_), 0);
        else
            EXPECT_EQ(evl_wall_start_at(wall_, evl_wall_time(w_.loop) + 10 * sec, 0), 0);
        return true;
    }
    bool again() override {
        evl_clock_advance(w_.loop, 20 * sec);
        return true;
    }
    evl_handle *handle() override { return wall_; }

  private:
    evl_wall *wall_ = nullptr;
    bool held_ = false;
};

class Signal final : public Thing {
  public:
    using Thing::Thing;
    void make(Action action) override {
        EXPECT_EQ(evl_signal_new(w_.loop, SIGUSR1, World::done(), arg(std::move(action)), &signal_), 0);
        EXPECT_EQ(evl_set_drop(signal_, World::drop), 0);
    }
    void trigger() override {
        if (signal_)
            raise(SIGUSR1); // else nobody handles it
    }
    bool act(Verb verb) override {
        if (verb != Verb::close)
            return false;
        EXPECT_EQ(evl_close(std::exchange(signal_, nullptr)), 0);
        return true;
    }
    evl_handle *handle() override { return signal_; }

  private:
    evl_signal *signal_ = nullptr;
};

// A deferred operation. Closing is its silent verb, cancelling its stop: a completion, with another result.
class Op final : public Thing {
  public:
    using Thing::Thing;
    void make(Action action) override { op_ = w_.op(std::move(action)); }
    void trigger() override {
        if (!closed_ && !evl_op_active(op_)) {
            EXPECT_EQ(evl_defer(w_.loop, op_), 0);
        }
    }
    bool act(Verb verb) override {
        if (verb != Verb::close)
            return false;
        closed_ = true;
        EXPECT_EQ(evl_op_close(op_), 0);
        return true;
    }

  private:
    evl_op *op_ = nullptr;
    bool closed_ = false;
};

// A hook is due whenever the loop polls, once it is there.
class Hook final : public Thing {
  public:
    using Thing::Thing;
    void make(Action action) override { action_ = std::make_unique<Action>(std::move(action)); }
    void trigger() override {
        if (hook_ || held_)
            return;
        void *slot = arg(std::move(*action_));
        EXPECT_EQ(evl_hook_new(w_.loop, EVL_HOOK_AFTER_POLL, World::always, slot, &hook_), 0);
        EXPECT_EQ(evl_set_drop(hook_, World::drop), 0);
    }
    bool act(Verb verb) override {
        if (verb != Verb::close)
            return false;
        held_ = true;
        if (!hook_)
            drops++; // it was never made
        EXPECT_EQ(evl_close(std::exchange(hook_, nullptr)), 0);
        return true;
    }
    evl_handle *handle() override { return hook_; }

  private:
    std::unique_ptr<Action> action_;
    evl_hook *hook_ = nullptr;
    bool held_ = false;
};

const char *const kind_names[] = {"Io", "Timer", "Wall", "Signal", "Op", "Hook"};
constexpr int kKinds = 6;

std::unique_ptr<Thing> make(int kind, World &w, const char *name) {
    switch (kind) {
    case 0:
        return std::make_unique<Io>(w, name);
    case 1:
        return std::make_unique<Timer>(w, name);
    case 2:
        return std::make_unique<Wall>(w, name);
    case 3:
        return std::make_unique<Signal>(w, name);
    case 4:
        return std::make_unique<Op>(w, name);
    default:
        return std::make_unique<Hook>(w, name);
    }
}

struct Case {
    int actor, victim;
    Verb verb;
    bool queued;
};

void PrintTo(const Case &c, std::ostream *out) {
    *out << kind_names[c.actor] << verb_names[static_cast<int>(c.verb)] << kind_names[c.victim];
}

class CloseMatrix : public ::testing::TestWithParam<Case> {};

// One pass; records leave hooks out, so that a run that does not wait goes first.
void pass(World &w) {
    evl_clock_advance(w.loop, 1);
    if (records()) {
        EXPECT_GE(evl_loop_run(w.loop, EVL_RUN_NOWAIT), 0);
    }
    w.nowait();
}

// With `queued` both are due in the same pass, and whichever comes first acts on the other: the order is the
// kernel's or the pass's, and the pairs of the matrix cover both. Otherwise the actor alone is due, and the
// victim would be later.
TEST_P(CloseMatrix, SilenceOneDropAndNoLeak) {
    const Case c = GetParam();
    World w({.clock = EVL_CLOCK_MANUAL});
    auto a = make(c.actor, w, "a"), b = make(c.victim, w, "b");
    Thing *acted_on = nullptr;
    int ran = 0;
    bool quiet = false;
    auto action = [&](Thing *self, Thing *other) {
        return [&, self, other] {
            ran++;
            if (self == acted_on) {
                EXPECT_FALSE(quiet) << "ran after it was " << verb_names[static_cast<int>(c.verb)];
                return;
            }
            if (acted_on || !other->act(c.verb))
                return;
            acted_on = other;
            quiet = true;
        };
    };
    a->make(action(a.get(), b.get()));
    b->make(c.queued ? Action(action(b.get(), a.get())) : Action(action(b.get(), b.get())));
    a->trigger();
    if (c.queued)
        b->trigger();
    pass(w);
    pass(w);
    if (!acted_on) {
        w.destroy();
        FAIL() << "nobody acted";
    }
    for (int i = 0; i < 3; i++) {
        acted_on->trigger();
        pass(w);
    }
    if (c.verb == Verb::move) {
        quiet = false;
        int before = ran;
        if (acted_on->again())
            pass(w);
        EXPECT_GT(ran, before) << "the move was forgotten";
    }
    if (c.verb == Verb::close && !dynamic_cast<Op *>(acted_on)) {
        w.nowait();
        EXPECT_EQ(acted_on->drops, 1);
    }
    w.destroy();
    for (Thing *thing : {a.get(), b.get()})
        EXPECT_EQ(thing->drops, dynamic_cast<Op *>(thing) ? 0 : 1);
}

// The same on itself: closed, stopped and moved in its own callback.
class CloseSelf : public ::testing::TestWithParam<Case> {};

TEST_P(CloseSelf, SilenceOneDropAndNoLeak) {
    const Case c = GetParam();
    World w({.clock = EVL_CLOCK_MANUAL});
    auto thing = make(c.actor, w, "a");
    int ran = 0;
    thing->make([&] {
        if (ran++ == 0)
            thing->act(c.verb);
    });
    thing->trigger();
    for (int i = 0; i < 4; i++)
        pass(w);
    EXPECT_EQ(ran, 1);
    for (int i = 0; i < 2; i++) {
        thing->trigger();
        pass(w);
    }
    EXPECT_EQ(ran, 1);
    if (c.verb == Verb::move) {
        thing->again();
        pass(w);
        EXPECT_GE(ran, 2);
    }
    if (c.verb == Verb::close && !dynamic_cast<Op *>(thing.get())) {
        EXPECT_EQ(thing->drops, 1);
    }
    w.destroy();
}

bool has(int kind, Verb verb) { return verb == Verb::close || kind < 3; }

std::vector<Case> pairs() {
    std::vector<Case> cases;
    for (int actor = 0; actor < kKinds; actor++)
        for (int victim = 0; victim < kKinds; victim++)
            for (Verb verb : {Verb::close, Verb::stop, Verb::move})
                for (bool queued : {false, true})
                    // When both act, both must have the verb.
                    if (has(victim, verb) && (!queued || has(actor, verb)))
                        cases.push_back({actor, victim, verb, queued});
    return cases;
}

std::vector<Case> selves() {
    std::vector<Case> cases;
    for (int kind = 0; kind < kKinds; kind++)
        for (Verb verb : {Verb::close, Verb::stop, Verb::move})
            if (has(kind, verb))
                cases.push_back({kind, kind, verb, false});
    return cases;
}

std::string name_of(const ::testing::TestParamInfo<Case> &info) {
    const Case &c = info.param;
    return std::string(kind_names[c.actor]) + verb_names[static_cast<int>(c.verb)] + kind_names[c.victim] +
           (c.queued ? "InTheSamePass" : "");
}

INSTANTIATE_TEST_SUITE_P(Contract_04, CloseMatrix, ::testing::ValuesIn(pairs()), name_of);
INSTANTIATE_TEST_SUITE_P(Contract_04, CloseSelf, ::testing::ValuesIn(selves()), name_of);

// A callback may free everything around it: what the handle pointed to, other handles, their memory.
void callback_frees_everything() {
    World w;
    struct State {
        std::vector<evl_handle *> handles;
        int runs = 0;
    };
    auto state = std::make_unique<State>();
    std::vector<Pair> pairs(50);
    for (Pair &p : pairs) {
        p.b.put();
        state->handles.push_back(w.io(p.a, EVL_READ, [&] {
            state->runs++;
            EXPECT_EQ(state->runs, 1);
            for (evl_handle *handle : state->handles)
                evl_close(handle);
            state.reset();
        }));
    }
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(state, nullptr);
}

TEST(Close, Contract_04_ACallbackMayFreeEverythingAroundIt) { callback_frees_everything(); }
TEST(Trap, Trap_20_HandlesClosedWhileTheLoopIterates) { callback_frees_everything(); }

// Slots are used again at once: what is made in the place of what was closed must not inherit its event.
// The thread that made the loop has not been inside: what another one gives up there is given up by posts,
// which the close takes in.
TEST(Close, OnAThreadThatOnlyUsedItBetweenRuns) {
    World w;
    on_thread([&] {
        evl_future *f = nullptr;
        ASSERT_EQ(evl_future_new(w.loop, &f), 0);
        evl_future_unref(f);
        EXPECT_EQ(w.close(), 0);
    });
}

TEST(Close, WhatWasPostedIsStillInTheWay) {
    World w;
    evl_future *f = nullptr;
    ASSERT_EQ(evl_future_new(w.loop, &f), 0);
    ASSERT_EQ(evl_future_on_done(f, [](void *, int64_t) {}, nullptr), 0);
    ASSERT_EQ(evl_future_post(f, 1), 0);
    EXPECT_EQ(w.close(), EVL_EBUSY);
    EXPECT_EQ(w.post(w.says("posted")), 0);
    EXPECT_EQ(w.close(), EVL_EBUSY);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "posted");
    evl_future_unref(f);
    EXPECT_EQ(w.close(), 0);
}

TEST(Close, Contract_04_AReusedSlotInheritsNothing) {
    World w;
    std::vector<Pair> pairs(20);
    std::vector<evl_handle *> handles;
    Pair quiet;
    int news = 0, ran = 0;
    for (Pair &p : pairs) {
        p.b.put();
        handles.push_back(w.io(p.a, EVL_READ, [&] {
            ran++;
            for (evl_handle *handle : handles)
                evl_close(handle);
            for (size_t i = 0; i < handles.size(); i++) {
                w.io(quiet.a, EVL_READ, [&] { news++; });
                w.timer([&] { news++; });
            }
            handles.clear();
        }));
    }
    w.nowait();
    w.nowait();
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(news, 0);
}

} // namespace
