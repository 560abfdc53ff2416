// evloop/run.hpp - runs a program's main task, from its first step to the end of all the others.
#pragma once

#include "scope.hpp"

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

struct loop_owner {
    evl_loop *loop = nullptr;
    ~loop_owner() { (void)evl_loop_destroy(loop); }
};

} // namespace detail

// Runs a task on a loop that nobody else runs, and gives its result; then cancels every other task that it
// has left behind, and waits for their ends. What such a task threw goes to the loop's error hook, and the
// first of it is thrown here if the main task did not throw. void answers 0, so that main can return it.
// Errors: those of evl_loop_run; EVL_EDEADLK: nothing is alive that could go on; EVL_ECANCELED: the loop was
// stopped.
template <class T>
auto run(evl_loop *loop, task<T> main) {
    scope root(loop);
    spawned<T> job = root.spawn(std::move(main));
    std::int32_t rc = job ? detail::run_until(loop, *job.state()) : EVL_ENOMEM;
    const any_task kept = job;
    std::move(job).detach();
    detail::wind_up(root);
    detail::task_state &state = *kept.state();
    state.looked_at = true;
#if EVLOOP_EXCEPTIONS
    (void)check(rc);
    if (state.end == detail::task_end::error)
        std::rethrow_exception(state.error);
    if (state.end == detail::task_end::cancelled)
        throw cancelled{};
    if (std::exception_ptr other = root.take_error())
        std::rethrow_exception(other);
    if constexpr (std::is_void_v<T>)
        return 0;
    else
        return static_cast<detail::task_block<T> &>(state).value.take();
#else
    if (rc == 0 && state.end != detail::task_end::value)
        rc = EVL_ECANCELED;
    if constexpr (std::is_void_v<T>)
        return rc < 0 ? result<void>(fail(rc)) : result<void>();
    else
        return rc < 0 ? result<T>(fail(rc))
                      : result<T>(std::in_place, static_cast<detail::task_block<T> &>(state).value.take());
#endif
}

// The same on a loop of its own. Errors: also those of evl_loop_new.
template <class T>
auto run(task<T> main, const evl_options *options = nullptr) {
    detail::loop_owner own;
#if EVLOOP_EXCEPTIONS
    check(evl_loop_new(&own.loop, options));
#else
    if (const std::int32_t rc = evl_loop_new(&own.loop, options); rc < 0)
        return decltype(run(own.loop, std::move(main)))(fail(rc));
#endif
    return run(own.loop, std::move(main));
}

} // namespace evloop::inline EVLOOP_CPP_ABI
