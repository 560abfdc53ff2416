// stream_fd_test.cpp - what an fd that was open before means to a stream: whose it is, what it is, what was
// written to it.
#include "streams.hpp"

#include <pty.h>
#include <sys/ioctl.h>

using namespace streams;

namespace {

// --- EVL_STREAM_KEEP_FD -------------------------------------------------------------------------------

// A stream on an fd that stays the test's.
struct Kept {
    explicit Kept(World &w, Kind kind = Kind::local) {
        Pair pair;
        Tcp tcp;
        mine = std::move(kind == Kind::local ? pair.a : tcp.a);
        peer = std::move(kind == Kind::local ? pair.b : tcp.b);
        EXPECT_EQ(evl_stream_open(w.loop, mine, EVL_STREAM_KEEP_FD, &s), 0);
    }
    evl_stream *s = nullptr;
    Fd mine, peer;
};

TEST(StreamKeepFd, ClosingLeavesTheSocketAlone) {
    for (Kind kind : kinds) {
        for (bool wrote : {false, true}) {
            World w;
            Kept kept(w, kind);
            if (wrote) {
                EXPECT_EQ(write(kept.s, "hi"), 2);
            }
            EXPECT_EQ(evl_close(kept.s), 0);
            EXPECT_EQ(evl_loop_alive(w.loop), 0);
            put(kept.mine, "still mine");
            put(kept.peer, "for the caller");
            passes(w);
            EXPECT_EQ(got(kept.mine), "for the caller") << "nothing is discarded";
            EXPECT_EQ(got(kept.peer), wrote ? "histill mine" : "still mine");
            EXPECT_FALSE(at_end(kept.peer)) << "nothing is shut down";
        }
    }
}

TEST(StreamKeepFd, WhatIsQueuedIsDropped) {
    World w;
    Kept kept(w);
    Wait flushed(w);
    int64_t accepted = write(kept.s, std::string(4 << 20, 'x'));
    EXPECT_EQ(accepted, 4 << 20);
    EXPECT_EQ(evl_stream_flush(kept.s, flushed.op), 0);
    EXPECT_EQ(evl_close(kept.s), 0);
    std::string sent = got(kept.peer);
    pump(w, [&] { return flushed.done(); });
    EXPECT_EQ(flushed.result, EVL_ECLOSED);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    EXPECT_EQ(got(kept.peer), "") << "the number may be another file by now";
    EXPECT_LT(sent.size(), size_t{4} << 20);
}

// --- what is opened once more -------------------------------------------------------------------------

TEST(StreamOpen, TheMasterOfAPseudoTerminalIsNotOpenedAgain) {
    World w;
    int controller = -1, line = -1;
    ASSERT_EQ(::openpty(&controller, &line, nullptr, nullptr, nullptr), 0);
    Fd terminal(line);
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, controller, 0, &s), 0) << "it blocks, and so does the terminal";
    EXPECT_EQ(info(s).fd, controller);
    put(terminal, "hello");
    Read r(w);
    EXPECT_EQ(r.some(s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "hello");
    EXPECT_EQ(evl_close(s), 0);
}

TEST(StreamOpen, APipeIsOpenedAgain) {
    World w;
    Pipe pipe;
    ::fcntl(pipe.r, F_SETFL, 0);
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, pipe.r, EVL_STREAM_KEEP_FD, &s), 0);
    EXPECT_NE(info(s).fd, static_cast<int>(pipe.r));
    EXPECT_EQ(::fcntl(pipe.r, F_GETFL) & O_NONBLOCK, 0) << "who shares it is not disturbed";
    EXPECT_EQ(evl_close(s), 0);
}

// --- what was written before --------------------------------------------------------------------------

// Everything that a peer gets, and whether it ended cleanly.
std::pair<std::string, int> receive_all(World &w, const Fd &peer) {
    std::string all;
    char bytes[65536];
    for (;;) {
        w.nowait();
        ssize_t n = ::recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0)
            all.append(bytes, static_cast<size_t>(n));
        else if (n == 0 || errno != EAGAIN)
            return {all, n == 0 ? 0 : errno};
    }
}

// The kernel has it, the peer has not, and there is input that nobody reads: a plain close would be a reset.
TEST(StreamClose, WhatWasWrittenBeforeItWasAStreamArrives) {
    for (bool by_stream : {false, true}) {
        World w;
        Link link(w); // small buffers
        std::string sent = pattern(200000), before;
        if (by_stream) {
            EXPECT_EQ(write(link.s, sent), 200000);
            pump(w, [&] {
                if (evl_stream_queued(link.s) != 0)
                    before += got(link.peer);
                return evl_stream_queued(link.s) == 0;
            });
        }
        link.say("more");
        Fd fd(evl_stream_detach(link.s, nullptr, 0, nullptr));
        if (!by_stream) {
            ssize_t n = ::write(fd, sent.data(), sent.size());
            ASSERT_GT(n, 0);
            sent.resize(static_cast<size_t>(n));
        }
        evl_stream *again = nullptr;
        ASSERT_EQ(evl_stream_open(w.loop, fd, 0, &again), 0);
        fd.release();
        EXPECT_EQ(evl_close(again), 0);
        auto [text, error] = receive_all(w, link.peer);
        EXPECT_TRUE(before + text == sent) << before.size() + text.size() << " of " << sent.size();
        EXPECT_EQ(error, 0);
    }
}

} // namespace
