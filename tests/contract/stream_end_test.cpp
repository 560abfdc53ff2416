// stream_end_test.cpp - how streams end: closing, lingering, shutting down, aborting, detaching.
#include "streams.hpp"
#include "watcher_peek.h"

#include <thread>

using namespace streams;

namespace {

void count_release(void *arg) { ++*static_cast<int *>(arg); }

// Reads until the end, slowly at first; the text, and the errno of the end.
std::pair<std::string, int> read_all_slowly(int fd, size_t step, int pause_us) {
    std::string all;
    std::vector<char> bytes(step);
    ::fcntl(fd, F_SETFL, 0);
    for (ssize_t n; (n = ::read(fd, bytes.data(), step)) != 0;) {
        if (n < 0)
            return {all, errno};
        all.append(bytes.data(), static_cast<size_t>(n));
        std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    }
    return {all, 0};
}

TEST(StreamClose, NothingWrittenNothingLingers) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        EXPECT_EQ(evl_close(link.s), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
        EXPECT_TRUE(at_end(link.peer));
        EXPECT_EQ(w.close(), 0);
    }
}

TEST(StreamClose, WaitsForTheOtherEnd) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        EXPECT_EQ(write(link.s, "bye"), 3);
        EXPECT_EQ(evl_close(link.s), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 1) << "the other end is not through";
        EXPECT_EQ(evl_loop_close(w.loop), EVL_EBUSY);
        EXPECT_EQ(got(link.peer), "bye");
        EXPECT_TRUE(at_end(link.peer)) << "this side is";
        put(link.peer, "too late");
        passes(w);
        EXPECT_EQ(evl_loop_alive(w.loop), 1);
        link.peer.close();
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(w.close(), 0);
    }
}

TEST(StreamClose, TheOtherEndWasThroughBefore) {
    for (Kind kind : kinds) {
        for (bool known : {false, true}) {
            World w;
            Link link(w, kind);
            Read r(w, 1);
            put(link.peer, "unread input");
            ::shutdown(link.peer, SHUT_WR);
            if (known) {
                EXPECT_EQ(r.some(link.s), 0);
                pump(w, [&] { return r.done(); });
            }
            passes(w);
            EXPECT_EQ(write(link.s, "answer"), 6);
            EXPECT_EQ(evl_close(link.s), 0);
            int64_t begin = evl_time(w.loop);
            EXPECT_EQ(w.run(), EVL_RUN_DONE);
            EXPECT_LT(evl_time(w.loop) - begin, sec) << "not by the linger time";
            auto [text, error] = read_all_slowly(link.peer, 100, 0);
            EXPECT_EQ(text, "answer");
            EXPECT_EQ(error, 0);
        }
    }
}

TEST(StreamClose, TheLastMegabytesArriveAtASlowReader) {
    for (Kind kind : kinds) {
        for (bool unread : {false, true}) {
            World w({.clock = EVL_CLOCK_REAL});
            Link link(w, kind);
            size_t size = slow() ? 1 << 20 : 8 << 20;
            std::string sent = pattern(size);
            if (unread)
                link.say(std::string(30000, 'i'));
            EXPECT_EQ(write(link.s, sent), static_cast<int64_t>(sent.size()));
            EXPECT_EQ(evl_close(link.s), 0);
            std::pair<std::string, int> seen;
            std::thread reader([&] {
                seen = read_all_slowly(link.peer, 65536, 2000);
                link.peer.close();
            });
            EXPECT_EQ(w.run(), EVL_RUN_DONE);
            reader.join();
            EXPECT_TRUE(seen.first == sent) << seen.first.size();
            EXPECT_EQ(seen.second, 0);
        }
    }
}

TEST(StreamClose, APipeIsFlushed) {
    World w({.clock = EVL_CLOCK_REAL});
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    std::string sent = pattern(1000000);
    EXPECT_EQ(write(s, sent), 1000000);
    EXPECT_EQ(evl_close(s), 0);
    std::pair<std::string, int> seen;
    std::thread reader([&] { seen = read_all_slowly(pipe.r, 65536, 100); });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    reader.join();
    EXPECT_TRUE(seen.first == sent);
}

TEST(StreamClose, TheLingerDeadlineHolds) {
    for (Kind kind : kinds) {
        for (bool queued : {false, true}) {
            World w;
            Link link(w, kind);
            int released = 0;
            EXPECT_EQ(evl_stream_set_linger(link.s, 3 * sec), 0);
            EXPECT_EQ(write(link.s, queued ? std::string(3000000, 'x') : "x"), queued ? 3000000 : 1);
            if (queued) {
                EXPECT_EQ(evl_stream_write_ref(link.s, "ref", 3, count_release, &released), 3);
            }
            int64_t begin = evl_time(w.loop);
            EXPECT_EQ(evl_close(link.s), 0);
            EXPECT_EQ(w.run(), EVL_RUN_DONE);
            EXPECT_EQ(evl_time(w.loop) - begin, queued ? 3 * sec : 250 * ms);
            EXPECT_EQ(released, queued ? 1 : 0);
            got(link.peer);
            if (kind == Kind::tcp && queued) {
                EXPECT_TRUE(at_end(link.peer));
            }
        }
    }
}

TEST(StreamClose, TenSecondsUnlessSaidAndEachItsOwn) {
    World w;
    Link a(w), b(w), c(w);
    EXPECT_EQ(evl_stream_set_linger(b.s, 2 * sec), 0);
    EXPECT_EQ(evl_stream_set_linger(c.s, 4 * sec), 0);
    int64_t begin = evl_time(w.loop);
    for (Link *link : {&a, &b, &c}) {
        write(link->s, "x");
        evl_close(link->s);
        got(link->peer);
    }
    for (auto [link, at] : {std::pair{&b, 2}, {&c, 4}, {&a, 10}}) {
        char byte;
        EXPECT_EQ(::send(link->peer, &byte, 1, MSG_NOSIGNAL), 1) << "still open";
        bool due = false;
        w.timer_at(begin + at * sec, [&] { due = true; });
        while (!due)
            w.once();
        EXPECT_EQ(evl_time(w.loop) - begin, at * sec);
        passes(w);
        EXPECT_TRUE(at_end(link->peer));
        (void)::send(link->peer, &byte, 1, MSG_NOSIGNAL);
        EXPECT_LT(::send(link->peer, &byte, 1, MSG_NOSIGNAL), 0) << "gone";
    }
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

// A peer that stays silent does not hold up a program that has nothing else to do.
TEST(StreamClose, ASilentPeerKeepsTheLoopForAQuarterSecond) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        write(link.s, "bye");
        int64_t begin = evl_time(w.loop);
        EXPECT_EQ(evl_close(link.s), 0);
        EXPECT_EQ(evl_loop_close(w.loop), EVL_EBUSY);
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(evl_time(w.loop) - begin, 250 * ms);
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
        EXPECT_EQ(w.metrics().handles, 1u) << "it is still there";
        EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
        EXPECT_EQ(::send(link.peer, "x", 1, MSG_NOSIGNAL), 1);
        EXPECT_EQ(w.close(), 0) << "and goes with the loop";
        got(link.peer);
        EXPECT_TRUE(at_end(link.peer));
    }
}

TEST(StreamClose, WhoStillSendsKeepsTheLoopAndHasAQuarterSecondAfterwards) {
    World w;
    Link link(w, Kind::local);
    int64_t begin = evl_time(w.loop);
    write(link.s, std::string(3000000, 'x'));
    EXPECT_EQ(evl_close(link.s), 0);
    bool late = false;
    w.timer_at(begin + 2 * sec, [&] { late = true; });
    while (!late)
        w.once();
    passes(w);
    EXPECT_EQ(evl_loop_alive(w.loop), 1) << "the peer reads nothing, and there is more to send";
    size_t total = 0;
    pump(w, [&] { return (total += got(link.peer).size()) == 3000000; });
    passes(w);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_time(w.loop) - begin, 2 * sec + 250 * ms);
}

TEST(StreamClose, WhoLingersIsSeen) {
    World w;
    Link link(w);
    int dropped = 0;
    EXPECT_EQ(evl_set_name(link.s, "my connection"), 0);
    EXPECT_EQ(evl_set_arg(link.s, &dropped), 0);
    EXPECT_EQ(evl_set_drop(link.s, [](void *arg) { ++*static_cast<int *>(arg); }), 0);
    uint64_t id = evl_id(link.s), walked = 0;
    int fd = info(link.s).fd;
    write(link.s, "bye");
    EXPECT_EQ(evl_close(link.s), 0);
    passes(w);
    EXPECT_EQ(dropped, 1) << "for its user it is closed";
    EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
    EXPECT_EQ(evl_id(link.s), 0u);
    evl_blocker blocker{};
    EXPECT_EQ(evl_loop_blockers(w.loop, &blocker, 1), 1);
    EXPECT_EQ(blocker.kind, EVL_KIND_LINGERING);
    EXPECT_EQ(blocker.id, id);
    EXPECT_STREQ(blocker.name, "my connection");
    EXPECT_EQ(evl_loop_walk(w.loop, &walked, 1), 1);
    EXPECT_EQ(walked, id);
    EXPECT_EQ(peek_link_leads_back(w.loop, fd), 1) << "as a watcher it is where it was";
    EXPECT_EQ(w.metrics().handles, 1u);
    char text[500];
    EXPECT_GT(evl_loop_dump(w.loop, text, sizeof text), 0);
    std::string dump = text;
    EXPECT_NE(dump.find("stream id=" + std::to_string(id)), std::string::npos) << dump;
    EXPECT_NE(dump.find("lingering"), std::string::npos) << dump;
    EXPECT_NE(dump.find("name=\"my connection\""), std::string::npos) << dump;
    link.peer.close();
    pump(w, [&] { return w.metrics().handles == 0; });
}

TEST(StreamClose, Contract_16_LingeringAllocatesNothing) {
    World w;
    uint64_t before = 0;
    for (int i = 0; i < 12; i++) {
        Link link(w, Kind::local);
        EXPECT_EQ(evl_set_name(link.s, "x"), 0);
        EXPECT_EQ(evl_set_arg(link.s, nullptr), 0);
        EXPECT_EQ(evl_set_drop(link.s, [](void *) {}), 0);
        EXPECT_EQ(evl_stream_set_linger(link.s, sec), 0);
        write(link.s, "bye");
        passes(w);
        before = w.memory.calls();
        EXPECT_EQ(evl_close(link.s), 0);
        passes(w);
        link.peer.close();
        pump(w, [&] { return w.metrics().handles == 0; });
        if (i > 0) { // the buffer that is discarded into
            EXPECT_EQ(w.memory.calls(), before);
        }
    }
}

TEST(StreamClose, TheLoopSaysHowLong) {
    for (int64_t ns : {2 * sec, int64_t{-1}}) {
        Memory memory;
        evl_options options{};
        options.struct_size = sizeof options;
        options.linger_ns = ns;
        options.clock = EVL_CLOCK_MANUAL;
        evl_loop *loop = nullptr;
        ASSERT_EQ(evl_loop_new(&loop, &options), 0);
        Pair pair;
        evl_stream *s = nullptr;
        ASSERT_EQ(evl_stream_open(loop, give(pair.a), 0, &s), 0);
        EXPECT_EQ(write(s, "bye"), 3);
        EXPECT_EQ(evl_close(s), 0);
        EXPECT_EQ(evl_loop_walk(loop, nullptr, 0), ns > 0 ? 1 : 0);
        EXPECT_EQ(evl_clock_advance(loop, sec), 0);
        EXPECT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
        EXPECT_EQ(evl_loop_walk(loop, nullptr, 0), ns > 0 ? 1 : 0);
        EXPECT_EQ(evl_clock_advance(loop, sec), 0);
        EXPECT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
        EXPECT_EQ(evl_loop_walk(loop, nullptr, 0), 0);
        EXPECT_EQ(evl_loop_close(loop), 0);
    }
}

TEST(StreamClose, LateAfterALongTimeOutsideRun) {
    World w({.clock = EVL_CLOCK_MANUAL});
    Link link(w, Kind::local);
    EXPECT_EQ(evl_clock_advance(w.loop, 3600 * sec), 0);
    write(link.s, "x");
    evl_close(link.s);
    passes(w);
    EXPECT_EQ(evl_loop_alive(w.loop), 1) << "the linger time begins now";
    EXPECT_EQ(evl_clock_advance(w.loop, 10 * sec), 0);
    passes(w);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(StreamClose, NoLingerIsAbort) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_stream_set_linger(link.s, 0), 0);
    write(link.s, std::string(3000000, 'x'));
    EXPECT_EQ(evl_close(link.s), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(StreamClose, ALingeringOneMeetsAReset) {
    World w;
    Link link(w);
    write(link.s, std::string(3000000, 'x'));
    evl_close(link.s);
    passes(w);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    int64_t begin = evl_time(w.loop);
    link.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_LT(evl_time(w.loop) - begin, sec);
}

TEST(StreamClose, AnIdleLoopIsNotWokenByALingerThatIsOver) {
    World w;
    Sys sys;
    Link link(w);
    write(link.s, "x");
    evl_close(link.s);
    link.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    int64_t begin = evl_time(w.loop);
    w.timer_in(60 * sec, [] {});
    w.once();
    EXPECT_EQ(evl_time(w.loop) - begin, 60 * sec) << "in one wait";
}

TEST(StreamClose, EverythingThatWaitsIsTold) {
    World w;
    Link link(w);
    Read read(w);
    Wait drain(w), flush(w);
    EXPECT_EQ(write(link.s, std::string(3000000, 'x')), 3000000);
    EXPECT_EQ(read.some(link.s), 0);
    EXPECT_EQ(evl_stream_drain(link.s, drain.op), 0);
    EXPECT_EQ(evl_stream_flush(link.s, flush.op), 0);
    EXPECT_EQ(evl_close(link.s), 0);
    EXPECT_FALSE(read.done() || drain.done() || flush.done());
    passes(w);
    EXPECT_EQ(read.result, EVL_ECLOSED);
    EXPECT_EQ(drain.result, EVL_ECLOSED);
    EXPECT_EQ(flush.result, EVL_ECLOSED);
    link.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(StreamAbort, TheOtherEndSeesAReset) {
    World w;
    Link link(w);
    write(link.s, std::string(3000000, 'x'));
    EXPECT_EQ(evl_stream_abort(link.s), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0) << "and nothing is waited for";
    auto [text, error] = read_all_slowly(link.peer, 65536, 0);
    EXPECT_EQ(error, ECONNRESET);
    Link local(w, Kind::local);
    write(local.s, std::string(3000000, 'x'));
    EXPECT_EQ(evl_stream_abort(local.s), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(StreamAbort, AWaitingOperationIsTold) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.some(link.s), 0);
    EXPECT_EQ(evl_stream_abort(link.s), 0);
    passes(w);
    EXPECT_EQ(r.result, EVL_ECLOSED);
}

// --- the close that one can wait for ----------------------------------------------------------------------

TEST(StreamShutdown, CompletesWhenTheOtherEndIsThrough) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Wait shut(w);
        Read r(w);
        std::string sent = pattern(2000000), back;
        link.say("unread before");
        write(link.s, sent);
        EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), 0);
        EXPECT_EQ(r.some(link.s), EVL_EBUSY) << "what comes in is discarded";
        EXPECT_EQ(evl_stream_on_data(link.s, nullptr, nullptr), EVL_EBUSY);
        EXPECT_EQ(evl_stream_pause(link.s), 0) << "which has no effect";
        EXPECT_EQ(write(link.s, "x"), EVL_EPIPE);
        pump(w, [&] { return (back += got(link.peer)).size() == sent.size() && at_end(link.peer); });
        EXPECT_TRUE(back == sent);
        for (int i = 0; i < 20; i++) {
            put(link.peer, std::string(10000, 'i'));
            passes(w);
        }
        EXPECT_FALSE(shut.done());
        link.peer.close();
        pump(w, [&] { return shut.done(); });
        EXPECT_EQ(shut.result, 0);
        EXPECT_EQ(evl_close(link.s), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 0) << "closed at once";
    }
}

TEST(StreamShutdown, ThroughAlready) {
    World w;
    Link link(w);
    Read r(w);
    Wait shut(w);
    link.peer.close();
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), 0);
    passes(w);
    EXPECT_EQ(shut.result, 0);
}

TEST(StreamShutdown, BusyAndTheDeadlineAndCancelling) {
    World w;
    Link link(w);
    Read r(w);
    Wait shut(w), again(w);
    EXPECT_EQ(r.some(link.s), 0);
    EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), EVL_EBUSY);
    EXPECT_EQ(evl_op_cancel(r.op), 1);
    passes(w);
    EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), 0);
    EXPECT_EQ(evl_op_deadline(shut.op, evl_time(w.loop) + sec), 0);
    while (!shut.done())
        w.once();
    EXPECT_EQ(shut.result, EVL_ETIMEDOUT);
    EXPECT_EQ(evl_stream_shutdown(link.s, again.op), 0) << "once more";
    EXPECT_EQ(evl_op_cancel(again.op), 1);
    passes(w);
    EXPECT_EQ(again.result, EVL_ECANCELED);
    EXPECT_EQ(evl_stream_abort(link.s), 0);
}

TEST(StreamShutdown, OfAPipe) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    Wait shut(w);
    std::string sent = pattern(200000), back;
    write(s, sent);
    EXPECT_EQ(evl_stream_shutdown(s, shut.op), 0);
    passes(w);
    EXPECT_FALSE(shut.done());
    pump(w, [&] { return (back += got(pipe.r)).size() == sent.size(); });
    pump(w, [&] { return shut.done(); });
    EXPECT_EQ(shut.result, 0);
}

TEST(StreamShutdown, OfAPipesReadingEnd) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.r);
    Wait shut(w);
    put(pipe.w, "discarded");
    EXPECT_EQ(evl_stream_shutdown(s, shut.op), 0);
    passes(w);
    EXPECT_FALSE(shut.done()) << "its writer lives";
    put(pipe.w, "discarded too");
    passes(w);
    pipe.w.close();
    pump(w, [&] { return shut.done(); });
    EXPECT_EQ(shut.result, 0);
    EXPECT_EQ(evl_close(s), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(StreamShutdown, TheOtherEndResets) {
    World w;
    Link link(w);
    Wait shut(w);
    EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), 0);
    passes(w);
    linger reset = {1, 0};
    ::setsockopt(link.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    link.peer.close();
    pump(w, [&] { return shut.done(); });
    EXPECT_EQ(shut.result, EVL_ECONNRESET);
}

// --- detaching --------------------------------------------------------------------------------------------

TEST(StreamDetach, ToAnotherLoopWithItsUnreadBytes) {
    for (Kind kind : kinds) {
        World w, other;
        Link link(w, kind);
        Read r(w);
        link.say("line\nrest");
        EXPECT_EQ(r.line(link.s), 0);
        pump(w, [&] { return r.done(); });
        char buf[16];
        size_t len = 99;
        EXPECT_EQ(evl_stream_detach(link.s, buf, 3, &len), EVL_ENOBUFS);
        EXPECT_EQ(len, info(link.s).unread);
        int fd = info(link.s).fd;
        EXPECT_EQ(evl_stream_detach(link.s, buf, sizeof buf, &len), fd);
        EXPECT_EQ(std::string(buf, len), "rest");
        EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
        evl_stream *s = nullptr;
        ASSERT_EQ(evl_stream_open(other.loop, fd, 0, &s), 0);
        EXPECT_EQ(evl_stream_unread(s, buf, len), 0);
        put(link.peer, " and more\n");
        Read next(other);
        EXPECT_EQ(next.line(s), 0);
        pump(other, [&] { return next.done(); });
        EXPECT_EQ(next.text(), "rest and more\n");
        EXPECT_EQ(write(s, "back"), 4);
        EXPECT_EQ(got(link.peer), "back");
        EXPECT_EQ(evl_stream_abort(s), 0);
    }
}

TEST(StreamDetach, NotWhileSomethingIsGoingOn) {
    World w;
    Link link(w);
    Read r(w);
    size_t len = 0;
    EXPECT_EQ(r.some(link.s), 0);
    EXPECT_EQ(evl_stream_detach(link.s, nullptr, 0, &len), EVL_EBUSY);
    EXPECT_EQ(evl_op_close(r.op), 0);
    write(link.s, std::string(3000000, 'x'));
    EXPECT_EQ(evl_stream_detach(link.s, nullptr, 0, &len), EVL_EBUSY);
    EXPECT_EQ(evl_stream_detach(nullptr, nullptr, 0, &len), EVL_EINVAL);
    EXPECT_EQ(evl_stream_abort(link.s), 0);
}

TEST(StreamDetach, WhilePushedAndWithoutLength) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_stream_on_data(link.s, World::done(), w.arg([](int64_t) { ADD_FAILURE(); })), 0);
    link.say("in the kernel");
    Fd fd(evl_stream_detach(link.s, nullptr, 0, nullptr));
    EXPECT_GE(static_cast<int>(fd), 0);
    passes(w);
    EXPECT_EQ(got(fd), "in the kernel");
}

// --- what is closed under it ------------------------------------------------------------------------------

TEST(StreamFd, EvlFdClosing) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w);
        Wait flush(w);
        int fd = info(link.s).fd;
        write(link.s, std::string(3000000, 'x'));
        EXPECT_EQ(r.some(link.s), 0);
        EXPECT_EQ(evl_stream_flush(link.s, flush.op), 0);
        EXPECT_GE(evl_fd_closing(w.loop, fd), 0);
        Fd mine(fd);
        passes(w);
        EXPECT_EQ(r.result, EVL_ECLOSED);
        EXPECT_EQ(flush.result, EVL_ECLOSED);
        EXPECT_EQ(evl_close(link.s), 0);
        EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC) << "it is not the stream's any more";
    }
}

TEST(StreamFd, EvlFdClosingWhileItLingers) {
    for (Kind kind : kinds) {
        for (bool queued : {false, true}) {
            World w;
            Link link(w, kind);
            int fd = info(link.s).fd;
            write(link.s, queued ? std::string(3000000, 'x') : "x");
            evl_close(link.s);
            EXPECT_EQ(evl_loop_alive(w.loop), 1);
            EXPECT_GE(evl_fd_closing(w.loop, fd), 0);
            Fd mine(fd);
            EXPECT_EQ(evl_loop_alive(w.loop), 0);
            passes(w);
            EXPECT_EQ(w.close(), 0);
        }
    }
}

TEST(StreamFd, ClosedBehindItsBack) {
    World w;
    Link link(w);
    Read r(w), next(w);
    int fd = info(link.s).fd;
    EXPECT_EQ(r.some(link.s), 0);
    passes(w);
    ::close(fd);
    Pair fresh;
    ASSERT_EQ(::dup2(fresh.a, fd), fd); // the number names something else now
    evl_stream *s = nullptr, *twice = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, fd, 0, &s), 0);
    EXPECT_EQ(evl_stream_open(w.loop, fd, 0, &twice), EVL_EEXIST);
    passes(w);
    EXPECT_EQ(r.result, EVL_EBADF);
    EXPECT_EQ(next.some(s), 0);
    put(fresh.b, "new");
    pump(w, [&] { return next.done(); });
    EXPECT_EQ(next.text(), "new");
}

TEST(StreamFd, Destroyed) {
    for (Kind kind : kinds) {
        for (int state = 0; state < 7; state++) {
            World w;
            Link link(w, kind);
            Read r(w);
            Wait op(w);
            int released = 0;
            if (state == 1) {
                EXPECT_EQ(r.some(link.s), 0);
            }
            if (state == 2 || state == 4) {
                EXPECT_EQ(evl_stream_on_data(link.s, World::done(), w.arg([](int64_t) {})), 0);
            }
            if (state == 3 || state == 4 || state == 5) {
                write(link.s, std::string(3000000, 'x'));
                EXPECT_EQ(evl_stream_write_ref(link.s, "r", 1, count_release, &released), 1);
                EXPECT_EQ(evl_stream_flush(link.s, op.op), 0);
            }
            link.say("input");
            if (state == 5) {
                passes(w);
                evl_close(link.s);
            }
            if (state == 6) {
                EXPECT_EQ(evl_stream_shutdown(link.s, op.op), 0);
            }
            w.nowait();
            int64_t before = op.result;
            EXPECT_EQ(w.destroy(), 0);
            EXPECT_EQ(op.result, before) << "in silence";
            EXPECT_EQ(released, state >= 3 && state <= 5 ? 1 : 0);
            EXPECT_EQ(evl_op_active(r.op), 0);
        }
    }
}

TEST(Contract_11, AForkedChildsStreamsTouchMemoryOnly) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind), lingering(w, kind);
        Read r(w);
        EXPECT_EQ(r.some(link.s), 0);
        write(lingering.s, std::string(3000000, 'x'));
        evl_close(lingering.s);
        in_child([&] {
            char byte;
            Wait op(w);
            EXPECT_EQ(write(link.s, "x"), EVL_EFORK);
            EXPECT_EQ(evl_stream_try_read(link.s, &byte, 1), EVL_EFORK);
            EXPECT_EQ(evl_stream_drain(link.s, op.op), EVL_EFORK);
            EXPECT_EQ(evl_op_cancel(r.op), 1);
            EXPECT_EQ(evl_close(link.s), 0);
            EXPECT_EQ(w.destroy(), 0);
        });
        link.say("for the parent");
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "for the parent");
        EXPECT_EQ(write(link.s, "answer"), 6);
        EXPECT_EQ(got(link.peer), "answer");
        EXPECT_FALSE(at_end(link.peer));
        evl_stream_abort(link.s);
        lingering.peer.close();
    }
}

TEST(Contract_11, AChildMayAlsoGoOn) {
    World w;
    Link link(w);
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        Read r(w);
        EXPECT_EQ(r.some(link.s), 0);
        link.say("in the child");
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "in the child");
        EXPECT_EQ(write(link.s, "from it"), 7);
        EXPECT_EQ(got(link.peer), "from it");
        EXPECT_EQ(w.destroy(), 0);
    });
}

} // namespace
