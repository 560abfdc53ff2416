// evloop/pump.hpp - what runs: a task from the inside, and how its coroutines hand over to one another.
//
// A task is a chain of coroutines, each awaiting the next; the innermost, the leaf, runs or waits. Whoever
// hands over leaves the next handle in the task and returns to the pump below, so that the stack does not
// grow, with whatever compiler and optimisation. A task waits for one thing at a time: the one operation it
// needs lives here, and what is awaited holds parameters only. Everything that wakes a task comes from its
// loop, through that operation.
#pragma once

#include "cancelled.hpp"
#include "frame.hpp"

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

namespace detail {

class task_state;
struct task_home;
struct awaiting;

// What every coroutine of this layer has in its promise.
struct promise_base : frame_memory {
    task_state *task = nullptr;      // whose chain it is in; NULL while it is in none
    promise_base *caller = nullptr;  // who awaits it; NULL: the outermost
    promise_base **owner = nullptr;  // where its awaiter keeps it, to be told that it is gone
    std::coroutine_handle<> self;    // set by get_return_object
    std::source_location where = {}; // of the await that it is in

    // Notes where the await is, and otherwise lets everything pass.
    template <class Awaitable>
    Awaitable &&await_transform(Awaitable &&awaitable,
                                std::source_location here = std::source_location::current()) noexcept {
        where = here;
        return static_cast<Awaitable &&>(awaitable);
    }
};

// How to wait for something; one static table for each kind of awaitable.
struct wait_kind {
    const char *name; // for dumps
    // Begins: true, and the task's operation will complete; false, it is over and task_state.result says how.
    bool (*start)(awaiting &, task_state &) noexcept;
    // The task is cancelled: true when the wait will end by that, false when it is over already.
    bool (*cancel)(awaiting &, task_state &) noexcept;
    // The task goes: forget it. NULL: closing the operation is enough.
    void (*leave)(awaiting &, task_state &) noexcept;
    // What it has got stays got: a cancellation that comes too late is for the next wait.
    bool keeps;
};

// The base of what waits; it lies in the leaf's frame.
struct awaiting {
    const wait_kind *kind;
};

// Hears of the end of a task, from the call that ends it.
struct task_watcher {
    void (*ended)(task_watcher &, task_state &) noexcept = nullptr;
    task_watcher *next = nullptr;
    task_watcher **back = nullptr; // NULL: watches nothing
};

enum class task_end : unsigned char { none, value, error, cancelled };

// What depends on the type of a task's result.
struct task_kind {
    // The outermost coroutine has returned: takes its result. Answers how it ended.
    task_end (*collect)(task_state &, promise_base &) noexcept;
    void (*dispose)(task_state *) noexcept;
};

// Where this thread has its innermost running task, in all modules.
inline thread_local constinit void **running_place = nullptr;
inline void **running() noexcept {
    if (!running_place) [[unlikely]]
        running_place = evl_modules_thread(task_slot);
    return running_place;
}

// That task. Not inline in the caller, as frame_new.
[[gnu::noinline]] inline task_state *current_task() noexcept { return static_cast<task_state *>(*running()); }

class task_state {
  public:
    evl_op op;
    std::int64_t result = 0; // of the last wait
    evl_loop *loop;
    std::coroutine_handle<> next; // who runs next; empty: the loop
    promise_base *leaf;           // NULL: ended
    awaiting *waiting = nullptr;  // NULL: running, or the first step is queued
    std::int64_t since;           // when it began to wait
    const task_kind *kind;
    task_home *home = nullptr;                      // whose it is; NULL: nobody's, or that has gone
    task_state *before = nullptr, *after = nullptr; // in the scope's list
    task_watcher *watchers = nullptr;
    const char *name = nullptr;
    std::uint64_t id = 0, parent = 0; // in its scope; 0: none
    std::source_location where;       // of the spawn
    error_type error = {};
    std::uint32_t refs = 1;     // one is the task's own, until it ends
    std::uint32_t requests = 0; // cancels less uncancels
    task_end end = task_end::none;
    bool started = false;
    bool running = false;
    bool going = false;       // being destroyed
    bool killed = false;      // to be destroyed when it suspends
    bool must_cancel = false; // the next wait ends cancelled
    bool cancel_sent = false; // the present wait has been told to end
    bool taken_back = false;  // the wait was over, and was undone because of must_cancel
    bool looked_at = false;   // somebody has seen the error, or will

    task_state(evl_loop *the_loop, promise_base &top, const task_kind &the_kind,
               std::source_location here) noexcept
        : loop(the_loop), leaf(&top), since(evl_now(the_loop)), kind(&the_kind), where(here) {
        top.task = this;
        (void)evl_op_init(&op, woken, this, EVL_OP_SYNC);
    }
    task_state(const task_state &) = delete;

    void retain() noexcept { refs++; }
    inline void release() noexcept;

    bool done() const noexcept { return end != task_end::none; }

    // --- the pump ---------------------------------------------------------------------------------

    // Runs coroutines of the task, one after the other, until it waits or has ended.
    void drive(std::coroutine_handle<> first) noexcept {
        void **place = detail::running();
        void *outer = std::exchange(*place, this);
        running = true;
        next = first;
        do
            std::exchange(next, nullptr).resume();
        while (next && !killed);
        running = false;
        *running_place = outer;
        if (!leaf->caller && leaf->self.done())
            finish();
        else if (killed)
            destroy();
    }

    // The next pass runs the first step. Answers the loop's error.
    std::int32_t start() noexcept { return evl_defer(loop, &op); }

    // The first step runs inside this call.
    void start_now() noexcept {
        started = true;
        drive(leaf->self);
    }

    // The leaf waits: true, or false when it goes on with `result` at once.
    bool wait(awaiting &what) noexcept {
        if (!what.kind->start(what, *this))
            return false;
        waiting = &what;
        since = evl_now(loop);
        if (must_cancel && what.kind->cancel(what, *this)) {
            must_cancel = false;
            cancel_sent = true;
        }
        return true;
    }

    // --- cancelling, as asyncio counts --------------------------------------------------------------

    bool cancel() noexcept {
        if (done())
            return false;
        requests++;
        if (waiting && waiting->kind->cancel(*waiting, *this))
            cancel_sent = true;
        else
            must_cancel = true;
        return true;
    }

    std::uint32_t uncancel() noexcept {
        if (requests > 0 && --requests == 0)
            must_cancel = false;
        return requests;
    }

    // wait_kind.cancel for what waits in the operation. Over but not delivered: undone, which hands on what
    // it was given, and it begins again should the cancellation be taken back meanwhile.
    bool cancel_op() noexcept {
        if (evl_op_cancel(&op) == 1)
            return true;
        if (!cancel_sent && !taken_back && !waiting->kind->keeps) {
            (void)evl_op_close(&op);
            (void)evl_defer(loop, &op);
            taken_back = true;
        }
        return false;
    }

    // --- its end ------------------------------------------------------------------------------------

    // Ends it wherever it is. While it runs: as soon as it suspends.
    [[gnu::noinline]] void destroy() noexcept {
        if (done() || going)
            return;
        if (running) {
            killed = true;
            return;
        }
        going = true;
        if (awaiting *what = std::exchange(waiting, nullptr); what && what->kind->leave)
            what->kind->leave(*what, *this);
        (void)evl_op_close(&op);
        unwind();
        ended(task_end::cancelled);
    }

    void watch(task_watcher &watcher) noexcept { link(watchers, watcher); }

    static void unwatch(task_watcher &watcher) noexcept {
        if (!watcher.back)
            return;
        *watcher.back = watcher.next;
        if (watcher.next)
            watcher.next->back = watcher.back;
        watcher.back = nullptr;
    }

  private:
    static void link(task_watcher *&first, task_watcher &watcher) noexcept {
        watcher.next = first;
        watcher.back = &first;
        if (first)
            first->back = &watcher.next;
        first = &watcher;
    }

    static void woken(void *arg, std::int64_t result) noexcept {
        static_cast<task_state *>(arg)->wake(result);
    }

    [[gnu::noinline]] void wake_first() noexcept {
        started = true;
        must_cancel ? destroy() : drive(leaf->self);
    }

    void wake(std::int64_t outcome) noexcept {
        if (!started) {
            wake_first();
            return;
        }
        awaiting *what = std::exchange(waiting, nullptr);
        const bool again = std::exchange(taken_back, false);
        cancel_sent = false;
        result = outcome;
        if (must_cancel && !(what->kind->keeps && outcome >= 0)) {
            must_cancel = false;
            result = EVL_ECANCELED;
        } else if (again && wait(*what))
            return;
        drive(leaf->self);
    }

    // Destroys the chain from its inner end, which is the order of a stack that unwinds, and takes none of
    // it.
    void unwind() noexcept {
        while (promise_base *inner = leaf) {
            leaf = inner->caller;
            if (inner->owner)
                *inner->owner = nullptr;
            inner->self.destroy();
        }
    }

    [[gnu::noinline]] void finish() noexcept {
        task_end how = kind->collect(*this, *leaf);
        if (must_cancel && how == task_end::value)
            how = task_end::cancelled; // it was cancelled after its last wait
        going = true;
        unwind();
        ended(how);
    }

    inline void ended(task_end how) noexcept;
};

// The tasks of a scope: those that have not ended, and those that ended with an error that nobody has seen.
struct task_home {
    evl_loop *loop;
    task_state *first = nullptr; // the newest
    std::size_t live = 0;
    std::uint64_t ids = 0;
    error_type error = {}; // the first that nobody has seen

    void add(task_state &task) noexcept {
        task.home = this;
        task.id = ++ids;
        task.after = first;
        if (first)
            first->before = &task;
        first = &task;
        live++;
    }
    void remove(task_state &task) noexcept {
        (task.before ? task.before->after : first) = task.after;
        if (task.after)
            task.after->before = task.before;
        task.home = nullptr;
    }
    void unhandled(task_state &task) noexcept {
        if (!error)
            error = task.error;
        report(loop, task.error);
    }
};

inline void task_state::ended(task_end how) noexcept {
    end = how;
    leaf = nullptr;
    if (home) {
        home->live--;
        if (how != task_end::error)
            home->remove(*this);
    }
    task_watcher *in_order = nullptr; // the one that watches longest first
    while (task_watcher *watcher = watchers) {
        unwatch(*watcher);
        link(in_order, *watcher);
    }
    while (task_watcher *watcher = in_order) {
        unwatch(*watcher);
        watcher->ended(*watcher, *this);
    }
    release();
}

inline void task_state::release() noexcept {
    if (--refs != 0)
        return;
    if (home) {
        if (end == task_end::error && !looked_at)
            home->unhandled(*this);
        home->remove(*this);
    }
    kind->dispose(this);
}

// --- handing over between coroutines ----------------------------------------------------------------

// `caller` awaits `callee`, which runs next. `slot` is where the awaiter keeps it.
inline void call(promise_base &caller, promise_base &callee, promise_base **slot) noexcept {
    task_state *task = caller.task;
    callee.task = task;
    callee.caller = &caller;
    callee.owner = slot;
    task->leaf = &callee;
    task->next = callee.self;
}

// The leaf has returned, or yields: its caller runs next. The outermost stays, for the pump to find.
inline void give_back(promise_base &leaf) noexcept {
    if (promise_base *caller = leaf.caller) {
        leaf.task->leaf = caller;
        leaf.task->next = caller->self;
    }
}

} // namespace detail
} // namespace evloop::inline EVLOOP_CPP_ABI
