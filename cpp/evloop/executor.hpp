// evloop/executor.hpp - blocking work on threads, awaited.
//
//     std::string text = co_await evloop::run_in_executor(read_file, path);
//
// The function and its arguments are copied into a block of their own, one allocation, and called by
// std::invoke on a thread; what it returns or throws comes back through the await. A job that has begun
// cannot be stopped: who is cancelled leaves it behind, and its result is dropped.
#pragma once

#include "await.hpp"
#include "time.hpp"

#include <tuple>

namespace evloop::inline EVLOOP_CPP_ABI {

// What becomes of the jobs of a pool that is closed: those that were accepted run to their end; or those that
// have not begun are cancelled, and those that run are left behind.
enum class closing : std::int32_t { drain = EVL_CLOSE_DRAIN, abandon = EVL_CLOSE_ABANDON };

class executor;

// Closes a pool on a thread of the loop's own pool, and waits for it there.
class [[nodiscard("co_await it")]] closing_awaitable : public op_awaitable<closing_awaitable> {
  public:
    static constexpr const char *name = "executor closing";
    static constexpr bool keeps = true;
    closing_awaitable(executor &pool, closing how, std::int64_t limit) noexcept
        : pool_(&pool), how_(how), limit_(limit) {}

    std::int32_t start(evl_loop *loop, evl_op *op) noexcept;
    std::int64_t settle(std::int64_t) noexcept {
        work *done = std::exchange(work_, nullptr);
        const std::int32_t rc = done ? done->result : 0;
        delete done;
        return rc;
    }

  private:
    struct work {
        evl_executor *pool; // NULL: closed
        closing how;
        std::int64_t limit;
        std::int32_t result;

        static void run(void *arg) noexcept {
            auto *self = static_cast<work *>(arg);
            self->result = evl_executor_close(std::exchange(self->pool, nullptr),
                                              static_cast<std::int32_t>(self->how), self->limit);
        }
        // Also where it has not begun.
        static void drop(void *arg) noexcept {
            auto *self = static_cast<work *>(arg);
            (void)evl_executor_close(self->pool, EVL_CLOSE_ABANDON, 0);
            delete self;
        }
    };

    executor *pool_;
    closing how_;
    std::int64_t limit_;
    work *work_ = nullptr; // C's to drop until the end says that it is ours
};

// A pool of threads. Used on the loop's thread. One that is closed or was moved from accepts nothing: a job
// for it ends with errc::closed.
class executor {
  public:
    // As evl_executor_new, which has the errors too.
    executor(loop_ref loop, std::uint32_t threads, std::uint32_t limit = EVL_UNBOUNDED,
             const char *name = nullptr) {
        (void)check(evl_executor_new(loop, threads, limit, name, &pool_));
    }
    executor(executor &&other) noexcept : pool_(release(other)) {}
    executor &operator=(executor other) noexcept {
        std::swap(pool_, other.pool_);
        return *this;
    }
    // Abandons what runs: who awaits that gets its value all the same, and who awaits what has not begun ends
    // as cancelled. close waits for it.
    ~executor() { (void)close(closing::abandon, std::chrono::nanoseconds(0)); }

    // Closes it and blocks, the loop too, until its jobs have ended, or for so long: then it abandons them.
    // Returns 0, or EVL_ETIMEDOUT when jobs were left behind.
    std::int32_t close(closing how = closing::drain) noexcept {
        return evl_executor_close(release(*this), static_cast<std::int32_t>(how), -1);
    }
    template <class Rep, class Period>
    std::int32_t close(closing how, std::chrono::duration<Rep, Period> limit) noexcept {
        return evl_executor_close(release(*this), static_cast<std::int32_t>(how), not_negative(limit));
    }
    // Awaited: the same without blocking the loop, on a thread of the loop's own pool. It is closed when this
    // is awaited; the await ends when its jobs have ended, or fails with EVL_ETIMEDOUT when some were left
    // behind. A cancellation ends the await, and the pool stays closed.
    closing_awaitable closed(closing how = closing::drain) noexcept { return {*this, how, -1}; }
    template <class Rep, class Period>
    closing_awaitable closed(closing how, std::chrono::duration<Rep, Period> limit) noexcept {
        return {*this, how, not_negative(limit)};
    }

    // Its figures: threads, jobs that wait and that run, and how many there were; of a closed one 0.
    evl_executor_info info() const noexcept {
        evl_executor_info all{};
        all.struct_size = sizeof all;
        if (pool_)
            (void)evl_executor_stats(pool_, &all);
        return all;
    }

    // NULL: closed.
    evl_executor *c() const noexcept { return pool_; }

  private:
    friend class closing_awaitable;

    template <class Duration>
    static std::int64_t not_negative(Duration limit) noexcept {
        const std::int64_t ns = detail::nanoseconds(limit);
        return ns > 0 ? ns : 0;
    }
    static evl_executor *release(executor &from) noexcept { return std::exchange(from.pool_, nullptr); }

    evl_executor *pool_ = nullptr;
};

// The figures of a loop's own pool, as executor::info().
inline evl_executor_info executor_info(loop_ref loop) noexcept {
    evl_executor_info all{};
    all.struct_size = sizeof all;
    (void)evl_loop_executor_stats(loop, &all);
    return all;
}

inline std::int32_t closing_awaitable::start(evl_loop *loop, evl_op *op) noexcept {
    if (!pool_->pool_)
        return evl_defer(loop, op);
    work_ = new (std::nothrow) work{pool_->pool_, how_, limit_, 0};
    if (!work_)
        return EVL_ENOMEM;
    const std::int32_t rc =
        evl_executor_submit(nullptr, loop, op, work::run, work_, work::drop, EVL_SUBMIT_WAIT);
    if (rc < 0)
        delete std::exchange(work_, nullptr); // and the pool is as it was
    else
        pool_->pool_ = nullptr;
    return rc;
}

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
    // pool NULL: the loop's own.
    job_awaitable(const executor *pool, Job *job) noexcept : pool_(pool), job_(job) {}
    job_awaitable(job_awaitable &&other) noexcept
        : op_awaitable<job_awaitable<Job>, typename Job::T>(other), pool_(other.pool_),
          job_(std::exchange(other.job_, nullptr)) {}
    ~job_awaitable() {
        if (!given_)
            delete job_;
    }

    // Once it has begun the job is C's to drop, until its end says that it is ours again.
    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        if (!job_)
            return done_ ? EVL_EALREADY : EVL_ENOMEM;
        if (pool_ && !pool_->c()) // NULL would be the loop's own
            return EVL_ECLOSED;
        const std::int32_t rc = evl_executor_submit(pool_ ? pool_->c() : nullptr, loop, op, Job::run, job_,
                                                    Job::drop, EVL_SUBMIT_WAIT);
        given_ = rc == 0;
        return rc;
    }
    typename Job::T finish(std::int64_t) {
        given_ = false;
        done_ = true;
        const std::unique_ptr<Job> job(std::exchange(job_, nullptr));
#if EVLOOP_EXCEPTIONS
        if (job->error)
            std::rethrow_exception(job->error);
#endif
        return job->value.take();
    }

  private:
    const executor *pool_;
    Job *job_;
    bool given_ = false;
    bool done_ = false;
};

template <class F, class... Args>
auto submit(const executor *pool, F &&fn, Args &&...args) {
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
// The same in another pool, which must stay where it is until then. Errors: errc::closed too.
template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto run_in_executor(const executor &pool, F &&fn, Args &&...args) {
    static_assert(detail::survives_await<F>, EVLOOP_NAME_IT);
    return detail::submit(&pool, std::forward<F>(fn), std::forward<Args>(args)...);
}

} // namespace evloop::inline EVLOOP_CPP_ABI
