// world_no_exceptions_test.cpp - runs what was compiled without exceptions, beside what was compiled with
// them.
#include <evloop.hpp>
#include <gtest/gtest.h>

int world_without_exceptions();

namespace {

TEST(NoExceptions, StreamsGeneratorsChildrenAndDatagrams) {
    EXPECT_EQ(world_without_exceptions(), 0);
    EXPECT_EQ(evloop::run([]() -> evloop::task<int> {
                  co_await evloop::sleep(std::chrono::microseconds(1));
                  co_return 3;
              }()),
              3);
}

} // namespace
