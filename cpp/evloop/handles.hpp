// evloop/handles.hpp - what happens many times: watchers, timers, signals, hooks, calls that other threads
// ask for; each ends with its object.
//
//     evloop::io watcher(loop, fd, EVL_READ, [&](std::int64_t mask) { read_from(fd, mask); });
//     evloop::timer timer(loop, [] { std::puts("a second is over"); });
//     timer.start_in(1s, 1s);
//
// A handle can be moved and not copied. Its function takes the result of the C callback, or nothing; an
// exception that leaves it goes to the loop's error hook. In it the handle may be closed, destroyed, moved
// and assigned to. A handle may outlive its loop. It is used on the loop's thread, to be destroyed included.
//
// What cannot fail is noexcept; the rest throws std::system_error. X::make is the constructor with the error
// as a value.
//
// Of an owner that is empty, as what was moved from or closed, and of one whose loop has gone, fd(), pid()
// and the number of a signal are a negative code, counts, masks and ids 0, deadlines `never`, addresses none
// and texts "". So it is with queues and the like (sync.hpp). What can fail throws EVL_EINVAL, or EVL_ECLOSED
// where the loop has gone.
#pragma once

#include "loop.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {

// The owner of a handle of any kind, and what all kinds can do.
class handle : private detail::target {
  public:
    handle() noexcept = default;
    handle(handle &&other) noexcept : target(std::move(other)), c_(std::exchange(other.c_, nullptr)) {
        followed();
    }
    // What it had is closed, and dies last: the object may be among the captures of its own function.
    handle &operator=(handle &&other) noexcept {
        handle fresh(std::move(other)), old(std::move(*this));
        target::operator=(std::move(fresh));
        c_ = std::exchange(fresh.c_, nullptr);
        followed();
        return *this;
    }
    ~handle() { close(); }

    // Nothing is heard of it from now on, and its function is destroyed: now, or when it has returned.
    void close() noexcept {
        if (!c_)
            return;
        evl_close(c_);
        closed();
    }

    // Whether there is one: not after close, and not when it was moved from.
    explicit operator bool() const noexcept { return c_ != nullptr; }
    evl_handle *c() const noexcept { return c_; }
    loop_ref loop() const noexcept { return loop_; }

    std::uint64_t id() const noexcept { return evl_id(c_); }
    bool active() const noexcept { return evl_active(c_) > 0; }
    void keep_alive(bool on) noexcept { evl_keep_alive(c_, on); }
    const char *name() const noexcept { return evl_name(c_); }
    status set_name(const char *name) { return check(evl_set_name(c_, name)); }

  protected:
    // Makes one of a kind: open(loop, arg, out) is the kind's C function, given done or plain to call.
    template <class Kind, class F, class Open>
    static result<Kind> made(loop_ref loop, F &&fn, Open open) {
        result<detail::callback> stored = detail::callback::make(std::forward<F>(fn));
        if (!stored)
            return fail(stored.code());
        Kind self;
        static_cast<target &>(self) = target(loop.c(), *std::move(stored));
        if (const std::int32_t rc = open(loop.c(), static_cast<target *>(&self), &self.handle::c_); rc < 0)
            return fail(rc);
        evl_loop_ref(loop.c());
        return self;
    }
    // For kinds that are made without a function: owns what C has made, and hear(fn, start) sets a function
    // later, where start(arg) is the C function that takes it.
    explicit handle(evl_handle *made) noexcept : c_(made) {
        loop_ = evl_loop_ref(evl_loop_of(made));
        followed();
    }
    template <class F, class Start>
    std::int32_t hear(F &&fn, Start start) {
        result<detail::callback> stored = detail::callback::make(std::forward<F>(fn));
        const std::int32_t rc = stored ? start(static_cast<target *>(this)) : stored.code();
        if (rc >= 0)
            call(*std::move(stored));
        return rc;
    }
    // Gives the C handle up, which has just been closed. The object may be destroyed with its function.
    void closed() noexcept {
        c_ = nullptr;
        evl_loop_unref(loop_);
        const target old(std::move(*this));
    }
    using target::done;
    using target::plain;

  private:
    void followed() noexcept {
        if (c_ && evl_set_push_arg(c_, static_cast<target *>(this)) != 0)
            evl_set_arg(c_, static_cast<target *>(this));
    }

    evl_handle *c_ = nullptr;
};

// Watches a fd, which stays the caller's. The function gets a mask of EVL_READ and so on, or a negative
// error.
class io : public handle {
  public:
    io() noexcept = default;
#if EVLOOP_EXCEPTIONS
    template <callable F>
    io(loop_ref loop, evl_fd fd, std::uint32_t mask, F &&fn, std::uint32_t flags = 0)
        : io(make(loop, fd, mask, std::forward<F>(fn), flags).value()) {}
#endif
    template <callable F>
    static result<io> make(loop_ref loop, evl_fd fd, std::uint32_t mask, F &&fn, std::uint32_t flags = 0) {
        return made<io>(loop, std::forward<F>(fn), [=](evl_loop *c, void *arg, evl_handle **out) {
            return evl_io_new(c, fd, mask, flags, done, arg, out);
        });
    }

    status set(std::uint32_t mask) { return check(evl_io_set(c(), mask)); }
    evl_fd fd() const noexcept { return evl_io_fd(c()); }
    // EVL_READ and the like that are watched for; 0 when none.
    std::uint32_t mask() const noexcept { return detail::number<std::uint32_t>(evl_io_mask(c())); }
};

// A timer. The function gets the number of expirations.
class timer : public handle {
  public:
    timer() noexcept = default;
#if EVLOOP_EXCEPTIONS
    template <callable F>
    timer(loop_ref loop, F &&fn) : timer(make(loop, std::forward<F>(fn)).value()) {}
#endif
    template <callable F>
    static result<timer> make(loop_ref loop, F &&fn) {
        return made<timer>(loop, std::forward<F>(fn), [](evl_loop *c, void *arg, evl_handle **out) {
            return evl_timer_new(c, done, arg, out);
        });
    }

    // At a time, or so long from now; then every `repeat`, 0 meaning once.
    template <class Duration, class Repeat = std::chrono::nanoseconds>
    status start(std::chrono::time_point<loop_clock, Duration> when, Repeat repeat = Repeat::zero()) {
        return check(evl_timer_start_at(c(), detail::deadline(when), detail::nanoseconds(repeat)));
    }
    template <class Rep, class Period, class Repeat = std::chrono::nanoseconds>
    status start_in(std::chrono::duration<Rep, Period> delay, Repeat repeat = Repeat::zero()) {
        return check(evl_timer_start_in(c(), detail::nanoseconds(delay), detail::nanoseconds(repeat)));
    }
    void stop() noexcept { evl_timer_stop(c()); }
    template <class Rep, class Period>
    status set_slack(std::chrono::duration<Rep, Period> slack) {
        return check(evl_timer_set_slack(c(), detail::nanoseconds(slack)));
    }
    time_point deadline() const noexcept {
        return time_point(std::chrono::nanoseconds(evl_timer_deadline(c())));
    }
};

// A timer that follows the wall clock, also when it is set.
class wall_timer : public handle {
  public:
    wall_timer() noexcept = default;
#if EVLOOP_EXCEPTIONS
    template <callable F>
    wall_timer(loop_ref loop, F &&fn) : wall_timer(make(loop, std::forward<F>(fn)).value()) {}
#endif
    template <callable F>
    static result<wall_timer> make(loop_ref loop, F &&fn) {
        return made<wall_timer>(loop, std::forward<F>(fn), [](evl_loop *c, void *arg, evl_handle **out) {
            return evl_wall_new(c, done, arg, out);
        });
    }

    // Starts it, again if it runs: at `when`, then every `repeat`; 0: once. Errors: those of
    // evl_wall_start_at.
    template <class Duration, class Repeat = std::chrono::nanoseconds>
    status start(std::chrono::time_point<std::chrono::system_clock, Duration> when,
                 Repeat repeat = Repeat::zero()) {
        return check(evl_wall_start_at(c(), detail::unix_time(when), detail::nanoseconds(repeat)));
    }
    void stop() noexcept { evl_wall_stop(c()); }
    // When it expires next.
    std::chrono::sys_time<std::chrono::nanoseconds> deadline() const noexcept {
        return std::chrono::sys_time<std::chrono::nanoseconds>(
            std::chrono::nanoseconds(evl_wall_deadline(c())));
    }
};

// Watches a Unix signal. The function gets the number of deliveries. Does not keep the loop alive by itself.
class signal : public handle {
  public:
    signal() noexcept = default;
#if EVLOOP_EXCEPTIONS
    template <callable F>
    signal(loop_ref loop, int signo, F &&fn) : signal(make(loop, signo, std::forward<F>(fn)).value()) {}
#endif
    template <callable F>
    static result<signal> make(loop_ref loop, int signo, F &&fn) {
        return made<signal>(loop, std::forward<F>(fn), [=](evl_loop *c, void *arg, evl_handle **out) {
            return evl_signal_new(c, signo, done, arg, out);
        });
    }

    int number() const noexcept { return evl_signal_number(c()); }
};

// A function that any thread and any signal handler can have called, coalesced: several sends may be one
// call, which gets their number and looks for itself what there is to do. Does not keep the loop alive by
// itself. To have a function run for each call there is loop_ref::post.
class async : public handle {
  public:
    async() noexcept = default;
#if EVLOOP_EXCEPTIONS
    template <callable F>
    async(loop_ref loop, F &&fn) : async(make(loop, std::forward<F>(fn)).value()) {}
#endif
    template <callable F>
    static result<async> make(loop_ref loop, F &&fn) {
        return made<async>(loop, std::forward<F>(fn), [](evl_loop *c, void *arg, evl_handle **out) {
            return evl_async_new(c, done, arg, out);
        });
    }

    // Has the function called in the next pass, and wakes the loop. Allocates nothing; safe in signal
    // handlers. 0, or an error of evl_async_send. The object stays where it is, and is neither closed nor
    // destroyed, as long as others may call this; the loop must outlive that. @thread any
    std::int32_t send() const noexcept { return evl_async_send(c()); }
};

// Runs around the loop's polls. Does not keep the loop alive by itself.
class hook : public handle {
  public:
    // When a hook runs: see EVL_HOOK_*.
    enum when : std::int32_t {
        before_poll = EVL_HOOK_BEFORE_POLL,
        after_poll = EVL_HOOK_AFTER_POLL,
        idle = EVL_HOOK_IDLE
    };

    hook() noexcept = default;
#if EVLOOP_EXCEPTIONS
    template <callable F>
    hook(loop_ref loop, when at, F &&fn) : hook(make(loop, at, std::forward<F>(fn)).value()) {}
#endif
    template <callable F>
    static result<hook> make(loop_ref loop, when at, F &&fn) {
        return made<hook>(loop, std::forward<F>(fn), [=](evl_loop *c, void *arg, evl_handle **out) {
            return evl_hook_new(c, at, plain, arg, out);
        });
    }
};

} // namespace evloop::inline EVLOOP_CPP_ABI
