// module.hpp - a copy of the C++ layer in each of two modules that hide it from one another.
#pragma once

#include <evloop.hpp>
#include <string>

#define SEEN __attribute__((visibility("default")))

// What the plugin offers. Each is a coroutine of the plugin's, awaited by the program.
struct Plugin {
    evloop::task<int> (*sleeps)();
    evloop::task<int> (*spawns)();
    evloop::task<int> (*limits)();
    evloop::task<int> (*gathers)();
    evloop::task<int> (*locks)();
    evloop::task<int> (*fails)();
    evloop::task<int> (*is_cancelled)();
    // Runs inside a coroutine of the program's, and answers for it.
    bool (*knows_the_task)(const evloop::any_task &);
    bool (*knows_the_category)(const std::error_code &);
    // Throws inside a callback on the loop.
    void (*throws_in_a_callback)(evl_loop *);
};

extern "C" SEEN const Plugin plugin;
