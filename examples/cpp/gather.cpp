// gather.cpp - several at once: what asyncio's page on gather shows, and what it prints there.
#include <evloop.hpp>

#include <cstdio>

using namespace std::chrono_literals;
using evloop::task;

static task<int> factorial(const char *name, int number) {
    int product = 1;
    for (int i = 2; i <= number; i++) {
        std::printf("Task %s: Compute factorial(%d), currently i=%d...\n", name, number, i);
        co_await evloop::sleep(20ms);
        product *= i;
    }
    std::printf("Task %s: factorial(%d) = %d\n", name, number, product);
    co_return product;
}

static task<int> fails() {
    co_await evloop::sleep(1ms);
    evloop::throw_error(EVL_ECONNREFUSED);
}

static task<int> cancelled_with_it() {
    try {
        co_await evloop::sleep(1h);
    } catch (const evloop::cancelled &) {
        std::printf("the other one is cancelled\n");
        throw;
    }
    co_return 0;
}

static task<> all() {
    const auto [a, b, c] = co_await evloop::gather(factorial("A", 2), factorial("B", 3), factorial("C", 4));
    std::printf("[%d, %d, %d]\n", a, b, c);

    // When one fails the others are cancelled, and have ended when the error is thrown.
    try {
        co_await evloop::gather(fails(), cancelled_with_it());
    } catch (const std::system_error &error) {
        std::printf("gather: %s\n", error.code().message().c_str());
    }

    // Errors as values; as_outcome does what return_exceptions=True does, for any exception.
    const auto [good, bad] =
        co_await evloop::gather(evloop::as_result(factorial("D", 2)), evloop::as_result(fails()));
    std::printf("%d, %s\n", *good, bad.error().message().c_str());
}

int main() { return evloop::run(all()); }
