// server_accept_test.cpp - accepting: by callback, by operation, within budgets and limits, without fds.
#include "servers.hpp"

#include <poll.h>

using namespace servers;

namespace {

// --- by callback ------------------------------------------------------------------------------------------

TEST(Accept, NothingIsAcceptedBeforeSomebodyWantsIt) {
    World w;
    Sys sys;
    Server server(w);
    Fd peer = server.connect();
    passes(w);
    EXPECT_EQ(sys.calls(Call::accept), 0u);
    EXPECT_EQ(w.run(), EVL_RUN_DONE) << "and it keeps nothing alive";
    server.take();
    server.take(1);
    EXPECT_EQ(server.takes, std::vector<int>{1});
}

TEST(Accept, OutsideOfTheCallbackNothingIsKnownToWait) {
    World w;
    Server server(w);
    evl_stream *s = nullptr;
    EXPECT_EQ(evl_server_accept(server.s, &s), EVL_EAGAIN);
    EXPECT_EQ(s, nullptr);
}

TEST(Accept, AnAcceptedStreamTalks) {
    World w;
    Server server(w);
    server.take();
    Fd peer = server.connect();
    server.take(1);
    evl_stream *s = server.streams[0];
    EXPECT_EQ(write(s, "hello"), 5);
    EXPECT_EQ(got(peer), "hello");
    Read read(w);
    EXPECT_EQ(read.some(s), 0);
    put(peer, "there");
    pump(w, [&] { return read.done(); });
    EXPECT_EQ(read.text(), "there");
}

TEST(Accept, WhatACallbackLeavesComesAgain) {
    World w;
    Server server(w);
    int calls = 0;
    ASSERT_EQ(evl_server_on_connection(server.s, World::done(), w.arg([&] {
                  evl_stream *s = nullptr;
                  if (++calls > 3) {
                      EXPECT_EQ(evl_server_accept(server.s, &s), 0);
                      server.streams.push_back(s);
                  }
              })),
              0);
    std::vector<Fd> peers = server.connect_all(2);
    server.take(2);
    EXPECT_EQ(calls, 5) << "one after three calls that took nothing, and one more";
    passes(w);
    EXPECT_EQ(calls, 5);
}

TEST(Accept, Asyncio_040_Contract_14_ThirtyTwoInAPass) {
    World w;
    Server server(w);
    server.take();
    std::vector<Fd> peers = server.connect_all(70);
    server.take(70);
    EXPECT_EQ(server.takes, (std::vector<int>{32, 32, 6}));
}

TEST(Accept, AnotherCallbackTakesTheFirstOnesPlace) {
    World w;
    Server server(w);
    server.take();
    w.nowait();
    EXPECT_EQ(evl_server_on_connection(server.s, World::done(), w.arg([&] {
                  evl_stream *s = nullptr;
                  EXPECT_EQ(evl_server_accept(server.s, &s), 0);
                  w.note("second");
              })),
              0);
    Fd peer = server.connect();
    passes(w);
    EXPECT_EQ(w.log(), "second");
    EXPECT_TRUE(server.takes.empty());
}

TEST(Accept, ClosedInItsOwnCallback) {
    World w;
    Server server(w, nullptr, "localhost");
    ASSERT_EQ(evl_server_on_connection(server.s, World::done(), w.arg([&] {
                  EXPECT_EQ(evl_server_accept(server.s, &server.streams.emplace_back()), 0);
                  EXPECT_EQ(evl_close(server.s), 0);
              })),
              0);
    std::vector<Fd> peers = server.connect_all(3);
    server.take(1);
    passes(w);
    EXPECT_EQ(write(server.streams[0], "alive"), 5);
    EXPECT_EQ(got(peers[0]), "alive");
    EXPECT_TRUE(at_end(peers[1]));
}

// --- by operation -----------------------------------------------------------------------------------------

TEST(Accept, OperationsAreServedInOrder) {
    World w;
    Server server(w);
    Accept a(w), b(w), c(w);
    for (Accept *each : {&a, &b, &c})
        EXPECT_EQ(each->start(server.s), 0);
    passes(w);
    std::vector<Fd> peers = server.connect_all(2);
    pump(w, [&] { return b.done(); });
    passes(w);
    EXPECT_EQ(a.result, 0);
    EXPECT_EQ(b.result, 0);
    EXPECT_FALSE(c.done());
    put(peers[0], "1");
    Read read(w);
    EXPECT_EQ(read.some(a.stream), 0);
    pump(w, [&] { return read.done(); });
    EXPECT_EQ(read.text(), "1") << "the first got the first";
    EXPECT_EQ(evl_op_cancel(c.op), 1);
    passes(w);
    EXPECT_EQ(c.result, EVL_ECANCELED);
    EXPECT_EQ(c.stream, nullptr);
}

TEST(Accept, OneThatIsCancelledInTheMiddleLeavesTheOrder) {
    World w;
    Server server(w);
    Accept a(w), b(w), c(w);
    for (Accept *each : {&a, &b, &c})
        EXPECT_EQ(each->start(server.s), 0);
    EXPECT_EQ(evl_op_cancel(b.op), 1);
    std::vector<Fd> peers = server.connect_all(2);
    pump(w, [&] { return a.done() && c.done(); });
    EXPECT_EQ(a.result, 0);
    EXPECT_EQ(b.result, EVL_ECANCELED);
    EXPECT_EQ(c.result, 0);
    EXPECT_EQ(b.stream, nullptr);
    Fd late = server.connect();
    passes(w);
    EXPECT_EQ(b.start(server.s), 0);
    pump(w, [&] { return b.done(); });
    EXPECT_EQ(b.result, 0) << "what came for nobody waits";
}

TEST(Accept, OperationsGoBeforeTheCallback) {
    World w;
    Server server(w);
    server.take();
    Accept accept(w);
    EXPECT_EQ(accept.start(server.s), 0);
    Fd first = server.connect();
    pump(w, [&] { return accept.done(); });
    EXPECT_TRUE(server.streams.empty());
    Fd second = server.connect();
    server.take(1);
}

TEST(Accept, Contract_05_ACancelledAcceptHasTakenNothing) {
    enum { started, waiting, ready };
    for (bool close : {false, true})
        for (int state : {started, waiting, ready}) {
            World w;
            Sys sys;
            Server server(w);
            Accept accept(w);
            EXPECT_EQ(accept.start(server.s), 0);
            auto end = [&] { EXPECT_EQ(close ? evl_op_close(accept.op) : evl_op_cancel(accept.op), !close); };
            if (state != started)
                passes(w);
            if (state != ready)
                end();
            Fd peer = server.connect();
            if (state == ready)
                w.call(end); // runs before it, in the same pass
            passes(w);
            EXPECT_EQ(accept.result, close ? pending : int64_t{EVL_ECANCELED});
            EXPECT_EQ(accept.stream, nullptr);
            EXPECT_EQ(sys.calls(Call::accept), 0u);
            EXPECT_EQ(accept.start(server.s), 0);
            pump(w, [&] { return accept.done(); });
            EXPECT_EQ(accept.result, 0);
        }
}

// Two wait, one connection comes, and the first is cancelled while it is ready: the second gets it.
TEST(Accept, Contract_05_ACancelledAcceptHandsOn) {
    World w;
    Server server(w);
    Accept first(w), second(w);
    EXPECT_EQ(first.start(server.s), 0);
    EXPECT_EQ(second.start(server.s), 0);
    passes(w);
    Fd peer = server.connect();
    w.call([&] { EXPECT_EQ(evl_op_cancel(first.op), 1); });
    pump(w, [&] { return second.done(); });
    EXPECT_EQ(first.result, EVL_ECANCELED);
    EXPECT_EQ(second.result, 0);
    EXPECT_EQ(evl_server_connections(server.s), 1);
}

TEST(Accept, ADeadlineEndsIt) {
    World w;
    Server server(w);
    Accept accept(w);
    EXPECT_EQ(accept.start(server.s), 0);
    EXPECT_EQ(evl_op_deadline(accept.op, evl_now(w.loop) + 5 * ms), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(accept.result, EVL_ETIMEDOUT);
    server.take();
    Fd peer = server.connect();
    server.take(1);
}

TEST(Accept, AFutureOfAConnection) {
    World w;
    Server server(w);
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(w.loop, &future), 0);
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_server_accept_op(server.s, evl_future_op(future), &s), 0);
    Fd peer = server.connect();
    pump(w, [&] { return evl_future_state(future) != EVL_FUTURE_PENDING; });
    EXPECT_NE(s, nullptr);
    evl_future_unref(future);
}

// --- pausing ----------------------------------------------------------------------------------------------

TEST(Accept, PausedWhoComesWaits) {
    World w;
    Sys sys;
    Server server(w);
    server.take();
    EXPECT_EQ(evl_server_pause(server.s), 0);
    EXPECT_EQ(evl_server_pause(server.s), 0);
    Fd peer = server.connect();
    passes(w);
    EXPECT_TRUE(server.takes.empty());
    EXPECT_EQ(sys.calls(Call::accept), 0u);
    evl_stream *s = nullptr;
    EXPECT_EQ(evl_server_accept(server.s, &s), EVL_EAGAIN);
    EXPECT_EQ(evl_server_resume(server.s), 0);
    EXPECT_EQ(evl_server_resume(server.s), 0);
    server.take(1);
}

TEST(Accept, WhatWasDueIsTakenBackByAPause) {
    World w;
    Server server(w);
    server.take();
    passes(w);
    Fd peer = server.connect();
    w.call([&] { EXPECT_EQ(evl_server_pause(server.s), 0); });
    Accept accept(w);
    passes(w);
    EXPECT_TRUE(server.takes.empty());
    EXPECT_EQ(accept.start(server.s), 0);
    passes(w);
    EXPECT_FALSE(accept.done());
    EXPECT_EQ(evl_server_resume(server.s), 0);
    pump(w, [&] { return accept.done(); });
    EXPECT_EQ(accept.result, 0);
}

TEST(Accept, APausedServerStillKeepsTheLoopAlive) {
    World w;
    Server server(w);
    server.take();
    EXPECT_EQ(evl_server_pause(server.s), 0);
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    EXPECT_EQ(evl_server_stop(server.s), 0);
    EXPECT_EQ(w.nowait(), EVL_RUN_DONE);
}

// --- so many connections at a time ------------------------------------------------------------------------

TEST(Accept, TheLimitOfConnections) {
    World w;
    Sys sys;
    evl_server_options options = with();
    options.max_connections = 2;
    Server server(w, &options);
    server.take();
    std::vector<Fd> peers = server.connect_all(5);
    server.take(2);
    uint64_t before = w.metrics().passes, asked = sys.calls(Call::accept);
    w.timer_in(sec, [] {});
    w.once();
    EXPECT_LE(w.metrics().passes - before, 3u) << "nobody spins";
    EXPECT_EQ(sys.calls(Call::accept), asked);
    EXPECT_EQ(evl_server_connections(server.s), 2);
    EXPECT_EQ(evl_stream_abort(server.streams[0]), 0);
    server.take(3);
    EXPECT_EQ(evl_server_abort_clients(server.s), 2);
    server.take(5);
    EXPECT_EQ(evl_server_connections(server.s), 2);
}

TEST(Accept, TheLimitHoldsForOperations) {
    World w;
    evl_server_options options = with();
    options.max_connections = 1;
    Server server(w, &options);
    Accept first(w), second(w);
    EXPECT_EQ(first.start(server.s), 0);
    EXPECT_EQ(second.start(server.s), 0);
    std::vector<Fd> peers = server.connect_all(2);
    pump(w, [&] { return first.done(); });
    passes(w);
    EXPECT_FALSE(second.done());
    EXPECT_EQ(evl_stream_abort(first.stream), 0);
    pump(w, [&] { return second.done(); });
    EXPECT_EQ(second.result, 0);
}

// Clients that never close must not keep others out.
TEST(Accept, WhoLingersDoesNotCountForTheLimit) {
    World w;
    evl_server_options options = with();
    options.max_connections = 2;
    Server server(w, &options);
    server.take();
    std::vector<Fd> peers = server.connect_all(6);
    for (size_t i = 0; i < 6; i++) {
        pump(w, [&] { return server.streams.size() > i; });
        passes(w);
        EXPECT_LE(server.streams.size(), i + 2) << "two are open";
        EXPECT_EQ(write(server.streams[i], "408"), 3);
        EXPECT_EQ(evl_close(server.streams[i]), 0);
    }
    EXPECT_EQ(evl_server_connections(server.s), 6) << "they live";
}

TEST(Accept, TheServerSaysHowLongItsStreamsLinger) {
    World w({.clock = EVL_CLOCK_MANUAL});
    evl_server_options options = with();
    options.linger_ns = 2 * sec;
    Server server(w, &options);
    server.take();
    std::vector<Fd> peers = server.connect_all(2);
    server.take(2);
    EXPECT_EQ(evl_stream_set_linger(server.streams[1], 3 * sec), 0);
    for (evl_stream *stream : server.streams) {
        EXPECT_EQ(write(stream, "x"), 1);
        EXPECT_EQ(evl_close(stream), 0);
    }
    for (int left : {2, 1, 0}) {
        EXPECT_EQ(evl_clock_advance(w.loop, left == 2 ? 2 * sec - 1 : left == 1 ? 1 : sec), 0);
        passes(w);
        EXPECT_EQ(evl_server_connections(server.s), left);
    }
    options.reserved = 1;
    evl_server *refused = nullptr;
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", &options, &refused), EVL_EINVAL);
}

// A connection that lingers is one that lives; one that was detached is nobody's.
TEST(Accept, WhatCountsAsAConnection) {
    World w;
    Server server(w);
    server.take();
    std::vector<Fd> peers = server.connect_all(2);
    server.take(2);
    EXPECT_EQ(write(server.streams[0], "x"), 1);
    EXPECT_EQ(evl_close(server.streams[0]), 0);
    EXPECT_EQ(evl_server_connections(server.s), 2) << "it lingers";
    peers[0].close();
    pump(w, [&] { return evl_server_connections(server.s) == 1; });
    Fd mine(evl_stream_detach(server.streams[1], nullptr, 0, nullptr));
    EXPECT_EQ(evl_server_connections(server.s), 0);
    put(mine, "y");
    EXPECT_EQ(got(peers[1]), "y");
}

int64_t monotonic() {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * sec + now.tv_nsec;
}

// --- no room for one more fd ------------------------------------------------------------------------------

TEST(Accept, Contract_15_AtTheFdLimitItRestsAndComesBack) {
    const std::pair<int, int32_t> rows[] = {{EMFILE, EVL_CLOCK_JUMP},
                                            {ENFILE, EVL_CLOCK_JUMP},
                                            {ENOBUFS, EVL_CLOCK_MANUAL},
                                            {ENOMEM, EVL_CLOCK_REAL}};
    for (auto [error, clock] : rows) {
        World w({.clock = clock});
        Sys sys;
        sys.freeze_time();
        Server server(w);
        server.take();
        Fd peer = server.connect();
        sys.fail(Call::accept, error, 0, 10);
        int64_t start = sys.now(), time = evl_time(w.loop);
        uint64_t before = w.metrics().passes;
        while (server.streams.empty())
            ASSERT_GE(w.once(), 0);
        EXPECT_TRUE(server.errors.empty());
        EXPECT_EQ(sys.calls(Call::accept), 12u) << "the last finds nobody";
        EXPECT_EQ(sys.now() - start, (5 + 10 + 20 + 40 + 80 + 160 + 320 + 640 + 1000 + 1000) * ms);
        EXPECT_LE(w.metrics().passes - before, 45u) << "nobody spins";
        EXPECT_TRUE(clock == EVL_CLOCK_REAL || evl_time(w.loop) == time) << "it brings no fds back";
        Fd second = server.connect();
        sys.fail(Call::accept, error);
        start = sys.now();
        while (server.streams.size() < 2)
            ASSERT_GE(w.once(), 0);
        EXPECT_EQ(sys.now() - start, 5 * ms) << "it begins anew";
    }
}

// What is due by the loop's clock goes on meanwhile.
TEST(Accept, Contract_15_ARestDoesNotHoldAJumpingClock) {
    World w;
    Sys sys;
    sys.freeze_time();
    Server server(w);
    server.take();
    Fd peer = server.connect();
    sys.fail(Call::accept, EMFILE);
    pump(w, [&] { return sys.calls(Call::accept) == 1; });
    int64_t start = sys.now();
    w.timer_in(3600 * sec, w.says("an hour"));
    ASSERT_GE(w.once(), 0);
    EXPECT_EQ(w.log(), "an hour");
    EXPECT_EQ(sys.now(), start);
    EXPECT_TRUE(server.streams.empty());
    while (server.streams.empty())
        ASSERT_GE(w.once(), 0);
    EXPECT_EQ(sys.now() - start, 5 * ms);
}

// Two at the limit, of which one rests longer.
TEST(Accept, Contract_15_EachHasItsOwnRest) {
    World w;
    Sys sys;
    sys.freeze_time();
    Server one(w), two(w);
    one.take();
    Fd first = one.connect();
    sys.fail(Call::accept, EMFILE, 0, 2);
    pump(w, [&] { return sys.calls(Call::accept) == 1; });
    int64_t start = sys.now();
    while (sys.calls(Call::accept) < 2)
        ASSERT_GE(w.once(), 0);
    EXPECT_EQ(sys.now() - start, 5 * ms);
    two.take();
    Fd second = two.connect();
    sys.fail(Call::accept, EMFILE);
    pump(w, [&] { return sys.calls(Call::accept) == 3; });
    start = sys.now();
    while (two.streams.empty())
        ASSERT_GE(w.once(), 0);
    EXPECT_EQ(sys.now() - start, 5 * ms);
    EXPECT_TRUE(one.streams.empty());
    while (one.streams.empty())
        ASSERT_GE(w.once(), 0);
    EXPECT_EQ(sys.now() - start, 10 * ms);
}

// A host's turn, by the fd of the loop or by its rows, that waits as long as the loop says.
void host(World &w, int fd) {
    evl_poll_row rows[16];
    std::vector<pollfd> polled;
    int64_t timeout = 10 * sec;
    int32_t n = fd >= 0 ? 0 : evl_loop_prepare(w.loop, rows, 16, &timeout);
    ASSERT_TRUE(n >= 0 && n <= 16);
    for (int32_t i = 0; i < n; i++)
        polled.push_back({rows[i].fd, static_cast<short>(rows[i].wanted), 0});
    if (fd >= 0)
        polled.push_back({fd, POLLIN, 0});
    timeout = timeout < 0 || timeout > 10 * sec ? 10 * sec : timeout;
    int ready = ::poll(polled.data(), polled.size(), static_cast<int>((timeout + ms - 1) / ms));
    EXPECT_TRUE(ready > 0 || timeout < 10 * sec) << "nothing told the host";
    for (int32_t i = 0; i < n; i++)
        rows[i].reported = static_cast<uint32_t>(polled[static_cast<size_t>(i)].revents);
    ASSERT_GE(w.dispatch(n > 0 ? rows : nullptr, n), 0);
}

TEST(Accept, Contract_15_AHostIsToldOfARest) {
    for (int32_t clock : {EVL_CLOCK_REAL, EVL_CLOCK_MANUAL, EVL_CLOCK_JUMP})
        for (bool by_fd : {true, false}) {
            World w({.clock = clock});
            if (by_fd && !(w.caps() & EVL_CAP_LOOP_FD))
                continue;
            Sys sys;
            Server server(w);
            server.take();
            int fd = by_fd ? evl_loop_fd(w.loop) : -1, turns = 0;
            sys.fail(Call::accept, EMFILE, 0, 2);
            Fd peer = server.connect();
            int64_t start = monotonic();
            while (server.streams.empty() && turns++ < 30)
                host(w, fd);
            EXPECT_LT(turns, 12) << "clock " << clock << " by_fd " << by_fd;
            EXPECT_GE(monotonic() - start, 15 * ms);
            EXPECT_EQ(server.streams.size(), 1u);
        }
}

TEST(Accept, Contract_15_OperationsRestToo) {
    for (int32_t clock : {EVL_CLOCK_REAL, EVL_CLOCK_MANUAL, EVL_CLOCK_JUMP}) {
        World w({.clock = clock});
        Sys sys;
        sys.freeze_time();
        Server server(w);
        Accept first(w), second(w);
        EXPECT_EQ(first.start(server.s), 0);
        EXPECT_EQ(second.start(server.s), 0);
        std::vector<Fd> peers = server.connect_all(2);
        sys.fail(Call::accept, EMFILE, 0, 3);
        int64_t start = sys.now();
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(first.result, 0);
        EXPECT_EQ(second.result, 0);
        EXPECT_EQ(sys.now() - start, 35 * ms);
    }
}

TEST(Accept, Contract_15_ARestEndsWithTheServerOrTheOperation) {
    World w;
    Sys sys;
    for (bool stop : {true, false}) {
        Server server(w);
        Accept accept(w);
        EXPECT_EQ(accept.start(server.s), 0);
        Fd peer = server.connect();
        sys.fail(Call::accept, EMFILE);
        pump(w, [&] { return sys.calls(Call::accept) == (stop ? 1u : 2u); });
        EXPECT_EQ(stop ? evl_server_stop(server.s) : evl_op_cancel(accept.op), stop ? 0 : 1);
        sys.forget_waits();
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(accept.result, stop ? EVL_ECLOSED : EVL_ECANCELED);
        for (int64_t wait : sys.waits())
            EXPECT_EQ(wait, 0) << "nothing waits for the rest";
    }
}

TEST(Accept, Contract_15_SheddingHangsUp) {
    World w;
    evl_server_options options = with();
    options.at_fd_limit = EVL_ACCEPT_SHED;
    Server server(w, &options);
    server.take();
    std::vector<Fd> peers = server.connect_all(3);
    Sys sys;
    static bool full;
    static int asked;
    static int (*real)(int, sockaddr *, socklen_t *);
    static int (*real_close)(int);
    full = true; // until an fd is closed
    asked = 0;
    real = evl_sys.accept;
    real_close = evl_sys.close;
    evl_sys.accept = [](int fd, sockaddr *address, socklen_t *length) {
        asked++;
        if (full) {
            errno = EMFILE;
            return -1;
        }
        full = true; // that was the last
        return real(fd, address, length);
    };
    evl_sys.close = [](int fd) {
        full = false;
        return real_close(fd);
    };
    static int (*real_socket)(int, int, int);
    real_socket = evl_sys.socket;
    evl_sys.socket = [](int a, int b, int c) {
        full = true;
        return real_socket(a, b, c);
    };
    for (const Fd &peer : peers)
        pump(w, [&] { return at_end(peer); });
    EXPECT_TRUE(server.streams.empty());
    EXPECT_TRUE(server.errors.empty());
    EXPECT_LE(asked, 2 * 3 + 2) << "when nobody waits, it stops";
    evl_sys.accept = real;
    evl_sys.close = real_close;
    evl_sys.socket = real_socket;
    Fd next = server.connect();
    server.take(1);
    EXPECT_EQ(evl_close(server.s), 0);
}

// The fd that was kept back was taken by somebody else meanwhile: it rests, and keeps one back again.
TEST(Accept, Contract_15_SheddingThatLostItsFd) {
    World w;
    evl_server_options options = with();
    options.at_fd_limit = EVL_ACCEPT_SHED;
    Server server(w, &options);
    server.take();
    Sys sys;
    sys.freeze_time();
    for (size_t i = 0; i < 3; i++) {
        Fd peer = server.connect();
        sys.fail(Call::accept, EMFILE);
        sys.fail(Call::socket, EMFILE);
        passes(w);
        ASSERT_TRUE(at_end(peer)) << i;
        Fd behind = server.connect();
        sys.fail(Call::accept, EMFILE);
        int64_t start = sys.now();
        while (server.streams.size() == i && sys.now() - start < 60 * sec)
            ASSERT_GE(w.once(), 0);
        EXPECT_EQ(sys.now() - start, 5 * ms);
    }
}

TEST(Accept, Contract_15_ReportingSaysSo) {
    World w;
    Sys sys;
    evl_server_options options = with();
    options.at_fd_limit = EVL_ACCEPT_REPORT;
    Server server(w, &options);
    Accept accept(w);
    EXPECT_EQ(accept.start(server.s), 0);
    Fd peer = server.connect();
    sys.fail(Call::accept, EMFILE);
    pump(w, [&] { return accept.done(); });
    EXPECT_EQ(accept.result, EVL_EMFILE);
    EXPECT_EQ(accept.stream, nullptr);
    sys.fail(Call::accept, EMFILE);
    server.take();
    server.take(1);
    EXPECT_EQ(server.errors, std::vector<int64_t>{EVL_EMFILE});
}

// There was no memory for a connection that the kernel has handed over already: it is not lost.
TEST(Accept, Contract_05_OutOfMemoryLosesNoConnection) {
    for (int32_t what : {EVL_ACCEPT_PAUSE, EVL_ACCEPT_SHED, EVL_ACCEPT_REPORT})
        for (bool op : {false, true}) {
            World w;
            evl_server_options options = with();
            options.at_fd_limit = what;
            Server server(w, &options);
            Accept accept(w);
            if (op)
                EXPECT_EQ(accept.start(server.s), 0);
            else
                server.take();
            passes(w);
            Fd peer = server.connect();
            w.memory.fail(1, 1000);
            pump(w, [&] { return w.memory.failed(); });
            passes(w);
            bool reports = what == EVL_ACCEPT_REPORT;
            w.memory.fail(0);
            EXPECT_EQ(evl_server_connections(server.s), 0);
            EXPECT_FALSE(at_end(peer));
            if (op && reports) {
                EXPECT_EQ(accept.result, EVL_ENOMEM);
                EXPECT_EQ(accept.start(server.s), 0);
            } else if (reports) {
                EXPECT_FALSE(server.errors.empty());
            }
            w.timer_in(60 * sec, [] {}); // the end of a wait that finds nothing
            for (int i = 0; i < 20 && server.streams.empty() && !(accept.done() && accept.result == 0); i++)
                w.once();
            evl_stream *s = op ? accept.stream : server.streams.empty() ? nullptr : server.streams[0];
            ASSERT_NE(s, nullptr) << what << op;
            EXPECT_EQ(write(s, "hello"), 5);
            EXPECT_EQ(got(peer), "hello");
        }
}

// Whoever waits behind a cancelled operation gets the connection that was kept.
TEST(Accept, Contract_05_AKeptConnectionIsHandedOn) {
    World w;
    evl_server_options options = with();
    options.at_fd_limit = EVL_ACCEPT_REPORT;
    Server server(w, &options);
    Accept failed(w), first(w), second(w);
    EXPECT_EQ(failed.start(server.s), 0);
    passes(w);
    Fd peer = server.connect();
    w.memory.fail(1, 1000);
    pump(w, [&] { return failed.done(); });
    w.memory.fail(0);
    EXPECT_EQ(failed.result, EVL_ENOMEM);
    EXPECT_EQ(first.start(server.s), 0);
    EXPECT_EQ(second.start(server.s), 0);
    EXPECT_EQ(evl_op_cancel(first.op), 1);
    for (int i = 0; i < 10 && !second.done(); i++)
        w.nowait();
    EXPECT_EQ(second.result, 0);
}

TEST(Accept, AKeptConnectionGoesWithTheServer) {
    World w;
    Server server(w);
    server.take();
    passes(w);
    Fd peer = server.connect();
    w.memory.fail(1, 1000);
    pump(w, [&] { return w.memory.failed(); });
    passes(w);
    w.memory.fail(0);
    EXPECT_EQ(evl_server_stop(server.s), 0);
    EXPECT_TRUE(at_end(peer));
}

// --- what else accept answers -----------------------------------------------------------------------------

TEST(Accept, AConnectionThatFailedMeanwhileIsPassedOver) {
    for (int error : {ECONNABORTED, EINTR, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH}) {
        World w;
        Sys sys;
        Server server(w);
        server.take();
        Fd peer = server.connect();
        sys.fail(Call::accept, error, 0, 40);
        server.take(1);
        EXPECT_TRUE(server.errors.empty());
    }
}

TEST(Accept, AnErrorOfTheSocketIsToldOnce) {
    World w;
    Sys sys;
    Server server(w);
    Accept accept(w);
    EXPECT_EQ(accept.start(server.s), 0);
    Fd peer = server.connect();
    sys.fail(Call::accept, EINVAL);
    pump(w, [&] { return accept.done(); });
    EXPECT_EQ(accept.result, EVL_EINVAL);
}

TEST(Accept, ASocketClosedBehindItsBack) {
    World w;
    Server server(w);
    server.take();
    passes(w);
    int fd = evl_server_fd(server.s, 0);
    Wait idle(w);
    EXPECT_EQ(evl_server_on_idle(server.s, idle.op), 0);
    EXPECT_GE(evl_fd_closing(w.loop, fd), 1);
    ::close(fd);
    EXPECT_TRUE(server.errors.empty()) << "never inline";
    EXPECT_EQ(evl_server_pause(server.s), 0);
    passes(w);
    EXPECT_EQ(server.errors, std::vector<int64_t>{EVL_ECLOSED});
    EXPECT_EQ(idle.result, 0) << "it has stopped, and has no connections";
    EXPECT_EQ(evl_server_sockets(server.s), 0);
    Accept accept(w);
    EXPECT_EQ(accept.start(server.s), EVL_ECLOSED);
    EXPECT_EQ(evl_server_on_connection(server.s, World::done(), w.arg([] {})), EVL_ECLOSED);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_close(server.s), 0);
}

TEST(Accept, OneOfTwoSocketsClosedBehindItsBack) {
    World w;
    evl_server *made = nullptr;
    ASSERT_EQ(evl_server_listen(w.loop, "localhost", "0", nullptr, &made), 0);
    Server server(w, made);
    Accept accept(w);
    EXPECT_EQ(accept.start(made), 0);
    passes(w);
    int fd = evl_server_fd(made, 0);
    EXPECT_GE(evl_fd_closing(w.loop, fd), 1);
    ::close(fd);
    EXPECT_EQ(evl_server_sockets(made), 1);
    EXPECT_EQ(SocketAddress(made, 0).host(), "::1");
    Fd peer = server.connect();
    pump(w, [&] { return accept.done(); });
    EXPECT_EQ(accept.result, 0);
}

TEST(Accept, Contract_12_TheLoopGoesWithEverythingOnIt) {
    World w;
    evl_server_options options = with();
    options.max_connections = 2;
    evl_server *two = nullptr;
    ASSERT_EQ(evl_server_listen(w.loop, "localhost", "0", &options, &two), 0);
    Server full(w, two), waiting(w), paused(w);
    EXPECT_EQ(evl_set_name(two, "front"), 0);
    full.take();
    std::vector<Fd> peers = full.connect_all(4);
    full.take(2);
    Accept behind(w), first(w), second(w);
    Wait idle(w);
    EXPECT_EQ(behind.start(two), 0);
    EXPECT_EQ(first.start(waiting.s), 0);
    EXPECT_EQ(second.start(waiting.s), 0);
    EXPECT_EQ(evl_server_on_idle(two, idle.op), 0);
    paused.take();
    EXPECT_EQ(evl_server_pause(paused.s), 0);
    EXPECT_EQ(write(full.streams[0], "x"), 1);
    EXPECT_EQ(evl_close(full.streams[0]), 0); // lingers
    passes(w);
    EXPECT_EQ(w.close(), EVL_EBUSY);
    evl_blocker blockers[8] = {};
    ASSERT_GE(evl_loop_blockers(w.loop, blockers, 8), 4);
    bool named = false;
    for (const evl_blocker &blocker : blockers)
        named |= std::strcmp(blocker.name, "front") == 0;
    EXPECT_TRUE(named);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_TRUE(behind.done()) << "who lingers makes room";
    for (Wait *op : {static_cast<Wait *>(&first), &idle}) {
        EXPECT_FALSE(op->done());
        EXPECT_EQ(evl_op_active(op->op), 0);
    }
}

TEST(Accept, Contract_16_SteadyStateAllocatesNothing) {
    World w;
    Server server(w);
    server.take();
    uint64_t before = 0;
    for (int i = 0; i < 40; i++) {
        if (i == 20)
            before = w.memory.calls();
        Fd peer = server.connect();
        server.take(1);
        EXPECT_EQ(evl_close(server.streams[0]), 0);
        server.streams.clear();
        passes(w, 2);
    }
    EXPECT_EQ(w.memory.calls(), before);
}

} // namespace
