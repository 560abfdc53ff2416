// tasks.hpp - what the tests of coroutines share: a loop whose clock jumps, and a log.
#pragma once

#include "world.hpp"

#include <evloop.hpp>

#include <chrono>
#include <string>

namespace support {

using namespace std::chrono_literals;
using evloop::task;

// Runs a task to its end on the world's loop; what is left is cancelled and joined.
template <class T>
auto run(World &w, task<T> main) {
    return evloop::run(w.loop, std::move(main));
}

// Says its name when it begins, and how it ends: "a" ... "a-" or "a!" when it was cancelled.
class Trace {
  public:
    Trace(World &w, std::string name) : w_(w), name_(std::move(name)) { w_.note(name_); }
    Trace(const Trace &) = delete;
    ~Trace() { w_.note(name_ + (done_ ? "." : "!")); }
    void done() { done_ = true; }

  private:
    World &w_;
    std::string name_;
    bool done_ = false;
};

inline task<> sleeps(std::chrono::nanoseconds time) { co_await evloop::sleep(time); }
inline task<> sleeps_named(World &w, std::string name, std::chrono::nanoseconds time) {
    Trace trace(w, std::move(name));
    co_await evloop::sleep(time);
    trace.done();
}
template <class T>
task<T> gives(T value, std::chrono::nanoseconds after = 0ns) {
    co_await evloop::sleep(after);
    co_return value;
}
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};
inline task<int> throws(std::string what, std::chrono::nanoseconds after = 0ns) {
    co_await evloop::sleep(after);
    throw Error(what);
}

// How an await ends: "value", "cancelled", or what() of what it throws.
template <class A>
task<std::string> how(A awaitable) {
    std::string outcome = "value";
    try {
        static_cast<void>(co_await static_cast<A &&>(awaitable));
    } catch (const evloop::cancelled &) {
        outcome = "cancelled";
    } catch (const std::exception &error) {
        outcome = error.what();
    }
    co_return outcome;
}
template <class T>
task<std::string> how_of(evloop::spawned<T> &job) {
    return how<evloop::spawned<T> &>(job);
}

} // namespace support
