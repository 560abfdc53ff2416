// evloop/callback.hpp - the function that a handle or an operation calls.
//
// Any function object, move-only ones included, that takes the result (std::int64_t) or nothing. Up to three
// pointers of captures are stored in place, more take one allocation. While it runs it lies on the stack: it
// may end or move the object that holds it and still use its captures.
#pragma once

#include "unhandled.hpp"

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

// What can be a handle's or an operation's function.
template <class F>
concept callable =
    std::is_invocable_v<std::decay_t<F> &, std::int64_t> || std::is_invocable_v<std::decay_t<F> &>;

namespace detail {

template <class F>
void invoke_with(F &fn, std::int64_t result) {
    if constexpr (std::is_invocable_v<F &, std::int64_t>)
        static_cast<void>(fn(result));
    else
        static_cast<void>(fn());
}

// A function object that is too large, or cannot be moved without fail.
template <class F>
struct boxed {
    explicit boxed(std::unique_ptr<F> &&copy) noexcept : fn(std::move(copy)) {}
    std::unique_ptr<F> fn;
    void operator()(std::int64_t result) { invoke_with(*fn, result); }
};

class callback {
  public:
    static constexpr std::size_t room = 3 * sizeof(void *);
    template <class F>
    static constexpr bool fits =
        sizeof(F) <= room && alignof(F) <= alignof(void *) && std::is_nothrow_move_constructible_v<F>;

    // Empty: it must not be called.
    callback() noexcept = default;

    // Errors: EVL_ENOMEM, for a large function.
    template <callable F>
    static result<callback> make(F &&fn) {
        using G = std::decay_t<F>;
        callback made;
        if constexpr (fits<G>) {
            made.emplace<G>(std::forward<F>(fn));
        } else {
            std::unique_ptr<G> copy(new (std::nothrow) G(std::forward<F>(fn)));
            if (!copy)
                return fail(EVL_ENOMEM);
            made.emplace<boxed<G>>(std::move(copy));
        }
        return made;
    }
    callback(callback &&other) noexcept { take(other); }
    // The old function dies last: this callback, and what contains it, may be destroyed with its captures.
    callback &operator=(callback &&other) noexcept {
        callback fresh(std::move(other)), old(std::move(*this));
        take(fresh);
        return *this;
    }
    ~callback() {
        if (verbs_ && verbs_->end)
            verbs_->end(&room_);
    }

    // Moves another one here. This one is empty.
    void take(callback &other) noexcept {
        verbs_ = std::exchange(other.verbs_, nullptr);
        if (verbs_ && verbs_->move)
            verbs_->move(&room_, &other.room_);
        else
            std::memcpy(&room_, &other.room_, room);
    }

    explicit operator bool() const noexcept { return verbs_ != nullptr; }
    void operator()(std::int64_t result) { verbs_->call(&room_, result); }

  private:
    struct verbs {
        void (*call)(void *fn, std::int64_t result);
        void (*move)(void *to, void *from) noexcept; // ends what it moved from; NULL: copy the bytes
        void (*end)(void *fn) noexcept;              // NULL: nothing to do
    };

    template <class F>
    static void call(void *fn, std::int64_t result) {
        invoke_with(*static_cast<F *>(fn), result);
    }
    template <class F>
    static void move(void *to, void *from) noexcept {
        new (to) F(std::move(*static_cast<F *>(from)));
        static_cast<F *>(from)->~F();
    }
    template <class F>
    static void end(void *fn) noexcept {
        static_cast<F *>(fn)->~F();
    }

    template <class F>
    static constexpr verbs verbs_of = {call<F>, std::is_trivially_copyable_v<F> ? nullptr : move<F>,
                                       std::is_trivially_destructible_v<F> ? nullptr : end<F>};

    template <class F, class... Args>
    void emplace(Args &&...args) {
        new (&room_) F(std::forward<Args>(args)...);
        verbs_ = &verbs_of<F>;
    }
    alignas(void *) std::byte room_[room] = {};
    const verbs *verbs_ = nullptr;
};

// What C calls: the base of whatever has a callback. The address of a target is the argument that C keeps, so
// moving one must tell C.
class target {
  public:
    target() noexcept = default;
    target(evl_loop *loop, callback &&fn) noexcept : loop_(loop), fn_(std::move(fn)) {}
    target(target &&other) noexcept { take(other); }
    // What it had dies last, as with callback.
    target &operator=(target &&other) noexcept {
        target fresh(std::move(other)), old(std::move(*this));
        take(fresh);
        return *this;
    }
    ~target() { forget(); }

    // The two functions that go with the address.
    static void done(void *arg, std::int64_t result) noexcept { static_cast<target *>(arg)->run(result); }
    static void plain(void *arg) noexcept { static_cast<target *>(arg)->run(0); }

  protected:
    // Calls another function from now on.
    void call(callback &&fn) noexcept {
        forget();
        fn_ = std::move(fn);
    }

    // The function that runs now is not to come back to this object.
    void forget() noexcept {
        if (running *now = std::exchange(running_, nullptr))
            now->self = nullptr;
    }

    evl_loop *loop_ = nullptr;

  private:
    struct running {
        target *self; // where the object is now; NULL: it is no more
    };

    // This one has nothing.
#if defined(__GNUC__) && !defined(__clang__)
#    pragma GCC diagnostic push
#    pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif
    void take(target &other) noexcept {
        loop_ = std::exchange(other.loop_, nullptr);
        fn_.take(other.fn_);
        running_ = std::exchange(other.running_, nullptr);
        if (running_)
            running_->self = this; // GCC 12 takes it for a pointer that is left behind: ~target forgets it
    }
#if defined(__GNUC__) && !defined(__clang__)
#    pragma GCC diagnostic pop
#endif

    void run(std::int64_t result) noexcept {
        running now{this};
        running_ = &now;
        evl_loop *loop = loop_; // whatever the function does to it, it is there until run returns
        callback fn = std::move(fn_);
        guarded(loop, [&] { fn(result); });
        if (now.self) {
            now.self->fn_.take(fn);
            now.self->running_ = nullptr;
        }
    }

    callback fn_;
    running *running_ = nullptr;
};

} // namespace detail

} // namespace evloop::inline EVLOOP_CPP_ABI
