// modules_test.cpp - what the modules of a process share.
#include <evloop.h>
#include <gtest/gtest.h>
#include <thread>

namespace {

// Not those of the C++ layer, which may have been used.
constexpr uint32_t slot = EVL_MODULES_SLOTS - 1;

TEST(Modules, EachThreadHasItsOwnPointers) {
    void **mine = evl_modules_thread(slot);
    ASSERT_NE(mine, nullptr);
    EXPECT_EQ(*mine, nullptr);
    *mine = mine;
    EXPECT_EQ(evl_modules_thread(slot), mine);
    EXPECT_EQ(*evl_modules_thread(slot - 1), nullptr);
    std::thread([&] {
        EXPECT_NE(evl_modules_thread(slot), mine);
        EXPECT_EQ(*evl_modules_thread(slot), nullptr);
    }).join();
    *mine = nullptr;
    EXPECT_EQ(evl_modules_thread(EVL_MODULES_SLOTS), nullptr);
}

TEST(Modules, TheFirstObjectIsSharedUntilItIsWithdrawn) {
    const int first = 0, second = 0;
    EXPECT_EQ(evl_modules_share(slot, &first), &first);
    EXPECT_EQ(evl_modules_share(slot, &second), &first);
    evl_modules_withdraw(slot, &second); // is not shared
    EXPECT_EQ(evl_modules_share(slot, &second), &first);
    evl_modules_withdraw(slot, &first);
    EXPECT_EQ(evl_modules_share(slot, &second), &second);
    evl_modules_withdraw(slot, &second);
    EXPECT_EQ(evl_modules_share(EVL_MODULES_SLOTS, &first), nullptr);
    evl_modules_withdraw(EVL_MODULES_SLOTS, &first);
}

} // namespace
