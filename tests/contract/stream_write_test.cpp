// stream_write_test.cpp - writing: what is sent at once, what is queued, and who is told when.
#include "streams.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

using namespace streams;

namespace {

void count_release(void *arg) { ++*static_cast<int *>(arg); }

// Fills the way to the peer, so that what follows is queued.
size_t choke(evl_stream *s) {
    std::string block(65536, '#');
    size_t total = 0;
    while (evl_stream_queued(s) == 0) {
        EXPECT_EQ(write(s, block), static_cast<int64_t>(block.size()));
        total += block.size();
    }
    return total;
}

TEST(StreamWrite, BadInput) {
    World w;
    Link link(w);
    Wait op(w);
    evl_buf bad{nullptr, 1}, good{"x", 1};
    EXPECT_EQ(evl_stream_write(nullptr, "x", 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write(link.s, nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write(link.s, "x", SIZE_MAX), EVL_EINVAL);
    EXPECT_EQ(evl_stream_writev(link.s, nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_writev(link.s, &good, -1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_writev(link.s, &good, 1025), EVL_EINVAL);
    EXPECT_EQ(evl_stream_writev(link.s, &bad, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write_ref(link.s, nullptr, 1, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_drain(nullptr, op.op), EVL_EINVAL);
    EXPECT_EQ(evl_stream_drain(link.s, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_flush(link.s, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_shutdown(link.s, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_set_marks(link.s, 1, 2, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_set_marks(nullptr, 1, 1, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_queued(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write_eof(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_set_linger(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_abort(nullptr), 0);
    EXPECT_EQ(evl_stream_writev(link.s, nullptr, 0), 0);
    EXPECT_EQ(evl_stream_write(link.s, nullptr, 0), 0);
    EXPECT_EQ(evl_stream_write(link.s, "x", 0), 0);
    EXPECT_EQ(info(link.s).bytes_out, 0u);
    EXPECT_EQ(op.result, pending);
}

// Nothing is that long; what a queue says of itself is never more than can be counted.
TEST(StreamWrite, LengthsThatNoMemoryHas) {
    World w;
    Link link(w);
    size_t half = size_t{PTRDIFF_MAX} / 2 + 1;
    evl_buf bufs[] = {{"x", half}, {"x", half}};
    EXPECT_EQ(evl_stream_write(link.s, "x", half * 2), EVL_EINVAL);
    EXPECT_EQ(evl_stream_writev(link.s, bufs, 2), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write_ref(link.s, "x", half * 2, nullptr, nullptr), EVL_EINVAL);
    choke(link.s);
    int64_t queued = evl_stream_queued(link.s);
    EXPECT_EQ(evl_stream_write_ref(link.s, "x", half, nullptr, nullptr), static_cast<int64_t>(half));
    EXPECT_EQ(evl_stream_write_ref(link.s, "x", half, nullptr, nullptr), EVL_ENOBUFS);
    EXPECT_EQ(evl_stream_queued(link.s), queued + static_cast<int64_t>(half));
    evl_stream_abort(link.s);
}

TEST(StreamWrite, AtOnceWhatTheKernelTakes) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        EXPECT_EQ(write(link.s, "hello"), 5);
        EXPECT_EQ(got(link.peer), "hello") << "without a pass";
        evl_buf bufs[] = {{"one", 3}, {"", 0}, {nullptr, 0}, {"two", 3}};
        EXPECT_EQ(evl_stream_writev(link.s, bufs, 4), 6);
        EXPECT_EQ(got(link.peer), "onetwo");
        EXPECT_EQ(evl_stream_queued(link.s), 0);
        EXPECT_EQ(info(link.s).bytes_out, 11u);
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
        link.peer.close();
        evl_stream_abort(link.s);
    }
}

TEST(StreamWrite, InOrderWhateverItsSize) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        std::string sent, back;
        for (size_t size : {1u, 100u, 16000u, 17000u, 500000u, 3u, 16384u, 1u, 2000000u, 5u}) {
            std::string part = pattern(size);
            EXPECT_EQ(write(link.s, part), static_cast<int64_t>(size));
            sent += part;
        }
        EXPECT_GT(evl_stream_queued(link.s), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 1) << "it has something to do";
        pump(w, [&] { return (back += got(link.peer)).size() >= sent.size(); });
        EXPECT_TRUE(back == sent);
        EXPECT_EQ(evl_stream_queued(link.s), 0);
        passes(w);
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
        EXPECT_EQ(info(link.s).bytes_out, sent.size());
        evl_stream_abort(link.s);
    }
}

TEST(StreamWrite, AThousandPieces) {
    for (Kind kind : kinds) {
        for (int round = 0; round < 3; round++) {
            World w;
            Link link(w, kind);
            if (round == 2) { // a second time, after the kernel has once been full
                size_t n = choke(link.s);
                std::string back;
                pump(w, [&] { return (back += got(link.peer)).size() == n; });
                passes(w);
            }
            std::vector<std::string> parts;
            std::vector<evl_buf> bufs;
            std::string sent, back;
            for (size_t i = 0; i < 1024; i++)
                parts.push_back(pattern(round == 1 ? 1 + i % 3000 : i % 7));
            for (const std::string &part : parts) {
                bufs.push_back({part.data(), part.size()});
                sent += part;
            }
            EXPECT_EQ(evl_stream_writev(link.s, bufs.data(), 1024), static_cast<int64_t>(sent.size()));
            for (std::string &part : parts)
                std::fill(part.begin(), part.end(), '?'); // it was copied
            int n = 0;
            pump(w, [&] { return (back += got(link.peer)).size() >= sent.size() || n++ > 100000; });
            EXPECT_TRUE(back == sent) << back.size() << " of " << sent.size() << " round " << round;
            evl_stream_abort(link.s);
        }
    }
}

TEST(StreamWrite, ShortSendsLoseNothing) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        evl_sys_table real = evl_sys;
        static evl_sys_table *table;
        table = &real;
        evl_sys.send = [](int fd, const void *buf, size_t len, int flags) {
            return table->send(fd, buf, len > 2 ? 2 : len, flags);
        };
        std::string back;
        for (int i = 0; i < 5; i++) {
            EXPECT_EQ(write(link.s, "short sends"), 11);
            int n = 0;
            pump(w, [&] {
                return (back += got(link.peer)).size() == 11u * static_cast<size_t>(i + 1) || n++ > 1000;
            });
            EXPECT_LT(n, 1000) << i;
        }
        evl_sys = real;
        EXPECT_EQ(back, "short sendsshort sendsshort sendsshort sendsshort sends");
        evl_stream_abort(link.s);
    }
}

// No edge comes of it: there was room all the time.
TEST(StreamWrite, AShortWriteToAPipeThatHasRoom) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    evl_sys_table real = evl_sys;
    static evl_sys_table *table;
    table = &real;
    EXPECT_GE(w.nowait(), 0);
    EXPECT_GE(w.nowait(), 0); // what it was told of at first is over
    evl_sys.write_pipe = [](int fd, const iovec *iov, int) {
        iovec some = {iov->iov_base, std::min<size_t>(iov->iov_len, 3)};
        return table->write_pipe(fd, &some, 1);
    };
    std::string back;
    EXPECT_EQ(write(s, "ten bytes!"), 10);
    int n = 0;
    pump(w, [&] { return (back += got(pipe.r)).size() == 10 || n++ > 1000; });
    evl_sys = real;
    EXPECT_EQ(back, "ten bytes!");
    evl_stream_abort(s);
}

TEST(StreamWrite, AShortWriteToAPipe) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    evl_sys_table real = evl_sys;
    static evl_sys_table *table;
    static int calls;
    table = &real;
    calls = 0;
    evl_sys.write_pipe = [](int fd, const iovec *iov, int n) {
        iovec one = {iov->iov_base, 1};
        return calls++ == 0 ? table->write_pipe(fd, &one, 1) : table->write_pipe(fd, iov, n);
    };
    std::string sent = pattern(200000), back;
    EXPECT_EQ(write(s, sent), 200000);
    int n = 0;
    pump(w, [&] { return (back += got(pipe.r)).size() == sent.size() || n++ > 10000; });
    evl_sys = real;
    EXPECT_TRUE(back == sent) << back.size();
}

TEST(StreamWriteRef, ReleasedOnceAndNeverInside) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        int released = 0;
        std::string text = pattern(1000000), back;
        EXPECT_EQ(evl_stream_write_ref(link.s, "small", 5, count_release, &released), 5);
        EXPECT_EQ(released, 0) << "never inside the call";
        passes(w);
        EXPECT_EQ(released, 1);
        EXPECT_EQ(evl_stream_write_ref(link.s, text.data(), text.size(), count_release, &released), 1000000);
        EXPECT_EQ(evl_stream_write_ref(link.s, "tail", 4, nullptr, nullptr), 4);
        passes(w);
        EXPECT_EQ(released, 1) << "not before it has been sent";
        pump(w, [&] { return (back += got(link.peer)).size() == 1000009; });
        passes(w);
        EXPECT_EQ(released, 2);
        EXPECT_TRUE(back == "small" + text + "tail");
        EXPECT_EQ(evl_stream_write_ref(link.s, "", 0, count_release, &released), 0);
        passes(w);
        EXPECT_EQ(released, 3) << "of nothing too";
        evl_stream_abort(link.s);
    }
}

TEST(StreamWriteRef, ReleasedWhenItIsGivenUpAndNotOnAnError) {
    World w;
    Link link(w);
    int released = 0;
    choke(link.s);
    EXPECT_EQ(evl_stream_write_ref(link.s, "x", 1, count_release, &released), 1);
    EXPECT_EQ(evl_stream_abort(link.s), 0);
    EXPECT_EQ(released, 0);
    passes(w);
    EXPECT_EQ(released, 1);
    Link other(w);
    EXPECT_EQ(evl_stream_write_eof(other.s), 0);
    EXPECT_EQ(evl_stream_write_ref(other.s, "x", 1, count_release, &released), EVL_EPIPE);
    passes(w);
    EXPECT_EQ(released, 1);
}

TEST(StreamWriteRef, ReleasedWhenTheLoopIsDestroyed) {
    int released = 0;
    World w;
    Link link(w);
    choke(link.s);
    EXPECT_EQ(evl_stream_write_ref(link.s, "x", 1, count_release, &released), 1);
    EXPECT_EQ(w.destroy(), 0);
    EXPECT_EQ(released, 1);
}

TEST(StreamMarks, DrainWaitsAboveTheHighUntilTheLow) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Wait early(w), late(w), second(w), flush(w);
        EXPECT_EQ(evl_stream_drain(link.s, early.op), 0);
        EXPECT_FALSE(early.done());
        passes(w);
        EXPECT_EQ(early.result, 0) << "nothing is queued";
        choke(link.s);
        EXPECT_EQ(write(link.s, std::string(200000, 'x')), 200000);
        EXPECT_EQ(evl_stream_drain(link.s, late.op), 0);
        EXPECT_EQ(evl_stream_drain(link.s, second.op), 0) << "any number";
        EXPECT_EQ(evl_stream_flush(link.s, flush.op), 0);
        passes(w);
        EXPECT_FALSE(late.done());
        while (evl_stream_queued(link.s) > 16384) {
            EXPECT_FALSE(late.done()) << evl_stream_queued(link.s);
            char bytes[4096];
            (void)!::read(link.peer, bytes, sizeof bytes);
            w.nowait();
        }
        passes(w);
        EXPECT_EQ(late.result, 0);
        EXPECT_EQ(second.result, 0);
        pump(w, [&] { return got(link.peer), flush.done(); });
        EXPECT_EQ(flush.result, 0);
        EXPECT_EQ(evl_stream_queued(link.s), 0);
        evl_stream_abort(link.s);
    }
}

TEST(StreamMarks, SettingThemTakesEffectAtOnce) {
    World w;
    Link link(w);
    Wait drain(w);
    choke(link.s);
    int64_t queued = evl_stream_queued(link.s);
    ASSERT_GT(queued, 10);
    EXPECT_EQ(evl_stream_set_marks(link.s, 4, EVL_AUTO, 0), 0);
    EXPECT_EQ(evl_stream_drain(link.s, drain.op), 0);
    passes(w);
    EXPECT_FALSE(drain.done());
    EXPECT_EQ(evl_stream_set_marks(link.s, 1U << 30, 1U << 29, 0), 0);
    EXPECT_FALSE(drain.done());
    passes(w);
    EXPECT_EQ(drain.result, 0);
    evl_stream_abort(link.s);
}

TEST(StreamMarks, TheHardLimitStopsWhoIgnoresDrain) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        EXPECT_EQ(evl_stream_set_marks(link.s, 65536, EVL_AUTO, 100000), 0);
        std::string block(7000, 'x');
        int64_t rc = 0, taken = 0;
        for (int i = 0; i < 100000 && rc >= 0; i++) {
            rc = write(link.s, block);
            taken += rc > 0 ? rc : 0;
            EXPECT_LE(evl_stream_queued(link.s), 100000);
        }
        EXPECT_EQ(rc, EVL_ENOBUFS);
        int released = 0;
        std::string big(200000, 'y');
        EXPECT_EQ(evl_stream_write_ref(link.s, big.data(), big.size(), count_release, &released),
                  EVL_ENOBUFS);
        std::string back;
        pump(w, [&] { return (back += got(link.peer)).size() >= static_cast<size_t>(taken); });
        passes(w);
        EXPECT_EQ(static_cast<int64_t>((back += got(link.peer)).size()), taken)
            << "what was refused is not sent";
        EXPECT_EQ(write(link.s, block), 7000) << "then it goes on";
        EXPECT_EQ(released, 0);
        evl_stream_abort(link.s);
    }
}

TEST(StreamMarks, TheHardLimitHoldsForReferencesToo) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_stream_set_marks(link.s, 65536, EVL_AUTO, 100000), 0);
    std::string big(16 << 20, 'y');
    int64_t rc = evl_stream_write_ref(link.s, big.data(), big.size(), nullptr, nullptr);
    EXPECT_EQ(rc, EVL_ENOBUFS);
    EXPECT_LE(evl_stream_queued(link.s), 100000);
    evl_stream_abort(link.s);
}

TEST(StreamWrite, TheOtherEndHasGone) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Wait drain(w), flush(w), later(w);
        choke(link.s);
        write(link.s, std::string(200000, 'x'));
        EXPECT_EQ(evl_stream_drain(link.s, drain.op), 0);
        EXPECT_EQ(evl_stream_flush(link.s, flush.op), 0);
        link.peer.close(); // with data unread: a reset
        pump(w, [&] { return drain.done() && flush.done(); });
        EXPECT_TRUE(drain.result == EVL_EPIPE || drain.result == EVL_ECONNRESET) << drain.result;
        EXPECT_EQ(flush.result, drain.result);
        EXPECT_EQ(evl_stream_queued(link.s), 0) << "nobody will take it";
        int64_t rc = write(link.s, "x");
        EXPECT_TRUE(rc == EVL_EPIPE || rc == EVL_ECONNRESET) << rc;
        EXPECT_EQ(evl_stream_drain(link.s, later.op), 0);
        passes(w);
        EXPECT_EQ(later.result, drain.result) << "is told again";
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
    }
}

TEST(StreamWrite, APipeWithoutReaderRaisesNoSignal) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    EXPECT_EQ(write(s, "x"), 1);
    pipe.r.close();
    EXPECT_EQ(write(s, "x"), EVL_EPIPE);
    EXPECT_EQ(write(s, "x"), EVL_EPIPE);
}

TEST(StreamWrite, APipeIsQueuedAndTellsOfItsReadersEnd) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    Wait flush(w);
    std::string text = pattern(300000), back;
    EXPECT_EQ(write(s, text), 300000);
    EXPECT_GT(evl_stream_queued(s), 0);
    EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
    pump(w, [&] { return (back += got(pipe.r)).size() == text.size(); });
    EXPECT_TRUE(back == text);
    pump(w, [&] { return flush.done(); });
    EXPECT_EQ(flush.result, 0);
    EXPECT_EQ(write(s, text), 300000);
    EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
    flush.result = pending;
    pipe.r.close();
    pump(w, [&] { return flush.done(); });
    EXPECT_EQ(flush.result, EVL_EPIPE);
    EXPECT_EQ(evl_stream_write_eof(s), EVL_ENOTSUP) << "a pipe has no half";
}

// Its reader goes while the writer shuts down, which must not read.
TEST(StreamWrite, APipesErrorIsThatOfWriting) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    Wait flush(w), shutdown(w);
    EXPECT_EQ(write(s, pattern(1000000)), 1000000);
    EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
    EXPECT_EQ(evl_stream_shutdown(s, shutdown.op), 0);
    passes(w);
    pipe.r.close();
    pump(w, [&] { return flush.done() && shutdown.done(); });
    EXPECT_EQ(flush.result, EVL_EPIPE);
    EXPECT_EQ(shutdown.result, EVL_EPIPE);
    EXPECT_EQ(write(s, "x"), EVL_EPIPE);
    EXPECT_EQ(info(s).error, EVL_EPIPE);
    EXPECT_EQ(evl_close(s), 0);
}

// Each direction has an error of its own.
TEST(StreamWrite, AnErrorOfReadingIsNotOneOfWriting) {
    World w;
    Sys sys;
    Link link(w, Kind::local);
    Read r(w);
    EXPECT_EQ(r.some(link.s), 0);
    sys.fail(Call::recv, EIO);
    link.say("x");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EIO);
    link.peer.close();
    EXPECT_EQ(write(link.s, "x"), EVL_EPIPE);
    EXPECT_EQ(write(link.s, "x"), EVL_EPIPE);
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EIO);
    evl_stream_abort(link.s);
}

TEST(StreamWrite, AFullSocketSaysSoOnce) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        evl_sys_table real = evl_sys;
        static evl_sys_table *table;
        static int refused;
        table = &real;
        refused = 0;
        evl_sys.sendmsg = [](int fd, const msghdr *msg, int flags) {
            ssize_t n = table->sendmsg(fd, msg, flags);
            refused += n < 0;
            return n;
        };
        std::string text = pattern(4000000), back;
        EXPECT_EQ(write(link.s, text), 4000000);
        pump(w, [&] { return (back += got(link.peer)).size() == text.size(); });
        evl_sys = real;
        EXPECT_TRUE(back == text);
        EXPECT_LE(refused, 1);
        evl_stream_abort(link.s);
    }
}

TEST(StreamWrite, NotOpenForIt) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.r);
    EXPECT_EQ(write(s, "x"), EVL_EBADF);
    EXPECT_EQ(evl_stream_write_ref(s, "x", 1, nullptr, nullptr), EVL_EBADF);
}

TEST(StreamWrite, DrainAndFlushAreCancelledAndTimeOut) {
    World w;
    Link link(w);
    Wait drain(w), flush(w), closed(w);
    choke(link.s);
    write(link.s, std::string(200000, 'x'));
    EXPECT_EQ(evl_stream_drain(link.s, drain.op), 0);
    EXPECT_EQ(evl_stream_flush(link.s, flush.op), 0);
    EXPECT_EQ(evl_stream_flush(link.s, closed.op), 0);
    EXPECT_EQ(evl_stream_flush(link.s, flush.op), EVL_EBUSY);
    EXPECT_EQ(evl_op_cancel(drain.op), 1);
    EXPECT_EQ(evl_op_close(closed.op), 0);
    EXPECT_EQ(evl_op_deadline(flush.op, evl_time(w.loop) + sec), 0);
    while (!flush.done())
        w.once();
    EXPECT_EQ(drain.result, EVL_ECANCELED);
    EXPECT_EQ(flush.result, EVL_ETIMEDOUT);
    EXPECT_EQ(closed.result, pending);
    evl_stream_abort(link.s);
}

TEST(StreamWrite, DrainSync) {
    World w;
    Link link(w);
    Wait op(w, EVL_OP_SYNC);
    EXPECT_EQ(evl_stream_drain(link.s, op.op), 1);
    EXPECT_EQ(evl_op_result(op.op), 0);
    EXPECT_EQ(evl_stream_flush(link.s, op.op), 1);
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(w.loop, &future), 0);
    choke(link.s);
    EXPECT_EQ(evl_stream_flush(link.s, evl_future_op(future)), 0);
    pump(w, [&] { return got(link.peer), evl_future_state(future) != EVL_FUTURE_PENDING; });
    EXPECT_EQ(evl_future_state(future), EVL_FUTURE_VALUE);
    evl_future_unref(future);
    evl_stream_abort(link.s);
}

// --- the end of what is written ---------------------------------------------------------------------------

TEST(StreamWriteEof, BehindWhatIsQueued) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w);
        std::string text = pattern(3000000), back;
        EXPECT_EQ(write(link.s, text), 3000000);
        EXPECT_EQ(evl_stream_write_eof(link.s), 0);
        EXPECT_EQ(evl_stream_write_eof(link.s), 0) << "twice";
        EXPECT_EQ(write(link.s, "x"), EVL_EPIPE);
        EXPECT_EQ(info(link.s).write_closed, 1);
        pump(w, [&] { return (back += got(link.peer)).size() == text.size() && at_end(link.peer); });
        EXPECT_TRUE(back == text);
        put(link.peer, "still");
        EXPECT_EQ(r.some(link.s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "still") << "the other half is open";
        evl_stream_abort(link.s);
    }
}

TEST(StreamWriteEof, TheOtherSidesHalf) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w);
        ::shutdown(link.peer, SHUT_WR);
        EXPECT_EQ(r.some(link.s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, 0);
        EXPECT_EQ(write(link.s, "answer"), 6) << "writing goes on";
        pump(w, [&] { return got(link.peer) == "answer"; });
        std::string text = pattern(2000000), back;
        EXPECT_EQ(write(link.s, text), 2000000);
        pump(w, [&] { return (back += got(link.peer)).size() == text.size(); });
        EXPECT_TRUE(back == text);
    }
}

// Writes that the hard limit refuses, where the kernel is full: whoever waits with drain, as the header says,
// is called when the kernel takes something again, and not before.
TEST(StreamWrite, DrainWaitsForTheKernelBehindARefusedWrite) {
    for (Kind kind : kinds)
        for (size_t size : {size_t(5000), size_t(900)}) { // above the hard limit, and below
            World w;
            Link link(w, kind);
            EXPECT_EQ(evl_stream_set_marks(link.s, 500, EVL_AUTO, 1000), 0);
            std::string text = pattern(8 << 20), back;
            size_t at = 0;
            int drains = 0;
            Wait drained(w);
            auto fill = [&] {
                for (int64_t n; at < text.size(); at += static_cast<size_t>(n)) {
                    n = evl_stream_write(link.s, text.data() + at, std::min(size, text.size() - at));
                    if (n < 0) {
                        EXPECT_EQ(n, EVL_ENOBUFS);
                        break;
                    }
                }
                drained.result = pending;
                EXPECT_EQ(evl_stream_drain(link.s, drained.op), 0);
                drains++;
            };
            fill();
            for (int i = 0; i < 50; i++) {
                if (drained.done())
                    fill();
                w.nowait();
            }
            EXPECT_LE(drains, 5) << "the peer does not read";
            EXPECT_FALSE(drained.done());
            pump(w, [&] {
                back += got(link.peer);
                if (drained.done() && at < text.size())
                    fill();
                return back.size() >= text.size();
            });
            EXPECT_TRUE(back == text);
            pump(w, [&] { return drained.done(); });
            EXPECT_EQ(drained.result, 0);
            EXPECT_EQ(evl_loop_alive(w.loop), 0);
        }
}

// The kernel has room again before anybody waits.
TEST(StreamWrite, DrainBehindARefusedWriteWhenTheKernelHasRoomAlready) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        EXPECT_EQ(evl_stream_set_marks(link.s, 500, EVL_AUTO, 1000), 0);
        std::string text(5000, 'x');
        for (int round = 0; round < 3; round++) {
            int64_t n;
            do
                n = write(link.s, text);
            while (n > 0);
            EXPECT_EQ(n, EVL_ENOBUFS);
            until([&] { return got(link.peer).empty(); });
            passes(w);
            Wait drained(w);
            EXPECT_EQ(evl_stream_drain(link.s, drained.op), 0);
            pump(w, [&] { return drained.done(); });
            EXPECT_EQ(drained.result, 0);
        }
    }
}

// As many empty pieces as fit into one call, and data behind them, on a stream that has met a full kernel.
TEST(StreamWrite, EmptyPiecesInFront) {
    World w;
    Link link(w);
    std::string text(4 << 20, 'x'), back;
    EXPECT_EQ(write(link.s, text), static_cast<int64_t>(text.size()));
    pump(w, [&] { return (back += got(link.peer)).size() == text.size(); });
    passes(w);
    std::vector<evl_buf> bufs(100, evl_buf{"", 0});
    bufs[80] = {"data", 4};
    EXPECT_EQ(evl_stream_writev(link.s, bufs.data(), 100), 4);
    std::string rest;
    for (int i = 0; i < 100 && rest.empty(); i++) {
        w.nowait();
        rest = got(link.peer);
    }
    EXPECT_EQ(rest, "data");
}

} // namespace
