// producer_consumer.cpp - asyncio's queue: producers, consumers, and a join that says when all is done.
//     producer_consumer [PRODUCERS [CONSUMERS [ITEMS]]]
//
// Each producer puts ITEMS items into a queue that holds few, and so waits for the consumers; each consumer
// works a moment on every item. When all is put, join waits for the work, and the consumers are told to stop.
#include <evloop.hpp>

#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace std::chrono_literals;
using evloop::task;

using items = evloop::queue<int>;

struct result {
    int done = 0;
    long sum = 0;
};

static task<> produce(items &queue, int number, int count) {
    for (int i = 0; i < count; i++) {
        co_await queue.put(number * 1000 + i);
        co_await evloop::sleep(100us);
    }
}

static task<> consume(items &queue, int number, result &all) {
    while (const auto item = co_await queue.next()) {
        co_await evloop::sleep(300us); // the work
        all.sum += *item;
        all.done++;
        queue.task_done();
    }
    std::printf("consumer %d stops\n", number);
}

static task<int> work(int producers, int consumers, int count) {
    items queue(4);
    result all;
    std::vector<task<>> producing;
    std::vector<evloop::spawned<>> consuming;
    for (int i = 1; i <= consumers; i++)
        consuming.push_back(evloop::spawn(consume(queue, i, all)));
    for (int i = 1; i <= producers; i++)
        producing.push_back(produce(queue, i, count));

    co_await evloop::gather(std::move(producing));
    co_await queue.join();
    std::printf("all items are worked off\n");
    queue.shutdown();
    co_await evloop::gather(consuming);
    std::printf("%d of %d items, their sum is %ld\n", all.done, producers * count, all.sum);
    co_return all.done != producers *count;
}

int main(int argc, char **argv) {
    int counts[3] = {2, 3, 10};
    for (int i = 1; i < argc; i++)
        if (i > 3 || (counts[i - 1] = std::atoi(argv[i])) < 1 || counts[i - 1] > 1000)
            return std::fputs("usage: producer_consumer [PRODUCERS [CONSUMERS [ITEMS]]]\n", stderr), 2;
    return evloop::run(work(counts[0], counts[1], counts[2]));
}
