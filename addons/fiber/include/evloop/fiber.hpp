// evloop/fiber.hpp - fibers in C++: evloop/fiber.h as objects.
//
//     evloop::fiber pages(loop, [&] {
//         evloop::this_fiber::sleep(1s);                       // waits, and the loop goes on
//         return evloop::this_fiber::await(fetch("localhost")); // a task, or whatever else can be awaited
//     });
//
// In another fiber pages.join(), in a coroutine co_await pages, gives what the function returned or throws
// what it threw. A wait that fails throws, a cancelled one throws `cancelled`. A fiber that is killed
// unwinds: every wait throws `cancelled` until its function ends. Part of libevloop-fiber; not with
// -fno-exceptions.
#pragma once

#include <evloop.hpp>
#include <evloop/fiber.h>

#include <memory>

#if EVLOOP_EXCEPTIONS

namespace evloop::inline EVLOOP_CPP_ABI {

// How to make a fiber.
struct fiber_options {
    std::uint64_t stack = 0; // bytes; 0: 64 KiB
    std::string name{};      // for dumps
};

namespace detail {

// How a fiber came out.
template <class T>
struct fiber_end {
    slot<T> value;
    std::exception_ptr error;

    // Its value, or throws; `result` is the fiber's.
    T take(std::int64_t result) {
        if (error)
            std::rethrow_exception(error);
        if (!value.full)
            throw_code(result < 0 ? static_cast<std::int32_t>(result) : EVL_EINVAL); // it was killed before
        return value.take();
    }
};

// What a fiber runs.
template <class T, class F>
struct fiber_body {
    std::shared_ptr<fiber_end<T>> end;
    F fn;

    static std::int64_t run(void *arg) noexcept {
        auto &self = *static_cast<fiber_body *>(arg);
        try {
            if constexpr (std::is_void_v<T>) {
                std::invoke(self.fn);
                self.end->value.put();
            } else {
                self.end->value.put(std::invoke(self.fn));
            }
            return 0;
        } catch (const cancelled &) {
            self.end->error = std::current_exception();
            return EVL_ECANCELED;
        } catch (...) {
            self.end->error = std::current_exception();
            return code_of(self.end->error);
        }
    }
    static void drop(void *arg) noexcept { delete static_cast<fiber_body *>(arg); }
};

} // namespace detail

// Awaited: what a fiber ends with.
template <class T>
class [[nodiscard("co_await it")]] fiber_awaitable : public op_awaitable<fiber_awaitable<T>, T> {
  public:
    // What a dump calls it.
    static constexpr const char *name = "fiber";
    fiber_awaitable(evl_fiber *fiber, std::shared_ptr<detail::fiber_end<T>> end) noexcept
        : fiber_(evl_fiber_ref(fiber)), end_(std::move(end)) {}
    fiber_awaitable(fiber_awaitable &&other) noexcept
        : op_awaitable<fiber_awaitable<T>, T>(), fiber_(std::exchange(other.fiber_, nullptr)),
          end_(std::move(other.end_)) {}
    ~fiber_awaitable() { evl_fiber_unref(fiber_); }

    // For the task that awaits it.
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_fiber_wait(fiber_, op); }
    // Likewise.
    std::int64_t settle(std::int64_t) noexcept { return evl_fiber_result(fiber_); }
    // Likewise. Of the fiber; not of a wait that has ended by itself.
    std::exception_ptr exception(std::int64_t waited) noexcept { return waited < 0 ? nullptr : end_->error; }
    // Likewise.
    T finish(std::int64_t result) { return end_->take(result); }

  private:
    evl_fiber *fiber_;
    std::shared_ptr<detail::fiber_end<T>> end_;
};

// A fiber, and what its function returns. Owns it: with the object the fiber is killed, and unwinds in a pass
// to come; detach() lets it go on. What its function refers to has to last until it has ended.
template <class T = void>
class [[nodiscard("the fiber is killed with it: keep it, or detach() it")]] fiber {
  public:
    fiber() noexcept = default;
    // Runs fn() in the next pass. Errors: those of evl_fiber_spawn.
    template <class F>
    fiber(loop_ref loop, F fn, const fiber_options &options = {})
        : end_(std::make_shared<detail::fiber_end<T>>()) {
        using body = detail::fiber_body<T, F>;
        auto made = std::make_unique<body>(body{end_, std::move(fn)});
        evl_fiber_options c{};
        c.struct_size = sizeof c;
        c.flags = EVL_FIBER_UNWINDS | EVL_FIBER_EXCEPTIONS;
        c.stack = options.stack;
        c.name = options.name.c_str();
        c.drop = body::drop;
        check(evl_fiber_spawn(loop.c(), body::run, made.get(), &c, &fiber_));
        (void)made.release();
    }
    fiber(fiber &&other) noexcept
        : fiber_(std::exchange(other.fiber_, nullptr)), end_(std::move(other.end_)) {}
    fiber &operator=(fiber other) noexcept {
        std::swap(fiber_, other.fiber_);
        std::swap(end_, other.end_);
        return *this;
    }
    ~fiber() {
        if (fiber_)
            (void)evl_fiber_kill(fiber_);
        evl_fiber_unref(fiber_);
    }

    // False when it has been moved from, or detached.
    explicit operator bool() const noexcept { return fiber_ != nullptr; }
    // The fiber goes on without the object.
    void detach() noexcept {
        evl_fiber_unref(std::exchange(fiber_, nullptr));
        end_.reset();
    }

    // Waits for its end, in another fiber: what its function returned, or throws what it threw; once. Errors:
    // those of evl_fiber_join.
    T join() {
        if (const std::int32_t rc = evl_fiber_join(fiber_, EVL_NEVER, nullptr); rc < 0)
            detail::throw_code(rc);
        return end_->take(evl_fiber_result(fiber_));
    }
    // The same in a coroutine.
    auto operator co_await() const noexcept { return fiber_awaitable<T>(fiber_, end_); }

    // Whether it has ended; also true of one that has been moved from, or detached.
    bool done() const noexcept { return !fiber_ || evl_fiber_state(fiber_) == EVL_FIBER_DONE; }
    // Asks it to end: its wait throws `cancelled`. False: it has ended.
    bool cancel() noexcept { return evl_fiber_cancel(fiber_) == 1; }
    // Every wait of it throws `cancelled` from now on. False: it has ended.
    bool kill() noexcept { return evl_fiber_kill(fiber_) == 1; }
    evl_fiber *c() const noexcept { return fiber_; }

  private:
    evl_fiber *fiber_ = nullptr;
    std::shared_ptr<detail::fiber_end<T>> end_;
};

template <class F>
fiber(loop_ref, F) -> fiber<std::invoke_result_t<F &>>;
template <class F>
fiber(loop_ref, F, const fiber_options &) -> fiber<std::invoke_result_t<F &>>;

// Waits of the running fiber; outside of one they fail with EVL_EPERM.
namespace this_fiber {

// Waits for what start(op) starts, any function of evloop that takes an evl_op: returns its result.
template <std::invocable<evl_op *> F>
std::int64_t wait(F &&start) {
    evl_op op;
    check(evl_fiber_op_init(&op));
    const std::int32_t rc = std::invoke(start, &op);
    const std::int64_t result = rc < 0 ? rc : evl_await(&op);
    if (result < 0)
        detail::throw_code(static_cast<std::int32_t>(result));
    return result;
}

// Everything else that is ready runs first.
inline void yield() {
    if (const std::int32_t rc = evl_fiber_yield(); rc < 0)
        detail::throw_code(rc);
}

// Waits.
template <class Rep, class Period>
void sleep(std::chrono::duration<Rep, Period> time) {
    if (const std::int32_t rc = evl_fiber_sleep(detail::nanoseconds(time)); rc < 0)
        detail::throw_code(rc);
}

} // namespace this_fiber

namespace detail {

// What a fiber awaits, in a task of its own.
template <class T>
struct awaited_by_fiber {
    slot<T> value;
    std::exception_ptr error;
    evl_waitq waiter;
    bool done = false;

    template <class A>
    static task<> run(awaited_by_fiber &self, A what) {
        try {
            if constexpr (std::is_void_v<T>) {
                co_await static_cast<A &&>(what);
                self.value.put();
            } else {
                self.value.put(co_await static_cast<A &&>(what));
            }
        } catch (...) {
            self.error = std::current_exception();
        }
        self.done = true;
        (void)evl_waitq_wake(&self.waiter, -1, 0);
    }

    // Cancelled, it cancels the task and waits for its end; cancelled again or killed, it does not.
    template <class Task>
    void wait(Task &of) {
        for (int interrupted = 0; !done;) {
            evl_op op;
            check(evl_fiber_op_init(&op));
            std::int64_t rc = evl_waitq_park(&waiter, &op);
            rc = rc < 0 ? rc : evl_await(&op);
            if (rc < 0 && (rc != EVL_ECANCELED || interrupted++ > 0))
                throw_code(static_cast<std::int32_t>(rc));
            if (rc < 0)
                of.cancel();
        }
    }
};

} // namespace detail

namespace this_fiber {

// Waits for a task, or for whatever else coroutines await: its value, or throws.
template <awaitable A>
await_result_t<A> await(A &&what) {
    evl_loop *loop = evl_fiber_loop(nullptr);
    if (!loop)
        detail::throw_code(EVL_EPERM);
    detail::awaited_by_fiber<await_result_t<A>> awaited;
    check(evl_waitq_init(&awaited.waiter, loop, nullptr, nullptr));
    scope own{loop_ref(loop)};
    auto task = own.spawn(awaited.template run<A>(awaited, std::forward<A>(what)));
    awaited.wait(task);
    if (awaited.error)
        std::rethrow_exception(awaited.error);
    return awaited.value.take();
}

} // namespace this_fiber
} // namespace evloop::inline EVLOOP_CPP_ABI

#endif
