// cancelling.cpp - who is cancelled, when, and how it is counted.
#include "story.hpp"

using namespace story;

static task<> awaits(const char *name, evloop::future<int> future) { co_await how(name, future); }

SCENARIO(a_waiting_task_is_cancelled) {
    auto job = spawn(nap("job", 100));
    co_await yield();
    note("main", job.cancel());
    note("main", job.done());
    co_await how("job", job);
    note("main", job.is_cancelled());
    note("main", job.cancel());
    note_time();
}

SCENARIO(cancelled_before_its_first_step) {
    auto job = spawn(nap("job", 100));
    note("main", job.cancel());
    co_await how("job", job);
}

SCENARIO(cancelled_when_what_it_awaits_is_done) {
    evloop::future<int> future;
    auto job = spawn(awaits("job", future));
    co_await yield();
    future.resolve(1);
    note("main", job.cancel());
    note("main", evl_future_state(future.c()) == EVL_FUTURE_CANCELLED);
    co_await how("main", job);
}

SCENARIO(cancelling_goes_to_the_future) {
    evloop::future<int> future;
    auto job = spawn(awaits("job", future));
    co_await yield();
    job.cancel();
    note("future", evl_future_state(future.c()) == EVL_FUTURE_CANCELLED);
    co_await how("main", job);
}

template <class T>
static task<> awaits_then_naps(spawned<T> &inner) {
    co_await how("outer", inner);
    co_await nap("outer", 1);
}

SCENARIO(cancelling_goes_to_the_inner_task) {
    auto inner = spawn(nap("inner", 100));
    auto outer = spawn(awaits_then_naps(inner));
    co_await yield();
    note("main", outer.cancel());
    note("main", outer.cancelling());
    note("main", inner.cancelling());
    co_await how("main", outer);
    note("inner", inner.is_cancelled());
}

SCENARIO(an_inner_task_swallows_it) {
    auto inner = spawn(swallows("inner", 100, 5));
    auto outer = spawn(awaits_then_naps(inner));
    co_await yield();
    co_await yield();
    note("main", outer.cancel());
    co_await how("main", outer);
}

SCENARIO(a_cancelled_child_does_not_cancel_its_parent) {
    auto child = spawn(nap("child", 100));
    co_await yield();
    child.cancel();
    co_await how("child", child);
    note("main", this_task().cancelling());
    co_await nap("main", 1);
}

SCENARIO(who_cancels_himself_is_cancelled_at_the_next_await) {
    co_await how("main", spawn([]() -> task<> {
                     this_task().cancel();
                     note("job", "still here");
                     co_await nap("job", 1);
                 }()));
}

static task<> cancels_inside() {
    this_task().cancel();
    co_await nap("inner", 1);
}

SCENARIO(through_nested_coroutines) {
    co_await how("main", spawn([]() -> task<> {
                     co_await how("outer", cancels_inside());
                     co_await nap("outer", 1);
                 }()));
}

SCENARIO(who_cancels_himself_and_returns_is_cancelled) {
    co_await how("main", spawn([]() -> task<int> {
                     this_task().cancel();
                     co_return 3;
                 }()));
}

SCENARIO(a_task_swallows_it) {
    auto job = spawn(swallows("job", 100, 9));
    co_await yield();
    job.cancel();
    co_await how("job", job);
    note("job", job.is_cancelled());
}

SCENARIO(it_is_delivered_once) {
    auto job = spawn([]() -> task<> {
        co_await swallows("job", 100, 1);
        co_await nap("job", 5);
        note("job", this_task().cancelling());
    }());
    co_await yield();
    job.cancel();
    co_await how("main", job);
    note_time();
}

SCENARIO(cancelled_again_and_again) {
    auto job = spawn([]() -> task<> {
        for (int n = 0; n < 3; n++) {
            co_await swallows("job", 100, 1);
            note("job", this_task().cancelling());
        }
    }());
    co_await yield();
    for (int n = 0; n < 3; n++) {
        note("main", job.cancel());
        co_await yield();
        co_await yield();
    }
    co_await how("main", job);
}

SCENARIO(twice_before_it_is_delivered) {
    auto job = spawn(swallows("job", 100, 1));
    co_await yield();
    note("main", std::vector<bool>{job.cancel(), job.cancel()});
    note("main", job.cancelling());
    co_await how("main", job);
    note("main", job.cancelling());
}

SCENARIO(counting_down) {
    auto job = spawn([]() -> task<> {
        auto me = this_task();
        note("job", std::vector<std::uint32_t>{me.cancelling(), me.uncancel()});
        co_await swallows("job", 100, 1);
        note("job", std::vector<std::uint32_t>{me.cancelling(), me.uncancel(), me.uncancel(), me.uncancel()});
    }());
    co_await yield();
    job.cancel();
    job.cancel();
    co_await how("main", job);
}

static task<> changes_his_mind(int cancels) {
    auto me = this_task();
    for (int n = 0; n < cancels; n++)
        me.cancel();
    note("job", me.uncancel());
    co_await nap("job", 1);
}

SCENARIO(taking_back_what_was_not_delivered) { co_await how("main", spawn(changes_his_mind(1))); }

SCENARIO(taking_back_one_of_two) { co_await how("main", spawn(changes_his_mind(2))); }

SCENARIO(cleaning_up_takes_time) {
    auto job = spawn(cleans_up("job", 100, 3));
    co_await yield();
    job.cancel();
    co_await how("main", job);
    note_time();
}

SCENARIO(cancelled_while_it_cleans_up) {
    auto job = spawn(cleans_up("job", 100, 50));
    co_await yield();
    job.cancel();
    co_await rest(1);
    job.cancel();
    co_await how("main", job);
    note_time();
}
