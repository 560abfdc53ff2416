// libcoro.cpp - the echo server of libcoro, its loop and its coroutines on one thread.
#include "../peers.h"

#if BENCH_LIBCORO

#    include <coro/coro.hpp>
#    include <span>
#    include <unistd.h>

namespace {

coro::task<void> echo(std::unique_ptr<coro::scheduler> &scheduler, int fd) {
    co_await scheduler->schedule();
    coro::net::tcp::client client(scheduler, {"127.0.0.1", 1});
    client.socket() = coro::net::socket(::dup(fd)); // which it closes
    client.socket().blocking(coro::net::socket::blocking_t::no);
    char buf[ROOM];
    std::span<char> room(buf);
    for (;;) {
        const auto [status, got] = co_await client.read_some(room);
        if (!status.is_ok())
            break;
        const auto [written, rest] = co_await client.write_all(got);
        BENCH_CHECK(written.is_ok() && rest.empty());
        echo_done();
    }
}

} // namespace

void serve_libcoro(const int *fds, int n) {
    auto scheduler = coro::scheduler::make_unique(
        {.thread_strategy = coro::scheduler::thread_strategy_t::manual,
         .execution_strategy = coro::scheduler::execution_strategy_t::process_tasks_inline});
    for (int i = 0; i < n; i++)
        scheduler->spawn_detached(echo(scheduler, fds[i]));
    scheduler->process_events(); // they wait for their first messages
    echo_begin();
    while (scheduler->process_events(std::chrono::milliseconds(1000)) > 0) {
    }
}
#endif
