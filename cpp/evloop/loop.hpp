// evloop/loop.hpp - the loop: `loop` owns one, `loop_ref` is any.
//
//     evloop::loop loop;
//     evloop::timer timer(loop, [] { std::puts("hello"); });
//     timer.start_in(500ms);
//     loop.run();
//
// A call that fails throws std::system_error; without exceptions it returns the C code.
#pragma once

#include "callback.hpp"
#include "time.hpp"

#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {

// Where a loop's time comes from.
enum class clock : std::int32_t { real = EVL_CLOCK_REAL, manual = EVL_CLOCK_MANUAL, jump = EVL_CLOCK_JUMP };

// evl_options, for designated initializers: loop({.backend = "select"}).
struct loop_options {
    std::uint32_t flags = 0;            // EVL_LOOP_*
    const char *backend = nullptr;      // nullptr: EVLOOP_BACKEND, then the best there is
    evloop::clock time = clock::real;   // real, or virtual for tests
    std::uint32_t poll_interval = 0;    // 0: 64
    const char *name = nullptr;         // in dumps; copied
    std::chrono::nanoseconds linger{0}; // of closed streams; 0: 10 seconds, negative: closing is aborting
    evl_realloc_fn *alloc = nullptr;    // as realloc, with sizes and a context; nullptr: the system's
    void *alloc_ctx = nullptr;          // passed to alloc
    std::uint32_t events_per_pass = 0;  // kernel events that a pass takes; 0: 256
    evl_fn *host_unlock = nullptr;      // called before each wait in the kernel, with host_arg
    evl_fn *host_lock = nullptr;        // and after it; both or none
    void *host_arg = nullptr;           // see with_host_lock

    // These, with a lock of the program's that guards the loop: who uses the loop, or runs it, holds the
    // lock, which is free while the loop waits in the kernel. The program's other threads use the loop
    // meanwhile, under it (see evl_options). A std::mutex, or anything with lock() and unlock(), which must
    // outlive the loop.
    template <class Lock>
    loop_options with_host_lock(Lock &lock) const noexcept {
        loop_options all = *this;
        all.host_unlock = [](void *host) noexcept { static_cast<Lock *>(host)->unlock(); };
        all.host_lock = [](void *host) noexcept { static_cast<Lock *>(host)->lock(); };
        all.host_arg = &lock;
        return all;
    }

    // As evl_loop_new takes them.
    evl_options c() const noexcept {
        evl_options all{};
        all.struct_size = sizeof all;
        all.flags = flags;
        all.backend = backend;
        all.clock = static_cast<std::int32_t>(time);
        all.poll_interval = poll_interval;
        all.linger_ns = linger.count();
        all.alloc = alloc;
        all.alloc_ctx = alloc_ctx;
        all.name = name;
        all.events_per_pass = events_per_pass;
        all.host_unlock = host_unlock;
        all.host_lock = host_lock;
        all.host_arg = host_arg;
        return all;
    }
};

namespace detail {

// A count that C returns; 0 where that is an error.
template <class Number>
constexpr Number number(std::int64_t count) noexcept {
    return count > 0 ? static_cast<Number>(count) : Number{0};
}

// A function for a call or a post, and its argument. One that is no larger than a pointer and cannot throw is
// the argument itself; any other takes one allocation, and knows the loop to tell it of an exception.
template <class F>
class once {
  public:
    static constexpr bool packed = sizeof(F) <= sizeof(void *) && std::is_trivially_copyable_v<F> &&
                                   (std::is_nothrow_invocable_v<F &> || EVLOOP_EXCEPTIONS == 0);

    // How: evl_call_soon_owned, evl_post_owned, or what takes the same.
    template <class G, class How>
    static std::int32_t start(evl_loop *loop, G &&fn, How how) {
        if constexpr (packed) {
            void *arg = nullptr;
            F copy(std::forward<G>(fn));
            std::memcpy(&arg, &copy, sizeof copy);
            return how(loop, run_packed, arg, nullptr);
        } else {
            std::unique_ptr<once> self(new (std::nothrow) once{loop, F(std::forward<G>(fn))});
            if (!self)
                return EVL_ENOMEM;
            const std::int32_t rc = how(loop, run, self.get(), drop);
            if (rc >= 0)
                static_cast<void>(self.release());
            return rc;
        }
    }

  private:
    once(evl_loop *loop, F &&fn) : loop_(loop), fn_(std::move(fn)) {}

    static void run_packed(void *arg) noexcept {
        alignas(F) std::byte room[sizeof(F)];
        std::memcpy(room, &arg, sizeof(F));
        static_cast<void>((*std::launder(reinterpret_cast<F *>(room)))());
    }
    static void run(void *arg) noexcept {
        auto *self = static_cast<once *>(arg);
        guarded(self->loop_, [self] { static_cast<void>(self->fn_()); });
    }
    static void drop(void *arg) noexcept { delete static_cast<once *>(arg); }

    evl_loop *loop_;
    F fn_;
};

} // namespace detail

class later_call;

// A reference to a loop. Copies refer to the same loop; none of them owns it.
class loop_ref {
  public:
    loop_ref(evl_loop *loop) noexcept : c_(loop) {}

    // The C object, for whatever has no name here.
    evl_loop *c() const noexcept { return c_; }
    // For calls of the C API.
    operator evl_loop *() const noexcept { return c_; }
    friend bool operator==(loop_ref, loop_ref) noexcept = default;
    friend bool operator==(loop_ref loop, std::nullptr_t) noexcept { return loop.c_ == nullptr; }

    // Until nothing is alive, one pass, one pass that does not wait, until stop. Returns EVL_RUN_*, or the
    // argument of stop. No exception of a callback leaves here: see loop::on_error.
    std::int32_t run() const { return check_number(evl_loop_run(c_, EVL_RUN_DEFAULT)); }
    std::int32_t run_once() const { return check_number(evl_loop_run(c_, EVL_RUN_ONCE)); }
    std::int32_t run_nowait() const { return check_number(evl_loop_run(c_, EVL_RUN_NOWAIT)); }
    std::int32_t run_forever() const { return check_number(evl_loop_run(c_, EVL_RUN_FOREVER)); }
    // Parts of a pass, for a program that puts its own together: what the kernel reports and nothing else;
    // what is due or queued, without asking the kernel.
    std::int32_t run_events() const { return check_number(evl_loop_run(c_, EVL_RUN_EVENTS)); }
    std::int32_t run_queued() const { return check_number(evl_loop_run(c_, EVL_RUN_QUEUED)); }
    void stop(std::int32_t result = 0) const noexcept { evl_stop(c_, result); }
    // The same, and what else is ready in this pass stays queued for the next run.
    void stop_now(std::int32_t result = 0) const noexcept { evl_stop_now(c_, result); }
    bool alive() const noexcept { return evl_loop_alive(c_) > 0; }

    // fn() in the next pass.
    template <class F>
        requires std::is_invocable_v<std::decay_t<F> &>
    status call_soon(F &&fn) const {
        return check(detail::once<std::decay_t<F>>::start(c_, std::forward<F>(fn), evl_call_soon_owned));
    }

    // fn() once, so long from now; what it gives can take the call back, and need not be kept. To move or
    // repeat a call there is timer. Errors: EVL_ENOMEM; without exceptions what it gives is then empty.
    template <class Rep, class Period, class F>
        requires std::is_invocable_v<std::decay_t<F> &>
    later_call call_later(std::chrono::duration<Rep, Period> delay, F &&fn) const;

    // fn() on the loop's thread, from any thread that knows that the loop is there (poster, otherwise). When
    // the loop has been closed the function is destroyed here and the call fails with errc::closed.
    template <class F>
        requires std::is_invocable_v<std::decay_t<F> &>
    status post(F &&fn) const {
        return check(detail::once<std::decay_t<F>>::start(c_, std::forward<F>(fn), evl_post_owned));
    }
    void wake() const noexcept { evl_wake(c_); }

    // The loop's time: of this pass, or read afresh.
    time_point now() const noexcept { return time_point(std::chrono::nanoseconds(evl_now(c_))); }
    time_point time() const noexcept { return time_point(std::chrono::nanoseconds(evl_time(c_))); }
    std::chrono::system_clock::time_point wall_time() const noexcept {
        using std::chrono::system_clock;
        const std::chrono::nanoseconds since(evl_wall_time(c_));
        return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(since));
    }
    template <class Rep, class Period>
    status advance(std::chrono::duration<Rep, Period> by) const {
        return check(evl_clock_advance(c_, detail::nanoseconds(by)));
    }

    // Sets the wall clock of a virtual clock.
    template <class Duration>
    status set_wall_time(std::chrono::time_point<std::chrono::system_clock, Duration> now) const {
        return check(evl_wall_set(c_, detail::unix_time(now)));
    }

    // A forked child goes on with the loop.
    status fork() const { return check(evl_loop_fork(c_)); }

    // A pointer of the program's, for code that gets only the loop; nullptr unless set. From any thread.
    void set_data(void *data) const noexcept { evl_loop_set_data(c_, data); }
    void *data() const noexcept { return evl_loop_data(c_); }

    // Ends what waits for a fd that the program is about to close, with EVL_ECLOSED.
    void fd_closing(evl_fd fd) const noexcept { evl_fd_closing(c_, fd); }

    const char *backend() const noexcept { return c_ ? evl_loop_backend(c_) : ""; }
    std::uint32_t caps() const noexcept { return evl_backend_caps(c_); }
    // Counters of passes, polls, events and the like.
    evl_metrics metrics() const noexcept {
        evl_metrics all{};
        all.struct_size = sizeof all;
        evl_loop_metrics(c_, &all);
        return all;
    }

    // fn(duration) is called after each callback that took as long as `threshold` or longer; a negative one
    // ends that. fn: a function, or a lambda without captures.
    template <class Rep, class Period>
    status on_slow_callback(std::chrono::duration<Rep, Period> threshold,
                            void (*fn)(std::chrono::nanoseconds)) const {
        return check(evl_set_slow_callback(
            c_, detail::nanoseconds(threshold),
            [](void *arg, std::int64_t ns) noexcept {
                reinterpret_cast<void (*)(std::chrono::nanoseconds)>(arg)(std::chrono::nanoseconds(ns));
            },
            reinterpret_cast<void *>(fn)));
    }
    // What keeps the loop from closing.
    std::vector<evl_blocker> blockers() const {
        std::vector<evl_blocker> all(detail::number<std::size_t>(evl_loop_blockers(c_, nullptr, 0)));
        (void)evl_loop_blockers(c_, all.data(), static_cast<std::int32_t>(all.size()));
        return all;
    }

    // Inside another loop: the fd to watch, and a pass that does not wait.
    evl_fd fd() const { return check_number(evl_loop_fd(c_)); }
    std::int32_t dispatch() const { return check_number(evl_loop_dispatch(c_, nullptr, 0)); }
    // The same without such a fd: what to wait for, how many rows there are, of which as many are stored as
    // there is room for, and for how long; and then with what was found.
    std::int32_t prepare(std::span<evl_poll_row> rows, std::chrono::nanoseconds &timeout) const {
        std::int64_t ns = 0;
        const std::int32_t n = evl_loop_prepare(c_, rows.data(), static_cast<std::int32_t>(rows.size()), &ns);
        timeout = std::chrono::nanoseconds(ns);
        return check_number(n);
    }
    std::int32_t dispatch(std::span<const evl_poll_row> rows) const {
        return check_number(evl_loop_dispatch(c_, rows.data(), static_cast<std::int32_t>(rows.size())));
    }

    // Records of what was made without a callback, by C.
    template <class Rep, class Period>
    std::int32_t records(std::span<evl_record> out, std::chrono::duration<Rep, Period> timeout) const {
        return check_number(evl_loop_records(c_, out.data(), static_cast<std::int32_t>(out.size()),
                                             detail::nanoseconds(timeout)));
    }

    // The same, and why there are none: EVL_FETCH_*. The batch has the room, and gets the count.
    template <class Rep, class Period>
    std::int32_t fetch(evl_record_batch &batch, std::chrono::duration<Rep, Period> timeout) const {
        return check_number(evl_loop_fetch(c_, &batch, detail::nanoseconds(timeout)));
    }

  protected:
    // For classes that own a loop: which one it is.
    void refer_to(evl_loop *loop) noexcept { c_ = loop; }

  private:
    evl_loop *c_;
};

// What a loop's error hook is given.
#if EVLOOP_EXCEPTIONS
using unhandled_error = std::exception_ptr;
#else
using unhandled_error = std::int32_t;
#endif

namespace detail {

// Receives the unhandled errors of one loop.
class error_listener {
  public:
    callback hook; // none: the first error is kept
    unhandled_error first{};

    error_listener() = default;
    error_listener(const error_listener &) = delete;
    ~error_listener() {
        if (gone_)
            *gone_ = true;
    }

    static void hear(void *arg, std::int64_t code) noexcept {
        static_cast<error_listener *>(arg)->hear(code);
    }
    void keep(std::int64_t code) noexcept {
        if (!first)
            first = error_of_code(code);
    }

  private:
    static unhandled_error error_of_code(std::int64_t code) noexcept {
#if EVLOOP_EXCEPTIONS
        return unhandled_exception(code);
#else
        return static_cast<unhandled_error>(code);
#endif
    }
    void hear(std::int64_t code) noexcept {
        const unhandled_error error = error_of_code(code);
        if (!(hook && told(code)) && !first)
            first = error;
    }

    // The hook may replace itself, and destroy the loop and this with it. False: it failed, and is not asked
    // about that.
    bool told(std::int64_t code) noexcept {
        bool gone = false, told = false;
        gone_ = &gone;
        callback fn = std::move(hook);
#if EVLOOP_EXCEPTIONS
        try {
            fn(code);
            told = true;
        } catch (...) {
        }
#else
        fn(code);
        told = true;
#endif
        if (gone)
            return true;
        gone_ = nullptr;
        if (!hook)
            hook = std::move(fn);
        return told;
    }

    bool *gone_ = nullptr;
};

} // namespace detail

// A loop, and the unhandled errors on it: exceptions of callbacks and of tasks, errors of futures.
//
// Destroying it always succeeds, in any order: what was made on it returns errc::closed from then on.
class loop : public loop_ref {
  public:
#if EVLOOP_EXCEPTIONS
    explicit loop(const loop_options &options = {}) : loop(make(options).value()) {}
#endif
    // The same, with the error as a value.
    static result<loop> make(const loop_options &options = {}) {
        const evl_options c = options.c();
        loop made(nullptr);
        made.errors_.reset(new (std::nothrow) detail::error_listener);
        if (!made.errors_)
            return fail(EVL_ENOMEM);
        evl_loop *raw = nullptr;
        if (const std::int32_t rc = evl_loop_new(&raw, &c); rc < 0)
            return fail(rc);
        made.refer_to(raw);
        evl_set_error_hook(raw, detail::error_listener::hear, made.errors_.get());
        return made;
    }

    loop(loop &&other) noexcept : loop_ref(other.c()), errors_(std::move(other.errors_)) {
        other.refer_to(nullptr);
    }
    loop &operator=(loop other) noexcept {
        evl_loop *mine = c();
        refer_to(other.c());
        other.refer_to(mine);
        std::swap(errors_, other.errors_);
        return *this;
    }
    ~loop() { destroy(); }

    explicit operator bool() const noexcept { return c() != nullptr; }

    // Ends the loop if nothing is left on it, else fails with EVL_EBUSY and leaves it.
    status close() {
        const std::int32_t rc = evl_loop_close(c());
        if (rc == 0)
            refer_to(nullptr);
        return check(rc);
    }

    // fn(unhandled_error) is called with each unhandled error, from the loop's thread. Without it the first
    // is kept: unhandled() gives it, once, or what is false. So it does with what the function throws, and
    // with what fails while it runs. Errors: EVL_ENOMEM, and what was set stays; EVL_EINVAL: the loop has
    // been moved from.
    template <class F>
        requires std::is_invocable_v<std::decay_t<F> &, unhandled_error>
    status on_error(F &&fn) {
        auto made = detail::callback::make([fn = std::forward<F>(fn)](std::int64_t code) mutable {
#if EVLOOP_EXCEPTIONS
            fn(unhandled_exception(code));
#else
            fn(static_cast<std::int32_t>(code));
#endif
        });
        const std::int32_t rc = errors_ ? made.code() : EVL_EINVAL;
        if (rc == 0)
            errors_->hook = *std::move(made);
        return check(rc);
    }
    unhandled_error unhandled() noexcept {
        if (!errors_)
            return {};
        const std::int32_t in_hook = c() ? evl_loop_error(c()) : 0; // C keeps what fails inside the function
        if (!errors_->first && in_hook < 0)
            errors_->keep(in_hook);
        return std::exchange(errors_->first, unhandled_error{});
    }

  private:
    explicit loop(std::nullptr_t) noexcept : loop_ref(nullptr) {}

    // What outlives the loop may still report; in a forked child the hook cannot be taken away, and stays.
    void destroy() noexcept {
        evl_loop *mine = c();
        refer_to(nullptr);
        if (mine && evl_set_error_hook(mine, nullptr, nullptr) < 0)
            static_cast<void>(errors_.release());
        evl_loop_destroy(mine);
    }

    std::unique_ptr<detail::error_listener> errors_;
};

namespace detail {

// A counted reference: the loop's memory stays, and calls fail with errc::closed when the loop has gone.
class counted_loop {
  public:
    explicit counted_loop(loop_ref loop) noexcept : loop_(evl_loop_ref(loop.c())) {}
    counted_loop(const counted_loop &other) noexcept : counted_loop(other.loop_) {}
    counted_loop(counted_loop &&other) noexcept : loop_(std::exchange(other.loop_, loop_ref(nullptr))) {}
    counted_loop &operator=(counted_loop other) noexcept {
        std::swap(loop_, other.loop_);
        return *this;
    }
    ~counted_loop() { evl_loop_unref(loop_.c()); }
    loop_ref get() const noexcept { return loop_; }

  private:
    loop_ref loop_;
};

} // namespace detail

// A call that loop_ref::call_later has made. Copies are the same call; none of them owns it.
class later_call {
  public:
    later_call() noexcept : loop_(nullptr) {}
    // For those who have its id.
    later_call(loop_ref loop, std::uint64_t id) noexcept : loop_(loop), id_(id) {}

    // Takes it back, and destroys its function in a later pass. False: it has run, or was taken back before.
    bool cancel() noexcept { return pending() && evl_close(found()) == 0; }
    // Whether it is still to come.
    bool pending() const noexcept { return found() != nullptr; }
    // False: it was never made.
    explicit operator bool() const noexcept { return id_ != 0; }
    // Of its timer, as dumps and records have it.
    std::uint64_t id() const noexcept { return id_; }

  private:
    evl_handle *found() const noexcept { return id_ ? evl_lookup(loop_.get(), id_) : nullptr; }

    detail::counted_loop loop_;
    std::uint64_t id_ = 0;
};

template <class Rep, class Period, class F>
    requires std::is_invocable_v<std::decay_t<F> &>
later_call loop_ref::call_later(std::chrono::duration<Rep, Period> delay, F &&fn) const {
    std::uint64_t id = 0;
    const auto start = [&](evl_loop *loop, evl_fn *call, void *arg, evl_fn *drop) {
        return evl_call_later_owned(loop, detail::nanoseconds(delay), call, arg, drop, &id);
    };
    (void)check(detail::once<std::decay_t<F>>::start(c_, std::forward<F>(fn), start));
    return id ? later_call(c_, id) : later_call();
}

// A counted reference to a loop for other threads: a post after the loop's end fails with errc::closed.
class poster {
  public:
    explicit poster(loop_ref loop) noexcept : loop_(loop) {}

    // As those of loop_ref; these may be called from any thread.
    template <class F>
        requires std::is_invocable_v<std::decay_t<F> &>
    status post(F &&fn) const {
        return loop_.get().post(std::forward<F>(fn));
    }
    void wake() const noexcept { loop_.get().wake(); }
    void stop(std::int32_t result = 0) const noexcept { loop_.get().stop(result); }

  private:
    detail::counted_loop loop_;
};

// Keeps a loop running with nothing on it, for as long as it lives; from any thread.
class hold {
  public:
    explicit hold(loop_ref loop) noexcept : loop_(loop) { evl_loop_hold(loop.c()); }
    hold(hold &&other) noexcept = default;
    hold &operator=(hold other) noexcept {
        std::swap(loop_, other.loop_);
        return *this;
    }
    ~hold() {
        if (evl_loop *held = loop_.get())
            evl_loop_unhold(held);
    }

  private:
    detail::counted_loop loop_;
};

} // namespace evloop::inline EVLOOP_CPP_ABI
