// main.cpp - the runner of the tests that use a World: EVLOOP_BACKEND and EVLOOP_TEST_SINK choose the face.
#include "sandbox.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

int main(int argc, char **argv) {
    ::testing::InitGoogleTest(&argc, argv);
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    support::install_sandbox();
    return RUN_ALL_TESTS();
}
