// evloop/executor.hpp - blocking work on threads, awaited.
//
//     std::string text = co_await evloop::run_in_executor(read_file, path);
//
// The function and its arguments are copied into a block of their own, one allocation, and called by
// std::invoke on a thread; what it returns or throws comes back through the await. A job that has begun
// cannot be stopped: who is cancelled leaves it behind, and its result is dropped.
#pragma once

#include "await.hpp"

#include <tuple>

namespace evloop::inline EVLOOP_CPP_ABI {

// A pool of threads.
class executor {
  public:
    // As evl_executor_new, which has the errors too.
    executor(evl_loop *loop, std::uint32_t threads, std::uint32_t limit = EVL_UNBOUNDED,
             const char *name = nullptr) {
        (void)check(evl_executor_new(loop, threads, limit, name, &pool_));
    }
    executor(executor &&other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    executor &operator=(executor &&other) noexcept {
        std::swap(pool_, other.pool_);
        return *this;
    }
    // Abandons what runs. close waits for it.
    ~executor() { (void)close(EVL_CLOSE_ABANDON, 0); }
    std::int32_t close(std::int32_t how = EVL_CLOSE_DRAIN, std::int64_t timeout_ns = -1) noexcept {
        return evl_executor_close(std::exchange(pool_, nullptr), how, timeout_ns);
    }
    evl_executor *c() const noexcept { return pool_; }

  private:
    evl_executor *pool_ = nullptr;
};

namespace detail {

template <class F, class... Args>
struct job {
    using T = std::invoke_result_t<F, Args...>;

    F fn;
    std::tuple<Args...> args;
    slot<T> value;
    error_type error = {};

    static void run(void *arg) noexcept {
        job &self = *static_cast<job *>(arg);
#if EVLOOP_EXCEPTIONS
        try {
            self.keep();
        } catch (...) {
            self.error = std::current_exception();
        }
#else
        self.keep();
#endif
    }
    static void drop(void *arg) noexcept { delete static_cast<job *>(arg); }

  private:
    void keep() {
        if constexpr (std::is_void_v<T>) {
            std::apply(std::move(fn), std::move(args));
            value.put();
        } else {
            value.put(std::apply(std::move(fn), std::move(args)));
        }
    }
};

template <class Job>
class [[nodiscard("co_await it")]] job_awaitable : public op_awaitable<job_awaitable<Job>, typename Job::T> {
  public:
    static constexpr const char *name = "executor";
    static constexpr bool keeps = true;
    job_awaitable(evl_executor *pool, Job *job) noexcept : pool_(pool), job_(job) {}
    job_awaitable(job_awaitable &&other) noexcept
        : op_awaitable<job_awaitable<Job>, typename Job::T>(other), pool_(other.pool_),
          job_(std::exchange(other.job_, nullptr)) {}
    ~job_awaitable() { delete job_; }

    // Once it has begun the job is C's to drop, until its end says that it is ours again.
    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        if (!job_)
            return EVL_ENOMEM;
        const std::int32_t rc =
            evl_executor_submit(pool_, loop, op, Job::run, job_, Job::drop, EVL_SUBMIT_WAIT);
        if (rc == 0)
            given_ = std::exchange(job_, nullptr);
        return rc;
    }
    typename Job::T finish(std::int64_t) {
        job_ = given_;
#if EVLOOP_EXCEPTIONS
        if (job_->error)
            std::rethrow_exception(job_->error);
#endif
        return job_->value.take();
    }

  private:
    evl_executor *pool_;
    Job *job_;
    Job *given_ = nullptr;
};

template <class F, class... Args>
auto submit(evl_executor *pool, F &&fn, Args &&...args) {
    using job_type = job<std::decay_t<F>, std::decay_t<Args>...>;
    return job_awaitable<job_type>(
        pool, new (std::nothrow) job_type{std::forward<F>(fn), {std::forward<Args>(args)...}, {}, {}});
}

} // namespace detail

// Calls fn(args...) on a thread of the loop's own pool, and gives what it returns. Errors: those of
// evl_executor_submit.
template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto run_in_executor(F &&fn, Args &&...args) {
    static_assert(detail::survives_await<F>, EVLOOP_NAME_IT);
    return detail::submit(nullptr, std::forward<F>(fn), std::forward<Args>(args)...);
}
// The same in another pool.
template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto run_in_executor(executor &pool, F &&fn, Args &&...args) {
    static_assert(detail::survives_await<F>, EVLOOP_NAME_IT);
    return detail::submit(pool.c(), std::forward<F>(fn), std::forward<Args>(args)...);
}

} // namespace evloop::inline EVLOOP_CPP_ABI
