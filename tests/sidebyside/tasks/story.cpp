// story.cpp - runs the scenario whose name is given, and prints what it notes.
#include "story.hpp"

#include <cstring>

namespace story {

namespace {
std::int64_t began;
}

std::vector<scenario *> &scenarios() {
    static std::vector<scenario *> all;
    return all;
}

scenario::scenario(const char *its_name, task<> (*function)()) : name(its_name), run(function) {
    scenarios().push_back(this);
}

void note_time() {
    note("clock",
         static_cast<int>((evl_time(evloop::this_loop()) - began) / std::chrono::nanoseconds(tick).count()));
}

void busy(int ticks) {
    evloop::check(evl_clock_advance(evloop::this_loop(), ticks * std::chrono::nanoseconds(tick).count()));
}

std::string word(std::int32_t code) {
    switch (code) {
    case EVL_ETIMEDOUT:
        return "timed out";
    case EVL_EALREADY:
    case EVL_ECANCELED: // a group that is ending refuses
    case EVL_ECLOSED:
    case EVL_EDEADLK:
        return "refused";
    default:
        return "error " + std::string(evl_err_name(code) + std::strlen("EVL_"));
    }
}

std::string word(const std::exception_ptr &error) {
    try {
        std::rethrow_exception(error);
    } catch (const evloop::cancelled &) {
        return "cancelled";
    } catch (const std::system_error &known) {
        return word(static_cast<std::int32_t>(known.code().value()));
    }
}

task<> nap(std::string name, int ticks) {
    note(name, "begins");
    try {
        co_await rest(ticks);
    } catch (const evloop::cancelled &) {
        note(name, "cancelled");
        throw;
    }
    note(name, "ends");
}

task<int> gives(std::string name, int ticks, int value) {
    co_await nap(std::move(name), ticks);
    co_return value;
}

task<> fails(std::string name, int ticks, std::int32_t error) {
    co_await nap(std::move(name), ticks);
    evloop::throw_error(error);
}

// Whether it was cancelled.
static task<bool> is_cancelled(task<> what) {
    bool cancelled = false;
    try {
        co_await std::move(what);
    } catch (const evloop::cancelled &) {
        cancelled = true;
    }
    co_return cancelled;
}

task<> cleans_up(std::string name, int ticks, int cleanup) {
    const bool cancelled = co_await is_cancelled(nap(name, ticks));
    if (!cancelled)
        co_return;
    co_await nap(name + "'s cleanup", cleanup);
    throw evloop::cancelled{};
}

task<int> swallows(std::string name, int ticks, int value) {
    const bool cancelled = co_await is_cancelled(nap(name, ticks));
    if (cancelled)
        note(name, "goes on");
    co_return value;
}

task<> fails_when_cancelled(std::string name, std::int32_t error) {
    const bool cancelled = co_await is_cancelled(nap(name, 100));
    if (cancelled)
        evloop::throw_error(error);
}

task<> group_of(std::vector<task<>> children, int body) {
    co_await evloop::with_group([&](task_group &group) -> task<> {
        for (task<> &child : children)
            group.spawn(std::move(child));
        if (body > 0)
            co_await nap("body", body);
    });
}

static void run(const scenario &one) {
    evloop::loop_options options;
    options.time = evloop::clock::jump;
    options.poll_interval = 1;
    evloop::loop loop(options);
    loop.on_error([](std::exception_ptr error) { note("loop", "unhandled " + word(error)); });
    began = evl_time(loop);
    try {
        evloop::run(loop, one.run());
    } catch (...) {
        note("main", word(std::current_exception()));
    }
}

} // namespace story

int main(int argc, char **argv) {
    for (const story::scenario *one : story::scenarios())
        if (argc == 2 && std::strcmp(one->name, argv[1]) == 0) {
            story::run(*one);
            return 0;
        }
    std::printf("there is no such scenario\n");
    return 1;
}
