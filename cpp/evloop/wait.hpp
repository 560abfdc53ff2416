// evloop/wait.hpp - looking at several tasks without owning them: wait and as_completed.
//
//     auto [done, pending] = co_await evloop::wait(jobs, evloop::until::first, 2s);
//     auto ends = evloop::as_completed(jobs);
//     while (auto *job = co_await ends.next())
//         use(co_await *job);
//
// Neither cancels anything, neither when the time is over nor when it is cancelled itself.
#pragma once

#include "await.hpp"
#include "timeout.hpp"

#include <cstddef>
#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {

// What wait waits for.
enum class until {
    all,
    first,      // one is done, however
    first_error // one has failed (cancelled does not count), or all are done
};

// What wait gives, each in the order in which they were given.
struct waited {
    std::vector<any_task> done;    // those that have ended
    std::vector<any_task> pending; // and those that have not
};

namespace detail {

// Parks who waits until the line is woken or the deadline comes.
class line_awaitable : public op_awaitable<line_awaitable> {
  public:
    static constexpr const char *name = "tasks";
    line_awaitable(evl_waitq &line, std::int64_t deadline) noexcept : line_(&line), deadline_(deadline) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        std::int32_t rc = evl_waitq_park(line_, op);
        if (rc == 0 && deadline_ != EVL_NEVER && (rc = evl_op_deadline(op, deadline_)) < 0)
            (void)evl_op_close(op);
        return rc;
    }

  private:
    evl_waitq *line_;
    std::int64_t deadline_;
};

// Watches tasks for who waits.
class waiting_room {
  public:
    waiting_room(const std::vector<any_task> &tasks, until mode) : mode_(mode), left_(tasks.size()) {
        (void)evl_waitq_init(&line, this_loop(), nullptr, nullptr);
        watches_.reserve(tasks.size());
        for (const any_task &task : tasks) {
            if (task.done())
                count(task);
            else
                task.state()->watch(watches_.emplace_back(this));
        }
    }
    waiting_room(const waiting_room &) = delete;
    ~waiting_room() {
        for (watch &one : watches_)
            task_state::unwatch(one);
    }
    bool over() const noexcept { return over_ || left_ == 0; }

    evl_waitq line;

  private:
    struct watch : task_watcher {
        waiting_room *room;
        explicit watch(waiting_room *the_room) noexcept : task_watcher{told}, room(the_room) {}
        static void told(task_watcher &self, task_state &task) noexcept {
            waiting_room &room = *static_cast<watch &>(self).room;
            room.count(any_task(&task));
            if (room.over())
                (void)evl_waitq_wake(&room.line, -1, 0);
        }
    };

    void count(const any_task &task) noexcept {
        left_--;
        const bool failed = task && task.state()->end == task_end::error;
        if (mode_ == until::first || (mode_ == until::first_error && failed))
            over_ = true;
    }

    until mode_;
    std::size_t left_;
    bool over_ = false;
    std::vector<watch> watches_; // never grows beyond what was reserved: they are linked
};

inline attempt<waited> wait_for_tasks(std::vector<any_task> tasks, until mode, when_due due) {
    waiting_room room(tasks, mode);
    std::int32_t rc = tasks.empty() ? EVL_EINVAL : 0;
    if (rc == 0 && !room.over())
        rc = (co_await settled(line_awaitable(room.line, due.deadline(this_loop())))).code();
    if (rc < 0 && rc != EVL_ETIMEDOUT)
        EVLOOP_CO_FAIL(rc);
    waited outcome;
    for (any_task &task : tasks)
        (task.done() ? outcome.done : outcome.pending).push_back(std::move(task));
    co_return outcome;
}

template <class Jobs>
std::vector<any_task> tasks_in(Jobs &jobs) {
    std::vector<any_task> tasks;
    for (const any_task &job : jobs)
        tasks.push_back(job);
    return tasks;
}

} // namespace detail

// Waits for tasks: a range of spawned<T> or any_task. Errors: EVL_EINVAL for none.
template <class Jobs>
auto wait(Jobs &&jobs, until mode = until::all) {
    return detail::wait_for_tasks(detail::tasks_in(jobs), mode, {EVL_NEVER, false});
}
// The same for no longer than `time`, which is no error: look at what is pending.
template <class Jobs, class Rep, class Period>
auto wait(Jobs &&jobs, until mode, std::chrono::duration<Rep, Period> time) {
    return detail::wait_for_tasks(detail::tasks_in(jobs), mode, {detail::nanoseconds(time), true});
}

// Handles of tasks in the order in which the tasks end.
template <class T>
class completions {
  public:
    completions(std::vector<spawned<T>> &jobs, detail::when_due due)
        : deadline_(this_loop() ? due.deadline(this_loop()) : EVL_NEVER), all_(jobs.size()) {
        (void)check(this_loop() ? evl_waitq_init(&line_, this_loop(), nullptr, nullptr) : EVL_EPERM);
        watches_.reserve(all_);
        ended_.reserve(all_);
        for (spawned<T> &job : jobs) {
            if (job.done())
                ended_.push_back(&job);
            else
                job.state()->watch(watches_.emplace_back(this, &job));
        }
    }
    completions(const completions &) = delete;
    ~completions() {
        for (watch &one : watches_)
            detail::task_state::unwatch(one);
    }

    // The next; NULL when all have been given. Throws EVL_ETIMEDOUT when the time is over.
    detail::attempt<spawned<T> *> next() {
        spawned<T> *job = nullptr;
        while (given_ == ended_.size() && given_ < all_)
            EVLOOP_CO_TRY(detail::line_awaitable(line_, deadline_));
        if (given_ < ended_.size())
            job = ended_[given_++];
        co_return job;
    }

  private:
    struct watch : detail::task_watcher {
        completions *all;
        spawned<T> *job;
        watch(completions *the_all, spawned<T> *the_job) noexcept
            : task_watcher{told}, all(the_all), job(the_job) {}
        static void told(detail::task_watcher &self, detail::task_state &) noexcept {
            auto &one = static_cast<watch &>(self);
            one.all->ended_.push_back(one.job);
            (void)evl_waitq_wake(&one.all->line_, -1, 0);
        }
    };

    evl_waitq line_;
    std::int64_t deadline_;
    std::size_t all_, given_ = 0;
    std::vector<spawned<T> *> ended_; // in that order
    std::vector<watch> watches_;      // never grows beyond what was reserved: they are linked
};

// The handles stay the caller's, and where they are. Errors: EVL_EPERM outside of a task.
template <class T>
completions<T> as_completed(std::vector<spawned<T>> &jobs) {
    return completions<T>(jobs, {EVL_NEVER, false});
}
// The same, for so long at most: then the await of the next one fails with EVL_ETIMEDOUT.
template <class T, class Rep, class Period>
completions<T> as_completed(std::vector<spawned<T>> &jobs, std::chrono::duration<Rep, Period> time) {
    return completions<T>(jobs, {detail::nanoseconds(time), true});
}

} // namespace evloop::inline EVLOOP_CPP_ABI
