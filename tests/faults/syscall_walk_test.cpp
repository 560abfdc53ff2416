// syscall_walk_test.cpp - each scenario x each row of the table x each errno of the row x the first call, the
// second, and so on until the scenario passes undisturbed.
#include "errnos.h"
#include "inject.hpp"
#include "stage.hpp"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <set>
#include <unistd.h>

namespace faults {
namespace {

// What nobody should hear of.
bool is_absorbed(const Fault &fault) {
    switch (fault.err) {
    case EAGAIN: // of a process it says that there are too many
        return fault.call != Call::connect && fault.call != Call::fork && fault.call != Call::become &&
               fault.call != Call::execve;
    case EVL_FAULT_SHORT:
    case ECANCELED:
    case EINTR:
        return true;
    case ENODEV: // another way to hear of a child, or to close many fds
    case ENOSYS:
        if (fault.call == Call::pidfd_open || fault.call == Call::pidfd_signal ||
            fault.call == Call::close_above)
            return true;
        return fault.call == Call::epoll_pwait2 || fault.call == Call::sendmmsg ||
               fault.call == Call::recvmmsg;
    case EPERM:
        return fault.call == Call::epoll_pwait2 || fault.call == Call::pidfd_open;
    case ENOMEM:
        return fault.call == Call::close_above;
    case EBUSY:
        return fault.call == Call::dup2;
    default:
        return fault.call == Call::close || fault.call == Call::count;
    }
}

// An errno, or what the resolver's rows put there.
int32_t code_of(int native) {
    return native >= -EVL_EAI_AGAIN && native <= -EVL_EAI_UNKNOWN ? -native : evl_err_from_errno(native);
}

// What may be told when a call fails with err: that, and what the library concludes from it.
bool may_be_told(const Fault &fault, int64_t code) {
    if (is_absorbed(fault))
        return false;
    int native = fault.err < 0 ? EVL_FAULT_ROW(0) - fault.err : fault.err;
    if (code == code_of(native))
        return true;
    bool of_path = fault.call == Call::socket || fault.call == Call::connect || fault.call == Call::lstat ||
                   fault.call == Call::unlink;
    if (of_path && code == EVL_EADDRINUSE) // of which it is not known that nobody listens there
        return true;
    if (fault.call == Call::socket && native == EAFNOSUPPORT) // no server has an address of that family
        return code == EVL_EADDRNOTAVAIL;
    if (fault.call == Call::if_index) // there is no such host
        return code == EVL_EAI_NONAME;
    if (fault.call == Call::execve && native == ENOTDIR) // nor such a file in any directory
        return code == EVL_ENOENT;
    // The kernel says that it has the fd, and then that it has not. One of the two is a lie.
    if (fault.call == Call::epoll_ctl && native == EEXIST)
        return code == EVL_ENOENT || code == EVL_EBADF;
    // EINVAL from adding a knote means a file that cannot be waited on.
    if (fault.err == EVL_FAULT_ROW(EINVAL) && code == EVL_EPERM)
        return true;
    // An entry is gone because its fd was closed; and what a wait finds out about an fd has only one name.
    return code == EVL_EBADF && (native == ENOENT || (fault.call == Call::kevent && fault.err != EINTR));
}

int failures() {
    return ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
}

constexpr int kEnoughFailures = 30;

class Walk {
  public:
    uint64_t faults() const { return faults_; }
    bool has_played(const std::string &row) const { return played_.count(row) != 0; }

    void walk(const Scenario &scenario) {
        int failures_before = failures();
        injector_.arm_nothing();
        play(scenario, "undisturbed", {Call::count, 0, 0});
        if (failures() != failures_before)
            return;
        std::vector<uint64_t> calls;
        for (size_t row = 0; row < static_cast<size_t>(Call::count); row++)
            calls.push_back(injector_.calls(static_cast<Call>(row)));
        for (size_t row = 0; row < calls.size(); row++)
            if (calls[row] > 0)
                played_.insert(name_of(static_cast<Call>(row)));
        for (size_t row = 0; row < calls.size(); row++)
            for (int err : errnos_of(static_cast<Call>(row)))
                if (calls[row] > 0)
                    walk(scenario, static_cast<Call>(row), err);
    }

  private:
    void walk(const Scenario &scenario, Call call, int err) {
        for (uint64_t index = 1; failures() < kEnoughFailures; index++) {
            Fault fault{call, err, index};
            injector_.arm(fault);
            play(scenario, describe(fault), fault);
            if (!injector_.hit())
                return;
            faults_++;
            ASSERT_LT(index, 10'000u) << "never passes undisturbed";
        }
    }

    void play(const Scenario &scenario, const std::string &how, const Fault &fault) {
        std::string what = std::string(scenario.name) + ", " + how;
        SCOPED_TRACE(what);
        guard_.watch(what);
        Stage stage;
        stage.failing = fault.call;
        scenario.play(stage);
        stage.close_all();
        injector_.end();
        for (int64_t code : stage.told())
            EXPECT_TRUE(may_be_told(fault, code)) << "told " << evl_err_name(static_cast<int32_t>(code));
        bool caused = !stage.told().empty();
        for (int64_t code : stage.followed())
            caused |= may_be_told(fault, code);
        EXPECT_TRUE(caused || stage.followed().empty()) << "somebody is gone, and nobody says why";
    }

    Injector injector_;
    Guard guard_;
    std::set<std::string> played_; // the rows that the scenarios have come to
    uint64_t faults_ = 0;
};

// Everything that is not of one backend.
#define FAULTS_NAME(ret, name, params, args) #name,
const char *const kRowsOfAll[] = {EVL_SYSCALLS_NET(FAULTS_NAME) EVL_SYSCALLS_NAMES(FAULTS_NAME)
                                      EVL_SYSCALLS_PROCESS(FAULTS_NAME)};
#undef FAULTS_NAME

// Paths of vnodes come to the one only, and a kernel without pidfds never to the other.
bool is_out_of_reach(const std::string &row) {
    support::Fd pidfd(evl_sys.pidfd_open(::getpid()));
    return row == "stat" || (row == "pidfd_signal" && pidfd < 0);
}

TEST(SyscallWalk, EveryCallFailsInEveryWay) {
    Walk walk;
    for (const Scenario &scenario : scenarios()) {
        if (!is_wanted(scenario))
            continue;
        uint64_t before = walk.faults();
        walk.walk(scenario);
        std::printf("  %-32s %5llu\n", scenario.name,
                    static_cast<unsigned long long>(walk.faults() - before));
    }
    std::printf("fault walk: %llu faults\n", static_cast<unsigned long long>(walk.faults()));
    EXPECT_GT(walk.faults(), is_only_one() ? 0u : 100u);
    for (const std::string row : kRowsOfAll)
        EXPECT_TRUE(is_only_one() || is_out_of_reach(row) || walk.has_played(row))
            << "no scenario comes to " << row;
}

} // namespace
} // namespace faults
