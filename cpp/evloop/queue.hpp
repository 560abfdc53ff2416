// evloop/queue.hpp - a queue of T between tasks of one loop.
//
//     evloop::queue<std::string> jobs(16);       // room for 16
//     co_await jobs.put("first");                // waits for room
//     std::string next = co_await jobs.get();    // waits for an item
//     while (auto job = co_await jobs.next())    // until it is shut down and empty
//         use(*job);
//     jobs.task_done();                          // co_await jobs.join() ends when every item is done
#pragma once

#include "sync.hpp"

#include <optional>

namespace evloop::inline EVLOOP_CPP_ABI {

// In which order a queue gives its items.
enum class order : std::int32_t {
    fifo = EVL_QUEUE_FIFO,
    lifo = EVL_QUEUE_LIFO,
    priority = EVL_QUEUE_PRIORITY
};

// An item belongs to who puts it until it is in, then to the queue, then to who gets it.
template <class T>
class queue : public detail::owned<evl_queue, evl_queue_free>, public detail::followed<queue<T>> {
  public:
    // maxsize 0: no limit. With the queue its items go; what was made and not awaited must not be awaited any
    // more. Errors: those of evl_queue_new.
    explicit queue(loop_ref loop, std::uint32_t maxsize = 0, order order = order::fifo) {
        (void)check(evl_queue_new(loop, maxsize, static_cast<std::int32_t>(order), drop, &this->object_));
    }
    explicit queue(std::uint32_t maxsize = 0, order order = order::fifo)
        : queue(this_loop(), maxsize, order) {}

    class [[nodiscard("co_await it")]] putting : public op_awaitable<putting> {
      public:
        static constexpr const char *name = "queue put";
        static constexpr bool keeps = true;
        putting(evl_queue *to, T &&value, std::int64_t priority)
            : to_(to), item_(make(std::move(value))), priority_(priority) {}
        putting(putting &&other) noexcept
            : op_awaitable<putting>(other), to_(other.to_), item_(std::exchange(other.item_, nullptr)),
              priority_(other.priority_) {}
        ~putting() { detail::object_end(item_); }
        std::int32_t start(evl_loop *, evl_op *op) noexcept {
            static_assert(detail::fits_frame<T>, EVLOOP_ALIGNED_TOO_STRICTLY);
            if (!item_)
                return put_ ? EVL_EALREADY : EVL_ENOMEM;
            return evl_queue_put(to_, op, item_, priority_);
        }
        void finish(std::int64_t) noexcept {
            item_ = nullptr;
            put_ = true;
        }
        // Destroyed while it waits: the item may be in all the same.
        void leave(evl_op *op) noexcept {
            (void)evl_op_close(op);
            if (evl_op_result(op) == 0)
                item_ = nullptr;
        }

      private:
        evl_queue *to_;
        T *item_;
        std::int64_t priority_;
        bool put_ = false;
    };

    class [[nodiscard("co_await it")]] getting : public op_awaitable<getting, T> {
      public:
        static constexpr const char *name = "queue get";
        explicit getting(queue &from) noexcept : from_(from) {}
        std::int32_t start(evl_loop *, evl_op *op) noexcept {
            return from_.get() ? evl_queue_get(from_.get()->c(), op, &item_) : EVL_ECLOSED;
        }
        T finish(std::int64_t) noexcept(std::is_nothrow_move_constructible_v<T>) { return take(item_); }
#if EVLOOP_EXCEPTIONS
        std::exception_ptr exception(std::int64_t result) noexcept {
            return result == EVL_ESHUTDOWN && from_.get() ? from_.get()->error_ : nullptr;
        }
#endif

      private:
        typename detail::followed<queue>::reference from_;
        void *item_ = nullptr;
    };

    class [[nodiscard("co_await it")]] joining : public op_awaitable<joining> {
      public:
        static constexpr const char *name = "queue join";
        explicit joining(evl_queue *of) noexcept : of_(of) {}
        std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_queue_join(of_, op); }

      private:
        evl_queue *of_;
    };

    // Waits for room. A cancellation that comes when the item is in is for the next await. Errors:
    // EVL_ESHUTDOWN, EVL_ENOMEM.
    putting put(T value, std::int64_t priority = 0) { return putting(c(), std::move(value), priority); }
    // Waits for an item; one that is cancelled has taken none. Errors: EVL_ESHUTDOWN when none will come, or
    // what it was shut down with.
    getting get() noexcept { return getting(*this); }
    // Waits for an item, and gives none when it was shut down and nothing is left:
    //
    //     while (auto item = co_await items.next())
    //         use(*item);
    //
    // Errors: what it was shut down with; EVL_ECLOSED when it has gone.
    detail::attempt<std::optional<T>> next() { return next_of(get()); }
    // Waits until task_done has been said of every item.
    joining join() noexcept { return joining(c()); }

    // 0; EVL_EAGAIN when there is no room; or another error. The value is then gone.
    std::int32_t try_put(T value, std::int64_t priority = 0) {
        T *item = make(std::move(value));
        const std::int32_t rc = item ? evl_queue_try_put(c(), item, priority) : EVL_ENOMEM;
        if (rc < 0)
            detail::object_end(item);
        return rc;
    }
    // An item, or EVL_EAGAIN.
    result<T> try_get() {
        void *item = nullptr;
        if (const std::int32_t rc = evl_queue_try_get(c(), &item); rc < 0)
            return evloop::fail(rc);
        return result<T>(std::in_place, take(item));
    }

    // 0, or EVL_ERANGE when it was said too often.
    std::int32_t task_done() noexcept { return evl_queue_task_done(c()); }
    // Puts end with EVL_ESHUTDOWN from now on, gets when nothing is left; `immediate` drops what is left.
    void shutdown(bool immediate = false) noexcept {
        ended_ = true;
        (void)evl_queue_shutdown(c(), immediate ? 1 : 0);
    }
    std::size_t size() const noexcept { return detail::number<std::size_t>(evl_queue_size(c())); }

    // As shutdown(), and what waits, or comes when nothing is left, fails with this error instead. 0, or
    // EVL_EINVAL when it is none. Of this and both shutdown() the first call counts.
    std::int32_t fail(std::int32_t code) noexcept {
        const std::int32_t rc = evl_queue_fail(c(), code, 0);
        ended_ = ended_ || rc == 0;
        return rc;
    }
#if EVLOOP_EXCEPTIONS
    // As shutdown(): what is in it is still got, and then get throws this exception. One that has ended stays
    // as it is.
    void shutdown(std::exception_ptr error) noexcept {
        if (!ended_)
            error_ = std::move(error);
        shutdown();
    }
#endif

  private:
    static detail::attempt<std::optional<T>> next_of(getting item) {
#if EVLOOP_EXCEPTIONS
        try {
            co_return co_await item;
        } catch (const std::system_error &error) {
            if (error.code() != make_error_code(EVL_ESHUTDOWN))
                throw;
        }
        co_return std::nullopt;
#else
        result<T> got = co_await detail::settled(item);
        if (got)
            co_return std::optional<T>(*std::move(got));
        if (got.code() != EVL_ESHUTDOWN)
            co_return evloop::fail(got.code());
        co_return std::optional<T>();
#endif
    }

    // NULL: out of memory.
    static T *make(T &&value) {
        return detail::object_make<T>([&](void *at) { ::new (at) T(std::move(value)); });
    }
    static T take(void *item) {
        struct ends {
            T *item;
            ~ends() { detail::object_end(item); }
        } at_return{static_cast<T *>(item)};
        return std::move(*at_return.item);
    }
    static void drop(void *item) noexcept { detail::object_end(static_cast<T *>(item)); }

    bool ended_ = false; // with what C has, or with the exception
#if EVLOOP_EXCEPTIONS
    std::exception_ptr error_; // what it was shut down with
#endif
};

} // namespace evloop::inline EVLOOP_CPP_ABI
