// evloop/operation.hpp - what happens once, with a function to call: evl_op as an object.
//
//     evloop::operation reply(loop, [&](std::int64_t result) { use(result); });
//     reply.wait_fd(fd, EVL_READ);
//     reply.deadline(loop.now() + 5s);
//
// Coroutines need none of these: they await. An operation stays where it is made, may be started again when
// it has completed, and is closed in silence when it is destroyed, its own function not excepted. It may
// outlive its loop: every start then fails with errc::closed. It allocates nothing unless its function has
// more than three pointers of captures.
#pragma once

#include "loop.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {

// An operation with a function of its own, for C calls that start one. Stays where it is.
class operation : private detail::target {
  public:
    // Errors: EVL_ENOMEM. Without exceptions every start then fails with EVL_EINVAL.
    template <callable F>
    operation(loop_ref loop, F &&fn) : target(loop.c(), {}), counted_(loop) {
        auto stored = detail::callback::make(std::forward<F>(fn));
        (void)check(stored.code());
        if (stored) {
            call(*std::move(stored));
            evl_op_init(&op_, done, static_cast<target *>(this), 0);
        }
    }
    operation(const operation &) = delete;
    ~operation() { evl_op_close(&op_); }

    // For any function of C that takes one: evl_future_wait(future, reply.c()).
    evl_op *c() noexcept { return &op_; }

    // Starts. Each fails with EVL_EBUSY while the operation is active.
    template <class Rep, class Period>
    status sleep(std::chrono::duration<Rep, Period> time) {
        return check(evl_sleep(loop_, &op_, detail::nanoseconds(time)));
    }
    template <class Duration>
    status sleep_until(std::chrono::time_point<loop_clock, Duration> when) {
        return check(evl_sleep_until(loop_, &op_, detail::deadline(when)));
    }
    status wait_fd(evl_fd fd, std::uint32_t mask) { return check(evl_wait_fd(loop_, &op_, fd, mask)); }
    status wait_signal(int signo) { return check(evl_wait_signal(loop_, &op_, signo)); }
    status defer() { return check(evl_defer(loop_, &op_)); }

    // EVL_ETIMEDOUT if it is still pending then.
    template <class Duration>
    status deadline(std::chrono::time_point<loop_clock, Duration> when) {
        return check(evl_op_deadline(&op_, detail::deadline(when)));
    }
    // The same, so long from now.
    template <class Rep, class Period>
    status timeout(std::chrono::duration<Rep, Period> time) {
        return check(evl_op_timeout(&op_, detail::nanoseconds(time)));
    }
    // True: it completes with EVL_ECANCELED. False: it is not active, or its completion is on the way.
    bool cancel() noexcept { return evl_op_cancel(&op_) == 1; }
    // It is inactive, and its function is not called.
    void close() noexcept { evl_op_close(&op_); }

    bool active() const noexcept { return evl_op_active(&op_) == 1; }
    std::int64_t result() const noexcept { return evl_op_result(&op_); }

  private:
    detail::counted_loop counted_;
    evl_op op_{};
};

} // namespace evloop::inline EVLOOP_CPP_ABI
