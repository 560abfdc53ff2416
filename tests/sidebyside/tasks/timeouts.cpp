// timeouts.cpp - limits on time, and whose a cancellation is.
#include "story.hpp"

using namespace story;
using evloop::time_limit;

SCENARIO(in_time) {
    co_await how("main", within(5, gives("job", 3, 1)));
    co_await nap("main", 10);
}

SCENARIO(too_late) {
    co_await how("main", within(5, nap("job", 100)));
    note_time();
    note("main", this_task().cancelling());
}

static task<> two_turns() {
    co_await yield();
    co_await yield();
}

SCENARIO(no_time_at_all) {
    co_await how("turn", within(0, two_turns()));
    co_await how("less", within(-1, nap("job", 3)));
}

SCENARIO(as_long_as_it_takes) { co_await how("main", within(forever, gives("job", 1000, 1))); }

static task<int> hurries() {
    busy(10);
    co_return 6;
}

SCENARIO(no_await_no_timeout) {
    co_await how("main", within(5, hurries()));
    co_await nap("main", 1);
}

SCENARIO(the_body_swallows_the_timeout) {
    bool expired = false;
    co_await evloop::timeout(5 * tick, [&](time_limit &limit) -> task<> {
        co_await swallows("job", 100, 1);
        note("main", "after");
        expired = limit.expired();
    });
    note("main", expired);
    note("main", this_task().cancelling());
    co_await nap("main", 1);
}

SCENARIO(not_expired) {
    bool expired = false;
    co_await evloop::timeout(5 * tick, [&](time_limit &limit) -> task<> {
        co_await nap("job", 1);
        expired = limit.expired();
        note("main", expired);
    });
    note("main", expired);
}

SCENARIO(an_error_passes_a_timeout) { co_await how("main", within(5, fails("job", 1, EVL_EIO))); }

SCENARIO(an_error_while_it_is_timed_out) {
    co_await how("main", within(5, fails_when_cancelled("job", EVL_EPIPE)));
    note("main", this_task().cancelling());
}

SCENARIO(cleaning_up_after_a_timeout) {
    co_await how("main", within(5, cleans_up("job", 100, 3)));
    note_time();
}

SCENARIO(cancelled_inside_a_timeout) {
    auto job = spawn(within(50, nap("job", 100)));
    co_await yield();
    job.cancel();
    co_await how("main", job);
    note("main", job.is_cancelled());
    note_time();
}

SCENARIO(cancelled_and_timed_out) {
    auto job = spawn(within(5, nap("job", 100)));
    co_await rest(1);
    busy(10);
    job.cancel();
    co_await how("main", job);
}

SCENARIO(timed_out_and_cancelled) {
    auto job = spawn(within(5, cleans_up("job", 100, 10)));
    co_await rest(7);
    job.cancel();
    co_await how("main", job);
}

static task<> with_a_limit_inside(int ticks) {
    co_await how("inner", within(ticks, nap("job", 100)));
    co_await nap("between", 1);
}

SCENARIO(the_inner_timeout_is_first) { co_await how("outer", within(50, with_a_limit_inside(5))); }

SCENARIO(the_outer_timeout_is_first) { co_await how("outer", within(5, with_a_limit_inside(50))); }

static task<> takes_timeouts_only() {
    try {
        co_await within(50, nap("job", 100));
    } catch (const std::system_error &) {
        note("inner", "timed out");
    }
}

SCENARIO(the_outer_timeout_passes_the_inner) { co_await how("outer", within(5, takes_timeouts_only())); }

static task<> is_late() {
    busy(100);
    co_await nap("job", 1);
}

static task<> late_inside() {
    co_await how("inner", within(5, is_late()));
    co_await nap("between", 1);
}

SCENARIO(both_timeouts_are_late) { co_await how("outer", within(10, late_inside())); }

static evloop::time_point in(int ticks) {
    return evloop::loop_ref(evloop::this_loop()).time() + ticks * tick;
}

static task<> moves(int to) {
    co_await evloop::timeout(10 * tick, [to](time_limit &limit) -> task<> {
        co_await nap("before", 5);
        limit.reschedule(to == forever ? evloop::never : in(to));
        co_await nap("job", 20);
    });
}

SCENARIO(a_timeout_is_moved) {
    for (int to : {1, 30, forever, -1}) {
        co_await how("main", moves(to));
        note_time();
    }
}

static task<> moves_too_late() {
    co_await evloop::timeout(5 * tick, [](time_limit &limit) -> task<> {
        co_await swallows("job", 100, 1);
        try {
            limit.reschedule(in(50));
        } catch (...) {
            note("limit", word(std::current_exception()));
        }
        co_await nap("job", 1);
    });
}

SCENARIO(a_timeout_that_has_passed_is_not_moved) { co_await how("main", moves_too_late()); }

SCENARIO(waiting_for_a_value_in_time) { co_await how("main", evloop::timeout(5 * tick, gives("job", 3, 4))); }

SCENARIO(waiting_for_a_task_too_long) {
    auto job = spawn(cleans_up("job", 100, 4));
    co_await how("main", evloop::timeout(5 * tick, job));
    note("job", job.is_cancelled());
    note_time();
}

SCENARIO(what_is_waited_for_swallows_it) {
    co_await how("main", evloop::timeout(5 * tick, swallows("job", 100, 8)));
    note_time();
}
