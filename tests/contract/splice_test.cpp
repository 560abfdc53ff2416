// splice_test.cpp - one stream into another.
#include "world.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

using namespace support;

namespace {

// near -> from, and to -> far: what is put into near comes out of far.
struct Line {
    explicit Line(World &w) : world(w) {
        open(from, near);
        open(to, far);
    }
    ~Line() {
        evl_close(from);
        evl_close(to);
        ::close(near);
        ::close(far);
    }
    void open(evl_stream *&stream, int &end) {
        int pair[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
        ASSERT_EQ(evl_stream_open(world.loop, pair[0], 0, &stream), 0);
        end = pair[1];
    }
    // Starts it; the result stands in `result`.
    evl_op *splice() {
        result = INT64_MIN;
        evl_op *op = world.op([this](int64_t r) { result = r; });
        EXPECT_EQ(evl_stream_splice(from, op, to), 0);
        return op;
    }
    // Sends and receives until there is an end of what comes, or `enough` of it has come.
    void pump(size_t enough = SIZE_MAX) {
        char bytes[65536];
        for (bool ended = false; !ended && got.size() < enough;) {
            if (!text.empty()) {
                ssize_t n = ::write(near, text.data(), std::min<size_t>(text.size(), 200000));
                if (n > 0)
                    text.erase(0, static_cast<size_t>(n));
            }
            ASSERT_GE(world.nowait(), 0);
            ssize_t n = ::read(far, bytes, sizeof bytes);
            if (n > 0)
                got.append(bytes, static_cast<size_t>(n));
            ended = n == 0 || result != INT64_MIN;
        }
    }
    void finish() {
        until([&] {
            char bytes[65536];
            EXPECT_GE(world.nowait(), 0);
            ssize_t n = ::read(far, bytes, sizeof bytes);
            if (n > 0)
                got.append(bytes, static_cast<size_t>(n));
            return n < 0 && evl_stream_queued(to) == 0 && evl_op_active(last) == 0;
        });
    }

    World &world;
    evl_stream *from = nullptr, *to = nullptr;
    int near = -1, far = -1;
    int64_t result = INT64_MIN;
    std::string text, got;
    evl_op *last = nullptr;
};

std::string numbers(size_t size) {
    std::string all;
    for (int i = 0; all.size() < size; i++)
        all += std::to_string(i) + " ";
    all.resize(size);
    return all;
}

void moves_everything(World &w) {
    Line line(w);
    const std::string all = numbers(3000000);
    line.text = all;
    ASSERT_EQ(evl_stream_unread(line.from, "left over, ", 11), 0);
    ASSERT_EQ(evl_stream_write(line.to, "before, ", 8), 8);
    line.last = line.splice();
    EXPECT_EQ(evl_stream_read(line.from, w.op([](int64_t) {}), nullptr, 1), EVL_EBUSY);
    line.pump(3000000);
    ::shutdown(line.near, SHUT_WR);
    line.pump();
    line.finish();
    EXPECT_EQ(line.result, 11 + 3000000);
    EXPECT_TRUE(line.got == "before, left over, " + all) << line.got.size();
    EXPECT_EQ(evl_stream_write(line.to, "x", 1), 1); // its end is not announced
}

TEST(Splice, MovesEverythingInOrder) {
    World w;
    moves_everything(w);
}

TEST(Splice, WithoutTheKernelsHelpItCopies) {
    auto before = evl_sys.splice;
    evl_sys.splice = [](int, int, size_t) -> ssize_t {
        errno = EINVAL;
        return -1;
    };
    {
        World w;
        moves_everything(w);
    }
    evl_sys.splice = before;
}

// The way out of the pipe is refused only: what is in it must still come through.
TEST(Splice, WhatIsInThePipeIsCopiedWhereItCannotLeave) {
    static int calls;
    auto before = evl_sys.splice_out;
    calls = 0;
    evl_sys.splice_out = [](int, int, size_t) -> ssize_t {
        calls++;
        errno = EINVAL;
        return -1;
    };
    {
        World w;
        moves_everything(w);
    }
    evl_sys.splice_out = before;
    EXPECT_GT(calls, 0);
}

// A splice of the kernel's ends in front of an urgent mark, and looks as if nothing more came.
TEST(Splice, BeyondUrgentData) {
    for (size_t size :
         {size_t{3}, size_t{150000}}) { // all of it is there before it is moved, if the kernel has room
        for (bool ends : {false, true}) {
            World w;
            Tcp source;
            Pair sink;
            evl_stream *from = nullptr, *to = nullptr;
            int room = 4 << 20;
            ::setsockopt(source.a, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
            ::setsockopt(source.b, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
            int mine = ::dup(source.a);
            ASSERT_EQ(evl_stream_open(w.loop, mine, 0, &from), 0);
            mine = ::dup(sink.a);
            ASSERT_EQ(evl_stream_open(w.loop, mine, 0, &to), 0);
            std::string text = numbers(size), seen;
            int64_t result = INT64_MIN;
            evl_op *op = w.op([&](int64_t r) { result = r; });
            EXPECT_EQ(evl_stream_splice(from, op, to), 0);
            auto move = [&](size_t enough) {
                until([&] {
                    char bytes[65536];
                    EXPECT_GE(w.nowait(), 0);
                    ssize_t n = ::read(sink.b, bytes, sizeof bytes);
                    if (n > 0)
                        seen.append(bytes, static_cast<size_t>(n));
                    return seen.size() >= enough;
                });
            };
            for (size_t at = 0; at < size;) {
                ssize_t n = ::send(source.b, text.data() + at, size - at, MSG_NOSIGNAL);
                at += n > 0 ? static_cast<size_t>(n) : 0;
                if (n < 0)
                    move(at / 2);
            }
            ASSERT_EQ(::send(source.b, "u", 1, MSG_OOB), 1);
            for (size_t at = 0; at < size;) {
                ssize_t n = ::send(source.b, text.data() + at, size - at, MSG_NOSIGNAL);
                at += n > 0 ? static_cast<size_t>(n) : 0;
                if (n < 0)
                    move(seen.size() + 1);
            }
            if (ends)
                ::shutdown(source.b, SHUT_WR);
            move(2 * size);
            EXPECT_TRUE(seen == text + text) << seen.size();
            until([&] {
                EXPECT_GE(w.nowait(), 0);
                return !ends || result != INT64_MIN;
            });
            EXPECT_EQ(result, ends ? static_cast<int64_t>(2 * size) : INT64_MIN);
            evl_stream_abort(from);
            evl_stream_abort(to);
            EXPECT_EQ(evl_op_close(op), 0);
        }
    }
}

// A little at a time is copied, with one call to read and one to write; a lot goes through the kernel, which
// is told about SIGPIPE only where it can come.
TEST(Splice, HowItMovesWhat) {
    World w;
    Sys sys;
    Tcp source, sink;
    evl_stream *from = nullptr, *to = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, ::dup(source.a), 0, &from), 0);
    ASSERT_EQ(evl_stream_open(w.loop, ::dup(sink.a), 0, &to), 0);
    evl_op *op = w.op([](int64_t) {});
    EXPECT_EQ(evl_stream_splice(from, op, to), 0);
    auto through = [&](size_t n) {
        std::string text(n, 'x');
        size_t seen = 0, at = 0;
        until([&] {
            char bytes[65536];
            ssize_t put = at < n ? ::send(source.b, text.data() + at, n - at, MSG_NOSIGNAL) : 0;
            at += put > 0 ? static_cast<size_t>(put) : 0;
            EXPECT_GE(w.nowait(), 0);
            ssize_t back = ::read(sink.b, bytes, sizeof bytes);
            seen += back > 0 ? static_cast<size_t>(back) : 0;
            return seen == n;
        });
    };
    through(100);
    uint64_t reads = sys.calls(Call::recv), sends = sys.calls(Call::send);
    for (int i = 0; i < 100; i++)
        through(100);
    EXPECT_LE(sys.calls(Call::recv) - reads, w.on("select") ? 200u : 100u);
    EXPECT_EQ(sys.calls(Call::send) - sends, 100u);
    EXPECT_EQ(sys.calls(Call::splice) + sys.calls(Call::splice_out) + sys.calls(Call::pipe_cloexec), 0u);
    through(10000000);
    EXPECT_GT(sys.calls(Call::splice_out), 10u);
    EXPECT_EQ(sys.calls(Call::pipe_cloexec), 1u);
    evl_stream_abort(from);
    evl_stream_abort(to);
    EXPECT_EQ(evl_op_close(op), 0);
}

TEST(Splice, Contract_05_ACancelledSpliceLosesNothing) {
    World w;
    Line line(w);
    const std::string all = numbers(2000000);
    line.text = all;
    for (int turn = 0; turn < 20; turn++) {
        line.last = line.splice();
        line.pump(line.got.size() + 50000);
        EXPECT_EQ(evl_op_cancel(line.last), 1);
        until([&] { return w.nowait() >= 0 && line.result != INT64_MIN; });
        EXPECT_EQ(line.result, EVL_ECANCELED);
    }
    line.last = line.splice();
    line.pump(2000000);
    ::shutdown(line.near, SHUT_WR);
    line.pump();
    line.finish();
    EXPECT_TRUE(line.got == all) << line.got.size();
}

TEST(Splice, Contract_04_ADeadlineEndsIt) {
    World w;
    Line line(w);
    line.last = line.splice();
    ASSERT_EQ(evl_op_deadline(line.last, evl_now(w.loop) + 5 * ms), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(line.result, EVL_ETIMEDOUT);
}

TEST(Splice, Contract_04_EitherStreamMayBeClosed) {
    for (bool first : {true, false})
        for (int passes : {0, 1, 3}) {
            World w;
            Line line(w);
            line.text = numbers(300000);
            line.last = line.splice();
            for (int i = 0; i < passes; i++) {
                (void)!::write(line.near, line.text.data(), line.text.size());
                EXPECT_GE(w.nowait(), 0);
            }
            evl_stream *&closing = first ? line.from : line.to;
            EXPECT_EQ(evl_stream_abort(closing), 0);
            closing = nullptr;
            EXPECT_EQ(line.result, INT64_MIN); // never inline
            until([&] { return w.nowait() >= 0 && line.result != INT64_MIN; });
            EXPECT_EQ(line.result, EVL_ECLOSED) << first << passes;
        }
}

TEST(Splice, Contract_04_ClosedInSilence) {
    for (int passes : {0, 1, 3}) {
        World w;
        Line line(w);
        line.last = line.splice();
        for (int i = 0; i < passes; i++) {
            (void)!::write(line.near, "some", 4);
            EXPECT_GE(w.nowait(), 0);
        }
        EXPECT_EQ(evl_op_close(line.last), 0);
        EXPECT_GE(w.nowait(), 0);
        EXPECT_EQ(line.result, INT64_MIN);
        EXPECT_EQ(evl_stream_read(line.from, w.op([](int64_t) {}), nullptr, 1), 0); // free again
    }
}

TEST(Splice, TheErrorOfEitherIsTheResult) {
    World w;
    Line line(w);
    line.last = line.splice();
    ::close(line.far);
    line.far = -1;
    (void)!::write(line.near, "x", 1);
    until([&] {
        (void)!::write(line.near, "x", 1);
        return w.nowait() >= 0 && line.result != INT64_MIN;
    });
    EXPECT_EQ(line.result, EVL_EPIPE);
}

TEST(Splice, BadInput) {
    World w, other;
    Line line(w), strange(other);
    evl_op *op = w.op([](int64_t) {});
    EXPECT_EQ(evl_stream_splice(nullptr, op, line.to), EVL_EINVAL);
    EXPECT_EQ(evl_stream_splice(line.from, op, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_splice(line.from, nullptr, line.to), EVL_EINVAL);
    EXPECT_EQ(evl_stream_splice(line.from, op, line.from), EVL_EINVAL);
    EXPECT_EQ(evl_stream_splice(line.from, op, strange.to), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write_eof(line.to), 0);
    EXPECT_EQ(evl_stream_splice(line.from, op, line.to), EVL_EPIPE);
    EXPECT_EQ(evl_op_active(op), 0);
}

} // namespace
