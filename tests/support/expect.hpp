// expect.hpp - EXPECT_EQ and ASSERT_EQ, which are nine of ten checks, a third cheaper to compile than
// GoogleTest's. They compare and print in the same way, and take the same << explanation.
#pragma once

#include <cstdint>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <type_traits>

namespace support {

// The two texts and values of a comparison that failed, kept for the Failure that follows it.
void differ(const char *a_text, const char *b_text, const std::string &a, const std::string &b);

// What most comparisons are: compiled once.
bool equal_signed(const char *a_text, const char *b_text, long long a, long long b);
bool equal_unsigned(const char *a_text, const char *b_text, unsigned long long a, unsigned long long b);
bool equal_texts(const char *a_text, const char *b_text, std::string_view a, std::string_view b);

// Reports what differed, and what is streamed to it, when it ends.
class Failure {
  public:
    Failure(testing::TestPartResult::Type type, const char *file, int line);
    Failure(const Failure &) = delete;
    ~Failure();
    template <class T>
    Failure &operator<<(const T &value) {
        message_ << value;
        return *this;
    }

  private:
    testing::Message message_;
    testing::TestPartResult::Type type_;
    const char *file_;
    int line_;
    std::string difference_;
};

// So that "return" may stand before a Failure in a function that returns nothing.
struct Fatal {
    void operator&(const Failure &) const {}
};

template <class T>
constexpr bool a_number = std::is_integral_v<T> && !std::is_same_v<T, bool> && sizeof(T) > 1;
template <class T>
constexpr bool a_text = std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;

// As ==, which converts integers of different signs, and without a warning of it, as in GoogleTest.
template <class A, class B>
bool same(const A &a, const B &b) {
    if constexpr (std::is_integral_v<A> && std::is_integral_v<B>) {
        using Both = std::common_type_t<A, B>;
        return static_cast<Both>(a) == static_cast<Both>(b);
    } else {
        return a == b;
    }
}

template <class A, class B>
bool equal(const char *a_text_, const char *b_text_, const A &a, const B &b) {
    using X = std::decay_t<A>;
    using Y = std::decay_t<B>;
    if constexpr (a_number<X> && a_number<Y> && std::is_signed_v<X> && std::is_signed_v<Y>) {
        return equal_signed(a_text_, b_text_, a, b);
    } else if constexpr (a_number<X> && a_number<Y> && std::is_unsigned_v<X> && std::is_unsigned_v<Y>) {
        return equal_unsigned(a_text_, b_text_, a, b);
    } else if constexpr ((a_text<X> && std::is_convertible_v<const B &, std::string_view>) ||
                         (a_text<Y> && std::is_convertible_v<const A &, std::string_view>)) {
        return equal_texts(a_text_, b_text_, a, b);
    } else {
        if (same(a, b))
            return true;
        differ(a_text_, b_text_, testing::PrintToString(a), testing::PrintToString(b));
        return false;
    }
}

} // namespace support

// As GoogleTest's, "else" included.
#undef EXPECT_EQ
#undef ASSERT_EQ
#define EXPECT_EQ(a, b)                                                                                      \
    GTEST_AMBIGUOUS_ELSE_BLOCKER_                                                                            \
    if (::support::equal(#a, #b, a, b))                                                                      \
        ;                                                                                                    \
    else                                                                                                     \
        ::support::Failure(::testing::TestPartResult::kNonFatalFailure, __FILE__, __LINE__)
#define ASSERT_EQ(a, b)                                                                                      \
    GTEST_AMBIGUOUS_ELSE_BLOCKER_                                                                            \
    if (::support::equal(#a, #b, a, b))                                                                      \
        ;                                                                                                    \
    else                                                                                                     \
        return ::support::Fatal() &                                                                          \
               ::support::Failure(::testing::TestPartResult::kFatalFailure, __FILE__, __LINE__)
