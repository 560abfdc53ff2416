// fd_model_test.cpp - random steps on fd watchers, on each backend.
#include "fd_model.hpp"
#include "scale.hpp"

#include <csignal>
#include <gtest/gtest.h>

namespace model {
namespace {

using support::scaled;
using support::seed;

std::vector<std::string> backends() {
    std::vector<std::string> names;
    for (int i = 0; evl_backend_at(i); i++)
        names.emplace_back(evl_backend_at(i));
    return names;
}

class FdWalk : public ::testing::TestWithParam<std::string> {
  protected:
    FdWalk() : before_(::signal(SIGPIPE, SIG_IGN)) {}
    ~FdWalk() override { ::signal(SIGPIPE, before_); }

  private:
    void (*before_)(int);
};

TEST_P(FdWalk, EveryWatcherHearsWhatIsReady) {
    uint64_t start = seed();
    FdModel m(GetParam().c_str(), start);
    int64_t steps = scaled(100'000);
    for (int64_t i = 0; i < steps; i++) {
        m.step();
        ASSERT_FALSE(m.broken()) << m.fault() << ", step " << i << ", EVLOOP_SEED=" << start;
    }
    std::printf("%lld steps, %llu reports, %llu numbers closed behind their watchers' backs\n",
                static_cast<long long>(steps), static_cast<unsigned long long>(m.reports()),
                static_cast<unsigned long long>(m.losses()));
    EXPECT_GT(m.reports(), static_cast<uint64_t>(steps / 10));
    EXPECT_GT(m.losses(), static_cast<uint64_t>(steps / 1000));
}

INSTANTIATE_TEST_SUITE_P(Backends, FdWalk, ::testing::ValuesIn(backends()),
                         [](const auto &info) { return info.param; });

} // namespace
} // namespace model
