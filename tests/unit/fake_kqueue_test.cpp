// fake_kqueue_test.cpp - that the kqueue the tests run on behaves as one of a BSD does.
#include "child.hpp"
#include "fds.hpp"
#include "sys.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#if defined(EVLOOP_KQUEUE) // otherwise there is none, or a real one

#    include <sys/event.h>

using namespace support;

namespace {

constexpr timespec kAtOnce{0, 0};
constexpr timespec kSecond{1, 0};

class FakeKqueue : public ::testing::Test {
  protected:
    ~FakeKqueue() override { evl_sys.close(kq); }

    static struct kevent change(int ident, short filter, int flags, unsigned fflags = 0, int64_t data = 0) {
        return {
            static_cast<uintptr_t>(ident), filter, static_cast<unsigned short>(flags), fflags, data, nullptr};
    }
    // Makes one change; answers its errno.
    int set(int ident, short filter, int flags, unsigned fflags = 0, int64_t data = 0) {
        struct kevent c = change(ident, filter, flags, fflags, data);
        c.udata = this;
        return ::kevent(kq, &c, 1, nullptr, 0, nullptr) == 0 ? 0 : errno;
    }
    std::vector<struct kevent> wait(timespec timeout = kAtOnce, int cap = 64) {
        std::vector<struct kevent> rows(static_cast<size_t>(cap));
        int n = ::kevent(kq, nullptr, 0, rows.data(), cap, &timeout);
        EXPECT_GE(n, 0) << errno;
        rows.resize(static_cast<size_t>(n < 0 ? 0 : n));
        return rows;
    }
    bool readable(int ms = 0) const {
        pollfd p{kq, POLLIN, 0};
        return ::poll(&p, 1, ms) == 1;
    }

    int kq = ::kqueue();
};

TEST_F(FakeKqueue, KeepsOpenOnExecAsTheBsdsDo) { EXPECT_EQ(::fcntl(kq, F_GETFD), 0); }

TEST_F(FakeKqueue, LevelsAreReportedAgain) {
    Pipe p;
    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ADD), 0);
    EXPECT_TRUE(wait().empty());
    EXPECT_FALSE(readable());
    p.w.put(3);
    for (int i = 0; i < 2; i++) {
        EXPECT_TRUE(readable());
        auto rows = wait();
        ASSERT_EQ(rows.size(), 1u);
        EXPECT_EQ(rows[0].ident, static_cast<uintptr_t>(static_cast<int>(p.r)));
        EXPECT_EQ(rows[0].filter, EVFILT_READ);
        EXPECT_EQ(rows[0].data, 3);
        EXPECT_EQ(rows[0].udata, this);
        EXPECT_EQ(rows[0].flags & (EV_EOF | EV_ERROR), 0);
    }
}

TEST_F(FakeKqueue, FlagsOfAKnote) {
    Pipe p;
    p.w.put();
    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ADD | EV_CLEAR), 0);
    EXPECT_EQ(wait().size(), 1u);
    EXPECT_EQ(wait().size(), 0u);
    EXPECT_FALSE(readable());
    p.w.put();
    EXPECT_EQ(wait().size(), 1u) << "a new edge";
    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ENABLE), 0);
    EXPECT_EQ(wait().size(), 1u) << "looked at again";
    EXPECT_EQ(wait().size(), 0u) << "EV_CLEAR stays";
    ASSERT_EQ(set(p.r, EVFILT_READ, EV_DELETE), 0);

    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ADD | EV_ONESHOT), 0);
    EXPECT_EQ(wait().size(), 1u);
    EXPECT_EQ(wait().size(), 0u);
    EXPECT_EQ(set(p.r, EVFILT_READ, EV_DELETE), ENOENT);

    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ADD | EV_DISPATCH), 0);
    EXPECT_EQ(wait().size(), 1u);
    EXPECT_EQ(wait().size(), 0u);
    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ENABLE), 0);
    EXPECT_EQ(wait().size(), 1u);

    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ADD | EV_DISABLE), 0);
    EXPECT_EQ(wait().size(), 0u);
    EXPECT_FALSE(readable());
}

TEST_F(FakeKqueue, EndOfFileComesWithTheData) {
    Pipe p;
    Pair s;
    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ADD), 0);
    ASSERT_EQ(set(s.a, EVFILT_READ, EV_ADD), 0);
    p.w.put(5);
    p.w.close();
    s.b.put(5);
    ::shutdown(s.b, SHUT_WR);
    for (long left : {5, 0}) {
        auto rows = wait();
        ASSERT_EQ(rows.size(), 2u);
        for (auto &row : rows) {
            EXPECT_TRUE(row.flags & EV_EOF);
            EXPECT_EQ(row.data, left);
            EXPECT_EQ(row.fflags, 0u);
        }
        p.r.drain();
        s.a.drain();
    }
}

TEST_F(FakeKqueue, AResetHasItsErrorInFflags) {
    Tcp t;
    ASSERT_EQ(set(t.a, EVFILT_READ, EV_ADD), 0);
    ASSERT_EQ(set(t.a, EVFILT_WRITE, EV_ADD | EV_CLEAR), 0);
    ASSERT_EQ(wait().size(), 1u);
    linger hard{1, 0};
    ::setsockopt(t.b, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    t.b.close();
    auto rows = wait(kSecond);
    ASSERT_GE(rows.size(), 1u);
    for (auto &row : rows) {
        EXPECT_TRUE(row.flags & EV_EOF);
        EXPECT_NE(row.fflags, 0u);
    }
    int err = 0;
    socklen_t len = sizeof err;
    EXPECT_EQ(::getsockopt(t.a, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    EXPECT_EQ(err, ECONNRESET) << "the owner of the socket gets to see it";
}

TEST_F(FakeKqueue, UrgentData) {
    Tcp t;
    ASSERT_EQ(set(t.a, EVFILT_EXCEPT, EV_ADD, NOTE_OOB), 0);
    t.b.put();
    EXPECT_EQ(wait({0, 20'000'000}).size(), 0u);
    EXPECT_EQ(::send(t.b, "!", 1, MSG_OOB), 1);
    for (int i = 0; i < 2; i++) {
        auto rows = wait(kSecond);
        ASSERT_EQ(rows.size(), 1u);
        EXPECT_EQ(rows[0].fflags, NOTE_OOB);
    }
    char byte;
    EXPECT_EQ(::recv(t.a, &byte, 1, MSG_OOB), 1);
    EXPECT_EQ(wait().size(), 0u);
    t.b.close();
    EXPECT_EQ(wait({0, 20'000'000}).size(), 0u);
    EXPECT_FALSE(readable()) << "a hangup is nothing urgent";
    Pipe p;
    EXPECT_EQ(set(p.r, EVFILT_EXCEPT, EV_ADD, NOTE_OOB), EINVAL);
}

TEST_F(FakeKqueue, ErrorsOfChanges) {
    Pipe p, broken;
    broken.r.close();
    int closed = broken.w;
    EXPECT_EQ(set(broken.w, EVFILT_WRITE, EV_ADD), EPIPE);
    broken.w.close();
    EXPECT_EQ(set(closed, EVFILT_READ, EV_ADD), EBADF);
    EXPECT_EQ(set(closed, EVFILT_READ, EV_DELETE), EBADF);
    EXPECT_EQ(set(p.r, EVFILT_READ, EV_DELETE), ENOENT);
    EXPECT_EQ(set(p.r, EVFILT_READ, EV_ENABLE), ENOENT);
    EXPECT_EQ(set(p.r, -99, EV_ADD), EINVAL);
    EXPECT_EQ(set(7, EVFILT_USER, 0, NOTE_TRIGGER), ENOENT);
    timespec wrong{0, 1'000'000'000};
    EXPECT_EQ(::kevent(kq, nullptr, 0, nullptr, 0, &wrong), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::kevent(p.r, nullptr, 0, nullptr, 0, &kAtOnce), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::kevent(-1, nullptr, 0, nullptr, 0, &kAtOnce), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST_F(FakeKqueue, ErrorsAreRowsWhileThereIsRoom) {
    Pipe p;
    p.w.put();
    struct kevent changes[] = {
        change(p.r, EVFILT_READ, EV_ADD),
        change(p.r, EVFILT_WRITE, EV_DELETE),
        change(p.w, EVFILT_READ, EV_DELETE),
        change(p.w, EVFILT_WRITE, EV_ADD | EV_CLEAR),
    };
    struct kevent rows[4];
    ASSERT_EQ(::kevent(kq, changes, 4, rows, 4, nullptr), 2) << "and no events beside them";
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(rows[i].flags, EV_ERROR) << "the flags of the change are gone";
        EXPECT_EQ(rows[i].data, ENOENT);
        EXPECT_EQ(rows[i].ident, changes[i + 1].ident);
    }
    EXPECT_EQ(::kevent(kq, changes, 4, rows, 1, nullptr), -1) << "no room for the second";
    EXPECT_EQ(errno, ENOENT);

    for (struct kevent &c : changes)
        c.flags |= EV_RECEIPT;
    ASSERT_EQ(::kevent(kq, changes, 4, rows, 4, nullptr), 4);
    const int expected[] = {0, ENOENT, ENOENT, 0};
    for (int i = 0; i < 4; i++) {
        EXPECT_TRUE(rows[i].flags & EV_ERROR);
        EXPECT_EQ(rows[i].data, expected[i]);
    }
}

TEST_F(FakeKqueue, ShortListsTakeTurns) {
    std::vector<Pair> pairs(5);
    for (Pair &p : pairs) {
        p.b.put();
        ASSERT_EQ(set(p.a, EVFILT_READ, EV_ADD), 0);
        ASSERT_EQ(set(p.a, EVFILT_WRITE, EV_ADD), 0);
    }
    ASSERT_EQ(set(1, EVFILT_USER, EV_ADD | EV_CLEAR), 0);
    ASSERT_EQ(set(1, EVFILT_USER, 0, NOTE_TRIGGER), 0);
    ASSERT_EQ(set(2, EVFILT_TIMER, EV_ADD, 0, 1), 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::vector<std::pair<uintptr_t, short>> seen;
    for (int i = 0; i < 100; i++)
        for (auto &row : wait(kSecond, 1))
            seen.emplace_back(row.ident, row.filter);
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    EXPECT_EQ(seen.size(), 12u);
}

TEST_F(FakeKqueue, KnotesGoWithTheNumber) {
    for (bool twin : {false, true})
        for (bool reused : {false, true}) {
            Pair p, other;
            Fd second(twin ? ::fcntl(p.a, F_DUPFD_CLOEXEC, 100) : -1);
            int number = p.a;
            ASSERT_EQ(set(number, EVFILT_READ, EV_ADD), 0);
            ASSERT_EQ(set(number, EVFILT_WRITE, EV_ADD | EV_DISABLE), 0);
            p.a.close();
            Fd again;
            if (reused) {
                EXPECT_EQ(::dup3(other.a, number, O_CLOEXEC), number);
                again = Fd(number);
                other.b.put();
            }
            p.b.put();
            EXPECT_TRUE(wait().empty());
            EXPECT_FALSE(readable());
            EXPECT_EQ(set(number, EVFILT_READ, EV_ENABLE), reused ? ENOENT : EBADF);
            EXPECT_EQ(set(number, EVFILT_WRITE, EV_DELETE), reused ? ENOENT : EBADF);
            if (reused) {
                ASSERT_EQ(set(number, EVFILT_READ, EV_ADD), 0);
                EXPECT_EQ(wait().size(), 1u);
            }
        }
}

TEST_F(FakeKqueue, RegularFilesAreReady) {
    Fd file = regular_file();
    ASSERT_EQ(set(file, EVFILT_READ, EV_ADD), 0);
    ASSERT_EQ(set(file, EVFILT_WRITE, EV_ADD | EV_CLEAR), 0);
    EXPECT_TRUE(readable());
    EXPECT_EQ(wait().size(), 2u);
    EXPECT_EQ(wait().size(), 1u);
    ASSERT_EQ(set(file, EVFILT_READ, EV_DELETE), 0);
    EXPECT_FALSE(readable());
    ASSERT_EQ(set(file, EVFILT_READ, EV_ADD), 0);
    file.close();
    EXPECT_EQ(wait().size(), 0u);
    EXPECT_FALSE(readable());
}

TEST_F(FakeKqueue, UserEventsFromAnywhere) {
    ASSERT_EQ(set(1, EVFILT_USER, EV_ADD | EV_CLEAR), 0);
    ASSERT_EQ(set(2, EVFILT_USER, EV_ADD), 0);
    EXPECT_TRUE(wait().empty());
    std::thread thread([this] {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        EXPECT_EQ(set(1, EVFILT_USER, 0, NOTE_TRIGGER), 0);
    });
    auto rows = wait(kSecond);
    thread.join();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].ident, 1u);
    EXPECT_TRUE(wait().empty()) << "cleared";
    ASSERT_EQ(set(2, EVFILT_USER, 0, NOTE_TRIGGER), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_TRUE(readable());
        EXPECT_EQ(wait().size(), 1u) << "without EV_CLEAR it stays";
    }
    ASSERT_EQ(set(2, EVFILT_USER, EV_DELETE), 0);
    EXPECT_TRUE(wait().empty());
    EXPECT_FALSE(readable());
}

TEST_F(FakeKqueue, Timers) {
    ASSERT_EQ(set(1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, 2000), 0);
    EXPECT_FALSE(readable());
    EXPECT_EQ(wait(kSecond).size(), 1u);
    EXPECT_EQ(set(1, EVFILT_TIMER, EV_DELETE), ENOENT) << "one shot";
    ASSERT_EQ(set(1, EVFILT_TIMER, EV_ADD, NOTE_NSECONDS, 1'000'000), 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    auto rows = wait();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_GE(rows[0].data, 5) << "expirations";
    ASSERT_EQ(set(1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 100), 0);
    EXPECT_TRUE(wait({0, 5'000'000}).empty()) << "set again";
    EXPECT_EQ(set(2, EVFILT_TIMER, EV_ADD, 0, -1), EINVAL);
    EXPECT_EQ(set(2, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, INT64_MAX), EINVAL);
}

TEST_F(FakeKqueue, Signals) {
    static int handled;
    handled = 0;
    struct sigaction action{}, before;
    action.sa_handler = [](int) { handled++; };
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    ASSERT_EQ(set(SIGUSR1, EVFILT_SIGNAL, EV_ADD), 0);
    ::raise(SIGUSR1);
    ::raise(SIGUSR1);
    EXPECT_TRUE(readable());
    auto rows = wait();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].data, 2);
    EXPECT_EQ(handled, 2) << "beside the handler there is";
    EXPECT_TRUE(wait().empty());
    ASSERT_EQ(set(SIGUSR1, EVFILT_SIGNAL, EV_DELETE), 0);
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(FakeKqueue, Processes) {
    pid_t pid = ::fork();
    if (pid == 0) {
        ::usleep(10'000);
        ::_exit(3);
    }
    int rc = set(pid, EVFILT_PROC, EV_ADD, NOTE_EXIT);
    if (rc == ENOSYS) { // Valgrind has not heard of pidfds, and nothing but this test needs them
        EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
        return;
    }
    ASSERT_EQ(rc, 0);
    auto rows = wait(kSecond);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].fflags, NOTE_EXIT);
    EXPECT_EQ(WEXITSTATUS(static_cast<int>(rows[0].data)), 3);
    EXPECT_TRUE(wait().empty());
    EXPECT_EQ(::waitpid(pid, nullptr, 0), pid) << "it is still to be reaped";
    EXPECT_EQ(set(pid, EVFILT_PROC, EV_ADD, NOTE_EXIT), ESRCH);
}

TEST_F(FakeKqueue, WaitsAreInterruptedAndNeverShort) {
    struct sigaction action{}, before;
    action.sa_handler = [](int) {};
    ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
    itimerval soon{{0, 0}, {0, 5000}}, old;
    ::setitimer(ITIMER_REAL, &soon, &old);
    struct kevent row;
    EXPECT_EQ(::kevent(kq, nullptr, 0, &row, 1, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
    ::setitimer(ITIMER_REAL, &old, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);

    for (long ns : {1L, 1'000'001L, 5'000'000L}) {
        timespec begin, end;
        ::clock_gettime(CLOCK_MONOTONIC, &begin);
        EXPECT_TRUE(wait({0, ns}).empty());
        ::clock_gettime(CLOCK_MONOTONIC, &end);
        EXPECT_GE((end.tv_sec - begin.tv_sec) * 1'000'000'000L + end.tv_nsec - begin.tv_nsec, ns);
    }
}

TEST_F(FakeKqueue, AQueueInAQueue) {
    int inner = ::kqueue();
    ASSERT_EQ(set(inner, EVFILT_READ, EV_ADD), 0);
    Pipe p;
    struct kevent add = change(p.r, EVFILT_READ, EV_ADD);
    ASSERT_EQ(::kevent(inner, &add, 1, nullptr, 0, nullptr), 0);
    EXPECT_TRUE(wait().empty());
    p.w.put();
    EXPECT_TRUE(readable());
    EXPECT_EQ(wait().size(), 1u);
    evl_sys.close(inner);
    EXPECT_TRUE(wait().empty());
}

TEST_F(FakeKqueue, AClosedQueueLeavesNothing) {
    int before = open_fds();
    for (int i = 0; i < 3; i++) {
        int fd = ::kqueue();
        Pipe p;
        struct kevent adds[] = {change(p.r, EVFILT_READ, EV_ADD), change(1, EVFILT_TIMER, EV_ADD, 0, 1000)};
        EXPECT_EQ(::kevent(fd, adds, 2, nullptr, 0, nullptr), 0);
        if (i == 1)
            ::close(fd); // behind its back: noticed when the number is used again
        else
            evl_sys.close(fd);
    }
    EXPECT_EQ(open_fds(), before);
}

TEST_F(FakeKqueue, AChildDoesNotInheritIt) {
    Pipe p;
    p.w.put();
    ASSERT_EQ(set(p.r, EVFILT_READ, EV_ADD), 0);
    in_child([&] {
        EXPECT_EQ(::fcntl(kq, F_GETFD), -1) << "its number is free";
        EXPECT_EQ(set(p.r, EVFILT_READ, EV_ADD), EBADF);
        int own = ::kqueue();
        EXPECT_GE(own, 0);
        evl_sys.close(own);
        kq = -1;
    });
    EXPECT_EQ(wait().size(), 1u);
}

class FakeVnodes : public FakeKqueue {
  protected:
    FakeVnodes() {
        char name[] = "/tmp/evloop-vnode-XXXXXX";
        root = ::mkdtemp(name);
        directory = open("");
    }
    ~FakeVnodes() override {
        for (const char *name : {"/file", "/other"})
            ::unlink((root + name).c_str());
        for (const char *name : {"/sub", ""})
            ::rmdir((root + name).c_str());
        for (int fd : fds)
            evl_sys.close(fd);
    }
    int open(const std::string &name) {
        int fd = ::open((root + name).c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            fd = ::open((root + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        fds.push_back(fd);
        return fd;
    }
    int watch(int fd, int flags = EV_ADD | EV_CLEAR) { return set(fd, EVFILT_VNODE, flags, ~0U); }
    // The fflags of the only row, 0 if there is none.
    unsigned notes(int fd) {
        bool polls = readable();
        auto rows = wait();
        if (rows.empty())
            return 0;
        EXPECT_TRUE(polls);
        EXPECT_EQ(rows.size(), 1u);
        EXPECT_EQ(rows[0].ident, static_cast<uintptr_t>(fd));
        EXPECT_EQ(rows[0].filter, EVFILT_VNODE);
        EXPECT_EQ(rows[0].udata, this);
        return rows[0].fflags;
    }
    std::string at(const char *name) const { return root + name; }
    std::string root;
    std::vector<int> fds;
    int directory;
};

TEST_F(FakeVnodes, AFileTellsOfItself) {
    int file = open("/file");
    ASSERT_EQ(watch(file), 0);
    EXPECT_FALSE(readable());
    ASSERT_EQ(::write(file, "four", 4), 4);
    EXPECT_EQ(notes(file), NOTE_WRITE | NOTE_EXTEND);
    EXPECT_EQ(notes(file), 0u) << "with EV_CLEAR it is told once";
    ASSERT_EQ(::pwrite(file, "x", 1, 0), 1);
    EXPECT_EQ(notes(file), NOTE_WRITE);
    ASSERT_EQ(::ftruncate(file, 1), 0);
    EXPECT_EQ(notes(file), NOTE_ATTRIB);
    ASSERT_EQ(::fchmod(file, 0640), 0);
    EXPECT_EQ(notes(file), NOTE_ATTRIB);
    ASSERT_EQ(::link(at("/file").c_str(), at("/other").c_str()), 0);
    EXPECT_EQ(notes(file), NOTE_LINK);
    ASSERT_EQ(::unlink(at("/other").c_str()), 0);
    EXPECT_EQ(notes(file), NOTE_DELETE);
    ASSERT_EQ(::rename(at("/file").c_str(), at("/other").c_str()), 0);
    EXPECT_EQ(notes(file), NOTE_RENAME);
    ASSERT_EQ(::unlink(at("/other").c_str()), 0);
    EXPECT_EQ(notes(file), NOTE_DELETE);
}

TEST_F(FakeVnodes, ADirectoryTellsThatItWasWritten) {
    ASSERT_EQ(watch(directory), 0);
    int file = open("/file");
    EXPECT_EQ(notes(directory), NOTE_WRITE);
    ASSERT_EQ(::write(file, "x", 1), 1);
    EXPECT_EQ(notes(directory), 0u);
    ASSERT_EQ(::mkdir(at("/sub").c_str(), 0700), 0);
    EXPECT_EQ(notes(directory), NOTE_WRITE | NOTE_LINK);
    ASSERT_EQ(set(directory, EVFILT_VNODE, EV_DELETE), 0);
    int sub = open("/sub");
    ASSERT_EQ(watch(sub), 0);
    ASSERT_EQ(::rename(at("/sub").c_str(), at("/other").c_str()), 0);
    EXPECT_EQ(notes(sub), NOTE_RENAME);
    ASSERT_EQ(::rmdir(at("/other").c_str()), 0);
    EXPECT_EQ(notes(sub), NOTE_DELETE);
}

TEST_F(FakeVnodes, AKnoteGoesWithItsFd) {
    int file = open("/file"), same = open("/file");
    ASSERT_EQ(watch(file), 0);
    ASSERT_EQ(watch(same, EV_ADD), 0);
    ASSERT_EQ(::fchmod(file, 0640), 0);
    EXPECT_EQ(wait().size(), 2u) << "both are told";
    EXPECT_EQ(notes(same), NOTE_ATTRIB) << "without EV_CLEAR again and again";
    evl_sys.close(same);
    fds.pop_back();
    EXPECT_EQ(notes(file), 0u);
    EXPECT_EQ(set(same, EVFILT_VNODE, EV_DELETE), ENOENT);
    ASSERT_EQ(::fchmod(file, 0600), 0);
    EXPECT_EQ(notes(file), NOTE_ATTRIB);
}

TEST_F(FakeVnodes, OnlyWhatIsAskedForAndOnlyFromThenOn) {
    int file = open("/file");
    ASSERT_EQ(::fchmod(file, 0640), 0);
    ASSERT_EQ(set(file, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE), 0);
    EXPECT_EQ(notes(file), 0u);
    ASSERT_EQ(::fchmod(file, 0600), 0);
    EXPECT_EQ(notes(file), 0u);
    ASSERT_EQ(::write(file, "x", 1), 1);
    EXPECT_EQ(notes(file), NOTE_WRITE);
    EXPECT_EQ(set(-1, EVFILT_VNODE, EV_ADD, NOTE_WRITE), EBADF);
}

TEST_F(FakeVnodes, WhatDoesNotFitIsKept) {
    int file = open("/file"), same = open("/file");
    ASSERT_EQ(watch(file), 0);
    ASSERT_EQ(watch(same), 0);
    ASSERT_EQ(::fchmod(file, 0640), 0);
    EXPECT_EQ(wait(kAtOnce, 1).size(), 1u);
    EXPECT_TRUE(readable());
    EXPECT_EQ(wait(kSecond, 1).size(), 1u);
    EXPECT_EQ(wait().size(), 0u);
    EXPECT_FALSE(readable());
}

} // namespace

#endif
