// program.cpp - a program and its plugin, both compiled with -fvisibility=hidden as plugins are, have one
// running task, one error category and one error hook between them.
#include "module.hpp"

#include <cstdio>
#include <dlfcn.h>
#include <string>

using namespace evloop;

namespace {

int wrong = 0;

void expect(bool right, const char *what) {
    if (right)
        return;
    std::fprintf(stderr, "wrong: %s\n", what);
    wrong++;
}

task<> awaits(const Plugin &plugin) {
    const int one = co_await plugin.sleeps();
    const int two = co_await plugin.spawns();
    const int three = co_await plugin.limits();
    const int four = co_await plugin.gathers();
    const int five = co_await plugin.locks();
    expect(one == 1 && two == 2 && three == 3 && four == 4 && five == 5, "values");
    expect(plugin.knows_the_task(this_task()), "the running task");
    const auto failed = co_await as_result(plugin.fails());
    expect(failed.code() == EVL_ECONNREFUSED, "as_result");
    expect(plugin.knows_the_category(failed.error()), "the category, in the plugin");
    try {
        co_await plugin.fails();
    } catch (const std::system_error &error) {
        expect(error.code() == std::errc::connection_refused, "the condition");
        expect(error.code() == make_error_code(EVL_ECONNREFUSED), "the code");
        expect(error.code().category() == error_category(), "the category");
    }
    auto job = spawn(plugin.is_cancelled());
    bool cancelled = false;
    try {
        co_await job;
    } catch (const evloop::cancelled &) {
        cancelled = true;
    }
    expect(cancelled, "a cancellation crosses");
}

std::string message(const std::exception_ptr &error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception &e) {
        return e.what();
    } catch (...) {
        return "another";
    }
}

} // namespace

int main(int, char **argv) {
    void *module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    const auto &plugin = *static_cast<const Plugin *>(dlsym(module, "plugin"));
    // The plugin is the first to use the category; later it is unloaded, and the program has its own.
    expect(!plugin.knows_the_category(std::error_code()), "a category of another");
    evloop::loop loop;
    run(loop, awaits(plugin));
    std::string heard;
    loop.on_error([&](const std::exception_ptr &error) { heard = message(error); });
    plugin.throws_in_a_callback(loop);
    loop.run();
    expect(heard == "the plugin's", "an exception of the plugin's in the program's hook");
    loop = evloop::loop();
    dlclose(module);
    expect(make_error_code(EVL_EPIPE).message() == evl_strerror(EVL_EPIPE), "an error after the plugin");
    return wrong;
}
