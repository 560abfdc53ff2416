// stop_test.cpp - a stop that another thread asks for right after cancel_on_stop has given up its future,
// which is the moment at which it would complete another future in the same place.
#include <evloop.h>
#include <stop_token>
#include <thread>
#include <utility>

static std::stop_source *asked_next;

static void unref_and_stop(evl_future *future) {
    evl_future_unref(future);
    if (std::stop_source *source = std::exchange(asked_next, nullptr))
        std::thread([source] { source->request_stop(); }).join();
}

#define evl_future_unref unref_and_stop
#include <evloop.hpp>
#include <evloop/stop.hpp>
#undef evl_future_unref

#include <cstdio>

using namespace std::chrono_literals;

namespace {

evloop::task<int> stops_while_it_ends() {
    std::stop_source source;
    {
        evloop::cancel_on_stop bound(source.get_token(), evloop::this_task());
        asked_next = &source;
    }
    evloop::future<int> unrelated; // takes the place of the other
    const auto outcome = co_await evloop::as_result(evloop::timeout(20ms, unrelated));
    if (outcome.code() == EVL_ETIMEDOUT && !asked_next)
        co_return 0;
    std::fprintf(stderr, "a future that nobody resolved: %d\n", outcome.code());
    co_return 1;
}

} // namespace

int main() { return evloop::run(stops_while_it_ends()); }
