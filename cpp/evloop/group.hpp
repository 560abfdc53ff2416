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
attempt<body_result_t<F>> group_body(F body);
} // namespace detail

class task_group {
    std::vector<detail::error_type> errors_;

  public:
    // Belongs to the running task.
    task_group() : parent_(this_task()) { (void)evl_waitq_init(&drained_, this_loop(), nullptr, nullptr); }
    task_group(const task_group &) = delete;
    // Destroys what has not been joined.
    ~task_group() {
        while (member *one = first_)
            forget(*one);
    }

    // Starts a task. Errors: EVL_ECANCELED when the group is ending because of an error or a cancellation,
    // EVL_ECLOSED when it has ended; the task then never starts.
    template <class T>
    any_task spawn(task<T> what, std::source_location here = std::source_location::current()) {
        if (aborting_ || (exiting_ && !first_)) {
            (void)check(aborting_ ? EVL_ECANCELED : EVL_ECLOSED);
            return {};
        }
        return add(evloop::spawn(std::move(what), begin::queued, here));
    }

    // Cancels all that is in it; the group then ends without an error.
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
    friend detail::attempt<detail::body_result_t<F>> detail::group_body(F body);

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
            group.failed(std::move(error));
    }

    void failed(detail::error_type error) noexcept {
        add_error(std::move(error));
        if (aborting_ || parent_cancelled_)
            return;
        abort();
        if (whole_)
            cancel_parent();
    }

    // The first is what the group ends with, and has a place of its own.
    void add_error(detail::error_type error) noexcept {
        if (first_error_)
            detail::report(parent_.state()->loop, error);
        else
            first_error_ = error;
#if EVLOOP_EXCEPTIONS
        try {
            errors_.push_back(std::move(error));
        } catch (...) { // it has been told, or will be
        }
#else
        errors_.push_back(error);
#endif
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
        while (size_ > 0) {
            const result<void> drained = co_await as_result(drained_awaitable(*this));
            if (drained)
                continue;
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
#if EVLOOP_EXCEPTIONS
        if (first_error_)
            std::rethrow_exception(first_error_);
        if (was_cancelled)
            throw cancelled{};
#else
        if (first_error_ || was_cancelled)
            co_return fail(first_error_ ? first_error_ : EVL_ECANCELED);
        co_return result<void>();
#endif
    }

    any_task parent_;
    evl_waitq drained_;
    detail::error_type first_error_{};
    member *first_ = nullptr;
    std::size_t size_ = 0;
    bool whole_ = false; // there is a body, which is cancelled too
    bool exiting_ = false;
    bool aborting_ = false;
    bool parent_cancelled_ = false;
};

namespace detail {

template <class F>
attempt<body_result_t<F>> group_body(F body) {
    task_group group;
    group.whole_ = true;
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
    auto outcome = co_await as_result(body(group));
    thrown = !outcome;
    was_cancelled = outcome.code() == EVL_ECANCELED;
    if (thrown && !was_cancelled)
        group.add_error(outcome.code());
    if (auto left = co_await group.leave(thrown, was_cancelled); !left)
        co_return fail(left.code());
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
