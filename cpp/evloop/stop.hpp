// evloop/stop.hpp - std::stop_token cancels a task, from whatever thread asks for the stop. Not part of
// evloop.hpp.
#pragma once

#include "future.hpp"

#include <stop_token>

namespace evloop::inline EVLOOP_CPP_ABI {

// As long as it lives, a stop that is asked for of the token cancels the task, once, from the loop. Made and
// ended on the loop's thread. Errors: those of evl_future_new.
class cancel_on_stop {
  public:
    cancel_on_stop(const std::stop_token &token, any_task task)
        : task_(std::move(task)), asked_(asked_of(task_)), callback_(token, ask{asked_.c()}) {
        (void)check(has_ended(task_) ? 0 : evl_future_on_done(asked_.c(), cancel, this));
    }
    cancel_on_stop(const cancel_on_stop &) = delete;
    ~cancel_on_stop() { (void)evl_future_off_done(asked_.c(), cancel, this); }

  private:
    struct ask {
        evl_future *asked;
        void operator()() const noexcept { (void)evl_future_post(asked, 0); }
    };

    // A task that has ended may have outlived its loop; there is nothing left to cancel.
    static bool has_ended(const any_task &task) noexcept { return task && task.done(); }
    static future<> asked_of(const any_task &task) {
        return has_ended(task) ? future<>::adopt(nullptr) : future<>(task ? task.state()->loop : nullptr);
    }
    static void cancel(void *arg, std::int64_t) noexcept {
        static_cast<cancel_on_stop *>(arg)->task_.cancel();
    }

    any_task task_;
    future<> asked_;                   // outlives the callback, which posts to it
    std::stop_callback<ask> callback_; // ends first, and waits for one that is running
};

} // namespace evloop::inline EVLOOP_CPP_ABI
