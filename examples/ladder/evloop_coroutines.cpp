// evloop_coroutines.cpp - a coroutine for each source: it reads as the blocking style does, and none waits
// for another.
#include "ladder.h"
#include <cerrno>
#include <evloop.hpp>
#include <vector>

using evloop::task;

static task<> fetch(source *s) {
    char buf[65536];
    try {
        evloop::stream from = co_await evloop::open_connection(evloop::address::parse("127.0.0.1", s->port));
        std::size_t n;
        do
            n = co_await from.read(buf);
        while (source_take(s, buf, static_cast<std::int64_t>(n)));
    } catch (const std::system_error &error) {
        source_take(s, nullptr, -evl_err_to_errno(error.code().value()));
    }
}

static task<> fetch_all(job *j) {
    std::vector<task<>> fetches;
    for (int i = 0; i < j->count; i++)
        fetches.push_back(fetch(&j->sources[i]));
    co_await evloop::gather(std::move(fetches));
}

int style_coroutines(job *j) {
    try {
        evloop::loop loop({.flags = EVL_LOOP_NOENV, .backend = j->backend});
        evloop::run(loop, fetch_all(j));
        j->waits = loop.metrics().polls;
        return 0;
    } catch (const std::system_error &error) {
        const int native = evl_err_to_errno(error.code().value());
        return native != 0 ? -native : -EIO; // evloop has errors of its own too
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    }
}
