// evloop/thread.hpp - tasks that other threads start, and whose results they wait for. Not part of
// evloop.hpp, nor with -fno-exceptions: std::future has errors as exceptions.
//
//     evloop::task_poster tasks;                        // in a task, or of a scope
//     std::thread([tasks] {
//         std::future<std::string> page = tasks.spawn(fetch, "http://localhost/");
//         use(page.get());                              // blocks this thread, and not the loop
//     });
//
// To receive what threads send, see channel.hpp; to run a function on the loop, poster (loop.hpp); to let a
// thread work for a task, run_in_executor (executor.hpp).
#pragma once

#include "scope.hpp"

#if EVLOOP_EXCEPTIONS

#    include <future>
#    include <memory>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// Fulfilled once, by the last who holds it at the latest.
template <class T>
class kept_promise {
  public:
    kept_promise() = default;
    kept_promise(const kept_promise &) = delete;
    ~kept_promise() { fail(started_ ? EVL_ECANCELED : EVL_ECLOSED); }

    std::future<T> future() { return promise_.get_future(); }
    // Its task is in a scope: if that never gives it, it was cancelled or destroyed.
    void started() noexcept { started_ = true; }
    template <class... Value>
    void give(Value &&...value) {
        promise_.set_value(std::forward<Value>(value)...);
        over_ = true;
    }
    void fail(std::exception_ptr error) noexcept {
        if (!std::exchange(over_, true))
            promise_.set_exception(std::move(error));
    }
    void fail(std::int32_t code) noexcept {
        if (!over_)
            fail(unhandled_exception_of(code));
    }

  private:
    static std::exception_ptr unhandled_exception_of(std::int32_t code) noexcept {
        try {
            throw std::system_error(make_error_code(code));
        } catch (...) { // without memory for its text it is another
            return std::current_exception();
        }
    }

    std::promise<T> promise_;
    bool started_ = false;
    bool over_ = false;
};

template <class T>
task<> fulfil(std::shared_ptr<kept_promise<T>> promise, task<T> what) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(what);
            promise->give();
        } else {
            promise->give(co_await std::move(what));
        }
    } catch (const cancelled &) {
        promise->fail(EVL_ECANCELED);
        throw;
    } catch (...) {
        promise->fail(std::current_exception());
    }
}

} // namespace detail

// A reference to a scope for other threads, which start tasks in it. Copied and used on any thread. It keeps
// neither the scope nor the loop running (see hold).
class task_poster {
  public:
    // The scope of the running task, or another one. Made on the loop's thread. Errors: EVL_EPERM outside of
    // a task, std::bad_alloc.
    task_poster() : task_poster(detail::current_home()) {}
    explicit task_poster(scope &of) : task_poster(&of.home_) {}

    // Starts a task on the loop, in a later pass, and gives what is to be its value or what it throws. As
    // spawn of a function: the task has copies of it and of the arguments. Errors are in the future:
    // EVL_ECLOSED when
    // the loop or the scope had gone before it was started; EVL_ECANCELED when it was cancelled, as by the
    // end of run, or destroyed; those of spawn and of evl_post. A future whose loop is not running waits
    // until it does. To wait for it on the loop's own thread is to wait for ever. @thread any
    template <class F, class... Args>
        requires detail::callable_with<std::decay_t<F>, Args...>
    auto spawn(F &&what, Args &&...args) const {
        return spawn(detail::task_of(std::forward<F>(what), std::forward<Args>(args)...));
    }
    template <class T>
    std::future<T> spawn(task<T> what) const {
        auto promise = std::make_shared<detail::kept_promise<T>>();
        std::future<T> future = promise->future();
        if (!what) {
            promise->fail(EVL_EINVAL);
            return future;
        }
        auto start = [link = link_, promise, whole = detail::fulfil<T>(promise, std::move(what))]() mutable {
            if (!link->home)
                return;
            try {
                detail::spawn_in(link->home, whole, begin::queued, std::source_location::current()).detach();
                promise->started();
            } catch (...) {
                promise->fail(std::current_exception());
            }
        };
        const std::int32_t rc =
            detail::once<decltype(start)>::start(loop_.get(), std::move(start), evl_post_owned);
        if (rc < 0)
            promise->fail(rc);
        return future;
    }

  private:
    explicit task_poster(detail::task_home *home) : link_(link_of(home)), loop_(home->loop) {}

    static std::shared_ptr<detail::home_link> link_of(detail::task_home *home) {
        if (!home)
            throw_error(EVL_EPERM);
        if (!home->link)
            home->link = std::make_shared<detail::home_link>(detail::home_link{home});
        return home->link;
    }

    std::shared_ptr<detail::home_link> link_;
    detail::counted_loop loop_;
};

} // namespace evloop::inline EVLOOP_CPP_ABI

#endif
