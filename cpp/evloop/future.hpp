// evloop/future.hpp - futures in C++: a result that another part of the program gives, for all who await it.
//
//     evloop::future<std::string> reply(loop);
//     reply.resolve("hello");                      // once; from any thread: reply.post("hello")
//     const std::string &text = co_await reply;    // any number may wait
//
// A number is kept in the future itself, anything else in a block of its own. wait_future awaits any future
// of C. A future is awaited on its own loop: a task of another one gets EVL_EINVAL, and evl_future_across
// makes a future for it. To cancel a task that awaits a future cancels the future, for all who await it; so
// does a timeout.
#pragma once

#include "await.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// Ends with the future. To cancel who waits is to cancel the future, as asyncio has it.
template <class Self, class T>
class future_wait : public op_awaitable<Self, T> {
  public:
    static constexpr const char *name = "future";
    explicit future_wait(evl_future *future) noexcept : future_(future) {}

    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        return evl_future_loop(future_) == loop ? evl_future_wait(future_, op) : EVL_EINVAL;
    }
    std::int64_t settle(std::int64_t) noexcept { return evl_future_value(future_, nullptr); }
    bool cancel() noexcept { return evl_future_cancel(future_) == 1; }

  protected:
    evl_future *future_;
};

// What fits into the number that a future has.
template <class T>
constexpr bool is_number = (std::is_integral_v<T> || std::is_enum_v<T>) && sizeof(T) <= sizeof(std::int64_t);
template <>
inline constexpr bool is_number<void> = false;

// What the await of a future that stays gives: a number, or a reference to the object in it.
template <class T>
using lent = std::conditional_t<std::is_void_v<T> || is_number<T>, T, std::add_lvalue_reference_t<const T>>;

template <class T>
lent<T> value_in(evl_future *future) noexcept {
    if constexpr (is_number<T>) {
        std::int64_t value = 0;
        (void)evl_future_value(future, &value);
        return static_cast<T>(value);
    } else if constexpr (!std::is_void_v<T>) {
        void *value = nullptr;
        (void)evl_future_pointer(future, &value);
        return *static_cast<const T *>(value);
    }
}

template <class T>
class [[nodiscard("co_await it")]] lending_wait : public future_wait<lending_wait<T>, lent<T>> {
  public:
    using future_wait<lending_wait<T>, lent<T>>::future_wait;
    lent<T> finish(std::int64_t) noexcept { return value_in<T>(this->future_); }
};

// Keeps the future, and gives a copy of its value.
template <class T>
class [[nodiscard("co_await it")]] copying_wait : public future_wait<copying_wait<T>, T> {
  public:
    // Takes over a reference.
    explicit copying_wait(evl_future *future) noexcept
        : future_wait<copying_wait<T>, T>(future), kept_(future) {}
    T finish(std::int64_t) { return value_in<T>(this->future_); }

  private:
    struct unref {
        void operator()(evl_future *future) const noexcept { evl_future_unref(future); }
    };
    std::unique_ptr<evl_future, unref> kept_;
};

} // namespace detail

// Awaits a future of C, which must stay until then: its value, or its error; `cancelled` when it is
// cancelled.
inline detail::lending_wait<std::int64_t> wait_future(evl_future *future) noexcept {
    return detail::lending_wait<std::int64_t>(future);
}

// A value that comes later, set once and awaited by any number of tasks: evl_future with a T in it. Copies
// refer to the same one: they are made on the loop's thread, and may be posted to and destroyed on any.
template <class T = void>
class future {
  public:
    // Errors: those of evl_future_new.
    explicit future(evl_loop *loop) { (void)check(evl_future_new(loop, &future_)); }
    future() : future(this_loop()) {}
    // Takes over a reference.
    static future adopt(evl_future *c) noexcept {
        future made(nullptr, 0);
        made.future_ = c;
        return made;
    }
    future(future &&other) noexcept : future_(std::exchange(other.future_, nullptr)) {}
    future(const future &other) noexcept : future_(evl_future_ref(other.future_)) {}
    future &operator=(future other) noexcept {
        std::swap(future_, other.future_);
        return *this;
    }
    ~future() { evl_future_unref(future_); }

    // Completes it. Returns 0, or EVL_EALREADY when it is done, EVL_ENOMEM, EVL_EINVAL when this one has been
    // moved from; the value is then gone.
    template <class... Args>
    std::int32_t resolve(Args &&...args) {
        return give(evl_future_resolve, evl_future_resolve_owned, std::forward<Args>(args)...);
    }
    // The same from any thread, in a later pass of the loop. 0: it is on its way. Whether the future is done
    // when it arrives another thread cannot know: what comes too late is dropped. Errors: those of
    // evl_future_post, as EVL_ECLOSED when the loop has gone; EVL_EINVAL. @thread any
    template <class... Args>
    std::int32_t post(Args &&...args) {
        return give(evl_future_post_value, evl_future_post_owned, std::forward<Args>(args)...);
    }
    // Completes it with an error, which is negative. As resolve.
    std::int32_t fail(std::int32_t code) noexcept { return evl_future_fail(future_, code); }
    bool cancel() noexcept { return evl_future_cancel(future_) == 1; }
    bool done() const noexcept { return evl_future_state(future_) != EVL_FUTURE_PENDING; }
    evl_future *c() const noexcept { return future_; }

    // Of an lvalue: numbers by value, objects as a reference that lives as long as the future; as_result
    // gives a result<const T &>. Of a temporary, and of one that is handed over to gather or timeout: a copy
    // of the value, for it may go with the future; what cannot be copied must be awaited as an lvalue.
    auto operator co_await() const & noexcept { return detail::lending_wait<T>(future_); }
    auto operator co_await() && noexcept
        requires(std::is_void_v<T> || std::is_copy_constructible_v<T>)
    {
        return detail::copying_wait<T>(std::exchange(future_, nullptr));
    }
    void operator co_await() && = delete; // its value would go with it: await a named one

  private:
    future(std::nullptr_t, int) noexcept {}

    template <class Number, class Owned, class... Args>
    std::int32_t give(Number number, Owned owned, Args &&...args) {
        if constexpr (std::is_void_v<T>) {
            return number(future_, 0);
        } else if constexpr (detail::is_number<T>) {
            const T value(std::forward<Args>(args)...);
            return number(future_, static_cast<std::int64_t>(value));
        } else {
            T *value = detail::object_make<T>([&](void *at) { ::new (at) T(std::forward<Args>(args)...); });
            const std::int32_t rc = value ? owned(future_, value, drop) : EVL_ENOMEM;
            if (rc < 0)
                detail::object_end(value);
            return rc;
        }
    }
    static void drop(void *value) noexcept {
        if constexpr (!std::is_void_v<T>)
            detail::object_end(static_cast<T *>(value));
    }

    evl_future *future_ = nullptr;
};

} // namespace evloop::inline EVLOOP_CPP_ABI
