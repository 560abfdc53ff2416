#include "sandbox.hpp"
#include "fds.hpp"
#include "sys.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <dirent.h>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace support {
namespace {

constexpr unsigned kTestSeconds = 240; // then SIGALRM ends the process, and the output names the test

struct Snapshot {
    std::map<int, std::string> fds;
    int threads;
    std::map<int, void (*)(int)> handlers;
    sigset_t mask, pending;
    evl_sys_table sys;
};

std::map<int, std::string> list_fds() {
    std::map<int, std::string> fds;
    DIR *dir = ::opendir("/proc/self/fd");
    if (!dir)
        return fds;
    while (dirent *entry = ::readdir(dir)) {
        int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == ::dirfd(dir))
            continue;
        char what[256] = {};
        ssize_t n = ::readlinkat(::dirfd(dir), entry->d_name, what, sizeof what - 1);
        fds[fd] = n > 0 ? what : "?";
    }
    ::closedir(dir);
    return fds;
}

Snapshot snapshot() {
    Snapshot s;
    s.fds = list_fds();
    s.threads = threads();
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction action;
        if (::sigaction(signo, nullptr, &action) == 0)
            s.handlers[signo] = action.sa_handler;
    }
    ::pthread_sigmask(SIG_SETMASK, nullptr, &s.mask);
    ::sigpending(&s.pending);
    s.sys = evl_sys;
    return s;
}

std::string names(const std::map<int, std::string> &fds) {
    std::string text;
    for (auto &[fd, what] : fds)
        text += " " + std::to_string(fd) + "=" + what;
    return text;
}

class Sandbox : public ::testing::EmptyTestEventListener {
    void OnTestStart(const ::testing::TestInfo &) override {
        before_ = snapshot();
        ::alarm(kTestSeconds);
    }

    void OnTestEnd(const ::testing::TestInfo &) override {
        ::alarm(0);
        // A joined thread may stay in /proc for a moment.
        for (int i = 0; i < 1000 && threads() > before_.threads; i++)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        Snapshot after = snapshot();
        EXPECT_EQ(names(after.fds), names(before_.fds)) << "fds";
        EXPECT_LE(after.threads, before_.threads) << "threads"; // one that ended may have lingered before
        for (auto &[signo, handler] : before_.handlers)
            EXPECT_EQ(after.handlers[signo], handler) << "disposition of signal " << signo;
        for (int signo = 1; signo < NSIG; signo++) {
            EXPECT_EQ(::sigismember(&after.mask, signo), ::sigismember(&before_.mask, signo))
                << "mask " << signo;
            EXPECT_EQ(::sigismember(&after.pending, signo), ::sigismember(&before_.pending, signo))
                << "pending " << signo;
        }
        EXPECT_EQ(std::memcmp(&after.sys, &before_.sys, sizeof after.sys), 0) << "evl_sys";
        EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) << "a child is left";
    }

    Snapshot before_;
};

} // namespace

int threads() {
    int n = 0;
    if (DIR *dir = ::opendir("/proc/self/task")) {
        while (dirent *entry = ::readdir(dir))
            n += entry->d_name[0] != '.';
        ::closedir(dir);
    }
    return n;
}

void install_sandbox() {
    // What a sanitizer starts with the first thread is there before the first snapshot.
    std::thread([] {}).join();
    ::testing::UnitTest::GetInstance()->listeners().Append(new Sandbox);
}

} // namespace support
