// plugin.cpp - the other module: everything but `plugin` is hidden.
#include "module.hpp"

#include <stdexcept>

using namespace evloop;
using namespace std::chrono_literals;

namespace {

task<int> gives(int value) { co_return value; }

task<int> sleeps() {
    co_await sleep(1ms);
    co_return 1;
}
task<int> spawns() {
    auto job = spawn(gives(2));
    co_return co_await job;
}
task<int> limits() {
    co_await timeout(1h, sleep(1ms));
    co_return 3;
}
task<int> gathers() {
    co_await gather(sleep(1ms), sleep(1ms));
    co_return 4;
}
task<int> locks() {
    lock own;
    auto guard = co_await own.scoped();
    co_return 5;
}
task<int> fails() {
    throw_error(EVL_ECONNREFUSED);
    co_return 6;
}
task<int> is_cancelled() {
    this_task().cancel();
    co_await sleep(1h);
    co_return 7;
}
bool knows_the_task(const any_task &task) { return this_task() == task; }
bool knows_the_category(const std::error_code &code) { return code.category() == error_category(); }
void throws_in_a_callback(evl_loop *loop) {
    loop_ref(loop).call_soon([] { throw std::runtime_error("the plugin's"); });
}

} // namespace

extern "C" const Plugin plugin = {sleeps,
                                  spawns,
                                  limits,
                                  gathers,
                                  locks,
                                  fails,
                                  is_cancelled,
                                  knows_the_task,
                                  knows_the_category,
                                  throws_in_a_callback};
