// wait_fd_test.cpp - waiting for an fd once: what it costs, and fds that go away or change under it.
#include "world.hpp"

#include <fcntl.h>
#include <unistd.h>

using namespace support;

namespace {

evl_op *noting(World &w, const std::string &word) {
    return w.op([&w, word](int64_t rc) { w.note(word + std::to_string(rc)); });
}

TEST(WaitFd, BadInput) {
    World w;
    Pipe pipe;
    Fd file = regular_file();
    evl_op *op = noting(w, "op");
    EXPECT_EQ(evl_wait_fd(w.loop, op, -1, EVL_READ), EVL_EBADF);
    EXPECT_EQ(evl_wait_fd(w.loop, op, 99999, EVL_READ), EVL_EBADF);
    EXPECT_EQ(evl_wait_fd(w.loop, op, file, EVL_READ), EVL_EPERM);
    EXPECT_EQ(evl_wait_fd(w.loop, op, pipe.r, 0), EVL_EINVAL);
    EXPECT_EQ(evl_wait_fd(w.loop, op, pipe.r, EVL_HUP), EVL_EINVAL);
    EXPECT_EQ(evl_wait_fd(nullptr, op, pipe.r, EVL_READ), EVL_EINVAL);
    EXPECT_EQ(evl_op_active(op), 0);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
}

TEST(WaitFd, SeveralWaitForOneAndWatchersBeside) {
    World w;
    Pair pair;
    evl_op *a = noting(w, "a"), *b = noting(w, "b"), *writer = noting(w, "w");
    int seen = 0;
    evl_io *io = w.io(pair.a, EVL_READ, [&] { seen++; });
    for (evl_op *op : {a, b})
        EXPECT_EQ(evl_wait_fd(w.loop, op, pair.a, EVL_READ), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(evl_wait_fd(w.loop, writer, pair.a, EVL_WRITE), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "w4") << "who reads is not told of room";
    pair.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "w4 a1 b1");
    EXPECT_EQ(seen, 1);
    w.nowait();
    EXPECT_EQ(w.log(), "w4 a1 b1") << "once";
    EXPECT_EQ(seen, 2) << "the watcher goes on";
    evl_close(io);
    EXPECT_EQ(evl_wait_fd(w.loop, a, pair.a, EVL_READ), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "w4 a1 b1 a1") << "also after the watcher";
}

TEST(WaitFd, OneSystemCallForAWaitAndNoneInTheSamePass) {
    World w;
    Sys sys;
    Pipe pipe;
    evl_op *op = nullptr;
    int left = 0;
    op = w.op([&](int64_t) {
        if (left-- > 0) {
            EXPECT_EQ(evl_wait_fd(w.loop, op, pipe.r, EVL_READ), 0);
        }
    });
    uint64_t before = sys.changes();
    EXPECT_EQ(evl_wait_fd(w.loop, op, pipe.r, EVL_READ), 0);
    w.nowait();
    uint64_t first = sys.changes() - before;
    EXPECT_LE(first, 1u) << "and none where the kernel keeps no interest";
    pipe.w.put();
    left = 10;
    before = sys.changes();
    for (int i = 0; i < 11; i++)
        w.nowait();
    EXPECT_EQ(left, -1);
    EXPECT_LE(sys.changes() - before, 10u * 1u + 1u) << "at most one for each wait, and one at the end";
}

TEST(WaitFd, ClosedAndItsNumberUsedAgain) {
    World w;
    Pipe fresh;
    int fd;
    evl_op *old = noting(w, "old"), *now = noting(w, "new");
    {
        Pipe pipe;
        fd = pipe.r;
        EXPECT_EQ(evl_wait_fd(w.loop, old, fd, EVL_READ), 0);
        w.nowait();
    } // behind the loop's back
    ASSERT_EQ(::dup2(fresh.r, fd), fd);
    Fd again(fd);
    EXPECT_EQ(evl_wait_fd(w.loop, now, fd, EVL_READ), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "old-9") << "found by the second wait";
    fresh.w.put();
    w.nowait();
    EXPECT_EQ(w.log(), "old-9 new1");
}

TEST(WaitFd, IdleBetweenWaitsAndItsNumberUsedAgain) {
    World w;
    Pipe fresh;
    int fd;
    evl_op *op = noting(w, "op");
    {
        Pipe pipe;
        fd = pipe.r;
        pipe.w.put();
        EXPECT_EQ(evl_wait_fd(w.loop, op, fd, EVL_READ), 0);
        w.nowait();
        w.nowait();
    }
    w.clear();
    ASSERT_EQ(::dup2(fresh.r, fd), fd);
    Fd again(fd);
    EXPECT_EQ(evl_wait_fd(w.loop, op, fd, EVL_READ), 0);
    w.nowait();
    EXPECT_EQ(w.log(), "") << "nothing of the old file";
    fresh.w.put();
    w.nowait();
    EXPECT_EQ(w.log(), "op1");
}

TEST(WaitFd, FdClosingEndsAllWaits) {
    World w;
    Pipe pipe;
    for (const char *name : {"a", "b"})
        EXPECT_EQ(evl_wait_fd(w.loop, noting(w, name), pipe.r, EVL_READ), 0);
    EXPECT_EQ(evl_fd_closing(w.loop, pipe.r), 2);
    EXPECT_EQ(w.log(), "") << "never inside";
    pipe.r.close();
    w.nowait();
    EXPECT_EQ(w.log(), "a-1000 b-1000");
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(WaitFd, TheOtherEndIsGone) {
    World w;
    Pipe pipe;
    int64_t mask = 0;
    EXPECT_EQ(evl_wait_fd(w.loop, w.op([&](int64_t rc) { mask = rc; }), pipe.r, EVL_READ), 0);
    pipe.w.close();
    w.nowait();
    EXPECT_EQ(mask & EVL_READ, EVL_READ) << mask;
}

// What a wait leaves with its fd is the library's own.
TEST(WaitFd, NobodyWatchesAnFdThatWasWaitedFor) {
    World w;
    Pair p;
    EXPECT_EQ(evl_wait_fd(w.loop, w.op([] {}), p.a, EVL_WRITE), 0);
    w.nowait();
    EXPECT_EQ(evl_fd_closing(w.loop, p.a), 0);
    EXPECT_EQ(evl_wait_fd(w.loop, w.op(w.says("wait")), p.a, EVL_READ), 0);
    evl_io *io = w.io(p.a, EVL_READ, w.says("io"));
    EXPECT_EQ(evl_fd_closing(w.loop, p.a), 2);
    w.nowait();
    EXPECT_EQ(w.log(), "wait io");
    evl_close(io);
}

// The queue keeps an entry for a number that was closed while a duplicate holds the file. Its tag has 16 bits
// of the watcher's generation, and they come round.
TEST(WaitFd, Contract_10_AnEntryThatCannotBeDeletedIsNotTakenForALaterWatcher) {
    World w;
    Pair old, now;
    evl_op *op = w.op([] {});
    EXPECT_EQ(evl_wait_fd(w.loop, op, old.a, EVL_READ), 0);
    Fd copy(::fcntl(old.a, F_DUPFD_CLOEXEC, 0));
    old.a.close();
    EXPECT_EQ(evl_op_close(op), 0);
    w.nowait();
    for (int i = 0; i < 65535; i++) {
        EXPECT_EQ(evl_wait_fd(w.loop, op, now.a, EVL_READ), 0);
        evl_op_close(op);
        evl_fd_closing(w.loop, now.a);
    }
    EXPECT_EQ(evl_wait_fd(w.loop, w.op(w.says("wait")), now.a, EVL_READ), 0);
    old.b.put();
    for (int i = 0; i < 4; i++)
        w.nowait();
    EXPECT_EQ(w.log(), "");
    now.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "wait");
}

} // namespace
