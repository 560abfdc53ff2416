#include "child.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace support {

Child::Child(const std::function<void()> &body) {
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) {
        EXPECT_GT(pid_, 0);
        return;
    }
    ::alarm(60);
    body();
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
}

void Child::kill() {
    EXPECT_EQ(::kill(pid_, SIGKILL), 0);
    EXPECT_EQ(::waitpid(pid_, nullptr, 0), pid_);
    pid_ = 0;
}

void Child::join() {
    if (pid_ <= 0)
        return;
    int status = 0;
    pid_t rc;
    do
        rc = ::waitpid(pid_, &status, 0);
    while (rc < 0 && errno == EINTR);
    EXPECT_EQ(rc, pid_);
    EXPECT_TRUE(WIFEXITED(status)) << "the child died of signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "an assertion failed in the child";
    pid_ = 0;
}

} // namespace support
