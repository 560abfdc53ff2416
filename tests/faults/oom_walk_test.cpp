// oom_walk_test.cpp - each scenario with the first allocation refused, the second, and so on until it passes
// undisturbed.
#include "inject.hpp"
#include "stage.hpp"

#include <gtest/gtest.h>

namespace faults {
namespace {

class OomWalk {
  public:
    uint64_t faults() const { return faults_; }

    void walk(const Scenario &scenario) {
        injector_.arm_nothing();
        bool ran_out = true;
        for (uint64_t at = 1; ran_out && !::testing::Test::HasFailure(); at++) {
            std::string what = std::string(scenario.name) + ", allocation " + std::to_string(at);
            SCOPED_TRACE(what);
            guard_.watch(what);
            ran_out = play(scenario, at);
            faults_ += ran_out;
        }
    }

  private:
    static bool play(const Scenario &scenario, uint64_t at) {
        Stage stage;
        stage.fail_at = at;
        scenario.play(stage);
        stage.close_all();
        for (int64_t code : stage.told())
            EXPECT_STREQ(evl_err_name(static_cast<int32_t>(code)), "EVL_ENOMEM");
        EXPECT_TRUE(stage.followed().empty() || !stage.told().empty());
        return stage.ran_out();
    }

    Injector injector_; // scenarios look into waits
    Guard guard_;
    uint64_t faults_ = 0;
};

TEST(OomWalk, EveryAllocationFails) {
    OomWalk walk;
    for (auto *list : {&scenarios(), &larger_scenarios()})
        for (const Scenario &scenario : *list) {
            if (!is_wanted(scenario))
                continue;
            uint64_t before = walk.faults();
            walk.walk(scenario);
            std::printf("  %-32s %5llu\n", scenario.name,
                        static_cast<unsigned long long>(walk.faults() - before));
        }
    std::printf("OOM walk: %llu refused allocations\n", static_cast<unsigned long long>(walk.faults()));
    EXPECT_GT(walk.faults(), is_only_one() ? 0u : 50u);
}

} // namespace
} // namespace faults
