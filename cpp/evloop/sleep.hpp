// evloop/sleep.hpp - awaiting time, a turn, an fd, a signal.
#pragma once

#include "op.hpp"
#include "time.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {

// Lets everything else that is ready run first.
class [[nodiscard("co_await it")]] yield_awaitable : public op_awaitable<yield_awaitable> {
  public:
    static constexpr const char *name = "yield";
    std::int32_t start(evl_loop *loop, evl_op *op) noexcept { return evl_defer(loop, op); }
};
inline yield_awaitable yield() noexcept { return {}; }

class [[nodiscard("co_await it")]] sleep_awaitable : public op_awaitable<sleep_awaitable> {
  public:
    static constexpr const char *name = "sleep";
    explicit sleep_awaitable(std::int64_t ns, std::int32_t error = 0) noexcept : ns_(ns), error_(error) {}

    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        if (error_ < 0)
            return error_;
        return ns_ <= 0 ? evl_defer(loop, op) : evl_sleep(loop, op, ns_);
    }

  private:
    std::int64_t ns_;
    std::int32_t error_;
};

// Sleeps; nothing and less is a yield. Errors: EVL_EINVAL for what is not a number.
template <class Rep, class Period>
sleep_awaitable sleep(std::chrono::duration<Rep, Period> time) noexcept {
    if constexpr (std::is_floating_point_v<Rep>)
        if (time.count() != time.count())
            return sleep_awaitable(0, EVL_EINVAL);
    return sleep_awaitable(detail::nanoseconds(time));
}

class [[nodiscard("co_await it")]] sleep_until_awaitable : public op_awaitable<sleep_until_awaitable> {
  public:
    static constexpr const char *name = "sleep until";
    explicit sleep_until_awaitable(std::int64_t deadline) noexcept : deadline_(deadline) {}
    std::int32_t start(evl_loop *loop, evl_op *op) noexcept { return evl_sleep_until(loop, op, deadline_); }

  private:
    std::int64_t deadline_;
};

// Sleeps until a time of the loop's clock.
template <class Duration>
sleep_until_awaitable sleep_until(std::chrono::time_point<loop_clock, Duration> when) noexcept {
    return sleep_until_awaitable(detail::deadline(when));
}

// The same of the steady clock: for as long as it is until then, by the loop's clock.
template <class Duration>
sleep_awaitable sleep_until(std::chrono::time_point<std::chrono::steady_clock, Duration> when) noexcept {
    return sleep_awaitable(detail::from_now(when));
}

class [[nodiscard("co_await it")]] fd_awaitable : public op_awaitable<fd_awaitable, std::uint32_t> {
  public:
    static constexpr const char *name = "fd";
    fd_awaitable(evl_fd fd, std::uint32_t mask) noexcept : fd_(fd), mask_(mask) {}
    std::int32_t start(evl_loop *loop, evl_op *op) noexcept { return evl_wait_fd(loop, op, fd_, mask_); }
    std::uint32_t finish(std::int64_t mask) noexcept { return static_cast<std::uint32_t>(mask); }

  private:
    evl_fd fd_;
    std::uint32_t mask_;
};

// Waits until fd can be read, can be written, or either as the mask says (EVL_READ and so on), and gives what
// it can. Any number may wait for one fd. Errors: those of evl_wait_fd.
inline fd_awaitable readable(evl_fd fd) noexcept { return {fd, EVL_READ}; }
inline fd_awaitable writable(evl_fd fd) noexcept { return {fd, EVL_WRITE}; }
inline fd_awaitable wait_fd(evl_fd fd, std::uint32_t mask) noexcept { return {fd, mask}; }

class [[nodiscard("co_await it")]] signal_awaitable : public op_awaitable<signal_awaitable, std::int64_t> {
  public:
    static constexpr const char *name = "signal";
    explicit signal_awaitable(std::int32_t signo) noexcept : signo_(signo) {}
    std::int32_t start(evl_loop *loop, evl_op *op) noexcept { return evl_wait_signal(loop, op, signo_); }
    std::int64_t finish(std::int64_t count) noexcept { return count; }

  private:
    std::int32_t signo_;
};

// Waits for a Unix signal and gives the number of deliveries. Errors: those of evl_wait_signal.
inline signal_awaitable wait_signal(std::int32_t signo) noexcept { return signal_awaitable(signo); }

} // namespace evloop::inline EVLOOP_CPP_ABI
