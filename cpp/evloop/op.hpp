// evloop/op.hpp - what it takes to make an operation of C awaitable.
//
// Write a class that holds the parameters, and three things about it:
//
//     class sleep_awaitable : public evloop::op_awaitable<sleep_awaitable> {
//       public:
//         static constexpr const char *name = "sleep"; // what dumps say
//         explicit sleep_awaitable(std::int64_t ns) noexcept : ns_(ns) {}
//         std::int32_t start(evl_loop *loop, evl_op *op) noexcept { // begins, as C returns: 0, 1 or an error
//             return evl_sleep(loop, op, ns_);
//         }
//
//       private:
//         std::int64_t ns_;
//     };
//     co_await sleep_awaitable(1'000'000);
//
// That is all for one without a value. op_awaitable<Self, T> has in addition T finish(std::int64_t result),
// which makes the value of a result that is no error. Where it applies there are settle(result), which gives
// another result before it is looked at, exception(result), which gives what is thrown for an error, or none,
// where the result is that of the wait, before settle, and a constant `keeps` (see wait_kind). A wait that
// ends with an error calls gave_up(), and one whose task is destroyed leave(op) instead.
//
// An awaitable may have a name, and is then awaited where it is. Awaited again it begins anew, as sleep and
// event.wait() do; what hands something over has nothing left, and fails with EVL_EALREADY: queue.put and
// run_in_executor.
//
// The object lies in the coroutine's frame and does not move while it waits; the operation lies
// in the task. Cancelling, errors, as_result, dumps and destruction at any time are seen to here: destroying
// the coroutine closes the operation in silence, then runs the destructor of the awaitable.
#pragma once

#include "scope.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

template <class Self>
constexpr bool keeps_what_it_got = [] {
    if constexpr (requires { Self::keeps; })
        return Self::keeps;
    else
        return false;
}();

} // namespace detail

template <class Self, class T = void>
class [[nodiscard("co_await it")]] op_awaitable : public detail::awaiting {
  public:
    op_awaitable() noexcept : awaiting{&kind_of} {}

    bool await_ready() const noexcept { return false; }

    template <std::derived_from<detail::promise_base> Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine) noexcept {
        task_ = coroutine.promise().task;
        return task_->wait(*this);
    }

    T await_resume() {
        static_assert(EVLOOP_EXCEPTIONS || !sizeof(Self *),
                      "this await may fail: without exceptions write co_await evloop::as_result(...)");
        static_assert(detail::fits_frame<T>, EVLOOP_ALIGNED_TOO_STRICTLY);
        const std::int64_t result = settled();
#if EVLOOP_EXCEPTIONS
        if (result < 0) [[unlikely]] {
            if (const std::exception_ptr error = exception_of_self())
                std::rethrow_exception(error);
            detail::throw_code(static_cast<std::int32_t>(result));
        }
#endif
        if constexpr (!std::is_void_v<T>)
            return self().finish(result);
        else if constexpr (requires { self().finish(result); })
            self().finish(result);
    }

    // For as_result.
    result<T> outcome() {
        static_assert(detail::fits_frame<T>, EVLOOP_ALIGNED_TOO_STRICTLY);
        const std::int64_t result = settled();
        if (result < 0) {
#if EVLOOP_EXCEPTIONS
            if (const std::exception_ptr error = exception_of_self())
                return fail(detail::code_or_rethrow(error));
#endif
            return fail(static_cast<std::int32_t>(result));
        }
        if constexpr (!std::is_void_v<T>) {
            return evloop::result<T>(std::in_place, self().finish(result));
        } else {
            if constexpr (requires { self().finish(result); })
                self().finish(result);
            return {};
        }
    }

  private:
    Self &self() noexcept { return static_cast<Self &>(*this); }

#if EVLOOP_EXCEPTIONS
    std::exception_ptr exception_of_self() noexcept {
        if constexpr (requires { &Self::exception; }) // one with other parameters does not compile
            return self().exception(task_->result);
        else
            return nullptr;
    }
#endif

    std::int64_t settled() noexcept {
        if constexpr (requires { self().gave_up(); })
            if (task_->result < 0)
                self().gave_up();
        if constexpr (requires { self().settle(task_->result); })
            return task_->result < 0 ? task_->result : self().settle(task_->result);
        else
            return task_->result;
    }

    static bool start(awaiting &base, detail::task_state &task) noexcept {
        const std::int32_t rc = static_cast<Self &>(base).start(task.loop, &task.op);
        if (rc == 0)
            return true;
        task.result = rc == 1 ? evl_op_result(&task.op) : rc < 0 ? rc : 0;
        return false;
    }
    static bool cancel(awaiting &base, detail::task_state &task) noexcept {
        if constexpr (requires(Self &self) { self.cancel(); })
            return static_cast<Self &>(base).cancel();
        else
            return task.cancel_op();
    }

    static void leave(awaiting &base, detail::task_state &task) noexcept {
        if constexpr (requires(Self &self) { self.leave(&task.op); })
            static_cast<Self &>(base).leave(&task.op);
    }

    static detail::task_state *owned(awaiting &base, detail::task_state &task) noexcept {
        if constexpr (requires(Self &self) { self.owned(task); })
            return static_cast<Self &>(base).owned(task);
        else
            return nullptr;
    }

    static const detail::wait_kind kind_of;

    detail::task_state *task_ = nullptr;
};

template <class Self, class T>
const detail::wait_kind op_awaitable<Self, T>::kind_of = {
    Self::name, start, cancel, leave, detail::keeps_what_it_got<Self>, nullptr, owned};

} // namespace evloop::inline EVLOOP_CPP_ABI
