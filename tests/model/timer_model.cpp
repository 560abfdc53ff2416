#include "timer_model.hpp"
#include "peek.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace model {
namespace {

__extension__ typedef __int128 wide; // in which nothing overflows

constexpr size_t kDueMax = 256; // timers queued per pass

int64_t saturated_add(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

} // namespace

TimerModel::TimerModel(Face face, uint64_t seed) : random(seed), face_(face) {
    evl_options options{};
    options.struct_size = sizeof options;
    options.clock = EVL_CLOCK_MANUAL;
    options.alloc = support::Memory::resize;
    options.alloc_ctx = &memory_;
    EXPECT_EQ(evl_loop_new(&loop_, &options), 0);
    now_ = evl_now(loop_);
}

TimerModel::~TimerModel() {
    EXPECT_EQ(fault_, "");
    EXPECT_EQ(evl_loop_destroy(loop_), 0);
}

void TimerModel::expect(bool condition, const char *what) {
    if (!condition && fault_.empty())
        fault_ = what;
}

// --- what a timer must do
// -------------------------------------------------------------------------------------

void TimerModel::set(Timer &timer, int64_t deadline, uint64_t order) {
    timer.exact = deadline;
    if (timer.grid > 1 && deadline < EVL_NEVER - timer.grid) {
        int64_t over = ((deadline % timer.grid) + timer.grid) % timer.grid;
        deadline += over ? timer.grid - over : 0;
    }
    timer.deadline = deadline;
    timer.order = order;
    sorted_.emplace(timer.deadline, timer.order, &timer);
}

void TimerModel::unset(Timer &timer) {
    if (timer.deadline != EVL_NEVER)
        sorted_.erase({timer.deadline, timer.order, &timer});
    timer.deadline = EVL_NEVER;
}

void TimerModel::take_back(Timer &timer) {
    if (timer.queued)
        queue_.erase(timer.place);
    timer.queued = false;
}

void TimerModel::expire(Timer &timer) {
    int64_t exact = timer.exact, count = 1;
    unset(timer);
    if (timer.repeat > 0) {
        auto missed = static_cast<uint64_t>((static_cast<wide>(now_) - exact) / timer.repeat);
        count = missed >= INT64_MAX ? INT64_MAX : static_cast<int64_t>(missed) + 1;
        wide next = static_cast<wide>(exact) + (static_cast<wide>(missed) + 1) * timer.repeat;
        if (next < EVL_NEVER)
            set(timer, static_cast<int64_t>(next), ++order_);
    }
    if (timer.queued) {
        timer.count = saturated_add(timer.count, count);
        return;
    }
    timer.queued = true;
    timer.count = count;
    timer.place = queue_.insert(queue_.end(), &timer);
}

void TimerModel::collect() {
    for (size_t n = 0; n < kDueMax && !sorted_.empty() && next_deadline() <= now_; n++)
        expire(*std::get<2>(*sorted_.begin()));
}

// --- what it does
// -----------------------------------------------------------------------------------------------

void TimerModel::on_fire(void *arg, int64_t count) {
    auto *timer = static_cast<Timer *>(arg);
    timer->model->fire(*timer, count);
}

void TimerModel::fire(Timer &timer, int64_t count) {
    fired_++;
    expect(!queue_.empty(), "fired, and nothing is due");
    expect(queue_.empty() || queue_.front() == &timer, "fired out of order");
    expect(timer.count == count, "another number of expirations");
    if (broken())
        return;
    take_back(timer);
    if (face_ == Face::callbacks && acts_in_callbacks && below(4) == 0)
        step();
}

void TimerModel::pull_records() {
    evl_record out[400];
    auto cap = static_cast<int32_t>(below(4) ? 1 + below(400) : 1);
    int32_t n = evl_loop_records(loop_, out, cap, 0);
    expect(static_cast<size_t>(n) == std::min(static_cast<size_t>(cap), queue_.size()),
           "another number of records");
    for (int32_t i = 0; i < n && !broken(); i++) {
        auto *timer = reinterpret_cast<Timer *>(static_cast<uintptr_t>(out[i].user_data));
        expect(out[i].kind == EVL_KIND_TIMER && out[i].id == evl_id(timer->handle),
               "a record of another handle");
        expect(out[i].result == std::clamp<int64_t>(out[i].extra, INT32_MIN, INT32_MAX), "clamped wrong");
        fire(*timer, out[i].extra);
    }
}

void TimerModel::pass() {
    collect();
    if (face_ == Face::records) {
        pull_records();
        return;
    }
    running_ = true;
    int32_t rc = evl_loop_run(loop_, EVL_RUN_NOWAIT);
    running_ = false;
    expect(rc == (sorted_.empty() ? EVL_RUN_DONE : EVL_RUN_ALIVE), "alive although nothing is, or not");
    expect(queue_.empty(), "due, and not fired");
}

void TimerModel::advance(int64_t ns) {
    expect(evl_clock_advance(loop_, ns) == 0, "the clock does not move");
    now_ = saturated_add(now_, ns);
    expect(evl_now(loop_) == now_ && evl_time(loop_) == now_, "another time");
}

void TimerModel::make() {
    Timer &timer = timers_.emplace_back();
    timer.model = this;
    timer.index = open_.size();
    evl_done_fn *fn = face_ == Face::callbacks ? on_fire : nullptr;
    expect(evl_timer_new(loop_, fn, &timer, &timer.handle) == 0, "no timer");
    open_.push_back(&timer);
}

void TimerModel::start(size_t index, int64_t deadline, int64_t repeat) {
    start(*open_[index], deadline, repeat);
}

void TimerModel::start(Timer &timer, int64_t deadline, int64_t repeat) {
    int32_t rc;
    if (below(2) || deadline < now_ - 1000 || deadline == EVL_NEVER)
        rc = evl_timer_start_at(timer.handle, deadline, repeat);
    else
        rc = evl_timer_start_in(timer.handle, deadline - now_, repeat);
    expect(rc == 0, "not started");
    take_back(timer);
    unset(timer);
    timer.repeat = repeat;
    if (deadline != EVL_NEVER)
        set(timer, deadline, ++order_);
    expect(evl_timer_deadline(timer.handle) == timer.deadline, "another deadline");
}

void TimerModel::stop(Timer &timer) {
    expect(evl_timer_stop(timer.handle) == 0, "not stopped");
    take_back(timer);
    unset(timer);
    expect(evl_timer_deadline(timer.handle) == EVL_NEVER, "a deadline although it is stopped");
}

void TimerModel::close(Timer &timer) {
    expect(evl_close(timer.handle) == 0, "not closed");
    take_back(timer);
    unset(timer);
    open_.back()->index = timer.index;
    std::swap(open_[timer.index], open_.back());
    open_.pop_back();
}

void TimerModel::set_slack(Timer &timer) {
    int64_t slack = below(3) ? 0 : 1 + below(40);
    expect(evl_timer_set_slack(timer.handle, slack) == 0, "no slack");
    for (timer.grid = 1; timer.grid * 2 <= slack;)
        timer.grid *= 2;
}

// --- random steps
// -----------------------------------------------------------------------------------------------

// Mostly soon, so that many are equal; at times in the past, far away, or where sums overflow.
int64_t TimerModel::some_deadline() {
    switch (below(24)) {
    case 0:
        return now_ - below(1000);
    case 1:
        return saturated_add(now_, below(1'000'000));
    case 2:
        return below(8) ? saturated_add(now_, 1'000'000'000) : EVL_NEVER - below(3);
    case 3:
        return below(32) ? now_ : INT64_MIN + below(3);
    default:
        return saturated_add(now_, below(64));
    }
}

int64_t TimerModel::some_repeat() {
    switch (below(30)) {
    case 0:
        return 1 + below(20);
    case 1:
        return 1 + below(500);
    case 2:
        return below(16) ? 1000 : INT64_MAX - below(100);
    default:
        return 0;
    }
}

// Earlier, later, or started again where it is.
void TimerModel::move(Timer &timer) {
    if (timer.deadline == EVL_NEVER) {
        start(timer, some_deadline(), some_repeat());
        return;
    }
    int64_t by = below(3) * (1 + below(40));
    start(timer, saturated_add(timer.exact, below(2) ? by : -by), timer.repeat);
}

void TimerModel::touch_one() {
    if (open_.empty())
        return;
    int64_t what = below(10);
    if (what < 5)
        move(any());
    else if (what < 8)
        start(any(), some_deadline(), some_repeat());
    else
        stop(any());
}

void TimerModel::step() {
    int64_t what = below(100);
    if (broken())
        return;
    if (open_.empty() || (what < 4 && open_.size() < most_timers))
        make();
    else if (what < 8 && below(static_cast<int64_t>(most_timers)) < static_cast<int64_t>(open_.size()))
        close(any());
    else if (what < 10)
        set_slack(any());
    else if (what < 20 && !still_)
        advance(below(200) ? below(40) : below(5000));
    else if (what < 30 && !running_)
        pass();
    else
        touch_one();
}

void TimerModel::check_all() {
    for (Timer *timer : open_) {
        expect(evl_timer_deadline(timer->handle) == timer->deadline, "another deadline");
        bool active = timer->deadline != EVL_NEVER;
        expect(evl_active(timer->handle) == active, "active although it is not, or not although it is");
    }
    if (const char *fault = peek_fault(loop_))
        expect(false, fault);
}

} // namespace model
