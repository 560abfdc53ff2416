// timer_model.hpp - a loop's timers beside a sorted list of what they must do, on a clock moved by hand.
#pragma once

#include "memory.hpp"

#include <deque>
#include <evloop.h>
#include <list>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace model {

class TimerModel {
  public:
    // Records: the loop has no callbacks, and some records wait for more than a pass.
    enum class Face { callbacks, records };

    TimerModel(Face face, uint64_t seed);
    TimerModel(const TimerModel &) = delete;
    ~TimerModel();

    // One random step: start, move, stop, advance, pass, close or new. Callbacks take such steps themselves.
    void step();
    void pass();
    void advance(int64_t ns);
    void make();
    void start(size_t index, int64_t deadline, int64_t repeat);
    void touch_one(); // start, move or stop any timer

    // Passes until nothing is due, with `between` before each. Meanwhile the time stands still.
    template <class F>
    void drain(F between) {
        still_ = true;
        while (!broken() && (!queue_.empty() || (!sorted_.empty() && next_deadline() <= now_))) {
            between();
            pass();
        }
        still_ = false;
    }

    void check_all(); // every deadline, and the queue's own invariants
    bool broken() const { return !fault_.empty(); }
    const std::string &fault() const { return fault_; }

    evl_loop *loop() { return loop_; }
    size_t open() const { return open_.size(); }
    uint64_t fired() const { return fired_; }
    int64_t now() const { return now_; }
    std::mt19937_64 random;

    size_t most_timers = 600;
    bool acts_in_callbacks = true;

    int64_t below(int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }

  private:
    struct Timer {
        TimerModel *model;
        evl_timer *handle = nullptr;
        size_t index = 0; // in open_
        int64_t deadline = EVL_NEVER;
        int64_t exact = EVL_NEVER; // without slack
        uint64_t order = 0;        // of the last start
        int64_t repeat = 0;
        int64_t grid = 0;  // of its slack
        int64_t count = 0; // of what is queued
        bool queued = false;
        std::list<Timer *>::iterator place;
    };
    using Entry = std::tuple<int64_t, uint64_t, Timer *>;

    static void on_fire(void *arg, int64_t count);
    void fire(Timer &timer, int64_t count);
    void collect();
    void expire(Timer &timer);
    void set(Timer &timer, int64_t deadline, uint64_t order);
    void unset(Timer &timer);
    void take_back(Timer &timer);
    void start(Timer &timer, int64_t deadline, int64_t repeat);
    void stop(Timer &timer);
    void move(Timer &timer);
    void close(Timer &timer);
    void set_slack(Timer &timer);
    int64_t some_deadline();
    int64_t some_repeat();
    int64_t next_deadline() const { return std::get<0>(*sorted_.begin()); }
    Timer &any() { return *open_[static_cast<size_t>(below(static_cast<int64_t>(open_.size())))]; }
    void expect(bool condition, const char *what);
    void pull_records();

    Face face_;
    support::Memory memory_;
    evl_loop *loop_ = nullptr;
    std::deque<Timer> timers_; // all that ever were: a stale pointer would be noticed
    std::vector<Timer *> open_;
    std::set<Entry> sorted_;
    std::list<Timer *> queue_;
    int64_t now_ = 0;
    uint64_t order_ = 0;
    uint64_t fired_ = 0;
    bool running_ = false;
    bool still_ = false;
    std::string fault_;
};

} // namespace model
