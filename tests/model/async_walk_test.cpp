// async_walk_test.cpp - a million random calls on operations, locks, semaphores, queues, events, conditions,
// barriers and futures, beside a model of who waits where, who owns what, and in which order everybody is
// told.
#include "scale.hpp"

#include <cstring>
#include <deque>
#include <set>

using namespace support;

namespace {

enum Kind { kSleep, kLock, kSemaphore, kEvent, kPut, kGet, kCondition, kBarrier, kFuture, kKinds };

constexpr int kNobody = -1, kTaken = -2; // kTaken: somebody was told that it is his
constexpr int kOps = 48, kObjects = 3;
constexpr size_t kRoom = 3;    // items in a queue
constexpr size_t kParties = 4; // of a barrier

struct Object { // one of each kind; a put and a get share theirs
    evl_lock *lock = nullptr;
    int owner = kNobody;
    evl_semaphore *semaphore = nullptr;
    int permits = 1, taken = 0;
    evl_event *event = nullptr;
    bool set = false;
    evl_queue *queue = nullptr;
    std::deque<int64_t> items;
    size_t promised = 0;
    evl_condition *condition = nullptr; // over the lock
    evl_barrier *barrier = nullptr;
    bool broken = false;
    evl_future *future = nullptr;
    int32_t state = EVL_FUTURE_PENDING;
    std::deque<int> line[kKinds];
};

struct Op {
    evl_op *op = nullptr;
    uint32_t flags = 0;
    bool active = false, queued = false, orphan = false;
    bool notified = false; // of a condition: in line for the lock
    Kind kind = kSleep;
    Object *at = nullptr;
    int64_t expected = 0, item = 0, until = EVL_NEVER, deadline = EVL_NEVER;
    void *got = nullptr;
};

class Walk {
  public:
    explicit Walk(uint64_t seed) : random_(seed) { begin(); }
    ~Walk() { end(); }

    void run(int64_t steps) {
        for (int64_t i = 0; i < steps && !testing::Test::HasFailure(); i++) {
            if (pick(8) == 0)
                pass();
            else
                act();
            if (pick(20000) == 0) {
                end();
                begin();
            }
        }
    }
    int64_t delivered = 0;

  private:
    struct Callback {
        Walk *walk;
        int id;
    };
    int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

    void begin() {
        world_ = std::make_unique<World>(Options{.clock = EVL_CLOCK_MANUAL, .poll_interval = 1});
        loop_ = world_->loop;
        for (Object &o : objects_)
            fill(o);
        for (int id = 0; id < kOps; id++)
            fresh(id);
    }

    void fill(Object &o) {
        o = Object{};
        EXPECT_EQ(evl_lock_new(loop_, &o.lock), 0);
        EXPECT_EQ(evl_semaphore_new(loop_, 1, 0, &o.semaphore), 0);
        EXPECT_EQ(evl_event_new(loop_, &o.event), 0);
        EXPECT_EQ(evl_queue_new(loop_, kRoom, EVL_QUEUE_FIFO, drop, &o.queue), 0);
        EXPECT_EQ(evl_condition_new(o.lock, &o.condition), 0);
        EXPECT_EQ(evl_barrier_new(loop_, kParties, &o.barrier), 0);
        EXPECT_EQ(evl_future_new(loop_, &o.future), 0);
    }
    static void drop(void *) {}
    static void free_all(Object &o) {
        evl_condition_free(o.condition);
        evl_barrier_free(o.barrier);
        evl_lock_free(o.lock);
        evl_semaphore_free(o.semaphore);
        evl_event_free(o.event);
        evl_queue_free(o.queue);
        evl_future_unref(o.future);
    }

    // New memory for an operation; the old one must not be touched any more.
    void fresh(int id) {
        Op &m = ops_[id];
        if (m.op) {
            memset(m.op, 0xdd, sizeof *m.op);
            delete m.op;
        }
        m = Op{};
        m.op = new evl_op;
        m.flags = pick(2) ? static_cast<uint32_t>(EVL_OP_SYNC) : 0;
        callbacks_[id] = {this, id};
        EXPECT_EQ(evl_op_init(m.op, called, &callbacks_[id], m.flags), 0);
    }

    // The loop goes, before the objects or after them; everybody falls silent.
    void end() {
        bool first = pick(2);
        if (first)
            for (Object &o : objects_)
                free_all(o);
        EXPECT_EQ(world_->destroy(), 0);
        for (Op &m : ops_) {
            EXPECT_EQ(evl_op_active(m.op), 0);
            memset(m.op, 0xdd, sizeof *m.op);
            delete std::exchange(m.op, nullptr);
        }
        if (!first)
            for (Object &o : objects_)
                free_all(o);
        ready_.clear();
        times_.clear();
        world_.reset();
    }

    // --- what the model does -------------------------------------------------------------------------------

    void queue(int id, int64_t result) {
        Op &m = ops_[id];
        m.queued = true;
        m.expected = result;
        forget_times(m);
        ready_.push_back({id, passes_});
    }
    void forget_times(Op &m) {
        times_.erase(m.until);
        times_.erase(m.deadline);
        m.until = m.deadline = EVL_NEVER;
    }
    int next(Object &o, Kind kind) {
        if (o.line[kind].empty())
            return kNobody;
        int id = o.line[kind].front();
        o.line[kind].pop_front();
        return id;
    }
    void leave(int id) {
        Op &m = ops_[id];
        if (m.kind == kSleep)
            return;
        bool notified = m.kind == kCondition && m.notified;
        std::erase(m.at->line[notified ? kLock : m.kind], id);
        if (notified)
            notify_one(*m.at); // in its stead
    }
    bool notify_one(Object &o) {
        int id = next(o, kCondition);
        if (id < 0)
            return false;
        ops_[id].notified = true;
        o.line[kLock].push_back(id);
        return true;
    }
    void hand_lock(Object &o) {
        o.owner = next(o, kLock);
        if (o.owner >= 0)
            queue(o.owner, 0);
    }
    void give_permit(Object &o) {
        int id = next(o, kSemaphore);
        if (id >= 0)
            queue(id, 0);
        else
            o.permits++;
    }
    void wake_getters(Object &o) {
        while (o.promised < o.items.size() && !o.line[kGet].empty()) {
            o.promised++;
            queue(next(o, kGet), 0);
        }
    }
    int64_t take_item(Object &o) {
        int64_t item = o.items.front();
        o.items.pop_front();
        while (o.items.size() < kRoom && !o.line[kPut].empty()) {
            int id = next(o, kPut);
            o.items.push_back(ops_[id].item);
            queue(id, 0);
        }
        wake_getters(o);
        return item;
    }
    bool done_at_once(const Op &m) { return (m.flags & EVL_OP_SYNC) && row_ < 64 && ++row_; }

    // The model's answer to a start: 1, or 0 with the operation waiting or queued.
    int32_t begin_op(int id, Kind kind, Object &o) {
        Op &m = ops_[id];
        if ((kind == kCondition && o.owner == kNobody) || (kind == kBarrier && o.broken))
            return kind == kCondition ? EVL_EPERM : EVL_EBROKEN;
        m.kind = kind;
        m.at = &o;
        m.orphan = m.notified = false;
        bool at_once = (kind == kLock && o.owner == kNobody) || (kind == kSemaphore && o.permits > 0) ||
                       (kind == kEvent && o.set) || (kind == kGet && o.items.size() > o.promised) ||
                       (kind == kPut && o.items.size() < kRoom && o.line[kPut].empty()) ||
                       (kind == kFuture && o.state != EVL_FUTURE_PENDING);
        if (!at_once) {
            m.active = true;
            o.line[kind].push_back(id);
            if (kind == kCondition)
                hand_lock(o);
            if (kind == kBarrier && o.line[kind].size() == kParties)
                for (int64_t place = 0; !o.line[kind].empty();)
                    queue(next(o, kind), place++);
            return 0;
        }
        o.permits -= kind == kSemaphore;
        if (kind == kPut) {
            o.items.push_back(m.item);
            wake_getters(o);
        }
        if (done_at_once(m)) {
            own(m);
            if (kind == kGet)
                m.expected = take_item(o);
            return 1;
        }
        m.active = true;
        if (kind == kLock)
            o.owner = id;
        o.promised += kind == kGet;
        queue(id, kind == kFuture ? o.state : 0);
        return 0;
    }
    static void own(Op &m) {
        if (m.kind == kLock || m.kind == kCondition)
            m.at->owner = kTaken;
        m.at->taken += m.kind == kSemaphore;
    }

    // --- the calls -----------------------------------------------------------------------------------------

    int32_t start(Op &m, Kind kind, Object &o) {
        if (kind == kLock)
            return evl_lock_acquire(o.lock, m.op);
        if (kind == kSemaphore)
            return evl_semaphore_acquire(o.semaphore, m.op);
        if (kind == kEvent)
            return evl_event_wait(o.event, m.op);
        if (kind == kPut)
            return evl_queue_put(o.queue, m.op, reinterpret_cast<void *>(m.item), 0);
        if (kind == kGet)
            return evl_queue_get(o.queue, m.op, &m.got);
        if (kind == kCondition)
            return evl_condition_wait(o.condition, m.op);
        if (kind == kBarrier)
            return evl_barrier_wait(o.barrier, m.op);
        return evl_future_wait(o.future, m.op);
    }

    int64_t new_time() {
        int64_t t;
        do
            t = std::max<int64_t>(1, evl_now(loop_) + pick(6000) - 1000);
        while (!times_.insert(t).second);
        return t;
    }

    void start_some(int id) {
        Op &m = ops_[id];
        Object &o = objects_[pick(kObjects)];
        auto kind = static_cast<Kind>(pick(kKinds));
        if (m.active) {
            int64_t item = m.item;
            EXPECT_EQ(kind == kSleep ? evl_sleep_until(loop_, m.op, 1) : start(m, kind, o), EVL_EBUSY);
            m.item = item;
            return;
        }
        if (kind == kSleep) {
            m.kind = kSleep;
            m.active = true;
            m.until = new_time();
            EXPECT_EQ(evl_sleep_until(loop_, m.op, m.until), 0);
            return;
        }
        if (kind == kCondition && o.owner >= 0)
            return; // the lock is on its way to another
        m.item = ++items_;
        int32_t expected = begin_op(id, kind, o);
        EXPECT_EQ(start(m, kind, o), expected) << kind;
        if (expected == 1 && kind == kGet) {
            EXPECT_EQ(reinterpret_cast<int64_t>(m.got), m.expected);
        }
    }

    void cancel(int id) {
        Op &m = ops_[id];
        EXPECT_EQ(evl_op_cancel(m.op), !m.active ? int32_t{EVL_EALREADY} : m.queued ? 0 : 1);
        if (!m.active || m.queued)
            return;
        leave(id);
        queue(id, EVL_ECANCELED);
    }

    void close(int id) {
        Op &m = ops_[id];
        EXPECT_EQ(evl_op_close(m.op), 0);
        EXPECT_EQ(evl_op_active(m.op), 0);
        if (m.active && !m.queued)
            leave(id);
        forget_times(m);
        if (m.active && m.queued) {
            std::erase_if(ready_, [&](const auto &r) { return r.first == id; });
            if (m.expected >= 0 && !m.orphan)
                hand_on(m);
        }
        m.active = m.queued = false;
        if (pick(2))
            fresh(id);
    }
    void hand_on(Op &m) {
        if (m.kind == kCondition)
            notify_one(*m.at);
        if (m.kind == kLock || m.kind == kCondition)
            hand_lock(*m.at);
        else if (m.kind == kSemaphore)
            give_permit(*m.at);
        else if (m.kind == kGet) {
            m.at->promised--;
            wake_getters(*m.at);
        }
    }

    void deadline(int id) {
        Op &m = ops_[id];
        if (!m.active || m.queued) {
            EXPECT_EQ(evl_op_deadline(m.op, 1), m.active ? 0 : EVL_EALREADY);
            return;
        }
        times_.erase(m.deadline);
        m.deadline = pick(4) ? new_time() : EVL_NEVER;
        EXPECT_EQ(evl_op_deadline(m.op, m.deadline), 0);
    }

    void let_go(Object &o) {
        if (o.owner == kTaken || o.owner == kNobody) {
            EXPECT_EQ(evl_lock_release(o.lock), o.owner == kTaken ? 0 : EVL_EPERM);
            if (o.owner == kTaken)
                hand_lock(o);
        }
        if (o.taken > 0) {
            o.taken--;
            EXPECT_EQ(evl_semaphore_release(o.semaphore), 0);
            give_permit(o);
        }
    }

    void wake_all(Object &o, Kind kind, int64_t result) {
        for (int id; (id = next(o, kind)) >= 0;)
            queue(id, result);
    }

    void flag(Object &o) {
        o.set = !o.set;
        EXPECT_EQ(o.set ? evl_event_set(o.event) : evl_event_clear(o.event), 0);
        if (o.set)
            wake_all(o, kEvent, 0);
    }

    void notify(Object &o) {
        int32_t n = pick(4) - 1, count = 0;
        while (o.owner != kNobody && (n < 0 || count < n) && notify_one(o))
            count++;
        EXPECT_EQ(evl_condition_notify(o.condition, n), o.owner == kNobody ? int32_t{EVL_EPERM} : count);
    }

    void end_round(Object &o) {
        o.broken = pick(2);
        EXPECT_EQ(o.broken ? evl_barrier_abort(o.barrier) : evl_barrier_reset(o.barrier), 0);
        wake_all(o, kBarrier, EVL_EBROKEN);
    }

    void complete(Object &o) {
        if (o.state != EVL_FUTURE_PENDING) {
            EXPECT_EQ(evl_future_resolve(o.future, 1), EVL_EALREADY);
            evl_future_unref(o.future);
            EXPECT_EQ(evl_future_new(loop_, &o.future), 0);
            o.state = EVL_FUTURE_PENDING;
            return;
        }
        o.state = EVL_FUTURE_VALUE + pick(3);
        EXPECT_EQ(o.state == EVL_FUTURE_VALUE   ? evl_future_resolve(o.future, 1)
                  : o.state == EVL_FUTURE_ERROR ? evl_future_fail(o.future, EVL_EIO)
                                                : evl_future_cancel(o.future) - 1,
                  0);
        (void)evl_future_value(o.future, nullptr);
        wake_all(o, kFuture, o.state);
    }

    void try_some(Object &o) {
        void *item = nullptr;
        bool full = o.items.size() >= kRoom || !o.line[kPut].empty();
        bool empty = o.items.size() <= o.promised;
        if (pick(2)) {
            EXPECT_EQ(evl_queue_try_put(o.queue, reinterpret_cast<void *>(++items_), 0),
                      full ? EVL_EAGAIN : 0);
            if (!full) {
                o.items.push_back(items_);
                wake_getters(o);
            }
        } else {
            EXPECT_EQ(evl_queue_try_get(o.queue, &item), empty ? EVL_EAGAIN : 0);
            if (!empty) {
                EXPECT_EQ(reinterpret_cast<int64_t>(item), take_item(o));
            }
        }
    }

    void end_condition(Object &o) {
        evl_condition_free(std::exchange(o.condition, nullptr));
        wake_all(o, kCondition, EVL_ECLOSED);
    }

    // Everything of an object but its future: who waits hears EVL_ECLOSED, and so does who was just served.
    void replace(Object &o) {
        for (auto &[id, stamp] : ready_) {
            Op &m = ops_[id];
            bool counted = m.kind == kLock || m.kind == kSemaphore || m.kind == kGet;
            if (m.kind == kSleep || m.at != &o || m.kind == kFuture)
                continue;
            m.orphan = true;
            if (counted && m.expected >= 0)
                m.expected = EVL_ECLOSED;
        }
        if (pick(2))
            end_condition(o);
        evl_lock_free(o.lock);
        for (int id; (id = next(o, kLock)) >= 0; queue(id, EVL_ECLOSED))
            if (ops_[id].kind == kCondition)
                notify_one(o);
        end_condition(o);
        evl_barrier_free(o.barrier);
        wake_all(o, kBarrier, EVL_ECLOSED);
        evl_semaphore_free(o.semaphore);
        wake_all(o, kSemaphore, EVL_ECLOSED);
        evl_event_free(o.event);
        wake_all(o, kEvent, EVL_ECLOSED);
        evl_queue_free(o.queue);
        wake_all(o, kPut, EVL_ECLOSED);
        wake_all(o, kGet, EVL_ECLOSED);
        evl_future *future = o.future;
        int32_t state = o.state;
        std::deque<int> waiters = o.line[kFuture];
        fill(o);
        evl_future_unref(o.future);
        o.future = future;
        o.state = state;
        o.line[kFuture] = waiters;
    }

    void act() {
        int id = pick(kOps);
        Object &o = objects_[pick(kObjects)];
        switch (pick(400) == 0 ? 100 : pick(15)) {
        case 0:
            cancel(id);
            break;
        case 1:
            close(id);
            break;
        case 2:
            deadline(id);
            break;
        case 3:
        case 4:
            let_go(o);
            break;
        case 5:
            flag(o);
            break;
        case 6:
            complete(o);
            break;
        case 7:
            try_some(o);
            break;
        case 8:
            notify(o);
            break;
        case 9:
            if (pick(10) == 0)
                end_round(o);
            break;
        case 100:
            replace(o);
            break;
        default:
            start_some(id);
        }
        look(ops_[id], o);
    }

    void look(const Op &m, const Object &o) {
        EXPECT_EQ(evl_op_active(m.op), m.active);
        EXPECT_EQ(evl_lock_is_held(o.lock), o.owner != kNobody);
        EXPECT_EQ(evl_semaphore_value(o.semaphore), o.permits);
        EXPECT_EQ(evl_queue_size(o.queue), static_cast<int32_t>(o.items.size()));
        EXPECT_EQ(evl_barrier_waiting(o.barrier), static_cast<int32_t>(o.line[kBarrier].size()));
        EXPECT_EQ(evl_barrier_is_broken(o.barrier), o.broken);
    }

    // --- passes --------------------------------------------------------------------------------------------

    void expire() {
        std::set<std::pair<int64_t, int>> due;
        for (int id = 0; id < kOps; id++) {
            Op &m = ops_[id];
            int64_t at = std::min(m.until, m.deadline);
            if (m.active && !m.queued && at <= evl_now(loop_))
                due.insert({at, id});
        }
        for (auto [at, id] : due) {
            leave(id);
            queue(id, ops_[id].until == at ? 0 : EVL_ETIMEDOUT);
        }
    }

    void pass() {
        if (pick(2)) {
            EXPECT_EQ(evl_clock_advance(loop_, pick(2000)), 0);
        }
        expire();
        passes_++;
        row_ = 0;
        (void)evl_loop_run(loop_, EVL_RUN_NOWAIT);
        EXPECT_TRUE(ready_.empty() || ready_.front().second == passes_) << "all of the snapshot ran";
    }

    static void called(void *arg, int64_t result) {
        auto *c = static_cast<Callback *>(arg);
        c->walk->complete(c->id, result);
    }

    void complete(int id, int64_t result) {
        Op &m = ops_[id];
        delivered++;
        ASSERT_FALSE(ready_.empty());
        ASSERT_EQ(ready_.front().first, id) << "in the order in which they were queued";
        EXPECT_LT(ready_.front().second, passes_) << "and nothing newer than the snapshot";
        ready_.pop_front();
        EXPECT_EQ(result, m.expected) << m.kind;
        m.active = m.queued = false;
        if (result >= 0 && m.kind != kSleep && !m.orphan) {
            own(m);
            if (m.kind == kGet) {
                m.at->promised--;
                EXPECT_EQ(reinterpret_cast<int64_t>(m.got), take_item(*m.at));
            }
        }
        for (int n = pick(3); n > 0; n--)
            act();
    }

    std::mt19937_64 random_;
    std::unique_ptr<World> world_;
    evl_loop *loop_ = nullptr;
    Object objects_[kObjects];
    Op ops_[kOps];
    Callback callbacks_[kOps];
    std::deque<std::pair<int, int64_t>> ready_; // and the pass in which it was queued
    std::set<int64_t> times_;
    int64_t passes_ = 0, items_ = 0;
    int row_ = 0;
};

TEST(AsyncWalk, AMillionCallsBesideAModel) {
    Walk walk(seed());
    int64_t steps = scaled(1000000);
    walk.run(steps);
    EXPECT_GT(walk.delivered, steps / 10);
}

} // namespace
