// sys.hpp - the loop's table of system calls, counted, failing on demand, and with a clock that waits move.
#pragma once

#include <array>
#include <cstdint>
#include <sys/types.h>
#include <vector>

extern "C" {
#include "base/sys.h"
}

namespace support {

enum class Call {
#define SUPPORT_CALL(ret, name, params, args) name,
    EVL_SYSCALLS(SUPPORT_CALL)
#undef SUPPORT_CALL
        count
};

// While it lives, every system call of evloop passes through it. One at a time; make it before the threads.
class Sys {
  public:
    Sys();
    Sys(const Sys &) = delete;
    ~Sys();

    // How often a call was made since the beginning.
    uint64_t calls(Call call) const;

    // Lets `skip` calls through, then fails `times` of them with err.
    void fail(Call call, int err, uint64_t skip = 0, uint64_t times = 1);

    // The calls by which the backends wait: fails the next `times` waits that way, whichever the backend.
    void fail_wait(int err, uint64_t times = 1);

    // Changes of interest handed to the kernel, counted by fd.
    uint64_t changes() const;

    // What each wait was asked for: nanoseconds, -1 for ever.
    std::vector<int64_t> waits() const;
    void forget_waits();

    // From now on the monotonic clock stands still, except that a wait in which nothing happened moves it by
    // its whole timeout, and that `advance` moves it.
    void freeze_time();
    void shorten_waits(); // a wait ends after half of its timeout, above 1 us
    void advance(int64_t ns);
    int64_t now() const;

    // The wall clock, once time stands still: it runs with it, and may be set at any time.
    void set_wall(int64_t unix_ns);
};

} // namespace support
