// groups.cpp - tasks that end together.
#include "story.hpp"

using namespace story;
using evloop::with_group;

SCENARIO(a_group_joins_all) {
    co_await with_group([](task_group &group) -> task<> {
        group.spawn(nap("a", 3));
        group.spawn(nap("b", 1));
        group.spawn(nap("c", 2));
        note("body", "ends");
        co_return;
    });
    note("main", "joined");
}

SCENARIO(a_group_of_none) {
    co_await with_group([](task_group &) -> task<> {
        note("body", "ends");
        co_return;
    });
    note("main", "joined");
}

SCENARIO(the_first_error_ends_a_group) {
    co_await how("main",
                 group_of(several(nap("a", 100), fails("b", 2, EVL_EIO), nap("c", 1), nap("d", 100))));
    note_time();
}

SCENARIO(an_error_cancels_the_body) {
    co_await how("main", group_of(several(fails("a", 2, EVL_EIO), nap("b", 100)), 50));
    note("main", this_task().cancelling());
    co_await nap("main", 1);
    note_time();
}

static task<> body_fails() {
    co_await with_group([](task_group &group) -> task<> {
        group.spawn(cleans_up("a", 100, 2));
        co_await yield();
        evloop::throw_error(EVL_EPERM);
    });
}

SCENARIO(an_error_of_the_body) {
    co_await how("main", body_fails());
    note_time();
}

SCENARIO(a_group_waits_for_cleanups) {
    co_await how("main",
                 group_of(several(fails("a", 1, EVL_EIO), cleans_up("b", 100, 5), cleans_up("c", 100, 3))));
    note_time();
}

static task<> group_with_errors(std::vector<std::string> &others) {
    task_group group;
    group.spawn(fails("a", 1, EVL_EIO));
    group.spawn(fails_when_cancelled("b", EVL_EPIPE));
    try {
        co_await group.join();
    } catch (...) {
        for (std::size_t i = 1; i < group.errors().size(); i++)
            others.push_back(word(group.errors()[i]));
        throw;
    }
}

SCENARIO(several_errors_of_a_group) {
    std::vector<std::string> others;
    co_await how("main", group_with_errors(others));
    for (const std::string &other : others)
        note("others", other);
}

SCENARIO(a_cancelled_child_is_no_error) {
    co_await with_group([](task_group &group) -> task<> {
        auto first = group.spawn(nap("a", 100));
        group.spawn(nap("b", 2));
        co_await yield();
        first.cancel();
    });
    note("main", "joined");
    note_time();
}

SCENARIO(a_group_is_cancelled_from_outside) {
    auto job = spawn(group_of(several(nap("a", 100), cleans_up("b", 100, 3)), 200));
    co_await rest(1);
    job.cancel();
    co_await how("main", job);
    note("main", job.is_cancelled());
    note_time();
}

SCENARIO(cancelled_while_it_joins) {
    auto job = spawn(group_of(several(cleans_up("a", 100, 50))));
    co_await rest(1);
    for (int n = 0; n < 3; n++) {
        note("main", job.cancel());
        co_await rest(1);
    }
    note("main", job.cancelling());
    co_await how("main", job);
    note_time();
}

SCENARIO(an_error_goes_before_a_cancellation) {
    auto job = spawn(group_of(several(fails_when_cancelled("a", EVL_EIO)), 100));
    co_await rest(1);
    job.cancel();
    co_await how("main", job);
}

SCENARIO(the_count_stays_when_an_error_goes_first) {
    auto job = spawn([]() -> task<> {
        co_await how("group", group_of(several(fails_when_cancelled("a", EVL_EIO)), 100));
        note("outer", this_task().cancelling());
        co_await nap("outer", 1);
    }());
    co_await rest(1);
    job.cancel();
    co_await how("main", job);
}

SCENARIO(cancelled_while_a_group_ends_by_an_error) {
    auto job = spawn([]() -> task<> {
        co_await how("group", group_of(several(fails("a", 2, EVL_EIO), cleans_up("b", 100, 5))));
        note("outer", this_task().cancelling());
        co_await nap("outer", 1);
    }());
    co_await rest(4);
    job.cancel();
    co_await how("main", job);
    note_time();
}

static task<> group_inside() {
    co_await how("inner", group_of(several(fails("a", 2, EVL_EIO), nap("b", 100))));
}

SCENARIO(a_group_in_a_group) {
    co_await how("outer", group_of(several(group_inside(), nap("c", 5))));
    note_time();
}

SCENARIO(an_error_goes_through_two_groups) {
    auto inner = group_of(several(fails("a", 2, EVL_EIO), nap("b", 100)));
    co_await how("outer", group_of(several(std::move(inner), nap("c", 100))));
    note_time();
}

SCENARIO(a_timeout_around_a_group) {
    co_await how("main", within(5, group_of(several(nap("a", 100), cleans_up("b", 100, 2)), 100)));
    note_time();
    note("main", this_task().cancelling());
}

SCENARIO(a_group_around_a_timeout) {
    co_await how("main", group_of(several(how("limit", within(2, nap("a", 100))), nap("b", 5))));
}

static task<> spawns_another(task_group &group) {
    co_await nap("a", 1);
    group.spawn(nap("late", 2));
}

SCENARIO(a_child_spawns_while_the_group_ends) {
    co_await with_group([](task_group &group) -> task<> {
        group.spawn(spawns_another(group));
        co_return;
    });
    note_time();
}

SCENARIO(a_group_that_has_ended_refuses) {
    task_group group;
    group.spawn(nap("a", 1));
    co_await group.join();
    try {
        group.spawn(nap("late", 1));
    } catch (...) {
        note("main", word(std::current_exception()));
    }
}

static task<> spawns_when_cancelled(task_group &group) {
    try {
        co_await nap("a", 100);
    } catch (const evloop::cancelled &) {
        try {
            group.spawn(nap("late", 1));
        } catch (const evloop::cancelled &) { // which is how it refuses
            note("a", "refused");
        }
        throw;
    }
}

static task<> group_that_refuses() {
    co_await with_group([](task_group &group) -> task<> {
        group.spawn(spawns_when_cancelled(group));
        group.spawn(fails("b", 1, EVL_EIO));
        co_return;
    });
}

SCENARIO(a_group_that_aborts_refuses) { co_await how("main", group_that_refuses()); }
