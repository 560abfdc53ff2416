// fork_stress_test.cpp - a process forks while its other threads post, work, signal or run the loop: what the
// child has of them is what they had written up to some moment, and it has to do with that.
//
// On malloc and pthreads, and with nothing of the threads on the heap: in a child they and their stacks are
// gone, and a lock that they held stays locked.
#include "world.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <unistd.h>

using namespace support;

namespace {

// Where it matters most, more than for every other backend and sink, which share all of this but the queue;
// and thousands with EVLOOP_FORKS, as CI has it.
int forks() {
    const char *given = std::getenv("EVLOOP_FORKS");
    const char *backend = std::getenv("EVLOOP_BACKEND");
    bool usual = !records() && (!backend || std::strcmp(backend, "epoll") == 0);
    if (slow())
        return usual ? 150 : 45;
    return !usual ? 300 : given ? std::atoi(given) : 1000;
}

// Threads that repeat something until the test is over.
class Busy {
  public:
    explicit Busy(std::initializer_list<void (*)(Busy &)> bodies) {
        for (auto body : bodies) {
            starts_[count_] = {this, body};
            EXPECT_EQ(pthread_create(&threads_[count_], nullptr, run, &starts_[count_]), 0);
            count_++;
        }
    }
    ~Busy() {
        over = true;
        for (size_t i = 0; i < count_; i++)
            pthread_join(threads_[i], nullptr);
    }
    pthread_t thread(size_t i) const { return threads_[i]; }

    static evl_loop *loop;
    std::atomic<bool> over{false};

  private:
    struct Start {
        Busy *self;
        void (*body)(Busy &);
    };
    static void *run(void *arg) {
        auto start = static_cast<Start *>(arg);
        start->body(*start->self);
        return nullptr;
    }
    std::array<Start, 4> starts_;
    std::array<pthread_t, 4> threads_;
    size_t count_ = 0;
};

evl_loop *Busy::loop;

void nothing(void *) {}
void no_result(void *, int64_t) {}

void passes(evl_loop *loop, int n) {
    for (int i = 0; i < n; i++)
        EXPECT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
}

// Every other child repairs the loop first.
void child_of(int i, const std::function<void(evl_loop *)> &repaired = [](evl_loop *) {}) {
    in_child([&] {
        ::alarm(20);
        if (i % 2) {
            EXPECT_EQ(evl_loop_fork(Busy::loop), 0);
            passes(Busy::loop, 6);
            repaired(Busy::loop);
            EXPECT_EQ(evl_loop_alive(Busy::loop), 0) << "fork " << i;
            EXPECT_EQ(evl_loop_blockers(Busy::loop, nullptr, 0), 0) << "fork " << i;
        }
        EXPECT_EQ(evl_loop_destroy(Busy::loop), 0);
    });
}

TEST(ForkStress, Contract_11_PostsAreInFlight) {
    ASSERT_EQ(evl_loop_new(&Busy::loop, nullptr), 0);
    {
        auto post = [](Busy &b) {
            while (!b.over)
                EXPECT_EQ(evl_post(b.loop, nothing, nullptr), 0);
        };
        Busy posters({post, post});
        for (int i = 0; i < forks() && !::testing::Test::HasFailure(); i++) {
            passes(Busy::loop, 3);
            child_of(i);
        }
    }
    EXPECT_EQ(evl_loop_destroy(Busy::loop), 0);
}

TEST(ForkStress, Contract_11_HandlersAreInFlight) {
    ASSERT_EQ(evl_loop_new(&Busy::loop, nullptr), 0);
    evl_signal *signal = nullptr;
    ASSERT_EQ(evl_signal_new(Busy::loop, SIGUSR1, no_result, nullptr, &signal), 0);
    std::array<evl_loop *, 64> others; // so that a handler takes its time
    for (evl_loop *&loop : others) {
        evl_signal *watcher = nullptr;
        ASSERT_EQ(evl_loop_new(&loop, nullptr), 0);
        ASSERT_EQ(evl_signal_new(loop, SIGUSR1, no_result, nullptr, &watcher), 0);
    }
    static std::atomic<pthread_t> victim;
    victim = pthread_self();
    {
        sigset_t usr1, before;
        sigemptyset(&usr1);
        sigaddset(&usr1, SIGUSR1);
        Busy target({[](Busy &b) {
            victim = pthread_self();
            while (!b.over) {
            }
        }});
        until([] { return victim != pthread_self(); });
        pthread_sigmask(SIG_BLOCK, &usr1, &before);
        {
            Busy sender({[](Busy &b) {
                while (!b.over)
                    pthread_kill(victim, SIGUSR1);
            }});
            for (int i = 0; i < forks() && !::testing::Test::HasFailure(); i++)
                child_of(i, [&](evl_loop *) { EXPECT_EQ(evl_close(signal), 0); });
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    for (evl_loop *loop : others)
        EXPECT_EQ(evl_loop_destroy(loop), 0);
    EXPECT_EQ(evl_loop_destroy(Busy::loop), 0);
}

// Each job's operation completes once, and its argument is dropped once unless the job has returned.
struct Job {
    evl_op op;
    int done, dropped;
    int64_t result;
    static void run(void *) {
        for (std::atomic<int> i = 0; i < 200; i++) {
        }
    }
    static void drop(void *arg) { static_cast<Job *>(arg)->dropped++; }
    static void over(void *arg, int64_t result) {
        auto job = static_cast<Job *>(arg);
        job->done++;
        job->result = result;
    }
    void submit() {
        done = dropped = 0;
        EXPECT_EQ(evl_executor_submit(nullptr, Busy::loop, &op, run, this, drop, 0), 0);
    }
};

TEST(ForkStress, Contract_11_JobsAreInFlight) {
    static std::array<Job, 6> jobs;
    ASSERT_EQ(evl_loop_new(&Busy::loop, nullptr), 0);
    for (Job &job : jobs) {
        EXPECT_EQ(evl_op_init(&job.op, Job::over, &job, 0), 0);
        job.submit();
    }
    for (int i = 0; i < forks() && !::testing::Test::HasFailure(); i++) {
        passes(Busy::loop, 1 + i % 7);
        for (Job &job : jobs)
            if (job.done)
                job.submit();
        child_of(i, [](evl_loop *) {
            for (Job &job : jobs) {
                EXPECT_EQ(job.done, 1);
                EXPECT_TRUE(job.result == 0 || job.result == EVL_EFORK) << job.result;
                EXPECT_EQ(job.dropped, job.result != 0);
            }
        });
    }
    EXPECT_EQ(evl_loop_destroy(Busy::loop), 0);
}

// Another thread runs the loop. While it waits the child may have the loop; from the middle of a callback it
// may not.
TEST(ForkStress, Contract_11_ALoopThatAnotherThreadRuns) {
    Sys sys;
    ASSERT_EQ(evl_loop_new(&Busy::loop, nullptr), 0);
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(Busy::loop, &future), 0);
    ASSERT_EQ(evl_loop_hold(Busy::loop), 0);
    static std::atomic<int> inside;
    static evl_future *awaited;
    awaited = future;
    inside = 0;
    {
        Busy runner(
            {[](Busy &b) { EXPECT_EQ(evl_loop_run_until(b.loop, awaited, nullptr), EVL_ECANCELED); }});
        // A poll that does not wait may come first.
        until([&] { return !sys.waits().empty() && sys.waits().back() != 0; });
        for (int i = 0; i < 4; i++)
            in_child([&] {
                evl_timer *timer = nullptr;
                EXPECT_EQ(evl_timer_new(Busy::loop, no_result, nullptr, &timer), EVL_EFORK);
                if (i % 2) {
                    EXPECT_EQ(evl_loop_fork(Busy::loop), 0);
                    EXPECT_EQ(evl_timer_new(Busy::loop, no_result, nullptr, &timer), 0);
                    EXPECT_EQ(evl_future_resolve(future, 1), 0);
                    passes(Busy::loop, 2);
                }
                EXPECT_EQ(evl_loop_destroy(Busy::loop), 0);
            });
        evl_post(
            Busy::loop,
            [](void *) {
                inside = 1;
                until([] { return inside == 2; });
            },
            nullptr);
        until([] { return inside == 1; });
        in_child([&] {
            EXPECT_EQ(evl_loop_fork(Busy::loop), EVL_ETHREAD);
            EXPECT_EQ(evl_loop_destroy(Busy::loop), EVL_ETHREAD);
        });
        inside = 2;
        evl_stop(Busy::loop, 0);
    }
    evl_future_unref(future);
    EXPECT_EQ(evl_loop_destroy(Busy::loop), 0);
}

} // namespace
