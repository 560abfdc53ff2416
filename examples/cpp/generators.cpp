// generators.cpp - the generators from which coroutines grew: next, send, throw, yield from.
//
// Each program is one that Python's tutorials show, and prints what it prints there.
#include <evloop/generator.hpp>

#include <cstdio>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

using evloop::from;
using evloop::generator;

// --- next: values one after the other, as many as are asked for ----------------------------------

static generator<int> fibonacci() {
    int a = 0, b = 1;
    for (;;) {
        co_yield a;
        a = std::exchange(b, a + b);
    }
}

static void next() {
    auto numbers = fibonacci();
    std::printf("%d", *numbers.next());
    for (int n : numbers) {
        if (n > 50)
            break;
        std::printf(" %d", n);
    }
    std::printf("\n");
}

// --- send: what the other side says comes out of co_yield ----------------------------------------

static generator<std::string, std::string> answers() {
    std::string value = "0";
    for (;;) {
        const std::string received = co_yield value;
        if (received == "e")
            co_return;
        value = "got: " + received;
    }
}

static void send() {
    auto g = answers();
    std::printf("%s\n", g.next()->c_str());
    std::printf("%s\n", g.send("hello")->c_str());
    std::printf("%s\n", g.send("123456")->c_str());
    std::printf("%s\n", g.send("e") ? "still there" : "StopIteration");
}

// --- throw: an exception comes out of co_yield ---------------------------------------------------

static generator<std::string> stubborn() {
    for (;;) {
        try {
            co_yield "normal value";
            co_yield "normal value 2";
            std::printf("here\n");
        } catch (const std::invalid_argument &) {
            std::printf("we got ValueError here\n");
        } catch (const std::bad_cast &) {
            co_return;
        }
    }
}

static void throw_in() {
    auto g = stubborn();
    std::printf("%s\n", g.next()->c_str());
    std::printf("%s\n", g.throw_(std::invalid_argument("ValueError"))->c_str());
    std::printf("%s\n", g.next()->c_str());
    std::printf("%s\n", g.throw_(std::bad_cast()) ? "still there" : "StopIteration");
}

// --- producer and consumer: two that take turns, on one thread and without a lock ----------------

static generator<std::string, int> consumer() {
    std::string reply;
    while (const int n = co_yield reply) {
        std::printf("[CONSUMER] Consuming %d...\n", n);
        reply = "200 OK";
    }
}

static void produce() {
    auto c = consumer();
    c.next();
    for (int n = 1; n <= 3; n++) {
        std::printf("[PRODUCER] Producing %d...\n", n);
        std::printf("[PRODUCER] Consumer return: %s\n", c.send(n)->c_str());
    }
    c.close();
}

// --- yield from: one generator made of others, open in both directions ---------------------------

static generator<int> flat() {
    const std::vector<int> first{0, 1, 2}, second{10, 20};
    co_yield from(first);
    co_yield from(second);
}

struct total {
    int count = 0;
    double average = 0;
};

// Averages what it is sent, until it is sent nothing.
static generator<double, std::optional<double>, total> averager() {
    total all;
    double sum = 0;
    while (const std::optional<double> term = co_yield all.average) {
        sum += *term;
        all.average = sum / ++all.count;
    }
    co_return all;
}

// Hands its caller through to one averager after the other, and keeps what each of them returns.
static generator<double, std::optional<double>> grouper(std::vector<total> &totals) {
    for (;;)
        totals.push_back(co_yield from(averager()));
}

static void yield_from() {
    for (int n : flat())
        std::printf("%d ", n);
    std::printf("\n");

    const std::map<std::string, std::vector<double>> data = {
        {"boys;kg", {39.0, 40.8, 43.2, 40.8, 43.1, 38.6, 41.4, 40.6, 36.3}},
        {"boys;m", {1.38, 1.5, 1.32, 1.25, 1.37, 1.48, 1.25, 1.49, 1.46}},
        {"girls;kg", {40.9, 38.5, 44.3, 42.2, 45.2, 41.7, 44.5, 38.0, 40.6, 44.5}},
        {"girls;m", {1.6, 1.51, 1.4, 1.3, 1.41, 1.39, 1.33, 1.46, 1.45, 1.43}},
    };
    std::vector<total> totals;
    auto group = grouper(totals);
    group.next();
    for (const auto &[key, values] : data) {
        for (double value : values)
            group.send(value);
        group.send(std::nullopt);
        const std::size_t at = key.find(';');
        std::printf("%2d %-5s averaging %.2f%s\n", totals.back().count, key.substr(0, at).c_str(),
                    totals.back().average, key.substr(at + 1).c_str());
    }
}

int main() {
    next();
    send();
    throw_in();
    produce();
    yield_from();
}
