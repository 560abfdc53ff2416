// evloop/run.hpp - runs a program's main task, from its first step to the end of all the others.
#pragma once

#include "scope.hpp"

#include <csignal>
#include <optional>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

struct stop_at_end : task_watcher {
    stop_at_end() noexcept : task_watcher{told} {}
    static void told(task_watcher &, task_state &task) noexcept { (void)evl_stop(task.loop, 0); }
};

// Until the task has ended: 0, or why it cannot.
inline std::int32_t run_until(evl_loop *loop, task_state &task) noexcept {
    stop_at_end stop;
    task.watch(stop);
    std::int32_t rc = 0;
    while (!task.done() && rc >= 0) {
        rc = evl_loop_run(loop, EVL_RUN_DEFAULT);
        if (rc == EVL_RUN_DONE && !task.done())
            rc = evl_loop_alive(loop) == 1 ? EVL_ECANCELED : EVL_EDEADLK;
    }
    task_state::unwatch(stop);
    return rc < 0 ? rc : 0;
}

// Cancels what is left and lets it end. What cannot end is destroyed with the scope.
inline void wind_up(scope &root) noexcept {
    root.cancel();
    while (root.size() > 0 && evl_loop_run(root.loop(), EVL_RUN_ONCE) > 0) {
    }
}

// The first SIGINT cancels the main task, the second has its usual effect.
class interrupts {
  public:
    interrupts(evl_loop *loop, any_task main) : main_(std::move(main)) {
        (void)evl_signal_new(loop, SIGINT, told, this, &signal_);
    }
    interrupts(const interrupts &) = delete;
    ~interrupts() { (void)evl_close(signal_); }

  private:
    static void told(void *arg, std::int64_t count) noexcept {
        auto *self = static_cast<interrupts *>(arg);
        const bool again = std::exchange(self->heard_, true) || count > 1;
        if (!again) {
            self->main_.cancel();
            return;
        }
        (void)evl_close(std::exchange(self->signal_, nullptr));
        (void)std::raise(SIGINT);
    }

    any_task main_;
    evl_signal *signal_ = nullptr;
    bool heard_ = false;
};

struct loop_owner {
    evl_loop *loop = nullptr;
    ~loop_owner() { (void)evl_loop_destroy(loop); }
};

#if !EVLOOP_EXCEPTIONS
template <class T>
using outcome_of = result<T>;
#endif

template <class T>
auto run_main(evl_loop *loop, task<T> main, bool interruptible) {
    scope root(loop);
    spawned<T> job = root.spawn(std::move(main));
    const any_task kept = job;
#if !EVLOOP_EXCEPTIONS
    if (!kept)
        return outcome_of<T>(fail(EVL_ENOMEM));
#endif
    std::optional<interrupts> heard;
    if (interruptible)
        heard.emplace(loop, kept);
    std::int32_t rc = run_until(loop, *kept.state());
    std::move(job).detach();
    wind_up(root);
    task_state &state = *kept.state();
    state.looked_at = true;
#if EVLOOP_EXCEPTIONS
    (void)check(rc);
    if (state.end == task_end::error)
        std::rethrow_exception(state.error);
    if (state.end == task_end::cancelled)
        throw cancelled{};
    if (std::exception_ptr other = root.take_error())
        std::rethrow_exception(other);
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

template <class T>
auto run_owned(task<T> main, const loop_options &options, bool interruptible) {
    loop_owner own;
    const evl_options all = options.c();
#if EVLOOP_EXCEPTIONS
    check(evl_loop_new(&own.loop, &all));
#else
    if (const std::int32_t rc = evl_loop_new(&own.loop, &all); rc < 0)
        return outcome_of<T>(fail(rc));
#endif
    return run_main(own.loop, std::move(main), interruptible);
}

} // namespace detail

// Runs a task on a loop that nobody else runs, and gives its result; then cancels every other task that it
// has left behind, and waits for their ends. What such a task threw goes to the loop's error hook, and the
// first of it is thrown here if the main task did not throw. void answers 0, so that main can return it.
// Errors: those of evl_loop_run; EVL_EDEADLK: nothing is alive that could go on; EVL_ECANCELED: the loop was
// stopped.
template <class T>
auto run(evl_loop *loop, task<T> main) {
    return detail::run_main(loop, std::move(main), false);
}

// The same on a loop of its own: run(program(), {.backend = "select"}). Errors: also those of evl_loop_new.
template <class T>
auto run(task<T> main, const loop_options &options = {}) {
    return detail::run_owned(std::move(main), options, false);
}

// The same for programs at a terminal: the first SIGINT cancels the main task, so that everything is cleaned
// up and this throws `cancelled`; the second ends the program at once.
template <class T>
auto run_interruptible(evl_loop *loop, task<T> main) {
    return detail::run_main(loop, std::move(main), true);
}
template <class T>
auto run_interruptible(task<T> main, const loop_options &options = {}) {
    return detail::run_owned(std::move(main), options, true);
}

} // namespace evloop::inline EVLOOP_CPP_ABI
