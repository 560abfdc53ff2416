// other.cpp - tasks with exceptions in the loop of a program without.
#include "other.hpp"

#include <evloop.hpp>

#include <memory>

using namespace std::chrono_literals;
using evloop::task;

namespace {

struct Other {
    evloop::scope scope;
    evloop::future<int> done;
};
std::unique_ptr<Other> other;

task<int> throws() {
    co_await evloop::sleep(1ms);
    throw std::runtime_error("thrown");
}

task<> catches(evloop::future<int> done) {
    int value = 0;
    try {
        value = co_await throws();
    } catch (const std::runtime_error &) {
        value = 42;
    }
    done.resolve(value);
}

} // namespace

evl_future *start_other(evl_loop *loop) {
    other.reset(new Other{evloop::scope(loop), evloop::future<int>(loop)});
    other->scope.spawn(catches(other->done)).detach();
    return other->done.c();
}

void end_other() { other.reset(); }
