// stream_fds_test.cpp - fds that go and come over Unix sockets with the bytes of a stream.
#include "transports.hpp"

#include <cstdlib>
#include <sys/stat.h>

using namespace streams;

namespace {

ino_t inode(int fd) {
    struct stat st{};
    EXPECT_EQ(::fstat(fd, &st), 0);
    return st.st_ino;
}

int64_t send_fds(evl_stream *s, std::string_view text, const std::vector<evl_fd> &fds) {
    return evl_stream_write_fds(s, text.data(), text.size(), fds.data(), static_cast<int32_t>(fds.size()));
}

// Two streams that face each other; what is sent are pipes, told apart by their inodes.
struct Faces {
    explicit Faces(World &world, uint32_t max = 8) : w(world), link(world, Kind::local) {
        far = open(w, link.peer);
        EXPECT_EQ(evl_stream_receive_fds(far, max), 0);
    }
    // What the far side holds, in order.
    std::vector<ino_t> take() const {
        std::vector<ino_t> all;
        for (evl_fd fd; (fd = evl_stream_take_fd(far)) >= 0;) {
            all.push_back(inode(fd));
            EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
            ::close(fd);
        }
        EXPECT_EQ(evl_stream_take_fd(far), EVL_EAGAIN);
        return all;
    }
    // Reads that many bytes there.
    std::string read(size_t n) const {
        Read read(w, n);
        if (read.exactly(far, n) == 0)
            pump(w, [&] { return read.done(); });
        return read.text();
    }
    // Until the kernel is full and some is queued; how many bytes.
    size_t fill() const {
        std::string text(1 << 20, 'f');
        EXPECT_EQ(write(link.s, text), static_cast<int64_t>(text.size()));
        EXPECT_GT(evl_stream_queued(link.s), 0);
        return text.size();
    }
    World &w;
    Link link;
    evl_stream *far = nullptr;
    Pipe one, two;
    std::vector<ino_t> both() const { return {inode(one.r), inode(two.r)}; }
};

using Inodes = std::vector<ino_t>;

TEST(StreamFds, ComeInOrderWithTheirBytes) {
    World w;
    Faces f(w);
    EXPECT_EQ(evl_stream_take_fd(f.far), EVL_EAGAIN);
    EXPECT_EQ(send_fds(f.link.s, "both", {f.one.r, f.two.r}), 4);
    EXPECT_EQ(send_fds(f.link.s, "two", {f.two.r}), 3);
    EXPECT_EQ(write(f.link.s, "none"), 4);
    EXPECT_EQ(f.read(4), "both");
    EXPECT_EQ(info(f.far).held_fds, 2u);
    EXPECT_EQ(f.take(), f.both());
    EXPECT_EQ(f.read(7), "twonone");
    EXPECT_EQ(f.take(), Inodes{inode(f.two.r)});
    EXPECT_EQ(info(f.far).held_fds, 0u);
    EXPECT_GE(::fcntl(f.one.r, F_GETFD), 0) << "the caller keeps its own";
}

TEST(StreamFds, ComeToWhatWaits) {
    World w;
    Faces f(w);
    Read some(w);
    EXPECT_EQ(some.some(f.far), 0);
    passes(w);
    EXPECT_FALSE(some.done());
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    pump(w, [&] { return some.done(); });
    EXPECT_EQ(some.text(), "x");
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
}

TEST(StreamFds, ComeWithWhatIsPushed) {
    World w;
    Faces f(w);
    std::string text;
    Inodes taken;
    EXPECT_EQ(evl_stream_on_data(f.far, World::done(), w.arg([&](int64_t n) {
                  if (n <= 0)
                      return;
                  text += peek(f.far);
                  EXPECT_EQ(evl_stream_consume(f.far, peek(f.far).size()), 0);
                  for (ino_t i : f.take())
                      taken.push_back(i);
              })),
              0);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(send_fds(f.link.s, "ab", {f.one.r}), 2);
        EXPECT_EQ(write(f.link.s, "c"), 1);
        EXPECT_EQ(send_fds(f.link.s, "d", {f.two.r}), 1);
        passes(w);
    }
    pump(w, [&] { return text.size() == 12; });
    EXPECT_EQ(text, "abcdabcdabcd");
    ino_t a = inode(f.one.r), b = inode(f.two.r);
    EXPECT_EQ(taken, (Inodes{a, b, a, b, a, b}));
}

TEST(StreamFds, ComeToReadsByHandAndLines) {
    World w;
    Faces f(w);
    char byte = 0;
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    EXPECT_EQ(send_fds(f.link.s, "line\n", {f.two.r}), 5);
    pump(w, [&] { return evl_stream_try_read(f.far, &byte, 1) == 1; });
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
    Read line(w);
    if (line.line(f.far) == 0)
        pump(w, [&] { return line.done(); });
    EXPECT_EQ(line.text(), "line\n");
    EXPECT_EQ(f.take(), Inodes{inode(f.two.r)});
}

// Where the write has to wait, duplicates wait with it: the caller closes its own at once.
TEST(StreamFds, WaitWithTheirBytes) {
    World w;
    Faces f(w);
    Inodes sent = f.both();
    size_t before = f.fill();
    EXPECT_EQ(send_fds(f.link.s, "one", {f.one.r}), 3);
    EXPECT_EQ(write(f.link.s, "..."), 3);
    EXPECT_EQ(send_fds(f.link.s, "two", {f.two.r}), 3);
    EXPECT_EQ(write(f.link.s, "end"), 3);
    f.one.r.close();
    f.two.r.close();
    EXPECT_EQ(f.read(before), std::string(before, 'f'));
    EXPECT_EQ(f.read(6), "one...");
    pump(w, [&] { return evl_stream_queued(f.link.s) == 0; });
    EXPECT_EQ(f.read(6), "twoend");
    EXPECT_EQ(f.take(), sent);
}

// With the first byte, and not before: as a peer sees it that reads a byte at a time.
TEST(StreamFds, GoWithTheFirstByte) {
    World w;
    Link link(w, Kind::local);
    Pipe pipe;
    std::string text(300'000, 'x');
    EXPECT_EQ(write(link.s, "ab"), 2);
    EXPECT_EQ(send_fds(link.s, text, {pipe.r}), 300'000);
    size_t at = 0, came = 0;
    pump(w, [&] {
        char bytes[1000], control[CMSG_SPACE(sizeof(int))];
        iovec iov = {bytes, at < 3 ? 1 : sizeof bytes};
        msghdr msg{};
        msg.msg_iov = &iov;
        msg.msg_iovlen = 1;
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
        ssize_t n = ::recvmsg(link.peer, &msg, MSG_DONTWAIT);
        if (n <= 0)
            return false;
        at += static_cast<size_t>(n);
        if (const cmsghdr *head = CMSG_FIRSTHDR(&msg)) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
            EXPECT_EQ(inode(fd), inode(pipe.r));
            ::close(fd);
            EXPECT_EQ(std::exchange(came, at), 0u);
        }
        return at == text.size() + 2;
    });
    EXPECT_EQ(came, 3u);
}

TEST(StreamFds, MuchAtOnce) {
    World w;
    Faces f(w);
    std::string text = pattern(1 << 20);
    EXPECT_EQ(send_fds(f.link.s, text, {f.one.r}), 1 << 20);
    EXPECT_GT(evl_stream_queued(f.link.s), 0);
    EXPECT_TRUE(f.read(1 << 20) == text);
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
}

// An operation that waits for the queue and ends leaves the fds in it.
TEST(StreamFds, OutliveAFlush) {
    World w({.clock = EVL_CLOCK_MANUAL});
    Faces f(w);
    size_t before = f.fill();
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    Wait late(w), canceled(w);
    EXPECT_EQ(evl_stream_flush(f.link.s, late.op), 0);
    EXPECT_EQ(evl_op_timeout(late.op, sec), 0);
    EXPECT_EQ(evl_stream_flush(f.link.s, canceled.op), 0);
    EXPECT_EQ(evl_op_cancel(canceled.op), 1);
    EXPECT_EQ(evl_clock_advance(w.loop, 2 * sec), 0);
    pump(w, [&] { return late.done() && canceled.done(); });
    EXPECT_EQ(late.result, EVL_ETIMEDOUT);
    EXPECT_EQ(canceled.result, EVL_ECANCELED);
    EXPECT_EQ(f.read(before + 1).size(), before + 1);
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
}

TEST(StreamFds, AClosedStreamStillSendsThem) {
    World w;
    Faces f(w);
    size_t before = f.fill();
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    EXPECT_EQ(evl_close(f.link.s), 0);
    EXPECT_EQ(f.read(before + 1).size(), before + 1);
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
}

TEST(StreamFds, WhatEndsTheQueueClosesThem) {
    for (int way = 0; way < 4; way++) {
        SCOPED_TRACE(way);
        World w;
        Faces f(w);
        f.fill();
        EXPECT_EQ(send_fds(f.link.s, "x", {f.one.w, f.two.w}), 1);
        f.one.w.close();
        if (way == 0) {
            EXPECT_EQ(evl_stream_abort(f.link.s), 0);
        } else if (way == 1) {
            EXPECT_EQ(w.destroy(), 0);
        } else if (way == 2) {
            EXPECT_EQ(evl_stream_set_linger(f.link.s, 0), 0);
            EXPECT_EQ(evl_close(f.link.s), 0);
        } else {
            EXPECT_EQ(evl_stream_abort(f.far), 0);
            pump(w, [&] { return info(f.link.s).error != 0; });
            EXPECT_LT(send_fds(f.link.s, "x", {f.two.r}), 0);
        }
        if (way != 1) {
            passes(w);
        }
        char byte;
        EXPECT_EQ(::read(f.one.r, &byte, 1), 0) << "the other end sees that";
    }
}

TEST(StreamFds, WhatIsNotTakenIsClosedWithTheStream) {
    for (int way = 0; way < 4; way++) {
        SCOPED_TRACE(way);
        World w;
        Faces f(w);
        EXPECT_EQ(send_fds(f.link.s, "abc", {f.one.w, f.two.w}), 3);
        EXPECT_EQ(f.read(3), "abc");
        f.one.w.close();
        f.two.w.close();
        char byte;
        EXPECT_EQ(::read(f.one.r, &byte, 1), -1) << "it is still open";
        EXPECT_EQ(evl_stream_detach(f.far, nullptr, 0, nullptr), EVL_EBUSY);
        if (way == 0) {
            EXPECT_EQ(evl_close(f.far), 0);
        } else if (way == 1) {
            EXPECT_EQ(evl_stream_abort(f.far), 0);
        } else if (way == 2) {
            EXPECT_EQ(w.destroy(), 0);
        } else { // it lingers
            std::string text(1 << 20, 'f');
            EXPECT_EQ(write(f.far, text), static_cast<int64_t>(text.size()));
            EXPECT_EQ(evl_close(f.far), 0);
        }
        EXPECT_EQ(::read(f.one.r, &byte, 1), 0) << "the other end sees that";
        EXPECT_EQ(::read(f.two.r, &byte, 1), 0);
    }
}

TEST(StreamFds, StayAfterTheEnd) {
    World w;
    Faces f(w);
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    EXPECT_EQ(evl_close(f.link.s), 0);
    Read all(w);
    if (all.all(f.far) == 0)
        pump(w, [&] { return all.done(); });
    EXPECT_EQ(all.text(), "x");
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
}

TEST(StreamFds, NoMoreThanAsked) {
    World w;
    Faces f(w, 2);
    EXPECT_EQ(send_fds(f.link.s, "ab", {f.one.r, f.two.r}), 2);
    EXPECT_EQ(f.read(2), "ab");
    EXPECT_EQ(send_fds(f.link.s, "c", {f.one.r}), 1);
    Read more(w);
    if (more.some(f.far) == 0)
        pump(w, [&] { return more.done(); });
    EXPECT_EQ(evl_op_result(more.op), EVL_ENOBUFS);
    EXPECT_EQ(info(f.far).error, EVL_ENOBUFS);
    EXPECT_EQ(f.take(), f.both());
    EXPECT_EQ(write(f.far, "out"), 3) << "writing goes on";
}

TEST(StreamFds, TheLimitMayBeRaisedAndLowered) {
    World w;
    Faces f(w, 1);
    EXPECT_EQ(evl_stream_receive_fds(f.far, 2), 0);
    EXPECT_EQ(send_fds(f.link.s, "ab", {f.one.r, f.two.r}), 2);
    EXPECT_EQ(f.read(2), "ab");
    EXPECT_EQ(evl_stream_receive_fds(f.far, 1), 0);
    EXPECT_EQ(f.take(), f.both());
    EXPECT_EQ(send_fds(f.link.s, "c", {f.one.r}), 1);
    EXPECT_EQ(f.read(1), "c");
    EXPECT_EQ(evl_stream_receive_fds(f.far, 0), 0);
    EXPECT_EQ(send_fds(f.link.s, "d", {f.two.r}), 1);
    EXPECT_EQ(f.read(1), "d");
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)}) << "the last was not asked for";
    EXPECT_EQ(evl_stream_receive_fds(f.far, 1025), EVL_EINVAL);
}

TEST(StreamFds, BytesAloneComeWhateverIsHeld) {
    World w;
    Faces f(w, 2);
    EXPECT_EQ(send_fds(f.link.s, "ab", {f.one.r, f.two.r}), 2);
    EXPECT_EQ(f.read(2), "ab");
    EXPECT_EQ(evl_stream_receive_fds(f.far, 1), 0) << "two are held";
    EXPECT_EQ(write(f.link.s, "bytes"), 5);
    EXPECT_EQ(f.read(5), "bytes");
    EXPECT_EQ(info(f.far).error, 0);
    EXPECT_EQ(f.take(), f.both());
}

// The kernel cuts a message short for which the process has no fds left.
TEST(StreamFds, NoneLeftEndsReading) {
    Sys sys;
    World w;
    Faces f(w);
    static decltype(evl_sys.recvmsg) before;
    before = evl_sys.recvmsg;
    evl_sys.recvmsg = [](int fd, msghdr *msg, int flags) {
        ssize_t n = before(fd, msg, flags);
        msg->msg_flags |= n > 0 ? MSG_CTRUNC : 0;
        return n;
    };
    EXPECT_EQ(send_fds(f.link.s, "ab", {f.one.r, f.two.r}), 2);
    Read read(w);
    if (read.some(f.far) == 0)
        pump(w, [&] { return read.done(); });
    EXPECT_EQ(evl_op_result(read.op), EVL_EMFILE);
    EXPECT_EQ(f.take(), Inodes{});
    evl_sys.recvmsg = before;
}

TEST(StreamFds, WithoutAskingNoneComes) {
    World w;
    Link link(w, Kind::local);
    Pipe pipe;
    evl_stream *far = open(w, link.peer);
    EXPECT_EQ(send_fds(link.s, "x", {pipe.w}), 1);
    pipe.w.close();
    Read read(w);
    if (read.some(far) == 0)
        pump(w, [&] { return read.done(); });
    EXPECT_EQ(read.text(), "x");
    EXPECT_EQ(evl_stream_take_fd(far), EVL_EAGAIN);
    EXPECT_TRUE(::read(pipe.r, read.buf.data(), 1) == 0);
}

TEST(StreamFds, DiscardedInputDiscardsThem) {
    World w;
    Faces f(w, 1);
    Wait shut(w);
    EXPECT_EQ(evl_stream_shutdown(f.far, shut.op), 0);
    EXPECT_EQ(send_fds(f.link.s, "ab", {f.one.r, f.two.r}), 2);
    EXPECT_EQ(evl_stream_write_eof(f.link.s), 0);
    pump(w, [&] { return shut.done(); });
    EXPECT_EQ(shut.result, 0);
    EXPECT_EQ(f.take(), Inodes{});
}

TEST(StreamFds, ASpliceLeavesThem) {
    World w;
    Faces f(w);
    Link to(w, Kind::local);
    Wait spliced(w);
    std::string text(200'000, 's'), all;
    EXPECT_EQ(evl_stream_splice(f.far, spliced.op, to.s), 0);
    EXPECT_EQ(write(f.link.s, text), 200'000);
    EXPECT_EQ(send_fds(f.link.s, text, {f.one.r}), 200'000);
    EXPECT_EQ(evl_stream_write_eof(f.link.s), 0);
    pump(w, [&] {
        all += got(to.peer);
        return spliced.done();
    });
    pump(w, [&] { return (all += got(to.peer)).size() == 400'000; });
    EXPECT_EQ(spliced.result, 400'000);
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
}

// --- what is refused ---------------------------------------------------------------------------------------

TEST(StreamFds, OnlyUnixSocketsPassThem) {
    World w;
    Link tcp(w);
    Pipe pipe;
    int given = give(pipe.w);
    evl_stream *piped = nullptr;
    EXPECT_EQ(evl_stream_open(w.loop, given, 0, &piped), 0);
    for (evl_stream *s : {tcp.s, piped}) {
        EXPECT_EQ(send_fds(s, "x", {pipe.r}), EVL_ENOTSUP);
        EXPECT_EQ(evl_stream_receive_fds(s, 1), EVL_ENOTSUP);
        EXPECT_EQ(evl_stream_take_fd(s), EVL_EAGAIN);
    }
    EXPECT_EQ(write(tcp.s, "x"), 1) << "which does the stream no harm";
}

TEST(StreamFds, TransportsPassNone) {
    World w;
    Own custom(w);
    custom.open();
    EXPECT_EQ(send_fds(custom.s, "x", {0}), EVL_ENOTSUP);
    EXPECT_EQ(evl_stream_receive_fds(custom.s, 1), EVL_ENOTSUP);
}

TEST(StreamFds, WrongArguments) {
    World w;
    Faces f(w);
    evl_stream *s = f.link.s;
    evl_fd fd = f.one.r;
    std::vector<evl_fd> many(254, fd);
    EXPECT_EQ(evl_stream_write_fds(s, "x", 0, &fd, 1), EVL_EINVAL) << "fds need a byte to go with";
    EXPECT_EQ(evl_stream_write_fds(s, nullptr, 1, &fd, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write_fds(s, "x", 1, nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write_fds(s, "x", 1, &fd, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_write_fds(s, "x", 1, &fd, -1), EVL_EINVAL);
    EXPECT_EQ(send_fds(s, "x", many), EVL_EINVAL);
    EXPECT_LT(evl_stream_write_fds(nullptr, "x", 1, &fd, 1), 0);
    EXPECT_LT(evl_stream_receive_fds(nullptr, 1), 0);
    EXPECT_LT(evl_stream_take_fd(nullptr), 0);
    many.pop_back();
    EXPECT_EQ(evl_stream_receive_fds(f.far, 1024), 0);
    EXPECT_EQ(send_fds(s, "x", many), 1);
    EXPECT_EQ(f.read(1), "x");
    EXPECT_EQ(f.take().size(), 253u);
}

// One of several that is not open: nothing goes, and the stream is as it was.
TEST(StreamFds, OneThatIsNotOpen) {
    for (bool waits : {false, true}) {
        World w;
        Faces f(w);
        size_t before = waits ? f.fill() : 0;
        EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r, 1'000'000}), EVL_EBADF);
        EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r, -1}), EVL_EBADF);
        EXPECT_EQ(write(f.link.s, "y"), 1);
        EXPECT_EQ(f.read(before + 1).back(), 'y');
        EXPECT_EQ(f.take(), Inodes{});
    }
}

TEST(StreamFds, NoFdForADuplicate) {
    Sys sys;
    World w;
    Faces f(w);
    size_t before = f.fill();
    sys.fail(Call::dup_above, EMFILE, 1);
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r, f.two.r}), EVL_EMFILE);
    EXPECT_EQ(send_fds(f.link.s, "y", {f.two.r}), 1);
    EXPECT_EQ(f.read(before + 1).back(), 'y');
    EXPECT_EQ(f.take(), Inodes{inode(f.two.r)});
}

TEST(StreamFds, TooManyOnTheirWay) {
    Sys sys;
    World w;
    Faces f(w);
    sys.fail(Call::sendmsg, ETOOMANYREFS);
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), EVL_ENOBUFS);
    Wait drain(w);
    if (evl_stream_drain(f.link.s, drain.op) == 0)
        pump(w, [&] { return drain.done(); });
    EXPECT_EQ(evl_op_result(drain.op), 0);
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    EXPECT_EQ(f.read(1), "x");
    EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
}

TEST(StreamFds, TheHardLimitCounts) {
    World w;
    Faces f(w);
    f.fill();
    EXPECT_EQ(evl_stream_set_marks(f.link.s, 1000, EVL_AUTO, 2 << 20), 0);
    std::string text(2 << 20, 'x');
    EXPECT_EQ(send_fds(f.link.s, text, {f.one.r}), EVL_ENOBUFS);
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    EXPECT_EQ(evl_stream_write_eof(f.link.s), 0);
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), EVL_EPIPE);
}

// --- a forked child ----------------------------------------------------------------------------------------

TEST(StreamFds, AChildHasItsOwnOfBoth) {
    World w;
    Faces f(w);
    EXPECT_EQ(send_fds(f.link.s, "x", {f.one.r}), 1);
    EXPECT_EQ(f.read(1), "x");
    size_t before = f.fill();
    EXPECT_EQ(send_fds(f.link.s, "y", {f.two.r}), 1);
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        EXPECT_EQ(evl_stream_queued(f.link.s), 0);
        EXPECT_EQ(f.take(), Inodes{inode(f.one.r)});
        EXPECT_EQ(evl_close(f.far), 0);
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(w.memory.bytes(), 0u);
    });
    EXPECT_EQ(f.read(before + 1).back(), 'y');
    EXPECT_EQ(f.take(), f.both());
}

} // namespace
