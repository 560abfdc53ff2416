// threads.cpp - threads and tasks: a thread starts tasks and waits for what they give, and sends lines that
// the loop receives; the loop reads files on threads, four at a time.
//     threads FILE...
//
// Prints how many lines each file has, in the order of the arguments, or why that is not known.
#include <evloop.hpp>
#include <evloop/channel.hpp>
#include <evloop/file.hpp>
#include <evloop/local.hpp>
#include <evloop/thread.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

using evloop::task;

// Which request a task works for: known to all that it awaits and spawns, and handed on by none of them.
static evloop::task_local<std::string> request;

static task<std::string> count(const std::string &path) {
    const auto text = co_await evloop::as_result(evloop::file::read_whole(path));
    const auto lines = text.transform([](const std::string &all) { return std::ranges::count(all, '\n'); });
    co_return request.get() + ": " + path + ": " +
        (lines ? std::to_string(*lines) + " lines" : lines.error().message());
}

static task<std::vector<std::string>> count_all(std::string name, std::vector<std::string> paths) {
    request.set(std::move(name));
    co_return co_await evloop::map(paths, count, 4); // no more than 4 at a time, in order
}

static task<> program(std::vector<std::string> paths) {
    evloop::task_poster tasks;        // for threads: starts tasks on this loop
    evloop::channel<std::string> out; // between threads and loops, with room for any number
    std::thread asks([=] {
        std::future<std::vector<std::string>> counted = tasks.spawn(count_all, "the thread", paths);
        for (const std::string &line : counted.get()) // blocks this thread, and not the loop
            out.try_send(line);
        out.close();
    });
    while (const auto line = co_await out.next())
        std::printf("%s\n", line->c_str());
    asks.join();
}

int main(int argc, char **argv) { return evloop::run_main(program({argv + 1, argv + argc})); }
