// evloop/generator.hpp - generators: functions that give values one after the other, and may be sent some.
//
//     evloop::generator<int> count(int n) {
//         for (int i = 0; i < n; i++)
//             co_yield i;
//     }
//     for (int i : count(3))
//         use(i);
//
// generator<T, Send, Return>: `Send x = co_yield value;` is what the other side has sent, and co_return
// leaves a Return. `Return r = co_yield evloop::from(inner());` hands over to another generator until that
// has returned: what is sent and thrown goes to it, its values come out here. Generators run where they are
// called and know no loop; async_generator.hpp has those that await.
#pragma once

#include "error.hpp"
#include "frame.hpp"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

template <class T, class Send = void, class Return = void>
class generator;

// What to delegate to: a generator of the same T and Send, or a range of T.
template <class Source>
struct from {
    explicit from(Source &&the_source) : source(std::forward<Source>(the_source)) {}
    Source source; // the generator or range
};
// A reference is kept as one, a temporary is moved in.
template <class Source>
from(Source &&) -> from<Source>;

namespace detail {

// A coroutine in a chain of those that delegate to one another. The chain is run by the generator at its
// outer end, the root, which resumes the inner end, the leaf, alone: neither time nor stack grow with the
// chain.
template <class T, class Send>
class generator_frame : public frame_memory {
  public:
    using value = std::remove_reference_t<T>;
    using sendable = std::conditional_t<std::is_void_v<Send>, std::nullptr_t, Send>;

    generator_frame() = default;
    generator_frame(const generator_frame &) = delete;

    // --- for the generator object, on a root -----------------------------------------------------

    bool done() const noexcept { return self_.done(); }
    bool started() const noexcept { return started_; }
    bool running() const noexcept { return running_; }
    value *current() const noexcept { return yielded_; }

    // On to the next value; nullptr: it has returned. What is sent, or thrown, goes to the leaf.
    value *go(sendable *sent) {
        sent_ = sent;
        return advance();
    }
#if EVLOOP_EXCEPTIONS
    value *go_on_with(std::exception_ptr thrown) {
        thrown_ = std::move(thrown);
        return advance();
    }
#endif

    // The generator object goes while this runs, in a call from inside: it ends where it next suspends.
    void abandon() noexcept { abandoned_ = true; }

    // Destroys the whole chain, the inner end first, as a stack unwinds; and takes none of it.
    void destroy() noexcept {
        generator_frame *outer = nullptr;
        for (generator_frame *frame = leaf_; frame; frame = outer) {
            outer = frame != this ? frame->outer_ : nullptr;
            if (frame->owner_)
                *frame->owner_ = nullptr;
            frame->self_.destroy();
        }
    }

    // --- for the coroutine -----------------------------------------------------------------------

    suspend_at_start initial_suspend() const noexcept { return suspend_at_start(self_); }
    std::suspend_always final_suspend() const noexcept { return {}; }
    template <class Awaitable>
    void await_transform(Awaitable &&) = delete; // it cannot wait

#if EVLOOP_EXCEPTIONS
    void unhandled_exception() noexcept { error_ = std::current_exception(); }
    void rethrow() {
        if (error_)
            std::rethrow_exception(std::exchange(error_, nullptr));
    }
#else
    void unhandled_exception() noexcept { std::terminate(); }
    void rethrow() noexcept {}
#endif

    // Gives a value, and is what co_yield gives: what was sent, or an exception that was thrown in.
    struct giving {
        generator_frame *frame;
        value *given;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) const noexcept { frame->root_->yielded_ = given; }
        Send await_resume() const { return frame->root_->receive(); }
    };
    struct giving_a_copy {
        generator_frame *frame;
        value copy;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) noexcept {
            frame->root_->yielded_ = std::addressof(copy);
        }
        Send await_resume() const { return frame->root_->receive(); }
    };

    // From now on `inner` runs, with the chain that it has already; *owner is told when it is destroyed.
    void delegate(generator_frame &inner, generator_frame **owner) noexcept {
        inner.outer_ = this;
        inner.owner_ = owner;
        inner.started_ = true;
        root_->leaf_ = std::exchange(inner.leaf_, &inner);
        for (generator_frame *frame = root_->leaf_; frame != this; frame = frame->outer_)
            frame->root_ = root_;
    }

  protected:
    std::coroutine_handle<> self_;

  private:
    value *advance() {
        started_ = running_ = true;
        yielded_ = nullptr;
        do {
            generator_frame *now = leaf_;
            now->self_.resume();
            if (now != this && now->self_.done())
                leaf_ = now->outer_;
        } while (!yielded_ && !self_.done() && !abandoned_);
        running_ = false;
        if (abandoned_) [[unlikely]]
            return end_abandoned();
        rethrow();
        return yielded_;
    }

    // Who called it gets what it threw, but no value: that is gone.
    [[gnu::noinline]] value *end_abandoned() {
#if EVLOOP_EXCEPTIONS
        std::exception_ptr error = std::move(error_);
        destroy();
        if (error)
            std::rethrow_exception(std::move(error));
#else
        destroy();
#endif
        return nullptr;
    }

    Send receive() {
#if EVLOOP_EXCEPTIONS
        if (thrown_)
            std::rethrow_exception(std::exchange(thrown_, nullptr));
#endif
        if constexpr (!std::is_void_v<Send>) {
            sendable *sent = std::exchange(sent_, nullptr);
            return sent ? std::move(*sent) : Send();
        }
    }

    generator_frame *root_ = this;
    generator_frame *outer_ = nullptr;
    generator_frame **owner_ = nullptr;
#if EVLOOP_EXCEPTIONS
    std::exception_ptr error_; // what it has ended with
#endif
    // Of a root:
    generator_frame *leaf_ = this;
    value *yielded_ = nullptr;
    sendable *sent_ = nullptr;
#if EVLOOP_EXCEPTIONS
    std::exception_ptr thrown_;
#endif
    bool started_ = false;
    bool running_ = false;
    bool abandoned_ = false;
};

template <class Return>
struct generator_result {
    std::optional<Return> returned;
    template <class R = Return>
        requires std::constructible_from<Return, R>
    void return_value(R &&value) {
        returned.emplace(std::forward<R>(value));
    }
};
template <>
struct generator_result<void> {
    void return_void() const noexcept {}
};

template <class T, class Send, class Return>
class generator_promise final : public generator_frame<T, Send>, public generator_result<Return> {
  public:
    using frame = generator_frame<T, Send>;
    using typename frame::value;

    generator<T, Send, Return> get_return_object() noexcept {
        static_assert(fits_frame<T> && fits_frame<Send> && fits_frame<Return>, EVLOOP_ALIGNED_TOO_STRICTLY);
        this->self_ = std::coroutine_handle<generator_promise>::from_promise(*this);
        return generator<T, Send, Return>(this);
    }
#if !EVLOOP_EXCEPTIONS
    static generator<T, Send, Return> get_return_object_on_allocation_failure() noexcept { return {}; }
#endif

    // A temporary lives until the generator goes on, and so does what a reference refers to.
    typename frame::giving
    yield_value(std::conditional_t<std::is_reference_v<T>, value &, value &&> value) noexcept {
        return {this, std::addressof(value)};
    }
    typename frame::giving_a_copy yield_value(const value &value)
        requires(!std::is_reference_v<T> && std::copy_constructible<T>)
    {
        return {this, value};
    }

    template <class R>
    auto yield_value(from<generator<T, Send, R>> inner) noexcept {
        return delegation<R>(std::move(inner.source));
    }
    template <class Range>
    auto yield_value(from<Range> range) {
        return delegation<void>(each(std::forward<Range>(range.source)));
    }

  private:
    template <class R>
    class delegation {
      public:
        explicit delegation(generator<T, Send, R> &&inner) noexcept : inner_(inner.release()) {}
        delegation(delegation &&other) noexcept : inner_(std::exchange(other.inner_, nullptr)) {}
        ~delegation() {
            if (inner_)
                inner_->destroy();
        }
        bool await_ready() const noexcept { return !inner_ || inner_->done(); }
        void await_suspend(std::coroutine_handle<generator_promise> outer) noexcept {
            outer.promise().delegate(*inner_, &inner_);
        }
        R await_resume() {
            if (inner_)
                inner_->rethrow();
            if constexpr (!std::is_void_v<R>)
                return result();
        }

      private:
        // One that was empty, or had thrown before, has no result.
        auto result() {
            auto *inner = static_cast<generator_promise<T, Send, R> *>(inner_);
            if (!inner || !inner->returned)
#if EVLOOP_EXCEPTIONS
                throw_error(EVL_EINVAL);
#else
                std::terminate();
#endif
            return *std::move(inner->returned);
        }

        frame *inner_;
    };

    template <class Range>
    static generator<T, Send> each(Range range) {
        for (auto &&value : range)
            co_yield std::forward<decltype(value)>(value);
    }
};

} // namespace detail

// A sequence of T made by a coroutine, one at a time; takes a Send with each, ends with a Return. Move-only.
// See the head of this file.
template <class T, class Send, class Return>
class [[nodiscard]] generator {
    static_assert(std::is_void_v<Send> || std::default_initializable<Send>,
                  "next() sends a Send(): let Send be a std::optional, or a pointer");
    using frame = detail::generator_frame<T, Send>;

  public:
    using promise_type = detail::generator_promise<T, Send, Return>;
    using value = typename frame::value;

    generator() noexcept = default;
    generator(generator &&other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    generator &operator=(generator &&other) noexcept {
        if (this != &other) {
            close();
            frame_ = std::exchange(other.frame_, nullptr);
        }
        return *this;
    }
    ~generator() { close(); }

    // Runs to the next co_yield, and gives what it yields; nullptr when it has returned instead. The value
    // may be moved from, and lives until the generator goes on. What the generator throws is thrown here, and
    // ends it. A generator that is running, and so calls itself, fails with EVL_ERUNNING.
    value *next() { return may_go() ? frame_->go(nullptr) : nullptr; }

    // The same, and co_yield gives `what` inside. Fails with EVL_EINVAL before the first next(), for there is
    // no co_yield yet.
    template <class S = Send>
        requires(!std::is_void_v<S>)
    value *send(std::type_identity_t<S> what) {
        if (!may_go())
            return nullptr;
        return frame_->started() ? frame_->go(std::addressof(what)) : refused(EVL_EINVAL);
    }

#if EVLOOP_EXCEPTIONS
    // The same, and co_yield throws inside. Before the first next(), and after the end, it throws here at
    // once, and the generator has ended.
    value *throw_(std::exception_ptr exception) {
        if (may_go()) {
            if (frame_->started())
                return frame_->go_on_with(std::move(exception));
            close();
        }
        std::rethrow_exception(std::move(exception));
    }
    template <class Exception>
        requires(!std::is_same_v<Exception, std::exception_ptr>)
    value *throw_(Exception exception) {
        return throw_(std::make_exception_ptr(std::move(exception)));
    }
#endif

    // Ends it where it is: what it has on its stack is destroyed, and of those it delegates to, the innermost
    // first. While it runs, which is a call from inside, it ends where it next yields, and who called it gets
    // nullptr. The same holds for the destructor.
    void close() noexcept {
        promise_type *old = std::exchange(frame_, nullptr);
        if (old)
            old->running() ? old->abandon() : old->destroy();
    }

    // Whether it has ended: returned, thrown, been closed or moved from.
    bool done() const noexcept { return !frame_ || frame_->done(); }

    // What it has returned; nullptr when it has not.
    template <class R = Return>
        requires(!std::is_void_v<R>)
    R *returned() noexcept {
        return frame_ && frame_->returned ? std::addressof(*frame_->returned) : nullptr;
    }

    // A range of what is yet to come.
    class iterator {
      public:
        using value_type = std::remove_cvref_t<T>;
        using difference_type = std::ptrdiff_t;

        iterator() noexcept = default;
        explicit iterator(generator &of) noexcept : of_(&of) {}
        value &operator*() const noexcept { return *of_->frame_->current(); }
        value *operator->() const noexcept { return of_->frame_->current(); }
        iterator &operator++() {
            of_->next();
            return *this;
        }
        void operator++(int) { of_->next(); }
        friend bool operator==(const iterator &it, std::default_sentinel_t) noexcept {
            return it.of_->done();
        }

      private:
        generator *of_ = nullptr;
    };
    iterator begin() {
        next();
        return iterator(*this);
    }
    std::default_sentinel_t end() const noexcept { return {}; }

    // The coroutine, for those who delegate to it.
    promise_type *release() noexcept { return std::exchange(frame_, nullptr); }

  private:
    friend promise_type;
    explicit generator(promise_type *frame) noexcept : frame_(frame) {}

    bool may_go() const {
        if (done())
            return false;
        return !frame_->running() || refused(EVL_ERUNNING);
    }
    static value *refused([[maybe_unused]] std::int32_t code) {
#if EVLOOP_EXCEPTIONS
        throw_error(code);
#else
        return nullptr;
#endif
    }

    promise_type *frame_ = nullptr;
};

} // namespace evloop::inline EVLOOP_CPP_ABI
