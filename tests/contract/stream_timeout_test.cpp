// stream_timeout_test.cpp - the read, write and idle timeouts of streams.
#include "transports.hpp"

#include <cstdlib>

using namespace streams;

namespace {

using Results = std::vector<int64_t>;
using Set = int32_t(evl_stream *, int64_t);

// Time passes, and what is due then happens.
void pass_time(World &w, int64_t ns) {
    EXPECT_EQ(evl_clock_advance(w.loop, ns), 0);
    passes(w);
}

// What is pushed, in either sink; whatever came is taken.
struct Pushes {
    Pushes(World &world, evl_stream *stream) : s(stream) {
        EXPECT_EQ(evl_stream_on_data(s, World::done(), world.arg([this](int64_t n) { take(n); })), 0);
    }
    Pushes(const Pushes &) = delete;
    void take(int64_t n) {
        results.push_back(n);
        if (n > 0) {
            EXPECT_EQ(evl_stream_consume(s, peek(s).size()), 0);
        }
        if (then)
            then();
    }
    evl_stream *s;
    Results results;
    std::function<void()> then;
};

// A stream whose queue the peer does not take.
struct Full : Link {
    explicit Full(World &world, Kind kind = Kind::tcp) : Link(world, kind) {
        text = pattern(4 << 20);
        EXPECT_EQ(write(s, text), static_cast<int64_t>(text.size()));
        passes(w); // what the kernel has room for is gone
        EXPECT_GT(evl_stream_queued(s), 0);
    }
    std::string all() {
        std::string came;
        pump(w, [&] { return (came += got(peer)).size() >= text.size(); });
        return came;
    }
    std::string text;
};

TEST(StreamTimeout, AReadTimesOutAndTheNextOneReads) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read read(w);
        EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
        EXPECT_EQ(info(link.s).timed_out, 0U);
        EXPECT_EQ(read.some(link.s), 0);
        pass_time(w, 10 * ms - 1);
        EXPECT_FALSE(read.done());
        pass_time(w, 1);
        EXPECT_EQ(read.result, EVL_ETIMEDOUT);
        EXPECT_EQ(info(link.s).timed_out, static_cast<uint32_t>(EVL_READ));
        EXPECT_EQ(info(link.s).error, 0);
        EXPECT_EQ(read.some(link.s), 0);
        pass_time(w, 9 * ms);
        link.say("late");
        pump(w, [&] { return read.done(); });
        EXPECT_EQ(read.text(), "late");
    }
}

// Every kind of read; what came before the timeout is there afterwards.
TEST(StreamTimeout, NothingIsConsumed) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    std::string sep = "\r\n\r\n";
    const std::function<int32_t(Read &)> starts[] = {
        [&](Read &r) { return r.exactly(link.s, 50); }, [&](Read &r) { return r.line(link.s); },
        [&](Read &r) { return r.all(link.s); },
        [&](Read &r) { return r.until(link.s, {{sep.data(), sep.size()}}); }};
    link.say("half");
    for (const auto &start : starts) {
        Read read(w);
        EXPECT_EQ(start(read), 0);
        passes(w);
        EXPECT_FALSE(read.done());
        pass_time(w, 9 * ms);
        EXPECT_FALSE(read.done());
        pass_time(w, ms);
        EXPECT_EQ(read.result, EVL_ETIMEDOUT);
        EXPECT_EQ(peek(link.s), "half");
    }
}

// Each byte begins the period anew, though the read that waits for more stays the same.
TEST(StreamTimeout, EveryByteBeginsItAnew) {
    for (bool push : {false, true}) {
        World w;
        Link link(w);
        Read read(w);
        std::unique_ptr<Pushes> pushes;
        EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
        if (push)
            pushes = std::make_unique<Pushes>(w, link.s);
        else {
            EXPECT_EQ(read.exactly(link.s, 50), 0);
        }
        for (int i = 1; i <= 5; i++) {
            pass_time(w, 9 * ms);
            link.say("x");
            pump(w, [&] { return info(link.s).bytes_in == static_cast<uint64_t>(i); });
        }
        EXPECT_FALSE(read.done());
        pass_time(w, 10 * ms);
        if (push) {
            EXPECT_EQ(pushes->results, (Results{1, 1, 1, 1, 1, EVL_ETIMEDOUT}));
        } else {
            EXPECT_EQ(read.result, EVL_ETIMEDOUT);
        }
    }
}

TEST(StreamTimeout, PushModeIsToldAgainAndGoesOn) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushes pushes(w, link.s);
        EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
        pass_time(w, 10 * ms);
        EXPECT_EQ(pushes.results, Results{EVL_ETIMEDOUT});
        pass_time(w, 10 * ms - 1);
        EXPECT_EQ(pushes.results.size(), 1U);
        pass_time(w, 1);
        EXPECT_EQ(pushes.results.size(), 2U);
        link.say("more");
        pump(w, [&] { return pushes.results.size() == 3; });
        EXPECT_EQ(pushes.results.back(), 4);
        link.peer.close();
        pump(w, [&] { return pushes.results.size() == 4; });
        EXPECT_EQ(pushes.results.back(), 0);
        pass_time(w, sec);
        EXPECT_EQ(pushes.results.size(), 4U) << "nothing is awaited behind the end";
    }
}

// What the kernel reports in the pass in which the time is up is no silence.
TEST(StreamTimeout, InputOfTheSamePassIsNoSilence) {
    World w;
    Link a(w), b(w);
    Pushes pushes(w, a.s);
    Read read(w);
    for (evl_stream *s : {a.s, b.s})
        EXPECT_EQ(evl_stream_set_read_timeout(s, 10 * ms), 0);
    EXPECT_EQ(read.some(b.s), 0);
    passes(w);
    a.say("in time");
    b.say("in time");
    EXPECT_EQ(evl_clock_advance(w.loop, sec), 0);
    pump(w, [&] { return read.done() && !pushes.results.empty(); });
    EXPECT_EQ(pushes.results, Results{7});
    EXPECT_EQ(read.result, 7);
    for (evl_stream *s : {a.s, b.s})
        EXPECT_EQ(info(s).timed_out, 0U);
}

TEST(StreamTimeout, PausedNothingCountsAndResumingBeginsAnew) {
    World w;
    Link link(w);
    Pushes pushes(w, link.s);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_set_idle_timeout(link.s, 10 * ms), 0);
    pass_time(w, 5 * ms);
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    pass_time(w, sec);
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    pass_time(w, 10 * ms - 1);
    EXPECT_TRUE(pushes.results.empty());
    pass_time(w, 1);
    EXPECT_EQ(pushes.results, Results{EVL_ETIMEDOUT});
}

// One that is queued and not called yet goes with the pause.
TEST(StreamTimeout, PausingTakesAQueuedOneBack) {
    World w;
    Link link(w);
    Pushes pushes(w, link.s);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    w.timer_at(evl_now(w.loop) + 10 * ms - 1, [&] { EXPECT_EQ(evl_stream_pause(link.s), 0); });
    EXPECT_EQ(evl_clock_advance(w.loop, 10 * ms), 0); // both in one pass, the timer first
    passes(w);
    EXPECT_TRUE(pushes.results.empty());
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    passes(w);
    EXPECT_TRUE(pushes.results.empty()) << "a new period";
    link.say("x");
    pump(w, [&] { return !pushes.results.empty(); });
    EXPECT_EQ(pushes.results, Results{1});
}

// --- writing -----------------------------------------------------------------------------------------------

TEST(StreamTimeout, WhatWaitsForTheSendingTimesOutAndTheQueueStays) {
    for (Kind kind : kinds) {
        World w;
        Full full(w, kind);
        Wait drain(w), flush(w);
        EXPECT_EQ(evl_stream_set_write_timeout(full.s, 10 * ms), 0);
        EXPECT_EQ(evl_stream_drain(full.s, drain.op), 0);
        pass_time(w, 9 * ms);
        EXPECT_EQ(evl_stream_flush(full.s, flush.op), 0);
        EXPECT_FALSE(drain.done());
        int64_t queued = evl_stream_queued(full.s);
        pass_time(w, ms);
        EXPECT_EQ(drain.result, EVL_ETIMEDOUT);
        EXPECT_EQ(flush.result, EVL_ETIMEDOUT);
        EXPECT_EQ(info(full.s).timed_out, static_cast<uint32_t>(EVL_WRITE));
        EXPECT_EQ(evl_stream_queued(full.s), queued);
        Wait again(w);
        EXPECT_EQ(evl_stream_flush(full.s, again.op), 0);
        EXPECT_TRUE(full.all() == full.text);
        pump(w, [&] { return again.done(); });
        EXPECT_EQ(again.result, 0);
        pass_time(w, sec);
    }
}

TEST(StreamTimeout, EveryByteThatIsTakenBeginsItAnew) {
    World w;
    Full full(w);
    Wait flush(w);
    EXPECT_EQ(evl_stream_set_write_timeout(full.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_flush(full.s, flush.op), 0);
    size_t came = 0;
    for (int i = 0; i < 5; i++) {
        pass_time(w, 9 * ms);
        uint64_t out = info(full.s).bytes_out;
        pump(w, [&] {
            came += got(full.peer).size();
            return info(full.s).bytes_out > out;
        });
        EXPECT_FALSE(flush.done());
    }
    while (size_t n = got(full.peer).size()) // until nothing moves any more, or all is there
        came += n, passes(w);
    if (came < full.text.size())
        passes(w);
    pump(w, [&] {
        came += got(full.peer).size();
        return came == full.text.size();
    });
    pump(w, [&] { return flush.done(); });
    EXPECT_EQ(flush.result, 0);
}

// A write is no operation: without one that waits for it, the reader is told.
TEST(StreamTimeout, WithoutAWaiterTheReaderIsTold) {
    for (bool push : {false, true}) {
        World w;
        Full full(w);
        Read read(w);
        std::unique_ptr<Pushes> pushes;
        EXPECT_EQ(evl_stream_set_write_timeout(full.s, 10 * ms), 0);
        if (push)
            pushes = std::make_unique<Pushes>(w, full.s);
        else {
            EXPECT_EQ(read.some(full.s), 0);
        }
        pass_time(w, 10 * ms);
        if (push) {
            EXPECT_EQ(pushes->results, Results{EVL_ETIMEDOUT});
        } else {
            EXPECT_EQ(read.result, EVL_ETIMEDOUT);
        }
        EXPECT_EQ(info(full.s).timed_out, static_cast<uint32_t>(EVL_WRITE));
        EXPECT_TRUE(full.all() == full.text);
        pump(w, [&] { return evl_stream_queued(full.s) == 0; });
        if (push)
            pushes->results.clear();
        pass_time(w, sec);
        if (push) {
            EXPECT_TRUE(pushes->results.empty()) << "nothing is queued";
        }
    }
}

// Set before there is anything to send: the period begins with the queue, of bytes or of a file.
TEST(StreamTimeout, AQueueThatFormsLater) {
    for (bool file : {false, true}) {
        World w;
        Link link(w);
        Pushes pushes(w, link.s);
        Fd much = regular_file();
        Wait sent(w);
        EXPECT_EQ(::ftruncate(much, 4 << 20), 0);
        EXPECT_EQ(evl_stream_set_write_timeout(link.s, 10 * ms), 0);
        pass_time(w, sec);
        EXPECT_TRUE(pushes.results.empty());
        if (file) {
            EXPECT_EQ(evl_stream_sendfile(link.s, sent.op, much, 0, 0), 0);
        } else {
            EXPECT_EQ(write(link.s, std::string(4 << 20, 'x')), 4 << 20);
        }
        passes(w); // until the kernel is full
        pass_time(w, 10 * ms - 1);
        EXPECT_TRUE(pushes.results.empty() && !sent.done());
        pass_time(w, 1);
        if (file) {
            EXPECT_EQ(sent.result, EVL_ETIMEDOUT);
        } else {
            EXPECT_EQ(pushes.results, Results{EVL_ETIMEDOUT});
        }
        EXPECT_EQ(evl_stream_abort(link.s), 0);
    }
}

// A write limit does not end a file: it is sent all the same.
TEST(StreamTimeout, AFileIsSentAllTheSame) {
    World w;
    Full full(w);
    Fd file = regular_file();
    EXPECT_EQ(::pwrite(file, "the file", 8, 0), 8);
    Wait sent(w);
    EXPECT_EQ(evl_stream_set_write_timeout(full.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_sendfile(full.s, sent.op, file, 0, 0), 0);
    pass_time(w, 10 * ms);
    EXPECT_EQ(sent.result, EVL_ETIMEDOUT);
    file.close();
    full.text += "the file";
    EXPECT_TRUE(full.all() == full.text);
}

TEST(StreamTimeout, ASpliceWaitsForInputOrForRoom) {
    World w;
    Link from(w);
    Full to(w);
    Wait splice(w);
    EXPECT_EQ(evl_stream_set_read_timeout(from.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_splice(from.s, splice.op, to.s), 0);
    pass_time(w, sec);
    EXPECT_FALSE(splice.done()) << "it does not wait for input";
    EXPECT_EQ(evl_stream_set_write_timeout(to.s, 10 * ms), 0);
    pass_time(w, 10 * ms);
    EXPECT_EQ(splice.result, EVL_ETIMEDOUT);
    splice.result = pending;
    EXPECT_EQ(evl_stream_splice(from.s, splice.op, to.s), 0);
    EXPECT_TRUE(to.all() == to.text);
    passes(w);
    pass_time(w, 9 * ms);
    EXPECT_FALSE(splice.done());
    from.say("x");
    std::string came;
    pump(w, [&] { return !(came += got(to.peer)).empty(); });
    EXPECT_EQ(came, "x");
    passes(w);
    pass_time(w, 9 * ms);
    EXPECT_FALSE(splice.done());
    pass_time(w, ms);
    EXPECT_EQ(splice.result, EVL_ETIMEDOUT);
}

TEST(StreamTimeout, AShutdownWaitsForThePeer) {
    World w;
    Link link(w);
    Wait shut(w);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), 0);
    pass_time(w, 9 * ms);
    link.say("thrown away");
    pump(w, [&] { return info(link.s).bytes_in == 11; });
    pass_time(w, 9 * ms);
    EXPECT_FALSE(shut.done());
    pass_time(w, ms);
    EXPECT_EQ(shut.result, EVL_ETIMEDOUT);
    pass_time(w, sec);
    Wait again(w);
    EXPECT_EQ(evl_stream_shutdown(link.s, again.op), 0);
    link.peer.close();
    pump(w, [&] { return again.done(); });
    EXPECT_EQ(again.result, 0);
}

// --- both directions ---------------------------------------------------------------------------------------

TEST(StreamTimeout, IdleIsNeitherReadNorWritten) {
    World w;
    Link link(w);
    Pushes pushes(w, link.s);
    EXPECT_EQ(evl_stream_set_idle_timeout(link.s, 10 * ms), 0);
    for (int i = 1; i <= 4; i++) {
        pass_time(w, 9 * ms);
        if (i % 2 == 0)
            link.say("in");
        else {
            EXPECT_EQ(write(link.s, "out"), 3);
        }
        pump(w, [&] { return info(link.s).bytes_in == static_cast<uint64_t>(i / 2 * 2); });
    }
    EXPECT_EQ(pushes.results, (Results{2, 2}));
    pass_time(w, 10 * ms);
    EXPECT_EQ(pushes.results, (Results{2, 2, EVL_ETIMEDOUT}));
    EXPECT_EQ(info(link.s).timed_out, static_cast<uint32_t>(EVL_READ | EVL_WRITE));
}

TEST(StreamTimeout, IdleReachesAllThatWaits) {
    World w;
    Full full(w);
    Read read(w);
    Wait flush(w);
    EXPECT_EQ(evl_stream_set_idle_timeout(full.s, 10 * ms), 0);
    EXPECT_EQ(read.some(full.s), 0);
    EXPECT_EQ(evl_stream_flush(full.s, flush.op), 0);
    pass_time(w, 10 * ms);
    EXPECT_EQ(read.result, EVL_ETIMEDOUT);
    EXPECT_EQ(flush.result, EVL_ETIMEDOUT);
}

// A program that takes its time is not told that the peer did, and nothing is told without a waiter.
TEST(StreamTimeout, OnlyWaitingCounts) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_set_idle_timeout(link.s, 10 * ms), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0) << "a timeout alone keeps nothing going";
    EXPECT_EQ(w.run(), 0);
    pass_time(w, sec);
    Read read(w);
    EXPECT_EQ(read.some(link.s), 0);
    pass_time(w, 9 * ms);
    EXPECT_FALSE(read.done());
    EXPECT_EQ(evl_op_cancel(read.op), 1);
    passes(w);
    EXPECT_EQ(read.result, EVL_ECANCELED);
    pass_time(w, sec);
    EXPECT_EQ(info(link.s).timed_out, 0U);
}

// A deadline of the operation beside it: whichever comes first.
TEST(StreamTimeout, BesideADeadline) {
    World w;
    Link link(w);
    Read read(w);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    for (int64_t deadline : {5 * ms, 20 * ms}) {
        EXPECT_EQ(read.some(link.s), 0);
        EXPECT_EQ(evl_op_deadline(read.op, evl_now(w.loop) + deadline), 0);
        pass_time(w, 5 * ms);
        EXPECT_EQ(read.done(), deadline == 5 * ms);
        pass_time(w, 5 * ms);
        EXPECT_EQ(read.result, EVL_ETIMEDOUT);
    }
}

// --- setting -----------------------------------------------------------------------------------------------

TEST(StreamTimeout, ChangedAndTakenOff) {
    World w;
    Link link(w);
    Pushes pushes(w, link.s);
    for (Set *set :
         {evl_stream_set_read_timeout, evl_stream_set_write_timeout, evl_stream_set_idle_timeout}) {
        EXPECT_EQ(set(link.s, -1), EVL_EINVAL);
        EXPECT_EQ(set(nullptr, 1), EVL_EINVAL);
        EXPECT_EQ(set(link.s, 0), 0);
        EXPECT_EQ(set(link.s, EVL_NEVER), 0);
        EXPECT_EQ(set(link.s, INT64_MAX - 1), 0);
    }
    pass_time(w, sec);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, sec), 0);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    pass_time(w, 10 * ms);
    EXPECT_EQ(pushes.results, Results{EVL_ETIMEDOUT}) << "sooner";
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, sec), 0);
    pass_time(w, sec - 1);
    EXPECT_EQ(pushes.results.size(), 1U) << "later";
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, EVL_NEVER), 0);
    pass_time(w, sec);
    EXPECT_EQ(pushes.results.size(), 1U);
    EXPECT_EQ(evl_stream_set_write_timeout(link.s, 0), 0);
    EXPECT_EQ(evl_stream_set_idle_timeout(link.s, 0), 0);
    pass_time(w, sec);
    EXPECT_EQ(pushes.results.size(), 1U);
}

TEST(StreamTimeout, WithoutMemoryNothingHasChanged) {
    World w;
    Link link(w);
    Read read(w);
    EXPECT_EQ(read.some(link.s), 0);
    for (uint64_t nth = 1;; nth++) {
        w.memory.fail(nth);
        int32_t rc = evl_stream_set_read_timeout(link.s, 10 * ms);
        bool failed = w.memory.failed();
        w.memory.fail(0);
        EXPECT_EQ(rc, failed ? EVL_ENOMEM : 0);
        if (!failed)
            break;
    }
    pass_time(w, 10 * ms);
    EXPECT_EQ(read.result, EVL_ETIMEDOUT);
}

// Messages cost neither memory nor a timer each: the timer looks once in a period.
TEST(StreamTimeout, AMessageCostsNoTimer) {
    for (bool push : {false, true}) {
        World w;
        Link link(w, Kind::local);
        Read read(w);
        std::unique_ptr<Pushes> pushes;
        for (Set *set :
             {evl_stream_set_read_timeout, evl_stream_set_write_timeout, evl_stream_set_idle_timeout})
            EXPECT_EQ(set(link.s, 10 * ms), 0);
        if (push) {
            pushes = std::make_unique<Pushes>(w, link.s);
            pushes->results.reserve(3000);
        }
        auto round = [&](uint64_t i) {
            if (!push) {
                EXPECT_EQ(read.some(link.s), 0);
            }
            link.say("x");
            pump(w, [&] { return info(link.s).bytes_in == i && (push || read.done()); });
            EXPECT_EQ(write(link.s, "y"), 1);
            got(link.peer);
            EXPECT_EQ(evl_clock_advance(w.loop, 100 * us), 0);
        };
        for (uint64_t i = 1; i <= 1000; i++)
            round(i);
        uint64_t calls = w.memory.calls(), timers = w.metrics().timers;
        for (uint64_t i = 1001; i <= 2000; i++)
            round(i);
        EXPECT_EQ(w.memory.calls(), calls);
        EXPECT_LE(w.metrics().timers - timers, 25U) << "in ten periods of a hundred messages";
    }
}

// --- what else happens to the stream -----------------------------------------------------------------------

TEST(StreamTimeout, ClosedFromInsideTheReport) {
    const std::function<void(World &, evl_stream *)> ends[] = {
        [](World &, evl_stream *s) { EXPECT_EQ(evl_close(s), 0); },
        [](World &, evl_stream *s) { EXPECT_EQ(evl_stream_abort(s), 0); },
        [](World &, evl_stream *s) {
            evl_fd fd = evl_stream_detach(s, nullptr, 0, nullptr);
            EXPECT_GE(fd, 0);
            ::close(fd);
        },
        [](World &w, evl_stream *) { EXPECT_EQ(w.destroy(), 0); }};
    for (size_t i = 0; i < std::size(ends); i++)
        for (bool push : {false, true}) {
            World w;
            Link link(w);
            std::unique_ptr<Pushes> pushes;
            int times = 0;
            EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
            EXPECT_EQ(evl_stream_set_idle_timeout(link.s, 10 * ms), 0);
            auto act = [&] {
                times++;
                ends[i](w, link.s);
            };
            evl_op *op = nullptr;
            char buf[8];
            if (push) {
                pushes = std::make_unique<Pushes>(w, link.s);
                pushes->then = act;
            } else {
                op = w.op([&](int64_t n) {
                    EXPECT_EQ(n, EVL_ETIMEDOUT);
                    act();
                });
                EXPECT_EQ(evl_stream_read(link.s, op, buf, sizeof buf), 0);
            }
            EXPECT_EQ(evl_clock_advance(w.loop, 10 * ms), 0);
            w.step();
            if (w.loop)
                w.step();
            EXPECT_EQ(times, 1) << i;
            if (w.loop)
                pass_time(w, sec);
            EXPECT_EQ(times, 1) << i;
        }
}

// Destroyed with what waits, with what was reported and not delivered, and without a run.
TEST(StreamTimeout, DestroyedInEveryState) {
    for (int state = 0; state < 4; state++) {
        World w;
        Link link(w);
        Full full(w);
        Read read(w);
        Pushes pushes(w, full.s);
        for (evl_stream *s : {link.s, full.s}) {
            EXPECT_EQ(evl_stream_set_read_timeout(s, 10 * ms), 0);
            EXPECT_EQ(evl_stream_set_write_timeout(s, 10 * ms), 0);
        }
        if (state > 0) {
            EXPECT_EQ(read.some(link.s), 0);
        }
        if (state > 1)
            passes(w);
        if (state > 2) {
            EXPECT_EQ(evl_clock_advance(w.loop, 10 * ms), 0);
        }
        EXPECT_EQ(w.destroy(), 0);
    }
}

// While it lingers, its linger time counts.
TEST(StreamTimeout, AClosedStreamSendsOn) {
    World w;
    Full full(w);
    EXPECT_EQ(evl_stream_set_write_timeout(full.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_set_idle_timeout(full.s, 10 * ms), 0);
    EXPECT_EQ(evl_close(full.s), 0);
    pass_time(w, 5 * sec);
    EXPECT_TRUE(full.all() == full.text);
}

TEST(StreamTimeout, DetachedItIsForgotten) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    EXPECT_EQ(evl_stream_set_idle_timeout(link.s, 10 * ms), 0);
    int fd = evl_stream_detach(link.s, nullptr, 0, nullptr);
    EXPECT_GE(fd, 0);
    evl_stream *again = nullptr;
    EXPECT_EQ(evl_stream_open(w.loop, fd, 0, &again), 0);
    Read read(w);
    EXPECT_EQ(read.some(again), 0);
    pass_time(w, sec);
    EXPECT_FALSE(read.done());
}

// Of a transport the program's bytes count; its handshake is no progress.
TEST(StreamTimeout, OverATransport) {
    World w;
    Own own(w);
    bool shaken = false;
    own.on_want = [] { return static_cast<uint32_t>(EVL_READ); };
    own.on_read = [&](void *buf, size_t cap) -> int64_t {
        int64_t n = own.recv(buf, cap);
        return n > 0 && !shaken ? int64_t{EVL_EAGAIN} : n;
    };
    Read read(w);
    EXPECT_NE(own.open(), nullptr);
    EXPECT_EQ(evl_stream_set_read_timeout(own.s, 10 * ms), 0);
    EXPECT_EQ(read.some(own.s), 0);
    passes(w);
    pass_time(w, 9 * ms);
    put(own.peer, "hello?");
    passes(w);
    pass_time(w, ms);
    EXPECT_EQ(read.result, EVL_ETIMEDOUT);
    shaken = true;
    EXPECT_EQ(read.some(own.s), 0);
    pass_time(w, 9 * ms);
    put(own.peer, "data");
    pump(w, [&] { return read.done(); });
    EXPECT_EQ(read.text(), "data");
}

TEST(StreamTimeout, AChildGoesOnWithThem) {
    World w;
    Link link(w);
    Read read(w);
    EXPECT_EQ(evl_stream_set_read_timeout(link.s, 10 * ms), 0);
    EXPECT_EQ(read.some(link.s), 0);
    passes(w);
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        pass_time(w, 10 * ms);
        EXPECT_EQ(read.result, EVL_ETIMEDOUT);
        EXPECT_EQ(evl_close(link.s), 0);
        passes(w);
    });
    passes(w);
    EXPECT_FALSE(read.done());
    pass_time(w, 10 * ms);
    EXPECT_EQ(read.result, EVL_ETIMEDOUT);
}

} // namespace
