// embed_model_test.cpp - random work for a loop whose host believes nothing but the fd it is given: what is
// due is done as long as the host dispatches when the fd says so, and when nothing is due the fd is silent.
//
// The host waits by poll(2), by an epoll of its own, level- or edge-triggered, or, where the backend has no
// fd, for the rows of evl_loop_prepare. The model is the number of callbacks that are owed.
#include "fds.hpp"
#include "scale.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <evloop.h>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <poll.h>
#include <random>
#include <sys/epoll.h>
#include <thread>
#include <unistd.h>

namespace model {
namespace {

using support::Fd;
using support::Pair;
using support::scaled;
using support::seed;

constexpr int kPatience = 20'000; // ms: for what is due within two
constexpr int64_t ms = 1'000'000;

struct Way {
    std::string backend, host;
    int32_t clock;
};

void PrintTo(const Way &way, std::ostream *out) {
    *out << way.backend << " " << way.host << " " << way.clock;
}

class Guest {
  public:
    Guest(const Way &way, uint64_t start) : way_(way), random_(start) {
        evl_options options{};
        options.struct_size = sizeof options;
        options.backend = way.backend.c_str();
        options.clock = way.clock;
        EXPECT_EQ(evl_loop_new(&loop_, &options), 0);
        has_fd_ = (evl_backend_caps(loop_) & EVL_CAP_LOOP_FD) != 0;
        if (has_fd_)
            listen();
        for (Timer &t : timers_) {
            t.guest = this;
            EXPECT_EQ(t.wall ? evl_wall_new(loop_, fired, &t, &t.handle)
                             : evl_timer_new(loop_, fired, &t, &t.handle),
                      0);
        }
        for (Op &op : ops_) {
            op.guest = this;
            EXPECT_EQ(evl_op_init(&op.op, completed, &op, 0), 0);
        }
        EXPECT_EQ(evl_signal_new(loop_, SIGUSR1, signalled, this, &signal_), 0);
        EXPECT_EQ(evl_io_new(loop_, pair_.a, EVL_READ, 0, readable, this, &io_), 0);
    }
    Guest(const Guest &) = delete;
    ~Guest() { EXPECT_EQ(evl_loop_destroy(loop_), 0); }

    // Some work, made from outside; then the host, until all of it is done.
    void round() {
        quiet_ = false;
        for (int n = below(6) + 1; n > 0; n--)
            act();
        while (owed() > 0 && fault_.empty()) {
            EXPECT_EQ(way_.clock == EVL_CLOCK_REAL ? 0 : evl_clock_advance(loop_, 5 * ms), 0);
            if (below(4) == 0)
                act();
            serve(owed() > 0 ? kPatience : 0);
        }
        int left = 50;
        quiet_ = true; // what was a report too many makes no work
        while (fault_.empty() && serve(0))
            if (--left == 0)
                fault_ = "readable with nothing to do";
        if (owed() != 0 && fault_.empty())
            fault_ = "owes " + debts();
    }

    const std::string &fault() const { return fault_; }
    uint64_t dispatches = 0, done = 0;

  private:
    struct Timer {
        Guest *guest = nullptr;
        evl_handle *handle = nullptr;
        bool wall = false, owes = false;
    };
    struct Op {
        Guest *guest = nullptr;
        evl_op op{};
        bool owes = false;
    };

    int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
    template <class T>
    T &any(std::vector<T> &list) {
        return list[static_cast<size_t>(below(static_cast<int>(list.size())))];
    }

    int64_t owed() const {
        int64_t n = calls_ + (signalled_ ? 1 : 0) + (bytes_ > 0 ? 1 : 0);
        for (const Timer &t : timers_)
            n += t.owes;
        for (const Op &op : ops_)
            n += op.owes;
        return n;
    }

    std::string debts() const {
        int64_t timers = 0, walls = 0, ops = 0;
        for (const Timer &t : timers_)
            (t.wall ? walls : timers) += t.owes;
        for (const Op &op : ops_)
            ops += op.owes;
        return std::to_string(calls_) + " calls, " + std::to_string(bytes_) + " bytes, " +
               std::to_string(timers) + " timers, " + std::to_string(walls) + " walls, " +
               std::to_string(ops) + " operations" + (signalled_ ? ", a signal" : "");
    }

    // --- the host

    void listen() {
        fd_ = evl_loop_fd(loop_);
        EXPECT_GE(fd_, 0);
        if (way_.host == "poll")
            return;
        host_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event ev{};
        ev.events = EPOLLIN | (way_.host == "edge" ? static_cast<uint32_t>(EPOLLET) : 0u);
        EXPECT_EQ(::epoll_ctl(host_, EPOLL_CTL_ADD, fd_, &ev), 0);
    }

    // Waits, and dispatches if there is reason to. False: there was none.
    bool serve(int patience) {
        if (!has_fd_)
            return serve_rows(patience);
        epoll_event ev{};
        pollfd row{fd_, POLLIN, 0};
        int n = host_ >= 0 ? ::epoll_wait(host_, &ev, 1, patience) : ::poll(&row, 1, patience);
        if (n < 0 && errno == EINTR)
            return true;
        if (n != 1) {
            if (patience > 0)
                fault_ = "the host was not woken for " + debts();
            return false;
        }
        while (dispatch(nullptr, 0) == 1 && way_.host == "edge") {
        }
        return true;
    }

    bool serve_rows(int patience) {
        std::array<evl_poll_row, 32> rows;
        std::array<pollfd, 32> polled;
        int64_t timeout = 0;
        int32_t n = evl_loop_prepare(loop_, rows.data(), 32, &timeout);
        EXPECT_TRUE(n > 0 && n <= 32);
        for (size_t i = 0; i < static_cast<size_t>(n); i++)
            polled[i] = {rows[i].fd, static_cast<short>(rows[i].wanted), 0};
        int wait =
            timeout < 0 ? patience : static_cast<int>(std::min<int64_t>(patience, (timeout + ms - 1) / ms));
        int found = ::poll(polled.data(), static_cast<nfds_t>(n), wait);
        if (found == 0 && (timeout < 0 || timeout > wait * ms)) {
            if (patience > 0)
                fault_ = "the host was not woken for " + debts();
            return false;
        }
        for (size_t i = 0; i < static_cast<size_t>(n); i++)
            rows[i].reported = static_cast<uint32_t>(polled[i].revents);
        dispatch(rows.data(), n);
        return true;
    }

    int32_t dispatch(const evl_poll_row *rows, int32_t n) {
        dispatches++;
        budget_ = quiet_ ? 0 : 3; // what its callbacks may do in their turn
        int32_t rc = evl_loop_dispatch(loop_, rows, n);
        EXPECT_GE(rc, 0);
        budget_ = 0;
        return rc;
    }

    // --- the work

    void act() {
        switch (below(13)) {
        case 0:
            start(any(timers_), below(3) == 0 ? past_ : now(false) + (below(40) - 10) * ms / 10);
            break;
        case 1:
            stop(any(timers_));
            break;
        case 2: // more than a pass takes, at once
            if (below(8) == 0)
                for (Timer &t : timers_)
                    start(t, past_);
            break;
        case 3:
            calls_++;
            EXPECT_EQ(evl_call_soon(loop_, called, this), 0);
            break;
        case 4:
            calls_++;
            EXPECT_EQ(evl_post(loop_, called, this), 0);
            break;
        case 5:
            if (below(4) == 0) {
                calls_++;
                std::thread([&] { EXPECT_EQ(evl_post(loop_, called, this), 0); }).join();
            }
            break;
        case 6:
            defer_or_sleep(any(ops_));
            break;
        case 7:
            end(any(ops_));
            break;
        case 8:
            signalled_ = true;
            raise(SIGUSR1);
            break;
        case 9:
            bytes_ += pair_.b.put();
            if (below(2) == 0) { // with interest that is given again
                EXPECT_EQ(evl_io_set(io_, 0), 0);
                EXPECT_EQ(evl_io_set(io_, EVL_READ), 0);
            }
            break;
        case 10:
            watch_anew();
            break;
        case 11:
            leave_stale_entry();
            break;
        default:
            EXPECT_EQ(below(2) ? evl_wake(loop_) : evl_close_later(loop_, 12345), 0);
        }
    }

    int64_t now(bool wall) const { return wall ? evl_wall_time(loop_) : evl_time(loop_); }

    void start(Timer &t, int64_t at) {
        if (t.wall)
            at += now(true) - now(false);
        EXPECT_EQ(t.wall ? evl_wall_start_at(t.handle, at, 0) : evl_timer_start_at(t.handle, at, 0), 0);
        t.owes = true;
    }

    void stop(Timer &t) {
        EXPECT_EQ(t.wall ? evl_wall_stop(t.handle) : evl_timer_stop(t.handle), 0);
        t.owes = false;
    }

    void defer_or_sleep(Op &op) {
        if (op.owes)
            return;
        op.owes = true;
        if (below(2)) {
            EXPECT_EQ(evl_defer(loop_, &op.op), 0);
            return;
        }
        bool far = below(2) != 0;
        EXPECT_EQ(evl_sleep(loop_, &op.op, far ? 3600'000 * ms : below(3) * ms), 0);
        EXPECT_EQ(far ? evl_op_deadline(&op.op, now(false) + below(3) * ms) : 0, 0);
    }

    // Cancelled, it is told so; closed, it is not.
    void end(Op &op) {
        if (below(2)) {
            (void)evl_op_cancel(&op.op);
        } else {
            EXPECT_EQ(evl_op_close(&op.op), 0);
            op.owes = false;
        }
    }

    void watch_anew() {
        uint32_t flags = below(2)                                 ? 0u
                         : evl_backend_caps(loop_) & EVL_CAP_EDGE ? static_cast<uint32_t>(EVL_IO_EDGE)
                                                                  : 0u;
        EXPECT_EQ(evl_close(io_), 0);
        EXPECT_EQ(evl_io_new(loop_, pair_.a, EVL_READ, flags, readable, this, &io_), 0);
    }

    // A number that is closed before its watcher, while a duplicate keeps the file open and ready: the
    // kernel's entry can only be got rid of with its queue.
    void leave_stale_entry() {
        Pair stale;
        evl_io *io = nullptr;
        EXPECT_EQ(evl_io_new(loop_, stale.a, EVL_READ, 0, [](void *, int64_t) {}, nullptr, &io), 0);
        Fd copy(::fcntl(stale.a, F_DUPFD_CLOEXEC, 0));
        stale.a.close();
        EXPECT_EQ(evl_close(io), 0);
        stale.b.put();
        kept_ = std::move(stale.b);
        copy_ = std::move(copy);
    }

    void and_then() {
        done++;
        if (budget_ > 0 && below(3) == 0) {
            budget_--;
            act();
        }
    }

    static void called(void *arg) {
        auto g = static_cast<Guest *>(arg);
        g->calls_--;
        g->and_then();
    }
    static void fired(void *arg, int64_t) {
        auto t = static_cast<Timer *>(arg);
        EXPECT_TRUE(t->owes);
        t->owes = false;
        if (t->guest->budget_ > 0 && t->guest->below(4) == 0) {
            t->guest->budget_--;
            t->guest->start(*t, t->guest->past_); // the same deadline, long past
        }
        t->guest->and_then();
    }
    static void completed(void *arg, int64_t) {
        auto op = static_cast<Op *>(arg);
        EXPECT_TRUE(op->owes);
        op->owes = false;
        op->guest->and_then();
    }
    static void signalled(void *arg, int64_t) {
        auto g = static_cast<Guest *>(arg);
        g->signalled_ = false;
        g->and_then();
    }
    static void readable(void *arg, int64_t) {
        auto g = static_cast<Guest *>(arg);
        g->bytes_ -= g->pair_.a.drain();
        g->and_then();
    }

    Way way_;
    std::mt19937_64 random_;
    evl_loop *loop_ = nullptr;
    bool has_fd_ = false;
    int fd_ = -1;
    Fd host_, kept_, copy_;
    Pair pair_;
    evl_io *io_ = nullptr;
    evl_signal *signal_ = nullptr;
    std::vector<Timer> timers_ = made_timers();
    std::vector<Op> ops_ = std::vector<Op>(20);
    int64_t past_ = 1, calls_ = 0, bytes_ = 0;
    bool signalled_ = false, quiet_ = false;
    int budget_ = 0;
    std::string fault_;

    static std::vector<Timer> made_timers() {
        std::vector<Timer> timers(300);
        for (size_t i = 0; i < timers.size(); i += 10)
            timers[i].wall = true;
        return timers;
    }
};

std::vector<Way> ways() {
    std::vector<Way> all;
    for (int i = 0; evl_backend_at(i); i++) {
        std::string name = evl_backend_at(i);
        for (int32_t clock : {EVL_CLOCK_REAL, EVL_CLOCK_MANUAL, EVL_CLOCK_JUMP}) {
            all.push_back({name, "poll", clock});
            if (name != "select")
                all.push_back({name, "level", clock});
            if (name == "epoll") // edges of the stand-in's queue inside another are its business
                all.push_back({name, "edge", clock});
        }
    }
    return all;
}

class Embedded : public ::testing::TestWithParam<Way> {};

TEST_P(Embedded, TheFdSaysWhenThereIsWork) {
    uint64_t start = seed();
    Guest guest(GetParam(), start);
    int64_t rounds = scaled(2'000);
    for (int64_t i = 0; i < rounds && !HasFailure(); i++) {
        guest.round();
        ASSERT_EQ(guest.fault(), "") << "round " << i << ", EVLOOP_SEED=" << start;
    }
    std::printf("%lld rounds, %llu callbacks in %llu dispatches\n", static_cast<long long>(rounds),
                static_cast<unsigned long long>(guest.done),
                static_cast<unsigned long long>(guest.dispatches));
}

std::string name_of(const ::testing::TestParamInfo<Way> &info) {
    const char *const clocks[] = {"real", "manual", "jump"};
    return info.param.backend + "_" + info.param.host + "_" + clocks[info.param.clock];
}

INSTANTIATE_TEST_SUITE_P(Ways, Embedded, ::testing::ValuesIn(ways()), name_of);

} // namespace
} // namespace model
