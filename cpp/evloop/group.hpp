// evloop/group.hpp - tasks that end together.
//
//     co_await evloop::with_group([&](evloop::task_group &group) -> evloop::task<> {
//         group.spawn(serve(a));
//         group.spawn(serve(b));
//         co_return;
//     });
//
// When one fails the others are cancelled, and so is the body; when all have ended, the first error is thrown
// as it was, and the others go to the loop's error hook. A task that ends cancelled is not an error. Counting
// is asyncio's: who cancels the task from outside is never taken for the group.
//
// A member that fails in its first step cancels those that are queued behind it before they begin: those
// never run. In asyncio they begin, and are cancelled at their first await.
#pragma once

#include "await.hpp"
#include "timeout.hpp"

#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {

class task_group;

namespace detail {
template <class F>
using body_result_t = await_result_t<std::invoke_result_t<F &, task_group &>>;
template <class F>
attempt<body_result_t<F>> group_body(F body, bool independent = false);
template <class A, class T>
attempt<void> compete(task_group &group, std::size_t &winner, std::size_t index, slot<T> &into, A what);
} // namespace detail

// Tasks that end together: the first that fails cancels the others, as asyncio.TaskGroup has it.
class task_group {
    std::vector<detail::error_type> errors_;

  public:
    // Belongs to the running task. Errors: EVL_EPERM outside of one.
    task_group() : parent_(this_task()) {
        (void)check(parent_ ? evl_waitq_init(&drained_, this_loop(), nullptr, nullptr) : EVL_EPERM);
    }
    task_group(const task_group &) = delete;
    // Destroys what has not been joined.
    ~task_group() {
        while (member *one = first_)
            forget(*one);
    }

    // Starts a task. When the group is ending because of an error or a cancellation, the task never starts,
    // and this throws `cancelled`, as an await of who spawns would now, too: the group ends with what it was
    // ending with. Errors: EVL_ECLOSED when it has ended, EVL_EPERM outside of a task. Without exceptions the
    // reference is then empty.
    template <class T>
    any_task spawn(task<T> what, std::source_location here = std::source_location::current()) {
        if (aborting_) {
#if EVLOOP_EXCEPTIONS
            throw cancelled{};
#else
            return {};
#endif
        }
        if (exiting_ && !first_) {
            (void)check(EVL_ECLOSED);
            return {};
        }
        return add(evloop::spawn(std::move(what), begin::queued, here));
    }

    // Cancels all that is in it, the body too; the group then ends without an error. A body that gives a
    // value and ends by this has none to give: with_group then throws `cancelled`. Such a body catches its
    // own `cancelled` and returns another value.
    void cancel() noexcept {
        if (!aborting_)
            abort();
        if (!exiting_ && !parent_cancelled_)
            cancel_parent();
    }

    // Waits for all; what with_group does after the body.
    detail::attempt<void> join() { return leave(false, false); }

    std::size_t size() const noexcept { return size_; }

    // Everything that was thrown, in order: std::exception_ptr; without exceptions codes. What there was no
    // memory to keep is left out.
    const auto &errors() const noexcept { return errors_; }

  private:
    template <class F>
    friend detail::attempt<detail::body_result_t<F>> detail::group_body(F body, bool independent);
    template <class A, class T>
    friend detail::attempt<void> detail::compete(task_group &group, std::size_t &winner, std::size_t index,
                                                 detail::slot<T> &into, A what);

    struct member : detail::task_watcher {
        task_group *group;
        any_task task;
        member *before, *after;
    };

    class drained_awaitable : public op_awaitable<drained_awaitable> {
      public:
        static constexpr const char *name = "group";
        explicit drained_awaitable(task_group &group) noexcept : group_(&group) {}
        std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_waitq_park(&group_->drained_, op); }
        detail::task_state *owned(detail::task_state &waiter) noexcept {
            const member *first = group_->first_;
            return first && waiter.holds(group_) ? first->task.state() : nullptr;
        }

      private:
        task_group *group_;
    };

    template <class T>
    any_task add(spawned<T> job) {
        if (!job)
            return {};
        auto *one = detail::object_make<member>(
            [&](void *memory) { ::new (memory) member{{ended}, this, job, nullptr, first_}; });
        if (!one) {
            (void)check(EVL_ENOMEM);
            return {};
        }
        std::move(job).detach();
        if (first_)
            first_->before = one;
        first_ = one;
        size_++;
        one->task.state()->watch(*one);
        return one->task;
    }

    void remove(member &one) noexcept {
        detail::task_state::unwatch(one);
        (one.before ? one.before->after : first_) = one.after;
        if (one.after)
            one.after->before = one.before;
        size_--;
        detail::object_end(&one);
    }

    void forget(member &one) noexcept {
        const any_task task = one.task;
        remove(one);
        task.state()->destroy();
    }

    static void ended(detail::task_watcher &watcher, detail::task_state &task) noexcept {
        auto &one = static_cast<member &>(watcher);
        task_group &group = *one.group;
        group.remove(one);
        if (group.size_ == 0)
            (void)evl_waitq_wake(&group.drained_, -1, 0);
        if (detail::error_type error = detail::error_of(task))
            group.failed(std::move(error), task.where);
    }

    void failed(detail::error_type error, std::source_location where) noexcept {
        if (independent_) {
            detail::report(parent_.state()->loop, error, where);
            return;
        }
        add_error(std::move(error), where);
        if (aborting_ || parent_cancelled_)
            return;
        abort();
        if (whole_)
            cancel_parent();
    }

    // The first is what the group ends with, and has a place of its own.
    void add_error(detail::error_type error, std::source_location where = {}) noexcept {
        if (first_error_)
            detail::report(parent_.state()->loop, error, where);
        else
            first_error_ = error;
#if EVLOOP_EXCEPTIONS
        try {
            errors_.push_back(std::move(error));
        } catch (...) { // it has been reported, or will be
        }
#else
        errors_.push_back(error);
#endif
    }

    // Cancels the others; what they throw from now on is reported, and does not end the group.
    void cancel_losers() noexcept {
        independent_ = true;
        cancel();
    }

    void abort() noexcept {
        aborting_ = true;
        for (member *one = first_; one; one = one->after)
            one->task.cancel();
    }

    void cancel_parent() noexcept {
        parent_cancelled_ = true;
        parent_.cancel();
    }

    // The way out: joins, and settles who has been cancelled by whom.
    detail::attempt<void> leave(bool thrown, bool was_cancelled) {
        exiting_ = true;
        if (thrown && !aborting_)
            abort();
        std::int32_t rc = 0;
        while (size_ > 0 && rc == 0) {
            rc = (co_await detail::settled(drained_awaitable(*this))).code();
            if (rc != EVL_ECANCELED)
                continue;
            rc = 0;
            was_cancelled = true;
            if (!aborting_)
                abort();
        }
        if (parent_cancelled_ && parent_.uncancel() == 0)
            was_cancelled = false;
        // An error goes first. The count stays, and whoever it belongs to hears of it at the next await.
        if (first_error_ && parent_.cancelling() > 0) {
            parent_.uncancel();
            parent_.cancel();
        }
        // It cannot wait for them: they go with the group.
        if (rc == 0 && was_cancelled)
            rc = EVL_ECANCELED;
#if EVLOOP_EXCEPTIONS
        if (first_error_)
            std::rethrow_exception(first_error_);
        if (rc < 0)
            detail::throw_code(rc);
#else
        if (first_error_ || rc < 0)
            co_return fail(first_error_ ? first_error_ : rc);
        co_return result<void>();
#endif
    }

    any_task parent_;
    evl_waitq drained_;
    detail::error_type first_error_{};
    member *first_ = nullptr;
    std::size_t size_ = 0;
    bool whole_ = false;       // there is a body, which is cancelled too
    bool independent_ = false; // an error of one is reported, and is nothing to the others
    bool exiting_ = false;
    bool aborting_ = false;
    bool parent_cancelled_ = false;
};

namespace detail {

template <class F>
attempt<body_result_t<F>> group_body(F body, bool independent) {
    task_group group;
    group.whole_ = true;
    group.independent_ = independent;
    bool thrown = false, was_cancelled = false;
#if EVLOOP_EXCEPTIONS
    slot<body_result_t<F>> value;
    try {
        if constexpr (std::is_void_v<body_result_t<F>>)
            co_await body(group);
        else
            value.put(co_await body(group));
    } catch (const cancelled &) {
        thrown = was_cancelled = true;
    } catch (...) {
        thrown = true;
        group.add_error(std::current_exception());
    }
    co_await group.leave(thrown, was_cancelled);
    if constexpr (!std::is_void_v<body_result_t<F>>) {
        if (!value.full)
            throw cancelled{};
        co_return value.take();
    }
#else
    auto outcome = co_await settled(body(group));
    thrown = !outcome;
    was_cancelled = outcome.code() == EVL_ECANCELED;
    if (thrown && !was_cancelled)
        group.add_error(outcome.code());
    if (auto left = co_await group.leave(thrown, was_cancelled); !left)
        co_return fail(left.code());
    if constexpr (std::is_void_v<body_result_t<F>>)
        co_return result<void>(); // what was cancelled was the group's
    else
        co_return outcome;
#endif
}

} // namespace detail

// Calls body(group), awaits what it returns, then joins the group. Gives what the body returned. A body that
// is an lvalue must stay until then.
template <class F>
auto with_group(F &&body) {
    static_assert(detail::survives_await<F>, EVLOOP_NAME_IT);
    return detail::group_body<F>(std::forward<F>(body));
}

} // namespace evloop::inline EVLOOP_CPP_ABI
