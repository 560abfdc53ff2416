// evloop/async_generator.hpp - generators that may await between their values.
//
//     evloop::async_generator<std::string> lines(evloop::stream &s) {
//         for (std::string line = co_await s.read_line(); !line.empty(); line = co_await s.read_line())
//             co_yield std::move(line);
//     }
//     auto all = lines(s);
//     while (std::string *line = co_await all.next())
//         use(*line);
//
// `co_yield evloop::elements_of(lines(other));` gives what another generator has, or a range: a
// generator<T> of generator.hpp, too.
//
// It runs within the task that awaits its next value, and is cancelled with it: a cancellation that it lets
// pass ends it, as a timeout(5s, all.next()) that is late does, and the next next() gives nullptr as at any
// end. Destroying it ends it where it is.
#pragma once

#include "await.hpp"
#include "range.hpp"
#include "task.hpp"

#include <concepts>
#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

template <class T>
class async_generator;

// What another generator or a range of T gives, one after the other: co_yield elements_of(lines(file));
template <class Source>
struct elements_of {
    explicit elements_of(Source &&the_source) : source(std::forward<Source>(the_source)) {}
    Source source; // the generator or range
};
// A reference is kept as one, a temporary is moved in.
template <class Source>
elements_of(Source &&) -> elements_of<Source>;

namespace detail {

// Has a next() that is awaited, as an async_generator has; a generator's is called.
template <class Source>
concept gives_awaitables = requires(std::remove_reference_t<Source> &source) {
    { source.next() } -> awaitable;
};

template <class T>
class async_generator_promise final : public promise_base {
  public:
    using value = std::remove_reference_t<T>;

    async_generator<T> get_return_object() noexcept;
    suspend_at_start initial_suspend() const noexcept { return suspend_at_start(this->self); }
    return_to_caller final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
#if EVLOOP_EXCEPTIONS
    void unhandled_exception() noexcept { error_ = std::current_exception(); }
    void rethrow() {
        if (error_)
            std::rethrow_exception(std::exchange(error_, nullptr));
    }
#else
    static async_generator<T> get_return_object_on_allocation_failure() noexcept { return {}; }
    void unhandled_exception() noexcept { std::terminate(); }
    void rethrow() noexcept {}
#endif

    // Hands a value to who awaits it.
    struct giving {
        async_generator_promise *promise;
        value *given;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) const noexcept {
            promise->yielded = given;
            give_back(*promise);
        }
        void await_resume() const noexcept {}
    };
    struct giving_a_copy {
        async_generator_promise *promise;
        value copy;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) noexcept {
            promise->yielded = std::addressof(copy);
            give_back(*promise);
        }
        void await_resume() const noexcept {}
    };
    giving yield_value(std::conditional_t<std::is_reference_v<T>, value &, value &&> value) noexcept {
        return {this, std::addressof(value)};
    }
    giving_a_copy yield_value(const value &value)
        requires(!std::is_reference_v<T> && std::copy_constructible<T>)
    {
        return {this, value};
    }

    // Another generator, or a range: a coroutine that the generator calls gives what it has to who awaits the
    // generator.
    template <class Source>
    evloop::task<> yield_value(elements_of<Source> of) {
        return pass<Source>(*this, std::forward<Source>(of.source));
    }

    // Goes on where the last value came from, which may be such a coroutine.
    void go_on() noexcept {
        if (promise_base *inner = std::exchange(passes, nullptr)) {
            inner->task = this->task;
            this->task->leaf = inner;
            this->task->next = inner->self;
        }
    }

    value *yielded = nullptr;
    promise_base *passes = nullptr; // gave the last value; NULL: this coroutine did
    bool busy = false;              // the next value is awaited
    bool abandoned = false;         // and the generator object has gone meanwhile

  private:
    struct passing {
        using hands_over_in_the_pump = void;
        async_generator_promise &promise;
        value *given;
        bool await_ready() const noexcept { return false; }
        template <class Inner>
        void await_suspend(std::coroutine_handle<Inner> inner) const noexcept {
            promise.yielded = given;
            promise.passes = &inner.promise();
            give_back(promise);
        }
        void await_resume() const noexcept {}
    };

    // Whether an element is a value of who gets it, to be moved from: all temporaries are.
    template <class Source, class Element>
    static constexpr bool is_given = std::is_reference_v<T> || std::is_same_v<Element, value &&> ||
                                     (owns_elements<Source> && std::is_same_v<Element, value &>);

    // A generator's values, and those of a range that was moved in, are theirs to move from who gets them.
    template <class Source>
    static evloop::task<> pass(async_generator_promise &self, Source source) {
        if constexpr (gives_awaitables<Source>) {
            while (auto *given = co_await source.next())
                co_await passing{self, given};
        } else {
            for (auto &&element : source) {
                if constexpr (is_given<Source, decltype(element)>) {
                    co_await passing{self, std::addressof(element)};
                } else {
                    value copy(std::forward<decltype(element)>(element));
                    co_await passing{self, std::addressof(copy)};
                }
            }
        }
    }

#if EVLOOP_EXCEPTIONS
    std::exception_ptr error_;
#endif
};

} // namespace detail

// A generator that may await between its values; move-only. See the head of this file.
template <class T>
class [[nodiscard]] async_generator {
  public:
    using promise_type = detail::async_generator_promise<T>;
    using value = typename promise_type::value;

    async_generator() noexcept = default;
    async_generator(async_generator &&other) noexcept { take(other); }
    async_generator &operator=(async_generator &&other) noexcept {
        if (this != &other) {
            close();
            take(other);
        }
        return *this;
    }
    ~async_generator() { close(); }

    // Ends it where it is. While its next value is awaited it goes on, in the task that awaits, to where it
    // next yields, and ends there: who awaits gets EVL_ECLOSED, or what it threw. The same holds for the
    // destructor.
    void close() noexcept {
        if (!frame_)
            return;
        promise_type &old = promise();
        frame_ = nullptr;
        if (old.busy) {
            old.owner = nullptr;
            old.abandoned = true;
        } else {
            old.self.destroy();
        }
    }

    // Whether it has ended.
    bool done() const noexcept { return !frame_ || frame_->self.done(); }

    // Awaited: the next value, nullptr when it has returned instead. The value may be moved from, and lives
    // until the next next(). What the generator throws is thrown by the await, and ends it. Errors: EVL_EBUSY
    // when another task awaits the next value, EVL_ECLOSED when the generator is closed meanwhile.
    class [[nodiscard("co_await it")]] next_awaiter {
      public:
        using hands_over_in_the_pump = void;

        explicit next_awaiter(async_generator &of) noexcept : of_(of) {}

        bool await_ready() noexcept {
            refused_ = !of_.done() && of_.promise().busy;
            return of_.done() || refused_;
        }
        template <std::derived_from<detail::promise_base> Caller>
        void await_suspend(std::coroutine_handle<Caller> caller) noexcept {
            promise_ = &of_.promise();
            promise_->busy = true;
            promise_->yielded = nullptr;
            detail::call(caller.promise(), *promise_, &of_.frame_);
            promise_->go_on();
        }
        value *await_resume() {
            if (!promise_)
                return refused_ ? refused(EVL_EBUSY) : nullptr;
            if (promise_->abandoned)
                return end_abandoned();
            promise_->busy = false;
            promise_->rethrow();
            return std::exchange(promise_->yielded, nullptr);
        }

      private:
        [[gnu::noinline]] value *end_abandoned() {
            struct ends {
                promise_type *promise;
                ~ends() { promise->self.destroy(); }
            } at_return{promise_};
            promise_->rethrow();
            return refused(EVL_ECLOSED);
        }

        async_generator &of_; // may be gone when the await ends
        promise_type *promise_ = nullptr;
        bool refused_ = false;
    };
    next_awaiter next() noexcept { return next_awaiter(*this); }

  private:
    friend promise_type;
    explicit async_generator(promise_type *promise) noexcept : frame_(promise) {}

    promise_type &promise() noexcept { return *static_cast<promise_type *>(frame_); }
    void take(async_generator &other) noexcept {
        frame_ = std::exchange(other.frame_, nullptr);
        if (frame_ && promise().busy)
            frame_->owner = &frame_;
    }
    static value *refused([[maybe_unused]] std::int32_t code) {
#if EVLOOP_EXCEPTIONS
        throw_error(code);
#else
        return nullptr;
#endif
    }

    detail::promise_base *frame_ = nullptr;
};

template <class T>
async_generator<T> detail::async_generator_promise<T>::get_return_object() noexcept {
    static_assert(fits_frame<T>, EVLOOP_ALIGNED_TOO_STRICTLY);
    this->self = std::coroutine_handle<async_generator_promise>::from_promise(*this);
    return async_generator<T>(this);
}

} // namespace evloop::inline EVLOOP_CPP_ABI
