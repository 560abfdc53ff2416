// op_places.hpp - the kinds of operations of the loop itself, of synchronisation, futures and executors, each
// as something that a matrix of tests can start, fire and free. op_rows.hpp is the table of all.
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
    virtual void arm() {}                                   // before each start
    virtual bool works_on_threads() const { return false; } // a completion may then come some passes later
    virtual int32_t start(evl_op *op) = 0;                  // one that has to wait
    virtual void fire() = 0;                                // what it waits for comes about
    // Starts one whose result is there already, after arm(). EVL_ENOSYS: there is no such thing.
    virtual int32_t start_done(evl_op *op) {
        fire();
        return start(op);
    }
    virtual int64_t done_value() { return value(); } // its result then
    virtual int64_t value() { return 0; }            // its result then
    virtual bool queued_from_start() { return false; }
    virtual bool free_object() { return false; }    // true: there was one, and it is gone
    virtual int64_t freed() { return EVL_ECLOSED; } // what those who wait complete with then
    virtual bool takes() { return false; }          // completing hands something over
    virtual bool takes_back() { return takes(); }   // and free_object takes it back
    virtual bool keeps_alive() { return false; }    // what it waits for keeps the loop going by itself
    virtual bool available() { return true; }       // what takes() can be had again; takes it
    virtual bool retracts() { return queued_from_start(); } // ready, it can still be cancelled
    virtual bool single() { return false; }                 // only one operation at a time here
    virtual void finish(int) {} // at the end; how many starts completed with value()

  protected:
    World &w;
};

inline void nothing(void *, int64_t) {}

struct Sleep : Place {
    using Place::Place;
    int32_t start(evl_op *op) override { return evl_sleep(w.loop, op, sec); }
    void fire() override { EXPECT_EQ(evl_clock_advance(w.loop, sec), 0); }
    int32_t start_done(evl_op *op) override { return evl_sleep(w.loop, op, -1); }
};

struct SleepUntil : Sleep {
    using Sleep::Sleep;
    int32_t start(evl_op *op) override { return evl_sleep_until(w.loop, op, evl_time(w.loop) + sec); }
    int32_t start_done(evl_op *op) override { return evl_sleep_until(w.loop, op, evl_time(w.loop)); }
};

struct WaitFd : Place {
    using Place::Place;
    void arm() override { pipe.r.drain(); }
    int32_t start(evl_op *op) override { return evl_wait_fd(w.loop, op, pipe.r, EVL_READ); }
    void fire() override { pipe.w.put(); }
    int64_t value() override { return EVL_READ; }
    bool free_object() override { return evl_fd_closing(w.loop, pipe.r) >= 0; }
    Pipe pipe;
};

struct WaitSignal : Place {
    using Place::Place;
    int32_t start(evl_op *op) override { return evl_wait_signal(w.loop, op, SIGUSR1); }
    void fire() override { ::raise(SIGUSR1); }
    int64_t value() override { return 1; }
    int32_t start_done(evl_op *) override { return EVL_ENOSYS; } // what came before is not for it
};

struct Defer : Place {
    using Place::Place;
    int32_t start(evl_op *op) override { return evl_defer(w.loop, op); }
    void fire() override {}
    bool queued_from_start() override { return true; }
};

struct Park : Place {
    explicit Park(World &world) : Place(world) { EXPECT_EQ(evl_waitq_init(&q, w.loop, nullptr, nullptr), 0); }
    int32_t start(evl_op *op) override { return evl_waitq_park(&q, op); }
    void fire() override { EXPECT_EQ(evl_waitq_wake(&q, 1, 7), 1); }
    int64_t value() override { return 7; }
    int32_t start_done(evl_op *) override { return EVL_ENOSYS; }
    evl_waitq q;
};

struct OnLeave : Place {
    explicit OnLeave(World &world) : Place(world) {
        EXPECT_EQ(evl_waitq_init(&q, w.loop, nullptr, nullptr), 0);
    }
    int32_t start(evl_op *op) override { return evl_waitq_on_leave(&q, op); }
    void fire() override {
        evl_op leaves;
        EXPECT_EQ(evl_op_init(&leaves, nothing, nullptr, 0), 0);
        EXPECT_EQ(evl_waitq_park(&q, &leaves), 0);
        EXPECT_EQ(evl_op_close(&leaves), 0);
    }
    int32_t start_done(evl_op *) override { return EVL_ENOSYS; }
    bool single() override { return true; }
    evl_waitq q;
};

struct Event : Place {
    explicit Event(World &world) : Place(world) { EXPECT_EQ(evl_event_new(w.loop, &event), 0); }
    ~Event() override { evl_event_free(event); }
    void arm() override { EXPECT_EQ(evl_event_clear(event), 0); }
    int32_t start(evl_op *op) override { return evl_event_wait(event, op); }
    void fire() override { EXPECT_EQ(evl_event_set(event), 0); }
    bool free_object() override { return evl_event_free(std::exchange(event, nullptr)), true; }
    evl_event *event = nullptr;
};

struct Lock : Place {
    explicit Lock(World &world) : Place(world) { EXPECT_EQ(evl_lock_new(w.loop, &lock), 0); }
    ~Lock() override { evl_lock_free(lock); }
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
    int32_t start_done(evl_op *) override { return EVL_ENOSYS; }
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
    int32_t start(evl_op *op) override { return evl_barrier_wait(barrier, op); }
    void fire() override {
        evl_op_close(&other);
        EXPECT_EQ(evl_barrier_wait(barrier, &other), 0);
    }
    int32_t start_done(evl_op *op) override {
        EXPECT_EQ(evl_barrier_wait(barrier, &other), 0);
        return evl_barrier_wait(barrier, op);
    }
    int64_t done_value() override { return 1; } // its place in the order of arrival
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
    void arm() override { (void)evl_queue_try_put(queue, this, 0); }
    int32_t start(evl_op *op) override { return evl_queue_put(queue, op, this, 0); }
    void fire() override { EXPECT_EQ(evl_queue_try_get(queue, &item), 0); }
};

struct Get : Queue {
    explicit Get(World &world) : Queue(world, 0) {}
    int32_t start(evl_op *op) override { return evl_queue_get(queue, op, &item); }
    void fire() override { EXPECT_EQ(evl_queue_try_put(queue, this, 0), 0); }
    bool takes() override { return true; }
    bool available() override { return evl_queue_try_get(queue, &item) == 0; }
};

struct Join : Queue {
    explicit Join(World &world) : Queue(world, 0) {}
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
    int32_t start_done(evl_op *op) override {
        int32_t rc = start(op);
        end();
        return rc;
    }
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
    // It is not closed here: a job that a thread has begun is left behind and goes on, one that waits is
    // cancelled, and which of the two it is, is the threads' affair. executor_test.cpp has both.
    bool works_on_threads() const override { return true; }
    static void work(void *arg) { static_cast<Job *>(arg)->go.acquire(); }
    static void drop(void *arg) { static_cast<Job *>(arg)->dropped++; }
    evl_executor *pool = nullptr;
    std::counting_semaphore<1000000> go{0};
    int started = 0;
    std::atomic<int> dropped = 0;
};

} // namespace places
