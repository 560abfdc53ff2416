// story.hpp - what the scenarios of tasks share. Each has the same name and notes the same as the one in
// task_scenarios.py.
#pragma once

#include <evloop.hpp>

#include <cstdio>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace story {

using namespace std::chrono_literals;
using evloop::spawn;
using evloop::spawned;
using evloop::task;
using evloop::task_group;
using evloop::this_task;
using evloop::yield;

constexpr auto tick = 1ms;
constexpr int forever = -1000;

struct scenario {
    const char *name;
    task<> (*run)();
    scenario(const char *its_name, task<> (*function)()); // registers it
};
std::vector<scenario *> &scenarios();

#define SCENARIO(name)                                                                                       \
    static task<> name();                                                                                    \
    static story::scenario name##_scenario(#name, name);                                                     \
    static task<> name()

// --- noting, in Python's words

inline std::string text(const char *word) { return word; }
inline std::string text(const std::string &word) { return word; }
inline std::string text(bool value) { return value ? "True" : "False"; }
inline std::string text(int value) { return std::to_string(value); }
inline std::string text(std::uint32_t value) { return std::to_string(value); }
template <class T>
std::string text(const std::vector<T> &values) {
    std::string all;
    for (T value : values)
        all += (all.empty() ? "" : ", ") + text(value);
    return "[" + all + "]";
}

template <class T>
void note(const std::string &who, const T &what) {
    std::printf("%s: %s\n", who.c_str(), text(what).c_str());
}
void note_time();
void busy(int ticks); // time passes, and nothing runs

// What an exception is called.
std::string word(std::int32_t code);
std::string word(const std::exception_ptr &error);

// --- tasks

task<> nap(std::string name, int ticks);
task<int> gives(std::string name, int ticks, int value);
task<> fails(std::string name, int ticks, std::int32_t error);
task<> cleans_up(std::string name, int ticks, int cleanup); // takes its time to end
task<int> swallows(std::string name, int ticks, int value);
task<> fails_when_cancelled(std::string name, std::int32_t error);
inline evloop::sleep_awaitable rest(int ticks) { return evloop::sleep(ticks * tick); }

// Notes how an await ends.
template <class A>
task<> how_it_ends(std::string name, A awaitable) {
    std::string outcome = "done";
    try {
        if constexpr (std::is_void_v<evloop::await_result_t<A>>) {
            co_await static_cast<A &&>(awaitable);
        } else {
            const int value = co_await static_cast<A &&>(awaitable);
            outcome = "value " + text(value);
        }
    } catch (...) {
        outcome = word(std::current_exception());
    }
    note(name, outcome);
}
template <class A>
auto how(std::string name, A &&awaitable) {
    return how_it_ends<A>(std::move(name), std::forward<A>(awaitable));
}

// What a task that runs elsewhere comes to; ticks: forever for no limit.
template <class T>
task<T> within(int ticks, task<T> what) {
    if (ticks == forever)
        co_return co_await evloop::timeout_at(evloop::never, std::move(what));
    co_return co_await evloop::timeout(ticks * tick, std::move(what));
}

template <class... T>
std::vector<task<>> several(T... tasks) {
    std::vector<task<>> all;
    (all.push_back(std::move(tasks)), ...);
    return all;
}
task<> group_of(std::vector<task<>> children, int body = 0);

template <class... T>
std::vector<spawned<>> spawn_all(T... tasks) {
    std::vector<spawned<>> all;
    (all.push_back(spawn(std::move(tasks))), ...);
    return all;
}

} // namespace story
