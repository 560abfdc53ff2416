// api_fuzz.cpp - random calls over everything that a loop has, from outside and from inside callbacks:
// nothing is told of what has been closed, each start completes once, each drop runs once, no level-triggered
// event is lost, and in the end nothing is left.
#include "../support/child.hpp"
#include "fuzz.hpp"

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <utility>
#include <vector>

namespace {

using fuzz::Random;

struct World;

constexpr int64_t ms = 1'000'000;

// Something that was given to the loop with a drop.
struct Owned {
    World *w;
    int called = 0, dropped = 0;
    bool given = false;
};

struct Handle {
    World *w;
    evl_handle *h = nullptr;
    int32_t kind = 0;
    int pipe = -1; // the index of what it watches
    bool closed = false;
    bool records = false;
    int told = 0;
    std::unique_ptr<Owned> owned;
};

struct Op {
    World *w;
    evl_op op;
    bool active = false;
    bool fetched = false; // its record has been, and has not had its turn
    int pipe = -1;
    uint32_t mask = 0;
    void *item = nullptr;
    std::string what;
};

struct Duplex {
    int a = -1, b = -1; // the loop's end, and the other
};

struct World {
    explicit World(uint64_t seed) : pick(seed) {}

    Random pick;
    fuzz::Counted memory;
    evl_loop *loop = nullptr;
    evl_loop *held = nullptr; // a reference, so that the loop may be asked after its end
    bool gone = false;
    int depth = 0; // inside callbacks
    int budget = 0;
    bool is_child = false;

    std::deque<Handle> handles;
    std::deque<Op> ops;
    std::deque<Owned> owned;
    std::vector<evl_future *> futures;
    Duplex pipes[6];
    evl_queue *queue = nullptr;
    evl_lock *lock = nullptr;
    evl_semaphore *semaphore = nullptr;
    evl_event *event = nullptr;
    evl_condition *condition = nullptr;
    evl_barrier *barrier = nullptr;
    evl_waitq waitq;
    evl_executor *pool = nullptr;
    int64_t items_in = 0, items_out = 0;

    // --- what is told --------------------------------------------------------------------------------------

    void inside() {
        HOLDS(!gone);
        if (depth > 0 || budget <= 0 || !pick.one_in(3))
            return;
        depth++;
        for (uint64_t n = 1 + pick.below(3); n > 0 && !gone; n--, budget--)
            act();
        depth--;
    }
    void handle_told(Handle *h) {
        HOLDS(!h->closed);
        h->told++;
        if (h->kind == EVL_KIND_IO && pick.one_in(4)) {
            char bytes[64];
            (void)!::read(pipes[h->pipe].a, bytes, sizeof bytes);
        }
        inside();
    }
    void op_told(Op *o, int64_t result) {
        HOLDS(o->active);
        HOLDS(evl_op_active(&o->op) == 0);
        HOLDS(evl_op_result(&o->op) == result);
        o->active = o->fetched = false;
        if (o->what == "get" && result == 0) {
            HOLDS(o->item != nullptr);
            items_out++;
        }
        if (o->what == "put" && result == 0)
            items_in++;
        if (o->what == "lock" && result == 0 && pick.one_in(2))
            (void)evl_lock_release(lock);
        if (o->what == "condition" && result == 0)
            (void)evl_lock_release(lock);
        inside();
    }
    static void on_handle(void *arg, int64_t) {
        auto *h = static_cast<Handle *>(arg);
        h->w->handle_told(h);
    }
    static void on_hook(void *arg) {
        auto *h = static_cast<Handle *>(arg);
        h->w->handle_told(h);
    }
    static void on_op(void *arg, int64_t result) {
        auto *o = static_cast<Op *>(arg);
        o->w->op_told(o, result);
    }
    static void on_call(void *arg) {
        auto *o = static_cast<Owned *>(arg);
        HOLDS(o->called++ == 0);
        HOLDS(o->dropped == 0);
        o->w->inside();
    }
    static void on_drop(void *arg) {
        auto *o = static_cast<Owned *>(arg);
        HOLDS(o->given);
        HOLDS(o->dropped++ == 0);
        if (!o->w->gone)
            o->w->inside();
    }
    static void on_done(void *arg, int64_t) {
        auto *w = static_cast<World *>(arg);
        w->inside();
    }
    static void on_error(void *arg, int64_t) {
        auto *w = static_cast<World *>(arg);
        if (!w->gone)
            w->inside();
    }
    static void on_refused(void *arg, int64_t) {
        auto *w = static_cast<World *>(arg);
        if (!w->gone)
            w->inside();
    }
    static void work(void *arg) {
        if (reinterpret_cast<uintptr_t>(arg) & 64)
            ::usleep(20);
    }
    static void on_job_drop(void *arg) {
        auto *o = static_cast<Owned *>(arg);
        HOLDS(o->dropped++ == 0);
    }
    static void drop_item(void *) {}

    // --- making -------------------------------------------------------------------------------------------

    bool sink() { return pick.one_in(3); } // records
    evl_done_fn *done(Handle &h) {
        h.records = sink();
        return h.records ? nullptr : on_handle;
    }
    Handle &new_handle(int32_t kind) {
        Handle &h = handles.emplace_back();
        h.w = this;
        h.kind = kind;
        return h;
    }
    Handle *any(int32_t kind) {
        std::vector<Handle *> some;
        for (Handle &h : handles)
            if (!h.closed && h.h && (kind == 0 || h.kind == kind))
                some.push_back(&h);
        return some.empty() ? nullptr : some[pick.below(some.size())];
    }
    Op *an_op(bool active) {
        std::vector<Op *> some;
        for (Op &o : ops)
            if (o.active == active && !o.fetched)
                some.push_back(&o);
        if (some.empty() && !active && ops.size() < 60) {
            Op &o = ops.emplace_back();
            o.w = this;
            HOLDS(evl_op_init(&o.op, sink() ? nullptr : on_op, &o, pick.one_in(3) ? EVL_OP_SYNC : 0) == 0);
            return &o;
        }
        return some.empty() ? nullptr : some[pick.below(some.size())];
    }
    evl_future *a_future() { return futures.empty() ? nullptr : futures[pick.below(futures.size())]; }
    Owned &new_owned() {
        Owned &o = owned.emplace_back();
        o.w = this;
        return o;
    }
    void keep(int32_t rc, evl_future *const &f) { // by reference: it is written by the call that gave rc
        HOLDS(rc == 0 || rc == EVL_EINVAL || rc == EVL_EDEADLK || rc == EVL_EALREADY);
        if (rc == 0)
            futures.push_back(f);
    }
    void started(Op *o, const char *what, int32_t rc) {
        HOLDS(!gone);
        o->what = what;
        if (rc == 0) {
            o->active = true;
            HOLDS(evl_op_active(&o->op) == 1);
        } else if (rc == 1) {
            HOLDS(evl_op_active(&o->op) == 0);
            if (o->what == "get") {
                HOLDS(o->item != nullptr);
                items_out++;
            }
            if (o->what == "put")
                items_in++;
        } else {
            HOLDS(rc < 0);
        }
    }

    // --- what can be done
    // -----------------------------------------------------------------------------------

    void act() {
        switch (pick.below(46)) {
        case 0: { // timers
            Handle &h = new_handle(EVL_KIND_TIMER);
            HOLDS(evl_timer_new(loop, done(h), &h, &h.h) == 0);
            break;
        }
        case 1:
        case 2:
            if (Handle *h = any(EVL_KIND_TIMER))
                HOLDS(evl_timer_start_at(h->h, evl_now(loop) + pick.between(-5, 20) * ms,
                                         pick.one_in(3) ? pick.between(1, 5) * ms : 0) == 0);
            break;
        case 3:
            if (Handle *h = any(EVL_KIND_TIMER)) {
                if (pick.one_in(2))
                    HOLDS(evl_timer_stop(h->h) == 0);
                else
                    HOLDS(evl_timer_set_slack(h->h, pick.between(0, 3) * ms) == 0);
            }
            break;
        case 4: {
            Handle &h = new_handle(EVL_KIND_WALL);
            HOLDS(evl_wall_new(loop, done(h), &h, &h.h) == 0);
            HOLDS(evl_wall_start_at(h.h, evl_wall_time(loop) + pick.between(-5, 20) * ms,
                                    pick.one_in(3) ? 3 * ms : 0) == 0);
            break;
        }
        case 5: { // watchers
            Handle &h = new_handle(EVL_KIND_IO);
            h.pipe = static_cast<int>(pick.below(std::size(pipes)));
            uint32_t masks[] = {0, EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE};
            int32_t rc = evl_io_new(loop, pipes[h.pipe].a, masks[pick.below(4)],
                                    pick.one_in(4) ? EVL_IO_ONESHOT : 0, done(h), &h, &h.h);
            HOLDS(rc == 0);
            break;
        }
        case 6:
        case 7:
            if (Handle *h = any(EVL_KIND_IO)) {
                uint32_t masks[] = {0, EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE};
                HOLDS(evl_io_set(h->h, masks[pick.below(4)]) == 0);
            }
            break;
        case 8:
        case 9: {
            Duplex &d = pipes[pick.below(std::size(pipes))];
            char bytes[256] = {};
            (void)!::write(d.b, bytes, pick.between(1, 200));
            break;
        }
        case 10: {
            Duplex &d = pipes[pick.below(std::size(pipes))];
            char bytes[4096];
            (void)!::read(pick.one_in(2) ? d.a : d.b, bytes, sizeof bytes);
            break;
        }
        case 11: {
            Duplex &d = pipes[pick.below(std::size(pipes))];
            char bytes[4096] = {};
            while (::write(d.a, bytes, sizeof bytes) > 0) { // not writable
            }
            break;
        }
        case 12: { // signals and hooks
            Handle &h = new_handle(EVL_KIND_SIGNAL);
            HOLDS(evl_signal_new(loop, SIGUSR2, done(h), &h, &h.h) == 0);
            break;
        }
        case 13:
            ::raise(SIGUSR2); // the program has a handler of its own
            break;
        case 14: {
            if (handles.size() > 200)
                break;
            Handle &h = new_handle(EVL_KIND_HOOK);
            HOLDS(evl_hook_new(loop, static_cast<int32_t>(pick.below(3)), on_hook, &h, &h.h) == 0);
            break;
        }
        case 15:
        case 16: // any handle
            if (Handle *h = any(0)) {
                h->closed = true;
                HOLDS(evl_close(h->h) == 0);
            }
            break;
        case 17:
            if (Handle *h = any(0))
                (void)evl_keep_alive(h->h, static_cast<int32_t>(pick.below(2)));
            break;
        case 18:
            if (Handle *h = any(0); h && !h->owned && pick.one_in(2)) {
                HOLDS(evl_set_name(h->h, pick.one_in(2) ? "name" : nullptr) == 0);
                HOLDS(evl_lookup(loop, evl_id(h->h)) == h->h);
            }
            break;
        case 19:
            if (Handle *h = any(0); h && pick.one_in(3)) {
                h->closed = true; // nothing is told from the call on only once it has been taken in
                HOLDS(evl_close(h->h) == 0);
                HOLDS(evl_close_later(loop, 12345) == 0);
            }
            break;
        case 20:
        case 21: { // calls and posts
            Owned &o = new_owned();
            evl_fn *fn = sink() ? nullptr : on_call;
            o.given = true;
            int32_t rc = pick.one_in(2) ? evl_call_soon_owned(loop, fn, &o, on_drop)
                                        : evl_post_owned(loop, fn, &o, on_drop);
            HOLDS(rc == 0);
            break;
        }
        case 22:
        case 23: { // operations
            Op *o = an_op(false);
            if (!o)
                break;
            switch (pick.below(4)) {
            case 0:
                started(o, "sleep", evl_sleep(loop, &o->op, pick.between(-1, 10) * ms));
                break;
            case 1:
                started(o, "defer", evl_defer(loop, &o->op));
                break;
            case 2:
                started(o, "signal", evl_wait_signal(loop, &o->op, SIGUSR2));
                break;
            default:
                o->pipe = static_cast<int>(pick.below(std::size(pipes)));
                o->mask = pick.one_in(3) ? EVL_WRITE : EVL_READ;
                started(o, "wait_fd", evl_wait_fd(loop, &o->op, pipes[o->pipe].a, o->mask));
            }
            break;
        }
        case 24:
        case 25:
        case 26: { // places
            Op *o = an_op(false);
            if (!o)
                break;
            switch (pick.below(9)) {
            case 0:
                started(o, "event", evl_event_wait(event, &o->op));
                break;
            case 1:
                started(o, "lock", evl_lock_acquire(lock, &o->op));
                break;
            case 2:
                started(o, "semaphore", evl_semaphore_acquire(semaphore, &o->op));
                break;
            case 3:
                started(o, "condition", evl_condition_wait(condition, &o->op));
                break;
            case 4:
                started(o, "barrier", evl_barrier_wait(barrier, &o->op));
                break;
            case 5:
                started(o, "park", evl_waitq_park(&waitq, &o->op));
                break;
            case 6:
                started(o, "put", evl_queue_put(queue, &o->op, this, pick.between(0, 9)));
                break;
            case 7:
                o->item = nullptr;
                started(o, "get", evl_queue_get(queue, &o->op, &o->item));
                break;
            default:
                started(o, "join", evl_queue_join(queue, &o->op));
                break;
            }
            break;
        }
        case 27:
        case 28:
            switch (pick.below(9)) {
            case 0:
                (void)evl_event_set(event);
                break;
            case 1:
                (void)evl_event_clear(event);
                break;
            case 2:
                (void)evl_lock_release(lock);
                break;
            case 3:
                (void)evl_semaphore_release(semaphore);
                break;
            case 4:
                (void)evl_condition_notify(condition, static_cast<int32_t>(pick.between(-1, 2)));
                break;
            case 5:
                (void)(pick.one_in(2) ? evl_barrier_reset(barrier) : evl_barrier_abort(barrier));
                break;
            case 6:
                (void)evl_waitq_wake(&waitq, static_cast<int32_t>(pick.between(-1, 2)), 3);
                break;
            case 7:
                items_in += evl_queue_try_put(queue, this, pick.between(0, 9)) == 0;
                break;
            default: {
                void *item = nullptr;
                items_out += evl_queue_try_get(queue, &item) == 0;
                (void)evl_queue_task_done(queue);
            }
            }
            break;
        case 29:
            if (Op *o = an_op(true)) {
                int32_t rc = evl_op_cancel(&o->op);
                HOLDS(rc == 0 || rc == 1);
            }
            break;
        case 30:
            if (Op *o = an_op(true))
                HOLDS(evl_op_deadline(&o->op, pick.one_in(4)
                                                  ? EVL_NEVER
                                                  : evl_now(loop) + pick.between(-1, 5) * ms) == 0);
            break;
        case 31:
        case 32:
            if (Op *o = an_op(true)) {
                o->active = false;
                HOLDS(evl_op_close(&o->op) == 0);
                if (gone) // refused() may have done it
                    break;
                if (o->active) // or started it again
                    break;
                HOLDS(evl_op_active(&o->op) == 0);
                std::memset(&o->op, 0xdd, sizeof o->op);
                HOLDS(evl_op_init(&o->op, sink() ? nullptr : on_op, o, 0) == 0);
            }
            break;
        case 33: { // futures
            evl_future *f = nullptr;
            keep(evl_future_new(loop, &f), f);
            break;
        }
        case 34:
            if (evl_future *f = a_future()) {
                switch (pick.below(5)) {
                case 0:
                    (void)evl_future_resolve(f, 1);
                    break;
                case 1:
                    (void)evl_future_fail(f, EVL_EPIPE);
                    break;
                case 2:
                    (void)evl_future_cancel(f);
                    break;
                case 3:
                    (void)evl_future_post(f, pick.one_in(2) ? 1 : EVL_EIO);
                    break;
                default: {
                    Owned &o = new_owned();
                    o.given = true;
                    if (evl_future_resolve_owned(f, &o, on_drop) != 0)
                        o.dropped = 1;
                }
                }
            }
            break;
        case 35:
            if (evl_future *f = a_future())
                HOLDS(evl_future_on_done(f, sink() ? nullptr : on_done, this) == 0);
            break;
        case 36:
            if (evl_future *f = a_future())
                (void)evl_future_off_done(f, on_done, this);
            break;
        case 37:
            if (evl_future *f = a_future()) {
                Op *o = an_op(false);
                if (o)
                    started(o, "future", evl_future_wait(f, &o->op));
            }
            break;
        case 38:
            if (evl_future *f = a_future()) { // something in a future
                evl_op *op = evl_future_op(f);
                if (!op || evl_op_active(op) != 0)
                    break;
                int32_t rc = pick.one_in(3)   ? evl_sleep(loop, op, pick.between(0, 5) * ms)
                             : pick.one_in(2) ? evl_future_wait(a_future(), op)
                                              : evl_event_wait(event, op);
                HOLDS(rc == 0 || rc == 1 || rc == EVL_EDEADLK);
            }
            break;
        case 39:
        case 40:
            if (futures.size() < 100 && !futures.empty())
                combine();
            break;
        case 41:
            if (!futures.empty()) {
                size_t i = pick.below(futures.size());
                evl_future *f = futures[i];
                futures.erase(futures.begin() + static_cast<ptrdiff_t>(i));
                evl_future_unref(f);
            }
            break;
        case 42: { // jobs
            if (!pool)
                break;
            Op *o = an_op(false);
            if (!o)
                break;
            Owned &job = new_owned();
            job.given = true;
            job.called = 1;
            int32_t rc = evl_executor_submit(pick.one_in(4) ? nullptr : pool, loop, &o->op, work, &job,
                                             on_job_drop, pick.one_in(2) ? EVL_SUBMIT_WAIT : 0);
            if (rc < 0)
                job.dropped = 1;
            else
                jobs.push_back({o, &job});
            started(o, "job", rc);
            break;
        }
        case 43:
            if (pick.one_in(8))
                (void)evl_stop(loop, static_cast<int32_t>(pick.below(3)));
            else if (pick.one_in(2))
                (void)evl_wake(loop);
            else
                (void)evl_clock_advance(loop, pick.between(0, 5) * ms);
            break;
        case 44:
            if (pick.one_in(depth > 0 ? 150 : 300))
                destroy();
            else if (pick.one_in(300) && !is_child)
                fork_here();
            break;
        default: {
            char text[2000];
            (void)evl_loop_dump(loop, text, sizeof text);
            evl_blocker rows[8];
            (void)evl_loop_blockers(loop, rows, 8);
        }
        }
    }
    struct Job {
        Op *op;
        Owned *owned;
    };
    std::vector<Job> jobs;

    void combine() {
        std::vector<evl_future *> some;
        for (uint64_t n = 1 + pick.below(4); n > 0; n--)
            some.push_back(a_future());
        auto n = static_cast<uint32_t>(some.size());
        int64_t timeout = pick.one_in(2) ? -1 : pick.between(0, 5) * ms;
        evl_future *f = nullptr;
        switch (pick.below(9)) {
        case 0:
            keep(evl_gather(loop, some.data(), n, pick.one_in(2) ? EVL_GATHER_ERRORS : 0, &f), f);
            break;
        case 1:
            keep(evl_wait_futures(loop, some.data(), n, static_cast<int32_t>(pick.below(3)), timeout, &f), f);
            break;
        case 2:
            keep(evl_wait_for(some[0], timeout, &f), f);
            break;
        case 3:
            keep(evl_shield(some[0], &f), f);
            break;
        case 4:
            keep(evl_any(loop, some.data(), n, &f), f);
            break;
        case 5:
            keep(evl_future_then(some[0], pick.one_in(2) ? on_done : nullptr, on_done, this, &f), f);
            break;
        case 6:
            (void)evl_future_follow(some[0], some.back());
            break;
        case 7: {
            evl_future *outs[4];
            if (evl_as_completed(loop, some.data(), n, timeout, outs) == 0)
                futures.insert(futures.end(), outs, outs + n);
            break;
        }
        default:
            keep(evl_future_across(loop, some[0], &f), f);
        }
    }
    void destroy() {
        gone = true;
        HOLDS(evl_loop_destroy(loop) == 0);
        for (Op &o : ops)
            HOLDS(evl_op_active(&o.op) == 0);
    }
    void fork_here() {
        pid_t pid = ::fork();
        HOLDS(pid >= 0);
        if (pid == 0) {
            is_child = true;
            ::alarm(30);
            if (pick.one_in(2)) {
                HOLDS(evl_loop_run(loop, EVL_RUN_NOWAIT) < 0);
                HOLDS(evl_loop_fork(loop) == 0);
                if (depth == 0 && support::child_may_start_threads) // as passes do, for jobs
                    for (int i = 0; i < 5 && !gone; i++)
                        pass();
            }
            if (!gone)
                destroy();
            std::_Exit(0);
        }
        int status = 0;
        HOLDS(::waitpid(pid, &status, 0) == pid);
        HOLDS(status == 0);
    }

    // --- passes --------------------------------------------------------------------------------------------

    void take(const evl_record &r) {
        void *data = reinterpret_cast<void *>(static_cast<uintptr_t>(r.user_data));
        switch (r.kind) {
        case EVL_KIND_OP:
            op_told(static_cast<Op *>(data), r.extra);
            break;
        case EVL_KIND_CALL:
        case EVL_KIND_POST: { // its drop may have run
            inside();
            break;
        }
        case EVL_KIND_FUTURE:
            inside();
            break;
        case EVL_KIND_CALLBACKS:
            (void)evl_loop_run(loop, EVL_RUN_NOWAIT);
            break;
        case EVL_KIND_STOP:
            break;
        default:
            handle_told(static_cast<Handle *>(data));
        }
    }
    void pull() {
        evl_record rows[4];
        int32_t n = evl_loop_records(loop, rows, static_cast<int32_t>(1 + pick.below(4)), 0);
        HOLDS(n >= 0 || n == EVL_EDEADLK);
        for (int32_t i = 0; i < n; i++)
            fetch(rows[i]);
        for (int32_t i = 0; i < n && !gone; i++) { // what was fetched and is closed now is no news
            void *data = reinterpret_cast<void *>(static_cast<uintptr_t>(rows[i].user_data));
            if (rows[i].kind >= 16 || !static_cast<Handle *>(data)->closed)
                take(rows[i]);
        }
    }
    // An operation is inactive from here on.
    static void fetch(const evl_record &r) {
        if (r.kind != EVL_KIND_OP)
            return;
        auto *o = reinterpret_cast<Op *>(static_cast<uintptr_t>(r.user_data));
        HOLDS(o->active && !o->fetched);
        o->fetched = true;
    }
    void pass() {
        budget = 6;
        int32_t rc = 0;
        switch (pick.below(4)) {
        case 0:
            pull();
            break;
        case 1:
            rc = evl_loop_dispatch(loop, nullptr, 0);
            break;
        default:
            rc = evl_loop_run(loop, EVL_RUN_NOWAIT);
            break;
        }
        (void)rc;
    }
    // Nothing but passes: whatever is there has to be told of.
    void settle() {
        for (Handle &h : handles)
            h.told = 0;
        int quiet = depth;
        depth = 1; // nobody acts
        for (int i = 0; i < 40; i++) {
            (void)evl_loop_run(loop, EVL_RUN_NOWAIT);
            evl_record rows[64];
            int32_t n = evl_loop_records(loop, rows, 64, 0);
            for (int32_t k = 0; k < n; k++) {
                fetch(rows[k]);
                if (rows[k].kind == EVL_KIND_OP || rows[k].kind < 16)
                    take(rows[k]);
            }
        }
        depth = quiet;
        for (Handle &h : handles) {
            if (h.closed || !h.h)
                continue;
            if (h.kind == EVL_KIND_IO) {
                auto mask = static_cast<uint32_t>(evl_io_mask(h.h));
                HOLDS((is_ready(h.pipe) & mask) == 0 || h.told > 0);
            }
            if (h.kind == EVL_KIND_TIMER)
                HOLDS(evl_timer_deadline(h.h) > evl_time(loop) || evl_timer_deadline(h.h) == EVL_NEVER);
        }
        for (Op &o : ops)
            if (o.active && o.what == "wait_fd")
                HOLDS((is_ready(o.pipe) & o.mask) == 0);
    }
    uint32_t is_ready(int i) {
        pollfd p{pipes[i].a, POLLIN | POLLOUT, 0};
        HOLDS(::poll(&p, 1, 0) >= 0);
        return static_cast<uint32_t>(p.revents);
    }

    void open() {
        evl_options options{};
        options.struct_size = sizeof options;
        options.clock = EVL_CLOCK_MANUAL;
        options.poll_interval = pick.one_in(2) ? 1 : 0;
        options.alloc = fuzz::Counted::resize;
        options.alloc_ctx = &memory;
        HOLDS(evl_loop_new(&loop, &options) == 0);
        held = evl_loop_ref(loop);
        for (Duplex &d : pipes) {
            int fds[2];
            HOLDS(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
            d.a = fds[0];
            d.b = fds[1];
        }
        HOLDS(evl_queue_new(loop, static_cast<uint32_t>(pick.below(4)), static_cast<int32_t>(pick.below(3)),
                            drop_item, &queue) == 0);
        HOLDS(evl_lock_new(loop, &lock) == 0);
        HOLDS(evl_semaphore_new(loop, 1, 0, &semaphore) == 0);
        HOLDS(evl_event_new(loop, &event) == 0);
        HOLDS(evl_condition_new(lock, &condition) == 0);
        HOLDS(evl_barrier_new(loop, 2, &barrier) == 0);
        HOLDS(evl_waitq_init(&waitq, loop, pick.one_in(2) ? on_refused : nullptr, this) == 0);
        HOLDS(evl_set_error_hook(loop, on_error, this) == 0);
        if (pick.one_in(4))
            HOLDS(evl_executor_new(loop, 2, 4, "fuzz", &pool) == 0);
    }
    void close() {
        if (!gone && pick.one_in(2))
            settle();
        int order = static_cast<int>(pick.below(2));
        if (order == 0 && !gone)
            destroy();
        evl_condition_free(condition);
        evl_lock_free(std::exchange(lock, nullptr)); // which functions that still run release
        evl_semaphore_free(semaphore);
        evl_event_free(event);
        evl_barrier_free(barrier);
        evl_queue_free(queue);
        if (pool)
            (void)evl_executor_close(pool, pick.one_in(2) ? EVL_CLOSE_DRAIN : EVL_CLOSE_ABANDON, -1);
        if (order == 1 && pick.one_in(2) && !gone) {
            depth = 1;
            pass();
            depth = 0;
        }
        if (!gone)
            destroy();
        for (evl_future *f : futures)
            evl_future_unref(f);
        evl_loop_unref(held);
        for (Owned &o : owned)
            if (o.given && o.called != 1)
                HOLDS(o.dropped == 1);
        for (Duplex &d : pipes) {
            ::close(d.a);
            ::close(d.b);
        }
        for (int i = 0; i < 5000 && memory.bytes != 0; i++)
            ::usleep(1000); // a thread that was left behind
        if (memory.bytes != 0) {
            std::fprintf(stderr, "%lld bytes are left\n", static_cast<long long>(memory.bytes));
            fuzz::show_leaks();
        }
        HOLDS(memory.bytes == 0);
    }
};

void round(uint64_t seed) {
    World w(seed);
    w.open();
    for (int i = static_cast<int>(w.pick.between(20, 300)); i > 0 && !w.gone; i--) {
        for (uint64_t n = w.pick.below(6); n > 0 && !w.gone; n--)
            w.act();
        if (!w.gone)
            w.pass();
    }
    w.close();
}

} // namespace

int main(int argc, char **argv) {
    ::signal(SIGUSR2, [](int) {}); // what is raised when nobody watches
    return fuzz::run(argc, argv, round);
}
