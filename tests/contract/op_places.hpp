// op_places.hpp - every kind of operation as something a matrix of tests can start, fire and free.
#pragma once

#include "world.hpp"

#include <atomic>
#include <csignal>
#include <semaphore>

namespace places {

using namespace support;

// Where an operation waits. A loop with a manual clock is expected.
class Place {
  public:
    explicit Place(World &world) : w(world) {}
    Place(const Place &) = delete;
    virtual ~Place() = default;
    virtual const char *name() const = 0;
    virtual void arm() {}                  // before each start
    virtual int32_t start(evl_op *op) = 0; // one that has to wait
    virtual void fire() = 0;               // what it waits for comes about
    virtual int64_t value() { return 0; }  // its result then
    virtual bool queued_from_start() { return false; }
    virtual bool free_object() { return false; }            // true: there was one, and it is gone
    virtual bool takes() { return false; }                  // completing hands something over
    virtual bool takes_back() { return takes(); }           // and free_object takes it back
    virtual bool available() { return true; }               // what takes() can be had again; takes it
    virtual bool retracts() { return queued_from_start(); } // ready, it can still be cancelled
    virtual bool single() { return false; }                 // only one operation at a time here
    virtual void finish(int) {} // at the end; how many starts completed with value()

  protected:
    World &w;
};

inline void nothing(void *, int64_t) {}

struct Sleep : Place {
    using Place::Place;
    const char *name() const override { return "sleep"; }
    int32_t start(evl_op *op) override { return evl_sleep(w.loop, op, sec); }
    void fire() override { EXPECT_EQ(evl_clock_advance(w.loop, sec), 0); }
};

struct WaitFd : Place {
    using Place::Place;
    const char *name() const override { return "wait_fd"; }
    void arm() override { pipe.r.drain(); }
    int32_t start(evl_op *op) override { return evl_wait_fd(w.loop, op, pipe.r, EVL_READ); }
    void fire() override { pipe.w.put(); }
    int64_t value() override { return EVL_READ; }
    Pipe pipe;
};

struct WaitSignal : Place {
    using Place::Place;
    const char *name() const override { return "wait_signal"; }
    int32_t start(evl_op *op) override { return evl_wait_signal(w.loop, op, SIGUSR1); }
    void fire() override { ::raise(SIGUSR1); }
    int64_t value() override { return 1; }
};

struct Defer : Place {
    using Place::Place;
    const char *name() const override { return "defer"; }
    int32_t start(evl_op *op) override { return evl_defer(w.loop, op); }
    void fire() override {}
    bool queued_from_start() override { return true; }
};

struct Park : Place {
    explicit Park(World &world) : Place(world) { EXPECT_EQ(evl_waitq_init(&q, w.loop, nullptr, nullptr), 0); }
    const char *name() const override { return "waitq"; }
    int32_t start(evl_op *op) override { return evl_waitq_park(&q, op); }
    void fire() override { EXPECT_EQ(evl_waitq_wake(&q, 1, 7), 1); }
    int64_t value() override { return 7; }
    evl_waitq q;
};

struct Event : Place {
    explicit Event(World &world) : Place(world) { EXPECT_EQ(evl_event_new(w.loop, &event), 0); }
    ~Event() override { evl_event_free(event); }
    const char *name() const override { return "event"; }
    void arm() override { EXPECT_EQ(evl_event_clear(event), 0); }
    int32_t start(evl_op *op) override { return evl_event_wait(event, op); }
    void fire() override { EXPECT_EQ(evl_event_set(event), 0); }
    bool free_object() override { return evl_event_free(std::exchange(event, nullptr)), true; }
    evl_event *event = nullptr;
};

struct Lock : Place {
    explicit Lock(World &world) : Place(world) { EXPECT_EQ(evl_lock_new(w.loop, &lock), 0); }
    ~Lock() override { evl_lock_free(lock); }
    const char *name() const override { return "lock"; }
    void arm() override { (void)evl_lock_try(lock); }
    int32_t start(evl_op *op) override { return evl_lock_acquire(lock, op); }
    void fire() override { EXPECT_EQ(evl_lock_release(lock), 0); }
    bool free_object() override { return evl_lock_free(std::exchange(lock, nullptr)), true; }
    bool takes() override { return true; }
    bool available() override { return evl_lock_try(lock) == 0; }
    evl_lock *lock = nullptr;
};

struct Semaphore : Place {
    explicit Semaphore(World &world) : Place(world) {
        EXPECT_EQ(evl_semaphore_new(w.loop, 0, 0, &semaphore), 0);
    }
    ~Semaphore() override { evl_semaphore_free(semaphore); }
    const char *name() const override { return "semaphore"; }
    int32_t start(evl_op *op) override { return evl_semaphore_acquire(semaphore, op); }
    void fire() override { EXPECT_EQ(evl_semaphore_release(semaphore), 0); }
    bool free_object() override { return evl_semaphore_free(std::exchange(semaphore, nullptr)), true; }
    bool takes() override { return true; }
    bool available() override { return evl_semaphore_try(semaphore) == 0; }
    evl_semaphore *semaphore = nullptr;
};

struct Condition : Place {
    explicit Condition(World &world) : Place(world) {
        EXPECT_EQ(evl_lock_new(w.loop, &lock), 0);
        EXPECT_EQ(evl_condition_new(lock, &condition), 0);
    }
    ~Condition() override {
        evl_condition_free(condition);
        evl_lock_free(lock);
    }
    const char *name() const override { return "condition"; }
    void arm() override { (void)evl_lock_try(lock); }
    int32_t start(evl_op *op) override {
        (void)evl_lock_try(lock); // the one before has released it
        return evl_condition_wait(condition, op);
    }
    void fire() override {
        EXPECT_EQ(evl_lock_try(lock), 0);
        EXPECT_EQ(evl_condition_notify(condition, 1), 1);
        EXPECT_EQ(evl_lock_release(lock), 0);
    }
    bool free_object() override { return evl_condition_free(std::exchange(condition, nullptr)), true; }
    bool takes() override { return true; }
    bool takes_back() override { return false; } // it is the lock
    bool available() override { return evl_lock_try(lock) == 0; }
    evl_lock *lock = nullptr;
    evl_condition *condition = nullptr;
};

struct Barrier : Place {
    explicit Barrier(World &world) : Place(world) {
        EXPECT_EQ(evl_barrier_new(w.loop, 2, &barrier), 0);
        EXPECT_EQ(evl_op_init(&other, nothing, nullptr, 0), 0);
    }
    ~Barrier() override {
        evl_op_close(&other);
        evl_barrier_free(barrier);
    }
    const char *name() const override { return "barrier"; }
    int32_t start(evl_op *op) override { return evl_barrier_wait(barrier, op); }
    void fire() override {
        evl_op_close(&other);
        EXPECT_EQ(evl_barrier_wait(barrier, &other), 0);
    }
    bool free_object() override { return evl_barrier_free(std::exchange(barrier, nullptr)), true; }
    bool single() override { return true; }
    evl_barrier *barrier = nullptr;
    evl_op other;
};

struct Queue : Place {
    Queue(World &world, uint32_t size) : Place(world) {
        EXPECT_EQ(evl_queue_new(w.loop, size, EVL_QUEUE_FIFO, nullptr, &queue), 0);
    }
    ~Queue() override { evl_queue_free(queue); }
    bool free_object() override { return evl_queue_free(std::exchange(queue, nullptr)), true; }
    evl_queue *queue = nullptr;
    void *item = nullptr;
};

struct Put : Queue {
    explicit Put(World &world) : Queue(world, 1) {}
    const char *name() const override { return "queue put"; }
    void arm() override { (void)evl_queue_try_put(queue, this, 0); }
    int32_t start(evl_op *op) override { return evl_queue_put(queue, op, this, 0); }
    void fire() override { EXPECT_EQ(evl_queue_try_get(queue, &item), 0); }
};

struct Get : Queue {
    explicit Get(World &world) : Queue(world, 0) {}
    const char *name() const override { return "queue get"; }
    int32_t start(evl_op *op) override { return evl_queue_get(queue, op, &item); }
    void fire() override { EXPECT_EQ(evl_queue_try_put(queue, this, 0), 0); }
    bool takes() override { return true; }
    bool available() override { return evl_queue_try_get(queue, &item) == 0; }
};

struct Join : Queue {
    explicit Join(World &world) : Queue(world, 0) {}
    const char *name() const override { return "queue join"; }
    void arm() override {
        if (!std::exchange(unfinished, true)) {
            EXPECT_EQ(evl_queue_try_put(queue, this, 0), 0);
        }
    }
    int32_t start(evl_op *op) override { return evl_queue_join(queue, op); }
    void fire() override {
        EXPECT_EQ(evl_queue_task_done(queue), 0);
        unfinished = false;
    }
    bool unfinished = false;
};

struct FutureWait : Place {
    using Place::Place;
    ~FutureWait() override { evl_future_unref(future); }
    const char *name() const override { return "future"; }
    void arm() override {
        if (future && evl_future_state(future) == EVL_FUTURE_PENDING)
            return;
        evl_future_unref(future);
        EXPECT_EQ(evl_future_new(w.loop, &future), 0);
    }
    int32_t start(evl_op *op) override { return evl_future_wait(future, op); }
    void fire() override { EXPECT_EQ(evl_future_resolve(future, 5), 0); }
    int64_t value() override { return EVL_FUTURE_VALUE; }
    evl_future *future = nullptr;
};

// A job that ends when fired; firing waits for its thread, so that its end is in the loop's hands.
struct Job : Place {
    using Place::Place;
    ~Job() override { end(); }
    const char *name() const override { return "job"; }
    void arm() override {
        if (!pool) {
            EXPECT_EQ(evl_executor_new(w.loop, 4, EVL_UNBOUNDED, "jobs", &pool), 0);
        }
    }
    int32_t start(evl_op *op) override {
        int32_t rc = evl_executor_submit(pool, w.loop, op, work, this, drop, 0);
        started += rc == 0;
        return rc;
    }
    void fire() override { end(); }
    void finish(int delivered) override {
        end();
        if (w.loop)
            w.nowait(); // takes in what was late
        if (w.loop)
            w.nowait(); // and drops it
        EXPECT_EQ(dropped, started - delivered) << "dropped exactly once, or looked at";
    }
    void end() {
        go.release(1000);
        EXPECT_EQ(evl_executor_close(std::exchange(pool, nullptr), EVL_CLOSE_DRAIN, -1), 0);
        while (go.try_acquire()) {
        }
    }
    static void work(void *arg) { static_cast<Job *>(arg)->go.acquire(); }
    static void drop(void *arg) { static_cast<Job *>(arg)->dropped++; }
    evl_executor *pool = nullptr;
    std::counting_semaphore<1000000> go{0};
    int started = 0;
    std::atomic<int> dropped = 0;
};

// Of two datagram sockets one receives what the other sends.
struct Receive : Place {
    explicit Receive(World &world) : Place(world) {
        uint32_t length = 0;
        EXPECT_EQ(evl_address_parse("127.0.0.1", 0, address, sizeof address, &length), 0);
        for (evl_udp **u : {&socket, &sender})
            EXPECT_EQ(evl_udp_open(w.loop, address, length, 0, u), 0);
        EXPECT_GT(evl_udp_local(socket, address, sizeof address), 0);
        EXPECT_EQ(evl_udp_connect(sender, address, length), 0);
    }
    ~Receive() override {
        if (!w.loop)
            return;
        evl_close(socket);
        evl_close(sender);
    }
    const char *name() const override { return "udp receive"; }
    void arm() override {
        while (evl_udp_try_receive(socket, buf, sizeof buf, nullptr, nullptr) >= 0) {
        }
    }
    int32_t start(evl_op *op) override {
        return evl_udp_receive(socket, op, buf, sizeof buf, nullptr, nullptr);
    }
    void fire() override { EXPECT_EQ(evl_udp_send(sender, "four", 4, nullptr, 0), 4); }
    int64_t value() override { return 4; }
    bool free_object() override {
        EXPECT_EQ(evl_close(std::exchange(socket, nullptr)), 0);
        return true;
    }
    bool takes_back() override { return true; }
    bool retracts() override { return true; }
    bool single() override { return true; }
    evl_udp *socket = nullptr, *sender = nullptr;
    unsigned char address[EVL_ADDRESS_SIZE];
    char buf[8];
};

template <class P>
std::unique_ptr<Place> make(World &w) {
    return std::make_unique<P>(w);
}
using Maker = std::unique_ptr<Place> (*)(World &);

inline constexpr Maker all[] = {make<Sleep>,     make<WaitFd>,     make<WaitSignal>, make<Defer>,
                                make<Park>,      make<Event>,      make<Lock>,       make<Semaphore>,
                                make<Condition>, make<Barrier>,    make<Put>,        make<Get>,
                                make<Join>,      make<FutureWait>, make<Job>,        make<Receive>};

} // namespace places
