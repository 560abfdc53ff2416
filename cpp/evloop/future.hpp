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

#if EVLOOP_EXCEPTIONS

// The exception that a future has failed with.
struct future_failure {
    std::exception_ptr error;
    counted_loop loop;

    static void end(void *what, std::int64_t retrieved) noexcept {
        auto *self = static_cast<future_failure *>(what);
        if (!retrieved)
            report_exception(self->loop.get(), self->error);
        object_end(self);
    }
    // Empty: it has none.
    static std::exception_ptr of(evl_future *future) noexcept {
        void *what = nullptr;
        return evl_future_error(future, end, &what) == 0 ? static_cast<future_failure *>(what)->error
                                                         : nullptr;
    }
};

#endif

// Ends with the future. To cancel who waits is to cancel the future, as asyncio has it. Object: the value is
// not a number but an object, which may have been taken.
template <class Self, class T, bool Object>
class future_wait : public op_awaitable<Self, T> {
  public:
    static constexpr const char *name = "future";
    explicit future_wait(evl_future *future) noexcept : future_(future) {}

    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        return evl_future_loop(future_) == loop ? evl_future_wait(future_, op) : EVL_EINVAL;
    }
    std::int64_t settle(std::int64_t) noexcept {
        if constexpr (Object) {
            void *value = nullptr;
            return evl_future_pointer(future_, &value);
        } else {
            return evl_future_value(future_, nullptr);
        }
    }
    bool cancel() noexcept { return evl_future_cancel(future_) == 1; }
#if EVLOOP_EXCEPTIONS
    // Of the future; not of a wait that has ended by itself.
    std::exception_ptr exception(std::int64_t waited) noexcept {
        return waited < 0 ? nullptr : future_failure::of(future_);
    }
#endif

  protected:
    evl_future *future_;
};

// What fits into the number that a future has.
template <class T>
constexpr bool is_number = (std::is_integral_v<T> || std::is_enum_v<T>) && sizeof(T) <= sizeof(std::int64_t);
template <>
inline constexpr bool is_number<void> = false;
template <class T>
constexpr bool is_object = !std::is_void_v<T> && !is_number<T>;

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
class [[nodiscard("co_await it")]] lending_wait : public future_wait<lending_wait<T>, lent<T>, is_object<T>> {
  public:
    using future_wait<lending_wait<T>, lent<T>, is_object<T>>::future_wait;
    lent<T> finish(std::int64_t) noexcept { return value_in<T>(this->future_); }
};

struct unref_future {
    void operator()(evl_future *future) const noexcept { evl_future_unref(future); }
};

// Keeps the future, and gives a copy of its value.
template <class T>
class [[nodiscard("co_await it")]] copying_wait : public future_wait<copying_wait<T>, T, is_object<T>> {
  public:
    // Takes over a reference.
    explicit copying_wait(evl_future *future) noexcept
        : future_wait<copying_wait<T>, T, is_object<T>>(future), kept_(future) {}
    T finish(std::int64_t) { return value_in<T>(this->future_); }

  private:
    std::unique_ptr<evl_future, unref_future> kept_;
};

// Keeps the future, and moves its value out of it.
template <class T>
class [[nodiscard("co_await it")]] taking_wait : public future_wait<taking_wait<T>, T, is_object<T>> {
  public:
    // Takes over a reference.
    explicit taking_wait(evl_future *future) noexcept
        : future_wait<taking_wait<T>, T, is_object<T>>(future), kept_(future) {}
    T finish(std::int64_t) {
        if constexpr (is_number<T>) {
            return value_in<T>(this->future_);
        } else {
            void *value = nullptr;
            (void)evl_future_take(this->future_, &value);
            struct ends {
                T *value;
                ~ends() { object_end(value); }
            } at_return{static_cast<T *>(value)};
            return std::move(*at_return.value);
        }
    }

  private:
    std::unique_ptr<evl_future, unref_future> kept_;
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
    explicit future(loop_ref loop) { (void)check(evl_future_new(loop, &future_)); }
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
#if EVLOOP_EXCEPTIONS
    // Completes it with an exception, which is thrown to all who await it, and goes to the loop's error hook
    // when nothing does. In C its code is that of code_of(). As resolve.
    std::int32_t fail(std::exception_ptr error) noexcept {
        using detail::future_failure;
        if (!future_ || !error)
            return EVL_EINVAL;
        const std::int32_t code = code_of(error);
        auto *what = detail::object_make<future_failure>([&](void *at) {
            ::new (at) future_failure{std::move(error), detail::counted_loop(evl_future_loop(future_))};
        });
        const std::int32_t rc =
            what ? evl_future_fail_owned(future_, code, what, future_failure::end) : EVL_ENOMEM;
        if (rc < 0)
            detail::object_end(what);
        return rc;
    }
    // The same from any thread, in a later pass of the loop. As post. @thread any
    std::int32_t post_failure(std::exception_ptr error) {
        if (!future_ || !error)
            return EVL_EINVAL;
        auto fail = [mine = *this, error = std::move(error)]() mutable { (void)mine.fail(std::move(error)); };
        return detail::once<decltype(fail)>::start(evl_future_loop(future_), std::move(fail), evl_post_owned);
    }
#endif
    bool cancel() noexcept { return evl_future_cancel(future_) == 1; }
    bool done() const noexcept { return evl_future_state(future_) != EVL_FUTURE_PENDING; }
    evl_future *c() const noexcept { return future_; }

    // Of an lvalue: numbers by value, objects as a reference that lives as long as the future; as_result
    // gives a result<const T &>. Of a temporary, and of one that is handed over to gather or timeout: a copy
    // of the value, for it may go with the future; what cannot be copied must be awaited as an lvalue,
    // or by take().
    auto operator co_await() const & noexcept { return detail::lending_wait<T>(future_); }
    auto operator co_await() && noexcept
        requires(std::is_void_v<T> || std::is_copy_constructible_v<T>)
    {
        return detail::copying_wait<T>(std::exchange(future_, nullptr));
    }
    void operator co_await() && = delete; // its value would go with it: await a named one, or take() it

    // Awaited: the value, which is moved out of the future. Who awaits it after that gets EVL_EALREADY; a
    // reference that was given before is to what is no more.
    auto take() const noexcept
        requires(!std::is_void_v<T>)
    {
        return detail::taking_wait<T>(evl_future_ref(future_));
    }

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
