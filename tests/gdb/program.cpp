// program.cpp - what gdb is shown: a task that calls another coroutine, which waits, and one that stops it
// all.
#include <evloop.hpp>

#include <csignal>

using namespace std::chrono_literals;

namespace {

evloop::task<> waits() { co_await evloop::sleep(100s); }
evloop::task<> calls() { co_await waits(); }

evloop::task<> program() {
    auto job = evloop::spawn(calls());
    job.set_name("worker");
    co_await evloop::sleep(10ms);
    std::raise(SIGTRAP); // for the debugger
}

} // namespace

int main() { return evloop::run_main(program()); }
