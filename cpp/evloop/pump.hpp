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

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

namespace detail {

class task_state;
struct task_home;
struct wait_kind;

// The base of what waits; it lies in the leaf's frame.
struct awaiting {
    const wait_kind *kind;
};

// What co_await makes of an awaitable.
template <class A>
decltype(auto) awaiter_of(A &&awaitable) {
    if constexpr (requires { std::forward<A>(awaitable).operator co_await(); })
        return std::forward<A>(awaitable).operator co_await();
    else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); })
        return operator co_await(std::forward<A>(awaitable));
    else
        return std::forward<A>(awaitable);
}

template <class A>
using awaiter_t = std::decay_t<decltype(awaiter_of(std::declval<A>()))>;

// Awaiters that know the pump: they wait by `awaiting`, or call, or say so.
template <class Awaiter>
concept own_awaiter =
    std::is_base_of_v<awaiting, Awaiter> || requires { typename Awaiter::hands_over_in_the_pump; };

// All the others. What is no awaiter at all is left to the compiler, which says so.
template <class Awaiter>
concept foreign_awaiter = !own_awaiter<Awaiter> && requires(Awaiter &awaiter) { awaiter.await_ready(); };

template <class Awaiter>
class foreign_wait; // foreign.hpp

// An awaiter that is awaited where it is: GCC before 13 would await a copy of it.
template <class Awaiter>
class awaited_in_place {
  public:
    using hands_over_in_the_pump = void;

    explicit awaited_in_place(Awaiter &awaiter) noexcept : awaiter_(awaiter) {}
    bool await_ready() noexcept(noexcept(std::declval<Awaiter &>().await_ready())) {
        return awaiter_.await_ready();
    }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> self) {
        return awaiter_.await_suspend(self);
    }
    decltype(auto) await_resume() { return awaiter_.await_resume(); }

  private:
    Awaiter &awaiter_;
};

// Memory for the frames of coroutines that tasks are made of, which know how far they reach.
struct task_frame_memory {
    static constexpr std::size_t head = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

#if EVLOOP_EXCEPTIONS
    static void *operator new(std::size_t size) {
        void *memory = frame_new(size + head);
        if (!memory) [[unlikely]]
            throw std::bad_alloc();
        return sized(memory, size);
    }
#else
    static void *operator new(std::size_t size) noexcept {
        void *memory = frame_new(size + head);
        return memory ? sized(memory, size) : nullptr;
    }
    static void *operator new(std::size_t size, const std::nothrow_t &) noexcept {
        return operator new(size);
    }
#endif
    static void operator delete(void *frame, std::size_t size) noexcept {
        frame_delete(static_cast<char *>(frame) - head, size + head);
    }

    // Whether what is at that address lies in the frame.
    static bool lies_in(const void *frame, const void *what) noexcept {
        const auto begin = reinterpret_cast<std::uintptr_t>(frame);
        const auto at = reinterpret_cast<std::uintptr_t>(what);
        return at >= begin && at - begin < *reinterpret_cast<const std::size_t *>(begin - head);
    }

  private:
    static void *sized(void *memory, std::size_t size) noexcept {
        ::new (memory) std::size_t(size);
        return static_cast<char *>(memory) + head;
    }
};

// What every coroutine of this layer has in its promise.
struct promise_base : task_frame_memory {
    task_state *task = nullptr;      // whose chain it is in; NULL while it is in none
    promise_base *caller = nullptr;  // who awaits it; NULL: the outermost
    promise_base **owner = nullptr;  // where its awaiter keeps it, to be told that it is gone
    std::coroutine_handle<> self;    // set by get_return_object
    std::source_location where = {}; // of the await that it is in

    // Notes where the await is. What is of this layer passes as it is; what would keep the handle of the
    // coroutine and resume it past the pump is given another.
    template <own_awaiter Awaiter>
    awaited_in_place<Awaiter>
    await_transform(Awaiter &awaiter, std::source_location here = std::source_location::current()) noexcept {
        where = here;
        return awaited_in_place<Awaiter>(awaiter);
    }
    template <class Awaitable>
        requires(!foreign_awaiter<awaiter_t<Awaitable>>)
    Awaitable &&await_transform(Awaitable &&awaitable,
                                std::source_location here = std::source_location::current()) noexcept {
        where = here;
        return static_cast<Awaitable &&>(awaitable);
    }
    template <class Awaitable>
        requires foreign_awaiter<awaiter_t<Awaitable>>
    auto await_transform(Awaitable &&awaitable, std::source_location here = std::source_location::current()) {
        where = here;
        return foreign_wait<decltype(awaiter_of(static_cast<Awaitable &&>(awaitable)))>(
            static_cast<Awaitable &&>(awaitable));
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
    // The task whose end it waits for, which a request to cancel is passed on to; NULL: that has ended.
    task_state *(*awaited)(awaiting &) noexcept = nullptr;
    // A task that ends with the frames of the one that waits; NULL: none does.
    task_state *(*owned)(awaiting &, task_state &) noexcept = nullptr;
};

// Is called at the end of a task, from the call that ends it.
struct task_watcher {
    void (*ended)(task_watcher &, task_state &) noexcept = nullptr;
    task_watcher *next = nullptr;
    task_watcher **back = nullptr; // NULL: watches nothing
};

enum class task_end : unsigned char { none, value, error, cancelled };

// A value of a task_local, see local.hpp.
struct local_value {
    std::uint32_t refs;
    void (*end)(local_value *) noexcept; // destroys and frees it

    void release() noexcept {
        if (--refs == 0)
            end(this);
    }
};

// That a task has a value under a key. Lists of these are never changed, so that tasks share them.
struct local_entry {
    const void *key;
    local_value *value;
    local_entry *next;
    std::uint32_t refs;
};

// A task's list, at first that of the task that spawned it.
class task_locals {
  public:
    task_locals() noexcept = default;
    task_locals(const task_locals &) = delete;
    ~task_locals() {
        if (first_) [[unlikely]]
            reset(nullptr);
    }

    const local_entry *first() const noexcept { return first_; }
    // Has what the other has.
    void share(const task_locals &other) noexcept {
        if (other.first_) [[unlikely]]
            reset(retained(other.first_));
    }
    // Takes over a reference to another list.
    [[gnu::noinline]] void reset(local_entry *list) noexcept {
        local_entry *old = std::exchange(first_, list);
        while (old && --old->refs == 0) {
            local_entry *next = old->next;
            old->value->release();
            object_end(old);
            old = next;
        }
    }
    static local_entry *retained(local_entry *list) noexcept {
        if (list)
            list->refs++;
        return list;
    }

  private:
    local_entry *first_ = nullptr;
};

// What depends on the type of a task's result.
struct task_kind {
    // The outermost coroutine has returned: takes its result. Returns how it ended.
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
    promise_base *leaf;           // NULL: ended, and its frames are gone
    awaiting *waiting = nullptr;  // NULL: running, or the first step is queued
    std::int64_t since;           // when it began to wait
    const task_kind *kind;
    const void *handle = nullptr;                   // the spawned<T> that owns it; NULL: none
    task_state *outer;                              // while it is destroyed: which goes after it
    task_home *home = nullptr;                      // whose it is; NULL: no scope's, or that has gone
    task_state *before = nullptr, *after = nullptr; // in the scope's list
    task_watcher *watchers = nullptr;
    promise_base *left_behind = nullptr; // go after its frames, by caller
    const char *name = nullptr;
    task_locals locals;
    std::uint64_t id = 0, parent = 0; // in its scope; 0: none
    std::source_location where;       // of the spawn
    error_type error = {};
    std::uint32_t refs = 1;     // one is the task's own, until it ends
    std::uint32_t requests = 0; // cancels less uncancels
    task_end end = task_end::none;
    bool started = false;
    bool running = false;
    bool going = false;       // being destroyed
    bool passing = false;     // passes on a request to cancel
    bool killed = false;      // to be destroyed when it suspends
    bool must_cancel = false; // the next wait ends cancelled
    bool cancel_sent = false; // the present wait has been told to end
    bool again = false;       // the wait was ended because of must_cancel, and begins again without it
    bool keeps_frame = false; // frames go when free_frames() is called, not with the end
    bool taken = false;       // the value has been moved away
    bool looked_at = false;   // the error has been seen, or will be

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

    // The next pass runs the first step. Returns the loop's error.
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
        if (must_cancel && pass_on_cancel()) {
            must_cancel = false;
            cancel_sent = true;
        }
        return true;
    }

    // The task that it waits for the end of, or NULL.
    task_state *awaited() const noexcept {
        return waiting && waiting->kind->awaited ? waiting->kind->awaited(*waiting) : nullptr;
    }

    // Whether what is at that address goes with the frames of its coroutines.
    bool holds(const void *what) const noexcept {
        for (const promise_base *frame = leaf; frame; frame = frame->caller)
            if (promise_base::lies_in(frame->self.address(), what))
                return true;
        return false;
    }

    // --- cancelling, as asyncio counts --------------------------------------------------------------

    // The request goes along the tasks that wait for one another, to the first that waits for something else:
    // in a loop, for there may be many. When they wait in a circle, it ends the wait of the last.
    bool cancel() noexcept {
        if (done())
            return false;
        task_state *last = nullptr;
        for (task_state *next = this; next && !next->passing; next = next->awaited()) {
            if (last)
                last->cancel_sent = true;
            last = next;
            last->requests++;
            last->passing = true;
        }
        for (task_state *task = this; task && task->passing; task = task->awaited())
            task->passing = false;
        if (last->waiting && last->waiting->kind->cancel(*last->waiting, *last))
            last->cancel_sent = true;
        else
            last->must_cancel = true;
        return true;
    }

    std::uint32_t uncancel() noexcept {
        if (requests > 0 && --requests == 0) {
            must_cancel = false;
            (void)evl_op_decline(&op, 0);
        }
        return requests;
    }

    // wait_kind.cancel for what waits in the operation. Over but not delivered: what it was given is handed
    // on when it would be delivered, unless the cancellation is taken back before.
    bool cancel_op() noexcept {
        if (evl_op_cancel(&op) == 1)
            return true;
        if (!waiting->kind->keeps)
            (void)evl_op_decline(&op, 1);
        return false;
    }

    // --- its end ------------------------------------------------------------------------------------

    // Ends it wherever it is. While it runs: as soon as it suspends. What it waits for and owns goes before
    // it: tasks that own one another may be many, and the stack does not grow with them.
    [[gnu::noinline]] void destroy() noexcept {
        if (done() || going)
            return;
        if (running) {
            killed = true;
            return;
        }
        going = true;
        outer = nullptr;
        for (task_state *task = this; task;) {
            if (task_state *inner = task->owned()) {
                inner->going = true;
                inner->outer = task;
                task = inner;
            } else {
                std::exchange(task, task->outer)->end_where_it_is();
            }
        }
    }

    // While its frames are destroyed: this coroutine is to go after all of them.
    void leave_behind(promise_base &coroutine) noexcept {
        coroutine.caller = std::exchange(left_behind, &coroutine);
    }

    // After its end, where keeps_frame has kept them.
    void free_frames() noexcept { unwind(); }

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
    // A task that is destroyed with it, and has not begun to go.
    task_state *owned() noexcept {
        task_state *inner = waiting && waiting->kind->owned ? waiting->kind->owned(*waiting, *this) : nullptr;
        return inner && !inner->done() && !inner->going && !inner->running ? inner : nullptr;
    }

    void end_where_it_is() noexcept {
        if (awaiting *what = std::exchange(waiting, nullptr); what && what->kind->leave)
            what->kind->leave(*what, *this);
        (void)evl_op_close(&op);
        unwind();
        ended(task_end::cancelled);
    }

    // It has begun to wait, and is to be cancelled: true when the wait will end by that.
    bool pass_on_cancel() noexcept {
        task_state *next = awaited();
        if (!next)
            return waiting->kind->cancel(*waiting, *this);
        passing = true; // should `next` come to wait for this one
        next->cancel();
        passing = false;
        return true;
    }

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
        const bool waits_again = std::exchange(again, false);
        cancel_sent = false;
        result = outcome;
        if (must_cancel && !(what->kind->keeps && outcome >= 0)) {
            must_cancel = false;
            result = EVL_ECANCELED;
        } else if (waits_again && wait(*what))
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
        while (promise_base *behind = left_behind) {
            left_behind = behind->caller;
            behind->self.destroy();
        }
    }

    [[gnu::noinline]] void finish() noexcept {
        task_end how = kind->collect(*this, *leaf);
        if (must_cancel && how == task_end::value)
            how = task_end::cancelled; // it was cancelled after its last wait
        going = true;
        if (!keeps_frame)
            unwind();
        ended(how);
    }

    inline void ended(task_end how) noexcept;
};

struct task_home;

// All scopes of the program, for debuggers, which look at it while it stands still.
class all_homes {
  public:
    static void add(task_home &home) noexcept;
    static void remove(task_home &home) noexcept;
    static task_home *first() noexcept { return first_; }

  private:
    struct locked {
        locked() noexcept {
            while (busy_.test_and_set(std::memory_order_acquire)) {
            }
        }
        ~locked() { busy_.clear(std::memory_order_release); }
    };
    static inline constinit std::atomic_flag busy_{};
    static inline constinit task_home *first_ = nullptr;
};

struct task_home;

// Outlives a scope, for task_poster: whether it is still there only its own thread may look.
struct home_link {
    task_home *home; // NULL: it has gone
};

// The tasks of a scope: those that have not ended, and those that ended with an error that has not been seen.
struct task_home {
    evl_loop *loop;
    task_state *first = nullptr; // the newest
    std::size_t live = 0;
    std::uint64_t ids = 0;
    error_type error = {};                         // the first that has not been seen
    task_home *before = nullptr, *after = nullptr; // in all_homes
    std::shared_ptr<home_link> link;               // made when it is asked for

    explicit task_home(evl_loop *the_loop) noexcept : loop(the_loop) { all_homes::add(*this); }
    task_home(const task_home &) = delete;
    ~task_home() {
        all_homes::remove(*this);
        if (link)
            link->home = nullptr;
    }

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
    // Whether one that has not ended is that one, or older.
    bool has_up_to(std::uint64_t id) const noexcept {
        const task_state *task = first;
        while (task && (task->id > id || task->done()))
            task = task->after;
        return task != nullptr;
    }
    void unhandled(task_state &task) noexcept {
        if (!error)
            error = task.error;
        report(loop, task.error, task.where);
    }
};

inline void all_homes::add(task_home &home) noexcept {
    const locked lock;
    home.after = first_;
    if (first_)
        first_->before = &home;
    first_ = &home;
}

inline void all_homes::remove(task_home &home) noexcept {
    const locked lock;
    (home.before ? home.before->after : first_) = home.after;
    if (home.after)
        home.after->before = home.before;
}

inline void task_state::ended(task_end how) noexcept {
    end = how;
    if (!keeps_frame)
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
