// error_test.cpp - codes as std::error_code, exceptions as codes, result<T>.
#include "allocations.hpp"

#include <evloop/unhandled.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

TEST(Error, TheCodeIsTheNumberOfC) {
    const std::error_code error = evloop::make_error_code(EVL_ECONNREFUSED);
    EXPECT_EQ(error.value(), EVL_ECONNREFUSED);
    EXPECT_STREQ(error.category().name(), "evloop");
    EXPECT_EQ(error.message(), evl_strerror(EVL_ECONNREFUSED));
    EXPECT_FALSE(evloop::make_error_code(0));
    EXPECT_FALSE(evloop::make_error_code(7)); // a number that a call answered
}

TEST(Error, EqualsTheErrcOfTheSameMeaning) {
    EXPECT_EQ(evloop::make_error_code(EVL_ENOMEM), std::errc::not_enough_memory);
    EXPECT_EQ(evloop::make_error_code(EVL_ECANCELED), std::errc::operation_canceled);
    EXPECT_EQ(evloop::make_error_code(EVL_ETIMEDOUT), std::errc::timed_out);
    EXPECT_EQ(evloop::make_error_code(EVL_EAGAIN), std::errc::resource_unavailable_try_again);
    EXPECT_NE(evloop::make_error_code(EVL_ENOMEM), std::errc::timed_out);
}

TEST(Error, EvloopsOwnEqualNoErrno) {
    const std::error_code closed = evloop::errc::closed;
    EXPECT_EQ(closed, evloop::errc::closed);
    EXPECT_NE(closed, evloop::errc::broken);
    EXPECT_EQ(closed.value(), EVL_ECLOSED);
    EXPECT_EQ(closed.default_error_condition().category(), evloop::error_category());
}

TEST(Error, IsThrownAsSystemError) {
    try {
        evloop::throw_error(EVL_EMFILE);
    } catch (const std::system_error &error) {
        EXPECT_EQ(error.code(), std::errc::too_many_files_open);
        EXPECT_EQ(error.code().value(), EVL_EMFILE);
    }
    EXPECT_NO_THROW(evloop::check(0));
    EXPECT_THROW(evloop::check(-1), std::system_error);
    EXPECT_EQ(evloop::check_number(std::int64_t(1) << 40), std::int64_t(1) << 40);
    EXPECT_THROW(evloop::check_number(std::int64_t(EVL_EINVAL)), std::system_error);
}

TEST(Error, ExceptionsHaveCodes) {
    const auto code = [](auto exception) { return evloop::code_of(std::make_exception_ptr(exception)); };
    EXPECT_EQ(code(std::system_error(evloop::make_error_code(EVL_ECLOSED))), EVL_ECLOSED);
    EXPECT_EQ(code(std::system_error(ENOENT, std::system_category())), EVL_ENOENT);
    EXPECT_EQ(code(std::system_error(ENOENT, std::generic_category())), EVL_ENOENT);
    EXPECT_EQ(code(std::system_error(0, std::generic_category())), EVL_EUSER);
    EXPECT_EQ(code(std::bad_alloc()), EVL_ENOMEM);
    EXPECT_EQ(code(std::runtime_error("x")), EVL_EUSER);
    EXPECT_EQ(code(7), EVL_EUSER);
}

using Owner = evloop::result<std::unique_ptr<int>>;
static_assert(!std::is_copy_constructible_v<Owner> && std::is_nothrow_move_constructible_v<Owner>);
static_assert(std::is_copy_constructible_v<evloop::result<void>>);

TEST(Result, HoldsAValueOrACode) {
    Owner value = std::make_unique<int>(3);
    ASSERT_TRUE(value);
    EXPECT_EQ(**value, 3);
    EXPECT_EQ(value.code(), 0);
    EXPECT_FALSE(value.error());
    std::unique_ptr<int> taken = std::move(value).value();
    EXPECT_EQ(*taken, 3);

    Owner error = evloop::fail(EVL_EPIPE);
    EXPECT_FALSE(error);
    EXPECT_EQ(error.code(), EVL_EPIPE);
    EXPECT_EQ(error.error(), std::errc::broken_pipe);
    EXPECT_THROW(error.value(), std::system_error);
    EXPECT_EQ(*std::move(error).value_or(std::make_unique<int>(4)), 4);
}

TEST(Result, IsMovedAndEndsItsValueOnce) {
    const auto alive = std::make_shared<int>(0);
    {
        evloop::result<std::shared_ptr<int>> a = alive;
        evloop::result<std::shared_ptr<int>> b = std::move(a);
        EXPECT_EQ(alive.use_count(), 2);
        a = evloop::fail(EVL_EINVAL); // over a value
        a = std::move(b);             // over an error
        EXPECT_EQ(*a, alive);
        EXPECT_EQ(alive.use_count(), 2);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

TEST(Result, OfNothingIsACode) {
    evloop::result<void> good, bad = evloop::fail(EVL_EBUSY);
    EXPECT_TRUE(good);
    EXPECT_NO_THROW(good.value());
    EXPECT_FALSE(bad);
    EXPECT_THROW(bad.value(), std::system_error);
}

} // namespace
