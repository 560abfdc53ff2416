// asyncio_queue_test.cpp - queues as asyncio has them; the numbers are those of docs/asyncio.md.
#include "../asyncio/async.hpp"

using namespace support;

namespace {

// A queue of numbers, each with memory of its own in the test.
struct Queue {
    evl_queue *queue = nullptr;
    explicit Queue(World &w, uint32_t maxsize = 0, int32_t order = EVL_QUEUE_FIFO, evl_fn *drop = nullptr) {
        EXPECT_EQ(evl_queue_new(w.loop, maxsize, order, drop, &queue), 0);
    }
    Queue(const Queue &) = delete;
    ~Queue() { evl_queue_free(queue); }
    operator evl_queue *() const { return queue; }
};

int numbers[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

int32_t try_put(evl_queue *queue, int number, int64_t priority = 0) {
    return evl_queue_try_put(queue, &numbers[number], priority);
}

// The number, or the error.
int try_get(evl_queue *queue) {
    void *item = nullptr;
    int32_t rc = evl_queue_try_get(queue, &item);
    return rc == 0 ? *static_cast<int *>(item) : rc;
}

// Notes "word5" for the number, or "word-108" for the error.
evl_op *gets(World &w, evl_queue *queue, const std::string &word) {
    auto place = std::make_shared<void *>(nullptr);
    evl_op *op = w.op([&w, word, place](int64_t rc) {
        w.note(word + std::to_string(rc == 0 ? *static_cast<int *>(*place) : rc));
    });
    EXPECT_EQ(evl_queue_get(queue, op, place.get()), 0);
    return op;
}

evl_op *puts(World &w, evl_queue *queue, int number, int64_t priority = 0) {
    evl_op *op = says_result(w, "put" + std::to_string(number));
    EXPECT_EQ(evl_queue_put(queue, op, &numbers[number], priority), 0);
    return op;
}

evl_op *joins(World &w, evl_queue *queue) {
    evl_op *op = says_result(w, "joined");
    EXPECT_EQ(evl_queue_join(queue, op), 0);
    return op;
}

// What happens now; those who wait go on waiting.
std::string ran(World &w) {
    w.clear();
    for (int pass = 0; pass < 3; pass++)
        w.nowait();
    return w.log();
}

TEST(Asyncio, Asyncio_109_NoItemAndNoRoomIsLostToOneThatLeaves) {
    World w;
    Queue unbounded(w);
    for (int i = 0; i < 1000; i++)
        EXPECT_EQ(try_put(unbounded, i % 10), 0);
    EXPECT_EQ(evl_queue_size(unbounded), 1000);

    Queue queue(w, 1);
    EXPECT_EQ(try_get(queue), EVL_EAGAIN);
    evl_op *a = gets(w, queue, "a"), *b = gets(w, queue, "b");
    gets(w, queue, "c");
    EXPECT_EQ(evl_op_cancel(a), 1);
    EXPECT_EQ(try_put(queue, 1), 0);
    EXPECT_EQ(try_get(queue), EVL_EAGAIN); // it is for b
    EXPECT_EQ(evl_op_close(b), 0);         // and now for c
    EXPECT_EQ(ran(w), "a-125 c1");

    EXPECT_EQ(try_put(queue, 2), 0);
    EXPECT_EQ(try_put(queue, 3), EVL_EAGAIN);
    puts(w, queue, 3);
    evl_op *gone = puts(w, queue, 4);
    puts(w, queue, 5);
    EXPECT_EQ(ran(w), "");
    EXPECT_EQ(evl_op_cancel(gone), 1);
    EXPECT_EQ(try_get(queue), 2);
    EXPECT_EQ(try_put(queue, 6), EVL_EAGAIN); // 3 went in
    EXPECT_EQ(ran(w), "put4-125 put3");
    EXPECT_EQ(try_get(queue), 3);
    EXPECT_EQ(ran(w), "put5");
    EXPECT_EQ(try_get(queue), 5);
    EXPECT_EQ(try_get(queue), EVL_EAGAIN);
}

TEST(Asyncio, Asyncio_110_JoinWaitsUntilTheWorkIsDone) {
    World w;
    Queue queue(w);
    EXPECT_EQ(evl_queue_task_done(queue), EVL_ERANGE);
    joins(w, queue);
    EXPECT_EQ(ran(w), "joined"); // nothing to wait for
    try_put(queue, 1);
    try_put(queue, 2);
    joins(w, queue);
    joins(w, queue);
    EXPECT_EQ(try_get(queue), 1);
    EXPECT_EQ(try_get(queue), 2);
    EXPECT_EQ(evl_queue_task_done(queue), 0);
    EXPECT_EQ(ran(w), "");
    EXPECT_EQ(evl_queue_task_done(queue), 0);
    EXPECT_EQ(evl_queue_task_done(queue), EVL_ERANGE);
    EXPECT_EQ(ran(w), "joined joined");
}

TEST(Asyncio, Asyncio_111_ShutdownLetsTheRestOut) {
    World w;
    Queue queue(w, 1);
    try_put(queue, 1);
    puts(w, queue, 2);
    EXPECT_EQ(evl_queue_shutdown(queue, 0), 0);
    EXPECT_EQ(try_put(queue, 3), EVL_ESHUTDOWN);
    EXPECT_EQ(evl_queue_put(queue, says_result(w, "never"), &numbers[3], 0), EVL_ESHUTDOWN);
    EXPECT_EQ(ran(w), "put2-108");
    gets(w, queue, "got");
    EXPECT_EQ(ran(w), "got1");
    EXPECT_EQ(try_get(queue), EVL_ESHUTDOWN);

    Queue waited(w);
    gets(w, waited, "a");
    EXPECT_EQ(evl_queue_shutdown(waited, 0), 0);
    EXPECT_EQ(ran(w), "a-108");
}

TEST(Asyncio, Asyncio_111_AnImmediateShutdownDropsTheItems) {
    World w;
    static int dropped;
    dropped = 0;
    Queue queue(w, 0, EVL_QUEUE_FIFO, [](void *item) { dropped += *static_cast<int *>(item); });
    for (int number : {1, 2, 3})
        try_put(queue, number);
    EXPECT_EQ(try_get(queue), 1); // whose work is not done
    joins(w, queue);
    gets(w, queue, "woken");
    EXPECT_EQ(evl_queue_shutdown(queue, 1), 0);
    EXPECT_EQ(dropped, 5);
    EXPECT_EQ(evl_queue_size(queue), 0);
    EXPECT_EQ(ran(w), "woken-108");
    EXPECT_EQ(try_get(queue), EVL_ESHUTDOWN);
    EXPECT_EQ(evl_queue_task_done(queue), 0);
    EXPECT_EQ(ran(w), "joined");
}

// Items may be called done before they were taken; those that a shutdown drops are not done a second time.
TEST(Asyncio, Asyncio_111_AnImmediateShutdownOfItemsThatAreDone) {
    for (int done : {1, 2, 3}) {
        SCOPED_TRACE(done);
        World w;
        Queue queue(w);
        for (int number : {1, 2, 3})
            try_put(queue, number);
        for (int i = 0; i < done; i++)
            EXPECT_EQ(evl_queue_task_done(queue), 0);
        joins(w, queue);
        EXPECT_EQ(ran(w), done == 3 ? "joined" : "");
        EXPECT_EQ(evl_queue_shutdown(queue, 1), 0);
        EXPECT_EQ(ran(w), done == 3 ? "" : "joined");
        EXPECT_EQ(evl_queue_task_done(queue), EVL_ERANGE);
        joins(w, queue);
        EXPECT_EQ(ran(w), "joined");
    }
}

TEST(Asyncio, Asyncio_111_LastInFirstOutAndSmallestPriorityFirst) {
    World w;
    Queue lifo(w, 0, EVL_QUEUE_LIFO), priority(w, 0, EVL_QUEUE_PRIORITY);
    for (int number : {1, 2, 3})
        try_put(lifo, number);
    for (int number : {3, 2, 1})
        EXPECT_EQ(try_get(lifo), number);
    // Smallest first, equal ones in the order in which they went in.
    const std::pair<int, int64_t> items[] = {{5, 7}, {1, -2}, {6, 7}, {2, 0}, {7, 9}, {3, 0}, {4, 0}};
    for (auto [number, rank] : items)
        try_put(priority, number, rank);
    for (int number : {1, 2, 3, 4, 5, 6, 7})
        EXPECT_EQ(try_get(priority), number);
}

// Whose an item is, when the operation that put it ends in silence.
TEST(Queue, TheResultOfAPutThatIsClosedSaysWhetherItsItemIsIn) {
    World w;
    Queue queue(w, 1);
    try_put(queue, 1);
    evl_op *in = puts(w, queue, 2);
    evl_op *waits = puts(w, queue, 3);
    EXPECT_EQ(evl_op_result(in), EVL_EAGAIN);
    EXPECT_EQ(try_get(queue), 1); // lets 2 in
    EXPECT_EQ(evl_op_close(in), 0);
    EXPECT_EQ(evl_op_close(waits), 0);
    EXPECT_EQ(evl_op_result(in), 0);
    EXPECT_EQ(evl_op_result(waits), EVL_ECANCELED);
    EXPECT_EQ(try_get(queue), 2);
    EXPECT_EQ(try_get(queue), EVL_EAGAIN);
    EXPECT_EQ(ran(w), "");
}

TEST(Queue, TheResultOfAPutTellsAlsoAfterTheLoopAndAfterTheQueue) {
    World w;
    static int dropped;
    dropped = 0;
    auto queue = std::make_unique<Queue>(w, 1, EVL_QUEUE_FIFO, [](void *) { dropped++; });
    auto freed = std::make_unique<Queue>(w, 1);
    try_put(*queue, 1);
    try_put(*freed, 1);
    evl_op *in = puts(w, *queue, 2), *waits = puts(w, *queue, 3), *refused = puts(w, *freed, 4);
    EXPECT_EQ(try_get(*queue), 1);
    freed.reset();
    w.destroy();
    EXPECT_EQ(evl_op_result(in), 0);
    EXPECT_EQ(evl_op_result(waits), EVL_ECANCELED);
    EXPECT_EQ(evl_op_result(refused), EVL_ECLOSED);
    EXPECT_EQ(dropped, 0);
    queue.reset();
    EXPECT_EQ(dropped, 1); // the one that was in
}

} // namespace
