// child.hpp - running part of a test in a forked child, whose failed assertions fail the test.
#pragma once

#include <functional>
#include <sys/types.h>

namespace support {

// ThreadSanitizer does not know the threads that a child of a program with threads starts.
#if defined(__has_feature)
constexpr bool child_may_start_threads = !__has_feature(thread_sanitizer);
#elif defined(__SANITIZE_THREAD__)
constexpr bool child_may_start_threads = false;
#else
constexpr bool child_may_start_threads = true;
#endif

class Child {
  public:
    explicit Child(const std::function<void()> &body); // forks; the child runs body and exits
    Child(const Child &) = delete;
    ~Child() { join(); }
    void kill(); // ends it instead; for one that waits to be
    void join(); // a test failure when an assertion failed in the child, or when it died of a signal

  private:
    pid_t pid_;
};

inline void in_child(const std::function<void()> &body) { Child child(body); }

} // namespace support
