// async.hpp - futures and waiting operations, short to write.
#pragma once

#include "world.hpp"

#include <utility>

namespace support {

// One reference to a future, given up at the end.
class Future {
  public:
    explicit Future(World &w) { EXPECT_EQ(evl_future_new(w.loop, &future_), 0); }
    explicit Future(evl_future *future) : future_(future) {}
    Future(Future &&other) noexcept : future_(std::exchange(other.future_, nullptr)) {}
    Future(const Future &) = delete;
    ~Future() { drop(); }

    operator evl_future *() const { return future_; }
    void drop() { evl_future_unref(std::exchange(future_, nullptr)); }

    int32_t resolve(int64_t value) const { return evl_future_resolve(future_, value); }
    int32_t fail(int32_t error) const { return evl_future_fail(future_, error); }
    int32_t cancel() const { return evl_future_cancel(future_); }
    bool pending() const { return evl_future_state(future_) == EVL_FUTURE_PENDING; }

    // "pending", "value 3", "error -5" or "cancelled"; looks at the error.
    std::string outcome() const {
        int64_t value = 0;
        int32_t error = evl_future_value(future_, &value);
        switch (evl_future_state(future_)) {
        case EVL_FUTURE_PENDING:
            return error == EVL_EAGAIN ? "pending" : "?";
        case EVL_FUTURE_VALUE:
            return error == 0 ? "value " + std::to_string(value) : "?";
        case EVL_FUTURE_ERROR:
            return "error " + std::to_string(error);
        default:
            return error == EVL_ECANCELED ? "cancelled" : "?";
        }
    }

  private:
    evl_future *future_ = nullptr;
};

using Futures = std::vector<evl_future *>;

inline Future gather(World &w, const Futures &futures, uint32_t flags = 0) {
    evl_future *out = nullptr;
    EXPECT_EQ(evl_gather(w.loop, futures.data(), static_cast<uint32_t>(futures.size()), flags, &out), 0);
    return Future(out);
}

inline Future wait_futures(World &w, const Futures &futures, int32_t mode, int64_t timeout = -1) {
    evl_future *out = nullptr;
    auto n = static_cast<uint32_t>(futures.size());
    EXPECT_EQ(evl_wait_futures(w.loop, futures.data(), n, mode, timeout, &out), 0);
    return Future(out);
}

inline Future wait_for(evl_future *future, int64_t timeout) {
    evl_future *out = nullptr;
    EXPECT_EQ(evl_wait_for(future, timeout, &out), 0);
    return Future(out);
}

inline Future shield(evl_future *future) {
    evl_future *out = nullptr;
    EXPECT_EQ(evl_shield(future, &out), 0);
    return Future(out);
}

// A future that gets 0 after a while.
inline Future sleeping(World &w, int64_t ns) {
    Future future(w);
    EXPECT_EQ(evl_sleep(w.loop, evl_future_op(future), ns), 0);
    return future;
}

inline void on_done(World &w, evl_future *future, Action action) {
    EXPECT_EQ(evl_future_on_done(future, World::done(), w.arg(std::move(action))), 0);
}

// An operation that notes `word`, and its result unless that is 0 or more: "a", "a-125".
inline evl_op *says_result(World &w, const std::string &word, uint32_t flags = 0) {
    return w.op([&w, word](int64_t rc) { w.note(rc < 0 ? word + std::to_string(rc) : word); }, flags);
}

// Notes "unhandled-5" for what goes to the error hook.
inline void hear_errors(World &w) {
    auto hook = [](void *arg, int64_t code) {
        static_cast<World *>(arg)->note("unhandled" + std::to_string(code));
    };
    EXPECT_EQ(evl_set_error_hook(w.loop, hook, &w), 0);
}

// The drop of a value that is an int: how often it ran.
inline void count_drop(void *count) { ++*static_cast<int *>(count); }

} // namespace support
