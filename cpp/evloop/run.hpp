// evloop/run.hpp - runs a program's main task, from its first step to the end of all the others.
//
//     int main() { return evloop::run_main(program()); }
//
// run_main is for main(): it takes Ctrl-C, says on stderr what went wrong, and returns an exit status. run
// gives the task's result and throws what it threw.
//
// When the main task has ended, the tasks that it left behind are cancelled, and have ended before the
// parameters of the main task are destroyed. Its local variables are gone by then: what refers to them is to
// end before, so keep the handles of such tasks, or spawn them in a group.
#pragma once

#include "scope.hpp"

#include <csignal>
#include <cstdio>
#include <optional>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

struct stop_at_end : task_watcher {
    stop_at_end() noexcept : task_watcher{stop} {}
    static void stop(task_watcher &, task_state &task) noexcept { (void)evl_stop(task.loop, 0); }
};

// Until the task has ended: 0, or why it cannot.
inline std::int32_t run_until(evl_loop *loop, task_state &task) noexcept {
    stop_at_end watcher;
    task.watch(watcher);
    std::int32_t rc = 0;
    do
        rc = evl_loop_run(loop, EVL_RUN_DEFAULT);
    while (!task.done() && rc == EVL_RUN_RECORDS); // those are C's to fetch
    task_state::unwatch(watcher);
    if (rc < 0 || task.done())
        return rc < 0 ? rc : 0;
    return rc == EVL_RUN_DONE && evl_loop_alive(loop) == 0 ? EVL_EDEADLK : EVL_ECANCELED;
}

// Cancels what is left and lets it end; then what that has left behind, and so on. What cannot end is
// destroyed with the scope.
inline void wind_up(scope &root) noexcept {
    std::uint64_t asked = 0; // the last that has been cancelled
    for (bool goes_on = true; goes_on && root.size() > 0;) {
        if (!root.home_.has_up_to(asked)) {
            root.cancel();
            asked = root.home_.ids;
        }
        const std::int32_t rc = evl_loop_run(root.loop(), EVL_RUN_ONCE);
        goes_on = rc > 0 || (rc == EVL_RUN_DONE && evl_loop_alive(root.loop()) == 1);
    }
}

// The first SIGINT cancels the main task, the second has its usual effect.
class interrupts {
  public:
    interrupts(evl_loop *loop, any_task main) : main_(std::move(main)) {
        (void)evl_signal_new(loop, SIGINT, interrupted, this, &signal_);
    }
    interrupts(const interrupts &) = delete;
    ~interrupts() { (void)evl_close(signal_); }

  private:
    static void interrupted(void *arg, std::int64_t count) noexcept {
        auto *self = static_cast<interrupts *>(arg);
        const bool again = std::exchange(self->before_, true) || count > 1;
        if (!again) {
            self->main_.cancel();
            return;
        }
        (void)evl_close(std::exchange(self->signal_, nullptr));
        (void)std::raise(SIGINT);
    }

    any_task main_;
    evl_signal *signal_ = nullptr;
    bool before_ = false;
};

struct loop_owner {
    evl_loop *loop = nullptr;
    ~loop_owner() { (void)evl_loop_destroy(loop); }
};

#if !EVLOOP_EXCEPTIONS
template <class T>
using outcome_of = result<T>;
#endif

// Frees the frames of the main task, after all other tasks have ended.
struct frames_kept {
    any_task task;
    ~frames_kept() {
        if (task)
            task.state()->free_frames();
    }
};

template <class T>
auto run_on(evl_loop *loop, task<T> main, bool interruptible, std::source_location here) {
    frames_kept kept;
    scope root(loop);
    spawned<T> job = root.spawn(std::move(main), begin::queued, here);
#if !EVLOOP_EXCEPTIONS
    if (!job)
        return outcome_of<T>(fail(EVL_ENOMEM));
#endif
    kept.task = job;
    task_state &state = *job.state();
    state.keeps_frame = true;
    std::optional<interrupts> handler;
    if (interruptible)
        handler.emplace(loop, kept.task);
    std::int32_t rc = run_until(loop, state);
    std::move(job).detach();
    wind_up(root);
    state.looked_at = rc == 0; // otherwise it is not what this ends with, and is reported
#if EVLOOP_EXCEPTIONS
    if (rc < 0)
        throw_code(rc);
    if (state.end == task_end::error)
        std::rethrow_exception(state.error);
    if (state.end == task_end::cancelled)
        throw cancelled{};
    if constexpr (std::is_void_v<T>)
        return 0;
    else
        return static_cast<task_block<T> &>(state).value.take();
#else
    if (rc == 0 && state.end != task_end::value)
        rc = EVL_ECANCELED;
    if constexpr (std::is_void_v<T>)
        return rc < 0 ? outcome_of<T>(fail(rc)) : outcome_of<T>();
    else
        return rc < 0 ? outcome_of<T>(fail(rc))
                      : outcome_of<T>(std::in_place, static_cast<task_block<T> &>(state).value.take());
#endif
}

// Says on stderr what an error is.
#if EVLOOP_EXCEPTIONS
inline void print_error_at(const char *what, const std::source_location &where) noexcept {
    if (where.line() == 0)
        std::fprintf(stderr, "evloop: %s\n", what);
    else
        std::fprintf(stderr, "evloop: %s, in the task of %s:%u\n", what, where.file_name(),
                     static_cast<unsigned>(where.line()));
}
inline void print_error(const std::exception_ptr &error, std::source_location where = {}) noexcept {
    with_text(error, [&where](const char *what) { print_error_at(what, where); });
}
inline void print_unhandled(void *, std::int64_t code) noexcept {
    print_error(unhandled_exception(code), unhandled_where());
}
#else
inline void print_error(std::int64_t code) noexcept {
    std::fprintf(stderr, "evloop: %s\n", evl_strerror(code));
}
inline void print_unhandled(void *, std::int64_t code) noexcept { print_error(code); }
#endif

// What is called with errors that are not awaited.
template <class F>
struct error_hook {
    F &fn;
    static void call(void *arg, std::int64_t code) noexcept {
#if EVLOOP_EXCEPTIONS
        static_cast<error_hook *>(arg)->fn(unhandled_exception(code));
#else
        static_cast<error_hook *>(arg)->fn(static_cast<std::int32_t>(code));
#endif
    }
};

template <class T>
auto run_owned(task<T> main, const loop_options &options, bool interruptible, std::source_location here,
               evl_done_fn *hook = print_unhandled, void *arg = nullptr) {
    loop_owner own;
    const evl_options all = options.c();
#if EVLOOP_EXCEPTIONS
    check(evl_loop_new(&own.loop, &all));
#else
    if (const std::int32_t rc = evl_loop_new(&own.loop, &all); rc < 0)
        return outcome_of<T>(fail(rc));
#endif
    (void)evl_set_error_hook(own.loop, hook, arg);
    return run_on(own.loop, std::move(main), interruptible, here);
}

} // namespace detail

// Runs a task on a loop that is not running, and gives its result; then cancels every other task that it has
// left behind, and waits for their ends; then those that these have spawned meanwhile, until none is left. A
// stop changes nothing about that. What a task throws that is not awaited goes to the loop's error hook when
// it happens, and not to the result. void gives 0, so that main can return it.
//
// stop() with whatever argument that is no error ends it: the main task is cancelled with the others, its
// value is dropped, what it throws is reported, and run throws `cancelled`; without exceptions the result has
// EVL_ECANCELED. An error that is given to stop is thrown.
// Errors: what the task throws; those of evl_loop_run; EVL_EDEADLK: nothing that is left could wake the task.
// Whatever awaits is alive, with a real clock it waits for ever for an event that nothing sets; with a
// virtual clock that is this error.
template <class T>
auto run(loop_ref loop, task<T> main, std::source_location here = std::source_location::current()) {
    return detail::run_on(loop, std::move(main), false, here);
}

// The same on a loop of its own, whose error hook writes to stderr: run(program(), {.backend = "select"}).
// Errors: also those of evl_loop_new.
template <class T>
auto run(task<T> main, const loop_options &options = {},
         std::source_location here = std::source_location::current()) {
    return detail::run_owned(std::move(main), options, false, here);
}

// The same with an error hook, which is called with each error that is not awaited, from the loop's thread
// and when it happens: a std::exception_ptr; without exceptions the code.
template <class T, class Hook>
    requires std::invocable<Hook &, detail::error_type>
auto run(task<T> main, Hook hook, const loop_options &options = {},
         std::source_location here = std::source_location::current()) {
    detail::error_hook<Hook> on_error{hook};
    return detail::run_owned(std::move(main), options, false, here, detail::error_hook<Hook>::call,
                             &on_error);
}

// The same as run for programs at a terminal: the first SIGINT cancels the main task, so that everything is
// cleaned up and this throws `cancelled`, which main() must catch; the second ends the program at once.
template <class T>
auto run_interruptible(loop_ref loop, task<T> main,
                       std::source_location here = std::source_location::current()) {
    return detail::run_on(loop, std::move(main), true, here);
}
// The same on a loop of its own, made with options.
template <class T>
auto run_interruptible(task<T> main, const loop_options &options = {},
                       std::source_location here = std::source_location::current()) {
    return detail::run_owned(std::move(main), options, true, here);
}

namespace detail {

// Runs, and makes an exit status of how it ended.
template <class Run>
int status_of(Run run) noexcept {
    constexpr int failed = 1, interrupted = 128 + SIGINT;
#if EVLOOP_EXCEPTIONS
    try {
        return run();
    } catch (const cancelled &) {
        return interrupted;
    } catch (...) {
        print_error(std::current_exception());
        return failed;
    }
#else
    const auto end = run();
    if (end.code() == EVL_ECANCELED)
        return interrupted;
    if (!end) {
        print_error(end.code());
        return failed;
    }
    if constexpr (std::is_void_v<typename decltype(run())::value_type>)
        return 0;
    else
        return *end;
#endif
}

} // namespace detail

// For main(): run_interruptible, and an exit status. What a task<int> gives, 0 for a task<>; 130 when it was
// cancelled, as by Ctrl-C, which is what shells expect, or the loop was stopped; 1 for any error, after a
// line on stderr that says which.
template <class T>
    requires std::is_void_v<T> || std::convertible_to<T, int>
int run_main(task<T> main, const loop_options &options = {},
             std::source_location here = std::source_location::current()) noexcept {
    return detail::status_of([&] { return detail::run_owned(std::move(main), options, true, here); });
}

// The same with an error hook, as run has it: for each error that is not awaited, in place of a line on
// stderr. What the main task throws is printed all the same.
template <class T, class Hook>
    requires(std::is_void_v<T> || std::convertible_to<T, int>) && std::invocable<Hook &, detail::error_type>
int run_main(task<T> main, Hook hook, const loop_options &options = {},
             std::source_location here = std::source_location::current()) noexcept {
    detail::error_hook<Hook> on_error{hook};
    return detail::status_of([&] {
        return detail::run_owned(std::move(main), options, true, here, detail::error_hook<Hook>::call,
                                 &on_error);
    });
}

} // namespace evloop::inline EVLOOP_CPP_ABI
