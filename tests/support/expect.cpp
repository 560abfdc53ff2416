#include "expect.hpp"

namespace support {
namespace {

thread_local std::string difference;

template <class T>
bool equal_or_differ(const char *a_text, const char *b_text, const T &a, const T &b) {
    if (a == b)
        return true;
    differ(a_text, b_text, testing::PrintToString(a), testing::PrintToString(b));
    return false;
}

} // namespace

void differ(const char *a_text, const char *b_text, const std::string &a, const std::string &b) {
    difference = testing::internal::EqFailure(a_text, b_text, a, b, false).message();
}

bool equal_signed(const char *a_text, const char *b_text, long long a, long long b) {
    return equal_or_differ(a_text, b_text, a, b);
}

bool equal_unsigned(const char *a_text, const char *b_text, unsigned long long a, unsigned long long b) {
    return equal_or_differ(a_text, b_text, a, b);
}

bool equal_texts(const char *a_text, const char *b_text, std::string_view a, std::string_view b) {
    return equal_or_differ(a_text, b_text, std::string(a), std::string(b));
}

Failure::Failure(testing::TestPartResult::Type type, const char *file, int line)
    : type_(type), file_(file), line_(line), difference_(std::move(difference)) {}

Failure::~Failure() { testing::internal::AssertHelper(type_, file_, line_, difference_.c_str()) = message_; }

} // namespace support
