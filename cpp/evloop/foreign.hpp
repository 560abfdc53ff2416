// evloop/foreign.hpp - awaiting what is not of this layer: an awaiter that keeps the handle it is given, and
// resumes it when it is done.
//
// It gets the handle of a coroutine that stands in for the awaiting one. To resume that, from any thread,
// posts to the loop, and the task goes on in a pass of it. Such an awaiter has no way to be told to end: a
// request to cancel the task is for the next await, and run waits at its end until it is resumed. Destroying
// the task destroys the awaiter, which must forget the handle in its destructor at the latest: until that has
// returned it may be resumed, without effect. An awaiter that lives elsewhere must have forgotten it before.
#pragma once

#include "task.hpp"

#include <exception>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// The coroutine that stands in: resumed once, it completes a future.
class stand_in {
  public:
    class promise_type : public promise_base {
      public:
        stand_in get_return_object() noexcept {
            self = std::coroutine_handle<promise_type>::from_promise(*this);
            return stand_in(this);
        }
#if !EVLOOP_EXCEPTIONS
        static stand_in get_return_object_on_allocation_failure() noexcept { return stand_in(nullptr); }
#endif
        std::suspend_always initial_suspend() const noexcept { return {}; }

        // The frame may go as soon as the loop's thread has heard, so that nothing here is used after that.
        struct resumed {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> handle) const noexcept {
                promise_type &promise = handle.promise();
                if (promise.called_through) {
                    give_back(promise);
                    return;
                }
                evl_future *future = std::exchange(promise.future, nullptr);
                (void)evl_future_post(future, 0);
                evl_future_unref(future);
            }
            void await_resume() const noexcept {}
        };
        resumed final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
        ~promise_type() { evl_future_unref(future); }

        evl_future *future = nullptr;
        bool called_through = false; // it has called a coroutine of this layer
    };

    static stand_in make() { co_return; }

    promise_type *release() noexcept { return std::exchange(promise_, nullptr); }

  private:
    explicit stand_in(promise_type *promise) noexcept : promise_(promise) {}
    promise_type *promise_;
};

// Awaiter: a reference, where the awaiter stays until the await is over.
template <class Awaiter>
class [[nodiscard("co_await it")]] foreign_wait : public awaiting {
  public:
    template <class Awaitable>
        requires(!std::is_same_v<std::remove_cvref_t<Awaitable>, foreign_wait>)
    explicit foreign_wait(Awaitable &&awaitable)
        : awaiting{&kind_of}, inner_(awaiter_of(std::forward<Awaitable>(awaitable))) {}
    foreign_wait(foreign_wait &&other) // before it is awaited
        : awaiting{&kind_of}, inner_(static_cast<Awaiter &&>(other.inner_)) {}
    ~foreign_wait() {
        // The awaiter forgets the handle in its destructor, which is still to come.
        if (promise_base *stand_in = std::exchange(stand_in_, nullptr))
            task_->going ? task_->leave_behind(*stand_in) : stand_in->self.destroy();
        if (!future_)
            return;
        evl_loop_unhold(loop_);
        evl_future_unref(future_);
    }

    bool await_ready() { return inner_.await_ready(); }

    template <std::derived_from<promise_base> Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) {
        task_ = self.promise().task;
        stand_in::promise_type *stand_in = prepare(self.promise());
        if (!stand_in)
            return false;
        if (!suspend(std::coroutine_handle<stand_in::promise_type>::from_promise(*stand_in)))
            return false;
        // Of this layer after all, it has handed its handle on: to what waits, or to what is called.
        // Otherwise the stand-in may be resumed on another thread already, and is not touched.
        if (task_->next)
            stand_in->called_through = true;
        return task_->waiting || task_->next || task_->wait(*this);
    }

    decltype(auto) await_resume() {
        if (const std::int64_t rc = waited_ ? task_->result : error_; rc < 0) [[unlikely]] {
#if EVLOOP_EXCEPTIONS
            throw_code(static_cast<std::int32_t>(rc));
#else
            std::terminate(); // it has not begun, and has no value
#endif
        }
        return inner_.await_resume();
    }

  private:
    // The loop is held: whoever resumes may be on another thread. NULL: error_ says why.
    stand_in::promise_type *prepare(promise_base &caller) {
        loop_ = task_->loop;
        stand_in::promise_type *made = stand_in::make().release();
        stand_in_ = made;
        error_ = made ? evl_future_new(loop_, &future_) : EVL_ENOMEM;
        if (error_ < 0)
            return nullptr;
        evl_loop_hold(loop_);
        made->future = evl_future_ref(future_);
        made->task = task_;
        made->caller = &caller;
        made->owner = &stand_in_;
        return made;
    }

    bool suspend(std::coroutine_handle<stand_in::promise_type> handle) {
        using how = decltype(inner_.await_suspend(handle));
        if constexpr (std::is_void_v<how>) {
            inner_.await_suspend(handle);
            return true;
        } else if constexpr (std::is_same_v<how, bool>) {
            return inner_.await_suspend(handle);
        } else {
            inner_.await_suspend(handle).resume(); // runs until it suspends
            return true;
        }
    }

    static bool start(awaiting &self, task_state &task) noexcept {
        auto &wait = static_cast<foreign_wait &>(self);
        wait.waited_ = true;
        const std::int32_t rc = evl_future_wait(wait.future_, &task.op);
        task.result = rc < 0 ? rc : 0;
        return rc == 0;
    }
    static bool cancel(awaiting &, task_state &) noexcept { return false; }

    static constexpr wait_kind kind_of = {"a foreign awaiter", start, cancel, nullptr, true};

    Awaiter inner_;
    task_state *task_ = nullptr;
    evl_loop *loop_ = nullptr;
    promise_base *stand_in_ = nullptr;
    evl_future *future_ = nullptr;
    std::int32_t error_ = 0;
    bool waited_ = false;
};

// What a coroutine of this layer makes of an awaitable that is kept until it is awaited.
template <class A>
decltype(auto) own_awaiter_of(A &&awaitable) {
    using awaiter = decltype(awaiter_of(std::forward<A>(awaitable)));
    if constexpr (foreign_awaiter<std::decay_t<awaiter>>)
        return foreign_wait<std::conditional_t<std::is_lvalue_reference_v<awaiter>, awaiter,
                                               std::remove_reference_t<awaiter>>>(std::forward<A>(awaitable));
    else
        return awaiter_of(std::forward<A>(awaitable));
}
template <class A>
using own_awaiter_t = std::decay_t<decltype(own_awaiter_of(std::declval<A>()))>;

} // namespace detail
} // namespace evloop::inline EVLOOP_CPP_ABI
