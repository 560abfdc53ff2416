// inject.hpp - making one system call of evloop fail, once, as the kernel would.
//
// support::Sys fails a call by not making it. Here some calls are made all the same: an fd is closed although
// close(2) failed, and EAGAIN from a wake means that a wake is there already. What is counted is shared with
// forked children, so that the walk sees what failed in them.
#pragma once

#include "sys.hpp"

#include <string>

namespace faults {

using support::Call;

struct Fault {
    Call call;
    int err;        // an errno, or EVL_FAULT_*
    uint64_t index; // 1: the first call of that row
};

const char *name_of(Call call);
const std::vector<int> &errnos_of(Call call);
std::string describe(const Fault &fault);

// While it lives, every system call of evloop passes through it.
class Injector {
  public:
    Injector();
    Injector(const Injector &) = delete;
    ~Injector();

    void arm(const Fault &fault); // from now on, and counts from 0
    void arm_nothing();
    void end();                      // of a play: who has taken a number gives it back
    bool hit() const;                // whether it has failed
    uint64_t calls(Call call) const; // since it was armed
};

// While one lives, nothing fails and nothing is counted.
class Paused {
  public:
    Paused();
    Paused(const Paused &) = delete;
    ~Paused();

  private:
    bool before_;
};

// An fd that evloop was given for good.
void give(int fd);

// Whether the backend reports changes only: then what the kernel never says is not said either.
void edges(bool only);

// Whether a loop is inside a wait that takes time.
bool waiting();

} // namespace faults
