// evloop.cpp - the echo server of coroutines.
#include "../peers.h"

#include <evloop.hpp>

#include <vector>

namespace {

using evloop::task;

task<> echo(evl_loop *loop, int fd) {
    evloop::stream stream(loop, fd, EVL_STREAM_KEEP_FD);
    char buf[ROOM];
    for (;;) {
        const std::size_t n = co_await stream.read(buf);
        if (n == 0)
            break;
        stream.write({buf, n});
        co_await stream.drain();
        echo_done();
    }
}

task<> serve(const int *fds, int n) {
    std::vector<evloop::spawned<>> sessions;
    for (int i = 0; i < n; i++)
        sessions.push_back(evloop::spawn(echo(evloop::this_loop(), fds[i])));
    co_await evloop::yield(); // they wait for their first messages
    echo_begin();
    for (auto &session : sessions)
        co_await session;
}

} // namespace

void serve_coroutine(const int *fds, int n) { evloop::run(serve(fds, n)); }
