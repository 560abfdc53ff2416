// embed_test.cpp - a host with a loop of its own: one fd that is readable when there is work, or rows to wait
// for.
#include "world.hpp"

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>

using namespace support;

namespace {

constexpr int kPatience = 10'000; // ms: for what must come

// A host that looks at one fd and dispatches only when poll() says readable.
class Host {
  public:
    explicit Host(World &w) : w_(w), fd_(evl_loop_fd(w.loop)) { EXPECT_GE(fd_, 0); }

    bool readable(int ms = 0) const {
        pollfd row{fd_, POLLIN, 0};
        return ::poll(&row, 1, ms) == 1;
    }

    // Waits for one wake and does all there is. A test failure when none comes.
    void serve() {
        EXPECT_TRUE(readable(kPatience)) << "the host was never woken";
        settle();
    }

    // Dispatches while the fd is readable.
    void settle() {
        for (int i = 0; readable(); i++) {
            wakes++;
            EXPECT_GE(w_.dispatch(), 0);
            if (i > 1000) {
                ADD_FAILURE() << "readable without end";
                return;
            }
        }
    }

    int wakes = 0;

  private:
    World &w_;
    int fd_;
};

bool without_loop_fd(World &w) {
    if (w.caps() & EVL_CAP_LOOP_FD)
        return false;
    EXPECT_EQ(evl_loop_fd(w.loop), EVL_ENOTSUP);
    return true;
}

// Something that notes "done" in the dispatch behind it.
struct Cause {
    const char *name;
    std::function<void()> cause;
};

// Before it there is nothing to do, behind it the fd is readable.
void each_shows(World &w, Host &host, std::span<const Cause> table) {
    for (const Cause &row : table) {
        SCOPED_TRACE(row.name);
        host.settle();
        EXPECT_FALSE(host.readable()) << "readable with nothing to do";
        w.clear();
        row.cause();
        EXPECT_EQ(w.log(), "");
        host.serve();
        EXPECT_EQ(w.log(), "done");
    }
}

evl_stream *opened(World &w, Fd &fd) {
    evl_stream *s = nullptr;
    EXPECT_EQ(evl_stream_open(w.loop, fd, 0, &s), 0);
    fd.release();
    return s;
}

void note_done(void *arg, int64_t) { static_cast<World *>(arg)->note("done"); }

// Everything that can make work between two dispatches, each followed by: readable, dispatched, quiet again.
TEST(Embed, Contract_17_TheFdIsReadableWheneverADispatchWouldFindWork) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    EXPECT_EQ(evl_loop_fd(w.loop), evl_loop_fd(w.loop)); // one fd for good
    Pair p, later;
    evl_timer *timer = w.timer(w.says("done")), *far = w.timer_in(3600 * sec, [] {});
    evl_io *io = w.io(p.a, EVL_READ, [&] { p.a.drain(), w.note("done"); });
    evl_io *paused = w.io(later.a, 0, w.says("done"), EVL_IO_ONESHOT);
    evl_signal *signal = w.signal(SIGUSR1, w.says("done"));
    evl_handle *dropped = nullptr;
    void *slot = w.arg([] {}, [&] { w.note("done"); });
    const Cause table[] = {
        {"deferred call", [&] { w.call(w.says("done")); }},
        {"operation", [&] { w.defer(w.says("done")); }},
        {"cancelled operation", [&] { evl_op_cancel(w.defer(w.says("done"))); }},
        {"post", [&] { w.post(w.says("done")); }},
        {"post from a thread", [&] { on_thread([&] { w.post(w.says("done")); }); }},
        {"data", [&] { p.b.put(); }},
        {"a mask that is ready at once", [&] { evl_io_set(paused, EVL_WRITE); }},
        {"a new watcher that is ready at once",
         [&] { w.io(later.b, EVL_WRITE, w.says("done"), EVL_IO_ONESHOT); }},
        {"signal", [&] { raise(SIGUSR1); }},
        {"timer in the past", [&] { evl_timer_start_at(timer, 0, 0); }},
        {"timer that is due now", [&] { evl_timer_start_in(timer, 0, 0); }},
        {"timer of 2 ms", [&] { evl_timer_start_in(timer, 2 * ms, 0); }},
        {"timer moved earlier",
         [&] {
             evl_timer_start_in(timer, 3600 * sec, 0);
             host.settle();
             evl_timer_start_in(timer, 3 * ms, 0);
         }},
        {"far timer moved near", [&] { evl_timer_start_in(far, -1, 0), w.call(w.says("done")); }},
        {"drop of a closed handle",
         [&] {
             EXPECT_EQ(evl_timer_new(w.loop, nullptr, slot, &dropped), 0);
             evl_set_drop(dropped, World::drop);
             evl_close(dropped);
         }},
        {"ended watcher", [&] { w.io(p.b, EVL_READ, w.says("done")), evl_fd_closing(w.loop, p.b); }},
    };
    each_shows(w, host, table);
    for (evl_handle *handle : {timer, far, io, paused, signal})
        evl_close(handle);
    host.settle();
    EXPECT_FALSE(host.readable());
}

// A call that fails may have found out something all the same.
TEST(Embed, Contract_17_WhatAFailedCallMakesReadyShows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    Pair p;
    int fd = p.a;
    w.io(p.a, EVL_READ, w.says("ended"));
    host.settle();
    p.a.close(); // behind the loop's back
    evl_io *io = nullptr;
    EXPECT_EQ(evl_io_new(w.loop, fd, EVL_READ, 0, World::done(), w.arg([] {}), &io), EVL_EBADF);
    host.serve();
    EXPECT_EQ(w.log(), "ended");
}

// What streams and servers queue outside of a dispatch.
TEST(Embed, Contract_17_WhatACallForAStreamQueuesShows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    Pair callback, detached;
    evl_stream *c = opened(w, callback.a), *d = opened(w, detached.a);
    void *slot = w.arg([] {}, [&] { w.note("done"); });
    evl_set_arg(d, slot);
    evl_set_drop(d, World::drop);
    int fd = -1;
    EXPECT_EQ(evl_stream_on_data(c, note_done, &w), 0);
    const Cause table[] = {
        {"bytes that are put back", [&] { EXPECT_EQ(evl_stream_unread(c, "abc", 3), 0); }},
        {"the drop of a detached stream", [&] { fd = evl_stream_detach(d, nullptr, 0, nullptr); }},
    };
    each_shows(w, host, table);
    ::close(fd);
    evl_close(c);
    host.settle();
}

TEST(Embed, Contract_17_WhatACallForAStreamOfRecordsQueuesShows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    Pair record;
    evl_stream *r = opened(w, record.a);
    std::string much(200000, 'x');
    int size = 1 << 20;
    ::setsockopt(record.b, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    EXPECT_GT(::send(record.b, much.data(), much.size(), MSG_DONTWAIT), 100000);
    EXPECT_EQ(evl_stream_on_data(r, nullptr, nullptr), 0);
    auto pull = [&] {
        evl_record rows[8];
        for (int i = 0; i < 100 && host.readable(); i++)
            EXPECT_GE(evl_loop_records(w.loop, rows, 8, 0), 0);
    };
    pull();
    const void *data = nullptr;
    int64_t n = evl_stream_peek(r, &data);
    EXPECT_GE(n, 65536);
    EXPECT_EQ(evl_stream_consume(r, static_cast<size_t>(n)), 0);
    EXPECT_TRUE(host.readable());
    do {
        pull();
        n = evl_stream_peek(r, &data);
        EXPECT_EQ(evl_stream_consume(r, static_cast<size_t>(n)), 0);
    } while (n > 0);
    pull();
    EXPECT_FALSE(host.readable());
    EXPECT_EQ(evl_stream_unread(r, "abc", 3), 0);
    EXPECT_TRUE(host.readable());
    pull();
    evl_close(r);
    host.settle();
}

TEST(Embed, Contract_17_ASocketThatAPausedServerLostShows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    Pair other;
    int fds[2];
    for (int &socket : fds) {
        socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(::listen(socket, 5), 0);
    }
    evl_server *server = nullptr;
    EXPECT_EQ(evl_server_listen_fds(w.loop, fds, 2, nullptr, &server), 0);
    EXPECT_EQ(evl_server_on_connection(server, note_done, &w), 0);
    host.settle();
    EXPECT_EQ(::dup2(other.b, fds[1]), fds[1]); // closed behind its back, and used again
    EXPECT_EQ(evl_server_pause(server), 0);
    evl_io *io = w.io(fds[1], EVL_WRITE, [] {}, EVL_IO_ONESHOT);
    host.settle();
    EXPECT_EQ(evl_server_sockets(server), 1);
    EXPECT_FALSE(host.readable());
    w.clear();
    EXPECT_EQ(evl_server_resume(server), 0);
    host.serve();
    EXPECT_EQ(w.log(), "done");
    evl_stream *none = nullptr;
    EXPECT_LT(evl_server_accept(server, &none), 0);
    evl_close(io);
    ::close(fds[1]);
    evl_close(server);
    host.settle();
}

// The alarm's expiry is taken by the poll of the dispatch, and what is left is due all the same.
TEST(Embed, Contract_17_WhatADispatchLeavesDueShows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    int ran = 0;
    for (int round = 0; round < 2; round++) { // more than a pass takes: timers, then wall-clock timers
        int64_t at = evl_time(w.loop) + 2 * ms, wall = evl_wall_time(w.loop) + 2 * ms;
        std::vector<evl_handle *> timers;
        for (int i = 0; i < 600; i++)
            timers.push_back(round ? w.wall_at(wall, [&] { ran++; }) : w.timer_at(at, [&] { ran++; }));
        while (ran < 600 && !HasFailure())
            host.serve();
        EXPECT_EQ(ran, 600);
        EXPECT_FALSE(host.readable());
        for (evl_handle *timer : timers)
            evl_close(timer);
        ran = 0;
    }
    int64_t past =
        evl_time(w.loop) - 1; // the same past deadline again and again, in its callback and between
    evl_timer *timer = nullptr;
    timer = w.timer([&] { ++ran % 4 ? evl_timer_start_at(timer, past, 0) : 0; });
    for (int i = 1; i <= 3; i++) {
        evl_timer_start_at(timer, past, 0);
        host.settle();
        EXPECT_EQ(ran, 4 * i);
        EXPECT_FALSE(host.readable());
    }
}

TEST(Embed, Contract_17_TheDeadlineOfAnOperationShows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    evl_op *op = w.op(w.says("over"));
    EXPECT_EQ(evl_sleep(w.loop, op, 3600 * sec), 0);
    host.settle();
    EXPECT_EQ(evl_op_deadline(op, evl_time(w.loop) + 2 * ms), 0);
    host.serve();
    EXPECT_EQ(w.log(), "over");
}

// The loop makes itself a new queue when one has an entry that cannot be deleted. A host's own epoll knows
// the fd by its file.
TEST(Embed, Contract_17_AHostWithAnEpollOfItsOwnOutlivesANewQueue) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w) || !w.on("epoll"))
        return;
    Fd host(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event ev{};
    ev.events = EPOLLIN;
    int fd = evl_loop_fd(w.loop), done = 0;
    ASSERT_EQ(::epoll_ctl(host, EPOLL_CTL_ADD, fd, &ev), 0);
    for (int i = 0; i < 3; i++) {
        Pair p;
        evl_io *io = w.io(p.a, EVL_READ, [] {});
        Child inherits([] { ::pause(); }); // it has the set that the loop replaces
        Fd copy(::fcntl(p.a, F_DUPFD_CLOEXEC, 0));
        p.a.close();
        evl_close(io);
        p.b.put();
        for (int round = 1; round <= 3; round++) {
            w.post([&] { done++; });
            while (done < 3 * i + round) {
                ASSERT_EQ(::epoll_wait(host, &ev, 1, kPatience), 1) << "the host was never woken";
                EXPECT_GE(w.dispatch(), 0);
            }
        }
        for (int left = 10; ::epoll_wait(host, &ev, 1, 0) == 1; left--) {
            ASSERT_GT(left, 0) << "readable with nothing to do";
            EXPECT_GE(w.dispatch(), 0);
        }
        inherits.kill();
    }
    EXPECT_EQ(evl_loop_fd(w.loop), fd);
}

TEST(Embed, Contract_17_AStopShows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    EXPECT_FALSE(host.readable());
    on_thread([&] { evl_stop(w.loop, 77); });
    EXPECT_TRUE(host.readable(kPatience));
    EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), 77);
    EXPECT_FALSE(host.readable());
}

TEST(Embed, Contract_17_OneWakeForOneDeadlineAndNoneBefore) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    std::vector<evl_timer *> timers;
    int64_t start = evl_time(w.loop);
    timers.push_back(w.timer_in(5 * ms, w.says("moved")));
    timers.push_back(w.timer_in(30 * ms, w.says("fired")));
    host.settle();
    evl_timer_start_in(timers[0], 3600 * sec, 0); // moved later: no wake of its own
    host.settle();
    int before = host.wakes;
    EXPECT_TRUE(host.readable(kPatience));
    EXPECT_GE(evl_time(w.loop) - start, 5 * ms);
    host.settle();
    while (w.log().empty()) {
        EXPECT_TRUE(host.readable(kPatience));
        host.settle();
    }
    EXPECT_GE(evl_time(w.loop) - start, 30 * ms);
    EXPECT_EQ(w.log(), "fired");
    EXPECT_LE(host.wakes - before, 2);
    EXPECT_FALSE(host.readable());
}

// The proof by a host that starts timers, calls and posts between its dispatches and is never late or busy.
TEST(Embed, Contract_17_AHostThatDispatchesOnlyWhenToldTo) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    Pair p;
    int done = 0, expected = 0;
    w.io(p.a, EVL_READ, [&] { done += static_cast<int>(p.a.drain()); });
    std::vector<evl_timer *> timers;
    for (int i = 0; i < 8; i++)
        timers.push_back(w.timer([&] { done++; }));
    const int rounds = slow() ? 100 : 400;
    for (int i = 0; i < rounds; i++) {
        switch (i % 5) {
        case 0:
            w.call([&] { done++; });
            break;
        case 1:
            on_thread([&] { w.post([&] { done++; }); });
            break;
        case 2:
            evl_timer_start_in(timers[static_cast<size_t>(i) % timers.size()], (i % 3) * 200 * us, 0);
            break;
        case 3:
            p.b.put();
            break;
        default: // from a callback of the loop
            w.call([&] { w.post([&] { done++; }); });
        }
        expected++;
        while (done < expected && !::testing::Test::HasFailure())
            host.serve();
        ASSERT_EQ(done, expected) << "round " << i;
    }
    EXPECT_LE(host.wakes, rounds * 4);
}

// "Answers 1 while more is ready", so that a host with an edge-triggered watch knows when to stop.
TEST(Embed, Contract_17_DispatchAnswersOneWhileMoreIsReady) {
    World w;
    EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), 0);
    int left = 3;
    std::function<void()> again = [&] {
        if (--left > 0)
            evl_call_soon(w.loop, World::always, w.arg([&] { again(); }));
    };
    again();
    EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), 1);
    EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), 0);
    EXPECT_EQ(left, 0);
    evl_call_soon(w.loop, nullptr, nullptr); // a record is work as well
    EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), 1);
    evl_record record;
    EXPECT_EQ(evl_loop_records(w.loop, &record, 1, 0), 1);
    EXPECT_EQ(evl_loop_dispatch(w.loop, nullptr, 0), 0);
}

TEST(Embed, Contract_17_AnEdgeTriggeredHost) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    if (!w.on("epoll"))
        return; // edges of a kernel queue inside another are the kernel's business
    Fd host(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event ev{};
    ev.events = EPOLLIN | EPOLLET;
    int fd = evl_loop_fd(w.loop);
    ASSERT_EQ(::epoll_ctl(host, EPOLL_CTL_ADD, fd, &ev), 0);
    Pair p;
    int done = 0;
    w.io(p.a, EVL_READ, [&] { p.a.drain(), done++; });
    evl_timer *timer = w.timer([&] { done++; });
    const std::function<void()> causes[] = {[&] { p.b.put(); }, [&] { w.call([&] { done++; }); },
                                            [&] { w.post([&] { done++; }); },
                                            [&] { evl_timer_start_in(timer, 1 * ms, 0); }};
    for (int i = 0; i < 40; i++) {
        while (w.dispatch() == 1) {
        }
        causes[i % 4]();
        int before = done;
        while (done == before) {
            ASSERT_EQ(::epoll_wait(host, &ev, 1, kPatience), 1) << "no edge for cause " << i % 4;
            while (w.dispatch() == 1) {
            }
        }
    }
    ::epoll_ctl(host, EPOLL_CTL_DEL, fd, nullptr);
}

TEST(Embed, Contract_17_TimersOfAVirtualClockShowWhenADispatchWouldRunThem) {
    World w({.clock = EVL_CLOCK_MANUAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    w.timer_in(1, w.says("timer"));
    w.wall_at(evl_wall_time(w.loop) + 10, w.says("wall"));
    host.settle();
    EXPECT_FALSE(host.readable(20));
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(evl_clock_advance(w.loop, 1), 0);
    host.serve();
    EXPECT_EQ(w.log(), "timer");
    EXPECT_EQ(evl_wall_set(w.loop, evl_wall_time(w.loop) + 10), 0);
    host.serve();
    EXPECT_EQ(w.log(), "timer wall");
    World jumps;
    Host jumping(jumps);
    jumps.timer_in(1, jumps.says("timer"));
    jumping.serve();
    EXPECT_EQ(jumps.log(), "timer");
}

TEST(Embed, Contract_17_TheLoopMayStillBeRunByItself) {
    World w({.clock = EVL_CLOCK_REAL});
    if (without_loop_fd(w))
        return;
    Host host(w);
    w.timer_in(2 * ms, w.says("timer"));
    w.call(w.says("call"));
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "call timer");
    host.settle();
    w.timer_in(2 * ms, w.says("again"));
    host.serve();
    EXPECT_EQ(w.log(), "call timer again");
}

// --- prepare and dispatch, on every backend
// -----------------------------------------------------------------------------

// A host that waits with poll(2) for what prepare says; its masks are poll's.
class RowHost {
  public:
    explicit RowHost(World &w) : w_(w) {}

    // One turn, of at most `patience` ms; answers what dispatch answered.
    int32_t turn(int patience = kPatience) {
        int64_t timeout = 0;
        int32_t n = evl_loop_prepare(w_.loop, nullptr, 0, nullptr);
        EXPECT_GE(n, 0);
        rows_.resize(static_cast<size_t>(n));
        EXPECT_EQ(evl_loop_prepare(w_.loop, rows_.data(), n, &timeout), n);
        timeout_ = timeout;
        std::vector<pollfd> polled;
        for (const evl_poll_row &row : rows_)
            polled.push_back({row.fd, static_cast<short>(row.wanted), 0});
        int ms_left =
            timeout < 0 ? patience : static_cast<int>(std::min<int64_t>(patience, (timeout + ms - 1) / ms));
        EXPECT_GE(::poll(polled.data(), polled.size(), ms_left), 0);
        for (size_t i = 0; i < rows_.size(); i++)
            rows_[i].reported = static_cast<uint32_t>(polled[i].revents);
        return w_.dispatch(rows_.data(), n);
    }

    // Turns until the log says so.
    void until_log(const std::string &log) {
        for (int i = 0; i < 50 && w_.log() != log; i++)
            turn();
        EXPECT_EQ(w_.log(), log);
    }

    int64_t timeout() const { return timeout_; }

  private:
    World &w_;
    std::vector<evl_poll_row> rows_;
    int64_t timeout_ = 0;
};

TEST(Embed, Contract_17_PrepareAndDispatchEverywhere) {
    World w({.clock = EVL_CLOCK_REAL});
    RowHost host(w);
    Pair p;
    Pipe full;
    full.w.put(-1);
    w.io(p.a, EVL_READ, [&] { p.a.drain(), w.note("read"); });
    w.io(full.w, EVL_WRITE, w.says("write"), EVL_IO_ONESHOT);
    host.turn(0);
    EXPECT_EQ(w.log(), "");
    p.b.put();
    host.until_log("read");
    full.r.drain();
    host.until_log("read write");
    w.timer_in(3 * ms, w.says("timer"));
    host.until_log("read write timer");
    std::thread poster([&] { w.post(w.says("post")); });
    host.until_log("read write timer post");
    poster.join();
    w.call(w.says("call"));
    host.until_log("read write timer post call");
    evl_signal *signal = w.signal(SIGUSR1, w.says("signal"));
    raise(SIGUSR1);
    host.until_log("read write timer post call signal");
    evl_close(signal);
    p.b.close(); // a hangup reaches the reader
    host.until_log("read write timer post call signal read");
}

// poll(2) says of a closed number that it is one, again and again.
TEST(Embed, Contract_17_AClosedFdAmongTheRows) {
    World w({.clock = EVL_CLOCK_REAL});
    if (w.caps() & EVL_CAP_LOOP_FD)
        return;
    static_assert(EVL_NVAL == POLLNVAL);
    RowHost host(w);
    Pipe pipe;
    evl_io *io =
        w.io(pipe.r, EVL_READ, [&](int64_t result) { w.note(evl_err_name(static_cast<int32_t>(result))); });
    host.turn(0);
    pipe.r.close();
    host.until_log("EVL_EBADF");
    evl_close(io);
}

TEST(Embed, Contract_17_PrepareSaysHowLongTheHostMayWait) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    sys.freeze_time();
    int64_t timeout = 5;
    auto prepared = [&] {
        EXPECT_GE(evl_loop_prepare(w.loop, nullptr, 0, &timeout), 0);
        return timeout;
    };
    EXPECT_EQ(prepared(), -1);
    evl_timer *timer = w.timer_in(30 * ms, [] {});
    EXPECT_EQ(prepared(), 30 * ms);
    sys.advance(10 * ms);
    EXPECT_EQ(prepared(), 20 * ms);
    sys.advance(30 * ms);
    EXPECT_EQ(prepared(), 0);
    evl_close(timer);
    EXPECT_EQ(prepared(), -1);
    w.call([] {});
    EXPECT_EQ(prepared(), 0);
    w.nowait();
    EXPECT_EQ(prepared(), -1);
    w.post([] {});
    EXPECT_EQ(prepared(), 0);
    w.nowait();
    World manual({.clock = EVL_CLOCK_MANUAL});
    manual.timer_in(1, [] {});
    EXPECT_GE(evl_loop_prepare(manual.loop, nullptr, 0, &timeout), 0);
    EXPECT_EQ(timeout, -1); // waiting does not help
    evl_clock_advance(manual.loop, 1);
    EXPECT_GE(evl_loop_prepare(manual.loop, nullptr, 0, &timeout), 0);
    EXPECT_EQ(timeout, 0);
}

// A clock that jumps may not while something else could come first; what is due is due all the same.
TEST(Embed, Contract_17_PrepareWithAJumpingClockThatMayNotJump) {
    World w;
    int64_t timeout = 5;
    auto prepared = [&] {
        EXPECT_GE(evl_loop_prepare(w.loop, nullptr, 0, &timeout), 0);
        return timeout;
    };
    EXPECT_EQ(prepared(), -1);
    w.timer_in(30 * ms, w.says("later"));
    EXPECT_EQ(prepared(), 0); // it jumps in the dispatch
    EXPECT_EQ(evl_loop_hold(w.loop), 0);
    EXPECT_EQ(prepared(), -1);
    w.timer_at(evl_time(w.loop), w.says("due"));
    EXPECT_EQ(prepared(), 0);
    w.dispatch();
    EXPECT_EQ(w.log(), "due");
    EXPECT_EQ(prepared(), -1);
    EXPECT_EQ(evl_loop_unhold(w.loop), 0);
    EXPECT_EQ(prepared(), 0);
    w.dispatch();
    EXPECT_EQ(w.log(), "due later");
    EXPECT_EQ(prepared(), -1);
}

TEST(Embed, Contract_17_PrepareWritesNoMoreRowsThanThereIsRoomFor) {
    World w;
    std::vector<Pair> pairs(10);
    for (Pair &p : pairs)
        w.io(p.a, EVL_READ, [] {});
    evl_poll_row rows[64];
    for (evl_poll_row &row : rows)
        row = {-7, 7, 7};
    int32_t n = evl_loop_prepare(w.loop, rows, 1, nullptr);
    EXPECT_GE(n, 1);
    EXPECT_NE(rows[0].fd, -7);
    EXPECT_EQ(rows[1].fd, -7);
    EXPECT_EQ(evl_loop_prepare(w.loop, rows, 64, nullptr), n);
    for (int32_t i = 0; i < n; i++)
        EXPECT_EQ(rows[i].wanted & ~7u, 0u); // read, priority, write
    if (!(w.caps() & EVL_CAP_LOOP_FD)) {
        EXPECT_GE(n, 10);
    }
}

TEST(Embed, Contract_17_WhatWasClosedBetweenPrepareAndDispatchIsSilent) {
    World w;
    std::vector<Pair> pairs(3);
    std::vector<evl_io *> ios;
    for (Pair &p : pairs) {
        p.b.put();
        ios.push_back(w.io(p.a, EVL_READ, w.says("io")));
    }
    evl_poll_row rows[64];
    int32_t n = evl_loop_prepare(w.loop, rows, 64, nullptr);
    for (int32_t i = 0; i < n; i++)
        rows[i].reported = rows[i].wanted;
    evl_close(ios[0]);
    evl_io_set(ios[1], 0);
    w.dispatch(rows, n);
    EXPECT_EQ(w.log(), "io");
}

TEST(Embed, BadInput) {
    World w;
    evl_poll_row row{};
    EXPECT_EQ(evl_loop_fd(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_prepare(nullptr, &row, 1, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_prepare(w.loop, nullptr, 1, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_prepare(w.loop, &row, -1, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_dispatch(nullptr, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_loop_dispatch(w.loop, &row, -1), EVL_EINVAL);
}

// --- traps
// ----------------------------------------------------------------------------------------------------------------

// What was changed since the last dispatch is in the kernel when the host polls.
TEST(Trap, Trap_25_ChangesBetweenDispatchesAreFlushedForTheHost) {
    World w({.clock = EVL_CLOCK_REAL});
    RowHost rows(w);
    Pair p;
    evl_io *io = w.io(p.a, EVL_READ, w.says("io"), EVL_IO_ONESHOT);
    rows.turn(0);
    evl_io_set(io, EVL_WRITE); // ready at once
    rows.until_log("io");
    if (w.caps() & EVL_CAP_LOOP_FD) {
        Host host(w);
        host.settle();
        evl_io_set(io, EVL_WRITE);
        EXPECT_TRUE(host.readable(kPatience));
        host.settle();
        EXPECT_EQ(w.log(), "io io");
    }
}

} // namespace
