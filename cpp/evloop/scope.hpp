// evloop/scope.hpp - who owns tasks, and the handle of one.
//
//     auto job = evloop::spawn(crawl("localhost"));    // its first step runs in the next pass
//     int pages = co_await job;                        // its value, or what it threw
//
// spawned<T> owns its task: with it the task goes, at once or, while it runs, when it next suspends. detach()
// gives the task to its scope. Every task is in the scope of the task that spawned it; run makes the first
// one, cancels what is left in it and waits for its end. A program with a loop of its own makes a scope.
#pragma once

#include "loop.hpp"
#include "task.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>

namespace evloop::inline EVLOOP_CPP_ABI {

template <class T>
class spawned;
class scope;
class task_poster;

namespace detail {
struct dump_access;
void wind_up(scope &root) noexcept;
} // namespace detail

// When the first step runs: in the next pass, or inside spawn.
enum class begin { queued, now };

// Owns tasks on one loop. Belongs to the loop's thread; its tasks go with it. It may outlive the loop: its
// tasks then stay where they are until they are destroyed, cancelled or not, and spawn fails with
// errc::closed.
class scope {
  public:
    explicit scope(loop_ref loop) noexcept : counted_(loop), home_{loop} {}
    scope(const scope &) = delete;
    ~scope() {
        while (detail::task_state *task = home_.first) {
            if (task->end == detail::task_end::error && !task->looked_at)
                home_.unhandled(*task);
            home_.remove(*task);
            task->destroy();
        }
    }

    // Errors: those of frames without memory.
    template <class T>
    spawned<T> spawn(task<T> what, begin when = begin::queued,
                     std::source_location here = std::source_location::current());

    // Cancels every task in it, the newest first.
    void cancel() noexcept;

    // How many of its tasks have not ended.
    std::size_t size() const noexcept { return home_.live; }
    loop_ref loop() const noexcept { return home_.loop; }

    // The first exception of a task that was not awaited; empty: none. Each has been reported to the loop's
    // error hook. Without exceptions a code.
    auto take_error() noexcept { return std::exchange(home_.error, detail::error_type{}); }

  private:
    friend class task_poster;
    friend struct detail::dump_access;
    friend void detail::wind_up(scope &) noexcept;

    detail::counted_loop counted_;
    detail::task_home home_;
};

namespace detail {

// A task with its result.
template <class T>
struct task_block final : task_state {
    slot<T> value;

    static constexpr task_kind kind_of = {
        [](task_state &state, promise_base &top) noexcept {
            auto &self = static_cast<task_block &>(state);
            auto &promise = static_cast<detail::promise<T> &>(top);
            return self.collect(promise);
        },
        [](task_state *state) noexcept { object_end(static_cast<task_block *>(state)); }};

    task_block(evl_loop *loop, promise<T> &top, std::source_location here) noexcept
        : task_state(loop, top, kind_of, here) {}

    // NULL: out of memory.
    static task_block *make(evl_loop *loop, task<T> &what, std::source_location here) noexcept {
        return object_make<task_block>(
            [&](void *memory) { ::new (memory) task_block(loop, *what.release(), here); });
    }

  private:
    task_end collect(promise<T> &promise) noexcept {
#if EVLOOP_EXCEPTIONS
        try {
            if (!promise.value.full) [[unlikely]]
                promise.throw_end();
            take(promise);
        } catch (...) {
            return failed(std::current_exception());
        }
#else
        take(promise);
        if constexpr (requires { value.get().code(); })
            error = value.get().code() == EVL_ECANCELED ? 0 : value.get().code();
#endif
        return task_end::value;
    }

    void take(promise<T> &promise) {
        if constexpr (std::is_void_v<T>)
            value.put();
        else
            value.put(promise.value.take());
    }

#if EVLOOP_EXCEPTIONS
    task_end failed(std::exception_ptr exception) noexcept {
        try {
            std::rethrow_exception(exception);
        } catch (const cancelled &) {
            return task_end::cancelled;
        } catch (...) {
            error = std::move(exception);
            return task_end::error;
        }
    }
#endif
};

// What a task failed with, for who sees to it; empty or 0: it did not.
inline error_type error_of(task_state &task) noexcept {
    task.looked_at = true;
    return task.error;
}

// A reference to a task that keeps its state.
class task_ref {
  public:
    task_ref() noexcept = default;
    explicit task_ref(task_state *state) noexcept : state_(state) {
        if (state_)
            state_->retain();
    }
    task_ref(const task_ref &other) noexcept : task_ref(other.state_) {}
    task_ref(task_ref &&other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    task_ref &operator=(task_ref other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~task_ref() {
        if (state_)
            state_->release();
    }
    task_state *get() const noexcept { return state_; }
    task_state *operator->() const noexcept { return state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

  private:
    task_state *state_ = nullptr;
};

} // namespace detail

// What can be done with a task whose result one does not know: a reference, which does not own it. An empty
// one, as any that was moved from, is done and cannot be cancelled.
class any_task {
  public:
    any_task() noexcept = default;
    explicit any_task(detail::task_state *state) noexcept : state_(state) {}

    // Whether it refers to a task.
    explicit operator bool() const noexcept { return static_cast<bool>(state_); }

    // Asks it to end: its present or next await that suspends ends cancelled, once. False when it has ended.
    // A task that waits for another passes the request on, and ends by the end of that one.
    bool cancel() const noexcept { return state_ && state_->cancel(); }
    // Takes one request back; returns how many are left. With the last one goes a cancellation that has not
    // been delivered.
    std::uint32_t uncancel() const noexcept { return state_ ? state_->uncancel() : 0; }
    // Requests that have not been taken back.
    std::uint32_t cancelling() const noexcept { return state_ ? state_->requests : 0; }

    // Whether it has ended; also true of an empty reference.
    bool done() const noexcept { return !state_ || state_->done(); }
    bool is_cancelled() const noexcept { return state_ && state_->end == detail::task_end::cancelled; }

    // For dumps; not copied.
    void set_name(const char *name) const noexcept {
        if (state_)
            state_->name = name;
    }
    const char *name() const noexcept { return state_ && state_->name ? state_->name : ""; }

    // Whether both are the same task.
    bool operator==(const any_task &other) const noexcept { return state_.get() == other.state_.get(); }
    detail::task_state *state() const noexcept { return state_.get(); }

  private:
    detail::task_ref state_;
};

// The running task, empty outside of one; its loop, that of nullptr outside. In the destructors of a task
// that is destroyed it is the task that destroys it, or none: spawn then goes to the scope of that one.
inline any_task this_task() noexcept { return any_task(detail::current_task()); }
inline loop_ref this_loop() noexcept {
    detail::task_state *task = detail::current_task();
    return task ? task->loop : nullptr;
}

inline void scope::cancel() noexcept {
    // A cancellation runs no user code, so that the list stays as it is.
    for (detail::task_state *task = home_.first; task; task = task->after)
        task->cancel();
}

namespace detail {

// Waits for the end of another task. To cancel who waits is to cancel that one.
struct joining : awaiting, task_watcher {
    explicit joining(task_state *state, const wait_kind &how = kind_of) noexcept
        : awaiting{&how}, task_watcher{told}, subject(state) {}

    task_ref subject;
    task_state *waiter = nullptr;

    bool wait(promise_base &promise) noexcept {
        waiter = promise.task;
        return waiter->wait(*this);
    }

    // How it ended, as a code; EVL_EUSER: there is an exception.
    std::int32_t code() const noexcept {
        if (waiter->result < 0)
            return static_cast<std::int32_t>(waiter->result);
        subject->looked_at = true;
        return subject->end == task_end::value       ? (subject->taken ? EVL_EALREADY : 0)
               : subject->end == task_end::cancelled ? EVL_ECANCELED
                                                     : EVL_EUSER;
    }

    static joining &of(awaiting &self) noexcept { return static_cast<joining &>(self); }
    static bool start(awaiting &self, task_state &waiter) noexcept {
        task_state *subject = of(self).subject.get();
        waiter.result = !subject || subject == &waiter ? EVL_EDEADLK : 0;
        if (waiter.result != 0 || subject->done())
            return false;
        subject->watch(of(self));
        return true;
    }
    // Only who waits is told: in the next pass, or it goes on waiting should the request be taken back.
    static bool cancel(awaiting &self, task_state &waiter) noexcept {
        if (joining &join = of(self); join.back) {
            task_state::unwatch(join);
            (void)evl_defer(waiter.loop, &waiter.op);
            waiter.again = true;
        }
        return false;
    }
    static task_state *awaited(awaiting &self) noexcept {
        task_state *subject = of(self).subject.get();
        return subject->done() ? nullptr : subject;
    }
    static task_state *owned(awaiting &self, task_state &waiter) noexcept {
        task_state *subject = of(self).subject.get();
        return subject->handle && waiter.holds(subject->handle) ? subject : nullptr;
    }
    static void leave(awaiting &self, task_state &) noexcept { task_state::unwatch(of(self)); }
    static void told(task_watcher &self, task_state &) noexcept {
        task_state &waiter = *static_cast<joining &>(self).waiter;
        (void)evl_defer(waiter.loop, &waiter.op);
    }

    static constexpr wait_kind kind_of = {"task", start, cancel, leave, false, awaited, owned};
};

// T is what it gives: the value, or a reference to it in the task.
template <class Value, class T>
class [[nodiscard]] join_awaiter : joining {
  public:
    using hands_over_in_the_pump = void;

    explicit join_awaiter(task_state *state, const wait_kind &how = kind_of) noexcept : joining(state, how) {}

    bool await_ready() const noexcept { return false; }

    template <std::derived_from<promise_base> Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        return wait(self.promise());
    }

    T await_resume() {
        static_assert(EVLOOP_EXCEPTIONS || !sizeof(join_awaiter),
                      "this await may fail: without exceptions write co_await evloop::as_result(...)");
#if EVLOOP_EXCEPTIONS
        if (const std::int32_t rc = code(); rc == EVL_EUSER)
            std::rethrow_exception(subject->error);
        else if (rc < 0)
            throw_code(rc);
#endif
        return get();
    }

    // For as_result: the exception of a task that ended with another than std::system_error is thrown.
    result<std::remove_cvref_t<Value>> outcome() {
        const std::int32_t rc = code();
#if EVLOOP_EXCEPTIONS
        if (rc == EVL_EUSER)
            return fail(code_or_rethrow(subject->error));
#endif
        if (rc < 0)
            return fail(rc);
        if constexpr (std::is_void_v<Value>)
            return {};
        else
            return result<std::remove_cvref_t<Value>>(std::in_place, get());
    }

  private:
    T get() {
        auto &value = static_cast<task_block<Value> &>(*subject.get()).value;
        if constexpr (std::is_lvalue_reference_v<T> || std::is_void_v<T>)
            return value.get();
        else {
            subject->taken = true;
            return value.take();
        }
    }
};

} // namespace detail

// Owns a task. Belongs to the loop's thread.
template <class T = void>
class [[nodiscard("the task goes with its handle: keep it, await it, or detach it")]] spawned
    : public any_task {
  public:
    using value_type = T;

    spawned() noexcept = default;
    explicit spawned(detail::task_block<T> *block) noexcept : any_task(block) { owned_here(); }
    spawned(spawned &&other) noexcept : any_task(static_cast<any_task &&>(other)) { owned_here(); }
    spawned &operator=(spawned &&other) noexcept {
        spawned old(std::move(other)); // has this one's task at the end, and destroys it
        std::swap(static_cast<any_task &>(*this), static_cast<any_task &>(old));
        owned_here();
        return *this;
    }
    ~spawned() {
        if (*this)
            this->state()->destroy();
    }

    // Gives the task to its scope, which run cancels and joins at its end: it may outlive everything that the
    // one who spawned it has on its frame.
    void detach() && noexcept {
        if (const any_task task = static_cast<any_task &&>(*this))
            task.state()->handle = nullptr;
    }

    // Its value, or what it threw; `cancelled` if it was cancelled. Of an lvalue a reference to the value,
    // which stays in the task: any number may wait. `co_await std::move(job)` takes the value away; who waits
    // for the task after that gets EVL_EALREADY.
    auto operator co_await() & noexcept {
        return detail::join_awaiter<T, std::add_lvalue_reference_t<T>>(this->state());
    }
    auto operator co_await() && noexcept { return detail::join_awaiter<T, T>(this->state()); }

  private:
    void owned_here() noexcept {
        if (*this)
            this->state()->handle = this;
    }
};

namespace detail {

// Why a task cannot be started; 0: it can.
template <class T>
std::int32_t why_not(const task_home *home, const task<T> &what) noexcept {
    if (!home)
        return EVL_EPERM;
    if (!what) // without exceptions that is how a frame without memory looks
        return EVLOOP_EXCEPTIONS ? EVL_EINVAL : EVL_ENOMEM;
    return 0;
}

template <class T>
spawned<T> spawn_in(task_home *home, task<T> &what, begin when, std::source_location here) {
    std::int32_t rc = why_not(home, what);
    task_block<T> *block = rc == 0 ? task_block<T>::make(home->loop, what, here) : nullptr;
    if (!block) {
        (void)check(rc < 0 ? rc : EVL_ENOMEM);
        return {};
    }
    spawned<T> handle(block);
    home->add(*block);
    if (task_state *parent = current_task()) {
        if (parent->home == home)
            block->parent = parent->id;
        if (parent->locals.first() && parent->loop == home->loop)
            [[unlikely]] // others may be another thread's
            block->locals.share(parent->locals);
    }
    if (when == begin::now)
        block->start_now();
    else
        (void)check(block->start());
    return handle;
}

// The scope of the running task, or NULL.
inline task_home *current_home() noexcept {
    task_state *task = current_task();
    return task ? task->home : nullptr;
}

// The parameters of what is called, where they can be known: not those of a generic lambda.
template <class... P>
struct parameters {
    static constexpr std::size_t count = sizeof...(P);
    // Whether a coroutine with these parameters has all of them on its own frame.
    static constexpr bool are_copies = (!std::is_reference_v<P> && ...);
};
struct unknown_parameters {
    static constexpr std::size_t count = 0;
    static constexpr bool are_copies = false;
};
template <class F>
struct parameters_of {
    using type = unknown_parameters;
};
template <class R, class... P>
struct parameters_of<R (*)(P...)> {
    using type = parameters<P...>;
};
template <class R, class... P>
struct parameters_of<R (*)(P...) noexcept> {
    using type = parameters<P...>;
};
// Those of a member function without its object.
template <class F>
struct parameters_in;
template <class R, class F, class... P>
struct parameters_in<R (F::*)(P...)> : parameters_of<R (*)(P...)> {};
template <class R, class F, class... P>
struct parameters_in<R (F::*)(P...) const> : parameters_of<R (*)(P...)> {};
template <class R, class F, class... P>
struct parameters_in<R (F::*)(P...) noexcept> : parameters_of<R (*)(P...)> {};
template <class R, class F, class... P>
struct parameters_in<R (F::*)(P...) const noexcept> : parameters_of<R (*)(P...)> {};
template <class F>
    requires requires { &F::operator(); }
struct parameters_of<F> : parameters_in<decltype(&F::operator())> {};
template <class F>
struct parameters_of<moved<F>> : parameters_of<F> {};

// Those of F when it is called with such arguments: a member function takes its object first.
template <class F, class... Args>
struct parameters_with : parameters_of<F> {};
template <class Object, class Parameters>
struct with_object;
template <class Object, class... P>
struct with_object<Object, parameters<P...>> {
    using type = parameters<Object, P...>;
};
template <class F, class Object, class... Args>
    requires std::is_member_function_pointer_v<F>
struct parameters_with<F, Object, Args...>
    : with_object<std::decay_t<Object>, typename parameters_in<F>::type> {};

template <class T>
constexpr bool is_reference_wrapper = false;
template <class T>
constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

// How an argument for a parameter P is kept. What is passed as `T &` is the caller's. Of anything else there
// is a copy: what the parameter is made of, or what a reference to a base refers to.
template <class P, class Arg, class T = std::decay_t<P>, class Given = std::decay_t<Arg>>
using kept = std::conditional_t<
    std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>, P,
    std::conditional_t<std::is_reference_v<P> && (std::is_base_of_v<T, Given> || is_reference_wrapper<Given>),
                       Given, T>>;

// Gives a parameter of type P what is kept for it.
template <class P, class Kept>
decltype(auto) handed(Kept &kept_value) noexcept {
    if constexpr (std::is_lvalue_reference_v<P>)
        return (kept_value);
    else
        return static_cast<Kept &&>(kept_value);
}

// What can be called with the arguments, or with copies of them, and what that gives.
template <class F, class... Args>
concept callable_with = std::invocable<F &, Args...> || std::invocable<F &, std::decay_t<Args>...>;
template <class F, class... Args>
struct called : std::invoke_result<F &, std::decay_t<Args>...> {};
template <class F, class... Args>
    requires std::invocable<F &, Args...>
struct called<F, Args...> : std::invoke_result<F &, Args...> {};
template <class F, class... Args>
using called_t = typename called<F, Args...>::type;

// A coroutine that has the function and its arguments on its frame, for as long as that runs.
template <class Parameters>
struct calling_with;
template <class... P>
struct calling_with<parameters<P...>> {
    template <class Task, class F, class... Kept>
    static Task run(F what, Kept... args) {
        co_return co_await std::invoke(what, handed<P, Kept>(args)...);
    }
    template <class F, class... Args>
    static auto make(F &&what, Args &&...args) {
        using result_type = called_t<std::decay_t<F>, Args...>;
        return run<result_type, std::decay_t<F>, kept<P, Args>...>(std::forward<F>(what),
                                                                   std::forward<Args>(args)...);
    }
};

// A task that calls what(args...), with nothing of the caller's but what it takes as `T &`.
template <class F, class... Args>
auto task_of(F &&what, Args &&...args) {
    using function = std::decay_t<F>;
    using known = typename parameters_with<function, Args...>::type;
    if constexpr (known::are_copies && (std::is_pointer_v<function> || std::is_empty_v<function>)) {
        return what(std::forward<Args>(args)...);
    } else if constexpr (known::count == sizeof...(Args) && !std::is_same_v<known, unknown_parameters>) {
        static_assert(survives_await<F>, EVLOOP_NAME_IT);
        return calling_with<known>::make(std::forward<F>(what), std::forward<Args>(args)...);
    } else {
        static_assert(survives_await<F>, EVLOOP_NAME_IT);
        static_assert(std::invocable<function &, std::decay_t<Args>...>,
                      "its arguments are copied: give the types of what it takes by reference");
        return calling_with<parameters<std::decay_t<Args>...>>::make(std::forward<F>(what),
                                                                     std::forward<Args>(args)...);
    }
}

} // namespace detail

template <class T>
spawned<T> scope::spawn(task<T> what, begin when, std::source_location here) {
    return detail::spawn_in(&home_, what, when, here);
}

// Starts a task on the loop of the running one, and in its scope. Errors: EVL_EPERM outside of a task,
// EVL_EINVAL: the task has been moved from.
template <class T>
spawned<T> spawn(task<T> what, begin when = begin::queued,
                 std::source_location here = std::source_location::current()) {
    return detail::spawn_in(detail::current_home(), what, when, here);
}

// The same from a function and its arguments: spawn(serve, connection). The task has copies of both, also
// where the function takes `const T &` or `T &&`, and of the captures of a lambda; what it takes as `T &` is
// the caller's, and must outlive the task. Errors: those of the copies, too.
template <class F>
    requires detail::callable_with<std::decay_t<F>>
auto spawn(F &&what, std::source_location here = std::source_location::current()) {
    return spawn(detail::task_of(std::forward<F>(what)), begin::queued, here);
}
// As spawn of a function, with one argument. One for each number of them, for `here` cannot come after a
// pack.
template <class F, class A>
    requires detail::callable_with<std::decay_t<F>, A>
auto spawn(F &&what, A &&a, std::source_location here = std::source_location::current()) {
    return spawn(detail::task_of(std::forward<F>(what), std::forward<A>(a)), begin::queued, here);
}
// As spawn of a function, with two arguments.
template <class F, class A, class B>
    requires detail::callable_with<std::decay_t<F>, A, B>
auto spawn(F &&what, A &&a, B &&b, std::source_location here = std::source_location::current()) {
    return spawn(detail::task_of(std::forward<F>(what), std::forward<A>(a), std::forward<B>(b)),
                 begin::queued, here);
}
// As spawn of a function, with three arguments.
template <class F, class A, class B, class C>
    requires detail::callable_with<std::decay_t<F>, A, B, C>
auto spawn(F &&what, A &&a, B &&b, C &&c, std::source_location here = std::source_location::current()) {
    return spawn(
        detail::task_of(std::forward<F>(what), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c)),
        begin::queued, here);
}
template <class F, class... Args>
    requires(sizeof...(Args) > 3) && detail::callable_with<std::decay_t<F>, Args...>
auto spawn(F &&what, Args &&...args) {
    return spawn(detail::task_of(std::forward<F>(what), std::forward<Args>(args)...));
}

} // namespace evloop::inline EVLOOP_CPP_ABI
