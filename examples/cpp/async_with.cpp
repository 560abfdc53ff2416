// async_with.cpp - resources whose taking and giving back both wait, given back however their use ends.
#include <evloop.hpp>

#include <cstdio>
#include <stdexcept>

using namespace std::chrono_literals;
using evloop::task;

struct connection {
    int queries = 0;
    task<int> query(const char *text) {
        co_await evloop::sleep(1ms);
        std::printf("%s\n", text);
        co_return ++queries;
    }
};

// What Python's __aenter__ and __aexit__ are.
class database {
  public:
    task<connection *> enter() {
        std::printf("connecting\n");
        co_await evloop::sleep(10ms);
        co_return &connection_;
    }
    task<> exit() {
        co_await evloop::sleep(10ms);
        std::printf("closed after %d queries\n", connection_.queries);
    }

  private:
    connection connection_;
};

static task<int> two_queries(connection *c) {
    co_await c->query("select 1");
    co_return co_await c->query("select 2");
}

static task<int> fails(connection *c) {
    co_await c->query("select nothing");
    throw std::runtime_error("no such table");
}

static task<> with_a_lock(evloop::lock &lock, const char *name) {
    auto held = co_await lock.scoped(); // given back at the end of the block
    std::printf("%s has the lock\n", name);
    co_await evloop::sleep(1ms);
    std::printf("%s gives it back\n", name);
}

static task<> all() {
    database one, another;
    const int queries = co_await evloop::with(one, two_queries);
    std::printf("the body gave %d\n", queries);
    try {
        co_await evloop::with(another, fails);
    } catch (const std::runtime_error &error) {
        std::printf("the body threw: %s\n", error.what());
    }
    evloop::lock lock;
    co_await evloop::gather(with_a_lock(lock, "A"), with_a_lock(lock, "B"));
}

int main() { return evloop::run(all()); }
