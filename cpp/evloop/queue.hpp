// evloop/queue.hpp - a queue of T between tasks of one loop.
//
//     evloop::queue<job> jobs(16);             room for 16
//     co_await jobs.put(job{...});             waits for room
//     job next = co_await jobs.get();          waits for an item
//     jobs.task_done();                        co_await jobs.join() ends when that was said of every item
#pragma once

#include "await.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {

enum class order : std::int32_t {
    fifo = EVL_QUEUE_FIFO,
    lifo = EVL_QUEUE_LIFO,
    priority = EVL_QUEUE_PRIORITY
};

template <class T>
class queue {
    // An item, in the queue or on its way in.
    struct node : detail::frame_memory {
        T value;
        queue *all;
        node *before, *after;
    };

  public:
    // maxsize 0: no limit. Errors: those of evl_queue_new.
    template <std::convertible_to<evl_loop *> Loop>
    explicit queue(Loop loop, std::uint32_t maxsize = 0, order order = order::fifo) {
        (void)check(evl_queue_new(loop, maxsize, static_cast<std::int32_t>(order), drop, &queue_));
    }
    explicit queue(std::uint32_t maxsize = 0, order order = order::fifo)
        : queue(this_loop(), maxsize, order) {}
    queue(const queue &) = delete;
    // Who still waits ends with EVL_ECLOSED.
    ~queue() {
        evl_queue_free(queue_);
        while (first_)
            end(first_);
    }

    class [[nodiscard("co_await it")]] putting : public op_awaitable<putting> {
      public:
        static constexpr const char *name = "queue put";
        static constexpr bool keeps = true;
        putting(queue &to, T &&value, std::int64_t priority) : to_(&to), priority_(priority) {
            node_ = to.make(std::move(value));
        }
        putting(putting &&other) noexcept
            : op_awaitable<putting>(other), to_(other.to_), node_(std::exchange(other.node_, nullptr)),
              priority_(other.priority_) {}
        ~putting() {
            if (node_)
                to_->end(node_);
        }
        std::int32_t start(evl_loop *, evl_op *op) noexcept {
            return node_ ? evl_queue_put(to_->queue_, op, node_, priority_) : EVL_ENOMEM;
        }
        void finish(std::int64_t) noexcept { node_ = nullptr; }
        // What may be in by now ends with the queue.
        void leave(evl_op *op) noexcept {
            if (evl_op_cancel(op) != 1)
                node_ = nullptr;
        }

      private:
        queue *to_;
        node *node_;
        std::int64_t priority_;
    };

    class [[nodiscard("co_await it")]] getting : public op_awaitable<getting, T> {
      public:
        static constexpr const char *name = "queue get";
        explicit getting(queue &from) noexcept : from_(&from) {}
        std::int32_t start(evl_loop *, evl_op *op) noexcept {
            return evl_queue_get(from_->queue_, op, &item_);
        }
        T finish(std::int64_t) noexcept(std::is_nothrow_move_constructible_v<T>) {
            return from_->take(item_);
        }

      private:
        queue *from_;
        void *item_ = nullptr;
    };

    class [[nodiscard("co_await it")]] joining : public op_awaitable<joining> {
      public:
        static constexpr const char *name = "queue join";
        explicit joining(queue &of) noexcept : of_(&of) {}
        std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_queue_join(of_->queue_, op); }

      private:
        queue *of_;
    };

    // Waits for room. A cancellation that comes when the item is in is for the next await. Errors:
    // EVL_ESHUTDOWN, EVL_ENOMEM.
    putting put(T value, std::int64_t priority = 0) { return putting(*this, std::move(value), priority); }
    // Waits for an item; one that is cancelled has taken none. Errors: EVL_ESHUTDOWN when none will come.
    getting get() noexcept { return getting(*this); }
    // Waits until task_done has been said of every item.
    joining join() noexcept { return joining(*this); }

    // 0; EVL_EAGAIN when there is no room; or another error. The value is then gone.
    std::int32_t try_put(T value, std::int64_t priority = 0) {
        node *item = make(std::move(value));
        const std::int32_t rc = item ? evl_queue_try_put(queue_, item, priority) : EVL_ENOMEM;
        if (rc < 0 && item)
            end(item);
        return rc;
    }
    // An item, or EVL_EAGAIN.
    result<T> try_get() {
        void *item = nullptr;
        if (const std::int32_t rc = evl_queue_try_get(queue_, &item); rc < 0)
            return fail(rc);
        return result<T>(std::in_place, take(item));
    }

    // 0, or EVL_ERANGE when it was said too often.
    std::int32_t task_done() noexcept { return evl_queue_task_done(queue_); }
    // Puts end with EVL_ESHUTDOWN from now on, gets when nothing is left; `immediate` drops what is left.
    void shutdown(bool immediate = false) noexcept { (void)evl_queue_shutdown(queue_, immediate ? 1 : 0); }
    std::size_t size() const noexcept { return static_cast<std::size_t>(evl_queue_size(queue_)); }
    evl_queue *c() const noexcept { return queue_; }

  private:
    // NULL: out of memory.
    node *make(T &&value) {
        auto *item = detail::frame_make<node>(
            [&](void *at) { ::new (at) node{{}, std::move(value), this, nullptr, first_}; });
        if (!item)
            return nullptr;
        if (first_)
            first_->before = item;
        first_ = item;
        return item;
    }
    void end(node *item) noexcept {
        (item->before ? item->before->after : first_) = item->after;
        if (item->after)
            item->after->before = item->before;
        std::destroy_at(item);
        detail::frame_delete(item, sizeof(node));
    }
    T take(void *memory) {
        struct ends {
            queue *self;
            node *item;
            ~ends() { self->end(item); }
        } at_return{this, static_cast<node *>(memory)};
        return std::move(at_return.item->value);
    }
    static void drop(void *memory) noexcept {
        auto *item = static_cast<node *>(memory);
        item->all->end(item);
    }

    evl_queue *queue_ = nullptr;
    node *first_ = nullptr; // every item that there is
};

} // namespace evloop::inline EVLOOP_CPP_ABI
