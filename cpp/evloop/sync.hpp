// evloop/sync.hpp - event, lock, semaphore, condition, barrier: those of C, to be awaited.
//
//     auto guard = co_await lock.scoped(); // released with the guard
//
// Each is made on a loop, that of the running task if none is given. Whoever waits stands in line; one that
// is cancelled or destroyed has taken nothing, or hands on what it had just been given. Whoever still waits
// when one is destroyed ends with EVL_ECLOSED.
#pragma once

#include "await.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// Owns an object of C.
template <class C, void (*Free)(C *)>
class owned {
  public:
    owned(owned &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    owned &operator=(owned other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~owned() { Free(object_); }
    C *c() const noexcept { return object_; }

  protected:
    owned() noexcept = default;
    C *object_ = nullptr;
};

// An object that is referred to by what may outlive it: the references follow it when it is moved, and are
// empty when it has gone. Both belong to one thread.
template <class T>
class followed {
  public:
    class reference {
      public:
        reference() noexcept = default;
        explicit reference(T &object) noexcept { follow(&object); }
        reference(const reference &other) noexcept { follow(other.object_); }
        reference &operator=(const reference &other) noexcept {
            T *const object = other.object_;
            unlink();
            follow(object);
            return *this;
        }
        ~reference() { unlink(); }
        T *get() const noexcept { return object_; }

      private:
        friend followed;
        void follow(T *object) noexcept {
            object_ = object;
            if (!object)
                return;
            back_ = &object->followed::first_;
            next_ = std::exchange(*back_, this);
            if (next_)
                next_->back_ = &next_;
        }
        void unlink() noexcept {
            if (!object_)
                return;
            *back_ = next_;
            if (next_)
                next_->back_ = back_;
        }

        T *object_ = nullptr;
        reference *next_ = nullptr;
        reference **back_ = nullptr;
    };

  protected:
    followed() noexcept = default;
    followed(followed &&other) noexcept { take(other); }
    followed &operator=(followed &&other) noexcept {
        leave();
        take(other);
        return *this;
    }
    ~followed() { leave(); }

  private:
    void take(followed &other) noexcept {
        first_ = std::exchange(other.first_, nullptr);
        if (first_)
            first_->back_ = &first_;
        for (reference *one = first_; one; one = one->next_)
            one->object_ = static_cast<T *>(this);
    }
    void leave() noexcept {
        for (reference *one = std::exchange(first_, nullptr); one; one = one->next_)
            one->object_ = nullptr;
    }

    reference *first_ = nullptr;
};

// Waits by a function of an object and an operation.
template <class C, std::int32_t (*Start)(C *, evl_op *)>
class object_wait_base {
  public:
    explicit object_wait_base(C *object) noexcept : object_(object) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return Start(object_, op); }

  protected:
    C *object_;
};

} // namespace detail

// A flag that tasks wait for.
class event : public detail::owned<evl_event, evl_event_free> {
  public:
    explicit event(loop_ref loop) { (void)check(evl_event_new(loop, &object_)); }
    event() : event(this_loop()) {}

    class [[nodiscard]] waiting : public op_awaitable<waiting>,
                                  public detail::object_wait_base<evl_event, evl_event_wait> {
      public:
        static constexpr const char *name = "event";
        using object_wait_base::object_wait_base;
        using object_wait_base::start;
    };
    // Until it is set; who waits when it is set goes on, also if it is cleared before.
    waiting wait() noexcept { return waiting(object_); }
    void set() noexcept { (void)evl_event_set(object_); }
    void clear() noexcept { (void)evl_event_clear(object_); }
    bool is_set() const noexcept { return evl_event_is_set(object_) == 1; }
};

namespace detail {

// Gives back what was taken of an object, once, by a function of it. The object may be moved or destroyed
// meanwhile.
template <class C, std::int32_t (C::*Release)() noexcept>
class [[nodiscard("what is taken is given back with the guard")]] guard_of {
  public:
    // What has been taken of it is given back when the guard ends.
    explicit guard_of(C &of) noexcept : of_(of) {}
    guard_of(guard_of &&other) noexcept : of_(std::exchange(other.of_, {})) {}
    guard_of &operator=(guard_of other) noexcept {
        std::swap(of_, other.of_);
        return *this;
    }
    ~guard_of() { release(); }
    // Releases now instead of at the end.
    void release() noexcept {
        const auto of = std::exchange(of_, {});
        if (C *object = of.get())
            (void)(object->*Release)();
    }

  private:
    typename followed<C>::reference of_;
};

} // namespace detail

// What `scoped` of a lock, a semaphore or a shared_mutex gives: releases it at its end, and has release(),
// which does so before. Its object may be moved or destroyed meanwhile.
template <class C>
using guard = detail::guard_of<C, &C::release>;

namespace detail {

// The same wait, and then a guard.
template <class Owner, class C, std::int32_t (*Start)(C *, evl_op *)>
class [[nodiscard]] scoped_wait : public op_awaitable<scoped_wait<Owner, C, Start>, guard<Owner>> {
  public:
    static constexpr const char *name = "scoped";
    explicit scoped_wait(Owner &owner) noexcept : owner_(owner) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        return owner_.get() ? Start(owner_.get()->c(), op) : EVL_ECLOSED;
    }
    // It may have gone since the turn was given.
    std::int64_t settle(std::int64_t) noexcept { return owner_.get() ? 0 : EVL_ECLOSED; }
    guard<Owner> finish(std::int64_t) noexcept { return guard<Owner>(*owner_.get()); }

  private:
    typename followed<Owner>::reference owner_;
};

} // namespace detail

// A mutex of tasks: one holder at a time, waiters in order.
class lock : public detail::owned<evl_lock, evl_lock_free>, public detail::followed<lock> {
  public:
    explicit lock(loop_ref loop) { (void)check(evl_lock_new(loop, &object_)); }
    lock() : lock(this_loop()) {}

    class [[nodiscard]] acquiring : public op_awaitable<acquiring>,
                                    public detail::object_wait_base<evl_lock, evl_lock_acquire> {
      public:
        static constexpr const char *name = "lock";
        using object_wait_base::object_wait_base;
        using object_wait_base::start;
    };
    // Awaited: holds the lock.
    acquiring acquire() noexcept { return acquiring(object_); }
    // The same, and gives a guard. Errors: EVL_ECLOSED when the lock is destroyed.
    auto scoped() noexcept { return detail::scoped_wait<lock, evl_lock, evl_lock_acquire>(*this); }
    bool try_acquire() noexcept { return evl_lock_try(object_) == 0; }
    // 0, or EVL_EPERM when it is not held.
    std::int32_t release() noexcept { return evl_lock_release(object_); }
    bool held() const noexcept { return evl_lock_is_held(object_) == 1; }
};

// So many holders at a time, waiters in order.
class semaphore : public detail::owned<evl_semaphore, evl_semaphore_free>,
                  public detail::followed<semaphore> {
  public:
    // limit 0: none.
    explicit semaphore(loop_ref loop, std::uint32_t value = 1, std::uint32_t limit = 0) {
        (void)check(evl_semaphore_new(loop, value, limit, &object_));
    }
    explicit semaphore(std::uint32_t value = 1, std::uint32_t limit = 0)
        : semaphore(this_loop(), value, limit) {}

    class [[nodiscard]] acquiring : public op_awaitable<acquiring>,
                                    public detail::object_wait_base<evl_semaphore, evl_semaphore_acquire> {
      public:
        static constexpr const char *name = "semaphore";
        using object_wait_base::object_wait_base;
        using object_wait_base::start;
    };
    // Awaited: takes a permit; scoped() gives a guard that returns it.
    acquiring acquire() noexcept { return acquiring(object_); }
    auto scoped() noexcept {
        return detail::scoped_wait<semaphore, evl_semaphore, evl_semaphore_acquire>(*this);
    }
    bool try_acquire() noexcept { return evl_semaphore_try(object_) == 0; }
    // 0, or EVL_ERANGE when there is a limit.
    std::int32_t release() noexcept { return evl_semaphore_release(object_); }
    std::uint32_t value() const noexcept {
        return detail::number<std::uint32_t>(evl_semaphore_value(object_));
    }
};

// Waits for a change of what a lock protects. It and the lock may be moved or destroyed while it is waited
// on.
class condition : public detail::owned<evl_condition, evl_condition_free>,
                  public detail::followed<condition> {
  public:
    explicit condition(evloop::lock &lock) : lock_(lock) {
        (void)check(evl_condition_new(lock.c(), &object_));
    }

    // Releases the lock, waits to be notified, and has the lock again when it ends, also when it is
    // cancelled or the condition is destroyed. Errors: EVL_EPERM when the lock is not held; EVL_ECLOSED when
    // the condition has been destroyed, or the lock, which it then does not have. Where the lock alone is
    // destroyed, who has not been notified hears of it when the condition is destroyed: destroy both.
    detail::attempt<void> wait() { return wait_on(reference(*this)); }
    // Until ready() holds.
    template <class Ready>
        requires std::is_invocable_r_v<bool, Ready &>
    detail::attempt<void> wait(Ready ready) {
        return wait_until(reference(*this), std::move(ready));
    }
    // Returns how many, or EVL_EPERM when the lock is not held.
    std::int32_t notify(std::int32_t n = 1) noexcept {
        return lock_.get() ? evl_condition_notify(object_, n) : EVL_EPERM;
    }
    std::int32_t notify_all() noexcept { return notify(-1); }

  private:
    class [[nodiscard]] waiting : public op_awaitable<waiting>,
                                  public detail::object_wait_base<evl_condition, evl_condition_wait> {
      public:
        static constexpr const char *name = "condition";
        using object_wait_base::object_wait_base;
        using object_wait_base::start;
    };

    // The condition and its lock may be moved or destroyed while they wait.
    static detail::attempt<void> wait_on(reference condition) {
        if (!condition.get() || !condition.get()->lock_.get())
            EVLOOP_CO_FAIL(EVL_ECLOSED);
        const evloop::lock::reference lock = condition.get()->lock_;
        std::int32_t rc = (co_await detail::settled(waiting(condition.get()->object_))).code();
        for (std::int32_t locked = EVL_ECANCELED;
             lock.get() && rc < 0 && rc != EVL_EPERM && locked == EVL_ECANCELED;)
            locked = (co_await detail::settled(lock.get()->acquire())).code();
        if (rc >= 0 && !lock.get()) // destroyed since the lock was given
            rc = EVL_ECLOSED;
        if (rc < 0)
            EVLOOP_CO_FAIL(rc);
#if !EVLOOP_EXCEPTIONS
        co_return result<void>();
#endif
    }
    template <class Ready>
    static detail::attempt<void> wait_until(reference condition, Ready ready) {
        for (bool is = ready(); !is; is = ready())
            EVLOOP_CO_TRY(wait_on(condition));
#if !EVLOOP_EXCEPTIONS
        co_return result<void>();
#endif
    }

    evloop::lock::reference lock_;
};

// Tasks that wait until as many as `parties` have come.
class barrier : public detail::owned<evl_barrier, evl_barrier_free> {
  public:
    barrier(loop_ref loop, std::uint32_t parties) { (void)check(evl_barrier_new(loop, parties, &object_)); }
    explicit barrier(std::uint32_t parties) : barrier(this_loop(), parties) {}

    class [[nodiscard]] waiting : public op_awaitable<waiting, std::size_t>,
                                  public detail::object_wait_base<evl_barrier, evl_barrier_wait> {
      public:
        static constexpr const char *name = "barrier";
        using object_wait_base::object_wait_base;
        using object_wait_base::start;
        std::size_t finish(std::int64_t place) noexcept { return static_cast<std::size_t>(place); }
    };
    // Until all have come: the place in the order of arrival. Errors: EVL_EBROKEN.
    waiting wait() noexcept { return waiting(object_); }
    void reset() noexcept { (void)evl_barrier_reset(object_); }
    void abort() noexcept { (void)evl_barrier_abort(object_); }
    bool broken() const noexcept { return evl_barrier_is_broken(object_) == 1; }
    // How many have come and wait.
    std::size_t arrived() const noexcept { return detail::number<std::size_t>(evl_barrier_waiting(object_)); }
};

// A count that goes down to 0, once: tasks wait for that.
class latch {
  public:
    latch(loop_ref loop, std::size_t count) : all_done_(loop), left_(count) {
        if (count == 0)
            all_done_.set();
    }
    explicit latch(std::size_t count) : latch(this_loop(), count) {}

    // Takes n away. What would go below 0 stays there.
    void count_down(std::size_t n = 1) noexcept {
        left_ -= n < left_ ? n : left_;
        if (left_ == 0)
            all_done_.set();
    }
    // Until it is 0.
    event::waiting wait() noexcept { return all_done_.wait(); }
    // Takes one away, and waits for the others.
    event::waiting arrive_and_wait() noexcept {
        count_down();
        return wait();
    }
    bool try_wait() const noexcept { return left_ == 0; }
    // How many are left.
    std::size_t count() const noexcept { return left_; }

  private:
    event all_done_;
    std::size_t left_;
};

namespace detail {

// The state of a shared_mutex. Who waits keeps it, for it may have been given what has not been delivered
// yet.
struct shared_mutex_state {
    counted_loop loop;
    evl_waitq writers, readers;
    std::int64_t held = 0; // by so many readers; -1: by a writer
    bool gone = false;

    explicit shared_mutex_state(loop_ref on) noexcept : loop(on) {}

    std::int32_t open() noexcept {
        const std::int32_t rc = evl_waitq_init(&writers, loop.get(), release_one, this);
        return rc < 0 ? rc : evl_waitq_init(&readers, loop.get(), release_one, this);
    }
    bool waits(const evl_waitq &line) const noexcept { return evl_waitq_count(&line) > 0; }
    bool take(bool shared) noexcept {
        if (shared ? held < 0 || waits(writers) : held != 0)
            return false;
        held = shared ? held + 1 : -1;
        return true;
    }
    // After a writer the readers that wait have their turn, and after readers a writer.
    void release() noexcept {
        const bool written = held < 0;
        held = written ? 0 : held - 1;
        if (held > 0 || gone)
            return;
        if (written && waits(readers))
            wake_readers();
        else if (waits(writers))
            wake_writer();
        else
            wake_readers();
    }
    void wake_readers() noexcept {
        held = evl_waitq_count(&readers);
        (void)evl_waitq_wake(&readers, static_cast<std::int32_t>(held), 0);
    }
    void wake_writer() noexcept {
        held = -1;
        (void)evl_waitq_wake(&writers, 1, 0);
    }
    // One that left without a turn: those behind it may go now.
    void left() noexcept {
        if (!gone && held > 0 && !waits(writers) && waits(readers)) {
            const std::int32_t n = evl_waitq_count(&readers);
            held += n;
            (void)evl_waitq_wake(&readers, n, 0);
        }
    }
    static void release_one(void *self, std::int64_t) noexcept {
        static_cast<shared_mutex_state *>(self)->release();
    }
};

} // namespace detail

// A mutex of tasks that many readers hold at a time, or one writer. Neither starves the other: readers that
// come while a writer waits stand behind it, and when it has had its turn, those that wait go before the next
// writer.
class shared_mutex : public detail::followed<shared_mutex> {
    using state = detail::shared_mutex_state;

    // T: nothing, or a guard.
    template <bool Shared, class T>
    class [[nodiscard]] acquiring_as : public op_awaitable<acquiring_as<Shared, T>, T> {
      public:
        static constexpr const char *name = Shared ? "shared mutex, shared" : "shared mutex";
        explicit acquiring_as(shared_mutex &of) noexcept : of_(&of), state_(of.state_) {}
        std::int32_t start(evl_loop *, evl_op *op) noexcept {
            constexpr std::int32_t at_once = 2;
            if (state_->gone)
                return EVL_ECLOSED;
            if (state_->take(Shared))
                return at_once;
            return evl_waitq_park(Shared ? &state_->readers : &state_->writers, op);
        }
        // It may have gone since the turn was given.
        std::int64_t settle(std::int64_t) noexcept { return state_->gone ? EVL_ECLOSED : 0; }
        T finish(std::int64_t) noexcept {
            if constexpr (!std::is_void_v<T>)
                return T(*of_);
        }
        // Others wait behind it no longer, however long it is kept.
        void gave_up() noexcept { state_->left(); }
        void leave(evl_op *op) noexcept {
            (void)evl_op_close(op);
            state_->left();
        }

      private:
        shared_mutex *of_;
        std::shared_ptr<state> state_;
    };

  public:
    // Errors: EVL_EPERM without a loop.
    explicit shared_mutex(loop_ref loop) : state_(std::make_shared<state>(loop)) {
        (void)check(loop ? state_->open() : EVL_EPERM);
    }
    shared_mutex() : shared_mutex(this_loop()) {}
    shared_mutex(const shared_mutex &) = delete;
    ~shared_mutex() {
        state_->gone = true;
        (void)evl_waitq_wake(&state_->writers, -1, EVL_ECLOSED);
        (void)evl_waitq_wake(&state_->readers, -1, EVL_ECLOSED);
    }

    // Awaited: holds it alone; with others that share it. Errors: EVL_ECLOSED when it is destroyed.
    auto acquire() noexcept { return acquiring_as<false, void>(*this); }
    auto acquire_shared() noexcept { return acquiring_as<true, void>(*this); }
    // The same, and they give a guard.
    auto scoped() noexcept { return acquiring_as<false, guard<shared_mutex>>(*this); }
    auto scoped_shared() noexcept {
        return acquiring_as<true, detail::guard_of<shared_mutex, &shared_mutex::release_shared>>(*this);
    }
    bool try_acquire() noexcept { return state_->take(false); }
    bool try_acquire_shared() noexcept { return state_->take(true); }
    // 0, or EVL_EPERM when it is not held in that way.
    std::int32_t release() noexcept {
        if (state_->held >= 0)
            return EVL_EPERM;
        state_->release();
        return 0;
    }
    std::int32_t release_shared() noexcept {
        if (state_->held <= 0)
            return EVL_EPERM;
        state_->release();
        return 0;
    }

  private:
    std::shared_ptr<state> state_;
};

} // namespace evloop::inline EVLOOP_CPP_ABI
