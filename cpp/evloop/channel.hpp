// evloop/channel.hpp - a queue of T between threads. Each end is awaited on a loop, or tried on any thread.
// Not part of evloop.hpp.
//
//     evloop::channel<std::string> texts(16);          // room for 16; copies are the same channel
//     std::thread worker([texts] { texts.try_send("first"); });
//     std::string text = co_await texts.receive();     // on any loop
//     texts.close();                                   // what is left is received, then EVL_ESHUTDOWN
//
// For tasks of one loop queue.hpp is quicker. Who waits on a channel keeps its loop running. The functions of
// T, as its destructor, may use the channel: they run without its lock. Memory for items is used again, up to
// 1,024 of them: a channel that carries about as many as before allocates nothing.
#pragma once

#include "future.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <optional>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// Waits at one end, in a coroutine's frame. What is linked belongs to the channel's mutex.
struct channel_waiter {
    evl_future *future = nullptr; // of the loop on which it waits
    channel_waiter *next = nullptr, *before = nullptr;
    bool linked = false;
    bool woken = false; // and may take, or has to wake the next
};

class channel_line {
  public:
    bool empty() const noexcept { return !first_; }
    void append(channel_waiter &waiter) noexcept {
        waiter.next = nullptr;
        waiter.before = last_;
        (last_ ? last_->next : first_) = &waiter;
        last_ = &waiter;
        waiter.linked = true;
    }
    void remove(channel_waiter &waiter) noexcept {
        (waiter.before ? waiter.before->next : first_) = waiter.next;
        (waiter.next ? waiter.next->before : last_) = waiter.before;
        waiter.linked = false;
    }
    // 0 also when none waits; EVL_ENOMEM: the first still waits. One whose loop has gone is passed over.
    std::int32_t wake_first() noexcept {
        while (first_) {
            channel_waiter &waiter = *first_;
            const std::int32_t rc = evl_future_post_value(waiter.future, 0);
            if (rc == EVL_ENOMEM)
                return rc;
            remove(waiter);
            waiter.woken = rc == 0;
            if (rc == 0)
                return 0;
        }
        return 0;
    }
    std::int32_t wake_all() noexcept {
        std::int32_t rc = 0;
        while (first_ && rc == 0)
            rc = wake_first();
        return rc;
    }

  private:
    channel_waiter *first_ = nullptr, *last_ = nullptr;
};

// An item is made and destroyed by who sends or receives it, outside of the channel's mutex, under which it
// is linked.
template <class T>
struct channel_item {
    slot<T> value;
    std::unique_ptr<channel_item> next;
};

template <class T>
class channel_items {
  public:
    using item = std::unique_ptr<channel_item<T>>;

    channel_items() noexcept = default;
    channel_items(const channel_items &) = delete;
    ~channel_items() {
        while (size_ > 0)
            (void)take_first();
    }
    std::size_t size() const noexcept { return size_; }
    void append(item what) noexcept {
        channel_item<T> *const appended = what.get();
        (last_ ? last_->next : first_) = std::move(what);
        last_ = appended;
        size_++;
    }
    // There is one.
    item take_first() noexcept {
        item taken = std::move(first_);
        first_ = std::move(taken->next);
        if (--size_ == 0)
            last_ = nullptr;
        return taken;
    }

  private:
    item first_;
    channel_item<T> *last_ = nullptr;
    std::size_t size_ = 0;
};

// Memory for items: what has carried one is used again.
template <class T>
class channel_memory {
  public:
    using item = typename channel_items<T>::item;

    // NULL: there is none.
    item get() noexcept {
        if (item used = get_used())
            return used;
        return item(new (std::nothrow) channel_item<T>());
    }
    void give_back(item what) noexcept {
        what->value.reset();
        const std::lock_guard lock(mutex_);
        if (used_.size() < most)
            used_.append(std::move(what));
    }

  private:
    static constexpr std::size_t most = 1024; // of items

    item get_used() noexcept {
        const std::lock_guard lock(mutex_);
        return used_.size() > 0 ? used_.take_first() : nullptr;
    }

    std::mutex mutex_;
    channel_items<T> used_;
};

template <class T>
class channel_state {
  public:
    using item = typename channel_items<T>::item;

    channel_memory<T> memory;

    explicit channel_state(std::size_t limit) noexcept : limit_(limit) {}

    // 0, EVL_EAGAIN: there is no room, and the waiter waits for some; EVL_ESHUTDOWN, EVL_ENOMEM. The item is
    // taken with 0 alone.
    std::int32_t put(item &what, channel_waiter *waiter) noexcept {
        const std::lock_guard lock(mutex_);
        if (closed_)
            return EVL_ESHUTDOWN;
        if (limit_ != 0 && items_.size() >= limit_)
            return wait(senders_, waiter);
        const std::int32_t rc = receivers_.wake_first();
        if (rc == 0)
            items_.append(std::move(what));
        return rc;
    }
    // Into an empty one.
    std::int32_t take(item &into, channel_waiter *waiter) noexcept {
        const std::lock_guard lock(mutex_);
        if (items_.size() == 0)
            return closed_ ? EVL_ESHUTDOWN : wait(receivers_, waiter);
        const std::int32_t rc = senders_.wake_first();
        if (rc == 0)
            into = items_.take_first();
        return rc;
    }
    // It waits no more; a turn that it was given and has not used is the next one's.
    void leave(channel_waiter &waiter, bool sends) noexcept {
        const std::lock_guard lock(mutex_);
        channel_line &line = sends ? senders_ : receivers_;
        if (waiter.linked)
            line.remove(waiter);
        else if (waiter.woken &&
                 (closed_ || (sends ? limit_ == 0 || items_.size() < limit_ : items_.size() > 0)))
            (void)line.wake_first();
    }
    std::int32_t close(error_type error) noexcept {
        const std::lock_guard lock(mutex_);
        if (!closed_)
            error_ = std::move(error);
        closed_ = true;
        const std::int32_t sent = senders_.wake_all(), received = receivers_.wake_all();
        return sent < 0 ? sent : received;
    }
    // Set once, before it is closed.
    error_type error() const noexcept {
        const std::lock_guard lock(mutex_);
        return error_;
    }
    bool closed() const noexcept {
        const std::lock_guard lock(mutex_);
        return closed_;
    }
    std::size_t size() const noexcept {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }

  private:
    static std::int32_t wait(channel_line &line, channel_waiter *waiter) noexcept {
        if (waiter)
            line.append(*waiter);
        return EVL_EAGAIN;
    }

    mutable std::mutex mutex_;
    channel_items<T> items_;
    std::size_t limit_; // 0: none
    bool closed_ = false;
    error_type error_ = {}; // what it was closed with
    channel_line senders_, receivers_;
};

// The item that is sent, or the place for the one that is received.
template <class T>
class channel_place {
    using state = channel_state<T>;

  public:
    // Kept: the channel is, as long as this. A channel that is not must stay.
    explicit channel_place(state &of) noexcept : of_(&of) {}
    explicit channel_place(std::shared_ptr<state> kept) noexcept : kept_(std::move(kept)), of_(kept_.get()) {}
    channel_place(channel_place &&) noexcept = default;
    ~channel_place() {
        if (item)
            of_->memory.give_back(std::move(item));
    }
    state &channel() const noexcept { return *of_; }
    // False: there is no memory.
    template <class V>
    bool put(V &&value) {
        item = of_->memory.get();
        if (item)
            item->value.put(std::forward<V>(value));
        return item != nullptr;
    }

    typename state::item item;

  private:
    std::shared_ptr<state> kept_;
    state *of_;
};

// Waits at an end of a channel, at most once.
template <class T>
class channel_wait {
  public:
    channel_wait(channel_state<T> &of, bool sends) noexcept : of_(of), sends_(sends), held_(this_loop()) {
        code_ = evl_future_new(this_loop(), &waiter_.future);
    }
    channel_wait(const channel_wait &) = delete;
    ~channel_wait() {
        if (!waiter_.future)
            return;
        of_.leave(waiter_, sends_);
        evl_future_unref(waiter_.future);
    }
    std::int32_t code() const noexcept { return code_; }
    channel_waiter *waiter() noexcept { return &waiter_; }
    auto woken() noexcept { return wait_future(waiter_.future); }
    // The turn has been used.
    void used() noexcept { waiter_.woken = false; }

  private:
    channel_state<T> &of_;
    bool sends_;
    hold held_;
    channel_waiter waiter_;
    std::int32_t code_;
};

} // namespace detail

// See the head of this file. The state is shared by all copies; its last one may go on any thread, and what
// is left in it then goes, too.
template <class T>
class channel {
    using state = detail::channel_state<T>;
    using place = detail::channel_place<T>;

  public:
    // limit 0: none. Errors: std::bad_alloc.
    explicit channel(std::size_t limit = 0) : state_(std::make_shared<state>(limit)) {}

    // Awaited, in a task of any loop: the next item. One that is cancelled has taken none. Errors:
    // EVL_ESHUTDOWN when it was closed and nothing is left, or what it was closed with; EVL_ENOMEM.
    detail::attempt<T> receive() const { return passing<false, T>(place(state_), 0); }
    // The same, and gives none when it was closed and nothing is left:
    //
    //     while (auto text = co_await texts.next())
    //         use(*text);
    detail::attempt<std::optional<T>> next() const {
        return passing<false, std::optional<T>, true>(place(state_), 0);
    }
    // Awaited, in a task of any loop: puts an item in, which waits for room. One that is cancelled has not
    // put it in. Errors: EVL_ESHUTDOWN when it was closed, EVL_ENOMEM.
    detail::attempt<void> send(T value) const {
        place what(state_);
        const std::int32_t rc = what.put(std::move(value)) ? 0 : EVL_ENOMEM;
        return passing<true, void>(std::move(what), rc);
    }

    // Without waiting. 0; EVL_EAGAIN when there is no room; EVL_ESHUTDOWN, EVL_ENOMEM. The value is where it
    // was with all but 0. A thread that is to wait has a task do it: task_poster. @thread any
    std::int32_t try_send(T &&value) const {
        place what(*state_);
        if (!what.put(std::move(value)))
            return EVL_ENOMEM;
        const std::int32_t rc = pass<true>(what, nullptr);
        if (rc < 0)
            move_back(value, what.item->value.get());
        return rc;
    }
    std::int32_t try_send(const T &value) const
        requires std::copy_constructible<T>
    {
        place what(*state_);
        return what.put(value) ? pass<true>(what, nullptr) : EVL_ENOMEM;
    }
    // An item, or EVL_EAGAIN; EVL_ESHUTDOWN when none will come. @thread any
    result<T> try_receive() const {
        place into(*state_);
        if (const std::int32_t rc = pass<false>(into, nullptr); rc < 0)
            return fail(rc);
        return result<T>(std::in_place, into.item->value.take());
    }

    // Nothing is put in from now on. What is in it is still received. 0, or EVL_ENOMEM: some that wait have
    // not been woken, and it may be called again. @thread any
    std::int32_t close() const noexcept { return state_->close({}); }
#if EVLOOP_EXCEPTIONS
    // The same, and who receives after the last item gets this exception. @thread any
    std::int32_t close(std::exception_ptr error) const noexcept { return state_->close(std::move(error)); }
#endif
    bool closed() const noexcept { return state_->closed(); }
    // How many items are in it; it may be another number by now. @thread any
    std::size_t size() const noexcept { return state_->size(); }

  private:
    static void move_back(T &to, T &from) {
        if constexpr (std::is_move_assignable_v<T>) {
            to = std::move(from);
        } else {
            std::destroy_at(&to);
            [&]() noexcept { std::construct_at(&to, std::move(from)); }();
        }
    }
    // Sends what is in the place, or receives into it.
    template <bool Sends>
    static std::int32_t pass(place &what, detail::channel_waiter *waiter) noexcept {
        return Sends ? what.channel().put(what.item, waiter) : what.channel().take(what.item, waiter);
    }
    // EndsInNone: that none will come is no error.
    template <bool Sends, class Result, bool EndsInNone = false>
    static detail::attempt<Result> passing(place what, std::int32_t rc) {
        if (rc == 0)
            rc = pass<Sends>(what, nullptr);
        while (rc == EVL_EAGAIN) {
            detail::channel_wait<T> wait(what.channel(), Sends);
            rc = wait.code() < 0 ? wait.code() : pass<Sends>(what, wait.waiter());
            if (rc != EVL_EAGAIN)
                break;
            const auto how = co_await detail::settled(wait.woken());
            rc = how.code();
            if (rc < 0)
                break;
            rc = pass<Sends>(what, nullptr);
            wait.used();
        }
#if EVLOOP_EXCEPTIONS
        if (const std::exception_ptr error = rc == EVL_ESHUTDOWN && !Sends ? what.channel().error() : nullptr)
            std::rethrow_exception(error);
#endif
        if constexpr (EndsInNone)
            if (rc == EVL_ESHUTDOWN)
                co_return Result();
        if (rc < 0)
            EVLOOP_CO_FAIL(rc);
        if constexpr (!Sends)
            co_return Result(what.item->value.take());
#if !EVLOOP_EXCEPTIONS
        else
            co_return result<void>();
#endif
    }

    std::shared_ptr<state> state_;
};

} // namespace evloop::inline EVLOOP_CPP_ABI
