// asyncio_sync_test.cpp - locks, events, conditions, semaphores and barriers as asyncio has them; the numbers
// are those of docs/asyncio.md.
#include "../asyncio/async.hpp"

using namespace support;

namespace {

// An object of sync.h that frees itself.
template <class T, void (*Free)(T *)>
struct Owned {
    T *object = nullptr;
    Owned() = default;
    Owned(const Owned &) = delete;
    ~Owned() { Free(object); }
    operator T *() const { return object; }
};

struct Lock : Owned<evl_lock, evl_lock_free> {
    explicit Lock(World &w) { EXPECT_EQ(evl_lock_new(w.loop, &object), 0); }
};

struct Event : Owned<evl_event, evl_event_free> {
    explicit Event(World &w) { EXPECT_EQ(evl_event_new(w.loop, &object), 0); }
};

struct Condition : Owned<evl_condition, evl_condition_free> {
    explicit Condition(evl_lock *lock) { EXPECT_EQ(evl_condition_new(lock, &object), 0); }
};

struct Semaphore : Owned<evl_semaphore, evl_semaphore_free> {
    Semaphore(World &w, uint32_t value, uint32_t limit = 0) {
        EXPECT_EQ(evl_semaphore_new(w.loop, value, limit, &object), 0);
    }
};

struct Barrier : Owned<evl_barrier, evl_barrier_free> {
    Barrier(World &w, uint32_t parties) { EXPECT_EQ(evl_barrier_new(w.loop, parties, &object), 0); }
};

evl_op *acquires(World &w, evl_lock *lock, const std::string &word) {
    evl_op *op = says_result(w, word);
    EXPECT_EQ(evl_lock_acquire(lock, op), 0);
    return op;
}

evl_op *acquires(World &w, evl_semaphore *semaphore, const std::string &word) {
    evl_op *op = says_result(w, word);
    EXPECT_EQ(evl_semaphore_acquire(semaphore, op), 0);
    return op;
}

evl_op *waits(World &w, evl_event *event, const std::string &word) {
    evl_op *op = says_result(w, word);
    EXPECT_EQ(evl_event_wait(event, op), 0);
    return op;
}

// Takes the lock first, which nobody may have.
evl_op *waits(World &w, evl_lock *lock, evl_condition *condition, const std::string &word) {
    evl_op *op = says_result(w, word);
    EXPECT_EQ(evl_lock_try(lock), 0);
    EXPECT_EQ(evl_condition_wait(condition, op), 0);
    return op;
}

// Notes the place too.
evl_op *waits(World &w, evl_barrier *barrier, const std::string &word) {
    evl_op *op = w.op([&w, word](int64_t place) { w.note(word + std::to_string(place)); });
    EXPECT_EQ(evl_barrier_wait(barrier, op), 0);
    return op;
}

// What happens now; those who wait go on waiting.
std::string ran(World &w) {
    w.clear();
    for (int pass = 0; pass < 3; pass++)
        w.nowait();
    return w.log();
}

TEST(Asyncio, Asyncio_099_AnObjectServesItsOwnLoop) {
    World w, other;
    Lock lock(w);
    EXPECT_EQ(evl_lock_try(lock), 0); // without running the loop
    evl_op *op = says_result(w, "op");
    EXPECT_EQ(evl_defer(other.loop, op), 0);
    EXPECT_EQ(evl_lock_acquire(lock, op), EVL_EBUSY);
    evl_op_close(op);
    EXPECT_EQ(evl_lock_acquire(lock, op), 0);
    w.call_inside([&] {
        on_thread([&] { EXPECT_EQ(evl_lock_release(lock), EVL_ETHREAD); });
        EXPECT_EQ(evl_lock_release(lock), 0);
    });
    EXPECT_EQ(ran(w), "op");
    EXPECT_EQ(evl_loop_alive(other.loop), 0);
}

TEST(Asyncio, Asyncio_100_ALockHasNoOwnerAndServesInOrder) {
    World w;
    Lock lock(w);
    EXPECT_EQ(evl_lock_release(lock), EVL_EPERM);
    for (const char *word : {"a", "b", "c"})
        acquires(w, lock, word);
    EXPECT_EQ(ran(w), "a");
    EXPECT_EQ(evl_lock_release(lock), 0); // whoever calls
    EXPECT_EQ(ran(w), "b");
    EXPECT_EQ(evl_lock_release(lock), 0);
    EXPECT_EQ(ran(w), "c");
    EXPECT_EQ(evl_lock_is_held(lock), 1);
    EXPECT_EQ(evl_lock_release(lock), 0);
    EXPECT_EQ(evl_lock_is_held(lock), 0);
    EXPECT_EQ(evl_lock_release(lock), EVL_EPERM);
}

TEST(Asyncio, Asyncio_101_NobodyOvertakesWhoWaitsForALock) {
    World w;
    Lock lock(w);
    evl_lock_try(lock);
    evl_op *first = acquires(w, lock, "first");
    evl_lock_release(lock); // `first` has not been told yet
    EXPECT_EQ(evl_lock_try(lock), EVL_EAGAIN);
    acquires(w, lock, "second");
    EXPECT_EQ(ran(w), "first");
    evl_lock_release(lock);
    EXPECT_EQ(ran(w), "second");
    EXPECT_EQ(evl_lock_acquire(lock, first), 0);
    EXPECT_EQ(evl_op_cancel(first), 1); // one that was cancelled is in nobody's way
    evl_lock_release(lock);
    EXPECT_EQ(evl_lock_try(lock), 0);
    EXPECT_EQ(ran(w), "first-125");
}

TEST(Asyncio, Asyncio_102_ALockIsNotLostToOneThatLeaves) {
    World w;
    Lock lock(w);
    evl_lock_try(lock);
    evl_op *a = acquires(w, lock, "a"), *b = acquires(w, lock, "b"), *c = acquires(w, lock, "c");
    EXPECT_EQ(evl_op_cancel(a), 1);
    evl_lock_release(lock); // skips a, serves b
    EXPECT_EQ(evl_op_cancel(b), 0);
    EXPECT_EQ(evl_op_close(b), 0); // served, not told: c is next
    EXPECT_EQ(evl_op_cancel(c), 0);
    EXPECT_EQ(ran(w), "a-125 c"); // exactly one has it
    EXPECT_EQ(evl_lock_is_held(lock), 1);
    evl_lock_release(lock);
    EXPECT_EQ(evl_lock_is_held(lock), 0);
}

TEST(Asyncio, Asyncio_103_AnEventServesAllWhoWaitAlsoWhenCleared) {
    World w;
    Event event(w);
    waits(w, event, "a");
    evl_op *b = waits(w, event, "b");
    waits(w, event, "c");
    evl_op_cancel(b);
    evl_event_set(event);
    EXPECT_EQ(evl_event_is_set(event), 1);
    evl_event_clear(event);
    EXPECT_EQ(evl_event_is_set(event), 0);
    waits(w, event, "too late");
    EXPECT_EQ(ran(w), "b-125 a c");
    evl_event_set(event);
    waits(w, event, "set already");
    EXPECT_EQ(ran(w), "too late set already");
}

// asyncio takes the lock again to raise the cancellation with it. Here an operation that failed has nothing.
TEST(Asyncio, Asyncio_104_ACancelledWaitForAConditionEndsAtOnceWithoutTheLock) {
    World w;
    Lock lock(w);
    Condition condition(lock);
    evl_op *a = waits(w, lock, condition, "a"), *b = waits(w, lock, condition, "b");
    waits(w, lock, condition, "c");
    evl_lock_try(lock);
    EXPECT_EQ(evl_op_cancel(a), 1);
    EXPECT_EQ(ran(w), "a-125"); // while another has the lock
    EXPECT_EQ(evl_condition_notify(condition, 1), 1);
    EXPECT_EQ(evl_op_cancel(b), 1); // notified, waiting for the lock: c is notified instead
    evl_lock_release(lock);
    EXPECT_EQ(ran(w), "b-125 c");
    EXPECT_EQ(evl_lock_is_held(lock), 1); // by c
}

// Who was notified stands in line for the lock, or has been given it, and has no need of the condition any
// more.
struct Ending {
    const char *name;
    std::function<void(Lock &, Condition &, evl_op *)> end;
    const char *told;
    bool held; // the lock, in the end
};

void free_lock(Lock &lock) { evl_lock_free(std::exchange(lock.object, nullptr)); }
void free_condition(Condition &condition) { evl_condition_free(std::exchange(condition.object, nullptr)); }
void release(Lock &lock) { EXPECT_EQ(evl_lock_release(lock), 0); }

const Ending endings[] = {
    {"the lock first", [](Lock &l, Condition &c, evl_op *) { free_lock(l), free_condition(c); },
     "notified-1000 other-1000 waiting-1000", false},
    {"the condition, then the lock", [](Lock &l, Condition &c, evl_op *) { free_condition(c), free_lock(l); },
     "waiting-1000 notified-1000 other-1000", false},
    {"in line", [](Lock &l, Condition &c, evl_op *) { free_condition(c), release(l); },
     "waiting-1000 notified", true},
    {"on its way", [](Lock &l, Condition &c, evl_op *) { release(l), free_condition(c); },
     "notified waiting-1000", true},
    {"on its way, and the lock is freed",
     [](Lock &l, Condition &c, evl_op *) { release(l), free_condition(c), free_lock(l); },
     "notified waiting-1000 other-1000", false},
    {"in line, closed",
     [](Lock &l, Condition &c, evl_op *op) { free_condition(c), evl_op_close(op), release(l); },
     "waiting-1000 other", true},
    {"in line, cancelled",
     [](Lock &l, Condition &c, evl_op *op) { free_condition(c), evl_op_cancel(op), release(l); },
     "waiting-1000 notified-125 other", true},
    {"on its way, closed",
     [](Lock &l, Condition &c, evl_op *op) { release(l), free_condition(c), evl_op_close(op); },
     "waiting-1000 other", true},
    {"on its way, closed without the lock",
     [](Lock &l, Condition &c, evl_op *op) { release(l), free_condition(c), free_lock(l), evl_op_close(op); },
     "waiting-1000 other-1000", false},
};

TEST(Sync, AConditionThatIsFreedKeepsNobodyFromTheLock) {
    for (const Ending &ending : endings) {
        SCOPED_TRACE(ending.name);
        World w;
        Lock lock(w);
        Condition condition(lock);
        evl_op *notified = waits(w, lock, condition, "notified");
        waits(w, lock, condition, "waiting");
        EXPECT_EQ(evl_lock_try(lock), 0);
        EXPECT_EQ(evl_condition_notify(condition, 1), 1);
        acquires(w, lock, "other");
        ending.end(lock, condition, notified);
        EXPECT_EQ(ran(w), ending.told);
        EXPECT_EQ(evl_lock_is_held(lock), ending.held);
    }
}

TEST(Asyncio, Asyncio_105_AConditionIsUsedWithItsLock) {
    World w;
    Lock lock(w);
    Condition condition(lock);
    evl_op *op = says_result(w, "op");
    EXPECT_EQ(evl_condition_wait(condition, op), EVL_EPERM);
    EXPECT_EQ(evl_condition_notify(condition, 1), EVL_EPERM);
    evl_op *a = waits(w, lock, condition, "a");
    EXPECT_EQ(evl_lock_is_held(lock), 0); // waiting gives it up
    for (const char *word : {"b", "c", "d"})
        waits(w, lock, condition, word);
    evl_op_cancel(a);
    evl_lock_try(lock);
    EXPECT_EQ(evl_condition_notify(condition, 2), 2); // b and c: who was cancelled does not count
    evl_lock_release(lock);
    EXPECT_EQ(ran(w), "a-125 b"); // one at a time, with the lock
    evl_lock_release(lock);
    EXPECT_EQ(ran(w), "c");
    EXPECT_EQ(evl_condition_notify(condition, -1), 1);
    EXPECT_EQ(evl_condition_notify(condition, -1), 0);
    evl_lock_release(lock);
    EXPECT_EQ(ran(w), "d");
}

TEST(Asyncio, Asyncio_106_APermitIsHandedOver) {
    World w;
    Semaphore semaphore(w, 1);
    EXPECT_EQ(evl_semaphore_value(semaphore), 1);
    acquires(w, semaphore, "a");
    evl_op *b = acquires(w, semaphore, "b");
    acquires(w, semaphore, "c");
    evl_op *d = acquires(w, semaphore, "d");
    EXPECT_EQ(ran(w), "a");
    evl_semaphore_release(semaphore);
    EXPECT_EQ(evl_semaphore_value(semaphore), 0); // it is b's already
    EXPECT_EQ(evl_semaphore_try(semaphore), EVL_EAGAIN);
    EXPECT_EQ(evl_op_close(b), 0); // goes on to c
    EXPECT_EQ(evl_op_cancel(d), 1);
    EXPECT_EQ(ran(w), "c d-125");
    evl_semaphore_release(semaphore);
    EXPECT_EQ(evl_semaphore_value(semaphore), 1);
    EXPECT_EQ(evl_semaphore_try(semaphore), 0);
}

TEST(Asyncio, Asyncio_107_ABoundedSemaphoreIsNotReleasedTooOften) {
    World w;
    Semaphore bounded(w, 2, 2), plain(w, 0);
    EXPECT_EQ(evl_semaphore_release(bounded), EVL_ERANGE);
    EXPECT_EQ(evl_semaphore_try(bounded), 0);
    EXPECT_EQ(evl_semaphore_release(bounded), 0);
    EXPECT_EQ(evl_semaphore_release(bounded), EVL_ERANGE);
    EXPECT_EQ(evl_semaphore_value(bounded), 2);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(evl_semaphore_release(plain), 0);
    EXPECT_EQ(evl_semaphore_value(plain), 3);
    evl_semaphore *none = nullptr;
    EXPECT_EQ(evl_semaphore_new(w.loop, 3, 2, &none), EVL_EINVAL);
}

TEST(Asyncio, Asyncio_108_ABarrierLetsAllGoAtOnceAndCanBreak) {
    World w;
    Barrier barrier(w, 3);
    waits(w, barrier, "a");
    evl_op *gone = waits(w, barrier, "gone");
    waits(w, barrier, "b");
    EXPECT_EQ(evl_barrier_waiting(barrier), 0); // all were there
    EXPECT_EQ(ran(w), "a0 gone1 b2");
    EXPECT_EQ(evl_barrier_wait(barrier, gone), 0);
    evl_op_cancel(gone); // was never there
    waits(w, barrier, "c");
    waits(w, barrier, "d");
    EXPECT_EQ(evl_barrier_waiting(barrier), 2);
    EXPECT_EQ(ran(w), "gone-125");
    evl_barrier_reset(barrier);
    EXPECT_EQ(evl_barrier_is_broken(barrier), 0);
    EXPECT_EQ(ran(w), "c-1005 d-1005");
    waits(w, barrier, "e");
    evl_barrier_abort(barrier);
    EXPECT_EQ(evl_barrier_is_broken(barrier), 1);
    EXPECT_EQ(ran(w), "e-1005");
    EXPECT_EQ(evl_barrier_wait(barrier, gone), EVL_EBROKEN); // until it is reset
    evl_barrier_reset(barrier);
    for (const char *word : {"f", "g", "h"})
        waits(w, barrier, word);
    waits(w, barrier, "next"); // nobody has to wait until those have gone
    EXPECT_EQ(ran(w), "f0 g1 h2");
    evl_barrier_reset(barrier);
    EXPECT_EQ(ran(w), "next-1005");
}

// A limit that no value reaches is none.
TEST(Sync, ASemaphoreHasAtMostInt32MaxPermits) {
    World w;
    for (uint32_t limit : {0u, UINT32_MAX, static_cast<uint32_t>(INT32_MAX)}) {
        evl_semaphore *semaphore = nullptr;
        ASSERT_EQ(evl_semaphore_new(w.loop, INT32_MAX, limit, &semaphore), 0);
        EXPECT_EQ(evl_semaphore_release(semaphore), EVL_ERANGE);
        EXPECT_EQ(evl_semaphore_value(semaphore), INT32_MAX);
        evl_semaphore_free(semaphore);
    }
}

} // namespace
